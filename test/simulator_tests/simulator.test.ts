// The simulator answers as Tesla is documented to, or as owners have reported, so that what is tested against it
// means something. What a real script shows as well is tested with the script, in test/owner and test/signing.
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { request as httpsRequest } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { connect, rootCertificates } from "node:tls";
import { INFOTAINMENT, VCSEC, encode, encodeRoutable } from "../simulator/protocol/messages.ts";
import { freePort } from "../simulator/server.ts";
import type { Simulator } from "../simulator/simulator.ts";
import {
  CLIENT_ID,
  ENERGY_SITE_ID,
  FLEET_API_HOSTS,
  KEY_PATH,
  LOGIN_HOSTS,
} from "../simulator/tesla/tesla.ts";
import { PAIRING_HOSTS, TOKEN_HOSTS, VEHICLE_ID, VIN } from "../simulator/tesla/tesla.ts";
import { CAR, FLEET, PARTNER_FORM, SCOPES, TOKEN_URL, codeForm, documented } from "./simulator_client.ts";
import {
  login,
  loginAddress,
  newCode,
  partnerToken,
  publicKey,
  refresh,
  send,
  start,
} from "./simulator_client.ts";
import type { Anything } from "./simulator_client.ts";

const HOUR = 3600 * 1000;
let simulator: Simulator;
beforeEach(async () => {
  simulator = await start();
});
afterEach(() => simulator.close());

/** The same keys and kinds of values as the documented answer, at every depth; null stands for any kind. */
function sameShape(actual: Anything, wanted: Anything, where: string): void {
  if (actual === null || wanted === null) return;
  assert.equal(typeof actual, typeof wanted, where);
  if (typeof wanted !== "object") return;
  assert.equal(Array.isArray(actual), Array.isArray(wanted), where);
  if (Array.isArray(wanted)) {
    if (wanted.length > 0 && actual.length > 0) sameShape(actual[0], wanted[0], `${where}[0]`);
    return;
  }
  assert.deepEqual(Object.keys(actual).sort(), Object.keys(wanted).sort(), where);
  for (const key of Object.keys(wanted)) sameShape(actual[key], wanted[key], `${where}.${key}`);
}

function claims(token: string): Anything {
  return JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());
}

// ---- Nothing reaches the real Tesla ----

test("the preload maps exactly the simulator's hosts and refuses every other", async () => {
  const source = readFileSync(new URL("../simulator/preload.mjs", import.meta.url), "utf8");
  const listed = /MAPPED_HOSTS = `([^`]*)`/.exec(source)?.[1]?.match(/[a-z0-9.-]+\.[a-z]+/g) ?? [];
  const hosts = [...LOGIN_HOSTS, ...TOKEN_HOSTS, ...PAIRING_HOSTS, ...Object.values(FLEET_API_HOSTS)];
  assert.deepEqual([...listed].sort(), [...new Set(hosts)].sort(), "the list in preload.mjs");
  const others = [
    "https://example.org/",
    "http://auth.tesla.com/",
    "https://tesla.com:8443/",
    "https://a.tesla.com",
  ];
  for (const url of others)
    await assert.rejects(send("GET", url), /connection refused by simulator\/preload/, url);
});

test("TLS is real: nobody connects without the simulator's authority, nor the preload with another", async () => {
  const answer = new Promise((resolve, reject) => {
    const options = { host: "127.0.0.1", port: simulator.port, servername: "auth.tesla.com" };
    httpsRequest(options, resolve).on("error", reject).end();
  });
  await assert.rejects(answer, /unable to verify|self.signed/, "without an authority");
  const folder = mkdtempSync(join(tmpdir(), "other-ca-"));
  process.env.TESLA_SIMULATOR_CA = join(folder, "other.pem");
  writeFileSync(process.env.TESLA_SIMULATOR_CA, rootCertificates[0] ?? "");
  await import(`../simulator/preload.mjs?other=${simulator.port}`);
  rmSync(folder, { recursive: true });
  await assert.rejects(send("GET", `${FLEET}/status`), /unable to verify|unable to get/, "with another one");
});

test("the certificate names its issuer's key, as strict verifiers demand", async () => {
  const servername = TOKEN_HOSTS[0] ?? "";
  const socket = connect({ host: "127.0.0.1", port: simulator.port, servername, ca: simulator.ca });
  await new Promise((resolve) => socket.on("secureConnect", resolve));
  const found = new X509Certificate(socket.getPeerCertificate().raw).raw.toString("hex");
  socket.destroy();
  assert.ok(found.includes("0603551d0e"), "subject key identifier");
  assert.ok(found.includes("0603551d23"), "authority key identifier");
});

// ---- Login and tokens ----

test("the login page refuses wrong parameters without a redirect", async () => {
  await assert.rejects(simulator.consent(loginAddress()), /No policy rules/, "before the registration");
  simulator.account.requireRegisteredDomain = false;
  const cases: [Record<string, string>, RegExp][] = [
    [{ redirect_uri: "http://localhost:3000/callback/" }, /don't recognize this redirect_uri/],
    [{ redirect_uri: "" }, /'redirect_uri' parameter is missing/],
    [{ client_id: "other" }, /don't recognize this client_id/],
    [{ response_type: "token" }, /response_type/],
    [{ state: "" }, /state/],
    [{ scope: "openid made_up" }, /scope/],
    [{ code_challenge_method: "plain" }, /S256/],
  ];
  for (const [more, text] of cases) {
    await assert.rejects(simulator.consent(loginAddress(more)), text, JSON.stringify(more));
  }
  assert.deepEqual(simulator.unexpected, [], "an owner may do that");
  await assert.rejects(
    simulator.consent(loginAddress({ invented: "1" })),
    /not expected/,
    "no such parameter",
  );
  assert.equal(simulator.unexpected.length, 1, "a script must not");
});

test("the consent page: cancel, required scopes, portal scopes, earlier consent", async () => {
  simulator.account.requireRegisteredDomain = false;
  const cancelled = new URL(await simulator.consent(loginAddress(), { cancel: true }));
  const query = "?error=login_cancelled&error_description=User%20cancelled&state=state-1";
  assert.equal(cancelled.search, query, "what a cancelled login comes back with");
  const all = loginAddress({ require_requested_scopes: "true" });
  await assert.rejects(
    simulator.consent(all, { tick: ["openid"] }),
    /Select every box.*Vehicle Charging Management/,
  );

  const exchange = async (url: string, choice = {}) => {
    const code = new URL(await simulator.consent(url, choice)).searchParams.get("code") ?? "";
    return claims((await send("POST", TOKEN_URL, { form: codeForm(code) })).body.access_token).scp;
  };
  const two = ["openid", "vehicle_device_data"];
  assert.deepEqual(await exchange(loginAddress(), { tick: two }), two, "what was ticked");
  assert.deepEqual(await exchange(loginAddress()), two, "consented before: the page does not come again");
  const asked = await exchange(loginAddress({ prompt_missing_scopes: "true" }));
  assert.deepEqual(asked, SCOPES.split(" "), "unless it is asked for");
  simulator.account.portalScopes = ["openid", "offline_access", "vehicle_device_data"];
  assert.deepEqual(
    await exchange(all),
    simulator.account.portalScopes,
    "none that is not ticked in the portal",
  );
});

test("code exchange: the answer, single use, two minutes, and everything it is bound to", async () => {
  const answer = await login(simulator);
  sameShape(answer.body, documented.token_code_exchange_200, "the answer");
  const token = claims(answer.body.access_token);
  assert.deepEqual([token.scp, token.ou_code, token.azp], [SCOPES.split(" "), "EU", CLIENT_ID], "claims");
  assert.equal(token.exp - token.iat, 28800, "eight hours");
  assert.ok(token.aud.includes(FLEET), "the audience");
  const withoutRefresh = (await login(simulator, "openid vehicle_device_data")).body;
  assert.equal(withoutRefresh.refresh_token, undefined, "no refresh token without offline_access");

  const refused = async (change: Record<string, string>, error: string, code?: string) => {
    const form = { ...codeForm(code ?? (await newCode(simulator))), ...change };
    assert.equal((await send("POST", TOKEN_URL, { form })).body?.error, error, JSON.stringify(change));
  };
  const used = await newCode(simulator);
  assert.equal((await send("POST", TOKEN_URL, { form: codeForm(used) })).status, 200, "a code works");
  await refused({}, "invalid_auth_code", used);
  await refused({ redirect_uri: "http://localhost:3000/other" }, "invalid_redirect_url");
  await refused({ code_verifier: "wrong" }, "invalid_auth_code");
  await refused({ client_secret: "wrong" }, "unauthorized_client");
  await refused({ audience: `${FLEET}/` }, "invalid_audience");
  await refused({ audience: FLEET.replace("https://", "") }, "invalid_audience");
  await refused({ client_id: "" }, "invalid_request");
  await refused({ grant_type: "password" }, "unsupported_grant_type");
  const late = await newCode(simulator);
  simulator.clock.offsetMs += 121_000;
  await refused({}, "invalid_auth_code", late);
  assert.deepEqual(simulator.unexpected, [], "an owner may do that");
  await refused({ made_up: "1" }, "invalid_request");
  assert.equal((await send("POST", TOKEN_URL, { json: codeForm("x") })).status, 400, "a form and no JSON");
  assert.equal(simulator.unexpected.length, 2, "a script must not");
});

test("refresh: single use, 24 hours for the one used last, older ones are dead", async () => {
  const first = (await login(simulator)).body.refresh_token;
  const second = await refresh(first);
  sameShape(second.body, documented.token_refresh_200, "the answer");
  assert.notEqual(second.body.refresh_token, first, "a new one");
  simulator.clock.offsetMs += 23 * HOUR;
  const again = await refresh(first);
  assert.equal(again.status, 200, "the one used last, 23 hours later");
  const third = await refresh(again.body.refresh_token);
  const dead = await refresh(first);
  assert.equal(dead.status, 401, "two generations back");
  sameShape(dead.body, documented.token_error_401_login_required, "the refusal");
  simulator.clock.offsetMs += 25 * HOUR;
  assert.equal((await refresh(again.body.refresh_token)).status, 401, "the one used last, 25 hours later");
  const fourth = await refresh(third.body.refresh_token);
  assert.equal(fourth.status, 200, "the one that is due");
  simulator.clock.offsetMs += 91 * 24 * HOUR;
  assert.equal((await refresh(fourth.body.refresh_token)).status, 401, "after three months");
});

// ---- Fleet API ----

test("Fleet API's rules: 401, 406, 412, 421, 403, 404, and x-txid everywhere", async () => {
  const list = `${FLEET}/api/1/vehicles`;
  const unknown = await send("GET", list, { token: "unknown" });
  assert.deepEqual([unknown.status, unknown.text], [401, ""], "an unknown token");
  assert.match(unknown.headers["x-txid"] ?? "", /^[0-9a-f]{32}$/, "x-txid");
  const token = (await login(simulator)).body.access_token;
  const get = async (url: string) => (await send("GET", url, { token })).status;
  const post = (url: string, json: object) => send("POST", url, { token, json });
  assert.equal(await get(list), 200, "a good token");
  assert.equal((await send("POST", `${CAR}/wake_up`, { token, body: "{}" })).status, 406, "no content type");
  for (const [body, status] of [
    ["", 200],
    ["{}", 200],
    ["null", 200],
    ["[]", 400],
    ["nonsense", 400],
  ] as const) {
    const headers = { "content-type": "application/json" };
    assert.equal(
      (await send("POST", `${CAR}/wake_up`, { token, headers, body })).status,
      status,
      `body: ${body}`,
    );
  }

  const elsewhere = list.replace(".eu.", ".na.");
  const unregistered = await send("GET", elsewhere, { token });
  assert.equal(unregistered.status, 412, "an application that is not registered in the region");
  const { error } = documented.error_412_account_not_registered;
  assert.equal(unregistered.body.error, error.replace(".eu.", ".na."), "412");
  Object.assign(simulator.partner.registrations, { na: simulator.partner.registrations.eu });
  const outside = await send("GET", elsewhere, { token });
  assert.equal(outside.status, 421, "an owner of another region");
  assert.deepEqual({ ...outside.body, txid: 0 }, { ...documented.error_421_out_of_region, txid: 0 }, "421");
  assert.equal(outside.headers["x-txid"], outside.body.txid, "x-txid is that of the body");
  assert.equal(await get(elsewhere.replace("vehicles", "users/region")), 200, "the question for the region");

  const located = await send("GET", `${CAR}/vehicle_data?endpoints=charge_state%3Blocation_data`, { token });
  assert.deepEqual(located.body, documented.error_403_missing_scopes, "the place without its scope");
  assert.equal(await get(`${FLEET}/api/1/users/me`), 403, "the profile without its scope");
  for (const name of ["honk_horn", "keep_accessory_power_mode"]) {
    const { status, body } = await post(`${CAR}/command/${name}`, {});
    assert.deepEqual([status, body.error], [403, "Unauthorized missing scopes vehicle_cmds"], name);
  }
  const partner = await send("GET", CAR, { token: await partnerToken() });
  assert.deepEqual(partner.body, documented.error_404_not_found_partner_token, "a car for a partner token");
  assert.equal((await send("GET", CAR.replace("ABC", "XYZ"), { token })).status, 404, "a foreign car");
  const key = { public_key: "04ab", kind: "mobile_device", name: "mine" };
  assert.equal((await post(`${FLEET}/api/1/users/keys`, key)).status, 200, "POST users/keys");
  assert.equal(simulator.account.keyNames.get("04ab"), "mine", "the name of the key");
  simulator.clock.offsetMs += 9 * HOUR;
  assert.equal(await get(list), 401, "an expired token");
  assert.deepEqual(simulator.unexpected, [], "an owner may do that");
  assert.equal(await get(`${FLEET}/api/2/x`), 404, "no such address");
  assert.equal(simulator.unexpected.length, 1, "a script must not");
});

test("documented shapes of everything that is read", async () => {
  const everything = `${SCOPES} vehicle_cmds vehicle_location user_data energy_device_data energy_cmds`;
  const token = (await login(simulator, everything)).body.access_token;
  const read = async (url: string) => (await send("GET", url, { token })).body;
  const site = `${FLEET}/api/1/energy_sites/${ENERGY_SITE_ID}`;
  const reads: [string, string][] = [
    [`${FLEET}/api/1/vehicles`, "vehicles_list_200"],
    [CAR, "vehicle_200_online"],
    [`${FLEET}/api/1/vehicles/${VEHICLE_ID}`, "vehicle_200_online"],
    [`${CAR}/vehicle_data?endpoints=charge_state`, "vehicle_data_charge_state_200_charging_3phase"],
    [`${CAR}/nearby_charging_sites`, "nearby_charging_sites_200"],
    [`${FLEET}/api/1/products`, "products_200"],
    [`${FLEET}/api/1/users/me`, "users_me_200"],
    [`${FLEET}/api/1/users/region`, "users_region_200"],
    [`${site}/live_status`, "energy_live_status_200"],
  ];
  for (const [url, name] of reads) sameShape(await read(url), documented[name], name);
  const backup = await send("POST", `${site}/backup`, { token, json: { backup_reserve_percent: 35 } });
  assert.deepEqual([backup.status, backup.body], [201, documented.energy_command_200], "POST backup");
  assert.equal((await read(`${site}/site_info`)).response.backup_reserve_percent, 35, "what it has set");
  const second = await read(`${FLEET}/api/1/vehicles?page=2&per_page=1`);
  assert.deepEqual([second.response, second.pagination.previous], [[], 1], "the second page of one car");
  const blocks = async (endpoints: string) => {
    const { response } = await read(`${CAR}/vehicle_data?endpoints=${endpoints}`);
    return ["charge_state", "climate_state", "drive_state"].filter((name) => response[name]);
  };
  assert.deepEqual(
    await blocks("charge_state%3Bclimate_state"),
    ["charge_state", "climate_state"],
    "semicolon",
  );
  assert.deepEqual(await blocks("charge_state,climate_state"), [], "comma");
  const { drive_state: drive } = (await read(`${CAR}/vehicle_data?endpoints=location_data`)).response;
  assert.deepEqual(
    Object.keys(drive),
    ["latitude", "longitude", "heading", "gps_as_of", "timestamp"],
    "the place",
  );
  assert.equal(
    (await read(`${CAR}/vehicle_data`)).response.drive_state.latitude,
    undefined,
    "not unless asked for",
  );
  assert.deepEqual(simulator.unexpected, [], "all of it is planned");
});

test("a sleeping car: 408, wake_up, so many polls, online", async () => {
  const token = (await login(simulator)).body.access_token;
  simulator.car.awake = false;
  simulator.garage.wakePolls = 3;
  const data = await send("GET", `${CAR}/vehicle_data?endpoints=charge_state`, { token });
  assert.equal(data.status, 408, "its data");
  assert.equal(data.body.error, documented.error_408_vehicle_unavailable.error, "408");
  sameShape((await send("GET", CAR, { token })).body, documented.vehicle_200_asleep, "its state");
  const wake = await send("POST", `${CAR}/wake_up`, { token, json: {} });
  sameShape(wake.body, documented.wake_up_200_still_asleep, "wake_up");
  const states = [];
  for (let poll = 0; poll < 3; poll++) states.push((await send("GET", CAR, { token })).body.response.state);
  assert.deepEqual(states, ["asleep", "asleep", "online"], "three polls");
  simulator.car.online = false;
  assert.equal((await send("GET", CAR, { token })).body.response.state, "offline", "out of reach");
});

test("commands: protocol required, old cars, the car's own reasons, signed_command's envelope", async () => {
  const token = (await login(simulator, `${SCOPES} vehicle_cmds`)).body.access_token;
  const { car } = simulator;
  const post = async (path: string, json: unknown) =>
    (await send("POST", `${CAR}/${path}`, { token, json })).body;
  const required = documented.error_403_vehicle_command_protocol_required;
  assert.deepEqual(await post("command/set_charging_amps", { charging_amps: 8 }), required, "403");
  assert.deepEqual(car.executed, [], "nothing is done");
  const status = async () => (await post("../fleet_status", { vins: [VIN] })).response;
  assert.deepEqual((await status()).unpaired_vins, [VIN], "without a key");
  car.pair(publicKey);
  const { key_paired_vins, vehicle_info } = await status();
  const { vehicle_info: wanted } = documented.fleet_status_200_paired.response;
  assert.deepEqual([key_paired_vins, vehicle_info], [[VIN], wanted], "with a key");
  simulator.fail("fleet_status_not_required", 1);
  const free = (await status()).vehicle_info[VIN].vehicle_command_protocol_required;
  assert.equal(free, false, "what owners have seen of cars that refuse unsigned commands");

  const signed = async (json: unknown) =>
    (await send("POST", `${CAR}/signed_command`, { token, json })).status;
  assert.equal(await signed({ routable_message: "MgIIAg==" }), 200, "an answer of the car");
  assert.equal(await signed({ routable_message: "not base64!" }), 400, "not base64");
  assert.equal(await signed({ message: "MgIIAg==" }), 400, "another field");
  car.speaksProtocol = false;
  assert.equal(await signed({ routable_message: "MgIIAg==" }), 422, "an old car");
  assert.deepEqual(
    await post("command/set_charging_amps", { charging_amps: 8 }),
    documented.command_200_ok,
    "done",
  );
  assert.equal(car.amps, 8, "the car has done it");
  const set = await post("command/set_charge_limit", { percent: 80 });
  assert.deepEqual(set, documented.command_200_false_already_set, "the car's own reason");
  simulator.fail("reason:could_not_wake_buses", 1);
  const bus = await post("command/charge_stop", {});
  assert.deepEqual(bus, documented.command_200_false_could_not_wake_buses, "a reason by name");
  assert.equal((await post("command/charge_stop", {})).response.result, true, "once");
});

test("signed commands are held to their scopes, for Fleet API can read them", async () => {
  const action = (vehicleAction: object) => encode("Action", { vehicleAction });
  const message = (domain: number, payload?: Buffer, more: object = {}) =>
    encodeRoutable({ to_destination: { domain }, protobuf_message_as_bytes: payload, ...more });
  const handshake = { session_info_request: { public_key: Buffer.alloc(65, 4) } };
  const secret = { signature_data: { AES_GCM_Personalized_data: { tag: Buffer.alloc(16) } } };
  const no = "Unauthorized missing scopes vehicle_cmds";
  const neither = "Unauthorized missing scopes vehicle_charging_cmds";
  // What it is, and the answer to it with vehicle_charging_cmds, vehicle_cmds, vehicle_device_data alone.
  const cases: [title: string, bytes: Buffer, ...answers: unknown[]][] = [
    ["a handshake", message(VCSEC, undefined, handshake), 200, 200, neither],
    [
      "amps",
      message(INFOTAINMENT, action({ setChargingAmpsAction: { charging_amps: 8 } })),
      200,
      200,
      neither,
    ],
    ["unlock", message(VCSEC, encode("UnsignedMessage", { RKEAction: 0 })), no, 200, no],
    ["honk", message(INFOTAINMENT, action({ vehicleControlHonkHornAction: {} })), no, 200, no],
    ["sentry mode, by number", message(INFOTAINMENT, Buffer.from("1205f201020801", "hex")), no, 200, no],
    ["unreadable", message(INFOTAINMENT, Buffer.from([0xff, 0xff])), no, 200, no],
    ["encrypted", message(INFOTAINMENT, Buffer.alloc(20, 1), secret), no, 400, no],
  ];
  const scopes = ["vehicle_charging_cmds", "vehicle_cmds", "vehicle_device_data"];
  for (const [index, scope] of scopes.entries()) {
    const token = (await login(simulator, `openid ${scope}`)).body.access_token;
    for (const [title, bytes, ...answers] of cases) {
      const json = { routable_message: bytes.toString("base64") };
      const { status, body } = await send("POST", `${CAR}/signed_command`, { token, json });
      assert.equal(status === 403 ? body.error : status, answers[index], `${title} with ${scope}`);
    }
  }
  assert.deepEqual(simulator.car.executed, [], "nobody has signed any of it");
});

test("registration: the order of the checks, and the key is really downloaded", async () => {
  const { partner } = simulator;
  const token = await partnerToken();
  const register = async (domain = "car.example.com", as = token) =>
    send("POST", `${FLEET}/api/1/partner_accounts`, { token: as, json: { domain } });
  const scheme = (await register("https://car.example.com")).body.error;
  assert.match(scheme, /^Invalid domain: .* Ensure that domain is lowercase and starts without https:\/\/$/);
  const root = documented.partner_accounts_412_root_domain.error.replace("example.com", "other.org");
  assert.equal((await register("car.other.org")).body.error, root, "a domain that is not an allowed origin");
  assert.equal((await register()).status, 424, "no key");
  partner.hosting = { kind: "file", body: "x".repeat(10_000) };
  assert.match(
    (await register()).body.error,
    /^Public key download failed for .* error: too large$/,
    "too large",
  );
  partner.hosting = { kind: "file", body: "<html></html>" };
  assert.equal((await register()).status, 424, "no key but a page");

  const visits: string[] = [];
  const server = createServer((request, response) => {
    visits.push(request.url ?? "");
    response.end(publicKey);
  });
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  partner.hosting = { kind: "tunnel", port };
  const done = await register();
  server.close();
  server.closeAllConnections();
  assert.deepEqual(visits, [KEY_PATH], "Tesla comes through the tunnel");
  sameShape(done.body, documented.partner_accounts_200, "the answer");
  assert.match(done.body.response.public_key, /^04[0-9a-f]{128}$/, "the key");

  const keyUrl = `${FLEET}/api/1/partner_accounts/public_key`;
  const onFile = async (query: string) => send("GET", `${keyUrl}${query}`, { token });
  const found = (await onFile("?domain=car.example.com")).body.response.public_key;
  assert.equal(found, done.body.response.public_key, "the key on file");
  assert.equal((await onFile("?domain=other.org")).status, 404, "of another domain");
  assert.equal((await onFile("")).status, 500, "of no domain");
  partner.hosting = { kind: "file", body: publicKey };
  partner.takenDomains = ["car.example.com"];
  assert.deepEqual((await register()).body, documented.partner_accounts_422_domain_taken, "taken by another");
  const userToken = (await send("POST", TOKEN_URL, { form: codeForm(await newCode(simulator)) })).body
    .access_token;
  assert.match(
    (await register(undefined, userToken)).body.error,
    /^Account .* must be registered/,
    "an owner's token",
  );
  sameShape(
    (await send("POST", TOKEN_URL, { form: PARTNER_FORM })).body,
    documented.token_partner_200,
    "a partner's",
  );
  assert.deepEqual(simulator.unexpected, [], "an owner may do that");
});
