// The state of the simulated car apart from its keys: battery, charger, cable, doors, lights. All of it is
// public, for tests to set. Nothing changes by itself: there are no timers.

export interface Parameters { [name: string]: unknown }
export interface Executed { name: string; params: Parameters; at: number }

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
  standardLimit = 80;
  amps = 16;
  // The most that cable and charger allow, and what the car reports with nothing plugged in.
  maxAmps = 16;
  maxAmpsUnplugged = 48;
  phases = 3;
  volts = 230;
  energyAdded = 3.11;
  portOpen = true;
  // Some cars answer charge_start with "requested" while the charger is still getting ready.
  answersRequested = false;

  locked = true;
  climateOn = false;
  sentryMode = false;
  insideTemp = 18.5; // °C, as all temperatures
  outsideTemp = 7;
  driverTemp = 21;
  passengerTemp = 21;
  place = { latitude: 48.85, longitude: 2.35, heading: 90 };
  odometer = 12345.6; // miles
  tyrePressures = { fl: 2.9, fr: 2.9, rl: 2.875, rr: 2.85 }; // bar, front left to rear right
  lightFlashes = 0;
  honks = 0;
  scheduledCharging: { enable: boolean; time: number } = { enable: false, time: 0 };
  scheduledDeparture: Parameters = {};
  chargeSchedules: Map<string, Parameters> = new Map();
  preconditionSchedules: Map<string, Parameters> = new Map();

  // What was really done, in order. A refused command is not in it.
  executed: Executed[] = [];
  refusals: string[] = [];
  // Asked before each command: a reason to refuse it in the car's name, or undefined.
  refusalByName: () => string | undefined = () => undefined;
  // The same for the security computer, as it words a refusal: a number, or "wait".
  securityStatusByName: () => string | undefined = () => undefined;
  // The value of the last set_charging_amps, for the rule of the second call below 5 A.
  lastAmpsAsked: number | undefined;

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
    return this.pluggedIn ? this.maxAmps : this.maxAmpsUnplugged;
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
}
