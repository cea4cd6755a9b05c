// How many requests each job takes, counted at the simulated Tesla: the exact list of them, what Tesla bills,
// and that the script's header names the same price. Then each job once more with a script that has been
// changed to send one request too many: the same check must refuse it.
import assert from "node:assert/strict";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { PRICES, type Bill, type BilledKind } from "../simulator/reception.ts";
import {
  DOMAIN,
  FLEET,
  IN_A_HURRY,
  KEY_PATH,
  PROJECT,
  TELLS_WAITS,
  TOKEN,
  VIN,
  assertEnd,
  calls,
  newOwner,
  ownerTest,
  plantedCopy,
  startLogin,
  useRedirect,
  visitWhenListening,
} from "../support/harness.ts";
import type { Owner, OwnerOptions, Result } from "../support/harness.ts";
import { byLength, LONG, ONLY_AT_LENGTH } from "../support/length.ts";

const CAR = `${FLEET}/api/1/vehicles/${VIN}`;
const STATE = `GET ${CAR}/vehicle_data?endpoints=charge_state`;
const SIGNED = `POST ${CAR}/signed_command`;
const DOMAIN_KEY = `GET ${DOMAIN}${KEY_PATH}`;
const PARTNER = `${FLEET}/api/1/partner_accounts`;

interface Job {
  title: string;
  script: string;
  words?: string[];
  owner?: OwnerOptions;
  before?: (owner: Owner) => Promise<void> | void;
  exit?: number; // 0 unless told
  calls: string[]; // every request, in order
  bill: Partial<Bill>; // what Tesla counts; the partner token and the login are "auth"
  pauses?: number[]; // ms, before each of the last requests
  plant?: [string, string, string]; // file, text in it, text in its place: one request too many
}

async function withSession(owner: Owner): Promise<void> {
  assertEnd(await owner.run("set_charge_amps", ["8"]), 0);
}

// A request may come later than its pause ends, not earlier (timers may be a few milliseconds off).
function pausesBetween(requests: Result["requests"], pauses: number[]): void {
  const times = requests.slice(-pauses.length - 1).map(({ at }) => at);
  for (const [index, pause] of pauses.entries()) {
    const gap = (times[index + 1] ?? 0) - (times[index] ?? 0);
    assert.ok(gap > pause - 50, `a pause of ${gap} ms`);
  }
}

const ONE_MORE_READ: [string, string, string] = [
  "scripts/read_charge.ts",
  "const { response } = ",
  'await askFleetApi(TESLA_REGION, "vehicles", access_token);\nconst { response } = ',
];

const JOBS: Job[] = [
  { title: "a read", script: "read_charge", calls: [STATE], bill: { data: 1 }, plant: ONE_MORE_READ },
  {
    title: "a read of a car that sleeps",
    script: "read_charge",
    exit: 3,
    calls: [STATE],
    bill: { data: 1 },
    before: (owner) => {
      owner.simulator.car.awake = false;
    },
  },
  {
    title: "a read that Tesla refuses with 429",
    script: "read_charge",
    exit: 7,
    calls: [STATE],
    bill: { data: 1 },
    before: (owner) => owner.simulator.fail("rate_limited"),
  },
  {
    title: "a read that meets a 503",
    script: "read_charge",
    exit: 1,
    calls: [STATE],
    bill: {},
    before: (owner) => owner.simulator.fail("service_unavailable"),
  },
  {
    title: "a read with a wrong region (undici's fetch would send it again)",
    script: "read_charge",
    exit: 5,
    calls: [STATE],
    bill: { data: 1 },
    before: (owner) => owner.simulator.fail("out_of_region"),
  },
  {
    title: "a read whose answer is lost",
    script: "read_charge",
    exit: 1,
    calls: [STATE],
    bill: {},
    before: (owner) => owner.simulator.fail("hang_up_after"),
  },
  {
    title: "the list of cars",
    script: "list_vehicles",
    calls: [`GET ${FLEET}/api/1/vehicles`],
    bill: { data: 1 },
  },

  {
    title: "a command with a session",
    script: "set_charge_amps",
    words: ["10"],
    before: withSession,
    calls: [SIGNED],
    bill: { command: 1 },
    plant: ["lib/signing/session.ts", "return isWhole ? session : undefined;", "return undefined;"],
  },
  {
    title: "a command without a session",
    script: "set_charge_amps",
    words: ["10"],
    calls: [SIGNED, SIGNED],
    bill: { command: 2 },
    plant: [
      "lib/signing/signed_command.ts",
      "await shakeHands(link, stored);",
      "(await shakeHands(link, stored), await shakeHands(link, stored));",
    ],
  },
  {
    title: "a command with --verify",
    script: "set_charge_amps",
    words: ["10", "--verify"],
    before: withSession,
    calls: [SIGNED, STATE],
    bill: { command: 1, data: 1 },
    pauses: [3000],
  },
  {
    title: "a command to a car that has rebooted",
    script: "set_charge_amps",
    words: ["10"],
    calls: [SIGNED, SIGNED],
    bill: { command: 2 },
    before: async (owner) => {
      await withSession(owner);
      owner.simulator.car.reboot();
    },
  },
  {
    title: "a command to a car that shows another key: nothing is signed again",
    script: "set_charge_amps",
    words: ["10"],
    exit: 5,
    calls: [SIGNED],
    bill: { command: 1 },
    before: async (owner) => {
      await withSession(owner);
      owner.simulator.car.changeKey();
    },
  },
  {
    title: "a command to a car with a new computer, its session file deleted",
    script: "set_charge_amps",
    words: ["10"],
    calls: [SIGNED, SIGNED],
    bill: { command: 2 },
    before: async (owner) => {
      await withSession(owner);
      owner.simulator.car.changeKey();
      rmSync(owner.path("tesla_session.json"));
    },
  },
  {
    title: "a command that the token does not allow",
    script: "send_command",
    words: ["door_unlock"],
    exit: 5,
    calls: [],
    bill: {},
    plant: ["lib/command.ts", "if (scopes && !scopes", "if (false && !scopes"],
  },
  {
    title: "a command that the car refuses as out of date again and again",
    script: "set_charge_amps",
    words: ["10"],
    exit: 6,
    calls: [SIGNED, SIGNED],
    bill: { command: 2 },
    before: async (owner) => {
      await withSession(owner);
      owner.simulator.car.injectFault("incorrect_epoch", 9);
      owner.simulator.car.reboot(); // so that what it proves is news
    },
    plant: [
      "lib/signing/signed_command.ts",
      "made = await attempt(link, renewed, command);",
      "for (const n of [1, 2]) made = await attempt(link, renewed, command);",
    ],
  },
  {
    title: "a command whose answer is lost",
    script: "set_charge_amps",
    words: ["10"],
    exit: 8,
    calls: [SIGNED],
    bill: {},
    before: async (owner) => {
      await withSession(owner);
      owner.simulator.fail("hang_up_after");
    },
  },
  {
    title: "a command that meets a 500",
    script: "set_charge_amps",
    words: ["10"],
    exit: 8,
    calls: [SIGNED],
    bill: {},
    before: async (owner) => {
      await withSession(owner);
      owner.simulator.fail("server_error");
    },
  },
  {
    title: "a command that is only shown",
    script: "set_charge_amps",
    words: ["10", "--dry-run"],
    calls: [],
    bill: {},
  },
  {
    title: "a command without signature, for an old car",
    script: "set_charge_amps",
    words: ["10"],
    owner: { settings: { TESLA_COMMANDS: "rest" } },
    calls: [`POST ${CAR}/command/set_charging_amps`],
    bill: { command: 1 },
    before: (owner) => {
      owner.simulator.car.protocolRequired = false;
    },
  },
  {
    title: "any command, with a session",
    script: "send_command",
    words: ["charge_stop"],
    before: withSession,
    calls: [SIGNED],
    bill: { command: 1 },
    owner: { scopes: "openid offline_access vehicle_cmds vehicle_charging_cmds" },
  },
  {
    title: "any call",
    script: "call_api",
    words: ["GET", `/api/1/vehicles/${VIN}`],
    calls: [`GET ${CAR}`],
    bill: { data: 1 },
  },

  {
    title: "a refresh",
    script: "refresh_token",
    calls: [TOKEN],
    bill: { auth: 1 },
    plant: [
      "scripts/refresh_token.ts",
      "  const until = ",
      "  await askTokenHost(TESLA_REGION, "
        + '{ grant_type: "refresh_token", client_id: TESLA_CLIENT_ID,'
        + " refresh_token: readToken().refresh_token });\n  const until = ",
    ],
  },
  {
    title: "a refresh that is not due",
    script: "refresh_token",
    words: ["--if-expiring-within", "1h"],
    calls: [],
    bill: {},
  },
  {
    title: "a refresh that Tesla refuses",
    script: "refresh_token",
    exit: 4,
    calls: [TOKEN],
    bill: { auth: 1 },
    before: (owner) => owner.simulator.revokeConsent(),
  },

  {
    title: "a registration: 3 to Tesla, after one look at your own domain",
    script: "register_partner",
    owner: { registered: false },
    calls: [DOMAIN_KEY, TOKEN, `POST ${PARTNER}`, `GET ${PARTNER}/public_key?domain=car.example.com`],
    bill: { auth: 1, partner: 2 },
    before: (owner) => {
      owner.simulator.partner.hosting = { kind: "file", body: owner.publicKey };
    },
    plant: [
      "scripts/register_partner.ts",
      "const registered = ",
      "await registeredPoint(settings, bearer);\nconst registered = ",
    ],
  },

  {
    title: "a wake-up: once, and one poll in 5 seconds at most",
    script: "wake_up",
    calls: [`POST ${CAR}/wake_up`, `GET ${CAR}`, `GET ${CAR}`],
    bill: { wake: 1, data: 2 },
    pauses: [5000, 5000],
    before: (owner) => {
      owner.simulator.car.awake = false;
    },
    plant: ["scripts/wake_up.ts", "sleep(5000)", "sleep(4000)"],
  },
  {
    title: "a wake-up of a car that is awake",
    script: "wake_up",
    calls: [`POST ${CAR}/wake_up`],
    bill: { wake: 1 },
    plant: [
      "scripts/wake_up.ts",
      "// Step 3",
      "answer = await askFleetApi(TESLA_REGION, `vehicles/${TESLA_VIN}`, access_token);\n// Step 3",
    ],
  },
  {
    title: "the check of the set-up",
    script: "check_setup",
    calls: [
      DOMAIN_KEY,
      TOKEN,
      `GET ${PARTNER}/public_key?domain=car.example.com`,
      `GET ${FLEET}/api/1/vehicles`,
      `POST ${FLEET}/api/1/vehicles/fleet_status`,
    ],
    bill: { auth: 1, partner: 1, data: 2 },
  },
  {
    title: "the check of the set-up, free of charge",
    script: "check_setup",
    words: ["--free"],
    calls: [DOMAIN_KEY, TOKEN, `GET ${PARTNER}/public_key?domain=car.example.com`],
    bill: { auth: 1, partner: 1 },
  },
  { title: "a key pair", script: "generate_key", owner: { keys: false }, calls: [], bill: {} },
];
const ELSEWHERE = ["get_token", "serve_public_key"]; // get_token is below; serve_public_key only listens

async function check(job: Job, owner: Owner, script = job.script): Promise<void> {
  await job.before?.(owner);
  const before = owner.simulator.bill();
  const { pauses = [] } = job;
  const speed = { node: byLength(IN_A_HURRY, TELLS_WAITS) }; // at length: the real time
  const result = await owner.run(script, job.words, pauses.length > 0 ? speed : {});
  const now = owner.simulator.bill();
  owner.simulator.clear();
  assertEnd(result, job.exit ?? 0);
  assert.deepEqual(calls(result.requests), job.calls);
  for (const kind of Object.keys(PRICES) as BilledKind[]) {
    assert.equal(now[kind] - before[kind], job.bill[kind] ?? 0, `billed as ${kind}`);
  }
  const told = [...result.stderr.matchAll(/^waits (\d+)$/gm)].map(([, ms]) => Number(ms));
  assert.deepEqual(told, pauses);
  if (LONG) pausesBetween(result.requests, pauses);
}

describe("requests per job", { concurrency: 3 }, () => {
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

  test("every script has a job here", () => {
    const counted = new Set([...JOBS.map(({ script }) => script), ...ELSEWHERE]);
    for (const file of readdirSync(join(PROJECT, "scripts")))
      assert.ok(counted.has(file.replace(".ts", "")), file);
  });
});

describe("one request too many is noticed", { concurrency: 3, skip: ONLY_AT_LENGTH }, () => {
  for (const job of JOBS) {
    const { plant } = job;
    if (!plant) continue;
    test(job.title, { timeout: 120_000 }, async () => {
      const owner = await newOwner({ ...job.owner, expectUnexpected: true });
      try {
        const isNoticed = (error: Error): boolean =>
          error.name === "AssertionError" && /deepEqual|deep-equal|deeply|billed as/.test(error.message);
        await assert.rejects(
          check(job, owner, join(plantedCopy(...plant), "scripts", `${job.script}.ts`)),
          isNoticed,
        );
      } finally {
        await owner.close(true);
      }
    });
  }
});

describe("the price in the header of a script", () => {
  const usual: [string, Partial<Bill>][] = [
    ["read_charge", { data: 1 }],
    ["list_vehicles", { data: 1 }],
    ["check_setup", { data: 2 }],
    ["set_charge_amps", { command: 1 }],
    ["send_command", { command: 1 }],
    ["wake_up", { wake: 1 }],
    ["refresh_token", {}],
    ["register_partner", {}],
    ["get_token", {}],
    ["generate_key", {}],
    ["serve_public_key", {}],
  ];
  for (const [script, bill] of usual) {
    test(`${script} says what was counted`, () => {
      const text = readFileSync(join(PROJECT, "scripts", `${script}.ts`), "utf8");
      const said = /^\/\/ {3}costs {5}(nothing|(\d) (\w+)(?: requests?)? \(\$([\d.]+)\))/m.exec(text);
      assert.ok(said, "the header names no cost");
      const [kind, count] = Object.entries(bill)[0] ?? ["", 0];
      assert.equal(said[3] ?? "", kind);
      assert.equal(Number(said[2] ?? 0), count);
      assert.equal(Number(said[4] ?? 0), count * (PRICES[kind as BilledKind] ?? 0));
    });
  }
});
