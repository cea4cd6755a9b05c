// Counts what Tesla would bill: every answer below 500, by kind, and the rate limits per kind and minute.
// Prices are Tesla's of January 2026, in US dollars. Logins and partner calls cost nothing and are counted
// all the same.

import type { SeenRequest } from "./tesla/tesla.ts";
import { FLEET_API_HOSTS, LOGIN_HOSTS, TOKEN_HOSTS } from "./tesla/tesla.ts";

export type BilledKind = "data" | "command" | "wake" | "auth" | "partner";
export type Bill = Record<BilledKind, number>;

export const PRICES: Bill = { data: 0.002, command: 0.001, wake: 0.02, auth: 0, partner: 0 };
export const LIMITS_PER_MINUTE: Partial<Bill> = { data: 60, command: 30, wake: 3 };

/** The kind that a request is billed as; undefined for what Tesla does not count at all. */
export function billedKind(request: SeenRequest): BilledKind | undefined {
  const path = request.path.split("?")[0] ?? "";
  if (TOKEN_HOSTS.includes(request.host) && path.endsWith("/token")) return "auth";
  if (LOGIN_HOSTS.includes(request.host)) return undefined;
  if (!Object.values(FLEET_API_HOSTS).includes(request.host)) return undefined;
  if (path.startsWith("/api/1/partner_accounts")) return "partner";
  if (path.endsWith("/wake_up")) return "wake";
  if (path.endsWith("/signed_command") || path.includes("/command/")) return "command";
  return path.startsWith("/api/1/") ? "data" : undefined;
}
