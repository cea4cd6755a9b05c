// Files that must never be lost: changed by one run at a time, and never left half written.
import { closeSync, fsyncSync, ftruncateSync, openSync, readFileSync, renameSync, rmSync, statSync,
  writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { messageOf, Stop } from "./command_line.ts";

const WAIT_MS = 35_000; // longer than one request may take
const ABANDONED_MS = 300_000; // longer than any run holds a lock
const MOST_BYTES = 16_384; // more than any of our files has

// A lock holds the number of its process, and is abandoned when that is gone or it is too old. Two runs that
// find it so in one instant may both go on: the car refuses a used counter, Tesla takes a token for 24 hours.
function isAbandoned(lock: string): boolean {
  try {
    const pid = Number(readFileSync(lock, "utf8"));
    const age = Math.abs(Date.now() - statSync(lock).mtimeMs);
    if (age > (pid > 0 ? ABANDONED_MS : 5_000)) return true; // empty: its run was killed while making it
    process.kill(pid, 0); // signal 0 does nothing but ask whether the process is there
    return false;
  } catch (error) {
    return Object(error).code === "ESRCH"; // no such process
  }
}

// Makes the lock, unless another run holds it.
function tryToLock(lock: string): boolean {
  try {
    if (isAbandoned(lock)) rmSync(lock, { force: true });
    writeFileSync(lock, String(process.pid), { flag: "wx", mode: 0o600 }); // fails when it is there already
    return true;
  } catch (error) {
    if (Object(error).code === "EEXIST") return false;
    throw new Stop(1, `cannot write ${lock}: ${messageOf(error)}; nothing was sent; fix that first`);
  }
}

/** Does `work` while this run alone holds the lock beside `file`. Throws Stop 1 when another run keeps it, or
 * when the folder cannot be written. */
export async function withLock(file: string, work: () => Promise<void>): Promise<void> {
  const lock = `${file}.lock`;
  const end = Date.now() + WAIT_MS;
  while (!tryToLock(lock)) {
    if (Date.now() > end) throw new Stop(1, `another run holds ${lock}; nothing was sent; try again later`);
    await sleep(100);
  }
  try {
    await work();
  } finally {
    try { rmSync(lock, { force: true }); } catch {} // left behind, it is abandoned as soon as this run ends
  }
}

/** Replaces `file`, whose lock the caller holds, with the text that `produce` gives. The new file is opened
 * beside it, with room on the disk, before `produce` runs: a full disk is found before a token is spent. The
 * old file stays as it is until the new one is complete and on the disk. Throws Stop 1. */
export async function replaceFile(file: string, produce: () => Promise<string>): Promise<void> {
  const beside = `${file}.new`;
  let state = "nothing more was sent, and the old one is kept";
  try {
    rmSync(beside, { force: true }); // what a killed run left
    const handle = openSync(beside, "as", 0o600); // s: a write returns once the disk has it
    writeFileSync(handle, " ".repeat(MOST_BYTES)); // a full disk is found here
    const text = await produce();
    state = "the old one is kept";
    ftruncateSync(handle);
    writeFileSync(handle, text);
    if (process.platform === "win32") fsyncSync(handle); // on Windows s has no effect
    closeSync(handle);
    renameSync(beside, file);
  } catch (error) {
    try { rmSync(beside, { force: true }); } catch {} // the next run removes it
    if (error instanceof Stop) throw error;
    throw new Stop(1, `cannot write ${file}: ${messageOf(error)}; ${state}; fix that, then run it again`);
  }
  try {
    const folder = openSync(".", "r");
    fsyncSync(folder); // the new name, too, is on the disk from here on
    closeSync(folder);
  } catch {} // Windows does this by itself, and node --permission refuses it
}
