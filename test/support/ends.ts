// One line for "run this script to its end, which is that exit code, and look for these words".
import { assertEnd, type Owner, type Result, type RunOptions, runInside } from "./harness.ts";

type Words = (string | RegExp)[];

function parts(line: string): [string, string[]] {
  const [script = "", ...words] = line.split(" ");
  return [script, words];
}

/** Runs a script, given as a line, to its end; asserts its exit code and what it said. */
export async function ends(owner: Owner, line: string, code: number, ...words: Words): Promise<Result> {
  const result = await owner.run(...parts(line));
  assertEnd(result, code, ...words);
  return result;
}

/** The same in this process, for scripts that `run` starts otherwise. */
export async function endsInside(owner: Owner, line: string, code: number, ...words: Words): Promise<Result> {
  const result = await runInside(owner, ...parts(line));
  assertEnd(result, code, ...words);
  return result;
}

/** The same in a process of its own, with options. */
export async function endsWith(
  owner: Owner,
  line: string,
  options: RunOptions,
  code: number,
  ...words: Words
): Promise<Result> {
  const result = await owner.run(...parts(line), options);
  assertEnd(result, code, ...words);
  return result;
}
