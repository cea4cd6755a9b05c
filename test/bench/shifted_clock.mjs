// For the endurance run: this process's Date is ahead by BENCH_CLOCK_SHIFT_MS milliseconds, read anew each
// time, so that a day passes in a minute. Timers, performance.now() and the times of files stay as they are.
//
// Plain JavaScript, since it is also loaded with --import by a Node that has no TypeScript loader yet.

const RealDate = Date;

function shiftedNow() {
  return RealDate.now() + Number(process.env.BENCH_CLOCK_SHIFT_MS ?? "0");
}

globalThis.Date = class extends RealDate {
  constructor(...parts) {
    if (parts.length === 0) super(shiftedNow());
    else super(...parts);
  }

  static now() {
    return shiftedNow();
  }
};
