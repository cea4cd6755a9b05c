// Time that passes only while something waits: for scripts that run inside this process (runInside).
import { syncBuiltinESMExports } from "node:module";
import timers from "node:timers/promises";

const real = { now: Date.now, pause: timers.setTimeout };

/** From here on the clock of this process, and with it the simulated Tesla's, moves on only by a microsecond each
 * time that somebody looks, and by the length of a pause, which takes no time. `pauses` has the seconds of each,
 * `after` happens at its end. */
export class PassingTime {
  pauses: number[] = [];
  after: () => void = () => {};
  private time = real.now();

  constructor() {
    Date.now = () => (this.time += 0.001);
    timers.setTimeout = (async (ms = 0) => {
      if (ms === 0) return;
      this.pauses.push(ms / 1000);
      this.pass(ms / 1000);
      this.after();
    }) as typeof real.pause;
    syncBuiltinESMExports();
  }

  pass(seconds: number): void {
    this.time += seconds * 1000;
  }

  stop(): void {
    Date.now = real.now;
    timers.setTimeout = real.pause;
    syncBuiltinESMExports();
  }
}
