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
import {
  CAR,
  TOKEN_URL,
  codeForm,
  login,
  newCode,
  publicKey,
  refresh,
  send,
  start,
} from "./simulator_client.ts";

let folder = "";
before(() => {
  folder = mkdtempSync(join(tmpdir(), "kept-simulator-"));
});
after(() => rmSync(folder, { recursive: true, force: true }));

test("login, tokens, registration, car, ports and addresses are the same after a restart", async (t) => {
  const keep = join(folder, "a"); // made by the simulator
  const first = await start({ keep });
  t.after(() => first.close());
  const tokens = (await login(first)).body;
  first.car.pair(publicKey, "driver");
  first.car.execute("set_charging_amps", { charging_amps: 9 });
  first.car.execute("add_charge_schedule", { id: 7, lat: 1, lon: 2 });
  const client = Buffer.alloc(65, 4);
  const info = first.car.infotainment.sessionInfo(client);
  const session = Object.assign(first.car.infotainment.session(client), {
    counter: 41,
    window: 2n ** 63n + 1n,
  });
  first.clock.offsetMs = 5000;
  first.fail("server_error");
  const unused = await newCode(first);
  await assert.rejects(startSimulator({ keep }), /port \d+ of 127\.0\.0\.1 is in use/, "while it is up");
  const killed = readFileSync(join(keep, "world.json"), "utf8");
  await first.close();
  assert.equal(existsSync(join(keep, "ca.pem")), false, "so that a script says that the simulator has ended");
  if (process.platform !== "win32")
    assert.equal(statSync(join(keep, "world.json")).mode & 0o777, 0o600, "mode");
  writeFileSync(join(keep, "world.json"), killed); // as if it had been killed, and not closed

  const second = await startSimulator({ keep });
  t.after(() => second.close()); // also when something below is wrong
  assert.deepEqual(
    [second.isResumed, second.env, second.loginUrl],
    [true, first.env, first.loginUrl],
    "addresses",
  );
  // The process was pointed at the first one; only the certificate is read anew, as a new script does.
  await import(`../simulator/preload.mjs?again=${second.port}`);
  const data = (await send("GET", `${CAR}/vehicle_data`, { token: tokens.access_token })).body;
  assert.equal(data.response.charge_state.charge_amps, 9, "the access token, and the car's amps");
  assert.equal((await refresh(tokens.refresh_token)).status, 200, "the refresh token");
  assert.equal((await send("POST", TOKEN_URL, { form: codeForm(unused) })).status, 200, "a login code");
  const { car, partner, clock, failures } = second;
  assert.equal(partner.registrations.eu?.domain, "car.example.com", "the registration");
  assert.deepEqual([...car.pairedKeys.values()], [{ role: "driver" }], "the paired key");
  assert.deepEqual([...car.chargeSchedules.keys()], ["7"], "the schedule");
  assert.deepEqual(car.infotainment.session(client), session, "counters");
  const { publicKey: key, epoch } = car.infotainment.sessionInfo(client);
  assert.deepEqual([key, epoch], [info.publicKey, info.epoch], "the car's key and epoch");
  assert.deepEqual([clock.offsetMs, failures.active], [5000, []], "the clock, and no failure");
  second.fail("reason:user_present", 1);
  assert.equal(car.execute("honk_horn").reason, "user_present", "the restored car is fully connected");
  await second.close();

  for (const text of ["{", "{}"]) {
    writeFileSync(join(keep, "world.json"), text);
    await assert.rejects(startSimulator({ keep }), /holds no simulator that can go on/, text);
  }
});

test("npm run simulator with --keep: what is typed is kept, and the exports are the same", async () => {
  const file = fileURLToPath(new URL("../simulator/start.ts", import.meta.url));
  const run = async (typed: string[]) => {
    const child = spawn(process.execPath, [...LOADER, file, "--keep", join(folder, "b")]);
    let said = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (part) => (said += String(part)));
    child.stdin.end([...typed, "help", "state", "quit", ""].join("\n"));
    assert.equal(await new Promise((resolve) => child.on("close", resolve)), 0, said);
    return said;
  };
  const pem = join(folder, "public.pem");
  writeFileSync(pem, publicKey);
  const first = await run([`pair ${pem}`, "unplug"]);
  const second = await run([]);
  const exports = (said: string) => said.split("\n").filter((line) => line.startsWith("export "));
  assert.equal(exports(first).length, 4, "what a shell needs");
  assert.deepEqual(exports(second), exports(first), "the same again");
  assert.match(second, /keys: 1\n {2}Disconnected/, "the key and the cable");
  assert.match(second, /pair \[HEX or FILE\]/, "help");
});
