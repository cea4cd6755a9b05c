// The two shapes in which Tesla's token host reports an error: an older one with error_uri and a newer one
// with referenceID. account.errorShape chooses one; "as_documented" gives each error the shape it was
// reported with.

import { randomUUID } from "node:crypto";
import { json } from "./world.ts";
import type { Reply, World } from "./world.ts";

const REPORTED_OLDER = ["login_required", "unauthorized_client", "invalid_scope", "server_error"];

export function tokenError(world: World, status: number, error: string, description: string): Reply {
  const reference = `${randomUUID()}-${world.clock.now()}`;
  const shape = world.account.errorShape;
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
