// What the simulated world consists of. Tests change these objects directly.

import type { SimulatedCar } from "../car/car.ts";
import type { Failures } from "../failures/failures.ts";
import type { Facts, Region } from "../tesla/tesla.ts";
import type { Telemetry } from "./telemetry_state.ts";

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
  errorShape: Facts["errorShape"];
  unauthorizedStyle: "empty" | "token_expired" | "invalid_bearer"; // body of Fleet API's 401
  unauthorizedClientStatus: 400 | 401;
  rateLimits: boolean;
  codes: Map<string, LoginCode>;
  chains: RefreshChain[];
  accessTokens: Map<string, GrantedToken>;
  keyNames: Map<string, string>; // of POST /api/1/users/keys
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
  telemetry: Telemetry;
  cacheAgeMs: number; // how old the data is that "cached_data" answers
  reportedCharge: Record<string, unknown>; // instead of what charge_state of vehicle_data would say
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
