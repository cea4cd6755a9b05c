// What your app needs: a token of its own, and a look at your public key, on your domain and at Tesla.
import { asRecord, Failure, messageOf } from "./command_line.ts";
import { FLEET_API, KEY_PATH, type Region } from "./hosts.ts";
import { holdsPrivateKey, pointIn, PUBLIC_KEY_FILE } from "./key_files.ts";
import type { AppSetting, Settings } from "./settings.ts";
import { askDomain, askFleetApi, askTokenHost } from "./tesla_fetch.ts";

// What to do once the private key has been public.
const AFTER_EXPOSURE =
  "anyone may have copied this key: take it down; move both keys away; run generate_key; "
  + "publish the new key; run register_partner; remove the old key in the car (Locks); pair again";

/** Fetches the key on your domain as Tesla fetches it, without any secret, and compares it with `point`, the
 * public key here. Throws Failure 5. */
export async function checkPublishedKey(domain: string, point: string): Promise<void> {
  const text = await askDomain();
  const address = `https://${domain}${KEY_PATH}`;
  if (holdsPrivateKey(text))
    throw new Failure(5, "your domain serves a private key", address, AFTER_EXPOSURE);
  let published: string;
  try {
    published = pointIn(text);
  } catch (error) {
    const found = `${address}: ${messageOf(error)}`;
    throw new Failure(5, "your domain does not serve the key", found, `put ${PUBLIC_KEY_FILE} there`);
  }
  if (published === point) return;
  const problem = `your domain serves a different key from ${PUBLIC_KEY_FILE}`;
  throw new Failure(5, problem, address, `put ${PUBLIC_KEY_FILE} there, and wait a few minutes for caches`);
}

/** A new partner token: your app's, not the owner's. It is kept in memory only. Throws Failure.
 * https://developer.tesla.com/docs/fleet-api/authentication/partner-tokens */
export async function partnerToken(settings: Pick<Settings, AppSetting>): Promise<string> {
  const answer = await askTokenHost(settings.TESLA_REGION, {
    grant_type: "client_credentials",
    client_id: settings.TESLA_CLIENT_ID,
    client_secret: settings.TESLA_CLIENT_SECRET,
    audience: FLEET_API[settings.TESLA_REGION],
    scope: settings.TESLA_SCOPES.replace(/ ?offline_access/, "").trim(), // an app needs no refresh token
  });
  const { access_token } = asRecord(answer);
  if (typeof access_token === "string" && /^[!-~]+$/.test(access_token)) return access_token;
  throw new Failure(1, "Tesla's answer cannot be used", "it has no partner token", "try again later");
}

/** The key that Tesla has on file for the domain in the region. Throws Failure.
 * https://developer.tesla.com/docs/fleet-api/endpoints/partner-endpoints#public-key */
export async function registeredPoint(region: Region, domain: string, bearer: string): Promise<string> {
  const path = `partner_accounts/public_key?domain=${domain}`;
  const { response } = asRecord(await askFleetApi(region, path, bearer));
  try {
    const key = String(asRecord(response).public_key);
    return /^04[0-9a-f]{128}$/i.test(key) ? key.toLowerCase() : pointIn(key); // Tesla sends the point in hex
  } catch {
    throw new Failure(1, "Tesla's answer cannot be used", "it has no readable public key", "try again later");
  }
}
