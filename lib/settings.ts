// The settings: from .env in the current directory, or from the environment, which wins.
import { readFileSync } from "node:fs";
import { parse } from "dotenv";
import { messageOf, Stop } from "./command_line.ts";

const DEFAULTS: Record<string, string> = {
  TESLA_REDIRECT_URI: "http://localhost:3000/callback",
  TESLA_COMMANDS: "signed",
  TESLA_SCOPES: "openid offline_access vehicle_device_data vehicle_charging_cmds", // the least that works
};

// What each setting must look like: as a pattern, and in words.
const RULES: Record<string, [RegExp, string]> = {
  TESLA_CLIENT_ID: [/^[\w-]{8,}$/, "the Client ID of your app on developer.tesla.com"],
  TESLA_CLIENT_SECRET: [/^[!-~]{8,}$/, "the Client Secret of your app on developer.tesla.com"],
  TESLA_REDIRECT_URI: [/^https?:\/\/[^\s/?#@]+\/[^\s?#]*$/, "an Allowed Redirect URI of your app, with path"],
  TESLA_REGION: [/^(na|eu|cn)$/, "na (North America, Asia, Pacific), eu (Europe, Middle East, Africa) or cn"],
  TESLA_DOMAIN: [/^(?!.*\.(local|lan|internal|arpa)$)([a-z0-9]+(-+[a-z0-9]+)*\.)+[a-z][a-z0-9-]*[a-z0-9]$/,
    "your public domain in small letters, without https:// and slash, such as car.example.com"],
  TESLA_VIN: [/^[A-HJ-NPR-Z0-9]{17}$/, "17 characters in capitals, no I, O or Q; list_vehicles prints it"],
  TESLA_COMMANDS: [/^(signed|proxy|rest)$/, "signed (nearly every car), proxy, or rest (cars before 2021)"],
  TESLA_PROXY_URL: [/^(https:\/\/[^\s/?#@]+|http:\/\/(127\.0\.0\.1|\[::1\]|localhost)(:\d+)?)\/?$/,
    "https://HOST:PORT, or http:// on this machine only"],
  TESLA_SCOPES: [/^(?=.*\bopenid\b)(?=.*\boffline_access\b)[a-z_]+( [a-z_]+)*$/,
    "scopes with one space between them, openid and offline_access among them (for a refresh token)"],
};

/** A text for the owner, with their own domain where it says TESLA_DOMAIN in the address of a page. */
export function withDomain(text: string): string {
  try {
    return text.replace("/_ak/TESLA_DOMAIN", () => `/_ak/${readSettings(["TESLA_DOMAIN"]).TESLA_DOMAIN}`);
  } catch {
    return text; // no domain yet
  }
}

/** The named settings, checked. Throws Stop 5 on the first that is missing or malformed. */
export function readSettings(names: string[]): Record<string, string> {
  let file: Record<string, string> = {};
  try {
    file = parse(readFileSync(".env", "utf8"));
  } catch (error) {
    if (!messageOf(error).startsWith("ENOENT")) throw new Stop(5, `.env cannot be used: ${messageOf(error)}`);
  }
  const settings: Record<string, string> = {};
  for (const name of names) {
    const value = (process.env[name] ?? file[name]) || DEFAULTS[name] || "";
    const [pattern, words] = RULES[name];
    const isSecret = name === "TESLA_CLIENT_SECRET" || value.includes("@"); // a password may stand before @
    const start = value.replace(/[\s=][^]*/, "…"); // the rest may be another setting, misplaced
    const shown = isSecret ? "what was found is not shown" : `found "${start}"`;
    if (value === "") throw new Stop(5, `${name} is not set: put it into .env in this folder: ${words}`);
    const isRight = pattern.test(value) && (!/_UR[IL]$/.test(name) || URL.canParse(value));
    if (!isRight) throw new Stop(5, `${name} is malformed: ${shown}; it must be ${words}`);
    settings[name] = value;
  }
  return settings;
}
