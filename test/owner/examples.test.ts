// The files of examples/: each keeps the rules of the scripts and does what its header says, against the
// simulator. solar_loop runs with a clock of its own, so that ten hours pass in seconds.
import assert from "node:assert/strict";
import { readFileSync, readdirSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import {
  FLEET, PROJECT, SCOPES, VIN, assertEnd, calls, outputsSearched, ownerTest, useFewProcesses, type Owner,
  type Running,
} from "../support/harness.ts";
import { checkCode, checkHeaders, checkLayout, headerOf, type Texts } from "../rules/project_rules.ts";
import { auditedFiles } from "../rules/readme_tables.ts";
import { ENERGY_SITE_ID } from "../simulator/tesla/tesla.ts";

useFewProcesses();

const SIGNED = `POST ${FLEET}/api/1/vehicles/${VIN}/signed_command`;
const NAMES = ["read_climate", "read_powerwall", "set_charge_limit", "solar_loop"];
const example = (name: string): string => join(PROJECT, "examples", `${name}.ts`);

/** The examples as if they were scripts, beside the files of lib/. */
function asScripts(): Texts {
  const files: Texts = new Map([...auditedFiles()].filter(([path]) => path.startsWith("lib/")));
  for (const name of readdirSync(join(PROJECT, "examples")).filter((file) => file.endsWith(".ts"))) {
    const text = readFileSync(join(PROJECT, "examples", name), "utf8");
    files.set(`scripts/${name}`, text.replace("npx tsx examples/", "npx tsx scripts/")
      // after the header, solar_loop has some words more
      .replace(/(\/\/ {3}run [^\n]+\n)\/\/\n(\/\/ [^\n]+\n)+/, "$1"));
  }
  return files;
}

describe("the files of examples/", () => {
  test("there are the four that docs/your_own_calls.md names, and the file of docs/telemetry.md", () => {
    const found = readdirSync(join(PROJECT, "examples")).sort();
    assert.deepEqual(found, [...NAMES.map((name) => `${name}.ts`), "telemetry.json"]);
  });
  test("keep every rule of the scripts, and their headers say what they do", () => {
    const files = asScripts();
    // solar_loop sends what scripts/send_command.ts sends, and uses its encoder.
    const encoder = /^scripts\/solar_loop\.ts:\d+: goes past the door of lib\/signing\/: lib\/signing\/encode_command\.ts$/;
    const own = (complaints: string[]): string[] =>
      complaints.filter((one) => one.startsWith("scripts/") && !encoder.test(one));
    assert.deepEqual(own([...checkCode(files), ...checkLayout(files), ...checkHeaders(files)]), []);
    for (const name of NAMES) headerOf(`scripts/${name}.ts`, files.get(`scripts/${name}.ts`) ?? "");
  });
  test("a lie in a header, and a host of its own, are found", () => {
    for (const name of NAMES) {
      const path = `scripts/${name}.ts`;
      const files = asScripts();
      const text = files.get(path) ?? "";
      const lie = new Map([...files, [path, text.replace("contacts  Fleet API", "contacts  token host")]]);
      assert.ok(checkHeaders(lie).some((one) => one.startsWith(path)), name);
      const host = new Map([...files, [path, `${text}const host = "https://elsewhere.example.net/";\n`]]);
      assert.ok(checkCode(host).some((one) => one.startsWith(path)), name);
    }
  });
  ownerTest("each shows its header with --help, and refuses a word too many", {}, async (owner) => {
    for (const name of NAMES) {
      const help = await owner.run(example(name), ["--help"]);
      assertEnd(help, 0, `npx tsx examples/${name}.ts`);
      assert.equal(help.stderr, "");
      assertEnd(await owner.run(example(name), ["1", "2", "3"]), 2, "wrong usage");
    }
    assert.deepEqual(owner.simulator.requests, []);
  });
});

describe("each example does what it says", { concurrency: 3 }, () => {
  ownerTest("read_climate", {}, async (owner) => {
    const people = await owner.run(example("read_climate"));
    assertEnd(people, 0);
    assert.equal(people.stdout, "inside     18.5 °C\noutside    7 °C\nclimate    off or unknown\n");
    assert.deepEqual(calls(people.requests),
      [`GET ${FLEET}/api/1/vehicles/${VIN}/vehicle_data?endpoints=climate_state`]);
    const json = await owner.run(example("read_climate"), ["--json"]);
    assert.equal(JSON.parse(json.stdout).inside_temp, 18.5);
    assert.equal(owner.simulator.bill().data, 2);
    owner.simulator.car.awake = false;
    assertEnd(await owner.run(example("read_climate")), 3, "wake_up");
    owner.simulator.car.awake = true;
    owner.answer("/vehicle_data", 200, { response: { climate_state: null } });
    assertEnd(await owner.run(example("read_climate")), 1, "climate_state");
  });

  ownerTest("set_charge_limit", {}, async (owner) => {
    const { car, requests } = owner.simulator;
    const dry = await owner.run(example("set_charge_limit"), ["90", "--dry-run"]);
    assertEnd(dry, 0);
    assert.equal(dry.stdout, `${SIGNED.replace("POST ", "POST https://")}\nset_charge_limit {"percent":90}\n`
      + "to sign: 12042a02085a\n");
    for (const percent of ["49", "101", "80.5", "-60", "", "1e2", "eighty"]) {
      assertEnd(await owner.run(example("set_charge_limit"), ["--", percent]), 2, "50 to 100");
    }
    assert.deepEqual([requests.length, car.chargeLimit], [0, 80]);
    const first = await owner.run(example("set_charge_limit"), ["90"]);
    assertEnd(first, 0, "the car has done it", "2 requests, $0.002");
    assert.deepEqual([first.stdout, car.chargeLimit], ["", 90]);
    assert.deepEqual(calls(first.requests), [SIGNED, SIGNED]);
    const same = await owner.run(example("set_charge_limit"), ["90"]);
    assertEnd(same, 0, "already_set", "1 request, $0.001");
  });

  const energy = { scopes: `${SCOPES} energy_device_data` };
  ownerTest("read_powerwall", energy, async (owner) => {
    const site = String(ENERGY_SITE_ID);
    const people = await owner.run(example("read_powerwall"), [site]);
    assertEnd(people, 0, "3.1 kW", "69.8 % full", "-0.9 kW");
    assert.deepEqual(calls(people.requests), [`GET ${FLEET}/api/1/energy_sites/${site}/live_status`]);
    const json = await owner.run(example("read_powerwall"), [site, "--json"]);
    assert.equal(JSON.parse(json.stdout).solar_power, 3120);
    assertEnd(await owner.run(example("read_powerwall"), ["1"]), 6, "Tesla has nothing at this path");
    for (const wrong of ["../users/me", "12/site_info", "x"]) {
      const result = await owner.run(example("read_powerwall"), [wrong]);
      assertEnd(result, 2, "energy_site_id");
      assert.deepEqual(result.requests, []);
    }
  });
  ownerTest("read_powerwall without its scope", {}, async (owner) => {
    assertEnd(await owner.run(example("read_powerwall"), [String(ENERGY_SITE_ID)]), 5, "scope", "--force");
  });
});

// Five minutes pass in MS milliseconds, and each look is told.
function quickly(ms: number): string[] {
  const hook = `import timers from "node:timers/promises";
import { syncBuiltinESMExports } from "node:module"; const wait = timers.setTimeout;
timers.setTimeout = (time, ...rest) => {
if (time === 300000) process.stderr.write("waits five minutes\\n");
return wait(time === 300000 ? ${ms} : time, ...rest); }; syncBuiltinESMExports();`;
  return ["--import", `data:text/javascript,${encodeURIComponent(hook)}`];
}
const sun = (owner: Owner, watts: number | string): void => owner.write("surplus.txt", `${watts}\n`);
/** Waits until the loop has looked this many times more. */
async function looks(running: Running, count: number): Promise<void> {
  const wait = "waits five minutes";
  const goal = running.stderr().split(wait).length - 1 + count;
  // Each part ends at the first wait behind it, so that a search in vain takes no longer than the text.
  await running.said(new RegExp(`^(?:(?:(?!${wait})[^])*${wait}){${goal}}`));
}
function done(owner: Owner): string[] {
  return owner.simulator.car.executed.map(({ name, params }) =>
    name === "set_charging_amps" ? `${String(params.charging_amps)} A` : name);
}

describe("solar_loop", { concurrency: 3 }, () => {
  ownerTest("follows the sun, and sends only what changes, one command a look", {}, async (owner) => {
    const { car, requests } = owner.simulator;
    sun(owner, 0);
    const running = owner.start(example("solar_loop"), ["surplus.txt"], { node: quickly(150) });
    await looks(running, 2);
    assert.deepEqual(done(owner), ["charge_stop"]);
    sun(owner, 6900); // 10 A at 230 V and three phases
    await looks(running, 4);
    assert.deepEqual(done(owner), ["charge_stop", "10 A", "charge_start"]);
    sun(owner, 7589.9); // not yet 11 A
    await looks(running, 2);
    sun(owner, 90000); // more than the charger gives
    await looks(running, 3);
    sun(owner, 3450); // 5 A, the least
    await looks(running, 3);
    assert.deepEqual(done(owner).slice(3), ["16 A", "5 A"]);
    sun(owner, 3449);
    await looks(running, 3);
    sun(owner, -500);
    await looks(running, 2);
    assert.deepEqual(done(owner).slice(5), ["charge_stop"]);
    assert.match(running.stderr(), /Z 3449 W, 3450 W are needed: charge_stop\n/); // it speaks in watts
    assert.equal(car.chargingState, "Stopped");
    running.child.kill("SIGTERM");
    await running.ended;
    // One handshake and six commands; apart from the handshake never two without a wait between them.
    assert.equal(requests.length, 7);
    const times = requests.slice(1).map(({ at }) => at);
    times.slice(1).forEach((at, index) => assert.ok(at - times[index] >= 140, "two commands in one look"));
    assert.equal(owner.simulator.bill().data, 0);
  });

  ownerTest("a number that is old, missing or none counts as no sun", {}, async (owner) => {
    const { car } = owner.simulator;
    sun(owner, 11040);
    const running = owner.start(example("solar_loop"), ["surplus.txt"], { node: quickly(150) });
    for (const spoil of [
      (): void => utimesSync(owner.path("surplus.txt"), new Date(), new Date(Date.now() - 11 * 60_000)),
      (): void => sun(owner, "much"),
      (): void => sun(owner, ""),
      (): void => sun(owner, "0x9999"),
    ]) {
      sun(owner, 11040);
      await looks(running, 3);
      assert.equal(car.chargingState, "Charging");
      spoil();
      await looks(running, 3);
      assert.equal(car.chargingState, "Stopped", running.stderr());
    }
    running.child.kill("SIGTERM");
    await running.ended;
    assert.match(running.stderr(), /over 10 minutes old.*\n[^]*no number in/);
  });

  ownerTest("without a file it stops the charging: one command in ten hours", {}, async (owner) => {
    const result = await owner.run(example("solar_loop"), ["surplus.txt"], { node: quickly(5) });
    assertEnd(result, 0, "surplus.txt: it is not there: it counts as 0 W", "ended after its last look");
    assert.doesNotMatch(result.stderr, /ENOENT/);
    assert.deepEqual(done(owner), ["charge_stop"]);
    assert.equal(result.stderr.split("waits five minutes").length - 1, 119);
  });

  ownerTest("the worst day: a change at every look, 120 commands as its header says", {}, async (owner) => {
    const { car, requests, account } = owner.simulator;
    account.rateLimits = false; // ten hours pass in a minute's time
    car.charging = false;
    sun(owner, 6900);
    const execute = car.execute.bind(car);
    let count = 0;
    car.execute = (name, params) => {
      sun(owner, (count++ % 2 === 0 ? 8 : 12) * 690);
      return execute(name, params);
    };
    const result = await owner.run(example("solar_loop"), ["surplus.txt"], { node: quickly(1) });
    assertEnd(result, 0);
    assert.equal(done(owner).length, 120);
    assert.equal(requests.length, 121);
    assert.equal(owner.simulator.bill().command * 0.001, 0.121);
    const header = readFileSync(example("solar_loop"), "utf8");
    assert.match(header, /at most 120, \$0\.12 a day; 1 more a handshake/);
  });

  const ends: [string, number, (owner: Owner) => void][] = [
    ["the token has expired", 4, ({ simulator }) => simulator.fail("token_expired")],
    ["the key is no longer on the car", 5, ({ simulator }) => simulator.car.unpair()],
  ];
  for (const [title, code, change] of ends) {
    ownerTest(`ends when ${title}: exit ${code}`, {}, async (owner) => {
      sun(owner, 6900);
      const running = owner.start(example("solar_loop"), ["surplus.txt"], { node: quickly(150) });
      await looks(running, 3);
      assert.deepEqual(done(owner), ["10 A"]);
      change(owner);
      sun(owner, 0);
      assertEnd(await running.ended, code);
    });
  }

  ownerTest("too many requests: it tries at every look to stop the charging", {}, async (owner) => {
    sun(owner, 6900);
    const running = owner.start(example("solar_loop"), ["surplus.txt"], { node: quickly(150) });
    await looks(running, 3);
    const before = owner.simulator.requests.length;
    owner.simulator.fail("rate_limited", { times: 2 });
    sun(owner, 0);
    await looks(running, 4);
    assert.equal(done(owner).at(-1), "charge_stop", running.stderr());
    assert.equal(owner.simulator.requests.length - before, 3);
    running.child.kill("SIGTERM");
    await running.ended;
  });

  ownerTest("a refusal: the next try comes six looks later, and then as if nothing were known", {},
    async (owner) => {
      const { car, requests } = owner.simulator;
      car.unplug();
      sun(owner, 6900);
      const running = owner.start(example("solar_loop"), ["surplus.txt"], { node: quickly(250) });
      await running.said(/disconnected.*next try in 30 minutes/);
      assert.equal(requests.length, 3, running.stderr()); // handshake, amps, and the refused charge_start
      car.plug();
      car.charging = false;
      await running.said(/in 30 minutes\n(waits five minutes\n){6}\S+ 6900 W, enough for 10 A: set_charging_amps\n/);
      await running.said(/in 30 minutes\n[^]*: charge_start\n[^]*the car has done it/);
      assert.deepEqual(done(owner), ["10 A", "10 A", "charge_start"]);
      assert.equal(requests.length, 5);
      running.child.kill("SIGTERM");
      await running.ended;
    });

  ownerTest("no sun in the half hour after a refusal: it stops the charging all the same", {},
    async (owner) => {
      sun(owner, 6900);
      owner.simulator.fail("reason:not now", 1);
      const running = owner.start(example("solar_loop"), ["surplus.txt"], { node: quickly(150) });
      await running.said(/not now.*next try in 30 minutes/);
      sun(owner, 0);
      await looks(running, 2);
      assert.deepEqual(done(owner), ["charge_stop"], running.stderr());
      running.child.kill("SIGTERM");
      await running.ended;
    });

  ownerTest("a last look that cannot stop the charging says so, and is no success", {}, async (owner) => {
    sun(owner, 6900);
    const running = owner.start(example("solar_loop"), ["surplus.txt"], { node: quickly(20) });
    await looks(running, 4);
    assert.deepEqual(done(owner), ["10 A"]); // it is charging already
    owner.simulator.fail("reason:not now");
    const result = await running.ended;
    assertEnd(result, 6, "the last look: charge_stop\n", "the car goes on as it was told last", "not now");
    assert.equal(owner.simulator.car.chargingState, "Charging");
  });

  ownerTest("a lost answer: it is told, and the same is asked for at the next look", {}, async (owner) => {
    sun(owner, 6900);
    const running = owner.start(example("solar_loop"), ["surplus.txt"], { node: quickly(150) });
    await looks(running, 3);
    owner.simulator.fail("hang_up_after", { times: 1, after: true });
    sun(owner, 0);
    await looks(running, 4);
    assert.match(running.stderr(), /unknown outcome.*next try in 5 minutes/);
    assert.equal(owner.simulator.car.chargingState, "Stopped");
    assert.equal(owner.simulator.requests.length, 5); // handshake, amps, start or lost stop, stop again
    running.child.kill("SIGTERM");
    await running.ended;
  });
});

test("outputs were searched for secrets", () => assert.ok(outputsSearched() > 20));
