// `npm run simulator`: a Tesla to practise on, kept up until you type quit or press Ctrl+C. It prints how to
// point a shell at it, shows each request that arrives, and takes commands on standard input (type help). It
// changes no file of yours: what to put into .env is printed, for you to copy.
//
//   --keep FOLDER    keep the simulated Tesla there; started again with it, it goes on as it was, on the same
//                    ports, so that shells stay pointed at it (failures, requests and the bill are not kept)
//   --port N         listen on this port of 127.0.0.1 instead of a free one
//   --key-port N     where serve_public_key listens (8080)
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { startSimulator } from "./simulator.ts";
import { DOMAIN, settings, type SeenRequest } from "./tesla/tesla.ts";
import { play, requestLine } from "./world_commands.ts";

const HELP = `commands:
  fail                     the groups of failures that can be switched on
  fail GROUP               the failures of a group
  fail NAME [TIMES]        switch one on, for the next TIMES requests or until clear
  clear                    all failures off
  asleep | awake           let the car fall asleep, or wake it
  plug | unplug            the charging cable
  pair HEX_OR_FILE         put a public key on the car (pair alone: the key that the domain serves)
  unpair                   take all keys off the car
  reboot                   restart the car's computers (new epoch)
  clock SECONDS            move the clocks of the car's computers, back with a minus
  host FILE | tunnel PORT  what https://${DOMAIN}/ serves: a key file, or a local serve_public_key
  register                 register the domain at once, without register_partner (host or tunnel first)
  state                    what the car does now
  requests | bill          what has arrived, and what Tesla would charge for it
  quit`;

const options = {
  port: { type: "string" },
  "key-port": { type: "string" },
  keep: { type: "string" },
} as const;
const { values } = parseArgs({ options });
const { keep, port, "key-port": keyPort } = values;
const onRequest = (seen: SeenRequest) => console.log(requestLine(seen));
const started = { port: Number(port ?? 0), onRequest };
const simulator = await startSimulator(keep === undefined ? started : { ...started, keep }).catch((error) => {
  console.error(`error: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
});
// A new domain behaves like a tunnel to serve_public_key on its usual port.
if (!simulator.isResumed || keyPort !== undefined) {
  simulator.partner.hosting = { kind: "tunnel", port: Number(keyPort ?? 8080) };
}

async function run(line: string): Promise<void> {
  const words = line.trim().split(/\s+/);
  if (words[0] === "") return;
  if (words[0] === "quit") return stop();
  const lines = words[0] === "help" ? [HELP] : await play(simulator, words);
  console.log(lines.length === 0 ? "done" : lines.join("\n"));
}

async function stop(): Promise<void> {
  await simulator.close();
  if (keep !== undefined) {
    console.log(`Kept in ${keep}. To go on: npm run simulator -- --keep '${keep}'`);
    console.log("Shells that are pointed at the simulator stay so. When you are done with practising:");
  }
  console.log(`In the other terminal: unset NODE_OPTIONS (or close it). Delete the folder of practice: its
tokens, keys and .env are of no use with the real Tesla.`);
  process.exit(0);
}

const exports = Object.entries(simulator.env);
console.log("A simulated Tesla is up on 127.0.0.1. Nothing here reaches the real one.");
if (simulator.isResumed) {
  console.log(`It goes on as it was kept in ${keep}: a shell that was pointed at it still is.`);
}
console.log(`
1. In a second clone of this project (with npm ci), put this into .env:

${settings()}
2. Point a shell at the simulator. The scripts then run unchanged and reach nothing else.

bash, zsh:
${exports.map(([name, value]) => `export ${name}='${value}'`).join("\n")}

PowerShell:
${exports.map(([name, value]) => `$env:${name} = '${value}'`).join("\n")}

3. serve_public_key on port ${keyPort ?? 8080} counts as the tunnel behind https://${DOMAIN}.
   get_token prints a login address: in your browser, replace https://auth.tesla.com by ${simulator.loginUrl}
   The car is paired once you type: pair

Type help for commands. Requests are shown as they are answered.
`);

process.on("SIGINT", () => void stop());
process.on("SIGTERM", () => void stop());
// At the end of standard input the simulator stays up.
createInterface({ input: process.stdin, terminal: false }).on("line", (line) => {
  run(line).catch((problem: unknown) => console.log(problem instanceof Error ? problem.message : problem));
});
