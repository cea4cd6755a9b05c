// Settings in every spelling that an owner or a program may leave, and errors that nobody expected.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import fs from "node:fs";
import { join } from "node:path";
import { describe } from "node:test";
import { pathToFileURL } from "node:url";
import { readSettings } from "../../lib/settings.ts";
import { ends, endsWith } from "../support/ends.ts";
import { assertEnd } from "../support/ends.ts";
import { inside } from "../support/inside.ts";
import { type Owner, ownerTest, plantedCopy, PROJECT, useFewProcesses } from "../support/owner.ts";

useFewProcesses();

describe("settings", { concurrency: 3 }, () => {
  // biome-ignore format: a list of names
  const names = ["TESLA_CLIENT_ID", "TESLA_CLIENT_SECRET", "TESLA_REDIRECT_URI", "TESLA_REGION", "TESLA_DOMAIN", "TESLA_VIN",
    "TESLA_COMMANDS", "TESLA_SCOPES"] as const;
  type Settings = Record<string, string>;
  const SECRET = "ta-secret.0123456789";

  /** What readSettings says with these lines in .env and these variables, beside those of a working owner. */
  const reads = (owner: Owner, inFile: Settings, inEnvironment: Settings = {}) =>
    inside(owner, async () => {
      owner.setSettings(inFile);
      try {
        Object.assign(process.env, inEnvironment);
        return readSettings([...names]);
      } finally {
        for (const name of Object.keys(inEnvironment)) delete process.env[name];
      }
    });

  // What is in .env, what is in the environment, what was found, and the fix.
  const ENVIRONMENT = (name: string): string => `unset ${name}, or correct it in the environment: `;
  const IN_FILE = (name: string): string => `${name} in .env: `;
  // biome-ignore format: a table
  const wrong: [Settings, Settings, string, string][] = [
    [{ TESLA_VIN: "5YJ3" }, {}, 'TESLA_VIN is "5YJ3"', IN_FILE("TESLA_VIN")],
    [{ TESLA_VIN: "" }, {}, "TESLA_VIN is not set", IN_FILE("TESLA_VIN")],
    [{}, { TESLA_VIN: "5YJ3" }, 'TESLA_VIN is "5YJ3" in the environment', ENVIRONMENT("TESLA_VIN")],
    [{}, { TESLA_REGION: "EU" }, 'TESLA_REGION is "EU" in the environment', ENVIRONMENT("TESLA_REGION")],
    [{ TESLA_REGION: "eu" }, { TESLA_REGION: "" }, "TESLA_REGION is empty in the environment", ENVIRONMENT("TESLA_REGION")],
    [{ TESLA_DOMAIN: "x" }, { TESLA_VIN: "1" }, 'TESLA_DOMAIN is "x"; TESLA_VIN is "1" in the environment', ENVIRONMENT("TESLA_VIN")],
    // docker's --env-file keeps the quotes as part of the value
    [{}, { TESLA_CLIENT_SECRET: `"${SECRET}"` }, "TESLA_CLIENT_SECRET is malformed (not shown) in the environment", "in the environment without"],
    [{}, { TESLA_CLIENT_SECRET: `'${SECRET}'` }, "TESLA_CLIENT_SECRET is malformed (not shown)", "in the environment without"],
    [{}, { TESLA_CLIENT_SECRET: `\`${SECRET}` }, "TESLA_CLIENT_SECRET is malformed (not shown)", "in the environment without"],
    [{}, { TESLA_CLIENT_SECRET: `${SECRET}"` }, "TESLA_CLIENT_SECRET is malformed (not shown)", "in the environment without"],
    [{ TESLA_CLIENT_SECRET: `"'${SECRET}'"` }, {}, "TESLA_CLIENT_SECRET is malformed (not shown)", "in the environment without"],
    [{}, { TESLA_CLIENT_ID: '"3f0c2a7e-1b5d"' }, 'TESLA_CLIENT_ID is ""3f0c2a7e-1b5d"" in the environment', ENVIRONMENT("TESLA_CLIENT_ID")],
    [{ TESLA_CLIENT_SECRET: "two words" }, {}, "TESLA_CLIENT_SECRET is malformed (not shown)", IN_FILE("TESLA_CLIENT_SECRET")],
    // shown as far as the blank: what follows may be another setting, or a secret
    [{ TESLA_SCOPES: "openid, offline_access" }, {}, 'TESLA_SCOPES is "openid,…"', "separated by single spaces"],
    [{ TESLA_DOMAIN: `car.example.com ${SECRET}` }, {}, 'TESLA_DOMAIN is "car.example.com…"', IN_FILE("TESLA_DOMAIN")],
    [{ TESLA_DOMAIN: `car.example.comTESLA_CLIENT_SECRET=${SECRET}` }, {}, 'TESLA_DOMAIN is "car.example.comTESLA_CLIENT_SECRET…"', "lower case"],
    [{ TESLA_VIN: `5YJ30123456789ABC\t${SECRET}` }, {}, 'TESLA_VIN is "5YJ30123456789ABC…"', IN_FILE("TESLA_VIN")],
    [{ TESLA_COMMANDS: "rest # for now" }, { TESLA_COMMANDS: "rest # for now" }, 'TESLA_COMMANDS is "rest…" in the environment', "signed"],
    [{ TESLA_REGION: SECRET }, {}, 'TESLA_REGION is "[secret removed]', "na (North"], [{ TESLA_COMMANDS: "proxy" }, {}, 'is "proxy"', "or rest"],
    [{ TESLA_REDIRECT_URI: "http://me:password@host.example/x" }, {}, "TESLA_REDIRECT_URI is malformed (not shown)", "an Allowed Redirect URI"],
    [{ TESLA_REDIRECT_URI: "http://localhost:3000" }, {}, 'TESLA_REDIRECT_URI is "http://localhost:3000"', "an Allowed Redirect URI"],
    [{ TESLA_REDIRECT_URI: "localhost:3000/callback" }, {}, 'is "localhost:3000/callback"', "an Allowed Redirect URI"],
    [{ TESLA_REDIRECT_URI: "http://localhost:99999/x" }, {}, 'is "http://localhost:99999/x"', "an Allowed Redirect URI"], [{ TESLA_SCOPES: "openid" }, {}, '"openid"', "offline_access"],
    ...["https://car.example.com", "Car.example.com", "localhost", "pi.local", "pi.home.arpa", "car.example.com/", "car.example.com:8443"]
      .map((domain): [Settings, Settings, string, string] => [{ TESLA_DOMAIN: domain }, {}, `TESLA_DOMAIN is "${domain}"`, "in lower case"]),
  ];
  ownerTest("a wrong one is named with its place and its fix", async (owner) => {
    for (const [inFile, inEnvironment, found, fix] of wrong) {
      const result = await reads(owner, inFile, inEnvironment);
      assertEnd(result, 5, ": missing or malformed\n", found, fix);
      assert.doesNotMatch(result.stderr, /0123456789[^A]|password/, found); // nothing of a secret
    }
    // All that is wrong is told at once.
    const all = await reads(owner, { TESLA_CLIENT_ID: "", TESLA_CLIENT_SECRET: "short", TESLA_REGION: "us" });
    assertEnd(all, 5, "error: TESLA_CLIENT_ID, TESLA_CLIENT_SECRET, TESLA_REGION: missing or malformed\n");
    assertEnd(
      all,
      5,
      "TESLA_CLIENT_ID is not set; TESLA_CLIENT_SECRET is malformed (not shown); TESLA_REGION is ",
    );
    assertEnd(all, 5, /TESLA_CLIENT_ID in .*; set TESLA_CLIENT_SECRET in .*; set TESLA_REGION in \.env: /);
    fs.rmSync(owner.path(".env"));
    const noFile = `fix:   no .env in ${fs.realpathSync(owner.folder)}: go to the clone; or, if you are there: cp`;
    await ends(owner, "list_vehicles", 5, "found: TESLA_REGION is not set\n", noFile);
    await endsWith(owner, "list_vehicles", { env: { TESLA_REGION: "x" } }, 5, ENVIRONMENT("TESLA_REGION"));
    const misspelt = await inside(owner, async () => readSettings(["TESLA_REGON" as "TESLA_REGION"]));
    assertEnd(misspelt, 1, "TESLA_REGON is not a setting");
    assert.deepEqual(owner.simulator.requests, []);
  });

  ownerTest("right ones: the environment wins, and editors may differ", async (owner) => {
    // biome-ignore format: a table
    const right: [Settings, Settings][] = [[{ TESLA_VIN: "wrong" }, { TESLA_VIN: "5YJ30123456789ABC" }], [{ TESLA_COMMANDS: "wrong" }, { TESLA_COMMANDS: "" }],
      [{ TESLA_REDIRECT_URI: "https://app.example.com/a/b", TESLA_COMMANDS: '"rest" # old car' }, {}]];
    for (const [inFile, inEnvironment] of right) assertEnd(await reads(owner, inFile, inEnvironment), 0);
    owner.setSettings();
    const text = owner.read(".env");
    owner.write(".env", `\ufeff${text.replaceAll("\n", "\r\n").replaceAll("=", " = ")}`);
    await ends(owner, "list_vehicles", 0);
    const utf16 = Buffer.from(`\ufeff${text}`, "utf16le"); // as PowerShell 5 writes it
    for (const bytes of [utf16, utf16.subarray(2), Buffer.from(utf16).swap16()]) {
      owner.write(".env", bytes);
      await ends(owner, "list_vehicles", 5, "found: it is UTF-16\nfix:   save it as UTF-8 (in Notepad: ");
    }
    fs.rmSync(owner.path(".env"));
    fs.mkdirSync(owner.path(".env"));
    await ends(owner, "list_vehicles", 5, "error: .env cannot be read\nfound: it is a folder\n");
  });
});

// In the copy, a line that fails, and what is said of it: file and line of this project or of the copy.
// biome-ignore format: a table
const faults: [string, string, string][] = [
  ["scripts/read_charge.ts", "const miles = (undefined as unknown as { range: number }).range;", "Cannot read properties of undefined"],
  ["scripts/read_charge.ts", 'const miles = JSON.parse("{");', "JSON"], // thrown by Node itself, called from there
  ["my/copy.ts", 'const miles = Number(process.getuid) ?? 0; throw new Error("mine: \\u001b[2J ta-secret.0123456789");', "mine: [2J [secret removed]"],
  ["my/copy.ts", "const miles = await Promise.reject(new RangeError());", "unexpected: "],
  ["lib/token_file.ts", "throw new TypeError(`odd`);", "odd"],
];
describe("an error that nobody expected names file and line, without a stack", { concurrency: 2 }, () => {
  for (const [path, line, message] of faults) {
    ownerTest(`${path}: ${message}`, async (owner) => {
      const isLib = path.startsWith("lib");
      const at = isLib ? path : "scripts/read_charge.ts";
      const from = isLib
        ? "  try {\n    const text = readFileSync(TOKEN_FILE"
        : 'const miles = number("battery_range");';
      const folder = plantedCopy(at, from, `${line}\n${from.replace("const miles =", "const others =")}`);
      fs.mkdirSync(join(folder, "my"));
      if (!isLib) fs.renameSync(join(folder, at), join(folder, path));
      const lines = fs.readFileSync(join(folder, path), "utf8").split("\n");
      const number = lines.findIndex((text) => text.startsWith(line)) + 1;
      // As an owner runs it, with tsx: compiled for the tests it would have other lines.
      const tsx = pathToFileURL(join(PROJECT, "node_modules/tsx/dist/loader.mjs")).href;
      const words = ["--import", tsx, join(folder, isLib ? "scripts/read_charge.ts" : path)];
      const env = { ...process.env, ...owner.simulator.env };
      const child = spawn(process.execPath, words, { cwd: owner.folder, env });
      let stderr = "";
      child.stderr.on("data", (text) => {
        stderr += text;
      });
      assert.equal(await new Promise((resolve) => child.on("close", resolve)), 1, stderr);
      const [error = "", found, fix] = stderr.trim().split("\n").slice(-3);
      assert.ok(error.startsWith("error: unexpected: ") && error.includes(message), stderr);
      assert.equal(found, `found: at ${path}:${number}`);
      assert.equal(fix, "fix:   if you have changed nothing there, please report it");
      assert.doesNotMatch(stderr, /^ +at |node_modules|ta-secret/m);
    });
  }
});
