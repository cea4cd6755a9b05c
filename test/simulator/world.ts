// The simulated world: one owner, one application in Tesla's developer portal, one car. Tests change these
// objects directly. Nothing is sent or listened to here.
import { randomUUID } from "node:crypto";
import { SimulatedCar } from "./car/car.ts";
import { Failures } from "./failures/failures.ts";
import { CLIENT_ID, CLIENT_SECRET, REDIRECT_URI, SCOPE_NAMES, VIN } from "./tesla/tesla.ts";
import type { Facts, Incoming, Region } from "./tesla/tesla.ts";

/** Of a request, read as JSON. */
export type Body = Record<string, unknown>;

export type GrantedToken = {
  kind: "user" | "partner";
  scopes: string[];
  expiresAt: number;
  audiences: string[];
};

/** A login's chain of refresh tokens: the one that is due, and the one used last (good for 24 hours more). */
export type RefreshChain = Record<"current" | "lastUsed", string> & {
  scopes: string[];
  expiresAt: number;
  lastUsedAt: number;
};

type LoginCode = Record<"clientId" | "redirectUri" | "challenge", string> & {
  scopes: string[];
  expiresAt: number;
  used: boolean;
};

type Hosting =
  | { kind: "none" }
  | { kind: "tunnel"; port: number }
  | { kind: "file"; body: string; status?: number; headers?: Record<string, string> };

type Registration = Record<"domain" | "publicKey" | "accountId" | "createdAt" | "updatedAt", string>;

/** The owner's Tesla account, and the owner's application in Tesla's developer portal. */
function newAccount(region: Region) {
  return {
    clientId: CLIENT_ID,
    clientSecret: CLIENT_SECRET,
    redirectUris: [REDIRECT_URI],
    portalScopes: Object.keys(SCOPE_NAMES), // ticked in the portal; others are dropped without a word
    region,
    email: "owner@example.com",
    fullName: "Ada Owner",
    userId: randomUUID() as string,
    consentedScopes: [] as string[], // what the owner has ever ticked; empty before the first login
    requireRegisteredDomain: true, // "No policy rules" page until a partner registration exists
    rateLimits: false,
    tickets: [] as string[], // of logins that wait for the consent page
    codes: new Map<string, LoginCode>(),
    chains: [] as RefreshChain[],
    accessTokens: new Map<string, GrantedToken>(),
    keyNames: new Map<string, string>(), // of POST users/keys
  };
}

/** What Tesla knows of the application as a partner, and what the owner's domain serves. */
function newPartner(domain: string) {
  return {
    domain,
    allowedOrigins: [`https://${domain}`],
    appName: "My Own Charger Scripts",
    description: "Lets one owner set charge amps",
    hosting: { kind: "none" } as Hosting,
    registrations: {} as Partial<Record<Region, Registration>>,
    publicKeyForm: "hex" as "hex" | "pem",
    takenDomains: [] as string[], // registered by somebody else's application
    downloads: [] as string[], // the addresses from which Tesla fetched a key
  };
}

function newGarage() {
  return {
    inService: false,
    wakePolls: 2, // GETs of the vehicle after wake_up until it is online
    pollsLeft: -1, // while nobody has asked it to wake
    firmware: "2025.44.25",
    backupReserve: 20,
    telemetry: newTelemetry(),
    reportedCharge: {} as Record<string, unknown>, // instead of what charge_state of vehicle_data would say
  };
}

/** What Tesla and the car know of the owner's telemetry configuration. */
export function newTelemetry() {
  return {
    config: null as Record<string, unknown> | null, // as the last token had it; null: none, or the car has refused it
    signer: "", // its key, 130 hexadecimal digits
    synced: true, // as well when there is none
    isRefused: false, // the car will refuse it when it looks
    looksLeft: 0, // before the car takes it
    isLimitReached: false, // other applications have taken all the places on this car
    errors: [] as Record<string, string>[], // fleet_telemetry_errors, with the fields that owners have seen
  };
}

/** Takes the configuration off the car for good, as Tesla does without consent or above the billing limit. */
export function dropTelemetry({ garage }: World): void {
  Object.assign(garage.telemetry, { config: null, synced: true, isRefused: false });
}

export type World = ReturnType<typeof newWorld>;

export function newWorld(domain: string, region: Region) {
  const clock = { offsetMs: 0, now: (): number => Date.now() + clock.offsetMs };
  const car = new SimulatedCar({ vin: VIN, now: () => clock.now() });
  const failures = new Failures();
  // A verdict switched on by name comes instead of the car's own, whichever way the command came.
  car.refusalByName = () => failures.takeText("reason:");
  car.securityStatusByName = () => failures.takeText("vcsec:");
  const [account, partner, garage] = [newAccount(region), newPartner(domain), newGarage()];
  return { clock, account, partner, garage, car, failures, unexpected: [] as string[] };
}

export function factsOf({ clock, account, partner, car }: World): Facts {
  const { clientId, region } = account;
  return { now: clock.now(), vin: car.vin, clientId, region, domain: partner.domain };
}

/** Notes a request that no plan covers, so that a test can ask for an empty list. */
export function notPlanned(world: World, incoming: Incoming, why: string): void {
  world.unexpected.push(`${incoming.method} https://${incoming.host}${incoming.url.pathname}: ${why}`);
}

// ---- As text, to be kept in a file. Failures that are switched on are not kept. ----

// JSON has neither maps nor big whole numbers: each becomes an object with one field of this name.
const MAP = "kept map";
const WHOLE = "kept whole number";

/** Of the two servers. */
export type Ports = { tesla: number; login: number };

export function worldToText({ clock, account, partner, garage, car }: World, ports: Ports): string {
  const replace = (_: string, value: unknown) => {
    if (value instanceof Map) return { [MAP]: [...value] };
    return typeof value === "bigint" ? { [WHOLE]: String(value) } : value;
  };
  const { offsetMs } = clock;
  return JSON.stringify({ ports, offsetMs, account, partner, garage, car: car.keep() }, replace, 2);
}

/** Puts the kept state into a new world. Throws on a text that worldToText did not write. */
export function restoreWorld(world: World, text: string): Ports {
  const kept = JSON.parse(text, (_, value) => {
    if (Array.isArray(value?.[MAP])) return new Map(value[MAP]);
    return typeof value?.[WHOLE] === "string" ? BigInt(value[WHOLE]) : value;
  });
  world.clock.offsetMs = kept.offsetMs;
  for (const part of ["account", "partner", "garage"] as const) Object.assign(world[part], kept[part]);
  world.car.restore(kept.car);
  return kept.ports;
}
