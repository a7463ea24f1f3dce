//! A million random orders of facts against the invariants of the conversation.
use super::*;
use std::cell::RefCell;

use crate::{record::Recorder, turn::Settings};

/// How many random calls are tried, and how long each is.
const CALLS: u64 = 1_000_000;
const FACTS_PER_CALL: usize = 24;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

fn any_policy(random: &mut Random) -> TurnPolicy {
    TurnPolicy {
        mode: match random.below(4) {
            0 => TurnMode::Silence(Duration::from_millis(500)),
            1 => TurnMode::Manual,
            _ => opening().policy.mode,
        },
        interrupt: random.below(5) > 0,
        reply: random.below(5) > 0,
        idle: (random.below(4) == 0).then_some(Duration::from_secs(5)),
        ..TurnPolicy::default()
    }
}

fn any_fact(random: &mut Random, epoch: Epoch) -> TurnEvent {
    let epoch = match random.below(5) {
        0 => Epoch(epoch.0.saturating_sub(random.below(3))),
        _ => epoch,
    };
    let at = Duration::from_millis(random.below(50_000));
    let words = ["", "mm", "stop", "a few words"][usize::try_from(random.below(4)).unwrap()];
    let command = |command| TurnEvent::Command {
        id: CommandId(1),
        command,
    };
    match random.below(28) {
        0..=2 => TurnEvent::SpeechStarted { at },
        3..=5 => TurnEvent::SpeechEnded {
            at,
            silence: Duration::from_millis(random.below(300)),
        },
        6 => TurnEvent::Partial(words.into()),
        7 | 8 => TurnEvent::Final(words.into()),
        9 => TurnEvent::EndOfTurn(random.below(100) as f32 / 100.0),
        10 | 11 => TurnEvent::ReplyText {
            epoch,
            text: "some text. ".into(),
        },
        12 => TurnEvent::ToolCalled {
            epoch,
            call: ToolCall {
                id: "c".into(),
                name: ["clock", "lamp", "none"][usize::try_from(random.below(3)).unwrap()].into(),
                arguments: "{}".into(),
            },
        },
        13 => TurnEvent::ToolReturned {
            epoch,
            call: "c".into(),
            output: "x".into(),
            effect: if random.below(8) == 0 {
                ToolEffect::HangUp
            } else {
                ToolEffect::None
            },
        },
        14 | 15 => TurnEvent::ReplyEnded {
            epoch,
            end: ReplyEnd::default(),
        },
        16 => TurnEvent::AudioReady { epoch },
        17 => TurnEvent::Voiced {
            epoch,
            samples: random.below(100_000),
            text_end: usize::try_from(random.below(60)).unwrap(),
        },
        18 | 19 => TurnEvent::Played {
            epoch,
            samples: random.below(100_000),
            last: random.below(2) == 0,
        },
        20 => TurnEvent::EngineFailed {
            epoch,
            reason: String::new(),
        },
        21 => command(Command::Say("typed".into())),
        22 => command(Command::Commit),
        23 => command(Command::Respond(ReplyOptions::default())),
        24 => command(Command::Cancel),
        25 => command(Command::Clear),
        26 if random.below(4) == 0 => command(Command::Configure(Settings {
            policy: Some(any_policy(random)),
            ..Settings::default()
        })),
        27 if random.below(16) == 0 => TurnEvent::CallEnded(EndReason::CallerLeft),
        _ => TurnEvent::Tick,
    }
}

/// What has been seen of one call, and what must hold of it.
#[derive(Default)]
struct Witness {
    epoch: Epoch,
    replying: Option<Epoch>,
    is_held: bool,
    is_over: bool,
    /// Something happened since the reply began that may end it early.
    was_disturbed: bool,
    items: std::collections::BTreeSet<String>,
    now: SessionTime,
}

thread_local! {
    /// What happened in a call that broke an invariant, when it is run again to be told.
    static RECORD: RefCell<Option<Recorder>> = const { RefCell::new(None) };
}

fn handle(
    conversation: &mut Conversation,
    witness: &mut Witness,
    now: SessionTime,
    event: TurnEvent,
) {
    RECORD.with_borrow_mut(|record| {
        if let Some(record) = record {
            record.fact(now, &event);
        }
    });
    witness.now = now;
    conversation.handle(now, event);
    drain(conversation, witness);
}

impl Witness {
    fn moves_to(&mut self, epoch: Epoch) {
        assert_eq!(epoch, self.epoch.next(), "epochs move by one");
        self.epoch = epoch;
    }

    fn see(&mut self, action: &Action) {
        assert!(!self.is_over, "nothing is ordered after the end");
        match action {
            Action::StartReply(order) if order.leg == 0 => self.moves_to(order.epoch),
            Action::StartReply(order) => assert_eq!(Some(order.epoch), self.replying),
            Action::Interrupt { epoch } => {
                self.moves_to(*epoch);
                self.is_held = false;
            }
            Action::HoldPlayback => {
                assert!(!self.is_held, "held once");
                self.is_held = true;
            }
            Action::ResumePlayback => self.is_held = false,
            Action::EndCall => self.is_over = true,
            Action::Tell(event) => self.see_told(event),
            _ => (),
        }
    }

    fn see_told(&mut self, event: &CallEvent) {
        match event {
            CallEvent::ReplyStarted { epoch, item, .. } => {
                assert_eq!(self.replying, None, "one reply at a time");
                assert!(self.items.insert(item.to_string()), "item names are new");
                self.replying = Some(*epoch);
                self.was_disturbed = false;
            }
            CallEvent::ReplyEnded {
                epoch,
                outcome,
                written,
                heard,
                ..
            } => {
                assert_eq!(self.replying.take(), Some(*epoch), "ended once");
                assert!(written.is_char_boundary(*heard));
                if !self.was_disturbed {
                    assert_eq!(*outcome, ReplyOutcome::Completed, "nobody disturbed it");
                }
            }
            CallEvent::Committed { item, .. } => {
                assert!(self.items.insert(item.to_string()), "item names are new");
            }
            CallEvent::UserSaid { item, .. } => {
                assert!(
                    self.items.contains(&item.to_string()),
                    "said after committed"
                );
            }
            _ => (),
        }
    }

    /// Facts that may end a reply before its end. Speech alone is not one of them.
    fn disturbs(event: &TurnEvent) -> bool {
        match event {
            TurnEvent::Partial(words) => !words.is_empty() && words != "mm",
            TurnEvent::Final(said) => !said.text.is_empty() && said.text != "mm",
            TurnEvent::Command { .. }
            | TurnEvent::EngineFailed { .. }
            | TurnEvent::CallEnded(_) => true,
            _ => false,
        }
    }
}

fn drain(conversation: &mut Conversation, witness: &mut Witness) {
    while let Some(action) = conversation.poll_action() {
        RECORD.with_borrow_mut(|record| {
            if let Some(record) = record {
                record.order(witness.now, &action);
            }
        });
        witness.see(&action);
    }
}

fn one_call(random: &mut Random) {
    let mut settings = opening();
    settings.policy = any_policy(random);
    settings.greeting = (random.below(2) == 0).then(|| "Hello!".to_owned());
    let mut conversation = Conversation::new(settings);
    let mut witness = Witness::default();
    drain(&mut conversation, &mut witness);
    let mut now = SessionTime::default();
    for _ in 0..FACTS_PER_CALL {
        now = now + Duration::from_millis(random.below(900));
        let event = any_fact(random, conversation.epoch());
        // Words said before a reply began may still come to light during it.
        witness.was_disturbed |= Witness::disturbs(&event) || conversation.hearing.has_words();
        // A reply that makes no progress for longer than the policy allows has failed.
        witness.was_disturbed |= conversation.reply.is_some() && conversation.reply_by <= now;
        handle(&mut conversation, &mut witness, now, event);
        assert!(
            conversation.deadline().is_none_or(|due| now < due),
            "deadlines lie ahead"
        );
        let is_waiting = !matches!(conversation.phase, Phase::Listening { .. } | Phase::Ended);
        assert!(
            !is_waiting || conversation.deadline().is_some(),
            "every wait has an end: {:?}",
            conversation.phase
        );
        assert_eq!(witness.is_held, conversation.is_held);
        assert!(
            !witness.is_held || matches!(conversation.phase, Phase::Overlap { .. }),
            "held only while judging: {:?}",
            conversation.phase
        );
    }
    never_silent_for_good(conversation, witness, now);
}

/// Left alone, every call comes to rest: nobody held, no reply pending, the agent listening.
fn never_silent_for_good(
    mut conversation: Conversation,
    mut witness: Witness,
    mut now: SessionTime,
) {
    // Voice activity that never ends is listened to for ever, in stretches; here it ends.
    let quiet = TurnEvent::SpeechEnded {
        at: Duration::ZERO,
        silence: Duration::ZERO,
    };
    witness.was_disturbed = true;
    handle(&mut conversation, &mut witness, now, quiet);
    for _ in 0..64 {
        // Nobody plays anything any more, so a reply ends by its time limit.
        witness.was_disturbed = true;
        let Some(due) = conversation.deadline() else {
            break;
        };
        now = due;
        handle(&mut conversation, &mut witness, now, TurnEvent::Tick);
    }
    assert_eq!(conversation.deadline(), None, "comes to rest");
    assert_eq!(witness.replying, None, "no reply is left open");
    assert!(!witness.is_held);
    if witness.is_over || !conversation.is_automatic() || !conversation.settings.policy.reply {
        return;
    }
    // And it still answers.
    let quiet = TurnEvent::SpeechEnded {
        at: Duration::ZERO,
        silence: Duration::ZERO,
    };
    for (ms, event) in [
        (0, TurnEvent::SpeechStarted { at: Duration::ZERO }),
        (800, quiet),
        (900, TurnEvent::Final("are you there".into())),
        (5_000, TurnEvent::Tick),
    ] {
        handle(
            &mut conversation,
            &mut witness,
            now + Duration::from_millis(ms),
            event,
        );
    }
    assert!(
        witness.replying.is_some(),
        "a caller who speaks is answered"
    );
}

#[test]
fn a_million_random_orders_of_facts_keep_the_invariants() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for call in 0..CALLS {
        let seed = random.next();
        if std::panic::catch_unwind(|| one_call(&mut Random(seed | 1))).is_err() {
            RECORD.set(Some(Recorder::default()));
            let _ = std::panic::catch_unwind(|| one_call(&mut Random(seed | 1)));
            let record = RECORD.take().unwrap_or_default();
            panic!("call {call} broke an invariant:\n{record}");
        }
    }
}
