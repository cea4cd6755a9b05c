// The simulated Tesla's telemetry endpoints: each answer that the facts know, each failure by name, and what
// becomes of a configuration afterwards. The token is made by lib/, which has tests of its own.
import assert from "node:assert/strict";
import { createECDH } from "node:crypto";
import { after, before, beforeEach, test } from "node:test";
import { freshNonce, telemetryToken } from "../../lib/signing/telemetry_token.ts";
import type { Simulator } from "../simulator/simulator.ts";
import { VIN } from "../simulator/tesla/tesla.ts";
import { newTelemetry } from "../simulator/world.ts";
import { CAR, FLEET, SCOPES, login, partnerToken, send, start } from "./simulator_client.ts";
import type { Answer } from "./simulator_client.ts";

const KEY = createECDH("prime256v1");
KEY.generateKeys();
const SPKI = "3059301306072a8648ce3d020106082a8648ce3d030107034200";
const BASE64 = Buffer.from(SPKI + KEY.getPublicKey("hex"), "hex").toString("base64");
const PEM = `-----BEGIN PUBLIC KEY-----\n${BASE64}\n-----END PUBLIC KEY-----\n`;
const CONFIG = {
  hostname: "telemetry.car.example.com",
  port: 4443,
  ca: "PEM",
  fields: { Soc: { interval_seconds: 60 } },
};
const SKIPPED_NOBODY = {
  missing_key: [],
  unsupported_hardware: [],
  unsupported_firmware: [],
  max_configs: [],
};

let simulator: Simulator;
let token = "";

before(async () => {
  simulator = await start();
  token = (await login(simulator)).body.access_token;
  simulator.partner.hosting = { kind: "file", body: PEM };
  await simulator.register();
});
beforeEach(() => {
  simulator.clear();
  Object.assign(simulator.garage, { telemetry: newTelemetry() });
  Object.assign(simulator.car, { awake: true, speaksProtocol: true });
  simulator.car.unpair();
  simulator.car.pair(PEM);
});
after(() => simulator.close());

const configure = (config: object = CONFIG, key = KEY, json: object = {}): Promise<Answer> =>
  send("POST", `${FLEET}/api/1/vehicles/fleet_telemetry_config_jws`, {
    token,
    json: { vins: [VIN], token: telemetryToken(config, key, freshNonce()), ...json },
  });
const show = async () => (await send("GET", `${CAR}/fleet_telemetry_config`, { token })).body.response;
const remove = async () => (await send("DELETE", `${CAR}/fleet_telemetry_config`, { token })).body.response;
const errors = async () =>
  (await send("GET", `${CAR}/fleet_telemetry_errors`, { token })).body.response.fleet_telemetry_errors;

test("a configuration is sent, taken when the car looks, shown with its claims, and removed", async () => {
  const none = { synced: true, config: null, limit_reached: false, key_paired: true };
  assert.deepEqual(await show(), none);
  assert.deepEqual(await remove(), { updated_vehicles: 0 });
  const sent = await configure();
  assert.deepEqual([sent.status, sent.body], [200, { response: { updated_vehicles: 1 } }]);
  const config = { ...CONFIG, iss: KEY.getPublicKey("base64"), aud: "com.tesla.fleet.TelemetryClient" };
  assert.deepEqual(await show(), { ...none, synced: false, config });
  assert.deepEqual(await show(), { ...none, config });
  assert.deepEqual(await errors(), []);
  await configure({ ...CONFIG, port: 443 }); // replaces the other one as a whole
  assert.equal((await show()).synced, false);
  assert.equal((await show()).config.port, 443);
  assert.deepEqual(await remove(), { updated_vehicles: 1 });
  assert.deepEqual(await show(), none);
});

test("a sleeping car takes nothing until it wakes", async () => {
  simulator.car.awake = false;
  await configure();
  for (let look = 0; look < 3; look += 1) assert.equal((await show()).synced, false);
  simulator.car.awake = true;
  assert.deepEqual([(await show()).synced, (await show()).synced], [false, true]);
});

test("a foreign signer is accepted by Fleet API and reported by the car", async () => {
  assert.deepEqual((await configure(CONFIG, freshNonce())).body.response, { updated_vehicles: 1 });
  await show();
  assert.equal((await show()).synced, true);
  const [{ error, error_name, vin, created_at }] = await errors();
  assert.deepEqual([error_name, vin], ["config_manager_error", VIN]);
  assert.equal(error, "error loading config file: InvalidSignature: unknown issuer");
  assert.match(created_at, /^\d{4}-\d\d-\d\dT[\d:]{8}\.\d{9}Z$/);
  const answer = await send("GET", `${FLEET}/api/1/partner_accounts/fleet_telemetry_errors`, {
    token: await partnerToken(),
  });
  assert.equal(answer.body.response.fleet_telemetry_errors.length, 1);
});

for (const reason of Object.keys(SKIPPED_NOBODY)) {
  test(`the reason ${reason}, in both shapes`, async () => {
    const wanted = { updated_vehicles: 0, skipped_vehicles: { ...SKIPPED_NOBODY, [reason]: [VIN] } };
    simulator.fail(`telemetry_${reason}`, 2);
    const answer = await configure();
    assert.deepEqual([answer.status, answer.body.response], [200, wanted], "a list for each reason");
    assert.equal((await show()).config, null, "no configuration is on the car");
    simulator.fail("telemetry_vin_to_reason", 1);
    assert.deepEqual((await configure()).body.response.skipped_vehicles, { [VIN]: reason }, "VIN: reason");
  });
}

test("no key on the car and an old car are reasons by themselves", async () => {
  simulator.car.unpair();
  assert.deepEqual((await configure()).body.response.skipped_vehicles.missing_key, [VIN], "no key");
  simulator.car.speaksProtocol = false;
  const { skipped_vehicles } = (await configure()).body.response;
  assert.deepEqual(skipped_vehicles.unsupported_hardware, [VIN], "an old car");
});

test("a reason that nobody knows, and none at all", async () => {
  simulator.fail("telemetry_new_reason", 1);
  assert.deepEqual((await configure()).body.response.skipped_vehicles.new_reason, [VIN]);
  simulator.fail("telemetry_no_reason", 1);
  assert.deepEqual((await configure()).body.response, { updated_vehicles: 0 });
});

test("accepted, then refused by the car for too many applications: synced, and none there", async () => {
  simulator.fail("telemetry_refused_by_car", 1);
  assert.deepEqual((await configure()).body.response, { updated_vehicles: 1 });
  assert.equal((await show()).synced, false);
  assert.deepEqual(await show(), { synced: true, config: null, limit_reached: true, key_paired: true });
  assert.deepEqual(await remove(), { updated_vehicles: 0 });
});

test("what is malformed, foreign or not allowed is refused, and the old configuration stays", async () => {
  await configure();
  const spoilt = `${telemetryToken(CONFIG, KEY, freshNonce()).slice(0, -4)}AAAA`;
  const bad: [object, number, RegExp][] = [
    [{ token: spoilt }, 400, /invalid signature/],
    [{ token: "a.b" }, 400, /2 parts/],
    [{ token: 5 }, 400, /invalid_field/],
    [{ vins: [] }, 400, /invalid_field/],
    [{ config: CONFIG }, 400, /invalid_field/],
    [{ vins: ["5YJ3000000000OTHE"] }, 404, /5YJ3000000000OTHE not_found/],
  ];
  for (const [json, status, words] of bad) {
    const answer = await configure(CONFIG, KEY, json);
    assert.equal(answer.status, status, answer.text);
    assert.match(answer.body.error, words);
  }
  for (const name of ["hostname", "ca", "fields"]) {
    const answer = await configure({ ...CONFIG, [name]: undefined });
    assert.deepEqual([answer.status, answer.body.error], [400, `invalid config: ${name} is missing`]);
  }
  const placed = await configure({ ...CONFIG, fields: { Location: { interval_seconds: 1 } } });
  assert.deepEqual([placed.status, placed.body.error], [403, "Unauthorized missing scopes vehicle_location"]);
  assert.equal((await show()).config.port, 4443);
});

test("the plain endpoint is refused with 400, and by name with 412", async () => {
  const url = `${FLEET}/api/1/vehicles/fleet_telemetry_config`;
  const options = { token, json: { vins: [VIN], config: CONFIG } };
  const answer = await send("POST", url, options);
  assert.equal(answer.status, 400);
  assert.match(answer.body.error, /^This endpoint must be called through the Vehicle Command HTTP Proxy/);
  simulator.fail("telemetry_plain_412", 1);
  assert.equal((await configure()).status, 200); // not meant
  const other = await send("POST", url, options);
  assert.deepEqual([other.status, other.body.error.slice(0, 8)], [412, "Refer to"]);
});

test("a partner token may remove and nothing else; other methods and cars are not found", async () => {
  await configure();
  const partner = await partnerToken();
  const url = `${CAR}/fleet_telemetry_config`;
  assert.equal((await send("GET", url, { token: partner })).status, 403);
  assert.deepEqual((await send("DELETE", url, { token: partner })).body.response, { updated_vehicles: 1 });
  assert.equal((await send("GET", url.replace(VIN, "5YJ3000000000OTHE"), { token })).status, 404);
  assert.equal((await send("PUT", url, { token, json: {} })).status, 404);
  assert.match(simulator.unexpected.pop() ?? "", /no such telemetry endpoint/);
  assert.deepEqual(simulator.unexpected, []);
});

test("above the billing limit it is gone, and stays gone when the limit is raised", async () => {
  await configure();
  simulator.fail("billing_limit", 1);
  assert.equal((await send("GET", `${CAR}/fleet_telemetry_config`, { token })).status, 403);
  assert.equal((await show()).config, null);
});

test("without consent it is gone, and stays gone after the next login", async () => {
  await configure();
  simulator.revokeConsent();
  token = (await login(simulator, SCOPES)).body.access_token;
  assert.equal((await show()).config, null);
});
