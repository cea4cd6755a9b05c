// Failures of Fleet API, by HTTP status.

import { API, FLEET, answers, damages, inside } from "./failure_kinds.ts";
import type { Failure, Service } from "./failure_kinds.ts";
import {
  ASLEEP, PROTOCOL_REQUIRED, baseUrl, fleetError, html, json, newTxid, notRegistered, outOfRegion,
  rateLimited,
} from "../tesla/tesla.ts";
import type { Facts, Incoming } from "../tesla/tesla.ts";

function fleet(
  name: string,
  status: number,
  error: string,
  says: string,
  where = FLEET,
  withTxid = true,
): Failure {
  return answers(name, where, `${status}${says}`, () => fleetError(status, error, withTxid));
}

const ACCESS_DENIED =
  "<HTML><HEAD>\n<TITLE>Access Denied</TITLE>\n</HEAD><BODY>\n<H1>Access Denied</H1>\n" +
  "You don't have permission to access this resource on this server.<P>\nReference #18.simulated" +
  "</BODY></HTML>";
const FIREWALL =
  "<!doctype html><title>Checking your browser</title><p>Please enable JavaScript to go on.</p>";
const TIMED_OUT = "operation_timedout for txid `0d3f6c1a4b7e4f52a9c8d7e6f5a4b3c2`";

function plain(name: string, status: number, body: string, says: string, where: Service[] = API): Failure {
  const headers = { "content-type": "text/plain" };
  return answers(name, where, `${status}, plain text${says}`, () => ({ status, headers, body }));
}

/** 429 with these headers and no other hint. */
function limited(name: string, says: string, headers: (facts: Facts) => Record<string, string>): Failure {
  return answers(name, API, `429 with ${says} alone`, (_, facts) => {
    const reply = fleetError(429, "Account rate limit exceeded");
    return { ...reply, headers: { ...reply.headers, ...headers(facts) } };
  });
}

/** Only for some requests. */
function only(failure: Failure, method: string, path: RegExp): Failure {
  const isIt = (incoming: Incoming) => incoming.method === method && path.test(incoming.url.pathname);
  return { ...failure, only: isIt };
}

const UNSIGNED = /\/command\/\w+$/;
const ONE_CAR = /^\/api\/1\/vehicles\/[^/]+$/;
const KEY_LOOK_UP = /\/partner_accounts\/public_key$/;
const NO_KEY = "your public key has not been paired with the vehicle";

export const FLEET_FAILURES: Failure[] = [
  fleet("invalid_command", 400, "invalid_command", ""),
  fleet("invalid_field", 400, "invalid_field", ""),
  answers("token_expired", FLEET, "401 without a body", () => ({ status: 401, headers: {}, body: "" })),
  answers("token_expired_json", FLEET, "401, token expired", () =>
    json(401, { error: "token expired (401)" }),
  ),
  answers("invalid_bearer", FLEET, "401, invalid bearer token", () =>
    json(401, { error: "invalid bearer token" }),
  ),
  fleet("unknown_user", 401, "unknown user", ", the owner never logged in to the phone app", FLEET, false),
  fleet("mobile_access_disabled", 401, "mobile_access_disabled", ", mobile access is off in the car"),
  fleet("fleet_login_required", 401, "login_required", ", consent withdrawn"),
  fleet("payment_required", 402, "payment required", ""),
  fleet("missing_scope", 403, "Unauthorized missing scopes vehicle_device_data", "", FLEET, false),
  fleet("missing_scope_unnamed", 403, "Unauthorized missing scopes", ", does not say which", FLEET, false),
  fleet("invalid_scope_403", 403, "invalid_scope", ", the other wording"),
  answers("billing_limit", FLEET, "403, suspended until the billing limit is raised", () =>
    json(403, { error: "account disabled: EXCEEDED_LIMIT" }),
  ),
  fleet("unsupported_vehicle", 403, "unsupported vehicle", ""),
  fleet("protocol_required", 403, PROTOCOL_REQUIRED, ", this car wants signed commands", ["command"], false),
  fleet(
    "signed_commands_required", 403, "vehicle requires signed commands", ", the other wording", ["command"],
  ),
  only(
    answers("not_paired_reason", ["command"], "200, an unsigned command is refused: no key of yours", () =>
      json(200, { response: { result: false, reason: NO_KEY } }),
    ),
    "POST",
    UNSIGNED,
  ),
  answers("not_found", FLEET, "404, not this token's car", (_, facts) =>
    fleetError(404, `${facts.vin} not_found`, false),
  ),
  fleet("vehicle_in_service", 405, "vehicle is currently in service", ""),
  fleet("not_acceptable", 406, "Content-Type must be application/json", ""),
  fleet("vehicle_asleep", 408, ASLEEP, ", asleep or offline"),
  fleet("request_timeout", 408, "timeout", ", the car may be online"),
  only(fleet("wake_up_asleep", 408, ASLEEP, " to wake_up itself"), "POST", /\/wake_up$/),
  only(fleet("poll_fails", 500, "upstream internal error", " to a look at the car's state"), "GET", ONE_CAR),
  fleet(
    "vehicle_asleep_older",
    408,
    'vehicle unavailable: {:error=>"vehicle unavailable:"}',
    ", older wording",
  ),
  only(fleet("not_supported", 412, "not_supported", ", an unsigned command", ["command"]), "POST", UNSIGNED),
  answers("not_registered", FLEET, "412, application not registered in this region", (_, facts) =>
    notRegistered(facts.clientId, facts.region),
  ),
  answers("out_of_region", FLEET, "421, the owner belongs to another region", (_, facts) =>
    outOfRegion(baseUrl(facts.region === "na" ? "eu" : "na")),
  ),
  answers("out_of_region_elsewhere", FLEET, "421 that points at a host which is not Tesla's", () =>
    outOfRegion("https://fleet-api.example.org"),
  ),
  answers("validation", FLEET, "422 with messages", () =>
    json(422, {
      response: null,
      error: "invalid request",
      error_description: "",
      messages: { percent: ["must be a number"] },
      txid: newTxid(),
    }),
  ),
  fleet("protocol_unsupported", 422, "vehicle does not support signed commands", ", an old car", ["command"]),
  fleet("locked", 423, "locked", ", locked by Tesla"),
  fleet("dependency", 424, "failed dependency", ""),
  answers("rate_limited", API, "429 with Retry-After: 37", rateLimited),
  plain("rate_limited_plain", 429, "Retry in 48472 seconds", " alone: Retry in 48472 seconds"),
  limited("rate_limited_reset", "RateLimit-Vehicle-Reset: 17", () => ({ "ratelimit-vehicle-reset": "17" })),
  limited("rate_limited_date", "a date, one hour ahead, in Retry-After", ({ now }) => ({
    "retry-after": new Date(now + 3600_000).toUTCString(),
  })),
  fleet("legal", 451, "unavailable for legal reasons", ""),
  fleet("client_closed", 499, "client closed request", ""),
  fleet("server_error", 500, "upstream internal error", "", API),
  fleet("upstream_timeout", 500, TIMED_OUT, ", the command may have run (use after)"),
  fleet("context_deadline", 500, "context deadline exceeded", ", the command may have run (use after)"),
  answers("server_error_plain", API, "500 that is not JSON", () => ({
    status: 500,
    headers: { "content-type": "text/plain" },
    body: "Internal Server Error",
  })),
  fleet("not_implemented", 501, "not implemented", ", Tesla does not pass this command on", ["command"]),
  plain("not_implemented_plain", 501, "Not Implemented", ", the same", ["command"]),
  fleet("bad_gateway", 502, "bad gateway", "", API),
  fleet("service_unavailable", 503, "service unavailable", "", API),
  plain("no_healthy_upstream", 503, "no healthy upstream", ", Tesla's gateway reaches no server"),
  fleet("vehicle_not_available", 503, "vehicle is not available", ", the car is out of reach"),
  damages("timeout_after", ["command"], "carried out, then 503 timeout", () => fleetError(503, "timeout")),
  fleet("gateway", 504, "context deadline exceeded", "", API),
  fleet("device_unexpected", 540, "unexpected response from device", ", rebooting or updating"),
  inside("fleet_status_unpaired", FLEET, "fleet_status: a paired car is said to be unpaired"),
  inside("fleet_status_not_required", FLEET, "fleet_status: the car is said to need no signed commands"),
  inside("cached_data", FLEET, "vehicle_data: of a car asleep, and days old"),
  inside("hostile_name", FLEET, "the car's name steers a terminal; until cleared"),
  only(
    answers("key_look_up_421", ["partner"], "421 to the look-up of the registered key", (_, facts) =>
      outOfRegion(baseUrl(facts.region === "na" ? "eu" : "na")),
    ),
    "GET",
    KEY_LOOK_UP,
  ),
  only(
    fleet("key_look_up_403", 403, "Unauthorized missing scopes", ", the same", ["partner"], false),
    "GET",
    KEY_LOOK_UP,
  ),
  only(
    fleet("key_look_up_404", 404, "client does not have access", ", the same", ["partner"], false),
    "GET",
    KEY_LOOK_UP,
  ),
  answers("html_access_denied", API, "403 as HTML, Access Denied", () => html(403, ACCESS_DENIED)),
  answers("html_firewall", API, "200 as HTML, a browser check", () => html(200, FIREWALL)),
];
