// The simulated car as it is kept in a file while the simulator is stopped: its state, the keys that it
// knows, and the keys, epochs, clocks and counters of its computers. What was switched on to go wrong is not
// kept, nor the list of what was executed.

import { keepSubsystem, restoreSubsystem, type KeptSubsystem } from "../protocol/protocol.ts";
import type { SecuredCar } from "./secured_car.ts";

export interface KeptCar {
  state: object;
  vcsec: KeptSubsystem;
  infotainment: KeptSubsystem;
}

export function keepCar(car: SecuredCar): KeptCar {
  const {
    now, refusalByName, securityStatusByName, refusals, executed, mischief, scripted, vcsec, infotainment, ...state
  } = car;
  return { state, vcsec: keepSubsystem(vcsec), infotainment: keepSubsystem(infotainment) };
}

export function restoreCar(car: SecuredCar, kept: KeptCar): void {
  Object.assign(car, kept.state);
  restoreSubsystem(car.vcsec, kept.vcsec);
  restoreSubsystem(car.infotainment, kept.infotainment);
}
