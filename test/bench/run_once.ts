// Runs one program to its end and tells how long the whole process took; or, on Linux, how much memory it and
// the processes that it starts took at their peak.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";

export interface Program {
  command: string[];
  cwd: string;
  env: Record<string, string | undefined>;
}

/** Milliseconds from its start to its end. Throws an Error, with what it printed, when that is not with 0. */
export function timeOf(program: Program): Promise<number> {
  return run(program, () => undefined);
}

/** The sum, over all its processes, of the most memory that each had in RAM, in MB, shared pages counted in
 * each. NaN where /proc does not tell. It looks often and so disturbs the time. */
export async function memoryOf(program: Program): Promise<number> {
  const peaks = new Map<number, number>();
  await run(program, (pid) => {
    look(pid, peaks);
    const timer = setInterval(() => look(pid, peaks), 2);
    return () => clearInterval(timer);
  });
  const kilobytes = [...peaks.values()].reduce((sum, peak) => sum + peak, 0);
  return kilobytes > 0 ? kilobytes / 1024 : NaN;
}

function run(
  { command, cwd, env }: Program,
  watch: (pid: number) => (() => void) | undefined,
): Promise<number> {
  const began = performance.now();
  const child = spawn(command[0] ?? "", command.slice(1), { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
  const stopWatching = watch(child.pid ?? 0);
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (part: Buffer) => {
      output += String(part);
    });
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => child.kill("SIGKILL"), 60_000);
    child.on("error", reject);
    child.on("close", (code) => {
      const took = performance.now() - began;
      clearTimeout(timer);
      stopWatching?.();
      if (code === 0) resolve(took);
      else reject(new Error(`${command.join(" ")} ended with ${code}:\n${output.slice(0, 2000)}`));
    });
  });
}

// VmHWM is the peak of the resident set so far (proc_pid_status(5)).
function look(pid: number, peaks: Map<number, number>): void {
  try {
    const peak = Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0);
    peaks.set(pid, Math.max(peak, peaks.get(pid) ?? 0));
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
    for (const child of children.split(" ").filter(Boolean)) look(Number(child), peaks);
  } catch {} // it has ended, or there is no /proc
}
