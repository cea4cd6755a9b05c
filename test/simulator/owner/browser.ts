// Plays the owner's browser: opens the login page over HTTPS, fills in its forms as they come, and stops at
// the redirect, which it returns without visiting it. It reads the pages with patterns, which is enough for
// our own HTML.

import { request } from "node:https";

/** Scopes to tick (default: the boxes as the page has them), or cancel at the first chance. */
export interface ConsentOptions {
  tick?: string[];
  cancel?: boolean;
}

interface Page {
  status: number;
  location: string;
  body: string;
}

function fetchPage(
  server: { port: number; ca: string },
  address: URL,
  form?: URLSearchParams,
): Promise<Page> {
  return new Promise((resolve, reject) => {
    const headers: Record<string, string> = { host: address.host };
    if (form !== undefined) headers["content-type"] = "application/x-www-form-urlencoded";
    const outgoing = request(
      {
        host: "127.0.0.1",
        port: server.port,
        servername: address.hostname,
        ca: server.ca,
        agent: false,
        headers,
        method: form === undefined ? "GET" : "POST",
        path: address.pathname + address.search,
        timeout: 10_000,
      },
      (answer) => {
        let body = "";
        answer.setEncoding("utf8");
        answer.on("data", (text: string) => {
          body += text;
        });
        answer.on("end", () =>
          resolve({ status: answer.statusCode ?? 0, location: answer.headers.location ?? "", body }),
        );
      },
    );
    outgoing.on("timeout", () => outgoing.destroy(new Error("the login page does not answer")));
    outgoing.on("error", reject);
    outgoing.end(form?.toString());
  });
}

function unescapeHtml(text: string): string {
  return text
    .replaceAll("&quot;", '"')
    .replaceAll("&#39;", "'")
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&amp;", "&");
}

/** The text that a person sees, for error messages and tests. */
export function pageText(body: string): string {
  const text = body.replace(/<style>[^]*?<\/style>|<title>[^]*?<\/title>/g, "").replace(/<[^>]+>/g, " ");
  return unescapeHtml(text).replace(/\s+/g, " ").trim();
}

function fillIn(body: string, choice: ConsentOptions): URLSearchParams {
  const form = new URLSearchParams();
  for (const [input] of body.matchAll(/<input[^>]*>/g)) {
    const attribute = (name: string) =>
      unescapeHtml(new RegExp(`\\b${name}="([^"]*)"`).exec(input)?.[1] ?? "");
    const value = attribute("value");
    const isBox = attribute("type") === "checkbox";
    const isTicked = choice.tick === undefined ? / checked>/.test(input) : choice.tick.includes(value);
    if (!isBox || isTicked) form.append(attribute("name"), value);
  }
  const isConsent = form.get("step") === "consent";
  form.append("action", choice.cancel === true ? "cancel" : isConsent ? "allow" : "next");
  return form;
}

/** The address that the browser would be sent to. Throws with the page's own text if it goes no further. */
export async function playConsent(
  server: { port: number; ca: string },
  authorizeUrl: string,
  choice: ConsentOptions,
): Promise<string> {
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
