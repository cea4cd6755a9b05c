// README.md and the pages of docs/: what is made from the code is as the code makes it, links lead somewhere,
// the README keeps its size, its order of reading is possible, and its crontab does what it says.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from "node:fs";
import { createRequire } from "node:module";
import { join, posix } from "node:path";
import { describe, test } from "node:test";
import { PICTURES } from "../pictures/pictures.ts";
import { ownerTest, PROJECT, type Owner } from "../support/harness.ts";
import { headerOf, type Texts } from "./project_rules.ts";
import {
  auditedFiles, DELETABLE, DELETABLE_EXAMPLE, documents, generatedParts, RINGS, withParts,
} from "./readme_tables.ts";
import { PRICES } from "../simulator/reception.ts";

const ANNOUNCED: string[] = []; // commands that the README describes already
const [MOST_LINES, MOST_COLUMNS, MOST_IN_A_CELL] = [250, 110, 160];

const texts = documents();
const files = auditedFiles();
const readme = texts.get("README.md") ?? "";
const scripts = [...files.keys()].filter((path) => path.startsWith("scripts/"));

/** Lines outside of code, the number of each before it. */
function prose(text: string): [number, string][] {
  let isCode = false;
  const found: [number, string][] = [];
  for (const [index, line] of text.split("\n").entries()) {
    if (line.startsWith("```")) isCode = !isCode;
    else if (!isCode) found.push([index + 1, line]);
  }
  return found;
}

function anchorsOf(text: string): string[] {
  return prose(text).filter(([, line]) => /^#+ /.test(line)).map(([, line]) =>
    line.replace(/^#+ /, "").replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").toLowerCase()
      .replace(/[^\p{L}\p{N}_\- ]/gu, "").replaceAll(" ", "-"));
}

describe("generated parts", () => {
  test("are those of the code (else: npm run readme)", () => {
    for (const [path, text] of withParts(texts, generatedParts(files))) {
      assert.equal(texts.get(path), text, `${path} is out of date`);
    }
  });
  test("notice a changed header and a changed size", () => {
    const changed: Texts[] = [
      new Map([...files, ["scripts/wake_up.ts",
        (files.get("scripts/wake_up.ts") ?? "").replace(/^\/\/ Wakes the car/, "// Wakes it")]]),
      new Map([...files, ["lib/hosts.ts", `${files.get("lib/hosts.ts") ?? ""}// one more line\n`]]),
    ];
    for (const one of changed) {
      assert.notEqual(withParts(texts, generatedParts(one)).get("README.md"), readme, "a change was not noticed");
    }
  });
  test("a part without a place is an error", () => {
    assert.throws(() => withParts(texts, { "no such part": "" }), /stands in 0 documents/);
  });
  test("pictures are those that npm run picture makes", () => {
    for (const [name, draw] of Object.entries(PICTURES)) {
      assert.equal(readFileSync(join(PROJECT, "docs/pictures", name), "utf8"), draw(), name);
    }
  });
});

describe("links", () => {
  for (const [path, text] of texts) {
    test(`of ${path} lead to files and headings that are there`, () => {
      for (const [, target] of text.matchAll(/\]\((?!https?:)([^)\s]+)\)/g)) {
        const [file, anchor] = target.split("#");
        const wanted = file === "" ? path : posix.join(posix.dirname(path), file);
        assert.ok(existsSync(join(PROJECT, wanted)), `${wanted} is not there`);
        if (anchor === undefined) continue;
        const page = texts.get(wanted) ?? "";
        assert.ok(anchorsOf(page).includes(anchor), `${wanted} has no heading for #${anchor}`);
      }
    });
  }
  test("lead from the README to every page and picture", () => {
    const pages = [...texts.keys()].filter((path) => path !== "README.md");
    const all = [...texts.values()].join("\n");
    for (const page of pages) assert.ok(readme.includes(`(${page}`), `no link to ${page}`);
    for (const name of [...Object.keys(PICTURES), "demo.svg", "login_consent.png", "login_address.png"]) {
      assert.ok(all.includes(`pictures/${name})`), `no link to ${name}`);
    }
  });
});

describe("README.md", () => {
  test(`has at most ${MOST_LINES} lines, of ${MOST_COLUMNS} columns, and short table cells`, () => {
    assert.ok(readme.split("\n").length - 1 <= MOST_LINES, `${readme.split("\n").length - 1} lines`);
    for (const [index, line] of readme.split("\n").entries()) {
      const cells = line.startsWith("|") ? line.slice(1, -1).split("|") : [];
      for (const cell of cells) {
        const shown = cell.trim().replace(/\[([^\]]*)\]\([^)]*\)/g, "$1");
        assert.ok(shown.length <= MOST_IN_A_CELL, `line ${index + 1}: a cell of ${shown.length} characters`);
      }
      if (cells.length === 0) assert.ok([...line].length <= MOST_COLUMNS, `line ${index + 1}: ${line.length} columns`);
    }
  });
  test("says in its first screen what it is, what was not tried, and both commands", () => {
    const screen = readme.split("\n").slice(0, 30).join("\n");
    for (const text of ["npm ci --ignore-scripts && npm run demo", "npm ci --ignore-scripts && npm test",
      "demo.svg", "no real car", "invalid_audience"]) assert.ok(screen.includes(text), text);
  });
  test("names every script, every setting and npm commands that exist", () => {
    const all = [...texts.values()].join("\n");
    const example = readFileSync(join(PROJECT, ".env.example"), "utf8");
    const settings = new Set([...(files.get("lib/settings.ts") ?? "").matchAll(/^ {2}(TESLA_[A-Z_]+):/gm)]
      .map(([, name]) => name));
    assert.ok(settings.size >= 9, "the settings were found");
    for (const name of settings) {
      assert.ok(readme.includes(name), `README.md does not name ${name}`);
      assert.ok(example.includes(`${name}=`), `.env.example does not name ${name}`);
    }
    for (const [, name] of all.matchAll(/scripts[/\\]([a-z_]+\.ts)/g)) assert.ok(files.has(`scripts/${name}`), name);
    for (const [, name] of all.matchAll(/\b((?:lib|test|examples)\/[\w/.]+\.(?:test\.)?ts)\b/g)) {
      assert.ok(existsSync(join(PROJECT, name)), `${name} is not there`);
    }
    for (const path of scripts) {
      const options = headerOf(path, files.get(path) ?? "").run.replace(/^\S+ ?/, "");
      const row = readme.split("\n").find((line) => line.startsWith("|") && line.includes(`](${path})`)) ?? "";
      assert.ok(row.includes(options), `${path}: ${options}`);
    }
    const { scripts: commands } = JSON.parse(readFileSync(join(PROJECT, "package.json"), "utf8"));
    for (const [, name] of all.matchAll(/npm run ([\w:]+)/g)) {
      assert.ok(commands[name] || ANNOUNCED.includes(name), `npm run ${name}`);
    }
    for (const name of ANNOUNCED) assert.ok(!commands[name], `npm run ${name} is there now: take it off this list`);
  });
});

describe("the rings", () => {
  const order = RINGS.flatMap((ring) => ring.files);
  const imports = (text: string, path: string): string[] =>
    [...text.matchAll(/^(?!import type)[^\n]*from "(\.[^"]+)"/gm)].map(([, to]) => posix.join(posix.dirname(path), to));
  test("hold every file once, each after those that it imports", () => {
    assert.deepEqual(order.toSorted(), [...files.keys()].toSorted());
    for (const [index, path] of order.entries()) {
      for (const needed of imports(files.get(path) ?? "", path)) {
        assert.ok(order.slice(0, index).includes(needed), `${path} comes before ${needed}`);
      }
    }
  });
  test("what may be deleted is imported by nothing else", () => {
    const others = order.filter((path) => !DELETABLE.includes(path));
    for (const path of others) {
      for (const needed of imports(files.get(path) ?? "", path)) {
        assert.ok(!DELETABLE.includes(needed), `${path} needs ${needed}`);
      }
    }
    for (const name of readdirSync(join(PROJECT, "examples"))) {
      const path = `examples/${name}`;
      const needed = imports(readFileSync(join(PROJECT, path), "utf8"), path);
      assert.equal(needed.some((one) => DELETABLE.includes(one)), path === DELETABLE_EXAMPLE, path);
    }
  });
});

// ---- The crontab ----

/** The README's crontab, or one of docs/scheduling.md: variables and jobs, commented-out ones too. */
function crontab(text: string): { variables: Record<string, string>; jobs: { when: string; command: string }[] } {
  const variables: Record<string, string> = {};
  const jobs: { when: string; command: string }[] = [];
  for (const [, block] of text.matchAll(/```\n([^]*?)```/g)) {
    for (const line of block.split("\n")) {
      const job = /^#?((?:[\d*/,]+ ){5})(.*)$/.exec(line);
      if (job) jobs.push({ when: job[1].trim(), command: job[2] });
      const variable = /^([A-Z_]+)=(.*)$/.exec(line);
      if (variable && block.includes("* * *")) variables[variable[1]] = variable[2];
    }
  }
  return { variables, jobs };
}

/** A home folder with the project in ~/tesla, and a logger that writes to a file. */
function prepareHome(owner: Owner): void {
  const tsx = createRequire(import.meta.url).resolve("tsx/esm");
  const loader = process.features.typescript ? "" : `--import "${tsx}"`;
  mkdirSync(owner.path("bin"));
  owner.write("bin/node", `#!/bin/sh\nexec "${process.execPath}" ${loader} "$@"\n`, 0o755);
  owner.write("bin/logger", `#!/bin/sh\n[ "$*" = "-t tesla" ] && exec cat >>"${owner.path("logged")}"\n`, 0o755);
  symlinkSync(owner.path("."), owner.path("tesla"));
  for (const name of ["scripts", "lib", "node_modules", "package.json"]) {
    symlinkSync(join(PROJECT, name), owner.path(name));
  }
}

/** Runs a job as cron does: by /bin/sh in the home folder; \% is a %, and a bare % would be an end of line. */
async function runJob(owner: Owner, command: string): Promise<{ status: number; printed: string; log: string }> {
  assert.doesNotMatch(command, /(^|[^\\])%/, "cron makes an end of line of a bare %");
  owner.write("logged", "");
  const child = spawn("/bin/sh", ["-c", command.replaceAll("\\%", "%")], {
    cwd: owner.folder,
    env: { ...owner.simulator.env, HOME: owner.folder, PATH: `${owner.path("bin")}:/usr/bin:/bin` },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let printed = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (part) => { printed += String(part); });
  const [status] = (await once(child, "close")) as [number];
  return { status, printed, log: owner.read("logged") };
}

describe("the crontab", { skip: process.platform === "win32" }, () => {
  const [refresh, read, amps] = crontab(readme).jobs;
  const others = crontab(texts.get("docs/scheduling.md") ?? "").jobs;

  test("sets what every job needs, and a price that is right", () => {
    const { variables, jobs } = crontab(readme);
    assert.equal(jobs.length, 3);
    assert.deepEqual(Object.keys(variables), ["PATH", "NODE_COMPILE_CACHE"]);
    assert.equal(refresh.when, "5 * * * *");
    const readings = read.when.split(" ")[1].split(",").length * 30;
    assert.ok(readme.includes(`It costs $${(readings * PRICES.data).toFixed(2)} a month`), `${readings} a month`);
    assert.ok(readme.includes(`$${(4 * 24 * 30 * PRICES.data).toFixed(2)} a month`), "every 15 minutes");
    assert.ok(texts.get("docs/scheduling.md")?.includes(`$${(48 * 30 * PRICES.data).toFixed(2)} a month`));
  });
  ownerTest("refreshes, reads and sets the amps, and all goes to the log", {}, async (owner) => {
    prepareHome(owner);
    owner.logIn({ expires_in: 3600, obtained_at: new Date(Date.now() - 3500_000).toISOString() });
    const before = owner.token().refresh_token;
    const refreshed = await runJob(owner, refresh.command);
    assert.deepEqual([refreshed.status, refreshed.printed], [0, ""]);
    assert.match(refreshed.log, /oauth2\/v3\/token\n {4}answered 200\n/);
    assert.notEqual(owner.token().refresh_token, before, "the token was not refreshed");
    const shown = await runJob(owner, read.command);
    assert.deepEqual([shown.status, shown.printed], [0, ""]);
    assert.match(shown.log, /^battery .*%/m);
    const set = await runJob(owner, amps.command);
    assert.deepEqual([set.status, set.printed], [0, ""]);
    assert.match(set.log, /the car has done it/);
    owner.simulator.car.awake = false;
    const asleep = await runJob(owner, read.command);
    assert.match(asleep.log, /^error: .*asleep/m);
  });
  ownerTest("the jobs of docs/scheduling.md do what the page says", {}, async (owner) => {
    prepareHome(owner);
    const [toFile, logged, rotated, mailed] = others;
    assert.equal((await runJob(owner, toFile.command)).printed, "");
    assert.ok(JSON.parse(owner.read("charge.json")).battery_level > 0, "charge.json");
    const text = owner.read("charge.json");
    owner.simulator.car.awake = false;
    assert.equal((await runJob(owner, toFile.command)).printed, "");
    assert.equal(owner.read("charge.json"), text, "a sleeping car changes nothing");
    await runJob(owner, logged.command);
    await runJob(owner, logged.command);
    assert.match(owner.read("cron.log"),
      /(.*\d\d:\d\d:\d\d.*\nthe access token is good until .*: nothing to do\n){2}$/);
    assert.equal((await runJob(owner, rotated.command)).printed, "");
    assert.deepEqual([owner.has("cron.log"), owner.has("old.log")], [false, true]);
    assert.equal((await runJob(owner, mailed.command)).printed, "", "nothing to mail");
    owner.logIn({ refresh_token: "spent-refresh-token", obtained_at: "2026-01-01T00:00:00.000Z" });
    assert.match((await runJob(owner, mailed.command)).printed, /^error: .*get_token --force/m);
  });
});
