//! Rooms in paused time, with engines that are tasks: a voice hums at a level that names its
//! language, a microphone at one that names its speaker.
#![allow(clippy::unwrap_used)]
use tokio::{task::JoinSet, time::interval};
use voiced_core::{
    activity::ActivityPolicy,
    audio::{AudioFrame, SampleRate},
    engine::{
        Heard, Hearing, Line, Prompt, ReplyEnd, ReplyPiece, Speech, SpeechProbability, TurnContext,
        TurnDetector, VoiceActivityDetector,
    },
    interpret::{CommitChoice, prompt},
    playout::FRAME,
    turn::TurnPolicy,
};

use super::*;
use crate::{
    calls::{CallsSettings, Persona},
    drain::Drain,
    interpret::{NoTranslator, Translators},
    lease::{EngineClient, Row},
    remote::serve_by_tasks,
    tools::NoTools,
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
        SpeechProbability(if samples[0].abs() > 0.05 { 1.0 } else { 0.0 })
    }
    fn reset(&mut self) {}
}

struct Sure;

impl TurnDetector for Sure {
    fn end_of_turn(&mut self, _: TurnContext<'_>) -> f32 {
        1.0
    }
}

/// One word in 300 ms of sound.
async fn hear(mut row: Row<Hearing, Heard>) {
    let (mut n_loud, mut said) = (0, String::new());
    while let Some(hearing) = row.inputs.recv().await {
        let heard = match hearing {
            Hearing::Audio(frame) if frame.samples[0] > 0.05 => {
                n_loud += 1;
                if n_loud % 15 != 0 {
                    continue;
                }
                said.push_str("word ");
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

/// Answers with the words and the language they are asked for in.
async fn translate(mut row: Row<Prompt, ReplyPiece>) {
    let asked = row.inputs.recv().await.unwrap();
    let piece = asked.messages.last().unwrap().text.clone();
    let into = if asked.messages[0].text.contains("into French") {
        "mot"
    } else {
        "wort"
    };
    let text = prompt::words(&piece).replace("word", into);
    let _ = row.outputs.send(ReplyPiece::Text(text)).await;
    let _ = row.outputs.send(ReplyPiece::End(ReplyEnd::default())).await;
}

/// 200 ms a line: French at 0.25, anything else at 0.125.
async fn hum(mut row: Row<Line, Speech>) {
    while let Some(line) = row.inputs.recv().await {
        let level = if line.text.contains("mot") {
            0.25
        } else {
            0.125
        };
        for _ in 0..10 {
            let frame = AudioFrame::new(SampleRate::SPEECH, vec![level; FRAME]);
            if row.outputs.send(Speech::Audio(frame)).await.is_err() {
                return;
            }
        }
        if row.outputs.send(Speech::End).await.is_err() {
            return;
        }
    }
}

struct Into(EngineClient<Prompt, ReplyPiece>);

impl Translators for Into {
    fn between(
        &self,
        _: Option<&Language>,
        target: &Language,
    ) -> Result<EngineClient<Prompt, ReplyPiece>, NoTranslator> {
        match target.primary() {
            "fr" | "de" | "en" => Ok(self.0.clone()),
            other => Err(NoTranslator(format!("not into {other}"))),
        }
    }
}

fn rooms(ears: usize, voices: usize) -> (Rooms, Drain) {
    let drain = Drain::new();
    let mind = serve_by_tasks(64, translate);
    let persona = Persona {
        name: "test".into(),
        instructions: String::new(),
        greeting: None,
        voice: None,
        mind: mind.clone(),
        tools: Arc::new(NoTools),
    };
    let calls = Calls::new(CallsSettings {
        ear: serve_by_tasks(ears, hear),
        voice: serve_by_tasks(voices, hum),
        personas: vec![persona],
        activity_detector: Arc::new(|| Box::new(Loudness)),
        activity: ActivityPolicy::default(),
        turn_detector: Arc::new(|| Box::new(Sure)),
        policy: TurnPolicy::default(),
        speed: None,
        max_calls: ears,
        max_calls_per_address: 100,
        max_call: Duration::from_secs(600),
        translators: Arc::new(Into(mind)),
        tool_servers: Arc::new(crate::tool_servers::NoToolServers),
        drain: drain.clone(),
    });
    let settings = RoomSettings {
        interpreter: InterpretSettings {
            commit: CommitChoice::LocalAgreement { hypotheses: 2 },
            ..InterpretSettings::default()
        },
        duck: DuckPolicy {
            open: 0.5,
            ..DuckPolicy::default()
        },
        ..RoomSettings::default()
    };
    (Rooms::new(calls, settings), drain)
}

fn join(name: &str, language: &str) -> Join {
    Join {
        room: "r1".into(),
        name: name.into(),
        language: Language::parse(language).unwrap(),
        speaks: true,
        carrier: "test",
        address: None,
    }
}

/// What one person heard and was told.
#[derive(Default)]
struct Heard1 {
    /// First samples of the frames that sounded.
    levels: Vec<f32>,
    told: Vec<RoomEvent>,
}

impl Heard1 {
    fn text(&self, wanted: Option<&str>) -> String {
        let more = self.told.iter().filter_map(|event| match (event, wanted) {
            (RoomEvent::Said { text, .. }, None) => Some(text.as_str()),
            (RoomEvent::Translated { language, text, .. }, Some(tag)) if language.tag() == tag => {
                Some(text.as_str())
            }
            _ => None,
        });
        more.collect()
    }
    fn n_at(&self, level: f32) -> usize {
        self.levels
            .iter()
            .filter(|heard| (**heard - level).abs() < 0.04)
            .count()
    }
}

/// Attends for `ms`, speaking from `from` for a second and a half at a level.
async fn attend(mut joined: Joined, from: u64, level: f32, ms: u64) -> Heard1 {
    let mut heard = Heard1::default();
    let mut tick = interval(Duration::from_millis(20));
    let mut n = 0;
    while n < ms / 20 {
        tokio::select! {
            biased;
            event = joined.events.recv() => match event {
                Some(event) => heard.told.push(event),
                None => return heard,
            },
            _ = tick.tick() => {
                let speaks = (from..from + 1_500).contains(&(n * 20));
                let level = if speaks { level } else { 0.0 };
                joined.mic.push(AudioFrame::new(SampleRate::HEARING, vec![level; MIC_FRAME]));
                heard.levels.extend(joined.speaker.pull().map(|frame| frame.samples[FRAME / 2]));
                n += 1;
            }
        }
    }
    heard
}

#[tokio::test(start_paused = true)]
async fn everybody_hears_the_others_in_their_own_language() {
    let (rooms, _drain) = rooms(8, 16);
    let anna = rooms.join(join("Anna", "en")).await.unwrap();
    let ben = rooms.join(join("Ben", "fr")).await.unwrap();
    let carl = rooms.join(join("Carl", "en-GB")).await.unwrap();
    let (anna, ben, carl) = tokio::join!(
        attend(anna, 500, 0.8, 6_000),
        attend(ben, 0, 0.0, 6_000),
        attend(carl, 0, 0.0, 6_000),
    );
    // Anna said five words; nobody translated them for Carl, who heard her as she is.
    for heard in [&anna, &ben, &carl] {
        assert_eq!(heard.text(None), "word word word word word");
        assert_eq!(heard.text(Some("fr")), "mot mot mot mot mot");
        assert_eq!(heard.text(Some("en-gb")), "");
    }
    assert_eq!(
        anna.levels
            .iter()
            .filter(|level| level.abs() > 0.01)
            .count(),
        0
    );
    assert!(carl.n_at(0.8) > 65, "{}", carl.n_at(0.8));
    assert_eq!(carl.n_at(0.25), 0);
    // Ben heard her at half of her level first, then the interpreter.
    assert!(ben.n_at(0.4) > 30, "{}", ben.n_at(0.4));
    assert!(ben.n_at(0.25) >= 8, "{}", ben.n_at(0.25));
    let names: Vec<&str> = carl
        .told
        .iter()
        .filter_map(|event| match event {
            RoomEvent::Joined { name, .. } => Some(name.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(names, ["Anna", "Ben", "Carl"]);
}

#[tokio::test(start_paused = true)]
async fn who_comes_late_or_goes_costs_nobody_a_word() {
    let (rooms, _drain) = rooms(8, 16);
    let anna = rooms.join(join("Anna", "en")).await.unwrap();
    let ben = rooms.join(join("Ben", "fr")).await.unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn({
        let rooms = rooms.clone();
        async move {
            pass(Duration::from_millis(900)).await;
            let dora = rooms.join(join("Dora", "de")).await.unwrap();
            attend(dora, 0, 0.0, 1_000).await;
        }
    });
    let (_, ben) = tokio::join!(attend(anna, 500, 0.8, 6_000), attend(ben, 0, 0.0, 6_000));
    assert_eq!(ben.text(Some("fr")), "mot mot mot mot mot");
    // Dora came in the middle and left again.
    let german = ben.text(Some("de"));
    assert!(!german.is_empty() && german.len() < "wort wort wort wort wort".len());
    assert!(ben.told.contains(&RoomEvent::Left {
        person: PersonId(3)
    }));
}

#[tokio::test(start_paused = true)]
async fn who_does_not_fit_is_refused_and_the_others_notice_nothing() {
    let (rooms, _drain) = rooms(8, 3);
    let anna = rooms.join(join("Anna", "en")).await.unwrap();
    let ben = rooms.join(join("Ben", "fr")).await.unwrap();
    // Two voices are taken, and a third language needs two for them and two for itself.
    let refused = rooms.join(join("Dora", "de")).await.err().unwrap();
    assert_eq!(refused, JoinRefused::Target(TargetRefused::Full));
    let refused = rooms.join(join("Emil", "sv")).await.err().unwrap();
    assert!(refused.to_string().contains("not into sv"), "{refused}");
    let bad = Join {
        room: "../x".into(),
        ..join("F", "en")
    };
    assert_eq!(rooms.join(bad).await.err(), Some(JoinRefused::BadName));
    let (anna, ben) = tokio::join!(attend(anna, 500, 0.8, 4_000), attend(ben, 0, 0.0, 4_000));
    assert_eq!(ben.text(Some("fr")), "mot mot mot mot mot");
    assert_eq!(anna.text(Some("de")), "");
    // Everybody is gone: so is the room, and its voices.
    pass(Duration::from_secs(1)).await;
    assert_eq!(
        rooms.join(join("G", "de")).await.map(|g| g.person).unwrap(),
        PersonId(1)
    );
}

#[tokio::test(start_paused = true)]
async fn a_drain_ends_rooms_with_a_word_to_everybody() {
    let (rooms, drain) = rooms(4, 4);
    let listener = Join {
        speaks: false,
        ..join("Lea", "fr")
    };
    let mut lea = rooms.join(listener).await.unwrap();
    let anna = rooms.join(join("Anna", "en")).await.unwrap();
    drain.start();
    drain.end_calls();
    let anna = attend(anna, 0, 0.0, 2_000).await;
    let ended = |event: &RoomEvent| matches!(event, RoomEvent::Ended { .. });
    assert!(anna.told.iter().any(ended));
    let mut told = Vec::new();
    while let Some(event) = lea.events.recv().await {
        told.push(event);
    }
    assert!(told.iter().any(ended));
}
