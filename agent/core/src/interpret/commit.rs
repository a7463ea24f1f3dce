//! When heard words are sure enough to be translated. A recogniser's hypothesis changes while it
//! grows; an interpreter's words, once spoken, do not.
//!
//! Guarantee: a policy only ever takes more words from the front; what was taken stays taken.
use std::fmt;

use super::{language::Language, words::Unit};

/// Judges each hypothesis of an utterance.
pub trait CommitPolicy: Send + fmt::Debug {
    /// How many units of `fresh`, from its front, may be translated now. `fresh` is what follows
    /// the units taken so far in the recogniser's newest hypothesis; what is taken leaves its front
    /// before the next call. At most `fresh.len()`.
    fn commit(&mut self, fresh: &[Unit]) -> usize;

    /// The utterance is over: all its words were taken, the next one knows nothing of it.
    fn reset(&mut self);
}

/// Which policy, as it is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitChoice {
    /// Wait-k (Ma et al. 2019, "STACL", section 3): stay `words` words behind the speaker.
    WaitK {
        /// How far behind; at least one.
        words: usize,
    },
    /// Local agreement (Liu et al. 2020, "Low-latency sequence-to-sequence speech recognition",
    /// section 3.2): take what the last `hypotheses` hypotheses agree on.
    LocalAgreement {
        /// How many must agree; at least two.
        hypotheses: usize,
    },
    /// Take whole clauses of what two hypotheses agree on.
    Clause {
        /// A clause that ends with a mark or before a conjunction has at least so many words.
        min_words: usize,
        /// So many words are taken without either.
        max_words: usize,
    },
}

impl Default for CommitChoice {
    fn default() -> Self {
        CommitChoice::Clause {
            min_words: 3,
            max_words: 10,
        }
    }
}

impl CommitChoice {
    /// The policy, for one speaker of `language` where that is known.
    pub fn build(self, language: Option<&Language>) -> Box<dyn CommitPolicy> {
        match self {
            CommitChoice::WaitK { words } => Box::new(WaitK {
                words: words.max(1),
            }),
            CommitChoice::LocalAgreement { hypotheses } => {
                Box::new(LocalAgreement::new(hypotheses))
            }
            CommitChoice::Clause {
                min_words,
                max_words,
            } => Box::new(Clause {
                agreement: LocalAgreement::new(2),
                min_words: min_words.max(1),
                max_words: max_words.max(min_words.max(1)),
                conjunctions: conjunctions(language),
            }),
        }
    }
}

/// See [`CommitChoice::WaitK`].
#[derive(Debug)]
struct WaitK {
    words: usize,
}

impl CommitPolicy for WaitK {
    fn commit(&mut self, fresh: &[Unit]) -> usize {
        fresh.len().saturating_sub(self.words)
    }

    fn reset(&mut self) {}
}

/// See [`CommitChoice::LocalAgreement`].
#[derive(Debug)]
struct LocalAgreement {
    hypotheses: usize,
    /// Keys of the hypotheses before, oldest first, without what was taken.
    before: Vec<Vec<String>>,
}

impl LocalAgreement {
    fn new(hypotheses: usize) -> Self {
        Self {
            hypotheses: hypotheses.max(2),
            before: Vec::new(),
        }
    }

    /// How many units of the newest hypothesis all of the last ones begin with.
    fn agreed(&mut self, fresh: &[Unit]) -> usize {
        let keys: Vec<String> = fresh.iter().map(|unit| unit.key.clone()).collect();
        let agreed = if self.before.len() + 1 < self.hypotheses {
            0
        } else {
            let same = |other: &Vec<String>| {
                keys.iter()
                    .zip(other)
                    .take_while(|(one, other)| one == other)
                    .count()
            };
            self.before.iter().map(same).min().unwrap_or(0)
        };
        self.before.push(keys);
        if self.before.len() >= self.hypotheses {
            self.before.remove(0);
        }
        agreed
    }

    fn take(&mut self, n: usize) {
        for keys in &mut self.before {
            keys.drain(..n.min(keys.len()));
        }
    }
}

impl CommitPolicy for LocalAgreement {
    fn commit(&mut self, fresh: &[Unit]) -> usize {
        let agreed = self.agreed(fresh);
        self.take(agreed);
        agreed
    }

    fn reset(&mut self) {
        self.before.clear();
    }
}

/// See [`CommitChoice::Clause`].
#[derive(Debug)]
struct Clause {
    agreement: LocalAgreement,
    min_words: usize,
    max_words: usize,
    conjunctions: &'static [&'static str],
}

impl CommitPolicy for Clause {
    fn commit(&mut self, fresh: &[Unit]) -> usize {
        let agreed = self.agreement.agreed(fresh);
        let mut end = 0;
        for n in self.min_words..=agreed {
            let next = fresh.get(n).filter(|_| n < agreed);
            if fresh[n - 1].ends_clause()
                || next.is_some_and(|unit| self.conjunctions.contains(&unit.key.as_str()))
            {
                end = n;
            }
        }
        if end == 0 && agreed >= self.max_words {
            end = agreed;
        }
        self.agreement.take(end);
        end
    }

    fn reset(&mut self) {
        self.agreement.reset();
    }
}

/// Conjunctions that begin a clause, for recognisers that write no marks.
const CONJUNCTIONS: [(&str, &[&str]); 7] = [
    (
        "de",
        &[
            "und", "aber", "weil", "dass", "wenn", "obwohl", "während", "denn",
        ],
    ),
    (
        "en",
        &[
            "and", "but", "because", "although", "while", "which", "if", "when",
        ],
    ),
    (
        "es",
        &["y", "pero", "porque", "aunque", "cuando", "mientras"],
    ),
    (
        "fr",
        &[
            "et", "mais", "parce", "quand", "lorsque", "puisque", "alors",
        ],
    ),
    ("it", &["e", "ma", "perché", "quando", "mentre", "anche"]),
    (
        "nl",
        &["en", "maar", "omdat", "terwijl", "hoewel", "wanneer"],
    ),
    (
        "pt",
        &["e", "mas", "porque", "embora", "quando", "enquanto"],
    ),
];

fn conjunctions(language: Option<&Language>) -> &'static [&'static str] {
    let of = |primary: &str| CONJUNCTIONS.iter().find(|(tag, _)| *tag == primary);
    language
        .and_then(|language| of(language.primary()))
        .map_or(&[], |(_, words)| words)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;
    use crate::interpret::words::units;

    /// The words taken with each hypothesis.
    fn taken(choice: CommitChoice, hypotheses: &[&str]) -> Vec<String> {
        let english = Language::parse("en").unwrap();
        let mut policy = choice.build(Some(&english));
        let mut n = 0;
        hypotheses
            .iter()
            .map(|hypothesis| {
                let all = units(hypothesis);
                let fresh = &all[n.min(all.len())..];
                let more = policy.commit(fresh);
                n += more;
                let taken: String = fresh[..more]
                    .iter()
                    .map(|unit| unit.text.as_str())
                    .collect();
                taken.trim().to_owned()
            })
            .collect()
    }

    #[test]
    fn wait_k_stays_k_words_behind() {
        let choice = CommitChoice::WaitK { words: 2 };
        assert_eq!(
            taken(choice, &["a", "a b", "a b c", "a b c d e"]),
            ["", "", "a", "b c"]
        );
    }

    #[test]
    fn local_agreement_takes_what_successive_hypotheses_share() {
        let choice = CommitChoice::LocalAgreement { hypotheses: 2 };
        assert_eq!(
            taken(
                choice,
                &[
                    "I scream",
                    "Ice cream is",
                    "ice cream is good",
                    "ice cream is good"
                ]
            ),
            ["", "", "ice cream is", "good"]
        );
        let choice = CommitChoice::LocalAgreement { hypotheses: 3 };
        assert_eq!(
            taken(choice, &["a b", "a b c", "a b d", "a b d"]),
            ["", "", "a b", ""]
        );
    }

    #[test]
    fn clauses_end_with_marks_before_conjunctions_or_when_they_grow_long() {
        let choice = CommitChoice::Clause {
            min_words: 3,
            max_words: 5,
        };
        let twice = |text| taken(choice, &[text, text]).pop().unwrap_or_default();
        assert_eq!(twice("well, I see, that is it"), "well, I see,");
        assert_eq!(twice("it was late and we left"), "it was late");
        assert_eq!(twice("it was really"), "");
        assert_eq!(twice("one two three four five"), "one two three four five");
        assert_eq!(taken(choice, &["it is done.", "it was done."]), ["", ""]);
    }

    proptest! {
        /// Random growing and changing hypotheses: never more than there is, and after a reset as new.
        #[test]
        fn policies_take_from_what_there_is(
            hypotheses in prop::collection::vec("[ab ,.]{0,24}", 1..20),
            which in 0_usize..3,
        ) {
            let choice = [
                CommitChoice::WaitK { words: 2 },
                CommitChoice::LocalAgreement { hypotheses: 2 },
                CommitChoice::Clause { min_words: 2, max_words: 4 },
            ][which];
            let mut policy = choice.build(None);
            for hypothesis in &hypotheses {
                let fresh = units(hypothesis);
                prop_assert!(policy.commit(&fresh) <= fresh.len());
            }
            policy.reset();
            let fresh = units("a b c d e f");
            let again = policy.commit(&fresh);
            prop_assert_eq!(again, choice.build(None).commit(&fresh));
        }

        /// What two hypotheses in a row agree on is all that local agreement ever takes.
        #[test]
        fn agreement_never_contradicts(words in prop::collection::vec("[ab]", 1..12), cut in 0_usize..12) {
            let mut policy = CommitChoice::LocalAgreement { hypotheses: 2 }.build(None);
            let one = units(&words.join(" "));
            let mut other = words.clone();
            let cut = cut.min(other.len());
            other.truncate(cut);
            other.push("x".to_owned());
            let other = units(&other.join(" "));
            policy.commit(&one);
            let n = policy.commit(&other);
            prop_assert!(n <= cut);
            prop_assert!(one[..n].iter().zip(&other).all(|(a, b)| a.key == b.key));
        }
    }
}
