// Fleet API's vehicle endpoints: the list, one car, vehicle_data, wake_up, fleet_status, signed and plain
// commands. The car itself decides what a command does; here is only what Tesla's servers decide before it.
import { EITHER_SCOPE, scopesFor } from "../car/commands.ts";
import { readCommand } from "../car/read_command.ts";
import { decodeRoutable, type RoutableMessage } from "../protocol/messages.ts";
import { notPlanned, type Body, type GrantedToken, type World } from "../world.ts";
import { handleTelemetry } from "./telemetry.ts";
import { ASLEEP, FIXED, PROTOCOL_REQUIRED, VEHICLE_ID, fleetError, json, missingScope } from "./tesla.ts";
import type { Incoming, Reply } from "./tesla.ts";

const DATA = ["vehicle_device_data"];
const ONLY_GETS = ["vehicle_data", "mobile_enabled", "nearby_charging_sites"];
const CACHE_AGE_MS = 3 * 24 * 3600 * 1000; // of the failure "cached_data"
// What steers a terminal that prints it: CSI in one character, text from right to left, a new line, an escape.
const HOSTILE_NAME = "Test\u009b31mla\u202e eno\u2066\r\n\u001b[2Jerror: forged";

export function vehicleObject(world: World): Record<string, unknown> {
  const { car, garage } = world;
  const state = !car.online ? "offline" : car.awake ? "online" : "asleep";
  const display_name = world.failures.isOn("hostile_name") ? HOSTILE_NAME : car.name;
  const api_version = state === "online" ? 90 : null;
  return { ...FIXED.vehicle, vin: car.vin, display_name, state, in_service: garage.inService, api_version };
}

function withUser(world: World): Record<string, unknown> {
  return { ...vehicleObject(world), user_id: 880000042 };
}

/** There is one car: the first page has it, whatever its size. */
function list(world: World, url: URL): Reply {
  const current = Number(url.searchParams.get("page") ?? "1");
  const per_page = Number(url.searchParams.get("per_page") ?? "100");
  if (![current, per_page].every((number) => Number.isInteger(number) && number > 0)) {
    return fleetError(400, "invalid_field");
  }
  const response = current === 1 ? [vehicleObject(world)] : [];
  const previous = current > 1 ? current - 1 : null;
  const pagination = { previous, next: null, current, per_page, count: 1, pages: 1 };
  return json(200, { response, pagination, count: response.length });
}

/** A look at the state is also what lets a woken car come up: after `wakePolls` of them it is online. */
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

function unavailable({ car, garage }: World): Reply | undefined {
  if (garage.inService) return fleetError(405, "vehicle is currently in service");
  if (!car.awake || !car.online) return fleetError(408, ASLEEP);
  return undefined;
}

function fleetStatus(world: World, body: Body): Reply {
  const vins = Array.isArray(body.vins) ? body.vins.map(String) : [];
  if (vins.length === 0) return fleetError(400, "invalid_field");
  const { car, garage, failures } = world;
  const foreign = vins.find((vin) => vin !== car.vin);
  if (foreign !== undefined) return fleetError(404, `${foreign} not_found`, false);
  // Both were reported by owners; neither keeps a car from obeying, or from refusing.
  const seemsUnpaired = failures.take("fleet_status_unpaired", "/fleet_status");
  const seemsFree = failures.take("fleet_status_not_required", "/fleet_status");
  const isPaired = car.speaksProtocol && car.pairedKeys.size > 0 && !seemsUnpaired;
  const info = {
    firmware_version: garage.firmware,
    vehicle_command_protocol_required: car.speaksProtocol && car.protocolRequired && !seemsFree,
    discounted_device_data: false,
    fleet_telemetry_version: car.speaksProtocol ? "1.1.0" : null,
    total_number_of_keys: car.speaksProtocol ? 3 + car.pairedKeys.size : null,
    safety_screen_streaming_toggle_enabled: null,
  };
  const [key_paired_vins, unpaired_vins] = isPaired ? [vins, []] : [[], vins];
  return json(200, { response: { key_paired_vins, unpaired_vins, vehicle_info: { [car.vin]: info } } });
}

// ---- vehicle_data. What is not simulated has the value of a parked car that does not use it. ----

// Without `endpoints` all of these come, which leaves out the location.
const DEFAULT_BLOCKS = `charge_state climate_state closures_state drive_state gui_settings vehicle_config
  vehicle_state`.split(/\s+/);

function blocks({ car, garage, clock }: World): Record<string, object> {
  const timestamp = clock.now();
  const state = {
    car_version: `${garage.firmware} 4a2f1b7c9d03`,
    locked: car.locked,
    sentry_mode: car.sentryMode,
    service_mode: garage.inService,
    vehicle_name: car.name,
  };
  const charge_schedules = [...car.chargeSchedules.values()];
  const precondition_schedules = [...car.preconditionSchedules.values()];
  return {
    charge_state: { ...car.chargeState(), ...garage.reportedCharge },
    climate_state: { ...FIXED.climate_state, ...car.climateState(), timestamp },
    closures_state: { ...FIXED.closures_state, locked: car.locked, timestamp },
    drive_state: { ...FIXED.drive_state, timestamp },
    gui_settings: { ...FIXED.gui_settings, timestamp },
    charge_schedule_data: { charge_schedules, timestamp },
    preconditioning_schedule_data: { precondition_schedules, timestamp },
    vehicle_config: { ...FIXED.vehicle_config, timestamp },
    vehicle_state: { ...FIXED.vehicle_state, ...state, timestamp },
  };
}

/** With an age: what Tesla kept of a car that sleeps. */
function vehicleData(world: World, url: URL, token: GrantedToken, cacheAgeMs?: number): Reply {
  const asked = url.searchParams.get("endpoints");
  // Blocks are separated by a semicolon. With a comma nothing matches, and only the car's own fields come.
  const endpoints = asked === null ? DEFAULT_BLOCKS : asked.split(";");
  const wantsPlace = endpoints.includes("location_data");
  const refused = wantsPlace ? missingScope(token, ["vehicle_location"]) : undefined;
  if (refused !== undefined) return refused;
  const timestamp = world.clock.now();
  const found: Record<string, object> = {};
  for (const [name, block] of Object.entries(blocks(world)))
    if (endpoints.includes(name)) found[name] = block;
  // The position comes in drive_state, as Tesla describes it.
  if (wantsPlace) {
    const place = { ...FIXED.place, gps_as_of: Math.floor(timestamp / 1000), timestamp };
    found.drive_state = { ...found.drive_state, ...place };
  }
  if (cacheAgeMs === undefined) return json(200, { response: { ...withUser(world), ...found } });
  for (const name of Object.keys(found)) found[name] = { ...found[name], timestamp: timestamp - cacheAgeMs };
  return json(200, { response: { ...withUser(world), state: "asleep", ...found } });
}

function nearbySites({ clock }: World): Reply {
  const times = { congestion_sync_time_utc_secs: Math.floor(clock.now() / 1000), timestamp: clock.now() };
  return json(200, { response: { ...FIXED.nearby_charging_sites, ...times } });
}

// ---- Commands ----

/** The bytes of a signed command: standard base64 with its padding, in the only field of the body. */
function signedBytes(body: Body): Buffer | undefined {
  const text = body.routable_message;
  if (Object.keys(body).length !== 1 || typeof text !== "string") return undefined;
  const bytes = Buffer.from(text, "base64");
  return bytes.length > 0 && bytes.toString("base64") === text ? bytes : undefined;
}

function readMessage(bytes: Buffer | undefined): RoutableMessage {
  try {
    return decodeRoutable(bytes ?? Buffer.alloc(0));
  } catch {
    return {};
  }
}

/** Fleet API can read the payload of a signed command, and holds it to the same scopes as a plain one. */
function scopesForSigned(message: RoutableMessage): string[] {
  const payload = message.protobuf_message_as_bytes;
  // A handshake, and a message without a payload, need any.
  if (message.session_info_request || payload === undefined || payload.length === 0) return EITHER_SCOPE;
  const command = readCommand(message.to_destination?.domain ?? 0, payload);
  return typeof command === "number" ? ["vehicle_cmds"] : scopesFor(command.name);
}

function signedCommand(world: World, tag: string, token: GrantedToken, body: Body): Reply {
  const bytes = signedBytes(body);
  const message = readMessage(bytes);
  const refused = missingScope(token, scopesForSigned(message)) ?? unavailable(world);
  if (refused !== undefined) return refused;
  // This endpoint takes a VIN only.
  if (tag !== world.car.vin) return fleetError(404, `${tag} not_found`, false);
  // Fleet API does not forward what is encrypted, as over Bluetooth. How Tesla words that is not known.
  const isEncrypted = message.signature_data?.AES_GCM_Personalized_data !== undefined;
  if (bytes === undefined || isEncrypted) return fleetError(400, "invalid_request");
  if (!world.car.speaksProtocol) return fleetError(422, "vehicle does not support signed commands");
  return json(200, { response: world.car.handleSignedCommand(bytes).toString("base64") });
}

function plainCommand({ car }: World, name: string, body: Body): Reply {
  if (!car.mobileAccess) return fleetError(401, "mobile_access_disabled");
  if (car.speaksProtocol && car.protocolRequired) return fleetError(403, PROTOCOL_REQUIRED, false);
  return json(200, { response: car.execute(name, body) });
}

export function handleVehicles(world: World, incoming: Incoming, token: GrantedToken, body: Body): Reply {
  const { method, url } = incoming;
  const { car, failures } = world;
  const route = `${method} ${url.pathname.replace("/api/1/vehicles", "")}`;
  if (route === "POST /fleet_status") return missingScope(token, DATA) ?? fleetStatus(world, body);
  const telemetry = handleTelemetry(world, incoming, token, body);
  if (telemetry !== undefined) return telemetry;
  if (route === "GET ") {
    if (token.kind === "partner") return fleetError(403, "Unauthorized missing scopes", false);
    return missingScope(token, DATA) ?? list(world, url);
  }

  const [, tag = "", rest = ""] = /^\S+ \/([^/]+)(\/.*)?$/.exec(route) ?? [];
  const isThisCar = tag === car.vin || tag === String(VEHICLE_ID);
  // A partner token stands for no owner: it sees no car.
  if (!isThisCar || token.kind === "partner") return fleetError(404, `${tag} not_found`, false);

  const command = /^\/command\/([a-z0-9_]+)$/.exec(rest)?.[1];
  if (method === "POST" && rest === "/signed_command") return signedCommand(world, tag, token, body);
  if (method === "POST" && command !== undefined) {
    const refused = missingScope(token, scopesFor(command)) ?? unavailable(world);
    return refused ?? plainCommand(world, command, body);
  }

  const refused = missingScope(token, DATA);
  if (refused !== undefined) return refused;
  if (method === "GET" && rest === "") return oneCar(world);
  if (method === "POST" && rest === "/wake_up") return wake(world);
  if (method === "GET" && rest === "/mobile_enabled") {
    return json(200, { response: { result: car.mobileAccess, reason: "" } });
  }
  if (method === "GET" && ONLY_GETS.includes(rest.slice(1))) {
    const isCached = rest === "/vehicle_data" && failures.take("cached_data", url.pathname);
    if (isCached) return vehicleData(world, url, token, CACHE_AGE_MS);
    const asleep = unavailable(world);
    if (asleep !== undefined) return asleep;
    if (!car.mobileAccess) return fleetError(401, "mobile_access_disabled");
    return rest === "/vehicle_data" ? vehicleData(world, url, token) : nearbySites(world);
  }
  notPlanned(world, incoming, "no such vehicle endpoint");
  return fleetError(404, "not_found", false);
}
