// Whoever copies a script into my/ is helped by the compiler: a misspelt setting, a wrong index and a missing
// field of an answer, and slips like them, are errors of `npm run typecheck`; the copy itself is none. The
// files that docs/your_own_calls.md gives for my/ compile, and do what the page says.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import ts from "typescript";
import { ENERGY_SITE_ID } from "../simulator/tesla/tesla.ts";
import { assertEnd } from "../support/ends.ts";
import { ownerTest, plantedCopy, PROJECT, SCOPES, VIN } from "../support/owner.ts";

const READ = "read_charge";
const LIST = "list_vehicles";
const AMPS = "set_charge_amps";
const LOOP = "examples/solar_loop";

// A script, a text in it, what somebody writes in its place, and what the compiler says about that.
// biome-ignore format: a table
const SLIPS: [title: string, script: string, from: string | RegExp, to: string, says: RegExp][] = [
  ["a copy that is right", READ, "unknown", "unknown", /^$/],
  ["a copy that sends a command", AMPS, "USUAL_MOST = 16", "USUAL_MOST = 32", /^$/],
  ["a copy of an example", LOOP, "a", "a", /^$/],
  ["a misspelt setting is asked for", READ, '"TESLA_REGION", "TESLA_VIN"]', '"TESLA_REGON", "TESLA_VIN"]',
    /"TESLA_REGON"' is not assignable/],
  ["a misspelt setting is taken", READ, "const { TESLA_REGION, TESLA_VIN }",
    "const { TESLA_REGION, TESLA_VN }",
    /Property 'TESLA_VN' does not exist/],
  ["a setting that was not asked for is taken", LIST, "const { TESLA_REGION } =",
    "const { TESLA_REGION, TESLA_VIN } =",
    /Property 'TESLA_VIN' does not exist/],
  ["a region that is none", LIST, 'askFleetApi(TESLA_REGION, "vehicles"', 'askFleetApi("us", "vehicles"',
    /"us"' is not assignable/],
  ["a wrong index", LIST, /$/, 'const [first] = ["a"].concat("b");\nprocess.stdout.write(first.padEnd(9));\n',
    /'first' is possibly 'undefined'/],
  ["an index into what a pattern found", READ, /$/,
    'const parts = "a b".split(" ");\nprocess.stdout.write(parts[2].trim());\n',
    /Object is possibly 'undefined'/],
  ["a field of an answer as if it were there", READ, /$/,
    "process.stdout.write(charge.battery_level.toFixed(1));\n",
    /'charge\.battery_level' is of type 'unknown'/],
  ["an answer as if its shape were known", LIST, /$/,
    'const answer = await askFleetApi(TESLA_REGION, "vehicles", access_token);\nsay(answer.response.vin);\n',
    /'answer' is of type 'unknown'/],
  ["a field of an answer as a number", READ, /$/,
    "const half: number = charge.battery_level / 2;\nsay(String(half));\n",
    /'charge\.battery_level' is of type 'unknown'|left-hand side of an arithmetic/],
  ["a misspelt flag", READ, "const { json } =", "const { jsn } =", /Property 'jsn' does not exist/],
  ["a misspelt word of the command line", AMPS, "Number(given.AMPS)", "Number(given.AMP)",
    /Property 'AMP' does not exist/],
  ["a word that may be left out as if it were there", "send_command", 'given.JSON ?? "{}"',
    "given.JSON.trim()", /'given\.JSON' is possibly 'undefined'/],
  ["an error without what to do", READ, /new Failure\(1, ("[^"]*"), ("[^"]*"), "[^"]*"\)/,
    "new Failure(1, $1, $2)", /Expected 4-5 arguments/],
];

/** The copies as files of the project in my/, which are on no disk, and what the compiler says of each. */
function compile(copies: Map<string, string>): Map<string, string> {
  const file = join(PROJECT, "tsconfig.json");
  const { config } = ts.readConfigFile(file, ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent({ ...config, include: [], files: [] }, ts.sys, PROJECT);
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile, getSourceFile } = host;
  host.fileExists = (name) => copies.has(name) || fileExists(name);
  host.readFile = (name) => copies.get(name) ?? readFile(name);
  host.getSourceFile = (name, version, ...rest) => {
    const text = copies.get(name);
    return text === undefined
      ? getSourceFile(name, version, ...rest)
      : ts.createSourceFile(name, text, version);
  };
  const program = ts.createProgram([...copies.keys()], options, host);
  return new Map(
    [...copies.keys()].map((name) => {
      const problems = ts.getPreEmitDiagnostics(program, program.getSourceFile(name));
      return [
        name,
        problems.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, "\n")).join("\n"),
      ];
    }),
  );
}

const PAGE = readFileSync(join(PROJECT, "docs/your_own_calls.md"), "utf8");
// The files that can be pasted, by their names.
const PASTED = new Map(
  [...PAGE.matchAll(/```ts\n([^]*?)```/g)].map(([, code = ""]) => [
    /^\/\/ {3}run {7}node my\/(\w+)\.ts/m.exec(code)?.[1] ?? "no run line",
    code,
  ]),
);

test("a slip in a copied script is an error of npm run typecheck", () => {
  const nameOf = (at: number | string): string => join(PROJECT, "my", `copy_${at}.ts`);
  const copies = new Map(
    SLIPS.map(([title, script, from, to], at) => {
      const original = readFileSync(
        join(PROJECT, script.includes("/") ? "" : "scripts", `${script}.ts`),
        "utf8",
      );
      const changed = original.replace(from, to);
      assert.ok(from === to || changed !== original, `${title}: ${script} has no longer: ${from}`);
      return [nameOf(at), changed];
    }),
  );
  for (const [name, code] of PASTED) copies.set(nameOf(name), code);
  const problems = compile(copies);
  for (const [at, [title, , , , says]] of SLIPS.entries())
    assert.match(problems.get(nameOf(at)) ?? "none", says, title);
  assert.deepEqual([...PASTED.keys()], ["state", "charge_limit", "house_first"]);
  for (const name of PASTED.keys())
    assert.equal(problems.get(nameOf(name)), "", `docs/your_own_calls.md: ${name}`);
});

test("my/ is type-checked, and git ignores it", () => {
  const { include } = JSON.parse(readFileSync(join(PROJECT, "tsconfig.json"), "utf8"));
  assert.ok(include.includes("my"));
  assert.match(readFileSync(join(PROJECT, ".gitignore"), "utf8"), /^\/?my\/$/m);
});

describe("the files of docs/your_own_calls.md", { concurrency: 2 }, () => {
  const copy = plantedCopy("package.json", "{", "{");
  mkdirSync(join(copy, "examples"));
  const file = (name: string): string => join(copy, "examples", `${name}.ts`); // in the place of my/
  for (const [name, code] of PASTED) writeFileSync(file(name), code);
  const ENERGY = { scopes: `${SCOPES} energy_device_data` };
  const low = (percentage_charged: unknown): object => ({ response: { percentage_charged } });

  ownerTest("do what the page says", ENERGY, async (owner) => {
    const { car } = owner.simulator;
    const [state, dry, limit, usage] = await Promise.all([
      owner.run(file("state")),
      owner.run(file("charge_limit"), ["70", "--dry-run"]),
      owner.run(file("charge_limit"), ["70"]),
      owner.run(file("state"), ["x"]),
    ]);
    assertEnd(state, 0, /: online\n/);
    assertEnd(dry, 0, 'set_charge_limit {"percent":70}');
    assertEnd(limit, 0, "done: the car confirmed it");
    assertEnd(usage, 2, "fix:   run: node my/state.ts\n");
    assert.equal(car.chargeLimit, 70);
    car.plug();
    const houseFirst = () => owner.run(file("house_first"), [`${ENERGY_SITE_ID}`]);
    owner.answer("/live_status", 200, low(40));
    const enough = await houseFirst();
    assertEnd(enough, 0, "house battery 40 %");
    assert.equal(enough.requests.length, 1);
    owner.simulator.clear();
    owner.answer("/live_status", 200, low(39.9));
    assertEnd(await houseFirst(), 0, "house battery 40 %", "the car");
    assert.equal(car.charging, false);
    owner.simulator.clear();
    owner.answer("/live_status", 200, low(null));
    assertEnd(await houseFirst(), 1, "error: no battery level\n", "fix:   check SITE");
    assert.equal(car.executed.filter(({ name }) => name === "charge_stop").length, 1);
  });

  ownerTest("house_first.sh", { ...ENERGY, settings: { TESLA_VIN: VIN } }, async (owner) => {
    if (process.platform === "win32") return;
    const [, script = ""] = /```sh\n([^]*?)```/.exec(PAGE) ?? [];
    const folder = plantedCopy("package.json", "{", "{");
    cpSync(owner.folder, folder, { recursive: true });
    mkdirSync(join(folder, "my"));
    writeFileSync(join(folder, "my/house_first.sh"), script.replace("SITE", `${ENERGY_SITE_ID}`));
    const loader = pathToFileURL(join(PROJECT, "node_modules/tsx/dist/loader.mjs")).href; // for a Node 20
    const env = {
      ...process.env,
      ...owner.simulator.env,
      NODE_OPTIONS: `${owner.simulator.env.NODE_OPTIONS} --import=${loader}`,
    };
    owner.simulator.car.plug();
    for (const [level, status, exit, commands] of [
      [40, 200, 0, 0],
      [10, 500, 1, 0],
      [39.9, 200, 0, 2],
    ] as const) {
      owner.simulator.clear();
      owner.answer("/live_status", status, low(level));
      const child = spawn("sh", [join(folder, "my/house_first.sh")], { env });
      const [said, code] = await Promise.all([
        text(child.stderr),
        new Promise((end) => child.on("close", end)),
      ]);
      assert.equal(code, exit, `${level}: ${said}`);
      const sent = owner.simulator.requests.filter(({ path }) => path.includes("signed_command"));
      assert.equal(sent.length, commands, `${level}: ${said}`); // the first one with a handshake
    }
  });
});
