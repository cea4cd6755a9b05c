// Fleet API's vehicle endpoints: the list, one car, vehicle_data, wake_up, fleet_status, signed and plain
// commands. The car itself decides what a command does; here is only what Tesla's servers decide before it.

import {
  ASLEEP, PROTOCOL_REQUIRED, VEHICLE_ID, fleetError, json, missingScope,
} from "../tesla/tesla.ts";
import type { Incoming, Reply } from "../tesla/tesla.ts";
import { notPlanned } from "../world/world.ts";
import type { GrantedToken, World } from "../world/world.ts";
import { EITHER, isEncrypted, scopesFor, scopesForSigned } from "./command_scopes.ts";
import { handleTelemetry } from "./telemetry.ts";
import { nearbySites, vehicleData, vehicleObject, withUser } from "./vehicle_data.ts";

const DATA = ["vehicle_device_data"];
const ONLY_GETS = ["vehicle_data", "mobile_enabled", "nearby_charging_sites"];

function list(world: World, url: URL): Reply {
  const page = Number(url.searchParams.get("page") ?? "1");
  const perPage = Number(url.searchParams.get("per_page") ?? "100");
  if (!Number.isInteger(page) || !Number.isInteger(perPage) || page < 1 || perPage < 1) {
    return fleetError(400, "invalid_field");
  }
  const cars = [vehicleObject(world)];
  const pages = Math.ceil(cars.length / perPage);
  const shown = cars.slice((page - 1) * perPage, page * perPage);
  const pagination = {
    previous: page > 1 ? page - 1 : null,
    next: page < pages ? page + 1 : null,
    current: page,
    per_page: perPage,
    count: cars.length,
    pages,
  };
  return json(200, { response: shown, pagination, count: shown.length });
}

/** A read of the state is also what lets a woken car come up: after `wakePolls` of them it is online. */
function oneCar(world: World): Reply {
  const { car, garage } = world;
  if (!car.awake && garage.pollsLeft > 0) {
    garage.pollsLeft -= 1;
    if (garage.pollsLeft === 0) car.awake = true;
  }
  return json(200, { response: vehicleObject(world) });
}

function wake(world: World): Reply {
  const { car, garage } = world;
  if (car.online && !car.awake) {
    garage.pollsLeft = garage.wakePolls;
    if (garage.wakePolls === 0) car.awake = true;
  }
  return json(200, { response: withUser(world) });
}

function unavailable(world: World): Reply | undefined {
  if (world.garage.inService) return fleetError(405, "vehicle is currently in service");
  if (!world.car.awake || !world.car.online) return fleetError(408, ASLEEP);
  return undefined;
}

function fleetStatus(world: World, body: Record<string, unknown>): Reply {
  const vins = Array.isArray(body.vins) ? body.vins.map(String) : [];
  if (vins.length === 0) return fleetError(400, "invalid_field");
  const { car, garage } = world;
  const foreign = vins.find((vin) => vin !== car.vin);
  if (foreign !== undefined) return fleetError(404, `${foreign} not_found`, false);
  // Both were reported by owners; neither keeps a car from obeying, or from refusing.
  const seemsUnpaired = world.failures.take("fleet_status_unpaired", "/fleet_status");
  const seemsFree = world.failures.take("fleet_status_not_required", "/fleet_status");
  const isPaired = car.speaksProtocol && car.pairedKeys.size > 0 && !seemsUnpaired;
  const info = {
    firmware_version: garage.firmware,
    vehicle_command_protocol_required: car.speaksProtocol && car.protocolRequired && !seemsFree,
    discounted_device_data: false,
    fleet_telemetry_version: car.speaksProtocol ? "1.1.0" : null,
    total_number_of_keys: car.speaksProtocol ? 3 + car.pairedKeys.size : null,
    safety_screen_streaming_toggle_enabled: null,
  };
  return json(200, {
    response: {
      key_paired_vins: isPaired ? vins : [],
      unpaired_vins: isPaired ? [] : vins,
      vehicle_info: { [car.vin]: info },
    },
  });
}

function mobileEnabled(world: World): Reply {
  const on = world.car.mobileAccess;
  const forms = { object: { result: on, reason: "" }, boolean: on, string: String(on) };
  return json(200, { response: forms[world.garage.mobileEnabledForm] });
}

/** The bytes of a signed command: standard base64 with its padding, in the only field of the body. */
function signedBytes(body: Record<string, unknown>): Buffer | undefined {
  const text = body.routable_message;
  if (Object.keys(body).length !== 1 || typeof text !== "string") return undefined;
  const bytes = Buffer.from(text, "base64");
  return bytes.length > 0 && bytes.toString("base64") === text ? bytes : undefined;
}

function signedCommand(world: World, tag: string, token: GrantedToken, body: Record<string, unknown>): Reply {
  const bytes = signedBytes(body);
  const scopes = bytes === undefined ? EITHER : scopesForSigned(bytes);
  const refused = missingScope(token, scopes) ?? unavailable(world);
  if (refused !== undefined) return refused;
  // This endpoint takes a VIN only.
  if (tag !== world.car.vin) return fleetError(404, `${tag} not_found`, false);
  // How Tesla words the refusal of an encrypted command is not known.
  if (bytes === undefined || isEncrypted(bytes)) return fleetError(400, "invalid_request");
  if (!world.car.speaksProtocol) return fleetError(422, "vehicle does not support signed commands");
  const answer = world.car.handleSignedCommand(bytes);
  return json(200, { response: answer.toString("base64") });
}

function restCommand(world: World, name: string, body: Record<string, unknown>): Reply {
  const { car } = world;
  if (!car.mobileAccess) return fleetError(401, "mobile_access_disabled");
  if (car.speaksProtocol && car.protocolRequired) return fleetError(403, PROTOCOL_REQUIRED, false);
  const { result, reason } = car.execute(name, body);
  return json(200, { response: { result, reason } });
}

/** Answers the requests below /api/1/vehicles. */
export function handleVehicles(
  world: World,
  incoming: Incoming,
  token: GrantedToken,
  body: Record<string, unknown>,
): Reply {
  const { method, url } = incoming;
  const route = `${method} ${url.pathname.replace("/api/1/vehicles", "")}`;
  const notFound = (what: string) => fleetError(404, `${what} not_found`, false);
  if (route === "POST /fleet_status") return missingScope(token, DATA) ?? fleetStatus(world, body);
  const telemetry = handleTelemetry(world, incoming, token, body);
  if (telemetry !== undefined) return telemetry;
  if (route === "GET ") {
    if (token.kind === "partner") return fleetError(403, "Unauthorized missing scopes", false);
    return missingScope(token, DATA) ?? list(world, url);
  }

  const [, tag = "", rest = ""] = /^\S+ \/([^/]+)(\/.*)?$/.exec(route) ?? [];
  const isThisCar = tag === world.car.vin || tag === String(VEHICLE_ID);
  // A partner token stands for no owner: it sees no car.
  if (!isThisCar || token.kind === "partner") return notFound(tag);

  const command = /^\/command\/([a-z0-9_]+)$/.exec(rest)?.[1];
  if (method === "POST" && rest === "/signed_command") return signedCommand(world, tag, token, body);
  if (method === "POST" && command !== undefined) {
    const refused = missingScope(token, scopesFor(command)) ?? unavailable(world);
    return refused ?? restCommand(world, command, body);
  }

  const refused = missingScope(token, DATA);
  if (refused !== undefined) return refused;
  if (method === "GET" && rest === "") return oneCar(world);
  if (method === "POST" && rest === "/wake_up") return wake(world);
  if (method === "GET" && rest === "/mobile_enabled") return mobileEnabled(world);
  if (method === "GET" && rest === "/vehicle_data" && world.failures.take("cached_data", url.pathname)) {
    return vehicleData(world, url, token, world.garage.cacheAgeMs);
  }
  if (method === "GET" && ONLY_GETS.includes(rest.slice(1))) {
    const asleep = unavailable(world);
    if (asleep !== undefined) return asleep;
    if (!world.car.mobileAccess) return fleetError(401, "mobile_access_disabled");
    return rest === "/vehicle_data" ? vehicleData(world, url, token) : nearbySites(world);
  }
  notPlanned(world, incoming, "no such vehicle endpoint");
  return fleetError(404, "not_found", false);
}
