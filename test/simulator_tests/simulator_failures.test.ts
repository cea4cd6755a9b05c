// Switches on every failure that the simulator knows, one after the other, and looks at what a client is
// answered.
// A failure without a line in the table, or a line without a failure, is an error.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { request } from "undici";

import { GROUPS } from "../simulator/failures/catalogue.ts";
import type { Simulator } from "../simulator/simulator.ts";
import { play } from "../simulator/world_commands.ts";
import { CLIENT_ID } from "../simulator/tesla/tesla.ts";
import {
  CAR,
  FLEET,
  PARTNER_FORM,
  TOKEN_URL,
  codeForm,
  login,
  loginAddress,
  newCode,
  partnerToken,
  publicKey,
  send,
  start,
} from "./simulator_client.ts";
import type { Answer } from "./simulator_client.ts";

const documented = JSON.parse(readFileSync(new URL("./documented_answers.json", import.meta.url), "utf8"));
let simulator: Simulator;
let token: string;
before(async () => {
  simulator = await start();
  token = (await login(simulator, "openid offline_access vehicle_device_data vehicle_cmds")).body
    .access_token;
  simulator.car.pair(publicKey);
  simulator.car.protocolRequired = false;
});
after(() => simulator.close());

const refresh = () =>
  send("POST", TOKEN_URL, {
    form: {
      grant_type: "refresh_token",
      client_id: CLIENT_ID,
      refresh_token: simulator.account.chains[0]?.current ?? "",
    },
  });
const partnerGrant = () => send("POST", TOKEN_URL, { form: PARTNER_FORM });
const registration = async () => {
  const partner = await partnerToken();
  return send("POST", `${FLEET}/api/1/partner_accounts`, {
    token: partner,
    json: { domain: "car.example.com" },
  });
};
const read = () => send("GET", CAR, { token });
const signed = () => send("POST", `${CAR}/signed_command`, { token, json: { routable_message: "MgIIAg==" } });
const plain = () => send("POST", `${CAR}/command/honk_horn`, { token, json: {} });

const wake = () => send("POST", `${CAR}/wake_up`, { token, json: {} });
const lookUp = async () => {
  const partner = await partnerToken();
  return send("GET", `${FLEET}/api/1/partner_accounts/public_key?domain=car.example.com`, { token: partner });
};

type Send = () => Promise<Answer>;
// Name, the request it falls on, the status, and the documented answer or a text in the body.
const TABLE: [string, Send, number, string | RegExp][] = [
  ["unauthorized_client", refresh, 400, "token_error_401_or_400_unauthorized_client"],
  ["unauthorized_client_401", refresh, 401, "token_error_401_or_400_unauthorized_client"],
  ["invalid_audience", refresh, 400, "token_error_400_invalid_audience"],
  ["partner_invalid_audience", partnerGrant, 400, "token_error_400_invalid_audience"],
  ["login_required", refresh, 401, "token_error_401_login_required"],
  ["invalid_auth_code", refresh, 400, /"error":"invalid_auth_code"/],
  ["invalid_redirect_url", refresh, 400, /"error":"invalid_redirect_url"/],
  ["unsupported_grant_type", refresh, 400, /"error":"unsupported_grant_type"/],
  ["invalid_request", refresh, 400, "token_error_400_invalid_request_missing_client_id"],
  ["invalid_scope", refresh, 400, "token_error_400_invalid_scope"],
  ["invalid_client_id", refresh, 400, "token_error_400_invalid_client_id"],
  ["token_server_error", refresh, 400, "token_error_400_server_error"],
  ["client_not_found", refresh, 400, /"error":"client_not_found"/],
  ["invalid_grant", refresh, 400, /"error":"invalid_grant"/],
  ["invalid_client", refresh, 401, /"error":"invalid_client"/],
  ["token_without_refresh_token", refresh, 200, /^(?!.*refresh_token).*access_token/],
  ["token_without_access_token", refresh, 200, /^(?!.*access_token).*refresh_token/],
  ["token_not_a_jwt", refresh, 200, /"access_token":"opaque-access-token"/],
  ["invalid_domain", registration, 400, /Invalid domain: https:/],
  ["root_domain", registration, 412, /Root domain car\.example\.com must match registered allowed origin/],
  ["key_download_failed", registration, 424, /Public key download failed for https:.* error: too large/],
  ["key_hash_taken", registration, 422, "partner_accounts_422_key_hash_taken"],
  ["domain_taken", registration, 422, "partner_accounts_422_domain_taken"],
  ["csr_invalid", registration, 422, "partner_accounts_422_csr_invalid"],
  ["partner_unauthorized_client", registration, 400, /unauthorized_client/],
  ["partner_missing_scopes", registration, 403, /Unauthorized missing scopes/],
  ["invalid_command", signed, 400, /invalid_command/],
  ["invalid_field", read, 400, /invalid_field/],
  ["token_expired", read, 401, /^$/],
  ["token_expired_json", read, 401, /^\{"error":"token expired \(401\)"\}$/],
  ["invalid_bearer", read, 401, /^\{"error":"invalid bearer token"\}$/],
  ["unknown_user", read, 401, "error_401_unknown_user"],
  ["mobile_access_disabled", read, 401, /mobile_access_disabled/],
  ["fleet_login_required", read, 401, /login_required/],
  ["payment_required", read, 402, /payment required/],
  ["missing_scope", read, 403, /Unauthorized missing scopes vehicle_device_data/],
  ["missing_scope_unnamed", read, 403, /Unauthorized missing scopes"/],
  ["invalid_scope_403", read, 403, /invalid_scope/],
  ["billing_limit", read, 403, "error_403_billing_limit"],
  ["unsupported_vehicle", read, 403, /unsupported vehicle/],
  ["protocol_required", plain, 403, "error_403_vehicle_command_protocol_required"],
  ["signed_commands_required", plain, 403, /vehicle requires signed commands/],
  ["not_paired_reason", plain, 200, /\{"result":false,"reason":"your public key has not been paired/],
  ["not_found", read, 404, "error_404_not_found_partner_token"],
  ["vehicle_in_service", read, 405, /service/],
  ["not_acceptable", read, 406, /Content-Type/],
  ["vehicle_asleep", read, 408, "error_408_vehicle_unavailable"],
  ["request_timeout", read, 408, /"timeout"/],
  ["wake_up_asleep", wake, 408, "error_408_vehicle_unavailable"],
  ["poll_fails", read, 500, "error_500_upstream"],
  ["vehicle_asleep_older", read, 408, /vehicle unavailable: \{:error=>/],
  ["not_supported", plain, 412, /"not_supported"/],
  ["key_look_up_421", lookUp, 421, /out of region/],
  ["key_look_up_403", lookUp, 403, /Unauthorized missing scopes"/],
  ["key_look_up_404", lookUp, 404, /does not have access/],
  ["not_registered", read, 412, "error_412_account_not_registered"],
  ["out_of_region", read, 421, /use base URL: https:\/\/fleet-api\.prd\.na\.vn\.cloud\.tesla\.com, see/],
  ["out_of_region_elsewhere", read, 421, /use base URL: https:\/\/fleet-api\.example\.org, see/],
  ["validation", read, 422, /"messages":\{"percent"/],
  ["protocol_unsupported", signed, 422, /does not support/],
  ["locked", read, 423, /locked/],
  ["dependency", read, 424, /failed dependency/],
  ["rate_limited", refresh, 429, /Retry in 37 seconds/],
  ["rate_limited_plain", read, 429, /^Retry in 48472 seconds$/],
  ["rate_limited_reset", refresh, 429, /limit exceeded"/],
  ["rate_limited_date", read, 429, /limit exceeded"/],
  ["legal", read, 451, /legal/],
  ["client_closed", read, 499, /client closed/],
  ["server_error", read, 500, "error_500_upstream"],
  ["upstream_timeout", read, 500, /operation_timedout for txid `/],
  ["context_deadline", read, 500, /context deadline exceeded/],
  ["server_error_plain", refresh, 500, /^Internal Server Error$/],
  ["not_implemented", signed, 501, /"error":"not implemented"/],
  ["not_implemented_plain", plain, 501, /^Not Implemented$/],
  ["bad_gateway", read, 502, /bad gateway/],
  ["service_unavailable", signed, 503, /service unavailable/],
  ["no_healthy_upstream", signed, 503, /^no healthy upstream$/],
  ["vehicle_not_available", read, 503, /"vehicle is not available"/],
  ["timeout_after", plain, 503, /"timeout"/],
  ["gateway", signed, 504, /context deadline exceeded/],
  ["device_unexpected", signed, 540, /unexpected/],
  ["html_access_denied", refresh, 403, /<H1>Access Denied<\/H1>/],
  ["html_firewall", read, 200, /^<!doctype html>/],
  ["escape_sequences", read, 400, /\\u001b\[2J/],
  ["empty_body", read, 200, /^$/],
  ["truncated_json", refresh, 200, /^\{"access_token[^}]*$/],
  ["not_json", read, 200, /^ok, whatever$/],
  ["wrong_shape", refresh, 200, /^\{"response":\{"hello":"world"\}\}$/],
  ["wrong_shape_null", read, 200, /^null$/],
  ["wrong_shape_list", read, 200, /^\[1,"two",null\]$/],
  ["redirect_301", read, 301, /^$/],
  ["redirect_302", refresh, 302, /^$/],
  ["redirect_307", read, 307, /^$/],
  ["redirect_308", read, 308, /^$/],
];
// These have tests of their own below; those of telemetry in simulator_telemetry.test.ts.
const APART = [
  ...GROUPS.filter(({ name }) => name === "telemetry").flatMap(({ failures }) =>
    failures.map(({ name }) => name),
  ),
  "no_policy_rules",
  "consent_drops_scopes",
  "callback_wrong_state",
  "callback_without_code",
  "callback_error",
  "other_key_on_file",
  "callback_without_state",
  "refresh_keeps_token",
  "fleet_status_unpaired",
  "fleet_status_not_required",
  "cached_data",
  "hostile_name",
  "echoes_secret",
  "oversized",
  "hang_up_after",
  "slow_drip",
  "hang_up_before",
  "never_answers",
];

test("every failure is tested, and every tested one exists", () => {
  const names = simulator.failures.catalogue.map((failure) => failure.name);
  assert.deepEqual(names.sort(), [...TABLE.map(([name]) => name), ...APART].sort());
  assert.equal(new Set(names).size, names.length);
  assert.throws(() => simulator.fail("no_such_failure"), /no failure is called/);
});

for (const [name, make, status, expected] of TABLE) {
  test(`${name} answers ${status}, once, and then Tesla works again`, async () => {
    simulator.fail(name, 1);
    const answer = await make();
    assert.equal(answer.status, status);
    if (typeof expected === "string") {
      const changing = { txid: 0, error_uri: 0, referenceID: 0 };
      const wanted = documented[expected];
      assert.deepEqual({ ...answer.body, ...changing }, { ...wanted, ...changing });
      assert.deepEqual(Object.keys(answer.body), Object.keys(wanted));
    } else assert.match(answer.text, expected);
    if (make !== refresh && make !== partnerGrant)
      assert.match(answer.headers["x-txid"] ?? "", /^[0-9a-f]{32}$/);
    assert.deepEqual(simulator.failures.active, []);
    const next = await make();
    assert.notEqual(next.text, answer.text);
    assert.equal(next.status, 200);
  });
}

test("the login page's failures", async () => {
  const address = loginAddress({ prompt_missing_scopes: "true" });
  simulator.fail("no_policy_rules", 1);
  await assert.rejects(simulator.consent(address), /Something went wrong Try again later. No policy rules/);
  simulator.fail("callback_wrong_state", 1);
  assert.notEqual(new URL(await simulator.consent(address)).searchParams.get("state"), "state-1");
  simulator.fail("callback_without_code", 1);
  assert.equal(new URL(await simulator.consent(address)).searchParams.has("code"), false);
  simulator.fail("callback_error", 1);
  assert.equal(new URL(await simulator.consent(address)).searchParams.get("error"), "server_error");
  simulator.fail("consent_drops_scopes", 1);
  const answer = await send("POST", TOKEN_URL, { form: codeForm(await newCode(simulator)) });
  const payload = Buffer.from(answer.body.access_token.split(".")[1], "base64url").toString();
  assert.deepEqual(JSON.parse(payload).scp, ["openid", "offline_access"]);
});

test("other_key_on_file: another key of the right form", async () => {
  const url = `${FLEET}/api/1/partner_accounts/public_key?domain=car.example.com`;
  const partner = await partnerToken();
  const right = (await send("GET", url, { token: partner })).body.response.public_key;
  simulator.fail("other_key_on_file", 1);
  const wrong = (await send("GET", url, { token: partner })).body.response.public_key;
  assert.match(wrong, /^04[0-9a-f]{128}$/);
  assert.notEqual(wrong, right);
});

test("echoes_secret quotes what was sent", async () => {
  simulator.fail("echoes_secret", 2);
  assert.ok((await read()).body.error.includes(token));
  const form = simulator.account.chains[0]?.current ?? "none";
  assert.ok((await refresh()).body.error_description.includes(form));
});

test("oversized is the right answer, and more than 1 MiB", async () => {
  simulator.fail("oversized", 1);
  const answer = await read();
  assert.ok(answer.text.length > 1024 * 1024 && answer.body.response.vin === simulator.car.vin);
});

test("the connection: closed before, closed after, silent, dripping", async () => {
  const honks = () => simulator.car.executed.filter((one) => one.name === "honk_horn").length;
  const start = honks();
  simulator.fail("hang_up_before", 1);
  await assert.rejects(plain());
  assert.equal(honks(), start);
  assert.equal(simulator.requests.at(-1)?.status, 0);
  simulator.fail("hang_up_after", 1);
  await assert.rejects(plain());
  assert.equal(honks(), start + 1);
  simulator.fail("never_answers", 1);
  await assert.rejects(plain(), /Headers Timeout/);
  assert.equal(honks(), start + 1);
  simulator.fail("slow_drip", 1);
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const dripping = await request(`${CAR}/command/honk_horn`, { method: "POST", headers, body: "{}" });
  let drops = 0;
  for await (const part of dripping.body) {
    if (part.length === 1) drops += 1;
    if (drops === 5) break; // and hangs up
  }
  assert.equal(drops, 5);
  assert.equal(honks(), start + 2);
});

test("the lists of failures fit a screen of 80 or 110 columns and 24 rows", async () => {
  const table = await play(simulator, ["fail"]);
  assert.ok(table.length < 24 && table.every((line) => line.length <= 80), table.join("\n"));
  for (const name of [...GROUPS.map((group) => group.name), "tamper"]) {
    const rows = await play(simulator, ["fail", name]);
    assert.ok(rows.length < 24 && rows.every((line) => line.length <= 110), rows.join("\n"));
  }
  const listed = GROUPS.flatMap(({ failures }) => failures.map((failure) => failure.name));
  assert.deepEqual(
    GROUPS.filter(({ name }) => listed.includes(name)),
    [],
    "a group named as a failure",
  );
});

test("a reason of several words, from the terminal", async () => {
  await play(simulator, ["fail", "reason:cabin", "comfort", "1"]);
  assert.equal((await plain()).body.response.reason, "cabin comfort");
  assert.equal((await plain()).body.response.result, true);
});

test("times, path, after, clear, and the car's own faults", async () => {
  simulator.fail("server_error", { path: "/wake_up" });
  assert.equal((await read()).status, 200);
  assert.deepEqual([(await wake()).status, (await wake()).status], [500, 500]);
  simulator.clear("server_error");
  assert.equal((await wake()).status, 200);
  const before = simulator.car.executed.length;
  simulator.fail("gateway", { times: 1, after: true });
  assert.equal((await plain()).status, 504);
  assert.equal(simulator.car.executed.length, before + 1);
  simulator.fail("gateway", 1);
  assert.equal((await plain()).status, 504);
  assert.equal(simulator.car.executed.length, before + 1);
  simulator.fail("reason:user_present", 1);
  assert.equal((await plain()).body.response.reason, "user_present");
  assert.throws(() => simulator.fail("tamper:no_such"), /no such tamper/);
  simulator.fail("fault:3");
  simulator.fail("rate_limited");
  simulator.clear();
  assert.deepEqual(simulator.failures.active, []);
  assert.deepEqual(simulator.unexpected, []);
});
