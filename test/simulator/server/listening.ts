// Listens on a port of 127.0.0.1, and reads a request to its end.

import type { IncomingMessage, Server } from "node:http";
import { createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";

const BODY_LIMIT = 1024 * 1024;

/** The body of a request; what is over the limit is left out. */
export function readAll(request: IncomingMessage): Promise<string> {
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

/** Listens, with each open connection in `sockets`. Resolves to the port; 0 asks for a free one. */
export async function listen(server: Server, port: number, sockets: Set<Socket>): Promise<number> {
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
    server.once("error", (error: NodeJS.ErrnoException) => {
      const isTaken = error.code === "EADDRINUSE";
      reject(isTaken ? new Error(`port ${port} of 127.0.0.1 is in use: is a simulator up already?`) : error);
    });
    server.listen(port, "127.0.0.1", resolve);
  });
  return (server.address() as AddressInfo).port;
}

/** Whether a script will be able to listen there, on IPv4 and, where this computer has it, on IPv6. */
export async function isFree(port: number): Promise<boolean> {
  for (const host of ["127.0.0.1", "::1"]) {
    const server = createServer();
    const problem = await new Promise<string>((resolve) => {
      server.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? ""));
      server.listen(port, host, () => resolve(""));
    });
    if (problem === "") await new Promise((resolve) => server.close(resolve));
    if (problem === "EADDRINUSE" || problem === "EACCES") return false;
  }
  return true;
}

let nextPort = 10_000 + ((process.pid * 97) % 20_000); // each process begins at a number of its own

/** A port of this computer that is free now. It lies below those that the system gives to whoever asks for any, so
 * that no other program is given it before it is used. */
export async function freePort(): Promise<number> {
  for (;;) {
    nextPort = nextPort < 30_000 ? nextPort + 1 : 10_000;
    const port = nextPort; // another call may go on meanwhile
    if (await isFree(port)) return port;
  }
}
