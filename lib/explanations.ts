// What Tesla's answers mean, and what to do: one table, for every script and for the documentation. The first
// row that fits an answer counts. Sources: Tesla's pages, and what owners have met.
// https://developer.tesla.com/docs/fleet-api/getting-started/conventions
import { Stop } from "./command_line.ts";
import { FLEET_API, PAIRING_PAGE } from "./hosts.ts";

const ANY = -1; // any status; 0 means that no answer came; 300, 400 and 500 stand for 3xx, 4xx and 5xx
const LOGIN = "login page"; // what your browser meets; no script calls it
const TOKEN = "/oauth2/v3/token";
const KEY = "/.well-known/";
const REGISTER = "/partner_accounts";
const APP = "your app's page on developer.tesla.com";
const GRANT = `set the grant type on ${APP} to "Authorization Code and Machine-to-Machine"`;
const AGAIN = "run get_token --force";
const WEB_PAGE = "a web page came back: a firewall, proxy or bot protection is in the way";

// Part of the address, status, part of Tesla's text in lower case, exit code, what it means, what to do.
export const EXPLANATIONS: [string, number, string, number, string, string][] = [
  [LOGIN, 0, "no policy rules", 5, "Tesla does not know your domain yet", "run register_partner first"],
  [LOGIN, 0, "redirect_uri", 5, "TESLA_REDIRECT_URI is not registered",
    `add exactly that address to Allowed Redirect URIs on ${APP}; a change takes some minutes`],
  [LOGIN, 0, "cancel", 2, "you cancelled the login", AGAIN],
  [LOGIN, 0, "access_denied", 2, "you cancelled the login", AGAIN],
  [LOGIN, 0, "scopes not granted", 5, "Tesla left out scopes (not ticked, or not allowed to your app)",
    `tick them on ${APP}, wait 10 minutes, ${AGAIN} and tick every box`],
  [LOGIN, 0, "", 4, "Tesla did not log you in", AGAIN],

  [TOKEN, ANY, "login_required", 4,
    "the refresh token is used up, over 3 months old, or withdrawn (new password, consent revoked)", AGAIN],
  [TOKEN, ANY, "invalid_grant", 4, "the refresh token or the code is no longer valid", AGAIN],
  [TOKEN, ANY, "invalid_auth_code", 4, "the authorization code was used before, or is over 2 minutes old",
    `${AGAIN} and log in without a pause`],
  ["", ANY, "unauthorized_client", 5, "TESLA_CLIENT_ID and TESLA_CLIENT_SECRET do not belong together",
    `copy both again, and ${GRANT}`],
  [TOKEN, ANY, "invalid_client_id", 5, "the login was for another app", `fix TESLA_CLIENT_ID, then ${AGAIN}`],
  [TOKEN, ANY, "invalid_client", 5, "Tesla does not know this app", `copy TESLA_CLIENT_ID from ${APP}`],
  [TOKEN, ANY, "client_not_found", 5, "the app belongs to another region",
    "TESLA_REGION=cn needs an app from developer.tesla.cn, the others one from developer.tesla.com"],
  [TOKEN, ANY, "invalid_redirect_url", 5, "TESLA_REDIRECT_URI is not the one of the login",
    `copy it exactly from Allowed Redirect URIs on ${APP}, then ${AGAIN}`],
  [TOKEN, ANY, "invalid_audience", 5, "Tesla does not accept this region for your app, or the app is one of "
    + "the new ones that Tesla has refused since August 2026",
    "check TESLA_REGION; a new app can only wait: github.com/teslamotors/vehicle-command/issues/460"],
  [TOKEN, ANY, "invalid_scope", 5, "your app may not ask for one of these scopes", `tick it on ${APP}`],
  [TOKEN, ANY, "unsupported_grant_type", 5, "your app may not ask for this kind of token", GRANT],
  [TOKEN, ANY, "server_error", 1, "Tesla's server failed", "try again later"],
  [TOKEN, ANY, "invalid_request", 5, "Tesla finds something missing or wrong in the request",
    `${AGAIN}; if that fails too, check every setting in .env`],
  [TOKEN, 401, "", 4, "Tesla refuses the login", `check TESLA_CLIENT_SECRET, then ${AGAIN}`],

  [KEY, 0, "", 5, "your domain cannot be reached from here",
    "check your connection, TESLA_DOMAIN, its DNS entry, its certificate; if only your router: --skip-check"],
  [KEY, 404, "", 5, "your domain does not show the key",
    "put public-key.pem there (GitHub Pages needs .nojekyll), or start serve_public_key and the tunnel"],
  [KEY, 300, "", 5, "your domain redirects, but Tesla wants the key", "set TESLA_DOMAIN to the target"],
  [KEY, ANY, "", 5, "your domain does not show the key",
    "let it answer everyone with 200 and the key alone; behind a tunnel: start serve_public_key"],

  [REGISTER, 400, "invalid domain", 5, "TESLA_DOMAIN is misspelt", "use lower case, no https://, no slash"],
  [REGISTER, 412, "root domain", 5, "TESLA_DOMAIN is not one of your app's Allowed Origins",
    `add https:// and TESLA_DOMAIN to them on ${APP}; a change takes some minutes`],
  [REGISTER, 424, "", 5, "Tesla could not download your key",
    "open the address that Tesla names: it must show the key alone, to every country and every program"],
  [REGISTER, 422, "key hash", 5, "this key pair is registered for another app or domain",
    "move private-key.pem and public-key.pem away; run generate_key; publish the key; run register_partner"],
  [REGISTER, 422, "domain has", 5, "another app has registered this domain", "give each app its own domain"],
  [REGISTER, 422, "", 5, "Tesla refuses the registration", "search for Tesla's text"],
  [REGISTER, 401, "", 5, "Tesla refuses your app's token", "check TESLA_REGION, then run it again"],
  [REGISTER, 403, "scope", 5, "your app lacks a scope of TESLA_SCOPES", `tick it on ${APP}, wait 10 minutes`],
  [REGISTER, 404, "", 5, "Tesla has no key for TESLA_DOMAIN in this region", "run register_partner"],

  ["", 401, "mobile_access_disabled", 5, "mobile access is off", "allow it in the car: Controls, Safety"],
  ["", 401, "unknown user", 4, "this account was never used in the Tesla app",
    `log in to the Tesla app once, then ${AGAIN}`],
  ["", 401, "", 4, "the access token has expired, or your consent was withdrawn",
    `run refresh_token; if Tesla refuses that, ${AGAIN}`],
  ["", 402, "", 7, "Tesla wants a payment method", `set up billing on ${APP}`],
  ["", 403, "<html", 1, WEB_PAGE, "try another network; VPNs and cloud machines are often blocked"],
  ["", 403, "exceeded_limit", 7, "your app has reached its billing limit and is switched off",
    `raise the limit on ${APP}, or wait for the next month`],
  ["", 403, "scope", 5, "the token lacks a scope that this needs",
    `tick it on ${APP}, wait 10 minutes, add it to TESLA_SCOPES, ${AGAIN} and tick every box`],
  ["", 403, "command protocol required", 5, "this car takes only signed commands",
    "set TESLA_COMMANDS=signed in .env (instead of call_api, use send_command)"],
  ["/vehicles/", 404, "", 5, "Tesla finds no such car in this account, or no such call",
    `compare TESLA_VIN with list_vehicles; if the car is in another account: ${AGAIN}`],
  ["", 404, "", 6, "Tesla has nothing at this path", "compare it with Tesla's documentation"],
  ["", 405, "", 6, "the car is in service, or this call does not exist", "try again after the service"],
  ["", 408, "", 3, "the car is asleep or offline", "run wake_up ($0.02), open the Tesla app (free), or wait"],
  ["", 412, "", 5, "your app is not registered in this region",
    "check TESLA_REGION, run register_partner (once per region), and try again some minutes later"],
  ["", 421, "", 5, "the account belongs to another region", "set TESLA_REGION to the one that Tesla names"],
  ["/signed_command", 422, "", 5, "this car does not take signed commands", "set TESLA_COMMANDS=rest"],
  ["", 423, "", 6, "Tesla has locked this", "ask Tesla's support"],
  ["", 429, "", 7, "too many requests", "wait as long as Tesla says; all apps of the account count together"],
  // what Tesla's own command proxy says, with status 500
  ["/command/", ANY, "not been paired", 5, "the virtual key is not on the car",
    `open ${PAIRING_PAGE}YOUR.DOMAIN on the phone that has the Tesla app, and approve`],
  ["/command/", ANY, "offline or asleep", 3, "the car is asleep or offline", "run wake_up ($0.02)"],
  ["command", 503, "", 3, "the car cannot be reached", "run wake_up ($0.02), or try again later"],
  ["", 300, "", 1, "a redirect was refused: a token must not follow one", "try another network"],
  ["", 540, "", 1, "the car sent nonsense: it is booting, updating or in service", "try again later"],
  ["", 0, "", 1, "no complete answer came", "check your connection and this machine's clock, then try again"],
  ["", 500, "", 1, "Tesla's server failed", "try again later"],
  ["", ANY, "<html", 1, WEB_PAGE, "try another network; VPNs and cloud machines are often blocked"],
  ["", ANY, "", 6, "Tesla refused the request", "read Tesla's text"],
];

/** The error for an answer: `found` says what came. */
export function stopFor(address: string, status: number, text: string, found: string): Stop {
  const statuses = [ANY, status, Math.floor(status / 100) * 100];
  const [row] = EXPLANATIONS.filter(([where, code, part]) =>
    address.includes(where) && statuses.includes(code) && text.toLowerCase().includes(part));
  const [, , , exit, means, todo] = row;
  const region = Object.keys(FLEET_API).find((name) => status === 421 && text.includes(FLEET_API[name]));
  return new Stop(exit, `${means}: ${found}; ${region ? `set TESLA_REGION=${region}` : todo}`, status);
}
