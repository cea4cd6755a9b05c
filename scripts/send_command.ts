// Sends any command of the table, by its name in Tesla's REST documentation, and tells what the car said.
//
//   reads     .env, tesla_token.json, private-key.pem, tesla_session.json, tesla_session.json.new,
//             tesla_session.json.lock
//   writes    tesla_session.json, tesla_session.json.new, tesla_session.json.lock
//   contacts  Fleet API, TESLA_PROXY_URL
//   costs     1 command ($0.001); 2 the first time
//   run       npx tsx scripts/send_command.ts NAME ['{"PARAMETER": VALUE}'] [--dry-run], or --list
import { sendCommand, showCommand } from "../lib/command.ts";
import { messageOf, startScript, Stop } from "../lib/command_line.ts";
import { COMMANDS, NOT_SIGNED } from "../lib/signing/commands.ts";
import { encodeCommand, type Encoded } from "../lib/signing/encode_command.ts";
import { readToken } from "../lib/token_file.ts";

// Step 1: --list shows every command with its parameters (a ? may be left out) and the scope it needs.
const KINDS: Record<string, string> = {
  flag: "true or false", "all week": "true or false", weekdays: "true or false", pin: "four digits in quotes",
  whole: "whole number", "one more": "whole number", empty: "whole number", id: "whole number",
  text: "text of", decimal: "number", "decimal kept": "number", double: "number",
  days: "days such as Mon,Tues or Weekdays",
};
const { options, words } = startScript(import.meta.filename,
  { list: { type: "boolean" }, "dry-run": { type: "boolean" } }, ["[NAME]", "[JSON in quotes]"]);
if (options.list === true) {
  for (const [name, { parameters = {}, scope = "vehicle_cmds" }] of Object.entries(COMMANDS)) {
    const kinds = Object.entries(parameters).map(([label, rule]) => {
      if (!Array.isArray(rule)) return `${label}: ${Object.keys(rule).join(" or ")}`;
      return `${label}: ${KINDS[rule[1]]}${rule.length > 2 ? ` ${rule[2]} to ${rule[3]}` : ""}`;
    });
    process.stdout.write(`${name}  {${kinds.join(", ")}}  ${scope}\n`);
  }
  const others = Object.entries(NOT_SIGNED).map(([name, reason]) => `${name}  not signed: ${reason}\n`);
  process.stdout.write(others.join(""));
  process.exit(0);
}

// Step 2: the parameters are checked before anything is sent.
// https://developer.tesla.com/docs/fleet-api/endpoints/vehicle-commands
const [name = "", text = "{}"] = words;
if (name === "") throw new Stop(2, "wrong usage: it takes the NAME of a command; --list shows every command");
let json: Record<string, unknown>;
let encoded: Encoded;
try {
  json = JSON.parse(text);
  if (!text.trim().startsWith("{")) throw new Error("not an object");
} catch {
  throw new Stop(2, `wrong usage: the parameters are '{"NAME": VALUE}', in single quotes; --list shows them`);
}
try {
  encoded = encodeCommand(name, json);
} catch (error) {
  throw new Stop(2, `wrong usage: ${messageOf(error)}; --list shows every command`);
}
const { once = false, scope = "vehicle_cmds" } = COMMANDS[name];
const command = { name, json, scope, ...encoded, repeatable: !once };

// Step 3: send it, or show it. A command that must not happen twice is never signed a second time.
if (options["dry-run"] === true) showCommand(command);
else await sendCommand(command, readToken());
