// Failures of the endpoints for Fleet Telemetry configurations.

import { fleetError } from "../tesla/tesla.ts";
import { answers, inside } from "./failure_kinds.ts";
import type { Failure } from "./failure_kinds.ts";

// Why a car is left out of an answer of 200, by the names that fleet_telemetry.ts asks for.
export const SKIP_REASONS = ["missing_key", "unsupported_hardware", "unsupported_firmware", "max_configs"];

const REFER_TO =
  "Refer to https://developer.tesla.com/docs/fleet-api/fleet-telemetry for instructions on how to configure "
  + "your vehicle";

export const TELEMETRY_FAILURES: Failure[] = [
  ...SKIP_REASONS.map((reason) => inside(`telemetry_${reason}`, ["fleet"], "200, no car was configured")),
  inside("telemetry_new_reason", ["fleet"], "200, no car was configured, for a reason that nobody knows"),
  inside("telemetry_no_reason", ["fleet"], "200, no car was configured, and no reason is given"),
  inside(
    "telemetry_vin_to_reason",
    ["fleet"],
    "the other shape of skipped_vehicles, VIN: reason (with another)",
  ),
  inside(
    "telemetry_refused_by_car",
    ["fleet"],
    "accepted, and later refused by the car: too many applications",
  ),
  {
    ...answers("telemetry_plain_412", ["fleet"], "412, the plain endpoint as owners have met it", () =>
      fleetError(412, REFER_TO, false),
    ),
    only: ({ method, url }) => method === "POST" && url.pathname.endsWith("/fleet_telemetry_config"),
  },
];
