// A request as it arrived and the answer to it, as the parts of the simulator hand them to each other.

import { randomBytes } from "node:crypto";
import type { Region } from "./names.ts";

/**
 * One request as it arrived. `path` has the query; `status` is 0 until answered, and stays 0 if it never
 * was.
 */
export interface SeenRequest {
  at: number;
  method: string;
  host: string;
  path: string;
  headers: Record<string, string>;
  body: string;
  status: number;
}

export interface Incoming {
  seen: SeenRequest;
  method: string;
  url: URL;
  host: string;
  headers: Record<string, string>;
  body: string;
}

/**
 * `wire` says how the answer is damaged on its way: connection closed without it, never sent, sent a drop
 * at a time.
 */
export interface Reply {
  status: number;
  headers: Record<string, string>;
  body: string;
  wire?: "hang_up" | "silence" | "drip";
}

/** What an answer of Tesla may have to name. */
export interface Facts {
  now: number; // milliseconds since 1970
  vin: string;
  clientId: string;
  region: Region;
  domain: string;
  errorShape: "older" | "newer" | "as_documented"; // error_uri, referenceID, or what each example has
}

export function json(status: number, body: unknown): Reply {
  return {
    status,
    headers: { "content-type": "application/json; charset=utf-8" },
    body: JSON.stringify(body),
  };
}

export function html(status: number, body: string): Reply {
  return { status, headers: { "content-type": "text/html; charset=utf-8" }, body };
}

/** The transaction number that Tesla puts on every Fleet API answer. */
export function newTxid(): string {
  return randomBytes(16).toString("hex");
}
