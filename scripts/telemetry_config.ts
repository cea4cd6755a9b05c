// Shows, sends or removes the car's Fleet Telemetry configuration: what it streams to a server of your own.
//
//   reads     .env, tesla_token.json, private-key.pem, public-key.pem, FILE, CA_FILE
//   writes    nothing
//   contacts  Fleet API
//   costs     at most 1 data request ($0.002); what the car then streams, $1 for 150,000 values
//   run       npx tsx scripts/telemetry_config.ts show, send FILE [--dry-run], remove or errors
import { asRecord, clean, Failure, say, showJson, startScript } from "../lib/command_line.ts";
import { readPrivateKey, readPublicKey } from "../lib/key_files.ts";
import { readSettings } from "../lib/settings.ts";
import { readConfig, telemetryFailure } from "../lib/signing/telemetry_config.ts";
import { freshNonce, telemetryToken } from "../lib/signing/telemetry_token.ts";
import { askFleetApi } from "../lib/tesla_fetch.ts";
import { readToken } from "../lib/token_file.ts";

// Step 1: what to do, and for which car.
const given = startScript(import.meta.filename, {
  words: ["ACTION"],
  optional: ["FILE"],
  flags: ["dry-run"],
});
const { ACTION, FILE = "", "dry-run": isDryRun = false } = given;
const isKnown = FILE ? ACTION === "send" : !isDryRun && ["show", "remove", "errors"].includes(ACTION);
const found = `"${ACTION}" ${FILE ? "with" : "without"} FILE`;
if (!isKnown)
  throw new Failure(2, "wrong usage", found, "run: show, send FILE [--dry-run], remove or errors");
const { TESLA_REGION, TESLA_VIN } = readSettings(["TESLA_REGION", "TESLA_VIN"]);
async function ask(path: string, extras: { json?: object; method?: string } = {}) {
  const answer = await askFleetApi(TESLA_REGION, `vehicles/${path}`, readToken().access_token, extras);
  return asRecord(asRecord(answer).response);
}

// Step 2: show. `synced` is also true when there is no configuration, or when the car has refused it.
// https://developer.tesla.com/docs/fleet-api/endpoints/vehicle-endpoints#fleet-telemetry-config-get
if (ACTION === "show") {
  const answer = await ask(`${TESLA_VIN}/fleet_telemetry_config`);
  const { synced, config = null, limit_reached } = answer;
  showJson(answer);
  if (config === null && synced === undefined) throw telemetryFailure("unreadable", answer);
  const reason = limit_reached === true ? "max_configs" : "no configuration";
  if (config === null) throw telemetryFailure(reason, answer);
  const { iss } = asRecord(config); // the signer's public key
  const isOwn = iss === Buffer.from(readPublicKey().point, "hex").toString("base64");
  if (iss !== undefined && !isOwn) throw telemetryFailure("another key", { iss });
  if (synced !== true) throw telemetryFailure("not taken", { synced });
  say("done: the car has this configuration; only values at your server prove that it connects");
}

// Step 3: errors that the car has reported.
// https://developer.tesla.com/docs/fleet-api/endpoints/vehicle-endpoints#fleet-telemetry-errors
if (ACTION === "errors") {
  const answer = await ask(`${TESLA_VIN}/fleet_telemetry_errors`);
  const { fleet_telemetry_errors: errors } = answer;
  if (!Array.isArray(errors)) throw telemetryFailure("unreadable", answer);
  showJson(errors);
  say(errors.length > 0 ? `errors: ${errors.length}` : "no errors: the car may not have tried yet");
}

// Step 4: remove.
// https://developer.tesla.com/docs/fleet-api/endpoints/vehicle-endpoints#fleet-telemetry-config-delete
if (ACTION === "remove") {
  const answer = await ask(`${TESLA_VIN}/fleet_telemetry_config`, { method: "DELETE" });
  const { updated_vehicles: removed } = answer;
  if (typeof removed !== "number" || removed < 0) throw telemetryFailure("unreadable", answer);
  say(removed > 0 ? "removed" : "nothing to do: the car had no configuration");
}

// Step 5: send, signed. An answer of 200 does not mean success: Tesla may have skipped the car, and says why.
// https://developer.tesla.com/docs/fleet-api/endpoints/vehicle-endpoints#fleet-telemetry-config-jws
if (ACTION === "send") {
  const config = readConfig(FILE);
  const json = { vins: [TESLA_VIN], token: telemetryToken(config, readPrivateKey(), freshNonce()) };
  if (isDryRun) {
    showJson({ config, ...json });
    process.exit(0);
  }
  const answer = await ask("fleet_telemetry_config_jws", { json });
  if (typeof answer.updated_vehicles !== "number") throw telemetryFailure("unreadable", answer);
  const skipped = asRecord(answer.skipped_vehicles); // reason: [VIN, …], or VIN: reason as one owner saw it
  const reason = Object.keys(skipped).find((name) => clean(skipped[name]).includes(TESLA_VIN));
  if (answer.updated_vehicles !== 1) throw telemetryFailure(reason ?? skipped[TESLA_VIN], answer);
  say("accepted: the car gets it when it is next online; check with show in a few minutes");
}
