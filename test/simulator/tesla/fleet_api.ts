// Fleet API: the rules that every request must pass (token, content type, registration, region, scope), and
// which file answers it then. The endpoints about the owner and the owner's other things are here; cars are in
// vehicles.ts, registration is in partner_accounts.ts.
import { notPlanned, type Body, type GrantedToken, type World } from "../world.ts";
import { handlePartner } from "./partner_accounts.ts";
import { ENERGY_SITE_ID, FIXED, baseUrl, fleetError, json, missingScope } from "./tesla.ts";
import { notRegistered, outOfRegion, plainText, regionOfHost, type Incoming, type Reply } from "./tesla.ts";
import { handleVehicles, vehicleObject } from "./vehicles.ts";

function findToken(world: World, incoming: Incoming): GrantedToken | undefined {
  const bearer = /^Bearer (\S+)$/.exec(incoming.headers.authorization ?? "")?.[1] ?? "";
  const token = world.account.accessTokens.get(bearer);
  if (token === undefined || token.expiresAt <= world.clock.now()) return undefined;
  return token.audiences.includes(`https://${incoming.host}`) ? token : undefined;
}

/** The JSON object of a POST; an empty one without a body, or with `null` as Tesla's client sends for wake_up. */
function readBody(incoming: Incoming): Body | undefined {
  if (incoming.method !== "POST" || incoming.body === "") return {};
  try {
    const value: unknown = JSON.parse(incoming.body) ?? {};
    return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

export async function handleFleet(world: World, incoming: Incoming): Promise<Reply> {
  const region = regionOfHost(incoming.host);
  const path = incoming.url.pathname;
  if (incoming.method === "GET" && path === "/status") return plainText(200, "ok");
  if (region === undefined || !path.startsWith("/api/1/")) {
    notPlanned(world, incoming, "no such Fleet API address");
    return fleetError(404, "not_found", false);
  }
  const token = findToken(world, incoming);
  if (token === undefined) return { status: 401, headers: {}, body: "" };
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
  if (/^\/api\/1\/vehicles(\/|$)/.test(path)) return handleVehicles(world, incoming, token, body);
  // Everything else is about a person, and a partner token stands for none.
  if (token.kind === "partner") return fleetError(403, "Unauthorized missing scopes", false);
  const found = ofTheOwner(world, incoming, token, body) ?? energy(world, incoming, token, body);
  if (found !== undefined) return found;
  notPlanned(world, incoming, "no such endpoint");
  return fleetError(404, "not_found", false);
}

function ofTheOwner(world: World, incoming: Incoming, token: GrantedToken, body: Body): Reply | undefined {
  const { account, car } = world;
  const needs = (scopes: string[], answer: unknown) => missingScope(token, scopes) ?? json(200, answer);
  switch (`${incoming.method} ${incoming.url.pathname.replace("/api/1/", "")}`) {
    case "GET users/me": {
      const profile_image_url = "https://vehicle-files.prd.na.vn.cloud.tesla.com/profile_images/abc.jpg";
      const response = { email: account.email, full_name: account.fullName, profile_image_url };
      return needs(["user_data"], { response });
    }
    case "GET users/region":
      return json(200, { response: { region: account.region, fleet_api_base_url: baseUrl(account.region) } });
    // Names a key in the car's list of keys. Tesla's answer is not documented; this one is made up.
    case "POST users/keys":
      if (typeof body.public_key !== "string" || typeof body.kind !== "string") break;
      account.keyNames.set(body.public_key, String(body.name ?? ""));
      return json(200, { response: true });
    case "GET products":
      return needs(["vehicle_device_data", "energy_device_data"], products(world));
    case "GET dx/charging/history": {
      const vin = incoming.url.searchParams.get("vin") ?? car.vin;
      const data = vin === car.vin ? [{ ...FIXED.charging_session, vin }] : [];
      const answer = { data, totalResults: data.length, hasMoreData: false, pageNumber: 1 };
      return needs(["vehicle_charging_cmds"], answer);
    }
    default:
      return undefined;
  }
  return fleetError(400, "invalid_field");
}

function products(world: World) {
  const { speaksProtocol, protocolRequired, mobileAccess } = world.car;
  const command_signing = !speaksProtocol ? "off" : protocolRequired ? "required" : "allowed";
  const mobile_access_disabled = !mobileAccess;
  const car = { ...vehicleObject(world), ...FIXED.product, mobile_access_disabled, command_signing };
  return { response: [car, FIXED.energy_site], count: 2 };
}

function energy(world: World, incoming: Incoming, token: GrantedToken, body: Body): Reply | undefined {
  const { garage, clock } = world;
  const [, site, what] = /^\/api\/1\/energy_sites\/(\d+)\/(\w+)$/.exec(incoming.url.pathname) ?? [];
  if (site === undefined) return undefined;
  if (Number(site) !== ENERGY_SITE_ID) return fleetError(404, "not_found", false);
  const refused = missingScope(token, [incoming.method === "GET" ? "energy_device_data" : "energy_cmds"]);
  if (refused !== undefined) return refused;
  const route = `${incoming.method} ${what}`;
  if (route === "GET live_status") {
    const timestamp = new Date(clock.now()).toISOString().replace(/\.\d+Z$/, "+00:00");
    return json(200, { response: { ...FIXED.live_status, timestamp } });
  }
  if (route === "GET site_info") {
    return json(200, { response: { ...FIXED.site_info, backup_reserve_percent: garage.backupReserve } });
  }
  if (route !== "POST backup") return undefined;
  const percent = body.backup_reserve_percent;
  if (typeof percent !== "number" || percent < 0 || percent > 100) return fleetError(400, "invalid_field");
  garage.backupReserve = percent;
  return json(201, { response: { code: 201, message: "Updated" } });
}
