// The public key: what is in a file, on your domain, or on file at Tesla, all brought to one form to compare.
import { createPublicKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { messageOf, Stop } from "./command_line.ts";
import { KEY_PATH } from "./hosts.ts";
import { teslaFetch } from "./tesla_fetch.ts";

export const PUBLIC_KEY_FILE = "public-key.pem";

/** The key in `text`, PEM or hex, as 130 hex digits (an uncompressed point on P-256). Throws an Error that says
 * what the text is instead. */
export function pointIn(text: string): string {
  const trimmed = text.trim();
  if (/^04[0-9a-f]{128}$/i.test(trimmed)) return trimmed.toLowerCase(); // as Tesla's answers have it
  if (trimmed.includes("PRIVATE KEY")) throw new Error("it holds a private key, which must never leave this machine");
  if (trimmed.startsWith("<")) throw new Error("it is a web page");
  if (!trimmed.startsWith("-----BEGIN PUBLIC KEY-----")) throw new Error("it is no public key in PEM form");
  let jwk;
  try {
    jwk = createPublicKey(trimmed).export({ format: "jwk" });
  } catch {
    throw new Error("its PEM is damaged");
  }
  if (jwk.crv !== "P-256") throw new Error("it is not on the curve P-256 (prime256v1)");
  return `04${[jwk.x, jwk.y].map((part) => Buffer.from(part ?? "", "base64url").toString("hex")).join("")}`;
}

/** The public key in this folder: its PEM and its point. Throws Stop 5. */
export function readPublicKey(): { pem: string; point: string } {
  try {
    const pem = readFileSync(PUBLIC_KEY_FILE, "utf8");
    return { pem, point: pointIn(pem) };
  } catch (error) {
    throw new Stop(5, `${PUBLIC_KEY_FILE} cannot be used: ${messageOf(error)}; run generate_key, or copy it here`);
  }
}

/** The key on your domain, fetched as Tesla will fetch it, without any secret. Throws Stop 5. */
export async function publishedPoint(domain: string): Promise<string> {
  const address = `https://${domain}${KEY_PATH}`;
  const text = await teslaFetch({ url: address, ownHost: `https://${domain}` });
  try {
    return pointIn(text);
  } catch (error) {
    throw new Stop(5, `what ${address} shows is not your key: ${messageOf(error)}; put ${PUBLIC_KEY_FILE} there`);
  }
}
