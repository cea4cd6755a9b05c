// Walks through the setup without changing anything, and reports each problem with its fix.
//
//   reads     .env, private-key.pem, public-key.pem, tesla_token.json, tesla_session.json
//   writes    nothing
//   contacts  TESLA_DOMAIN, token host, Fleet API
//   costs     2 data requests ($0.004); nothing with --free
//   run       npx tsx scripts/check_setup.ts [--free] [--skip-check]
import { existsSync, statSync } from "node:fs";
import { asRecord, clean, Failure, localTime, messageOf, say, startScript } from "../lib/command_line.ts";
import { PRIVATE_KEY_FILE, readPrivateKey, readPublicKey } from "../lib/key_files.ts";
import { checkPublishedKey, partnerToken, registeredPoint } from "../lib/partner.ts";
import { APP_SETTINGS, pairingAddress, readSettings, settingsFromEnvironment } from "../lib/settings.ts";
import { hasAnsweredEncrypted } from "../lib/signing/session.ts";
import { askFleetApi } from "../lib/tesla_fetch.ts";
import { claimsOf, expiryOf } from "../lib/token_claims.ts";
import { readToken, TOKEN_FILE } from "../lib/token_file.ts";

const given = startScript(import.meta.filename, { flags: ["free", "skip-check"] });

// Each step prints a line on stdout: ok, note (a remark), FAILED with the fix below it, or what it waits for.
// Steps that do not depend on a failed one still run.
type Found = string | { note: string };
const passed = new Set<string>();
const failures = new Map<string, Failure>();
let notes = 0;
function print(mark: string, name: string, text: string): void {
  process.stdout.write(`  ${mark.padEnd(8)} ${name.padEnd(14)} ${clean(text).slice(0, 500)}\n`);
}
async function step(name: string, needs: string[], check: () => Found | Promise<Found>): Promise<void> {
  const missing = needs.filter((need) => !passed.has(need));
  if (missing.length > 0) return print("-", name, `waits for: ${missing.join(", ")}`);
  try {
    const found = await check();
    passed.add(name);
    if (typeof found === "string") print("ok", name, found);
    else {
      print("note", name, found.note);
      notes += 1;
    }
  } catch (error) {
    const unexpected = new Failure(1, messageOf(error), "an unexpected error", "please report it");
    const failure = error instanceof Failure ? error : unexpected;
    failures.set(name, failure);
    print("FAILED", name, failure.message);
    for (const row of [`found: ${clean(failure.found)}`, `fix:   ${clean(failure.fix)}`]) {
      process.stdout.write(`${" ".repeat(26)}${row.slice(0, 500)}\n`);
    }
  }
}

// Step 1: this folder. Nothing is sent.
process.stdout.write("This folder\n");
await step("settings", [], () => {
  const settings = readSettings([...APP_SETTINGS, "TESLA_REDIRECT_URI", "TESLA_DOMAIN", "TESLA_COMMANDS"]);
  const app = `app ${settings.TESLA_CLIENT_ID.slice(0, 8)}…`;
  return `${app}, ${settings.TESLA_REGION}, ${settings.TESLA_DOMAIN}, ${settings.TESLA_COMMANDS} commands`;
});
const fromEnvironment = settingsFromEnvironment();
if (fromEnvironment.length > 0) print("note", "environment", `wins over .env: ${fromEnvironment.join(" ")}`);
await step("key pair", [], () => {
  const { point } = readPublicKey();
  if (readPrivateKey().getPublicKey("hex") === point) return "P-256, the two files match";
  throw new Failure(5, "the two key files do not match", "two different keys", "copy the right pair here");
});
await step("file modes", [], () => {
  if (process.platform === "win32") return { note: "not checked on Windows" };
  const secret = [".env", PRIVATE_KEY_FILE, TOKEN_FILE].filter((file) => existsSync(file));
  const open = secret.filter((file) => (statSync(file).mode & 0o077) !== 0).join(" ");
  const keepsNoModes = open !== "" && secret.every((file) => (statSync(file).mode & 0o111) !== 0);
  if (keepsNoModes) {
    const move = "if that has no effect (WSL /mnt, exFAT), move this folder to your home";
    return {
      note: `others here may read and change your files; run: chmod 600 ${open}; chmod go-w .; ${move}`,
    };
  }
  if (open !== "") throw new Failure(5, "other users can read your secrets", open, `run: chmod 600 ${open}`);
  let folder: { mode: number; uid: number; gid: number };
  try {
    folder = statSync(".");
  } catch {
    return { note: "only you can read your secrets; the folder's mode cannot be read in this sandbox" };
  }
  const isOwnGroup = folder.gid === folder.uid; // has no other member
  if ((folder.mode & (isOwnGroup ? 0o002 : 0o022)) === 0) return "only you can read your secrets";
  throw new Failure(5, "other users can write in this folder", process.cwd(), "run: chmod go-w .");
});
await step("login", [], () => {
  if (!existsSync(TOKEN_FILE)) {
    throw new Failure(
      4,
      "not logged in",
      `no ${TOKEN_FILE}`,
      "run register_partner if you have not, then get_token",
    );
  }
  const token = readToken();
  const expiry = expiryOf(token); // undefined where neither file nor token says
  const days = Math.floor((Date.now() - Date.parse(token.obtained_at ?? "")) / 86_400_000);
  if (days >= 90) {
    const found = `it is ${days} days old; it lasts 3 months`;
    throw new Failure(4, "the refresh token has expired", found, "run get_token");
  }
  if (expiry && expiry < new Date()) {
    throw new Failure(4, "the access token has expired", `at ${localTime(expiry)}`, "run refresh_token");
  }
  return `valid until ${expiry ? localTime(expiry) : "?"}; the refresh token ends 3 months after its use`;
});
await step("VIN", ["login"], () => readSettings(["TESLA_VIN"]).TESLA_VIN);
await step("scopes", ["settings", "login"], () => {
  const { scopes } = claimsOf(readToken());
  const asked = readSettings(["TESLA_SCOPES"]).TESLA_SCOPES.split(" ");
  const missing = asked.filter((scope) => scopes?.includes(scope) === false);
  if (missing.length === 0) return scopes?.join(" ") ?? "unknown";
  const fix = "run get_token --force and tick every box";
  throw new Failure(5, "Tesla left out scopes", `not granted: ${missing.join(" ")}`, fix);
});
await step("region", ["settings", "login"], () => {
  const { region } = claimsOf(readToken());
  const { TESLA_REGION } = readSettings(["TESLA_REGION"]);
  if (["", TESLA_REGION].includes(region)) return TESLA_REGION;
  return { note: `the token names ${region}, TESLA_REGION is ${TESLA_REGION}; only Tesla's answers decide` };
});

// Step 2: your domain and your app. Nothing is billed.
process.stdout.write("At Tesla\n");
let partner = ""; // your app's token
if (given["skip-check"]) print("skipped", "published key", "(--skip-check)");
else {
  await step("published key", ["settings", "key pair"], async () => {
    const { TESLA_DOMAIN } = readSettings(["TESLA_DOMAIN"]);
    await checkPublishedKey(TESLA_DOMAIN, readPublicKey().point);
    return `${TESLA_DOMAIN} serves public-key.pem`;
  });
}
await step("app", ["settings"], async () => {
  partner = await partnerToken(readSettings(APP_SETTINGS));
  return "Tesla knows your app and its secret";
});
await step("registration", ["key pair", "app"], async () => {
  const { TESLA_DOMAIN, TESLA_REGION } = readSettings(["TESLA_DOMAIN", "TESLA_REGION"]);
  let registered: string;
  try {
    registered = await registeredPoint(TESLA_REGION, TESLA_DOMAIN, partner);
  } catch (error) {
    const isHidden =
      error instanceof Failure && (error.status === 421 || /scope|not have access/i.test(error.found));
    if (!isHidden) throw error;
    return { note: `Tesla does not show the key (${error.found}); register_partner says whether it has it` };
  }
  if (registered === readPublicKey().point) return "Tesla has your key on file";
  throw new Failure(5, "Tesla has a different key on file", "not public-key.pem", "run register_partner");
});

// Step 3: your car. The two requests cost $0.002 each.
// https://developer.tesla.com/docs/fleet-api/endpoints/vehicle-endpoints#fleet-status
process.stdout.write("Your car\n");
if (given.free) print("skipped", "car, virtual key", "(--free)");
else {
  say("the next two requests cost $0.002 each; --free skips them");
  await step("car", ["settings", "VIN", "login"], async () => {
    const { TESLA_REGION, TESLA_VIN } = readSettings(["TESLA_REGION", "TESLA_VIN"]);
    const { response } = asRecord(await askFleetApi(TESLA_REGION, "vehicles", readToken().access_token));
    const cars = (Array.isArray(response) ? response : []).map(asRecord);
    const car = cars.find(({ vin }) => vin === TESLA_VIN);
    if (car?.state === "online") return "in this account, online";
    if (car) return `in this account, ${clean(car.state)}; opening the Tesla app wakes it for free`;
    const found = `the account has ${cars.map(({ vin }) => vin).join(" ") || "no car"}`;
    const fix = "correct TESLA_VIN, or log in with the owner's account (log out at Tesla first)";
    throw new Failure(5, `${TESLA_VIN} is not in this account`, found, fix);
  });
  await step("virtual key", ["settings", "VIN", "login"], virtualKey);
}

// What Tesla reports about the key is a hint: only the car's answer to a command decides.
async function virtualKey(): Promise<Found> {
  const settings = readSettings(["TESLA_REGION", "TESLA_VIN", "TESLA_COMMANDS"]);
  const { TESLA_REGION, TESLA_VIN, TESLA_COMMANDS } = settings;
  const json = { vins: [TESLA_VIN] };
  const answer = await askFleetApi(TESLA_REGION, "vehicles/fleet_status", readToken().access_token, { json });
  const { key_paired_vins, vehicle_info } = asRecord(asRecord(answer).response);
  const car = asRecord(asRecord(vehicle_info)[TESLA_VIN]);
  const firmware = `firmware ${clean(car.firmware_version ?? "unknown")}`;
  const mustSign = car.vehicle_command_protocol_required === true;
  const isOld = /^.{3}[SX].{5}[A-HJ-L]/.test(TESLA_VIN); // 4th: the model; 10th: the year, L is 2020
  const pair = `open ${pairingAddress()} on your phone`;
  if (TESLA_COMMANDS === "rest" && isOld && !mustSign) return `not needed; ${firmware}`;
  if (TESLA_COMMANDS === "rest") {
    const fix = `set TESLA_COMMANDS=signed in .env; if the key is not on the car yet: ${pair}`;
    throw new Failure(5, "this car accepts only signed commands", "TESLA_COMMANDS=rest", fix);
  }
  if (!Array.isArray(key_paired_vins)) {
    throw new Failure(1, "Tesla's answer cannot be used", "it has no key_paired_vins", "try again later");
  }
  if (key_paired_vins.includes(TESLA_VIN)) return `on the car; ${firmware}`;
  if (isOld && !mustSign) {
    const found = "a Model S or X before 2021, by its VIN";
    throw new Failure(5, "this car accepts plain commands", found, "set TESLA_COMMANDS=rest in .env");
  }
  if (hasAnsweredEncrypted(TESLA_VIN)) {
    return { note: "Tesla reports it as not on the car, though the car has answered your signed commands" };
  }
  throw new Failure(5, "the virtual key is not on the car", "unpaired, as Tesla reports it", pair);
}

// Step 4: how many things there are to fix.
const [first] = failures.values();
if (first) {
  const things = failures.size === 1 ? "1 thing" : `${failures.size} things`;
  const problem = `${things} to fix: ${[...failures.keys()].join(", ")}`;
  throw new Failure(first.exitCode, problem, "see FAILED above", "fix it, then run check_setup again");
}
say(notes === 0 ? "everything is set up" : "everything is set up, but read the notes");
