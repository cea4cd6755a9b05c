// What a failure is, and short ways to write one down. A failure knows the request that it falls on and the
// few facts that an answer names, and nothing else of the simulated world.

import type { Facts, Incoming, Reply } from "../tesla/tesla.ts";

/** The part of Tesla that a request is for. A request can belong to two, such as fleet and command. */
export type Service = "login" | "token" | "fleet" | "partner" | "command" | "site";

/**
 * Kind "answer" comes instead of the service's answer, "damage" changes the answer of a request that has been
 * carried out, and "inside" is asked for by the service itself. `only` narrows it to some requests.
 */
export interface Failure {
  name: string;
  says: string;
  where: Service[];
  kind: "answer" | "damage" | "inside";
  answer?: (incoming: Incoming, facts: Facts) => Reply;
  damage?: (reply: Reply) => Reply;
  only?: (incoming: Incoming) => boolean;
}

export const FLEET: Service[] = ["fleet"];
export const API: Service[] = ["token", "fleet"];
export const EVERYWHERE: Service[] = ["token", "fleet", "site"];

type Answer = (incoming: Incoming, facts: Facts) => Reply;

export function answers(name: string, where: Service[], says: string, answer: Answer): Failure {
  return { name, where, says, kind: "answer", answer };
}

export function damages(
  name: string,
  where: Service[],
  says: string,
  damage: (reply: Reply) => Reply,
): Failure {
  return { name, where, says, kind: "damage", damage };
}

export function inside(name: string, where: Service[], says: string): Failure {
  return { name, where, says, kind: "inside" };
}
