// What the JavaScript clients share: checks that are counted, sounds to send, and where the daemon is.
import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

export const URL_ = process.env.VOICED_URL ?? "http://127.0.0.1:8080";
export const SOCKET = URL_.replace(/^http/, "ws");
export const TURN_MS = 30_000;
const RATE = 24_000;
const client = basename(process.argv[1], ".mjs");
let passed = 0;
let failed = 0;

export function check(what, isTrue, detail) {
  if (isTrue) passed += 1;
  else failed += 1;
  const told = isTrue ? "" : `: ${typeof detail === "string" ? detail : JSON.stringify(detail)}`.slice(0, 400);
  console.log(`${isTrue ? "ok  " : "FAIL"} ${client}: ${what}${told}`);
}

/** The samples of a recording as they go over the wire: the recordings are 16 bits, mono, 24 kHz. */
export function sound(name) {
  const bytes = readFileSync(join(process.env.VOICED_SOUNDS, `${name}.wav`));
  return bytes.subarray(bytes.indexOf("data") + 8);
}

export function silence(seconds) {
  return Buffer.alloc(2 * Math.round(seconds * RATE));
}

/** Gives `send` the samples as a microphone would. */
export async function play(send, samples, ms = 100) {
  const began = performance.now();
  const size = (2 * RATE * ms) / 1000;
  for (let at = 0; at < samples.length; at += size) {
    await sleep(Math.max(0, began + (at / size) * ms - performance.now()));
    send(samples.subarray(at, at + size));
  }
}

/** What `emitter` tells, so that nothing told early is missed. */
export class Witness {
  told = [];
  #waiting = new Set();

  tell(kind, event) {
    this.told.push([kind, event]);
    for (const look of this.#waiting) look();
  }

  /** The first of its kind after the first `after` that were told. */
  until(kind, after = 0, isIt = () => true) {
    return new Promise((found, lost) => {
      const look = () => {
        const one = this.told.slice(after).find(([told, event]) => told === kind && isIt(event));
        if (!one) return;
        done();
        found(one[1] ?? true);
      };
      const timer = setTimeout(() => {
        done();
        lost(new Error(`no ${kind} among ${this.told.slice(after).map(([told]) => told).slice(-30)}`));
      }, TURN_MS);
      const done = () => {
        clearTimeout(timer);
        this.#waiting.delete(look);
      };
      this.#waiting.add(look);
      look();
    });
  }

  of(kind, after = 0) {
    return this.told.slice(after).filter(([told]) => told === kind).map(([, event]) => event);
  }
}

/** Runs scenes one after another, each for a minute at most, and exits with what came of them. */
export async function run(...scenes) {
  for (const scene of scenes) {
    const late = new AbortController();
    const limit = sleep(60_000, undefined, { signal: late.signal }).then(() => {
      throw new Error("not done after a minute");
    });
    try {
      await Promise.race([scene(), limit]);
    } catch (error) {
      check(scene.name, false, error.stack ?? String(error));
    }
    late.abort();
    limit.catch(() => {});
  }
  console.log(`${client}: ${passed} passed, ${failed} failed`);
  process.exit(failed ? 1 : 0);
}
