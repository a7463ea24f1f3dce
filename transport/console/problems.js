// What went wrong, in words that say what to do.

/** `retry` is what the button says; `typing` offers a call without a microphone. */
const WORDS = {
  "microphone-refused": {
    title: "The microphone was refused",
    text: "Your browser did not let this page use the microphone. Allow it in the address bar or in the site settings, then try again. You can also type.",
    retry: "Try again",
    typing: true,
  },
  "microphone-missing": {
    title: "No microphone found",
    text: "This machine has no microphone that the browser can use. Plug one in and try again, or type.",
    retry: "Try again",
    typing: true,
  },
  "microphone-busy": {
    title: "The microphone is busy",
    text: "Another program holds the microphone, or the system did not hand it over. Close that program, or pick another microphone.",
    retry: "Try again",
    typing: true,
  },
  insecure: {
    title: "The browser hides the microphone here",
    text: "Browsers give the microphone only to secure pages. Open this page as http://127.0.0.1 on the server's own machine, or over HTTPS.",
    retry: "Try again",
    typing: true,
  },
  "wrong-key": {
    title: "That key was not accepted",
    text: "Check it and enter it again, or ask the server's operator for another.",
  },
  key: {
    title: "This server wants a key",
    text: "Enter a key that its operator configured. It is kept in this tab only.",
  },
  full: {
    title: "All lines are busy",
    text: "The server carries no more calls right now. Nothing is wrong at your side; try again in a moment.",
    retry: "Try again",
  },
  "too-many": {
    title: "Too many calls from here",
    text: "This machine already holds as many calls as the server allows one address. End one of them first.",
    retry: "Try again",
  },
  refused: {
    title: "The server did not take the call",
    text: "",
    retry: "Try again",
  },
  unreachable: {
    title: "The server cannot be reached",
    text: "Nothing answers at this address. Start the server again, then reconnect.",
    retry: "Reconnect",
  },
  gone: {
    title: "The server went away",
    text: "The connection was lost in the middle of the call. What was said is still below.",
    retry: "Reconnect",
  },
  "no-path": {
    title: "No way through for sound",
    text: "The server answered, but no sound path opened. A firewall may block UDP between here and the server.",
    retry: "Try again",
  },
  draining: {
    title: "The server is shutting down",
    text: "It takes no more calls until it is back. Reconnect then.",
    retry: "Reconnect",
  },
  failed: {
    title: "The call broke",
    text: "A part of the server failed and it had to end the call.",
    retry: "Call again",
  },
};

/** The words for a kind of problem; what the server said stands where we know less. */
export function wordsFor(kind, detail) {
  if (kind === "refused") return { ...WORDS.refused, text: sentence(detail) };
  return WORDS[kind] ?? WORDS.failed;
}

function sentence(text) {
  if (!text) return "";
  const capital = text[0].toUpperCase() + text.slice(1);
  return /[.!?]$/.test(capital) ? capital : `${capital}.`;
}

/** What the end of a call means: a kind of problem, or a plain remark in the conversation. */
export function endOfCall(reason) {
  const ends = {
    draining: { problem: "draining" },
    failed: { problem: "failed" },
    not_reading: { problem: "gone" },
    agent_hung_up: { remark: "The agent hung up." },
    too_long: { remark: "The call reached its longest allowed length." },
  };
  return ends[reason] ?? { remark: "The call ended." };
}
