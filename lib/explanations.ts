// What Tesla's answers mean here, and what to do: one table for every script, and for the README.
// The first row that fits an answer is taken. Sources: Tesla's pages, and what owners met.
// https://developer.tesla.com/docs/fleet-api/getting-started/conventions

import { FLEET_API } from "./hosts.ts";

export type Explanation = [
  where: string, // part of the address; "" fits every address
  status: number, // HTTP status; 0: no answer came; ANY: every status
  text: string, // part of Tesla's text, in small letters; "" fits every text
  exit: number, // see lib/command_line.ts; for a command that may have reached the car, 8 stands in for 1
  means: string,
  todo: string,
];

const ANY = -1;
const LOGIN = "login page"; // what your browser meets; no address that a script calls
const TOKEN = "/oauth2/v3/token";
const KEY = "/.well-known/";
const REGISTER = "/partner_accounts";
const APP = "your app's page on developer.tesla.com";
const GRANT_TYPE = `its grant type on ${APP} must be "Authorization Code and Machine-to-Machine"`;

export const EXPLANATIONS: Explanation[] = [
  // The login page, and what comes back from it
  [LOGIN, 0, "no policy rules", 5, "the domain is not registered with Tesla yet", "run register_partner first"],
  [LOGIN, 0, "redirect_uri", 5, "TESLA_REDIRECT_URI is not registered",
    `add it, to the letter, to Allowed Redirect URIs on ${APP}; a change takes some minutes`],
  [LOGIN, 0, "cancel", 2, "the login was cancelled", "run get_token again when you like"],
  [LOGIN, 0, "access_denied", 2, "the login was cancelled", "run get_token again when you like"],
  [LOGIN, 0, "scopes not granted", 5, "Tesla left out scopes: not ticked, not allowed to the app, or kept from an "
    + "earlier consent", `tick them for the app on ${APP} (10 minutes), then run get_token --force and tick every box`],
  // The token host
  [TOKEN, ANY, "login_required", 4,
    "the refresh token was used before, is over 3 months old, or was withdrawn",
    "run get_token"],
  [TOKEN, ANY, "invalid_grant", 4, "the refresh token or the authorization code is no longer good",
    "run get_token"],
  [TOKEN, ANY, "invalid_auth_code", 4, "the authorization code was used before, or is over 2 minutes old",
    "run get_token again and finish the login without a pause"],
  [TOKEN, ANY, "unauthorized_client", 5, "Tesla does not know TESLA_CLIENT_ID with this TESLA_CLIENT_SECRET",
    `copy both anew; ${GRANT_TYPE}`],
  [TOKEN, ANY, "invalid_client_id", 5, "the login was made for another app",
    "check TESLA_CLIENT_ID, run get_token"],
  [TOKEN, ANY, "invalid_client", 5, "Tesla does not know this app", `copy TESLA_CLIENT_ID anew from ${APP}`],
  [TOKEN, ANY, "client_not_found", 5, "the app was made for another region",
    "TESLA_REGION=cn needs an app of developer.tesla.cn, and only that"],
  [TOKEN, ANY, "invalid_redirect_url", 5, "TESLA_REDIRECT_URI is not the one that the login was made with",
    `give it exactly as it stands under Allowed Redirect URIs on ${APP}, then run get_token`],
  [TOKEN, ANY, "invalid_audience", 5,
    "the region's address is misspelt (a slash at its end), or the app is one of the new ones that Tesla "
    + "refuses since August 2026",
    "check TESLA_REGION; a new app can only wait: see github.com/teslamotors/vehicle-command/issues/460"],
  [TOKEN, ANY, "invalid_scope", 5, "a scope is not allowed for this app",
    `tick it on ${APP}, or mend TESLA_SCOPES`],
  [TOKEN, ANY, "unsupported_grant_type", 5, "the app may not ask for this kind of token", GRANT_TYPE],
  [TOKEN, ANY, "invalid_request", 5, "Tesla misses something in the request", "check every setting in .env"],
  // Your own domain
  [KEY, 0, "", 5, "your domain cannot be reached",
    "check TESLA_DOMAIN, its DNS entry, its certificate; if only your router cannot reach it: --skip-check"],
  [KEY, 404, "", 5, "the key is not at its place on your domain",
    "put public-key.pem there (GitHub Pages needs .nojekyll), or start serve_public_key and the tunnel"],
  [KEY, ANY, "a redirect", 5, "your domain redirects; Tesla wants the key itself",
    "set TESLA_DOMAIN to the target"],
  [KEY, ANY, "", 5, "your domain did not hand out the key",
    "let it answer everyone with 200 and the key alone"],
  // Registration
  [REGISTER, 400, "invalid domain", 5, "TESLA_DOMAIN is misspelt", "small letters, no https://, no slash"],
  [REGISTER, 412, "root domain", 5, "TESLA_DOMAIN is not among the app's Allowed Origins",
    `add https:// and TESLA_DOMAIN to them on ${APP}; a change takes some minutes`],
  [REGISTER, 424, "", 5, "Tesla could not download your key",
    "open the address that Tesla names: it must show the key alone, to every country and every program"],
  [REGISTER, 422, "key hash", 5, "the key pair is registered for another app or domain",
    "move private-key.pem and public-key.pem away, run generate_key, publish, run register_partner"],
  [REGISTER, 422, "domain has", 5, "another app has registered this domain",
    "give each app a domain of its own"],
  [REGISTER, 422, "", 5, "Tesla refuses the registration", "read Tesla's text, and search for it"],
  [REGISTER, 404, "", 5, "Tesla has no key on file for TESLA_DOMAIN in this region", "run register_partner"],
  // Fleet API
  ["", 401, "mobile_access_disabled", 5, "mobile access is off",
    "in the car: Controls > Safety > Mobile Access"],
  ["", 401, "unknown user", 4, "this Tesla account has never been used in the Tesla app",
    "log in to the Tesla app once with the same account, then run get_token"],
  ["", 401, "", 4, "the access token has expired, or consent was withdrawn",
    "run refresh_token; if Tesla refuses that, get_token"],
  ["", 402, "", 7, "Tesla wants a payment method", `set up billing on ${APP}`],
  ["", 403, "exceeded_limit", 7, "the app has reached its billing limit and is switched off",
    `raise the limit on ${APP}, or wait for the next month`],
  ["", 403, "scope", 5, "the token lacks a scope that this needs",
    `tick the scope for the app on ${APP} (10 minutes), then run get_token --force and tick every box`],
  ["", 403, "command protocol required", 5, "this car takes signed commands only",
    "set TESLA_COMMANDS=signed"],
  ["", 403, "unsupported vehicle", 6, "Tesla does not offer this for this car", "nothing helps"],
  ["", 404, "not_found", 5, "Tesla finds no such car in this account",
    "compare TESLA_VIN with list_vehicles; log in with the account that has the car"],
  ["", 405, "", 6, "the car is in service, or this call does not exist", "try again after the service"],
  ["", 408, "", 3, "the car is asleep or offline",
    "run wake_up ($0.02), or open the Tesla app, which is free"],
  ["", 412, "", 5, "the app is not registered in this region",
    "check TESLA_REGION, run register_partner (once a region), and try again some minutes later"],
  ["", 421, "", 5, "the account belongs to another region", "set TESLA_REGION to the one that Tesla names"],
  ["/signed_command", 422, "", 5, "this car does not take signed commands", "set TESLA_COMMANDS=rest"],
  ["", 423, "", 6, "Tesla has locked this", "ask Tesla's support"],
  ["", 429, "", 7, "too many requests", "wait as long as Tesla says; all apps of the account count together"],
  ["", 451, "", 6, "Tesla refuses this for legal reasons", "nothing helps"],
  ["", ANY, "not been paired", 5, "the virtual key is not on the car",
    "open https://tesla.com/_ak/ and TESLA_DOMAIN on the phone that has the Tesla app, and approve"],
  ["", ANY, "offline or asleep", 3, "the car is asleep or offline",
    "run wake_up ($0.02), or open the Tesla app"],
  ["command", 503, "", 3, "the car cannot be reached", "run wake_up ($0.02), or try again later"],
  ["", ANY, "a web page", 1, "a web page came back: a firewall, proxy or bot protection stands in between",
    "try another network; VPNs and cloud machines are often blocked"],
  ["", ANY, "a redirect", 1, "a redirect was refused: a token must not follow one", "try another network"],
  ["", 406, "", 1, "Tesla refuses the content type", "the script is wrong: please report it"],
  ["", 540, "", 1, "the car answered nonsense: it is booting, updating or in service", "try again later"],
  ["", 0, "", 1, "no complete answer came", "check the internet connection, then try again"],
];

/** The explanation of an answer: the first row that fits, else what the class of its status tells. */
export function explain(address: string, status: number, text: string): Explanation {
  const small = text.toLowerCase();
  const found = EXPLANATIONS.find((row) => address.includes(row[0]) && (row[1] === ANY || row[1] === status)
    && small.includes(row[2]));
  const region = Object.keys(FLEET_API).find((name) => text.includes(FLEET_API[name]));
  if (found && status === 421 && region) return [...found.slice(0, 5), `set TESLA_REGION=${region}`] as Explanation;
  if (found) return found;
  if (status >= 500) return ["", status, "", 1, "Tesla's server failed", "try again later"];
  return ["", status, "", 6, "Tesla refused the request", "read Tesla's text"];
}
