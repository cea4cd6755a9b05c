// Which values the simulated car takes in a command: the ranges of Tesla's documentation, by field number.
// What is outside is refused as "invalid_value". A real car's words are not known, nor whether it refuses at
// all: of set_charge_limit owners report that it takes the nearest value, and the simulated car does so
// there (charging.ts), as it does with amps above the cable's.

import protobuf from "protobufjs";

type Kind = "whole" | "float" | "double" | "pin" | "field";
// Path of field numbers inside the member; kind; from; to; must it be there (absent means zero)?
type Rule = [path: number[], kind: Kind, from: number, to: number, needed?: true];

const MINUTES: [Kind, number, number] = ["whole", 0, 1439];
const LATITUDE: [Kind, number, number] = ["float", -90, 90];
const LONGITUDE: [Kind, number, number] = ["float", -180, 180];

const RULES: { [member: number]: Rule[] } = {
  7: [[[1], "pin", 4, 4, true]],
  8: [[[1], "double", 50, 120, true]],
  9: [[[2], "pin", 4, 4, true]],
  14: [[[6], "float", 15, 28], [[7], "float", 15, 28]],
  16: [[[3], "float", 0, 11]],
  29: [[[1], "whole", 0, 2 ** 31 - 1]],
  31: [[[2], "pin", 4, 4]],
  33: [[[1, 1], ...LATITUDE], [[1, 2], ...LONGITUDE]],
  36: [[[1], "field", 2, 5, true], [[1], "field", 7, 15, true]], // a level, and a seat: empty messages
  41: [[[2], ...MINUTES]],
  42: [[[2], ...MINUTES], [[5], ...MINUTES]],
  44: [[[1], "whole", 0, 3]],
  48: [[[1, 2], "whole", 1, 2, true]],
  49: [[[1, 1], "whole", 1, 4, true], [[1, 2], "whole", 1, 2, true]],
  66: [[[1], "whole", 0, 3]],
  77: [[[2], "pin", 4, 4]],
  97: [[[3], "whole", 0, 127], [[5], ...MINUTES], [[7], ...MINUTES], [[10], ...LATITUDE],
    [[11], ...LONGITUDE]],
  99: [[[3], "whole", 0, 127], [[4], ...MINUTES], [[7], ...LATITUDE], [[8], ...LONGITUDE]],
  111: [[[2], "pin", 4, 4, true]],
  112: [[[1], "whole", 0, 6]],
  113: [[[1], "double", 50, 120, true]],
};

type Value = number | Buffer;

// The fields of a message, each by its number; of a repeated one, the last.
function fields(bytes: Uint8Array): Map<number, Value> {
  const reader = protobuf.Reader.create(bytes);
  const found = new Map<number, Value>();
  while (reader.pos < reader.len) {
    const key = reader.uint32();
    const [number, layout] = [key >>> 3, key & 7];
    if (layout === 0) found.set(number, Number(reader.int64()));
    else if (layout === 1) found.set(number, reader.double());
    else if (layout === 2) found.set(number, Buffer.from(reader.bytes()));
    else if (layout === 5) found.set(number, reader.float());
    else throw new Error(`layout ${layout}`);
  }
  return found;
}

function keeps(message: Map<number, Value>, [path, kind, from, to, needed]: Rule): boolean {
  const [number = 0, ...rest] = path;
  const value = message.get(number);
  if (rest.length > 0 || kind === "field") {
    if (!Buffer.isBuffer(value)) return needed !== true;
    const inner = fields(value);
    if (rest.length > 0) return keeps(inner, [rest, kind, from, to, needed]);
    return [...inner.keys()].some((field) => field >= from && field <= to);
  }
  if (value === undefined && needed !== true) return true;
  if (kind === "pin") return Buffer.isBuffer(value) && /^[0-9]{4}$/.test(value.toString("utf8"));
  return !Buffer.isBuffer(value) && (value ?? 0) >= from && (value ?? 0) <= to;
}

/** Whether the car takes every value of this member of VehicleAction. Throws on what is no message. */
export function inRange(member: number, bytes: Uint8Array): boolean {
  const rules = RULES[member] ?? [];
  if (rules.length === 0) return true;
  const message = fields(bytes);
  return rules.every((rule) => keeps(message, rule));
}
