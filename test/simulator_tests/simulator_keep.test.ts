// `npm run simulator -- --keep FOLDER`: stopped and started again, the simulated Tesla goes on as it was, on
// the same ports, and a shell that was pointed at it needs nothing anew.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { LOADER } from "../simulator/server.ts";
import { startSimulator } from "../simulator/simulator.ts";
import { CLIENT_ID } from "../simulator/tesla/tesla.ts";
import { CAR, TOKEN_URL, codeForm, login, newCode, publicKey, send, start } from "./simulator_client.ts";

let folder = "";
before(() => {
  folder = mkdtempSync(join(tmpdir(), "kept-simulator-"));
});
after(() => rmSync(folder, { recursive: true, force: true }));

test("login, tokens, registration, car, ports and addresses are the same after a restart", async () => {
  const keep = join(folder, "a"); // made by the simulator
  const first = await start({ keep });
  assert.equal(first.isResumed, false);
  const tokens = (await login(first)).body;
  first.car.pair(publicKey, "driver");
  first.car.execute("set_charging_amps", { charging_amps: 9 });
  first.car.execute("add_charge_schedule", { id: 7, lat: 1, lon: 2 });
  const info = first.car.infotainment.sessionInfo(Buffer.alloc(65, 4));
  first.car.infotainment.session(Buffer.alloc(65, 4)).counter = 41;
  first.car.infotainment.session(Buffer.alloc(65, 4)).window = 2n ** 63n + 1n;
  first.clock.offsetMs = 5000;
  first.fail("server_error");
  const unused = await newCode(first);
  await first.close();
  assert.equal(existsSync(join(keep, "ca.pem")), false, "so that a script says that the simulator has ended");
  if (process.platform !== "win32") assert.equal(statSync(join(keep, "world.json")).mode & 0o777, 0o600);

  const second = await startSimulator({ keep });
  assert.equal(second.isResumed, true);
  assert.deepEqual(second.env, first.env);
  assert.deepEqual([second.port, second.loginUrl], [first.port, first.loginUrl]);
  // The process was pointed at the first one; only the certificate is read anew, as a new script does.
  await import(`../simulator/preload.mjs?again=${second.port}`);
  const data = await send("GET", `${CAR}/vehicle_data`, { token: tokens.access_token });
  assert.equal(data.status, 200);
  assert.equal(data.body.response.charge_state.charge_amps, 9);
  const form = { grant_type: "refresh_token", client_id: CLIENT_ID, refresh_token: tokens.refresh_token };
  assert.equal((await send("POST", TOKEN_URL, { form })).status, 200);
  assert.equal((await send("POST", TOKEN_URL, { form: codeForm(unused) })).status, 200);
  const { car, partner, clock, failures } = second;
  assert.equal(partner.registrations.eu?.domain, "car.example.com");
  assert.deepEqual([...car.pairedKeys.values()], [{ role: "driver" }]);
  assert.deepEqual([...car.chargeSchedules.keys()], ["7"]);
  const session = car.infotainment.session(Buffer.alloc(65, 4));
  assert.deepEqual(session, { counter: 41, window: 2n ** 63n + 1n });
  const { publicKey: key, epoch } = car.infotainment.sessionInfo(Buffer.alloc(65, 4));
  assert.deepEqual([key, epoch], [info.publicKey, info.epoch]);
  assert.deepEqual([clock.offsetMs, failures.active], [5000, []]);
  second.fail("reason:user_present", 1);
  assert.equal(car.execute("honk_horn").reason, "user_present", "the restored car is fully connected");
  await second.close();
});

test("a simulator that was killed goes on too; one that is still up is not disturbed", async () => {
  const keep = join(folder, "b");
  const first = await start({ keep });
  const token = (await login(first)).body.access_token;
  // Nothing was closed: what the folder holds now is what a kill leaves.
  const left = readFileSync(join(keep, "world.json"), "utf8");
  await assert.rejects(startSimulator({ keep }), /port \d+ of 127\.0\.0\.1 is in use/);
  assert.equal((await send("GET", CAR, { token })).status, 200);
  await first.close();
  writeFileSync(join(keep, "world.json"), left);
  const second = await start({ keep });
  assert.equal((await send("GET", CAR, { token })).status, 200);
  await second.close();
});

test("a folder that holds something else is refused", async () => {
  const keep = join(folder, "c");
  const first = await startSimulator({ keep });
  await first.close();
  writeFileSync(join(keep, "world.json"), "{");
  await assert.rejects(startSimulator({ keep }), /holds no simulator that can go on/);
  writeFileSync(join(keep, "world.json"), "{}");
  await assert.rejects(startSimulator({ keep }), /holds no simulator that can go on/);
});

test("npm run simulator with --keep: what is typed is kept, and the exports are the same", async () => {
  const keep = join(folder, "e");
  const file = fileURLToPath(new URL("../simulator/start.ts", import.meta.url));
  const run = async (typed: string[]) => {
    const child = spawn(process.execPath, [...LOADER, file, "--keep", keep]);
    let said = "";
    child.stdout.on("data", (part: Buffer) => (said += String(part)));
    child.stderr.on("data", (part: Buffer) => (said += String(part)));
    child.stdin.end([...typed, "state", "quit", ""].join("\n"));
    const code = await new Promise((resolve) => child.on("close", resolve));
    assert.equal(code, 0, said);
    return said;
  };
  const pem = join(folder, "public.pem");
  writeFileSync(pem, publicKey);
  const first = await run([`pair ${pem}`, "unplug"]);
  const second = await run([]);
  const lines = (said: string) => said.split("\n").filter((line) => line.startsWith("export "));
  assert.deepEqual(lines(second), lines(first));
  assert.equal(lines(first).length, 4);
  assert.match(second, /goes on as it was kept/);
  assert.match(second, /keys: 1\n {2}Disconnected/);
  assert.doesNotMatch(first, /goes on as it was kept/);
});
