// Every script inside `node --permission`, with exactly the reads and writes that its header states, on every
// Node that is there: this one, if it is new enough, and those that `.ci/run` installs under
// node_modules/.cache/runtimes. In CI a missing runtime fails the test; by hand it is said. `npm test` tries
// the first of them alone. And the other way round: a file left out is refused.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { LOADER } from "../simulator/server.ts";
import { freePort } from "../simulator/server.ts";
import { startSimulator, type Simulator } from "../simulator/simulator.ts";
import { CLIENT_ID, CLIENT_SECRET, DOMAIN, VIN } from "../simulator/tesla/tesla.ts";
import { byLength } from "../support/length.ts";
import { auditedFiles, inRunningOrder, scriptNames } from "./script_list.ts";
import { denoArguments, nodeArguments, sandboxOf, sandboxText } from "./sandbox_lines.ts";

const PROJECT = fileURLToPath(new URL("../..", import.meta.url));
const RUNTIMES = join(PROJECT, "node_modules/.cache/runtimes/node_modules");
const files = auditedFiles();
const REDIRECT = `http://localhost:${await freePort()}/callback`;

function runtimes(): [string, string][] {
  const installed = ["node22", "node24", "node26"].map((name): [string, string] => [
    name,
    join(RUNTIMES, name, "bin/node"),
  ]);
  const found = installed.filter(([, file]) => existsSync(file));
  const [major = 0] = process.versions.node.split(".").map(Number);
  if (found.length === 0 && major >= 23) found.push([`node${major}`, process.execPath]);
  return byLength(found.slice(0, 1), found);
}

let simulator: Simulator;
let folder = "";
before(async () => {
  simulator = await startSimulator();
  simulator.account.redirectUris.push(REDIRECT);
  folder = mkdtempSync(join(tmpdir(), "tesla-sandbox-"));
  writeFileSync(
    join(folder, ".env"),
    `TESLA_CLIENT_ID=${CLIENT_ID}\nTESLA_CLIENT_SECRET=${CLIENT_SECRET}\nTESLA_REGION=eu\n`
      + `TESLA_DOMAIN=${DOMAIN}\nTESLA_VIN=${VIN}\nTESLA_REDIRECT_URI=${REDIRECT}\n`,
    { mode: 0o600 },
  );
});
after(async () => {
  await simulator.close();
  rmSync(folder, { recursive: true, force: true });
});

function run(
  name: string,
  node: string,
  script: string,
  words: string[],
  leftOut = "",
): Promise<{ code: number; said: string }> {
  const path = `scripts/${script}.ts`;
  const sandbox = sandboxOf(path, files);
  const keep = (files: string[]): string[] => files.filter((file) => file !== leftOut);
  const own = nodeArguments(
    { ...sandbox, reads: keep(sandbox.reads), writes: keep(sandbox.writes) },
    PROJECT,
  );
  const parameters = [
    ...own,
    "--no-warnings",
    `--allow-fs-read=${join(PROJECT, "test/simulator")}`,
    `--allow-fs-read=${simulator.caFile}`,
    ...(name === "node26" ? ["--allow-net"] : []),
    `--import=${pathToFileURL(join(PROJECT, "test/simulator/preload.mjs"))}`,
    join(PROJECT, path),
    ...words,
  ];
  const environment = { ...process.env, ...simulator.env, NODE_OPTIONS: "" };
  const child = spawn(node, parameters, { cwd: folder, env: environment, stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  let visited = false;
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (part: Buffer) => {
      said += part.toString();
      if (said.includes("Ctrl-C ends")) child.kill(); // serve_public_key
      const [address] = /https:\/\/auth\S+(?=\n)/.exec(said) ?? [];
      if (!address || visited) return;
      visited = true;
      void simulator.consent(address).then((back) => fetch(back));
    });
  }
  return new Promise((resolve) =>
    child.on("close", (code, signal) => resolve({ code: signal === "SIGTERM" ? 0 : (code ?? -1), said })),
  );
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
    const print = (...words: string[]) =>
      spawnSync(process.execPath, [...LOADER, join(PROJECT, "test/rules/sandbox_lines.ts"), ...words], {
        cwd: PROJECT,
        encoding: "utf8",
      });
    assert.equal(print("read-charge").stdout, sandboxText("read_charge", files));
    const { status, stderr } = print("read_car");
    assert.equal(status, 2);
    assert.match(stderr, /read_charge, list_vehicles/);
  });
});

describe("node --permission", () => {
  const found = runtimes();
  test("there is a Node to try it with", (context) => {
    if (found.length > 0) return;
    assert.ok(!process.env.CI, "no runtime of node_modules/.cache/runtimes: see .ci/run");
    context.diagnostic("no Node 22.18 or later is here: the sandbox was NOT tried");
  });
  for (const [name, node] of found) {
    test(`${name}: every script runs with what its header states`, { timeout: 120_000 }, async () => {
      for (const file of ["private-key.pem", "public-key.pem", "tesla_session.json"])
        rmSync(join(folder, file), { force: true });
      const port = ["--port", String(await freePort())];
      for (const [script, ...words] of inRunningOrder(files)) {
        const { code, said } = await run(name, node, script, script === "serve_public_key" ? port : words);
        assert.equal(code, 0, `${script}: ${said}`);
        if (script !== "generate_key") continue;
        const pem = readFileSync(join(folder, "public-key.pem"), "utf8");
        simulator.partner.hosting = { kind: "file", body: pem };
        simulator.car.unpair();
        simulator.car.pair(pem);
      }
    });
    test(`${name}: a file that is left out is refused, and nothing is sent`, {
      timeout: 60_000,
    }, async () => {
      const arrived = simulator.requests.length;
      const token = readFileSync(join(folder, "tesla_token.json"), "utf8");
      for (const [script, file] of [
        ["read_charge", "tesla_token.json"],
        ["refresh_token", "tesla_token.json.new"],
      ] as const) {
        const { code, said } = await run(name, node, script, [], file);
        assert.notEqual(code, 0, `${script} without ${file}: ${said}`);
      }
      assert.equal(simulator.requests.length, arrived);
      assert.equal(readFileSync(join(folder, "tesla_token.json"), "utf8"), token);
    });
  }
});
