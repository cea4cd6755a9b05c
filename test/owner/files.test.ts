// The owner's files: locks that neither a clock nor a kill breaks, new files that are this run's and nobody else's,
// and files that belong to somebody else.
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
import { plainFile } from "../support/compiled.ts";
import { endsWith } from "../support/ends.ts";
import { type Owner, ownerTest, PROJECT, useFewProcesses } from "../support/owner.ts";
import { until } from "../support/until.ts";

useFewProcesses();
const POSIX = process.platform !== "win32";
const FILE = "tesla_token.json";
const LOCK = `${FILE}.lock`;
const NEW = `${FILE}.new`;
const TOLD = "tesla_token.json is unchanged";
const real = { ...fs, sleep: timers.setTimeout, now: Date.now };
let pauses = 0;

/** From here on a pause takes a millisecond, and the clock of `performance` advances by pauses alone. */
function hurry(): void {
  let passed = performance.now();
  timers.setTimeout = ((ms: number, value: unknown) => {
    pauses += 1;
    passed += ms;
    return real.sleep(1, value);
  }) as typeof timers.setTimeout;
  Object.defineProperty(performance, "now", { value: () => passed, configurable: true });
  syncBuiltinESMExports();
}

function calm(): void {
  Object.assign(fs, { renameSync: real.renameSync, rmSync: real.rmSync });
  timers.setTimeout = real.sleep;
  Date.now = real.now;
  Reflect.deleteProperty(performance, "now");
  syncBuiltinESMExports();
}

/** The failure that this ends with, its three rows in one; empty if it does not fail. */
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
  // biome-ignore format: a table
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
  test("that of a run that is gone is free at once; a live one's is waited for, whatever a clock does", async () => {
    for (const [title, claims, isFree, step = 0] of locks) {
      fs.writeFileSync(LOCK, `\n${claims}\n`);
      Date.now = () => real.now() + step * 1000;
      let isIn = false;
      pauses = 0;
      const run = withLock(FILE, async () => {
        isIn = true;
        return "its result";
      });
      await until("the lock, or ten looks at it", () => isIn || pauses >= 10);
      assert.deepEqual([isIn, pauses > 0], [isFree, !isFree], title);
      if (!isFree) {
        assert.ok(read(LOCK).includes(claims), "the other run's claim is still there");
        fs.rmSync(LOCK); // the other run ends
      }
      assert.equal(await run, "its result");
      assert.equal(fs.existsSync(LOCK), false);
    }
    Date.now = real.now;
  });

  test("held for longer than any request: nothing is done, and the claim is taken back", async () => {
    fs.writeFileSync(LOCK, `\n${live}\n`);
    const failure = await failureOf(() => withLock(FILE, () => assert.fail("two holders")));
    assert.match(failure, /^1 another run is using .*; nothing was sent/);
    const claims = read(LOCK).trim().split(/\n+/);
    assert.deepEqual([claims.length, claims[0], claims[2]], [3, live, `-${claims[1]}`]);
    fs.rmSync(LOCK);
  });

  test("what fails inside gives the lock back", async () => {
    const fails = () => withLock(FILE, () => Promise.reject(new Error("inside")));
    await assert.rejects(fails, /inside/);
    assert.equal(fs.existsSync(LOCK), false);
  });

  if (POSIX)
    test("a symlink or a folder in its place is refused, and nothing is written through it", async () => {
      fs.writeFileSync("theirs", "mine");
      fs.symlinkSync("theirs", "link");
      for (const target of ["theirs", "nowhere", "link", "."]) {
        if (target === ".") fs.mkdirSync(LOCK);
        else fs.symlinkSync(target, LOCK);
        const failure = await failureOf(() => withLock(FILE, () => assert.fail("held")));
        assert.match(failure, new RegExp(`^1 cannot write ${LOCK} \\| .*; nothing was sent$`));
        assert.deepEqual([read("theirs"), fs.existsSync("nowhere")], ["mine", false]);
        fs.rmSync(LOCK, { recursive: true });
      }
    });

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
      for (const stream of [child.stdout, child.stderr])
        stream.on("data", (text) => {
          said += text;
        });
      const code = await new Promise((resolve) => child.on("close", resolve));
      assert.equal(code, 0, said);
      return said.split("held\n").length - 1;
    });
    const counts = await Promise.all(rounds);
    assert.ok(counts.reduce((sum, count) => sum + count) > 20, `they hardly met: ${counts}`);
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
    for (const left of ["", "half of a fi", " ".repeat(99_999)]) {
      start();
      if (left) fs.writeFileSync(NEW, left, { mode: 0o666 });
      const content = { text: "ä".repeat(left.length > 9 ? 20_000 : 20) }; // 16 KiB of room were made for it
      assert.equal(await replaceFile(FILE, async () => content), content);
      assert.equal(read(FILE), `${JSON.stringify(content, null, 2)}\n`);
      if (POSIX) assert.equal(fs.statSync(FILE).mode & 0o777, 0o600);
      assert.ok(isTidy(), "nothing is left");
    }
  });

  // What somebody puts there between the moment when the old one goes and the new one is made.
  const planted: [string, () => void][] = [
    ["a file that all may read", () => fs.writeFileSync(NEW, "", { mode: 0o666 })],
    ["a symlink to a file", () => fs.symlinkSync("theirs", NEW)],
    ["a symlink to nothing", () => fs.symlinkSync("elsewhere", NEW)],
    ["a hard link", () => fs.linkSync("theirs", NEW)],
    ["a folder", () => fs.mkdirSync(NEW)],
  ];
  if (POSIX)
    test("another user's file, link or folder in its place: refused before anything is sent", async () => {
      const refused = new RegExp(`^1 .* \\| already exists \\| .*; nothing more was sent; ${TOLD}$`);
      fs.writeFileSync("theirs", "");
      for (const [title, plant] of planted) {
        start();
        fs.rmSync = (path, options) => {
          real.rmSync(path, options);
          if (path === NEW) plant();
        };
        syncBuiltinESMExports();
        const failure = await failureOf(() => replaceFile(FILE, () => assert.fail("sent")));
        calm();
        hurry();
        assert.match(failure, refused, title);
        assert.deepEqual([read(FILE), read("theirs"), fs.existsSync("elsewhere")], [OLD, "", false]);
        fs.rmSync(NEW, { recursive: true });
      }
    });

  test("what one run opened another never renames: the old file stays", async () => {
    const refused = new RegExp(`^1 .* \\| another run has replaced ${NEW} \\| .*; ${TOLD}`);
    // What is there instead when the answer comes.
    for (const left of ["", "half of an answer"]) {
      start();
      const produce = async (): Promise<void> => {
        fs.rmSync(NEW);
        if (left) fs.writeFileSync(NEW, left);
      };
      assert.match(await failureOf(() => replaceFile(FILE, produce)), refused);
      assert.deepEqual([read(FILE), fs.existsSync(NEW) ? read(NEW) : ""], [OLD, left]);
      fs.rmSync(NEW, { force: true });
    }
  });

  test("two runs at once, were there no lock: a whole answer is there, whichever comes first", async () => {
    for (const order of [
      [0, 1],
      [1, 0],
    ]) {
      start();
      const arrive: ((content: object) => void)[] = [];
      const runs = [0, 1].map((index) => {
        const content = new Promise<object>((resolve) => arrive.splice(index, 0, resolve));
        return failureOf(() => replaceFile(FILE, () => content));
      });
      for (const index of order) {
        arrive[index]?.({ answer: index });
        await runs[index];
      }
      // The second has made the new file its own; the first one's answer has nowhere to go.
      assert.match((await runs[0]) ?? "", /another run has replaced/);
      assert.equal(await runs[1], "");
      assert.deepEqual(JSON.parse(read(FILE)), { answer: 1 });
      assert.ok(isTidy(), "nothing is left");
    }
  });

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
  // EIO is no reason to wait.
  // biome-ignore format: a table
  const renames: [string, number, boolean][] = [["EPERM", 1, true], ["EBUSY", 3, true], ["EACCES", 2, true],
    ["EPERM", Infinity, false], ["EBUSY", Infinity, false], ["EIO", 1, false]];
  test("a rename that fails is tried again; if it stays so, the new file is kept beside and said", async () => {
    const kept = new RegExp(
      `^1 cannot write ${FILE} \\|.* rename ${NEW} to ${FILE}: the next run deletes it$`,
    );
    for (const [code, times, isDone] of renames) {
      for (const old of [OLD, ""]) {
        fs.rmSync(FILE, { force: true });
        if (old) start();
        renameFails(code, times);
        const failure = await failureOf(() => replaceFile(FILE, async () => ({ fresh: 1 })));
        fs.renameSync = real.renameSync;
        syncBuiltinESMExports();
        assert.equal(read(isDone ? FILE : NEW), '{\n  "fresh": 1\n}\n');
        assert.equal(isDone ? pauses : pauses > 5, isDone ? times : times > 1, code);
        assert.equal(isTidy(), isDone);
        if (isDone) continue;
        assert.match(failure, kept);
        assert.doesNotMatch(failure, /unchanged|nothing/); // no word of an old one where there is none
        assert.equal(fs.existsSync(FILE) ? read(FILE) : "", old);
        fs.rmSync(NEW);
      }
    }
  });

  test("no answer: an old file is spoken of only where there is one", async () => {
    const fails = () => failureOf(() => replaceFile(FILE, () => Promise.reject(new Error("odd"))));
    start();
    assert.equal(
      await fails(),
      `1 cannot write ${FILE} | odd | check ${NEW}, then try again; ${TOLD}; run it again soon`,
    );
    fs.rmSync(FILE);
    assert.match(await fails(), /\| odd \| check .*, then try again; nothing was saved/);
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

describe("files that belong to somebody else", { concurrency: 3, skip: !POSIX && "POSIX" }, () => {
  // biome-ignore format: a table
  const files: [string, string, number, string][] = [
    [".env", "read_charge", 5, ".env cannot be read"], [FILE, "read_charge", 4, "not logged in (in this folder)"],
    [FILE, "refresh_token", 4, "not logged in (in this folder)"], ["private-key.pem", "set_charge_amps 10", 5, "private-key.pem cannot be used"],
    ["public-key.pem", "serve_public_key", 5, "public-key.pem cannot be used"], ["public-key.pem", "register_partner", 5, "public-key.pem cannot be used"],
    ["tesla_session.json", "set_charge_amps 10", 1, "tesla_session.json cannot be read"], [LOCK, "refresh_token", 1, `cannot write ${LOCK}`],
  ];
  ownerTest("the fix is chown, in the same words for each, and nothing is sent", async (owner) => {
    for (const [file, line, code, problem] of files) {
      if (process.getuid?.() !== 0 && file === "private-key.pem") continue; // the tests read it themselves
      if (!owner.has(file)) owner.write(file, "{}");
      const uid = asAnother(owner, [file]);
      const options = uid === undefined ? { timeoutMs: 29_000 } : { uid };
      const fix = `permission denied\nfix:   make it yours: sudo chown "$USER" '${file}' && chmod u+rwX '${file}'`;
      const result = await endsWith(owner, line, options, code, `error: ${problem}\n`, fix);
      assert.doesNotMatch(result.stderr, /generate_key|get_token/);
      assert.deepEqual(result.requests, []);
      if (uid === undefined) fs.chmodSync(owner.path(file), 0o600);
      if (file === LOCK) fs.rmSync(owner.path(file));
    }
  });

  // The script, and the file that it cannot make.
  // biome-ignore format: a table
  const closed: [string, string][] = [["refresh_token", LOCK], ["get_token --force", LOCK],
    ["set_charge_amps 10", "tesla_session.json.lock"], ["generate_key", "the keys"]];
  ownerTest("a folder that cannot be written is named before anything is sent", async (owner) => {
    const folder = fs.realpathSync(owner.folder);
    for (const [line, file] of closed) {
      if (file === "the keys")
        for (const key of ["private", "public"]) fs.rmSync(owner.path(`${key}-key.pem`));
      const before = owner.read(FILE);
      const uid = asAnother(owner, []);
      fs.chmodSync(owner.folder, 0o555);
      const options = uid === undefined ? { timeoutMs: 29_000 } : { uid };
      const fix = `fix:   make it yours: sudo chown "$USER" '${folder}' && chmod u+rwX '${folder}'`;
      const said = `error: cannot write ${file}\nfound: permission denied\n${fix}`;
      const result = await endsWith(owner, line, options, 1, said);
      fs.chmodSync(owner.folder, 0o700);
      assert.doesNotMatch(result.stderr, /authorize/); // get_token notices before the login
      assert.deepEqual([result.requests, owner.read(FILE)], [[], before]);
    }
  });

  ownerTest("a disk that cannot be written: it says so, and nothing is sent", async (owner) => {
    const plant = `import fs from "node:fs"; import { syncBuiltinESMExports } from "node:module";
const { openSync, writeFileSync } = fs;
const refuse = () => { throw Object.assign(new Error("odd"), { code: "EROFS" }); };
fs.openSync = (path, flags, ...rest) => (flags === "r" ? openSync(path, flags, ...rest) : refuse());
fs.writeFileSync = refuse; syncBuiltinESMExports();`;
    const node = ["--import", `data:text/javascript,${encodeURIComponent(plant)}`];
    for (const [line, file] of closed) {
      if (file === "the keys")
        for (const key of ["private", "public"]) fs.rmSync(owner.path(`${key}-key.pem`));
      const told = "found: read-only disk\nfix:   make the disk, or the sandbox, writable, then run it again";
      const result = await endsWith(owner, line, { node }, 1, `error: cannot write ${file}\n${told}`);
      assert.deepEqual(result.requests, []);
    }
  });

  // Somebody who may write in the folder makes the new file the moment that the old one goes.
  ownerTest("the new file taken by somebody else: the token is not spent", async (owner) => {
    const before = owner.read(FILE);
    const plant = `import fs from "node:fs"; import { syncBuiltinESMExports } from "node:module";
const rm = fs.rmSync; fs.rmSync = (path, ...rest) => { rm(path, ...rest);
if (path === "${NEW}") fs.symlinkSync("theirs", path); }; syncBuiltinESMExports();`;
    owner.write("theirs", "", 0o666);
    const node = ["--import", `data:text/javascript,${encodeURIComponent(plant)}`];
    const result = await endsWith(owner, "refresh_token", { node }, 1, "found: already exists\n");
    assert.deepEqual([result.requests, owner.read(FILE), owner.read("theirs")], [[], before, ""]);
  });

  if (process.getuid?.() === 0)
    ownerTest("a sticky folder, another user's new file in it", async (owner) => {
      owner.write(NEW, "", 0o666);
      const uid = asAnother(owner, []) ?? 0;
      fs.chownSync(owner.folder, 0, 0);
      fs.chownSync(owner.path(NEW), 0, 0);
      fs.chmodSync(owner.folder, 0o1777);
      const result = await endsWith(owner, "refresh_token", { uid }, 1, `cannot write ${FILE}\n`);
      assert.deepEqual([result.requests, owner.read(NEW)], [[], ""]);
    });
});
