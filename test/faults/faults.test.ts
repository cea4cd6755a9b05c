// Tokens and sessions survive whatever happens (rotation.ts has the steps). In `npm test` there are a few kills and a
// part of the failing file calls, other ones with each seed; `npm run test:faults` goes on for as long as you like. The
// seed and the counts are printed.
import { after, describe, test } from "node:test";
import { withOwner } from "../support/owner.ts";
import { byLength, LONG } from "../support/length.ts";
import { randomFrom } from "../support/random.ts";
import { pick, STEPS, Tally, Trial } from "./rotation.ts";

const KILLS = Number(process.env.TEST_KILLS ?? byLength(12, 120)); // half of refreshes, half of commands
const seed = Number(process.env.TEST_SEED ?? Date.now() % 1_000_000);
const random = randomFrom(seed);
const tally = new Tally();

function faultTest(title: string, body: (trial: Trial) => Promise<unknown>, own = random): void {
  const timeout = byLength(180_000, 1_800_000);
  test(title, { timeout }, () => withOwner((owner) => body(new Trial(owner, tally, own))));
}

/** The file calls that change something, with their numbers. */
function changing(calls: string[]): [at: number, call: string][] {
  return calls.flatMap((call, index) => (call.startsWith("read") ? [] : [[index + 1, call]]));
}

describe("tokens and sessions survive", { concurrency: 2 }, () => {
  faultTest(`kills of refreshes (seed ${seed})`, (trial) => trial.killRefreshes(KILLS / 2), randomFrom(seed));
  faultTest(
    `kills of commands (seed ${seed})`,
    (trial) => trial.killCommands(KILLS / 2),
    randomFrom(seed + 1),
  );
  faultTest("a kill, and then two days off: Tesla refuses for real, and get_token is named", (trial) =>
    trial.killThenTooLate(),
  );
  faultTest("file calls that fail", async (trial) => {
    const calls = changing(await trial.callsOf("refresh"));
    for (const [at, call] of pick(calls, random, byLength(3, Infinity))) {
      for (const code of byLength(["EIO"], ["ENOSPC", "EIO", "EACCES"])) await trial.failCall(at, call, code);
    }
  });
  faultTest("file calls of a command that fail: the exit code tells what the car did", async (trial) => {
    const first = changing(await trial.callsOf("command"));
    const later = changing(await trial.callsOf("command"));
    const last = first.slice(first.findLastIndex(([, call]) => call.startsWith("openSync tesla")));
    const some = LONG ? first : [...pick(first, random, 4), ...pick(last, random, 2)];
    for (const [at, call] of some) await trial.failCommandCall(at, call, "ENOSPC", true);
    for (const [at, call] of LONG ? later : []) await trial.failCommandCall(at, call, "EIO", false);
  });
  faultTest("a lock that cannot be removed does not change the outcome", async (trial) => {
    const calls = await trial.callsOf("refresh");
    await trial.failCall(calls.length, calls.at(-1) ?? "", "EPERM");
  });
  if (process.platform !== "win32") {
    faultTest("a disk without any room", async (trial) => {
      for (const kib of byLength([0], [0, 4, 8])) await trial.fullDisk(kib);
    });
    faultTest("a folder that may only be read", (trial) => trial.readOnlyFolder());
  }
  faultTest("a full file system, where one can be mounted", async (trial) => {
    const isMounted = await trial.fullFileSystem();
    if (!isMounted) console.log("# no right to mount a file system: `a disk without any room` stands in");
  });
  faultTest("16 refreshes at once: one request", (trial) => trial.manyAtOnce(16));
  faultTest("refreshes beside commands", (trial) => trial.refreshBesideCommands());
  faultTest("the token file replaced under the run", (trial) => trial.replacedUnderTheRun());
  faultTest("stale locks, and those of a run that lives", (trial) => trial.locks());
  faultTest("two runs meet at a stale lock", (trial) => trial.oneAtATime());
  faultTest("a stepped clock", (trial) => trial.steppedClock(pick(STEPS, random, byLength(1, Infinity))));
  faultTest("a clock that was ahead", (trial) => trial.clockAheadAtRefresh());

  after(() => console.log(`# ${tally.line()} (seed ${seed})`));
});
