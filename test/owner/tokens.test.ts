// refresh_token as cron runs it: what it sends, what it keeps, and that no failure costs the owner the login.
// (Locks, the new file and its mode: files.test.ts. Kills and full disks: test/faults.)
import assert from "node:assert/strict";
import { mkdirSync, rmSync } from "node:fs";
import { uptime } from "node:os";
import { describe, test } from "node:test";
import { newToken } from "../../lib/token_file.ts";
import { ends, endsInside, endsWith } from "../support/ends.ts";
import { assertEnd, calls } from "../support/ends.ts";
import {
  CLIENT_ID,
  CLIENT_SECRET,
  outputsSearched,
  type Owner,
  ownerTest,
  TOKEN,
  useFewProcesses,
} from "../support/owner.ts";
import { faster, TELLS_WAITS } from "../support/passing_time.ts";

useFewProcesses();
const FILE = "tesla_token.json";
const LOCK = `${FILE}.lock`;
const HOUR = 3_600_000;

function assertTidy(owner: Owner): void {
  if (process.platform !== "win32") assert.equal(owner.mode(FILE), 0o600);
  assert.deepEqual([owner.has(`${FILE}.new`), owner.has(LOCK)], [false, false], "nothing is left beside");
}
/** The time that is `hours` from now, as the token file has it. */
const at = (hours: number): string => new Date(Date.now() + hours * HOUR).toISOString();

describe("refresh_token", { concurrency: 3 }, () => {
  ownerTest("exchanges the token; what is spent works once more, for a day", async (owner) => {
    const before = owner.token();
    const said = /^POST https:\S+ {2}200\nlogged in until (\S+ )?\d\d:\d\d; tesla_token\.json saved\n$/;
    const result = await ends(owner, "refresh_token", 0, said);
    assert.equal(result.stdout, "");
    assert.deepEqual(calls(result.requests), [TOKEN]);
    const { refresh_token } = before;
    const form = Object.fromEntries(new URLSearchParams(result.requests[0]?.body));
    assert.deepEqual(form, { grant_type: "refresh_token", client_id: CLIENT_ID, refresh_token });
    assert.equal(result.requests[0]?.headers.authorization, undefined);
    assertTidy(owner);
    const { obtained_at: obtained, ...after } = owner.token();
    const names = ["access_token", "refresh_token", "id_token", "expires_in", "token_type"];
    assert.deepEqual(Object.keys(after), names);
    assert.ok(Math.abs(Date.parse(String(obtained)) - Date.now()) < 60_000, String(obtained));
    assert.equal(after.refresh_token, owner.simulator.account.chains[0]?.current);
    await ends(owner, "read_charge", 0);
    const text = JSON.stringify(before);
    owner.write(FILE, text); // as if the answer had been lost
    await endsInside(owner, "refresh_token", 0);
    owner.write(FILE, text);
    owner.simulator.clock.offsetMs = 25 * HOUR;
    const late = await endsInside(owner, "refresh_token", 4, "over 3 months old", "run get_token --force");
    assert.deepEqual([late.requests.length, owner.read(FILE)], [1, text]);
  });

  // What file and token say, in hours from now; the duration; whether it refreshes. Where they differ, the earlier
  // time counts; where nobody tells, it refreshes: too early costs nothing, too late costs the login.
  const jwt = (hours: number): string => {
    const claims = JSON.stringify({ exp: Date.now() / 1000 + hours * 3600 });
    return `eyJhbGciOiJub25lIn0.${Buffer.from(claims).toString("base64url")}.x`;
  };
  // biome-ignore format: a table
  const durations: [Record<string, unknown>, string, boolean][] = [
    [{ obtained_at: at(-6) }, "3h", true], [{ obtained_at: at(-4) }, "3h", false], [{ obtained_at: at(-7) }, "90m", true],
    [{ obtained_at: at(-6.4) }, "90m", false], [{ obtained_at: at(-1) }, "2d", true], [{ obtained_at: at(-9) }, "0m", true],
    [{ obtained_at: at(-7.5) }, "0h", false], [{ obtained_at: undefined }, "3h", false], [{ obtained_at: undefined }, "9h", true],
    [{ obtained_at: at(24) }, "9h", true], [{ obtained_at: at(24) }, "7h", false], // a clock that ran ahead wrote the file
    [{ access_token: jwt(2) }, "3h", true], [{ access_token: jwt(30), expires_in: "28800" }, "3h", false],
    [{ access_token: "opaque-access-token" }, "3h", false], [{ obtained_at: "yesterday", access_token: "opaque-access-token" }, "3h", true],
    [{ obtained_at: "", access_token: jwt(1e300) }, "3h", true], [{ expires_in: 1e300, access_token: "opaque-access-token" }, "3h", true],
  ];
  ownerTest("--if-expiring-within, by the file and by the token", async (owner) => {
    for (const [changes, within, refreshes] of durations) {
      owner.simulator.requests.length = 0;
      const before = owner.logIn(changes);
      const line = `refresh_token --if-expiring-within ${within}`;
      const result = await endsInside(owner, line, 0, refreshes ? "saved" : "; nothing to do\n");
      const title = `${JSON.stringify(changes)}, ${within}`;
      assert.deepEqual(calls(result.requests), refreshes ? [TOKEN] : [], title);
      assert.equal(owner.read(FILE) === before, !refreshes);
    }
  });

  ownerTest("malformed durations, arguments and settings send nothing", async (owner) => {
    const before = owner.read(FILE);
    for (const within of ["3", "h", "-3h", "3.5h", "3w", "٣h", "", "1e1h", "999999h"]) {
      const said = `found: "${within}"\nfix:   --if-expiring-within must look like 90m, 3h or 2d\n`;
      await endsInside(owner, `refresh_token --if-expiring-within=${within}`, 2, said);
    }
    for (const words of ["--if-expiring-within", "now", "--refresh-token=x"]) {
      await endsInside(owner, `refresh_token ${words}`, 2, "error: wrong usage\n");
    }
    owner.setSettings({ TESLA_CLIENT_ID: "", TESLA_REGION: "usa" });
    await endsInside(
      owner,
      "refresh_token",
      5,
      "error: TESLA_CLIENT_ID, TESLA_REGION: missing or malformed\n",
    );
    // A secret in the wrong line is named, and never shown: each run is searched.
    const { access_token: access, refresh_token: refresh } = owner.token();
    for (const secret of [CLIENT_SECRET, access, refresh]) {
      owner.setSettings({ TESLA_REGION: secret });
      await endsInside(owner, "refresh_token", 5, 'TESLA_REGION is "[secret removed]');
    }
    assert.deepEqual([owner.simulator.requests, owner.read(FILE)], [[], before]);
    // Neither the client secret nor the other settings are needed for a refresh.
    owner.setSettings({ TESLA_CLIENT_SECRET: "", TESLA_DOMAIN: "", TESLA_VIN: "" });
    await endsInside(owner, "refresh_token", 0);
  });

  ownerTest("a file with more in it, written by another program, is taken", async (owner) => {
    const token = owner.logIn({ note: "mine", nested: { a: [1] }, expires_in: "28800", created_at: 5 });
    owner.write(FILE, `\ufeff${token.replaceAll("\n", "\r\n")}`, 0o644);
    await endsInside(owner, "refresh_token", 0);
    assertTidy(owner);
    await ends(owner, "read_charge", 0);
  });

  ownerTest("a token file that cannot be used: exit 4, and nothing is sent", async (owner) => {
    const good = owner.token();
    // biome-ignore format: a list
    const changes = [{ refresh_token: "" }, { refresh_token: undefined }, { access_token: "a b" }, { access_token: 12_345_678 },
      { refresh_token: ["a"] }, { access_token: `${good.access_token}\r\nx-evil: 1` }, { access_token: "ä" }];
    const bad = changes.map((change) => JSON.stringify({ ...good, ...change }));
    const cut = JSON.stringify(good).slice(0, -30);
    const problem =
      /^error: not logged in \(in this folder\)\nfound: tesla_token\.json: it (is not JSON|has no usable)/;
    for (const text of ["", "{", "null", "[]", "{}", '{"error":"login_required"}', cut, ...bad]) {
      owner.write(FILE, text);
      await endsInside(owner, "refresh_token", 4, problem, "fix:   run get_token here\n");
      assert.equal(owner.read(FILE), text);
    }
    rmSync(owner.path(FILE));
    await endsInside(
      owner,
      "refresh_token",
      4,
      "found: tesla_token.json: not found\nfix:   run get_token here\n",
    );
    mkdirSync(owner.path(FILE));
    await endsInside(owner, "refresh_token", 4, "found: tesla_token.json: it is a folder\n");
    assert.deepEqual(owner.simulator.requests, []);
  });

  ownerTest("two at once: the second finds the work done, and sends nothing", async (owner) => {
    owner.write(LOCK, `\n${process.pid} ${Math.floor(uptime())} 0123\n`); // a run that lives
    const running = owner.start("refresh_token", [], { node: TELLS_WAITS });
    await running.said(/^waits 100$/m);
    const other = owner.logIn(); // what that run has brought meanwhile
    rmSync(owner.path(LOCK));
    const result = await running.ended;
    assertEnd(result, 0, "already refreshed by another run\n");
    assert.deepEqual([result.requests, owner.read(FILE)], [[], other]);
  });

  // What each answer means is in advice.test.ts; here, that nothing is lost, and that the next run works.
  // biome-ignore format: a table
  const failures: [string, number, ...string[]][] = [
    ["login_required", 4, "run get_token"], ["rate_limited", 7, "37 seconds"], ["server_error", 1], ["html_firewall", 1, "web page"], ["empty_body", 1],
    ["truncated_json", 1], ["wrong_shape", 1, "it has no usable access_token"], ["token_without_access_token", 1, "it has no usable access_token"],
    ["oversized", 1, "1 MiB"], ["hang_up_before", 1, "try again"], ["hang_up_after", 1, "try again"], ["redirect_301", 1], ["echoes_secret", 5],
  ];
  ownerTest("an answer that is none: nothing is lost, and the next run works", async (owner) => {
    for (const [failure, code, ...words] of failures) {
      const before = owner.read(FILE);
      owner.simulator.fail(failure);
      const result = await endsInside(owner, "refresh_token", code, ...words);
      assert.deepEqual([owner.read(FILE), result.requests.length], [before, 1], failure);
      assertTidy(owner);
      // Carried out, and only the answer spoilt: the token is spent, and works once more.
      owner.simulator.clear();
      await endsInside(owner, "refresh_token", 0, "saved");
    }
  });

  ownerTest("an answer that never comes ends after half a minute, nothing lost", async (owner) => {
    const before = owner.read(FILE);
    owner.simulator.fail("never_answers");
    const node = faster({ limits: 30 });
    const result = await endsWith(owner, "refresh_token", { node }, 1, /waits at most 30000\n/);
    assert.ok(result.ms > 1000, `${result.ms} ms`);
    assert.equal(owner.read(FILE), before);
    assertTidy(owner);
  });

  // The refresh token in the answer, and whether it counts as none: then the old one stays (RFC 6749, section 6).
  // biome-ignore format: a table
  const refreshed: [unknown, boolean][] = [[null, true], ["", true], [["x"], false], ["a\nb", false], [5, false], [{ a: 1 }, false]];
  ownerTest("an answer without a new refresh token: the old one is kept", async (owner) => {
    const { refresh_token: old, access_token: access } = owner.token();
    owner.simulator.fail("refresh_keeps_token", 1);
    await endsInside(owner, "refresh_token", 0, "saved");
    assert.equal(owner.token().refresh_token, old);
    assert.notEqual(owner.token().access_token, access);
    await ends(owner, "read_charge", 0);
    for (const [value, isKept] of refreshed) {
      const before = owner.read(FILE);
      owner.simulator.clear();
      owner.answer("/token", 200, { ...owner.newToken(), refresh_token: value });
      const said = isKept ? "saved" : "found: it has no usable refresh_token\n";
      await endsInside(owner, "refresh_token", isKept ? 0 : 1, said);
      assert.equal(owner.token().refresh_token, JSON.parse(before).refresh_token, String(value));
      assert.equal(owner.read(FILE) === before, !isKept);
    }
    assertTidy(owner);
  });

  ownerTest("a log that takes no more does not end the run between spent and saved", async (owner) => {
    const before = owner.read(FILE);
    const running = owner.start("refresh_token");
    running.child.stderr?.destroy(); // as `2>&1 | head -1` does
    const result = await running.ended;
    assert.deepEqual([result.code, result.requests.length], [0, 1]);
    assert.notEqual(owner.read(FILE), before);
    assertTidy(owner);
  });
});

test("tokens of odd shapes are not saved", () => {
  for (const access_token of [null, undefined, 5, "a b", "", ["x"], { a: 1 }, "a\u0000b"]) {
    assert.throws(() => newToken({ access_token, refresh_token: "fine" }), /Tesla's answer cannot be used/);
  }
  for (const answer of [null, "text", [], 5]) assert.throws(() => newToken(answer, { refresh_token: "old" }));
});

test("the outputs were searched for secrets", () => assert.ok(outputsSearched() > 50));
