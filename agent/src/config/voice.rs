//! Whose voice answers: the synthesiser's settings checked, and its model held against them.
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use voiced_core::audio::SampleRate;
use voiced_nn::matrix::Format;
use voiced_tts::{
    engine::{Options, Plan, PlanError},
    normalise::{Language, Normaliser},
    remote::{Dialect, Settings, SpeechServer},
    voices::Voices,
    voxtral::{Checkpoint, Formats},
};

use crate::config::{
    Needs, RemoteVoice, Voice, VoiceEngine, VoxtralVoice,
    check::{extra, not_set, secret},
    findings::Findings,
    raw,
};

type Environment = BTreeMap<String, String>;

/// What the settings mean.
pub(super) fn checked(
    raw: &raw::Voice,
    environment: &Environment,
    needs: Needs,
    findings: &mut Findings,
) -> Voice {
    let engine = match raw.engine.as_str() {
        "tone" => VoiceEngine::Tone,
        "voxtral" => {
            let voice = voxtral(raw, environment, needs, findings);
            VoiceEngine::Voxtral(Box::new(voice))
        }
        "openai" | "mistral" => {
            let voice = remote(raw, environment, needs, findings);
            VoiceEngine::Remote(Box::new(voice))
        }
        _ => VoiceEngine::Flite,
    };
    let known = engine.voices();
    let first = known.first().cloned();
    let voice = match &raw.voice {
        // Names of presets and of added voices are lower case.
        Some(voice) if matches!(engine, VoiceEngine::Voxtral(_)) => voice.to_lowercase(),
        Some(voice) => voice.clone(),
        None => match &engine {
            // The calmest of the published ones.
            VoiceEngine::Voxtral(_) => (known.iter().find(|name| *name == "neutral_female"))
                .cloned()
                .or(first)
                .unwrap_or_default(),
            _ => first.unwrap_or_default(),
        },
    };
    let mut checked = Voice {
        rows: raw.rows as usize,
        engine,
        voice,
        speed: raw.speed as f32,
    };
    if !checked.engine.has_voice(&checked.voice) {
        let message = format!(
            "there is no voice \"{}\"; there are {}",
            checked.voice,
            known.join(", ")
        );
        findings.note_at("voice.voice", message);
    }
    let name = checked.voice.clone();
    if let VoiceEngine::Voxtral(voxtral) = &checked.engine
        && needs.voice
        && voxtral.voices().contains(&name)
        && let Err(error) = voxtral.voices().rows(&name)
    {
        findings.note_at("voice.voice", error.to_string());
    }
    match &mut checked.engine {
        VoiceEngine::Voxtral(voxtral) => voxtral.options.voice = name,
        VoiceEngine::Remote(remote) => {
            if name.is_empty() && needs.voice {
                let message = "this engine has no first voice: name one that the server has, \
                               which `voiced voices list` tells";
                findings.note_at("voice.voice", message);
            }
            remote.settings.voice = name;
        }
        _ => (),
    }
    checked
}

fn voxtral(
    voice: &raw::Voice,
    environment: &Environment,
    needs: Needs,
    findings: &mut Findings,
) -> VoxtralVoice {
    let raw = &voice.voxtral;
    let model = match &raw.model {
        Some(model) => PathBuf::from(model),
        None => data_folder(environment).join("models/voxtral-tts"),
    };
    let format = raw
        .weights
        .as_ref()
        .map(|name| name.parse().expect("the table of keys has only formats"));
    let options = Options {
        rows: raw.rows as usize,
        voices_kept: raw.voices_kept as usize,
        voice: String::new(),
        language: raw.language.as_deref().and_then(Language::from_code),
        seed: raw.seed,
        guidance: raw.guidance as f32,
        context: raw.context as usize,
        together: raw.together as usize,
        ahead: Duration::from_millis(raw.ahead_ms.into()),
        ..Options::default()
    };
    let mut checked = VoxtralVoice {
        model,
        formats: Formats::new(format.unwrap_or(Format::Bf16)),
        asked: format,
        options,
        memory: raw.memory_gib.map(|gib| (gib * f64::from(1 << 30)) as u64),
        normaliser: normaliser(raw, findings),
        added: match &raw.voices {
            Some(folder) => PathBuf::from(folder),
            None => data_folder(environment).join("voices"),
        },
        encoder: raw.encoder.as_ref().map(PathBuf::from),
        presets: Vec::new(),
        width: 0,
    };
    if let Some(encoder) = checked.encoder.as_ref().filter(|file| !file.is_file()) {
        findings.note_at(
            "voice.voxtral.encoder",
            format!("there is no file {}", encoder.display()),
        );
    }
    match held_against(&checked) {
        Ok((presets, width)) => {
            checked.presets = presets;
            checked.width = width;
        }
        Err(message) if needs.voice => findings.note_at("voice.voxtral.model", message),
        Err(_) => (),
    }
    checked
}

/// Opens what the settings name, without loading it: the preset voices and the model's width.
fn held_against(voice: &VoxtralVoice) -> Result<(Vec<String>, usize), String> {
    if let Some(missing) = missing_of_voxtral(&voice.model) {
        return Err(missing);
    }
    let checkpoint = Checkpoint::open(&voice.model).map_err(|error| error.to_string())?;
    checkpoint.prompt().map_err(|error| error.to_string())?;
    if let (Some((saved, _)), Some(asked)) = (checkpoint.saved_in(), voice.asked)
        && saved != asked
    {
        return Err(format!(
            "{} holds a copy saved in {saved}: name the folder of the published model for {asked}, \
             or leave voice.voxtral.weights out",
            voice.model.display()
        ));
    }
    checkpoint
        .has_encoder(voice.encoder.as_deref())
        .map_err(|error| error.to_string())?;
    let config = checkpoint.config();
    Ok((config.voices.clone(), config.backbone.dim))
}

/// Says what to do where there is no model at all.
pub fn missing_of_voxtral(model: &Path) -> Option<String> {
    let is_there = model.join("params.json").is_file();
    (!is_there).then(|| {
        format!(
            "there is no model in {}: get it with `voiced models fetch voxtral-tts` (its weights \
             are CC BY-NC 4.0: for non-commercial use only), name the folder of one, or choose \
             another voice.engine",
            model.display()
        )
    })
}

fn normaliser(raw: &raw::VoiceVoxtral, findings: &mut Findings) -> Normaliser {
    const KEY: &str = "voice.voxtral.pronunciations";
    if !raw.normalise {
        if raw.pronunciations.is_some() {
            let message = "has no effect while voice.voxtral.normalise is off: leave one of them";
            findings.note_at(KEY, message);
        }
        return Normaliser::verbatim();
    }
    let Some(file) = &raw.pronunciations else {
        return Normaliser::default();
    };
    let read =
        std::fs::read_to_string(file).map_err(|error| format!("cannot read {file}: {error}"));
    let made = read.and_then(|list| {
        Normaliser::with_pronunciations(&list).map_err(|error| format!("{file}: {error}"))
    });
    made.unwrap_or_else(|message| {
        findings.note_at(KEY, message);
        Normaliser::default()
    })
}

/// Where models and voices lie that nobody named a folder for.
pub fn data_folder(environment: &Environment) -> PathBuf {
    let absolute = |name: &str| {
        let path = PathBuf::from(environment.get(name)?);
        path.is_absolute().then_some(path)
    };
    let data = absolute("XDG_DATA_HOME");
    let data = data.or_else(|| absolute("HOME").map(|home| home.join(".local/share")));
    data.unwrap_or_default().join("voiced")
}

fn remote(
    voice: &raw::Voice,
    environment: &Environment,
    needs: Needs,
    findings: &mut Findings,
) -> RemoteVoice {
    let ms = |ms: u32| Duration::from_millis(ms.into());
    let limits = &voice.remote;
    let (section, key_env, extra_json, offered) = match voice.engine.as_str() {
        "openai" => {
            let raw = &voice.openai;
            ("voice.openai", &raw.key_env, &raw.extra_json, &raw.voices)
        }
        _ => {
            let raw = &voice.mistral;
            ("voice.mistral", &raw.key_env, &raw.extra_json, &raw.voices)
        }
    };
    let key = key_env.as_deref().and_then(|variable| {
        let key = secret(variable, environment);
        if key.is_none() && needs.voice {
            findings.note_at(&format!("{section}.key_env"), not_set(variable));
        }
        key
    });
    let settings = Settings {
        key: key.map(|key| voiced_pipeline::server::Secret::new(key.reveal())),
        extra: extra(
            &format!("{section}.extra_json"),
            extra_json.as_deref(),
            findings,
        ),
        connect_within: ms(limits.connect_within_ms),
        first_sound_within: ms(limits.first_sound_within_ms),
        next_sound_within: ms(limits.next_sound_within_ms),
        attempts: limits.attempts,
        retry_wait_at_most: ms(limits.retry_wait_at_most_ms),
        key_over_plain_http: limits.key_over_plain_http,
        ..of_dialect(voice)
    };
    if limits.connect_within_ms > limits.first_sound_within_ms {
        let message = format!(
            "{} ms is longer than voice.remote.first_sound_within_ms, {} ms, which includes it",
            limits.connect_within_ms, limits.first_sound_within_ms
        );
        findings.note_at("voice.remote.connect_within_ms", message);
    }
    // The client knows best what it can use; nothing is sent by asking it.
    if let Err(error) = SpeechServer::new(settings.clone()) {
        findings.note_at(&format!("{section}.base_url"), error.to_string());
    }
    RemoteVoice {
        settings,
        offered: offered.clone(),
    }
}

fn of_dialect(voice: &raw::Voice) -> Settings {
    if voice.engine == "openai" {
        let raw = &voice.openai;
        return Settings {
            instructions: raw.instructions.clone(),
            speed_by_server: raw.speed_by_server,
            sample_rate: SampleRate::new(raw.sample_rate)
                .expect("the table of keys has only rates"),
            ..Settings::new(Dialect::OpenAi, &raw.base_url, &raw.model, "")
        };
    }
    let raw = &voice.mistral;
    let dialect = match raw.realtime {
        true => Dialect::MistralRealtime,
        false => Dialect::Mistral,
    };
    Settings {
        expressiveness: raw
            .expressiveness
            .map(|expressiveness| expressiveness as f32),
        ..Settings::new(dialect, &raw.base_url, &raw.model, "")
    }
}

impl VoiceEngine {
    /// Its name in the configuration.
    pub fn name(&self) -> &'static str {
        match self {
            VoiceEngine::Flite => "flite",
            VoiceEngine::Tone => "tone",
            VoiceEngine::Voxtral(_) => "voxtral",
            VoiceEngine::Remote(remote) => match remote.settings.dialect {
                Dialect::OpenAi => "openai",
                Dialect::Mistral | Dialect::MistralRealtime => "mistral",
            },
        }
    }

    /// The voices it is known to have, its own first one first.
    pub fn voices(&self) -> Vec<String> {
        match self {
            VoiceEngine::Flite => (voiced_tts::voices().iter())
                .map(|voice| voice.name.to_owned())
                .collect(),
            VoiceEngine::Tone => Vec::new(),
            VoiceEngine::Voxtral(voxtral) => {
                let voices = voxtral.voices().list();
                voices.into_iter().map(|voice| voice.name).collect()
            }
            VoiceEngine::Remote(remote) => remote.offered.clone(),
        }
    }

    /// Whether a line may ask for this voice: of a server, only the server knows.
    pub fn has_voice(&self, voice: &str) -> bool {
        match self {
            VoiceEngine::Tone | VoiceEngine::Remote(_) => true,
            VoiceEngine::Flite => self.voices().iter().any(|known| known == voice),
            // Without a model nobody knows, and that there is none was told already.
            VoiceEngine::Voxtral(voxtral) => {
                voxtral.presets.is_empty() || voxtral.voices().contains(voice)
            }
        }
    }
}

impl Voice {
    /// Replies it speaks at once.
    pub fn rows(&self) -> usize {
        match &self.engine {
            VoiceEngine::Voxtral(voxtral) => voxtral.options.rows,
            _ => self.rows,
        }
    }
}

impl VoxtralVoice {
    /// Its voices: presets and added ones.
    pub fn voices(&self) -> Voices {
        Voices::new(
            &self.model,
            &self.presets,
            self.width,
            Some(self.added.clone()),
        )
    }

    /// The memory it takes, planned.
    ///
    /// # Errors
    /// With the numbers, when there is not enough.
    pub fn plan(&self, checkpoint: &Checkpoint) -> Result<Plan, PlanError> {
        let formats = checkpoint.formats(self.formats);
        Plan::new(checkpoint.config(), formats, &self.options, self.memory)
    }
}
