// The door of this room: the simulated world, which is one owner, one application and one car. Nothing is
// sent or listened to here.

import { randomUUID } from "node:crypto";
import { SimulatedCar } from "../car/car.ts";
import { Failures } from "../failures/failures.ts";
import { CLIENT_ID, CLIENT_SECRET, REDIRECT_URI, SCOPE_NAMES, VIN } from "../tesla/tesla.ts";
import type { Facts, Incoming, Region } from "../tesla/tesla.ts";
import type { Account, Clock, Garage, Partner, World } from "./state.ts";
import { newTelemetry } from "./telemetry_state.ts";

export { restoreWorld, worldToText } from "./kept_world.ts";
export type { GrantedToken, RefreshChain, Registration, World } from "./state.ts";
export { dropTelemetry } from "./telemetry_state.ts";

export function newWorld(domain: string, region: Region): World {
  const clock: Clock = { offsetMs: 0, now: () => Date.now() + clock.offsetMs };
  const car = new SimulatedCar({ vin: VIN, now: () => clock.now() });
  const account: Account = {
    clientId: CLIENT_ID,
    clientSecret: CLIENT_SECRET,
    redirectUris: [REDIRECT_URI],
    portalScopes: Object.keys(SCOPE_NAMES),
    region,
    email: "owner@example.com",
    fullName: "Ada Owner",
    userId: randomUUID(),
    consentedScopes: [],
    requireRegisteredDomain: true,
    errorShape: "as_documented",
    unauthorizedStyle: "empty",
    unauthorizedClientStatus: 401,
    rateLimits: false,
    codes: new Map(),
    chains: [],
    accessTokens: new Map(),
    keyNames: new Map(),
  };
  const partner: Partner = {
    domain,
    allowedOrigins: [`https://${domain}`],
    appName: "My Own Charger Scripts",
    description: "Lets one owner set charge amps",
    hosting: { kind: "none" },
    registrations: {},
    publicKeyForm: "hex",
    takenDomains: [],
    takenKeys: [],
    downloads: [],
  };
  const garage: Garage = {
    displayName: "Testla",
    accessType: "OWNER",
    inService: false,
    wakePolls: 2,
    pollsLeft: -1,
    firmware: "2025.44.25",
    mobileEnabledForm: "object",
    backupReserve: 20,
    telemetry: newTelemetry(),
    cacheAgeMs: 3 * 24 * 3600 * 1000,
    reportedCharge: {},
  };
  const failures = new Failures();
  // A verdict switched on by name comes instead of the car's own, whichever way the command came.
  car.refusalByName = () => failures.takeText("reason:");
  car.securityStatusByName = () => failures.takeText("vcsec:");
  return { clock, account, partner, garage, car, failures, unexpected: [] };
}

/** What the answers of this world name. */
export function factsOf({ clock, account, partner, car }: World): Facts {
  const { clientId, region, errorShape } = account;
  return { now: clock.now(), vin: car.vin, clientId, region, domain: partner.domain, errorShape };
}

/** Notes a request that no plan covers, so that a test can ask for an empty list. */
export function notPlanned(world: World, incoming: Incoming, why: string): void {
  world.unexpected.push(`${incoming.method} https://${incoming.host}${incoming.url.pathname}: ${why}`);
}
