// get_token as an owner runs it: the browser's way and the pasted one, what any web page may send meanwhile, what
// Tesla refuses, and what is saved. (The screen as a whole: screens.test.ts.)
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { rmSync } from "node:fs";
import { createServer } from "node:net";
import { uptime } from "node:os";
import { describe, test } from "node:test";
import { useLoginCode } from "../../lib/login_answer.ts";
import { ends, endsWith } from "../support/ends.ts";
import { type Page, startLogin, useRedirect, visit, visitWhenListening } from "../support/browser.ts";
import { assertEnd } from "../support/ends.ts";
import { inside } from "../support/inside.ts";
import {
  CLIENT_ID,
  CLIENT_SECRET,
  FLEET,
  freePort,
  outputsSearched,
  type Owner,
  ownerTest,
  type Result,
  SCOPES,
  TOKEN,
  useFewProcesses,
} from "../support/owner.ts";
import { TELLS_WAITS } from "../support/passing_time.ts";

useFewProcesses();
const FILE = "tesla_token.json";
const LOGGED_OUT = { loggedIn: false };
const ELSEWHERE = "https://app.example.com/callback"; // no browser reaches this machine there
const UNASKED = "a page sent an answer that is not for this login; ignored; still waiting (Ctrl-C cancels)\n";
const NOT_OURS =
  "no answer to this login in that line (an old tab?); paste the whole address, from http on; still waiting\n";
const CONSENT = `/user/revoke/consent?revoke_client_id=${CLIENT_ID}`;
const NO_LOGIN = "The login did not work. The terminal says why.\n";

function assertTidy(owner: Owner): void {
  if (process.platform !== "win32") assert.equal(owner.mode(FILE), 0o600);
  assert.deepEqual([owner.has(`${FILE}.new`), owner.has(`${FILE}.lock`)], [false, false]);
}
/** How often a code was exchanged. */
function exchanges(owner: Owner): number {
  return owner.simulator.requests.filter(({ path }) => path.endsWith("/token")).length;
}
/** The status of a visit, 0 if there was no answer. */
function statusOf(address: string, options = {}): Promise<number> {
  return visit(address, options).then(
    ({ status }) => status,
    () => 0,
  );
}
/** Arguments of Node that run this code first. */
const first = (code: string): string[] => ["--import", `data:text/javascript,${encodeURIComponent(code)}`];

/** Logs in through the browser; the page, and how the script ended. */
async function logIn(owner: Owner, words = ["--force"], node: string[] = []): Promise<[Page, Result]> {
  await useRedirect(owner);
  const { running, address } = await startLogin(owner, words, { node });
  const page = await visitWhenListening(await owner.simulator.consent(address));
  return [page, await running.ended];
}

describe("get_token", { concurrency: 3 }, () => {
  ownerTest("the browser's way", LOGGED_OUT, async (owner) => {
    const redirect = await useRedirect(owner);
    const { running, address } = await startLogin(owner);
    const asked = new URL(address);
    assert.equal(asked.origin + asked.pathname, "https://auth.tesla.com/oauth2/v3/authorize");
    const { state = "", code_challenge: challenge = "", ...rest } = Object.fromEntries(asked.searchParams);
    // biome-ignore format: a list of names
    assert.deepEqual(rest, { response_type: "code", client_id: CLIENT_ID, redirect_uri: redirect, scope: SCOPES,
      code_challenge_method: "S256", prompt_missing_scopes: "true", require_requested_scopes: "true" });
    assert.deepEqual([state.length >= 22, challenge.length, asked.search.includes("+")], [true, 43, false]);
    const back = await owner.simulator.consent(address);
    const page = await visitWhenListening(back);
    const result = await running.ended;
    assertEnd(result, 0, `   vehicle_charging_cmds  manage its charging\n`, `\n\n${address}\n\n`);
    assertEnd(result, 0, `on to ${new URL(redirect).origin} (5 minutes)`, "paste that page's address");
    assertEnd(result, 0, /\nlogged in until (\S+ )?\d\d:\d\d; tesla_token\.json saved\ngranted {2}openid /);
    assertEnd(result, 0, "\ngranted  openid (log in); offline_access (stay");
    assertEnd(result, 0, `\nrevoke   https://auth.tesla.com${CONSENT}\n`);
    assert.match(result.stderr, /\nnext {5}npx tsx scripts\/list_vehicles\.ts\n$/);
    assert.deepEqual([page.status, page.headers["cache-control"], result.stdout], [200, "no-store", ""]);
    assert.equal(page.body, "Your tokens are saved. You can close this page and go back to the terminal.\n");

    const exchange = result.requests.at(-1);
    assert.equal(`${exchange?.method} ${exchange?.host}${exchange?.path}`, TOKEN);
    const form = Object.fromEntries(new URLSearchParams(exchange?.body));
    const { client_secret: secret, code_verifier: verifier = "", ...others } = form;
    const code = new URL(back).searchParams.get("code");
    const audience = `https://${FLEET}`;
    const grant = {
      grant_type: "authorization_code",
      client_id: CLIENT_ID,
      code,
      audience,
      redirect_uri: redirect,
    };
    assert.deepEqual([others, secret], [grant, CLIENT_SECRET]);
    assert.ok(verifier.length >= 43, "a long verifier");
    assert.equal(createHash("sha256").update(verifier).digest("base64url"), challenge);
    assertTidy(owner);
    const { obtained_at: obtained, ...saved } = owner.token();
    const names = ["access_token", "refresh_token", "id_token", "expires_in", "token_type"];
    assert.deepEqual(Object.keys(saved), names);
    assert.equal(new Date(String(obtained)).toISOString(), obtained);
    await ends(owner, "read_charge", 0);
  });

  ownerTest("two logins have nothing in common; Ctrl-C cancels", LOGGED_OUT, async (owner) => {
    const redirect = await useRedirect(owner);
    const seen = [];
    for (let login = 0; login < 2; login += 1) {
      const { running, address } = await startLogin(owner);
      seen.push(new URL(address).searchParams);
      await visitWhenListening(`${redirect}/other`); // from now on Ctrl-C is heard
      running.child.kill("SIGINT");
      assertEnd(await running.ended, 2, "error: login cancelled\nfound: Ctrl-C\n", "nothing was saved");
    }
    for (const name of ["state", "code_challenge"]) assert.notEqual(seen[0]?.get(name), seen[1]?.get(name));
    assert.equal(owner.has(FILE), false);
  });

  // What is pasted, what is pasted before it, and whether the browser could come too.
  const NONSENSE =
    "\nhello\nhttp://x/?code=abc\ncode=CODE&state=wrong\nerror=access_denied&error_description=redirect_uri\n";
  // biome-ignore format: a table
  const forms: [string, string, boolean, (back: string) => string][] = [
    ["the whole address", "", false, (back) => `  ${back} \n`], ["code and state", "", false, (back) => `${new URL(back).search.slice(1)}\n`],
    ["in quotes", "", false, (back) => `'${back}#'\n`], ["nonsense before it", NONSENSE, true, (back) => `${back}\n`],
  ];
  for (const [title, before, isBrowser, form] of forms) {
    ownerTest(`pasted: ${title}`, LOGGED_OUT, async (owner) => {
      if (isBrowser) await useRedirect(owner);
      else owner.setSettings({ TESLA_REDIRECT_URI: ELSEWHERE });
      owner.simulator.account.redirectUris.push(ELSEWHERE);
      const { running, address } = await startLogin(owner, [], { keepStdin: true });
      const back = await owner.simulator.consent(address);
      running.type(before.replace("CODE", new URL(back).searchParams.get("code") ?? ""));
      const refused = NOT_OURS.replace(/[()?]/g, "\\$&");
      if (before) await running.said(new RegExp(`(?:${refused}){5}$`));
      assert.equal(owner.has(FILE), false);
      running.type(form(back));
      const result = await running.ended;
      assertEnd(result, 0, "tesla_token.json saved");
      assert.doesNotMatch(result.stderr, /access_denied|Allowed Redirect/);
      assert.equal(exchanges(owner), 1);
      assertTidy(owner);
    });
  }

  ownerTest("no answer: five minutes, input at its end, a no piped in", LOGGED_OUT, async (owner) => {
    const redirect = await useRedirect(owner);
    const node = first(
      "const wait = setTimeout; globalThis.setTimeout = (work, ms, ...rest) => "
        + "wait(work, ms === 300000 ? 300 : ms, ...rest);",
    );
    const late = await endsWith(owner, "get_token", { node }, 2, "found: no answer within 5 minutes\n");
    assert.ok(late.ms > 300, `${late.ms} ms`); // the end of standard input did not end the wait for the browser
    owner.setSettings({ TESLA_REDIRECT_URI: ELSEWHERE }); // nobody else could answer
    await ends(owner, "get_token", 2, "found: standard input has ended\n", "nothing was saved");
    const { running, address } = await startLogin(owner, [], { keepStdin: true });
    const state = new URL(address).searchParams.get("state");
    running.child.stdin?.end(
      `${redirect}?error=server_error&error_description=Out%20of%20order&state=${state}`,
    );
    assertEnd(await running.ended, 4, 'found: Tesla\'s page says "server_error Out of order"\n');
    assert.deepEqual([exchanges(owner), owner.has(FILE)], [0, false]);
  });

  // What any web page can make the browser ask for. STATE is the login's own, which no page knows.
  const EVIL = "error_description=next%20%20%20%20%20npx%20evil%0D%0Aerror%3A%20redirect_uri";
  // biome-ignore format: a list
  const unasked = [
    "", "?", "?error=access_denied", "?error=login_cancelled&error_description=User%20cancelled", `?error=invalid_request&${EVIL}`,
    `?${EVIL}`, "?error=server_error&state=", "?error=unauthorized_client&state=another", "?error=invalid_scope&state=STATEx",
    "?error=%1b%5b2J%c2%9b31mred&state=%53TAT", "?code=abc", "?code=abc&state=", "?code=abc&state=other", "?code=abc&State=STATE",
    "?code=abc&state[]=STATE", "?code=abc&state=STATE%00", "?code=abc&state=%20STATE", "?code=abc&state=other&state=STATE",
    "?error=access_denied;state=STATE", "?code=abc&state=UPPER", "?code=abc&state=CUT", "?state=STATE", "?state=STATE&code=",
    "?state=%3Cscript%3Ealert(1)%3C/script%3E&code=%3Cb%3E", `?error=${"x".repeat(9000)}`, "?error=access_denied#&state=STATE",
  ];
  ownerTest("without its state nothing is believed; a flood ends nothing", LOGGED_OUT, async (owner) => {
    const redirect = await useRedirect(owner);
    const { running, address } = await startLogin(owner);
    const back = await owner.simulator.consent(address);
    const { origin, search, searchParams } = new URL(back);
    const state = searchParams.get("state") ?? "";
    const before = running.stderr();
    for (const query of unasked) {
      const filled = query
        .replace("STATE", state)
        .replace("UPPER", state.toUpperCase())
        .replace("CUT", state.slice(1));
      const page = await visitWhenListening(`${redirect}${filled}`);
      assert.equal(page.status, 400, query);
      assert.equal(page.body, "This page does not belong to the login in progress.\n", query);
      assert.match(page.headers["content-type"] ?? "", /text\/plain/);
      await running.said(/a page sent/); // it may come behind the page
      assert.equal(running.stderr(), before + UNASKED, query); // said once
    }
    for (const path of [`/${search}`, `/callback/${search}`, "/favicon.ico"])
      assert.equal(await statusOf(origin + path), 404);
    for (const method of ["POST", "PUT", "HEAD"]) assert.equal(await statusOf(back, { method }), 404, method);
    const six = await statusOf(`${redirect}/other`, { connectTo: "::1" });
    assert.ok(six === 404 || six === 0, "0 where the machine has no ::1");
    const flood = Array.from({ length: 300 }, (_, index) =>
      statusOf(`${redirect}?error=access_denied&n=${index}`),
    );
    assert.deepEqual(new Set(await Promise.all(flood)), new Set([400]));
    assert.deepEqual([running.stderr(), running.child.exitCode], [before + UNASKED, null]);
    // The right answer still works, with what Tesla may add to it, and only once.
    const visits = [1, 2, 3].map(() => statusOf(`${back}&unknown=1&locale=xx&issuer=evil`));
    assert.equal((await Promise.all(visits)).filter((status) => status === 200).length, 1);
    const result = await running.ended;
    assertEnd(result, 0, "tesla_token.json saved");
    assert.deepEqual([exchanges(owner), result.stderr.split(UNASKED).length], [1, 2]);
    assert.equal(await statusOf(back), 0);
  });

  ownerTest("Tesla itself leaves out the state or the code: the same", LOGGED_OUT, async (owner) => {
    await useRedirect(owner);
    const { running, address } = await startLogin(owner);
    for (const failure of ["callback_without_state", "callback_wrong_state", "callback_without_code"]) {
      owner.simulator.fail(failure, 1);
      const page = await visitWhenListening(await owner.simulator.consent(address));
      assert.equal(page.status, 400, failure);
    }
    assert.equal(await statusOf(await owner.simulator.consent(address)), 200);
    assertEnd(await running.ended, 0, UNASKED);
  });

  // With the right state: Tesla's own no (row by row: advice.test.ts), its exit code, and what is said.
  // biome-ignore format: a table
  const refusals: [string, number, ...string[]][] = [
    ["error=login_cancelled&error_description=User%20cancelled", 2, "you cancelled the login", '"login_cancelled User cancelled"'],
    ["error=invalid_scope", 5, "your app may not ask for one of these scopes", "or correct TESLA_SCOPES"],
    ["error=invalid_scope&error_description=a%20b", 5, '"invalid_scope a b"'], ["error=unauthorized_client", 5, "check TESLA_CLIENT_ID"],
    ["error=client_not_found", 5, "does not know this app"], ["error=unsupported_response_type", 5, "every setting in .env"],
    ["error_description=only%20words", 4, '"only words"'], ["error=access_denied&code=abc", 2, "you cancelled"],
    ["error=x%1b%5b31mred%07&error_description=next%20%20%20%20npx%0Aevil", 4, 'says "x [31mred next npx evil"'], // blanks are folded
  ];
  ownerTest("Tesla says no: the row for it, and nothing of it in the browser", LOGGED_OUT, async (owner) => {
    for (const [query, code, ...words] of refusals) {
      const redirect = `http://127.0.0.1:${await freePort()}/callback`;
      const use = async () => assert.fail("a code");
      const waiting = inside(owner, () => useLoginCode(redirect, "the-state", "waiting", use));
      const page = await visitWhenListening(`${redirect}?${query}&state=the-state`);
      assert.deepEqual([page.status, page.body], [400, NO_LOGIN]);
      assertEnd(await waiting, code, ...words);
    }
  });

  ownerTest("the right state a second time, while the code is exchanged: 409", LOGGED_OUT, async (owner) => {
    const redirect = `http://127.0.0.1:${await freePort()}/callback`;
    let [exchange, save]: (() => void)[] = [() => {}, () => {}];
    const exchanging = new Promise<void>((resolve) => {
      exchange = resolve;
    });
    const saved = new Promise<void>((resolve) => {
      save = resolve;
    });
    const codes: string[] = [];
    const use = async (code: string) => {
      codes.push(code);
      exchange?.();
      await saved;
      return { page: "Saved." };
    };
    const waiting = inside(owner, () => useLoginCode(redirect, "the-state", "waiting", use));
    const held = visitWhenListening(`${redirect}?code=one&state=the-state`);
    await exchanging;
    const queries = ["code=one", "code=two", "error=access_denied"];
    const again = queries.map((query) => visit(`${redirect}?${query}&state=the-state`));
    const late = again.map((one) => one.then(({ status, body }) => `${status} ${body}`, String));
    // Whoever is not answered at once waits for the end, so that a fault is red and not endless.
    const enough = new Promise((resolve) => setTimeout(resolve, 5000).unref());
    await Promise.race([Promise.all(late), enough]);
    save?.();
    const { status, body } = await held;
    assertEnd(await waiting, 0);
    assert.deepEqual([status, body, codes], [200, "Saved.\n", ["one"]]);
    assert.deepEqual(
      await Promise.all(late),
      queries.map(() => "409 The answer has arrived. See the terminal.\n"),
    );
  });

  ownerTest("scopes that were not granted: exit 5, and the tokens are saved", LOGGED_OUT, async (owner) => {
    owner.simulator.fail("consent_drops_scopes");
    const [page, result] = await logIn(owner);
    assertEnd(
      result,
      5,
      "granted  openid (log in); offline_access (stay logged in)\n",
      "\nerror: Tesla left out scopes\n",
    );
    assertEnd(result, 5, "not granted: vehicle_device_data vehicle_charging_cmds; the tokens are saved\n");
    const fix = "on developer.tesla.com, wait 10 minutes, run get_token --force and tick every box\n";
    assertEnd(result, 5, fix);
    // The browser does not say that all is well, and the last word is the error, not the next step.
    assert.match(page.body, /^Your tokens are saved, but Tesla left out scopes\./);
    assert.doesNotMatch(result.stderr, /^next/m);
    assert.ok(owner.token().refresh_token, "a refresh token");
    assertTidy(owner);
  });

  /** The token host's answer, with these claims in the access token. */
  function claims(owner: Owner, changes: object, token = owner.newToken()): void {
    const [head, middle = "", tail] = token.access_token.split(".");
    const all = { ...JSON.parse(Buffer.from(middle, "base64url").toString()), ...changes };
    const access_token = [head, Buffer.from(JSON.stringify(all)).toString("base64url"), tail].join(".");
    owner.simulator.clear();
    owner.answer("/oauth2/v3/token", 200, { ...token, access_token });
  }

  ownerTest("no scope, no lasting login, claims that steer, no claims", async (owner) => {
    claims(owner, { scp: [] });
    assertEnd((await logIn(owner))[1], 5, `not granted: ${SCOPES}; the tokens are saved\n`);
    const before = owner.read(FILE);
    const granted = owner.newToken("openid vehicle_device_data vehicle_charging_cmds");
    assert.equal(granted.refresh_token, undefined);
    claims(owner, {}, granted);
    const [page, result] = await logIn(owner);
    assertEnd(result, 5, "found: not granted: offline_access; nothing was saved\n", "tick every box");
    assert.deepEqual([page.status, owner.read(FILE)], [400, before]);
    claims(owner, { scp: ["open\u001b[2Jid"], ou_code: "E\u009b1m\u0007U", exp: 4e9 });
    assertEnd((await logIn(owner))[1], 5, "region   the token names e 1m u; "); // each run is searched for the rest
    owner.simulator.clear();
    owner.simulator.fail("token_not_a_jwt"); // what was granted cannot be told, and is not claimed to be missing
    assertEnd((await logIn(owner))[1], 0, "granted  unknown\n");
  });

  ownerTest("the token names another region: a remark, and no verdict", LOGGED_OUT, async (owner) => {
    for (const ou_code of ["NA", "CN", "EU", undefined]) {
      claims(owner, { ou_code });
      const name = ou_code === "EU" ? "" : ou_code?.toLowerCase();
      const [, result] = await logIn(owner);
      const remark = `region   the token names ${name}; if Tesla answers 421, change TESLA_REGION\n`;
      assertEnd(result, 0, name ? remark : "", "next     npx tsx scripts/list_vehicles.ts\n");
      if (!name) assert.doesNotMatch(result.stderr, /region/);
    }
  });

  ownerTest("mainland China: its own hosts", { ...LOGGED_OUT, region: "cn" }, async (owner) => {
    owner.simulator.fail("consent_drops_scopes");
    const [, result] = await logIn(owner);
    assertEnd(result, 5, "\nhttps://auth.tesla.cn/oauth2/v3/authorize?", "page on developer.tesla.cn");
    assertEnd(result, 5, `\nrevoke   https://auth.tesla.cn${CONSENT}\n`);
    assert.equal(result.requests.at(-1)?.host, "auth.tesla.cn");
  });

  ownerTest("a login that still works is kept without --force", async (owner) => {
    const before = owner.read(FILE);
    const words = /^logged in until \S.*; use --force to log in again or change scopes\n$/;
    const kept = await ends(owner, "get_token", 0, words);
    assert.deepEqual([kept.requests, owner.read(FILE)], [[], before]);
    // One that has expired is replaced without a word, and so is a file that cannot be used.
    owner.logIn({ obtained_at: "2020-01-01T00:00:00.000Z" });
    assertEnd((await logIn(owner, []))[1], 0, "saved");
    owner.write(FILE, "{");
    assertEnd((await logIn(owner, []))[1], 0, "saved");
  });

  // The failure, the exit code, whether there was a login before, and what is said.
  // biome-ignore format: a table
  const failures: [string, number, boolean, string][] = [["invalid_auth_code", 4, true, "run get_token --force and log in promptly"],
    ["token_without_refresh_token", 1, true, "no usable refresh_token"], ["hang_up_after", 1, false, "no answer from"], ["echoes_secret", 5, true, "error: "]];
  for (const [failure, code, isThere, word] of failures) {
    ownerTest(`the exchange fails: ${failure}; the old file stays`, { loggedIn: isThere }, async (owner) => {
      const before = isThere && owner.read(FILE);
      owner.simulator.fail(failure, { path: "/token" });
      const [page, result] = await logIn(owner);
      assertEnd(result, code, word);
      assert.deepEqual([page.status, page.body, exchanges(owner)], [400, NO_LOGIN, 1]);
      assert.equal(owner.has(FILE) && owner.read(FILE), before);
      if (isThere) assertTidy(owner);
      else assert.doesNotMatch(result.stderr, /unchanged/); // an old one that is not there
    });
  }

  ownerTest("the disk fails: new tokens are kept beside, and said", LOGGED_OUT, async (owner) => {
    const hook = `import fs from "node:fs"; import { syncBuiltinESMExports } from "node:module";
fs.renameSync = () => { throw Object.assign(new Error("EIO"), { code: "EIO" }); }; syncBuiltinESMExports();`;
    const [page, result] = await logIn(owner, [], first(hook));
    assertEnd(
      result,
      1,
      `error: cannot write ${FILE}\n`,
      `rename ${FILE}.new to ${FILE}: the next run deletes it\n`,
    );
    assert.doesNotMatch(result.stderr, /unchanged|nothing was saved/);
    assert.equal(page.status, 400);
    assert.equal(typeof JSON.parse(owner.read(`${FILE}.new`)).refresh_token, "string");
  });

  ownerTest("the browser waits for a slow exchange", LOGGED_OUT, async (owner) => {
    const redirect = await useRedirect(owner);
    const { running, address } = await startLogin(owner, [], { node: TELLS_WAITS });
    await visitWhenListening(`${redirect}/other`);
    owner.write(`${FILE}.lock`, `\n${process.pid} ${Math.floor(uptime())} 0123\n`); // another run that is alive
    const waiting = statusOf(await owner.simulator.consent(address));
    await running.said(/^waits 100$/m);
    rmSync(owner.path(`${FILE}.lock`));
    assert.equal(await waiting, 200);
    assertEnd(await running.ended, 0);
  });

  ownerTest("a port in use, a wrong setting, other scopes", LOGGED_OUT, async (owner) => {
    const port = Number(new URL(await useRedirect(owner)).port);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    const fix =
      "fix:   stop what uses it, or set TESLA_REDIRECT_URI to another port, also on your app's page\n";
    const problem = `error: cannot listen on 127.0.0.1, port ${port}\nfound: already in use by another program\n`;
    const inUse = await ends(owner, "get_token", 5, problem + fix);
    server.close();
    owner.setSettings({ TESLA_REDIRECT_URI: "http://localhost:3000" });
    const wrong = await ends(owner, "get_token", 5, "TESLA_REDIRECT_URI");
    for (const { stderr } of [inUse, wrong]) assert.doesNotMatch(stderr, /authorize/);
    assert.deepEqual(owner.simulator.requests, []);
    await useRedirect(owner);
    const scopes = `${SCOPES} vehicle_cmds other_one`;
    const { running, address } = await startLogin(owner, [], { env: { TESLA_SCOPES: scopes } });
    assert.equal(new URL(address).searchParams.get("scope"), scopes);
    const rows =
      /^ {3}vehicle_cmds {11}everything else, including unlocking\n {3}other_one {14}see Tesla's page$/m;
    assert.match(running.stderr(), rows);
    running.child.kill("SIGKILL");
  });
});

test("the outputs were searched for secrets", () => assert.ok(outputsSearched() > 40));
