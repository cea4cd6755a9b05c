// Lets the car charge with what the sun leaves over: one look every 5 minutes, for 10 hours.
// It sends commands as scripts/send_command.ts does, and never more than one at a look.
//
//   reads     .env, tesla_token.json, private-key.pem, tesla_session.json, tesla_session.json.new,
//             tesla_session.json.lock
//   writes    tesla_session.json, tesla_session.json.new, tesla_session.json.lock
//   contacts  Fleet API, TESLA_PROXY_URL
//   costs     1 command ($0.001) when something changes: at most 120, $0.12 a day; 1 more a handshake
//   run       npx tsx examples/solar_loop.ts FILE
//
// FILE holds one number: the watts that would go to the grid if the car drew nothing. Your inverter's program
// writes it. Start this from cron in the morning, beside refresh_token, while the car is plugged in at home:
// it does not look where the car is. It reads nothing from the car: while nothing changes, nothing is billed.
// Tesla takes 30 commands a minute from all apps of an account together; this sends one in 5 minutes.
// It ends at once when only you can help: exit 4 login needed, 5 not set up. Its last look stops charging. But
// if it is killed, or the machine or the network fails, the car goes on as it was told last: set a charge limit.
import { readFileSync, statSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { sendCommand } from "../lib/command.ts";
import { messageOf, say, startScript, Stop } from "../lib/command_line.ts";
import { encodeCommand } from "../lib/signing/encode_command.ts";
import { readToken } from "../lib/token_file.ts";

const MINUTES = 5; // between two looks, and so between two commands: 1 at least ($0.60 a day at most)
const LOOKS = 120; // 10 hours
const WATTS_PER_AMP = 230 * 3; // volts, times the phases that your charger uses (1 or 3)
const LEAST_AMPS = 5; // below, cars do not obey reliably: it stops instead
const MOST_AMPS = 16; // of your charger
const PAUSE = 6; // looks from a refusal to the next try: half an hour

// Step 1: the surplus in watts. Ask your own inverter here. What is old or not a number counts as none:
// charging then stops, rather than going on with power that you have to buy.
const { words: [file] } = startScript(import.meta.filename, {}, ["FILE"]);
function readSurplus(): number {
  try {
    const text = readFileSync(file, "utf8").trim();
    const fresh = Date.now() - statSync(file).mtimeMs < 10 * 60_000;
    if (fresh && /^-?\d+(\.\d+)?$/.test(text)) return Number(text);
    say(`${fresh ? `no number in ${file}` : `${file} is over 10 minutes old`}: it counts as 0 W`);
  } catch (error) {
    say(`${file}: ${messageOf(error)}: it counts as 0 W`);
  }
  return 0;
}

// Step 2: round and round. What the car was told last is remembered; at first nobody knows.
let charging: boolean | undefined;
let amps: number | undefined;
let pause = 0;
for (let look = 1; look <= LOOKS; look += 1) {
  if (look > 1) await sleep(MINUTES * 60_000);
  const watts = look === LOOKS ? 0 : readSurplus();
  const possible = Math.floor(watts / WATTS_PER_AMP);
  const wanted = possible < LEAST_AMPS ? 0 : Math.min(possible, MOST_AMPS);
  pause -= 1;
  if (pause > 0 && wanted > 0) continue;

  // Step 3: at most one command. It starts only when the car has been told its amps. Twice does no harm.
  // https://developer.tesla.com/docs/fleet-api/endpoints/vehicle-commands
  let next: { name: string; json: Record<string, unknown> } | undefined;
  if (wanted === 0) {
    if (charging !== false) next = { name: "charge_stop", json: {} };
  } else if (amps === undefined || (charging === true && amps !== wanted)) {
    next = { name: "set_charging_amps", json: { charging_amps: wanted } };
  } else if (charging !== true) {
    next = { name: "charge_start", json: {} };
  }
  if (next === undefined) continue;
  try {
    const need = wanted > 0 ? `enough for ${wanted} A` : `${LEAST_AMPS * WATTS_PER_AMP} W are needed`;
    const why = look === LOOKS ? "the last look" : `${watts} W, ${need}`;
    say(`${new Date().toISOString()} ${why}: ${next.name}`);
    const scope = "vehicle_charging_cmds";
    const command = { ...next, ...encodeCommand(next.name, next.json), scope, repeatable: true };
    await sendCommand(command, readToken()); // read again each time: refresh_token swaps it every 8 hours
    if (next.name === "set_charging_amps") amps = wanted;
    else charging = next.name === "charge_start";
  } catch (error) {
    if (!(error instanceof Stop) || [4, 5].includes(error.exitCode) || look === LOOKS) {
      say("the car goes on as it was told last");
      throw error;
    }
    const refused = [3, 6, 7].includes(error.exitCode) && wanted > 0; // asleep, full, unplugged: asking costs
    pause = refused ? PAUSE : 0;
    say(`${error.message}; next try in ${MINUTES * (refused ? PAUSE : 1)} minutes`);
    charging = undefined;
    amps = undefined;
  }
}
say("ended after its last look");
