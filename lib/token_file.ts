// The owner's tokens: tesla_token.json in the current directory, Tesla's answer as it came and `obtained_at`.
import { readFileSync } from "node:fs";
import { clean, messageOf, Stop } from "./command_line.ts";

export const TOKEN_FILE = "tesla_token.json";

export interface Token {
  access_token: string;
  refresh_token: string;
  expires_in?: number; // seconds
  obtained_at?: string; // ISO 8601
}

// Says what is wrong without quoting anything: all of it is secret.
function checkToken(token: Partial<Token> | null): Token {
  for (const name of ["access_token", "refresh_token"] as const) {
    const value: unknown = token?.[name];
    if (typeof value !== "string" || !/^[!-~]+$/.test(value)) throw new Error(`it has no usable ${name}`);
  }
  return token as Token;
}

/** The token file. Throws Stop 4 when it is missing or cannot be used. */
export function readToken(): Token {
  try {
    return checkToken(JSON.parse(readFileSync(TOKEN_FILE, "utf8").replace(/^\ufeff/, "")));
  } catch (error) {
    const reason = error instanceof SyntaxError ? "it is no JSON" : messageOf(error);
    const todo = reason.startsWith("EACCES") ? "make it yours: sudo chown" : "run get_token here";
    throw new Stop(4, `no login in this folder: ${TOKEN_FILE}: ${reason}; ${todo}`);
  }
}

/** The text of the token file for Tesla's answer. Throws Stop 1 when a token is missing in it. */
export function tokenFileText(answer: Record<string, unknown>): string {
  try {
    return `${JSON.stringify({ ...checkToken(answer), obtained_at: new Date().toISOString() }, null, 2)}\n`;
  } catch (error) {
    throw new Stop(1, `Tesla's answer cannot be used: ${messageOf(error)}; the file is kept; run it again`);
  }
}

/** What Tesla wrote into the access token: scopes granted (undefined where it does not say), the account's
 * region, expiry (seconds since 1970). To be shown, not trusted; empty where it cannot be read. */
export function claimsOf(token: { access_token?: unknown }):
  { scopes?: string[]; region: string; expires: number } {
  let claims: { scp?: unknown; ou_code?: unknown; exp?: unknown } = {};
  try {
    const [, part = ""] = String(token.access_token).split(".");
    claims = Object(JSON.parse(Buffer.from(part, "base64url").toString()));
  } catch {} // no JWT
  const scopes = Array.isArray(claims.scp) ? claims.scp.map((scope) => clean(scope)) : undefined;
  const region = clean(claims.ou_code ?? "").toLowerCase();
  return { scopes, region, expires: typeof claims.exp === "number" ? claims.exp : 0 };
}

/** When the access token expires: as the file says, unless it was written by a clock that was ahead; else
 * as the token itself says; undefined where neither does. */
export function expiryOf(token: Token): Date | undefined {
  const obtained = Date.parse(clean(token.obtained_at));
  const noted = obtained < Date.now() + 60_000 ? obtained + Number(clean(token.expires_in)) * 1000 : 0;
  const milliseconds = noted > 0 ? noted : claimsOf(token).expires * 1000;
  return milliseconds > 0 && milliseconds < 8.64e15 ? new Date(milliseconds) : undefined; // a Date's limit
}
