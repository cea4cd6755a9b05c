// refresh_token as cron runs it: what it sends, what it keeps, and that no failure costs the owner the login.
import assert from "node:assert/strict";
import { chmodSync, chownSync, mkdirSync, rmSync, utimesSync } from "node:fs";
import { dirname } from "node:path";
import { describe, test } from "node:test";
import { messageOf } from "../../lib/command_line.ts";
import { damages } from "../simulator/failures/failures.ts";
import {
  CLIENT_ID, CLIENT_SECRET, IN_A_HURRY, TELLS_WAITS, TOKEN, assertEnd, calls, faster, outputsSearched, ownerTest,
  useFewProcesses, type Owner, type Result,
} from "../support/harness.ts";

useFewProcesses();

const FILE = "tesla_token.json";
const LOCK = `${FILE}.lock`;
const HOUR = 3_600_000;
const NOW = (seconds = 0): Date => new Date(Date.now() + seconds * 1000);

function assertTidy(owner: Owner): void {
  if (process.platform !== "win32") assert.equal(owner.mode(FILE), 0o600);
  assert.equal(owner.has(`${FILE}.new`), false, "nothing is left beside");
  assert.equal(owner.has(`${FILE}.lock`), false, "the lock is gone");
}

/** The old file is there to the last byte, one request at most went out. */
function assertKept(owner: Owner, before: string, result: Result): void {
  assert.equal(owner.read(FILE), before);
  assert.ok(result.requests.length <= 1, calls(result.requests).join("\n"));
  assertTidy(owner);
}

/** And the next run works. */
async function assertNothingLost(owner: Owner, before: string, result: Result): Promise<void> {
  assertKept(owner, before, result);
  owner.simulator.clear();
  assertEnd(await owner.run("refresh_token"), 0, "saved");
  assert.notEqual(owner.read(FILE), before);
}

/** For root, whom no mode binds: another user, to whom these files belong from now on. */
function asAnother(owner: Owner, files: string[]): number | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const uid = 65534; // nobody
  for (const folder of [dirname(owner.simulator.caFile), owner.folder]) chmodSync(folder, 0o755);
  for (const file of files) chownSync(owner.path(file), uid, uid);
  return uid;
}

describe("refresh_token", { concurrency: 3 }, () => {
  ownerTest("an answer that never comes ends after half a minute, nothing lost", {}, async (owner) => {
    const before = owner.read(FILE);
    owner.simulator.fail("never_answers");
    const result = await owner.run("refresh_token", [], { node: faster({ limits: 30 }) });
    assertEnd(result, 1, /^waits at most 30000$/m);
    assert.ok(result.ms > 1000, `${result.ms} ms`);
    await assertNothingLost(owner, before, result);
  });

  ownerTest("a lock that another run keeps for longer than any request: exit 1, nothing sent",
    {}, async (owner) => {
    const before = owner.read(FILE);
    owner.write(LOCK, String(process.pid));
    const result = await owner.run("refresh_token", [], { node: faster({ pauses: 20, clock: 20 }) });
    assertEnd(result, 1, "another run holds tesla_token.json.lock; nothing was sent; try again later");
    assert.ok(result.ms * 20 > 35_000, `${result.ms} ms`);
    assert.deepEqual(result.requests, []);
    assert.deepEqual([owner.read(FILE), owner.read(LOCK)], [before, String(process.pid)]);
  });

  ownerTest("swaps the pair, and again, and the lost one works once more", {}, async (owner) => {
    const before = owner.token();
    const result = await owner.run("refresh_token");
    assertEnd(result, 0, "saved");
    assert.equal(result.stdout, "");
    assert.deepEqual(calls(result.requests), [TOKEN]);
    const form = Object.fromEntries(new URLSearchParams(result.requests[0]?.body));
    assert.deepEqual(form, { grant_type: "refresh_token", client_id: CLIENT_ID,
      refresh_token: before.refresh_token });
    assert.equal(result.requests[0]?.headers.authorization, undefined);
    assertTidy(owner);
    const { obtained_at: obtained, ...after } = owner.token();
    assert.deepEqual(Object.keys(after), ["access_token", "refresh_token", "id_token", "expires_in",
      "token_type"]);
    assert.equal(Math.abs(Date.parse(String(obtained)) - Date.now()) < 60_000, true);
    assert.equal(after.refresh_token, owner.simulator.account.chains[0]?.current);
    assertEnd(await owner.run("read_charge"), 0);

    // The file of before: its token is the one used last, and good for 24 hours.
    owner.write(FILE, JSON.stringify(before));
    assertEnd(await owner.run("refresh_token"), 0);
    // Two generations back it is dead.
    assertEnd(await owner.run("refresh_token"), 0);
    const text = JSON.stringify(before);
    owner.write(FILE, text);
    assertEnd(await owner.run("refresh_token"), 4, "get_token");
    assert.equal(owner.read(FILE), text);
  });

  ownerTest("the grace of a day is over", {}, async (owner) => {
    const before = owner.read(FILE);
    assertEnd(await owner.run("refresh_token"), 0);
    owner.write(FILE, before);
    owner.simulator.clock.offsetMs = 25 * HOUR;
    assertEnd(await owner.run("refresh_token"), 4, "get_token");
    assert.equal(owner.read(FILE), before);
    owner.simulator.revokeConsent();
    assertEnd(await owner.run("refresh_token"), 4, "get_token");
    assert.equal(owner.read(FILE), before);
    assertTidy(owner);
  });

  ownerTest("--if-expiring-within", {}, async (owner) => {
    const expiringIn = (hours: number): void => {
      // Never in the future: then the token's own time counts, which is earlier.
      owner.logIn({ obtained_at: new Date(Date.now() + (hours - 8) * HOUR).toISOString() });
    };
    const cases: [number, string, boolean][] = [
      [2, "3h", true], [4, "3h", false], [1, "90m", true], [1.6, "90m", false], [7, "2d", true],
      [-1, "0m", true], [0.5, "0h", false],
    ];
    for (const [hours, within, refreshes] of cases) {
      expiringIn(hours);
      const before = owner.read(FILE);
      const result = await owner.run("refresh_token", ["--if-expiring-within", within]);
      assertEnd(result, 0);
      assert.deepEqual(calls(result.requests), refreshes ? [TOKEN] : [], `${hours} h left, within ${within}`);
      assert.equal(owner.read(FILE) === before, !refreshes);
    }
  });

  ownerTest("malformed durations and arguments send nothing", {}, async (owner) => {
    const before = owner.read(FILE);
    const wrong = ["3", "h", "3 h", "-3h", "3.5h", "3w", "٣h", "", "1e1h", "999999h"];
    for (const within of wrong) {
      const result = await owner.run("refresh_token", [`--if-expiring-within=${within}`]);
      assertEnd(result, 2, /wrong usage/);
      assert.deepEqual(result.requests, [], within);
    }
    for (const words of [["--if-expiring-within"], ["now"], ["--refresh-token=x"]]) {
      const result = await owner.run("refresh_token", words);
      assertEnd(result, 2, /wrong usage/);
      assert.deepEqual(result.requests, []);
    }
    assert.equal(owner.read(FILE), before);
  });

  ownerTest("without obtained_at the token itself tells when it expires", {}, async (owner) => {
    owner.logIn({ obtained_at: undefined });
    const still = await owner.run("refresh_token", ["--if-expiring-within", "3h"]);
    assertEnd(still, 0, "nothing to do");
    assert.deepEqual(still.requests, []);
    // Where nobody tells, it is refreshed: too early costs nothing, too late costs the login.
    owner.logIn({ obtained_at: "yesterday", access_token: "opaque-access-token" });
    const unknown = await owner.run("refresh_token", ["--if-expiring-within", "3h"]);
    assertEnd(unknown, 0, "saved");
    assert.equal(unknown.requests.length, 1);
  });

  ownerTest("where the file and the token differ, the earlier time counts", {}, async (owner) => {
    // The token is new and good for 8 hours, but the file says that it has been here for 6 of them.
    const early = { obtained_at: new Date(Date.now() - 6 * HOUR).toISOString() };
    // A clock that ran a day ahead wrote the file: the token's own 8 hours are the earlier ones.
    const late = { obtained_at: new Date(Date.now() + 24 * HOUR).toISOString() };
    const cases = [[early, "3h", true], [early, "1h", false], [late, "9h", true], [late, "7h", false]] as const;
    for (const [changes, within, refreshes] of cases) {
      owner.logIn(changes);
      const result = await owner.run("refresh_token", ["--if-expiring-within", within]);
      assertEnd(result, 0, refreshes ? "saved" : "nothing to do");
      assert.deepEqual(calls(result.requests), refreshes ? [TOKEN] : [], `${JSON.stringify(changes)}, ${within}`);
    }
  });

  ownerTest("a file with more in it, written by another program, is taken", {}, async (owner) => {
    const token = owner.logIn({ note: "mine", nested: { a: [1] }, expires_in: "28800", created_at: 5 });
    owner.write(FILE, `\ufeff${token.replaceAll("\n", "\r\n")}`, 0o644);
    assertEnd(await owner.run("refresh_token"), 0);
    assertTidy(owner);
    assertEnd(await owner.run("read_charge"), 0);
  });

  ownerTest("a token file that cannot be used: exit 4, names the next command, sends nothing",
    {}, async (owner) => {
    const good = owner.token();
    const files = ["", "{", "null", "[]", "{}", JSON.stringify({ access_token: good.access_token }),
      JSON.stringify({ ...good, refresh_token: "" }), JSON.stringify({ ...good, access_token: "a b" }),
      JSON.stringify({ ...good, access_token: 12_345_678 }),
      JSON.stringify({ ...good, refresh_token: ["a"] }),
      JSON.stringify({ ...good, access_token: `${good.access_token}\r\nx-evil: 1` }),
      JSON.stringify({ error: "login_required" }), `${JSON.stringify(good).slice(0, -30)}`];
    for (const text of files) {
      owner.write(FILE, text);
      const result = await owner.run(text.length % 2 === 0 ? "refresh_token" : "read_charge");
      assertEnd(result, 4, "get_token");
      assert.deepEqual(result.requests, [], text);
      assert.equal(owner.read(FILE), text);
    }
    rmSync(owner.path(FILE));
    assertEnd(await owner.run("refresh_token"), 4, "no login in this folder: tesla_token.json: it is not there;",
      "run get_token here");
    mkdirSync(owner.path(FILE));
    assertEnd(await owner.run("refresh_token"), 4, "get_token");
  });

  ownerTest("several at once: one request, all succeed", {}, async (owner) => {
    owner.write(LOCK, String(process.pid)); // until all of them have read the old token
    const runs = [1, 2, 3, 4, 5, 6].map(() => owner.start("refresh_token", [], { node: TELLS_WAITS }));
    for (const running of runs) await running.said(/waits/);
    rmSync(owner.path(LOCK));
    const results = await Promise.all(runs.map(({ ended }) => ended));
    for (const result of results) assertEnd(result, 0);
    const sent = owner.simulator.requests.filter(({ path }) => path.endsWith("/token"));
    assert.equal(sent.length, 1);
    assert.equal(results.filter(({ stderr }) => stderr.includes("another run has just done it")).length, 5);
    assert.equal(owner.token().refresh_token, owner.simulator.account.chains[0]?.current);
    assertTidy(owner);
  });

  ownerTest("the lock of a run that is gone is taken over, that of a living run is waited for",
    {}, async (owner) => {
    owner.write(LOCK, "99999999");
    owner.write(`${FILE}.new`, "half of a fi");
    const result = await owner.run("refresh_token", [], { node: TELLS_WAITS });
    assertEnd(result, 0, "saved");
    assert.doesNotMatch(result.stderr, /waits/);
    assertTidy(owner);
    owner.write(LOCK, String(process.pid));
    utimesSync(owner.path(LOCK), NOW(), NOW(-240)); // 4 minutes: not yet too old
    const running = owner.start("refresh_token", [], { node: IN_A_HURRY });
    await running.said(/^(waits 100\n){10}/);
    const other = owner.logIn(); // what the living run has brought meanwhile
    rmSync(owner.path(LOCK));
    const after = await running.ended;
    assertEnd(after, 0, "another run has just done it");
    assert.deepEqual(after.requests, []);
    assert.equal(owner.read(FILE), other);
  });

  ownerTest("a lock is abandoned after 5 minutes; without a number, after 5 seconds", {}, async (owner) => {
    // Killed long ago; a program that lives has the number of that run by now.
    for (const [text, age] of [[String(process.pid), 301], ["", 6], ["no number", 6]] as const) {
      owner.write(LOCK, text);
      utimesSync(owner.path(LOCK), NOW(), NOW(-age));
      const result = await owner.run("refresh_token", [], { node: TELLS_WAITS });
      assertEnd(result, 0, "saved");
      assert.doesNotMatch(result.stderr, /waits/);
      assertTidy(owner);
    }
    owner.write(LOCK, ""); // a run is just making it, or was killed while it did
    const running = owner.start("refresh_token", [], { node: IN_A_HURRY });
    await running.said(/^(waits 100\n){10}/);
    utimesSync(owner.path(LOCK), NOW(), NOW(-6));
    assertEnd(await running.ended, 0, "saved");
    assertTidy(owner);
  });

  // What each answer means: Tesla's errors first (1.7), then what the network does.
  const failures: [string, number, ...(string | RegExp)[]][] = [
    ["login_required", 4, "run get_token"],
    ["invalid_grant", 4, "run get_token"],
    ["unauthorized_client_401", 5, "TESLA_CLIENT_"],
    ["invalid_client", 5, "TESLA_CLIENT_ID"],
    ["invalid_request", 5],
    ["token_server_error", 1],
    ["rate_limited", 7, "37"],
    ["server_error", 1],
    ["service_unavailable", 1],
    ["html_firewall", 1],
    ["empty_body", 1],
    ["truncated_json", 1],
    ["wrong_shape", 1, "access_token"],
    ["token_without_refresh_token", 1, "refresh_token"],
    ["token_without_access_token", 1, "access_token"],
    ["oversized", 1, "1 MiB"],
    ["hang_up_before", 1],
    ["hang_up_after", 1],
    ["redirect_301", 1, "redirect"],
    ["echoes_secret", 5],
    ["escape_sequences", 5],
  ];
  for (const [failure, code, ...words] of failures) {
    ownerTest(`${failure}: exit ${code}, nothing lost`, {}, async (owner) => {
      const before = owner.read(FILE);
      owner.simulator.fail(failure);
      const result = await owner.run("refresh_token");
      assertEnd(result, code, ...words);
      assert.equal(result.requests.length, 1);
      // Carried out, and only the answer spoilt: the token is spent, and works once more.
      if (owner.simulator.account.chains[0]?.lastUsed) await assertNothingLost(owner, before, result);
      else assertKept(owner, before, result);
    });
  }

  ownerTest("tokens of odd shapes in the answer are not saved", {}, async (owner) => {
    const before = owner.read(FILE);
    const odd: Record<string, unknown>[] = [{ access_token: null }, { access_token: 5 },
      { refresh_token: ["x"] },
      { access_token: "a b" }, { refresh_token: "a\nb" }, { access_token: "" }, { refresh_token: { a: 1 } }];
    for (const [index, change] of odd.entries()) {
      const name = `odd_${index}`;
      owner.simulator.failures.catalogue.push(damages(name, ["token"], "", (reply) => {
        return { ...reply, body: JSON.stringify({ ...JSON.parse(reply.body), ...change }) };
      }));
      owner.simulator.fail(name, 1);
      const result = await owner.run("refresh_token");
      assertEnd(result, 1, /access_token|refresh_token/);
      assert.equal(owner.read(FILE), before, JSON.stringify(change));
      owner.simulator.account.chains[0]!.lastUsedAt = Date.now();
    }
    assertTidy(owner);
  });

  if (process.platform !== "win32") ownerTest("the folder cannot be written: found before the token is spent", {},
    async (owner) => {
      const before = owner.read(FILE);
      const uid = asAnother(owner, [".env", FILE]);
      chmodSync(owner.folder, 0o555);
      const result = await owner.run("refresh_token", [], { uid });
      chmodSync(owner.folder, 0o700);
      assertEnd(result, 1, `error: cannot write ${LOCK}: permission denied; nothing was sent`);
      assertKept(owner, before, result);
      assert.deepEqual(result.requests, []);
    });

  if (process.platform !== "win32") ownerTest("a full disk is found before the token is spent",
    {}, async (owner) => {
    const before = owner.read(FILE);
    // First what warms the loader's cache, which has files too.
    assertEnd(await owner.run("refresh_token", ["--help"]), 0);
    const result = await owner.run("refresh_token", [], { fileLimit: 8 });
    assertEnd(result, 1, "cannot write tesla_token.json: ", "; nothing more was sent, and the old one is kept");
    assert.deepEqual(result.requests, []);
    assertKept(owner, before, result);
  });

  if (process.platform !== "win32") ownerTest("a token file that a run with sudo left: the fix is chown", {},
    async (owner) => {
      const uid = asAnother(owner, [".env"]);
      if (uid === undefined) chmodSync(owner.path(FILE), 0);
      const result = await owner.run("read_charge", [], { uid });
      assertEnd(result, 4, "permission denied", "sudo chown");
      assert.doesNotMatch(result.stderr, /get_token/);
      chmodSync(owner.path(FILE), 0o600);
    });

  ownerTest("a log that takes no more does not end the run between spent and saved", {}, async (owner) => {
    const before = owner.read(FILE);
    const running = owner.start("refresh_token");
    running.child.stderr?.destroy(); // as `2>&1 | head -1` does
    const result = await running.ended;
    assert.equal(result.code, 0);
    assert.equal(result.requests.length, 1);
    assert.notEqual(owner.read(FILE), before);
    assertTidy(owner);
  });

  ownerTest("the settings are checked first", {}, async (owner) => {
    const before = owner.read(FILE);
    const wrong = [["TESLA_CLIENT_ID", ""], ["TESLA_REGION", "usa"], ["TESLA_REGION", ""]] as const;
    for (const [name, value] of wrong) {
      owner.setSettings({ [name]: value });
      const result = await owner.run("refresh_token");
      assertEnd(result, 5, name);
      assert.deepEqual(result.requests, []);
    }
    // A secret in the wrong line is named, and never shown: the harness searches what was printed.
    const { access_token: access, refresh_token: refresh } = owner.token();
    for (const secret of [CLIENT_SECRET, access, refresh]) {
      owner.setSettings({ TESLA_REGION: secret });
      assertEnd(await owner.run("refresh_token"), 5, "TESLA_REGION is \"[secret removed]");
    }
    // Neither the client secret nor the other settings are needed for a refresh.
    owner.setSettings({ TESLA_CLIENT_SECRET: "", TESLA_DOMAIN: "", TESLA_VIN: "" });
    assertEnd(await owner.run("refresh_token"), 0);
    assert.notEqual(owner.read(FILE), before);
  });

  ownerTest("killed at any moment, the next run works", {}, async (owner) => {
    for (let delay = 150; delay < 650; delay += 100) {
      const running = owner.start("refresh_token");
      setTimeout(() => running.child.kill("SIGKILL"), delay);
      await running.ended;
      assert.ok(owner.token().refresh_token, "the file is whole");
    }
    assertEnd(await owner.run("refresh_token"), 0, "saved");
    assert.equal(owner.token().refresh_token, owner.simulator.account.chains[0]?.current);
    assertTidy(owner);
  });
});

test("the usual errors of files are told in plain words", () => {
  const words = { ENOENT: "it is not there", EACCES: "permission denied", ENOSPC: "the disk is full",
    EROFS: "the disk is read-only", EADDRINUSE: "another program uses it" };
  for (const [code, told] of Object.entries(words)) {
    assert.equal(messageOf(Object.assign(new Error(`${code}: as Node says it, open 'x'`), { code })), told);
  }
});

test("the outputs were searched for secrets",
  () => assert.ok(outputsSearched() > 70, String(outputsSearched())));
