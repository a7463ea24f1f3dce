//! One language that is listened to: what waits for its translator, what was translated, what is
//! being said.
mod saying;

use std::{collections::VecDeque, time::Duration};

use super::{
    InterpretAction, Told,
    continuation::Continuation,
    language::Language,
    pace::PacePolicy,
    prompt::{self, Exchange, Marks},
    source::Piece,
};
use crate::{
    sentences::{Sentences, SpokenLine},
    time::SessionTime,
};

/// Names a target of one speaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TargetId(pub u32);

/// At the end of a piece, so many words are said without waiting for a clause to end.
const WORDS_SAID_UNMARKED: usize = 5;
/// Source that waits for a translator that does not answer, in bytes; the oldest goes.
const LONGEST_WAITING: usize = 2_000;
/// Exchanges the translator is shown.
const EXCHANGES: usize = 24;
/// An answer longer than this share of its piece, and this many bytes more, has run away.
const RUNAWAY: (usize, usize) = (4, 160);

/// A line and how old its words are.
#[derive(Clone, Debug)]
struct Timed {
    line: SpokenLine,
    heard_from: SessionTime,
    /// Sample of the target's audio it begins with, once known.
    begins: Option<u64>,
    is_told: bool,
}

/// A request to the translator.
#[derive(Debug)]
struct Asked {
    piece: String,
    heard_from: SessionTime,
    answer: String,
    continuation: Continuation,
    is_pause: bool,
    /// Bytes the answer may have.
    longest: usize,
}

/// One target of one speaker.
#[derive(Debug)]
pub(super) struct Target {
    id: TargetId,
    language: Language,
    voice: Option<String>,
    speed: f32,
    spoken: bool,
    waiting: Option<Piece>,
    asked: Option<Asked>,
    exchanges: VecDeque<Exchange>,
    /// The utterance's translation so far.
    utterance: String,
    /// The translator wanted to hear more first.
    owes: bool,
    /// The utterance is over; what is left is to be said.
    ending: bool,
    /// Bytes of the whole translation.
    n_written: usize,
    /// Where translations of pieces end, and when their words were heard.
    written: VecDeque<(usize, SessionTime)>,
    sentences: Sentences,
    lines: VecDeque<Timed>,
    at_voice: VecDeque<Timed>,
    sounding: VecDeque<(Timed, u64)>,
    /// Samples in the ring so far, and played.
    voiced: u64,
    played: u64,
    /// Where the last complete line ended.
    line_end: u64,
}

impl Target {
    pub(super) fn new(
        id: TargetId,
        language: Language,
        voice: Option<String>,
        speed: f32,
        spoken: bool,
    ) -> Self {
        Self {
            id,
            language,
            voice,
            speed,
            spoken,
            waiting: None,
            asked: None,
            exchanges: VecDeque::new(),
            utterance: String::new(),
            owes: false,
            ending: false,
            n_written: 0,
            written: VecDeque::new(),
            sentences: Sentences::by_clause(),
            lines: VecDeque::new(),
            at_voice: VecDeque::new(),
            sounding: VecDeque::new(),
            voiced: 0,
            played: 0,
            line_end: 0,
        }
    }

    pub(super) fn id(&self) -> TargetId {
        self.id
    }

    pub(super) fn language(&self) -> &Language {
        &self.language
    }

    /// Whether anything is still to be translated or heard.
    pub(super) fn is_busy(&self) -> bool {
        self.waiting.is_some() || self.asked.is_some() || self.is_sounding()
    }

    /// Whether anything is said now or will be at once.
    pub(super) fn is_sounding(&self) -> bool {
        !(self.lines.is_empty() && self.at_voice.is_empty() && self.sounding.is_empty())
    }

    /// Something said by somebody else, so that the translator knows what the talk is about.
    pub(super) fn overhear(&mut self, note: String) {
        self.remember(Exchange {
            piece: prompt::note(&note),
            answer: prompt::NOTHING.to_owned(),
        });
    }

    /// More words of the speaker.
    pub(super) fn hear(&mut self, piece: Piece, out: &mut VecDeque<InterpretAction>) {
        match &mut self.waiting {
            Some(waiting) => {
                waiting.text.push_str(&piece.text);
                waiting.heard_to = piece.heard_to;
                waiting.n_units += piece.n_units;
                if waiting.text.len() > LONGEST_WAITING {
                    let mut cut = waiting.text.len() - LONGEST_WAITING;
                    while !waiting.text.is_char_boundary(cut) {
                        cut += 1;
                    }
                    let text = waiting.text.drain(..cut).collect();
                    let target = self.id;
                    out.push_back(InterpretAction::Tell(Told::Untranslated { target, text }));
                }
            }
            None => self.waiting = Some(piece),
        }
        self.ending = false;
    }

    /// The speaker has stopped: what is unfinished is finished.
    pub(super) fn end_utterance(&mut self) {
        self.ending = true;
    }

    /// Asks the translator for what waits, if it is free.
    pub(super) fn ask(
        &mut self,
        source: Option<&Language>,
        lag: Duration,
        pace: &PacePolicy,
        now: SessionTime,
        out: &mut VecDeque<InterpretAction>,
    ) {
        if self.asked.is_some() {
            return;
        }
        let waiting = self.waiting.take();
        let is_pause = self.ending && (waiting.is_some() || self.owes);
        let (text, heard_from, n_units) = match waiting {
            Some(piece) => (
                piece.text.trim().to_owned(),
                piece.heard_from,
                piece.n_units,
            ),
            None if is_pause => (String::new(), self.oldest().unwrap_or(now), 0),
            None => {
                if std::mem::take(&mut self.ending) {
                    self.finish_line();
                    self.utterance.clear();
                }
                return;
            }
        };
        let marks = Marks {
            is_pause,
            be_brief: lag >= pace.brief_after,
        };
        let piece = prompt::piece(&text, marks);
        let prompt = prompt::prompt(
            source,
            &self.language,
            self.exchanges.make_contiguous(),
            &piece,
            n_units,
        );
        self.asked = Some(Asked {
            longest: piece.len() * RUNAWAY.0 + RUNAWAY.1,
            piece,
            heard_from,
            answer: String::new(),
            continuation: Continuation::new(&self.utterance),
            is_pause,
        });
        out.push_back(InterpretAction::Translate {
            target: self.id,
            prompt,
        });
    }

    /// When the oldest words that were not said yet were heard.
    fn oldest(&self) -> Option<SessionTime> {
        self.written.front().map(|(_, heard)| *heard)
    }

    /// More of the translator's answer.
    pub(super) fn translated(&mut self, text: &str, out: &mut VecDeque<InterpretAction>) {
        let Some(asked) = &mut self.asked else {
            return;
        };
        let passed = asked.continuation.push(text);
        let has_run_away = asked.answer.len() + passed.len() > asked.longest;
        self.append(&passed, out);
        if has_run_away {
            out.push_back(InterpretAction::StopTranslating { target: self.id });
            self.answered(out);
        }
    }

    /// The answer is complete.
    pub(super) fn answered(&mut self, out: &mut VecDeque<InterpretAction>) {
        let Some(asked) = &mut self.asked else {
            return;
        };
        let rest = asked.continuation.finish();
        self.append(&rest, out);
        let Some(asked) = self.asked.take() else {
            return;
        };
        let is_nothing = prompt::is_nothing(&asked.answer);
        self.owes = is_nothing && !asked.is_pause;
        let answer = if is_nothing {
            prompt::NOTHING.to_owned()
        } else {
            asked.answer.trim().to_owned()
        };
        self.remember(Exchange {
            piece: asked.piece,
            answer,
        });
        if !is_nothing {
            self.written.push_back((self.n_written, asked.heard_from));
        }
        let is_speakable = self.sentences.may_end_here()
            || self.sentences.n_pending_words() >= WORDS_SAID_UNMARKED;
        if asked.is_pause || is_speakable {
            self.finish_line();
        }
        if asked.is_pause && self.waiting.is_none() {
            self.ending = false;
            self.utterance.clear();
        }
    }

    /// The translator could not answer: these words are lost, the next are not.
    pub(super) fn failed(&mut self, reason: String, out: &mut VecDeque<InterpretAction>) {
        let Some(asked) = self.asked.take() else {
            return;
        };
        self.written.push_back((self.n_written, asked.heard_from));
        self.owes = false;
        let target = self.id;
        out.push_back(InterpretAction::Tell(Told::TranslationFailed {
            target,
            reason,
        }));
    }

    fn remember(&mut self, exchange: Exchange) {
        self.exchanges.push_back(exchange);
        // Half at once, so that the prompt's beginning stays the same for a while: servers keep
        // what they computed of an unchanged beginning.
        if self.exchanges.len() > EXCHANGES {
            self.exchanges.drain(..EXCHANGES / 2);
        }
    }

    fn append(&mut self, text: &str, out: &mut VecDeque<InterpretAction>) {
        let Some(asked) = &mut self.asked else {
            return;
        };
        // One line of plain words, however the model lays it out.
        let mut text = text.replace(['\n', '\r', '\t'], " ");
        if asked.answer.is_empty() {
            text = text.trim_start().to_owned();
        }
        if text.is_empty() {
            return;
        }
        let is_first = asked.answer.is_empty();
        asked.answer.push_str(&text);
        // A lone ellipsis means "go on"; it is known as one only when more or the end came.
        if prompt::is_nothing(&asked.answer) {
            return;
        }
        let held_ellipsis = asked.answer.len() > text.len()
            && prompt::is_nothing(&asked.answer[..asked.answer.len() - text.len()]);
        if held_ellipsis {
            text = asked.answer.trim_start_matches(['…', '.', ' ']).to_owned();
        }
        if (is_first || held_ellipsis) && self.n_written > 0 && needs_space(&text, &self.language) {
            text.insert(0, ' ');
        }
        let heard_from = asked.heard_from;
        self.n_written += text.len();
        self.utterance.push_str(&text);
        let lines = self.sentences.push(&text);
        out.push_back(InterpretAction::Tell(Told::TargetText {
            target: self.id,
            text,
        }));
        for line in lines {
            self.queue(line, heard_from);
        }
    }

    fn finish_line(&mut self) {
        if let Some(line) = self.sentences.finish() {
            let heard = self.written.back().map(|(_, heard)| *heard);
            self.queue(line, heard.unwrap_or_default());
        }
    }
}

/// Whether a space belongs between what was written and `text`.
fn needs_space(text: &str, language: &Language) -> bool {
    !language.is_unspaced()
        && !text.starts_with(|c: char| c.is_whitespace() || ",.;:!?…)،؟".contains(c))
}
