//! What the callers of the measurements say: a synthesised voice, cut so that it begins and ends
//! at full strength, and both ends are known to the sample.
use anyhow::Context;
use voiced_core::audio::SampleRate;
use voiced_pipeline::worker;
use voiced_tts::embedded::Embedded;

use crate::speak::{self, Manner, Reached};

/// What is said.
const WORDS: &str = "What is the weather like today where you are?";
/// Quieter than this is not speech yet, or not any more.
const LOUD: f32 = 0.03;
/// How long the clip is: the words without their end, which would fade.
const SECONDS: f32 = 1.2;

/// The clip, at `SampleRate::SPEECH`, in whole frames of 20 ms.
///
/// # Errors
/// When the embedded voice cannot be had.
pub async fn clip() -> anyhow::Result<Vec<f32>> {
    let voice = worker::spawn("voice", Embedded::new(1)?)?;
    let mut samples = Vec::new();
    let mut sink = |sound: &[f32]| {
        samples.extend_from_slice(sound);
        Ok(())
    };
    let (manner, mut reached) = (Manner::default(), Reached::default());
    speak::speak(&voice, WORDS.as_bytes(), manner, &mut sink, &mut reached).await?;
    cut(&samples).context("the embedded voice is too quiet to be measured with")
}

/// From the first loud sample on; about [`SECONDS`] long, its last frame a loud one.
fn cut(samples: &[f32]) -> Option<Vec<f32>> {
    let frame = SampleRate::SPEECH.hz() as usize / 50;
    let begin = samples.iter().position(|sample| sample.abs() > LOUD)?;
    let most = (SECONDS * SampleRate::SPEECH.hz() as f32) as usize;
    let frames: Vec<_> = samples[begin..]
        .chunks_exact(frame)
        .take(most / frame)
        .collect();
    let is_loud = |frame: &&[f32]| {
        let power = frame.iter().map(|s| s * s).sum::<f32>() / frame.len() as f32;
        power.sqrt() > LOUD
    };
    let last = frames.iter().rposition(is_loud)?;
    Some(frames[..=last].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clip_begins_and_ends_loud() {
        let mut samples = vec![0.0; 1_000];
        samples.extend(vec![0.2; 24_000]);
        samples.extend(vec![0.0; 24_000]);
        let clip = cut(&samples).unwrap_or_default();
        assert_eq!(clip.len(), 24_000);
        assert!(clip.iter().all(|sample| *sample == 0.2));
        assert!(cut(&[0.0; 5_000]).is_none());
    }
}
