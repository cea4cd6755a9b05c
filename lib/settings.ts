// The settings: from .env in the current directory, or from the environment, which wins.
import { existsSync, readFileSync } from "node:fs";
import { parse } from "dotenv";
import { messageOf, Stop } from "./command_line.ts";

const DEFAULTS: Record<string, string> = {
  TESLA_REDIRECT_URI: "http://localhost:3000/callback",
  TESLA_COMMANDS: "signed",
  TESLA_SCOPES: "openid offline_access vehicle_device_data vehicle_charging_cmds", // the least that works
};

const ADDRESSES = ["TESLA_REDIRECT_URI", "TESLA_PROXY_URL"];

// What each setting must look like: as a pattern, and in words.
const RULES: Record<string, [RegExp, string]> = {
  TESLA_CLIENT_ID: [/^[\w-]{8,}$/, "the Client ID of your app on developer.tesla.com"],
  TESLA_CLIENT_SECRET: [/^[!-~]{8,}$/, "the Client Secret of your app on developer.tesla.com"],
  TESLA_REDIRECT_URI: [/^https?:\/\/[^\s/?#@]+\/[^\s?#]*$/, "an Allowed Redirect URI of your app, with path"],
  TESLA_REGION: [/^(na|eu|cn)$/, "na (North America, Asia, Pacific), eu (Europe, Middle East, Africa) or cn"],
  TESLA_DOMAIN: [/^(?!.*\.(local|lan|internal|arpa)$)([a-z0-9]+(-+[a-z0-9]+)*\.)+[a-z][a-z0-9-]*[a-z0-9]$/,
    "your public domain in lower case, without https:// and slash, such as car.example.com"],
  TESLA_VIN: [/^[A-HJ-NPR-Z0-9]{17}$/, "17 characters in capitals, no I, O or Q; list_vehicles prints it"],
  TESLA_COMMANDS: [/^(signed|proxy|rest)$/, "signed (nearly every car), proxy, or rest (cars before 2021)"],
  TESLA_PROXY_URL: [
    /^(https:\/\/(?!(.*\.)?tesla\.c)[^\s/?#@]+|http:\/\/(127\.0\.0\.1|\[::1\]|localhost)(:\d+)?)\/?$/i,
    "https://HOST:PORT of your own, no host of Tesla's; http:// on this machine only"],
  TESLA_SCOPES: [/^(?=.*\bopenid\b)(?=.*\boffline_access\b)[a-z_]+( [a-z_]+)*$/,
    "scopes with one space between them, openid and offline_access among them (for a refresh token)"],
};

/** The named settings, checked. Throws one Stop 5 that names every one that is missing or malformed. */
export function readSettings(names: string[]): Record<string, string> {
  let file: Record<string, string> = {};
  let todo = "fix that in .env in this folder";
  try {
    if (existsSync(".env")) file = parse(readFileSync(".env", "utf8"));
    else todo = `there is no .env in ${process.cwd()}: go to the right folder, or copy .env.example`;
  } catch (error) {
    throw new Stop(5, `.env cannot be read: ${messageOf(error)}; it must be a file of yours: ls -l .env`);
  }
  const settings: Record<string, string> = {};
  const wrong: string[] = [];
  for (const name of names) {
    const value = (process.env[name] ?? file[name]) || DEFAULTS[name] || "";
    const [pattern, words] = RULES[name];
    const isRight = pattern.test(value) && (!ADDRESSES.includes(name) || URL.canParse(value));
    const isSecret = name === "TESLA_CLIENT_SECRET" || value.includes("@"); // a password may stand before @
    const [start] = value.split(/[\s=]/); // the rest may be another setting, misplaced
    const found = `${isSecret ? "malformed" : `"${start}"`}${process.env[name] ? " in the environment" : ""}`;
    const isEmpty = process.env[name] === "" ? "empty in the environment" : "not set";
    if (value === "") wrong.push(`${name} is ${isEmpty} (${words})`);
    else if (!isRight) wrong.push(`${name} is ${found} (must be ${words})`);
    settings[name] = value;
  }
  if (wrong.length > 0) throw new Stop(5, `${wrong.join(", ")}; ${todo}`);
  return settings;
}
