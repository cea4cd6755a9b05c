// `npm run readme`: writes the parts of README.md and docs/*.md that are made from the code, between the markers
// <!-- NAME --> and <!-- /NAME -->: sizes, tables of scripts, rings, reading order, costs, troubleshooting,
// commands, examples, sandbox lines. With --check it changes nothing and names what is out of date.
// test/rules/readme.test.ts checks the same.
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";
import { EXPLANATIONS } from "../../lib/explanations.ts";
import { FAULTS } from "../../lib/signing/faults.ts";
import { PRICES } from "../simulator/reception.ts";
import { closureOf, headerOf, type Texts } from "./project_rules.ts";
import { denoLines, nodeLines } from "./sandbox_lines.ts";

export const PROJECT = new URL("../../", import.meta.url);
export const MISSION = [
  "get_token",
  "refresh_token",
  "register_partner",
  "read_charge",
  "set_charge_amps",
  "serve_public_key",
].map((name) => `scripts/${name}.ts`);
export const SIGNING = ["wire", "vehicle_key", "signed_message", "session", "signed_command"].map(
  (name) => `lib/signing/${name}.ts`,
);
// These only say words and numbers. The budgets count them apart.
export const TABLES = ["lib/explanations.ts", "lib/signing/faults.ts", "lib/signing/commands.ts"];

// The order in which to read lib/ and scripts/: rings, each of which can be the last. Every file is in one
// ring, after those that it imports; test/rules/readme.test.ts holds that.
export interface Ring {
  name: string;
  files: string[];
}
const ring = (name: string, names: string): Ring => ({
  name,
  files: names.trim().split(/\s+/).map((one) => `${one}.ts`),
});
export const RINGS: Ring[] = [
  ring("**One read**: the fetch helper, and a script that uses it", `
    lib/command_line lib/hosts lib/settings lib/explanations lib/tesla_fetch lib/token_file
    scripts/read_charge scripts/list_vehicles scripts/wake_up`),
  ring("**Login and refresh**: where your tokens come from and how they are kept", `
    lib/token_claims lib/safe_file scripts/refresh_token lib/loopback_server lib/login_answer scripts/get_token`),
  ring("**Set-up**: key pair, domain and registration", `
    scripts/generate_key lib/key_files scripts/serve_public_key lib/partner scripts/register_partner
    scripts/check_setup`),
  ring("**Signing**: one command, signed", `
    lib/signing/wire lib/signing/vehicle_key lib/signing/signed_message lib/signing/faults lib/signing/session
    lib/signing/signed_command lib/command scripts/set_charge_amps`),
  ring("**The rest**: what you may never need", `
    scripts/call_api lib/signing/commands lib/signing/encode_command scripts/send_command`),
];
// What an owner may delete who wants no other command than the amps: nothing else imports it.
export const DELETABLE = ["lib/signing/commands.ts", "lib/signing/encode_command.ts", "scripts/send_command.ts"];
export const DELETABLE_EXAMPLE = "examples/solar_loop.ts"; // needs them
const SCRIPT_ORDER = [
  "generate_key",
  "serve_public_key",
  "register_partner",
  "get_token",
  "list_vehicles",
  "read_charge",
  "set_charge_amps",
  "refresh_token",
  "wake_up",
  "check_setup",
  "send_command",
  "call_api",
].map((name) => `scripts/${name}.ts`);

/** Every file of lib/ and scripts/. */
export function auditedFiles(): Texts {
  const files: Texts = new Map();
  for (const folder of ["lib", "scripts"]) {
    const names = readdirSync(new URL(folder, PROJECT), { recursive: true }).map(String);
    for (const name of names.filter((one) => one.endsWith(".ts")).sort()) {
      const path = `${folder}/${name.replaceAll("\\", "/")}`;
      files.set(path, readFileSync(new URL(path, PROJECT), "utf8"));
    }
  }
  return files;
}

export function linesOf(files: Texts, paths: Iterable<string>): number {
  let lines = 0;
  for (const path of paths) lines += (files.get(path) ?? "").split("\n").length - 1;
  return lines;
}

/** The six scripts of the mission and what they import, without the signing files and the tables. */
export function missionFiles(files: Texts): Set<string> {
  const paths = new Set(MISSION.flatMap((path) => [...closureOf(path, files)]));
  for (const path of [...SIGNING, ...TABLES]) paths.delete(path);
  return paths;
}

function inOrder(paths: string[], order: string[]): string[] {
  return [...order.filter((path) => paths.includes(path)), ...paths.filter((path) => !order.includes(path))];
}

function thousands(number: number): string {
  return number.toLocaleString("en-US");
}

function sizes(files: Texts): string {
  const paths = [...files.keys()];
  const scripts = paths.filter((path) => path.startsWith("scripts/"));
  const longest = Math.max(...paths.map((path) => linesOf(files, [path])));
  return (
    `${thousands(linesOf(files, paths))} lines in all, comments and blank lines included: ${scripts.length} ` +
    `scripts and ${paths.length - scripts.length} files that they share.\n` +
    `${thousands(linesOf(files, TABLES))} of the lines are tables of words and numbers. The longest file has ` +
    `${longest}; no line has more than 110 columns.`
  );
}

function scriptTable(files: Texts): string {
  const rows = inOrder(
    [...files.keys()].filter((path) => path.startsWith("scripts/")),
    SCRIPT_ORDER,
  ).map((path) => {
    const { run, purpose, costs: price } = headerOf(path, files.get(path) ?? "");
    const [, name = "", options = ""] = /^(\w+)\.ts ?(.*)$/.exec(run) ?? [];
    return `| [${name}](${path}) | ${purpose} | ${price} | ${options === "" ? "" : `\`${options}\``} |`;
  });
  return ["| script | what it does | costs | options |", "|---|---|---|---|", ...rows].join("\n");
}

/** Files with those that no ring names at the end of the last one. */
function ringsOf(files: Texts): Ring[] {
  const named = RINGS.flatMap((one) => one.files);
  const others = [...files.keys()].filter((path) => !named.includes(path));
  return RINGS.map(({ name, files: list }, index) => ({
    name,
    files: [...list.filter((path) => files.has(path)), ...(index === RINGS.length - 1 ? others : [])],
  }));
}

function rings(files: Texts): string {
  let sum = 0;
  const rows = ringsOf(files).map(({ name, files: paths }, index) => {
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
  return ringsOf(files).flatMap(({ name, files: paths }, index) => [
    `${index === 0 ? "" : "\n"}Ring ${index + 1}. ${name}.\n`,
    "| | file | lines | what it is |",
    "|---|---|---|---|",
    ...paths.map((path) => {
      number += 1;
      const [top] = (files.get(path) ?? "").split(/\n(?!\/\/ )/);
      const says = top
        .replace(/^\/\/ /gm, "")
        .replaceAll("\n", " ")
        .split(/[.:](?= |$)/)[0]
        .replace(/ \([^)]*$/, "");
      return `| ${number} | [${path}](../${path}) | ${linesOf(files, [path])} | ${says} |`;
    }),
  ]).join("\n");
}

/** What an owner may leave out, and what is read beside the code. */
function lessToRead(files: Texts): string {
  const [needed] = readFileSync(new URL("docs/protocol.md", PROJECT), "utf8").split("\n## 9. ");
  return (
    `Ring 4 follows sections 1 to 8 of [docs/protocol.md](docs/protocol.md), ${needed.split("\n").length} lines ` +
    `more. If you want no\ncommand but the amps, delete ` +
    `${DELETABLE.map((path) => `\`${path.replace(/^.*\//, "")}\``).join(", ")} ` +
    `(${linesOf(files, DELETABLE)}\nlines) and \`${DELETABLE_EXAMPLE}\`, which needs them.`
  );
}

function costs(): string {
  const dollars = (amount: number): string => `$${amount.toFixed(2)}`;
  const month = (data: number, command: number, wake = 0): string =>
    dollars(30 * (data * PRICES.data + command * PRICES.command + wake * PRICES.wake));
  const rows: [string, string, string][] = [
    ["the README's crontab: read_charge twice a day, refresh_token", "2 data requests", month(2, 0)],
    ["read_charge once a day, car awake", "1 data request", month(1, 0)],
    [
      "wake_up and read_charge once a day (awake after 20 s: 4 polls)",
      "1 wake, 5 data requests",
      month(5, 0, 1),
    ],
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
  const where: Record<string, string> = {
    "login page": "Tesla's login page",
    "/oauth2/v3/token": "token host",
    "/.well-known/": "your domain",
    "/partner_accounts": "registration",
    "/vehicles/": "a call about a car",
    "/signed_command": "signed command",
    "/command/": "unsigned command",
    command: "command",
    "": "any call",
  };
  const rows = EXPLANATIONS.map(([place, status, text, exit, means, todo]) => {
    const classes: Record<number, string> = { 300: "3xx (a redirect)", 500: "5xx" };
    const number = classes[status] ?? (status > 0 ? String(status) : "");
    const seen = [number, text === "" ? "" : `"${text}"`].filter((word) => word !== "").join(" ");
    const none = status === 0 && place !== "login page" ? "no answer" : "any other answer";
    return `| ${seen || none} | ${where[place] ?? place} | ${means} | ${todo} | ${exit} |`;
  });
  return ["| you see | from | it means | do this | exit |", "|---|---|---|---|---|", ...rows].join("\n");
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
    const [before] = source.split(new RegExp(`^ .*\\b${name}: {`, "m"));
    return [...before.matchAll(/^ {2}\/\/ (.*)$/gm)].at(-1)?.[1] ?? "";
  };
  const add = (table: string, head: string[], row: string): void => {
    tables.set(table, [...(tables.get(table) ?? head), row]);
  };
  for (const line of commandList().trimEnd().split("\n")) {
    const [, name, words = "", scope] = /^(\w+) {2}\{(.*)\} {2}(\w+)$/.exec(line) ?? [];
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
  const rows = ["read_climate", "set_charge_limit", "read_powerwall", "solar_loop"].map((name) => {
    const path = `examples/${name}.ts`;
    const header = headerOf(`scripts/${name}.ts`, read(path).replace("npx tsx examples/", "npx tsx scripts/")
      .replace(/(\/\/ {3}run [^\n]+\n)\/\/\n(\/\/ [^\n]+\n)+/, "$1"));
    const [purpose, origin = ""] = header.purpose.split(" Copied from ");
    const script = origin.split(":")[0];
    const code = (text: string): string[] => text.split("\n").filter((line) => !/^\s*(\/\/.*)?$/.test(line));
    const original = script === "" ? [] : code(read(script));
    const lines = code(read(path));
    const changed = lines.filter((line) => !original.includes(line)).length;
    const isOwn = script === "";
    const copied = isOwn ? `a file of its own, ${lines.length} lines` : `${script}: ${changed} of ${lines.length}`;
    return `| [${header.run}](../${path}) | ${purpose} | ${copied} | ${header.costs} |`;
  });
  return ["| example | what it does | copied from, lines of code that differ | costs |", "|---|---|---|---|",
    ...rows].join("\n");
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
    "less to read": lessToRead(files),
    "reading order": readingOrder(files),
    costs: costs(),
    "node lines": nodeLines(files),
    "deno lines": denoLines(files),
    troubleshooting: troubleshooting(),
    faults: faults(),
    commands: commands(files),
    examples: examples(),
    solar: solar(),
  };
}

/** README.md and the pages of docs/, by path. */
export function documents(): Texts {
  const pages = readdirSync(new URL("docs", PROJECT)).filter((name) => name.endsWith(".md")).sort();
  const paths = ["README.md", ...pages.map((name) => `docs/${name}`)];
  return new Map(paths.map((path) => [path, readFileSync(new URL(path, PROJECT), "utf8")]));
}

/** The documents with their generated parts as they must be. Throws an Error when a part has no place. */
export function withParts(texts: Texts, parts: Record<string, string>): Texts {
  const wanted = new Map(texts);
  for (const [name, text] of Object.entries(parts)) {
    const between = new RegExp(`(<!-- ${name} -->\\n)[^]*?(<!-- /${name} -->)`);
    const places = [...wanted].filter(([, page]) => between.test(page));
    if (places.length !== 1) throw new Error(`<!-- ${name} --> stands in ${places.length} documents, not in 1`);
    for (const [path, page] of places) {
      wanted.set(path, page.replace(between, (_, start: string, end: string) => `${start}${text}\n${end}`));
    }
  }
  return wanted;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const texts = documents();
  for (const [path, text] of withParts(texts, generatedParts(auditedFiles()))) {
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
