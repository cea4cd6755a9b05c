// What Tesla and the car know of the owner's telemetry configuration. Tests change this object directly.

/** One entry of fleet_telemetry_errors, with the fields that owners have seen. */
export interface TelemetryError {
  name: string; // the application's client ID
  error: string;
  vin: string;
  created_at: string;
  error_name: string;
  txID: string;
}

export interface Telemetry {
  config: Record<string, unknown> | null; // as the last token had it; null: none, or the car has refused it
  signer: string; // its key, 130 hexadecimal digits
  synced: boolean; // true as well when there is none
  isRefused: boolean; // the car will refuse it when it looks
  looksUntilTaken: number; // looks at a configuration, the car awake, before it is taken
  looksLeft: number;
  otherApps: number; // configurations of others on this car
  errors: TelemetryError[];
}

export function newTelemetry(): Telemetry {
  return {
    config: null,
    signer: "",
    synced: true,
    isRefused: false,
    looksUntilTaken: 1,
    looksLeft: 0,
    otherApps: 0,
    errors: [],
  };
}

/** Takes the configuration off the car for good, as Tesla does without consent or above the billing limit. */
export function dropTelemetry(telemetry: Telemetry): void {
  Object.assign(telemetry, { config: null, synced: true, isRefused: false });
}
