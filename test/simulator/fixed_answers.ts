// Answers, and parts of answers, of what is not simulated: in the shape of Tesla's, and always the same but for
// what a caller puts over them. One a line in fixed_answers.jsonl.
import { readFileSync } from "node:fs";

const lines = readFileSync(new URL("fixed_answers.jsonl", import.meta.url), "utf8")
  .trim()
  .split("\n");

export const FIXED: Record<string, Record<string, unknown>> = Object.assign(
  {},
  ...lines.map((line) => JSON.parse(line)),
);
