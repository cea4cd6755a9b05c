// Calls anything else of Fleet API with your token, and prints Tesla's answer as JSON.
//
//   reads     .env, tesla_token.json
//   writes    nothing
//   contacts  Fleet API; with --partner the token host
//   costs     as Tesla bills the call
//   run       npx tsx scripts/call_api.ts METHOD PATH ['{"json": "body"}'] [--partner]
import { startScript, Stop } from "../lib/command_line.ts";
import { partnerToken } from "../lib/partner.ts";
import { readSettings } from "../lib/settings.ts";
import { askFleetApi } from "../lib/tesla_fetch.ts";
import { readToken } from "../lib/token_file.ts";

// Step 1: METHOD, PATH as it stands in Tesla's documentation, and the body.
// https://developer.tesla.com/docs/fleet-api/endpoints
const { options, words } = startScript(
  import.meta.filename, { partner: { type: "boolean" } }, ["METHOD", "PATH", "[JSON]"]);
const [method, path, body] = words;
if (!["GET", "POST", "PUT", "PATCH", "DELETE"].includes(method)) {
  throw new Stop(2, `wrong usage: METHOD is GET, POST, PUT, PATCH or DELETE; found "${method}"`);
}
const isBelow = path.startsWith("/api/1/");
const url = new URL(isBelow ? path : "/", "https://tesla.invalid"); // only to see what a URL makes of PATH
if (!isBelow || url.pathname + url.search !== path) {
  throw new Stop(2, `wrong usage: PATH begins with /api/1/, without spaces, # and ..; found "${path}"`);
}
let json: object | undefined = ["GET", "DELETE"].includes(method) ? undefined : {};
if (body !== undefined) {
  try { json = JSON.parse(body); } catch { json = undefined; }
  const isObject = json !== undefined && body.trim().startsWith("{");
  const rule = "the body is a JSON object in single quotes; GET takes none";
  if (!isObject || method === "GET") throw new Stop(2, `wrong usage: ${rule}`);
}

// Step 2: one request, with your access token, or your app's own.
const app = ["TESLA_CLIENT_ID", "TESLA_CLIENT_SECRET", "TESLA_SCOPES"];
const settings = readSettings(["TESLA_REGION", ...(options.partner === true ? app : [])]);
const bearer = options.partner === true ? await partnerToken(settings) : readToken().access_token;
const moves = method !== "GET" && !path.endsWith("/fleet_status"); // that one only looks, though by POST
const below = path.slice("/api/1/".length);
const answer = await askFleetApi(settings.TESLA_REGION, below, bearer, { json, method, moves });
process.stdout.write(`${JSON.stringify(answer, null, 2)}\n`);
if (Object(answer.response).result === false) throw new Stop(6, "it was refused; the answer says why");
