// `npm run picture`: runs the demo and draws two parts of it (a reading, and a command that takes one
// request) as a terminal in docs/pictures/demo.svg: plain text, no script, no font, no picture from elsewhere.
// Ends with 1, and draws nothing, when the demo fails.

import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { LOADER } from "../simulator/server.ts";
import { escapeHtml } from "../simulator/tesla/pages.ts";
import { WIDTH } from "./drawing.ts";

const COLUMNS = 92; // that have room in the picture's width; a longer line goes on below, as in a terminal
const LINE = 17; // pixels
const TOP = 34; // where the first line of the terminal begins, under the title
const PARTS: [string, string][] = [
  // how a part of the demo begins, and its heading here
  ["# 6. ", "# Reading: one request, and the car is never woken."],
  ["# 8. ", "# A signed command: one request (the first one ever takes two, to shake hands)."],
];

const demo = fileURLToPath(new URL("../simulator/demo.ts", import.meta.url));
const { status, stdout } = spawnSync(process.execPath, [...LOADER, demo], {
  encoding: "utf8",
  timeout: 90_000,
});
const sections = stdout.split(/^(?=# \d+\. )/m);
const parts = PARTS.map(([start, heading]) =>
  (sections.find((section) => section.startsWith(start)) ?? "").replace(/^# .*/, heading),
);
if (status !== 0 || parts.includes("")) {
  process.stderr.write(`${stdout.slice(-500)}\nerror: the demo failed; no picture was drawn\n`);
  process.exit(1);
}
const lines = parts.join("").trimEnd().split("\n");

const rows = lines.flatMap((line) => {
  const style = line.startsWith("# ") ? "note" : line.startsWith("$ ") ? "typed" : "said";
  const pieces = line.match(new RegExp(`.{1,${COLUMNS}}`, "g")) ?? [""];
  return pieces.map((text) => ({ style, text }));
});
const height = rows.length * LINE + TOP + 16;
const texts = rows.map(({ style, text }, index) =>
  text === ""
    ? ""
    : `<text class="${style}" x="14" y="${index * LINE + TOP + 18}">${escapeHtml(text)}</text>\n`,
);
mkdirSync(new URL("../../docs/pictures/", import.meta.url), { recursive: true });
writeFileSync(
  new URL("../../docs/pictures/demo.svg", import.meta.url),
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}"
  height="${height}" role="img">
<title>Terminal: read_charge, then set_charge_amps, with the simulated Tesla</title>
<style>
text { font: 12px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  fill: #d8dee9; white-space: pre }
.note { fill: #8fbc8f } .typed { fill: #ffffff; font-weight: bold }
.title { fill: #1d2129; font: bold 12.5px system-ui, "Segoe UI", "DejaVu Sans", Arial, sans-serif }
</style>
<rect width="${WIDTH}" height="${height}" rx="8" fill="#1d2129"/>
<path d="M0 24V8a8 8 0 0 1 8-8H${WIDTH - 8}a8 8 0 0 1 8 8V24z" fill="#e3b341"/>
<text class="title" x="14" y="17">SIMULATED: no real car and no real Tesla behind it; the scripts are the real ones</text>
${texts.join("")}</svg>
`,
);
process.stdout.write(`docs/pictures/demo.svg: ${rows.length} lines\n`);
