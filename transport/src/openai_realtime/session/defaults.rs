//! What a session is before its client says anything.
use voiced_core::turn::TurnPolicy;

/// What a session is before its client says anything.
#[derive(Clone, Debug)]
pub struct SessionDefaults {
    /// Shown as the session's model.
    pub model: String,
    /// The voice's name.
    pub voice: String,
    /// Shown as the session's instructions; may be empty when they are nobody's business.
    pub instructions: String,
    /// How turns are taken.
    pub policy: TurnPolicy,
    /// Tempo of the voice, 1.0 is natural.
    pub speed: f32,
    /// The recogniser's name when transcripts are sent without being asked for; `None` is the
    /// protocol's default, off.
    pub transcription: Option<String>,
    /// The voices there are. A client that asks for one of OpenAI's by name gets `voice`; any
    /// other unknown name is refused. Empty: every name is passed on.
    pub voices: Vec<String>,
    /// Whether the model behind it takes pictures.
    pub images: bool,
    /// The languages the recogniser knows, as ISO 639-1 codes. Empty: every one is passed on.
    pub languages: Vec<String>,
    /// Hosts of tool servers that clients may name, `*.` in front for those below; `*` is every
    /// one. Empty: none.
    pub tool_hosts: Vec<String>,
}

impl Default for SessionDefaults {
    fn default() -> Self {
        Self {
            model: "voiced".into(),
            voice: "default".into(),
            instructions: String::new(),
            policy: TurnPolicy::default(),
            speed: 1.0,
            transcription: None,
            voices: Vec::new(),
            images: false,
            languages: Vec::new(),
            tool_hosts: Vec::new(),
        }
    }
}

/// What is done to the noise in the caller's sound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NoiseReduction {
    /// As the daemon is configured.
    #[default]
    Usual,
    /// For a microphone near the mouth, gently.
    Near,
    /// For a microphone near the mouth.
    NearStrong,
    /// For a microphone in the room, gently.
    Far,
    /// For a microphone in the room.
    FarStrong,
}
