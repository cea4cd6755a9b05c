// `npm run bench`: what the scripts cost, measured on this machine against the simulated Tesla: the whole
// time and the memory of a process, beside the same request by bare means, and the requests of each job. It
// reaches loopback only.
//
//   npm run bench [-- --runs 15] [--node PATH] [--deno PATH] [--only WORD]
//
// The programs run in turn, so that whatever else the machine does slows all of them alike; what is told is
// the median, and its ratio to the floor. A request more or fewer than a program must make ends it with an
// error.
import assert from "node:assert/strict";
import { parseArgs } from "node:util";
import { newOwner } from "../support/owner.ts";
import { costsOfJobs } from "./jobs.ts";
import { environmentOf, findRuntimes, programsOf, type Program } from "./programs.ts";
import { memoryOf, timeOf } from "./run_once.ts";

const MEMORY_RUNS = 3;
const list = { type: "string" as const, multiple: true as const, default: [] as string[] };
const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "15" },
    node: list,
    deno: list,
    only: { type: "string", default: "" },
  },
});
const runs = Number(values.runs);
assert.ok(Number.isInteger(runs) && runs >= 1, "--runs takes a whole number");

function median(numbers: number[]): number {
  const sorted = [...numbers].sort((one, other) => one - other);
  const middle = (sorted.length - 1) / 2;
  return ((sorted[Math.floor(middle)] ?? NaN) + (sorted[Math.ceil(middle)] ?? NaN)) / 2;
}

function table(head: string[], rows: string[][]): void {
  const lines = [head, head.map((_, index) => (index === 0 ? "---" : "---:")), ...rows];
  process.stdout.write(`${lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n")}\n\n`);
}

const began = performance.now();
const costs = await costsOfJobs();
table(
  ["job", "requests", "price"],
  costs.map(({ job, requests, dollars }) => [
    job,
    String(requests),
    dollars === 0 ? "nothing" : `$${dollars.toFixed(3)}`,
  ]),
);

const owner = await newOwner();
const runtimes = findRuntimes([...values.node, ...values.deno]);
const programs = programsOf(owner, runtimes).filter(({ name }) => name.includes(values.only));
const times = new Map<string, number[]>(programs.map(({ name }) => [name, []]));
const memory = new Map<string, number[]>(programs.map(({ name }) => [name, []]));

async function measure(program: Program, how: typeof timeOf): Promise<number> {
  program.before?.();
  const before = owner.simulator.requests.length;
  const env = { ...environmentOf(owner), ...program.env };
  const measured = await how({ command: program.command, cwd: owner.folder, env });
  const seen = owner.simulator.requests.slice(before);
  assert.equal(seen.length, program.requests, `requests of ${program.name}`);
  for (const { status } of seen) assert.equal(status, 200, `the answer to ${program.name}`);
  return measured;
}

try {
  await owner.run("set_charge_amps", ["10"]); // so that there is a session
  for (let round = 0; round < MEMORY_RUNS; round += 1) {
    for (const program of programs) memory.get(program.name)?.push(await measure(program, memoryOf));
  }
  for (let round = 0; round < runs; round += 1) {
    const turned = [
      ...programs.slice(round % programs.length),
      ...programs.slice(0, round % programs.length),
    ];
    for (const program of turned) times.get(program.name)?.push(await measure(program, timeOf));
  }
} finally {
  await owner.close(true);
}

const medianOf = (name = ""): number => median(times.get(name) ?? []);
const ratio = (name: string, floor = ""): string => {
  const value = medianOf(name) / medianOf(floor);
  return Number.isFinite(value) ? value.toFixed(2) : "";
};
table(
  ["program", "median ms", "of bare https", "of node -e 0", "peak MB", "requests"],
  programs.map((program) => {
    const megabytes = median(memory.get(program.name) ?? []);
    return [
      program.name,
      medianOf(program.name).toFixed(0),
      ratio(program.name, program.floor),
      ratio(program.name, program.nothing),
      Number.isNaN(megabytes) ? "" : megabytes.toFixed(0),
      String(program.requests),
    ];
  }),
);

const alone = programs.find(({ name }) => name.startsWith("import of undici"))?.name;
for (const { name, floor } of programs.filter(({ name }) => name.startsWith("read_charge, "))) {
  if (/read_charge, node \d/.test(name)) {
    process.stdout.write(`${name}: ${ratio(name, floor)} of the bare https request (target 2.00)\n`);
  } else if (/read_charge, tsx/.test(name)) {
    const found = ratio(name, alone);
    process.stdout.write(`${name}: ${found} of a script that only imports undici (target 1.15)\n`);
  }
}
process.stdout.write(
  `${runs} runs each, in turn; requests counted and as they must be; took `
    + `${((performance.now() - began) / 1000).toFixed(0)} s\n`,
);
process.exit(0);
