// Protobuf, as much of it as Tesla's messages need (docs/protocol.md, sections 2, 3). A message is a series
// of fields: a number that names the field and its layout, then a varint (0), eight bytes (1), a length and
// that many bytes (2), or four bytes (5). What a field number means is defined elsewhere.

/** Numbers of a fixed length: whole, or with decimals in four or eight bytes. */
type Fixed = { fixed32: number } | { float32: number } | { float64: number };
export type Field = [number: number, value: number | string | Buffer | Fixed | Field[]];

const MAX_BYTES = 100_000; // of one answer, as in Tesla's own client (section 1)

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return Buffer.from([...bytes, rest]);
}

function encodeField([number, value]: Field): Buffer[] {
  if (typeof value === "number") return [varint(number * 8), varint(value)];
  if (Array.isArray(value) || typeof value === "string" || Buffer.isBuffer(value)) {
    const bytes = Array.isArray(value) ? encodeFields(value) : Buffer.from(value);
    return [varint(number * 8 + 2), varint(bytes.length), bytes];
  }
  const bytes = Buffer.alloc("float64" in value ? 8 : 4);
  if ("fixed32" in value) bytes.writeUInt32LE(value.fixed32);
  else if ("float32" in value) bytes.writeFloatLE(value.float32);
  else bytes.writeDoubleLE(value.float64);
  return [varint(number * 8 + (bytes.length === 8 ? 1 : 5)), bytes];
}

/** A message's bytes; a list of fields inside a field is a message of its own. Nothing is left out: a field
 * that protobuf leaves out (a zero, mostly) must not be given. Numbers are whole and not negative. */
export function encodeFields(fields: Field[]): Buffer {
  return Buffer.concat(fields.flatMap(encodeField));
}

// The fields of one message, the last one of each number; what is nested stays bytes. Throws an Error when
// the bytes are too many, cut short, or not protobuf.
function decodeFields(message: Buffer): Map<number, number | Buffer> {
  if (message.length > MAX_BYTES) throw new Error("the message is too long");
  const fields = new Map<number, number | Buffer>();
  let at = 0;
  const take = (length: number): Buffer => {
    if (length > message.length - at) throw new Error("the message is cut short");
    at += length;
    return message.subarray(at - length, at);
  };
  const takeVarint = (): number => {
    let value = 0;
    for (let factor = 1; factor <= 2 ** 63; factor *= 128) {
      const byte = take(1).readUInt8();
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
    throw new Error("a number in the message has no end");
  };
  while (at < message.length) {
    const key = takeVarint();
    const [number, layout] = [Math.floor(key / 8), key % 8];
    if (number < 1 || number > 0x1fffffff) throw new Error("a field number is out of range");
    if (layout === 0) fields.set(number, takeVarint());
    else if (layout === 1) fields.set(number, take(8));
    else if (layout === 2) fields.set(number, take(takeVarint()));
    else if (layout === 5) fields.set(number, take(4).readUInt32LE());
    else throw new Error("a field has an unknown layout");
  }
  return fields;
}

/** What is at `path`, field numbers from the outside inwards; undefined where a field is absent. Throws an
 * Error when the message cannot be decoded. */
export function valueAt(message: Buffer, path: number[]): number | Buffer | undefined {
  const [number = 0, ...rest] = path;
  const value = decodeFields(message).get(number);
  if (rest.length === 0 || value === undefined) return value;
  if (typeof value === "number") throw new Error(`field ${number} is not a message`);
  return valueAt(value, rest);
}

/** The number at `path`, at most 32 bits; 0 when it is absent, as protobuf has it. */
export function numberAt(message: Buffer, path: number[]): number {
  const value = valueAt(message, path) ?? 0;
  if (typeof value === "number" && value <= 0xffffffff) return value;
  throw new Error(`field ${path.join(".")} is not a 32-bit number`);
}

/** The bytes at `path`; none when it is absent. */
export function bytesAt(message: Buffer, path: number[]): Buffer {
  const value = valueAt(message, path) ?? Buffer.alloc(0);
  if (typeof value !== "number") return value;
  throw new Error(`field ${path.join(".")} holds no bytes`);
}
