// Makes the message of a signed command from its row in commands.ts and from what the owner gave.
//
// In this order: is the command known, is every parameter known; then, one after the other, is it there,
// and is it of the right kind and in its range. The first failure throws an Error, which says what
// was found and what is allowed (an error never shows a PIN). Nothing is sent from here.
import { clean } from "../command_line.ts";
import { COMMANDS, NOT_SIGNED, type Parameter, type Parameters } from "./commands.ts";
import { type Domain, INFOTAINMENT } from "./signed_message.ts";
import type { Field } from "./wire.ts";

type Given = Record<string, unknown>; // the parameters by name

const VEHICLE_ACTION = 2; // in an infotainment message (section 9)
const SENT_FOR_TRUE: { [kind: string]: Field[1] } = { flag: 1, "all week": [[1, []]], weekdays: [[2, []]] };
// biome-ignore format: a table of words and numbers
const DAYS = new Map([["SUN", 1], ["SUNDAY", 1], ["MON", 2], ["MONDAY", 2], ["TUES", 4], ["TUESDAY", 4],
  ["WED", 8], ["WEDNESDAY", 8], ["THURS", 16], ["THURSDAY", 16], ["FRI", 32], ["FRIDAY", 32],
  ["SAT", 64], ["SATURDAY", 64], ["WEEKDAYS", 62], ["ALL", 127]]); // the spellings Tesla's proxy accepts

// The field that a parameter becomes; a 0 is left out of the message. Throws an Error for a wrong value.
function fieldOf(name: string, value: unknown, rule: Parameter, isSecret: boolean): Field {
  const inJson = typeof value === "string" ? JSON.stringify(value) : value;
  const shown = isSecret ? "something else" : clean(inJson).slice(0, 60); // a PIN may be misplaced
  const refuse = (allowed: string, found = shown): never => {
    throw new Error(`${name} must be ${allowed}: found ${found}`);
  };
  if (!Array.isArray(rule)) {
    const field = typeof value === "string" && Object.hasOwn(rule, value) ? rule[value] : undefined;
    return field ?? refuse(`one of ${Object.keys(rule).join(", ")}`);
  }
  const [field, kind, from = 1, to = Number.MAX_SAFE_INTEGER] = rule;
  const sentForTrue = SENT_FOR_TRUE[kind];
  if (sentForTrue !== undefined) {
    return typeof value === "boolean" ? [field, value ? sentForTrue : 0] : refuse("true or false");
  }
  if (kind === "pin") {
    if (typeof value === "string" && /^[0-9]{4}$/.test(value)) return [field, value];
    return refuse("a text of four digits", "something else");
  }
  if (kind === "text") {
    if (typeof value === "string" && value.length >= from && value.length <= to) return [field, value];
    return refuse(`a text of ${from} to ${to} characters`);
  }
  if (kind === "days") {
    const names = typeof value === "string" ? value.toUpperCase().split(",") : [""];
    const days = names.map((day) => DAYS.get(day.trim()) ?? 0);
    if (!days.includes(0)) return [field, days.reduce((all, day) => all | day)];
    return refuse(`days, with commas between them, out of ${[...DAYS.keys()].join(", ")}`);
  }
  const whole = kind !== "decimal" && kind !== "decimal kept" && kind !== "double";
  if (typeof value !== "number" || !(value >= from && value <= to) || (whole && !Number.isInteger(value))) {
    return refuse(`a ${whole ? "whole " : ""}number from ${from} to ${to}`);
  }
  if (kind === "empty") return [field + value, []];
  if (kind === "one more") return [field, value + 1];
  if (kind === "decimal") return [field, Math.fround(value) === 0 ? 0 : { float32: value }];
  if (kind === "decimal kept") return [field, { float32: value }];
  return [field, kind === "double" ? { float64: value } : value];
}

/** A command's message, and the computer in the car that it is for. */
export type Encoded = { domain: Domain; message: Field[] };

// The fields of what is given; a new schedule gets the time as its id. Throws an Error for a missing one.
function fieldsOf(parameters: Parameters, given: Given, isOff: boolean, takes: string): Field[] {
  const isSecret = hasPin(parameters);
  const fields: Field[] = [];
  for (const [label, rule] of Object.entries(parameters)) {
    const key = nameOf(label);
    const value = label === "id?" && given.id === undefined ? Math.floor(Date.now() / 1000) : given[key];
    if (value === undefined && (isOff || label.endsWith("?"))) continue;
    if (value === undefined) throw new Error(`missing parameter ${key}: ${takes}`);
    const [field, content] = fieldOf(key, value, rule, isSecret);
    if (field > 0 && content !== 0 && !isOff) fields.push([field, content]);
  }
  return fields;
}

function hasPin(parameters: Parameters): boolean {
  return Object.values(parameters).some((rule) => Array.isArray(rule) && rule[1] === "pin");
}

function nameOf(label: string): string {
  return label.replace("?", "");
}

/** Makes the message. Throws an Error that says what is wrong with the name or the parameters. */
export function encodeCommand(name: string, given: Given): Encoded {
  if (Object.hasOwn(NOT_SIGNED, name)) throw new Error(`${name} cannot be signed: ${NOT_SIGNED[name]}`);
  const row = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (row === undefined) throw new Error(`there is no command "${name}"`);
  const { at, fixed = [], parameters = {}, beside = {}, domain = INFOTAINMENT, switchedBy = "" } = row;
  const known = [...Object.keys(parameters), ...Object.keys(beside)].map(nameOf);
  const takes = `${name} takes ${known.join(", ") || "no parameters"}`;
  const unknown = Object.keys(given).find((key) => !known.includes(key));
  if (unknown !== undefined)
    throw new Error(`unknown parameter ${hasPin(parameters) ? "(not shown)" : unknown}: ${takes}`);

  const isOff = given[switchedBy] === false;
  const inner = [...fixed, ...fieldsOf(parameters, given, isOff, takes)];
  const outer = fieldsOf(beside, given, isOff, takes);
  const byNumber = new Map(inner.map((field) => [field[0], field])); // a given field replaces a fixed one
  let message: Field[] = [...byNumber.values()].sort(([a], [b]) => a - b);
  for (const [index, field] of at.toReversed().entries()) {
    message = [[field, message], ...(index === 0 ? outer : [])];
  }
  return { domain, message: domain === INFOTAINMENT ? [[VEHICLE_ACTION, message]] : message };
}
