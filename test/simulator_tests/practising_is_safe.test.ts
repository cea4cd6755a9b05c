// What another user of the same computer could try on someone who practises: a tsconfig.json in the temporary
// folder, and a folder made anew where a simulator has ended.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { startSimulator } from "../simulator/simulator.ts";

const here = (name: string): string => fileURLToPath(new URL(`../simulator/${name}`, import.meta.url));
const TSX = import.meta.resolve("tsx"); // Node's own stripping of types knows no tsconfig.json
const top = mkdtempSync(join(tmpdir(), "test-safe-"));
after(() => rmSync(top, { recursive: true, force: true }));
const onPosix = { skip: process.platform === "win32" ? "modes and owners are POSIX" : false };
const LINE = "simulated Tesla: nothing here reaches the real one\n";

/** A temporary folder in which another user has planted a file, to be run in the place of dotenv. */
function plantedFolder(name: string): { folder: string; trace: string } {
  const folder = join(top, name);
  const trace = join(folder, "it-ran");
  mkdirSync(folder);
  writeFileSync(join(folder, "tsconfig.json"), '{"compilerOptions":{"paths":{"dotenv":["./planted.ts"]}}}');
  const code = `import { writeFileSync } from "node:fs"; writeFileSync(${JSON.stringify(trace)}, "");
export const parse = () => ({});`;
  writeFileSync(join(folder, "planted.ts"), code);
  return { folder, trace };
}

describe("a tsconfig.json in the temporary folder", { concurrency: true, ...onPosix }, () => {
  test("would count in a folder without one", () => {
    const { folder, trace } = plantedFolder("open");
    const work = join(folder, "work");
    mkdirSync(work);
    spawnSync(process.execPath, ["--import", TSX, here("../../scripts/check_setup.ts")], { cwd: work });
    assert.ok(existsSync(trace), "this test would see the planted file run");
  });

  test("does not count in practice", async () => {
    const { folder, trace } = plantedFolder("practice");
    const env = { ...process.env, TMPDIR: folder, SHELL: "/bin/sh" };
    const child = spawn(process.execPath, ["--import", TSX, here("practice/practice.ts")], { env });
    let said = "";
    child.stdout.on("data", (part: Buffer) => (said += String(part)));
    child.stdin.end(
      "npx tsx scripts/check_setup.ts\ncd ..\nnode --import tsx/esm tesla/scripts/check_setup.ts\n"
        + "tesla/node_modules/.bin/tsx tesla/scripts/check_setup.ts\n",
    );
    await new Promise((resolve) => child.on("close", resolve));
    assert.match(said, /settings/, "the scripts ran");
    assert.equal(existsSync(trace), false);
  });

  test("does not count in the demo", async () => {
    const { folder, trace } = plantedFolder("demo");
    const env = { ...process.env, TMPDIR: folder };
    const child = spawn(process.execPath, ["--import", TSX, here("demo.ts")], { env, stdio: "ignore" });
    assert.equal(await new Promise((resolve) => child.on("close", resolve)), 0);
    assert.equal(existsSync(trace), false);
  });
});

describe("the preload", async () => {
  const simulator = await startSimulator();
  after(() => simulator.close());
  const script = join(top, "script.mjs");
  writeFileSync(script, 'console.log("the answer")');
  function run(caFile: string) {
    const env = { ...process.env, ...simulator.env, TESLA_SIMULATOR_CA: caFile };
    return spawnSync(process.execPath, [script], { env, encoding: "utf8" });
  }
  /** The authority's file where a simulator may have been, in a folder of its own. */
  function planted(name: string): string {
    const folder = join(top, name);
    mkdirSync(folder, { mode: 0o700 });
    writeFileSync(join(folder, "ca.pem"), simulator.ca, { mode: 0o600 });
    return join(folder, "ca.pem");
  }

  test("says on stderr that this is the simulated Tesla, and nothing on stdout", () => {
    const { status, stdout, stderr } = run(simulator.caFile);
    assert.deepEqual({ status, stdout, stderr }, { status: 0, stdout: "the answer\n", stderr: LINE });
  });

  test("says it once where a script is started by a program of node_modules", () => {
    const tsx = here("../../node_modules/tsx/dist/cli.mjs");
    const { stderr } = spawnSync(process.execPath, [tsx, script], {
      env: { ...process.env, ...simulator.env },
      encoding: "utf8",
    });
    assert.equal(stderr, LINE);
  });

  test("refuses a file or folder that others may write, or that another user owns", onPosix, (t) => {
    const cases: [string, (file: string) => void][] = [
      ["a folder for the group", (file) => chmodSync(dirname(file), 0o770)],
      ["a folder for all", (file) => chmodSync(dirname(file), 0o777)],
      ["a file for the group", (file) => chmodSync(file, 0o660)],
      ["a file for all", (file) => chmodSync(file, 0o602)],
    ];
    if (process.getuid?.() === 0) {
      cases.push(["a folder of another", (file) => chownSync(dirname(file), 65534, 65534)]);
      cases.push(["a file of another", (file) => chownSync(file, 65534, 65534)]);
    } else t.diagnostic("not tried: files of another user, since only root can make them");
    for (const [name, spoil] of cases) {
      const file = planted(name);
      assert.equal(run(file).status, 0, `${name}: as it should be`);
      spoil(file);
      const { status, stdout, stderr } = run(file);
      assert.deepEqual({ status, stdout }, { status: 1, stdout: "" }, name);
      assert.match(
        stderr,
        /^not trusted, since another user could have written it: \S.*unset NODE_OPTIONS\n$/,
        name,
      );
    }
  });

  test("refuses a file that is not there", () => {
    const { status, stderr } = run(join(top, "gone", "ca.pem"));
    assert.deepEqual(
      [status, stderr],
      [1, "the simulator has ended: start it again, or unset NODE_OPTIONS\n"],
    );
  });

  test("a kept folder that others may write to is refused at the start", onPosix, async () => {
    const keep = join(top, "kept");
    mkdirSync(keep);
    chmodSync(keep, 0o777);
    await assert.rejects(startSimulator({ keep }), /others may write to .*kept: chmod go-w/);
  });
});
