//! How well what was said fits a pattern: the best alignment of the two, in which words may be
//! missed, misheard, split or run together, and slots take what they can. Deterministic.
use std::ops::Range;

use crate::{
    scripted::{
        pattern::{Element, Part, Pattern},
        words::{Token, weight},
    },
    sound::{Word, likeness},
};

/// What was said, prepared for comparing with many patterns.
pub struct Said<'a> {
    /// Its words.
    pub tokens: &'a [Token],
    /// Each word and its follower run together.
    joined: Vec<Word>,
    weights: Vec<f32>,
    total: f32,
}

/// How a pattern fits.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    /// From 0, not at all, to 1: every word of the pattern was said and nothing else.
    pub score: f32,
    /// Weight of what was matched: of two patterns that fit alike the one that says more wins.
    pub matched: f32,
    /// What the slots took: their names and texts.
    pub captures: Vec<(String, String)>,
}

impl<'a> Said<'a> {
    /// Prepares the words.
    pub fn new(tokens: &'a [Token]) -> Self {
        let joined = (tokens.windows(2))
            .map(|pair| pair[0].word.joined(&pair[1].word))
            .collect();
        let weights: Vec<f32> = tokens.iter().map(|t| weight(&t.word.text)).collect();
        Self {
            tokens,
            joined,
            total: weights.iter().sum(),
            weights,
        }
    }

    fn weight_of(&self, range: Range<usize>) -> f32 {
        self.weights[range].iter().sum()
    }
}

/// One way to go on from a place of the alignment.
#[derive(Clone, Copy, Debug)]
struct Step {
    /// Elements and words it covers.
    elements: usize,
    words: usize,
    /// Weight of the pattern and of what was said that it explains.
    matched: f32,
    explained: f32,
}

#[derive(Clone, Copy, Debug)]
struct Cell {
    worth: f32,
    step: Step,
}

const SKIP_WORD: Step = Step {
    elements: 0,
    words: 1,
    matched: 0.0,
    explained: 0.0,
};
const SKIP_ELEMENT: Step = Step {
    elements: 1,
    words: 0,
    matched: 0.0,
    explained: 0.0,
};
/// How well a word that must be heard must be heard.
const SURE: f32 = 0.6;
/// How much explaining what was said counts beside matching the pattern, while aligning.
const EXPLAINING: f32 = 0.2;

/// How well `said` fits `pattern`; `None` when something that must be there is not.
pub fn fit(pattern: &Pattern, said: &Said<'_>) -> Option<Fit> {
    let (n_elements, n_words) = (pattern.elements.len(), said.tokens.len());
    // best[i][j]: the best of elements i.. against words j..; absent where there is no way.
    let mut best: Vec<Vec<Option<Cell>>> = vec![vec![None; n_words + 1]; n_elements + 1];
    for j in (0..=n_words).rev() {
        best[n_elements][j] = Some(Cell {
            worth: 0.0,
            step: SKIP_WORD,
        });
    }
    let mut steps = Vec::new();
    for i in (0..n_elements).rev() {
        for j in (0..=n_words).rev() {
            steps.clear();
            collect_steps(&pattern.elements[i..], said, j, &mut steps);
            best[i][j] = (steps.iter())
                .filter_map(|step| {
                    let rest = best[i + step.elements][j + step.words]?;
                    let gain = step.matched + EXPLAINING * step.explained;
                    Some(Cell {
                        worth: gain + rest.worth,
                        step: *step,
                    })
                })
                .max_by(|a, b| a.worth.total_cmp(&b.worth));
        }
    }
    trace(pattern, said, &best)
}

fn trace(pattern: &Pattern, said: &Said<'_>, best: &[Vec<Option<Cell>>]) -> Option<Fit> {
    let (mut i, mut j) = (0, 0);
    let (mut matched, mut covered, mut explained) = (0.0, 0.0, 0.0);
    let mut captures = Vec::new();
    while i < pattern.elements.len() {
        let step = best[i][j]?.step;
        matched += step.matched;
        explained += step.explained;
        // What may be missing cannot make up for what is.
        if !pattern.elements[i].optional {
            covered += step.matched;
        }
        if step.words > 0
            && step.elements == 1
            && let Part::Slot { name, kind } = &pattern.elements[i].part
        {
            let taken = kind.capture(&said.tokens[j..j + step.words])?;
            captures.push((name.clone(), taken));
        }
        i += step.elements;
        j += step.words;
    }
    if matched <= 0.0 {
        return None;
    }
    let covered = (covered / pattern.total).min(1.0);
    let explained = if said.total > 0.0 {
        (explained / said.total).min(1.0)
    } else {
        0.0
    };
    // A long pattern that was heard in full is meant, whatever else was said around it; a single
    // word may have come up by chance.
    let by_itself = 0.35 + 0.12 * pattern.total.min(3.0);
    Some(Fit {
        score: covered * (by_itself + (1.0 - by_itself) * explained),
        matched,
        captures,
    })
}

/// How much a word counts as another. Less than its likeness, since two words half heard are less
/// than one heard well: otherwise any two sentences of one length would fit each other. The power
/// was chosen on `tests/heard.txt`: with 1, half as many again are taken for something else.
fn alike(a: &Word, b: &Word) -> f32 {
    likeness(a, b).powf(1.5)
}

/// All ways to go on with the first of `elements` at word `j`.
fn collect_steps(elements: &[Element], said: &Said<'_>, j: usize, steps: &mut Vec<Step>) {
    let element = &elements[0];
    if !element.must {
        steps.push(SKIP_ELEMENT);
    }
    if j >= said.tokens.len() {
        return;
    }
    steps.push(SKIP_WORD);
    match &element.part {
        Part::Phrases(phrases) => {
            let before = steps.len();
            for phrase in phrases {
                phrase_steps(phrase, element.weight, said, j, steps);
            }
            if element.must {
                // What decides must be heard better than by chance.
                let least = SURE * element.weight;
                let mut at = 0;
                steps.retain(|step| {
                    at += 1;
                    at <= before || step.matched >= least
                });
            }
            run_together_step(elements, said, j, steps);
        }
        Part::Slot { kind, .. } => {
            let longest = kind.longest().min(said.tokens.len() - j);
            for n in 1..=longest {
                if !kind.may_hold(&said.tokens[j + n - 1].word.text) {
                    break;
                }
                if !kind.takes(&said.tokens[j..j + n]) {
                    continue;
                }
                // What fits any words explains little.
                let share = if kind.weight() < 1.0 { 0.5 } else { 1.0 };
                steps.push(Step {
                    elements: 1,
                    words: n,
                    matched: element.weight,
                    explained: share * said.weight_of(j..j + n),
                });
            }
        }
    }
}

/// A phrase against as many words, or its one word against two ("a cross" for "across").
fn phrase_steps(phrase: &[Word], weight: f32, said: &Said<'_>, j: usize, steps: &mut Vec<Step>) {
    let mut push = |like: f32, words: usize, heard: f32| {
        if like > 0.0 {
            steps.push(Step {
                elements: 1,
                words,
                matched: like * weight,
                explained: like * heard,
            });
        }
    };
    if let [word] = phrase {
        let like = alike(word, &said.tokens[j].word);
        push(like, 1, said.weight_of(j..j + 1));
        if j + 1 < said.tokens.len() && word.text.len() > 4 {
            let like = alike(word, &said.joined[j]);
            push(like, 2, said.weight_of(j..j + 2));
        }
        return;
    }
    if j + phrase.len() > said.tokens.len() {
        return;
    }
    let likes: Vec<f32> = (phrase.iter().enumerate())
        .map(|(k, word)| alike(word, &said.tokens[j + k].word))
        .collect();
    // Half a phrase is not the phrase: "good" alone is no "good morning".
    if likes.iter().all(|like| *like > 0.0) {
        let worst = likes.iter().copied().fold(1.0, f32::min);
        push(worst, phrase.len(), said.weight_of(j..j + phrase.len()));
    }
}

/// Two words of the pattern against one ("timers" for "time is").
fn run_together_step(elements: &[Element], said: &Said<'_>, j: usize, steps: &mut Vec<Step>) {
    let [first, second, ..] = elements else {
        return;
    };
    let heard = &said.tokens[j].word;
    let like = (first.run_together.as_ref()).map_or(0.0, |joined| alike(joined, heard));
    if like > 0.0 {
        steps.push(Step {
            elements: 2,
            words: 1,
            matched: like * (first.weight + second.weight),
            explained: like * said.weight_of(j..j + 1),
        });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::scripted::{pattern::Groups, words::tokens};

    fn check(pattern: &str, text: &str) -> Option<Fit> {
        let groups = Groups::from([("hello".to_owned(), vec!["hi".into(), "good morning".into()])]);
        let pattern = Pattern::parse(pattern, &groups).unwrap();
        let tokens = tokens(text);
        fit(&pattern, &Said::new(&tokens))
    }

    fn score(pattern: &str, text: &str) -> f32 {
        check(pattern, text).map_or(0.0, |fit| fit.score)
    }

    #[test]
    fn the_words_themselves_fit_wholly() {
        for text in ["what time is it", "What time is it?"] {
            assert!(score("what time is it", text) > 0.99);
        }
        assert!(score("[please] what time is it", "what time is it") > 0.99);
        assert!(score("@hello there", "good morning there") > 0.99);
    }

    #[test]
    fn misheard_split_and_joined_words_still_fit() {
        let table = [
            ("what time is it", "what timers it"),
            ("how much does delivery cost", "how much as delivery cause"),
            ("tell me a long story", "tell me along story"),
            ("can you repeat that", "can you re pete that"),
            ("i want to speak to a human", "i wanna speak to the humans"),
            ("opening hours", "what are your opening hour"),
        ];
        for (pattern, text) in table {
            let score = score(pattern, text);
            assert!(score > 0.6, "{text}: {score}");
        }
    }

    #[test]
    fn what_is_not_said_does_not_fit() {
        let table = [
            ("what time is it", "what is it"),
            ("what time is it", "who are you"),
            ("tell me a joke", "tell me a story"),
            ("time", "i had a great time at the party yesterday evening"),
            ("who are you", "how are you"),
            ("good bye", "good morning"),
            ("", "x"),
        ];
        for (pattern, text) in table.iter().filter(|(p, _)| !p.is_empty()) {
            let score = score(pattern, text);
            assert!(score < 0.6, "{text}: {score}");
        }
    }

    #[test]
    fn a_word_that_must_be_heard_decides() {
        assert!(score("tell me the joke!", "tell me the").abs() < f32::EPSILON);
        assert!(score("tell me the joke!", "tell me the joke") > 0.99);
        // Alike, but not enough to decide.
        assert!(score("say after me", "say sister me") > 0.0);
        assert!(score("say after! me", "say sister me").abs() < f32::EPSILON);
    }

    #[test]
    fn slots_take_what_is_theirs() {
        let table = [
            (
                "what is {sum:expression}",
                "what is twelve plus thirty please",
                "twelve plus thirty",
            ),
            (
                "my order [number] is {n:digits}",
                "my order number is four to seven",
                "427",
            ),
            ("order {n:digits}", "order four two seven", "427"),
            (
                "my name is {who:name}",
                "hello my name is peter brown and i",
                "Peter Brown",
            ),
            (
                "repeat after me {text:words}",
                "repeat after me: the Quick brown fox!",
                "the Quick brown fox",
            ),
            ("count to {n:number}", "can you count to twenty one", "21"),
        ];
        for (pattern, text, expected) in table {
            let fit = check(pattern, text).unwrap();
            assert_eq!(fit.captures[0].1, expected, "{text}");
        }
    }

    #[test]
    fn without_its_slot_a_pattern_does_not_fit() {
        assert_eq!(check("order {n:digits}", "order something"), None);
        assert_eq!(check("order {n:digits}", ""), None);
    }
}
