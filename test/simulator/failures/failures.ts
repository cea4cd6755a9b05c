// Switches failures on and off by name, and gives them to the place where they happen when it asks. What each
// looks like is in catalogue.ts; this file only keeps count. A failure knows the request that it falls on and
// the few facts that an answer names, and nothing else of the simulated world.
import type { Facts, Incoming, Reply } from "../tesla/tesla.ts";
import { GROUPS } from "./catalogue.ts";

/** The part of Tesla that a request is for. A request can belong to two, such as fleet and command. */
export type Service = "login" | "token" | "fleet" | "partner" | "command" | "site";

/**
 * `answer` comes instead of the service's answer, `damage` changes the answer of a request that has been carried
 * out; without either it is asked for by the service itself. `only` narrows it to some requests.
 */
export interface Failure {
  name: string;
  says: string;
  where: Service[];
  answer?: Answer;
  damage?: Damage;
  only?: (incoming: Incoming) => boolean;
}

/**
 * `times` requests are hit (default: until cleared), only those of `method` and whose path contains `path`. With
 * `after` the request is carried out first, so that its answer is lost and its effect is not.
 */
export type FailOptions = { times?: number; path?: string; method?: string; after?: boolean };

type ActiveFailure = { name: string } & Required<FailOptions>;

// Names that carry a value after the colon. Two more, fault:N and tamper:NAME, go to the car (simulator.ts).
export const OPEN_NAMES: Record<string, string> = {
  "reason:": "TEXT: the car refuses a command with this reason",
  "vcsec:": "N: the security computer refuses for reason N (wait: it puts it off)",
  "callback:": "ERROR or ERROR:TEXT: what the login page comes back with",
};

export type Answer = (incoming: Incoming, facts: Facts) => Reply;
type Damage = (reply: Reply) => Reply;

export function answers(name: string, where: Service[], says: string, answer: Answer): Failure {
  return { name, where, says, answer };
}

export function damages(name: string, where: Service[], says: string, damage: Damage): Failure {
  return { name, where, says, damage };
}

export class Failures {
  catalogue: Failure[] = GROUPS.flatMap((group) => group.failures);
  active: ActiveFailure[] = [];

  fail(name: string, { times = Infinity, path = "", method = "", after = false }: FailOptions = {}): void {
    const isOpen = Object.keys(OPEN_NAMES).some((open) => name.startsWith(open));
    if (!isOpen && !this.catalogue.some((failure) => failure.name === name)) {
      throw new Error(`no failure is called ${name}; fail lists the names`);
    }
    this.active.push({ name, times, path, method, after });
  }

  clear(name?: string): void {
    this.active = name === undefined ? [] : this.active.filter((failure) => failure.name !== name);
  }

  isOn(name: string): boolean {
    return this.active.some((active) => active.name === name);
  }

  /** Uses up one of a failure that the code of a service asks for by name. */
  take(name: string, path: string): boolean {
    const found = this.active.find((active) => active.name === name && path.includes(active.path));
    if (found !== undefined) this.use(found);
    return found !== undefined;
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
      const failure = this.catalogue.find((known) => known.name === active.name && known[kind]);
      if (failure === undefined || !services.some((service) => failure.where.includes(service))) continue;
      if (!incoming.seen.path.includes(active.path)) continue;
      if (active.method !== "" && active.method !== incoming.method) continue;
      if (failure.only !== undefined && !failure.only(incoming)) continue;
      this.use(active);
      return { failure, after: active.after };
    }
    return undefined;
  }

  private use(active: ActiveFailure): void {
    active.times -= 1;
    if (active.times <= 0) this.active = this.active.filter((other) => other !== active);
  }
}
