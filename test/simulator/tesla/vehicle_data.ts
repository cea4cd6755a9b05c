// The answer of vehicle_data in the shape of Tesla's. What is not simulated has the value of a parked car that
// does not use it (fixed_answers.jsonl).
import { FIXED } from "../fixed_answers.ts";
import type { GrantedToken, World } from "../world.ts";
import { json, missingScope, type Reply } from "./tesla.ts";

const TYRES = ["fl", "fr", "rl", "rr"] as const;
const WARNING_BELOW = 2.5; // bar

// Without `endpoints` all of these come, which leaves out the location.
const DEFAULT_BLOCKS = `charge_state climate_state closures_state drive_state gui_settings vehicle_config
  vehicle_state`.split(/\s+/);

function blocks({ car, garage, clock }: World): Record<string, object> {
  const timestamp = clock.now();
  const climate = {
    driver_temp_setting: car.driverTemp,
    fan_status: car.climateOn ? 3 : 0,
    inside_temp: car.insideTemp,
    is_auto_conditioning_on: car.climateOn,
    is_climate_on: car.climateOn,
    outside_temp: car.outsideTemp,
    passenger_temp_setting: car.passengerTemp,
    timestamp,
  };
  const tyres = TYRES.map((tyre) => ({
    [`tpms_hard_warning_${tyre}`]: false,
    [`tpms_last_seen_pressure_time_${tyre}`]: Math.floor(timestamp / 1000),
    [`tpms_pressure_${tyre}`]: car.tyrePressures[tyre],
    [`tpms_soft_warning_${tyre}`]: car.tyrePressures[tyre] < WARNING_BELOW,
  }));
  const state = {
    car_version: `${garage.firmware} 4a2f1b7c9d03`,
    locked: car.locked,
    odometer: car.odometer,
    sentry_mode: car.sentryMode,
    service_mode: garage.inService,
    timestamp,
    vehicle_name: car.name,
  };
  return {
    charge_state: { ...car.chargeState(), ...garage.reportedCharge },
    climate_state: { ...FIXED.climate_state, ...climate },
    closures_state: { ...FIXED.closures_state, locked: car.locked, timestamp },
    drive_state: { ...FIXED.drive_state, timestamp },
    gui_settings: { ...FIXED.gui_settings, timestamp },
    charge_schedule_data: { charge_schedules: [...car.chargeSchedules.values()], timestamp },
    preconditioning_schedule_data: {
      precondition_schedules: [...car.preconditionSchedules.values()],
      timestamp,
    },
    vehicle_config: { ...FIXED.vehicle_config, timestamp },
    vehicle_state: Object.assign({}, FIXED.vehicle_state, state, ...tyres),
  };
}

/** With an age: what Tesla kept of a car that sleeps. */
export function vehicleData(
  world: World,
  response: Record<string, unknown>,
  url: URL,
  token: GrantedToken,
  cacheAgeMs?: number,
): Reply {
  const asked = url.searchParams.get("endpoints");
  // Blocks are separated by a semicolon. With a comma nothing matches, and only the car's own fields come.
  const endpoints = asked === null ? DEFAULT_BLOCKS : asked.split(";");
  const wantsPlace = endpoints.includes("location_data");
  const refused = wantsPlace ? missingScope(token, ["vehicle_location"]) : undefined;
  if (refused !== undefined) return refused;
  const timestamp = world.clock.now();
  const found: Record<string, object> = {};
  for (const [name, block] of Object.entries(blocks(world)))
    if (endpoints.includes(name)) found[name] = block;
  // The position comes in drive_state, as Tesla describes it.
  if (wantsPlace) {
    const place = { ...world.car.place, gps_as_of: Math.floor(timestamp / 1000), timestamp };
    found.drive_state = { ...found.drive_state, ...place };
  }
  if (cacheAgeMs === undefined) return json(200, { response: { ...response, ...found } });
  for (const name of Object.keys(found)) found[name] = { ...found[name], timestamp: timestamp - cacheAgeMs };
  return json(200, { response: { ...response, state: "asleep", ...found } });
}

export function nearbySites({ clock }: World): Reply {
  const times = { congestion_sync_time_utc_secs: Math.floor(clock.now() / 1000), timestamp: clock.now() };
  return json(200, { response: { ...FIXED.nearby_charging_sites, ...times } });
}
