// `npm run picture`: runs the demo and draws its first read_charge, and the set_charge_amps that takes one
// request, as a terminal in docs/pictures/demo.svg: plain text elements, no script, no font and no picture from
// elsewhere. The car's number is shortened to "…", so that no address is wrapped. Ends with 1, and draws
// nothing, when the demo fails or prints a line that does not fit.

import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { LOADER } from "./same_node.ts";
import { VIN, escapeHtml } from "./tesla/tesla.ts";

const COLUMNS = 110;
const LINE = 18; // pixels
const TOP = 34; // the title bar
const WIDTH = 860;
const SHOWN = ["$ npx tsx scripts/read_charge.ts", "$ npx tsx scripts/set_charge_amps.ts 10"];
const CAPTION = "simulated Tesla: nothing leaves this computer";

function giveUp(why: string): never {
  process.stderr.write(`error: ${why}; no picture was drawn\n`);
  process.exit(1);
}

const demo = fileURLToPath(new URL("demo.ts", import.meta.url));
const { status, stdout } = spawnSync(process.execPath, [...LOADER, demo], {
  encoding: "utf8",
  timeout: 90_000,
});
if (status !== 0) giveUp(`${stdout.slice(-500)}\nthe demo failed`);

/** A command and what it printed, which ends at an empty line. */
function block(command: string): string[] {
  const from = stdout.indexOf(`${command}\n`);
  if (from < 0) giveUp(`the demo no longer runs ${command}`);
  return stdout.slice(from).split("\n\n")[0].trimEnd().split("\n");
}

const rows = SHOWN.flatMap((command, index) => (index === 0 ? block(command) : ["", ...block(command)]))
  .map((row) => row.replaceAll(VIN, "…"));
const tooLong = rows.find((row) => row.length > COLUMNS);
if (tooLong !== undefined) giveUp(`a line has ${tooLong.length} characters: ${tooLong}`);

const height = TOP + rows.length * LINE + 22;
const texts = rows.map((text, index) => {
  const style = text.startsWith("$ ") ? "typed" : "said";
  const y = TOP + (index + 1) * LINE + 6;
  return text === "" ? "" : `<text class="${style}" x="18" y="${y}">${escapeHtml(text)}</text>\n`;
});
const dots = ["#e06c60", "#e0b050", "#6cb46c"].map(
  (colour, index) => `<circle cx="${20 + index * 18}" cy="${TOP / 2}" r="5.5" fill="${colour}"/>\n`,
);
mkdirSync(new URL("../docs/pictures/", import.meta.url), { recursive: true });
writeFileSync(
  new URL("../docs/pictures/demo.svg", import.meta.url),
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}"
  height="${height}" role="img">
<title>Terminal, ${CAPTION}. read_charge shows how the car charges, set_charge_amps 10 sets 10 A</title>
<style>
text { font: 12.4px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  fill: #d8dee9; white-space: pre }
.typed { fill: #ffffff; font-weight: bold }
.caption { font: bold 13px system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", Arial, sans-serif;
  fill: #ffe08a; text-anchor: middle }
</style>
<rect x="0.5" y="0.5" width="${WIDTH - 1}" height="${height - 1}" rx="8" fill="#1d2129" stroke="#4c566a"/>
<path d="M0.5 ${TOP}V8.5a8 8 0 0 1 8-8H${WIDTH - 8.5}a8 8 0 0 1 8 8V${TOP}z" fill="#2e3440" stroke="#4c566a"/>
${dots.join("")}<text class="caption" x="${WIDTH / 2}" y="${TOP / 2 + 5}">${CAPTION}</text>
${texts.join("")}</svg>
`,
);
process.stdout.write(`docs/pictures/demo.svg: ${rows.length} lines\n`);
