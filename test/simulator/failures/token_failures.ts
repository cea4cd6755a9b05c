// Failures of the login page and of the token host.

import { answers, damages, inside } from "./failure_kinds.ts";
import type { Failure } from "./failure_kinds.ts";
import { tokenError } from "../tesla/tesla.ts";
import type { Reply } from "../tesla/tesla.ts";

const AUDIENCE = "The 'audience' parameter is invalid. Include valid audience in the request.";
const UNKNOWN_CLIENT = "We don't recognize this client_id and client_secret combination";
const BAD_SCOPE = "The client is not allowed to access the requested resource.";
const OTHER_CLIENT = "Invalid client_id. Authorize client_id and token client_id need to match.";
const NO_CLIENT = "The 'client_id' parameter is missing. Include client_id in the request.";

function token(name: string, status: number, error: string, text: string, says: string): Failure {
  return answers(name, ["token"], says, (_, facts) => tokenError(facts, status, error, text));
}

/** A good answer of the token host with one field taken out or replaced. */
function changed(reply: Reply, field: string, value?: string): Reply {
  if (reply.status !== 200) return reply;
  return { ...reply, body: JSON.stringify({ ...JSON.parse(reply.body), [field]: value }) };
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
  inside("refresh_keeps_token", ["token"], "200 without a refresh token: the one that was sent stays good"),
  damages("token_without_access_token", ["token"], "200 without the access token", (reply) =>
    changed(reply, "access_token"),
  ),
  damages("token_not_a_jwt", ["token"], "200 with an access token that does not decode", (reply) =>
    changed(reply, "access_token", "opaque-access-token"),
  ),
];

export const LOGIN_FAILURES: Failure[] = [
  inside("no_policy_rules", ["login"], "the page ends in: Something went wrong. No policy rules"),
  inside("consent_drops_scopes", ["login"], "grants only openid and offline_access whatever is ticked"),
  inside("callback_wrong_state", ["login"], "comes back with another state"),
  inside("callback_without_code", ["login"], "comes back without a code"),
  inside("callback_error", ["login"], "comes back with error=server_error"),
  inside("callback_without_state", ["login"], "comes back without a state"),
];
