//! The interpreter in simulated time: a recogniser that hears a word every 300 ms, a translator and
//! a voice with known delays, a listener who plays what is there.
#![allow(clippy::unwrap_used)]
use std::{cmp::Reverse, collections::BinaryHeap};

use proptest::prelude::*;

use super::*;
use crate::{
    audio::SampleRate,
    engine::{Line, Prompt},
    turn::Role,
};

const TARGET: TargetId = TargetId(7);

fn tag(tag: &str) -> Language {
    Language::parse(tag).unwrap()
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Engines with known delays around one interpreter.
struct World {
    interpreter: Interpreter,
    now: SessionTime,
    due: BinaryHeap<Reverse<(SessionTime, u64, usize)>>,
    facts: Vec<InterpretEvent>,
    /// How long the translator takes for a piece.
    translator: Duration,
    /// How long a character takes to be said at tempo 1.
    per_char: Duration,
    translate: fn(&str) -> String,
    /// Of each target: samples synthesised, and when the listener's side runs dry.
    voices: BTreeMap<TargetId, (u64, SessionTime)>,
    prompts: Vec<Prompt>,
    lines: Vec<(SessionTime, Line)>,
    told: Vec<(SessionTime, Told)>,
}

impl World {
    fn new(settings: InterpretSettings) -> Self {
        let mut interpreter = Interpreter::new(settings);
        interpreter.add_target(TARGET, tag("fr"), None, 1.0, true);
        Self {
            interpreter,
            now: SessionTime::default(),
            due: BinaryHeap::new(),
            facts: Vec::new(),
            translator: ms(200),
            per_char: ms(60),
            translate: |words| words.to_uppercase(),
            voices: BTreeMap::new(),
            prompts: Vec::new(),
            lines: Vec::new(),
            told: Vec::new(),
        }
    }

    fn at(&mut self, at: SessionTime, fact: InterpretEvent) {
        let n = self.facts.len();
        self.facts.push(fact);
        self.due.push(Reverse((at, n as u64, n)));
    }

    /// One word every 300 ms from `from` on, then silence and the final.
    fn speak(&mut self, from: u64, text: &str) -> u64 {
        self.at(
            SessionTime::from_millis(from),
            InterpretEvent::SpeechStarted,
        );
        let words: Vec<&str> = text.split(' ').collect();
        for n in 1..=words.len() {
            let at = SessionTime::from_millis(from + 300 * n as u64);
            self.at(at, InterpretEvent::Partial(words[..n].join(" ")));
        }
        let end = from + 300 * words.len() as u64 + 200;
        let silence = ms(200);
        self.at(
            SessionTime::from_millis(end),
            InterpretEvent::SpeechEnded { silence },
        );
        self.at(
            SessionTime::from_millis(end + 50),
            InterpretEvent::Final(text.to_owned()),
        );
        end
    }

    fn play(&mut self) {
        for (target, (n_samples, dry_at)) in self.voices.clone() {
            let left = SampleRate::SPEECH.samples_in(dry_at.since(self.now));
            let samples = n_samples - left.min(n_samples);
            self.interpreter
                .handle(self.now, InterpretEvent::Played { target, samples });
        }
    }

    fn run(&mut self) {
        for _ in 0..100_000 {
            let next = self.due.peek().map(|Reverse((at, ..))| *at);
            let deadline = self.interpreter.deadline().map(|due| due.max(self.now));
            let Some(at) = [next, deadline].into_iter().flatten().min() else {
                return;
            };
            self.now = at;
            self.play();
            if next == Some(at) {
                let Reverse((_, _, n)) = self.due.pop().unwrap();
                let fact = self.facts[n].clone();
                self.interpreter.handle(at, fact);
            } else {
                self.interpreter.handle(at, InterpretEvent::Tick);
            }
            while let Some(action) = self.interpreter.poll_action() {
                self.obey(action);
            }
        }
        panic!("it never came to rest");
    }

    fn obey(&mut self, action: InterpretAction) {
        match action {
            InterpretAction::Translate { target, prompt } => {
                let piece = prompt.messages.last().unwrap().text.clone();
                self.prompts.push(prompt);
                let text = (self.translate)(prompt::words(&piece));
                let at = self.now + self.translator;
                self.at(at, InterpretEvent::Translated { target, text });
                self.at(at, InterpretEvent::TranslationEnded { target });
            }
            InterpretAction::Say {
                target, line, end, ..
            } => {
                let n_chars = u32::try_from(line.text.chars().count()).unwrap();
                let lasts = (self.per_char * n_chars).div_f32(line.speed.unwrap_or(1.0));
                self.lines.push((self.now, line));
                let (n_samples, dry_at) = self.voices.entry(target).or_default();
                *n_samples += SampleRate::SPEECH.samples_in(lasts);
                *dry_at = (*dry_at).max(self.now) + lasts;
                let fact = InterpretEvent::Voiced {
                    target,
                    samples: *n_samples,
                    text_end: end,
                };
                // The ring holds 1.5 s; the voice waits for room.
                let at = dry_at.minus(ms(1_500)).max(self.now);
                self.at(at, fact);
            }
            InterpretAction::Tell(told) => self.told.push((self.now, told)),
            InterpretAction::StopTranslating { .. }
            | InterpretAction::FinishHearing
            | InterpretAction::ForgetHearing => {}
        }
    }

    fn source(&self) -> String {
        let more = self.told.iter().filter_map(|(_, told)| match told {
            Told::SourceText { text } => Some(text.as_str()),
            _ => None,
        });
        more.collect()
    }

    fn target(&self) -> String {
        let more = self.told.iter().filter_map(|(_, told)| match told {
            Told::TargetText { text, .. } => Some(text.as_str()),
            _ => None,
        });
        more.collect()
    }

    fn said(&self) -> Vec<&str> {
        self.lines
            .iter()
            .map(|(_, line)| line.text.as_str())
            .collect()
    }

    fn spans(&self) -> Vec<u64> {
        let spans = self.told.iter().filter_map(|(_, told)| match told {
            Told::Sounding { span, .. } => Some(u64::try_from(span.as_millis()).unwrap()),
            _ => None,
        });
        spans.collect()
    }
}

fn english(commit: CommitChoice) -> InterpretSettings {
    InterpretSettings {
        language: Some(tag("en")),
        commit,
        ..InterpretSettings::default()
    }
}

#[test]
fn the_lag_is_the_policys_wait_and_the_engines_delays() {
    let mut world = World::new(english(CommitChoice::WaitK { words: 2 }));
    world.speak(0, "good morning, dear friends of ours");
    world.run();
    assert_eq!(world.source(), "good morning, dear friends of ours");
    assert_eq!(world.target(), "GOOD MORNING, DEAR FRIENDS OF OURS");
    // "good" is heard at 300 ms, committed two words later at 900 ms, asked for alone and
    // translated at 1100. Then "morning," (committed 1200) is translated at 1400, and "dear" at
    // 1700: after a comma with two words nothing is said yet; "friends of ours" follow with the
    // final at 2050 and are translated at 2250: no clause has ended, but five words wait.
    let first = world.lines.first().unwrap();
    assert_eq!(first.0, SessionTime::from_millis(2_250));
    assert_eq!(world.said(), ["GOOD MORNING, DEAR FRIENDS OF OURS"]);
    // It begins to sound at once and is noticed with the next look at the ring, 100 ms later.
    assert_eq!(world.spans(), [2_250 + 100 - 300]);
}

#[test]
fn clauses_are_said_while_the_speaker_goes_on() {
    let choice = CommitChoice::Clause {
        min_words: 3,
        max_words: 6,
    };
    let mut world = World::new(english(choice));
    let end = world.speak(0, "when it rains, I stay at home and read all day");
    world.run();
    assert_eq!(
        world.said(),
        ["WHEN IT RAINS,", "I STAY AT HOME AND READ ALL DAY"]
    );
    // "rains," is agreed on with the fourth word (1200 ms) and translated 200 ms later.
    assert_eq!(world.lines[0].0, SessionTime::from_millis(1_400));
    assert!(world.lines[0].0 < SessionTime::from_millis(end));
    assert_eq!(world.spans()[0], 1_400 + 100 - 300);
}

#[test]
fn the_translator_sees_what_it_has_said_and_continues_it() {
    let mut world = World::new(english(CommitChoice::LocalAgreement { hypotheses: 2 }));
    world.translator = ms(900);
    world.speak(0, "one two three four five six seven");
    world.run();
    let last = world.prompts.last().unwrap();
    let answers: Vec<_> = last
        .messages
        .iter()
        .filter(|message| message.role == Role::Assistant)
        .map(|message| message.text.clone())
        .collect();
    assert!(answers.len() >= 2);
    assert!(world.target().starts_with(&answers.join(" ")));
    // While the translator was busy, words waited and came as one piece.
    assert!(world.prompts.len() < 7);
    assert_eq!(world.target(), "ONE TWO THREE FOUR FIVE SIX SEVEN");
}

#[test]
fn words_the_translator_wants_to_hold_back_are_asked_for_at_the_pause() {
    let mut world = World::new(english(CommitChoice::LocalAgreement { hypotheses: 2 }));
    world.translate = |words| {
        let is_pause = words.is_empty();
        if is_pause { "TOUT." } else { prompt::NOTHING }.to_owned()
    };
    world.speak(0, "not before the end");
    world.run();
    assert_eq!(world.target(), "TOUT.");
    assert_eq!(world.said(), ["TOUT."]);
    let last = world.prompts.last().unwrap().messages.last().unwrap();
    assert_eq!(last.text, prompt::PAUSE);
}

#[test]
fn a_late_interpreter_speaks_faster_then_asks_for_brevity_then_skips() {
    let mut world = World::new(english(CommitChoice::default()));
    world.per_char = ms(180);
    let mut from = 0;
    for _ in 0..12 {
        from = world.speak(
            from,
            "this is said, and much more, and then again, and so on",
        ) + 300;
    }
    world.run();
    let speeds: Vec<f32> = world
        .lines
        .iter()
        .map(|(_, line)| line.speed.unwrap_or(1.0))
        .collect();
    assert_eq!(speeds[0], 1.0);
    assert!(speeds.iter().all(|speed| (1.0..=1.25).contains(speed)));
    assert!(speeds.contains(&1.25));
    let briefs = |prompt: &&Prompt| prompt.messages.last().unwrap().text.contains(prompt::BRIEF);
    assert!(world.prompts.iter().any(|prompt| briefs(&prompt)));
    let n_skipped = world
        .told
        .iter()
        .filter(|(_, told)| matches!(told, Told::Skipped { .. }))
        .count();
    assert!(n_skipped > 0);
    // One line is at the voice and one waits there, each of at most 4 s.
    let bound = 15_000 + 2 * 4_000;
    assert!(
        world.spans().iter().all(|span| *span <= bound),
        "{:?}",
        world.spans()
    );
    // Everything is there to be read.
    assert_eq!(world.target(), world.source().to_uppercase());
}

#[test]
fn a_translator_that_fails_loses_its_piece_and_no_other() {
    let mut world = World::new(english(CommitChoice::default()));
    world.speak(0, "first things first.");
    world.run();
    let reason = "no answer".to_owned();
    world.speak(10_000, "second.");
    world.translate = |_| String::new();
    let target = TARGET;
    world.at(
        SessionTime::from_millis(10_600),
        InterpretEvent::TranslationFailed { target, reason },
    );
    world.run();
    world.translate = |words| words.to_uppercase();
    world.speak(20_000, "third things now.");
    world.run();
    assert_eq!(world.target(), "FIRST THINGS FIRST. THIRD THINGS NOW.");
}

#[test]
fn a_runaway_answer_is_stopped() {
    let mut world = World::new(english(CommitChoice::default()));
    world.translate = |_| "la ".repeat(10_000);
    world.speak(0, "hello there.");
    world.run();
    assert!(world.target().len() < 31_000);
    assert_eq!(world.prompts.len(), 1);
    // The next piece is asked for as if nothing had been.
    world.translate = |words| words.to_uppercase();
    world.speak(4_000_000, "and now?");
    world.run();
    assert!(world.target().ends_with("AND NOW?"));
}

#[test]
fn two_people_at_one_device_take_turns() {
    fn detect(text: &str) -> Option<Language> {
        Language::parse(if text.contains("bonjour") { "fr" } else { "en" }).ok()
    }
    let mut world = World::new(InterpretSettings {
        mode: InterpretMode::Turns { detect },
        ..english(CommitChoice::default())
    });
    world
        .interpreter
        .add_target(TargetId(8), tag("en"), None, 1.0, true);
    world.speak(0, "good day to you.");
    world.run();
    assert_eq!(world.prompts.len(), 1, "only into French");
    assert!(world.prompts[0].messages[0].text.contains("into French"));
    world.speak(20_000, "bonjour à vous.");
    world.run();
    assert_eq!(world.prompts.len(), 2);
    assert!(world.prompts[1].messages[0].text.contains("into English"));
    // What is heard while the interpreter speaks is the interpreter.
    world.speak(40_000, "good day to you and all your friends.");
    let echo = world.speak(43_500, "bonjour");
    world.run();
    assert!(echo > 43_500);
    assert_eq!(world.prompts.len(), 3);
}

proptest! {
    /// Whatever the recogniser changes its mind about and however slow the engines are, text only
    /// grows, lines are the text in order, and everything comes to rest.
    #[test]
    fn nothing_is_taken_back_or_lost(
        hypotheses in prop::collection::vec(("([a-d]{1,2}[,.]? ){0,8}", any::<bool>(), 1_u64..900), 1..30),
        which in 0_usize..3,
        translator in 1_u64..3_000,
        per_char in 1_u64..300,
    ) {
        let commit = [
            CommitChoice::WaitK { words: 2 },
            CommitChoice::LocalAgreement { hypotheses: 2 },
            CommitChoice::Clause { min_words: 2, max_words: 4 },
        ][which];
        let mut world = World::new(english(commit));
        world.translator = ms(translator);
        world.per_char = ms(per_char);
        let mut at = 0;
        for (text, is_final, after) in hypotheses {
            at += after;
            let now = SessionTime::from_millis(at);
            world.at(now, InterpretEvent::SpeechStarted);
            world.at(now, InterpretEvent::Partial(text.clone()));
            if is_final {
                world.at(now, InterpretEvent::SpeechEnded { silence: ms(0) });
                world.at(now, InterpretEvent::Final(text));
            }
        }
        at += 1;
        let now = SessionTime::from_millis(at);
        world.at(now, InterpretEvent::SpeechEnded { silence: ms(0) });
        world.at(now, InterpretEvent::Final(String::new()));
        world.run();
        prop_assert!(!world.interpreter.is_busy());
        // The translator upper-cases, so every word of the source is in the target once.
        let words = |text: &str| units(text).into_iter().map(|u| u.key).filter(|k| !k.is_empty()).collect::<Vec<_>>();
        let n_held = world.prompts.iter().filter(|p| prompt::words(&p.messages.last().unwrap().text).chars().all(|c| !c.is_alphanumeric())).count();
        if n_held == 0 {
            prop_assert_eq!(words(&world.target()).len(), words(&world.source()).len());
        }
        // Lines and skipped lines together are the target text, in order.
        let mut said: Vec<String> = Vec::new();
        let target = world.target();
        for line in world.said() {
            said.push(line.to_owned());
        }
        let mut from = 0;
        for line in &said {
            let found = target[from..].find(line.as_str());
            prop_assert!(found.is_some(), "{:?} not in {:?} from {}", line, target, from);
            from += found.unwrap() + line.len();
        }
    }
}
