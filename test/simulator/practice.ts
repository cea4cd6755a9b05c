// `npm run practice`: starts the simulated Tesla and opens your own shell in a temporary folder, where the
// commands of the README work as they stand: .env is filled in, and what the scripts send to Tesla reaches
// the simulator on this computer. The commands car, fail and bill play the world. Leaving the shell ends the
// simulator and removes the folder. Without a terminal the shell carries out what comes on standard input.
//
//   --key-port N     where serve_public_key is to listen (8080, or a free one)
//   --login-port N   where get_token listens for the browser (3000, or a free one)

import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { rmSync } from "node:fs";
import { parseArgs } from "node:util";
import { startControl } from "./practice_control.ts";
import { makePracticeFolder } from "./practice_folder.ts";
import { ownShell, startOf, writeJoin } from "./practice_shell.ts";
import { freePort, isFree } from "./server/server.ts";
import { startSimulator } from "./simulator.ts";
import { CLIENT_ID, CLIENT_SECRET, DOMAIN, REGION, VIN } from "./tesla/tesla.ts";

const SETTINGS = [
  "CLIENT_ID", "CLIENT_SECRET", "REDIRECT_URI", "REGION", "DOMAIN", "VIN", "COMMANDS", "SCOPES",
].map((name) => `TESLA_${name}`);
const KEY_PORT = 8080; // of serve_public_key
const LOGIN_PORT = 3000; // of TESLA_REDIRECT_URI

if (process.env.TESLA_PRACTICE !== undefined) {
  console.error("error: this is a practice shell already; leave it with exit");
  process.exit(2);
}

function readOptions() {
  try {
    const options = { "key-port": { type: "string" }, "login-port": { type: "string" } } as const;
    return parseArgs({ options }).values;
  } catch (error) {
    console.error(`error: ${error instanceof Error ? error.message : String(error)}`);
    process.exit(2);
  }
}

async function portNear(usual: number): Promise<number> {
  return (await isFree(usual)) ? usual : freePort();
}

/** The environment as it was before npm, and without settings of the scripts, which would win over .env. */
function ownEnvironment(): Record<string, string> {
  const found: Record<string, string> = {};
  const isNpm = process.env.npm_lifecycle_event !== undefined;
  for (const [name, value = ""] of Object.entries(process.env)) {
    if (isNpm && /^(npm_.*|INIT_CWD|NODE)$/.test(name)) continue;
    if (SETTINGS.includes(name) || name === "BASH_ENV") continue;
    if (!isNpm || name.toUpperCase() !== "PATH") found[name] = value;
    else {
      const mark = process.platform === "win32" ? ";" : ":";
      const added = /[\\/]node_modules[\\/]\.bin$|node-gyp-bin$/;
      found[name] = value.split(mark).filter((entry) => !added.test(entry)).join(mark);
    }
  }
  return found;
}

const values = readOptions();
const isTerminal = process.stdin.isTTY === true;
const simulator = await startSimulator();
const control = await startControl(simulator);
const loginPort = Number(values["login-port"] ?? (await portNear(LOGIN_PORT)));
const keyPort = Number(values["key-port"] ?? (await portNear(KEY_PORT)));
const redirect = `http://localhost:${loginPort}/callback`;
simulator.account.redirectUris.push(redirect);
simulator.partner.hosting = { kind: "tunnel", port: keyPort };
const folder = makePracticeFolder({
  TESLA_CLIENT_ID: CLIENT_ID,
  TESLA_CLIENT_SECRET: CLIENT_SECRET,
  TESLA_REDIRECT_URI: redirect,
  TESLA_REGION: REGION,
  TESLA_DOMAIN: DOMAIN,
  TESLA_VIN: VIN,
});
const removeFolder = () => rmSync(folder.top, { recursive: true, force: true, maxRetries: 5 });
process.on("exit", removeFolder);

async function end(exitCode: number): Promise<void> {
  await control.close();
  await simulator.close();
  removeFolder();
  if (isTerminal) console.log("The practice is over, and its folder is removed.");
  process.exit(exitCode);
}

let child: ChildProcess | undefined;
process.stdout.on("error", () => {}); // the terminal may be gone at the end
process.on("SIGINT", () => {}); // Ctrl-C is for the shell and what it runs
for (const signal of ["SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    child?.kill("SIGHUP");
    setTimeout(() => void end(1), child ? 2000 : 0); // a shell that does not end
  });
}

const own = ownEnvironment();
const set: Record<string, string> = {
  ...simulator.env,
  NODE_OPTIONS: [
    own.NODE_OPTIONS ?? "",
    simulator.env.NODE_OPTIONS,
    `--import=${new URL("practice_preload.mjs", import.meta.url).href}`,
  ].join(" ").trim(),
  TESLA_PRACTICE: control.url,
  TESLA_PRACTICE_TOKEN: control.token,
  TESLA_PRACTICE_PAGES: simulator.loginUrl,
};
const wanted = { set, unset: SETTINGS, isTerminal };
const shell = startOf(ownShell(), wanted, folder);
const pathName = Object.keys(own).find((name) => name.toUpperCase() === "PATH") ?? "PATH";
const delimiter = process.platform === "win32" ? ";" : ":";
const path = `${folder.commands}${delimiter}${own[pathName] ?? ""}`;
const port = keyPort === KEY_PORT ? "" : ` --port ${keyPort}`;
const inBackground = process.platform === "win32"
  ? `Start-Process -NoNewWindow npx.cmd "tsx scripts/serve_public_key.ts${port}"`
  : `npx tsx scripts/serve_public_key.ts${port} &`;

console.log(`Practice: a simulated Tesla on this computer. Scripts run in this shell reach it, not the real one.
You are in a temporary folder with .env filled in. Try the set-up of the README, from the keys on:
  npx tsx scripts/generate_key.ts
  ${inBackground}
  npx tsx scripts/register_partner.ts       then get_token.ts, list_vehicles.ts, and so on
  npx tsx scripts/check_setup.ts            says what comes next
You play the world:  car asleep, car awake, car pair, car unpair (car alone: how it is),
                     fail NAME (fail alone: the names; fail off), bill
A second terminal joins with:  ${writeJoin(shell, wanted, folder)}
exit or Ctrl-D ends the simulated Tesla and removes the folder.
`);

child = spawn(shell.program, shell.args, {
  cwd: folder.work,
  env: { ...own, ...set, ...shell.env, [pathName]: path },
  stdio: "inherit",
});

child.on("error", (error) => {
  console.error(`error: ${shell.program} does not start: ${error.message}`);
  void end(1);
});
child.on("exit", (code) => void end(isTerminal ? 0 : (code ?? 1)));
