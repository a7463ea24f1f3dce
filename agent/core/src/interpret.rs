//! The interpreter: one speaker's words into any number of languages while they are spoken. Pure,
//! like the conversation: facts in with their time, orders out.
//!
//! Guarantees: committed text and text told as translated only grow; what is said in a language is
//! its text in order, without what [`Told::Skipped`] names; the lag of what sounds is at most
//! [`PacePolicy::skip_after`] plus one line.
mod commit;
mod continuation;
mod duck;
mod facts;
mod language;
mod pace;
pub mod prompt;
mod source;
mod target;
mod words;

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

pub use commit::{CommitChoice, CommitPolicy};
pub use duck::{DuckPolicy, Ducker, limit};
pub use facts::{InterpretAction, InterpretEvent, InterpretMode, InterpretSettings, Told};
pub use language::{BadLanguage, Language};
pub use pace::PacePolicy;
use source::{Piece, Source};
use target::Target;
pub use target::TargetId;
pub use words::{Unit, key, units};

use crate::time::SessionTime;

/// How often what sounds is looked at while something does.
const WATCH: Duration = Duration::from_millis(100);

/// One speaker.
#[derive(Debug)]
pub struct Interpreter {
    settings: InterpretSettings,
    source: Source,
    targets: BTreeMap<TargetId, Target>,
    actions: VecDeque<InterpretAction>,
    /// Words committed since the utterance began, in turn-taking mode.
    turn: Option<Piece>,
    /// Since when the speaker speaks.
    speaking: Option<SessionTime>,
    /// Since when the speaker is silent in an utterance that is not over.
    quiet: Option<SessionTime>,
    /// Finals the recogniser owes.
    n_finals_due: usize,
    /// In turn-taking mode: what is heard now is our own voice.
    is_deaf: bool,
    guess: String,
    now: SessionTime,
}

impl Interpreter {
    /// A speaker nobody listens to yet.
    pub fn new(settings: InterpretSettings) -> Self {
        let language = settings.language.as_ref();
        let source = Source::new(settings.commit.build(language), language);
        Self {
            source,
            settings,
            targets: BTreeMap::new(),
            actions: VecDeque::new(),
            turn: None,
            speaking: None,
            quiet: None,
            n_finals_due: 0,
            is_deaf: false,
            guess: String::new(),
            now: SessionTime::default(),
        }
    }

    /// From now on there are listeners of `language`, who hear `voice` at tempo `speed`, or only
    /// read when it is not `spoken`.
    pub fn add_target(
        &mut self,
        id: TargetId,
        language: Language,
        voice: Option<String>,
        speed: f32,
        spoken: bool,
    ) {
        let target = Target::new(id, language, voice, speed, spoken);
        self.targets.insert(id, target);
    }

    /// Nobody listens to this target any more.
    pub fn remove_target(&mut self, id: TargetId) {
        self.targets.remove(&id);
    }

    /// What somebody else said, for the translators' understanding.
    pub fn overhear(&mut self, note: &str) {
        for target in self.targets.values_mut() {
            target.overhear(note.to_owned());
        }
    }

    /// Whether anything is still to be translated or heard.
    pub fn is_busy(&self) -> bool {
        self.quiet.is_some()
            || self.speaking.is_some()
            || self.targets.values().any(Target::is_busy)
    }

    /// How late the next words of a target would sound.
    pub fn lag(&self, target: TargetId) -> Option<Duration> {
        Some(self.targets.get(&target)?.lag(self.now))
    }

    /// The next order, oldest first.
    pub fn poll_action(&mut self) -> Option<InterpretAction> {
        self.actions.pop_front()
    }

    /// When to send a `Tick`, if nothing happens before.
    pub fn deadline(&self) -> Option<SessionTime> {
        let quiet = self.quiet.filter(|_| self.n_finals_due == 0);
        let gap = quiet.map(|since| since + self.settings.utterance_gap);
        let cut = self.speaking.map(|since| since + self.settings.cut_after);
        let sounding = self.targets.values().any(Target::is_sounding);
        let watch = sounding.then(|| self.now + WATCH);
        [gap, cut, watch].into_iter().flatten().min()
    }

    /// No more will be said: what was heard is finished without waiting for silence.
    pub fn finish(&mut self, now: SessionTime) {
        self.now = self.now.max(now);
        self.speaking = None;
        self.quiet = Some(now.minus(self.settings.utterance_gap));
        self.n_finals_due += 1;
        self.actions.push_back(InterpretAction::FinishHearing);
    }

    /// Takes a fact.
    pub fn handle(&mut self, now: SessionTime, fact: InterpretEvent) {
        self.now = self.now.max(now);
        match fact {
            InterpretEvent::SpeechStarted => {
                self.is_deaf = self.is_half_duplex() && self.is_sounding();
                self.speaking = Some(now);
                self.quiet = None;
            }
            InterpretEvent::SpeechEnded { silence } => {
                self.speaking = None;
                self.quiet = Some(now.minus(silence));
                self.n_finals_due += 1;
            }
            InterpretEvent::Partial(text) if !self.is_deaf => {
                let piece = self.source.partial(&text, now);
                self.commit(piece);
            }
            InterpretEvent::Partial(_) => {}
            InterpretEvent::Final(text) => {
                self.n_finals_due = self.n_finals_due.saturating_sub(1);
                let piece = self.source.finish(&text, now);
                if !self.is_deaf {
                    self.commit(piece);
                }
            }
            InterpretEvent::Translated { target, text } => {
                self.with(target, |target, out| target.translated(&text, out));
            }
            InterpretEvent::TranslationEnded { target } => {
                self.with(target, |target, out| target.answered(out));
            }
            InterpretEvent::TranslationFailed { target, reason } => {
                self.with(target, |target, out| target.failed(reason, out));
            }
            InterpretEvent::Voiced {
                target,
                samples,
                text_end,
            } => self.with(target, |target, _| target.voiced(samples, text_end)),
            InterpretEvent::Played { target, samples } => {
                self.with(target, |target, out| target.played(samples, now, out));
            }
            InterpretEvent::VoiceFailed { target, reason } => {
                self.with(target, |target, out| {
                    target.mute();
                    let id = target.id();
                    let told = Told::VoiceFailed { target: id, reason };
                    out.push_back(InterpretAction::Tell(told));
                });
            }
            InterpretEvent::Tick => {}
        }
        self.pass_time(now);
        self.go_on(now);
    }

    fn with(
        &mut self,
        id: TargetId,
        what: impl FnOnce(&mut Target, &mut VecDeque<InterpretAction>),
    ) {
        if let Some(target) = self.targets.get_mut(&id) {
            what(target, &mut self.actions);
        }
    }

    fn is_half_duplex(&self) -> bool {
        matches!(self.settings.mode, InterpretMode::Turns { .. })
    }

    fn is_sounding(&self) -> bool {
        self.targets.values().any(Target::is_sounding)
    }

    fn commit(&mut self, piece: Option<Piece>) {
        if let Some(piece) = piece {
            self.tell(Told::SourceText {
                text: piece.text.clone(),
            });
            if self.is_half_duplex() {
                match &mut self.turn {
                    Some(turn) => {
                        turn.text.push_str(&piece.text);
                        turn.heard_to = piece.heard_to;
                        turn.n_units += piece.n_units;
                    }
                    None => self.turn = Some(piece),
                }
            } else {
                for target in self.targets.values_mut() {
                    target.hear(piece.clone(), &mut self.actions);
                }
            }
        }
        let guess = self.source.guess();
        if guess != self.guess {
            self.guess.clone_from(&guess);
            self.tell(Told::SourceGuess { text: guess });
        }
    }

    fn pass_time(&mut self, now: SessionTime) {
        if let Some(since) = self.speaking
            && now.since(since) >= self.settings.cut_after
        {
            self.speaking = Some(now);
            self.n_finals_due += 1;
            self.actions.push_back(InterpretAction::FinishHearing);
        }
        if let Some(since) = self.quiet
            && now.since(since) >= self.settings.utterance_gap
            && self.n_finals_due == 0
        {
            self.quiet = None;
            if std::mem::take(&mut self.is_deaf) {
                self.actions.push_back(InterpretAction::ForgetHearing);
                return;
            }
            self.end_utterance();
        }
    }

    fn end_utterance(&mut self) {
        self.tell(Told::SourceEnded);
        if let InterpretMode::Turns { detect } = self.settings.mode {
            let Some(turn) = self.turn.take() else {
                return;
            };
            let spoken = detect(&turn.text).or_else(|| self.settings.language.clone());
            for target in self.targets.values_mut() {
                let is_same = |spoken: &Language| target.language().is_understood_by(spoken);
                if !spoken.as_ref().is_some_and(is_same) {
                    target.hear(turn.clone(), &mut self.actions);
                }
            }
        }
        for target in self.targets.values_mut() {
            target.end_utterance();
        }
    }

    /// Whoever is free gets what waits.
    fn go_on(&mut self, now: SessionTime) {
        let source = match self.settings.mode {
            InterpretMode::Simultaneous => self.settings.language.as_ref(),
            InterpretMode::Turns { .. } => None,
        };
        let pace = &self.settings.pace;
        for target in self.targets.values_mut() {
            let lag = target.lag(now);
            target.ask(source, lag, pace, now, &mut self.actions);
            target.say(pace, now, &mut self.actions);
        }
    }

    fn tell(&mut self, told: Told) {
        self.actions.push_back(InterpretAction::Tell(told));
    }
}

#[cfg(test)]
mod tests;
