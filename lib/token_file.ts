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

// Says what is wrong without quoting anything: all of it is secret.
function checkToken(token: Partial<Token>): Token {
  for (const name of ["access_token", "refresh_token"] as const) {
    const value = token[name];
    if (typeof value !== "string" || !/^[!-~]+$/.test(value)) throw new Error(`it has no usable ${name}`);
  }
  return token as Token;
}

/** The token file. Throws Stop 4 when it is missing or cannot be used. */
export function readToken(): Token {
  try {
    const text = readFileSync(TOKEN_FILE, "utf8").trim(); // with the byte order mark of a Windows editor
    return checkToken(Object(JSON.parse(text)));
  } catch (error) {
    const reason = error instanceof SyntaxError ? "it is not JSON" : messageOf(error);
    const isOthers = Object(error).code === "EACCES"; // after a run with sudo, say
    const todo = isOthers ? `run: sudo chown "$USER" ${TOKEN_FILE}` : "run get_token here";
    throw new Stop(4, `no login in this folder: ${TOKEN_FILE}: ${reason}; ${todo}`);
  }
}

/** The text of the token file for Tesla's answer. Throws Stop 1 when a token is missing from it. */
export function tokenFileText(answer: Record<string, unknown>): string {
  try {
    return `${JSON.stringify({ ...checkToken(answer), obtained_at: new Date().toISOString() }, null, 2)}\n`;
  } catch (error) {
    throw new Stop(1, `Tesla's answer cannot be used: ${messageOf(error)}; the file is kept; run it again`);
  }
}
