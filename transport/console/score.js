// The two voices as a score: the caller's level above a line, the agent's below, time running to the left.
// Shows who speaks over whom, how long the answer took, and where the agent was held or cut. Draws only during a call.

const STEP_MS = 40;
const BAR = 3;
// Speech at a usual distance fills about two thirds of the height.
const QUIET_DB = -60;
const LOUD_DB = -8;

function level(analyser, samples) {
  analyser.getFloatTimeDomainData(samples);
  let power = 0;
  for (const sample of samples) power += sample * sample;
  const db = 10 * Math.log10(power / samples.length + 1e-12);
  return Math.min(1, Math.max(0, (db - QUIET_DB) / (LOUD_DB - QUIET_DB)));
}

export class Score {
  #figure;
  #canvas;
  #paint;
  #audio = null;
  #voices = { you: null, agent: null };
  #samples = new Float32Array(1024);
  #bars = [];
  #marks = [];
  #stepped = 0;
  #running = 0;
  #still = matchMedia("(prefers-reduced-motion: reduce)");

  /** Draws into the canvas of `figure`, in the colours of its two labels. */
  constructor(figure) {
    this.#figure = figure;
    this.#canvas = figure.querySelector("canvas");
    this.#paint = this.#canvas.getContext("2d");
    new ResizeObserver(() => this.#draw(0)).observe(this.#canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#draw(0));
  }

  /** The page's sound system. Must first be asked for in answer to a press. */
  audio() {
    this.#audio ??= new AudioContext();
    this.#audio.resume();
    return this.#audio;
  }

  /** A track without sound, for a call without a microphone. */
  silence() {
    return this.audio().createMediaStreamDestination().stream.getAudioTracks()[0];
  }

  /** Measures `stream` as `who`: "you" or "agent". */
  listen(who, stream) {
    this.#voices[who]?.source.disconnect();
    const source = this.audio().createMediaStreamSource(stream);
    const analyser = this.#audio.createAnalyser();
    analyser.fftSize = this.#samples.length;
    source.connect(analyser);
    this.#voices[who] = { source, analyser };
  }

  start() {
    this.#bars = [];
    this.#marks = [];
    this.#stepped = performance.now();
    cancelAnimationFrame(this.#running);
    const frame = (now) => {
      this.#running = requestAnimationFrame(frame);
      this.#step(now);
    };
    this.#running = requestAnimationFrame(frame);
  }

  stop() {
    cancelAnimationFrame(this.#running);
    for (const voice of Object.values(this.#voices)) voice?.source.disconnect();
    this.#voices = { you: null, agent: null };
    this.#publish(0, 0);
    this.#audio?.suspend();
  }

  /** Colours may have changed. */
  repaint() {
    this.#draw(0);
  }

  /** Marks now: "held", "cut", or the time the answer took, in milliseconds. */
  mark(kind, ms = 0) {
    this.#marks.push({ kind, ms, at: performance.now() });
    this.#marks = this.#marks.slice(-20);
  }

  #step(now) {
    if (now - this.#stepped > 1_000) this.#stepped = now - STEP_MS;
    let stepped = false;
    while (now - this.#stepped >= STEP_MS) {
      this.#stepped += STEP_MS;
      const { you, agent } = this.#voices;
      this.#bars.push([
        you ? level(you.analyser, this.#samples) : 0,
        agent ? level(agent.analyser, this.#samples) : 0,
      ]);
      stepped = true;
    }
    if (this.#bars.length > 600) this.#bars.splice(0, 200);
    if (stepped) this.#publish(...this.#bars.at(-1));
    if (!this.#still.matches || stepped) this.#draw(now);
  }

  #publish(you, agent) {
    this.#figure.dataset.you = Math.round(you * 100);
    this.#figure.dataset.agent = Math.round(agent * 100);
    // The button's halo breathes with the agent's voice.
    document.body.style.setProperty("--loud", this.#still.matches ? "0" : agent.toFixed(2));
  }

  #draw(now) {
    const ratio = devicePixelRatio || 1;
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    if (!width) return;
    this.#canvas.width = Math.round(width * ratio);
    this.#canvas.height = Math.round(height * ratio);
    const paint = this.#paint;
    paint.setTransform(ratio, 0, 0, ratio, 0, 0);
    const middle = Math.round(height / 2);
    const colours = this.#colours();
    if (this.#still.matches) this.#drawStill(width, middle, colours);
    else this.#drawRunning(width, middle, colours, now);
  }

  #colours() {
    const of = (part) => getComputedStyle(this.#figure.querySelector(part)).color;
    return { you: of(".you"), agent: of(".agent"), line: getComputedStyle(this.#figure).color, paper: getComputedStyle(this.#canvas).backgroundColor };
  }

  #drawRunning(width, middle, colours, now) {
    const paint = this.#paint;
    const speed = BAR / STEP_MS;
    const offset = now ? (now - this.#stepped) * speed : 0;
    paint.fillStyle = colours.line;
    paint.globalAlpha = 0.35;
    paint.fillRect(0, middle - 0.5, width, 1);
    paint.globalAlpha = 1;
    for (let i = 0; i * BAR < width + BAR; i += 1) {
      const bar = this.#bars[this.#bars.length - 1 - i];
      if (!bar) break;
      const x = width - BAR * (i + 1) - offset;
      const reach = middle - 6;
      paint.fillStyle = colours.you;
      if (bar[0] > 0.02) paint.fillRect(x, middle - 2 - bar[0] * reach, BAR - 1, bar[0] * reach);
      paint.fillStyle = colours.agent;
      if (bar[1] > 0.02) paint.fillRect(x, middle + 2, BAR - 1, bar[1] * reach);
    }
    if (now) this.#drawMarks(width, middle, colours, now, speed);
  }

  #drawMarks(width, middle, colours, now, speed) {
    const paint = this.#paint;
    paint.strokeStyle = paint.fillStyle = colours.line;
    paint.lineWidth = 1.5;
    for (const { kind, ms, at } of this.#marks) {
      const x = width - (now - at) * speed;
      if (x < -80) continue;
      paint.beginPath();
      if (kind === "cut") {
        // Two slashes: the caesura, music's sign for breaking off.
        for (const dx of [0, 5]) {
          paint.moveTo(x + dx - 4, middle + 12);
          paint.lineTo(x + dx + 4, middle - 12);
        }
      } else if (kind === "held") {
        paint.arc(x, middle, 4, 0, 2 * Math.PI);
      } else {
        const left = x - ms * speed;
        paint.moveTo(left, middle - 5);
        paint.lineTo(left, middle);
        paint.lineTo(x, middle);
        paint.lineTo(x, middle - 5);
        paint.font = "11px ui-monospace, Menlo, monospace";
        paint.textAlign = "center";
        const label = `${Math.round(ms)} ms`;
        const reach = paint.measureText(label).width / 2 + 3;
        paint.fillStyle = colours.paper;
        paint.fillRect((left + x) / 2 - reach, middle - 20, 2 * reach, 14);
        paint.fillStyle = colours.line;
        paint.fillText(label, (left + x) / 2, middle - 9);
      }
      paint.stroke();
    }
  }

  /** Without motion: two lengths, no scrolling. */
  #drawStill(width, middle, colours) {
    const paint = this.#paint;
    const [you, agent] = this.#bars.at(-1) ?? [0, 0];
    for (const [value, colour, y] of [[you, colours.you, middle - 14], [agent, colours.agent, middle + 6]]) {
      paint.fillStyle = colours.line;
      paint.globalAlpha = 0.15;
      paint.fillRect(0, y, width, 8);
      paint.globalAlpha = 1;
      paint.fillStyle = colour;
      paint.fillRect(0, y, width * value, 8);
    }
  }
}
