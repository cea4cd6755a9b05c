// The commands car, fail and bill of the shell of `npm run practice`: hands the words to the simulated Tesla,
// and prints what it says. Plain JavaScript, so that it starts quickly.
import { request } from "node:http";

const outgoing = request(process.env.TESLA_PRACTICE ?? "http://127.0.0.1:9", {
  method: "POST",
  headers: { authorization: `Bearer ${process.env.TESLA_PRACTICE_TOKEN}` },
});
outgoing.on("error", () => {
  console.error("error: the practice has ended: leave this shell with exit");
  process.exitCode = 1;
});
outgoing.on("response", async (answer) => {
  let text = "";
  for await (const part of answer) text += part;
  if (answer.statusCode === 200) return console.log(text);
  console.error(`error: ${text}`);
  process.exitCode = 2;
});
outgoing.end(JSON.stringify(process.argv.slice(2)));
