// The table of advice, row by row: the simulator gives the answer to the script that would meet it, and the
// script must end with the exit code, say what it means and what to do, and show Tesla's named fields. A row
// without a case fails, and so does a case without a row. Beside it: regions, how long to wait, the scope
// that a token has, the owner's own domain, and bodies that are not shown. The wanted exit codes and words
// are written here and do not come from the table. What makes an outcome unknown is in outcomes.test.ts.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { ADVICE, failureFor, LOGIN_ADVICE } from "../../lib/advice.ts";
import { baseUrl, type Region, SCOPE_NAMES } from "../simulator/tesla/tesla.ts";
import { startLogin, useRedirect, visit } from "../support/browser.ts";
import { assertEnd, calls } from "../support/ends.ts";
import {
  DOMAIN,
  FLEET,
  type Owner,
  type OwnerOptions,
  ownerTest,
  type Result,
  SCOPES,
  useFewProcesses,
  VIN,
} from "../support/owner.ts";

useFewProcesses();

const LOGGED_OUT: OwnerOptions = { loggedIn: false };
const UNREGISTERED: OwnerOptions = { registered: false, loggedIn: false };
const REST: OwnerOptions = { settings: { TESLA_COMMANDS: "rest" } };
const KEY = "/.well-known/";
const REGISTER = "register_partner";
const READ = "read_charge";
const AMPS = "set_charge_amps 10";
const LOOK_UP = `call_api GET /api/1/partner_accounts/public_key?domain=${DOMAIN} --partner`;
const WAKE = `call_api POST /api/1/vehicles/${VIN}/wake_up`;
const SHOW = "telemetry_config show";
const TELEMETRY = 'call_api POST /api/1/vehicles/fleet_telemetry_config {"config":{}}';
const COMMAND = `call_api POST /api/1/vehicles/${VIN}/command/charge_stop`;

type Prepare = (owner: Owner) => unknown;
const fails =
  (name: string, path = ""): Prepare =>
  (owner) =>
    owner.simulator.fail(name, { path });
const answers =
  (path: string, status: number, error: unknown): Prepare =>
  (owner) =>
    owner.answer(path, status, typeof error === "string" && error.startsWith("<") ? error : { error });
/** After the owner's domain serves the right key. */
const hosted =
  (then: Prepare): Prepare =>
  (owner) => {
    owner.simulator.partner.hosting = { kind: "file", body: owner.publicKey };
    return then(owner);
  };
const hosting =
  (body: string, status: number): Prepare =>
  ({ simulator: { partner } }) => {
    partner.hosting = { kind: "file", body, status };
  };

interface Case {
  row: string; // as nameOf makes it
  script: string; // with its words
  owner: OwnerOptions;
  prepare: Prepare;
  exit: number;
  found: string | number; // its beginning: a status, and Tesla's own words; "" where no answer came
  problem: string; // pieces of the other two rows
  fix: string;
}

// biome-ignore format: a table of words and numbers
const PLACES: Record<string, string> = {
  "/oauth2/v3/token": "token", "/.well-known/": "key", "/partner_accounts/public_key": "lookup",
  "/partner_accounts": "register", "/vehicles/": "car", "/api/1/vehicles": "cars", "/wake_up": "wake",
  "/signed_command": "signed", "fleet_telemetry": "telemetry", "fleet_telemetry_config_jws": "jws", "": "any",
};
const nameOf = ([place, status, text]: (typeof ADVICE)[number]): string =>
  `${PLACES[place] ?? place} ${status} ${text.split("|")[0]}`.trim();

function row(
  name: string,
  script: string,
  prepare: Prepare,
  exit: number,
  found: Case["found"],
  problem: string,
  fix: string,
  owner: OwnerOptions = {},
): Case {
  return { row: name, script, prepare, exit, found, problem, fix, owner };
}

/** What the token host answers instead of tokens. */
function tokenRow(
  script: string,
  error: string,
  exit: number,
  problem: string,
  fix: string,
  status = 400,
): Case {
  const owner = script === "get_token" ? LOGGED_OUT : script === REGISTER ? UNREGISTERED : {};
  const name = `token 400 ${error.replace("token_", "")}`;
  const found = `${status} "${error.replace("token_", "")}`;
  return row(name, script, hosted(fails(error)), exit, found, problem, fix, owner);
}

// biome-ignore format: a table of words and numbers
const CASES: Case[] = [
  tokenRow("refresh_token", "login_required", 4, "over 3 months old", "run get_token", 401),
  row("token 400 login_required", "refresh_token", (owner) => owner.simulator.revokeConsent(), 4, 401,
    "withdrawn", "a withdrawn consent end a login too"),
  tokenRow("refresh_token", "invalid_grant", 4, "no longer valid", "run get_token"),
  tokenRow("get_token", "invalid_auth_code", 4, "used before", "log in promptly"),
  row("token 400 unauthorized_client", REGISTER,
    hosted((owner) => owner.setSettings({ TESLA_CLIENT_SECRET: "ta-secret.wrong" })), 5, 401,
    "do not belong together", "copy both again", UNREGISTERED),
  tokenRow(REGISTER, "unauthorized_client", 5, "TESLA_CLIENT_ID",
    "Authorization Code and Machine-to-Machine"),
  tokenRow("get_token", "invalid_client_id", 5, "another app", "fix TESLA_CLIENT_ID"),
  tokenRow("refresh_token", "invalid_client", 5, "does not know this app", "copy TESLA_CLIENT_ID", 401),
  tokenRow("refresh_token", "client_not_found", 5, "does not know this app", "check TESLA_CLIENT_ID"),
  tokenRow("get_token", "invalid_redirect_url", 5, "not the one of the login", "Allowed Redirect URIs"),
  tokenRow(REGISTER, "invalid_audience", 5, "one of the new ones", "vehicle-command/issues/460"),
  tokenRow("get_token", "invalid_audience", 5, "does not accept this region", "check TESLA_REGION"),
  tokenRow(REGISTER, "invalid_scope", 5, "may not ask for one of these scopes", "tick each scope of TESLA_SCOPES"),
  tokenRow(REGISTER, "unsupported_grant_type", 5, "this kind of token", "Machine-to-Machine"),
  tokenRow("refresh_token", "token_server_error", 1, "server failed", "try again later"),
  row("token 401", "refresh_token", answers("/token", 401, "something new"), 4, '401 "something new" from',
    "refuses the login", "get_token --force"),
  tokenRow("refresh_token", "invalid_request", 5, "something missing or wrong",
    "check every setting in .env"),

  row("key 0", REGISTER, fails("hang_up_before", KEY), 5, "", "cannot be reached", "--skip-check",
    UNREGISTERED),
  row("key 0", REGISTER, (owner) => { // a certificate that is not the domain's
    owner.setSettings({ TESLA_DOMAIN: "other.example.com" });
    owner.simulator.env.TESLA_SIMULATOR_DOMAIN = "other.example.com";
  }, 5, "", "cannot be reached", "certificate", UNREGISTERED),
  row("key 404", REGISTER, () => {}, 5, 404, "does not serve the key", "folders with a dot", UNREGISTERED),
  row("key 300", REGISTER, fails("redirect_301", KEY), 5, 301, "redirects", "set TESLA_DOMAIN", UNREGISTERED),
  row("key 400", REGISTER, hosting("robots keep out", 403), 5, 403, "does not serve the key",
    "with status 200", UNREGISTERED),
  row("key 500", REGISTER, hosting("tunnel not found", 530), 5, 530, "does not serve the key",
    "serve_public_key", UNREGISTERED),

  row("key 200", REGISTER, hosting(" ".repeat(2 ** 21), 200), 5, 200, "does not serve the key", "too large",
    UNREGISTERED),

  row("lookup 403 scope", LOOK_UP, fails("key_look_up_403"), 5, 403, "does not show the key",
    "vehicle_device_data"),
  row("lookup 404 not have access", LOOK_UP, fails("key_look_up_404"), 5, 404, "does not show the key",
    "run register_partner"),
  row("lookup 404", LOOK_UP, ({ simulator: { partner } }) => { Object.assign(partner.registrations.eu ?? {},
    { domain: "other.example.com" }); }, 5, 404, "Tesla has no key for TESLA_DOMAIN", "run register_partner"),
  row("lookup 412", LOOK_UP, ({ simulator: { partner } }) => { partner.registrations = {}; }, 5, 412,
    "not registered here", "run register_partner"),
  row("lookup 421", LOOK_UP, fails("key_look_up_421"), 5, 421, "does not show the key in this region",
    "set TESLA_REGION=na"),
  row("register 400 invalid domain", REGISTER, hosted(fails("invalid_domain")), 5, 400, "misspelt",
    "no https://",
    UNREGISTERED),
  row("register 400 unauthorized_client", REGISTER, hosted(fails("partner_unauthorized_client")), 5, 400,
    "does not let your app register", "is it approved yet?", UNREGISTERED),
  row("register 412 root domain", REGISTER, hosted(({ simulator: { partner } }) => {
    partner.allowedOrigins = ["https://something.else.org"]; }), 5, 412, "Allowed Origins",
    "add https:// and TESLA_DOMAIN", UNREGISTERED),
  row("register 412 must be registered", `call_api POST /api/1/partner_accounts {"domain":"${DOMAIN}"}`,
    () => {},
    5, 412, "your app's own token", "call_api --partner"),
  row("register 412", REGISTER, hosted(answers("/api/1/partner_accounts", 412, "Public key not accessible")),
    5, 412, "could not fetch your key", "let everyone read it over https", UNREGISTERED),
  row("register 424", `${REGISTER} --skip-check`, () => {}, 5, 424, "could not download your key",
    "serve only the key", UNREGISTERED),
  row("register 422 key hash", REGISTER, hosted(fails("key_hash_taken")), 5, 422, "another app or domain",
    "run generate_key", UNREGISTERED),
  row("register 422 domain has", REGISTER,
    hosted((owner) => { owner.simulator.partner.takenDomains = [DOMAIN]; }),
    5, 422, "another app has registered", "its own domain", UNREGISTERED),
  row("register 422", REGISTER, hosted(fails("csr_invalid")), 5, 422, "refuses the registration",
    "search online for Tesla's message", UNREGISTERED),
  row("register 401", REGISTER, hosted(fails("token_expired", "/partner_accounts")), 5, 401,
    "refuses your app's token", "check TESLA_REGION", UNREGISTERED),
  row("register 403 scope", REGISTER, hosted(fails("partner_missing_scopes")), 5, 403,
    "your app lacks one of TESLA_SCOPES", "10 minutes", UNREGISTERED),

  row("telemetry 400 command http proxy", TELEMETRY, () => {}, 5, 400, "only what Tesla's own proxy sends",
    "use telemetry_config send"),
  row("telemetry 412 fleet-telemetry", TELEMETRY, answers("fleet_telemetry", 412,
    "use fleet-telemetry >= 0.1.4"), 5, 412, "no unsigned configuration", "use telemetry_config send"),
  row("telemetry 403 exceeded_limit", SHOW, fails("billing_limit"), 7, 403, "billing limit",
    "has taken it off the car"),
  row("telemetry 403 location access", SHOW, answers("fleet_telemetry", 403, "Location access denied"), 5,
    403, "needs the scope vehicle_location", "leave it out"),
  row("telemetry 0", SHOW, fails("hang_up_before"), 1, "", "no complete answer came",
    "run telemetry_config show"),
  row("telemetry 200", SHOW, answers("fleet_telemetry", 200, "<cut"), 1, 200, "cannot be read", "send again"),
  row("telemetry 500", TELEMETRY, fails("server_error"), 1, 500, "Tesla's server failed", "send again"),
  row("jws 400", TELEMETRY.replace("config", "config_jws"), answers("_jws", 400, "invalid signature"), 6, 400,
    "refused the configuration or its signature", "compare what telemetry_config send FILE --dry-run shows"),

  row("any 401 mobile_access_disabled", READ, (owner) => { owner.simulator.car.mobileAccess = false; }, 5,
    401, "mobile access is off", "Controls, Safety"),
  row("any 401 unknown user", "list_vehicles", fails("unknown_user"), 4, 401, "never used in the Tesla app",
    "log in to the Tesla app"),
  row("any 401", READ, (owner) => owner.simulator.account.accessTokens.clear(), 4, 401, "expired",
    "run refresh_token"),
  row("any 401", "list_vehicles", fails("fleet_login_required"), 4, 401, "consent was withdrawn",
    "run get_token"),
  row("any 402", READ, fails("payment_required"), 7, 402, "requires a payment method", "set up billing"),
  row("any 403 <html", READ, fails("html_access_denied"), 1, 403, "a firewall", "try another network"),
  row("any 403 exceeded_limit", "list_vehicles", fails("billing_limit"), 7, 403, "billing limit",
    "raise the limit"),
  row("any 403 command protocol required", AMPS, () => {}, 5, 403, "only signed commands",
    "TESLA_COMMANDS=signed in .env", REST),
  row("any 403 command protocol required", COMMAND, fails("signed_commands_required"), 5, 403,
    "only signed commands", "instead of call_api, use send_command"),
  row("any 403 not been paired", AMPS, answers("/command/", 403,
    "your public key has not been paired with the vehicle"),
    5, 403, "the virtual key is not on the car", `https://tesla.com/_ak/${DOMAIN}`, REST),
  row("any 403 scope", READ, () => {}, 5, 403, "lacks a scope", "run get_token --force",
    { scopes: SCOPES.replace("vehicle_device_data ", "") }),
  row("any 403 scope", "wake_up", fails("invalid_scope_403"), 5, 403, "lacks a scope",
    "add it to TESLA_SCOPES",
    { scopes: "openid offline_access" }),
  row("car 404", READ, (owner) => owner.setSettings({ TESLA_VIN: "5YJ30123456789ABD" }), 5, 404,
    "car or endpoint not found", "compare TESLA_VIN with list_vehicles"),
  row("cars 404", "list_vehicles", answers("/api/1/vehicles", 404, "not_found"), 5, 404,
    "no cars for this account in this region", "check TESLA_REGION"),
  row("any 404", "call_api GET /api/1/users/you", answers("/users/you", 404, "not_found"), 6, 404,
    "nothing at this path", "compare it with Tesla's documentation"),
  row("any 405", READ, (owner) => { owner.simulator.garage.inService = true; }, 6, 405, "in service",
    "try again once service is finished; for call_api, compare METHOD and PATH"),
  row("wake 408", WAKE, fails("wake_up_asleep"), 3, 408, "did not wake up", "try again in a minute"),
  row("any 408 timeout", READ, fails("request_timeout"), 3, 408, "did not answer in time", "try again"),
  row("any 408", READ, (owner) => { owner.simulator.car.awake = false; }, 3, 408, "asleep or offline",
    "run wake_up ($0.02)"),
  row("any 408", READ, fails("vehicle_asleep_older"), 3, 408, "asleep or offline",
    "open the Tesla app (free)"),
  row("any 412 not_supported", COMMAND, fails("not_supported"), 6, 412, "does not accept this command unsigned",
    "use send_command instead of call_api"),
  row("any 412", READ, ({ simulator: { partner } }) => { partner.registrations = {}; }, 5, 412,
    "not registered in this region", "run register_partner"),
  row("any 421", "list_vehicles", fails("out_of_region_elsewhere"), 5, 421, "another region",
    "set TESLA_REGION to the one that Tesla names"),
  row("signed 422", AMPS, (owner) => { owner.simulator.car.speaksProtocol = false; }, 5, 422,
    "accepts no signed commands", "set TESLA_COMMANDS=rest in .env"),
  row("any 423", READ, fails("locked"), 6, 423, "locked", "contact Tesla support"),
  row("any 429", READ, answers("/vehicle_data", 429, "Account rate limit exceeded"), 7, 429,
    "too many requests", "wait a few minutes, or as long as Tesla says; all apps of the account count together"),
  row("any 501", COMMAND, fails("not_implemented"), 6, 501,
    "does not pass this on to the car; nothing was done", "use the Tesla app"),
  row("wake 503 vehicle is not available", WAKE, fails("vehicle_not_available"), 3, 503, "did not wake up",
    "try again in a minute"),
  row("any 503 vehicle is not available", READ, fails("vehicle_not_available"), 3, 503, "asleep or offline",
    "run wake_up ($0.02)"),
  row("any 503 timeout", READ, answers("/vehicle_data", 503, "timeout"), 1, 503, "did not answer in time",
    "try again later"),
  row("any 503 no healthy upstream", READ, fails("no_healthy_upstream"), 1, 503, "Tesla's gateway could not reach its own servers",
    "try again in a few minutes"),
  row("any 540", READ, fails("device_unexpected"), 1, 540, "booting, updating, in service",
    "try again later"),
  row("any 300", READ, fails("redirect_302"), 1, 302, "a redirect was refused", "try another network"),
  row("any 300", "refresh_token", fails("redirect_307"), 1, 307, "a token must not follow",
    "try another network"),
  row("any 0", READ, fails("hang_up_before"), 1, "", "no complete answer came", "this machine's clock"),
  row("any 200 <html", READ, fails("html_firewall"), 1, 200, "a firewall", "try another network"),
  row("any 200", READ, fails("not_json"), 1, 200, "Tesla's answer cannot be read", "try again later"),
  row("any 400 <html", READ, answers("/vehicle_data", 451, "<html>blocked"), 1, 451, "a firewall",
    "another network"),
  row("any 400", READ, fails("invalid_field"), 6, 400, "Tesla refused the request", "search online"),
  row("any 500", READ, fails("server_error"), 1, 500, "Tesla's server failed", "try again later"),
];

// biome-ignore format: a table of words and numbers
const LOGINS: [row: string, callback: string, exit: number, problem: string, fix: string][] = [
  ["no policy rules", "server_error:Try again later. No policy rules", 5, "your domain yet",
    "register_partner"],
  ["redirect_uri", "invalid_request:We don't recognize this redirect_uri", 5, "not registered",
    "Redirect URIs"],
  ["invalid_scope", "invalid_scope:Not allowed", 5, "may not ask for one of these scopes",
    "correct TESLA_SCOPES"],
  ["unauthorized_client", "unauthorized_client", 5, "may not log you in", "Machine-to-Machine"],
  ["invalid_client", "invalid_client", 5, "does not know this app", "copy TESLA_CLIENT_ID"],
  ["invalid_client", "client_not_found", 5, "does not know this app", "copy TESLA_CLIENT_ID"],
  ["invalid_request", "unsupported_response_type", 5, "a mistake in the login address",
    "every setting in .env"],
  ["cancel", "", 2, "you cancelled", "run get_token --force"],
  ["cancel", "access_denied", 2, "you cancelled", "run get_token --force"],
  ["", "temporarily_unavailable:Please wait", 4, "did not log you in", "run get_token --force"],
];

interface Rows {
  error: string;
  found: string;
  fix: string;
}
function rowsOf({ stderr }: Result): Rows {
  const of = (name: string): string => new RegExp(`^${name}: +(.*)$`, "m").exec(stderr)?.[1] ?? "";
  return { error: of("error"), found: of("found"), fix: of("fix") };
}
function assertRows(result: Result, { problem, fix }: { problem: string; fix: string }): Rows {
  const rows = rowsOf(result);
  assert.ok(rows.error.includes(problem), `does not say "${problem}": ${rows.error}`);
  assert.ok(rows.fix.includes(fix), `does not say "${fix}": ${rows.fix}`);
  assert.equal(result.stdout, "", "an error leaves stdout empty");
  return rows;
}

/** get_token as far as it goes; every other script as it is called. */
async function runCase(owner: Owner, script: string, cancel = false): Promise<Result> {
  const [name = "", ...words] = script.split(" ");
  if (name !== "get_token") return owner.run(name, words);
  await useRedirect(owner);
  const { running, address } = await startLogin(owner, words);
  await visit(await owner.simulator.consent(address, { cancel }));
  return running.ended;
}

test("every row has a case, and every case a row", () => {
  const rows = [...ADVICE.map(nameOf), ...LOGIN_ADVICE.map(([text]) => `login ${text.split("|")[0]}`.trim())];
  const covered = [...CASES.map((one) => one.row), ...LOGINS.map(([text]) => `login ${text}`.trim())];
  assert.deepEqual(
    rows.filter((name) => !covered.includes(name)),
    [],
    "rows without a case",
  );
  assert.deepEqual(
    covered.filter((name) => !rows.includes(name)),
    [],
    "cases without a row",
  );
  assert.equal(new Set(rows).size, rows.length, "two rows for the same answer");
});

test("every row can be reached, by each of its words, and every status has a row", () => {
  const path = (place: string): string => `https://x${place || "/api/1/x"}`;
  for (const [place, status, parts, exit, problem] of ADVICE) {
    for (const text of parts.split("|")) {
      const failure = failureFor(path(place), { status, text: text.toUpperCase() }, "found");
      assert.deepEqual([failure.exitCode, failure.message], [exit, problem], `${place} ${status} ${text}`);
    }
  }
  for (let status = 300; status < 600; status += 1) {
    const { exitCode, message, fix } = failureFor(path(""), { status, text: "" }, "found");
    assert.ok(exitCode > 0 && fix !== "" && !message.includes("unknown"), String(status));
  }
});

describe("the table of advice", { concurrency: 3 }, () => {
  for (const [at, each] of CASES.entries()) {
    ownerTest(`${each.row} (${at}), ${each.script.split(" ")[0]}`, each.owner, async (owner) => {
      await each.prepare(owner);
      const result = await runCase(owner, each.script);
      assertEnd(result, each.exit);
      const { error, found, fix } = assertRows(result, each);
      const begins = each.found === "" ? "no answer from " : `${each.found}`;
      assert.ok(found.startsWith(begins) && / from [a-z.-]+\.(com|cn)\b/.test(found), found);
      const status = Number.parseInt(begins, 10) || 0;
      const seen = result.requests.some((one) => one.status === status);
      assert.ok(seen || status === 0, "the simulator gave another status");
      // The whole words of that row and no other's, its exit code too.
      const [, , text = "", exit, problem, usual = ""] = ADVICE.find((one) => nameOf(one) === each.row) ?? [];
      assert.deepEqual([exit, problem], [each.exit, error]);
      if (status !== 421) assert.equal(fix.replace(DOMAIN, "YOUR.DOMAIN"), usual);
      // Of Tesla's named fields all is shown, and of a web page nothing.
      const isShown = text.split("|").some((part) => found.toLowerCase().includes(part));
      assert.equal(isShown, !text.includes("<html") && text !== "no healthy upstream", found);
    });
  }
  for (const [text, callback, exit, problem, fix] of LOGINS) {
    ownerTest(`login page: ${callback || "cancelled"}`, LOGGED_OUT, async (owner) => {
      if (callback !== "") owner.simulator.fail(`callback:${callback}`);
      const result = await runCase(owner, "get_token", callback === "");
      assertEnd(result, exit);
      const rows = assertRows(result, { problem, fix });
      const words = callback.replace(":", " ") || "login_cancelled User cancelled";
      assert.equal(rows.found, `Tesla's page says "${words}"`);
      assert.equal(rows.error, LOGIN_ADVICE.find(([part]) => part.split("|")[0] === text)?.[2]);
    });
  }
});

describe("beside the table", { concurrency: 3 }, () => {
  ownerTest(
    "No policy rules stays in the browser: get_token has said what to do",
    UNREGISTERED,
    async (owner) => {
      await useRedirect(owner);
      const { running, address } = await startLogin(owner);
      await assert.rejects(owner.simulator.consent(address), /No policy rules/);
      assert.match(running.stderr(), /If Tesla shows "No policy rules", run register_partner first/);
      running.child.kill("SIGINT");
      assertEnd(await running.ended, 2, "cancelled");
    },
  );

  ownerTest(
    "of a body only Tesla's named fields are shown, and of what is not JSON nothing",
    {},
    async (owner) => {
      const txid = "00112233445566778899aabbccddeeff";
      owner.answer("/vehicle_data", 423, {
        response: "a secret",
        error: "locked",
        error_description: "by Tesla",
        messages: { why: ["so"] },
        reason: "none",
        txid,
        other: "another",
      });
      const { found } = rowsOf(await owner.run(READ));
      assert.equal(found, `423 "locked; by Tesla; {"why":["so"]}; none" from ${FLEET}; txid ${txid}`);
      for (const body of ["locked for now", '"locked for now"', "[5]", "null", '{"error": ']) {
        owner.simulator.clear();
        owner.answer("/vehicle_data", 423, body, { "x-txid": txid });
        assert.equal(rowsOf(await owner.run(READ)).found, `423 from ${FLEET}`);
      }
    },
  );

  const PAIRS: [Region, Region][] = [
    ["na", "eu"],
    ["eu", "na"],
  ];
  for (const [home, asked] of PAIRS) {
    ownerTest(
      `421: an account of ${home} asked in ${asked}; with the setting that the error names it works`,
      { region: home, settings: { TESLA_REGION: asked } },
      async (owner) => {
        owner.simulator.partner.registrations[asked] = owner.simulator.partner.registrations[home];
        const result = await owner.run("list_vehicles");
        assertEnd(result, 5, "belongs to another region", baseUrl(home));
        assert.deepEqual(calls(result.requests), [`GET ${new URL(baseUrl(asked)).host}/api/1/vehicles`]);
        const [, name = "", value = ""] = /^fix: {3}set (TESLA_\w+)=(\w+)$/m.exec(result.stderr) ?? [];
        owner.setSettings({ [name]: value });
        assertEnd(await owner.run("list_vehicles"), 0);
      },
    );
  }
  ownerTest(
    "421: an account of China, and one that names a foreign host, which is not followed",
    {},
    async (owner) => {
      const error = `user out of region, use base URL: ${baseUrl("cn")}, see Tesla's page`;
      owner.answer("/api/1/vehicles", 421, { response: null, error }, { "alt-svc": `h2=${baseUrl("cn")}` });
      assertEnd(await owner.run("list_vehicles"), 5, "fix:   set TESLA_REGION=cn\n");
      owner.simulator.clear();
      owner.simulator.fail("out_of_region_elsewhere");
      for (const script of ["list_vehicles", AMPS]) {
        const result = await runCase(owner, script);
        assertEnd(result, 5, /found: .*fleet-api\.example\.org/);
        assert.doesNotMatch(result.stderr, /TESLA_REGION=|^(GET|POST) https:\/\/fleet-api\.example/m);
        assert.equal(result.requests.length, 1);
      }
    },
  );

  // How long Tesla asks to wait: in a header, as seconds, a date or a time, or in a plain text.
  const later = new Date(Date.now() + 26 * 3_600_000);
  const two = (number: number): string => String(number).padStart(2, "0");
  const day = `${later.getFullYear()}-${two(later.getMonth() + 1)}-${two(later.getDate())}`;
  const until = `${day} ${two(later.getHours())}:${two(later.getMinutes())}`;
  const seconds = (count: number): RegExp => new RegExp(`^wait ${count} seconds, until [\\d :-]+; all apps`);
  const plain =
    (body: string, headers: Record<string, string> = {}): Prepare =>
    (owner) =>
      owner.answer("/vehicle_data", 429, body, headers);
  // biome-ignore format: a table of words and numbers
  const WAITS: [string, Prepare, RegExp | string][] = [
    ["Retry-After in seconds", fails("rate_limited"), seconds(37)],
    ["plain text alone", fails("rate_limited_plain"), seconds(48472)],
    ["the same text, not alone", plain("Too many requests. Retry in 1 second."), seconds(1)],
    ["RateLimit-Vehicle-Reset", fails("rate_limited_reset"), seconds(17)],
    ["RateLimit-Reset", plain("", { "ratelimit-reset": "3600" }), seconds(3600)],
    ["RateLimit-Client-Wakes-Reset", plain("", { "RateLimit-Client-Wakes-Reset": "9" }), seconds(9)],
    ["a date an hour ahead", fails("rate_limited_date"), /^wait until [\d :-]+; all apps/],
    ["a date tomorrow", plain("", { "retry-after": later.toUTCString() }), `wait until ${until};`],
    ["a time since 1970", plain("", { "ratelimit-reset": `${Math.floor(later.getTime() / 1000)}` }),
      `wait until ${until};`],
    ["Retry-After before the rest", plain("Retry in 5 seconds", { "retry-after": "6",
      "ratelimit-reset": "7" }),
      seconds(6)],
    ["words that are no time", plain("", { "retry-after": "soon" }), "wait a few minutes, or as long as Tesla says;"],
    ["below zero", plain("", { "retry-after": "-5" }), "wait a few minutes, or as long as Tesla says;"],
    ["an absurd number", plain("", { "retry-after": "9".repeat(40) }), "wait a few minutes, or as long as Tesla says;"],
    ["nothing", plain(""), "wait a few minutes, or as long as Tesla says;"],
  ];
  for (const [title, prepare, wanted] of WAITS) {
    ownerTest(`429: ${title}`, {}, async (owner) => {
      await prepare(owner);
      const result = await owner.run(READ);
      assertEnd(result, 7, "too many requests");
      const { fix } = rowsOf(result);
      assert.ok(typeof wanted === "string" ? fix.startsWith(wanted) : wanted.test(fix), fix);
    });
  }
  ownerTest("429 to a command and at the token host", {}, async (owner) => {
    owner.simulator.fail("rate_limited_plain");
    for (const script of [AMPS, "refresh_token", "wake_up"]) {
      assertEnd(await runCase(owner, script), 7, "fix:   wait 48472 seconds");
    }
  });

  // A 403 that speaks of a scope, although the token has it.
  const ALL = `${SCOPES} vehicle_cmds`;
  // biome-ignore format: a table of words and numbers
  const SCOPE_CASES: [script: string, error: string, granted: string, isThere: boolean][] = [
    [READ, "Unauthorized missing scopes vehicle_device_data", SCOPES, true],
    [READ, "Unauthorized Missing Scopes: VEHICLE_DEVICE_DATA", SCOPES, true],
    [READ, "invalid_scope", SCOPES, true],
    ["list_vehicles", "Unauthorized missing scopes", SCOPES, true],
    [AMPS, "Unauthorized missing scopes vehicle_charging_cmds", SCOPES, true],
    [AMPS, "Unauthorized missing scopes", SCOPES, true],
    ["send_command door_lock", "Unauthorized missing scopes vehicle_cmds", ALL, true],
    [COMMAND, "Unauthorized missing scopes", ALL, true],
    [READ, "Unauthorized missing scopes vehicle_location", SCOPES, false],
    [READ, "Unauthorized missing scopes vehicle_device_data vehicle_location", SCOPES, false],
    [AMPS, "Unauthorized missing scopes vehicle_location", SCOPES, false],
    ["call_api GET /api/1/products", "Unauthorized missing scopes energy_device_data", SCOPES, false],
    [COMMAND, "Unauthorized missing scopes", SCOPES, false],
    ["send_command honk_horn", "Unauthorized missing scopes", ALL, true],
  ];
  for (const [script, error, granted, isThere] of SCOPE_CASES) {
    ownerTest(
      `403 "${error}", ${script.slice(0, 40)}: the token ${isThere ? "has" : "lacks"} it`,
      { scopes: granted },
      async (owner) => {
        owner.answer("/api/1/", 403, { response: null, error });
        const result = await runCase(owner, script);
        assertEnd(result, 5);
        const { error: problem, fix } = rowsOf(result);
        if (isThere) {
          assert.equal(problem, "Tesla says that a scope is missing, but your token has it");
          assert.equal(fix, "try again in a minute; if that does not help, run get_token --force");
        } else {
          assert.match(problem, /lacks a scope/);
          assert.match(fix, /^tick the scope on .*, run get_token --force and tick every box/);
        }
      },
    );
  }

  // Which row counts is decided by the order of the table, for a command too.
  for (const way of ["signed", "rest"]) {
    ownerTest(`403 that speaks of pairing and of scopes, ${way}`, {}, async (owner) => {
      owner.setSettings({ TESLA_COMMANDS: way });
      const error = "your public key has not been paired with the vehicle; missing scopes";
      owner.answer("/api/1/", 403, { response: null, error });
      assertEnd(await runCase(owner, AMPS), 5, "error: the virtual key is not on the car\n");
    });
  }

  // Where to pair, ready to open; and the portal of the region.
  // biome-ignore format: a table of words and numbers
  const DOMAINS: [settings: Record<string, string>, address: string][] = [
    [{}, `https://tesla.com/_ak/${DOMAIN}`],
    [{ TESLA_DOMAIN: "" }, "https://tesla.com/_ak/YOUR.DOMAIN"],
    [{ TESLA_DOMAIN: "https://a.b/" }, "https://tesla.com/_ak/YOUR.DOMAIN"],
    [{ TESLA_REGION: "cn" }, `https://www.tesla.cn/_ak/${DOMAIN}`],
    [{ TESLA_REGION: "na" }, `https://tesla.com/_ak/${DOMAIN}`],
  ];
  ownerTest(
    "the key is not on the car: the owner's own domain and region, ready to open",
    {},
    async (owner) => {
      for (const [settings, address] of DOMAINS) {
        for (const [status, body] of [
          [403, { error: "your public key has not been paired with the vehicle" }],
          [
            200,
            { response: { result: false, reason: "your public key has not been paired with the vehicle" } },
          ],
          [200, { response: { result: false, string: "NOT_ON_WHITELIST_FOB" } }],
        ] as const) {
          owner.setSettings({ TESLA_COMMANDS: "rest", ...settings });
          owner.simulator.clear();
          owner.answer("/command/", status, body);
          const result = await runCase(owner, AMPS);
          assertEnd(
            result,
            5,
            "error: the virtual key is not on the car\n",
            `fix:   open ${address} on your phone`,
          );
        }
      }
    },
  );
  ownerTest("the portal is that of the region", { settings: { TESLA_REGION: "cn" } }, async (owner) => {
    owner.simulator.fail("unauthorized_client");
    assertEnd(await owner.run("refresh_token"), 5, "your app's page on developer.tesla.cn;");
    owner.setSettings({ TESLA_REGION: "eu" });
    assertEnd(await owner.run("refresh_token"), 5, "your app's page on developer.tesla.com;");
  });
  ownerTest("the same before a command is sent", {}, async (owner) => {
    owner.logIn({}, "openid offline_access");
    for (const [region, portal] of [
      ["cn", "developer.tesla.cn"],
      ["eu", "developer.tesla.com"],
    ] as const) {
      owner.setSettings({ TESLA_REGION: region });
      const result = await owner.run("set_charge_amps", ["10"]);
      assertEnd(result, 5, `fix:   tick the scope on your app's page on ${portal}, wait 10 minutes, `);
      assert.deepEqual(result.requests, [], region);
    }
  });
});

test("docs/security.md: each scope with Tesla's name for it, and what fails without it", () => {
  const security = readFileSync(new URL("../../docs/security.md", import.meta.url), "utf8");
  const part = security.slice(security.indexOf("\n## Scopes"));
  for (const scope of SCOPES.split(" ")) {
    const line = part.split("\n").find((one) => one.startsWith("|") && one.includes(scope)) ?? "";
    assert.ok(
      SCOPE_NAMES[scope] && line.includes(SCOPE_NAMES[scope]),
      `${scope}, "${SCOPE_NAMES[scope]}": ${line}`,
    );
    assert.ok((line.split("|")[3] ?? "").trim().length > 5, `what fails without ${scope}: ${line}`);
  }
  assert.match(part, /get_token --force[^]*TESLA_SCOPES|TESLA_SCOPES[^]*get_token --force/);
  assert.match(security, /\n## Revoke everything/);
});

test("docs/troubleshooting.md: what to do about slow IPv4 beside dead IPv6", () => {
  const page = readFileSync(new URL("../../docs/troubleshooting.md", import.meta.url), "utf8");
  assert.match(page, /ETIMEDOUT.*--network-family-autoselection-attempt-timeout=\d+/);
});
