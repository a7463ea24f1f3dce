//! The settings of the recognisers, here and elsewhere, and of the models' files.
use crate::config::keys::{Kind, section};

section! {
    /// The recogniser.
    Ear at "ear" {
        /// Which one: "pocketsphinx" hears US English without a download, modestly; "voxtral" is
        /// Voxtral Realtime on this machine; "vllm", "mistral" and "openai" are servers
        /// elsewhere; "scripted" hears the same words whatever is said, for tests and load.
        engine: String = "pocketsphinx".into(),
            Kind::OneOf(&["pocketsphinx", "voxtral", "vllm", "mistral", "openai", "scripted"]);
        /// Calls it hears at once. Two of them are kept spare for calls that are just ending.
        rows: u32 = 10, Kind::Whole(3, 10_000);
        sub pocketsphinx: EarPocketsphinx;
        sub voxtral: EarVoxtral;
        sub vllm: EarVllm;
        sub mistral: EarMistral;
        sub openai: EarOpenai;
        sub scripted: EarScripted;
    }
}

section! {
    /// PocketSphinx.
    EarPocketsphinx at "ear.pocketsphinx" {
        /// Folder of the acoustic model, dictionary and language model.
        model: String = "/usr/share/pocketsphinx/model/en-us".into(), Kind::Path;
    }
}

section! {
    /// Voxtral Realtime on this machine: thirteen languages, one token for every 80 ms.
    EarVoxtral at "ear.voxtral" {
        /// The name it was fetched under (`voiced models list`), or its folder, with a slash.
        model: String = "voxtral-realtime".into(), Kind::Model;
        /// Where it computes. There is nothing but the processor in this version.
        device: String = "cpu".into(), Kind::OneOf(&["cpu"]);
        /// How its weights are kept: "bf16" as published (8.9 GB), "q8" or "q4" quantised while
        /// they are loaded (4.7 GB, 3.1 GB), "f32" for comparisons. Unset: as they lie in the
        /// folder; `voiced models quantize` makes a folder that loads quickly.
        weights: Option<String> = None, Kind::OneOf(&["bf16", "q8", "q4", "f32"]), like "\"q4\"";
        /// How long it listens on before it writes, where a call does not say: 80 to 1200 in
        /// steps of 80, or 2400. Longer is slower and more exact; 480 is recommended.
        delay_ms: u32 = 480, Kind::Whole(80, 2_400);
        /// How far back it remembers, in seconds; less than the published 655 saves memory.
        context_s: u32 = 655, Kind::Whole(10, 655);
        /// How it remembers: "bf16", or "f32" for comparisons.
        memory: String = "bf16".into(), Kind::OneOf(&["bf16", "f32"]);
        /// Most memory that weights and rows together may take, in GB; more is refused at start.
        /// Unset: what the system has free.
        memory_gb: Option<f64> = None, Kind::Number(0.001, 100_000.0), like "16.0";
        /// After so many seconds a call's row starts anew in the next pause, which bounds what it
        /// reads for every token; 0 never does.
        roll_after_s: u32 = 240, Kind::Whole(0, 86_400);
        /// Makes blanks less likely after 16 s of nothing else: a known rut of this model.
        blank_penalty: bool = true, Kind::Flag;
        /// Starts a row anew that writes nothing for four seconds of loud sound.
        watchdog: bool = true, Kind::Flag;
        /// What the token that says "over" means to a call that goes on: "feed" gives it back
        /// like any other, "never" takes the next best.
        end_token: String = "feed".into(), Kind::OneOf(&["feed", "never"]);
    }
}

section! {
    /// A vLLM server with a streaming transcriber: its `/v1/realtime`.
    EarVllm at "ear.vllm" {
        /// Its address up to and including the version.
        base_url: String = "http://127.0.0.1:8000/v1".into(), Kind::Text;
        /// The model it is asked for.
        model: String = "mistralai/Voxtral-Mini-4B-Realtime-2602".into(), Kind::Text;
        /// Environment variable that holds its key, where it wants one.
        key_env: Option<String> = None, Kind::Variable, like "\"VLLM_API_KEY\"";
        /// Sends the key over plain HTTP to other machines too.
        key_over_plain_http: bool = false, Kind::Flag;
        /// The language expected, as a two-letter code; unset leaves it to the model.
        language: Option<String> = None, Kind::Text, like "\"en\"";
        /// Time for the connection to stand and to be greeted.
        connect_within_ms: u32 = 3_000, Kind::Whole(100, 60_000);
        /// Time for the final words after the end of an utterance.
        final_within_ms: u32 = 3_000, Kind::Whole(100, 60_000);
        /// How often an utterance is sent in all when the connection breaks.
        attempts: u32 = 3, Kind::Whole(1, 10);
    }
}

section! {
    /// Mistral's realtime transcription.
    EarMistral at "ear.mistral" {
        /// Its address up to and including the version.
        base_url: String = "https://api.mistral.ai/v1".into(), Kind::Text;
        /// The model it is asked for.
        model: String = "voxtral-mini-transcribe-realtime-2602".into(), Kind::Text;
        /// Environment variable that holds its key.
        key_env: Option<String> = None, Kind::Variable, like "\"MISTRAL_API_KEY\"";
        /// Sends the key over plain HTTP to other machines too.
        key_over_plain_http: bool = false, Kind::Flag;
        /// The language expected, as a two-letter code; unset leaves it to the model.
        language: Option<String> = None, Kind::Text, like "\"en\"";
        /// How long the model listens on before it writes; unset leaves it to the server.
        delay_ms: Option<u32> = None, Kind::Whole(80, 2_400), like "480";
        /// Time for the connection to stand and to be greeted.
        connect_within_ms: u32 = 3_000, Kind::Whole(100, 60_000);
        /// Time for the final words after the end of an utterance.
        final_within_ms: u32 = 3_000, Kind::Whole(100, 60_000);
        /// How often an utterance is sent in all when the connection breaks.
        attempts: u32 = 3, Kind::Whole(1, 10);
    }
}

section! {
    /// A transcription session of OpenAI's Realtime API, or of a server that speaks it.
    EarOpenai at "ear.openai" {
        /// Its address up to and including the version.
        base_url: String = "https://api.openai.com/v1".into(), Kind::Text;
        /// The model it is asked for.
        model: String = "gpt-4o-transcribe".into(), Kind::Text;
        /// Environment variable that holds its key.
        key_env: Option<String> = None, Kind::Variable, like "\"OPENAI_API_KEY\"";
        /// Sends the key over plain HTTP to other machines too.
        key_over_plain_http: bool = false, Kind::Flag;
        /// The language expected, as a two-letter code; unset leaves it to the model.
        language: Option<String> = None, Kind::Text, like "\"en\"";
        /// Time for the connection to stand and to be greeted.
        connect_within_ms: u32 = 3_000, Kind::Whole(100, 60_000);
        /// Time for the final words after the end of an utterance.
        final_within_ms: u32 = 3_000, Kind::Whole(100, 60_000);
        /// How often an utterance is sent in all when the connection breaks.
        attempts: u32 = 3, Kind::Whole(1, 10);
    }
}

section! {
    /// The recogniser that hears the same words in every sound.
    EarScripted at "ear.scripted" {
        /// What every utterance is heard as.
        words: String = "one two three".into(), Kind::Text;
    }
}

section! {
    /// The files of models: `voiced models`.
    Models at "models" {
        /// Folder they are fetched to, one folder each; unset: `voiced/models` under
        /// XDG_DATA_HOME or ~/.local/share.
        directory: Option<String> = None, Kind::Path, like "\"models\"";
        /// The hub they come from, or a mirror of it; unset: HF_ENDPOINT, or huggingface.co.
        mirror: Option<String> = None, Kind::Text, like "\"https://hf-mirror.example\"";
        /// Environment variable with the hub's token, for models that want one.
        token_env: String = "HF_TOKEN".into(), Kind::Variable;
        /// Threads that the models of this machine compute with together; unset: VOICED_THREADS,
        /// or one for each core.
        threads: Option<u32> = None, Kind::Whole(1, 1_024), like "8";
    }
}
