//! Recordings cut at their pauses, whole, and written in every form.
use voiced_core::engine::{Engine, EngineError, HeardWord, Progress, SlotId, SpeechProbability};
use voiced_pipeline::worker;

use super::*;
use crate::cli::TranscriptFormat;

/// Loud is speech.
struct Loud;

impl VoiceActivityDetector for Loud {
    fn window(&self) -> usize {
        160
    }
    fn push(&mut self, samples: &[f32]) -> SpeechProbability {
        SpeechProbability(if samples[0].abs() > 0.01 { 1.0 } else { 0.0 })
    }
    fn reset(&mut self) {}
}

/// Says how much speech it was given since it last said so.
#[derive(Default)]
struct Counting {
    loud: usize,
    finals: usize,
}

impl Engine for Counting {
    type Input = Hearing;
    type Output = Heard;
    fn slots(&self) -> usize {
        2
    }
    fn open(&mut self, _: SlotId) {}
    fn feed(&mut self, slot: SlotId, input: Hearing) -> Result<(), EngineError> {
        assert_eq!(slot, SlotId(0));
        match input {
            Hearing::Audio(frame) if frame.samples[0].abs() > 0.01 => self.loud += 1,
            Hearing::Finalize => self.finals += 1,
            _ => (),
        }
        Ok(())
    }
    fn close(&mut self, _: SlotId) {}
    fn step(
        &mut self,
        ready: &[bool],
        emit: &mut dyn FnMut(SlotId, Heard),
    ) -> Result<Progress, EngineError> {
        if self.finals == 0 || !ready[0] {
            return Ok(Progress::Idle);
        }
        self.finals -= 1;
        emit(
            SlotId(0),
            Heard::Final(std::mem::take(&mut self.loud).to_string().into()),
        );
        Ok(Progress::Stepped)
    }
}

async fn utterances(stretches: &[(f32, u64)]) -> Vec<(u64, u64, String)> {
    let mut samples = Vec::new();
    for (level, ms) in stretches {
        samples.extend(std::iter::repeat_n(*level, (*ms * 16) as usize));
    }
    let policy = ActivityPolicy::default();
    let engine = worker::spawn("counting", Counting::default()).expect("a thread");
    let mut heard = Vec::new();
    let mut tell = |told: Told| {
        if let Told::Said(said) = told {
            heard.push(said);
        }
        Ok(())
    };
    let sound = sound(samples);
    let done = transcribe(&engine, &mut Loud, policy, sound, &mut tell).await;
    done.expect("this engine does not fail");
    let ms = |time: Duration| u64::try_from(time.as_millis()).expect("short");
    heard
        .into_iter()
        .map(|u| (ms(u.from), ms(u.to), u.text))
        .collect()
}

/// In stretches that fit no window.
fn sound(samples: Vec<f32>) -> Sound {
    let (stretches, sound) = mpsc::channel(samples.len() / 777 + 2);
    for stretch in samples.chunks(777) {
        stretches.try_send(Ok(stretch.to_vec())).expect("room");
    }
    sound
}

#[tokio::test]
async fn pauses_cut_and_breaths_do_not() {
    let heard = utterances(&[
        (0.0, 1_000),
        (0.5, 400),
        (0.0, 300),
        (0.5, 400),
        (0.0, 900),
        (0.5, 100),
    ])
    .await;
    assert_eq!(
        heard,
        [
            (1_000, 2_100, "80".to_owned()),
            (3_000, 3_100, "10".to_owned())
        ]
    );
}

#[tokio::test]
async fn endless_speech_is_cut_without_losing_any() {
    let heard = utterances(&[(0.5, 50_000)]).await;
    let words: usize = heard
        .iter()
        .map(|(_, _, words)| words.parse::<usize>().unwrap_or(0))
        .sum();
    assert_eq!(words, 5_000);
    assert_eq!(heard.len(), 3);
    assert_eq!(heard[1].0, heard[0].1, "no gap between the stretches");
}

#[tokio::test]
async fn silence_says_nothing() {
    assert!(utterances(&[(0.0, 3_000)]).await.is_empty());
    assert!(utterances(&[]).await.is_empty());
}

#[tokio::test]
async fn a_recording_that_breaks_off_is_an_error() {
    let (stretches, sound) = mpsc::channel(4);
    let broken = RecordingError::Form {
        name: "a.mp3".to_owned(),
        why: "it broke".to_owned(),
    };
    stretches.try_send(Ok(vec![0.5; 16_000])).expect("room");
    stretches.try_send(Err(broken)).expect("room");
    let engine = worker::spawn("counting", Counting::default()).expect("a thread");
    let policy = ActivityPolicy::default();
    let done = transcribe(&engine, &mut Loud, policy, sound, &mut |_| Ok(())).await;
    assert!(
        matches!(done, Err(TranscribeError::Recording(_))),
        "{done:?}"
    );
}

fn formatted(said: &[Utterance], format: TranscriptFormat) -> String {
    let mut form = Form::new(format, Vec::new()).expect("a vector takes all");
    for said in said {
        form.write(said).expect("a vector takes all");
    }
    let bytes = form.finish().expect("a vector takes all");
    String::from_utf8(bytes).expect("text")
}

#[test]
fn every_form_is_what_its_readers_expect() {
    let said = [Utterance {
        from: Duration::from_millis(1_500),
        to: Duration::from_millis(3_661_007),
        text: "it said \"hello\"".to_owned(),
        words: vec![HeardWord {
            text: "it".to_owned(),
            start: Duration::from_millis(1_500),
            end: Duration::from_millis(1_580),
            confidence: 0.987_654,
        }],
    }];
    let json = "{\"from\":1.5,\"text\":\"it said \\\"hello\\\"\",\"to\":3661.007,\
                \"words\":[{\"confidence\":0.988,\"from\":1.5,\"text\":\"it\",\"to\":1.58}]}";
    let table = [
        (TranscriptFormat::Text, "it said \"hello\"\n".to_owned()),
        (TranscriptFormat::Json, format!("[{json}]\n")),
        (TranscriptFormat::Jsonl, format!("{json}\n")),
        (
            TranscriptFormat::Srt,
            "1\n00:00:01,500 --> 01:01:01,007\nit said \"hello\"\n\n".to_owned(),
        ),
        (
            TranscriptFormat::Vtt,
            "WEBVTT\n\n00:00:01.500 --> 01:01:01.007\nit said \"hello\"\n\n".to_owned(),
        ),
    ];
    for (format, want) in table {
        assert_eq!(formatted(&said, format), want);
    }
    assert_eq!(formatted(&[], TranscriptFormat::Json), "[]\n");
    let two = [said[0].clone(), said[0].clone()];
    let text = formatted(&two, TranscriptFormat::Json);
    let array: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(array.as_array().map(Vec::len), Some(2));
}
