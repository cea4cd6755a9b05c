// README.md and the pages of docs/: what is made from the code is as the code makes it, links lead somewhere,
// the order of reading is possible, and the crontab does what it says.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, utimesSync } from "node:fs";
import { createRequire } from "node:module";
import { join, posix } from "node:path";
import { describe, test } from "node:test";
import { PICTURES } from "../pictures/pictures.ts";
import { ownerTest, PROJECT, type Owner } from "../support/owner.ts";
import { headerOf, importsOf, type Texts } from "./project_rules.ts";
import { documents, generatedParts, withCommands, withParts } from "./readme_tables.ts";
import { auditedFiles, inReadingOrder } from "./script_list.ts";
import { PRICES } from "../simulator/reception.ts";

const ANNOUNCED: string[] = []; // commands that the README describes already
const MOST_COLUMNS = 110;

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
  return prose(text)
    .filter(([, line]) => /^#+ /.test(line))
    .map(([, line]) =>
      line
        .replace(/^#+ /, "")
        .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
        .toLowerCase()
        .replace(/[^\p{L}\p{N}_\- ]/gu, "")
        .replaceAll(" ", "-"),
    );
}

describe("generated parts", () => {
  test("are those of the code (else: npm run readme)", () => {
    for (const [path, text] of withParts(texts, generatedParts(files))) {
      assert.equal(texts.get(path), text, `${path} is out of date`);
    }
  });
  test("notice a changed header and a changed size", () => {
    const changed: Texts[] = [
      new Map([
        ...files,
        [
          "scripts/wake_up.ts",
          (files.get("scripts/wake_up.ts") ?? "").replace(/^\/\/ Wakes the car/, "// Wakes it"),
        ],
      ]),
      new Map([...files, ["lib/hosts.ts", `${files.get("lib/hosts.ts") ?? ""}// one more line\n`]]),
    ];
    for (const one of changed) {
      assert.notEqual(
        withParts(texts, generatedParts(one)).get("README.md"),
        readme,
        "a change was not noticed",
      );
    }
  });
  test("a part without a place and a place without a part are errors", () => {
    const parts = generatedParts(files);
    assert.throws(() => withParts(texts, { ...parts, "no such part": "" }), /stands in 0 places/);
    const { rings, ...others } = parts;
    assert.throws(() => withParts(texts, others), /nothing is made for <!-- rings -->/, rings);
  });
  test("package.json has a command for each script (else: npm run readme)", () => {
    const manifest = readFileSync(join(PROJECT, "package.json"), "utf8");
    assert.equal(manifest, withCommands(manifest, files));
  });
  test("a new script that only reads is in every one of them without another change", () => {
    const text = (files.get("scripts/list_vehicles.ts") ?? "").replaceAll("list_vehicles", "read_doors");
    const more: Texts = new Map([...files, ["scripts/read_doors.ts", text]]);
    const { scripts: table = "", rings = "", "reading order": order = "" } = generatedParts(more);
    assert.match(table, /\| \[read_doors\]\(scripts\/read_doors\.ts\) \|/);
    assert.match(rings.split("\n").at(-1) ?? "", /\*\*read_doors\*\*/, "in the last ring");
    assert.match(order, /\[scripts\/read_doors\.ts\]/);
    const { scripts: commands } = JSON.parse(
      withCommands(readFileSync(join(PROJECT, "package.json"), "utf8"), more),
    );
    assert.match(commands["read-doors"], /scripts\/read_doors\.ts$/);
    assert.match(commands.test, /test\/run\.ts/);
  });
  test("pictures are those that npm run picture makes", () => {
    for (const [name, draw] of Object.entries(PICTURES)) {
      assert.equal(readFileSync(join(PROJECT, "docs/pictures", name), "utf8"), draw(), name);
    }
  });
});

test("no text of a picture is under 6 pixels where a phone shows it 358 pixels wide", () => {
  for (const name of [...Object.keys(PICTURES), "demo.svg"]) {
    const text = readFileSync(join(PROJECT, "docs/pictures", name), "utf8");
    const width = Number(/viewBox="0 0 (\d+) /.exec(text)?.[1]);
    const sizes = [...text.matchAll(/font(?:-size)?: (?:bold )?([\d.]+)px/g)].map(([, size]) => Number(size));
    assert.ok(sizes.length > 1, `${name}: the sizes were found`);
    assert.ok((Math.min(...sizes) * 358) / width >= 6, `${name}: ${Math.min(...sizes)} in ${width}`);
  }
});

describe("links", () => {
  for (const [path, text] of texts) {
    test(`of ${path} lead to files and headings that are there`, () => {
      for (const [, target = ""] of text.matchAll(/\]\((?!https?:)([^)\s]+)\)/g)) {
        const [file = "", anchor] = target.split("#");
        const wanted = file === "" ? path : posix.join(posix.dirname(path), file);
        assert.ok(existsSync(join(PROJECT, wanted)), `${wanted} is not there`);
        if (anchor === undefined) continue;
        const page = texts.get(wanted) ?? readFileSync(join(PROJECT, wanted), "utf8");
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
  test(`has lines of at most ${MOST_COLUMNS} columns, but for tables`, () => {
    for (const [index, line] of readme.split("\n").entries()) {
      const isRight = line.startsWith("|") || [...line].length <= MOST_COLUMNS;
      assert.ok(isRight, `line ${index + 1}: ${line.length} columns`);
    }
  });
  test("says in its first screen what it is, what was not tried, and both commands", () => {
    const screen = readme.split("\n").slice(0, 30).join("\n");
    for (const text of [
      "npm ci --ignore-scripts && npm run demo",
      "npm ci --ignore-scripts && npm test",
      "demo.svg",
      "no real car",
      "invalid_audience",
    ])
      assert.ok(screen.includes(text), text);
  });
  test("names every script, every setting and npm commands that exist", () => {
    const all = [...texts.values()].join("\n");
    const example = readFileSync(join(PROJECT, ".env.example"), "utf8");
    const settings = new Set(
      [...(files.get("lib/settings.ts") ?? "").matchAll(/^ {2}(TESLA_[A-Z_]+):/gm)].map(
        ([, name = ""]) => name,
      ),
    );
    assert.ok(settings.size >= 8, "the settings were found");
    for (const name of settings) {
      assert.ok(readme.includes(name), `README.md does not name ${name}`);
      assert.ok(example.includes(`${name}=`), `.env.example does not name ${name}`);
    }
    for (const [, name = ""] of all.matchAll(/scripts[/\\]([a-z_]+\.ts)/g))
      assert.ok(files.has(`scripts/${name}`), name);
    for (const [, name = ""] of all.matchAll(/\b((?:lib|test|examples)\/[\w/.]+\.(?:test\.)?ts)\b/g)) {
      assert.ok(existsSync(join(PROJECT, name)), `${name} is not there`);
    }
    for (const path of scripts) {
      const options = headerOf(path, files.get(path) ?? "").run.replace(/^\S+ ?/, "");
      const row =
        readme.split("\n").find((line) => line.startsWith("|") && line.includes(`](${path})`)) ?? "";
      assert.ok(row.includes(options), `${path}: ${options}`);
    }
    const { scripts: commands } = JSON.parse(readFileSync(join(PROJECT, "package.json"), "utf8"));
    for (const [, name = ""] of all.matchAll(/npm run ([\w:-]+)/g)) {
      assert.ok(commands[name] || ANNOUNCED.includes(name), `npm run ${name}`);
    }
    for (const name of ANNOUNCED)
      assert.ok(!commands[name], `npm run ${name} is there now: take it off this list`);
  });
});

test("the rings hold every file once, each after those that it imports", () => {
  const order = inReadingOrder(files).flatMap((ring) => ring.files);
  assert.deepEqual(order.toSorted(), [...files.keys()].toSorted());
  for (const [index, path] of order.entries()) {
    for (const needed of importsOf(path, files.get(path) ?? "")) {
      assert.ok(order.slice(0, index).includes(needed), `${path} comes before ${needed}`);
    }
  }
});

// ---- The crontab ----

interface Job {
  when: string;
  command: string;
}

/** The jobs of a page, commented-out ones too, and the variables of its crontab. */
function crontab(text: string): { variables: Record<string, string>; jobs: Job[] } {
  const variables: Record<string, string> = {};
  const jobs: Job[] = [];
  for (const [, block = ""] of text.matchAll(/```\n([^]*?)```/g)) {
    for (const line of block.split("\n")) {
      const [, when = "", command] = /^#?((?:[\d*/,]+ ){5})(.*)$/.exec(line) ?? [];
      if (command) jobs.push({ when: when.trim(), command });
      const [, name, value = ""] = /^([A-Z_]+)=(.*)$/.exec(line) ?? [];
      if (name && block.includes("* * *")) variables[name] = value;
    }
  }
  return { variables, jobs };
}

/** The one job of a page that contains these words. */
function jobWith(jobs: Job[], words: string): Job {
  const [job, ...others] = jobs.filter(({ command }) => command.includes(words));
  assert.ok(job && others.length === 0, `one job with ${words}`);
  return job;
}

/** A home folder with the project in ~/tesla, and a logger that writes to a file. */
function prepareHome(owner: Owner): void {
  const tsx = createRequire(import.meta.url).resolve("tsx/esm");
  const loader = process.features.typescript ? "" : `--import "${tsx}"`;
  mkdirSync(owner.path("bin"));
  owner.write("bin/node", `#!/bin/sh\nexec "${process.execPath}" ${loader} "$@"\n`, 0o755);
  owner.write(
    "bin/logger",
    `#!/bin/sh\n[ "$*" = "-t tesla" ] && exec cat >>"${owner.path("logged")}"\n`,
    0o755,
  );
  symlinkSync(owner.path("."), owner.path("tesla"));
  for (const name of ["scripts", "lib", "node_modules", "package.json"]) {
    symlinkSync(join(PROJECT, name), owner.path(name), "junction");
  }
}

interface Ended {
  status: number;
  printed: string;
  log: string;
}

/** Runs a job as cron does: by /bin/sh in the home folder. \% is a %; a bare % would be an end of line. */
async function runJob(owner: Owner, { command }: Job): Promise<Ended> {
  assert.doesNotMatch(command, /(^|[^\\])%/, "cron makes an end of line of a bare %");
  owner.write("logged", "");
  const child = spawn("/bin/sh", ["-c", command.replaceAll("\\%", "%")], {
    cwd: owner.folder,
    env: {
      ...owner.simulator.env,
      HOME: owner.folder,
      PATH: `${owner.path("bin")}:/usr/bin:/bin`,
      TESLA_NODE: owner.path("bin/node"),
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let printed = "";
  const take = (part: unknown): void => {
    printed += String(part);
  };
  child.stdout.on("data", take);
  child.stderr.on("data", take);
  const [status] = (await once(child, "close")) as [number];
  return { status, printed, log: owner.read("logged") };
}

describe("the crontab", { skip: process.platform === "win32" && "Windows has no cron" }, () => {
  const { variables, jobs } = crontab(readme);
  const scheduling = texts.get("docs/scheduling.md") ?? "";
  const others = crontab(scheduling).jobs;
  const QUIET = { status: 0, printed: "" }; // what cron would mail is nothing

  async function runsQuietly(owner: Owner, job: Job): Promise<string> {
    const { log, ...ended } = await runJob(owner, job);
    assert.deepEqual(ended, QUIET, job.command);
    return log;
  }

  test("sets what every job needs, and a price that is right", () => {
    assert.equal(jobs.length, 3);
    assert.deepEqual(Object.keys(variables), ["TESLA_NODE"]);
    assert.match(variables.TESLA_NODE ?? "", /^env NODE_COMPILE_CACHE=[\w/.]+ \/[\w/]+\/node$/);
    const read = jobWith(jobs, "read_charge");
    assert.equal(jobWith(jobs, "refresh_token").when, "5 * * * *");
    const readings = (read.when.split(" ")[1] ?? "").split(",").length * 30;
    const dollars = (count: number): string => `$${(count * PRICES.data).toFixed(2)} a month`;
    assert.ok(readme.includes(`The readings cost ${dollars(readings)}`), `${readings} a month`);
    assert.ok(readme.includes(dollars(4 * 24 * 30)), "every 15 minutes");
    assert.ok(scheduling.includes(dollars(48 * 30)), "every 30 minutes");
  });
  ownerTest("refreshes, reads and sets the amps, and all goes to the log", {}, async (owner) => {
    prepareHome(owner);
    owner.logIn({ expires_in: 3600, obtained_at: new Date(Date.now() - 3500_000).toISOString() });
    const before = owner.token().refresh_token;
    assert.match(await runsQuietly(owner, jobWith(jobs, "refresh_token")), /oauth2\/v3\/token {2}200\n/);
    assert.notEqual(owner.token().refresh_token, before, "the token was not refreshed");
    assert.match(await runsQuietly(owner, jobWith(jobs, "read_charge")), /^battery .*%/m);
    assert.match(await runsQuietly(owner, jobWith(jobs, "set_charge_amps")), /^done: .*16 A/m);
    owner.simulator.car.awake = false;
    assert.match(
      await runsQuietly(owner, jobWith(jobs, "read_charge")),
      /^error: .*asleep.*\nfound: .*\nfix: /m,
    );
  });
  ownerTest("a folder that is not there goes to the log too", {}, async (owner) => {
    prepareHome(owner);
    rmSync(owner.path("tesla"));
    for (const job of jobs) assert.match(await runsQuietly(owner, job), /tesla/, job.command);
  });
  ownerTest("the jobs of docs/scheduling.md do what the page says", {}, async (owner) => {
    prepareHome(owner);
    const toFile = jobWith(others, "charge.json");
    await runsQuietly(owner, toFile);
    const text = owner.read("charge.json");
    assert.ok(JSON.parse(text).battery_level > 0, "charge.json");
    owner.simulator.car.awake = false;
    assert.equal((await runJob(owner, toFile)).printed, "");
    assert.equal(owner.read("charge.json"), text, "a sleeping car changes nothing");
    rmSync(owner.path("cron.log"));
    const logged = jobWith(others, ">>cron.log");
    for (const run of [1, 2]) assert.equal((await runJob(owner, logged)).printed, "", `run ${run}`);
    assert.match(owner.read("cron.log"), /^(.*\d\d:\d\d:\d\d.*\n(.+\n)+?){2}$/, "each with its time");
    await runsQuietly(owner, jobWith(others, "mv cron.log"));
    assert.deepEqual([owner.has("cron.log"), owner.has("old.log")], [false, true]);
  });
  ownerTest("a job that fails is told by mail, or to a command of one's own", {}, async (owner) => {
    prepareHome(owner);
    const mailed = jobWith(others, "|| cat last.log");
    const own = jobWith(others, "YOUR-COMMAND");
    const told: Job = {
      ...own,
      command: own.command.replace("YOUR-COMMAND", `cat >"${owner.path("told")}"`),
    };
    await runsQuietly(owner, mailed);
    await runsQuietly(owner, told);
    assert.equal(owner.has("told"), false, "nothing to tell");
    owner.logIn({ refresh_token: "spent-refresh-token", obtained_at: "2026-01-01T00:00:00.000Z" });
    assert.match((await runJob(owner, mailed)).printed, /^error: .*\n.*\nfix: .*get_token --force/m);
    await runJob(owner, told);
    assert.match(owner.read("told"), /^error: .*\nfound: .*\nfix: .*get_token --force/);
    rmSync(owner.path("told"));
    // A network that fails: quiet while the login still holds, and not for ever.
    owner.logIn({ expires_in: 3600 });
    owner.answer("/oauth2/v3/token", 500, "");
    await runsQuietly(owner, told);
    assert.equal(owner.has("told"), false, "one failure is not told");
    const old = new Date(Date.now() - 9 * 3600_000);
    utimesSync(owner.path("tesla_token.json"), old, old);
    await runJob(owner, told);
    assert.match(owner.read("told"), /^error: Tesla's server failed/);
    rmSync(owner.path("told"));
    rmSync(owner.path("tesla"));
    await runJob(owner, told);
    assert.ok(owner.has("told"), "a folder that is not there is told");
  });
});
