// Just enough WAV to put a microphone together: reads 16-bit mono, joins speech with silence, writes it back.
import { readFileSync, writeFileSync } from "node:fs";

/** The samples and rate of a 16-bit mono WAV file. */
export function readWav(path) {
  const bytes = readFileSync(path);
  let rate = 0;
  for (let at = 12; at + 8 <= bytes.length; ) {
    const name = bytes.toString("latin1", at, at + 4);
    const size = bytes.readUInt32LE(at + 4);
    const body = at + 8;
    if (name === "fmt ") {
      const [format, channels, bits] = [bytes.readUInt16LE(body), bytes.readUInt16LE(body + 2), bytes.readUInt16LE(body + 14)];
      if (format !== 1 || channels !== 1 || bits !== 16) throw new Error(`${path}: not 16-bit mono PCM`);
      rate = bytes.readUInt32LE(body + 4);
    }
    // Writers to a pipe leave the size open; the data then goes to the end.
    if (name === "data") return { rate, pcm: bytes.subarray(body, Math.min(bytes.length, body + size)) };
    at = body + size + (size % 2);
  }
  throw new Error(`${path}: no sound in it`);
}

/** Writes `parts` one after the other: paths of WAV files of one rate, and seconds of silence. */
export function writeMicrophone(path, parts) {
  const sounds = parts.map((part) => (typeof part === "string" ? readWav(part) : part));
  const { rate } = sounds.find((sound) => typeof sound !== "number");
  const pcm = Buffer.concat(
    sounds.map((sound) => {
      if (typeof sound === "number") return Buffer.alloc(2 * Math.round(sound * rate));
      if (sound.rate !== rate) throw new Error(`${path}: parts of different rates`);
      return sound.pcm;
    }),
  );
  const head = Buffer.alloc(44);
  head.write("RIFF", 0, "latin1");
  head.writeUInt32LE(36 + pcm.length, 4);
  head.write("WAVEfmt ", 8, "latin1");
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(1, 22);
  head.writeUInt32LE(rate, 24);
  head.writeUInt32LE(2 * rate, 28);
  head.writeUInt16LE(2, 32);
  head.writeUInt16LE(16, 34);
  head.write("data", 36, "latin1");
  head.writeUInt32LE(pcm.length, 40);
  writeFileSync(path, Buffer.concat([head, pcm]));
}
