// The one door to the network: every request of every script leaves through this file. Each place has its own
// function, which builds the address itself and takes only the secrets that belong there. All throw Stop.
import { request } from "undici";
import { clean, messageOf, say, Stop, unknownOutcome } from "./command_line.ts";
import { stopFor } from "./explanations.ts";
import { FLEET_API, KEY_PATH, TOKEN_HOST } from "./hosts.ts";

type Json = Record<string, unknown>;
interface Extras { json?: object; method?: string; moves?: boolean } // moves: it makes the car do something
interface Content extends Extras { bearer?: string; form?: Record<string, string> }
const SHOWN = ["error", "error_description", "messages", "reason", "txid"]; // of an error answer
const NOT_CONNECTED = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|UNREACH|CONNECT_TIMEOUT|CERT|SIGNATURE/;

/** The token host: a form with the client secret, the authorization code or the refresh token. */
export async function askTokenHost(region: string, form: Record<string, string>) {
  return parse(await send(`${TOKEN_HOST[region]}/oauth2/v3/token`, { form }));
}

/** Fleet API, below /api/1/: the access token or the partner token. With `json` it is a POST by default. */
export async function askFleetApi(region: string, path: string, bearer: string, extras: Extras = {}) {
  return parse(await send(`${FLEET_API[region]}/api/1/${path}`, { ...extras, bearer }), extras.moves);
}

/** Your own command proxy: the access token, with a command only. */
export async function askProxy(url: string, path: string, bearer: string, json: object) {
  return parse(await send(`${new URL(url).origin}/api/1/${path}`, { bearer, json, moves: true }), true);
}

/** Your own domain: no secret. Returns what it shows where your public key should be. */
export async function askDomain(domain: string) {
  return send(`https://${domain}${KEY_PATH}`, {});
}

function parse(text: string, moves = false): Json {
  try {
    return Object(JSON.parse(text));
  } catch { // the parser's own words would quote the answer, which may hold a token
    const what = "the answer is not JSON; it may be a firewall's web page";
    throw moves ? unknownOutcome(what) : new Stop(1, `${what}; try again later`);
  }
}

// One request, never repeated. undici's request() follows no redirect: it is an error like all but a 2xx.
async function send(url: string, content: Content): Promise<string> {
  const { form, json, bearer, moves, method = (form || json) ? "POST" : "GET" } = content;
  const body = form ? String(new URLSearchParams(form)) : json && JSON.stringify(json);
  const headers: Record<string, string> = { "user-agent": "tesla-fleet-scripts" };
  headers["content-type"] = form ? "application/x-www-form-urlencoded" : "application/json"; // on GET too
  if (bearer) headers.authorization = `Bearer ${bearer}`;
  say(`${method} ${clean(url)}`);
  let [status, text, found] = [0, "", ""];
  try {
    const answer = await request(url, { method, headers, body, signal: AbortSignal.timeout(30_000) });
    say(`    answered ${answer.statusCode}`);
    const decoder = new TextDecoder();
    for await (const part of answer.body) {
      text += decoder.decode(part, { stream: true });
      if (text.length > 1_048_576) throw new Error("the answer is larger than 1 MiB");
    }
    status = answer.statusCode;
    found = `${new URL(url).host} answered ${status}${shownOf(text, answer.headers["retry-after"])}`;
  } catch (error) {
    found = messageOf(error) || Object(error).code;
    if (moves && !NOT_CONNECTED.test(Object(error).code)) throw unknownOutcome(found);
  }
  if (status >= 200 && status < 300) return bearer ? text.replaceAll(bearer, "[secret removed]") : text;
  for (const secret of [bearer, form?.client_secret, form?.refresh_token, form?.code, form?.code_verifier]) {
    if (secret) found = found.replaceAll(secret, "[secret removed]");
  }
  const stop = stopFor(url, status, text, found.slice(0, 500));
  throw moves && status >= 500 && stop.exitCode === 1 ? unknownOutcome(found.slice(0, 500)) : stop;
}

// What may be printed of an error answer: Tesla's named fields, and how long to wait.
function shownOf(text: string, wait: unknown): string {
  let fields: Json = {};
  try { fields = Object(JSON.parse(text)); } catch {} // no JSON: nothing of it
  const words = SHOWN.filter((name) => fields[name]).map((name) => clean(fields[name])).join("; ");
  return `${words && ` "${words}"`}${wait ? `, retry after ${clean(wait)} seconds` : ""}`;
}
