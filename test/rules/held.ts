// For sandbox.test.ts and inside_deno.ts: an owner's folder, every script in an order in which each finds what it
// needs, then what goes wrong, and a run of one of them inside a sandbox. No test is in here.
import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir, uptime } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { makeCertificates } from "../simulator/server.ts";
import type { Simulator } from "../simulator/simulator.ts";
import { CLIENT_ID, CLIENT_SECRET, DOMAIN, VIN } from "../simulator/tesla/tesla.ts";
import { type Sandbox, sandboxOf } from "./sandbox_lines.ts";
import { auditedFiles, inRunningOrder } from "./script_list.ts";

export const PROJECT = fileURLToPath(new URL("../..", import.meta.url));
const files = auditedFiles();

/** A folder with settings, and the files that a telemetry configuration names. */
export function newFolder(redirect: string): string {
  const folder = mkdtempSync(join(tmpdir(), "tesla-held-"));
  const settings = {
    TESLA_CLIENT_ID: CLIENT_ID,
    TESLA_CLIENT_SECRET: CLIENT_SECRET,
    TESLA_REGION: "eu",
    TESLA_DOMAIN: DOMAIN,
    TESLA_VIN: VIN,
    TESLA_REDIRECT_URI: redirect,
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`);
  writeFileSync(join(folder, ".env"), lines.join(""), { mode: 0o600 });
  writeFileSync(join(folder, "telemetry-ca.pem"), makeCertificates(["telemetry.car.example.com"]).ca);
  cpSync(join(PROJECT, "examples/telemetry.json"), join(folder, "telemetry.json"));
  return folder;
}

/** What the header of a script allows it, with the files that these tests have. */
export function heldTo(script: string): Sandbox {
  const sandbox = sandboxOf(`scripts/${script}.ts`, files);
  const own: Record<string, string> = { FILE: "telemetry.json", CA_FILE: "telemetry-ca.pem" };
  return { ...sandbox, reads: sandbox.reads.map((file) => own[file] ?? file) };
}

export interface Step {
  script: string;
  words: string[];
  code: number;
  said?: string; // part of it
  before?: () => void;
  after?: () => void;
}

const UNPAIRED = `https://tesla.com/_ak/${DOMAIN}`;

/** Every script at its usual job; then the ways in which one needs something else. */
export function stepsIn(folder: string, simulator: Simulator, port = "8080"): Step[] {
  const publish = (): void => {
    const pem = readFileSync(join(folder, "public-key.pem"), "utf8");
    simulator.partner.hosting = { kind: "file", body: pem };
    simulator.car.unpair();
    simulator.car.pair(pem);
  };
  const own: Record<string, string[]> = {
    serve_public_key: ["--port", port],
    telemetry_config: ["send", "telemetry.json"],
  };
  const usual = inRunningOrder(files).map(([script, ...words]): Step => {
    const after = script === "generate_key" ? publish : undefined;
    return { script, words: own[script] ?? words, code: 0, after };
  });
  const [env, away] = [join(folder, ".env"), join(folder, "env")];
  // No process has such a number. Deno does not let a script ask, so there a claim counts for five minutes.
  const killed = `${2 ** 22 + 1} ${Math.floor(uptime()) - 400} 0123456789abcdef`;
  const lock = join(folder, "tesla_token.json.lock");
  const leave = (): void => writeFileSync(lock, `\n${killed}\n`);
  const unlock = (): void => rmSync(lock, { force: true });
  const unpair = (): void => simulator.car.unpair();
  return [
    ...usual,
    { script: "telemetry_config", words: ["show"], code: 3, said: "not fetched" },
    { script: "telemetry_config", words: ["remove"], code: 0 },
    { script: "read_charge", words: ["--help"], code: 0, said: "Shows how the car is charging" },
    { script: "read_charge", words: ["x"], code: 2, said: "fix:   run: npx tsx scripts/read_charge.ts" },
    { script: "refresh_token", words: [], code: 0, before: leave, after: unlock },
    { script: "set_charge_amps", words: ["9"], code: 5, said: UNPAIRED, before: unpair },
    { script: "check_setup", words: [], code: 0, said: "though the car has answered your signed commands" },
    {
      script: "read_charge",
      words: [],
      code: 5,
      said: "no .env in ",
      before: () => renameSync(env, away),
      after: () => renameSync(away, env),
    },
  ];
}

export interface Ended {
  code: number;
  said: string;
  sent: number;
}

/** Runs it; a login is answered by the owner's browser, and serve_public_key looked at and ended. */
export function runHeld(
  command: string[],
  folder: string,
  env: NodeJS.ProcessEnv,
  simulator: Simulator,
): Promise<Ended> {
  const [program = "", ...words] = command;
  const before = simulator.requests.length;
  const child = spawn(program, words, { cwd: folder, env, stdio: ["ignore", "pipe", "pipe"] });
  const timer = setTimeout(() => child.kill("SIGKILL"), 60_000);
  let said = "";
  let visited = false;
  const visit = async (): Promise<void> => {
    const [address] = /https:\/\/auth\S+(?=\n)/.exec(said) ?? [];
    const [page] = /http:\/\/127\.0\.0\.1:\d+\/\S+/.exec(said) ?? [];
    const isReady = address ? said.includes("cancels") : said.includes("Ctrl-C stops it");
    if (visited || !isReady) return;
    visited = true;
    const answer = await fetch(address ? await simulator.consent(address) : (page ?? ""));
    said += await answer.text();
    if (!address) child.kill();
  };
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (part: Buffer) => {
      said += part.toString();
      visit().catch((error: unknown) => {
        said += String(error);
      });
    });
  }
  return new Promise((resolve) => {
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      const ended = signal === "SIGTERM" ? 0 : (code ?? -1);
      resolve({ code: ended, said, sent: simulator.requests.length - before });
    });
  });
}

export function discard(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}
