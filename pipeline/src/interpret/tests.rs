//! Interpreted speakers in paused time, with engines that are tasks.
#![allow(clippy::unwrap_used)]
use tokio::time::interval;
use voiced_core::{
    audio::{AudioFrame, SampleRate},
    engine::{ReplyEnd, ReplyPiece, SpeechProbability},
    interpret::{CommitChoice, prompt},
    playout::{FRAME, PlayoutReader},
};

use super::*;
use crate::{
    call::CallRefused,
    calls::{Calls, CallsSettings, InterpretRequest, Persona},
    lease::Row,
    remote::serve_by_tasks,
    tools::NoTools,
};
use voiced_core::{
    engine::{TurnContext, TurnDetector},
    turn::TurnPolicy,
};

const MIC_FRAME: usize = 320;

/// Lets simulated time pass.
async fn pass(time: Duration) {
    let never = std::future::pending::<()>();
    let _ = tokio::time::timeout(time, never).await;
}

struct Loudness;

impl VoiceActivityDetector for Loudness {
    fn window(&self) -> usize {
        MIC_FRAME
    }
    fn push(&mut self, samples: &[f32]) -> SpeechProbability {
        SpeechProbability(samples[0].abs())
    }
    fn reset(&mut self) {}
}

struct Sure;

impl TurnDetector for Sure {
    fn end_of_turn(&mut self, _: TurnContext<'_>) -> f32 {
        1.0
    }
}

const WORDS: [&str; 8] = [
    "one", "two", "three,", "four", "five", "six.", "seven", "eight.",
];

/// Hears the next of `WORDS` in every fifteenth loud frame: one in 300 ms.
async fn hear(mut row: Row<Hearing, Heard>) {
    let (mut n_loud, mut n_words, mut said) = (0, 0, String::new());
    while let Some(hearing) = row.inputs.recv().await {
        let heard = match hearing {
            Hearing::Audio(frame) if frame.samples[0] > 0.6 => {
                n_loud += 1;
                if n_loud % 15 != 0 {
                    continue;
                }
                said.push_str(WORDS[n_words % WORDS.len()]);
                said.push(' ');
                n_words += 1;
                Heard::Partial(said.clone())
            }
            Hearing::Finalize => Heard::Final(std::mem::take(&mut said).into()),
            _ => continue,
        };
        if row.outputs.send(heard).await.is_err() {
            return;
        }
    }
}

/// Upper case after 100 ms; gives up on what it finds unspeakable.
async fn translate_loudly(mut row: Row<Prompt, ReplyPiece>) {
    let asked = row.inputs.recv().await.unwrap();
    let piece = asked.messages.last().unwrap().text.clone();
    pass(Duration::from_millis(100)).await;
    let text = prompt::words(&piece).to_uppercase();
    if text.contains("SEVEN") {
        return;
    }
    let _ = row.outputs.send(ReplyPiece::Text(text)).await;
    let _ = row.outputs.send(ReplyPiece::End(ReplyEnd::default())).await;
}

/// A hundred milliseconds a word.
async fn sing(mut row: Row<Line, Speech>) {
    while let Some(line) = row.inputs.recv().await {
        for _ in 0..5 * line.text.split(' ').count() {
            let frame = AudioFrame::new(SampleRate::SPEECH, vec![0.5; FRAME]);
            if row.outputs.send(Speech::Audio(frame)).await.is_err() {
                return;
            }
        }
        if row.outputs.send(Speech::End).await.is_err() {
            return;
        }
    }
}

struct Loud(EngineClient<Prompt, ReplyPiece>);

impl Translators for Loud {
    fn between(
        &self,
        _: Option<&Language>,
        target: &Language,
    ) -> Result<EngineClient<Prompt, ReplyPiece>, NoTranslator> {
        if target.primary() == "de" {
            return Err(NoTranslator("not into German".to_owned()));
        }
        Ok(self.0.clone())
    }
}

fn desk(max_calls: usize, voices: usize) -> (Calls, Drain) {
    let drain = Drain::new();
    let mind = serve_by_tasks(8, translate_loudly);
    let persona = Persona {
        name: "test".into(),
        instructions: String::new(),
        greeting: None,
        voice: None,
        mind: mind.clone(),
        tools: Arc::new(NoTools),
    };
    let calls = Calls::new(CallsSettings {
        ear: serve_by_tasks(max_calls, hear),
        voice: serve_by_tasks(voices, sing),
        personas: vec![persona],
        activity_detector: Arc::new(|| Box::new(Loudness)),
        activity: ActivityPolicy::default(),
        turn_detector: Arc::new(|| Box::new(Sure)),
        policy: TurnPolicy::default(),
        speed: None,
        max_calls,
        max_calls_per_address: 8,
        max_call: Duration::from_secs(600),
        translators: Arc::new(Loud(mind)),
        tool_servers: Arc::new(crate::tool_servers::NoToolServers),
        drain: drain.clone(),
    });
    (calls, drain)
}

fn request() -> InterpretRequest {
    InterpretRequest {
        carrier: "test",
        address: None,
        name: "t".into(),
        settings: InterpretSettings {
            language: Some(Language::parse("en").unwrap()),
            commit: CommitChoice::LocalAgreement { hypotheses: 2 },
            ..InterpretSettings::default()
        },
    }
}

fn into(language: &str) -> TargetRequest {
    TargetRequest {
        language: Language::parse(language).unwrap(),
        voice: None,
        speed: 1.0,
        spoken: true,
    }
}

/// Speaks for the first `loud` of `ms` milliseconds, then asks for the end.
fn speak(mic: MicSender, control: InterpretControl, loud: u64, ms: u64) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut tick = interval(Duration::from_millis(20));
        for n in 0..ms / 20 {
            tick.tick().await;
            let level = if n * 20 < loud { 0.9 } else { 0.0 };
            mic.push(AudioFrame::new(SampleRate::HEARING, vec![level; MIC_FRAME]));
        }
        control.finish().await;
        // The microphone stays until the session is over.
        std::future::pending::<()>().await;
    });
    tasks
}

/// Plays every target until the session ends: the frames of each that sounded, and what was told.
async fn attend(
    mut events: mpsc::Receiver<InterpretTold>,
    mut rings: Vec<PlayoutReader>,
) -> (Vec<usize>, Vec<InterpretTold>) {
    let mut n_frames = vec![0; rings.len()];
    let mut told = Vec::new();
    let mut tick = interval(Duration::from_millis(20));
    loop {
        tokio::select! {
            biased;
            event = events.recv() => match event {
                Some(event) => told.push(event),
                None => return (n_frames, told),
            },
            _ = tick.tick() => for (ring, n) in rings.iter_mut().zip(&mut n_frames) {
                *n += usize::from(ring.pull().is_some());
            },
        }
    }
}

fn text_for(told: &[InterpretTold], wanted: TargetId) -> String {
    let more = told.iter().filter_map(|told| match told {
        InterpretTold::Told(Told::TargetText { target, text }) if *target == wanted => {
            Some(text.as_str())
        }
        _ => None,
    });
    more.collect()
}

#[tokio::test(start_paused = true)]
async fn a_speaker_is_heard_in_two_languages_at_once() {
    let (calls, _drain) = desk(2, 4);
    let handle = calls.interpret(request()).await.unwrap();
    let french = handle.control.add(into("fr")).await.unwrap();
    let spanish = handle.control.add(into("es")).await.unwrap();
    let rings = vec![french.ring.unwrap(), spanish.ring.unwrap()];
    let _speaker = speak(handle.mic, handle.control, 1_830, 2_600);
    let (n_frames, told) = attend(handle.events, rings).await;
    for target in [french.target, spanish.target] {
        assert_eq!(text_for(&told, target), "ONE TWO THREE, FOUR FIVE SIX.");
    }
    // Six words of a hundred milliseconds.
    assert_eq!(n_frames, [30, 30]);
    let sounding =
        |told: &&InterpretTold| matches!(told, InterpretTold::Told(Told::Sounding { .. }));
    assert_eq!(told.iter().filter(sounding).count(), 4, "two lines each");
    assert_eq!(
        told.last(),
        Some(&InterpretTold::Ended(EndReason::CallerLeft))
    );
    assert_eq!(calls.n_free(), 2, "the place is free again");
}

#[tokio::test(start_paused = true)]
async fn a_translator_that_gives_up_costs_its_piece_only() {
    let (calls, _drain) = desk(1, 1);
    let handle = calls.interpret(request()).await.unwrap();
    let french = handle.control.add(into("fr")).await.unwrap();
    let _speaker = speak(handle.mic, handle.control, 3_330, 4_000);
    let (_, told) = attend(handle.events, vec![french.ring.unwrap()]).await;
    let failed =
        |told: &InterpretTold| matches!(told, InterpretTold::Told(Told::TranslationFailed { .. }));
    assert_eq!(told.iter().filter(|told| failed(told)).count(), 1);
    let text = text_for(&told, french.target);
    assert!(text.starts_with("ONE TWO THREE, FOUR FIVE SIX."), "{text}");
    assert!(text.ends_with("ONE TWO THREE,"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn who_does_not_fit_is_refused_and_told_why() {
    let (calls, drain) = desk(1, 1);
    let handle = calls.interpret(request()).await.unwrap();
    assert_eq!(
        calls.interpret(request()).await.err(),
        Some(CallRefused::Full)
    );
    let german = handle.control.add(into("de")).await;
    let reason = NoTranslator("not into German".to_owned());
    assert_eq!(german.err(), Some(TargetRefused::NoTranslator(reason)));
    let french = handle.control.add(into("fr")).await.unwrap();
    assert_eq!(
        handle.control.add(into("es")).await.err(),
        Some(TargetRefused::Full)
    );
    // A target that is gone frees its voice.
    handle.control.remove(french.target).await;
    tokio::time::timeout(Duration::from_secs(5), async {
        while handle.control.add(into("es")).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    drain.start();
    drain.end_calls();
    let mut events = handle.events;
    let mut last = None;
    while let Some(event) = events.recv().await {
        last = Some(event);
    }
    assert_eq!(last, Some(InterpretTold::Ended(EndReason::Draining)));
    assert_eq!(
        handle.control.add(into("it")).await.err(),
        Some(TargetRefused::NoVoice)
    );
}

#[tokio::test(start_paused = true)]
async fn a_microphone_that_goes_ends_the_session() {
    let (calls, _drain) = desk(1, 1);
    let handle = calls.interpret(request()).await.unwrap();
    drop(handle.mic);
    let (_, told) = attend(handle.events, Vec::new()).await;
    assert_eq!(told, [InterpretTold::Ended(EndReason::CallerLeft)]);
}
