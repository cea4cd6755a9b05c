// Serves your public key, and nothing else, on this machine: a tunnel or web server in front makes it public.
//
//   reads     public-key.pem
//   writes    nothing
//   contacts  nobody; listens on 127.0.0.1
//   costs     nothing
//   run       npx tsx scripts/serve_public_key.ts [--port 8080]
import { clean, say, startScript, Stop } from "../lib/command_line.ts";
import { KEY_PATH } from "../lib/hosts.ts";
import { readPublicKey } from "../lib/key_files.ts";
import { answerPage, listenOnLoopback } from "../lib/loopback_server.ts";

// Step 1: the port, and the key. It is read once, and refused if it is anything but a P-256 public key.
const { options } = startScript(import.meta.filename, { port: { type: "string", default: "8080" } });
const port = Number(options.port);
if (!/^\d{1,5}$/.test(String(options.port)) || port < 1 || port > 65535) {
  throw new Stop(2, `wrong usage: --port is a number from 1 to 65535; found "${options.port}"`);
}
const { pem } = readPublicKey();

// Step 2: answer GET and HEAD of the one address that Tesla asks for. Everything else does not exist.
const advice = "stop what uses the port, or take another with --port";
await listenOnLoopback(["127.0.0.1"], port, advice, (request, response) => {
  const found = request.url === KEY_PATH && ["GET", "HEAD"].includes(request.method ?? "");
  const headers = { "content-type": "application/x-pem-file", "content-length": Buffer.byteLength(pem) };
  if (found) response.writeHead(200, headers).end(pem);
  else void answerPage(response, 404, "There is nothing here.");
  const visit = `${request.method} ${request.url} by ${request.headers["user-agent"] ?? "no name"}`;
  say(`${new Date().toLocaleTimeString()} ${found ? "200" : "404"} ${clean(visit).slice(0, 200)}`);
});
say(`serving public-key.pem at http://127.0.0.1:${port}${KEY_PATH}
The whole world must see it at https://TESLA_DOMAIN${KEY_PATH}
next     npx tsx scripts/register_partner.ts (in another terminal); Ctrl-C ends`);
