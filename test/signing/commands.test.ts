// Is every command of lib/signing/commands.ts encoded as Tesla's message definitions require?
//
// Three independent witnesses: a protobuf library with the definitions of commands.proto, told below for each
// command what it must hold (never derived from the table); the vectors of Tesla's own code
// (vectors/payloads.json); and plain lists of what must be refused. Nothing here reaches a network.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { COMMANDS, type CommandRow, NOT_SIGNED, type Parameters } from "../../lib/signing/commands.ts";
import { encodeCommand } from "../../lib/signing/encode_command.ts";
import { encodeFields } from "../../lib/signing/wire.ts";
import {
  allDays,
  CASES,
  car,
  CHARGING,
  type Content,
  encodeIndependently,
  LENGTHS,
  ONCE,
  RANGES,
} from "./command_cases.ts";

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), "utf8");

/** What the car is sent for a command, in hex. */
function sentFor(name: string, parameters: Content): string {
  return encodeFields(encodeCommand(name, parameters).message).toString("hex");
}

const ROWS = Object.entries(COMMANDS);
const parametersOf = ({ parameters, beside }: CommandRow): Parameters => ({ ...parameters, ...beside });
const keysOf = (row: CommandRow): string[] =>
  Object.keys(parametersOf(row)).map((label) => label.replace("?", ""));

// biome-ignore format: a table of words and numbers
const SECURITY_COMMANDS = [
  "door_lock", "door_unlock", "remote_start_drive", "actuate_trunk", "open_tonneau", "close_tonneau",
  "stop_tonneau",
];

test("every command of the table gives the bytes of an independent encoder", () => {
  for (const [name, parameters, hex] of CASES) {
    assert.equal(sentFor(name, parameters), hex, `${name} ${JSON.stringify(parameters)}`);
    const { domain } = encodeCommand(name, parameters);
    assert.equal(domain, SECURITY_COMMANDS.includes(name) ? 2 : 3, `${name}: domain`);
  }
  const tried = (name: string): Content[] =>
    CASES.flatMap(([one, parameters]) => (one === name ? [parameters] : []));
  for (const [name, row] of ROWS) {
    const keys = keysOf(row);
    const least = keys.length > 0 ? 2 : 1;
    assert.ok(tried(name).length >= least, `${name} is tried, with two sets of parameters`);
    const given = new Set(tried(name).flatMap((parameters) => Object.keys(parameters)));
    for (const key of keys) assert.ok(given.has(key), `${name} ${key} is tried`);
  }
});

// Which command, with which parameters, each vector of Tesla's own code stands for; "refused": Tesla's code
// would send it, but it is outside the table's range; "none": no command of Tesla's REST documentation.
// biome-ignore format: a table of words and numbers
const VECTORS: Record<string, [string, Content] | "none" | "name"> = {
  "setChargingAmpsAction 16": ["set_charging_amps", { charging_amps: 16 }],
  "setChargingAmpsAction 0": ["set_charging_amps", { charging_amps: 0 }],
  "setChargingAmpsAction 1": ["set_charging_amps", { charging_amps: 1 }],
  "setChargingAmpsAction 5": ["set_charging_amps", { charging_amps: 5 }],
  "setChargingAmpsAction 32": ["set_charging_amps", { charging_amps: 32 }],
  "setChargingAmpsAction 48": ["set_charging_amps", { charging_amps: 48 }],
  "setChargingAmpsAction 80": ["set_charging_amps", { charging_amps: 80 }],
  "setChargingAmpsAction -1": ["refused set_charging_amps", { charging_amps: -1 }],
  "chargingStartStopAction start": ["charge_start", {}], "chargingStartStopAction stop": ["charge_stop", {}],
  "chargingStartStopAction start_standard": ["charge_standard", {}],
  "chargingStartStopAction start_max_range": ["charge_max_range", {}],
  "chargingSetLimitAction 50": ["set_charge_limit", { percent: 50 }],
  "chargingSetLimitAction 80": ["set_charge_limit", { percent: 80 }],
  "chargingSetLimitAction 100": ["set_charge_limit", { percent: 100 }],
  "chargingSetLimitAction 0": ["refused set_charge_limit", { percent: 0 }],
  "chargePortDoorOpen": ["charge_port_door_open", {}], "chargePortDoorClose": ["charge_port_door_close", {}],
  "vehicleControlFlashLightsAction": ["flash_lights", {}], "vehicleControlHonkHornAction": ["honk_horn", {}],
  "hvacAutoAction on": ["auto_conditioning_start", {}], "hvacAutoAction off": ["auto_conditioning_stop", {}],
  "scheduledChargingAction on 02:00": ["set_scheduled_charging", { enable: true, time: 120 }],
  "scheduledChargingAction on 00:00": ["set_scheduled_charging", { enable: true, time: 0 }],
  "scheduledChargingAction off": ["set_scheduled_charging", { enable: false }], "ping 1": "none",
  "getVehicleData getChargeState": "none", "getVehicleData getChargeState+getChargeScheduleState": "none",
  "addChargeScheduleAction full": "name", // holds a name, which the documented command does not take
  "addChargeScheduleAction negative coordinates one-time": ["add_charge_schedule", { id: 1099511627776,
    days_of_week: "Weekdays", start_enabled: false, end_enabled: true, end_time: 1439, one_time: true,
    enabled: true, lat: -33.86882, lon: -151.20929 }],
  "removeChargeScheduleAction": ["remove_charge_schedule", { id: 1753180000 }],
  "batchRemoveChargeSchedulesAction home": ["batch_remove_charge_schedules", { home: true }],
  "setVehicleNameAction unicode 300 bytes": ["set_vehicle_name", { vehicle_name: "Zoë".repeat(75) }],
  "RKE lock": ["door_lock", {}], "RKE unlock": ["door_unlock", {}], "RKE wake": "none",
  "RKE remote drive": ["remote_start_drive", {}], "VCSEC get status": "none",
  "VCSEC rear trunk move": ["actuate_trunk", { which_trunk: "rear" }],
};

test("the vectors of Tesla's own code: the definitions give their bytes, and so does the table", () => {
  const { vectors } = JSON.parse(read("../vectors/payloads.json")) as {
    vectors: { name: string; domain: string; hex: string; decoded: Content }[];
  };
  const count = { same: 0, refused: 0, none: 0 };
  for (const { name, domain, hex, decoded } of vectors) {
    const type = domain === "vcsec" ? "UnsignedMessage" : "Action";
    assert.equal(encodeIndependently(type, decoded), hex, `${name}: commands.proto`);
    const meant = VECTORS[name];
    assert.ok(meant, `${name} is a vector that no one has looked at`);
    if (meant === "none") {
      count.none += 1;
    } else if (meant === "name") {
      // without its name the schedule is the vector less the name's six bytes (12 04 "Home")
      // biome-ignore format: words and numbers
      const sent = sentFor("add_charge_schedule", {
        id: 1753180000, days_of_week: "All", start_enabled: true, start_time: 75, end_enabled: true,
        end_time: 390, enabled: true, lat: 52.520008, lon: 13.404954,
      });
      const nameless = hex.replace("1204486f6d65", "").replace("12268a0623", "12208a061d");
      assert.equal(sent, nameless);
      count.same += 1;
    } else if (meant[0].startsWith("refused ")) {
      assert.throws(() => encodeCommand(meant[0].slice(8), meant[1]), /must be a whole number from/);
      count.refused += 1;
    } else {
      assert.equal(sentFor(meant[0], meant[1]), hex, name);
      assert.equal(encodeCommand(meant[0], meant[1]).domain, domain === "vcsec" ? 2 : 3, name);
      count.same += 1;
    }
  }
  assert.deepEqual(count, { same: 32, refused: 2, none: 5 });
  assert.equal(vectors.length, 39);
  assert.equal(Object.keys(VECTORS).length, 39);
});

test("a schedule without an id gets the time in seconds, as Tesla's proxy does it", () => {
  const before = Math.floor(Date.now() / 1000);
  const parameters = { ...allDays, days_of_week: "All" };
  const sent = sentFor("add_charge_schedule", parameters);
  const after = Math.floor(Date.now() / 1000);
  const possible = [before, after].map((id) => sentFor("add_charge_schedule", { ...parameters, id }));
  assert.equal(possible.includes(sent), true, "the id is not this second");
});

test("each spelling of a day that Tesla's proxy takes gives that day's bit", () => {
  // biome-ignore format: a table of words and numbers
  const bits: [string, number][] = [
    ["Sun", 1], ["Sunday", 1], ["Mon", 2], ["Monday", 2], ["Tues", 4], ["Tuesday", 4], ["Wed", 8],
    ["Wednesday", 8], ["Thurs", 16], ["Thursday", 16], ["Fri", 32], ["Friday", 32], ["Sat", 64],
    ["Saturday", 64], ["All", 127], ["Weekdays", 62], ["Weekdays, Sun ,SAT", 127], ["Mon,Mon", 2],
  ];
  for (const [days_of_week, days] of bits) {
    const sent = sentFor("add_charge_schedule", { ...allDays, id: 9, days_of_week });
    const always = { start_enabled: true, enabled: true, latitude: 52.5, longitude: 13.25 };
    assert.equal(
      sent,
      car({ addChargeScheduleAction: { id: 9, days_of_week: days, ...always } }),
      days_of_week,
    );
  }
});

// For each command one set of parameters that it takes, from the cases above.
const good = new Map(CASES.map(([name, parameters]) => [name, parameters]));

test("every parameter of a wrong kind or out of its range is refused by name", () => {
  for (const [name, row] of ROWS) {
    for (const [label, rule] of Object.entries(parametersOf(row))) {
      const key = label.replace("?", "");
      const wrong: unknown[] = [null, [], {}, [1], { a: 1 }, { toString: {} }];
      if (!Array.isArray(rule)) wrong.push("", "nonsense", 0, true, "toString", "__proto__");
      else if (["flag", "all week", "weekdays"].includes(rule[1])) wrong.push(0, 1, "true", "");
      else if (rule[1] === "pin") wrong.push("", "123", "12345", "12a4", 1234, "１２３４", "1234\n");
      else if (rule[1] === "text") wrong.push("", "x".repeat(1001), 5, true);
      else if (rule[1] === "days") wrong.push("", "Tue", "Mon,", "All;Mon", 127, true, "Mon,Someday");
      else {
        const { 2: from = 1, 3: to = Number.MAX_SAFE_INTEGER } = rule;
        wrong.push(from - 1, to + 1, "1", "", true, NaN, Infinity, -Infinity);
        if (!["decimal", "decimal kept", "double"].includes(rule[1])) wrong.push(from + 0.5);
      }
      for (const value of wrong) {
        assert.throws(
          () => encodeCommand(name, { ...good.get(name), [key]: value }),
          (error: Error) => error.message.startsWith(`${key} must be `) && !error.message.includes("\n"),
          `${name} ${key} ${JSON.stringify(value)}`,
        );
      }
    }
  }
});

test("the ranges are the documented ones: both ends are taken, the next number is not", () => {
  for (const [name, key, from, to] of RANGES) {
    for (const value of [from, to]) encodeCommand(name, { ...good.get(name), [key]: value });
    for (const value of [from - 1, to + 1]) {
      assert.throws(
        () => encodeCommand(name, { ...good.get(name), [key]: value }),
        (error: Error) => error.message.endsWith(`number from ${from} to ${to}: found ${value}`),
        `${name} ${key} ${value}`,
      );
    }
  }
  for (const [name, key] of LENGTHS) {
    const give = (length: number) => encodeCommand(name, { ...good.get(name), [key]: "x".repeat(length) });
    for (const length of [0, 1001])
      assert.throws(() => give(length), /must be a text of 1 to 1000 characters/);
    for (const length of [1, 1000]) give(length);
  }
  const withRange = ROWS.flatMap(([name, row]) =>
    Object.entries(parametersOf(row))
      .filter(([, rule]) => Array.isArray(rule) && (rule[1] === "id" || rule.length === 4))
      .map(([label]) => `${name} ${label.replace("?", "")}`),
  );
  const tried = [...RANGES, ...LENGTHS].map(([name, key]) => `${name} ${key}`);
  assert.deepEqual(withRange.sort(), tried.sort());
});

test("what is missing, unknown or not signable is refused, and the message says what there is", () => {
  const fourDigits = "must be a text of four digits: found something else";
  // biome-ignore format: a table of words and numbers
  const refusals: [name: string, parameters: Content, message: string][] = [
    ["set_charging_amps", {}, "missing parameter charging_amps: set_charging_amps takes charging_amps"],
    ["set_charging_amps", { charging_amps: 81 }, "charging_amps must be a whole number from 0 to 80: found 81"],
    ["set_charging_amps", { charging_amps: 7.9 },
      "charging_amps must be a whole number from 0 to 80: found 7.9"],
    ["set_charging_amps", { amps: 7 }, "unknown parameter amps: set_charging_amps takes charging_amps"],
    ["honk_horn", { loud: true }, "unknown parameter loud: honk_horn takes no parameters"],
    ["window_control", { command: "open" }, 'command must be one of vent, close: found "open"'],
    ["window_control", { command: "close", lat: 91 }, "lat must be a number from -90 to 90: found 91"],
    ["speed_limit_activate", { pin: "12345" }, `pin ${fourDigits}`],
    ["wake_up", {}, `wake_up cannot be signed: ${NOT_SIGNED.wake_up}`],
    ...["constructor", "__proto__", "toString", "", "honk", "set_charging_amp"].map(
      (name): [string, Content, string] => [name, {}, `there is no command "${name}"`]),
  ];
  for (const [name, parameters, message] of refusals) {
    assert.throws(() => encodeCommand(name, parameters), { message });
  }
  const strange = JSON.parse('{"__proto__": 1}') as Content;
  assert.throws(() => encodeCommand("charge_start", strange), /unknown parameter __proto__/);
  for (const [name, { parameters = {}, switchedBy }] of ROWS) {
    for (const label of Object.keys(parameters).filter((each) => !each.endsWith("?"))) {
      const given: Content = {
        ...good.get(name),
        ...(switchedBy === undefined ? {} : { [switchedBy]: true }),
      };
      delete given[label];
      const message = new RegExp(`missing parameter ${label}: ${name} takes `);
      assert.throws(() => encodeCommand(name, given), message);
    }
  }
});

test("valet mode as in Tesla's own client: on takes a PIN of four digits, off sends none", () => {
  const refuse = (parameters: Content, message: string): void =>
    assert.throws(() => encodeCommand("set_valet_mode", parameters), { message });
  refuse({ on: true }, "missing parameter password: set_valet_mode takes on, password");
  refuse({ password: "0123" }, "missing parameter on: set_valet_mode takes on, password");
  refuse({}, "missing parameter on: set_valet_mode takes on, password");
  for (const password of ["", "123", "12345", 1234, null]) {
    for (const on of [true, false]) {
      refuse({ on, password }, "password must be a text of four digits: found something else");
    }
  }
  refuse({ on: "false" }, "on must be true or false: found something else");
  for (const password of ["0123", "9999"]) {
    const off = sentFor("set_valet_mode", { on: false, password });
    assert.equal(off, sentFor("set_valet_mode", { on: false }));
    assert.equal(off.includes(Buffer.from(password).toString("hex")), false, "it sends a PIN to switch off");
  }
});

test("a row that one parameter switches off needs and sends nothing besides it", () => {
  const rows = ROWS.filter(([, { switchedBy }]) => switchedBy !== undefined);
  assert.deepEqual(
    rows.map(([name]) => name),
    ["set_scheduled_departure", "set_valet_mode"],
  );
  for (const [name, { switchedBy = "", parameters = {} }] of rows) {
    assert.ok(Object.keys(parameters).includes(switchedBy), `${name} has no parameter ${switchedBy}`);
    const off = { [switchedBy]: false };
    assert.equal(sentFor(name, { ...good.get(name), ...off }), sentFor(name, off), name);
  }
});

test("what is not signed is listed with its reason and stands in no row", () => {
  // biome-ignore format: a table of words and numbers
  assert.deepEqual(Object.keys(NOT_SIGNED).sort(), [
    "navigation_gps_request", "navigation_request", "navigation_sc_request", "navigation_waypoints_request",
    "remote_auto_steering_wheel_heat_climate_request", "remote_boombox",
    "remote_steering_wheel_heat_level_request", "set_managed_charge_current_request",
    "set_managed_charger_location", "set_managed_scheduled_charging_time", "upcoming_calendar_entries",
    "wake_up",
  ]);
  for (const [name, reason] of Object.entries(NOT_SIGNED)) {
    assert.equal(Object.hasOwn(COMMANDS, name), false, name);
    assert.throws(() => encodeCommand(name, {}), { message: `${name} cannot be signed: ${reason}` });
  }
});

test("every command has its line in commands_sources.md", () => {
  const [table = ""] = /^\| command \| fields [^]*?\n\n/m.exec(read("commands_sources.md")) ?? [];
  for (const [name] of ROWS) {
    const sources = table.split("\n").filter((line) => line.startsWith(`| \`${name}\``));
    assert.equal(sources.length, 1, `${name}: one line that says where its numbers come from`);
  }
});

test("which commands are signed once only, and for which the charging scope is enough", () => {
  const having = (key: "once" | "scope"): string[] =>
    ROWS.flatMap(([name, row]) => (row[key] ? [name] : [])).sort();
  assert.deepEqual(having("once"), ONCE.toSorted());
  assert.deepEqual(having("scope"), CHARGING.toSorted());
});
