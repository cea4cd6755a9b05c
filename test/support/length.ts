// How long the tests may take: `npm test` is done in minutes, `npm run test:long` takes its time.
export const LONG = process.env.TEST_LONG === "1";

/** For `skip`: leaves a test to `npm run test:long`. */
export const ONLY_AT_LENGTH = LONG ? false : "at length: npm run test:long";

/** The first in `npm test`, the second in `npm run test:long`. */
export function byLength<Value>(usual: Value, long: Value): Value {
  return LONG ? long : usual;
}
