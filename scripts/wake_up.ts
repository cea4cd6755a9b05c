// Wakes the car and waits until it is online.
//
//   reads     .env, tesla_token.json
//   writes    nothing
//   contacts  Fleet API
//   costs     1 wake ($0.02), then 1 data request ($0.002) every 5 seconds
//   run       npx tsx scripts/wake_up.ts
import { setTimeout as sleep } from "node:timers/promises";
import { asRecord, clean, Failure, say, startScript } from "../lib/command_line.ts";
import { readSettings } from "../lib/settings.ts";
import { askFleetApi } from "../lib/tesla_fetch.ts";
import { readToken } from "../lib/token_file.ts";

const MOST_LOOKS = 12; // a minute; 10 to 60 seconds is normal

// Step 1: the settings and the token.
startScript(import.meta.filename);
const { TESLA_REGION, TESLA_VIN } = readSettings(["TESLA_REGION", "TESLA_VIN"]);
const { access_token } = readToken();

// Step 2: wake it, once.
// https://developer.tesla.com/docs/fleet-api/endpoints/vehicle-endpoints#wake-up
const woken = await askFleetApi(TESLA_REGION, `vehicles/${TESLA_VIN}/wake_up`, access_token, { json: {} });
let { state } = asRecord(asRecord(woken).response);

// Step 3: ask for its state, which is cheaper, every 5 seconds. One look that fails does not end the wait,
// unless only you can help.
// https://developer.tesla.com/docs/fleet-api/endpoints/vehicle-endpoints#vehicle
let looks = 0;
function price(): string {
  return `1 wake and ${looks} ${looks === 1 ? "look" : "looks"}, $${(0.02 + looks * 0.002).toFixed(3)}`;
}
while (state !== "online" && looks < MOST_LOOKS) {
  await sleep(5000);
  looks += 1;
  try {
    const answer = await askFleetApi(TESLA_REGION, `vehicles/${TESLA_VIN}`, access_token);
    state = asRecord(asRecord(answer).response).state;
  } catch (error) {
    const isTemporary = error instanceof Failure && ![401, 402, 403, 429].includes(error.status);
    say(
      isTemporary ? `this look failed: ${clean(error.message)} (${clean(error.found)})` : `paid: ${price()}`,
    );
    if (!isTemporary) throw error;
  }
}
if (state !== "online") {
  const found = `state "${clean(state ?? "unknown")}"; paid so far: ${price()}`;
  const fix = "check with list_vehicles before you wake it again ($0.02), or open the Tesla app (free)";
  throw new Failure(3, "the car is not online after a minute", found, fix);
}
say(`the car is online (${price()})`);
