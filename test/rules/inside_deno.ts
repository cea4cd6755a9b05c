// Runs every script, unchanged and without any preload, under Deno with exactly the command line of its
// header, in a namespace of its own in which Tesla's names lead to the simulator on port 443 of loopback.
// test/rules/deno.test.ts starts it there (unshare) and reads its lines: one JSON object for each case.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { startSimulator } from "../simulator/simulator.ts";
import { DOMAIN } from "../simulator/tesla/tesla.ts";
import { discard, type Ended, heldTo, newFolder, PROJECT, runHeld, stepsIn } from "./held.ts";
import { denoArguments, type Sandbox } from "./sandbox_lines.ts";

const [deno = "", cache = ""] = process.argv.slice(2);
const REDIRECT = "http://localhost:3000/callback"; // the default: its port is in the header's line
const simulator = await startSimulator({ port: 443 });
simulator.account.redirectUris.push(REDIRECT);
const folder = newFolder(REDIRECT);

function run(script: string, words: string[], change: (sandbox: Sandbox) => void = () => {}): Promise<Ended> {
  const sandbox = heldTo(script);
  sandbox.script = join(PROJECT, sandbox.script);
  change(sandbox);
  const own = denoArguments(sandbox, { TESLA_DOMAIN: DOMAIN });
  const command = [deno, "run", "--quiet", `--cert=${simulator.caFile}`, ...own, sandbox.script, ...words];
  const env = {
    PATH: process.env.PATH,
    HOME: folder,
    DENO_DIR: cache,
    NO_COLOR: "1",
    DENO_NO_UPDATE_CHECK: "1",
  };
  return runHeld(command, folder, env, simulator);
}

function tell(title: string, isRight: boolean, ended: Ended): void {
  console.log(JSON.stringify({ title, isRight, ...ended }));
}

for (const { script, words, code, said = "", before, after } of stepsIn(folder, simulator)) {
  before?.();
  const ended = await run(script, words);
  const isRight = ended.code === code && ended.said.includes(said);
  tell(
    `${code === 0 && !before ? "works" : "as it should be"}: ${[script, ...words].join(" ")}`,
    isRight,
    ended,
  );
  if (script === "serve_public_key")
    tell("serves the key", ended.said.includes("-----BEGIN PUBLIC KEY-----"), ended);
  after?.();
}
simulator.car.pair(readFileSync(join(folder, "public-key.pem"), "utf8"));

// Each kind of host left out in turn: Deno refuses it, nothing arrives, nothing is lost, and no outcome is
// unknown. The same for a file, and a write.
const token = readFileSync(join(folder, "tesla_token.json"), "utf8");
const LEFT_OUT: [string, "contacts" | "reads" | "writes", string, ...string[]][] = [
  ["read_charge", "contacts", "fleet-api.prd.eu"],
  ["refresh_token", "contacts", "fleet-auth"],
  ["set_charge_amps", "contacts", "fleet-api.prd.eu", "9"],
  ["register_partner", "contacts", "TESLA_DOMAIN"],
  ["wake_up", "contacts", "fleet-api.prd.eu"],
  ["read_charge", "reads", "tesla_token.json"],
  ["refresh_token", "writes", ""],
  ["refresh_token", "writes", ".new"],
  ["refresh_token", "writes", ".lock"],
];
for (const [script, kind, part, ...words] of LEFT_OUT) {
  const ended = await run(script, words, (sandbox) => {
    sandbox[kind] = sandbox[kind].filter((name) => !name.includes(part));
  });
  const isRefused = ![0, 8].includes(ended.code) && ended.sent === 0 && /^fix: /m.test(ended.said);
  tell(`${kind} left out: ${script} without "${part}"`, isRefused, ended);
}
const kept = readFileSync(join(folder, "tesla_token.json"), "utf8");
tell("the token file is as it was", kept === token, { code: 0, said: kept, sent: 0 });

await simulator.close();
discard(folder);
process.exit(0);
