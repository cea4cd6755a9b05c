// The names and numbers of the simulated world that never change: the application, the car, Tesla's hosts and
// scopes.

export const CLIENT_ID = "3f0c2a7e-1b5d-4f0e-9a46-7c1e5d2b8f90";
export const CLIENT_SECRET = "ta-secret.simulated-7Qm2Lx9Rb4Td";
export const REDIRECT_URI = "http://localhost:3000/callback";
export const DOMAIN = "car.example.com";
export const REGION = "eu";
export const VIN = "5YJ30123456789ABC";
export const VEHICLE_ID = 1493000000000042;
export const ENERGY_SITE_ID = 2500000000042;
export const KEY_PATH = "/.well-known/appspecific/com.tesla.3p.public-key.pem";

export type Region = "na" | "eu" | "cn";

export const FLEET_API_HOSTS: Record<Region, string> = {
  na: "fleet-api.prd.na.vn.cloud.tesla.com",
  eu: "fleet-api.prd.eu.vn.cloud.tesla.com",
  cn: "fleet-api.prd.cn.vn.cloud.tesla.cn",
};
export const TOKEN_HOSTS = ["fleet-auth.prd.vn.cloud.tesla.com", "auth.tesla.cn"];
export const LOGIN_HOSTS = ["auth.tesla.com", "auth.tesla.cn"];
export const PAIRING_HOSTS = ["tesla.com", "www.tesla.com"];

// The scopes that an owner can be asked for, with the names that Tesla's consent page gives them.
export const SCOPE_NAMES: Record<string, string> = {
  openid: "Sign in with Tesla",
  offline_access: "Refresh tokens",
  user_data: "Profile Information",
  vehicle_device_data: "Vehicle Information",
  vehicle_location: "Vehicle Location",
  vehicle_cmds: "Vehicle Commands",
  vehicle_charging_cmds: "Vehicle Charging Management",
  energy_device_data: "Energy Product Information",
  energy_cmds: "Energy Product Settings",
};

export const USUAL_SCOPES = "openid offline_access vehicle_device_data vehicle_charging_cmds";

export function baseUrl(region: Region): string {
  return `https://${FLEET_API_HOSTS[region]}`;
}

export function regionOfHost(host: string): Region | undefined {
  const regions: Region[] = ["na", "eu", "cn"];
  return regions.find((region) => FLEET_API_HOSTS[region] === host);
}
