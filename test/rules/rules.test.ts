// The promises that an auditor and the README rely on, as tests. Each check is a function over the texts of
// files (project_rules.ts, package_rules.ts); each is also given texts that break it, and must complain.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { after, describe, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { plainFile } from "../support/compiled.ts";
import { checkLock, checkManifest, checkPlaces, checkTsconfig } from "./package_rules.ts";
import {
  checkCode,
  checkHeaders,
  checkLayout,
  checkSecrets,
  checkTree,
  type Texts,
} from "./project_rules.ts";
import { auditedFiles, scriptNames } from "./script_list.ts";

const project = fileURLToPath(new URL("../..", import.meta.url));
const files = auditedFiles();
const scripts = scriptNames(files).map((name) => `scripts/${name}.ts`);
const folder = mkdtempSync(join(tmpdir(), "tesla-rules-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const loader = process.features.typescript
  ? []
  : ["--import", pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href];

/** The complaints about a file of the project that come when it is changed. */
function complaintsAbout(
  check: (files: Texts) => string[],
  path: string,
  change: (text: string) => string,
): string[] {
  const before = files.get(path) ?? "// A new file.\n";
  const text = change(before);
  assert.notEqual(text, before, "the violation must be there");
  const others = check === checkHeaders ? files : []; // only this one looks into what a file imports
  const healthy = check(new Map([...others, [path, before]]));
  return check(new Map([...others, [path, text]])).filter((one) => !healthy.includes(one));
}

function complains(check: (files: Texts) => string[], path: string, change: (text: string) => string): void {
  const complaints = complaintsAbout(check, path, change);
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
  const FETCH = "lib/tesla_fetch.ts";
  const NOWHERE = ", which comes from nowhere"; // what a planted line names is not there, of course
  // biome-ignore format: a table, one row a line
  const violations: [string, string, string?][] = [
    // What may be imported.
    ["a second undici import", 'import { request } from "undici";'],
    ["a part of undici", 'import request from "undici/lib/api/api-request.js";'],
    ["undici's fetch in the one door", 'import { fetch } from "undici";', FETCH],
    ["undici's redirects", 'import { interceptors } from "undici";', FETCH],
    ["undici under another name", 'import { request as send } from "undici";', FETCH],
    ["a step past the entry of signing", 'import { x } from "../lib/signing/wire.ts";'],
    ["a step past the entry from lib/", 'import { x } from "./signing/session.ts";', "lib/command.ts"],
    ["the table of commands elsewhere", 'import { COMMANDS } from "../lib/signing/commands.ts";'],
    ["a file outside lib/", 'import { x } from "../lib/signing/../../test/x.ts";'],
    ["another script", 'import { x } from "./wake_up.ts";'],
    ["an import without its ending", 'import { x } from "../../lib/hosts";'],
    ["an import of the simulator", 'import { x } from "../simulator/world.ts";'],
    ["an export of another's names", 'export { x } from "../../lib/hosts.ts";'],
    ["another package", 'import axios from "axios";'],
    ["a package by the manifest's imports", 'import { x } from "#x";'],
    ["a file by its address", 'import { x } from "file:///tmp/x.ts";'],
    ["code in an address", 'import "data:text/javascript,1";'],
    ["a module for its effect alone", 'import "undici";', FETCH],
    ["a JSON file", 'import x from "../x.json" with { type: "json" };'],
    ["a whole module", 'import * as fs from "node:fs";'],
    ["a module without node:", 'import { readFileSync } from "fs";'],
    ["a child process", 'import { spawn } from "node:child_process";'],
    ["an https client", 'import { request } from "node:https";'],
    ["an http client", 'import { get } from "node:http";', "lib/loopback_server.ts"],
    ["a server elsewhere", 'import { createServer } from "node:http";'],
    ["a socket", 'import { connect } from "node:net";'],
    ["a look-up", 'import { lookup } from "node:dns";'],
    ["a machine in a machine", 'import { runInThisContext } from "node:vm";'],
    ["a maker of require", 'import { createRequire } from "node:module";'],
    ["an engine of OpenSSL's", 'import { setEngine } from "node:crypto";'],
    ["a secret key of its own", 'import { diffieHellman } from "node:crypto";'],
    ["web crypto", 'import { webcrypto } from "node:crypto";'],
    ["a file removed", 'import { unlinkSync } from "node:fs";'],
    ["a folder listed", 'import { readdirSync } from "node:fs";'],
    ["a file read by promises", 'import { readFile } from "node:fs/promises";'],
    ["a file written in place", 'import { writeFileSync } from "node:fs";', "lib/token_file.ts"],
    ["a lock of its own", 'import { openSync } from "node:fs";'],
    ["a reader under another name", 'import { readFileSync as look } from "node:fs";'],
    ["the environment as a module", 'import { env } from "node:process";'],
    ["the process as a module", 'import process from "node:process";'],
    ["a dynamic import", 'await import("./x.ts");'],
    ["a dynamic import of a name", "await import(name);", FETCH],
    ["require", 'require("node:fs");'],
    ["require through the process", 'process.mainModule.require("node:fs");'],
    ["require through import.meta", 'import.meta.resolve("x");'],

    // Names that reach everything.
    ["fetch", 'await fetch("x");'],
    ["fetch as a value", "const send = fetch;"],
    ["fetch of globalThis", 'await globalThis["fetch"]("x");'],
    ["fetch in pieces", 'Object(global)["fe" + "tch"]("https://evil.example/");'],
    ["fetch in pieces by a template", "const say = table[`fe${end}`];"],
    ["global", "const everything = global;"],
    ["a name declared as if it were harmless", "function f(global: object) { return global; }"],
    ["eval", 'eval("1");'],
    ["eval in another way", 'const run = (0, eval); run("1");'],
    ["Function", 'new Function("1")();'],
    ["Function by a constructor", '(() => {}).constructor("return 1")();'],
    ["Function by a constructor in quotes", 'say["constructor"]["constructor"]("return 1")();'],
    ["Function by a constructor in pieces", 'say["constr" + "uctor"]("return 1")();'],
    ["Function by a destructured constructor", "const { constructor: make } = say;"],
    ["Function by a prototype", "const make = Object.getPrototypeOf(say);"],
    ["Reflect", "Reflect.ownKeys(token);"],
    ["Proxy", "const x = new Proxy(token, {});"],
    ["WebAssembly", "new WebAssembly.Module(bytes);"],
    ["a worker", 'new Worker("x.js");'],
    ["a WebSocket", 'new WebSocket("wss://x");'],
    ["Object as a function", "const x = Object(answer);"],
    ["Object by another name", "const everything = Object;"],
    ["a computed call", 'askFleetApi["call"](x);'],
    ["a computed index", 'const x = table["a" + end];'],
    ["an index from a list", 'const x = table[["a", "b"].join("")];'],
    ["an index by a choice", "const x = table[isOdd ? first : second];"],
    ["with", "with (token) { say(access_token); }"],

    // The process and its environment.
    ["an environment variable", "const name = process.env.HOME;"],
    ["an environment variable in settings.ts", "const name = process.env.HOME;", "lib/settings.ts"],
    ["the environment by an index", 'const name = process["env"].HOME;'],
    ["the environment by a name", "const name = process[word];", "lib/settings.ts"],
    ["the environment destructured", "const { env } = process;"],
    ["the whole environment", "const all = process.env;", "lib/settings.ts"],
    ["the process by another name", "const machine = process;"],
    ["the process given away", "show(process);"],
    ["the process, if any", "process?.exit(0);"],
    ["the process in a list", "const [machine] = [process];"],
    ["the process in a field", "const all = { process };"],
    ["a report of the process", "process.report.writeReport();"],
    ["a binding", 'process.binding("fs");'],
    ["a built-in module", 'process.getBuiltinModule("node:fs");'],
    ["the words of the command line", "const words = process.argv;"],
    ["a signal", "process.kill(1, 9);", "lib/safe_file.ts"],
    ["a console", "console.log(token);"],
    ["stderr besides say", "process.stderr.write(text);"],

    // Files and places by name.
    ["any file read", 'readFileSync("/etc/passwd", "utf8");', "lib/token_file.ts"],
    ["a file of the folder above", 'readFileSync("../.env");', "lib/token_file.ts"],
    ["a file by a name that was made", "readFileSync(name);", "lib/token_file.ts"],
    ["a file by a template", "readFileSync(`${TOKEN_FILE}.old`);", "lib/token_file.ts"],
    ["any file replaced", 'replaceFile("notes.txt", work);', "scripts/refresh_token.ts"],
    ["the settings replaced by a name", "replaceFile(name, work);", "scripts/refresh_token.ts"],
    ["any lock taken", 'withLock("/tmp/x", work);', "scripts/refresh_token.ts"],
    ["any file in the room of files", 'openSync("/etc/cron.d/x", "w");', "lib/safe_file.ts"],
    ["a file of the system in a constant", 'const file = "/etc/passwd";', "lib/safe_file.ts"],
    ["a constant that is another file", 'const TOKEN_FILE = "notes.txt";', "scripts/refresh_token.ts"],
    ["a reader handed on", "const look = readFileSync;", "lib/token_file.ts"],
    ["a reader called in another way", 'readFileSync.call(null, "x");', "lib/token_file.ts"],
    ["a header of another file", 'startScript("/etc/passwd");', "scripts/wake_up.ts"],
    ["a domain of its own", 'askDomain(`x/${secret}`);', "lib/partner.ts"],
    ["a domain asked in another way", "const ask = askDomain;", "lib/partner.ts"],

    // Hosts.
    ["a host of Tesla's", 'const host = "https://fleet-api.prd.eu.vn.cloud.tesla.com";'],
    ["a host of Tesla's in pieces", "const host = `https://${part}.tesla.com`;"],
    ["a host of Tesla's in two strings", 'const host = "https://auth.tes" + "la.com";'],
    ["another host", 'const host = "https://collector.example.net/x";'],
    ["another host in two strings", 'const host = "https://collector" + ".example.net/x";'],
    ["another host without its scheme", 'const host = "//collector.example.net/x";'],
    ["another host by its name alone", 'const host = "collector.example.net";'],
    ["another host by another scheme", 'const host = "wss://collector.example.net";'],
    ["another host in capitals", 'const host = "HTTPS://COLLECTOR.EXAMPLE.NET";'],
    ["a host that begins like loopback", 'const host = "https://localhost.evil.example/";'],
    ["a host that begins like loopback's number", 'const host = "https://127.0.0.1.evil.example/";'],
    ["a host after a name and password", 'const host = "https://localhost@evil.example/";'],
    ["a host after a port as password", 'const host = "http://127.0.0.1:3000@evil.example/";'],
    ["a host that goes on after loopback", "const host = `https://localhost${rest}`;"],
    ["a host that begins like tesla.invalid", 'const host = "https://tesla.invalid.evil.example/";'],
    ["a host in a pattern", "const host = /auth\\.tesla\\.com/;"],
    ["a second loopback address", 'const list = ["127.0.0.1", "192.168.1.7"];', "lib/login_answer.ts"],
    ["every address as a loopback", 'const list = ["127.0.0.1", "0.0.0.0"];', "lib/login_answer.ts"],
    ["every address of IPv6", 'const list = ["::1", "::"];', "lib/login_answer.ts"],
    ["an address of IPv6", 'const list = ["::1", "fe80::1"];', "lib/login_answer.ts"],
    ["a name as a loopback", 'const list = ["127.0.0.1", "box.example.net"];', "lib/login_answer.ts"],
    ["a redirect followed", 'const next = answer.headers["location"];', FETCH],
    ["a redirect followed in another spelling", "const next = answer.headers.location;", FETCH],
    ["a wake-up before reading", "await askFleetApi(region, `vehicles/${vin}/wake_up`, bearer, { json: {} });"],

    // Language.
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
    ["a check switched off", "// @ts-ignore"],
    ["a rule of the linter switched off", "// biome-ignore lint/style/useConst: no reason"],
    ["a format switched off without a reason", "// biome-ignore format:"],
  ];
  for (const [name, line, path = "scripts/read_charge.ts"] of violations) {
    test(`refuses ${name}`, () => {
      const complaints = complaintsAbout(checkCode, path, addLine(line)).filter(
        (one) => !one.endsWith(NOWHERE),
      );
      assert.ok(complaints.length > 0, "no complaint");
    });
  }
  // The names of JavaScript and Node that may be used are a list; every other one must be declared in the
  // file.
  for (const name of [
    "self",
    "setInterval",
    "queueMicrotask",
    "BroadcastChannel",
    "structuredClone",
    "Symbol",
    "__dirname",
  ]) {
    test(`refuses ${name}, which is not on the list of names`, () => {
      const complaints = complaintsAbout(checkCode, "scripts/read_charge.ts", addLine(`show(${name});`));
      assert.ok(complaints.some((one) => one.endsWith(`uses ${name}${NOWHERE}`)));
    });
  }
  test("takes a documentation address in a comment for a comment", () => {
    const text = addLine("// https://auth.tesla.com/x, any, enum, console");
    assert.deepEqual(complaintsAbout(checkCode, "scripts/read_charge.ts", text), []);
  });
});

describe("layout", () => {
  test("every file is in form", () => assert.deepEqual(checkLayout(files), []));
  for (const [name, line = ""] of [
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
  test("refuses more lines in all than somebody will read", () => {
    const many = new Map([...files, ["lib/many.ts", "// x\n".repeat(3500)]]);
    assert.ok(checkLayout(many).some((one) => one.startsWith("lib/ and scripts/")));
  });
  test("refuses whatever is no TypeScript below lib/ and scripts/", () => {
    assert.deepEqual(checkTree(entries()), []);
    // biome-ignore format: a list of names
    const planted = [
      "lib/node_modules/", "lib/node_modules/dotenv/index.js", "scripts/node_modules/", "lib/package.json",
      "scripts/package.json", "lib/x.js", "lib/x.mts", "lib/tsconfig.json", "scripts/.env", "lib/.npmrc",
      "lib/other/", "lib/signing/deep/x.ts", "lib/hosts.ts@", "lib/signing@", "lib/hosts.d.ts",
      "scripts/hosts.tsx",
    ];
    for (const entry of planted) assert.equal(checkTree([...entries(), entry]).length, 1, entry);
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
      const [header = ""] = (files.get(path) ?? "").split(/\n(?!\/\/)/);
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
  const read = (name: string): string => readFileSync(join(project, name), "utf8");
  const changed = (text: string, change: (json: Planted) => void): string => {
    const json = JSON.parse(text) as Planted;
    change(json);
    return JSON.stringify(json);
  };
  type Planted = Record<string, Record<string, unknown>>;
  const put = (place: unknown, fields: object): void => {
    Object.assign(place as object, fields);
  };
  type Case = [string, (json: Planted) => void];
  const refuses = (check: (text: string) => string[], file: string, cases: Case[]): void => {
    const text = read(file);
    assert.deepEqual(check(text), []);
    for (const [name, change] of cases) assert.notDeepEqual(check(changed(text, change)), [], name);
  };

  test("package.json has exact versions and three packages, and nothing that runs by itself", () => {
    // biome-ignore format: a table, one row a line
    refuses(checkManifest, "package.json", [
      ["a range", (json) => put(json.dependencies, { undici: "^7.30.2" })],
      ["another package by its name", (json) => put(json.dependencies, { undici: "npm:evil@1.0.0" })],
      ["a package from an address", (json) => put(json.dependencies, { dotenv: "git+ssh://x/y" })],
      ["a package of a folder", (json) => put(json.devDependencies, { typescript: "file:../x" })],
      ["a fourth package", (json) => put(json.dependencies, { axios: "1.0.0" })],
      ["an override", (json) => put(json, { overrides: { undici: "npm:evil@1.0.0" } })],
      ["a name of its own for a file", (json) => put(json, { imports: { "#x": "./x.js" } })],
      ["a workspace", (json) => put(json, { workspaces: ["packages/*"] })],
      ["a bundle", (json) => put(json, { bundleDependencies: ["dotenv"] })],
      ["an optional package", (json) => put(json, { optionalDependencies: { axios: "1.0.0" } })],
      ["a program after the install", (json) => put(json.scripts, { postinstall: "node x.js" })],
      ["a program before a script", (json) => put(json.scripts, { "preread-charge": "node x.js" })],
      ["a program when it is cloned", (json) => put(json.scripts, { prepare: "node x.js" })],
    ]);
  });
  test("each package of the lock file is the one that it is named after", () => {
    const NPM = "https://registry.npmjs.org";
    const undici = (json: Planted): object => json.packages?.["node_modules/undici"] as object;
    // biome-ignore format: a table, one row a line
    refuses(checkLock, "package-lock.json", [
      ["another package", (json) => put(undici(json), { resolved: `${NPM}/evil/-/evil-7.30.2.tgz` })],
      ["another version", (json) => put(undici(json), { resolved: `${NPM}/undici/-/undici-1.0.0.tgz` })],
      ["a registry that begins like npm's", (json) => put(undici(json), { resolved: `${NPM}.evil.example/undici/-/undici-7.30.2.tgz` })],
      ["a scope of somebody's", (json) => put(undici(json), { resolved: `${NPM}/@evil/undici/-/undici-7.30.2.tgz` })],
      ["a folder", (json) => put(undici(json), { resolved: "file:../x", link: true })],
      ["another name", (json) => put(undici(json), { name: "evil" })],
      ["no hash", (json) => put(undici(json), { integrity: "" })],
      ["a weak hash", (json) => put(undici(json), { integrity: "sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=" })],
      ["a package for the owner", (json) => put(json.packages, { "node_modules/axios": undici(json) })],
      ["a package below another", (json) => put(json.packages, { "node_modules/tsx/node_modules/axios": undici(json) })],
      ["a tool for the owner", (json) => put(json.packages?.["node_modules/typescript"], { dev: false })],
    ]);
    const own = changed(read("package-lock.json"), (json) =>
      Object.assign(undici(json), { resolved: `${NPM}/undici/-/undici-7.30.2.tgz` }),
    );
    assert.deepEqual(checkLock(own), [], "its own address");
  });
  test("tsconfig.json, which tsx obeys, leads no name elsewhere", () => {
    // biome-ignore format: a table, one row a line
    refuses(checkTsconfig, "tsconfig.json", [
      ["paths", (json) => put(json.compilerOptions, { paths: { dotenv: ["./d.ts"] } })],
      ["a base", (json) => put(json.compilerOptions, { baseUrl: "." })],
      ["another file's options", (json) => put(json, { extends: "./x.json" })],
      ["conditions", (json) => put(json.compilerOptions, { customConditions: ["x"] })],
      ["more roots", (json) => put(json.compilerOptions, { rootDirs: ["lib", "x"] })],
    ]);
  });
  test("the files that decide what runs stand at the top alone", () => {
    const names = [...projectFiles().keys()];
    assert.deepEqual(checkPlaces(names), []);
    for (const name of [
      "lib/tsconfig.json",
      "jsconfig.json",
      "scripts/package.json",
      "scripts/.npmrc",
      "deno.json",
      "npm-shrinkwrap.json",
      "node_modules/dotenv/index.js",
      "examples/node_modules/x.js",
      "tsconfig.base.json",
    ]) {
      assert.equal(checkPlaces([...names, name]).length, 1, name);
    }
  });
});

describe("secrets", () => {
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

/** What lies below lib/ and scripts/: a folder ends with /, a link with @. */
function entries(): string[] {
  return ["lib", "scripts"].flatMap((top) =>
    readdirSync(join(project, top), { recursive: true, withFileTypes: true }).map((entry) => {
      const path = relative(project, join(entry.parentPath, entry.name)).replaceAll("\\", "/");
      return `${path}${entry.isDirectory() ? "/" : ""}${entry.isSymbolicLink() ? "@" : ""}`;
    }),
  );
}

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
