//! A whole call in paused time. Engines are tasks, not threads: the paused clock jumps ahead when
//! every task is idle and cannot see a thread that is still working.
#![allow(clippy::unwrap_used)]
mod beside;

use std::sync::Mutex;

use tokio::time::{Instant, interval};
use voiced_core::{
    audio::{AudioFrame, SampleRate},
    engine::{ReplyEnd, SpeechProbability},
    playout::FRAME,
    turn::{
        ReplyOutcome, ServerCallError, Settings, ToolRuns, ToolServer, ToolSpec, TurnMode,
        TurnPolicy,
    },
};

use super::*;
use crate::{
    call::{CallHandle, CallRequest, MicSender},
    calls::{Calls, CallsSettings, Persona},
    lease::Row,
    remote::serve_by_tasks,
    tool_servers::{Connected, ConnectedServer, ServerFuture},
    tools::{NoTools, ToolFuture},
};

const MIC_FRAME: usize = 320; // 20 ms at 16 kHz

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

/// Hears a word in every eighth loud frame; below 0.6 it is a cough, without words.
async fn hear(mut row: Row<Hearing, Heard>) {
    let (mut n_loud, mut words) = (0, String::new());
    while let Some(hearing) = row.inputs.recv().await {
        let heard = match hearing {
            Hearing::Audio(frame) if frame.samples[0] > 0.6 => {
                n_loud += 1;
                if n_loud % 8 != 0 {
                    continue;
                }
                words.push_str("word ");
                Heard::Partial(words.clone())
            }
            Hearing::Finalize => Heard::Final(std::mem::take(&mut words).into()),
            _ => continue,
        };
        if row.outputs.send(heard).await.is_err() {
            return;
        }
    }
}

/// Writes a sentence every 100 ms and notes when its lease was dropped.
async fn write(mut row: Row<Prompt, ReplyPiece>, freed: Arc<Mutex<Vec<u128>>>, began: Instant) {
    let prompt = row.inputs.recv().await.unwrap();
    let asked = prompt.messages.last().unwrap().text.clone();
    if asked.contains("tool") && prompt.messages.iter().all(|m| m.answers.is_none()) {
        let call = ToolCall {
            id: "c1".into(),
            name: if asked.contains("echo") {
                "echo"
            } else {
                "clock"
            }
            .into(),
            arguments: if asked.contains("hand") {
                "other"
            } else {
                "{}"
            }
            .into(),
        };
        let _ = row.outputs.send(ReplyPiece::ToolCall(call)).await;
        let _ = row.outputs.send(ReplyPiece::End(ReplyEnd::default())).await;
        return;
    }
    if asked == "break" {
        return;
    }
    let mut tick = interval(Duration::from_millis(100));
    for n in 0..40 {
        tick.tick().await;
        let text = format!("Sentence number {n} of the reply. ");
        if row.outputs.send(ReplyPiece::Text(text)).await.is_err() {
            break;
        }
    }
    let _ = row.outputs.send(ReplyPiece::End(ReplyEnd::default())).await;
    freed.lock().unwrap().push(began.elapsed().as_millis());
}

/// Half a second of sound per line, numbered so that a lost frame shows.
async fn sing(mut row: Row<Line, Speech>) {
    let mut n_frames = 0_u32;
    while row.inputs.recv().await.is_some() {
        for _ in 0..25 {
            n_frames += 1;
            let samples = vec![n_frames as f32; FRAME];
            let frame = AudioFrame::new(SampleRate::SPEECH, samples);
            if row.outputs.send(Speech::Audio(frame)).await.is_err() {
                return;
            }
        }
        if row.outputs.send(Speech::End).await.is_err() {
            return;
        }
    }
}

struct Clock;

impl ToolRunner for Clock {
    fn specs(&self) -> Vec<ToolSpec> {
        vec![ToolSpec {
            name: "clock".into(),
            description: "The time.".into(),
            parameters: "{}".into(),
            runs: ToolRuns::Here,
        }]
    }
    fn run(&self, call: ToolCall) -> ToolFuture {
        Box::pin(async move {
            ToolAnswer {
                output: "noon".into(),
                effect: match call.arguments.as_str() {
                    "{}" => ToolEffect::None,
                    name => ToolEffect::HandOff(name.into()),
                },
            }
        })
    }
}

/// A server with one tool, which answers with its arguments.
struct Servers;

impl ToolServers for Servers {
    fn connect(&self, server: ToolServer) -> ServerFuture<Result<Connected, String>> {
        Box::pin(async move {
            if server.url.contains("nowhere") {
                return Err("nobody is there".into());
            }
            let tool = ToolSpec {
                name: "echo".into(),
                description: String::new(),
                parameters: "{}".into(),
                runs: ToolRuns::Here,
            };
            Ok(Connected {
                tools: vec![tool],
                server: Arc::new(Echo),
            })
        })
    }
}

struct Echo;

impl ConnectedServer for Echo {
    fn call(&self, call: ToolCall) -> ServerFuture<Result<String, ServerCallError>> {
        Box::pin(async move { Ok(call.arguments) })
    }
}

/// A desk with scripted engines, and when the model's leases were freed.
fn desk(max_calls: usize) -> (Calls, Drain, Arc<Mutex<Vec<u128>>>) {
    let freed = Arc::new(Mutex::new(Vec::new()));
    let began = Instant::now();
    let drain = Drain::new();
    let mind = {
        let freed = freed.clone();
        serve_by_tasks(8, move |row| write(row, freed.clone(), began))
    };
    let persona = |name: &str, tools: Arc<dyn ToolRunner>| Persona {
        name: name.into(),
        instructions: "Be brief.".into(),
        greeting: Some("Hello there, caller.".into()),
        voice: None,
        mind: mind.clone(),
        tools,
    };
    let calls = Calls::new(CallsSettings {
        ear: serve_by_tasks(max_calls, hear),
        voice: serve_by_tasks(8, sing),
        personas: vec![
            persona("test", Arc::new(Clock)),
            persona("other", Arc::new(NoTools)),
        ],
        activity_detector: Arc::new(|| Box::new(Loudness)),
        activity: ActivityPolicy::default(),
        turn_detector: Arc::new(|| Box::new(Sure)),
        policy: TurnPolicy {
            mode: TurnMode::Silence(Duration::from_millis(500)),
            ..TurnPolicy::default()
        },
        speed: None,
        max_calls,
        max_calls_per_address: 1,
        max_call: Duration::from_secs(600),
        translators: Arc::new(crate::interpret::NoTranslators),
        tool_servers: Arc::new(Servers),
        drain: drain.clone(),
    });
    (calls, drain, freed)
}

fn request() -> CallRequest {
    CallRequest {
        carrier: "test",
        name: "t".into(),
        ..CallRequest::default()
    }
}

/// Speaks on a schedule of (from, to, level) in milliseconds, for `ms` in all.
fn speak_by(mic: MicSender, schedule: Vec<(u64, u64, f32)>, ms: u64) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut tick = interval(Duration::from_millis(20));
        for n in 0..ms / 20 {
            tick.tick().await;
            let at = n * 20;
            let level = schedule
                .iter()
                .find(|(from, to, _)| (*from..*to).contains(&at))
                .map_or(0.0, |said| said.2);
            mic.push(AudioFrame::new(SampleRate::HEARING, vec![level; MIC_FRAME]));
        }
    });
    tasks
}

/// What was played, (milliseconds, first sample), and what was told.
#[derive(Default)]
struct Heard_ {
    played: Vec<(u64, f32)>,
    told: Vec<(u64, CallEvent)>,
}

/// Plays a call until it ends.
async fn attend(mut handle: CallHandle, schedule: Vec<(u64, u64, f32)>, ms: u64) -> Heard_ {
    let began = Instant::now();
    let now = || u64::try_from(began.elapsed().as_millis()).unwrap();
    let mut heard = Heard_::default();
    let _caller = speak_by(handle.mic, schedule, ms);
    let mut tick = interval(Duration::from_millis(20));
    loop {
        tokio::select! {
            biased;
            event = handle.events.recv() => match event {
                Some(event) => heard.told.push((now(), event)),
                None => return heard,
            },
            _ = tick.tick() => if let Some(frame) = handle.speaker.pull()
                && !frame.is_last
            {
                heard.played.push((now(), frame.samples[0]));
            },
        }
    }
}

fn outcomes(heard: &Heard_) -> Vec<ReplyOutcome> {
    heard
        .told
        .iter()
        .filter_map(|(_, event)| match event {
            CallEvent::ReplyEnded { outcome, .. } => Some(outcome.clone()),
            _ => None,
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn barge_in_silences_the_speaker_and_frees_the_engines() {
    let (calls, _drain, freed) = desk(2);
    let handle = calls.begin(request()).await.unwrap();
    // Speaks for a second, and over the reply from 4 s on.
    let heard = attend(handle, vec![(0, 1_000, 0.9), (4_000, 4_800, 0.9)], 4_900).await;
    let first = heard.played.first().unwrap().0;
    let last = heard.played.last().unwrap().0;
    assert!((1_480..1_700).contains(&first), "heard from {first}");
    // 60 ms of voice make speech; then the speaker is held.
    assert!((4_000..=4_080).contains(&last), "last heard at {last}");
    let freed = freed.lock().unwrap()[0];
    // The third word of the interruption comes at 4.48 s; one is enough, at 4.16 s; it counts
    // once it has lasted 200 ms.
    assert!(
        (4_160..4_400).contains(&freed),
        "the model is freed at {freed}"
    );
    assert_eq!(outcomes(&heard), [ReplyOutcome::Interrupted]);
}

#[tokio::test(start_paused = true)]
async fn a_cough_holds_the_speaker_and_loses_not_a_sample() {
    let (calls, _drain, _freed) = desk(2);
    let handle = calls.begin(request()).await.unwrap();
    let heard = attend(handle, vec![(0, 1_000, 0.9), (4_000, 4_200, 0.55)], 9_000).await;
    assert_eq!(
        outcomes(&heard),
        [ReplyOutcome::Interrupted],
        "by hanging up"
    );
    let numbers: Vec<f32> = heard.played.iter().map(|played| played.1).collect();
    let all: Vec<f32> = (1..=numbers.len()).map(|n| n as f32).collect();
    assert_eq!(numbers, all, "every frame, in order");
    let gap = heard
        .played
        .windows(2)
        .map(|pair| pair[1].0 - pair[0].0)
        .max()
        .unwrap();
    assert!((300..700).contains(&gap), "held for {gap} ms");
    let told: Vec<&CallEvent> = heard.told.iter().map(|told| &told.1).collect();
    assert!(told.contains(&&CallEvent::Held) && told.contains(&&CallEvent::Resumed));
}

#[tokio::test(start_paused = true)]
async fn what_was_heard_is_what_is_remembered() {
    let (calls, _drain, _freed) = desk(2);
    let handle = calls.begin(request()).await.unwrap();
    let heard = attend(handle, vec![(0, 1_000, 0.9), (3_000, 3_800, 0.9)], 4_000).await;
    let (written, n_heard, audio) = heard
        .told
        .iter()
        .find_map(|(_, event)| match event {
            CallEvent::ReplyEnded {
                written,
                heard,
                audio,
                ..
            } => Some((written.clone(), *heard, *audio)),
            _ => None,
        })
        .unwrap();
    let played = heard.played.len() as u64 * 20;
    assert_eq!(audio.as_millis() as u64, played, "to the frame");
    // Every sentence takes half a second, a first line of three words none of its own.
    let sentences = written[..n_heard].matches('.').count() as u64;
    assert_eq!(sentences, played / 500);
    assert!(n_heard < written.len());
}

#[tokio::test(start_paused = true)]
async fn a_tool_is_run_and_its_answer_spoken() {
    let (calls, _drain, _freed) = desk(2);
    let mut handle = calls.begin(request()).await.unwrap();
    let say = Command::Say("use a tool".into());
    handle.commands.send((CommandId(1), say)).await.unwrap();
    let mut told = Vec::new();
    while !matches!(told.last(), Some(CallEvent::ReplyText { .. })) {
        told.push(handle.events.recv().await.unwrap());
    }
    assert!(
        told.iter().any(
            |event| matches!(event, CallEvent::ToolReturned { output, .. } if output == "noon")
        )
    );
}

#[tokio::test(start_paused = true)]
async fn a_model_that_gives_up_is_apologised_for_and_the_call_goes_on() {
    let (calls, _drain, _freed) = desk(2);
    let handle = calls.begin(request()).await.unwrap();
    let commands = handle.commands.clone();
    let say = Command::Say("break".into());
    commands.send((CommandId(1), say)).await.unwrap();
    let mut talker = JoinSet::new();
    talker.spawn(attend(handle, vec![], 3_000));
    let heard = talker.join_next().await.unwrap().unwrap();
    let outcomes = outcomes(&heard);
    assert!(
        matches!(outcomes[0], ReplyOutcome::Failed(_)),
        "{outcomes:?}"
    );
    assert_eq!(outcomes[1], ReplyOutcome::Completed, "the apology was said");
}

#[tokio::test(start_paused = true)]
async fn the_greeting_is_said_first() {
    let (calls, _drain, _freed) = desk(2);
    let greeted = CallRequest {
        greet: true,
        ..request()
    };
    let handle = calls.begin(greeted).await.unwrap();
    let heard = attend(handle, vec![], 2_000).await;
    assert_eq!(outcomes(&heard), [ReplyOutcome::Completed]);
    assert!(heard.played.first().unwrap().0 <= 40);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_is_disconnected() {
    let (calls, drain, _freed) = desk(2);
    let handle = calls.begin(request()).await.unwrap();
    for n in 0..400 {
        let cancel = (CommandId(n), Command::Cancel);
        if handle.commands.send(cancel).await.is_err() {
            break;
        }
    }
    drain.start();
    assert!(
        drain.finished(Duration::from_secs(1)).await,
        "the call is over"
    );
}

#[tokio::test(start_paused = true)]
async fn calls_are_refused_when_full_and_taken_again_after() {
    let (calls, drain, _freed) = desk(2);
    let from = |last| CallRequest {
        address: Some([127, 0, 0, last].into()),
        ..request()
    };
    let one = calls.begin(from(1)).await.unwrap();
    let again = calls.begin(from(1)).await.err();
    assert_eq!(again, Some(crate::call::CallRefused::TooManyFromAddress));
    let _two = calls.begin(from(2)).await.unwrap();
    let third = calls.begin(from(3)).await.err();
    assert_eq!(third, Some(crate::call::CallRefused::Full));
    let CallHandle { mut events, .. } = one;
    while events.recv().await.is_some() {}
    while calls.n_free() == 0 {
        tokio::task::yield_now().await;
    }
    let one = calls.begin(from(1)).await;
    assert!(one.is_ok(), "{:?}", one.err());
    drain.start();
    let late = calls.begin(from(4)).await.err();
    assert_eq!(late, Some(crate::call::CallRefused::Draining));
}

#[tokio::test(start_paused = true)]
async fn calls_that_outlast_the_drain_are_ended() {
    let (calls, drain, _freed) = desk(2);
    let mut handle = calls.begin(request()).await.unwrap();
    drain.start();
    assert!(!drain.finished(Duration::from_secs(5)).await);
    drain.end_calls();
    let mut last = None;
    while let Some(event) = handle.events.recv().await {
        last = Some(event);
    }
    let reason = EndReason::Draining;
    assert_eq!(last, Some(CallEvent::Ended { reason }));
    assert!(drain.finished(Duration::from_secs(5)).await);
}

#[tokio::test(start_paused = true)]
async fn turns_by_hand_hear_without_voice_activity() {
    let (calls, _drain, _freed) = desk(2);
    let manual = CallRequest {
        settings: Settings {
            policy: Some(TurnPolicy {
                mode: TurnMode::Manual,
                ..TurnPolicy::default()
            }),
            ..Settings::default()
        },
        ..request()
    };
    let mut handle = calls.begin(manual).await.unwrap();
    for _ in 0..20 {
        let frame = AudioFrame::new(SampleRate::HEARING, vec![0.9; MIC_FRAME]);
        assert!(handle.mic.send(frame).await);
    }
    let mut said = None;
    // The words come as partials first, which shows that all audio was heard.
    while said.is_none() {
        match handle.events.recv().await.unwrap() {
            CallEvent::Partial { text, .. } if text == "word word" => {
                let commit = (CommandId(1), Command::Commit);
                handle.commands.send(commit).await.unwrap();
            }
            CallEvent::SpeechStarted { .. } => panic!("nobody asked for voice activity"),
            CallEvent::UserSaid { text, .. } => said = Some(text),
            _ => (),
        }
    }
    assert_eq!(said.as_deref(), Some("word word"));
}
