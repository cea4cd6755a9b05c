// Reads the token of a Fleet Telemetry configuration as Tesla's verifier does: the form of a JWS, the
// algorithm, Schnorr's equation rG + cA = V over P-256, and when the claims hold. Written from the protocol's
// figures, independently of lib/: points are added here as in a textbook.
import { createHash } from "node:crypto";

const P = 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn;
const N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
const B = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn;
const GX = 0x6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296n;
const GY = 0x4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5n;

type Point = [x: bigint, y: bigint] | undefined; // undefined is infinity

function mod(value: bigint): bigint {
  const rest = value % P;
  return rest < 0n ? rest + P : rest;
}

/** One through the value, by Euclid's algorithm. */
function inverse(value: bigint): bigint {
  let [high, low, result, next] = [P, mod(value), 0n, 1n];
  while (low > 0n) {
    const quotient = high / low;
    [high, low] = [low, high - quotient * low];
    [result, next] = [next, result - quotient * next];
  }
  return mod(result);
}

function add(first: Point, second: Point): Point {
  if (first === undefined || second === undefined) return first ?? second;
  const [[x1, y1], [x2, y2]] = [first, second];
  if (x1 === x2 && mod(y1 + y2) === 0n) return undefined;
  const isSame = x1 === x2; // the curve's a is -3
  const slope = mod(isSame ? (3n * x1 * x1 - 3n) * inverse(2n * y1) : (y2 - y1) * inverse(x2 - x1));
  const x = mod(slope * slope - x1 - x2);
  return [x, mod(slope * (x1 - x) - y1)];
}

function times(factor: bigint, point: Point): Point {
  let sum: Point;
  for (let rest = factor; rest > 0n; rest >>= 1n) {
    if ((rest & 1n) === 1n) sum = add(sum, point);
    point = add(point, point);
  }
  return sum;
}

function number(bytes: Buffer): bigint {
  return BigInt(`0x${bytes.toString("hex")}`);
}

function pointFrom(bytes: Buffer): Point {
  if (bytes.length !== 65 || bytes[0] !== 4) return undefined;
  const [x, y] = [number(bytes.subarray(1, 33)), number(bytes.subarray(33))];
  const isOnCurve = x < P && y < P && mod(y * y - (x * x * x - 3n * x + B)) === 0n;
  return isOnCurve ? [x, y] : undefined;
}

function withLength(part: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(part.length);
  return Buffer.concat([length, part]);
}

/** Whether the 96 bytes are a signature over `message` by the owner of the public key. */
export function isSchnorrSignature(message: string, publicKey: Buffer, signature: Buffer): boolean {
  const a = pointFrom(publicKey);
  if (a === undefined || signature.length !== 96) return false;
  const generator = Buffer.from(`04${GX.toString(16)}${GY.toString(16)}`, "hex");
  const v = Buffer.concat([Buffer.of(4), signature.subarray(0, 64)]);
  const parts = [generator, v, publicKey, Buffer.from(message)].map(withLength);
  const c = number(createHash("sha256").update(Buffer.concat(parts)).digest()) % N;
  const sum = add(times(number(signature.subarray(64)) % N, [GX, GY]), times(c, a));
  return sum !== undefined && sum[0] === number(v.subarray(1, 33)) && sum[1] === number(v.subarray(33));
}

function bytesIn(text: unknown, encoding: "base64" | "base64url"): Buffer {
  const bytes = Buffer.from(String(text), encoding);
  if (bytes.length === 0 || bytes.toString(encoding) !== text) throw new Error(`not ${encoding}`);
  return bytes;
}

function objectIn(part: string): Record<string, unknown> {
  const value: unknown = JSON.parse(bytesIn(part, "base64url").toString());
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error("not an object");
  return { ...value };
}

/** The claims, and the key that signed, in 130 hexadecimal digits. Throws when it is malformed or does not hold. */
export function readTelemetryToken(token: string, now: number) {
  const parts = token.split(".");
  const [header = "", payload = "", signature = ""] = parts;
  if (parts.length !== 3) throw new Error(`a token of ${parts.length} parts`);
  if (objectIn(header).alg !== "Tesla.SS256") throw new Error("unsupported signature type");
  const config = objectIn(payload);
  const signer = bytesIn(config.iss, "base64");
  if (!isSchnorrSignature(`${header}.${payload}`, signer, bytesIn(signature, "base64url"))) {
    throw new Error("invalid signature");
  }
  for (const claim of ["exp", "nbf"]) {
    if (config[claim] !== undefined && typeof config[claim] !== "number")
      throw new Error(`${claim} is invalid`);
  }
  if (Number(config.exp ?? Infinity) * 1000 <= now) throw new Error("token is expired");
  if (Number(config.nbf ?? 0) * 1000 > now) throw new Error("token is not valid yet");
  return { config, signer: signer.toString("hex") };
}
