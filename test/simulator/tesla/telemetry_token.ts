// Reads the token of a Fleet Telemetry configuration as Tesla's verifier does: the form of a JWS, the
// algorithm, Schnorr's equation rG + cA = V over P-256, and when the claims hold. Written from the protocol's
// figures, independently of lib/: points are added here with BigInt, in Jacobian coordinates.
import { createHash } from "node:crypto";

const P = 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn;
const N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
const B = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn;
const GX = 0x6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296n;
const GY = 0x4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5n;

// The point (x / z², y / z³); z = 0 is infinity.
type Point = { x: bigint; y: bigint; z: bigint };

const INFINITY: Point = { x: 1n, y: 1n, z: 0n };
const G: Point = { x: GX, y: GY, z: 1n };

function mod(value: bigint, modulus = P): bigint {
  const rest = value % modulus;
  return rest < 0n ? rest + modulus : rest;
}

function double({ x, y, z }: Point): Point {
  if (z === 0n || y === 0n) return INFINITY;
  const zz = mod(z * z);
  const yy = mod(y * y);
  const s = mod(4n * x * yy);
  const m = mod(3n * (x - zz) * (x + zz)); // the curve's a is -3
  const x3 = mod(m * m - 2n * s);
  return { x: x3, y: mod(m * (s - x3) - 8n * yy * yy), z: mod(2n * y * z) };
}

function add(first: Point, second: Point): Point {
  if (first.z === 0n) return second;
  if (second.z === 0n) return first;
  const [z1, z2] = [mod(first.z * first.z), mod(second.z * second.z)];
  const u1 = mod(first.x * z2);
  const s1 = mod(first.y * z2 * second.z);
  const h = mod(second.x * z1 - u1);
  const r = mod(second.y * z1 * first.z - s1);
  if (h === 0n) return r === 0n ? double(first) : INFINITY;
  const hh = mod(h * h);
  const hhh = mod(h * hh);
  const v = mod(u1 * hh);
  const x = mod(r * r - hhh - 2n * v);
  return { x, y: mod(r * (v - x) - s1 * hhh), z: mod(h * first.z * second.z) };
}

/** rG + cA, both multiples in one walk over the bits. */
function sumOfMultiples(r: bigint, c: bigint, a: Point): Point {
  const both = add(G, a);
  let sum = INFINITY;
  for (let bit = 255n; bit >= 0n; bit -= 1n) {
    sum = double(sum);
    const [fromR, fromC] = [(r >> bit) & 1n, (c >> bit) & 1n];
    if (fromR === 1n) sum = add(sum, fromC === 1n ? both : G);
    else if (fromC === 1n) sum = add(sum, a);
  }
  return sum;
}

function number(bytes: Buffer): bigint {
  return BigInt(`0x${bytes.toString("hex")}`);
}

function pointFrom(bytes: Buffer): Point | undefined {
  if (bytes.length !== 65 || bytes[0] !== 4) return undefined;
  const [x, y] = [number(bytes.subarray(1, 33)), number(bytes.subarray(33))];
  const isOnCurve = x < P && y < P && mod(y * y - (x * x * x - 3n * x + B)) === 0n;
  return isOnCurve ? { x, y, z: 1n } : undefined;
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
  const sum = sumOfMultiples(number(signature.subarray(64)) % N, c, a);
  // V is compared and never decoded: (X / Z², Y / Z³) is (x, y) where X = x Z² and Y = y Z³.
  const [x, y] = [number(v.subarray(1, 33)), number(v.subarray(33))];
  const zz = mod(sum.z * sum.z);
  return sum.z !== 0n && x < P && y < P && sum.x === mod(x * zz) && sum.y === mod(y * zz * sum.z);
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

/** The claims, iss and aud among them, and the public key in 130 hexadecimal digits. */
export type TelemetryToken = { config: Record<string, unknown>; signer: string };

/** What the token says. Throws an Error when it is malformed, wrongly signed, expired or not valid yet. */
export function readTelemetryToken(token: string, now: number): TelemetryToken {
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
