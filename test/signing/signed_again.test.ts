// When a command is signed a second time: only when the first message can no longer be carried out. A go-between
// holds command A back, asks the car for session info with A's uuid, adds a fault that nothing authenticates, and
// lets A through when the second signature is made, or later. Then no two commands may be carried out for one.
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe } from "node:test";
import { commandNamed, sendCommand } from "../../lib/command.ts";
import { assertEnd } from "../support/ends.ts";
import { inside, runInside } from "../support/inside.ts";
import { type Owner, ownerTest, type Result, SCOPES } from "../support/owner.ts";
import { PassingTime } from "../support/passing_time.ts";
import type { SimulatedCar } from "../simulator/car/car.ts";
import { decodeRoutable, encodeRoutable } from "../simulator/protocol/messages.ts";

const RESYNC = [5, 6, 15, 17, 20];
const EXPIRED = 17;
const ANY = { scopes: `${SCOPES} vehicle_cmds` };

let time: PassingTime;
beforeEach(() => {
  time = new PassingTime();
});
afterEach(() => time.stop());

const send = (owner: Owner, name: string, json: Record<string, unknown> = {}): Promise<Result> =>
  inside(owner, () => sendCommand(commandNamed(name, json)));
const setAmps = (owner: Owner, amps: number): Promise<Result> =>
  send(owner, "set_charging_amps", { charging_amps: amps }); // as the script does it, which takes longer

/** The go-between, at the next command. What it returns lets that command through, and is the car's fault. */
function holdBack(
  owner: Owner,
  fault: number,
  meanwhile: (car: SimulatedCar) => void = () => {},
): () => number {
  const { car } = owner.simulator;
  const pass = car.handleSignedCommand.bind(car);
  let held: Buffer | undefined;
  car.handleSignedCommand = (bytes) => {
    const { signature_data, to_destination, from_destination, uuid } = decodeRoutable(bytes);
    if (held !== undefined || signature_data === undefined) return pass(bytes);
    held = Buffer.from(bytes);
    meanwhile(car);
    const session_info_request = { public_key: signature_data.signer_identity?.public_key };
    const asked = encodeRoutable({ to_destination, from_destination, uuid, session_info_request });
    const signedMessageStatus = { operation_status: 2, signed_message_fault: fault };
    return encodeRoutable({ ...decodeRoutable(pass(asked)), signedMessageStatus });
  };
  return () => {
    assert.ok(held, "a command was held back");
    return decodeRoutable(pass(held)).signedMessageStatus?.signed_message_fault ?? 0;
  };
}

/** Another client's counters: the car has seen so many more of our key. */
const moreCounters =
  (count: number) =>
  (car: SimulatedCar): void => {
    for (const session of car.infotainment.sessions.values()) session.counter += count;
  };

describe("a command that is held back", () => {
  // What becomes of the car meanwhile, how long the second signature waits, what the car says to the first one.
  const still = (): void => {};
  const cases: [string, number[], (car: SimulatedCar) => void, number, number][] = [
    ["nothing has changed: its expiry is waited out", RESYNC, still, 16, EXPIRED],
    ["the car has rebooted: at once", [15, 6], (car) => car.reboot(), 0, 15],
    ["the car's clock is past its expiry: at once", [17, 5], (car) => car.moveClock(16), 0, EXPIRED],
    ["the car's clock is at its expiry: one second more", [6], (car) => car.moveClock(15), 1, EXPIRED],
    ["its counter is out of the car's window: at once", [6, 20], moreCounters(34), 0, 6],
    ["its counter is the last in the car's window: waited out", [6], moreCounters(33), 16, EXPIRED],
    ["the car's clock is back by 4 seconds: waited out", [20], (car) => car.moveClock(-4), 20, EXPIRED],
  ];
  ownerTest("is signed again when it can no longer be carried out: never done twice", async (owner) => {
    const { car } = owner.simulator;
    assertEnd(await setAmps(owner, 10), 0);
    for (const [title, faults, meanwhile, seconds, later] of cases) {
      for (const fault of faults) {
        time.pass(100);
        time.pauses = [];
        const letThrough = holdBack(owner, fault, meanwhile);
        time.after = () => assert.equal(letThrough(), later, `${title}: let through at the end of the wait`);
        const before = car.executed.length;
        const result = await (fault === 6 ? runInside(owner, "set_charge_amps", ["16"]) : setAmps(owner, 16));
        time.after = still;
        const when = seconds === 0 ? "" : `, in ${seconds} s, when the first signature has expired`;
        assertEnd(
          result,
          0,
          `session out of date (fault ${fault}): re-signing once${when}\n`,
          "(2 requests, $0.002)",
        );
        assert.deepEqual(time.pauses, seconds === 0 ? [] : [seconds], title);
        assertEnd(await setAmps(owner, 6), 0, "(1 request, $0.001)");
        assert.equal(letThrough(), later, `${title}: let through later`);
        const amps = car.executed.slice(before).map(({ params }) => params.charging_amps);
        assert.deepEqual([amps, car.amps], [[16, 6], 6], "16, then 6, is never 16 again");
      }
    }
  });

  ownerTest("whatever the fractions of the seconds", async (owner) => {
    const { car } = owner.simulator;
    const fractions = [0, 0.001, 0.999];
    for (const first of fractions) {
      for (const second of fractions) {
        owner.write("tesla_session.json", "{}");
        time.pass(1 + first);
        const letThrough = holdBack(owner, 6, () => time.pass(second));
        time.after = () => assert.equal(letThrough(), EXPIRED, `${first} ${second}`);
        const before = car.executed.length;
        assertEnd(await setAmps(owner, 11), 0, "(3 requests");
        assert.equal(car.executed.length, before + 1);
      }
    }
  });

  ownerTest("longer than 20 seconds is not waited: it is not signed again", async (owner) => {
    assertEnd(await setAmps(owner, 10), 0);
    for (const back of [5, 99]) {
      time.pass(100);
      holdBack(owner, 20, (car) => car.moveClock(-back));
      const result = await setAmps(owner, 16);
      assertEnd(result, 6, "fault 20 from the car");
      assert.deepEqual([result.requests.length, time.pauses, owner.simulator.car.amps], [1, [], 10]);
      owner.simulator.car.moveClock(back);
    }
  });

  ownerTest("held back twice: there is no third signature", async (owner) => {
    assertEnd(await setAmps(owner, 10), 0);
    const first = holdBack(owner, 6);
    const second = holdBack(owner, 6); // this one is nearer to the script: it holds the first, that one the second
    const result = await setAmps(owner, 16);
    assertEnd(result, 6, "fault 6 from the car");
    assert.equal(result.requests.length, 2);
    assert.deepEqual([second(), time.pauses], [EXPIRED, [16]]);
    time.pass(16);
    assert.deepEqual([first(), owner.simulator.car.amps], [EXPIRED, 10]);
  });

  ownerTest("a lock of the doors, by the security computer", ANY, async (owner) => {
    const { car } = owner.simulator;
    assertEnd(await send(owner, "door_lock"), 0);
    for (const fault of RESYNC) {
      const letThrough = holdBack(owner, fault);
      assertEnd(await send(owner, "door_lock"), 0, "in 16 s", "(2 requests, $0.002)");
      assertEnd(await send(owner, "door_unlock"), 0);
      assert.deepEqual([letThrough(), car.locked], [EXPIRED, false]);
    }
  });

  // What is added, opened or toggled each time; the car may have done it when it says 6.
  // biome-ignore format: a table of words and numbers
  const once: [string, Record<string, unknown>?][] = [
    ["set_scheduled_departure", { enable: true, departure_time: 480 }],
    ["set_scheduled_departure", { enable: false }], ["set_scheduled_charging", { enable: true, time: 75 }],
    ["set_scheduled_charging", { enable: false }], ["door_unlock"], ["honk_horn"],
  ];
  ownerTest("what must not happen twice is never signed again", ANY, async (owner) => {
    const { car } = owner.simulator;
    for (const name of ["flash_lights", "stop_tonneau"]) assertEnd(await send(owner, name), 0); // sessions with both
    for (const [name, json] of once) {
      for (const fault of RESYNC) {
        const [done, schedules] = [car.executed.length, car.chargeSchedules.size];
        const letThrough = holdBack(owner, fault);
        const result = await send(owner, name, json);
        assertEnd(result, 6, `fault ${fault} from the car`);
        assert.equal(result.requests.length, 1, name);
        assert.equal(letThrough(), 0);
        const isSchedule = name.startsWith("set_scheduled");
        const now = [car.executed.length - done, car.chargeSchedules.size - schedules];
        assert.deepEqual(now, [1, isSchedule ? 1 : 0], `${name}: done once`);
      }
    }
    assert.deepEqual(time.pauses, []);
  });
});

describe("the car itself says that our session is out of date", () => {
  ownerTest("and proves it: signed again, once", async (owner) => {
    const { car } = owner.simulator;
    assertEnd(await setAmps(owner, 10), 0);
    for (const fault of RESYNC) {
      car.injectFault(fault);
      assertEnd(await setAmps(owner, 11), 0, `(fault ${fault}): re-signing once, in 16 s`, "(2 requests");
    }
    car.injectFault(15, 5); // and does so again and again
    const stubborn = await setAmps(owner, 12);
    assertEnd(stubborn, 6, "fault 15 from the car");
    assert.deepEqual([stubborn.requests.length, car.amps], [2, 11]);
  });

  ownerTest("a session file from a backup, whose counters were used since", async (owner) => {
    assertEnd(await setAmps(owner, 10), 0);
    const old = owner.read("tesla_session.json");
    for (const amps of [11, 12]) assertEnd(await setAmps(owner, amps), 0);
    owner.write("tesla_session.json", old);
    assertEnd(await setAmps(owner, 13), 0, "session out of date (fault 6): re-signing once, in 16 s");
    assertEnd(await setAmps(owner, 14), 0, "(1 request");
  });
});
