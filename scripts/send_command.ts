// Sends any supported command, by its name in Tesla's REST documentation, and reports the car's answer.
//
//   reads     .env, tesla_token.json, private-key.pem, tesla_session.json, tesla_session.json.new,
//             tesla_session.json.lock; standard input if JSON is -
//   writes    tesla_session.json, tesla_session.json.new, tesla_session.json.lock
//   contacts  Fleet API
//   costs     1 command ($0.001); 2 the first time
//   run       npx tsx scripts/send_command.ts NAME ['{"PARAMETER": VALUE}' or -] [--dry-run], or --list
import { text as readAll } from "node:stream/consumers";
import { commandNamed, sendCommand, showCommand } from "../lib/command.ts";
import { Failure, startScript } from "../lib/command_line.ts";
import { COMMANDS, NOT_SIGNED } from "../lib/signing/commands.ts";

// Step 1: --list shows every command with its parameters (a ? may be left out) and the scope it needs.
// biome-ignore format: a table of words
const KINDS = { flag: "true or false", "all week": "true or false", weekdays: "true or false",
  pin: "four digits in quotes", whole: "whole number", "one more": "whole number", empty: "whole number",
  id: "whole number", text: "text, its length", decimal: "number", "decimal kept": "number", double: "number",
  days: "days such as Mon,Tues or Weekdays" };
const given = startScript(import.meta.filename, { optional: ["NAME", "JSON"], flags: ["list", "dry-run"] });
if (given.list) {
  for (const [name, { parameters = {}, beside = {}, scope = "vehicle_cmds" }] of Object.entries(COMMANDS)) {
    const kinds = Object.entries({ ...parameters, ...beside }).map(([label, rule]) => {
      if (!Array.isArray(rule)) return `${label}: ${Object.keys(rule).join(" or ")}`;
      const [, kind, from, to] = rule;
      return `${label}: ${KINDS[kind]}${from === undefined ? "" : ` from ${from} to ${to}`}`;
    });
    process.stdout.write(`${name}  {${kinds.join(", ")}}  ${scope}\n`);
  }
  const others = Object.entries(NOT_SIGNED).map(([name, reason]) => `${name}  not signed: ${reason}\n`);
  process.stdout.write(others.join(""));
  process.exit(0);
}

// Step 2: the parameters are checked before anything is sent. A PIN is best piped in: other users of this
// machine can see what is on the command line, and the shell keeps it.
// https://developer.tesla.com/docs/fleet-api/endpoints/vehicle-commands
if (given.NAME === undefined) {
  throw new Failure(2, "wrong usage", "no NAME of a command", "send_command --list shows every command");
}
const text = given.JSON === "-" ? await readAll(process.stdin) : (given.JSON ?? "{}");
let json: Record<string, unknown> = {};
try {
  json = JSON.parse(text);
  if (!text.trim().startsWith("{")) throw new Error("not an object");
} catch {
  const fix = `write them as '{"PARAMETER": VALUE}', in single quotes; --list shows them`;
  throw new Failure(2, "wrong usage", "parameters that are not a JSON object", fix);
}
const command = commandNamed(given.NAME, json);

// Step 3: send it, or show it. A command that must not happen twice is never signed a second time.
if (given["dry-run"]) showCommand(command);
else await sendCommand(command);
