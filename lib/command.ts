// Sends one command in the way that TESLA_COMMANDS names, and reports the car's own verdict.
import { filledIn, HAS_SCOPE, PAIR, unknownOutcome } from "./advice.ts";
import { asRecord, clean, Failure, messageOf, say } from "./command_line.ts";
import { FLEET_API } from "./hosts.ts";
import { readSettings } from "./settings.ts";
import { COMMANDS } from "./signing/commands.ts";
import { encodeCommand } from "./signing/encode_command.ts";
import { payloadOf, sendSigned, type SignedCommand, type Verdict } from "./signing/signed_command.ts";
import { askFleetApi } from "./tesla_fetch.ts";
import { claimsOf } from "./token_claims.ts";
import type { Token } from "./token_file.ts";

export interface Command extends SignedCommand {
  name: string; // in Tesla's REST documentation
  json: object; // the parameters, as plain REST has them
  scope: string; // what the token must allow; vehicle_cmds will always do
}

const START_CLIMATE = "start the climate first: send_command auto_conditioning_start";
const RESTART = "restart the car's screen (hold both scroll wheels), or update the car's software";

// Reasons for a refusal that mean: it was so already. The command ("" is any), part of the reason (^ and $
// mark its ends), and what to say. Sources: Tesla's page, and what owners have reported.
// https://developer.tesla.com/docs/fleet-api/endpoints/vehicle-commands
export const ALREADY_SO: [string, string, string][] = [
  ["", "^already", "nothing to do"],
  ["charge_start", "^is_charging$", "nothing to do"],
  ["charge_start", "^charging$", "nothing to do"],
  ["charge_start", "^requested$", "asked for, but not charging yet (a schedule or the station decides)"],
  ["charge_stop", "^not_charging$", "nothing to do"],
];

// biome-ignore format: a table of words
/** The other reasons: part of the reason, exit code, what it means, what to do. */
export const REFUSALS: [string, number, string, string][] = [
  ["^complete$", 6, "the car refused: the battery is at its limit", "raise the charge limit first"],
  ["^disconnected$", 6, "the car refused: it is not plugged in", "plug the car in"],
  ["^no_power$", 6, "the car refused: the charging station gives no power", "check the station"],
  ["could_not_wake_buses", 6, "the car was not ready", "wait 5 seconds, then run it again"],
  ["^busy$", 6, "the car is busy", "try again in a few seconds"],
  ["unsigned_cmds_hardlocked", 5, "this car accepts only signed commands", "set TESLA_COMMANDS=signed"],
  ["command protocol required", 5, "this car accepts only signed commands", "set TESLA_COMMANDS=signed"],
  ["requires signed commands", 5, "this car accepts only signed commands", "set TESLA_COMMANDS=signed"],
  ["not been paired", 5, "the virtual key is not on the car", PAIR],
  ["not_on_whitelist", 5, "the virtual key is not on the car", PAIR],
  ["setchargingamps failed", 6, "the car could not set the amps", RESTART],
  ["cabin comfort remote settings not enabled", 6, "the car refused: its climate is off", START_CLIMATE],
  ["", 6, "the car refused", "this is the car's own reason; search online for it"],
];

/** A command of the table by its name in Tesla's REST documentation, with its parameters as they are there.
 * Throws Failure 2 if it is not in the table, or a parameter is wrong. */
export function commandNamed(name: string, json: Record<string, unknown>): Command {
  try {
    const encoded = encodeCommand(name, json);
    const { once = false, scope = "vehicle_cmds" } = COMMANDS[name] ?? {};
    return { name, json, scope, ...encoded, repeatable: !once };
  } catch (error) {
    throw new Failure(2, "wrong usage", messageOf(error), "send_command --list shows every command");
  }
}

// Where the settings send a command.
function routeOf({ name }: Command) {
  const settings = readSettings(["TESLA_REGION", "TESLA_VIN", "TESLA_COMMANDS"]);
  const { TESLA_REGION: region, TESLA_VIN: vin } = settings;
  const isSigned = settings.TESLA_COMMANDS === "signed";
  return {
    region,
    vin,
    isSigned,
    path: `vehicles/${vin}/${isSigned ? "signed_command" : `command/${name}`}`,
  };
}

/** Shows the request on stdout, without sending anything: the bytes are those that would be signed. Of a PIN
 * nothing is shown. */
export function showCommand(command: Command): void {
  const { region, isSigned, path } = routeOf(command);
  const isPin = (key: string): boolean => /pin|password/.test(key);
  const shown = JSON.stringify(command.json, (key, value) => (isPin(key) ? "****" : value));
  const hasPin = Object.keys(command.json).some(isPin);
  const bytes = hasPin ? "not shown, since they hold the PIN" : payloadOf(command).toString("hex");
  const toSign = isSigned ? `\nto sign: ${bytes}` : "";
  process.stdout.write(`POST ${FLEET_API[region]}/api/1/${path}\n${command.name} ${shown}${toSign}\n`);
}

// Before anything is sent: a token that lacks the scope would only be refused.
function checkScope({ name, scope }: Command, scopes: string[] | undefined): void {
  if (!scopes || scopes.includes("vehicle_cmds") || scopes.includes(scope)) return;
  const fix =
    "tick it on your app's page on developer.tesla.com, add it to TESLA_SCOPES, run get_token --force";
  const problem = `${name} needs the scope ${scope}; nothing was sent`;
  throw new Failure(5, problem, `granted: ${scopes.join(" ")}`, fix);
}

// Tesla's "missing scopes" after we have seen that the token has what the command needs.
function scopeRefusal(error: unknown, { scope }: Command, scopes: string[] | undefined): unknown {
  if (!(error instanceof Failure) || error.status !== 403 || !/scope/i.test(error.found)) return error;
  if (error.message === HAS_SCOPE) return error;
  const namesOther = /\b(vehicle|energy|user)_[a-z_]+/i.test(error.found);
  if (!scopes || namesOther)
    return new Failure(5, error.message, error.found, `${error.fix} (it needs ${scope})`);
  return new Failure(5, HAS_SCOPE, error.found, "try again in a minute");
}

/** Sends the command and says the verdict, with `done` as the words for success; returns the number of
 * requests. Throws Failure: 5 when the token lacks the scope, 6 with the car's reason when it refuses, 8
 * when nobody knows whether it ran. */
export async function sendCommand(command: Command, token: Token, done = "the car confirmed it") {
  const { region, vin, isSigned, path } = routeOf(command);
  const { scopes } = claimsOf(token);
  checkScope(command, scopes);
  const bearer = token.access_token;
  let verdict: Partial<Verdict> & { string?: unknown }; // `string` is the reason in older answers
  try {
    verdict = isSigned
      ? await sendSigned(region, vin, bearer, command)
      : asRecord(asRecord(await askFleetApi(region, path, bearer, { json: command.json })).response);
  } catch (error) {
    throw scopeRefusal(error, command, scopes);
  }
  const { result, doubtful = false, requests = 1 } = verdict;
  if (typeof result !== "boolean") throw unknownOutcome("Tesla's answer holds no verdict from the car");
  const words = clean(verdict.reason || verdict.string || "no reason given");
  const reason = words.replace(/^(car|vcsec) could not execute command: /, "").slice(0, 200);
  const text = `^${reason.toLowerCase()}$`;
  const already = ALREADY_SO.find(([name, part]) => ["", command.name].includes(name) && text.includes(part));
  if (!result && !already) {
    const [, exitCode, problem, fix] = REFUSALS.find(([part]) => text.includes(part)) ?? ["", 6, "", ""];
    throw new Failure(exitCode, problem, `"${reason}" from the car`, filledIn(fix));
  }
  if (doubtful)
    throw unknownOutcome("the car's answer came unencrypted, although earlier answers were encrypted");
  const price = `${requests} ${requests === 1 ? "request" : "requests"}, $${(requests * 0.001).toFixed(3)}`;
  say(`${result ? `done: ${done}` : `${already?.[2]}: the car reports ${reason}`} (${price})`);
  return requests;
}
