// All network requests go through this file. Each kind of place has its own function, which builds the
// address itself and takes only the secrets that belong there. What became of a request is decided here,
// from facts:
//
//   answered   2xx, and the body can be read
//   refused    an answer saying that it was not carried out: 3xx, 4xx, 501, and a 503 that names the
//              vehicle or says that no server was reached
//   not sent   no connection was made: name look-up, connect or TLS failed
//   unknown    sent, and no usable answer came
//
// Unknown is exit code 8 for what makes something happen, 1 for what only reads. All functions throw Failure.
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { request } from "undici";
import { failureFor, fits, NOT_REACHED, TIMED_OUT, unknownOutcome } from "./advice.ts";
import { asRecord, clean, localTime, messageOf, say } from "./command_line.ts";
import { FLEET_API, KEY_PATH, TOKEN_HOST, type Region } from "./hosts.ts";
import { readSettings } from "./settings.ts";
import { claimsOf } from "./token_claims.ts";

const SHOWN = ["error", "error_description", "messages", "reason"]; // of an error answer
const NOT_SECRET = ["grant_type", "client_id", "audience", "scope", "redirect_uri"]; // of a form
// One character in another spelling: %41, \u0041, \x41, &#x41;, &#65; or &amp;
const SPELLED =
  /(?:%|\\{1,4}[ux]0{0,2})([0-9a-f]{2})|&#x0*([0-9a-f]{2});?|&#0*(\d{2,3});?|&(amp|lt|gt|quot|apos);/gi;
// biome-ignore format: a table of words
const NAMED = new Map([["amp", "&"], ["lt", "<"], ["gt", ">"], ["quot", '"'], ["apos", "'"]]);
const NEVER_CONNECTED =
  /^(E(NOTFOUND|AI_|PERM|ACCES|PROTO)|ERR_(TLS|SSL|ACCESS)|UND_ERR_CONNECT|CERT_|UNABLE_|DEPTH_|SELF_)/;
// Requests that only read or are safe to repeat, although they are not GETs: a refresh token works for 24
// hours more if the answer is lost, and a telemetry configuration is the same the second time.
const SAFE_TO_REPEAT =
  /^\/oauth2\/v3\/token$|^\/api\/1\/vehicles\/(fleet_status|([^/]+\/)?fleet_telemetry_[a-z_]+)$/;

// `handshake` marks a POST that only asks the car for its session info; `scope` is what the token must allow,
// for an error to name.
type Extras = { json?: object; method?: string; handshake?: true; scope?: string };
type Outgoing = Extras & { method: string; form?: Record<string, string>; bearer?: string };
type Fields = Record<string, unknown>;
// `status` is 0 if no answer came; `problem` says why, or why it cannot be read.
type Incoming = { status: number; text: string; headers: Fields; problem: string; neverConnected: boolean };

/** The token host: a form with the client secret, the authorization code or the refresh token. */
export async function askTokenHost(region: Region, form: Record<string, string>): Promise<unknown> {
  return send(`${TOKEN_HOST[region]}/oauth2/v3/token`, { method: "POST", form });
}

/** Fleet API, below /api/1/: the access token or the partner token. With `json` it is a POST by default. */
export async function askFleetApi(region: Region, path: string, bearer: string, extras: Extras = {}) {
  const method = extras.method ?? (extras.json ? "POST" : "GET");
  return send(`${FLEET_API[region]}/api/1/${path}`, { ...extras, method, bearer });
}

/** Your own domain, TESLA_DOMAIN: no secret. Returns what it serves where your public key should be. */
export async function askDomain(): Promise<string> {
  const { TESLA_DOMAIN } = readSettings(["TESLA_DOMAIN"]);
  return String(await send(`https://${TESLA_DOMAIN}${KEY_PATH}`, { method: "GET" }));
}

// One request, and what became of it: the answer (as JSON, except from the owner's domain) or an error.
async function send(url: string, outgoing: Outgoing): Promise<unknown> {
  const { method, form = {}, bearer = "", handshake, scope } = outgoing;
  const { host, pathname } = new URL(url);
  const incoming = await exchange(url, outgoing);
  incoming.text = withoutSecret(incoming.text, bearer);
  let value: unknown = incoming.text;
  try {
    if (incoming.status === 204)
      value = null; // done, and nothing to say
    else if (pathname !== KEY_PATH) value = JSON.parse(incoming.text);
  } catch {
    incoming.problem ||= "the answer is not JSON"; // the parser's own words would quote it
  }
  const outcome = outcomeOf(incoming);
  if (outcome === "answered") return value;

  const { status, text, headers, problem } = incoming;
  const secrets = Object.entries(form).flatMap(([name, value]) => (NOT_SECRET.includes(name) ? [] : [value]));
  const fields = asRecord(value);
  let words = wordsOf(fields);
  let txid = clean(fields.txid ?? ""); // Tesla's support asks for it
  for (const secret of [bearer, ...secrets]) {
    words = withoutSecret(words, secret);
    txid = withoutSecret(txid, secret);
  }
  const quoted = words === "" ? "" : ` "${words.slice(0, 400)}"`;
  const why = problem === "" || outcome === "refused" ? "" : ` (${problem})`;
  const reference = txid && `; txid ${txid.slice(0, 60)}`;
  const found = `${status > 0 ? status : "no answer"}${quoted} from ${host}${why}${reference}`;
  const makesSomethingHappen = method !== "GET" && !handshake && !SAFE_TO_REPEAT.test(pathname);
  if (outcome === "unknown" && makesSomethingHappen) throw unknownOutcome(found, pathname);
  const scopes = { granted: claimsOf({ access_token: bearer }).scopes, needed: scope };
  throw failureFor(url, incoming, found, waitOf(headers, text), scopes);
}

// What became of a request, from facts alone.
function outcomeOf({ status, text, problem, neverConnected }: Incoming) {
  if (status === 0) return neverConnected ? "not sent" : "unknown";
  if (status >= 200 && status < 300) return problem === "" ? "answered" : "unknown";
  if ((status >= 300 && status < 500) || status === 501) return "refused";
  const isRefused = status === 503 && fits(NOT_REACHED, text) && !fits(TIMED_OUT, text);
  return isRefused ? "refused" : "unknown";
}

// Sends one request, never again, and reads the answer. undici's request() follows no redirect.
async function exchange(url: string, { method, form, json, bearer }: Outgoing): Promise<Incoming> {
  const type = form ? "application/x-www-form-urlencoded" : "application/json"; // on GET too
  const headers: Record<string, string> = { "user-agent": "tesla-fleet-scripts", "content-type": type };
  if (bearer) headers.authorization = `Bearer ${bearer}`;
  const body = form ? String(new URLSearchParams(form)) : json && JSON.stringify(json);
  const incoming: Incoming = { status: 0, text: "", headers: {}, problem: "", neverConnected: false };
  const seen: string[] = []; // what undici did
  const onConnect = (): unknown => seen.push("connects");
  const onSent = (message: unknown): void => {
    const { method: sent } = asRecord(asRecord(message).request);
    if (sent !== "CONNECT") seen.push("sends"); // CONNECT goes to a proxy
  };
  // undici says so before the first byte of a request leaves: that decides between "not sent" and "unknown"
  subscribe("undici:client:beforeConnect", onConnect);
  subscribe("undici:client:sendHeaders", onSent);
  process.stderr.write(`${method} ${withoutSecret(clean(url), bearer ?? "")}  `);
  const signal = AbortSignal.timeout(30_000);
  let onLimit = (): void => {};
  const limit = new Promise<never>((_, reject) => {
    onLimit = () => reject(signal.reason);
    signal.addEventListener("abort", onLimit); // undici heeds it only once it is connected
  });
  try {
    const answer = await Promise.race([request(url, { method, headers, body, signal }), limit]);
    incoming.status = answer.statusCode;
    incoming.headers = answer.headers;
    const decoder = new TextDecoder();
    for await (const part of answer.body) {
      incoming.text += decoder.decode(part, { stream: true });
      if (incoming.text.length > 1_048_576) throw new Error("the answer is larger than 1 MiB");
    }
  } catch (error) {
    incoming.problem = clean(messageOf(error) || asRecord(error).code);
    incoming.neverConnected =
      !seen.includes("sends") && (seen.includes("connects") || hasNotConnected(error));
  }
  signal.removeEventListener("abort", onLimit); // it would keep Deno running
  unsubscribe("undici:client:beforeConnect", onConnect);
  unsubscribe("undici:client:sendHeaders", onSent);
  say(incoming.status > 0 ? String(incoming.status) : "no answer");
  return incoming;
}

function hasNotConnected(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.every(hasNotConnected); // one per address
  const { code, syscall, message } = asRecord(error);
  const isTls = String(message).includes("before secure TLS connection");
  return syscall === "connect" || isTls || NEVER_CONNECTED.test(String(code));
}

// What may be printed of an error answer: Tesla's named fields.
function wordsOf(answer: Record<string, unknown>): string {
  return SHOWN.filter((name) => answer[name])
    .map((name) => clean(answer[name]))
    .join("; ");
}

// The text without the secret. If the secret is in it in another spelling (in another case, with percent
// signs, escaped for JSON or HTML, in base64 or hex, with invisible characters in between), the whole text
// is dropped.
function withoutSecret(text: string, secret: string): string {
  if (secret.length < 4) return text; // no secret is so short
  const rest = text.replaceAll(secret, "[secret removed]");
  const whole = [bare(secret), bare(decoded(secret))]; // it may itself look encoded
  const bytes = Buffer.from(secret);
  const base64 = [0, 1, 2].map((shift) => {
    const form = Buffer.concat([Buffer.alloc(shift), bytes]).toString("base64");
    return bare(form.slice(4, -4)); // the ends depend on what is beside it
  });
  const isShort = text.length < 2000 && secret.length > 15; // then a server may have cut the secret short
  const parts = isShort ? whole.flatMap((form) => form.match(/.{12}/g) ?? []) : [];
  const forms = [...whole, ...parts, ...base64, bytes.toString("hex")];
  const places = [bare(rest), bare(decoded(rest))];
  const isThere = forms.some((form) => form.length > 3 && places.some((place) => place.includes(form)));
  return isThere ? "[removed: it holds a secret]" : rest;
}

// The text with each character as itself, where it was spelled out (%41), once or several times over.
function decoded(text: string): string {
  let now = text;
  for (let layer = 0; layer < 5; layer++)
    now = now.replace(/[^!-~]+/g, "").replace(SPELLED, (_, hex, inHtml, decimal, name) => {
      if (name !== undefined) return NAMED.get(name.toLowerCase()) ?? "";
      return String.fromCharCode(decimal ?? Number.parseInt(hex ?? inHtml, 16));
    });
  return now;
}

// The text as it is compared: in lower case, without invisible characters, backslashes, and the marks in
// which kinds of base64 differ.
function bare(text: string): string {
  return text.replace(/[^!-~]+|[\\+/_-]/g, "").toLowerCase();
}

// How long Tesla asks to wait: a header gives seconds or a date, a plain text gives seconds.
function waitOf(headers: Fields, text: string): string {
  const reset = Object.keys(headers).find((name) => /^ratelimit-(.+-)?reset$/.test(name)) ?? "";
  const [, inText] = /retry in (\d+) second/i.exec(text) ?? [];
  const value = clean(headers["retry-after"] ?? inText ?? headers[reset] ?? "");
  const isNumber = /^\d{1,10}(\.\d{1,10})?$/.test(value);
  const isDelay = isNumber && Number(value) < 1e9; // a larger number is a time in seconds since 1970
  const isDate = /^(\w{3}, \d\d \w{3} \d{4} |\d{4}-\d\d-\d\dT)/.test(value);
  const time = isNumber ? Number(value) * 1000 + (isDelay ? Date.now() : 0) : isDate ? Date.parse(value) : 0;
  if (!(time >= Date.now() - 1000)) return ""; // none, or past
  return `${isDelay ? `${Math.ceil(Number(value))} seconds, ` : ""}until ${localTime(new Date(time))}`;
}
