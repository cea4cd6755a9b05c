// The folder of `npm run practice`: copies of the scripts, links to the packages, a filled-in .env, the
// commands car, fail and bill, and what the shell reads when it starts. Copies, so that nothing done there
// can change the project; the packages are linked one by one, so that `npm ci` there removes links only.

import {
  cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const PROJECT = fileURLToPath(new URL("../..", import.meta.url));
const CLIENT = fileURLToPath(new URL("practice_command.mjs", import.meta.url));
const COPIED = ["scripts", "lib", "examples", "package-lock.json", "tsconfig.json"];
const COMMANDS = ["car", "fail", "bill"];

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

function writeCommand(folder: string, name: string): void {
  const node = process.execPath;
  if (process.platform === "win32") {
    const text = `@echo off\r\nsetlocal\r\nset NODE_OPTIONS=\r\n"${node}" "${CLIENT}" ${name} %*\r\n`;
    writeFileSync(join(folder, `${name}.cmd`), text);
  } else {
    const text = `#!/bin/sh\nNODE_OPTIONS= exec ${quote(node)} ${quote(CLIENT)} ${name} "$@"\n`;
    writeFileSync(join(folder, name), text, { mode: 0o700 });
  }
}

/** As one word of a POSIX shell. */
export function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/** Makes it, with the settings in .env. The caller removes it. */
export function makePracticeFolder(settings: Record<string, string>): PracticeFolder {
  const top = realpathSync(mkdtempSync(join(tmpdir(), "tesla-practice-")));
  const [work, commands, shell] = ["tesla", "commands", "shell"].map((name) => join(top, name));
  for (const folder of [work, commands, shell]) mkdirSync(folder);
  for (const name of COPIED) {
    if (existsSync(join(PROJECT, name))) cpSync(join(PROJECT, name), join(work, name), { recursive: true });
  }
  // Without one of our own, tsx obeys the tsconfig.json that anybody has put into the temporary folder.
  writeFileSync(join(top, "tsconfig.json"), "{}\n");
  linkPackages(join(work, "node_modules"));
  // Without npm run practice and the others, which need the whole project.
  const { scripts, ...manifest } = JSON.parse(readFileSync(join(PROJECT, "package.json"), "utf8"));
  writeFileSync(join(work, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`);
  const text = `# Practice: the app and the car that the simulated Tesla knows\n${lines.join("")}`;
  // The README says cp .env.example .env: that changes nothing here.
  for (const name of [".env", ".env.example"]) writeFileSync(join(work, name), text, { mode: 0o600 });
  for (const name of COMMANDS) writeCommand(commands, name);
  return { top, work, commands, shell };
}
