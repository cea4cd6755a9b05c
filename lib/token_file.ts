// The owner's tokens: tesla_token.json in the current directory, Tesla's answer as it came, plus obtained_at.
import { readFileSync } from "node:fs";
import { asRecord, Failure, fixForFile, messageOf } from "./command_line.ts";

export const TOKEN_FILE = "tesla_token.json";

export interface Token {
  access_token: string;
  refresh_token: string;
  expires_in?: number; // seconds
  obtained_at?: string; // ISO 8601
}

// Says what is wrong without quoting anything: all of it is secret.
function checkToken(token: Record<string, unknown>): Token {
  for (const name of ["access_token", "refresh_token"]) {
    const value = token[name];
    if (typeof value !== "string" || !/^[!-~]+$/.test(value)) throw new Error(`it has no usable ${name}`);
  }
  return token as unknown as Token;
}

/** The token file. Throws Failure 4 when it is missing or cannot be used. */
export function readToken(): Token {
  try {
    const text = readFileSync(TOKEN_FILE, "utf8").trim(); // also removes a Windows editor's byte order mark
    return checkToken(asRecord(JSON.parse(text)));
  } catch (error) {
    const reason = error instanceof SyntaxError ? "it is not JSON" : messageOf(error);
    const fix = fixForFile(TOKEN_FILE, error, "run get_token here");
    throw new Failure(4, "not logged in (in this folder)", `${TOKEN_FILE}: ${reason}`, fix);
  }
}

/** The content of the token file for Tesla's answer; an answer without a refresh token keeps `old` (RFC 6749,
 * section 6). Throws Failure 1 when a token is missing from it. */
export function newToken(answer: unknown, old: { refresh_token?: string } = {}): Token {
  try {
    const fields = asRecord(answer);
    const refresh_token = fields.refresh_token || old.refresh_token;
    return checkToken({ ...fields, refresh_token, obtained_at: new Date().toISOString() });
  } catch (error) {
    throw new Failure(1, "Tesla's answer cannot be used", messageOf(error), "run it again");
  }
}
