// Walks through the set-up without changing anything, and names the first step that is wrong, with its mend.
//
//   reads     .env, private-key.pem, public-key.pem, tesla_token.json, tesla_session.json
//   writes    nothing
//   contacts  TESLA_DOMAIN, token host, Fleet API
//   costs     2 data requests ($0.004); nothing with --free
//   run       npx tsx scripts/check_setup.ts [--free] [--json] [--skip-check]
import { existsSync, readFileSync, statSync } from "node:fs";
import { startChecklist } from "../lib/checklist.ts";
import { messageOf, readArguments, say, Stop } from "../lib/command_line.ts";
import { FLEET_API, PAIRING_PAGE } from "../lib/hosts.ts";
import { PRIVATE_KEY_FILE, readPrivateKey, readPublicKey } from "../lib/key_files.ts";
import { partnerToken, publishedPoint, registeredPoint } from "../lib/partner.ts";
import { readSession, SESSION_FILE } from "../lib/session.ts";
import { readSettings } from "../lib/settings.ts";
import { teslaJson } from "../lib/tesla_fetch.ts";
import { claimsOf, expiryOf, readToken, TOKEN_FILE } from "../lib/token_file.ts";

const { options } = readArguments(import.meta.filename,
  { free: { type: "boolean" }, json: { type: "boolean" }, "skip-check": { type: "boolean" } });
const { step, end } = startChecklist(options.json === true);
const free = options.free === true;
const shown = options["skip-check"] === true ? "" : "the key on your domain, ";
say(`not billed: ${shown}a partner token, the key that Tesla has on file
${free ? "left out" : "billed"}: the list of your cars ($0.002), fleet_status ($0.002)`);
function need(isRight: boolean, mend: string, exitCode = 5): void {
  if (!isRight) throw new Stop(exitCode, mend);
}

// Step 1: this folder.
const [major, minor] = process.versions.node.split(".").map(Number);
await step("Node", () => {
  need(major > 20 || (major === 20 && minor >= 18), `${major}.${minor} is too old; install 20.18 or later`);
  return process.versions.node;
});
let settings: Record<string, string> = {};
await step("settings", () => {
  settings = readSettings(["TESLA_CLIENT_ID", "TESLA_CLIENT_SECRET", "TESLA_REDIRECT_URI", "TESLA_REGION",
    "TESLA_DOMAIN", "TESLA_COMMANDS", "TESLA_SCOPES"]);
  if (settings.TESLA_COMMANDS === "proxy") readSettings(["TESLA_PROXY_URL"]);
  try { readSettings(["TESLA_VIN"]); } catch (error) {
    if (!messageOf(error).includes("is not set")) throw error; // list_vehicles tells it, after the login
  }
  return "complete and well formed";
});
let point = "";
await step("key pair", () => {
  const own = readPrivateKey().getPublicKey("hex");
  point = readPublicKey().point;
  need(own === point, "public-key.pem does not belong to private-key.pem; copy the right pair here");
  return "P-256, both halves of one pair";
});
await step("file modes", () => {
  const isOpen = (file: string): boolean => existsSync(file) && (statSync(file).mode & 0o077) !== 0;
  const open = [PRIVATE_KEY_FILE, TOKEN_FILE].filter(isOpen).join(" ");
  need(open === "" || process.platform === "win32", `others here can read ${open}; run: chmod 600 ${open}`);
  return `only you can read your key and tokens${isOpen(".env") ? "; better: chmod 600 .env" : ""}`;
});

// Step 2: your domain and your app.
let [partner, bearer] = ["", ""]; // your app's token, and your own
await step("published key", async () => {
  const isOurs = (await publishedPoint(settings.TESLA_DOMAIN)) === point;
  need(isOurs, "your domain shows another key; put public-key.pem there");
  return `${settings.TESLA_DOMAIN} shows it`;
}, options["skip-check"] === true);
await step("app", async () => {
  partner = await partnerToken(settings);
  return "Tesla knows your app and its secret";
});
await step("registration", async () => {
  const isOurs = (await registeredPoint(settings, partner)) === point;
  need(isOurs, "Tesla has another key on file; run register_partner");
  return "Tesla has your key on file";
});

// Step 3: your login.
let claims: ReturnType<typeof claimsOf>;
await step("login", () => {
  const token = readToken();
  const expiry = expiryOf(token) ?? new Date(0);
  const days = Math.floor((Date.now() - Date.parse(token.obtained_at ?? "")) / 86_400_000);
  need(!(days >= 90), `the refresh token is ${days} days old and ends after 3 months; run get_token`, 4);
  need(expiry > new Date(), `the access token expired ${expiry.toLocaleString()}; run refresh_token`, 4);
  bearer = token.access_token;
  claims = claimsOf(token);
  const age = Number.isNaN(days) ? "of unknown age" : `${days} days old`;
  return `good until ${expiry.toLocaleString()}; the refresh token is ${age}, and ends after 3 months`;
});
await step("scopes", () => {
  const { scopes } = claims;
  if (!scopes) return "not told";
  const missing = settings.TESLA_SCOPES.split(" ").filter((scope) => !scopes.includes(scope)).join(" ");
  need(missing === "", `not granted: ${missing}; run get_token --force and tick every box`);
  return scopes.join(" ");
});
await step("region", () => {
  const isHere = ["", settings.TESLA_REGION].includes(claims.region);
  need(isHere, `the account is elsewhere: set TESLA_REGION=${claims.region}`);
  return claims.region || "not told";
});

// Step 4: your car. The requests are billed.
// https://developer.tesla.com/docs/fleet-api/endpoints/vehicle-endpoints#fleet-status
let vin = "";
await step("VIN", () => {
  vin = readSettings(["TESLA_VIN"]).TESLA_VIN;
  return `${vin}: 17 characters`;
});
const url = `${FLEET_API[settings.TESLA_REGION]}/api/1/vehicles`;
await step("car", async () => {
  const { response } = await teslaJson({ url, bearer });
  const vins = (Array.isArray(response) ? response : []).map((car) => String(Object(car).vin));
  need(vins.includes(vin), `not in this account, which has ${vins.join(" ") || "none"}; mend TESLA_VIN`);
  return `${vin} is in this account`;
}, free);
await step("virtual key", async () => {
  const { response } = await teslaJson({ url: `${url}/fleet_status`, bearer, json: { vins: [vin] } });
  const { key_paired_vins, vehicle_info } = Object(response) as Record<string, unknown>;
  const car = Object(Object(vehicle_info)[vin]);
  if (!Array.isArray(key_paired_vins)) throw new Stop(1, "Tesla's answer does not say; try again later");
  const isPaired = key_paired_vins.includes(vin);
  const isPlain = car.vehicle_command_protocol_required === false;
  const isRest = settings.TESLA_COMMANDS === "rest";
  need(isPlain || !isRest, "this car takes only signed commands: set TESLA_COMMANDS=signed");
  need(isRest || isPaired || !isPlain, "this car takes plain commands: set TESLA_COMMANDS=rest");
  need(isRest || isPaired, `not on the car: open ${PAIRING_PAGE}${settings.TESLA_DOMAIN} on your phone`);
  return `${isRest ? "not needed" : "on the car"}; firmware ${car.firmware_version ?? "unknown"}`;
}, free);
await step("session", () => {
  const text = existsSync(SESSION_FILE) ? readFileSync(SESSION_FILE, "utf8").trim() : "{}";
  const name = `${vin} infotainment`;
  const session = readSession(name, readPrivateKey());
  const isNone = /^\{[^]*\}$/.test(text) && !text.includes(name); // perhaps another car's or another part's
  need(isNone || session !== undefined, `it cannot be used; delete ${SESSION_FILE}`);
  return session && !session.stale ? "kept: a command takes 1 request" : "the next command takes 2 requests";
});
process.exitCode = end();
