// What the screens look like: docs/screens.md shows them, and this compares each with what comes. To write the
// page anew: SCREENS=write node --import tsx --test test/owner/screens.test.ts
//
// Standard output and standard error go to one file, in the order in which they were written. Times, random
// numbers and ports differ from run to run: they are replaced by the same ones.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { closeSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { plainFile } from "../support/compiled.ts";
import { visitWhenListening } from "../support/browser.ts";
import { newOwner, PROJECT, type Owner, type OwnerOptions } from "../support/owner.ts";
import { faster } from "../support/passing_time.ts";

const PAGE = new URL("../../docs/screens.md", import.meta.url);
const isWriting = process.env.SCREENS === "write";

interface Screen {
  title: string;
  words: string[]; // the script and its arguments
  exit: number;
  owner?: OwnerOptions;
  prepare?: (owner: Owner) => unknown;
}

const SCREENS: Screen[] = [
  { title: "Charging", words: ["read_charge"], exit: 0 },
  {
    title: "Not plugged in",
    words: ["read_charge"],
    exit: 0,
    prepare: ({ simulator }) => simulator.car.unplug(),
  },
  {
    title: "What Tesla had kept of a sleeping car",
    words: ["read_charge"],
    exit: 0,
    prepare: ({ simulator }) => simulator.fail("cached_data"),
  },
  {
    title: "Asleep",
    words: ["read_charge"],
    exit: 3,
    prepare: ({ simulator }) => {
      simulator.car.awake = false;
    },
  },
  { title: "The first command", words: ["set_charge_amps", "10"], exit: 0 },
  { title: "More than the car takes", words: ["set_charge_amps", "32", "--verify"], exit: 6 },
  {
    title: "A lost answer",
    words: ["set_charge_amps", "10"],
    exit: 8,
    owner: { settings: { TESLA_COMMANDS: "rest" } },
    prepare: ({ simulator }) => simulator.fail("hang_up_after"),
  },
  { title: "The key is not on the car", words: ["set_charge_amps", "10"], exit: 5, owner: { paired: false } },
  {
    title: "A wrong setting",
    words: ["read_charge"],
    exit: 5,
    owner: { settings: { TESLA_REGION: "europe" } },
  },
  { title: "Wrong usage", words: ["set_charge_amps"], exit: 2 },
  {
    title: "The whole setup, with a mistake",
    words: ["check_setup"],
    exit: 5,
    prepare: (owner) => owner.setSettings({ TESLA_CLIENT_SECRET: "that-of-another-app" }),
  },
  { title: "Refreshing", words: ["refresh_token"], exit: 0 },
  { title: "Logging in", words: ["get_token"], exit: 0, owner: { loggedIn: false } },
];

// Everything that a run alone decides, by the same words each time.
function masked(text: string): string {
  return text
    .replace(/^simulated Tesla.*\n/gm, "")
    .replace(/^waits .*\n/gm, "")
    .replace(/authorize\?\S+/g, "authorize?response_type=code&…")
    .replace(/\b(\d{4}-\d\d-\d\d )?\d\d:\d\d\b/g, "07:20")
    .replace(/(as of {6})07:20/g, "$12026-11-25 18:02")
    .replace(/txid [0-9a-f]+/g, "txid …")
    .replace(/(localhost|127\.0\.0\.1):\d+/g, "$1:3000");
}

async function run(owner: Owner, [script = "", ...words]: string[]): Promise<{ exit: number; text: string }> {
  const file = owner.path("screen.txt");
  const handle = openSync(file, "a");
  const inherited = Object.entries(process.env).filter(([name]) => !/^(TESLA_|NODE_)/.test(name));
  const parameters = [
    ...faster({ pauses: 100 }),
    plainFile(join(PROJECT, "scripts", `${script}.ts`)),
    ...words,
  ];
  const child = spawn(process.execPath, parameters, {
    cwd: owner.folder,
    stdio: ["ignore", handle, handle],
    env: { ...Object.fromEntries(inherited), ...owner.simulator.env },
  });
  const ended = new Promise<number>((resolve) => child.on("close", (code) => resolve(code ?? -1)));
  if (script === "get_token") await consent(owner, file);
  const exit = await ended;
  closeSync(handle);
  return { exit, text: masked(readFileSync(file, "utf8")) };
}

// Plays the owner's browser as soon as the login address is on the screen.
async function consent(owner: Owner, file: string): Promise<void> {
  let address: string | undefined;
  while (address === undefined) {
    address = /^https:\/\/auth\.tesla\.\S+(?=\n[^]*cancels)/m.exec(readFileSync(file, "utf8"))?.[0];
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await visitWhenListening(await owner.simulator.consent(address));
}

const blocks = new Map<string, string>();

describe("the screens of docs/screens.md", { concurrency: 2 }, () => {
  for (const { title, words, exit, owner: options, prepare } of SCREENS) {
    test(title, { timeout: 60_000 }, async () => {
      const owner = await newOwner(options);
      try {
        await prepare?.(owner);
        const result = await run(owner, words);
        assert.equal(result.exit, exit, result.text);
        const block =
          `## ${title}\n\n\`\`\`\n$ npx tsx scripts/${words[0]}.ts ${words.slice(1).join(" ")}`.trimEnd()
          + `\n${result.text}\`\`\`\n`;
        blocks.set(title, block);
        if (!isWriting)
          assert.ok(readFileSync(PAGE, "utf8").includes(block), `docs/screens.md shows another:\n${block}`);
      } finally {
        await owner.close(true);
      }
    });
  }
});

test("are all that the page shows", () => {
  const titles = SCREENS.map(({ title }) => title);
  if (isWriting) {
    const [head = ""] = readFileSync(PAGE, "utf8").split("\n## ");
    writeFileSync(PAGE, `${head.trimEnd()}\n\n${titles.map((title) => blocks.get(title)).join("\n")}`);
  }
  const shown = [...readFileSync(PAGE, "utf8").matchAll(/^## (.*)$/gm)].map(([, title]) => title);
  assert.deepEqual(shown, titles);
});
