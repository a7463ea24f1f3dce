// One call to the daemon: microphone, WebRTC and the event channel.
// Guarantees exactly one `ended` after `connect` has resolved, and a `CallProblem` with a kind otherwise.

const CALLS = "/v1/realtime/calls";
// Candidates of this machine are there within a few milliseconds; whoever needs longer is found by the connectivity checks.
const GATHERING_MS = 250;
const CONNECT_MS = 15_000;
// ICE calls a path disconnected after a few lost checks, which a change of network also causes.
const AWAY_MS = 4_000;

/** Why a call could not be made or went on no longer. `kind` picks the words shown. */
export class CallProblem extends Error {
  constructor(kind, detail = "") {
    super(detail || kind);
    this.kind = kind;
    this.detail = detail;
  }
}

/** The headers of a request. A daemon without keys accepts any token on loopback, so there is always one. */
export function authorization(key) {
  return { Authorization: `Bearer ${key || "console"}` };
}

/** What a refused request means. */
export async function refusal(answer) {
  if (answer.status === 401) return new CallProblem("key");
  const said = await answer.json().catch(() => ({}));
  const kind = { server_full: "full", rate_limit_exceeded: "too-many", server_shutting_down: "draining" }[said.error?.code];
  const detail = said.error?.message || `The server answered ${answer.status}.`;
  return new CallProblem(kind ?? (answer.status === 503 && !said.error?.code ? "full" : "refused"), detail);
}

/** A track from the chosen microphone, or from any when the chosen one is gone. */
export async function microphoneTrack(deviceId) {
  if (!window.isSecureContext || !navigator.mediaDevices?.getUserMedia) throw new CallProblem("insecure");
  const wishes = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
  const ask = (audio) => navigator.mediaDevices.getUserMedia({ audio });
  try {
    const stream = await ask(deviceId ? { ...wishes, deviceId: { exact: deviceId } } : wishes).catch((error) => {
      if (error.name === "OverconstrainedError") return ask(wishes);
      throw error;
    });
    return stream.getAudioTracks()[0];
  } catch (error) {
    const kinds = {
      NotAllowedError: "microphone-refused",
      SecurityError: "microphone-refused",
      NotFoundError: "microphone-missing",
      NotReadableError: "microphone-busy",
      AbortError: "microphone-busy",
    };
    throw new CallProblem(kinds[error.name] ?? "microphone-missing", error.message);
  }
}

export class Call {
  #peer = new RTCPeerConnection();
  #channel = this.#peer.createDataChannel("oai-events");
  #on;
  #key;
  #sender = null;
  #away = 0;
  #over = false;
  #ready = false;
  #opened = Promise.withResolvers();

  /** The server's name for the call, from its answer. */
  id = "";

  /** `on.event(event)`, `on.sound(stream)` and, once, `on.ended(problem or null)`. */
  constructor(key, on) {
    this.#key = key;
    this.#on = on;
    // A call given up while it is being made has nobody waiting for this.
    this.#opened.promise.catch(() => {});
    this.#peer.ontrack = ({ track, streams }) => on.sound(streams[0] ?? new MediaStream([track]));
    this.#peer.onconnectionstatechange = () => this.#connectionChanged();
    this.#channel.onmessage = ({ data }) => this.#received(data);
    this.#channel.onclose = () => this.#lost();
  }

  /** Resolves when the server has said `session.created`. */
  async connect(track, persona) {
    this.#sender = this.#peer.addTrack(track, new MediaStream([track]));
    await this.#peer.setLocalDescription();
    await this.#gathered();
    const query = new URLSearchParams({ voiced: "1" });
    if (persona) query.set("persona", persona);
    const answer = await fetch(`${CALLS}?${query}`, {
      method: "POST",
      headers: { "Content-Type": "application/sdp", ...authorization(this.#key) },
      body: this.#peer.localDescription.sdp,
    }).catch(() => {
      throw new CallProblem("unreachable");
    });
    if (!answer.ok) throw await refusal(answer);
    this.id = (answer.headers.get("Location") ?? "").split("/").pop();
    const sdp = await answer.text();
    if (this.#over) throw new CallProblem("given-up");
    await this.#peer.setRemoteDescription({ type: "answer", sdp });
    const timer = setTimeout(() => this.#opened.reject(new CallProblem("no-path")), CONNECT_MS);
    await this.#opened.promise.finally(() => clearTimeout(timer));
    this.#ready = true;
  }

  /** Sends one event; quietly nothing when the call is already over. */
  send(event) {
    if (this.#channel.readyState === "open") this.#channel.send(JSON.stringify(event));
  }

  /** Speaks through another microphone from now on. */
  async replaceTrack(track) {
    const old = this.#sender.track;
    await this.#sender.replaceTrack(track);
    old?.stop();
  }

  /** Ends the call from this side. */
  hangUp() {
    if (this.id && !this.#over) {
      const headers = authorization(this.#key);
      // The closing connection says the same; this only says it sooner.
      fetch(`${CALLS}/${this.id}/hangup`, { method: "POST", headers, keepalive: true }).catch(() => {});
    }
    this.#end(null);
  }

  #gathered() {
    if (this.#peer.iceGatheringState === "complete") return Promise.resolve();
    return new Promise((resolve) => {
      setTimeout(resolve, GATHERING_MS);
      this.#peer.onicegatheringstatechange = () => {
        if (this.#peer.iceGatheringState === "complete") resolve();
      };
    });
  }

  #received(data) {
    let event;
    try {
      event = JSON.parse(data);
    } catch {
      return;
    }
    if (event?.type === "session.created") this.#opened.resolve();
    this.#on.event(event);
  }

  #connectionChanged() {
    clearTimeout(this.#away);
    const state = this.#peer.connectionState;
    if (state === "failed") this.#lost();
    if (state === "disconnected") {
      // A server that is gone refuses at once; one that is only hard to reach gets its time.
      fetch("/healthz", { cache: "no-store" }).catch(() => this.#lost());
      this.#away = setTimeout(() => this.#lost(), AWAY_MS);
    }
  }

  #lost() {
    const problem = new CallProblem(this.#ready ? "gone" : "no-path");
    this.#opened.reject(problem);
    this.#end(this.#ready ? problem : null);
  }

  #end(problem) {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#away);
    this.#opened.reject(new CallProblem("given-up"));
    this.#sender?.track?.stop();
    this.#channel.close();
    this.#peer.close();
    this.#on.ended(problem);
  }
}
