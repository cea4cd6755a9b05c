// One line for "run this script to its end, which is that exit code, and look for these words".
import assert from "node:assert/strict";
import { createPublicKey } from "node:crypto";
import type { SeenRequest } from "../simulator/tesla/tesla.ts";
import { runInside } from "./inside.ts";
import type { Owner, Result, RunOptions } from "./owner.ts";

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

/** Asserts the exit code, with everything that was said when it is another. */
export function assertEnd(result: Result, code: number, ...words: (string | RegExp)[]): void {
  const told = `${result.stdout}${result.stderr}`;
  assert.equal(result.code, code, `exit ${result.code} and not ${code}:\n${told}`);
  for (const word of words) {
    const found = typeof word === "string" ? told.includes(word) : word.test(told);
    assert.ok(found, `does not say ${word}:\n${told}`);
  }
}

/** The requests as "METHOD host path", for assert.deepEqual. */
export function calls(requests: SeenRequest[]): string[] {
  return requests.map(({ method, host, path }) => `${method} ${host}${path}`);
}

/** The point of a public key in PEM form, 130 hex digits. */
export function pointOf(pem: string): string {
  return createPublicKey(pem).export({ type: "spki", format: "der" }).subarray(-65).toString("hex");
}
