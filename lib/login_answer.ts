// Tesla's answer to a login: it comes back through the owner's browser, or is pasted, whichever is first.
import { createHash, timingSafeEqual } from "node:crypto";
import type { ServerResponse } from "node:http";
import { createInterface } from "node:readline";
import { say, Stop } from "./command_line.ts";
import { explain } from "./explanations.ts";
import { answerPage, listenOnLoopback } from "./loopback_server.ts";

const MINUTES = 5;
const LOOPBACK = new Map([
  ["localhost", ["127.0.0.1", "::1"]], // a browser takes either
  ["127.0.0.1", ["127.0.0.1"]],
  ["[::1]", ["::1"]],
]);

export interface LoginAnswer {
  code: string; // the authorization code
  tellBrowser: (status: number, text: string) => Promise<void>; // to be called once: it waits for the end
}

/** Says `request` once all is ready, and waits for the answer that carries `state`. What belongs to another
 * login is refused, and the wait goes on; parameters besides code and state are ignored. Throws Stop when
 * Tesla says no, on Ctrl-C, and after five minutes. */
export async function loginAnswer(redirectUri: string, state: string, request: string): Promise<LoginAnswer> {
  const redirect = new URL(redirectUri);
  const addresses = redirect.protocol === "http:" ? LOOPBACK.get(redirect.hostname) ?? [] : [];
  let decide = (answer: LoginAnswer): void => {};
  let giveUp = (error: Stop): void => {};
  const decided = new Promise<LoginAnswer>((resolve, reject) => [decide, giveUp] = [resolve, reject]);
  let isDecided = false;

  async function judge(query: URLSearchParams, page?: ServerResponse): Promise<void> {
    const tell = async (status: number, text: string): Promise<void> => {
      if (page) await answerPage(page, status, text);
    };
    const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
    const ours = timingSafeEqual(digest(query.get("state") ?? ""), digest(state)); // in constant time
    const refusal = `${query.get("error") ?? ""} ${query.get("error_description") ?? ""}`.trim();
    const code = ours ? query.get("code") ?? "" : "";
    if (isDecided) {
      await tell(404, "There is nothing here.");
    } else if (refusal !== "" && (ours || !query.has("state"))) { // Tesla's errors may come without state
      isDecided = true;
      await tell(400, "Tesla did not log you in. The terminal says why.");
      const { exit, means, todo } = explain("login page", 0, refusal);
      giveUp(new Stop(exit, `${means}: Tesla's page says "${refusal.slice(0, 300)}"; ${todo}`));
    } else if (code !== "") {
      isDecided = true;
      decide({ code, tellBrowser: (status, text) => tell(status, text).then(close) });
    } else {
      say("that is not the answer to this login: its state or its code is not right; still waiting");
      await tell(400, "This is not the answer to the login that the terminal waits for.");
    }
  }

  const end = (why: string) => (): void => {
    if (!isDecided) giveUp(new Stop(2, `${why}; nothing was saved`));
  };
  const cancel = end("login cancelled");
  process.once("SIGINT", cancel);
  const close = await listenOnLoopback(addresses, Number(redirect.port || 80), (visit, response) => {
    const [path, query] = (visit.url ?? "").split("?");
    const named = /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/.test(visit.headers.host ?? "");
    const expected = visit.method === "GET" && path === redirect.pathname && named;
    if (expected) void judge(new URLSearchParams(query), response);
    else void answerPage(response, 404, "There is nothing here.");
  });
  const timer = setTimeout(end(`no answer within ${MINUTES} minutes; run get_token again`), MINUTES * 60_000);
  const pasted = createInterface({ input: process.stdin });
  pasted.on("line", (line) => {
    // Cut out of whatever stands around it: the address, quotes, marks of the terminal.
    const [query] = /\b(code|state|error)=[^\s"'`<>#\u001b\u0080-\uffff]*/.exec(line) ?? [""];
    void judge(new URLSearchParams(query));
  });
  if (addresses.length === 0) pasted.on("close", end("nothing was pasted"));
  say(request);
  try {
    return await decided;
  } finally {
    clearTimeout(timer);
    process.off("SIGINT", cancel);
    pasted.close();
    process.stdin.destroy();
  }
}
