// The folder of `npm run practice`: copies of the scripts, links to the packages, a filled-in .env, the
// commands car, fail and bill, and what the shell reads when it starts. Copies, so that nothing done there
// can change the project; the packages are linked one by one, so that `npm ci` there removes links only.
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync } from "node:fs";
import { rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const PROJECT = fileURLToPath(new URL("../../..", import.meta.url));
const CLIENT = fileURLToPath(new URL("command.mjs", import.meta.url));
const COPIED = ["scripts", "lib", "examples", "package-lock.json", "tsconfig.json", ".npmrc"];

export interface PracticeFolder {
  top: string; // removed at the end
  work: string; // where the shell begins
  commands: string; // for the PATH
  shell: string; // what the shell reads at its start
}

function linkPackages(target: string): void {
  const source = join(PROJECT, "node_modules");
  mkdirSync(target);
  for (const name of readdirSync(source)) {
    if (!name.startsWith(".")) symlinkSync(join(source, name), join(target, name), "junction");
  }
  cpSync(join(source, ".bin"), join(target, ".bin"), { recursive: true, verbatimSymlinks: true });
}

/**
 * cmd.exe reads a file in the code page of the console, so a .cmd names no path that may have umlauts: it finds
 * its own folder, and Node in the environment of the shell.
 */
export function commandFile(name: string, platform: string = process.platform): string {
  if (platform !== "win32") {
    return `#!/bin/sh\nNODE_OPTIONS= exec ${quote(process.execPath)} ${quote(CLIENT)} ${name} "$@"\n`;
  }
  const run = `"%TESLA_PRACTICE_NODE%" "%~dp0command.mjs" ${name} %*`;
  return ["@echo off", "setlocal", "set NODE_OPTIONS=", run, ""].join("\r\n");
}

/** As one word of a POSIX shell. */
export function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/** Makes it, with the settings in .env. The caller removes it; when it cannot be made, nothing is left. */
export function makePracticeFolder(settings: string): PracticeFolder {
  const top = realpathSync(mkdtempSync(join(tmpdir(), "tesla-practice-")));
  try {
    return fill(top, settings);
  } catch (error) {
    rmSync(top, { recursive: true, force: true });
    throw error;
  }
}

function fill(top: string, settings: string): PracticeFolder {
  const folder = {
    top,
    work: join(top, "tesla"),
    commands: join(top, "commands"),
    shell: join(top, "shell"),
  };
  const { work, commands, shell } = folder;
  for (const path of [work, commands, shell]) mkdirSync(path);
  for (const name of COPIED) cpSync(join(PROJECT, name), join(work, name), { recursive: true });
  // Without one of our own, tsx obeys the tsconfig.json that anybody has put into the temporary folder.
  writeFileSync(join(top, "tsconfig.json"), "{}\n");
  linkPackages(join(work, "node_modules"));
  // Without npm run practice and the others that need the whole project; those of the scripts stay.
  const manifest = JSON.parse(readFileSync(join(PROJECT, "package.json"), "utf8"));
  const scripts = Object.entries<string>(manifest.scripts).filter(([, line]) => !/\btest\/|^tsc/.test(line));
  manifest.scripts = Object.fromEntries(scripts);
  writeFileSync(join(work, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
  const text = `# Practice: the app and the car that the simulated Tesla knows\n${settings}`;
  // The README says cp .env.example .env: that changes nothing here.
  for (const name of [".env", ".env.example"]) writeFileSync(join(work, name), text, { mode: 0o600 });
  cpSync(CLIENT, join(commands, "command.mjs"));
  const end = process.platform === "win32" ? ".cmd" : "";
  for (const name of ["car", "fail", "bill"]) {
    writeFileSync(join(commands, name + end), commandFile(name), { mode: 0o700 });
  }
  return folder;
}
