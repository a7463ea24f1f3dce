// The openai package for JavaScript over TLS, which it insists on: a conversation on its WebSocket,
// and speech without one. NODE_EXTRA_CA_CERTS names the daemon's own certificate.
import OpenAI, { toFile } from "openai";
import { OpenAIRealtimeWS } from "openai/realtime/ws";
import { check, play, run, silence, sound, URL_, Witness } from "./checks.mjs";

const client = new OpenAI({ apiKey: "any", baseURL: `${URL_}/v1`, maxRetries: 0 });

async function opened(session) {
  const call = new OpenAIRealtimeWS({ model: "voiced" }, client);
  const witness = new Witness();
  call.on("event", (event) => witness.tell(event.type, event));
  call.on("error", (error) => witness.tell("failed", error));
  await witness.until("session.created");
  call.send({ type: "session.update", session: { type: "realtime", ...session } });
  await witness.until("session.updated");
  return { call, witness };
}

function type(call, text) {
  const content = [{ type: "input_text", text }];
  call.send({ type: "conversation.item.create", item: { type: "message", role: "user", content } });
  call.send({ type: "response.create" });
}

async function textTurnAndToolRoundTrip() {
  const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
  const tools = [{ type: "function", name: "get_weather", description: "The weather", parameters }];
  const { call, witness } = await opened({ tools, output_modalities: ["text"] });
  type(call, "hello");
  const done = await witness.until("response.done");
  check("a typed turn is answered", done.response.status === "completed" && done.response.output[0].content[0].text, done);
  let after = witness.told.length;
  type(call, "what is the weather like in Lisbon");
  const asked = (await witness.until("response.done", after)).response.output.find((item) => item.type === "function_call");
  check("the tool is called", asked?.name === "get_weather", asked);
  after = witness.told.length;
  call.send({ type: "conversation.item.create", item: { type: "function_call_output", call_id: asked.call_id, output: "drizzle" } });
  call.send({ type: "response.create" });
  const answered = await witness.until("response.output_text.done", after);
  check("and its result told", answered.text.includes("drizzle"), answered);
  call.close();
}

async function spokenTurnAndBargeIn() {
  const turn_detection = { type: "server_vad", silence_duration_ms: 400 };
  const { call, witness } = await opened({ audio: { input: { turn_detection, transcription: { model: "voiced" } } } });
  const speak = (piece) => call.send({ type: "input_audio_buffer.append", audio: piece.toString("base64") });
  let speaking = play(speak, Buffer.concat([sound("question"), silence(2)]));
  const heard = await witness.until("conversation.item.input_audio_transcription.completed");
  check("speech is written down", heard.transcript.toLowerCase().includes("hear"), heard);
  const done = await witness.until("response.done");
  check("and answered aloud", done.response.status === "completed" && witness.of("response.output_audio.delta").length > 3, done);
  await speaking;
  let after = witness.told.length;
  type(call, "tell me a long story");
  const first = await witness.until("response.output_audio.delta", after);
  await new Promise((go) => setTimeout(go, 1_000));
  after = witness.told.length;
  speaking = play(speak, Buffer.concat([sound("interruption"), silence(3)]));
  const cut = await witness.until("response.done", after);
  check("speech cancels the story", cut.response.status === "cancelled" && cut.response.status_details.reason === "turn_detected", cut);
  call.send({ type: "conversation.item.truncate", item_id: first.item_id, content_index: 0, audio_end_ms: 600 });
  await witness.until("conversation.item.truncated", after);
  check("the story is truncated", true);
  await witness.until("response.done", after, (event) => event.response.id !== cut.response.id);
  check("the interruption is answered", true);
  await speaking;
  call.close();
}

async function errorAndRecovery() {
  const { call, witness } = await opened({ output_modalities: ["text"] });
  call.send({ type: "response.cancel", event_id: "mine" });
  const error = await witness.until("failed");
  check("a mistake is told", error.error?.code === "response_cancel_not_active" && error.error?.event_id === "mine", String(error));
  type(call, "hello");
  check("and the call goes on", (await witness.until("response.done")).response.status === "completed");
  call.close();
}

async function withoutAConversation() {
  const spoken = await client.audio.speech.create({ model: "tts-1", voice: "alloy", input: "Can you hear me?", response_format: "wav" });
  const bytes = Buffer.from(await spoken.arrayBuffer());
  const file = await toFile(bytes, "speech.wav");
  const { text } = await client.audio.transcriptions.create({ model: "whisper-1", file });
  check("what is spoken is heard again", text.toLowerCase().includes("hear me"), text);
  const secret = await client.realtime.clientSecrets.create({ session: { type: "realtime", instructions: "Be brief." } });
  check("a secret is made", secret.value.startsWith("ek_") && secret.session.instructions === "Be brief.", secret);
}

await run(textTurnAndToolRoundTrip, spokenTurnAndBargeIn, errorAndRecovery, withoutAConversation);
