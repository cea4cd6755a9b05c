// Switches on every failure that the simulator knows, one after the other, and looks at what a client is
// answered. A failure that is neither in the table nor used by another test is an error.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { GROUPS } from "../simulator/failures/catalogue.ts";
import type { Failure } from "../simulator/failures/failures.ts";
import type { Simulator } from "../simulator/simulator.ts";
import { play } from "../simulator/world_commands.ts";
import {
  CAR,
  PARTNER_FORM,
  TOKEN_URL,
  documented,
  login,
  loginAddress,
  partnerToken,
} from "./simulator_client.ts";
import { FLEET, publicKey, refresh, send, start, type Answer } from "./simulator_client.ts";

// The status of each; 0: no whole answer comes. To add a failure, add its name here.
// biome-ignore format: table
const STATUSES: Record<number, string> = {
  0: "hang_up_before hang_up_after never_answers slow_drip",
  200: `token_without_refresh_token token_without_access_token token_not_a_jwt not_paired_reason html_firewall
    empty_body truncated_json not_json wrong_shape wrong_shape_null wrong_shape_list oversized`,
  301: "redirect_301", 302: "redirect_302", 307: "redirect_307", 308: "redirect_308",
  400: `unauthorized_client invalid_audience partner_invalid_audience invalid_auth_code invalid_redirect_url
    unsupported_grant_type invalid_request invalid_scope invalid_client_id token_server_error client_not_found
    invalid_grant invalid_domain partner_unauthorized_client invalid_command invalid_field echoes_secret
    escape_sequences`,
  401: `unauthorized_client_401 login_required invalid_client token_expired token_expired_json invalid_bearer
    unknown_user mobile_access_disabled fleet_login_required`,
  402: "payment_required",
  403: `partner_missing_scopes missing_scope missing_scope_unnamed invalid_scope_403 billing_limit
    unsupported_vehicle protocol_required signed_commands_required key_look_up_403 html_access_denied`,
  404: "not_found key_look_up_404", 405: "vehicle_in_service", 406: "not_acceptable",
  408: "vehicle_asleep vehicle_asleep_older request_timeout wake_up_asleep",
  412: "root_domain not_supported not_registered",
  421: "key_look_up_421 out_of_region out_of_region_elsewhere",
  422: "key_hash_taken domain_taken csr_invalid validation protocol_unsupported",
  423: "locked", 424: "key_download_failed dependency",
  429: "rate_limited rate_limited_plain rate_limited_reset rate_limited_date",
  451: "legal", 499: "client_closed",
  500: "poll_fails server_error upstream_timeout context_deadline server_error_plain",
  501: "not_implemented not_implemented_plain", 502: "bad_gateway",
  503: "service_unavailable no_healthy_upstream vehicle_not_available timeout_after",
  504: "gateway", 540: "device_unexpected",
};

// Those whose words matter: the name of a documented answer, or a pattern for the whole text.
// biome-ignore format: table
const TEXTS: Record<string, string | RegExp> = {
  unauthorized_client: "token_error_401_or_400_unauthorized_client",
  unauthorized_client_401: "token_error_401_or_400_unauthorized_client",
  invalid_audience: "token_error_400_invalid_audience",
  partner_invalid_audience: "token_error_400_invalid_audience",
  login_required: "token_error_401_login_required",
  invalid_request: "token_error_400_invalid_request_missing_client_id",
  invalid_scope: "token_error_400_invalid_scope",
  invalid_client_id: "token_error_400_invalid_client_id",
  token_server_error: "token_error_400_server_error",
  key_hash_taken: "partner_accounts_422_key_hash_taken",
  domain_taken: "partner_accounts_422_domain_taken",
  csr_invalid: "partner_accounts_422_csr_invalid",
  unknown_user: "error_401_unknown_user",
  billing_limit: "error_403_billing_limit",
  protocol_required: "error_403_vehicle_command_protocol_required",
  not_found: "error_404_not_found_partner_token",
  vehicle_asleep: "error_408_vehicle_unavailable",
  wake_up_asleep: "error_408_vehicle_unavailable",
  not_registered: "error_412_account_not_registered",
  poll_fails: "error_500_upstream", server_error: "error_500_upstream",
  token_without_refresh_token: /^(?!.*refresh_token).*access_token/,
  token_without_access_token: /^(?!.*access_token).*refresh_token/,
  token_not_a_jwt: /"access_token":"opaque-access-token"/,
  invalid_domain: /Invalid domain: https:/, root_domain: /Root domain car\.example\.com must match registered/,
  key_download_failed: /Public key download failed for https:.* error: too large/,
  not_paired_reason: /\{"result":false,"reason":"your public key has not been paired/,
  token_expired: /^$/, token_expired_json: /^\{"error":"token expired \(401\)"\}$/,
  invalid_bearer: /^\{"error":"invalid bearer token"\}$/,
  missing_scope: /Unauthorized missing scopes vehicle_device_data/, missing_scope_unnamed: /missing scopes"/,
  vehicle_asleep_older: /vehicle unavailable: \{:error=>/,
  out_of_region: /use base URL: https:\/\/fleet-api\.prd\.na\.vn\.cloud\.tesla\.com, see/,
  out_of_region_elsewhere: /use base URL: https:\/\/fleet-api\.example\.org, see/,
  validation: /"messages":\{"percent"/,
  rate_limited: /Retry in 37 seconds/, rate_limited_plain: /^Retry in 48472 seconds$/,
  upstream_timeout: /operation_timedout for txid `/, server_error_plain: /^Internal Server Error$/,
  not_implemented_plain: /^Not Implemented$/, no_healthy_upstream: /^no healthy upstream$/,
  html_access_denied: /<H1>Access Denied<\/H1>/, html_firewall: /^<!doctype html>/,
  echoes_secret: /Bearer ey/, escape_sequences: /\\u001b\[2J/, empty_body: /^$/, truncated_json: /^\{.*[^}]$/,
  not_json: /^ok, whatever$/, wrong_shape: /^\{"response":\{"hello":"world"\}\}$/, wrong_shape_null: /^null$/,
  wrong_shape_list: /^\[1,"two",null\]$/, oversized: /^\{"response":.* {9999}$/,
};
// After these a command has been carried out all the same.
const CARRIED_OUT = ["hang_up_after", "slow_drip", "timeout_after"];

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

const plain = () => send("POST", `${CAR}/command/honk_horn`, { token, json: {} });
const partner = `${FLEET}/api/1/partner_accounts`;

/** A request on which this failure falls. */
async function make({ name, where }: Failure): Promise<Answer> {
  if (name === "partner_invalid_audience") return send("POST", TOKEN_URL, { form: PARTNER_FORM });
  if (name === "wake_up_asleep") return send("POST", `${CAR}/wake_up`, { token, json: {} });
  if (where.includes("command") || where.includes("site")) return plain();
  if (where.includes("fleet")) return send("GET", CAR, { token });
  if (where.includes("token")) return refresh(simulator.account.chains[0]?.current ?? "");
  const options = { token: await partnerToken(), json: { domain: "car.example.com" } };
  if (!name.startsWith("key_look_up")) return send("POST", partner, options);
  return send("GET", `${partner}/public_key?domain=car.example.com`, { token: options.token });
}

function checkText({ text, body }: Answer, expected: string | RegExp): void {
  if (expected instanceof RegExp) {
    assert.match(text, expected);
    return;
  }
  const changing = { txid: 0, error_uri: 0, referenceID: 0 };
  assert.deepEqual({ ...body, ...changing }, { ...documented[expected], ...changing }, expected);
  assert.deepEqual(Object.keys(body), Object.keys(documented[expected]), `the fields of ${expected}`);
}

const known = new Map(GROUPS.flatMap(({ failures }) => failures.map((failure) => [failure.name, failure])));
const rows = Object.entries(STATUSES).flatMap(([status, names]) =>
  names.split(/\s+/).map((name) => ({ name, status: Number(status) })),
);

for (const { name, status } of rows) {
  test(`${name}: ${status === 0 ? "no whole answer" : status}, once, and then Tesla works again`, async () => {
    const failure = known.get(name);
    assert.ok(failure, `no failure is called ${name}`);
    const honks = simulator.car.honks;
    simulator.fail(name, 1);
    if (status === 0) {
      await assert.rejects(make(failure), "no whole answer comes");
    } else {
      const answer = await make(failure);
      assert.equal(answer.status, status, "the status");
      assert.equal(
        /^\d{3}/.exec(failure.says)?.[0] ?? `${status}`,
        `${status}`,
        "the status that `fail` lists",
      );
      if (TEXTS[name]) checkText(answer, TEXTS[name]);
      if (failure.where.includes("fleet"))
        assert.match(answer.headers["x-txid"] ?? "", /^[0-9a-f]{32}$/, "x-txid");
    }
    assert.equal(simulator.car.honks - honks, CARRIED_OUT.includes(name) ? 1 : 0, "commands carried out");
    assert.equal((await make(failure)).status, 200, "the next request");
  });
}

test("every failure is in the table or used by another test, and no group is called like a failure", () => {
  const folder = fileURLToPath(new URL("..", import.meta.url));
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" });
  const others = files.filter((name) => /(?<!simulator_failures)\.test\.ts$/.test(name));
  const words =
    others
      .map((name) => readFileSync(`${folder}/${name}`, "utf8"))
      .join()
      .match(/\w+/g) ?? [];
  const used = new Set([
    ...words,
    ...words.map((word) => `telemetry_${word}`),
    ...rows.map(({ name }) => name),
  ]);
  const unused = [...known.keys()].filter((name) => !used.has(name));
  assert.deepEqual(unused, ["callback_error"], "which the next test uses");
  assert.deepEqual(
    GROUPS.filter(({ name }) => known.has(name)),
    [],
    "groups",
  );
});

test("callback_error: the login comes back with server_error", async () => {
  simulator.fail("callback_error", 1);
  const address = await simulator.consent(loginAddress({ prompt_missing_scopes: "true" }));
  assert.equal(new URL(address).searchParams.get("error"), "server_error");
});

test("the lists of failures fit a screen of 80 or 110 columns and 24 rows", async () => {
  const table = await play(simulator, ["fail"]);
  assert.ok(table.length < 24 && table.every((line) => line.length <= 80), table.join("\n"));
  for (const name of [...GROUPS.map((group) => group.name), "tamper"]) {
    const lines = await play(simulator, ["fail", name]);
    assert.ok(lines.length < 24 && lines.every((line) => line.length <= 110), lines.join("\n"));
  }
});
