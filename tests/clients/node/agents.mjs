// @openai/agents-realtime under Node: its session over the WebSocket, every event read by its own
// schemas (what does not fit them it passes on as "generic", which is counted here).
import { RealtimeAgent, RealtimeSession, OpenAIRealtimeWebSocket, tool } from "@openai/agents-realtime";
import { z } from "zod";
import { check, play, run, silence, SOCKET, sound, Witness } from "./checks.mjs";

const called = [];
const weather = tool({
  name: "get_weather",
  description: "The weather in a city.",
  parameters: z.object({ city: z.string() }),
  execute: async ({ city }) => {
    called.push(city);
    return "drizzle";
  },
});
const KINDS = ["audio", "audio_start", "audio_stopped", "audio_interrupted", "agent_end", "agent_tool_end", "error", "history_updated"];

async function opened(audio) {
  const agent = new RealtimeAgent({ name: "Assistant", instructions: "Be brief.", tools: [weather] });
  const transport = new OpenAIRealtimeWebSocket({ url: `${SOCKET}/v1/realtime?model=voiced` });
  const session = new RealtimeSession(agent, { transport, model: "voiced", config: { audio } });
  const witness = new Witness();
  for (const kind of KINDS) session.on(kind, (...told) => witness.tell(kind, told[0]));
  transport.on("*", (event) => witness.tell(event.type, event));
  await session.connect({ apiKey: "ek_any" });
  return { session, transport, witness };
}

function samples(witness, after) {
  return witness.of("audio", after).reduce((n, event) => n + event.data.byteLength / 2, 0);
}

async function textTurnAndToolRoundTrip() {
  const { session, witness } = await opened();
  session.sendMessage("hello");
  await witness.until("audio_stopped");
  check("a typed turn is answered aloud", samples(witness) > 12_000, samples(witness));
  const history = session.history.filter((item) => item.type === "message").map((item) => item.role);
  check("both sides are in its history", history.includes("user") && history.includes("assistant"), session.history);
  const after = witness.told.length;
  session.sendMessage("what is the weather like in Lisbon");
  await witness.until("agent_tool_end", after);
  check("its tool is called", called.length === 1, called);
  const said = await witness.until("response.output_audio_transcript.done", after, (event) => event.transcript.includes("drizzle"));
  check("and its result spoken", said, said);
  check("no error came", witness.of("error").length === 0, witness.of("error"));
  session.close();
}

async function spokenTurnAndBargeIn() {
  const turnDetection = { type: "server_vad", silenceDurationMs: 400, interruptResponse: true, createResponse: true };
  const { session, transport, witness } = await opened({ input: { turnDetection } });
  const speak = (piece) => session.sendAudio(piece.buffer.slice(piece.byteOffset, piece.byteOffset + piece.length));
  let speaking = play(speak, Buffer.concat([sound("question"), silence(2)]));
  const heard = await witness.until("conversation.item.input_audio_transcription.completed");
  check("speech is written down", heard.transcript.toLowerCase().includes("hear"), heard);
  await witness.until("audio_stopped");
  check("and answered aloud", samples(witness) > 12_000, samples(witness));
  await speaking;
  let after = witness.told.length;
  session.sendMessage("tell me a long story");
  await witness.until("audio", after);
  await new Promise((go) => setTimeout(go, 1_000));
  after = witness.told.length;
  speaking = play(speak, Buffer.concat([sound("interruption"), silence(3)]));
  await witness.until("audio_interrupted", after);
  const cut = await witness.until("conversation.item.truncated", after);
  check("speech interrupts, and what was not heard is truncated", cut.audio_end_ms > 0, cut);
  const done = await witness.until("response.done", after);
  check("the story is cancelled", done.response.status === "cancelled", done.response);
  await witness.until("audio_stopped", witness.told.length);
  check("the interruption is answered", true);
  await speaking;
  check("no error came", witness.of("error").length === 0, witness.of("error"));
  transport.close();
}

async function errorAndRecovery() {
  const { session, transport, witness } = await opened();
  transport.sendEvent({ type: "conversation.item.delete", item_id: "none", event_id: "mine" });
  const error = await witness.until("error");
  check("a mistake is told", JSON.stringify(error).includes("item_delete_invalid_item_id"), error);
  session.sendMessage("hello");
  await witness.until("audio_stopped");
  check("and the session goes on", samples(witness) > 12_000);
  session.close();
}

await run(textTurnAndToolRoundTrip, spokenTurnAndBargeIn, errorAndRecovery);
