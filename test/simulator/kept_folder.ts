// The folder in which a simulator keeps its ports and its world, so that it goes on as it was when it is
// started again and no shell has to be pointed at it anew. ca.pem lies there while the simulator is up. Its
// certificates are new at every start, under the same name, so that no private key of theirs is ever written.

import {
  existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, renameSync, rmSync, statSync, writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { restoreWorld, worldToText } from "./world/world.ts";
import type { World } from "./world/world.ts";

/** The ports: Tesla's, and that of the login page for a browser. */
export interface Ports {
  tesla: number;
  login: number;
}

const FREE_PORTS: Ports = { tesla: 0, login: 0 };

export class KeptFolder {
  caFile: string;
  ports: Ports = FREE_PORTS;
  /** Whether a simulator was kept here before. */
  isResumed = false;
  private folder: string;
  private isTemporary: boolean;
  private saved = "";

  /** Without a name: a temporary folder that is removed at the end, and nothing is kept. */
  constructor(name: string | undefined) {
    this.isTemporary = name === undefined;
    this.folder = name === undefined ? mkdtempSync(join(tmpdir(), "tesla-simulator-")) : resolve(name);
    mkdirSync(this.folder, { recursive: true, mode: 0o700 });
    this.folder = realpathSync(this.folder);
    const isOpen = process.platform !== "win32" && (statSync(this.folder).mode & 0o022) !== 0;
    if (isOpen) throw new Error(`others may write to ${this.folder}: chmod go-w '${this.folder}'`);
    this.caFile = join(this.folder, "ca.pem");
  }

  /** Brings the world back to where it was kept, if it was. */
  load(world: World): void {
    const [ports, file] = [join(this.folder, "ports.json"), join(this.folder, "world.json")];
    if (this.isTemporary || !existsSync(file)) return;
    try {
      this.ports = { ...FREE_PORTS, ...JSON.parse(readFileSync(ports, "utf8")) };
      restoreWorld(world, readFileSync(file, "utf8"));
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new Error(`${this.folder} holds no simulator that can go on (${why}): remove it or name another`);
    }
    this.isResumed = true;
  }

  /** Writes what has changed, whole or not at all. */
  save(world: World): void {
    if (this.isTemporary) return;
    const text = worldToText(world);
    if (text === this.saved) return;
    this.write("world.json", text);
    this.saved = text;
  }

  savePorts(ports: Ports): void {
    this.ports = ports;
    if (!this.isTemporary) this.write("ports.json", JSON.stringify(ports));
  }

  /** After this a script says that the simulator has ended, because ca.pem is not there. */
  close(): void {
    rmSync(this.isTemporary ? this.folder : this.caFile, { recursive: true, force: true });
  }

  private write(name: string, text: string): void {
    const file = join(this.folder, name);
    writeFileSync(`${file}.new`, `${text}\n`, { mode: 0o600 });
    renameSync(`${file}.new`, file);
  }
}
