// Shows the temperatures in and around the car. It never wakes the car.
// Copied from scripts/read_charge.ts: it asks for another block, and shows other fields of it.
//
//   reads     .env, tesla_token.json
//   writes    nothing
//   contacts  Fleet API
//   costs     1 data request ($0.002)
//   run       npx tsx examples/read_climate.ts [--json]
import { startScript, Stop } from "../lib/command_line.ts";
import { readSettings } from "../lib/settings.ts";
import { askFleetApi } from "../lib/tesla_fetch.ts";
import { readToken } from "../lib/token_file.ts";

// Step 1: the settings and the token.
const { options } = startScript(import.meta.filename, { json: { type: "boolean" } });
const { TESLA_REGION, TESLA_VIN } = readSettings(["TESLA_REGION", "TESLA_VIN"]);
const { access_token } = readToken();

// Step 2: one request. A sleeping car answers 408, and goes on sleeping.
// https://developer.tesla.com/docs/fleet-api/endpoints/vehicle-endpoints#vehicle-data
const path = `vehicles/${TESLA_VIN}/vehicle_data?endpoints=climate_state`;
const { response } = await askFleetApi(TESLA_REGION, path, access_token);
const { climate_state } = Object(response) as { climate_state?: Record<string, unknown> };
if (typeof climate_state !== "object" || climate_state === null) {
  throw new Stop(1, "Tesla's answer has no climate_state; try again in a minute");
}

// Step 3: for people. Every field may be null or missing. Tesla sends degrees Celsius.
function show(field: string, unit: string): string {
  const value = climate_state?.[field];
  return typeof value === "number" ? `${value} ${unit}` : "unknown";
}
const text = `inside     ${show("inside_temp", "°C")}
outside    ${show("outside_temp", "°C")}
climate    ${climate_state.is_climate_on === true ? "on" : "off or unknown"}`;
process.stdout.write(`${options.json === true ? JSON.stringify(climate_state, null, 2) : text}\n`);
