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

// What each setting must look like, in words and as a pattern, and what it is where nobody set it.
const RULES: Record<Name, { expected: string; pattern: RegExp; usual?: string }> = {
  TESLA_CLIENT_ID: { expected: "the Client ID of your app on developer.tesla.com", pattern: /^[\w-]{8,}$/ },
  TESLA_CLIENT_SECRET: {
    expected: "the Client Secret of your app on developer.tesla.com, without quotes",
    pattern: /^(?!["'`])[!-~]{8,}(?<!["'`])$/,
  },
  TESLA_REDIRECT_URI: {
    expected: "an Allowed Redirect URI of your app, with a path",
    pattern: /^https?:\/\/[^\s/?#@]+\/[^\s?#]*$/,
    usual: "http://localhost:3000/callback",
  },
  TESLA_REGION: {
    expected: "na (North America, Asia, Pacific), eu (Europe, Middle East, Africa) or cn (China)",
    pattern: /^(na|eu|cn)$/,
  },
  TESLA_DOMAIN: {
    expected: "your public domain in lower case, without https:// and slash, such as car.example.com",
    pattern: /^(?!.*\.(local|lan|internal|arpa)$)([a-z0-9]+(-+[a-z0-9]+)*\.)+[a-z][a-z0-9-]*[a-z0-9]$/,
  },
  TESLA_VIN: {
    expected: "17 characters in capitals, no I, O or Q; list_vehicles prints it",
    pattern: /^[A-HJ-NPR-Z0-9]{17}$/,
  },
  TESLA_COMMANDS: {
    expected: "signed (nearly every car), or rest (a Model S or X before 2021)",
    pattern: /^(signed|rest)$/,
    usual: "signed",
  },
  TESLA_SCOPES: {
    expected: "scopes with one space between them, openid and offline_access among them",
    pattern: /^(?=.*\bopenid\b)(?=.*\boffline_access\b)[a-z_]+( [a-z_]+)*$/,
    usual: "openid offline_access vehicle_device_data vehicle_charging_cmds", // the least that works
  },
};

function readEnvFile(): Record<string, string> {
  if (!existsSync(".env")) return {};
  let bytes: Buffer;
  try {
    bytes = readFileSync(".env");
  } catch (error) {
    throw new Failure(5, ".env cannot be read", messageOf(error), fixForFile(".env", error));
  }
  if (bytes.includes(0)) {
    throw new Failure(
      5,
      ".env is not saved as UTF-8",
      "UTF-16, which PowerShell 5 writes",
      "save it as UTF-8",
    );
  }
  return parse(bytes);
}

function isRight(name: Name, value: string): boolean {
  const isAddress = name === "TESLA_REDIRECT_URI";
  return RULES[name].pattern.test(value) && (!isAddress || URL.canParse(value));
}

// A wrong value, as far as it may be shown: what follows a blank or = may be another setting, misplaced.
function shownValue(name: Name, value: string): string {
  if (name === "TESLA_CLIENT_SECRET" || value.includes("@")) return "malformed (not shown)";
  const [start = ""] = value.slice(0, 60).split(/[\s=]/);
  return `"${start}${start === value ? "" : "…"}"`;
}

/** The named settings, checked. Throws one Failure 5 that names all of them that are missing or malformed. */
export function readSettings<Asked extends Name>(names: Asked[]): Pick<Settings, Asked> {
  const file = readEnvFile();
  const settings: Record<string, string> = {};
  const wrong: { name: Name; found: string; fix: string }[] = [];
  for (const name of names) {
    const rule = RULES[name];
    if (rule === undefined) throw new Error(`${name} is no setting; lib/settings.ts lists them`);
    const inEnvironment = process.env[name];
    const value = (inEnvironment ?? file[name]) || rule.usual || "";
    settings[name] = value;
    if (isRight(name, value)) continue;
    const isEmpty = inEnvironment === "" ? "empty in the environment" : "not set";
    const found = value === "" ? isEmpty : shownValue(name, value);
    const isFromEnvironment = inEnvironment !== undefined;
    const place = isFromEnvironment
      ? `unset ${name}, or correct it in the environment`
      : "correct it in .env";
    wrong.push({
      name,
      found: `${found}${isFromEnvironment && value !== "" ? " in the environment" : ""}`,
      fix: `${place}: ${rule.expected}`,
    });
  }
  if (wrong.length === 0) return settings as Pick<Settings, Asked>;
  const noFile = `there is no .env in ${process.cwd()}: go to the right folder, or copy .env.example there`;
  throw new Failure(
    5,
    `${wrong.map(({ name }) => name).join(", ")}: missing or malformed`,
    wrong.map(({ name, found }) => `${name} is ${found}`).join("; "),
    existsSync(".env") || wrong.every(({ fix }) => fix.startsWith("unset"))
      ? wrong.map(({ name, fix }) => `${name}: ${fix}`).join("; ")
      : noFile,
  );
}

/** The names of the settings that come from the environment and not from .env. */
export function settingsFromEnvironment(): string[] {
  return Object.keys(RULES).filter((name) => process.env[name] !== undefined);
}

/** Where the owner pairs the virtual key: complete if TESLA_DOMAIN is set, otherwise with a gap to fill in. */
export function pairingAddress(): string {
  const file = readEnvFile();
  const given = (name: Name): string => (process.env[name] ?? file[name]) || "";
  const domain = given("TESLA_DOMAIN");
  const region = given("TESLA_REGION") === "cn" ? "cn" : "na";
  return `${PAIRING_PAGE[region]}${isRight("TESLA_DOMAIN", domain) ? domain : "YOUR.DOMAIN"}`;
}
