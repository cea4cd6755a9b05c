// Lists your cars: VIN, state and name.
//
//   reads     .env, tesla_token.json
//   writes    nothing
//   contacts  Fleet API
//   costs     1 data request ($0.002)
//   run       npx tsx scripts/list_vehicles.ts [--json]
import { clean, jsonText, readArguments, say, Stop } from "../lib/command_line.ts";
import { FLEET_API } from "../lib/hosts.ts";
import { readSettings } from "../lib/settings.ts";
import { teslaJson } from "../lib/tesla_fetch.ts";
import { readToken } from "../lib/token_file.ts";

// Step 1: the settings and the token.
const { options } = readArguments(import.meta.filename, { json: { type: "boolean" } });
const { TESLA_REGION } = readSettings(["TESLA_REGION"]);
const { access_token } = readToken();

// Step 2: one request: up to 100 cars, and no car is woken.
// https://developer.tesla.com/docs/fleet-api/endpoints/vehicle-endpoints#list
const answer = await teslaJson({ url: `${FLEET_API[TESLA_REGION]}/api/1/vehicles`, bearer: access_token });
if (!Array.isArray(answer.response)) throw new Stop(1, "Tesla's answer has no list of cars; try again later");
const cars = answer.response as ({ vin?: unknown; state?: unknown; display_name?: unknown } | null)[];

// Step 3: the list; as JSON it is as Tesla sent it.
const columns = cars.map((car) => [car?.vin ?? "?", car?.state ?? "unknown", car?.display_name ?? ""]);
const lines = columns.map((row) => row.map(clean).join("  "));
const text = options.json === true ? jsonText(cars) : lines.join("\n");
if (text !== "") process.stdout.write(`${text}\n`);
if (cars.length === 0) say("no car in this account: log in with the account that has it");
else say("next      put the VIN into .env as TESLA_VIN, then: npx tsx scripts/read_charge.ts");
