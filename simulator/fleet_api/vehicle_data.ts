// What Fleet API tells about a car: the vehicle object of every list, the blocks of vehicle_data, the
// sites nearby.

import { VEHICLE_ID, json, missingScope } from "../tesla/tesla.ts";
import type { Reply } from "../tesla/tesla.ts";
import type { GrantedToken, World } from "../world/world.ts";

export function vehicleObject(world: World): Record<string, unknown> {
  const { car, garage } = world;
  const state = !car.online ? "offline" : car.awake ? "online" : "asleep";
  return {
    id: VEHICLE_ID,
    vehicle_id: 1690000042,
    vin: car.vin,
    color: null,
    access_type: garage.accessType,
    display_name: garage.displayName,
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

export function vehicleData(world: World, url: URL, token: GrantedToken): Reply {
  const asked = url.searchParams.get("endpoints");
  // Blocks are separated by a semicolon. With a comma nothing matches, and only the car's own fields come.
  const endpoints =
    asked === null
      ? ["charge_state", "climate_state", "drive_state", "gui_settings", "vehicle_config", "vehicle_state"]
      : asked.split(";");
  if (endpoints.includes("location_data")) {
    const refused = missingScope(token, ["vehicle_location"]);
    if (refused !== undefined) return refused;
  }
  const timestamp = world.clock.now();
  const blocks: Record<string, unknown> = {
    charge_state: world.car.chargeState(),
    climate_state: { inside_temp: 18.5, outside_temp: 7, is_climate_on: world.car.climateOn, timestamp },
    closures_state: { locked: world.car.locked, timestamp },
    drive_state: { power: 0, shift_state: null, speed: null, timestamp },
    gui_settings: { gui_charge_rate_units: "kW", gui_distance_units: "km/hr", timestamp },
    location_data: {
      latitude: 48.85,
      longitude: 2.35,
      heading: 90,
      gps_as_of: Math.floor(timestamp / 1000),
      timestamp,
    },
    charge_schedule_data: { charge_schedules: [...world.car.chargeSchedules.values()], timestamp },
    preconditioning_schedule_data: { precondition_schedules: [], timestamp },
    vehicle_config: { car_type: "model3", charge_port_type: "CCS", timestamp },
    vehicle_state: {
      car_version: world.garage.firmware,
      locked: world.car.locked,
      odometer: 12345.6,
      timestamp,
    },
  };
  const response = withUser(world);
  for (const name of Object.keys(blocks)) {
    // location_data's fields come in drive_state, as Tesla describes it.
    if (!endpoints.includes(name)) continue;
    if (name !== "location_data") response[name] = blocks[name];
    else response.drive_state = { ...(response.drive_state ?? {}), ...(blocks.location_data ?? {}) };
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
