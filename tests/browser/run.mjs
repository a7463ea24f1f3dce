// A real browser with a microphone made of a file talks to the daemon through the console's page.
// Prints one line per check and `N passed, M failed`; keeps screenshots in `out/`.
// VOICED_BIN names the daemon's binary, VOICED_URL a daemon that runs already, CHROMIUM the browser.
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { chromium } from "playwright-core";
import { Daemon, speak } from "./daemon.mjs";
import { writeMicrophone } from "./wav.mjs";

const CHROMIUM = process.env.CHROMIUM || "/usr/bin/chromium";
const OUT = resolve(import.meta.dirname, "out");
const WHOLE_RUN_MS = 175_000;
const TURN_MS = 30_000;
// The question comes round every 13 seconds: the recogniser has three tries.
const HEARING_MS = 45_000;
// The microphone's silence while the agent greets; speech before that would interrupt the greeting.
const GREETING_S = 6.5;
// A story is longer than any other answer, so a crossed-out rest of it is no accident.
const STORY_LETTERS = 120;
const DESK = { viewport: { width: 1280, height: 860 } };
const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };
const QUIET_FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--autoplay-policy=no-user-gesture-required",
];

let passed = 0;
let failed = 0;
const browsers = new Set();
const sounds = mkdtempSync(join(tmpdir(), "voiced-browser-"));

async function check(what, body) {
  const begun = performance.now();
  try {
    const note = await body();
    passed += 1;
    console.log(`ok    ${what}${note ? `: ${note}` : ""} (${((performance.now() - begun) / 1000).toFixed(1)} s)`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL  ${what}: ${brief(error)}`);
  }
}

function brief(error) {
  return error.message.replace(/\s+/g, " ").slice(0, 400);
}

/** A part of the run that goes on without the parts before it. */
async function part(what, body) {
  try {
    await body();
  } catch (error) {
    failed += 1;
    console.log(`FAIL  ${what} stopped: ${brief(error)}`);
    for (const browser of browsers) await browser.close();
    browsers.clear();
  }
}

function must(condition, why) {
  if (!condition) throw new Error(why);
}

// The browser

/** A page of a browser whose microphone plays `wav` again and again; refuses the microphone when there is none. */
async function open(url, { wav, colours = "light", ...context }) {
  const microphone = wav
    ? ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream", `--use-file-for-fake-audio-capture=${wav}`]
    : ["--deny-permission-prompts", "--use-fake-device-for-media-stream"];
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: [...QUIET_FLAGS, ...microphone] });
  browsers.add(browser);
  const made = await browser.newContext({ ...context, colorScheme: colours, permissions: wav ? ["microphone"] : [] });
  made.setDefaultTimeout(TURN_MS / 2);
  const page = await made.newPage();
  page.faults = [];
  page.on("pageerror", (error) => page.faults.push(error.message));
  page.on("console", (line) => /Content Security Policy/.test(line.text()) && page.faults.push(line.text()));
  page.on("request", (request) => {
    const foreign = /^(https?|wss?):/.test(request.url()) && new URL(request.url()).host !== new URL(url).host;
    if (foreign) page.faults.push(`asked another host: ${request.url()}`);
  });
  // The page keeps its connection to itself; the statistics are the browser's word that sound came.
  await page.addInitScript(() => {
    const peers = (window.peersForTest = []);
    window.RTCPeerConnection = class extends RTCPeerConnection {
      constructor(...settings) {
        super(...settings);
        peers.push(this);
      }
    };
  });
  await page.goto(url);
  await until(page, "the catalogue", () => document.getElementById("persona").value !== "");
  return page;
}

async function close(page) {
  const browser = page.context().browser();
  browsers.delete(browser);
  await browser.close();
}

async function until(page, what, condition, argument, ms = TURN_MS) {
  try {
    await page.waitForFunction(condition, argument, { timeout: ms, polling: 50 });
  } catch {
    const state = await page.evaluate(() => `${document.body.dataset.state}, ${document.getElementById("turns").innerText.replace(/\s+/g, " ")}`).catch(() => "no page");
    throw new Error(`waited ${ms / 1000} s for ${what}; the page says: ${state}`);
  }
}

async function press(page) {
  await page.click("#talk");
  await until(page, "the call to stand", () => Boolean(document.body.dataset.call));
}

/** The energy of the sound received, as the browser's statistics count it. */
function energy(page) {
  return page.evaluate(async () => {
    let sum = 0;
    for (const peer of window.peersForTest) {
      if (peer.connectionState === "closed") continue;
      for (const stat of (await peer.getStats()).values()) {
        if (stat.type === "inbound-rtp" && stat.kind === "audio") sum += stat.totalAudioEnergy ?? 0;
      }
    }
    return sum;
  });
}

/** How many of the expected words a caption of the caller has, at best. */
function bestCaption(page, expected) {
  return page.evaluate((words) => {
    const captions = [...document.querySelectorAll('#turns [data-role="user"]:not([hidden]) .words')].map((line) => line.textContent.toLowerCase());
    const score = (text) => words.filter((word) => text.split(/[^a-z']+/).includes(word)).length;
    return captions.map((text) => ({ text, score: score(text) })).sort((a, b) => b.score - a.score)[0] ?? { text: "", score: 0 };
  }, expected);
}

async function noSidewaysScroll(page) {
  // A telephone's browser widens its window to what does not fit: the window asked for is what counts.
  const { width } = page.viewportSize();
  const content = await page.evaluate(() => document.documentElement.scrollWidth);
  must(content <= width, `the page is ${content} px wide on a screen of ${width} px`);
}

/** The heading of the message in sight, which must be about `subject`. */
async function explanation(page, subject) {
  must(await page.locator("#notice").isVisible(), "the message is not in sight");
  const title = await page.locator("#notice-title").textContent();
  must(subject.test(title), `the message is "${title}"`);
  return title;
}

const shot = (page, name) => page.screenshot({ path: join(OUT, `${name}.png`) });

// The checks

const QUESTION = ["what", "time", "is", "it"];

async function conversation(url) {
  const wav = join(sounds, "question.wav");
  writeMicrophone(wav, [GREETING_S, join(sounds, "time.wav"), 5]);
  const page = await open(url, { wav, ...DESK });
  await shot(page, "desk-idle");
  await check("the heard part of a reply is told from the rest", async () => {
    const found = await page.evaluate(async () => {
      const { heardLength } = await import("/conversation.js");
      return [["One two three.", "One two"], ["One  two\nthree.", "One two"], ["One two.", "One two."], ["One two.", ""], ["One two.", "Another"]].map(([text, heard]) => text.slice(heardLength(text, heard)));
    });
    const expected = ["three.", "three.", "", "One two.", "One two."];
    must(JSON.stringify(found) === JSON.stringify(expected), JSON.stringify(found));
  });
  await check("the button makes a call", async () => {
    await press(page);
    return page.evaluate(() => document.body.dataset.call);
  });
  await check("words appear while they are spoken", () =>
    until(page, "a partial caption", () => document.querySelector('[data-role="user"][data-status="partial"]:not([hidden])') !== null, null, HEARING_MS));
  await check("the caller is heard", async () => {
    // Half of the words: the recogniser of the embedded configuration is modest.
    await until(page, "the question in a caption", ([words, least]) =>
      [...document.querySelectorAll('[data-role="user"][data-status="final"] .words')].some(
        (line) => words.filter((word) => line.textContent.toLowerCase().split(/[^a-z']+/).includes(word)).length >= least),
      [QUESTION, QUESTION.length / 2], HEARING_MS);
    return `"${(await bestCaption(page, QUESTION)).text}"`;
  });
  await check("the agent's words appear after the caller's", async () => {
    await until(page, "an agent's line after a caller's", () =>
      document.querySelector('#turns [data-role="user"]:not([hidden]) ~ [data-role="agent"]:not([hidden])') !== null);
    return page.evaluate(() => `"${document.querySelector('#turns [data-role="user"]:not([hidden]) ~ [data-role="agent"]:not([hidden]) .words').textContent}"`);
  });
  await check("the agent is heard", async () => {
    await until(page, "the agent's level", () => Number(document.getElementById("score").dataset.agent) > 20);
    const sum = await energy(page);
    must(sum > 0, "the browser received no sound");
    return `energy ${sum.toExponential(1)}`;
  });
  await check("the page shows where the time went", async () => {
    await until(page, "a turn's times", () => Number(document.getElementById("timing").dataset.turns) > 0);
    const steps = await page.evaluate(() => [...document.querySelectorAll("#waterfall .step")].map((row) => [row.dataset.step, row.querySelector(".ms").textContent, row.querySelector(".bar i")?.getBoundingClientRect().width ?? 0]));
    const heard = steps.find(([name]) => name === "heard_ms");
    must(steps.length === 5 && Number(heard[1]) > 0 && heard[2] > 0, `the steps are ${JSON.stringify(steps)}`);
    return steps.map(([name, ms]) => `${name.replace("_ms", "")} ${ms}`).join(", ");
  });
  await shot(page, "desk-talking");
  await typed(page);
  await check("mute silences the microphone", async () => {
    await page.click("#mute");
    await until(page, "the microphone's track to be off", () =>
      document.body.dataset.muted === "true" && window.peersForTest.at(-1).getSenders().every(({ track }) => track?.enabled !== true));
    await until(page, "the caller's level to fall", () => document.getElementById("score").dataset.you === "0");
  });
  await check("the button hangs up", async () => {
    await page.click("#talk");
    await until(page, "the end", () => document.body.dataset.state === "ended");
  });
  await faultless(page);
  await close(page);
}

async function typed(page) {
  await check("typed words are answered, markup stays text", async () => {
    const text = "what time is it <img src=x>";
    const before = await page.evaluate(() => document.querySelectorAll('#turns [data-role="agent"]:not([hidden])').length);
    await page.fill("#typed", text);
    await page.keyboard.press("Enter");
    await until(page, "the typed line", (words) => [...document.querySelectorAll('[data-role="user"] .words')].some((line) => line.textContent === words), text);
    await until(page, "an answer", (had) => document.querySelectorAll('#turns [data-role="agent"]:not([hidden])').length > had, before);
    must((await page.locator("#turns img").count()) === 0, "typed markup became an element");
  });
}

async function faultless(page) {
  await check("the page has no errors and asks nobody else", async () => must(page.faults.length === 0, page.faults.join(" | ")));
}

async function interruption(url) {
  const wav = join(sounds, "interrupt.wav");
  writeMicrophone(wav, [GREETING_S, join(sounds, "story.wav"), 7, join(sounds, "wait.wav"), 6]);
  const page = await open(url, { wav, colours: "dark", ...PHONE });
  await check("the console fits a phone, idle", async () => {
    await noSidewaysScroll(page);
    await shot(page, "phone-idle-dark");
  });
  await press(page);
  await check("talking over the agent stops it, and the page shows what was not heard", async () => {
    await until(page, "a crossed-out rest of a story", (least) =>
      [...document.querySelectorAll('[data-outcome="interrupted"] [data-unheard]')].some(
        (rest) => rest.previousSibling?.textContent.trim() && rest.parentElement.textContent.length > least),
      STORY_LETTERS, 2 * TURN_MS);
    const [heard, unheard] = await page.evaluate(() => {
      const rest = document.querySelector('[data-outcome="interrupted"] [data-unheard]');
      return [rest.previousSibling?.textContent ?? "", rest.textContent];
    });
    return `heard "${heard.trim().slice(-30)}", crossed out "${unheard.slice(0, 30)}"`;
  });
  await check("the one who spoke over it is answered", () =>
    until(page, "an answer to the interruption", () =>
      document.querySelector('[data-outcome="interrupted"] ~ [data-role="user"]:not([hidden]) ~ [data-role="agent"]:not([hidden])') !== null));
  await check("the console fits a phone, in a call", async () => {
    await page.evaluate(() => document.querySelector("[data-unheard]").scrollIntoView({ block: "center" }));
    await shot(page, "phone-interrupted-dark");
    await noSidewaysScroll(page);
  });
  await faultless(page);
  await close(page);
}

async function refused(url) {
  const page = await open(url, DESK);
  await check("a refused microphone is explained", async () => {
    await page.click("#talk");
    await until(page, "the explanation", () => document.body.dataset.notice === "microphone-refused");
    await shot(page, "microphone-refused");
    return explanation(page, /microphone was refused/);
  });
  await check("without a microphone one can still type", async () => {
    await page.click("#without-microphone");
    await until(page, "the call to stand", () => Boolean(document.body.dataset.call));
    await page.fill("#typed", "hello");
    await page.keyboard.press("Enter");
    await until(page, "an answer", () => document.querySelector('[data-role="user"] ~ [data-role="agent"]:not([hidden])') !== null);
  });
  await close(page);
}

async function serverGone(daemon) {
  const page = await open(daemon.url, { wav: join(sounds, "question.wav"), ...DESK });
  await press(page);
  await check("a server that went away is explained", async () => {
    await daemon.kill();
    await until(page, "the explanation", () => document.body.dataset.notice === "gone");
    await shot(page, "server-gone");
    return explanation(page, /server went away/);
  });
  const again = await Daemon.start(daemon.port);
  await check("the reconnect button brings the call back", async () => {
    await page.click("#retry");
    await until(page, "the call to stand", () => Boolean(document.body.dataset.call));
  });
  await close(page);
  await again.kill();
}

// The run

async function main() {
  rmSync(OUT, { recursive: true, force: true });
  mkdirSync(OUT, { recursive: true });
  speak("what time is it", join(sounds, "time.wav"));
  speak("tell me a story", join(sounds, "story.wav"));
  speak("wait, what time is it", join(sounds, "wait.wav"));
  const daemon = process.env.VOICED_URL ? null : await Daemon.start();
  const url = daemon?.url ?? process.env.VOICED_URL;
  try {
    await part("the conversation", () => conversation(url));
    await part("the interruption", () => interruption(url));
    await part("the refused microphone", () => refused(url));
    if (daemon) await part("the server that went away", () => serverGone(daemon));
    else console.log("skip  a server that went away: the daemon is not ours to end (VOICED_URL)");
  } finally {
    await daemon?.kill();
  }
}

const watchdog = setTimeout(async () => {
  console.log(`FAIL  the whole run took longer than ${WHOLE_RUN_MS / 1000} s`);
  await Daemon.killAll();
  finish(1);
}, WHOLE_RUN_MS);

function finish(unfinished) {
  clearTimeout(watchdog);
  rmSync(sounds, { recursive: true, force: true });
  console.log(`${passed} passed, ${failed + unfinished} failed`);
  process.exitCode = failed + unfinished > 0 ? 1 : 0;
  if (unfinished) process.exit(1);
}

main().then(
  () => finish(0),
  async (error) => {
    console.log(`FAIL  the run: ${brief(error)}`);
    for (const browser of browsers) await browser.close().catch(() => {});
    await Daemon.killAll();
    finish(1);
  },
);
