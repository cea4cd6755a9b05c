// Starts the simulator: one HTTPS server on this computer that is Tesla's login, token host, Fleet API,
// pairing page and the owner's domain, told apart by host name, and a second one without TLS for the pages that
// the owner opens in a browser. It listens on 127.0.0.1 only. The one connection that it opens itself is to the local
// server that stands behind the owner's domain (a "tunnel"). A request that it does not know is refused and
// noted in `unexpected`.

import { rmSync, writeFileSync } from "node:fs";
import { createServer as createPlainServer } from "node:http";
import type { Server } from "node:http";
import { createServer } from "node:https";
import type { Socket } from "node:net";
import type { FailOptions } from "./failures/failures.ts";
import { register } from "./fleet_api/fleet_api.ts";
import { KeptFolder } from "./kept_folder.ts";
import type { Ports } from "./kept_folder.ts";
import { revokeConsent } from "./login/login.ts";
import { playConsent } from "./owner/owner.ts";
import type { ConsentOptions } from "./owner/owner.ts";
import { Reception } from "./reception.ts";
import { listen, makeCertificates } from "./server/server.ts";
import type { Certificates } from "./server/server.ts";
import {
  DOMAIN, FLEET_API_HOSTS, LOGIN_HOSTS, PAIRING_HOSTS, REGION, TOKEN_HOSTS,
} from "./tesla/tesla.ts";
import type { Region, SeenRequest } from "./tesla/tesla.ts";
import { newWorld } from "./world/world.ts";
import type { GrantedToken, World } from "./world/world.ts";

export interface SimulatorOptions {
  domain?: string; // the owner's pretended domain
  region?: Region; // where the owner's account is
  port?: number; // 0, the default, takes a free one, or the kept one
  keep?: string; // a folder: stopped and started again with it, the simulator goes on as it was
  onRequest?: (request: SeenRequest) => void; // told of each request once it is answered
}

export type Simulator = Awaited<ReturnType<typeof startSimulator>>;

/** The two servers. close() ends every connection too. */
async function startServers(reception: Reception, certificates: Certificates, wanted: Ports) {
  const sockets = new Set<Socket>();
  const tls = { key: certificates.key, cert: certificates.cert };
  const tesla = createServer(tls, reception.listener("tesla"));
  const login = createPlainServer(reception.listener("plain login"));
  const servers: Server[] = [tesla, login];
  async function close(): Promise<void> {
    for (const socket of sockets) socket.destroy();
    await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  }
  try {
    const ports: Ports = {
      tesla: await listen(tesla, wanted.tesla, sockets),
      login: await listen(login, wanted.login, sockets),
    };
    return { ports, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function newCertificates(domain: string): Certificates {
  const hosts = [...LOGIN_HOSTS, ...TOKEN_HOSTS, ...PAIRING_HOSTS, ...Object.values(FLEET_API_HOSTS)];
  return makeCertificates([...new Set([...hosts, domain, "localhost"])]);
}

/**
 * Switches a failure on by its name; fault:N and tamper:NAME are the car's own and hit one message by
 * default.
 */
function failIn(world: World, name: string, choice: number | FailOptions): void {
  const given = typeof choice === "number" ? { times: choice } : choice;
  const [kind, value = ""] = name.split(":");
  if (kind === "fault") world.car.injectFault(/^\d+$/.test(value) ? Number(value) : value, given.times);
  else if (kind === "tamper") world.car.tamper(value, given.times);
  else world.failures.fail(name, given);
}

/** Registers the owner's domain, as register_partner would: for tests that begin after that step. */
async function registerIn(world: World, domain: string): Promise<void> {
  const token: GrantedToken = { kind: "partner", scopes: [], expiresAt: 0, audiences: [] };
  const reply = await register(world, world.account.region, token, { domain });
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
  const domain = world.partner.domain;
  const reception = new Reception(world, (request) => {
    folder.save(world);
    options.onRequest?.(request);
  });
  const certificates = newCertificates(domain);
  const { ca } = certificates;
  const wanted: Ports = { ...folder.ports, ...(options.port ? { tesla: options.port } : {}) };
  const { ports, close: closeServers } = await startServers(reception, certificates, wanted);
  const { caFile } = folder;
  rmSync(caFile, { force: true }); // its mode would stay
  writeFileSync(caFile, ca, { mode: 0o644 });
  folder.savePorts(ports);
  folder.save(world);
  const env: Record<string, string> = {
    NODE_OPTIONS: `--import=${new URL("./preload.mjs", import.meta.url).href}`,
    TESLA_SIMULATOR: `127.0.0.1:${ports.tesla}`,
    TESLA_SIMULATOR_CA: caFile,
    TESLA_SIMULATOR_DOMAIN: domain,
  };

  async function close(): Promise<void> {
    await closeServers();
    folder.save(world);
    folder.close();
  }

  const { account, partner, garage, car, clock, failures, unexpected } = world;
  return {
    // What a script's environment needs, NODE_OPTIONS included, and the file that env names.
    port: ports.tesla,
    caFile,
    env,
    ca,
    // One entry for each request, in order of arrival, and what no plan covered.
    requests: reception.requests,
    unexpected,
    // The state, to be changed at will.
    ...{ world, account, partner, garage, car, clock, failures },
    // The login page for a browser.
    loginUrl: `http://127.0.0.1:${ports.login}`,
    bill: () => reception.bill(),
    close,
    // Only with `keep`: was there anything to go on with, and keep what was changed since the last request.
    isResumed: folder.isResumed,
    save: () => folder.save(world),
    fail: (name: string, choice: number | FailOptions = {}) => failIn(world, name, choice),
    // Without a name: every failure off, those of the car included.
    clear: (name?: string) => {
      failures.clear(name);
      if (name === undefined) car.clear();
    },
    register: () => registerIn(world, domain),
    revokeConsent: () => revokeConsent(world),
    // Plays the owner's browser on the login address and returns where it is sent at the end.
    consent: (authorizeUrl: string, choice: ConsentOptions = {}) =>
      playConsent({ port: ports.tesla, ca }, authorizeUrl, choice),
  };
}
