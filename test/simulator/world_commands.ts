// What can be done to the simulated world with a word and its parameters. `npm run simulator` reads them from
// its own terminal; `npm run practice` has some of them as commands of its shell.

import { readFileSync } from "node:fs";
import { PRICES } from "./bill.ts";
import { SimulatedCar } from "./car/car.ts";
import type { Simulator } from "./simulator.ts";
import type { SeenRequest } from "./tesla/tesla.ts";

/** One request as a line. */
export function requestLine(request: SeenRequest): string {
  const status = request.status === 0 ? "no answer" : request.status;
  const path = request.path.length > 90 ? `${request.path.slice(0, 87)}...` : request.path;
  return `${status} ${request.method} ${request.host}${path}`;
}

function billLines(simulator: Simulator): string[] {
  const bill = simulator.bill();
  let dollars = 0;
  const lines: string[] = [];
  for (const [kind, count] of Object.entries(bill)) {
    dollars += count * PRICES[kind as keyof typeof PRICES];
    lines.push(`  ${kind.padEnd(8)} ${count}`);
  }
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
    `  ${charge.charging_state} at ${charge.charge_amps} A (at most ${charge.charge_current_request_max}), ` +
      `battery ${charge.battery_level} %, limit ${charge.charge_limit_soc} %`,
    ...telemetryLines(simulator),
  ];
}

/** Words with blanks between them, in lines of at most 100 columns. */
function wrapped(words: string[]): string[] {
  const lines = [""];
  for (const word of words) {
    if (lines.at(-1) !== "" && `${lines.at(-1)} ${word}`.length > 96) lines.push("");
    lines.push(`${lines.pop()} ${word}`.trim());
  }
  return lines;
}

function failureLines({ failures }: Simulator): string[] {
  return [
    ...failures.catalogue.map(({ name, says, where }) => `  ${name.padEnd(28)} ${says} [${where.join(" ")}]`),
    "  reason:TEXT                  the car refuses a command with this reason",
    "  fault:NUMBER                 the car answers the next signed message with this fault",
    "  tamper:NAME                  somebody changes the car's next answer on its way; the names:",
    ...wrapped(SimulatedCar.tamperNames()).map((line) => `    ${line}`),
    ...failures.active.map((active) => `  now on: ${active.name}`),
  ];
}

function pair(simulator: Simulator, what: string): void {
  const onFile = simulator.partner.registrations[simulator.account.region]?.publicKey ?? "";
  if (what === "" && onFile === "") throw new Error("no key is registered yet: run register_partner first");
  const isHex = /^04[0-9a-f]{128}$/i.test(what);
  simulator.car.pair(what === "" ? onFile : isHex ? what : readFileSync(what, "utf8"));
}

function fail(simulator: Simulator, name: string, times: string): void {
  if (times !== "" && !/^[1-9]\d*$/.test(times)) throw new Error(`"${times}" is no number of times`);
  simulator.fail(name, times === "" ? {} : { times: Number(times) });
}

/** Carries out one command; returns what there is to say. Throws what is wrong with it. */
export async function play(simulator: Simulator, words: string[]): Promise<string[]> {
  const [command = "", first = "", second = ""] = words;
  const { car, partner } = simulator;
  if (command === "list") return failureLines(simulator);
  else if (command === "state") return stateLines(simulator);
  else if (command === "requests") return ["  so far:", ...simulator.requests.map(requestLine)];
  else if (command === "bill") return billLines(simulator);
  else if (command === "fail") fail(simulator, first, second);
  else if (command === "clear") simulator.clear();
  else if (command === "asleep") car.awake = false;
  else if (command === "awake") car.awake = true;
  else if (command === "plug") car.plug();
  else if (command === "unplug") car.unplug();
  else if (command === "pair") pair(simulator, first);
  else if (command === "unpair") car.unpair();
  else if (command === "reboot") car.reboot();
  else if (command === "host") partner.hosting = { kind: "file", body: readFileSync(first, "utf8") };
  else if (command === "tunnel") partner.hosting = { kind: "tunnel", port: Number(first) };
  else if (command === "register") await simulator.register();
  else throw new Error(`unknown command ${command}; type help`);
  simulator.save();
  return [];
}
