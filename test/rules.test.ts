// The promises that an auditor and the README rely on, as tests. Each check is a function over the texts of
// files (test/project_rules.ts); each is also given texts that break it, and must complain.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { plainFile } from "./compiled.ts";
import { checkCode, checkHeaders, checkLayout, checkSecrets, headerOf, type Texts } from "./project_rules.ts";
import { auditedFiles, generatedParts, linesOf, missionFiles, SIGNING, withParts } from "./readme_tables.ts";

const BUDGETS = {
  mission: 1133, // the six scripts of the mission and what they import, less the signing files and the table
  table: 120, // of explanations
  signing: 437,
  everything: 2298,
  script: 138,
  libFile: 150,
  readme: 684,
};
const TABLE = "lib/explanations.ts";
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

const project = fileURLToPath(new URL("..", import.meta.url));
const files = auditedFiles();
const scripts = [...files.keys()].filter((path) => path.startsWith("scripts/"));
const readme = readFileSync(join(project, "README.md"), "utf8");
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
    ["a wake-up before reading", "await teslaJson({ url: `${car}/wake_up`, bearer, json: {} });"],
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
    ["an import without its ending", 'import { x } from "../lib/hosts";'],
    ["an import of the simulator", 'import { x } from "../simulator/world.ts";'],
    ["an export of another's names", 'export { x } from "../lib/hosts.ts";'],
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
  ]) {
    test(`refuses ${name}`, () => complains(checkLayout, "lib/hosts.ts", addLine(line)));
  }
  test("refuses a file without a comment at its top", () =>
    complains(checkLayout, "lib/hosts.ts", (text) => text.replace(/^\/\/.*\n/, "")));
  test("in the README's reading order each file comes after those that it imports", () => {
    const order = [...readme.matchAll(/^\| \d+ \| \[((?:lib|scripts)\/\w+\.ts)\]/gm)].map(([, path]) => path);
    assert.deepEqual(order.toSorted(), [...files.keys()].toSorted());
    for (const [index, path] of order.entries()) {
      const imported = [...(files.get(path) ?? "").matchAll(/^(?!import type).*from "\.\.?\/(?:lib\/)?(\w+\.ts)"/gm)];
      for (const [, name] of imported) {
        assert.ok(order.slice(0, index).includes(`lib/${name}`), `${path} comes before lib/${name}`);
      }
    }
  });
  test("the budgets hold", () => {
    const all = [...files.keys()];
    const sizes = {
      mission: linesOf(files, [...missionFiles(files)].filter((path) => path !== TABLE)),
      table: linesOf(files, [TABLE]),
      signing: linesOf(files, SIGNING),
      everything: linesOf(files, all),
      script: Math.max(...scripts.map((path) => linesOf(files, [path]))),
      libFile: Math.max(
        ...all.filter((path) => path.startsWith("lib/")).map((path) => linesOf(files, [path])),
      ),
      readme: readme.split("\n").length - 1,
    };
    for (const name of Object.keys(BUDGETS) as (keyof typeof BUDGETS)[]) {
      assert.ok(sizes[name] <= BUDGETS[name], `${name}: ${sizes[name]} lines, ${BUDGETS[name]} are allowed`);
    }
    for (const path of SIGNING) assert.ok(files.has(path), `${path} is a signing file by name`);
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

describe("README.md", () => {
  test("its tables and numbers are those of the code (else: npm run readme)", () => {
    assert.equal(withParts(readme, generatedParts(files)), readme);
  });
  test("a changed header, size or price is noticed", () => {
    const changes = [
      planted("scripts/wake_up.ts", (text) => text.replace("Wakes the car", "Wakes it")),
      planted("lib/hosts.ts", addLine("// one more line")),
    ];
    for (const changed of changes) assert.notEqual(withParts(readme, generatedParts(changed)), readme);
  });
  test("its links to files, and its headings, are there", () => {
    for (const [, target] of readme.matchAll(/\]\((?!https?:)([^)\s]+)\)/g)) {
      const [path, anchor] = target.split("#");
      if (path !== "") assert.ok(existsSync(join(project, path)), `${path} is not there`);
      const anchors = [...readme.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
        heading
          .toLowerCase()
          .replace(/[^\w\- ]/g, "")
          .replaceAll(" ", "-"),
      );
      if (anchor && path === "") assert.ok(anchors.includes(anchor), `no heading for #${anchor}`);
    }
  });
  test("every script and setting that it names exists, and it names every one", () => {
    const example = readFileSync(join(project, ".env.example"), "utf8");
    const settings = new Set(
      [...(files.get("lib/settings.ts") ?? "").matchAll(/^ {2}(TESLA_[A-Z_]+): \[/gm)].map((one) => one[1]),
    );
    assert.ok(settings.size >= 9);
    for (const name of settings) {
      assert.ok(readme.includes(name), `README.md does not name ${name}`);
      assert.ok(example.includes(`${name}=`), `.env.example does not name ${name}`);
    }
    for (const [, name] of readme.matchAll(/scripts\/([a-z_]+\.ts)/g))
      assert.ok(files.has(`scripts/${name}`), name);
    for (const path of scripts) assert.ok(readme.includes(headerOf(path, files.get(path) ?? "").run), path);
  });
  test("every npm command that it names exists", () => {
    const { scripts: commands } = JSON.parse(readFileSync(join(project, "package.json"), "utf8"));
    for (const [, name] of readme.matchAll(/npm run ([\w:]+)/g)) assert.ok(commands[name], `npm run ${name}`);
  });
  test("both commands stand in the first screen", () => {
    const screen = readme.split("\n").slice(0, 40).join("\n");
    for (const command of ["npm ci && npm run demo", "npm ci && npm test"])
      assert.ok(screen.includes(command));
  });
});
