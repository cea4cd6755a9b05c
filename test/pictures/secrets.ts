// Draws who talks to whom, and which secret travels on which arrow: from the table of docs/security.md, the
// hosts of lib/hosts.ts and the headers of the scripts.
import { readdirSync, readFileSync } from "node:fs";
import { FLEET_API, LOGIN_HOST, PAIRING_PAGE, TOKEN_HOST } from "../../lib/hosts.ts";
import { arrow, box, MARGIN, picture, WIDTH, words, wrapped } from "./drawing.ts";
import { KINDS, secretsTable } from "./secrets_table.ts";

const LEFT = MARGIN; // your machine
const LEFT_WIDTH = 160;
const RIGHT_WIDTH = 238; // the hosts
const RIGHT = WIDTH - MARGIN - RIGHT_WIDTH;
const TEXT = LEFT + LEFT_WIDTH + 6; // above and below an arrow
const ROW = 66; // one arrow, with two lines below it
const GAP = 16; // between two hosts

interface Travel {
  what: string;
  who: string;
  isSecret: boolean;
}
interface Place {
  name: string;
  hosts: string[];
  travels: Travel[];
}

const hostsOf = (origins: Record<string, string>): string[] => [
  ...new Set(Object.values(origins).map((origin) => new URL(origin).host)),
];

/** The scripts whose header names this contact. */
function contacting(contact: string): string[] {
  const folder = new URL("../../scripts/", import.meta.url);
  return readdirSync(folder)
    .filter((name) => {
      const text = readFileSync(new URL(name, folder), "utf8");
      return /^\/\/ {3}contacts {2}.*$/m.exec(text)?.[0].includes(contact) === true;
    })
    .map((name) => name.replace(".ts", ""));
}

function places(): Place[] {
  const fleet = hostsOf(FLEET_API);
  const addresses: Record<string, string[]> = {
    "token host": hostsOf(TOKEN_HOST).map((host, index) => (index === 0 ? host : `China: ${host}`)),
    "Fleet API": [...fleet, "passes commands on to your car"],
    "your domain": ["TESLA_DOMAIN"],
  };
  const cells = secretsTable();
  return KINDS.map((kind) => {
    const travels = cells
      .filter((cell) => cell.kind === kind && cell.scripts.length > 0)
      .map(({ secret, text }) => ({ what: secret, who: text.replaceAll("`", ""), isSecret: true }));
    const who = contacting("TESLA_DOMAIN").join(", ");
    const none = { what: "no secret: reads your public key", who, isSecret: false };
    return { name: kind, hosts: addresses[kind] ?? [], travels: travels.length > 0 ? travels : [none] };
  });
}

/** docs/pictures/secrets.svg */
export function secretsPicture(): string {
  let y = 56;
  let shapes =
    words(LEFT, 32, "Where secrets go", "bold")
    + words(
      TEXT,
      32,
      "a red arrow carries the secret named above it; below it, which scripts send it",
      "small faint",
    );
  const top = y;
  for (const { name, hosts, travels } of places()) {
    const height = Math.max(travels.length * ROW + 8, 34 + hosts.length * 17 + 8);
    const isTesla = name === "token host" || name === "Fleet API";
    shapes += box(RIGHT, y, RIGHT_WIDTH, height, isTesla ? "tesla" : "other");
    shapes += words(RIGHT + 12, y + 23, isTesla ? `Tesla: ${name}` : name, "bold");
    hosts.forEach((host, index) => {
      shapes += words(RIGHT + 12, y + 43 + index * 17, host, "small faint");
    });
    travels.forEach(({ what, who, isSecret }, index) => {
      const line = y + ((index + 0.5) * height) / travels.length - 2;
      shapes += arrow(LEFT + LEFT_WIDTH, RIGHT, line, isSecret ? "secret" : "plain");
      shapes += words(TEXT, line - 8, what, isSecret ? "bold" : "");
      for (const [row, text] of wrapped(who.split(", "), 38).entries())
        shapes += words(TEXT, line + 17 + row * 15, text, "small faint");
    });
    y += height + GAP;
  }
  const bottom = y - GAP;
  shapes += box(LEFT, top, LEFT_WIDTH, bottom - top, "mine");
  const cells = secretsTable();
  const staying = [...new Set(cells.map(({ secret }) => secret))].filter((secret) =>
    cells.every((cell) => cell.secret !== secret || cell.scripts.length === 0),
  );
  const inside: [string, string][] = [
    ["your machine", "bold"],
    ["the scripts, and the", ""],
    ["files of this folder", ""],
    ["", ""],
    ...staying.map((secret): [string, string] => [secret, "bold"]),
    ["never leaves it: it only", "small faint"],
    ["signs the commands", "small faint"],
    ["", ""],
    ["screen, log,", "bold"],
    ["command line", "bold"],
    ["no secret is printed", "small faint"],
  ];
  inside.forEach(([text, looks], index) => {
    shapes += words(LEFT + 10, top + 27 + index * 20, text, looks);
  });
  // What your browser and your phone open; the scripts only print these addresses.
  const opened: [string, string, string, string, string][] = [
    [
      "your own browser",
      "your password: no script sees it",
      "opens the address of get_token",
      "Tesla: login page",
      new URL(LOGIN_HOST.eu).host,
    ],
    [
      "your phone",
      "your approval of the virtual key",
      "opens the address of register_partner",
      "Tesla: pairing page",
      PAIRING_PAGE.eu.replace("https://", ""),
    ],
  ];
  y = bottom;
  for (const [who, what, how, name, address] of opened) {
    y += GAP;
    shapes +=
      box(LEFT, y, LEFT_WIDTH, 50, "mine")
      + words(LEFT + 10, y + 30, who, "bold")
      + arrow(LEFT + LEFT_WIDTH, RIGHT, y + 28, "plain")
      + words(TEXT, y + 20, what)
      + words(TEXT, y + 45, how, "small faint")
      + box(RIGHT, y, RIGHT_WIDTH, 50, "tesla")
      + words(RIGHT + 12, y + 22, name, "bold")
      + words(RIGHT + 12, y + 41, address, "small faint");
    y += 50;
  }
  return picture("Which secret goes from your machine to which host", y + 20, shapes);
}
