// Shows how the car is charging, without waking it.
//
//   reads     .env, tesla_token.json
//   writes    nothing
//   contacts  Fleet API
//   costs     1 data request ($0.002)
//   run       npx tsx scripts/read_charge.ts [--json]
import { asRecord, clean, Failure, localTime, showJson, startScript } from "../lib/command_line.ts";
import { readSettings } from "../lib/settings.ts";
import { askFleetApi } from "../lib/tesla_fetch.ts";
import { readToken } from "../lib/token_file.ts";

// Step 1: the settings and the token.
const { json } = startScript(import.meta.filename, { flags: ["json"] });
const { TESLA_REGION, TESLA_VIN } = readSettings(["TESLA_REGION", "TESLA_VIN"]);
const { access_token } = readToken();

// Step 2: one request. For a sleeping car Tesla answers 408, or sends what it has kept; the car sleeps on.
// https://developer.tesla.com/docs/fleet-api/endpoints/vehicle-endpoints#vehicle-data
const path = `vehicles/${TESLA_VIN}/vehicle_data?endpoints=charge_state`;
const car = asRecord(asRecord(await askFleetApi(TESLA_REGION, path, access_token)).response);
const charge = asRecord(car.charge_state);
if (car.charge_state !== charge) {
  throw new Failure(1, "Tesla's answer cannot be used", "it has no charge_state", "try again in a minute");
}
if (json) {
  showJson(charge);
  process.exit(0);
}

// Step 3: for people. Every field may be null or missing. Tesla sends miles, whatever the car shows.
function number(field: string): number {
  const value = charge[field];
  return typeof value === "number" ? value : Number.NaN;
}
function show(value: number, unit: string): string {
  return Number.isFinite(value) ? `${Math.round(value * 10) / 10} ${unit}` : "unknown";
}
const [amps, volts] = [number("charger_actual_current"), number("charger_voltage")];
const power = number("charger_power");

// How many phases fit volts, amps and power. The power is in whole kW, so several may fit; then Tesla's own
// figure decides, unless it is 2, which Tesla also sends for three phases.
function phases(): string {
  const fitting = [1, 2, 3].filter((count) => {
    const difference = (count * volts * amps) / 1000 - power;
    return difference >= -0.5 && difference < 1;
  });
  const named = fitting.filter((count) => count === charge.charger_phases && count !== 2);
  const [only] = fitting.length === 1 ? fitting : named;
  if (!(amps >= 1)) return "";
  return only === undefined ? "phases unknown, " : `${only} ${only === 1 ? "phase" : "phases"}, `;
}

const state = clean(charge.charging_state ?? "Unknown");
const isCharging = state === "Charging" || state === "Starting";
const most = show(number("charge_current_request_max"), "A");
const setTo = `${show(number("charge_current_request"), "A")} of at most ${most}`;
const minutes = Math.round(number("minutes_to_full_charge"));
const isTime = minutes >= 0 && minutes < 1e6;
const left = isTime ? `${Math.floor(minutes / 60)} h ${minutes % 60} min` : "unknown";
// biome-ignore format: a table of words
const WORDS = new Map([["Disconnected", "not plugged in"], ["Stopped", "stopped"], ["Complete", "complete"],
  ["NoPower", "plugged in, but the station gives no power"]]);

// Step 4: only the rows that mean something now.
const miles = number("battery_range");
const range = `range ${show(Math.round(miles * 1.609344), "km")} (${show(Math.round(miles), "mi")})`;
const limit = show(number("charge_limit_soc"), "%");
const rows = [`battery    ${show(number("battery_level"), "%")}, limit ${limit}, ${range}`];
if (isCharging && charge.fast_charger_present === true) {
  rows.push(`charging   at a fast charger, ${show(power, "kW")}`);
} else if (isCharging) {
  const drawn = `${show(amps, "A")}, ${show(volts, "V")}, ${phases()}${show(power, "kW")}`;
  rows.push(`charging   ${drawn}; set to ${setTo}`);
} else {
  rows.push(`charging   ${WORDS.get(state) ?? state}; set to ${setTo}`);
}
if (isCharging) rows.push(`added      ${show(number("charge_energy_added"), "kWh")}, time left ${left}`);

// Step 5: the age of what Tesla sends: it may be what was kept of a car that is asleep.
const taken = new Date(number("timestamp"));
const age = Date.now() - taken.getTime();
const isAwake = car.state === undefined || car.state === null || car.state === "online";
if (!isAwake || age > 5 * 60_000) {
  const days = Math.floor(age / 86_400_000);
  const ago = days >= 1 ? ` (${days} ${days === 1 ? "day" : "days"} ago)` : "";
  const when = Number.isNaN(age) ? "an unknown time" : `${localTime(taken)}${ago}`;
  const where = clean(car.state ?? "out of reach");
  rows.push(`as of      ${when}: the car is ${where}, and Tesla sent what it had kept`);
}
process.stdout.write(`${rows.join("\n")}\n`);
