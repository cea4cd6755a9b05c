// Shows what a Powerwall and the solar panels are doing. It needs the scope energy_device_data, and no car.
// Copied from scripts/read_charge.ts: another address, other fields, and the site's number as an argument.
//
//   reads     .env, tesla_token.json
//   writes    nothing
//   contacts  Fleet API
//   costs     1 data request ($0.002)
//   run       npx tsx examples/read_powerwall.ts SITE [--json]
import { asRecord, clean, Failure, showJson, startScript } from "../lib/command_line.ts";
import { readSettings } from "../lib/settings.ts";
import { askFleetApi } from "../lib/tesla_fetch.ts";
import { readToken } from "../lib/token_file.ts";

// Step 1: SITE, the settings and the token.
const { SITE, json } = startScript(import.meta.filename, { words: ["SITE"], flags: ["json"] });
if (!/^\d{1,20}$/.test(SITE)) {
  throw new Failure(
    2,
    "wrong usage",
    `SITE is "${SITE}"`,
    "SITE is the energy_site_id in call_api GET /api/1/products",
  );
}
const { TESLA_REGION } = readSettings(["TESLA_REGION"]);
const { access_token } = readToken();

// Step 2: one request.
// https://developer.tesla.com/docs/fleet-api/endpoints/energy#live-status
const path = `energy_sites/${SITE}/live_status`;
const { response } = asRecord(await askFleetApi(TESLA_REGION, path, access_token));
const status = asRecord(response);
if (response !== status) {
  throw new Failure(1, "Tesla's answer cannot be used", "it has no live status", "try again in a minute");
}

// Step 3: for people. Every field may be null or missing. Tesla sends watts.
function show(field: string, unit: string, factor = 1): string {
  const value = status[field];
  return typeof value === "number" ? `${Math.round(value * factor * 10) / 10} ${unit}` : "unknown";
}
if (json) showJson(status);
else {
  process.stdout.write(`solar      ${show("solar_power", "kW", 0.001)}
house      ${show("load_power", "kW", 0.001)}
battery    ${show("battery_power", "kW", 0.001)} (below 0: charging), ${show("percentage_charged", "%")} full
grid       ${show("grid_power", "kW", 0.001)} (below 0: you sell)
state      ${clean(status.grid_status ?? "unknown")}\n`);
}
