// `npm run picture`: runs the demo and draws its main part (reading, commands, a reboot of the car) as a
// terminal in docs/pictures/demo.svg: plain text elements, no script, no font and no picture from elsewhere.
// Ends with 1, and draws nothing, when the demo fails.

import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { escapeHtml } from "./tesla/tesla.ts";

const COLUMNS = 100;
const LINE = 18; // pixels
const FROM = "# 6.";
const BEFORE = "# 10.";

const loader = process.features.typescript ? [] : ["--import", import.meta.resolve("tsx")];
const demo = fileURLToPath(new URL("demo.ts", import.meta.url));
const { status, stdout } = spawnSync(process.execPath, [...loader, demo], {
  encoding: "utf8",
  timeout: 90_000,
});
const from = stdout.indexOf(FROM);
const before = stdout.indexOf(BEFORE);
if (status !== 0 || from < 0 || before < from) {
  process.stderr.write(`${stdout.slice(-500)}\nerror: the demo failed; no picture was drawn\n`);
  process.exit(1);
}

/** As a terminal shows it: a line that is too long goes on in the next. */
function wrapped(line: string): string[] {
  const rows: string[] = [];
  for (let at = 0; at === 0 || at < line.length; at += COLUMNS) rows.push(line.slice(at, at + COLUMNS));
  return rows;
}

const rows = stdout
  .slice(from, before)
  .trimEnd()
  .split("\n")
  .flatMap((line) => {
    const style = line.startsWith("# ") ? "note" : line.startsWith("$ ") ? "typed" : "said";
    return wrapped(line).map((text) => ({ style, text }));
  });
const height = rows.length * LINE + 40;
const texts = rows.map(({ style, text }, index) =>
  text === ""
    ? ""
    : `<text class="${style}" x="20" y="${(index + 1) * LINE + 16}">${escapeHtml(text)}</text>\n`,
);
mkdirSync(new URL("../docs/pictures/", import.meta.url), { recursive: true });
writeFileSync(
  new URL("../docs/pictures/demo.svg", import.meta.url),
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 860 ${height}" width="860"
  height="${height}" role="img">
<title>Terminal: read_charge, then set_charge_amps three times, against the simulated Tesla</title>
<style>
text { font: 13.5px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  fill: #d8dee9; white-space: pre }
.note { fill: #8fbc8f } .typed { fill: #ffffff; font-weight: bold }
</style>
<rect width="860" height="${height}" rx="8" fill="#1d2129"/>
${texts.join("")}</svg>
`,
);
process.stdout.write(`docs/pictures/demo.svg: ${rows.length} lines\n`);
