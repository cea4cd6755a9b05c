// check_setup: on a good set-up every line is ok and exactly the requests of the list arrive; with one step
// broken it ends there, says what is wrong and how to fix it, and sends nothing more; it writes nothing; and
// somebody who does only what it says, from an empty folder on, arrives at a working set-up.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { appendFileSync, chmodSync, readFileSync, readdirSync, rmSync, statSync } from "node:fs";
import { describe, test } from "node:test";
import {
  CLIENT_ID, CLIENT_SECRET, DOMAIN, FLEET, KEY_PATH, SCOPES, TOKEN, VIN, assertEnd, calls, ownerTest, startLogin,
  useFewProcesses, useRedirect, visit, type Owner, type OwnerOptions, type Result, type RunOptions,
} from "../support/harness.ts";

useFewProcesses();

const STEPS = ["settings", "key pair", "file modes", "published key", "app", "registration", "login",
  "scopes and region", "VIN", "car", "virtual key"];
const OTHER_VIN = "5YJ30123456789ABD";

// What a whole run sends, in order, each request with the step that makes it.
const REQUESTS: [step: string, call: string][] = [
  ["published key", `GET ${DOMAIN}${KEY_PATH}`],
  ["app", TOKEN],
  ["registration", `GET ${FLEET}/api/1/partner_accounts/public_key?domain=${DOMAIN}`],
  ["car", `GET ${FLEET}/api/1/vehicles`],
  ["virtual key", `POST ${FLEET}/api/1/vehicles/fleet_status`],
];

interface Line { step: string; state: string; text: string }
interface Checked extends Result { lines: Line[] }

/** Everything in the folder: names, bytes, modes and times. The time of the last reading may change. */
function snapshot(owner: Owner): string[] {
  return readdirSync(owner.folder, { recursive: true, encoding: "utf8" }).sort().map((name) => {
    const { mode, mtimeNs, ctimeNs, ino, size } = statSync(owner.path(name), { bigint: true });
    const bytes = readFileSync(owner.path(name)).toString("hex");
    return `${name} ${mode} ${mtimeNs} ${ctimeNs} ${ino} ${size} ${bytes}`;
  });
}

/** The steps that were reached, in order; a wrong one has its text on stderr alone. */
function linesOf({ stdout, stderr, code }: Result): Line[] {
  const [, step = "", text = ""] = /^error: ([^:]+): (.*); then run check_setup again$/m.exec(stderr) ?? [];
  const lines = stdout.split("\n");
  assert.equal(lines.pop(), "", "the last line is whole");
  if (code === 0) assert.match(stderr, /\neverything is set up\n$/);
  else {
    assert.equal(lines.pop(), "not checked: the steps after it");
    assert.equal(lines.pop(), `wrong    ${step}`, stderr);
    assert.equal(`${stdout}${stderr}`.split(text).length, 2, "what is wrong is said once");
  }
  const before = lines.map((line) => {
    const [, right = "", found = ""] = /^ok {7}([^:]+): (.+)$/.exec(line) ?? [];
    const [, left = "", flag = ""] = /^skipped {2}(.+) \(--(free|skip-check)\)$/.exec(line) ?? [];
    assert.notEqual(right + left, "", `not a line of the checklist: "${line}"`);
    return right ? { step: right, state: "ok", text: found } : { step: left, state: "skipped", text: flag };
  });
  return code === 0 ? before : [...before, { step, state: "wrong", text }];
}

// Runs it. The steps come in their order, nothing is written, and nothing is sent but what each step needs.
async function check(owner: Owner, words: string[] = [], options: RunOptions = {}): Promise<Checked> {
  const before = snapshot(owner);
  const result = await owner.run("check_setup", words, options);
  assert.deepEqual(snapshot(owner), before, "it wrote something");
  const lines = linesOf(result);
  assert.deepEqual(lines.map(({ step }) => step), STEPS.slice(0, lines.length));
  if (result.code === 0) assert.equal(lines.length, STEPS.length);
  const reached = lines.filter(({ state }) => state !== "skipped").map(({ step }) => step);
  const needed = REQUESTS.filter(([step]) => reached.includes(step));
  const sent = calls(result.requests).map((call) => call.replaceAll(/\.(na|cn)\./g, ".eu."));
  // Of the step that is wrong the request may have failed before it arrived.
  const wanted = needed.map(([, call]) => call).slice(0, result.code === 0 ? undefined : sent.length);
  assert.deepEqual(sent, wanted, "other requests, or in another order");
  assert.ok(needed.length - sent.length <= 1, result.stdout);
  return { ...result, lines };
}

/** The one step that is wrong: all before it are ok, and nothing comes after it. */
function assertWrong(result: Checked, step: string, exit: number, ...fixes: (string | RegExp)[]): void {
  assert.equal(result.code, exit, `exit ${result.code} and not ${exit}:\n${result.stdout}${result.stderr}`);
  const wrong = result.lines.at(-1);
  assert.deepEqual([wrong?.step, wrong?.state], [step, "wrong"], result.stderr);
  assert.ok(result.lines.slice(0, -1).every(({ state }) => state === "ok"), result.stdout);
  const text = wrong?.text ?? "";
  for (const fix of fixes) {
    assert.ok(typeof fix === "string" ? text.includes(fix) : fix.test(text), `does not say ${fix}: ${text}`);
  }
}

function host(owner: Owner, body = owner.publicKey, status = 200, headers: Record<string,
  string> = {}): void {
  owner.simulator.partner.hosting = { kind: "file", body, status, headers };
}

function newPublicKey(namedCurve = "prime256v1"): string {
  return generateKeyPairSync("ec", { namedCurve }).publicKey.export({ type: "spki",
    format: "pem" }).toString();
}

// ---- A good set-up ----

describe("a good set-up", { concurrency: 3 }, () => {
  ownerTest("every line is ok; exactly the requests of the list, and the two that are billed", {},
    async (owner) => {
      const result = await check(owner);
      assertEnd(result, 0);
      assert.deepEqual(result.lines.filter(({ state }) => state !== "ok"), []);
      assert.deepEqual(calls(result.requests), REQUESTS.map(([, call]) => call));
      const { data, command, wake } = owner.simulator.bill();
      assert.deepEqual({ data, command, wake }, { data: 2, command: 0, wake: 0 });
      // It says so before it bills.
      assert.match(result.stderr, /^the next two requests cost \$0\.002 each.*\nGET \S+\/vehicles\n/m);
      // What the secret is for: the domain gets none, the token host no token, Fleet API no client secret.
      for (const { host: name, headers, body } of result.requests) {
        assert.equal(headers.authorization !== undefined, name === FLEET, name);
        assert.equal(body.includes(CLIENT_SECRET), name.startsWith("fleet-auth"), name);
      }
      assert.doesNotMatch(result.stdout, new RegExp(CLIENT_SECRET));
    });

  ownerTest("--free skips what is billed, and says so", {}, async (owner) => {
    const result = await check(owner, ["--free"]);
    assertEnd(result, 0, "skipped  car (--free)\nskipped  virtual key (--free)\n");
    assert.deepEqual(result.lines.filter(({ state }) => state !== "ok").map(({ step }) => step),
      ["car", "virtual key"]);
    assert.deepEqual(calls(result.requests), REQUESTS.slice(0, 3).map(([, call]) => call));
    assert.equal(owner.simulator.bill().data, 0);
    assert.doesNotMatch(result.stderr, /cost/);
  });

  ownerTest("--skip-check does not look at the domain", {}, async (owner) => {
    owner.simulator.partner.hosting = { kind: "none" };
    const result = await check(owner, ["--skip-check"]);
    assertEnd(result, 0, "skipped  published key (--skip-check)\n");
    assert.deepEqual(result.lines.filter(({ state }) => state !== "ok").map(({ step }) => step),
      ["published key"]);
    assert.deepEqual(calls(result.requests), REQUESTS.slice(1).map(([, call]) => call));
  });

  ownerTest("a car that sleeps is said to sleep, and sleeps on", {}, async (owner) => {
    const textOf = ({ lines }: Checked): string => lines.find(({ step }) => step === "car")?.text ?? "";
    assert.equal(textOf(await check(owner)), "in this account, online");
    owner.simulator.car.awake = false;
    const result = await check(owner);
    assertEnd(result, 0);
    assert.equal(textOf(result), "in this account, asleep; wake_up wakes it ($0.02)");
    assert.equal(owner.simulator.car.awake, false);
  });

  ownerTest("a damaged tesla_session.json is no fault: the next command heals it", {}, async (owner) => {
    owner.write("tesla_session.json", "{]");
    assertEnd(await check(owner), 0);
    assertEnd(await owner.run("set_charge_amps", ["10"]), 0);
  });

  ownerTest("a car that takes plain commands, with TESLA_COMMANDS=rest",
    { settings: { TESLA_COMMANDS: "rest" } },
    async (owner) => {
      owner.simulator.car.speaksProtocol = false;
      assertEnd(await check(owner), 0);
    });
  ownerTest("an owner's proxy", {}, async (owner) => {
    owner.setSettings({ TESLA_COMMANDS: "proxy", TESLA_PROXY_URL: owner.simulator.proxyUrl });
    assertEnd(await check(owner), 0);
  });
  ownerTest("an access token that cannot be looked into is no reason to log in again", {}, async (owner) => {
    const token = JSON.parse(owner.logIn()) as { access_token: string; refresh_token: string };
    const { accessTokens } = owner.simulator.account;
    const granted = accessTokens.get(token.access_token);
    assert.ok(granted);
    accessTokens.set("opaque-access-token-0123456789", granted);
    const opaque = { ...token, access_token: "opaque-access-token-0123456789" };
    for (const known of [opaque, { access_token: opaque.access_token, refresh_token: token.refresh_token }]) {
      owner.write("tesla_token.json", JSON.stringify(known));
      assertEnd(await owner.run("read_charge"), 0);
      assertEnd(await check(owner), 0, "scopes unknown; region unknown");
    }
  });
});

// ---- One step broken ----

interface Break {
  step: string;
  title: string;
  exit?: number; // 5 unless told
  owner?: OwnerOptions;
  breaks: (owner: Owner) => unknown;
  fixes: (string | RegExp)[];
}

function setting(name: string, value: string, ...fixes: (string | RegExp)[]): Break {
  const title = value === "" ? `${name} missing` : `${name}=${value}`;
  return { step: name === "TESLA_VIN" ? "VIN" : "settings", title, fixes: [name, ...fixes],
    breaks: (owner) => owner.setSettings({ [name]: value }) };
}

function token(title: string, changes: Record<string, unknown>, ...fixes: (string | RegExp)[]): Break {
  return { step: "login", title, exit: 4, breaks: (owner) => owner.logIn(changes), fixes };
}

function ago(days: number): string {
  return new Date(Date.now() - days * 86_400_000).toISOString();
}

const BREAKS: Break[] = [
  { step: "settings", title: "no .env", breaks: (owner) => rmSync(owner.path(".env")),
    fixes: ["TESLA_CLIENT_ID is not set", "TESLA_CLIENT_SECRET is not set", "TESLA_REGION is not set",
      "TESLA_DOMAIN is not set", /there is no \.env in \S*tesla-owner-\w+: go to the right/,
      "copy .env.example"] },
  { step: "settings", title: "an empty .env: all that is missing is named in one run",
    breaks: (owner) => owner.write(".env", ""),
    fixes: ["TESLA_CLIENT_ID is not set", "TESLA_CLIENT_SECRET is not set", "TESLA_REGION is not set",
      "TESLA_DOMAIN is not set", "fix that in .env in this folder"] },
  setting("TESLA_CLIENT_ID", "", "fix that in .env in this folder"),
  setting("TESLA_CLIENT_SECRET", "", "fix that in .env in this folder", "developer.tesla.com"),
  setting("TESLA_REGION", "", "na (North America", "eu (Europe"),
  setting("TESLA_REGION", "EU", 'TESLA_REGION is "EU"', "eu (Europe"),
  setting("TESLA_DOMAIN", "", "your public domain"),
  setting("TESLA_DOMAIN", `https://${DOMAIN}`, "without https://"),
  setting("TESLA_DOMAIN", "Car.example.com", "in lower case"),
  setting("TESLA_DOMAIN", "pi.local", "your public domain"),
  setting("TESLA_REDIRECT_URI", "localhost:3000", "Allowed Redirect URI"),
  setting("TESLA_COMMANDS", "sign", "signed (nearly every car)"),
  setting("TESLA_SCOPES", "vehicle_device_data", "openid and offline_access"),
  { ...setting("TESLA_COMMANDS", "proxy"), fixes: ["TESLA_PROXY_URL is not set", "https://HOST:PORT"] },

  { step: "key pair", title: "none", breaks: (owner) => {
      rmSync(owner.path("private-key.pem"));
      rmSync(owner.path("public-key.pem"));
    }, fixes: ["run generate_key"] },
  { step: "key pair", title: "no private key", breaks: (owner) => rmSync(owner.path("private-key.pem")),
    fixes: ["private-key.pem cannot be used: it is not there", "copy yours here"] },
  { step: "key pair", title: "halves of two pairs",
    breaks: (owner) => owner.write("public-key.pem", newPublicKey()), fixes: ["does not belong",
      "copy the right pair"] },
  { step: "key pair", title: "another curve",
    breaks: (owner) => owner.write("public-key.pem", newPublicKey("secp384r1")), fixes: ["P-256",
      "generate_key"] },

  { step: "file modes", title: "a key that others can read",
    breaks: (owner) => chmodSync(owner.path("private-key.pem"), 0o644),
      fixes: ["run: chmod 600 private-key.pem"] },
  { step: "file modes", title: "a client secret that others can read",
    breaks: (owner) => chmodSync(owner.path(".env"), 0o644), fixes: ["run: chmod 600 .env"] },
  { step: "file modes", title: "all of them", breaks: (owner) => {
      for (const file of [".env", "private-key.pem", "tesla_token.json"]) chmodSync(owner.path(file), 0o666);
    }, fixes: ["run: chmod 600 .env private-key.pem tesla_token.json"] },
  { step: "file modes", title: "tokens that others can read",
    breaks: (owner) => chmodSync(owner.path("tesla_token.json"), 0o640),
      fixes: ["run: chmod 600 tesla_token.json"] },

  { step: "published key", title: "not there",
    breaks: (owner) => { owner.simulator.partner.hosting = { kind: "none" }; },
    fixes: ["404", "put public-key.pem there", "serve_public_key"] },
  { step: "published key", title: "another key", breaks: (owner) => host(owner, newPublicKey()),
    fixes: ["another key", "put public-key.pem there"] },
  { step: "published key", title: "a web page", breaks: (owner) => host(owner, "<html>welcome</html>"),
    fixes: ["it is not a P-256 public key in PEM form", "put public-key.pem there"] },
  { step: "published key", title: "the private key", breaks: (owner) => host(owner,
    owner.read("private-key.pem")),
    fixes: ["private key", "must stay with you"] },
  { step: "published key", title: "a redirect", breaks: (owner) => owner.simulator.fail("redirect_301",
    { path: KEY_PATH }),
    fixes: ["redirects", "set TESLA_DOMAIN"] },
  { step: "published key", title: "no connection",
    breaks: (owner) => owner.simulator.fail("hang_up_before", { path: KEY_PATH }), fixes: ["DNS",
      "--skip-check"] },
  { step: "published key", title: "too large",
    breaks: (owner) => host(owner, `${owner.publicKey}${" ".repeat(2 * 1024 * 1024)}`),
      fixes: ["larger than 1 MiB"] },

  { step: "app", title: "a wrong secret",
    breaks: (owner) => owner.setSettings({ TESLA_CLIENT_SECRET: "ta-secret.wrong" }),
    fixes: ["TESLA_CLIENT_SECRET", "copy both again"] },
  { step: "app", title: "an app that Tesla refuses",
    breaks: (owner) => owner.simulator.fail("partner_invalid_audience"),
      fixes: ["vehicle-command/issues/460"] },
  { step: "app", title: "no machine-to-machine grant",
    breaks: (owner) => owner.simulator.fail("unsupported_grant_type"), fixes: ["Machine-to-Machine"] },

  { step: "registration", title: "none in this region",
    breaks: (owner) => { owner.simulator.partner.registrations = {}; }, fixes: ["run register_partner"] },
  { step: "registration", title: "of another domain", breaks: (owner) => {
      const { eu } = owner.simulator.partner.registrations;
      if (eu) eu.domain = "other.example.com";
    }, fixes: ["Tesla has no key for TESLA_DOMAIN", "run register_partner"] },
  { step: "registration", title: "with another key",
    breaks: (owner) => owner.simulator.fail("other_key_on_file"),
    fixes: ["another key on file", "run register_partner"] },

  { step: "login", title: "none", exit: 4, breaks: (owner) => rmSync(owner.path("tesla_token.json")),
    fixes: ["run get_token"] },
  { step: "login", title: "a damaged file", exit: 4, breaks: (owner) => owner.write("tesla_token.json", "{"),
    fixes: ["it is not JSON", "run get_token"] },
  token("an access token that has expired", { obtained_at: ago(1) }, "expired", "run refresh_token"),
  token("a refresh token that is too old", { obtained_at: ago(91), expires_in: 9_000_000 }, "91 days",
    "3 months", "run get_token"),

  { step: "scopes and region", title: "one not granted",
    owner: { scopes: SCOPES.replace(" vehicle_charging_cmds", "") }, breaks: () => {},
    fixes: ["not granted: vehicle_charging_cmds", "run get_token --force", "tick every box"] },
  { step: "scopes and region", title: "one more wanted",
    breaks: (owner) => owner.setSettings({ TESLA_SCOPES: `${SCOPES} vehicle_cmds` }),
    fixes: ["not granted: vehicle_cmds", "run get_token --force"] },

  { step: "scopes and region", title: "another region", breaks: (owner) => {
      owner.simulator.partner.registrations.na = owner.simulator.partner.registrations.eu;
      owner.setSettings({ TESLA_REGION: "na" });
    }, fixes: ["set TESLA_REGION=eu"] },

  setting("TESLA_VIN", "", "fix that in .env", "list_vehicles prints it"),
  setting("TESLA_VIN", "5YJ3012345678OABC", "17 characters"),

  { step: "car", title: "another account's", breaks: (owner) => owner.setSettings({ TESLA_VIN: OTHER_VIN }),
    fixes: [`not in this account: ${VIN}`, "fix TESLA_VIN"] },
  { step: "car", title: "the token is withdrawn", exit: 4,
    breaks: (owner) => owner.simulator.account.accessTokens.clear(), fixes: ["run refresh_token"] },
  { step: "car", title: "the app is switched off", breaks: (owner) => owner.simulator.fail("billing_limit",
    { path: "/vehicles" }),
    fixes: ["raise the limit"] },

  { step: "virtual key", title: "not on the car", breaks: (owner) => owner.simulator.car.pairedKeys.clear(),
    fixes: [`open https://tesla.com/_ak/${DOMAIN}`] },
  { step: "virtual key", title: "TESLA_COMMANDS=rest for a car that wants signatures",
    breaks: (owner) => owner.setSettings({ TESLA_COMMANDS: "rest" }), fixes: ["set TESLA_COMMANDS=signed"] },
  { step: "virtual key", title: "TESLA_COMMANDS=signed for a car that takes none",
    breaks: (owner) => { owner.simulator.car.speaksProtocol = false; }, fixes: ["set TESLA_COMMANDS=rest"] },
];

test("each step is broken by some case", () => {
  assert.deepEqual([...new Set(BREAKS.map(({ step }) => step))], STEPS);
});

describe("one step broken", { concurrency: 3 }, () => {
  for (const each of BREAKS) {
    if (process.platform === "win32" && each.step === "file modes") continue;
    ownerTest(`${each.step}: ${each.title}`, each.owner ?? {}, async (owner) => {
      await each.breaks(owner);
      assertWrong(await check(owner), each.step, each.exit ?? 5, ...each.fixes);
    });
  }

  ownerTest("a public key that is gone: the line's own command brings it back", {}, async (owner) => {
    rmSync(owner.path("public-key.pem"));
    const result = await check(owner);
    assertWrong(result, "key pair", 5, "public-key.pem cannot be used: it is not there", "run generate_key");
    const [, words = ""] = /if you have private-key\.pem: (openssl .*); then run/.exec(result.stderr) ?? [];
    assert.equal(words, "openssl ec -in private-key.pem -pubout -out public-key.pem");
    const [program = "", ...rest] = words.split(" ");
    const { error } = spawnSync(program, rest, { cwd: owner.folder });
    if (error) owner.write("public-key.pem", owner.publicKey); // this machine has no openssl
    assertEnd(await check(owner), 0);
  });
  ownerTest("wrong usage", {}, async (owner) => {
    assertEnd(await owner.run("check_setup", ["--fix"]), 2, /--help|npx tsx/);
    assertEnd(await owner.run("check_setup", ["word"]), 2);
    assert.deepEqual(owner.simulator.requests, []);
  });
});

// ---- The walk: an owner who does what the line says, and nothing else ----

class Walker {
  owner: Owner;
  run: RunOptions;
  knows: Record<string, string>; // what stands on the app's page, and where the owner lives
  told: string[] = []; // every line that was wrong
  constructor(owner: Owner, redirect: string, knows: Record<string, string>) {
    this.owner = owner;
    this.run = { env: { TESLA_REDIRECT_URI: redirect } };
    this.knows = knows;
  }

  /** One setting in .env: in the place of the old one, or at its end; a new file is the owner's alone. */
  set(name: string, value: string): void {
    const old = this.owner.has(".env") ? this.owner.read(".env") : "";
    const others = old.split("\n").filter((line) => line !== "" && !line.startsWith(`${name}=`));
    this.owner.write(".env", `${[...others, `${name}=${value}`].join("\n")}\n`);
  }

  async login(words: string[]): Promise<Result> {
    const { running, address } = await startLogin(this.owner, words, this.run);
    await visit(await this.owner.simulator.consent(address));
    return running.ended;
  }

  /** Runs the command that a line names. What it says when it fails is done too, then it is run again. */
  async command(name: string, words: string[]): Promise<Result> {
    const go = (): Promise<Result> =>
      name === "get_token" ? this.login(words) : this.owner.run(name, words, this.run);
    const result = await go();
    if (result.code === 0) return result;
    const [error = ""] = /^error: .*$/m.exec(result.stderr) ?? [];
    this.told.push(error);
    this.onDeveloperPage(error);
    const again = await (words.includes("--force") || name !== "get_token" ? go() : this.login([...words,
      "--force"]));
    assertEnd(again, 0);
    return again;
  }

  /** What a line says of the app's page on developer.tesla.com. */
  onDeveloperPage(line: string): void {
    const { account, partner } = this.owner.simulator;
    if (line.includes("add https:// and TESLA_DOMAIN")) partner.allowedOrigins.push(`https://${DOMAIN}`);
    else if (line.includes("tick them on your app's page")) account.portalScopes = SCOPES.split(" ");
    else assert.fail(`it does not let the owner go on: ${line}`);
  }

  /** Does what one wrong line says. Whatever it does not say fails the walk. */
  async follow({ text }: Line): Promise<void> {
    const { owner } = this;
    const unset = [...text.matchAll(/(TESLA_\w+) is (?:not set \(|malformed|"[^"]*" \(must be )/g)];
    const named = /set (TESLA_\w+)=(\S+)$/.exec(text);
    const listed = /not in this account: (\w{17}); fix TESLA_VIN$/.exec(text);
    const mode = /run: chmod 600 (.*)$/.exec(text);
    const pairing = /open (https:\/\/tesla\.com\/_ak\/(\S+)) on your phone/.exec(text);
    const command =
      /(?:^|[ ;])run (generate_key|register_partner|refresh_token|get_token)( --force)?\b/.exec(text);
    if (named) this.set(named[1] ?? "", named[2] ?? "");
    else if (listed) this.set("TESLA_VIN", listed[1] ?? "");
    else if (mode) for (const file of (mode[1] ?? "").split(" ")) chmodSync(owner.path(file), 0o600);
    else if (unset.length > 0) {
      assert.match(text, /; fix that in \.env|; there is no \.env in /);
      if (text.includes("list_vehicles prints it")) {
        const { stdout } = await this.command("list_vehicles", []);
        this.knows.TESLA_VIN = /^\w{17}/.exec(stdout)?.[0] ?? "";
      }
      for (const [, name = ""] of unset) {
        assert.ok(this.knows[name], `where is the owner to find ${name}? ${text}`);
        this.set(name, this.knows[name] ?? "");
      }
    } else if (pairing) {
      assert.equal(pairing[2], DOMAIN);
      owner.simulator.car.pair(owner.read("public-key.pem"));
    } else if (text.includes("put public-key.pem there")) host(owner, owner.read("public-key.pem"));
    else if (command) await this.command(command[1] ?? "", command[2] ? ["--force"] : []);
    else this.onDeveloperPage(text);
  }

  /** Round after round until all is well; `after` is told of each step that was put right. */
  async walk(rounds: number, forwardOnly: boolean,
    after: (step: string) => void = () => {}): Promise<string[]> {
    const steps: string[] = [];
    let last = -1;
    for (let round = 1; round <= rounds; round += 1) {
      const result = await check(this.owner, [], this.run);
      const wrong = result.lines.findIndex(({ state }) => state === "wrong");
      const line = result.lines[wrong];
      if (line === undefined) {
        assertEnd(result, 0);
        return steps;
      }
      assert.ok(result.code === 4 || result.code === 5, `exit ${result.code}`);
      const told = `${line.step}: ${line.text}`;
      assert.ok(!this.told.includes(told), `told again, so the fix did not help: ${told}`);
      this.told.push(told);
      if (forwardOnly) assert.ok(wrong >= last, `back from ${STEPS[last]} to ${line.step}`);
      last = wrong;
      steps.push(line.step);
      await this.follow(line);
      after(line.step);
    }
    return assert.fail(`not done after ${rounds} rounds:\n${this.told.join("\n")}`);
  }
}

const EMPTY: OwnerOptions = { keys: false, registered: false, loggedIn: false };
const OWN = { TESLA_CLIENT_ID: CLIENT_ID, TESLA_CLIENT_SECRET: CLIENT_SECRET, TESLA_REGION: "eu",
  TESLA_DOMAIN: DOMAIN };

async function newWalker(owner: Owner): Promise<Walker> {
  const redirect = await useRedirect(owner);
  rmSync(owner.path(".env"));
  assert.deepEqual(readdirSync(owner.folder), []);
  return new Walker(owner, redirect, { ...OWN });
}

/** Everything works now. */
async function assertWorks(owner: Owner): Promise<void> {
  assertEnd(await owner.run("read_charge"), 0);
  const amps = await owner.run("set_charge_amps", ["9"]);
  assertEnd(amps, 0);
  assert.equal(owner.simulator.car.amps, 9);
}

describe("the walk", { concurrency: 3 }, () => {
  ownerTest("from an empty folder to changed amps, doing only what check_setup says", EMPTY,
    async (owner) => {
    const walker = await newWalker(owner);
    let nights = 0;
    const steps = await walker.walk(15, true, (step) => {
      // After the login comes a night in which the access token expires.
      if (step !== "login" || nights > 0) return;
      nights += 1;
      const token = JSON.parse(owner.read("tesla_token.json")) as Record<string, unknown>;
      owner.write("tesla_token.json", JSON.stringify({ ...token, obtained_at: ago(0.5) }));
    });
    assert.deepEqual(steps, ["settings", "key pair", "published key", "registration", "login", "login", "VIN",
      "virtual key"]);
    assert.ok(walker.told.some((line) => line.includes("run refresh_token")), walker.told.join("\n"));
    await assertWorks(owner);
  });

  ownerTest("an owner whose every setting is wrong", EMPTY, async (owner) => {
    const walker = await newWalker(owner);
    const { partner, account } = owner.simulator;
    partner.allowedOrigins = [];
    account.portalScopes = SCOPES.split(" ").slice(0, 3);
    const wrong = { ...OWN, TESLA_REGION: "na", TESLA_DOMAIN: `https://${DOMAIN}/`, TESLA_VIN: OTHER_VIN,
      TESLA_COMMANDS: "rest" };
    appendFileSync(owner.path(".env"), Object.entries(wrong).map(([name,
      value]) => `${name}=${value}\n`).join(""),
      { mode: 0o600 });
    assertEnd(await owner.run("generate_key"), 0);
    chmodSync(owner.path("private-key.pem"), 0o644);
    host(owner, "<html>hello</html>");
    const steps = await walker.walk(15, false);
    for (const step of ["settings", "file modes", "published key", "registration", "login",
      "scopes and region", "car", "virtual key"]) {
      assert.ok(steps.includes(step), `${step} was not met: ${steps.join(", ")}`);
    }
    await assertWorks(owner);
  });
});

