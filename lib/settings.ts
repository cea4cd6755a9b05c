// The settings: from .env in the current directory, or from the environment, which wins.
import { existsSync, readFileSync } from "node:fs";
import { parse } from "dotenv";
import { Failure, fixForFile, messageOf } from "./command_line.ts";
import { PAIRING_PAGE, type Region } from "./hosts.ts";

export interface Settings {
  TESLA_CLIENT_ID: string;
  TESLA_CLIENT_SECRET: string;
  TESLA_REDIRECT_URI: string;
  TESLA_REGION: Region;
  TESLA_DOMAIN: string;
  TESLA_VIN: string;
  TESLA_COMMANDS: "signed" | "rest";
  TESLA_SCOPES: string;
}
type Name = keyof Settings;
export type AppSetting = "TESLA_CLIENT_ID" | "TESLA_CLIENT_SECRET" | "TESLA_REGION" | "TESLA_SCOPES";
/** The settings that describe your app; a token cannot be had without them. */
// biome-ignore format: a list of words
export const APP_SETTINGS: AppSetting[] = ["TESLA_CLIENT_ID", "TESLA_CLIENT_SECRET", "TESLA_REGION",
  "TESLA_SCOPES"];

// What each setting must look like, as a pattern and in words, and its default.
// biome-ignore format: a table of words
const RULES: Record<Name, [RegExp, string, string?]> = {
  TESLA_CLIENT_ID: [/^[\w-]{8,}$/, "the Client ID of your app on developer.tesla.com"],
  TESLA_CLIENT_SECRET: [/^(?!["'`])[!-~]{8,}(?<!["'`])$/,
    "the Client Secret of your app (in .env in single quotes, in the environment without)"],
  TESLA_REDIRECT_URI: [/^(?!.*:0+\/)https?:\/\/[^\s/?#@]+\/[^\s?#]*$/,
    "an Allowed Redirect URI of your app, with path",
    "http://localhost:3000/callback"],
  TESLA_REGION: [/^(na|eu|cn)$/, "na (North America, Asia, Pacific), eu (Europe, Middle East, Africa) or cn"],
  TESLA_DOMAIN: [/^(?!.*\.(local|lan|internal|arpa)$)([a-z0-9]+(-+[a-z0-9]+)*\.)+[a-z][a-z0-9-]*[a-z0-9]$/,
    "your public domain in lower case, without https:// or a slash, such as car.example.com"],
  TESLA_VIN: [/^[A-HJ-NPR-Z0-9]{17}$/, "17 digits and capital letters, no I, O, Q; list_vehicles prints it"],
  TESLA_COMMANDS: [/^(signed|rest)$/, "signed (nearly every car), or rest (a Model S or X before 2021)",
    "signed"],
  TESLA_SCOPES: [/^(?=.*\bopenid\b)(?=.*\boffline_access\b)[a-z_]+( [a-z_]+)*$/,
    "scopes separated by single spaces, including openid and offline_access",
    "openid offline_access vehicle_device_data vehicle_charging_cmds"], // the least that works
};

function readEnvFile(): Record<string, string> {
  let bytes: Buffer;
  try {
    if (!existsSync(".env")) return {};
    bytes = readFileSync(".env");
  } catch (error) {
    throw new Failure(5, ".env cannot be read", messageOf(error), fixForFile(".env", error));
  }
  const fix = "save it as UTF-8 (in Notepad: Save as, Encoding)";
  if (bytes.includes(0)) throw new Failure(5, ".env cannot be read", "it is UTF-16", fix); // of PowerShell 5
  return parse(bytes);
}

function isWellFormed(name: Name, value: string): boolean {
  return RULES[name][0].test(value) && (name !== "TESLA_REDIRECT_URI" || URL.canParse(value));
}

// What is wrong with a value, as far as it may be shown. What follows a space or = is cut off: it may be
// another setting's value, pasted into the same line.
function problemWith(name: Name, value: string): string {
  if (value === "") return process.env[name] === "" ? "empty" : "not set";
  if (name === "TESLA_CLIENT_SECRET" || value.includes("@")) return "malformed (not shown)";
  const [start = ""] = value.slice(0, 60).split(/[\s=]/);
  return `"${start}${start === value ? "" : "…"}"`;
}

/** The named settings, checked. Throws one Failure 5 that names all of them that are missing or malformed. */
export function readSettings<Asked extends Name>(names: Asked[]): Pick<Settings, Asked> {
  const file = readEnvFile();
  const settings: Record<string, string> = {};
  const [wrong, found, fixes]: [string[], string[], string[]] = [[], [], []];
  for (const name of names) {
    if (!Object.hasOwn(RULES, name)) throw new Error(`${name} is not a setting; lib/settings.ts lists them`);
    const [, expected, standard = ""] = RULES[name];
    const environment = process.env[name];
    const value = (environment ?? file[name]) || standard;
    settings[name] = value;
    if (isWellFormed(name, value)) continue;
    const isEnvironment = environment !== undefined;
    wrong.push(name);
    found.push(`${name} is ${problemWith(name, value)}${isEnvironment ? " in the environment" : ""}`);
    const place = isEnvironment ? `unset ${name}, or correct it in the environment` : `set ${name} in .env`;
    fixes.push(`${place}: ${expected}`);
  }
  if (wrong.length === 0) return settings as Pick<Settings, Asked>;
  const isNoFile = !existsSync(".env") && wrong.some((name) => process.env[name] === undefined);
  const noFile = `no .env in ${process.cwd()}: go to the clone; or, if you are there: cp .env.example .env`;
  const problem = `${wrong.join(", ")}: missing or malformed`;
  throw new Failure(5, problem, found.join("; "), isNoFile ? noFile : fixes.join("; "));
}

/** The names of the settings that come from the environment and not from .env. */
export function settingsFromEnvironment(): string[] {
  return Object.keys(RULES).filter((name) => process.env[name] !== undefined);
}

/** Where the owner pairs the virtual key; without TESLA_DOMAIN it has a gap to fill in. */
export function pairingAddress(): string {
  const file = readEnvFile();
  const valueFor = (name: Name): string => process.env[name] ?? file[name] ?? "";
  const domain = valueFor("TESLA_DOMAIN");
  const isChina = valueFor("TESLA_REGION") === "cn";
  const page = isChina ? PAIRING_PAGE.cn : PAIRING_PAGE.na;
  return `${page}${isWellFormed("TESLA_DOMAIN", domain) ? domain : "YOUR.DOMAIN"}`;
}
