// Starts the simulator: one HTTPS server on this computer that is Tesla's login, token host, Fleet API,
// pairing page and the owner's domain, told apart by host name, and a second one that stands for the owner's
// command proxy. It listens on 127.0.0.1 only and never opens a connection itself, but to a tunnel that a
// test sets up. Whatever no plan covers is refused and noted in `unexpected`.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createPlainServer } from "node:http";
import type { IncomingMessage, RequestListener, Server, ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TLSSocket } from "node:tls";
import { revokeConsent } from "./accounts.ts";
import { LIMITS_PER_MINUTE, billedKind } from "./bill.ts";
import type { Bill } from "./bill.ts";
import { makeCertificates } from "./certificate.ts";
import { playConsent } from "./consent.ts";
import type { ConsentOptions } from "./consent.ts";
import type { FailOptions } from "./failures.ts";
import { addTxid } from "./fleet_api.ts";
import { rateLimited } from "./fleet_errors.ts";
import { register } from "./partner_accounts.ts";
import { handle, servicesOf } from "./router.ts";
import type { Door } from "./router.ts";
import {
  DOMAIN,
  FLEET_API_HOSTS,
  LOGIN_HOSTS,
  PAIRING_HOSTS,
  REGION,
  TOKEN_HOSTS,
  newWorld,
  notPlanned,
} from "./world.ts";
import type { GrantedToken, Incoming, Region, Reply, SeenRequest } from "./world.ts";
import { sendReply } from "./wire_faults.ts";

export interface SimulatorOptions {
  domain?: string; // the owner's pretended domain
  region?: Region; // where the owner's account is
  port?: number; // 0, the default, takes a free one
  onRequest?: (request: SeenRequest) => void; // told of each request once it is answered
}

const BODY_LIMIT = 1024 * 1024;

export type Simulator = Awaited<ReturnType<typeof startSimulator>>;

function readAll(request: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size <= BODY_LIMIT) chunks.push(chunk);
    });
    request.on("end", () => resolve(Buffer.concat(chunks).toString("utf8")));
    request.on("error", reject);
  });
}

async function listen(server: Server, port: number, sockets: Set<Socket>): Promise<number> {
  const track = (socket: Socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    // A client that goes away mid-handshake is not the simulator's trouble.
    socket.on("error", () => socket.destroy());
  };
  server.on("connection", track);
  server.on("secureConnection", track);
  server.on("tlsClientError", (_, socket: Socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  return (server.address() as AddressInfo).port;
}

/**
 * Starts everything on free ports of 127.0.0.1. Close it with close(); its state may be changed at any
 * time.
 */
export async function startSimulator(options: SimulatorOptions = {}) {
  const domain = options.domain ?? DOMAIN;
  const world = newWorld(domain, options.region ?? REGION);
  const requests: SeenRequest[] = [];
  const doors = new Map<SeenRequest, Door>();
  const sockets = new Set<Socket>();

  // A verdict switched on by name (reason:TEXT) comes instead of the car's own, whichever way the command
  // came.
  const execute = world.car.execute.bind(world.car);
  world.car.execute = (name, params) => {
    const reason = world.failures.takeText("reason:");
    return reason === undefined ? execute(name, params) : { result: false, reason };
  };

  function limited(seen: SeenRequest, door: Door): boolean {
    const kind = billedKind(seen, door === "proxy");
    const limit = kind === undefined ? undefined : LIMITS_PER_MINUTE[kind];
    if (!world.account.rateLimits || limit === undefined) return false;
    const sameMinute = requests.filter(
      (other) =>
        other !== seen &&
        other.status !== 429 &&
        other.at > seen.at - 60_000 &&
        billedKind(other, doors.get(other) === "proxy") === kind,
    );
    return sameMinute.length >= limit;
  }

  async function answer(incoming: Incoming, door: Door): Promise<Reply> {
    const services = servicesOf(world, incoming, door);
    const fleetLike = services.includes("fleet") || services.includes("proxy");
    const instead = world.failures.next("answer", services, incoming);
    let reply: Reply;
    if (instead !== undefined) {
      if (instead.after) await handle(world, incoming, door);
      reply = instead.failure.answer?.(incoming, world) ?? { status: 500, headers: {}, body: "" };
    } else if (limited(incoming.seen, door)) {
      reply = rateLimited();
    } else reply = await handle(world, incoming, door);
    const damage = world.failures.next("damage", services, incoming);
    if (damage?.failure.damage !== undefined) reply = damage.failure.damage(reply);
    return fleetLike ? addTxid(reply) : reply;
  }

  function listener(door: Door): RequestListener {
    return (request: IncomingMessage, response: ServerResponse) => {
      respond(request, response, door).catch((problem: unknown) => {
        world.unexpected.push(`the simulator itself failed: ${String(problem)}`);
        response.destroy();
      });
    };
  }

  async function respond(request: IncomingMessage, response: ServerResponse, door: Door): Promise<void> {
    const headers: Record<string, string> = {};
    for (const [name, value] of Object.entries(request.headers)) headers[name] = String(value);
    const method = request.method ?? "";
    const host = (headers.host ?? "").replace(/:443$/, "");
    const path = request.url ?? "/";
    // Noted when the headers are there, so that the order is that of arrival.
    const seen: SeenRequest = { at: world.clock.now(), method, host, path, headers, body: "", status: 0 };
    requests.push(seen);
    doors.set(seen, door);
    seen.body = await readAll(request);
    const incoming: Incoming = {
      seen,
      method,
      url: new URL(path, "https://any.invalid"),
      host,
      headers,
      body: seen.body,
    };
    const servername = (request.socket as TLSSocket).servername;
    if (door === "tesla" && servername !== host)
      notPlanned(world, incoming, `TLS was opened for ${servername}`);
    const reply = await answer(incoming, door);
    if (reply.wire === undefined) seen.status = reply.status;
    sendReply(request, response, reply);
    options.onRequest?.(seen);
  }

  const hostNames = [
    ...LOGIN_HOSTS,
    ...TOKEN_HOSTS,
    ...PAIRING_HOSTS,
    ...Object.values(FLEET_API_HOSTS),
    domain,
    "localhost",
  ];
  const certificates = makeCertificates([...new Set(hostNames)]);
  const tls = { key: certificates.key, cert: certificates.cert };
  const servers = [
    createServer(tls, listener("tesla")),
    createServer(tls, listener("proxy")),
    createPlainServer(listener("proxy")),
    createPlainServer(listener("plain login")),
  ];
  const [tesla, proxy, plainProxy, plainLogin] = servers as [Server, Server, Server, Server];
  const port = await listen(tesla, options.port ?? 0, sockets);
  const proxyPort = await listen(proxy, 0, sockets);
  const plainProxyPort = await listen(plainProxy, 0, sockets);
  const loginPort = await listen(plainLogin, 0, sockets);

  const folder = mkdtempSync(join(tmpdir(), "tesla-simulator-"));
  const caFile = join(folder, "ca.pem");
  writeFileSync(caFile, certificates.ca);
  const preload = new URL("./preload.mjs", import.meta.url);
  const env: Record<string, string> = {
    NODE_OPTIONS: `--import=${preload.href}`,
    TESLA_SIMULATOR: `127.0.0.1:${port}`,
    TESLA_SIMULATOR_CA: caFile,
    TESLA_SIMULATOR_DOMAIN: domain,
  };

  /** Counts the answers below 500 by kind, as Tesla bills them. */
  function bill(): Bill {
    const counts: Bill = { data: 0, command: 0, wake: 0, auth: 0, partner: 0 };
    for (const request of requests) {
      const kind = billedKind(request, doors.get(request) === "proxy");
      if (kind !== undefined && request.status > 0 && request.status < 500) counts[kind] += 1;
    }
    return counts;
  }

  /**
   * Switches a failure on by its name; fault:N and tamper:NAME are the car's own and hit one message by
   * default.
   */
  function fail(name: string, choice: number | FailOptions = {}): void {
    const given = typeof choice === "number" ? { times: choice } : choice;
    const [kind, value = ""] = name.split(":");
    if (kind === "fault") world.car.injectFault(/^\d+$/.test(value) ? Number(value) : value, given.times);
    else if (kind === "tamper") world.car.tamper(value, given.times);
    else world.failures.fail(name, given);
  }

  async function close(): Promise<void> {
    for (const socket of sockets) socket.destroy();
    await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
    rmSync(folder, { recursive: true, force: true });
  }

  return {
    // What a script's environment needs, NODE_OPTIONS included, and the file that env names.
    port,
    caFile,
    env,
    ca: certificates.ca,
    // One entry for each request, in order of arrival, and what no plan covered.
    requests,
    unexpected: world.unexpected,
    // The state, to be changed at will.
    world,
    account: world.account,
    partner: world.partner,
    garage: world.garage,
    car: world.car,
    clock: world.clock,
    failures: world.failures,
    // The owner's command proxy over TLS and over plain HTTP, and the login page for a browser.
    proxyUrl: `https://127.0.0.1:${proxyPort}`,
    plainProxyUrl: `http://127.0.0.1:${plainProxyPort}`,
    loginUrl: `http://127.0.0.1:${loginPort}`,
    bill,
    close,
    fail,
    // Without a name: every failure off, those of the car included.
    clear: (name?: string) => {
      world.failures.clear(name);
      if (name === undefined) world.car.clear();
    },
    // Registers the owner's domain, as register_partner would: for tests that begin after that step.
    register: async () => {
      const token: GrantedToken = { kind: "partner", scopes: [], expiresAt: 0, audiences: [] };
      const reply = await register(world, world.account.region, token, { domain });
      if (reply.status !== 200) throw new Error(`registration answered ${reply.status}: ${reply.body}`);
    },
    revokeConsent: () => revokeConsent(world),
    // Plays the owner's browser on the login address and returns where it is sent at the end.
    consent: (authorizeUrl: string, choice: ConsentOptions = {}) =>
      playConsent({ port, ca: certificates.ca }, authorizeUrl, choice),
  };
}
