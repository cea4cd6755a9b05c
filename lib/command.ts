// One command to the car, on the way that TESLA_COMMANDS names, down to the car's own verdict.
import { clean, say, Stop } from "./command_line.ts";
import { FLEET_API } from "./hosts.ts";
import { readSettings } from "./settings.ts";
import { sendSigned } from "./signed_command.ts";
import { INFOTAINMENT } from "./signed_message.ts";
import { lostAnswer, teslaJson } from "./tesla_fetch.ts";

export interface Command {
  name: string; // in Tesla's REST documentation
  json: object; // the parameters, as plain REST has them
  domain: number; // the same, signed: for which part of the car,
  payload: Buffer; // and the message
  repeatable: boolean; // doing it twice does no harm
}

// Reasons that mean: it was so already. https://developer.tesla.com/docs/fleet-api/endpoints/vehicle-commands
const ALREADY = ["already_set", "already_started", "already_standard", "already_max_range"];
const ALREADY_SO: Record<string, string[]> = {
  charge_start: ["is_charging", "charging", "requested"],
  charge_stop: ["not_charging"],
};
const ADVICE = new Map(Object.entries({
  complete: "the battery is at its limit: raise the charge limit first",
  disconnected: "plug the car in",
  no_power: "the charging station gives no power",
  could_not_wake_buses: "the car was not ready: wait 5 seconds, then run it again",
  unsigned_cmds_hardlocked: "this car takes only signed commands: set TESLA_COMMANDS=signed",
}));

/** The settings that a command needs; and the address it goes to. Throws Stop 5. */
export function readWay(name: string): { settings: Record<string, string>; url: string; proxy?: string } {
  const settings = readSettings(["TESLA_REGION", "TESLA_VIN", "TESLA_COMMANDS"]);
  const way = settings.TESLA_COMMANDS;
  const own = way === "proxy" ? readSettings(["TESLA_PROXY_URL"]).TESLA_PROXY_URL : "";
  const proxy = own === "" ? undefined : new URL(own).origin;
  const car = `${proxy ?? FLEET_API[settings.TESLA_REGION]}/api/1/vehicles/${settings.TESLA_VIN}`;
  return { settings, proxy, url: `${car}/${way === "signed" ? "signed_command" : `command/${name}`}` };
}

/** The request as curl, without sending anything: the token as a variable, and no signature made. */
export function showCommand(command: Command): void {
  const { settings, url } = readWay(command.name);
  const signed = settings.TESLA_COMMANDS === "signed";
  const plain = JSON.stringify(command.json);
  const quoted = `'${plain.replaceAll("'", "'\\''")}'`;
  const body = signed ? '"{\\"routable_message\\":\\"$SIGNED_MESSAGE\\"}"' : quoted;
  const part = command.domain === INFOTAINMENT ? "infotainment computer" : "security computer";
  if (signed) say(`SIGNED_MESSAGE: ${command.name} ${plain} as ${command.payload.toString("hex")}, for the `
    + `${part}, with the next counter and a signature by private-key.pem, in base64`);
  process.stdout.write(`curl -X POST '${url}' -H "Authorization: Bearer $TESLA_ACCESS_TOKEN" \\
  -H "Content-Type: application/json" -d ${body}\n`);
}

/** Sends the command and says the verdict; returns the number of requests. Throws Stop: 6 with the car's
 * reason when it refuses, 8 when nobody knows whether it has done it. */
export async function sendCommand(command: Command, bearer: string): Promise<number> {
  const { settings, url, proxy } = readWay(command.name);
  let verdict: { result?: unknown; reason?: unknown; doubtful?: unknown };
  let requests = 1;
  if (settings.TESLA_COMMANDS === "signed") {
    const sent = await sendSigned(url, bearer, settings.TESLA_VIN, command);
    verdict = sent;
    requests = sent.requests;
  } else {
    const ask = { url, bearer, json: command.json, ownHost: proxy, moves: true };
    verdict = Object((await teslaJson(ask)).response);
  }
  if (typeof verdict.result !== "boolean") throw lostAnswer("there is no verdict of the car's in the answer");
  const told = clean(verdict.reason ?? "").replace(/^(car|vcsec) could not execute command: /, "");
  const reason = told.slice(0, 200);
  const isGood = verdict.result || [...ALREADY, ...(ALREADY_SO[command.name] ?? [])].includes(reason);
  if (isGood && verdict.doubtful === true) {
    throw lostAnswer("the car says done, but not encrypted as it has answered before");
  }
  if (!isGood) {
    const advice = ADVICE.get(reason) ?? "that is the car's own word";
    throw new Stop(reason === "unsigned_cmds_hardlocked" ? 5 : 6,
      `the car refused: ${reason || "it gave no reason"}; ${advice}`);
  }
  say(verdict.result ? "the car has done it" : `nothing to do: the car says ${reason}`);
  return requests;
}
