// Your key pair in this folder, and the public half as others show it, brought to one form to compare.
import { createECDH, createPrivateKey, createPublicKey, type ECDH, type JsonWebKey } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { messageOf, say, Stop } from "./command_line.ts";

export const PRIVATE_KEY_FILE = "private-key.pem";
export const PUBLIC_KEY_FILE = "public-key.pem";

function pointOf(jwk: JsonWebKey): string {
  return `04${[jwk.x, jwk.y].map((part) => Buffer.from(part ?? "", "base64url").toString("hex")).join("")}`;
}

/** Your private key. It goes nowhere. Throws Stop 5 when it is missing, encrypted, or not on P-256. */
export function readPrivateKey(): ECDH {
  try {
    const pem = readFileSync(PRIVATE_KEY_FILE, "utf8");
    if (pem.includes("ENCRYPTED")) throw new Error("it is encrypted, and these scripts ask for no password");
    if (pem.includes("PUBLIC KEY")) throw new Error("it is the public half");
    if (!/-----BEGIN (EC )?PRIVATE KEY/.test(pem)) throw new Error("it is no private key in PEM form");
    const jwk = createPrivateKey(pem).export({ format: "jwk" });
    if (jwk.crv !== "P-256" || !jwk.d) throw new Error("it is not on the curve P-256 (prime256v1)");
    if (process.platform !== "win32" && statSync(PRIVATE_KEY_FILE).mode & 0o077) {
      say(`warning: others on this machine can read ${PRIVATE_KEY_FILE}; run: chmod 600 ${PRIVATE_KEY_FILE}`);
    }
    const key = createECDH("prime256v1");
    key.setPrivateKey(Buffer.from(jwk.d, "base64url"));
    if (key.getPublicKey("hex") !== pointOf(jwk)) throw new Error("it is damaged");
    return key;
  } catch (error) {
    const reason = /^(it |E[A-Z]+:)/.test(messageOf(error)) ? messageOf(error) : "it is damaged";
    throw new Stop(5, `${PRIVATE_KEY_FILE} cannot be used: ${reason}; copy yours here, or run generate_key`);
  }
}

/** The public key in the PEM `text`, as 130 hex digits: an uncompressed point on P-256. Throws an Error that
 * says what the text is instead. */
export function pointIn(text: string): string {
  const trimmed = text.trim();
  if (text.length > 4096) throw new Error("it is too large");
  if (trimmed.includes("PRIVATE KEY")) throw new Error("it holds a private key, which must stay with you");
  if (trimmed.startsWith("<")) throw new Error("it is a web page");
  const pem = /^-----BEGIN PUBLIC KEY-----[\w+/=\s]+-----END PUBLIC KEY-----$/;
  if (!pem.test(trimmed)) throw new Error("it is not a public key in PEM form, and nothing else");
  let jwk;
  try {
    jwk = createPublicKey(trimmed).export({ format: "jwk" });
  } catch {
    throw new Error("its PEM is damaged");
  }
  if (jwk.crv !== "P-256") throw new Error("it is not on the curve P-256 (prime256v1)");
  return pointOf(jwk);
}

/** The public key in this folder: its PEM and its point. Throws Stop 5. */
export function readPublicKey(): { pem: string; point: string } {
  try {
    const pem = readFileSync(PUBLIC_KEY_FILE, "utf8");
    return { pem, point: pointIn(pem) };
  } catch (error) {
    throw new Stop(5, `${PUBLIC_KEY_FILE} cannot be used: ${messageOf(error)}; no pair yet: generate_key; `
      + "only this half is gone: openssl ec -in private-key.pem -pubout -out public-key.pem");
  }
}
