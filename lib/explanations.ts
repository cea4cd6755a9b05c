// What Tesla's answers mean here, and what to do: one table, for every script and for the README. The first
// row that fits an answer counts. Sources: Tesla's pages, and what owners met.
// https://developer.tesla.com/docs/fleet-api/getting-started/conventions
import { FLEET_API, PAIRING_PAGE } from "./hosts.ts";
import { withDomain } from "./settings.ts";

const ANY = -1; // any status; 0 is for no answer at all
const LOGIN = "login page"; // what your browser meets; no address that a script calls
const TOKEN = "/oauth2/v3/token";
const KEY = "/.well-known/";
const REGISTER = "/partner_accounts";
const APP = "your app's page on developer.tesla.com";
const GRANT = `set the grant type on ${APP} to "Authorization Code and Machine-to-Machine"`;

// Part of the address, status, part of Tesla's text in small letters, exit code (lib/command_line.ts), its
// meaning, what to do. A command that may have reached the car without an answer of the car's ends with 8.
export const EXPLANATIONS: [string, number, string, number, string, string][] = [
  [LOGIN, 0, "no policy rules", 5, "Tesla does not know the domain yet", "run register_partner first"],
  [LOGIN, 0, "redirect_uri", 5, "TESLA_REDIRECT_URI is not registered",
    `add it, to the letter, to Allowed Redirect URIs on ${APP}; a change takes some minutes`],
  [LOGIN, 0, "cancel", 2, "the login was cancelled", "run get_token --force when you like"],
  [LOGIN, 0, "access_denied", 2, "the login was cancelled", "run get_token --force when you like"],
  [LOGIN, 0, "scopes not granted", 5, "Tesla left out scopes: not ticked, not allowed to the app, or kept "
    + "from an earlier consent", `tick them on ${APP} (10 minutes), run get_token --force, tick every box`],
  [LOGIN, 0, "", 4, "Tesla did not log you in", "run get_token --force"],

  [TOKEN, ANY, "login_required", 4,
    "the refresh token is spent, over 3 months old, or withdrawn (password changed, consent revoked)",
    "run get_token --force"],
  [TOKEN, ANY, "invalid_grant", 4, "the refresh token or the code is no longer good",
    "run get_token --force"],
  [TOKEN, ANY, "invalid_auth_code", 4, "the authorization code was used before, or is over 2 minutes old",
    "run get_token --force, and finish the login without a pause"],
  ["", ANY, "unauthorized_client", 5, "Tesla does not know TESLA_CLIENT_ID with this TESLA_CLIENT_SECRET",
    `copy both anew, and ${GRANT}`],
  [TOKEN, ANY, "invalid_client_id", 5, "the login was for another app",
    "mend TESLA_CLIENT_ID, then run get_token --force"],
  [TOKEN, ANY, "invalid_client", 5, "Tesla does not know this app", `copy TESLA_CLIENT_ID anew from ${APP}`],
  [TOKEN, ANY, "client_not_found", 5, "the app is of another region",
    "TESLA_REGION=cn needs an app of developer.tesla.cn, the others one of developer.tesla.com"],
  [TOKEN, ANY, "invalid_redirect_url", 5, "TESLA_REDIRECT_URI is not the one of the login",
    `give it exactly as under Allowed Redirect URIs on ${APP}, then run get_token --force`],
  [TOKEN, ANY, "invalid_audience", 5, "the region's address is misspelt (slash at its end, no https://), or "
    + "the app is one of the new ones that Tesla refuses since August 2026",
    "check TESLA_REGION; a new app can only wait: github.com/teslamotors/vehicle-command/issues/460"],
  [TOKEN, ANY, "invalid_scope", 5, "the app may not ask for one of the scopes", `tick it on ${APP}`],
  [TOKEN, ANY, "unsupported_grant_type", 5, "the app may not ask for this kind of token", GRANT],
  [TOKEN, ANY, "server_error", 1, "Tesla's server failed", "try again later"],
  [TOKEN, ANY, "invalid_request", 5, "Tesla misses something in the request", "check every setting in .env"],

  [TOKEN, 401, "", 4, "Tesla refuses the login", "mend the app's secret, or run get_token --force"],

  [KEY, 0, "", 5, "your domain cannot be reached from here",
    "check your internet, TESLA_DOMAIN, its DNS entry, its certificate; if only your router: --skip-check"],
  [KEY, 404, "", 5, "the key is not at its place on your domain",
    "put public-key.pem there (GitHub Pages needs .nojekyll), or start serve_public_key and the tunnel"],
  [KEY, ANY, "a redirect", 5, "your domain redirects; Tesla wants the key", "set TESLA_DOMAIN to the target"],
  [KEY, ANY, "", 5, "your domain did not show the key",
    "let it answer everyone with 200 and the key alone; behind a tunnel: start serve_public_key"],

  [REGISTER, 400, "invalid domain", 5, "TESLA_DOMAIN is misspelt", "small letters, no https://, no slash"],
  [REGISTER, 412, "root domain", 5, "TESLA_DOMAIN is not among the app's Allowed Origins",
    `add https:// and TESLA_DOMAIN to them on ${APP}; a change takes some minutes`],
  [REGISTER, 424, "", 5, "Tesla could not download your key",
    "open the address that Tesla names: it must show the key alone, to every country and program"],
  [REGISTER, 422, "key hash", 5, "the key pair is registered for another app or domain",
    "move private-key.pem and public-key.pem away; run generate_key; publish; run register_partner"],
  [REGISTER, 422, "domain has", 5, "another app has registered this domain", "give each app its own domain"],
  [REGISTER, 422, "", 5, "Tesla refuses the registration", "read Tesla's text, and search for it"],
  [REGISTER, 401, "", 5, "Tesla refuses the app's token", "check TESLA_REGION, then run it again"],
  [REGISTER, 403, "scope", 5, "the app lacks a scope of TESLA_SCOPES", `tick it on ${APP} (10 minutes)`],
  [REGISTER, 404, "", 5, "Tesla has no key on file for TESLA_DOMAIN here", "run register_partner, then wait"],

  ["", 401, "mobile_access_disabled", 5, "mobile access is off", "allow it in the car: Controls, Safety"],
  ["", 401, "unknown user", 4, "this account was never used in the Tesla app",
    "log in to the Tesla app once, then run get_token --force"],
  ["", 401, "", 4, "the access token has expired, or consent was withdrawn",
    "run refresh_token; if Tesla refuses that, run get_token --force"],
  ["", 402, "", 7, "Tesla wants a payment method", `set up billing on ${APP}`],
  ["", 403, "exceeded_limit", 7, "the app has reached its billing limit and is switched off",
    `raise the limit on ${APP}, or wait for the next month`],
  ["", 403, "scope", 5, "the token lacks a scope that this needs",
    `tick it on ${APP} (10 minutes), add it to TESLA_SCOPES, run get_token --force, tick every box`],
  ["", 403, "command protocol required", 5, "this car takes only signed commands",
    "set TESLA_COMMANDS=signed"],
  ["", 403, "unsupported vehicle", 6, "Tesla does not offer this for this car", "nothing helps"],
  ["", 404, "not_found", 5, "Tesla finds no such car in this account",
    "compare TESLA_VIN with list_vehicles; if it is another account's: get_token --force"],
  ["", 405, "", 6, "the car is in service, or this call does not exist", "try again after the service"],
  ["", 408, "", 3, "the car is asleep or offline", "run wake_up ($0.02), open the Tesla app (free), or wait"],
  ["", 412, "", 5, "the app is not registered in this region",
    "check TESLA_REGION, run register_partner (once a region), try again some minutes later"],
  ["", 421, "", 5, "the account belongs to another region", "set TESLA_REGION to the one that Tesla names"],
  ["/signed_command", 422, "", 5, "this car does not take signed commands", "set TESLA_COMMANDS=rest"],
  ["", 423, "", 6, "Tesla has locked this", "ask Tesla's support"],
  ["", 429, "", 7, "too many requests", "wait as long as Tesla says; all apps of the account count together"],
  ["", 451, "", 6, "Tesla refuses this for legal reasons", "nothing helps"],
  ["", ANY, "not been paired", 5, "the virtual key is not on the car",
    `open ${PAIRING_PAGE}TESLA_DOMAIN on the phone that has the Tesla app, and approve`],
  ["", ANY, "offline or asleep", 3, "the car is asleep or offline", "run wake_up, or open the Tesla app"],
  ["command", 503, "", 3, "the car cannot be reached", "run wake_up ($0.02), or try again later"],
  ["", ANY, "a web page", 1, "a web page came back: a firewall, proxy or bot protection stands in between",
    "try another network; VPNs and cloud machines are often blocked"],
  ["", ANY, "a redirect", 1, "a redirect was refused: a token must not follow one", "try another network"],
  ["", 406, "", 1, "Tesla refuses the content type", "the script is wrong: please report it"],
  ["", 540, "", 1, "the car answered nonsense: it is booting, updating or in service", "try again later"],
  ["", 0, "", 1, "no complete answer came", "check the internet connection; try again (a refresh: today)"],
];

/** The row for an answer, or what the class of its status tells. A 421 is told, and never followed. */
export function explain(address: string, status: number, text: string):
  { exit: number; means: string; todo: string } {
  const fits = EXPLANATIONS.find(([where, code, part]) => address.includes(where)
    && (code === ANY || code === status) && text.toLowerCase().includes(part));
  if (!fits && status >= 500) return { exit: 1, means: "Tesla's server failed", todo: "try again later" };
  if (!fits) return { exit: 6, means: "Tesla refused the request", todo: "read Tesla's text" };
  const region = Object.keys(FLEET_API).find((name) => text.includes(FLEET_API[name]));
  const [, , , exit, means, todo] = fits;
  return { exit, means, todo: status === 421 && region ? `set TESLA_REGION=${region}` : withDomain(todo) };
}
