// The same files inside this process, for long lists of cases: a part of lib/, or a whole script.
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { getGlobalDispatcher } from "undici";
import { clean, Failure, messageOf } from "../../lib/command_line.ts";
import { plainFile } from "./compiled.ts";
import { type Owner, PROJECT, type Result } from "./owner.ts";

let turn: Promise<unknown> = Promise.resolve();
let imports = 0;

/** Runs a part of lib/ in this process as a script would: in the owner's folder, the simulator behind undici,
 * with an error as a line and an exit code. Far quicker than a child process, for long lists of cases; one at
 * a time. */
export function inside(owner: Owner, run: () => Promise<unknown>): Promise<Result> {
  return takeTurn(() =>
    insideNow(owner, "lib", async () => {
      try {
        await run();
      } catch (error) {
        const { exitCode, found, fix } =
          error instanceof Failure ? error : new Failure(1, "", "unexpected", "none");
        const rows = [`error: ${clean(messageOf(error))}`, `found: ${clean(found)}`, `fix:   ${clean(fix)}`];
        process.stderr.write(`${rows.join("\n")}\n`); // as lib/command_line.ts does it
        return exitCode;
      }
      return 0;
    }),
  );
}

/** Runs a whole script in this process: its file as it is, loaded anew each time, its own handler of errors
 * included. What it prints, its exit code, its files and its requests are those of a process, at a tenth of the
 * time. For a script that reads no standard input, gets no signal and does not listen; one at a time. */
export function runInside(owner: Owner, script: string, words: string[] = []): Promise<Result> {
  return takeTurn(() => insideNow(owner, script, () => loadScript(script, words)));
}

function takeTurn(run: () => Promise<Result>): Promise<Result> {
  const next = turn.then(run);
  turn = next.catch(() => {});
  return next;
}

class Exit extends Error {
  code: number;
  constructor(code: number) {
    super(`process.exit(${code})`);
    this.code = code;
  }
}

async function loadScript(script: string, words: string[]): Promise<number> {
  const { argv, exit, exitCode } = process; // the runner of the tests sets an exit code too
  process.exitCode = undefined;
  const uncaught = process.listeners("uncaughtException");
  const exits = process.listeners("exit");
  const streams = [process.stdout, process.stderr].map((stream) => ({
    stream,
    had: stream.listeners("error"),
  }));
  const file = plainFile(script.includes("/") ? script : join(PROJECT, "scripts", `${script}.ts`));
  process.argv = [process.execPath, file, ...words];
  process.exit = (code) => {
    throw new Exit(Number(code ?? process.exitCode ?? 0));
  };
  const added = () => process.listeners("uncaughtException").filter((one) => !uncaught.includes(one));
  try {
    await import(`${pathToFileURL(file).href}?${imports}`);
    return Number(process.exitCode ?? 0);
  } catch (thrown) {
    if (thrown instanceof Exit) return thrown.code;
    try {
      const [handle] = added(); // as Node does with what nobody catches
      handle?.(thrown as Error, "uncaughtException");
    } catch (ended) {
      if (ended instanceof Exit) return ended.code;
      throw ended;
    }
    throw thrown;
  } finally {
    for (const one of added()) process.off("uncaughtException", one);
    for (const one of process.listeners("exit")) if (!exits.includes(one)) process.off("exit", one);
    for (const { stream, had } of streams) {
      for (const one of stream.listeners("error"))
        if (!had.includes(one)) stream.off("error", one as () => void);
    }
    Object.assign(process, { argv, exit, exitCode });
  }
}

async function insideNow(owner: Owner, name: string, run: () => Promise<number>): Promise<Result> {
  const { simulator, folder } = owner;
  const settings = Object.entries(process.env).filter(([name]) => name.startsWith("TESLA_"));
  for (const [name] of settings) delete process.env[name];
  Object.assign(process.env, simulator.env, { NODE_OPTIONS: "" });
  // The query makes Node run the file again: each time new connections, as a new process has them.
  imports += 1;
  await import(`../simulator/preload.mjs?${imports}`);
  const home = process.cwd();
  const before = simulator.requests.length;
  const begin = performance.now();
  const said = { stdout: "", stderr: "" };
  const writes = { stdout: process.stdout.write, stderr: process.stderr.write };
  process.chdir(folder);
  for (const stream of ["stdout", "stderr"] as const) {
    process[stream].write = function (this: typeof process.stdout, ...given: unknown[]) {
      // The runner of the tests writes its results, as bytes, whenever one of them ends.
      if (typeof given[0] !== "string") return Reflect.apply(writes[stream], this, given);
      said[stream] += given[0];
      return true;
    };
  }
  let code = 0;
  try {
    code = await run();
  } finally {
    Object.assign(process.stdout, { write: writes.stdout });
    Object.assign(process.stderr, { write: writes.stderr });
    process.chdir(home);
    await getGlobalDispatcher().destroy();
  }
  const requests = simulator.requests.slice(before);
  const result = { code, ...said, ms: performance.now() - begin, requests };
  owner.checkOutput(name, result);
  return result;
}
