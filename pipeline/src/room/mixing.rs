//! What everybody in a room hears: originals they understand, interpreters of the others, and under
//! those the others themselves.
//!
//! Policy: a room lives in real time. A frame nobody pulls in time is dropped, so that a slow
//! listener is late by no more than [`RING`].
use std::collections::BTreeMap;

use tokio::sync::mpsc;
use voiced_core::{
    audio::{AudioFrame, SampleRate},
    epoch::{Epoch, epoch},
    interpret::{DuckPolicy, Ducker, Language, limit},
    playout::{FRAME, PlayoutFrame, PlayoutReader, PlayoutWriter, playout},
    resample::Resampler,
};

use super::PersonId;
use crate::call::{MicReceiver, MicSender};

/// Frames that wait between a room and a person, each way: 200 ms.
const RING: usize = 10;

/// A ring between a room and a person. Nothing in it is ever interrupted.
pub(super) fn ring() -> (PlayoutWriter, PlayoutReader) {
    let (_, epochs) = epoch();
    let (writer, reader, _) = playout(RING, epochs);
    (writer, reader)
}

fn frame(samples: [f32; FRAME]) -> PlayoutFrame {
    PlayoutFrame {
        epoch: Epoch(0),
        samples,
        is_last: false,
    }
}

/// Passes a speaker's microphone on to their interpreter and, at the loudspeakers' rate, to the
/// room; tells the room when it is gone.
pub(super) async fn pass_on(
    person: PersonId,
    mut mic: MicReceiver,
    interpreter: Option<MicSender>,
    mut original: PlayoutWriter,
    gone: mpsc::Sender<PersonId>,
) {
    let mut resampler = Resampler::new(SampleRate::HEARING, SampleRate::SPEECH);
    let mut pending = Vec::with_capacity(2 * FRAME);
    while let Some(heard) = mic.recv().await {
        let Some(interpreter) = &interpreter else {
            continue;
        };
        resampler.process(&heard.samples, &mut pending);
        while pending.len() >= FRAME {
            let mut samples = [0.0; FRAME];
            samples.copy_from_slice(&pending[..FRAME]);
            pending.drain(..FRAME);
            // Full: the room is late and this frame would be too.
            let _ = original.push(&frame(samples));
        }
        pass(interpreter, heard);
    }
    // The room may be gone already.
    let _ = gone.send(person).await;
}

fn pass(interpreter: &MicSender, heard: AudioFrame) {
    if interpreter.push(heard) {
        metrics::counter!(crate::metrics::names::MIC_DROPPED).increment(1);
    }
}

/// What one speaker sounds like in 20 ms: themselves, and in each language.
#[derive(Default)]
pub(super) struct Voices {
    pub original: Option<PlayoutFrame>,
    pub interpreted: BTreeMap<Language, Option<PlayoutFrame>>,
}

/// One person's loudspeaker.
pub(super) struct Loudspeaker {
    ring: PlayoutWriter,
    policy: DuckPolicy,
    duckers: BTreeMap<PersonId, Ducker>,
}

impl Loudspeaker {
    pub(super) fn new(ring: PlayoutWriter, policy: DuckPolicy) -> Self {
        Self {
            ring,
            policy,
            duckers: BTreeMap::new(),
        }
    }

    /// Mixes 20 ms of what the others say for somebody who wants to hear `language`.
    pub(super) fn play<'a>(
        &mut self,
        language: &Language,
        others: impl Iterator<Item = (PersonId, &'a Language, &'a Voices)>,
    ) {
        let mut mix = [0.0; FRAME];
        let mut is_silent = true;
        for (speaker, spoken, voices) in others {
            let original = voices.original.as_ref().map(|frame| &frame.samples);
            let interpreted = if language.is_understood_by(spoken) {
                add(original, &mut mix);
                None
            } else {
                let interpreted = voices.interpreted.get(language).and_then(Option::as_ref);
                let ducker = self.duckers.entry(speaker);
                let ducker = ducker.or_insert_with(|| Ducker::new(self.policy));
                ducker.mix(original, interpreted.is_some(), &mut mix);
                let interpreted = interpreted.map(|frame| &frame.samples);
                add(interpreted, &mut mix);
                interpreted
            };
            is_silent &= original.is_none() && interpreted.is_none();
        }
        if is_silent {
            return;
        }
        limit(&mut mix);
        // Full: their side does not pull.
        let _ = self.ring.push(&frame(mix));
    }

    /// Somebody is gone.
    pub(super) fn forget(&mut self, speaker: PersonId) {
        self.duckers.remove(&speaker);
    }
}

fn add(voice: Option<&[f32; FRAME]>, mix: &mut [f32; FRAME]) {
    for (out, sample) in mix.iter_mut().zip(voice.into_iter().flatten()) {
        *out += sample;
    }
}
