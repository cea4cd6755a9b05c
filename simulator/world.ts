// The simulated world that all parts of the simulator share: one owner, one application, one car, and the
// plain request and answer that the parts hand to each other. Tests change these objects directly. Nothing is
// sent or listened to here.

import { randomBytes, randomUUID } from "node:crypto";
import { SimulatedCar } from "./car/car.ts";
import { Failures } from "./failures.ts";

export const CLIENT_ID = "3f0c2a7e-1b5d-4f0e-9a46-7c1e5d2b8f90";
export const CLIENT_SECRET = "ta-secret.simulated-7Qm2Lx9Rb4Td";
export const REDIRECT_URI = "http://localhost:3000/callback";
export const DOMAIN = "car.example.com";
export const REGION = "eu";
export const VIN = "5YJ30123456789ABC";
export const VEHICLE_ID = 1493000000000042;
export const ENERGY_SITE_ID = 2500000000042;
export const KEY_PATH = "/.well-known/appspecific/com.tesla.3p.public-key.pem";

export type Region = "na" | "eu" | "cn";

export const FLEET_API_HOSTS: Record<Region, string> = {
  na: "fleet-api.prd.na.vn.cloud.tesla.com",
  eu: "fleet-api.prd.eu.vn.cloud.tesla.com",
  cn: "fleet-api.prd.cn.vn.cloud.tesla.cn",
};
export const TOKEN_HOSTS = ["fleet-auth.prd.vn.cloud.tesla.com", "auth.tesla.cn"];
export const LOGIN_HOSTS = ["auth.tesla.com", "auth.tesla.cn"];
export const PAIRING_HOSTS = ["tesla.com", "www.tesla.com"];

// The scopes that an owner can be asked for, with the names that Tesla's consent page gives them.
export const SCOPE_NAMES: Record<string, string> = {
  openid: "Sign in with Tesla",
  offline_access: "Refresh tokens",
  user_data: "Profile Information",
  vehicle_device_data: "Vehicle Information",
  vehicle_location: "Vehicle Location",
  vehicle_cmds: "Vehicle Commands",
  vehicle_charging_cmds: "Vehicle Charging Management",
  energy_device_data: "Energy Product Information",
  energy_cmds: "Energy Product Settings",
};

/**
 * One request as it arrived. `path` has the query; `status` is 0 until answered, and stays 0 if it never
 * was.
 */
export interface SeenRequest {
  at: number;
  method: string;
  host: string;
  path: string;
  headers: Record<string, string>;
  body: string;
  status: number;
}

export interface Incoming {
  seen: SeenRequest;
  method: string;
  url: URL;
  host: string;
  headers: Record<string, string>;
  body: string;
}

/**
 * `wire` says how the answer is damaged on its way: connection closed without it, never sent, sent a drop
 * at a time.
 */
export interface Reply {
  status: number;
  headers: Record<string, string>;
  body: string;
  wire?: "hang_up" | "silence" | "drip";
}

export interface GrantedToken {
  kind: "user" | "partner";
  scopes: string[];
  expiresAt: number;
  audiences: string[];
}

/** A login's chain of refresh tokens: the one that is due, and the one used last (good for 24 hours more). */
export interface RefreshChain {
  scopes: string[];
  current: string;
  expiresAt: number;
  lastUsed: string;
  lastUsedAt: number;
}

export interface LoginCode {
  clientId: string;
  redirectUri: string;
  scopes: string[];
  challenge: string;
  nonce: string;
  expiresAt: number;
  used: boolean;
}

/** The owner's Tesla account, and the owner's application in Tesla's developer portal. */
export interface Account {
  clientId: string;
  clientSecret: string;
  redirectUris: string[];
  portalScopes: string[]; // ticked for the application in the portal; others are dropped without a word
  region: Region;
  email: string;
  fullName: string;
  userId: string;
  consentedScopes: string[]; // what the owner has ever ticked; empty before the first login
  requireRegisteredDomain: boolean; // "No policy rules" page until a partner registration exists
  errorShape: "older" | "newer" | "as_documented"; // error_uri, referenceID, or what each example has
  unauthorizedStyle: "empty" | "token_expired" | "invalid_bearer"; // body of Fleet API's 401
  unauthorizedClientStatus: 400 | 401;
  rateLimits: boolean;
  codes: Map<string, LoginCode>;
  chains: RefreshChain[];
  accessTokens: Map<string, GrantedToken>;
}

export type Hosting =
  | { kind: "none" }
  | { kind: "tunnel"; port: number }
  | { kind: "file"; body: string; status?: number; headers?: Record<string, string> };

export interface Registration {
  domain: string;
  publicKey: string;
  accountId: string;
  createdAt: string;
  updatedAt: string;
}

/** What Tesla knows of the application as a partner, and what the owner's domain serves. */
export interface Partner {
  domain: string;
  allowedOrigins: string[];
  appName: string;
  description: string;
  hosting: Hosting;
  registrations: Partial<Record<Region, Registration>>;
  publicKeyForm: "hex" | "pem";
  takenDomains: string[]; // registered by somebody else's application
  takenKeys: string[]; // hex points that belong to somebody else's application
  downloads: string[]; // the addresses from which Tesla fetched a key
}

/** What surrounds the car: names, numbers and how many polls it takes to wake. */
export interface Garage {
  displayName: string;
  accessType: "OWNER" | "DRIVER";
  inService: boolean;
  wakePolls: number; // GETs of the vehicle after wake_up until it is online
  pollsLeft: number; // -1 while nobody has asked it to wake
  firmware: string;
  mobileEnabledForm: "object" | "boolean" | "string";
  backupReserve: number;
}

export interface Clock {
  offsetMs: number;
  now(): number;
}

export interface World {
  clock: Clock;
  account: Account;
  partner: Partner;
  garage: Garage;
  car: SimulatedCar;
  failures: Failures;
  unexpected: string[];
}

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
  };
  return { clock, account, partner, garage, car, failures: new Failures(), unexpected: [] };
}

export function baseUrl(region: Region): string {
  return `https://${FLEET_API_HOSTS[region]}`;
}

export function regionOfHost(host: string): Region | undefined {
  const regions: Region[] = ["na", "eu", "cn"];
  return regions.find((region) => FLEET_API_HOSTS[region] === host);
}

export function json(status: number, body: unknown): Reply {
  return {
    status,
    headers: { "content-type": "application/json; charset=utf-8" },
    body: JSON.stringify(body),
  };
}

export function html(status: number, body: string): Reply {
  return { status, headers: { "content-type": "text/html; charset=utf-8" }, body };
}

/** The transaction number that Tesla puts on every Fleet API answer. */
export function newTxid(): string {
  return randomBytes(16).toString("hex");
}

/** Notes a request that no plan covers, so that a test can ask for an empty list. */
export function notPlanned(world: World, incoming: Incoming, why: string): void {
  world.unexpected.push(`${incoming.method} https://${incoming.host}${incoming.url.pathname}: ${why}`);
}
