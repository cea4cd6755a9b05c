// Loaded into a script by test/faults/where_secrets_go.test.ts: writes down every connection, name look-up, datagram
// and child process of the script, one JSON line each, into the file that TEST_RECORD names. It changes none
// of them.
//
// Connections are caught where Node hands them to the operating system (every socket of net, tls, http,
// undici and fetch ends there), look-ups at node:dns; and undici tells which host it wants, before anybody
// maps or refuses it. Plain JavaScript, since Node loads it before any TypeScript loader.
import childProcess from "node:child_process";
import diagnostics from "node:diagnostics_channel";
import dns from "node:dns";
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import workers from "node:worker_threads";

process.noDeprecation = true; // process.binding is old, and the only way down there
const append = fs.appendFileSync;
const file = process.env.TEST_RECORD;
const note = (what, where) => append(file, `${JSON.stringify({ what, where: String(where) })}\n`);

function watchMethod(holder, name, what, describe) {
  const real = holder[name];
  holder[name] = function (...given) {
    note(what, describe(given));
    return real.apply(this, given);
  };
}

const { TCP } = process.binding("tcp_wrap");
watchMethod(TCP.prototype, "connect", "connect", ([, address, port]) => `${address}:${port}`);
watchMethod(TCP.prototype, "connect6", "connect", ([, address, port]) => `${address}:${port}`);
watchMethod(TCP.prototype, "bind", "listen", ([address, port]) => `${address}:${port}`);
watchMethod(TCP.prototype, "bind6", "listen", ([address, port]) => `${address}:${port}`);
const { Pipe } = process.binding("pipe_wrap");
watchMethod(Pipe.prototype, "connect", "connect", ([, path]) => `pipe ${path}`);
const { UDP } = process.binding("udp_wrap");
for (const name of ["send", "send6", "connect", "connect6"])
  watchMethod(UDP.prototype, name, "datagram", () => name);
for (const holder of [dns, dns.promises, dns.Resolver.prototype, dns.promises.Resolver.prototype]) {
  for (const name of Object.getOwnPropertyNames(holder)) {
    if (/^(lookup|resolve|reverse)/.test(name) && typeof holder[name] === "function") {
      watchMethod(holder, name, "look-up", ([host]) => host);
    }
  }
}
for (const name of ["spawn", "exec", "execFile", "fork", "spawnSync", "execSync", "execFileSync"]) {
  watchMethod(childProcess, name, "child process", ([command]) => command);
}
diagnostics.channel("undici:client:beforeConnect").subscribe(({ connectParams }) => {
  note("host", `${connectParams.protocol}//${connectParams.host}`);
});
workers.Worker = class Worker extends workers.Worker {
  constructor(...given) {
    note("worker", given[0]);
    super(...given);
  }
};
syncBuiltinESMExports();
note("recorder", "is there"); // a run without this line was not watched
