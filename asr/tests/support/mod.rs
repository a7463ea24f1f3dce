//! What the recogniser's tests share: speech to hear, a call that plays it, and word error rates.
#![allow(dead_code)]
use std::{
    env, fs,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use voiced_core::{
    audio::{AudioFrame, SampleRate},
    engine::{Engine, Heard, Hearing, Line, Progress, SlotId, Speech, Synthesizer, Transcriber},
    resample::Resampler,
};
use voiced_tts::embedded::Embedded as Voice;

/// What came of one utterance.
#[derive(Debug, Default, PartialEq)]
pub struct Transcript {
    pub partials: Vec<String>,
    pub words: String,
    pub steps: usize,
}

/// A recorded utterance and its words.
pub struct Recording {
    pub name: String,
    pub audio: Vec<f32>,
    pub words: String,
}

/// The folder with recorded speech, or `None` and a line that says what is skipped.
#[expect(clippy::print_stdout, reason = "a skipped test says so")]
pub fn recordings(what: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/audio");
    let folder = env::var_os("VOICED_TEST_AUDIO").map_or(beside, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    println!("SKIPPED {what}: no recorded speech (set VOICED_TEST_AUDIO to its folder)");
    None
}

/// A WAV file as 16 kHz audio.
pub fn wav(path: &Path) -> Vec<f32> {
    let mut reader = hound::WavReader::open(path).expect("a WAV file");
    let spec = reader.spec();
    assert_eq!((spec.channels, spec.bits_per_sample), (1, 16));
    let samples: Vec<f32> = reader
        .samples::<i16>()
        .map(|s| f32::from(s.expect("a whole file")) / 32_768.0)
        .collect();
    resampled(&samples, spec.sample_rate)
}

fn resampled(samples: &[f32], hz: u32) -> Vec<f32> {
    let from = SampleRate::new(hz).expect("a usual rate");
    let mut resampler = Resampler::new(from, SampleRate::HEARING);
    let mut out = Vec::new();
    resampler.process(samples, &mut out);
    resampler.flush(&mut out);
    out
}

/// The read sentences with their words.
pub fn sentences(folder: &Path) -> Vec<Recording> {
    let mut found = vec![Recording {
        name: "jfk".into(),
        audio: wav(&folder.join("jfk.wav")),
        words: "and so my fellow americans ask not what your country can do for you \
                ask what you can do for your country"
            .into(),
    }];
    let mut texts: Vec<PathBuf> = fs::read_dir(folder.join("librivox"))
        .expect("the folder has librivox")
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|e| e == "txt"))
        .collect();
    texts.sort();
    for text in texts {
        found.push(Recording {
            name: text
                .file_stem()
                .expect("a name")
                .to_string_lossy()
                .into_owned(),
            audio: wav(&text.with_extension("wav")),
            words: fs::read_to_string(&text).expect("a text").trim().to_owned(),
        });
    }
    found
}

/// `text` said by the embedded synthesiser, as 16 kHz audio.
pub fn said(voice: &mut Voice, text: &str, name: &str) -> Vec<f32> {
    voice.open(SlotId(0));
    let line = Line {
        text: text.into(),
        voice: Some(name.into()),
        speed: None,
    };
    voice.feed(SlotId(0), line).expect("speakable");
    let mut audio = Vec::new();
    let mut ended = false;
    while !ended {
        ended = pull(voice, &mut audio);
    }
    resampled(&audio, 24_000)
}

fn pull(voice: &mut impl Synthesizer, audio: &mut Vec<f32>) -> bool {
    let mut ended = false;
    let mut take = |_, speech| match speech {
        Speech::Audio(frame) => audio.extend_from_slice(&frame.samples),
        Speech::Word { .. } => {}
        Speech::End => ended = true,
    };
    if voice.step(&[true], &mut take).expect("the voice works") == Progress::Idle {
        thread::park_timeout(Duration::from_secs(1));
    }
    ended
}

/// `audio` with a quiet room before and after it.
pub fn in_a_room(audio: &[f32]) -> Vec<f32> {
    let mut state = 7u32;
    let mut room = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state as f32 / u32::MAX as f32 - 0.5) * 0.002
    };
    let silence = 16_000 * 3 / 10;
    let mut out: Vec<f32> = (0..silence).map(|_| room()).collect();
    out.extend(audio.iter().map(|s| s + room()));
    out.extend((0..silence).map(|_| room()));
    out
}

/// Steps until idle; `true` once a final came. Parks while there is more to come.
fn drive(ear: &mut impl Transcriber, slot: SlotId, heard: &mut Transcript) -> bool {
    let ready = vec![true; ear.slots()];
    let mut finals = 0;
    loop {
        let mut emit = |from: SlotId, heard_now| {
            assert_eq!(from, slot);
            match heard_now {
                Heard::Partial(words) => heard.partials.push(words),
                Heard::Final(said) => {
                    heard.words = said.text;
                    finals += 1;
                }
            }
        };
        if ear.step(&ready, &mut emit).expect("the ear works") == Progress::Idle {
            assert!(finals <= 1, "one final for each finalize");
            return finals == 1;
        }
        heard.steps += 1;
    }
}

/// One utterance on one row, in chunks of `chunk` samples, with the marks a pipeline sends.
pub fn hear_in(
    ear: &mut impl Transcriber,
    slot: SlotId,
    audio: &[f32],
    chunk: usize,
) -> Transcript {
    let mut heard = Transcript::default();
    // The pipeline notices speech a little after it began.
    let (before, after) = audio.split_at(audio.len().min(16_000 * 4 / 10));
    for part in before.chunks(chunk) {
        let frame = AudioFrame::new(SampleRate::HEARING, part);
        ear.feed(slot, Hearing::Audio(frame)).expect("audio");
    }
    ear.feed(slot, Hearing::SpeechStarted).expect("a mark");
    for part in after.chunks(chunk) {
        let frame = AudioFrame::new(SampleRate::HEARING, part);
        ear.feed(slot, Hearing::Audio(frame)).expect("audio");
        assert!(!drive(ear, slot, &mut heard), "nobody asked for a final");
    }
    ear.feed(slot, Hearing::Finalize).expect("a mark");
    while !drive(ear, slot, &mut heard) {
        thread::park_timeout(Duration::from_secs(1));
    }
    heard
}

/// One utterance on row 0 in frames of 20 ms, of a caller who was not heard before.
pub fn hear(ear: &mut impl Transcriber, audio: &[f32]) -> Transcript {
    ear.open(SlotId(0));
    hear_in(ear, SlotId(0), audio, 320)
}

/// Word errors and words, for a rate over many utterances.
#[derive(Clone, Copy, Debug, Default)]
pub struct Errors {
    pub errors: usize,
    pub words: usize,
}

impl Errors {
    /// Adds one utterance: the fewest words to insert, delete or replace.
    pub fn add(&mut self, said: &str, heard: &str) {
        let plain = |text: &str| -> Vec<String> {
            let word = |w: &str| {
                w.to_lowercase()
                    .replace(|c: char| !c.is_alphanumeric() && c != '\'', "")
            };
            text.split_whitespace()
                .map(word)
                .filter(|w| !w.is_empty())
                .collect()
        };
        let (said, heard) = (plain(said), plain(heard));
        let mut row: Vec<usize> = (0..=heard.len()).collect();
        for (i, word) in said.iter().enumerate() {
            let mut before = row[0];
            row[0] = i + 1;
            for (j, other) in heard.iter().enumerate() {
                let replaced = before + usize::from(word != other);
                before = row[j + 1];
                row[j + 1] = replaced.min(row[j] + 1).min(before + 1);
            }
        }
        self.errors += row[heard.len()];
        self.words += said.len();
    }

    /// Errors per word.
    pub fn rate(self) -> f64 {
        self.errors as f64 / self.words.max(1) as f64
    }
}
