// Tests the simulator itself: that it answers as Tesla is documented to, so that what is tested against it
// means something. Its failures by name are in simulator_failures.test.ts, the car in car.test.ts.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { request as httpsRequest } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { rootCertificates } from "node:tls";
import type { Simulator } from "../simulator/simulator.ts";
import { INFOTAINMENT, VCSEC, encode, encodeRoutable } from "../simulator/protocol/messages.ts";
import {
  CLIENT_ID,
  ENERGY_SITE_ID,
  FLEET_API_HOSTS,
  KEY_PATH,
  LOGIN_HOSTS,
  PAIRING_HOSTS,
  TOKEN_HOSTS,
  VEHICLE_ID,
} from "../simulator/tesla/tesla.ts";
import {
  CAR,
  FLEET,
  PARTNER_FORM,
  SCOPES,
  TOKEN_URL,
  codeForm,
  login,
  loginAddress,
  newCode,
  partnerToken,
  publicKey,
  send,
  start,
} from "./simulator_client.ts";
import type { Anything } from "./simulator_client.ts";

const documented = JSON.parse(readFileSync(new URL("./documented_answers.json", import.meta.url), "utf8"));
const HOUR = 3600 * 1000;
let simulator: Simulator;
beforeEach(async () => {
  simulator = await start();
});
afterEach(() => simulator.close());

/** The same keys and kinds of values as the documented answer, at every depth; null stands for any kind. */
function sameShape(actual: Anything, wanted: Anything, where = "answer"): void {
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

test("the preload maps exactly the simulator's hosts and refuses every other", async () => {
  const source = readFileSync(new URL("../simulator/preload.mjs", import.meta.url), "utf8");
  const listed = /MAPPED_HOSTS = `([^`]*)`/.exec(source)?.[1]?.match(/[a-z0-9.-]+\.[a-z]+/g) ?? [];
  const hosts = new Set([
    ...LOGIN_HOSTS,
    ...TOKEN_HOSTS,
    ...PAIRING_HOSTS,
    ...Object.values(FLEET_API_HOSTS),
  ]);
  assert.deepEqual([...listed].sort(), [...hosts].sort());
  for (const url of [
    "https://example.org/",
    "http://auth.tesla.com/",
    "https://tesla.com:8443/",
    "https://a.tesla.com",
  ]) {
    await assert.rejects(send("GET", url), /connection refused by simulator\/preload/, url);
  }
  assert.equal((await send("GET", `${FLEET}/status`)).text, "ok");
  assert.deepEqual(simulator.unexpected, []);
});

test("TLS is real: without the simulator's authority nobody connects", async () => {
  const answer = new Promise((resolve, reject) => {
    httpsRequest({ host: "127.0.0.1", port: simulator.port, servername: "auth.tesla.com" }, resolve)
      .on("error", reject)
      .end();
  });
  await assert.rejects(answer, /unable to verify|self.signed/);
});

test("the preload checks the certificate against the simulator's authority", async () => {
  const folder = mkdtempSync(join(tmpdir(), "other-ca-"));
  const caFile = join(folder, "other.pem");
  writeFileSync(caFile, rootCertificates[0] ?? "");
  process.env.TESLA_SIMULATOR_CA = caFile;
  await import(`../simulator/preload.mjs?other=${simulator.port}`);
  rmSync(folder, { recursive: true });
  await assert.rejects(send("GET", `${FLEET}/status`), /unable to verify|unable to get/);
});

test("a script in another folder reaches the simulator with nothing but the environment", async () => {
  const undici = import.meta.resolve("undici");
  const script = `import { request } from ${JSON.stringify(undici)};
    const answer = await request("https://auth.tesla.com/favicon.ico");
    console.log(answer.statusCode);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    cwd: tmpdir(),
    env: { ...process.env, ...simulator.env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  child.stdout.on("data", (chunk) => {
    output += chunk;
  });
  const [code] = await once(child, "close");
  assert.equal(code, 0);
  assert.equal(output.trim(), "404");
  assert.equal(simulator.requests.at(-1)?.host, "auth.tesla.com");
});

test("the login shows No policy rules until the domain is registered", async () => {
  await assert.rejects(simulator.consent(loginAddress()), /No policy rules/);
  simulator.partner.hosting = { kind: "file", body: publicKey };
  await simulator.register();
  const address = new URL(await simulator.consent(loginAddress()));
  assert.equal(address.origin + address.pathname, "http://localhost:3000/callback");
  assert.equal(address.searchParams.get("state"), "state-1");
  assert.equal(address.searchParams.get("issuer"), "https://auth.tesla.com/oauth2/v3");
  assert.match(address.searchParams.get("code") ?? "", /^EU_/);
});

test("the login page refuses wrong parameters without a redirect", async () => {
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
  for (const [more, text] of cases) await assert.rejects(simulator.consent(loginAddress(more)), text);
  assert.deepEqual(simulator.unexpected, []);
  await assert.rejects(simulator.consent(loginAddress({ invented: "1" })), /not expected/);
  assert.equal(simulator.unexpected.length, 1);
});

test("the consent page: Tesla's names, cancel, required scopes, portal scopes, earlier consent", async () => {
  simulator.account.requireRegisteredDomain = false;
  const address = await simulator.consent(loginAddress(), { cancel: true });
  assert.equal(
    address,
    "http://localhost:3000/callback?error=login_cancelled&error_description=User%20cancelled"
      + "&state=state-1",
  );
  const all = loginAddress({ require_requested_scopes: "true" });
  await assert.rejects(
    simulator.consent(all, { tick: ["openid"] }),
    /Select every box.*Vehicle Charging Management/,
  );

  const exchange = async (url: string, tick?: string[]) => {
    const code = new URL(await simulator.consent(url, tick === undefined ? {} : { tick })).searchParams.get(
      "code",
    );
    return claims((await send("POST", TOKEN_URL, { form: codeForm(code ?? "") })).body.access_token).scp;
  };
  assert.deepEqual(await exchange(loginAddress(), ["openid", "vehicle_device_data"]), [
    "openid",
    "vehicle_device_data",
  ]);
  // Consented before: the consent step is skipped and the missing scopes stay missing, unless asked for.
  assert.deepEqual(await exchange(loginAddress()), ["openid", "vehicle_device_data"]);
  assert.deepEqual(await exchange(loginAddress({ prompt_missing_scopes: "true" })), SCOPES.split(" "));
  simulator.account.portalScopes = ["openid", "offline_access", "vehicle_device_data"];
  assert.deepEqual(await exchange(all), ["openid", "offline_access", "vehicle_device_data"]);
});

test("code exchange: the answer, single use, two minutes, and everything it is bound to", async () => {
  const answer = await login(simulator);
  assert.equal(answer.status, 200);
  sameShape(answer.body, documented.token_code_exchange_200);
  const token = claims(answer.body.access_token);
  assert.deepEqual(token.scp, SCOPES.split(" "));
  assert.equal(token.ou_code, "EU");
  assert.equal(token.exp - token.iat, 28800);
  assert.ok(token.aud.includes(FLEET) && token.azp === CLIENT_ID);

  const refused = async (change: Record<string, string>, error: string, code?: string) => {
    const form = { ...codeForm(code ?? (await newCode(simulator))), ...change };
    const reply = await send("POST", TOKEN_URL, { form });
    assert.equal(reply.body?.error, error, JSON.stringify(change));
    return reply;
  };
  const used = await newCode(simulator);
  assert.equal((await send("POST", TOKEN_URL, { form: codeForm(used) })).status, 200);
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
  assert.deepEqual(simulator.unexpected, []);
  // Undocumented fields and JSON bodies are refused and noted.
  await refused({ made_up: "1" }, "invalid_request");
  assert.equal((await send("POST", TOKEN_URL, { json: codeForm("x") })).status, 400);
  assert.equal(simulator.unexpected.length, 2);
});

test("refresh: single use, 24 hours for the one used last, older ones are dead", async () => {
  const first = (await login(simulator)).body.refresh_token;
  const refresh = (token: string) =>
    send("POST", TOKEN_URL, {
      form: { grant_type: "refresh_token", client_id: CLIENT_ID, refresh_token: token },
    });
  const second = await refresh(first);
  sameShape(second.body, documented.token_refresh_200);
  assert.notEqual(second.body.refresh_token, first);
  simulator.clock.offsetMs += 23 * HOUR;
  const again = await refresh(first);
  assert.equal(again.status, 200, "grace");
  const third = await refresh(again.body.refresh_token);
  const dead = await refresh(first);
  assert.equal(dead.status, 401, "two generations back");
  sameShape(dead.body, documented.token_error_401_login_required);
  simulator.clock.offsetMs += 25 * HOUR;
  assert.equal((await refresh(again.body.refresh_token)).status, 401, "grace is over");
  const fourth = await refresh(third.body.refresh_token);
  assert.equal(fourth.status, 200);
  simulator.clock.offsetMs += 91 * 24 * HOUR;
  assert.equal((await refresh(fourth.body.refresh_token)).status, 401, "three months");
  const secret = {
    grant_type: "refresh_token",
    client_id: CLIENT_ID,
    refresh_token: first,
    client_secret: "x",
  };
  assert.equal((await send("POST", TOKEN_URL, { form: secret })).status, 400);
  assert.equal(simulator.unexpected.length, 1);
});

test("without offline_access there is no refresh token", async () => {
  const answer = await login(simulator, "openid vehicle_device_data");
  assert.equal(answer.body.refresh_token, undefined);
});

test("Fleet API's rules: 401, 406, 412, 421, 403, 404, and x-txid everywhere", async () => {
  const list = `${FLEET}/api/1/vehicles`;
  const unknown = await send("GET", list, { token: "unknown" });
  assert.deepEqual([unknown.status, unknown.text], [401, ""]);
  assert.match(unknown.headers["x-txid"] ?? "", /^[0-9a-f]{32}$/);
  const token = (await login(simulator)).body.access_token;
  assert.equal((await send("GET", list, { token })).status, 200);
  assert.equal((await send("POST", `${CAR}/wake_up`, { token, body: "{}" })).status, 406);
  assert.equal((await send("POST", `${CAR}/wake_up`, { token, json: null })).status, 200);
  const typed = { "content-type": "application/json" };
  const bodies = ["", "{}", "[]", "nonsense"].map((body) =>
    send("POST", `${CAR}/wake_up`, { token, headers: typed, body }),
  );
  assert.deepEqual(
    (await Promise.all(bodies)).map(({ status }) => status),
    [200, 200, 400, 400],
  );
  const elsewhere = list.replace(".eu.", ".na.");
  const unregistered = await send("GET", elsewhere, { token });
  assert.equal(unregistered.status, 412);
  assert.equal(
    unregistered.body.error,
    documented.error_412_account_not_registered.error.replace(".eu.", ".na."),
  );
  Object.assign(simulator.partner.registrations, { na: simulator.partner.registrations.eu });
  const outside = await send("GET", elsewhere, { token });
  assert.equal(outside.status, 421);
  assert.deepEqual({ ...outside.body, txid: 0 }, { ...documented.error_421_out_of_region, txid: 0 });
  assert.equal(outside.headers["x-txid"], outside.body.txid);
  assert.equal(
    (await send("GET", `${FLEET.replace(".eu.", ".na.")}/api/1/users/region`, { token })).status,
    200,
  );
  const located = await send("GET", `${CAR}/vehicle_data?endpoints=charge_state%3Blocation_data`, { token });
  assert.equal(located.status, 403);
  assert.deepEqual(located.body, documented.error_403_missing_scopes);
  assert.equal((await send("GET", `${FLEET}/api/1/users/me`, { token })).status, 403);
  assert.equal((await send("POST", `${CAR}/command/honk_horn`, { token, json: {} })).status, 403);
  const partner = await send("GET", CAR, { token: await partnerToken() });
  assert.equal(partner.status, 404);
  assert.deepEqual(partner.body, documented.error_404_not_found_partner_token);
  const foreign = await send("GET", CAR.replace("ABC", "XYZ"), { token });
  assert.equal(foreign.body.error, "5YJ30123456789XYZ not_found");
  simulator.clock.offsetMs += 9 * HOUR;
  assert.equal((await send("GET", list, { token })).status, 401);
  assert.deepEqual(simulator.unexpected, []);
  assert.equal((await send("GET", `${FLEET}/api/2/x`)).status, 404);
  assert.equal(simulator.unexpected.length, 1);
});

test("documented shapes of everything that is read", async () => {
  const everything = `${SCOPES} vehicle_cmds vehicle_location user_data energy_device_data energy_cmds`;
  const token = (await login(simulator, everything)).body.access_token;
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
  for (const [url, name] of reads) {
    const reply = await send("GET", url, { token });
    assert.equal(reply.status, 200, url);
    sameShape(reply.body, documented[name], name);
  }
  assert.equal((await send("GET", `${FLEET}/api/1/users/region`, { token })).body.response.region, "eu");
  const backup = await send("POST", `${site}/backup`, { token, json: { backup_reserve_percent: 35 } });
  assert.equal(backup.status, 201);
  assert.deepEqual(backup.body, documented.energy_command_200);
  assert.equal((await send("GET", `${site}/site_info`, { token })).body.response.backup_reserve_percent, 35);
  const history = await send("GET", `${FLEET}/api/1/dx/charging/history`, { token });
  assert.equal(history.body.totalResults, history.body.data.length);
  const secondPage = await send("GET", `${FLEET}/api/1/vehicles?page=2&per_page=1`, { token });
  assert.deepEqual([secondPage.body.response, secondPage.body.pagination.previous], [[], 1]);
  assert.deepEqual((await send("GET", `${CAR}/mobile_enabled`, { token })).body.response, {
    result: true,
    reason: "",
  });
  const comma = await send("GET", `${CAR}/vehicle_data?endpoints=charge_state,climate_state`, { token });
  assert.equal(comma.body.response.charge_state, undefined);
  const two = await send("GET", `${CAR}/vehicle_data?endpoints=charge_state%3Bclimate_state`, { token });
  assert.ok(two.body.response.charge_state && two.body.response.climate_state);
  assert.deepEqual(simulator.unexpected, []);
});

test("a sleeping car: 408, wake_up, so many polls, online", async () => {
  const token = (await login(simulator)).body.access_token;
  simulator.car.awake = false;
  simulator.garage.wakePolls = 3;
  const data = await send("GET", `${CAR}/vehicle_data?endpoints=charge_state`, { token });
  assert.equal(data.status, 408);
  assert.equal(data.body.error, documented.error_408_vehicle_unavailable.error);
  sameShape((await send("GET", CAR, { token })).body, documented.vehicle_200_asleep);
  const wake = await send("POST", `${CAR}/wake_up`, { token, json: {} });
  sameShape(wake.body, documented.wake_up_200_still_asleep);
  const states = [];
  for (let poll = 0; poll < 3; poll++) states.push((await send("GET", CAR, { token })).body.response.state);
  assert.deepEqual(states, ["asleep", "asleep", "online"]);
  simulator.car.online = false;
  assert.equal((await send("GET", CAR, { token })).body.response.state, "offline");
  assert.deepEqual(simulator.bill(), { data: 6, command: 0, wake: 1, auth: 1, partner: 0 });
});

test("commands: protocol required, old cars, the car's own reasons, signed_command's envelope", async () => {
  const token = (await login(simulator, `${SCOPES} vehicle_cmds`)).body.access_token;
  const { car } = simulator;
  const post = (name: string, json: unknown) => send("POST", `${CAR}/command/${name}`, { token, json });
  const refused = await post("set_charging_amps", { charging_amps: 8 });
  assert.equal(refused.status, 403);
  assert.deepEqual(refused.body, documented.error_403_vehicle_command_protocol_required);
  assert.deepEqual(car.executed, []);

  const status = async () =>
    (await send("POST", `${FLEET}/api/1/vehicles/fleet_status`, { token, json: { vins: [car.vin] } })).body;
  assert.deepEqual((await status()).response.unpaired_vins, [car.vin]);
  car.pair(publicKey);
  const paired = await status();
  assert.deepEqual(
    { ...paired.response.vehicle_info[car.vin] },
    documented.fleet_status_200_paired.response.vehicle_info[car.vin],
  );
  assert.deepEqual(paired.response.key_paired_vins, [car.vin]);

  const signed = (json: unknown) => send("POST", `${CAR}/signed_command`, { token, json });
  const answer = await signed({ routable_message: "MgIIAg==" });
  assert.equal(answer.status, 200);
  assert.equal(Buffer.from(answer.body.response, "base64").toString("base64"), answer.body.response);
  assert.equal((await signed({ routable_message: "not base64!" })).status, 400);
  assert.equal((await signed({ message: "MgIIAg==" })).status, 400);

  car.speaksProtocol = false;
  assert.equal((await signed({ routable_message: "MgIIAg==" })).status, 422);
  assert.deepEqual((await post("set_charging_amps", { charging_amps: 8 })).body, documented.command_200_ok);
  assert.equal(car.chargeState().charge_amps, 8);
  assert.deepEqual(
    (await post("set_charge_limit", { percent: 80 })).body,
    documented.command_200_false_already_set,
  );
  simulator.fail("reason:could_not_wake_buses", 1);
  assert.deepEqual((await post("charge_stop", {})).body, documented.command_200_false_could_not_wake_buses);
  assert.equal((await post("charge_stop", {})).body.response.result, true);
  assert.equal(car.executed.length, 2);
});

test("registration: the order of the checks, and the key is really downloaded", async () => {
  const register = async (domain: string) =>
    send("POST", `${FLEET}/api/1/partner_accounts`, { token: await partnerToken(), json: { domain } });
  const { partner } = simulator;
  const scheme = await register("https://car.example.com");
  assert.equal(scheme.status, 400);
  assert.match(
    scheme.body.error,
    /^Invalid domain: .* Ensure that domain is lowercase and starts without https:\/\/$/,
  );
  const root = await register("car.other.org");
  assert.equal(
    root.body.error,
    documented.partner_accounts_412_root_domain.error.replace("example.com", "other.org"),
  );
  assert.equal((await register("car.example.com")).status, 424);
  partner.hosting = { kind: "file", body: "x".repeat(10_000) };
  assert.match(
    (await register("car.example.com")).body.error,
    /^Public key download failed for .* error: too large$/,
  );
  partner.hosting = { kind: "file", body: "<html></html>" };
  assert.equal((await register("car.example.com")).status, 424);

  // Through a tunnel to a real server on this computer.
  const visits: string[] = [];
  const server = createServer((request, response) => {
    visits.push(request.url ?? "");
    response.end(publicKey);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  partner.hosting = { kind: "tunnel", port: (server.address() as AddressInfo).port };
  const done = await register("car.example.com");
  const seen = await send("GET", `https://car.example.com${KEY_PATH}`);
  server.close();
  server.closeAllConnections();
  assert.equal(done.status, 200);
  assert.equal(seen.text, publicKey);
  assert.deepEqual(visits, Array(2).fill("/.well-known/appspecific/com.tesla.3p.public-key.pem"));
  sameShape(done.body, documented.partner_accounts_200);
  assert.match(done.body.response.public_key, /^04[0-9a-f]{128}$/);

  const keyUrl = `${FLEET}/api/1/partner_accounts/public_key`;
  const token = await partnerToken();
  const onFile = await send("GET", `${keyUrl}?domain=car.example.com`, { token });
  assert.equal(onFile.body.response.public_key, done.body.response.public_key);
  partner.publicKeyForm = "pem";
  assert.equal(
    (await send("GET", `${keyUrl}?domain=car.example.com`, { token })).body.response.public_key,
    publicKey,
  );
  assert.equal((await send("GET", `${keyUrl}?domain=other.org`, { token })).status, 404);
  assert.equal((await send("GET", keyUrl, { token })).status, 500);
  partner.hosting = { kind: "file", body: publicKey };
  partner.takenDomains = ["car.example.com"];
  assert.deepEqual((await register("car.example.com")).body, documented.partner_accounts_422_domain_taken);
  const user = await newCode(simulator);
  const userToken = (await send("POST", TOKEN_URL, { form: codeForm(user) })).body.access_token;
  const asUser = await send("POST", `${FLEET}/api/1/partner_accounts`, {
    token: userToken,
    json: { domain: "x.y" },
  });
  assert.equal(asUser.status, 412);
  sameShape((await send("POST", TOKEN_URL, { form: PARTNER_FORM })).body, documented.token_partner_200);
  assert.deepEqual(simulator.unexpected, []);
});

test("the pairing page says what Tesla's says", async () => {
  const page = async () => (await send("GET", "https://tesla.com/_ak/car.example.com")).text;
  assert.match(await page(), /isn&#39;t registered with Tesla/);
  simulator.partner.hosting = { kind: "file", body: publicKey };
  await simulator.register();
  assert.match(await page(), /prohibited because you have not granted/);
  await login(simulator);
  assert.match(await page(), /Open the Tesla app/);
});

test("vehicle_data has what scripts read; the position only when asked for", async () => {
  const token = (await login(simulator, `${SCOPES} vehicle_location`)).body.access_token;
  const { car } = simulator;
  car.execute("set_sentry_mode", { on: true });
  car.execute("set_temps", { driver_temp: 19.5, passenger_temp: 20 });
  const all = (await send("GET", `${CAR}/vehicle_data`, { token })).body.response;
  const { vehicle_state: state, climate_state: climate } = all;
  const tyres = ["fl", "fr", "rl", "rr"].map((tyre) => state[`tpms_pressure_${tyre}`]);
  assert.deepEqual(tyres, [2.9, 2.9, 2.875, 2.85]);
  assert.deepEqual([state.odometer, state.locked, state.sentry_mode], [12345.6, true, true]);
  assert.match(state.car_version, /^2025\.44\.25 /);
  assert.deepEqual([climate.driver_temp_setting, climate.passenger_temp_setting], [19.5, 20]);
  assert.deepEqual([climate.inside_temp, climate.is_climate_on], [18.5, false]);
  assert.deepEqual([all.closures_state.locked, all.closures_state.rt], [true, 0]);
  assert.equal(all.gui_settings.gui_tirepressure_units, "Bar");
  assert.equal(all.vehicle_config.car_type, "model3");
  assert.deepEqual([all.drive_state.shift_state, all.drive_state.latitude], [null, undefined]);
  const located = await send("GET", `${CAR}/vehicle_data?endpoints=drive_state%3Blocation_data`, { token });
  assert.deepEqual(Object.keys(located.body.response.drive_state).sort(), [
    "gps_as_of",
    "heading",
    "latitude",
    "longitude",
    "power",
    "shift_state",
    "speed",
    "timestamp",
  ]);
});

test("signed commands are held to their scopes, for Fleet API can read them", async () => {
  const action = (vehicleAction: object) => encode("Action", { vehicleAction });
  const message = (domain: number, payload?: Buffer, more: object = {}) =>
    encodeRoutable({ to_destination: { domain }, protobuf_message_as_bytes: payload, ...more });
  const request = { session_info_request: { public_key: Buffer.alloc(65, 4) } };
  const unlock = message(VCSEC, encode("UnsignedMessage", { RKEAction: 0 }));
  const honk = message(INFOTAINMENT, action({ vehicleControlHonkHornAction: {} }));
  const amps = message(INFOTAINMENT, action({ setChargingAmpsAction: { charging_amps: 8 } }));
  const handshake = message(VCSEC, undefined, request);
  const unreadable = message(INFOTAINMENT, Buffer.from([0xff, 0xff]));
  const byNumber = message(INFOTAINMENT, Buffer.from("1205f201020801", "hex")); // sentry mode on
  const encrypted = message(INFOTAINMENT, Buffer.alloc(20, 1), {
    signature_data: { AES_GCM_Personalized_data: { tag: Buffer.alloc(16) } },
  });
  const statusOf = async (token: string, bytes: Buffer) => {
    const json = { routable_message: bytes.toString("base64") };
    const answer = await send("POST", `${CAR}/signed_command`, { token, json });
    return answer.status === 403 ? answer.body.error : answer.status;
  };
  const statuses = async (scope: string) => {
    const token = (await login(simulator, `openid ${scope}`)).body.access_token;
    const all = [];
    for (const bytes of [handshake, amps, unlock, honk, byNumber, unreadable, encrypted]) {
      all.push(await statusOf(token, bytes));
    }
    return all;
  };
  const no = "Unauthorized missing scopes vehicle_cmds";
  assert.deepEqual(await statuses("vehicle_charging_cmds"), [200, 200, no, no, no, no, no]);
  assert.deepEqual(await statuses("vehicle_cmds"), [200, 200, 200, 200, 200, 200, 400]);
  const either = "Unauthorized missing scopes vehicle_charging_cmds";
  assert.deepEqual(await statuses("vehicle_device_data"), [either, either, no, no, no, no, no]);
  assert.deepEqual([simulator.car.executed, simulator.unexpected], [[], []]);
});

test("rate limits when they are on, and a bill that leaves out what Tesla does not charge", async () => {
  const token = (await login(simulator)).body.access_token;
  simulator.account.rateLimits = true;
  const wake = () => send("POST", `${CAR}/wake_up`, { token, json: {} });
  for (let count = 0; count < 3; count++) assert.equal((await wake()).status, 200);
  const limited = await wake();
  assert.equal(limited.status, 429);
  assert.equal(limited.headers["retry-after"], "37");
  simulator.clock.offsetMs += 61_000;
  assert.equal((await wake()).status, 200);
  simulator.fail("server_error", 1);
  await send("GET", CAR, { token });
  assert.deepEqual(simulator.bill(), { data: 0, command: 0, wake: 5, auth: 1, partner: 0 });
});

test("withdrawn consent kills every token; a browser can use the page over plain HTTP", async () => {
  const tokens = (await login(simulator)).body;
  const page = `https://auth.tesla.com/user/revoke/consent?revoke_client_id=${CLIENT_ID}&back_url=x`;
  assert.match((await send("POST", page, { form: {} })).text, /no longer has access/);
  assert.equal((await send("GET", CAR, { token: tokens.access_token })).status, 401);
  const form = { grant_type: "refresh_token", client_id: CLIENT_ID, refresh_token: tokens.refresh_token };
  assert.equal((await send("POST", TOKEN_URL, { form })).status, 401);
  const plain = await send("GET", loginAddress().replace("https://auth.tesla.com", simulator.loginUrl));
  assert.match(plain.text, /<form method="post"/);
});
