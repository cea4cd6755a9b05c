// The files of examples/: each keeps the rules of the scripts and does what its header says, against the
// simulator. In solar_loop five minutes pass in milliseconds.
import assert from "node:assert/strict";
import { readdirSync, readFileSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { checkCode, checkHeaders, checkLayout, headerOf, type Texts } from "../rules/project_rules.ts";
import { auditedFiles } from "../rules/script_list.ts";
import { ENERGY_SITE_ID } from "../simulator/tesla/tesla.ts";
import { assertEnd, calls } from "../support/ends.ts";
import {
  FLEET,
  outputsSearched,
  type Owner,
  ownerTest,
  PROJECT,
  type Result,
  type Running,
  SCOPES,
  useFewProcesses,
  VIN,
} from "../support/owner.ts";

useFewProcesses();
const SIGNED = `POST ${FLEET}/api/1/vehicles/${VIN}/signed_command`;
const NAMES = ["read_climate", "read_powerwall", "set_charge_limit", "solar_loop"];
const example = (name: string): string => join(PROJECT, "examples", `${name}.ts`);

/** Runs an example, given as a line of words, to its end. */
async function ends(owner: Owner, line: string, code: number, ...words: string[]): Promise<Result> {
  const [name = "", ...rest] = line.split(" ");
  const result = await owner.run(example(name), rest);
  assertEnd(result, code, ...words);
  return result;
}

/** The examples as if they were scripts, beside the files of lib/. */
function asScripts(): Texts {
  const files: Texts = new Map([...auditedFiles()].filter(([path]) => path.startsWith("lib/")));
  for (const name of NAMES) {
    const text = readFileSync(example(name), "utf8").replace("npx tsx examples/", "npx tsx scripts/");
    // after the header, solar_loop has some words more
    files.set(`scripts/${name}.ts`, text.replace(/(\/\/ {3}run [^\n]+\n)\/\/\n(\/\/ [^\n]+\n)+/, "$1"));
  }
  return files;
}

describe("the files of examples/", () => {
  test("are those that docs/your_own_calls.md and docs/telemetry.md name", () => {
    const found = readdirSync(join(PROJECT, "examples")).sort();
    assert.deepEqual(found, [...NAMES.map((name) => `${name}.ts`), "telemetry.json"]);
  });
  test("keep every rule of the scripts, and their headers say what they do; a lie is found", () => {
    const files = asScripts();
    const complaints = [...checkCode(files), ...checkLayout(files), ...checkHeaders(files)];
    const surplus = /^scripts\/solar_loop\.ts:\d+: (readFileSync|statSync)\(file\): /; // the file that the owner names
    const own = complaints.filter((one) => one.startsWith("scripts/") && !surplus.test(one));
    assert.deepEqual(own, []);
    for (const name of NAMES) {
      const path = `scripts/${name}.ts`;
      const text = files.get(path) ?? "";
      headerOf(path, text);
      const lie = new Map([...files, [path, text.replace("contacts  Fleet API", "contacts  token host")]]);
      assert.match(checkHeaders(lie).join("\n"), new RegExp(`^${path}`, "m"));
      const host = new Map([...files, [path, `${text}const host = "https://elsewhere.example.net/";\n`]]);
      assert.match(checkCode(host).join("\n"), new RegExp(`^${path}`, "m"));
    }
  });
});

describe("each example does what it says", { concurrency: 3 }, () => {
  const energy = { scopes: `${SCOPES} energy_device_data` };
  ownerTest("--help, a word too many, and what they read", energy, async (owner) => {
    for (const name of NAMES) {
      const help = await ends(owner, `${name} --help`, 0, `npx tsx examples/${name}.ts`);
      assert.equal(help.stderr, "");
      await ends(owner, `${name} 1 2 3`, 2, "wrong usage");
    }
    assert.deepEqual(owner.simulator.requests, []);

    const climate = await ends(owner, "read_climate", 0);
    assert.equal(climate.stdout, "inside     18.5 °C\noutside    7 °C\nclimate    off or unknown\n");
    const asked = `GET ${FLEET}/api/1/vehicles/${VIN}/vehicle_data?endpoints=climate_state`;
    assert.deepEqual(calls(climate.requests), [asked]);
    assert.equal(JSON.parse((await ends(owner, "read_climate --json", 0)).stdout).inside_temp, 18.5);
    owner.simulator.car.awake = false;
    await ends(owner, "read_climate", 3, "wake_up");
    owner.simulator.car.awake = true;
    owner.answer("/vehicle_data", 200, { response: { climate_state: null } });
    await ends(owner, "read_climate", 1, "climate_state");

    const site = String(ENERGY_SITE_ID);
    const powerwall = await ends(owner, `read_powerwall ${site}`, 0, "3.1 kW", "69.8 % full", "-0.9 kW");
    assert.deepEqual(calls(powerwall.requests), [`GET ${FLEET}/api/1/energy_sites/${site}/live_status`]);
    const json = await ends(owner, `read_powerwall ${site} --json`, 0);
    assert.equal(JSON.parse(json.stdout).solar_power, 3120);
    await ends(owner, "read_powerwall 1", 6, "Tesla has nothing at this path");
    for (const wrong of ["../users/me", "12/site_info", "x"]) {
      assert.deepEqual((await ends(owner, `read_powerwall ${wrong}`, 2, "energy_site_id")).requests, []);
    }
    owner.logIn({}, SCOPES);
    await ends(owner, `read_powerwall ${site}`, 5, "scope", "--force");
  });

  ownerTest("set_charge_limit", async (owner) => {
    const { car, requests } = owner.simulator;
    const dry = await ends(owner, "set_charge_limit 90 --dry-run", 0);
    const shown = `${SIGNED.replace("POST ", "POST https://")}\nset_charge_limit {"percent":90}\nto sign: 12042a02085a\n`;
    assert.equal(dry.stdout, shown);
    for (const percent of ["49", "101", "80.5", "-60", "", "1e2", "eighty"]) {
      await ends(owner, `set_charge_limit -- ${percent}`, 2, "50 to 100");
    }
    assert.deepEqual([requests.length, car.chargeLimit], [0, 80]);
    const words = "done: the car charges up to 90 % (2 requests, $0.002)\n";
    const first = await ends(owner, "set_charge_limit 90", 0, words);
    assert.deepEqual([first.stdout, car.chargeLimit, calls(first.requests)], ["", 90, [SIGNED, SIGNED]]);
    await ends(owner, "set_charge_limit 90", 0, "nothing to do: the car reports already_set (1 request, ");
  });
});

const WAIT = "waits five minutes";
/** Five minutes pass in `ms` milliseconds, and each check is told. */
function quickly(ms: number): string[] {
  const hook = `import timers from "node:timers/promises";
import { syncBuiltinESMExports } from "node:module"; const wait = timers.setTimeout;
timers.setTimeout = (time, ...rest) => {
if (time === 300000) process.stderr.write("${WAIT}\\n");
return wait(time === 300000 ? ${ms} : time, ...rest); }; syncBuiltinESMExports();`;
  return ["--import", `data:text/javascript,${encodeURIComponent(hook)}`];
}
const sun = (owner: Owner, watts: number | string): void => owner.write("surplus.txt", `${watts}\n`);
const loop = (owner: Owner, ms = 120): Running =>
  owner.start(example("solar_loop"), ["surplus.txt"], { node: quickly(ms) });
/** Waits until the loop has checked this many times more. */
async function checks(running: Running, count: number): Promise<void> {
  const goal = running.stderr().split(WAIT).length - 1 + count;
  // Each part ends at the first wait behind it, so that a search in vain takes no longer than the text.
  await running.said(new RegExp(`^(?:(?:(?!${WAIT})[^])*${WAIT}){${goal}}`));
}
async function stop(running: Running): Promise<void> {
  running.child.kill("SIGTERM");
  await running.ended;
}
function done(owner: Owner): string {
  const names = owner.simulator.car.executed.map(({ name, params }) =>
    name === "set_charging_amps" ? `${params.charging_amps} A` : name,
  );
  return names.join(", ");
}

describe("solar_loop", { concurrency: 3 }, () => {
  ownerTest("follows the sun, and sends only what changes, one command a check", async (owner) => {
    const { car, requests } = owner.simulator;
    sun(owner, 0);
    const running = loop(owner, 150);
    await checks(running, 2);
    // The surplus, for how many checks, and all that was done by then. 690 W are 1 A at 230 V and three phases.
    // biome-ignore format: a table
    const steps: [number, number, string][] = [[0, 1, "charge_stop"], [6900, 4, "charge_stop, 10 A, charge_start"],
      [7589.9, 2, "charge_stop, 10 A, charge_start"], [90000, 3, "charge_stop, 10 A, charge_start, 16 A"],
      [3450, 3, "charge_stop, 10 A, charge_start, 16 A, 5 A"], [3449, 3, "charge_stop, 10 A, charge_start, 16 A, 5 A, charge_stop"],
      [-500, 2, "charge_stop, 10 A, charge_start, 16 A, 5 A, charge_stop"]];
    for (const [watts, count, all] of steps) {
      sun(owner, watts);
      await checks(running, count);
      assert.equal(done(owner), all);
    }
    assert.match(running.stderr(), /^\d\d:\d\d 3449 W, 3450 W are needed: charge_stop\n/m); // it speaks in watts
    assert.equal(car.chargingState, "Stopped");
    await stop(running);
    // One handshake and six commands; apart from the handshake never two without a wait between them.
    const times = requests.slice(1).map(({ at }) => at);
    assert.equal(times.length, 6);
    const gaps = times.slice(1).map((at, index) => at - (times[index] ?? at));
    assert.ok(Math.min(...gaps) >= 140, `two commands in one check: ${gaps}`);
    assert.equal(owner.simulator.bill().data, 0);
  });

  ownerTest("a number that is old, missing or none counts as no sun", async (owner) => {
    const running = loop(owner);
    const spoils: (() => void)[] = [
      () => utimesSync(owner.path("surplus.txt"), new Date(), new Date(Date.now() - 11 * 60_000)),
      ...["much", "", "0x9999"].map((text) => () => sun(owner, text)),
    ];
    for (const spoil of spoils) {
      sun(owner, 11040);
      await checks(running, 3);
      assert.equal(owner.simulator.car.chargingState, "Charging");
      spoil();
      await checks(running, 3);
      assert.equal(owner.simulator.car.chargingState, "Stopped", running.stderr());
    }
    await stop(running);
    assert.match(running.stderr(), /over 10 minutes old.*\n[^]*no number in/);
  });

  ownerTest("ten hours: one command without a file, 120 on the worst day", async (owner) => {
    const { car, requests, account } = owner.simulator;
    account.rateLimits = false; // ten hours pass in a minute's time
    const dark = await loop(owner, 1).ended;
    assertEnd(dark, 0, "surplus.txt: not found: it counts as 0 W", "ended after its last check");
    assert.deepEqual([done(owner), dark.stderr.split(WAIT).length - 1], ["charge_stop", 119]);
    car.executed.length = 0;
    requests.length = 0;
    sun(owner, 6900);
    const execute = car.execute.bind(car);
    let count = 0;
    car.execute = (name, params) => {
      sun(owner, (count++ % 2 === 0 ? 8 : 12) * 690);
      return execute(name, params);
    };
    assertEnd(await loop(owner, 1).ended, 0);
    assert.deepEqual([car.executed.length, requests.length], [120, 120]); // the handshake was in the dark
    const header = readFileSync(example("solar_loop"), "utf8");
    assert.match(header, /at most 120, \$0\.12 a day; 1 more for each handshake/);
  });

  ownerTest("it ends when only the owner can help, or its last check fails", async (owner) => {
    const { simulator } = owner;
    const ends: [number, number, string, () => void, (() => void)?][] = [
      [4, 150, "the car keeps its last instruction\nerror: ", () => simulator.fail("token_expired")],
      [5, 150, "_ak/", () => simulator.car.unpair(), () => simulator.car.pair(owner.publicKey)],
      [6, 5, "the last check: charge_stop\n", () => simulator.fail("reason:not now")],
    ];
    for (const [code, ms, words, change, back] of ends) {
      sun(owner, 6900);
      const running = loop(owner, ms);
      await running.said(/set_charging_amps\n[^]*done: the car confirmed it/);
      change();
      if (code !== 6) sun(owner, 0);
      const result = await running.ended;
      assertEnd(result, code, words, "the car keeps its last instruction\n");
      assert.equal(result.stderr.includes("the last check"), code === 6); // at once, or at the end
      simulator.clear();
      back?.();
    }
  });

  ownerTest("a refusal: the next try half an hour later, as if all were new", async (owner) => {
    const { car, requests } = owner.simulator;
    car.unplug();
    sun(owner, 6900);
    const running = loop(owner, 200);
    await running.said(/disconnected.*next try in 30 minutes/);
    assert.equal(requests.length, 3, running.stderr()); // handshake, amps, and the refused charge_start
    car.plug();
    car.charging = false;
    await running.said(new RegExp(`in 30 minutes\\n(${WAIT}\\n){6}\\S+ 6900 W, enough for 10 A: set_`));
    await running.said(/in 30 minutes\n[^]*: charge_start\n[^]*the car confirmed it/);
    assert.deepEqual([done(owner), requests.length], ["10 A, 10 A, charge_start", 5]);
    owner.simulator.fail("reason:not now", 1);
    sun(owner, 8280);
    await running.said(/not now.*next try in 30 minutes/);
    sun(owner, 0);
    await checks(running, 2);
    assert.equal(done(owner), "10 A, 10 A, charge_start, charge_stop", running.stderr());
    await stop(running);
  });

  ownerTest("a lost answer, too many requests: asked again at the next check", async (owner) => {
    const { requests, car } = owner.simulator;
    sun(owner, 6900);
    const running = loop(owner);
    await checks(running, 3);
    owner.simulator.fail("hang_up_after", { times: 1, after: true });
    sun(owner, 0);
    await checks(running, 3);
    assert.match(running.stderr(), /unknown outcome.*next try in 5 minutes/);
    assert.deepEqual([car.chargingState, requests.length], ["Stopped", 5]); // handshake, amps, start or lost stop, stop again
    sun(owner, 6900);
    await checks(running, 3);
    const before = requests.length;
    owner.simulator.fail("rate_limited", { times: 2 });
    sun(owner, 0);
    await checks(running, 4);
    assert.equal(requests.length - before, 3, running.stderr());
    assert.equal(car.chargingState, "Stopped");
    await stop(running);
  });
});

test("outputs were searched for secrets", () => assert.ok(outputsSearched() > 20));
