// refresh_token as cron runs it: what it sends, what it keeps, and that no failure costs the owner the login.
import assert from "node:assert/strict";
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync,
  writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import { replaceFile, takeLock } from "../lib/safe_file.ts";
import { damages } from "../simulator/failures/failures.ts";
import { CLIENT_ID, assertEnd, calls, outputsSearched, ownerTest, type Owner,
  type Result,
  TELLS_WAITS, useFewProcesses,
} from "./harness.ts";

useFewProcesses();

const FILE = "tesla_token.json";
const TOKEN = "POST fleet-auth.prd.vn.cloud.tesla.com/oauth2/v3/token";
const HOUR = 3_600_000;

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

test("a lock of another run with our number is not ours: nothing is replaced", async () => {
  const file = join(mkdtempSync(join(tmpdir(), "lock-")), FILE);
  writeFileSync(file, "old");
  const release = await takeLock(file);
  await assert.rejects(replaceFile(file, async () => {
    writeFileSync(`${file}.lock`, String(process.pid)); // in another container
    return "new";
  }), /another run has taken the lock/);
  assert.equal(readFileSync(file, "utf8"), "old");
  release();
  assert.equal(existsSync(`${file}.lock`), true, "the lock of the other run stays");
  rmSync(dirname(file), { recursive: true });
});

test("where the new file cannot be put in place, it is kept and named", async () => {
  const file = join(mkdtempSync(join(tmpdir(), "mount-")), FILE);
  mkdirSync(join(file, "in the way"), { recursive: true }); // as a file that is mounted: no rename onto it
  const release = await takeLock(file);
  await assert.rejects(replaceFile(file, async () => "new"), /cannot write .*; the new one is .*\.new; mend/);
  assert.equal(readFileSync(`${file}.new`, "utf8"), "new");
  release();
  rmSync(dirname(file), { recursive: true });
});

describe("refresh_token", { concurrency: 3 }, () => {
  // First, since it takes longest.
  ownerTest("an answer that never comes ends after half a minute, nothing lost", {}, async (owner) => {
    const before = owner.read(FILE);
    owner.simulator.fail("never_answers");
    const silent = owner.run("refresh_token", [], { timeoutMs: 45_000 });
    const result = await silent;
    assertEnd(result, 1);
    assert.ok(result.ms > 25_000 && result.ms < 40_000, `${result.ms} ms`);
    await assertNothingLost(owner, before, result);
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
      // Never in the future: a time that a wrong clock wrote is not believed, and the token's own counts.
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
    assertEnd(await owner.run("refresh_token"), 4, "get_token");
    mkdirSync(owner.path(FILE));
    assertEnd(await owner.run("refresh_token"), 4, "get_token");
  });

  ownerTest("several at once: one request, all succeed", {}, async (owner) => {
    // The last ones begin to read when the first has ended: what it brought after they were started will do.
    const results = await Promise.all([1, 2, 3, 4, 5, 6].map(() => owner.run("refresh_token")));
    for (const result of results) assertEnd(result, 0);
    const sent = owner.simulator.requests.filter(({ path }) => path.endsWith("/token"));
    assert.equal(sent.length, 1);
    assert.equal(results.filter(({ stderr }) => stderr.includes("another run has done it")).length, 5);
    assert.equal(owner.token().refresh_token, owner.simulator.account.chains[0]?.current);
    assertTidy(owner);
  });

  ownerTest("a lock of a run that is gone is taken over, one of a living run is waited for",
    {}, async (owner) => {
    owner.write(`${FILE}.lock`, "99999999");
    owner.write(`${FILE}.new`, "half of a fi");
    assertEnd(await owner.run("refresh_token"), 0);
    assertTidy(owner);
    owner.write(`${FILE}.lock`, String(process.pid));
    const running = owner.start("refresh_token", [], { node: TELLS_WAITS });
    await running.said(/^waits$/m);
    assert.equal(running.child.exitCode, null);
    const other = owner.logIn(); // what the living run has brought meanwhile
    rmSync(owner.path(`${FILE}.lock`));
    const result = await running.ended;
    assertEnd(result, 0, "another run");
    assert.deepEqual(result.requests, []);
    assert.equal(owner.read(FILE), other);
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

  ownerTest("the folder cannot be written: found before the token is spent", {}, async (owner) => {
    const before = owner.read(FILE);
    if (process.getuid?.() === 0 || process.platform === "win32") {
      // Modes do not bind root: a folder where the new file belongs stops root as well.
      mkdirSync(owner.path(`${FILE}.new`));
      writeFileSync(owner.path(`${FILE}.new/x`), "");
    } else chmodSync(owner.folder, 0o500);
    const result = await owner.run("refresh_token");
    assertEnd(result, 1);
    chmodSync(owner.folder, 0o700);
    assert.deepEqual(result.requests, []);
    assert.equal(owner.read(FILE), before);
    assert.equal(owner.has(`${FILE}.lock`), false);
  });

  if (process.platform !== "win32") ownerTest("a full disk is found before the token is spent",
    {}, async (owner) => {
    const before = owner.read(FILE);
    // First what warms the loader's cache, which has files too.
    assertEnd(await owner.run("refresh_token", ["--help"]), 0);
    const result = await owner.run("refresh_token", [], { fileLimit: 8 });
    assertEnd(result, 1, "nothing was sent");
    assert.deepEqual(result.requests, []);
    assertKept(owner, before, result);
  });

  if (process.platform !== "win32") ownerTest("a link is not replaced: its file would keep a spent token", {},
    async (owner) => {
      const before = owner.read(FILE);
      mkdirSync(owner.path("elsewhere"));
      renameSync(owner.path(FILE), owner.path(join("elsewhere", FILE)));
      symlinkSync(join("elsewhere", FILE), owner.path(FILE));
      const result = await owner.run("refresh_token");
      assertEnd(result, 5, "is a link", "nothing was sent");
      assert.deepEqual(result.requests, []);
      assert.equal(owner.read(join("elsewhere", FILE)), before);
      assertEnd(await owner.run("read_charge"), 0);
    });

  if (process.platform !== "win32") ownerTest("a token file that a run with sudo left: the mend is chown", {},
    async (owner) => {
      const uid = process.getuid?.() === 0 ? 65534 : undefined;
      if (uid === undefined) chmodSync(owner.path(FILE), 0);
      else {
        for (const folder of [dirname(owner.simulator.caFile), owner.folder]) chmodSync(folder, 0o755);
        chownSync(owner.path(".env"), uid, uid);
      }
      const result = await owner.run("read_charge", [], { uid });
      assertEnd(result, 4, "EACCES", "sudo chown");
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

test("the outputs were searched for secrets",
  () => assert.ok(outputsSearched() > 70, String(outputsSearched())));
