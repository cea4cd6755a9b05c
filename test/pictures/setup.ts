// Draws the order of the setup: what each step needs, where it happens, and what it makes. What scripts read
// and write is taken from their headers.
import { readFileSync } from "node:fs";
import { headerOf } from "../rules/project_rules.ts";
import { arrow, box, MARGIN, picture, words, wrapped } from "./drawing.ts";

interface Step {
  name: string;
  where: "tesla" | "mine" | "other";
  script?: string;
  needs?: string; // beside the files that its script reads
  makes?: string; // beside the files that its script writes
}

const STEPS: Step[] = [
  { name: "Your Tesla account", where: "tesla", needs: "verified e-mail, second factor", makes: "a login" },
  { name: "A domain", where: "other", makes: "YOUR.DOMAIN" },
  { name: "An app", where: "tesla", needs: "a login, YOUR.DOMAIN", makes: "client ID, client secret" },
  { name: "This project", where: "mine", needs: "client ID and secret, YOUR.DOMAIN", makes: ".env" },
  { name: "Keys", where: "mine", script: "generate_key" },
  { name: "Publish", where: "other", needs: "public-key.pem, YOUR.DOMAIN", makes: "the key on your domain" },
  {
    name: "Register",
    where: "mine",
    script: "register_partner",
    needs: "the key on your domain",
    makes: "your key on file at Tesla",
  },
  { name: "Log in", where: "mine", script: "get_token", needs: "a login, your key on file" },
  { name: "Your car", where: "mine", script: "list_vehicles", makes: "the VIN, for .env" },
  {
    name: "Pair",
    where: "other",
    needs: "your key on file, YOUR.DOMAIN",
    makes: "your key on the car's list",
  },
  { name: "Read", where: "mine", script: "read_charge", makes: "what the car says" },
  {
    name: "Command",
    where: "mine",
    script: "set_charge_amps",
    needs: "your key on the car's list",
    makes: "other amps",
  },
];
const PLACES: Record<Step["where"], string> = {
  tesla: "on Tesla's pages",
  mine: "on your machine",
  other: "on your web space, on your phone",
};
const ROW = 50;
const [NEEDS, STEP, STEP_WIDTH, MAKES] = [MARGIN, 264, 188, 486];

/** What a script's header names, without locks and the like, and without what it makes itself. */
function filesOf(script: string): { reads: string[]; writes: string[] } {
  const path = `scripts/${script}.ts`;
  const { reads, writes } = headerOf(path, readFileSync(new URL(`../../${path}`, import.meta.url), "utf8"));
  const plain = (names: string[]): string[] => names.filter((name) => !/\.(new|lock)$/.test(name));
  return { reads: plain(reads).filter((name) => !writes.includes(name)), writes: plain(writes) };
}

/** docs/pictures/setup.svg */
export function setupPicture(): string {
  const top = 62;
  let shapes =
    words(NEEDS, 32, "needs", "bold") + words(STEP, 32, "step", "bold") + words(MAKES, 32, "makes", "bold");
  shapes += STEPS.map(({ name, where, script, needs, makes }, index) => {
    const y = top + index * ROW;
    const files = script === undefined ? { reads: [], writes: [] } : filesOf(script);
    const left = [...files.reads, ...(needs === undefined ? [] : [needs])];
    const right = [...files.writes, ...(makes === undefined ? [] : [makes])];
    const number = index < 10 ? `${index + 1}. ` : "";
    const middle = y + 20;
    const column = (x: number, list: string[]): string =>
      wrapped(list, 34)
        .map((text, row, all) => words(x, middle + 5 + (row - (all.length - 1) / 2) * 16, text, "small"))
        .join("");
    return (
      (left.length === 0 ? "" : column(NEEDS, left) + arrow(STEP - 26, STEP, middle, "plain"))
      + box(STEP, y, STEP_WIDTH, 40, where)
      + words(STEP + 12, y + (script === undefined ? 25 : 18), `${number}${name}`, "bold")
      + (script === undefined ? "" : words(STEP + 12, y + 33, script, "small code faint"))
      + arrow(STEP + STEP_WIDTH, MAKES - 8, middle, "plain")
      + column(MAKES, right)
    );
  }).join("");
  const bottom = top + STEPS.length * ROW + 14;
  shapes += (["tesla", "mine", "other"] as const)
    .map(
      (where, index) =>
        box(NEEDS + index * 190, bottom, 22, 16, where)
        + words(NEEDS + index * 190 + 30, bottom + 13, PLACES[where], "small faint"),
    )
    .join("");
  return picture("The setup: what each step needs, where it happens, what it makes", bottom + 36, shapes);
}
