// How the other tests start the scripts. Many runs happen inside the process of the tests (runInside of
// test/support/harness.ts): here each exit code is met there and in a process of its own, and both must print, send and
// leave behind the same. And each script starts once with the README's own words, `npx tsx scripts/…`.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { cpSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe } from "node:test";
import {
  PROJECT,
  SCOPES,
  assertEnd,
  calls,
  ownerTest,
  runInside,
  useRedirect,
  visit,
  type Owner,
  type Result,
} from "../support/harness.ts";

const REST = { settings: { TESLA_COMMANDS: "rest" } };

describe("inside this process and in one of its own, a script ends the same way", { concurrency: 2 }, () => {
  // What a run leaves in the folder is put back before the second one.
  async function both(
    owner: Owner,
    script: string,
    words: string[],
    exit: number,
    prepare: (owner: Owner) => unknown = () => {},
  ): Promise<void> {
    const names = readdirSync(owner.folder);
    const before = new Map(names.map((name) => [name, owner.read(name)]));
    const results: [Result, string[]][] = [];
    for (const run of [() => owner.start(script, words).ended, () => runInside(owner, script, words)]) {
      for (const name of readdirSync(owner.folder)) if (!before.has(name)) rmSync(owner.path(name));
      for (const [name, text] of before) owner.write(name, text, owner.mode(name));
      owner.simulator.clear();
      await prepare(owner);
      results.push([await run(), readdirSync(owner.folder).sort()]);
    }
    const [[own, left], [here, leftHere]] = results as [[Result, string[]], [Result, string[]]];
    assertEnd(own, exit);
    // Tesla's numbers for a request are new each time, and so are the charge and the time.
    const told = (text: string): string =>
      text
        .replace(/[0-9a-f]{8}-[0-9a-f-]{27}-\d{13}|[0-9a-f]{32}/g, "ID")
        .replace(/(\d+\/\d+\/\d{4}, )?\d\d?:\d\d:\d\d(\s[AP]M)?|\b\d{13}\b|(?<=: )\d+\.\d+/g, "N");
    assert.deepEqual(
      [here.code, told(here.stderr), told(here.stdout), calls(here.requests), leftHere],
      [own.code, told(own.stderr), told(own.stdout), calls(own.requests), left],
    );
  }
  const fails =
    (name: string) =>
    (owner: Owner): void =>
      owner.simulator.fail(name);

  ownerTest("0: done", {}, async (owner) => {
    await both(owner, "read_charge", [], 0);
    await both(owner, "read_charge", ["--json"], 0);
    await both(owner, "read_charge", ["--help"], 0);
    await both(owner, "set_charge_amps", ["11"], 0);
    await both(owner, "set_charge_amps", ["11", "--dry-run"], 0);
    await both(owner, "list_vehicles", [], 0);
  });
  ownerTest("0: check_setup", {}, (owner) => both(owner, "check_setup", [], 0));
  ownerTest("0: generate_key", { keys: false }, (owner) => both(owner, "generate_key", [], 0));
  ownerTest("0: register_partner", { registered: false }, async (owner) => {
    owner.simulator.partner.hosting = { kind: "file", body: owner.publicKey };
    await both(owner, "register_partner", [], 0);
  });
  ownerTest("1: unexpected", {}, (owner) => both(owner, "read_charge", [], 1, fails("server_error")));
  ownerTest("2: wrong usage", {}, (owner) => both(owner, "read_charge", ["word"], 2));
  ownerTest("3: asleep", {}, (owner) => both(owner, "read_charge", [], 3, fails("vehicle_asleep")));
  ownerTest("4: login needed", {}, (owner) =>
    both(owner, "read_charge", [], 4, () => owner.simulator.account.accessTokens.clear()),
  );
  ownerTest("5: not set up", {}, async (owner) => {
    await both(owner, "check_setup", [], 5, () => owner.setSettings({ TESLA_VIN: "" }));
    await both(owner, "call_api", ["GET", "/api/1/vehicles"], 5, () =>
      owner.setSettings({ TESLA_REGION: "xx" }),
    );
    owner.setSettings();
    await both(owner, "send_command", ["door_unlock"], 5); // the token lacks the scope
  });
  ownerTest("6: refused", {}, (owner) => both(owner, "read_charge", [], 6, fails("client_closed")));
  ownerTest("7: a limit", {}, (owner) => both(owner, "read_charge", [], 7, fails("billing_limit")));
  ownerTest("8: unknown outcome", REST, async (owner) => {
    owner.simulator.car.protocolRequired = false;
    await both(owner, "set_charge_amps", ["10"], 8, fails("server_error"));
    owner.logIn({}, `${SCOPES} vehicle_cmds`);
    await both(owner, "send_command", ["flash_lights"], 8, fails("server_error"));
  });
});

// ---- npx tsx, word for word ----

/** The lines of the scripts' own headers, less what may be left out: npx tsx scripts/x.ts. */
const RUN_LINES = readdirSync(join(PROJECT, "scripts")).map((name) => {
  const [, line = ""] =
    /^\/\/ {3}run {7}(.*)$/m.exec(readFileSync(join(PROJECT, "scripts", name), "utf8")) ?? [];
  return line
    .replace(/ \[.*/, "")
    .replace("AMPS", "10")
    .replace("NAME", "charge_stop")
    .replace("METHOD PATH", "GET /api/1/products");
});

describe("npx tsx, as the README says", () => {
  ownerTest(
    "each script, from the folder of the owner to the car",
    { keys: false, loggedIn: false },
    async (owner) => {
      // The owner's folder is the project's: what npx and tsx need of it stands there.
      for (const name of ["lib", "scripts", "package.json"]) {
        cpSync(join(PROJECT, name), owner.path(name), { recursive: true });
      }
      symlinkSync(join(PROJECT, "node_modules"), owner.path("node_modules"), "junction");
      await useRedirect(owner);
      const ran: string[] = [];
      const npx = (script: string, until?: RegExp, answer?: (said: string) => Promise<unknown>) => {
        const line = RUN_LINES.find((one) => one.includes(`/${script}.ts`)) ?? "";
        ran.push(line);
        return runLine(owner, line, until, answer);
      };
      assertEnd(await npx("generate_key"), 0);
      owner.publicKey = owner.read("public-key.pem");
      owner.simulator.partner.hosting = { kind: "file", body: owner.publicKey };
      assertEnd(await npx("serve_public_key", /Ctrl-C ends/), 0);
      assertEnd(await npx("register_partner"), 0);
      assertEnd(
        await npx("get_token", /^https:\/\/auth\.\S+(?=\n)[^]*cancels/m, async (said) => {
          const [address = ""] = /^https:\/\/auth\.\S+(?=\n)/m.exec(said) ?? [];
          await visit(await owner.simulator.consent(address));
        }),
        0,
      );
      owner.simulator.car.pair(owner.publicKey);
      for (const script of [
        "refresh_token",
        "list_vehicles",
        "check_setup",
        "read_charge",
        "set_charge_amps",
        "send_command",
        "call_api",
        "wake_up",
      ])
        assertEnd(await npx(script), 0);
      assert.deepEqual(ran.toSorted(), RUN_LINES.toSorted());
      assert.equal(owner.simulator.car.executed.length, 2);
    },
  );
});

// A line of a shell, in the owner's folder. serve_public_key has no end but a signal.
function runLine(
  owner: Owner,
  line: string,
  until = /$^/,
  answer?: (said: string) => Promise<unknown>,
): Promise<Result> {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(TESLA_|NODE_|npm_)/.test(name));
  const before = owner.simulator.requests.length;
  const begin = performance.now();
  const child = spawn(line, {
    cwd: owner.folder,
    shell: true,
    detached: process.platform !== "win32",
    env: { ...Object.fromEntries(inherited), ...owner.simulator.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const said = { stdout: "", stderr: "" };
  let isReached = false;
  let ended = false;
  const heard = (): void => {
    if (isReached || !until.test(said.stdout + said.stderr)) return;
    isReached = true;
    if (answer !== undefined)
      void answer(said.stderr).catch((error: unknown) => {
        said.stderr += String(error);
      });
    else {
      ended = true;
      process.kill(process.platform === "win32" ? (child.pid ?? 0) : -(child.pid ?? 0), "SIGINT");
    }
  };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text: string) => {
      said[name] += text;
      heard();
    });
  }
  return new Promise((resolve, reject) =>
    child.on("error", reject).on("close", (code) => {
      // What npm itself has to say stands on lines of its own.
      const stderr = said.stderr
        .split("\n")
        .filter((each) => !/^npm (warn|notice)/.test(each))
        .join("\n");
      const result: Result = {
        code: ended ? 0 : (code ?? -1),
        stdout: said.stdout,
        stderr,
        ms: performance.now() - begin,
        requests: owner.simulator.requests.slice(before),
      };
      owner.checkOutput(line, result);
      resolve(result);
    }),
  );
}
