// Sets the level at which the car stops charging, and tells what the car said.
// Copied from scripts/set_charge_amps.ts: another name, another range, another field of the message.
//
//   reads     .env, tesla_token.json, private-key.pem, tesla_session.json, tesla_session.json.new,
//             tesla_session.json.lock
//   writes    tesla_session.json, tesla_session.json.new, tesla_session.json.lock
//   contacts  Fleet API, TESLA_PROXY_URL
//   costs     1 command ($0.001); 2 the first time
//   run       npx tsx examples/set_charge_limit.ts PERCENT [--dry-run]
import { sendCommand, showCommand, type Command } from "../lib/command.ts";
import { startScript, Stop } from "../lib/command_line.ts";
import { readToken } from "../lib/token_file.ts";

// Step 1: PERCENT. Below 50 the car takes 50 and says that all is well, so it is refused here.
const { options, words } = startScript(import.meta.filename,
  { "dry-run": { type: "boolean" } }, ["PERCENT (50 to 100)"]);
const percent = Number(words[0]);
if (!/^\d{2,3}$/.test(words[0]) || percent < 50 || percent > 100) {
  throw new Stop(2, `wrong usage: PERCENT is a whole number from 50 to 100; found "${words[0]}"`);
}

// Step 2: the command, in plain words and as the signed message has it.
// https://developer.tesla.com/docs/fleet-api/endpoints/vehicle-commands#set-charge-limit
const command: Command = {
  name: "set_charge_limit",
  json: { percent },
  scope: "vehicle_charging_cmds",
  domain: 3, // infotainment
  // 2 vehicleAction, 5 chargingSetLimitAction, 1 percent: the numbers stand in lib/signing/commands.ts.
  message: [[2, [[5, [[1, percent]]]]]],
  repeatable: true,
};
if (options["dry-run"] === true) {
  showCommand(command);
  process.exit(0);
}

// Step 3: one request, signed or plain as TESLA_COMMANDS says. The car's own verdict decides.
await sendCommand(command, readToken());
