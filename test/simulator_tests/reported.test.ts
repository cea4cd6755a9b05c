// What owners and other tools have reported of Tesla's servers and cars, as the simulator does it on request.
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { afterEach, beforeEach, test } from "node:test";
import { connect } from "node:tls";
import { SimulatedCar } from "../simulator/car/car.ts";
import { carryOut } from "../simulator/car/payloads.ts";
import {
  INFOTAINMENT,
  VCSEC,
  decode,
  decodeRoutable,
  encode,
  encodeRoutable,
} from "../simulator/protocol/messages.ts";
import type { Simulator } from "../simulator/simulator.ts";
import { CLIENT_ID, TOKEN_HOSTS, VIN } from "../simulator/tesla/tesla.ts";
import type { Anything } from "./simulator_client.ts";
import { CAR, FLEET, TOKEN_URL, login, loginAddress, publicKey, send, start } from "./simulator_client.ts";

let simulator: Simulator;
let token = "";
beforeEach(async () => {
  simulator = await start();
  token = (
    await login(simulator, "openid offline_access vehicle_device_data vehicle_charging_cmds user_data")
  ).body.access_token;
});
afterEach(() => simulator.close());
const read = () => send("GET", `${CAR}/vehicle_data`, { token });

test("limits: how long to wait is said in another way each time", async () => {
  simulator.fail("rate_limited_plain", 1);
  const plain = await read();
  assert.deepEqual([plain.text, plain.headers["retry-after"]], ["Retry in 48472 seconds", undefined]);
  assert.match(plain.headers["content-type"] ?? "", /^text\/plain/);
  simulator.fail("rate_limited_reset", 1);
  const reset = await read();
  assert.deepEqual(
    [reset.headers["ratelimit-vehicle-reset"], reset.headers["retry-after"]],
    ["17", undefined],
  );
  simulator.fail("rate_limited_date", 1);
  const wait = Date.parse((await read()).headers["retry-after"] ?? "") - Date.now();
  assert.ok(wait > 3_500_000 && wait < 3_601_000);
});

test("503 timeout comes after the command was carried out; 501 before", async () => {
  simulator.car.protocolRequired = false;
  const amps = (charging_amps: number) =>
    send("POST", `${CAR}/command/set_charging_amps`, { token, json: { charging_amps } });
  simulator.fail("timeout_after", 1);
  assert.deepEqual([(await amps(7)).status, simulator.car.amps], [503, 7]);
  simulator.fail("not_implemented", 1);
  assert.deepEqual([(await amps(8)).status, simulator.car.amps], [501, 7]);
});

test("a failure for one method: the poll after a wake-up is lost, the wake-up is not", async () => {
  simulator.car.awake = false;
  simulator.fail("hang_up_before", { method: "GET", path: `/vehicles/${VIN}`, times: 1 });
  const headers = { "content-type": "application/json" };
  assert.equal(
    (await send("POST", `${CAR}/wake_up`, { token, headers })).status,
    200,
    "a POST needs no body",
  );
  await assert.rejects(send("GET", CAR, { token }));
  assert.equal((await send("GET", CAR, { token })).status, 200);
});

test("fleet_status says what is not so", async () => {
  simulator.car.pair(publicKey);
  const status = async () =>
    (await send("POST", `${FLEET}/api/1/vehicles/fleet_status`, { token, json: { vins: [VIN] } })).body
      .response;
  simulator.fail("fleet_status_unpaired", 1);
  assert.deepEqual((await status()).unpaired_vins, [VIN]);
  simulator.car.unpair();
  simulator.fail("fleet_status_not_required", 1);
  const { unpaired_vins: unpaired, vehicle_info: info } = await status();
  assert.deepEqual([unpaired, info[VIN].vehicle_command_protocol_required], [[VIN], false]);
});

test("cached data of a car that sleeps, and whatever the charge is said to be", async () => {
  simulator.car.awake = false;
  assert.equal((await read()).status, 408);
  simulator.fail("cached_data");
  const { state, charge_state: charge } = (await read()).body.response;
  assert.equal(state, "asleep");
  assert.ok(Date.now() - charge.timestamp >= 3 * 24 * 3600 * 1000);
  simulator.clear();
  simulator.car.awake = true;
  simulator.garage.reportedCharge = { charger_phases: 4, charger_power: 11 };
  const { charger_phases: phases, charge_amps: amps } = (await read()).body.response.charge_state;
  assert.deepEqual([phases, amps], [4, 16]);
});

test("a name that steers a terminal arrives raw, until cleared", async () => {
  simulator.fail("hostile_name");
  const { text, body } = await send("GET", CAR, { token });
  assert.ok(text.includes("\u009b") && text.includes("\u202e"));
  assert.match(body.response.display_name, /\r\n\u001b/);
  simulator.clear();
  assert.equal((await send("GET", CAR, { token })).body.response.display_name, "Testla");
});

test("a refresh without a refresh token: the one that was sent stays good", async () => {
  const sent = simulator.account.chains[0]?.current ?? "";
  const refresh = () =>
    send("POST", TOKEN_URL, {
      form: { grant_type: "refresh_token", client_id: CLIENT_ID, refresh_token: sent },
    });
  simulator.fail("refresh_keeps_token", 1);
  const { body } = await refresh();
  assert.deepEqual([typeof body.access_token, body.refresh_token], ["string", undefined]);
  assert.equal(typeof (await refresh()).body.refresh_token, "string");
});

test("the callback with any error, with and without state", async () => {
  const come = async () =>
    Object.fromEntries(new URL(await simulator.consent(loginAddress({ prompt: "login" }))).searchParams);
  simulator.fail("callback:invalid_scope", 1);
  assert.deepEqual(await come(), { error: "invalid_scope", state: "state-1" });
  simulator.fail("callback:unauthorized_client:Not yet: approved", 1);
  simulator.fail("callback_without_state", 1);
  assert.deepEqual(await come(), { error: "unauthorized_client", error_description: "Not yet: approved" });
});

test("since firmware 2024.26 each set_scheduled_… adds a schedule", async () => {
  const { car } = simulator;
  car.execute("set_scheduled_charging", { enable: true, time: 75 });
  car.execute("set_scheduled_charging", { enable: false });
  car.execute("set_scheduled_departure", {
    enable: true,
    departure_time: 480,
    preconditioning_enabled: true,
  });
  const charging = [...car.chargeSchedules.values()].map(({ enabled, start_time, end_time }) => [
    enabled,
    start_time,
    end_time,
  ]);
  assert.deepEqual(charging, [
    [true, 75, undefined],
    [false, 0, undefined],
    [true, undefined, 480],
  ]);
  assert.deepEqual(
    [...car.preconditionSchedules.values()].map((one) => one.precondition_time),
    [480],
  );
});

test("scopes, plain commands of the documentation, the names of keys", async () => {
  simulator.car.protocolRequired = false;
  const command = async (name: string, json = {}) =>
    (await send("POST", `${CAR}/command/${name}`, { token, json })).status;
  for (const name of ["set_scheduled_charging", "set_scheduled_departure", "add_precondition_schedule"]) {
    assert.equal(await command(name), 200, name);
  }
  assert.equal(await command("keep_accessory_power_mode"), 403, "needs vehicle_cmds");
  for (const name of [
    "keep_accessory_power_mode",
    "parental_controls_activate",
    "parental_controls_clear_pin_admin",
    "parental_controls_deactivate",
    "parental_controls_enable_setting",
    "parental_controls_set_speed_limit",
  ]) {
    assert.deepEqual(simulator.car.execute(name), { result: true, reason: "" }, name);
  }
  const key = { public_key: "04ab", kind: "mobile_device", name: "mine" };
  assert.equal((await send("POST", `${FLEET}/api/1/users/keys`, { token, json: key })).status, 200);
  assert.equal(simulator.account.keyNames.get("04ab"), "mine");
});

/** What the car answers to an unsigned question, or to a command that it believes. */
function ask(car: SimulatedCar, domain: number, type: string, content: object, answer: string): Anything {
  const bytes = encodeRoutable({
    to_destination: { domain },
    protobuf_message_as_bytes: encode(type, content),
  });
  return decode(
    answer,
    decodeRoutable(car.handleSignedCommand(bytes)).protobuf_message_as_bytes ?? Buffer.alloc(0),
  );
}

test("the security computer lists its keys to anybody", () => {
  const { car } = simulator;
  car.pair(publicKey, "driver");
  const question = (fields: object) =>
    ask(car, VCSEC, "UnsignedMessage", { InformationRequest: fields }, "FromVCSECMessage");
  const { whitelistInfo } = question({ informationRequestType: 5 });
  assert.deepEqual([whitelistInfo.numberOfEntries, whitelistInfo.slotMask], [1, 1]);
  const { whitelistEntryInfo: entry } = question({ informationRequestType: 6, slot: 0 });
  assert.deepEqual([entry.keyRole, entry.publicKey.PublicKeyRaw.length, entry.slot ?? 0], [3, 65, 0]);
  assert.deepEqual(entry.keyId, whitelistInfo.whitelistEntries[0]);
  assert.equal(question({ informationRequestType: 6, slot: 9 }).commandStatus.operationStatus, 2);
});

test("get_vehicle_data answers climate, drive, closures and location too", async () => {
  const params = { getClimateState: {}, getDriveState: {}, getClosuresState: {}, getLocationState: {} };
  const payload = carryOut(simulator.car, INFOTAINMENT, { name: "get_vehicle_data", params });
  const { vehicleData } = decode("Response", payload) as { vehicleData: Anything };
  assert.deepEqual(Object.keys(vehicleData), [
    "climate_state",
    "drive_state",
    "location_state",
    "closures_state",
  ]);
  assert.equal(vehicleData.climate_state.driver_temp_setting, 21);
  assert.equal(vehicleData.closures_state.locked, true);
});

test("an epoch ends after a year, and not before", () => {
  let now = Date.parse("2026-01-01");
  const car = new SimulatedCar({ vin: VIN, now: () => now });
  const epochs = () => {
    car.infotainment.endEpochIfOver();
    return car.infotainment.epoch.toString("hex");
  };
  const first = epochs();
  now += 365 * 24 * 3600 * 1000;
  assert.equal(epochs(), first);
  now += 1000;
  assert.notEqual(epochs(), first);
  assert.equal(INFOTAINMENT, car.infotainment.domain);
});

test("the certificate names its issuer's key, as strict verifiers demand", async () => {
  const socket = connect({
    host: "127.0.0.1",
    port: simulator.port,
    servername: TOKEN_HOSTS[0] ?? "",
    ca: simulator.ca,
  });
  await new Promise((resolve) => socket.on("secureConnect", resolve));
  const { raw } = socket.getPeerCertificate();
  socket.destroy();
  const hasBoth = ["0603551d0e", "0603551d23"].map((id) =>
    new X509Certificate(raw).raw.toString("hex").includes(id),
  );
  assert.deepEqual(hasBoth, [true, true], "subject and authority key identifier");
});
