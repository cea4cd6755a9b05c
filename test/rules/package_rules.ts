// What package.json, package-lock.json and tsconfig.json may hold, as functions over their texts, each of
// which returns its complaints. All three decide which code runs: a name of a package can be made to lead
// elsewhere in each of them (aliases, overrides, imports, paths).

// What an owner installs, and @esbuild/*, esbuild's programs.
const INSTALLED = ["dotenv", "esbuild", "fsevents", "tsx", "undici"];
const REGISTRY = "https://registry.npmjs.org/";
// biome-ignore format: a list of names
const MANIFEST = [
  "name", "version", "description", "keywords", "repository", "bugs", "license", "private", "type", "engines",
  "scripts", "dependencies", "devDependencies",
];
// biome-ignore format: a list of names
const COMPILER = [
  "strict", "noUnusedLocals", "noUncheckedIndexedAccess", "target", "module", "noEmit",
  "allowImportingTsExtensions", "erasableSyntaxOnly", "verbatimModuleSyntax", "skipLibCheck", "types",
];

function extra(names: string[], allowed: string[], where: string): string[] {
  return names
    .filter((name) => !allowed.includes(name))
    .map((name) => `${where}: ${name} is not one of its fields`);
}

interface Manifest {
  scripts?: Record<string, string>;
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
}

/** package.json: exact versions, three packages for the owner, nothing that runs at an install. */
export function checkManifest(text: string): string[] {
  const manifest = JSON.parse(text) as Manifest;
  const { scripts = {}, dependencies = {}, devDependencies = {} } = manifest;
  const complaints = extra(Object.keys(manifest), MANIFEST, "package.json");
  for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies })) {
    if (!/^\d+\.\d+\.\d+$/.test(version))
      complaints.push(`package.json: ${name} ${version} is no exact version`);
  }
  const wanted = Object.keys(dependencies).sort().join(" ");
  if (wanted !== "dotenv tsx undici") complaints.push(`package.json: the owner installs ${wanted}`);
  for (const name of Object.keys(scripts)) {
    const isHook = /^(pre|post)|^(install|publish|dependencies|version|prepare)$/.test(name);
    if (isHook) complaints.push(`package.json: ${name} is run by npm itself`);
  }
  return complaints;
}

interface Entry {
  version?: string;
  resolved?: string;
  integrity?: string;
  dev?: boolean;
  optional?: boolean;
}

/** package-lock.json: each package is the one that its folder is named after, by its hash. */
export function checkLock(text: string): string[] {
  const { packages } = JSON.parse(text) as { packages: Record<string, Entry> };
  const complaints: string[] = [];
  for (const [path, entry] of Object.entries(packages)) {
    if (path === "") continue;
    const [name = ""] = path.split("node_modules/").slice(-1);
    const { version = "", resolved, integrity = "", dev } = entry;
    // biome-ignore format: a list of names
    const fields = [
      "version", "resolved", "integrity", "dev", "optional", "hasInstallScript", "license", "bin", "os",
      "cpu", "libc", "engines", "dependencies", "optionalDependencies", "funding",
    ];
    complaints.push(...extra(Object.keys(entry), fields, name)); // with name or link it is another package
    // Without the field npm asks its registry for the package by its name.
    const own = `${REGISTRY}${name}/-/${name.replace(/^@[^/]+\//, "")}-${version}.tgz`;
    if (resolved !== undefined && resolved !== own) complaints.push(`${name}: comes from ${resolved}`);
    if (!/^sha512-[A-Za-z0-9+/]{86}==$/.test(integrity)) complaints.push(`${name}: no hash`);
    if (!dev && !INSTALLED.includes(name) && !name.startsWith("@esbuild/")) {
      complaints.push(`${name}: the owner would install it`);
    }
  }
  return complaints;
}

/** tsconfig.json, which tsx obeys: these options and no other. With `paths`, dotenv could be another file. */
export function checkTsconfig(text: string): string[] {
  const config = JSON.parse(text) as { compilerOptions?: object };
  const options = Object.keys(config.compilerOptions ?? {});
  return [
    ...extra(Object.keys(config), ["compilerOptions", "include"], "tsconfig.json"),
    ...extra(options, COMPILER, "tsconfig.json"),
  ];
}

/** The files that decide what runs, of all files of the project: there is one of each, at the top. */
export function checkPlaces(paths: string[]): string[] {
  const names =
    "tsconfig[^/]*\\.json|jsconfig\\.json|deno\\.jsonc?|\\.npmrc|package\\.json|package-lock\\.json";
  const deciding = new RegExp(`(^|/)(${names}|npm-shrinkwrap\\.json|node_modules)(/|$)`);
  const known = ["tsconfig.json", ".npmrc", "package.json", "package-lock.json"];
  return paths
    .filter((path) => deciding.test(path) && !known.includes(path))
    .map((path) => `${path}: decides what runs, and stands where it is not looked for`);
}
