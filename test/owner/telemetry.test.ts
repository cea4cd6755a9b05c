// telemetry_config: each answer of Tesla's and each wrong file, with the words and the exit code that come of
// it; what is sent, and that nothing is sent where that was promised. The steps of docs/telemetry.md are here
// too.
import assert from "node:assert/strict";
import { createECDH, generateKeyPairSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe } from "node:test";
import forge from "node-forge";
import { readTelemetryToken } from "../simulator/tesla/telemetry_token.ts";
import { assertEnd, calls, pointOf } from "../support/ends.ts";
import { FLEET, SCOPES, VIN, ownerTest, useFewProcesses, type Owner, type Result } from "../support/owner.ts";

useFewProcesses();

const DAY = 86_400_000;
const CONFIG = `${FLEET}/api/1/vehicles/${VIN}/fleet_telemetry_config`;
const SEND = `POST ${FLEET}/api/1/vehicles/fleet_telemetry_config_jws`;
const pair = generateKeyPairSync("rsa", {
  modulusLength: 2048,
  publicKeyEncoding: { type: "spki", format: "pem" },
  privateKeyEncoding: { type: "pkcs8", format: "pem" },
});

/** A certificate, signed by itself, that is valid so many days from now. */
function certificate(isAuthority: boolean, from = -1, to = 3650): string {
  const made = forge.pki.createCertificate();
  made.publicKey = forge.pki.publicKeyFromPem(pair.publicKey);
  made.serialNumber = "01";
  made.validity.notBefore = new Date(Date.now() + from * DAY);
  made.validity.notAfter = new Date(Date.now() + to * DAY);
  const name = [{ name: "commonName", value: isAuthority ? "My telemetry CA" : "telemetry.car.example.com" }];
  made.setSubject(name);
  made.setIssuer(name);
  made.setExtensions([{ name: "basicConstraints", cA: isAuthority, critical: true }]);
  made.sign(forge.pki.privateKeyFromPem(pair.privateKey), forge.md.sha256.create());
  return forge.pki.certificateToPem(made).replaceAll("\r", "");
}
const CA = certificate(true);
const EXAMPLE = JSON.parse(readFileSync(new URL("../../examples/telemetry.json", import.meta.url), "utf8"));

const run = (owner: Owner, ...words: string[]): Promise<Result> => owner.run("telemetry_config", words);
function prepare(owner: Owner, changes: object = {}): void {
  owner.write("telemetry-ca.pem", CA);
  owner.write("telemetry.json", JSON.stringify({ ...EXAMPLE, ...changes }, null, 2));
}
async function send(owner: Owner): Promise<Result> {
  prepare(owner);
  return run(owner, "send", "telemetry.json");
}
const JWS = "fleet_telemetry_config_jws";
const SHOW = "fleet_telemetry_config";

describe("telemetry_config", { concurrency: 3 }, () => {
  ownerTest("the way of docs/telemetry.md: look, send, see it taken, remove", async (owner) => {
    prepare(owner);
    const dry = await run(owner, "send", "telemetry.json", "--dry-run");
    assertEnd(dry, 0);
    assert.deepEqual(dry.requests, []);
    const shown = JSON.parse(dry.stdout);
    assert.deepEqual(shown.config, { ...EXAMPLE, ca: CA });
    const { config, signer } = readTelemetryToken(shown.token, Date.now());
    assert.equal(signer, pointOf(owner.publicKey));
    const iss = Buffer.from(signer, "hex").toString("base64");
    assert.deepEqual(config, { ...EXAMPLE, ca: CA, iss, aud: "com.tesla.fleet.TelemetryClient" });

    const sent = await run(owner, "send", "telemetry.json");
    assertEnd(sent, 0, "accepted: ");
    assert.deepEqual(calls(sent.requests), [SEND]);
    assert.equal(sent.stdout, "");
    const body = JSON.parse(sent.requests[0]?.body ?? "");
    assert.deepEqual(Object.keys(body), ["vins", "token"]);
    assert.deepEqual(body.vins, [VIN]);
    const v = (token: string) => token.split(".")[2]?.slice(0, 80);
    assert.notEqual(v(body.token), v(shown.token), "the nonce of the dry run was used again");
    assert.equal(body.token.split(".")[1], shown.token.split(".")[1]);

    const waiting = await run(owner, "show");
    assertEnd(waiting, 3, "the car has not fetched the configuration yet", "open the Tesla app (free)");
    assert.equal(JSON.parse(waiting.stdout).config.hostname, EXAMPLE.hostname);
    const taken = await run(owner, "show");
    assertEnd(taken, 0, "done: the car has this configuration");
    assert.deepEqual(calls(taken.requests), [`GET ${CONFIG}`]);
    assert.deepEqual(JSON.parse(taken.stdout).config, config);

    const removed = await run(owner, "remove");
    assertEnd(removed, 0, /^removed$/m);
    assert.deepEqual(calls(removed.requests), [`DELETE ${CONFIG}`]);
    assertEnd(await run(owner, "remove"), 0, "nothing to do: the car had no configuration");
    assertEnd(await run(owner, "show"), 5, "the car has no configuration", "too many apps");
  });

  ownerTest("what show printed can be sent again; a second send replaces the first", async (owner) => {
    assertEnd(await send(owner), 0);
    await run(owner, "show");
    const shown = JSON.parse((await run(owner, "show")).stdout);
    owner.write("again.json", JSON.stringify({ ...shown.config, port: 443 }));
    assertEnd(await run(owner, "send", "again.json"), 0);
    await run(owner, "show");
    assert.equal(JSON.parse((await run(owner, "show")).stdout).config.port, 443);
  });

  ownerTest("no two runs share a nonce", async (owner) => {
    prepare(owner);
    const seen = new Set<string>();
    for (let count = 0; count < 20; count += 1) {
      const { stdout } = await run(owner, "send", "telemetry.json", "--dry-run");
      seen.add(JSON.parse(stdout).token.split(".")[2].slice(0, 80));
    }
    assert.equal(seen.size, 20);
  });

  // ---- What Tesla answers to a configuration ----

  const REASONS: [reason: string, exit: number, problem: string, fix: string][] = [
    ["missing_key", 5, "your key is not on the car", "https://tesla.com/_ak/car.example.com"],
    ["unsupported_hardware", 6, "this car cannot stream", "early Model S or X"],
    ["unsupported_firmware", 6, "too old to stream", "update the car, then send again"],
    ["max_configs", 7, "too many apps have configured this car", "remove another app's access"],
    ["new_reason", 6, "Tesla did not configure the car", "search online"],
  ];
  for (const [reason, exit, problem, fix] of REASONS) {
    ownerTest(`send: ${reason}, in both shapes`, async (owner) => {
      for (const isOtherShape of [false, true]) {
        owner.simulator.fail(`telemetry_${reason}`, 1);
        if (isOtherShape) owner.simulator.fail("telemetry_vin_to_reason", 1);
        const result = await send(owner);
        assertEnd(result, exit, problem, fix, '"updated_vehicles":0', reason);
        assert.deepEqual(calls(result.requests), [SEND]);
      }
    });
  }

  ownerTest("send: not_paired, as one owner saw it; no reason; no number; nonsense", async (owner) => {
    const skipped = (skipped_vehicles: object) => ({ response: { updated_vehicles: 0, skipped_vehicles } });
    const answers: [body: unknown, exit: number, words: string][] = [
      [skipped({ [VIN]: "not_paired" }), 5, "your key is not on"],
      [skipped({ [VIN]: "constructor" }), 6, "did not configure"],
      [skipped({ missing_key: ["another"] }), 6, "did not configure"],
      [{ response: { updated_vehicles: 0 } }, 6, "Tesla did not configure the car"],
      [{ response: { updated_vehicles: 2 } }, 6, "Tesla did not configure the car"],
      [{ response: { updated_vehicles: "1" } }, 1, "Tesla's answer cannot be read"],
      [{ response: null }, 1, "Tesla's answer cannot be read"],
      [[1], 1, "Tesla's answer cannot be read"],
      ["<html>", 1, ""],
      [{ response: { updated_vehicles: 1, skipped_vehicles: {} } }, 0, "accepted"],
    ];
    for (const [body, exit, words] of answers) {
      owner.answer(JWS, 200, body);
      assertEnd(await send(owner), exit, words);
      owner.simulator.clear();
    }
  });

  ownerTest("send: a lost answer is exit 1 and says that it may be repeated", async (owner) => {
    for (const name of ["hang_up_after", "hang_up_before", "server_error", "bad_gateway", "truncated_json"]) {
      owner.simulator.fail(name, 1);
      const result = await send(owner);
      assertEnd(result, 1, "telemetry_config show");
      assert.equal(result.requests.length, 1, name);
    }
    assertEnd(await send(owner), 0);
  });

  ownerTest("send: the usual refusals keep their exit codes", async (owner) => {
    // biome-ignore format: a table of words and numbers
    const usual: [string, number, string][] = [
      ["token_expired", 4, "run refresh_token"], ["billing_limit", 7, "send the configuration again"],
      ["not_found", 5, "TESLA_VIN"], ["not_registered", 5, "run register_partner"],
      ["out_of_region", 5, "TESLA_REGION=na"], ["rate_limited", 7, "37 seconds"],
      ["missing_scope_unnamed", 5, "scope"],
    ];
    for (const [name, exit, words] of usual) {
      owner.simulator.fail(name, 1);
      assertEnd(await send(owner), exit, words);
    }
  });

  ownerTest("send: a location field needs its scope", async (owner) => {
    prepare(owner, { fields: { Location: { interval_seconds: 60 } } });
    const refused = await run(owner, "send", "telemetry.json");
    assertEnd(refused, 5, "vehicle_location", "TESLA_SCOPES");
    owner.logIn({}, `${SCOPES} vehicle_location`);
    assertEnd(await run(owner, "send", "telemetry.json"), 0, "accepted");
  });

  ownerTest("Tesla's text is cleaned before it is shown", async (owner) => {
    const evil = "\u001b[2J\u202e\u009b evil\nerror: fake";
    owner.answer(JWS, 200, { response: { updated_vehicles: 0, skipped_vehicles: { [VIN]: evil } } });
    const sent = await send(owner);
    assertEnd(sent, 6, "evil");
    owner.simulator.clear();
    owner.answer(SHOW, 200, { response: { synced: false, config: { hostname: evil, iss: evil } } });
    const shown = await run(owner, "show");
    assertEnd(shown, 5, "error: the configuration is signed with a different key from public-key.pem\n");
    assert.equal(JSON.parse(shown.stdout).config.hostname, evil);
    owner.simulator.clear();
    owner.answer("fleet_telemetry_errors", 200, { response: { fleet_telemetry_errors: [{ error: evil }] } });
    assertEnd(await run(owner, "errors"), 0, "errors: 1");
  });

  ownerTest("call_api at the plain endpoint: 400 and 412 lead to telemetry_config", async (owner) => {
    const plain = ["POST", "/api/1/vehicles/fleet_telemetry_config", `{"vins": ["${VIN}"], "config": {}}`];
    assertEnd(await owner.run("call_api", plain), 5, "use telemetry_config send");
    owner.simulator.fail("telemetry_plain_412", 1);
    assertEnd(await owner.run("call_api", plain), 5, "use telemetry_config send");
    owner.simulator.fail("not_registered", 1);
    assertEnd(await owner.run("call_api", plain), 5, "run register_partner");
  });

  // ---- What Tesla answers to show, errors and remove ----

  ownerTest("show: each state of a configuration", async (owner) => {
    const iss = Buffer.from(pointOf(owner.publicKey), "hex").toString("base64");
    const other = createECDH("prime256v1").generateKeys("base64");
    const DONE = "done: the car has this configuration; only values at your server prove that it connects\n";
    const states: [response: unknown, exit: number, words: string][] = [
      [{ synced: true, config: { iss }, limit_reached: false, key_paired: true }, 0, DONE],
      [{ synced: true, config: { iss }, limit_reached: true }, 0, DONE], // the last place is ours
      [{ synced: true, config: { port: 443 } }, 0, DONE], // fields may be missing
      [{ synced: false, config: { iss } }, 3, "has not fetched the configuration yet"],
      [{ config: { iss } }, 3, "has not fetched the configuration yet"],
      [{ synced: true, config: null, limit_reached: false }, 5, "the car has no configuration"],
      [{ synced: true }, 5, "the car has no configuration"],
      [{ synced: true, config: null, limit_reached: true }, 7, "too many apps have configured this car"],
      [{ synced: true, config: { iss: other } }, 5, "signed with a different key from public-key.pem"],
      [{ synced: false, config: { iss: other } }, 5, "signed with a different key from public-key.pem"],
      [{}, 1, "Tesla's answer cannot be read"],
      [null, 1, "Tesla's answer cannot be read"],
    ];
    for (const [response, exit, words] of states) {
      owner.answer(SHOW, 200, { response });
      const result = await run(owner, "show");
      assertEnd(result, exit, words);
      assert.deepEqual(JSON.parse(result.stdout), response ?? {});
      owner.simulator.clear();
    }
  });

  ownerTest("a foreign signer: accepted, then reported by the car", async (owner) => {
    const ours = owner.publicKey;
    owner.makeKeys(); // not registered, not paired
    assertEnd(await send(owner), 0);
    const none = await run(owner, "errors");
    assertEnd(none, 0, "no errors: the car may not have tried yet");
    assert.deepEqual(JSON.parse(none.stdout), []);
    assertEnd(await run(owner, "show"), 0, "done: the car has this configuration; ");
    const reported = await run(owner, "errors");
    assertEnd(reported, 0, "errors: 1", "InvalidSignature: unknown issuer");
    assert.deepEqual(calls(reported.requests), [`GET ${CONFIG.replace("_config", "_errors")}`]);
    owner.write("public-key.pem", ours);
    assertEnd(
      await run(owner, "show"),
      5,
      "signed with a different key from public-key.pem",
      "send it again",
    );
  });

  ownerTest("accepted, then refused by the car, for too many apps", async (owner) => {
    owner.simulator.fail("telemetry_refused_by_car", 1);
    assertEnd(await send(owner), 0);
    await run(owner, "show");
    assertEnd(await run(owner, "show"), 7, "too many apps", "remove another app's access");
    assertEnd(await run(owner, "remove"), 0, "nothing to do");
  });

  ownerTest("errors and remove: answers that cannot be read, lost answers", async (owner) => {
    for (const body of [{ response: {} }, { response: { fleet_telemetry_errors: {} } }, [], null]) {
      owner.answer("fleet_telemetry_", 200, body);
      for (const action of ["errors", "remove"]) assertEnd(await run(owner, action), 1, "cannot be read");
      owner.simulator.clear();
    }
    owner.simulator.fail("hang_up_after", 1);
    assertEnd(await run(owner, "remove"), 1, "telemetry_config show");
  });

  ownerTest("the billing limit and a withdrawn consent take it off the car for good", async (owner) => {
    assertEnd(await send(owner), 0);
    owner.simulator.fail("billing_limit", 1);
    assertEnd(await run(owner, "show"), 7, "billing limit");
    assertEnd(await run(owner, "show"), 5, "the car has no configuration");
    assertEnd(await send(owner), 0);
    owner.simulator.revokeConsent();
    assertEnd(await run(owner, "show"), 4);
    owner.logIn();
    assertEnd(await run(owner, "show"), 5, "the car has no configuration");
  });

  // ---- The file ----

  const fields = (settings: unknown) => ({ fields: { Soc: settings } });
  const WRONG: [what: string, changes: object, found: RegExp][] = [
    ["hostname", { hostname: undefined }, /nothing/],
    ["hostname", { hostname: "https://telemetry.car.example.com" }, /https:/],
    ["hostname", { hostname: "telemetry.car.example.com:4443" }, /:4443/],
    ["hostname", { hostname: "telemetry.car.example.com/path" }, /path/],
    ["hostname", { hostname: "telemetry.car.example.com." }, /com\./],
    ["hostname", { hostname: "192.168.1.5" }, /192/],
    ["hostname", { hostname: "localhost" }, /localhost/],
    ["hostname", { hostname: "" }, /found: *$/m],
    ["hostname", { hostname: 7 }, /7/],
    ["port", { port: "4443" }, /"?4443/],
    ["port", { port: undefined }, /nothing/],
    ["port", { port: 0 }, /0/],
    ["port", { port: 65_536 }, /65536/],
    ["port", { port: 443.5 }, /443\.5/],
    ["port", { port: null }, /null/],
    ["exp", { exp: 1_700_000_000 }, /1700000000/],
    ["exp", { exp: 1_924_992_000_000 }, /1924992000000/],
    ["exp", { exp: "1924992000" }, /1924992000/],
    ["exp", { exp: null }, /null/],
    ["nbf", { nbf: 4_000_000_000 }, /4000000000/],
    ["fields", { fields: undefined }, /nothing/],
    ["fields", { fields: {} }, /\{\}/],
    ["fields", { fields: [] }, /\[\]/],
    ["interval_seconds for Soc", fields({}), /nothing/],
    ["interval_seconds for Soc", fields(null), /nothing/],
    ["interval_seconds for Soc", fields({ interval_seconds: 0 }), /0/],
    ["interval_seconds for Soc", fields({ interval_seconds: 0.5 }), /0\.5/],
    ["interval_seconds for Soc", fields({ interval_seconds: "60" }), /60/],
    ["interval_seconds for Soc", fields({ interval_seconds: -1 }), /-1/],
    ["name, unknown to Tesla", { config: {} }, /config/],
    ["name, unknown to Tesla", { Hostname: "telemetry.car.example.com" }, /Hostname/],
    ["name, unknown to Tesla", { constructor: 1 }, /constructor/],
    ["ca", { ca: undefined }, /no certificate/],
    ["ca", { ca: "" }, /no certificate/],
    ["ca", { ca: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----" }, /a damaged certificate/],
    ["ca", { ca: pair.publicKey }, /no certificate/],
    ["ca", { ca: pair.privateKey }, /no certificate/],
    ["ca", { ca: certificate(false) }, /CN=telemetry\.car\.example\.com: not an authority/],
    ["ca", { ca: CA + certificate(false) }, /not an authority/],
    ["ca", { ca: certificate(true, -20, -10) }, /CN=My telemetry CA: valid from .* to /],
    ["ca", { ca: certificate(true, 10, 20) }, /CN=My telemetry CA: valid from .* to /],
  ];
  ownerTest(`${WRONG.length} wrong configurations: refused before anything is sent`, async (owner) => {
    for (const [what, changes, found] of WRONG) {
      prepare(owner, changes);
      const result = await run(owner, "send", "telemetry.json");
      assertEnd(result, 2, `error: the configuration has a wrong ${what}`, found);
      assert.deepEqual(result.requests, [], what);
    }
  });

  ownerTest("files that cannot be read, or are not JSON, are not quoted", async (owner) => {
    prepare(owner, { ca: "other.pem" });
    assertEnd(await run(owner, "send", "telemetry.json"), 2, "other.pem cannot be read", "not found");
    assertEnd(await run(owner, "send", "missing.json"), 2, "missing.json cannot be read", "not found");
    assertEnd(await run(owner, "send", "private-key.pem"), 2, "private-key.pem is not JSON");
    assertEnd(
      await run(owner, "send", "tesla_token.json"),
      2,
      "a wrong name, unknown to Tesla",
      "access_token",
    );
    owner.write("half.json", owner.read("tesla_token.json").slice(0, 200));
    assertEnd(await run(owner, "send", "half.json"), 2, "half.json is not JSON");
    owner.write("comma.json", '{\n  "hostname": "telemetry.car.example.com"\n  "port": 443\n}\n');
    assertEnd(await run(owner, "send", "comma.json"), 2, "found: a mistake in line 3");
    for (const text of ["", "null", "[]", '"text"', "5"]) {
      owner.write("odd.json", text);
      assertEnd(await run(owner, "send", "odd.json"), 2);
    }
    prepare(owner, { ca: "private-key.pem" });
    assertEnd(await run(owner, "send", "telemetry.json"), 2, "no certificate");
    assert.deepEqual(owner.simulator.requests, []);
  });

  ownerTest("a private key beside the certificate goes nowhere; a BOM and CRLF are read", async (owner) => {
    prepare(owner);
    const text = owner.read("telemetry.json");
    owner.write("telemetry-ca.pem", `Bag Attributes\r\n${(pair.privateKey + CA).replaceAll("\n", "\r\n")}`);
    owner.write("telemetry.json", `\ufeff${text.replaceAll("\n", "\r\n")}`);
    const { stdout } = await run(owner, "send", "telemetry.json", "--dry-run");
    assert.equal(JSON.parse(stdout).config.ca, CA);
    owner.write("telemetry-ca.pem", CA + certificate(true));
    const two = await run(owner, "send", "telemetry.json", "--dry-run");
    assert.equal(JSON.parse(two.stdout).config.ca.match(/BEGIN/g).length, 2);
  });

  ownerTest("wrong words are refused, and a dry run is only for send", async (owner) => {
    prepare(owner);
    // biome-ignore format: a table of words and numbers
    const wrong = [
      [], ["send"], ["send", ""], ["show", "telemetry.json"], ["remove", "telemetry.json"], ["status"],
      ["show", "--dry-run"], ["remove", "--dry-run"], ["errors", "--dry-run"], ["send", "a", "b"],
      ["--force"],
    ];
    for (const words of wrong) assertEnd(await run(owner, ...words), 2, "wrong usage");
    assert.deepEqual(owner.simulator.requests, []);
  });

  ownerTest("a dry run needs no login, and a send needs one", { loggedIn: false }, async (owner) => {
    prepare(owner);
    assertEnd(await run(owner, "send", "telemetry.json", "--dry-run"), 0);
    assertEnd(await run(owner, "send", "telemetry.json"), 4, "run get_token");
    assert.deepEqual(owner.simulator.requests, []);
  });

  ownerTest("without keys: send stops, show says what it cannot compare", async (owner) => {
    assertEnd(await send(owner), 0);
    owner.write("private-key.pem", "");
    owner.write("public-key.pem", "");
    assertEnd(await run(owner, "send", "telemetry.json"), 5, "private-key.pem cannot be used");
    const shown = await run(owner, "show");
    assertEnd(shown, 5, "public-key.pem cannot be used");
    assert.equal(JSON.parse(shown.stdout).synced, false);
  });
});
