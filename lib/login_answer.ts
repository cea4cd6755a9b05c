// Tesla's answer to a login. It comes back through the owner's browser or is pasted, whichever is first.
import { EventEmitter, on } from "node:events";
import { createInterface } from "node:readline";
import { say, Stop } from "./command_line.ts";
import { stopFor } from "./explanations.ts";
import { answerPage, listenOnLoopback } from "./loopback_server.ts";

const MINUTES = 5;
const LOOPBACK = new Map([
  ["localhost", ["127.0.0.1", "::1"]], // a browser takes either
  ["127.0.0.1", ["127.0.0.1"]],
  ["[::1]", ["::1"]],
]);

// Where the browser's answer can reach this machine; nowhere when the redirect URI is another machine's.
function addressesOf({ protocol, hostname }: URL): string[] {
  return protocol === "http:" ? LOOPBACK.get(hostname) ?? [] : [];
}

// Passes on what the browser brings to the redirect URI. Returns the function that ends it.
async function listenForBrowser(redirect: URL, arrivals: EventEmitter): Promise<() => void> {
  const advice = "stop what uses it, or set TESLA_REDIRECT_URI to another port, also on your app's page";
  return listenOnLoopback(addressesOf(redirect), Number(redirect.port || 80), advice, (visit, page) => {
    const [path, query] = (visit.url ?? "").split("?");
    const isExpected = visit.method === "GET" && path === redirect.pathname;
    if (isExpected) arrivals.emit("answer", new URLSearchParams(query), page);
    else void answerPage(page, 404, "There is nothing here.");
  });
}

// The authorization code, or nothing if the answer belongs to another login. Throws Stop when Tesla says no.
function codeIn(answer: URLSearchParams, state: string): string {
  const isOurs = answer.get("state") === state;
  const refusal = `${answer.get("error") ?? ""} ${answer.get("error_description") ?? ""}`.slice(0, 300);
  if (refusal !== " " && (isOurs || !answer.has("state"))) { // Tesla's errors may come without state
    throw stopFor("login page", 0, refusal, `Tesla's page says "${refusal}"`);
  }
  return isOurs ? answer.get("code") ?? "" : "";
}

/** Says `request`, waits for the answer that carries `state`, and gives its authorization code to `use`,
 * whose result the browser shows. An answer to another login is refused, and the wait goes on. Throws Stop
 * when Tesla says no, on Ctrl-C, and after five minutes. */
export async function useLoginCode(redirectUri: string, state: string, request: string,
  use: (code: string) => Promise<string>): Promise<void> {
  const arrivals = new EventEmitter();
  const redirect = new URL(redirectUri);
  const close = await listenForBrowser(redirect, arrivals);
  const pasted = createInterface({ input: process.stdin });
  pasted.on("line", (line) => { // quotes, blanks and marks of the terminal may stand around it
    const [query] = /\b(code|state|error)=[^\s"'`<>#\u001b\u0080-\uffff]*/.exec(line) ?? [""];
    arrivals.emit("answer", new URLSearchParams(query));
  });
  const ending = new AbortController();
  const end = (why: string): void => ending.abort(new Stop(2, `${why}; nothing was saved`));
  const timer = setTimeout(end, MINUTES * 60_000, `no answer within ${MINUTES} minutes; run get_token again`);
  process.once("SIGINT", () => end("login cancelled"));
  if (addressesOf(redirect).length === 0) pasted.once("close", () => end("nothing was pasted"));
  say(request);
  try {
    for await (const [answer, page] of on(arrivals, "answer", { signal: ending.signal })) {
      try {
        const code = codeIn(answer, state);
        if (code !== "") return await answerPage(page, 200, await use(code));
      } catch (error) {
        await answerPage(page, 400, "The login did not work. The terminal says why.");
        throw error;
      }
      say("that is not the answer to this login: paste the whole address, beginning with http://, of the "
        + "page at which your browser ended; still waiting");
      await answerPage(page, 400, "This is not the answer to the login that the terminal waits for.");
    }
  } catch (error) {
    if (error instanceof Stop) throw error;
    throw ending.signal.reason ?? error; // why the wait ended
  } finally {
    clearTimeout(timer);
    close();
    pasted.close();
    process.stdin.destroy();
  }
}
