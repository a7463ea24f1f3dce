//! The microphone and loudspeaker of this machine as a carrier.
//!
//! Guarantees: nothing in an audio callback locks, allocates, frees or logs; what takes time
//! (resampling the microphone, echo cancellation, telling the session) is done in a task between
//! two bounded rings. A machine without a sound card is an error that says so, not a silent call.
use voiced_core::{audio::AudioFrame, audio::SampleRate, resample::Resampler};
use voiced_pipeline::call::{MicSender, PlaybackReporter, Speaker};

use crate::{
    codec::MIC_FRAME,
    edge::{Edge, EdgeSettings},
    pacer::{Clock, Pacer},
};

mod device;
mod loudspeaker;
mod microphone;

use device::Streams;
pub use device::{Devices, LocalAudioError, devices};
use loudspeaker::{Echo, Loudspeaker};
pub use microphone::Meter;
use microphone::{Captured, Microphone};

/// Which devices, and what is done to the microphone.
#[derive(Clone, Debug)]
pub struct LocalSettings {
    /// Part of the microphone's name, in any case; `None` is the system's choice.
    pub microphone: Option<String>,
    /// Part of the loudspeaker's name, in any case; `None` is the system's choice.
    pub loudspeaker: Option<String>,
    /// What is done to the microphone. Echo cancellation belongs on unless a headset is worn.
    pub edge: EdgeSettings,
}

impl Default for LocalSettings {
    fn default() -> Self {
        Self {
            microphone: None,
            loudspeaker: None,
            edge: EdgeSettings {
                echo_cancellation: true,
                noise_suppression: true,
                high_pass: true,
                ..EdgeSettings::default()
            },
        }
    }
}

/// How loud both sides are, for whoever draws it. Cheap to clone; reading never blocks the sound.
#[derive(Clone, Debug, Default)]
pub struct Levels {
    /// The microphone, as it is picked up.
    pub microphone: Meter,
    /// The agent, as it is played.
    pub loudspeaker: Meter,
}

/// A running sound card. Dropping it stops the sound.
pub struct LocalAudio {
    streams: Streams,
    pump: Pump,
    levels: Levels,
}

/// What is done between the callbacks and the call.
struct Pump {
    captured: Captured,
    resampler: Resampler,
    /// Captured at 16 kHz and not yet a whole frame.
    heard: Vec<f32>,
    echo: Echo,
    edge: Edge,
    mic: MicSender,
    reporter: PlaybackReporter,
}

impl LocalAudio {
    /// Opens both devices and starts them. Needs a `CallHandle`'s microphone and speaker; its
    /// commands and events stay with the caller.
    pub fn open(
        settings: &LocalSettings,
        mic: MicSender,
        speaker: Speaker,
    ) -> Result<LocalAudio, LocalAudioError> {
        let levels = Levels::default();
        let pair = device::pick(settings)?;
        let (microphone, captured) = Microphone::new(pair.captures_at(), levels.microphone.clone());
        let (ring, reporter) = speaker.split();
        let (loudspeaker, echo) =
            Loudspeaker::new(ring, pair.plays_at(), levels.loudspeaker.clone());
        let pump = Pump {
            captured,
            resampler: Resampler::new(pair.captures_at(), SampleRate::HEARING),
            heard: Vec::with_capacity(4 * MIC_FRAME),
            echo,
            edge: Edge::new(settings.edge),
            mic,
            reporter,
        };
        Ok(LocalAudio {
            streams: pair.start(microphone, loudspeaker)?,
            pump,
            levels,
        })
    }

    /// How loud both sides are.
    pub fn levels(&self) -> Levels {
        self.levels.clone()
    }

    /// The names of the microphone and the loudspeaker in use.
    pub fn names(&self) -> (&str, &str) {
        self.streams.names()
    }

    /// Carries the sound until a device is lost. Dropping the future and the value ends it.
    pub async fn run(&mut self) -> LocalAudioError {
        let mut pacer = Pacer::new(Clock::start(), "local");
        loop {
            tokio::select! {
                _ = pacer.tick() => self.pump.turn(),
                lost = self.streams.lost() => return lost,
            }
        }
    }
}

impl Pump {
    /// Moves what has gathered since the last time.
    fn turn(&mut self) {
        while let Some(played) = self.echo.next() {
            self.edge.played(played.frame.as_ref());
            self.reporter.report(played.playback);
        }
        self.captured.take(&mut self.resampler, &mut self.heard);
        let whole = self.heard.len() / MIC_FRAME * MIC_FRAME;
        for frame in self.heard[..whole].chunks_exact_mut(MIC_FRAME) {
            self.edge.captured(frame);
            if self.mic.push(AudioFrame::new(SampleRate::HEARING, &*frame)) {
                metrics::counter!(voiced_pipeline::metrics::names::MIC_DROPPED).increment(1);
            }
        }
        self.heard.drain(..whole);
    }
}

#[cfg(test)]
mod tests;
