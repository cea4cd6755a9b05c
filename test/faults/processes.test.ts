// How the other tests start the scripts. Many runs happen inside the process of the tests (runInside of
// test/support/inside.ts): here each exit code is met there and in a process of its own, and both must print, send and
// leave behind the same. And each script starts once with the README's own words, `npx tsx scripts/…`.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { cpSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe } from "node:test";
import { auditedFiles, inRunningOrder } from "../rules/script_list.ts";
// biome-ignore format: a list of words
import { useRedirect, visit } from "../support/browser.ts";
import { assertEnd, calls } from "../support/ends.ts";
import { runInside } from "../support/inside.ts";
import { PROJECT, SCOPES, ownerTest, type Owner, type OwnerOptions, type Result } from "../support/owner.ts";

type Prepare = (owner: Owner) => unknown;
const fails =
  (name: string): Prepare =>
  (owner) =>
    owner.simulator.fail(name);
const REST = { settings: { TESLA_COMMANDS: "rest" }, scopes: `${SCOPES} vehicle_cmds` };
const unsigned = (owner: Owner): void => {
  owner.simulator.car.protocolRequired = false;
  owner.simulator.fail("server_error");
};
const publish = (owner: Owner): void => {
  owner.simulator.partner.hosting = { kind: "file", body: owner.publicKey };
};

// biome-ignore format: a table of words
const ENDS: [exit: number, run: string, prepare?: Prepare, options?: OwnerOptions][] = [
  [0, "read_charge"], [0, "read_charge --json"], [0, "read_charge --help"], [0, "list_vehicles"], [0, "check_setup"],
  [0, "set_charge_amps 11"], [0, "set_charge_amps 11 --dry-run"],
  [0, "generate_key", undefined, { keys: false }],
  [0, "register_partner", publish, { registered: false }],
  [1, "read_charge", fails("server_error")],
  [2, "read_charge word"],
  [3, "read_charge", fails("vehicle_asleep")],
  [4, "read_charge", (owner) => owner.simulator.account.accessTokens.clear()],
  [5, "check_setup", undefined, { settings: { TESLA_VIN: "" } }],
  [5, "call_api GET /api/1/vehicles", undefined, { settings: { TESLA_REGION: "xx" } }],
  [5, "send_command door_unlock"], // the token lacks the scope
  [6, "read_charge", fails("client_closed")],
  [7, "read_charge", fails("billing_limit")],
  [8, "set_charge_amps 10", unsigned, REST],
  [8, "send_command flash_lights", unsigned, REST],
];

describe("inside this process and in one of its own, a script ends the same way", { concurrency: 2 }, () => {
  for (const [exit, line, prepare = () => {}, options = {}] of ENDS) {
    const [script = "", ...words] = line.split(" ");
    ownerTest(`${exit}: ${line}`, options, async (owner) => {
      const before = readdirSync(owner.folder).map((name): [string, string] => [name, owner.read(name)]);
      await prepare(owner);
      const run = async (how: () => Promise<Result>): Promise<[Result, string[]]> => [
        await how(),
        readdirSync(owner.folder).sort(),
      ];
      const [own, left] = await run(() => owner.start(script, words).ended);
      assertEnd(own, exit);
      // What the first run has left in the folder is put back before the second one.
      for (const name of readdirSync(owner.folder)) rmSync(owner.path(name));
      for (const [name, text] of before) owner.write(name, text);
      const [here, leftHere] = await run(() => runInside(owner, script, words));
      // Tesla's numbers for a request are new each time, and so are the charge and the time.
      const told = (text: string): string =>
        text
          .replace(/[0-9a-f]{8}-[0-9a-f-]{27}-\d{13}|[0-9a-f]{32}/g, "ID")
          .replace(/\b\d\d:\d\d\b|\b\d{13}\b|(?<=: )\d+\.\d+/g, "N");
      assert.deepEqual(
        [here.code, told(here.stderr), told(here.stdout), calls(here.requests), leftHere],
        [own.code, told(own.stderr), told(own.stdout), calls(own.requests), left],
      );
    });
  }
});

// ---- npx tsx, word for word ----

// Those that wait for somebody: for what they say then, and what happens.
type Then = (owner: Owner, said: string, interrupt: () => void) => unknown;
const WAITS: Record<string, [RegExp, Then]> = {
  serve_public_key: [/Ctrl-C stops it/, (_owner, _said, interrupt) => interrupt()],
  get_token: [
    /^https:\/\/auth\.\S+(?=\n)[^]*cancels/m,
    async (owner, said) => {
      const [address = ""] = /^https:\/\/auth\.\S+(?=\n)/m.exec(said) ?? [];
      await visit(await owner.simulator.consent(address));
    },
  ],
};

describe("npx tsx, as the README says", () => {
  ownerTest(
    "each script, from an empty folder to the car",
    { keys: false, loggedIn: false },
    async (owner) => {
      // The owner's folder is the project's: what npx and tsx need of it is there.
      for (const name of ["lib", "scripts", "package.json"]) {
        cpSync(join(PROJECT, name), owner.path(name), { recursive: true });
      }
      symlinkSync(join(PROJECT, "node_modules"), owner.path("node_modules"), "junction");
      await useRedirect(owner);
      const files = auditedFiles();
      for (const [name, ...words] of inRunningOrder(files)) {
        const command = `npx tsx scripts/${name}.ts`;
        assert.match(files.get(`scripts/${name}.ts`) ?? "", new RegExp(`^// {3}run {7}${command}( |$)`, "m"));
        const result = await runLine(owner, [command, ...words].join(" "), WAITS[name]);
        assertEnd(result, name === "telemetry_config" ? 5 : 0); // 5: nobody has configured it
        if (name === "generate_key") {
          owner.publicKey = owner.read("public-key.pem");
          owner.simulator.partner.hosting = { kind: "file", body: owner.publicKey };
          owner.simulator.car.pair(owner.publicKey);
        }
      }
      const done = owner.simulator.car.executed.map(({ name }) => name);
      assert.deepEqual(done, ["set_charging_amps", "charge_stop"]);
    },
  );
});

/** A line of a shell, in the owner's folder. */
function runLine(
  owner: Owner,
  line: string,
  [until, then]: [RegExp, Then] = [/$^/, () => {}],
): Promise<Result> {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(TESLA_|NODE_|npm_)/.test(name));
  const before = owner.simulator.requests.length;
  const begin = performance.now();
  const isWindows = process.platform === "win32";
  const env = { ...Object.fromEntries(inherited), ...owner.simulator.env };
  const child = spawn(line, { cwd: owner.folder, shell: true, detached: !isWindows, env });
  child.stdin.end();
  const said = { stdout: "", stderr: "" };
  let isReached = false;
  let isInterrupted = false;
  const interrupt = (): void => {
    isInterrupted = true;
    process.kill(isWindows ? (child.pid ?? 0) : -(child.pid ?? 0), "SIGINT"); // npx and what it has started
  };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text: string) => {
      said[name] += text;
      if (isReached || !until.test(said.stdout + said.stderr)) return;
      isReached = true;
      Promise.resolve(then(owner, said.stderr, interrupt)).catch((error) => {
        said.stderr += String(error);
      });
    });
  }
  return new Promise((resolve, reject) => {
    child.on("error", reject).on("close", (code) => {
      // What npm itself has to say has lines of its own.
      const stderr = said.stderr.replace(/^npm (warn|notice).*\n?/gm, "");
      const requests = owner.simulator.requests.slice(before);
      const ms = performance.now() - begin;
      const result: Result = {
        code: isInterrupted ? 0 : (code ?? -1),
        stdout: said.stdout,
        stderr,
        ms,
        requests,
      };
      owner.checkOutput(line, result);
      resolve(result);
    });
  });
}
