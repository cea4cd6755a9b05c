// Loaded after ../preload.mjs in the shell of `npm run practice`. The scripts run unchanged; two
// things are done around them:
//
//   - The addresses that an owner opens in a browser (login, consent, pairing) are printed as those of the
//     simulated pages, so that a click on them does not lead to the real Tesla. A line says so.
//   - A script that still runs when the practice ends (serve_public_key in the background) ends with it.
import { connect } from "node:net";
import { isMainThread } from "node:worker_threads";

const control = process.env.TESLA_PRACTICE ?? "";
const token = process.env.TESLA_PRACTICE_TOKEN ?? "";
const domain = process.env.TESLA_SIMULATOR_DOMAIN ?? "";
const pages = process.env.TESLA_PRACTICE_PAGES ?? "";

const LOGIN = String.raw`auth\.tesla\.(?:com|cn)(?=/oauth2/v3/authorize\?|/user/revoke/)`;
const PAIRING = String.raw`(?:www\.)?tesla\.(?:com|cn)(?=/_ak/)`;
const BROWSER_ADDRESS = new RegExp(`https://(?:${LOGIN}|${PAIRING})`, "g");

let isSaid = false;

function showSimulatedPages(stream) {
  const write = stream.write;
  stream.write = (chunk, ...rest) => {
    if (typeof chunk !== "string") return write.call(stream, chunk, ...rest);
    let original = "";
    const shown = chunk
      .replace(BROWSER_ADDRESS, (found) => {
        original = found;
        return pages;
      })
      .replace(`${pages}/_ak/YOUR.DOMAIN`, `${pages}/_ak/${domain}`);
    const isTaken = write.call(stream, shown, ...rest);
    if (original !== "" && !isSaid) {
      isSaid = true;
      process.stderr.write(`(practice: where this says ${pages}, the script wrote ${original})\n`);
    }
    return isTaken;
  };
}

function endWithPractice() {
  const { port } = new URL(control);
  const socket = connect({ host: "127.0.0.1", port: Number(port) });
  socket.on("error", () => {}); // refused, or forbidden by --permission: then there is nothing to wait for
  socket.on("connect", () => {
    socket.on("close", () => process.exit());
    socket.write(`GET /until-the-end HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer ${token}\r\n\r\n`);
  });
  socket.unref();
}

if (isMainThread) {
  showSimulatedPages(process.stdout);
  showSimulatedPages(process.stderr);
  try {
    endWithPractice();
  } catch {} // --permission without --allow-net
}
