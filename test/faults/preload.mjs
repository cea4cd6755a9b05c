// Loaded into a script by the fault tests, beside test/simulator/preload.mjs; lib/ and scripts/ know nothing of it.
// It counts the calls of node:fs that concern the token file, the session file and what lies beside them, and at one of
// them does what TEST_FAULT (JSON) says:
//
//   at      the call's number, from 1
//   act     "kill" before the call, "kill after" it, "half": write one half, then kill; "hold": wait for the file `until`;
//           "clock"; or an error code, such as "ENOSPC", which the call throws
//   ms      step the clock by so much then, with "clock" and "hold"
//   rate    both clocks run so many times as fast
//   uptime  the machine has been up for so many seconds more
//
// TEST_FAULT_LOG names a file that gets one line for each call: its name and the file's.
// Plain JavaScript, since Node loads it before any TypeScript loader.
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import os from "node:os";
import { basename } from "node:path";

const fault = JSON.parse(process.env.TEST_FAULT ?? "{}");
const log = process.env.TEST_FAULT_LOG;
const real = { ...fs };
const handles = new Map();
let calls = 0;
let inside = false;

const RealDate = Date;
const begin = RealDate.now();
let step = 0;
function now() {
  return Math.floor(begin + (RealDate.now() - begin) * (fault.rate ?? 1) + step);
}
globalThis.Date = class extends RealDate {
  constructor(...given) {
    if (given.length === 0) super(now());
    else super(...given);
  }
  static now() {
    return now();
  }
};

const realUptime = os.uptime;
os.uptime = () => realUptime() + (fault.uptime ?? 0);
const elapsed = performance.now.bind(performance);
if (fault.rate) performance.now = () => elapsed() * fault.rate;

function die() {
  process.kill(process.pid, "SIGKILL");
  for (;;); // until the signal is here
}

function act(name, target, given) {
  if (fault.act === "kill") die();
  if (fault.act === "kill after") {
    try {
      real[name](...given);
    } catch {} // a file that is not there yet, as for the script itself
    die();
  }
  if (fault.act === "half") {
    const text = String(given[1]);
    const half = text.slice(0, Math.floor(text.length / 2));
    if (name === "writeFileSync") real.writeFileSync(given[0], fault.empty ? "" : half, given[2]);
    else real.writeSync(given[0], half, 0);
    die();
  }
  step = fault.ms ?? 0;
  if (fault.act === "clock") return;
  if (fault.act === "hold") {
    real.writeFileSync(`${fault.until}.reached`, "");
    while (!real.existsSync(fault.until)) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
  } else {
    const error = new Error(`${fault.act}: the test says so, ${name} '${target}'`);
    throw Object.assign(error, { code: fault.act });
  }
}

for (const name of [
  "openSync",
  "writeSync",
  "writeFileSync",
  "readFileSync",
  "ftruncateSync",
  "closeSync",
  "fsyncSync",
  "renameSync",
  "rmSync",
  "statSync",
  "fstatSync",
]) {
  fs[name] = (...given) => {
    const target = typeof given[0] === "number" ? handles.get(given[0]) : basename(String(given[0]));
    const concerns = !inside && target !== undefined && /^(\.|tesla_(token|session)\.json.*)$/.test(target);
    if (!concerns) return real[name](...given);
    inside = true; // what Node does in one call of ours is one call
    try {
      calls += 1;
      if (log) real.appendFileSync(log, `${name} ${target}\n`);
      if (calls === fault.at) act(name, target, given);
      const found = real[name](...given);
      if (name === "openSync") handles.set(found, target);
      if (name === "closeSync") handles.delete(given[0]);
      return found;
    } finally {
      inside = false;
    }
  };
}
syncBuiltinESMExports();
