// The token of a Fleet Telemetry configuration against the vectors of Tesla's own code, byte for byte;
// against the simulator's verifier, which shares nothing with the signer; and what must never happen to its
// nonce.
import assert from "node:assert/strict";
import { createECDH, createHash, type ECDH } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { freshNonce, schnorrSignature, telemetryToken } from "../../lib/signing/telemetry_token.ts";
import { isSchnorrSignature, readTelemetryToken } from "../simulator/tesla/telemetry_token.ts";
import { randomFrom, type Random } from "../support/random.ts";

interface Vector {
  name: string;
  jws: string[]; // its parts
  tesla_says: string;
}
interface Positive extends Vector {
  config: Record<string, unknown>;
  header_json: string;
  payload_json: string;
  signing_input: string;
  private_scalar_hex: string;
  public_point_hex: string;
  nonce_hex: string;
  public_nonce_hex: string;
  r_hex: string;
  signature_hex: string;
}

const VECTORS = JSON.parse(readFileSync(new URL("../vectors/telemetry_jws.json", import.meta.url), "utf8"));
const POSITIVE: Positive[] = VECTORS.positive;
const NOW = Date.UTC(2026, 10, 28);

function keyOf(scalar: string): ECDH {
  const key = createECDH("prime256v1");
  key.setPrivateKey(Buffer.from(scalar, "hex"));
  return key;
}

test("15 signatures of Tesla's code, byte for byte with their nonces", () => {
  for (const vector of POSITIVE) {
    const [key, nonce] = [keyOf(vector.private_scalar_hex), keyOf(vector.nonce_hex)];
    assert.equal(key.getPublicKey("hex"), vector.public_point_hex, vector.name);
    assert.equal(nonce.getPublicKey("hex"), vector.public_nonce_hex, vector.name);
    const signature = schnorrSignature(vector.signing_input, key, nonce).toString("hex");
    assert.equal(signature, vector.signature_hex, vector.name);
    assert.equal(signature.slice(128), vector.r_hex, vector.name);
  }
  assert.equal(POSITIVE.length, 15);
});

// Tesla's code writes the claims in the order of their names, which is no rule. It also spells five
// characters as escapes; the one vector with such characters is compared by its signature only, above.
test("14 whole tokens, byte for byte; in the other one the claims are the same", () => {
  let same = 0;
  for (const vector of POSITIVE) {
    const claims: Record<string, unknown> = JSON.parse(vector.payload_json);
    const spoilt = { ...claims, iss: "replaced by the signer", aud: "and this too" }; // the order stays
    const token = telemetryToken(spoilt, keyOf(vector.private_scalar_hex), keyOf(vector.nonce_hex));
    const [header = "", payload = ""] = token
      .split(".")
      .map((part) => Buffer.from(part, "base64url").toString());
    assert.equal(header, vector.header_json);
    assert.deepEqual(JSON.parse(payload), claims, vector.name);
    const { iss, aud } = claims;
    assert.deepEqual(claims, { ...vector.config, iss, aud }, vector.name);
    if (payload === vector.payload_json) {
      assert.equal(token, vector.jws.join("."), vector.name);
      same += 1;
    }
  }
  assert.equal(same, 14);
});

test("the simulator's verifier accepts what Tesla's accepts", () => {
  const accepted: Vector[] = [
    ...POSITIVE,
    ...VECTORS.positive_made_by_node,
    ...VECTORS.accepted_though_unusual,
  ];
  for (const { name, jws } of accepted)
    assert.doesNotThrow(() => readTelemetryToken(jws.join("."), NOW), name);
  assert.equal(accepted.length, 25);
  const [{ message, private_scalar_hex: scalar, signature_hex: signature }] = VECTORS.schnorr_only;
  assert.ok(
    isSchnorrSignature(message, keyOf(scalar).getPublicKey(), Buffer.from(signature, "hex")),
    "hello world",
  );
  const [{ jws, public_point_hex: point }] = VECTORS.third_party_jws;
  assert.equal(readTelemetryToken(jws.join("."), 0).signer, point);
});

test("and refuses the 35 that Tesla's refuses", () => {
  const refused: Vector[] = VECTORS.negative;
  for (const { name, jws, tesla_says } of refused) {
    // Where Tesla's verifier names the signature, ours must not have stumbled over something else.
    const problem = tesla_says.includes("signature is invalid") ? /^invalid signature$/ : /./;
    assert.throws(
      () => readTelemetryToken(jws.join("."), NOW),
      { message: problem },
      `${name}: ${tesla_says}`,
    );
  }
  assert.equal(refused.length, 35);
});

function randomText(random: Random): string {
  const characters = Array.from({ length: random(12) }, () => String.fromCodePoint(random(0xd800)));
  return characters.join("");
}

function randomConfig(random: Random): Record<string, unknown> {
  const fields: [string, object][] = Array.from({ length: random(30) }, () => [
    `Field${random(260)}`,
    { interval_seconds: 1 + random(86_400), minimum_delta: random(1000) / 10 },
  ]);
  return {
    hostname: `${random(1_000_000)}.example.com`,
    port: random(65_536),
    ca: randomText(random).repeat(random(100)),
    fields: Object.fromEntries(fields),
    [randomText(random)]: randomText(random),
  };
}

/** The public nonces that are in more than one of the tokens. */
function sharedNonces(tokens: string[]): string[] {
  const nonces = tokens.map((token) => (token.split(".")[2] ?? "").slice(0, 85)); // 64 bytes
  return nonces.filter((nonce, index) => nonces.indexOf(nonce) !== index);
}

test("1,000 random configurations: signed, they pass the verifier, and no two share a nonce", () => {
  const random = randomFrom(21);
  const tokens: string[] = [];
  for (let count = 0; count < 1000; count += 1) {
    const key = createECDH("prime256v1");
    key.generateKeys();
    const config = randomConfig(random);
    const token = telemetryToken(config, key, freshNonce());
    const read = readTelemetryToken(token, NOW);
    assert.equal(read.signer, key.getPublicKey("hex"));
    const iss = key.getPublicKey("base64");
    assert.deepEqual(read.config, { ...config, iss, aud: "com.tesla.fleet.TelemetryClient" });
    tokens.push(token);
  }
  assert.deepEqual(sharedNonces(tokens), []);
});

test("1,000 tokens of one key share no nonce, and the search would find a shared one", () => {
  const key = freshNonce();
  const tokens = Array.from({ length: 1000 }, () => telemetryToken({ port: 443 }, key, freshNonce()));
  assert.deepEqual(sharedNonces(tokens), []);
  const nonce = freshNonce();
  const twice = [1, 2].map((port) => telemetryToken({ port }, key, nonce));
  assert.equal(sharedNonces([...tokens, ...twice]).length, 1);
});

// The challenge of a token, from its own bytes.
function challengeOf(token: string, key: ECDH): bigint {
  const at = token.lastIndexOf(".");
  const v = Buffer.from(token.slice(at + 1), "base64url").subarray(0, 64);
  const parts = [keyOf("01".padStart(64, "0")).getPublicKey(), Buffer.of(4, ...v), key.getPublicKey()];
  const hash = createHash("sha256");
  for (const part of [...parts, Buffer.from(token.slice(0, at))]) {
    hash.update(Buffer.of(0, 0, part.length >> 8, part.length & 255)).update(part);
  }
  return BigInt(`0x${hash.digest("hex")}`);
}

test("why: two tokens with one nonce give away the private key", () => {
  const n = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
  const [key, nonce] = [freshNonce(), freshNonce()];
  const tokens = [443, 4443].map((port) => telemetryToken({ port }, key, nonce));
  const [c1 = 0n, c2 = 0n] = tokens.map((token) => challengeOf(token, key));
  const [r1 = 0n, r2 = 0n] = tokens.map((token) => {
    const signature = Buffer.from(token.split(".")[2] ?? "", "base64url");
    return BigInt(`0x${signature.subarray(64).toString("hex")}`);
  });
  let inverse = 1n; // of c2 - c1, by Fermat: its power n - 2
  for (let bit = 255n; bit >= 0n; bit -= 1n) {
    inverse = (inverse * inverse) % n;
    if (((n - 2n) >> bit) & 1n) inverse = (inverse * (c2 - c1)) % n;
  }
  const found = ((((r1 - r2) * inverse) % n) + n) % n;
  assert.equal(found, BigInt(`0x${key.getPrivateKey("hex")}`));
});
