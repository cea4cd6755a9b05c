// The one door to the network: every request of every script leaves through this file.
//
// In order: it refuses a host that lib/hosts.ts does not list, and a secret that does not belong there;
// prints METHOD URL and then the status on stderr (never a header or a body); sends once; refuses redirects;
// gives up after 30 seconds or 1 MiB; and turns all but a 2xx answer into one error that says what happened
// and what to do. It never retries, follows or remembers anything.
import { Readable } from "node:stream";
// undici's request(), taken from the two files that it consists of: all of undici takes three times as long
// to load. undici describes its types for the whole only, hence the two lines that tell the type checker so.
import type { Dispatcher } from "undici";
// @ts-expect-error no types for a part
import requestOf from "undici/lib/api/api-request.js";
// @ts-expect-error no types for a part
import { getGlobalDispatcher } from "undici/lib/global.js";
import { clean, messageOf, say, Stop } from "./command_line.ts";
import { explain } from "./explanations.ts";
import { FLEET_API, KEY_PATH, TOKEN_HOST } from "./hosts.ts";

export interface Ask {
  url: string;
  bearer?: string; // access token or partner token
  form?: Record<string, string>; // sent by POST, as a form
  json?: object; // sent as JSON, by POST
  method?: string; // for what is neither GET nor POST
  ownHost?: string; // an address of the owner's own: TESLA_PROXY_URL, or https://TESLA_DOMAIN
  moves?: boolean; // makes the car do something: if the answer is lost, nobody knows whether it did
}

function refuseWrongHost(ask: Ask): void {
  if (getGlobalDispatcher().constructor.name === "EnvHttpProxyAgent") { // Node's, with NODE_USE_ENV_PROXY=1
    throw new Stop(5, "the environment puts a proxy in between: unset NODE_USE_ENV_PROXY; nothing was sent");
  }
  const { origin, hostname, pathname } = new URL(ask.url);
  const own = ask.ownHost !== undefined && origin === new URL(ask.ownHost).origin;
  if (own && /(^|\.)tesla\.(com|cn)\.?$/.test(hostname)) {
    throw new Stop(5, `${origin} is Tesla's; TESLA_PROXY_URL or TESLA_DOMAIN must be your own; nothing sent`);
  }
  if (Object.values(TOKEN_HOST).includes(origin) && ask.form && !ask.bearer) return;
  if (Object.values(FLEET_API).includes(origin) && ask.bearer && !ask.form) return;
  if (own && ask.bearer && ask.moves && !ask.form) return; // your proxy: the token, with a command only
  if (own && pathname === KEY_PATH && !ask.bearer && !ask.form && !ask.json) return; // your key: no secret
  throw new Stop(1, `refused to call ${origin}: lib/hosts.ts does not list it for this; nothing was sent`);
}

// Cuts out what a text quotes back of the secrets that were sent, in every usual spelling.
function withoutSecrets(text: string, ask: Ask): string {
  const { client_secret, refresh_token, code, code_verifier } = ask.form ?? {};
  for (const secret of [ask.bearer, client_secret, refresh_token, code, code_verifier]) {
    if (!secret) continue; // its base64 depends on where in a longer text it begins: at 0, 1 or 2 of three
    const base64 = [0, 1, 2].map((at) => Buffer.from(" ".repeat(at) + secret).toString("base64")
      .slice(Math.ceil(at * 4 / 3), Math.floor((at + secret.length) * 4 / 3)));
    const json = JSON.stringify(secret).slice(1, -1);
    const form = String(new URLSearchParams({ secret })).slice("secret=".length);
    for (const spelling of [secret, encodeURIComponent(secret), form, json, ...base64]) {
      text = text.replaceAll(spelling, "[secret cut out]");
    }
  }
  return text;
}

// What an error answer says: Tesla's own words, and the txid that Tesla's support asks for.
function wordsOf(body: string, txid: unknown): string {
  let words: unknown[] = [/^\s*</.test(body) ? "a web page" : body.trim()];
  try {
    const json = Object(JSON.parse(body)) as Record<string, unknown>;
    words = [json.error, json.error_description, json.messages, json.referenceID ?? json.error_uri];
    txid = json.txid ?? txid;
  } catch {} // no JSON: the text as it is
  if (txid) words.push(`txid ${typeof txid === "object" ? "unknown" : txid}`);
  const texts = words.filter(Boolean).map((word) => (typeof word === "string" ? word : JSON.stringify(word)));
  return texts.join("; ");
}

/** Sends one request and returns the text of a 2xx answer. Throws Stop, explained, on everything else. */
export async function teslaFetch(ask: Ask): Promise<string> {
  refuseWrongHost(ask);
  const body = ask.form ? String(new URLSearchParams(ask.form)) : ask.json && JSON.stringify(ask.json);
  const method = ask.method ?? (body === undefined ? "GET" : "POST");
  let underWay = false;
  async function* bodyOnceConnected(): AsyncGenerator<Buffer> {
    underWay = true; // undici asks for the body when the connection stands: from now on it may have arrived
    yield Buffer.from(body ?? "");
  }
  const url = new URL(ask.url);
  say(`${method} ${clean(url.href)}`);
  let status = 0;
  let words = "";
  try {
    const answer: Dispatcher.ResponseData = await requestOf.call(getGlobalDispatcher(), {
      origin: url.origin,
      path: url.pathname + url.search,
      method,
      headers: {
        "user-agent": "tesla-fleet-scripts",
        "accept-encoding": "identity", // the answer as it is, not compressed
        "content-type": ask.form ? "application/x-www-form-urlencoded" : "application/json", // on GET as well
        ...(body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) }),
        ...(ask.bearer ? { authorization: `Bearer ${ask.bearer}` } : {}),
      },
      body: body === undefined ? null : Readable.from(bodyOnceConnected()),
      signal: AbortSignal.timeout(30_000), // milliseconds
    });
    status = answer.statusCode;
    say(`    answered ${status}`);
    const parts: Buffer[] = [];
    let length = 0;
    for await (const part of answer.body) {
      length += part.length;
      if (length > 1_048_576) throw new Error("the answer is larger than 1 MiB");
      parts.push(part);
    }
    const text = Buffer.concat(parts).toString("utf8");
    if (status >= 200 && status < 300) return text;
    const wait = answer.headers["retry-after"] ?? answer.headers["ratelimit-reset"];
    words = status < 400 ? "a redirect" : wordsOf(text, answer.headers["x-txid"]);
    if (wait) words += `; wait ${wait} seconds`;
  } catch (error) {
    words = messageOf(error);
    if (status < 300) status = 0; // a good answer that broke off is no answer
  }
  words = clean(withoutSecrets(words, ask)).slice(0, 500);
  const { exit, means, todo } = explain(ask.url, status, words);
  const found = status === 0 ? words : `${url.host} answered ${status} "${words}"`;
  const isProxy = ask.ownHost !== undefined; // Tesla's own proxy says by 500 what is wrong with key or car
  const isLost = status === 0 || (status >= 500 && (exit === 1 || (status !== 503 && !isProxy)));
  if (ask.moves && underWay && isLost) throw lostAnswer(found);
  throw new Stop(exit, `${means}: ${found}; ${todo}`, status);
}

/** The error for a command of which nobody knows whether the car has carried it out. */
export function lostAnswer(found: string): Stop {
  return new Stop(8, `unknown outcome, it may have been done or not: ${found}; it was not sent again; `
    + "look with read_charge or at the car before you repeat it");
}

/** As teslaFetch, for an answer in JSON: the object, without the bearer token where Tesla quotes it. */
export async function teslaJson(ask: Ask): Promise<Record<string, unknown>> {
  const text = await teslaFetch(ask);
  try {
    let json: Record<string, unknown> | null = JSON.parse(text);
    if (ask.bearer) json = JSON.parse(withoutSecrets(JSON.stringify(json), ask)); // so no \uXXXX hides one
    if (typeof json === "object" && json !== null && !Array.isArray(json)) return json;
  } catch {} // the parser's words would quote the answer, which may hold a token
  const what = /^\s*</.test(text) ? "a web page, as firewalls do" : "no JSON object";
  if (ask.moves) throw lostAnswer(`the answer is ${what}`);
  throw new Stop(1, `cannot read the answer: ${new URL(ask.url).host} sent ${what}; try again, or elsewhere`);
}
