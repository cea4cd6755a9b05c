// The tokens and the signed-command session under kills, full disks, stepped clocks and runs that meet: the steps of
// test/faults/faults.test.ts, which `npm run test:faults` runs at length.
//
//   npm run test:faults -- [--kills 240] [--seed 1]
//
// After each fault the token file must be whole, and the next run must work without a login. Real scripts in owners'
// temporary folders are killed with SIGKILL before, in the middle of and after each call that touches a file, between
// Tesla's answer and the file, and at random. What a power cut does to the disk itself this cannot show.
import assert from "node:assert/strict";
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
import { spawnSync } from "node:child_process";
import { uptime } from "node:os";
import { dirname } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { randomFrom, type Random } from "../support/random.ts";
import { until } from "../support/until.ts";
import { newOwner, type Owner, type Result, type Running, type RunOptions } from "../support/harness.ts";
import { bytesAt, numberAt, valueAt } from "../../lib/signing/wire.ts";

const TOKEN = "tesla_token.json";
const SESSION = "tesla_session.json";
const PRELOAD = new URL("./preload.mjs", import.meta.url).href;
const HOUR = 3_600_000;

export class Tally {
  kills = 0; // SIGKILL that hit a running script
  late = 0; // runs that had ended before the signal came
  instants = new Set<string>();
  faults = 0; // errors that a file call was made to throw
  nextRuns = 0; // runs after a fault, that had to work and did
  counters = 0; // signed commands whose counters were compared

  line(): string {
    return (
      `${this.kills} kills survived (${this.instants.size} different instants; ${this.late} came too late), `
      + `${this.faults} failing file calls, ${this.nextRuns} next runs worked, ${this.counters} counters, none used twice`
    );
  }
}

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
  const env: Record<string, string> = { TEST_FAULT: JSON.stringify(fault) };
  if (log !== "") env.TEST_FAULT_LOG = log;
  return { node: ["--import", PRELOAD], env, timeoutMs: 70_000 };
}

/** The file calls of a script, in order. */
export async function callsOf(owner: Owner, script: string, words: string[] = []): Promise<string[]> {
  const log = owner.path("calls.log");
  const result = await owner.run(script, words, faulty({}, log));
  assert.equal(result.code, 0, result.stderr);
  const lines = readFileSync(log, "utf8").trim().split("\n");
  rmSync(log);
  return lines;
}

function chain(owner: Owner): { current: string; lastUsed: string } {
  return owner.simulator.account.chains.at(-1) ?? { current: "", lastUsed: "" };
}

// ---- What must be true after a fault ----

/** The token file is whole, closed to others, and holds a pair that the simulated Tesla has given out. */
function assertWholeTokens(owner: Owner): void {
  const token = JSON.parse(owner.read(TOKEN)) as Record<string, unknown>;
  const { account } = owner.simulator;
  assert.ok(account.accessTokens.has(String(token.access_token)), "an access token of Tesla's");
  const known = account.chains.flatMap((one) => [one.current, one.lastUsed]);
  assert.ok(known.includes(String(token.refresh_token)), "a refresh token that Tesla still takes");
  if (process.platform !== "win32") assert.equal(owner.mode(TOKEN), 0o600);
}

function assertTidy(owner: Owner): void {
  const usual = [".env", "private-key.pem", "public-key.pem", TOKEN, SESSION];
  assert.deepEqual(
    readdirSync(owner.folder).filter((name) => !usual.includes(name)),
    [],
    "litter",
  );
}

async function assertNextRefresh(owner: Owner, tally: Tally): Promise<void> {
  assertWholeTokens(owner);
  const result = await owner.run("refresh_token");
  assert.equal(result.code, 0, `the next run must work:\n${result.stderr}`);
  assert.equal(owner.token().refresh_token, chain(owner).current);
  assertTidy(owner);
  tally.nextRuns += 1;
}

function commandCounters(owner: Owner): { epoch: string; counter: number }[] {
  const found: { epoch: string; counter: number }[] = [];
  for (const { path, body } of owner.simulator.requests) {
    if (!path.endsWith("/signed_command")) continue;
    const message = Buffer.from(JSON.parse(body).routable_message, "base64");
    if (valueAt(message, [13]) === undefined) continue; // a handshake
    found.push({
      epoch: bytesAt(message, [13, 8, 1]).toString("hex"),
      counter: numberAt(message, [13, 8, 2]),
    });
  }
  return found;
}

/** No counter may have been used for two messages of one epoch. */
function assertCountersUnique(owner: Owner, tally: Tally): void {
  const names = commandCounters(owner).map(({ epoch, counter }) => `${epoch} ${counter}`);
  assert.equal(new Set(names).size, names.length, `a counter was used twice: ${names.join(", ")}`);
  tally.counters += names.length;
}

async function assertNextCommand(owner: Owner, tally: Tally): Promise<void> {
  assertWholeTokens(owner);
  if (owner.has(SESSION)) JSON.parse(owner.read(SESSION));
  const result = await owner.run("set_charge_amps", ["12"]);
  assert.equal(result.code, 0, `the next command must work:\n${result.stderr}`);
  assertTidy(owner);
  tally.nextRuns += 1;
}

function noteKill(tally: Tally, result: Result, instant: string): void {
  if (result.code !== -1) {
    tally.late += 1;
    return;
  }
  tally.kills += 1;
  tally.instants.add(instant);
}

// ---- Kills ----

interface Instant {
  at: number;
  act: string;
  empty?: boolean;
  name: string;
}

/** Every instant at which a script can die around its file calls. */
function instantsOf(calls: string[]): Instant[] {
  return calls.flatMap((call, index) => {
    const at = index + 1;
    const instants: Instant[] = [{ at, act: "kill", name: `before ${call} (${at})` }];
    if (!call.startsWith("read")) instants.push({ at, act: "kill after", name: `after ${call} (${at})` });
    if (call.startsWith("write")) instants.push({ at, act: "half", name: `in ${call} (${at})` });
    if (call.startsWith("writeFile"))
      instants.push({ at, act: "half", empty: true, name: `empty ${call} (${at})` });
    return instants;
  });
}

async function killRefreshAt(owner: Owner, tally: Tally, instant: Instant): Promise<void> {
  const result = await owner.run("refresh_token", [], faulty(instant));
  assert.equal(result.code, -1, `killed ${instant.name}`);
  noteKill(tally, result, `refresh ${instant.name}`);
  await assertNextRefresh(owner, tally);
}

async function killCommandAt(owner: Owner, tally: Tally, instant: Instant, which: string): Promise<void> {
  const result = await owner.run("set_charge_amps", ["9"], faulty(instant));
  assert.equal(result.code, -1, `killed ${instant.name}`);
  noteKill(tally, result, `${which} ${instant.name}`);
  await assertNextCommand(owner, tally);
}

// Random: over the whole run, or in the milliseconds after the lock appears, where the work is done.
async function killAtRandom(
  owner: Owner,
  script: string,
  words: string[],
  random: Random,
  tally: Tally,
): Promise<void> {
  const running = owner.start(script, words);
  const kill = (): void => void running.child.kill("SIGKILL");
  const watcher = watch(owner.folder);
  if (random(3) === 0) setTimeout(kill, random(700));
  else {
    const delay = random(60);
    watcher.once("change", () => setTimeout(kill, delay));
  }
  const result = await running.ended;
  watcher.close();
  noteKill(tally, result, `${script} at random`);
}

async function killRefreshAtRandom(owner: Owner, tally: Tally, random: Random): Promise<void> {
  await killAtRandom(owner, "refresh_token", [], random, tally);
  await assertNextRefresh(owner, tally);
}

async function killCommandAtRandom(owner: Owner, tally: Tally, random: Random): Promise<void> {
  await killAtRandom(owner, "set_charge_amps", [String(5 + random(20))], random, tally);
  await assertNextCommand(owner, tally);
}

/** Killed while Tesla's answer is held: not carried out, carried out, and with its first byte there. */
async function killWhileTheAnswerIsHeld(
  owner: Owner,
  tally: Tally,
  script: string,
  words: string[],
): Promise<void> {
  const { car, requests } = owner.simulator;
  for (const failure of ["never_answers", "slow_drip"]) {
    const before = { token: chain(owner).current, done: car.executed.length, asked: requests.length };
    owner.simulator.fail(failure, { times: 1 });
    const running = owner.start(script, words);
    const isDone = (): boolean =>
      script === "refresh_token" ? chain(owner).current !== before.token : car.executed.length > before.done;
    const isCarriedOut = failure === "slow_drip";
    await until("the request", () => (isCarriedOut ? isDone() : requests.length > before.asked));
    running.child.kill("SIGKILL");
    noteKill(tally, await running.ended, `${script} while the answer is held (${failure})`);
    assert.equal(isDone(), isCarriedOut);
    await (script === "refresh_token" ? assertNextRefresh(owner, tally) : assertNextCommand(owner, tally));
  }
}

/** Two days off after a kill that lost the answer: Tesla refuses for real, and get_token is named. */
export async function killThenTooLate(owner: Owner, tally: Tally): Promise<void> {
  const calls = await callsOf(owner, "refresh_token");
  const rename = calls.findIndex((call) => call.startsWith("renameSync")) + 1;
  noteKill(
    tally,
    await owner.run("refresh_token", [], faulty({ at: rename, act: "kill" })),
    "refresh, then two days off",
  );
  const kept = owner.read(TOKEN);
  owner.simulator.clock.offsetMs += 48 * HOUR;
  const result = await owner.run("refresh_token");
  assert.equal(result.code, 4);
  assert.match(result.stderr, /^found: .*login_required.*\nfix: {3}run get_token --force/m);
  assert.equal(result.requests.at(-1)?.status, 401, "Tesla has really refused");
  assert.equal(owner.read(TOKEN), kept);
  owner.simulator.clock.offsetMs = 0;
  owner.logIn();
  await assertNextRefresh(owner, tally);
}

// ---- Files that fail ----

interface FailingCall {
  at: number;
  call: string;
  code: string; // of the error that it throws
}

/** Each file call in turn fails: one error, both tokens kept, the next run works. */
export async function failCall(owner: Owner, tally: Tally, { at, call, code }: FailingCall): Promise<void> {
  const result = await owner.run("refresh_token", [], faulty({ at, act: code }));
  tally.faults += 1;
  const where = `${call} fails with ${code}:\n${result.stderr}`;
  const isUnsent = result.code !== 0 && result.requests.length === 0;
  assert.equal(
    /nothing (more )?was sent/.test(result.stderr),
    isUnsent,
    `whether anything was sent: ${where}`,
  );
  const isKept = result.stderr.includes(`${TOKEN}.new is complete`);
  assert.equal(owner.has(`${TOKEN}.new`), isKept, `a new file stays only where it is complete: ${where}`);
  // Where only tidying up failed the lock is still there: of a process that is gone.
  await assertNextRefresh(owner, tally);
}

/** Each file call of a command in turn fails: what is said is what happened, no counter is used twice, and the next
 * command works. `first` is a command that shakes hands. */
export async function failCommandCall(
  owner: Owner,
  tally: Tally,
  failing: FailingCall,
  first: boolean,
): Promise<void> {
  const { at, call, code } = failing;
  if (first) rmSync(owner.path(SESSION), { force: true });
  const { car } = owner.simulator;
  const done = car.executed.length;
  const result = await owner.run("set_charge_amps", ["9"], faulty({ at, act: code }));
  tally.faults += 1;
  const where = `${call} fails with ${code}:\n${result.stderr}`;
  assert.equal(
    result.code,
    car.executed.length > done ? 0 : 1,
    `the exit code tells what the car did: ${where}`,
  );
  if (result.requests.length > 0) assert.doesNotMatch(result.stderr, /nothing was sent/, where);
  if (car.executed.length > done) assert.doesNotMatch(result.stderr, /not sent|run it again/, where);
  assertCountersUnique(owner, tally);
  await assertNextCommand(owner, tally);
}

/** A disk with so much room, in KiB: found before the token is spent. */
export async function fullDisk(owner: Owner, tally: Tally, kib: number): Promise<void> {
  assert.equal((await owner.run("refresh_token", ["--help"])).code, 0); // warms the loader's cache, which has files too
  const result = await owner.run("refresh_token", [], { fileLimit: kib });
  assert.equal(result.code, 1, result.stderr);
  assert.match(result.stderr, /^fix: {3}free some space, .*nothing (more )?was sent/m);
  assert.deepEqual(result.requests, []);
  tally.faults += 1;
  await assertNextRefresh(owner, tally);
}

/** A real small file system, full; needs the right to mount (CI runs as root). True when it was there. */
export async function fullFileSystem(owner: Owner, tally: Tally): Promise<boolean> {
  const files = readdirSync(owner.folder).map((name): [string, string] => [name, owner.read(name)]);
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=64k,mode=0700", "tmpfs", owner.folder]);
  if (mounted.status !== 0) return false;
  try {
    for (const [name, text] of files) owner.write(name, text);
    const before = owner.read(TOKEN);
    assert.throws(() => owner.write("filler", Buffer.alloc(100_000)), /ENOSPC/);
    const result = await owner.run("refresh_token");
    assert.equal(result.code, 1, result.stderr);
    assert.match(result.stderr, /^found: the disk is full\nfix: .*nothing was sent/m);
    assert.deepEqual(result.requests, []);
    assert.equal(owner.read(TOKEN), before);
    tally.faults += 1;
    rmSync(owner.path("filler"));
    await assertNextRefresh(owner, tally);
  } finally {
    spawnSync("umount", ["-l", owner.folder]);
  }
  return true;
}

/** A folder that may be read and not written, as another user where this one is root. */
export async function readOnlyFolder(owner: Owner, tally: Tally): Promise<void> {
  const before = owner.read(TOKEN);
  const isRoot = process.getuid?.() === 0;
  const uid = isRoot ? 65534 : undefined;
  if (isRoot) {
    chmodSync(dirname(owner.simulator.caFile), 0o755);
    for (const name of readdirSync(owner.folder)) chownSync(owner.path(name), 65534, 65534);
  }
  chmodSync(owner.folder, 0o555);
  const result = await owner.run("refresh_token", [], { uid });
  chmodSync(owner.folder, 0o700);
  assert.equal(result.code, 1, result.stderr);
  assert.match(result.stderr, /^found: permission denied\nfix: .*sudo chown .*nothing was sent/m);
  assert.deepEqual(result.requests, []);
  assert.equal(owner.read(TOKEN), before);
  tally.faults += 1;
  await assertNextRefresh(owner, tally);
}

// ---- Runs that meet ----

const LOCK = `${TOKEN}.lock`;

/** A claim to a lock, as the runs write it: process, uptime of the machine, a number of its own. */
function claimOf(pid: number, claimedAt = Math.floor(uptime())): string {
  return `\n${pid} ${claimedAt} 0123456789abcdef\n`;
}

/** How often a run has looked at the lock, by its log. */
function looks(log: string): number {
  return existsSync(log)
    ? (readFileSync(log, "utf8").match(/^readFileSync tesla_token.json.lock$/gm) ?? []).length
    : 0;
}

/** So many refreshes at once, all of which have read the old token: exactly one request, and all succeed. */
export async function manyAtOnce(owner: Owner, tally: Tally, count = 16): Promise<void> {
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
  assert.deepEqual(
    results.map(({ code }) => code),
    results.map(() => 0),
  );
  const sent = owner.simulator.requests.slice(asked);
  assert.equal(sent.length, 1, `${sent.length} requests of ${count} runs`);
  assert.equal(
    results.filter(({ stderr }) => stderr.includes("already refreshed by another run")).length,
    count - 1,
  );
  await assertNextRefresh(owner, tally);
}

/** A refresh between the steps of set_charge_amps, and commands while a refresh is under way. */
export async function refreshBesideCommands(owner: Owner, tally: Tally): Promise<void> {
  const jobs: Running[] = [];
  for (let round = 0; round < 3; round += 1) {
    jobs.push(owner.start("set_charge_amps", [String(8 + round)], { timeoutMs: 70_000 }));
    jobs.push(owner.start("refresh_token", [], { timeoutMs: 70_000 }));
  }
  const results = await Promise.all(jobs.map(({ ended }) => ended));
  for (const { code, stderr } of results) assert.equal(code, 0, stderr);
  assertCountersUnique(owner, tally);
  await assertNextRefresh(owner, tally);
  await assertNextCommand(owner, tally);
}

/** Another program replaces, spoils or removes the token file while a refresh waits for Tesla's answer. */
export async function replacedUnderTheRun(owner: Owner, tally: Tally): Promise<void> {
  const calls = await callsOf(owner, "refresh_token");
  const afterReading = calls.findIndex((call, index) => index > 1 && call === `readFileSync ${TOKEN}`) + 2;
  for (const change of ["another login", "garbage", "nothing"]) {
    const gate = owner.path("gate");
    const running = owner.start("refresh_token", [], faulty({ at: afterReading, act: "hold", until: gate }));
    await until("the gate", () => existsSync(`${gate}.reached`));
    if (change === "another login") owner.logIn();
    else if (change === "garbage") owner.write(TOKEN, '{"access_tok');
    else rmSync(owner.path(TOKEN));
    writeFileSync(gate, "");
    const result = await running.ended;
    rmSync(gate);
    rmSync(`${gate}.reached`);
    assert.equal(result.code, 0, `replaced by ${change}:\n${result.stderr}`);
    assertWholeTokens(owner);
    const next = await owner.run("refresh_token");
    assert.equal(next.code, 0, next.stderr);
    assertTidy(owner);
    tally.nextRuns += 1;
  }
}

/** Two runs meet at the lock of a run that is gone, the second with a clock that jumps by an hour: wherever it stood
 * when the first came, one works after the other. */
export async function oneAtATime(owner: Owner, tally: Tally, random: Random): Promise<void> {
  const calls = await callsOf(owner, "refresh_token");
  const claimed = calls.indexOf(`writeSync ${LOCK}`) + 1;
  const last = calls.lastIndexOf(`readFileSync ${LOCK}`) + 1;
  for (const isFirst of [false, true]) {
    owner.write(LOCK, claimOf(goneProcess()));
    const [gate, log] = [owner.path("gate"), owner.path("calls.log")];
    // Held before its claim is in the file, or after.
    const at = isFirst ? claimed + 1 + random(last - claimed) : claimed - random(claimed - 1);
    const held = owner.start("refresh_token", [], faulty({ at, act: "hold", until: gate, ms: HOUR }, log));
    await until("the gate", () => existsSync(`${gate}.reached`));
    const asked = owner.simulator.requests.length;
    const sent = (): number => owner.simulator.requests.length - asked;
    if (!isFirst) owner.simulator.fail("slow_drip", { times: 1 }); // the other run holds its lock for as long as we like
    const other = owner.start("refresh_token", [], faulty({}, `${log}.other`));
    if (isFirst) {
      await until("the other one to wait", () => looks(`${log}.other`) > 4);
      assert.equal(sent(), 0, "whose claim comes first works first");
      writeFileSync(gate, "");
      for (const { ended } of [held, other]) assert.equal((await ended).code, 0);
      assert.equal(sent(), 1, "the second one finds all done");
    } else {
      await until("the other one's request", () => sent() > 0);
      writeFileSync(gate, "");
      const before = looks(log);
      await until("the held one to wait", () => looks(log) > before + 4);
      assert.equal(sent(), 1, "a lock whose run lives is not taken over, whatever the clock says");
      other.child.kill("SIGKILL");
      noteKill(tally, await other.ended, "refresh with another one waiting");
      const { code, stderr } = await held.ended;
      assert.equal(code, 0, stderr);
    }
    for (const name of readdirSync(owner.folder)) if (/^(gate|calls)/.test(name)) rmSync(owner.path(name));
    await assertNextRefresh(owner, tally);
  }
}

/** The number of a process that is gone. */
function goneProcess(): number {
  return spawnSync(process.execPath, ["-e", ""]).pid;
}

/** Locks that nobody holds any more, and those of a run that lives, which are waited for in vain. */
export async function locks(owner: Owner, tally: Tally): Promise<void> {
  const [now, day] = [Math.floor(uptime()), 86_400];
  const lives = claimOf(process.pid);
  const cases: [string, string, number, boolean][] = [
    ["of a run that is gone", claimOf(goneProcess()), 0, false],
    ["empty: killed before its claim was in it", "", 0, false],
    ["given up", `${lives}-${lives.trim()}\n`, 0, false],
    ["of before the machine started again", claimOf(process.pid, now + 1000), 0, false],
    ["a day old: the number may be another process's by now", lives, day, false],
    ["nearly a day old", lives, day - 600, true],
    ["new", lives, 0, true],
    ["a number alone, as earlier versions left it", String(goneProcess()), 0, false],
  ];
  for (const [title, claim, older, isHeld] of cases) {
    owner.write(LOCK, claim);
    const before = owner.read(TOKEN);
    const result = await owner.run("refresh_token", [], faulty({ rate: 40, uptime: older }));
    assert.equal(result.code, isHeld ? 1 : 0, `${title}:\n${result.stderr}`);
    if (isHeld) {
      assert.match(
        result.stderr,
        /^error: another run is using tesla_token\.json\n.*\nfix: .*nothing was sent/m,
      );
      assert.deepEqual([result.requests, owner.read(TOKEN)], [[], before]);
      assert.ok(owner.read(LOCK).startsWith(claim), "somebody else's claim is not touched");
      rmSync(owner.path(LOCK));
    }
    await assertNextRefresh(owner, tally);
  }
}

/** Tesla never answers: half a minute, exit 1, nothing lost. */
export async function noAnswer(owner: Owner): Promise<void> {
  const before = owner.read(TOKEN);
  owner.simulator.fail("never_answers");
  const { code, ms, requests, stderr } = await owner.run("refresh_token", [], { timeoutMs: 60_000 });
  assert.equal(code, 1, stderr);
  assert.ok(ms > 29_000 && ms < 45_000, `${ms} ms`);
  assert.equal(requests.length, 1);
  assert.equal(owner.read(TOKEN), before);
}

/** Another run that lives holds the lock: given up after longer than one request may take, with nothing sent. */
export async function keptLock(owner: Owner): Promise<void> {
  owner.write(LOCK, claimOf(process.pid));
  const { code, ms, requests, stderr } = await owner.run("refresh_token", [], { timeoutMs: 60_000 });
  assert.equal(code, 1, stderr);
  assert.ok(ms > 34_000, `${ms} ms`);
  assert.equal(requests.length, 0);
}

export const STEPS = [
  -10 * 60_000,
  20 * 365 * 24 * HOUR,
  10 * 60_000,
  24 * HOUR,
  -24 * HOUR,
  -50 * 365 * 24 * HOUR,
];

/** The clock is stepped in the middle of a run; the next runs have the right time again. */
export async function steppedClock(owner: Owner, tally: Tally, steps = STEPS): Promise<void> {
  for (const ms of steps) {
    const result = await owner.run("refresh_token", [], faulty({ at: 4, act: "clock", ms }));
    assert.equal(result.code, 0, `stepped by ${ms / 60_000} minutes:\n${result.stderr}`);
    const command = await owner.run("set_charge_amps", ["11"], faulty({ at: 3, act: "clock", ms }));
    assert.equal(command.code, 0, `stepped by ${ms / 60_000} minutes:\n${command.stderr}`);
    await assertNextRefresh(owner, tally);
    await assertNextCommand(owner, tally);
  }
  assertCountersUnique(owner, tally);
}

/** A refresh under a clock that is years ahead must not keep the cron job quiet for years. */
export async function clockAheadAtRefresh(owner: Owner): Promise<void> {
  const ahead = { at: 1, act: "clock", ms: 2 * 365 * 24 * HOUR };
  assert.equal((await owner.run("refresh_token", [], faulty(ahead))).code, 0);
  owner.simulator.clock.offsetMs = 8 * HOUR; // Tesla's access token has expired, the owner's clock is right again
  const result = await owner.run(
    "refresh_token",
    ["--if-expiring-within", "3h"],
    faulty({ at: 1, act: "clock", ms: 8 * HOUR }),
  );
  owner.simulator.clock.offsetMs = 0;
  assert.equal(result.requests.length, 1, `not refreshed: ${result.stderr}`);
}

// ---- The long form ----

export function pick<Item>(items: Item[], random: Random, count: number): Item[] {
  const rest = [...items];
  const chosen: Item[] = [];
  while (chosen.length < count && rest.length > 0) chosen.push(...rest.splice(random(rest.length), 1));
  return chosen;
}

/** Kills refreshes and commands of two owners side by side, `kills` times in all, half of them at chosen instants. */
export async function killMany(kills: number, seed: number, tally: Tally): Promise<void> {
  const quarter = Math.ceil(kills / 4);
  const refreshes = async (random: Random): Promise<void> => {
    const owner = await newOwner();
    try {
      const instants = instantsOf(await callsOf(owner, "refresh_token"));
      for (const instant of pick(instants, random, quarter)) await killRefreshAt(owner, tally, instant);
      await killWhileTheAnswerIsHeld(owner, tally, "refresh_token", []);
      for (let left = quarter; left > 0; left -= 1) await killRefreshAtRandom(owner, tally, random);
    } finally {
      await owner.close(false);
    }
  };
  const commands = async (random: Random): Promise<void> => {
    const owner = await newOwner();
    try {
      const first = instantsOf(await callsOf(owner, "set_charge_amps", ["7"])); // shakes hands
      const later = instantsOf(await callsOf(owner, "set_charge_amps", ["8"]));
      for (const instant of pick(later, random, Math.ceil(quarter / 2))) {
        await killCommandAt(owner, tally, instant, "command");
      }
      for (const instant of pick(first, random, Math.ceil(quarter / 2))) {
        rmSync(owner.path(SESSION), { force: true });
        await killCommandAt(owner, tally, instant, "first command");
      }
      await killWhileTheAnswerIsHeld(owner, tally, "set_charge_amps", ["9"]);
      for (let left = quarter; left > 0; left -= 1) {
        if (left % 4 === 0) owner.simulator.car.reboot(); // so that a second signature is cut through as well
        await killCommandAtRandom(owner, tally, random);
      }
      assertCountersUnique(owner, tally);
    } finally {
      await owner.close(false);
    }
  };
  const outcomes = await Promise.allSettled([refreshes(randomFrom(seed)), commands(randomFrom(seed + 1))]);
  for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const { values } = parseArgs({
    options: { kills: { type: "string", default: "240" }, seed: { type: "string" } },
  });
  const { kills, seed = String(Date.now() % 1_000_000) } = values;
  const words = [
    "--import",
    "tsx",
    "--test",
    "--test-timeout=1800000",
    fileURLToPath(new URL("faults.test.ts", import.meta.url)),
  ];
  const env = { ...process.env, TEST_LONG: "1", TEST_KILLS: kills, TEST_SEED: seed };
  process.exitCode = spawnSync(process.execPath, words, { env, stdio: "inherit" }).status ?? 1;
}
