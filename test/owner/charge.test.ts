// read_charge, list_vehicles, wake_up, and set_charge_amps without signing: what is sent, and what the owner sees.
// (What each answer of Tesla's leads to: outcomes.test.ts and advice.test.ts. Signed commands: signed.test.ts.)
import assert from "node:assert/strict";
import { readFileSync, rmSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { describe, test } from "node:test";
import timers from "node:timers/promises";
import { ends, endsWith } from "../support/ends.ts";
import { calls } from "../support/ends.ts";
import { FLEET, outputsSearched, type Owner, ownerTest, useFewProcesses, VIN } from "../support/owner.ts";
import { IN_A_HURRY } from "../support/passing_time.ts";

useFewProcesses();
const pause = timers.setTimeout; // the pauses of scripts inside this process: no test waits for a fixed time
timers.setTimeout = ((ms = 0, value) => pause(ms / 100, value)) as typeof pause;
syncBuiltinESMExports();

const READ = `GET ${FLEET}/api/1/vehicles/${VIN}/vehicle_data?endpoints=charge_state`;
const COMMAND = `POST ${FLEET}/api/1/vehicles/${VIN}/command/set_charging_amps`;
const ANSWERS = new URL("../simulator_tests/documented_answers.json", import.meta.url);
const DOCUMENTED = JSON.parse(readFileSync(ANSWERS, "utf8"));
const DAY = 86_400_000;
type Fields = Record<string, unknown>;

/** The car's answer to a read: Tesla's example with these changes, as of now unless they say otherwise. */
function charging(owner: Owner, changes: Fields, example = "charging_3phase", car: Fields = {}): void {
  const { response } = structuredClone(DOCUMENTED[`vehicle_data_charge_state_200_${example}`]);
  const charge_state = { ...response.charge_state, timestamp: Date.now(), ...changes };
  owner.simulator.clear();
  owner.answer("/vehicle_data", 200, { response: { ...response, ...car, charge_state } });
}

describe("read_charge", { concurrency: 3 }, () => {
  const LIMIT = "limit 80 %, range 276 km (171 mi)";
  const ONE_PHASE = "24 A, 226 V, 1 phase, 5 kW; set to 24 A of at most 32 A\nadded      3.1 kWh";
  // Tesla's example and what differs from it; the rows behind the battery's.
  // biome-ignore format: a table
  const screens: [string, Fields, string][] = [
    ["charging_1phase", {}, `${ONE_PHASE}, time left 1 h 25 min`],
    ["charging_3phase", {}, "16 A, 231 V, 3 phases, 11 kW; set to 16 A of at most 16 A\nadded      3.1 kWh, time left 1 h 25 min"],
    ["charging_1phase", { fast_charger_present: true, charger_power: 150 }, "at a fast charger, 150 kW\nadded      3.1 kWh, time left 1 h 25 min"],
    ["charging_1phase", { minutes_to_full_charge: -1 }, `${ONE_PHASE}, time left unknown`],
    ["charging_1phase", { minutes_to_full_charge: null }, `${ONE_PHASE}, time left unknown`],
    ["charging_1phase", { minutes_to_full_charge: 3001.4 }, `${ONE_PHASE}, time left 50 h 1 min`],
    ["complete", {}, "complete; set to 16 A of at most 16 A"], ["stopped", {}, "stopped; set to 16 A of at most 16 A"],
    ["disconnected", {}, "not plugged in; set to 48 A of at most 48 A"], // and nothing of "0 A at 2 V"
    ["disconnected", { minutes_to_full_charge: -1, charger_voltage: null }, "not plugged in; set to 48 A of at most 48 A"],
    ["no_power", {}, "plugged in, but the station gives no power; set to 16 A of at most 16 A"],
    ["stopped", { charging_state: "Calibrating" }, "Calibrating; set to 16 A of at most 16 A"],
  ];
  ownerTest("rows that mean something now, in km and miles", async (owner) => {
    for (const [example, changes, rows] of screens) {
      charging(owner, changes, example);
      const result = await ends(owner, "read_charge", 0);
      const level = example === "complete" ? 80 : 61;
      assert.equal(result.stdout, `battery    ${level} %, ${LIMIT}\ncharging   ${rows}\n`);
      assert.equal(result.stderr, `${READ.replace(" ", " https://")}  200\n`);
      assert.deepEqual(calls(result.requests), [READ]);
      assert.equal(result.requests[0]?.headers.authorization, `Bearer ${owner.token().access_token}`);
    }
    charging(owner, { battery_range: 0.4 });
    await ends(owner, "read_charge", 0, "range 1 km (0 mi)\n");
  });

  // Tesla's charger_phases, then volts, amps and kW, and what they say together. Its 2 is what three phases give as well.
  // biome-ignore format: a table
  const phases: [unknown, number, number, number, string][] = [
    [4, 230, 16, 11, "3 phases"], [2, 230, 16, 7, "2 phases"], [2, 231, 16, 11, "3 phases"], [1, 230, 32, 7, "1 phase"],
    [null, 240, 48, 11, "1 phase"], [3, 230, 16, 3, "1 phase"], [1, 230, 16, 22, "phases unknown"], [2, 230, 5, 3, "3 phases"],
    [1, 230, 5, 1, "1 phase"], [4, 230, 2, 1, "phases unknown"], [2, 230, 2, 1, "phases unknown"], [3, 230, 2, 1, "3 phases"],
  ];
  ownerTest("phases are worked out from power, volts and amps", async (owner) => {
    for (const [charger_phases, charger_voltage, charger_actual_current, charger_power, words] of phases) {
      charging(owner, { charger_phases, charger_voltage, charger_actual_current, charger_power });
      const shown = `${charger_actual_current} A, ${charger_voltage} V, ${words}, ${charger_power} kW;`;
      await ends(owner, "read_charge", 0, shown);
    }
  });

  // The car's state, the age of the data in ms, and the row "as of", if there is one.
  // biome-ignore format: a table
  const ages: [unknown, unknown, RegExp | undefined][] = [
    ["asleep", 3 * DAY + 9, /^as of {6}\d{4}-\d\d-\d\d \d\d:\d\d \(3 days ago\): the car is asleep, and Tesla sent what it had kept$/m],
    ["offline", DAY + 9, /\(1 day ago\): the car is offline, and/], ["online", 2 * DAY + 9, /\(2 days ago\): the car is online, and/],
    [null, 2 * DAY + 9, /\(2 days ago\): the car is out of reach, and/], ["asleep", 9, /^as of {6}(\S+ )?\d\d:\d\d: the car is asleep, and/m],
    ["asleep", undefined, /^as of {6}an unknown time: the car is asleep/m], ["asleep", "text", /an unknown time/], ["asleep", -1e300, /an unknown time/],
    ["online", 1000, undefined], ["online", -7_200_000, undefined], ["online", undefined, undefined], [undefined, 1000, undefined],
  ];
  ownerTest("data that Tesla had kept: its age is said, and the car sleeps on", async (owner) => {
    for (const [state, age, words] of ages) {
      const timestamp = typeof age === "number" ? Date.now() - age : age;
      charging(owner, { timestamp }, "charging_1phase", { state });
      const result = await ends(owner, "read_charge", 0, "61 %", words ?? "");
      if (!words) assert.doesNotMatch(result.stdout, /as of/, `${state} ${age}`);
    }
    owner.simulator.clear(); // and as the simulated Tesla does it
    owner.simulator.car.awake = false;
    owner.simulator.fail("cached_data", 1);
    await ends(owner, "read_charge", 0, /\(3 days ago\): the car is asleep/);
    const asleep = "error: the car is asleep or offline\nfound: 408 ";
    await ends(owner, "read_charge", 3, asleep, "wake_up ($0.02)");
    assert.equal(owner.simulator.car.awake, false);
  });

  ownerTest("fields may be null, missing, or of another kind; a token is not shown", async (owner) => {
    const known = DOCUMENTED.vehicle_data_charge_state_200_charging_1phase.response.charge_state;
    for (const value of [null, undefined, "text", [{ a: 1 }], 1e100, "Charging"]) {
      charging(owner, {
        ...Object.fromEntries(Object.keys(known).map((name) => [name, value])),
        new_field: 1,
      });
      const { stdout } = await ends(owner, "read_charge", 0, "battery");
      assert.doesNotMatch(stdout, /undefined|null|NaN|Infinity/);
    }
    for (const body of [{}, { response: null }, { response: { charge_state: null } }, null]) {
      owner.simulator.clear();
      owner.answer("/vehicle_data", 200, JSON.stringify(body));
      const result = await ends(owner, "read_charge", 1, "found: it has no charge_state\n");
      assert.equal(result.stdout, "");
    }
    const token = owner.token().access_token;
    const quotes = [token, `Bearer ${token}`, `{"token":"?${token}"}`];
    charging(owner, { quotes });
    const { stdout } = await ends(owner, "read_charge --json", 0); // each run is searched for secrets
    assert.deepEqual(Object.keys(JSON.parse(stdout)), [...Object.keys(known), "quotes"]);
    assert.equal(stdout.split("secret").length - 1, quotes.length);
  });

  ownerTest("settings and arguments that are wrong: nothing is sent", async (owner) => {
    for (const vin of [VIN.toLowerCase(), `${VIN}0`, "", `${VIN.slice(0, 16)}/`]) {
      owner.setSettings({ TESLA_VIN: vin });
      await ends(owner, "read_charge", 5, "error: TESLA_VIN: missing or malformed\n");
    }
    owner.setSettings();
    await ends(owner, "read_charge --jason", 2, "fix:   run: npx tsx scripts/read_charge.ts [--json]");
    await ends(owner, "read_charge x", 2, "expected no arguments; got 1");
    rmSync(owner.path("tesla_token.json"));
    await ends(owner, "read_charge", 4, "run get_token here");
    assert.deepEqual(owner.simulator.requests, []);
  });
});

ownerTest("list_vehicles: VIN, state and name; as JSON; none; odd ones", async (owner) => {
  const result = await ends(owner, "list_vehicles", 0, "put the VIN into .env as TESLA_VIN", "read_charge");
  assert.equal(result.stdout, `${VIN}  online  Testla\n`);
  assert.deepEqual(calls(result.requests), [`GET ${FLEET}/api/1/vehicles`]);
  owner.simulator.car.awake = false;
  assert.match((await ends(owner, "list_vehicles", 0)).stdout, /asleep/);
  owner.simulator.fail("hostile_name"); // each run is searched for control characters
  assert.equal((await ends(owner, "list_vehicles", 0)).stdout.split("\n").length, 2);
  // JSON numbers lose their last digits beyond 2^53: id_s has them all, and nothing promises more.
  owner.answer("/vehicles", 200, '{"response":[{"id":14930000000000421,"id_s":"14930000000000421"}]}');
  await ends(owner, "list_vehicles --json", 0, '"id_s": "14930000000000421"');
  const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
  assert.doesNotMatch(readme, /as Tesla sent|every digit|unchanged numbers/i);
  // What comes instead of the list.
  const odd = { response: [null, {}, { vin: 5, state: null, display_name: [1] }] };
  for (const body of [odd, {}, { response: {} }]) {
    owner.simulator.clear();
    owner.answer("/vehicles", 200, body);
    const isList = body === odd;
    const words = isList ? "?  unknown" : "it has no list of cars\n";
    const { stdout } = await ends(owner, "list_vehicles", isList ? 0 : 1, words);
    assert.equal(stdout.split("\n").length - 1, isList ? 3 : 0);
    assert.doesNotMatch(stdout, /undefined|null/);
  }
  owner.simulator.clear();
  owner.answer("/vehicles", 200, DOCUMENTED.vehicles_list_200_empty);
  const none = await ends(owner, "list_vehicles", 0, "no cars in this account", "get_token.ts --force");
  assert.match(none.stderr, /log out at Tesla first, or open the address in a private window/);
  assert.equal(none.stdout, "");
});

ownerTest("wake_up: one wake, then its state every five seconds, and what it cost", async (owner) => {
  const car = `${FLEET}/api/1/vehicles/${VIN}`;
  owner.simulator.car.awake = false;
  const result = await endsWith(owner, "wake_up", { node: IN_A_HURRY }, 0, /^waits 5000\n[^]*^waits 5000\n/m);
  assert.match(result.stderr, /\nthe car is online \(1 wake and 2 looks, \$0\.024\)\n$/);
  assert.deepEqual(calls(result.requests), [`POST ${car}/wake_up`, `GET ${car}`, `GET ${car}`]);
  assert.deepEqual(owner.simulator.bill(), { data: 2, command: 0, wake: 1, auth: 0, partner: 0 });
  const awake = await ends(owner, "wake_up", 0, "(1 wake and 0 looks, $0.020)");
  assert.deepEqual(calls(awake.requests), [`POST ${car}/wake_up`]);
});

describe("set_charge_amps", { concurrency: 3 }, () => {
  const REST = { settings: { TESLA_COMMANDS: "rest" }, keys: false };
  const LIMIT = "the limit of the car or the station may be lower; --verify shows it\n";
  const AGAIN = "cars accept 1–4 A only on a second call: after the first, run this again in a few seconds\n";
  // Asked, taken by the car, and the line that follows.
  // biome-ignore format: a table
  const accepted: [number, number, string][] = [[10, 10, ""], [0, 0, ""], [5, 5, ""], [16, 16, ""], [17, 16, LIMIT],
    [32, 16, LIMIT], [1, 5, AGAIN], [1, 1, AGAIN], [4, 5, AGAIN], [4, 4, AGAIN]];
  // Refused with a reason; of other commands some of these are no failure.
  // biome-ignore format: a table
  const reasons: [string, number, string][] = [["already_set", 0, "nothing to do: the car reports already_set (1 request, $0.001)\n"],
    ["disconnected", 6, 'found: "disconnected" from the car\nfix:   plug the car in\n'], ["is_charging", 6, "is_charging"],
    ["requested", 6, "requested"], ["not_charging", 6, "not_charging"], ["", 6, '"no reason given" from the car']];
  ownerTest("one request; the verdict on stderr, nothing on stdout", REST, async (owner) => {
    const { car } = owner.simulator;
    car.protocolRequired = false;
    for (const [amps, taken, line] of accepted) {
      const result = await ends(owner, `set_charge_amps ${amps}`, 0);
      const done = `done: the car accepted ${amps} A (1 request, $0.001)\n${line}`;
      assert.equal(result.stderr, `POST https://${COMMAND.slice(5)}  200\n${done}`);
      assert.deepEqual([result.stdout, car.amps, calls(result.requests)], ["", taken, [COMMAND]]);
      assert.equal(result.requests[0]?.body, `{"charging_amps":${amps}}`);
    }
    for (const [reason, code, words] of reasons) {
      owner.simulator.clear();
      owner.simulator.fail(`reason:${reason}`);
      const result = await ends(owner, "set_charge_amps 3", code, words);
      assert.deepEqual([result.stdout, result.requests.length], ["", 1]);
      if (code !== 0) assert.doesNotMatch(result.stderr, /second call/);
    }
    assert.equal(owner.has("tesla_session.json"), false);
  });

  ownerTest("AMPS is a whole number from 0 to 80, and nothing else", REST, async (owner) => {
    for (const amps of ["", "1.5", "-1", "81", "1e1", "٣", "0x10", "100"]) {
      const line = `set_charge_amps -- ${amps}`;
      await ends(owner, line, 2, `found: AMPS is "${amps}"\n`, "AMPS is a whole number from 0 to 80");
    }
    const usage = "run: npx tsx scripts/set_charge_amps.ts AMPS";
    await ends(owner, "set_charge_amps", 2, "expected AMPS; got 0", usage);
    await ends(owner, "set_charge_amps 5 6", 2, "expected AMPS; got 2", usage);
    await ends(owner, "set_charge_amps -5", 2, "Unknown option '-5'", usage);
    await ends(owner, "set_charge_amps --below-5 5", 2, "Unknown option '--below-5'", usage);
    owner.setSettings({ TESLA_COMMANDS: "proxy" });
    const choice = "signed (nearly every car), or rest";
    await ends(owner, "set_charge_amps 5", 5, 'TESLA_COMMANDS is "proxy"', choice);
    assert.deepEqual(owner.simulator.requests, []);
  });

  ownerTest("--dry-run sends nothing and shows what would be sent; it needs no login", async (owner) => {
    const plain = 'set_charging_amps {"charging_amps":16}\n';
    const token = owner.read("tesla_token.json");
    rmSync(owner.path("tesla_token.json"));
    const bytes = "1205da02020810"; // 2 vehicleAction, 43 setChargingAmpsAction, 1: 16
    for (const way of ["rest", "signed"]) {
      owner.setSettings({ TESLA_COMMANDS: way });
      const result = await ends(owner, "set_charge_amps 16 --dry-run", 0);
      const shown = `POST https://${FLEET}/api/1/vehicles/${VIN}/signed_command\n${plain}to sign: ${bytes}\n`;
      assert.equal(result.stdout, way === "signed" ? shown : `POST https://${COMMAND.slice(5)}\n${plain}`);
      assert.deepEqual([result.stderr, result.requests, owner.has("tesla_session.json")], ["", [], false]);
    }
    // These very bytes are signed and sent; the request that they are part of has them in the clear.
    owner.write("tesla_token.json", token);
    const sent = await ends(
      owner,
      "set_charge_amps 16",
      0,
      "done: the car accepted 16 A (2 requests, $0.002)\n",
    );
    const messages = sent.requests.map(({ body }) => String(JSON.parse(body).routable_message));
    const held = messages.map((message) =>
      Buffer.from(message, "base64").includes(Buffer.from(bytes, "hex")),
    );
    assert.deepEqual(held, [false, true]); // the handshake, and the command
  });

  // Amps, what the car reports after the command, the exit code, stdout, and what is said.
  const OLD = { timestamp: 1_767_225_605_123 };
  const STALE = "error: not verified: Tesla sent no fresh data\nfound: data from before the command";
  const MISSING =
    "error: not verified: Tesla sent no fresh data\n"
    + "found: no charge_current_request or charger_actual_current\nfix:   see read_charge in a minute\n";
  const IDLE = "error: not verified: the car is not charging\n";
  // biome-ignore format: a table
  const readings: [number, Fields, number, string, ...string[]][] = [
    [9, {}, 0, "9\n", "verified: the car now asks for 9 A (2 requests in total, $0.003)\n"], [0, { charger_actual_current: 0 }, 0, "0\n", "verified: the car now draws 0 A"],
    [0, { charge_current_request: 0, charger_actual_current: 3 }, 6, "3\n", "accepted 0 A but now draws 3 A", "found: another app may have changed it\n"],
    [0, { charge_current_request: 0, charger_actual_current: null }, 1, "", MISSING],
    [32, {}, 6, "16\n", "error: the car accepted 32 A but now asks for 16 A\n", "fix:   choose 16 A or less\n"],
    [9, { charge_current_request: 12 }, 6, "12\n", "accepted 9 A but now asks for 12 A", "another app"],
    // below 5 A the screen shows 5, and what is drawn counts
    [3, { charge_current_request: 5, charger_actual_current: 3 }, 0, "3\n", "verified: the car now draws 3 A"],
    [4, { charge_current_request: 5, charger_actual_current: 4 }, 0, "4\n", "verified: the car now draws 4 A"],
    [3, { charge_current_request: 5, charger_actual_current: 5 }, 6, "5\n", "but now draws 5 A", "run this again in a few seconds"],
    [3, { charge_current_request: 5, charger_actual_current: 0 }, 1, "", IDLE], [3, { charger_actual_current: null }, 1, "", MISSING],
    [5, { charge_current_request: 5, charger_actual_current: 3 }, 0, "5\n", "verified: the car now asks for 5 A"],
    // old data is no verdict, whether it agrees or not
    [9, { charge_current_request: 12, ...OLD }, 1, "", STALE], [9, { charge_current_request: 9, ...OLD }, 1, "", STALE, "read_charge in a minute"],
    [3, { charger_actual_current: 3, ...OLD }, 1, "", STALE], [9, { charge_current_request: 9, timestamp: null }, 1, "", STALE],
    [9, { charge_current_request: null }, 1, "", MISSING],
  ];
  ownerTest("--verify says what the car now asks for, from fresh data alone", REST, async (owner) => {
    const { simulator } = owner;
    simulator.car.protocolRequired = false;
    await endsWith(owner, "set_charge_amps 9 --verify", { node: IN_A_HURRY }, 0, /^waits 3000$/m);
    for (const [amps, changes, code, stdout, ...words] of readings) {
      simulator.garage.reportedCharge = changes;
      const line = `set_charge_amps ${amps} --verify`;
      const result = await ends(owner, line, code, "done: the car accepted", ...words);
      assert.equal(result.stdout, stdout, `${amps} ${words}`);
      assert.deepEqual(calls(result.requests), [COMMAND, READ], `${amps} ${words}`);
      assert.doesNotMatch(result.stderr, /--verify|second call.*run this again/);
    }
    simulator.garage.reportedCharge = {};
    simulator.fail("cached_data", 1); // as Tesla does it for a car that has just gone out of reach
    await ends(owner, "set_charge_amps 16 --verify", 1, STALE);
    simulator.fail("vehicle_asleep", { path: "/vehicle_data" });
    await ends(owner, "set_charge_amps 9 --verify", 3);
    simulator.clear();
    owner.answer("/vehicle_data", 200, { response: null });
    await ends(owner, "set_charge_amps 9 --verify", 1);
  });

  const NO_SETTINGS = { settings: { TESLA_REGION: "", TESLA_VIN: "" }, loggedIn: false };
  ownerTest("neither settings nor a login: one error names the settings", NO_SETTINGS, async (owner) => {
    await ends(owner, "set_charge_amps 10", 5, "TESLA_REGION", "TESLA_VIN");
  });

  const NO_COMMANDS = "openid offline_access vehicle_device_data";
  ownerTest("a token without the scope: nothing is sent", { scopes: NO_COMMANDS }, async (owner) => {
    const problem = "error: set_charging_amps needs the scope vehicle_charging_cmds; nothing was sent\n";
    const found = `found: granted: ${NO_COMMANDS}\nfix:   tick the scope on your app's page on developer.tesla.com, `;
    const last = "run get_token --force and tick every box\n";
    for (const way of ["signed", "rest"]) {
      owner.setSettings({ TESLA_COMMANDS: way });
      const result = await ends(owner, "set_charge_amps 10 --verify", 5, `${problem}${found}`, last);
      assert.deepEqual([result.requests, result.stdout], [[], ""]);
    }
    owner.simulator.car.protocolRequired = false;
    owner.logIn({}, `${NO_COMMANDS} vehicle_cmds`); // that will do
    await ends(owner, "set_charge_amps 10", 0);
    owner.write("tesla_token.json", '{"access_token":"opaque-token","refresh_token":"opaque"}');
    const result = await ends(owner, "set_charge_amps 10", 4); // one that does not tell its scopes is Tesla's to judge
    assert.deepEqual(calls(result.requests), [COMMAND]);
  });
});

test("the outputs were searched for secrets", () => assert.ok(outputsSearched() > 80));
