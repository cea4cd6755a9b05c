// Shows what a Powerwall and the solar panels do now. It needs the scope energy_device_data, and no car.
// Copied from scripts/read_charge.ts: another address, other fields, and the site's number as an argument.
//
//   reads     .env, tesla_token.json
//   writes    nothing
//   contacts  Fleet API
//   costs     1 data request ($0.002)
//   run       npx tsx examples/read_powerwall.ts SITE [--json]
import { clean, startScript, Stop } from "../lib/command_line.ts";
import { readSettings } from "../lib/settings.ts";
import { askFleetApi } from "../lib/tesla_fetch.ts";
import { readToken } from "../lib/token_file.ts";

// Step 1: SITE, the settings and the token.
const { options, words } = startScript(import.meta.filename, { json: { type: "boolean" } }, ["SITE"]);
if (!/^\d{1,20}$/.test(words[0])) {
  throw new Stop(2, "wrong usage: SITE is the energy_site_id that call_api GET /api/1/products shows");
}
const { TESLA_REGION } = readSettings(["TESLA_REGION"]);
const { access_token } = readToken();

// Step 2: one request.
// https://developer.tesla.com/docs/fleet-api/endpoints/energy#live-status
const path = `energy_sites/${words[0]}/live_status`;
const { response } = await askFleetApi(TESLA_REGION, path, access_token);
const status = response as Record<string, unknown> | null;
if (typeof status !== "object" || status === null) {
  throw new Stop(1, "Tesla's answer has no live status; try again in a minute");
}

// Step 3: for people. Every field may be null or missing. Tesla sends watts.
function show(field: string, unit: string, factor = 1): string {
  const value = status?.[field];
  return typeof value === "number" ? `${Math.round(value * factor * 10) / 10} ${unit}` : "unknown";
}
const text = `solar      ${show("solar_power", "kW", 0.001)}
house      ${show("load_power", "kW", 0.001)}
battery    ${show("battery_power", "kW", 0.001)} (below 0: charging), ${show("percentage_charged", "%")} full
grid       ${show("grid_power", "kW", 0.001)} (below 0: you sell)
state      ${clean(String(status.grid_status ?? "unknown"))}`;
process.stdout.write(`${options.json === true ? JSON.stringify(status, null, 2) : text}\n`);
