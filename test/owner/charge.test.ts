// read_charge, list_vehicles, wake_up, and set_charge_amps without signing: what is sent, what is shown, and
// what every answer of Tesla's leads to. The scripts run as child processes; the long lists of answers go
// through the same files of lib/ inside this process. Signed commands are in signed.test.ts.
import assert from "node:assert/strict";
import { readFileSync, rmSync } from "node:fs";
import { describe, test } from "node:test";
import { sendCommand } from "../../lib/command.ts";
import { askFleetApi } from "../../lib/tesla_fetch.ts";
import {
  FLEET, IN_A_HURRY, VIN, assertEnd, calls, inside, outputsSearched, ownerTest, useFewProcesses, type Owner,
  type OwnerOptions, type Result,
} from "../support/harness.ts";

useFewProcesses();

const READ_PATH = `vehicles/${VIN}/vehicle_data?endpoints=charge_state`;
const READ = `GET ${FLEET}/api/1/${READ_PATH}`;
const COMMAND = `POST ${FLEET}/api/1/vehicles/${VIN}/command/set_charging_amps`;
const DOCUMENTED = JSON.parse(readFileSync(new URL("../simulator_tests/documented_answers.json", import.meta.url), "utf8"));

describe("read_charge", { concurrency: 3 }, () => {
  const shown: [string, string[]][] = [
    ["charging_1phase", ["61 %", "275.9 km", "80 %", "Charging", "24 A of at most 32 A",
      "24 A at 226 V, 1 phase", "5 kW", "3.1 kWh", "1 h 25 min"]],
    ["charging_3phase", ["16 A of at most 16 A", "16 A at 231 V, 3 phases", "11 kW"]],
    ["complete", ["Complete", "80 %", "0 A at 2 V, no phase", "0 kW"]],
    ["disconnected", ["Disconnected", "48 A of at most 48 A", "12 kWh"]],
    ["no_power", ["NoPower", "0 A at 0 V"]],
    ["stopped", ["Stopped", "0 h 0 min"]],
  ];
  for (const [name, words] of shown) {
    ownerTest(`Tesla's example: ${name}`, {}, async (owner) => {
      const body = DOCUMENTED[`vehicle_data_charge_state_200_${name}`];
      owner.answer("/vehicle_data", 200, body);
      const people = await owner.run("read_charge");
      assertEnd(people, 0);
      for (const word of words) assert.ok(people.stdout.includes(word), `${word} in\n${people.stdout}`);
      assert.doesNotMatch(people.stdout, /unknown|undefined|null|NaN|mi\b/);
      assert.deepEqual(calls(people.requests), [READ]);
      assert.equal(people.requests[0]?.headers.authorization, `Bearer ${owner.token().access_token}`);
      if (!["charging_3phase", "disconnected"].includes(name)) return;
      const json = await owner.run("read_charge", ["--json"]);
      assertEnd(json, 0);
      assert.deepEqual(JSON.parse(json.stdout), body.response.charge_state);
      assert.deepEqual(calls(json.requests), [READ]);
    });
  }

  ownerTest("every field may be null, missing, or of another kind", {}, async (owner) => {
    const whole = DOCUMENTED.vehicle_data_charge_state_200_charging_1phase.response.charge_state;
    const nulls = Object.fromEntries(Object.keys(whole).map((name) => [name, null]));
    const texts = Object.fromEntries(Object.keys(whole).map((name) => [name, "16\u001b[2J\u009b\u202e"]));
    const lists = Object.fromEntries(Object.keys(whole).map((name) => [name, [{ a: 1 }]]));
    for (const state of [nulls, texts, lists, {}]) {
      owner.simulator.clear();
      owner.answer("/vehicle_data", 200, { response: { charge_state: state } });
      const result = await owner.run("read_charge");
      assertEnd(result, 0, "battery");
      assert.match(result.stdout, /unknown/);
      assert.doesNotMatch(result.stdout, /undefined|null|NaN/);
      assert.equal(result.stdout.split("\n").length, 9);
    }
    owner.simulator.clear();
    owner.answer("/vehicle_data", 200, { response: { charge_state: texts } });
    // As JSON it is as Tesla sent it; JSON itself spells the escape character (the harness looks for it).
    const escapes = { charging_state: "16\u001b[2J\u0007" };
    owner.simulator.clear();
    owner.answer("/vehicle_data", 200, { response: { charge_state: escapes } });
    const json = await owner.run("read_charge", ["--json"]);
    assert.deepEqual(JSON.parse(json.stdout), escapes);
  });

  ownerTest("answers without a charge_state are an error, not a table of unknowns", {}, async (owner) => {
    for (const body of [{}, { response: null }, { response: { charge_state: null } }]) {
      owner.simulator.clear();
      owner.answer("/vehicle_data", 200, body);
      const result = await owner.run("read_charge");
      assertEnd(result, 1, "charge_state");
      assert.equal(result.stdout, "");
    }
  });

  ownerTest("a car that sleeps is not woken", {}, async (owner) => {
    owner.simulator.car.awake = false;
    const result = await owner.run("read_charge");
    assertEnd(result, 3, "wake_up");
    assert.deepEqual(calls(result.requests), [READ]);
    assert.equal(owner.simulator.car.awake, false);
    owner.simulator.car.awake = true;
    owner.simulator.garage.inService = true;
    assertEnd(await owner.run("read_charge"), 6, "service");
  });

  const answers: [string, number, ...(string | RegExp)[]][] = [
    ["token_expired", 4, "refresh_token"],
    ["fleet_login_required", 4, "get_token"],
    ["unknown_user", 4, "Tesla app"],
    ["mobile_access_disabled", 5, /mobile access/],
    ["payment_required", 7, "payment"],
    ["billing_limit", 7, "limit"],
    ["missing_scope", 5, "vehicle_device_data", "--force"],
    ["invalid_scope_403", 5, "scope"],
    ["unsupported_vehicle", 6],
    ["not_found", 5, "list_vehicles"],
    ["vehicle_in_service", 6, "service"],
    ["not_acceptable", 6],
    ["vehicle_asleep", 3, "wake_up"],
    ["not_registered", 5, "register_partner"],
    ["out_of_region", 5, "TESLA_REGION=na"],
    ["validation", 6, "must be a number"],
    ["locked", 6],
    ["dependency", /* no row of its own */ 6],
    ["rate_limited", 7, "37 seconds"],
    ["legal", 6],
    ["server_error", 1],
    ["server_error_plain", 1, "Tesla's server failed", "answered 500"],
    ["bad_gateway", 1],
    ["service_unavailable", 1],
    ["gateway", 1],
    ["device_unexpected", 1],
    ["html_access_denied", 1, "web page"],
    ["html_firewall", 1],
    ["empty_body", 1],
    ["truncated_json", 1],
    ["not_json", 1],
    ["oversized", 1, "1 MiB"],
    ["hang_up_before", 1],
    ["hang_up_after", 1],
    ["redirect_301", 1, "redirect"],
    ["echoes_secret", 6],
    ["escape_sequences", 6],
  ];
  ownerTest("every other answer: exit code, line, one request", {}, async (owner) => {
    const before = owner.read("tesla_token.json");
    for (const [failure, code, ...words] of answers) {
      owner.simulator.clear();
      owner.simulator.fail(failure);
      const result = await inside(owner, () => askFleetApi("eu", READ_PATH, owner.token().access_token));
      assertEnd(result, code, ...words);
      assert.deepEqual(calls(result.requests), [READ], failure);
      // Tesla's number for its support is told where there is one.
      if (/"txid"/.test(result.stderr)) assert.match(result.stderr, /txid [0-9a-f]{32}/);
    }
    assert.equal(owner.read("tesla_token.json"), before);
    owner.simulator.clear();
    owner.answer("/vehicle_data", 429, "slow down", { "retry-after": "41" });
    assertEnd(await owner.run("read_charge"), 7, "retry after 41 seconds; wait as long as Tesla says");
  });

  ownerTest("an answer that quotes the token: it is not printed", {}, async (owner) => {
    const token = owner.token().access_token;
    const quotes = [token, `Bearer ${token}`, `{"token":"?${token}"}`];
    owner.answer("/vehicle_data", 200, { response: { charge_state: { quotes } } });
    const result = await owner.run("read_charge", ["--json"]); // the harness looks for secrets
    assertEnd(result, 0);
    assert.equal(result.stdout.split("[secret removed]").length - 1, quotes.length);
  });

  const asScript: [string, number, string][] =
    [["token_expired", 4, "refresh_token"], ["rate_limited", 7, "37 seconds"],
    ["hang_up_after", 1, ""], ["truncated_json", 1, ""], ["wrong_shape", 1, "no charge_state"],
    ["wrong_shape_null", 1, "no charge_state"], ["wrong_shape_list", 1, "no charge_state"], ["oversized", 1, "1 MiB"],
    ["redirect_308", 1, "redirect"], ["echoes_secret", 6, ""]];
  ownerTest("some of them in the script itself: nothing on stdout", {}, async (owner) => {
    for (const [failure, code, word] of asScript) {
      owner.simulator.clear();
      owner.simulator.fail(failure);
      const result = await owner.run("read_charge");
      assertEnd(result, code, word);
      assert.deepEqual(calls(result.requests), [READ], failure);
      assert.equal(result.stdout, "", failure);
    }
  });

  ownerTest("421: the region is named, and never followed", { region: "na" }, async (owner) => {
    owner.options.region = "eu";
    owner.setSettings();
    await registerIn(owner, "eu");
    const result = await owner.run("read_charge");
    assertEnd(result, 5, "TESLA_REGION=na");
    assert.deepEqual(calls(result.requests), [READ]);
    owner.simulator.fail("out_of_region_elsewhere");
    const elsewhere = await owner.run("read_charge");
    assertEnd(elsewhere, 5, "region");
    assert.doesNotMatch(elsewhere.stderr, /TESLA_REGION=fleet/);
    assert.equal(elsewhere.requests.length, 1);
    owner.simulator.clear();
    owner.setSettings({ TESLA_REGION: "na" });
    assertEnd(await owner.run("read_charge"), 0);
  });

  ownerTest("settings and arguments", {}, async (owner) => {
    const wrong = [VIN.toLowerCase(), `${VIN}0`, "", `${VIN.slice(0, 16)}/`];
    for (const vin of wrong) {
      owner.setSettings({ TESLA_VIN: vin });
      const result = await owner.run("read_charge");
      assertEnd(result, 5, "TESLA_VIN");
      assert.deepEqual(result.requests, []);
    }
    owner.setSettings();
    assertEnd(await owner.run("read_charge", ["--jason"]), 2);
    assertEnd(await owner.run("read_charge", ["x"]), 2);
    rmSync(owner.path("tesla_token.json"));
    const result = await owner.run("read_charge");
    assertEnd(result, 4, "get_token");
    assert.deepEqual(result.requests, []);
  });
});

async function registerIn(owner: Owner, region: "na" | "eu"): Promise<void> {
  const { registrations } = owner.simulator.partner;
  registrations[region] = structuredClone(Object.values(registrations)[0]);
}

describe("list_vehicles", { concurrency: 3 }, () => {
  ownerTest("VIN, state and name; as JSON; none", {}, async (owner) => {
    const result = await owner.run("list_vehicles");
    assertEnd(result, 0, "TESLA_VIN", "read_charge");
    assert.equal(result.stdout, `${VIN}  online  Testla\n`);
    assert.deepEqual(calls(result.requests), [`GET ${FLEET}/api/1/vehicles`]);
    const json = await owner.run("list_vehicles", ["--json"]);
    assert.equal(JSON.parse(json.stdout)[0].vin, VIN);
    owner.simulator.car.awake = false;
    assert.match((await owner.run("list_vehicles")).stdout, /asleep/);
    owner.answer("/vehicles", 200, DOCUMENTED.vehicles_list_200_empty);
    const none = await owner.run("list_vehicles");
    assertEnd(none, 0, "account");
    assert.equal(none.stdout, "");
  });

  ownerTest("odd cars do no harm", {}, async (owner) => {
    owner.answer("/vehicles", 200,
      { response: [null, {}, { vin: 5, state: null, display_name: "a\u001b[2J\nb\u009b\u202ec" }] });
    const result = await owner.run("list_vehicles");
    assertEnd(result, 0);
    assert.equal(result.stdout.trimEnd().split("\n").length, 3);
    assert.doesNotMatch(result.stdout, /undefined|null/);
    owner.simulator.clear();
    const [car] = [{ vin: VIN, display_name: "a\u001b[2J\nb" }];
    owner.answer("/vehicles", 200, { response: [car] });
    const json = await owner.run("list_vehicles", ["--json"]); // the harness looks for control characters
    assert.deepEqual(JSON.parse(json.stdout), [car]);
    for (const body of [{}, { response: {} }]) {
      owner.simulator.clear();
      owner.answer("/vehicles", 200, body);
      assertEnd(await owner.run("list_vehicles"), 1);
    }
    owner.simulator.clear();
    owner.simulator.fail("missing_scope");
    assertEnd(await owner.run("list_vehicles"), 5, "scope");
  });
});

describe("wake_up", { concurrency: 3 }, () => {
  const CAR = `${FLEET}/api/1/vehicles/${VIN}`;
  ownerTest("one wake, then its state every five seconds", {}, async (owner) => {
    owner.simulator.car.awake = false;
    owner.simulator.garage.wakePolls = 2;
    const result = await owner.run("wake_up", [], { node: IN_A_HURRY });
    assertEnd(result, 0, "online", /^waits 5000\n[^]*^waits 5000\n/m);
    assert.deepEqual(calls(result.requests), [`POST ${CAR}/wake_up`, `GET ${CAR}`, `GET ${CAR}`]);
    assert.deepEqual(owner.simulator.bill(), { data: 2, command: 0, wake: 1, auth: 0, partner: 0 });
  });

  ownerTest("a car that is awake, one that never wakes, one that refuses", {}, async (owner) => {
    const awake = await owner.run("wake_up");
    assertEnd(awake, 0);
    assert.deepEqual(calls(awake.requests), [`POST ${CAR}/wake_up`]);
    owner.simulator.car.online = false;
    const never = await owner.run("wake_up", [], { node: IN_A_HURRY });
    assertEnd(never, 3);
    assert.equal(never.requests.filter(({ method }) => method === "POST").length, 1);
    assert.ok(never.requests.length >= 10 && never.requests.length <= 14, String(never.requests.length));
    const answers: [string, number, number][] = [["rate_limited", 7, 1], ["server_error", 1, 1],
      ["wrong_shape_list", 3, 13]]; // an answer without a state: it asks for the state, as usual
    for (const [failure, code, count] of answers) {
      owner.simulator.clear();
      owner.simulator.fail(failure);
      const result = await owner.run("wake_up", [], { node: IN_A_HURRY });
      assertEnd(result, code);
      assert.equal(result.requests.length, count, failure);
      assert.equal(result.requests.filter(({ method }) => method === "POST").length, 1, failure);
    }
  });
});

const REST: OwnerOptions = { settings: { TESLA_COMMANDS: "rest" }, keys: false };

/** A plain command through lib/command.ts, without a process of its own. */
function send(owner: Owner): Promise<Result> {
  const command = { name: "set_charging_amps", json: { charging_amps: 11 }, scope: "vehicle_charging_cmds",
    domain: 3, message: [], repeatable: true };
  return inside(owner, () => sendCommand(command, owner.token()));
}

function restCar(owner: Owner): void {
  owner.simulator.car.protocolRequired = false;
}

describe("set_charge_amps, rest", { concurrency: 3 }, () => {
  ownerTest("one request; the verdict on stderr, nothing on stdout", REST, async (owner) => {
    restCar(owner);
    const result = await owner.run("set_charge_amps", ["12"]);
    assertEnd(result, 0, "the car has done it (1 request, $0.001)\n");
    assert.equal(result.stdout, "");
    assert.deepEqual(calls(result.requests), [COMMAND]);
    assert.equal(result.requests[0]?.body, "{\"charging_amps\":12}");
    assert.equal(owner.simulator.car.amps, 12);
    assertEnd(await owner.run("set_charge_amps", ["0"]), 0);
    assert.equal(owner.simulator.car.amps, 0);
    assert.equal(owner.has("tesla_session.json"), false);
  });

  ownerTest("AMPS is a whole number from 0 to 80, and nothing else", REST, async (owner) => {
    const wrong = ["", "1.5", "-1", "81", "1e1", "٣", "0x10", " 8", "100"];
    for (const amps of wrong) {
      const result = await owner.run("set_charge_amps", ["--", amps]);
      assertEnd(result, 2, `wrong usage: AMPS is a whole number from 0 to 80; found "${amps}"`);
      assert.deepEqual(result.requests, [], amps);
    }
    for (const words of [[], ["5", "6"], ["-5"], ["--below-5", "5"]]) {
      const result = await owner.run("set_charge_amps", words);
      const found = words[0]?.startsWith("-") ? `Unknown option '${words[0]}'` : `${words.length} given`;
      assertEnd(result, 2, "wrong usage: ", found, "it takes AMPS (0 to 80), --dry-run, --verify", "see --help");
      assert.deepEqual(result.requests, []);
    }
  });

  ownerTest("--dry-run sends nothing and shows no token; what it prints is what would be sent",
    {}, async (owner) => {
    const plain = "set_charging_amps {\"charging_amps\":16}\n";
    const expected: [string, string, string, string][] = [
      ["rest", `https://${FLEET}`, "command/set_charging_amps", plain],
      ["proxy", owner.simulator.proxyUrl, "command/set_charging_amps", plain],
      // 2 vehicleAction, 43 setChargingAmpsAction, 1 charging_amps: 16.
      ["signed", `https://${FLEET}`, "signed_command", `${plain}to sign: 1205da02020810\n`],
    ];
    for (const [commands, origin, path, content] of expected) {
      owner.setSettings({ TESLA_COMMANDS: commands, TESLA_PROXY_URL: owner.simulator.proxyUrl });
      const result = await owner.run("set_charge_amps", ["16", "--dry-run"]);
      assertEnd(result, 0);
      assert.deepEqual(result.requests, []);
      assert.equal(result.stdout, `POST ${origin}/api/1/vehicles/${VIN}/${path}\n${content}`);
      assert.equal(result.stderr, "");
    }
    // These very bytes are signed and sent; the request that they are part of has them in the clear.
    const sent = await owner.run("set_charge_amps", ["16"]);
    assertEnd(sent, 0);
    const messages = sent.requests.map(({ body }) => Buffer.from(JSON.parse(body).routable_message, "base64"));
    const held = messages.map((message) => message.includes(Buffer.from("1205da02020810", "hex")));
    assert.deepEqual(held, [false, true]); // the handshake, and the command
    assert.deepEqual(calls(sent.requests), [1, 2].map(() => `POST ${FLEET}/api/1/vehicles/${VIN}/signed_command`));
    rmSync(owner.path("tesla_session.json"));
    owner.simulator.requests.length = 0;
    assertEnd(await owner.run("set_charge_amps", ["16", "--dry-run"]), 0);
    assert.equal(owner.has("tesla_session.json"), false);
    assert.deepEqual(owner.simulator.requests, []);
    // It needs no login.
    rmSync(owner.path("tesla_token.json"));
    assertEnd(await owner.run("set_charge_amps", ["16", "--dry-run"]), 0);
  });

  ownerTest("--verify reads back what the car asks for", REST, async (owner) => {
    restCar(owner);
    const same = await owner.run("set_charge_amps", ["9", "--verify"], { node: IN_A_HURRY });
    assertEnd(same, 0, "read back: 2 requests in all, $0.003\n"); // $0.001 and $0.002
    assert.deepEqual(calls(same.requests), [COMMAND, READ]);
    assert.equal(same.stdout, "9\n");
    const clamped = await owner.run("set_charge_amps", ["32", "--verify"], { node: IN_A_HURRY });
    assertEnd(clamped, 6, "the car has 16 A, not 32 A; read_charge shows its limit");
    assert.equal(clamped.stdout, "16\n"); // what the car reports, and not what was asked for
    owner.simulator.fail("vehicle_asleep", { path: "/vehicle_data" });
    assertEnd(await owner.run("set_charge_amps", ["9", "--verify"], { node: IN_A_HURRY }), 3);
    owner.simulator.clear();
    owner.answer("/vehicle_data", 200, { response: null });
    assertEnd(await owner.run("set_charge_amps", ["9", "--verify"], { node: IN_A_HURRY }), 1);
  });

  ownerTest("1 to 4 A: sent once, and a line says to run it again", REST, async (owner) => {
    restCar(owner);
    const again = "cars take 1 to 4 A only at a second call some seconds later: run it again\n";
    for (const amps of [1, 4]) {
      for (const taken of [5, amps]) { // by the car: the first time, and the second
        const result = await owner.run("set_charge_amps", [String(amps)]);
        assertEnd(result, 0, again);
        assert.deepEqual(calls(result.requests), [COMMAND]);
        assert.equal(owner.simulator.car.amps, taken);
      }
    }
    for (const amps of ["0", "5"]) {
      const result = await owner.run("set_charge_amps", [amps]);
      assertEnd(result, 0);
      assert.doesNotMatch(result.stderr, /again/);
    }
    // A refusal needs no such advice.
    owner.simulator.fail("reason:disconnected");
    const refused = await owner.run("set_charge_amps", ["3"]);
    assertEnd(refused, 6, "plug");
    assert.doesNotMatch(refused.stderr, /run it again/);
    assert.equal(refused.requests.length, 1);
  });

  const NO_COMMANDS = "openid offline_access vehicle_device_data";
  for (const way of ["signed", "rest", "proxy"]) {
    ownerTest(`a token without the scope: nothing is sent, the scope is named: ${way}`, { scopes: NO_COMMANDS },
      async (owner) => {
        owner.setSettings({ TESLA_COMMANDS: way, TESLA_PROXY_URL: owner.simulator.proxyUrl });
        const result = await owner.run("set_charge_amps", ["10", "--verify"], { node: IN_A_HURRY });
        assertEnd(result, 5, "error: set_charging_amps needs the scope vehicle_charging_cmds: you granted "
          + `${NO_COMMANDS}; nothing was sent; tick it on your app's page on developer.tesla.com, `
          + "add it to TESLA_SCOPES, run get_token --force");
        assert.deepEqual([result.requests, result.stdout], [[], ""]);
        assert.equal(owner.has("tesla_session.json"), false);
      });
  }

  ownerTest("vehicle_cmds will do; a token that does not tell its scopes is Tesla's to judge", REST,
    async (owner) => {
      restCar(owner);
      owner.logIn({}, `${NO_COMMANDS} vehicle_cmds`);
      assertEnd(await owner.run("set_charge_amps", ["10"]), 0);
      owner.write("tesla_token.json", JSON.stringify({ access_token: "opaque-token", refresh_token: "opaque" }));
      const result = await owner.run("set_charge_amps", ["10"]);
      assertEnd(result, 4);
      assert.deepEqual(calls(result.requests), [COMMAND]);
    });

  ownerTest("a 403 that is about scopes names the scope of the command; another 403 does not", REST,
    async (owner) => {
      restCar(owner);
      const scope = "(set_charging_amps needs the scope vehicle_charging_cmds)";
      owner.simulator.fail("missing_scope");
      assertEnd(await send(owner), 5, "the token lacks a scope", scope);
      assertEnd(await owner.run("set_charge_amps", ["10"]), 5, "the token lacks a scope", scope);
      for (const [failure, code] of [["billing_limit", 7], ["protocol_required", 5]] as const) {
        owner.simulator.clear();
        owner.simulator.fail(failure);
        const result = await send(owner);
        assertEnd(result, code);
        assert.doesNotMatch(result.stderr, /needs the scope/, failure);
      }
    });

  const reasons: [string, number, string?][] = [
    ["already_set", 0], ["is_charging", 6], ["charging", 6], ["requested", 6], ["not_charging", 6],
    ["already_started", 0], ["already_standard", 0], ["already_max_range", 0],
    ["complete", 6, "limit"], ["disconnected", 6, "plug"], ["no_power", 6, "power"],
    ["could_not_wake_buses", 6, "5 seconds"], ["not_supported", 6], ["user_present", 6], ["", 6],
    ["cable connected", 6], ["something \u001b[31mnew", 6, "something"],
    ["unsigned_cmds_hardlocked", 5, "signed"],
  ];
  for (const way of ["rest", "proxy"]) {
    ownerTest(`the car's own verdict decides: ${way}`, REST, async (owner) => {
      restCar(owner);
      owner.simulator.car.pair(`04${"11".repeat(64)}`); // the proxy's own key
      owner.setSettings({ TESLA_COMMANDS: way, TESLA_PROXY_URL: owner.simulator.proxyUrl });
      for (const [reason, code, word = reason.slice(0, 9)] of reasons) {
        owner.simulator.clear();
        owner.simulator.fail(`reason:${reason}`);
        const result = await send(owner);
        assertEnd(result, code, word);
        assert.equal(result.requests.length, 1);
      }
      // Two of them in the script itself.
      for (const [reason, code] of [["already_set", 0], ["disconnected", 6]] as const) {
        owner.simulator.clear();
        owner.simulator.fail(`reason:${reason}`);
        const result = await owner.run("set_charge_amps", ["10"]);
        assertEnd(result, code, reason === "disconnected" ? "plug" : reason);
        assert.equal(result.stdout, "");
      }
    });
  }

  const answers: [string, number, ...(string | RegExp)[]][] = [
    ["token_expired", 4], ["payment_required", 7], ["billing_limit", 7], ["missing_scope", 5, "scope"],
    ["protocol_required", 5, "TESLA_COMMANDS=signed"], ["not_found", 5], ["vehicle_in_service", 6],
    ["vehicle_asleep", 3, "wake_up"], ["not_registered", 5], ["out_of_region", 5, "TESLA_REGION=na"],
    ["locked", 6], ["rate_limited", 7, "37"], ["mobile_access_disabled", 5], ["invalid_command", 6],
    ["service_unavailable", 3, "wake_up"],
    // From here on nobody knows.
    ["server_error", 8, "read_charge"], ["upstream_timeout", 8],
    ["bad_gateway", 8], ["gateway", 8], ["html_firewall", 8], ["empty_body", 8],
    ["truncated_json", 8], ["wrong_shape", 8], ["oversized", 8],
    ["hang_up_before", 8], ["hang_up_after", 8],
  ];
  ownerTest("every other answer to a command, sent once", REST, async (owner) => {
    restCar(owner);
    for (const [failure, code, ...words] of answers) {
      owner.simulator.clear();
      owner.simulator.fail(failure);
      const executed = owner.simulator.car.executed.length;
      const result = await send(owner);
      assertEnd(result, code, ...words);
      assert.deepEqual(calls(result.requests), [COMMAND], failure);
      assert.ok(owner.simulator.car.executed.length - executed <= 1, failure);
    }
    for (const [failure, code] of [["hang_up_after", 8], ["gateway", 8], ["vehicle_asleep", 3]] as const) {
      owner.simulator.clear();
      owner.simulator.fail(failure);
      const result = await owner.run("set_charge_amps", ["11"]);
      assertEnd(result, code);
      assert.deepEqual([calls(result.requests), result.stdout], [[COMMAND], ""], failure);
    }
  });

  ownerTest("an answer without a verdict is no success", REST, async (owner) => {
    for (const response of [undefined, {}, { result: "true" }, { result: null, reason: "" }]) {
      owner.simulator.clear();
      owner.answer("/command", 200, { response });
      assertEnd(await send(owner), 8, "read_charge");
    }
  });

  ownerTest("nothing could be sent: not an unknown outcome", REST, async (owner) => {
    owner.setSettings({ TESLA_COMMANDS: "proxy", TESLA_PROXY_URL: "http://127.0.0.1:1" });
    assertEnd(await owner.run("set_charge_amps", ["11"]), 1);
    owner.setSettings({ TESLA_COMMANDS: "proxy", TESLA_PROXY_URL: "https://proxy.example.com" });
    assertEnd(await owner.run("set_charge_amps", ["11"]), 1);
    assert.deepEqual(owner.simulator.requests, []);
  });
});

describe("set_charge_amps, proxy", { concurrency: 3 }, () => {
  const PROXY: OwnerOptions = { settings: { TESLA_COMMANDS: "proxy" } };

  ownerTest("the proxy gets the access token and the command, nothing else", PROXY, async (owner) => {
    for (const url of [owner.simulator.proxyUrl, owner.simulator.plainProxyUrl,
      `${owner.simulator.proxyUrl}/`]) {
      owner.setSettings({ TESLA_COMMANDS: "proxy", TESLA_PROXY_URL: url });
      const result = await owner.run("set_charge_amps", ["13"]);
      assertEnd(result, 0);
      assert.deepEqual(calls(result.requests),
        [`POST ${new URL(url).host}/api/1/vehicles/${VIN}/command/set_charging_amps`]);
      const [sent] = result.requests;
      assert.equal(sent?.headers.authorization, `Bearer ${owner.token().access_token}`);
      assert.equal(sent?.body, "{\"charging_amps\":13}");
    }
    // What is read back does not go through the proxy.
    const verified = await owner.run("set_charge_amps", ["13", "--verify"], { node: IN_A_HURRY });
    assertEnd(verified, 0);
    assert.equal(calls(verified.requests)[1], READ);
    assert.equal(owner.has("tesla_session.json"), false);
  });

  ownerTest("what only the proxy says", PROXY, async (owner) => {
    owner.setSettings({ TESLA_COMMANDS: "proxy", TESLA_PROXY_URL: owner.simulator.proxyUrl });
    const failures: [string, number, string][] =
      [["proxy_not_paired", 5, "_ak"], ["proxy_timeout", 8, "read_charge"],
      ["token_expired", 4, "refresh_token"], ["hang_up_after", 8, "read_charge"]];
    for (const [failure, code, word] of failures) {
      owner.simulator.clear();
      owner.simulator.fail(failure);
      assertEnd(await owner.run("set_charge_amps", ["13"]), code, word);
    }
    owner.simulator.clear();
    owner.simulator.car.awake = false;
    assertEnd(await owner.run("set_charge_amps", ["13"]), 3, "wake_up");
    owner.simulator.car.awake = true;
    owner.simulator.car.unpair();
    assertEnd(await owner.run("set_charge_amps", ["13"]), 5, "_ak");
  });

  ownerTest("addresses that a token must not go to", PROXY, async (owner) => {
    const wrong = ["", "http://192.168.1.5:4443", "https://a@b.example.com", "http://127.0.0.1.example.com"];
    for (const url of wrong) {
      owner.setSettings({ TESLA_COMMANDS: "proxy", TESLA_PROXY_URL: url });
      const result = await owner.run("set_charge_amps", ["13"]);
      assertEnd(result, 5, "TESLA_PROXY_URL");
      assert.deepEqual(result.requests, []);
    }
    owner.setSettings({ TESLA_COMMANDS: "proxy", TESLA_PROXY_URL: "https://me:my-password@proxy.example.com" });
    const { stderr } = await owner.run("set_charge_amps", ["13"]);
    assert.match(stderr, /TESLA_PROXY_URL is malformed/);
    assert.doesNotMatch(stderr, /my-password/);
    // Tesla's own hosts are nobody's proxy, the one of another region neither.
    for (const url of ["https://fleet-api.prd.na.vn.cloud.tesla.com", "https://auth.tesla.cn",
      "https://auth.tesla.com", "https://tesla.com", "https://www.Tesla.com.:8443"]) {
      owner.setSettings({ TESLA_COMMANDS: "proxy", TESLA_PROXY_URL: url });
      const result = await owner.run("set_charge_amps", ["13"]);
      assertEnd(result, 5, "TESLA_PROXY_URL");
      assert.deepEqual(result.requests, []);
    }
    // An empty variable wins over the file too: then the default counts.
    const empty = await owner.run("set_charge_amps", ["13"], { env: { TESLA_COMMANDS: "" } });
    assert.match(empty.stderr, /signed_command/);
    owner.setSettings({ TESLA_COMMANDS: "proxies" });
    assertEnd(await owner.run("set_charge_amps", ["13"]), 5, "TESLA_COMMANDS");
  });
});

test("the outputs were searched for secrets",
  () => assert.ok(outputsSearched() > 140, String(outputsSearched())));
