// get_token as an owner runs it: the browser's way and the pasted one, what any web page may send meanwhile, what
// Tesla refuses, and what is saved.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { rmSync } from "node:fs";
import { createServer } from "node:net";
import { uptime } from "node:os";
import { describe, test } from "node:test";
import { useLoginCode } from "../../lib/login_answer.ts";
import { ends, endsWith } from "../support/ends.ts";
import * as harness from "../support/harness.ts";

const { assertEnd, calls, CLIENT_ID, ownerTest, SCOPES, startLogin, TOKEN, useRedirect, visit, visitWhenListening } = harness;
type Owner = harness.Owner;
harness.useFewProcesses();
const FILE = "tesla_token.json";
const LOGGED_OUT = { loggedIn: false };
const UNASKED = "a page sent an answer that is not for this login; ignored; still waiting (Ctrl-C cancels)\n";
const NOT_OURS = "that address is from a different login (an old tab?); paste the full address; still waiting\n";
const ELSEWHERE = "https://app.example.com/callback"; // no browser reaches this machine there

function assertTidy(owner: Owner): void {
  if (process.platform !== "win32") assert.equal(owner.mode(FILE), 0o600);
  assert.deepEqual([owner.has(`${FILE}.new`), owner.has(`${FILE}.lock`)], [false, false]);
}

/** Logs in through the browser; the page, and how the script ended. */
async function logIn(owner: Owner, words: string[] = []): Promise<{ page: harness.Page; result: harness.Result }> {
  await useRedirect(owner);
  const { running, address } = await startLogin(owner, words);
  const page = await visitWhenListening(await owner.simulator.consent(address));
  return { page, result: await running.ended };
}

/** Waits for a login's answer inside this process: the same file of lib/, in a tenth of the time. */
async function waitInside(owner: Owner, state: string, visits: (redirect: string) => Promise<void>): Promise<harness.Result> {
  const redirect = `http://127.0.0.1:${await harness.freePort()}/callback`;
  const use = async (code: string) => ({ page: `saved ${code.length}` });
  const [result] = await Promise.all([harness.inside(owner, () => useLoginCode(redirect, state, "waiting", use)), visits(redirect)]);
  return result;
}

describe("get_token", { concurrency: 3 }, () => {
  ownerTest("the browser's way", LOGGED_OUT, async (owner) => {
    const redirect = await useRedirect(owner);
    const { running, address } = await startLogin(owner);
    const asked = new URL(address);
    assert.equal(asked.origin + asked.pathname, "https://auth.tesla.com/oauth2/v3/authorize");
    const { state = "", code_challenge: challenge = "", ...rest } = Object.fromEntries(asked.searchParams);
    assert.deepEqual(rest, {
      response_type: "code", client_id: CLIENT_ID, redirect_uri: redirect, scope: SCOPES,
      code_challenge_method: "S256", prompt_missing_scopes: "true", require_requested_scopes: "true",
    });
    assert.deepEqual([state.length >= 22, challenge.length, asked.search.includes("+")], [true, 43, false]);
    const back = await owner.simulator.consent(address);
    const page = await visitWhenListening(back);
    const result = await running.ended;
    const day = "(\\d{4}-\\d\\d-\\d\\d )?\\d\\d:\\d\\d";
    const screen = `Tesla will ask you to grant:
   openid                 log in
   offline_access         stay logged in
   vehicle_device_data    see the car
   vehicle_charging_cmds  manage its charging

1  Open this address, log in to Tesla, and tick every box:

${address}

2  Wait here. The browser passes the answer on to ${new URL(redirect).origin} (5 minutes).
   If it lands on a page that won't load, paste that page's address here and press Enter.
   If Tesla shows "No policy rules", run register_partner first. Ctrl-C cancels.

POST https://fleet-auth.prd.vn.cloud.tesla.com/oauth2/v3/token  200
logged in until TIME; tesla_token.json saved
granted  log in; stay logged in; see the car; manage its charging
revoke   https://auth.tesla.com/user/revoke/consent?revoke_client_id=${CLIENT_ID}
next     npx tsx scripts/list_vehicles.ts
`;
    assertEnd(result, 0);
    assert.equal(result.stderr.replace(new RegExp(`until ${day};`), "until TIME;"), screen);
    assert.equal(result.stdout, "");
    assert.deepEqual([page.status, page.body, page.headers["cache-control"]],
      [200, "Your tokens are saved. You can close this page and go back to the terminal.\n", "no-store"]);

    const exchange = result.requests.at(-1);
    assert.equal(`${exchange?.method} ${exchange?.host}${exchange?.path}`, TOKEN);
    const { client_secret: secret, code_verifier: verifier = "", ...others } = Object.fromEntries(new URLSearchParams(exchange?.body));
    const code = new URL(back).searchParams.get("code");
    assert.deepEqual(others, { grant_type: "authorization_code", client_id: CLIENT_ID, code, audience: `https://${harness.FLEET}`, redirect_uri: redirect });
    assert.ok(secret && verifier.length >= 43, "secret and verifier");
    assert.equal(createHash("sha256").update(verifier).digest("base64url"), challenge);
    assertTidy(owner);
    const { obtained_at: obtained, ...saved } = owner.token();
    assert.deepEqual(Object.keys(saved), ["access_token", "refresh_token", "id_token", "expires_in", "token_type"]);
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
      assertEnd(await running.ended, 2, "error: login cancelled\nfound: Ctrl-C\nfix:   run get_token again; nothing was saved\n");
    }
    for (const name of ["state", "code_challenge"]) assert.notEqual(seen[0]?.get(name), seen[1]?.get(name));
    assert.equal(owner.has(FILE), false);
  });

  // What is typed before it, and the form of what is pasted.
  const forms: [string, string, (back: string) => string][] = [
    ["the whole address", "", (back) => `  ${back} \n`],
    ["code and state", "", (back) => `${new URL(back).search.slice(1)}\n`],
    ["in quotes", "", (back) => `'${back}#'\n`],
    ["nonsense before it", "\nhello\nhttp://x/?code=abc\ncode=CODE&state=wrong\nerror=access_denied&error_description=redirect_uri\n", (back) => `${back}\n`],
  ];
  for (const [title, before, form] of forms) {
    ownerTest(`pasted: ${title}`, LOGGED_OUT, async (owner) => {
      const isOnlyWay = before === "";
      if (isOnlyWay) owner.setSettings({ TESLA_REDIRECT_URI: ELSEWHERE });
      else await useRedirect(owner); // the browser could come too
      owner.simulator.account.redirectUris.push(ELSEWHERE);
      const { running, address } = await startLogin(owner, [], { keepStdin: true });
      const back = await owner.simulator.consent(address);
      const code = new URL(back).searchParams.get("code") ?? "";
      running.type(before.replace("CODE", code));
      if (before) await running.said(new RegExp(`(?:${NOT_OURS.replace(/[()?]/g, "\\$&")}){5}$`));
      assert.equal(owner.has(FILE), false);
      running.type(form(back));
      const result = await running.ended;
      assertEnd(result, 0, "tesla_token.json saved");
      assert.doesNotMatch(result.stderr, /access_denied|Allowed Redirect/);
      assert.equal(result.requests.filter(({ path }) => path.endsWith("/token")).length, 1);
      assertTidy(owner);
    });
  }

  ownerTest("standard input: its end, Tesla's refusal piped in, five minutes without an answer", LOGGED_OUT, async (owner) => {
    const redirect = await useRedirect(owner);
    const hook = "const wait = setTimeout; globalThis.setTimeout = (work, ms, ...rest) => wait(work, ms === 300000 ? 300 : ms, ...rest);";
    const node = ["--import", `data:text/javascript,${encodeURIComponent(hook)}`];
    const late = await endsWith(owner, "get_token", { node }, 2, "error: login cancelled\nfound: no answer within 5 minutes\n");
    assert.ok(late.ms > 300, `${late.ms} ms`); // the end of standard input did not end the wait for the browser
    owner.setSettings({ TESLA_REDIRECT_URI: ELSEWHERE }); // nobody else could answer
    await ends(owner, "get_token", 2, "error: login cancelled\nfound: standard input has ended\n", "nothing was saved");
    const { running, address } = await startLogin(owner, [], { keepStdin: true });
    const state = new URL(address).searchParams.get("state");
    running.child.stdin?.end(`${redirect}?error=server_error&error_description=Out%20of%20order&state=${state}`); // no end of line
    assertEnd(await running.ended, 4, 'found: Tesla\'s page says "server_error Out of order"\n');
    assert.deepEqual([owner.simulator.requests.some(({ path }) => path.endsWith("/token")), owner.has(FILE)], [false, false]);
  });

  // What any web page can make the browser ask for. STATE is the login's own, which it does not know.
  const EVIL = "error_description=next%20%20%20%20%20npx%20evil%0D%0Aerror%3A%20redirect_uri";
  const unasked = [
    "", "?", "?error=access_denied", "?error=login_cancelled&error_description=User%20cancelled", `?error=invalid_request&${EVIL}`,
    `?${EVIL}`, "?error=server_error&state=", "?error=unauthorized_client&state=another", "?error=invalid_scope&state=STATEx",
    "?error=%1b%5b2J%c2%9b31mred&state=%53TAT", "?code=abc", "?code=abc&state=", "?code=abc&state=other", "?code=abc&State=STATE",
    "?code=abc&state[]=STATE", "?code=abc&state=STATE%00", "?code=abc&state=%20STATE", "?code=abc&state=other&state=STATE",
    "?error=access_denied;state=STATE", "?code=abc&state=UPPER", "?code=abc&state=CUT", "?state=STATE", "?state=STATE&code=",
    "?state=%3Cscript%3Ealert(1)%3C/script%3E&code=%3Cb%3E", `?error=${"x".repeat(9000)}`, "?error=access_denied#&state=STATE",
  ];
  ownerTest("answers without this login's state: nothing of them is shown or believed; a flood ends nothing", LOGGED_OUT, async (owner) => {
    const redirect = await useRedirect(owner);
    const { running, address } = await startLogin(owner);
    const back = await owner.simulator.consent(address);
    const state = new URL(back).searchParams.get("state") ?? "";
    const before = running.stderr();
    for (const query of unasked) {
      const sent = query.replace("STATE", state).replace("UPPER", state.toUpperCase()).replace("CUT", state.slice(0, -1));
      const page = await visitWhenListening(`${redirect}${sent}`);
      assert.deepEqual([page.status, page.body], [400, "This page does not belong to the login in progress.\n"], query);
      assert.match(page.headers["content-type"] ?? "", /text\/plain/);
      assert.equal(running.stderr(), before + UNASKED, query); // said once
    }
    for (const path of [`/${new URL(back).search}`, `/callback/${new URL(back).search}`, "/favicon.ico"]) {
      assert.deepEqual((await visit(new URL(redirect).origin + path)).status, 404, path);
    }
    for (const method of ["POST", "PUT", "HEAD"]) assert.equal((await visit(back, { method })).status, 404, method);
    const six = await visit(`${redirect}/other`, { connectTo: "::1" }).then((page) => page.status, () => 0);
    assert.ok(six === 404 || six === 0, "0 where the machine has no ::1");
    const flood = Array.from({ length: 300 }, (_, index) => visit(`${redirect}?error=access_denied&n=${index}`).then((page) => page.status, () => 0));
    assert.deepEqual(new Set(await Promise.all(flood)), new Set([400]));
    assert.deepEqual([running.stderr(), running.child.exitCode], [before + UNASKED, null]);
    // The right answer still works, with what Tesla may add to it, and only once.
    const visits = [1, 2, 3].map(() => visit(`${back}&unknown=1&locale=xx&issuer=evil`).then((page) => page.status, () => 0));
    assert.equal((await Promise.all(visits)).filter((status) => status === 200).length, 1);
    const result = await running.ended;
    assertEnd(result, 0, "tesla_token.json saved");
    assert.deepEqual([result.requests.filter(({ path }) => path.endsWith("/token")).length, result.stderr.split(UNASKED).length], [1, 2]);
    await assert.rejects(visit(back));
  });

  ownerTest("Tesla itself leaves the state out: the same", LOGGED_OUT, async (owner) => {
    await useRedirect(owner);
    const { running, address } = await startLogin(owner);
    for (const failure of ["callback_without_state", "callback_wrong_state", "callback_without_code"]) {
      owner.simulator.clear();
      owner.simulator.fail(failure, 1);
      assert.equal((await visitWhenListening(await owner.simulator.consent(address))).status, 400, failure);
    }
    assert.equal((await visit(await owner.simulator.consent(address))).status, 200);
    assertEnd(await running.ended, 0, UNASKED);
  });

  // With the right state: Tesla's own no, its exit code, and what is said.
  const SCOPE = "your app may not ask for one of these scopes";
  // biome-ignore format: a table, one row a line
  const refusals: [string, number, ...string[]][] = [
    ["error=login_cancelled&error_description=User%20cancelled", 2, "you cancelled the login", '"login_cancelled User cancelled"'],
    ["error=access_denied", 2, "you cancelled the login"], ["error=server_error&error_description=Internal%20server%20error", 4, "Internal server error"],
    ["error=invalid_scope", 5, SCOPE, "or correct TESLA_SCOPES"], ["error=invalid_scope&error_description=a%20b", 5, SCOPE, '"invalid_scope a b"'],
    ["error=unauthorized_client", 5, "your app may not log you in", "check TESLA_CLIENT_ID"], ["error=invalid_client", 5, "does not know this app"],
    ["error=client_not_found", 5, "does not know this app"], ["error=unsupported_response_type", 5, "every setting in .env"],
    ["error=invalid_request&error_description=redirect_uri%20is%20wrong", 5, "TESLA_REDIRECT_URI is not registered", "Allowed Redirect URIs"],
    ["error=server_error&error_description=No%20policy%20rules", 5, "run register_partner first"], ["error=new_one", 4, "run get_token --force"],
    ["error_description=only%20words", 4, '"only words"'], ["error=access_denied&code=abc", 2, "you cancelled"],
    ["error=x%1b%5b31mred%07&error_description=next%20%20%20%20npx%0Aevil", 4, 'says "x [31mred next npx evil"'], // blanks are folded
  ];
  ownerTest("Tesla says no: the row for it, and nothing of it in the browser", LOGGED_OUT, async (owner) => {
    for (const [query, code, ...words] of refusals) {
      const result = await waitInside(owner, "the-state", async (redirect) => {
        const page = await visitWhenListening(`${redirect}?${query}&state=the-state`);
        assert.deepEqual([page.status, page.body], [400, "The login did not work. The terminal says why.\n"]);
      });
      assertEnd(result, code, ...words);
    }
    await useRedirect(owner); // and cancelled on Tesla's own page, in the script itself
    const { running, address } = await startLogin(owner);
    await visitWhenListening(await owner.simulator.consent(address, { cancel: true }));
    const result = await running.ended;
    assertEnd(result, 2, "error: you cancelled the login\n");
    assert.deepEqual([result.requests.some(({ path }) => path.endsWith("/token")), owner.has(FILE)], [false, false]);
  });

  ownerTest("scopes that were not granted: exit 5, and the tokens are saved", LOGGED_OUT, async (owner) => {
    owner.simulator.fail("consent_drops_scopes");
    const { page, result } = await logIn(owner);
    assertEnd(result, 5, "granted  log in; stay logged in\n", "\nerror: Tesla left out scopes\n"
      + "found: not granted: vehicle_device_data vehicle_charging_cmds; the tokens are saved\n"
      + "fix:   tick them on your app's page on developer.tesla.com, wait 10 minutes, run get_token --force and tick every box\n");
    // The browser does not say that all is well, and the last word is the error, not the next step.
    assert.match(page.body, /^Your tokens are saved\..* since Tesla left out scopes\.\n$/);
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

  ownerTest("what an odd answer holds: no scope, no lasting login, claims that steer, no claims", {}, async (owner) => {
    claims(owner, { scp: [] });
    assertEnd((await logIn(owner, ["--force"])).result, 5, `not granted: ${SCOPES}; the tokens are saved\n`);
    const before = owner.read(FILE);
    const granted = owner.newToken("openid vehicle_device_data vehicle_charging_cmds");
    assert.equal(granted.refresh_token, undefined);
    claims(owner, {}, granted);
    const { result, page } = await logIn(owner, ["--force"]);
    assertEnd(result, 5, "found: not granted: offline_access; nothing was saved\n", "tick every box");
    assert.deepEqual([page.status, owner.read(FILE)], [400, before]);
    claims(owner, { scp: ["open\u001b[2Jid"], ou_code: "E\u009b1m\u0007U", exp: 4e9 });
    assertEnd((await logIn(owner, ["--force"])).result, 5, "region   the token names e 1m u; "); // the harness looks for the rest
    owner.simulator.clear();
    owner.simulator.fail("token_not_a_jwt"); // what was granted cannot be told, and is not claimed to be missing
    assertEnd((await logIn(owner, ["--force"])).result, 0, "granted  unknown\n");
  });

  ownerTest("the token names another region: a remark, and no verdict", LOGGED_OUT, async (owner) => {
    for (const [ou_code, words] of [["NA", "region   the token names na; if Tesla answers 421, change TESLA_REGION\n"], ["CN", "names cn;"], ["EU", ""], [undefined, ""]] as const) {
      claims(owner, { ou_code });
      const { result } = await logIn(owner, ["--force"]);
      assertEnd(result, 0, words, "next     npx tsx scripts/list_vehicles.ts\n");
      if (!words) assert.doesNotMatch(result.stderr, /region/);
    }
  });
  ownerTest("mainland China has hosts of its own", { ...LOGGED_OUT, region: "cn" }, async (owner) => {
    await useRedirect(owner);
    const { running, address } = await startLogin(owner);
    assert.match(address, /^https:\/\/auth\.tesla\.cn\//);
    await visitWhenListening(await owner.simulator.consent(address));
    const result = await running.ended;
    assertEnd(result, 0, `revoke   https://auth.tesla.cn/user/revoke/consent?revoke_client_id=${CLIENT_ID}\n`);
    assert.deepEqual(calls(result.requests).slice(-1), ["POST auth.tesla.cn/oauth2/v3/token"]);
    await ends(owner, "list_vehicles", 0);
    owner.simulator.fail("consent_drops_scopes");
    assertEnd((await logIn(owner, ["--force"])).result, 5, "your app's page on developer.tesla.cn");
  });

  ownerTest("a login that still works is kept without --force", {}, async (owner) => {
    const before = owner.read(FILE);
    const kept = await ends(owner, "get_token", 0, /^logged in until \S.*; use --force to log in again or change scopes\n$/);
    assert.deepEqual([kept.requests, owner.read(FILE)], [[], before]);
    // One that has expired is replaced without a word, and so is a file that cannot be used.
    for (const spoil of [() => owner.logIn({ obtained_at: "2020-01-01T00:00:00.000Z" }), () => owner.write(FILE, "{")]) {
      spoil();
      assertEnd((await logIn(owner)).result, 0, "saved");
    }
    await ends(owner, "get_token --forse", 2, "--forse");
  });

  // The failure, the exit code, and whether there was a login before.
  const exchanges: [string, number, boolean, string][] = [
    ["invalid_auth_code", 4, true, "run get_token --force and log in promptly"], ["token_without_refresh_token", 1, true, "no usable refresh_token"],
    ["hang_up_after", 1, false, "no answer from"], ["echoes_secret", 5, true, "error: "],
  ];
  for (const [failure, code, isThere, word] of exchanges) {
    ownerTest(`the exchange fails: ${failure}; the old file stays, the browser is told`, { loggedIn: isThere }, async (owner) => {
      const before = isThere && owner.read(FILE);
      owner.simulator.fail(failure, { path: "/token" });
      const { page, result } = await logIn(owner, ["--force"]);
      assertEnd(result, code, word);
      assert.deepEqual([page.status, page.body], [400, "The login did not work. The terminal says why.\n"]);
      assert.equal(isThere && owner.read(FILE), before);
      assert.equal(result.requests.filter(({ path }) => path.endsWith("/token")).length, 1);
      if (isThere) assertTidy(owner);
      else assert.doesNotMatch(result.stderr, /unchanged/); // an old one that is not there
    });
  }

  ownerTest("the disk fails after Tesla's answer: no old file is spoken of that is not there", LOGGED_OUT, async (owner) => {
    const hook = `import fs from "node:fs"; import { syncBuiltinESMExports } from "node:module";
fs.renameSync = () => { throw Object.assign(new Error("EIO"), { code: "EIO" }); }; syncBuiltinESMExports();`;
    await useRedirect(owner);
    const { running, address } = await startLogin(owner, [], { node: ["--import", `data:text/javascript,${encodeURIComponent(hook)}`] });
    const page = await visitWhenListening(await owner.simulator.consent(address));
    const result = await running.ended;
    assertEnd(result, 1, `error: cannot write ${FILE}\n`, `${FILE}.new is complete: rename it to ${FILE}\n`);
    assert.doesNotMatch(result.stderr, /unchanged|nothing was saved/);
    assert.deepEqual([page.status, typeof JSON.parse(owner.read(`${FILE}.new`)).refresh_token], [400, "string"]);
  });

  ownerTest("the browser waits for a slow exchange", LOGGED_OUT, async (owner) => {
    const redirect = await useRedirect(owner);
    const { running, address } = await startLogin(owner, [], { node: harness.TELLS_WAITS });
    await visitWhenListening(`${redirect}/other`);
    owner.write(`${FILE}.lock`, `\n${process.pid} ${Math.floor(uptime())} 0123\n`); // another run that is alive
    const waiting = visit(await owner.simulator.consent(address));
    await running.said(/^waits 100$/m);
    rmSync(owner.path(`${FILE}.lock`));
    assert.equal((await waiting).status, 200);
    assertEnd(await running.ended, 0);
  });

  ownerTest("a port in use, settings that cannot be right: named before anything happens", LOGGED_OUT, async (owner) => {
    const redirect = await useRedirect(owner);
    const port = Number(new URL(redirect).port);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    const result = await ends(owner, "get_token", 5, `error: cannot listen on 127.0.0.1, port ${port}\nfound: already in use by another program\n`
      + "fix:   stop what uses it, or set TESLA_REDIRECT_URI to another port, also on your app's page\n");
    server.close();
    owner.setSettings({ TESLA_REDIRECT_URI: "http://localhost:3000" });
    const wrong = await ends(owner, "get_token", 5, "TESLA_REDIRECT_URI");
    for (const { stderr, requests } of [result, wrong]) assert.deepEqual([/authorize/.test(stderr), requests], [false, []]);
    // Other scopes, from the environment.
    await useRedirect(owner);
    const scopes = `${SCOPES} vehicle_cmds user_data other_one`;
    const { running, address } = await startLogin(owner, [], { env: { TESLA_SCOPES: scopes } });
    assert.equal(new URL(address).searchParams.get("scope"), scopes);
    assert.match(running.stderr(), /^ {3}vehicle_cmds {11}everything else, including unlocking\n.*\n {3}other_one {14}see Tesla's page$/m);
    running.child.kill("SIGKILL");
  });
});

test("the outputs were searched for secrets", () => assert.ok(harness.outputsSearched() > 40, String(harness.outputsSearched())));
