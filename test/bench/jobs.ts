// What each job costs at Tesla: every script once against the simulated Tesla, its requests counted there.
import assert from "node:assert/strict";
import { PRICES, type Bill, type BilledKind } from "../simulator/reception.ts";
import { assertEnd } from "../support/ends.ts";
import { newOwner } from "../support/owner.ts";
import { IN_A_HURRY } from "../support/passing_time.ts";

export interface Cost {
  job: string;
  requests: number;
  dollars: number;
}

// [job, script and words, requests, what is billed]. In this order: the car sleeps only for the last one.
const JOBS: [string, string, number, Partial<Bill>][] = [
  ["registration (once a region)", "register_partner", 4, {}],
  ["refresh of the token", "refresh_token", 1, {}],
  ["list of your cars", "list_vehicles", 1, { data: 1 }],
  ["reading the charge", "read_charge", 1, { data: 1 }],
  ["charging amps, the first time", "set_charge_amps 10", 2, { command: 2 }],
  ["charging amps", "set_charge_amps 12", 1, { command: 1 }],
  ["charging amps, read back", "set_charge_amps 14 --verify", 2, { command: 1, data: 1 }],
  ["charging amps after the car has rebooted", "set_charge_amps 16", 2, { command: 2 }],
  ["wake-up of a car that takes 10 seconds", "wake_up", 3, { wake: 1, data: 2 }],
];

/** Throws an AssertionError when one of them makes other requests than it must. */
export async function costsOfJobs(): Promise<Cost[]> {
  const owner = await newOwner();
  const costs: Cost[] = [];
  let failed = true;
  try {
    for (const [job, line, requests, bill] of JOBS) {
      const [script = "", ...words] = line.split(" ");
      if (job.includes("rebooted")) owner.simulator.car.reboot();
      if (script === "wake_up") owner.simulator.car.awake = false;
      const before = owner.simulator.bill();
      const result = await owner.run(script, words, { node: IN_A_HURRY });
      const after = owner.simulator.bill();
      assertEnd(result, 0);
      assert.equal(result.requests.length, requests, `requests of ${job}`);
      let dollars = 0;
      for (const kind of ["data", "command", "wake"] as BilledKind[]) {
        assert.equal(after[kind] - before[kind], bill[kind] ?? 0, `${kind} requests of ${job}`);
        dollars += (after[kind] - before[kind]) * PRICES[kind];
      }
      costs.push({ job, requests, dollars });
    }
    failed = false;
    return costs;
  } finally {
    await owner.close(failed);
  }
}
