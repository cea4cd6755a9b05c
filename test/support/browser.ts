// What an owner's browser does: visits to a loopback address, and the login as far as the browser.
import { request } from "node:http";
import { freePort, type Owner, type Running, type RunOptions } from "./owner.ts";

export interface Page {
  status: number;
  headers: Record<string, string>;
  body: string;
}

/** One plain request to this machine, as the owner's browser makes it. */
export function visit(
  address: string,
  options: { method?: string; host?: string; connectTo?: string } = {},
): Promise<Page> {
  const url = new URL(address);
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        host:
          options.connectTo
          ?? (url.hostname === "localhost" ? "127.0.0.1" : url.hostname.replace(/[[\]]/g, "")),
        port: url.port,
        method: options.method ?? "GET",
        path: url.pathname + url.search,
        agent: false,
        headers: { host: options.host ?? url.host },
      },
      (answer) => {
        let body = "";
        answer.setEncoding("utf8").on("data", (text: string) => {
          body += text;
        });
        answer.on("end", () => {
          resolve({
            status: answer.statusCode ?? 0,
            headers: answer.headers as Record<string, string>,
            body,
          });
        });
        answer.on("error", reject);
      },
    );
    outgoing.setTimeout(20_000, () => outgoing.destroy(new Error("no answer")));
    outgoing.on("error", reject).end();
  });
}

/** get_token up to the moment at which it waits: the login address that it prints. */
export async function startLogin(
  owner: Owner,
  words: string[] = [],
  options: RunOptions = {},
): Promise<{ running: Running; address: string }> {
  const running = owner.start("get_token", words, options);
  const [address] = await running.said(/^https:\/\/auth\.tesla\.\S+(?=\n)/m);
  await running.said(/cancels/); // the last words before it listens
  return { running, address };
}

/** Lets get_token listen on a free port of its own, known to the simulated Tesla too. */
export async function useRedirect(owner: Owner, host = "localhost", path = "/callback"): Promise<string> {
  const redirect = `http://${host}:${await freePort()}${path}`;
  owner.simulator.account.redirectUris.push(redirect);
  owner.setSettings({ ...owner.options.settings, TESLA_REDIRECT_URI: redirect });
  return redirect;
}

/** Tries until the listener is there. */
export async function visitWhenListening(address: string, tries = 500): Promise<Page> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await visit(address);
    } catch (error) {
      if (attempt === tries || !String(error).includes("ECONNREFUSED")) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
