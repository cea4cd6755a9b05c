// For the tests of the scripts: a simulated Tesla, a folder like an owner's, and the scripts as child
// processes or, for long lists of cases, inside this process.
//
// After every run it looks for each secret of the fixtures in what was printed, for control characters and
// for stack traces, and it demands the three rows of an error when the exit code is not 0; when a case ends, no
// request may have come that the simulator did not expect. It starts no script by itself; no test is in here.
//
// An assert.ok without a message is slow to fail under tsx: Node then searches the file for its words.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { answers, type Service } from "../simulator/failures/failures.ts";
import { freePort } from "../simulator/server.ts";
import { type Simulator, startSimulator } from "../simulator/simulator.ts";
import {
  baseUrl,
  CLIENT_ID,
  CLIENT_SECRET,
  DOMAIN,
  FLEET_API_HOSTS,
  type Incoming,
  KEY_PATH,
  type Region,
  type SeenRequest,
  TOKEN_HOSTS,
  USUAL_SCOPES as SCOPES,
  VIN,
} from "../simulator/tesla/tesla.ts";
import { handleToken, issueCode } from "../simulator/tesla/tokens.ts";
import { plainFile } from "./compiled.ts";
import { runInside } from "./inside.ts";
import { assertNoSecret, partsOfKey } from "./secrets.ts";

export { CLIENT_ID, CLIENT_SECRET, DOMAIN, KEY_PATH, SCOPES, VIN, freePort };
export const FLEET = FLEET_API_HOSTS.eu;
export const TOKEN = `POST ${TOKEN_HOSTS[0]}/oauth2/v3/token`; // as calls() has it
export const PROJECT = fileURLToPath(new URL("../..", import.meta.url));
const TIMEOUT_MS = 30_000;
const SIMULATED = "simulated Tesla: nothing here reaches the real one\n"; // the preload's, and no script's

export interface Result {
  code: number; // -1 when it was killed
  stdout: string;
  stderr: string;
  ms: number;
  requests: SeenRequest[]; // that arrived while it ran
}

export interface Running {
  child: ChildProcess;
  stdout: () => string;
  stderr: () => string;
  /** Waits for a piece of stderr; its match. */
  said: (pattern: RegExp, timeoutMs?: number) => Promise<RegExpExecArray>;
  type: (text: string) => void;
  ended: Promise<Result>;
}

export interface RunOptions {
  stdin?: string; // what is typed; without it standard input is at its end at once
  keepStdin?: boolean; // do not end standard input after that
  env?: Record<string, string>;
  timeoutMs?: number;
  node?: string[]; // arguments of Node itself
  fileLimit?: number; // the most KiB that a file may get: as on a full disk (needs a POSIX shell)
  uid?: number; // as another user; only root can do that
}

export interface OwnerOptions {
  settings?: Record<string, string>; // of .env; an empty one is left out
  region?: Region;
  domain?: string;
  registered?: boolean; // default true
  loggedIn?: boolean; // default true: a token file
  scopes?: string; // that were granted
  keys?: boolean; // default true: private-key.pem and public-key.pem
  paired?: boolean; // default true, where there are keys
  expectUnexpected?: boolean; // the simulator may note a request that it did not plan for
}

let searches = 0;

/** How many outputs this file's tests have searched for secrets so far. */
export function outputsSearched(): number {
  return searches;
}

const NEED_A_PROCESS = ["get_token", "refresh_token", "serve_public_key"]; // a signal, its own start, a listener
const EXAMPLES = join(PROJECT, "examples");
const started = new Set<string>(); // scripts with their options
let fewProcesses = false;

/** For a file of tests whose point is what a script says and sends, and not the process: `run` starts a process
 * for the first run of each script with each of its options, and wherever a run has options of RunOptions; every
 * other run happens inside this process, which takes a tenth of the time. `start` always starts one. */
export function useFewProcesses(): void {
  fewProcesses = true;
}

export class Owner {
  folder: string;
  simulator: Simulator;
  publicKey = ""; // PEM
  options: OwnerOptions;
  secrets = new Set<string>([CLIENT_SECRET]);
  outputs: { script: string; output: string }[] = [];

  constructor(simulator: Simulator, options: OwnerOptions) {
    this.simulator = simulator;
    this.options = options;
    this.folder = mkdtempSync(join(tmpdir(), "tesla-owner-"));
  }

  /** From now on no output may have it. */
  rememberSecret(secret: string): void {
    if (secret.length >= 8) this.secrets.add(secret);
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  has(name: string): boolean {
    return existsSync(this.path(name));
  }

  read(name: string): string {
    return readFileSync(this.path(name), "utf8");
  }

  write(name: string, text: string | Buffer, mode = 0o600): void {
    writeFileSync(this.path(name), text, { mode });
  }

  mode(name: string): number {
    return statSync(this.path(name)).mode & 0o777;
  }

  /** Writes .env; what is not named stays as a working owner has it. */
  setSettings(settings: Record<string, string> = {}): void {
    const usual = {
      TESLA_CLIENT_ID: CLIENT_ID,
      TESLA_CLIENT_SECRET: CLIENT_SECRET,
      TESLA_REGION: this.options.region ?? "eu",
      TESLA_DOMAIN: this.options.domain ?? DOMAIN,
      TESLA_VIN: VIN,
    };
    const lines = Object.entries({ ...usual, ...settings }).filter(([, value]) => value !== "");
    this.write(".env", `${lines.map(([name, value]) => `${name}=${value}`).join("\n")}\n`);
  }

  makeKeys(): void {
    const pair = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
    this.publicKey = pair.publicKey.export({ type: "spki", format: "pem" }).toString();
    this.write("private-key.pem", pair.privateKey.export({ type: "pkcs8", format: "pem" }).toString());
    this.write("public-key.pem", this.publicKey, 0o644);
  }

  /** Tokens of a login with these scopes, straight from the simulator's token host: no request is noted. */
  newToken(scopes = SCOPES): Record<string, unknown> & { access_token: string; refresh_token: string } {
    const { world, account } = this.simulator;
    const redirect = account.redirectUris[0] ?? "";
    account.consentedScopes = [...new Set([...account.consentedScopes, ...scopes.split(" ")])];
    const asked = new URLSearchParams({ client_id: CLIENT_ID, redirect_uri: redirect });
    const code = issueCode(world, asked, scopes.split(" "));
    const form = {
      grant_type: "authorization_code",
      client_id: CLIENT_ID,
      client_secret: CLIENT_SECRET,
      code,
      audience: baseUrl(account.region),
      redirect_uri: redirect,
    };
    const host = account.region === "cn" ? "auth.tesla.cn" : "fleet-auth.prd.vn.cloud.tesla.com";
    const incoming = {
      method: "POST",
      url: new URL(`https://${host}/oauth2/v3/token`),
      host,
      headers: { "content-type": "application/x-www-form-urlencoded" },
      body: new URLSearchParams(form).toString(),
    } as unknown as Incoming;
    const reply = handleToken(world, incoming);
    assert.equal(reply.status, 200, reply.body);
    return JSON.parse(reply.body);
  }

  /** Writes the token file; its text. `changes` replace its fields, undefined takes one out. */
  logIn(changes: Record<string, unknown> = {}, scopes = this.options.scopes ?? SCOPES): string {
    const token = { ...this.newToken(scopes), obtained_at: new Date().toISOString(), ...changes };
    const text = `${JSON.stringify(token, null, 2)}\n`;
    this.write("tesla_token.json", text);
    return text;
  }

  token(): Record<string, unknown> & { access_token: string; refresh_token: string } {
    return JSON.parse(this.read("tesla_token.json"));
  }

  /** What is secret by now: all that the simulator gave out, and what the scripts sent and keep. */
  collectSecrets(): void {
    const { account, requests } = this.simulator;
    for (const token of account.accessTokens.keys()) this.rememberSecret(token);
    for (const { current, lastUsed } of account.chains) {
      for (const one of [current, lastUsed]) this.rememberSecret(one);
    }
    for (const code of account.codes.keys()) this.rememberSecret(code);
    for (const { headers, body } of requests) {
      this.rememberSecret((headers.authorization ?? "").replace("Bearer ", ""));
      if (!(headers["content-type"] ?? "").includes("form")) continue;
      const form = new URLSearchParams(body);
      for (const name of ["client_secret", "refresh_token", "code", "code_verifier"]) {
        this.rememberSecret(form.get(name) ?? "");
      }
    }
    const pem = this.has("private-key.pem") ? this.read("private-key.pem") : "";
    for (const part of partsOfKey(pem)) this.rememberSecret(part);
    for (const name of ["tesla_token.json", "tesla_token.json.new"]) {
      try {
        const token = JSON.parse(this.read(name)) as Record<string, unknown>;
        const fields = ["access_token", "refresh_token", "id_token"];
        for (const field of fields) this.rememberSecret(String(token[field] ?? ""));
      } catch {} // none, or one that a test has spoilt
    }
  }

  /** The simulator answers this instead to what goes to such a path until it is cleared. */
  answer(path: string, status: number, body: unknown, headers: Record<string, string> = {}): void {
    const name = `answer ${this.simulator.failures.catalogue.length}`;
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const where: Service[] = ["token", "fleet", "site"];
    this.simulator.failures.catalogue.push(answers(name, where, "", () => ({ status, headers, body: text })));
    this.simulator.fail(name, { path });
  }

  /** Starts a script in the owner's folder. */
  start(script: string, words: string[] = [], options: RunOptions = {}): Running {
    const begin = performance.now();
    const before = this.simulator.requests.length;
    const inherited = Object.entries(process.env).filter(([name]) => !/^(TESLA_|NODE_)/.test(name));
    const file = script.includes("/") ? script : join(PROJECT, "scripts", `${script}.ts`);
    const command = [process.execPath, ...(options.node ?? []), plainFile(file), ...words];
    if (options.fileLimit !== undefined) {
      const blocks = options.fileLimit * 2; // of 512 bytes, as POSIX has it; dash and bash --posix count so
      command.unshift("/bin/sh", "-c", `ulimit -f ${blocks}; exec "$0" "$@"`);
    }
    const child = spawn(command[0] ?? "", command.slice(1), {
      cwd: this.folder,
      env: { ...Object.fromEntries(inherited), ...this.simulator.env, ...options.env },
      ...(options.uid === undefined ? {} : { uid: options.uid, gid: options.uid }),
      stdio: [options.stdin === undefined && !options.keepStdin ? "ignore" : "pipe", "pipe", "pipe"],
    });
    let stdout = "";
    let stderr = "";
    const waiting = new Set<() => void>();
    const heard = (): void => {
      for (const look of waiting) look();
    };
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
      heard();
    });
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      stderr += text.replace(SIMULATED, ""); // it comes whole, before a script has begun
      heard();
    });
    child.stdin?.on("error", () => {}); // the script may end before it has read everything
    child.stdin?.write(options.stdin ?? "");
    if (!options.keepStdin) child.stdin?.end();

    const ended = new Promise<Result>((resolve, reject) => {
      const timer = setTimeout(() => {
        child.kill("SIGKILL");
        reject(new Error(`${script} did not end in time; it said:\n${stdout}${stderr}`));
      }, options.timeoutMs ?? TIMEOUT_MS);
      child.on("close", (code, signal) => {
        clearTimeout(timer);
        heard();
        const result = {
          code: signal ? -1 : (code ?? -1),
          stdout,
          stderr,
          ms: performance.now() - begin,
          requests: this.simulator.requests.slice(before),
        };
        try {
          this.checkOutput(script, result);
          resolve(result);
        } catch (error) {
          reject(error);
        }
      });
    });
    ended.catch(() => {}); // whoever awaits it gets it
    const said = (pattern: RegExp, timeoutMs = 15_000): Promise<RegExpExecArray> => {
      return new Promise((resolve, reject) => {
        const timer = setTimeout(
          () => stop(() => reject(new Error(`not said: ${pattern}\n${stderr}`))),
          timeoutMs,
        );
        const stop = (then: () => void): void => {
          clearTimeout(timer);
          waiting.delete(look);
          then();
        };
        const look = (): void => {
          const match = pattern.exec(stderr);
          if (match) stop(() => resolve(match));
          else if (child.exitCode !== null) {
            stop(() => reject(new Error(`ended without ${pattern}:\n${stderr}`)));
          }
        };
        waiting.add(look);
        look();
      });
    };
    return {
      child,
      ended,
      said,
      stdout: () => stdout,
      stderr: () => stderr,
      type: (text) => child.stdin?.write(text),
    };
  }

  /** Runs a script to its end: in a process of its own, or in this one (see useFewProcesses). */
  run(script: string, words: string[] = [], options: RunOptions = {}): Promise<Result> {
    const kind = [script, ...words.filter((word) => word.startsWith("--"))].join(" ").replace(/=\S*/g, "");
    const canBeHere =
      !NEED_A_PROCESS.includes(script)
      && (!script.includes("/") || script.startsWith(EXAMPLES))
      && Object.keys(options).length === 0;
    if (fewProcesses && canBeHere && started.has(kind)) return runInside(this, script, words);
    started.add(kind);
    return this.start(script, words, options).ended;
  }

  /** Searches what was printed. */
  checkOutput(script: string, result: Result): void {
    this.collectSecrets();
    const output = `${result.stdout}\n${result.stderr}`;
    this.outputs.push({ script, output });
    searches += 1;
    assertNoSecret(output, this.secrets, script);
    assert.doesNotMatch(
      output,
      /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/,
      "control characters",
    );
    assert.doesNotMatch(output, /^ {4}at /m, `a stack trace:\n${output}`);
    if (result.code < 0) return; // killed
    const rows = result.stderr
      .split("\n")
      .filter((line) => /^(error|found|fix): /.test(line))
      .map((line) => line.slice(0, 7));
    const wanted = result.code === 0 ? [] : ["error: ", "found: ", "fix:   "];
    assert.deepEqual(rows, wanted, `exit ${result.code} with the rows:\n${output}`);
  }

  /** Ends the case: nothing unexpected may have arrived. */
  async close(failed: boolean): Promise<void> {
    // A secret that came to be after an output was searched may stand in it all the same.
    this.collectSecrets();
    for (const { script, output } of failed ? [] : this.outputs) assertNoSecret(output, this.secrets, script);
    const { unexpected } = this.simulator;
    await this.simulator.close();
    rmSync(this.folder, { recursive: true, force: true });
    if (!this.options.expectUnexpected && !failed) assert.deepEqual(unexpected, []);
  }
}

export async function newOwner(options: OwnerOptions = {}): Promise<Owner> {
  const domain = options.domain ?? DOMAIN;
  const simulator = await startSimulator({ domain, region: options.region ?? "eu" });
  const owner = new Owner(simulator, options);
  owner.setSettings(options.settings);
  if (options.keys !== false) owner.makeKeys();
  if (options.registered !== false) {
    const someKey = generateKeyPairSync("ec", { namedCurve: "prime256v1" }).publicKey;
    const pem = owner.publicKey || someKey.export({ type: "spki", format: "pem" }).toString();
    simulator.partner.hosting = { kind: "file", body: pem };
    await simulator.register();
  }
  if (options.loggedIn !== false) owner.logIn();
  if (options.keys !== false && options.paired !== false) simulator.car.pair(owner.publicKey);
  return owner;
}

/** Runs `body` with an owner of its own, and ends that owner. */
export async function withOwner(
  body: (owner: Owner) => Promise<unknown>,
  options?: OwnerOptions,
): Promise<void> {
  const owner = await newOwner(options);
  let failed = true;
  try {
    await body(owner);
    failed = false;
  } finally {
    await owner.close(failed);
  }
}

type Body = (owner: Owner) => Promise<void>;

/** One test with an owner of its own: one whose setup is complete, or as the options say. Cases inside a `describe`
 * with a concurrency run side by side. */
export function ownerTest(title: string, body: Body): void;
export function ownerTest(title: string, options: OwnerOptions, body: Body): void;
export function ownerTest(title: string, ...given: [Body] | [OwnerOptions, Body]): void {
  const [options, body] = given.length === 1 ? [{}, given[0]] : given;
  void test(title, { timeout: 120_000 }, () => withOwner(body, options));
}

/** A copy of the audited files, and of `others`, in which one text is changed: its folder. */
export function plantedCopy(path: string, from: string, to: string, others: string[] = []): string {
  const outer = mkdtempSync(join(tmpdir(), "tesla-planted-"));
  process.once("exit", () => rmSync(outer, { recursive: true, force: true }));
  const folder = join(outer, "tommy"); // its end is the name of one of our folders
  for (const name of ["lib", "scripts", "package.json", ...others]) {
    cpSync(join(PROJECT, name), join(folder, name), { recursive: true });
  }
  symlinkSync(join(PROJECT, "node_modules"), join(folder, "node_modules"), "junction");
  const text = readFileSync(join(folder, path), "utf8");
  assert.ok(text.includes(from), `${path} has no longer: ${from}`);
  writeFileSync(
    join(folder, path),
    text.replace(from, () => to),
  );
  return folder;
}
