// Logs you in at Tesla, in your own browser, and saves the tokens that the other scripts use.
//
//   reads     .env, tesla_token.json, tesla_token.json.new, tesla_token.json.lock
//   writes    tesla_token.json, tesla_token.json.new, tesla_token.json.lock
//   contacts  token host
//   costs     nothing
//   run       npx tsx scripts/get_token.ts [--force]
import { createHash, randomBytes } from "node:crypto";
import { say, startScript, Stop } from "../lib/command_line.ts";
import { stopFor } from "../lib/explanations.ts";
import { FLEET_API, LOGIN_HOST } from "../lib/hosts.ts";
import { useLoginCode } from "../lib/login_answer.ts";
import { replaceFile, withLock } from "../lib/safe_file.ts";
import { readSettings } from "../lib/settings.ts";
import { askTokenHost } from "../lib/tesla_fetch.ts";
import { claimsOf, expiryOf } from "../lib/token_claims.ts";
import { readToken, TOKEN_FILE, tokenFileText } from "../lib/token_file.ts";

// Step 1: the settings. A login that still works is kept, since a new one could end a running cron job's.
const { options } = startScript(import.meta.filename, { force: { type: "boolean" } });
const settings = readSettings(
  ["TESLA_CLIENT_ID", "TESLA_CLIENT_SECRET", "TESLA_REDIRECT_URI", "TESLA_REGION", "TESLA_SCOPES"]);
let expiry: Date | undefined;
try { expiry = expiryOf(readToken()); } catch {} // no login yet
if (expiry && expiry > new Date() && options.force !== true) {
  say(`you are logged in until ${expiry.toLocaleString()}; for another login, or other scopes: --force`);
  process.exit(0);
}

// Step 2: the login address. `state` ties Tesla's answer to this run, PKCE ties the code to this run.
// https://developer.tesla.com/docs/fleet-api/authentication/third-party-tokens
const state = randomBytes(32).toString("base64url");
const verifier = randomBytes(32).toString("base64url");
const question = new URLSearchParams({
  response_type: "code",
  client_id: settings.TESLA_CLIENT_ID,
  redirect_uri: settings.TESLA_REDIRECT_URI,
  scope: settings.TESLA_SCOPES,
  state,
  code_challenge: createHash("sha256").update(verifier).digest("base64url"),
  code_challenge_method: "S256",
  prompt_missing_scopes: "true", // ask again for what an earlier consent left out
  require_requested_scopes: "true", // every box must be ticked
});
const request = `Tesla will ask you to grant: ${settings.TESLA_SCOPES}
(vehicle_device_data: see the car; vehicle_charging_cmds: its charging; vehicle_cmds: all else, unlocking too;
energy_device_data, energy_cmds: see or control Powerwall and solar; openid, offline_access: stay logged in)
Open this address in your browser, log in, and tick every box:

${LOGIN_HOST[settings.TESLA_REGION]}/oauth2/v3/authorize?${String(question).replaceAll("+", "%20")}

Then wait. If the browser ends at a page that cannot be shown, paste that page's address here and press Enter.
If Tesla says "No policy rules", run register_partner first. Ctrl-C cancels.`;

// Step 3: Tesla's answer brings a code, which is swapped for the tokens. It works once, so the file is opened
// first.
let missing: string[] = [];
const scopesStop = (kept: string): Stop =>
  stopFor("login page", 0, "scopes not granted", `${missing.join(" ")}; ${kept}`);
await useLoginCode(settings.TESLA_REDIRECT_URI, state, request, async (code) => {
  await withLock(TOKEN_FILE, () => replaceFile(TOKEN_FILE, async () => {
    const answer = await askTokenHost(settings.TESLA_REGION, {
      grant_type: "authorization_code",
      client_id: settings.TESLA_CLIENT_ID,
      client_secret: settings.TESLA_CLIENT_SECRET,
      code,
      code_verifier: verifier,
      audience: FLEET_API[settings.TESLA_REGION],
      redirect_uri: settings.TESLA_REDIRECT_URI,
    });
    const { scopes } = claimsOf(answer);
    missing = settings.TESLA_SCOPES.split(" ").filter((scope) => scopes && !scopes.includes(scope));
    if (!answer.refresh_token && missing.includes("offline_access")) throw scopesStop("nothing is saved");
    return tokenFileText(answer);
  }));
  return missing.length === 0 ? "Your tokens are saved. You can close this page and go back to the terminal."
    : "Your tokens are saved, but Tesla left out scopes. The terminal says what to do.";
});

// Step 4: what Tesla granted. Tesla leaves scopes out without a word, so they are compared.
const token = readToken();
const { scopes, region } = claimsOf(token);
const isHere = ["", settings.TESLA_REGION].includes(region);
const consent = `${LOGIN_HOST[settings.TESLA_REGION]}/user/revoke/consent?revoke_client_id=`;
say(`saved in ${TOKEN_FILE}; the access token expires ${expiryOf(token)?.toLocaleString() ?? "in some hours"}
granted  ${scopes?.join(" ") ?? "Tesla does not say"} (asked for: ${settings.TESLA_SCOPES})
region   ${region || "Tesla does not say"}${isHere ? "" : `: set TESLA_REGION=${region}`}
To see or withdraw what you granted: ${consent}${settings.TESLA_CLIENT_ID}`);
if (missing.length > 0) throw scopesStop("the tokens are saved");
say("next     npx tsx scripts/list_vehicles.ts");
