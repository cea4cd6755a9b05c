// The door of this room, Fleet API: the rules that every request must pass (token, content type,
// registration, region, scope), and which file answers it then. Cars are in vehicles.ts, registration is in
// partner_accounts.ts.

import {
  baseUrl, fleetError, json, missingScope, newTxid, notRegistered, outOfRegion, regionOfHost,
} from "../tesla/tesla.ts";
import type { Incoming, Reply } from "../tesla/tesla.ts";
import { notPlanned } from "../world/world.ts";
import type { GrantedToken, World } from "../world/world.ts";
import { chargingHistory, energy, products, users } from "./account_endpoints.ts";
import { handlePartner } from "./partner_accounts.ts";
import { handleVehicles } from "./vehicles.ts";

export { register } from "./partner_accounts.ts";

function unauthorized(world: World): Reply {
  const style = world.account.unauthorizedStyle;
  if (style === "empty") return { status: 401, headers: {}, body: "" };
  return json(401, { error: style === "token_expired" ? "token expired (401)" : "invalid bearer token" });
}

function findToken(world: World, incoming: Incoming): GrantedToken | undefined {
  const bearer = /^Bearer (\S+)$/.exec(incoming.headers.authorization ?? "")?.[1] ?? "";
  const token = world.account.accessTokens.get(bearer);
  if (token === undefined || token.expiresAt <= world.clock.now()) return undefined;
  return token.audiences.includes(`https://${incoming.host}`) ? token : undefined;
}

/** The JSON object of a POST; without a body, or with `null` as Tesla's own client sends for wake_up, an empty one. */
function readBody(incoming: Incoming): Record<string, unknown> | undefined {
  if (incoming.method !== "POST" || incoming.body === "") return {};
  try {
    const value: unknown = JSON.parse(incoming.body);
    if (value === null) return {};
    return typeof value === "object" && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

async function route(world: World, incoming: Incoming): Promise<Reply> {
  const region = regionOfHost(incoming.host);
  const path = incoming.url.pathname;
  if (incoming.method === "GET" && path === "/status") {
    return { status: 200, headers: { "content-type": "text/plain" }, body: "ok" };
  }
  if (region === undefined || !path.startsWith("/api/1/")) {
    notPlanned(world, incoming, "no such Fleet API address");
    return fleetError(404, "not_found", false);
  }
  const token = findToken(world, incoming);
  if (token === undefined) return unauthorized(world);
  const type = (incoming.headers["content-type"] ?? "").split(";")[0]?.trim().toLowerCase();
  if (incoming.method === "POST" && type !== "application/json") {
    return fleetError(406, "Content-Type must be application/json");
  }
  const body = readBody(incoming);
  if (body === undefined) return fleetError(400, "invalid_request: the body is not a JSON object");

  const isRegistration = incoming.method === "POST" && path === "/api/1/partner_accounts";
  if (!isRegistration && world.partner.registrations[region] === undefined) {
    return notRegistered(world.account.clientId, region);
  }
  if (path.startsWith("/api/1/partner_accounts")) return handlePartner(world, region, incoming, token, body);
  const isRegionQuestion = path === "/api/1/users/region";
  if (token.kind === "user" && region !== world.account.region && !isRegionQuestion) {
    return outOfRegion(baseUrl(world.account.region));
  }

  if (path === "/api/1/vehicles" || path.startsWith("/api/1/vehicles/")) {
    return handleVehicles(world, incoming, token, body);
  }
  // Everything else is about a person, and a partner token stands for none.
  if (token.kind === "partner") return fleetError(403, "Unauthorized missing scopes", false);
  if (incoming.method === "GET" && path === "/api/1/products") {
    return missingScope(token, ["vehicle_device_data", "energy_device_data"]) ?? products(world);
  }
  if (incoming.method === "GET" && path === "/api/1/dx/charging/history") {
    return missingScope(token, ["vehicle_charging_cmds"]) ?? chargingHistory(world, incoming.url);
  }
  const found = users(world, incoming, token, body) ?? energy(world, incoming, token, body);
  if (found !== undefined) return found;
  notPlanned(world, incoming, "no such endpoint");
  return fleetError(404, "not_found", false);
}

/**
 * Answers a request for a Fleet API host. Every answer carries the header x-txid, the same as in its body.
 */
export async function handleFleet(world: World, incoming: Incoming): Promise<Reply> {
  return addTxid(await route(world, incoming));
}

export function addTxid(reply: Reply): Reply {
  const inBody = /"txid":"([0-9a-f]{32})"/.exec(reply.body)?.[1];
  return { ...reply, headers: { ...reply.headers, "x-txid": inBody ?? newTxid() } };
}
