// How every script begins and ends: its arguments, and one line with an exit code when something is wrong.
//
// Exit codes, the same in every script:
//   0 done   1 unexpected   2 wrong usage or cancelled   3 the car is asleep or offline   4 login needed
//   5 not set up   6 refused   7 a limit   8 unknown outcome: a command may or may not have been carried out
import { readFileSync } from "node:fs";
import { parseArgs, type ParseArgsConfig } from "node:util";

/** Thrown wherever a script cannot go on: the exit code (above), and the one line for the owner. */
export class Stop extends Error {
  exitCode: number;
  status: number; // Tesla's HTTP status, where one was the reason; else 0
  constructor(exitCode: number, message: string, status = 0) {
    super(message);
    this.exitCode = exitCode;
    this.status = status;
  }
}

/** Text from outside made fit for a terminal: without control characters, and without anything that looks
 * like a token of Tesla's (access tokens and authorization codes, refresh tokens, client secrets). */
export function clean(text: string): string {
  return text
    .replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]+/g, " ")
    .replace(/eyJ[\w-]{10,}[\w.-]*|\b(NA|EU|CN)_[\w-]{10,}|ta-secret\.\S+/g, "[secret cut out]");
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export function say(line: string): void {
  process.stderr.write(`${line}\n`); // everything but the answer itself goes to stderr
}

/** The options and words a script was called with. Prints the script's header for --help. From here on an
 * error that nothing catches ends the script with its one line and its exit code, without a stack trace. */
export function readArguments(
  script: string, // the script's own file: import.meta.filename
  options: ParseArgsConfig["options"] = {},
  words: string[] = [], // what the words are, for instance ["AMPS"]; "[JSON]" may be left out
): { options: Record<string, unknown>; words: string[] } {
  process.on("uncaughtException", (error) => {
    say(`error: ${clean(error.message)}`);
    process.exit(error instanceof Stop ? error.exitCode : 1);
  });
  const lines = readFileSync(script, "utf8").split("\n");
  const header = lines.slice(0, lines.findIndex((line) => !line.startsWith("//")));
  const run = header.find((line) => line.startsWith("//   run")) ?? "";
  try {
    const all = { ...options, help: { type: "boolean" as const } };
    const found = parseArgs({ options: all, allowPositionals: true });
    if (found.values.help === true) {
      process.stdout.write(`${header.map((line) => line.slice(3)).join("\n")}\n`);
      process.exit(0);
    }
    const needed = words.filter((word) => !word.startsWith("[")).length;
    if (found.positionals.length < needed) throw new Error(`${words[found.positionals.length]} is missing`);
    if (found.positionals.length > words.length) throw new Error("too many arguments");
    return { options: found.values, words: found.positionals };
  } catch (error) {
    throw new Stop(2, `wrong usage: ${messageOf(error).split(".")[0]}; run it as:${run.slice(8)}`);
  }
}
