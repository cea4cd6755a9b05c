// Why a car refuses a signed command (docs/protocol.md, section 7): exit code, what it means, what to do.
import { Stop } from "../command_line.ts";
import { PAIRING_PAGE } from "../hosts.ts";

export const RESYNC_FAULTS = [5, 6, 15, 17, 20]; // our session is out of date, and the car sends the new one

export const FAULTS: Record<number, [number, string]> = {
  1: [6, "the car is busy or still waking up; try again in some seconds"],
  2: [6, "a part of the car did not answer; try again in some seconds"],
  3: [5, `the virtual key is not on the car; open ${PAIRING_PAGE}YOUR.DOMAIN on the phone that has the Tesla `
    + "app, and approve"],
  4: [5, "the virtual key is switched off; remove it in the car (Locks), then pair it again"],
  5: [6, "the car says that the signature is wrong; run it again"],
  6: [6, "the car has seen this counter before, perhaps with this very command; check, then run it again"],
  7: [6, "the key's role or the car's state does not allow this; a driver's key may do less than an owner's"],
  9: [6, "the car does not know this command; its software may be too old"],
  11: [6, "the car has an internal error, often while it boots; try again in a minute"],
  12: [6, "this is another car; check TESLA_VIN"],
  14: [5, "the car has no room for another key; remove one in the car (Locks)"],
  15: [6, "the car has rebooted since the last command; run it again"],
  17: [6, "the command came too late; check this machine's clock, then run it again"],
  20: [6, "the car's clock and ours differ; check this machine's clock, then run it again; if that does not "
    + "help, delete tesla_session.json"],
  21: [5, "mobile access is off; allow it in the car: Controls, Safety"],
  25: [8, "the car has probably done it, but could not say so; check with read_charge before you repeat it"],
};

/** The error for a fault of the car's, or for what comes to the same. */
export function stopForFault(fault: number, found = `fault ${fault}`): Stop {
  const [exitCode, words] = FAULTS[fault] ?? [6, "see MessageFault_E in Tesla's vehicle-command repository"];
  return new Stop(exitCode, `the car answered with ${found}: ${words}`);
}
