// The table "Where secrets go" of docs/security.md: test/faults/where_secrets_go.test.ts compares it with what the
// scripts send, and test/pictures/secrets.ts draws it.
import { readFileSync } from "node:fs";

export const KINDS = ["token host", "Fleet API", "your domain"];

export interface Cell {
  secret: string;
  kind: string; // of host
  text: string; // as it stands there
  scripts: string[] | "every call" | "with a command only"; // none: the secret never goes there
}

/** Every cell. Throws an Error when the table is not in its form. */
export function secretsTable(): Cell[] {
  const page = readFileSync(new URL("../../docs/security.md", import.meta.url), "utf8");
  const [, section = ""] = page.split("\n## Where secrets go\n");
  const rows = section
    .replace(/\n## [^]*/, "")
    .split("\n")
    .filter((line) => line.startsWith("| "))
    .map((line) => line.slice(2, -2).split(" | "));
  const [heading = [], ...rest] = rows;
  const missing = KINDS.find((kind) => !heading.includes(kind));
  if (missing !== undefined) throw new Error(`it has no column ${missing}: ${heading.join(" | ")}`);
  return rest.flatMap((row) =>
    KINDS.map((kind): Cell => {
      const text = row[heading.indexOf(kind)] ?? "";
      const scripts = [...text.matchAll(/`(\w+)( --\w+)?`/g)].map(([, name = ""]) => name);
      const known = ["–", "every call", "with a command only"].includes(text);
      if (scripts.length === 0 && !known) throw new Error(`a cell says "${text}"`);
      const isRule = text === "every call" || text === "with a command only";
      return { secret: row[0] ?? "", kind, text, scripts: isRule ? text : scripts };
    }),
  );
}
