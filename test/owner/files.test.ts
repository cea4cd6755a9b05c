// The owner's files: locks that neither a clock nor a kill breaks, new files that are this run's and nobody else's,
// files that belong to somebody else, settings in every spelling, and errors that nobody expected.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir, uptime } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import timers from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { Failure } from "../../lib/command_line.ts";
import { replaceFile, withLock } from "../../lib/safe_file.ts";
import { readSettings } from "../../lib/settings.ts";
import { plainFile } from "../support/compiled.ts";
import { ends, endsWith } from "../support/ends.ts";
import {
  assertEnd, inside, type Owner, ownerTest, plantedCopy, PROJECT, useFewProcesses,
} from "../support/harness.ts";
import { until } from "../support/until.ts";

useFewProcesses();
const POSIX = process.platform !== "win32";
const FILE = "tesla_token.json";
const LOCK = `${FILE}.lock`;
const NEW = `${FILE}.new`;
const TOLD = "tesla_token.json is unchanged";
const real = { ...fs, sleep: timers.setTimeout, now: Date.now };
let pauses = 0;

/** From here on pauses take a millisecond, and the clock of `performance` runs a hundred times as fast. */
function hurry(): void {
  timers.setTimeout = ((_ms: number, value: unknown) => {
    pauses += 1;
    return real.sleep(1, value);
  }) as typeof timers.setTimeout;
  const begin = performance.now();
  const now = performance.now.bind(performance);
  Object.defineProperty(performance, "now", { value: () => begin + (now() - begin) * 100, configurable: true });
  syncBuiltinESMExports();
}

function calm(): void {
  Object.assign(fs, { renameSync: real.renameSync, rmSync: real.rmSync });
  timers.setTimeout = real.sleep;
  Date.now = real.now;
  Reflect.deleteProperty(performance, "now");
  syncBuiltinESMExports();
}

/** The failure that this ends with, as its three rows; empty if it does not fail. */
async function failureOf(work: () => Promise<unknown>): Promise<string> {
  try {
    await work();
    return "";
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return `${error.exitCode} ${error.message} | ${error.found} | ${error.fix}`;
  }
}

const read = (file: string): string => fs.readFileSync(file, "utf8");
const home = process.cwd();
function enterFolder(): void {
  process.chdir(fs.mkdtempSync(join(tmpdir(), "tesla-files-")));
  hurry();
}
function leaveFolder(): void {
  calm();
  const folder = process.cwd();
  process.chdir(home);
  fs.rmSync(folder, { recursive: true });
}

describe("the lock", () => {
  before(enterFolder);
  after(leaveFolder);
  const DAY = 86_400;
  const DEAD = spawnSync(process.execPath, ["--version"]).pid;
  const LIVE = process.ppid; // another process, and it lives
  const UP = Math.floor(uptime());
  const live = `${LIVE} ${UP} 00112233aabbccdd`;
  // What is in the lock, and whether it is free; then by how many seconds the time of day has stepped since.
  // biome-ignore format: a table, one row a line
  const locks: [string, string, boolean, number?][] = [
    ["a run that is gone", `${DEAD} ${UP} aa`, true], ["a run that lives", live, false],
    ["it lives, and the clock steps by 6 minutes", live, false, 360], ["back by 6 minutes", live, false, -360],
    ["by ten years", live, false, 3650 * DAY], ["back by ten years", live, false, -3650 * DAY],
    ["the number of this very run, as in a container", `${process.pid} ${UP} aa`, true],
    ["its number, of a run that began just now", `${process.pid} ${UP + 1} aa`, true],
    ["nearly a day old", `${LIVE} ${UP - DAY + 60} aa`, false], ["a day old", `${LIVE} ${UP - DAY - 1} aa`, true],
    ["a day old, whatever the time of day", `${LIVE} ${UP - DAY - 1} aa`, true, -3650 * DAY],
    ["of before the machine started again", `${LIVE} ${UP + 1000} aa`, true],
    ["given up", `${live}\n-${live}`, true], ["given up by one, held by another", `${live}\n-${live}\n${live}1`, false],
    ["behind one that is gone, one that lives", `${DEAD} ${UP} aa\n\n${live}`, false],
    ["behind this run's number, one that lives", `${process.pid} ${UP} aa\n\n${live}`, false],
    ["empty", "", true], ["no number", "some text", true], ["no process", `0 ${UP} aa`, true], ["a negative one", `-5 ${UP} aa`, true],
    ["no time", `${LIVE} soon aa`, true], ["damaged in front, one that lives", `${DEAD} ${UP} a${"\0".repeat(9)}\n${live}`, false],
  ];
  for (const [title, claims, isFree, step = 0] of locks) {
    test(`${title}: ${isFree ? "taken over at once" : "waited for"}`, async () => {
      fs.writeFileSync(LOCK, `\n${claims}\n`);
      const time = new Date(Date.now() - step * 1000); // when the lock was made, by the clock of now
      fs.utimesSync(LOCK, time, time);
      Date.now = () => real.now() + step * 1000;
      let isIn = false;
      pauses = 0;
      const run = withLock(FILE, async () => {
        isIn = true;
        return "its result";
      });
      await until("the lock, or ten looks at it", () => isIn || pauses >= 10);
      assert.deepEqual([isIn, pauses > 0], [isFree, !isFree]);
      if (!isFree) {
        assert.ok(read(LOCK).includes(live.slice(0, 5)), "the other run's claim is still there");
        fs.rmSync(LOCK); // the other run ends
      }
      assert.equal(await run, "its result");
      assert.equal(fs.existsSync(LOCK), false);
      Date.now = real.now;
    });
  }

  test("held for longer than any request: nothing is done, and the claim is taken back", async () => {
    fs.writeFileSync(LOCK, `\n${live}\n`);
    const failure = await failureOf(() => withLock(FILE, () => assert.fail("two holders")));
    assert.equal(failure, `1 another run is using ${FILE} | ${LOCK} | try again later; nothing was sent`);
    const claims = read(LOCK).trim().split(/\n+/);
    assert.deepEqual([claims.length, claims[0], claims[2]], [3, live, `-${claims[1]}`]);
    fs.rmSync(LOCK);
  });

  test("what fails inside gives the lock back", async () => {
    await assert.rejects(withLock(FILE, () => Promise.reject(new Error("inside"))), /inside/);
    assert.equal(fs.existsSync(LOCK), false);
  });

  const links: [string, (path: string) => void][] = [
    ["a symlink to a file", (path) => fs.symlinkSync("victim", path)],
    ["a symlink to nothing", (path) => fs.symlinkSync("nowhere", path)],
    ["a symlink to a symlink", (path) => fs.symlinkSync("link", path)],
    ["a folder", (path) => fs.mkdirSync(path)],
  ];
  for (const [title, make] of POSIX ? links : []) {
    test(`${title} in its place is refused, and nothing is written through it`, async () => {
      fs.writeFileSync("victim", "mine");
      fs.rmSync("link", { force: true });
      fs.symlinkSync("victim", "link");
      make(LOCK);
      const failure = await failureOf(() => withLock(FILE, () => assert.fail("held")));
      assert.match(failure, new RegExp(`^1 cannot write ${LOCK} \\| .*; nothing was sent$`));
      assert.deepEqual([read("victim"), fs.existsSync("nowhere")], ["mine", false]);
      fs.rmSync(LOCK, { recursive: true });
    });
  }

  // Every round is a run with a number of its own, which ends for good after it; every third is "killed" while it
  // holds the lock, and leaves it. Random pauses between the steps show what a busy machine shows once in years.
  test("many runs at abandoned locks: never two holders", { timeout: 60_000 }, async () => {
    const worker = `import fs from "node:fs"; import timers from "node:timers/promises";
import { syncBuiltinESMExports } from "node:module";
const [lib, until] = process.argv.slice(2), { sleep, ...real } = { ...fs, sleep: timers.setTimeout };
const shared = new Int32Array(new SharedArrayBuffer(4));
const dawdle = () => { if (Math.random() < 0.3) Atomics.wait(shared, 0, 0, Math.random() * 3); };
let isKilled = false;
for (const name of ["readFileSync", "openSync", "writeSync", "rmSync"]) fs[name] = (...given) => {
  dawdle();
  if (name !== "rmSync" || !isKilled) return real[name](...given);
};
process.kill = (number) => {
  dawdle();
  if (!fs.existsSync("alive." + number)) throw Object.assign(new Error("gone"), { code: "ESRCH" });
};
timers.setTimeout = (ms) => sleep(ms / 100);
syncBuiltinESMExports();
const { withLock } = await import(lib);
for (let round = 1; Date.now() < Number(until); round += 1) {
  const number = Math.floor(1e6 + Math.random() * 1e9);
  Object.defineProperty(process, "pid", { value: number, configurable: true });
  real.writeFileSync("alive." + number, "");
  isKilled = false;
  await withLock("f", async () => {
    real.closeSync(real.openSync("held", "wx")); // throws if another run holds it
    if (Math.random() < 0.5) await sleep(Math.random() * 4);
    real.rmSync("held");
    process.stdout.write("held\\n");
    isKilled = round % 3 === 0;
  });
  real.rmSync("alive." + number);
}`;
    fs.writeFileSync("worker.mjs", worker);
    const lib = pathToFileURL(plainFile(join(PROJECT, "lib", "safe_file.ts"))).href;
    const rounds = Array.from({ length: 6 }, async () => {
      const child = spawn(process.execPath, ["worker.mjs", lib, String(real.now() + 4000)]);
      let said = "";
      for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => { said += text; });
      const code = await new Promise((resolve) => child.on("close", resolve));
      assert.equal(code, 0, said);
      return said.split("held\n").length - 1;
    });
    const counts = await Promise.all(rounds);
    assert.ok(counts.every((count) => count > 3), `every run had its turn: ${counts}`);
    fs.rmSync("f.lock", { force: true });
  });
});

describe("the new file", () => {
  before(enterFolder);
  after(leaveFolder);
  const isTidy = (): boolean => !fs.existsSync(NEW) && !fs.existsSync(LOCK);
  const OLD = '{"old":1}\n';
  const start = (): void => fs.writeFileSync(FILE, OLD, { mode: 0o644 });

  test("whole, for its owner alone, and nothing beside it, whatever a killed run left there", async () => {
    for (const left of [undefined, "half of a fi", " ".repeat(99_999)]) {
      start();
      if (left) fs.writeFileSync(NEW, left, { mode: 0o666 });
      const content = { text: "ä".repeat(20_000) }; // more than the room that was made for it
      assert.equal(await replaceFile(FILE, async () => content), content);
      assert.equal(read(FILE), `${JSON.stringify(content, null, 2)}\n`);
      if (POSIX) assert.equal(fs.statSync(FILE).mode & 0o777, 0o600);
      assert.ok(isTidy(), "nothing is left");
    }
  });

  // What somebody puts there between the moment when the old one goes and the new one is made.
  const planted: [string, () => void][] = [
    ["another user's file that all may read", () => fs.writeFileSync(NEW, "", { mode: 0o666 })],
    ["a symlink to a file", () => fs.symlinkSync("theirs", NEW)],
    ["a symlink to nothing", () => fs.symlinkSync("elsewhere", NEW)],
    ["a hard link", () => fs.linkSync("theirs", NEW)],
    ["a folder", () => fs.mkdirSync(NEW)],
  ];
  for (const [title, plant] of POSIX ? planted : []) {
    test(`${title} in its place is refused before anything is sent`, async () => {
      start();
      fs.writeFileSync("theirs", "");
      fs.rmSync = (path, options) => {
        real.rmSync(path, options);
        if (path === NEW) plant();
      };
      syncBuiltinESMExports();
      const failure = await failureOf(() => replaceFile(FILE, () => assert.fail("sent")));
      calm();
      hurry();
      assert.match(failure, new RegExp(`^1 cannot write ${FILE} \\| already exists \\| .*; nothing more was sent; ${TOLD}$`));
      assert.deepEqual([read(FILE), read("theirs"), fs.existsSync("elsewhere")], [OLD, "", false]);
      fs.rmSync(NEW, { recursive: true });
    });
  }

  test("what one run opened another never renames: the old file stays", async () => {
    // Done to the new file while the answer is on its way, and what is there afterwards.
    const changes: [() => void, string | undefined][] = [
      [() => fs.rmSync(NEW), undefined],
      [() => (fs.writeFileSync("other", "half of an ans"), fs.renameSync("other", NEW)), "half of an ans"],
    ];
    for (const [change, left] of changes) {
      start();
      const failure = await failureOf(() => replaceFile(FILE, async () => change()));
      assert.match(failure, new RegExp(`^1 cannot write ${FILE} \\| another run has replaced ${NEW} \\| .*; ${TOLD}$`));
      assert.deepEqual([read(FILE), fs.existsSync(NEW) ? read(NEW) : undefined], [OLD, left]);
      fs.rmSync(NEW, { force: true });
    }
  });

  for (const order of [[0, 1], [1, 0]]) {
    test(`two runs at once, were there no lock (${order}): a whole answer is there`, async () => {
      start();
      const answers = [0, 1].map(() => {
        let arrive: (content: object) => void = () => {};
        const content = new Promise<object>((resolve) => { arrive = resolve; });
        return { content, arrive };
      });
      const runs = answers.map(({ content }) => failureOf(() => replaceFile(FILE, () => content)));
      for (const index of order) {
        answers[index]?.arrive({ answer: index });
        await runs[index];
      }
      // The second has made the new file its own; the first one's answer has nowhere to go.
      assert.match((await runs[0]) ?? "", /another run has replaced/);
      assert.equal(await runs[1], "");
      assert.deepEqual(JSON.parse(read(FILE)), { answer: 1 });
      assert.ok(isTidy(), "nothing is left");
    });
  }

  /** renameSync fails so many times with this code, as on Windows while another program has the file open. */
  function renameFails(code: string, times: number): void {
    let left = times;
    fs.renameSync = (from, to) => {
      left -= 1;
      if (left >= 0) throw Object.assign(new Error(`${code}: as Node says it`), { code });
      real.renameSync(from, to);
    };
    syncBuiltinESMExports();
    pauses = 0;
  }
  // biome-ignore format: a table, one row a line
  const renames: [string, number, boolean][] = [
    ["EPERM", 1, true], ["EBUSY", 3, true], ["EACCES", 2, true], ["EPERM", Infinity, false], ["EBUSY", Infinity, false],
    ["EIO", 1, false], // no reason to wait
  ];
  for (const [code, times, isDone] of renames) {
    test(`rename fails with ${code} ${times} times: ${isDone ? "tried again" : "the new file is kept and said"}`, async () => {
      for (const isThere of [true, false]) {
        fs.rmSync(FILE, { force: true });
        if (isThere) start();
        renameFails(code, times);
        const failure = await failureOf(() => replaceFile(FILE, async () => ({ fresh: 1 })));
        const waited = pauses;
        fs.renameSync = real.renameSync;
        syncBuiltinESMExports();
        assert.equal(read(isDone ? FILE : NEW), '{\n  "fresh": 1\n}\n');
        if (isDone) {
          assert.deepEqual([failure, waited, isTidy()], ["", times, true]);
          continue;
        }
        assert.match(failure, new RegExp(`^1 cannot write ${FILE} \\|.*; ${NEW} is complete: rename it to ${FILE}$`));
        assert.doesNotMatch(failure, /unchanged|nothing/);
        assert.equal(isThere ? read(FILE) : fs.existsSync(FILE), isThere && OLD);
        assert.equal(waited > 5, times > 1);
        fs.rmSync(NEW);
      }
    });
  }

  test("no answer: an old file is spoken of only where there is one", async () => {
    const fails = () => failureOf(() => replaceFile(FILE, () => Promise.reject(new Error("odd"))));
    start();
    assert.equal(await fails(), `1 cannot write ${FILE} | odd | check ${FILE}, then try again; ${TOLD}`);
    fs.rmSync(FILE);
    assert.equal(await fails(), `1 cannot write ${FILE} | odd | check ${FILE}, then try again; nothing was saved`);
    assert.ok(isTidy(), "nothing is left");
  });
});

/** These files belong to another user, as after a run with sudo: the user as whom to run then. */
function asAnother(owner: Owner, theirs: string[]): number | undefined {
  for (const file of theirs) fs.chmodSync(owner.path(file), process.getuid?.() === 0 ? 0o600 : 0);
  if (process.getuid?.() !== 0) return undefined; // no mode binds root; anybody else locks himself out
  const uid = 65534; // nobody
  fs.chmodSync(dirname(owner.simulator.caFile), 0o755);
  fs.chownSync(owner.folder, uid, uid);
  for (const file of fs.readdirSync(owner.folder)) {
    const user = theirs.includes(file) ? 0 : uid;
    fs.chownSync(owner.path(file), user, user);
  }
  return uid;
}

describe("files that belong to somebody else", { concurrency: 3 }, () => {
  // biome-ignore format: a table, one row a line
  const files: [string, string, number, string][] = [
    [".env", "read_charge", 5, ".env cannot be read"], [FILE, "read_charge", 4, "not logged in (in this folder)"],
    [FILE, "refresh_token", 4, "not logged in (in this folder)"], ["private-key.pem", "set_charge_amps 10", 5, "private-key.pem cannot be used"],
    ["public-key.pem", "serve_public_key", 5, "public-key.pem cannot be used"], ["public-key.pem", "register_partner", 5, "public-key.pem cannot be used"],
    ["tesla_session.json", "set_charge_amps 10", 1, "tesla_session.json cannot be read"], [LOCK, "refresh_token", 1, `cannot write ${LOCK}`],
  ];
  if (POSIX) ownerTest("the fix is chown, in the same words for each, and nothing is sent", {}, async (owner) => {
    for (const [file, line, code, problem] of files) {
      if (!owner.has(file)) owner.write(file, "{}");
      const uid = asAnother(owner, [file]);
      const options = uid === undefined ? { timeoutMs: 29_000 } : { uid };
      const result = await endsWith(owner, line, options, code, `error: ${problem}\n`, "permission denied",
        `fix:   make it yours: sudo chown "$USER" ${file} && chmod u+rw ${file}`);
      assert.doesNotMatch(result.stderr, /generate_key|get_token/);
      assert.deepEqual(result.requests, []);
      if (uid === undefined) fs.chmodSync(owner.path(file), 0o600);
      if (file === LOCK) fs.rmSync(owner.path(file));
    }
  });

  // The script, and the file that it cannot make.
  const closed: [string, string][] = [["refresh_token", LOCK], ["get_token --force", LOCK], ["set_charge_amps 10", "tesla_session.json.lock"],
    ["generate_key", "the keys"]];
  if (POSIX) ownerTest("a folder that cannot be written is named before anything is sent", {}, async (owner) => {
    const folder = fs.realpathSync(owner.folder);
    for (const [line, file] of closed) {
      if (file === "the keys") for (const key of ["private-key.pem", "public-key.pem"]) fs.rmSync(owner.path(key));
      const before = owner.read(FILE);
      const uid = asAnother(owner, []);
      fs.chmodSync(owner.folder, 0o555);
      const result = await endsWith(owner, line, uid === undefined ? { timeoutMs: 29_000 } : { uid }, 1,
        `error: cannot write ${file}\nfound: permission denied\nfix:   make it yours: sudo chown "$USER" ${folder} && chmod u+rw ${folder}`);
      fs.chmodSync(owner.folder, 0o700);
      assert.doesNotMatch(result.stderr, /authorize/); // get_token notices before the login
      assert.deepEqual([result.requests, owner.read(FILE)], [[], before]);
    }
  });

  // Somebody who may write in the folder makes the new file whenever it goes: as hard as he can, in the real script.
  if (POSIX) ownerTest("the new file of refresh_token taken by somebody else: the token is not spent", {}, async (owner) => {
    const before = owner.read(FILE);
    const plant = `import fs from "node:fs"; import { syncBuiltinESMExports } from "node:module"; const rm = fs.rmSync;
fs.rmSync = (path, ...rest) => { rm(path, ...rest); if (path === "${NEW}") fs.symlinkSync("theirs", path); };
syncBuiltinESMExports();`;
    owner.write("theirs", "", 0o666);
    const node = ["--import", `data:text/javascript,${encodeURIComponent(plant)}`];
    const result = await endsWith(owner, "refresh_token", { node }, 1, `cannot write ${FILE}\nfound: already exists`);
    assert.deepEqual([result.requests, owner.read(FILE), owner.read("theirs")], [[], before, ""]);
  });

  if (POSIX && process.getuid?.() === 0) ownerTest("a sticky folder, and another user's new file in it", {}, async (owner) => {
    owner.write(NEW, "", 0o666);
    const uid = asAnother(owner, []);
    fs.chownSync(owner.folder, 0, 0);
    fs.chownSync(owner.path(NEW), 0, 0);
    fs.chmodSync(owner.folder, 0o1777);
    const result = await endsWith(owner, "refresh_token", { uid: uid ?? 0 }, 1, `error: cannot write ${FILE}\n`);
    assert.deepEqual([result.requests, owner.read(NEW)], [[], ""]);
  });
});

describe("settings", { concurrency: 3 }, () => {
  const names = ["TESLA_CLIENT_ID", "TESLA_CLIENT_SECRET", "TESLA_REDIRECT_URI", "TESLA_REGION", "TESLA_DOMAIN", "TESLA_VIN",
    "TESLA_COMMANDS", "TESLA_SCOPES"] as const;
  type Settings = Record<string, string>;
  const SECRET = "ta-secret.0123456789";

  /** What readSettings says with these lines in .env and these variables, beside those of a working owner. */
  const reads = (owner: Owner, inFile: Settings, inEnvironment: Settings = {}) => inside(owner, async () => {
    owner.setSettings(inFile);
    try {
      Object.assign(process.env, inEnvironment);
      return readSettings([...names]);
    } finally {
      for (const name of Object.keys(inEnvironment)) delete process.env[name];
    }
  });

  // What is in .env, what is in the environment, what was found, and the fix.
  const ENVIRONMENT = (name: string): string => `unset ${name}, or correct it in the environment: `;
  const IN_FILE = (name: string): string => `${name} in .env: `;
  // biome-ignore format: a table, one row a line
  const wrong: [Settings, Settings, string, string][] = [
    [{ TESLA_VIN: "5YJ3" }, {}, 'TESLA_VIN is "5YJ3"', IN_FILE("TESLA_VIN")],
    [{ TESLA_VIN: "" }, {}, "TESLA_VIN is not set", IN_FILE("TESLA_VIN")],
    [{}, { TESLA_VIN: "5YJ3" }, 'TESLA_VIN is "5YJ3" in the environment', ENVIRONMENT("TESLA_VIN")],
    [{}, { TESLA_REGION: "EU" }, 'TESLA_REGION is "EU" in the environment', ENVIRONMENT("TESLA_REGION")],
    [{ TESLA_REGION: "eu" }, { TESLA_REGION: "" }, "TESLA_REGION is empty in the environment", ENVIRONMENT("TESLA_REGION")],
    [{ TESLA_DOMAIN: "x" }, { TESLA_VIN: "1" }, 'TESLA_DOMAIN is "x"; TESLA_VIN is "1" in the environment', ENVIRONMENT("TESLA_VIN")],
    // docker's --env-file keeps the quotes as part of the value
    [{}, { TESLA_CLIENT_SECRET: `"${SECRET}"` }, "TESLA_CLIENT_SECRET is malformed (not shown) in the environment", "without quotes"],
    [{}, { TESLA_CLIENT_SECRET: `'${SECRET}'` }, "TESLA_CLIENT_SECRET is malformed (not shown)", "without quotes"],
    [{}, { TESLA_CLIENT_SECRET: `\`${SECRET}` }, "TESLA_CLIENT_SECRET is malformed (not shown)", "without quotes"],
    [{}, { TESLA_CLIENT_SECRET: `${SECRET}"` }, "TESLA_CLIENT_SECRET is malformed (not shown)", "without quotes"],
    [{ TESLA_CLIENT_SECRET: `"'${SECRET}'"` }, {}, "TESLA_CLIENT_SECRET is malformed (not shown)", "without quotes"],
    [{}, { TESLA_CLIENT_ID: '"3f0c2a7e-1b5d"' }, 'TESLA_CLIENT_ID is ""3f0c2a7e-1b5d"" in the environment', ENVIRONMENT("TESLA_CLIENT_ID")],
    [{ TESLA_CLIENT_SECRET: "two words" }, {}, "TESLA_CLIENT_SECRET is malformed (not shown)", IN_FILE("TESLA_CLIENT_SECRET")],
    // shown as far as the blank: what follows may be another setting, or a secret
    [{ TESLA_SCOPES: "openid, offline_access" }, {}, 'TESLA_SCOPES is "openid,…"', "one space between them"],
    [{ TESLA_DOMAIN: `car.example.com ${SECRET}` }, {}, 'TESLA_DOMAIN is "car.example.com…"', IN_FILE("TESLA_DOMAIN")],
    [{ TESLA_DOMAIN: `car.example.comTESLA_CLIENT_SECRET=${SECRET}` }, {}, 'TESLA_DOMAIN is "car.example.comTESLA_CLIENT_SECRET…"', "lower case"],
    [{ TESLA_VIN: `5YJ30123456789ABC\t${SECRET}` }, {}, 'TESLA_VIN is "5YJ30123456789ABC…"', IN_FILE("TESLA_VIN")],
    [{ TESLA_COMMANDS: "rest # for now" }, { TESLA_COMMANDS: "rest # for now" }, 'TESLA_COMMANDS is "rest…" in the environment', "signed"],
    [{ TESLA_REGION: SECRET }, {}, 'TESLA_REGION is "[secret removed]', "na (North"], [{ TESLA_COMMANDS: "proxy" }, {}, 'is "proxy"', "or rest"],
    [{ TESLA_REDIRECT_URI: "http://me:password@host.example/x" }, {}, "TESLA_REDIRECT_URI is malformed (not shown)", "with a path"],
    [{ TESLA_REDIRECT_URI: "http://localhost:3000" }, {}, 'TESLA_REDIRECT_URI is "http://localhost:3000"', "with a path"],
    [{ TESLA_REDIRECT_URI: "localhost:3000/callback" }, {}, 'is "localhost:3000/callback"', "with a path"],
    [{ TESLA_REDIRECT_URI: "http://localhost:99999/x" }, {}, 'is "http://localhost:99999/x"', "with a path"], [{ TESLA_SCOPES: "openid" }, {}, '"openid"', "offline_access"],
    ...["https://car.example.com", "Car.example.com", "localhost", "pi.local", "pi.home.arpa", "car.example.com/", "car.example.com:8443"]
      .map((domain): [Settings, Settings, string, string] => [{ TESLA_DOMAIN: domain }, {}, `TESLA_DOMAIN is "${domain}"`, "in lower case"]),
  ];
  ownerTest("a wrong one is named with its place and its fix", {}, async (owner) => {
    for (const [inFile, inEnvironment, found, fix] of wrong) {
      const result = await reads(owner, inFile, inEnvironment);
      assertEnd(result, 5, ": missing or malformed\n", found, fix);
      assert.doesNotMatch(result.stderr, /0123456789[^A]|password/, found); // nothing of a secret
    }
    // All that is wrong is told at once.
    assertEnd(await reads(owner, { TESLA_CLIENT_ID: "", TESLA_CLIENT_SECRET: "short", TESLA_REGION: "us" }), 5,
      "error: TESLA_CLIENT_ID, TESLA_CLIENT_SECRET, TESLA_REGION: missing or malformed\n",
      'found: TESLA_CLIENT_ID is not set; TESLA_CLIENT_SECRET is malformed (not shown); TESLA_REGION is "us"\n',
      /fix: {3}TESLA_CLIENT_ID in \.env: .*; TESLA_CLIENT_SECRET in \.env: .*; TESLA_REGION in \.env: /);
    fs.rmSync(owner.path(".env"));
    const noFile = `fix:   there is no .env in ${fs.realpathSync(owner.folder)}: go to the right folder, or copy .env.example`;
    await ends(owner, "list_vehicles", 5, "found: TESLA_REGION is not set\n", noFile);
    await endsWith(owner, "list_vehicles", { env: { TESLA_REGION: "x" } }, 5, ENVIRONMENT("TESLA_REGION"));
    assert.throws(() => readSettings(["TESLA_REGON" as "TESLA_REGION"]), /TESLA_REGON is no setting/);
    assert.deepEqual(owner.simulator.requests, []);
  });

  ownerTest("right ones: the environment wins, and editors may differ", {}, async (owner) => {
    assertEnd(await reads(owner, { TESLA_VIN: "wrong" }, { TESLA_VIN: "5YJ30123456789ABC" }), 0);
    assertEnd(await reads(owner, { TESLA_REDIRECT_URI: "https://app.example.com/a/b", TESLA_COMMANDS: '"rest" # old car' }), 0);
    assertEnd(await reads(owner, { TESLA_COMMANDS: "wrong" }, { TESLA_COMMANDS: "" }), 0); // empty: as usual
    owner.setSettings();
    const text = owner.read(".env");
    owner.write(".env", `\ufeff${text.replaceAll("\n", "\r\n").replaceAll("=", " = ")}`);
    await ends(owner, "list_vehicles", 0);
    for (const bytes of [Buffer.from(`\ufeff${text}`, "utf16le"), Buffer.from(text, "utf16le"), Buffer.from(`\ufeff${text}`, "utf16le").swap16()]) {
      owner.write(".env", bytes);
      await ends(owner, "list_vehicles", 5, "found: it is UTF-16\nfix:   save it as UTF-8\n");
    }
    fs.rmSync(owner.path(".env"));
    fs.mkdirSync(owner.path(".env"));
    await ends(owner, "list_vehicles", 5, "error: .env cannot be read\nfound: it is a folder\n");
  });
});

// In the copy, a line that fails, and what is said of it: file and line of this project or of the copy.
// biome-ignore format: a table, one row a line
const faults: [string, string, string][] = [
  ["scripts/read_charge.ts", "const miles = (undefined as unknown as { range: number }).range;", "Cannot read properties of undefined"],
  ["scripts/read_charge.ts", 'const miles = JSON.parse("{");', "JSON"], // thrown by Node itself, called from there
  ["my/copy.ts", 'const miles = Number(process.getuid) ?? 0; throw new Error("mine: \\u001b[2J ta-secret.0123456789");', "mine: [2J [secret removed]"],
  ["my/copy.ts", "const miles = await Promise.reject(new RangeError());", "unexpected: "],
  ["lib/token_file.ts", "throw new TypeError(`odd`);", "odd"],
];
describe("an error that nobody expected names file and line, without a stack", { concurrency: 2 }, () => {
  for (const [path, line, message] of faults) {
    ownerTest(`${path}: ${message}`, {}, async (owner) => {
      const [at, from] = path.startsWith("lib")
        ? [path, "  try {\n    const text = readFileSync(TOKEN_FILE"]
        : ["scripts/read_charge.ts", 'const miles = number("battery_range");'];
      const folder = plantedCopy(at, from, `${line}\n${from.replace("const miles =", "const others =")}`);
      if (path.startsWith("my")) {
        fs.mkdirSync(join(folder, "my"));
        fs.renameSync(join(folder, at), join(folder, path));
      }
      const script = join(folder, path.startsWith("lib") ? "scripts/read_charge.ts" : path);
      const lines = read(join(folder, path)).split("\n");
      const number = lines.findIndex((text) => text.startsWith(line)) + 1;
      // As an owner runs it, with tsx: compiled for the tests it would have other lines.
      const tsx = pathToFileURL(join(PROJECT, "node_modules/tsx/dist/loader.mjs")).href;
      const child = spawn(process.execPath, ["--import", tsx, script], { cwd: owner.folder, env: { ...process.env, ...owner.simulator.env } });
      let stderr = "";
      child.stderr.on("data", (text) => { stderr += text; });
      const code = await new Promise((resolve) => child.on("close", resolve));
      assert.equal(code, 1, stderr);
      const rows = /\nerror: unexpected: (.*)\nfound: (.*)\nfix: {3}if you have changed nothing there, please report it\n$/.exec(`\n${stderr}`);
      assert.ok(rows, stderr);
      assert.ok(rows[0]?.includes(message), stderr);
      assert.equal(rows[2], `at ${path}:${number}`);
      assert.doesNotMatch(stderr, /^ +at |node_modules|ta-secret/m);
    });
  }
});
