// What the car says to a command: result, and where that is false a reason. Some reasons mean that it is so already.
import { clean, Stop } from "./command_line.ts";

// https://developer.tesla.com/docs/fleet-api/endpoints/vehicle-commands, and what owners saw
const ALREADY = ["already_set", "is_charging", "charging", "requested", "not_charging", "already_started",
  "already_standard", "already_max_range"];

const ADVICE: Record<string, string> = {
  complete: "the battery is at its limit already: raise the charge limit first",
  disconnected: "plug the car in",
  no_power: "the charging station gives no power",
  could_not_wake_buses: "the car was not ready: wait 5 seconds, then run it again",
  unsigned_cmds_hardlocked: "this car takes signed commands only: set TESLA_COMMANDS=signed in .env",
  not_supported: "this car cannot do that",
  user_present: "somebody sits in the car",
};

/** In words, what the car has done. Throws Stop 6 with the car's reason when it has refused. */
export function acceptVerdict(result: boolean, reason: string): string {
  const bare = clean(reason.replace(/^(car|vcsec) could not execute command: /, "")).slice(0, 200);
  if (result) return "the car has done it";
  if (ALREADY.includes(bare)) return `nothing to do: the car says ${bare}`;
  throw new Stop(bare === "unsigned_cmds_hardlocked" ? 5 : 6,
    `the car refused: ${bare || "it gave no reason"}; ${ADVICE[bare] ?? "the reason is the car's own word"}`);
}
