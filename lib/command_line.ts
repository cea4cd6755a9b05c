// How every script starts and ends: arguments, what it prints, and on failure three rows and an exit code.
//
//   0 done                   3 the car is asleep or offline   6 refused
//   1 unexpected             4 login needed                   7 a limit
//   2 usage, or cancelled    5 not set up                     8 unknown outcome: it may or may not have run
import { existsSync, readFileSync } from "node:fs";
import { parseArgs } from "node:util";

/** Thrown wherever a script cannot go on: what is wrong, what was found, and what to do about it. `status` is
 * the HTTP status that came from Tesla, 0 if none did. */
export class Failure extends Error {
  exitCode: number;
  found: string;
  fix: string;
  status: number;
  constructor(exitCode: number, problem: string, found: string, fix: string, status = 0) {
    super(problem);
    this.exitCode = exitCode;
    this.found = found;
    this.fix = fix;
    this.status = status;
  }
}

/** The value as an object whose fields can be read: an empty one if it is not an object (a list stays a
 * list). Tesla's answers and files are `unknown` until they have gone through here. */
export function asRecord(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

// JSON, or a word in its place for what is nested too deep.
function jsonOf(value: unknown, indent = 0): string {
  try {
    return JSON.stringify(value, null, indent) ?? "null";
  } catch {
    return '"(too deep to be shown)"';
  }
}

/** Text from outside, safe for a terminal: on one line, without characters that control the terminal or the
 * text direction, and without anything that looks like a secret. */
export function clean(value: unknown): string {
  const text = typeof value === "object" ? jsonOf(value) : String(value);
  return text
    .replace(/[\p{Cc}\p{Cf}\p{Zs}\p{Zl}\p{Zp}]+/gu, " ")
    .replace(/eyJ[\w-]{10,}[\w.-]*|\b(NA|EU|CN)_[\w-]{10,}|ta-secret\.\S+/g, "[secret removed]");
}

/** Prints a value on stdout as JSON. Control characters are written as \u009b and the like. */
export function showJson(value: unknown): void {
  const escaped = jsonOf(value, 2).replace(/[\u007f-\u009f\p{Cf}\p{Zl}\p{Zp}]/gu, (character) =>
    character.replace(/[^]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`),
  );
  process.stdout.write(`${escaped}\n`);
}

export function say(line: string): void {
  process.stderr.write(`${line}\n`); // stdout is for the answer alone
}

/** A local time, the same in every locale: 2026-11-28 07:20, or 07:20 if it is today. */
export function localTime(time: Date): string {
  const two = (number: number): string => String(number).padStart(2, "0");
  const day = `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())} `;
  const isToday = time.toDateString() === new Date().toDateString();
  return `${isToday ? "" : day}${two(time.getHours())}:${two(time.getMinutes())}`;
}

// biome-ignore format: a table of words
const SYSTEM_ERRORS: Record<string, string> = { ENOENT: "not found", EACCES: "permission denied",
  EPERM: "not permitted, or in use by another program", EBUSY: "in use by another program",
  EEXIST: "already exists", EISDIR: "it is a folder", ENOSPC: "the disk is full", EROFS: "read-only disk",
  EFBIG: "the disk is full, or a file would be too large", EADDRINUSE: "already in use by another program" };

/** An error's message; common ones in plain words. */
export function messageOf(error: unknown): string {
  const { code } = asRecord(error);
  return SYSTEM_ERRORS[String(code)] ?? (error instanceof Error ? error.message : String(error));
}

/** What to do about a file that cannot be read or written; `otherwise` if it is missing or wrong. */
export function fixForFile(
  file: string,
  error: unknown,
  otherwise = `check ${file}, then try again`,
): string {
  const { code } = asRecord(error);
  if (code === "EBUSY" || code === "EPERM") return `close the program that uses ${file}, then try again`;
  if (code === "ENOSPC" || code === "EFBIG") return "free some space, then run it again";
  if (code === "EROFS") return "make the disk, or the sandbox, writable, then run it again";
  if (code !== "EACCES") return otherwise;
  const target = existsSync(file) ? file : process.cwd(); // a missing file: its folder refuses us
  if (process.platform === "win32") return `give your account full control of ${target} (Properties)`;
  return `make it yours: sudo chown "$USER" '${target}' && chmod u+rwX '${target}'`;
}

// An error as three rows. An unexpected one also says where it happened, in this project or in a copy of it.
function showFailure(error: unknown): number {
  const frames = String(asRecord(error).stack)
    .split("\n")
    .filter((line) => /^ +at /.test(line));
  const ours = /.*[\\/]((?:lib|scripts|examples|my)[\\/][\w.\\/-]+\.ts:\d+)/;
  const [, where = "an unknown place"] = frames.join("\n").match(ours) ?? [];
  const report = "if you have changed nothing there, please report it";
  const unexpected = new Failure(1, `unexpected: ${messageOf(error)}`, `at ${where}`, report);
  const { exitCode, message, found, fix } = error instanceof Failure ? error : unexpected;
  say(`error: ${clean(message).slice(0, 500)}`);
  say(`found: ${clean(found).slice(0, 500)}`);
  say(`fix:   ${clean(fix).slice(0, 500)}`);
  return exitCode;
}

// The comment at the top of a script, which --help prints.
function headerOf(file: string): string {
  const text = readFileSync(file, "utf8").replaceAll("\r", "");
  const [header = ""] = text.split(/\n(?!\/\/)/);
  return header.replace(/^\/\/ ?/gm, "");
}

function wrongUsage(file: string, found: string): Failure {
  let usage: string | undefined;
  try {
    usage = /^ +run +(.*)/m.exec(headerOf(file))?.[1];
  } catch {} // in a sandbox that hides the script itself
  return new Failure(2, "wrong usage", found, usage ? `run: ${usage}` : "see the first lines of the script");
}

interface Takes<Word, Text, Flag> {
  words?: Word[]; // must be there, in this order
  optional?: Text[]; // may follow them
  flags?: Flag[]; // --NAME
  values?: Text[]; // --NAME TEXT
}

/** Starts a script: from here on an error ends it with three rows and an exit code. Returns what was given on
 * the command line, by name: words as strings, optional words and values as strings or undefined, flags as
 * true or undefined. --help prints the header of `file`, the script. */
export function startScript<W extends string = never, T extends string = never, F extends string = never>(
  file: string,
  takes: Takes<W, T, F> = {},
): Record<W, string> & Partial<Record<T, string>> & Partial<Record<F, boolean>> {
  const { words = [], optional = [], flags = [], values = [] } = takes;
  process.stderr.on("error", () => {}); // a full log or a closed terminal must not end a run half-way
  let lost: unknown; // why the answer could not be written
  process.stdout.on("error", (error) => {
    lost ??= error;
  });
  process.on("exit", () => {
    lost ??= process.stdout.errored;
    if (!lost || asRecord(lost).code === "EPIPE" || process.exitCode) return; // EPIPE: nobody reads on
    const fix = "what is said above has happened all the same";
    process.exitCode = showFailure(new Failure(1, "the answer could not be written", messageOf(lost), fix));
  });
  process.on("uncaughtException", (error) => process.exit(showFailure(error)));
  const switches = [...flags, "help"].map((name) => [name, { type: "boolean" as const }]);
  const texts = values.map((name) => [name, { type: "string" as const }]);
  let given: { values: object; positionals: string[] };
  try {
    given = parseArgs({ options: Object.fromEntries([...switches, ...texts]), allowPositionals: true });
  } catch (error) {
    throw wrongUsage(file, messageOf(error).split(". ")[0] ?? "");
  }
  if ("help" in given.values) {
    process.stdout.write(`${headerOf(file)}\n`);
    process.exit(0);
  }
  const names = [...words, ...optional];
  const found = given.positionals; // may hold a PIN: only their number is shown
  if (found.length < words.length || found.length > names.length) {
    throw wrongUsage(file, `expected ${names.join(" ") || "no arguments"}; got ${found.length}`);
  }
  const named = Object.fromEntries(found.map((word, index) => [names[index], word]));
  return { ...named, ...given.values } as ReturnType<typeof startScript<W, T, F>>;
}
