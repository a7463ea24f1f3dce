//! The configuration as it is written: every section and every key with its sentence, its default
//! and what it may hold. What it means is decided in [`crate::config`].
use serde::{Deserialize, Serialize};

use crate::config::keys::{Key, Kind, Section, section};

mod ear;
mod interpreter;
mod services;
mod telephone;
mod voice;

pub use ear::{
    Ear, EarMistral, EarOpenai, EarPocketsphinx, EarScripted, EarVllm, EarVoxtral, Models,
};
pub use interpreter::Interpreter;
pub use services::Services;
pub use telephone::{
    Telephone, TelephoneMedia, TelephoneOutbound, TelephoneRegistration, TelephoneStreams,
    TelephoneTls,
};
pub use voice::{Voice, VoiceMistral, VoiceOpenai, VoiceRemote, VoiceVoxtral};

/// The whole file.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawConfig {
    /// The section `listen`.
    pub listen: Listen,
    /// The section `services`.
    pub services: Services,
    /// The section `webrtc`.
    pub webrtc: Webrtc,
    /// The section `ear`.
    pub ear: Ear,
    /// The section `mind`.
    pub mind: Mind,
    /// The section `voice`.
    pub voice: Voice,
    /// The section `turns`.
    pub turns: Turns,
    /// The section `interpreter`.
    pub interpreter: Interpreter,
    /// The section `edge`.
    pub edge: Edge,
    /// The section `local`.
    pub local: Local,
    /// The section `models`.
    pub models: Models,
    /// The section `telephone`.
    pub telephone: Telephone,
    /// The section `personas`.
    pub personas: Personas,
    /// The section `log`.
    pub log: Log,
    /// The section `drain`.
    pub drain: Drain,
}

section! {
    /// Where voiced listens, and whom it serves.
    Listen at "listen" {
        /// Address and port of the one HTTP listener: console, API, health and metrics.
        /// Any address but a loopback one needs `api_keys_env`.
        address: String = "127.0.0.1:8080".into(), Kind::Text;
        /// Environment variable with the API keys, separated by commas. Without it a loopback
        /// listener accepts any bearer token.
        api_keys_env: Option<String> = None, Kind::Variable, like "\"VOICED_API_KEYS\"";
        /// Certificate chain in PEM form, the server's own first: the listener then speaks TLS
        /// only. Read again on SIGHUP, with its key.
        tls_certificate: Option<String> = None, Kind::Path, like "\"/etc/voiced/fullchain.pem\"";
        /// The certificate's private key in PEM form.
        tls_key: Option<String> = None, Kind::Path, like "\"/etc/voiced/privkey.pem\"";
        /// Host names under which clients reach the daemon, beside its addresses and localhost.
        /// A loopback listener refuses requests that name another host, so that no web page can
        /// reach it by a name of its own; any other does when names are listed here.
        allowed_hosts: Vec<String> = Vec::new(), Kind::Texts;
        /// Origins of web pages that may use the API, e.g. "https://example.com", or "*" for
        /// every one; the console itself always may.
        allowed_origins: Vec<String> = Vec::new(), Kind::Texts;
        /// Calls at once. The engines' rows may allow fewer.
        max_calls: u32 = 64, Kind::Whole(1, 10_000);
        /// Calls at once from one address.
        max_calls_per_address: u32 = 16, Kind::Whole(1, 10_000);
        /// Connections at once that are no WebSocket calls.
        max_connections: u32 = 1_024, Kind::Whole(8, 100_000);
        /// Of these, connections that have not sent a whole request yet; when there are more, the
        /// oldest makes room.
        max_half_open: u32 = 256, Kind::Whole(4, 100_000);
        /// A call longer than this is ended.
        max_call_minutes: u32 = 60, Kind::Whole(1, 1_440);
        /// Largest body of a request.
        max_body_kib: u32 = 256, Kind::Whole(16, 65_536);
        /// A connection that has not sent a whole request head by then is closed.
        request_within_ms: u32 = 10_000, Kind::Whole(100, 120_000);
        /// Whether keys in a client's events that the protocol does not have are refused.
        strict: bool = true, Kind::Flag;
        /// Hosts of MCP servers that clients may name for their sessions, e.g.
        /// "tools.example.com", "*.example.com" for every one below, "*" for every one at all.
        /// Empty allows none: a client could otherwise have the daemon reach what only it can.
        tool_server_hosts: Vec<String> = Vec::new(), Kind::Texts;
    }
}

section! {
    /// Calls from browsers: audio over WebRTC.
    Webrtc at "webrtc" {
        /// Whether WebRTC calls are taken at all.
        enabled: bool = true, Kind::Flag;
        /// The one UDP port of all WebRTC calls; 0 takes a free one. A firewall must let it in.
        port: u32 = 0, Kind::Whole(0, 65_535);
        /// Addresses of this machine to receive on. Empty: those beside the listener's, which
        /// are all of the machine when it listens on all.
        addresses: Vec<String> = Vec::new(), Kind::Texts;
        /// Addresses the other side is told to send to, where a router forwards the port or the
        /// daemon runs in a container. Empty: the addresses above.
        public_addresses: Vec<String> = Vec::new(), Kind::Texts;
        /// Bits a second of the agent's voice, redundancy against loss included.
        bitrate: u32 = 32_000, Kind::Whole(6_000, 128_000);
        /// How hard the codec tries, 10 the hardest. 5 takes two thirds of the time of 8.
        complexity: u32 = 5, Kind::Whole(0, 10);
        /// Lost packets in a hundred that the agent's voice is ready for from the beginning.
        expected_loss: u32 = 5, Kind::Whole(0, 100);
        /// A call that is not connected by then is given up.
        connect_within_ms: u32 = 15_000, Kind::Whole(1_000, 120_000);
        /// A call that nothing has come from for so long is over.
        lost_after_ms: u32 = 10_000, Kind::Whole(1_000, 120_000);
    }
}

section! {
    /// The chat model.
    Mind at "mind" {
        /// Which one: "scripted" answers by the rules of each persona; "openai" is any server
        /// with an OpenAI-compatible `/v1/chat/completions`; "fixed" always says the same, for
        /// tests and load.
        engine: String = "scripted".into(), Kind::OneOf(&["scripted", "openai", "fixed"]);
        /// Replies it writes at once.
        rows: u32 = 64, Kind::Whole(1, 10_000);
        sub openai: MindOpenai;
        sub fixed: MindFixed;
    }
}

section! {
    /// An OpenAI-compatible chat server.
    MindOpenai at "mind.openai" {
        /// Whether its model takes pictures; else a client's are refused.
        images: bool = false, Kind::Flag;
        /// Its address up to and including the version.
        base_url: String = "http://127.0.0.1:11434/v1".into(), Kind::Text;
        /// The model it is asked for.
        model: String = "llama3.2".into(), Kind::Text;
        /// Environment variable that holds its key, where it wants one.
        key_env: Option<String> = None, Kind::Variable, like "\"OPENAI_API_KEY\"";
        /// How adventurous its words are; unset leaves it to the server.
        temperature: Option<f64> = None, Kind::Number(0.0, 2.0), like "0.7";
        /// Most tokens of a reply; unset leaves it to the server.
        max_tokens: Option<u32> = None, Kind::Whole(1, 32_768), like "300";
        /// What the server calls that limit: "max_tokens", or "max_completion_tokens" for
        /// OpenAI's reasoning models.
        limit_name: String = "max_tokens".into(),
            Kind::OneOf(&["max_tokens", "max_completion_tokens"]);
        /// Whether it is asked to count tokens. Some servers refuse to be asked.
        usage: bool = true, Kind::Flag;
        /// More fields of every request, as a JSON object.
        extra_json: Option<String> = None, Kind::Text, like "'{\"reasoning_effort\": \"low\"}'";
        /// Sends the key over plain HTTP to other machines too.
        key_over_plain_http: bool = false, Kind::Flag;
        /// Time for the connection to stand.
        connect_within_ms: u32 = 3_000, Kind::Whole(100, 60_000);
        /// Time to the first token, the connection included.
        first_token_within_ms: u32 = 10_000, Kind::Whole(100, 120_000);
        /// Longest pause between two tokens.
        next_token_within_ms: u32 = 10_000, Kind::Whole(100, 120_000);
        /// How often a reply is asked for in all when it fails before its first token.
        attempts: u32 = 3, Kind::Whole(1, 10);
        /// A server that wants a longer wait before it is asked again is given up at once.
        retry_wait_at_most_ms: u32 = 3_000, Kind::Whole(0, 60_000);
    }
}

section! {
    /// The chat model that always says the same.
    MindFixed at "mind.fixed" {
        /// What it says; unset: as many words as follow.
        text: Option<String> = None, Kind::Text, like "\"It is sunny.\"";
        /// How many words it says, in sentences of ten.
        words: u32 = 10, Kind::Whole(1, 10_000);
        /// How long it takes for each piece of about six words.
        pace_ms: u32 = 0, Kind::Whole(0, 10_000);
    }
}

section! {
    /// When the agent speaks and when it gives way. Every wait has an end.
    Turns at "turns" {
        /// Who ends the caller's turn: "detector" (at once when the words sound finished),
        /// "silence" (a pause of fixed length) or "manual" (the client says so).
        mode: String = "detector".into(), Kind::OneOf(&["detector", "silence", "manual"]);
        /// "silence": how long a pause ends the turn.
        silence_ms: u32 = 500, Kind::Whole(100, 10_000);
        /// "detector": how sure it must be to end the turn at the pause.
        sure: f64 = 0.6, Kind::Number(0.0, 1.0);
        /// "detector": the pause that even a sure detector waits for.
        at_least_ms: u32 = 350, Kind::Whole(100, 10_000);
        /// "detector": the pause after which the turn ends whatever it says.
        patience_ms: u32 = 1_200, Kind::Whole(100, 30_000);
        /// Whether the end of a turn starts a reply by itself.
        reply: bool = true, Kind::Flag;
        /// Whether words over a reply interrupt it.
        interrupt: bool = true, Kind::Flag;
        /// Speech shorter than this never interrupts.
        interrupt_after_ms: u32 = 200, Kind::Whole(0, 5_000);
        /// Fewer words than this never interrupt.
        interrupt_words: u32 = 1, Kind::Whole(1, 20);
        /// Words that agree rather than interrupt, in lower case.
        backchannels: Vec<String> =
            ["mm-hm", "mhm", "uh-huh", "mm", "hmm", "uh", "um"].map(str::to_owned).into(),
            Kind::Texts;
        /// A reply held for a sound without words goes on after this long.
        hold_at_most_ms: u32 = 2_000, Kind::Whole(100, 10_000);
        /// How long the recogniser's final words are waited for.
        final_within_ms: u32 = 1_500, Kind::Whole(100, 10_000);
        /// A stretch of speech longer than this is taken as a turn.
        speech_at_most_s: u32 = 60, Kind::Whole(5, 600);
        /// A chat model or synthesiser silent for this long has failed.
        reply_within_s: u32 = 20, Kind::Whole(1, 120);
        /// When nobody says anything for this long after a reply, the agent asks; 0 never does.
        idle_s: u32 = 0, Kind::Whole(0, 3_600);
        /// A tool that takes longer than this is bridged by a few words.
        filler_after_ms: u32 = 1_500, Kind::Whole(200, 60_000);
        sub activity: TurnsActivity;
    }
}

section! {
    /// How sound becomes speech.
    TurnsActivity at "turns.activity" {
        /// Probability from which a window of sound counts as speech.
        start: f64 = 0.5, Kind::Number(0.01, 0.99);
        /// Probability below which it counts as silence; less than `start`.
        stop: f64 = 0.35, Kind::Number(0.01, 0.99);
        /// How much speech makes a start; longer than a click.
        speech_after_ms: u32 = 60, Kind::Whole(10, 1_000);
        /// How much silence makes a stop; longer than a plosive's closure.
        silence_after_ms: u32 = 200, Kind::Whole(20, 2_000);
        /// Sound quieter than this, in dB of full scale, is nobody's who is meant.
        min_level_db: f64 = -55.0, Kind::Number(-120.0, 0.0);
    }
}

section! {
    /// What is done to the sound of callers on the network before anybody hears it.
    Edge at "edge" {
        /// Takes the agent's own voice out of the microphone, over WebRTC. Browsers do it
        /// themselves unless asked not to.
        echo_cancellation: bool = false, Kind::Flag;
        /// Takes steady noise out of the microphone.
        noise_suppression: bool = false, Kind::Flag;
        /// Takes hum, handling and wind, all below 80 Hz, out of the microphone.
        high_pass: bool = false, Kind::Flag;
    }
}

section! {
    /// The microphone and loudspeaker of this machine: `voiced talk`.
    Local at "local" {
        /// Part of the microphone's name; unset: the system's choice.
        microphone: Option<String> = None, Kind::Text, like "\"USB\"";
        /// Part of the loudspeaker's name; unset: the system's choice.
        loudspeaker: Option<String> = None, Kind::Text, like "\"USB\"";
        /// Takes the agent's own voice out of the microphone. Off only with a headset.
        echo_cancellation: bool = true, Kind::Flag;
        /// Takes steady noise out of the microphone.
        noise_suppression: bool = true, Kind::Flag;
        /// Takes hum, handling and wind out of the microphone.
        high_pass: bool = true, Kind::Flag;
    }
}

section! {
    /// Who answers.
    Personas at "personas" {
        /// The persona of a call that asks for none; unset: the first.
        default: Option<String> = None, Kind::Text, like "\"receptionist\"";
        /// Folder with one TOML file per persona, in the order of their names; unset: the ones
        /// built in.
        directory: Option<String> = None, Kind::Path, like "\"personas\"";
        /// Where they tell the time for: "local" (this machine), "utc", or a distance from UTC
        /// such as "+02:00".
        time_zone: String = "local".into(), Kind::Text;
    }
}

section! {
    /// What is logged, to standard error.
    Log at "log" {
        /// "text" for people, "json" for machines: one object a line.
        format: String = "text".into(), Kind::OneOf(&["text", "json"]);
        /// What is logged: a level, or levels by module: "info,voiced_pipeline=debug".
        filter: String = "info,webrtc=error,rtc=error".into(), Kind::Text;
    }
}

section! {
    /// How voiced goes down.
    Drain at "drain" {
        /// On SIGTERM or SIGINT no call is taken any more; calls that are not over by then are
        /// ended.
        deadline_s: u32 = 30, Kind::Whole(0, 3_600);
    }
}

/// Every section, in the order it is printed.
pub const SECTIONS: &[Section] = &[
    Listen::SECTION,
    Services::SECTION,
    Webrtc::SECTION,
    Ear::SECTION,
    EarPocketsphinx::SECTION,
    EarVoxtral::SECTION,
    EarVllm::SECTION,
    EarMistral::SECTION,
    EarOpenai::SECTION,
    EarScripted::SECTION,
    Mind::SECTION,
    MindOpenai::SECTION,
    MindFixed::SECTION,
    Voice::SECTION,
    VoiceVoxtral::SECTION,
    VoiceOpenai::SECTION,
    VoiceMistral::SECTION,
    VoiceRemote::SECTION,
    Turns::SECTION,
    TurnsActivity::SECTION,
    Interpreter::SECTION,
    Edge::SECTION,
    Local::SECTION,
    Models::SECTION,
    Telephone::SECTION,
    TelephoneMedia::SECTION,
    TelephoneTls::SECTION,
    TelephoneOutbound::SECTION,
    TelephoneRegistration::SECTION,
    TelephoneStreams::SECTION,
    Personas::SECTION,
    Log::SECTION,
    Drain::SECTION,
];

/// The setting called `path`, dotted.
pub fn key(path: &str) -> Option<&'static Key> {
    let (section, name) = path.rsplit_once('.')?;
    let section = SECTIONS.iter().find(|known| known.path == section)?;
    section.keys.iter().find(|key| key.name == name)
}

/// Whether `path` is a section.
pub fn has_section(path: &str) -> bool {
    SECTIONS.iter().any(|section| section.path == path)
}

/// Names of the settings and sections right under `section`; the empty one is the file's top.
pub fn names_in(section: &str) -> impl Iterator<Item = &'static str> {
    SECTIONS.iter().flat_map(move |known| {
        let (parent, name) = known.path.rsplit_once('.').unwrap_or(("", known.path));
        let itself = (parent == section).then_some(name);
        let keys = if known.path == section {
            known.keys
        } else {
            &[]
        };
        itself.into_iter().chain(keys.iter().map(|key| key.name))
    })
}

/// Every setting, dotted.
pub fn paths() -> impl Iterator<Item = String> {
    SECTIONS.iter().flat_map(|section| {
        let keys = section.keys.iter();
        keys.map(|key| format!("{}.{}", section.path, key.name))
    })
}
