//! Recordings heard and texts spoken without a call, on rows of the engines that calls never use.
//! Whatever is dropped stops: its row is free at once.
use std::{
    io::Cursor,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::stream::{self, BoxStream, StreamExt};
use symphonia::core::formats::probe::Hint;
use tokio::sync::mpsc;
use voiced_core::{
    activity::ActivityPolicy,
    audio::SampleRate,
    engine::{Heard, Hearing as HearingInput, HearingOptions, Line, Speech, VoiceActivityDetector},
    sentences::Sentences,
};
use voiced_pipeline::{
    calls::DetectorFactory,
    lease::{EngineClient, Lease, OpenError},
};
use voiced_transport::rest::{
    EarAbilities, Hearing, Recording, Studio, StudioError, Text, Utterance,
};

use crate::{
    reader::Reader,
    recording::RecordingError,
    transcribe::{self, Sound, Told, TranscribeError},
};

/// How the recogniser and the synthesiser are called when they fail.
const EAR: &str = "recogniser";
const VOICE: &str = "synthesiser";
/// How many utterances may come of one stretch of sound.
const UTTERANCES: usize = 1_024;
/// Stretches of sound decoded ahead.
const AHEAD: usize = 4;

/// The daemon's engines, without a call.
pub struct House {
    /// The recogniser.
    pub ear: EngineClient<HearingInput, Heard>,
    /// The synthesiser.
    pub voice: EngineClient<Line, Speech>,
    /// What finds the pauses.
    pub detector: DetectorFactory<dyn VoiceActivityDetector>,
    /// When it is a pause.
    pub activity: ActivityPolicy,
    /// What the recogniser can do.
    pub abilities: EarAbilities,
}

impl Studio for House {
    fn hear(&self, recording: Recording) -> BoxStream<'static, Result<Hearing, StudioError>> {
        let (told, telling) = mpsc::channel(UTTERANCES);
        let (ear, detector, activity) = (self.ear.clone(), self.detector.clone(), self.activity);
        let work = async move {
            let options = HearingOptions {
                language: recording.language.clone(),
                ..HearingOptions::default()
            };
            let at_most = recording.at_most;
            let (sound, length) = read(recording);
            let mut detector = detector();
            let mut tell = |news: Told| match news {
                // Utterances are taken up before this work goes on: the queue is never full.
                Told::Said(said) => told.try_send(said).map_err(std::io::Error::other),
                Told::Partial(_) | Told::Heard(_) => Ok(()),
            };
            let heard = transcribe::transcribe_as(
                &ear,
                options,
                &mut *detector,
                activity,
                sound,
                &mut tell,
            );
            heard.await.map_err(|error| refused(error, at_most))?;
            Ok(SampleRate::HEARING.duration_of(length.load(Ordering::Acquire)))
        };
        driven(Box::pin(work), telling)
    }

    fn speak(&self, text: Text) -> BoxStream<'static, Result<Vec<f32>, StudioError>> {
        let voice = self.voice.clone();
        let mut sentences = Sentences::new(0);
        let mut lines = sentences.push(&text.text);
        lines.extend(sentences.finish());
        let lines: Vec<Line> = lines
            .into_iter()
            .map(|line| Line {
                text: line.text,
                voice: Some(text.voice.clone()),
                speed: Some(text.speed),
            })
            .collect();
        let opening = async move {
            let lease = voice.open().await.map_err(|error| match error {
                OpenError::AtCapacity => StudioError::Busy(VOICE),
                OpenError::Closed => StudioError::GaveUp(VOICE),
            })?;
            Ok(Speaking {
                lease,
                lines: lines.into_iter(),
                in_line: false,
            })
        };
        stream::once(opening).flat_map(spoken).boxed()
    }

    fn ear(&self) -> EarAbilities {
        self.abilities.clone()
    }
}

fn refused(error: TranscribeError, at_most: Duration) -> StudioError {
    match error {
        TranscribeError::NoEar(OpenError::AtCapacity) => StudioError::Busy(EAR),
        TranscribeError::Recording(RecordingError::Form { why, .. }) if why == TOO_LONG => {
            StudioError::TooLong(at_most)
        }
        TranscribeError::Recording(RecordingError::Form { why, .. }) => {
            StudioError::Unreadable(why)
        }
        TranscribeError::Recording(RecordingError::Read { source, .. }) => {
            StudioError::Unreadable(source.to_string())
        }
        TranscribeError::NoEar(OpenError::Closed)
        | TranscribeError::GaveUp
        | TranscribeError::Write(_) => StudioError::GaveUp(EAR),
    }
}

/// How a recording that goes on for too long ends.
const TOO_LONG: &str = "it is too long";

/// A recording decoded where it disturbs nobody, not far ahead of who hears it, and how many
/// samples came of it. Ends with the recording, or with who hears it.
fn read(recording: Recording) -> (Sound, Arc<AtomicU64>) {
    let (stretches, sound) = mpsc::channel(AHEAD);
    let length = Arc::new(AtomicU64::new(0));
    let counted = length.clone();
    // It ends by itself: the thread is not waited for.
    drop(tokio::task::spawn_blocking(move || {
        let most = SampleRate::HEARING.samples_in(recording.at_most);
        let mut reader = match open(recording) {
            Ok(reader) => reader,
            Err(error) => {
                let _ = stretches.blocking_send(Err(error));
                return;
            }
        };
        loop {
            let mut stretch = Vec::new();
            let stretch = match reader.next(&mut stretch) {
                Ok(false) => return,
                Ok(true) => {
                    let n = stretch.len() as u64;
                    match counted.fetch_add(n, Ordering::AcqRel) + n > most {
                        true => Err(form(TOO_LONG.to_owned())),
                        false => Ok(stretch),
                    }
                }
                Err(error) => Err(error),
            };
            let failed = stretch.is_err();
            if stretches.blocking_send(stretch).is_err() || failed {
                return;
            }
        }
    }));
    (sound, length)
}

fn open(recording: Recording) -> Result<Reader, RecordingError> {
    let Recording { bytes, name, .. } = recording;
    let mut hint = Hint::new();
    if let Some((_, extension)) = name.rsplit_once('.') {
        hint.with_extension(extension);
    }
    Reader::of(
        name,
        Box::new(Cursor::new(bytes)),
        &hint,
        SampleRate::HEARING,
    )
}

fn form(why: String) -> RecordingError {
    let name = "the recording".to_owned();
    RecordingError::Form { name, why }
}

type Work = futures::future::BoxFuture<'static, Result<Duration, StudioError>>;

/// What is told while `work` is done, then how it ended.
fn driven(
    work: Work,
    telling: mpsc::Receiver<Utterance>,
) -> BoxStream<'static, Result<Hearing, StudioError>> {
    enum Stage {
        Working(Work),
        Done(Result<Hearing, StudioError>),
        Over,
    }
    let state = (Stage::Working(work), telling);
    stream::unfold(state, |(mut stage, mut telling)| async move {
        loop {
            match stage {
                Stage::Working(mut work) => tokio::select! {
                    biased;
                    Some(utterance) = telling.recv() => {
                        let told = Ok(Hearing::Utterance(utterance));
                        return Some((told, (Stage::Working(work), telling)));
                    }
                    done = &mut work => stage = Stage::Done(done.map(Hearing::End)),
                },
                Stage::Done(done) => match telling.recv().await {
                    Some(utterance) => {
                        let told = Ok(Hearing::Utterance(utterance));
                        return Some((told, (Stage::Done(done), telling)));
                    }
                    None => return Some((done, (Stage::Over, telling))),
                },
                Stage::Over => return None,
            }
        }
    })
    .boxed()
}

/// A text on its way through the synthesiser.
struct Speaking {
    lease: Lease<Line, Speech>,
    lines: std::vec::IntoIter<Line>,
    in_line: bool,
}

fn spoken(
    speaking: Result<Speaking, StudioError>,
) -> BoxStream<'static, Result<Vec<f32>, StudioError>> {
    let speaking = match speaking {
        Ok(speaking) => speaking,
        Err(error) => return stream::once(async { Err(error) }).boxed(),
    };
    let steps = stream::unfold(Some(speaking), |speaking| async move {
        let mut speaking = speaking?;
        match speaking.next().await {
            Ok(Some(samples)) => Some((Ok(samples), Some(speaking))),
            Ok(None) => None,
            Err(error) => Some((Err(error), None)),
        }
    });
    steps.boxed()
}

impl Speaking {
    /// The next stretch of sound; `None` after the last line.
    async fn next(&mut self) -> Result<Option<Vec<f32>>, StudioError> {
        let gave_up = StudioError::GaveUp(VOICE);
        loop {
            if !self.in_line {
                let Some(line) = self.lines.next() else {
                    return Ok(None);
                };
                let fed = self.lease.feed.send(line).await;
                fed.map_err(|_| gave_up.clone())?;
                self.in_line = true;
            }
            match self
                .lease
                .yields
                .recv()
                .await
                .ok_or_else(|| gave_up.clone())?
            {
                Speech::Audio(frame) => return Ok(Some(frame.samples.to_vec())),
                Speech::Word { .. } => (),
                Speech::End => self.in_line = false,
            }
        }
    }
}
