// Shows the temperatures in and around the car, without waking it.
// Copied from scripts/read_charge.ts: it asks for another block, and shows other fields of it.
//
//   reads     .env, tesla_token.json
//   writes    nothing
//   contacts  Fleet API
//   costs     1 data request ($0.002)
//   run       npx tsx examples/read_climate.ts [--json]
import { asRecord, Failure, showJson, startScript } from "../lib/command_line.ts";
import { readSettings } from "../lib/settings.ts";
import { askFleetApi } from "../lib/tesla_fetch.ts";
import { readToken } from "../lib/token_file.ts";

// Step 1: the settings and the token.
const { json } = startScript(import.meta.filename, { flags: ["json"] });
const { TESLA_REGION, TESLA_VIN } = readSettings(["TESLA_REGION", "TESLA_VIN"]);
const { access_token } = readToken();

// Step 2: one request. For a sleeping car Tesla answers 408, or sends what it has kept; the car sleeps on.
// https://developer.tesla.com/docs/fleet-api/endpoints/vehicle-endpoints#vehicle-data
const path = `vehicles/${TESLA_VIN}/vehicle_data?endpoints=climate_state`;
const { response } = asRecord(await askFleetApi(TESLA_REGION, path, access_token));
const { climate_state } = asRecord(response);
const climate = asRecord(climate_state);
if (climate_state !== climate) {
  throw new Failure(1, "Tesla's answer cannot be used", "it has no climate_state", "try again in a minute");
}

// Step 3: for people. Every field may be null or missing. Tesla sends degrees Celsius.
function show(field: string, unit: string): string {
  const value = climate[field];
  return typeof value === "number" ? `${value} ${unit}` : "unknown";
}
if (json) showJson(climate);
else {
  process.stdout.write(`inside     ${show("inside_temp", "°C")}
outside    ${show("outside_temp", "°C")}
climate    ${climate.is_climate_on === true ? "on" : "off or unknown"}\n`);
}
