// The scripts as plain JavaScript, so that a test starts one in a quarter of the time that tsx takes for it.
// Only for a Node that does not read TypeScript by itself (20); a newer one runs the .ts files as they are.
//
// esbuild, which tsx brings along, takes the types out. Each import names the .js file, and the header is put
// back on top, since --help prints it. The folder is named after the hash of all that goes into it: it is
// never stale, and test files that start together make the same one without waiting for each other.
import { createHash } from "node:crypto";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

interface Esbuild {
  buildSync: (options: Record<string, unknown>) => { outputFiles: { path: string; text: string }[] };
}

const PROJECT = fileURLToPath(new URL("../..", import.meta.url));
const FOLDERS = ["lib", "scripts", "examples"];
const DAY_MS = 86_400_000;
const readsTypes = Boolean((process.features as { typescript?: unknown }).typescript);
const require = createRequire(createRequire(import.meta.url).resolve("tsx")); // esbuild is tsx's, not ours
const done = new Map<string, string>();

function sourcesOf(root: string): string[] {
  const found = FOLDERS.filter((name) => existsSync(join(root, name))).flatMap((name) =>
    readdirSync(join(root, name), { recursive: true }).map((path) => join(root, name, String(path))),
  );
  return found.filter((path) => path.endsWith(".ts")).sort();
}

function compile(root: string, sources: string[], target: string): void {
  const { buildSync } = require("esbuild") as Esbuild;
  const { outputFiles } = buildSync({
    entryPoints: sources,
    outbase: root,
    outdir: target,
    write: false,
    format: "esm",
    platform: "node",
    target: "node20",
    absWorkingDir: root,
    tsconfigRaw: { compilerOptions: { verbatimModuleSyntax: true } },
  });
  for (const { path, text } of outputFiles) {
    const source = readFileSync(join(root, relative(target, path).replace(/js$/, "ts")), "utf8");
    const [header = ""] = source.split(/\n(?!\/\/)/);
    const code = text.replace(/^((?:import|export|\}).*["'](?:\.\.?\/)[^"']+\.)ts(?=["'];$)/gm, "$1js");
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, `${header.startsWith("//") ? header : ""}\n${code}`);
  }
  cpSync(join(root, "package.json"), join(target, "package.json"));
}

// Others may make the same folder at the same time: each makes its own, and the first to finish gives the name.
function cached(sources: string[]): string {
  const hash = createHash("sha256");
  for (const path of [...sources, fileURLToPath(import.meta.url), require.resolve("esbuild/package.json")]) {
    hash
      .update(`${relative(PROJECT, path)}\0`)
      .update(readFileSync(path))
      .update("\0");
  }
  const cache = join(PROJECT, "node_modules", ".cache", "scripts");
  const target = join(cache, hash.digest("hex").slice(0, 16));
  if (existsSync(target)) return target;
  const own = `${target}.${process.pid}`;
  compile(PROJECT, sources, own);
  try {
    renameSync(own, target);
  } catch (error) {
    rmSync(own, { recursive: true, force: true });
    if (!existsSync(target)) throw error;
  }
  for (const name of readdirSync(cache)) {
    const path = join(cache, name);
    const made = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now();
    if (Date.now() - made > DAY_MS) rmSync(path, { recursive: true, force: true });
  }
  return target;
}

/** The file with which plain node starts this script of the project, or of a copy of it. */
export function plainFile(script: string): string {
  const file = resolve(script);
  if (readsTypes) return file;
  const root = dirname(dirname(file));
  let target = done.get(root);
  if (target === undefined) {
    const isProject = resolve(PROJECT) === root;
    target = isProject ? cached(sourcesOf(root)) : join(root, "compiled");
    if (!isProject) compile(root, sourcesOf(root), target); // a copy goes away with what is in it
    done.set(root, target);
  }
  return join(target, relative(root, file)).replace(/ts$/, "js");
}
