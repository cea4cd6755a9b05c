// How simulator/ is built: each folder in it is a room with one door, the file that has the folder's name. A
// room is entered only by its door, imports never run in a circle, and nothing is longer than 100 lines. The
// files are read with TypeScript's own parser. Each rule is tried on planted texts too.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { posix } from "node:path";
import { test } from "node:test";
import ts from "typescript";

type Texts = Map<string, string>; // path in the project, text

const LONGEST = 100; // lines of a function, a class or a table

const files: Texts = new Map();
for (const entry of readdirSync(new URL("../simulator", import.meta.url), { recursive: true })) {
  const path = `simulator/${String(entry).replaceAll("\\", "/")}`;
  if (!/\.(ts|mjs)$/.test(path)) continue;
  files.set(path, readFileSync(new URL(`../${path}`, import.meta.url), "utf8"));
}

function parse(path: string, text: string): ts.SourceFile {
  return ts.createSourceFile(path, text, ts.ScriptTarget.ESNext, true, ts.ScriptKind.TS);
}

function visit(node: ts.Node, each: (node: ts.Node) => void): void {
  each(node);
  ts.forEachChild(node, (child) => visit(child, each));
}

/** The project's own files that a file imports: for values or types, to pass on, or while it runs. */
function importsOf(path: string, text: string): string[] {
  const found: string[] = [];
  visit(parse(path, text), (node) => {
    let from: ts.Node | undefined;
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) from = node.moduleSpecifier;
    if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) from = node.argument.literal;
    if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      from = node.arguments[0];
    }
    if (from && ts.isStringLiteralLike(from) && from.text.startsWith(".")) {
      found.push(posix.join(posix.dirname(path), from.text));
    }
  });
  return found;
}

/** One circle as "a -> b -> a" for each import that closes one. */
function circles(texts: Texts): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  function walk(path: string, trail: string[]): void {
    const start = trail.indexOf(path);
    if (start >= 0) return void found.push([...trail.slice(start), path].join(" -> "));
    if (done.has(path)) return;
    for (const next of importsOf(path, texts.get(path) ?? "")) {
      if (texts.has(next)) walk(next, [...trail, path]);
    }
    done.add(path);
  }
  for (const path of texts.keys()) walk(path, []);
  return found;
}

/** The room that a file lies in; undefined for the files that lie in simulator/ itself. */
function roomOf(path: string): string | undefined {
  return /^simulator\/(\w+)\//.exec(path)?.[1];
}

/** Imports that enter a room past its door, that lead from a room to no room, or out of the simulator. */
function wrongEntries(texts: Texts): string[] {
  const found: string[] = [];
  for (const [path, text] of texts) {
    for (const target of importsOf(path, text)) {
      const room = roomOf(target);
      const sameRoom = room !== undefined && room === roomOf(path);
      if (!target.startsWith("simulator/")) found.push(`${path} imports ${target}, outside the simulator`);
      else if (room === undefined && roomOf(path) !== undefined) {
        found.push(`${path} imports ${target}, which is in no room`);
      } else if (room !== undefined && !sameRoom && target !== `simulator/${room}/${room}.ts`) {
        found.push(`${path} enters ${room} by ${target}`);
      }
    }
  }
  return found;
}

/** Functions and classes, wherever they stand, and statements of a file (tables) that are too long. */
function tooLong(texts: Texts): string[] {
  const found = new Set<string>();
  for (const [path, text] of texts) {
    const source = parse(path, text);
    visit(source, (node) => {
      const isCode = ts.isFunctionLike(node) || ts.isClassLike(node);
      if (!isCode && node.parent !== source) return;
      const line = (position: number) => source.getLineAndCharacterOfPosition(position).line + 1;
      const [first, last] = [line(node.getStart(source)), line(node.end)];
      if (last - first + 1 > LONGEST) found.add(`${path}:${first}: ${last - first + 1} lines`);
    });
  }
  return [...found];
}

test("the rooms, each with its door", () => {
  const rooms = new Set([...files.keys()].flatMap((path) => roomOf(path) ?? []));
  assert.deepEqual([...rooms].sort(), [
    "car", "failures", "fleet_api", "login", "owner", "protocol", "server", "tesla", "world",
  ]);
  for (const room of rooms) {
    const text = files.get(`simulator/${room}/${room}.ts`) ?? "";
    assert.match(text, /^\/\/ The door of this room/, room);
  }
});

test("no import circles", () => {
  assert.deepEqual(circles(files), []);
});

test("a room is entered by its door only", () => {
  assert.deepEqual(wrongEntries(files), []);
});

test("nothing is longer than 100 lines", () => {
  assert.deepEqual(tooLong(files), []);
});

/** The simulator with one file more, or with one file changed. */
function planted(path: string, text: string): Texts {
  return new Map([...files, [path, text]]);
}

test("planted circles are found: of values, of types, of what is passed on, of imports while running", () => {
  const car = files.get("simulator/car/state.ts") ?? "";
  const ways = [
    'import { SimulatedCar } from "./car.ts";',
    'import type { CarBody } from "./body.ts";',
    'export { newWorld } from "../world/world.ts";',
    'const { newWorld } = await import("../world/world.ts");',
    'let car: import("./car.ts").SimulatedCar;',
    'import "./state.ts";',
  ];
  for (const way of ways) {
    assert.notDeepEqual(circles(planted("simulator/car/state.ts", `${way}\n${car}`)), [], way);
  }
  const apart: Texts = new Map([["a/a.ts", 'import "../b/b.ts";'], ["b/b.ts", 'import "../a/a.ts";']]);
  assert.deepEqual(circles(apart), ["a/a.ts -> b/b.ts -> a/a.ts"]);
});

test("planted entries through the window are found", () => {
  const cases: [string, string, RegExp][] = [
    ["simulator/login/x.ts", 'import { sharedKey } from "../protocol/crypto.ts";', /enters protocol by/],
    ["simulator/x.ts", 'export type { Command } from "./car/read_command.ts";', /enters car by/],
    ["simulator/x.mjs", 'import "./server/certificate.ts";', /enters server by/],
    ["simulator/car/x.ts", 'import { startSimulator } from "../simulator.ts";', /in no room/],
    ["simulator/car/x.ts", 'import { Stop } from "../../lib/command_line.ts";', /outside the simulator/],
  ];
  for (const [path, text, complaint] of cases) {
    const found = wrongEntries(planted(path, text));
    assert.equal(found.length, 1, path);
    assert.match(found[0] ?? "", complaint);
  }
});

test("planted functions, classes and tables of 101 lines are found, and of 100 are not", () => {
  const shapes = [
    (lines: string) => `export function long() {\n${lines}}`,
    (lines: string) => `export const long = () => {\n${lines}};`,
    (lines: string) => `class Long {\n${lines}}`,
    (lines: string) => `function outer() { return { inner() {\n${lines}} }; }`,
    (lines: string) => `const TABLE = [\n${lines}];`,
  ];
  for (const shape of shapes) {
    const found = tooLong(planted("simulator/x.ts", shape("\n".repeat(99))));
    assert.deepEqual(found, ["simulator/x.ts:1: 101 lines"]);
    assert.deepEqual(tooLong(planted("simulator/x.ts", shape("\n".repeat(98)))), []);
  }
});
