// Logs you in to Tesla, in your own browser, and saves the tokens that the other scripts use.
//
//   reads     .env, tesla_token.json, tesla_token.json.new, tesla_token.json.lock
//   writes    tesla_token.json, tesla_token.json.new, tesla_token.json.lock
//   contacts  token host
//   costs     nothing
//   run       npx tsx scripts/get_token.ts [--force]
import { createHash, randomBytes } from "node:crypto";
import { asRecord, Failure, localTime, say, startScript } from "../lib/command_line.ts";
import { FLEET_API, LOGIN_HOST, PORTALS } from "../lib/hosts.ts";
import { useLoginCode } from "../lib/login_answer.ts";
import { replaceFile, withLock } from "../lib/safe_file.ts";
import { APP_SETTINGS, readSettings } from "../lib/settings.ts";
import { askTokenHost } from "../lib/tesla_fetch.ts";
import { claimsOf, expiryOf } from "../lib/token_claims.ts";
import { newToken, readToken, type Token, TOKEN_FILE } from "../lib/token_file.ts";

// biome-ignore format: a table of words
const IN_WORDS = new Map([["openid", "log in"], ["offline_access", "stay logged in"],
  ["vehicle_device_data", "see the car"], ["vehicle_charging_cmds", "manage its charging"],
  ["vehicle_cmds", "everything else, including unlocking"], ["vehicle_location", "see where it is"],
  ["energy_device_data", "see Powerwall and solar"], ["energy_cmds", "control Powerwall and solar"],
  ["user_data", "see your profile"]]);

// Step 1: the settings. A login whose access token is still valid is kept: a new one could end a cron job's.
const { force } = startScript(import.meta.filename, { flags: ["force"] });
const settings = readSettings([...APP_SETTINGS, "TESLA_REDIRECT_URI"]);
let expiry: Date | undefined;
try {
  expiry = expiryOf(readToken());
} catch {} // no login yet
if (expiry && expiry > new Date() && !force) {
  say(`logged in until ${localTime(expiry)}; use --force to log in again or change scopes`);
  process.exit(0);
}
await withLock(TOKEN_FILE, async () => {}); // a folder that cannot be written is found now

// Step 2: the login address. `state` ties Tesla's answer to this run, PKCE ties the code to this run.
// https://developer.tesla.com/docs/fleet-api/authentication/third-party-tokens
const state = randomBytes(32).toString("base64url");
const verifier = randomBytes(32).toString("base64url");
const query = new URLSearchParams({
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
const asked = settings.TESLA_SCOPES.split(" ");
const rows = asked.map((scope) => `   ${scope.padEnd(23)}${IN_WORDS.get(scope) ?? "see Tesla's page"}`);
const request = `Tesla will ask you to grant:
${rows.join("\n")}

1  Open this address, log in to Tesla, and tick every box:

${LOGIN_HOST[settings.TESLA_REGION]}/oauth2/v3/authorize?${String(query).replaceAll("+", "%20")}

2  Wait here. The browser passes the answer on to ${new URL(settings.TESLA_REDIRECT_URI).origin} (5 minutes).
   If it lands on a page that won't load, paste that page's address here and press Enter.
   If Tesla shows "No policy rules", run register_partner first. Ctrl-C cancels.
`;

// Step 3: Tesla's answer brings a code, to be exchanged for the tokens. It works once, so the file is made
// before the code is used. Tesla leaves scopes out silently, so they are compared with what was asked for.
function missingFrom(token: { access_token?: unknown }): string[] {
  const { scopes } = claimsOf(token);
  return asked.filter((scope) => scopes && !scopes.includes(scope));
}
function scopesFailure(missing: string[], tokens: string): Failure {
  const page = `your app's page on ${PORTALS[settings.TESLA_REGION]}`;
  const fix = `tick them on ${page}, wait 10 minutes, run get_token --force and tick every box`;
  return new Failure(5, "Tesla left out scopes", `not granted: ${missing.join(" ")}; ${tokens}`, fix);
}
async function tokensFor(code: string): Promise<Token> {
  const answer = await askTokenHost(settings.TESLA_REGION, {
    grant_type: "authorization_code",
    client_id: settings.TESLA_CLIENT_ID,
    client_secret: settings.TESLA_CLIENT_SECRET,
    code,
    code_verifier: verifier,
    audience: FLEET_API[settings.TESLA_REGION],
    redirect_uri: settings.TESLA_REDIRECT_URI,
  });
  const missing = missingFrom(asRecord(answer));
  const isLasting = asRecord(answer).refresh_token || !missing.includes("offline_access");
  if (!isLasting) throw scopesFailure(missing, "nothing was saved");
  return newToken(answer);
}
const { token } = await useLoginCode(settings.TESLA_REDIRECT_URI, state, request, async (code) => {
  const saved = await withLock(TOKEN_FILE, () => replaceFile(TOKEN_FILE, () => tokensFor(code)));
  const isComplete = missingFrom(saved).length === 0;
  const success = "Your tokens are saved. You can close this page and go back to the terminal.";
  const partial = "Your tokens are saved, but Tesla left out scopes. The terminal says what to do.";
  return { token: saved, page: isComplete ? success : partial };
});

// Step 4: what Tesla granted.
const { scopes = [], region } = claimsOf(token);
const granted = scopes.map((scope) => `${scope} (${IN_WORDS.get(scope) ?? "see Tesla's page"})`).join("; ");
const until = expiryOf(token);
const consent = `${LOGIN_HOST[settings.TESLA_REGION]}/user/revoke/consent?revoke_client_id=`;
say(`logged in until ${until ? localTime(until) : "a few hours from now"}; ${TOKEN_FILE} saved
granted  ${granted || "unknown"}
revoke   ${consent}${settings.TESLA_CLIENT_ID}`);
const isOther = !["", settings.TESLA_REGION].includes(region);
if (isOther) say(`region   the token names ${region}; if Tesla answers 421, change TESLA_REGION`);
const missing = missingFrom(token);
if (missing.length > 0) throw scopesFailure(missing, "the tokens are saved");
say("next     npx tsx scripts/list_vehicles.ts");
