// The conversation as text: turns events of the call into lines of a script, in the order in which they were said.
// Guarantees that every word from the server becomes text, never markup.

/** The part of `text` that was heard; `heard` may differ from it in white space. */
export function heardLength(text, heard) {
  let at = 0;
  const skipSpace = () => {
    while (at < text.length && /\s/.test(text[at])) at += 1;
  };
  for (const character of heard.replace(/\s+/g, "")) {
    skipSpace();
    if (text[at] !== character) break;
    at += 1;
  }
  skipSpace();
  return at;
}

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

const REMARKS = {
  interrupted: "you spoke over it",
  cancelled: "stopped",
  cut_short: "cut short at its length limit",
  failed: "could not finish",
};

export class Conversation {
  #list;
  #scroll;
  #announce;
  #items = new Map();
  #replies = new Map();
  #follows = true;

  /** Writes into `list` inside `scroll`; `announce(text)` tells a screen reader finished lines. */
  constructor(list, scroll, announce) {
    this.#list = list;
    this.#scroll = scroll;
    this.#announce = announce;
    scroll.addEventListener("scroll", () => {
      this.#follows = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 80;
    });
  }

  /** What was said stays; names of items may repeat from here on. */
  newCall() {
    this.#items.clear();
    this.#replies.clear();
    for (const line of this.#list.querySelectorAll("li[hidden]")) line.remove();
    if (this.#list.lastElementChild) this.#list.lastElementChild.classList.add("last-of-call");
    this.#follows = true;
  }

  /** Nothing more comes of lines that were still being said. */
  callEnded() {
    for (const line of this.#list.querySelectorAll('[data-status="partial"], [data-status="streaming"]')) {
      line.dataset.status = "final";
    }
  }

  /** A line of the page itself. */
  note(text) {
    const line = element("li", "note", text);
    line.dataset.role = "note";
    this.#list.append(line);
    this.#toEnd();
  }

  /** Words typed here, shown before the server confirms them. */
  typed(id, text) {
    const item = this.#item(id, "user");
    this.#show(item, text, "final");
  }

  /** How long after the end of the speech the reply was heard. */
  timed(response, heardMs) {
    const reply = this.#replies.get(response);
    if (!reply || heardMs === null || heardMs === undefined) return;
    reply.aside.textContent = `${Math.round(heardMs)} ms`;
  }

  /** One event of the call. */
  take(event) {
    const write = {
      "input_audio_buffer.speech_started": () => this.#item(event.item_id, "user"),
      "voiced.transcript.partial": () => this.#partial(event.item_id, event.text, true),
      "conversation.item.input_audio_transcription.delta": () => this.#partial(event.item_id, event.delta, false),
      "conversation.item.input_audio_transcription.completed": () => this.#said(event.item_id, event.transcript),
      "conversation.item.input_audio_transcription.failed": () => this.#drop(event.item_id),
      "conversation.item.added": () => this.#added(event.item, event.previous_item_id),
      "conversation.item.done": () => this.#added(event.item, event.previous_item_id),
      "conversation.item.deleted": () => this.#drop(event.item_id),
      "voiced.turn.discarded": () => this.#drop(event.item_id),
      "voiced.tool.called": () => this.#calls(`tool ${event.call_id}`, event.name, event.arguments, event.call_id),
      "voiced.tool.returned": () => this.#answered(event),
      "voiced.transfer.requested": () => this.note(`The agent hands the call over to ${event.target}.`),
      "response.output_item.added": () => this.#written(event.item, event.response_id),
      "response.output_item.done": () => this.#written(event.item, event.response_id),
      "response.output_audio_transcript.delta": () => this.#wrote(event),
      "response.output_text.delta": () => this.#wrote(event),
      "response.function_call_arguments.done": () => this.#calls(event.item_id, event.name, event.arguments, event.call_id),
      "voiced.reply.ended": () => this.#replyEnded(event),
      "response.done": () => this.#responseDone(event.response),
    };
    write[event.type]?.();
  }

  /** The item's line, made at the end when there is none. It stays out of sight until it has words. */
  #item(id, role) {
    const known = this.#items.get(id);
    if (known) return known;
    const line = element("li", "turn");
    line.dataset.role = role;
    line.dataset.item = id;
    line.hidden = true;
    const name = element("span", "name", { user: "You", agent: "Agent", tool: "Tool" }[role]);
    const words = element(role === "tool" ? "div" : "p", "words");
    const aside = element("span", "aside");
    line.append(name, words, aside);
    this.#list.append(line);
    const item = { line, words, aside, text: "", replaces: false };
    this.#items.set(id, item);
    return item;
  }

  #show(item, text, status) {
    item.text = text;
    item.words.textContent = text;
    item.line.dataset.status = status;
    item.line.hidden = text.trim() === "";
    this.#toEnd();
  }

  #partial(id, text, replaces) {
    const item = this.#item(id, "user");
    if (item.line.dataset.status === "final") return;
    // Full partials and deltas may both come; the full ones win.
    if (!replaces && item.replaces) return;
    item.replaces ||= replaces;
    this.#show(item, replaces ? text : item.text + (text ?? ""), "partial");
  }

  #said(id, text) {
    const item = this.#item(id, "user");
    this.#show(item, text, "final");
    if (text.trim()) this.#announce(`You: ${text}`);
  }

  #drop(id) {
    this.#items.get(id)?.line.remove();
    this.#items.delete(id);
  }

  #added(item, previous) {
    if (item?.type === "function_call") this.#calls(item.id, item.name, item.arguments, item.call_id);
    if (item?.type === "function_call_output") this.#answered(item);
    if (item?.type !== "message" || item.role === "system") return;
    const known = this.#items.has(item.id);
    const made = this.#item(item.id, item.role === "assistant" ? "agent" : "user");
    const before = this.#items.get(previous)?.line;
    if (!known && before && before.nextSibling !== made.line) before.after(made.line);
    const text = (item.content ?? []).map((part) => part.text ?? part.transcript ?? "").join(" ").trim();
    if (text && !made.text) this.#show(made, text, "final");
  }

  #written(item, response) {
    if (item?.type === "message") {
      const made = this.#item(item.id, "agent");
      made.line.dataset.response = response;
      this.#replies.set(response, made);
    } else {
      this.#added(item);
    }
  }

  #wrote({ item_id, response_id, delta }) {
    const item = this.#item(item_id, "agent");
    this.#replies.set(response_id, item);
    if (!item.line.dataset.outcome) this.#show(item, item.text + delta, "streaming");
  }

  #calls(id, name, argumentsText, callId) {
    const item = this.#item(id, "tool");
    item.line.dataset.call = callId ?? item.line.dataset.call ?? "";
    const result = item.words.querySelector(".result");
    const call = element("code", "call");
    call.append(element("b", "", name ?? "tool"), ` ${pretty(argumentsText)}`);
    item.words.replaceChildren(call, ...(result ? [result] : []));
    item.line.hidden = false;
    this.#toEnd();
  }

  #answered({ call_id, output }) {
    for (const { line, words } of this.#items.values()) {
      if (line.dataset.call !== call_id || words.querySelector(".result")) continue;
      words.append(element("code", "result", pretty(output)));
      this.#toEnd();
    }
  }

  #replyEnded({ response_id, item_id, outcome, text, heard_text }) {
    const item = this.#items.get(item_id) ?? this.#replies.get(response_id);
    if (!item) return;
    const whole = text ?? item.text;
    this.#show(item, whole, "done");
    item.line.dataset.outcome = outcome;
    const stopped = outcome === "interrupted" || outcome === "cancelled" || outcome === "failed";
    const heard = stopped ? heardLength(whole, heard_text ?? "") : whole.length;
    if (heard < whole.length) {
      const unheard = element("s", "", whole.slice(heard));
      unheard.dataset.unheard = "";
      item.words.replaceChildren(whole.slice(0, heard), unheard);
    }
    if (REMARKS[outcome] && whole) item.words.append(element("small", "remark", REMARKS[outcome]));
    this.#announce(`Agent: ${whole.slice(0, heard)}${heard < whole.length ? ". Interrupted." : ""}`);
    this.#toEnd();
  }

  #responseDone(response) {
    const item = this.#replies.get(response?.id);
    if (item?.line.dataset.status === "streaming") item.line.dataset.status = "written";
    if (response?.status === "failed" && !item?.text) {
      this.note(response.status_details?.error?.message || "The agent could not answer.");
    }
  }

  #toEnd() {
    if (this.#follows) this.#scroll.scrollTop = this.#scroll.scrollHeight;
    // On a narrow screen the page scrolls, not the list.
    const page = document.scrollingElement;
    const below = page.scrollHeight - page.scrollTop - page.clientHeight;
    if (this.#scroll.scrollHeight <= this.#scroll.clientHeight && below < 600) {
      this.#list.lastElementChild?.scrollIntoView({ block: "nearest" });
    }
  }
}

function pretty(json) {
  try {
    const value = JSON.parse(json);
    if (value === null || typeof value !== "object") return String(value);
    return Object.entries(value).map(([key, part]) => `${key}: ${typeof part === "string" ? part : JSON.stringify(part)}`).join(", ");
  } catch {
    return json ?? "";
  }
}
