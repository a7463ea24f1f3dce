//! Every test is a script: `time fact` lines in, `time order` lines out.
#![allow(clippy::unwrap_used)]
use super::*;
use crate::{
    engine::{HeardWord, HearingOptions, ReplyEnd, Transcript},
    turn::{
        Command, CommandId, Message, Place, ReplySource, Role, Settings, ToolCall, ToolEffect,
        ToolRuns, ToolSpec, TurnPolicy,
    },
};

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
            Action::Tell(_) | Action::SetMode(_) | Action::TuneHearing(_) => continue,
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

#[test]
fn words_over_us_interrupt_and_only_what_was_heard_is_remembered() {
    check_told(
        &format!(
            "{ASK}
             2300 played e1 24000
             2400 speech+
             2700 partial wait
             2710 text e1 And then
             3000 speech-
             3100 final wait a minute
             3110 eot 0.9"
        ),
        "0 told started item_0001
         950 assess 'what time is it'
         960 told stopped item_0001
         960 told committed item_0001
         960 told said item_0001 'what time is it'
         960 told reply item_0002
         960 reply e1 leg 0 to 'what time is it'
         1400 told heard after 500ms
         2400 hold
         2700 told started item_0003
         2700 interrupt e2
         2700 told ended item_0002 Interrupted 'It is noon.'
         3000 assess 'wait'
         3100 assess 'wait a minute'
         3110 told stopped item_0003
         3110 told committed item_0003
         3110 told said item_0003 'wait a minute'
         3110 told reply item_0004
         3110 reply e3 leg 0 to 'wait a minute'",
    );
}

#[test]
fn a_cough_only_holds_the_speaker() {
    check(
        &format!("{ASK}\n 1600 speech+ \n 1750 speech- \n 1800 final \n 2600 last e1"),
        &format!("{ASKED}\n 1600 hold \n 1800 resume"),
    );
}

#[test]
fn a_cough_whose_final_never_comes_holds_for_a_moment() {
    check(
        &format!("{ASK}\n 1600 speech+ \n 1750 speech- \n 9000 last e1"),
        &format!("{ASKED}\n 1600 hold \n 2450 resume"),
    );
}

#[test]
fn a_cough_that_sounds_like_a_word_is_too_short_to_interrupt() {
    check(
        &format!(
            "{ASK}\n 1600 speech+ \n 1700 partial but \n 1750 speech- \n 1760 final but \n 9000 last e1"
        ),
        &format!("{ASKED}\n 1600 hold \n 1800 resume"),
    );
}

#[test]
fn agreement_does_not_interrupt() {
    check(
        &format!(
            "{ASK}\n 1600 speech+ \n 1900 partial mm-hm \n 2000 speech- \n 2100 final mm-hm \n 2600 last e1"
        ),
        &format!("{ASKED}\n 1600 hold \n 2100 resume"),
    );
}

#[test]
fn noise_without_words_holds_for_two_seconds_at_most_and_words_still_cut() {
    check(
        &format!("{ASK}\n 1600 speech+ \n 5000 partial stop it"),
        &format!("{ASKED}\n 1600 hold \n 3600 resume \n 5000 interrupt e2"),
    );
}

#[test]
fn a_quick_stop_interrupts_when_its_words_arrive() {
    check(
        &format!("{ASK}\n 1600 speech+ \n 1950 speech- \n 2050 final stop \n 2060 eot 0.9"),
        &format!(
            "{ASKED} \n 1600 hold \n 2050 interrupt e2 \n 2050 assess 'stop' \n 2060 reply e3 leg 0 to 'what time is it stop'"
        ),
    );
}

#[test]
fn speaking_on_before_the_reply_sounds_takes_the_turn_back() {
    check(
        "0 speech+ \n 900 speech- \n 950 final what time is it \n 960 eot 0.9
         1000 speech+ \n 1300 partial in paris \n 1500 speech- \n 1600 final in paris \n 1610 eot 0.9",
        "950 assess 'what time is it'
         960 reply e1 leg 0 to 'what time is it'
         1000 hold
         1300 interrupt e2
         1500 assess 'in paris'
         1600 assess 'in paris'
         1610 reply e3 leg 0 to 'what time is it in paris'",
    );
}

#[test]
fn an_unsure_detector_is_overruled_by_patience() {
    check(
        "0 speech+ \n 900 speech- \n 950 final well \n 960 eot 0.2 \n 5000 tick",
        "950 assess 'well'
         2100 reply e1 leg 0 to 'well'",
    );
}

#[test]
fn more_words_void_an_early_verdict() {
    check(
        "0 speech+ \n 500 partial my number is \n 900 speech- \n 905 eot 0.9 \n 950 final my number is four
         955 eot 0.1 \n 5000 tick",
        "900 assess 'my number is'
         950 assess 'my number is four'
         2100 reply e1 leg 0 to 'my number is four'",
    );
}

#[test]
fn a_final_that_never_comes_is_replaced_by_the_last_partial() {
    check(
        "0 speech+ \n 500 partial hello there \n 900 speech- \n 910 eot 0.9 \n 9000 tick",
        "900 assess 'hello there'
         2400 reply e1 leg 0 to 'hello there'",
    );
}

#[test]
fn a_final_that_comes_too_late_is_not_said_twice() {
    check(
        "0 speech+ \n 500 partial hello there \n 900 speech- \n 910 eot 0.9 \n 2500 final hello there
         2600 text e1 Hi. \n 2610 end e1 \n 2700 last e1",
        "900 assess 'hello there'
         2400 reply e1 leg 0 to 'hello there'",
    );
}

#[test]
fn words_that_come_after_the_turn_was_given_up_are_answered_and_timed_from_the_speech() {
    check_told(
        "0 speech+ \n 900 speech- \n 2900 final hello there \n 2910 eot 0.9 \n 3000 played e1 480",
        "0 told started item_0001
         2400 told stopped item_0001
         2400 told discarded item_0001
         2900 assess 'hello there'
         2900 told started item_0002
         2900 told stopped item_0002
         2900 told committed item_0002
         2900 told said item_0002 'hello there'
         2900 told reply item_0003
         2900 reply e1 leg 0 to 'hello there'
         3000 told heard after 2.1s",
    );
}

#[test]
fn a_slow_final_of_the_first_stretch_is_not_taken_for_that_of_the_second() {
    check(
        "0 speech+ \n 500 speech- \n 800 speech+ \n 1200 speech- \n 1300 final what time
         1310 eot 0.9 \n 1500 final is it \n 1510 eot 0.9",
        "1300 assess 'what time'
         1500 assess 'what time is it'
         1510 reply e1 leg 0 to 'what time is it'",
    );
}

#[test]
fn speech_without_words_is_nothing() {
    check_told(
        "0 speech+ \n 300 speech- \n 400 final",
        "0 told started item_0001
         400 told stopped item_0001
         400 told discarded item_0001",
    );
}

#[test]
fn tools_that_run_here_are_answered_within_the_reply() {
    check(
        "0 type what time is it \n 10 text e1 Let me see. \n 20 call e1 clock \n 30 end e1
         40 played e1 480 \n 50 answer e1 clock \n 60 text e1 It is noon. \n 70 end e1 \n 900 last e1",
        "0 reply e1 leg 0 to 'what time is it'
         20 run clock c-clock
         50 reply e1 leg 1 to 'noon'",
    );
}

#[test]
fn tools_of_the_client_end_the_reply() {
    check_told(
        "0 type light please \n 20 call e1 lamp \n 30 end e1 \n 40 last e1",
        "0 told reply item_0002
         0 reply e1 leg 0 to 'light please'
         40 told heard after 40ms
         40 told ended item_0002 Completed ''",
    );
}

#[test]
fn the_next_reply_may_be_asked_for_while_the_client_s_tool_is_still_announced() {
    check_told(
        "0 type light please \n 10 text e1 I will try. \n 20 call e1 lamp \n 30 end e1
         40 played e1 480 \n 50 respond \n 60 respond \n 900 last e1",
        "0 told reply item_0002
         0 reply e1 leg 0 to 'light please'
         40 told heard after 40ms
         60 told refused ReplyActive
         900 told ended item_0002 Completed 'I will try.'
         900 told reply item_0004
         900 reply e2 leg 0 to '(no result yet)'",
    );
}

#[test]
fn the_agent_hangs_up_after_its_last_word() {
    check_told(
        "0 type bye \n 20 call e1 clock \n 30 end e1 \n 40 hang-up e1 clock \n 50 text e1 Goodbye. \n 60 end e1 \n 900 last e1",
        "0 told reply item_0002
         0 reply e1 leg 0 to 'bye'
         20 run clock c-clock
         40 reply e1 leg 1 to 'bye'
         900 told heard after 900ms
         900 told ended item_0002 Completed 'Goodbye.'
         900 interrupt e2
         900 told over AgentHungUp
         900 end call",
    );
}

#[test]
fn a_failed_stage_is_apologised_for_once() {
    check(
        "0 type hello \n 10 fail e1 \n 20 fail e3 \n 30 type again",
        "0 reply e1 leg 0 to 'hello'
         10 interrupt e2
         10 say e3 'Sorry, something went wrong on my side. Could you say that again?'
         20 interrupt e4
         30 reply e5 leg 0 to 'hello again'",
    );
}

#[test]
fn a_model_that_says_nothing_has_failed() {
    check(
        "0 type hello \n 60000 tick",
        "0 reply e1 leg 0 to 'hello'
         20000 interrupt e2
         20000 say e3 'Sorry, something went wrong on my side. Could you say that again?'
         40000 interrupt e4",
    );
}

#[test]
fn endless_speech_is_taken_as_a_turn() {
    check(
        "0 speech+ \n 59000 partial on and on \n 60100 final on and on \n 60110 eot 0.9",
        "60000 finish hearing
         60000 assess 'on and on'
         60100 assess 'on and on'
         60110 reply e1 leg 0 to 'on and on'",
    );
}

#[test]
fn a_silent_caller_is_asked_twice() {
    let mut opening = opening();
    opening.policy.idle = Some(Duration::from_secs(10));
    opening.greeting = Some("Hello!".into());
    expect(
        run(
            opening,
            "100 last e1 \n 11000 last e2 \n 22000 last e3 \n 90000 tick",
            false,
        ),
        "0 say e1 'Hello!'
         10100 say e2 'Are you still there?'
         21000 say e3 'Are you still there?'",
    );
}

#[test]
fn turns_by_hand() {
    let mut opening = opening();
    opening.policy.mode = TurnMode::Manual;
    expect(
        run(
            opening,
            "0 partial hello \n 100 commit \n 110 respond \n 200 final hello you \n 300 respond \n 400 cancel \n 500 cancel",
            true,
        ),
        "100 told committed item_0001
         100 finish hearing
         200 told said item_0001 'hello you'
         200 told reply item_0002
         200 reply e1 leg 0 to 'hello you'
         300 told refused ReplyActive
         400 interrupt e2
         400 told ended item_0002 Cancelled ''
         500 told refused NoReply",
    );
}

#[test]
fn asking_before_the_turn_is_over_answers_what_was_said() {
    check(
        "0 speech+ \n 500 partial what time \n 600 respond \n 700 final what time is it",
        "600 finish hearing
         700 reply e1 leg 0 to 'what time is it'",
    );
}

#[test]
fn clearing_forgets_the_words() {
    check_told(
        "0 speech+ \n 500 partial what time \n 600 clear \n 3000 tick",
        "0 told started item_0001
         600 told stopped item_0001
         600 told discarded item_0001
         600 forget hearing",
    );
}

#[test]
fn items_are_added_and_truncated_by_name() {
    check_told(
        "0 item a hello \n 1 item a hello \n 2 truncate a 100 \n 3 truncate b 100 \n 4 respond",
        "1 told refused DuplicateItem
         2 told refused NotSpoken
         3 told refused NoSuchItem
         4 told reply item_0001
         4 reply e1 leg 0 to 'hello'",
    );
}

#[test]
fn a_reply_that_may_not_be_interrupted_is_answered_afterwards() {
    let mut opening = opening();
    opening.policy.interrupt = false;
    expect(
        run(
            opening,
            &format!(
                "{ASK}\n 1600 speech+ \n 2000 partial and you \n 2200 speech- \n 2300 final and you \n 2400 last e1 \n 2410 eot 0.9"
            ),
            false,
        ),
        &format!("{ASKED}\n 2400 assess 'and you' \n 2410 reply e2 leg 0 to 'and you'"),
    );
}

#[test]
fn the_caller_leaves() {
    check_told(
        "0 type hello \n 10 gone \n 20 type hello",
        "0 told reply item_0002
         0 reply e1 leg 0 to 'hello'
         10 interrupt e2
         10 told ended item_0002 Interrupted ''
         10 told over CallerLeft
         10 end call",
    );
}

#[test]
fn what_is_known_of_the_words_comes_with_them_once() {
    let word = |text: &str, end: u64| HeardWord {
        text: text.into(),
        start: Duration::from_millis(end - 80),
        end: Duration::from_millis(end),
        confidence: 0.5,
    };
    let mut conversation = Conversation::new(opening());
    let mut said = Vec::new();
    for turn in 0..2 {
        let now = |ms: u64| SessionTime::from_millis(turn * 60_000 + ms);
        let at = Duration::ZERO;
        conversation.handle(now(0), TurnEvent::SpeechStarted { at });
        let silence = Duration::ZERO;
        conversation.handle(now(900), TurnEvent::SpeechEnded { at, silence });
        for (ms, text) in [(910, "what"), (920, "time")] {
            let final_words = Transcript {
                text: text.into(),
                words: vec![word(text, ms)],
            };
            conversation.handle(now(ms), TurnEvent::Final(final_words));
        }
        conversation.handle(now(10_000), TurnEvent::Tick);
        while let Some(action) = conversation.poll_action() {
            if let Action::Tell(CallEvent::UserSaid { text, words, .. }) = action {
                said.push((text, words));
            }
        }
    }
    let words = vec![word("what", 910), word("time", 920)];
    assert_eq!(said[0], ("what time".to_owned(), words.clone()));
    assert!(said[1..].iter().all(|(_, later)| *later == words));
}

#[test]
fn the_recogniser_is_told_how_to_hear_at_the_beginning_and_when_it_changes() {
    let tuned = |conversation: &mut Conversation| {
        let mut all = Vec::new();
        while let Some(action) = conversation.poll_action() {
            if let Action::TuneHearing(options) = action {
                all.push(options.delay.unwrap().as_millis());
            }
        }
        all
    };
    let hearing = |ms| HearingOptions {
        delay: Some(Duration::from_millis(ms)),
        language: None,
    };
    let mut conversation = Conversation::new(Opening {
        hearing: hearing(960),
        ..opening()
    });
    assert_eq!(tuned(&mut conversation), [960]);
    for (ms, want) in [(960, vec![]), (240, vec![240])] {
        let settings = Settings {
            hearing: Some(hearing(ms)),
            ..Settings::default()
        };
        let configure = TurnEvent::Command {
            id: CommandId(0),
            command: Command::Configure(settings),
        };
        conversation.handle(SessionTime::default(), configure);
        assert_eq!(tuned(&mut conversation), want);
    }
}
