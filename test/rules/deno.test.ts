// Every script under Deno 2, unchanged and without a preload, held by Deno to exactly the hosts, files and
// settings of its header (test/rules/sandbox_lines.ts); and each kind of them left out, which Deno must
// refuse.
//
// Deno checks the address that is really connected to. So that its --allow-net can be the owner's own, word
// for word, the scripts run in a network and mount namespace of their own (Linux, unshare): there Tesla's
// names stand in /etc/hosts and lead to the simulator on port 443 of loopback. Where there is no Deno
// (.ci/run installs it) or no such namespace, it fails in CI, and says so by hand.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { FLEET_API, LOGIN_HOST, TOKEN_HOST } from "../../lib/hosts.ts";
import { LOADER } from "../simulator/server.ts";
import { DOMAIN } from "../simulator/tesla/tesla.ts";
import { LONG, ONLY_AT_LENGTH } from "../support/length.ts";
import { auditedFiles, scriptNames } from "./script_list.ts";

const PROJECT = fileURLToPath(new URL("../..", import.meta.url));
const DENO = join(PROJECT, "node_modules/.cache/runtimes/node_modules/.bin/deno");

// As root; otherwise as root of a user namespace, where the system allows it.
function unshare(): string[] | undefined {
  const ways = [
    ["unshare", "-mn"],
    ["unshare", "-rmn"],
  ];
  return ways.find(
    ([command = "", ...words]) =>
      spawnSync(command, [...words, "sh", "-c", "ip link set lo up && mount --bind /etc/hosts /etc/hosts"])
        .status === 0,
  );
}

interface Case {
  title: string;
  isRight: boolean;
  code: number;
  said: string;
  sent: number;
}

function cases(way: string[]): Case[] {
  const folder = mkdtempSync(join(tmpdir(), "tesla-namespace-"));
  const origins = [...Object.values(FLEET_API), ...Object.values(TOKEN_HOST), ...Object.values(LOGIN_HOST)];
  const names = [...new Set(origins.map((origin) => new URL(origin).host)), DOMAIN, "localhost"];
  writeFileSync(join(folder, "hosts"), `127.0.0.1 ${names.join(" ")}\n`);
  const [command = "", ...words] = way;
  const enter = 'ip link set lo up && mount --bind "$0" /etc/hosts && exec "$@"';
  const inside = [
    process.execPath,
    ...LOADER,
    join(PROJECT, "test/rules/inside_deno.ts"),
    DENO,
    join(folder, "cache"),
  ];
  const { stdout, stderr, status } = spawnSync(
    command,
    [...words, "sh", "-c", enter, join(folder, "hosts"), ...inside],
    { encoding: "utf8", timeout: 300_000 },
  );
  rmSync(folder, { recursive: true, force: true });
  assert.equal(status, 0, stdout + stderr);
  return stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Case);
}

const NO_NAMESPACES = process.platform !== "linux" && "a network of its own needs Linux";

describe("Deno", { skip: ONLY_AT_LENGTH || NO_NAMESPACES }, () => {
  const way = LONG && existsSync(DENO) ? unshare() : undefined;
  test("Deno and a namespace are there", (context) => {
    if (way) return;
    const lacks = existsSync(DENO)
      ? "no namespace can be made (unshare)"
      : "no Deno in node_modules/.cache/runtimes: see .ci/run";
    assert.ok(!process.env.CI, lacks);
    context.diagnostic(`${lacks}: the Deno sandbox was NOT tried`);
  });
  if (!way) return;
  const found = cases(way);
  const scripts = new Set(
    found.map(({ title }) => /^works: (\w+)/.exec(title)?.[1]).filter((name) => name !== undefined),
  );
  for (const { title, isRight, code, said, sent } of found) {
    test(title, () => assert.ok(isRight, `exit ${code}, ${sent} requests:\n${said}`));
  }
  test("every script was tried", () => {
    assert.deepEqual([...scripts].sort(), scriptNames(auditedFiles()).sort());
    console.log(`# ${scripts.size} scripts, ${found.length} cases`);
  });
});
