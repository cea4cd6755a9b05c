// The door of this room: switches failures on and off by name, and gives them to the place where they happen
// when it asks. What each failure looks like stands in the files *_failures.ts; this file only keeps count.

import type { Failure, Service } from "./failure_kinds.ts";
import { FLEET_FAILURES } from "./fleet_failures.ts";
import { REGISTRATION_FAILURES } from "./registration_failures.ts";
import { TELEMETRY_FAILURES } from "./telemetry_failures.ts";
import { LOGIN_FAILURES, TOKEN_FAILURES } from "./token_failures.ts";
import { WIRE_FAILURES } from "./wire_failures.ts";
import type { Incoming } from "../tesla/tesla.ts";

export { answers, damages } from "./failure_kinds.ts";
export type { Failure, Service } from "./failure_kinds.ts";

/**
 * `times` requests are hit (default: until cleared), only those of `method` whose path contains `path`. With `after` the
 * request is carried out first, so that its answer is lost and its effect is not.
 */
export interface FailOptions {
  times?: number;
  path?: string;
  method?: string;
  after?: boolean;
}

interface ActiveFailure {
  name: string;
  timesLeft: number;
  path: string;
  method: string;
  after: boolean;
}

// Names that carry a value after the colon: reason:TEXT is the car's verdict, callback:ERROR and
// callback:ERROR:TEXT are what the login page comes back with, vcsec:N is the reason that the car's security
// computer gives, fault:N and tamper:NAME go to the car.
const OPEN_NAMES = ["reason:", "callback:", "vcsec:"];

export class Failures {
  catalogue: Failure[] = [
    ...TOKEN_FAILURES,
    ...LOGIN_FAILURES,
    ...REGISTRATION_FAILURES,
    ...FLEET_FAILURES,
    ...TELEMETRY_FAILURES,
    ...WIRE_FAILURES,
  ];
  active: ActiveFailure[] = [];

  fail(name: string, options: FailOptions = {}): void {
    const known = this.catalogue.some((failure) => failure.name === name);
    if (!known && !OPEN_NAMES.some((open) => name.startsWith(open))) {
      throw new Error(`no failure is called ${name}; test/simulator/failures/*_failures.ts have the names`);
    }
    const timesLeft = options.times ?? Infinity;
    const { path = "", method = "", after = false } = options;
    this.active.push({ name, timesLeft, path, method, after });
  }

  clear(name?: string): void {
    this.active = name === undefined ? [] : this.active.filter((failure) => failure.name !== name);
  }

  isOn(name: string): boolean {
    return this.active.some((active) => active.name === name);
  }

  /** Uses up one of a failure that the code of a service asks for by name (kind "inside"). */
  take(name: string, path: string): boolean {
    const found = this.active.find((active) => active.name === name && path.includes(active.path));
    if (found === undefined) return false;
    this.use(found);
    return true;
  }

  /** The text after the colon of the first active failure that begins so, or undefined. */
  takeText(prefix: string): string | undefined {
    const found = this.active.find((active) => active.name.startsWith(prefix));
    if (found === undefined) return undefined;
    this.use(found);
    return found.name.slice(prefix.length);
  }

  /** The first active failure of this kind that applies to the request, used up by one. */
  next(kind: "answer" | "damage", services: Service[], incoming: Incoming) {
    for (const active of this.active) {
      const failure = this.catalogue.find((known) => known.name === active.name);
      if (failure === undefined || failure.kind !== kind) continue;
      if (!services.some((service) => failure.where.includes(service))) continue;
      if (!incoming.seen.path.includes(active.path)) continue;
      if (active.method !== "" && active.method !== incoming.method) continue;
      if (failure.only !== undefined && !failure.only(incoming)) continue;
      this.use(active);
      return { failure, after: active.after };
    }
    return undefined;
  }

  private use(active: ActiveFailure): void {
    active.timesLeft -= 1;
    if (active.timesLeft <= 0) this.active = this.active.filter((other) => other !== active);
  }
}
