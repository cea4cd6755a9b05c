// Protobuf, as much of it as Tesla's messages need (protocol: sections 2 and 3).
//
// A message is a row of fields. Each begins with a number that holds the field's number and how its value
// is laid out: as a varint (0), eight bytes (1), a length and that many bytes (2), or four bytes (5).
// What this file does not do: know any message. The field numbers stand where a message is made or read.

export type Field = [number, number | bigint | string | Buffer | Fixed32 | Float32 | Field[]];
export interface Fixed32 { fixed32: number }
export interface Float32 { float32: number }
export type Fields = Map<number, bigint | Buffer>;

const MAX_BYTES = 100_000; // what Tesla's own client reads of one answer (section 1)

function encodeVarint(value: number | bigint): Buffer {
  let rest = BigInt.asUintN(64, BigInt(value)); // a negative number takes ten bytes
  const bytes: number[] = [];
  while (rest > 127n) {
    bytes.push(Number(rest & 127n) | 128);
    rest >>= 7n;
  }
  return Buffer.from([...bytes, Number(rest)]);
}

/** A message's bytes. A list of fields inside a field is a message of its own. Nothing is left out: a field
 * that protobuf wants absent (a zero, mostly) must not be given. */
export function encodeFields(fields: Field[]): Buffer {
  return Buffer.concat(fields.map(([number, value]) => {
    if (typeof value === "number" || typeof value === "bigint") {
      return Buffer.concat([encodeVarint(number * 8), encodeVarint(value)]);
    }
    if (Array.isArray(value) || typeof value === "string" || Buffer.isBuffer(value)) {
      const bytes = Array.isArray(value) ? encodeFields(value) : Buffer.from(value);
      return Buffer.concat([encodeVarint(number * 8 + 2), encodeVarint(bytes.length), bytes]);
    }
    const four = Buffer.alloc(4);
    if ("fixed32" in value) four.writeUInt32LE(value.fixed32);
    else four.writeFloatLE(value.float32);
    return Buffer.concat([encodeVarint(number * 8 + 5), four]);
  }));
}

/** The fields of one message, the last one of each number. It does not look inside a field, so a deep nest
 * is never followed. Throws an Error when the bytes are cut short, too many, or no protobuf. */
export function decodeFields(bytes: Buffer): Fields {
  if (bytes.length > MAX_BYTES) throw new Error("the message is too long");
  const fields: Fields = new Map();
  let at = 0;
  const take = (length: number): Buffer => {
    if (length > bytes.length - at) throw new Error("the message is cut short");
    at += length;
    return bytes.subarray(at - length, at);
  };
  const takeVarint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = take(1)[0];
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return BigInt.asUintN(64, value);
    }
    throw new Error("a number in the message has no end");
  };
  while (at < bytes.length) {
    const key = takeVarint();
    const number = Number(key >> 3n);
    const layout = Number(key & 7n);
    if (number < 1 || number > 0x1fffffff) throw new Error("a field number is out of range");
    if (layout === 0) fields.set(number, takeVarint());
    else if (layout === 1) fields.set(number, take(8).readBigUInt64LE());
    else if (layout === 2) fields.set(number, take(Number(takeVarint())));
    else if (layout === 5) fields.set(number, BigInt(take(4).readUInt32LE()));
    else throw new Error("a field has an unknown layout");
  }
  return fields;
}

/** A field's number (at most 32 bits); 0 when it is absent, as protobuf has it. */
export function numberIn(fields: Fields, number: number): number {
  const value = fields.get(number) ?? 0n;
  if (typeof value !== "bigint" || value > 0xffffffffn) throw new Error(`field ${number} is no 32-bit number`);
  return Number(value);
}

/** A field's bytes; none when it is absent. */
export function bytesIn(fields: Fields, number: number): Buffer {
  const value = fields.get(number) ?? Buffer.alloc(0);
  if (typeof value === "bigint") throw new Error(`field ${number} holds a number where bytes belong`);
  return value;
}
