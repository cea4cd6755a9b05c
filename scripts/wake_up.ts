// Wakes the car and waits until it is online.
//
//   reads     .env, tesla_token.json
//   writes    nothing
//   contacts  Fleet API
//   costs     1 wake ($0.02), then 1 data request ($0.002) every 5 seconds
//   run       npx tsx scripts/wake_up.ts
import { setTimeout as sleep } from "node:timers/promises";
import { say, startScript, Stop } from "../lib/command_line.ts";
import { readSettings } from "../lib/settings.ts";
import { askFleetApi } from "../lib/tesla_fetch.ts";
import { readToken } from "../lib/token_file.ts";

// Step 1: the settings and the token.
startScript(import.meta.filename);
const { TESLA_REGION, TESLA_VIN } = readSettings(["TESLA_REGION", "TESLA_VIN"]);
const { access_token } = readToken();

// Step 2: wake it, once.
// https://developer.tesla.com/docs/fleet-api/endpoints/vehicle-endpoints#wake-up
let answer = await askFleetApi(TESLA_REGION, `vehicles/${TESLA_VIN}/wake_up`, access_token, { json: {} });

// Step 3: ask for its state, which is cheaper, every 5 seconds for a minute. 10 to 60 seconds are normal.
// https://developer.tesla.com/docs/fleet-api/endpoints/vehicle-endpoints#vehicle
for (let asked = 0; Object(answer.response).state !== "online"; asked += 1) {
  if (asked === 12) throw new Stop(3, "the car is not online after a minute; try again later");
  await sleep(5000);
  answer = await askFleetApi(TESLA_REGION, `vehicles/${TESLA_VIN}`, access_token);
}
say("the car is online");
