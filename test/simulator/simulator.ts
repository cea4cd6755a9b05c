// Starts the simulator: an HTTPS server on this computer that is Tesla's login, token host, Fleet API, pairing
// page and the owner's domain, told apart by host name, and a second one without TLS for the pages that the
// owner opens in a browser. It listens on 127.0.0.1 only. The one connection that it opens itself is to the
// local server that stands behind the owner's domain (a "tunnel"). A request that it does not know is refused
// and noted in `unexpected`.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync } from "node:fs";
import { renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer as createPlainServer } from "node:http";
import { createServer } from "node:https";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { FailOptions } from "./failures/failures.ts";
import { Reception } from "./reception.ts";
import { listen, makeCertificates } from "./server.ts";
import { revokeConsent } from "./tesla/login.ts";
import { playConsent, type ConsentOptions } from "./tesla/owner.ts";
import { register } from "./tesla/partner_accounts.ts";
import { DOMAIN, FLEET_API_HOSTS, LOGIN_HOSTS, PAIRING_HOSTS, REGION, TOKEN_HOSTS } from "./tesla/tesla.ts";
import type { Region, SeenRequest } from "./tesla/tesla.ts";
import { newWorld, restoreWorld, worldToText, type Ports, type World } from "./world.ts";

export interface SimulatorOptions {
  domain?: string; // the owner's pretended domain
  region?: Region; // where the owner's account is
  port?: number; // a free one, or the kept one, unless told
  keep?: string; // a folder: stopped and started again with it, the simulator goes on as it was
  onRequest?: (request: SeenRequest) => void; // told of each request once it is answered
}

export type Simulator = Awaited<ReturnType<typeof startSimulator>>;

/**
 * The folder in which a simulator keeps its ports and its world, so that it goes on as it was when it is started
 * again and no shell has to be pointed at it again. ca.pem lies there while the simulator is up. Without a name:
 * a temporary folder that is removed at the end, and nothing is kept.
 */
class KeptFolder {
  ports: Ports = { tesla: 0, login: 0 };
  isResumed = false; // whether a simulator was kept here before
  private folder: string;
  private isTemporary: boolean;
  private saved = "";

  constructor(name: string | undefined) {
    this.isTemporary = name === undefined;
    const folder = name === undefined ? mkdtempSync(join(tmpdir(), "tesla-simulator-")) : resolve(name);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    this.folder = realpathSync(folder);
    // The preload would not trust it.
    const isOpen = process.platform !== "win32" && (statSync(this.folder).mode & 0o022) !== 0;
    if (isOpen) throw new Error(`others may write to ${this.folder}: chmod go-w '${this.folder}'`);
  }

  get caFile(): string {
    return join(this.folder, "ca.pem");
  }

  /** Brings the world back to where it was kept, if it was. */
  load(world: World): void {
    const file = join(this.folder, "world.json");
    if (this.isTemporary || !existsSync(file)) return;
    try {
      Object.assign(this.ports, restoreWorld(world, readFileSync(file, "utf8")));
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new Error(`${this.folder} holds no simulator that can go on (${why}): remove it or name another`);
    }
    this.isResumed = true;
  }

  /** Writes what has changed, whole or not at all. */
  save(world: World): void {
    const text = this.isTemporary ? "" : worldToText(world, this.ports);
    if (text === this.saved) return;
    const file = join(this.folder, "world.json");
    writeFileSync(`${file}.new`, `${text}\n`, { mode: 0o600 });
    renameSync(`${file}.new`, file);
    this.saved = text;
  }

  /** After this a script says that the simulator has ended, because ca.pem is not there. */
  close(): void {
    rmSync(this.isTemporary ? this.folder : this.caFile, { recursive: true, force: true });
  }
}

/** Switches a failure on by its name; fault:N and tamper:NAME are the car's and hit one message by default. */
function failIn({ car, failures }: World, name: string, choice: number | FailOptions): void {
  const given = typeof choice === "number" ? { times: choice } : choice;
  const [kind, value = ""] = name.split(":");
  if (kind === "fault") car.injectFault(/^\d+$/.test(value) ? Number(value) : value, given.times);
  else if (kind === "tamper") car.tamper(value, given.times);
  else failures.fail(name, given);
}

/** Registers the owner's domain, as register_partner would: for tests that begin after that step. */
async function registerIn(world: World): Promise<void> {
  const token = { kind: "partner" as const, scopes: [], expiresAt: 0, audiences: [] };
  const reply = await register(world, world.account.region, token, { domain: world.partner.domain });
  if (reply.status !== 200) throw new Error(`registration answered ${reply.status}: ${reply.body}`);
}

/**
 * Starts everything on free ports of 127.0.0.1, or on those that were kept. Close it with close(); its state
 * may be changed at any time.
 */
export async function startSimulator(options: SimulatorOptions = {}) {
  const world = newWorld(options.domain ?? DOMAIN, options.region ?? REGION);
  const folder = new KeptFolder(options.keep);
  folder.load(world);
  const { account, partner, garage, car, clock, failures, unexpected } = world;
  const reception = new Reception(world, (request) => {
    folder.save(world);
    options.onRequest?.(request);
  });
  const hosts = [...LOGIN_HOSTS, ...TOKEN_HOSTS, ...PAIRING_HOSTS, ...Object.values(FLEET_API_HOSTS)];
  const wanted = folder.ports;
  const { ca, ...certificate } = makeCertificates([...new Set([...hosts, partner.domain, "localhost"])]);
  const tesla = await listen(
    createServer(certificate, reception.listener("tesla")),
    options.port ?? wanted.tesla,
  );
  const login = await listen(createPlainServer(reception.listener("plain login")), wanted.login).catch(
    async (error) => {
      await tesla.close();
      throw error;
    },
  );
  const ports = { tesla: tesla.port, login: login.port };
  writeFileSync(folder.caFile, ca, { mode: 0o644 });
  folder.ports = ports;
  folder.save(world);
  const env: Record<string, string> = {
    NODE_OPTIONS: `--import=${new URL("./preload.mjs", import.meta.url).href}`,
    TESLA_SIMULATOR: `127.0.0.1:${ports.tesla}`,
    TESLA_SIMULATOR_CA: folder.caFile,
    TESLA_SIMULATOR_DOMAIN: partner.domain,
  };
  return {
    // What a script's environment needs, NODE_OPTIONS included, and the file that env names.
    ...{ port: ports.tesla, caFile: folder.caFile, env, ca },
    // One entry for each request, in order of arrival, and what no plan covered.
    ...{ requests: reception.requests, unexpected },
    // The state, to be changed at will.
    ...{ world, account, partner, garage, car, clock, failures },
    loginUrl: `http://127.0.0.1:${ports.login}`, // the login page for a browser
    bill: () => reception.bill(),
    async close(): Promise<void> {
      await Promise.all([tesla.close(), login.close()]);
      folder.save(world);
      folder.close();
    },
    // Only with `keep`: was there anything to go on with, and keep what was changed since the last request.
    isResumed: folder.isResumed,
    save: () => folder.save(world),
    fail: (name: string, choice: number | FailOptions = {}) => failIn(world, name, choice),
    // Without a name: every failure off, those of the car included.
    clear: (name?: string) => {
      failures.clear(name);
      if (name === undefined) car.clear();
    },
    register: () => registerIn(world),
    revokeConsent: () => revokeConsent(world),
    // Plays the owner's browser on the login address and returns where it is sent at the end.
    consent: (authorizeUrl: string, choice: ConsentOptions = {}) =>
      playConsent({ port: ports.tesla, ca }, authorizeUrl, choice),
  };
}
