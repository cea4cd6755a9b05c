// Sets the level at which the car stops charging, and reports the car's answer.
// Copied from scripts/set_charge_amps.ts: another command, another range.
//
//   reads     .env, tesla_token.json, private-key.pem, tesla_session.json, tesla_session.json.new,
//             tesla_session.json.lock
//   writes    tesla_session.json, tesla_session.json.new, tesla_session.json.lock
//   contacts  Fleet API
//   costs     1 command ($0.001); 2 the first time
//   run       npx tsx examples/set_charge_limit.ts PERCENT [--dry-run]
import { commandNamed, sendCommand, showCommand } from "../lib/command.ts";
import { Failure, startScript } from "../lib/command_line.ts";

// Step 1: PERCENT. Given less than 50 the car sets 50 and reports success, so it is refused here.
const given = startScript(import.meta.filename, { words: ["PERCENT"], flags: ["dry-run"] });
const percent = Number(given.PERCENT);
if (!/^\d{2,3}$/.test(given.PERCENT) || percent < 50 || percent > 100) {
  throw new Failure(
    2,
    "wrong usage",
    `PERCENT is "${given.PERCENT}"`,
    "PERCENT is a whole number from 50 to 100",
  );
}

// Step 2: the command, as Tesla's REST documentation has it.
// https://developer.tesla.com/docs/fleet-api/endpoints/vehicle-commands#set-charge-limit
const command = commandNamed("set_charge_limit", { percent });
if (given["dry-run"]) {
  showCommand(command);
  process.exit(0);
}

// Step 3: one request, signed or plain as TESLA_COMMANDS says. The car's own verdict decides.
await sendCommand(command, `the car charges up to ${percent} %`);
