// The tokens of the three grants. Codes are single use and live 2 minutes; refresh tokens are single use, and
// the one used last works for 24 hours more. The JSON Web Tokens decode like Tesla's; their signatures are
// random, since no client checks them. What Tesla does not document and this file had to choose: a wrong PKCE
// verifier is answered invalid_auth_code, and using the last refresh token once more kills the one that was
// issued in between.

import { createHash, randomBytes, randomUUID } from "node:crypto";
import { baseUrl, json, tokenError } from "../tesla/tesla.ts";
import type { Reply } from "../tesla/tesla.ts";
import { factsOf } from "../world/world.ts";
import type { RefreshChain, World } from "../world/world.ts";

const CODE_LIFE = 2 * 60 * 1000;
const ACCESS_SECONDS = 28800;
const DAY = 24 * 3600 * 1000;
const REFRESH_LIFE = 90 * DAY;

function newSecret(world: World): string {
  return `${world.account.region.toUpperCase()}_${randomBytes(32).toString("hex")}`;
}

/** A login code as the consent page hands it out, bound to everything that the exchange must repeat. */
export function issueCode(world: World, asked: URLSearchParams, scopes: string[]): string {
  const code = newSecret(world);
  world.account.codes.set(code, {
    clientId: asked.get("client_id") ?? "",
    redirectUri: asked.get("redirect_uri") ?? "",
    scopes,
    challenge: asked.get("code_challenge") ?? "",
    nonce: asked.get("nonce") ?? "",
    expiresAt: world.clock.now() + CODE_LIFE,
    used: false,
  });
  return code;
}

function encodeJwt(claims: Record<string, unknown>): string {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const header = part({ alg: "RS256", typ: "JWT", kid: "example-kid-1" });
  return `${header}.${part(claims)}.${randomBytes(256).toString("base64url")}`;
}

export function audiences(world: World): string[] {
  return world.account.region === "cn" ? [baseUrl("cn")] : [baseUrl("na"), baseUrl("eu")];
}

function userAccessToken(world: World, scopes: string[]): string {
  const now = Math.floor(world.clock.now() / 1000);
  const account = world.account;
  const token = encodeJwt({
    iss: "https://auth.tesla.com/oauth2/v3/nts",
    azp: account.clientId,
    sub: account.userId,
    aud: [...audiences(world), "https://auth.tesla.com/oauth2/v3/userinfo"],
    scp: scopes,
    amr: ["pwd", "mfa", "otp"],
    exp: now + ACCESS_SECONDS,
    iat: now,
    ou_code: account.region.toUpperCase(),
    locale: "en-GB",
    auth_time: now,
    jti: randomUUID(),
  });
  const expiresAt = world.clock.now() + ACCESS_SECONDS * 1000;
  account.accessTokens.set(token, { kind: "user", scopes, expiresAt, audiences: audiences(world) });
  return token;
}

function answer(world: World, chain: RefreshChain, nonce: string): Reply {
  const now = Math.floor(world.clock.now() / 1000);
  // What the owner has unticked since is missing from new access tokens; what was added needs a new login.
  const scopes = chain.scopes.filter((scope) => world.account.consentedScopes.includes(scope));
  const body: Record<string, unknown> = { access_token: userAccessToken(world, scopes) };
  if (chain.current !== "") body.refresh_token = chain.current;
  if (scopes.includes("openid")) {
    body.id_token = encodeJwt({
      iss: "https://auth.tesla.com/oauth2/v3",
      aud: world.account.clientId,
      sub: world.account.userId,
      exp: now + ACCESS_SECONDS,
      iat: now,
      ...(nonce === "" ? {} : { nonce }),
    });
  }
  return json(200, { ...body, expires_in: ACCESS_SECONDS, token_type: "Bearer" });
}

export function exchangeCode(world: World, form: URLSearchParams): Reply {
  const code = world.account.codes.get(form.get("code") ?? "");
  if (code === undefined || code.used || code.expiresAt < world.clock.now()) {
    return tokenError(
      factsOf(world),
      400,
      "invalid_auth_code",
      "The authorization code is expired or was already used.",
    );
  }
  if (code.clientId !== form.get("client_id")) {
    return tokenError(
      factsOf(world),
      400,
      "invalid_client_id",
      "Invalid client_id. Authorize client_id and token client_id need to match.",
    );
  }
  if (code.redirectUri !== form.get("redirect_uri")) {
    return tokenError(
      factsOf(world),
      400,
      "invalid_redirect_url",
      "The redirect_uri does not match the one sent to authorize.",
    );
  }
  const verifier = form.get("code_verifier") ?? "";
  const challenge = createHash("sha256").update(verifier).digest("base64url");
  if (code.challenge !== "" && challenge !== code.challenge) {
    return tokenError(
      factsOf(world),
      400,
      "invalid_auth_code",
      "The code_verifier does not match the code_challenge.",
    );
  }
  code.used = true;
  const renewable = code.scopes.includes("openid") && code.scopes.includes("offline_access");
  const chain: RefreshChain = {
    scopes: code.scopes,
    current: renewable ? newSecret(world) : "",
    expiresAt: world.clock.now() + REFRESH_LIFE,
    lastUsed: "",
    lastUsedAt: 0,
  };
  if (renewable) world.account.chains.push(chain);
  return answer(world, chain, code.nonce);
}

export function refresh(world: World, form: URLSearchParams): Reply {
  const given = form.get("refresh_token") ?? "";
  const now = world.clock.now();
  for (const chain of world.account.chains) {
    const isCurrent = chain.current === given && now < chain.expiresAt;
    const isGrace = chain.lastUsed === given && now < chain.lastUsedAt + DAY;
    if (!isCurrent && !isGrace) continue;
    if (isCurrent && world.failures.take("refresh_keeps_token", "/token")) {
      return answer(world, { ...chain, current: "" }, "");
    }
    if (isCurrent) {
      chain.lastUsed = given;
      chain.lastUsedAt = now;
    }
    chain.current = newSecret(world);
    chain.expiresAt = now + REFRESH_LIFE;
    return answer(world, chain, "");
  }
  return tokenError(factsOf(world), 401, "login_required", "Login required");
}

export function partnerToken(world: World, form: URLSearchParams): Reply {
  const now = Math.floor(world.clock.now() / 1000);
  const scopes = (form.get("scope") ?? "").split(" ").filter((scope) => scope !== "");
  const token = encodeJwt({
    iss: "https://auth.tesla.com/oauth2/v3/nts",
    azp: world.account.clientId,
    sub: world.account.clientId,
    aud: audiences(world),
    gty: "client-credentials",
    scp: scopes,
    exp: now + ACCESS_SECONDS,
    iat: now,
    jti: randomUUID(),
  });
  const expiresAt = world.clock.now() + ACCESS_SECONDS * 1000;
  world.account.accessTokens.set(token, { kind: "partner", scopes, expiresAt, audiences: audiences(world) });
  return json(200, { access_token: token, expires_in: ACCESS_SECONDS, token_type: "Bearer" });
}
