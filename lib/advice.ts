// What Tesla's answers mean and what to do: one table, for every script and for docs/troubleshooting.md. What
// happened to a request is decided in tesla_fetch.ts: only the words in TIMED_OUT and NOT_REACHED take part
// in that, and no row can change it. The first row that fits an answer counts. Sources: Tesla's pages, and
// what owners have reported.
// https://developer.tesla.com/docs/fleet-api/getting-started/conventions
import { asRecord, clean, Failure } from "./command_line.ts";
import { FLEET_API, PAIRING_PAGE, PORTALS, TOKEN_HOST } from "./hosts.ts";
import { pairingAddress } from "./settings.ts";

const TOKEN = "/oauth2/v3/token";
const TELEMETRY = "fleet_telemetry";
const KEY = "/.well-known/";
const REGISTER = "/partner_accounts";
const LOOK_UP = "/partner_accounts/public_key";
const APP = `your app's page on ${PORTALS.na}`;
const GRANT = 'set its grant type to "Authorization Code and Machine-to-Machine"';
const LOG_IN_AGAIN = "run get_token --force";
const AS_LONG = "a few minutes, or as long as Tesla says";
const OTHER_NETWORK = "try another network; VPNs and cloud machines are often blocked";
const WEB_PAGE = "a web page came back: a firewall, proxy or bot protection is blocking the request";
const ASLEEP = "the car is asleep or offline";
const SEND_OR_SHOW = "run telemetry_config show, or send again: that does no harm";
const WAKE = "open the Tesla app (free), run wake_up ($0.02), or wait";
const SIGN = "set TESLA_COMMANDS=signed in .env; instead of call_api, use send_command";
const SCAN = "on your phone and approve (on a computer, scan the code)";
/** Words by which an answer reports a time-out: the request may have reached the car. */
export const TIMED_OUT = "timeout|timed out|timed_out|timedout|deadline exceeded";
const NOT_AVAILABLE =
  "vehicle is not available|vehicle unavailable|vehicle is offline|vehicle is unavailable";
const UNKNOWN_ANSWER = ["", 0, "", 1, "Tesla's answer is unknown", "try again later"] as const;
const LACKS_SCOPE = "the token lacks a scope that this needs";
const TICK_SCOPE = `tick the scope on ${APP}, wait 10 minutes, add it to TESLA_SCOPES`;
/** What to do about a missing scope; `filledIn` names the portal of the region. */
export const ADD_SCOPE = `${TICK_SCOPE}, ${LOG_IN_AGAIN} and tick every box`;
const NO_SERVER = "no healthy upstream";
/** Words in a 503 which mean that the request was not carried out. */
export const NOT_REACHED = `${NOT_AVAILABLE}|${NO_SERVER}`;
/** What to do about a key that is not on the car; `filledIn` completes the address. */
export const PAIR = `open ${PAIRING_PAGE.na}YOUR.DOMAIN ${SCAN}`;

// biome-ignore format: a table of words and numbers
/** Part of the address; status (300, 400 and 500 stand for 3xx, 4xx and 5xx, 0 for no answer); part of
 * Tesla's text in lower case (| separates alternatives); exit code; what it means; what to do. */
export const ADVICE: [string, number, string, number, string, string][] = [
  [TOKEN, 400, "login_required", 4, "the refresh token is used up, over 3 months old, or withdrawn",
    `${LOG_IN_AGAIN} (a new password and a withdrawn consent end a login too)`],
  [TOKEN, 400, "invalid_grant", 4, "the refresh token or the code is no longer valid", LOG_IN_AGAIN],
  [TOKEN, 400, "invalid_auth_code", 4, "the authorization code was used before, or is over 2 minutes old",
    `${LOG_IN_AGAIN} and log in promptly`],
  [TOKEN, 400, "unauthorized_client", 5, "TESLA_CLIENT_ID and TESLA_CLIENT_SECRET do not belong together",
    `copy both again from ${APP}; ${GRANT}`],
  [TOKEN, 400, "invalid_client_id", 5, "the login was for another app",
    `fix TESLA_CLIENT_ID, then ${LOG_IN_AGAIN}`],
  [TOKEN, 400, "invalid_client", 5, "Tesla does not know this app", `copy TESLA_CLIENT_ID from ${APP}`],
  [TOKEN, 400, "client_not_found", 5, "Tesla does not know this app",
    `check TESLA_CLIENT_ID against ${APP}, and TESLA_REGION`],
  [TOKEN, 400, "invalid_redirect_url", 5, "TESLA_REDIRECT_URI is not the one of the login",
    `copy it exactly from Allowed Redirect URIs on ${APP}, then ${LOG_IN_AGAIN}`],
  [TOKEN, 400, "invalid_audience", 5, "Tesla does not accept this region for your app, or the app is one of "
    + "the new ones that Tesla has refused since August 2026",
    "check TESLA_REGION; a new app can only wait: github.com/teslamotors/vehicle-command/issues/460"],
  [TOKEN, 400, "invalid_scope", 5, "your app may not ask for one of these scopes",
    `tick each scope of TESLA_SCOPES on ${APP}`],
  [TOKEN, 400, "unsupported_grant_type", 5, "your app may not ask for this kind of token",
    `on ${APP}, ${GRANT}`],
  [TOKEN, 400, "server_error", 1, "Tesla's server failed", "try again later"],
  [TOKEN, 400, "invalid_request", 5, "Tesla finds something missing or wrong in the request",
    `${LOG_IN_AGAIN}; if that fails too, check every setting in .env`],
  [TOKEN, 401, "", 4, "Tesla refuses the login", `check TESLA_CLIENT_SECRET, then ${LOG_IN_AGAIN}`],

  [KEY, 0, "", 5, "your domain cannot be reached from here",
    "check your connection, TESLA_DOMAIN, its DNS entry and certificate; or use --skip-check"],
  [KEY, 404, "", 5, "your domain does not serve the key",
    "put public-key.pem there (some hosts leave out folders with a dot: docs/setup.md, step 2), or "
    + "start serve_public_key and the tunnel"],
  [KEY, 300, "", 5, "your domain redirects; Tesla needs the key at this address",
    "set TESLA_DOMAIN to the domain it redirects to (also in Allowed Origins), or switch the redirect off"],
  [KEY, 400, "", 5, "your domain does not serve the key",
    "serve only the key, with status 200, to everyone; behind a tunnel: start serve_public_key"],
  [KEY, 200, "", 5, "your domain does not serve the key", "what comes is too large or never ends"],
  [KEY, 500, "", 5, "your domain does not serve the key",
    "serve only the key, with status 200, to everyone; behind a tunnel: start serve_public_key"],

  [LOOK_UP, 403, "scope|not have access", 5, "Tesla does not show the key to your app",
    `the look-up needs vehicle_device_data: tick it on ${APP} and add it to TESLA_SCOPES`],
  [LOOK_UP, 404, "not have access", 5, "Tesla does not show the key to your app", "run register_partner"],
  [LOOK_UP, 404, "", 5, "Tesla has no key for TESLA_DOMAIN in this region", "run register_partner"],
  [LOOK_UP, 412, "", 5, "your app is not registered here", "check TESLA_REGION, run register_partner"],
  [LOOK_UP, 421, "", 5, "Tesla does not show the key in this region", "check TESLA_REGION"],
  [REGISTER, 400, "invalid domain", 5, "TESLA_DOMAIN is misspelt", "use lower case, no https://, no slash"],
  [REGISTER, 400, "unauthorized_client", 5, "Tesla does not let your app register",
    `see its status on ${APP} (is it approved yet?), check TESLA_CLIENT_ID and its secret; ${GRANT}`],
  [REGISTER, 412, "root domain", 5, "TESLA_DOMAIN is not one of your app's Allowed Origins",
    `add https:// and TESLA_DOMAIN to them on ${APP}; changes take a few minutes`],
  [REGISTER, 412, "must be registered", 5, "this call needs your app's own token", "use call_api --partner"],
  [REGISTER, 412, "", 5, "Tesla could not fetch your key",
    "let everyone read it over https, without a login, in every country"],
  [REGISTER, 424, "", 5, "Tesla could not download your key",
    "open the address that Tesla names: it must serve only the key, to every country and every program"],
  [REGISTER, 422, "key hash", 5, "this key pair is registered for another app or domain",
    "move private-key.pem and public-key.pem away; run generate_key; publish the key; run register_partner"],
  [REGISTER, 422, "domain has", 5, "another app has registered this domain", "give each app its own domain"],
  [REGISTER, 422, "", 5, "Tesla refuses the registration", "search online for Tesla's message"],
  [REGISTER, 401, "", 5, "Tesla refuses your app's token", "check TESLA_REGION, then run it again"],
  [REGISTER, 403, "scope", 5, "your app lacks one of TESLA_SCOPES", `tick it on ${APP}, wait 10 minutes`],

  [TELEMETRY, 400, "command http proxy", 5, "this endpoint accepts only what Tesla's own proxy sends",
    "use telemetry_config send instead of call_api"],
  [TELEMETRY, 412, "fleet-telemetry", 5, "this endpoint accepts no unsigned configuration",
    "use telemetry_config send instead of call_api"],
  [TELEMETRY, 403, "exceeded_limit", 7, "your app has reached its billing limit and is switched off",
    `raise the limit on ${APP}; then send the configuration again: Tesla has taken it off the car for good`],
  [TELEMETRY, 403, "location access|vehicle_location", 5, "a field needs the scope vehicle_location",
    `leave it out, or ${ADD_SCOPE}`],

  ["", 401, "mobile_access_disabled", 5, "mobile access is off", "allow it in the car: Controls, Safety"],
  ["", 401, "unknown user", 4, "this account was never used in the Tesla app",
    `log in to the Tesla app once, then ${LOG_IN_AGAIN}`],
  ["", 401, "", 4, "the access token has expired, or your consent was withdrawn",
    `run refresh_token; if Tesla refuses that, ${LOG_IN_AGAIN}`],
  ["", 402, "", 7, "Tesla requires a payment method", `set up billing on ${APP}`],
  ["", 403, "<html|<!doctype", 1, WEB_PAGE, OTHER_NETWORK],
  ["", 403, "exceeded_limit", 7, "your app has reached its billing limit and is switched off",
    `raise the limit on ${APP}, or wait for the next month`],
  ["", 403, "command protocol required|requires signed commands", 5,
    "this car accepts only signed commands", SIGN],
  ["", 403, "not been paired", 5, "the virtual key is not on the car", PAIR],
  ["", 403, "scope", 5, LACKS_SCOPE, ADD_SCOPE],
  ["/vehicles/", 404, "", 5, "car or endpoint not found",
    `compare TESLA_VIN with list_vehicles; if the car is in another account: ${LOG_IN_AGAIN}`],
  ["/api/1/vehicles", 404, "", 5, "Tesla finds no cars for this account in this region",
    "the account may belong to another region: check TESLA_REGION"],
  ["", 404, "", 6, "Tesla has nothing at this path", "compare it with Tesla's documentation"],
  ["", 405, "", 6, "the car is in service, or there is no such call",
    "try again once service is finished; for call_api, compare METHOD and PATH with Tesla's documentation"],
  ["/wake_up", 408, "", 3, "the car did not wake up", "try again in a minute, or open the Tesla app (free)"],
  ["", 408, TIMED_OUT, 3, "the car did not answer in time", "try again; it may be online all the same"],
  ["", 408, "", 3, ASLEEP, WAKE],
  ["", 412, "not_supported|not supported", 6, "Tesla does not accept this command unsigned",
    "sign it: use send_command instead of call_api"],
  ["", 412, "", 5, "your app is not registered in this region",
    "check TESLA_REGION, run register_partner (once per region), and try again a few minutes later"],
  ["", 421, "", 5, "the account belongs to another region", "set TESLA_REGION to the one that Tesla names"],
  ["/signed_command", 422, "", 5, "this car accepts no signed commands", "set TESLA_COMMANDS=rest in .env"],
  ["", 423, "", 6, "Tesla has locked this", "contact Tesla support"],
  ["", 429, "", 7, "too many requests", `wait ${AS_LONG}; all apps of the account count together`],
  ["", 501, "", 6, "Tesla does not pass this on to the car; nothing was done",
    "use the Tesla app for it, or try again after the car's next software update"],
  ["", 503, TIMED_OUT, 1, "Tesla's server did not answer in time", "try again later"],
  ["/wake_up", 503, NOT_AVAILABLE, 3, "the car did not wake up",
    "try again in a minute, or open the Tesla app (free)"],
  ["", 503, NOT_AVAILABLE, 3, ASLEEP, WAKE],
  ["", 503, NO_SERVER, 1, "Tesla's gateway could not reach its own servers", "try again in a few minutes"],
  ["", 540, "", 1, "the car sent an unexpected answer (booting, updating, in service)", "try again later"],
  ["", 300, "", 1, "a redirect was refused: a token must not follow one",
    "a login page of your network is in the way: open a browser, or try another network"],
  [TELEMETRY, 0, "", 1, "no complete answer came", `check your connection; ${SEND_OR_SHOW}`],
  ["", 0, "", 1, "no complete answer came", "check your connection and this machine's clock, then try again"],
  ["", 200, "<html|<!doctype", 1, WEB_PAGE, OTHER_NETWORK],
  [TELEMETRY, 200, "", 1, "Tesla's answer cannot be read", SEND_OR_SHOW],
  ["", 200, "", 1, "Tesla's answer cannot be read", "try again later"],
  ["", 400, "<html|<!doctype", 1, WEB_PAGE, OTHER_NETWORK],
  [`${TELEMETRY}_config_jws`, 400, "", 6, "Tesla refused the configuration or its signature",
    "compare what telemetry_config send FILE --dry-run shows with docs/telemetry.md"],
  ["", 400, "", 6, "Tesla refused the request", "search online for Tesla's message"],
  [TELEMETRY, 500, "", 1, "Tesla's server failed", SEND_OR_SHOW],
  ["", 500, "", 1, "Tesla's server failed", "try again later"],
];

// biome-ignore format: a table of words and numbers
/** The same for an error from Tesla's login page: part of its text, exit code, meaning, what to do. */
export const LOGIN_ADVICE: [string, number, string, string][] = [
  ["no policy rules", 5, "Tesla does not know your domain yet", "run register_partner first"],
  ["redirect_uri", 5, "TESLA_REDIRECT_URI is not registered",
    `add exactly that address to Allowed Redirect URIs on ${APP}; changes take a few minutes`],
  ["invalid_scope", 5, "your app may not ask for one of these scopes",
    `tick each scope of TESLA_SCOPES on ${APP}, or correct TESLA_SCOPES`],
  ["unauthorized_client", 5, "your app may not log you in",
    `check TESLA_CLIENT_ID against ${APP}; ${GRANT}`],
  ["invalid_client|client_not_found", 5, "Tesla does not know this app", `copy TESLA_CLIENT_ID from ${APP}`],
  ["invalid_request|unsupported_response_type", 5, "Tesla finds a mistake in the login address",
    "check every setting in .env"],
  ["cancel|access_denied", 2, "you cancelled the login", LOG_IN_AGAIN],
  ["", 4, "Tesla did not log you in", LOG_IN_AGAIN],
];

const START_CLIMATE = "start the climate first: send_command auto_conditioning_start";
const RESTART = "restart the car's screen (hold both scroll wheels), or update the car's software";

/** The car's reasons that are not refusals. The command ("" is any), part of the reason (not a regular
 * expression: ^ and $ mark its ends, | separates alternatives), and what to print. Sources: Tesla's page,
 * and what owners have reported.
 * https://developer.tesla.com/docs/fleet-api/endpoints/vehicle-commands */
export const ALSO_DONE: [string, string, string][] = [
  ["", "^already", "nothing to do"],
  ["charge_start", "^is_charging$|^charging$", "nothing to do"],
  ["charge_start", "^requested$", "asked for, but not charging yet (a schedule or the station decides)"],
  ["charge_stop", "^not_charging$", "nothing to do"],
];

// biome-ignore format: a table of words
/** The other reasons: part of the reason, exit code, what it means, what to do. */
export const REFUSALS: [string, number, string, string][] = [
  ["^complete$", 6, "the car refused: the battery is at its limit", "raise the charge limit first"],
  ["^disconnected$", 6, "the car refused: it is not plugged in", "plug the car in"],
  ["^no_power$", 6, "the car refused: the charging station gives no power", "check the station"],
  ["could_not_wake_buses", 6, "the car was not ready", "wait 5 seconds, then run it again"],
  ["^busy$", 6, "the car is busy", "try again in a few seconds"],
  ["unsigned_cmds_hardlocked|command protocol required|requires signed commands", 5,
    "this car accepts only signed commands", SIGN],
  ["not been paired|not_on_whitelist", 5, "the virtual key is not on the car", PAIR],
  ["setchargingamps failed", 6, "the car could not set the amps", RESTART],
  ["cabin comfort remote settings not enabled", 6, "the car refused: its climate is off", START_CLIMATE],
  ["", 6, "the car refused", "this is the car's own reason; search online for it"],
];

// What to do when nobody knows whether a request was carried out, by part of the address.
export const AFTER_UNKNOWN: [string, string][] = [
  ["/wake_up", "check with list_vehicles whether the car is online; another wake_up may cost another $0.02"],
  [REGISTER, "run register_partner again: registering twice does no harm"],
  ["command", "check with read_charge, or at the car, before you repeat it; it was not sent again"],
  ["", "check what has changed before you repeat it; it was not sent again"],
];

/** Whether a text holds a part, or one of several with | between them. */
export function fits(part: string, text: string): boolean {
  return part.split("|").some((words) => text.toLowerCase().includes(words));
}

/** Fills in the owner's own domain, and the portal of the region. */
export function filledIn(fix: string, address = ""): string {
  const paired = fix.includes("YOUR.DOMAIN") ? fix.replace(/https:\S*YOUR\.DOMAIN/, pairingAddress()) : fix;
  const isChina = [FLEET_API.cn, TOKEN_HOST.cn].some((origin) => address.startsWith(origin));
  return isChina ? paired.replaceAll(PORTALS.na, PORTALS.cn) : paired;
}

// Whether the token has the scope that a 403 is about: the one Tesla names, or the one the call needs.
function hasScope(address: string, text: string, { granted = [], needed }: Scopes): boolean {
  const named = text.match(/\b(vehicle|energy|user)_[a-z_]+\b/g);
  if (named) return named.every((scope) => granted.includes(scope));
  if (needed) return granted.includes(needed) || granted.includes("vehicle_cmds");
  if (address.includes("command")) return granted.includes("vehicle_cmds");
  return /\/vehicles\b(?!.*location)/.test(address) && granted.includes("vehicle_device_data");
}

type Answer = { status: number; text: string };
// Those of the token, if it tells, and the one that the call needs, if the caller knows.
type Scopes = { granted?: string[]; needed?: string };

/** The error for an answer that is not what was asked for. `found` says what came; `wait` how long Tesla asks
 * you to wait, if it does. */
export function failureFor(
  address: string,
  { status, text }: Answer,
  found: string,
  wait = "",
  scopes: Scopes = {},
) {
  const statuses = [status, Math.floor(status / 100) * 100];
  const isFitting = ([place, code, part]: (typeof ADVICE)[number]): boolean =>
    address.includes(place) && statuses.includes(code) && fits(part, text);
  const [, , , exitCode, problem, usualFix] = ADVICE.find(isFitting) ?? UNKNOWN_ANSWER;
  if (problem === LACKS_SCOPE && hasScope(address, text.toLowerCase(), scopes)) {
    const fix = `try again in a minute; if that does not help, ${LOG_IN_AGAIN}`;
    return new Failure(5, "Tesla says that a scope is missing, but your token has it", found, fix, status);
  }
  const named = Object.entries(FLEET_API).find(([, origin]) => status === 421 && text.includes(origin));
  const needs = usualFix === ADD_SCOPE && scopes.needed ? ` (it needs ${scopes.needed})` : "";
  const fix = named ? `set TESLA_REGION=${named[0]}` : filledIn(usualFix, address) + needs;
  return new Failure(exitCode, problem, found, wait === "" ? fix : fix.replace(AS_LONG, wait), status);
}

/** The error for a request that makes something happen, when nobody knows whether it did. */
export function unknownOutcome(found: string, address = "command"): Failure {
  const [, fix = ""] = AFTER_UNKNOWN.find(([place]) => address.includes(place)) ?? [];
  return new Failure(8, "unknown outcome: the request may or may not have been carried out", found, fix);
}

/** The error for what Tesla's login page sent back instead of a code. */
export function loginFailure(text: string): Failure {
  const row = LOGIN_ADVICE.find(([part]) => fits(part, text));
  const [, exitCode, problem, fix] = row ?? ["", 4, "Tesla did not log you in", LOG_IN_AGAIN];
  return new Failure(exitCode, problem, `Tesla's page says "${text}"`, fix);
}

/** The outcome of a command, by the car's own verdict: "" if it is done, or why there was nothing to do.
 * Throws Failure: with the car's reason if it refused, 8 if there is no verdict. */
export function verdictOf(command: string, verdict: unknown): string {
  const { result, reason: given, string } = asRecord(verdict); // `string` in older answers
  if (typeof result !== "boolean") throw unknownOutcome("Tesla's answer holds no verdict from the car");
  if (result) return "";
  const words = clean(given || string || "no reason given").slice(0, 200);
  const reason = words.replace(/^(car|vcsec) could not execute command: /, "");
  const text = `^${reason.toLowerCase()}$`;
  const already = ALSO_DONE.find(([name, part]) => ["", command].includes(name) && fits(part, text));
  if (already) return `${already[2]}: the car reports ${reason}`;
  const [, exitCode, problem, fix] = REFUSALS.find(([part]) => fits(part, text)) ?? ["", 6, "", ""];
  throw new Failure(exitCode, problem, `"${reason}" from the car`, filledIn(fix));
}
