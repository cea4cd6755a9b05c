// Serves your public key, and nothing else, on this machine: a tunnel or web server in front makes it public.
//
//   reads     public-key.pem
//   writes    nothing
//   contacts  nothing; listens on 127.0.0.1
//   costs     nothing
//   run       npx tsx scripts/serve_public_key.ts [--port 8080]
import { clean, Failure, localTime, say, startScript } from "../lib/command_line.ts";
import { KEY_PATH } from "../lib/hosts.ts";
import { readPublicKey } from "../lib/key_files.ts";
import { answerPage, listenOnLoopback } from "../lib/loopback_server.ts";

// Step 1: the port, and the key. It is read once, and refused if it is anything but a P-256 public key.
const { port: given = "8080" } = startScript(import.meta.filename, { values: ["port"] });
const port = Number(given);
if (!/^\d{1,5}$/.test(given) || port < 1 || port > 65535) {
  throw new Failure(2, "wrong usage", `--port is "${given}"`, "--port is a number from 1 to 65535");
}
const { pem } = readPublicKey();

// Step 2: answer GET and HEAD of the one address that Tesla asks for. Anything else is "Not found".
const fix = "stop what uses the port, or choose another with --port";
await listenOnLoopback(["127.0.0.1"], port, fix, (request, response) => {
  const isFound = request.url === KEY_PATH && ["GET", "HEAD"].includes(request.method ?? "");
  const headers = { "content-type": "application/x-pem-file", "content-length": Buffer.byteLength(pem) };
  if (isFound) response.writeHead(200, headers).end(pem);
  else void answerPage(response, 404, "Not found.");
  const visit = `${request.method} ${request.url} by ${request.headers["user-agent"] ?? "(no user agent)"}`;
  say(`${localTime(new Date())} ${isFound ? "200" : "404"} ${clean(visit).slice(0, 200)}`);
});
say(`serving public-key.pem at http://127.0.0.1:${port}${KEY_PATH}
It must be publicly reachable at https://TESLA_DOMAIN${KEY_PATH}
next     npx tsx scripts/register_partner.ts (in another terminal); Ctrl-C stops it`);
