// `npm run readme`: writes the parts of README.md and docs/*.md that are made from the code, between the
// markers <!-- NAME --> and <!-- /NAME -->: sizes, tables of scripts, rings, reading order, costs,
// troubleshooting, commands, examples. The commands of package.json that start a script are made here too.
// With --check it changes nothing and names what is out of date. test/rules/readme.test.ts checks the same.
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";
import { ADVICE, LOGIN_ADVICE } from "../../lib/advice.ts";
import { FAULTS } from "../../lib/signing/faults.ts";
import { PRICES } from "../simulator/reception.ts";
import { headerOf, type Texts } from "./project_rules.ts";
import { auditedFiles, commandOf, inReadingOrder, PROJECT, scriptNames, TABLES } from "./script_list.ts";

export function linesOf(files: Texts, paths: Iterable<string>): number {
  let lines = 0;
  for (const path of paths) lines += (files.get(path) ?? "").split("\n").length - 1;
  return lines;
}

function thousands(number: number): string {
  return number.toLocaleString("en-US");
}

function sizes(files: Texts): string {
  const paths = [...files.keys()];
  const scripts = paths.filter((path) => path.startsWith("scripts/"));
  const longest = Math.max(...paths.map((path) => linesOf(files, [path])));
  return (
    `${thousands(linesOf(files, paths))} lines in all, comments and blank lines included: ${scripts.length} `
    + `scripts and ${paths.length - scripts.length} shared files.\n`
    + `${thousands(linesOf(files, TABLES))} of the lines are tables of words and numbers. The longest file has `
    + `${longest}; no line has more than 110 columns.`
  );
}

function scriptTable(files: Texts): string {
  const rows = scriptNames(files).map((script) => {
    const path = `scripts/${script}.ts`;
    const { run, purpose, costs: price } = headerOf(path, files.get(path) ?? "");
    const [, name = "", options = ""] = /^(\w+)\.ts ?(.*)$/.exec(run) ?? [];
    return `| [${name}](${path}) | ${purpose} | ${price} | ${options === "" ? "" : `\`${options}\``} |`;
  });
  return ["| script | what it does | costs | options |", "|---|---|---|---|", ...rows].join("\n");
}

function rings(files: Texts): string {
  let sum = 0;
  const rows = inReadingOrder(files).map(({ name, files: paths }, index) => {
    const lines = linesOf(files, paths);
    sum += lines;
    const names = paths.map((path) => {
      const short = path.replace(/^(lib|scripts)\/|\.ts$/g, "");
      return path.startsWith("scripts/") ? `**${short}**` : short;
    });
    return `| ${index + 1} | ${name} | ${names.join(", ")} | ${thousands(lines)} | ${thousands(sum)} |`;
  });
  return ["| | ring | read in this order | lines | so far |", "|---|---|---|---|---|", ...rows].join("\n");
}

function readingOrder(files: Texts): string {
  let number = 0;
  return inReadingOrder(files)
    .flatMap(({ name, files: paths }, index) => [
      `${index === 0 ? "" : "\n"}Ring ${index + 1}. ${name}.\n`,
      "| | file | lines | what it is |",
      "|---|---|---|---|",
      ...paths.map((path) => {
        number += 1;
        const [top = ""] = (files.get(path) ?? "").split(/\n(?!\/\/ )/);
        const words = top.replace(/^\/\/ /gm, "").replaceAll("\n", " ");
        const [says = ""] = words.split(/[.:](?= |$)/);
        const first = says.replace(/ \([^)]*$/, "");
        return `| ${number} | [${path}](../${path}) | ${linesOf(files, [path])} | ${first} |`;
      }),
    ])
    .join("\n");
}

function costs(): string {
  const dollars = (amount: number): string => `$${amount.toFixed(2)}`;
  const month = (data: number, command: number, wake = 0): string =>
    dollars(30 * (data * PRICES.data + command * PRICES.command + wake * PRICES.wake));
  // biome-ignore format: a table of words and numbers
  const rows: [string, string, string][] = [
    ["the README's crontab: read_charge twice a day, refresh_token", "2 data requests", month(2, 0)],
    ["read_charge once a day, car awake", "1 data request", month(1, 0)],
    ["wake_up and read_charge once a day (awake after 20 s: 4 polls)", "1 wake, 5 data requests",
      month(5, 0, 1)],
    ["read_charge every 15 minutes, day and night", "96 data requests", month(96, 0)],
    ["read_charge every 5 minutes, day and night", "288 data requests", month(288, 0)],
    ["set_charge_amps twice a day", "2 commands", month(0, 2)],
    ["solar loop: set_charge_amps every 5 minutes for 10 hours", "120 commands", month(0, 120)],
    ["solar loop: set_charge_amps every minute for 10 hours", "600 commands", month(0, 600)],
    ["refresh_token every 4 hours", "0", month(0, 0)],
  ];
  return [
    "| pattern | billed a day | a month of 30 days |",
    "|---|---|---|",
    ...rows.map((row) => `| ${row.join(" | ")} |`),
  ].join("\n");
}

/** Troubleshooting, by what the owner sees. */
function troubleshooting(): string {
  // biome-ignore format: a table of words
  const where: Record<string, string> = {
    "/oauth2/v3/token": "token host", "/.well-known/": "your domain", "/partner_accounts": "registration",
    "/vehicles/": "a call about a car", "/signed_command": "signed command", "/command/": "unsigned command",
    command: "command", "": "any call",
  };
  const classes: Record<number, string> = { 0: "no answer", 300: "3xx (a redirect)", 400: "4xx", 500: "5xx" };
  const logins = LOGIN_ADVICE.map(([text, exit, means, todo]) => {
    const seen = text === "" ? "any other answer" : `"${text}"`;
    return `| ${seen} | Tesla's login page | ${means} | ${todo} | ${exit} |`;
  });
  const answers = ADVICE.map(([place, status, text, exit, means, todo]) => {
    const words = [classes[status] ?? String(status), text === "" ? "" : `"${text}"`];
    const seen = words.filter((word) => word !== "").join(" ");
    return `| ${seen} | ${where[place] ?? place} | ${means} | ${todo} | ${exit} |`;
  });
  const head = ["| you see | from | it means | do this | exit |", "|---|---|---|---|---|"];
  return [...head, ...logins, ...answers].join("\n");
}

/** The car's own refusals of a signed command, by fault. */
function faults(): string {
  const rows: string[] = [];
  for (const [fault, [exitCode, words]] of Object.entries(FAULTS)) {
    rows.push(`| ${fault} | ${words} | ${exitCode} |`);
  }
  return ["| fault | it means, and what to do | exit |", "|---|---|---|", ...rows].join("\n");
}

let listed = "";
/** What send_command --list prints. */
function commandList(): string {
  const script = fileURLToPath(new URL("scripts/send_command.ts", PROJECT));
  const tsx = pathToFileURL(createRequire(import.meta.url).resolve("tsx/esm")).href;
  const env = { ...process.env, NODE_OPTIONS: "" };
  const words = ["--import", tsx, script, "--list"];
  listed ||= spawnSync(process.execPath, words, { encoding: "utf8", env }).stdout;
  return listed;
}

/** The commands, by the headings that stand as comments in their table. */
function commands(files: Texts): string {
  const tables = new Map<string, string[]>();
  const source = [...files].find(([path]) => path.endsWith("/commands.ts"))?.[1] ?? "";
  const heading = (name: string): string => {
    const [before = ""] = source.split(new RegExp(`^ .*\\b${name}: {`, "m"));
    return [...before.matchAll(/^ {2}\/\/ (.*)$/gm)].at(-1)?.[1] ?? "";
  };
  const add = (table: string, head: string[], row: string): void => {
    tables.set(table, [...(tables.get(table) ?? head), row]);
  };
  for (const line of commandList().trimEnd().split("\n")) {
    const [, name = "", words = "", scope] = /^(\w+) {2}\{(.*)\} {2}(\w+)$/.exec(line) ?? [];
    const [, other, reason] = /^(\w+) {2}not signed: (.*)$/.exec(line) ?? [];
    if (other !== undefined) {
      add("not signed", ["| command | why |", "|---|---|"], `| \`${other}\` | ${reason} |`);
      continue;
    }
    const parameters = words.split(/, (?=\w+\??: )/).join("<br>");
    const head = ["| command | parameters | scope |", "|---|---|---|"];
    add(heading(name), head, `| \`${name}\` | ${parameters} | \`${scope}\` |`);
  }
  const title = (text: string): string => `## ${text.slice(0, 1).toUpperCase()}${text.slice(1)}`;
  return [...tables].map(([name, rows]) => `${title(name)}\n\n${rows.join("\n")}\n`).join("\n");
}

/** The examples, each with the script that it was copied from and how many of its lines are other ones. */
function examples(): string {
  const read = (path: string): string => readFileSync(new URL(path, PROJECT), "utf8");
  const rows = readdirSync(new URL("examples", PROJECT))
    .filter((file) => file.endsWith(".ts")) // telemetry.json is explained in docs/telemetry.md
    .sort()
    .map((file) => {
      const path = `examples/${file}`;
      const name = file.replace(/\.ts$/, "");
      const header = headerOf(
        `scripts/${name}.ts`,
        read(path)
          .replace("npx tsx examples/", "npx tsx scripts/")
          .replace(/(\/\/ {3}run [^\n]+\n)\/\/\n(\/\/ [^\n]+\n)+/, "$1"),
      );
      const [purpose, origin = ""] = header.purpose.split(" Copied from ");
      const [script = ""] = origin.split(":");
      const code = (text: string): string[] =>
        text.split("\n").filter((line) => !/^\s*(\/\/.*)?$/.test(line));
      const original = script === "" ? [] : code(read(script));
      const lines = code(read(path));
      const changed = lines.filter((line) => !original.includes(line)).length;
      const isOwn = script === "";
      const copied = isOwn
        ? `a file of its own, ${lines.length} lines`
        : `${script}: ${changed} of ${lines.length}`;
      return `| [${header.run}](../${path}) | ${purpose} | ${copied} | ${header.costs} |`;
    });
  return [
    "| example | what it does | copied from, lines of code that differ | costs |",
    "|---|---|---|---|",
    ...rows,
  ].join("\n");
}

/** What a day of examples/solar_loop.ts costs at most, by how often it looks. */
function solar(): string {
  const rows = [15, 5, 1].map((minutes) => {
    const count = 600 / minutes;
    const day = count * PRICES.command;
    const looks = minutes === 1 ? "1 minute" : `${minutes} minutes${minutes === 5 ? ", as it comes" : ""}`;
    return `| ${looks} | ${count} commands | $${day.toFixed(2)} | $${(30 * day).toFixed(2)} |`;
  });
  return ["| a look every | at most | a day | a month of 30 days |", "|---|---|---|---|", ...rows].join("\n");
}

/** What is made from the code, by the name of its markers. */
export function generatedParts(files: Texts): Record<string, string> {
  return {
    sizes: sizes(files),
    scripts: scriptTable(files),
    rings: rings(files),
    "reading order": readingOrder(files),
    costs: costs(),
    troubleshooting: troubleshooting(),
    faults: faults(),
    commands: commands(files),
    examples: examples(),
    solar: solar(),
  };
}

/** README.md and the pages of docs/, by path. */
export function documents(): Texts {
  const pages = readdirSync(new URL("docs", PROJECT))
    .filter((name) => name.endsWith(".md"))
    .sort();
  const paths = ["README.md", ...pages.map((name) => `docs/${name}`)];
  return new Map(paths.map((path) => [path, readFileSync(new URL(path, PROJECT), "utf8")]));
}

/** The documents with their generated parts as they must be. Throws an Error when a part has no place, and when
 * a place has no part. */
export function withParts(texts: Texts, parts: Record<string, string>): Texts {
  const wanted = new Map(texts);
  const places = [...texts].flatMap(([path, page]) =>
    [...page.matchAll(/^<!-- (?!\/)(.+) -->$/gm)].map(([, name = ""]) => ({ path, name })),
  );
  for (const { path, name } of places) {
    if (parts[name] === undefined)
      throw new Error(`${path}: nothing is made for <!-- ${name} -->: take it out`);
  }
  for (const [name, text] of Object.entries(parts)) {
    const [place, ...others] = places.filter((one) => one.name === name);
    if (!place || others.length > 0)
      throw new Error(`<!-- ${name} --> stands in ${others.length + (place ? 1 : 0)} places`);
    const between = new RegExp(`(<!-- ${name} -->\\n)[^]*?(<!-- /${name} -->)`);
    const page = wanted.get(place.path) ?? "";
    wanted.set(
      place.path,
      page.replace(between, (_, start: string, end: string) => `${start}${text}\n${end}`),
    );
  }
  return wanted;
}

/** package.json with a command for each script, the others after them. */
export function withCommands(manifest: string, files: Texts): string {
  const { scripts, ...rest } = JSON.parse(manifest) as { scripts: Record<string, string> };
  const others = Object.entries(scripts).filter(([, command]) => !command.includes(" scripts/"));
  const commands = {
    ...Object.fromEntries(scriptNames(files).map(commandOf)),
    ...Object.fromEntries(others),
  };
  const all = Object.entries(rest).flatMap(([name, value]) =>
    name === "dependencies"
      ? [
          ["scripts", commands],
          [name, value],
        ]
      : [[name, value]],
  );
  return `${JSON.stringify(Object.fromEntries(all), null, 2)}\n`;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const files = auditedFiles();
  const manifest = readFileSync(new URL("package.json", PROJECT), "utf8");
  const texts = new Map([...documents(), ["package.json", manifest]]);
  const wanted = withParts(texts, generatedParts(files));
  wanted.set("package.json", withCommands(manifest, files));
  for (const [path, text] of wanted) {
    if (text === texts.get(path)) continue;
    if (process.argv.includes("--check")) {
      console.log(`${path} is out of date: npm run readme`);
      process.exitCode = 1;
    } else {
      writeFileSync(new URL(path, PROJECT), text);
      console.log(`${path}: generated parts renewed`);
    }
  }
}
