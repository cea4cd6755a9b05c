// Fleet API's error answers that more than one part of the simulator gives, with Tesla's own texts.

import { json, newTxid } from "./exchange.ts";
import type { Reply } from "./exchange.ts";
import { baseUrl } from "./names.ts";
import type { Region } from "./names.ts";

export const PROTOCOL_REQUIRED =
  "Tesla Vehicle Command Protocol required, please refer to the documentation here: " +
  "https://developer.tesla.com/docs/fleet-api" +
  "#2023-10-09-rest-api-vehicle-commands-endpoint-deprecation-warning";
export const ASLEEP = "vehicle unavailable: vehicle is offline or asleep";

/** Fleet API's usual error body. Some of Tesla's own examples have a txid in it and some do not. */
export function fleetError(status: number, error: string, withTxid = true): Reply {
  const body: Record<string, unknown> = { response: null, error, error_description: "" };
  if (withTxid) body.txid = newTxid();
  return json(status, body);
}

export function notRegistered(clientId: string, region: Region): Reply {
  return json(412, {
    error:
      `Account ${clientId} must be registered in the current region ${baseUrl(region)}, please see ` +
      "https://developer.tesla.com/docs/fleet-api/endpoints/partner-endpoints#register",
  });
}

export function outOfRegion(base: string): Reply {
  const error =
    `user out of region, use base URL: ${base}, see ` +
    "https://developer.tesla.com/docs/fleet-api#regional-requirements";
  const reply = fleetError(421, error);
  reply.headers["alt-svc"] = `h2=${base}`;
  return reply;
}

export function rateLimited(): Reply {
  const reply = fleetError(429, "Account rate limit exceeded. Retry in 37 seconds");
  const limits = {
    "ratelimit-limit": "60",
    "ratelimit-remaining": "0",
    "ratelimit-reset": "37",
    "retry-after": "37",
  };
  Object.assign(reply.headers, limits);
  return reply;
}

/** A 403 when the token has none of these scopes; the first is the one that the text names. */
export function missingScope(token: { scopes: string[] }, scopes: string[]): Reply | undefined {
  if (scopes.some((scope) => token.scopes.includes(scope))) return undefined;
  return fleetError(403, `Unauthorized missing scopes ${scopes[0]}`, false);
}
