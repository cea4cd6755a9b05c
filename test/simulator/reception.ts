// Takes in each request that reaches the simulator: notes it, has it answered by the part responsible, which it
// finds by host name and path, or by a failure that is switched on, and sends the answer. Counts what Tesla
// would bill.
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import type { TLSSocket } from "node:tls";
import type { Service } from "./failures/failures.ts";
import { readAll, sendReply } from "./server.ts";
import { handleFleet } from "./tesla/fleet_api.ts";
import { handleLogin, handlePairing } from "./tesla/login.ts";
import { handleSite } from "./tesla/owner.ts";
import { FLEET_API_HOSTS, LOGIN_HOSTS, PAIRING_HOSTS, TOKEN_HOSTS, addTxid } from "./tesla/tesla.ts";
import { rateLimited, type Incoming, type Reply, type SeenRequest } from "./tesla/tesla.ts";
import { handleToken } from "./tesla/tokens.ts";
import { dropTelemetry, factsOf, notPlanned, type World } from "./world.ts";

// ---- What Tesla would bill: every answer below 500, by kind ----

export type BilledKind = "data" | "command" | "wake" | "auth" | "partner";
export type Bill = Record<BilledKind, number>;

// US dollars, as of January 2026. Logins and partner calls cost nothing and are counted all the same.
export const PRICES: Bill = { data: 0.002, command: 0.001, wake: 0.02, auth: 0, partner: 0 };
const LIMITS_PER_MINUTE: Partial<Bill> = { data: 60, command: 30, wake: 3 };

/** The kind that a request is billed as; undefined for what Tesla does not count at all. */
export function billedKind(request: SeenRequest): BilledKind | undefined {
  const path = request.path.split("?")[0] ?? "";
  if (TOKEN_HOSTS.includes(request.host) && path.endsWith("/token")) return "auth";
  if (!Object.values(FLEET_API_HOSTS).includes(request.host)) return undefined;
  if (path.startsWith("/api/1/partner_accounts")) return "partner";
  if (path.endsWith("/wake_up")) return "wake";
  if (path.endsWith("/signed_command") || path.includes("/command/")) return "command";
  return path.startsWith("/api/1/") ? "data" : undefined;
}

/** Tesla's own names over TLS, or plain HTTP for the owner's browser: the login and the pairing page. */
export type Entrance = "tesla" | "plain login";
type Found = [services: Service[], handle: () => Reply | Promise<Reply>];

export class Reception {
  requests: SeenRequest[] = [];
  private world: World;
  private onRequest: (request: SeenRequest) => void;

  constructor(world: World, onRequest: (request: SeenRequest) => void) {
    this.world = world;
    this.onRequest = onRequest;
  }

  listener(entrance: Entrance): RequestListener {
    return (request, response) => {
      this.respond(request, response, entrance).catch((problem: unknown) => {
        this.world.unexpected.push(`the simulator itself failed: ${String(problem)}`);
        response.destroy();
      });
    };
  }

  bill(): Bill {
    const counts: Bill = { data: 0, command: 0, wake: 0, auth: 0, partner: 0 };
    for (const request of this.requests) {
      const kind = billedKind(request);
      if (kind !== undefined && request.status > 0 && request.status < 500) counts[kind] += 1;
    }
    return counts;
  }

  private async respond(request: IncomingMessage, response: ServerResponse, entrance: Entrance) {
    const headers: Record<string, string> = {};
    for (const [name, value] of Object.entries(request.headers)) headers[name] = String(value);
    const { method = "", url: path = "/" } = request;
    const host = (headers.host ?? "").replace(/:443$/, "");
    // Noted when the headers are there, so that the order is that of arrival.
    const at = this.world.clock.now();
    const seen: SeenRequest = { at, method, host, path, headers, body: "", status: 0 };
    this.requests.push(seen);
    seen.body = await readAll(request);
    const url = new URL(path, "https://any.invalid");
    const incoming: Incoming = { seen, method, url, host, headers, body: seen.body };
    const { servername } = request.socket as TLSSocket;
    if (entrance === "tesla" && servername !== host) {
      notPlanned(this.world, incoming, `TLS was opened for ${servername}`);
    }
    const reply = await this.answer(incoming, entrance);
    if (reply.wire === undefined) seen.status = reply.status;
    sendReply(request, response, reply);
    this.onRequest(seen);
  }

  /** The part's own answer, or that of a failure. */
  private async answer(incoming: Incoming, entrance: Entrance): Promise<Reply> {
    const { world } = this;
    const { failures } = world;
    const [services, handle] = this.find(incoming, entrance);
    const instead = failures.next("answer", services, incoming);
    let reply: Reply;
    if (instead !== undefined) {
      // Above its billing limit an application loses what it has configured, for good.
      if (instead.failure.name === "billing_limit") dropTelemetry(world);
      if (instead.after) await handle(); // carried out, and its answer is lost
      reply = instead.failure.answer?.(incoming, factsOf(world)) ?? { status: 500, headers: {}, body: "" };
    } else reply = this.isLimited(incoming.seen) ? rateLimited() : await handle();
    const damage = failures.next("damage", services, incoming);
    if (damage?.failure.damage !== undefined) reply = damage.failure.damage(reply);
    return services.includes("fleet") ? addTxid(reply) : reply;
  }

  /** The services that a request belongs to, for failures to find it, and what answers it. */
  private find(incoming: Incoming, entrance: Entrance): Found {
    const { world } = this;
    const { host } = incoming;
    const path = incoming.url.pathname;
    if (entrance === "plain login") {
      const login = { ...incoming, host: world.account.region === "cn" ? "auth.tesla.cn" : "auth.tesla.com" };
      const isPairing = path.startsWith("/_ak/");
      return [
        ["login"],
        () => (isPairing ? handlePairing(world, incoming, true) : handleLogin(world, login)),
      ];
    }
    if (TOKEN_HOSTS.includes(host) && path.endsWith("/token"))
      return [["token"], () => handleToken(world, incoming)];
    if (LOGIN_HOSTS.includes(host)) return [["login"], () => handleLogin(world, incoming)];
    if (TOKEN_HOSTS.includes(host)) return [[], () => handleToken(world, incoming)];
    if (host === world.partner.domain) return [["site"], () => handleSite(world, incoming)];
    if (PAIRING_HOSTS.includes(host)) return [[], () => handlePairing(world, incoming, false)];
    if (!Object.values(FLEET_API_HOSTS).includes(host)) {
      notPlanned(world, incoming, "nobody here has this host name");
      return [[], () => ({ status: 421, headers: {}, body: "" })];
    }
    const services: Service[] = ["fleet"];
    if (path.startsWith("/api/1/partner_accounts")) services.push("partner");
    if (path.endsWith("/signed_command") || path.includes("/command/")) services.push("command");
    return [services, () => handleFleet(world, incoming)];
  }

  private isLimited(seen: SeenRequest): boolean {
    const kind = billedKind(seen);
    const limit = kind === undefined ? undefined : LIMITS_PER_MINUTE[kind];
    if (!this.world.account.rateLimits || limit === undefined) return false;
    const lately = this.requests.filter((other) => other !== seen && other.at > seen.at - 60_000);
    return lately.filter((other) => other.status !== 429 && billedKind(other) === kind).length >= limit;
  }
}
