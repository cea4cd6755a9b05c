// Fleet API's endpoints about the owner and the owner's things: users, products, charging history,
// energy sites.

import { ENERGY_SITE_ID, baseUrl, fleetError, json, missingScope } from "../tesla/tesla.ts";
import type { Incoming, Reply } from "../tesla/tesla.ts";
import type { GrantedToken, World } from "../world/world.ts";
import { vehicleObject } from "./vehicle_data.ts";

function energySite() {
  return {
    energy_site_id: ENERGY_SITE_ID,
    device_type: "energy",
    resource_type: "battery",
    site_name: "My Home",
    id: "STE20240101-00042",
    gateway_id: "1232100-00-E--TG000000000042",
    asset_site_id: "12345678-90ab-4cde-8f01-234567890abc",
    energy_left: 9421.5,
    total_pack_energy: 13500,
    percentage_charged: 69.8,
    battery_type: "ac_powerwall",
    backup_capable: true,
    battery_power: -1210,
  };
}

export function products(world: World): Reply {
  const signing = world.car.protocolRequired ? "required" : "allowed";
  const car = {
    ...vehicleObject(world),
    user_id: 880000042,
    mobile_access_disabled: !world.car.mobileAccess,
    ble_autopair_enrolled: false,
    device_type: "vehicle",
    command_signing: world.car.speaksProtocol ? signing : "off",
    release_notes_supported: true,
    cached_data: "Cg...",
  };
  return json(200, { response: [car, energySite()], count: 2 });
}

function liveStatus(world: World): Reply {
  const timestamp = new Date(world.clock.now()).toISOString().replace(/\.\d+Z$/, "+00:00");
  return json(200, {
    response: {
      solar_power: 3120,
      energy_left: 9421.5,
      total_pack_energy: 13500,
      percentage_charged: 69.8,
      backup_capable: true,
      battery_power: -1210,
      load_power: 980,
      grid_status: "Active",
      grid_services_active: false,
      grid_power: -930,
      grid_services_power: 0,
      generator_power: 0,
      island_status: "on_grid",
      storm_mode_active: false,
      timestamp,
      wall_connectors: [
        {
          din: "1529455-02-D--TGW00000000042",
          wall_connector_state: 4,
          wall_connector_fault_state: 2,
          wall_connector_power: 0,
        },
      ],
    },
  });
}

// The shape is that of Tesla's app and documentation as clients read it; the session is made up.
export function chargingHistory(world: World, url: URL): Reply {
  const vin = url.searchParams.get("vin");
  const session = {
    sessionId: 4200042,
    vin: world.car.vin,
    siteLocationName: "Example Supercharger",
    chargeStartDateTime: "2026-01-01T09:00:00+01:00",
    chargeStopDateTime: "2026-01-01T09:24:00+01:00",
    unlatchDateTime: "2026-01-01T09:26:00+01:00",
    countryCode: "FR",
    billingType: "IMMEDIATE",
    vehicleMakeType: "TSLA",
    fees: [
      {
        sessionFeeId: 1,
        feeType: "CHARGING",
        currencyCode: "EUR",
        pricingType: "PAYMENT",
        rateBase: 0.4,
        usageBase: 31,
        totalBase: 12.4,
        totalDue: 12.4,
        netDue: 12.4,
        uom: "kwh",
        isPaid: true,
        status: "PAID",
      },
    ],
    invoices: [
      {
        fileName: "invoice.pdf",
        contentId: "b1f2c3d4-0000-4000-8000-000000000042",
        invoiceType: "IMMEDIATE",
      },
    ],
  };
  const data = vin === null || vin === world.car.vin ? [session] : [];
  return json(200, { data, totalResults: data.length, hasMoreData: false, pageNumber: 1 });
}

export function users(
  world: World, incoming: Incoming, token: GrantedToken, body: Record<string, unknown>,
): Reply | undefined {
  const account = world.account;
  switch (`${incoming.method} ${incoming.url.pathname}`) {
    // Names a key in the car's list of keys. Tesla's answer is not documented; this one is made up.
    case "POST /api/1/users/keys":
      if (typeof body.public_key !== "string" || typeof body.kind !== "string") {
        return fleetError(400, "invalid_field");
      }
      account.keyNames.set(body.public_key, String(body.name ?? ""));
      return json(200, { response: true });
    case "GET /api/1/users/me":
      return (
        missingScope(token, ["user_data"]) ??
        json(200, {
          response: {
            email: account.email,
            full_name: account.fullName,
            profile_image_url: "https://vehicle-files.prd.na.vn.cloud.tesla.com/profile_images/abc.jpg",
          },
        })
      );
    case "GET /api/1/users/region":
      return json(200, { response: { region: account.region, fleet_api_base_url: baseUrl(account.region) } });
    case "GET /api/1/users/feature_config":
      return json(200, {
        response: { signaling: { enabled: true, subscribe_connectivity: false, use_auth_token: false } },
      });
    case "GET /api/1/users/orders":
      return (
        missingScope(token, ["user_data"]) ??
        json(200, {
          response: [
            {
              vehicleMapId: 1234567,
              referenceNumber: "RN100000001",
              vin: world.car.vin,
              orderStatus: "BOOKED",
              orderSubstatus: "_Z",
              modelCode: "m3",
              countryCode: "FR",
              locale: "fr_FR",
              mktOptions: "APBS,DV2W,IBB1",
              isB2b: false,
            },
          ],
          count: 1,
        })
      );
  }
  return undefined;
}

export function energy(world: World, incoming: Incoming, token: GrantedToken, body: Record<string, unknown>) {
  const [, site, what] = /^\/api\/1\/energy_sites\/(\d+)\/(\w+)$/.exec(incoming.url.pathname) ?? [];
  if (site === undefined) return undefined;
  if (Number(site) !== ENERGY_SITE_ID) return fleetError(404, "not_found", false);
  const route = `${incoming.method} ${what}`;
  const scope = incoming.method === "GET" ? "energy_device_data" : "energy_cmds";
  const refused = missingScope(token, [scope]);
  if (refused !== undefined) return refused;
  if (route === "GET live_status") return liveStatus(world);
  if (route === "GET site_info") {
    return json(200, {
      response: {
        id: "STE20240101-00042",
        site_name: "My Home",
        backup_reserve_percent: world.garage.backupReserve,
        default_real_mode: "self_consumption",
        installation_time_zone: "Europe/Paris",
        battery_count: 1,
        version: "25.26.2",
        nameplate_power: 5000,
        nameplate_energy: 13500,
      },
    });
  }
  if (route !== "POST backup") return undefined;
  const percent = body.backup_reserve_percent;
  if (typeof percent !== "number" || percent < 0 || percent > 100) return fleetError(400, "invalid_field");
  world.garage.backupReserve = percent;
  return json(201, { response: { code: 201, message: "Updated" } });
}
