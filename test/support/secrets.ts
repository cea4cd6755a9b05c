// Whether a text shows a secret: as it is, in another spelling, or a part of a key.
import assert from "node:assert/strict";
import { createPrivateKey } from "node:crypto";

// In pieces too: no 20 characters in a row of a long secret may be printed either. The first part of a token
// is the same in all of them and tells nothing, but nobody needs to print it.
function spellings(secret: string): string[] {
  const base64 = [0, 1, 2].map((shift) => {
    const text = Buffer.concat([Buffer.alloc(shift), Buffer.from(secret)]).toString("base64");
    return text.slice(shift === 0 ? 0 : 4, -4);
  });
  const pieces: string[] = [];
  for (let at = 0; at + 20 <= secret.length; at += 20) pieces.push(secret.slice(at, at + 20));
  // biome-ignore format: a table of words
  const whole = [
    secret, encodeURIComponent(secret), encodeURIComponent(encodeURIComponent(secret)),
    JSON.stringify(secret).slice(1, -1), Buffer.from(secret).toString("hex"), ...base64,
  ];
  return [...whole, ...pieces].filter((text) => text.length >= 8);
}

/** Throws when one of the secrets stands in the text, in any usual spelling. */
export function assertNoSecret(text: string, secrets: Iterable<string>, where: string): void {
  for (const secret of secrets) {
    const found = spellings(secret).find((form) => text.includes(form));
    assert.equal(found, undefined, `${where} printed a secret: ${found}`);
  }
}

// The number that is the secret of a private key, as the file has it (base64, at its place in the file) and
// in the other ways. The rest of the file is the same in every key, or the public half.
export function partsOfKey(pem: string): string[] {
  try {
    const d = Buffer.from(createPrivateKey(pem).export({ format: "jwk" }).d ?? "", "base64url");
    const der = Buffer.from(
      pem.replace(/-----BEGIN EC PARAMETERS[^]*?-----END[^\n]*\n/, "").replace(/-----[^-]+-----/g, ""),
      "base64",
    );
    const at = der.indexOf(d);
    const inFile = der.toString("base64").slice(Math.ceil(at / 3) * 4, Math.floor((at + d.length) / 3) * 4);
    return [d.toString("base64url"), d.toString("base64"), d.toString("hex"), inFile];
  } catch {
    return []; // a file that a test has spoilt
  }
}
