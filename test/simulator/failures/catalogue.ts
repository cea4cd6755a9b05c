// What each failure looks like, in groups, in Tesla's own words where they are known. To add one: a row here,
// and its name beside its status in test/simulator_tests/simulator_failures.test.ts.
import { ASLEEP, PROTOCOL_REQUIRED, baseUrl, fleetError, foreignRoot, html } from "../tesla/tesla.ts";
import { invalidDomain, json, newTxid, noKeyFile, notRegistered, notValid } from "../tesla/tesla.ts";
import { outOfRegion, plainText, rateLimited, tokenError } from "../tesla/tesla.ts";
import type { Facts, Incoming, Reply } from "../tesla/tesla.ts";
import { answers, damages, type Answer, type Failure, type Service } from "./failures.ts";

const FLEET: Service[] = ["fleet"];
const COMMAND: Service[] = ["command"];
const PARTNER: Service[] = ["partner"];
const TOKEN: Service[] = ["token"];
const LOGIN: Service[] = ["login"];
const API: Service[] = ["token", "fleet"];
const EVERYWHERE: Service[] = ["token", "fleet", "site"];

// Short ways to write a failure down. `says` stands behind the status.

/** The code of the service asks for it by name. */
const inside = (name: string, where: Service[], says: string): Failure => ({ name, where, says });

/** An error of Fleet API, with Tesla's text. */
function fleet(name: string, status: number, error: string, says = "", where = FLEET, withTxid = true) {
  return answers(name, where, `${status}${says}`, () => fleetError(status, error, withTxid));
}

function plain(name: string, status: number, body: string, says: string, where = API) {
  return answers(name, where, `${status} in plain text${says}`, () => plainText(status, body));
}

/** 429 with this header and no other hint. */
function limited(name: string, says: string, header: string, value: (facts: Facts) => string) {
  return answers(name, API, `429 with ${says} alone`, (_, facts) => {
    const reply = fleetError(429, "Account rate limit exceeded");
    return { ...reply, headers: { ...reply.headers, [header]: value(facts) } };
  });
}

/** An error of the token host, by Tesla's name for it. */
function token(name: string, status: number, error: string, says = "") {
  return answers(name, TOKEN, `${status}${says}`, (_, { now }) => tokenError(now, status, error));
}

/** A good answer of the token host with one field taken out or replaced. */
function changed(name: string, says: string, field: string, value?: string) {
  return damages(name, TOKEN, `200 ${says}`, (reply) => {
    if (reply.status !== 200) return reply;
    return { ...reply, body: JSON.stringify({ ...JSON.parse(reply.body), [field]: value }) };
  });
}

function body(name: string, says: string, change: (text: string) => string) {
  return damages(name, API, says, (reply) => ({ ...reply, body: change(reply.body) }));
}

/** For some requests only. */
function only(method: string, path: RegExp, failure: Failure): Failure {
  return { ...failure, only: (incoming) => incoming.method === method && path.test(incoming.url.pathname) };
}
const lookUp = (failure: Failure) => only("GET", /\/partner_accounts\/public_key$/, failure);
const unsigned = (failure: Failure) => only("POST", /\/command\/\w+$/, failure);
const registration = (name: string, says: string, answer: Answer) =>
  only("POST", /^\/api\/1\/partner_accounts$/, answers(name, PARTNER, says, answer));

function refusal({ url }: Incoming, { now }: Facts, text: string): Reply {
  if (url.pathname.endsWith("/token")) return tokenError(now, 400, "invalid_request", text);
  return fleetError(400, `invalid request: ${text}`);
}

const EMPTY = { headers: {}, body: "" };
const ELSEWHERE = { headers: { location: "https://redirect.invalid/elsewhere" }, body: "" };
const redirect = (status: number) =>
  answers(`redirect_${status}`, EVERYWHERE, `${status} to another host`, () => ({ status, ...ELSEWHERE }));
const outOf: Answer = (_, { region }) => outOfRegion(baseUrl(region === "na" ? "eu" : "na"));

const ACCESS_DENIED =
  "<HTML><HEAD>\n<TITLE>Access Denied</TITLE>\n</HEAD><BODY>\n<H1>Access Denied</H1>\n"
  + "You don't have permission to access this resource on this server.<P>\nReference #18.simulated"
  + "</BODY></HTML>";
const FIREWALL =
  "<!doctype html><title>Checking your browser</title><p>Please enable JavaScript to go on.</p>";
const TIMED_OUT = "operation_timedout for txid `0d3f6c1a4b7e4f52a9c8d7e6f5a4b3c2`";
const ESCAPES = "bad \u001b[2J\u001b[31mrequest\u001b]0;owned\u0007\r\u0008 \u009b1m \u202etxet";
const MAY_HAVE_RUN = ", the command may have run (use after)";
const NOT_PAIRED = "your public key has not been paired with the vehicle";

const REFER_TO =
  "Refer to https://developer.tesla.com/docs/fleet-api/fleet-telemetry for instructions on how to configure your vehicle";
// Why a car is left out of an answer of 200.
export const SKIP_REASONS = ["missing_key", "unsupported_hardware", "unsupported_firmware", "max_configs"];

export type Group = { name: string; says: string; failures: Failure[] };

// biome-ignore format: table
export const GROUPS: Group[] = [
  { name: "login", says: "the login page, and what the browser comes back with", failures: [
    inside("no_policy_rules", LOGIN, "the page ends in: Something went wrong. No policy rules"),
    inside("consent_drops_scopes", LOGIN, "grants only openid and offline_access whatever is ticked"),
    inside("callback_wrong_state", LOGIN, "comes back with another state"),
    inside("callback_without_state", LOGIN, "comes back without a state"),
    inside("callback_without_code", LOGIN, "comes back without a code"),
    inside("callback_error", LOGIN, "comes back with error=server_error"),
  ] },
  { name: "token", says: "the token host", failures: [
    token("unauthorized_client", 400, "unauthorized_client", ", wrong id or secret (documented)"),
    token("unauthorized_client_401", 401, "unauthorized_client", ", the same (as seen)"),
    token("invalid_audience", 400, "invalid_audience", ", audience refused"),
    { ...token("partner_invalid_audience", 400, "invalid_audience", ", partner token of a new application"),
      only: (incoming) => incoming.body.includes("grant_type=client_credentials") },
    token("login_required", 401, "login_required", ", the refresh token is dead"),
    token("invalid_auth_code", 400, "invalid_auth_code", ", code expired or used"),
    token("invalid_redirect_url", 400, "invalid_redirect_url", ", redirect URI differs"),
    token("unsupported_grant_type", 400, "unsupported_grant_type"),
    token("invalid_request", 400, "invalid_request", ", a field is missing"),
    token("invalid_scope", 400, "invalid_scope", ", scope not allowed for the application"),
    token("invalid_client_id", 400, "invalid_client_id", ", code issued to another client"),
    token("token_server_error", 400, "server_error", ", transient"),
    token("client_not_found", 400, "client_not_found", ", application of another portal"),
    token("invalid_grant", 400, "invalid_grant", ", the standard name"),
    token("invalid_client", 401, "invalid_client", ", the standard name"),
    changed("token_without_refresh_token", "without the new refresh token", "refresh_token"),
    inside("refresh_keeps_token", TOKEN, "200 without a refresh token: the one that was sent stays good"),
    changed("token_without_access_token", "without the access token", "access_token"),
    changed("token_not_a_jwt", "with an access token that does not decode", "access_token", "opaque-access-token"),
  ] },
  { name: "partner", says: "registration, and the look-up of the registered key", failures: [
    registration("invalid_domain", "400, format of the domain", (_, { domain }) =>
      invalidDomain(`https://${domain}`)),
    registration("root_domain", "412, domain is not under an allowed origin", (_, { domain, clientId }) =>
      foreignRoot(domain, clientId)),
    registration("key_download_failed", "424, key file too large", (_, { domain }) => noKeyFile(domain, "too large")),
    registration("key_hash_taken", "422, key belongs to another application", () => notValid("Public key hash has already been taken")),
    registration("domain_taken", "422, domain belongs to another application", () => notValid("Domain has already been taken")),
    registration("csr_invalid", "422, seen once", () => notValid("Csr is not a valid CSR")),
    registration("partner_unauthorized_client", "400, no machine-to-machine grant", () =>
      fleetError(400, "unauthorized_client")),
    registration("partner_missing_scopes", "403", () => fleetError(403, "Unauthorized missing scopes", false)),
    inside("other_key_on_file", PARTNER, "the look-up answers a key that is not the registered one"),
    lookUp(answers("key_look_up_421", PARTNER, "421, although the registration went well", outOf)),
    lookUp(fleet("key_look_up_403", 403, "Unauthorized missing scopes", ", the same", PARTNER, false)),
    lookUp(fleet("key_look_up_404", 404, "client does not have access", ", the same", PARTNER, false)),
  ] },
  { name: "refused", says: "Fleet API does not want this request", failures: [
    fleet("invalid_field", 400, "invalid_field"),
    answers("token_expired", FLEET, "401 without a body", () => ({ status: 401, ...EMPTY })),
    answers("token_expired_json", FLEET, "401, token expired", () => json(401, { error: "token expired (401)" })),
    answers("invalid_bearer", FLEET, "401, invalid bearer token", () => json(401, { error: "invalid bearer token" })),
    fleet("unknown_user", 401, "unknown user", ", the owner never logged in to the phone app", FLEET, false),
    fleet("mobile_access_disabled", 401, "mobile_access_disabled", ", mobile access is off in the car"),
    fleet("fleet_login_required", 401, "login_required", ", consent withdrawn"),
    fleet("missing_scope", 403, "Unauthorized missing scopes vehicle_device_data", "", FLEET, false),
    fleet("missing_scope_unnamed", 403, "Unauthorized missing scopes", ", does not say which", FLEET, false),
    fleet("invalid_scope_403", 403, "invalid_scope", ", the other wording"),
    fleet("unsupported_vehicle", 403, "unsupported vehicle"),
    answers("not_found", FLEET, "404, not this token's car", (_, { vin }) => fleetError(404, `${vin} not_found`, false)),
    fleet("not_acceptable", 406, "Content-Type must be application/json"),
    answers("not_registered", FLEET, "412, application not registered in this region", (_, { clientId, region }) =>
      notRegistered(clientId, region)),
    answers("out_of_region", FLEET, "421, the owner belongs to another region", outOf),
    answers("out_of_region_elsewhere", FLEET, "421 that points at a host which is not Tesla's", () =>
      outOfRegion("https://fleet-api.example.org")),
    answers("validation", FLEET, "422 with messages", () => json(422, { response: null, error: "invalid request",
      error_description: "", messages: { percent: ["must be a number"] }, txid: newTxid() })),
    fleet("locked", 423, "locked", ", locked by Tesla"),
    fleet("dependency", 424, "failed dependency"),
    fleet("legal", 451, "unavailable for legal reasons"),
    answers("html_access_denied", API, "403 as HTML, Access Denied", () => html(403, ACCESS_DENIED)),
  ] },
  { name: "command", says: "commands in particular", failures: [
    fleet("invalid_command", 400, "invalid_command"),
    fleet("protocol_required", 403, PROTOCOL_REQUIRED, ", this car wants signed commands", COMMAND, false),
    fleet("signed_commands_required", 403, "vehicle requires signed commands", ", the other wording", COMMAND),
    unsigned(answers("not_paired_reason", COMMAND, "200 to an unsigned one, refused: no key of yours", () =>
      json(200, { response: { result: false, reason: NOT_PAIRED } }))),
    unsigned(fleet("not_supported", 412, "not_supported", " to an unsigned one", COMMAND)),
    fleet("protocol_unsupported", 422, "vehicle does not support signed commands", ", an old car", COMMAND),
    fleet("not_implemented", 501, "not implemented", ", Tesla does not pass this command on", COMMAND),
    plain("not_implemented_plain", 501, "Not Implemented", ", the same", COMMAND),
    damages("timeout_after", COMMAND, "carried out, then 503 timeout", () => fleetError(503, "timeout")),
  ] },
  { name: "car", says: "the car is asleep, away or busy, or is reported as it is not", failures: [
    fleet("vehicle_in_service", 405, "vehicle is currently in service"),
    fleet("vehicle_asleep", 408, ASLEEP, ", asleep or offline"),
    fleet("vehicle_asleep_older", 408, 'vehicle unavailable: {:error=>"vehicle unavailable:"}', ", older wording"),
    fleet("request_timeout", 408, "timeout", ", the car may be online"),
    only("POST", /\/wake_up$/, fleet("wake_up_asleep", 408, ASLEEP, " to wake_up itself")),
    only("GET", /^\/api\/1\/vehicles\/[^/]+$/, fleet("poll_fails", 500, "upstream internal error",
      " to a look at the car's state, as after wake_up")),
    fleet("vehicle_not_available", 503, "vehicle is not available", ", the car is out of reach"),
    fleet("device_unexpected", 540, "unexpected response from device", ", rebooting or updating"),
    inside("fleet_status_unpaired", FLEET, "fleet_status: a paired car is said to be unpaired"),
    inside("fleet_status_not_required", FLEET, "fleet_status: the car is said to need no signed commands"),
    inside("cached_data", FLEET, "vehicle_data: of a car asleep, and three days old"),
    inside("hostile_name", FLEET, "the car's name steers a terminal (until cleared)"),
  ] },
  { name: "telemetry", says: "the configuration of Fleet Telemetry", failures: [
    ...SKIP_REASONS.map((reason) => inside(`telemetry_${reason}`, FLEET, "200, no car was configured")),
    inside("telemetry_new_reason", FLEET, "200, no car was configured, for a reason that nobody knows"),
    inside("telemetry_no_reason", FLEET, "200, no car was configured, and no reason is given"),
    inside("telemetry_vin_to_reason", FLEET, "the other shape of skipped_vehicles, VIN: reason (with another)"),
    inside("telemetry_refused_by_car", FLEET, "accepted, and later refused by the car: too many applications"),
    only("POST", /\/fleet_telemetry_config$/, fleet("telemetry_plain_412", 412, REFER_TO,
      ", the plain endpoint as owners have met it", FLEET, false)),
  ] },
  { name: "limit", says: "limits and money", failures: [
    answers("rate_limited", API, "429 with Retry-After: 37", rateLimited),
    plain("rate_limited_plain", 429, "Retry in 48472 seconds", " alone: Retry in 48472 seconds"),
    limited("rate_limited_reset", "RateLimit-Vehicle-Reset: 17", "ratelimit-vehicle-reset", () => "17"),
    limited("rate_limited_date", "a date, one hour ahead, in Retry-After", "retry-after", ({ now }) =>
      new Date(now + 3_600_000).toUTCString()),
    fleet("payment_required", 402, "payment required"),
    answers("billing_limit", FLEET, "403, suspended until the billing limit is raised", () =>
      json(403, { error: "account disabled: EXCEEDED_LIMIT" })),
  ] },
  { name: "server", says: "Tesla's servers are in trouble", failures: [
    fleet("client_closed", 499, "client closed request"),
    fleet("server_error", 500, "upstream internal error", "", API),
    fleet("upstream_timeout", 500, TIMED_OUT, MAY_HAVE_RUN),
    fleet("context_deadline", 500, "context deadline exceeded", MAY_HAVE_RUN),
    plain("server_error_plain", 500, "Internal Server Error", ""),
    fleet("bad_gateway", 502, "bad gateway", "", API),
    fleet("service_unavailable", 503, "service unavailable", "", API),
    plain("no_healthy_upstream", 503, "no healthy upstream", ", the gateway reaches no server"),
    fleet("gateway", 504, "context deadline exceeded", "", API),
    answers("html_firewall", API, "200 as HTML, a browser check", () => html(200, FIREWALL)),
  ] },
  { name: "wire", says: "the connection, the form of an answer, texts that attack", failures: [
    answers("echoes_secret", API, "400 that quotes the bearer token and the body", (incoming, facts) =>
      refusal(incoming, facts, `${incoming.headers.authorization ?? ""} ${incoming.body}`)),
    answers("escape_sequences", API, "400 with terminal escapes in its text", (incoming, facts) =>
      refusal(incoming, facts, ESCAPES)),
    // The request has been carried out, the answer is damaged.
    body("empty_body", "the right status and nothing else", () => ""),
    body("truncated_json", "half of the JSON", (text) => text.slice(0, Math.floor(text.length / 2))),
    body("not_json", "text that is not JSON", () => "ok, whatever"),
    body("wrong_shape", "JSON of another shape", () => '{"response":{"hello":"world"}}'),
    body("wrong_shape_null", "JSON null", () => "null"),
    body("wrong_shape_list", "a JSON list of odd things", () => '[1,"two",null]'),
    body("oversized", "the right answer and 2 MiB of blanks", (text) => text + " ".repeat(2 * 1024 * 1024)),
    damages("hang_up_after", EVERYWHERE, "carried out, then the connection closes without an answer",
      (reply) => ({ ...reply, wire: "hang_up" })),
    damages("slow_drip", EVERYWHERE, "carried out, then an answer that never ends, a drop at a time",
      (reply) => ({ ...reply, wire: "drip" })),
    // The request is not looked at.
    answers("hang_up_before", EVERYWHERE, "the connection closes before anything is done", () =>
      ({ status: 200, ...EMPTY, wire: "hang_up" })),
    answers("never_answers", EVERYWHERE, "nothing comes", () => ({ status: 200, ...EMPTY, wire: "silence" })),
    redirect(301), redirect(302), redirect(307), redirect(308),
  ] },
];
