// The table of explanations, row by row: the simulator gives the answer to the script that would meet it, and
// the script must end with the exit code, say what it means and what to do, and show Tesla's named fields. A
// row without a case fails, and so does a case without a row. It also covers regions, bodies that are not
// shown, and commands whose outcome nobody knows. The wanted exit codes and words stand here and do not come
// from the table.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { EXPLANATIONS, stopFor } from "../../lib/explanations.ts";
import { SCOPE_NAMES, baseUrl, type Region } from "../simulator/tesla/tesla.ts";
import {
  DOMAIN, SCOPES, assertEnd, calls, ownerTest, startLogin, useRedirect, visit,
  type Owner, type OwnerOptions, type Result,
  useFewProcesses,
} from "../support/harness.ts";

useFewProcesses();

type Row = (typeof EXPLANATIONS)[number];

interface Case {
  row: string; // the name of the row, as nameOf makes it
  title?: string; // where one row has several cases
  script: string[]; // with its arguments
  owner?: OwnerOptions;
  prepare: (owner: Owner) => unknown;
  exit: number;
  means: string; // a piece of the explanation
  todo: string; // and of the remedy
  tesla?: string; // a piece of Tesla's own words; none where no answer came
  txid?: true; // Tesla's number for the request, which its support asks for, is in the answer
  status?: number; // of Tesla's answer
}

const PLACES: Record<string, string> = {
  "login page": "login", "/oauth2/v3/token": "token", "/.well-known/": "key", "/partner_accounts": "register",
  "/vehicles/": "car", "/command/": "plain", "/signed_command": "signed", "command": "command", "": "any",
};

function nameOf([place, status, part]: Row): string {
  return `${PLACES[place] ?? place} ${status < 0 ? "*" : status} ${part}`.trim();
}

const LOGGED_OUT: OwnerOptions = { loggedIn: false };
const UNREGISTERED: OwnerOptions = { registered: false, loggedIn: false };
const KEY = "/.well-known/";
const AMPS = ["set_charge_amps", "10"];
const SKIP = ["register_partner", "--skip-check"];
const REST = { settings: { TESLA_COMMANDS: "rest" } };

function fails(name: string, path = ""): (owner: Owner) => void {
  return (owner) => owner.simulator.fail(name, { path });
}

/** The owner's domain shows the right key. */
function host(owner: Owner): void {
  owner.simulator.partner.hosting = { kind: "file", body: owner.publicKey };
}

/** After the domain shows the key. */
function hosted(then: (owner: Owner) => unknown): (owner: Owner) => void {
  return (owner) => {
    host(owner);
    then(owner);
  };
}

function viaProxy(then: (owner: Owner) => void): (owner: Owner) => void {
  return (owner) => {
    owner.setSettings({ TESLA_COMMANDS: "proxy", TESLA_PROXY_URL: owner.simulator.proxyUrl });
    then(owner);
  };
}

function loginCase(row: string, failure: string, exit: number, means: string, todo: string,
  tesla: string): Case {
  return { row, script: ["get_token"], owner: LOGGED_OUT, prepare: failure ? fails(failure) : () => {}, exit,
    means, todo, tesla };
}

// A case of the token host: what comes instead of tokens. 401 where Tesla says so.
function tokenCase(script: string, failure: string, exit: number, means: string, todo: string,
  status = 400): Case {
  const error = failure.replace(/^token_/, "");
  const owner = script === "get_token" ? LOGGED_OUT : script === "register_partner" ? UNREGISTERED : {};
  return { row: `token * ${error}`, script: [script], owner, prepare: hosted(fails(failure)), exit, means,
    todo, tesla: error, status };
}

const CASES: Case[] = [
  loginCase("login 0 no policy rules", "callback:server_error:Try again later. No policy rules", 5,
    "does not know your domain yet", "run register_partner", "No policy rules"),
  loginCase("login 0 redirect_uri", "callback:invalid_request:We don't recognize this redirect_uri", 5,
    "TESLA_REDIRECT_URI is not registered", "Allowed Redirect URIs", "We don't recognize this redirect_uri"),
  loginCase("login 0 cancel", "", 2, "cancelled", "run get_token --force", "login_cancelled User cancelled"),
  loginCase("login 0 access_denied", "callback:access_denied", 2, "cancelled", "run get_token --force",
    "access_denied"),
  { ...loginCase("login 0 scopes not granted", "consent_drops_scopes", 5, "left out scopes",
    "run get_token --force", "vehicle_device_data vehicle_charging_cmds"), title: "dropped at the consent" },
  { ...loginCase("login 0 scopes not granted", "", 5, "left out scopes", "developer.tesla.com",
    "vehicle_charging_cmds"), title: "not ticked for the app", prepare: ({ simulator: { account } }) => {
      account.portalScopes = account.portalScopes.filter((scope) => scope !== "vehicle_charging_cmds");
    } },
  loginCase("login 0", "callback:temporarily_unavailable:Please wait", 4, "did not log you in",
    "run get_token --force", "temporarily_unavailable Please wait"),

  tokenCase("refresh_token", "login_required", 4, "over 3 months old", "run get_token", 401),
  { ...tokenCase("refresh_token", "login_required", 4, "consent revoked", "run get_token", 401),
    title: "consent revoked", prepare: (owner) => owner.simulator.revokeConsent() },
  tokenCase("refresh_token", "invalid_grant", 4, "no longer valid", "run get_token"),
  tokenCase("get_token", "invalid_auth_code", 4, "used before", "without a pause"),
  { row: "any * unauthorized_client", title: "a wrong secret", script: ["register_partner"],
    owner: UNREGISTERED,
    prepare: hosted((owner) => owner.setSettings({ TESLA_CLIENT_SECRET: "ta-secret.wrong" })), exit: 5,
    means: "TESLA_CLIENT_SECRET", todo: "copy both again", tesla: "We don't recognize this client_id",
    status: 401 },
  { row: "any * unauthorized_client", title: "with 400, as documented", script: ["register_partner"],
    owner: UNREGISTERED, prepare: hosted(fails("unauthorized_client")), exit: 5, means: "TESLA_CLIENT_ID",
    todo: "Authorization Code and Machine-to-Machine", tesla: "unauthorized_client", status: 400 },
  { row: "any * unauthorized_client", title: "at the registration", script: ["register_partner"],
    owner: UNREGISTERED, prepare: hosted(fails("partner_unauthorized_client")), exit: 5,
    means: "TESLA_CLIENT_ID", todo: "Authorization Code and Machine-to-Machine", tesla: "unauthorized_client",
    status: 400, txid: true },
  tokenCase("get_token", "invalid_client_id", 5, "another app", "fix TESLA_CLIENT_ID"),
  tokenCase("refresh_token", "invalid_client", 5, "does not know this app", "copy TESLA_CLIENT_ID", 401),
  { ...tokenCase("refresh_token", "client_not_found", 5, "another region", "developer.tesla.cn"),
    prepare: (owner) => owner.setSettings({ TESLA_REGION: "cn" }) },
  tokenCase("get_token", "invalid_redirect_url", 5, "not the one of the login", "Allowed Redirect URIs"),
  tokenCase("register_partner", "invalid_audience", 5, "one of the new ones", "vehicle-command/issues/460"),
  { ...tokenCase("get_token", "invalid_audience", 5, "does not accept this region", "check TESLA_REGION"),
    title: "at the login" },
  tokenCase("register_partner", "invalid_scope", 5, "may not ask for one of these scopes", "tick it"),
  tokenCase("register_partner", "unsupported_grant_type", 5, "this kind of token", "Machine-to-Machine"),
  tokenCase("refresh_token", "token_server_error", 1, "server failed", "try again later"),
  { row: "token 401", script: ["refresh_token"], owner: {}, exit: 4, means: "refuses the login",
    todo: "get_token --force",
    prepare: (owner) => owner.answer("/oauth2/v3/token", 401, { error: "something new" }),
    tesla: "something new", status: 401 },
  tokenCase("refresh_token", "invalid_request", 5, "finds something missing or wrong", "every setting in .env"),

  { row: "key 0", script: ["register_partner"], owner: UNREGISTERED, prepare: fails("hang_up_before", KEY),
    exit: 5, means: "cannot be reached", todo: "--skip-check" },
  { row: "key 0", title: "a certificate that is not the domain's", script: ["register_partner"],
    owner: UNREGISTERED,
    prepare: (owner) => {
      owner.setSettings({ TESLA_DOMAIN: "other.example.com" });
      owner.simulator.env.TESLA_SIMULATOR_DOMAIN = "other.example.com";
    },
    exit: 5, means: "cannot be reached", todo: "certificate" },
  { row: "key 404", script: ["register_partner"], owner: UNREGISTERED, prepare: () => {}, exit: 5,
    means: "does not show the key", todo: "GitHub Pages needs .nojekyll", status: 404 },
  { row: "key 300", script: ["register_partner"], owner: UNREGISTERED, prepare: fails("redirect_301", KEY),
    exit: 5, means: "redirects", todo: "set TESLA_DOMAIN", status: 301 },
  { row: "key *", script: ["register_partner"], owner: UNREGISTERED,
    prepare: ({ simulator: { partner } }) => {
      partner.hosting = { kind: "file", body: "robots keep out", status: 403 };
    },
    exit: 5, means: "does not show the key", todo: "200 and the key alone", status: 403 },

  { row: "register 400 invalid domain", script: ["register_partner"], owner: UNREGISTERED,
    prepare: hosted(fails("invalid_domain")), exit: 5, means: "misspelt", todo: "no https://",
    tesla: "Ensure that domain is lowercase", status: 400, txid: true },
  { row: "register 412 root domain", script: ["register_partner"], owner: UNREGISTERED,
    prepare: hosted((owner) => { owner.simulator.partner.allowedOrigins = ["https://something.else.org"]; }),
    exit: 5, means: "Allowed Origins", todo: "add https:// and TESLA_DOMAIN",
    tesla: "must match registered allowed", status: 412, txid: true },
  { row: "register 424", script: SKIP, owner: UNREGISTERED, prepare: () => {}, exit: 5,
    means: "could not download your key", todo: "the key alone", tesla: "Public key download failed",
    status: 424, txid: true },
  { row: "register 422 key hash", script: ["register_partner"], owner: UNREGISTERED,
    prepare: hosted(fails("key_hash_taken")), exit: 5, means: "another app or domain",
    todo: "run generate_key", tesla: "Public key hash has already been taken", status: 422 },
  { row: "register 422 domain has", script: ["register_partner"], owner: UNREGISTERED,
    prepare: hosted((owner) => { owner.simulator.partner.takenDomains = [DOMAIN]; }), exit: 5,
    means: "another app has registered", todo: "its own domain", tesla: "Domain has already been taken",
    status: 422 },
  { row: "register 401", script: ["register_partner"], owner: UNREGISTERED,
    prepare: hosted(fails("token_expired", "/partner_accounts")), exit: 5, means: "refuses your app's token",
    todo: "check TESLA_REGION", status: 401 },
  { row: "register 403 scope", script: ["register_partner"], owner: UNREGISTERED,
    prepare: hosted(fails("partner_missing_scopes")), exit: 5, means: "your app lacks a scope",
    todo: "10 minutes", tesla: "Unauthorized missing scopes", status: 403 },
  { row: "register 422", script: ["register_partner"], owner: UNREGISTERED,
    prepare: hosted(fails("csr_invalid")), exit: 5, means: "refuses the registration",
    todo: "search for Tesla's text", tesla: "Csr is not a valid CSR", status: 422 },
  { row: "register 404", script: ["register_partner"], owner: UNREGISTERED,
    prepare: hosted((owner) => owner.answer("/public_key", 404, { response: null, error: "not_found" })),
    exit: 5, means: "has no key for TESLA_DOMAIN", todo: "run register_partner", tesla: "not_found",
    status: 404 },

  { row: "any 401 mobile_access_disabled", script: ["read_charge"],
    prepare: (owner) => { owner.simulator.car.mobileAccess = false; }, exit: 5, means: "mobile access is off",
    todo: "Controls, Safety", tesla: "mobile_access_disabled", status: 401, txid: true },
  { row: "any 401 unknown user", script: ["list_vehicles"], prepare: fails("unknown_user"), exit: 4,
    means: "never used in the Tesla app", todo: "log in to the Tesla app", tesla: "unknown user",
    status: 401 },
  { row: "any 401", script: ["read_charge"], prepare: (owner) => owner.simulator.account.accessTokens.clear(),
    exit: 4, means: "expired", todo: "run refresh_token", status: 401 },
  { row: "any 401", title: "consent withdrawn", script: ["list_vehicles"],
    prepare: fails("fleet_login_required"), exit: 4, means: "consent was withdrawn", todo: "run get_token",
    tesla: "login_required", status: 401, txid: true },
  { row: "any 402", script: ["read_charge"], prepare: fails("payment_required"), exit: 7,
    means: "payment method", todo: "set up billing", tesla: "payment required", status: 402, txid: true },
  { row: "any 403 exceeded_limit", script: ["list_vehicles"], prepare: fails("billing_limit"), exit: 7,
    means: "billing limit", todo: "raise the limit", tesla: "account disabled: EXCEEDED_LIMIT", status: 403 },
  { row: "any 403 scope", script: ["read_charge"],
    owner: { scopes: SCOPES.replace("vehicle_device_data ", "") }, prepare: () => {}, exit: 5,
    means: "lacks a scope", todo: "run get_token --force",
    tesla: "Unauthorized missing scopes vehicle_device_data", status: 403 },
  { row: "any 403 scope", title: "not named", script: ["list_vehicles"],
    prepare: fails("missing_scope_unnamed"), exit: 5, means: "lacks a scope", todo: "run get_token --force",
    tesla: "Unauthorized missing scopes", status: 403 },
  { row: "any 403 scope", title: "in other words", script: ["wake_up"], prepare: fails("invalid_scope_403"),
    exit: 5, means: "lacks a scope", todo: "run get_token --force", tesla: "invalid_scope",
    status: 403, txid: true },
  { row: "any 403 command protocol required", script: AMPS, owner: REST, prepare: () => {}, exit: 5,
    means: "only signed commands", todo: "TESLA_COMMANDS=signed in .env", tesla: "Command Protocol required",
    status: 403 },
  { row: "car 404", script: ["read_charge"],
    prepare: (owner) => owner.setSettings({ TESLA_VIN: "5YJ30123456789ABD" }), exit: 5,
    means: "finds no such car in this account", todo: "compare TESLA_VIN with list_vehicles",
    tesla: "5YJ30123456789ABD not_found", status: 404 },
  { row: "any 404", script: ["call_api", "GET", "/api/1/users/you"],
    prepare: (owner) => owner.answer("/users/you", 404, { response: null, error: "not_found" }), exit: 6,
    means: "nothing at this path", todo: "compare it with Tesla's documentation", tesla: "not_found",
    status: 404 },
  { row: "any 405", script: ["read_charge"], prepare: (owner) => { owner.simulator.garage.inService = true; },
    exit: 6, means: "in service", todo: "after the service", tesla: "vehicle is currently in service",
    status: 405, txid: true },
  { row: "any 408", script: ["read_charge"], prepare: (owner) => { owner.simulator.car.awake = false; },
    exit: 3, means: "asleep or offline", todo: "run wake_up ($0.02)", tesla: "vehicle is offline or asleep",
    status: 408, txid: true },
  { row: "any 408", title: "in older words", script: ["read_charge"], prepare: fails("vehicle_asleep_older"),
    exit: 3, means: "asleep or offline", todo: "run wake_up", tesla: "vehicle unavailable",
    status: 408, txid: true },
  { row: "any 412", script: ["read_charge"],
    prepare: (owner) => { owner.simulator.partner.registrations = {}; }, exit: 5,
    means: "not registered in this region", todo: "run register_partner",
    tesla: "must be registered in the current region", status: 412 },
  { row: "any 421", title: "that names a host which is not Tesla's", script: ["list_vehicles"],
    prepare: fails("out_of_region_elsewhere"), exit: 5, means: "another region",
    todo: "set TESLA_REGION to the one that Tesla names", tesla: "https://fleet-api.example.org",
    status: 421, txid: true },
  { row: "signed 422", script: AMPS, prepare: (owner) => { owner.simulator.car.speaksProtocol = false; },
    exit: 5, means: "does not take signed commands", todo: "set TESLA_COMMANDS=rest",
    tesla: "vehicle does not support signed commands", status: 422, txid: true },
  { row: "any 423", script: ["read_charge"], prepare: fails("locked"), exit: 6, means: "locked",
    todo: "ask Tesla", tesla: "locked", status: 423, txid: true },
  { row: "any 429", script: ["read_charge"], prepare: fails("rate_limited"), exit: 7,
    means: "too many requests", todo: "wait as long as Tesla says", tesla: "retry after 37 seconds",
    status: 429, txid: true },
  { row: "any 429", title: "at the token host", script: ["refresh_token"], prepare: fails("rate_limited"),
    exit: 7, means: "too many requests", todo: "all apps of the account", tesla: "retry after 37 seconds",
    status: 429, txid: true },
  { row: "plain * not been paired", script: AMPS,
    prepare: viaProxy((owner) => owner.simulator.car.pairedKeys.clear()), exit: 5,
    means: "the virtual key is not on the car", todo: "https://tesla.com/_ak/",
    tesla: "your public key has not been paired with the vehicle", status: 500 },
  { row: "plain * offline or asleep", script: AMPS,
    prepare: viaProxy((owner) => { owner.simulator.car.awake = false; }), exit: 3, means: "asleep or offline",
    todo: "run wake_up", tesla: "vehicle is offline or asleep", status: 500 },
  { row: "command 503", script: AMPS, owner: REST, prepare: fails("service_unavailable"), exit: 3,
    means: "cannot be reached", todo: "run wake_up", tesla: "service unavailable", status: 503, txid: true },
  { row: "command 503", title: "signed", script: AMPS, prepare: fails("service_unavailable"), exit: 3,
    means: "cannot be reached", todo: "run wake_up", tesla: "service unavailable", status: 503, txid: true },
  { row: "any 403 <html", script: ["read_charge"], prepare: fails("html_access_denied"), exit: 1,
    means: "a firewall", todo: "try another network", status: 403 },
  { row: "any * <html", script: ["read_charge"], prepare: (owner) => owner.answer("/vehicle_data", 451, "<html>blocked"),
    exit: 1, means: "a firewall", todo: "try another network", status: 451 },
  { row: "any 300", script: ["read_charge"], prepare: fails("redirect_302"), exit: 1,
    means: "a redirect was refused", todo: "try another network", status: 302 },
  { row: "any 300", title: "of the token host", script: ["refresh_token"], prepare: fails("redirect_307"),
    exit: 1, means: "a token must not follow", todo: "try another network", status: 307 },
  { row: "any 540", script: ["read_charge"], prepare: fails("device_unexpected"), exit: 1,
    means: "the car sent nonsense", todo: "try again later", tesla: "unexpected response from device",
    status: 540, txid: true },
  { row: "any 0", script: ["read_charge"], prepare: fails("hang_up_before"), exit: 1,
    means: "no complete answer came", todo: "check your connection" },
  { row: "any 500", script: ["read_charge"], prepare: fails("server_error"), exit: 1,
    means: "Tesla's server failed", todo: "try again later", tesla: "upstream internal error",
    status: 500, txid: true },
  { row: "any *", script: ["read_charge"], prepare: fails("invalid_field"), exit: 6,
    means: "Tesla refused the request", todo: "read Tesla's text", tesla: "invalid_field",
    status: 400, txid: true },
];

const ERROR_LINE = /^error: .*$/m;

/** get_token as far as it goes; every other script as it is called. */
async function runCase(owner: Owner, each: Case): Promise<Result> {
  const [script = "", ...words] = each.script;
  if (script !== "get_token") return owner.run(script, words);
  await useRedirect(owner);
  const { running, address } = await startLogin(owner, words);
  const location = await owner.simulator.consent(address, { cancel: each.row === "login 0 cancel" });
  await visit(location);
  return running.ended;
}

function assertExplained(result: Result, each: Case): void {
  assertEnd(result, each.exit);
  const error = ERROR_LINE.exec(result.stderr)?.[0] ?? "";
  assert.ok(error.includes(each.means), `does not explain "${each.means}": ${error}`);
  assert.ok(error.includes(each.todo), `does not say "${each.todo}": ${error}`);
  if (each.tesla !== undefined) assert.ok(error.includes(each.tesla),
    `does not show "${each.tesla}": ${error}`);
  if (each.status !== undefined) {
    assert.ok(error.includes(`answered ${each.status}${each.tesla === undefined ? ";" : ' "'}`), `does not show ${each.status}: ${error}`);
    assert.ok(result.requests.some(({ status }) => status === each.status),
      "the simulator gave another status");
    assert.equal(/; [0-9a-f]{32}"/.test(error), each.txid === true, error);
  } else {
    assert.doesNotMatch(error, /answered/);
  }
  assert.equal(result.stdout, "", "an error leaves stdout empty");
  assert.doesNotMatch(error, /needs the scope/, "a command's scope is named only where Tesla speaks of one");
}

test("every row has a case, and every case a row", () => {
  const rows = EXPLANATIONS.map(nameOf);
  const covered = CASES.map(({ row }) => row);
  assert.deepEqual(rows.filter((row) => !covered.includes(row)), [], "rows without a case");
  assert.deepEqual(covered.filter((row) => !rows.includes(row)), [], "cases without a row");
  assert.equal(new Set(rows).size, rows.length, "two rows for the same answer");
});

test("every answer has a row: whole classes of statuses, and the last row for the rest", () => {
  const read = `${baseUrl("eu")}/api/1/vehicles/x/vehicle_data`;
  for (let status = 300; status < 600; status += 1) {
    const { exitCode, message, status: kept } = stopFor(read, status, "", "found");
    assert.equal(kept, status);
    assert.match(message, /^[^:]+(: [^:;]+)?: found; \S/, String(status));
    if (status < 400) assert.match(message, /^a redirect was refused/);
    const isServer = status >= 500 && status !== 540;
    if (isServer) assert.equal(message, "Tesla's server failed: found; try again later");
    assert.notEqual(exitCode, 0);
  }
  const { message } = stopFor(read, 418, "", "found");
  assert.equal(message, "Tesla refused the request: found; read Tesla's text");
});

describe("the table of explanations", { concurrency: 3 }, () => {
  for (const each of CASES) {
    const title = each.title === undefined ? each.row : `${each.row}, ${each.title}`;
    ownerTest(title, each.owner ?? {}, async (owner) => {
      await each.prepare(owner);
      const result = await runCase(owner, each);
      assertExplained(result, each);
      // The whole words of that row and no other's, the exit code of the table too.
      const row = EXPLANATIONS.find((one) => nameOf(one) === each.row);
      assert.ok(row !== undefined, `no row "${each.row}"`);
      assert.equal(row[3], each.exit, "the table has another exit code");
      const [, , part, , means, todo] = row;
      const error = ERROR_LINE.exec(result.stderr)?.[0] ?? "";
      assert.ok(error.startsWith(`error: ${means}: `), `other words:\n${error}`);
      assert.ok(error.includes(`; ${todo}`), `another remedy:\n${error}`);
      // What the scripts find out themselves is not in anybody's answer; of a web page nothing is shown.
      const isShown = !["scopes not granted", "<html"].includes(part);
      assert.equal(error.toLowerCase().includes(part), isShown, error);
    });
  }
});

describe("beside the table", { concurrency: 3 }, () => {
  ownerTest("Tesla's page says No policy rules, and does not come back: get_token has said what to do",
    UNREGISTERED,
    async (owner) => {
      await useRedirect(owner);
      const { running, address } = await startLogin(owner);
      await assert.rejects(owner.simulator.consent(address), /No policy rules/);
      assert.match(running.stderr(), /If Tesla says "No policy rules", run register_partner first/);
      running.child.kill("SIGINT");
      assertEnd(await running.ended, 2, "cancelled");
    });

  ownerTest("of a body only Tesla's named fields are shown, and of what is not JSON nothing", {},
    async (owner) => {
      const txid = "00112233445566778899aabbccddeeff";
      owner.answer("/vehicle_data", 423, { response: "a secret", error: "locked",
        error_description: "by Tesla", messages: { why: ["so"] }, reason: "none", txid, other: "another" });
      const result = await owner.run("read_charge");
      assertEnd(result, 6, `answered 423 "locked; by Tesla; {"why":["so"]}; none; ${txid}"; ask Tesla's`);
      assert.doesNotMatch(result.stderr, /a secret|another/);
      for (const body of ["locked for now", '"locked for now"', "[5]", "null", '{"error": ']) {
        owner.simulator.clear();
        owner.answer("/vehicle_data", 423, body, { "x-txid": txid });
        assertEnd(await owner.run("read_charge"), 6, `answered 423; ask Tesla's support`);
      }
    });

  const refused = ["Tesla refused the request", "read Tesla's text"];
  const failed = ["Tesla's server failed", "try again later"];
  const unknown: [string, number, string[], string][] = [
    ["invalid_field", 6, refused, "invalid_field"],
    ["client_closed", 6, refused, "client closed request"],
    ["validation", 6, refused, "must be a number"],
    ["dependency", 6, refused, "failed dependency"],
    ["server_error", 1, failed, "upstream internal error"],
    ["bad_gateway", 1, failed, "bad gateway"],
    ["service_unavailable", 1, failed, "service unavailable"],
    ["gateway", 1, failed, "context deadline exceeded"],
  ];
  ownerTest("answers that only the last rows are for", {}, async (owner) => {
    for (const [name, exit, words, tesla] of unknown) {
      owner.simulator.fail(name, { times: 1 });
      const result = await owner.run("read_charge");
      assertEnd(result, exit, ...words, tesla, /; [0-9a-f]{32}"/);
      assert.equal(result.requests.length, 1);
    }
    owner.simulator.fail("server_error_plain", { times: 1 });
    const plain = await owner.run("read_charge");
    assertEnd(plain, 1, ...failed, 'answered 500;');
    assert.doesNotMatch(plain.stderr, /Internal Server Error/);
  });

  ownerTest("a firewall's page with status 200 is named as one", {}, async (owner) => {
    owner.simulator.fail("html_firewall");
    assertEnd(await owner.run("read_charge"), 1, "web page", "firewall");
    owner.simulator.clear();
    owner.answer("/vehicle_data", 403, "<html>blocked</html>");
    const page = await owner.run("read_charge");
    assertEnd(page, 1, "a web page came back", "firewall", 'answered 403;');
    assert.doesNotMatch(page.stderr, /<html|blocked</);
  });

  const PAIRS: [Region, Region][] = [["na", "eu"], ["eu", "na"]];
  for (const [home, asked] of PAIRS) {
    ownerTest(`421: an account of ${home} asked in ${asked}; with the setting that the error names it works`,
      { region: home, settings: { TESLA_REGION: asked } }, async (owner) => {
        owner.simulator.partner.registrations[asked] = owner.simulator.partner.registrations[home];
        const result = await owner.run("list_vehicles");
        assertEnd(result, 5, "belongs to another region", `set TESLA_REGION=${home}`, baseUrl(home));
        assert.deepEqual(calls(result.requests), [`GET ${new URL(baseUrl(asked)).host}/api/1/vehicles`]);
        const [, name = "", value = ""] = /set (TESLA_\w+)=(\w+)/.exec(result.stderr) ?? [];
        owner.setSettings({ [name]: value });
        assertEnd(await owner.run("list_vehicles"), 0);
      });
  }
  ownerTest("421: an account of China", {}, async (owner) => {
    const error = `user out of region, use base URL: ${baseUrl("cn")}, see Tesla's page`;
    owner.answer("/api/1/vehicles", 421, { response: null, error }, { "alt-svc": `h2=${baseUrl("cn")}` });
    const result = await owner.run("list_vehicles");
    assertEnd(result, 5, "belongs to another region", "set TESLA_REGION=cn");
    assert.equal(result.requests.length, 1);
  });
  ownerTest("421 that names a foreign host: told, never followed, no region guessed", {}, async (owner) => {
    owner.simulator.fail("out_of_region_elsewhere");
    for (const words of [["list_vehicles"], AMPS]) {
      const result = await owner.run(words[0] ?? "", words.slice(1));
      assertEnd(result, 5, "fleet-api.example.org");
      assert.doesNotMatch(result.stderr, /TESLA_REGION=/);
      assert.doesNotMatch(result.stderr, /^(GET|POST) https:\/\/fleet-api\.example/m);
      assert.equal(result.requests.length, 1);
    }
  });

  const outcomes: [string, number, string][] = [
    ["server_error", 8, "unknown outcome"],
    ["upstream_timeout", 8, "unknown outcome"],
    ["bad_gateway", 8, "unknown outcome"],
    ["gateway", 8, "unknown outcome"],
    ["device_unexpected", 8, "unknown outcome"],
    ["service_unavailable", 3, "run wake_up"],
    ["vehicle_asleep", 3, "run wake_up"],
  ];
  ownerTest("a command, as plain REST: which answers leave the outcome open", REST, async (owner) => {
    owner.simulator.car.protocolRequired = false;
    for (const [name, exit, words] of outcomes) {
      owner.simulator.fail(name, { times: 1 });
      const result = await owner.run("set_charge_amps", ["10"]);
      assertEnd(result, exit, words, /; [0-9a-f]{32}"/);
      if (exit === 8) assertEnd(result, 8, "it was not sent again", "check with read_charge");
      assert.equal(result.requests.length, 1, `${name}: sent once`);
    }
  });
  ownerTest("a signed command: which answers leave the outcome open", {}, async (owner) => {
    for (const [name, exit, words] of outcomes.filter((one) => !one[0].startsWith("upstream"))) {
      assertEnd(await owner.run("set_charge_amps", ["10"]), 0); // so that a session is there
      owner.simulator.fail(name, { times: 1 });
      const result = await owner.run("set_charge_amps", ["12"]);
      assertEnd(result, exit, words, /; [0-9a-f]{32}"/);
      assert.equal(result.requests.length, 1, `${name}: sent once`);
    }
  });
  ownerTest("a handshake moves nothing: a server error is no unknown outcome", {}, async (owner) => {
    owner.simulator.fail("server_error", { times: 1 });
    const result = await owner.run("set_charge_amps", ["10"]);
    assertEnd(result, 1, ...failed);
    assert.doesNotMatch(result.stderr, /unknown outcome/);
  });
});

describe("the pages of docs/", () => {
  const page = (name: string): string => readFileSync(new URL(`../../docs/${name}.md`, import.meta.url), "utf8");
  test("troubleshooting has each row of the table", () => {
    const table = /<!-- troubleshooting -->\n([^]*?)<!-- \/troubleshooting -->/;
    const lines = (table.exec(page("troubleshooting"))?.[1] ?? "").split("\n");
    for (const row of EXPLANATIONS) {
      const [, status, text, exit, means, todo] = row;
      const line = lines.find((one) => one.includes(`| ${means} |`) && one.includes(`| ${todo} |`)
        && one.endsWith(`| ${exit} |`) && (text === "" || one.includes(`"${text}"`))
        && (status <= 0 || one.startsWith(`| ${status} `)
          || one.startsWith(`| ${status / 100}xx`)));
      assert.ok(line !== undefined, `no line for ${nameOf(row)}`);
    }
  });
  test("the scopes have Tesla's name, the scope, and what fails without it", () => {
    const security = page("security");
    const part = security.slice(security.indexOf("\n## Scopes"));
    for (const scope of SCOPES.split(" ")) {
      const name = SCOPE_NAMES[scope] ?? "";
      const line = part.split("\n").find((one) => one.startsWith("|") && one.includes(scope)) ?? "";
      assert.ok(name !== "" && line.includes(name), `the scope ${scope} without the name "${name}"`);
      assert.ok((line.split("|")[3] ?? "").trim().length > 5, `what fails without ${scope}: ${line}`);
    }
    assert.match(part, /get_token --force/);
    assert.match(part, /TESLA_SCOPES/);
    assert.match(security, /\n## Revoke everything/);
  });
});
