// The command lines that hold each script to its header, derived from the header and, for Deno, from the names
// of the settings that the script reads. test/rules/sandbox.test.ts and test/rules/deno.test.ts run them, and `npm run
// readme` prints them into docs/security.md. It runs nothing itself.
import { FLEET_API, TOKEN_HOST } from "../../lib/hosts.ts";
import { closureOf, headerOf, type Texts } from "./project_rules.ts";

export interface Sandbox {
  script: string; // its path
  reads: string[];
  writes: string[];
  contacts: string[]; // hosts, TESLA_DOMAIN and TESLA_PROXY_URL by these names
  listens: string[]; // addresses with port
  settings: string[]; // names of environment variables
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

/** What the header of a script allows it. */
export function sandboxOf(script: string, files: Texts): Sandbox {
  const { reads, writes, contacts } = headerOf(script, files.get(script) ?? "");
  const words = contacts.join(", ");
  const closure = [...closureOf(script, files)];
  const settings = closure.flatMap((path) => {
    // lib/settings.ts names them all; there only what it reads itself counts
    const name = path === "lib/settings.ts" ? /readSettings\(\["(TESLA_[A-Z_]+)"\]\)/g : /"(TESLA_[A-Z_]+)"/g;
    return [...(files.get(path) ?? "").matchAll(name)].map(([, found = ""]) => found);
  });
  return {
    script,
    reads,
    writes,
    contacts: [
      ...(words.includes("TESLA_DOMAIN") ? ["TESLA_DOMAIN"] : []),
      ...(words.includes("token host") ? hostNames(TOKEN_HOST) : []),
      ...(words.includes("Fleet API") ? hostNames(FLEET_API) : []),
      ...(words.includes("TESLA_PROXY_URL") ? ["TESLA_PROXY_URL"] : []),
    ],
    listens: closure.includes("lib/loopback_server.ts") ? (PORTS[script] ?? []) : [],
    settings: [...new Set(settings)].sort(),
  };
}

/** Arguments of `deno run`. `own` gives the owner's hosts by setting; one that is not given is left out. */
export function denoArguments(sandbox: Sandbox, own: Record<string, string> = {}): string[] {
  const { reads, writes, contacts, listens, settings } = sandbox;
  const hosts = contacts
    .map((name) => (name.startsWith("TESLA_") ? (own[name] ?? "") : name))
    .filter((name) => name !== "");
  const list = (name: string, items: string[]): string[] =>
    items.length === 0 ? [] : [`--allow-${name}=${items.join(",")}`];
  const online = contacts.length > 0;
  return [
    "--no-prompt",
    ...list("net", [...hosts, ...listens]),
    ...list("read", reads),
    ...list("write", writes),
    ...list("env", [...settings, ...(online ? UNDICI_NAMES : [])]),
  ];
}

/** Arguments of `node --permission`. `project` is the folder in which the code lies; Node has no list of hosts. */
export function nodeArguments({ reads, writes }: Pick<Sandbox, "reads" | "writes">, project = ""): string[] {
  const code = ["lib", "scripts", "node_modules", "package.json"].map((name) => project + name);
  return [
    "--permission",
    ...[...code, ...reads].map((file) => `--allow-fs-read=${file}`),
    ...writes.map((file) => `--allow-fs-write=${file}`),
  ];
}

/** One line for each script; what all of them need is named once. */
export function nodeLines(files: Texts): string {
  const common = nodeArguments({ reads: [], writes: [] });
  const lines = [...files.keys()]
    .filter((path) => path.startsWith("scripts/"))
    .map((script) => `run ${nodeArguments(sandboxOf(script, files)).slice(common.length).join(" ")} ${script}`);
  return ["```", `run() { node ${common.join(" ")} "$@"; }`, "", ...lines, "```"].join("\n");
}

function quoted(word: string): string {
  return word.includes("[") ? `"${word}"` : word; // brackets are a pattern to some shells
}

/** One line for each script, to be pasted into a shell; hosts that several of them need are named once. */
export function denoLines(files: Texts): string {
  const fleet = hostNames(FLEET_API).join(",");
  const token = hostNames(TOKEN_HOST).join(",");
  const common = UNDICI_NAMES.join(",");
  const lines = [...files.keys()]
    .filter((path) => path.startsWith("scripts/"))
    .map((script) => {
      const sandbox = sandboxOf(script, files);
      const own: Record<string, string> = { TESLA_DOMAIN: "$DOMAIN" };
      const words = denoArguments(sandbox, own).slice(1).map(quoted).join(" ");
      const short = words.replace(fleet, "$FLEET").replace(token, "$TOKEN").replace(common, "$UNDICI");
      return `run ${short} ${script}`;
    });
  return [
    "```",
    `FLEET=${fleet}`,
    `TOKEN=${token}`,
    `UNDICI=${common} DOMAIN=YOUR.DOMAIN`,
    'run() { deno run --no-prompt "$@"; }',
    "",
    ...lines,
    "```",
  ].join("\n");
}
