// All network requests go through this file. Each kind of place has its own function, which builds the address
// itself and takes only the secrets that belong there. What came of a request is decided here, from facts:
//
//   answered   2xx, and the body can be read
//   refused    an answer that says that it was not carried out: 3xx, 4xx, 501, and a 503 that names the vehicle
//              or says that no server was reached
//   not sent   the connection never stood: name look-up, connect, TLS
//   unknown    sent, and no usable answer came
//
// Unknown is exit code 8 for what makes something happen, and 1 for what only reads. All functions throw Failure.
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { request } from "undici";
import { failureFor, unknownOutcome } from "./advice.ts";
import { asRecord, clean, localTime, messageOf, say } from "./command_line.ts";
import { FLEET_API, KEY_PATH, TOKEN_HOST, type Region } from "./hosts.ts";
import { readSettings } from "./settings.ts";
import { claimsOf } from "./token_claims.ts";

const SHOWN = ["error", "error_description", "messages", "reason", "txid"]; // of an error answer
const NOT_SECRET = ["grant_type", "client_id", "audience", "scope", "redirect_uri"]; // of a form
const NOT_REACHED = /vehicle (is )?(not available|unavailable|offline)|no healthy upstream/i; // of a 503
const TIMED_OUT = /time.?out|timed.?out|deadline exceeded/i; // of a 503: it may have reached the car all the same
const NEVER_CONNECTED =
  /^(ENOTFOUND|EAI_|UND_ERR_CONNECT_TIMEOUT|ERR_TLS|ERR_SSL|EPROTO|CERT_|UNABLE_TO_|DEPTH_ZERO|SELF_SIGNED)/;
// Requests that only look, or that may be repeated without harm, though they are no GET.
const ONLY_READS = /\/oauth2\/v3\/token$|\/vehicles\/fleet_status$|\/fleet_telemetry_config/;

interface Extras {
  json?: object;
  method?: string;
  handshake?: true; // a POST that only asks the car for its session info
}
interface Outgoing extends Extras {
  method: string;
  form?: Record<string, string>;
  bearer?: string;
}
interface Incoming {
  status: number; // 0 if no answer came
  text: string;
  headers: Record<string, unknown>;
  problem: string; // why no answer came, or why it cannot be read
  neverConnected: boolean;
}

/** The token host: a form with the client secret, the authorization code or the refresh token. */
export async function askTokenHost(region: Region, form: Record<string, string>): Promise<unknown> {
  return send(`${TOKEN_HOST[region]}/oauth2/v3/token`, { method: "POST", form });
}

/** Fleet API, below /api/1/: the access token or the partner token. With `json` it is a POST by default. */
export async function askFleetApi(
  region: Region,
  path: string,
  bearer: string,
  extras: Extras = {},
): Promise<unknown> {
  const method = extras.method ?? (extras.json ? "POST" : "GET");
  return send(`${FLEET_API[region]}/api/1/${path}`, { ...extras, method, bearer });
}

/** Your own domain, TESLA_DOMAIN: no secret. Returns what it serves where your public key should be. */
export async function askDomain(): Promise<string> {
  const { TESLA_DOMAIN } = readSettings(["TESLA_DOMAIN"]);
  return String(await send(`https://${TESLA_DOMAIN}${KEY_PATH}`, { method: "GET" }));
}

// One request, and what came of it: the answer, as JSON but for the owner's domain, or an error.
async function send(url: string, outgoing: Outgoing): Promise<unknown> {
  const { method, form = {}, bearer = "", handshake } = outgoing;
  const { host, pathname } = new URL(url);
  const incoming = await exchange(url, outgoing);
  incoming.text = withoutSecret(incoming.text, bearer);
  let value: unknown = incoming.text;
  try {
    if (pathname !== KEY_PATH) value = JSON.parse(incoming.text);
  } catch {
    incoming.problem ||= "the answer is not JSON"; // the parser's own words would quote it
  }
  const outcome = outcomeOf(incoming);
  if (outcome === "answered") return value;

  const { status, text, headers, problem } = incoming;
  const secrets = Object.entries(form).filter(([name]) => !NOT_SECRET.includes(name));
  const shown = status > 0 ? `${status} from ${host}${wordsOf(asRecord(value))}` : `no answer from ${host}`;
  const why = status === 0 || outcome === "unknown" ? problem && `: ${problem}` : "";
  const found = secrets
    .reduce((words, [, secret]) => withoutSecret(words, secret), `${shown}${why}`)
    .slice(0, 500);
  const makesSomethingHappen = method !== "GET" && !handshake && !ONLY_READS.test(pathname);
  if (outcome === "unknown" && makesSomethingHappen) throw unknownOutcome(found, pathname);
  const { scopes } = claimsOf({ access_token: bearer });
  throw failureFor(url, status, text, found, waitOf(headers, text), scopes);
}

// What came of a request, from facts alone.
function outcomeOf({ status, text, problem, neverConnected }: Incoming) {
  if (status === 0) return neverConnected ? "not sent" : "unknown";
  if (status >= 200 && status < 300) return problem === "" ? "answered" : "unknown";
  if ((status >= 300 && status < 500) || status === 501) return "refused";
  const isRefused = status === 503 && NOT_REACHED.test(text) && !TIMED_OUT.test(text);
  return isRefused ? "refused" : "unknown";
}

// Sends one request, never again, and reads the answer. undici's request() follows no redirect.
async function exchange(url: string, { method, form, json, bearer }: Outgoing): Promise<Incoming> {
  const headers: Record<string, string> = { "user-agent": "tesla-fleet-scripts" };
  headers["content-type"] = form ? "application/x-www-form-urlencoded" : "application/json"; // on GET too
  if (bearer) headers.authorization = `Bearer ${bearer}`;
  const body = form ? String(new URLSearchParams(form)) : json && JSON.stringify(json);
  const incoming: Incoming = { status: 0, text: "", headers: {}, problem: "", neverConnected: false };
  let isSent = false;
  const onSent = (): void => {
    isSent = true;
  };
  subscribe("undici:client:sendHeaders", onSent); // undici says so before the first byte of a request leaves
  process.stderr.write(`${method} ${clean(url)}  `);
  try {
    const answer = await request(url, { method, headers, body, signal: AbortSignal.timeout(30_000) });
    incoming.status = answer.statusCode;
    incoming.headers = answer.headers;
    const decoder = new TextDecoder();
    for await (const part of answer.body) {
      incoming.text += decoder.decode(part, { stream: true });
      if (incoming.text.length > 1_048_576) throw new Error("the answer is larger than 1 MiB");
    }
  } catch (error) {
    incoming.problem = clean(messageOf(error) || asRecord(error).code);
    incoming.neverConnected = !isSent && hasNotConnected(error);
  }
  unsubscribe("undici:client:sendHeaders", onSent);
  say(incoming.status > 0 ? String(incoming.status) : "no answer");
  return incoming;
}

function hasNotConnected(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.every(hasNotConnected); // one for each address tried
  const { code, syscall, message } = asRecord(error);
  const isTls = String(message).includes("before secure TLS connection");
  return syscall === "connect" || isTls || NEVER_CONNECTED.test(String(code));
}

// What may be printed of an error answer: Tesla's named fields.
function wordsOf(answer: Record<string, unknown>): string {
  const words = SHOWN.filter((name) => answer[name]).map((name) => clean(answer[name]));
  return words.length > 0 ? ` "${words.join("; ")}"` : "";
}

// The text without the secret, however a server may spell it: in another case, with percent signs, escaped for
// JSON or HTML, in base64 or in hex, and with invisible characters in between.
function withoutSecret(text: string, secret: string): string {
  if (secret === "") return text;
  const letters = secret.split("").map((letter) => {
    const code = letter.charCodeAt(0);
    const hex = code.toString(16);
    const literal = `\\u${hex.padStart(4, "0")}`;
    return `(?:\\\\{0,4}${literal}|%(?:25){0,4}${hex}|\\\\{1,4}[ux]0{0,4}${hex}|&#(?:x0{0,4}${hex}|0{0,4}${code});)`;
  });
  const bytes = Buffer.from(secret);
  const spellings = [letters.join("[^!-~]*"), bytes.toString("base64url"), bytes.toString("hex")];
  return text.replace(new RegExp(spellings.join("|"), "gi"), "[secret removed]");
}

// How long Tesla asks to wait: a header gives seconds or a date, a plain text gives seconds.
function waitOf(headers: Record<string, unknown>, text: string): string {
  const reset = Object.keys(headers).find((name) => /^ratelimit-(.+-)?reset$/.test(name)) ?? "";
  const [, inText] = /retry in (\d+) second/i.exec(text) ?? [];
  const value = clean(headers["retry-after"] ?? inText ?? headers[reset] ?? "");
  const seconds = /^\d+(\.\d+)?$/.test(value) ? Number(value) : Number.NaN;
  const isDelay = seconds < 1e9; // a larger number is a time in seconds since 1970
  const time = isDelay
    ? Date.now() + seconds * 1000
    : Number.isNaN(seconds)
      ? Date.parse(value)
      : seconds * 1000;
  if (!(Math.abs(time) < 8.64e15)) return ""; // none, or beyond what a Date can hold
  return `${isDelay ? `${value} seconds, ` : ""}until ${localTime(new Date(time))}`;
}
