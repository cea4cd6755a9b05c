// What `npm run practice` writes for Windows. Nothing here runs Windows: cmd.exe reads a file in the code page of
// its console, takes %2 of %20 for a parameter, and PowerShell may be forbidden to run npx.ps1.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { commandFile } from "../simulator/practice/folder.ts";
import { joinFile, startOf } from "../simulator/practice/shell.ts";

const PRACTICE = fileURLToPath(new URL("../simulator/practice/practice.ts", import.meta.url));
const top = mkdtempSync(join(tmpdir(), "test-windows-"));
after(() => rmSync(top, { recursive: true, force: true }));

test("car.cmd names no folder: it finds its own, and Node in the environment", () => {
  const text = commandFile("car", "win32");
  assert.match(text, /^[\x20-\x7e\r\n]+$/, "ASCII alone, whatever folder this is");
  assert.match(text, /\r\n"%TESLA_PRACTICE_NODE%" "%~dp0command\.mjs" car %\*\r\n$/);
  assert.doesNotMatch(text, /[\\/]/);
});

test("join.cmd has nothing but ASCII in it and no percent sign; the rest is in PowerShell's encoded command", () => {
  const set = {
    NODE_OPTIONS: "--import=file:///C:/J%C3%BCrgen%20K/preload.mjs",
    TESLA_SIMULATOR_CA: "C:\\Jürgen\\ca.pem",
  };
  const folder = { top: "C:\\ü", work: "C:\\ü\\tesla", commands: "C:\\ü\\commands", shell: "C:\\ü\\shell" };
  const text = joinFile(startOf("powershell.exe", { set, unset: ["TESLA_VIN"], isTerminal: true }, folder));
  assert.match(text, /^@echo off\r\n"powershell\.exe" [\w+/= -]+\r\n$/);
  assert.ok(text.length < 8000, "a line of cmd.exe has 8,191 characters at most");
  const encoded = /-EncodedCommand (\S+)/.exec(text)?.[1] ?? "";
  const command = Buffer.from(encoded, "base64").toString("utf16le");
  for (const part of [
    set.NODE_OPTIONS,
    set.TESLA_SIMULATOR_CA,
    folder.commands,
    folder.work,
    "Remove-Item Env:TESLA_VIN",
  ]) {
    assert.ok(command.includes(part), part);
  }
});

/** Practice that cannot start, in this temporary folder: its exit code and stderr. */
function starts(folder: string, ...words: string[]) {
  const env = { ...process.env, TMPDIR: folder, SHELL: "/nowhere/sh" };
  const { status, stderr } = spawnSync(process.execPath, ["--import", "tsx", PRACTICE, ...words], {
    env,
    input: "",
    encoding: "utf8",
    cwd: fileURLToPath(new URL("../..", import.meta.url)),
  });
  return { status, stderr };
}

test("a practice that does not start says why in one line and leaves nothing", {
  skip: process.platform === "win32",
}, () => {
  const folder = join(top, "temporary");
  mkdirSync(folder);
  assert.deepEqual(starts(folder), {
    status: 1,
    stderr: "error: /nowhere/sh does not start: spawn /nowhere/sh ENOENT\n",
  });
  const wrong = starts(folder, "--no-such");
  assert.equal(wrong.status, 2);
  assert.match(wrong.stderr, /^error: practice does not start: Unknown option '--no-such'[^\n]*\n$/);
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.startsWith("tesla-")),
    [],
  );
});
