// Calls any other Fleet API endpoint with your token, and prints Tesla's answer as JSON.
//
//   reads     .env, tesla_token.json
//   writes    nothing
//   contacts  Fleet API; with --partner the token host
//   costs     as Tesla bills the call
//   run       npx tsx scripts/call_api.ts METHOD 'PATH' ['{"json": "body"}'] [--partner]
import { verdictOf } from "../lib/advice.ts";
import { asRecord, Failure, say, showJson, startScript } from "../lib/command_line.ts";
import { partnerToken } from "../lib/partner.ts";
import { APP_SETTINGS, readSettings } from "../lib/settings.ts";
import { askFleetApi } from "../lib/tesla_fetch.ts";
import { readToken } from "../lib/token_file.ts";

// Step 1: METHOD, PATH as it is in Tesla's documentation, and the body.
// https://developer.tesla.com/docs/fleet-api/endpoints
const given = startScript(import.meta.filename, {
  words: ["METHOD", "PATH"],
  optional: ["JSON"],
  flags: ["partner"],
});
const { METHOD: method, PATH: path, JSON: body } = given;
const takesBody = ["POST", "PUT", "PATCH", "DELETE"];
if (method !== "GET" && !takesBody.includes(method)) {
  throw new Failure(2, "wrong usage", `METHOD is "${method}"`, `METHOD is GET, ${takesBody.join(", ")}`);
}
const isBelow = path.startsWith("/api/1/");
const url = new URL(isBelow ? path : "/", "https://tesla.invalid"); // only to see whether a URL changes PATH
if (!isBelow || url.pathname + url.search !== path) {
  const fix = "PATH begins with /api/1/, without spaces, # or ..; if it has a ?, put it in single quotes";
  throw new Failure(2, "wrong usage", `PATH is "${path}"`, fix);
}
let json: object | undefined = ["GET", "DELETE"].includes(method) ? undefined : {};
if (body !== undefined) {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {} // treated as not an object
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  if (!isObject || method === "GET") {
    const found = method === "GET" ? "a body for GET" : "a body that is not a JSON object";
    throw new Failure(2, "wrong usage", found, "the body is a JSON object in single quotes; GET has none");
  }
  json = asRecord(value);
}

// Step 2: one request, with your access token, or your app's own.
const { TESLA_REGION } = readSettings(["TESLA_REGION"]);
const isPartner = given.partner === true;
const bearer = isPartner ? await partnerToken(readSettings(APP_SETTINGS)) : readToken().access_token;
const answer = await askFleetApi(TESLA_REGION, path.slice("/api/1/".length), bearer, { json, method });
showJson(answer);
const [, command] = /\/command\/([^/?]+)/.exec(path) ?? [];
const { response } = asRecord(answer);
if (command) say(verdictOf(command, response) || "done: the car confirmed it");
else if (asRecord(response).result === false) {
  throw new Failure(6, "it was refused", "result false in Tesla's answer", "see the reason in the answer");
}
