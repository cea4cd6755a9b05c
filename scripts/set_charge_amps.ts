// Sets the current that the car draws when it charges, and tells what the car said.
//
//   reads     .env, tesla_token.json, private-key.pem, tesla_session.json, tesla_session.json.lock
//   writes    tesla_session.json, tesla_session.json.new, tesla_session.json.lock
//   contacts  Fleet API, TESLA_PROXY_URL
//   costs     1 command ($0.001); 2 the first time; --below-5 1 more; --verify 1 data request ($0.002)
//   run       npx tsx scripts/set_charge_amps.ts AMPS [--dry-run] [--verify] [--below-5]
import { setTimeout as sleep } from "node:timers/promises";
import { readArguments, say, Stop } from "../lib/command_line.ts";
import { FLEET_API } from "../lib/hosts.ts";
import { readSettings } from "../lib/settings.ts";
import { sendSigned } from "../lib/signed_command.ts";
import { INFOTAINMENT } from "../lib/signed_message.ts";
import { lostAnswer, teslaJson } from "../lib/tesla_fetch.ts";
import { readToken } from "../lib/token_file.ts";
import { acceptVerdict } from "../lib/verdict.ts";
import { encodeFields } from "../lib/wire.ts";

// Step 1: AMPS, per phase. Below 5 A the car obeys only the second of two calls, while charging (7.3).
const flag = { type: "boolean" as const };
const { options, words } = readArguments(import.meta.filename,
  { "dry-run": flag, verify: flag, "below-5": flag }, ["AMPS"]);
const amps = Number(words[0]);
if (!/^\d{1,2}$/.test(words[0]) || amps > 80) {
  throw new Stop(2, `wrong usage: AMPS is a whole number from 0 to 80; found "${words[0]}"`);
}
const twice = amps >= 1 && amps <= 4;
if (twice && options["below-5"] !== true) {
  throw new Stop(2, `${amps} A needs --below-5: a car takes 1 to 4 A only at the second of two calls, only `
    + "while charging, and forgets it when it is plugged in anew (its screen shows 5); some never do");
}

// Step 2: what is sent: a signed message to nearly every car; plain JSON to your proxy, or a car before 2021.
// https://developer.tesla.com/docs/fleet-api/endpoints/vehicle-commands#set-charging-amps
const settings = readSettings(["TESLA_REGION", "TESLA_VIN", "TESLA_COMMANDS"]);
const [signed, proxied] = ["signed", "proxy"].map((way) => settings.TESLA_COMMANDS === way);
const proxy = proxied ? readSettings(["TESLA_PROXY_URL"]).TESLA_PROXY_URL : undefined;
const fleetApi = FLEET_API[settings.TESLA_REGION];
const car = `/api/1/vehicles/${settings.TESLA_VIN}`;
const url = `${proxy ? new URL(proxy).origin : fleetApi}${car}/command/set_charging_amps`;
const json = { charging_amps: amps };
// Action.vehicleAction.setChargingAmpsAction.charging_amps (section 9); protobuf leaves out a zero.
const payload = encodeFields([[2, [[43, amps === 0 ? [] : [[1, amps]]]]]]);

// Step 3: --dry-run shows the request and sends nothing.
if (options["dry-run"] === true) {
  const address = signed ? `${fleetApi}${car}/signed_command` : url;
  const body = signed ? '"{\\"routable_message\\":\\"$SIGNED_MESSAGE\\"}"' : `'${JSON.stringify(json)}'`;
  if (signed) say(`SIGNED_MESSAGE: setChargingAmpsAction charging_amps ${amps} (${payload.toString("hex")}), `
    + "for the infotainment computer, with the next counter and private-key.pem's signature, in base64");
  process.stdout.write(`curl -X POST '${address}' -H "Authorization: Bearer $TESLA_ACCESS_TOKEN" \\
  -H "Content-Type: application/json" -d ${body}\n`);
  process.exit(0);
}

// Step 4: one command. The car's own verdict decides.
const { access_token } = readToken();
async function send(): Promise<number> {
  if (signed) {
    const command = { domain: INFOTAINMENT, payload, repeatable: true };
    const verdict = await sendSigned(fleetApi, access_token, settings.TESLA_VIN, command);
    say(acceptVerdict(verdict.result, verdict.reason));
    return verdict.requests;
  }
  const { response } = await teslaJson({ url, bearer: access_token, json, ownHost: proxy, moves: true });
  const { result, reason } = Object(response) as { result?: unknown; reason?: unknown };
  if (typeof result !== "boolean") throw lostAnswer("there is no verdict of the car's in the answer");
  say(acceptVerdict(result, String(reason ?? "")));
  return 1;
}
let requests = await send();
if (twice) {
  await sleep(5000); // the car wants some seconds between two calls
  requests += await send();
}
say(`${requests} ${requests === 1 ? "request" : "requests"}, $${(requests * 0.001).toFixed(3)}`);

// Step 5: --verify reads back what the car now asks of the charging station.
// https://developer.tesla.com/docs/fleet-api/endpoints/vehicle-endpoints#vehicle-data
if (options.verify === true) {
  await sleep(3000); // the car needs a moment
  const state = `${fleetApi}${car}/vehicle_data?endpoints=charge_state`;
  const { response } = await teslaJson({ url: state, bearer: access_token });
  const now = Object(Object(response).charge_state).charge_current_request as unknown;
  if (now !== amps) throw new Stop(6, `the car has ${String(now)} A, not ${amps} A: see read_charge`);
}
process.stdout.write(`${amps}\n`);
