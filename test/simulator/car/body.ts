// The simulated car without its keys: its state, and its verdict on a command, whichever way it came.

import { chargeState } from "./charge_state.ts";
import { perform } from "./commands.ts";
import { CarState, type Parameters } from "./state.ts";

export interface Verdict { result: boolean; reason: string }

export class CarBody extends CarState {
  // The next commands, this many, are refused with this reason and not executed.
  refuse(reason: string, times = 1): void {
    for (let count = 0; count < times; count++) this.refusals.push(reason);
  }

  couldNotWakeBuses(times = 1): void {
    this.refuse("could_not_wake_buses", times);
  }

  clearRefusals(): void {
    this.refusals = [];
  }

  // The car's own verdict on a command of Tesla's REST documentation, whichever way it came.
  execute(name: string, params: Parameters = {}): Verdict {
    const byName = this.refusalByName() ?? this.refusals.shift();
    const reason = byName ?? perform(this, name, params);
    if (reason !== undefined) return { result: false, reason };
    this.executed.push({ name, params, at: this.now() });
    return { result: true, reason: "" };
  }

  // The block charge_state of vehicle_data.
  chargeState() {
    return chargeState(this);
  }
}
