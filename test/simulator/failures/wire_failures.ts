// Failures of the connection and of the answer's form, and texts that attack whoever prints them.

import { API, EVERYWHERE, answers, damages } from "./failure_kinds.ts";
import type { Failure } from "./failure_kinds.ts";
import { fleetError, tokenError } from "../tesla/tesla.ts";
import type { Facts, Incoming, Reply } from "../tesla/tesla.ts";

const ESCAPES = "bad \u001b[2J\u001b[31mrequest\u001b]0;owned\u0007\r\u0008 \u009b1m \u202etxet";

function refusal(incoming: Incoming, facts: Facts, text: string): Reply {
  const isToken = incoming.url.pathname.endsWith("/token");
  return isToken
    ? tokenError(facts, 400, "invalid_request", text)
    : fleetError(400, `invalid request: ${text}`);
}

function body(name: string, says: string, change: (text: string) => string): Failure {
  return damages(name, API, says, (reply) => ({ ...reply, body: change(reply.body) }));
}

function redirect(status: number): Failure {
  return answers(`redirect_${status}`, EVERYWHERE, `${status} to another host`, () => ({
    status,
    headers: { location: "https://redirect.invalid/elsewhere" },
    body: "",
  }));
}

export const WIRE_FAILURES: Failure[] = [
  answers("echoes_secret", API, "400 that quotes the bearer token and the body", (incoming, facts) =>
    refusal(incoming, facts, `${incoming.headers.authorization ?? ""} ${incoming.body}`),
  ),
  answers("escape_sequences", API, "400 with terminal escapes in its text", (incoming, facts) =>
    refusal(incoming, facts, ESCAPES),
  ),

  // The request has been carried out, the answer is damaged.
  body("empty_body", "the right status and nothing else", () => ""),
  body("truncated_json", "half of the JSON", (text) => text.slice(0, Math.floor(text.length / 2))),
  body("not_json", "text that is not JSON", () => "ok, whatever"),
  body("wrong_shape", "JSON of another shape", () => '{"response":{"hello":"world"}}'),
  body("wrong_shape_null", "JSON null", () => "null"),
  body("wrong_shape_list", "a JSON list of odd things", () => '[1,"two",null]'),
  body("oversized", "the right answer and 2 MiB of blanks", (text) => text + " ".repeat(2 * 1024 * 1024)),
  damages(
    "hang_up_after",
    EVERYWHERE,
    "carried out, then the connection closes without an answer",
    (reply) => ({ ...reply, wire: "hang_up" }),
  ),
  damages(
    "slow_drip",
    EVERYWHERE,
    "carried out, then an answer that never ends, a drop at a time",
    (reply) => ({ ...reply, wire: "drip" }),
  ),

  // The request is not looked at.
  answers("hang_up_before", EVERYWHERE, "the connection closes before the request is carried out", () => ({
    status: 200,
    headers: {},
    body: "",
    wire: "hang_up",
  })),
  answers("never_answers", EVERYWHERE, "nothing comes", () => ({
    status: 200,
    headers: {},
    body: "",
    wire: "silence",
  })),
  redirect(301),
  redirect(302),
  redirect(307),
  redirect(308),
];
