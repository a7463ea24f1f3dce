//! The synthesiser's settings as they are written: `[voice]` and its sections.
use crate::config::keys::{Kind, section};

section! {
    /// The synthesiser.
    Voice at "voice" {
        /// Which one: "flite" speaks US English without a download; "voxtral" is Voxtral TTS on
        /// this machine, in nine languages; "openai" is any server with OpenAI's
        /// `/v1/audio/speech`, vLLM-Omni too; "mistral" is Mistral's speech; "tone" hums as long
        /// as the text would take, for tests and load.
        engine: String = "flite".into(),
            Kind::OneOf(&["flite", "voxtral", "openai", "mistral", "tone"]);
        /// Whose voice, where the persona and the client do not say; unset: the engine's first.
        /// `voiced voices list` lists them.
        voice: Option<String> = None, Kind::Text, like "\"slt\"";
        /// Its tempo; 1.0 is natural.
        speed: f64 = 1.0, Kind::Number(0.25, 1.5);
        /// Replies it speaks at once, and the most calls taken at once; "voxtral" has a number of
        /// its own.
        rows: u32 = 64, Kind::Whole(1, 10_000);
        sub voxtral: VoiceVoxtral;
        sub openai: VoiceOpenai;
        sub mistral: VoiceMistral;
        sub remote: VoiceRemote;
    }
}

section! {
    /// Voxtral TTS on this machine. Its published weights and voices are CC BY-NC 4.0: for
    /// non-commercial use only.
    VoiceVoxtral at "voice.voxtral" {
        /// Folder of the model, as published or as saved by `voiced models quantize`; unset: where
        /// `voiced models fetch voxtral-tts` puts it.
        model: Option<String> = None, Kind::Path, like "\"models/voxtral-tts\"";
        /// How its layers are kept: "bf16" as published, "q8" and "q4" in 8 and 4 bits (the flow in
        /// 8 at least), "f32" for comparisons. Unset: as they were saved, else "bf16".
        weights: Option<String> = None, Kind::OneOf(&["bf16", "q8", "q4", "f32"]), like "\"q8\"";
        /// What computes it.
        device: String = "cpu".into(), Kind::OneOf(&["cpu"]);
        /// Replies it speaks at once, and the most calls taken at once, in place of `voice.rows`:
        /// each takes attention memory.
        rows: u32 = 4, Kind::Whole(1, 256);
        /// Voices whose beginnings are kept ready, so that their next line begins with its text.
        voices_kept: u32 = 8, Kind::Whole(1, 256);
        /// Positions a row may come to: voice, text and 12.5 for each second of speech.
        context: u32 = 4_096, Kind::Whole(2_521, 65_536);
        /// Positions of text read in one step, for which the others wait.
        together: u32 = 64, Kind::Whole(1, 1_024);
        /// Memory it may take; more is refused at the start. Unset: what is free then.
        memory_gib: Option<f64> = None, Kind::Number(0.001, 4_096.0), like "16.0";
        /// The same seed says the same text in the same way.
        seed: u64 = 0, Kind::Whole(0, i64::MAX);
        /// Strength of the guidance; 1.2 is the published one.
        guidance: f64 = 1.2, Kind::Number(1.0, 4.0);
        /// Language that numbers, dates and the like are read in; unset: that of the voice.
        language: Option<String> = None,
            Kind::OneOf(&["en", "fr", "es", "de", "it", "pt", "nl", "ar", "hi"]), like "\"en\"";
        /// Whether numbers, money, dates, addresses and the like are put into words first, and
        /// markup is left out.
        normalise: bool = true, Kind::Flag;
        /// File of pronunciations, `word = how it is said` on each line; unset: none.
        pronunciations: Option<String> = None, Kind::Path, like "\"pronunciations.txt\"";
        /// Folder of added voices; unset: `voiced/voices` in the user's data folder.
        voices: Option<String> = None, Kind::Path, like "\"voices\"";
        /// The codec's encoder, with which a recording becomes a voice. It is not published with
        /// the model; unset: `encoder.safetensors` beside it, where there is one.
        encoder: Option<String> = None, Kind::Path, like "\"encoder.safetensors\"";
        /// How far ahead of its listener a reply is before it pauses for one that has not been
        /// heard yet.
        ahead_ms: u32 = 2_000, Kind::Whole(0, 60_000);
    }
}

section! {
    /// A server with OpenAI's `/v1/audio/speech`. Limits are in `voice.remote`.
    VoiceOpenai at "voice.openai" {
        /// Its address up to and including the version.
        base_url: String = "https://api.openai.com/v1".into(), Kind::Text;
        /// The model it is asked for.
        model: String = "gpt-4o-mini-tts".into(), Kind::Text;
        /// Environment variable that holds its key, where it wants one.
        key_env: Option<String> = None, Kind::Variable, like "\"OPENAI_API_KEY\"";
        /// Voices that callers are offered; any other the server has may be asked for as well.
        voices: Vec<String> = ["alloy", "ash", "coral", "echo", "sage", "verse", "marin", "cedar"]
            .map(str::to_owned).into(), Kind::Texts;
        /// How to speak, in words, for models that listen to it.
        instructions: Option<String> = None, Kind::Text, like "\"Calm and friendly.\"";
        /// Whether the server is asked for the tempo. Off for servers that ignore it, such as
        /// vLLM-Omni: then the sound is stretched here.
        speed_by_server: bool = true, Kind::Flag;
        /// Samples a second of its bare samples.
        sample_rate: u32 = 24_000, Kind::Whole(8_000, 48_000);
        /// More fields of every request, as a JSON object; vLLM-Omni streams with
        /// '{"stream": true}'.
        extra_json: Option<String> = None, Kind::Text, like "'{\"stream\": true}'";
    }
}

section! {
    /// Mistral's speech. Limits are in `voice.remote`.
    VoiceMistral at "voice.mistral" {
        /// Its address up to and including the version.
        base_url: String = "https://api.mistral.ai/v1".into(), Kind::Text;
        /// The model it is asked for.
        model: String = "voxtral-mini-tts-2603".into(), Kind::Text;
        /// Environment variable that holds its key.
        key_env: Option<String> = None, Kind::Variable, like "\"MISTRAL_API_KEY\"";
        /// Voices that callers are offered, by their ids; any other the server has may be asked
        /// for as well. `voiced voices list` asks the server.
        voices: Vec<String> = Vec::new(), Kind::Texts;
        /// Whether lines go over its realtime WebSocket rather than one request each.
        realtime: bool = false, Kind::Flag;
        /// How much expression, 1 and more; unset leaves it to the server.
        expressiveness: Option<f64> = None, Kind::Number(1.0, 10.0), like "1.5";
        /// More fields of every request, as a JSON object.
        extra_json: Option<String> = None, Kind::Text, like "'{\"metadata\": {}}'";
    }
}

section! {
    /// How long a synthesiser elsewhere is waited for.
    VoiceRemote at "voice.remote" {
        /// Sends its key over plain HTTP to other machines too.
        key_over_plain_http: bool = false, Kind::Flag;
        /// Time for the connection to stand.
        connect_within_ms: u32 = 3_000, Kind::Whole(100, 60_000);
        /// Time to the first sound, the connection included.
        first_sound_within_ms: u32 = 10_000, Kind::Whole(100, 120_000);
        /// Longest pause between two pieces of sound.
        next_sound_within_ms: u32 = 10_000, Kind::Whole(100, 120_000);
        /// How often a line is asked for in all when it fails before its first sound.
        attempts: u32 = 3, Kind::Whole(1, 10);
        /// A server that wants a longer wait before it is asked again is given up at once.
        retry_wait_at_most_ms: u32 = 3_000, Kind::Whole(0, 60_000);
    }
}
