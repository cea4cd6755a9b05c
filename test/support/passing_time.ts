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

interface Speeds {
  pauses?: number;
  limits?: number;
  clock?: number;
}

/** Arguments of Node under which a script tells on stderr what it waits for, and waits shorter: its pauses ("waits
 * 5000") and the time limit of a request ("waits at most 30000") are divided by these numbers, and its time of day
 * runs so many times as fast. A test need not guess when a script waits, nor wait with it. */
export function faster({ pauses = 1, limits = 1, clock = 1 }: Speeds): string[] {
  const code = `import timers from "node:timers/promises"; import { syncBuiltinESMExports } from "node:module";
const pause = timers.setTimeout, limit = AbortSignal.timeout, now = Date.now, begin = now();
const tell = (words) => process.stderr.write(words + "\\n");
timers.setTimeout = (ms, ...rest) => { tell("waits " + ms); return pause(ms / ${pauses}, ...rest); };
if (${limits} > 1) AbortSignal.timeout = (ms) => { tell("waits at most " + ms); return limit(ms / ${limits}); };
Date.now = () => Math.floor(begin + (now() - begin) * ${clock});
syncBuiltinESMExports();`;
  return ["--import", `data:text/javascript,${encodeURIComponent(code)}`];
}
export const IN_A_HURRY: string[] = faster({ pauses: 100 });
export const TELLS_WAITS: string[] = faster({});
