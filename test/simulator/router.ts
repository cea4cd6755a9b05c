// Finds the part that answers a request, by the entrance it came through, its host name and its path.

import type { Service } from "./failures/failures.ts";
import { handleFleet } from "./fleet_api/fleet_api.ts";
import { handleLogin, handlePairing, handlePairingInBrowser, handleToken } from "./login/login.ts";
import { handleSite } from "./owner/owner.ts";
import { LOGIN_HOSTS, PAIRING_HOSTS, TOKEN_HOSTS, regionOfHost } from "./tesla/tesla.ts";
import type { Incoming, Reply } from "./tesla/tesla.ts";
import { notPlanned } from "./world/world.ts";
import type { World } from "./world/world.ts";

/** Tesla's own names over TLS, or plain HTTP for the owner's browser: the login and the pairing page. */
export type Entrance = "tesla" | "plain login";

/** The services that a request belongs to, for failures to find it. */
export function servicesOf(world: World, incoming: Incoming, entrance: Entrance): Service[] {
  const path = incoming.url.pathname;
  const isCommand = path.endsWith("/signed_command") || path.includes("/command/");
  if (entrance === "plain login") return ["login"];
  if (TOKEN_HOSTS.includes(incoming.host) && path.endsWith("/token")) return ["token"];
  if (LOGIN_HOSTS.includes(incoming.host)) return ["login"];
  if (incoming.host === world.partner.domain) return ["site"];
  if (regionOfHost(incoming.host) === undefined) return [];
  if (path.startsWith("/api/1/partner_accounts")) return ["fleet", "partner"];
  return isCommand ? ["fleet", "command"] : ["fleet"];
}

function handleBrowser(world: World, incoming: Incoming): Reply {
  if (incoming.url.pathname.startsWith("/_ak/")) return handlePairingInBrowser(world, incoming);
  const host = world.account.region === "cn" ? "auth.tesla.cn" : "auth.tesla.com";
  return handleLogin(world, { ...incoming, host });
}

export async function handle(world: World, incoming: Incoming, entrance: Entrance): Promise<Reply> {
  const { host, url } = incoming;
  if (entrance === "plain login") return handleBrowser(world, incoming);
  if (TOKEN_HOSTS.includes(host) && !LOGIN_HOSTS.includes(host)) return handleToken(world, incoming);
  if (LOGIN_HOSTS.includes(host)) {
    const isToken = url.pathname === "/oauth2/v3/token" && TOKEN_HOSTS.includes(host);
    return isToken ? handleToken(world, incoming) : handleLogin(world, incoming);
  }
  if (PAIRING_HOSTS.includes(host)) return handlePairing(world, incoming);
  if (regionOfHost(host) !== undefined) return handleFleet(world, incoming);
  if (host === world.partner.domain) return handleSite(world, incoming);
  notPlanned(world, incoming, "nobody here has this host name");
  return { status: 421, headers: {}, body: "" };
}
