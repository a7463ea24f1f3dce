//! Reply text, as it streams in, into speakable lines: whole sentences, the first one short, so
//! that the voice can start before the model has finished.
//!
//! Invariant: the lines together are the text; nothing is lost, doubled or reordered.

/// A first line ends at a comma once it has this many words: the caller waits for it.
const FIRST_CLAUSE_WORDS: usize = 3;
/// A first line without any punctuation ends after this many words.
const FIRST_LINE_WORDS: usize = 12;
/// No line is longer than this; synthesisers lose their breath.
const LONGEST_LINE: usize = 240;

/// A speakable stretch of a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpokenLine {
    /// Trimmed, never empty.
    pub text: String,
    /// Where `text` begins in the written reply, in bytes.
    pub start: usize,
    /// Where the line ends in the written reply, in bytes, its trailing space excluded.
    pub end: usize,
}

/// Cuts one reply.
#[derive(Clone, Debug, Default)]
pub struct Sentences {
    pending: String,
    /// Bytes of the reply before `pending`.
    before: usize,
    n_lines: usize,
    /// Whether every line is as short as the first.
    by_clause: bool,
}

impl Sentences {
    /// A reply of which `written_before` bytes were cut elsewhere; its first line is short only
    /// when there were none.
    pub fn new(written_before: usize) -> Self {
        Self {
            pending: String::new(),
            before: written_before,
            n_lines: usize::from(written_before > 0),
            by_clause: false,
        }
    }

    /// An interpreter's words: every line is a clause, as short as the first of a reply.
    pub fn by_clause() -> Self {
        Self {
            by_clause: true,
            ..Self::new(0)
        }
    }

    /// Whether what is left could be a line, should nothing follow soon.
    pub fn may_end_here(&self) -> bool {
        self.ends_before(self.pending.len(), self.n_pending_words())
    }

    /// Words of the line that is not complete yet.
    pub fn n_pending_words(&self) -> usize {
        self.pending.split_whitespace().count()
    }

    /// Appends text and takes the lines it completes.
    pub fn push(&mut self, text: &str) -> Vec<SpokenLine> {
        self.pending.push_str(text);
        let mut lines = Vec::new();
        while let Some(cut) = self.next_cut() {
            lines.extend(self.take(cut));
        }
        lines
    }

    /// Takes what is left at the end of the reply.
    pub fn finish(&mut self) -> Option<SpokenLine> {
        self.take(self.pending.len())
    }

    fn take(&mut self, cut: usize) -> Option<SpokenLine> {
        let rest = self.pending.split_off(cut);
        let line = std::mem::replace(&mut self.pending, rest);
        let start = self.before + (line.len() - line.trim_start().len());
        let end = self.before + line.trim_end().len();
        self.before += line.len();
        // A line without a letter or digit (a lone dash, an emoji) has nothing to say.
        if !line.chars().any(char::is_alphanumeric) {
            return None;
        }
        self.n_lines += 1;
        Some(SpokenLine {
            text: line.trim().to_owned(),
            start,
            end,
        })
    }

    /// Where the first complete line of `pending` ends, if it has one.
    fn next_cut(&self) -> Option<usize> {
        let text = &self.pending;
        let mut words = 0;
        let mut in_word = false;
        let mut last_space = None;
        for (at, c) in text.char_indices() {
            if c == '\n' && at > 0 {
                return Some(at + 1);
            }
            if c.is_whitespace() {
                words += usize::from(in_word);
                in_word = false;
                last_space = Some(at);
                if self.ends_before(at, words) {
                    return Some(at);
                }
            } else {
                in_word = true;
                if is_wide_ender(c) {
                    return Some(at + c.len_utf8());
                }
            }
            if at >= LONGEST_LINE {
                return Some(last_space.filter(|space| *space > 0).unwrap_or(at));
            }
        }
        None
    }

    /// Whether a line ends at the space at byte `at`, before which there are `words` words.
    fn ends_before(&self, at: usize, words: usize) -> bool {
        let line = self.pending[..at].trim_end_matches(['"', '\'', ')', ']', '”', '’', '»']);
        let Some(mark) = line.chars().next_back() else {
            return false;
        };
        let is_first = self.by_clause || self.n_lines == 0;
        match mark {
            '!' | '?' | '…' => true,
            '.' => !ends_with_abbreviation(line),
            ',' | ';' | ':' | '—' | '–' if is_first => words >= FIRST_CLAUSE_WORDS,
            _ => is_first && words >= FIRST_LINE_WORDS,
        }
    }
}

/// Sentence marks that no space follows.
fn is_wide_ender(c: char) -> bool {
    matches!(c, '。' | '！' | '？')
}

/// Whether the dot at the end of `line` belongs to a word rather than to the sentence.
fn ends_with_abbreviation(line: &str) -> bool {
    let word = line
        .rsplit(char::is_whitespace)
        .next()
        .unwrap_or("")
        .trim_start_matches(['(', '"', '\'', '“', '‘']);
    let stem = word.trim_end_matches('.');
    let mut chars = stem.chars();
    let is_initial =
        matches!((chars.next(), chars.next()), (Some(c), None) if c.is_uppercase() && c != 'I');
    // A list number: "1. First do this."
    let is_ordinal = !stem.is_empty()
        && stem.len() <= 2
        && stem.chars().all(|c| c.is_ascii_digit())
        && line.trim() == word;
    is_initial
        || is_ordinal
        || stem.contains('.') && !stem.ends_with(|c: char| c.is_ascii_digit())
        || matches!(
            stem.to_lowercase().as_str(),
            "mr" | "mrs"
                | "ms"
                | "dr"
                | "prof"
                | "st"
                | "mt"
                | "vs"
                | "etc"
                | "jr"
                | "sr"
                | "no"
                | "approx"
                | "dept"
                | "bzw"
                | "usw"
                | "z.b"
                | "mme"
                | "mlle"
                | "sra"
                | "sig"
        ) && word.ends_with('.')
            && !matches!(stem, "no")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn cut(text: &str) -> Vec<String> {
        let mut sentences = Sentences::new(0);
        let mut lines = sentences.push(text);
        lines.extend(sentences.finish());
        lines.into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn sentences_become_lines() {
        assert_eq!(
            cut("It is noon. Is that late? No!"),
            ["It is noon.", "Is that late?", "No!"]
        );
    }

    #[test]
    fn the_first_line_is_short() {
        assert_eq!(
            cut("Well yes indeed, that is right, of course. And so, my friend, it goes."),
            [
                "Well yes indeed,",
                "that is right, of course.",
                "And so, my friend, it goes."
            ]
        );
        assert_eq!(
            cut("one two three four five six seven eight nine ten eleven twelve thirteen"),
            [
                "one two three four five six seven eight nine ten eleven twelve",
                "thirteen"
            ]
        );
    }

    #[test]
    fn dots_inside_words_do_not_end_sentences() {
        for whole in [
            "Ask Dr. Smith.",
            "It costs 3.50 euros.",
            "Write to J. Doe.",
            "Use tools, e.g. hammers.",
            "Meet Mrs. Jones at 5 p.m. today.",
        ] {
            let mut sentences = Sentences::new(1);
            let mut lines = sentences.push(whole);
            lines.extend(sentences.finish());
            assert_eq!(lines.len(), 1, "{whole}: {lines:?}");
        }
        assert_eq!(cut("So say I. Then go."), ["So say I.", "Then go."]);
        assert_eq!(
            cut("The answer is no. Sorry."),
            ["The answer is no.", "Sorry."]
        );
    }

    #[test]
    fn marks_without_a_voice_are_skipped_but_counted() {
        let mut sentences = Sentences::new(0);
        let mut lines = sentences.push("Yes! — ! Go on. ");
        lines.extend(sentences.finish());
        let texts: Vec<_> = lines.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(texts, ["Yes!", "Go on."]);
        assert_eq!(lines[1].end, "Yes! — ! Go on.".len());
    }

    #[test]
    fn endless_words_are_cut() {
        let lines = cut(&"a".repeat(1_000));
        assert!(lines.iter().all(|line| line.len() <= LONGEST_LINE + 4));
        assert_eq!(lines.concat().len(), 1_000);
    }

    proptest! {
        #[test]
        fn lines_are_the_text_however_it_streams_in(
            text in "[ a-zé,.!?\n0-9。-]{0,400}",
            sizes in prop::collection::vec(1_usize..20, 1..40),
        ) {
            let mut sentences = Sentences::new(0);
            let mut lines = Vec::new();
            let chars: Vec<char> = text.chars().collect();
            let mut rest = chars.as_slice();
            for size in sizes.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (piece, tail) = rest.split_at((*size).min(rest.len()));
                lines.extend(sentences.push(&piece.iter().collect::<String>()));
                rest = tail;
            }
            lines.extend(sentences.finish());
            let mut at = 0;
            for line in &lines {
                prop_assert!(line.start >= at && line.end >= line.start);
                prop_assert_eq!(&text[line.start..line.end], line.text.as_str());
                prop_assert!(!text[at..line.start].chars().any(char::is_alphanumeric));
                at = line.end;
            }
            prop_assert!(!text[at..].chars().any(char::is_alphanumeric));
            let mut whole = Sentences::new(0);
            let mut at_once = whole.push(&text);
            at_once.extend(whole.finish());
            prop_assert_eq!(lines, at_once, "chunks do not matter");
        }
    }
}
