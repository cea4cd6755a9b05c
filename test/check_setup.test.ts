// check_setup: on a good set-up every line is ok and exactly the announced requests arrive; with one step
// broken it names that step and its mend; it writes nothing; and who does only what it says, from an empty
// folder on, arrives at a working set-up.
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { appendFileSync, chmodSync, readFileSync, readdirSync, rmSync, statSync } from "node:fs";
import { describe, test } from "node:test";
import {
  CLIENT_ID, CLIENT_SECRET, DOMAIN, SCOPES, VIN, assertEnd, calls, ownerTest, startLogin, useRedirect,
  visit, type Owner, type OwnerOptions, type Result, type RunOptions,
  useFewProcesses,
} from "./harness.ts";

useFewProcesses();

const STEPS = ["Node", "settings", "key pair", "file modes", "published key", "app", "registration", "login",
  "scopes",
  "region", "VIN", "car", "virtual key", "session"];
const KEY = "/.well-known/appspecific/com.tesla.3p.public-key.pem";
const FLEET = "fleet-api.prd.eu.vn.cloud.tesla.com";
const OTHER_VIN = "5YJ30123456789ABD";

// What the words of the announcement stand for.
const ANNOUNCED: Record<string, string> = {
  "the key on your domain": `GET ${DOMAIN}${KEY}`,
  "a partner token": "POST fleet-auth.prd.vn.cloud.tesla.com/oauth2/v3/token",
  "the key that Tesla has on file": `GET ${FLEET}/api/1/partner_accounts/public_key?domain=${DOMAIN}`,
  "the list of your cars ($0.002)": `GET ${FLEET}/api/1/vehicles`,
  "fleet_status ($0.002)": `POST ${FLEET}/api/1/vehicles/fleet_status`,
};

interface Line { step: string; state: string; text: string }

/** Everything in the folder: names, bytes, modes and times. The time of the last reading may change. */
function snapshot(owner: Owner): string[] {
  return readdirSync(owner.folder, { recursive: true, encoding: "utf8" }).sort().map((name) => {
    const { mode, mtimeNs, ctimeNs, ino, size } = statSync(owner.path(name), { bigint: true });
    const bytes = readFileSync(owner.path(name)).toString("hex");
    return `${name} ${mode} ${mtimeNs} ${ctimeNs} ${ino} ${size} ${bytes}`;
  });
}

function linesOf(stdout: string): Line[] {
  return stdout.trimEnd().split("\n").map((line) => {
    const [, state = "", step = "",
      text = ""] = /^(ok|wrong|left out|waiting) +([^:]+): (.*)$/.exec(line) ?? [];
    assert.notEqual(step, "", `not a line of the checklist: "${line}"`);
    return { step, state, text };
  });
}

/** The requests that it says it makes, before it makes any. */
function announcedIn(stderr: string): string[] {
  const beforeAny = stderr.split(/^(?:GET|POST) /m)[0] ?? "";
  const listed = [...beforeAny.matchAll(/^(?:not billed|billed): (.*)$/gm)].flatMap(([,
    list = ""]) => list.split(", "));
  return listed.map((words) => {
    assert.ok(ANNOUNCED[words] !== undefined, `announces "${words}", which no request stands for`);
    return ANNOUNCED[words];
  });
}

// Runs it; nothing may be written, and nothing sent that is not announced, nor in another order.
async function check(owner: Owner, words: string[] = [],
  options: RunOptions = {}): Promise<Result & { lines: Line[] }> {
  const before = snapshot(owner);
  const result = await owner.run("check_setup", words, options);
  assert.deepEqual(snapshot(owner), before, "it wrote something");
  const announced = announcedIn(result.stderr);
  if ((owner.options.domain ?? DOMAIN) === DOMAIN && (owner.options.region ?? "eu") === "eu") {
    const sent = calls(result.requests);
    const other = sent.filter((call) => !announced.includes(call.replaceAll(/\.(na|cn)\./g, ".eu.")));
    assert.deepEqual(other, [], "requests that were not announced");
    assert.equal(new Set(sent).size, sent.length, "a request was sent twice");
  }
  const json = words.includes("--json");
  const lines = json ? (JSON.parse(result.stdout) as { steps: Line[] }).steps : linesOf(result.stdout);
  assert.deepEqual(lines.map(({ step }) => step), STEPS);
  return { ...result, lines };
}

/** The one step that is wrong: what came before is ok, what comes later waits. */
function assertWrong(result: Result & { lines: Line[] }, step: string, exit: number,
  ...mends: (string | RegExp)[]): void {
  assert.equal(result.code, exit, `exit ${result.code} and not ${exit}:\n${result.stdout}${result.stderr}`);
  const at = STEPS.indexOf(step);
  for (const [index, line] of result.lines.entries()) {
    const wanted = index < at ? ["ok"] : index === at ? ["wrong"] : ["waiting", "ok"];
    assert.ok(wanted.includes(line.state), `${line.step} is ${line.state}:\n${result.stdout}`);
  }
  const text = result.lines[at]?.text ?? "";
  assert.match(result.stderr, /^error: .*; then run check_setup again\n$/m);
  assert.ok(result.stderr.includes(`error: ${step}: ${text}; then`), result.stderr);
  for (const mend of mends) {
    assert.ok(typeof mend === "string" ? text.includes(mend) : mend.test(text),
      `does not say ${mend}: ${text}`);
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
  ownerTest("every line is ok; exactly the announced requests, and the two that are billed", {},
    async (owner) => {
    const result = await check(owner);
    assertEnd(result, 0);
    assert.deepEqual(result.lines.filter(({ state }) => state !== "ok"), []);
    assert.deepEqual(calls(result.requests), announcedIn(result.stderr));
    assert.deepEqual(announcedIn(result.stderr), Object.values(ANNOUNCED));
    const { data, command, wake } = owner.simulator.bill();
    assert.deepEqual({ data, command, wake }, { data: 2, command: 0, wake: 0 });
    // What the secret is for: the domain gets none, the token host no token, Fleet API no client secret.
    for (const { host: name, headers, body } of result.requests) {
      assert.equal(headers.authorization !== undefined, name === FLEET, name);
      assert.equal(body.includes(CLIENT_SECRET), name.startsWith("fleet-auth"), name);
    }
    assert.doesNotMatch(result.stdout, new RegExp(CLIENT_SECRET));
  });

  ownerTest("--free leaves out what is billed, and says so", {}, async (owner) => {
    const result = await check(owner, ["--free"]);
    assertEnd(result, 0, /^left out: the list of your cars \(\$0\.002\), fleet_status \(\$0\.002\)$/m);
    assert.deepEqual(result.lines.filter(({ state }) => state === "left out").map(({ step }) => step),
      ["car", "virtual key"]);
    assert.ok(result.lines.every(({ state }) => state === "ok" || state === "left out"), result.stdout);
    assert.deepEqual(calls(result.requests), announcedIn(result.stderr));
    assert.equal(owner.simulator.bill().data, 0);
  });

  ownerTest("--skip-check does not look at the domain, and does not announce it", {}, async (owner) => {
    owner.simulator.partner.hosting = { kind: "none" };
    const result = await check(owner, ["--skip-check"]);
    assertEnd(result, 0);
    assert.deepEqual(result.lines.filter(({ state }) => state !== "ok").map(({ step }) => step),
      ["published key"]);
    assert.deepEqual(calls(result.requests), Object.values(ANNOUNCED).slice(1));
    assert.deepEqual(announcedIn(result.stderr), Object.values(ANNOUNCED).slice(1));
  });

  ownerTest("--json says the same in one object, right or wrong", {}, async (owner) => {
    const plain = await check(owner);
    const result = await check(owner, ["--json"]);
    assertEnd(result, 0);
    const json = JSON.parse(result.stdout) as { ok: boolean; steps: Line[] };
    assert.deepEqual(Object.keys(json), ["ok", "steps"]);
    assert.equal(json.ok, true);
    assert.deepEqual(json.steps, plain.lines);
    assert.deepEqual(calls(result.requests), announcedIn(result.stderr));
    owner.simulator.car.pairedKeys.clear();
    const wrong = await check(owner, ["--json"]);
    assertWrong(wrong, "virtual key", 5, "open https://tesla.com/_ak/");
    assert.equal((JSON.parse(wrong.stdout) as { ok: boolean }).ok, false);
  });

  ownerTest("a session that is kept is ok, a sleeping car too; without a session the line says so",
    { scopes: `${SCOPES} vehicle_cmds` }, async (owner) => {
    assert.match((await check(owner)).lines.at(-1)?.text ?? "", /2 requests/);
    assertEnd(await owner.run("send_command", ["door_lock"]), 0); // of the car's other computer
    assert.match((await check(owner)).lines.at(-1)?.text ?? "", /2 requests/);
    owner.write("tesla_session.json", owner.read("tesla_session.json").replaceAll(VIN, OTHER_VIN));
    assert.match((await check(owner)).lines.at(-1)?.text ?? "", /2 requests/);
    assertEnd(await owner.run("set_charge_amps", ["10"]), 0);
    const kept = owner.read("tesla_session.json");
    owner.write("tesla_session.json", kept.replaceAll('"stale": false', '"stale": true'));
    assert.match((await check(owner)).lines.at(-1)?.text ?? "", /2 requests/);
    owner.write("tesla_session.json", kept);
    owner.simulator.car.awake = false;
    const result = await check(owner);
    assertEnd(result, 0);
    assert.match(result.lines.at(-1)?.text ?? "", /1 request$/);
    assert.equal(owner.simulator.car.awake, false);
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
    const token = JSON.parse(owner.logIn()) as { access_token: string };
    const { accessTokens } = owner.simulator.account;
    const granted = accessTokens.get(token.access_token);
    assert.ok(granted);
    accessTokens.set("opaque-access-token-0123456789", granted);
    owner.write("tesla_token.json", JSON.stringify({ ...token,
      access_token: "opaque-access-token-0123456789" }));
    assertEnd(await owner.run("read_charge"), 0);
    assertEnd(await check(owner), 0);
  });
});

// ---- One step broken ----

interface Break {
  step: string;
  title: string;
  exit?: number; // 5 unless told
  owner?: OwnerOptions;
  run?: RunOptions;
  breaks: (owner: Owner) => unknown;
  mends: (string | RegExp)[];
}

const OLD_NODE = `const value = { ...process.versions, node: "20.17.0" };
Object.defineProperty(process, "versions", { value });`;

function setting(name: string, value: string, ...mends: (string | RegExp)[]): Break {
  const title = value === "" ? `${name} missing` : `${name}=${value}`;
  return { step: name === "TESLA_VIN" && value === "" ? "VIN" : "settings", title, mends: [name, ...mends],
    breaks: (owner) => owner.setSettings({ [name]: value }) };
}

function token(title: string, changes: Record<string, unknown>, ...mends: (string | RegExp)[]): Break {
  return { step: "login", title, exit: 4, breaks: (owner) => owner.logIn(changes), mends };
}

function ago(days: number): string {
  return new Date(Date.now() - days * 86_400_000).toISOString();
}

const BREAKS: Break[] = [
  { step: "Node", title: "too old", breaks: () => {}, mends: ["20.17", "install 20.18 or later"],
    run: { node: ["--import", `data:text/javascript,${encodeURIComponent(OLD_NODE)}`] } },

  { step: "settings", title: "no .env", breaks: (owner) => rmSync(owner.path(".env")),
    mends: ["TESLA_CLIENT_ID is not set", "put it into .env", "developer.tesla.com"] },
  setting("TESLA_CLIENT_ID", "", "put it into .env"),
  setting("TESLA_CLIENT_SECRET", "", "put it into .env", "developer.tesla.com"),
  setting("TESLA_REGION", "", "na (North America", "eu (Europe"),
  setting("TESLA_REGION", "EU", 'found "EU"', "eu (Europe"),
  setting("TESLA_DOMAIN", "", "put it into .env"),
  setting("TESLA_DOMAIN", `https://${DOMAIN}`, "without https://"),
  setting("TESLA_DOMAIN", "Car.example.com", "small letters"),
  setting("TESLA_DOMAIN", "pi.local", "your public domain"),
  setting("TESLA_REDIRECT_URI", "localhost:3000", "Allowed Redirect URI"),
  setting("TESLA_COMMANDS", "sign", "signed (nearly every car)"),
  setting("TESLA_SCOPES", "vehicle_device_data", "openid and offline_access"),
  { ...setting("TESLA_COMMANDS", "proxy"), mends: ["TESLA_PROXY_URL is not set", "https://HOST:PORT"] },

  { step: "key pair", title: "none", breaks: (owner) => {
      rmSync(owner.path("private-key.pem"));
      rmSync(owner.path("public-key.pem"));
    }, mends: ["run generate_key"] },
  { step: "key pair", title: "no private key", breaks: (owner) => rmSync(owner.path("private-key.pem")),
    mends: ["private-key.pem", "copy yours here"] },
  { step: "key pair", title: "halves of two pairs",
    breaks: (owner) => owner.write("public-key.pem", newPublicKey()), mends: ["does not belong",
      "copy the right pair"] },
  { step: "key pair", title: "another curve",
    breaks: (owner) => owner.write("public-key.pem", newPublicKey("secp384r1")), mends: ["P-256",
      "generate_key"] },

  { step: "file modes", title: "a key that others can read",
    breaks: (owner) => chmodSync(owner.path("private-key.pem"), 0o644),
      mends: ["run: chmod 600 private-key.pem"] },
  { step: "file modes", title: "tokens that others can read",
    breaks: (owner) => chmodSync(owner.path("tesla_token.json"), 0o640),
      mends: ["run: chmod 600 tesla_token.json"] },

  { step: "published key", title: "not there",
    breaks: (owner) => { owner.simulator.partner.hosting = { kind: "none" }; },
    mends: ["404", "put public-key.pem there", "serve_public_key"] },
  { step: "published key", title: "another key", breaks: (owner) => host(owner, newPublicKey()),
    mends: ["another key", "put public-key.pem there"] },
  { step: "published key", title: "a web page", breaks: (owner) => host(owner, "<html>welcome</html>"),
    mends: ["it is a web page", "put public-key.pem there"] },
  { step: "published key", title: "the private key", breaks: (owner) => host(owner,
    owner.read("private-key.pem")),
    mends: ["private key", "must stay with you"] },
  { step: "published key", title: "a redirect", breaks: (owner) => owner.simulator.fail("redirect_301",
    { path: KEY }),
    mends: ["redirects", "set TESLA_DOMAIN"] },
  { step: "published key", title: "no connection",
    breaks: (owner) => owner.simulator.fail("hang_up_before", { path: KEY }), mends: ["DNS",
      "--skip-check"] },
  { step: "published key", title: "too large",
    breaks: (owner) => host(owner, `${owner.publicKey}${" ".repeat(2 * 1024 * 1024)}`),
      mends: ["larger than 1 MiB"] },

  { step: "app", title: "a wrong secret",
    breaks: (owner) => owner.setSettings({ TESLA_CLIENT_SECRET: "ta-secret.wrong" }),
    mends: ["TESLA_CLIENT_SECRET", "copy both anew"] },
  { step: "app", title: "an app that Tesla refuses",
    breaks: (owner) => owner.simulator.fail("partner_invalid_audience"),
      mends: ["vehicle-command/issues/460"] },
  { step: "app", title: "no machine-to-machine grant",
    breaks: (owner) => owner.simulator.fail("unsupported_grant_type"), mends: ["Machine-to-Machine"] },

  { step: "registration", title: "none in this region",
    breaks: (owner) => { owner.simulator.partner.registrations = {}; }, mends: ["run register_partner"] },
  { step: "registration", title: "of another domain", breaks: (owner) => {
      const { eu } = owner.simulator.partner.registrations;
      if (eu) eu.domain = "other.example.com";
    }, mends: ["no key on file", "run register_partner"] },
  { step: "registration", title: "with another key",
    breaks: (owner) => owner.simulator.fail("other_key_on_file"),
    mends: ["another key on file", "run register_partner"] },

  { step: "login", title: "none", exit: 4, breaks: (owner) => rmSync(owner.path("tesla_token.json")),
    mends: ["run get_token"] },
  { step: "login", title: "a damaged file", exit: 4, breaks: (owner) => owner.write("tesla_token.json", "{"),
    mends: ["it is no JSON", "run get_token"] },
  token("an access token that has expired", { obtained_at: ago(1) }, "expired", "run refresh_token"),
  token("a refresh token that is too old", { obtained_at: ago(91), expires_in: 9_000_000 }, "91 days",
    "3 months", "run get_token"),

  { step: "scopes", title: "one not granted", owner: { scopes: SCOPES.replace(" vehicle_charging_cmds", "") },
    breaks: () => {}, mends: ["not granted: vehicle_charging_cmds", "run get_token --force",
      "tick every box"] },
  { step: "scopes", title: "one more wanted",
    breaks: (owner) => owner.setSettings({ TESLA_SCOPES: `${SCOPES} vehicle_cmds` }),
    mends: ["not granted: vehicle_cmds", "run get_token --force"] },

  { step: "region", title: "another", breaks: (owner) => {
      owner.simulator.partner.registrations.na = owner.simulator.partner.registrations.eu;
      owner.setSettings({ TESLA_REGION: "na" });
    }, mends: ["set TESLA_REGION=eu"] },

  setting("TESLA_VIN", "", "put it into .env", "list_vehicles prints it"),
  setting("TESLA_VIN", "5YJ3012345678OABC", "17 characters"),

  { step: "car", title: "another account's", breaks: (owner) => owner.setSettings({ TESLA_VIN: OTHER_VIN }),
    mends: [`which has ${VIN}`, "mend TESLA_VIN"] },
  { step: "car", title: "the token is withdrawn", exit: 4,
    breaks: (owner) => owner.simulator.account.accessTokens.clear(), mends: ["run refresh_token"] },
  { step: "car", title: "the app is switched off", breaks: (owner) => owner.simulator.fail("billing_limit",
    { path: "/vehicles" }),
    mends: ["raise the limit"] },

  { step: "virtual key", title: "not on the car", breaks: (owner) => owner.simulator.car.pairedKeys.clear(),
    mends: [`open https://tesla.com/_ak/${DOMAIN}`] },
  { step: "virtual key", title: "TESLA_COMMANDS=rest for a car that wants signatures",
    breaks: (owner) => owner.setSettings({ TESLA_COMMANDS: "rest" }), mends: ["set TESLA_COMMANDS=signed"] },
  { step: "virtual key", title: "TESLA_COMMANDS=signed for a car that takes none",
    breaks: (owner) => { owner.simulator.car.speaksProtocol = false; }, mends: ["set TESLA_COMMANDS=rest"] },

  { step: "session", title: "damaged", breaks: (owner) => owner.write("tesla_session.json", "{]"),
    mends: ["delete tesla_session.json"] },
  { step: "session", title: "of another key", breaks: async (owner) => {
      assertEnd(await owner.run("set_charge_amps", ["10"]), 0);
      const text = owner.read("tesla_session.json").replace(/("clientKey": "04)(.)/, (_, start: string,
        digit: string) =>
        `${start}${digit === "0" ? "1" : "0"}`);
      owner.write("tesla_session.json", text);
    }, mends: ["delete tesla_session.json"] },
];

test("each step but the ones before it is broken by some case", () => {
  assert.deepEqual([...new Set(BREAKS.map(({ step }) => step))], STEPS);
});

describe("one step broken", { concurrency: 3 }, () => {
  for (const each of BREAKS) {
    if (process.platform === "win32" && each.step === "file modes") continue;
    ownerTest(`${each.step}: ${each.title}`, each.owner ?? {}, async (owner) => {
      await each.breaks(owner);
      assertWrong(await check(owner, [], each.run), each.step, each.exit ?? 5, ...each.mends);
    });
  }

  ownerTest("a client secret that others can read", {}, async (owner) => {
    chmodSync(owner.path(".env"), 0o644);
    if (process.platform !== "win32") assertEnd(await check(owner), 0, "better: chmod 600 .env");
  });
  ownerTest("a public key that is gone: what it says can be done", {}, async (owner) => {
    rmSync(owner.path("public-key.pem"));
    const before = owner.read("private-key.pem");
    const result = await check(owner);
    assertWrong(result, "key pair", 5, "public-key.pem");
    if (!/run generate_key/.test(result.stdout)) return;
    assertEnd(await owner.run("generate_key"), 0); // else the advice leads nowhere
    assert.equal(owner.read("private-key.pem"), before, "the pairing is lost");
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
    const missing = /^(TESLA_\w+) is not set: put it into \.env in this folder/.exec(text);
    const malformed = /^(TESLA_\w+) is malformed: found/.exec(text);
    const named = /set (TESLA_\w+)=(\S+)$/.exec(text);
    const listed = /not in this account, which has (\w{17}); mend TESLA_VIN/.exec(text);
    const mode = /run: chmod 600 (.*)$/.exec(text);
    const pairing = /open (https:\/\/tesla\.com\/_ak\/(\S+)) on your phone/.exec(text);
    const command =
      /(?:^|[ ;])run (generate_key|register_partner|refresh_token|get_token)( --force)?\b/.exec(text);
    if (named) this.set(named[1] ?? "", named[2] ?? "");
    else if (listed) this.set("TESLA_VIN", listed[1] ?? "");
    else if (mode) for (const file of (mode[1] ?? "").split(" ")) chmodSync(owner.path(file), 0o600);
    else if (missing || malformed) {
      const name = (missing ?? malformed)?.[1] ?? "";
      if (text.includes("list_vehicles prints it")) {
        const { stdout } = await this.command("list_vehicles", []);
        this.knows.TESLA_VIN = /^\w{17}/.exec(stdout)?.[0] ?? "";
      }
      assert.ok(this.knows[name], `where is the owner to find ${name}? ${text}`);
      this.set(name, this.knows[name] ?? "");
    } else if (pairing) {
      assert.equal(pairing[2], DOMAIN);
      owner.simulator.car.pair(owner.read("public-key.pem"));
    } else if (text.includes("put public-key.pem there")) host(owner, owner.read("public-key.pem"));
    else if (/delete tesla_session\.json/.test(text)) rmSync(owner.path("tesla_session.json"));
    else if (command) await this.command(command[1] ?? "", command[2] ? ["--force"] : []);
    else this.onDeveloperPage(text);
  }

  /** Round after round until all is well; `after` is told of each mended step. */
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
      assert.ok(!this.told.includes(told), `told again, so the mend did not help: ${told}`);
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
  assert.equal(amps.stdout, "9\n");
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
    assert.deepEqual(steps, ["settings", "settings", "settings", "settings", "key pair", "published key",
      "registration",
      "login", "login", "VIN", "virtual key"]);
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
    for (const step of ["settings", "file modes", "published key", "registration", "login", "region", "car",
      "virtual key"]) {
      assert.ok(steps.includes(step), `${step} was not met: ${steps.join(", ")}`);
    }
    await assertWorks(owner);
  });
});

