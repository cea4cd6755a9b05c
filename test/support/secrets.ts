// Whether a text shows a secret: as it is, in another spelling, or a part of a key.
import assert from "node:assert/strict";
import { createPrivateKey } from "node:crypto";

const escapedAll = (text: string, form: (code: number) => string): string =>
  [...text].map((one) => form(one.charCodeAt(0))).join("");
const hex = (code: number, length = 2): string => code.toString(16).padStart(length, "0");
const between = (text: string, mark: string): string => [...text].join(mark);
export const base64 = (text: string): string => Buffer.from(text).toString("base64");

const ENTITIES: Record<string, string> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&apos;",
};

/** The ways in which a server may spell a secret that it sends back. */
// biome-ignore format: a table of words and numbers
export const SPELLINGS: [title: string, spell: (secret: string) => string][] = [
  ["as it is", (s) => s],
  ["in capitals", (s) => s.toUpperCase()],
  ["in lower case", (s) => s.toLowerCase()],
  ["percent-encoded", encodeURIComponent],
  ["percent-encoded, signs of an address kept", encodeURI],
  ["percent-encoded, as a form has it", (s) => String(new URLSearchParams({ s })).slice(2)],
  ["percent-encoded throughout", (s) => escapedAll(s, (code) => `%${hex(code)}`)],
  ["percent-encoded throughout, in capitals", (s) => escapedAll(s, (code) => `%${hex(code)}`).toUpperCase()],
  ["percent-encoded twice", (s) => encodeURIComponent(encodeURIComponent(s))],
  ["escaped for JSON", (s) => JSON.stringify(JSON.stringify(s))],
  ["escaped for JSON throughout", (s) => escapedAll(s, (code) => `\\u${hex(code, 4)}`)],
  ["escaped for JSON, signs alone", (s) => s.replace(/\W/g, (one) => `\\u${hex(one.charCodeAt(0), 4)}`)],
  ["with a \\ before signs", (s) => s.replace(/\W/g, "\\$&")],
  ["escaped with \\x", (s) => escapedAll(s, (code) => `\\x${hex(code)}`)],
  ["HTML entities", (s) => s.replace(/[&<>]/g, (one) => ENTITIES[one] ?? "")],
  ["HTML entities, quotes too", (s) => s.replace(/[&<>"']/g, (one) => ENTITIES[one] ?? "")],
  ["HTML entities, numbers", (s) => escapedAll(s, (code) => `&#${code};`)],
  ["HTML entities, hex", (s) => escapedAll(s, (code) => `&#x${hex(code)};`)],
  ["zero-width spaces in it", (s) => between(s, "\u200b")],
  ["soft hyphens in it", (s) => between(s, "\u00ad")],
  ["marks of direction in it", (s) => between(s, "\u202e")],
  ["variation selectors in it", (s) => between(s, "\ufe0f")],
  ["control characters in it", (s) => between(s, "\u0000")],
  ["blanks in it", (s) => between(s, " ")],
  ["lines in it", (s) => `${s.slice(0, 9)}\r\n ${s.slice(9)}`],
  ["hex", (s) => Buffer.from(s).toString("hex")],
  ["hex, in capitals", (s) => Buffer.from(s).toString("hex").toUpperCase()],
  ["base64", base64],
  ["base64 for addresses", (s) => Buffer.from(s).toString("base64url")],
  ["base64 behind one letter", (s) => base64(`:${s}:`)],
  ["base64 behind two letters", (s) => base64(`a:${s}:b`)],
];

// In pieces too: no 20 characters in a row of a long secret may be printed either. The first part of a token
// is the same in all of them and tells nothing, but nobody needs to print it.
function spellings(secret: string): string[] {
  const embedded = ["", "a", "ab"].map((before) => base64(before + secret).slice(before === "" ? 0 : 4, -4));
  const pieces: string[] = [];
  for (let at = 0; at + 20 <= secret.length; at += 20) pieces.push(secret.slice(at, at + 20));
  const whole = SPELLINGS.map(([, spell]) => spell(secret));
  const escaped = JSON.stringify(secret).slice(1, -1);
  return [...whole, escaped, ...embedded, ...pieces].filter((text) => text.length >= 8);
}

/** Throws when one of the secrets stands in the text, in any of these spellings. */
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
