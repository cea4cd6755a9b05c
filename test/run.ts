// `npm test`: every file of tests, as many side by side as this computer has cores. `npm run test:long`: the
// files with something that takes long by nature, at full length (test/support/length.ts).
import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

const LONG_FILES = [
  "deno",
  "endurance",
  "faults",
  "listeners",
  "parsers",
  "practice",
  "requests",
  "sandbox",
  "where_secrets_go",
  "windows",
];
const project = fileURLToPath(new URL("..", import.meta.url));
const isLong = process.argv.includes("--long");
const files = readdirSync(join(project, "test"), { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".test.ts"))
  .filter((name) => !isLong || LONG_FILES.includes(basename(name, ".test.ts")))
  .map((name) => join("test", name));
const words = [
  "--import",
  "tsx",
  "--test",
  `--test-concurrency=${availableParallelism()}`,
  "--test-timeout=900000",
  ...files,
]; // ms: a file that hangs is red too
const env = { ...process.env, TEST_LONG: isLong ? "1" : "" };
const child = spawn(process.execPath, words, { cwd: project, env, stdio: "inherit" });
child.on("close", (code) => {
  process.exitCode = code ?? 1;
});
