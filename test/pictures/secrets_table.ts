// The table "Where secrets go" of docs/security.md: test/faults/where_secrets_go.test.ts compares it with what
// the scripts send, and test/pictures/secrets.ts draws it.
import { readFileSync } from "node:fs";

export const KINDS = ["token host", "Fleet API", "your domain"];

export interface Cell {
  secret: string;
  kind: string; // of host
  text: string; // as it is there
  scripts: string[] | "every call"; // none: the secret never goes there
}

/** Every cell. Throws an Error when the table is not in its form. */
export function secretsTable(): Cell[] {
  const page = readFileSync(new URL("../../docs/security.md", import.meta.url), "utf8").replaceAll("\r", "");
  const [, section = ""] = /\n## Where secrets go\n([^]*?)\n## /.exec(page) ?? [];
  const lines = section.split("\n").filter((line) => line.startsWith("| "));
  const [heading = [], ...rows] = lines.map((line) => line.slice(2, -2).split(" | "));
  const wanted = ["secret", ...KINDS, "screen, log, command line"];
  if (heading.join() !== wanted.join()) throw new Error(`its columns are ${heading.join(" | ")}`);
  return rows.flatMap(([secret = "", ...texts]) =>
    KINDS.map((kind, index): Cell => {
      const text = texts[index] ?? "";
      const scripts = [...text.matchAll(/`(\w+)( --\w+)?`/g)].map(([, name = ""]) => name);
      if (scripts.length === 0 && !["–", "every call"].includes(text))
        throw new Error(`a cell says "${text}"`);
      return { secret, kind, text, scripts: text === "every call" ? text : scripts };
    }),
  );
}
