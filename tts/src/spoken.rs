//! A written line into clauses a voice can say: markup and pictures out, signs and addresses into
//! words, long lines cut where one breathes. What the synthesiser reads well by itself (numbers,
//! dates, money in dollars) is left to it.
//!
//! Guarantees: a clause is plain ASCII of bounded length without control characters, and every
//! byte of it knows where in the line it came from.
mod plain;
mod words;

/// Longest first clause, in bytes: the voice works out a whole clause before its first sound (14 ms
/// for 50 bytes, 70 ms for 120 on a busy machine), so a long line begins with a short one.
const FIRST_CLAUSE: usize = 90;
/// Longest other clause.
const CLAUSE: usize = 160;
/// Longest word; nobody can tell where a longer one is cut.
const WORD: usize = 32;

/// A stretch of speech.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clause {
    /// What is said: ASCII.
    pub text: String,
    /// For each byte of `text`, where what it stands for ends in the line.
    ends: Vec<usize>,
}

/// The line has words, but none of them in a script this voice can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the line is in a script the embedded voice cannot read: it speaks English; \
     configure another synthesiser for this language"
)]
pub struct Unspeakable;

/// The line as clauses; none when there is nothing to say in it (marks, pictures).
pub fn clauses(line: &str) -> Result<Vec<Clause>, Unspeakable> {
    let plain = plain::plain(line);
    let mut draft = Draft::default();
    let mut foreign = false;
    for word in plain.split(|(c, _)| c.is_whitespace()) {
        foreign |= words::say(word, &mut draft);
    }
    let said = draft.text.bytes().any(|byte| byte.is_ascii_alphanumeric());
    match (said, foreign) {
        (false, true) => Err(Unspeakable),
        (false, false) => Ok(Vec::new()),
        (true, _) => Ok(cut(&draft)),
    }
}

impl Clause {
    /// Where in the line the first `spoken` bytes of the clause end.
    pub fn line_end(&self, spoken: usize) -> usize {
        let said = &self.text.as_bytes()[..spoken.min(self.text.len())];
        // The synthesiser counts the blank after a word as the word's.
        let last = said.iter().rposition(|byte| *byte != b' ');
        last.map_or(0, |at| self.ends[at])
    }
}

/// Text to be said, while it is put together. Blanks are single and never first.
#[derive(Default)]
struct Draft {
    text: String,
    ends: Vec<usize>,
    /// Bytes since the last blank.
    word: usize,
}

impl Draft {
    /// Appends `c`, which stands for what ends at `end` in the line.
    fn push(&mut self, c: char, end: usize) {
        debug_assert!(
            c.is_ascii() && !c.is_ascii_control(),
            "clauses are plain ASCII"
        );
        match c {
            ' ' => {
                if self.text.is_empty() || self.text.ends_with(' ') {
                    return;
                }
                self.word = 0;
            }
            ',' | '.' | '!' | '?' | ';' | ':' => {
                // A mark follows a word: not a blank, not the beginning, and not another mark
                // except inside a number or an abbreviation.
                if self.text.ends_with(' ') {
                    self.text.pop();
                    self.ends.pop();
                }
                if self.text.is_empty() || self.text.ends_with([',', '.', '!', '?', ';', ':']) {
                    return;
                }
            }
            _ => {
                if self.word == WORD {
                    self.text.push(' ');
                    self.ends.push(end);
                    self.word = 0;
                }
                self.word += 1;
            }
        }
        self.text.push(c);
        self.ends.push(end);
    }

    /// Appends ` text ` as a word or words of its own.
    fn push_word(&mut self, text: &str, end: usize) {
        self.push(' ', end);
        for c in text.chars() {
            self.push(c, end);
        }
        self.push(' ', end);
    }
}

/// Cuts the draft into clauses: at a mark if there is one in reach, else between words.
fn cut(draft: &Draft) -> Vec<Clause> {
    let mut clauses = Vec::new();
    let mut from = 0;
    let bytes = draft.text.as_bytes();
    while from < bytes.len() {
        let longest = if clauses.is_empty() {
            FIRST_CLAUSE
        } else {
            CLAUSE
        };
        let rest = &bytes[from..];
        let length = if rest.len() <= longest {
            rest.len()
        } else {
            let blank = |at: &usize| rest[*at] == b' ';
            let after_mark = |at: &usize| blank(at) && b",.!?;:".contains(&rest[*at - 1]);
            (longest / 4..longest)
                .rev()
                .find(after_mark)
                .or_else(|| (1..longest).rev().find(blank))
                .unwrap_or(longest)
        };
        let clause = Clause {
            text: draft.text[from..from + length].to_owned(),
            ends: draft.ends[from..from + length].to_vec(),
        };
        if clause.text.bytes().any(|byte| byte.is_ascii_alphanumeric()) {
            clauses.push(clause);
        }
        from += length;
        while bytes.get(from) == Some(&b' ') {
            from += 1;
        }
    }
    clauses
}

#[cfg(test)]
mod tests;
