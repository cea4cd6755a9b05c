// read_charge, list_vehicles, wake_up, and set_charge_amps without signing: what is sent, what the owner sees, and
// what each kind of answer leads to. (Row by row, the table of advice is in explanations.test.ts; signed commands
// are in signed.test.ts.)
import assert from "node:assert/strict";
import { readFileSync, rmSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { describe, test } from "node:test";
import timers from "node:timers/promises";
import { commandNamed, sendCommand } from "../../lib/command.ts";
import { askFleetApi } from "../../lib/tesla_fetch.ts";
import {
  assertEnd,
  calls,
  FLEET,
  IN_A_HURRY,
  inside,
  type Owner,
  type OwnerOptions,
  outputsSearched,
  ownerTest,
  type Result,
  SCOPES,
  useFewProcesses,
  VIN,
} from "../support/harness.ts";

useFewProcesses();
const pause = timers.setTimeout; // the pauses of scripts inside this process; no test waits for a fixed time
timers.setTimeout = ((ms = 0, value) => pause(ms / 100, value)) as typeof pause;
syncBuiltinESMExports();

const READ_PATH = `vehicles/${VIN}/vehicle_data?endpoints=charge_state`;
const READ = `GET ${FLEET}/api/1/${READ_PATH}`;
const COMMAND = `POST ${FLEET}/api/1/vehicles/${VIN}/command/set_charging_amps`;
const DOCUMENTED = JSON.parse(
  readFileSync(new URL("../simulator_tests/documented_answers.json", import.meta.url), "utf8"),
);
const STEERS = "a\u001b[2J\u0007\r\nb\u007f\u0085\u009b31m\u200b\u202e\u2066\u2028\ufeff\u{e0041}c"; // a terminal
const STEERS_ESCAPED = [
  "\\u007f",
  "\\u0085",
  "\\u009b31m",
  "\\u200b",
  "\\u202e",
  "\\u2066",
  "\\u2028",
  "\\ufeff",
  "\\udb40\\udc41",
];
const DAY = 86_400_000;

/** The car's answer to a read: Tesla's example, with these changes, and as of now unless they say otherwise. */
function charging(
  owner: Owner,
  changes: Record<string, unknown>,
  example = "charging_3phase",
  car: object = {},
): void {
  const { response } = structuredClone(DOCUMENTED[`vehicle_data_charge_state_200_${example}`]);
  const charge_state = { ...response.charge_state, timestamp: Date.now(), ...changes };
  owner.simulator.clear();
  owner.answer("/vehicle_data", 200, { response: { ...response, ...car, charge_state } });
}

describe("read_charge", { concurrency: 3 }, () => {
  const LIMIT = "limit 80 %, range 276 km (171 mi)";
  // biome-ignore format: a table, one row a line
  const screens: [string, string, Record<string, unknown>, string][] = [
    ["one phase", "charging_1phase", {},
      `battery    61 %, ${LIMIT}\ncharging   24 A, 226 V, 1 phase, 5 kW; set to 24 A of at most 32 A\nadded      3.1 kWh, time left 1 h 25 min\n`],
    ["three phases", "charging_3phase", {},
      `battery    61 %, ${LIMIT}\ncharging   16 A, 231 V, 3 phases, 11 kW; set to 16 A of at most 16 A\nadded      3.1 kWh, time left 1 h 25 min\n`],
    ["a fast charger", "charging_1phase", { fast_charger_present: true, charger_power: 150, charger_phases: null },
      `battery    61 %, ${LIMIT}\ncharging   at a fast charger, 150 kW\nadded      3.1 kWh, time left 1 h 25 min\n`],
    ["complete", "complete", {}, `battery    80 %, ${LIMIT}\ncharging   complete; set to 16 A of at most 16 A\n`],
    ["unplugged", "disconnected", {}, `battery    61 %, ${LIMIT}\ncharging   not plugged in; set to 48 A of at most 48 A\n`],
    ["no power", "no_power", {},
      `battery    61 %, ${LIMIT}\ncharging   plugged in, but the station gives no power; set to 16 A of at most 16 A\n`],
    ["stopped", "stopped", {}, `battery    61 %, ${LIMIT}\ncharging   stopped; set to 16 A of at most 16 A\n`],
    ["a new state", "stopped", { charging_state: "Calibrating" },
      `battery    61 %, ${LIMIT}\ncharging   Calibrating; set to 16 A of at most 16 A\n`],
    ["no time known", "charging_1phase", { minutes_to_full_charge: -1, battery_range: 0.4 },
      "battery    61 %, limit 80 %, range 1 km (0 mi)\ncharging   24 A, 226 V, 1 phase, 5 kW; set to 24 A of at most 32 A\n"
      + "added      3.1 kWh, time left unknown\n"],
    ["days left", "charging_1phase", { minutes_to_full_charge: 3001.4 },
      `battery    61 %, ${LIMIT}\ncharging   24 A, 226 V, 1 phase, 5 kW; set to 24 A of at most 32 A\nadded      3.1 kWh, time left 50 h 1 min\n`],
  ];
  ownerTest("what is shown: rows that mean something now, in km and miles", {}, async (owner) => {
    for (const [title, example, changes, stdout] of screens) {
      charging(owner, changes, example);
      const result = await owner.run("read_charge");
      assertEnd(result, 0);
      assert.equal(result.stdout, stdout, title);
      assert.equal(result.stderr, `${READ.replace(" ", " https://")}  200\n`);
      assert.deepEqual(calls(result.requests), [READ]);
      assert.equal(result.requests[0]?.headers.authorization, `Bearer ${owner.token().access_token}`);
    }
  });

  // Tesla's charger_phases, then volts, amps and kW, and what they say together.
  // biome-ignore format: a table, one row a line
  const phases: [unknown, number, number, number, string][] = [
    [4, 230, 16, 11, "3 phases"], [2, 230, 16, 7, "2 phases"], [2, 231, 16, 11, "3 phases"], [1, 230, 32, 7, "1 phase"],
    [null, 240, 48, 11, "1 phase"], [3, 230, 16, 3, "1 phase"], [1, 230, 16, 22, "phases unknown"],
    [2, 230, 5, 3, "3 phases"], [1, 230, 5, 1, "1 phase"], [4, 230, 2, 1, "phases unknown"],
    [2, 230, 2, 1, "phases unknown"], // Tesla's 2 is what three phases give as well
  ];
  ownerTest("phases are worked out from power, volts and amps", {}, async (owner) => {
    for (const [charger_phases, charger_voltage, charger_actual_current, charger_power, words] of phases) {
      charging(owner, { charger_phases, charger_voltage, charger_actual_current, charger_power });
      const { stdout } = await owner.run("read_charge");
      const shown = `${charger_actual_current} A, ${charger_voltage} V, ${words}, ${charger_power} kW;`;
      assert.ok(stdout.includes(shown), `${charger_phases}: not ${shown}\n${stdout}`);
    }
  });

  // The car's state, the age of the data, and how the row "as of" ends, if there is one.
  // biome-ignore format: a table, one row a line
  const ages: [unknown, unknown, RegExp | undefined][] = [
    ["asleep", 3 * DAY + 60_000, /^as of {6}\d{4}-\d\d-\d\d \d\d:\d\d \(3 days ago\): the car is asleep, and Tesla sent what it had kept$/m],
    ["offline", DAY + 60_000, /\(1 day ago\): the car is offline, and/],
    ["asleep", 1000, /^as of {6}(\d{4}-\d\d-\d\d )?\d\d:\d\d: the car is asleep, and/m],
    ["online", 2 * DAY + 60_000, /\(2 days ago\): the car is online, and/],
    [null, 2 * DAY + 60_000, /\(2 days ago\): the car is out of reach, and/],
    ["asleep", undefined, /^as of {6}an unknown time: the car is asleep/m],
    ["asleep", "text", /an unknown time/], ["asleep", -1e300, /an unknown time/],
    ["online", 1000, undefined], ["online", -HOURS(2), undefined], ["online", undefined, undefined], [undefined, 1000, undefined],
  ];
  ownerTest("data that Tesla had kept: its age is said; exit 0, and the car sleeps on", {}, async (owner) => {
    for (const [state, age, words] of ages) {
      const timestamp = typeof age === "number" ? Date.now() - age : age;
      charging(owner, { timestamp }, "charging_1phase", { state });
      const result = await owner.run("read_charge");
      assertEnd(result, 0, "61 %", words ?? "");
      if (!words) assert.doesNotMatch(result.stdout, /as of/, `${state} ${age}`);
    }
    // As the simulated Tesla does it: 3 days old, and a car that a read does not wake.
    owner.simulator.clear();
    owner.simulator.car.awake = false;
    owner.simulator.fail("cached_data", 1);
    assertEnd(await owner.run("read_charge"), 0, /\(3 days ago\): the car is asleep/);
    assertEnd(
      await owner.run("read_charge"),
      3,
      "error: the car is asleep or offline\nfound: 408 ",
      "wake_up ($0.02)",
    );
    assert.equal(owner.simulator.car.awake, false);
  });

  ownerTest("every field may be null, missing, or of another kind", {}, async (owner) => {
    const fields = Object.keys(
      DOCUMENTED.vehicle_data_charge_state_200_charging_1phase.response.charge_state,
    );
    for (const value of [null, undefined, STEERS, [{ a: 1 }], 1e100, "Charging"]) {
      charging(owner, { ...Object.fromEntries(fields.map((name) => [name, value])), new_field: 1 });
      const result = await owner.run("read_charge"); // the harness looks for control characters
      assertEnd(result, 0, "battery");
      assert.doesNotMatch(result.stdout, /undefined|null|NaN|Infinity/);
    }
    for (const body of [
      {},
      { response: null },
      { response: { charge_state: null } },
      { response: [] },
      null,
      "text",
    ]) {
      owner.simulator.clear();
      owner.answer("/vehicle_data", 200, JSON.stringify(body));
      const result = await owner.run("read_charge");
      assertEnd(result, 1, "error: Tesla's answer cannot be used\nfound: it has no charge_state\n");
      assert.equal(result.stdout, "");
    }
  });

  ownerTest(
    "--json: Tesla's own fields, harmless on a terminal; a token in them is not printed",
    {},
    async (owner) => {
      charging(owner, { charging_state: STEERS });
      const result = await owner.run("read_charge", ["--json"]);
      assertEnd(result, 0, ...STEERS_ESCAPED);
      assert.equal(JSON.parse(result.stdout).charging_state, STEERS);
      const sent = DOCUMENTED.vehicle_data_charge_state_200_charging_3phase.response.charge_state;
      assert.deepEqual(Object.keys(JSON.parse(result.stdout)), Object.keys(sent));
      const token = owner.token().access_token;
      const quotes = [token, `Bearer ${token}`, `{"token":"?${token}"}`];
      charging(owner, { quotes });
      const { stdout } = await owner.run("read_charge", ["--json"]); // the harness looks for secrets
      assert.equal(stdout.split("[secret removed]").length - 1, quotes.length);
    },
  );

  ownerTest("421: the region is named, and never followed", { region: "na" }, async (owner) => {
    owner.options.region = "eu";
    owner.setSettings();
    const { registrations } = owner.simulator.partner;
    registrations.eu = structuredClone(registrations.na);
    assertEnd(await owner.run("read_charge"), 5, "set TESLA_REGION=na");
    owner.simulator.fail("out_of_region_elsewhere");
    const elsewhere = await owner.run("read_charge");
    assertEnd(elsewhere, 5, "region");
    assert.doesNotMatch(elsewhere.stderr, /TESLA_REGION=fleet/);
    assert.deepEqual(calls(elsewhere.requests), [READ]);
    owner.simulator.clear();
    owner.setSettings({ TESLA_REGION: "na" });
    assertEnd(await owner.run("read_charge"), 0);
  });

  ownerTest("settings and arguments that are wrong: nothing is sent", {}, async (owner) => {
    for (const vin of [VIN.toLowerCase(), `${VIN}0`, "", `${VIN.slice(0, 16)}/`]) {
      owner.setSettings({ TESLA_VIN: vin });
      assertEnd(await owner.run("read_charge"), 5, "error: TESLA_VIN: missing or malformed\n");
    }
    owner.setSettings();
    assertEnd(
      await owner.run("read_charge", ["--jason"]),
      2,
      "fix:   run: npx tsx scripts/read_charge.ts [--json]",
    );
    assertEnd(await owner.run("read_charge", ["x"]), 2, "expected no arguments; got 1");
    rmSync(owner.path("tesla_token.json"));
    assertEnd(await owner.run("read_charge"), 4, "run get_token here");
    assert.deepEqual(owner.simulator.requests, []);
  });
});

function HOURS(count: number): number {
  return count * 3_600_000;
}

describe("list_vehicles", { concurrency: 3 }, () => {
  ownerTest("VIN, state and name; as JSON; none", {}, async (owner) => {
    const result = await owner.run("list_vehicles");
    assertEnd(result, 0, "put the VIN into .env as TESLA_VIN", "read_charge");
    assert.equal(result.stdout, `${VIN}  online  Testla\n`);
    assert.deepEqual(calls(result.requests), [`GET ${FLEET}/api/1/vehicles`]);
    owner.simulator.car.awake = false;
    assert.match((await owner.run("list_vehicles")).stdout, /asleep/);
    owner.answer("/vehicles", 200, DOCUMENTED.vehicles_list_200_empty);
    const none = await owner.run("list_vehicles");
    assertEnd(
      none,
      0,
      "no cars in this account",
      "get_token.ts --force",
      "log out at Tesla first",
      "private window",
    );
    assert.equal(none.stdout, "");
  });

  ownerTest("names that steer a terminal, numbers of 17 digits, odd cars: no harm", {}, async (owner) => {
    owner.simulator.fail("hostile_name");
    const people = await owner.run("list_vehicles"); // the harness looks for control characters
    assert.equal(people.stdout.split("\n").length, 2);
    assert.doesNotMatch(people.stderr, /forged/);
    const cars = `{"id":14930000000000421,"id_s":"14930000000000421","vin":"${VIN}","display_name":${JSON.stringify(STEERS)}}`;
    owner.answer("/vehicles", 200, `{"response":[${cars}]}`);
    const json = await owner.run("list_vehicles", ["--json"]);
    assertEnd(json, 0, '"id_s": "14930000000000421"', ...STEERS_ESCAPED);
    assert.equal(JSON.parse(json.stdout)[0].display_name, STEERS);
    owner.simulator.clear();
    owner.answer("/vehicles", 200, { response: [null, {}, { vin: 5, state: null, display_name: STEERS }] });
    const odd = await owner.run("list_vehicles");
    assertEnd(odd, 0);
    assert.equal(odd.stdout.trimEnd().split("\n").length, 3);
    assert.doesNotMatch(odd.stdout, /undefined|null/);
    for (const body of [{}, { response: {} }]) {
      owner.simulator.clear();
      owner.answer("/vehicles", 200, body);
      assertEnd(await owner.run("list_vehicles"), 1, "no list of cars");
    }
  });
});

describe("wake_up", { concurrency: 3 }, () => {
  const CAR = `${FLEET}/api/1/vehicles/${VIN}`;
  ownerTest("one wake, then its state every five seconds, and what it cost", {}, async (owner) => {
    owner.simulator.car.awake = false;
    const result = await owner.run("wake_up", [], { node: IN_A_HURRY });
    assertEnd(result, 0, "the car is online (1 wake and 2 looks, $0.024)", /^waits 5000\n[^]*^waits 5000\n/m);
    assert.deepEqual(calls(result.requests), [`POST ${CAR}/wake_up`, `GET ${CAR}`, `GET ${CAR}`]);
    assert.deepEqual(owner.simulator.bill(), { data: 2, command: 0, wake: 1, auth: 0, partner: 0 });
    const awake = await owner.run("wake_up");
    assertEnd(awake, 0, "(1 wake and 0 looks, $0.020)");
    assert.deepEqual(calls(awake.requests), [`POST ${CAR}/wake_up`]);
  });

  // The failure, how often, the exit code, how many requests, and what is said.
  const NO_CIRCLE = "try again in a minute, or open the Tesla app (free)";
  const PAID = /paid so far: 1 wake and 12 looks, \$0\.044\nfix: {3}look with list_vehicles/;
  // biome-ignore format: a table, one row a line
  const answers: [string, number, number, number, ...(string | RegExp)[]][] = [
    ["", 1, 3, 13, 'state "asleep"; ', PAID],
    ["wrong_shape_list", Infinity, 3, 13, PAID], // an answer without a state: it asks for the state, as usual
    ["poll_fails", 1, 0, 13, "this look failed: Tesla's server failed", "(1 wake and 12 looks, $0.044)"],
    ["poll_fails", Infinity, 3, 13, PAID],
    ["wake_up_asleep", 1, 3, 1, NO_CIRCLE], ["vehicle_not_available", 1, 3, 1, NO_CIRCLE],
    ["vehicle_asleep_older", 1, 3, 1, NO_CIRCLE], ["request_timeout", 1, 3, 1, NO_CIRCLE],
    ["rate_limited", 1, 7, 1, "37 seconds"], ["no_healthy_upstream", 1, 1, 1, "try again in a few minutes"],
    ["server_error", 1, 8, 1, "list_vehicles", "another wake_up may cost another $0.02"], ["hang_up_after", 1, 8, 1, "list_vehicles"],
  ];
  ownerTest("never woken twice; no advice to run wake_up again", {}, async (owner) => {
    const { car, garage } = owner.simulator;
    for (const [failure, times, code, count, ...words] of answers) {
      owner.simulator.clear();
      Object.assign(car, { awake: false });
      Object.assign(garage, { wakePolls: failure === "poll_fails" ? 11 : 1000 });
      if (failure) owner.simulator.fail(failure, { times });
      const result = await owner.run("wake_up");
      assertEnd(result, code, ...words);
      assert.equal(result.requests.length, count, failure);
      assert.equal(result.requests.filter(({ method }) => method === "POST").length, 1, failure);
      assert.doesNotMatch(result.stderr, /run wake_up/, failure);
    }
  });
});

const REST: OwnerOptions = { settings: { TESLA_COMMANDS: "rest" }, keys: false };
const OPAQUE = JSON.stringify({ access_token: "opaque-token", refresh_token: "opaque" });

/** A plain command through lib/command.ts, without a process of its own. */
function send(owner: Owner): Promise<Result> {
  return inside(owner, () =>
    sendCommand(commandNamed("set_charging_amps", { charging_amps: 11 }), owner.token()),
  );
}

describe("the same answer to a read and to a command", { concurrency: 3 }, () => {
  // Exit code of a read and of a command. Only where nobody knows whether it was carried out do they differ.
  // biome-ignore format: a table, one row a line
  const answers: [string, number, number, ...(string | RegExp)[]][] = [
    ["token_expired", 4, 4, "refresh_token"], ["payment_required", 7, 7], ["billing_limit", 7, 7], ["rate_limited", 7, 7, "37 seconds"],
    ["vehicle_in_service", 6, 6], ["vehicle_asleep", 3, 3, "wake_up"], ["vehicle_not_available", 3, 3, "wake_up"],
    ["no_healthy_upstream", 1, 1, "a few minutes"], ["out_of_region", 5, 5, "TESLA_REGION=na"], ["validation", 6, 6, "must be a number"],
    ["dependency", 6, 6], ["legal", 6, 6], ["html_access_denied", 1, 1, "web page"], ["redirect_301", 1, 1, "redirect"],
    ["redirect_308", 1, 1, "redirect"], ["echoes_secret", 6, 6], ["escape_sequences", 6, 6],
    ["server_error", 1, 8], ["server_error_plain", 1, 8], ["upstream_timeout", 1, 8], ["bad_gateway", 1, 8], ["service_unavailable", 1, 8],
    ["gateway", 1, 8], ["device_unexpected", 1, 8], ["html_firewall", 1, 8], ["empty_body", 1, 8], ["truncated_json", 1, 8],
    ["not_json", 1, 8], ["oversized", 1, 8, "1 MiB"], ["hang_up_before", 1, 8], ["hang_up_after", 1, 8],
  ];
  ownerTest("exit code, words, one request", REST, async (owner) => {
    owner.simulator.car.protocolRequired = false;
    for (const [failure, ofRead, ofCommand, ...words] of answers) {
      owner.simulator.clear();
      owner.simulator.fail(failure);
      const read = await inside(owner, () => askFleetApi("eu", READ_PATH, owner.token().access_token));
      assertEnd(read, ofRead, ...words);
      assert.deepEqual(calls(read.requests), [READ], failure);
      const executed = owner.simulator.car.executed.length;
      const command = await send(owner);
      assertEnd(command, ofCommand, ...words, ofCommand === 8 ? "check with read_charge" : "");
      assert.deepEqual(calls(command.requests), [COMMAND], failure);
      assert.ok(owner.simulator.car.executed.length - executed <= 1, failure);
      // Tesla's number for its support is told where there is one.
      if (/"txid"/.test(read.stderr)) assert.match(read.stderr, /txid [0-9a-f]{32}/);
    }
    for (const response of [undefined, {}, { result: "true" }, { result: null, reason: "" }]) {
      owner.simulator.clear();
      owner.answer("/command", 200, { response });
      assertEnd(await send(owner), 8, "found: Tesla's answer holds no verdict from the car", "read_charge");
    }
    // Two of them in the scripts themselves: nothing on stdout.
    for (const [failure, ofRead, ofCommand] of [
      ["hang_up_after", 1, 8],
      ["vehicle_asleep", 3, 3],
    ] as const) {
      owner.simulator.clear();
      owner.simulator.fail(failure);
      const read = await owner.run("read_charge");
      const command = await owner.run("set_charge_amps", ["11"]);
      assertEnd(read, ofRead);
      assertEnd(command, ofCommand);
      assert.deepEqual([read.stdout, command.stdout], ["", ""]);
    }
  });

  // Tesla's 403 although the token has the scope: its advice would lead in a circle.
  const HAS_IT = "error: Tesla says that a scope is missing, but your token has it\n";
  ownerTest("403 about a scope: what the token has counts", REST, async (owner) => {
    owner.simulator.car.protocolRequired = false;
    for (const failure of ["missing_scope", "missing_scope_unnamed", "invalid_scope_403"]) {
      owner.simulator.clear();
      owner.simulator.fail(failure);
      owner.logIn();
      for (const script of [["read_charge"], ["list_vehicles"]]) {
        assertEnd(await owner.run(...(script as [string])), 5, HAS_IT, "fix:   try again in a minute");
      }
      assertEnd(await owner.run("set_charge_amps", ["10"]), 5, HAS_IT, "fix:   try again in a minute");
      owner.write("tesla_token.json", OPAQUE); // it does not tell its scopes
      assertEnd(await owner.run("read_charge"), 5, "lacks a scope", "--force and tick every box");
      assertEnd(
        await owner.run("set_charge_amps", ["10"]),
        5,
        "tick every box (it needs vehicle_charging_cmds)",
      );
    }
    owner.logIn({}, SCOPES.replace(" vehicle_device_data", ""));
    assertEnd(await owner.run("read_charge"), 5, "lacks a scope", "tick it on your app's page");
    for (const [failure, code] of [
      ["billing_limit", 7],
      ["protocol_required", 5],
    ] as const) {
      owner.simulator.clear();
      owner.simulator.fail(failure);
      const result = await send(owner);
      assertEnd(result, code);
      assert.doesNotMatch(result.stderr, /needs vehicle|try again in a minute/, failure);
    }
  });
});

describe("set_charge_amps", { concurrency: 3 }, () => {
  ownerTest("one request; what the car accepted on stderr, nothing on stdout", REST, async (owner) => {
    const { car } = owner.simulator;
    car.protocolRequired = false;
    const LIMIT = "the limit of the car or the station may be lower; --verify shows it\n";
    const AGAIN = "cars accept 1–4 A only on a second call; run this again in a few seconds\n";
    // Asked, taken by the car, and the line that follows.
    const cases = [
      [10, 10, ""],
      [0, 0, ""],
      [5, 5, ""],
      [16, 16, ""],
      [17, 16, LIMIT],
      [32, 16, LIMIT],
      [1, 5, AGAIN],
      [1, 1, AGAIN],
      [4, 5, AGAIN],
      [4, 4, AGAIN],
    ] as const;
    for (const [amps, taken, line] of cases) {
      const result = await owner.run("set_charge_amps", [String(amps)]);
      assertEnd(result, 0);
      const said = `POST https://${COMMAND.slice(5)}  200\ndone: the car accepted ${amps} A (1 request, $0.001)\n${line}`;
      assert.deepEqual([result.stderr, result.stdout, car.amps], [said, "", taken]);
      assert.deepEqual(calls(result.requests), [COMMAND]);
      assert.equal(result.requests[0]?.body, `{"charging_amps":${amps}}`);
    }
    owner.simulator.fail("reason:disconnected");
    const refused = await owner.run("set_charge_amps", ["3"]); // needs no such advice
    assertEnd(refused, 6, 'found: "disconnected" from the car\nfix:   plug the car in\n');
    assert.doesNotMatch(refused.stderr, /second call/);
    assert.equal(owner.has("tesla_session.json"), false);
  });

  ownerTest("AMPS is a whole number from 0 to 80, and nothing else", REST, async (owner) => {
    for (const amps of ["", "1.5", "-1", "81", "1e1", "٣", "0x10", " 8", "100"]) {
      const result = await owner.run("set_charge_amps", ["--", amps]);
      assertEnd(
        result,
        2,
        `error: wrong usage\nfound: AMPS is "${amps}"\n`,
        "AMPS is a whole number from 0 to 80",
      );
    }
    for (const words of [[], ["5", "6"], ["-5"], ["--below-5", "5"]]) {
      const found = words[0]?.startsWith("-")
        ? `Unknown option '${words[0]}'`
        : `expected AMPS; got ${words.length}`;
      assertEnd(
        await owner.run("set_charge_amps", words),
        2,
        found,
        "run: npx tsx scripts/set_charge_amps.ts AMPS",
      );
    }
    owner.setSettings({ TESLA_COMMANDS: "proxy" });
    assertEnd(
      await owner.run("set_charge_amps", ["5"]),
      5,
      'TESLA_COMMANDS is "proxy"',
      "signed (nearly every car), or rest",
    );
    assert.deepEqual(owner.simulator.requests, []);
  });

  ownerTest("--dry-run sends nothing and shows what would be sent; it needs no login", {}, async (owner) => {
    const plain = 'set_charging_amps {"charging_amps":16}\n';
    const expected = [
      ["rest", "command/set_charging_amps", plain],
      ["signed", "signed_command", `${plain}to sign: 1205da02020810\n`], // 2 vehicleAction, 43 setChargingAmpsAction, 1: 16
    ] as const;
    const token = owner.read("tesla_token.json");
    rmSync(owner.path("tesla_token.json"));
    for (const [way, path, content] of expected) {
      owner.setSettings({ TESLA_COMMANDS: way });
      const result = await owner.run("set_charge_amps", ["16", "--dry-run"]);
      assertEnd(result, 0);
      assert.equal(result.stdout, `POST https://${FLEET}/api/1/vehicles/${VIN}/${path}\n${content}`);
      assert.deepEqual([result.stderr, result.requests, owner.has("tesla_session.json")], ["", [], false]);
    }
    // These very bytes are signed and sent; the request that they are part of has them in the clear.
    owner.write("tesla_token.json", token);
    const sent = await owner.run("set_charge_amps", ["16"]);
    assertEnd(sent, 0, "done: the car accepted 16 A (2 requests, $0.002)\n");
    const messages = sent.requests.map(({ body }) =>
      Buffer.from(JSON.parse(body).routable_message, "base64"),
    );
    const held = messages.map((message) => message.includes(Buffer.from("1205da02020810", "hex")));
    assert.deepEqual(held, [false, true]); // the handshake, and the command
  });

  // What the car reports after the command; the exit code, stdout, and what is said. 0 ms old counts as fresh.
  const STALE = "error: not verified: Tesla sent no fresh data\nfound: data from before the command\n";
  // biome-ignore format: a table, one row a line
  const readings: [string, number, Record<string, unknown>, number, string, ...string[]][] = [
    ["as asked", 9, {}, 0, "9\n", "verified: the car now asks for 9 A (2 requests in total, $0.003)\n"],
    ["none at all", 0, {}, 0, "0\n", "verified: the car now asks for 0 A"],
    ["a lower limit", 32, {}, 6, "16\n", "error: the car accepted 32 A but now asks for 16 A\n", "fix:   choose 16 A or less\n"],
    ["another app asks for more", 9, { charge_current_request: 12 }, 6, "12\n", "accepted 9 A but now asks for 12 A", "another app"],
    ["3 A: the screen shows 5, 3 are drawn", 3, { charge_current_request: 5, charger_actual_current: 3 }, 0, "3\n", "the car now draws 3 A"],
    ["4 A: the same", 4, { charge_current_request: 5, charger_actual_current: 4 }, 0, "4\n", "the car now draws 4 A"],
    ["3 A, not charging", 3, { charge_current_request: 5, charger_actual_current: 0 }, 1, "", "not verified: the car is not charging"],
    ["3 A, no figure", 3, { charger_actual_current: null }, 1, "", "not verified: the car is not charging"],
    ["3 A not taken yet", 3, { charge_current_request: 5, charger_actual_current: 5 }, 6, "5\n", "run this again in a few seconds"],
    ["5 A is not below 5", 5, { charge_current_request: 5, charger_actual_current: 3 }, 0, "5\n", "the car now asks for 5 A"],
    ["old data that disagrees", 9, { charge_current_request: 12, timestamp: 1_767_225_605_123 }, 1, "", STALE],
    ["old data that happens to agree", 9, { charge_current_request: 9, timestamp: 1_767_225_605_123 }, 1, "", STALE, "read_charge in a minute"],
    ["3 A, old data that happens to agree", 3, { charger_actual_current: 3, timestamp: 1_767_225_605_123 }, 1, "", STALE],
    ["data of no known age", 9, { charge_current_request: 9, timestamp: null }, 1, "", STALE],
    ["no figure", 9, { charge_current_request: null }, 1, "", "found: no charge_current_request"],
  ];
  ownerTest("--verify says what the car now asks for, from fresh data alone", REST, async (owner) => {
    const { car, garage } = owner.simulator;
    car.protocolRequired = false;
    for (const [title, amps, changes, code, stdout, ...words] of readings) {
      garage.reportedCharge = changes;
      const options = title === "as asked" ? { node: IN_A_HURRY } : undefined; // a process of its own, once
      const result = await owner.run("set_charge_amps", [String(amps), "--verify"], options);
      assertEnd(result, code, "done: the car accepted", ...words);
      assert.equal(result.stdout, stdout, title);
      assert.deepEqual(calls(result.requests), [COMMAND, READ]);
      assert.doesNotMatch(result.stderr, /--verify/, title);
    }
    garage.reportedCharge = {};
    owner.simulator.fail("cached_data", 1); // as Tesla does it for a car that has just gone out of reach
    assertEnd(await owner.run("set_charge_amps", ["16", "--verify"]), 1, STALE);
    owner.simulator.fail("vehicle_asleep", { path: "/vehicle_data" });
    assertEnd(await owner.run("set_charge_amps", ["9", "--verify"]), 3);
    owner.simulator.clear();
    owner.answer("/vehicle_data", 200, { response: null });
    assertEnd(await owner.run("set_charge_amps", ["9", "--verify"]), 1);
  });

  const NO_COMMANDS = "openid offline_access vehicle_device_data";
  ownerTest("a token without the scope: nothing is sent", { scopes: NO_COMMANDS }, async (owner) => {
    for (const way of ["signed", "rest"]) {
      owner.setSettings({ TESLA_COMMANDS: way });
      const result = await owner.run("set_charge_amps", ["10", "--verify"]);
      assertEnd(
        result,
        5,
        "error: set_charging_amps needs the scope vehicle_charging_cmds; nothing was sent\n"
          + `found: granted: ${NO_COMMANDS}\nfix:   tick it on your app's page on developer.tesla.com, `
          + "add it to TESLA_SCOPES, run get_token --force\n",
      );
      assert.deepEqual([result.requests, result.stdout], [[], ""]);
    }
    owner.simulator.car.protocolRequired = false;
    owner.logIn({}, `${NO_COMMANDS} vehicle_cmds`); // that will do
    assertEnd(await owner.run("set_charge_amps", ["10"]), 0);
    owner.write("tesla_token.json", OPAQUE); // one that does not tell its scopes is Tesla's to judge
    const result = await owner.run("set_charge_amps", ["10"]);
    assertEnd(result, 4);
    assert.deepEqual(calls(result.requests), [COMMAND]);
  });

  ownerTest("the car's own verdict decides", REST, async (owner) => {
    owner.simulator.car.protocolRequired = false;
    // biome-ignore format: a table, one row a line
    const reasons: [string, number, string?][] = [
      ["already_set", 0, "nothing to do: the car reports already_set (1 request, $0.001)\n"], ["already_started", 0],
      ["is_charging", 6], ["charging", 6], ["requested", 6], ["not_charging", 6], // of other commands these are no success
      ["disconnected", 6, "plug the car in"], ["complete", 6, "charge limit"], ["no_power", 6, "check the station"],
      ["could_not_wake_buses", 6, "5 seconds"], ["user_present", 6], ["", 6, '"no reason given" from the car'],
      ["unsigned_cmds_hardlocked", 5, "TESLA_COMMANDS=signed"], [`something ${STEERS}`, 6, "something a [2J b"],
    ];
    for (const [reason, code, word = reason] of reasons) {
      owner.simulator.clear();
      owner.simulator.fail(`reason:${reason}`);
      const result = await owner.run("set_charge_amps", ["11"]);
      assertEnd(result, code, word);
      assert.deepEqual([result.requests.length, result.stdout], [1, ""]);
    }
  });
});

test("the outputs were searched for secrets", () =>
  assert.ok(outputsSearched() > 140, String(outputsSearched())));
