// Puts an answer on the wire: whole, or closing the connection without it, or never, or a drop at a time.

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Reply } from "../tesla/tesla.ts";

const DROP_EVERY = 100; // milliseconds

export function sendReply(request: IncomingMessage, response: ServerResponse, reply: Reply): void {
  if (reply.wire === "hang_up") return void request.socket.destroy();
  // The connection stays open until the client gives up or the simulator closes.
  if (reply.wire === "silence") return;
  if (reply.wire === "drip") {
    response.writeHead(reply.status, reply.headers);
    response.write(reply.body.slice(0, 1));
    const timer = setInterval(() => response.write(" "), DROP_EVERY);
    response.on("close", () => clearInterval(timer));
    return;
  }
  const body = request.method === "HEAD" ? "" : reply.body;
  const length = Buffer.byteLength(reply.body);
  const plain = reply.status === 204 ? {} : { "content-length": String(length) };
  response.writeHead(reply.status, { ...reply.headers, ...plain });
  response.end(body);
}
