// Tokens and sessions survive whatever happens (rotation.ts has the steps). In `npm test` there are a few kills and a
// part of the failing file calls, other ones with each seed; `npm run test:faults` goes on for as long as you like. The
// seed and the counts are printed.
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import * as faults from "./rotation.ts";
import { withOwner, type Owner } from "../support/harness.ts";
import { byLength, ONLY_AT_LENGTH } from "../support/length.ts";
import { randomFrom } from "../support/random.ts";

const KILLS = Number(process.env.TEST_KILLS ?? byLength(12, 120));
const seed = Number(process.env.TEST_SEED ?? Date.now() % 1_000_000);
const random = randomFrom(seed);
const tally = new faults.Tally();

function faultTest(title: string, body: (owner: Owner) => Promise<unknown>): void {
  test(title, { timeout: byLength(120_000, 600_000) }, () => withOwner(body));
}

describe("tokens and sessions survive", { concurrency: 2 }, () => {
  test(`${KILLS} kills (seed ${seed})`, { timeout: byLength(180_000, 1_800_000) }, async () => {
    await faults.killMany(KILLS, seed, tally);
    assert.ok(tally.kills >= KILLS * 0.7, `too few kills hit: ${tally.line()}`);
    assert.ok(tally.instants.size >= KILLS / 2, tally.line());
  });
  faultTest("a kill, and then two days off: Tesla refuses for real, and get_token is named", (owner) =>
    faults.killThenTooLate(owner, tally),
  );
  faultTest("file calls that fail", async (owner) => {
    const calls = await faults.callsOf(owner, "refresh_token");
    const changing = [...calls.entries()].filter(([, call]) => !call.startsWith("read"));
    for (const [index, call] of faults.pick(changing, random, byLength(3, Infinity))) {
      for (const code of byLength(["EIO"], ["ENOSPC", "EIO", "EACCES"]))
        await faults.failCall(owner, tally, { at: index + 1, call, code });
    }
  });
  faultTest("file calls of a command that fail: the exit code tells what the car did", async (owner) => {
    const calls = await faults.callsOf(owner, "set_charge_amps", ["7"]);
    const changing = [...calls.entries()].filter(([, call]) => !call.startsWith("read"));
    const after = changing.slice(changing.findLastIndex(([, call]) => call.startsWith("openSync tesla")));
    for (const [index, call] of [...faults.pick(changing, random, 4), ...faults.pick(after, random, 2)]) {
      await faults.failCommandCall(owner, tally, { at: index + 1, call, code: "ENOSPC" }, true);
    }
  });
  faultTest("a lock that cannot be removed does not change the outcome", async (owner) => {
    const calls = await faults.callsOf(owner, "refresh_token");
    const last = calls.findLastIndex((call) => call.startsWith("rmSync"));
    await faults.failCall(owner, tally, { at: last + 1, call: calls[last] ?? "", code: "EPERM" });
  });
  // In `npm test` with a quicker clock: tokens.test.ts, and the locks below.
  test("half a minute without an answer, and a lock kept for longer", {
    timeout: 120_000,
    skip: ONLY_AT_LENGTH,
  }, async () => {
    await Promise.all([withOwner(faults.noAnswer), withOwner(faults.keptLock)]);
  });
  if (process.platform !== "win32") {
    faultTest("a disk without any room", (owner) => faults.fullDisk(owner, tally, 0));
    faultTest("a folder that may only be read", (owner) => faults.readOnlyFolder(owner, tally));
  }
  faultTest("a full file system, where one can be mounted", async (owner) => {
    const mounted = await faults.fullFileSystem(owner, tally);
    if (!mounted)
      console.log("# no right to mount a file system: the size limit of `a disk without any room` stands in");
  });
  faultTest("16 refreshes at once: one request", (owner) => faults.manyAtOnce(owner, tally, 16));
  faultTest("refreshes beside commands", (owner) => faults.refreshBesideCommands(owner, tally));
  faultTest("the token file replaced under the run", (owner) => faults.replacedUnderTheRun(owner, tally));
  faultTest("stale locks, and those of a run that lives", (owner) => faults.locks(owner, tally));
  faultTest("two runs meet at a stale lock", (owner) => faults.oneAtATime(owner, tally, random));
  faultTest("a stepped clock", (owner) =>
    faults.steppedClock(owner, tally, faults.pick(faults.STEPS, random, byLength(1, Infinity))),
  );
  faultTest("a clock that was ahead", (owner) => faults.clockAheadAtRefresh(owner));
});

after(() => console.log(`# ${tally.line()} (seed ${seed})`));
