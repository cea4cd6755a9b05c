// Failures of partner registration.

import { answers, inside } from "./failure_kinds.ts";
import type { Failure } from "./failure_kinds.ts";
import { KEY_PATH, fleetError } from "../tesla/tesla.ts";
import type { Facts, Incoming, Reply } from "../tesla/tesla.ts";

function registration(name: string, says: string, answer: (facts: Facts) => Reply): Failure {
  const only = (incoming: Incoming) =>
    incoming.method === "POST" && incoming.url.pathname === "/api/1/partner_accounts";
  return { ...answers(name, ["partner"], says, (_, facts) => answer(facts)), only };
}

function taken(name: string, what: string, says: string): Failure {
  return registration(name, says, () => fleetError(422, `Validation failed: ${what}`, false));
}

export const REGISTRATION_FAILURES: Failure[] = [
  registration("invalid_domain", "400, format of the domain", (facts) =>
    fleetError(
      400,
      `Invalid domain: https://${facts.domain}. ` +
        "Ensure that domain is lowercase and starts without https://",
    ),
  ),
  registration("root_domain", "412, domain is not under an allowed origin", (facts) =>
    fleetError(
      412,
      `Root domain ${facts.domain} must match registered allowed origin on ` +
        `https://developer.tesla.com/dashboard/app-details/${facts.clientId}`,
    ),
  ),
  registration("key_download_failed", "424, key file too large", (facts) =>
    fleetError(
      424,
      `Public key download failed for https://${facts.domain}${KEY_PATH}, error: too large`,
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
