// Files that must never be lost: changed by one run at a time, and never left half written.
import { randomUUID } from "node:crypto";
import { closeSync, constants, fsyncSync, ftruncateSync, lstatSync, openSync, readFileSync, renameSync,
  rmSync, statSync, writeFileSync, writeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { messageOf, Stop } from "./command_line.ts";

const STALE_SECONDS = 300; // longer than a run holds a lock; a process number may be given anew
const RESERVED_BYTES = 16_384; // more than any of our files has
const OURS = `${process.pid} ${randomUUID()}`; // in two containers both runs may have the same number

// A lock begins with the number of the process that made it. Stale: that one is gone, or (killed) wrote none.
function isStale(lock: string): boolean {
  try {
    const pid = Number.parseInt(readFileSync(lock, "utf8"), 10);
    const seconds = (Date.now() - statSync(lock).mtimeMs) / 1000;
    if (pid > 0 ? seconds > STALE_SECONDS : Math.abs(seconds) > 5) return true; // without a number: no time
    if (pid === process.pid) return true; // left by an earlier process that had our number
    if (pid > 0) process.kill(pid, 0); // signal 0 does nothing but ask whether the process is there
    return false;
  } catch (error) {
    return messageOf(error).includes("ESRCH"); // no such process; where asking is forbidden, age decides
  }
}

function isOurs(lock: string): boolean {
  try {
    return readFileSync(lock, "utf8") === OURS;
  } catch {
    return false;
  }
}

// What cannot be removed does no harm: a lock is stale when its process is gone, and a new file is replaced.
function removeQuietly(file: string): void {
  try {
    rmSync(file, { force: true });
  } catch {}
}

// Windows refuses it while another program reads the file; every system, where the file alone is mounted.
async function moveInto(file: string, beside: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return renameSync(beside, file);
    } catch (error) {
      if (attempt < 20 && process.platform === "win32") await sleep(100);
      else throw new Stop(1, `cannot write ${file}: ${messageOf(error)}; the new one is ${beside}; mend that `
        + "and move it there");
    }
  }
}

/** Waits for its turn, then holds the lock beside `file` until the returned function is called. Throws Stop 1
 * when another run keeps the lock, or when the folder cannot be written; 5 when `file` is a link. */
export async function takeLock(file: string): Promise<() => void> {
  const isLink = lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink(); // its file would not change
  if (isLink) throw new Stop(5, `nothing was sent: ${file} is a link; work in the folder of the file itself`);
  const lock = `${file}.lock`;
  const end = Date.now() + 35_000; // in milliseconds: longer than one request may take
  while (Date.now() < end) {
    const stale = isStale(lock);
    try {
      if (stale) rmSync(lock, { force: true });
      writeFileSync(lock, OURS, { flag: "wx", mode: 0o600 }); // fails when it is there already
      if (stale) await sleep(300); // another run may have seen the same stale lock, and removed ours with it
      if (isOurs(lock)) return () => (isOurs(lock) ? removeQuietly(lock) : undefined);
    } catch (error) {
      const words = messageOf(error);
      if (!words.startsWith("EEXIST")) throw new Stop(1, `cannot write ${lock}: ${words}; nothing was sent`);
    }
    await sleep(100);
  }
  throw new Stop(1, `another run is using ${file}: it holds ${lock}; nothing was sent; try again later`);
}

// Asks the disk to keep what was written. Refused under `node --permission`, where O_SYNC below has done it,
// and for a folder on Windows, which keeps its entries by itself.
function flush(path: string, flags: string): void {
  try {
    const handle = openSync(path, flags);
    fsyncSync(handle);
    closeSync(handle);
  } catch {}
}

/** Replaces `file`, whose lock the caller holds, by the text that `produce` gives. The new file is opened
 * and its room on the disk taken before `produce` runs: a full or read-only disk is found before a token
 * is spent. The old file stays as it is until the new one is complete and on the disk. Throws Stop 1. */
export async function replaceFile(file: string, produce: () => Promise<string>): Promise<void> {
  const beside = `${file}.new`;
  let isReady = false;
  const { O_CREAT, O_EXCL, O_SYNC = 0, O_WRONLY } = constants; // O_SYNC: a write returns when the disk has it
  try {
    rmSync(beside, { force: true }); // what a killed run left
    const handle = openSync(beside, O_WRONLY | O_CREAT | O_EXCL | O_SYNC, 0o600);
    try {
      if (writeSync(handle, " ".repeat(RESERVED_BYTES)) < RESERVED_BYTES) throw new Error("the disk is full");
      isReady = true;
      const bytes = Buffer.from(await produce());
      const written = writeSync(handle, bytes, 0, bytes.length, 0); // with a text, Deno heeds no position
      if (written !== bytes.length) throw new Error("the disk took only a part of it");
      ftruncateSync(handle, written);
    } finally {
      closeSync(handle);
    }
    flush(beside, "r+");
    if (!isOurs(`${file}.lock`)) throw new Error("another run has taken the lock");
  } catch (error) {
    if (isOurs(`${file}.lock`)) removeQuietly(beside);
    if (error instanceof Stop) throw error;
    const state = isReady ? "the old one is kept" : "nothing was sent, the old one is kept";
    throw new Stop(1, `cannot write ${file}: ${messageOf(error)}; ${state}; mend that, then run it again`);
  }
  await moveInto(file, beside);
  flush(".", "r");
}
