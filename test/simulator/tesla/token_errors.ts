// The two shapes in which Tesla's token host reports an error: an older one with error_uri and a newer one
// with referenceID. The account's errorShape chooses one; "as_documented" gives each error the shape in which
// it was reported.

import { randomUUID } from "node:crypto";
import { json } from "./exchange.ts";
import type { Facts, Reply } from "./exchange.ts";

const REPORTED_OLDER = ["login_required", "unauthorized_client", "invalid_scope", "server_error"];

export function tokenError(facts: Facts, status: number, error: string, description: string): Reply {
  const reference = `${randomUUID()}-${facts.now}`;
  const shape = facts.errorShape;
  const older = shape === "older" || (shape === "as_documented" && REPORTED_OLDER.includes(error));
  const body: Record<string, string> = { error, error_description: description };
  if (older) body.error_uri = `https://auth.tesla.com/error/reference/${reference}`;
  else {
    body.referenceID =
      `${reference}. For more information, visit: ` +
      "https://developer.tesla.com/docs/fleet-api#help-and-support";
  }
  return json(status, body);
}
