// For parsers.test.ts: the seed and the count, inputs of every bad kind, and what a good end is.
import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { after, test } from "node:test";
import fc from "fast-check";
import { Failure, startScript } from "../../lib/command_line.ts";
import { byLength } from "../support/length.ts";
import { SPELLINGS } from "../support/secrets.ts";

const SEED = Number(process.env.PARSER_SEED || Date.now()) | 0;
const TIMES = Number(process.env.PARSER_RUNS || byLength(0.3, 3));
const SECONDS = 2; // of computing that one input may take
let tried = 0;

/** A test that tries `runs` inputs; the first that fails is made as small as it can be. */
export function property<T>(
  title: string,
  runs: number,
  inputs: fc.Arbitrary<T>,
  holds: (input: T) => unknown,
): void {
  void test(title, { timeout: 60_000 + 20_000 * TIMES }, async () => {
    const holdsFor = fc.asyncProperty(inputs, async (input) => {
      tried += 1;
      await holds(input);
    });
    const numRuns = Math.ceil(runs * TIMES);
    await fc.assert(holdsFor, { seed: SEED, numRuns, interruptAfterTimeLimit: 30_000 + 20_000 * TIMES });
  });
}

// Bytes are shown as text, and what is repeated a thousand times but once.
function shown(bytes: Buffer): string {
  return JSON.stringify(bytes.subarray(0, 5000).toString("latin1")).replace(/(.{1,9}?)\1{20,}/g, "$1…");
}
Object.assign(Buffer.prototype, {
  [fc.toStringMethod](this: Buffer) {
    return shown(this);
  },
});
fc.configureGlobal({ includeErrorInReport: true });

after(() => console.log(`# ${tried.toLocaleString("en")} inputs, seed ${SEED}`));

// ---- What a good end is ----

class Exit extends Error {
  code: number;
  constructor(code: number) {
    super("exit");
    this.code = code;
  }
}

// What is printed while an input is tried is kept, and process.exit ends that try alone.
const said = new AsyncLocalStorage<{ out: string; err: string }>();
for (const name of ["out", "err"] as const) {
  const stream = process[`std${name}`];
  const write = stream.write.bind(stream) as (...words: unknown[]) => boolean;
  stream.write = (...words: unknown[]) => {
    const kept = said.getStore();
    if (!kept) return write(...words);
    kept[name] += String(words[0]);
    return true;
  };
}
const exit = process.exit.bind(process);
process.exit = (code) => {
  if (!said.getStore()) return exit(code);
  throw new Exit(Number(code));
};

// How a script ends with an error: by the listener that startScript leaves.
function takeListeners(): ((error: unknown) => void)[] {
  const left = process.listeners("uncaughtException").filter((one) => !FIRST.includes(one));
  for (const one of left) process.off("uncaughtException", one);
  return left as ((error: unknown) => void)[];
}
const FIRST = process.listeners("uncaughtException");
process.argv.splice(2);
startScript("");
const [endScript] = takeListeners();

export const PLAIN = -1; // in place of an exit code: an Error that is no Failure
const OF_THE_RUNTIME =
  /Cannot (read|convert|access)|is not (a function|iterable|defined)|ERR_|undefined|\bNaN\b|call stack|in JSON at|Unexpected (token|end|non-)|Invalid (string|array|time|Date|regular)|native code|\[object /;
const ROWS = /^error: .{1,300}\nfound: .{1,520}\nfix: {3}.{1,700}\n$/m; // found: 500 of Tesla's at most

export interface End<T> {
  value: T | undefined;
  code: number;
  rows: string;
  out: string;
}

/** Runs a parser, or a whole script, to its end, which must come soon: a value, or three clean rows of our own
 * with one of these exit codes; and nothing that is printed may have a secret in it, in any spelling. */
export async function endOf<T>(
  run: () => T | Promise<T>,
  codes: number[],
  secrets: string[] = [],
): Promise<End<T>> {
  const kept = { out: "", err: "" };
  const begin = process.cpuUsage();
  let value: T | undefined;
  let thrown: unknown;
  await said.run(kept, async () => {
    try {
      value = await run();
    } catch (error) {
      thrown = error;
      if (!(error instanceof Exit)) assert.throws(() => endScript?.(error), Exit);
    }
  });
  takeListeners();
  const { user, system } = process.cpuUsage(begin);
  const seconds = (user + system) / 1e6;
  assert.ok(seconds < SECONDS, `it took ${seconds} s`);
  let code = 0;
  if (thrown instanceof Exit) code = thrown.code;
  else if (thrown instanceof Failure) code = thrown.exitCode;
  else if (thrown !== undefined) code = PLAIN;
  const everything = kept.out + kept.err;
  const about = everything.slice(0, 2000);
  const isForeign = code === PLAIN && (thrown as Error).name !== "Error";
  assert.equal(isForeign, false, `an error of the runtime: ${String(thrown).slice(0, 300)}`);
  assert.ok(code === 0 || codes.includes(code), `ended with ${code}: ${about}`);
  assert.doesNotMatch(
    everything.replaceAll("\n", ""),
    /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_C}]/u,
    "control characters",
  );
  assert.doesNotMatch(kept.err, OF_THE_RUNTIME, "words of the runtime");
  const isFailure = thrown !== undefined && !(thrown instanceof Exit);
  const starts = kept.err.match(/^(error|found|fix): /gm) ?? [];
  assert.equal(starts.length, isFailure ? 3 : 0, `rows: ${about}`);
  const [rows = ""] = ROWS.exec(kept.err) ?? [];
  assert.ok(
    !(thrown instanceof Failure) || (rows !== "" && kept.err.endsWith(rows)),
    `not three rows of their length: ${about}`,
  );
  for (const secret of secrets) {
    const spelt = SPELLINGS.find(([, spell]) => everything.includes(spell(secret)));
    assert.equal(spelt?.[0], undefined, `a secret: ${about}`);
  }
  return { value, code, rows, out: kept.out };
}

// ---- Inputs ----

// biome-ignore format: a table of words
const SPECIAL = ["\0", "\ufeff", "\r\n", "\r", "\n", "\t", " ", "\u00a0", "\u2028", "\u001b[2J",
  "\u001b]0;x\u0007", "\u009b31m", "\u202e", "\u061c", "\u200b", "\ud800", "\udfff", "\u{1f697}", "\u{e0041}",
  "__proto__", "constructor", "toString", "'", '"', "`", "\\", "\\n", "#", "=", ":", "$HOME", "%", "%00", "&", "?",
  "/../", "<", "{", "[", "]", "null", "1e999", "-0", "9".repeat(400), "٣", "１", "0x1F", "eyJ", "\nfix:   x"];
const special = fc.constantFrom(...SPECIAL);
const unit = fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)); // half pairs too

export const anyText: fc.Arbitrary<string> = fc.oneof(
  { weight: 10, arbitrary: fc.string({ maxLength: 40 }) },
  { weight: 10, arbitrary: fc.string({ unit, maxLength: 20 }) },
  {
    weight: 20,
    arbitrary: fc
      .array(fc.oneof(special, fc.string({ maxLength: 4 })), { maxLength: 8 })
      .map((parts) => parts.join("")),
  },
  { weight: 1, arbitrary: fc.tuple(special, fc.nat(1500)).map(([text, times]) => text.repeat(times)) },
);

/** Almost 1 MiB of one piece again and again, between two others: what makes a bad pattern slow. */
// biome-ignore format: a table of words
export const LONG: string[] = ["\\", " ", "%", "&", "%25", "\\u00", "\\\\u0", "&#x0", "&#0", "\u200b", "a", "e ",
  "eyJ", "NA_", "\n", "\t\n", "=", "/", "?code=", "&state=", "retry in 1", "vehicle_", "scope ", "vehicle is ",
  "<html", "[", "{\"a\":", "-----BEGIN PUBLIC KEY-----", "a-", "a.", "'\\'", "1 2\n", "\"", "0", "x:"]
  .map((piece) => piece.repeat(Math.floor(1_040_000 / Buffer.byteLength(piece))));

type Edit = { kind: number; at: number; length: number; some: Buffer };
const bytesOf = (min: number, max: number): fc.Arbitrary<Buffer> =>
  fc.uint8Array({ minLength: min, maxLength: max }).map((bytes) => Buffer.from(bytes));
const edit: fc.Arbitrary<Edit> = fc.record({
  kind: fc.nat(6),
  at: fc.nat(),
  length: fc.integer({ min: 1, max: 8 }),
  some: fc.oneof(
    special.map((text) => Buffer.from(text)),
    bytesOf(1, 4),
  ),
});

function edited(bytes: Buffer, { kind, at, length, some }: Edit): Buffer {
  const place = at % (bytes.length + 1);
  const [before, after] = [bytes.subarray(0, place), bytes.subarray(place)];
  const bit = Buffer.from([(after[0] ?? 0) ^ (1 << (length - 1))]);
  if (kind === 0) return Buffer.concat([before, bit, after.subarray(1)]);
  if (kind === 1) return Buffer.concat([before, some, after.subarray(some.length)]); // other bytes
  if (kind === 2) return before; // cut short
  if (kind === 3) return Buffer.concat([before, after.subarray(length)]); // some lost
  if (kind === 4) return Buffer.concat([bytes, after]); // its end twice
  return Buffer.concat([before, some, after]); // something put in
}

/** These bytes with 1 to `most` edits; now and then any bytes at all. */
export function spoilt(source: fc.Arbitrary<string | Buffer>, most = 3): fc.Arbitrary<Buffer> {
  const edits = fc.array(edit, { minLength: 1, maxLength: most });
  const spoil = ([bytes, list]: [string | Buffer, Edit[]]): Buffer =>
    list.reduce((now: Buffer, one) => edited(now, one), Buffer.from(bytes));
  return fc.oneof(
    { weight: 8, arbitrary: fc.tuple(source, edits).map(spoil) },
    { weight: 1, arbitrary: bytesOf(0, 80) },
    { weight: 1, arbitrary: anyText.map((text) => Buffer.from(text)) },
  );
}

/** One edit of one byte: lost, changed, or put in. */
export function damagedOnce(bytes: Buffer): fc.Arbitrary<{ at: number; bytes: Buffer }> {
  const damage = fc.record({ at: fc.nat(bytes.length - 1), byte: fc.nat(255), kind: fc.nat(2) });
  return damage.map(({ at, byte, kind }) => {
    const middle = Buffer.from(kind === 0 ? [] : [byte]);
    const rest = bytes.subarray(kind === 2 ? at : at + 1);
    return { at, bytes: Buffer.concat([bytes.subarray(0, at), middle, rest]) };
  });
}

// ---- JSON, as text: a value alone cannot have every number, nor be deep without upsetting the report ----

const DEPTH = 900; // beyond some thousands JSON.stringify itself gives up
const DEEP = {
  "<deep list>": `${"[".repeat(DEPTH)}${"]".repeat(DEPTH)}`,
  "<deep object>": `${'{"a":'.repeat(DEPTH)}1${"}".repeat(DEPTH)}`,
  "<huge>": "1e999",
  "<minus zero>": "-0",
};
const names = fc.constantFrom("__proto__", "constructor", "toString", "valueOf", "length", "toJSON", "a");
// biome-ignore format: a table of values
const ODD: unknown[] = [null, true, false, 0, 1, -1, 0.5, 1e308, 5e-324, 2 ** 53, -(2 ** 31), 2 ** 32, [], {}, "",
  { toString: 1, valueOf: null }, [{ toString: "" }], ...Object.keys(DEEP)];

export const anyJson: fc.Arbitrary<unknown> = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.constantFrom(...ODD),
  anyText,
  fc.dictionary(names, fc.jsonValue({ maxDepth: 1 })),
);

export function textOf(value: unknown): string {
  let text = JSON.stringify(value) ?? "null";
  for (const [name, deep] of Object.entries(DEEP)) text = text.replaceAll(JSON.stringify(name), deep);
  return text;
}

function pathsIn(value: unknown, path: string[] = []): string[][] {
  if (typeof value !== "object" || value === null) return [path];
  return [path, ...Object.entries(value).flatMap(([key, inner]) => pathsIn(inner, [...path, key]))];
}

function replaced(value: unknown, [key, ...rest]: string[], by: unknown): unknown {
  if (key === undefined) return by;
  if (typeof value !== "object" || value === null) return value;
  const copy = (Array.isArray(value) ? [...value] : { ...value }) as Record<string, unknown>;
  copy[key] = rest.length === 0 && by === "<gone>" ? undefined : replaced(copy[key], rest, by);
  return copy;
}

/** JSON like `good`, with up to three of its values replaced or left out; sometimes its bytes are spoilt. */
export function jsonLike(good: unknown): fc.Arbitrary<Buffer> {
  const change = fc.tuple(fc.constantFrom(...pathsIn(good)), fc.oneof(anyJson, fc.constant("<gone>")));
  const text = fc
    .array(change, { maxLength: 3 })
    .map((changes) => textOf(changes.reduce((now, [path, by]) => replaced(now, path, by), good)));
  return fc.oneof(
    { weight: 4, arbitrary: text.map((one) => Buffer.from(one)) },
    { weight: 1, arbitrary: spoilt(text) },
  );
}
