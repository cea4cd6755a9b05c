// Lists your cars: VIN, state and name.
//
//   reads     .env, tesla_token.json
//   writes    nothing
//   contacts  Fleet API
//   costs     1 data request ($0.002)
//   run       npx tsx scripts/list_vehicles.ts [--json]
import { clean, say, startScript, Stop } from "../lib/command_line.ts";
import { readSettings } from "../lib/settings.ts";
import { askFleetApi } from "../lib/tesla_fetch.ts";
import { readToken } from "../lib/token_file.ts";

// Step 1: the settings and the token.
const { options } = startScript(import.meta.filename, { json: { type: "boolean" } });
const { TESLA_REGION } = readSettings(["TESLA_REGION"]);
const { access_token } = readToken();

// Step 2: one request: up to 100 cars, and no car is woken.
// https://developer.tesla.com/docs/fleet-api/endpoints/vehicle-endpoints#list
const { response: cars } = await askFleetApi(TESLA_REGION, "vehicles", access_token);
if (!Array.isArray(cars)) throw new Stop(1, "Tesla's answer has no list of cars; try again later");

// Step 3: the list; as JSON it is as Tesla sent it.
const lines = cars.map((car) => {
  const { vin, state, display_name } = Object(car) as Record<string, unknown>;
  return `${[vin ?? "?", state ?? "unknown", display_name ?? ""].map(clean).join("  ")}\n`;
});
process.stdout.write(options.json === true ? `${JSON.stringify(cars, null, 2)}\n` : lines.join(""));
if (cars.length === 0) say("no car in this account: log in with the account that has it");
else say("next     put the VIN into .env as TESLA_VIN, then: npx tsx scripts/read_charge.ts");
