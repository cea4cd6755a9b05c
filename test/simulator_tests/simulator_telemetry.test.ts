// The simulated Tesla's telemetry endpoints. The token is made by lib/, which has tests of its own; what a
// foreign signer, a lost consent or the billing limit leads to is tested with the script (test/owner).
import assert from "node:assert/strict";
import { createECDH } from "node:crypto";
import { after, before, beforeEach, test } from "node:test";
import { freshNonce, telemetryToken } from "../../lib/signing/telemetry_token.ts";
import type { Simulator } from "../simulator/simulator.ts";
import { VIN } from "../simulator/tesla/tesla.ts";
import { newTelemetry } from "../simulator/world.ts";
import { CAR, FLEET, login, partnerToken, send, start, type Answer } from "./simulator_client.ts";

const KEY = createECDH("prime256v1");
KEY.generateKeys();
const SPKI = "3059301306072a8648ce3d020106082a8648ce3d030107034200";
const BASE64 = Buffer.from(SPKI + KEY.getPublicKey("hex"), "hex").toString("base64");
const PEM = `-----BEGIN PUBLIC KEY-----\n${BASE64}\n-----END PUBLIC KEY-----\n`;
const fields = { Soc: { interval_seconds: 60 } };
const CONFIG = { hostname: "telemetry.car.example.com", port: 4443, ca: "PEM", fields };
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
  assert.deepEqual(await show(), none, "none at first");
  assert.deepEqual(await remove(), { updated_vehicles: 0 }, "nothing to remove");
  simulator.car.awake = false;
  assert.deepEqual((await configure()).body, { response: { updated_vehicles: 1 } }, "sent");
  const config = { ...CONFIG, iss: KEY.getPublicKey("base64"), aud: "com.tesla.fleet.TelemetryClient" };
  for (let look = 0; look < 3; look += 1) assert.equal((await show()).synced, false, "the car sleeps");
  simulator.car.awake = true;
  assert.deepEqual(await show(), { ...none, synced: false, config }, "not yet taken");
  assert.deepEqual(await show(), { ...none, config }, "taken");
  assert.deepEqual(await errors(), [], "no errors");
  await configure({ ...CONFIG, port: 443 });
  const { synced, config: other } = await show();
  assert.deepEqual([synced, other.port], [false, 443], "another replaces it as a whole");
  assert.deepEqual(await remove(), { updated_vehicles: 1 }, "removed");
  assert.deepEqual(await show(), none, "none again");
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
  assert.deepEqual((await configure()).body.response.skipped_vehicles.new_reason, [VIN], "a new one");
  simulator.fail("telemetry_no_reason", 1);
  assert.deepEqual((await configure()).body.response, { updated_vehicles: 0 }, "none");
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
    assert.match(answer.body.error, words, JSON.stringify(json));
  }
  for (const name of ["hostname", "ca", "fields"]) {
    const answer = await configure({ ...CONFIG, [name]: undefined });
    assert.deepEqual([answer.status, answer.body.error], [400, `invalid config: ${name} is missing`], name);
  }
  const placed = await configure({ ...CONFIG, fields: { Location: { interval_seconds: 1 } } });
  assert.deepEqual(
    [placed.status, placed.body.error],
    [403, "Unauthorized missing scopes vehicle_location"],
    "a field that tells the place",
  );
  assert.equal((await show()).config.port, 4443, "the old one stays");
});

test("the plain endpoint is refused; a partner token may remove and nothing else", async () => {
  const url = `${CAR}/fleet_telemetry_config`;
  const options = { token, json: { vins: [VIN], config: CONFIG } };
  const plain = await send("POST", `${FLEET}/api/1/vehicles/fleet_telemetry_config`, options);
  assert.equal(plain.status, 400, "the plain endpoint");
  assert.match(plain.body.error, /^This endpoint must be called through the Vehicle Command HTTP Proxy/);
  await configure();
  const partner = await partnerToken();
  assert.equal((await send("GET", url, { token: partner })).status, 403, "a partner may not look");
  const removed = (await send("DELETE", url, { token: partner })).body.response;
  assert.deepEqual(removed, { updated_vehicles: 1 }, "a partner may remove");
  assert.equal(
    (await send("GET", url.replace(VIN, "5YJ3000000000OTHE"), { token })).status,
    404,
    "another car",
  );
  assert.equal((await send("PUT", url, { token, json: {} })).status, 404, "another method");
  assert.match(simulator.unexpected.pop() ?? "", /no such telemetry endpoint/, "which a script must not use");
});
