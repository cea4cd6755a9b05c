// send_command: every command of the table against the simulated car, in this process where a child process
// for each would take too long; the script itself for what it says, refuses, never repeats and never shows.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { commandNamed, sendCommand } from "../../lib/command.ts";
import { COMMANDS, NOT_SIGNED } from "../../lib/signing/commands.ts";
import type { Field } from "../../lib/signing/wire.ts";
import { assertEnd, calls } from "../support/ends.ts";
import { inside } from "../support/inside.ts";
import {
  FLEET,
  SCOPES,
  VIN,
  outputsSearched,
  ownerTest,
  useFewProcesses,
  type Owner,
  type Result,
} from "../support/owner.ts";
import { actionNumber, CASES, ONCE } from "../signing/command_cases.ts";

useFewProcesses();

type Content = Record<string, unknown>;
const CAR = `https://${FLEET}/api/1/vehicles/${VIN}`;
const SIGNED = `POST ${CAR.slice(8)}/signed_command`;
const REST = { TESLA_COMMANDS: "rest" };
const ALL_SCOPES = { scopes: `${SCOPES} vehicle_cmds` };

// Each command once, as its first case has it.
const EVERY = [...new Map(CASES.toReversed().map((one) => [one[0], one])).values()].toReversed();

const send = (owner: Owner, name: string, json: Content): Promise<Result> =>
  inside(owner, () => sendCommand(commandNamed(name, json)));
/** Signs a message that our own checks would not let through. */
const sendMessage = (owner: Owner, message: Field[]): Promise<Result> => {
  const command = { ...commandNamed("flash_lights", {}), message, repeatable: true };
  return inside(owner, () => sendCommand(command));
};
const run = (owner: Owner, ...words: string[]): Promise<Result> => owner.run("send_command", words);

/** Brings the car to where the command is not "done already" or out of place. */
function prepare(owner: Owner, name: string): void {
  const { car } = owner.simulator;
  if (name === "charge_port_door_close") {
    car.unplug();
    car.portOpen = true;
  } else if (name === "set_charging_amps") car.plug();
  else if (name === "charge_start") car.charging = false;
  else if (name === "charge_standard") car.chargeLimit = 60;
}

ownerTest(
  "every command of the table: signed, done once, its parameters arrive",
  ALL_SCOPES,
  async (owner) => {
    const { car, account, requests } = owner.simulator;
    account.rateLimits = false;
    const names = EVERY.map(([name]) => name).sort();
    assert.deepEqual(names, Object.keys(COMMANDS).sort(), "a command that is not tried");
    for (const [name, json, hex] of EVERY) {
      prepare(owner, name);
      const enough = COMMANDS[name]?.scope ?? "vehicle_cmds";
      owner.logIn({}, `openid offline_access ${enough}`); // the car would refuse less
      const before = car.executed.length;
      const result = await send(owner, name, json);
      assert.equal(result.code, 0, `${name}: ${result.stderr}`);
      assert.match(result.stderr, /^done: the car confirmed it \(\d requests?, \$0\.00\d\)$/m, name);
      const done = car.executed.slice(before);
      // The simulated car notes the name, or the number of a message of which it knows no more than that.
      const noted = done.map((one) => one.name.replace(`vehicle_action_${actionNumber(hex)}`, name));
      assert.deepEqual(noted, [name]);
      if (name === "actuate_trunk") assert.deepEqual(done[0]?.params, { which_trunk: "front" });
    }
    // What the simulated car models has changed as asked.
    assert.deepEqual([car.chargeLimit, car.amps, car.name], [50, 0, "Zoë"]);
    assert.deepEqual([car.locked, car.climateOn, car.honks, car.lightFlashes], [false, false, 1, 1]);
    assert.equal(car.chargeSchedules.size, 0);
    // One request each, and one handshake with each of the two computers.
    assert.equal(requests.length, EVERY.length + 2);
    await send(owner, "set_scheduled_charging", { enable: true, time: 75 });
    assert.deepEqual(car.scheduledCharging, { enable: true, time: 75 });
  },
);

ownerTest("the car refuses values out of its range, past our own checks", ALL_SCOPES, async (owner) => {
  const { car, account } = owner.simulator;
  account.rateLimits = false;
  const float = (value: number): Field[1] => ({ float32: value });
  const double = (value: number): Field[] => [[1, { float64: value }]];
  const huge = 2 ** 32 + 5;
  // biome-ignore format: a table of words and numbers
  const wrong: [string, number, Field[]][] = [
    ["a driver's 28.5 °C", 14, [[6, float(28.5)]]], ["a passenger's 14.5 °C", 14, [[7, float(14.5)]]],
    ["keeper mode 4", 44, [[1, 4]]], ["overheat level 4", 66, [[1, 4]]],
    ["heater without a level", 36, [[1, [[7, []]]]]], ["a ninth seat", 36, [[1, [[2, []], [16, []]]]]],
    ["cooler level 5", 49, [[1, [[1, 5], [2, 1]]]]], ["cooler seat 3", 49, [[1, [[1, 1], [2, 3]]]]],
    ["auto climate seat 3", 48, [[1, [[1, 1], [2, 3]]]]], ["volume 11.5", 16, [[3, float(11.5)]]],
    ["a volume below zero", 16, [[3, float(-1)]]], ["latitude 91", 33, [[1, [[1, float(91)]]]]],
    ["longitude -181", 33, [[1, [[2, float(-181)]]]]], ["49 mph", 8, double(49)],
    ["121 mph", 113, double(121)],
    ["a PIN of three digits", 9, [[1, 1], [2, "123"]]], ["no PIN", 111, [[1, 1]]],
    ["a PIN of letters", 31, [[1, 1], [2, "abcd"]]], ["a PIN to drive of five", 77, [[1, 1], [2, "12345"]]],
    ["minute 1440", 41, [[1, 1], [2, 1440]]], ["departure 1440", 42, [[1, 1], [2, 1440]]],
    ["eight days", 97, [[1, 5], [3, 128]]], ["start 1440", 97, [[1, 5], [5, 1440]]],
    ["end 1440", 97, [[1, 5], [7, 1440]]], ["a schedule beyond the pole", 99, [[1, 5], [7, float(-91)]]],
    ["setting 7", 112, [[1, 7]]], ["an update in 2^32 seconds", 29, [[1, huge]]],
  ];
  for (const [title, member, content] of wrong) {
    assertEnd(await sendMessage(owner, [[2, [[member, content]]]]), 6, "invalid_value");
    assert.equal(car.executed.length, 0, title);
  }
  // Below 50 % and above the cable's amps it takes the nearest, as owners report.
  assertEnd(await sendMessage(owner, [[2, [[5, [[1, 20]]]]]]), 0);
  assert.equal(car.chargeLimit, 50);
});

describe("the script", { concurrency: 3 }, () => {
  ownerTest("some commands through it: verdict, requests, price", ALL_SCOPES, async (owner) => {
    const { car } = owner.simulator;
    const limit = await run(owner, "set_charge_limit", '{"percent": 70}');
    assertEnd(limit, 0, "done: the car confirmed it (2 requests, $0.002)");
    assert.deepEqual([limit.stdout, car.chargeLimit], ["", 70]);
    assert.deepEqual(calls(limit.requests), [SIGNED, SIGNED]);
    const again = await run(owner, "set_charge_limit", '{"percent": 70}');
    assertEnd(again, 0, "nothing to do: the car reports already_set (1 request, $0.001)");
    const unlock = await run(owner, "door_unlock");
    assertEnd(unlock, 0, "done: the car confirmed it (2 requests, $0.002)"); // with a handshake
    assert.equal(car.locked, false);
    const vehicle_name = "d'Artagnan $(id) \u{1f697}";
    assertEnd(await run(owner, "set_vehicle_name", JSON.stringify({ vehicle_name })), 0);
    assert.equal(car.name, vehicle_name);
    car.refuse("cable connected");
    assertEnd(await run(owner, "charge_port_door_close"), 6, "cable connected");
  });

  ownerTest("--list: each command with its parameters and scope; why others are not", async (owner) => {
    const { code, stdout, stderr, requests } = await run(owner, "--list");
    assert.deepEqual([code, stderr, requests.length], [0, "", 0]);
    const lines = stdout.trimEnd().split("\n");
    const names = [...Object.keys(COMMANDS), ...Object.keys(NOT_SIGNED)];
    const listed = lines.map((line) => line.split("  ")[0]);
    assert.deepEqual(listed, names);
    for (const [name, json] of EVERY) {
      const line = lines.find((one) => one.startsWith(`${name}  `)) ?? "";
      for (const key of Object.keys(json)) assert.match(line, new RegExp(`[{ ]${key}\\??: `), line);
      assert.match(line, / {2}vehicle_(charging_)?cmds$/);
    }
  });

  ownerTest("what is wrong is refused before anything is sent, and says what there is", async (owner) => {
    const wrong: [string[], ...(string | RegExp)[]][] = [
      [["honk"], 'there is no command "honk"', "--list"],
      [["constructor"], 'there is no command "constructor"'],
      [["set_charge_limit", '{"percent": 101}'], "percent must be a whole number from 50 to 100: found 101"],
      [["set_charge_limit", '{"percent": "60"}'], 'found "60"'],
      [["set_charge_limit", '{"limit": 60}'], "unknown parameter limit", "takes percent"],
      [["set_charge_limit"], "missing parameter percent"],
      [["speed_limit_activate", '{"pin": "12 34"}'], "pin must be a text of four digits: found something"],
      [["set_valet_mode", '{"on": true}'], "missing parameter password"],
      [["set_valet_mode", '{"on": true, "password": "123"}'], "password must be a text of four digits"],
      [["navigation_request", '{"value": "x"}'], "cannot be signed"],
      [["wake_up"], "run wake_up"],
      [["set_charge_limit", "[60]"], "in single quotes"],
      ...["{percent: 60}", "null", "60", ""].map((text): [string[], string] => [
        ["set_charge_limit", text],
        `fix:   write them as '{"PARAMETER": VALUE}', in single quotes; --list shows them\n`,
      ]),
      [[], "no NAME of a command", "--list"],
      [["a", "{}", "c"], "found: expected NAME JSON; got 3\n"],
      [["charge_stop", '{"__proto__": 1}'], "unknown parameter __proto__"],
      [["charge_stop", "--force"], "wrong usage"],
      [["\u001b[2Jhonk\u009b"], "there is no command"],
    ];
    for (const [words, ...told] of wrong) assertEnd(await run(owner, ...words), 2, ...told);
    assert.equal(owner.simulator.requests.length, 0);
    assert.equal(owner.has("tesla_session.json"), false);
  });

  ownerTest("--dry-run shows where it goes, the command and the bytes; no token, no key", async (owner) => {
    for (const file of ["tesla_token.json", "private-key.pem"]) owner.write(file, "spoilt");
    const place = '{"command":"close","lat":-33.875,"lon":151.25}'; // which a signed command leaves out
    // biome-ignore format: a table of words
    const dryRuns: [settings: Record<string, string>, name: string, json: string, ...lines: string[]][] = [
      [{}, "set_charge_limit", '{"percent": 70}', "/signed_command", 'set_charge_limit {"percent":70}',
        "to sign: 12042a020846"],
      [{}, "door_lock", "{}", "/signed_command", "door_lock {}", "to sign: 1001"],
      [{}, "set_valet_mode", '{"on": true, "password": "0123"}', "/signed_command",
        'set_valet_mode {"on":true,"password":"****"}', "to sign: not shown, since they hold the PIN"],
      [REST, "set_vehicle_name", `{"vehicle_name": "d'A $HOME"}`, "/command/set_vehicle_name",
        `set_vehicle_name {"vehicle_name":"d'A $HOME"}`],
      [REST, "window_control", place, "/command/window_control", `window_control ${place}`],
    ];
    for (const [settings, name, json, path, ...lines] of dryRuns) {
      owner.setSettings(settings);
      const dry = await run(owner, name, json, "--dry-run");
      assertEnd(dry, 0);
      assert.equal(dry.stdout, [`POST ${CAR}${path}`, ...lines, ""].join("\n"));
      assert.equal(dry.stderr, "");
    }
    assert.deepEqual([owner.simulator.requests.length, owner.has("tesla_session.json")], [0, false]);
  });

  ownerTest("a PIN is never shown: not by --dry-run, not in an error, in no spelling", async (owner) => {
    const withPin = EVERY.filter(([, json]) => "pin" in json || "password" in json);
    assert.equal(withPin.length, 7, "the commands that take one");
    const isShown = ({ stdout, stderr }: Result): boolean => /8305|38333035/i.test(stdout + stderr);
    for (const way of ["signed", "rest"]) {
      owner.setSettings({ TESLA_COMMANDS: way });
      for (const [name, json] of withPin) {
        const key = "pin" in json ? "pin" : "password";
        const dry = await run(owner, name, JSON.stringify({ ...json, [key]: "8305" }), "--dry-run");
        assertEnd(dry, 0, `"${key}":"****"`);
        assert.ok(!isShown(dry), dry.stdout);
        for (const wrong of ["8305 ", "83050", 8305, ["8305"], { a: "8305" }]) {
          const refused = await run(owner, name, JSON.stringify({ ...json, [key]: wrong }), "--dry-run");
          assertEnd(refused, 2, `${key} must be a text of four digits: found something else`);
          assert.ok(!isShown(refused), refused.stderr);
        }
      }
      for (const words of [
        ["speed_limit_activate", "8305"],
        ["speed_limit_activate", '{"pin": "8305"'],
        ["speed_limit_activate", '{"code": "8305"}'],
        ["speed_limit_activate", '{"pin":', '"8305"}'],
        ["8305", "8305", "8305"],
      ]) {
        const refused = await run(owner, ...words);
        assertEnd(refused, 2);
        assert.ok(!isShown(refused), refused.stderr);
      }
    }
    assert.deepEqual(owner.simulator.requests, []);
  });

  ownerTest("- reads the parameters from stdin: no PIN on the command line", ALL_SCOPES, async (owner) => {
    const piped = (stdin: string, ...words: string[]): Promise<Result> =>
      owner.run("send_command", ["speed_limit_activate", "-", ...words], { stdin });
    const [dry, sent, nothing, digits] = await Promise.all([
      piped('{"pin": "8305"}', "--dry-run"),
      piped('\n {"pin": "8305"}\r\n'),
      piped(""),
      piped("8305\n"),
    ]);
    assertEnd(dry, 0, '{"pin":"****"}');
    assertEnd(sent, 0, "done: the car confirmed it");
    const executed = owner.simulator.car.executed.map(({ name }) => name);
    assert.deepEqual(executed, ["vehicle_action_9"]);
    for (const result of [nothing, digits])
      assertEnd(result, 2, "found: parameters that are not a JSON object\n");
    for (const { stdout, stderr } of [dry, sent, nothing, digits])
      assert.doesNotMatch(stdout + stderr, /8305|38333035/);
  });

  ownerTest("what must not happen twice is never signed a second time", ALL_SCOPES, async (owner) => {
    const { car, account } = owner.simulator;
    account.rateLimits = false;
    await send(owner, "charge_port_door_open", {}); // a session with each computer
    await send(owner, "stop_tonneau", {});
    for (const [name, json] of EVERY.filter(([name]) => ONCE.includes(name))) {
      for (const fault of name === "honk_horn" ? [5, 6, 15, 17, 20] : [6]) {
        const before = car.executed.length;
        car.injectFault(fault);
        const result = await send(owner, name, json);
        assertEnd(result, 6, `fault ${fault} from the car`);
        assert.equal(result.requests.length, 1, `${name}: fault ${fault}`);
        assert.equal(car.executed.length, before, `${name}: fault ${fault}`);
      }
    }
    // The answer is lost after the car has done it: nobody sends it again.
    for (const [name, json] of [
      ["honk_horn", {}],
      ["set_charge_limit", { percent: 71 }],
    ] as const) {
      await send(owner, "charge_port_door_open", {}); // the fault before may have left a session out of date
      owner.simulator.fail("hang_up_after", { times: 1, after: true });
      const before = car.executed.length;
      const lost = await send(owner, name, json);
      assertEnd(lost, 8, "check with read_charge");
      assert.deepEqual([lost.requests.length, car.executed.length], [1, before + 1], name);
    }
    // The script itself, after a real reboot of the car.
    car.reboot();
    const { honks } = car;
    const first = await run(owner, "honk_horn");
    assertEnd(first, 6, "run it again");
    assert.deepEqual([first.requests.length, car.honks], [1, honks]);
    assertEnd(await run(owner, "honk_horn"), 0);
    assert.equal(car.honks, honks + 1);
    // One that may be repeated is signed again, once.
    car.reboot();
    const repeated = await run(owner, "door_lock");
    assertEnd(repeated, 0, /^session out of date \(fault \d+\): re-signing once$/m, "2 requests");
    assert.equal(repeated.requests.length, 2);
  });

  const WITH_REST = { ...ALL_SCOPES, settings: REST };
  ownerTest("TESLA_COMMANDS=rest: the command goes out as it was given", WITH_REST, async (owner) => {
    const { car } = owner.simulator;
    car.protocolRequired = false;
    const commands: [string, Content][] = [
      ["set_charge_limit", { percent: 66 }],
      ["honk_horn", {}],
      ["set_temps", { driver_temp: 20, passenger_temp: 21 }],
    ];
    for (const [name, json] of commands) {
      const result = await run(owner, name, JSON.stringify(json));
      assertEnd(result, 0, "done: the car confirmed it (1 request, $0.001)\n");
      assert.deepEqual(calls(result.requests), [`POST ${CAR.slice(8)}/command/${name}`]);
      assert.deepEqual(JSON.parse(result.requests[0]?.body ?? ""), json);
    }
    const executed = car.executed.map(({ name }) => name);
    assert.deepEqual(
      executed,
      commands.map(([name]) => name),
    );
    assertEnd(await run(owner, "set_charge_limit", '{"percent": 49}'), 2, "50 to 100");
    car.refuse("disconnected");
    assertEnd(await run(owner, "charge_start"), 6, "plug the car in");
    assert.equal(owner.has("tesla_session.json"), false);
  });

  ownerTest("a token without the scope: nothing is sent, and the error names it", async (owner) => {
    const doors = ["door_unlock", "vehicle_cmds"];
    const amps = ["set_charging_amps", "vehicle_charging_cmds", '{"charging_amps": 9}'];
    for (const way of ["signed", "rest"]) {
      owner.setSettings({ TESLA_COMMANDS: way });
      for (const [granted, [name = "", scope, json = "{}"]] of [
        [SCOPES, doors],
        [SCOPES.replace(" vehicle_charging_cmds", ""), amps],
      ] as const) {
        owner.logIn({}, granted);
        const result = await run(owner, name, json);
        assertEnd(
          result,
          5,
          `error: ${name} needs the scope ${scope}; nothing was sent\nfound: granted: ${granted}\n`,
          "add it to TESLA_SCOPES, run get_token --force",
        );
        assert.deepEqual([result.requests, owner.has("tesla_session.json")], [[], false], way);
      }
    }
    // vehicle_cmds will do for every command.
    owner.setSettings();
    owner.logIn({}, "openid offline_access vehicle_cmds");
    assertEnd(await run(owner, "set_charging_amps", '{"charging_amps": 9}'), 0);
  });

  ownerTest(
    "an opaque token: Tesla says no, and the error names the scope",
    { settings: REST },
    async (owner) => {
      const { car, account } = owner.simulator;
      car.protocolRequired = false;
      const opaque = "opaque-access-token-0123456789";
      const granted = account.accessTokens.get(owner.token().access_token);
      assert.ok(granted !== undefined, "the simulator knows the token");
      account.accessTokens.set(opaque, granted);
      owner.write("tesla_token.json", JSON.stringify({ ...owner.token(), access_token: opaque }));
      owner.simulator.fail("missing_scope_unnamed");
      for (const [name, scope, json] of [
        ["honk_horn", "vehicle_cmds", "{}"],
        ["set_charge_limit", "vehicle_charging_cmds", '{"percent": 60}'],
      ] as const) {
        const result = await run(owner, name, json);
        assertEnd(
          result,
          5,
          'found: 403 "Unauthorized missing scopes" from',
          "--force",
          `(it needs ${scope})\n`,
        );
        assert.equal(result.requests.length, 1);
      }
      assert.deepEqual(car.executed, []);
    },
  );
});

test("outputs were searched for secrets", () => assert.ok(outputsSearched() > 100));
