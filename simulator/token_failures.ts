// Failures of the login page, of the token host and of partner registration.

import { answers, damages, inside } from "./failure_kinds.ts";
import type { Failure } from "./failure_kinds.ts";
import { fleetError } from "./fleet_errors.ts";
import { tokenError } from "./token_errors.ts";
import { KEY_PATH } from "./world.ts";
import type { Incoming, Reply, World } from "./world.ts";

const AUDIENCE = "The 'audience' parameter is invalid. Include valid audience in the request.";
const UNKNOWN_CLIENT = "We don't recognize this client_id and client_secret combination";
const BAD_SCOPE = "The client is not allowed to access the requested resource.";
const OTHER_CLIENT = "Invalid client_id. Authorize client_id and token client_id need to match.";
const NO_CLIENT = "The 'client_id' parameter is missing. Include client_id in the request.";

function token(name: string, status: number, error: string, text: string, says: string): Failure {
  return answers(name, ["token"], says, (_, world) => tokenError(world, status, error, text));
}

/** A good answer of the token host with one field taken out or replaced. */
function changed(reply: Reply, field: string, value?: string): Reply {
  if (reply.status !== 200) return reply;
  return { ...reply, body: JSON.stringify({ ...JSON.parse(reply.body), [field]: value }) };
}

function registration(name: string, says: string, answer: (world: World) => Reply): Failure {
  const only = (incoming: Incoming) =>
    incoming.method === "POST" && incoming.url.pathname === "/api/1/partner_accounts";
  return { ...answers(name, ["partner"], says, (_, world) => answer(world)), only };
}

function taken(name: string, what: string, says: string): Failure {
  return registration(name, says, () => fleetError(422, `Validation failed: ${what}`, false));
}

export const TOKEN_FAILURES: Failure[] = [
  token(
    "unauthorized_client",
    400,
    "unauthorized_client",
    UNKNOWN_CLIENT,
    "400, wrong id or secret (documented)",
  ),
  token(
    "unauthorized_client_401",
    401,
    "unauthorized_client",
    UNKNOWN_CLIENT,
    "401, wrong id or secret (as seen)",
  ),
  token("invalid_audience", 400, "invalid_audience", AUDIENCE, "400, audience refused"),
  {
    ...token(
      "partner_invalid_audience",
      400,
      "invalid_audience",
      AUDIENCE,
      "400, partner token of a new application",
    ),
    only: (incoming) => incoming.body.includes("grant_type=client_credentials"),
  },
  token("login_required", 401, "login_required", "Login required", "401, the refresh token is dead"),
  token(
    "invalid_auth_code",
    400,
    "invalid_auth_code",
    "The authorization code is expired or was already used.",
    "400, code expired or used",
  ),
  token(
    "invalid_redirect_url",
    400,
    "invalid_redirect_url",
    "The redirect_uri does not match the one sent to authorize.",
    "400, redirect URI differs",
  ),
  token("unsupported_grant_type", 400, "unsupported_grant_type", "The grant_type is not supported.", "400"),
  token("invalid_request", 400, "invalid_request", NO_CLIENT, "400, a field is missing"),
  token("invalid_scope", 400, "invalid_scope", BAD_SCOPE, "400, scope not allowed for the application"),
  token("invalid_client_id", 400, "invalid_client_id", OTHER_CLIENT, "400, code issued to another client"),
  token("token_server_error", 400, "server_error", "Internal server error", "400, transient"),
  token(
    "client_not_found",
    400,
    "client_not_found",
    "client not found",
    "400, application of another portal",
  ),
  token("invalid_grant", 400, "invalid_grant", "Invalid grant", "400, the standard name"),
  token("invalid_client", 401, "invalid_client", "Invalid client", "401, the standard name"),
  damages("token_without_refresh_token", ["token"], "200 without the refresh token", (reply) =>
    changed(reply, "refresh_token"),
  ),
  damages("token_without_access_token", ["token"], "200 without the access token", (reply) =>
    changed(reply, "access_token"),
  ),
  damages("token_not_a_jwt", ["token"], "200 with an access token that does not decode", (reply) =>
    changed(reply, "access_token", "opaque-access-token"),
  ),

  inside("no_policy_rules", ["login"], "the page ends in: Something went wrong. No policy rules"),
  inside("consent_drops_scopes", ["login"], "grants only openid and offline_access whatever is ticked"),
  inside("callback_wrong_state", ["login"], "comes back with another state"),
  inside("callback_without_code", ["login"], "comes back without a code"),
  inside("callback_error", ["login"], "comes back with error=server_error"),

  registration("invalid_domain", "400, format of the domain", (world) =>
    fleetError(
      400,
      `Invalid domain: https://${world.partner.domain}. ` +
        "Ensure that domain is lowercase and starts without https://",
    ),
  ),
  registration("root_domain", "412, domain is not under an allowed origin", (world) =>
    fleetError(
      412,
      `Root domain ${world.partner.domain} must match registered allowed origin on ` +
        `https://developer.tesla.com/dashboard/app-details/${world.account.clientId}`,
    ),
  ),
  registration("key_download_failed", "424, key file too large", (world) =>
    fleetError(
      424,
      `Public key download failed for https://${world.partner.domain}${KEY_PATH}, error: too large`,
    ),
  ),
  taken(
    "key_hash_taken",
    "Public key hash has already been taken",
    "422, key belongs to another application",
  ),
  taken("domain_taken", "Domain has already been taken", "422, domain belongs to another application"),
  taken("csr_invalid", "Csr is not a valid CSR", "422, seen once"),
  registration("partner_unauthorized_client", "400, no machine-to-machine grant", () =>
    fleetError(400, "unauthorized_client"),
  ),
  registration("partner_missing_scopes", "403", () => fleetError(403, "Unauthorized missing scopes", false)),
  inside("other_key_on_file", ["partner"], "the look-up answers a key that is not the registered one"),
];
