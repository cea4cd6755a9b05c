// Walks through the set-up without changing anything, and says what is wrong first and how to fix it.
//
//   reads     .env, private-key.pem, public-key.pem, tesla_token.json
//   writes    nothing
//   contacts  TESLA_DOMAIN, token host, Fleet API
//   costs     2 data requests ($0.004); nothing with --free
//   run       npx tsx scripts/check_setup.ts [--free] [--skip-check]
import { existsSync, statSync } from "node:fs";
import { clean, messageOf, say, startScript, Stop } from "../lib/command_line.ts";
import { PAIRING_PAGE } from "../lib/hosts.ts";
import { PRIVATE_KEY_FILE, readPrivateKey, readPublicKey } from "../lib/key_files.ts";
import { partnerToken, publishedPoint, registeredPoint } from "../lib/partner.ts";
import { readSettings } from "../lib/settings.ts";
import { askFleetApi } from "../lib/tesla_fetch.ts";
import { claimsOf, expiryOf } from "../lib/token_claims.ts";
import { readToken, TOKEN_FILE, type Token } from "../lib/token_file.ts";

const { options } = startScript(
  import.meta.filename, { free: { type: "boolean" }, "skip-check": { type: "boolean" } });

// Each step that is right gets a line on stdout; the first that is wrong ends the script.
async function step(name: string, check: () => string | Promise<string>, skip = ""): Promise<void> {
  try {
    const found = options[skip] === true ? "" : clean(await check());
    process.stdout.write(found === "" ? `skipped  ${name} (--${skip})\n` : `ok       ${name}: ${found}\n`);
  } catch (error) {
    process.stdout.write(`wrong    ${name}\nnot checked: the steps after it\n`);
    const exitCode = error instanceof Stop && error.exitCode === 4 ? 4 : 5;
    throw new Stop(exitCode, `${name}: ${messageOf(error)}; then run check_setup again`);
  }
}
function need(isRight: unknown, problem: string, exitCode = 5): void {
  if (!isRight) throw new Stop(exitCode, problem);
}

// Step 1: this folder.
let settings: Record<string, string> = {};
await step("settings", () => {
  settings = readSettings(["TESLA_CLIENT_ID", "TESLA_CLIENT_SECRET", "TESLA_REDIRECT_URI", "TESLA_REGION",
    "TESLA_DOMAIN", "TESLA_COMMANDS", "TESLA_SCOPES"]);
  if (settings.TESLA_COMMANDS === "proxy") readSettings(["TESLA_PROXY_URL"]);
  return "complete and well formed";
});
let point = "";
await step("key pair", () => {
  point = readPublicKey().point;
  const own = readPrivateKey().getPublicKey("hex");
  need(own === point, "public-key.pem does not belong to private-key.pem; copy the right pair here");
  return "P-256, both halves of one pair";
});
await step("file modes", () => {
  const secret = [".env", PRIVATE_KEY_FILE, TOKEN_FILE].filter((file) => existsSync(file));
  const open = secret.filter((file) => (statSync(file).mode & 0o077) !== 0).join(" ");
  const isRight = open === "" || process.platform === "win32";
  need(isRight, `other users of this machine can read ${open}; run: chmod 600 ${open}`);
  return "only you can read your secrets";
});

// Step 2: your domain and your app. Nothing is billed.
let partner = ""; // your app's token
await step("published key", async () => {
  const shown = await publishedPoint(settings.TESLA_DOMAIN);
  need(shown === point, "your domain shows another key; put public-key.pem there");
  return `${settings.TESLA_DOMAIN} shows it`;
}, "skip-check");
await step("app", async () => {
  partner = await partnerToken(settings);
  return "Tesla knows your app and its secret";
});
await step("registration", async () => {
  const registered = await registeredPoint(settings, partner);
  need(registered === point, "Tesla has another key on file; run register_partner");
  return "Tesla has your key on file";
});

// Step 3: your login.
let token: Token = { access_token: "", refresh_token: "" };
await step("login", () => {
  token = readToken();
  const expiry = expiryOf(token); // undefined where neither file nor token says
  const days = Math.floor((Date.now() - Date.parse(token.obtained_at ?? "")) / 86_400_000);
  need(!(days >= 90), `the refresh token is ${days} days old and ends after 3 months; run get_token`, 4);
  need(!expiry || expiry > new Date(), "the access token has expired; run refresh_token", 4);
  return `good until ${expiry?.toLocaleString() ?? "?"}; the refresh token ends 3 months after its last use`;
});
await step("scopes and region", () => {
  const { scopes, region } = claimsOf(token);
  const missing = settings.TESLA_SCOPES.split(" ").filter((scope) => scopes?.includes(scope) === false);
  need(missing.length === 0, `not granted: ${missing.join(" ")}; run get_token --force and tick every box`);
  const isHere = ["", settings.TESLA_REGION].includes(region);
  need(isHere, `the account belongs to another region: set TESLA_REGION=${region}`);
  return `${scopes?.join(" ") ?? "scopes unknown"}; ${region || "region unknown"}`;
});

// Step 4: your car. The two requests cost $0.002 each.
// https://developer.tesla.com/docs/fleet-api/endpoints/vehicle-endpoints#fleet-status
await step("VIN", () => readSettings(["TESLA_VIN"]).TESLA_VIN);
const { TESLA_VIN } = readSettings(["TESLA_VIN"]);
if (options.free !== true) say("the next two requests cost $0.002 each; --free skips them");
await step("car", async () => {
  const { response } = await askFleetApi(settings.TESLA_REGION, "vehicles", token.access_token);
  const cars = (Array.isArray(response) ? response : []).map(Object) as { vin?: unknown; state?: unknown }[];
  const car = cars.find((one) => one.vin === TESLA_VIN);
  need(car, `not in this account: ${cars.map((one) => one.vin).join(" ") || "it has none"}; fix TESLA_VIN`);
  return `in this account, ${car?.state === "online" ? "online" : `${car?.state}; wake_up wakes it ($0.02)`}`;
}, "free");
await step("virtual key", async () => {
  const { response } = await askFleetApi(
    settings.TESLA_REGION, "vehicles/fleet_status", token.access_token, { json: { vins: [TESLA_VIN] } });
  const { key_paired_vins, vehicle_info } = Object(response) as Record<string, unknown>;
  const car = Object(Object(vehicle_info)[TESLA_VIN]);
  need(Array.isArray(key_paired_vins), "Tesla's answer does not say; try again later");
  const isPaired = Object(key_paired_vins).includes(TESLA_VIN);
  const isRest = settings.TESLA_COMMANDS === "rest";
  const required = car.vehicle_command_protocol_required; // true, false, or not told
  need(!(isRest && required === true), "this car takes only signed commands: set TESLA_COMMANDS=signed");
  need(isRest || isPaired || required !== false, "this car takes plain commands: set TESLA_COMMANDS=rest");
  need(isRest || isPaired, `not on the car: open ${PAIRING_PAGE}${settings.TESLA_DOMAIN} on your phone`);
  return `${isRest ? "not needed" : "on the car"}; firmware ${car.firmware_version ?? "unknown"}`;
}, "free");
say("everything is set up");
