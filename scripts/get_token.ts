// Logs you in at Tesla, in your own browser, and saves the tokens that the other scripts use.
//
//   reads     .env, tesla_token.json, tesla_token.json.new, tesla_token.json.lock
//   writes    tesla_token.json, tesla_token.json.new, tesla_token.json.lock
//   contacts  token host
//   costs     nothing
//   run       npx tsx scripts/get_token.ts [--force]
import { createHash, randomBytes } from "node:crypto";
import { readArguments, say, Stop } from "../lib/command_line.ts";
import { explain } from "../lib/explanations.ts";
import { CONSENT_PAGE, FLEET_API, LOGIN_PAGE, TOKEN_HOST } from "../lib/hosts.ts";
import { loginAnswer } from "../lib/login_answer.ts";
import { replaceFile, takeLock } from "../lib/safe_file.ts";
import { readSettings } from "../lib/settings.ts";
import { teslaJson } from "../lib/tesla_fetch.ts";
import { claimsOf, expiryOf, readToken, TOKEN_FILE, tokenFileText } from "../lib/token_file.ts";

// Step 1: the settings. A login that still works is kept: a new one could put a running cron job out.
const { options } = readArguments(import.meta.filename, { force: { type: "boolean" } });
const settings = readSettings(
  ["TESLA_CLIENT_ID", "TESLA_CLIENT_SECRET", "TESLA_REDIRECT_URI", "TESLA_REGION", "TESLA_SCOPES"]);
let expiry: Date | undefined;
try { expiry = expiryOf(readToken()); } catch {} // no login yet
if (expiry && expiry > new Date() && options.force !== true) {
  say(`${TOKEN_FILE} is valid until ${expiry.toLocaleString()}; for another login or scopes: --force`);
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
  require_requested_scopes: "true", // no half consent
});
const request = `Tesla will ask you to grant: ${settings.TESLA_SCOPES}
(vehicle_device_data: see the car; vehicle_charging_cmds: its charging; vehicle_cmds: all else, unlocking too;
energy_device_data, energy_cmds: see or steer Powerwall and solar; openid, offline_access: stay logged in)
Open this address, log in, and tick every box:

${LOGIN_PAGE[settings.TESLA_REGION]}?${String(question).replaceAll("+", "%20")}

Then wait (5 minutes); where the browser ends at a page that cannot be shown, paste its address, press Enter.
If Tesla says "No policy rules": register_partner. "redirect_uri": add yours to your app. Ctrl-C cancels.`;

// Step 3: Tesla's answer, from the browser or pasted.
const { code, tellBrowser } = await loginAnswer(settings.TESLA_REDIRECT_URI, state, request);

// Step 4: the code is swapped for the tokens. The file is opened first: a code works only once.
let release = (): void => {};
const { exit, means, todo } = explain("login page", 0, "scopes not granted");
try {
  release = await takeLock(TOKEN_FILE);
  await replaceFile(TOKEN_FILE, async () => {
    const answer = await teslaJson({ url: `${TOKEN_HOST[settings.TESLA_REGION]}/oauth2/v3/token`, form: {
      grant_type: "authorization_code",
      client_id: settings.TESLA_CLIENT_ID,
      client_secret: settings.TESLA_CLIENT_SECRET,
      code,
      code_verifier: verifier,
      audience: FLEET_API[settings.TESLA_REGION],
      redirect_uri: settings.TESLA_REDIRECT_URI,
    } });
    if (!answer.refresh_token && claimsOf(answer).scopes?.includes("offline_access") === false) {
      throw new Stop(exit, `${means}: offline_access; without it there is no refresh token; ${todo}`);
    }
    return tokenFileText(answer);
  });
} catch (error) {
  await tellBrowser(400, "The login did not work. The terminal says why.");
  throw error;
} finally {
  release();
}
await tellBrowser(200, "Your tokens are saved. You can close this page and go back to the terminal.");

// Step 5: what Tesla granted. Tesla drops scopes silently, so they are compared.
const token = readToken();
const { scopes, region } = claimsOf(token);
const missing = settings.TESLA_SCOPES.split(" ").filter((scope) => scopes && !scopes.includes(scope));
say(`saved in ${TOKEN_FILE}; the access token expires ${expiryOf(token)?.toLocaleString() ?? "in some hours"}
granted  ${scopes?.join(" ") ?? "not told"} (asked: ${settings.TESLA_SCOPES})
region   ${region}${["", settings.TESLA_REGION].includes(region) ? "" : `: set TESLA_REGION=${region}`}
change   ${CONSENT_PAGE}?revoke_client_id=${settings.TESLA_CLIENT_ID}
next     npx tsx scripts/list_vehicles.ts`);
if (missing.length > 0) throw new Stop(exit, `${means}: ${missing.join(" ")}; the token is saved; ${todo}`);
