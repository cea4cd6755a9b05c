// What all of Tesla's simulated web services share: names and hosts, the request and the answer that go between
// the parts of the simulator, Tesla's error answers with Tesla's own texts. No state.
import { randomBytes, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";

// ---- Names and numbers that never change ----

export const CLIENT_ID = "3f0c2a7e-1b5d-4f0e-9a46-7c1e5d2b8f90";
export const CLIENT_SECRET = "ta-secret.simulated-7Qm2Lx9Rb4Td";
export const REDIRECT_URI = "http://localhost:3000/callback";
export const DOMAIN = "car.example.com";
export const REGION = "eu";
export const VIN = "5YJ30123456789ABC";
export const VEHICLE_ID = 1493000000000042;
export const ENERGY_SITE_ID = 2500000000042;
export const KEY_PATH = "/.well-known/appspecific/com.tesla.3p.public-key.pem";

export type Region = "na" | "eu" | "cn";

export const FLEET_API_HOSTS: Record<Region, string> = {
  na: "fleet-api.prd.na.vn.cloud.tesla.com",
  eu: "fleet-api.prd.eu.vn.cloud.tesla.com",
  cn: "fleet-api.prd.cn.vn.cloud.tesla.cn",
};
export const TOKEN_HOSTS = ["fleet-auth.prd.vn.cloud.tesla.com", "auth.tesla.cn"];
export const LOGIN_HOSTS = ["auth.tesla.com", "auth.tesla.cn"];
export const PAIRING_HOSTS = ["tesla.com", "www.tesla.com", "www.tesla.cn"];

// The scopes that an owner can be asked for, with the names that Tesla's consent page gives them.
export const SCOPE_NAMES: Record<string, string> = {
  openid: "Sign in with Tesla",
  offline_access: "Refresh tokens",
  user_data: "Profile Information",
  vehicle_device_data: "Vehicle Information",
  vehicle_location: "Vehicle Location",
  vehicle_cmds: "Vehicle Commands",
  vehicle_charging_cmds: "Vehicle Charging Management",
  energy_device_data: "Energy Product Information",
  energy_cmds: "Energy Product Settings",
};
export const USUAL_SCOPES = "openid offline_access vehicle_device_data vehicle_charging_cmds";

export function baseUrl(region: Region): string {
  return `https://${FLEET_API_HOSTS[region]}`;
}

export function regionOfHost(host: string): Region | undefined {
  const regions: Region[] = ["na", "eu", "cn"];
  return regions.find((region) => FLEET_API_HOSTS[region] === host);
}

// ---- Requests and answers ----

/** As it arrived. `path` has the query; `status` is 0 until answered, and stays 0 if it never was. */
export interface SeenRequest {
  at: number;
  method: string;
  host: string;
  path: string;
  headers: Record<string, string>;
  body: string;
  status: number;
}

export type Incoming = Omit<SeenRequest, "at" | "path" | "status"> & { seen: SeenRequest; url: URL };

/** `wire`: how it is damaged on its way: connection closed without it, never sent, sent a drop at a time. */
export interface Reply {
  status: number;
  headers: Record<string, string>;
  body: string;
  wire?: "hang_up" | "silence" | "drip";
}

/** What an answer of Tesla may have to name. */
export type Facts = { now: number; vin: string; clientId: string; region: Region; domain: string };

export function json(status: number, body: unknown): Reply {
  const headers = { "content-type": "application/json; charset=utf-8" };
  return { status, headers, body: JSON.stringify(body) };
}

export function html(status: number, body: string): Reply {
  return { status, headers: { "content-type": "text/html; charset=utf-8" }, body };
}

export function plainText(status: number, body: string): Reply {
  return { status, headers: { "content-type": "text/plain" }, body };
}

/** Answers, and parts of answers, of what is not simulated: always the same but for what a caller puts over them. */
export const FIXED: Record<string, Record<string, unknown>> = {};
const fixedAnswers = readFileSync(new URL("fixed_answers.jsonl", import.meta.url), "utf8");
for (const line of fixedAnswers.trim().split("\n")) Object.assign(FIXED, JSON.parse(line));

/** The settings of an owner who is known here, for .env. */
export function settings(redirectUri = REDIRECT_URI): string {
  return `TESLA_CLIENT_ID=${CLIENT_ID}
TESLA_CLIENT_SECRET=${CLIENT_SECRET}
TESLA_REDIRECT_URI=${redirectUri}
TESLA_DOMAIN=${DOMAIN}
TESLA_REGION=${REGION}
TESLA_VIN=${VIN}
`;
}

// ---- Errors of Fleet API ----

export const PROTOCOL_REQUIRED =
  "Tesla Vehicle Command Protocol required, please refer to the documentation here: "
  + "https://developer.tesla.com/docs/fleet-api"
  + "#2023-10-09-rest-api-vehicle-commands-endpoint-deprecation-warning";
export const ASLEEP = "vehicle unavailable: vehicle is offline or asleep";

/** The transaction number that Tesla puts on every Fleet API answer. */
export function newTxid(): string {
  return randomBytes(16).toString("hex");
}

/** The header is the same as in the body, if it is there. */
export function addTxid(reply: Reply): Reply {
  const inBody = /"txid":"([0-9a-f]{32})"/.exec(reply.body)?.[1];
  return { ...reply, headers: { ...reply.headers, "x-txid": inBody ?? newTxid() } };
}

/** Fleet API's usual error body. Some of Tesla's own examples have a txid in it and some do not. */
export function fleetError(status: number, error: string, withTxid = true): Reply {
  const body = { response: null, error, error_description: "" };
  return json(status, withTxid ? { ...body, txid: newTxid() } : body);
}

export function notRegistered(clientId: string, region: Region): Reply {
  const register = "https://developer.tesla.com/docs/fleet-api/endpoints/partner-endpoints#register";
  const where = `registered in the current region ${baseUrl(region)}`;
  return json(412, { error: `Account ${clientId} must be ${where}, please see ${register}` });
}

export function outOfRegion(base: string): Reply {
  const see = "https://developer.tesla.com/docs/fleet-api#regional-requirements";
  const reply = fleetError(421, `user out of region, use base URL: ${base}, see ${see}`);
  reply.headers["alt-svc"] = `h2=${base}`;
  return reply;
}

/** Of registration: the format of the domain, and its root domain. */
export function invalidDomain(domain: string): Reply {
  return fleetError(
    400,
    `Invalid domain: ${domain}. Ensure that domain is lowercase and starts without https://`,
  );
}

export function foreignRoot(domain: string, clientId: string): Reply {
  const portal = `https://developer.tesla.com/dashboard/app-details/${clientId}`;
  return fleetError(412, `Root domain ${domain} must match registered allowed origin on ${portal}`);
}

export function noKeyFile(domain: string, why: string): Reply {
  return fleetError(424, `Public key download failed for https://${domain}${KEY_PATH}, error: ${why}`);
}

export function notValid(what: string): Reply {
  return fleetError(422, `Validation failed: ${what}`, false);
}

export function rateLimited(): Reply {
  const reply = fleetError(429, "Account rate limit exceeded. Retry in 37 seconds");
  const limits = { "ratelimit-limit": "60", "ratelimit-remaining": "0", "ratelimit-reset": "37" };
  return { ...reply, headers: { ...reply.headers, ...limits, "retry-after": "37" } };
}

/** A 403 when the token has none of these scopes; the first is the one that the text names. */
export function missingScope(token: { scopes: string[] }, scopes: string[]): Reply | undefined {
  if (scopes.some((scope) => token.scopes.includes(scope))) return undefined;
  return fleetError(403, `Unauthorized missing scopes ${scopes[0]}`, false);
}

// ---- Errors of the token host ----

// Tesla's names with Tesla's texts; what a caller says in other words is put over them.
const TOKEN_ERRORS: Record<string, string> = {
  unauthorized_client: "We don't recognize this client_id and client_secret combination",
  invalid_audience: "The 'audience' parameter is invalid. Include valid audience in the request.",
  login_required: "Login required",
  invalid_auth_code: "The authorization code is expired or was already used.",
  invalid_redirect_url: "The redirect_uri does not match the one sent to authorize.",
  unsupported_grant_type: "The grant_type is not supported.",
  invalid_request: "The 'client_id' parameter is missing. Include client_id in the request.",
  invalid_scope: "The client is not allowed to access the requested resource.",
  invalid_client_id: "Invalid client_id. Authorize client_id and token client_id need to match.",
  server_error: "Internal server error",
  client_not_found: "client not found",
  invalid_grant: "Invalid grant",
  invalid_client: "Invalid client",
};
const REPORTED_OLDER = ["login_required", "unauthorized_client", "invalid_scope", "server_error"];

/** In the shape in which it was reported: an older one with error_uri, or a newer one with referenceID. */
export function tokenError(now: number, status: number, error: string, text?: string): Reply {
  const reference = `${randomUUID()}-${now}`;
  const help = "https://developer.tesla.com/docs/fleet-api#help-and-support";
  const more = REPORTED_OLDER.includes(error)
    ? { error_uri: `https://auth.tesla.com/error/reference/${reference}` }
    : { referenceID: `${reference}. For more information, visit: ${help}` };
  return json(status, { error, error_description: text ?? TOKEN_ERRORS[error], ...more });
}
