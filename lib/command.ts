// Sends one command in the way that TESLA_COMMANDS names, and reports the car's own verdict.
import { ADD_SCOPE, filledIn, unknownOutcome, verdictOf } from "./advice.ts";
import { asRecord, Failure, messageOf, say } from "./command_line.ts";
import { FLEET_API, type Region } from "./hosts.ts";
import { readSettings } from "./settings.ts";
import { COMMANDS } from "./signing/commands.ts";
import { encodeCommand } from "./signing/encode_command.ts";
import { payloadOf, sendSigned, type SignedCommand } from "./signing/signed_command.ts";
import { askFleetApi } from "./tesla_fetch.ts";
import { claimsOf } from "./token_claims.ts";
import { readToken, type Token } from "./token_file.ts";

export interface Command extends SignedCommand {
  name: string; // in Tesla's REST documentation
  json: object; // the parameters, as plain REST has them
}

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

/** Shows the request on stdout, without sending anything: the bytes are those that would be signed. A PIN is
 * never shown. */
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
function checkScope({ name, scope }: Command, token: Token, region: Region): void {
  const { scopes } = claimsOf(token);
  if (!scopes || scopes.includes("vehicle_cmds") || scopes.includes(scope)) return;
  const problem = `${name} needs the scope ${scope}; nothing was sent`;
  throw new Failure(5, problem, `granted: ${scopes.join(" ")}`, filledIn(ADD_SCOPE, FLEET_API[region]));
}

/** Sends the command, with the token of this folder, and prints the verdict, with `done` as the words for
 * success; returns the number of requests. Throws Failure: 5 when the token lacks the scope, 6 with the car's
 * reason when it refuses, 8 when nobody knows whether it ran. */
export async function sendCommand(command: Command, done = "the car confirmed it") {
  const { region, vin, isSigned, path } = routeOf(command);
  const token = readToken();
  checkScope(command, token, region);
  const bearer = token.access_token;
  let [verdict, requests, doubtful]: [unknown, number, boolean] = [undefined, 1, false];
  if (isSigned) {
    const signed = await sendSigned(region, vin, bearer, command);
    [verdict, requests, doubtful] = [signed, signed.requests, signed.doubtful];
  } else {
    const { json, scope } = command;
    verdict = asRecord(await askFleetApi(region, path, bearer, { json, scope })).response;
  }
  const already = verdictOf(command.name, verdict);
  if (doubtful)
    throw unknownOutcome("the car's answer came unencrypted, although earlier answers were encrypted");
  const price = `${requests} ${requests === 1 ? "request" : "requests"}, $${(requests * 0.001).toFixed(3)}`;
  say(`${already || `done: ${done}`} (${price})`);
  return requests;
}
