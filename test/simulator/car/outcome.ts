// Carries out a command that the car has accepted, and words the payload of the answer.

import { INFOTAINMENT, encode, enumValues } from "../protocol/protocol.ts";
import type { CarBody, Verdict } from "./body.ts";
import type { Command } from "./read_command.ts";

// Either the payload of the answer or a fault of the protocol.
export interface Outcome { payload?: Buffer; fault?: number }

export function perform(car: CarBody, domain: number, command: Command): Outcome {
  const { name, params, refusal } = command;
  const verdict = refusal === undefined ? car.execute(name, params) : { result: false, reason: refusal };
  if (domain === INFOTAINMENT) return infotainmentAnswer(car, command, verdict);
  return securityAnswer(car, command, verdict);
}

function infotainmentAnswer(car: CarBody, command: Command, verdict: Verdict): Outcome {
  const actionStatus = verdict.result ? {} : actionError(verdict.reason);
  if (!verdict.result) return { payload: encode("Response", { actionStatus }) };
  if (command.name === "ping") return { payload: encode("Response", { actionStatus, ping: command.params }) };
  if (command.name === "get_vehicle_data") {
    if (!command.params.getChargeState) return { payload: encode("Response", { actionStatus }) };
    const vehicleData = { charge_state: chargeStateFields(car) };
    return { payload: encode("Response", { actionStatus, vehicleData }) };
  }
  return { payload: encode("Response", { actionStatus }) };
}

// An empty reason is left out: that is the car's "unspecified error".
export function actionError(reason: string): object {
  return reason === "" ? { result: 1 } : { result: 1, result_reason: { plain_text: reason } };
}

function securityAnswer(car: CarBody, command: Command, verdict: Verdict): Outcome {
  if (!verdict.result) {
    const nominalError = { genericError: genericError(verdict.reason) };
    return { payload: encode("FromVCSECMessage", { nominalError }) };
  }
  if (command.name !== "get_status") return { payload: Buffer.alloc(0) };
  const lockState = car.locked ? 1 : 0;
  const vehicleStatus = { vehicleLockState: lockState, vehicleSleepStatus: car.awake ? 1 : 2 };
  return { payload: encode("FromVCSECMessage", { vehicleStatus }) };
}

// VCSEC has no words for its refusals: a reason that is one of its names, or else "unknown".
function genericError(reason: string): number {
  return enumValues("GenericError_E")[`GENERICERROR_${reason.toUpperCase()}`] ?? 1;
}

function chargeStateFields(car: CarBody): object {
  const state = car.chargeState();
  const seconds = String(Math.floor(state.timestamp / 1000));
  const time = { seconds, nanos: (state.timestamp % 1000) * 1e6 };
  return {
    charging_state: { [state.charging_state]: {} },
    timestamp: time,
    charge_limit_soc: state.charge_limit_soc,
    charge_limit_soc_std: state.charge_limit_soc_std,
    charge_limit_soc_min: state.charge_limit_soc_min,
    charge_limit_soc_max: state.charge_limit_soc_max,
    battery_range: state.battery_range,
    battery_level: state.battery_level,
    usable_battery_level: state.usable_battery_level,
    charge_energy_added: state.charge_energy_added,
    charger_voltage: state.charger_voltage,
    charger_pilot_current: state.charger_pilot_current,
    charger_actual_current: state.charger_actual_current,
    charger_power: state.charger_power,
    minutes_to_full_charge: state.minutes_to_full_charge,
    charge_port_door_open: state.charge_port_door_open,
    scheduled_charging_pending: state.scheduled_charging_pending,
    charge_enable_request: state.charge_enable_request,
    charger_phases: state.charger_phases ?? undefined,
    charge_current_request: state.charge_current_request,
    charge_current_request_max: state.charge_current_request_max,
    charging_amps: state.charge_amps,
  };
}
