// How every script starts and ends: its arguments, and on failure one line and an exit code.
//
//   0 done                3 the car is asleep or offline   6 refused
//   1 unexpected          4 login needed                   7 a limit
//   2 usage, cancelled    5 not set up                     8 unknown outcome: nobody knows if the car did it
import { readFileSync } from "node:fs";
import { parseArgs, type ParseArgsConfig } from "node:util";

/** Thrown wherever a script cannot go on: exit code, the line for the owner, Tesla's HTTP status if any. */
export class Stop extends Error {
  exitCode: number;
  status: number;
  constructor(exitCode: number, message: string, status = 0) {
    super(message);
    this.exitCode = exitCode;
    this.status = status;
  }
}

/** For a command of which nobody knows whether it was carried out. */
export function unknownOutcome(found: string): Stop {
  return new Stop(8, `unknown outcome, it may have been done or not: ${found}; it was not sent again; `
    + "check with read_charge, or at the car, before you repeat it");
}

/** Text from outside, safe for a terminal: no control characters, nothing that looks like a secret. */
export function clean(value: unknown): string {
  const text = typeof value === "object" ? JSON.stringify(value) : String(value);
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, " ")
    .replace(/eyJ[\w-]{10,}[\w.-]*|\b(NA|EU|CN)_[\w-]{10,}|ta-secret\.\S+/g, "[secret removed]");
}

const FILE_ERRORS = new Map([["ENOENT", "it is not there"], ["EACCES", "permission denied"],
  ["ENOSPC", "the disk is full"], ["EROFS", "the disk is read-only"],
  ["EEXIST", "it is there already"], ["EADDRINUSE", "another program uses it"]]);

/** What an error says; the usual ones of files in plain words. Object(x) is x, or an empty object where x is
 * null or undefined: asking that for a field never fails. */
export function messageOf(error: unknown): string {
  return FILE_ERRORS.get(Object(error).code) ?? (error instanceof Error ? error.message : String(error));
}

export function say(line: string): void {
  process.stderr.write(`${line}\n`); // stdout is for the answer alone
}

/** Starts a script: from here on an error ends it with one line and an exit code. Returns the options and
 * words that were given; `words` are the names of those it takes; one in brackets may be left out. --help
 * prints the header of `file`, the script. */
export function startScript(file: string, options: ParseArgsConfig["options"] = {}, words: string[] = []):
  { options: Record<string, unknown>; words: string[] } {
  process.stderr.on("error", () => {}); // a full log or a closed terminal must not end a run half-way
  process.on("uncaughtException", (error) => {
    say(`error: ${clean(messageOf(error))}`);
    process.exit(error instanceof Stop ? error.exitCode : 1);
  });
  const takes = [...words, ...Object.keys(options).map((name) => `--${name}`)].join(", ") || "no arguments";
  let given;
  try {
    given = parseArgs({ options: { ...options, help: { type: "boolean" } }, allowPositionals: true });
  } catch (error) {
    throw new Stop(2, `wrong usage: ${messageOf(error).split(".")[0]}; it takes ${takes}; see --help`);
  }
  if (given.values.help === true) {
    const [header] = readFileSync(file, "utf8").replaceAll("\r", "").split(/\n(?!\/\/)/);
    process.stdout.write(`${header.replace(/^\/\/ ?/gm, "")}\n`);
    process.exit(0);
  }
  const found = given.positionals;
  const needed = words.filter((word) => !word.startsWith("[")).length;
  if (found.length >= needed && found.length <= words.length) return { options: given.values, words: found };
  throw new Stop(2, `wrong usage: it takes ${takes}; ${found.length} given; see --help`);
}
