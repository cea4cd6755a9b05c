// Whoever copies a script into my/ is helped by the compiler: a misspelt setting, a wrong index and a missing
// field of an answer, and slips like them, are errors of `npm run typecheck`; the copy itself is none.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import ts from "typescript";
import { PROJECT } from "../support/harness.ts";

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
  ["a misspelt setting is taken", READ, "const { TESLA_REGION, TESLA_VIN }", "const { TESLA_REGION, TESLA_VN }",
    /Property 'TESLA_VN' does not exist/],
  ["a setting that was not asked for is taken", LIST, "const { TESLA_REGION } =", "const { TESLA_REGION, TESLA_VIN } =",
    /Property 'TESLA_VIN' does not exist/],
  ["a region that is none", LIST, 'askFleetApi(TESLA_REGION, "vehicles"', 'askFleetApi("us", "vehicles"', /"us"' is not assignable/],
  ["a wrong index", LIST, /$/, 'const [first] = ["a"].concat("b");\nprocess.stdout.write(first.padEnd(9));\n',
    /'first' is possibly 'undefined'/],
  ["an index into what a pattern found", READ, /$/, 'const parts = "a b".split(" ");\nprocess.stdout.write(parts[2].trim());\n',
    /Object is possibly 'undefined'/],
  ["a field of an answer as if it were there", READ, /$/, "process.stdout.write(charge.battery_level.toFixed(1));\n",
    /'charge\.battery_level' is of type 'unknown'/],
  ["an answer as if its shape were known", LIST, /$/,
    'const answer = await askFleetApi(TESLA_REGION, "vehicles", access_token);\nprocess.stdout.write(answer.response.vin);\n',
    /'answer' is of type 'unknown'/],
  ["a field of an answer as a number", READ, /$/, "const half: number = charge.battery_level / 2;\nsay(String(half));\n",
    /'charge\.battery_level' is of type 'unknown'|left-hand side of an arithmetic/],
  ["a misspelt flag", READ, "const { json } =", "const { jsn } =", /Property 'jsn' does not exist/],
  ["a misspelt word of the command line", AMPS, "Number(given.AMPS)", "Number(given.AMP)", /Property 'AMP' does not exist/],
  ["a word that may be left out as if it were there", "send_command", 'given.JSON ?? "{}"', "given.JSON.trim()",
    /'given\.JSON' is possibly 'undefined'/],
  ["an error without what to do", READ, /new Failure\(1, ("[^"]*"), ("[^"]*"), "[^"]*"\)/, "new Failure(1, $1, $2)",
    /Expected 4-5 arguments/],
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
    return text === undefined ? getSourceFile(name, version, ...rest) : ts.createSourceFile(name, text, version);
  };
  const program = ts.createProgram([...copies.keys()], options, host);
  return new Map([...copies.keys()].map((name) => {
    const problems = ts.getPreEmitDiagnostics(program, program.getSourceFile(name));
    return [name, problems.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, "\n")).join("\n")];
  }));
}

test("a slip in a copied script is an error of npm run typecheck", () => {
  const names = SLIPS.map((_, at) => join(PROJECT, "my", `copy_${at}.ts`));
  const copies = new Map(SLIPS.map(([title, script, from, to], at) => {
    const text = readFileSync(join(PROJECT, script.includes("/") ? "" : "scripts", `${script}.ts`), "utf8");
    const changed = text.replace(from, to);
    assert.ok(from === to || changed !== text, `${title}: ${script} has no longer: ${from}`);
    return [names[at] ?? "", changed];
  }));
  const problems = compile(copies);
  for (const [at, [title, , , , says]] of SLIPS.entries()) {
    assert.match(problems.get(names[at] ?? "") ?? "none", says, title);
  }
});

test("my/ is type-checked, and git ignores it", () => {
  const read = (name: string): string => readFileSync(join(PROJECT, name), "utf8");
  assert.ok(JSON.parse(read("tsconfig.json")).include.includes("my"));
  assert.match(read(".gitignore"), /^\/?my\/$/m);
  assert.match(read("docs/your_own_calls.md"), /\bmy\//);
});
