// Lists your cars: VIN, state and name, without waking any car.
//
//   reads     .env, tesla_token.json
//   writes    nothing
//   contacts  Fleet API
//   costs     1 data request ($0.002)
//   run       npx tsx scripts/list_vehicles.ts [--json]
import { asRecord, clean, Failure, say, showJson, startScript } from "../lib/command_line.ts";
import { readSettings } from "../lib/settings.ts";
import { askFleetApi } from "../lib/tesla_fetch.ts";
import { readToken } from "../lib/token_file.ts";

// Step 1: the settings and the token.
const { json } = startScript(import.meta.filename, { flags: ["json"] });
const { TESLA_REGION } = readSettings(["TESLA_REGION"]);
const { access_token } = readToken();

// Step 2: one request, up to 100 cars.
// https://developer.tesla.com/docs/fleet-api/endpoints/vehicle-endpoints#list
const { response: cars } = asRecord(await askFleetApi(TESLA_REGION, "vehicles", access_token));
if (!Array.isArray(cars)) {
  throw new Failure(1, "Tesla's answer cannot be used", "it has no list of cars", "try again later");
}

// Step 3: a line for each car, or Tesla's own fields.
const lines = cars.map(asRecord).map(({ vin, state, display_name }) => {
  return `${[vin ?? "?", state ?? "unknown", display_name ?? ""].map(clean).join("  ")}\n`;
});
if (json) showJson(cars);
else process.stdout.write(lines.join(""));
if (cars.length > 0) {
  say("next     put the VIN into .env as TESLA_VIN, then: npx tsx scripts/read_charge.ts");
} else {
  say("no cars in this account; log in with the owner's account: npx tsx scripts/get_token.ts --force");
  say("         log out at Tesla first, or open the address in a private window");
}
