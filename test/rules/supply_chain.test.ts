// What the owner installs: exactly the packages of the table in docs/security.md, at those versions and about
// that size, and everything works although no install script was allowed to run.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";

const project = fileURLToPath(new URL("../..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "tesla-packages-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const lock = JSON.parse(readFileSync(join(project, "package-lock.json"), "utf8"));
const page = readFileSync(join(project, "docs/security.md"), "utf8");

/** Its rows: package, version, megabytes. */
const told = [...page.matchAll(/^\| (\w+) (\d+\.\d+\.\d+)[^|]*\|[^|]*\| ([\d.]+) MB/gm)].map(
  ([, name = "", version = "", size = ""]) => ({ name, version, megabytes: Number(size) }),
);

function bytesIn(path: string): number {
  const names = readdirSync(path, { recursive: true }).map((name) => statSync(join(path, String(name))));
  return names.filter((entry) => entry.isFile()).reduce((sum, { size }) => sum + size, 0);
}

describe("an owner's install", () => {
  for (const name of ["package.json", "package-lock.json", ".npmrc", "lib", "scripts"]) {
    cpSync(join(project, name), join(folder, name), { recursive: true });
  }
  const words = ["ci", "--omit=dev", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund"];
  const npm = process.platform === "win32" ? "npm.cmd" : "npm";
  const installed = spawnSync(npm, words, { cwd: folder, encoding: "utf8", shell: npm.endsWith("cmd") });
  const modules = join(folder, "node_modules");

  test("npm ci --omit=dev --ignore-scripts brings these packages and nothing else", () => {
    assert.equal(installed.status, 0, installed.stderr);
    const names = readdirSync(modules).filter((name) => !name.startsWith("."));
    assert.deepEqual(names.sort(), ["@esbuild", ...told.map(({ name }) => name)].sort());
    assert.equal(readdirSync(join(modules, "@esbuild")).length, 1, "esbuild's program for this system");
  });
  test("versions and sizes are those that the table tells", () => {
    assert.equal(told.length, 4);
    for (const { name, version, megabytes } of told) {
      const manifest = JSON.parse(readFileSync(join(modules, name, "package.json"), "utf8"));
      assert.equal(manifest.version, version, name);
      let bytes = bytesIn(join(modules, name));
      if (name === "esbuild") bytes += bytesIn(join(modules, "@esbuild"));
      const ratio = bytes / 1e6 / megabytes;
      assert.ok(ratio > 0.6 && ratio < 1.4, `${name}: ${(bytes / 1e6).toFixed(2)} MB, told ${megabytes}`);
    }
  });
  test("only esbuild has an install script, and it has not run", () => {
    const entries = Object.entries(lock.packages as Record<string, { hasInstallScript?: true; dev?: true }>);
    const names = entries.filter(([, entry]) => entry.hasInstallScript && !entry.dev).map(([path]) => path);
    assert.deepEqual(names, ["node_modules/esbuild"]);
  });
  for (const script of readdirSync(join(project, "scripts"))) {
    test(`${script} starts with it`, () => {
      const tsx = join(modules, "tsx/dist/cli.mjs");
      const { status, stdout, stderr } = spawnSync(
        process.execPath,
        [tsx, join(folder, "scripts", script), "--help"],
        { cwd: folder, encoding: "utf8" },
      );
      assert.deepEqual({ status, stderr }, { status: 0, stderr: "" });
      assert.match(stdout, /^\s+run {7}npx tsx/m);
    });
  }
});
