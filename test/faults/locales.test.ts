// Times and numbers are printed the same whatever language, calendar and digits the system is set to: a log can
// be read and searched anywhere.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { assertEnd } from "../support/ends.ts";
import { ownerTest } from "../support/owner.ts";

// Thai calendar, Arabic and Persian digits, Persian calendar, decimal commas.
const LOCALES = ["th_TH.UTF-8", "ar_EG.UTF-8", "fa_IR.UTF-8", "de_DE.UTF-8"];

ownerTest("times and numbers are the same in every locale", async (owner) => {
  const day = 86_400;
  const token = owner.newToken();
  const [head, claims = "", tag] = token.access_token.split(".");
  const later = {
    ...JSON.parse(String(Buffer.from(claims, "base64url"))),
    exp: Date.now() / 1000 + 90 * day,
  };
  const access_token = [head, Buffer.from(JSON.stringify(later)).toString("base64url"), tag].join(".");
  owner.logIn({ access_token, expires_in: 90 * day }); // another day: the date is printed too
  owner.answer("/vehicle_data", 200, {
    response: { charge_state: { battery_level: 61.5, battery_range: 1234.5 } },
  });
  const told = async (LC_ALL: string): Promise<string[]> => {
    const env = { LC_ALL, LANG: LC_ALL };
    const valid = await owner.run("refresh_token", ["--if-expiring-within", "1m"], { env });
    assertEnd(valid, 0, /^valid until \d{4}-\d\d-\d\d \d\d:\d\d; nothing to do$/m);
    const charge = await owner.run("read_charge", [], { env });
    assertEnd(charge, 0);
    return [valid.stderr, charge.stdout];
  };
  const usual = await told("C");
  for (const locale of LOCALES) {
    const env = { ...process.env, LC_ALL: locale };
    const words = "(61.5).toLocaleString() + new Date(0).toLocaleString()";
    const native = spawnSync(process.execPath, ["-p", words], { env, encoding: "utf8" }).stdout;
    assert.doesNotMatch(native, /^61\.51\/1\/1970/, `this Node does not know ${locale}`);
    assert.deepEqual(await told(locale), usual, locale);
  }
});
