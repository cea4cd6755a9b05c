// What the car says to a command: result, and a reason. Some reasons mean that it was so already.
// https://developer.tesla.com/docs/fleet-api/endpoints/vehicle-commands, and what owners saw
import { clean, Stop } from "./command_line.ts";

const DONE_ALREADY = ["already_set", "already_started", "already_standard", "already_max_range",
  "is_charging", "charging", "not_charging", "requested"];

const ADVICE: Record<string, string> = {
  complete: "the battery is at its limit: raise the charge limit first",
  disconnected: "plug the car in",
  no_power: "the charging station gives no power",
  could_not_wake_buses: "the car was not ready: wait 5 seconds, then run it again",
  unsigned_cmds_hardlocked: "this car takes only signed commands: set TESLA_COMMANDS=signed",
};

/** The verdict in words. Throws Stop 6 with the car's reason when it has refused. */
export function acceptVerdict(result: boolean, reason: string): string {
  const bare = clean(reason.replace(/^(car|vcsec) could not execute command: /, "")).slice(0, 200);
  if (result) return "the car has done it";
  if (DONE_ALREADY.includes(bare)) return `nothing to do: the car says ${bare}`;
  throw new Stop(bare === "unsigned_cmds_hardlocked" ? 5 : 6,
    `the car refused: ${bare || "it gave no reason"}; ${ADVICE[bare] ?? "that is the car's own word"}`);
}
