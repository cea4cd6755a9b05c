// Protobuf, as much of it as Tesla's messages need (docs/protocol.md, sections 2, 3). A message is a row of
// fields: a number that tells the field and its layout, then a varint (0), eight bytes (1), a length and that
// many bytes (2), or four bytes (5). No message is known here: field numbers stand where one is made or read.

type FourBytes = { fixed32: number } | { float32: number };
export type Field = [number, number | bigint | string | Buffer | FourBytes | Field[]];
export type Fields = Map<number, bigint | Buffer>;

const MAX_BYTES = 100_000; // of one answer, as in Tesla's own client (section 1)

function varint(value: number | bigint): Buffer {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value)); // a negative number takes ten bytes
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return Buffer.from([...bytes, Number(rest)]);
}

/** A message's bytes; a list of fields inside a field is a message of its own. Nothing is left out: a
 * field that protobuf wants absent (a zero, mostly) must not be given. */
export function encodeFields(fields: Field[]): Buffer {
  return Buffer.concat(fields.flatMap(([number, value]) => {
    if (typeof value === "number" || typeof value === "bigint") return [varint(number * 8), varint(value)];
    if (Array.isArray(value) || typeof value === "string" || Buffer.isBuffer(value)) {
      const bytes = Array.isArray(value) ? encodeFields(value) : Buffer.from(value);
      return [varint(number * 8 + 2), varint(bytes.length), bytes];
    }
    const four = Buffer.alloc(4);
    if ("fixed32" in value) four.writeUInt32LE(value.fixed32);
    else four.writeFloatLE(value.float32);
    return [varint(number * 8 + 5), four];
  }));
}

/** The fields of one message, the last one of each number; what is nested stays bytes. Throws an Error
 * when the bytes are too many, cut short, or no protobuf. */
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
    const [number, layout] = [Number(key >> 3n), Number(key & 7n)];
    if (number < 1 || number > 0x1fffffff) throw new Error("a field number is out of range");
    if (layout === 0) fields.set(number, takeVarint());
    else if (layout === 1) fields.set(number, take(8).readBigUInt64LE());
    else if (layout === 2) fields.set(number, take(Number(takeVarint())));
    else if (layout === 5) fields.set(number, BigInt(take(4).readUInt32LE()));
    else throw new Error("a field has an unknown layout");
  }
  return fields;
}

/** A field's number, at most 32 bits; 0 when it is absent, as protobuf has it. */
export function numberIn(fields: Fields, number: number): number {
  const value = fields.get(number) ?? 0n;
  if (typeof value === "bigint" && value <= 0xffffffffn) return Number(value);
  throw new Error(`field ${number} is no 32-bit number`);
}

/** A field's bytes; none when it is absent. */
export function bytesIn(fields: Fields, number: number): Buffer {
  const value = fields.get(number) ?? Buffer.alloc(0);
  if (typeof value === "bigint") throw new Error(`field ${number} holds no bytes`);
  return value;
}
