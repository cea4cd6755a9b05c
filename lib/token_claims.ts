// What an access token says about itself: the scopes that you granted, a region, and when it expires.
import { asRecord, clean } from "./command_line.ts";

/** Not verified: a wrong claim costs a needless refresh or a refused request, never more. `region` is not
 * always the account's. `scopes` is undefined where the token does not say; `expires` is in seconds since
 * 1970, and NaN where it does not say. */
export function claimsOf(token: { access_token?: unknown }): {
  scopes?: string[];
  region: string;
  expires: number;
} {
  let claims: Record<string, unknown> = {};
  try {
    const [, part = ""] = String(token.access_token).split(".");
    claims = asRecord(JSON.parse(Buffer.from(part, "base64url").toString()));
  } catch {} // not a JWT
  const scopes = Array.isArray(claims.scp) ? claims.scp.map((scope) => clean(scope)) : undefined;
  return { scopes, region: clean(claims.ou_code ?? "").toLowerCase(), expires: Number(clean(claims.exp)) };
}

type Dated = { access_token?: unknown; expires_in?: unknown; obtained_at?: unknown };

/** When the access token expires: the earlier of what file and token say; undefined where neither does. */
export function expiryOf(token: Dated): Date | undefined {
  const noted = Date.parse(clean(token.obtained_at)) + Number(clean(token.expires_in)) * 1000;
  const times = [noted, claimsOf(token).expires * 1000].filter((time) => time > 0 && time < 8.64e15);
  return times.length > 0 ? new Date(Math.min(...times)) : undefined; // 8.64e15 is a Date's limit
}
