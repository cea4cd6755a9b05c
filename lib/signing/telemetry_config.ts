// A Fleet Telemetry configuration: read from a file, and checked before it is signed, since Tesla accepts
// most mistakes silently, and the car then never connects. It also explains why a configuration has not
// reached the car. Nothing is sent from here.
// https://developer.tesla.com/docs/fleet-api/fleet-telemetry
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { filledIn, PAIR } from "../advice.ts";
import { asRecord, Failure, fixForFile, messageOf } from "../command_line.ts";

// Every name that Tesla documents. iss and aud are set when the token is made, whatever they are here.
// biome-ignore format: a table of words
const NAMES = ["hostname", "port", "ca", "fields", "exp", "nbf", "iat", "prefer_typed", "delivery_policy",
  "alert_types", "iss", "aud"];
const SERVER_NAME = /^(?=.{1,253}$)([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]([a-z0-9-]*[a-z0-9])?$/i;
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\w+/=\s]+-----END CERTIFICATE-----/g;

function wrong(name: string, found: unknown, fix: string): Failure {
  const shown = typeof found === "string" ? found : (JSON.stringify(found) ?? "nothing");
  return new Failure(2, `the configuration has a wrong ${name}`, shown.slice(0, 150), fix);
}

function check(isRight: boolean, name: string, found: unknown, fix: string): void {
  if (!isRight) throw wrong(name, found, fix);
}

function isWhole(value: unknown, from: number, to: number): boolean {
  return typeof value === "number" && Number.isInteger(value) && value >= from && value <= to;
}

function contentOf(file: string): string {
  try {
    return readFileSync(file, "utf8").trim();
  } catch (error) {
    const fix = fixForFile(file, error, "check its name and its folder");
    throw new Failure(2, `${file} cannot be read`, messageOf(error), fix);
  }
}

// The car looks here for the issuer of your server's certificate, so it must be an authority's.
function checkCertificate(pem: string): void {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(pem);
  } catch {
    throw wrong("ca", "a damaged certificate", "use the file exactly as it was made");
  }
  const { ca, subject, validFrom, validTo } = certificate;
  const name = subject.replaceAll("\n", ", ");
  check(ca, "ca", `${name}: not an authority`, "use the certificate of its issuer instead");
  const isInDate = Date.parse(validFrom) <= Date.now() && Date.now() < Date.parse(validTo);
  const found = `${name}: valid from ${validFrom} to ${validTo}`;
  check(isInDate, "ca", found, "use a certificate that is in date");
}

// Only the certificates are kept: a private key beside them goes nowhere.
function authoritiesIn(ca: unknown): string {
  const text = typeof ca === "string" ? ca : "";
  const isPem = text.includes("-----BEGIN") || text === "";
  const certificates = (isPem ? text : contentOf(text)).match(CERTIFICATE) ?? [];
  check(certificates.length > 0, "ca", "no certificate", "use PEM, or the name of a file that holds it");
  for (const pem of certificates) checkCertificate(pem);
  return `${certificates.join("\n")}\n`.replaceAll("\r", "");
}

function checkFields(fields: unknown): void {
  const chosen = Object.entries(asRecord(fields));
  check(
    chosen.length > 0 && !Array.isArray(fields),
    "fields",
    fields,
    "name one field or more; to stop streaming, use remove",
  );
  for (const [name, settings] of chosen) {
    const { interval_seconds } = asRecord(settings);
    const place = `interval_seconds for ${name}`;
    check(isWhole(interval_seconds, 1, 1e9), place, interval_seconds, "use a whole number, 1 or more");
  }
}

/** The configuration in `file`, as it may be signed: with `ca` as PEM, even if the file names another file.
 * Throws Failure 2 at the first mistake. */
export function readConfig(file: string): Record<string, unknown> {
  const text = contentOf(file);
  let config: Record<string, unknown>;
  try {
    config = asRecord(JSON.parse(text));
  } catch (error) {
    // No more of the parser's words: they quote the file, which may be another one, with secrets.
    const [, position] = /position (\d+)/.exec(messageOf(error)) ?? [];
    const line = text.slice(0, Number(position)).split("\n").length;
    const found = position === undefined ? "something else" : `a mistake in line ${line}`;
    throw new Failure(2, `${file} is not JSON`, found, "compare it with examples/telemetry.json");
  }
  const unknown = Object.keys(config).find((name) => !NAMES.includes(name));
  check(unknown === undefined, "name, unknown to Tesla", unknown, `use only ${NAMES.join(", ")}`);
  const { hostname, port, ca, fields, exp, nbf } = config;
  const isName = typeof hostname === "string" && SERVER_NAME.test(hostname);
  check(isName, "hostname", hostname, "use your server's name, without https://, port and path");
  check(isWhole(port, 1, 65_535), "port", port, "use a whole number without quotes, such as 443");
  const now = Date.now() / 1000;
  const isAhead = exp === undefined || isWhole(exp, now, 1e11); // 1e11: milliseconds would be more
  check(isAhead, "exp", exp, "use a time in the future, in seconds since 1970, or leave it out");
  const isPast = nbf === undefined || isWhole(nbf, 0, now);
  check(isPast, "nbf", nbf, "use a time in the past, in seconds since 1970, or leave it out");
  checkFields(fields);
  return { ...config, ca: authoritiesIn(ca) };
}

const FREE_A_PLACE = "remove another app's access in the Tesla app, then send again";
const UNKNOWN = [6, "Tesla did not configure the car", "search online for the reason it gives"] as const;
// biome-ignore format: a table of words and numbers
// By Tesla's reason for skipping a car, or by what `show` finds: exit code, what it means, what to do.
const PROBLEMS = new Map<unknown, [number, string, string]>([
  ["missing_key", [5, "your key is not on the car", `${PAIR}, then send again`]],
  ["not_paired", [5, "your key is not on the car", `${PAIR}, then send again`]],
  ["unsupported_hardware", [6, "this car cannot stream", "this cannot be changed: an early Model S or X"]],
  ["unsupported_firmware", [6, "the car's software is too old to stream", "update the car, then send again"]],
  ["max_configs", [7, "too many apps have configured this car", FREE_A_PLACE]],
  ["no configuration", [5, "the car has no configuration",
    `send one; if you have, the car refused it, most likely because of too many apps: ${FREE_A_PLACE}`]],
  ["another key", [5, "the configuration is signed with a different key from public-key.pem",
    "send it again"]],
  ["not taken", [3, "the car has not fetched the configuration yet",
    "open the Tesla app (free) to wake the car, and look again in a few minutes"]],
  ["unreadable", [1, "Tesla's answer cannot be read", "check with show, or run it again: that does no harm"]],
]);

/** The error for one of these, or for a reason that is not known here; `answer` is what Tesla sent. */
export function telemetryFailure(reason: unknown, answer: unknown): Failure {
  const [exitCode, problem, fix] = PROBLEMS.get(reason) ?? UNKNOWN;
  return new Failure(exitCode, problem, JSON.stringify(answer).slice(0, 300), filledIn(fix));
}
