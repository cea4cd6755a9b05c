// From nothing to a login: generate_key, serve_public_key, register_partner and get_token as an owner runs
// them, against the simulator, with everything that goes wrong on the way. (Tesla's own error texts, one by
// one: explanations.test.ts.)
import assert from "node:assert/strict";
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync } from "node:crypto";
import { chmodSync, realpathSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { describe, test } from "node:test";
import {
  CLIENT_ID, DOMAIN, FLEET, KEY_PATH, SCOPES, TELLS_WAITS, TOKEN, assertEnd, calls, freePort,
  outputsSearched, ownerTest, pointOf, startLogin, useFewProcesses, useRedirect, visit, visitWhenListening,
  type Owner, type Result, type Running,
} from "../support/harness.ts";
import { pointIn } from "../../lib/key_files.ts";
import type { Reply } from "../simulator/tesla/tesla.ts";

useFewProcesses();

const READ_KEY = `GET ${DOMAIN}${KEY_PATH}`;
const REGISTER = `POST ${FLEET}/api/1/partner_accounts`;
const LOOK_UP = `GET ${FLEET}/api/1/partner_accounts/public_key?domain=${DOMAIN}`;
const NEW = { registered: false, loggedIn: false };

function host(owner: Owner, body = owner.publicKey, status = 200, headers: Record<string, string> = {}):
  void {
  owner.simulator.partner.hosting = { kind: "file", body, status, headers };
}

describe("generate_key", { concurrency: 3 }, () => {
  ownerTest("makes a P-256 pair, the private half for its owner alone",
    { ...NEW, keys: false }, async (owner) => {
    assertEnd(await owner.run("generate_key"), 0, "serve_public_key");
    const pair = createPrivateKey(owner.read("private-key.pem"));
    assert.equal(pair.asymmetricKeyDetails?.namedCurve, "prime256v1");
    assert.match(owner.read("private-key.pem"), /^-----BEGIN (EC )?PRIVATE KEY-----\n/);
    const half = createPublicKey(pair).export({ type: "spki", format: "pem" });
    assert.equal(owner.read("public-key.pem"), half);
    if (process.platform !== "win32") assert.equal(owner.mode("private-key.pem"), 0o600);

    // It never overwrites: both files, then each alone.
    const before = [owner.read("private-key.pem"), owner.read("public-key.pem")];
    const kept = (name: string): string => `${name} exists already and was kept; another pair must be registered and `
      + "paired anew; only if you want that, move both keys away";
    assertEnd(await owner.run("generate_key"), 2, kept("private-key.pem"));
    assert.deepEqual([owner.read("private-key.pem"), owner.read("public-key.pem")], before);
    rmSync(owner.path("private-key.pem"));
    assertEnd(await owner.run("generate_key"), 2, kept("public-key.pem"));
    assert.equal(owner.has("private-key.pem"), false);
    assert.equal(owner.read("public-key.pem"), before[1]);
    assert.deepEqual(owner.simulator.requests, []);
  });

  ownerTest("says how it is used", { ...NEW, keys: false }, async (owner) => {
    const help = await owner.run("generate_key", ["--help"]);
    assertEnd(help, 0);
    for (const word of ["reads", "writes", "contacts", "costs", "run"]) {
      assert.match(help.stdout, new RegExp(`^ *${word} `, "m"));
    }
    assertEnd(await owner.run("generate_key", ["--overwrite"]), 2, /overwrite/, /--help|npx tsx/);
    assertEnd(await owner.run("generate_key", ["word"]), 2);
    assert.equal(owner.has("private-key.pem"), false);
  });

  const readOnly = { ...NEW, keys: false };
  const asRoot = process.getuid?.() === 0;
  if (!asRoot) ownerTest("a folder that cannot be written", readOnly, async (owner) => {
    chmodSync(owner.folder, 0o500);
    assertEnd(await owner.run("generate_key"), 1, "private-key.pem");
    chmodSync(owner.folder, 0o700);
  });
});

async function serve(owner: Owner): Promise<{ running: Running; base: string; port: number }> {
  const port = await freePort();
  const running = owner.start("serve_public_key", ["--port", String(port)], { timeoutMs: 60_000 });
  await running.said(/serving/);
  return { running, base: `http://127.0.0.1:${port}`, port };
}

async function end(running: Running): Promise<Result> {
  running.child.kill("SIGTERM");
  return running.ended;
}

describe("serve_public_key", { concurrency: 3 }, () => {
  ownerTest("serves the key at one address and nothing else", NEW, async (owner) => {
    const { running, base } = await serve(owner);
    const page = await visit(base + KEY_PATH);
    assert.equal(page.status, 200);
    assert.equal(page.body, owner.publicKey);
    const head = await visit(base + KEY_PATH, { method: "HEAD" });
    assert.deepEqual([head.status, head.body, head.headers["content-length"]],
      [200, "", String(owner.publicKey.length)]);
    const others = ["/", "/private-key.pem", `${KEY_PATH}/`, `${KEY_PATH}?a=1`, "/.env", `/x/..${KEY_PATH}`,
      "/.well-known/appspecific/../../private-key.pem", "/%2e%2e/private-key.pem", "/tesla_token.json"];
    for (const path of others) {
      // The address is not normalised on its way here.
      const other = await rawVisit(base, `GET ${path} HTTP/1.1`);
      assert.match(other, /^HTTP\/1\.1 404 /, path);
      assert.doesNotMatch(other, /PRIVATE|BEGIN/, path);
    }
    for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"]) {
      assert.equal((await visit(base + KEY_PATH, { method })).status, 404, method);
    }
    const { stderr } = await end(running);
    assert.match(stderr, /200 GET \/\.well-known\S+ by/);
    assert.match(stderr, /404 GET \/private-key\.pem by/);
    assert.match(stderr, /404 POST \S+ by/);
  });

  ownerTest("control characters of a visitor do not reach the terminal", NEW, async (owner) => {
    const { running, base } = await serve(owner);
    await rawVisit(base, "GET /\u001b[31mred HTTP/1.1", "user-agent: \u009b1mred\u0085");
    await rawVisit(base, "GET /plain HTTP/1.1", `user-agent: ${"x".repeat(3000)}`);
    await running.said(/plain/);
    await end(running); // the harness looks for control characters
    assert.equal(!running.stderr().includes("x".repeat(200)), true);
  });

  ownerTest("listens on 127.0.0.1 only, and a port in use is one line", NEW, async (owner) => {
    const { running, port } = await serve(owner);
    await assert.rejects(visit(`http://[::1]:${port}${KEY_PATH}`));
    await assert.rejects(visit(`http://127.0.0.2:${port}${KEY_PATH}`));
    const second = await owner.run("serve_public_key", ["--port", String(port)]);
    assertEnd(second, 5, `cannot listen on 127.0.0.1, port ${port}: another program uses it; `
      + "stop what uses the port, or take another with --port");
    assert.doesNotMatch(second.stderr, /REDIRECT_URI|EADDRINUSE|serving/);
    await end(running);
  });

  ownerTest("refuses what is no P-256 public key, and ports that are none",
    { ...NEW, keys: false }, async (owner) => {
    const ed = generateKeyPairSync("ed25519").publicKey.export({ type: "spki", format: "pem" }).toString();
    const p384 = generateKeyPairSync("ec", { namedCurve: "secp384r1" });
    const own = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
    const files: [string | undefined, RegExp][] = [
      [undefined, /generate_key/],
      ["", /generate_key/],
      [ed, /P-256/],
      [p384.publicKey.export({ type: "spki", format: "pem" }).toString(), /P-256/],
      [own.privateKey.export({ type: "pkcs8", format: "pem" }).toString(), /private key/],
      ["-----BEGIN PUBLIC KEY-----\nbm90IGEga2V5\n-----END PUBLIC KEY-----\n", /public-key\.pem/],
    ];
    for (const [text, word] of files) {
      if (text !== undefined) owner.write("public-key.pem", text);
      if (text?.includes("PRIVATE")) owner.rememberSecret(text.split("\n")[1] ?? "");
      assertEnd(await owner.run("serve_public_key", ["--port", "1"]), 5, word);
    }
    owner.write("public-key.pem", own.publicKey.export({ type: "spki", format: "pem" }));
    for (const port of ["0", "65536", "80a", ""]) {
      assertEnd(await owner.run("serve_public_key", [`--port=${port}`]), 2);
    }
  });
});

/** A request written by hand; everything that came back. */
async function rawVisit(base: string, line: string, header = "x: y"): Promise<string> {
  const { connect } = await import("node:net");
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

describe("register_partner", { concurrency: 3 }, () => {
  for (const publicKeyForm of ["hex", "pem"] as const) {
    ownerTest(`registers, and compares with what Tesla has on file in ${publicKeyForm}`,
      NEW, async (owner) => {
      host(owner);
      owner.simulator.partner.publicKeyForm = publicKeyForm;
      const result = await owner.run("register_partner");
      assertEnd(result, 0, "get_token");
      assert.equal(result.stdout, `https://tesla.com/_ak/${DOMAIN}\n`);
      assert.deepEqual(calls(result.requests), [READ_KEY, TOKEN, REGISTER, LOOK_UP]);
      assert.equal(owner.simulator.partner.registrations.eu?.publicKey, pointOf(owner.publicKey));
      // The key is looked at without a secret, and the secret goes to the token host alone.
      const [site, token, ...fleet] = result.requests;
      assert.equal(site?.headers.authorization, undefined);
      assert.equal(token?.body.includes("client_secret="), true);
      assert.equal(![site, ...fleet].some((one) => JSON.stringify(one).includes("ta-secret")), true);
      assert.deepEqual(JSON.parse(fleet[0]?.body ?? ""), { domain: DOMAIN });
      // Again is no failure.
      assertEnd(await owner.run("register_partner"), 0);
    });
  }

  ownerTest("the key served by serve_public_key behind a tunnel", NEW, async (owner) => {
    const { running, port } = await serve(owner);
    owner.simulator.partner.hosting = { kind: "tunnel", port };
    assertEnd(await owner.run("register_partner"), 0);
    await end(running);
    assert.equal(running.stderr().match(/\b200 /g)?.length, 2, "ours and Tesla's visit");
  });

  ownerTest("taken: by this same key is success, by another key is not", NEW, async (owner) => {
    host(owner);
    await owner.simulator.register();
    for (const failure of ["key_hash_taken", "domain_taken"]) {
      owner.simulator.fail(failure, 1);
      const result = await owner.run("register_partner");
      assertEnd(result, 0, /422\n[^]*registered: Tesla has your key on file/);
      assert.deepEqual(calls(result.requests), [READ_KEY, TOKEN, REGISTER, LOOK_UP]);
    }
    owner.simulator.fail("key_hash_taken", 1);
    owner.simulator.fail("other_key_on_file", 1);
    assertEnd(await owner.run("register_partner"), 5, "generate_key");
    owner.simulator.fail("domain_taken", 1);
    owner.simulator.fail("other_key_on_file", 1);
    assertEnd(await owner.run("register_partner"), 5, "Domain has already been taken");
  });

  ownerTest("taken: and nothing on file", NEW, async (owner) => {
    host(owner);
    owner.simulator.partner.takenKeys.push(pointOf(owner.publicKey));
    assertEnd(await owner.run("register_partner"), 5, "Public key hash has already been taken",
      "generate_key");
    owner.simulator.partner.takenKeys.length = 0;
    owner.simulator.partner.takenDomains.push(DOMAIN);
    assertEnd(await owner.run("register_partner"), 5, "Domain has already been taken");
    owner.simulator.partner.takenDomains.length = 0;
    owner.simulator.fail("other_key_on_file", 1);
    assertEnd(await owner.run("register_partner"), 5, "another key");
  });

  // Tesla's own words, one by one, are in explanations.test.ts; here, what no table foresees.
  const refusals: [string, number, ...(string | RegExp)[]][] = [
    ["partner_unauthorized_client", 5, /unauthorized_client/, /grant type|Machine-to-Machine|CLIENT/],
    ["rate_limited", 7, "37"],
    ["html_access_denied", 1, "web page"],
    ["wrong_shape", 1],
    ["wrong_shape_list", 1],
    ["oversized", 1, "1 MiB"],
    ["hang_up_after", 1],
    ["echoes_secret", 6],
    ["escape_sequences", 6],
  ];
  for (const [failure, code, ...words] of refusals) {
    ownerTest(`Fleet API: ${failure}`, NEW, async (owner) => {
      host(owner);
      owner.simulator.fail(failure, { path: "/partner_accounts" });
      const result = await owner.run("register_partner");
      assertEnd(result, code, ...words);
      assert.ok(result.requests.length <= 4, "nothing is sent twice");
      assert.equal(result.stdout, "");
    });
  }

  const tokenRefusals: [string, number, ...(string | RegExp)[]][] = [
    ["partner_invalid_audience", 5, "issues/460"],
    ["token_server_error", 1],
    ["token_without_access_token", 1],
    ["html_firewall", 1],
    ["echoes_secret", 5],
  ];
  for (const [failure, code, ...words] of tokenRefusals) {
    ownerTest(`token host: ${failure}`, NEW, async (owner) => {
      host(owner);
      owner.simulator.fail(failure, { path: "/token" });
      const result = await owner.run("register_partner");
      assertEnd(result, code, ...words);
      assert.deepEqual(calls(result.requests), [READ_KEY, TOKEN]);
    });
  }

  const other = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  const p384 = generateKeyPairSync("ec", { namedCurve: "secp384r1" }).publicKey;
  const pem = (key: typeof p384) => key.export({ type: "spki", format: "pem" }).toString();
  const hostings: [string, (owner: Owner) => void, RegExp][] = [
    ["another key", (owner) => host(owner, pem(other.publicKey)), /another key/],
    ["the point in hex", (owner) => host(owner, pointIn(owner.publicKey)), /not a P-256 public key in PEM form and nothing else/],
    ["a key and a web page", (owner) => host(owner, `${owner.publicKey}<p>hi</p>`),
      /PEM form and nothing else/],
    ["a web page", (owner) => host(owner, "<!doctype html><title>hi</title>"), /PEM form and nothing else; put public-key\.pem/],
    ["a key of another curve", (owner) => host(owner, pem(p384)), /P-256/],
    ["a private key", (owner) => {
      const text = other.privateKey.export({ type: "pkcs8", format: "pem" }).toString();
      owner.rememberSecret(text.split("\n")[1] ?? "");
      host(owner, text);
    }, /private key/],
    ["404", (owner) => host(owner, "none", 404), /\.nojekyll/],
    ["a redirect", (owner) => host(owner, "", 301, { location: `https://www.${DOMAIN}${KEY_PATH}` }),
      /redirect/],
    ["2 MiB", (owner) => host(owner, `${owner.publicKey}${" ".repeat(2 ** 21)}`), /1 MiB/],
    ["nothing", (owner) => host(owner, ""), /PEM/],
    ["a damaged PEM", (owner) => host(owner, owner.publicKey.replace(/\n.{20}/, "\n")), /PEM/],
    ["a closed connection", (owner) => owner.simulator.fail("hang_up_before", { path: KEY_PATH }),
      /--skip-check/],
  ];
  for (const [title, prepare, word] of hostings) {
    ownerTest(`the domain shows ${title}: Tesla is not asked`, NEW, async (owner) => {
      prepare(owner);
      const result = await owner.run("register_partner");
      assertEnd(result, 5, word);
      assert.deepEqual(calls(result.requests), [READ_KEY]);
    });
  }

  ownerTest("--skip-check leaves out our own visit", NEW, async (owner) => {
    host(owner);
    const result = await owner.run("register_partner", ["--skip-check"]);
    assertEnd(result, 0);
    assert.deepEqual(calls(result.requests), [TOKEN, REGISTER, LOOK_UP]);
    host(owner, pem(other.publicKey));
    assertEnd(await owner.run("register_partner", ["--skip-check"]), 5, "another key");
    host(owner, "", 404);
    assertEnd(await owner.run("register_partner", ["--skip-check"]), 5, "424");
  });

  const settings: [string, string][] = [
    ["TESLA_CLIENT_SECRET", ""], ["TESLA_DOMAIN", ""], ["TESLA_REGION", "us"], ["TESLA_CLIENT_ID", "short"],
    ["TESLA_DOMAIN", "https://car.example.com"], ["TESLA_DOMAIN", "Car.example.com"],
    ["TESLA_DOMAIN", "localhost"], ["TESLA_DOMAIN", "pi.local"], ["TESLA_DOMAIN", "pi.home.arpa"],
    ["TESLA_DOMAIN", "car.example.com/"], ["TESLA_DOMAIN", "car.example.com:8443"],
  ];
  ownerTest("settings that are missing or malformed are named, and nothing is sent", NEW, async (owner) => {
    host(owner);
    for (const [name, value] of settings) {
      owner.setSettings({ [name]: value });
      const result = await owner.run("register_partner");
      assertEnd(result, 5, name);
      assert.deepEqual(result.requests, []);
    }
    owner.setSettings({ TESLA_CLIENT_SECRET: "\"ta-secret.a wrong one\"" });
    const result = await owner.run("register_partner");
    assertEnd(result, 5, "TESLA_CLIENT_SECRET");
    assert.doesNotMatch(result.stderr, /a wrong one/);
    // All that is wrong is told at once.
    owner.setSettings({ TESLA_CLIENT_ID: "", TESLA_CLIENT_SECRET: "short", TESLA_REGION: "us", TESLA_DOMAIN: "" });
    const all = await owner.run("register_partner");
    assertEnd(all, 5, "TESLA_CLIENT_ID is not set (", "TESLA_CLIENT_SECRET is malformed (",
      'TESLA_REGION is "us" (must be na ', "TESLA_DOMAIN is not set (", /; fix that in \.env in this folder\n$/);
    assert.doesNotMatch(all.stderr, /short/);
    rmSync(owner.path(".env"));
    const none = await owner.run("register_partner");
    assertEnd(none, 5, `there is no .env in ${realpathSync(owner.folder)}: go to the right folder, or copy `
      + ".env.example");
    assert.doesNotMatch(none.stderr, /ENOENT/);
    assert.deepEqual([...all.requests, ...none.requests], []);
    rmSync(owner.path("public-key.pem"));
    owner.setSettings();
    const keyless = await owner.run("register_partner");
    assertEnd(keyless, 5, "public-key.pem cannot be used: it is not there; run generate_key;");
    assert.doesNotMatch(keyless.stderr, /ENOENT/);
  });
});

function fileMode(owner: Owner): void {
  if (process.platform !== "win32") assert.equal(owner.mode("tesla_token.json"), 0o600);
  assert.equal(owner.has("tesla_token.json.new"), false);
  assert.equal(owner.has("tesla_token.json.lock"), false);
}

/** Logs in through the browser; the page, and how the script ended. */
async function logIn(owner: Owner, words: string[] = []):
  Promise<{ page: { status: number; body: string }; result: Result }> {
  await useRedirect(owner);
  const { running, address } = await startLogin(owner, words);
  const page = await visitWhenListening(await owner.simulator.consent(address));
  return { page, result: await running.ended };
}

const LOGGED_OUT = { loggedIn: false };

describe("get_token", { concurrency: 3 }, () => {
  ownerTest("the browser's way", LOGGED_OUT, async (owner) => {
    const redirect = await useRedirect(owner);
    const { running, address } = await startLogin(owner);
    const asked = new URL(address);
    assert.equal(asked.origin + asked.pathname, "https://auth.tesla.com/oauth2/v3/authorize");
    const { state, code_challenge: challenge, ...rest } = Object.fromEntries(asked.searchParams);
    assert.deepEqual(rest, {
      response_type: "code", client_id: CLIENT_ID, redirect_uri: redirect, scope: SCOPES,
      code_challenge_method: "S256", prompt_missing_scopes: "true", require_requested_scopes: "true",
    });
    assert.equal((state ?? "").length >= 22 && (challenge ?? "").length === 43, true);
    assert.doesNotMatch(asked.search, /\+/);

    const back = await owner.simulator.consent(address);
    const page = await visitWhenListening(back);
    const result = await running.ended;
    assertEnd(result, 0, "saved", "next     npx tsx scripts/list_vehicles.ts",
      `To see or withdraw what you granted: https://auth.tesla.com/user/revoke/consent?revoke_client_id=${CLIENT_ID}\n`,
      `granted  ${SCOPES} (asked for: ${SCOPES})`);
    assert.equal(result.stdout, "");
    assert.equal(page.status, 200);
    assert.match(page.body, /saved/);
    assert.equal(page.headers["cache-control"], "no-store");
    const code = new URL(back).searchParams.get("code") ?? "";
    assert.equal(code !== "" && !page.body.includes(code) && !page.body.includes(state ?? "?"), true);

    const exchange = result.requests.at(-1);
    const form = Object.fromEntries(new URLSearchParams(exchange?.body));
    assert.equal(`${exchange?.method} ${exchange?.host}${exchange?.path}`, TOKEN);
    const { client_secret: secret, code_verifier: verifier, ...others } = form;
    assert.deepEqual(others, { grant_type: "authorization_code", client_id: CLIENT_ID, code,
      audience: `https://${FLEET}`, redirect_uri: redirect });
    assert.equal(secret && (verifier ?? "").length >= 43, true);
    assert.equal(createHash("sha256").update(verifier ?? "").digest("base64url"), challenge);

    fileMode(owner);
    const { obtained_at: obtained, ...saved } = owner.token();
    assert.deepEqual(Object.keys(saved), ["access_token", "refresh_token", "id_token", "expires_in",
      "token_type"]);
    assert.equal(new Date(String(obtained)).toISOString(), obtained);
    assert.equal(owner.simulator.account.accessTokens.has(owner.token().access_token), true);
    assertEnd(await owner.run("read_charge"), 0);
  });

  ownerTest("two logins have nothing in common", LOGGED_OUT, async (owner) => {
    const redirect = await useRedirect(owner);
    const seen = [];
    for (let login = 0; login < 2; login += 1) {
      const { running, address } = await startLogin(owner);
      seen.push(new URL(address).searchParams);
      await visitWhenListening(`${redirect}/other`); // from now on Ctrl-C is heard
      running.child.kill("SIGINT");
      assertEnd(await running.ended, 2, "cancel");
    }
    for (const name of ["state", "code_challenge"]) assert.notEqual(seen[0]?.get(name), seen[1]?.get(name));
    assert.equal(owner.has("tesla_token.json"), false);
  });

  for (const form of ["the whole address", "code and state", "in quotes"]) {
    ownerTest(`pasted: ${form}`, LOGGED_OUT, async (owner) => {
      const redirect = "https://app.example.com/callback";
      owner.simulator.account.redirectUris.push(redirect);
      owner.setSettings({ TESLA_REDIRECT_URI: redirect });
      const { running, address } = await startLogin(owner, [], { keepStdin: true });
      const back = await owner.simulator.consent(address);
      const { searchParams } = new URL(back);
      const short = `code=${searchParams.get("code")}&state=${searchParams.get("state")}`;
      const texts: Record<string, string> = { "code and state": short, "in quotes": `'${back}#'` };
      running.type(`  ${texts[form] ?? back} \n`);
      assertEnd(await running.ended, 0, "saved");
      fileMode(owner);
    });
  }

  ownerTest("Tesla's refusal piped in, without an end of line", LOGGED_OUT, async (owner) => {
    const redirect = "https://app.example.com/callback";
    owner.setSettings({ TESLA_REDIRECT_URI: redirect });
    const { running, address } = await startLogin(owner, [], { keepStdin: true });
    const state = new URL(address).searchParams.get("state");
    running.child.stdin?.end(`${redirect}?error=server_error&error_description=Out%20of%20order&state=${state}`);
    assertEnd(await running.ended, 4, "Out of order");
  });

  ownerTest("pasted, while the browser could come too; nonsense before it", LOGGED_OUT, async (owner) => {
    await useRedirect(owner);
    const { running, address } = await startLogin(owner, [], { keepStdin: true });
    const back = new URL(await owner.simulator.consent(address));
    const refused = "that is not the answer to this login: paste the whole address, beginning with http://, of the "
      + "page at which your browser ended; still waiting";
    running.type(`\nhello\nhttp://x/?code=abc\ncode=${back.searchParams.get("code")}&state=wrong\n`);
    await running.said(new RegExp(`(?:${refused}\n){4}$`));
    assert.equal(owner.has("tesla_token.json"), false);
    running.type(`${back}\n`);
    const result = await running.ended;
    assertEnd(result, 0);
    assert.equal(result.requests.filter(({ path }) => path.endsWith("/token")).length, 1);
  });

  ownerTest("standard input at its end: without a loopback address nobody could answer",
    LOGGED_OUT, async (owner) => {
    owner.setSettings({ TESLA_REDIRECT_URI: "https://app.example.com/callback" });
    const result = await owner.run("get_token");
    assertEnd(result, 2, "error: nothing was pasted; nothing was saved");
    assert.deepEqual(result.requests, []);
  });

  ownerTest("standard input at its end does not end the wait for the browser; five minutes do", LOGGED_OUT,
    async (owner) => {
      await useRedirect(owner);
      const hook = "const wait = setTimeout; globalThis.setTimeout = (work, ms, ...rest) => "
        + "wait(work, ms === 300000 ? 300 : ms, ...rest);";
      const node = ["--import", `data:text/javascript,${encodeURIComponent(hook)}`];
      const result = await owner.run("get_token", [], { node });
      assertEnd(result, 2, "error: no answer within 5 minutes; run get_token again; nothing was saved");
      assert.ok(result.ms > 300, `${result.ms} ms`);
      assert.deepEqual(result.requests, []);
      assert.equal(owner.has("tesla_token.json"), false);
    });

  ownerTest("a wrong state is refused, and the wait goes on", LOGGED_OUT, async (owner) => {
    await useRedirect(owner);
    const { running, address } = await startLogin(owner);
    const back = new URL(await owner.simulator.consent(address));
    const state = back.searchParams.get("state") ?? "";
    const foreign = [`${state}x`, state.slice(0, -1), "", state.toUpperCase(), "%00"];
    for (const wrong of foreign) {
      const address = new URL(back);
      address.searchParams.set("state", wrong);
      const page = await visitWhenListening(address.href);
      assert.equal(page.status, 400, wrong);
      assert.doesNotMatch(page.body, /saved/);
    }
    const stateless = new URL(back);
    stateless.searchParams.delete("state");
    assert.equal((await visit(stateless.href)).status, 400);
    const codeless = new URL(back);
    codeless.searchParams.delete("code");
    assert.equal((await visit(codeless.href)).status, 400);
    const foreignNo = new URL(back);
    foreignNo.search = "?error=login_cancelled&state=another";
    assert.equal((await visit(foreignNo.href)).status, 400);
    assert.equal(running.child.exitCode, null);
    assert.equal((await visit(back.href)).status, 200);
    const result = await running.ended;
    assertEnd(result, 0);
    assert.equal(result.requests.filter(({ path }) => path.endsWith("/token")).length, 1);
  });

  ownerTest("other paths and methods get 404; the page reflects nothing",
    LOGGED_OUT, async (owner) => {
    const redirect = await useRedirect(owner);
    const { running, address } = await startLogin(owner);
    const back = await owner.simulator.consent(address);
    const { origin, search } = new URL(back);
    assert.equal((await visitWhenListening(`${origin}/${search}`)).status, 404);
    assert.equal((await visit(`${origin}/callback/${search}`)).status, 404);
    assert.equal((await visit(`${origin}/favicon.ico`)).status, 404);
    assert.equal((await visit(back, { method: "POST" })).status, 404);
    const marked = await visit(`${redirect}?state=%3Cscript%3Ealert(1)%3C/script%3E&code=%3Cb%3E`);
    assert.equal(marked.status, 400);
    assert.doesNotMatch(marked.body, /<|script|alert/);
    assert.match(marked.headers["content-type"] ?? "", /text\/plain/);
    assert.equal((await visit(`${back}&unknown=1&locale=xx&issuer=evil`)).status, 200);
    assertEnd(await running.ended, 0);
  });

  ownerTest("::1 answers too; one answer only", LOGGED_OUT, async (owner) => {
    const redirect = await useRedirect(owner);
    const { running, address } = await startLogin(owner);
    const back = await owner.simulator.consent(address);
    await visitWhenListening(`${redirect}/other`);
    const six = await visit(`${redirect}/other`, { connectTo: "::1" }).then((page) => page.status, () => 0);
    assert.ok(six === 404 || six === 0, "0 where the machine has no ::1");
    const visits = [1, 2, 3].map(() => visit(back).then((page) => page.status, () => 0));
    const statuses = (await Promise.all(visits)).sort();
    assert.equal(statuses.filter((status) => status === 200).length, 1, String(statuses));
    const result = await running.ended;
    assertEnd(result, 0);
    assert.equal(result.requests.filter(({ path }) => path.endsWith("/token")).length, 1);
    await assert.rejects(visit(back));
  });

  const refusals: [string, number, string | RegExp][] = [
    ["error=login_cancelled&error_description=User%20cancelled", 2, "User cancelled"],
    ["error=access_denied", 2, "cancelled"],
    ["error=server_error&error_description=Internal%20server%20error", 4, "Internal server error"],
    ["error=x%1b%5b31mred%07", 4, "red"],
    ["error=invalid_request&error_description=redirect_uri%20is%20wrong", 5, "TESLA_REDIRECT_URI"],
  ];
  for (const [query, code, word] of refusals) {
    ownerTest(`Tesla says no: ${query}`, LOGGED_OUT, async (owner) => {
      const redirect = await useRedirect(owner);
      const { running, address } = await startLogin(owner);
      const state = new URL(address).searchParams.get("state");
      const page = await visitWhenListening(`${redirect}?${query}&state=${state}`);
      assert.equal(page.status, 400);
      assert.doesNotMatch(page.body, /red|User|Internal/);
      assertEnd(await running.ended, code, word);
      assert.equal(owner.has("tesla_token.json"), false);
    });
  }

  ownerTest("cancelled on Tesla's own page", LOGGED_OUT, async (owner) => {
    await useRedirect(owner);
    const { running, address } = await startLogin(owner);
    await visitWhenListening(await owner.simulator.consent(address, { cancel: true }));
    const result = await running.ended;
    assertEnd(result, 2, "cancelled");
    assert.equal(!result.requests.some(({ path }) => path.endsWith("/token")), true);
  });

  ownerTest("scopes that were not granted: exit 5, and the token is saved", LOGGED_OUT, async (owner) => {
    owner.simulator.fail("consent_drops_scopes");
    const { page, result } = await logIn(owner);
    assertEnd(result, 5, "left out scopes", ": vehicle_device_data vehicle_charging_cmds; the tokens are saved;",
      "--force", `granted  openid offline_access (asked for: ${SCOPES})`);
    // The browser does not say that all is well, and the last word is the error, not the next step.
    assert.equal(page.body, "Your tokens are saved, but Tesla left out scopes. The terminal says what to do.\n");
    assert.match(result.stderr, /\nerror: [^\n]*\n$/);
    assert.doesNotMatch(result.stderr, /^next/m);
    fileMode(owner);
    assert.equal(Boolean(owner.token().refresh_token), true);
  });

  ownerTest("offline_access was not granted: exit 5, and the old tokens are kept", {}, async (owner) => {
    const before = owner.read("tesla_token.json");
    const granted = owner.newToken("openid vehicle_device_data vehicle_charging_cmds");
    assert.equal(granted.refresh_token, undefined);
    owner.answer("/oauth2/v3/token", 200, granted);
    const { result, page } = await logIn(owner, ["--force"]);
    assertEnd(result, 5, "offline_access", "tick every box");
    assert.equal(page.status, 400);
    assert.equal(owner.read("tesla_token.json"), before);
  });

  ownerTest("no scope at all: exit 5", LOGGED_OUT, async (owner) => {
    const { access_token, ...rest } = owner.newToken();
    const [head, claims = "", tail] = access_token.split(".");
    const emptied = { ...JSON.parse(Buffer.from(claims, "base64url").toString()), scp: [] };
    const changed = [head, Buffer.from(JSON.stringify(emptied)).toString("base64url"), tail].join(".");
    owner.answer("/oauth2/v3/token", 200, { ...rest, access_token: changed });
    assertEnd((await logIn(owner)).result, 5, "openid offline_access", "--force");
  });

  ownerTest("the account's region differs from the setting",
    { ...LOGGED_OUT, region: "na" }, async (owner) => {
    owner.options.settings = { TESLA_REGION: "eu" };
    const { result } = await logIn(owner);
    assertEnd(result, 0, /region +na\b.*TESLA_REGION=na/);
  });

  ownerTest("mainland China has hosts of its own", { ...LOGGED_OUT, region: "cn" }, async (owner) => {
    await useRedirect(owner);
    const running = owner.start("get_token");
    const [address] = await running.said(/^https:\/\/auth\.tesla\.cn\/\S+(?=\n)/m);
    await visitWhenListening(await owner.simulator.consent(address));
    const result = await running.ended;
    assertEnd(result, 0, /region +cn\n/,
      `withdraw what you granted: https://auth.tesla.cn/user/revoke/consent?revoke_client_id=${CLIENT_ID}\n`);
    assert.equal(result.requests.at(-1)?.host, "auth.tesla.cn");
    assertEnd(await owner.run("list_vehicles"), 0);
  });

  ownerTest("a login that still works is kept without --force", {}, async (owner) => {
    const before = owner.read("tesla_token.json");
    const kept = await owner.run("get_token");
    assertEnd(kept, 0, "--force");
    assert.deepEqual(kept.requests, []);
    assert.equal(owner.read("tesla_token.json"), before);
    // One that has expired is replaced without a word, and so is a file that cannot be used.
    owner.logIn({ obtained_at: "2020-01-01T00:00:00.000Z" });
    assertEnd((await logIn(owner)).result, 0, "saved");
    owner.write("tesla_token.json", "{");
    assertEnd((await logIn(owner)).result, 0, "saved");
    const saved = owner.read("tesla_token.json");
    assertEnd((await logIn(owner, ["--force"])).result, 0, "saved");
    assert.notEqual(owner.read("tesla_token.json"), saved);
    assertEnd(await owner.run("get_token", ["--forse"]), 2);
  });

  const exchanges: [string, number, ...(string | RegExp)[]][] = [
    ["invalid_auth_code", 4, "get_token"],
    ["unauthorized_client", 5, "TESLA_CLIENT_SECRET"],
    ["server_error_plain", 1],
    ["token_without_refresh_token", 1, "refresh_token"],
    ["wrong_shape", 1],
    ["oversized", 1, "1 MiB"],
    ["hang_up_after", 1],
    ["echoes_secret", 5],
  ];
  for (const [failure, code, ...words] of exchanges) {
    ownerTest(`the exchange fails: ${failure}; the old file stays, the browser is told`,
      {}, async (owner) => {
      const before = owner.read("tesla_token.json");
      owner.simulator.fail(failure, { path: "/token" });
      const { page, result } = await logIn(owner, ["--force"]);
      assertEnd(result, code, ...words);
      assert.equal(page.status, 400);
      assert.doesNotMatch(page.body, /saved/);
      assert.equal(owner.read("tesla_token.json"), before);
      assert.equal(result.requests.filter(({ path }) => path.endsWith("/token")).length, 1);
      fileMode(owner);
    });
  }

  ownerTest("an access token that does not decode is saved all the same", LOGGED_OUT, async (owner) => {
    owner.simulator.fail("token_not_a_jwt");
    const { result } = await logIn(owner);
    // What was granted cannot be told, and is not claimed to be missing.
    assert.equal(result.code, 0, result.stderr);
    assert.doesNotMatch(result.stderr, /: missing|undefined/);
    assert.equal(Boolean(owner.token().refresh_token), true);
  });

  ownerTest("claims of a token are cleaned before they are shown", LOGGED_OUT, async (owner) => {
    const shown = { scp: ["open\u001b[2Jid"], ou_code: "E\u009b1m\u0007U", exp: 4e9 };
    const claims = Buffer.from(JSON.stringify(shown));
    const damage = (reply: Reply): Reply => {
      const access = `eyJhbGciOiJSUzI1NiJ9.${claims.toString("base64url")}.c2lnbmF0dXJl`;
      return { ...reply, body: JSON.stringify({ ...JSON.parse(reply.body), access_token: access }) };
    };
    owner.simulator.failures.catalogue.push({ name: "escapes_in_claims", says: "", where: ["token"],
      kind: "damage", damage });
    owner.simulator.fail("escapes_in_claims");
    assertEnd((await logIn(owner)).result, 5, "region"); // the harness looks for control characters
  });

  ownerTest("the browser waits for a slow exchange", LOGGED_OUT, async (owner) => {
    const redirect = await useRedirect(owner);
    const { running, address } = await startLogin(owner, [], { node: TELLS_WAITS });
    await visitWhenListening(`${redirect}/other`);
    owner.write("tesla_token.json.lock", String(process.pid)); // another run that is alive
    const waiting = visit(await owner.simulator.consent(address));
    await running.said(/^waits 100$/m);
    rmSync(owner.path("tesla_token.json.lock"));
    const page = await waiting;
    assert.equal(page.status, 200);
    assert.match(page.body, /saved/);
    assertEnd(await running.ended, 0);
  });

  ownerTest("a port in use", LOGGED_OUT, async (owner) => {
    const redirect = await useRedirect(owner);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(Number(new URL(redirect).port), "127.0.0.1", resolve));
    const result = await owner.run("get_token");
    server.close();
    assertEnd(result, 5, `cannot listen on 127.0.0.1, port ${new URL(redirect).port}: another program uses it; `
      + "stop what uses it, or set TESLA_REDIRECT_URI to another port, also on your app's page");
    assert.doesNotMatch(result.stderr, /--port|EADDRINUSE/);
    assert.doesNotMatch(result.stderr, /authorize/); // no address that cannot lead anywhere
    assert.deepEqual(result.requests, []);
  });

  ownerTest("settings that cannot be right are named before anything happens", LOGGED_OUT, async (owner) => {
    const wrong: [string, string][] = [
      ["TESLA_REDIRECT_URI", "localhost:3000/callback"], ["TESLA_REDIRECT_URI", "http://localhost:3000"],
      ["TESLA_REDIRECT_URI", "http://a@b.example.com/x"], ["TESLA_SCOPES", "openid"], ["TESLA_REGION", "EU"],
      ["TESLA_CLIENT_SECRET", ""], ["TESLA_SCOPES", "openid, offline_access"],
    ];
    for (const [name, value] of wrong) {
      owner.setSettings({ [name]: value });
      const result = await owner.run("get_token");
      assertEnd(result, 5, name);
      assert.doesNotMatch(result.stderr, /authorize/);
    }
    // The environment wins over the file, as with dotenv; a mark of a Windows editor does no harm.
    owner.setSettings();
    owner.write(".env", `\ufeff${owner.read(".env")}`);
    assertEnd(await owner.run("get_token", [], { env: { TESLA_REGION: "xx" } }), 5, "\"xx\"");
    const redirect = await useRedirect(owner);
    const { running, address } = await startLogin(owner, [],
      { env: { TESLA_SCOPES: `${SCOPES} vehicle_cmds` } });
    assert.equal(new URL(address).searchParams.get("scope"), `${SCOPES} vehicle_cmds`);
    await visitWhenListening(`${redirect}/other`);
    running.child.kill("SIGINT");
    assertEnd(await running.ended, 2);
  });
});

test("the outputs were searched for secrets",
  () => assert.ok(outputsSearched() > 80, String(outputsSearched())));
