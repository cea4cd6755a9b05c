// Sets the current that the car draws when it charges, and tells what the car said.
//
//   reads     .env, tesla_token.json, private-key.pem, tesla_session.json, tesla_session.json.new,
//             tesla_session.json.lock
//   writes    tesla_session.json, tesla_session.json.new, tesla_session.json.lock
//   contacts  Fleet API, TESLA_PROXY_URL
//   costs     1 command ($0.001); 2 the first time; with --verify 1 data request ($0.002) more
//   run       npx tsx scripts/set_charge_amps.ts AMPS [--dry-run] [--verify]
import { setTimeout as sleep } from "node:timers/promises";
import { sendCommand, showCommand, type Command } from "../lib/command.ts";
import { say, startScript, Stop } from "../lib/command_line.ts";
import { readSettings } from "../lib/settings.ts";
import { askFleetApi } from "../lib/tesla_fetch.ts";
import { readToken } from "../lib/token_file.ts";

// Step 1: AMPS, per phase.
const { options, words } = startScript(import.meta.filename,
  { "dry-run": { type: "boolean" }, verify: { type: "boolean" } }, ["AMPS (0 to 80)"]);
const amps = Number(words[0]);
if (!/^\d{1,2}$/.test(words[0]) || amps > 80) {
  throw new Stop(2, `wrong usage: AMPS is a whole number from 0 to 80; found "${words[0]}"`);
}

// Step 2: the command, in plain words and as the signed message has it.
// https://developer.tesla.com/docs/fleet-api/endpoints/vehicle-commands#set-charging-amps
const command: Command = {
  name: "set_charging_amps",
  json: { charging_amps: amps },
  scope: "vehicle_charging_cmds",
  domain: 3, // infotainment
  // 2 vehicleAction, 43 setChargingAmpsAction, 1 charging_amps (docs/protocol.md, 9); a zero is left out.
  message: [[2, [[43, amps === 0 ? [] : [[1, amps]]]]]],
  repeatable: true,
};
if (options["dry-run"] === true) {
  showCommand(command);
  process.exit(0);
}

// Step 3: one request, signed or plain as TESLA_COMMANDS says. The car's own verdict decides.
const token = readToken();
const requests = await sendCommand(command, token);
if (amps >= 1 && amps <= 4) say("cars take 1 to 4 A only at a second call some seconds later: run it again");

// Step 4: --verify reads back what the car now asks of the charging station.
// https://developer.tesla.com/docs/fleet-api/endpoints/vehicle-endpoints#vehicle-data
if (options.verify === true) {
  await sleep(3000); // the car needs a moment
  const { TESLA_REGION, TESLA_VIN } = readSettings(["TESLA_REGION", "TESLA_VIN"]);
  const path = `vehicles/${TESLA_VIN}/vehicle_data?endpoints=charge_state`;
  const { response } = await askFleetApi(TESLA_REGION, path, token.access_token);
  const now: unknown = Object(Object(response).charge_state).charge_current_request;
  if (typeof now !== "number") throw new Stop(1, "Tesla's answer does not say; run read_charge");
  say(`read back: ${requests + 1} requests in all, $${(requests * 0.001 + 0.002).toFixed(3)}`);
  process.stdout.write(`${now}\n`);
  if (now !== amps) throw new Stop(6, `the car has ${now} A, not ${amps} A; read_charge shows its limit`);
}
