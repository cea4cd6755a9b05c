// How the commands car, fail and bill of the practice shell reach the simulated Tesla: a port of 127.0.0.1
// that obeys whoever knows a random token, which is in the environment of that shell.
import { randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { listen, readAll } from "../server.ts";
import type { Simulator } from "../simulator.ts";
import { play } from "../world_commands.ts";

const CAR_WORDS = ["asleep", "awake", "pair", "unpair", "plug", "unplug", "reboot"];
const CAR_USAGE = `car takes no word (what it does now) or one of ${CAR_WORDS.join(", ")}`;

async function run(simulator: Simulator, words: string[]): Promise<string[]> {
  const [command = "", word, ...others] = words;
  if (command === "fail") return play(simulator, words);
  if (command === "bill" && word === undefined) return play(simulator, words);
  if (command !== "car") throw new Error(command === "bill" ? "bill takes no word" : `no command ${command}`);
  if (word === undefined) return play(simulator, ["state"]);
  if (others.length > 0 || !CAR_WORDS.includes(word)) throw new Error(CAR_USAGE);
  await play(simulator, [word]);
  return play(simulator, ["state"]);
}

/** The port and the token, and what ends it: with it every script that still runs in the shell ends. */
export async function startControl(simulator: Simulator) {
  const token = randomBytes(32).toString("base64url");
  async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.headers.authorization !== `Bearer ${token}`) return void response.writeHead(403).end();
    if (request.method !== "POST") return; // a script that ends when the connection does
    try {
      const lines = await run(simulator, JSON.parse(await readAll(request)));
      response.end(lines.join("\n"));
    } catch (error) {
      response.writeHead(400).end(error instanceof Error ? error.message : String(error));
    }
  }
  const server = createServer((request, response) => void respond(request, response));
  const { port, close } = await listen(server, 0);
  return { url: `http://127.0.0.1:${port}/`, token, close };
}
