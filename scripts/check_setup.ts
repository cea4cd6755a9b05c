// Walks through the set-up without changing anything, and names the first step that is wrong, with its mend.
//
//   reads     .env, private-key.pem, public-key.pem, tesla_token.json, tesla_session.json
//   writes    nothing
//   contacts  TESLA_DOMAIN, token host, Fleet API
//   costs     2 data requests ($0.004); nothing with --free
//   run       npx tsx scripts/check_setup.ts [--free] [--json] [--skip-check]
import { existsSync, statSync } from "node:fs";
import { clean, jsonText, messageOf, readArguments, say, Stop } from "../lib/command_line.ts";
import { FLEET_API, PAIRING_PAGE } from "../lib/hosts.ts";
import { PRIVATE_KEY_FILE, readPrivateKey, readPublicKey } from "../lib/key_files.ts";
import { partnerToken, publishedPoint, registeredPoint } from "../lib/partner.ts";
import { readSession, SESSION_FILE } from "../lib/session.ts";
import { readSettings } from "../lib/settings.ts";
import { teslaJson } from "../lib/tesla_fetch.ts";
import { claimsOf, expiryOf, readToken, TOKEN_FILE } from "../lib/token_file.ts";

// A step gives its finding, or throws what is wrong and how to mend it; then the steps behind it wait.
const flag = { type: "boolean" as const };
const { options } = readArguments(import.meta.filename, { free: flag, json: flag, "skip-check": flag });
say(`not billed: the key on your domain, a partner token, the key that Tesla has on file
${options.free === true ? "left out" : "billed"}: the list of your cars ($0.002), fleet_status ($0.002)`);
const lines: { step: string; state: string; text: string }[] = [];
let exitCode = 0;
async function step(name: string, check: () => string | Promise<string>, leaveOut?: unknown): Promise<void> {
  let [state, text] = exitCode === 0 ? ["ok", ""] : ["waiting", "for the step that is wrong"];
  if (state === "ok" && leaveOut === true) [state, text] = ["left out", "as you wish"];
  try {
    if (state === "ok") text = clean(await check());
  } catch (error) {
    [state, text] = ["wrong", clean(messageOf(error))];
    exitCode = error instanceof Stop && error.exitCode === 4 ? 4 : 5;
  }
  lines.push({ step: name, state, text });
  if (options.json !== true) process.stdout.write(`${state.padEnd(9)} ${name}: ${text}\n`);
}
function tell(isRight: boolean, finding: string, mend: string): string {
  if (isRight) return finding;
  throw new Stop(5, mend);
}

// This folder.
await step("Node", () => tell(/^(20\.(1[89]|[2-9]\d)|2[1-9]|[3-9]\d)/.test(process.versions.node),
  process.versions.node, "too old; install Node 20.18 or later"));
let settings: Record<string, string> = {};
await step("settings", () => {
  settings = readSettings(["TESLA_CLIENT_ID", "TESLA_CLIENT_SECRET", "TESLA_REDIRECT_URI", "TESLA_REGION",
    "TESLA_DOMAIN", "TESLA_VIN", "TESLA_COMMANDS", "TESLA_SCOPES"]);
  if (settings.TESLA_COMMANDS === "proxy") readSettings(["TESLA_PROXY_URL"]);
  return "complete and well formed";
});
await step("key pair", () => tell(readPrivateKey().getPublicKey("hex") === readPublicKey().point,
  "P-256, both halves of one pair", "public-key.pem is not of private-key.pem; copy the right pair here"));
await step("file modes", () => {
  const files = [PRIVATE_KEY_FILE, TOKEN_FILE].filter((file) => existsSync(file));
  const open = files.filter((file) => (statSync(file).mode & 0o077) !== 0);
  return tell(open.length === 0 || process.platform === "win32", "only you can read your secrets",
    `others on this machine can read ${open.join(" and ")}; run: chmod 600 ${open.join(" ")}`);
});

// Your domain and your app.
let bearer = "";
await step("published key", async () => {
  const isOurs = (await publishedPoint(settings.TESLA_DOMAIN)) === readPublicKey().point;
  return tell(isOurs, "your domain shows it", "your domain shows another key; put public-key.pem there");
}, options["skip-check"]);
await step("app", async () => (bearer = await partnerToken(settings)) && "Tesla knows it, and its secret");
await step("registration", async () => {
  const isOurs = (await registeredPoint(settings, bearer)) === readPublicKey().point;
  return tell(isOurs, "Tesla has public-key.pem on file", "Tesla has another key on file; run register_partner");
});

// Your login.
await step("login", () => {
  const token = readToken();
  const expiry = expiryOf(token) ?? new Date();
  const days = Math.floor((Date.now() - Date.parse(token.obtained_at ?? "")) / 86_400_000);
  if (days >= 90) throw new Stop(4, `the refresh token is ${days} days old, and ends after 3 months; run get_token`);
  if (expiry < new Date()) throw new Stop(4, `the access token expired ${expiry.toLocaleString()}; run refresh_token`);
  return `good until ${expiry.toLocaleString()}; the refresh token is ${days} days old, and ends after 3 months`;
});
await step("scopes", () => {
  const { scopes } = claimsOf(readToken());
  const missing = settings.TESLA_SCOPES.split(" ").filter((scope) => !scopes.includes(scope)).join(" ");
  return tell(missing === "", scopes.join(" "), `not granted: ${missing}; run get_token --force, tick every box`);
});
await step("region", () => {
  const { region } = claimsOf(readToken());
  return tell(region === settings.TESLA_REGION, region, `the account is elsewhere: set TESLA_REGION=${region}`);
});

// Your car. Both requests are billed.
// https://developer.tesla.com/docs/fleet-api/endpoints/vehicle-endpoints#fleet-status
const vehicles = `${FLEET_API[settings.TESLA_REGION]}/api/1/vehicles`;
await step("car", async () => {
  const { response } = await teslaJson({ url: vehicles, bearer: readToken().access_token });
  const vins = (Array.isArray(response) ? response : []).map((car) => String(Object(car).vin));
  return tell(vins.includes(settings.TESLA_VIN), `${settings.TESLA_VIN} is in this account`,
    `not in this account, which has ${vins.join(" ") || "none"}; mend TESLA_VIN, or log in with the car's account`);
}, options.free);
await step("virtual key", async () => {
  const json = { vins: [settings.TESLA_VIN] };
  const bearer = readToken().access_token;
  const { response } = await teslaJson({ url: `${vehicles}/fleet_status`, bearer, json });
  const car = Object(Object(Object(response).vehicle_info)[settings.TESLA_VIN]);
  const paired: unknown = Object(response).key_paired_vins;
  const isPaired = Array.isArray(paired) && paired.includes(settings.TESLA_VIN);
  const isPlain = car.vehicle_command_protocol_required === false;
  const isRest = settings.TESLA_COMMANDS === "rest";
  tell(isPlain || !isRest, "", "this car takes only signed commands: set TESLA_COMMANDS=signed");
  tell(isRest || isPaired || !isPlain, "", "this car takes plain commands: set TESLA_COMMANDS=rest");
  return tell(isPaired || isRest, `${isRest ? "not needed" : "on the car"}, firmware ${car.firmware_version}`,
    `not on the car: open ${PAIRING_PAGE}${settings.TESLA_DOMAIN} on the phone with the Tesla app, and approve`);
}, options.free);
await step("session", () => {
  if (!existsSync(SESSION_FILE)) return "none yet: the first command takes 2 requests";
  const isUsable = readSession(`${settings.TESLA_VIN} infotainment`, readPrivateKey()) !== undefined;
  return tell(isUsable, "kept: a command takes 1 request", `${SESSION_FILE} cannot be used: delete it`);
});
if (options.json === true) process.stdout.write(`${jsonText({ ok: exitCode === 0, steps: lines })}\n`);
process.exitCode = exitCode;
