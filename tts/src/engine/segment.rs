//! Cuts a line into what is synthesised at a time: whole sentences as far as they fit, a short
//! first piece of a long line so that its sound begins soon, and never more than the model reads
//! well.
use crate::normalise::Spoken;

/// Most characters of a segment.
pub(super) const MOST: usize = 300;
/// A line longer than this begins with a short piece …
const LONG: usize = 120;
/// … of at least this many characters, if a clause ends there.
const FIRST: usize = 40;

/// A text to be synthesised at once.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Segment {
    /// Ends in punctuation.
    pub text: String,
    /// Weight up to the end of each word, and where in the line it ends.
    pub words: Vec<(f32, usize)>,
}

/// How well a segment may end behind a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Cut {
    Word,
    Clause,
    Sentence,
}

struct Word<'a> {
    text: &'a str,
    /// Where in the line it ends; `None` inside a word that is cut.
    source: Option<usize>,
    chars: usize,
    cut: Cut,
}

/// The segments of a line, in order; none when there is nothing to say.
pub(super) fn segments(spoken: &Spoken) -> Vec<Segment> {
    let words = words(spoken);
    let total: usize = words.iter().map(|w| w.chars + 1).sum();
    let mut segments = Vec::new();
    let mut rest = words.as_slice();
    while !rest.is_empty() {
        let first = segments.is_empty() && total > LONG;
        let (these, others) = rest.split_at(cut(rest, first));
        rest = others;
        segments.push(segment(these));
    }
    segments
}

fn words(spoken: &Spoken) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let mut from = 0;
    for mark in &spoken.marks {
        let text = spoken.text[from..mark.spoken].trim();
        from = mark.spoken;
        let mut rest = text;
        // Nobody says words like these, but somebody sends them.
        while let Some((at, _)) = rest.char_indices().nth(MOST) {
            if speaks(&rest[..at]) {
                words.push(word(&rest[..at], None));
            }
            rest = &rest[at..];
        }
        if speaks(rest) {
            words.push(word(rest, Some(mark.source)));
        } else if let Some(last) = words.last_mut() {
            // Marks without letters belong to the word before; what they are is of no importance.
            last.source = Some(mark.source);
            last.cut = last.cut.max(cut_of(rest));
        }
    }
    words
}

fn speaks(text: &str) -> bool {
    text.chars().any(char::is_alphanumeric)
}

fn word(text: &str, source: Option<usize>) -> Word<'_> {
    Word {
        text,
        source,
        chars: text.chars().count(),
        cut: cut_of(text),
    }
}

fn cut_of(text: &str) -> Cut {
    let closing = ['"', '\'', ')', ']', '»', '”', '’'];
    match text.trim_end_matches(closing).chars().last() {
        Some('.' | '!' | '?' | '…' | '।' | '؟' | '۔') => Cut::Sentence,
        Some(',' | ';' | ':' | '،' | '؛' | '–' | '—' | '-') => Cut::Clause,
        _ => Cut::Word,
    }
}

/// How many of `words` come first.
fn cut(words: &[Word<'_>], first: bool) -> usize {
    let mut best = (Cut::Word, 1);
    let mut chars = 0;
    for (i, word) in words.iter().enumerate() {
        chars += word.chars + 1;
        if chars > MOST + 1 && i > 0 {
            return best.1;
        }
        if first && (word.cut == Cut::Sentence || (word.cut == Cut::Clause && chars >= FIRST)) {
            return i + 1;
        }
        // A clause that ends late is better than none; one that ends early is not.
        let worth = match word.cut {
            Cut::Clause if chars < MOST / 2 => Cut::Word,
            cut => cut,
        };
        if worth >= best.0 {
            best = (worth, i + 1);
        }
    }
    words.len()
}

fn segment(words: &[Word<'_>]) -> Segment {
    let mut text = String::new();
    let mut weight = 0.0;
    let mut ends = Vec::new();
    for word in words {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(word.text);
        weight += (word.chars + 1) as f32;
        if let Some(source) = word.source {
            ends.push((weight, source));
        }
        weight += match word.cut {
            Cut::Word => 0.0,
            Cut::Clause => 2.0,
            Cut::Sentence => 4.0,
        };
    }
    if words.last().is_some_and(|w| w.cut == Cut::Word) {
        text.push('.');
    }
    Segment { text, words: ends }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::normalise::Normaliser;

    fn cut_text(text: &str) -> Vec<Segment> {
        segments(&Normaliser::verbatim().speakable(text, crate::normalise::Language::En))
    }

    fn texts(text: &str) -> Vec<String> {
        cut_text(text).into_iter().map(|s| s.text).collect()
    }

    #[test]
    fn a_line_is_one_segment_and_ends_in_punctuation() {
        assert_eq!(texts("Hello there"), ["Hello there."]);
        assert_eq!(texts("  Yes!  No?  "), ["Yes! No?"]);
        assert_eq!(texts("He said \"no.\""), ["He said \"no.\""]);
        assert!(texts("").is_empty() && texts(" \n … ?! ").is_empty());
    }

    #[test]
    fn a_long_line_begins_with_its_first_clause() {
        let long = "If you look out of the window to the left side, you will see a tower that is \
                    much older than the houses around it, and behind it the river. It is wide.";
        let got = texts(long);
        assert_eq!(got[0], "If you look out of the window to the left side,");
        assert_eq!(got.len(), 2);
        assert_eq!(got.join(" "), long);
    }

    #[test]
    fn nothing_is_lost_and_nothing_is_too_long() {
        let sentence = "One two three four five six seven eight nine ten, and so it goes on. ";
        for text in [
            sentence.repeat(40),
            "word ".repeat(2000),
            "x".repeat(10_000),
            "é, ".repeat(3000),
        ] {
            let segments = cut_text(&text);
            let said: String = segments.iter().map(|s| s.text.as_str()).collect();
            let letters = |s: &str| s.chars().filter(|c| c.is_alphanumeric()).count();
            assert_eq!(letters(&said), letters(&text));
            assert!(segments.iter().all(|s| s.text.chars().count() <= MOST + 1));
            let ends: Vec<usize> = segments
                .iter()
                .flat_map(|s| &s.words)
                .map(|w| w.1)
                .collect();
            assert!(ends.is_sorted());
            assert_eq!(*ends.last().unwrap(), text.trim_end().len());
        }
        // Sentences stay whole where they fit.
        let got = texts(&sentence.repeat(40));
        assert!(got[1..].iter().all(|t| t.ends_with("goes on.")), "{got:?}");
    }
}
