// Every script inside `node --permission`, with exactly the reads and writes that its header states, on every
// Node that is there: this one, if it is new enough, and those that `.ci/run` installs under
// node_modules/.cache/runtimes. In CI a missing runtime fails the test; elsewhere it is said. `npm test` tries
// the first of them alone. And the other way round: each file that a header states is needed.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, existsSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { freePort, LOADER } from "../simulator/server.ts";
import { startSimulator, type Simulator } from "../simulator/simulator.ts";
import { byLength, ONLY_AT_LENGTH } from "../support/length.ts";
import { discard, type Ended, heldTo, newFolder, PROJECT, runHeld, stepsIn } from "./held.ts";
import { denoArguments, nodeArguments, sandboxOf, sandboxText } from "./sandbox_lines.ts";
import { auditedFiles, scriptNames } from "./script_list.ts";

const RUNTIMES = join(PROJECT, "node_modules/.cache/runtimes/node_modules");
const files = auditedFiles();
const [PORT, KEY_PORT] = [await freePort(), await freePort()];

function runtimes(): [string, string][] {
  const installed = ["node22", "node24", "node26"]
    .map((name): [string, string] => [name, join(RUNTIMES, name, "bin/node")])
    .filter(([, file]) => existsSync(file));
  const [major = 0] = process.versions.node.split(".").map(Number);
  if (installed.length === 0 && major >= 23) installed.push([`node${major}`, process.execPath]);
  return byLength(installed.slice(0, 1), installed);
}

let simulator: Simulator;
before(async () => {
  simulator = await startSimulator();
  simulator.account.redirectUris.push(`http://localhost:${PORT}/callback`);
});
after(() => simulator.close());

/** Runs a script as its header allows, without one of its reads or writes. */
function run(
  node: string,
  folder: string,
  script: string,
  words: string[],
  without = ["", ""],
): Promise<Ended> {
  const { reads, writes } = heldTo(script);
  const [kind, name] = without;
  const held = {
    reads: reads.filter((file) => kind !== "read" || file !== name),
    writes: writes.filter((file) => kind !== "write" || file !== name),
  };
  const command = [
    node,
    ...nodeArguments(held, PROJECT),
    "--no-warnings",
    `--allow-fs-read=${join(PROJECT, "test/simulator")}`,
    `--allow-fs-read=${simulator.caFile}`,
    ...(node.includes("node26") ? ["--allow-net"] : []),
    `--import=${pathToFileURL(join(PROJECT, "test/simulator/preload.mjs"))}`,
    join(PROJECT, "scripts", `${script}.ts`),
    ...words,
  ];
  return runHeld(command, folder, { ...process.env, ...simulator.env, NODE_OPTIONS: "" }, simulator);
}

describe("npm run sandbox", () => {
  const deno = { TESLA_DOMAIN: "YOUR.DOMAIN" };
  test("prints for each script the line that is run below, and the one of deno.test.ts", () => {
    for (const script of scriptNames(files)) {
      const path = `scripts/${script}.ts`;
      const sandbox = sandboxOf(path, files);
      const lines = sandboxText(script, files).replaceAll('"', "").split("\n");
      assert.ok(lines.includes(["node", ...nodeArguments(sandbox), path].join(" ")), path);
      assert.ok(lines.includes(["deno", "run", ...denoArguments(sandbox, deno), path].join(" ")), path);
    }
  });
  test("takes the name as a file or as a command, and names all for a wrong one", () => {
    const script = join(PROJECT, "test/rules/sandbox_lines.ts");
    const print = (...words: string[]) =>
      spawnSync(process.execPath, [...LOADER, script, ...words], { cwd: PROJECT, encoding: "utf8" });
    assert.equal(print("read-charge").stdout, sandboxText("read_charge", files));
    const { status, stderr } = print("read_car");
    assert.equal(status, 2);
    assert.match(stderr, /read_charge, list_vehicles/);
  });
});

// What a usual job does without: it is for another one. The rest is needed each time.
// biome-ignore format: a table of words
const NEEDED_ELSEWHERE = [
  "check_setup read tesla_session.json", // after an unpaired key
  "telemetry_config read public-key.pem", // to show a configuration
];

describe("node --permission", () => {
  const found = runtimes();
  test("there is a Node to try it with", (context) => {
    if (found.length > 0) return;
    assert.ok(!process.env.CI, "no runtime of node_modules/.cache/runtimes: see .ci/run");
    context.diagnostic("no Node 22.18 or later is here: the sandbox was NOT tried");
  });
  for (const [name, node] of found) {
    test(`${name}: every script runs with what its header states`, { timeout: 240_000 }, async () => {
      const folder = newFolder(`http://localhost:${PORT}/callback`);
      for (const { script, words, code, said = "", before, after } of stepsIn(
        folder,
        simulator,
        `${KEY_PORT}`,
      )) {
        before?.();
        const ended = await run(node, folder, script, words);
        assert.equal(ended.code, code, `${script} ${words.join(" ")}: ${ended.said}`);
        assert.ok(ended.said.includes(said), `${script} ${words.join(" ")}: no "${said}" in ${ended.said}`);
        after?.();
      }
      discard(folder);
    });
  }

  // With the last of them, which is the strictest.
  const [, last = ""] = found.at(-1) ?? [];
  test("a header states no file that is not needed; without one nothing is lost", {
    skip: ONLY_AT_LENGTH || last === "",
    timeout: 400_000,
  }, async () => {
    const folder = newFolder(`http://localhost:${PORT}/callback`);
    const usual = stepsIn(folder, simulator, `${KEY_PORT}`).slice(0, scriptNames(files).length);
    for (const { script, words, after } of usual) {
      if (script !== "generate_key") {
        const { reads, writes } = heldTo(script);
        const all = [...reads.map((file) => ["read", file]), ...writes.map((file) => ["write", file])];
        for (const without of all) {
          const copy = `${folder}-copy`;
          discard(copy);
          cpSync(folder, copy, { recursive: true });
          const { code, said } = await run(last, copy, script, words, without);
          const isNeeded = !NEEDED_ELSEWHERE.includes([script, ...without].join(" "));
          assert.equal(code !== 0, isNeeded, `${script} without ${without.join(" ")}: ${said}`);
          assert.notEqual(code, 8, said);
          discard(copy);
        }
      }
      await run(last, folder, script, words);
      after?.();
    }
    discard(folder);
  });
});
