// What it takes to be a web server on this computer: a certificate, a port, the whole of a request, an answer
// on the wire.
import { generateKeyPairSync, randomBytes } from "node:crypto";
import type { ClientRequest, IncomingMessage, Server, ServerResponse } from "node:http";
import { createServer, type AddressInfo, type Socket } from "node:net";
import forge from "node-forge";
import type { Reply } from "./tesla/tesla.ts";

/** How a TypeScript file is run in a process of its own: an older Node needs tsx, which is found from here. */
export const LOADER: string[] = process.features.typescript ? [] : ["--import", import.meta.resolve("tsx")];

// ---- Ports ----

/** Listens on a port, 0 for a free one. close() ends every connection too. */
export async function listen(server: Server, port: number) {
  const sockets = new Set<Socket>();
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
  async function close(): Promise<void> {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  }
  return { port: (server.address() as AddressInfo).port, close };
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

/**
 * A port of this computer that is free now. It lies below those that the system gives to whoever asks for any,
 * so that no other program is given it before it is used.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    nextPort = nextPort < 30_000 ? nextPort + 1 : 10_000;
    const port = nextPort; // another call may go on meanwhile
    if (await isFree(port)) return port;
  }
}

// ---- Requests and answers ----

const BODY_LIMIT = 1024 * 1024;
const DROP_EVERY = 100; // milliseconds

/** The body of a request or an answer; what is over the limit is left out. */
export async function readAll(message: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of message) {
    size += chunk.length;
    if (size <= BODY_LIMIT) chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** Sends a request of the simulator's own. */
export async function fetchFrom(outgoing: ClientRequest, body?: string) {
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.on("response", resolve);
    outgoing.on("timeout", () => outgoing.destroy(new Error("no answer in time")));
    outgoing.on("error", reject);
    outgoing.end(body);
  });
  return { status: answer.statusCode ?? 0, headers: answer.headers, body: await readAll(answer) };
}

/** Whole, or closing the connection without it, or never, or a drop at a time. */
export function sendReply(request: IncomingMessage, response: ServerResponse, reply: Reply): void {
  if (reply.wire === "hang_up") return void request.socket.destroy();
  // The connection stays open until the client gives up or the simulator closes.
  if (reply.wire === "silence") return;
  if (reply.wire === "drip") {
    response.writeHead(reply.status, reply.headers);
    response.write(reply.body.slice(0, 1));
    const timer = setInterval(() => response.write(" "), DROP_EVERY);
    return void response.on("close", () => clearInterval(timer));
  }
  const length = { "content-length": String(Buffer.byteLength(reply.body)) };
  response.writeHead(reply.status, { ...reply.headers, ...(reply.status === 204 ? {} : length) });
  response.end(request.method === "HEAD" ? "" : reply.body);
}

// ---- Certificates: an authority, and one certificate for every host name that the simulator stands for. Both
// are new in each process. The private keys stay in memory; the authority's certificate alone becomes a file. ----

const ONE_DAY = 24 * 3600 * 1000;
const AUTHORITY = "Tesla simulator, not Tesla";

// Made once in a process: tests start many simulators, and making and signing is what takes the time.
let keyPairs: { authority: Keys; server: Keys } | undefined;
const made = new Map<string, ReturnType<typeof newCertificates>>();
type Keys = ReturnType<typeof newKeys>;

// node:crypto makes RSA keys far quicker than forge; forge only assembles and signs the certificates.
function newKeys() {
  const { privateKey: pem, publicKey } = generateKeyPairSync("rsa", {
    modulusLength: 2048,
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });
  const privateKey = forge.pki.privateKeyFromPem(pem);
  return { pem, privateKey, publicKey: forge.pki.publicKeyFromPem(publicKey) };
}

function certificate(publicKey: forge.pki.PublicKey, subject: string, signer: Keys, extensions: object[]) {
  const one = forge.pki.createCertificate();
  one.publicKey = publicKey;
  // The first digit 0 keeps the serial number positive, which X.509 demands.
  one.serialNumber = `01${randomBytes(15).toString("hex")}`;
  one.validity.notBefore = new Date(Date.now() - ONE_DAY);
  one.validity.notAfter = new Date(Date.now() + 30 * ONE_DAY);
  one.setSubject([{ name: "commonName", value: subject }]);
  one.setIssuer([{ name: "commonName", value: AUTHORITY }]);
  one.setExtensions([...extensions, { name: "subjectKeyIdentifier" }]);
  one.sign(signer.privateKey, forge.md.sha256.create());
  return one;
}

function newCertificates(hostNames: string[]) {
  keyPairs ??= { authority: newKeys(), server: newKeys() };
  const { authority, server } = keyPairs;
  const ca = certificate(authority.publicKey, AUTHORITY, authority, [
    { name: "basicConstraints", cA: true, critical: true },
    { name: "keyUsage", keyCertSign: true, cRLSign: true, critical: true },
  ]);
  const loopback = ["127.0.0.1", "::1"].map((ip) => ({ type: 7, ip }));
  const cert = certificate(server.publicKey, hostNames[0] ?? "localhost", authority, [
    { name: "basicConstraints", cA: false },
    { name: "keyUsage", digitalSignature: true, keyEncipherment: true },
    { name: "extKeyUsage", serverAuth: true },
    { name: "subjectAltName", altNames: [...hostNames.map((value) => ({ type: 2, value })), ...loopback] },
    // Strict verifiers, Python 3.13's among them, demand both key identifiers.
    { name: "authorityKeyIdentifier", keyIdentifier: ca.generateSubjectKeyIdentifier().getBytes() },
  ]);
  const { certificateToPem } = forge.pki;
  return { ca: certificateToPem(ca), cert: certificateToPem(cert), key: server.pem };
}

/** All PEM, for these DNS names, for 127.0.0.1 and for ::1. */
export function makeCertificates(hostNames: string[]) {
  const known = made.get(hostNames.join(" ")) ?? newCertificates(hostNames);
  made.set(hostNames.join(" "), known);
  return known;
}
