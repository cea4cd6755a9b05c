// The door of this room: what all of Tesla's web services share. Names and hosts, the request and the answer
// that go between the parts of the simulator, Tesla's error answers, the frame of a page. No state.

export { html, json, newTxid } from "./exchange.ts";
export type { Facts, Incoming, Reply, SeenRequest } from "./exchange.ts";
export {
  ASLEEP, PROTOCOL_REQUIRED, fleetError, missingScope, notRegistered, outOfRegion, rateLimited,
} from "./fleet_errors.ts";
export {
  CLIENT_ID, CLIENT_SECRET, DOMAIN, ENERGY_SITE_ID, FLEET_API_HOSTS, KEY_PATH, LOGIN_HOSTS, PAIRING_HOSTS,
  REDIRECT_URI, REGION, SCOPE_NAMES, TOKEN_HOSTS, USUAL_SCOPES, VEHICLE_ID, VIN, baseUrl, regionOfHost,
} from "./names.ts";
export type { Region } from "./names.ts";
export { escapeHtml, messagePage, page } from "./pages.ts";
export { tokenError } from "./token_errors.ts";
