// A day of a solar loop (test/bench/endurance.ts). In `npm test` it has fewer commands and a process for each run. In
// `npm run test:long` the whole of it runs too, in one process, and the same day ends in red when a script sends
// again, loses the token or lets the session grow.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { describe, test } from "node:test";
import { LOADER } from "../simulator/server.ts";
import { plantedCopy, PROJECT } from "../support/owner.ts";
import { ONLY_AT_LENGTH } from "../support/length.ts";

const OTHERS = ["test/bench", "test/simulator", "test/support"];
const SAMPLE = ["--commands", "24", "--lost", "6"];

function liveOneDay(project: string, words: string[]): Promise<{ code: number; output: string }> {
  const child = spawn(process.execPath, [...LOADER, join(project, "test/bench/endurance.ts"), ...words], {
    cwd: project,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (part: Buffer) => {
      output += String(part);
    });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code: code ?? -1, output }));
  });
}

describe("a day of a solar loop", { concurrency: 2 }, () => {
  test("1,440 commands, 3 refreshes, 2 reboots, 20 lost answers", {
    timeout: 240_000,
    skip: ONLY_AT_LENGTH,
  }, async () => {
    const { code, output } = await liveOneDay(PROJECT, []);
    assert.equal(code, 0, output);
    assert.match(output, /^commands {3}1443 requests/m);
    assert.match(output, /^unknown {4}19 lost answers/m);
    assert.match(output, /^token {6}3 refreshes in 4 requests/m);
  });

  test("a sample of it, each run a process of its own", { timeout: 240_000 }, async () => {
    const { code, output } = await liveOneDay(PROJECT, ["--processes", ...SAMPLE]);
    assert.equal(code, 0, output);
    assert.match(output, /^commands {3}27 requests/m);
  });

  // biome-ignore format: a table of words
  const violations: [string, string, string, string, RegExp][] = [
    ["a lost command is sent again", "lib/tesla_fetch.ts", "throw unknownOutcome(found, pathname);",
      "return send(url, outgoing);", /command \d+/],
    ["a handshake each time", "lib/signing/session.ts", "? (session as unknown as Session) : undefined;",
      "? undefined : undefined;", /requests of command 1/],
    ["a lost answer costs the token", "lib/safe_file.ts", "if (isSameFile(handle, path)) rmSync(path, { force: true });",
      "rmSync(path.replace(\".new\", \"\"), { force: true });", /tesla_token\.json/],
    ["a new token is not saved", "lib/safe_file.ts", "await rename(beside, file);",
      "if (file.includes(\"session\")) await rename(beside, file);", /the token that Tesla gave last|no litter/],
    ["the session file grows", "lib/signing/session.ts", "[nameOf(target)]: session }",
      "[nameOf(target)]: session, [session.counter]: 1 }", /has grown/],
  ];
  for (const [name, path, from, to, complaint] of violations) {
    test(`notices: ${name}`, { timeout: 120_000, skip: ONLY_AT_LENGTH }, async () => {
      const { code, output } = await liveOneDay(plantedCopy(path, from, to, OTHERS), SAMPLE);
      assert.equal(code, 1, output);
      assert.match(output, complaint);
    });
  }
});
