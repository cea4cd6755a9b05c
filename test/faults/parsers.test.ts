// Everything that reads what others wrote, against whatever others may write: settings, token file, session
// file, pasted address, keys, Tesla's answers, the car's answers, arguments, command parameters. Each input
// ends in a right value, or in one clean line of our own with the right exit code, soon, and tells no secret.
//
//   PARSER_SEED=42   the same inputs again (the last line of a run says its seed)
//   PARSER_RUNS=20   twenty times as many as stand here; `npm test` tries 0.3 times, `npm run test:long` 3 times
import assert from "node:assert/strict";
import { createECDH, ECDH, generateKeyPairSync, randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync as writeFile } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { after } from "node:test";
import timers from "node:timers/promises";
import fc from "fast-check";
import { Dispatcher, setGlobalDispatcher } from "undici";
import { clean, startScript } from "../../lib/command_line.ts";
import { pointIn, readPrivateKey, readPublicKey } from "../../lib/key_files.ts";
import { useLoginCode } from "../../lib/login_answer.ts";
import { partnerToken, publishedPoint, registeredPoint } from "../../lib/partner.ts";
import { withLock } from "../../lib/safe_file.ts";
import { readSettings } from "../../lib/settings.ts";
import { COMMANDS, type Parameter } from "../../lib/signing/commands.ts";
import { encodeCommand } from "../../lib/signing/encode_command.ts";
import { isUsable, keepSession, readSession, SESSION_FILE, sessionInfoIn, type Session }
  from "../../lib/signing/session.ts";
import { openAnswer, signedMessage, verdictOf } from "../../lib/signing/signed_message.ts";
import { bytesAt, encodeFields, numberAt, valueAt, type Field } from "../../lib/signing/wire.ts";
import { askFleetApi, askProxy, askTokenHost } from "../../lib/tesla_fetch.ts";
import { claimsOf, expiryOf } from "../../lib/token_claims.ts";
import { readToken, TOKEN_FILE, tokenFileText } from "../../lib/token_file.ts";
import { encryptResponse, requestHash, sessionInfoTag, sharedKey } from "../simulator/protocol/crypto.ts";
import { VIN } from "../simulator/tesla/tesla.ts";
import { anyJson, anyText, damagedOnce, endOf, jsonLike, OPEN, PLAIN, property, spoilt, textOf, type End }
  from "./parser_tools.ts";

const PROJECT = join(import.meta.dirname, "../..");
const folder = mkdtempSync(join(tmpdir(), "tesla-parsers-"));
process.chdir(folder);
after(() => {
  process.chdir(PROJECT);
  rmSync(folder, { recursive: true, force: true });
});
for (const name of Object.keys(process.env)) if (name.startsWith("TESLA_")) delete process.env[name];
timers.setTimeout = (async () => {}) as unknown as typeof timers.setTimeout; // no script waits in here
syncBuiltinESMExports();

// A new file: some disks flush one that is written over, which takes six times as long.
function write(name: string, content: string | Buffer, encoding: BufferEncoding = "utf8"): void {
  rmSync(name, { force: true });
  writeFile(name, content, { encoding, mode: 0o600 });
}

const SECRET = "qZ7!kPw3&vT9~mRx(5"; // the client secret where one is needed: every mark is one to escape
const one = fc.constantFrom;

// ---- Settings ----

const SETTINGS: Record<string, fc.Arbitrary<string>> = {
  TESLA_CLIENT_ID: fc.stringMatching(/^[\w-]{8,36}$/),
  TESLA_CLIENT_SECRET: fc.stringMatching(/^[!-~]{8,40}$/),
  TESLA_REDIRECT_URI: one("http://localhost:3000/callback", "https://car.example.com/a/b"),
  TESLA_REGION: one("na", "eu", "cn"),
  TESLA_DOMAIN: one("car.example.com", "x1.a-b.io", "xn--bcher-kva.example"),
  TESLA_VIN: fc.stringMatching(/^[A-HJ-NPR-Z0-9]{17}$/),
  TESLA_COMMANDS: one("signed", "proxy", "rest"),
  TESLA_PROXY_URL: one("https://localhost:4443", "http://127.0.0.1:8080/", "https://proxy.example"),
  TESLA_SCOPES: one("openid offline_access", "openid vehicle_device_data offline_access vehicle_cmds"),
};
const NAMES = Object.keys(SETTINGS);
const ENV = `# a car with a screen of 15"\nTESLA_CLIENT_ID=0a1b2c3d-4e5f\nTESLA_CLIENT_SECRET=@1@2@\n`
  + `TESLA_REGION='eu'\nTESLA_VIN="${VIN}" # mine, 17"\nexport TESLA_DOMAIN=car.example.com\n`
  + "TESLA_COMMANDS=proxy\nTESLA_PROXY_URL=https://localhost:4443\nTESLA_SCOPES=openid offline_access\n";

property(".env: any bytes give settings that fit, or exit 5", 3000,
  fc.tuple(spoilt(one(ENV), 1), fc.subarray(NAMES, { minLength: 1 }),
    one(SECRET, `"${SECRET} x"`, `ü${SECRET}`)),
  async ([bytes, names, secret]) => {
    // The damage is around the secret: what is damaged itself no check could know again.
    const text = bytes.toString("latin1").replaceAll("@1@2@", secret);
    write(".env", text, "latin1");
    const isJoined = !/^TESLA_CLIENT_SECRET=/m.test(text) || /[=:]\s*["'`][^"'`\n]*$/m.test(text);
    const secrets = isJoined && OPEN.has("joined lines") ? [] : [SECRET];
    const { value } = await endOf(() => readSettings(names), [5], secrets);
    if (!value) return;
    assert.deepEqual(Object.keys(value), names);
    for (const [name, text] of Object.entries(value)) {
      assert.match(text, name === "TESLA_SCOPES" ? /^[a-z_]+( [a-z_]+)*$/ : /^\S+$/, name);
      assert.ok(!/[^!-~ ]/.test(text) || /_UR[IL]$/.test(name), name);
      if (/_UR[IL]$/.test(name)) assert.match(new URL(text).protocol, /^https?:$/);
    }
    assert.ok(["na", "eu", "cn"].includes(value.TESLA_REGION ?? "na"));
    assert.equal((value.TESLA_VIN ?? VIN).length, 17);
  });

// The ways in which dotenv takes a value, and for which values.
const quotes = (mark: string) => (text: string): boolean => !text.includes(mark) && !text.endsWith("\\");
const isBare = (text: string): boolean => !text.includes("#") && !/^['"`]/.test(text);
const FORMS: [string, string, (text: string) => boolean][] = [
  ["N=", "", isBare], ["export N=", "", isBare], ["  N = ", "  ", isBare], ["N: ", "", isBare],
  ["N=", " # a 'comment'", isBare], ["N='", "'", quotes("'")], ["N=`", "` # 'so'", quotes("`")],
  ["N = \"", "\" # as \"it\" is", (text) => quotes("\"")(text) && !/\\[nr]/.test(text)],
];

property(".env: a value is read as it was written, in every way that dotenv takes", 3000, fc.record({
  values: fc.record(SETTINGS), order: fc.shuffledSubarray(NAMES, { minLength: NAMES.length }),
  forms: fc.array(one(...FORMS), { minLength: NAMES.length, maxLength: NAMES.length }),
  mark: one("", "\ufeff"), end: one("\n", "\r\n", "\r"),
  between: one("", "# it's \"so\"", "#TESLA_VIN=x", " ", "A=1"),
  stale: fc.subarray(NAMES), set: fc.subarray(NAMES),
}), async ({ values, order, forms, mark, end, between, stale, set }) => {
  const lines = [...stale.map((name) => `${name}=stale`), ...order.map((name, index) => {
    const text = values[name] ?? "";
    const fit = [forms[index], ...FORMS].find((form) => form?.[2](text));
    fc.pre(fit !== undefined);
    return `${fit?.[0].replace("N", name)}${text}${fit?.[1]}`;
  })];
  const wanted: Record<string, string> = { ...values };
  for (const name of set) process.env[name] = wanted[name] = name === "TESLA_REGION" ? "cn" : values[name];
  write(".env", mark + lines.join(`${end}${between}${end}`) + end);
  const { value, line } = await endOf(() => readSettings(NAMES), [5]);
  for (const name of NAMES) delete process.env[name];
  assert.deepEqual(value, wanted, line);
});

// ---- The token file ----

function jwt(claims: string): string {
  return `eyJhbGciOiJSUzI1NiJ9.${Buffer.from(claims).toString("base64url")}.c2lnbmF0dXJl`;
}
const CLAIMS = { scp: ["openid", "vehicle_device_data"], ou_code: "EU", exp: 1_900_000_000 };
const ACCESS = jwt(JSON.stringify(CLAIMS));
const REFRESH = `EU_${"5e1f0c9a".repeat(4)}`;
const TOKEN = { access_token: ACCESS, refresh_token: REFRESH, id_token: "eyJ.a.b", expires_in: 28_800,
  obtained_at: "2026-01-01T12:00:00.000Z" };
const isToken = (value: unknown): boolean => typeof value === "string" && /^[!-~]+$/.test(value);

property("the token file: any bytes give two tokens, or exit 4", 3000, jsonLike(TOKEN), async (bytes) => {
  write(TOKEN_FILE, bytes);
  const { value, code } = await endOf(() => readToken(), [4], [ACCESS, REFRESH]);
  if (code === 0) assert.ok(isToken(value?.access_token) && isToken(value?.refresh_token));
});

const visible = fc.stringMatching(/^[!-~]{1,60}$/);
property("the token file: what is written is what is read", 1500,
  fc.record({ access_token: visible, refresh_token: visible, expires_in: fc.nat(10 ** 6),
    more: fc.jsonValue() }),
  async (answer) => {
    write(TOKEN_FILE, tokenFileText(answer));
    const begin = Date.now();
    const { obtained_at, ...read } = readToken();
    assert.deepEqual(read, JSON.parse(JSON.stringify(answer)));
    assert.ok(Math.abs(Date.parse(obtained_at ?? "") - begin) < 2000);
    const expiry = expiryOf({ ...read, obtained_at })?.getTime() ?? 0;
    assert.ok(Math.abs(expiry - begin - answer.expires_in * 1000) < 2000);
  });

const TOKEN_TEXT = Buffer.from(`${JSON.stringify(TOKEN, null, 2)}\n`);
property("the token file: a damaged byte is in the token itself, or harmless, or told; a cut is told", 3000,
  damagedOnce(TOKEN_TEXT.subarray(0, -1)), async ({ at, bytes }) => {
    write(TOKEN_FILE, bytes);
    const { value } = await endOf(() => readToken(), [4]);
    for (const [name, right] of [["access_token", ACCESS], ["refresh_token", REFRESH]] as const) {
      const from = TOKEN_TEXT.indexOf(right);
      const inside = at >= from && at <= from + right.length;
      if (value && !inside) assert.equal(value[name], right);
      if (value) assert.ok(Math.abs(value[name].length - right.length) <= 1);
    }
    write(TOKEN_FILE, TOKEN_TEXT.subarray(0, at)); // without its end
    assert.equal((await endOf(() => readToken(), [4], [ACCESS, REFRESH])).code, 4);
  });

property("tokens: expiry and claims of any JSON, and Tesla's answers to a swap", 3000,
  fc.tuple(jsonLike(CLAIMS), jsonLike(TOKEN)), async ([claims, bytes]) => {
    const token = { ...TOKEN, access_token: jwt(claims.toString("latin1")) };
    const read = await endOf(() => claimsOf(token), []);
    const { scopes = [], region = "", expires = 0 } = read.value ?? {};
    for (const text of [...scopes, region]) assert.doesNotMatch(text, /\p{Cc}/u);
    assert.equal(typeof expires, "number");
    let answer: Record<string, unknown>;
    try { answer = Object(JSON.parse(String(bytes))); } catch { return; }
    const { value } = await endOf(() => tokenFileText(answer), [1], [ACCESS, REFRESH]);
    if (value === undefined) return;
    write(TOKEN_FILE, value);
    const expiry = expiryOf({ ...readToken(), obtained_at: answer.obtained_at as string });
    const isTime = OPEN.has("no time") || expiry === undefined || !Number.isNaN(expiry.getTime());
    assert.ok(isTime, "an expiry that is no time");
  });

// ---- The session file ----

const newKey = (): ECDH => {
  const key = createECDH("prime256v1");
  key.generateKeys();
  return key;
};
const [ours, cars] = [newKey(), newKey()];
const SESSION: Session = { vehicleKey: cars.getPublicKey("hex"), epoch: "0f".repeat(16), counter: 41,
  clock: 1000, clientKey: ours.getPublicKey("hex"), zero: Date.now() / 1000 - 1000.5,
  encrypted: true };
const NAME = `${VIN} infotainment`;
const PEER = { vin: VIN, domain: 3, key: ours };
const SESSIONS = { [NAME]: SESSION, [`${VIN} vcsec`]: { ...SESSION, counter: 7 } };

async function readsWell(bytes: Buffer): Promise<void> {
  write(SESSION_FILE, bytes);
  const { value } = await endOf(() => readSession(PEER), []);
  if (!value || !isUsable(value)) return;
  const { vehicleKey, epoch, counter, clock, zero, clientKey } = value;
  assert.equal(clientKey, SESSION.clientKey);
  // What follows the hex digits of the key is not read: the car's own key then differs, which ends the run.
  assert.match(Buffer.from(vehicleKey, "hex").toString("hex"), /^04[0-9a-f]{128}$/);
  assert.equal(typeof zero, "number");
  assert.match(`${epoch} ${typeof counter} ${typeof clock}`, /^[0-9a-f]{32} number number$/);
  const expiresAt = Math.floor(Date.now() / 1000 - zero) + 15; // as signed_command.ts has it
  const { code } = await endOf(() => signedMessage(PEER, Buffer.alloc(2), expiresAt,
    { ...value, counter: counter + 1 }), []);
  assert.equal(code, 0);
}

property("the session file: any bytes give a session that signs, or none", 1500,
  jsonLike(SESSIONS), readsWell);
property("the session file: a damaged byte gives a session that signs, or none", 1500,
  damagedOnce(Buffer.from(JSON.stringify(SESSIONS))), ({ bytes }) => readsWell(bytes));
property("the session file: over any bytes a session is kept, and read as it was", 60, jsonLike(SESSIONS),
  async (bytes) => {
    write(SESSION_FILE, bytes);
    await endOf(() => withLock(SESSION_FILE, () => keepSession(PEER, SESSION)), []);
    assert.deepEqual(readSession(PEER), SESSION);
  });

// ---- The answer to a login ----

const STATE = "kq3_Zr8-VbN1xT6yWm0pLs4d";
const CODE = "c0ffee0123456789abcdef-42"; // nothing that clean() would cut out
const AWAY = "https://car.example.com/callback"; // no port of this machine: only what is pasted counts

const SAVED = "Your tokens are saved.";
/** Waits for the login's answer; its code. */
async function codeFrom(redirect: string): Promise<string> {
  let found = "";
  await useLoginCode(redirect, STATE, "", async (code) => {
    found = code;
    return SAVED;
  });
  return found;
}

function paste(text: string, redirect = AWAY): Promise<End<string>> {
  const stdin = new PassThrough();
  Object.defineProperty(process, "stdin", { value: stdin, configurable: true });
  stdin.end(text);
  const secrets = text.includes("error") ? [CODE] : [CODE, STATE]; // Tesla's words to an error are told
  return endOf(() => codeFrom(redirect), [2, 4, 5], secrets);
}

const extra = fc.subarray(["locale=en-US", "issuer=https%3A%2F%2Fauth.tesla.com%2Foauth2%2Fv3", "x", "y=a=b",
  "z=1?2", "next=https://a.example/?b", "Code=no", "codes=no", "state2=no", "%00=%ff", "&"]);
const around = one(["", ""], ["  ", "\t"], ["\u00a0", " \r"], ["\ufeff", ""], ["\"", "\""], ["'", "'"],
  ["<", ">"], ["\u201c", "\u201d"], ["`", "`"], ["\u001b[200~", "\u001b[201~"], ["\u200b", "\u200b"]);
const encoded = (text: string): fc.Arbitrary<string> => fc.tuple(...[...text].map((letter) => (
  one(letter, `%${letter.charCodeAt(0).toString(16)}`)))).map((letters) => letters.join(""));
const address = fc.record({ around,
  host: one(AWAY, AWAY.toUpperCase(), "http://LocalHost:3000/callback", "", "x"),
  code: fc.oneof(one(CODE), encoded(CODE)), state: fc.oneof(one(STATE), encoded(STATE)), extra,
  fragment: one("", "#", "#_=_", "#/?a=b"), places: fc.tuple(fc.nat(9), fc.nat(9)) });
type Address = typeof address extends fc.Arbitrary<infer A> ? A : never;

function written({ around, host, code, state, extra, fragment, places }: Address): string {
  const isLeftOut = (text: string): boolean => (
    OPEN.has("pasted marks") && /[?\u001b\u200b\u201c`]/.test(text));
  const parts = extra.filter((part) => !isLeftOut(part));
  parts.splice(places[0] % (parts.length + 1), 0, `code=${code}`);
  parts.splice(places[1] % (parts.length + 1), 0, `state=${state}`);
  const text = `${host}${host === "" ? "" : "?"}${parts.join("&")}`;
  const all = `${text}${isLeftOut(fragment) ? "#" : fragment}`;
  return isLeftOut(around[0] ?? "") ? ` ${all}\t` : `${around[0]}${all}${around[1]}`;
}

property("a pasted address: the code is found, whatever surrounds it, behind lines of another login", 1200,
  fc.tuple(address, fc.array(anyText.filter((text) => !text.includes("error")), { maxLength: 2 }),
    OPEN.has("host names") ? one(AWAY) : one(AWAY, "http://constructor/", "http://__proto__:1/a")),
  async ([address, before, redirect]) => {
    const { value, line } = await paste(`${[...before, written(address)].join("\n")}\n`, redirect);
    assert.equal(value, CODE, line);
  });

const otherState = fc.oneof(anyText.map((text) => encodeURIComponent(text.replace(/[\ud800-\udfff]/g, ""))),
  one("", STATE.slice(1), STATE.slice(0, -1), `${STATE}A`, STATE.toLowerCase(), `%00${STATE}`, `${STATE}%20`,
    `x&state=${STATE}`, `${STATE}%253D`, [...STATE].reverse().join("")));
const ofAnother = fc.tuple(address, otherState).map(([address, state]) => written({ ...address, state }));
property("a pasted address with any other state, and any text, is refused, and nothing of it is told", 1200,
  fc.oneof(ofAnother, anyText,
    spoilt(one(`${AWAY}?error=access_denied&error_description=no%0Ano&state=${STATE}`)).map(String)),
  async (text) => {
    const { value, code } = await paste(text);
    const isRight = text.includes(STATE) && text.includes(CODE) && value === CODE;
    assert.ok(isRight || (value === undefined && code > 0), "accepted");
  });

const query = fc.oneof(anyText, fc.tuple(address, otherState).map(([address, state]) => (
  written({ ...address, state, host: "", around: ["", ""], fragment: "" }))))
  .map((text) => text.replace(/[\r\n]/g, "").replace(/error/gi, "err"));
property("the listener: whatever visits it, the right answer alone ends the wait", 100,
  fc.array(query, { maxLength: 5 }), async (queries) => {
    const port = 20_000 + (process.pid * 7) % 30_000;
    const ask = (target: string): Promise<string> => new Promise((resolve) => {
      let page = "";
      const socket = connect(port, "127.0.0.1", () => {
        socket.write(`GET ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`, "latin1");
      });
      socket.on("data", (text) => { page += String(text); }).on("error", () => {});
      socket.on("close", () => resolve(page));
    });
    Object.defineProperty(process, "stdin", { value: new PassThrough(), configurable: true });
    const pages: string[] = [];
    const { value } = await endOf(async () => {
      const waiting = codeFrom(`http://127.0.0.1:${port}/callback`);
      while ((await ask("/")) === ""); // until it listens
      for (const text of queries) pages.push(await ask(`/callback?${text}`));
      const last = ask(`/callback?code=${CODE}&state=${STATE}`);
      const code = await waiting;
      pages.push(await last);
      return code;
    }, [], [CODE, STATE]);
    assert.equal(value, CODE);
    assert.match(pages.pop() ?? "", /^HTTP\/1.1 200 [^]*Your tokens are saved\./);
    for (const page of pages) assert.match(page, /^HTTP\/1.1 4(00|31) /);
    assert.ok(!pages.join().includes(CODE), "a page shows the code");
  });

// ---- Keys ----

const pair = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
const POINT = pair.publicKey.export({ type: "spki", format: "der" }).subarray(-65).toString("hex");
const PKCS8 = String(pair.privateKey.export({ type: "pkcs8", format: "pem" }));
const SEC1 = String(pair.privateKey.export({ type: "sec1", format: "pem" }));
const PUBLIC = String(pair.publicKey.export({ type: "spki", format: "pem" }));
const D = Buffer.from(pair.privateKey.export({ format: "jwk" }).d ?? "", "base64url").toString("base64");
const FOREIGN = [generateKeyPairSync("ec", { namedCurve: "P-384" }), generateKeyPairSync("ed25519"),
  generateKeyPairSync("ec", { namedCurve: "secp256k1" }),
  generateKeyPairSync("rsa", { modulusLength: 1024 })];
const wrongPublic = FOREIGN.map(({ publicKey }) => String(publicKey.export({ type: "spki", format: "pem" })));
const wrongPrivate = [...FOREIGN.map(({ privateKey }) => (
  String(privateKey.export({ type: "pkcs8", format: "pem" })))),
String(pair.privateKey.export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "x" }))];
const PARAMETERS = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
const wrapped = fc.tuple(one("", "\ufeff", "\n\n", PARAMETERS, "a note\n"), one("\n", "\r\n"), one("", " \n"))
  .map(([front, end, back]) => (pem: string) => (front + pem + back).replaceAll("\n", end));

const isPoint = (hex: string): boolean => {
  try {
    return ECDH.convertKey(hex, "prime256v1", "hex", "hex", "uncompressed") === hex;
  } catch {
    return false;
  }
};
property("private-key.pem: a key, or exit 5; wrapped in whatever editors do, it is read", 400,
  fc.tuple(spoilt(one(PKCS8, SEC1, PUBLIC, ...wrongPrivate)), one(PKCS8, SEC1), wrapped,
    one(...wrongPrivate, PUBLIC)),
  async ([bytes, right, wrap, wrong]) => {
    write("private-key.pem", bytes);
    const { value } = await endOf(() => readPrivateKey(), [5], [D, PKCS8.slice(28, 90)]);
    // Damage inside the secret number leaves another key on the curve: check_setup compares the two halves.
    if (value) assert.ok(isPoint(value.getPublicKey("hex")), "no key");
    write("private-key.pem", wrap(right));
    assert.equal((await endOf(() => readPrivateKey(), [5])).value?.getPublicKey("hex"), POINT);
    write("private-key.pem", wrap(wrong));
    assert.equal((await endOf(() => readPrivateKey(), [5])).code, 5);
  });

property("public keys, in the folder and from outside: a point on the curve, or an error", 600,
  fc.tuple(spoilt(one(PUBLIC, POINT, POINT.toUpperCase(), PKCS8, `<p>${PUBLIC}`, ...wrongPublic)), wrapped),
  async ([bytes, wrap]) => {
    const { value } = await endOf(() => pointIn(bytes.toString()), [PLAIN], [D]);
    if (value !== undefined) assert.ok(OPEN.has("hex point") || isPoint(value), `no point: ${value}`);
    write("public-key.pem", bytes);
    assert.equal((await endOf(() => readPublicKey(), [5], [D])).value?.point, value);
    const text = wrap(PUBLIC);
    if (/^\s*-----BEGIN PUBLIC/.test(text)) assert.equal(pointIn(text), POINT);
    for (const wrong of [...wrongPublic, PKCS8]) {
      assert.throws(() => pointIn(wrap(wrong)), /^Error: it (is not|holds)/);
    }
  });

// ---- Answers from the network ----

interface Reply { status: number; headers: string[]; body: Buffer }
let reply: Reply = { status: 500, headers: [], body: Buffer.alloc(0) };

// Takes the whole request, then answers in pieces.
class Answering extends Dispatcher {
  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const { status, headers, body } = reply;
    handler.onConnect?.(() => {});
    void (async () => {
      for await (const _ of (options.body ?? []) as AsyncIterable<Buffer>);
      handler.onHeaders?.(status, headers.map((text) => Buffer.from(text)), () => {}, "");
      const half = body.length >> 1;
      for (const part of [body.subarray(0, half), body.subarray(half)]) handler.onData?.(part);
      handler.onComplete?.([]);
    })();
    return true;
  }
}
setGlobalDispatcher(new Answering());

const marks = fc.string({ minLength: 12, maxLength: 40 }).map((text) => text.replaceAll(" ", "%"));
const asked = fc.record({ secret: marks, code: marks, way: one("token", "read", "command", "proxy") });
const headers = fc.array(fc.tuple(one("retry-after", "x-txid", "content-type", "location"), anyText),
  { maxLength: 3 });
const status = fc.oneof(fc.integer({ min: 200, max: 599 }),
  one(200, 200, 201, 200, 302, 400, 401, 403, 404, 408, 412, 421, 422, 429, 500, 503));
const answerTo = (good: object): fc.Arbitrary<Reply> => fc.record({ status: one(200, 200, 200, 400, 500),
  headers: headers.map((list) => list.flat()), body: jsonLike(good) });

property("Tesla's answers: JSON, or an error that tells no secret, and the truth about a command", 1200,
  asked.chain((ask) => {
    const echo = `refused: ${ask.secret} and ${ask.code}`;
    const good = { response: { result: true, reason: "" }, error: "invalid_request", error_description: echo,
      txid: "0123abcd", messages: { a: [echo] }, referenceID: "r" };
    const body = fc.oneof(jsonLike(good), fc.constant(Buffer.from(echo)),
      fc.constant(Buffer.from(`<p>${echo}`)),
      one("[]", "null", "\"x\"", "[{}]", "1", "").map((text) => Buffer.from(text)),
      one(Buffer.from(`{"a":"${"1".repeat(1_048_576)}"}`)));
    return fc.tuple(fc.constant(ask), status, headers, body);
  }), async ([{ secret, code: login, way }, status, headers, body]) => {
    reply = { status, headers: headers.flat(), body };
    const form = { client_secret: secret, code: login };
    const isCommand = way === "command" || way === "proxy";
    const good = status < 300;
    const isTooLarge = body.length > 2 ** 20; // then nobody reads on: no answer came
    const ask: Record<typeof way, () => Promise<unknown>> = {
      token: () => askTokenHost("eu", form),
      read: () => askFleetApi("eu", "vehicles", secret),
      command: () => askFleetApi("eu", "vehicles", secret, { json: {}, moves: true }),
      proxy: () => askProxy("http://127.0.0.1:8080/", "vehicles", secret, {}),
    };
    const codes = isCommand && status >= 500 ? [3, 4, 5, 6, 7, 8] : [1, 2, 3, 4, 5, 6, 7];
    const secrets = way === "token" ? [secret, login] : [secret];
    const ends = isCommand && (good || isTooLarge) ? [8] : codes;
    const { value, code, line } = await endOf(ask[way], ends, secrets);
    assert.ok(good || code > 0, "a refusal passed as an answer");
    assert.ok(line.length < 1200, "a long line");
    if (code === 0) assert.ok(typeof value === "object" && value !== null, "nothing to look into");
    assert.ok(code > 0 || !isTooLarge, "larger than 1 MiB");
  });

// ---- What the scripts make of answers and of words ----

let imports = 0;
async function script(name: string, words: string[], codes: number[], secrets: string[] = []):
  Promise<End<unknown>> {
  imports += 1;
  process.argv = [process.argv[0] ?? "", join(PROJECT, "scripts", `${name}.ts`), ...words];
  return endOf(() => import(`../../scripts/${name}.ts?${imports}`), codes, secrets);
}

function likeAnOwner(commands: string, changes: object = {}): void {
  const obtained_at = new Date(performance.timeOrigin - 60_000).toISOString();
  const token = { ...TOKEN, obtained_at, ...changes };
  write(".env", ENV.replace("@1@2@", SECRET).replace("COMMANDS=proxy", `COMMANDS=${commands}`));
  write(TOKEN_FILE, JSON.stringify(token));
  write("private-key.pem", PKCS8);
}

const CHARGE = { battery_level: 61, battery_range: 180.5, charging_state: "\u009b1m\r", charger_phases: 3,
  minutes_to_full_charge: 95, charge_current_request: 10 };
const READERS: [string, string[], object][] = [
  ["read_charge", [], { response: { charge_state: CHARGE } }],
  ["read_charge", ["--json"], { response: { charge_state: CHARGE } }],
  ["list_vehicles", [], { response: [{ vin: VIN, state: "online", display_name: "\u001b[2J" }] }],
  ["list_vehicles", ["--json"], { response: [{ vin: VIN, state: "online", display_name: "Car" }] }],
  ["wake_up", [], { response: { state: "online" } }],
  ["call_api", ["GET", "/api/1/users/me"], { response: { a: 1 } }],
];
property("reading scripts: any answer ends in text that a terminal can take, or in exit 1 to 7", 250,
  one(...READERS).chain(([name, words, good]) => fc.tuple(one(name), one(words), answerTo(good))),
  async ([name, words, answer]) => {
    likeAnOwner("signed");
    reply = answer;
    await script(name, words, [1, 3, 4, 5, 6, 7], [ACCESS, REFRESH, SECRET]);
  });

property("commands without signature: any answer is a verdict of the car, or exit 8", 150,
  answerTo({ response: { result: true, reason: "already_set" } }), async (answer) => {
    likeAnOwner("rest");
    reply = answer;
    const { code } = await script("set_charge_amps", ["10"], answer.status === 400 ? [1, 2, 3, 4, 5, 6, 7, 8]
      : [3, 4, 5, 6, 7, 8], [ACCESS, REFRESH]);
    const text = String(answer.body);
    const isSaid = answer.status === 200 && /"result":\s*true|already_set/.test(text);
    assert.ok(code !== 0 || isSaid, "done, by whose word?");
  });

property("refresh_token: any answer gives new tokens, or the old file stays", 60, answerTo(TOKEN),
  async (answer) => {
    likeAnOwner("signed");
    const before = readFileSync(TOKEN_FILE, "utf8");
    reply = answer;
    const { code } = await script("refresh_token", [], [1, 3, 4, 5, 6, 7], [ACCESS, REFRESH]);
    if (code !== 0) assert.equal(readFileSync(TOKEN_FILE, "utf8"), before);
    else assert.ok(isToken(readToken().refresh_token));
  });

property("keys and tokens of the app: any answer ends in a point, in a token, or in exit 1 to 7", 800,
  answerTo({ access_token: "part.ner.token", response: { public_key: POINT } }), async (answer) => {
    reply = answer;
    const settings = { TESLA_REGION: "eu", TESLA_CLIENT_ID: "0a1b2c3d", TESLA_CLIENT_SECRET: SECRET,
      TESLA_DOMAIN: "car.example.com", TESLA_SCOPES: "openid" };
    const codes = [1, 3, 4, 5, 6, 7];
    const token = await endOf(() => partnerToken(settings), codes, [SECRET]);
    if (token.code === 0) assert.ok(isToken(token.value), "a token that no header can carry");
    const sent = token.code === 0 && !OPEN.has("token type") ? JSON.parse(String(answer.body)) : undefined;
    if (sent) assert.equal(token.value, sent.access_token);
    const point = await endOf(() => registeredPoint(settings, "part.ner.token"), codes, ["part.ner.token"]);
    if (point.code === 0) assert.ok(OPEN.has("hex point") || isPoint(point.value ?? ""));
    await endOf(() => publishedPoint("car.example.com"), [5]);
  });

property("amps and durations: what is in range, else exit 2", 120,
  fc.record({ word: fc.oneof(one("0", "5", "80", "81"), fc.nat(120).map(String),
    fc.stringMatching(/^[-+]?0?[0-9]{1,3}(\.0|e1|)$/), anyText),
    time: fc.oneof(one("3h", "400h", "20d"), fc.stringMatching(/^[0-9]{1,6}[mhds]$/), anyText) }),
  async ({ word, time }) => {
    const left = 10 ** 6; // seconds
    likeAnOwner("rest", { expires_in: left });
    reply = { status: 500, headers: [], body: Buffer.alloc(0) };
    if (word !== "--help") {
      const { code, out } = await script("set_charge_amps", ["--dry-run", "--", word], [2]);
      assert.equal(code === 0, /^[0-9]{1,2}$/.test(word) && Number(word) <= 80, word);
      if (code === 0) assert.ok(out.includes(`set_charging_amps {"charging_amps":${Number(word)}}`), out);
    }
    const [, number, unit = ""] = /^(\d{1,5})([mhd])$/.exec(time) ?? [];
    const seconds = Number(number) * ({ m: 60, h: 3600, d: 86_400 }[unit] ?? 0);
    if (Math.abs(seconds - left) < 3600) return; // the clock decides
    const { code } = await script("refresh_token", [`--if-expiring-within=${time}`], [1, 2]);
    assert.equal(code, number === undefined ? 2 : seconds < left ? 0 : 1, time);
  });

// ---- Arguments, and text for a terminal ----

property("text from outside: nothing steers a terminal", 6000, fc.tuple(anyText, anyJson), ([text, json]) => {
  for (const value of [text, JSON.parse(textOf([text, json]))]) {
    assert.doesNotMatch(clean(value), /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
  }
});

property("arguments: words and options as asked for, or exit 2; --help shows the header", 4000,
  fc.array(fc.oneof(one("--force", "--port", "--port=80", "--help", "--", "-f", "--no-force", "--force=x",
    "word", "--__proto__=1", "--constructor", "--port=", "-", "--=x"), anyText), { maxLength: 4 }),
  async (words) => {
    process.argv = [process.argv[0] ?? "", "script", ...words];
    const options = { force: { type: "boolean" as const }, port: { type: "string" as const } };
    const { value, code, out } = await endOf(() => startScript(join(PROJECT, "scripts/wake_up.ts"), options,
      ["A", "[B]"]), [2]);
    if (value === undefined) return assert.ok(code === 2 || /^Wakes the car.*\n/.test(out));
    assert.ok([1, 2].includes(value.words.length) && value.words.every((word) => words.includes(word)));
    const { force = true, port = "", ...others } = { ...value.options };
    assert.deepEqual([force, typeof port, Object.keys(others)], [true, "string", []]);
  });

// ---- Parameters of commands ----

function goodFor(rule: Parameter): fc.Arbitrary<unknown> {
  if (!Array.isArray(rule)) return one(...Object.keys(rule));
  const [, kind, from = 1, to = Number.MAX_SAFE_INTEGER] = rule;
  if (["flag", "all week", "weekdays"].includes(kind)) return fc.boolean();
  if (kind === "pin") return fc.stringMatching(/^[0-9]{4}$/);
  if (kind === "text") return fc.string({ minLength: from, maxLength: to });
  if (kind === "days") return one("Mon", "mon, TUES", "All", "Weekdays,sun");
  const isWhole = !["decimal", "double", "decimal kept"].includes(kind);
  return isWhole ? fc.integer({ min: from, max: to }) : fc.double({ min: from, max: to, noNaN: true });
}
const PIN = "73519264";
const command = one(...Object.keys(COMMANDS)).chain((name) => {
  const rules = Object.entries(COMMANDS[name]?.parameters ?? {});
  const good = fc.record(Object.fromEntries(rules.map(([label, rule]) => (
    [label.replace("?", ""), goodFor(rule)]))));
  const keys = one(...rules.map(([label]) => label.replace("?", "")), "__proto__", "constructor", "id");
  const changes = fc.array(keys.chain((key) => fc.tuple(fc.constant(key), key === "pin" || key === "password"
    ? one<unknown>(PIN, Number(PIN), [PIN]) : anyJson)), { maxLength: 2 });
  const names = fc.oneof({ weight: 9, arbitrary: one(name) }, { weight: 1, arbitrary: anyText });
  return fc.record({ name: names, good, changes });
});

property("commands: the message of what is allowed, or an error that shows no PIN", 1200, command,
  async ({ name, good, changes }) => {
    const isChanged = changes.length > 0 || !Object.hasOwn(COMMANDS, name);
    const given = JSON.parse(textOf({ ...good, ...Object.fromEntries(changes) }));
    const { value, line } = await endOf(() => encodeCommand(name, given), [PLAIN], [PIN]);
    if (!isChanged) assert.ok(value !== undefined, line);
    if (value) valueAt(encodeFields(value.message), [1]);
    if (!Object.hasOwn(COMMANDS, name)) return;
    const rules = Object.entries(COMMANDS[name]?.parameters ?? {});
    const known = rules.map(([label]) => label.replace("?", ""));
    const isKnown = Object.keys(given).every((key) => known.includes(key));
    assert.ok(isKnown || value === undefined, "an unknown parameter");
    for (const [index, [, rule]] of rules.entries()) {
      const [, kind, from = 0, to = 0] = Array.isArray(rule) ? rule : [0, "word"];
      const outside = kind === "word" ? ["toString", "x"] : kind === "text" ? ["", "x".repeat(to + 1)]
        : to === 0 ? [] : [from - 1, to + 1, `${to}`];
      for (const wrong of outside) {
        const run = () => encodeCommand(name, { ...good, [known[index] ?? ""]: wrong });
        assert.equal((await endOf(run, [PLAIN])).code, PLAIN, `${name} takes ${wrong}`);
      }
    }
  });

property("send_command: any words end in what would be sent, or in exit 2", 150,
  fc.tuple(command, fc.option(anyText)), async ([{ name, good, changes }, text]) => {
    likeAnOwner("rest");
    const json = text ?? textOf({ ...good, ...Object.fromEntries(changes) });
    const { code } = await script("send_command", ["--dry-run", "--", name, json], [2], [ACCESS]);
    if (text === null && changes.length === 0 && Object.hasOwn(COMMANDS, name)) assert.equal(code, 0);
  });

// ---- Protobuf ----

const { field } = fc.letrec<{ field: Field }>((tie) => ({
  field: fc.tuple(fc.oneof(fc.integer({ min: 1, max: 20 }), one(2 ** 29 - 1, 2 ** 14)), fc.oneof(
    { depthSize: "small" }, fc.maxSafeNat(), fc.nat(),
    fc.string({ unit: "grapheme" }), fc.uint8Array().map((bytes) => Buffer.from(bytes)),
    fc.integer({ min: 0, max: 2 ** 32 - 1 }).map((fixed32) => ({ fixed32 })),
    fc.float({ noNaN: true }).map((float32) => ({ float32 })),
    fc.double({ noNaN: true }).map((float64) => ({ float64 })),
    fc.array(tie("field"), { maxLength: 4 }))),
}));

function assertHolds(bytes: Buffer, fields: Field[], path: number[] = []): void {
  for (const [number, value] of new Map(fields.map((field) => [field[0], field])).values()) {
    const here = [...path, number];
    const found = valueAt(bytes, here);
    if (Array.isArray(value)) {
      assert.ok(Buffer.isBuffer(found), "a message");
      assertHolds(bytes, value, here); // along the path
      assertHolds(found, value); // and as a message of its own
    } else if (typeof value === "string" || Buffer.isBuffer(value)) {
      assert.ok(Buffer.from(value).equals(bytesAt(bytes, here)), "other bytes");
    } else if (typeof value === "object") {
      const fixed = Buffer.alloc("float64" in value ? 8 : 4);
      if ("fixed32" in value) fixed.writeUInt32LE(value.fixed32);
      else if ("float32" in value) fixed.writeFloatLE(value.float32);
      else fixed.writeDoubleLE(value.float64);
      if (fixed.length === 8) assert.ok(fixed.equals(bytesAt(bytes, here)), "another double");
      else assert.equal(numberAt(bytes, here), fixed.readUInt32LE());
    } else {
      assert.equal(found, value);
      if (value < 2 ** 32) assert.equal(numberAt(bytes, here), value);
      else assert.throws(() => numberAt(bytes, here), /is not a 32-bit number$/);
    }
  }
  const absent = [...path, 21];
  assert.equal(valueAt(bytes, absent), undefined, "a field that nobody has written");
}
property("protobuf: what is encoded is what is decoded", 4000, fc.array(field, { maxLength: 6 }),
  (fields) => assertHolds(encodeFields(fields), fields));
property("protobuf: any bytes are fields, or an error", 3000,
  fc.tuple(spoilt(fc.array(field, { maxLength: 4 }).map(encodeFields)),
    fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 4 })), async ([bytes, path]) => {
    for (const read of [valueAt, numberAt, bytesAt]) await endOf(() => read(bytes, path), [PLAIN]);
    const { value } = await endOf(() => numberAt(bytes, path), [PLAIN]);
    assert.ok(value === undefined || (Number.isInteger(value) && value >= 0 && value < 2 ** 32), "32 bits");
    const endless = Buffer.from([8, ...Array.from({ length: 10 + bytes.length % 30 }, () => 128), 1]);
    assert.equal((await endOf(() => valueAt(endless, [1]), [PLAIN])).code, PLAIN);
    for (const domain of [2, 3]) await endOf(() => verdictOf(bytes, domain), [PLAIN]);
  });

// ---- The car's answers ----

const UUID = randomBytes(16);
const [shared, sent] = [sharedKey(cars, ours.getPublicKey()),
  { bytes: Buffer.alloc(0), uuid: UUID, address: randomBytes(16), tag: randomBytes(32) }];

function sealed(domain: number, plain: Buffer): Buffer {
  const hash = requestHash(8, sent.tag, domain === 2);
  const bound = { domain, vin: VIN, counter: 9, flags: 2, fault: 0, requestHash: hash };
  const nonce = randomBytes(12);
  const { ciphertext, tag } = encryptResponse(shared, bound, nonce, plain);
  return encodeFields([[6, [[2, sent.address]]], [7, [[1, domain]]], [10, ciphertext],
    [13, [[9, [[1, nonce], [2, bound.counter], [3, tag]]]]], [50, UUID], [52, bound.flags]]);
}
// The car refuses: infotainment's actionStatus 1 with a reason, and VCSEC's "not in park".
const REFUSALS: [number, Buffer][] = [[3, encodeFields([[1, [[1, 1], [2, [[1, "cabin"]]]]]])],
  [2, encodeFields([[46, [[1, 5]]]])]];
for (const [domain, plain] of REFUSALS) {
  const right = sealed(domain, plain);
  const peer = { ...PEER, domain };
  assert.equal(openAnswer(right, sent, peer, shared).encrypted, true);
  property(`an encrypted refusal of domain ${domain} never becomes a success, whatever is done to it`, 3000,
    fc.oneof(spoilt(fc.constant(right)), damagedOnce(right).map(({ bytes }) => bytes)), async (bytes) => {
      const open = () => openAnswer(bytes, sent, peer, shared);
      const { value } = await endOf(open, [PLAIN]);
      if (!value?.encrypted) return; // sendSigned does not believe it of a car that encrypts
      assert.ok(value.payload.equals(plain), "another payload");
      assert.equal(verdictOf(value.payload, domain).result, false);
    });
}

const INFO = encodeFields([[1, 77], [2, cars.getPublicKey()], [3, randomBytes(16)], [4, { fixed32: 5000 }]]);
const GREETING = encodeFields([[15, INFO], [13, [[6, [[1, sessionInfoTag(shared, VIN, UUID, INFO)]]]]]]);
assert.equal(sessionInfoIn(GREETING, PEER, UUID).counter, 77);
property("session info is believed as the car tagged it, or not at all", 3000,
  fc.oneof(spoilt(fc.constant(GREETING)), damagedOnce(GREETING).map(({ bytes }) => bytes),
    fc.uint8Array({ maxLength: 40 })
      .map((tag) => encodeFields([[15, INFO], [13, [[6, [[1, Buffer.from(tag)]]]]]]))),
  async (bytes) => {
    const { value } = await endOf(() => sessionInfoIn(bytes, PEER, UUID), [PLAIN, 5]);
    if (value) assert.ok(bytesAt(bytes, [15]).equals(INFO), "other bytes");
  });
