// Swaps the refresh token for new tokens, so that you stay logged in. Made for cron.
//
//   reads     .env, tesla_token.json, tesla_token.json.new, tesla_token.json.lock
//   writes    tesla_token.json, tesla_token.json.new, tesla_token.json.lock
//   contacts  token host
//   costs     nothing
//   run       npx tsx scripts/refresh_token.ts [--if-expiring-within 3h]
import { say, startScript, Stop } from "../lib/command_line.ts";
import { replaceFile, withLock } from "../lib/safe_file.ts";
import { readSettings } from "../lib/settings.ts";
import { askTokenHost } from "../lib/tesla_fetch.ts";
import { expiryOf } from "../lib/token_claims.ts";
import { readToken, TOKEN_FILE, tokenFileText } from "../lib/token_file.ts";

const MINUTES = new Map([["m", 1], ["h", 60], ["d", 1440]]);

// Step 1: is it time? A duration is a whole number with m, h or d.
const { options } = startScript(import.meta.filename, { "if-expiring-within": { type: "string" } });
const within = options["if-expiring-within"];
const [, number, unit = ""] = /^(\d{1,5})([mhd])$/.exec(String(within)) ?? [];
if (within !== undefined && !number) throw new Stop(2, `wrong usage: "${within}" is not like 90m, 3h or 2d`);
const minutes = Number(number) * (MINUTES.get(unit) ?? 1);
const { TESLA_CLIENT_ID, TESLA_REGION } = readSettings(["TESLA_CLIENT_ID", "TESLA_REGION"]);
const before = readToken();
const expiry = expiryOf(before);
if (number && expiry && expiry.getTime() > Date.now() + minutes * 60_000) {
  say(`the access token is good until ${expiry.toLocaleString()}: nothing to do`);
  process.exit(0);
}

// Step 2: one run at a time. Another one may have swapped the token since this one read it: then all is done.
await withLock(TOKEN_FILE, async () => {
  const { refresh_token } = readToken();
  if (refresh_token !== before.refresh_token) return say("another run has just done it");

  // Step 3: the swap. The refresh token works once, and for up to 24 hours more if the answer is lost.
  // https://developer.tesla.com/docs/fleet-api/authentication/third-party-tokens#refresh-tokens
  await replaceFile(TOKEN_FILE, async () => tokenFileText(await askTokenHost(TESLA_REGION, {
    grant_type: "refresh_token",
    client_id: TESLA_CLIENT_ID,
    refresh_token,
  })));
  const until = expiryOf(readToken())?.toLocaleString() ?? "some hours from now";
  say(`saved in ${TOKEN_FILE}; the access token expires ${until}`);
});
