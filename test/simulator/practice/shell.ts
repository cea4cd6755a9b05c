// How the owner's own shell is started for practice: the owner's settings come first, then those of the
// practice, which win (a .bashrc may set NODE_OPTIONS). The prompt says "(practice)". What is typed does not
// go into the owner's history file. No file of the owner is changed.
import { writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { basename, delimiter, join } from "node:path";
import { quote, type PracticeFolder } from "./folder.ts";

export type Shell = { program: string; args: string[]; env: Record<string, string> };

/** What the shell must have in its environment, and which variables it must not have. */
export interface Wanted {
  set: Record<string, string>;
  unset: string[];
  isTerminal: boolean; // without one the shell reads its commands from standard input
}

/** The owner's shell; on Windows PowerShell, which every Windows has. */
export function ownShell(): string {
  return process.platform === "win32" ? "powershell.exe" : process.env.SHELL || "/bin/sh";
}

function posixLines({ set, unset }: Wanted, folder: PracticeFolder): string {
  const exports = Object.entries(set).map(([name, value]) => `export ${name}=${quote(value)}`);
  const path = `export PATH=${quote(folder.commands)}:"$PATH"`;
  const lines = [...unset.map((name) => `unset ${name}`), ...exports, "unset HISTFILE", path];
  return `${lines.join("\n")}\ncd ${quote(folder.work)}\n`;
}

// A prompt that the owner's settings build anew before each line is marked anew.
const BASH_PROMPT = `_practice_prompt() {
  case "$PS1" in "(practice) "*) ;; *) PS1="(practice) $PS1" ;; esac
}
_practice_prompt
PROMPT_COMMAND+=$'\\n_practice_prompt'
`;
const ZSH_PROMPT = `_practice_prompt() { [[ $PROMPT == "(practice) "* ]] || PROMPT="(practice) $PROMPT" }
precmd_functions+=(_practice_prompt)
`;
const FISH_PROMPT = `functions -c fish_prompt _own_fish_prompt
function fish_prompt
  echo -n "(practice) "
  _own_fish_prompt
end
`;
const POWERSHELL_PROMPT = `$ownPrompt = $function:prompt
function prompt { "(practice) " + (& $ownPrompt) }
if (Get-Command Set-PSReadLineOption -ErrorAction Ignore) { Set-PSReadLineOption -HistorySaveStyle SaveNothing }
`;

function bash(program: string, wanted: Wanted, folder: PracticeFolder): Shell {
  const file = join(folder.shell, "bashrc");
  writeFileSync(file, `[ -r ~/.bashrc ] && . ~/.bashrc\n${posixLines(wanted, folder)}${BASH_PROMPT}`);
  return { program, args: wanted.isTerminal ? ["--rcfile", file] : [], env: {} };
}

function zsh(program: string, wanted: Wanted, folder: PracticeFolder): Shell {
  const own = process.env.ZDOTDIR ?? homedir();
  const read = (name: string) => `[ -r ${quote(join(own, name))} ] && . ${quote(join(own, name))}\n`;
  const lines = posixLines(wanted, folder);
  const back = `ZDOTDIR=${quote(folder.shell)}\n`;
  const there = `ZDOTDIR=${quote(own)}\n`;
  writeFileSync(join(folder.shell, ".zshenv"), `${there}${read(".zshenv")}${lines}${back}`);
  writeFileSync(join(folder.shell, ".zshrc"), `${there}${read(".zshrc")}${lines}${ZSH_PROMPT}`);
  return { program, args: [], env: { ZDOTDIR: folder.shell } };
}

function fish(program: string, { set, unset }: Wanted, folder: PracticeFolder): Shell {
  // Within quotes fish knows two escapes only.
  const word = (text: string) => `'${text.replace(/['\\]/g, "\\$&")}'`;
  const lines = unset.map((name) => `set -e ${name}`);
  for (const [name, value] of Object.entries(set)) lines.push(`set -gx ${name} ${word(value)}`);
  lines.push(`set -gx PATH ${word(folder.commands)} $PATH`, 'set -g fish_history ""');
  lines.push(`cd ${word(folder.work)}`);
  const file = join(folder.shell, "practice.fish");
  writeFileSync(file, `${lines.join("\n")}\n${FISH_PROMPT}`);
  return { program, args: ["-C", `source ${word(file)}`], env: {} };
}

/**
 * PowerShell may be forbidden to read script files, so the text goes along as an argument; and this one shell
 * is allowed to run those of npm (npx.ps1).
 */
function powershell(program: string, { set, unset, isTerminal }: Wanted, folder: PracticeFolder): Shell {
  const args = ["-NoLogo", "-ExecutionPolicy", "RemoteSigned"];
  if (!isTerminal) return { program, args: [...args, "-NoProfile", "-Command", "-"], env: {} };
  const word = (text: string) => `'${text.replaceAll("'", "''")}'`;
  const lines = unset.map((name) => `Remove-Item Env:${name} -ErrorAction Ignore`);
  for (const [name, value] of Object.entries(set)) lines.push(`$env:${name} = ${word(value)}`);
  lines.push(`$env:PATH = ${word(folder.commands + delimiter)} + $env:PATH`);
  lines.push(`Set-Location -LiteralPath ${word(folder.work)}`);
  const text = `${lines.join("\n")}\n${POWERSHELL_PROMPT}`;
  const encoded = Buffer.from(text, "utf16le").toString("base64");
  return { program, args: [...args, "-NoExit", "-EncodedCommand", encoded], env: {} };
}

/** How to start it. A shell that is not known here gets the environment, and whatever prompt it makes. */
export function startOf(program: string, wanted: Wanted, folder: PracticeFolder): Shell {
  const name = basename(program).replace(/\.exe$/i, "");
  if (name === "bash") return bash(program, wanted, folder);
  if (name === "zsh") return zsh(program, wanted, folder);
  if (name === "fish") return fish(program, wanted, folder);
  if (name === "powershell" || name === "pwsh") return powershell(program, wanted, folder);
  return { program, args: [], env: { PS1: "(practice) $ " } };
}

/**
 * For cmd.exe, which reads a file in the code page of its console and takes a percent sign for a variable: the
 * encoded command of PowerShell has the environment in it, so that nothing else has to be written here.
 */
export function joinFile({ program, args }: Shell): string {
  return `@echo off\r\n"${program}" ${args.join(" ")}\r\n`;
}

/** A program of the folder that opens a second shell there, from another terminal. */
export function writeJoin(shell: Shell, wanted: Wanted, folder: PracticeFolder): string {
  if (process.platform === "win32") {
    const file = join(folder.top, "join.cmd");
    writeFileSync(file, joinFile(startOf(shell.program, { ...wanted, isTerminal: true }, folder)));
    return file;
  }
  const exports = Object.entries(shell.env).map(([name, value]) => `export ${name}=${quote(value)}`);
  const start = `exec ${[shell.program, ...shell.args].map(quote).join(" ")}`;
  const file = join(folder.top, "join");
  const text = ["#!/bin/sh", posixLines(wanted, folder).trimEnd(), ...exports, start, ""].join("\n");
  writeFileSync(file, text, { mode: 0o700 });
  return file;
}
