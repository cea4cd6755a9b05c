// Fleet API's endpoints for the telemetry configuration of a car, and the car that takes it: Tesla checks the
// token and whether the car can stream; whose key has signed is checked by the car alone, later. Nothing
// streams.
import { randomUUID } from "node:crypto";
import { SKIP_REASONS } from "../failures/catalogue.ts";
import { dropTelemetry, notPlanned, type Body, type GrantedToken, type World } from "../world.ts";
import { readTelemetryToken } from "./telemetry_token.ts";
import { fleetError, json, missingScope, type Incoming, type Reply } from "./tesla.ts";

const DATA = ["vehicle_device_data"];
const LOCATION_FIELDS =
  "Location OriginLocation DestinationLocation DestinationName RouteLine GpsState GpsHeading".split(" ");
const ONLY_BY_PROXY =
  "This endpoint must be called through the Vehicle Command HTTP Proxy. Refer to "
  + "https://github.com/teslamotors/vehicle-command for details";

function isKeyOnCar({ account, partner, car }: World): boolean {
  const key = partner.registrations[account.region]?.publicKey;
  return key !== undefined && car.isPaired(key);
}

/** Why the car gets no configuration; "" when it gets one. */
function skipReason(world: World, path: string): string {
  const { car, failures } = world;
  const byName = [...SKIP_REASONS, "new_reason"].find((reason) => failures.take(`telemetry_${reason}`, path));
  if (byName !== undefined) return byName;
  if (!car.speaksProtocol) return "unsupported_hardware";
  return isKeyOnCar(world) ? "" : "missing_key";
}

function skipped(world: World, reason: string, path: string): Reply {
  const { vin } = world.car;
  const empty = Object.fromEntries(SKIP_REASONS.map((name) => [name, []]));
  const isOtherShape = world.failures.take("telemetry_vin_to_reason", path);
  const skipped_vehicles = isOtherShape ? { [vin]: reason } : { ...empty, [reason]: [vin] };
  return json(200, { response: { updated_vehicles: 0, skipped_vehicles } });
}

/** What is wrong with the claims, besides the signature. How Tesla words it is not known. */
function wrongClaim({ hostname, ca, fields }: Record<string, unknown>): string {
  if (typeof hostname !== "string" || hostname === "") return "hostname is missing";
  if (typeof ca !== "string" || ca === "") return "ca is missing";
  return typeof fields === "object" && fields !== null ? "" : "fields is missing";
}

function send(world: World, incoming: Incoming, token: GrantedToken, body: Body): Reply {
  const { car, garage, failures } = world;
  const path = incoming.url.pathname;
  const vins = Array.isArray(body.vins) ? body.vins : [];
  const isComplete = Object.keys(body).sort().join() === "token,vins" && vins.length > 0;
  if (!isComplete || typeof body.token !== "string") return fleetError(400, "invalid_field");
  const foreign = vins.find((vin) => vin !== car.vin);
  if (foreign !== undefined) return fleetError(404, `${foreign} not_found`, false);
  let read: ReturnType<typeof readTelemetryToken>;
  try {
    read = readTelemetryToken(body.token, world.clock.now());
  } catch (error) {
    return fleetError(400, `invalid token: ${(error as Error).message}`);
  }
  const { config, signer } = read;
  const problem = wrongClaim(config);
  if (problem !== "") return fleetError(400, `invalid config: ${problem}`);
  if (Object.keys({ ...(config.fields as object) }).some((name) => LOCATION_FIELDS.includes(name))) {
    const refused = missingScope(token, ["vehicle_location"]);
    if (refused !== undefined) return refused;
  }
  if (failures.take("telemetry_no_reason", path)) return json(200, { response: { updated_vehicles: 0 } });
  const reason = skipReason(world, path);
  if (reason !== "") return skipped(world, reason, path);
  const isRefused = failures.take("telemetry_refused_by_car", path);
  Object.assign(garage.telemetry, { config, signer, synced: false, isRefused, looksLeft: 1 });
  return json(200, { response: { updated_vehicles: 1 } });
}

/** The car looks for a new configuration while it is awake, and takes it or not. */
function carLooks(world: World): void {
  const { account, car, clock } = world;
  const { telemetry } = world.garage;
  if (telemetry.synced || !car.awake || !car.online) return;
  if (telemetry.looksLeft > 0) {
    telemetry.looksLeft -= 1;
    return;
  }
  if (telemetry.isRefused) {
    telemetry.isLimitReached = true;
    dropTelemetry(world);
    return;
  }
  telemetry.synced = true;
  if (car.isPaired(telemetry.signer)) return;
  telemetry.errors.push({
    name: account.clientId,
    error: "error loading config file: InvalidSignature: unknown issuer",
    vin: car.vin,
    created_at: new Date(clock.now()).toISOString().replace("Z", "000000Z"),
    error_name: "config_manager_error",
    txID: randomUUID(),
  });
}

function show(world: World): Reply {
  const { telemetry } = world.garage;
  carLooks(world);
  const { synced, config, isLimitReached } = telemetry;
  const response = { synced, config, limit_reached: isLimitReached, key_paired: isKeyOnCar(world) };
  return json(200, { response });
}

function remove(world: World): Reply {
  const updated_vehicles = world.garage.telemetry.config === null ? 0 : 1;
  dropTelemetry(world);
  return json(200, { response: { updated_vehicles } });
}

function errors(world: World): Reply {
  carLooks(world);
  return json(200, { response: { fleet_telemetry_errors: world.garage.telemetry.errors } });
}

/** Answers a request about telemetry below /api/1/vehicles; undefined when it is about something else. */
export function handleTelemetry(world: World, incoming: Incoming, token: GrantedToken, body: Body) {
  const { method, url } = incoming;
  const [vin = "", what = "", ...rest] = url.pathname.replace("/api/1/vehicles/", "").split("/");
  if (method === "POST" && vin === "fleet_telemetry_config") {
    return fleetError(400, ONLY_BY_PROXY, false);
  }
  const isSending = method === "POST" && vin === "fleet_telemetry_config_jws" && what === "";
  const isOfCar = ["fleet_telemetry_config", "fleet_telemetry_errors"].includes(what) && rest.length === 0;
  if (!isSending && !isOfCar) return undefined;
  // An application may take its configuration off any car with its own token; all else is the owner's.
  const isPartner = token.kind === "partner";
  if (isPartner && method !== "DELETE") return fleetError(403, "Unauthorized missing scopes", false);
  const refused = isPartner ? undefined : missingScope(token, DATA);
  if (refused !== undefined) return refused;
  if (isSending) return send(world, incoming, token, body);
  if (vin !== world.car.vin) return fleetError(404, `${vin} not_found`, false);
  if (method === "GET") return what === "fleet_telemetry_config" ? show(world) : errors(world);
  if (method === "DELETE" && what === "fleet_telemetry_config") return remove(world);
  notPlanned(world, incoming, "no such telemetry endpoint");
  return fleetError(404, "not_found", false);
}
