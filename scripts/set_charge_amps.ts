// Sets the charging current and reports the car's answer.
//
//   reads     .env, tesla_token.json, private-key.pem, tesla_session.json, tesla_session.json.new,
//             tesla_session.json.lock
//   writes    tesla_session.json, tesla_session.json.new, tesla_session.json.lock
//   contacts  Fleet API
//   costs     1 command ($0.001); 2 the first time; with --verify 1 data request ($0.002) more
//   run       npx tsx scripts/set_charge_amps.ts AMPS [--dry-run] [--verify]
import { setTimeout as sleep } from "node:timers/promises";
import { commandNamed, sendCommand, showCommand } from "../lib/command.ts";
import { asRecord, Failure, say, startScript } from "../lib/command_line.ts";
import { readSettings } from "../lib/settings.ts";
import { askFleetApi } from "../lib/tesla_fetch.ts";
import { readToken } from "../lib/token_file.ts";

const LEAST_SHOWN = 5; // below this the car's screen and charge_current_request show 5 A, whatever it draws
const USUAL_MOST = 16; // many cars and stations have this limit; the car then accepts more, and draws less

// Step 1: AMPS, per phase.
const given = startScript(import.meta.filename, { words: ["AMPS"], flags: ["dry-run", "verify"] });
const amps = Number(given.AMPS);
if (!/^\d{1,2}$/.test(given.AMPS) || amps > 80) {
  throw new Failure(2, "wrong usage", `AMPS is "${given.AMPS}"`, "AMPS is a whole number from 0 to 80");
}

// Step 2: the command, as Tesla's REST documentation has it.
// https://developer.tesla.com/docs/fleet-api/endpoints/vehicle-commands#set-charging-amps
const command = commandNamed("set_charging_amps", { charging_amps: amps });
if (given["dry-run"]) {
  showCommand(command);
  process.exit(0);
}

// Step 3: one request, signed or plain as TESLA_COMMANDS says. The car's own verdict decides.
const sentAt = Date.now();
const requests = await sendCommand(command, `the car accepted ${amps} A`);
const isLow = amps < LEAST_SHOWN;
if (isLow && amps > 0 && !given.verify) {
  say("cars accept 1–4 A only on a second call: after the first, run this again in a few seconds");
} else if (amps > USUAL_MOST && !given.verify) {
  say("the limit of the car or the station may be lower; --verify shows it");
}

// Step 4: --verify reads back what the car now asks of the charging station.
// https://developer.tesla.com/docs/fleet-api/endpoints/vehicle-endpoints#vehicle-data
if (given.verify) {
  await sleep(3000); // the car needs a moment
  const { TESLA_REGION, TESLA_VIN } = readSettings(["TESLA_REGION", "TESLA_VIN"]);
  const path = `vehicles/${TESLA_VIN}/vehicle_data?endpoints=charge_state`;
  const car = asRecord(asRecord(await askFleetApi(TESLA_REGION, path, readToken().access_token)).response);
  const charge = asRecord(car.charge_state);
  const { charge_current_request: asked, charger_actual_current: drawn } = charge;
  const isFresh = typeof charge.timestamp === "number" && charge.timestamp >= sentAt;
  if (!isFresh || typeof asked !== "number" || (isLow && typeof drawn !== "number")) {
    const old = "data from before the command, or this machine's clock is ahead";
    const found = isFresh ? "no charge_current_request or charger_actual_current" : old;
    throw new Failure(1, "not verified: Tesla sent no fresh data", found, "see read_charge in a minute");
  }
  if (isLow && amps > 0 && drawn === 0) {
    const found = "the car draws nothing, and below 5 A only what it draws shows the setting";
    throw new Failure(1, "not verified: the car is not charging", found, "start charging, then run it again");
  }
  const now = isLow ? Number(drawn) : asked;
  const what = isLow ? "draws" : "asks for";
  process.stdout.write(`${now}\n`);
  if (now !== amps) {
    const problem = `the car accepted ${amps} A but now ${what} ${now} A`;
    if (isLow && amps > 0)
      throw new Failure(6, problem, "only a second call sets it", "run this again in a few seconds");
    const found = now < amps ? "the limit of the car or the station" : "another app may have changed it";
    throw new Failure(6, problem, found, now < amps ? `choose ${now} A or less` : "run this again");
  }
  const price = `${requests + 1} requests in total, $${(requests * 0.001 + 0.002).toFixed(3)}`;
  say(`verified: the car now ${what} ${now} A (${price})`);
}
