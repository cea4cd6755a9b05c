// The token host: POST /oauth2/v3/token. Checks the form of a request; the three grants are in tokens.ts.

import { json, tokenError } from "../tesla/tesla.ts";
import type { Incoming, Reply } from "../tesla/tesla.ts";
import { factsOf, notPlanned } from "../world/world.ts";
import type { World } from "../world/world.ts";
import { audiences, exchangeCode, partnerToken, refresh } from "./tokens.ts";

// The fields of each grant: those that must be there, then those that may be.
const FIELDS: Record<string, { required: string[]; optional: string[] }> = {
  authorization_code: {
    required: ["grant_type", "client_id", "client_secret", "code", "audience", "redirect_uri"],
    optional: ["scope", "code_verifier"],
  },
  refresh_token: { required: ["grant_type", "client_id", "refresh_token"], optional: [] },
  client_credentials: {
    required: ["grant_type", "client_id", "client_secret", "audience"],
    optional: ["scope"],
  },
};

/** Answers a request for the token host. */
export function handleToken(world: World, incoming: Incoming): Reply {
  const { method, url, headers, body } = incoming;
  if (method !== "POST" || url.pathname !== "/oauth2/v3/token" || url.search !== "") {
    notPlanned(world, incoming, "the token host has only POST /oauth2/v3/token");
    return json(404, { error: "not_found" });
  }
  const wrong = (description: string) => tokenError(factsOf(world), 400, "invalid_request", description);
  const type = (headers["content-type"] ?? "").split(";")[0]?.trim().toLowerCase();
  if (type !== "application/x-www-form-urlencoded") {
    notPlanned(world, incoming, `Content-Type ${type} instead of application/x-www-form-urlencoded`);
    return wrong("The body is not a form.");
  }

  const form = new URLSearchParams(body);
  const grant = form.get("grant_type") ?? "";
  const fields = FIELDS[grant];
  if (grant === "") return wrong("The 'grant_type' parameter is missing. Include grant_type in the request.");
  if (fields === undefined) {
    return tokenError(factsOf(world), 400, "unsupported_grant_type", "The grant_type is not supported.");
  }
  for (const name of form.keys()) {
    const known = fields.required.includes(name) || fields.optional.includes(name);
    if (known && form.getAll(name).length === 1) continue;
    notPlanned(world, incoming, `the form field ${name} is not documented for ${grant}, or is there twice`);
    return wrong(`The '${name}' parameter is not expected.`);
  }
  for (const name of fields.required) {
    if ((form.get(name) ?? "") !== "" || name === "audience") continue;
    return wrong(`The '${name}' parameter is missing. Include ${name} in the request.`);
  }

  const account = world.account;
  const isChinaHost = incoming.host === "auth.tesla.cn";
  if (isChinaHost !== (account.region === "cn"))
    return tokenError(factsOf(world), 400, "client_not_found", "client not found");
  const secretWrong = form.has("client_secret") && form.get("client_secret") !== account.clientSecret;
  if (secretWrong || form.get("client_id") !== account.clientId) {
    return tokenError(
      factsOf(world),
      account.unauthorizedClientStatus,
      "unauthorized_client",
      "We don't recognize this client_id and client_secret combination",
    );
  }
  if (fields.required.includes("audience") && !audiences(world).includes(form.get("audience") ?? "")) {
    return tokenError(
      factsOf(world),
      400,
      "invalid_audience",
      "The 'audience' parameter is invalid. Include valid audience in the request.",
    );
  }
  if (grant === "authorization_code") return exchangeCode(world, form);
  if (grant === "refresh_token") return refresh(world, form);
  return partnerToken(world, form);
}
