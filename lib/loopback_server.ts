// A small web server that only this machine can reach.
import { createServer, type RequestListener, type Server, type ServerResponse } from "node:http";
import { messageOf, Stop } from "./command_line.ts";

// A slow or silent visitor is dropped, so that many of them cannot keep the right one out.
const LIMITS = { headersTimeout: 3000, requestTimeout: 3000, connectionsCheckingInterval: 500 };

/** Listens on `port` of the loopback addresses (127.0.0.1, ::1; one that this machine lacks is left out)
 * and hands every request to `visit`. Returns the function that ends it, together with every connection.
 * Throws Stop 1 when the port is in use. */
export async function listenOnLoopback(addresses: string[], port: number, visit: RequestListener):
  Promise<() => void> {
  const servers: Server[] = [];
  for (const host of addresses) {
    const server = createServer(LIMITS, visit);
    server.maxRequestsPerSocket = 1; // a second one on the same connection is refused
    try {
      await new Promise<void>((resolve, reject) => server.once("error", reject).listen(port, host, resolve));
      servers.push(server);
    } catch (error) {
      if (/EADDRNOTAVAIL|EAFNOSUPPORT/.test(messageOf(error)) && servers.length > 0) continue;
      throw new Stop(1, `cannot listen on ${host}: ${messageOf(error)}; end what uses port ${port}, or take `
        + "another: --port; for get_token TESLA_REDIRECT_URI, also on developer.tesla.com");
    }
  }
  return () => servers.forEach((server) => server.close().closeAllConnections());
}

/** Answers with a short page (plain text, no cache, nothing of the request in it); waits until it is sent. */
export async function answerPage(response: ServerResponse, status: number, text: string): Promise<void> {
  const headers = { "cache-control": "no-store", "referrer-policy": "no-referrer", connection: "close" };
  response.writeHead(status, { ...headers, "content-type": "text/plain; charset=utf-8" });
  if (response.destroyed) return; // the visitor has gone
  await new Promise<void>((resolve) => response.once("close", resolve).end(`${text}\n`, () => resolve()));
}
