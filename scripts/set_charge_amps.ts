// Sets the current that the car draws when it charges, and tells what the car said.
//
//   reads     .env, tesla_token.json, private-key.pem, tesla_session.json, tesla_session.json.new,
//             tesla_session.json.lock
//   writes    tesla_session.json, tesla_session.json.new, tesla_session.json.lock
//   contacts  Fleet API, TESLA_PROXY_URL
//   costs     1 command ($0.001); 2 the first time; --below-5 1 more; --verify 1 data request ($0.002)
//   run       npx tsx scripts/set_charge_amps.ts AMPS [--dry-run] [--verify] [--below-5]
import { setTimeout as sleep } from "node:timers/promises";
import { sendCommand, showCommand } from "../lib/command.ts";
import { readArguments, say, Stop } from "../lib/command_line.ts";
import { FLEET_API } from "../lib/hosts.ts";
import { readSettings } from "../lib/settings.ts";
import { INFOTAINMENT } from "../lib/signed_message.ts";
import { teslaJson } from "../lib/tesla_fetch.ts";
import { readToken } from "../lib/token_file.ts";
import { encodeFields } from "../lib/wire.ts";

// Step 1: AMPS, per phase. Below 5 A the car obeys only the second of two calls, while charging.
const { options, words } = readArguments(import.meta.filename,
  { "dry-run": { type: "boolean" }, verify: { type: "boolean" }, "below-5": { type: "boolean" } }, ["AMPS"]);
const amps = Number(words[0]);
if (!/^\d{1,2}$/.test(words[0]) || amps > 80) {
  throw new Stop(2, `wrong usage: AMPS is a whole number from 0 to 80; found "${words[0]}"`);
}
const twice = amps >= 1 && amps <= 4;
if (twice && options["below-5"] !== true) {
  throw new Stop(2, `${amps} A needs --below-5: a car takes 1 to 4 A only at the second of two calls, only `
    + "while charging, and forgets it when it is plugged in anew (its screen shows 5); some never do");
}

// Step 2: the command, in plain words and as the signed message has it.
// https://developer.tesla.com/docs/fleet-api/endpoints/vehicle-commands#set-charging-amps
const command = {
  name: "set_charging_amps",
  json: { charging_amps: amps },
  domain: INFOTAINMENT,
  // Action.vehicleAction.setChargingAmpsAction.charging_amps (docs/protocol.md, 9); a zero is left out.
  payload: encodeFields([[2, [[43, amps === 0 ? [] : [[1, amps]]]]]]),
  repeatable: true,
};
if (options["dry-run"] === true) {
  showCommand(command);
  if (twice) say("sent twice, 5 seconds apart");
  process.exit(0);
}

// Step 3: one request, signed or plain as TESLA_COMMANDS says. The car's own verdict decides.
const { access_token } = readToken();
let requests = await sendCommand(command, access_token);
if (twice) {
  await sleep(5000); // the car wants some seconds between two calls
  requests += await sendCommand(command, access_token);
}
say(`${requests} ${requests === 1 ? "request" : "requests"}, $${(requests * 0.001).toFixed(3)}`);

// Step 4: --verify reads back what the car now asks of the charging station.
// https://developer.tesla.com/docs/fleet-api/endpoints/vehicle-endpoints#vehicle-data
if (options.verify === true) {
  await sleep(3000); // the car needs a moment
  const { TESLA_REGION, TESLA_VIN } = readSettings(["TESLA_REGION", "TESLA_VIN"]);
  const url = `${FLEET_API[TESLA_REGION]}/api/1/vehicles/${TESLA_VIN}/vehicle_data?endpoints=charge_state`;
  const { response } = await teslaJson({ url, bearer: access_token });
  const now: unknown = Object(Object(response).charge_state).charge_current_request;
  if (typeof now !== "number") throw new Stop(1, "Tesla's answer does not say; run read_charge");
  if (now !== amps) throw new Stop(6, `the car has ${now} A, not ${amps} A: see read_charge`);
}
process.stdout.write(`${amps}\n`);
