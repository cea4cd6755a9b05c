// The simulated car without its keys: battery, charger, cable, doors, lights, and its verdict on a command,
// whichever way it came. All of it is public, for tests to set. Nothing changes by itself: there are no timers.
import { chargeState } from "./charge_state.ts";
import { perform } from "./commands.ts";

export type Parameters = { [name: string]: unknown };
export type Verdict = { result: boolean; reason: string };
type Schedules = Map<string, Parameters>;

// The lowest current that the owner's own app offers; lower ones need a second identical call.
export const FLOOR_AMPS = 5;

export class CarState {
  vin: string;
  now: () => number;
  awake = true;
  online = true;
  name = "Testla";

  pluggedIn = true;
  hasPower = true;
  charging = true;
  batteryLevel = 61;
  chargeLimit = 80;
  amps = 16;
  maxAmps = 16; // the most that cable and charger allow
  portOpen = true;

  locked = true;
  climateOn = false;
  sentryMode = false;
  driverTemp = 21; // °C
  passengerTemp = 21;
  lightFlashes = 0;
  honks = 0;
  scheduledCharging = { enable: false, time: 0 };
  scheduledDeparture: Parameters = {};
  chargeSchedules: Schedules = new Map();
  preconditionSchedules: Schedules = new Map();

  executed: { name: string; params: Parameters; at: number }[] = []; // what was really done, in order
  refusals: string[] = [];
  // Asked before each command: a reason to refuse it in the car's name, or undefined.
  refusalByName: () => string | undefined = () => undefined;
  // The same for the security computer, as it words a refusal: a number, or "wait".
  securityStatusByName: () => string | undefined = () => undefined;
  lastAmpsAsked: number | undefined; // for the rule of the second call below 5 A

  constructor(vin: string, now: () => number) {
    this.vin = vin;
    this.now = now;
  }

  get chargingState(): string {
    if (!this.pluggedIn) return "Disconnected";
    if (!this.hasPower) return "NoPower";
    if (this.batteryLevel >= this.chargeLimit) return "Complete";
    return this.charging ? "Charging" : "Stopped";
  }

  get ampsLimit(): number {
    return this.pluggedIn ? this.maxAmps : 48; // what a car reports with nothing plugged in
  }

  plug(): void {
    this.pluggedIn = true;
    this.portOpen = true;
    this.charging = true;
    // A new cable puts the floor back, and nothing above the cable's limit stays.
    this.amps = Math.min(Math.max(this.amps, FLOOR_AMPS), this.maxAmps);
    this.lastAmpsAsked = undefined;
  }

  unplug(): void {
    this.pluggedIn = false;
    this.charging = false;
    this.portOpen = false;
    this.lastAmpsAsked = undefined;
  }

  /** The next commands, this many, are refused with this reason and not executed. */
  refuse(reason: string, times = 1): void {
    for (let count = 0; count < times; count++) this.refusals.push(reason);
  }

  /** The car's own verdict on a command of Tesla's REST documentation. */
  execute(name: string, params: Parameters = {}): Verdict {
    const reason = this.refusalByName() ?? this.refusals.shift() ?? perform(this, name, params);
    if (reason !== undefined) return { result: false, reason };
    this.executed.push({ name, params, at: this.now() });
    return { result: true, reason: "" };
  }

  chargeState() {
    return chargeState(this);
  }

  /** What vehicle_data and the car's own answer have in common. */
  climateState() {
    return {
      driver_temp_setting: this.driverTemp,
      passenger_temp_setting: this.passengerTemp,
      fan_status: this.climateOn ? 3 : 0,
      is_climate_on: this.climateOn,
      is_auto_conditioning_on: this.climateOn,
    };
  }
}
