// The command lines that hold each script to its header, derived from the header and, for Deno, from the
// names of the settings that the script reads. `npm run sandbox -- read_charge` prints those of a script, and
// test/rules/sandbox.test.ts and test/rules/deno.test.ts run them. Nothing is run here.
import { pathToFileURL } from "node:url";
import { FLEET_API, TOKEN_HOST } from "../../lib/hosts.ts";
import { closureOf, headerOf, type Texts } from "./project_rules.ts";
import { auditedFiles, scriptNames } from "./script_list.ts";

export interface Sandbox {
  script: string; // its path
  reads: string[];
  writes: string[];
  contacts: string[]; // hosts, and TESLA_DOMAIN by this name
  listens: string[]; // addresses with port
  settings: string[]; // names of environment variables
  system: string[]; // what it asks the system: a lock says how long the machine has been up
}

// What undici looks for and will not do without; neither needs to be set.
export const UNDICI_NAMES = ["JEST_WORKER_ID", "UNDICI_NO_WASM_SIMD"];
const PORTS: Record<string, string[]> = {
  "scripts/get_token.ts": ["127.0.0.1:3000", "[::1]:3000"], // of TESLA_REDIRECT_URI's default
  "scripts/serve_public_key.ts": ["127.0.0.1:8080"], // of --port's default
};

function hostNames(origins: Record<string, string>): string[] {
  return [...new Set(Object.values(origins).map((origin) => new URL(origin).host))];
}

// The settings that these files name, and those of a list of lib/settings.ts that they name. That file itself
// names all; of it only what it reads by itself counts, for the address of pairing.
function settingsOf(closure: string[], files: Texts): string[] {
  const settings = files.get("lib/settings.ts") ?? "";
  const others = closure.filter((path) => path !== "lib/settings.ts").map((path) => files.get(path) ?? "");
  const lists = [...settings.matchAll(/^export const (\w+)[^;]*?= \[([^;]*)\];/gm)]
    .filter(([, name = ""]) => others.some((text) => text.includes(name)))
    .map(([, , list = ""]) => list);
  const pairing = closure.includes("lib/settings.ts")
    ? (settings.split("function pairingAddress").at(1) ?? "")
    : "";
  const found = [...others, ...lists, pairing].flatMap((text) => [...text.matchAll(/"(TESLA_[A-Z_]+)"/g)]);
  return [...new Set(found.map(([, name = ""]) => name))].sort();
}

/** What the header of a script allows it. */
export function sandboxOf(script: string, files: Texts): Sandbox {
  const { reads, writes, contacts } = headerOf(script, files.get(script) ?? "");
  const words = contacts.join(", ");
  const closure = [...closureOf(script, files)];
  return {
    script,
    reads,
    writes,
    contacts: [
      ...(words.includes("TESLA_DOMAIN") ? ["TESLA_DOMAIN"] : []),
      ...(words.includes("token host") ? hostNames(TOKEN_HOST) : []),
      ...(words.includes("Fleet API") ? hostNames(FLEET_API) : []),
    ],
    listens: closure.includes("lib/loopback_server.ts") ? (PORTS[script] ?? []) : [],
    settings: settingsOf(closure, files),
    system: closure.includes("lib/safe_file.ts") ? ["osUptime"] : [],
  };
}

/** Arguments of `deno run`. `own` gives the owner's hosts by setting; one that is not given is left out. */
export function denoArguments(sandbox: Sandbox, own: Record<string, string> = {}): string[] {
  const { script, reads, writes, contacts, listens, settings, system } = sandbox;
  const hosts = contacts
    .map((name) => (name.startsWith("TESLA_") ? (own[name] ?? "") : name))
    .filter((name) => name !== "");
  const list = (name: string, items: string[]): string[] =>
    items.length === 0 ? [] : [`--allow-${name}=${items.join(",")}`];
  const online = contacts.length > 0;
  return [
    "--no-prompt",
    ...list("net", [...hosts, ...listens]),
    ...list("read", [script, ...reads]), // it reads its own header for --help
    ...list("write", writes),
    ...list("env", [...settings, ...(online ? UNDICI_NAMES : [])]),
    ...list("sys", system),
  ];
}

/** Arguments of `node --permission`. `project` is the folder in which the code lies; Node has no list of
 * hosts. */
export function nodeArguments({ reads, writes }: Pick<Sandbox, "reads" | "writes">, project = ""): string[] {
  const code = ["lib", "scripts", "node_modules", "package.json"].map((name) => project + name);
  return [
    "--permission",
    ...[...code, ...reads].map((file) => `--allow-fs-read=${file}`),
    ...writes.map((file) => `--allow-fs-write=${file}`),
  ];
}

function quoted(word: string): string {
  return /[[\]<>]/.test(word) ? `"${word}"` : word; // brackets are a pattern to some shells
}

/** What `npm run sandbox -- NAME` prints: the line for Node and the one for Deno. Throws an Error for no
 * script. */
export function sandboxText(name: string, files: Texts): string {
  const names = scriptNames(files);
  if (!names.includes(name)) throw new Error(`npm run sandbox -- NAME, which is one of: ${names.join(", ")}`);
  const script = `scripts/${name}.ts`;
  const sandbox = sandboxOf(script, files);
  const deno = denoArguments(sandbox, { TESLA_DOMAIN: "YOUR.DOMAIN" }).map(quoted);
  return [
    "Node 22.18 or later holds it to these files (on Node 26 add --allow-net):",
    ["node", ...nodeArguments(sandbox), script].join(" "),
    "",
    "Deno 2 holds it to these files, hosts and settings:",
    ["deno run", ...deno, script].join(" "),
    "",
  ].join("\n");
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  try {
    process.stdout.write(sandboxText((process.argv[2] ?? "").replaceAll("-", "_"), auditedFiles()));
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
    process.exitCode = 2;
  }
}
