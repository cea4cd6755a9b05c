// What Fleet API tells about a car: the vehicle object of every list, the answer of vehicle_data,
// the sites nearby. The blocks of vehicle_data are in vehicle_blocks.ts.

import { VEHICLE_ID, json, missingScope } from "../tesla/tesla.ts";
import type { Reply } from "../tesla/tesla.ts";
import type { GrantedToken, World } from "../world/world.ts";
import {
  climateState, closuresState, driveState, guiSettings, position, vehicleConfig, vehicleState,
} from "./vehicle_blocks.ts";

// What steers a terminal that prints it: CSI in one character, text from right to left, a new line, an escape.
const HOSTILE_NAME = "Test\u009b31mla\u202e eno\u2066\r\n\u001b[2Jerror: forged";

export function vehicleObject(world: World): Record<string, unknown> {
  const { car, garage } = world;
  const state = !car.online ? "offline" : car.awake ? "online" : "asleep";
  return {
    id: VEHICLE_ID,
    vehicle_id: 1690000042,
    vin: car.vin,
    color: null,
    access_type: garage.accessType,
    display_name: world.failures.isOn("hostile_name") ? HOSTILE_NAME : garage.displayName,
    option_codes: null,
    granular_access: { hide_private: false },
    tokens: ["0123456789abcdef", "fedcba9876543210"],
    state,
    in_service: garage.inService,
    id_s: String(VEHICLE_ID),
    calendar_enabled: true,
    api_version: state === "online" ? 90 : null,
    backseat_token: null,
    backseat_token_updated_at: null,
  };
}

/** The order of Tesla's own answer: the user's number comes second. */
export function withUser(world: World): Record<string, unknown> {
  const { id, ...rest } = vehicleObject(world);
  return { id, user_id: 880000042, ...rest };
}

// Without `endpoints` all of these come, which leaves out the location.
const DEFAULT_BLOCKS = [
  "charge_state", "climate_state", "closures_state", "drive_state", "gui_settings", "vehicle_config",
  "vehicle_state",
];

/** With an age: what Tesla kept of a car that sleeps. */
export function vehicleData(world: World, url: URL, token: GrantedToken, cacheAgeMs?: number): Reply {
  const asked = url.searchParams.get("endpoints");
  // Blocks are separated by a semicolon. With a comma nothing matches, and only the car's own fields come.
  const endpoints = asked === null ? DEFAULT_BLOCKS : asked.split(";");
  if (endpoints.includes("location_data")) {
    const refused = missingScope(token, ["vehicle_location"]);
    if (refused !== undefined) return refused;
  }
  const timestamp = world.clock.now();
  const blocks: Record<string, object> = {
    charge_state: { ...world.car.chargeState(), ...world.garage.reportedCharge },
    climate_state: climateState(world),
    closures_state: closuresState(world),
    drive_state: driveState(world),
    gui_settings: guiSettings(world),
    charge_schedule_data: { charge_schedules: [...world.car.chargeSchedules.values()], timestamp },
    preconditioning_schedule_data: {
      precondition_schedules: [...world.car.preconditionSchedules.values()], timestamp,
    },
    vehicle_config: vehicleConfig(world),
    vehicle_state: vehicleState(world),
  };
  const response = withUser(world);
  for (const [name, block] of Object.entries(blocks)) {
    if (endpoints.includes(name)) response[name] = block;
  }
  // The position comes in drive_state, as Tesla describes it.
  if (endpoints.includes("location_data")) {
    response.drive_state = { ...(response.drive_state ?? {}), ...position(world) };
  }
  if (cacheAgeMs !== undefined) {
    response.state = "asleep";
    for (const name of Object.keys(blocks)) {
      if (name in response) response[name] = { ...(response[name] ?? {}), timestamp: timestamp - cacheAgeMs };
    }
  }
  return json(200, { response });
}

export function nearbySites(world: World): Reply {
  return json(200, {
    response: {
      congestion_sync_time_utc_secs: Math.floor(world.clock.now() / 1000),
      destination_charging: [
        {
          location: { lat: 48.85, long: 2.35 },
          name: "Hotel Example",
          type: "destination",
          distance_miles: 1.3,
          amenities: "restrooms,wifi",
        },
      ],
      superchargers: [
        {
          location: { lat: 48.9, long: 2.4 },
          name: "Example Supercharger",
          type: "supercharger",
          distance_miles: 2.2,
          available_stalls: 7,
          total_stalls: 12,
          site_closed: false,
          amenities: "restrooms",
          billing_info: "",
        },
      ],
      timestamp: world.clock.now(),
    },
  });
}
