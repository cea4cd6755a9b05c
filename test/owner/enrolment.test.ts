// From nothing to a registered app: generate_key, serve_public_key and register_partner, with what goes wrong on the
// way. (The login: login.test.ts. Tesla's own error texts, one by one: explanations.test.ts.)
import assert from "node:assert/strict";
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { rmSync } from "node:fs";
import { connect } from "node:net";
import { describe, test } from "node:test";
import { pointIn } from "../../lib/key_files.ts";
import { ends } from "../support/ends.ts";
import * as harness from "../support/harness.ts";

const { calls, DOMAIN, FLEET, KEY_PATH, ownerTest, TOKEN, visit } = harness;
type Owner = harness.Owner;
harness.useFewProcesses();
const READ_KEY = `GET ${DOMAIN}${KEY_PATH}`;
const REGISTER = `POST ${FLEET}/api/1/partner_accounts`;
const LOOK_UP = `GET ${FLEET}/api/1/partner_accounts/public_key?domain=${DOMAIN}`;
const NEW = { registered: false, loggedIn: false };
const KEYLESS = { ...NEW, keys: false };
const LINK = `https://tesla.com/_ak/${DOMAIN}\n`;

function host(owner: Owner, body = owner.publicKey, status = 200, headers: Record<string, string> = {}): void {
  owner.simulator.partner.hosting = { kind: "file", body, status, headers };
}
const pem = (key: KeyObject): string => key.export({ type: key.type === "public" ? "spki" : "pkcs8", format: "pem" }).toString();
const other = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
const p384 = generateKeyPairSync("ec", { namedCurve: "secp384r1" });
const ed25519 = generateKeyPairSync("ed25519");

ownerTest("generate_key makes a P-256 pair, the private half for its owner alone, and never overwrites", KEYLESS, async (owner) => {
  await ends(owner, "generate_key --overwrite", 2, "Unknown option '--overwrite'", "run: npx tsx scripts/generate_key.ts\n");
  await ends(owner, "generate_key word", 2, "expected no arguments; got 1");
  const help = await ends(owner, "generate_key --help", 0);
  for (const word of ["reads", "writes", "contacts", "costs", "run"]) assert.match(help.stdout, new RegExp(`^ *${word} `, "m"));
  assert.equal(owner.has("private-key.pem"), false);
  await ends(owner, "generate_key", 0, "made private-key.pem (only you can read it; it never leaves this machine) and public-key.pem\n", "serve_public_key");
  const pair = createPrivateKey(owner.read("private-key.pem"));
  assert.equal(pair.asymmetricKeyDetails?.namedCurve, "prime256v1");
  assert.match(owner.read("private-key.pem"), /^-----BEGIN (EC )?PRIVATE KEY-----\n/);
  assert.equal(owner.read("public-key.pem"), pem(createPublicKey(pair)));
  if (process.platform !== "win32") assert.equal(owner.mode("private-key.pem"), 0o600);
  // Both files, then each alone.
  const before = [owner.read("private-key.pem"), owner.read("public-key.pem")];
  const OTHERWISE = "keep them; a new pair would have to be registered and paired again";
  const kept = (name: string): string => `error: ${name} already exists, left unchanged\n`;
  await ends(owner, "generate_key", 2, kept("private-key.pem and public-key.pem"), OTHERWISE);
  assert.deepEqual([owner.read("private-key.pem"), owner.read("public-key.pem")], before);
  rmSync(owner.path("public-key.pem"));
  await ends(owner, "generate_key", 2, kept("private-key.pem"), "openssl ec -in private-key.pem -pubout -out public-key.pem");
  owner.write("public-key.pem", before[1] ?? "");
  rmSync(owner.path("private-key.pem"));
  await ends(owner, "generate_key", 2, kept("public-key.pem"), OTHERWISE);
  assert.deepEqual([owner.has("private-key.pem"), owner.read("public-key.pem"), owner.simulator.requests], [false, before[1], []]);
});

async function serve(owner: Owner): Promise<{ running: harness.Running; base: string; port: number }> {
  const port = await harness.freePort();
  const running = owner.start("serve_public_key", ["--port", String(port)], { timeoutMs: 60_000 });
  await running.said(/Ctrl-C ends\n/);
  return { running, base: `http://127.0.0.1:${port}`, port };
}

async function end(running: harness.Running): Promise<harness.Result> {
  running.child.kill("SIGTERM");
  return running.ended;
}

/** A request as it stands, its address not normalised; everything that came back. */
async function rawVisit(base: string, line: string, header = "x: y"): Promise<string> {
  const { hostname, port } = new URL(base);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname);
    let text = "";
    socket.setTimeout(5000, () => socket.destroy(new Error("no answer")));
    socket.on("data", (part) => { text += part.toString("latin1"); });
    socket.on("close", () => resolve(text)).on("error", reject);
    socket.end(Buffer.from(`${line}\r\nhost: a\r\nconnection: close\r\n${header}\r\n\r\n`, "latin1"));
  });
}

describe("serve_public_key", { concurrency: 3 }, () => {
  ownerTest("serves the key at one address and nothing else; what a visitor sends does not steer the terminal", NEW, async (owner) => {
    const { running, base, port } = await serve(owner);
    assert.equal(running.stderr(), `serving public-key.pem at ${base}${KEY_PATH}\nIt must be publicly reachable at https://TESLA_DOMAIN${KEY_PATH}\n`
      + "next     npx tsx scripts/register_partner.ts (in another terminal); Ctrl-C ends\n");
    const page = await visit(base + KEY_PATH);
    assert.deepEqual([page.status, page.body], [200, owner.publicKey]);
    const head = await visit(base + KEY_PATH, { method: "HEAD" });
    assert.deepEqual([head.status, head.body, head.headers["content-length"]], [200, "", String(owner.publicKey.length)]);
    const others = ["/", "/private-key.pem", `${KEY_PATH}/`, `${KEY_PATH}?a=1`, "/.env", `/x/..${KEY_PATH}`,
      "/.well-known/appspecific/../../private-key.pem", "/%2e%2e/private-key.pem", "/tesla_token.json"];
    for (const path of others) {
      const answer = await rawVisit(base, `GET ${path} HTTP/1.1`);
      assert.match(answer, /^HTTP\/1\.1 404 /, path);
      assert.doesNotMatch(answer, /PRIVATE|BEGIN/, path);
    }
    for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"]) {
      assert.equal((await visit(base + KEY_PATH, { method })).status, 404, method);
    }
    await rawVisit(base, "GET /\u001b[31mred HTTP/1.1", "user-agent: \u009b1mred\u0085");
    await rawVisit(base, "GET /plain HTTP/1.1", `user-agent: ${"x".repeat(3000)}`);
    await running.said(/plain/);
    // Only this machine can reach it, and a second one is told why it cannot.
    for (const host of ["[::1]", "127.0.0.2"]) await assert.rejects(visit(`http://${host}:${port}${KEY_PATH}`));
    const second = await ends(owner, `serve_public_key --port ${port}`, 5, `error: cannot listen on 127.0.0.1, port ${port}\n`
      + "found: already in use by another program\nfix:   stop what uses the port, or choose another with --port\n");
    assert.doesNotMatch(second.stderr, /serving/);
    const { stderr } = await end(running); // the harness looks for control characters
    const time = "^\\d\\d:\\d\\d ";
    for (const said of ["200 GET /\\.well-known\\S+ by \\(no user agent\\)$", "404 GET /private-key\\.pem by", "404 POST \\S+ by"]) {
      assert.match(stderr, new RegExp(time + said, "m"));
    }
    assert.ok(!stderr.includes("x".repeat(200)), "a long name is cut");
  });

  ownerTest("refuses what is no P-256 public key, and ports that are none", KEYLESS, async (owner) => {
    const files: [string | undefined, string][] = [
      [undefined, "found: not found\nfix:   run generate_key"], ["", "fix:   run generate_key"], [pem(ed25519.publicKey), "P-256"],
      [pem(p384.publicKey), "P-256"], [pem(other.privateKey), "it holds a private key, which must stay with you"],
      ["-----BEGIN PUBLIC KEY-----\nbm90IGEga2V5\n-----END PUBLIC KEY-----\n", "not a P-256 public key in PEM form and nothing else"],
    ];
    for (const [text, word] of files) {
      if (text !== undefined) owner.write("public-key.pem", text);
      if (text?.includes("PRIVATE")) owner.rememberSecret(text.split("\n")[1] ?? "");
      await ends(owner, "serve_public_key --port 1", 5, "error: public-key.pem cannot be used\n", word);
    }
    owner.write("public-key.pem", pem(other.publicKey));
    for (const port of ["0", "65536", "80a", ""]) await ends(owner, `serve_public_key --port=${port}`, 2, "--port is a number from 1 to 65535");
  });
});

describe("register_partner", { concurrency: 3 }, () => {
  ownerTest("registers, compares with what Tesla has on file, and prints the pairing link", NEW, async (owner) => {
    host(owner);
    for (const form of ["hex", "pem"] as const) {
      owner.simulator.partner.publicKeyForm = form;
      owner.simulator.requests.length = 0;
      const result = await ends(owner, "register_partner", 0, `registered: ${DOMAIN} in region eu; Tesla has your key on file\n`,
        "next     npx tsx scripts/get_token.ts\n", "scan the code", "select the car in the app first", "before 2021 needs none");
      assert.equal(result.stdout, LINK);
      assert.deepEqual(calls(result.requests), [READ_KEY, TOKEN, REGISTER, LOOK_UP]);
      assert.equal(owner.simulator.partner.registrations.eu?.publicKey, harness.pointOf(owner.publicKey));
      // The key is looked at without a secret, and the secret goes to the token host alone.
      const [site, token, ...fleet] = result.requests;
      assert.deepEqual([site?.headers.authorization, token?.body.includes("client_secret=")], [undefined, true]);
      assert.equal([site, ...fleet].some((one) => JSON.stringify(one).includes("ta-secret")), false);
      assert.deepEqual(JSON.parse(fleet[0]?.body ?? ""), { domain: DOMAIN });
    }
    // Behind a tunnel, the key that serve_public_key serves.
    const { running, port } = await serve(owner);
    owner.simulator.partner.hosting = { kind: "tunnel", port };
    await ends(owner, "register_partner", 0);
    assert.equal((await end(running)).stderr.match(/\b200 /g)?.length, 2, "ours and Tesla's visit");
    const skipped = await ends(owner, "register_partner --skip-check", 5, "424"); // nothing answers behind the tunnel now
    assert.deepEqual(calls(skipped.requests), [TOKEN, REGISTER]);
    host(owner, pem(other.publicKey));
    await ends(owner, "register_partner --skip-check", 5, "error: Tesla has a different key on file\n", `another key than public-key.pem, for ${DOMAIN} in region eu`);
  });

  // After Tesla has taken the registration, it need not show the key: a failure of the look-up, and the exit code.
  // biome-ignore format: a table, one row a line
  const lookUps: [string, number, ...string[]][] = [
    ["key_look_up_421", 0, "Tesla does not show the key here (421"], ["key_look_up_403", 0, "(403", "missing scopes"],
    ["key_look_up_404", 0, "(404", "does not have access"], ["not_found", 0, "(404"], ["not_registered", 0, "(412"],
    ["server_error", 1, "Tesla's server failed"], ["rate_limited", 7, "37 seconds"], ["truncated_json", 1], ["hang_up_after", 1],
    ["wrong_shape", 1, "no readable public key"], ["other_key_on_file", 5, "Tesla has a different key on file"],
  ];
  ownerTest("registered, and the look-up of the key fails: the pairing link all the same", NEW, async (owner) => {
    host(owner);
    for (const [failure, code, ...words] of lookUps) {
      owner.simulator.clear();
      owner.simulator.fail(failure, { path: "/public_key" });
      const result = await ends(owner, "register_partner", code, code === 0 ? `registered: ${DOMAIN} in region eu; ` : "", ...words);
      assert.deepEqual([result.stdout, calls(result.requests)], [code === 0 ? LINK : "", [READ_KEY, TOKEN, REGISTER, LOOK_UP]], failure);
      assert.doesNotMatch(result.stderr, code === 0 ? /TESLA_REGION|error:/ : /registered:/, failure);
    }
    // With the scopes of a Powerwall alone Tesla does not show it: that is said, and no scope is asked for.
    owner.simulator.clear();
    owner.simulator.fail("key_look_up_403");
    owner.setSettings({ TESLA_SCOPES: "openid offline_access energy_device_data" });
    const energy = await ends(owner, "register_partner", 0, "vehicle_device_data");
    assert.equal(energy.stdout, LINK);
    assert.doesNotMatch(energy.stderr, /your app lacks/);
  });

  ownerTest("already taken: by this same key is success, by another key or app is not", NEW, async (owner) => {
    host(owner);
    await owner.simulator.register();
    const KEY_TAKEN = ["Public key hash has already been taken", "run generate_key"];
    const DOMAIN_TAKEN = ["Domain has already been taken", "give each app its own domain"];
    for (const [failure, words] of [["key_hash_taken", KEY_TAKEN], ["domain_taken", DOMAIN_TAKEN]] as const) {
      owner.simulator.clear();
      owner.simulator.fail(failure);
      const same = await ends(owner, "register_partner", 0, /422\n[^]*; Tesla has your key on file/);
      assert.deepEqual(calls(same.requests), [READ_KEY, TOKEN, REGISTER, LOOK_UP]);
      for (const second of ["other_key_on_file", "key_look_up_404", "key_look_up_421", "not_found", "not_registered"]) {
        owner.simulator.fail(second, { times: 1, path: "/public_key" });
        assert.equal((await ends(owner, "register_partner", 5, ...words)).stdout, "", second);
      }
    }
  });

  // Where it happens, what, the exit code, and what is said. (Tesla's own words: explanations.test.ts.)
  // biome-ignore format: a table, one row a line
  const refusals: [string, string, number, ...(string | RegExp)[]][] = [
    ["/partner_accounts", "partner_unauthorized_client", 5, "unauthorized_client", "is it approved yet?"], ["/partner_accounts", "rate_limited", 7, "37"],
    ["/partner_accounts", "root_domain", 5, "Allowed Origins"], ["/partner_accounts", "not_registered", 5],
    ["/partner_accounts", "html_access_denied", 1, "web page"], ["/partner_accounts", "server_error", 8, "registering twice does no harm"],
    ["/partner_accounts", "hang_up_after", 8, "register_partner"], ["/partner_accounts", "oversized", 8, "1 MiB"],
    ["/partner_accounts", "echoes_secret", 6], ["/partner_accounts", "escape_sequences", 6],
    ["/token", "partner_invalid_audience", 5, "issues/460"], ["/token", "token_server_error", 1], ["/token", "html_firewall", 1],
    ["/token", "token_without_access_token", 1, "it has no partner token"], ["/token", "echoes_secret", 5],
  ];
  ownerTest("what Tesla refuses: nothing is sent twice, and no link is printed", NEW, async (owner) => {
    host(owner);
    for (const [path, failure, code, ...words] of refusals) {
      owner.simulator.clear();
      owner.simulator.fail(failure, { path });
      const result = await ends(owner, "register_partner", code, ...words);
      const sent = path === "/token" ? [READ_KEY, TOKEN] : [READ_KEY, TOKEN, REGISTER];
      assert.deepEqual([calls(result.requests), result.stdout], [sent, ""], failure);
    }
  });

  const NOT_THE_KEY = "error: your domain does not serve the key\n";
  const NO_PEM = "it is not a P-256 public key in PEM form and nothing else\nfix:   put public-key.pem there\n";
  const EXPOSED = ["error: your domain serves a private key\n", "fix:   this key is known to the world: take it down; move both keys away; run generate_key; "
    + "publish the new key; run register_partner; remove the old key in the car (Locks); pair again\n"];
  // biome-ignore format: a table, one row a line
  const hostings: [string, (owner: Owner) => void, ...string[]][] = [
    ["another key", (owner) => host(owner, pem(other.publicKey)), "serves a different key from public-key.pem", "a few minutes for caches"],
    ["the point in hex", (owner) => host(owner, pointIn(owner.publicKey)), NOT_THE_KEY, NO_PEM],
    ["a key and a web page", (owner) => host(owner, `${owner.publicKey}<p>hi</p>`), NOT_THE_KEY, NO_PEM],
    ["a web page", (owner) => host(owner, "<!doctype html><title>hi</title>"), NOT_THE_KEY, NO_PEM],
    ["a key of another curve", (owner) => host(owner, pem(p384.publicKey)), NOT_THE_KEY, NO_PEM],
    ["nothing", (owner) => host(owner, ""), NOT_THE_KEY, NO_PEM],
    ["a damaged PEM", (owner) => host(owner, owner.publicKey.replace(/\n.{20}/, "\n")), NOT_THE_KEY, NO_PEM],
    ["the private key", (owner) => host(owner, owner.read("private-key.pem")), ...EXPOSED],
    ["both keys", (owner) => host(owner, owner.publicKey + owner.read("private-key.pem")), ...EXPOSED],
    ["the private key first", (owner) => host(owner, owner.read("private-key.pem") + owner.publicKey), ...EXPOSED],
    ["somebody's RSA key", (owner) => host(owner, "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\n"), ...EXPOSED],
    ["404", (owner) => host(owner, "none", 404), NOT_THE_KEY, "leave out folders with a dot", "start serve_public_key"],
    ["403", (owner) => host(owner, "robots keep out", 403), NOT_THE_KEY, "to everyone"], ["502", (owner) => host(owner, "", 502), NOT_THE_KEY, "behind a tunnel"],
    ["a redirect", (owner) => host(owner, "", 301, { location: `https://www.${DOMAIN}${KEY_PATH}` }), "redirects", "set TESLA_DOMAIN"],
    ["2 MiB", (owner) => host(owner, `${owner.publicKey}${" ".repeat(2 ** 21)}`), "1 MiB"],
    ["a closed connection", (owner) => owner.simulator.fail("hang_up_before", { path: KEY_PATH }), "cannot be reached from here", "--skip-check"],
  ];
  ownerTest("what the domain serves is none of it: Tesla is not asked", NEW, async (owner) => {
    for (const [title, prepare, ...words] of hostings) {
      prepare(owner);
      const result = await ends(owner, "register_partner", 5, ...words);
      assert.deepEqual([calls(result.requests), result.stdout], [[READ_KEY], ""], title);
    }
    rmSync(owner.path("public-key.pem"));
    await ends(owner, "register_partner", 5, "error: public-key.pem cannot be used\nfound: not found\nfix:   run generate_key;");
  });

  ownerTest("mainland China: the region's portal and pairing page", { ...NEW, region: "cn" }, async (owner) => {
    host(owner);
    const result = await ends(owner, "register_partner", 0, "in region cn");
    assert.equal(result.stdout, `https://www.tesla.cn/_ak/${DOMAIN}\n`);
    const failures = ["unauthorized_client", "client_not_found", "invalid_scope", "partner_unauthorized_client", "root_domain"];
    for (const failure of failures) {
      owner.simulator.clear();
      owner.simulator.fail(failure);
      const { stderr } = await ends(owner, "register_partner", 5, "your app's page on developer.tesla.cn");
      assert.doesNotMatch(stderr, /fix:.*developer\.tesla\.com/, failure);
    }
  });
});

test("the outputs were searched for secrets", () => assert.ok(harness.outputsSearched() > 70, String(harness.outputsSearched())));
