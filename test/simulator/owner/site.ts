// The owner's pretended domain: what a visitor of https://DOMAIN/ gets. It is either a file set by a test, or
// a tunnel to a server on this computer (serve_public_key), or nothing.

import { request } from "node:http";
import { KEY_PATH } from "../tesla/tesla.ts";
import type { Incoming, Reply } from "../tesla/tesla.ts";
import { notPlanned } from "../world/world.ts";
import type { World } from "../world/world.ts";

const TUNNEL_TIMEOUT = 5000;

function plain(status: number, body: string): Reply {
  return { status, headers: { "content-type": "text/plain" }, body };
}

function throughTunnel(
  port: number,
  method: string,
  path: string,
  headers: Record<string, string>,
): Promise<Reply> {
  return new Promise((resolve) => {
    const options = { host: "127.0.0.1", port, method, path, headers, timeout: TUNNEL_TIMEOUT, agent: false };
    const outgoing = request(options, (answer) => {
      const chunks: Buffer[] = [];
      answer.on("data", (chunk: Buffer) => chunks.push(chunk));
      answer.on("end", () => {
        const kept: Record<string, string> = {};
        const type = answer.headers["content-type"];
        if (type !== undefined) kept["content-type"] = type;
        if (answer.headers.location !== undefined) kept.location = answer.headers.location;
        resolve({
          status: answer.statusCode ?? 502,
          headers: kept,
          body: Buffer.concat(chunks).toString("utf8"),
        });
      });
    });
    outgoing.on("timeout", () => outgoing.destroy(new Error("timeout")));
    // What a tunnel's own server says when nothing listens behind it.
    outgoing.on("error", () => resolve(plain(502, "nothing answers behind the tunnel\n")));
    outgoing.end();
  });
}

/** One visit of the owner's domain, by a script or by Tesla. */
export async function visitSite(world: World, method: string, path: string, headers: Record<string, string>) {
  const hosting = world.partner.hosting;
  if (hosting.kind === "tunnel") return throughTunnel(hosting.port, method, path, headers);
  if (hosting.kind === "none" || path !== KEY_PATH) return plain(404, "not found\n");
  return {
    status: hosting.status ?? 200,
    headers: { "content-type": "text/plain", ...hosting.headers },
    body: hosting.body,
  };
}

export async function handleSite(world: World, incoming: Incoming): Promise<Reply> {
  const isRead = incoming.method === "GET" || incoming.method === "HEAD";
  if (!isRead) notPlanned(world, incoming, "the owner's domain is only read");
  if (incoming.headers.authorization !== undefined)
    notPlanned(world, incoming, "a secret sent to the owner's domain");
  return visitSite(world, incoming.method, incoming.seen.path, { host: incoming.host });
}
