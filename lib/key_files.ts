// Your key pair in this folder, and public keys in a single form, so that they can be compared.
import { createECDH, createPrivateKey, createPublicKey, type ECDH } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { Failure, fixForFile, messageOf, say } from "./command_line.ts";

export const PRIVATE_KEY_FILE = "private-key.pem";
export const PUBLIC_KEY_FILE = "public-key.pem";
export const MAKE_PUBLIC = "openssl ec -in private-key.pem -pubout -out public-key.pem";

/** Your private key, which never leaves this machine. Throws Failure 5: missing, encrypted, not on P-256. */
export function readPrivateKey(): ECDH {
  const key = createECDH("prime256v1"); // the curve P-256
  try {
    const pem = readFileSync(PRIVATE_KEY_FILE, "utf8");
    try {
      const { crv, d = "" } = createPrivateKey(pem).export({ format: "jwk" });
      if (crv !== "P-256") throw new Error("another curve");
      key.setPrivateKey(Buffer.from(d, "base64url"));
    } catch {
      throw new Error("it is not an unencrypted P-256 key in PEM form"); // OpenSSL's words would not help
    }
    if (process.platform !== "win32" && statSync(PRIVATE_KEY_FILE).mode & 0o077) {
      say(`warning: others on this machine can read ${PRIVATE_KEY_FILE}; run: chmod 600 ${PRIVATE_KEY_FILE}`);
    }
    return key;
  } catch (error) {
    const otherwise =
      "copy yours here; if it is lost, move both away, run generate_key, register and pair again";
    const fix = fixForFile(PRIVATE_KEY_FILE, error, otherwise);
    throw new Failure(5, `${PRIVATE_KEY_FILE} cannot be used`, messageOf(error), fix);
  }
}

/** Whether a text holds a private key, which only its owner may have. */
export function holdsPrivateKey(text: string): boolean {
  return text.includes("PRIVATE KEY");
}

/** The public key in the PEM `text`, as 130 hex digits: an uncompressed point on P-256. Throws an Error. */
export function pointIn(text: string): string {
  if (holdsPrivateKey(text)) throw new Error("it holds a private key, which must stay with you");
  const pem = /^\s*-----BEGIN PUBLIC KEY-----[\w+/=\s]+-----END PUBLIC KEY-----\s*$/;
  try {
    const { crv, x = "", y = "" } = createPublicKey(text).export({ format: "jwk" });
    const point = Buffer.concat([Buffer.from([4]), Buffer.from(x, "base64url"), Buffer.from(y, "base64url")]);
    if (crv === "P-256" && pem.test(text)) return point.toString("hex");
  } catch {} // OpenSSL's words would not help
  throw new Error("it is not a P-256 public key in PEM form and nothing else");
}

/** The public key in this folder: its PEM and its point. Throws Failure 5. */
export function readPublicKey(): { pem: string; point: string } {
  try {
    const pem = readFileSync(PUBLIC_KEY_FILE, "utf8");
    return { pem, point: pointIn(pem) };
  } catch (error) {
    const otherwise = `run generate_key; if you have ${PRIVATE_KEY_FILE}: ${MAKE_PUBLIC}`;
    const fix = fixForFile(PUBLIC_KEY_FILE, error, otherwise);
    throw new Failure(5, `${PUBLIC_KEY_FILE} cannot be used`, messageOf(error), fix);
  }
}
