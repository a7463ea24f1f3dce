// @openai/agents-realtime in headless Chromium over WebRTC: its own bundle in a page of another
// origin, a microphone made of a file, every event read by its own schemas.
import { createServer } from "node:http";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { writeMicrophone } from "../../browser/wav.mjs";
import { check, run, TURN_MS, URL_ } from "./checks.mjs";

const BUNDLE = new URL("node_modules/@openai/agents-realtime/dist/bundle/openai-realtime-agents.umd.js", import.meta.url);
const SOUNDS = process.env.VOICED_SOUNDS;
const FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
  "--autoplay-policy=no-user-gesture-required", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"];
const PAGE = "<!doctype html><meta charset=utf-8><title>client</title><script src=/bundle.js></script>";

/** The page is served by somebody else than the daemon, at the origin the daemon was told to allow. */
async function served() {
  const server = createServer((request, response) => {
    const isBundle = request.url === "/bundle.js";
    response.setHeader("content-type", isBundle ? "text/javascript" : "text/html");
    response.end(isBundle ? readFileSync(BUNDLE) : PAGE);
  });
  await new Promise((ready) => server.listen(Number(process.env.VOICED_PAGE_PORT), "127.0.0.1", ready));
  return server;
}

/** A page with a session in it; what it is told gathers in `told`. */
async function opened(browser, origin) {
  const context = await browser.newContext({ permissions: ["microphone"] });
  const page = await context.newPage();
  page.on("pageerror", (error) => console.log(`     the page: ${error.message}`));
  await page.goto(origin);
  await page.evaluate(async (daemon) => {
    const { RealtimeAgent, RealtimeSession, OpenAIRealtimeWebRTC, tool } = window.OpenAIAgentsRealtime;
    const made = await fetch(`${daemon}/v1/realtime/client_secrets`, {
      method: "POST", headers: { authorization: "Bearer any", "content-type": "application/json" }, body: "{}",
    });
    const { value } = await made.json();
    const weather = tool({
      name: "get_weather", description: "The weather in a city.", strict: false,
      parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"], additionalProperties: true },
      execute: async () => "drizzle",
    });
    const agent = new RealtimeAgent({ name: "Assistant", instructions: "Be brief.", tools: [weather] });
    const transport = new OpenAIRealtimeWebRTC({ baseUrl: `${daemon}/v1/realtime/calls` });
    const audio = { input: { turnDetection: { type: "server_vad", silenceDurationMs: 400 } } };
    const session = new RealtimeSession(agent, { transport, model: "voiced", config: { audio } });
    window.told = [];
    transport.on("*", (event) => window.told.push(event));
    session.on("error", (event) => window.told.push({ type: "failed", event: JSON.stringify(event.error ?? event) }));
    await session.connect({ apiKey: value });
    Object.assign(window, { session, transport });
  }, URL_);
  return page;
}

function until(page, what, test) {
  return page.waitForFunction(test, undefined, { timeout: TURN_MS, polling: 50 }).then(
    (found) => found.jsonValue(),
    async () => {
      const kinds = await page.evaluate(() => window.told.map((event) => event.type).slice(-40));
      throw new Error(`no ${what} after ${kinds}`);
    },
  );
}

async function withBrowser(parts, body) {
  const folder = mkdtempSync(join(tmpdir(), "voiced-chromium-"));
  const wav = join(folder, "microphone.wav");
  writeMicrophone(wav, parts);
  const flags = [...FLAGS, `--use-file-for-fake-audio-capture=${wav}%noloop`];
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || "/usr/bin/chromium", args: flags });
  const server = await served();
  try {
    await body(await opened(browser, `http://127.0.0.1:${server.address().port}`));
  } finally {
    await browser.close();
    server.closeAllConnections();
    server.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function spokenTurnTextTurnAndTool() {
  await withBrowser([4, `${SOUNDS}/question.wav`, 60], async (page) => {
    check("it connects from another origin", true);
    const heard = await until(page, "transcript", () =>
      window.told.find((event) => event.type === "conversation.item.input_audio_transcription.completed")?.transcript);
    check("speech is written down", heard.toLowerCase().includes("hear"), heard);
    await until(page, "spoken answer", () => window.told.find((event) => event.type === "output_audio_buffer.stopped"));
    check("and answered in sound", true);
    await page.evaluate(() => window.session.sendMessage("what is the weather like in Lisbon"));
    const said = await until(page, "answer after the tool", () => {
      const done = window.told.filter((event) => event.type === "response.output_audio_transcript.done");
      return done.find((event) => event.transcript.includes("drizzle"))?.transcript;
    });
    check("its tool is called and the result spoken", said, said);
    const failed = await page.evaluate(() => window.told.filter((event) => event.type === "failed" || event.type === "error"));
    check("no error came", failed.length === 0, failed);
  });
}

async function bargeInWithTruncation() {
  await withBrowser([9, `${SOUNDS}/interruption.wav`, 60], async (page) => {
    await page.evaluate(() => window.session.sendMessage("tell me a long story"));
    await until(page, "story", () => window.told.find((event) => event.type === "output_audio_buffer.started"));
    const done = await until(page, "cancelled story", () =>
      window.told.find((event) => event.type === "response.done" && event.response.status === "cancelled"));
    check("speech cancels the story", done.response.status_details.reason === "turn_detected", done.response.status_details);
    const cut = await until(page, "truncation", () => window.told.find((event) => event.type === "conversation.item.truncated"));
    check("the server truncates what was not heard", cut.audio_end_ms > 0, cut);
    check("and drops what was not played", await page.evaluate(() => window.told.some((event) => event.type === "output_audio_buffer.cleared")));
    const again = await until(page, "answer", () => {
      const ended = window.told.filter((event) => event.type === "response.done");
      return ended.length > 1 && ended.at(-1).response.status;
    });
    check("the interruption is answered", again === "completed", again);
    await page.evaluate(() => window.transport.sendEvent({ type: "conversation.item.delete", item_id: "none" }));
    const error = await until(page, "error", () => window.told.find((event) => event.type === "error"));
    check("a mistake is told", error.error.code === "item_delete_invalid_item_id", error);
    await page.evaluate(() => window.session.sendMessage("hello"));
    await until(page, "answer after the mistake", () => window.told.filter((event) => event.type === "response.done").length > 2);
    check("and the call goes on", true);
    const events = await page.evaluate(() => window.told.filter((event) => event.event_id));
    console.log(`RECORD ${JSON.stringify(events)}`);
  });
}

await run(spokenTurnTextTurnAndTool, bargeInWithTruncation);
