// For the tests of the simulator itself: a client that reaches it through the same preload as the scripts
// do, and the way from an unregistered application to tokens. No test is in here.

import { createHash, generateKeyPairSync } from "node:crypto";
import { request } from "undici";
import { startSimulator } from "../simulator/simulator.ts";
import type { Simulator, SimulatorOptions } from "../simulator/simulator.ts";
import {
  CLIENT_ID,
  CLIENT_SECRET,
  REDIRECT_URI,
  REGION,
  TOKEN_HOSTS,
  USUAL_SCOPES as SCOPES,
  VIN,
  baseUrl,
} from "../simulator/tesla/tesla.ts";

export { SCOPES };
export const FLEET = baseUrl(REGION);
export const TOKEN_URL = `https://${TOKEN_HOSTS[0]}/oauth2/v3/token`;
export const CAR = `${FLEET}/api/1/vehicles/${VIN}`;
export const VERIFIER = "a-verifier-of-at-least-forty-three-characters-0123";

export const publicKey = generateKeyPairSync("ec", { namedCurve: "prime256v1" })
  .publicKey.export({ type: "spki", format: "pem" })
  .toString();

/** What an answer holds is asserted by each test; here it is not known. */
// biome-ignore lint/suspicious/noExplicitAny: see above
export type Anything = any;

export interface Answer {
  status: number;
  headers: Record<string, string>;
  text: string;
  body: Anything;
}

let started = 0;

/** A simulator whose preload is in force in this process: undici's requests reach it and nothing else. */
export async function start(options: SimulatorOptions = {}): Promise<Simulator> {
  const simulator = await startSimulator(options);
  Object.assign(process.env, simulator.env, { NODE_OPTIONS: "" });
  // The query makes Node run the file again for the new address. Not the port: the system gives one twice.
  started += 1;
  await import(`../simulator/preload.mjs?start=${started}`);
  return simulator;
}

export async function send(
  method: string,
  url: string,
  options: {
    token?: string;
    json?: unknown;
    form?: object;
    headers?: Record<string, string>;
    body?: string;
  } = {},
): Promise<Answer> {
  const headers: Record<string, string> = { ...options.headers };
  if (options.token !== undefined) headers.authorization = `Bearer ${options.token}`;
  let body = options.body;
  if (options.json !== undefined) {
    headers["content-type"] ??= "application/json";
    body = JSON.stringify(options.json);
  }
  if (options.form !== undefined) {
    headers["content-type"] ??= "application/x-www-form-urlencoded";
    body = new URLSearchParams(Object.entries(options.form)).toString();
  }
  const methodName = method as "GET" | "POST";
  const answer = await request(url, {
    method: methodName,
    headers,
    body: body ?? null,
    bodyTimeout: 1500,
    headersTimeout: 1500,
  });
  const text = await answer.body.text();
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    parsed = undefined;
  }
  return { status: answer.statusCode, headers: answer.headers as Record<string, string>, text, body: parsed };
}

export function loginAddress(more: Record<string, string> = {}): string {
  const url = new URL("https://auth.tesla.com/oauth2/v3/authorize");
  const challenge = createHash("sha256").update(VERIFIER).digest("base64url");
  const usual = {
    response_type: "code",
    client_id: CLIENT_ID,
    redirect_uri: REDIRECT_URI,
    scope: SCOPES,
    state: "state-1",
    code_challenge: challenge,
    code_challenge_method: "S256",
  };
  for (const [name, value] of Object.entries({ ...usual, ...more })) url.searchParams.set(name, value);
  return url.href;
}

export function codeForm(code: string): Record<string, string> {
  return {
    grant_type: "authorization_code",
    client_id: CLIENT_ID,
    client_secret: CLIENT_SECRET,
    code,
    audience: FLEET,
    redirect_uri: REDIRECT_URI,
    code_verifier: VERIFIER,
  };
}

export const PARTNER_FORM = {
  grant_type: "client_credentials",
  client_id: CLIENT_ID,
  client_secret: CLIENT_SECRET,
  audience: FLEET,
  scope: SCOPES,
};

export async function partnerToken(): Promise<string> {
  return (await send("POST", TOKEN_URL, { form: PARTNER_FORM })).body.access_token;
}

export async function newCode(simulator: Simulator, scope = SCOPES): Promise<string> {
  const address = await simulator.consent(loginAddress({ scope, prompt_missing_scopes: "true" }));
  return new URL(address).searchParams.get("code") ?? "";
}

/** Registered, logged in with these scopes: the token answer. */
export async function login(simulator: Simulator, scope = SCOPES): Promise<Answer> {
  simulator.partner.hosting = { kind: "file", body: publicKey };
  await simulator.register();
  return send("POST", TOKEN_URL, { form: codeForm(await newCode(simulator, scope)) });
}
