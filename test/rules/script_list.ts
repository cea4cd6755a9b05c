// The one list of scripts beside their headers: the order in which to read them, and what a test gives those
// that take words. What a script reads, writes, contacts and costs is said in its header alone. A script that
// is not here is read last, and is run without words: adding one that only reads changes nothing in this
// file.
import { readdirSync, readFileSync } from "node:fs";
import { importsOf, type Texts } from "./project_rules.ts";

export const PROJECT = new URL("../../", import.meta.url);

// Each ring can be the last that somebody reads. The files of lib/ come with the first script that needs
// them.
const RINGS: { name: string; scripts: string[] }[] = [
  {
    name: "**One read**: the fetch helper, and a script that uses it",
    scripts: ["read_charge", "list_vehicles", "wake_up"],
  },
  {
    name: "**Login and refresh**: where your tokens come from and how they are kept",
    scripts: ["refresh_token", "get_token"],
  },
  {
    name: "**Setup**: key pair, domain and registration",
    scripts: ["generate_key", "serve_public_key", "register_partner"],
  },
  { name: "**Signing**: one command, signed", scripts: ["set_charge_amps"] },
  {
    name: "**The rest**: what you may never need",
    scripts: ["check_setup", "send_command", "call_api", "telemetry_config"],
  },
];

// What a test gives the scripts that need words, or that would otherwise wait for somebody or find all done.
const WORDS: Record<string, string[]> = {
  get_token: ["--force"],
  set_charge_amps: ["11"],
  send_command: ["charge_stop"],
  call_api: ["GET", "/api/1/products"],
  telemetry_config: ["show"],
};

// These only say words and numbers.
export const TABLES = ["lib/advice.ts", "lib/signing/faults.ts", "lib/signing/commands.ts"];

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

export interface Ring {
  name: string;
  files: string[];
}

/** Every file once, ring by ring, each after those that it imports. */
export function inReadingOrder(files: Texts): Ring[] {
  const named = RINGS.flatMap(({ scripts }) => scripts);
  const isNew = (path: string): boolean => /^scripts\/(\w+)/.test(path) && !named.includes(path.slice(8, -3));
  const others = [
    ...[...files.keys()].filter(isNew),
    ...[...files.keys()].filter((path) => path.startsWith("lib/")),
  ];
  const seen = new Set<string>();
  const withImports = (path: string): string[] => {
    if (seen.has(path) || !files.has(path)) return [];
    seen.add(path);
    return [...importsOf(path, files.get(path) ?? "").flatMap(withImports), path];
  };
  return RINGS.map(({ name, scripts }, index) => {
    const paths = scripts.map((script) => `scripts/${script}.ts`);
    const isLast = index === RINGS.length - 1;
    return { name, files: [...paths, ...(isLast ? others : [])].flatMap(withImports) };
  });
}

/** The names of all scripts, in the order in which to read them. */
export function scriptNames(files: Texts): string[] {
  const paths = inReadingOrder(files).flatMap((ring) => ring.files);
  return paths
    .filter((path) => path.startsWith("scripts/"))
    .map((path) => path.slice("scripts/".length, -".ts".length));
}

/** Every script with words that a test may give it, in an order in which each finds what it needs: first the
 * setup from an empty folder, then the others. */
export function inRunningOrder(files: Texts): [string, ...string[]][] {
  const first = ["generate_key", "serve_public_key", "register_partner", "get_token"];
  const others = scriptNames(files).filter((name) => !first.includes(name));
  return [...first, ...others].map((name) => [name, ...wordsFor(name)]);
}

/** What a test may give a script, so that it does its usual job. */
export function wordsFor(name: string): string[] {
  return WORDS[name] ?? [];
}

/** The command of package.json for a script: it takes the tsx that is installed here, and no other. */
export function commandOf(name: string): [string, string] {
  const loader = "./node_modules/tsx/dist/loader.mjs";
  return [name.replaceAll("_", "-"), `node --import ${loader} scripts/${name}.ts`];
}
