// check_setup: on a good setup every line is ok and exactly the requests of the list arrive; with one step
// broken that one has FAILED, with the fix below it, what depends on it waits, and the others go on; the exit
// code is that of the first; it writes nothing; and somebody who does only what it says, from an empty folder
// on, arrives at a working setup.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { chmodSync, chownSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { describe, test } from "node:test";
import { startLogin, useRedirect, visit } from "../support/browser.ts";
import { assertEnd, calls } from "../support/ends.ts";
import {
  CLIENT_ID,
  CLIENT_SECRET,
  DOMAIN,
  FLEET,
  KEY_PATH,
  type Owner,
  type OwnerOptions,
  ownerTest,
  type Result,
  type RunOptions,
  SCOPES,
  TOKEN,
  useFewProcesses,
  VIN,
} from "../support/owner.ts";

useFewProcesses();

// Each step with what it needs, and the request that it makes.
// biome-ignore format: a table of words and numbers
const STEPS: [name: string, needs: string[], call?: string][] = [
  ["settings", []],
  ["key pair", []],
  ["file modes", []],
  ["login", []],
  ["VIN", ["login"]],
  ["scopes", ["settings", "login"]],
  ["region", ["settings", "login"]],
  ["published key", ["settings", "key pair"], `GET ${DOMAIN}${KEY_PATH}`],
  ["app", ["settings"], TOKEN],
  ["registration", ["key pair", "app"], `GET ${FLEET}/api/1/partner_accounts/public_key?domain=${DOMAIN}`],
  ["car", ["settings", "VIN", "login"], `GET ${FLEET}/api/1/vehicles`],
  ["virtual key", ["settings", "VIN", "login"], `POST ${FLEET}/api/1/vehicles/fleet_status`],
];
const REQUESTS = STEPS.flatMap(([, , call]) => call ?? []);
const OTHER_VIN = "5YJ30123456789ABD";
const QUOTES = "the Client Secret of your app (in .env in single quotes, in the environment without)";
const OPAQUE = "opaque-access-token-0123456789";

interface Line {
  step: string;
  mark: string;
  text: string;
  found: string;
  fix: string;
}
interface Checked extends Result {
  lines: Line[];
  failed: string[];
}

/** Everything in the folder: names, bytes, modes and times. The time of the last reading may change. */
function snapshot(owner: Owner): string[] {
  return readdirSync(owner.folder, { recursive: true, encoding: "utf8" })
    .sort()
    .map((name) => {
      const { mode, mtimeNs, ctimeNs, ino, size } = statSync(owner.path(name), { bigint: true });
      const bytes = readFileSync(owner.path(name)).toString("hex");
      return `${name} ${mode} ${mtimeNs} ${ctimeNs} ${ino} ${size} ${bytes}`;
    });
}

/** The lines below their headings, a failed one with what was found and the fix. */
function linesOf(stdout: string): Line[] {
  const lines: Line[] = [];
  const rows = stdout.split("\n");
  assert.equal(rows.pop(), "", "the last line is whole");
  const headings = rows.filter((row) => /^\S/.test(row));
  assert.deepEqual(headings, ["This folder", "At Tesla", "Your car"]);
  for (const row of rows.filter((one) => /^ /.test(one))) {
    const last = lines.at(-1);
    const [, name, below] = /^ {26}(found|fix)(?:: |: {3})(?<=^.{33})(\S.*)$/.exec(row) ?? [];
    const [, skipped, flag = ""] = /^ {2}skipped {2}(\S.*?) +(\(--[\w-]+\))$/.exec(row) ?? [];
    const [, mark = "", step = "", text = ""] =
      /^ {2}(?=.{8} )(\S+) +(?<=^.{11})(.{14}) (?<=^.{26})(\S.*)$/.exec(row) ?? [];
    if (name && last) Object.assign(last, { [name]: below });
    else if (skipped) lines.push({ step: skipped, mark: "skipped", text: flag, found: "", fix: "" });
    else lines.push({ step: step.trim(), mark, text, found: "", fix: "" });
    assert.notEqual(lines.at(-1)?.text, "", `not a line of the checklist: "${row}"`);
  }
  for (const { mark, found, fix, step } of lines) {
    assert.ok(["ok", "note", "FAILED", "-", "skipped"].includes(mark), mark);
    assert.equal(found !== "" && fix !== "", mark === "FAILED", step);
  }
  return lines;
}

/** Runs it. The steps come in their order, each that waits says for what, and nothing is sent but what each
 * step needs; nothing is written; the last three rows count what has failed. */
async function check(owner: Owner, words: string[] = [], options: RunOptions = {}): Promise<Checked> {
  const before = snapshot(owner);
  const result = await owner.run("check_setup", words, options);
  assert.deepEqual(snapshot(owner), before, "it wrote something");
  const lines = linesOf(result.stdout);
  const steps = lines.filter(({ step }) => step !== "environment");
  const skipped = steps.filter(({ mark }) => mark === "skipped");
  assert.equal(skipped.length, words.length);
  const [told, all] = [steps.flatMap(({ step }) => step.split(", ")), STEPS.map(([name]) => name)];
  assert.deepEqual(told, all, "the steps, in their order");
  const [passed, failed] = [["ok", "note"], ["FAILED"]].map((marks) =>
    steps.filter(({ mark }) => marks.includes(mark)).map(({ step }) => step),
  ) as [string[], string[]];
  for (const { step, mark, text } of steps) {
    const missing = STEPS.find(([name]) => name === step)?.[1].filter((need) => !passed.includes(need)) ?? [];
    if (mark !== "skipped") assert.equal(mark === "-", missing.length > 0, `${step}\n${result.stdout}`);
    if (mark === "-") assert.equal(text, `waits for: ${missing.join(", ")}`);
  }
  const done = STEPS.filter(([name]) => [...passed, ...failed].includes(name));
  const reached = done.flatMap(([, , call]) => call ?? []);
  const sent = calls(result.requests).map((call) => call.replaceAll(/\.(na|cn)\./g, ".eu."));
  const wanted = reached.filter((call) => sent.includes(call));
  assert.deepEqual(sent, wanted, "other requests, or in another order");
  if (failed.length === 0) assert.deepEqual(sent, reached);
  const things = failed.length === 1 ? "1 thing" : `${failed.length} things`;
  const notes = steps.some(({ mark }) => mark === "note");
  const count = `error: ${things} to fix: ${failed.join(", ")}\n`;
  const allWell = `everything is set up${notes ? ", but read the notes" : ""}\n`;
  assert.ok(result.stderr.endsWith(allWell) || result.stderr.includes(count), result.stderr);
  assert.equal(result.code === 0, failed.length === 0);
  return { ...result, lines, failed };
}

/** These steps have failed, the first with this exit code and these words. */
function assertFailed(result: Checked, steps: string, exit: number, ...words: (string | RegExp)[]): void {
  const printed = `${result.stdout}${result.stderr}`;
  assert.deepEqual([result.failed.join(", "), result.code], [steps, exit], printed);
  const { text = "", found = "", fix = "" } = result.lines.find(({ mark }) => mark === "FAILED") ?? {};
  const told = `${text}\nfound: ${found}\nfix: ${fix}`;
  for (const word of words) {
    assert.ok(
      typeof word === "string" ? told.includes(word) : word.test(told),
      `does not say ${word}: ${told}`,
    );
  }
}

const textOf = ({ lines }: Checked, step: string): string => {
  const line = lines.find((one) => one.step === step);
  return `${line?.mark} ${line?.text}`;
};

function host(owner: Owner, body = owner.publicKey): void {
  owner.simulator.partner.hosting = { kind: "file", body };
}

function newPublicKey(namedCurve = "prime256v1"): string {
  return generateKeyPairSync("ec", { namedCurve })
    .publicKey.export({ type: "spki", format: "pem" })
    .toString();
}

const ago = (days: number): string => new Date(Date.now() - days * 86_400_000).toISOString();

// ---- A good setup ----

describe("a good setup", { concurrency: 3 }, () => {
  ownerTest("every line is ok; the requests of the list, and the two that are billed", async (owner) => {
    const result = await check(owner);
    assertEnd(result, 0);
    const others = result.lines.filter(({ mark }) => mark !== "ok");
    assert.deepEqual(others, []);
    assert.deepEqual(calls(result.requests), REQUESTS);
    const settings = `ok app ${CLIENT_ID.slice(0, 8)}…, eu, ${DOMAIN}, signed commands`;
    assert.equal(textOf(result, "settings"), settings);
    const { data, command, wake } = owner.simulator.bill();
    assert.deepEqual({ data, command, wake }, { data: 2, command: 0, wake: 0 });
    // It says so before it bills.
    assert.match(result.stderr, /^the next two requests cost \$0\.002 each.*\nGET \S+\/vehicles {2}200\n/m);
    // The domain gets no secret, the token host no token, Fleet API no client secret.
    for (const { host: name, headers, body } of result.requests) {
      assert.equal(headers.authorization !== undefined, name === FLEET, name);
      assert.equal(body.includes(CLIENT_SECRET), name.startsWith("fleet-auth"), name);
    }
  });

  ownerTest("--free skips what is billed, --skip-check the domain, and says so", async (owner) => {
    const free = await check(owner, ["--free"]);
    assertEnd(free, 0, "  skipped  car, virtual key (--free)\n");
    assert.deepEqual(calls(free.requests), REQUESTS.slice(0, 3));
    assert.equal(owner.simulator.bill().data, 0);
    assert.doesNotMatch(free.stderr, /cost/);
    owner.simulator.partner.hosting = { kind: "none" };
    const skip = await check(owner, ["--skip-check"]);
    assertEnd(skip, 0, "  skipped  published key  (--skip-check)\n");
    assert.deepEqual(calls(skip.requests), REQUESTS.slice(1));
  });

  ownerTest("a car that sleeps is said to sleep, and sleeps on", async (owner) => {
    assert.equal(textOf(await check(owner), "car"), "ok in this account, online");
    owner.simulator.car.awake = false;
    const result = await check(owner);
    assertEnd(result, 0);
    assert.equal(
      textOf(result, "car"),
      "ok in this account, asleep; opening the Tesla app wakes it for free",
    );
    assert.equal(owner.simulator.car.awake, false);
  });

  ownerTest("a damaged tesla_session.json is no fault: the next command heals it", async (owner) => {
    owner.write("tesla_session.json", "{]");
    assertEnd(await check(owner), 0);
    assertEnd(await owner.run("set_charge_amps", ["10"]), 0);
  });

  ownerTest("an access token that cannot be looked into is no reason to log in again", async (owner) => {
    const { access_token, refresh_token } = owner.token();
    const { accessTokens } = owner.simulator.account;
    const granted = accessTokens.get(access_token);
    assert.ok(granted);
    accessTokens.set(OPAQUE, granted);
    owner.write("tesla_token.json", JSON.stringify({ access_token: OPAQUE, refresh_token }));
    const result = await check(owner);
    assertEnd(result, 0);
    assert.deepEqual([textOf(result, "scopes"), textOf(result, "region")], ["ok unknown", "ok eu"]);
  });

  ownerTest("settings from the environment are named, since .env does not count then", async (owner) => {
    const right = await check(owner, [], { env: { TESLA_REGION: "eu", TESLA_VIN: VIN } });
    assertEnd(right, 0);
    assert.match(textOf(right, "environment"), /^note .*TESLA_REGION TESLA_VIN$/);
    const wrong = await check(owner, [], { env: { TESLA_VIN: "5YJ" } });
    const fix = "or correct it in the environment";
    assertFailed(wrong, "VIN", 5, '"5YJ" in the environment', `unset TESLA_VIN, ${fix}`);
    const quoted = await check(owner, [], { env: { TESLA_CLIENT_SECRET: `"${CLIENT_SECRET}"` } });
    const found = "found: TESLA_CLIENT_SECRET is malformed (not shown) in the environment\n";
    assertFailed(quoted, "settings", 5, found, `fix: unset TESLA_CLIENT_SECRET, ${fix}: ${QUOTES}`);
  });
});

// ---- Hints of Tesla's: shown, and no verdict ----

describe("hints are no verdicts", { concurrency: 3 }, () => {
  ownerTest("the token names another region, and everything works: a note", async (owner) => {
    const claims = Buffer.from(JSON.stringify({ scp: SCOPES.split(" "), ou_code: "NA" })).toString(
      "base64url",
    );
    const granted = owner.simulator.account.accessTokens.get(owner.token().access_token);
    assert.ok(granted);
    const access_token = `eyJhbGciOiJSUzI1NiJ9.${claims}.c2lnbmF0dXJl`;
    owner.simulator.account.accessTokens.set(access_token, granted);
    owner.logIn({ access_token });
    const result = await check(owner);
    assertEnd(result, 0);
    assert.match(
      textOf(result, "region"),
      /^note the token names na, TESLA_REGION is eu; only Tesla's answers/,
    );
  });

  for (const status of ["403", "404", "421"]) {
    ownerTest(`Tesla does not show the registered key, ${status}: a note`, async (owner) => {
      owner.simulator.fail(`key_look_up_${status}`);
      const result = await check(owner);
      assertEnd(result, 0);
      assert.match(
        textOf(result, "registration"),
        new RegExp(`^note Tesla does not show the key .*\\(${status} "`),
      );
    });
  }

  // What fleet_status says of a car, by its VIN: 4th character the model, 10th the year.
  const PAIR = `open https://tesla.com/_ak/${DOMAIN} on your phone`;
  const OLD = "set TESLA_COMMANDS=rest in .env";
  const SIGN = "set TESLA_COMMANDS=signed in .env";
  const WEAK = { protocol: false, paired: false };
  interface Status {
    protocol?: boolean;
    paired?: boolean;
    commands?: string;
    met?: boolean;
  }
  // biome-ignore format: a table of words and numbers
  const VINS: [title: string, vin: string, status: Status, exit: number, words: string][] = [
    ["Model 3", "5YJ3E1EA5KF000001", WEAK, 5, PAIR],
    ["Model Y", "7SAYGDEE0PF000001", WEAK, 5, PAIR],
    ["Cybertruck", "7G2CEHED0RA000001", WEAK, 5, PAIR],
    ["Model 3 of 2018, protocol required", "5YJ3E1EA5JF000001", { ...WEAK, protocol: true }, 5, PAIR],
    ["Model S of 2021", "5YJSA1E20MF000001", WEAK, 5, PAIR],
    ["Model X of 2022", "7SAXCBE60NF000001", WEAK, 5, PAIR],
    ["Model S of 2031", "5YJSA1E201F000001", WEAK, 5, PAIR],
    ["Model S of 2020", "5YJSA1E20LF000001", WEAK, 5, OLD],
    ["Model X of 2016", "5YJXCBE20GF000001", WEAK, 5, OLD],
    ["Model S of 2013, required all the same", "5YJSA1E20DF000001", { ...WEAK, protocol: true }, 5, PAIR],
    ["Model S of 2015, paired", "5YJSA1E20FF000001", { paired: true }, 0, "on the car; firmware"],
    ["Model 3, rest", "5YJ3E1EA5KF000001", { ...WEAK, commands: "rest" }, 5, SIGN],
    ["Model 3, rest, paired", "5YJ3E1EA5KF000001", { protocol: true, paired: true, commands: "rest" }, 5,
      SIGN],
    ["Cybertruck, rest", "7G2CEHED0RA000001", { ...WEAK, commands: "rest" }, 5, SIGN],
    ["Model S of 2021, rest", "5YJSA1E20MF000001", { ...WEAK, commands: "rest" }, 5, SIGN],
    ["Model S of 2020, rest", "5YJSA1E20LF000001", { ...WEAK, commands: "rest" }, 0, "not needed; firmware"],
    ["Model S of 2020, rest, must sign", "5YJSA1E20LF000001", { protocol: true, commands: "rest" }, 5, SIGN],
    ["Model 3 that has answered", "5YJ3E1EA5KF000001", { ...WEAK, met: true }, 0,
      "though the car has answered"],
  ];
  ownerTest("fleet_status reports a car as unpaired, by its VIN", async (owner) => {
    owner.simulator.account.rateLimits = false;
    for (const [title, vin, status, exit, words] of VINS) {
      const { protocol = false, paired = false, commands = "signed", met = false } = status;
      owner.simulator.clear();
      owner.setSettings({ TESLA_VIN: vin, TESLA_COMMANDS: commands });
      const info = { [vin]: { firmware_version: "2026.20", vehicle_command_protocol_required: protocol } };
      owner.answer("/fleet_status", 200, {
        response: { key_paired_vins: paired ? [vin] : [], unpaired_vins: [vin], vehicle_info: info },
      });
      owner.answer("/api/1/vehicles", 200, { response: [{ vin, state: "online" }] });
      const sessions = { [`${vin} infotainment`]: { encrypted: true } };
      if (met) owner.write("tesla_session.json", JSON.stringify(sessions));
      const result = await check(owner);
      assert.equal(result.code, exit, `${title}:\n${result.stdout}`);
      const { mark, text, found, fix } = result.lines.at(-1) ?? assert.fail();
      assert.ok(`${text} ${found} ${fix}`.includes(words), `${title}: ${mark} ${text} ${found} ${fix}`);
      assert.ok(words === OLD || !fix.includes("rest"), title);
    }
  });
  ownerTest("a session that was never encrypted, or another car's, is no such proof", async (owner) => {
    owner.simulator.fail("fleet_status_unpaired");
    for (const sessions of [
      { [`${VIN} infotainment`]: { encrypted: false } },
      { [`${OTHER_VIN} infotainment`]: { encrypted: true } },
      { [`${VIN} infotainment`]: null },
      [],
    ]) {
      owner.write("tesla_session.json", JSON.stringify(sessions));
      assertFailed(await check(owner), "virtual key", 5, "unpaired, as Tesla reports it", PAIR);
    }
    owner.write("tesla_session.json", JSON.stringify({ [`${VIN} vcsec`]: { encrypted: true } }));
    assertEnd(await check(owner), 0);
  });
});

// ---- What is broken ----

type Do = (owner: Owner) => unknown;
type Break = [steps: string, title: string, breaks: Do, exit: number, ...words: (string | RegExp)[]];
type Words = (string | RegExp)[];
// biome-ignore format: each is a phrase in the table below
const set = (name: string, value: string, ...words: Words): Break => ["settings", `${name}=${value}`,
  (owner) => owner.setSettings({ [name]: value }), 5, name, ...words];
// biome-ignore format: the same
const fails = (name: string, path = ""): Do => (owner) => owner.simulator.fail(name, { path });
// biome-ignore format: the same
const says = (path: string, status: number, error: string): Do => (owner) =>
  owner.answer(path, status, { response: null, error });
// biome-ignore format: the same
const lists = (paired: string[], cars?: object[]): Do => (owner) => {
  owner.answer("/fleet_status", 200, { response: { key_paired_vins: paired, vehicle_info: {} } });
  if (cars) owner.answer("/api/1/vehicles", 200, { response: cars });
};
// biome-ignore format: the same
const open = (mode: number, ...files: string[]): Do => (owner) => {
  for (const file of files) chmodSync(owner.path(file), mode);
};
// biome-ignore format: the same
const gone = (...files: string[]): Do => (owner) => {
  for (const file of files) rmSync(owner.path(file));
};
// biome-ignore format: the same
const serves = (body: (owner: Owner) => string): Do => (owner) => host(owner, body(owner));
const inUtf16 = (owner: Owner): Buffer => Buffer.from(`\ufeff${owner.read(".env")}`, "utf16le");
const SECRET_FILES = [".env", "private-key.pem", "tesla_token.json"];
const EXPOSED =
  /a private key[^]*anyone may have copied this key: take it down; move both keys away; run generate_key[^]*Locks[^]*pair/;

// biome-ignore format: a table of words and numbers
const BREAKS: Break[] = [
  ["settings, VIN", "no .env", gone(".env"), 5, "TESLA_CLIENT_ID is not set; TESLA_CLIENT_SECRET is not set",
    /fix: no \.env in \S*tesla-owner-\w+: go to the clone; or, if you are there: cp \.env\.example \.env$/],
  ["settings, VIN", "an empty .env", (owner) => owner.write(".env", ""), 5,
    "TESLA_REGION is not set; TESLA_DOMAIN",
    "; set TESLA_REGION in .env: na (North America", "; set TESLA_DOMAIN in .env: your public domain"],
  ["settings, VIN", "PowerShell 5", (owner) => owner.write(".env", inUtf16(owner)), 5, "UTF-16",
    "save it as UTF-8 (in Notepad: Save as, Encoding)"],
  ["settings, VIN", "big-endian", (owner) => owner.write(".env", inUtf16(owner).subarray(2).swap16()), 5,
    "save it as UTF-8 (in Notepad: Save as, Encoding)"],
  set("TESLA_CLIENT_SECRET", `'"${CLIENT_SECRET}'`, "malformed (not shown)\n",
    `fix: set TESLA_CLIENT_SECRET in .env: ${QUOTES}`),
  set("TESLA_CLIENT_SECRET", `${CLIENT_SECRET}'`, "malformed (not shown)\n", QUOTES),
  set("TESLA_REGION", "EU", 'TESLA_REGION is "EU"', "eu (Europe"),
  set("TESLA_REGION", "eu west", 'TESLA_REGION is "eu…"'),
  set("TESLA_SCOPES", "openid  offline_access", 'TESLA_SCOPES is "openid…"', 
    "separated by single spaces, including openid and offline_access"),
  set("TESLA_COMMANDS", "proxy", 'TESLA_COMMANDS is "proxy"', "signed (nearly every car)"),
  ["VIN", "none", (owner) => owner.setSettings({ TESLA_VIN: "" }), 5, "fix: set TESLA_VIN in .env: ",
    "list_vehicles prints it"],

  ["key pair", "none", gone("private-key.pem", "public-key.pem"), 5, "run generate_key"],
  ["key pair", "no private key", gone("private-key.pem"), 5, "private-key.pem cannot be used",
    "copy yours here; if it is lost, move both away, run generate_key, register and pair again"],
  ["key pair", "two pairs", (owner) => owner.write("public-key.pem", newPublicKey()), 5,
    "copy the right pair"],
  ["key pair", "another curve", (owner) => owner.write("public-key.pem", newPublicKey("secp384r1")), 5,
    "P-256"],

  ["file modes", "a key", open(0o644, "private-key.pem"), 5, "run: chmod 600 private-key.pem"],
  ["file modes", "all of them", open(0o666, ...SECRET_FILES), 5, `run: chmod 600 ${SECRET_FILES.join(" ")}`],
  ["file modes", "tokens", open(0o640, "tesla_token.json"), 5, "run: chmod 600 tesla_token.json"],
  ["file modes", "a folder that others can write", open(0o757, "."), 5, "run: chmod go-w ."],

  ["login", "none", gone("tesla_token.json"), 4, "not logged in",
    "run register_partner if you have not, then get_token"],
  ["login", "damaged", (owner) => owner.write("tesla_token.json", "{"), 4, "it is not JSON", "run get_token"],
  ["login", "expired", (owner) => owner.logIn({ obtained_at: ago(1) }), 4, "expired", "run refresh_token"],
  ["login", "too old", (owner) => owner.logIn({ obtained_at: ago(91), expires_in: 9_000_000 }), 4,
    "91 days old", "run get_token"],
  ["scopes", "not granted", (owner) => owner.logIn({}, SCOPES.replace(" vehicle_charging_cmds", "")), 5,
    "not granted: vehicle_charging_cmds", "run get_token --force and tick every box"],
  ["scopes", "one more wanted", (owner) => owner.setSettings({ TESLA_SCOPES: `${SCOPES} vehicle_cmds` }), 5,
    "not granted: vehicle_cmds"],

  ["published key", "not there", ({ simulator }) => { simulator.partner.hosting = { kind: "none" }; }, 5,
    "404", "put public-key.pem there", "serve_public_key"],
  ["published key", "another key", serves(() => newPublicKey()), 5, "a different key",
    "put public-key.pem there"],
  ["published key", "the private key", serves((owner) => owner.read("private-key.pem")), 5, EXPOSED],
  ["published key", "both keys", serves((owner) => owner.publicKey + owner.read("private-key.pem")), 5,
    EXPOSED],
  ["published key", "openssl's form", serves(() => "-----BEGIN EC PRIVATE KEY-----\nMHc=\n"), 5, EXPOSED],
  ["published key", "no connection", fails("hang_up_before", KEY_PATH), 5, "DNS", "--skip-check"],
  ["published key", "too large", serves(({ publicKey }) => publicKey + " ".repeat(2 ** 21)), 5,
    "larger than 1 MiB", "fix: what comes is too large or never ends"],

  ["app", "a wrong secret", (owner) => owner.setSettings({ TESLA_CLIENT_SECRET: "ta-secret.wrong" }), 5,
    "TESLA_CLIENT_SECRET", "copy both again"],
  ["app", "refused by Tesla", fails("partner_invalid_audience"), 5, "vehicle-command/issues/460"],
  ["app", "429", says("/token", 429, "Retry in 9 seconds"), 7, "wait 9 seconds"],
  ["app", "502", says("/token", 502, "bad gateway"), 1, "try again later"],

  ["registration", "of another domain", says("/public_key", 404, "not_found"), 5,
    "Tesla has no key for TESLA_DOMAIN", "run register_partner"],
  ["registration", "with another key", fails("other_key_on_file"), 5, "a different key on file",
    "run register_partner"],
  ["registration", "429", says("/public_key", 429, ""), 7, "too many requests"],
  ["registration", "402", says("/public_key", 402, "payment required"), 7, "payment method"],
  ["registration", "503", says("/public_key", 503, "no healthy upstream"), 1, "try again in a few minutes"],
  ["registration", "a limit", says("/public_key", 403, "account disabled: EXCEEDED_LIMIT"), 7,
    "billing limit"],
  ["registration", "a firewall", (owner) => owner.answer("/public_key", 403, "<html>no"), 1, "a firewall"],
  ["registration, car, virtual key", "none in this region",
    ({ simulator }) => { simulator.partner.registrations = {}; },
    5, "run register_partner"],

  ["car", "another account's", (owner) => {
    owner.setSettings({ TESLA_VIN: OTHER_VIN });
    lists([OTHER_VIN])(owner);
  }, 5, `${OTHER_VIN} is not in this account`, `the account has ${VIN}`, "correct TESLA_VIN"],
  ["car", "an account without a car", lists([VIN], []), 5, "the account has no car",
    "log out at Tesla first"],
  ["car, virtual key", "the token is withdrawn", says("/vehicles", 401, "invalid bearer token"), 4,
    "run refresh_token"],
  ["car, virtual key", "a limit", fails("billing_limit", "/vehicles"), 7, "raise the limit"],
  ["car, virtual key", "429", says("/vehicles", 429, ""), 7, "too many requests"],
  ["car, virtual key", "402", says("/vehicles", 402, "payment required"), 7, "payment method"],
  ["car, virtual key", "408", says("/vehicles", 408, "vehicle unavailable"), 3, "asleep or offline"],
  ["car, virtual key", "500", says("/vehicles", 500, "upstream internal error"), 1, "try again later"],
  ["car, virtual key", "421", fails("out_of_region", "/vehicles"), 5, "set TESLA_REGION=na"],
  ["virtual key", "504", says("/fleet_status", 504, "gateway timeout"), 1, "try again later"],
  ["virtual key", "429", says("/fleet_status", 429, "Retry in 60 seconds"), 7, "wait 60 seconds"],
  ["virtual key", "another shape", (owner) => owner.answer("/fleet_status", 200, { response: null }), 1,
    "be used"],
  ["virtual key", "not on the car", (owner) => owner.simulator.car.pairedKeys.clear(), 5, `/_ak/${DOMAIN}`],

  ["file modes, login, published key, app", "much at once", (owner) => {
    open(0o644, ".env")(owner);
    owner.logIn({ obtained_at: ago(1) });
    host(owner, "");
    owner.simulator.fail("rate_limited", { path: "/token" });
  }, 5, "run: chmod 600 .env"],
];

test("each step is broken by some case", () => {
  const broken = new Set(BREAKS.flatMap(([steps]) => steps.split(", ")));
  const whole = STEPS.map(([name]) => name).filter((name) => !broken.has(name));
  assert.deepEqual(whole, ["region"]); // a note at most
});

describe("what is broken", { concurrency: 3 }, () => {
  for (const [steps, title, breaks, exit, ...words] of BREAKS) {
    if (process.platform === "win32" && steps === "file modes") continue;
    ownerTest(`${steps}: ${title}`, async (owner) => {
      await breaks(owner);
      assertFailed(await check(owner), steps, exit, ...words);
    });
  }

  ownerTest("a disk that keeps no file modes (WSL, exFAT): a note, and it goes on", async (owner) => {
    for (const mode of [0o777, 0o755, 0o711]) {
      open(mode, ...SECRET_FILES)(owner);
      const result = await check(owner);
      assertEnd(result, 0);
      const run = `run: chmod 600 ${SECRET_FILES.join(" ")}; chmod go-w .`;
      const move = "if that has no effect (WSL /mnt, exFAT), move this folder to your home";
      const note = `note others here may read and change your files; ${run}; ${move}`;
      assert.equal(textOf(result, "file modes"), note);
    }
    open(0o600, ".env")(owner); // where one can be closed, modes are kept
    assertFailed(await check(owner), "file modes", 5, "run: chmod 600 private-key.pem tesla_token.json");
  });

  ownerTest("files of another user: made yours again, no new key", async (owner) => {
    if (process.getuid?.() !== 0) return; // only root can give files away
    const nobody = 65534;
    for (const folder of [dirname(owner.simulator.caFile), owner.folder]) chmodSync(folder, 0o755);
    chownSync(owner.path("tesla_token.json"), nobody, nobody);
    chownSync(owner.path(".env"), nobody, nobody);
    const own = (file: string): string => `sudo chown "$USER" '${file}' && chmod u+rwX '${file}'`;
    const keys = await check(owner, [], { uid: nobody });
    assertFailed(keys, "key pair", 5, "permission denied", `make it yours: ${own("private-key.pem")}`);
    chownSync(owner.path("private-key.pem"), nobody, nobody);
    chownSync(owner.path(".env"), 0, 0);
    const settings = await check(owner, [], { uid: nobody });
    assertFailed(settings, "settings, VIN", 5, ".env cannot be read", own(".env"));
    assert.doesNotMatch(settings.stdout, /generate_key|ls -l/);
  });

  ownerTest("a public key that is gone: the fix's own command brings it back", async (owner) => {
    rmSync(owner.path("public-key.pem"));
    const result = await check(owner);
    assertFailed(result, "key pair", 5, "public-key.pem cannot be used", "run generate_key");
    const [, words = ""] = /if you have private-key\.pem: (openssl .*)$/m.exec(result.stdout) ?? [];
    assert.equal(words, "openssl ec -in private-key.pem -pubout -out public-key.pem");
    const { status } = spawnSync("sh", ["-c", words], { cwd: owner.folder }); // null: no sh, 127: no openssl
    if (status === null || status === 127) owner.write("public-key.pem", owner.publicKey);
    assert.equal(owner.read("public-key.pem"), owner.publicKey);
    assertEnd(await check(owner), 0);
  });
  ownerTest("wrong usage", async (owner) => {
    for (const word of ["--fix", "word"])
      assertEnd(await owner.run("check_setup", [word]), 2, "npx tsx scripts/check_setup.ts");
    assert.deepEqual(owner.simulator.requests, []);
  });
});

// ---- The walk: an owner who does what it says, and nothing else ----

class Walker {
  owner: Owner;
  redirect: string;
  knows: Record<string, string>; // what stands on the app's page, and where the owner lives
  ran: string[] = []; // every script, in order
  constructor(owner: Owner, redirect: string, knows: Record<string, string>) {
    this.owner = owner;
    this.redirect = redirect;
    this.knows = knows;
  }

  /** Settings in .env: each in the place of the old one, or at its end; a new file is the owner's alone. */
  set(settings: Record<string, string>): void {
    const all = { TESLA_REDIRECT_URI: this.redirect, ...settings };
    const old = this.owner.has(".env") ? this.owner.read(".env").split("\n") : [];
    const others = old.filter(
      (line) => line !== "" && !Object.keys(all).some((name) => line.startsWith(`${name}=`)),
    );
    const lines = Object.entries(all).map(([name, value]) => `${name}=${value}`);
    this.owner.write(".env", `${[...others, ...lines].join("\n")}\n`);
  }

  /** A login in the browser. Where Tesla's page ends the way, what get_token says of that is done first. */
  async login(words: string[]): Promise<Result> {
    const { running, address } = await startLogin(this.owner, words);
    try {
      await visit(await this.owner.simulator.consent(address));
    } catch (problem) {
      assert.match(String(problem), /No policy rules/);
      assert.match(running.stderr(), /If Tesla shows "No policy rules", run register_partner first/);
      running.child.kill("SIGINT");
      await running.ended;
      await this.command("register_partner", [], 1);
      return this.login(words);
    }
    return running.ended;
  }

  /** Runs what a fix names, until it works; what it says when it fails is done in between. */
  async command(name: string, words: string[], depth: number): Promise<Result> {
    for (let tries = 0; tries < 6 && depth < 8; tries += 1) {
      this.ran.push([name, ...words].join(" "));
      const result = await (name === "get_token" ? this.login(words) : this.owner.run(name, words));
      if (result.code === 0) return result;
      const [, found = "", fix = ""] = /^found: (.*)\nfix: {3}(.*)$/m.exec(result.stderr) ?? [];
      await this.follow(found, fix, depth + 1);
      if (fix.includes(`run ${name} --force`)) words = ["--force"];
    }
    return assert.fail(`${name} cannot be made to work: ${this.ran.join(", ")}`);
  }

  /** Does what a fix says. Whatever it does not say fails the walk. */
  async follow(found: string, fix: string, depth = 0): Promise<void> {
    const { owner, knows } = this;
    const { account, partner } = owner.simulator;
    const unset = [...fix.matchAll(/(TESLA_\w+) in \.env: /g)].map(([, name = ""]) => name);
    const named = /set (TESLA_\w+)=(\w+)/.exec(fix);
    const pairing = /open (https:\/\/tesla\.com\/_ak\/(\S+)) on (?:your|the) phone/.exec(fix);
    const commands = [...fix.matchAll(/\b(?:run|then) ([a-z]+_(?:key|partner|token))( --force)?\b/g)];
    const mode = /run: chmod 600 (.*)$/.exec(fix);
    const listed = /the account has (\w{17})$/.exec(found);
    const isRegionWrong =
      fix.includes("check TESLA_REGION")
      && !owner.read(".env").includes(`TESLA_REGION=${knows.TESLA_REGION}`);
    if (fix.endsWith(": cp .env.example .env")) {
      // As cp does it, which keeps the mode: others can read the copy.
      owner.write(".env", readFileSync(new URL("../../.env.example", import.meta.url)), 0o644);
    } else if (unset.length > 0) {
      if (fix.includes("list_vehicles prints it")) {
        const { stdout } = await this.command("list_vehicles", [], depth);
        knows.TESLA_VIN = /^\w{17}/.exec(stdout)?.[0] ?? "";
      }
      for (const name of unset) assert.ok(knows[name], `where is the owner to find ${name}? ${fix}`);
      this.set(Object.fromEntries(unset.map((name) => [name, knows[name] ?? ""])));
    } else if (named) this.set({ [named[1] ?? ""]: named[2] ?? "" });
    else if (fix.includes("correct TESLA_VIN") && listed) this.set({ TESLA_VIN: listed[1] ?? "" });
    else if (mode) for (const file of (mode[1] ?? "").split(" ")) chmodSync(owner.path(file), 0o600);
    else if (isRegionWrong) this.set({ TESLA_REGION: knows.TESLA_REGION ?? "" });
    else if (pairing) {
      assert.equal(pairing[2], DOMAIN);
      owner.simulator.car.pair(owner.read("public-key.pem"));
    } else if (fix.includes("put public-key.pem there")) host(owner, owner.read("public-key.pem"));
    else if (fix.includes("add https:// and TESLA_DOMAIN")) partner.allowedOrigins.push(`https://${DOMAIN}`);
    else if (fix.includes("tick them on your app's page")) account.portalScopes = SCOPES.split(" ");
    else if (commands.length === 0) assert.fail(`it does not let the owner go on: ${fix}`);
    else
      for (const [, name = "", force] of commands) await this.command(name, force ? ["--force"] : [], depth);
  }

  /** Round after round until all is well: the steps that were put right. `after` is told of each. */
  async walk(rounds: number, after: (step: string) => void = () => {}): Promise<string[]> {
    const [steps, told]: string[][] = [[], []];
    for (let round = 1; round <= rounds; round += 1) {
      const { code, lines } = await check(this.owner);
      const line = lines.find(({ mark }) => mark === "FAILED");
      if (line === undefined) return steps ?? [];
      assert.ok(code === 4 || code === 5, `exit ${code}`);
      const words = Object.values(line).join(" | ");
      assert.ok(!told?.includes(words), `told again, so the fix did not help: ${words}`);
      told?.push(words);
      steps?.push(line.step);
      await this.follow(line.found, line.fix);
      after(line.step);
    }
    return assert.fail(`not done after ${rounds} rounds:\n${told?.join("\n")}`);
  }
}

const EMPTY: OwnerOptions = { keys: false, registered: false, loggedIn: false };
const OWN = {
  TESLA_CLIENT_ID: CLIENT_ID,
  TESLA_CLIENT_SECRET: CLIENT_SECRET,
  TESLA_REGION: "eu",
  TESLA_DOMAIN: DOMAIN,
};

async function newWalker(owner: Owner): Promise<Walker> {
  const redirect = await useRedirect(owner);
  rmSync(owner.path(".env"));
  assert.deepEqual(readdirSync(owner.folder), []);
  return new Walker(owner, redirect, { ...OWN });
}

/** Everything works now. */
async function assertWorks(owner: Owner): Promise<void> {
  assertEnd(await check(owner), 0);
  assertEnd(await owner.run("read_charge"), 0);
  assertEnd(await owner.run("set_charge_amps", ["9"]), 0);
  assert.equal(owner.simulator.car.amps, 9);
}

describe("the walk", { concurrency: 3 }, () => {
  ownerTest("from an empty folder to changed amps, doing only what it says", EMPTY, async (owner) => {
    const walker = await newWalker(owner);
    let nights = 0;
    const steps = await walker.walk(15, (step) => {
      // After the login comes a night in which the access token expires.
      if (!owner.has("tesla_token.json") || nights > 0 || step === "") return;
      nights += 1;
      owner.write("tesla_token.json", JSON.stringify({ ...owner.token(), obtained_at: ago(0.5) }));
    });
    const needed = ["generate_key", "register_partner", "get_token", "refresh_token", "list_vehicles"];
    const missing = needed.filter((name) => !walker.ran.includes(name));
    assert.deepEqual(missing, [], walker.ran.join(", "));
    assert.deepEqual([steps[0], steps.at(-1)], ["settings", "virtual key"]);
    await assertWorks(owner);
  });

  ownerTest("an owner whose every setting is wrong", EMPTY, async (owner) => {
    const walker = await newWalker(owner);
    const { partner, account } = owner.simulator;
    partner.allowedOrigins = [];
    account.portalScopes = SCOPES.split(" ").slice(0, 3);
    const wrong = { TESLA_DOMAIN: `https://${DOMAIN}/`, TESLA_VIN: OTHER_VIN, TESLA_COMMANDS: "rest" };
    walker.set({ ...OWN, ...wrong, TESLA_REGION: "na" });
    assertEnd(await owner.run("generate_key"), 0);
    chmodSync(owner.path("private-key.pem"), 0o644);
    host(owner, "<html>hello</html>");
    const steps = await walker.walk(15);
    for (const step of ["settings", "file modes", "car", "virtual key"]) {
      assert.ok(steps.includes(step), `${step} was not met: ${steps.join(", ")}`);
    }
    await assertWorks(owner);
  });

  ownerTest("TESLA_REGION=na, the login of eu: nothing is registered in na", async (owner) => {
    const redirect = await useRedirect(owner);
    owner.setSettings({ TESLA_REGION: "na", TESLA_REDIRECT_URI: redirect });
    const walker = new Walker(owner, redirect, { ...OWN });
    const first = await check(owner);
    assert.match(textOf(first, "region"), /^note the token names eu, TESLA_REGION is na/);
    assertFailed(first, "registration, car, virtual key", 5, "check TESLA_REGION");
    assert.deepEqual(await walker.walk(3), ["registration"]);
    assert.deepEqual([walker.ran, Object.keys(owner.simulator.partner.registrations)], [[], ["eu"]]);
  });
});
