// Tesla's answer to a login: it comes back through the owner's browser, or is pasted, whichever is first.
import { createHash, timingSafeEqual } from "node:crypto";
import { EventEmitter, on } from "node:events";
import type { ServerResponse } from "node:http";
import { createInterface } from "node:readline";
import { say, Stop } from "./command_line.ts";
import { explain } from "./explanations.ts";
import { answerPage, listenOnLoopback } from "./loopback_server.ts";

const MINUTES = 5;
const LOOPBACK: Record<string, string[]> = {
  "localhost": ["127.0.0.1", "::1"], // a browser takes either
  "127.0.0.1": ["127.0.0.1"],
  "[::1]": ["::1"],
};

/** Waits for the answer that carries `state`: its authorization code, and a function that tells the
 * waiting browser how it ended. What belongs to another login is refused, and the wait goes on; parameters
 * besides code and state are ignored. Throws Stop when Tesla says no, on Ctrl-C, and after five minutes. */
export async function loginAnswer(
  redirectUri: string,
  state: string,
): Promise<{ code: string; tellBrowser: (status: number, text: string) => Promise<void> }> {
  const redirect = new URL(redirectUri);
  const addresses = redirect.protocol === "http:" ? LOOPBACK[redirect.hostname] ?? [] : [];
  const answers = new EventEmitter();
  const arriving = on(answers, "answer");
  const end = (why: string) => () => answers.emit("error", new Stop(2, `${why}; nothing was saved`));
  const close = await listenOnLoopback(addresses, Number(redirect.port || 80), (request, response) => {
    const [path, query] = (request.url ?? "").split("?");
    const named = /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/.test(request.headers.host ?? "");
    const expected = request.method === "GET" && path === redirect.pathname && named;
    if (expected) answers.emit("answer", new URLSearchParams(query), response);
    else void answerPage(response, 404, "There is nothing here.");
  });
  const pasted = createInterface({ input: process.stdin });
  pasted.on("line", (line) => answers.emit("answer", new URLSearchParams(line.trim().replace(/^.*\?/, ""))));
  if (addresses.length === 0) pasted.on("close", end("nothing was pasted"));
  process.once("SIGINT", end("login cancelled"));
  const timer = setTimeout(end(`no answer within ${MINUTES} minutes`), MINUTES * 60_000);
  try {
    for (;;) {
      const [query, page] = (await arriving.next()).value as [URLSearchParams, ServerResponse | undefined];
      const tellBrowser = async (status: number, text: string): Promise<void> => {
        if (page) await answerPage(page, status, text);
      };
      const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
      const ours = timingSafeEqual(digest(query.get("state") ?? ""), digest(state)); // in constant time
      const refusal = `${query.get("error") ?? ""} ${query.get("error_description") ?? ""}`.trim();
      if (refusal !== "" && (ours || !query.has("state"))) {
        await tellBrowser(400, "Tesla did not log you in. The terminal says why.");
        const { exit, means, todo } = explain("login page", 0, refusal);
        throw new Stop(exit, `${means}: Tesla's page says "${refusal}"; ${todo}`);
      }
      const code = ours ? query.get("code") ?? "" : "";
      if (code !== "") return { code, tellBrowser };
      say("that is not the answer to this login: its state or its code is not right; still waiting");
      await tellBrowser(400, "This is not the answer to the login that the terminal waits for.");
    }
  } finally {
    close();
    clearTimeout(timer);
    pasted.close();
    process.stdin.destroy();
  }
}
