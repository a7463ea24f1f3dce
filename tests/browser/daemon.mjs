// The daemon under test: one that this run starts, or one that is there already.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { resolve } from "node:path";

const ROOT = resolve(import.meta.dirname, "../..");
const ADDRESS = /http:\/\/127\.0\.0\.1:(\d+)/;
const START_MS = 20_000;

/** The binary: `VOICED_BIN`, or what was built last. */
export function binary() {
  const tries = [process.env.VOICED_BIN, `${ROOT}/target/release/voiced`, `${ROOT}/target/debug/voiced`];
  const found = tries.find((path) => path && existsSync(path));
  if (!found) throw new Error("no voiced binary: build it, or name it with VOICED_BIN");
  return resolve(found);
}

/** Has the daemon's own voice say `text` into `path`. */
export function speak(text, path) {
  execFileSync(binary(), ["speak", text, "-o", path, "--config", `${ROOT}/configs/cpu.toml`], { cwd: ROOT, stdio: ["ignore", "ignore", "inherit"] });
}

export class Daemon {
  static #running = new Set();
  #child;
  url;

  /** Resolves once the daemon has printed the address of its console. */
  static async start(port = 0) {
    const daemon = new Daemon();
    const args = ["serve", "--config", `${ROOT}/configs/cpu.toml`, "--listen", `127.0.0.1:${port}`];
    daemon.#child = spawn(binary(), args, { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] });
    Daemon.#running.add(daemon);
    daemon.url = await daemon.#address();
    return daemon;
  }

  #address() {
    const said = [];
    return new Promise((found, failed) => {
      const give = (why) => failed(new Error(`${why}; it said:\n${said.join("\n")}`));
      const timer = setTimeout(() => give("the daemon printed no address"), START_MS);
      this.#child.on("error", (error) => give(error.message));
      this.#child.on("exit", (code) => give(`the daemon ended with ${code}`));
      for (const pipe of [this.#child.stdout, this.#child.stderr]) {
        createInterface(pipe).on("line", (line) => {
          if (said.length < 50) said.push(line);
          const address = line.match(ADDRESS);
          // Port zero is what was asked for, not where it listens.
          if (!address || address[1] === "0") return;
          clearTimeout(timer);
          found(`${address[0]}/`);
        });
      }
    });
  }

  get port() {
    return Number(new URL(this.url).port);
  }

  /** Leaves none of this run's daemons behind. */
  static async killAll() {
    await Promise.all([...Daemon.#running].map((daemon) => daemon.kill()));
  }

  /** Ends the process the hard way, as a crash would, and waits until it is gone. */
  async kill() {
    Daemon.#running.delete(this);
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await gone;
  }
}
