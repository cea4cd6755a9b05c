// call_api: which paths, methods and bodies it takes, with which token it goes where, what it prints; and the
// worked examples of docs/your_own_calls.md, as they stand there, against the simulator.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { ENERGY_SITE_ID } from "../simulator/tesla/tesla.ts";
import {
  FLEET, SCOPES, TOKEN, VIN, assertEnd, calls, outputsSearched, ownerTest, useFewProcesses, type Owner,
  type Result,
} from "../support/harness.ts";

useFewProcesses();

const SITE = `/api/1/energy_sites/${ENERGY_SITE_ID}`;
const ENERGY = { scopes: `${SCOPES} energy_device_data energy_cmds` };
const run = (owner: Owner, ...words: string[]): Promise<Result> => owner.run("call_api", words);

/** Runs it; the answer as JSON, with the one request that it took. */
async function ask(owner: Owner, ...words: string[]): Promise<Record<string, unknown>> {
  const result = await run(owner, ...words);
  assertEnd(result, 0);
  const own = result.requests.filter(({ host }) => host === FLEET);
  assert.deepEqual(calls(own), [`${words[0]} ${FLEET}${words[1]}`]);
  return JSON.parse(result.stdout) as Record<string, unknown>;
}

describe("call_api", { concurrency: 3 }, () => {
  ownerTest("the worked examples of docs/your_own_calls.md", ENERGY, async (owner) => {
    const page = readFileSync(new URL("../../docs/your_own_calls.md", import.meta.url), "utf8");
    const lines = [...page.matchAll(/^npx tsx scripts\/call_api\.ts (.*)$/gm)].map(([, words]) =>
      words.replaceAll("SITE", String(ENERGY_SITE_ID)).replaceAll("VIN", VIN));
    const seen = new Map<string, string>();
    for (const line of lines) {
      const words = [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain);
      const result = await run(owner, ...words);
      assertEnd(result, 0);
      assert.equal(result.requests.at(-1)?.path, words[1]);
      seen.set(words[1].replace(/\?.*/, ""), result.stdout);
    }
    const told: [string, RegExp][] = [
      ["/api/1/products", new RegExp(`"energy_site_id": ${ENERGY_SITE_ID}`)],
      [`${SITE}/live_status`, /"solar_power": 3120/],
      [`${SITE}/site_info`, /"backup_reserve_percent": \d+/],
      [`${SITE}/backup`, /"message": "Updated"/],
      ["/api/1/dx/charging/history", /"siteLocationName": "Example Supercharger"/],
      [`/api/1/vehicles/${VIN}/nearby_charging_sites`, /"available_stalls": 7/],
      ["/api/1/vehicles/fleet_status", /"key_paired_vins"/],
    ];
    assert.deepEqual([...seen.keys()], told.map(([path]) => path));
    for (const [path, pattern] of told) assert.match(seen.get(path) ?? "", pattern);
    assert.equal(owner.simulator.garage.backupReserve, 30);
  });

  ownerTest("the answer goes to stdout as JSON, the account of it to stderr", {}, async (owner) => {
    const result = await run(owner, "GET", "/api/1/vehicles?page=1&per_page=5");
    assertEnd(result, 0);
    const json = JSON.parse(result.stdout);
    assert.equal(json.response[0].vin, VIN);
    assert.equal(result.stdout, `${JSON.stringify(json, null, 2)}\n`);
    assert.match(result.stderr, /^GET https:\S+\/api\/1\/vehicles\?page=1&per_page=5 {2}200\n$/);
    const [{ headers, body } = assert.fail()] = result.requests;
    assert.deepEqual([headers.authorization, body], [`Bearer ${owner.token().access_token}`, ""]);
  });

  ownerTest("a path with anything in it to resolve, or to another host, is refused and nothing sent", {},
    async (owner) => {
      const paths = ["", "/", "/api/2/vehicles", "/api/1", "api/1/vehicles", "/API/1/vehicles",
        "//elsewhere.example/api/1/",
        "https://elsewhere.example/api/1/x", "https://fleet-api.prd.eu.vn.cloud.tesla.com/api/1/vehicles",
        "/api/1/../../oauth2/v3/token", "/api/1/./vehicles", "/api/1/..", "/api/1/vehicles/..",
        "/api/1/%2e%2e/x",
        "/api/1/%2E./x", "/api/1/.%2e/.%2e/x", "/api/1/vehicles#part", "/api/1/vehicles ", " /api/1/vehicles",
        "/api/1/ve hicles", "/api/1/vehicles\n", "/api/1/vehi\tcles", "/api/1/vehicles\r\nhost: elsewhere",
        "/api/1\\..\\..\\x", "\\\\elsewhere.example\\api\\1\\", "/\\elsewhere.example/api/1/x",
        "@elsewhere.example/api/1/",
        "/api/1/ü", "/api/1/x?a=\"", "///api/1/vehicles", "/@elsewhere.example/api/1/",
        ":443/api/1/vehicles", ".elsewhere.example/api/1/vehicles"];
      for (let at = 0; at < paths.length; at += 2) {
        await Promise.all(paths.slice(at, at + 2).map(async (path) => {
          assertEnd(await run(owner, "GET", path), 2, "begins with /api/1/");
        }));
      }
      assert.deepEqual(owner.simulator.requests, []);
      // A double slash, and dots inside a name, resolve to themselves: they go out as they are.
      owner.answer("/api/1//x..y", 200, { response: 1 });
      assert.deepEqual(await ask(owner, "GET", "/api/1//x..y?a=../b&c=%2e"), { response: 1 });
    });

  ownerTest("methods and bodies", ENERGY, async (owner) => {
    const takes = (found: number): string => `it takes METHOD, PATH, [JSON], --partner; ${found} given;`;
    const wrong: [string[], string][] = [
      [["get", "/api/1/vehicles"], "METHOD is GET"], [["HEAD", "/api/1/vehicles"], "METHOD is GET"],
      [["CONNECT", "/api/1/vehicles"], "METHOD is GET"], [["", "/api/1/vehicles"], "METHOD is GET"],
      [["/api/1/vehicles"], takes(1)], [[], takes(0)],
      [["POST", "/api/1/x", "{}", "more"], takes(4)],
      [["GET", "/api/1/vehicles", "{}"], "GET takes none"], [["POST", "/api/1/x", "{a: 1}"], "JSON object"],
      [["POST", "/api/1/x", "[1]"], "JSON object"], [["POST", "/api/1/x", "null"], "JSON object"],
      [["POST", "/api/1/x", ""], "JSON object"], [["POST", "/api/1/x", "5"], "JSON object"],
      [["GET", "/api/1/vehicles", "--token=x"], "wrong usage"],
    ];
    for (const [words, told] of wrong) assertEnd(await run(owner, ...words), 2, told);
    assert.deepEqual(owner.simulator.requests, []);
    owner.answer("/api/1/echo", 200, { response: "ok" });
    for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE"]) {
      const { requests } = await run(owner, method, "/api/1/echo");
      const [{ method: sent, body }] = requests;
      const empty = ["GET", "DELETE"].includes(method) ? "" : "{}";
      assert.deepEqual([requests.length, sent, body], [1, method, empty]);
    }
    const text = '{"vins": ["x"], "tiefe": {"ü": null}}';
    const { requests } = await run(owner, "PATCH", "/api/1/echo", text);
    assert.deepEqual(JSON.parse(requests[0]?.body ?? ""), JSON.parse(text));
    assert.equal(requests[0]?.headers["content-type"], "application/json");
    const before = owner.simulator.garage.backupReserve;
    const refused = await run(owner, "POST", `${SITE}/backup`, '{"backup_reserve_percent": 101}');
    assertEnd(refused, 6, "invalid_field");
    assert.equal(owner.simulator.garage.backupReserve, before);
  });

  ownerTest("--partner: the app's own token, and never the owner's", {}, async (owner) => {
    const [id, key] = ["/api/1/partner_accounts/public_key?domain=", "public_key"];
    const domain = owner.simulator.env.TESLA_SIMULATOR_DOMAIN;
    owner.write("tesla_token.json", "{}"); // not even read
    const result = await run(owner, "GET", `${id}${domain}`, "--partner");
    assertEnd(result, 0, key);
    assert.deepEqual(calls(result.requests), [TOKEN, `GET ${FLEET}${id}${domain}`]);
    const form = new URLSearchParams(result.requests[0]?.body);
    assert.equal(form.get("grant_type"), "client_credentials");
    owner.setSettings({ TESLA_CLIENT_SECRET: "" });
    const missing = await run(owner, "GET", `${id}${domain}`, "--partner");
    assertEnd(missing, 5, "TESLA_CLIENT_SECRET");
    assert.deepEqual(missing.requests, []);
  });

  ownerTest("what Tesla refuses is explained, with its exit code, on one line", {}, async (owner) => {
    owner.simulator.car.awake = false;
    assertEnd(await run(owner, "GET", `/api/1/vehicles/${VIN}/nearby_charging_sites`), 3, "wake_up");
    assertEnd(await run(owner, "GET", `${SITE}/live_status`), 5, "scope", "--force");
    const answers: [string, number, string][] = [["token_expired", 4, "refresh_token"],
      ["rate_limited", 7, "37 seconds"],
      ["payment_required", 7, "payment"], ["server_error", 1, "later"], ["html_access_denied", 1, "web page"],
      ["hang_up_after", 1, "connection"], ["truncated_json", 1, "not JSON"],
      ["out_of_region", 5, "TESLA_REGION=na"]];
    for (const [name, code, told] of answers) {
      owner.simulator.clear();
      owner.simulator.fail(name);
      const result = await run(owner, "GET", "/api/1/products");
      assertEnd(result, code, told);
      assert.deepEqual([result.stdout, result.requests.length], ["", 1], name);
    }
    owner.simulator.clear();
    owner.write("tesla_token.json", "{}");
    assertEnd(await run(owner, "GET", "/api/1/products"), 4, "get_token");
  });

  ownerTest("a lost answer to a command is an unknown outcome, to a read it is not", ENERGY, async (owner) => {
    owner.simulator.fail("hang_up_after", { after: true });
    owner.simulator.car.protocolRequired = false;
    const lost = await run(owner, "POST", `/api/1/vehicles/${VIN}/command/charge_stop`);
    assertEnd(lost, 8, "read_charge");
    assert.equal(lost.requests.length, 1);
    assert.equal(owner.simulator.car.charging, false);
    assertEnd(await run(owner, "GET", "/api/1/products"), 1);
    const { simulator } = owner;
    // A change that is no command may have been made too; fleet_status only looks, though by POST.
    for (const failure of ["hang_up_after", "server_error", "gateway", "truncated_json"]) {
      simulator.clear();
      simulator.fail(failure);
      assertEnd(await run(owner, "POST", `${SITE}/backup`, '{"backup_reserve_percent": 30}'), 8, "read_charge");
      assertEnd(await run(owner, "POST", "/api/1/vehicles/fleet_status", `{"vins":["${VIN}"]}`), 1, "try again");
    }
  });

  ownerTest("a path that Tesla does not have: no car is blamed where the path names none", {}, async (owner) => {
    owner.answer("/api/1/", 404, { response: null, error: "not_found", error_description: "" });
    for (const path of ["/api/1/vehicels", "/api/1/products/1", "/api/1/energy_sites/1/site_info"]) {
      const result = await run(owner, "GET", path);
      assertEnd(result, 6, "Tesla has nothing at this path: ", '404 "not_found"; compare it with Tesla\'s documentation');
      assert.doesNotMatch(result.stderr, /VIN|list_vehicles|car/, path);
    }
    assertEnd(await run(owner, "GET", `/api/1/vehicles/${VIN}/nothing`), 5, "no such car in this account, or no such call",
      "compare TESLA_VIN with list_vehicles");
  });

  ownerTest("a command to a car that takes only signed ones: the fix is send_command", {}, async (owner) => {
    const result = await run(owner, "POST", `/api/1/vehicles/${VIN}/command/charge_stop`);
    assertEnd(result, 5, "this car takes only signed commands", "instead of call_api, use send_command");
    assert.deepEqual([result.requests.length, owner.simulator.car.executed.length], [1, 0]);
  });

  ownerTest("what the car or Tesla refuses in a good answer is no success", {}, async (owner) => {
    owner.simulator.car.protocolRequired = false;
    owner.simulator.car.refuse("user_present");
    const result = await run(owner, "POST", `/api/1/vehicles/${VIN}/command/charge_stop`);
    assertEnd(result, 6, "refused");
    assert.match(result.stdout, /"reason": "[^"]*user_present"/);
  });
});

test("outputs were searched for secrets", () => assert.ok(outputsSearched() > 60));
