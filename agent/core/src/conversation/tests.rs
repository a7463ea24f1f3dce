//! Every test is a script: `time fact` lines in, `time order` lines out.
#![allow(clippy::unwrap_used)]
mod commands;
mod overlap;
mod replying;
mod turns;

use super::*;
use crate::{
    engine::{HeardWord, HearingOptions, ReplyEnd, Transcript},
    turn::{
        Command, CommandId, Message, Place, ReplySource, Role, Settings, ToolCall, ToolEffect,
        ToolRuns, ToolSpec, TurnPolicy,
    },
};

mod beside;
mod random;

fn opening() -> Opening {
    let tool = |name: &str, runs| ToolSpec {
        name: name.into(),
        description: String::new(),
        parameters: "{}".into(),
        runs,
    };
    Opening {
        name: String::new(),
        policy: TurnPolicy {
            mode: TurnMode::Detector {
                sure: 0.7,
                at_least: Duration::ZERO,
                patience: Duration::from_millis(1_200),
            },
            reply_within: Duration::from_secs(20),
            ..TurnPolicy::default()
        },
        tools: vec![
            tool("clock", ToolRuns::Here),
            tool("lamp", ToolRuns::AtClient),
        ],
        ..Opening::default()
    }
}

/// Plays a script and writes what the conversation ordered. `only` filters lines by prefix.
fn run(opening: Opening, script: &str, told: bool) -> String {
    let mut conversation = Conversation::new(opening);
    let mut out = String::new();
    drain(&mut conversation, SessionTime::default(), &mut out, told);
    for line in script.lines().map(str::trim).filter(|l| !l.is_empty()) {
        let (at, rest) = line.split_once(' ').unwrap();
        let at = SessionTime::from_millis(at.parse().unwrap());
        // Time that passes between two lines is simulated, deadline by deadline.
        while let Some(due) = conversation.deadline().filter(|due| *due <= at) {
            conversation.handle(due, TurnEvent::Tick);
            drain(&mut conversation, due, &mut out, told);
        }
        conversation.handle(at, parse(rest.trim()));
        drain(&mut conversation, at, &mut out, told);
    }
    out
}

fn drain(conversation: &mut Conversation, at: SessionTime, out: &mut String, told: bool) {
    while let Some(action) = conversation.poll_action() {
        let text = match action {
            Action::Tell(event) if told => match print_told(&event) {
                Some(text) => text,
                None => continue,
            },
            Action::Tell(_)
            | Action::SetMode(_)
            | Action::SetActivity { .. }
            | Action::TuneHearing(_) => continue,
            Action::AssessTurn { words } => format!("assess '{words}'"),
            Action::StartReply(order) => match order.source {
                ReplySource::Words(words) => format!("say e{} '{words}'", order.epoch.0),
                ReplySource::Model(prompt) => format!(
                    "reply e{} leg {} to '{}'",
                    order.epoch.0,
                    order.leg,
                    prompt.messages.last().map_or("", |m| &m.text)
                ),
            },
            Action::HoldPlayback => "hold".into(),
            Action::ResumePlayback => "resume".into(),
            Action::Interrupt { epoch } => format!("interrupt e{}", epoch.0),
            Action::FinishHearing => "finish hearing".into(),
            Action::ForgetHearing => "forget hearing".into(),
            Action::RunTool { call, .. } => format!("run {} {}", call.name, call.id),
            Action::ConnectTools(server) => format!("connect {}", server.label),
            Action::ForgetTools { server } => format!("forget {server}"),
            Action::CallServer { server, call, .. } => format!("ask {server} {}", call.name),
            Action::SwitchPersona(name) => format!("switch to {name}"),
            Action::StartAside(order) => format!(
                "aside {} to '{}'",
                order.id.0,
                order.prompt.messages.last().map_or("", |m| &m.text)
            ),
            Action::CancelAside(id) => format!("cancel aside {}", id.0),
            Action::EndCall => "end call".into(),
        };
        out.push_str(&format!("{} {text}\n", at.as_millis()));
    }
}

fn print_told(event: &CallEvent) -> Option<String> {
    Some(match event {
        CallEvent::SpeechStarted { item, .. } => format!("told started {item}"),
        CallEvent::SpeechStopped { item, .. } => format!("told stopped {item}"),
        CallEvent::Committed { item, .. } => format!("told committed {item}"),
        CallEvent::UserSaid { item, text, .. } => format!("told said {item} '{text}'"),
        CallEvent::Discarded { item } => format!("told discarded {item}"),
        CallEvent::ReplyStarted { item, .. } => format!("told reply {item}"),
        CallEvent::ReplyEnded {
            item,
            outcome,
            written,
            heard,
            ..
        } => format!("told ended {item} {outcome:?} '{}'", &written[..*heard]),
        CallEvent::Refused { refusal, .. } => format!("told refused {refusal:?}"),
        CallEvent::Ended { reason } => format!("told over {reason:?}"),
        CallEvent::TurnTimed(times) => format!("told heard after {:?}", times.heard.unwrap()),
        CallEvent::TransferRequested { target } => format!("told transfer {target}"),
        _ => return None,
    })
}

fn parse(text: &str) -> TurnEvent {
    let (head, tail) = text.split_once(' ').unwrap_or((text, ""));
    let (first, rest) = tail.split_once(' ').unwrap_or((tail, ""));
    let epoch = || Epoch(first[1..].parse().unwrap());
    let command = |command| TurnEvent::Command {
        id: CommandId(7),
        command,
    };
    match head {
        "speech+" => TurnEvent::SpeechStarted { at: Duration::ZERO },
        "speech-" => TurnEvent::SpeechEnded {
            at: Duration::ZERO,
            silence: Duration::ZERO,
        },
        "partial" => TurnEvent::Partial(tail.into()),
        "final" => TurnEvent::Final(tail.into()),
        "eot" => TurnEvent::EndOfTurn(tail.parse().unwrap()),
        "text" => TurnEvent::ReplyText {
            epoch: epoch(),
            text: rest.into(),
        },
        "call" => TurnEvent::ToolCalled {
            epoch: epoch(),
            call: ToolCall {
                id: format!("c-{rest}"),
                name: rest.into(),
                arguments: "{}".into(),
            },
        },
        "answer" => TurnEvent::ToolReturned {
            epoch: epoch(),
            call: format!("c-{rest}"),
            output: "noon".into(),
            effect: ToolEffect::None,
        },
        "hang-up" => TurnEvent::ToolReturned {
            epoch: epoch(),
            call: format!("c-{rest}"),
            output: "bye".into(),
            effect: ToolEffect::HangUp,
        },
        "end" => TurnEvent::ReplyEnded {
            epoch: epoch(),
            end: ReplyEnd::default(),
        },
        "played" => TurnEvent::Played {
            epoch: epoch(),
            samples: rest.parse().unwrap(),
            last: false,
        },
        "last" => TurnEvent::Played {
            epoch: epoch(),
            samples: 24_000,
            last: true,
        },
        "voiced" => {
            let (samples, end) = rest.split_once(' ').unwrap();
            TurnEvent::Voiced {
                epoch: epoch(),
                samples: samples.parse().unwrap(),
                text_end: end.parse().unwrap(),
            }
        }
        "fail" => TurnEvent::EngineFailed {
            epoch: epoch(),
            reason: "broken".into(),
        },
        "type" => command(Command::Say(tail.into())),
        "item" => command(Command::AddItem {
            id: Some(first.into()),
            place: Place::End,
            message: Message::new(Role::User, rest),
        }),
        "commit" => command(Command::Commit),
        "clear" => command(Command::Clear),
        "respond" => command(Command::Respond(ReplyOptions::default())),
        "cancel" => command(Command::Cancel),
        "truncate" => command(Command::Truncate {
            item: first.into(),
            audio_end: Duration::from_millis(rest.parse().unwrap()),
        }),
        "gone" => TurnEvent::CallEnded(EndReason::CallerLeft),
        "tick" => TurnEvent::Tick,
        other => panic!("unknown fact {other}"),
    }
}

#[track_caller]
fn expect(out: String, expected: &str) {
    let want: String = expected
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty())
        .map(|l| format!("{l}\n"))
        .collect();
    assert_eq!(out, want);
}

#[track_caller]
fn check(script: &str, expected: &str) {
    expect(run(opening(), script, false), expected);
}

#[track_caller]
fn check_told(script: &str, expected: &str) {
    expect(run(opening(), script, true), expected);
}

const ASK: &str = "
    0    speech+
    900  speech-
    950  final what time is it
    960  eot 0.9
    1100 text e1 It is noon. Anything else?
    1110 end e1
    1390 voiced e1 24000 11
    1400 played e1 480";

const ASKED: &str = "
    950 assess 'what time is it'
    960 reply e1 leg 0 to 'what time is it'";

#[test]
fn a_plain_turn() {
    check(&format!("{ASK}\n 2400 last e1"), ASKED);
}

#[test]
fn a_plain_turn_as_told() {
    check_told(
        &format!("{ASK}\n 2400 last e1"),
        "0 told started item_0001
         950 assess 'what time is it'
         960 told stopped item_0001
         960 told committed item_0001
         960 told said item_0001 'what time is it'
         960 told reply item_0002
         960 reply e1 leg 0 to 'what time is it'
         1400 told heard after 500ms
         2400 told ended item_0002 Completed 'It is noon. Anything else?'",
    );
}
