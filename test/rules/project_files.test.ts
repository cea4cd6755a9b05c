// The files beside the code that decide what runs, what is committed and how it is written: .npmrc, the
// commands of package.json, .gitignore, .gitattributes, .editorconfig.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { commandOf } from "./script_list.ts";

const PROJECT = fileURLToPath(new URL("../..", import.meta.url));
const WINDOWS = process.platform === "win32";
const base = mkdtempSync(join(tmpdir(), "tesla-files-"));
after(() => rmSync(base, { recursive: true, force: true }));

/** A folder of its own, with copies of these files of the project. */
function folderWith(name: string, files: string[]): string {
  const folder = join(base, name);
  mkdirSync(folder, { recursive: true });
  for (const file of files) cpSync(join(PROJECT, file), join(folder, file), { recursive: true });
  return folder;
}

/** npm as on a machine where nobody has set anything: no settings of the user's, an empty cache, no
 * terminal. */
async function npm(
  folder: string,
  command: "npm" | "npx",
  words: string[],
  registry = "http://127.0.0.1:9/",
) {
  const env: NodeJS.ProcessEnv = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^npm_config_/i.test(name)),
  );
  for (const name of ["userconfig", "globalconfig", "cache"])
    env[`npm_config_${name}`] = join(base, `no-${name}`);
  Object.assign(env, {
    npm_config_registry: registry,
    npm_config_fetch_retries: "0",
    npm_config_update_notifier: "false",
  });
  const stdio = ["ignore", "pipe", "pipe"] as ["ignore", "pipe", "pipe"];
  const child = spawn(WINDOWS ? `${command}.cmd` : command, words, {
    cwd: folder,
    env,
    shell: WINDOWS,
    stdio,
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (part) => {
      said += String(part);
    });
  const [status] = (await once(child, "close")) as [number];
  return { status, said };
}

describe(".npmrc", { timeout: 60_000 }, () => {
  test("holds these two settings and nothing else", () => {
    const lines = readFileSync(join(PROJECT, ".npmrc"), "utf8").split("\n");
    const settings = lines.filter((line) => line.trim() !== "" && !line.startsWith("#"));
    assert.deepEqual(settings, ["yes=false", "engine-strict=true"]);
  });

  /** What npx does in a folder without tsx and without a terminal, where the registry has a tsx. */
  async function npxTsx(name: string, files: string[]): Promise<{ status: number; said: string }> {
    const server = createServer((request, response) => {
      const dist = { tarball: `http://${request.headers.host}/tsx/-/tsx-9.9.9.tgz` };
      const versions = { "9.9.9": { name: "tsx", version: "9.9.9", bin: "tsx.js", dist } };
      response.end(JSON.stringify({ name: "tsx", "dist-tags": { latest: "9.9.9" }, versions }));
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const folder = folderWith(name, files);
    writeFileSync(join(folder, "package.json"), "{}");
    mkdirSync(join(folder, "node_modules"), { recursive: true });
    const { port } = server.address() as AddressInfo;
    const ended = await npm(folder, "npx", ["tsx", "scripts/read_charge.ts"], `http://127.0.0.1:${port}/`);
    server.close();
    return ended;
  }
  test("npx refuses to download a tsx that is not installed", async () => {
    const { status, said } = await npxTsx("npx", [".npmrc"]);
    assert.notEqual(status, 0);
    assert.match(said, /npx canceled due to missing packages/);
  });
  test("without the file npx wants to install it without asking", async () => {
    assert.match((await npxTsx("npx-planted", [])).said, /was not found and will be installed: tsx@9/);
  });
  test("a Node that is too old is refused", async () => {
    const folder = folderWith("engine", [".npmrc"]);
    writeFileSync(join(folder, "package.json"), JSON.stringify({ engines: { node: ">=999" } }));
    const { status, said } = await npm(folder, "npm", ["install", "--ignore-scripts"]);
    assert.notEqual(status, 0);
    assert.match(said, /EBADENGINE/);
  });
});

describe("the commands of package.json", { timeout: 60_000 }, () => {
  const { scripts } = JSON.parse(readFileSync(join(PROJECT, "package.json"), "utf8")) as {
    scripts: Record<string, string>;
  };
  test("have one for each script: its name with hyphens", () => {
    const names = readdirSync(join(PROJECT, "scripts")).map((name) => name.replace(/\.ts$/, ""));
    const found = Object.entries(scripts).filter(([, command]) => / scripts\//.test(command));
    assert.deepEqual(Object.fromEntries(found), Object.fromEntries(names.map(commandOf)));
  });
  test("run the script with the tsx that is installed here, never with one of a folder above", async () => {
    const folder = folderWith("above/clone", ["package.json", "lib", "scripts"]);
    const bin = join(base, "above/node_modules/.bin");
    mkdirSync(bin, { recursive: true });
    const words = ["run", "read-charge", "--", "--help"];
    for (const name of ["tsx", "tsx.cmd"])
      writeFileSync(join(bin, name), "echo somebody else\n", { mode: 0o755 });
    const without = await npm(folder, "npm", words);
    assert.notEqual(without.status, 0);
    assert.doesNotMatch(without.said, /somebody else/);
    symlinkSync(join(PROJECT, "node_modules"), join(folder, "node_modules"), "junction");
    const { status, said } = await npm(folder, "npm", words);
    assert.equal(status, 0, said);
    assert.match(said, /run {7}npx tsx scripts\/read_charge\.ts/);
  });
});

describe(".gitignore", () => {
  const SECRET = [".env", "private-key.pem", "tesla_token.json", "tesla_session.json"];
  // NAME.suffix, prefix.NAME: what editors, copies and this project itself leave beside a file.
  // biome-ignore format: a list of names
  const LEFT = [
    "NAME", "NAME~", "NAME.bak", "NAME.orig", "NAME.rej", "NAME.old", "NAME.save", "NAME.save.1", "NAME.1",
    "NAME.2", "NAME.new", "NAME.lock", "NAME.tmp", "NAME.swp", ".NAME.swp", ".NAME.swo", ".NAME.swn",
    "NAME.un~", ".NAME.un~", "#NAME#", ".#NAME", "NAME.kate-swp", ".NAME.kate-swp", "NAME___jb_tmp___",
    "NAME___jb_old___", "NAME.gpg", "NAME.age", "NAME.txt", "NAME (1)", "copy of NAME", "my/NAME", "sub/NAME",
    "sub/.NAME.swp", ".~lock.NAME#", "NAME.20261128", "backup-NAME",
  ];
  // biome-ignore format: a list of names
  const OTHERS = [
    ".envrc", ".env.local", ".env.production", ".env.example~", ".env.example.swp", "env.env", "old-key.pem",
    "private-key copy.pem", "private-key (1).pem", "private_key.txt", "public-key.pem",
    "tesla_token copy.json", "tesla_token.json.example~", "tesla_token.json.12345", "my/read_doors.ts",
    "my/notes.md", "cron.log", "cron.log.1", "old.log", "charge.json", "charge.new", ".goutputstream-AB12CD",
    ".fuse_hidden0000001", ".nfs000000000001", "notes.txt~", "node_modules/x",
  ];
  const names = [...SECRET.flatMap((name) => LEFT.map((form) => form.replace("NAME", name))), ...OTHERS];

  test("keeps every secret file out, under every name that editors and copies give it", () => {
    const folder = folderWith("ignore", [".gitignore"]);
    const git = (...words: string[]) => spawnSync("git", words, { cwd: folder });
    git("init", "-q");
    const { stdout } = spawnSync("git", ["check-ignore", "--no-index", "--stdin", "-z"], {
      cwd: folder,
      encoding: "utf8",
      input: `${names.join("\0")}\0`,
    });
    const kept = new Set(stdout.split("\0"));
    assert.deepEqual(
      names.filter((name) => !kept.has(name)),
      [],
      "these could be committed",
    );
    for (const name of [
      ".env.example",
      "tesla_token.json.example",
      "lib/token_file.ts",
      "lib/key_files.ts",
    ]) {
      assert.equal(git("check-ignore", "-q", "--no-index", name).status, 1, `${name} is ignored`);
    }
  });
  test("ignores no file of the project", (context) => {
    const { status, stdout } = spawnSync("git", ["ls-files", "-ci", "--exclude-standard"], {
      cwd: PROJECT,
      encoding: "utf8",
    });
    if (status !== 0) return context.skip("this is no clone");
    assert.equal(stdout, "");
  });
});

describe(".gitattributes", () => {
  test("a clone by Git for Windows has the same bytes", () => {
    const folder = folderWith("attributes", [".gitattributes", ".editorconfig"]);
    const png = Buffer.from("89504e470d0a1a0a0d0a0a0d", "hex");
    writeFileSync(join(folder, "picture.png"), png);
    const git = (...words: string[]): void => {
      const identity = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "core.autocrlf=true"];
      const { status, stderr } = spawnSync("git", [...identity, ...words], { cwd: folder, encoding: "utf8" });
      assert.equal(status, 0, stderr);
    };
    git("init", "-q");
    git("add", ".");
    git("commit", "-q", "-m", "x");
    for (const name of [".gitattributes", ".editorconfig", "picture.png"]) rmSync(join(folder, name));
    git("checkout", "-q", "--", ".");
    assert.equal(
      readFileSync(join(folder, ".editorconfig"), "utf8"),
      readFileSync(join(PROJECT, ".editorconfig"), "utf8"),
    );
    assert.deepEqual(readFileSync(join(folder, "picture.png")), png);
  });
});
