// Tesla's answer to a login. It comes back through the owner's browser or is pasted, whichever comes first.
import { createInterface } from "node:readline";
import { loginFailure } from "./advice.ts";
import { clean, Failure, say } from "./command_line.ts";
import { answerPage, listenOnLoopback } from "./loopback_server.ts";

const MINUTES = 5;
const LOOPBACK = new Map([
  ["localhost", ["127.0.0.1", "::1"]], // a browser may use either
  ["127.0.0.1", ["127.0.0.1"]],
  ["[::1]", ["::1"]],
]);
const NOT_OURS =
  "no answer to this login in that line (an old tab?); paste the whole address, from http on; still waiting";
const UNASKED = "a page sent an answer that is not for this login; ignored; still waiting (Ctrl-C cancels)";

// An authorization code, and a function that shows the outcome in the browser it came from.
type LoginAnswer = { code: string; show: (status: number, text: string) => Promise<void> };
// Who calls one of these first decides how the wait ends.
type Waiting = { resolve: (answer: LoginAnswer) => void; reject: (reason: Failure) => void };

// The answer that carries this login's `state`: a code, or an error from Tesla. Without it nothing is
// relied on or shown: any web page can send such an answer.
function read(query: URLSearchParams, state: string): { code: string } | Failure | undefined {
  if (query.get("state") !== state) return undefined;
  const error = `${query.get("error") ?? ""} ${query.get("error_description") ?? ""}`.trim();
  if (error !== "") return loginFailure(clean(error).slice(0, 300));
  const code = query.get("code");
  return code ? { code } : undefined;
}

// Accepts the answer that the browser brings to the redirect URI. Returns the function that ends it.
async function listenForBrowser(redirect: URL, state: string, waiting: Waiting): Promise<() => void> {
  const { protocol, hostname, port, pathname } = redirect;
  const addresses = protocol === "http:" ? (LOOPBACK.get(hostname) ?? []) : [];
  const fix = "stop what uses it, or set TESLA_REDIRECT_URI to another port, also on your app's page";
  let [isReported, isAnswered] = [false, false];
  return listenOnLoopback(addresses, Number(port || 80), fix, (visit, page) => {
    const [path, query] = (visit.url ?? "").split("?");
    if (visit.method !== "GET" || path !== pathname) return void answerPage(page, 404, "Not found.");
    const answer = read(new URLSearchParams(query), state);
    if (answer === undefined) {
      if (!isReported) say(UNASKED);
      isReported = true;
      return void answerPage(page, 400, "This page does not belong to the login in progress.");
    }
    if (isAnswered) return void answerPage(page, 409, "The answer has arrived. See the terminal.");
    isAnswered = true;
    const show = (status: number, text: string): Promise<void> => answerPage(page, status, text);
    if (!(answer instanceof Failure)) return waiting.resolve({ ...answer, show });
    void show(400, "The login did not work. The terminal says why.").then(() => waiting.reject(answer));
  });
}

// Accepts the answer that the owner pastes. Returns the function that ends it. The end of standard input ends
// the login only where no browser can reach this machine.
function listenForPaste(isOnlyWay: boolean, state: string, waiting: Waiting): () => void {
  const lines = createInterface({ input: process.stdin });
  lines.on("line", (line) => {
    // quotes, spaces and control codes of the terminal may surround it
    const [query] = /\b(code|state|error)=[^\s"'`<>#\u001b\u0080-\uffff]*/.exec(line) ?? [""];
    const answer = read(new URLSearchParams(query), state);
    if (answer === undefined) say(NOT_OURS);
    else if (answer instanceof Failure) waiting.reject(answer);
    else waiting.resolve({ ...answer, show: async () => {} });
  });
  if (isOnlyWay) lines.once("close", () => waiting.reject(cancelled("standard input has ended")));
  return () => {
    lines.close();
    process.stdin.destroy();
  };
}

// Ends the login on Ctrl-C and after five minutes. Returns the function that ends that.
function listenForEnd(waiting: Waiting): () => void {
  const end = (found: string): void => waiting.reject(cancelled(found));
  const timer = setTimeout(end, MINUTES * 60_000, `no answer within ${MINUTES} minutes`);
  const interrupt = (): void => end("Ctrl-C");
  process.once("SIGINT", interrupt);
  return () => {
    clearTimeout(timer);
    process.off("SIGINT", interrupt);
  };
}

function cancelled(found: string): Failure {
  return new Failure(2, "login cancelled", found, "run get_token again; nothing was saved");
}

/** Prints `request`, and waits for the answer with `state`: from the browser, pasted, or none in time.
 * Gives its code to `use`, and shows in the browser what that returns as `page`. Throws Failure. */
export async function useLoginCode<Result extends { page: string }>(
  redirectUri: string,
  state: string,
  request: string,
  use: (code: string) => Promise<Result>,
): Promise<Result> {
  const redirect = new URL(redirectUri);
  const isOnlyWay = redirect.protocol !== "http:" || !LOOPBACK.has(redirect.hostname);
  let waiting: Waiting = { resolve: () => {}, reject: () => {} };
  const answered = new Promise<LoginAnswer>((resolve, reject) => {
    waiting = { resolve, reject };
  });
  const closing = [await listenForBrowser(redirect, state, waiting)];
  closing.push(listenForPaste(isOnlyWay, state, waiting), listenForEnd(waiting));
  say(request);
  try {
    const { code, show } = await answered;
    try {
      const result = await use(code);
      await show(200, result.page);
      return result;
    } catch (error) {
      await show(400, "The login did not work. The terminal says why.");
      throw error;
    }
  } finally {
    for (const close of closing) close();
  }
}
