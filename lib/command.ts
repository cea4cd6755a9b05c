// Sends one command in the way that TESLA_COMMANDS names, and reads the car's own verdict.
import { clean, say, Stop, unknownOutcome } from "./command_line.ts";
import { FLEET_API } from "./hosts.ts";
import { readSettings } from "./settings.ts";
import { payloadOf, sendSigned, type SignedCommand } from "./signing/signed_command.ts";
import { askFleetApi, askProxy } from "./tesla_fetch.ts";
import { claimsOf } from "./token_claims.ts";
import type { Token } from "./token_file.ts";

export interface Command extends SignedCommand {
  name: string; // in Tesla's REST documentation
  json: object; // the parameters, as plain REST has them
  scope: string; // what the token must allow; vehicle_cmds will always do
}

// Reasons that mean: it was so already. https://developer.tesla.com/docs/fleet-api/endpoints/vehicle-commands
const ALREADY = ["already_set", "already_started", "already_standard", "already_max_range"];
const ALREADY_SO: Record<string, string[]> = {
  charge_start: ["is_charging", "charging", "requested"],
  charge_stop: ["not_charging"],
};
const ADVICE = new Map([
  ["complete", "the battery is at its limit: raise the charge limit first"],
  ["disconnected", "plug the car in"],
  ["no_power", "the charging station gives no power"],
  ["could_not_wake_buses", "the car was not ready: wait 5 seconds, then run it again"],
  ["unsigned_cmds_hardlocked", "this car takes only signed commands: set TESLA_COMMANDS=signed"],
]);

// Where the settings send a command.
function routeOf({ name }: Command) {
  const settings = readSettings(["TESLA_REGION", "TESLA_VIN", "TESLA_COMMANDS"]);
  const [region, vin, way] = [settings.TESLA_REGION, settings.TESLA_VIN, settings.TESLA_COMMANDS];
  const proxy = way === "proxy" ? readSettings(["TESLA_PROXY_URL"]).TESLA_PROXY_URL : "";
  const path = `vehicles/${vin}/${way === "signed" ? "signed_command" : `command/${name}`}`;
  return { region, vin, isSigned: way === "signed", proxy, path };
}

/** Shows the request on stdout, without sending anything: the bytes are those that would be signed. */
export function showCommand(command: Command): void {
  const { region, isSigned, proxy, path } = routeOf(command);
  const origin = proxy === "" ? FLEET_API[region] : new URL(proxy).origin;
  const content = `${command.name} ${JSON.stringify(command.json)}`;
  const bytes = isSigned ? `\nto sign: ${payloadOf(command).toString("hex")}` : "";
  process.stdout.write(`POST ${origin}/api/1/${path}\n${content}${bytes}\n`);
}

/** Sends the command and says the verdict; returns the number of requests. Throws Stop: 5 when the token
 * lacks the scope, 6 with the car's reason when it refuses, 8 when nobody knows whether it has done it. */
export async function sendCommand(command: Command, token: Token): Promise<number> {
  const { region, vin, isSigned, proxy, path } = routeOf(command);
  const { name, json, scope } = command;
  const { scopes } = claimsOf(token);
  if (scopes && !scopes.includes("vehicle_cmds") && !scopes.includes(scope)) {
    throw new Stop(5, `${name} needs the scope ${scope}: you granted ${scopes.join(" ")}; nothing was sent; `
      + "tick it on your app's page on developer.tesla.com, add it to TESLA_SCOPES, run get_token --force");
  }
  const bearer = token.access_token;
  let verdict: { result?: unknown; reason?: unknown; doubtful?: boolean; requests?: number };
  try {
    if (isSigned) verdict = await sendSigned(region, vin, bearer, command);
    else if (proxy !== "") verdict = Object((await askProxy(proxy, path, bearer, json)).response);
    else verdict = Object((await askFleetApi(region, path, bearer, { json, moves: true })).response);
  } catch (error) {
    if (error instanceof Stop && error.status === 403 && error.message.includes("scope")) {
      error.message += ` (${name} needs the scope ${scope})`;
    }
    throw error;
  }
  const { result, doubtful = false, requests = 1 } = verdict;
  if (typeof result !== "boolean") throw unknownOutcome("Tesla's answer holds no verdict from the car");
  const told = clean(verdict.reason ?? "").replace(/^(car|vcsec) could not execute command: /, "");
  const reason = told.slice(0, 200) || "it gave no reason";
  const isDone = result || [...ALREADY, ...(ALREADY_SO[name] ?? [])].includes(reason);
  if (isDone && doubtful) throw unknownOutcome("the car's \"done\" came unencrypted, unlike before");
  if (!isDone) {
    const advice = ADVICE.get(reason) ?? "this is the car's own reason";
    throw new Stop(reason === "unsigned_cmds_hardlocked" ? 5 : 6, `the car refused: ${reason}; ${advice}`);
  }
  const price = `${requests} ${requests === 1 ? "request" : "requests"}, $${(requests * 0.001).toFixed(3)}`;
  say(`${result ? "the car has done it" : `nothing to do: the car says ${reason}`} (${price})`);
  return requests;
}
