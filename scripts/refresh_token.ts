// Swaps the refresh token for a new pair of tokens, so that you stay logged in. Made for cron.
//
//   reads     .env, tesla_token.json, tesla_token.json.new, tesla_token.json.lock
//   writes    tesla_token.json, tesla_token.json.new, tesla_token.json.lock
//   contacts  token host
//   costs     nothing
//   run       npx tsx scripts/refresh_token.ts [--if-expiring-within 3h]
import { readArguments, say, Stop } from "../lib/command_line.ts";
import { TOKEN_HOST } from "../lib/hosts.ts";
import { replaceFile, takeLock } from "../lib/safe_file.ts";
import { readSettings } from "../lib/settings.ts";
import { teslaJson } from "../lib/tesla_fetch.ts";
import { expiryOf, readToken, TOKEN_FILE, tokenFileText } from "../lib/token_file.ts";

// Step 1: is it time? A duration is a whole number with m, h or d.
const began = Date.now() - performance.now() + 250; // this run's start, and a bit: in doubt, refresh
const { options } = readArguments(import.meta.filename, { "if-expiring-within": { type: "string" } });
const within = options["if-expiring-within"];
const [, number, unit] = /^(\d{1,5})([mhd])$/.exec(String(within)) ?? [];
if (within !== undefined && !number) throw new Stop(2, `wrong usage: "${within}" is not like 90m, 3h or 2d`);
const settings = readSettings(["TESLA_CLIENT_ID", "TESLA_REGION"]);
const before = readToken();
const expiry = expiryOf(before);
const minutes = Number(number) * ({ m: 1, h: 60, d: 1440 }[unit] ?? 1);
if (number && expiry && expiry.getTime() > Date.now() + minutes * 60_000) {
  say(`the access token is good until ${expiry.toLocaleString()}: nothing to do`);
  process.exit(0);
}

// Step 2: one run at a time. Another one may have swapped the token since this one began: then all is done.
const release = await takeLock(TOKEN_FILE);
try {
  const { refresh_token, obtained_at } = readToken();
  const obtained = Date.parse(obtained_at ?? "");
  const done = refresh_token !== before.refresh_token || (obtained > began && obtained < Date.now());

  // Step 3: the swap. The refresh token works once, and for up to 24 hours more if the answer is lost.
  // https://developer.tesla.com/docs/fleet-api/authentication/third-party-tokens#refresh-tokens
  if (!done) await replaceFile(TOKEN_FILE, async () => tokenFileText(await teslaJson({
    url: `${TOKEN_HOST[settings.TESLA_REGION]}/oauth2/v3/token`,
    form: { grant_type: "refresh_token", client_id: settings.TESLA_CLIENT_ID, refresh_token },
  })));
  const until = expiryOf(readToken())?.toLocaleString() ?? "some hours from now";
  say(`${done ? "another run has done it" : `saved in ${TOKEN_FILE}`}; the access token expires ${until}`);
} finally {
  release();
}
