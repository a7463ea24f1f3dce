//! Whether the words so far are all the speaker wants to say: from the words alone, and from what
//! was asked. English, French, German and Spanish, each a table of words in `phrases`.
//!
//! Guarantees: no state, no model, a few microseconds; the answer lies between 0 and 1. At 0.6 the
//! default policy takes the turn at once, below that it waits longer.
mod numbers;
mod phrases;

use voiced_core::engine::{TurnContext, TurnDetector};

use numbers::Asked;
use phrases::{Language, is_filler, language_of};

/// Certainly more to come: the sentence hangs in the air.
const HANGING: f32 = 0.08;
/// More is likely.
const UNFINISHED: f32 = 0.25;
/// May be all.
const OPEN: f32 = 0.5;
/// Sounds complete.
const COMPLETE: f32 = 0.72;
/// A whole question, a whole number, a closing phrase.
const CERTAIN: f32 = 0.93;

/// Judges by the words.
#[derive(Clone, Copy, Debug, Default)]
pub struct WordTurns;

impl TurnDetector for WordTurns {
    fn end_of_turn(&mut self, context: TurnContext<'_>) -> f32 {
        let said = Said::of(context.words);
        let Some(last) = said.words.last() else {
            return 0.0;
        };
        let language = language_of(&said.words);
        let asked = Asked::of(context.question, &said.words);
        if said.trails_off {
            return HANGING;
        }
        if said.words.iter().all(|word| is_filler(word)) {
            return HANGING;
        }
        if said.mark == Some('?') {
            return CERTAIN;
        }
        if let Some(likely) = asked.answered(&said.words) {
            return likely;
        }
        if said
            .words
            .iter()
            .all(|word| language.short.contains(&word.as_str()))
        {
            return CERTAIN;
        }
        if let Some(likely) = said.hanging(last, language) {
            return likely;
        }
        said.complete(last, language, context.question)
    }
}

/// What was said, word by word.
struct Said {
    /// Lower case, without marks.
    words: Vec<String>,
    /// The mark at the end, where the recogniser sets marks.
    mark: Option<char>,
    /// It ends in a comma, a dash or dots.
    trails_off: bool,
}

impl Said {
    fn of(text: &str) -> Said {
        let text = text.trim();
        let plain = |word: &str| {
            let inside = |c: char| c.is_alphanumeric() || matches!(c, '@' | '\'' | '’');
            let word = word.trim_matches(|c| !inside(c)).to_lowercase();
            word.replace('’', "'")
        };
        let words = text
            .split(|c: char| c.is_whitespace() || matches!(c, '¿' | '¡'))
            .map(plain)
            .filter(|word| !word.is_empty())
            .collect();
        let mark = text
            .chars()
            .next_back()
            .filter(|c| matches!(c, '.' | '!' | '?'));
        let trails_off =
            text.ends_with(['…', ',', ';', '-', '–', '—', ':']) || text.ends_with("...");
        Said {
            words,
            mark,
            trails_off,
        }
    }

    fn before_last(&self) -> &str {
        let at = self.words.len().checked_sub(2);
        at.map_or("", |at| self.words[at].as_str())
    }

    fn is_question(&self, language: &Language) -> bool {
        let opens = |word: &String| language.questions.contains(&word.as_str());
        let asks = |word: &String| language.strong_questions.contains(&word.as_str());
        self.words.first().is_some_and(opens) || self.words.iter().take(3).any(asks)
    }

    /// How likely the end is when the last words want something after them.
    fn hanging(&self, last: &str, language: &Language) -> Option<f32> {
        let pair = format!("{} {last}", self.before_last());
        if language.closed_pairs.contains(&pair.as_str()) {
            return Some(COMPLETE);
        }
        if language
            .hanging_pairs
            .iter()
            .any(|hanging| *hanging == pair)
        {
            return Some(HANGING);
        }
        // "Where are you from": a question may end in what elsewhere wants more.
        let closes_question = language.closes_questions.contains(&last);
        if closes_question && self.words.len() >= 3 && self.is_question(language) {
            return Some(COMPLETE);
        }
        // "Turn the light on": so may an order.
        if language.particles.contains(&last) {
            return Some(if self.words.len() >= 3 {
                OPEN + 0.12
            } else {
                UNFINISHED
            });
        }
        if language.fillers.contains(&last) || language.hanging.contains(&last) {
            return Some(HANGING);
        }
        let wants = language.wants.contains(&last) && !self.is_question(language);
        if wants && self.mark.is_none() {
            return Some(UNFINISHED);
        }
        let letters = self
            .words
            .iter()
            .rev()
            .take_while(|w| w.chars().count() == 1)
            .count();
        // Spelling goes on.
        (letters >= 2).then_some(UNFINISHED + 0.1)
    }

    /// How likely the end is when nothing is missing.
    fn complete(&self, last: &str, language: &Language, question: &str) -> f32 {
        let closing = language.closing.contains(&last);
        if closing || self.mark == Some('!') {
            return CERTAIN;
        }
        if self.mark == Some('.') {
            return 0.85;
        }
        let words = self.words.len();
        if self.is_question(language) {
            return if words >= 3 { 0.85 } else { OPEN };
        }
        let answers = !question.trim().is_empty();
        match words {
            1 if answers => 0.62,
            1 => 0.45,
            2 if answers => 0.66,
            2 => 0.52,
            3 => 0.64,
            _ => COMPLETE,
        }
    }
}

#[cfg(test)]
mod tests;
