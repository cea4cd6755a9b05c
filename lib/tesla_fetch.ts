// The one door to the network: every request of every script leaves through this file.
//
// In order: it refuses a host that lib/hosts.ts does not list, and a secret that does not belong there; prints
// METHOD URL and later the status on stderr (never a header or a body); sends the request once; refuses
// redirects; gives up after 30 seconds or 1 MiB; and turns every answer but 2xx into one error that says what
// happened and what to do. It never retries, follows, or remembers anything.
import { Readable } from "node:stream";
import { request } from "undici";
import { clean, messageOf, say, Stop } from "./command_line.ts";
import { explain } from "./explanations.ts";
import { FLEET_API, KEY_PATH, TOKEN_HOST } from "./hosts.ts";

const MAX_SECONDS = 30;
const MAX_BYTES = 1_048_576;
const LOST = 8; // exit code: nobody knows whether the car has done it

export interface Ask {
  url: string;
  bearer?: string; // access token or partner token: for Fleet API and the owner's proxy only
  form?: Record<string, string>; // sent by POST, as a form: for the token host only
  json?: object; // sent by POST, as JSON
  ownHost?: string; // an address of the owner's own: TESLA_PROXY_URL, or https://TESLA_DOMAIN for the key
  moves?: boolean; // makes the car do something: if the answer is lost, nobody knows whether it did
}

function refuseWrongHost(ask: Ask): void {
  const { origin, pathname } = new URL(ask.url);
  const own = ask.ownHost !== undefined && origin === new URL(ask.ownHost).origin;
  if (Object.values(TOKEN_HOST).includes(origin) && ask.form && !ask.bearer) return;
  if (Object.values(FLEET_API).includes(origin) && ask.bearer && !ask.form) return;
  if (own && ask.bearer && ask.moves && !ask.form) return; // the proxy gets the token with a command only
  if (own && pathname === KEY_PATH && !ask.bearer && !ask.form && !ask.json) return; // the key: no secret
  throw new Stop(1, `refused to call ${origin}: lib/hosts.ts does not list it for this; nothing was sent`);
}

// Cuts out whatever Tesla's text quotes back of the secrets that were sent, in every usual spelling.
function cutOut(text: string, ask: Ask): string {
  const { client_secret, refresh_token, code, code_verifier } = ask.form ?? {};
  for (const secret of [ask.bearer, client_secret, refresh_token, code, code_verifier]) {
    if (!secret) continue;
    const base64 = Buffer.from(secret).toString("base64").replace(/=+$/, "");
    const json = JSON.stringify(secret).slice(1, -1);
    for (const spelling of [secret, encodeURIComponent(secret), json, base64]) {
      text = text.replaceAll(spelling, "[secret cut out]");
    }
  }
  return clean(text).slice(0, 500);
}

// What an error answer says, in one line: Tesla's own words, and the number Tesla's support asks for.
function wordsOf(body: string, txid: unknown): string {
  if (/^\s*</.test(body)) return "a web page";
  const words: unknown[] = [];
  try {
    const json = JSON.parse(body) as Record<string, unknown>;
    words.push(json.error, json.error_description, json.messages && JSON.stringify(json.messages));
    words.push(json.txid && `txid ${json.txid}`, json.referenceID, json.error_uri);
  } catch {
    words.push(body);
  }
  if (txid && !body.includes(String(txid))) words.push(`txid ${txid}`);
  return words.filter((word) => typeof word === "string" && word !== "").join("; ");
}

async function readBody(body: AsyncIterable<Buffer>): Promise<string> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of body) {
    length += part.length;
    if (length > MAX_BYTES) throw new Error("the answer is larger than 1 MiB");
    parts.push(part);
  }
  return Buffer.concat(parts).toString("utf8");
}

/** Sends one request; returns the text of a 2xx answer. Everything else throws Stop, explained. */
export async function teslaFetch(ask: Ask): Promise<string> {
  refuseWrongHost(ask);
  const method = ask.form || ask.json ? "POST" : "GET";
  const content = ask.form ? String(new URLSearchParams(ask.form)) : JSON.stringify(ask.json ?? null);
  let underWay = false;
  async function* bodyWhenConnected(): AsyncGenerator<Buffer> {
    underWay = true; // undici wants the body once the connection stands: from now on it may have arrived
    yield Buffer.from(content);
  }
  say(`${method} ${clean(ask.url)}`);
  let status = 0;
  let text = "";
  let words = "";
  try {
    const answer = await request(ask.url, {
      method,
      headers: {
        "user-agent": "tesla-fleet-scripts",
        "content-type": ask.form ? "application/x-www-form-urlencoded" : "application/json", // on GET too
        ...(method === "POST" ? { "content-length": String(Buffer.byteLength(content)) } : {}),
        ...(ask.bearer ? { authorization: `Bearer ${ask.bearer}` } : {}),
      },
      body: method === "POST" ? Readable.from(bodyWhenConnected()) : null,
      signal: AbortSignal.timeout(MAX_SECONDS * 1000),
    });
    status = answer.statusCode;
    say(`    answered ${status}`);
    text = await readBody(answer.body);
    if (status >= 200 && status < 300) return text;
    words = status < 400 ? "a redirect" : wordsOf(text, answer.headers["x-txid"]);
    if (answer.headers["retry-after"]) words += `; wait ${answer.headers["retry-after"]} seconds`;
  } catch (error) {
    words = messageOf(error);
    if (status < 300) status = 0; // an answer that did not come whole is no answer
  }
  words = cutOut(words, ask);
  const [, , , exit, means, todo] = explain(ask.url, status, words);
  const found = status === 0 ? words : `${new URL(ask.url).host} answered ${status} "${words}"`;
  if (ask.moves && underWay && exit === 1 && (status === 0 || status >= 500)) throw lostAnswer(found, status);
  throw new Stop(exit, `${means}: ${found}; ${todo}`, status);
}

/** The error for a command of which nobody knows whether the car has carried it out. */
export function lostAnswer(found: string, status = 0): Stop {
  return new Stop(LOST, `the answer is lost, and the car may have done it or not: ${found}; it was not sent `
    + "again; look with read_charge before you repeat it", status);
}

/** As teslaFetch, for answers in JSON: the object. */
export async function teslaJson(ask: Ask): Promise<Record<string, unknown>> {
  const text = await teslaFetch(ask);
  try {
    const json: unknown = JSON.parse(text);
    if (typeof json === "object" && json !== null && !Array.isArray(json)) return json as Record<string, unknown>;
  } catch {} // the parser's own words would quote the answer, which may hold a token
  if (ask.moves) throw lostAnswer("the answer is no JSON object");
  throw new Stop(1, `an answer that cannot be read: ${new URL(ask.url).host} sent no JSON object; try again later`);
}
