//! Whose voices there are: `voiced voices list|add|remove|preview`, and what callers are shown.
use std::{ffi::OsStr, path::PathBuf};

use anyhow::Context;
use voiced_tts::{
    normalise::Language,
    remote::SpeechServer,
    voices::{Origin, Voices},
    voxtral::Checkpoint,
};

use crate::{
    cli,
    config::{Config, VoiceEngine, VoxtralVoice},
    recording, speak, terminal,
};

/// A voice, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// What it is asked for by.
    pub name: String,
    /// Its language, as a tag of BCP 47; empty where nobody knows.
    pub language: String,
    /// A few words about it.
    pub description: String,
}

/// The voices an engine is known to have, without asking anybody.
pub fn known(engine: &VoiceEngine) -> Vec<Known> {
    match engine {
        VoiceEngine::Flite => voiced_tts::voices()
            .into_iter()
            .map(|voice| Known {
                name: voice.name.to_owned(),
                language: voice.language.to_owned(),
                description: voice.description.to_owned(),
            })
            .collect(),
        VoiceEngine::Tone => Vec::new(),
        VoiceEngine::Voxtral(voice) => of_voxtral(&voice.voices()),
        VoiceEngine::Remote(remote) => {
            let offered = remote.offered.iter().map(|name| Known {
                name: name.clone(),
                language: String::new(),
                description: "of the speech server".to_owned(),
            });
            offered.collect()
        }
    }
}

fn of_voxtral(voices: &Voices) -> Vec<Known> {
    let shown = |voice: voiced_tts::voices::Voice| Known {
        language: voice.language.unwrap_or_default().to_owned(),
        description: match voice.origin {
            Origin::Preset => "of the model".to_owned(),
            Origin::Added => "added".to_owned(),
        },
        name: voice.name,
    };
    voices.list().into_iter().map(shown).collect()
}

/// Lists the voices of the configured engine; a server is asked for its own.
///
/// # Errors
/// When the server does not say.
pub async fn list(config: &Config) -> anyhow::Result<()> {
    let mut all = known(&config.voice.engine);
    if let VoiceEngine::Remote(remote) = &config.voice.engine {
        let server = SpeechServer::new(remote.settings.clone())?;
        let hosted = server.voices().await?.into_iter();
        let shown = hosted.map(|voice| Known {
            language: voice.languages.join(" "),
            description: voice.name,
            name: voice.id,
        });
        all = shown.collect();
    }
    anyhow::ensure!(
        !all.is_empty(),
        "the engine \"{}\" has no voices to choose from",
        config.voice.engine.name()
    );
    let width = all.iter().map(|voice| voice.name.chars().count()).max();
    let width = width.unwrap_or(0).max(4);
    terminal::say(&format!("  {:<width$}  language  about", "name"));
    for voice in &all {
        let mark = if voice.name == config.voice.voice {
            '*'
        } else {
            ' '
        };
        terminal::say(
            format!(
                "{mark} {:<width$}  {:<8}  {}",
                voice.name, voice.language, voice.description
            )
            .trim_end(),
        );
    }
    Ok(())
}

/// Only one engine takes voices.
fn voxtral(config: &Config) -> anyhow::Result<&VoxtralVoice> {
    match &config.voice.engine {
        VoiceEngine::Voxtral(voice) => Ok(voice),
        other => anyhow::bail!(
            "voices can be added to and removed from the engine \"voxtral\" only, and voice.engine \
             is \"{}\"",
            other.name()
        ),
    }
}

/// Adds a voice from a voice file or a recording.
///
/// # Errors
/// When it cannot become a voice, in one sentence that says what can.
pub fn add(options: &cli::VoicesAdd, config: &Config) -> anyhow::Result<()> {
    let voice = voxtral(config)?;
    let voices = voice.voices();
    let extension = options.file.extension().and_then(OsStr::to_str);
    let extension = extension.unwrap_or_default().to_ascii_lowercase();
    let added = match extension.as_str() {
        "safetensors" | "pt" => voices.add_file(&options.name, &options.file)?,
        _ => {
            // The encoder first: without one the recording does not matter.
            let checkpoint = Checkpoint::open(&voice.model)?;
            let encoder = checkpoint.encoder(voice.encoder.as_deref(), voice.formats)?;
            let samples = recording::read_speech(&options.file)?;
            voices.add_recording(&options.name, &samples, &checkpoint.frame_rows(), &encoder)?
        }
    };
    terminal::say(&format!(
        "added {} to {}",
        added.name,
        voice.added.display()
    ));
    Ok(())
}

/// Forgets an added voice.
///
/// # Errors
/// When there is no such voice, or it is the model's own.
pub fn remove(options: &cli::VoicesRemove, config: &Config) -> anyhow::Result<()> {
    voxtral(config)?.voices().remove(&options.name)?;
    terminal::say(&format!("removed {}", options.name));
    Ok(())
}

/// Lets a voice say a sentence into a file.
///
/// # Errors
/// When it cannot be said or written.
pub async fn preview(options: &cli::VoicesPreview, config: &Config) -> anyhow::Result<()> {
    let name = &options.name;
    let safe: String = name
        .chars()
        .map(|c| {
            if c.is_alphanumeric() || "-_".contains(c) {
                c
            } else {
                '_'
            }
        })
        .collect();
    let output = options.output.clone();
    let output = output.unwrap_or_else(|| PathBuf::from(format!("{safe}.wav")));
    let text = options.text.clone().unwrap_or_else(|| {
        let known = known(&config.voice.engine);
        let voice = known.iter().find(|voice| voice.name == *name);
        let language = voice.and_then(|voice| Language::from_code(&voice.language));
        sentence(language.unwrap_or(Language::En)).to_owned()
    });
    let spoken = cli::Speak {
        config: options.config.clone(),
        text: Some(text),
        file: None,
        from: 0,
        output: output.clone(),
        format: None,
        voice: None,
        speed: None,
        language: None,
        seed: None,
    };
    speak::run::run(&spoken, config)
        .await
        .with_context(|| format!("cannot preview {name}"))?;
    if output.as_os_str() != "-" {
        terminal::say(&format!("{name} speaks in {}", output.display()));
    }
    Ok(())
}

/// Something to say that shows how a voice sounds.
fn sentence(language: Language) -> &'static str {
    match language {
        Language::En => "Hello, and thank you for calling. How may I help you today?",
        Language::Fr => "Bonjour et merci de votre appel. Comment puis-je vous aider ?",
        Language::Es => "Hola y gracias por llamar. ¿En qué puedo ayudarle hoy?",
        Language::De => "Guten Tag und danke für Ihren Anruf. Wie kann ich Ihnen helfen?",
        Language::It => "Buongiorno e grazie per la chiamata. Come posso aiutarla oggi?",
        Language::Pt => "Olá e obrigado pela sua ligação. Como posso ajudar hoje?",
        Language::Nl => "Goedendag en bedankt voor uw telefoontje. Hoe kan ik u helpen?",
        Language::Ar => "مرحبا وشكرا لاتصالك. كيف يمكنني مساعدتك اليوم؟",
        Language::Hi => "नमस्ते, कॉल करने के लिए धन्यवाद। मैं आपकी क्या मदद कर सकती हूँ?",
    }
}
