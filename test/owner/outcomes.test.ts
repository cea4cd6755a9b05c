// What came of a request: the same call ends alike whichever script sends it, and no words in an answer can
// make an unknown outcome known. Then connections that fail before and after a request has left, secrets that
// a server sends back in another spelling, texts from outside on stdout, and wake_up's looks at the car.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe } from "node:test";
import { Agent, buildConnector, setGlobalDispatcher } from "undici";
import { AFTER_UNKNOWN } from "../../lib/advice.ts";
import { commandNamed, sendCommand } from "../../lib/command.ts";
import { clean, Failure } from "../../lib/command_line.ts";
import { askFleetApi, askTokenHost } from "../../lib/tesla_fetch.ts";
import { answers as failure } from "../simulator/failures/failures.ts";
import { ENERGY_SITE_ID, type Incoming } from "../simulator/tesla/tesla.ts";
import { assertEnd, calls } from "../support/ends.ts";
import { inside } from "../support/inside.ts";
import {
  DOMAIN,
  FLEET,
  type Owner,
  ownerTest,
  type Result,
  SCOPES,
  useFewProcesses,
  VIN,
} from "../support/owner.ts";
import { IN_A_HURRY } from "../support/passing_time.ts";
import { base64, SPELLINGS } from "../support/secrets.ts";
import { until } from "../support/until.ts";

useFewProcesses();

const CAR = `/api/1/vehicles/${VIN}`;
const REST = { TESLA_COMMANDS: "rest" };
const UNKNOWN = /^error: unknown outcome: the request may or may not have been carried out$/m;

function run(owner: Owner, script: string): Promise<Result> {
  const [name = "", ...words] = script.split(" ");
  return owner.run(name, words);
}

// ---- Answers ----

type Prepare = (owner: Owner, path: string) => void;
const fails =
  (name: string): Prepare =>
  (owner, path) =>
    owner.simulator.fail(name, { path });
const says =
  (status: number, body: unknown, headers = {}): Prepare =>
  (owner, path) =>
    owner.answer(path, status, body, headers);
const error = (status: number, words: string): Prepare => says(status, { response: null, error: words });

// How what makes something happen ends, and what only reads. Some answers have words of other rows in them.
// biome-ignore format: a table
const ANSWERS: [title: string, prepare: Prepare, acts: number, reads: number][] = [
  ["500", error(500, "upstream internal error"), 8, 1],
  ["500, plain text", says(500, "Internal Server Error"), 8, 1],
  ["500 that timed out", error(500, "operation_timedout for txid `0d3f6c1a`"), 8, 1],
  ["500, context deadline", error(500, "context deadline exceeded"), 8, 1],
  ["502", error(502, "bad gateway"), 8, 1],
  ["503", error(503, "service unavailable"), 8, 1],
  ["503 without a body", says(503, ""), 8, 1],
  ["503, timeout", error(503, "timeout"), 8, 1],
  ["504", error(504, "gateway timeout"), 8, 1],
  ["540", error(540, "unexpected response from device"), 8, 1],
  ["599", error(599, "network connect timeout"), 8, 1],
  ["500 that speaks of a sleeping car", error(500, "vehicle unavailable: vehicle is offline or asleep"), 8,
    1],
  ["500 that speaks of a car that is not available", error(500, "vehicle is not available"), 8, 1],
  ["500, no healthy upstream", says(500, "no healthy upstream"), 8, 1],
  ["500 that speaks of the key", error(500, "your public key has not been paired with the vehicle"), 8, 1],
  ["502 that speaks of scopes", error(502, "Unauthorized missing scopes vehicle_cmds"), 8, 1],
  ["502 that speaks of signed commands", error(502, "Tesla Vehicle Command Protocol required"), 8, 1],
  ["502, not implemented", error(502, "501 not implemented"), 8, 1],
  ["504 that asks to wait", error(504, "429: Retry in 5 seconds"), 8, 1],
  ["505 that speaks of the region", error(505, `user out of region, use base URL: https://${FLEET}`), 8, 1],
  ["500 with a refusal", says(500, { response: { result: false, reason: "already_set" } }), 8, 1],
  ["503 with a success", says(503, { response: { result: true, reason: "" } }), 8, 1],
  ["503: the car was not available, after a time-out", error(503, "vehicle is not available: timed out"), 8,
    1],
  ["503: no healthy upstream, after a deadline", error(503, "context deadline exceeded: no healthy upstream"),
    8, 1],
  ["500, a web page", says(500, "<html>vehicle is not available</html>"), 8, 1],
  ["200 without a body", says(200, ""), 8, 1],
  ["200 that is cut", says(200, '{"response":{"result":true,"rea'), 8, 1],
  ["200, a web page", says(200, "<!doctype html><title>Checking your browser</title>"), 8, 1],
  ["200 that is too large", says(200, `{"response":"${" ".repeat(1_100_000)}"}`), 8, 1],
  ["the connection is lost", fails("hang_up_before"), 8, 1],
  ["501", error(501, "not implemented"), 6, 6],
  ["501, plain text", says(501, "Not Implemented"), 6, 6],
  ["501 without a body", says(501, ""), 6, 6],
  ["501 that speaks of a time-out", error(501, "upstream timeout"), 6, 6],
  ["503, no healthy upstream", says(503, "no healthy upstream"), 1, 1],
  ["503, no healthy upstream, as JSON", error(503, "No healthy upstream"), 1, 1],
  ["503, the car is not available", error(503, "vehicle is not available"), 3, 3],
  ["503, the car is not available, in other words", error(503, "Vehicle unavailable: vehicle is offline"), 3,
    3],
  ["408", error(408, "vehicle unavailable: vehicle is offline or asleep"), 3, 3],
  ["408 without a body", says(408, ""), 3, 3],
  ["408, timeout", error(408, "timeout"), 3, 3],
  ["408, timed out", error(408, "Operation Timed Out"), 3, 3],
  ["409", error(409, "conflict"), 6, 6],
  ["403, the key", error(403, "your public key has not been paired with the vehicle"), 5, 5],
  ["412, not supported", error(412, "not_supported"), 6, 6],
  ["412, in a sentence", error(412, "Command not supported for this vehicle"), 6, 6],
  ["423", error(423, "locked"), 6, 6],
  ["429", says(429, "Retry in 48472 seconds"), 7, 7],
  ["499", error(499, "client closed request"), 6, 6],
  ["307", says(307, "", { location: "https://elsewhere.example/" }), 1, 1],
];
// biome-ignore format: a list of words
const ONE_OF_EACH = ["500", "503, timeout", "503, the car is not available", "501", "503, no healthy upstream",
  "200 that is cut", "the connection is lost"];
const FEW = ANSWERS.filter(([title]) => ONE_OF_EACH.includes(title));

async function failureOf(asked: Promise<unknown>): Promise<Failure> {
  const thrown: unknown = await asked.then(
    () => "an answer",
    (one: unknown) => one,
  );
  return thrown instanceof Failure ? thrown : assert.fail(String(thrown));
}

// What makes something happen, and what only reads, with the part of the path that the answer falls on.
// biome-ignore format: a table of words and numbers
const ACTS: [script: string, path: string][] = [
  ["set_charge_amps 10", "/command/"],
  [`call_api POST ${CAR}/command/set_charging_amps {"charging_amps":10}`, "/command/"],
  ["send_command charge_stop", "/command/"],
  ["wake_up", "/wake_up"],
  [`call_api POST ${CAR}/wake_up`, "/wake_up"],
  ["register_partner --skip-check", "/partner_accounts"],
  [`call_api POST /api/1/partner_accounts {"domain":"${DOMAIN}"} --partner`, "/partner_accounts"],
  [`call_api POST /api/1/energy_sites/${ENERGY_SITE_ID}/backup {"backup_reserve_percent":30}`, "/backup"],
  ["call_api PUT /api/1/x", "/x"],
  ["call_api PATCH /api/1/x", "/x"],
  ["call_api DELETE /api/1/x", "/x"],
  [`call_api POST ${CAR}/command/fleet_status`, "/fleet_status"], // a command, whatever it is called
];
// biome-ignore format: a table of words and numbers
const READS: [script: string, path: string][] = [
  ["read_charge", "/vehicle_data"],
  [`call_api GET ${CAR}/vehicle_data`, "/vehicle_data"],
  ["list_vehicles", "/vehicles"],
  [`call_api GET /api/1/partner_accounts/public_key?domain=${DOMAIN} --partner`, "/public_key"],
  [`call_api POST /api/1/vehicles/fleet_status {"vins":["${VIN}"]}`, "/fleet_status"],
  ['call_api POST /api/1/vehicles/fleet_telemetry_config {"vins":[]}', "/fleet_telemetry_config"],
  [`call_api DELETE ${CAR}/fleet_telemetry_config`, "/fleet_telemetry_config"],
];

describe("what came of a request", { concurrency: 3 }, () => {
  ownerTest("each answer, to what acts and to what reads", async (owner) => {
    const bearer = owner.token().access_token;
    const result = await inside(owner, async () => {
      for (const [title, prepare, acts, reads] of ANSWERS) {
        owner.simulator.clear();
        prepare(owner, "");
        const acted = await failureOf(askFleetApi("eu", "x", bearer, { json: {} }));
        const read = await failureOf(askFleetApi("eu", "x", bearer));
        assert.deepEqual([title, acted.exitCode, read.exitCode], [title, acts, reads], `${acted}, ${read}`);
        assert.equal(acted.message.startsWith("unknown outcome"), acts === 8, title);
        if (/timeout|timed|healthy|^50[0124]/i.test(title))
          assert.doesNotMatch(acted.fix + read.fix, /wake_up/, title);
        if (reads !== 1) continue;
        const swapped = await failureOf(askTokenHost("eu", { grant_type: "refresh_token" }));
        assert.equal(swapped.exitCode, 1, title);
      }
    });
    assertEnd(result, 0);
    assert.ok(result.requests.length >= 3 * ANSWERS.filter(([, , acts]) => acts === 8).length);
  });

  ownerTest("every status: which leave the outcome open", async (owner) => {
    const [open, done]: number[][] = [[], []];
    const bearer = owner.token().access_token;
    const result = await inside(owner, async () => {
      for (const status of [200, 201, 202, 204, 299, ...Array.from({ length: 301 }, (_, at) => 300 + at)]) {
        owner.simulator.clear();
        owner.answer("/x", status, "");
        const ended = await askFleetApi("eu", "x", bearer, { json: {} }).catch((one: unknown) => one);
        if (ended === null) done?.push(status);
        else if (!(ended instanceof Failure)) assert.fail(`${status}: ${ended}`);
        else if (ended.exitCode === 8) open?.push(status);
      }
    });
    assertEnd(result, 0);
    const wanted = [200, 201, 202, 299, 500, ...Array.from({ length: 99 }, (_, at) => 502 + at)];
    assert.deepEqual([open, done], [wanted, [204]]); // without a body the others could hold anything
  });

  for (const [title, scripts] of [
    ["what makes something happen", ACTS],
    ["what only reads", READS],
  ] as const) {
    const options = { settings: REST, scopes: `${SCOPES} energy_device_data energy_cmds` };
    ownerTest(`${title} ends alike, whichever script sends it`, options, async (owner) => {
      const { simulator } = owner;
      simulator.account.rateLimits = false;
      simulator.partner.hosting = { kind: "file", body: owner.publicKey };
      for (const [script, path] of scripts) {
        for (const [answer, prepare, acts, reads] of FEW) {
          simulator.clear();
          prepare(owner, path);
          const result = await run(owner, script);
          const exit = scripts === ACTS ? acts : reads;
          const told = `${script}, ${answer}:\n${result.stderr}`;
          assert.equal(result.code, exit, told);
          assert.equal(UNKNOWN.test(result.stderr), exit === 8, told);
          const sent = result.requests.filter((one) => one.path.includes(path));
          assert.equal(sent.length, 1, `sent once: ${told}`);
          assert.equal(result.stdout, "", told);
          if (path === "/wake_up") assert.doesNotMatch(result.stderr, /run wake_up/);
        }
      }
    });
  }
  ownerTest("a handshake only asks; a command is never signed twice", async (owner) => {
    for (const way of ["handshake", "command"]) {
      for (const [title, prepare, acts, reads] of FEW) {
        owner.simulator.clear();
        prepare(owner, "/signed_command");
        const result = await run(owner, "set_charge_amps 10");
        assert.equal(result.code, way === "command" ? acts : reads, `${title}:\n${result.stderr}`);
        assert.equal(result.requests.length, 1, title);
      }
      assert.equal(owner.has("tesla_session.json"), way === "command");
      owner.simulator.clear();
      assertEnd(await run(owner, "set_charge_amps 9"), 0); // so that there is a session
    }
  });

  // biome-ignore format: a table of words and numbers
  const VERDICTS: [command: string, reason: string, exit: number][] = [
    ["charge_stop", "user_present", 6], ["charge_stop", "not_charging", 0],
    ["charge_start", "is_charging", 0], ["charge_start", "requested", 0], ["charge_start", "disconnected", 6],
    ["charge_start", "your public key has not been paired with the vehicle", 5],
    ["charge_port_door_close", "Already closed", 0], ["charge_start", "vehicle requires signed commands", 5],
    ["charge_start", "unsigned_cmds_hardlocked: please sign", 5],
  ];
  ownerTest("a verdict in a good answer", { settings: REST }, async (owner) => {
    for (const [name, reason, exit] of VERDICTS) {
      owner.simulator.clear();
      owner.answer("/command/", 200, { response: { result: false, reason } });
      for (const script of [`send_command ${name}`, `call_api POST ${CAR}/command/${name}`]) {
        const result = await run(owner, script);
        assert.equal(result.code, exit, `${script}, ${reason}:\n${result.stderr}`);
      }
    }
  });

  // What to do then depends on what was sent.
  // biome-ignore format: a table of words and numbers
  const AFTER: [script: string, path: string, fix: string][] = [
    ["wake_up", "/wake_up", "check with list_vehicles whether the car is online"],
    [`call_api POST ${CAR}/wake_up`, "/wake_up", "another wake_up may cost another $0.02"],
    ["register_partner --skip-check", "/partner_accounts",
      "run register_partner again: registering twice does no harm"],
    ["send_command charge_stop", "/signed_command",
      "check with read_charge, or at the car, before you repeat it"],
    [`call_api POST ${CAR}/command/charge_stop`, "/command/", "it was not sent again"],
    [`call_api POST /api/1/energy_sites/${ENERGY_SITE_ID}/backup {"backup_reserve_percent":30}`, "/backup",
      "check what has changed before you repeat it"],
  ];
  const MORE_SCOPES = { scopes: `${SCOPES} vehicle_cmds energy_cmds` };
  ownerTest("what to do when nobody knows", MORE_SCOPES, async (owner) => {
    owner.simulator.partner.hosting = { kind: "file", body: owner.publicKey };
    assertEnd(await run(owner, "set_charge_amps 9"), 0);
    for (const [, words] of AFTER_UNKNOWN) {
      const isTried = AFTER.some(([, , fix]) => words.includes(fix));
      assert.ok(isTried, `a row without a case: ${words}`);
    }
    for (const [script, path, fix] of AFTER) {
      owner.simulator.clear();
      owner.simulator.fail("server_error", { path });
      const result = await run(owner, script);
      assertEnd(result, 8, UNKNOWN, `found: 500 "upstream internal error" from ${FLEET}; txid `);
      assert.ok(/^fix: +(.*)$/m.exec(result.stderr)?.[1]?.includes(fix), result.stderr);
    }
  });
});

// ---- Connections ----

// "syscall CODE", "CODE" or "message|CODE"; several are an AggregateError, one for each address.
type Broken = string | string[];
function brokenError(broken: Broken): Error {
  if (typeof broken !== "string") {
    return Object.assign(new AggregateError(broken.map(brokenError), ""), { code: codeOf(broken) });
  }
  const [syscall = "", code] = broken.split(" ");
  if (broken.includes("|")) return Object.assign(new Error(broken.split("|")[0]), { code: codeOf(broken) });
  return Object.assign(new Error(broken), code ? { syscall, code } : { code: syscall });
}
function codeOf(broken: Broken): string {
  return /\w+$/.exec(String(typeof broken === "string" ? broken : broken[0]))?.[0] ?? "";
}

// biome-ignore format: a list
const NEVER: Broken[] = ["connect ECONNREFUSED", "connect EHOSTUNREACH", "connect ENETUNREACH",
  "connect ETIMEDOUT", "connect EADDRNOTAVAIL", "getaddrinfo ENOTFOUND", "getaddrinfo EAI_AGAIN",
  ["connect ETIMEDOUT", "connect ENETUNREACH"], // slow IPv4 beside dead IPv6
  ["connect ECONNREFUSED", "connect ECONNREFUSED"], "Connect Timeout Error|UND_ERR_CONNECT_TIMEOUT",
  "CERT_HAS_EXPIRED", "UNABLE_TO_GET_ISSUER_CERT_LOCALLY", "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN", "ERR_TLS_CERT_ALTNAME_INVALID", "write EPROTO",
  "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION", "ERR_SSL_WRONG_VERSION_NUMBER",
  "Client network socket disconnected before secure TLS connection was established|ECONNRESET"];
// biome-ignore format: a list
const AFTER_SENDING: Broken[] = ["read EHOSTUNREACH", "read ENETUNREACH", "read ENETDOWN", "read ETIMEDOUT",
  "read ECONNRESET", "write EPIPE", "read EPROTO", "ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC",
  "connect ECONNREFUSED"]; // whatever it calls itself: the request had left

/** A command and a read over this dispatcher: how each ends. */
async function endsOver(owner: Owner, agent: () => Agent): Promise<[acts: Result, reads: Result]> {
  const command = commandNamed("set_charging_amps", {
    charging_amps: 10 + (owner.simulator.car.executed.length % 5),
  });
  const acts = await inside(owner, () => {
    setGlobalDispatcher(agent());
    return sendCommand(command);
  });
  const reads = await inside(owner, () => {
    setGlobalDispatcher(agent());
    return askFleetApi("eu", "vehicles", owner.token().access_token);
  });
  return [acts, reads];
}

describe("connections", { concurrency: 3 }, () => {
  ownerTest("one that was never made: nothing was sent, so try again", { settings: REST }, async (owner) => {
    for (const broken of NEVER) {
      const agent = (): Agent => new Agent({ connect: (_, done) => done(brokenError(broken), null) });
      for (const result of await endsOver(owner, agent)) {
        assert.equal(result.code, 1, `${broken}:\n${result.stderr}`);
        const why = String(broken).includes("|") ? String(broken).split("|")[0] : codeOf(broken);
        const found = `found: no answer from ${FLEET} (`;
        assertEnd(result, 1, "error: no complete answer came\n", found, `${why})\n`);
      }
    }
    assert.deepEqual(owner.simulator.requests, []);
  });

  ownerTest("one that breaks after the car has acted: unknown", { settings: REST }, async (owner) => {
    const { car, requests, env } = owner.simulator;
    car.protocolRequired = false;
    owner.simulator.fail("never_answers", { after: true });
    const connect = buildConnector({ ca: readFileSync(env.TESLA_SIMULATOR_CA ?? "", "utf8") });
    const [hostname = "", port = ""] = (env.TESLA_SIMULATOR ?? "").split(":");
    for (const broken of AFTER_SENDING) {
      const [arrived, executed] = [requests.length, car.executed.length];
      const isRead = (): boolean => requests.at(-1)?.method === "GET";
      const agent = (): Agent =>
        new Agent({
          connect: (target, done) =>
            connect({ ...target, hostname, port, servername: FLEET }, (problem, socket) => {
              if (problem !== null || socket === null) return done(problem ?? new Error("no socket"), null);
              const before = requests.length;
              const hasActed = (): boolean =>
                requests.length > before && (isRead() || car.executed.length > executed);
              void until("the request", hasActed).then(() => socket.destroy(brokenError(broken)));
              done(null, socket);
            }),
        });
      const [acts, reads] = await endsOver(owner, agent);
      assertEnd(acts, 8, UNKNOWN, codeOf(broken), "check with read_charge");
      assert.equal(reads.code, 1, `${broken}:\n${reads.stderr}`);
      assert.deepEqual([requests.length, car.executed.length], [arrived + 2, executed + 1], String(broken));
    }
  });
});

// ---- Secrets that come back ----

// Without any prefix by which they could be known; with signs that each spelling writes in another way.
const SECRET = "Qw+7/kZ=x%Rb&4<tD~-p9_Lm>y.0Hc";
// One that itself looks encoded: an answer may hold it as it is, or encoded once more.
const LOOKS_ENCODED = "Qw%41&amp;x\\u0042;%f3D]q'R%2541&#65;z";

/** What the simulator answers to everything: `spell` of each value of the form, or of the bearer. */
function echo(owner: Owner, status: number, spell: (secret: string) => string): void {
  const name = `echo ${owner.simulator.failures.catalogue.length}`;
  const textOf = ({ body, headers }: Incoming): string => {
    const isForm = (headers["content-type"] ?? "").includes("form");
    const values = isForm
      ? [...new URLSearchParams(body).values()]
      : [(headers.authorization ?? "").slice(7)];
    return values.map((value) => `<${spell(value)}>`).join(" ");
  };
  owner.simulator.failures.catalogue.push(
    failure(name, ["token", "fleet"], "", (incoming) => ({
      status,
      headers: {},
      body: JSON.stringify({ error: "seen:", error_description: textOf(incoming), txid: textOf(incoming) }),
    })),
  );
  owner.simulator.fail(name);
}

/** Pieces of it that are printed all the same, each with the title. */
function leftOf(title: string, spelt: string, { message, found, fix }: Failure): string[] {
  const shown = `${message} ${clean(found)} ${fix}`.replaceAll("[secret removed]", "").toLowerCase();
  const core = spelt.slice(4, -4).toLowerCase();
  const pieces = core.replace(/[^!-~]+/g, " ").match(/[^]{12}/g) ?? [];
  assert.match(found, /^(found: )?\d+( ".*")? from [a-z.-]+\.tesla\.com(;| |$)/m, title);
  if (title === "as it is") assert.match(found, /"seen:; .*<\[secret removed\]>.*" from /m);
  return pieces.filter((piece) => shown.includes(piece)).map((piece) => `${title}: ${piece}`);
}

/** Each spelling in turn: what is asked for ends with an error that does not show it. */
async function assertAllGone(owner: Owner, status: number, ask: (secret: string) => Promise<unknown>) {
  const left: string[] = [];
  await inside(owner, async () => {
    for (const secret of [SECRET, LOOKS_ENCODED]) {
      for (const [title, spell] of SPELLINGS) {
        owner.simulator.clear();
        echo(owner, status, spell);
        left.push(...leftOf(title, spell(secret), await failureOf(ask(secret))));
      }
    }
  });
  assert.deepEqual(left, [], "printed");
}

describe("secrets that a server sends back are not shown, however they are spelt", { concurrency: 3 }, () => {
  for (const name of ["client_secret", "refresh_token", "code", "code_verifier", "assertion"]) {
    ownerTest(`${name}, in a form`, async (owner) => {
      const form = { grant_type: "any", client_id: "an-app" };
      await assertAllGone(owner, 400, (secret) => askTokenHost("eu", { ...form, [name]: secret }));
    });
  }
  for (const status of [400, 403, 500]) {
    ownerTest(`the access token, in a ${status}`, async (owner) => {
      await assertAllGone(owner, status, (secret) => askFleetApi("eu", "x", secret, { json: {} }));
    });
  }
  ownerTest("what is no secret stays: the app, the scopes, the addresses", async (owner) => {
    echo(owner, 400, (value) => value);
    const app = { grant_type: "authorization_code", client_id: "an-app-1234", scope: SCOPES };
    const shown = { ...app, audience: `https://${FLEET}`, redirect_uri: "http://localhost:3000/callback" };
    const { stderr } = await inside(owner, () => askTokenHost("eu", { ...shown, code: SECRET }));
    for (const value of Object.values(shown)) assert.ok(stderr.includes(value), `${value}:\n${stderr}`);
    assert.ok(!stderr.includes(SECRET));
  });
  ownerTest("the real scripts: tokens and a client secret that no prefix gives away", async (owner) => {
    owner.setSettings({ TESLA_CLIENT_SECRET: SECRET });
    owner.logIn({ access_token: `${SECRET}-access`, refresh_token: `${SECRET}-refresh` });
    for (const spell of [encodeURIComponent, (text: string) => text.toUpperCase(), base64]) {
      owner.simulator.clear();
      echo(owner, 400, spell);
      for (const [script, secret] of [
        ["refresh_token", `${SECRET}-refresh`],
        ["read_charge", `${SECRET}-access`],
        ["register_partner --skip-check", SECRET],
        ["call_api GET /api/1/x", `${SECRET}-access`],
      ] as const) {
        const { stderr } = await run(owner, script);
        assert.deepEqual(leftOf(script, spell(secret), new Failure(1, "", stderr, "")), []);
      }
    }
  });
});

// ---- Texts from outside, on stdout and on stderr ----

// Controls, marks of direction, line separators, invisible characters within and beyond 16 bits.
const HOSTILE =
  "a\u001b[2J\u0007\u007f\u0085\u009b1m\u00ad\u061c\u200b\u200f\u2028\u2029\u202ex"
  + "\u2066\ufeff\u{e0041}\u{1f697} ü\ud800";
const DANGEROUS = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;

describe("texts from outside cannot steer a terminal", { concurrency: 3 }, () => {
  // biome-ignore format: a table of words and numbers
  const hostile = { charging_state: HOSTILE, [HOSTILE]: [HOSTILE, { name: HOSTILE }] };
  const json: [script: string, path: string, response: unknown, shown: unknown][] = [
    ["list_vehicles --json", "/vehicles", [hostile], [hostile]],
    ["read_charge --json", "/vehicle_data", { state: "online", charge_state: hostile }, hostile],
    ["call_api GET /api/1/users/me", "/users/me", hostile, { response: hostile }],
    ["call_api GET /api/1/users/you", "/users/you", HOSTILE, { response: HOSTILE }],
  ];
  for (const [script, path, response, shown] of json) {
    ownerTest(`${script}: valid JSON, and nothing that a terminal obeys`, async (owner) => {
      owner.answer(path, 200, { response });
      const result = await run(owner, script);
      assertEnd(result, 0);
      assert.doesNotMatch(result.stdout.replaceAll("\n", ""), DANGEROUS);
      for (const spelt of ["\\u009b", "\\u202e", "\\u2028", "\\udb40\\udc41"])
        assert.ok(result.stdout.includes(spelt));
      assert.deepEqual(JSON.parse(result.stdout), JSON.parse(JSON.stringify(shown)));
      assert.ok(result.stdout.includes("\u{1f697} ü"), "what is harmless stays readable");
    });
  }
  // biome-ignore format: a table of words and numbers
  const people: [script: string, path: string, status: number, body: unknown][] = [
    ["list_vehicles", "/vehicles", 200, { response: [{ vin: HOSTILE, state: HOSTILE }] }],
    ["read_charge", "/vehicle_data", 200, { response: { state: HOSTILE, charge_state: hostile } }],
    ["read_charge", "/vehicle_data", 400, { error: HOSTILE, messages: hostile, txid: HOSTILE }],
    ["set_charge_amps 10", "/command/", 200, { response: { result: false, reason: HOSTILE } }],
    ["set_charge_amps 10", "/command/", 500, { error: HOSTILE }],
    ["refresh_token", "/token", 400, { error: HOSTILE, error_description: HOSTILE }],
    ["read_charge", "/vehicle_data", 429, { error: `Retry in 5 seconds${HOSTILE}` }],
  ];
  ownerTest("lines for people, and errors", { settings: REST }, async (owner) => {
    for (const [script, path, status, body] of people) {
      owner.simulator.clear();
      owner.answer(path, status, body);
      const { stdout, stderr } = await run(owner, script);
      const shown = stdout + stderr;
      assert.doesNotMatch(shown.replaceAll("\n", ""), DANGEROUS, `${script} ${status}`);
      assert.ok(shown.includes("\u{1f697} ü") || status === 429, shown);
      assert.doesNotMatch(stderr, / {3,}npx/);
    }
  });
});

// ---- Standard output that takes nothing ----

describe("an answer that cannot be written", { concurrency: 3 }, () => {
  const ROWS =
    "error: the answer could not be written\nfound: the disk is full\nfix:   what is said above has happened all the same\n";
  // biome-ignore format: a table of words and numbers
  const scripts: [script: string, said: RegExp][] = [["list_vehicles", / {2}200\n/], ["read_charge --json", / {2}200\n/],
    ["set_charge_amps 9 --verify", /^done: the car accepted 9 A [^]* {2}200\n/m]];
  for (const [code, exit, rows] of [
    ["EPIPE", 0, ""], // whoever read it has seen enough, as `head -1` has
    ["ENOSPC", 1, ROWS],
  ] as const) {
    ownerTest(`${code}: ${exit === 0 ? "no error" : "an error"}`, { settings: REST }, async (owner) => {
      owner.simulator.car.protocolRequired = false;
      const plant = `process.stdout._write = (text, encoding, done) =>
done(Object.assign(new Error("odd"), { code: "${code}" }));`;
      const node = [...IN_A_HURRY, "--import", `data:text/javascript,${encodeURIComponent(plant)}`];
      for (const [script, said] of scripts) {
        const [name = "", ...words] = script.split(" ");
        const result = await owner.run(name, words, { node });
        assertEnd(result, exit, said, rows);
        assert.equal(result.stdout, "", script);
      }
    });
  }
});

// ---- wake_up: one wake-up that is paid for, then looks that cost a tenth ----

describe("wake_up", { concurrency: 3 }, () => {
  const WOKEN = `POST ${FLEET}${CAR}/wake_up`;
  const LOOK = `GET ${FLEET}${CAR}`;
  const asleep =
    (looks: number): Prepare =>
    ({ simulator: { car, garage } }) => {
      car.awake = false;
      garage.wakePolls = looks;
    };
  type Says = (string | RegExp)[];
  // What no further look would change: each would only be billed.
  // biome-ignore format: a table of words and numbers
  const LASTING: [name: string, exit: number, ...says: Says][] = [["invalid_bearer", 4, "run refresh_token"],
    ["payment_required", 7, "payment method"], ["billing_limit", 7, "billing limit"],
    ["rate_limited_plain", 7, "too many requests", "48472 seconds"]];
  // biome-ignore format: a table of words and numbers
  const cases: [title: string, prepare: Prepare, looks: number, exit: number, ...says: Says][] = [
    ["one look fails, the next ones go on", (owner, path) => {
      asleep(2)(owner, path);
      owner.simulator.fail("poll_fails", { times: 1 });
    }, 3, 0, "this look failed: Tesla's server failed", /the car is online \(1 wake and 3 looks, \$0\.026\)/],
    ["looks that are cut, answered 408, or find no server", (owner, path) => {
      asleep(1)(owner, path);
      for (const name of ["hang_up_before", "vehicle_asleep", "no_healthy_upstream"]) {
        owner.simulator.fail(name, { times: 1, method: "GET" });
      }
    }, 4, 0, `look failed: no complete answer came (no answer from ${FLEET} (`, "4 looks, $0.028)",
      "look failed: the car is asleep or offline (408 ", `(503 from ${FLEET})\n`],
    ...LASTING.map(([name, exit, ...words]): (typeof cases)[number] => [`${name} at the second look ends it`,
      (owner, path) => {
        asleep(5)(owner, path);
        owner.simulator.fail("poll_fails", { times: 1 });
        owner.simulator.fail(name, { method: "GET" });
      }, 2, exit, "this look failed: Tesla's server failed (500 ",
        "paid: 1 wake and 2 looks, $0.024\nerror: ", ...words]),
    ["every look fails: what was paid is said", (owner) => {
      owner.simulator.car.awake = false;
      owner.simulator.fail("poll_fails");
    }, 12, 3, "error: the car is not online after a minute\n",
      /found: state "\w+"; paid so far: 1 wake and 12 looks, \$0\.044\n/,
      "fix:   check with list_vehicles before you wake it again ($0.02), or open the Tesla app (free)\n"],
    ["408 to the wake-up itself", fails("wake_up_asleep"), 0, 3, "error: the car did not wake up\n", "free"],
    ["408 timeout", fails("request_timeout"), 0, 3, "error: the car did not wake up\n", "free"],
    ["503 timeout", error(503, "timeout"), 0, 8, UNKNOWN, "check with list_vehicles"],
  ];
  for (const [title, prepare, looks, exit, ...words] of cases) {
    ownerTest(title, async (owner) => {
      prepare(owner, "/wake_up");
      const result = await owner.run("wake_up", [], looks > 0 ? { node: IN_A_HURRY } : {});
      assertEnd(result, exit, ...words);
      assert.deepEqual(calls(result.requests), [WOKEN, ...Array.from({ length: looks }, () => LOOK)]);
      assert.doesNotMatch(result.stderr, /run wake_up/);
    });
  }
});
