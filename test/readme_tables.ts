// `npm run readme`: writes the parts of README.md that are made from the code, between the markers
// <!-- NAME --> and <!-- /NAME -->: sizes, the table of scripts, the reading order, costs, troubleshooting,
// the commands as `send_command --list` prints them, the examples.
// With --check it changes nothing and tells what is out of date. test/rules.test.ts checks the same.
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";
import { EXPLANATIONS } from "../lib/explanations.ts";
import { FAULTS } from "../lib/faults.ts";
import { PRICES } from "../simulator/bill.ts";
import { closureOf, headerOf, type Texts } from "./project_rules.ts";
import { denoLines, nodeLines } from "./sandbox_lines.ts";

export const PROJECT = new URL("../", import.meta.url);
export const MISSION = [
  "get_token",
  "refresh_token",
  "register_partner",
  "read_charge",
  "set_charge_amps",
  "serve_public_key",
].map((name) => `scripts/${name}.ts`);
export const SIGNING = ["wire", "vehicle_key", "signed_message", "session", "faults", "signed_command"].map(
  (name) => `lib/${name}.ts`,
);

// From the ground up: a file comes after those that it imports. What is not named comes last.
const READING_ORDER = [
  "lib/command_line",
  "lib/hosts",
  "lib/settings",
  "lib/explanations",
  "lib/tesla_fetch",
  "lib/token_file",
  "scripts/read_charge",
  "scripts/list_vehicles",
  "scripts/wake_up",
  "lib/safe_file",
  "scripts/refresh_token",
  "lib/loopback_server",
  "lib/login_answer",
  "scripts/get_token",
  "scripts/generate_key",
  "lib/key_files",
  "scripts/serve_public_key",
  "lib/partner",
  "scripts/register_partner",
  "lib/wire",
  "lib/vehicle_key",
  "lib/faults",
  "lib/session",
  "lib/signed_message",
  "lib/signed_command",
  "lib/command",
  "scripts/set_charge_amps",
  "lib/checklist",
  "scripts/check_setup",
  "lib/commands",
  "lib/encode_command",
  "scripts/send_command",
  "scripts/call_api",
].map((name) => `${name}.ts`);
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
    for (const name of readdirSync(new URL(folder, PROJECT)).sort()) {
      const path = `${folder}/${name}`;
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

/** The six scripts of the mission and what they import, without the signing files. */
export function missionFiles(files: Texts): Set<string> {
  const paths = new Set(MISSION.flatMap((path) => [...closureOf(path, files)]));
  for (const path of SIGNING) paths.delete(path);
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
  const all = linesOf(files, paths);
  const own = linesOf(files, scripts);
  const longest = Math.max(...paths.map((path) => linesOf(files, [path])));
  return (
    `**${thousands(all)} lines** in all, comments and blank lines included: ${scripts.length} scripts ` +
    `(${thousands(own)} lines) and ${paths.length - scripts.length} files that they share\n` +
    `(${thousands(all - own)} lines). The longest file has ${longest} lines, and no line is longer than 110 ` +
    `characters. Signing commands takes\n${thousands(linesOf(files, SIGNING))} of them.`
  );
}

function scriptTable(files: Texts): string {
  const rows = inOrder(
    [...files.keys()].filter((path) => path.startsWith("scripts/")),
    SCRIPT_ORDER,
  ).map((path) => {
    const header = headerOf(path, files.get(path) ?? "");
    const contacts = /contacts  (.*)/.exec(files.get(path) ?? "")?.[1] ?? "";
    const list = (items: string[]): string => items.map((item) => `\`${item}\``).join(" ") || "nothing";
    return (
      `| \`${header.run}\` | ${header.purpose} | ${list(header.reads)} | ${list(header.writes)} ` +
      `| ${contacts} | ${header.costs} |`
    );
  });
  return [
    "| script | what it does | reads | writes | contacts | costs |",
    "|---|---|---|---|---|---|",
    ...rows,
  ].join("\n");
}

function readingOrder(files: Texts): string {
  const rows = inOrder([...files.keys()], READING_ORDER).map((path, index) => {
    const [top] = (files.get(path) ?? "").split(/\n(?!\/\/ )/);
    const says = top
      .replace(/^\/\/ /gm, "")
      .replaceAll("\n", " ")
      .split(/[.:](?= |$)/)[0]
      .replace(/ \([^)]*$/, "");
    return `| ${index + 1} | [${path}](${path}) | ${linesOf(files, [path])} | ${says} |`;
  });
  return ["| | file | lines | what it is |", "|---|---|---|---|", ...rows].join("\n");
}

function costs(): string {
  const dollars = (amount: number): string => `$${amount.toFixed(2)}`;
  const month = (data: number, command: number, wake = 0): string =>
    dollars(30 * (data * PRICES.data + command * PRICES.command + wake * PRICES.wake));
  const rows: [string, string, string][] = [
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
    "/signed_command": "signed command",
    command: "command",
    "": "any call",
  };
  const rows = EXPLANATIONS.map(([place, status, text, exit, means, todo]) => {
    const number = status > 0 ? String(status) : "";
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

/** The commands, by the headings that stand as comments in the table of lib/commands.ts. */
function commands(files: Texts): string {
  const rows = new Map<string, string[]>();
  const heading = (name: string): string => {
    const [before] = (files.get("lib/commands.ts") ?? "").split(new RegExp(`^ .*\\b${name}: {`, "m"));
    return [...before.matchAll(/^ {2}\/\/ (.*)$/gm)].at(-1)?.[1] ?? "";
  };
  for (const line of commandList().trimEnd().split("\n")) {
    const [, name, words, scope] = /^(\w+) {2}\{(.*)\} {2}(\w+)$/.exec(line) ?? [];
    const [, other, reason] = /^(\w+) {2}not signed: (.*)$/.exec(line) ?? [];
    const star = scope === "vehicle_charging_cmds" ? "\\*" : "";
    const row = other === undefined ? heading(name) : "not signed";
    const text = other === undefined ? `\`${name}\`${star} ${words}`.trimEnd() : `\`${other}\`: ${reason}`;
    rows.set(row, [...(rows.get(row) ?? []), text]);
  }
  const lines = [...rows].map(([row, texts]) => `| ${row} | ${texts.join("<br>")} |`);
  return ["| | |", "|---|---|", ...lines].join("\n");
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
    return `| [${header.run}](${path}) | ${purpose} | ${copied} | ${header.costs} |`;
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

/** The parts of README.md that are made from the code, by the name of their marker. */
export function generatedParts(files: Texts): Record<string, string> {
  return {
    sizes: sizes(files),
    scripts: scriptTable(files),
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

/** README.md with its generated parts as they must be. Throws an Error when a marker is missing. */
export function withParts(readme: string, parts: Record<string, string>): string {
  for (const [name, text] of Object.entries(parts)) {
    const between = new RegExp(`(<!-- ${name} -->\\n)[^]*?(<!-- /${name} -->)`);
    if (!between.test(readme))
      throw new Error(`README.md has no markers <!-- ${name} --> and <!-- /${name} -->`);
    readme = readme.replace(between, (_, start: string, end: string) => `${start}${text}\n${end}`);
  }
  return readme;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const file = new URL("README.md", PROJECT);
  const readme = readFileSync(file, "utf8");
  const wanted = withParts(readme, generatedParts(auditedFiles()));
  if (readme === wanted) console.log("README.md is up to date");
  else if (process.argv.includes("--check")) {
    console.log("README.md is out of date: npm run readme");
    process.exitCode = 1;
  } else {
    writeFileSync(file, wanted);
    console.log("README.md: generated parts renewed");
  }
}
