// `npm run practice`, as an owner uses it: the setup in the README in the shell that it opens, the commands that
// play the world, and what is left afterwards (nothing). With keys typed into a terminal where `script` or tmux
// are there; what is missing is named as skipped.
import assert from "node:assert/strict";
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { startOf, type Wanted } from "../simulator/practice/shell.ts";
import { freePort } from "../simulator/server.ts";
import { LOADER } from "../simulator/server.ts";
import { startSimulator } from "../simulator/simulator.ts";
import { DOMAIN } from "../simulator/tesla/tesla.ts";
import { ONLY_AT_LENGTH } from "../support/length.ts";
import { until } from "../support/until.ts";

const PROJECT = fileURLToPath(new URL("../..", import.meta.url));
const COMMAND = [process.execPath, ...LOADER, join(PROJECT, "test/simulator/practice/practice.ts")];
const folder = mkdtempSync(join(tmpdir(), "test-practice-"));
const home = join(folder, "home");
const temporary = join(folder, "tmp");
for (const path of [home, temporary]) mkdirSync(path);
const children: ChildProcess[] = [];
after(() => {
  for (const child of children) {
    // of a test that has failed
    if (child.exitCode === null) child.kill("SIGHUP");
    for (const stream of [child.stdin, child.stdout, child.stderr]) stream?.destroy();
  }
  rmSync(folder, { recursive: true, force: true });
});

// What an owner's own files may set, and what must not reach the scripts or change the owner's files.
const OWN = "NODE_OPTIONS=--no-warnings TESLA_VIN=WRONG";
writeFileSync(
  join(home, ".bashrc"),
  `export ${OWN}\nPS1='own> '\nHISTFILE=~/history\nalias mine='echo my alias'\nPROMPT_COMMAND='true;'\n`,
);
writeFileSync(
  join(home, ".zshrc"),
  `export ${OWN}\nPROMPT='own> '\nHISTFILE=~/history\nSAVEHIST=9\nalias mine='echo my alias'\n`,
);
mkdirSync(join(home, ".config/fish"), { recursive: true });
writeFileSync(
  join(home, ".config/fish/config.fish"),
  "set -gx NODE_OPTIONS --no-warnings\nset -gx TESLA_VIN WRONG\n"
    + 'function fish_prompt; echo -n "own> "; end\nfunction mine; echo my alias; end\n',
);
const ENVIRONMENT: NodeJS.ProcessEnv = {
  ...process.env,
  HOME: home,
  TMPDIR: temporary,
  SHELL: "/bin/bash",
  TERM: "xterm",
  TESLA_VIN: "WRONG",
  XDG_CONFIG_HOME: "",
  XDG_DATA_HOME: "",
  ZDOTDIR: undefined,
};

const where = (program: string): string =>
  spawnSync("sh", ["-c", `command -v ${program}`], { encoding: "utf8" }).stdout.trim();
const isWindows = process.platform === "win32";
const SCRIPT = process.platform === "linux" ? where("script") : "";

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}

/** A shell that is typed into; `answer` waits until a line with a mark comes back behind what a command says. */
function open(program: string, args: string[], environment = ENVIRONMENT) {
  const child: ChildProcess = spawn(program, args, { cwd: PROJECT, env: environment, stdio: "pipe" });
  children.push(child);
  let said = "";
  for (const stream of [child.stdout, child.stderr])
    stream?.on("data", (part: Buffer) => (said += String(part)));
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
  let marks = 0;
  const type = (text: string): unknown => child.stdin?.write(text);
  async function answer(command: string): Promise<string> {
    const from = said.length;
    const mark = `mark-${++marks}-`;
    // What is typed may be echoed: the mark is complete only in what the shell prints.
    type(
      `${command}; echo ma""rk-${marks}-$?\n`.replace(
        "$?",
        environment.SHELL?.endsWith("fish") ? "$status" : "$?",
      ),
    );
    await until(
      command,
      () => new RegExp(`${mark}\\d`).test(said.slice(from)),
      () => said,
    );
    return said.slice(from).replaceAll("\r", "");
  }
  async function reads(pattern: RegExp): Promise<string> {
    await until(
      String(pattern),
      () => pattern.test(said),
      () => said,
    );
    return pattern.exec(said)?.[0] ?? "";
  }
  return { child, ended, type, answer, reads, said: () => said };
}

/** The owner's browser: follows the forms, pressing the first button, to the page at the end. */
async function browse(address: string): Promise<string[]> {
  const pages: string[] = [];
  let answer = await fetch(address);
  for (let step = 0; step < 3; step++) {
    const page = await answer.text();
    pages.push(page);
    const [form] = /<form[^]*?<\/button>/.exec(page) ?? [];
    if (form === undefined) break;
    const fields = new URLSearchParams();
    for (const [, name = "", value = ""] of form.matchAll(/name="(\w+)" value="([^"]*)"/g))
      fields.append(name, value);
    answer = await fetch(address, { method: "POST", body: fields });
  }
  return pages;
}

function leftBehind(): string[] {
  return readdirSync(temporary).filter((name) => name.startsWith("tesla-"));
}

describe("npm run practice", { skip: isWindows ? "not tried on Windows" : false }, () => {
  test("the setup in the README, from keys to amps, and the world around it", async () => {
    const keyPort = await freePort(); // other tests may use the usual ones
    const ports = ["--key-port", String(keyPort), "--login-port", String(await freePort())];
    const shell = open(COMMAND[0] ?? "", [...COMMAND.slice(1), ...ports]);
    const intro = await shell.reads(/exit or Ctrl-D.*\n/).then(() => shell.said());
    assert.ok(intro.trimEnd().split("\n").length <= 10, intro);
    const serve = /npx tsx scripts\/serve_public_key\.ts.*&/.exec(intro)?.[0] ?? "";

    assert.match(
      await shell.answer("npx tsx scripts/generate_key.ts"),
      /made private-key\.pem[^]*mark-\d+-0/,
    );
    shell.type(`${serve}\n`);
    await shell.reads(/serving public-key\.pem[^]*Ctrl-C stops it/);
    await shell.answer("npx tsx scripts/register_partner.ts > link.txt");
    const link = (await shell.answer("cat link.txt")).split("\n")[0] ?? "";
    assert.match(
      link,
      new RegExp(`^http://127\\.0\\.0\\.1:\\d+/_ak/${DOMAIN}$`),
      "stdout is the address alone",
    );
    assert.match(
      shell.said(),
      /\(practice: where this says http:\S+, the script wrote https:\/\/tesla\.com\)/,
    );
    assert.match(
      (await browse(link)).join(),
      /prohibited because you have not granted/,
      "pairing needs a login",
    );

    shell.type("npx tsx scripts/get_token.ts < /dev/null; echo logged in $?\n");
    const address = await shell.reads(/http:\/\/127\S+\/oauth2\/v3\/authorize\?\S+(?=\n)/);
    const [login = "", consent = "", end = ""] = await browse(address);
    assert.match(login, /Simulated Tesla<\/strong>: a page from your own computer/);
    assert.match(consent, /Simulated Tesla[^]*vehicle_charging_cmds/);
    assert.match(end, /Your tokens are saved/);
    await shell.reads(/logged in 0/);
    assert.doesNotMatch(shell.said(), /https:\/\/auth\.tesla\.com\//);

    assert.match(
      await shell.answer("npx tsx scripts/set_charge_amps.ts 10"),
      /_ak\/car\.example\.com on your phone[^]*-5/,
    );
    assert.match((await browse(link)).join(), /The key of car\.example\.com is on the car/);
    assert.match(
      await shell.answer("npx tsx scripts/set_charge_amps.ts 10"),
      /done: the car accepted 10 A[^]*-0/,
    );
    assert.match(await shell.answer("car"), /5YJ30123456789ABC online, keys: 1\n {2}Charging at 10 A[^]*-0/);
    assert.match(await shell.answer("npx tsx scripts/check_setup.ts"), /everything is set up[^]*-0/);

    assert.match(await shell.answer("car asleep"), /asleep, keys: 1[^]*-0/);
    assert.match(
      await shell.answer("npx tsx scripts/read_charge.ts"),
      /error: the car is asleep or offline[^]*-3/,
    );
    await shell.answer("car awake; car unpair; car pair");
    assert.match(
      await shell.answer("fail rate_limited 1"),
      /rate_limited is on for the next request it fits[^]*-0/,
    );
    assert.match(await shell.answer("node --import tsx scripts/read_charge.ts"), /429[^]*-7/);
    assert.match(await shell.answer("fail"), /login +\d[^]*reason:TEXT[^]*fail off ends them all[^]*-0/);
    assert.match(await shell.answer("fail login"), /no_policy_rules +the page ends in[^]*-0/);
    assert.match(
      await shell.answer("fail reason:busy 2; fail server_error; fail fault:5; fail off"),
      /busy is on for the next 2 requests it fits\nserver_error is on until fail off\n.*nothing fails now\n/s,
    );
    assert.match(await shell.answer("bill"), /data +\d[^]*together \$0\.0\d\d[^]*-0/);
    for (const [wrong, says] of [
      ["car fly", "car takes no word"],
      ["fail nothing", "no failure is called nothing; fail lists"],
      ["fail server_error x", '"x" is no number of times'],
      ["bill x", "bill takes no word"],
    ]) {
      assert.match(await shell.answer(wrong ?? ""), new RegExp(`error: ${says}[^]*-2`), wrong);
    }
    const stranger =
      'fetch(process.env.TESLA_PRACTICE, { method: "POST", body: "[]" }).then(({ status }) => console.log(status))';
    assert.match(await shell.answer(`node -e '${stranger}'`), /^403\n/, "without the token");
    assert.match(
      await shell.answer(`${process.execPath} ${COMMAND.slice(1).join(" ")}`),
      /practice shell already[^]*-2/,
    );

    const work = (await shell.answer("pwd")).split("\n")[0] ?? "";
    assert.ok(existsSync(join(work, "private-key.pem")));
    assert.equal(existsSync(join(PROJECT, "private-key.pem")), false, "the project is not written to");
    assert.ok(await listens(keyPort));
    shell.type("exit 6\n");
    assert.equal(await shell.ended, 6, "without a terminal the shell's own exit code");
    assert.deepEqual(leftBehind(), []);
    await until("serve_public_key in the background ends too", async () => !(await listens(keyPort)));
    assert.ok(existsSync(join(PROJECT, "node_modules/undici/package.json")), "the packages are only linked");
  });

  test("at the end of its input it ends; ended by SIGTERM it removes the folder all the same", async () => {
    const first = open(COMMAND[0] ?? "", COMMAND.slice(1));
    first.child.stdin?.end("echo still here\n");
    assert.equal(await first.ended, 0);
    assert.match(first.said(), /still here/);
    const second = open(COMMAND[0] ?? "", COMMAND.slice(1));
    await second.reads(/exit or Ctrl-D/);
    second.child.kill("SIGTERM");
    await second.ended;
    assert.deepEqual(leftBehind(), []);
    const third = open(COMMAND[0] ?? "", COMMAND.slice(1), { ...ENVIRONMENT, SHELL: "/nowhere/bash" });
    assert.equal(await third.ended, 1);
    assert.match(third.said(), /error: \/nowhere\/bash does not start/);
    assert.deepEqual(leftBehind(), []);
  });
});

for (const name of ["bash", "zsh", "fish"]) {
  const program = where(name);
  const missing = [...(SCRIPT ? [] : ["script (util-linux)"]), ...(program ? [] : [name])].join(" and ");
  test(`in a terminal, ${name}: own settings, prompt and history`, {
    skip: missing ? `not tried: ${missing} is not here` : ONLY_AT_LENGTH,
  }, async () => {
    const environment = { ...ENVIRONMENT, SHELL: program };
    const shell = open(SCRIPT, ["-qec", "npm run practice", "/dev/null"], environment);
    await shell.reads(/\(practice\) .*own> /);
    assert.match(await shell.answer("mine"), /my alias/);
    assert.match(await shell.answer("pwd"), /tesla-practice-\w+\/tesla\n/);
    assert.match(await shell.answer('echo "[$TESLA_VIN]" $NODE_OPTIONS'), /\[\][^]*simulator\/preload\.mjs/);
    assert.match(await shell.answer("car asleep"), /asleep, keys: 0/);
    const before = shell.said().length;
    shell.type("half a command");
    await until("its echo", () => shell.said().slice(before).includes("command"), shell.said);
    const typed = shell.said().length;
    shell.type("\u0003");
    await until("a new prompt", () => shell.said().slice(typed).includes("own> "), shell.said);
    assert.match(
      await shell.answer("car awake"),
      /online, keys: 0/,
      "Ctrl-C at the prompt leaves everything as it is",
    );
    shell.type("exit\n");
    assert.equal(await shell.ended, 0, shell.said());
    assert.match(shell.said(), /The practice is over, and its folder is removed\./);
    assert.doesNotMatch(shell.said(), /syntax error/);
    assert.deepEqual(leftBehind(), []);
    assert.equal(existsSync(join(home, "history")), false, "nothing is added to the owner's history");
    assert.equal(existsSync(join(home, ".local/share/fish/fish_history")), false);
  });
}

const TMUX = where("tmux");
test("a second terminal joins; the terminal is closed", {
  skip: TMUX ? ONLY_AT_LENGTH : "not tried: tmux is not here",
}, async () => {
  const tmux = (...words: string[]): string =>
    spawnSync(TMUX, ["-S", join(folder, "tmux"), ...words], {
      encoding: "utf8",
      env: ENVIRONMENT,
      cwd: PROJECT,
    }).stdout;
  const screen = (pane: string): string => tmux("capture-pane", "-J", "-p", "-t", pane);
  const shows = (pane: string, pattern: RegExp): Promise<void> =>
    until(
      String(pattern),
      () => pattern.test(screen(pane)),
      () => screen(pane),
    );
  after(() => void tmux("kill-server"));
  tmux("-f", "/dev/null", "new-session", "-d", "-s", "one", "-x", "140", "-y", "50", "bash");
  const keyPort = await freePort();
  tmux("send-keys", "-t", "one", `npm run practice -- --key-port ${keyPort}`, "Enter");
  await shows("one", /\(practice\) own> /);
  const serve = /npx tsx scripts\/serve_public_key\.ts.*&/.exec(screen("one"))?.[0] ?? "";
  const joining = /\S+\/join(?=\s)/.exec(screen("one"))?.[0] ?? "";
  tmux("send-keys", "-t", "one", "npx tsx scripts/generate_key.ts", "Enter");
  await shows("one", /made private-key\.pem/);
  tmux("send-keys", "-t", "one", serve, "Enter");
  await shows("one", /Ctrl-C stops it/);
  tmux("new-session", "-d", "-s", "two", "-x", "140", "-y", "50", "sh");
  tmux("send-keys", "-t", "two", joining, "Enter");
  await shows("two", /\(practice\) own> /);
  tmux("send-keys", "-t", "two", "npx tsx scripts/register_partner.ts; car pair", "Enter");
  await shows("two", /registered: car\.example\.com in region eu[^]*keys: 1/);
  tmux("kill-session", "-t", "one");
  await until(
    "the folder is removed",
    () => leftBehind().length === 0,
    () => leftBehind().join(),
  );
  await until("serve_public_key ends", async () => !(await listens(keyPort)));
  tmux("send-keys", "-t", "two", "node -e 1", "Enter");
  await shows("two", /the simulator has ended: leave this shell with exit/);
});

test("PowerShell: what it is told (PowerShell itself is not tried)", () => {
  const wanted: Wanted = {
    set: { NODE_OPTIONS: "--import=file:///C:/it's/x.mjs" },
    unset: ["TESLA_VIN"],
    isTerminal: true,
  };
  const places = { top: "C:\\p", work: "C:\\p\\tesla", commands: "C:\\p\\commands", shell: "C:\\p\\shell" };
  const { args } = startOf("powershell.exe", wanted, places);
  assert.deepEqual(args.slice(0, -1), [
    "-NoLogo",
    "-ExecutionPolicy",
    "RemoteSigned",
    "-NoExit",
    "-EncodedCommand",
  ]);
  const text = Buffer.from(args.at(-1) ?? "", "base64").toString("utf16le");
  assert.match(
    text,
    /^Remove-Item Env:TESLA_VIN -ErrorAction Ignore\n\$env:NODE_OPTIONS = '--import=file:\/\/\/C:\/it''s\/x\.mjs'\n/,
  );
  assert.match(text, /Set-Location -LiteralPath 'C:\\p\\tesla'\n/);
  assert.equal(startOf("pwsh", { ...wanted, isTerminal: false }, places).args.at(-1), "-");
});

test("the pairing page in a browser: an asleep car takes no key, a domain that is not registered gets none", async () => {
  const simulator = await startSimulator();
  const publicKey = generateKeyPairSync("ec", { namedCurve: "prime256v1" }).publicKey.export({
    type: "spki",
    format: "pem",
  });
  const link = `${simulator.loginUrl}/_ak/${DOMAIN}`;
  assert.match((await browse(link)).join(), /isn&#39;t registered with Tesla/);
  simulator.partner.hosting = { kind: "file", body: String(publicKey) };
  await simulator.register();
  simulator.account.consentedScopes = ["vehicle_device_data"];
  simulator.car.awake = false;
  assert.match((await browse(link)).join(), /The car is asleep/);
  assert.equal(simulator.car.pairedKeys.size, 0);
  simulator.car.awake = true;
  assert.match((await browse(link)).join(), /is on the car/);
  assert.equal(simulator.car.pairedKeys.size, 1);
  assert.deepEqual(simulator.unexpected, []);
  await simulator.close();
});
