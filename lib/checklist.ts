// A row of checks, each with its line: ok, wrong with the mend, left out, or waiting for one that is wrong.
import { clean, jsonText, messageOf, say, Stop } from "./command_line.ts";

/** `step` runs a check, which returns its finding or throws what is wrong; behind a wrong one the others
 * wait. `end` returns the exit code: 0, 4 for a login, else 5. The lines go to stdout, as JSON at the end
 * if asked, and what is wrong to stderr once more. */
export function startChecklist(asJson: boolean) {
  const lines: { step: string; state: string; text: string }[] = [];
  let exitCode = 0;
  async function step(name: string, check: () => string | Promise<string>, leaveOut = false): Promise<void> {
    let [state, text] = leaveOut ? ["left out", "as you wish"] : ["ok", ""];
    if (exitCode !== 0) [state, text] = ["waiting", "for the step that is wrong"];
    try {
      if (state === "ok") text = clean(await check());
    } catch (error) {
      [state, text] = ["wrong", clean(messageOf(error))];
      exitCode = error instanceof Stop && error.exitCode === 4 ? 4 : 5;
    }
    lines.push({ step: name, state, text });
    if (!asJson) process.stdout.write(`${state.padEnd(9)} ${name}: ${text}\n`);
  }
  function end(): number {
    if (asJson) process.stdout.write(`${jsonText({ ok: exitCode === 0, steps: lines })}\n`);
    const wrong = lines.find(({ state }) => state === "wrong");
    if (wrong) say(`error: ${wrong.step}: ${wrong.text}; then run check_setup again`);
    return exitCode;
  }
  return { step, end };
}
