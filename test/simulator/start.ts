// `npm run simulator`: a Tesla to practise on, kept up until you type quit or press Ctrl+C. It prints how to
// point a shell at it, shows each request that arrives, and takes commands on standard input (type help). It
// changes no file of yours: what to put into .env is printed, for you to copy.
//
//   --keep FOLDER    keep the simulated Tesla there; started again with it, it goes on as it was, on the same
//                    ports, so that shells stay pointed at it (failures, requests and the bill are not kept)
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { startSimulator } from "./simulator.ts";
import { DOMAIN, settings, type SeenRequest } from "./tesla/tesla.ts";
import { help, play, requestLine } from "./world_commands.ts";

const KEY_PORT = 8080; // of serve_public_key
const { keep } = parseArgs({ options: { keep: { type: "string" } } }).values;
const onRequest = (seen: SeenRequest) => console.log(requestLine(seen));
const simulator = await startSimulator({ onRequest, ...(keep ? { keep } : {}) }).catch((error) => {
  console.error(`error: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
});
// A new domain behaves like a tunnel to serve_public_key on its usual port.
if (!simulator.isResumed) simulator.partner.hosting = { kind: "tunnel", port: KEY_PORT };

async function run(line: string): Promise<void> {
  const words = line.trim().split(/\s+/);
  if (words[0] === "") return;
  if (words[0] === "quit") return stop();
  const lines = words[0] === "help" ? [...help(), "  quit"] : await play(simulator, words);
  console.log(lines.join("\n"));
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

3. serve_public_key on port ${KEY_PORT} counts as the tunnel behind https://${DOMAIN}.
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
