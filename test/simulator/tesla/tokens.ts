// The token host: POST /oauth2/v3/token with its three grants. Codes are single use and live 2 minutes; refresh
// tokens are single use, and the one used last works for 24 hours more. The JSON Web Tokens decode like
// Tesla's; their signatures are random, since no client checks them. What Tesla does not document and this file
// had to choose: a wrong PKCE verifier is answered invalid_auth_code, and using the last refresh token once more
// kills the one that was issued in between.
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { notPlanned, type RefreshChain, type World } from "../world.ts";
import { baseUrl, json, tokenError, type Incoming, type Reply } from "./tesla.ts";

const CODE_LIFE = 2 * 60 * 1000;
const ACCESS_SECONDS = 28800;
const DAY = 24 * 3600 * 1000;
const REFRESH_LIFE = 90 * DAY;

// The fields of each grant: those that must be there, then those that may be.
const FIELDS: Record<string, [required: string[], optional: string[]]> = {
  authorization_code: [
    ["grant_type", "client_id", "client_secret", "code", "audience", "redirect_uri"],
    ["scope", "code_verifier"],
  ],
  refresh_token: [["grant_type", "client_id", "refresh_token"], []],
  client_credentials: [["grant_type", "client_id", "client_secret", "audience"], ["scope"]],
};

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
    expiresAt: world.clock.now() + CODE_LIFE,
    used: false,
  });
  return code;
}

function encodeJwt(world: World, claims: Record<string, unknown>): string {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const iat = Math.floor(world.clock.now() / 1000);
  const header = part({ alg: "RS256", typ: "JWT", kid: "example-kid-1" });
  const body = part({ ...claims, exp: iat + ACCESS_SECONDS, iat });
  return `${header}.${body}.${randomBytes(256).toString("base64url")}`;
}

function audiences(world: World): string[] {
  return world.account.region === "cn" ? [baseUrl("cn")] : [baseUrl("na"), baseUrl("eu")];
}

/** An access token, which is remembered with what it allows. */
function accessToken(world: World, kind: "user" | "partner", scopes: string[], claims: object): string {
  const { account, clock } = world;
  const token = encodeJwt(world, {
    iss: "https://auth.tesla.com/oauth2/v3/nts",
    azp: account.clientId,
    aud: audiences(world),
    scp: scopes,
    jti: randomUUID(),
    ...claims,
  });
  const expiresAt = clock.now() + ACCESS_SECONDS * 1000;
  account.accessTokens.set(token, { kind, scopes, expiresAt, audiences: audiences(world) });
  return token;
}

/** What a login or a refresh is answered. */
function userTokens(world: World, chain: RefreshChain): Reply {
  const { account } = world;
  // What the owner has unticked since is missing from new access tokens; what was added needs a new login.
  const scopes = chain.scopes.filter((scope) => account.consentedScopes.includes(scope));
  const access_token = accessToken(world, "user", scopes, {
    sub: account.userId,
    aud: [...audiences(world), "https://auth.tesla.com/oauth2/v3/userinfo"],
    amr: ["pwd", "mfa", "otp"],
    ou_code: account.region.toUpperCase(),
    locale: "en-GB",
    auth_time: Math.floor(world.clock.now() / 1000),
  });
  const body: Record<string, unknown> = { access_token };
  if (chain.current !== "") body.refresh_token = chain.current;
  if (scopes.includes("openid")) {
    const claims = { iss: "https://auth.tesla.com/oauth2/v3", aud: account.clientId, sub: account.userId };
    body.id_token = encodeJwt(world, claims);
  }
  return json(200, { ...body, expires_in: ACCESS_SECONDS, token_type: "Bearer" });
}

type Refusal = (status: number, error: string, text?: string) => Reply;

function exchangeCode(world: World, form: URLSearchParams, refuse: Refusal): Reply {
  const code = world.account.codes.get(form.get("code") ?? "");
  if (code === undefined || code.used || code.expiresAt < world.clock.now()) {
    return refuse(400, "invalid_auth_code");
  }
  if (code.clientId !== form.get("client_id")) return refuse(400, "invalid_client_id");
  if (code.redirectUri !== form.get("redirect_uri")) return refuse(400, "invalid_redirect_url");
  const verifier = form.get("code_verifier") ?? "";
  const challenge = createHash("sha256").update(verifier).digest("base64url");
  if (code.challenge !== "" && challenge !== code.challenge) {
    return refuse(400, "invalid_auth_code", "The code_verifier does not match the code_challenge.");
  }
  code.used = true;
  const { scopes } = code;
  const renewable = scopes.includes("openid") && scopes.includes("offline_access");
  const current = renewable ? newSecret(world) : "";
  const expiresAt = world.clock.now() + REFRESH_LIFE;
  const chain: RefreshChain = { scopes, current, expiresAt, lastUsed: "", lastUsedAt: 0 };
  if (renewable) world.account.chains.push(chain);
  return userTokens(world, chain);
}

function refresh(world: World, form: URLSearchParams, refuse: Refusal): Reply {
  const given = form.get("refresh_token") ?? "";
  const now = world.clock.now();
  for (const chain of world.account.chains) {
    const isCurrent = chain.current === given && now < chain.expiresAt;
    const isGrace = chain.lastUsed === given && now < chain.lastUsedAt + DAY;
    if (!isCurrent && !isGrace) continue;
    if (isCurrent && world.failures.take("refresh_keeps_token", "/token")) {
      return userTokens(world, { ...chain, current: "" });
    }
    if (isCurrent) Object.assign(chain, { lastUsed: given, lastUsedAt: now });
    chain.current = newSecret(world);
    chain.expiresAt = now + REFRESH_LIFE;
    return userTokens(world, chain);
  }
  return refuse(401, "login_required");
}

function partnerToken(world: World, form: URLSearchParams): Reply {
  const scopes = (form.get("scope") ?? "").split(" ").filter((scope) => scope !== "");
  const claims = { sub: world.account.clientId, gty: "client-credentials" };
  const access_token = accessToken(world, "partner", scopes, claims);
  return json(200, { access_token, expires_in: ACCESS_SECONDS, token_type: "Bearer" });
}

export function handleToken(world: World, incoming: Incoming): Reply {
  const { method, url, headers, body } = incoming;
  const { account } = world;
  if (method !== "POST" || url.pathname !== "/oauth2/v3/token" || url.search !== "") {
    notPlanned(world, incoming, "the token host has only POST /oauth2/v3/token");
    return json(404, { error: "not_found" });
  }
  const refuse: Refusal = (status, error, text) => tokenError(world.clock.now(), status, error, text);
  const wrong = (text: string) => refuse(400, "invalid_request", text);
  const missing = (name: string) =>
    wrong(`The '${name}' parameter is missing. Include ${name} in the request.`);
  const type = (headers["content-type"] ?? "").split(";")[0]?.trim().toLowerCase();
  if (type !== "application/x-www-form-urlencoded") {
    notPlanned(world, incoming, `Content-Type ${type} instead of application/x-www-form-urlencoded`);
    return wrong("The body is not a form.");
  }
  const form = new URLSearchParams(body);
  const grant = form.get("grant_type") ?? "";
  const fields = FIELDS[grant];
  if (grant === "") return missing("grant_type");
  if (!fields) return refuse(400, "unsupported_grant_type");
  const [required] = fields;
  for (const name of form.keys()) {
    if (fields.flat().includes(name) && form.getAll(name).length === 1) continue;
    notPlanned(world, incoming, `the form field ${name} is not documented for ${grant}, or is there twice`);
    return wrong(`The '${name}' parameter is not expected.`);
  }
  const absent = required.find((name) => (form.get(name) ?? "") === "" && name !== "audience");
  if (absent !== undefined) return missing(absent);

  const isChinaHost = incoming.host === "auth.tesla.cn";
  if (isChinaHost !== (account.region === "cn")) return refuse(400, "client_not_found");
  const secretWrong = form.has("client_secret") && form.get("client_secret") !== account.clientSecret;
  if (secretWrong || form.get("client_id") !== account.clientId) {
    return refuse(401, "unauthorized_client");
  }
  if (required.includes("audience") && !audiences(world).includes(form.get("audience") ?? "")) {
    return refuse(400, "invalid_audience");
  }
  if (grant === "authorization_code") return exchangeCode(world, form, refuse);
  return grant === "refresh_token" ? refresh(world, form, refuse) : partnerToken(world, form);
}
