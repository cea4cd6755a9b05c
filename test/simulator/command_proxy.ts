// Stands in for Tesla's own command proxy, which an owner can run to have commands signed. It takes the
// access token and a plain command, and answers as that program does. It signs nothing: it makes the checks
// that a signed command would have to pass, and then tells the car directly. It passes on to Fleet API
// whatever is not a command.

import { handleFleet } from "./fleet_api/fleet_api.ts";
import {
  ASLEEP, FLEET_API_HOSTS, NOT_PAIRED, PROTOCOL_REQUIRED, fleetError, json,
} from "./tesla/tesla.ts";
import type { Incoming, Reply } from "./tesla/tesla.ts";
import type { World } from "./world/world.ts";

const NUMBERS: Record<string, string> = { set_charging_amps: "charging_amps", set_charge_limit: "percent" };

export async function handleProxy(world: World, incoming: Incoming): Promise<Reply> {
  const [, vin, name] =
    /^\/api\/1\/vehicles\/([^/]+)\/command\/([a-z0-9_]+)$/.exec(incoming.url.pathname) ?? [];
  const forwarded = { ...incoming, host: FLEET_API_HOSTS[world.account.region] };
  if (incoming.method !== "POST" || name === undefined) return handleFleet(world, forwarded);
  if (vin?.length !== 17)
    return fleetError(404, "expected 17-character VIN in path (do not user Fleet API ID)", false);

  // A car that does not sign gets the plain command. What Fleet API refuses before the car is reached comes
  // back with Fleet API's own status and body, except that a sleeping car shows as the proxy's own 500.
  const { car } = world;
  if (!car.speaksProtocol) return handleFleet(world, forwarded);
  const refused = await refusedBeforeCar(world, forwarded);
  if (refused?.status === 408) return fleetError(500, ASLEEP, false);
  if (refused !== undefined) return refused;
  if (car.pairedKeys.size === 0) return fleetError(500, NOT_PAIRED, false);
  const body = JSON.parse(incoming.body) ?? {};
  const numberName = NUMBERS[name];
  if (numberName !== undefined && typeof body[numberName] !== "number") {
    return fleetError(400, `missing ${numberName} param`, false);
  }
  const { result, reason } = car.execute(name, body);
  if (result) return json(200, { response: { result: true, reason: "" } });
  const why = `car could not execute command: ${reason === "" ? "unspecified error" : reason}`;
  return json(200, { response: { result: false, reason: why }, error: "", error_description: "" });
}

/** What Fleet API says to this command short of executing it; undefined if it would reach the car. */
async function refusedBeforeCar(world: World, forwarded: Incoming): Promise<Reply | undefined> {
  // The last check before a plain command is executed is whether the car wants it signed: make that one
  // refuse.
  const required = world.car.protocolRequired;
  world.car.protocolRequired = true;
  try {
    const reply = await handleFleet(world, forwarded);
    return reply.body.includes(PROTOCOL_REQUIRED) ? undefined : reply;
  } finally {
    world.car.protocolRequired = required;
  }
}
