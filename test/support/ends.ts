import { assertEnd, type Owner, type Result, type RunOptions } from "./harness.ts";

/** Runs a script, given as a line of words, to its end; asserts its exit code and what it said. */
export async function ends(owner: Owner, line: string, code: number, ...words: (string | RegExp)[]): Promise<Result> {
  return endsWith(owner, line, {}, code, ...words);
}

/** The same with options, in a process of its own. */
export async function endsWith(
  owner: Owner,
  line: string,
  options: RunOptions,
  code: number,
  ...words: (string | RegExp)[]
): Promise<Result> {
  const [script = "", ...rest] = line.split(" ");
  const result = await owner.run(script, rest, options);
  assertEnd(result, code, ...words);
  return result;
}
