// A small web server that only this machine can reach.
import { createServer, type RequestListener, type Server, type ServerResponse } from "node:http";
import { asRecord, Failure, messageOf } from "./command_line.ts";

// In milliseconds. A slow or silent client is dropped, so that many of them cannot keep the right one out.
const LIMITS = { headersTimeout: 3000, requestTimeout: 3000, connectionsCheckingInterval: 500 };

/** Listens on `port` of the loopback `addresses`; of several, those this machine does not have are left out.
 * Every request goes to `visit`. Returns the function that ends it. Throws Failure 5 if it cannot listen. */
export async function listenOnLoopback(
  addresses: string[],
  port: number,
  fix: string,
  visit: RequestListener,
): Promise<() => void> {
  const servers: Server[] = [];
  for (const host of addresses) {
    const server = createServer(LIMITS, visit);
    server.maxRequestsPerSocket = 1; // one visit, one answer: a second request on its connection is refused
    try {
      await new Promise<void>((resolve, reject) => server.once("error", reject).listen(port, host, resolve));
      servers.push(server);
    } catch (error) {
      const isLacking = ["EADDRNOTAVAIL", "EAFNOSUPPORT"].includes(String(asRecord(error).code));
      if (isLacking && servers.length > 0) continue;
      throw new Failure(5, `cannot listen on ${host}, port ${port}`, messageOf(error), fix);
    }
  }
  return () => {
    for (const server of servers) server.close().closeAllConnections();
  };
}

/** Answers with a line of plain text, without anything of the request in it, and waits until it is sent. */
export async function answerPage(page: ServerResponse, status: number, text: string): Promise<void> {
  if (page.destroyed) return; // the client has disconnected
  page.writeHead(status, {
    "content-type": "text/plain; charset=utf-8",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    connection: "close",
  });
  await new Promise<void>((resolve) => page.once("close", resolve).end(`${text}\n`, () => resolve()));
}
