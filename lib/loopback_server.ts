// A small web server that only this machine can reach.
import { createServer, type RequestListener, type Server, type ServerResponse } from "node:http";
import { messageOf, Stop } from "./command_line.ts";

// In milliseconds. A slow or silent visitor is dropped, so that many of them cannot keep the right one out.
const LIMITS = { headersTimeout: 3000, requestTimeout: 3000, connectionsCheckingInterval: 500 };

/** Listens on `port` of the loopback `addresses`; of several, one that this machine lacks is left out. Every
 * request goes to `visit`. Returns the function that ends it. Throws Stop 5, with `advice`, if that fails. */
export async function listenOnLoopback(addresses: string[], port: number, advice: string,
  visit: RequestListener): Promise<() => void> {
  const servers: Server[] = [];
  for (const host of addresses) {
    const server = createServer(LIMITS, visit);
    server.maxRequestsPerSocket = 1; // one visit, one answer: a second request on its connection is refused
    try {
      await new Promise<void>((resolve, reject) => server.once("error", reject).listen(port, host, resolve));
      servers.push(server);
    } catch (error) {
      const isLacking = ["EADDRNOTAVAIL", "EAFNOSUPPORT"].includes(Object(error).code);
      if (isLacking && servers.length > 0) continue;
      throw new Stop(5, `cannot listen on ${host}, port ${port}: ${messageOf(error)}; ${advice}`);
    }
  }
  return () => servers.forEach((server) => server.close().closeAllConnections());
}

/** Answers with a line of plain text, without anything of the request in it, and waits until it is sent. */
export async function answerPage(page: ServerResponse | undefined, status: number, text: string) {
  if (!page || page.destroyed) return; // there is no visitor, or he has gone
  page.writeHead(status, { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store",
    "referrer-policy": "no-referrer", connection: "close" });
  await new Promise<void>((resolve) => page.once("close", resolve).end(`${text}\n`, () => resolve()));
}
