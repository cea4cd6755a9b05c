// What your app asks for: a token of its own, and your public key as your domain shows it and Tesla keeps it.
import { messageOf, Stop } from "./command_line.ts";
import { FLEET_API, KEY_PATH } from "./hosts.ts";
import { pointIn, PUBLIC_KEY_FILE } from "./key_files.ts";
import { askDomain, askFleetApi, askTokenHost } from "./tesla_fetch.ts";

/** The key on your domain, fetched as Tesla fetches it, without any secret. Throws Stop 5. */
export async function publishedPoint(domain: string): Promise<string> {
  const text = await askDomain(domain);
  try {
    return pointIn(text);
  } catch (error) {
    const address = `https://${domain}${KEY_PATH}`;
    throw new Stop(5, `no key at ${address}: ${messageOf(error)}; put ${PUBLIC_KEY_FILE} there`);
  }
}

/** A new partner token: your app's, not the owner's. It is kept in memory only. Throws Stop.
 * https://developer.tesla.com/docs/fleet-api/authentication/partner-tokens */
export async function partnerToken(settings: Record<string, string>): Promise<string> {
  const { access_token } = await askTokenHost(settings.TESLA_REGION, {
    grant_type: "client_credentials",
    client_id: settings.TESLA_CLIENT_ID,
    client_secret: settings.TESLA_CLIENT_SECRET,
    audience: FLEET_API[settings.TESLA_REGION],
    scope: settings.TESLA_SCOPES.replace(/ ?offline_access/, "").trim(), // an app needs no refresh token
  });
  if (typeof access_token === "string" && /^[!-~]+$/.test(access_token)) return access_token;
  throw new Stop(1, "Tesla's answer has no partner token; try again later");
}

/** The key that Tesla has on file for the domain in the region of the settings. Throws Stop.
 * https://developer.tesla.com/docs/fleet-api/endpoints/partner-endpoints#public-key */
export async function registeredPoint(settings: Record<string, string>, bearer: string): Promise<string> {
  const path = `partner_accounts/public_key?domain=${settings.TESLA_DOMAIN}`;
  const { response } = await askFleetApi(settings.TESLA_REGION, path, bearer);
  try {
    const key = String(Object(response).public_key);
    return /^04[0-9a-f]{128}$/i.test(key) ? key.toLowerCase() : pointIn(key); // Tesla sends the point in hex
  } catch {
    throw new Stop(1, "Tesla's answer has no public key that can be read; try again later");
  }
}
