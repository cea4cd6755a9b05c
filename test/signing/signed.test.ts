// Signed commands against the simulated car: how many requests they take, what is trusted, what is kept on disk,
// what the owner is told, and that no failure makes a command run twice or a counter serve twice. (When a command
// is signed a second time: signed_again.test.ts.)
import assert from "node:assert/strict";
import { createPrivateKey, generateKeyPairSync } from "node:crypto";
import { chmodSync, rmSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { SimulatedCar } from "../simulator/car/car.ts";
import { TAMPERS } from "../simulator/car/tampers.ts";
import { decodeRoutable, enumValues, type RoutableMessage } from "../simulator/protocol/messages.ts";
import type { Region, SeenRequest } from "../simulator/tesla/tesla.ts";
import { commandNamed, sendCommand } from "../../lib/command.ts";
// biome-ignore format: a list of words
import { assertEnd, calls } from "../support/ends.ts";
import { inside } from "../support/inside.ts";
import {
  DOMAIN,
  FLEET,
  SCOPES,
  VIN,
  outputsSearched,
  ownerTest,
  useFewProcesses,
  type Owner,
  type Result,
} from "../support/owner.ts";
import { PassingTime } from "../support/passing_time.ts";
import { until } from "../support/until.ts";

useFewProcesses();

const SESSION = "tesla_session.json";
const SIGNED = `POST ${FLEET}/api/1/vehicles/${VIN}/signed_command`;
const NAME = `${VIN} infotainment`;
const ADDRESS = `open https://tesla.com/_ak/${DOMAIN} on `; // the owner's own

function messageIn(request: SeenRequest): RoutableMessage {
  return decodeRoutable(Buffer.from(JSON.parse(request.body).routable_message, "base64"));
}

/** Of each command that arrived whole: epoch and counter. */
function countersIn(requests: SeenRequest[]): string[] {
  const messages = requests.filter(({ body }) => body.includes("routable_message")).map(messageIn);
  const signatures = messages.flatMap(({ signature_data: data }) => data?.HMAC_Personalized_data ?? []);
  return signatures.map(({ epoch, counter }) => `${epoch?.toString("hex")} ${counter}`);
}

function assertNoCounterTwice(owner: Owner): void {
  const counters = countersIn(owner.simulator.requests);
  assert.equal(new Set(counters).size, counters.length, counters.join("\n"));
}

function sessionOf(owner: Owner): Record<string, unknown> & { counter: number } {
  return JSON.parse(owner.read(SESSION))[NAME];
}

/** Every request is a signed command, and there are so many. */
function assertRequests(result: Result, count: number, title = ""): void {
  assert.deepEqual(calls(result.requests), Array(count).fill(SIGNED), `${title}\n${result.stderr}`);
}

/** A command without a process of its own. */
function order(owner: Owner, name: string, json: Record<string, unknown> = {}): Promise<Result> {
  return inside(owner, () => sendCommand(commandNamed(name, json)));
}

function send(owner: Owner, amps: number): Promise<Result> {
  return order(owner, "set_charging_amps", { charging_amps: amps });
}

/** One that works, in so many requests. */
async function sends(owner: Owner, requests: number, amps = 10): Promise<void> {
  const result = await send(owner, amps);
  assertEnd(result, 0);
  assertRequests(result, requests);
  assert.equal(owner.simulator.car.amps, amps);
}

/** A run of the script that works in so many requests. */
async function obeys(owner: Owner, requests: number, amps = "10"): Promise<Result> {
  const result = await owner.run("set_charge_amps", [amps]);
  assertEnd(result, 0);
  assertRequests(result, requests);
  assert.equal(owner.simulator.car.amps, Number(amps));
  return result;
}

/** A run in which the car, or somebody in its place, shows another key: one request, and the file is named. */
async function refusesKey(owner: Owner, amps = "11"): Promise<Result> {
  const result = await owner.run("set_charge_amps", [amps]);
  assertEnd(result, 5, /^error: the car's key has changed; nothing was signed for the new one$/m);
  assertEnd(result, 5, `fix:   if the car got a new computer, delete ${SESSION}\n`);
  assertRequests(result, 1);
  return result;
}

describe("sessions", { concurrency: 3 }, () => {
  ownerTest("the first command takes two requests, every other exactly one", async (owner) => {
    const first = await obeys(owner, 2, "12");
    assert.equal(first.stdout, ""); // what the car draws is printed with --verify only
    const [handshake, command] = first.requests.map(messageIn);
    assert.equal(Boolean(handshake?.session_info_request && !handshake.signature_data), true);
    assert.equal(command?.flags, 2);
    assert.equal(command?.uuid?.length, 16);
    const signature = command?.signature_data?.HMAC_Personalized_data;
    assert.equal(signature?.counter, 1);
    assert.equal((signature?.expires_at ?? 0) <= owner.simulator.car.infotainment.clock + 16, true);
    for (const amps of ["13", "0", "80"]) {
      const next = await owner.run("set_charge_amps", [amps]);
      assertEnd(next, 0, "1 request");
      assertRequests(next, 1);
    }
    // The car was asked for an encrypted answer and gave one; that is remembered.
    const { publicKey, epoch } = owner.simulator.car.infotainment;
    const { vehicleKey, epoch: known, counter, encrypted } = sessionOf(owner);
    const expected = [publicKey.toString("hex"), epoch.toString("hex"), 4, true];
    assert.deepEqual([vehicleKey, known, counter, encrypted], expected);
    if (process.platform !== "win32") assert.equal(owner.mode(SESSION), 0o600);
    const d = createPrivateKey(owner.read("private-key.pem")).export({ format: "jwk" }).d ?? "";
    for (const form of ["hex", "base64", "base64url"] as const) {
      const secret = Buffer.from(d, "base64url").toString(form);
      assert.equal(owner.read(SESSION).includes(secret), false, "no secret");
    }
    const amps = owner.simulator.car.executed.map(({ params }) => params.charging_amps);
    assert.deepEqual(amps, [12, 13, 0, 80]);
    for (const name of [`${SESSION}.lock`, `${SESSION}.new`]) assert.equal(owner.has(name), false);
    assertNoCounterTwice(owner);
  });

  ownerTest("reboot and clock: one resync, told, then one request again", async (owner) => {
    const { car } = owner.simulator;
    await obeys(owner, 2);
    car.reboot();
    const resync = /^session out of date \(fault 15\): re-signing once$/m;
    assert.match((await obeys(owner, 2, "11")).stderr, resync);
    await obeys(owner, 1, "12");
    car.moveClock(7200);
    await obeys(owner, 2, "13");
    await obeys(owner, 1, "14");
    car.moveClock(-3600);
    await obeys(owner, 1, "15"); // it expires too late, which the car allows with a new counter
    assert.equal(car.executed.length, 6);
    assertNoCounterTwice(owner);
  });

  ownerTest("a new computer in the car: nothing is signed for it, the file is named", async (owner) => {
    const { car } = owner.simulator;
    await obeys(owner, 2);
    const known = sessionOf(owner).vehicleKey;
    car.changeKey();
    for (const amps of ["16", "17"]) await refusesKey(owner, amps);
    assert.deepEqual([car.executed.length, sessionOf(owner).vehicleKey], [1, known]);
    rmSync(owner.path(SESSION)); // as the line says
    await obeys(owner, 2, "9");
    assert.notEqual(sessionOf(owner).vehicleKey, known);
    await obeys(owner, 1);
    assertNoCounterTwice(owner);
  });

  ownerTest("a clock that was wrong does not make the car's key forgotten", async (owner) => {
    await sends(owner, 2);
    const sessions = JSON.parse(owner.read(SESSION)) as Record<string, { clockOffset: number }>;
    for (const session of Object.values(sessions)) session.clockOffset += 86_400 * 400; // a clock ahead of its time
    owner.write(SESSION, JSON.stringify(sessions));
    const kept = owner.read(SESSION);
    owner.simulator.car.changeKey();
    assert.match((await refusesKey(owner)).stderr, /^handshake: no usable session yet$/m);
    assert.equal(owner.read(SESSION), kept);
    assert.equal(owner.simulator.car.executed.length, 1);
  });

  ownerTest("a key that somebody slips in once: nothing is signed for it", async (owner) => {
    const { car } = owner.simulator;
    await sends(owner, 2);
    car.reboot();
    car.tamper("other_key"); // in a fault
    await refusesKey(owner);
    await sends(owner, 2, 11);
    // On a handshake of a car that is already known, too.
    owner.write(SESSION, JSON.stringify({ [NAME]: { ...sessionOf(owner), stale: true } }));
    car.tamper("other_key");
    await refusesKey(owner);
    assert.equal(car.executed.length, 2);
    await sends(owner, 2, 12);
    assertNoCounterTwice(owner);
  });

  ownerTest("what the owner's key may not do", async (owner) => {
    const { car } = owner.simulator;
    await sends(owner, 2, 11);
    car.unpair(); // at the car's screen
    assertEnd(await send(owner, 12), 5, "the virtual key is not on the car", ADDRESS);
    car.pair(owner.publicKey, "inactive");
    assertEnd(await send(owner, 12), 5, "the virtual key is switched off", "fault 4");
    car.pair(owner.publicKey, "driver");
    await sends(owner, 1, 12);
    car.mobileAccess = false;
    assertEnd(await send(owner, 13), 5, "mobile access is off", "Controls, Safety");
    owner.makeKeys(); // another pair than the one on the car
    car.mobileAccess = true;
    assertEnd(await send(owner, 13), 5, "the virtual key is not on the car", ADDRESS);
    assert.equal(car.executed.length, 2);
  });

  ownerTest("a full disk is found before the command: only the handshake was sent", async (owner) => {
    assertEnd(await owner.run("set_charge_amps", ["--help"]), 0); // warms the loader's cache: files too
    const result = await owner.run("set_charge_amps", ["11"], { fileLimit: 4 });
    assertEnd(result, 1, `cannot write ${SESSION}`, "nothing more was sent");
    assertRequests(result, 1);
    assert.deepEqual(countersIn(result.requests), []);
    assert.equal(owner.simulator.car.executed.length, 0);
    await sends(owner, 2);
  });

  ownerTest("a session file that cannot be used costs one handshake and nothing else", async (owner) => {
    await sends(owner, 2);
    const good = (): Record<string, unknown> => ({ ...sessionOf(owner) });
    const spki = generateKeyPairSync("ec", { namedCurve: "prime256v1" }).publicKey.export({
      type: "spki",
      format: "der",
    });
    const entry = (change: Record<string, unknown>) => (): string => {
      return JSON.stringify({ [NAME]: { ...good(), ...change }, "5YJ30000000000000 vcsec": null });
    };
    // biome-ignore format: a table of words and numbers
    const files: [string, () => string][] = [
      ["empty", () => ""], ["half", () => owner.read(SESSION).slice(0, 60)], ["null", () => "null"],
      ["a number", () => "5"], ["a list", () => "[1]"], ["a text", () => '"x"'], ["no entry", () => "{}"],
      ["an empty entry", () => JSON.stringify({ [NAME]: {} })],
      ["a null entry", () => JSON.stringify({ [NAME]: null })],
      ["a text as counter", entry({ counter: "5" })], ["a negative counter", entry({ counter: -1 })],
      ["half a counter", entry({ counter: 1.5 })],
      ["a counter that is too high", entry({ counter: 2 ** 32 })],
      ["the last counter", entry({ counter: 2 ** 32 - 1 })], ["no clock", entry({ clock: null })],
      ["no clock offset", entry({ clockOffset: null })], ["one of zero", entry({ clockOffset: 0 })],
      ["a short epoch", entry({ epoch: "00" })],
      ["a key off the curve", entry({ vehicleKey: `04${"11".repeat(64)}` })],
      ["a short key", entry({ vehicleKey: "04" })],
      ["another client's", entry({ clientKey: spki.subarray(-65).toString("hex") })],
      ["garbage", () => "\u0000\u0001\ufffd"],
    ];
    for (const [title, text] of files) {
      owner.write(SESSION, text());
      const result = await send(owner, 12);
      assertEnd(result, 0);
      assertRequests(result, 2, title);
    }
    // A session that is true but of another epoch is put right by the car.
    owner.write(SESSION, entry({ epoch: "ab".repeat(16) })());
    await sends(owner, 2);
    // Another car's session stays in the file.
    const two = { ...JSON.parse(owner.read(SESSION)), "other infotainment": { a: 1 } };
    owner.write(SESSION, JSON.stringify(two));
    await sends(owner, 1);
    assert.deepEqual(JSON.parse(owner.read(SESSION))["other infotainment"], { a: 1 });
  });
});

describe("answers that are not what they should be", () => {
  let time: PassingTime; // since an old counter makes the second signature wait
  before(() => {
    time = new PassingTime();
  });
  after(() => time.stop());

  // By name: the exit code when it falls on a handshake, and when it falls on a command's answer. Status and request
  // uuid are not authenticated, so what is authenticated counts.
  // biome-ignore format: a table of words and numbers
  const spoilt: { [tamper: string]: [handshake: number | undefined, command: number | undefined] } = {
    wrong_tag: [1, 8], short_tag: [1, 8], empty_tag: [1, 8], no_signature: [1, 8], undecryptable: [undefined, 8],
    wrong_nonce_length: [undefined, 8], fault_added: [undefined, 8], fault_removed: [0, 0],
    error_without_fault: [undefined, 0], unknown_operation_status: [undefined, 0],
    wrong_request_uuid: [1, 8], no_request_uuid: [0, 0], wrong_routing_address: [1, 8], wrong_from_domain: [1, 8],
    no_from_domain: [1, 8], replay_last: [1, 8], replay_last_readdressed: [1, 8],
    plaintext_success: [undefined, 8], plaintext_already: [undefined, 8], key_not_on_whitelist: [undefined, 5],
    plaintext_error: [undefined, 6], plaintext_garbage: [undefined, 8], nested_too_deep: [undefined, 8],
    nested_groups: [1, 8], no_payload: [undefined, 8], truncated: [1, 8], cut_last_byte: [1, 8], oversized: [1, 8],
    unknown_fields: [0, 0], long_varint: [1, 8], garbage: [1, 8], empty: [1, 8],
    short_epoch: [1, undefined], long_epoch: [1, undefined], empty_epoch: [1, undefined],
    old_clock: [0, undefined], old_counter: [0, undefined], unknown_status: [1, undefined],
    compressed_key: [1, undefined], short_key: [1, undefined], key_off_the_curve: [1, undefined],
    no_key: [1, undefined], garbage_session_info: [1, undefined], wait_status: [undefined, 6],
  };
  // Only the car itself can say these, and they change what comes after: each has a test of its own below.
  const apart = ["other_key", "huge_clock", "last_counter"];

  test("every name of the simulated car's is in the list", () => {
    assert.deepEqual([...Object.keys(spoilt), ...apart].sort(), SimulatedCar.tamperNames().sort());
    for (const [name, [handshake, command]] of Object.entries(spoilt)) {
      const on = TAMPERS[name]?.on ?? "command";
      const isOn = [on !== "command", on !== "session_info"];
      assert.deepEqual([handshake !== undefined, command !== undefined], isOn, name);
    }
  });

  ownerTest("spoilt handshakes", async (owner) => {
    await sends(owner, 2);
    for (const [name, [code]] of Object.entries(spoilt)) {
      if (code === undefined) continue;
      rmSync(owner.path(SESSION), { force: true });
      owner.simulator.car.clear();
      owner.simulator.car.tamper(name);
      const executed = owner.simulator.car.executed.length;
      const result = await send(owner, 11);
      assert.equal(result.code, code, `${name}\n${result.stderr}`);
      // Told an old clock or counter, we sign with it, and the car puts that right.
      const resynced = result.requests.length === 3 && name.startsWith("old_");
      assertRequests(result, code !== 0 ? 1 : resynced ? 3 : 2, name);
      assert.equal(owner.simulator.car.executed.length - executed, code === 0 ? 1 : 0, name);
      if (code !== 0) assert.equal(owner.has(SESSION), false, `${name} is not kept`);
    }
    owner.simulator.car.clear();
    rmSync(owner.path(SESSION), { force: true });
    await sends(owner, 2, 9);
  });

  ownerTest("spoilt answers to commands", async (owner) => {
    await sends(owner, 2);
    for (const [name, [, code]] of Object.entries(spoilt)) {
      if (code === undefined) continue;
      owner.simulator.car.clear();
      owner.simulator.car.tamper(name);
      const executed = owner.simulator.car.executed.length;
      const result = await send(owner, 11);
      assert.equal(result.code, code, `${name}\n${result.stderr}`);
      assertRequests(result, 1, name); // never again
      assert.equal(owner.simulator.car.executed.length - executed, name === "wait_status" ? 0 : 1, name);
      if (code === 8) assertEnd(result, 8, "error: unknown outcome", "check with read_charge");
    }
    owner.simulator.car.clear();
    await sends(owner, 1, 9);
    assertNoCounterTwice(owner);
  });

  ownerTest("another key at the first handshake: the car refuses, the file is named", async (owner) => {
    const { car } = owner.simulator;
    car.tamper("other_key");
    const result = await send(owner, 11);
    assertEnd(result, 5, "the car's key has changed", `delete ${SESSION}`);
    assertRequests(result, 2);
    assert.equal(car.executed.length, 0);
    rmSync(owner.path(SESSION));
    await sends(owner, 2, 11);
  });

  ownerTest("a clock or a counter at its end", async (owner) => {
    const { car } = owner.simulator;
    for (const name of ["huge_clock", "last_counter"]) {
      car.tamper(name);
      const first = await send(owner, 11);
      assertEnd(first, 1, "error: the car's session info could not be verified\nfound: out of range\n");
      assertRequests(first, 1);
      assert.equal(owner.has(SESSION), false);
      // In a fault it is no proof: the next run shakes hands.
      await sends(owner, 2, 12);
      car.injectFault(15);
      car.tamper(name);
      const later = await send(owner, 13);
      assertEnd(later, 6, "fault 15");
      assertRequests(later, 1, name);
      await sends(owner, 2, 14);
      rmSync(owner.path(SESSION));
    }
    assertNoCounterTwice(owner);
  });

  ownerTest("replayed session info does not turn the clock or the counter back", async (owner) => {
    const { car } = owner.simulator;
    await sends(owner, 2);
    for (const name of ["old_clock", "old_counter"]) {
      car.moveClock(600);
      await sends(owner, 2, 10);
      const before = sessionOf(owner);
      car.injectFault(17, 1, { withSessionInfo: true });
      car.tamper(name);
      const result = await send(owner, 11);
      const after = sessionOf(owner);
      assert.ok(Number(after.clock) >= Number(before.clock) && after.counter > before.counter, name);
      car.clear();
      if (name === "old_clock") {
        // not trusted: the next run shakes hands
        assertEnd(result, 6, "fault 17");
        assertRequests(result, 1);
        assert.equal(after.stale, true);
        await sends(owner, 2, 12);
      } else {
        // the clock is trusted, and the counter goes on from our own
        assertEnd(result, 0);
        assertRequests(result, 2);
        await sends(owner, 1, 12);
      }
    }
    assertNoCounterTwice(owner);
  });

  ownerTest("encrypted before, plain now: a success is in doubt", async (owner) => {
    const { car } = owner.simulator;
    car.encryptsResponses = false;
    await sends(owner, 2);
    assert.equal(sessionOf(owner).encrypted, false);
    await sends(owner, 1);
    car.encryptsResponses = true;
    await sends(owner, 1);
    assert.equal(sessionOf(owner).encrypted, true);
    car.encryptsResponses = false;
    const doubt = "came unencrypted, although earlier answers were encrypted\n";
    assertEnd(await send(owner, 12), 8, doubt, "read_charge");
    car.reboot(); // a reboot alone changes nothing
    assertEnd(await send(owner, 12), 8, doubt);
    owner.simulator.fail("reason:already_set", 1);
    assertEnd(await send(owner, 12), 8, doubt);
    owner.simulator.fail("reason:disconnected", 1); // a refusal is taken as it comes
    assertEnd(await send(owner, 12), 6, "plug the car in");
  });
});

// What the owner reads for each fault: the exit code, what it means, what to do.
const CLOCK = "check this machine's clock, then run it again";
// biome-ignore format: a table of words and numbers
const FAULTS: [number, number, string, string][] = [
  [1, 6, "busy or still waking up", "try again in a few seconds"],
  [2, 6, "a part of the car did not answer", "try again"],
  [3, 5, "the virtual key is not on the car", ADDRESS],
  [4, 5, "the virtual key is switched off", "remove the key in the car"],
  [5, 6, "the car reports a wrong signature", "run it again"],
  [6, 6, "has seen this counter before, perhaps with this very command", "check at the car whether it was done; if not, run it again"],
  [7, 6, "role or the car's state does not allow this", "a driver's key may do less"],
  [8, 6, "does not know the part that this command is for", "update the car's software"],
  [9, 6, "does not know this command", "update the car's software"],
  [10, 6, "could not decode the command", "update the car's software"],
  [11, 6, "internal error, often while it boots", "try again in a minute"],
  [12, 6, "this is another car", "check TESLA_VIN"],
  [13, 6, "does not accept one of the parameters", "update the car's software"],
  [14, 5, "no room for another key", "remove one in the car"],
  [15, 6, "has restarted", "run it again"],
  [16, 6, "the length of a nonce", "please report it"],
  [17, 6, "came too late", CLOCK],
  [18, 6, "does not know its own VIN", "contact Tesla service"],
  [19, 6, "could not check the command", "run it again"],
  [20, 6, "the car's clock and ours differ", `${CLOCK}; if that does not help, delete ${SESSION}`],
  [21, 5, "mobile access is off", "Controls, Safety"],
  [22, 6, "does not allow this to a service key", "remove the key in the car"],
  [23, 6, "only from your Tesla account", "use the Tesla app"],
  [24, 6, "too long for the car", "shorten its parameters"],
  [25, 8, "has probably done it, but could not say so", "check with read_charge before you repeat it"],
  [26, 6, "has seen this counter before", "check at the car whether it was done; if not, run it again"],
  [27, 5, "has rejected the virtual key", ADDRESS],
  [28, 6, "demands an encrypted answer", "please report it"],
  [77, 6, "for an unknown reason", "MessageFault_E"], // a number that nobody knows yet
];

describe("faults", { concurrency: 3 }, () => {
  const RESYNC = [5, 6, 15, 17, 20];

  test("every fault of the protocol is tried", () => {
    const known = Object.values(enumValues("MessageFault_E")).filter((fault) => fault > 0);
    assert.deepEqual(
      FAULTS.map(([fault]) => fault),
      [...known, 77],
    );
  });

  ownerTest("each says what it means and what to do; nothing is sent again", async (owner) => {
    const { car } = owner.simulator;
    await sends(owner, 2);
    for (const [fault, code, meaning, fix] of FAULTS) {
      car.injectFault(fault, 1, { withSessionInfo: false }); // so that nothing proves it
      const executed = car.executed.length;
      const result = await send(owner, 11);
      assertEnd(result, code, `found: fault ${fault} from the car\n`, fix);
      const [problem = ""] = /^error: .*/m.exec(result.stderr) ?? [];
      assert.ok(problem.includes(meaning), problem);
      assertRequests(result, 1, `fault ${fault}`);
      assert.equal(car.executed.length - executed, fault === 25 ? 1 : 0);
      if (RESYNC.includes(fault)) await sends(owner, 2, 10); // the next run shakes hands
    }
    await sends(owner, 1, 9);
    assertNoCounterTwice(owner);
  });

  // Ready to open: the owner's own domain where it is set, and the region's host.
  // biome-ignore format: a table of words and numbers
  const pages: [Region, string][] = [
    ["na", "https://tesla.com/_ak/"], ["eu", "https://tesla.com/_ak/"], ["cn", "https://www.tesla.cn/_ak/"],
  ];
  for (const [region, host] of pages) {
    ownerTest(
      `not paired, ${region}: ${host} and the owner's domain`,
      { paired: false, region },
      async (owner) => {
        const { car } = owner.simulator;
        const refused = async (): Promise<void> => {
          for (const TESLA_DOMAIN of [DOMAIN, ""]) {
            owner.setSettings({ TESLA_DOMAIN });
            const result = await send(owner, 11);
            assertEnd(result, 5, `${host}${TESLA_DOMAIN || "YOUR.DOMAIN"} on `);
            assert.equal(result.requests.length, 1);
          }
        };
        for (const way of ["fault", "status", "status_only"] as const) {
          car.unpairedAnswer = way;
          await refused();
        }
        car.pair(owner.publicKey);
        assertEnd(await send(owner, 11), 0);
        car.injectFault(3, 2);
        await refused();
        car.injectFault(27, 2);
        await refused();
        car.tamper("key_not_on_whitelist", 2); // status 1 in place of a verdict
        await refused();
        owner.simulator.fail("reason:your public key has not been paired with the vehicle", 2);
        await refused();
      },
    );
  }

  ownerTest("the security computer words its refusals in its own way", async (owner) => {
    owner.logIn({}, `${SCOPES} vehicle_cmds`);
    assertEnd(await order(owner, "door_lock"), 0);
    const refusals: [string, number, string, string][] = [
      ["vcsec:2", 5, 'not on the car\nfound: "NOT_ON_WHITELIST" from the car\n', ADDRESS],
      ["vcsec:5", 6, '"TOKEN_AND_COUNTER_INVALID"', "reason"],
      ["vcsec:17", 6, '"TIME_EXPIRED"', "reason"],
      ["vcsec:99", 6, "information 99", "reason"],
      ["vcsec:wait", 6, "error: the car is busy\n", "try again in a few seconds"],
      ["reason:vehicle_not_in_park", 6, '"not in park"', "reason"],
    ];
    for (const [name, code, ...words] of refusals) {
      owner.simulator.fail(name, 1);
      const result = await order(owner, "door_lock");
      assertEnd(result, code, ...words);
      assertRequests(result, 1);
    }
  });

  ownerTest("a status without a fault: the car waits, or has failed", async (owner) => {
    const { car } = owner.simulator;
    await sends(owner, 2);
    car.answerWait();
    assertEnd(await send(owner, 11), 6, "busy or still waking up", "WAIT from the car", "in a few seconds");
    car.scripted.push({ operationStatus: 2, payload: Buffer.alloc(0) });
    assertEnd(await send(owner, 11), 6, "internal error", "ERROR from the car", "in a minute");
  });

  ownerTest("a car whose clock went back: every run names the file", async (owner) => {
    const { car } = owner.simulator;
    car.moveClock(600);
    await sends(owner, 2);
    car.moveClock(-300);
    car.injectFault(20);
    assertEnd(await send(owner, 11), 6, "clock", `delete ${SESSION}`);
    for (const amps of [12, 13]) {
      const result = await send(owner, amps);
      assertEnd(result, 1, "error: the car's clock went backwards\n", `delete ${SESSION}`);
      assertRequests(result, 1);
    }
    rmSync(owner.path(SESSION)); // as the line says
    await sends(owner, 2, 9);
    assert.equal(car.executed.length, 2);
  });

  ownerTest("out of date, but the proof does not hold: not signed again", async (owner) => {
    const { car } = owner.simulator;
    await sends(owner, 2);
    for (const name of ["wrong_tag", "short_epoch", "unknown_status", "garbage_session_info"]) {
      car.injectFault(15);
      car.tamper(name);
      const executed = car.executed.length;
      const result = await send(owner, 11);
      assertEnd(result, 6, "the car has restarted");
      assertRequests(result, 1, name);
      assert.equal(car.executed.length, executed);
      car.clear();
      await sends(owner, 2, 10);
    }
    assertNoCounterTwice(owner);
  });

  ownerTest("at the handshake", async (owner) => {
    for (const [fault, code] of FAULTS.filter(([fault]) => [1, 3, 11, 14, 15, 21].includes(fault))) {
      owner.simulator.car.injectFault(fault, 1, { on: "handshake" });
      const result = await send(owner, 11);
      assertEnd(result, code, `fault ${fault}`);
      assertRequests(result, 1);
      assert.equal(owner.has(SESSION), false);
    }
    assert.equal(owner.simulator.car.executed.length, 0);
  });

  ownerTest("an answer cut between two fields is none: base64 has its padding", async (owner) => {
    await sends(owner, 2);
    const kept = { ...sessionOf(owner), encrypted: false }; // a car that does not encrypt
    owner.write(SESSION, JSON.stringify({ [NAME]: kept }));
    owner.answer("/signed_command", 200, { response: "OgIIAw==" }); // from infotainment, and nothing more
    assertEnd(await send(owner, 11), 0);
    owner.simulator.clear();
    owner.answer("/signed_command", 200, { response: "OgIIAw" });
    assertEnd(await send(owner, 11), 8, "no message");
  });

  // Reasons for a refusal: what the owner reads, and whether there is anything left to do.
  const RESTART = "restart the car's screen";
  // biome-ignore format: a table of words
  const verdicts: [string, string, number, string][] = [
    ["set_charge_limit", "already_set", 0, "nothing to do: the car reports already_set"],
    ["charge_standard", "already_standard", 0, "nothing to do"],
    ["charge_port_door_close", "already closed", 0, "nothing to do: the car reports already closed"],
    ["charge_port_door_open", "Already Open", 0, "nothing to do"],
    ["charge_start", "is_charging", 0, "nothing to do"],
    ["charge_start", "charging", 0, "nothing to do"],
    ["charge_start", "requested", 0, "asked for, but not charging yet"],
    ["charge_start", "car could not execute command: requested", 0, "the car reports requested"],
    ["charge_stop", "not_charging", 0, "nothing to do"],
    ["charge_stop", "requested", 6, "requested"], // of another command it says nothing
    ["set_charging_amps", "not_charging", 6, "not_charging"],
    ["set_charging_amps", "is not already set", 6, "the car refused"],
    ["charge_start", "complete", 6, "raise the charge limit"],
    ["charge_start", "disconnected", 6, "plug the car in"],
    ["charge_start", "no_power", 6, "check the station"],
    ["charge_start", "could_not_wake_buses", 6, "wait 5 seconds"],
    ["charge_stop", "busy", 6, "try again in a few seconds"],
    ["set_charging_amps", "SetChargingAmps failed", 6, RESTART],
    ["set_charging_amps", "car could not execute command: setchargingamps failed", 6, RESTART],
    ["remote_seat_heater_request", "cabin comfort remote settings not enabled", 6, "auto_conditioning_start"],
    ["charge_stop", "", 6, "no reason given"],
    ["charge_stop", "a\u001b[31mb\u009b", 6, "a [31mb"],
  ];
  ownerTest("the car's own verdict", async (owner) => {
    owner.logIn({}, `${SCOPES} vehicle_cmds`);
    await sends(owner, 2);
    const given: Record<string, Record<string, unknown>> = {
      set_charge_limit: { percent: 60 },
      set_charging_amps: { charging_amps: 9 },
      remote_seat_heater_request: { level: 1, seat_position: 0 },
    };
    for (const [name, reason, code, words] of verdicts) {
      owner.simulator.fail(`reason:${reason}`, 1);
      const result = await order(owner, name, given[name]);
      assertEnd(result, code, words);
      assert.equal(result.stderr.includes("done: "), false, "it has not done it");
      assertRequests(result, 1);
    }
  });
});

describe("the network between", { concurrency: 3 }, () => {
  // Sent, and no usable answer: exit code 1 for a handshake, where nothing can have happened, and 8 for a command.
  const unknown =
    `hang_up_before hang_up_after truncated_json empty_body not_json wrong_shape wrong_shape_null
    oversized html_firewall server_error server_error_plain upstream_timeout context_deadline bad_gateway gateway
    service_unavailable timeout_after device_unexpected`.split(/\s+/);
  // Refused: the answer says that nothing was done.
  // biome-ignore format: a table of words and numbers
  const refused: [string, number][] = [
    ["no_healthy_upstream", 1], ["vehicle_not_available", 3], ["vehicle_asleep", 3], ["request_timeout", 3],
    ["not_implemented", 6], ["not_implemented_plain", 6], ["protocol_unsupported", 5], ["token_expired", 4],
    ["missing_scope", 5], ["html_access_denied", 1], ["out_of_region", 5], ["not_registered", 5],
    ["rate_limited", 7], ["payment_required", 7], ["redirect_307", 1], ["echoes_secret", 6],
  ];
  const unreadable = ["", "!!!", 5, null, "AAAA=A"]; // in place of the base64 of the car's message

  for (const isHandshake of [true, false]) {
    const [what, lost] = isHandshake ? ["handshake", 1] : ["command", 8];
    ownerTest(`a ${what} with a lost or unreadable answer is not sent again: exit ${lost}`, async (owner) => {
      const { car } = owner.simulator;
      const fails = async (
        code: number,
        title: string,
        isDone = false,
        ...words: string[]
      ): Promise<void> => {
        const executed = car.executed.length;
        const result = await send(owner, 11);
        assertEnd(result, code, ...words);
        if (code === 8)
          assertEnd(result, 8, "error: unknown outcome: the request may", "check with read_charge");
        assertRequests(result, 1, title);
        assert.equal(car.executed.length - executed, isDone ? 1 : 0, title);
        assert.equal(owner.has(SESSION), !isHandshake, title);
        owner.simulator.clear();
      };
      if (!isHandshake) await sends(owner, 2);
      for (const failure of unknown) {
        const isCarriedOut = failure !== "hang_up_before";
        owner.simulator.fail(failure, { after: isCarriedOut });
        await fails(lost, failure, isCarriedOut && !isHandshake);
      }
      for (const [failure, code] of refused) {
        owner.simulator.fail(failure);
        await fails(code, failure);
      }
      for (const response of unreadable) {
        owner.answer("/signed_command", 200, { response });
        await fails(lost, String(response), false, "holds no message from the car");
      }
      // What a text says is no proof: only a 503 can say that the car was not reached.
      for (const error of [
        "vehicle is offline or asleep",
        "vehicle is not available",
        "no healthy upstream",
      ]) {
        owner.answer("/signed_command", 502, { response: null, error, error_description: "" });
        await fails(lost, error, false, error);
      }
      await sends(owner, isHandshake ? 2 : 1, 9);
      assertNoCounterTwice(owner);
    });
  }

  ownerTest("a car that does not sign; one that sleeps", async (owner) => {
    const { car } = owner.simulator;
    car.speaksProtocol = false;
    const result = await owner.run("set_charge_amps", ["11"]);
    assertEnd(result, 5, "TESLA_COMMANDS=rest");
    assertRequests(result, 1);
    car.speaksProtocol = true;
    await obeys(owner, 2);
    car.awake = false;
    const asleep = await owner.run("set_charge_amps", ["11"]);
    assertEnd(asleep, 3, "wake_up");
    assertRequests(asleep, 1);
    assert.equal(car.awake, false);
    car.awake = true;
    await obeys(owner, 1);
  });

  ownerTest("the counter is on the disk before the command leaves", async (owner) => {
    await obeys(owner, 2);
    owner.simulator.fail("never_answers", { path: "/signed_command" });
    const before = owner.simulator.requests.length;
    const running = owner.start("set_charge_amps", ["11"]);
    await until("the command", () => Boolean(owner.simulator.requests[before]?.body));
    const sent = countersIn(owner.simulator.requests.slice(before));
    const onDisk = sessionOf(owner);
    assert.deepEqual(sent, [`${onDisk.epoch} ${onDisk.counter}`]);
    running.child.kill("SIGKILL");
    await running.ended;
    owner.simulator.clear();
    await obeys(owner, 1, "12");
    assertNoCounterTwice(owner);
  });

  ownerTest("four at once share no counter, and all are done", async (owner) => {
    const runs = [6, 7, 8, 9].map((amps) => owner.start("set_charge_amps", [String(amps)]).ended);
    for (const result of await Promise.all(runs)) assertEnd(result, 0);
    const done = owner.simulator.car.executed.map(({ params }) => params.charging_amps);
    assert.deepEqual(done.sort(), [6, 7, 8, 9]);
    assertNoCounterTwice(owner);
    assert.equal(owner.simulator.requests.length, 1 + 4, "one handshake in all");
  });
});

ownerTest("a private key that cannot be used: nothing is sent", async (owner) => {
  const pem = owner.read("private-key.pem");
  const key = createPrivateKey(pem);
  const write = (one: typeof key, type: "sec1" | "pkcs8", secret?: object): string =>
    one.export({ type, format: "pem", ...secret }).toString();
  const passphrase = { cipher: "aes-256-cbc", passphrase: "x" };
  const p384 = generateKeyPairSync("ec", { namedCurve: "secp384r1" }).privateKey;
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
  const encrypted = [write(key, "pkcs8", passphrase), write(key, "sec1", passphrase)];
  const others = [write(p384, "pkcs8"), write(rsa, "pkcs8"), owner.publicKey, pem.replace(/\n.{30}/, "\n")];
  for (const text of [undefined, "", "hello", ...encrypted, ...others]) {
    if (text === undefined) rmSync(owner.path("private-key.pem"));
    else owner.write("private-key.pem", text);
    const result = await send(owner, 11);
    const found = text === undefined ? "not found" : "it is not an unencrypted P-256 key in PEM form";
    const fix =
      "fix:   copy yours here; if it is lost, move both away, run generate_key, register and pair again\n";
    assertEnd(result, 5, `error: private-key.pem cannot be used\nfound: ${found}\n`, fix);
    assert.deepEqual(result.requests, []);
  }
  // Both forms of the same key, one with what OpenSSL writes before it.
  const sec1 = write(key, "sec1");
  owner.write("private-key.pem", sec1);
  assert.doesNotMatch((await obeys(owner, 2)).stderr, /warning/);
  const parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
  owner.write("private-key.pem", `${parameters}${sec1}`);
  await sends(owner, 1);
  for (const mode of process.platform === "win32" ? [] : [0o644, 0o640, 0o604]) {
    chmodSync(owner.path("private-key.pem"), mode);
    assert.match((await obeys(owner, 1)).stderr, /chmod 600/);
  }
});

test("the outputs were searched for secrets", () =>
  assert.ok(outputsSearched() > 200, String(outputsSearched())));
