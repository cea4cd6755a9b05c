// `npm run endurance`: a day of a solar loop on the simulated Tesla: 1,440 commands, 3 refreshes of the
// token, 2 reboots of the car, 20 lost answers. It ends with 1 as soon as a token is lost, a command is done
// twice, a request is not as counted, or the session file grows.
//
//   npm run endurance                   every run in this process, one after the other: about half a minute
//   npm run endurance -- --processes    every run a process of its own, as cron starts them: about 10 minutes
//   npm run endurance -- --processes --commands 48 --lost 6      the same day, fewer commands
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { Owner } from "../support/owner.ts";
import "./shifted_clock.mjs";
import { liveOneDay, type Ended } from "./solar_day.ts";

const { values } = parseArgs({
  options: {
    processes: { type: "boolean" },
    commands: { type: "string", default: "1440" },
    lost: { type: "string", default: "20" },
  },
});
const addressOf = (script: string): string => new URL(`../../scripts/${script}.ts`, import.meta.url).href;

class Exit extends Error {
  exitCode = 0;
}

// The real script, loaded anew each time: its question mark makes it another module for Node.
let runs = 0;
async function runHere(script: string, words: string[], owner: Owner): Promise<Ended> {
  if (runs === 0) {
    Object.assign(process.env, { ...owner.simulator.env, NODE_OPTIONS: "" });
    await import(new URL("../simulator/preload.mjs", import.meta.url).href);
  }
  runs += 1;
  const { argv, exit, stdout, stderr } = process;
  const write = { stdout: stdout.write, stderr: stderr.write };
  const here = process.cwd();
  let output = "";
  const collect = ((text: string) => {
    output += text;
    return true;
  }) as typeof stdout.write;
  let code = 0;
  try {
    process.argv = [argv[0] ?? "", fileURLToPath(addressOf(script)), ...words];
    process.exit = (status?: number) => {
      throw Object.assign(new Exit(), { exitCode: status ?? 0 });
    };
    stdout.write = collect;
    stderr.write = collect;
    process.chdir(owner.folder);
    await import(`${addressOf(script)}?run=${runs}`);
  } catch (error) {
    const { exitCode, message } = error as { exitCode?: number; message: string };
    code = exitCode ?? 1;
    if (!(error instanceof Exit)) output += `error: ${message}\n`;
  } finally {
    process.chdir(here);
    process.argv = argv;
    process.exit = exit;
    stdout.write = write.stdout;
    stderr.write = write.stderr;
    process.removeAllListeners("uncaughtException"); // each script sets its own
  }
  return { code, output };
}

// As cron does, but for the clock.
async function runProcess(script: string, words: string[], owner: Owner): Promise<Ended> {
  const clock = ["--import", new URL("./shifted_clock.mjs", import.meta.url).href];
  const { code, stdout, stderr } = await owner.run(script, words, { node: clock });
  return { code, output: stdout + stderr };
}

const figures = await liveOneDay({
  commands: Number(values.commands),
  lost: Number(values.lost),
  run: values.processes === true ? runProcess : runHere,
});
const { commands, commandRequests, refreshes, tokenRequests, done, unknown, sessionBytes, dollars, seconds } =
  figures;
const way = values.processes === true ? "a process each" : "in one process";
process.stdout.write(`a day of ${commands} commands, ${way}
commands   ${commandRequests} requests: one each, 1 handshake, 2 resyncs after the car's 2 reboots
done       ${done}, none twice; ${commands - done} never reached the car or were refused by it as out of date
unknown    ${unknown} lost answers, each exit code 8 and not sent again
token      ${refreshes} refreshes in ${tokenRequests} requests,
  the first of them with a lost answer; none lost
session    ${sessionBytes.join(" to ")} bytes
billed     $${dollars.toFixed(3)}
took       ${seconds.toFixed(0)} s
`);
process.exit(0); // connections that are kept alive would hold this process for some seconds
