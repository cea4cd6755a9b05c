// `npm run practice`: starts the simulated Tesla and opens your own shell in a temporary folder, where the
// commands of the README work as they are: .env is filled in, and what the scripts send to Tesla reaches
// the simulator on this computer. The commands car, fail and bill simulate events. Leaving the shell ends the
// simulator and removes the folder. Without a terminal the shell carries out what comes on standard input.
//
//   --key-port N     where serve_public_key is to listen (8080, or a free one)
//   --login-port N   where get_token listens for the browser (3000, or a free one)
import { spawn, type ChildProcess } from "node:child_process";
import { rmSync } from "node:fs";
import { parseArgs } from "node:util";
import { freePort, isFree } from "../server.ts";
import { startSimulator } from "../simulator.ts";
import { settings } from "../tesla/tesla.ts";
import { startControl } from "./control.ts";
import { makePracticeFolder } from "./folder.ts";
import { ownShell, startOf, writeJoin } from "./shell.ts";

const SETTINGS = "CLIENT_ID CLIENT_SECRET REDIRECT_URI REGION DOMAIN VIN COMMANDS SCOPES"
  .split(" ")
  .map((name) => `TESLA_${name}`);
const KEY_PORT = 8080; // of serve_public_key
const LOGIN_PORT = 3000; // of TESLA_REDIRECT_URI
const isWindows = process.platform === "win32";
const delimiter = isWindows ? ";" : ":";
const isTerminal = process.stdin.isTTY === true;

let child: ChildProcess | undefined;
const undo: (() => unknown)[] = []; // what is left to be ended and removed, the last first

async function end(exitCode: number): Promise<never> {
  for (const one of undo.splice(0).reverse()) await one();
  process.exit(exitCode);
}

/** One line, and nothing is left behind. */
async function giveUp(what: string, problem: unknown, exitCode = 1): Promise<never> {
  const why = problem instanceof Error ? problem.message : String(problem);
  console.error(`error: ${what}: ${why.split("\n")[0]}`);
  return end(exitCode);
}

async function portNear(usual: number, wanted: string | undefined): Promise<number> {
  if (wanted !== undefined) return Number(wanted);
  return (await isFree(usual)) ? usual : freePort();
}

/** The environment as it was before npm, and without settings of the scripts, which would win over .env. */
function ownEnvironment(): Record<string, string> {
  const found: Record<string, string> = {};
  const isNpm = process.env.npm_lifecycle_event !== undefined;
  const added = /[\\/]node_modules[\\/]\.bin$|node-gyp-bin$/;
  for (const [name, value = ""] of Object.entries(process.env)) {
    if (SETTINGS.includes(name) || name === "BASH_ENV") continue;
    if (isNpm && /^(npm_.*|INIT_CWD|NODE)$/.test(name)) continue;
    const isPath = isNpm && name.toUpperCase() === "PATH";
    const entries = value.split(delimiter).filter((entry) => !added.test(entry));
    found[name] = isPath ? entries.join(delimiter) : value;
  }
  return found;
}

async function start(): Promise<ChildProcess> {
  const options = { "key-port": { type: "string" }, "login-port": { type: "string" } } as const;
  const wantedPorts = parseArgs({ options }).values;
  const simulator = await startSimulator();
  undo.push(() => simulator.close());
  const control = await startControl(simulator);
  undo.push(() => control.close());
  const loginPort = await portNear(LOGIN_PORT, wantedPorts["login-port"]);
  const keyPort = await portNear(KEY_PORT, wantedPorts["key-port"]);
  const redirect = `http://localhost:${loginPort}/callback`;
  simulator.account.redirectUris.push(redirect);
  simulator.partner.hosting = { kind: "tunnel", port: keyPort };
  const folder = makePracticeFolder(settings(redirect));
  const remove = () => rmSync(folder.top, { recursive: true, force: true, maxRetries: 5 });
  undo.unshift(remove); // last of all
  process.on("exit", remove);

  const own = ownEnvironment();
  const preload = `--import=${new URL("preload.mjs", import.meta.url).href}`;
  const set: Record<string, string> = {
    ...simulator.env,
    NODE_OPTIONS: `${own.NODE_OPTIONS ?? ""} ${simulator.env.NODE_OPTIONS} ${preload}`.trim(),
    TESLA_PRACTICE: control.url,
    TESLA_PRACTICE_TOKEN: control.token,
    TESLA_PRACTICE_PAGES: simulator.loginUrl,
    ...(isWindows ? { TESLA_PRACTICE_NODE: process.execPath } : {}),
  };
  const wanted = { set, unset: SETTINGS, isTerminal };
  const shell = startOf(ownShell(), wanted, folder);
  const pathName = Object.keys(own).find((name) => name.toUpperCase() === "PATH") ?? "PATH";
  const path = `${folder.commands}${delimiter}${own[pathName] ?? ""}`;
  const port = keyPort === KEY_PORT ? "" : ` --port ${keyPort}`;
  const serve = `tsx scripts/serve_public_key.ts${port}`;
  const inBackground = isWindows ? `Start-Process -NoNewWindow npx.cmd "${serve}"` : `npx ${serve} &`;

  console.log(`Practice: a simulated Tesla on this computer. Scripts run in this shell reach it, not the real one.
You are in a temporary folder with .env filled in. Try the setup in the README, from the keys on:
  npx tsx scripts/generate_key.ts
  ${inBackground}
  npx tsx scripts/register_partner.ts       then get_token.ts, list_vehicles.ts, and so on
  npx tsx scripts/check_setup.ts            says what comes next
Simulate events:     car asleep, car awake, car pair, car unpair (car alone: how it is),
                     fail NAME (fail alone: what there is; fail off), bill
A second terminal joins with:  ${writeJoin(shell, wanted, folder)}
exit or Ctrl-D ends the simulated Tesla and removes the folder.
`);
  const env = { ...own, ...set, ...shell.env, [pathName]: path };
  return spawn(shell.program, shell.args, { cwd: folder.work, env, stdio: "inherit" });
}

process.stdout.on("error", () => {}); // the terminal may be gone at the end
process.on("SIGINT", () => {}); // Ctrl-C is for the shell and what it runs
for (const signal of ["SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    child?.kill("SIGHUP");
    setTimeout(() => void end(1), child ? 2000 : 0); // a shell that does not end
  });
}

try {
  if (process.env.TESLA_PRACTICE !== undefined) {
    await giveUp("this is a practice shell already", "leave it with exit", 2);
  }
  child = await start();
  child.on("error", (error) => void giveUp(`${child?.spawnfile} does not start`, error));
  child.on("exit", (code) => {
    undo.unshift(() => isTerminal && console.log("The practice is over, and its folder is removed."));
    void end(isTerminal ? 0 : (code ?? 1));
  });
} catch (error) {
  const isUsage = String((error as { code?: unknown }).code).startsWith("ERR_PARSE_ARGS");
  await giveUp("practice does not start", error, isUsage ? 2 : 1);
}
