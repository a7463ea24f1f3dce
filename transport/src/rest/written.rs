//! How a transcript is written down: JSON short and long, text and subtitles.
use std::time::Duration;

use axum::{
    Json,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::Utterance;
use crate::subtitles;

/// A transcript's form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResponseFormat {
    /// An object with the text.
    #[default]
    Json,
    /// The text alone.
    Text,
    /// SubRip subtitles.
    Srt,
    /// WebVTT subtitles.
    Vtt,
    /// An object with the text, its segments and words.
    VerboseJson,
}

impl ResponseFormat {
    /// All of them, as they are asked for.
    pub const ALL: [(&'static str, ResponseFormat); 5] = [
        ("json", ResponseFormat::Json),
        ("text", ResponseFormat::Text),
        ("srt", ResponseFormat::Srt),
        ("vtt", ResponseFormat::Vtt),
        ("verbose_json", ResponseFormat::VerboseJson),
    ];
}

/// What was heard, and what of it is to be told.
#[derive(Clone, Debug)]
pub struct Transcript {
    /// One stretch of speech after another.
    pub utterances: Vec<Utterance>,
    /// How long the recording was.
    pub length: Duration,
    /// Its language, where it is known.
    pub language: String,
    /// Whether words are told with their times.
    pub words: bool,
    /// Whether segments are told.
    pub segments: bool,
}

/// A transcript in its short form.
#[derive(Debug, Serialize, ToSchema)]
pub struct Transcription {
    /// All that was said.
    text: String,
    /// What it cost.
    usage: DurationUsage,
}

/// What a transcription cost.
#[derive(Debug, Serialize, ToSchema)]
pub struct DurationUsage {
    /// Always `duration`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The length of the recording.
    seconds: f64,
}

/// A transcript in its long form.
#[derive(Debug, Serialize, ToSchema)]
pub struct VerboseTranscription {
    /// Always `transcribe`.
    task: &'static str,
    /// As an ISO 639-1 code; empty where the recogniser does not tell.
    language: String,
    /// The length of the recording in seconds.
    duration: f64,
    /// All that was said.
    text: String,
    /// Stretches of speech.
    #[serde(skip_serializing_if = "Option::is_none")]
    segments: Option<Vec<Segment>>,
    /// Words, when they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    words: Option<Vec<Word>>,
    /// What it cost.
    usage: DurationUsage,
}

/// A stretch of speech. `tokens`, `temperature` and the two ratios are there because clients of the
/// OpenAI API require them; recognisers here have no such figures, and they are always the same.
#[derive(Debug, Serialize, ToSchema)]
pub struct Segment {
    /// From 0.
    id: usize,
    /// Always 0.
    seek: u32,
    /// In seconds.
    start: f64,
    /// In seconds.
    end: f64,
    /// What was said.
    text: String,
    /// Always empty.
    tokens: Vec<u32>,
    /// Always 0.
    temperature: f64,
    /// Mean logarithm of the words' confidence, where the recogniser tells one; else 0.
    avg_logprob: f64,
    /// Always 1.
    compression_ratio: f64,
    /// Always 0: what is no speech is no segment.
    no_speech_prob: f64,
}

/// A word.
#[derive(Debug, Serialize, ToSchema)]
pub struct Word {
    /// As written.
    word: String,
    /// In seconds.
    start: f64,
    /// In seconds.
    end: f64,
}

impl Transcript {
    /// All that was said.
    pub fn text(&self) -> String {
        let texts: Vec<&str> = self.utterances.iter().map(|u| u.text.as_str()).collect();
        texts.join(" ")
    }

    fn duration_usage(&self) -> DurationUsage {
        DurationUsage {
            kind: "duration",
            seconds: seconds(self.length),
        }
    }

    /// The answer in the form asked for.
    pub fn respond(&self, format: ResponseFormat) -> Response {
        let cues = self.utterances.iter();
        let cues = cues.map(|u| (u.from, u.to, u.text.as_str()));
        match format {
            ResponseFormat::Json => Json(Transcription {
                text: self.text(),
                usage: self.duration_usage(),
            })
            .into_response(),
            ResponseFormat::VerboseJson => Json(self.verbose()).into_response(),
            ResponseFormat::Text => plain("text/plain; charset=utf-8", self.text() + "\n"),
            ResponseFormat::Srt => plain("application/x-subrip", subtitles::srt(cues)),
            ResponseFormat::Vtt => plain("text/vtt; charset=utf-8", subtitles::vtt(cues)),
        }
    }

    fn verbose(&self) -> VerboseTranscription {
        let segments = self.utterances.iter().enumerate();
        let words = self.utterances.iter().flat_map(|u| &u.words);
        VerboseTranscription {
            task: "transcribe",
            language: self.language.clone(),
            duration: seconds(self.length),
            text: self.text(),
            segments: self.segments.then(|| segments.map(segment).collect()),
            words: self.words.then(|| {
                let words = words.map(|word| Word {
                    word: word.text.clone(),
                    start: seconds(word.start),
                    end: seconds(word.end),
                });
                words.collect()
            }),
            usage: self.duration_usage(),
        }
    }
}

fn segment((id, utterance): (usize, &Utterance)) -> Segment {
    let logarithms = utterance
        .words
        .iter()
        .map(|word| f64::from(word.confidence.max(1e-6)).ln());
    let n_words = utterance.words.len().max(1) as f64;
    Segment {
        id,
        seek: 0,
        start: seconds(utterance.from),
        end: seconds(utterance.to),
        text: utterance.text.clone(),
        tokens: Vec::new(),
        temperature: 0.0,
        avg_logprob: logarithms.sum::<f64>() / n_words,
        compression_ratio: 1.0,
        no_speech_prob: 0.0,
    }
}

fn plain(kind: &'static str, text: String) -> Response {
    (
        [(header::CONTENT_TYPE, HeaderValue::from_static(kind))],
        text,
    )
        .into_response()
}

/// To the millisecond.
fn seconds(time: Duration) -> f64 {
    time.as_millis() as f64 / 1_000.0
}
