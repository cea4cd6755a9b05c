// The partner token: your app's own, not the owner's. Only registration and its check need it.
import { Stop } from "./command_line.ts";
import { FLEET_API, TOKEN_HOST } from "./hosts.ts";
import { pointIn } from "./public_key.ts";
import { teslaJson } from "./tesla_fetch.ts";

/** A new partner token, kept in memory only. Throws Stop.
 * https://developer.tesla.com/docs/fleet-api/authentication/partner-tokens */
export async function partnerToken(settings: Record<string, string>): Promise<string> {
  const answer = await teslaJson({
    url: `${TOKEN_HOST[settings.TESLA_REGION]}/oauth2/v3/token`,
    form: {
      grant_type: "client_credentials",
      client_id: settings.TESLA_CLIENT_ID,
      client_secret: settings.TESLA_CLIENT_SECRET,
      audience: FLEET_API[settings.TESLA_REGION],
      scope: settings.TESLA_SCOPES.replace("offline_access ", ""), // nobody stays logged in here
    },
  });
  const token = String(answer.access_token ?? "");
  if (!/^[!-~]+$/.test(token)) throw new Stop(1, "Tesla's answer has no partner token; try again later");
  return token;
}

/** The public key that Tesla has on file for the domain, in the region of the settings. Throws Stop.
 * https://developer.tesla.com/docs/fleet-api/endpoints/partner-endpoints#public-key */
export async function registeredPoint(settings: Record<string, string>, bearer: string): Promise<string> {
  const url = `${FLEET_API[settings.TESLA_REGION]}/api/1/partner_accounts/public_key?domain=${settings.TESLA_DOMAIN}`;
  const answer = await teslaJson({ url, bearer });
  try {
    return pointIn(String((answer.response as { public_key?: unknown } | null)?.public_key));
  } catch {
    throw new Stop(1, "Tesla's answer has no public key that can be read; try again later");
  }
}
