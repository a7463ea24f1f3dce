// The console: connects the page's controls with a call and shows what the call says of itself.
// What the page is doing can be read from `data-state`, `data-call`, `data-muted` and `data-notice` of the body.

import { Call, CallProblem, authorization, microphoneTrack, refusal } from "./call.js";
import { Conversation } from "./conversation.js";
import { endOfCall, wordsFor } from "./problems.js";
import { Score } from "./score.js";
import { Waterfall } from "./waterfall.js";

const at = (id) => document.getElementById(id);
const page = document.body.dataset;
const stored = {
  get: (name) => localStorage.getItem(`voiced.${name}`) ?? "",
  set: (name, value) => localStorage.setItem(`voiced.${name}`, value),
};

const score = new Score(at("score"));
const waterfall = new Waterfall(at("timing"), at("waterfall"));
const conversation = new Conversation(at("turns"), at("scroll"), (text) => (at("announcer").textContent = text));

const STATES = {
  idle: ["Ready", "Press the button and talk."],
  connecting: ["Connecting", "If your browser asks, allow the microphone."],
  listening: ["Listening", "Go ahead."],
  "user-speaking": ["You are speaking", "Pause, and it answers."],
  thinking: ["Thinking", ""],
  speaking: ["Speaking", "Talk over it any time."],
  held: ["Holding", "It heard something, and waits to see whether you mean it."],
  ended: ["Call ended", "Press the button to call again."],
  failed: ["No call", "See the message above."],
};
// A turn that comes to nothing, such as a cough, is announced by nothing: after this it is listening again.
const THINKING_MS = 5_000;

let call = null;
let hasMicrophone = false;
let catalogue = { personas: [], voices: [] };
const QUIET = { userSpeaks: false, awaits: false, replying: false, sounding: false, held: false };
const now = { ...QUIET };
let awaiting = 0;
let asked = false;

// The state, in words

function showState(state) {
  if (page.state === state) return;
  page.state = state;
  const [word, hint] = STATES[state];
  at("state").textContent = word;
  at("hint").textContent = hintFor(state, hint);
  const inCall = !["idle", "ended", "failed"].includes(state);
  at("talk-label").textContent = inCall ? "Hang up" : "Talk";
  at("talk").setAttribute("aria-pressed", String(inCall));
  at("mute").disabled = !inCall || state === "connecting";
}

function hintFor(state, hint) {
  if (state !== "listening") return hint;
  if (!hasMicrophone) return "No microphone in this call: type below.";
  return page.muted === "true" ? "You are muted." : hint;
}

function showCall() {
  if (!call || page.state === "connecting") return;
  if (now.held) showState("held");
  else if (now.userSpeaks) showState("user-speaking");
  else if (now.sounding) showState("speaking");
  else if (now.replying || now.awaits) showState("thinking");
  else showState("listening");
}

function awaitReply(waits) {
  clearTimeout(awaiting);
  now.awaits = waits;
  asked ||= waits;
  if (waits) awaiting = setTimeout(() => (awaitReply(false), showCall()), THINKING_MS);
}

// Events of the call

// Cancelling what has just ended by itself is nobody's mistake; the end of a call is told by `voiced.call.ended`.
const EXPECTED_ERRORS = ["response_cancel_not_active", "session_expired", "server_shutting_down"];

const HEARD = {
  "session.created": ({ session }) => configure(session),
  "input_audio_buffer.speech_started": () => ((now.userSpeaks = true), awaitReply(false)),
  "input_audio_buffer.speech_stopped": () => ((now.userSpeaks = false), awaitReply(true)),
  "conversation.item.input_audio_transcription.completed": ({ transcript }) => transcript.trim() || awaitReply(false),
  "voiced.turn.discarded": () => ((now.userSpeaks = false), awaitReply(false)),
  "response.created": () => ((now.replying = true), awaitReply(false)),
  "response.done": () => (now.replying = false),
  "output_audio_buffer.started": () => ((now.sounding = true), awaitReply(false)),
  "output_audio_buffer.stopped": () => (now.sounding = false),
  "output_audio_buffer.cleared": () => ((now.sounding = false), (now.held = false), score.mark("cut")),
  "voiced.reply.held": () => ((now.held = true), score.mark("held")),
  "voiced.reply.resumed": () => (now.held = false),
  "voiced.reply.ended": () => ((now.held = false), (now.replying = false), (now.sounding = false)),
  "voiced.turn.timed": (event) => {
    // A greeting answers nobody.
    if (!asked) return;
    waterfall.take(event);
    conversation.timed(event.response_id, event.heard_ms);
    if (event.heard_ms) score.mark("answer", event.heard_ms);
  },
  "voiced.call.ended": ({ reason }) => endedByServer(reason),
  error: ({ error }) => {
    if (!EXPECTED_ERRORS.includes(error.code)) conversation.note(error.message);
  },
};

function heard(event) {
  conversation.take(event);
  HEARD[event.type]?.(event);
  at("overture").hidden = at("turns").querySelector("li:not([hidden])") !== null;
  showCall();
}

/** Asks for what the page needs: the caller's words, and the voice that was picked. */
function configure(session) {
  const audio = {};
  const voice = at("voice").value;
  if (voice) audio.output = { voice };
  if (!session?.audio?.input?.transcription) audio.input = { transcription: { model: "default" } };
  if (Object.keys(audio).length > 0) call.send({ type: "session.update", session: { type: "realtime", audio } });
}

// A call from beginning to end

async function talk(withMicrophone) {
  if (call) return;
  hideNotice();
  page.state = "";
  showState("connecting");
  page.muted = "false";
  Object.assign(now, QUIET);
  conversation.newCall();
  waterfall.clear();
  asked = false;
  let track = null;
  const mine = new Call(sessionStorage.getItem("voiced.key"), {
    event: heard,
    sound: (stream) => {
      at("loudspeaker").srcObject = stream;
      score.listen("agent", stream);
    },
    ended: (problem) => ended(mine, problem),
  });
  call = mine;
  try {
    score.audio();
    track = withMicrophone ? await microphoneTrack(stored.get("microphone")) : score.silence();
    if (call !== mine) throw new CallProblem("given-up");
    hasMicrophone = withMicrophone;
    if (withMicrophone) listenTo(track);
    await mine.connect(track, at("persona").value);
    page.call = mine.id;
    page.state = "";
    showState("listening");
    showCall();
    showMute();
    score.start();
  } catch (error) {
    track?.stop();
    if (error.kind === "given-up" || call !== mine) return;
    call = null;
    mine.hangUp();
    score.stop();
    problem(error);
  }
}

/** The end of a call that stood, or of one given up by the button. */
function ended(which, trouble) {
  if (call !== which) return;
  call = null;
  page.call = "";
  Object.assign(now, QUIET);
  clearTimeout(awaiting);
  conversation.callEnded();
  score.stop();
  at("loudspeaker").srcObject = null;
  if (trouble) problem(trouble);
  else showState("ended");
}

function endedByServer(reason) {
  const { problem: kind, remark } = endOfCall(reason);
  if (remark) conversation.note(remark);
  const over = call;
  if (kind) ended(over, new CallProblem(kind));
  over?.hangUp();
}

function listenTo(track) {
  score.listen("you", new MediaStream([track]));
  track.addEventListener("ended", () => call && conversation.note("The microphone was unplugged. Pick another one."));
  track.enabled = page.muted !== "true";
  microphone = track;
  fillMicrophones();
}

async function changeMicrophone() {
  stored.set("microphone", at("microphone").value);
  if (!call || page.state === "connecting") return;
  try {
    const track = await microphoneTrack(at("microphone").value);
    if (!call) return track.stop();
    await call.replaceTrack(track);
    hasMicrophone = true;
    listenTo(track);
    showMute();
  } catch (error) {
    notice(error.kind, error.detail);
  }
}

let microphone = null;

function mute() {
  if (!call || page.state === "connecting") return;
  if (!hasMicrophone) {
    changeMicrophone();
    return;
  }
  microphone.enabled = !microphone.enabled;
  page.muted = String(!microphone.enabled);
  showMute();
}

function showMute() {
  const muted = page.muted === "true";
  at("mute").setAttribute("aria-pressed", String(muted || !hasMicrophone));
  at("mute-label").textContent = hasMicrophone ? (muted ? "Unmute" : "Mute") : "Use microphone";
  if (page.state === "listening") at("hint").textContent = hintFor("listening", STATES.listening[1]);
}

// Typed input

async function send(text) {
  if (!call) await talk(false);
  if (!call || page.state === "connecting") return false;
  if (now.replying) call.send({ type: "response.cancel" });
  if (now.replying || now.sounding) call.send({ type: "output_audio_buffer.clear" });
  const id = `item_typed${Date.now().toString(36)}`;
  conversation.typed(id, text);
  at("overture").hidden = true;
  call.send({
    type: "conversation.item.create",
    item: { id, type: "message", role: "user", content: [{ type: "input_text", text }] },
  });
  call.send({ type: "response.create" });
  awaitReply(true);
  showCall();
  return true;
}

// Problems

function problem(error) {
  showState("failed");
  notice(error.kind ?? "failed", error.detail ?? "");
}

function notice(kind, detail) {
  const known = sessionStorage.getItem("voiced.key");
  const { title, text, retry, typing } = wordsFor(kind === "key" && known ? "wrong-key" : kind, detail);
  page.notice = kind;
  at("notice-title").textContent = title;
  at("notice-text").textContent = text;
  at("key-form").hidden = kind !== "key";
  at("retry").hidden = !retry;
  at("retry").textContent = retry ?? "";
  at("without-microphone").hidden = !typing;
  at("notice").hidden = false;
  (kind === "key" ? at("key") : at("retry")).focus();
}

function hideNotice() {
  page.notice = "";
  at("notice").hidden = true;
}

// Pickers

async function fillCatalogue() {
  const answer = await fetch("/v1/console/catalogue", { headers: authorization(sessionStorage.getItem("voiced.key")) }).catch(() => null);
  if (!answer) return notice("unreachable");
  if (!answer.ok) {
    const refused = await refusal(answer);
    return notice(refused.kind, refused.detail);
  }
  catalogue = await answer.json();
  fill(at("persona"), catalogue.personas.map(({ name }) => [name, name.replaceAll(/[_-]/g, " ")]), stored.get("persona"));
  fillVoices();
  aboutPersona();
  aboutEngines(catalogue.engines ?? {});
}

function fillVoices() {
  const voices = catalogue.voices.map(({ name, language }) => [name, language ? `${name} (${language})` : name]);
  fill(at("voice"), [["", "its own voice"], ...voices], stored.get("voice"));
  for (const [i, { description }] of catalogue.voices.entries()) at("voice").options[i + 1].title = description ?? "";
}

function aboutPersona() {
  const persona = catalogue.personas.find(({ name }) => name === at("persona").value);
  at("about").textContent = persona?.description ?? "";
}

function aboutEngines({ ear, mind, voice }) {
  const named = [["Ear", ear], ["Mind", mind], ["Voice", voice]].filter(([, engine]) => engine);
  const words = named.map(([part, engine]) => `${part}: ${engine.name ?? engine}`);
  at("engines").textContent = words.join(" · ");
  at("modesty").hidden = !/sphinx/i.test(JSON.stringify(ear ?? ""));
}

async function fillMicrophones() {
  const devices = (await navigator.mediaDevices?.enumerateDevices().catch(() => [])) ?? [];
  const known = devices.filter(({ kind, deviceId, label }) => kind === "audioinput" && deviceId && deviceId !== "default" && label);
  fill(at("microphone"), [["", "the default microphone"], ...known.map(({ deviceId, label }) => [deviceId, label])], stored.get("microphone"));
}

function fill(select, options, chosen) {
  select.replaceChildren(...options.map(([value, text]) => new Option(text, value, false, value === chosen)));
  select.disabled = options.length === 0;
}

function remember(name) {
  stored.set(name, at(name).value);
  if (name === "persona") aboutPersona();
  if (call) conversation.note(`The new ${name} answers from the next call on.`);
}

// Colours

function showTheme(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
  const dark = theme ? theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  at("theme").setAttribute("aria-label", `Switch to ${dark ? "light" : "dark"} colours`);
  score.repaint();
  return dark;
}

at("talk").addEventListener("click", () => (call ? call.hangUp() : talk(true)));
at("mute").addEventListener("click", mute);
at("retry").addEventListener("click", () => (call ? (hideNotice(), changeMicrophone()) : talk(true)));
at("without-microphone").addEventListener("click", () => (call ? hideNotice() : talk(false)));
at("dismiss").addEventListener("click", () => (hideNotice(), at("talk").focus()));
at("persona").addEventListener("change", () => remember("persona"));
at("voice").addEventListener("change", () => remember("voice"));
at("microphone").addEventListener("change", changeMicrophone);
at("theme").addEventListener("click", () => {
  const theme = showTheme(stored.get("theme")) ? "light" : "dark";
  stored.set("theme", theme);
  showTheme(theme);
});
at("typed-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = at("typed").value.trim();
  if (text && (await send(text))) at("typed").value = "";
});
at("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("voiced.key", at("key").value.trim());
  hideNotice();
  fillCatalogue();
});
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input, select");
  if (event.key === "m" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) mute();
});
navigator.mediaDevices?.addEventListener?.("devicechange", fillMicrophones);
window.addEventListener("pagehide", () => call?.hangUp());

showTheme(stored.get("theme"));
fill(at("persona"), [["", "the agent"]]);
fill(at("voice"), [["", "its own voice"]]);
fillMicrophones();
fillCatalogue();
