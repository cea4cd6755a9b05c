// Files that must never be lost: changed by one run at a time, and never left half written.
import { randomBytes } from "node:crypto";
import { closeSync, constants, existsSync, fstatSync, fsyncSync, ftruncateSync, openSync } from "node:fs";
import { readFileSync, renameSync, rmSync, statSync, writeFileSync, writeSync } from "node:fs";
import { uptime } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { asRecord, Failure, fixForFile, messageOf } from "./command_line.ts";

const WAIT_MS = 35_000; // how long to wait for another run; then this run fails, and nothing is lost
const DAY_SECONDS = 86_400; // far longer than any run holds a lock
const RENAME_MS = 5000; // on Windows another program may have the old file open for a moment
const MOST_BYTES = 16_384; // more than any of our files needs
const IN_USE = ["EPERM", "EACCES", "EBUSY"];

function isInUse(error: unknown): boolean {
  return IN_USE.includes(String(asRecord(error).code));
}

// A lock is a file of claims, one per line, each appended in a single write: process number, the machine's
// uptime, a random number. The first claim whose run is still there holds the lock. The holder removes the
// whole file; those who wait then find their claims gone and append them again. A claim counts for a day at
// most, by a clock that nobody can set, since another process may get the same number. A run that gives up
// appends its claim again, with a minus.
function readClaims(lock: string): string[] {
  try {
    if (!statSync(lock).isFile()) throw new Error("it is not a plain file");
    const lines = readFileSync(lock, "utf8").split("\n");
    return lines.filter((line) => /^\d/.test(line) && !lines.includes(`-${line}`));
  } catch (error) {
    if (asRecord(error).code === "ENOENT") return [];
    throw error;
  }
}

function append(lock: string, line: string): void {
  const { O_APPEND, O_CREAT, O_WRONLY, O_NOFOLLOW = 0 } = constants; // Windows lacks the last one
  const handle = openSync(lock, O_APPEND | O_CREAT | O_WRONLY | O_NOFOLLOW, 0o600);
  try {
    if (fstatSync(handle).nlink > 1) throw new Error("it has a second name");
    const whole = Buffer.from(`\n${line}\n`);
    if (writeSync(handle, whole) < whole.length) throw new Error("the disk is full");
  } finally {
    closeSync(handle);
  }
}

function counts(claim: string): boolean {
  const [pid = 0, claimedAt] = claim.split(" ").map(Number);
  // In a container a killed run may have had our number. Two containers on one folder do not see each other.
  if (pid === process.pid || !(pid > 0)) return false;
  const age = claimedAt === undefined ? 0 : uptime() - claimedAt; // below 0: the machine has started again
  if (!(age > -1 && age < DAY_SECONDS)) return false;
  try {
    process.kill(pid, 0); // signal 0 only asks whether the process exists
    return true;
  } catch (error) {
    if (asRecord(error).code === "EPERM") return true; // another user's
    const isRefused = asRecord(error).code === undefined; // Deno does not let us ask
    return isRefused && age < 300;
  }
}

// Whether this run holds the lock now. Without a claim in the file it makes one.
function holds(lock: string, claim: string): boolean {
  try {
    const claims = readClaims(lock);
    if (!claims.includes(claim)) {
      append(lock, claim);
      return holds(lock, claim);
    }
    const first = claims.find((one) => one === claim || counts(one));
    return first === claim && readClaims(lock).includes(claim); // a holder may have removed it
  } catch (error) {
    if (error instanceof Failure) throw error;
    if (process.platform === "win32" && isInUse(error)) return false; // while another run removes it
    const fix = `${fixForFile(lock, error)}; nothing was sent`;
    throw new Failure(1, `cannot write ${lock}`, messageOf(error), fix);
  }
}

/** Does `work` while this run alone holds the lock beside `file`, and returns what it returns. Throws
 * Failure 1 when another run keeps the lock, or when the folder cannot be written. */
export async function withLock<Result>(file: string, work: () => Promise<Result>): Promise<Result> {
  const lock = `${file}.lock`;
  const claim = `${process.pid} ${Math.floor(uptime())} ${randomBytes(8).toString("hex")}`;
  const end = performance.now() + WAIT_MS;
  while (!holds(lock, claim)) {
    if (performance.now() > end) {
      append(lock, `-${claim}`);
      const fix = `try again later; nothing was sent; if no such run is there, delete ${lock}`;
      throw new Failure(
        1,
        `another run is using ${file}`,
        `${lock}: ${readClaims(lock).find(counts) ?? "a claim"}`,
        fix,
      );
    }
    await sleep(100);
  }
  try {
    return await work();
  } finally {
    try {
      rmSync(lock, { force: true });
    } catch {} // if it stays, it counts no more once this run has ended
  }
}

// Gives the new file the name of the old one. On Windows that fails while any program has the old one open.
async function rename(from: string, to: string): Promise<void> {
  const end = performance.now() + RENAME_MS;
  for (;;) {
    try {
      return renameSync(from, to);
    } catch (error) {
      if (!isInUse(error) || performance.now() > end) throw error;
      await sleep(50 + Math.random() * 100); // not in step with what has it open
    }
  }
}

// Overwrites the blanks and only then cuts off the rest, so that no other program can take the space.
function fill(handle: number, text: Buffer): void {
  for (let at = 0; at < text.length; ) at += writeSync(handle, text, at, text.length - at, at);
  ftruncateSync(handle, text.length);
  if (process.platform === "win32") fsyncSync(handle); // elsewhere O_SYNC has done it
}

function isSameFile(handle: number, path: string): boolean {
  return existsSync(path) && fstatSync(handle).ino === statSync(path).ino;
}

// Makes a new file that belongs to this run alone and fills it with blanks before it calls `produce`.
async function makeFile<Content>(path: string, produce: () => Promise<Content>): Promise<Content> {
  rmSync(path, { force: true }); // what a killed run left
  const { O_CREAT, O_EXCL, O_WRONLY, O_SYNC = 0 } = constants; // Windows lacks the last one
  const handle = openSync(path, O_CREAT | O_EXCL | O_WRONLY | O_SYNC, 0o600);
  try {
    writeFileSync(handle, " ".repeat(MOST_BYTES)); // a full disk is found here
    const content = await produce();
    fill(handle, Buffer.from(`${JSON.stringify(content, null, 2)}\n`));
    if (!isSameFile(handle, path)) throw new Error(`another run has replaced ${path}`);
    return content;
  } catch (error) {
    if (isSameFile(handle, path)) rmSync(path, { force: true });
    throw error;
  } finally {
    try {
      closeSync(handle);
    } catch {} // what was written is on the disk already
  }
}

/** Replaces `file`, whose lock the caller holds, with the JSON of what `produce` returns, and returns that.
 * The new file is made beside it before `produce` runs, so that a full disk is found before a token is
 * spent. The old file stays as it is until the new one is complete and on the disk. Throws Failure 1. */
export async function replaceFile<Content>(file: string, produce: () => Promise<Content>): Promise<Content> {
  const beside = `${file}.new`;
  const old = existsSync(file) ? `${file} is unchanged` : "nothing was saved";
  let state = `nothing more was sent; ${old}`;
  let isComplete = false;
  let content: Content;
  try {
    content = await makeFile(beside, () => {
      state = `${old}; run it again soon`;
      return produce();
    });
    isComplete = true;
    state = `rename ${beside} to ${file}: the next run deletes it`;
    await rename(beside, file);
  } catch (error) {
    if (error instanceof Failure) throw error;
    const isHeldOpen = isComplete && isInUse(error);
    const first = isHeldOpen ? `close the program that uses ${file}` : fixForFile(beside, error);
    const fix = isComplete && !isHeldOpen ? state : `${first}; ${state}`;
    throw new Failure(1, `cannot write ${file}`, messageOf(error), fix);
  }
  try {
    const folder = openSync(".", "r");
    fsyncSync(folder); // the new name, too, is on the disk from here on
    closeSync(folder);
  } catch {} // Windows does this by itself, and node --permission refuses it
  return content;
}
