// Loaded before a script with NODE_OPTIONS="--import=.../simulator/preload.mjs": the script runs unchanged,
// but what it sends to Tesla's host names reaches the simulator on this computer, over real TLS (servername
// is the real host name, the certificate is checked against the simulator's own CA). Every other host is
// refused.
//
// It does not change a request or an answer, and it does not watch other ways out than undici.
//
// Plain JavaScript, since NODE_OPTIONS also reaches a Node that has no TypeScript loader yet.
import { lstatSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { isMainThread } from "node:worker_threads";
import { Agent, buildConnector, setGlobalDispatcher } from "undici";

const MAPPED_HOSTS = `auth.tesla.com auth.tesla.cn fleet-auth.prd.vn.cloud.tesla.com
  fleet-api.prd.na.vn.cloud.tesla.com fleet-api.prd.eu.vn.cloud.tesla.com fleet-api.prd.cn.vn.cloud.tesla.cn
  tesla.com www.tesla.com www.tesla.cn`.split(/\s+/);
const LOOPBACK_HOSTS = ["127.0.0.1", "::1", "[::1]", "localhost"];

const address = process.env.TESLA_SIMULATOR ?? "";
const caFile = process.env.TESLA_SIMULATOR_CA ?? "";
const domain = process.env.TESLA_SIMULATOR_DOMAIN ?? "";
const [simulatorHost, simulatorPort] = address.split(":");
if (!LOOPBACK_HOSTS.includes(simulatorHost) || !/^\d+$/.test(simulatorPort ?? "") || caFile === "") {
  throw new Error("simulator/preload.mjs needs TESLA_SIMULATOR=127.0.0.1:PORT and TESLA_SIMULATOR_CA=FILE");
}
if (domain !== "") MAPPED_HOSTS.push(domain);

const isPractice = process.env.TESLA_PRACTICE !== undefined;
function refuse(problem) {
  const advice = isPractice ? "leave this shell with exit" : "start it again, or unset NODE_OPTIONS";
  console.error(`${problem}: ${advice}`);
  process.exit(1);
}

/**
 * When a simulator has ended, its folder is gone, and the name is free for whoever can write to the folder
 * above. A shell that still points there must not trust what another user has put there since.
 */
function mustBeOurs(path) {
  try {
    const { uid, mode } = lstatSync(path);
    if (process.platform === "win32") return;
    const isOurs = [0, process.getuid()].includes(uid) && (mode & 0o022) === 0;
    if (!isOurs) refuse(`not trusted, since another user could have written it: ${path}`);
  } catch (error) {
    // Node's permission model may allow the file and not its folder: whoever started Node so chose the file.
    if (error.code !== "ERR_ACCESS_DENIED") refuse("the simulator has ended");
  }
}
mustBeOurs(dirname(caFile));
mustBeOurs(caFile);
const ca = readFileSync(caFile, "utf8");

// A stale shell would otherwise look as if it reached Tesla. Once in a process, and not for npx and tsx, which
// start the script in a process of its own.
const isScript = !/node_modules|[\\/]np[mx]$/.test(process.argv[1] ?? "node_modules");
if (isMainThread && isScript && !globalThis.isSimulatedTeslaSaid) {
  globalThis.isSimulatedTeslaSaid = true;
  process.stderr.write("simulated Tesla: nothing here reaches the real one\n");
}
const connect = buildConnector({ ca, timeout: 10_000 });

function connectToSimulator(target, done) {
  if (LOOPBACK_HOSTS.includes(target.hostname)) return connect(target, done);
  const usualPort = target.protocol === "https:" ? 443 : 80;
  const port = Number(target.port || usualPort);
  const mapped = MAPPED_HOSTS.includes(target.hostname) && target.protocol === "https:" && port === 443;
  if (!mapped) {
    const origin = `${target.protocol}//${target.hostname}:${port}`;
    const what = `the simulator does not stand for ${origin}: connection refused by simulator/preload.mjs`;
    return done(Object.assign(new Error(what), { code: "ECONNREFUSED" })); // as a real refusal has it
  }
  const servername = target.hostname;
  return connect({ ...target, hostname: simulatorHost, port: simulatorPort, servername }, done);
}

setGlobalDispatcher(new Agent({ connect: connectToSimulator }));
