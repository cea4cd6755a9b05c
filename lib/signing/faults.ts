// Why a car refuses a signed command (docs/protocol.md, section 7).
import { Failure } from "../command_line.ts";
import { filledIn, PAIR } from "../advice.ts";

const AGAIN = "run it again";
const PAIR_AGAIN = `remove the key in the car (Locks), then ${PAIR}`;
const CHECK = "check at the car whether it was done; if not, run it again";
const UPDATE = "update the car's software";
const REPORT = "please report it";

// biome-ignore format: a table of words and numbers
/** By number in Tesla's MessageFault_E: exit code, what it means, what to do. */
export const FAULTS: Record<number, [number, string, string]> = {
  1: [6, "the car is busy or still waking up", "try again in a few seconds"],
  2: [6, "a part of the car did not answer", "try again in a few seconds"],
  3: [5, "the virtual key is not on the car", PAIR],
  4: [5, "the virtual key is switched off", PAIR_AGAIN],
  5: [6, "the car reports a wrong signature", AGAIN],
  6: [6, "the car has seen this counter before, perhaps with this very command", CHECK],
  7: [6, "the key's role or the car's state does not allow this",
    "a driver's key may do less than an owner's: pair with the owner's phone, or try when parked"],
  8: [6, "the car does not know the part that this command is for", UPDATE],
  9: [6, "the car does not know this command", UPDATE],
  10: [6, "the car could not decode the command", UPDATE],
  11: [6, "the car has an internal error, often while it boots", "try again in a minute"],
  12: [6, "this is another car", "check TESLA_VIN"],
  13: [6, "the car does not accept one of the parameters", `check them; otherwise ${UPDATE}`],
  14: [5, "the car has no room for another key", "remove one in the car (Locks)"],
  15: [6, "the car has restarted since the last command", AGAIN],
  16: [6, "the car did not accept the length of a nonce", REPORT],
  17: [6, "the command came too late", `check this machine's clock, then ${AGAIN}`],
  18: [6, "the car does not know its own VIN", "contact Tesla service"],
  19: [6, "the car could not check the command", AGAIN],
  20: [6, "the car's clock and ours differ",
    `check this machine's clock, then ${AGAIN}; if that does not help, delete tesla_session.json`],
  21: [5, "mobile access is off", "allow it in the car: Controls, Safety"],
  22: [6, "the car does not allow this to a service key", PAIR_AGAIN],
  23: [6, "the car accepts this command only from your Tesla account", "use the Tesla app for it"],
  24: [6, "the command is too long for the car", "shorten its parameters"],
  25: [8, "unknown outcome: the car has probably done it, but could not say so",
    "check with read_charge before you repeat it"],
  26: [6, "the car has seen this counter before, perhaps with this very command", CHECK],
  27: [5, "the car has rejected the virtual key", PAIR_AGAIN],
  28: [6, "the car demands an encrypted answer", REPORT],
};

/** The error for a fault, or for something equivalent; `found` says how the car reported it. */
export function failureForFault(fault: number, found = `fault ${fault} from the car`): Failure {
  const unknown = "see MessageFault_E in Tesla's vehicle-command repository";
  const [exitCode, problem, fix] = FAULTS[fault] ?? [6, "the car refuses for an unknown reason", unknown];
  return new Failure(exitCode, problem, found, filledIn(fix));
}
