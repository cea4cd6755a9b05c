// The blocks of vehicle_data besides charge_state, in the shape of Tesla's answers. What is not simulated has
// the value of a parked car that does not use it.

import type { World } from "../world/world.ts";

const TYRES = ["fl", "fr", "rl", "rr"] as const;
const WARNING_BELOW = 2.5; // bar
const SEATS = ["left", "right", "rear_left", "rear_center", "rear_right"];

export function climateState({ car, clock }: World) {
  return {
    allow_cabin_overheat_protection: true,
    battery_heater: false,
    bioweapon_mode: false,
    cabin_overheat_protection: "Off",
    climate_keeper_mode: "off",
    defrost_mode: 0,
    driver_temp_setting: car.driverTemp,
    fan_status: car.climateOn ? 3 : 0,
    hvac_auto_request: "On",
    inside_temp: car.insideTemp,
    is_auto_conditioning_on: car.climateOn,
    is_climate_on: car.climateOn,
    is_front_defroster_on: false,
    is_preconditioning: false,
    is_rear_defroster_on: false,
    max_avail_temp: 28,
    min_avail_temp: 15,
    outside_temp: car.outsideTemp,
    passenger_temp_setting: car.passengerTemp,
    ...Object.fromEntries(SEATS.map((seat) => [`seat_heater_${seat}`, 0])),
    side_mirror_heaters: false,
    steering_wheel_heater: false,
    timestamp: clock.now(),
    wiper_blade_heater: false,
  };
}

// 0 is closed: the driver's doors, the passengers', the front and the rear trunk, the windows.
const CLOSED = {
  df: 0, dr: 0, pf: 0, pr: 0, ft: 0, rt: 0, fd_window: 0, fp_window: 0, rd_window: 0, rp_window: 0,
};

export function closuresState({ car, clock }: World) {
  return { ...CLOSED, locked: car.locked, timestamp: clock.now() };
}

/** Without the position, which needs vehicle_location and has to be asked for. */
export function driveState({ clock }: World) {
  return { power: 0, shift_state: null, speed: null, timestamp: clock.now() };
}

export function position({ car, clock }: World) {
  const timestamp = clock.now();
  const gps_as_of = Math.floor(timestamp / 1000);
  return { ...car.place, gps_as_of, timestamp };
}

export function guiSettings({ clock }: World) {
  return {
    gui_24_hour_time: true,
    gui_charge_rate_units: "kW",
    gui_distance_units: "km/hr",
    gui_range_display: "Rated",
    gui_temperature_units: "C",
    gui_tirepressure_units: "Bar",
    show_range_units: false,
    timestamp: clock.now(),
  };
}

export function vehicleConfig({ clock }: World) {
  return {
    can_accept_navigation_requests: true,
    can_actuate_trunks: true,
    car_special_type: "base",
    car_type: "model3",
    charge_port_type: "CCS",
    driver_assist: "TeslaAP3",
    eu_vehicle: true,
    exterior_color: "DeepBlue",
    has_air_suspension: false,
    has_ludicrous_mode: false,
    has_seat_cooling: false,
    motorized_charge_port: true,
    plg: true,
    rear_seat_heaters: 1,
    rhd: false,
    roof_color: "RoofColorGlass",
    timestamp: clock.now(),
    trim_badging: "74d",
    utc_offset: 3600,
    wheel_type: "Pinwheel18CapKit",
  };
}

export function vehicleState({ car, garage, clock }: World) {
  const timestamp = clock.now();
  const seen = Math.floor(timestamp / 1000);
  const tyres = TYRES.map((tyre) => ({
    [`tpms_hard_warning_${tyre}`]: false,
    [`tpms_last_seen_pressure_time_${tyre}`]: seen,
    [`tpms_pressure_${tyre}`]: car.tyrePressures[tyre],
    [`tpms_soft_warning_${tyre}`]: car.tyrePressures[tyre] < WARNING_BELOW,
  }));
  return {
    api_version: 90,
    ...CLOSED,
    car_version: `${garage.firmware} 4a2f1b7c9d03`,
    center_display_state: 0,
    dashcam_state: "Unavailable",
    is_user_present: false,
    locked: car.locked,
    odometer: car.odometer,
    remote_start: false,
    sentry_mode: car.sentryMode,
    sentry_mode_available: true,
    service_mode: garage.inService,
    software_update: { download_perc: 0, expected_duration_sec: 0, install_perc: 0, status: "", version: "" },
    speed_limit_mode: {
      active: false, current_limit_mph: 85, max_limit_mph: 120, min_limit_mph: 50, pin_code_set: false,
    },
    timestamp,
    ...Object.assign({}, ...tyres),
    tpms_rcp_front_value: 2.9,
    tpms_rcp_rear_value: 2.9,
    valet_mode: false,
    vehicle_name: car.name,
  };
}
