// A day of a solar loop on the simulated Tesla, in accelerated time: set_charge_amps every minute,
// refresh_token every hour, while the car reboots and answers are lost. After each run it compares what the
// simulator counted with what must have been; the first difference ends it with an error. How a script is run
// is the caller's choice.
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { billedKind, PRICES } from "../simulator/reception.ts";
import { VIN } from "../simulator/tesla/tesla.ts";
import { newOwner, type Owner } from "../support/owner.ts";

const MINUTE = 60_000;
const DAY_MINUTES = 1440;
const HOURLY = ["--if-expiring-within", "2h"]; // an access token lasts 8 hours: due 3 times a day
const LOST_ON_THE_WAY_BACK = "hang_up_after"; // carried out, the answer lost
const LOST_ON_THE_WAY = "hang_up_before"; // not carried out, no answer

export interface Ended {
  code: number;
  output: string;
}
export type RunScript = (script: string, words: string[], owner: Owner) => Promise<Ended>;

export interface DayOptions {
  commands: number; // spread over the day
  lost: number; // answers lost, one of them to a refresh of the token
  run: RunScript;
}

export interface Figures {
  commands: number;
  commandRequests: number;
  tokenRequests: number;
  refreshes: number;
  done: number; // by the car
  unknown: number; // exit code 8
  sessionBytes: [number, number]; // the smallest and the largest tesla_session.json
  dollars: number;
  seconds: number;
}

/** Lives through one day; its figures. Throws an AssertionError on the first thing that is not as it must. */
export async function liveOneDay({ commands, lost, run }: DayOptions): Promise<Figures> {
  const step = DAY_MINUTES / commands;
  assert.ok(Number.isInteger(step) && 60 % step === 0, "a command every whole part of an hour");
  const began = performance.now();
  const owner = await newOwner();
  const { simulator } = owner;
  const { car, requests, account } = simulator;
  const figures: Figures = {
    commands: 0,
    commandRequests: 0,
    tokenRequests: 0,
    refreshes: 0,
    done: 0,
    unknown: 0,
    sessionBytes: [Infinity, 0],
    dollars: 0,
    seconds: 0,
  };

  // Which command meets what. Losses are spread over the day; the car reboots after a third and after two
  // thirds of it, and the first command after the second reboot loses its answer, so that the one after it
  // must resync.
  const reboots = [Math.floor(commands / 3), Math.floor((commands * 2) / 3)];
  const losses = new Map<number, string>([[reboots[1] ?? 0, LOST_ON_THE_WAY_BACK]]);
  for (let count = 0; losses.size < lost - 1; count += 1) {
    const place = Math.floor(((count + 0.5) * commands) / (lost - 2));
    const index = place + (reboots.includes(place) || losses.has(place) ? 1 : 0);
    losses.set(index, count % 2 === 0 ? LOST_ON_THE_WAY_BACK : LOST_ON_THE_WAY);
  }
  assert.equal(losses.size, lost - 1);
  let mustResync = false;
  let hasSession = false;
  let refreshIsLost = true; // the answer to the first refresh that is due

  async function refresh(minute: number): Promise<void> {
    const before = requests.length;
    const old = owner.read("tesla_token.json");
    const { obtained_at: obtained, expires_in: seconds } = JSON.parse(old);
    const isDue = Date.parse(obtained) + seconds * 1000 <= Date.now() + 120 * MINUTE;
    if (isDue && refreshIsLost) simulator.fail(LOST_ON_THE_WAY_BACK, 1);
    const { code, output } = await run("refresh_token", HOURLY, owner);
    assert.equal(code, isDue && refreshIsLost ? 1 : 0, `refresh_token in minute ${minute}: ${output}`);
    assert.equal(requests.length - before, isDue ? 1 : 0, `requests of refresh_token in minute ${minute}`);
    const text = owner.read("tesla_token.json");
    figures.tokenRequests += requests.length - before;
    if (code === 0 && isDue) {
      figures.refreshes += 1;
      assert.equal(
        JSON.parse(text).refresh_token,
        account.chains[0]?.current,
        "the token that Tesla gave last",
      );
    } else {
      assert.equal(text, old, "an unrefreshed token file stays as it is");
    }
    if (isDue) refreshIsLost = false;
  }

  async function command(index: number): Promise<void> {
    const amps = 5 + (index % 11); // never the same as the one before
    const loss = losses.get(index);
    if (reboots.includes(index)) {
      car.reboot();
      mustResync = true;
    }
    // Of a resync, the first answer is the one that is lost: then the car has refused the command.
    if (loss !== undefined) simulator.fail(loss, 1);
    const before = { requests: requests.length, done: car.executed.length };
    const { code, output } = await run("set_charge_amps", [String(amps)], owner);
    const where = `command ${index}: ${output}`;
    const isDone = loss === undefined || (loss === LOST_ON_THE_WAY_BACK && !mustResync);
    const expected = loss === undefined && (mustResync || !hasSession) ? 2 : 1;
    assert.equal(code, loss === undefined ? 0 : 8, where);
    assert.equal(requests.length - before.requests, expected, `requests of ${where}`);
    const done = car.executed.slice(before.done).map(({ name, params }) => [name, params.charging_amps]);
    assert.deepEqual(done, isDone ? [["set_charging_amps", amps]] : [], `what the car did after ${where}`);
    if (isDone) assert.equal(car.amps, amps);
    if (loss === undefined) mustResync = false;
    hasSession = true;
    figures.commands += 1;
    figures.commandRequests += expected;
    figures.done += done.length;
    if (code === 8) figures.unknown += 1;
    const bytes = owner.read("tesla_session.json").length;
    figures.sessionBytes = [
      Math.min(figures.sessionBytes[0], bytes),
      Math.max(figures.sessionBytes[1], bytes),
    ];
  }

  let failed = true;
  try {
    for (let index = 0; index < commands; index += 1) {
      const minute = index * step;
      process.env.BENCH_CLOCK_SHIFT_MS = String(minute * MINUTE);
      if (minute % 60 === 0 && minute > 0) await refresh(minute);
      await command(index);
    }

    // The whole day, counted once more from the simulator's own list.
    const kinds = requests.map((request) => billedKind(request));
    assert.equal(
      kinds.filter((kind) => kind === "command").length,
      commands + 3,
      "1 handshake and 2 resyncs",
    );
    assert.equal(kinds.filter((kind) => kind === "auth").length, 4, "3 refreshes, one of them lost once");
    assert.equal(requests.length, commands + 7, "nothing else was asked");
    assert.equal(car.executed.length, figures.done);
    assert.deepEqual([figures.commands, figures.refreshes, figures.unknown], [commands, 3, lost - 1]);
    const files = [".env", "private-key.pem", "public-key.pem", "tesla_session.json", "tesla_token.json"];
    assert.deepEqual(readdirSync(owner.folder).sort(), files, "no litter");
    const [least, most] = figures.sessionBytes;
    // Its numbers get a few digits longer in the course of a day; one byte a command would be far more.
    assert.ok(most - least <= 40, `tesla_session.json has grown from ${least} to ${most} bytes`);
    const session = JSON.parse(owner.read("tesla_session.json"));
    assert.deepEqual(Object.keys(session), [`${VIN} infotainment`]);
    const bill = simulator.bill();
    figures.dollars = bill.command * PRICES.command + bill.data * PRICES.data + bill.wake * PRICES.wake;
    figures.seconds = (performance.now() - began) / 1000;
    failed = false;
    return figures;
  } finally {
    process.env.BENCH_CLOCK_SHIFT_MS = "0";
    await owner.close(failed);
  }
}
