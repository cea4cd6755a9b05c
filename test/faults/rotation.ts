// The tokens and the signed-command session under kills, full disks, stepped clocks and runs that meet: the steps of
// test/faults/faults.test.ts, which `npm run test:faults` runs at length.
//
//   npm run test:faults -- [--kills 240] [--seed 1]
//
// After each fault the token file must be whole, and the next run must work without a login. Real scripts in owners'
// temporary folders are killed with SIGKILL before, in the middle of and after each call that touches a file, between
// Tesla's answer and the file, and at random. What a power cut does to the disk itself this cannot show.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  watch,
  writeFileSync,
} from "node:fs";
import { uptime } from "node:os";
import { dirname } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { bytesAt, numberAt, valueAt } from "../../lib/signing/wire.ts";
import type { Owner, Result, RunOptions } from "../support/owner.ts";
import type { Random } from "../support/random.ts";
import { until } from "../support/until.ts";

const TOKEN = "tesla_token.json";
const SESSION = "tesla_session.json";
const LOCK = `${TOKEN}.lock`;
const PRELOAD = new URL("./preload.mjs", import.meta.url).href;
const HOUR = 3_600_000;
export const STEPS = [-HOUR / 6, 175_200 * HOUR, HOUR / 6, 24 * HOUR, -24 * HOUR, -438_000 * HOUR]; // of the clock

type Job = "refresh" | "command";
const RUNS: Record<Job, [script: string, ...words: string[]]> = {
  refresh: ["refresh_token"],
  command: ["set_charge_amps", "9"],
};

export class Tally {
  kills = 0; // SIGKILL that hit a running script
  late = 0; // runs that had ended before the signal came
  instants = new Set<string>();
  faults = 0; // errors that a file call was made to throw
  nextRuns = 0; // runs after a fault, that had to work and did
  counters = 0; // signed commands whose counters were compared

  line(): string {
    const kills = `${this.kills} kills survived (${this.instants.size} different instants; ${this.late} came too late)`;
    const runs = `${this.nextRuns} next runs worked, ${this.counters} counters, none used twice`;
    return `${kills}, ${this.faults} failing file calls, ${runs}`;
  }
}

// What preload.mjs is to do.
interface Fault {
  at?: number;
  act?: string;
  until?: string;
  ms?: number;
  rate?: number;
  uptime?: number;
  empty?: boolean;
}

function faulty(fault: Fault, log = ""): RunOptions {
  const env = { TEST_FAULT: JSON.stringify(fault), ...(log === "" ? {} : { TEST_FAULT_LOG: log }) };
  return { node: ["--import", PRELOAD], env, timeoutMs: 70_000 };
}

/** Every instant at which a script can die around its file calls. */
function instantsOf(calls: string[]): Fault[] {
  return calls.flatMap((call, index) => {
    const at = index + 1;
    const instants: Fault[] = [{ at, act: "kill" }];
    if (!call.startsWith("read")) instants.push({ at, act: "kill after" });
    if (call.startsWith("write")) instants.push({ at, act: "half" });
    if (call.startsWith("writeFile")) instants.push({ at, act: "half", empty: true });
    return instants;
  });
}

/** A claim to a lock, as the runs write it: process, uptime of the machine, a number of its own. */
function claimOf(pid: number, claimedAt = Math.floor(uptime())): string {
  return `\n${pid} ${claimedAt} 0123456789abcdef\n`;
}

/** The number of a process that is gone. */
function goneProcess(): number {
  return spawnSync(process.execPath, ["-e", ""]).pid;
}

/** How often a run has looked at the lock, by its log. */
function looks(log: string): number {
  const text = existsSync(log) ? readFileSync(log, "utf8") : "";
  return text.split("\n").filter((line) => line === `readFileSync ${LOCK}`).length;
}

export function pick<Item>(items: Item[], random: Random, count: number): Item[] {
  const rest = [...items];
  const chosen: Item[] = [];
  while (chosen.length < count && rest.length > 0) chosen.push(...rest.splice(random(rest.length), 1));
  return chosen;
}

/** One owner, to whom things happen. */
export class Trial {
  owner: Owner;
  tally: Tally;
  random: Random;
  kills = 0;

  constructor(owner: Owner, tally: Tally, random: Random) {
    this.owner = owner;
    this.tally = tally;
    this.random = random;
  }

  run([script, ...words]: [string, ...string[]], options: RunOptions = {}): Promise<Result> {
    return this.owner.run(script, words, options);
  }

  /** The file calls of a script, in order. */
  async callsOf(job: Job): Promise<string[]> {
    const log = this.owner.path("calls.log");
    const result = await this.run(RUNS[job], faulty({}, log));
    assert.equal(result.code, 0, result.stderr);
    const lines = readFileSync(log, "utf8").trim().split("\n");
    rmSync(log);
    return lines;
  }

  get chain(): { current: string; lastUsed: string } {
    return this.owner.simulator.account.chains.at(-1) ?? { current: "", lastUsed: "" };
  }

  // ---- What must be true after a fault ----

  /** The token file is whole, closed to others, and holds a pair that the simulated Tesla has given out. */
  assertWholeTokens(): void {
    const token = JSON.parse(this.owner.read(TOKEN)) as Record<string, unknown>;
    const { account } = this.owner.simulator;
    assert.ok(account.accessTokens.has(String(token.access_token)), "an access token of Tesla's");
    const known = account.chains.flatMap((one) => [one.current, one.lastUsed]);
    assert.ok(known.includes(String(token.refresh_token)), "a refresh token that Tesla still takes");
    if (process.platform !== "win32") assert.equal(this.owner.mode(TOKEN), 0o600);
  }

  /** The next run works, and leaves no litter. */
  async assertNext(job: Job = "refresh"): Promise<void> {
    this.assertWholeTokens();
    if (this.owner.has(SESSION)) JSON.parse(this.owner.read(SESSION));
    const result = await this.run(RUNS[job]);
    assert.equal(result.code, 0, `the next run must work:\n${result.stderr}`);
    const newest = this.owner.simulator.account.chains.map(({ current }) => current);
    if (job === "refresh")
      assert.ok(newest.includes(this.owner.token().refresh_token), "the newest token is kept");
    const usual = [".env", "private-key.pem", "public-key.pem", TOKEN, SESSION];
    const others = readdirSync(this.owner.folder).filter((name) => !usual.includes(name));
    assert.deepEqual(others, [], "litter");
    this.tally.nextRuns += 1;
  }

  /** No counter may have been used for two messages of one epoch. */
  assertCountersUnique(): void {
    const names: string[] = [];
    for (const { path, body } of this.owner.simulator.requests) {
      if (!path.endsWith("/signed_command")) continue;
      const message = Buffer.from(JSON.parse(body).routable_message, "base64");
      if (valueAt(message, [13]) === undefined) continue; // a handshake
      names.push(`${bytesAt(message, [13, 8, 1]).toString("hex")} ${numberAt(message, [13, 8, 2])}`);
    }
    assert.equal(new Set(names).size, names.length, `a counter was used twice: ${names.join(", ")}`);
    this.tally.counters += names.length;
  }

  noteKill(result: Result, instant: string): void {
    if (result.code === -1) {
      this.kills += 1;
      this.tally.kills += 1;
      this.tally.instants.add(instant);
    } else this.tally.late += 1;
  }

  // ---- Kills ----

  async killAt(job: Job, instant: Fault, title: string): Promise<void> {
    const result = await this.run(RUNS[job], faulty(instant));
    const name = `${title} ${JSON.stringify(instant)}`;
    assert.equal(result.code, -1, `killed: ${name}`);
    this.noteKill(result, name);
    await this.assertNext(job);
  }

  /** Over the whole run, or in the milliseconds after the lock appears, where the work is done. */
  async killAtRandom(job: Job): Promise<void> {
    const [script, ...words] = RUNS[job];
    const running = this.owner.start(script, words);
    const kill = (): void => void running.child.kill("SIGKILL");
    const watcher = watch(this.owner.folder);
    const [anyTime, delay] = [this.random(700), this.random(60)];
    if (this.random(3) === 0) setTimeout(kill, anyTime);
    else watcher.once("change", () => setTimeout(kill, delay));
    const result = await running.ended;
    watcher.close();
    this.noteKill(result, `${job} at random`);
    await this.assertNext(job);
  }

  /** Killed while Tesla's answer is held: not carried out, and carried out. */
  async killWhileTheAnswerIsHeld(job: Job): Promise<void> {
    const { car, requests } = this.owner.simulator;
    const [script, ...words] = RUNS[job];
    for (const failure of ["never_answers", "slow_drip"]) {
      const before = { token: this.chain.current, done: car.executed.length, asked: requests.length };
      this.owner.simulator.fail(failure, { times: 1 });
      const running = this.owner.start(script, words);
      const isDone = (): boolean =>
        job === "refresh" ? this.chain.current !== before.token : car.executed.length > before.done;
      const isCarriedOut = failure === "slow_drip";
      await until("the request", () => (isCarriedOut ? isDone() : requests.length > before.asked));
      running.child.kill("SIGKILL");
      this.noteKill(await running.ended, `${job} while the answer is held (${failure})`);
      assert.equal(isDone(), isCarriedOut);
      await this.assertNext(job);
    }
  }

  /** So many refreshes that are killed, half of them at chosen instants. */
  async killRefreshes(kills: number): Promise<void> {
    const instants = instantsOf(await this.callsOf("refresh"));
    for (const instant of pick(instants, this.random, kills / 2))
      await this.killAt("refresh", instant, "refresh");
    await this.killWhileTheAnswerIsHeld("refresh");
    for (let left = kills / 2; left > 0; left -= 1) await this.killAtRandom("refresh");
    assert.ok(this.kills >= kills * 0.7, `only ${this.kills} of ${kills} kills have hit`);
  }

  /** The same for commands, those that shake hands among them. */
  async killCommands(kills: number): Promise<void> {
    const first = instantsOf(await this.callsOf("command")); // shakes hands
    const later = instantsOf(await this.callsOf("command"));
    for (const instant of pick(later, this.random, kills / 4))
      await this.killAt("command", instant, "command");
    for (const instant of pick(first, this.random, kills / 4)) {
      rmSync(this.owner.path(SESSION), { force: true });
      await this.killAt("command", instant, "first command");
    }
    await this.killWhileTheAnswerIsHeld("command");
    for (let left = kills / 2; left > 0; left -= 1) {
      if (this.random(4) === 0) this.owner.simulator.car.reboot(); // so that a second signature is cut through as well
      await this.killAtRandom("command");
    }
    assert.ok(this.kills >= kills * 0.7, `only ${this.kills} of ${kills} kills have hit`);
    this.assertCountersUnique();
  }

  /** Two days off after a kill that lost the answer: Tesla refuses for real, and get_token is named. */
  async killThenTooLate(): Promise<void> {
    const rename = (await this.callsOf("refresh")).indexOf(`renameSync ${TOKEN}.new`) + 1;
    const killed = await this.run(RUNS.refresh, faulty({ at: rename, act: "kill" }));
    this.noteKill(killed, "refresh, then two days off");
    const kept = this.owner.read(TOKEN);
    this.owner.simulator.clock.offsetMs += 48 * HOUR;
    const result = await this.run(RUNS.refresh);
    assert.equal(result.code, 4);
    assert.match(result.stderr, /^found: .*login_required.*\nfix: {3}run get_token --force/m);
    assert.equal(result.requests.at(-1)?.status, 401, "Tesla has really refused");
    assert.equal(this.owner.read(TOKEN), kept);
    this.owner.simulator.clock.offsetMs = 0;
    this.owner.logIn();
    await this.assertNext();
  }

  // ---- Files that fail ----

  /** One file call of a refresh fails: one error, both tokens kept, the next run works. */
  async failCall(at: number, call: string, code: string): Promise<void> {
    const result = await this.run(RUNS.refresh, faulty({ at, act: code }));
    this.tally.faults += 1;
    const where = `${call} fails with ${code}:\n${result.stderr}`;
    const isUnsent = result.code !== 0 && result.requests.length === 0;
    const saysUnsent = /nothing (more )?was sent/.test(result.stderr);
    assert.equal(saysUnsent, isUnsent, `whether anything was sent: ${where}`);
    const saysKept = result.stderr.includes(`rename ${TOKEN}.new to ${TOKEN}`);
    const isKept = this.owner.has(`${TOKEN}.new`);
    assert.equal(isKept, saysKept, `a new file stays only where it is complete: ${where}`);
    // Where only tidying up failed the lock is still there: of a process that is gone.
    await this.assertNext();
  }

  /** One file call of a command fails: what is said is what happened, no counter is used twice, and the next command
   * works. `isFirst`: it shakes hands. */
  async failCommandCall(at: number, call: string, code: string, isFirst: boolean): Promise<void> {
    if (isFirst) rmSync(this.owner.path(SESSION), { force: true });
    const { car } = this.owner.simulator;
    const before = car.executed.length;
    const result = await this.run(RUNS.command, faulty({ at, act: code }));
    this.tally.faults += 1;
    const where = `${call} fails with ${code}:\n${result.stderr}`;
    const isDone = car.executed.length > before;
    assert.equal(result.code, isDone ? 0 : 1, `the exit code tells what the car did: ${where}`);
    if (result.requests.length > 0) assert.doesNotMatch(result.stderr, /nothing was sent/, where);
    if (isDone) assert.doesNotMatch(result.stderr, /not sent|run it again/, where);
    this.assertCountersUnique();
    await this.assertNext("command");
  }

  /** Nothing can be written: found before the token is spent. */
  async assertUnspent(options: RunOptions, words: RegExp): Promise<void> {
    const before = this.owner.read(TOKEN);
    const result = await this.run(RUNS.refresh, options);
    assert.equal(result.code, 1, result.stderr);
    assert.match(result.stderr, words);
    assert.deepEqual([result.requests, this.owner.read(TOKEN)], [[], before]);
    this.tally.faults += 1;
  }

  /** A disk with so much room, in KiB. */
  async fullDisk(kib: number): Promise<void> {
    assert.equal((await this.run(["refresh_token", "--help"])).code, 0); // warms the loader's cache, which has files too
    await this.assertUnspent({ fileLimit: kib }, /^fix: {3}free some space, .*nothing (more )?was sent/m);
    await this.assertNext();
  }

  /** A real small file system, full; needs the right to mount (CI runs as root). True when it was there. */
  async fullFileSystem(): Promise<boolean> {
    const { owner } = this;
    const files = readdirSync(owner.folder).map((name): [string, string] => [name, owner.read(name)]);
    const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=64k,mode=0700", "tmpfs", owner.folder]);
    if (mounted.status !== 0) return false;
    try {
      for (const [name, text] of files) owner.write(name, text);
      assert.throws(() => owner.write("filler", Buffer.alloc(100_000)), /ENOSPC/);
      await this.assertUnspent({}, /^found: the disk is full\nfix: .*nothing was sent/m);
      rmSync(owner.path("filler"));
      await this.assertNext();
    } finally {
      spawnSync("umount", ["-l", owner.folder]);
    }
    return true;
  }

  /** A folder that may be read and not written, as another user where this one is root. */
  async readOnlyFolder(): Promise<void> {
    const { owner } = this;
    const isRoot = process.getuid?.() === 0;
    if (isRoot) {
      chmodSync(dirname(owner.simulator.caFile), 0o755);
      for (const name of readdirSync(owner.folder)) chownSync(owner.path(name), 65534, 65534);
    }
    chmodSync(owner.folder, 0o555);
    const options = isRoot ? { uid: 65534 } : {};
    await this.assertUnspent(options, /^found: permission denied\nfix: .*sudo chown .*nothing was sent/m);
    chmodSync(owner.folder, 0o700);
    await this.assertNext();
  }

  // ---- Runs that meet ----

  /** So many refreshes at once, all of which have read the old token: exactly one request, and all succeed. */
  async manyAtOnce(count: number): Promise<void> {
    const { owner } = this;
    owner.write(LOCK, claimOf(process.pid)); // of a living process: they queue up
    const asked = owner.simulator.requests.length;
    const log = owner.path("calls.log");
    const running = Array.from({ length: count }, () => owner.start("refresh_token", [], faulty({}, log)));
    const claims = (): number => owner.read(LOCK).match(/^\d+ \d+ \w+$/gm)?.length ?? 0;
    await until("all in the queue", () => claims() === count + 1 && looks(log) > count * 3, undefined, 60);
    assert.equal(owner.simulator.requests.length, asked, "nothing is sent before the lock is free");
    rmSync(owner.path(LOCK));
    const results = await Promise.all(running.map(({ ended }) => ended));
    rmSync(log);
    for (const { code, stderr } of results) assert.equal(code, 0, stderr);
    assert.equal(owner.simulator.requests.length - asked, 1, `requests of ${count} runs`);
    const late = results.filter(({ stderr }) => stderr.includes("already refreshed by another run"));
    assert.equal(late.length, count - 1);
    await this.assertNext();
  }

  /** A refresh between the steps of set_charge_amps, and commands while a refresh is under way. */
  async refreshBesideCommands(): Promise<void> {
    const jobs = (["command", "refresh", "command", "refresh", "command", "refresh"] as const).map((job) => {
      const [script, ...words] = RUNS[job];
      return this.owner.start(script, words, { timeoutMs: 70_000 }).ended;
    });
    for (const { code, stderr } of await Promise.all(jobs)) assert.equal(code, 0, stderr);
    this.assertCountersUnique();
    await this.assertNext();
    await this.assertNext("command");
  }

  /** Starts a refresh that is held at one of its file calls. What it returns lets it go on. */
  async hold(fault: Fault, log = ""): Promise<{ ended: Promise<Result>; letGo: () => void }> {
    const gate = this.owner.path("gate");
    const { ended } = this.owner.start(
      "refresh_token",
      [],
      faulty({ ...fault, act: "hold", until: gate }, log),
    );
    await until("the gate", () => existsSync(`${gate}.reached`));
    return { ended, letGo: () => writeFileSync(gate, "") };
  }

  removeTraces(): void {
    const names = readdirSync(this.owner.folder).filter((name) => /^(gate|calls)/.test(name));
    for (const name of names) rmSync(this.owner.path(name));
  }

  /** Another program replaces, spoils or removes the token file while a refresh waits for Tesla's answer. */
  async replacedUnderTheRun(): Promise<void> {
    const { owner } = this;
    const afterReading = (await this.callsOf("refresh")).lastIndexOf(`readFileSync ${TOKEN}`) + 2;
    const changes: [string, () => void][] = [
      ["another login", () => owner.logIn()],
      ["garbage", () => owner.write(TOKEN, '{"access_tok')],
      ["nothing", () => rmSync(owner.path(TOKEN))],
    ];
    for (const [title, change] of changes) {
      const { ended, letGo } = await this.hold({ at: afterReading });
      change();
      letGo();
      const result = await ended;
      this.removeTraces();
      assert.equal(result.code, 0, `replaced by ${title}:\n${result.stderr}`);
      await this.assertNext();
    }
  }

  /** Two runs meet at the lock of a run that is gone, the second with a clock that jumps by an hour: wherever it stood
   * when the first came, one works after the other. */
  async oneAtATime(): Promise<void> {
    const { owner } = this;
    const { requests } = owner.simulator;
    owner.write(LOCK, claimOf(goneProcess())); // as below, so that the calls have the same numbers
    const calls = await this.callsOf("refresh");
    const claimed = calls.indexOf(`writeSync ${LOCK}`) + 1;
    const last = calls.lastIndexOf(`readFileSync ${LOCK}`) + 1;
    const [log, otherLog] = [owner.path("calls.log"), owner.path("calls.other.log")];

    // Held before its claim is in the file: the other one comes first, and holds its lock for as long as we like.
    owner.write(LOCK, claimOf(goneProcess()));
    const late = await this.hold({ at: claimed - this.random(claimed - 1), ms: HOUR }, log);
    let asked = requests.length;
    owner.simulator.fail("slow_drip", { times: 1 });
    const quick = owner.start("refresh_token");
    await until("the other one's request", () => requests.length > asked);
    late.letGo();
    const before = looks(log);
    await until("the held one to wait", () => looks(log) > before + 4);
    assert.equal(
      requests.length,
      asked + 1,
      "a lock whose run lives is not taken over, whatever the clock says",
    );
    quick.child.kill("SIGKILL");
    this.noteKill(await quick.ended, "refresh with another one waiting");
    assert.equal((await late.ended).code, 0);
    this.removeTraces();
    await this.assertNext();

    // Held after that: it comes first.
    owner.write(LOCK, claimOf(goneProcess()));
    const early = await this.hold({ at: claimed + 1 + this.random(last - claimed), ms: HOUR });
    asked = requests.length;
    const slow = owner.start("refresh_token", [], faulty({}, otherLog));
    await until("the other one to wait", () => looks(otherLog) > 4);
    assert.equal(requests.length, asked, "whose claim comes first works first");
    early.letGo();
    for (const { ended } of [early, slow]) assert.equal((await ended).code, 0);
    assert.equal(requests.length, asked + 1, "the second one finds all done");
    this.removeTraces();
    await this.assertNext();
  }

  /** Locks that nobody holds any more, and those of a run that lives, which are waited for in vain. */
  async locks(): Promise<void> {
    const { owner } = this;
    const [now, day] = [Math.floor(uptime()), 86_400];
    const lives = claimOf(process.pid);
    const cases: [string, string, number, boolean][] = [
      ["of a run that is gone", claimOf(goneProcess()), 0, false],
      ["empty: killed before its claim was in it", "", 0, false],
      ["given up", `${lives}-${lives.trim()}\n`, 0, false],
      ["of before the machine started again", claimOf(process.pid, now + 1000), 0, false],
      ["a day old: the number may be another process's by now", lives, day, false],
      ["a number alone, as earlier versions left it", String(goneProcess()), 0, false],
      ["nearly a day old", lives, day - 600, true],
      ["new", lives, 0, true],
    ];
    for (const [title, claim, older, isHeld] of cases) {
      owner.write(LOCK, claim);
      const options = faulty({ rate: 40, uptime: older });
      if (isHeld) {
        await this.assertUnspent(
          options,
          /^error: another run is using tesla_token.json\n.*\nfix: .*nothing was sent/m,
        );
        assert.ok(owner.read(LOCK).startsWith(claim), `${title}: somebody else's claim is not touched`);
        rmSync(owner.path(LOCK));
      } else {
        const result = await this.run(RUNS.refresh, options);
        assert.equal(result.code, 0, `${title}:\n${result.stderr}`);
      }
      await this.assertNext();
    }
  }

  // ---- Clocks ----

  /** The clock is stepped in the middle of a run; the next runs have the right time again. */
  async steppedClock(steps: number[]): Promise<void> {
    for (const ms of steps) {
      for (const job of ["refresh", "command"] as const) {
        const result = await this.run(RUNS[job], faulty({ at: 4, act: "clock", ms }));
        assert.equal(result.code, 0, `stepped by ${ms / 60_000} minutes:\n${result.stderr}`);
      }
      await this.assertNext();
      await this.assertNext("command");
    }
    this.assertCountersUnique();
  }

  /** A refresh under a clock that is years ahead must not keep the cron job quiet for years. */
  async clockAheadAtRefresh(): Promise<void> {
    const stepped = (ms: number): RunOptions => faulty({ at: 1, act: "clock", ms });
    assert.equal((await this.run(RUNS.refresh, stepped(17_520 * HOUR))).code, 0);
    this.owner.simulator.clock.offsetMs = 8 * HOUR; // the access token has expired, the owner's clock is right again
    const result = await this.run(["refresh_token", "--if-expiring-within", "3h"], stepped(8 * HOUR));
    this.owner.simulator.clock.offsetMs = 0;
    assert.equal(result.requests.length, 1, `not refreshed: ${result.stderr}`);
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const text = { type: "string" } as const;
  const { kills = "240", seed = String(Date.now() % 1_000_000) } = parseArgs({
    options: { kills: text, seed: text },
  }).values;
  const file = fileURLToPath(new URL("faults.test.ts", import.meta.url));
  const env = { ...process.env, TEST_LONG: "1", TEST_KILLS: kills, TEST_SEED: seed };
  const words = ["--import", "tsx", "--test", "--test-timeout=1800000", file];
  process.exitCode = spawnSync(process.execPath, words, { env, stdio: "inherit" }).status ?? 1;
}
