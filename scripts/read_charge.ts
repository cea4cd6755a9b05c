// Shows how the car is charging. It never wakes the car.
//
//   reads     .env, tesla_token.json
//   writes    nothing
//   contacts  Fleet API
//   costs     1 data request ($0.002)
//   run       npx tsx scripts/read_charge.ts [--json]
import { clean, startScript, Stop } from "../lib/command_line.ts";
import { readSettings } from "../lib/settings.ts";
import { askFleetApi } from "../lib/tesla_fetch.ts";
import { readToken } from "../lib/token_file.ts";

// Step 1: the settings and the token.
const { options } = startScript(import.meta.filename, { json: { type: "boolean" } });
const { TESLA_REGION, TESLA_VIN } = readSettings(["TESLA_REGION", "TESLA_VIN"]);
const { access_token } = readToken();

// Step 2: one request. A sleeping car answers 408, and goes on sleeping.
// https://developer.tesla.com/docs/fleet-api/endpoints/vehicle-endpoints#vehicle-data
const path = `vehicles/${TESLA_VIN}/vehicle_data?endpoints=charge_state`;
const { response } = await askFleetApi(TESLA_REGION, path, access_token);
const { charge_state } = Object(response) as { charge_state?: Record<string, unknown> };
if (typeof charge_state !== "object" || charge_state === null) {
  throw new Stop(1, "Tesla's answer has no charge_state; try again in a minute");
}

// Step 3: for people. Every field may be null or missing. Tesla sends miles, whatever the car shows.
function show(field: string, unit: string, factor = 1): string {
  const value = charge_state?.[field];
  return typeof value === "number" ? `${Math.round(value * factor * 10) / 10} ${unit}` : "unknown";
}
// A car on three phases says 2.
const PHASES = new Map<unknown, string>([[1, "1 phase"], [2, "3 phases"], [3, "3 phases"]]);
const phases = PHASES.get(charge_state.charger_phases) ?? "no phase";
const minutes = charge_state.minutes_to_full_charge as number;
const left = Number.isFinite(minutes) ? `${Math.floor(minutes / 60)} h ${minutes % 60} min` : "unknown";
const text = `battery    ${show("battery_level", "%")}, range ${show("battery_range", "km", 1.609344)}
limit      ${show("charge_limit_soc", "%")}
state      ${clean(charge_state.charging_state ?? "unknown")}
set        ${show("charge_current_request", "A")} of at most ${show("charge_current_request_max", "A")}
drawn      ${show("charger_actual_current", "A")} at ${show("charger_voltage", "V")}, ${phases}
power      ${show("charger_power", "kW")}
added      ${show("charge_energy_added", "kWh")}
time left  ${left}`;
process.stdout.write(`${options.json === true ? JSON.stringify(charge_state, null, 2) : text}\n`);
