// What belongs to the owner: the pretended domain https://DOMAIN/, and the browser that logs in.
import { request as requestPlainly } from "node:http";
import { request } from "node:https";
import { notPlanned, type World } from "../world.ts";
import { KEY_PATH, plainText, type Incoming, type Reply } from "./tesla.ts";

// ---- The domain: a file set by a test, or a tunnel to a server on this computer, or nothing ----

const TUNNEL_TIMEOUT = 5000;

function throughTunnel(port: number, method: string, path: string, headers: Record<string, string>) {
  return new Promise<Reply>((resolve) => {
    const options = { host: "127.0.0.1", port, method, path, headers, timeout: TUNNEL_TIMEOUT, agent: false };
    const outgoing = requestPlainly(options, (answer) => {
      const chunks: Buffer[] = [];
      answer.on("data", (chunk: Buffer) => chunks.push(chunk));
      answer.on("end", () => {
        const { "content-type": type, location } = answer.headers;
        const kept = { ...(type ? { "content-type": type } : {}), ...(location ? { location } : {}) };
        const body = Buffer.concat(chunks).toString("utf8");
        resolve({ status: answer.statusCode ?? 502, headers: kept, body });
      });
    });
    outgoing.on("timeout", () => outgoing.destroy(new Error("timeout")));
    // What a tunnel's own server says when nothing listens behind it.
    outgoing.on("error", () => resolve(plainText(502, "nothing answers behind the tunnel\n")));
    outgoing.end();
  });
}

/** One visit of the owner's domain, by a script or by Tesla. */
export async function visitSite(world: World, method: string, path: string, headers: Record<string, string>) {
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
type Page = { status: number; location: string; body: string };
type TeslaServer = { port: number; ca: string };

function fetchPage({ port, ca }: TeslaServer, address: URL, form?: URLSearchParams): Promise<Page> {
  return new Promise((resolve, reject) => {
    const headers: Record<string, string> = { host: address.host };
    if (form !== undefined) headers["content-type"] = "application/x-www-form-urlencoded";
    const server = { host: "127.0.0.1", port, ca, servername: address.hostname };
    const method = form === undefined ? "GET" : "POST";
    const path = address.pathname + address.search;
    const outgoing = request(
      { ...server, agent: false, timeout: 10_000, headers, method, path },
      (answer) => {
        let body = "";
        answer.setEncoding("utf8").on("data", (text: string) => {
          body += text;
        });
        const location = answer.headers.location ?? "";
        answer.on("end", () => resolve({ status: answer.statusCode ?? 0, location, body }));
      },
    );
    outgoing.on("timeout", () => outgoing.destroy(new Error("the login page does not answer")));
    outgoing.on("error", reject);
    outgoing.end(form?.toString());
  });
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
    if (page.status === 302) return page.location;
  }
  throw new Error(`the login page answered ${page.status}: ${pageText(page.body)}`);
}
