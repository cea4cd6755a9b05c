// What can be done to the simulated world with a word and its parameters. `npm run simulator` reads them from
// its own terminal; `npm run practice` has some of them as commands of its shell.
import { readFileSync } from "node:fs";
import { SimulatedCar } from "./car/car.ts";
import { GROUPS } from "./failures/catalogue.ts";
import { OPEN_NAMES } from "./failures/failures.ts";
import { PRICES, type BilledKind } from "./reception.ts";
import type { Simulator } from "./simulator.ts";
import type { SeenRequest } from "./tesla/tesla.ts";

/** One request as a line. */
export function requestLine(request: SeenRequest): string {
  const status = request.status === 0 ? "no answer" : request.status;
  const path = request.path.length > 90 ? `${request.path.slice(0, 87)}...` : request.path;
  return `${status} ${request.method} ${request.host}${path}`;
}

function billLines(simulator: Simulator): string[] {
  const bill = Object.entries(simulator.bill()) as [BilledKind, number][];
  const dollars = bill.reduce((sum, [kind, count]) => sum + count * PRICES[kind], 0);
  const lines = bill.map(([kind, count]) => `  ${kind.padEnd(8)} ${count}`);
  return [...lines, `  together $${dollars.toFixed(3)}`];
}

function telemetryLines({ garage }: Simulator): string[] {
  const { config, synced } = garage.telemetry;
  if (config === null) return [];
  const fields = Object.keys({ ...(config.fields as object) }).length;
  const address = `${config.hostname}:${config.port ?? 443}`;
  return [`  telemetry: ${fields} fields to ${address}, ${synced ? "taken" : "not yet taken"}`];
}

function stateLines(simulator: Simulator): string[] {
  const { car } = simulator;
  const charge = car.chargeState();
  return [
    `  ${car.vin} ${!car.online ? "offline" : car.awake ? "online" : "asleep"}, keys: ${car.pairedKeys.size}`,
    `  ${charge.charging_state} at ${charge.charge_amps} A (at most ${charge.charge_current_request_max}), `
      + `battery ${charge.battery_level} %, limit ${charge.charge_limit_soc} %`,
    ...telemetryLines(simulator),
  ];
}

/** Words with blanks between them, in lines of at most 76 columns. */
function wrapped(words: string[]): string[] {
  const lines = [""];
  for (const word of words) {
    if (lines.at(-1) !== "" && `${lines.at(-1)} ${word}`.length > 74) lines.push("");
    lines.push(`  ${`${lines.pop()} ${word}`.trim()}`);
  }
  return lines;
}

/** The groups of failures, or those of one group; a screen at most. */
function failureLines({ failures }: Simulator, wanted: string): string[] {
  if (wanted === "tamper") return wrapped(SimulatedCar.tamperNames().map((name) => `tamper:${name}`));
  const group = GROUPS.find(({ name }) => name === wanted);
  if (group !== undefined) {
    const width = Math.max(...group.failures.map(({ name }) => name.length));
    return group.failures.map(({ name, says }) => `  ${name.padEnd(width)}  ${says}`);
  }
  const rows = GROUPS.map(({ name, says, failures: { length } }) => [name, `${length}`.padStart(2), says]);
  rows.push([
    "tamper",
    `${SimulatedCar.tamperNames().length}`,
    "somebody changes the car's answer on its way",
  ]);
  return [
    "fail GROUP lists the failures of a group; fail NAME [TIMES] switches one on:",
    ...rows.map(([name = "", count, says]) => `  ${name.padEnd(9)} ${count}  ${says}`),
    ...Object.entries(OPEN_NAMES).map(([name, says]) => `  ${name}${says}`),
    "  fault:N: the car answers the next signed message with this fault",
    ...failures.active.map((active) => `  now on: ${active.name}`),
  ];
}

function pair(simulator: Simulator, what: string): void {
  const onFile = simulator.partner.registrations[simulator.account.region]?.publicKey ?? "";
  if (what === "" && onFile === "") throw new Error("no key is registered yet: run register_partner first");
  const isHex = /^04[0-9a-f]{128}$/i.test(what);
  simulator.car.pair(what === "" ? onFile : isHex ? what : readFileSync(what, "utf8"));
}

/** A reason may have blanks in it: then the number of times is what stands last, if it is a number. */
function fail(simulator: Simulator, words: string[]): void {
  const [name = "", times, ...rest] = words;
  const last = words.at(-1) ?? "";
  if (rest.length > 0 || (/^(reason|callback):/.test(name) && times !== undefined && !/^\d+$/.test(times))) {
    const hasTimes = /^[1-9]\d*$/.test(last);
    const text = words.slice(0, hasTimes ? -1 : undefined).join(" ");
    simulator.fail(text, hasTimes ? Number(last) : {});
    return;
  }
  if (times !== undefined && !/^[1-9]\d*$/.test(times)) throw new Error(`"${times}" is no number of times`);
  simulator.fail(name, times === undefined ? {} : Number(times));
}

/** Carries out one command; returns what there is to say. Throws what is wrong with it. */
export async function play(simulator: Simulator, words: string[]): Promise<string[]> {
  const [command = "", first = ""] = words;
  const { car, partner } = simulator;
  const isGroup = first === "" || first === "tamper" || GROUPS.some(({ name }) => name === first);
  if (command === "list" || (command === "fail" && isGroup)) return failureLines(simulator, first);
  if (command === "state") return stateLines(simulator);
  if (command === "requests") return ["  so far:", ...simulator.requests.map(requestLine)];
  if (command === "bill") return billLines(simulator);
  const commands: Record<string, () => unknown> = {
    fail: () => fail(simulator, words.slice(1)),
    clear: () => simulator.clear(),
    asleep: () => Object.assign(car, { awake: false }),
    awake: () => Object.assign(car, { awake: true }),
    plug: () => car.plug(),
    unplug: () => car.unplug(),
    pair: () => pair(simulator, first),
    unpair: () => car.unpair(),
    reboot: () => car.reboot(),
    clock: () => car.moveClock(Number(first)),
    host: () => Object.assign(partner, { hosting: { kind: "file", body: readFileSync(first, "utf8") } }),
    tunnel: () => Object.assign(partner, { hosting: { kind: "tunnel", port: Number(first) } }),
    register: () => simulator.register(),
  };
  const carryOut = Object.hasOwn(commands, command) ? commands[command] : undefined;
  if (carryOut === undefined) throw new Error(`unknown command ${command}; type help`);
  await carryOut();
  simulator.save();
  return [];
}
