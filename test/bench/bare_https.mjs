// The floor for `npm run bench`: the request of read_charge with Node's own https and nothing else.
import { request } from "node:https";
import { readFileSync } from "node:fs";

const { BENCH_HOST, BENCH_PATH, BENCH_BEARER, TESLA_SIMULATOR, TESLA_SIMULATOR_CA } = process.env;
const [host, port] = TESLA_SIMULATOR.split(":");
const headers = {
  host: BENCH_HOST,
  authorization: `Bearer ${BENCH_BEARER}`,
  "content-type": "application/json",
};
request(
  { host, port, servername: BENCH_HOST, path: BENCH_PATH, headers, ca: readFileSync(TESLA_SIMULATOR_CA) },
  (answer) => {
    let text = "";
    answer.setEncoding("utf8").on("data", (part) => {
      text += part;
    });
    answer.on("end", () => {
      process.stdout.write(`${JSON.parse(text).response.charge_state.battery_level}\n`);
      process.exit(0); // as soon as it is done, without waiting for the connection to be given up
    });
  },
).end();
