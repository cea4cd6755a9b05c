// Runs every script, unchanged and without any preload, under Deno with exactly the command line of its
// header, in a namespace of its own in which Tesla's names lead to the simulator on port 443 of loopback.
// test/rules/deno.test.ts starts it there (unshare) and reads its lines: one JSON object for each case.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { startSimulator } from "../simulator/simulator.ts";
import { CLIENT_ID, CLIENT_SECRET, DOMAIN, VIN } from "../simulator/tesla/tesla.ts";
import { auditedFiles, inRunningOrder } from "./script_list.ts";
import { denoArguments, sandboxOf, type Sandbox } from "./sandbox_lines.ts";

const [deno = "", cache = ""] = process.argv.slice(2);
const PROJECT = fileURLToPath(new URL("../..", import.meta.url));
const files = auditedFiles();
const simulator = await startSimulator({ port: 443 });
const folder = mkdtempSync(join(tmpdir(), "tesla-deno-"));
const settings = {
  TESLA_CLIENT_ID: CLIENT_ID,
  TESLA_CLIENT_SECRET: CLIENT_SECRET,
  TESLA_REGION: "eu",
  TESLA_DOMAIN: DOMAIN,
  TESLA_VIN: VIN,
};
simulator.account.redirectUris.push("http://localhost:3000/callback");
writeFileSync(
  join(folder, ".env"),
  Object.entries(settings)
    .map(([name, value]) => `${name}=${value}\n`)
    .join(""),
  { mode: 0o600 },
);

interface Ended {
  code: number;
  said: string;
  sent: number;
}

function run(script: string, words: string[], change: (sandbox: Sandbox) => void = () => {}): Promise<Ended> {
  const sandbox = sandboxOf(`scripts/${script}.ts`, files);
  change(sandbox);
  const before = simulator.requests.length;
  const parameters = [
    "run",
    "--quiet",
    `--cert=${simulator.caFile}`,
    ...denoArguments(sandbox, { TESLA_DOMAIN: DOMAIN }),
    join(PROJECT, "scripts", `${script}.ts`),
    ...words,
  ];
  const child = spawn(deno, parameters, {
    cwd: folder,
    env: { PATH: process.env.PATH, HOME: folder, DENO_DIR: cache, NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  let visited = false;
  const timer = setTimeout(() => child.kill("SIGKILL"), 30_000);
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (part: Buffer) => {
      said += part.toString();
      const [address] = /https:\/\/auth\S+(?=\n)/.exec(said) ?? [];
      if (address && said.includes("cancels") && !visited) {
        visited = true; // the owner's browser
        setTimeout(
          () =>
            void simulator
              .consent(address)
              .then((back) => fetch(back))
              .catch((error: unknown) => {
                said += String(error);
              }),
          1000,
        );
      }
      if (said.includes("Ctrl-C ends") && !visited) {
        visited = true; // serve_public_key: look at it, then end it
        setTimeout(
          () =>
            void fetch("http://127.0.0.1:8080/.well-known/appspecific/com.tesla.3p.public-key.pem")
              .then(async (page) => {
                said += await page.text();
              })
              .catch((error: unknown) => {
                said += String(error);
              })
              .finally(() => child.kill("SIGTERM")),
          300,
        );
      }
    });
  }
  return new Promise((resolve) =>
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      resolve({
        code: signal === "SIGTERM" ? 0 : (code ?? -1),
        said,
        sent: simulator.requests.length - before,
      });
    }),
  );
}

function tell(title: string, isRight: boolean, { code, said, sent }: Ended): void {
  console.log(JSON.stringify({ title, isRight, code, said, sent }));
}

// Every script with exactly what its header gives it.
for (const [script, ...words] of inRunningOrder(files)) {
  const ended = await run(script, words);
  tell(`works: ${[script, ...words].join(" ")}`, ended.code === 0, ended);
  if (script === "serve_public_key")
    tell("serves the key", ended.said.includes("-----BEGIN PUBLIC KEY-----"), ended);
  if (script !== "generate_key" || !existsSync(join(folder, "public-key.pem"))) continue;
  const pem = readFileSync(join(folder, "public-key.pem"), "utf8");
  simulator.partner.hosting = { kind: "file", body: pem };
  simulator.car.pair(pem);
}

// Each kind of host left out in turn: Deno refuses it, nothing arrives, nothing is lost, and no outcome is
// unknown.
const token = readFileSync(join(folder, "tesla_token.json"), "utf8");
const without =
  (host: string) =>
  (sandbox: Sandbox): void => {
    sandbox.contacts = sandbox.contacts.filter((name) => !name.includes(host));
  };
const LEFT_OUT: [string, string, ...string[]][] = [
  ["read_charge", "fleet-api.prd.eu"],
  ["refresh_token", "fleet-auth"],
  ["set_charge_amps", "fleet-api.prd.eu", "9"],
  ["register_partner", "TESLA_DOMAIN"],
  ["wake_up", "fleet-api.prd.eu"],
];
for (const [script, host, ...words] of LEFT_OUT) {
  const ended = await run(script, words, without(host));
  tell(
    `host left out: ${script} without ${host}`,
    ![0, 8].includes(ended.code) && ended.sent === 0 && ended.said.includes("not permitted"),
    ended,
  );
}

// A file, a write and a setting left out.
const noToken = await run("read_charge", [], (sandbox) => {
  sandbox.reads = [".env"];
});
tell(
  "file left out: read_charge without tesla_token.json",
  noToken.code === 4 && noToken.sent === 0,
  noToken,
);
const noWrite = await run("refresh_token", [], (sandbox) => {
  sandbox.writes = [];
});
tell("write left out: refresh_token", noWrite.code === 1 && noWrite.sent === 0, noWrite);
const noNew = await run("refresh_token", [], (sandbox) => {
  sandbox.writes = sandbox.writes.filter((name) => !name.endsWith(".new"));
});
tell(
  "write left out: refresh_token without tesla_token.json.new",
  noNew.code === 1 && noNew.sent === 0,
  noNew,
);
const kept = readFileSync(join(folder, "tesla_token.json"), "utf8") === token;
tell("the token file is as it was", kept, { code: 0, said: "", sent: 0 });

await simulator.close();
rmSync(folder, { recursive: true, force: true });
process.exit(0);
