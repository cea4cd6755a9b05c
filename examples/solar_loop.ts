// Lets the car charge from surplus solar, checking every 5 minutes for 10 hours.
// It sends commands as scripts/send_command.ts does, and never more than one at a check.
//
//   reads     .env, tesla_token.json, private-key.pem, tesla_session.json, tesla_session.json.new,
//             tesla_session.json.lock
//   writes    tesla_session.json, tesla_session.json.new, tesla_session.json.lock
//   contacts  Fleet API
//   costs     1 command ($0.001) when something changes: at most 120, $0.12 a day; 1 more for each handshake
//   run       npx tsx examples/solar_loop.ts FILE
//
// FILE holds one number: the watts that would go to the grid if the car drew nothing. Your inverter's program
// writes it. Start this from cron in the morning, beside refresh_token, while the car is plugged in at home:
// it does not check where the car is. It reads nothing from the car: while nothing changes, nothing is
// billed. Tesla accepts 30 commands a minute from all apps of an account together; this sends one in 5
// minutes. A car that is asleep does not obey and is not woken: open the Tesla app, or run wake_up ($0.02).
// It ends at once when only you can help (login needed, not set up). Its last check stops
// charging. But if it is killed, or the machine or the network fails, the car keeps its last instruction:
// set a charge limit.
import { readFileSync, statSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { commandNamed, sendCommand } from "../lib/command.ts";
import { Failure, localTime, messageOf, say, startScript } from "../lib/command_line.ts";

const MINUTES = 5; // between two checks, and so between two commands: 1 at least ($0.60 a day at most)
const CHECKS = 120; // 10 hours
const WATTS_PER_AMP = 230 * 3; // volts, times the phases that your charger uses (1 or 3)
const LEAST_AMPS = 5; // below, cars do not follow reliably: it stops instead
const MOST_AMPS = 16; // of your charger
const PAUSE = 6; // checks from a refusal to the next try: half an hour

// Step 1: the surplus in watts. Replace `readSurplus` with code for your inverter. A value that is old
// or not a number counts as no surplus: charging then stops, rather than going on with power that you buy.
const { FILE: file } = startScript(import.meta.filename, { words: ["FILE"] });
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

// Step 2: one check after another. The last instruction is remembered; at first it is unknown.
let charging: boolean | undefined;
let amps: number | undefined;
let pause = 0;
for (let check = 1; check <= CHECKS; check += 1) {
  if (check > 1) await sleep(MINUTES * 60_000);
  const watts = check === CHECKS ? 0 : readSurplus();
  const possible = Math.floor(watts / WATTS_PER_AMP);
  const wanted = possible < LEAST_AMPS ? 0 : Math.min(possible, MOST_AMPS);
  pause -= 1;
  if (pause > 0 && wanted > 0) continue;

  // Step 3: at most one command. It starts only when the car has been told its amps. It is safe to repeat.
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
    const why = check === CHECKS ? "the last check" : `${watts} W, ${need}`;
    say(`${localTime(new Date())} ${why}: ${next.name}`);
    // the token is read again each time: refresh_token replaces it every 8 hours
    await sendCommand(commandNamed(next.name, next.json));
    if (next.name === "set_charging_amps") amps = wanted;
    else charging = next.name === "charge_start";
  } catch (error) {
    if (!(error instanceof Failure) || [4, 5].includes(error.exitCode) || check === CHECKS) {
      say("the car keeps its last instruction");
      throw error;
    }
    const refused = [3, 6, 7].includes(error.exitCode) && wanted > 0; // asleep, full, unplugged: asking costs
    pause = refused ? PAUSE : 0;
    say(`${error.message} (${error.found}); ${error.fix}; next try in ${MINUTES * (pause || 1)} minutes`);
    charging = undefined;
    amps = undefined;
  }
}
say("ended after its last check");
