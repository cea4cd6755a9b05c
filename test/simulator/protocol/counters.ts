// Which counters a client key has used in one of the car's computers, so that a command counts only once.

const WINDOW = 32;
const WINDOW_BITS = (1n << 64n) - 1n;

// Counter and window of one client key. Bit i of the window: the counter i + 1 below the newest was used.
export interface ClientSession { counter: number; window: bigint }

// Marks the counter as used. False when it was used before or is too old to know; with `strict`, also when
// it is below the newest.
export function useCounter(session: ClientSession, counter: number, strict: boolean): boolean {
  if (counter === 0) return true;
  if (counter > session.counter) {
    const steps = BigInt(counter - session.counter);
    const previous = steps <= 64n ? 1n << (steps - 1n) : 0n;
    session.window = steps < 64n ? ((session.window << steps) | previous) & WINDOW_BITS : previous;
    session.counter = counter;
    return true;
  }
  const age = session.counter - counter;
  if (strict || age === 0 || age > WINDOW) return false;
  const bit = 1n << BigInt(age - 1);
  if ((session.window & bit) !== 0n) return false;
  session.window |= bit;
  return true;
}
