// The owner's tokens: tesla_token.json in the current directory, Tesla's answer as it came and `obtained_at`.
import { readFileSync } from "node:fs";
import { messageOf, Stop } from "./command_line.ts";

export const TOKEN_FILE = "tesla_token.json";

export interface Token {
  access_token: string;
  refresh_token: string;
  expires_in?: number; // seconds
  obtained_at?: string; // ISO 8601
}

/** Checks that this is a token pair, as Tesla sends it or as the file has it. Throws an Error that quotes nothing. */
function asToken(value: unknown): Token {
  const token = value as Token | null;
  for (const name of ["access_token", "refresh_token"] as const) {
    if (!/^[!-~]+$/.test(String(token?.[name] ?? ""))) throw new Error(`it has no usable ${name}`);
  }
  return token as Token;
}

/** The token file. Throws Stop 4 when it is missing or cannot be used. */
export function readToken(): Token {
  try {
    return asToken(JSON.parse(readFileSync(TOKEN_FILE, "utf8").replace(/^\ufeff/, "")));
  } catch (error) {
    const reason = error instanceof SyntaxError ? "it is no JSON" : messageOf(error);
    throw new Stop(4, `no login in this folder: ${TOKEN_FILE}: ${reason}; run get_token here`);
  }
}

/** The text of the token file for Tesla's answer. Throws Stop 1 when a token is missing in it. */
export function tokenFileText(answer: Record<string, unknown>): string {
  try {
    return `${JSON.stringify({ ...asToken(answer), obtained_at: new Date().toISOString() }, null, 2)}\n`;
  } catch (error) {
    throw new Stop(1, `Tesla's answer cannot be used: ${messageOf(error)}; ${TOKEN_FILE} is as it was`);
  }
}

export interface Claims {
  scp: string[]; // scopes that the owner granted
  ou_code: string; // the account's region: NA, EU or CN
  exp: number; // seconds since 1970
}

/** What Tesla wrote into the access token, to show it and not to trust it. Empty where it cannot be read.
 * https://developer.tesla.com/docs/fleet-api/authentication/third-party-tokens */
export function claimsOf(token: Token): Claims {
  let claims: Record<string, unknown> = {};
  try {
    const part = Buffer.from(token.access_token.split(".")[1] ?? "", "base64url").toString();
    claims = Object(JSON.parse(part)) as Record<string, unknown>;
  } catch {}
  const scp = Array.isArray(claims.scp) ? claims.scp.map(String) : [];
  return { scp, ou_code: String(claims.ou_code ?? ""), exp: Number(claims.exp ?? 0) };
}

/** When the access token expires; undefined where neither the file nor the token says so. */
export function expiryOf(token: Token): Date | undefined {
  const obtained = Date.parse(token.obtained_at ?? "") + Number(token.expires_in) * 1000;
  const milliseconds = Number.isFinite(obtained) ? obtained : claimsOf(token).exp * 1000;
  return milliseconds > 0 ? new Date(milliseconds) : undefined;
}
