// How every script begins and ends: its arguments, and one line with an exit code when something is wrong.
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

/** Text from outside, fit for a terminal: no control characters, nothing like a token of Tesla's. */
export function clean(value: unknown): string {
  const text = typeof value === "object" ? JSON.stringify(value) : String(value);
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, " ")
    .replace(/eyJ[\w-]{10,}[\w.-]*|\b(NA|EU|CN)_[\w-]{10,}|ta-secret\.\S+/g, "[secret cut out]");
}

/** JSON as Tesla sent it, fit for a terminal: control and direction characters are written as \uXXXX. */
export function jsonText(value: unknown): string {
  const escape = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return JSON.stringify(value, null, 2).replace(/[\u007f-\u009f\p{Cf}\p{Zl}\p{Zp}]/gu, (character) =>
    character.split("").map(escape).join(""));
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export function say(line: string): void {
  process.stderr.write(`${line}\n`); // stdout is for the answer alone
}

/** The options and words of a script; `words` names those it takes, "[SO]" where it may be left out. --help
 * prints the script's header. From here on, an error ends the script with its one line and exit code. */
export function readArguments(script: string, options: ParseArgsConfig["options"] = {}, words: string[] = []):
  { options: Record<string, unknown>; words: string[] } {
  process.stderr.on("error", () => {}); // a full log or a closed terminal must not end a run half way
  process.on("uncaughtException", (error) => {
    say(`error: ${clean(error.message)}`);
    process.exit(error instanceof Stop ? error.exitCode : 1);
  });
  let found;
  try {
    found = parseArgs({ options: { ...options, help: { type: "boolean" } }, allowPositionals: true });
  } catch (error) {
    throw new Stop(2, `wrong usage: ${messageOf(error).split(".")[0]}; see --help`);
  }
  if (found.values.help === true) {
    const [header] = readFileSync(script, "utf8").replaceAll("\r", "").split(/\n(?!\/\/)/);
    process.stdout.write(`${header.replace(/^\/\/ ?/gm, "")}\n`);
    process.exit(0);
  }
  const least = words.filter((word) => !word.startsWith("[")).length;
  if (found.positionals.length >= least && found.positionals.length <= words.length) {
    return { options: found.values, words: found.positionals };
  }
  throw new Stop(2, `wrong usage: it takes ${words.join(" ") || "no arguments"}; see --help`);
}
