// The promises that an auditor and the README rely on, as tests. Each check is a function over the texts of
// files (test/rules/project_rules.ts); each is also given texts that break it, and must complain.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { plainFile } from "../support/compiled.ts";
import { checkCode, checkHeaders, checkLayout, checkSecrets, closureOf, type Texts } from "./project_rules.ts";
import { auditedFiles, linesOf, missionFiles, SIGNING, TABLES } from "./readme_tables.ts";

// Lines as `wc -l` counts them, comments included; the tables that only say words and numbers are counted apart.
const BUDGETS = {
  fetch: 80, // lib/tesla_fetch.ts
  safeFile: 80, // lib/safe_file.ts
  reading: 321, // read_charge with all that it imports
  mission: 994, // the six scripts with all that they import, without signing
  signing: 465, // without its encoder
  everything: 1860,
  tables: 294,
  script: 121,
  libFile: 135,
};
const LIBRARIES = ["dotenv", "esbuild", "fsevents", "tsx", "undici"]; // and @esbuild/*, esbuild's binaries
const SECRET_FILES = [
  ".env",
  ".env.local",
  ".env~",
  "private-key.pem.bak",
  "private-key.pem",
  "public-key.pem",
  "old-key.pem",
  "tesla_token.json",
  "tesla_token.json.new",
  "tesla_token.json.lock",
  "tesla_session.json",
  "tesla_session.json.new",
  "tesla_session.json.lock",
  "cron.log",
];

const project = fileURLToPath(new URL("../..", import.meta.url));
const files = auditedFiles();
const scripts = [...files.keys()].filter((path) => path.startsWith("scripts/"));
const folder = mkdtempSync(join(tmpdir(), "tesla-rules-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const loader = process.features.typescript
  ? []
  : ["--import", pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href];

/** The project's files with one of them changed. */
function planted(path: string, change: (text: string) => string): Texts {
  const before = files.get(path) ?? "// A new file.\n";
  const text = change(before);
  assert.notEqual(text, before, "the violation must be there");
  return new Map([...files, [path, text]]);
}

function complains(check: (files: Texts) => string[], path: string, change: (text: string) => string): void {
  const healthy = new Set(check(files));
  const complaints = check(planted(path, change)).filter((one) => !healthy.has(one));
  assert.ok(
    complaints.some((one) => one.includes(path)),
    `no complaint about ${path}: ${complaints.join("; ")}`,
  );
}

function addLine(line: string): (text: string) => string {
  return (text) => `${text}${line}\n`;
}

describe("code of lib/ and scripts/", () => {
  test("keeps every rule", () => assert.deepEqual(checkCode(files), []));
  const violations: [string, string, string?][] = [
    ["a second undici import", 'import { request } from "undici";'],
    ["a part of undici", 'import request from "undici/lib/api/api-request.js";'],
    ["a step past the door of signing", 'import { x } from "../../lib/signing/wire.ts";'],
    ["a step past the door from lib/", 'import { x } from "./signing/session.ts";', "lib/command.ts"],
    ["a file outside lib/", 'import { x } from "../lib/signing/../../test/x.ts";'],
    ["undici's fetch in the one door", 'import { fetch } from "undici";', "lib/tesla_fetch.ts"],
    ["undici's redirects", 'import { interceptors } from "undici";', "lib/tesla_fetch.ts"],
    ["a redirect followed", 'const next = answer.headers["location"];', "lib/tesla_fetch.ts"],
    ["a redirect followed in another spelling", "const next = answer.headers.location;", "lib/tesla_fetch.ts"],
    ["a host of Tesla's", 'const host = "https://fleet-api.prd.eu.vn.cloud.tesla.com";'],
    ["a host of Tesla's in pieces", "const host = `https://${part}.tesla.com`;"],
    ["another host", 'const host = "https://collector.example.net/x";'],
    ["a host in a pattern", "const host = /auth\\.tesla\\.com/;"],
    ["an environment variable", "const name = process.env.HOME;"],
    ["the environment by an index", 'const name = process["env"].HOME;'],
    ["the environment as a module", 'import { env } from "node:process";'],
    ["a child process", 'import { spawn } from "node:child_process";'],
    ["an https client", 'import { request } from "node:https";'],
    ["an http client", 'import { get } from "node:http";', "lib/loopback_server.ts"],
    ["a server elsewhere", 'import { createServer } from "node:http";'],
    ["a socket", 'import { connect } from "node:net";'],
    ["another package", 'import axios from "axios";'],
    ["a whole module", 'import * as fs from "node:fs";'],
    ["fetch", 'await fetch("x");'],
    ["globalThis.fetch", 'await globalThis["fetch"]("x");'],
    ["eval", 'eval("1");'],
    ["Function", 'new Function("1")();'],
    ["a dynamic import", 'await import("./x.ts");'],
    ["require", 'require("node:fs");'],
    ["a console", "console.log(token);"],
    ["stderr besides say", "process.stderr.write(text);"],
    ["a file written in place", 'import { writeFileSync } from "node:fs";', "lib/token_file.ts"],
    ["a file removed", 'import { unlinkSync } from "node:fs";'],
    ["a lock of its own", 'import { openSync } from "node:fs";'],
    ["a wake-up before reading", "await askFleetApi(region, `vehicles/${vin}/wake_up`, bearer, { json: {} });"],
    ["a default export", "export default 1;"],
    ["a default function", "export default function name() {}"],
    ["any", "const x: any = 1;"],
    ["enum", "enum A { B }"],
    ["namespace", "namespace A { const b = 1; }"],
    ["a decorator", "@sealed class A {}"],
    ["a ! assertion", "const x = y!;"],
    ["a parameter property", "class A { constructor(private b: string) {} }"],
    ["a generic", "function f<T>(x: T): T { return x; }"],
    ["a conditional type", "type A = string extends B ? 1 : 2;"],
    ["an import without its ending", 'import { x } from "../../lib/hosts";'],
    ["an import of the simulator", 'import { x } from "../simulator/world.ts";'],
    ["an export of another's names", 'export { x } from "../../lib/hosts.ts";'],
    ["a check switched off", "// @ts-ignore"],
    ["a signal", "process.kill(1, 9);", "lib/safe_file.ts"],
  ];
  for (const [name, line, path = "scripts/read_charge.ts"] of violations) {
    test(`refuses ${name}`, () => complains(checkCode, path, addLine(line)));
  }
  test("takes a documentation address in a comment for a comment", () => {
    const text = addLine("// https://auth.tesla.com/x, any, enum, console");
    assert.deepEqual(checkCode(planted("scripts/read_charge.ts", text)), checkCode(files));
  });
});

describe("layout", () => {
  test("every file is in form", () => assert.deepEqual(checkLayout(files), []));
  for (const [name, line] of [
    ["a long line", `// ${"x".repeat(108)}`],
    ["a tab", "\tx();"],
    ["a space", "x(); "],
    ["a Windows end of line", "x();\r"],
    ["a function longer than a screen", `function f(): void {\n${"  x();\n".repeat(44)}}`],
  ]) {
    test(`refuses ${name}`, () => complains(checkLayout, "lib/hosts.ts", addLine(line)));
  }
  test("refuses a file without a comment at its top", () =>
    complains(checkLayout, "lib/hosts.ts", (text) => text.replace(/^\/\/.*\n/, "")));
  test("the budgets hold", () => {
    const all = [...files.keys()].filter((path) => !TABLES.includes(path));
    const longest = (part: string): number =>
      Math.max(...all.filter((path) => path.startsWith(part)).map((path) => linesOf(files, [path])));
    const reading = [...closureOf("scripts/read_charge.ts", files)].filter((path) => !TABLES.includes(path));
    const sizes = {
      fetch: linesOf(files, ["lib/tesla_fetch.ts"]),
      safeFile: linesOf(files, ["lib/safe_file.ts"]),
      reading: linesOf(files, reading),
      mission: linesOf(files, missionFiles(files)),
      signing: linesOf(files, SIGNING),
      everything: linesOf(files, all),
      tables: linesOf(files, TABLES),
      script: longest("scripts/"),
      libFile: longest("lib/"),
    };
    for (const name of Object.keys(BUDGETS) as (keyof typeof BUDGETS)[]) {
      assert.ok(sizes[name] <= BUDGETS[name], `${name}: ${sizes[name]} lines, ${BUDGETS[name]} are allowed`);
    }
    for (const path of [...SIGNING, ...TABLES]) assert.ok(files.has(path), `${path} is there`);
    const inRoom = [...files.keys()].filter((path) => path.startsWith("lib/signing/"));
    const encoder = "lib/signing/encode_command.ts";
    assert.deepEqual([...SIGNING, ...TABLES.slice(1), encoder].sort(), inRoom.sort(), "every file is counted");
  });
});

describe("headers", () => {
  test("every script's header is in the fixed form and says what the code does", () => {
    assert.deepEqual(checkHeaders(files), []);
  });
  const lies: [string, string, (text: string) => string][] = [
    [
      "an unsaid read",
      "scripts/read_charge.ts",
      (text) => text.replace("reads     .env, tesla_token.json", "reads     .env"),
    ],
    [
      "a read too many",
      "scripts/wake_up.ts",
      (text) => text.replace("tesla_token.json", "tesla_token.json, x.pem"),
    ],
    ["an unsaid write", "scripts/refresh_token.ts", (text) => text.replace(/writes .*/, "writes    nothing")],
    [
      "an unsaid contact",
      "scripts/read_charge.ts",
      (text) => text.replace("contacts  Fleet API", "contacts  nobody"),
    ],
    [
      "another contact",
      "scripts/get_token.ts",
      (text) => text.replace("contacts  token host", "contacts  Fleet API"),
    ],
    ["a new file of its own", "scripts/list_vehicles.ts", addLine('readFileSync("cars.json");')],
    ["a new call", "scripts/list_vehicles.ts", addLine("replaceFile(TOKEN_FILE, x);")],
    [
      "another run line",
      "scripts/wake_up.ts",
      (text) => text.replace("scripts/wake_up.ts", "scripts/wake.ts"),
    ],
    ["a missing line", "scripts/wake_up.ts", (text) => text.replace(/\/\/ {3}costs.*\n/, "")],
    ["a missing step", "scripts/wake_up.ts", (text) => text.replace("// Step 2", "// Step 3")],
  ];
  for (const [name, path, change] of lies) {
    test(`refuses ${name}`, () => complains(checkHeaders, path, change));
  }
  test("--help prints the header, and nothing is read, written or sent", { timeout: 60_000 }, () => {
    for (const path of scripts) {
      const { status, stdout, stderr } = spawnSync(
        process.execPath,
        [plainFile(join(project, path)), "--help"],
        { cwd: folder, encoding: "utf8", env: { ...process.env, NODE_OPTIONS: "" } },
      );
      const [header] = (files.get(path) ?? "").split(/\n(?!\/\/)/);
      assert.equal(stdout, `${header.replace(/^\/\/ ?/gm, "")}\n`, path);
      assert.deepEqual([status, stderr], [0, ""], path);
    }
    assert.deepEqual(readdirSync(folder), []);
  });
});

test("importing a file of lib/ does nothing", { timeout: 30_000 }, () => {
  const paths = [...files.keys()].filter((path) => path.startsWith("lib/"));
  const program = `
    const before = Object.keys(globalThis).join();
    for (const path of ${JSON.stringify(paths.map((path) => pathToFileURL(join(project, path)).href))}) {
      await import(path);
      if (Object.keys(globalThis).join() !== before) throw new Error("a global from " + path);
      if (process.listenerCount("uncaughtException") > 0) throw new Error("a listener from " + path);
    }`;
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [...loader, "--input-type=module", "-e", program],
    { cwd: folder, encoding: "utf8", timeout: 20_000, env: { ...process.env, NODE_OPTIONS: "" } },
  );
  // That it ended says that nothing was left open.
  assert.deepEqual({ status, stdout, stderr }, { status: 0, stdout: "", stderr: "" });
  assert.deepEqual(readdirSync(folder), []);
});

describe("packages", () => {
  const manifest = JSON.parse(readFileSync(join(project, "package.json"), "utf8"));
  const lock = JSON.parse(readFileSync(join(project, "package-lock.json"), "utf8"));
  test("every version is exact", () => {
    for (const [name, version] of Object.entries({ ...manifest.dependencies, ...manifest.devDependencies })) {
      assert.match(String(version), /^\d+\.\d+\.\d+$/, name);
    }
    assert.deepEqual(Object.keys(manifest.dependencies).sort(), ["dotenv", "tsx", "undici"]);
  });
  test("the lock file has a hash of each package, and no package that the README does not name", () => {
    for (const [path, entry] of Object.entries(lock.packages) as [string, Record<string, unknown>][]) {
      if (path === "") continue;
      const name = path.replace("node_modules/", "");
      assert.match(String(entry.integrity), /^sha512-[A-Za-z0-9+/]{86}==$/, name);
      assert.ok(!entry.resolved || String(entry.resolved).startsWith("https://registry.npmjs.org/"), name);
      if (entry.dev !== true && !name.startsWith("@esbuild/")) assert.ok(LIBRARIES.includes(name), name);
    }
  });
});

describe("secrets", () => {
  test(".gitignore keeps each secret file out", () => {
    execFileSync("git", ["init", "-q", folder]);
    cpSync(join(project, ".gitignore"), join(folder, ".gitignore"));
    const check = (name: string): number | null =>
      spawnSync("git", ["check-ignore", "-q", "--no-index", name], { cwd: folder }).status;
    for (const name of SECRET_FILES) {
      if (name !== "public-key.pem") assert.equal(check(name), 0, `${name} could be committed`);
    }
    for (const name of [".env.example", "tesla_token.json.example", "README.md"])
      assert.equal(check(name), 1, name);
    rmSync(join(folder, ".git"), { recursive: true });
    rmSync(join(folder, ".gitignore"));
  });
  test("no file of the project holds a secret, or a path of somebody's machine", () => {
    assert.deepEqual(checkSecrets(projectFiles()), []);
  });
  const samples = [
    `-----BEGIN PRIVATE ${"KEY"}-----\n${"MIGHAgEAMBMGByqGSM49".repeat(3)}`,
    `eyJ${"hbGciOiJSUzI1NiJ9".repeat(2)}.${"cGF5bG9hZA".repeat(4)}.sig`,
    `EU_${"0a1b2c3d4e5f".repeat(3)}`,
    `ta-secret.${"Zx9Qw8Er7Ty6"}`,
    `${"/home"}/ada/tesla`,
  ];
  for (const sample of samples) {
    test(`finds ${sample.slice(0, 12)}…`, () =>
      assert.equal(checkSecrets(new Map([["x", sample]])).length, 1));
  }
});

/** The text files of the project: those that git tracks, or all, where there is no git. */
function projectFiles(): Texts {
  const { status, stdout } = spawnSync("git", ["ls-files", "-co", "--exclude-standard"], {
    cwd: project,
    encoding: "utf8",
  });
  const names =
    status === 0 ? stdout.trim().split("\n") : readdirSync(project, { recursive: true }).map(String);
  const texts: Texts = new Map();
  for (const name of names) {
    if (/(^|[\\/])(node_modules|\.git)[\\/]|\.png$/.test(name) || !/\.\w+$|LICENSE|run$/.test(name)) continue;
    if (existsSync(join(project, name))) texts.set(name, readFileSync(join(project, name), "utf8"));
  }
  assert.ok(texts.size > 40, "the project's files were found");
  return texts;
}
