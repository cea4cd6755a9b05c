// How many requests each job takes, counted at the simulated Tesla: the exact list of them, what Tesla bills, and
// that the header of each script names the price. Then each job once more with a script that has been changed to
// send one request too many: the same check must refuse it.
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { auditedFiles, inRunningOrder } from "../rules/script_list.ts";
import { type Bill, type BilledKind, PRICES } from "../simulator/reception.ts";
// biome-ignore format: a list of words
import { startLogin, useRedirect, visitWhenListening } from "../support/browser.ts";
import { assertEnd, calls } from "../support/ends.ts";
import { runInside } from "../support/inside.ts";
import {
  DOMAIN,
  FLEET,
  KEY_PATH,
  SCOPES,
  TOKEN,
  VIN,
  newOwner,
  ownerTest,
  plantedCopy,
  useFewProcesses,
  type Owner,
  type OwnerOptions,
} from "../support/owner.ts";
import { ONLY_AT_LENGTH } from "../support/length.ts";
import { PassingTime } from "../support/passing_time.ts";

useFewProcesses();

const CAR = `${FLEET}/api/1/vehicles/${VIN}`;
const STATE = `GET ${CAR}/vehicle_data?endpoints=charge_state`;
const SIGNED = `POST ${CAR}/signed_command`;
const DOMAIN_KEY = `GET ${DOMAIN}${KEY_PATH}`;
const PARTNER = `${FLEET}/api/1/partner_accounts`;
const LOOK_UP = `GET ${PARTNER}/public_key?domain=${DOMAIN}`;
const ALL = { scopes: `${SCOPES} vehicle_cmds` };

interface Job {
  title: string;
  run: string; // script and words
  calls: string[]; // every request, in order
  bill: Partial<Bill>; // what Tesla counts; the partner token and the login are "auth"
  owner?: OwnerOptions;
  before?: (owner: Owner) => Promise<void> | void;
  exit?: number; // 0 unless told
  pauses?: number[]; // seconds, before each of the last requests
  plant?: [string, string, string]; // file, text in it, text in its place: one request too many
}

async function withSession(owner: Owner): Promise<void> {
  assertEnd(await owner.run("set_charge_amps", ["8"]), 0);
}
const fails =
  (name: string) =>
  (owner: Owner): void =>
    owner.simulator.fail(name);
const sleeps = (owner: Owner): void => {
  owner.simulator.car.awake = false;
};
const later =
  (change: (owner: Owner) => void) =>
  async (owner: Owner): Promise<void> => {
    await withSession(owner);
    change(owner);
  };

// biome-ignore format: a table of words
const JOBS: Job[] = [
  { title: "a read", run: "read_charge", calls: [STATE], bill: { data: 1 }, plant: ["scripts/read_charge.ts",
    "const car = ", "await askFleetApi(TESLA_REGION, \"vehicles\", access_token);\nconst car = "] },
  { title: "a read of a car that sleeps", run: "read_charge", exit: 3, calls: [STATE], bill: { data: 1 }, before: sleeps },
  { title: "a read that Tesla refuses with 429", run: "read_charge", exit: 7, calls: [STATE], bill: { data: 1 },
    before: fails("rate_limited") },
  { title: "a read that meets a 503", run: "read_charge", exit: 1, calls: [STATE], bill: {},
    before: fails("service_unavailable") },
  { title: "a read with a wrong region (undici's fetch would send it again)", run: "read_charge", exit: 5, calls: [STATE],
    bill: { data: 1 }, before: fails("out_of_region") },
  { title: "a read whose answer is lost", run: "read_charge", exit: 1, calls: [STATE], bill: {},
    before: fails("hang_up_after") },
  { title: "the list of cars", run: "list_vehicles", calls: [`GET ${FLEET}/api/1/vehicles`], bill: { data: 1 } },
  { title: "any call", run: `call_api GET /api/1/vehicles/${VIN}`, calls: [`GET ${CAR}`], bill: { data: 1 } },

  { title: "a command with a session", run: "set_charge_amps 10", before: withSession, calls: [SIGNED],
    bill: { command: 1 }, plant: ["lib/signing/session.ts", "? (session as unknown as Session) : undefined;",
      "? undefined : undefined;"] },
  { title: "a command without a session", run: "set_charge_amps 10", calls: [SIGNED, SIGNED], bill: { command: 2 },
    plant: ["lib/signing/signed_command.ts", "await shakeHands(connection, stored);",
      "(await shakeHands(connection, stored), await shakeHands(connection, stored));"] },
  { title: "a command with --verify", run: "set_charge_amps 10 --verify", before: withSession, calls: [SIGNED, STATE],
    bill: { command: 1, data: 1 }, pauses: [3] },
  { title: "a command to a car that has rebooted", run: "set_charge_amps 10", calls: [SIGNED, SIGNED],
    bill: { command: 2 }, before: later((owner) => owner.simulator.car.reboot()) },
  { title: "a command to a car that shows another key: nothing is signed again", run: "set_charge_amps 10", exit: 5,
    calls: [SIGNED], bill: { command: 1 }, before: later((owner) => owner.simulator.car.changeKey()) },
  { title: "a command to a car with a new computer, its session file deleted", run: "set_charge_amps 10",
    calls: [SIGNED, SIGNED], bill: { command: 2 }, before: later((owner) => {
      owner.simulator.car.changeKey();
      rmSync(owner.path("tesla_session.json"));
    }) },
  { title: "a command that the token does not allow", run: "send_command door_unlock", exit: 5, calls: [], bill: {},
    plant: ["lib/command.ts", "if (!scopes ||", "if (scopes ||"] },
  { title: "a command that the car refuses as out of date again and again", run: "set_charge_amps 10", exit: 6,
    calls: [SIGNED, SIGNED], bill: { command: 2 }, before: later((owner) => {
      owner.simulator.car.injectFault("incorrect_epoch", 9);
      owner.simulator.car.reboot(); // so that what it proves is news
    }), plant: ["lib/signing/signed_command.ts", "last = await retry(connection, last, command);",
      "for (const n of [1, 2]) last = await attempt(connection, last.session, command);"] },
  { title: "a command whose answer is lost", run: "set_charge_amps 10", exit: 8, calls: [SIGNED], bill: {},
    before: later(fails("hang_up_after")) },
  { title: "a command that meets a 500", run: "set_charge_amps 10", exit: 8, calls: [SIGNED], bill: {},
    before: later(fails("server_error")) },
  { title: "a command that is only shown", run: "set_charge_amps 10 --dry-run", calls: [], bill: {} },
  { title: "a command without signature, for an old car", run: "set_charge_amps 10",
    owner: { settings: { TESLA_COMMANDS: "rest" } }, calls: [`POST ${CAR}/command/set_charging_amps`],
    bill: { command: 1 }, before: (owner) => { owner.simulator.car.protocolRequired = false; } },
  { title: "any command, with a session", run: "send_command charge_stop", before: withSession, calls: [SIGNED],
    bill: { command: 1 }, owner: ALL },

  { title: "a refresh", run: "refresh_token", calls: [TOKEN], bill: { auth: 1 }, plant: ["scripts/refresh_token.ts",
    "  const until = ", "  await askTokenHost(TESLA_REGION, { grant_type: \"refresh_token\", client_id: TESLA_CLIENT_ID,"
      + " refresh_token: readToken().refresh_token });\n  const until = "] },
  { title: "a refresh that is not due", run: "refresh_token --if-expiring-within 1h", calls: [], bill: {} },
  { title: "a refresh that Tesla refuses", run: "refresh_token", exit: 4, calls: [TOKEN], bill: { auth: 1 },
    before: (owner) => owner.simulator.revokeConsent() },

  { title: "a registration: 3 to Tesla, after one look at your own domain", run: "register_partner",
    owner: { registered: false }, calls: [DOMAIN_KEY, TOKEN, `POST ${PARTNER}`, LOOK_UP], bill: { auth: 1, partner: 2 },
    before: (owner) => { owner.simulator.partner.hosting = { kind: "file", body: owner.publicKey }; },
    plant: ["scripts/register_partner.ts", "const registered = ",
      "await registeredPoint(TESLA_REGION, TESLA_DOMAIN, bearer);\n  const registered = "] },

  { title: "a wake-up: once, and one look in 5 seconds at most", run: "wake_up",
    calls: [`POST ${CAR}/wake_up`, `GET ${CAR}`, `GET ${CAR}`], bill: { wake: 1, data: 2 }, pauses: [5, 5], before: sleeps,
    plant: ["scripts/wake_up.ts", "sleep(5000)", "sleep(4000)"] },
  { title: "a wake-up of a car that is awake", run: "wake_up", calls: [`POST ${CAR}/wake_up`], bill: { wake: 1 },
    plant: ["scripts/wake_up.ts", "// Step 3",
      "await askFleetApi(TESLA_REGION, `vehicles/${TESLA_VIN}`, access_token);\n// Step 3"] },
  { title: "the check of the setup", run: "check_setup", calls: [DOMAIN_KEY, TOKEN, LOOK_UP,
    `GET ${FLEET}/api/1/vehicles`, `POST ${FLEET}/api/1/vehicles/fleet_status`], bill: { auth: 1, partner: 1, data: 2 } },
  { title: "the check of the setup, free of charge", run: "check_setup --free", calls: [DOMAIN_KEY, TOKEN, LOOK_UP],
    bill: { auth: 1, partner: 1 } },
  { title: "a key pair", run: "generate_key", owner: { keys: false }, calls: [], bill: {} },
];

/** What is billed while something runs. */
async function billOf(owner: Owner, run: () => Promise<unknown>): Promise<Partial<Bill>> {
  const before = owner.simulator.bill();
  await run();
  const now = owner.simulator.bill();
  const kinds = (Object.keys(PRICES) as BilledKind[]).filter((kind) => now[kind] > before[kind]);
  return Object.fromEntries(kinds.map((kind) => [kind, now[kind] - before[kind]]));
}

async function check(job: Job, owner: Owner, folder = ""): Promise<void> {
  await job.before?.(owner);
  const [name = "", ...words] = job.run.split(" ");
  const script = folder === "" ? name : join(folder, "scripts", `${name}.ts`);
  const time = job.pauses && new PassingTime();
  try {
    const bill = await billOf(owner, async () => {
      const result = await (time ? runInside(owner, script, words) : owner.run(script, words));
      owner.simulator.clear();
      assertEnd(result, job.exit ?? 0);
      assert.deepEqual(calls(result.requests), job.calls);
    });
    assert.deepEqual(bill, job.bill);
    assert.deepEqual(time?.pauses, job.pauses, "pauses");
  } finally {
    time?.stop();
  }
}

describe("requests per job", () => {
  for (const job of JOBS) ownerTest(job.title, job.owner ?? {}, (owner) => check(job, owner));

  ownerTest("a login: one", { loggedIn: false }, async (owner) => {
    await useRedirect(owner);
    const { running, address } = await startLogin(owner);
    const before = owner.simulator.requests.length;
    const back = await owner.simulator.consent(address);
    const browser = owner.simulator.requests.length; // the login page is visited by the owner's own browser
    assert.ok(browser > before);
    await visitWhenListening(String(back));
    assertEnd(await running.ended, 0);
    assert.deepEqual(calls(owner.simulator.requests.slice(browser)), [TOKEN]);
  });
});

describe("one request too many is noticed", { skip: ONLY_AT_LENGTH }, () => {
  for (const job of JOBS) {
    const { plant } = job;
    if (!plant) continue;
    test(job.title, { timeout: 120_000 }, async () => {
      const owner = await newOwner({ ...job.owner, expectUnexpected: true });
      try {
        const planted = check(job, owner, plantedCopy(...plant));
        await assert.rejects(planted, { name: "AssertionError", operator: "deepStrictEqual" });
      } finally {
        await owner.close(true);
      }
    });
  }
});

ownerTest("each script costs what its header says", ALL, async (owner) => {
  const files = auditedFiles();
  await withSession(owner);
  for (const [name, ...words] of inRunningOrder(files)) {
    const header = files.get(`scripts/${name}.ts`) ?? "";
    const [, said = ""] = /^\/\/ {3}costs {5}(.*)$/m.exec(header) ?? [];
    const [, atMost, count, kind = "", dollars] =
      /^(at most )?(\d) (\w+)(?: requests?)? \(\$([\d.]+)\)/.exec(said) ?? [];
    if (said.startsWith("as Tesla bills")) continue;
    assert.ok(said.startsWith("nothing") || kind in PRICES, `${name}: the header names no cost`);
    assert.equal(
      Number(dollars ?? 0),
      Number(count ?? 0) * (PRICES[kind as BilledKind] ?? 0),
      `${name}: the price`,
    );
    if (["generate_key", "serve_public_key", "get_token"].includes(name)) continue; // no request, or above
    const { auth, partner, ...bill } = await billOf(owner, async () => {
      assert.notEqual((await owner.run(name, words)).code, 2);
    });
    if (!atMost || Object.keys(bill).length > 0)
      assert.deepEqual(bill, kind ? { [kind]: Number(count) } : {}, name);
  }
});
