// call_api: which paths, methods and bodies it takes, with which token it goes where, what it prints; and the
// worked examples of docs/your_own_calls.md, as they stand there, against the simulator. How it ends for each
// answer is in advice.test.ts and outcomes.test.ts.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { ENERGY_SITE_ID } from "../simulator/tesla/tesla.ts";
import { assertEnd, calls } from "../support/ends.ts";
import {
  FLEET,
  outputsSearched,
  type Owner,
  ownerTest,
  type Result,
  SCOPES,
  TOKEN,
  useFewProcesses,
  VIN,
} from "../support/owner.ts";

useFewProcesses();

const SITE = `/api/1/energy_sites/${ENERGY_SITE_ID}`;
const ENERGY = { scopes: `${SCOPES} energy_device_data energy_cmds` };
const run = (owner: Owner, ...words: string[]): Promise<Result> => owner.run("call_api", words);

/** The answer as JSON, with the one request that it took. */
async function ask(owner: Owner, ...words: string[]): Promise<Record<string, unknown>> {
  const result = await run(owner, ...words);
  assertEnd(result, 0);
  assert.deepEqual(calls(result.requests.filter(({ host }) => host === FLEET)), [
    `${words[0]} ${FLEET}${words[1]}`,
  ]);
  return JSON.parse(result.stdout) as Record<string, unknown>;
}

describe("call_api", { concurrency: 3 }, () => {
  ownerTest("the worked examples of docs/your_own_calls.md", ENERGY, async (owner) => {
    const page = readFileSync(new URL("../../docs/your_own_calls.md", import.meta.url), "utf8");
    const lines = [...page.matchAll(/^(?:npx tsx|node) scripts\/call_api\.ts (.*)$/gm)].map(
      ([, words = ""]) => words.replaceAll("SITE", String(ENERGY_SITE_ID)).replaceAll("VIN", VIN),
    );
    const seen = new Map<string, string>();
    for (const line of lines) {
      assert.ok(!line.includes("?") || /'[^']*\?[^']*'/.test(line), `zsh takes no ? without quotes: ${line}`);
      const words = [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? "");
      const result = await run(owner, ...words);
      assertEnd(result, 0);
      assert.equal(result.requests.at(-1)?.path, words[1]);
      seen.set(`${words[1]}`.replace(/\?.*/, ""), result.stdout);
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
    for (const [path, pattern] of told) assert.match(seen.get(path) ?? "", pattern, path);
    assert.equal(owner.simulator.garage.backupReserve, 30);
  });

  ownerTest("the answer goes to stdout as JSON, the account of it to stderr", async (owner) => {
    const result = await run(owner, "GET", "/api/1/vehicles?page=1&per_page=5");
    assertEnd(result, 0);
    const json = JSON.parse(result.stdout);
    assert.equal(json.response[0].vin, VIN);
    assert.equal(result.stdout, `${JSON.stringify(json, null, 2)}\n`);
    assert.match(result.stderr, /^GET https:\S+\/api\/1\/vehicles\?page=1&per_page=5 {2}200\n$/);
    const [request] = result.requests;
    assert.deepEqual(
      [request?.headers.authorization, request?.body],
      [`Bearer ${owner.token().access_token}`, ""],
    );
  });

  ownerTest("a path to resolve, or to another host: refused, nothing sent", async (owner) => {
    // biome-ignore format: a list
    const paths = ["", "/", "/api/2/vehicles", "/api/1", "api/1/vehicles", "/API/1/vehicles",
        "//elsewhere.example/api/1/", "https://elsewhere.example/api/1/x", `https://${FLEET}/api/1/vehicles`,
        "/api/1/../../oauth2/v3/token", "/api/1/./vehicles", "/api/1/..", "/api/1/vehicles/..",
          "/api/1/%2e%2e/x",
        "/api/1/%2E./x", "/api/1/.%2e/.%2e/x", "/api/1/vehicles#part", "/api/1/vehicles ", " /api/1/vehicles",
        "/api/1/ve hicles", "/api/1/vehicles\n", "/api/1/vehi\tcles", "/api/1/vehicles\r\nhost: elsewhere",
        "/api/1\\..\\..\\x", "\\\\elsewhere.example\\api\\1\\", "/\\elsewhere.example/api/1/x",
        "@elsewhere.example/api/1/", "/api/1/ü", "/api/1/x?a=\"", "///api/1/vehicles",
          "/@elsewhere.example/api/1/",
        ":443/api/1/vehicles", ".elsewhere.example/api/1/vehicles"];
    for (const path of paths) assertEnd(await run(owner, "GET", path), 2, "fix:   PATH begins with /api/1/");
    assert.deepEqual(owner.simulator.requests, []);
    // A double slash, and dots inside a name, resolve to themselves: they go out as they are.
    owner.answer("/api/1//x..y", 200, { response: 1 });
    assert.deepEqual(await ask(owner, "GET", "/api/1//x..y?a=../b&c=%2e"), { response: 1 });
  });

  ownerTest("methods and bodies", ENERGY, async (owner) => {
    const counted = (got: number): string => `found: expected METHOD PATH JSON; got ${got}\n`;
    const JSON_ONLY = "fix:   the body is a JSON object in single quotes; GET has none";
    // biome-ignore format: a table
    const wrong: [words: string[], says: string][] = [
      [["get", "/api/1/vehicles"], "METHOD is GET, POST"], [["HEAD", "/api/1/vehicles"], 'METHOD is "HEAD"'],
      [["CONNECT", "/api/1/vehicles"], "METHOD is GET"], [["", "/api/1/vehicles"], "METHOD is GET"],
      [["/api/1/vehicles"], counted(1)], [[], counted(0)], [["POST", "/api/1/x", "{}", "more"],
        counted(4)],
      [["GET", "/api/1/vehicles", "{}"], JSON_ONLY], [["POST", "/api/1/x", "{a: 1}"], JSON_ONLY],
      [["POST", "/api/1/x", "[1]"], JSON_ONLY], [["POST", "/api/1/x", "null"], JSON_ONLY],
      [["POST", "/api/1/x", ""], JSON_ONLY], [["POST", "/api/1/x", "5"], JSON_ONLY],
      [["GET", "/api/1/vehicles", "--token=x"], "wrong usage"],
    ];
    for (const [words, says] of wrong) {
      const result = await run(owner, ...words);
      assertEnd(result, 2, says);
      assert.doesNotMatch(result.stderr, /more|\{a/, "what was given is shown, which may be a secret");
    }
    assert.deepEqual(owner.simulator.requests, []);
    owner.answer("/api/1/echo", 200, { response: "ok" });
    for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE"]) {
      const { requests } = await run(owner, method, "/api/1/echo");
      const body = ["GET", "DELETE"].includes(method) ? "" : "{}";
      const sent = requests.map((one) => [one.method, one.body]);
      assert.deepEqual(sent, [[method, body]]);
    }
    const text = '{"vins": ["x"], "tiefe": {"ü": null}}';
    const [request] = (await run(owner, "PATCH", "/api/1/echo", text)).requests;
    assert.deepEqual(JSON.parse(request?.body ?? ""), JSON.parse(text));
    assert.equal(request?.headers["content-type"], "application/json");
  });

  ownerTest("204 is an answer: done, and nothing to say", async (owner) => {
    owner.answer("/api/1/", 204, "");
    for (const method of ["DELETE", "GET", "POST"]) {
      const result = await run(owner, method, "/api/1/x");
      assertEnd(result, 0, / {2}204\n$/);
      assert.deepEqual([result.stdout, result.requests.length], ["null\n", 1], method);
    }
    // But for a command, where only the car's verdict says that it was done.
    const command = await run(owner, "POST", `/api/1/vehicles/${VIN}/command/charge_stop`);
    assertEnd(command, 8, "found: Tesla's answer holds no verdict from the car\n");
  });

  ownerTest("--partner: the app's own token, and never the owner's", async (owner) => {
    const path = `/api/1/partner_accounts/public_key?domain=${owner.simulator.env.TESLA_SIMULATOR_DOMAIN}`;
    owner.write("tesla_token.json", "{}"); // not even read
    const result = await run(owner, "GET", path, "--partner");
    assertEnd(result, 0, "public_key");
    assert.deepEqual(calls(result.requests), [TOKEN, `GET ${FLEET}${path}`]);
    assert.equal(new URLSearchParams(result.requests[0]?.body).get("grant_type"), "client_credentials");
    owner.setSettings({ TESLA_CLIENT_SECRET: "" });
    const missing = await run(owner, "GET", path, "--partner");
    assertEnd(missing, 5, "TESLA_CLIENT_SECRET is not set");
    assert.deepEqual(missing.requests, []);
    assertEnd(await run(owner, "GET", "/api/1/products"), 4, "not logged in", "run get_token");
  });

  ownerTest("a path that Tesla does not have: no car is blamed that it does not name", async (owner) => {
    owner.answer("/api/1/", 404, { response: null, error: "not_found", error_description: "" });
    const found = `404 "not_found" from ${FLEET}`;
    const words = ["Tesla has nothing at this path\n", found, "compare it with Tesla's documentation"];
    for (const path of ["/api/1/vehicels", "/api/1/products/1", "/api/1/energy_sites/1/site_info"]) {
      const result = await run(owner, "GET", path);
      assertEnd(result, 6, ...words);
      assert.doesNotMatch(result.stderr, /VIN|list_vehicles|car/, path);
    }
    assertEnd(await run(owner, "GET", "/api/1/vehicles?page=2"), 5, "check TESLA_REGION");
  });

  ownerTest("what the car refuses in a good answer is no success, and is printed", async (owner) => {
    owner.answer("/command/", 200, { response: { result: false, reason: "user_present" } });
    const command = await run(owner, "POST", `/api/1/vehicles/${VIN}/command/charge_stop`);
    assertEnd(command, 6, 'found: "user_present" from the car');
    owner.answer("/backup", 200, { response: { result: false, reason: "user_present" } });
    const other = await run(owner, "POST", `${SITE}/backup`, '{"backup_reserve_percent": 30}');
    assertEnd(other, 6);
    for (const { stdout } of [command, other])
      assert.equal(JSON.parse(stdout).response.reason, "user_present");
  });

  ownerTest("a good answer that holds the token comes without it, as valid JSON", async (owner) => {
    const bearer = owner.token().access_token;
    owner.answer("/x", 200, { response: { you: `Bearer ${bearer}`, n: 1 } });
    assert.deepEqual(await ask(owner, "GET", "/api/1/x"), {
      response: { you: "Bearer [secret removed]", n: 1 },
    });
  });
});

test("outputs were searched for secrets", () => assert.ok(outputsSearched() > 60));
