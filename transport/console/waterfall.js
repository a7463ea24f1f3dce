// Where the time of each turn went: the newest turn step by step, the ones before it as one bar each, all on one scale.

const STEPS = [
  ["final_ms", "Words final"],
  ["decided_ms", "Turn decided"],
  ["first_text_ms", "First text"],
  ["first_audio_ms", "First audio"],
  ["heard_ms", "Heard"],
];
const TURNS = 6;

function element(tag, className, text) {
  const made = document.createElement(tag);
  made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

/** The next round number, so that the scale does not twitch with every turn. */
function roundUp(ms) {
  return [250, 500, 1_000, 1_500, 2_000, 3_000, 5_000, 10_000].find((edge) => edge >= ms) ?? ms;
}

/** The steps that happened, each from where the one before it ended. */
function spans(times) {
  let from = 0;
  const made = [];
  for (const [step, [key, name]] of STEPS.entries()) {
    const at = times[key];
    if (at === null || at === undefined) continue;
    made.push({ step, name, from: Math.min(from, at), at });
    from = Math.max(from, at);
  }
  return made;
}

export class Waterfall {
  #section;
  #list;
  #turns = [];
  #count = 0;

  /** Writes rows into `list`; `data-turns` of `section` counts the turns seen in this call. */
  constructor(section, list) {
    this.#section = section;
    this.#list = list;
    this.clear();
  }

  /** Forgets everything. */
  clear() {
    this.#turns = [];
    this.#count = 0;
    this.#draw();
  }

  /** Takes a `voiced.turn.timed`. A later one of the same reply replaces the earlier. */
  take(times) {
    if (spans(times).length === 0) return;
    const known = this.#turns.find((turn) => turn.times.response_id === times.response_id);
    if (known) known.times = times;
    else this.#turns.push({ number: (this.#count += 1), times });
    this.#turns = this.#turns.slice(-TURNS);
    this.#draw();
  }

  #draw() {
    this.#section.dataset.turns = this.#count;
    const longest = Math.max(1, ...this.#turns.flatMap(({ times }) => spans(times).map((span) => span.at)));
    const scale = roundUp(longest);
    const [newest, ...earlier] = this.#turns.toReversed();
    this.#list.replaceChildren(stepByStep(newest, scale), ...earlier.map((turn) => oneBar(turn, scale)));
  }
}

/** The steps that did not happen, all of them before the first turn, have a line without a bar. */
function stepByStep(turn, scale) {
  const line = element("li", "newest");
  line.dataset.response = turn?.times.response_id ?? "";
  const parts = spans(turn?.times ?? {});
  for (const [i, [key, name]] of STEPS.entries()) {
    const part = parts.find(({ step }) => step === i);
    const row = element("div", "step");
    row.dataset.step = key;
    row.append(element("span", "label", name), bar(part ? [part] : [], scale), element("span", "ms", part ? figure(part) : "\u2013"));
    line.append(row);
  }
  return line;
}

function oneBar({ number, times }, scale) {
  const line = element("li", "earlier");
  line.dataset.response = times.response_id;
  const parts = spans(times);
  line.append(element("span", "label", `Turn ${number}`), bar(parts, scale), element("span", "ms", figure(parts.at(-1))));
  line.title = parts.map((part) => `${part.name} ${figure(part)} ms`).join(", ");
  return line;
}

function figure({ at }) {
  return String(Math.round(at));
}

function bar(parts, scale) {
  const made = element("span", "bar");
  made.setAttribute("aria-hidden", "true");
  made.append(...parts.map((part) => block(part, scale)));
  return made;
}

function block({ step: index, from, at }, scale) {
  const made = element("i", `step-${index}`);
  made.style.left = `${(Math.max(0, from) / scale) * 100}%`;
  made.style.width = `max(2px, ${((at - Math.max(0, from)) / scale) * 100}%)`;
  return made;
}
