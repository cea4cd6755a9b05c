// Finds who answers a request, by the door it came through, its host name and its path.

import { handleLogin } from "./accounts.ts";
import { handleProxy } from "./command_proxy.ts";
import type { Service } from "./failure_kinds.ts";
import { handleFleet } from "./fleet_api.ts";
import { handlePairing, handleSite } from "./owner_site.ts";
import { handleToken } from "./tokens.ts";
import { LOGIN_HOSTS, PAIRING_HOSTS, TOKEN_HOSTS, notPlanned, regionOfHost } from "./world.ts";
import type { Incoming, Reply, World } from "./world.ts";

/** Tesla's own names over TLS, the owner's command proxy, or the login page over plain HTTP for a browser. */
export type Door = "tesla" | "proxy" | "plain login";

/** The services that a request belongs to, for failures to find it. */
export function servicesOf(world: World, incoming: Incoming, door: Door): Service[] {
  const path = incoming.url.pathname;
  const isCommand = path.endsWith("/signed_command") || path.includes("/command/");
  if (door === "proxy") return isCommand ? ["proxy", "command"] : ["proxy"];
  if (door === "plain login") return ["login"];
  if (TOKEN_HOSTS.includes(incoming.host) && path.endsWith("/token")) return ["token"];
  if (LOGIN_HOSTS.includes(incoming.host)) return ["login"];
  if (incoming.host === world.partner.domain) return ["site"];
  if (regionOfHost(incoming.host) === undefined) return [];
  if (path.startsWith("/api/1/partner_accounts")) return ["fleet", "partner"];
  return isCommand ? ["fleet", "command"] : ["fleet"];
}

export async function handle(world: World, incoming: Incoming, door: Door): Promise<Reply> {
  const { host, url } = incoming;
  if (door === "proxy") return handleProxy(world, incoming);
  if (door === "plain login")
    return handleLogin(world, {
      ...incoming,
      host: world.account.region === "cn" ? "auth.tesla.cn" : "auth.tesla.com",
    });
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
