//! Recordings heard and texts spoken without a call, on rows of the engines that calls never use.
//! Whatever is dropped stops: its row is free at once.
use std::sync::Arc;

use futures::stream::{self, BoxStream, StreamExt};
use tokio::sync::mpsc;
use voiced_core::{
    activity::ActivityPolicy,
    engine::{Heard, Hearing as HearingInput, Line, Speech, VoiceActivityDetector},
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
    recording::{self, BytesError},
    transcribe::{self, TranscribeError},
};

/// How the recogniser and the synthesiser are called when they fail.
const EAR: &str = "recogniser";
const VOICE: &str = "synthesiser";
/// How many utterances wait for a slow client; then the recogniser's row waits.
const UTTERANCES: usize = 8;

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
            let language = recording.language.clone();
            let samples = decoded(recording).await?;
            let mut detector = detector();
            let heard = transcribe::transcribe_into(
                &ear,
                &mut *detector,
                activity,
                &samples,
                language,
                told,
            );
            heard.await.map_err(|error| match error {
                TranscribeError::NoEar(OpenError::AtCapacity) => StudioError::Busy(EAR),
                TranscribeError::NoEar(OpenError::Closed) | TranscribeError::GaveUp => {
                    StudioError::GaveUp(EAR)
                }
            })?;
            Ok(voiced_core::audio::SampleRate::HEARING.duration_of(samples.len() as u64))
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

/// The recording's samples, decoded where it disturbs nobody.
async fn decoded(recording: Recording) -> Result<Arc<Vec<f32>>, StudioError> {
    let Recording {
        bytes,
        name,
        at_most,
        ..
    } = recording;
    let work = move || recording::read_bytes(&name, bytes, at_most);
    let samples = tokio::task::spawn_blocking(work).await;
    let samples = samples.map_err(|_| StudioError::Unreadable("its decoder failed".to_owned()))?;
    samples.map(Arc::new).map_err(|error| match error {
        BytesError::TooLong => StudioError::TooLong(at_most),
        BytesError::Form(error) => StudioError::Unreadable(error.to_string()),
    })
}

type Work = futures::future::BoxFuture<'static, Result<std::time::Duration, StudioError>>;

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
