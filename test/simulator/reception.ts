// Takes in each request that reaches the simulator: notes it, has it answered by the part responsible or by
// a failure that is switched on, and sends the answer. Also counts what Tesla would bill.

import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import type { TLSSocket } from "node:tls";
import { LIMITS_PER_MINUTE, billedKind } from "./bill.ts";
import type { Bill, BilledKind } from "./bill.ts";
import { addTxid } from "./fleet_api/fleet_api.ts";
import { handle, servicesOf } from "./router.ts";
import type { Entrance } from "./router.ts";
import { readAll, sendReply } from "./server/server.ts";
import { rateLimited } from "./tesla/tesla.ts";
import type { Incoming, Reply, SeenRequest } from "./tesla/tesla.ts";
import { dropTelemetry, factsOf, notPlanned } from "./world/world.ts";
import type { World } from "./world/world.ts";

export class Reception {
  world: World;
  onRequest: (request: SeenRequest) => void;
  requests: SeenRequest[] = [];

  constructor(world: World, onRequest: (request: SeenRequest) => void) {
    this.world = world;
    this.onRequest = onRequest;
  }

  /** The listener of a server that is this entrance. */
  listener(entrance: Entrance): RequestListener {
    return (request: IncomingMessage, response: ServerResponse) => {
      this.respond(request, response, entrance).catch((problem: unknown) => {
        this.world.unexpected.push(`the simulator itself failed: ${String(problem)}`);
        response.destroy();
      });
    };
  }

  /** Counts the answers below 500 by kind, as Tesla bills them. */
  bill(): Bill {
    const counts: Bill = { data: 0, command: 0, wake: 0, auth: 0, partner: 0 };
    for (const request of this.requests) {
      const kind = this.kindOf(request);
      if (kind !== undefined && request.status > 0 && request.status < 500) counts[kind] += 1;
    }
    return counts;
  }

  private kindOf(request: SeenRequest): BilledKind | undefined {
    return billedKind(request);
  }

  private async respond(
    request: IncomingMessage, response: ServerResponse, entrance: Entrance,
  ): Promise<void> {
    const headers: Record<string, string> = {};
    for (const [name, value] of Object.entries(request.headers)) headers[name] = String(value);
    const method = request.method ?? "";
    const host = (headers.host ?? "").replace(/:443$/, "");
    const path = request.url ?? "/";
    // Noted when the headers are there, so that the order is that of arrival.
    const at = this.world.clock.now();
    const seen: SeenRequest = { at, method, host, path, headers, body: "", status: 0 };
    this.requests.push(seen);
    seen.body = await readAll(request);
    const url = new URL(path, "https://any.invalid");
    const incoming: Incoming = { seen, method, url, host, headers, body: seen.body };
    const servername = (request.socket as TLSSocket).servername;
    if (entrance === "tesla" && servername !== host)
      notPlanned(this.world, incoming, `TLS was opened for ${servername}`);
    const reply = await this.answer(incoming, entrance);
    if (reply.wire === undefined) seen.status = reply.status;
    sendReply(request, response, reply);
    this.onRequest(seen);
  }

  private async answer(incoming: Incoming, entrance: Entrance): Promise<Reply> {
    const { world } = this;
    const services = servicesOf(world, incoming, entrance);
    const instead = world.failures.next("answer", services, incoming);
    let reply: Reply;
    if (instead !== undefined) {
      // Above its billing limit an application loses what it has configured, for good.
      if (instead.failure.name === "billing_limit") dropTelemetry(world.garage.telemetry);
      if (instead.after) await handle(world, incoming, entrance);
      reply = instead.failure.answer?.(incoming, factsOf(world)) ?? { status: 500, headers: {}, body: "" };
    } else if (this.isLimited(incoming.seen)) reply = rateLimited();
    else reply = await handle(world, incoming, entrance);
    const damage = world.failures.next("damage", services, incoming);
    if (damage?.failure.damage !== undefined) reply = damage.failure.damage(reply);
    return services.includes("fleet") ? addTxid(reply) : reply;
  }

  private isLimited(seen: SeenRequest): boolean {
    const kind = this.kindOf(seen);
    const limit = kind === undefined ? undefined : LIMITS_PER_MINUTE[kind];
    if (!this.world.account.rateLimits || limit === undefined) return false;
    const lately = this.requests.filter((other) => other !== seen && other.at > seen.at - 60_000);
    const counted = lately.filter((other) => other.status !== 429 && this.kindOf(other) === kind);
    return counted.length >= limit;
  }
}
