//! What one speaker says, as the recogniser's hypotheses become words for good.
//!
//! Invariant: the committed text only grows; no word of the speaker is in it twice because a
//! hypothesis changed behind it.
use super::{
    commit::CommitPolicy,
    language::Language,
    words::{Unit, continuation, units},
};
use crate::time::SessionTime;

/// Words that are for good now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// To be appended to the committed text; begins with a space where one belongs.
    pub text: String,
    /// How many units it has.
    pub n_units: usize,
    /// When its first unit was first in a hypothesis.
    pub heard_from: SessionTime,
    /// When its last unit was.
    pub heard_to: SessionTime,
}

/// The hypotheses of one speaker.
#[derive(Debug)]
pub struct Source {
    policy: Box<dyn CommitPolicy>,
    fillers: &'static [&'static str],
    /// Units of the present hypothesis that were committed.
    committed: Vec<Unit>,
    /// The rest of it.
    fresh: Vec<Unit>,
    /// When each unit of `fresh` was first there.
    since: Vec<SessionTime>,
    /// Whether any text was ever committed: the next one then begins with a space.
    has_text: bool,
    unspaced: bool,
}

impl Source {
    /// A speaker of `language`, where that is known.
    pub fn new(policy: Box<dyn CommitPolicy>, language: Option<&Language>) -> Self {
        Self {
            policy,
            fillers: fillers(language),
            committed: Vec::new(),
            fresh: Vec::new(),
            since: Vec::new(),
            has_text: false,
            unspaced: language.is_some_and(Language::is_unspaced),
        }
    }

    /// Takes the recogniser's whole hypothesis since its last final.
    pub fn partial(&mut self, hypothesis: &str, now: SessionTime) -> Option<Piece> {
        self.replace(hypothesis, now);
        let n = self.policy.commit(&self.fresh).min(self.fresh.len());
        self.take(n)
    }

    /// Takes the recogniser's last word on what it heard since its last final.
    pub fn finish(&mut self, words: &str, now: SessionTime) -> Option<Piece> {
        self.replace(words, now);
        let piece = self.take(self.fresh.len());
        self.committed.clear();
        self.policy.reset();
        piece
    }

    /// What was heard beyond the committed text and may still change.
    pub fn guess(&self) -> String {
        let text: String = self.fresh.iter().map(|unit| unit.text.as_str()).collect();
        text.trim_start().to_owned()
    }

    fn replace(&mut self, hypothesis: &str, now: SessionTime) {
        let mut all = units(hypothesis);
        all.retain(|unit| !self.fillers.contains(&unit.key.as_str()));
        let from = continuation(&self.committed, &all);
        self.fresh = all.split_off(from);
        self.since.truncate(self.fresh.len());
        self.since.resize(self.fresh.len(), now);
    }

    fn take(&mut self, n: usize) -> Option<Piece> {
        let taken: Vec<Unit> = self.fresh.drain(..n).collect();
        let since: Vec<SessionTime> = self.since.drain(..n).collect();
        let text: String = taken.iter().map(|unit| unit.text.as_str()).collect();
        self.committed.extend(taken);
        let (first, last) = (since.first()?, since.last()?);
        let mut text = text;
        if self.has_text && !text.starts_with(' ') && !self.unspaced {
            text.insert(0, ' ');
        } else if !self.has_text {
            text = text.trim_start().to_owned();
        }
        self.has_text = true;
        Some(Piece {
            text,
            n_units: n,
            heard_from: *first,
            heard_to: *last,
        })
    }
}

/// Sounds of hesitation that interpreters leave out.
const FILLERS: [(&str, &[&str]); 7] = [
    ("de", &["äh", "ähm", "öh", "öhm", "hm", "mhm"]),
    ("en", &["um", "uh", "er", "erm", "hmm", "mm", "uhm"]),
    ("es", &["eh", "em", "ehm", "mmm"]),
    ("fr", &["euh", "heu", "hum", "mmm"]),
    ("it", &["ehm", "eh", "mmm"]),
    ("nl", &["eh", "ehm", "uh", "uhm", "hm"]),
    ("pt", &["hum", "ahn", "eh", "hã"]),
];

fn fillers(language: Option<&Language>) -> &'static [&'static str] {
    let of = |primary: &str| FILLERS.iter().find(|(tag, _)| *tag == primary);
    language
        .and_then(|language| of(language.primary()))
        .map_or(&[], |(_, words)| words)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;
    use crate::interpret::commit::CommitChoice;

    fn english(choice: CommitChoice) -> Source {
        let language = Language::parse("en").unwrap();
        Source::new(choice.build(Some(&language)), Some(&language))
    }

    fn at(ms: u64) -> SessionTime {
        SessionTime::from_millis(ms)
    }

    #[test]
    fn pieces_carry_when_their_words_were_first_heard() {
        let mut source = english(CommitChoice::WaitK { words: 1 });
        assert_eq!(source.partial("good", at(100)), None);
        let piece = source.partial("good morning to", at(300)).unwrap();
        assert_eq!(
            (piece.text.as_str(), piece.heard_from, piece.heard_to),
            ("good morning", at(100), at(300))
        );
        assert_eq!(source.guess(), "to");
        let rest = source.finish("good morning to you", at(500)).unwrap();
        assert_eq!(
            (rest.text.as_str(), rest.heard_from, rest.heard_to),
            (" to you", at(300), at(500))
        );
        assert_eq!(source.finish("hello", at(900)).unwrap().text, " hello");
    }

    #[test]
    fn hesitation_is_left_out() {
        let mut source = english(CommitChoice::default());
        let piece = source.finish("Um, I er think so", at(1)).unwrap();
        assert_eq!(piece.text, "I think so");
        assert_eq!(source.finish("uh", at(2)), None);
    }

    #[test]
    fn a_change_behind_the_committed_words_says_nothing_twice() {
        let mut source = english(CommitChoice::WaitK { words: 1 });
        assert_eq!(
            source.partial("i want a ticket", at(1)).unwrap().text,
            "i want a"
        );
        assert_eq!(
            source.finish("I wanted a ticket home", at(2)).unwrap().text,
            " ticket home"
        );
    }

    proptest! {
        /// Whatever the hypotheses, the committed text is a prefix of itself later, and each final
        /// leaves nothing behind.
        #[test]
        fn what_is_committed_stays(
            hypotheses in prop::collection::vec(("[a-d ]{0,16}", any::<bool>()), 1..24),
            k in 1_usize..4,
        ) {
            let mut source = english(CommitChoice::WaitK { words: k });
            let mut n_units = 0;
            let mut text = String::new();
            for (i, (hypothesis, is_final)) in hypotheses.iter().enumerate() {
                let now = at(i as u64);
                let piece = if *is_final {
                    source.finish(hypothesis, now)
                } else {
                    source.partial(hypothesis, now)
                };
                if let Some(piece) = piece {
                    prop_assert!(piece.heard_from <= piece.heard_to && piece.heard_to <= now);
                    prop_assert!(piece.n_units > 0);
                    n_units += piece.n_units;
                    text.push_str(&piece.text);
                }
                if *is_final {
                    prop_assert_eq!(source.guess(), "");
                }
            }
            prop_assert_eq!(units(&text).len(), n_units);
        }

        /// With hypotheses that only grow, every word is committed exactly once, in order.
        #[test]
        fn growing_hypotheses_lose_no_word(
            words in prop::collection::vec("[a-c]{1,3}", 1..20), which in 0_usize..3,
        ) {
            let choice = [
                CommitChoice::WaitK { words: 3 },
                CommitChoice::LocalAgreement { hypotheses: 2 },
                CommitChoice::Clause { min_words: 2, max_words: 5 },
            ][which];
            let mut source = english(choice);
            let mut text = String::new();
            for n in 1..=words.len() {
                let piece = source.partial(&words[..n].join(" "), at(n as u64));
                text.extend(piece.map(|piece| piece.text));
            }
            let whole = words.join(" ");
            text.extend(source.finish(&whole, at(99)).map(|piece| piece.text));
            prop_assert_eq!(text, whole);
        }
    }
}
