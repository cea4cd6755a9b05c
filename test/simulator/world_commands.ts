// What can be done to the simulated world with a word and its parameters. `npm run simulator` reads them from
// its own terminal; `npm run practice` has some of them as commands of its shell.
import { readFileSync } from "node:fs";
import { SimulatedCar } from "./car/car.ts";
import { GROUPS } from "./failures/catalogue.ts";
import { OPEN_NAMES } from "./failures/failures.ts";
import { PRICES, type BilledKind } from "./reception.ts";
import type { Simulator } from "./simulator.ts";
import { DOMAIN, type SeenRequest } from "./tesla/tesla.ts";

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

function stateLines(simulator: Simulator): string[] {
  const { car, garage } = simulator;
  const charge = car.chargeState();
  const { config, synced } = garage.telemetry;
  return [
    `  ${car.vin} ${!car.online ? "offline" : car.awake ? "online" : "asleep"}, keys: ${car.pairedKeys.size}`,
    `  ${charge.charging_state} at ${charge.charge_amps} A (at most ${charge.charge_current_request_max}), `
      + `battery ${charge.battery_level} %, limit ${charge.charge_limit_soc} %`,
    ...(config ? [`  telemetry to ${config.hostname}, ${synced ? "taken" : "not yet taken"}`] : []),
  ];
}

/** Three to a line. */
function tamperLines(): string[] {
  const names = SimulatedCar.tamperNames().map((name) => `  ${`tamper:${name}`.padEnd(32)}`);
  return names.flatMap((_, index) => (index % 3 === 0 ? [names.slice(index, index + 3).join("")] : []));
}

/** The groups of failures, or those of one group; a screen at most. */
function failureLines({ failures }: Simulator, wanted: string): string[] | undefined {
  if (wanted === "tamper") return tamperLines();
  const group = GROUPS.find(({ name }) => name === wanted);
  if (group !== undefined) {
    const width = Math.max(...group.failures.map(({ name }) => name.length));
    return group.failures.map(({ name, says }) => `  ${name.padEnd(width)}  ${says}`);
  }
  if (wanted !== "") return undefined;
  const rows = GROUPS.map(({ name, says, failures: { length } }) => [name, `${length}`.padStart(2), says]);
  const tampers = SimulatedCar.tamperNames().length;
  rows.push(["tamper", `${tampers}`, "somebody changes the car's answer on its way"]);
  return [
    "fail GROUP lists the failures of a group; fail NAME [TIMES] switches one on:",
    ...rows.map(([name = "", count, says]) => `  ${name.padEnd(9)} ${count}  ${says}`),
    ...Object.entries(OPEN_NAMES).map(([name, says]) => `  ${name}${says}`),
    "  fault:N: the car answers the next signed message with this fault",
    ...failures.active.map((active) => `  now on: ${active.name}`),
    "fail off ends them all",
  ];
}

/** What can fail; or one of them does from now on, so many times or until `fail off`. */
function fail(simulator: Simulator, words: string[]): string[] {
  const [name = "", ...more] = words;
  const lines = failureLines(simulator, name);
  if (lines !== undefined) return lines;
  if (name === "off") {
    simulator.clear();
    return ["nothing fails now"];
  }
  // A reason may have blanks in it: the number of times is what stands last, if it is a number.
  const last = more.at(-1) ?? "";
  const hasTimes = /^[1-9]\d*$/.test(last);
  const text = (hasTimes ? words.slice(0, -1) : words).join(" ");
  const isReason = /^(reason|callback):/.test(name);
  if (text !== name && !isReason) throw new Error(`"${more.join(" ")}" is no number of times`);
  const isOfOneMessage = /^(fault|tamper):/.test(name);
  const times = hasTimes ? Number(last) : isOfOneMessage ? 1 : Infinity;
  simulator.fail(text, times);
  if (times === Infinity) return [`${text} is on until fail off`];
  return [`${text} is on for the next ${times === 1 ? "request" : `${times} requests`} it fits`];
}

function pair({ car, partner, account }: Simulator, what: string): void {
  const onFile = partner.registrations[account.region]?.publicKey ?? "";
  if (what === "" && onFile === "") throw new Error("no key is registered yet: run register_partner first");
  const isHex = /^04[0-9a-f]{128}$/i.test(what);
  car.pair(what === "" ? onFile : isHex ? what : readFileSync(what, "utf8"));
}

type Play = (simulator: Simulator, words: string[]) => unknown; // lines to print, or nothing

// biome-ignore format: table
const COMMANDS: Record<string, [parameters: string, says: string, play: Play]> = {
  fail: ["[NAME [TIMES]]", "what can fail, or one of them does; fail off ends them all", fail],
  asleep: ["", "let the car fall asleep", ({ car }) => Object.assign(car, { awake: false })],
  awake: ["", "wake it", ({ car }) => Object.assign(car, { awake: true })],
  plug: ["", "put the charging cable in", ({ car }) => car.plug()],
  unplug: ["", "take it out", ({ car }) => car.unplug()],
  pair: ["[HEX or FILE]", "put a public key on the car, or the one that is registered",
    (simulator, [what = ""]) => pair(simulator, what)],
  unpair: ["", "take all keys off the car", ({ car }) => car.unpair()],
  reboot: ["", "restart the car's computers (new epoch)", ({ car }) => car.reboot()],
  clock: ["SECONDS", "move the clocks of the car's computers, back with a minus",
    ({ car }, [seconds]) => car.moveClock(Number(seconds))],
  host: ["FILE", `what https://${DOMAIN}/ serves: a key file`,
    ({ partner }, [file = ""]) => Object.assign(partner, { hosting: { kind: "file", body: readFileSync(file, "utf8") } })],
  tunnel: ["PORT", "or a local serve_public_key",
    ({ partner }, [port]) => Object.assign(partner, { hosting: { kind: "tunnel", port: Number(port) } })],
  register: ["", "register the domain at once, without register_partner (host or tunnel first)",
    (simulator) => simulator.register()],
  state: ["", "what the car does now", stateLines],
  requests: ["", "what has arrived", ({ requests }) => requests.map(requestLine)],
  bill: ["", "what Tesla would charge for it", billLines],
};

export function help(): string[] {
  const lines = Object.entries(COMMANDS).map(([name, [parameters, says]]) => [`${name} ${parameters}`, says]);
  return lines.map(([command = "", says]) => `  ${command.padEnd(20)} ${says}`);
}

/** Carries out one command; returns what there is to say. Throws what is wrong with it. */
export async function play(simulator: Simulator, [command = "", ...words]: string[]): Promise<string[]> {
  const found = Object.hasOwn(COMMANDS, command) ? COMMANDS[command] : undefined;
  if (found === undefined) throw new Error(`unknown command ${command}; type help`);
  const lines = await found[2](simulator, words);
  simulator.save();
  return Array.isArray(lines) ? lines : ["done"];
}
