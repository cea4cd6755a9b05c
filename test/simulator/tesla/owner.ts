// What belongs to the owner: the pretended domain https://DOMAIN/, and the browser that logs in.
import { request as requestPlainly } from "node:http";
import { request } from "node:https";
import { fetchFrom } from "../server.ts";
import { notPlanned, type World } from "../world.ts";
import { KEY_PATH, plainText, type Incoming, type Reply } from "./tesla.ts";

// ---- The domain: a file set by a test, or a tunnel to a server on this computer, or nothing ----

async function throughTunnel(port: number, method: string, path: string, headers: Record<string, string>) {
  try {
    const options = { host: "127.0.0.1", port, method, path, headers, timeout: 5000, agent: false };
    const { status, headers: found, body } = await fetchFrom(requestPlainly(options));
    const { "content-type": type, location } = found;
    return {
      status,
      headers: { ...(type ? { "content-type": type } : {}), ...(location ? { location } : {}) },
      body,
    };
  } catch {
    // What a tunnel's own server says when nothing listens behind it.
    return plainText(502, "nothing answers behind the tunnel\n");
  }
}

/** One visit of the owner's domain, by a script or by Tesla. */
export async function visitSite(
  world: World,
  method: string,
  path: string,
  headers: Record<string, string>,
): Promise<Reply> {
  const { hosting } = world.partner;
  if (hosting.kind === "tunnel") return throughTunnel(hosting.port, method, path, headers);
  if (hosting.kind === "none" || path !== KEY_PATH) return plainText(404, "not found\n");
  const page = plainText(hosting.status ?? 200, hosting.body);
  return { ...page, headers: { ...page.headers, ...hosting.headers } };
}

export async function handleSite(world: World, incoming: Incoming): Promise<Reply> {
  const { method, headers, seen, host } = incoming;
  if (method !== "GET" && method !== "HEAD") notPlanned(world, incoming, "the owner's domain is only read");
  if (headers.authorization !== undefined) notPlanned(world, incoming, "a secret sent to the owner's domain");
  return visitSite(world, method, seen.path, { host });
}

// ---- The browser: opens the login page over HTTPS and fills in its forms, which it reads with patterns ----

/** Scopes to tick (default: the boxes as the page has them), or cancel at the first chance. */
export type ConsentOptions = { tick?: string[]; cancel?: boolean };
type TeslaServer = { port: number; ca: string };

function fetchPage({ port, ca }: TeslaServer, address: URL, form?: URLSearchParams) {
  const { host, hostname: servername, pathname, search } = address;
  const type = form === undefined ? {} : { "content-type": "application/x-www-form-urlencoded" };
  const server = { host: "127.0.0.1", port, ca, servername, agent: false, timeout: 10_000 };
  const method = form === undefined ? "GET" : "POST";
  const options = { ...server, method, path: pathname + search, headers: { host, ...type } };
  return fetchFrom(request(options), form?.toString());
}

const ENTITIES: Record<string, string> = { quot: '"', "#39": "'", lt: "<", gt: ">", amp: "&" };

function unescapeHtml(text: string): string {
  return text.replace(/&([^;]+);/g, (whole, name) => ENTITIES[name] ?? whole);
}

/** The text that a person sees, for error messages. */
function pageText(body: string): string {
  const text = body.replace(/<style>[^]*?<\/style>|<title>[^]*?<\/title>/g, "").replace(/<[^>]+>/g, " ");
  return unescapeHtml(text).replace(/\s+/g, " ").trim();
}

function fillIn(body: string, choice: ConsentOptions): URLSearchParams {
  const form = new URLSearchParams();
  for (const [input] of body.matchAll(/<input[^>]*>/g)) {
    const attribute = (name: string) =>
      unescapeHtml(new RegExp(`\\b${name}="([^"]*)"`).exec(input)?.[1] ?? "");
    const value = attribute("value");
    const isTicked = choice.tick === undefined ? / checked>/.test(input) : choice.tick.includes(value);
    if (attribute("type") !== "checkbox" || isTicked) form.append(attribute("name"), value);
  }
  const go = form.get("step") === "consent" ? "allow" : "next";
  form.append("action", choice.cancel === true ? "cancel" : go);
  return form;
}

/** The address that the browser would be sent to. Throws with the page's own text if it goes no further. */
export async function playConsent(server: TeslaServer, authorizeUrl: string, choice: ConsentOptions) {
  let page = await fetchPage(server, new URL(authorizeUrl));
  // Login, then consent; a third page would be a refusal.
  for (let step = 0; step < 2 && page.status === 200; step++) {
    const action = /<form method="post" action="([^"]*)"/.exec(page.body)?.[1];
    if (action === undefined) break;
    page = await fetchPage(server, new URL(unescapeHtml(action), authorizeUrl), fillIn(page.body, choice));
    if (page.status === 302) return page.headers.location ?? "";
  }
  throw new Error(`the login page answered ${page.status}: ${pageText(page.body)}`);
}
