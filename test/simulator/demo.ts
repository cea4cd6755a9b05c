// `npm run demo`: the whole way on the simulated Tesla, with the real scripts, in an empty temporary folder
// that is removed at the end: key, registration, login, pairing, changed amps. Each command is shown with
// what it prints. It ends with 1 as soon as a step is not as it should be. Nothing reaches the real Tesla.
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { PRICES } from "./reception.ts";
import { LOADER, freePort } from "./server.ts";
import { startSimulator } from "./simulator.ts";
import { CLIENT_SECRET, DOMAIN, REGION, VIN, settings } from "./tesla/tesla.ts";

const scripts = fileURLToPath(new URL("../../scripts/", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "tesla-demo-"));
const simulator = await startSimulator();
const { car, account, partner } = simulator;
const children: ChildProcess[] = [];
const began = Date.now();
let printed = "";

// The settings of whoever runs the demo stay out of it: a variable of the environment wins over .env.
const others = Object.entries(process.env).filter(([name]) => !name.startsWith("TESLA_"));
const env = { ...Object.fromEntries(others), ...simulator.env };

function show(text: string): void {
  printed += text;
  process.stdout.write(text);
}

function must(isSo: boolean, what: string): void {
  if (!isSo) throw new Error(`not as it should be: ${what}`);
}

/** Starts a script, as an owner would in the temporary folder, and shows what it prints as it comes. */
function start(command: string) {
  show(`\n$ npx tsx scripts/${command}\n`);
  const [script = "", ...words] = command.split(" ");
  const line = [...LOADER, join(scripts, script), ...words];
  const child = spawn(process.execPath, line, { cwd: folder, env, stdio: ["ignore", "pipe", "pipe"] });
  children.push(child);
  const said = { out: "", all: "" };
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (part: Buffer) => {
      if (stream === child.stdout) said.out += String(part);
      said.all += String(part);
      show(String(part).replace(/^simulated Tesla: .*\n/, "")); // the demo has said so itself
    });
  }
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
  async function untilSaid(pattern: RegExp): Promise<string> {
    for (let waited = 0; waited < 20_000 && child.exitCode === null; waited += 20) {
      const found = pattern.exec(said.all);
      if (found) return found[0];
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`not as it should be: ${script} did not say ${pattern}`);
  }
  return { child, said, ended, untilSaid };
}

/** Runs a script to its end; returns its stdout, and how many requests reached Fleet API. */
async function run(command: string): Promise<{ out: string; requests: number }> {
  const before = simulator.requests.length;
  const { said, ended } = start(command);
  const code = await ended;
  must(code === 0, `${command} ended with ${code}`);
  const arrived = simulator.requests.slice(before).filter((request) => request.host.startsWith("fleet-api."));
  return { out: said.out, requests: arrived.length };
}

function mustBePrivate(file: string): void {
  const mode = statSync(join(folder, file)).mode & 0o777;
  must(process.platform === "win32" || mode === 0o600, `${file} is for its owner alone`);
}

function refreshToken(): string {
  return JSON.parse(readFileSync(join(folder, "tesla_token.json"), "utf8")).refresh_token;
}

async function setAmps(amps: number, requests: number): Promise<void> {
  const result = await run(`set_charge_amps.ts ${amps}`);
  must(result.out === "", "without --verify set_charge_amps answers nothing on stdout");
  must(car.chargeState().charge_amps === amps, `the car charges at ${amps} A`);
  must(result.requests === requests, `set_charge_amps took ${result.requests} requests, not ${requests}`);
}

async function demo(): Promise<void> {
  show("A simulated Tesla is up on this computer; the scripts are the real ones; nothing leaves it.\n");
  const keyPort = await freePort();
  const redirect = `http://localhost:${await freePort()}/callback`;
  account.redirectUris.push(redirect);
  writeFileSync(join(folder, ".env"), settings(redirect), { mode: 0o600 });
  // Without one of our own, tsx obeys the tsconfig.json that anybody has put into the temporary folder.
  writeFileSync(join(folder, "tsconfig.json"), "{}\n");
  show("\n# 1. An empty folder with your settings in .env. First the key pair.\n");
  await run("generate_key.ts");
  mustBePrivate("private-key.pem");
  show(`\n# 2. The public key is shown at https://${DOMAIN}/.well-known/… (a simulated tunnel does that).\n`);
  const server = start(`serve_public_key.ts --port ${keyPort}`);
  await server.untilSaid(/Ctrl-C stops it/);
  partner.hosting = { kind: "tunnel", port: keyPort };
  show("\n# 3. Tesla downloads it, and has your domain and key on file from now on.\n");
  const { out: link } = await run("register_partner.ts");
  must(link === `https://tesla.com/_ak/${DOMAIN}\n`, "register_partner prints the pairing link");
  must(partner.downloads.length === 1 && partner.registrations[REGION] !== undefined, "Tesla has the key");
  server.child.kill();

  show("\n# 4. The login. The demo acts as you and your browser: it ticks the boxes and allows.\n");
  const login = start("get_token.ts");
  const address = await login.untilSaid(/https:\/\/auth\.tesla\.com\/\S+(?=\n[^]*Ctrl-C cancels)/);
  const page = await fetch(await simulator.consent(address));
  show(`# The browser shows: ${await page.text()}`);
  must((await login.ended) === 0 && page.status === 200, "the login ends well, and the browser is told so");
  mustBePrivate("tesla_token.json");
  must((await run("list_vehicles.ts")).out.includes(VIN), "the car is listed");
  show(`\n# 5. Pairing. Here you would open the link on your phone and approve in the Tesla app.\n# ${link}`);
  car.pair(readFileSync(join(folder, "public-key.pem"), "utf8"));

  show("\n# 6. Reading: one request, and the car is never woken.\n");
  must((await run("read_charge.ts")).requests === 1, "read_charge takes one request");
  show("\n# 7. New amps. The first command ever shakes hands with the car: two requests.\n");
  await setAmps(12, 2);
  show("\n# 8. From then on, one request a command.\n");
  await setAmps(10, 1);
  show("\n# 9. The car reboots: it refuses once, proves its new state, and the command is signed again.\n");
  car.reboot();
  await setAmps(8, 2);
  must(/set to 8 A/.test((await run("read_charge.ts")).out), "read_charge shows the new amps");

  show("\n# 10. What cron does: the refresh token is swapped for a new one.\n");
  const before = refreshToken();
  await run("refresh_token.ts");
  must(refreshToken() !== before, "the refresh token is a new one");
  for (const file of ["tesla_token.json", "tesla_session.json"]) mustBePrivate(file);
  const files = readdirSync(folder).filter((name) => name !== "tsconfig.json");
  show(`\n# The folder now holds: ${files.sort().join(" ")}\n`);
  const own = ".env private-key.pem public-key.pem tesla_session.json tesla_token.json";
  must(files.sort().join(" ") === own, "no litter");
  must(simulator.unexpected.length === 0, `nothing unexpected arrived: ${simulator.unexpected.join(", ")}`);
  const secrets = [CLIENT_SECRET, before, refreshToken(), ...account.accessTokens.keys()];
  must(!secrets.some((secret) => printed.includes(secret)), "no secret was printed");
  const bill = simulator.bill();
  const dollars = bill.data * PRICES.data + bill.command * PRICES.command + bill.wake * PRICES.wake;
  const counts = `${bill.data} data requests, ${bill.command} commands, ${bill.wake} wakes`;
  show(`# What Tesla would charge: ${counts}: $${dollars.toFixed(3)}. Every step was as it should be.\n`);
}

function cleanUp(): void {
  for (const child of children) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
}
process.on("SIGINT", () => process.exit(1));
process.on("exit", cleanUp);
setTimeout(() => process.exit(1), 60_000).unref(); // it takes about ten seconds

try {
  await demo();
  show(`# ${((Date.now() - began) / 1000).toFixed(1)} seconds; the temporary folder is removed.\n`);
} catch (error) {
  process.exitCode = 1;
  show(`\n${error instanceof Error ? error.message : String(error)}\n`);
} finally {
  cleanUp();
  await simulator.close();
}
