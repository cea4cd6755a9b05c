// For the tests of the simulator itself: a client that reaches it through the same preload as the scripts
// do, and the way from an unregistered application to tokens. No test is in here.
import { createHash, generateKeyPairSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { request } from "undici";
import { startSimulator, type Simulator, type SimulatorOptions } from "../simulator/simulator.ts";
import { CLIENT_ID, CLIENT_SECRET, REDIRECT_URI, REGION, TOKEN_HOSTS } from "../simulator/tesla/tesla.ts";
import { USUAL_SCOPES as SCOPES, VIN, baseUrl } from "../simulator/tesla/tesla.ts";

export { SCOPES };
export const FLEET = baseUrl(REGION);
export const TOKEN_URL = `https://${TOKEN_HOSTS[0]}/oauth2/v3/token`;
export const CAR = `${FLEET}/api/1/vehicles/${VIN}`;
const VERIFIER = "a-verifier-of-at-least-forty-three-characters-0123";

const { publicKey: key } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
export const publicKey = key.export({ type: "spki", format: "pem" }).toString();

/** What an answer holds is asserted by each test; here it is not known. */
// biome-ignore lint/suspicious/noExplicitAny: see above
export type Anything = any;
export type Answer = { status: number; headers: Record<string, string>; text: string; body: Anything };

export const documented: Anything = JSON.parse(
  readFileSync(new URL("./documented_answers.json", import.meta.url), "utf8"),
);

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

type Sent = {
  token?: string;
  json?: unknown;
  form?: object;
  headers?: Record<string, string>;
  body?: string;
};

export async function send(method: string, url: string, options: Sent = {}): Promise<Answer> {
  const headers: Record<string, string> = { ...options.headers };
  if (options.token !== undefined) headers.authorization = `Bearer ${options.token}`;
  let body = options.body ?? null;
  if (options.json !== undefined) {
    headers["content-type"] ??= "application/json";
    body = JSON.stringify(options.json);
  }
  if (options.form !== undefined) {
    headers["content-type"] ??= "application/x-www-form-urlencoded";
    body = new URLSearchParams(Object.entries(options.form)).toString();
  }
  const signal = AbortSignal.timeout(2000);
  const answer = await request(url, { method: method as "GET", headers, body, signal });
  const text = await answer.body.text();
  let parsed: unknown; // stays undefined when it is no JSON
  try {
    parsed = JSON.parse(text);
  } catch {}
  return { status: answer.statusCode, headers: answer.headers as Record<string, string>, text, body: parsed };
}

export function loginAddress(more: Record<string, string> = {}): string {
  const url = new URL("https://auth.tesla.com/oauth2/v3/authorize");
  const usual = {
    response_type: "code",
    client_id: CLIENT_ID,
    redirect_uri: REDIRECT_URI,
    scope: SCOPES,
    state: "state-1",
    code_challenge: createHash("sha256").update(VERIFIER).digest("base64url"),
    code_challenge_method: "S256",
  };
  for (const [name, value] of Object.entries({ ...usual, ...more })) url.searchParams.set(name, value);
  return url.href;
}

const APP = { client_id: CLIENT_ID, client_secret: CLIENT_SECRET, audience: FLEET };
export const PARTNER_FORM = { grant_type: "client_credentials", ...APP, scope: SCOPES };

export function codeForm(code: string): Record<string, string> {
  const grant_type = "authorization_code";
  return { grant_type, ...APP, code, redirect_uri: REDIRECT_URI, code_verifier: VERIFIER };
}

export function refresh(refresh_token: string): Promise<Answer> {
  const form = { grant_type: "refresh_token", client_id: CLIENT_ID, refresh_token };
  return send("POST", TOKEN_URL, { form });
}

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
