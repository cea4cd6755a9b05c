// From nothing to a registered app: generate_key, serve_public_key and register_partner, with what goes wrong on the
// way. (The login: login.test.ts. What each error of Tesla's leads to: advice.test.ts and outcomes.test.ts.)
import assert from "node:assert/strict";
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { rmSync } from "node:fs";
import { connect } from "node:net";
import { describe, test } from "node:test";
import { pointIn } from "../../lib/key_files.ts";
import { ends } from "../support/ends.ts";
import { visit } from "../support/browser.ts";
import { calls, pointOf } from "../support/ends.ts";
import {
  DOMAIN,
  FLEET,
  freePort,
  KEY_PATH,
  outputsSearched,
  type Owner,
  type OwnerOptions,
  ownerTest,
  type Result,
  type Running,
  TOKEN,
  useFewProcesses,
} from "../support/owner.ts";

useFewProcesses();
const READ_KEY = `GET ${DOMAIN}${KEY_PATH}`;
const REGISTER = `POST ${FLEET}/api/1/partner_accounts`;
const LOOK_UP = `GET ${FLEET}/api/1/partner_accounts/public_key?domain=${DOMAIN}`;
const NEW = { registered: false, loggedIn: false };
const KEYLESS = { ...NEW, keys: false };
const LINK = `https://tesla.com/_ak/${DOMAIN}\n`;

function host(owner: Owner, body = owner.publicKey, status = 200, location = ""): void {
  owner.simulator.partner.hosting = { kind: "file", body, status, headers: location ? { location } : {} };
}
function pem(key: KeyObject): string {
  return key.export({ type: key.type === "public" ? "spki" : "pkcs8", format: "pem" }).toString();
}
const other = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
const p384 = pem(generateKeyPairSync("ec", { namedCurve: "secp384r1" }).publicKey);

ownerTest("generate_key makes a P-256 pair for its owner, and never overwrites", KEYLESS, async (owner) => {
  await ends(owner, "generate_key --overwrite", 2, "run: npx tsx scripts/generate_key.ts\n");
  await ends(owner, "generate_key word", 2, "expected no arguments; got 1");
  const { stdout } = await ends(owner, "generate_key --help", 0);
  for (const word of ["reads", "writes", "contacts", "costs", "run"]) {
    assert.match(stdout, new RegExp(`^ *${word} `, "m"));
  }
  assert.equal(owner.has("private-key.pem"), false);
  await ends(owner, "generate_key", 0, "made private-key.pem (only you can read it; ", "serve_public_key");
  const [privateKey, publicKey] = [owner.read("private-key.pem"), owner.read("public-key.pem")];
  const pair = createPrivateKey(privateKey);
  assert.equal(pair.asymmetricKeyDetails?.namedCurve, "prime256v1");
  assert.match(privateKey, /^-----BEGIN (EC )?PRIVATE KEY-----\n/);
  assert.equal(publicKey, pem(createPublicKey(pair)));
  if (process.platform !== "win32") assert.equal(owner.mode("private-key.pem"), 0o600);
  // Both files, then each alone.
  const kept = (name: string): string => `error: ${name} already exists, left unchanged\n`;
  const otherwise = "keep them; a new pair would have to be registered and paired again";
  await ends(owner, "generate_key", 2, kept("private-key.pem and public-key.pem"), otherwise);
  rmSync(owner.path("public-key.pem"));
  const fix = /^fix: {3}make it from the private key: openssl ec -in private-key\.pem -pubout/m;
  await ends(owner, "generate_key", 2, kept("private-key.pem"), fix);
  owner.write("public-key.pem", publicKey);
  assert.equal(owner.read("private-key.pem"), privateKey);
  rmSync(owner.path("private-key.pem"));
  await ends(
    owner,
    "generate_key",
    2,
    kept("public-key.pem"),
    "nothing was made\nfix:   copy private-key.pem here; if it is lost: move public-key.pem away, run this again, "
      + "then register and pair again\n",
  );
  assert.deepEqual([owner.has("private-key.pem"), owner.read("public-key.pem")], [false, publicKey]);
  assert.deepEqual(owner.simulator.requests, []);
});

interface Serving {
  running: Running;
  base: string;
  port: number;
}
async function serve(owner: Owner): Promise<Serving> {
  const port = await freePort();
  const running = owner.start("serve_public_key", ["--port", String(port)]);
  await running.said(/Ctrl-C stops it\n/);
  return { running, base: `http://127.0.0.1:${port}`, port };
}
async function end({ running }: Serving): Promise<Result> {
  running.child.kill("SIGTERM");
  return running.ended;
}

/** A request as it stands, its address not normalised; everything that came back. */
async function rawVisit({ port }: Serving, line: string, header = "x: y"): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1");
    let text = "";
    socket.setTimeout(5000, () => socket.destroy(new Error("no answer")));
    socket.on("data", (part) => {
      text += part.toString("latin1");
    });
    socket.on("close", () => resolve(text)).on("error", reject);
    socket.end(Buffer.from(`${line}\r\nhost: a\r\nconnection: close\r\n${header}\r\n\r\n`, "latin1"));
  });
}

describe("serve_public_key", { concurrency: 3 }, () => {
  ownerTest("serves the key at one address and nothing else, to this machine", NEW, async (owner) => {
    const serving = await serve(owner);
    const { base, port, running } = serving;
    assert.match(
      running.stderr(),
      /^serving public-key\.pem at http:\S+\nIt must be publicly reachable at https:\/\/TESLA_DOMAIN/,
    );
    const page = await visit(base + KEY_PATH);
    assert.deepEqual([page.status, page.body], [200, owner.publicKey]);
    const head = await visit(base + KEY_PATH, { method: "HEAD" });
    const length = String(owner.publicKey.length);
    assert.deepEqual([head.status, head.body, head.headers["content-length"]], [200, "", length]);
    // biome-ignore format: a list
    const others = ["/", "/private-key.pem", `${KEY_PATH}/`, `${KEY_PATH}?a=1`, "/.env", `/x/..${KEY_PATH}`, "/tesla_token.json",
      "/.well-known/appspecific/../../private-key.pem", "/%2e%2e/private-key.pem"];
    for (const path of others) {
      const answer = await rawVisit(serving, `GET ${path} HTTP/1.1`);
      assert.match(answer, /^HTTP\/1\.1 404 /, path);
      assert.doesNotMatch(answer, /PRIVATE|BEGIN/, path);
    }
    for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"]) {
      assert.equal((await visit(base + KEY_PATH, { method })).status, 404, method);
    }
    // What a visitor sends does not steer the terminal: each run is searched for control characters.
    await rawVisit(serving, "GET /\u001b[31mred HTTP/1.1", "user-agent: \u009b1mred\u0085");
    await rawVisit(serving, "GET /plain HTTP/1.1", `user-agent: ${"x".repeat(3000)}`);
    await running.said(/plain/);
    for (const name of ["[::1]", "127.0.0.2"])
      await assert.rejects(visit(`http://${name}:${port}${KEY_PATH}`));
    const problem = `error: cannot listen on 127.0.0.1, port ${port}\nfound: already in use by another program\n`;
    const fix = "fix:   stop what uses the port, or choose another with --port\n";
    const second = await ends(owner, `serve_public_key --port ${port}`, 5, problem + fix);
    assert.doesNotMatch(second.stderr, /serving/);
    const { stderr } = await end(serving);
    assert.match(stderr, /^\d\d:\d\d 200 GET \/\.well-known\S+ by \(no user agent\)$/m);
    assert.match(stderr, /^\d\d:\d\d 404 GET \/private-key\.pem by [^]*^\d\d:\d\d 404 POST \S+ by/m);
    assert.ok(!stderr.includes("x".repeat(200)), "a long name is cut");
  });

  const NO_KEY = "not a P-256 public key in PEM form and nothing else";
  // biome-ignore format: a table
  const files: [string | undefined, string][] = [[undefined, "found: not found\nfix:   run generate_key"], ["", "fix:   run generate_key"],
    [pem(generateKeyPairSync("ed25519").publicKey), NO_KEY], [p384, NO_KEY], [pem(other.privateKey), "it holds a private key, which must stay with you"],
    ["-----BEGIN PUBLIC KEY-----\nbm90IGEga2V5\n-----END PUBLIC KEY-----\n", NO_KEY]];
  ownerTest("refuses what is no P-256 public key, and ports that are none", KEYLESS, async (owner) => {
    for (const [text, word] of files) {
      if (text !== undefined) owner.write("public-key.pem", text);
      if (text?.includes("PRIVATE")) owner.rememberSecret(text.split("\n")[1] ?? "");
      await ends(owner, "serve_public_key --port 1", 5, "error: public-key.pem cannot be used\n", word);
    }
    owner.write("public-key.pem", pem(other.publicKey));
    for (const port of ["0", "65536", "80a", ""]) {
      await ends(owner, `serve_public_key --port=${port}`, 2, "--port is a number from 1 to 65535");
    }
  });
});

describe("register_partner", { concurrency: 3 }, () => {
  ownerTest("registers, compares with what Tesla has, prints the pairing link", NEW, async (owner) => {
    host(owner);
    const { partner } = owner.simulator;
    for (const form of ["hex", "pem"] as const) {
      partner.publicKeyForm = form;
      const said = `registered: ${DOMAIN} in region eu; Tesla has your key on file\nnext     npx tsx scripts/get_token.ts\n`;
      const hints = ["scan the code", "before 2021 needs none"];
      const result = await ends(owner, "register_partner", 0, said, ...hints);
      assert.equal(result.stdout, LINK);
      assert.deepEqual(calls(result.requests), [READ_KEY, TOKEN, REGISTER, LOOK_UP]);
      assert.equal(partner.registrations.eu?.publicKey, pointOf(owner.publicKey));
      // The key is looked at without a secret, and the secret goes to the token host alone.
      const [site, token, ...fleet] = result.requests;
      assert.equal(site?.headers.authorization, undefined);
      assert.equal(token?.body.includes("client_secret="), true);
      const withSecret = [site, ...fleet].filter((one) => JSON.stringify(one).includes("ta-secret"));
      assert.deepEqual(withSecret, []);
      assert.deepEqual(JSON.parse(fleet[0]?.body ?? ""), { domain: DOMAIN });
    }
    // Behind a tunnel, the key that serve_public_key serves.
    const serving = await serve(owner);
    partner.hosting = { kind: "tunnel", port: serving.port };
    await ends(owner, "register_partner", 0);
    assert.equal((await end(serving)).stderr.match(/\b200 /g)?.length, 2, "ours and Tesla's visit");
    const skipped = await ends(owner, "register_partner --skip-check", 5, "424"); // nothing answers there now
    assert.deepEqual(calls(skipped.requests), [TOKEN, REGISTER]);
    host(owner, pem(other.publicKey));
    const found = `a key different from public-key.pem, for ${DOMAIN} in region eu`;
    const problem = "error: Tesla has a different key on file\n";
    await ends(owner, "register_partner --skip-check", 5, problem, found);
  });

  // After Tesla has taken the registration, it need not show the key: how the look-up fails, and the exit code.
  // biome-ignore format: a table
  const lookUps: [string, number, ...string[]][] = [
    ["key_look_up_421", 0, "Tesla does not show the key here (421"], ["key_look_up_403", 0, "(403"], ["key_look_up_404", 0, "(404"],
    ["not_found", 0, "(404"], ["not_registered", 0, "(412"], ["server_error", 1, "Tesla's server failed"], ["rate_limited", 7, "37 seconds"],
    ["truncated_json", 1], ["hang_up_after", 1], ["wrong_shape", 1, "no readable public key"], ["other_key_on_file", 5, "has a different key on file"],
  ];
  ownerTest("registered, and the look-up of the key fails: the link all the same", NEW, async (owner) => {
    host(owner);
    const registered = `registered: ${DOMAIN} in region eu; `;
    for (const [failure, code, ...words] of lookUps) {
      owner.simulator.clear();
      owner.simulator.fail(failure, { path: "/public_key" });
      const result = await ends(owner, "register_partner", code, code === 0 ? registered : "", ...words);
      assert.equal(result.stdout, code === 0 ? LINK : "", failure);
      assert.deepEqual(calls(result.requests), [READ_KEY, TOKEN, REGISTER, LOOK_UP], failure);
      assert.doesNotMatch(result.stderr, code === 0 ? /TESLA_REGION|error:/ : /registered:/, failure);
    }
    // With the scopes of a Powerwall alone Tesla does not show it: that is said, and no scope is asked for.
    owner.simulator.clear();
    owner.simulator.fail("key_look_up_403");
    owner.setSettings({ TESLA_SCOPES: "openid offline_access energy_device_data" });
    const energy = await ends(owner, "register_partner", 0, registered, "vehicle_device_data");
    assert.equal(energy.stdout, LINK);
    assert.doesNotMatch(energy.stderr, /your app lacks/);
  });

  ownerTest("already taken: by the same key it is success, else it is not", NEW, async (owner) => {
    host(owner);
    await owner.simulator.register();
    const taken = { key_hash_taken: "run generate_key", domain_taken: "give each app its own domain" };
    const others = ["other_key_on_file", "key_look_up_404", "key_look_up_421", "not_found", "not_registered"];
    for (const [failure, fix] of Object.entries(taken)) {
      owner.simulator.clear();
      owner.simulator.fail(failure);
      const same = await ends(owner, "register_partner", 0, /422\n[^]*; Tesla has your key on file/);
      assert.deepEqual(calls(same.requests), [READ_KEY, TOKEN, REGISTER, LOOK_UP]);
      for (const second of others) {
        owner.simulator.fail(second, { times: 1, path: "/public_key" });
        const result = await ends(owner, "register_partner", 5, "has already been taken", fix);
        assert.equal(result.stdout, "", second);
      }
    }
  });

  // biome-ignore format: a table
  const refusals: [string, string, number, ...string[]][] = [
    ["/partner_accounts", "partner_unauthorized_client", 5, "is it approved yet?"], ["/partner_accounts", "hang_up_after", 8, "registering twice does no harm"],
    ["/partner_accounts", "oversized", 8, "1 MiB"], ["/partner_accounts", "echoes_secret", 6], ["/token", "partner_invalid_audience", 5, "issues/460"],
    ["/token", "token_without_access_token", 1, "it has no partner token"], ["/token", "html_firewall", 1], ["/token", "echoes_secret", 5],
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
  const NO_PEM = `${NOT_THE_KEY}found: https://${DOMAIN}${KEY_PATH}: it is not a P-256 public key in PEM form and nothing else\nfix:   put public-key.pem there\n`;
  const EXPOSED = "error: your domain serves a private key\n";
  const RSA = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\n";
  // biome-ignore format: a table
  const hostings: [string, (owner: Owner) => void, ...string[]][] = [
    ["another key", (owner) => host(owner, pem(other.publicKey)), "serves a different key from public-key.pem", "a few minutes for caches"],
    ["the point in hex", (owner) => host(owner, pointIn(owner.publicKey)), NO_PEM], ["a key and a web page", (owner) => host(owner, `${owner.publicKey}<p>hi</p>`), NO_PEM],
    ["a web page", (owner) => host(owner, "<!doctype html><title>hi</title>"), NO_PEM], ["another curve", (owner) => host(owner, p384), NO_PEM],
    ["nothing", (owner) => host(owner, ""), NO_PEM], ["a damaged PEM", (owner) => host(owner, owner.publicKey.replace(/\n.{20}/, "\n")), NO_PEM],
    ["the private key", (owner) => host(owner, owner.read("private-key.pem")), EXPOSED], ["somebody's RSA key", (owner) => host(owner, RSA), EXPOSED],
    ["both keys", (owner) => host(owner, owner.publicKey + owner.read("private-key.pem")), EXPOSED],
    ["the private key first", (owner) => host(owner, owner.read("private-key.pem") + owner.publicKey), EXPOSED],
    ["404", (owner) => host(owner, "none", 404), NOT_THE_KEY, "leave out folders with a dot", "start serve_public_key"],
    ["403", (owner) => host(owner, "robots keep out", 403), NOT_THE_KEY, "to everyone"], ["502", (owner) => host(owner, "", 502), NOT_THE_KEY, "behind a tunnel"],
    ["a redirect", (owner) => host(owner, "", 301, `https://www.${DOMAIN}${KEY_PATH}`), "redirects", "set TESLA_DOMAIN"],
    ["2 MiB", (owner) => host(owner, `${owner.publicKey}${" ".repeat(2 ** 21)}`), NOT_THE_KEY, "1 MiB"],
    ["a closed connection", (owner) => owner.simulator.fail("hang_up_before", { path: KEY_PATH }), "cannot be reached from here", "--skip-check"],
  ];
  ownerTest("what the domain serves is none of it: Tesla is not asked", NEW, async (owner) => {
    for (const [title, prepare, ...words] of hostings) {
      prepare(owner);
      const result = await ends(owner, "register_partner", 5, ...words);
      assert.deepEqual([calls(result.requests), result.stdout], [[READ_KEY], ""], title);
      if (!words.includes(EXPOSED)) continue;
      assert.match(
        result.stderr,
        /fix: {3}anyone may have copied this key: take it down; move both keys away; run generate_key; publish/,
      );
      assert.match(result.stderr, /register_partner; remove the old key in the car \(Locks\); pair again\n$/);
    }
    rmSync(owner.path("public-key.pem"));
    await ends(owner, "register_partner", 5, "error: public-key.pem cannot be used\nfound: not found\n");
  });
});

const CHINA: OwnerOptions = { ...NEW, region: "cn" };
ownerTest("mainland China: its own token host, pairing page and portal", CHINA, async (owner) => {
  host(owner);
  const result = await ends(owner, "register_partner", 0, "in region cn");
  assert.equal(result.stdout, `https://www.tesla.cn/_ak/${DOMAIN}\n`);
  assert.equal(calls(result.requests)[1], "POST auth.tesla.cn/oauth2/v3/token");
  owner.simulator.fail("unauthorized_client");
  await ends(owner, "register_partner", 5, /page on developer\.tesla\.cn(?!.*developer\.tesla\.com)/);
});

test("the outputs were searched for secrets", () => assert.ok(outputsSearched() > 70));
