// The simulated world as text, to be kept in a file while the simulator is stopped: the account with its
// logins and tokens, the registration, the garage, the car. Failures that are switched on are not kept.

import { keepCar, restoreCar } from "../car/car.ts";
import type { KeptCar } from "../car/car.ts";
import type { Account, Garage, Partner, World } from "./state.ts";

interface KeptWorld {
  offsetMs: number;
  account: Account;
  partner: Partner;
  garage: Garage;
  car: KeptCar;
}

// JSON has neither maps nor big whole numbers: each becomes an object with one field of this name.
const MAP = "kept map";
const WHOLE = "kept whole number";

export function worldToText(world: World): string {
  const { clock, account, partner, garage, car } = world;
  const kept: KeptWorld = { offsetMs: clock.offsetMs, account, partner, garage, car: keepCar(car) };
  return JSON.stringify(kept, (_, value: unknown) => {
    if (value instanceof Map) return { [MAP]: [...value] };
    return typeof value === "bigint" ? { [WHOLE]: String(value) } : value;
  }, 2);
}

/** Puts the kept state into a new world. Throws on a text that worldToText did not write. */
export function restoreWorld(world: World, text: string): void {
  const kept = JSON.parse(text, (_, value) => {
    if (Array.isArray(value?.[MAP])) return new Map(value[MAP]);
    return typeof value?.[WHOLE] === "string" ? BigInt(value[WHOLE]) : value;
  }) as KeptWorld;
  world.clock.offsetMs = kept.offsetMs;
  Object.assign(world.account, kept.account);
  Object.assign(world.partner, kept.partner);
  Object.assign(world.garage, kept.garage);
  restoreCar(world.car, kept.car);
}
