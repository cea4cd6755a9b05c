// Exchanges the refresh token for new tokens to keep you logged in. Made for cron.
//
//   reads     .env, tesla_token.json, tesla_token.json.new, tesla_token.json.lock
//   writes    tesla_token.json, tesla_token.json.new, tesla_token.json.lock
//   contacts  token host
//   costs     nothing
//   run       npx tsx scripts/refresh_token.ts [--if-expiring-within 3h]
import { Failure, localTime, say, startScript } from "../lib/command_line.ts";
import { replaceFile, withLock } from "../lib/safe_file.ts";
import { readSettings } from "../lib/settings.ts";
import { askTokenHost } from "../lib/tesla_fetch.ts";
import { expiryOf } from "../lib/token_claims.ts";
import { newToken, readToken, TOKEN_FILE } from "../lib/token_file.ts";

const MINUTES: Record<string, number> = { m: 1, h: 60, d: 1440 };

// Step 1: is it time? A duration is a whole number with m, h or d.
const { "if-expiring-within": within } = startScript(import.meta.filename, {
  values: ["if-expiring-within"],
});
const [, digits, unit = ""] = /^(\d{1,5})([mhd])$/.exec(within ?? "") ?? [];
if (within !== undefined && !digits) {
  throw new Failure(2, "wrong usage", `"${within}"`, "--if-expiring-within must look like 90m, 3h or 2d");
}
const minutes = Number(digits) * (MINUTES[unit] ?? 1);
const { TESLA_CLIENT_ID, TESLA_REGION } = readSettings(["TESLA_CLIENT_ID", "TESLA_REGION"]);
const before = readToken();
const expiry = expiryOf(before);
if (digits && expiry && expiry.getTime() > Date.now() + minutes * 60_000) {
  say(`valid until ${localTime(expiry)}; nothing to do`);
  process.exit(0);
}

// Step 2: one run at a time. Another one may have used the refresh token since this one read it: then there
// is nothing left to do.
await withLock(TOKEN_FILE, async () => {
  const old = readToken();
  if (old.refresh_token !== before.refresh_token) return say("already refreshed by another run");

  // Step 3: the exchange. The refresh token works once; if the answer is lost, for up to 24 hours more.
  // https://developer.tesla.com/docs/fleet-api/authentication/third-party-tokens#refresh-tokens
  const token = await replaceFile(TOKEN_FILE, async () => {
    const answer = await askTokenHost(TESLA_REGION, {
      grant_type: "refresh_token",
      client_id: TESLA_CLIENT_ID,
      refresh_token: old.refresh_token,
    });
    return newToken(answer, old);
  });
  const until = expiryOf(token);
  say(`logged in until ${until ? localTime(until) : "a few hours from now"}; ${TOKEN_FILE} saved`);
});
