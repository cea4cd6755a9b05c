// What `npm run bench` compares: the runtimes that are there, and the programs, each with the requests that
// it must make and the one that it is measured against.
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { PROJECT, VIN, type Owner } from "../support/owner.ts";

export interface Program {
  name: string;
  command: string[];
  requests: number; // that it must make
  floor?: string; // the name of the program that does the same with nothing around it
  nothing?: string; // the name of the one that does nothing
  before?: () => void; // each time, not measured
  env?: Record<string, string>; // besides what all of them get
}

export interface Runtime {
  name: string;
  path: string;
  readsTypes: boolean;
}

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
// An argument of the process that runs the script: NODE_OPTIONS would load it into npx and tsx's own
// processes too.
const PRELOAD = ["--import", pathToFileURL(here("../simulator/preload.mjs")).href];
export const HOST = "fleet-api.prd.eu.vn.cloud.tesla.com";
export const PATH = `/api/1/vehicles/${VIN}/vehicle_data?endpoints=charge_state`;

function answers(command: string, words: string[]): string {
  try {
    return execFileSync(command, words, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  } catch {
    return "";
  }
}

/** This Node, and those that npm has put into node_modules/.cache/runtimes or that the command line names. */
export function findRuntimes(more: string[]): { nodes: Runtime[]; deno: string | undefined } {
  const cache = join(PROJECT, "node_modules", ".cache", "runtimes");
  const cached = existsSync(cache) ? readdirSync(cache, { recursive: true, encoding: "utf8" }) : [];
  const found = cached.filter((path) => /(^|[\\/])bin[\\/]node$|@deno[\\/][^\\/]+[\\/]deno$/.test(path));
  const paths = [process.execPath, ...found.map((path) => join(cache, path)), ...more];
  const nodes = new Map<string, Runtime>();
  let deno: string | undefined;
  for (const path of paths) {
    const version = answers(path, ["--version"]);
    if (version.startsWith("deno")) deno = path;
    const [, major, minor] = /^v(\d+)\.(\d+)/.exec(version) ?? [];
    if (!major || nodes.has(`node ${major}`)) continue;
    const readsTypes = Number(major) > 22 || (Number(major) === 22 && Number(minor) >= 18);
    nodes.set(`node ${major}`, { name: `node ${major}`, path, readsTypes });
  }
  return { nodes: [...nodes.values()], deno };
}

export function programsOf(owner: Owner, { nodes, deno }: ReturnType<typeof findRuntimes>): Program[] {
  const own = nodes[0] ?? { name: "node", path: process.execPath, readsTypes: false };
  const script = (name: string): string => join(PROJECT, "scripts", `${name}.ts`);
  const programs: Program[] = [];
  // Compared with the floor of a Node: this one, unless it is told.
  const add = (
    name: string,
    requests: number,
    command: string[],
    node = own.name,
    more: Partial<Program> = {},
  ) =>
    programs.push({
      name,
      requests,
      command,
      floor: `${node}, bare https`,
      nothing: `${node} -e 0`,
      ...more,
    });

  for (const { name, path } of nodes) {
    programs.push({ name: `${name} -e 0`, command: [path, "-e", "0"], requests: 0 });
    add(`${name}, bare https`, 1, [path, here("bare_https.mjs")], name, { floor: undefined });
  }
  for (const { name, path } of nodes.filter(({ readsTypes }) => readsTypes)) {
    const command = [path, ...PRELOAD, script("read_charge")];
    add(`read_charge, ${name}`, 1, command, name);
    // Node's own cache of compiled code, on the disk; from Node 24 on it keeps code without its types too.
    const env = { NODE_COMPILE_CACHE: owner.path("compile_cache") };
    if (name !== "node 22") add(`read_charge, ${name}, NODE_COMPILE_CACHE`, 1, command, name, { env });
  }
  const loader = createRequire(import.meta.url).resolve("tsx");
  const bin = join(PROJECT, "node_modules", ".bin", "tsx");
  // npx looks for tsx in the folder in which it is run, as in an owner's folder.
  symlinkSync(join(PROJECT, "node_modules"), owner.path("node_modules"), "junction");
  copyFileSync(join(PROJECT, "package.json"), owner.path("package.json"));
  const ways = { "npx tsx": ["npx", "tsx"], tsx: [bin], "node --import tsx": [own.path, "--import", loader] };
  for (const [name, way] of Object.entries(ways)) {
    add(`read_charge, ${name} (${own.name})`, 1, [...way, ...PRELOAD, script("read_charge")]);
  }
  add(`import of undici alone, tsx (${own.name})`, 0, [bin, here("import_undici.ts")]);
  if (deno) {
    const allowed = ["--allow-read", "--allow-env", "--allow-sys", "--allow-net"];
    const words = ["run", "--quiet", "--no-lock", "--node-modules-dir=manual", ...allowed, "--preload"];
    add("read_charge, deno", 1, [deno, ...words, here("../simulator/preload.mjs"), script("read_charge")]);
  }

  // The other jobs, with the quickest way there is.
  const quick = nodes.find(({ readsTypes }) => readsTypes);
  const way = [...(quick ? [quick.path] : [own.path, "--import", loader]), ...PRELOAD];
  const { name, path } = quick ?? own;
  const amps = [...way, script("set_charge_amps"), "10"];
  const before = (): void => rmSync(owner.path("tesla_session.json"), { force: true });
  add(`set_charge_amps, session kept, ${name}`, 1, amps, name);
  add(`set_charge_amps, no session, ${name}`, 2, amps, name, { before });
  add(`refresh_token, ${name}`, 1, [...way, script("refresh_token")], name);
  add(`the simulator's preload alone, ${name}`, 0, [path, ...PRELOAD, "-e", "0"], name);

  if (answers("curl", ["--version"]) !== "") {
    const connect = [
      "--connect-to",
      `${HOST}:443:127.0.0.1:${owner.simulator.port}`,
      "--cacert",
      owner.simulator.caFile,
    ];
    const bearer = [
      "-H",
      `Authorization: Bearer ${owner.token().access_token}`,
      "-H",
      "Content-Type: application/json",
    ];
    add("curl", 1, ["curl", "-sS", "--fail", ...connect, ...bearer, `https://${HOST}${PATH}`]);
  }
  const python = answers("python3", ["-c", "import requests, sys; print(sys.executable)"]);
  if (python !== "") add("Python, requests", 1, [python, here("same_request.py")]);
  return programs;
}

/** The environment that all of them get. */
export function environmentOf(owner: Owner): Record<string, string | undefined> {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(TESLA_|NODE_|npm_|DENO_)/.test(name));
  return {
    ...Object.fromEntries(inherited),
    ...owner.simulator.env,
    NODE_OPTIONS: undefined,
    PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH}`,
    BENCH_HOST: HOST,
    BENCH_PATH: PATH,
    BENCH_BEARER: owner.token().access_token,
  };
}
