//! A text, however long, into the lines a voice is given: read piece by piece, so that a book takes
//! no more memory than a sentence and a pipe is heard while it is written.
use std::{
    collections::VecDeque,
    io::{self, BufRead, Read},
};

use voiced_core::sentences::Sentences;

/// Bytes read at a time where no line ends.
const PIECE: u64 = 4_096;
/// A line at least this long was broken for the width of a page and goes on in the next; a shorter
/// one is a heading, a verse or an entry of a list, and ends where it ends.
const WRAPPED: usize = 48;

/// What comes next in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Passage {
    /// Something to say.
    Line {
        /// Trimmed, never empty.
        text: String,
        /// Where in the text it begins, in bytes.
        start: u64,
    },
    /// Between two paragraphs.
    Pause,
}

/// Why a text cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TextError {
    /// It cannot be read at all.
    #[error("cannot read the text")]
    Read(#[from] io::Error),
    /// It is not text as it is written today.
    #[error("the text is not UTF-8 at byte {0}: convert it, with iconv for example")]
    NotUtf8(u64),
}

/// Reads a text.
pub struct Passages<R> {
    input: R,
    sentences: Sentences,
    ready: VecDeque<Passage>,
    /// Bytes taken from the input, and those of them that are only the beginning of a letter.
    read: u64,
    partial: Vec<u8>,
    /// Whether the next byte begins a line, and whether this paragraph has said anything.
    at_line_start: bool,
    has_spoken: bool,
    ended: bool,
}

impl<R: BufRead> Passages<R> {
    /// A text of which the first `from` bytes were read elsewhere.
    pub fn new(input: R, from: u64) -> Self {
        Self {
            input,
            sentences: Sentences::new(usize::try_from(from).unwrap_or(usize::MAX)),
            ready: VecDeque::new(),
            read: from,
            partial: Vec::new(),
            at_line_start: true,
            has_spoken: false,
            ended: false,
        }
    }

    /// What comes next; `None` at the end.
    ///
    /// # Errors
    /// When the input cannot be read or is no text.
    pub fn read_next(&mut self) -> Result<Option<Passage>, TextError> {
        while self.ready.is_empty() && !self.ended {
            self.read_on()?;
        }
        Ok(self.ready.pop_front())
    }

    fn read_on(&mut self) -> Result<(), TextError> {
        let mut bytes = std::mem::take(&mut self.partial);
        let before = bytes.len() as u64;
        let n_bytes = (&mut self.input)
            .take(PIECE)
            .read_until(b'\n', &mut bytes)? as u64;
        let begins = self.read - before;
        self.read += n_bytes;
        let whole = match std::str::from_utf8(&bytes) {
            Ok(_) => bytes.len(),
            // The rest of the letter comes with the next piece.
            Err(error) if error.error_len().is_none() && n_bytes > 0 => error.valid_up_to(),
            Err(error) => return Err(TextError::NotUtf8(begins + error.valid_up_to() as u64)),
        };
        self.partial = bytes.split_off(whole);
        let mut text = String::from_utf8(bytes).expect("it was looked at");
        if begins == 0 && text.starts_with('\u{feff}') {
            // A mark of the order of bytes is no letter; its place is kept.
            text.replace_range(..3, "   ");
        }
        if n_bytes == 0 {
            self.end_paragraph();
            self.ended = true;
        } else {
            self.take(text);
        }
        Ok(())
    }

    fn take(&mut self, mut text: String) {
        let ends_line = text.ends_with('\n');
        let is_blank = self.at_line_start && ends_line && text.trim().is_empty();
        // What is neither letter nor space is not said, and keeps its place; a tab is a space.
        let wrapped = ends_line && (!self.at_line_start || text.trim().chars().count() >= WRAPPED);
        if wrapped {
            text.pop();
            text.push(' ');
        }
        self.at_line_start = ends_line;
        if is_blank {
            self.end_paragraph();
        }
        let lines = self.sentences.push(&text);
        self.say(lines);
    }

    fn end_paragraph(&mut self) {
        let last = self.sentences.finish();
        self.say(last);
        if std::mem::take(&mut self.has_spoken) {
            self.ready.push_back(Passage::Pause);
        }
    }

    fn say(&mut self, lines: impl IntoIterator<Item = voiced_core::sentences::SpokenLine>) {
        for line in lines {
            self.has_spoken = true;
            self.ready.push_back(Passage::Line {
                text: line.text,
                start: line.start as u64,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::{BufReader, Cursor};

    use super::*;

    fn passages(text: &[u8], buffer: usize) -> Vec<Passage> {
        let input = BufReader::with_capacity(buffer, Cursor::new(text.to_vec()));
        let mut passages = Passages::new(input, 0);
        let mut all = Vec::new();
        while let Some(passage) = passages.read_next().unwrap() {
            all.push(passage);
        }
        all
    }

    /// Lines as text, pauses as a bar.
    fn read(text: &str) -> Vec<String> {
        let all = passages(text.as_bytes(), 64);
        assert_eq!(all, passages(text.as_bytes(), 1), "buffers do not matter");
        let shown = all.into_iter().map(|passage| match passage {
            Passage::Line { text, .. } => text,
            Passage::Pause => "|".to_owned(),
        });
        shown.collect()
    }

    #[test]
    fn paragraphs_pause_and_wrapped_lines_go_on() {
        let text = "A Heading\n\nThis is a long line that was broken for the width of a page,\n\
                    and it goes on here. Then it ends.\n\n\n\nNext one.\n";
        assert_eq!(
            read(text),
            [
                "A Heading",
                "|",
                "This is a long line that was broken for the width of a page, and it goes on here.",
                "Then it ends.",
                "|",
                "Next one.",
                "|"
            ]
        );
        assert_eq!(
            read("Roses are red\nViolets are blue"),
            ["Roses are red", "Violets are blue", "|"]
        );
        assert_eq!(
            read("\u{feff}Hello.\r\n\r\nThere."),
            ["Hello.", "|", "There.", "|"]
        );
        assert!(read("").is_empty() && read("\n \n\t\n ... \n").is_empty());
    }

    #[test]
    fn every_line_knows_where_it_begins() {
        let text = "Ünter one. Two!\n\n  Three three three, and four. Five?";
        for passage in passages(text.as_bytes(), 7) {
            if let Passage::Line { text: line, start } = passage {
                assert!(
                    text[start as usize..].starts_with(&line),
                    "{line:?} at {start}"
                );
            }
        }
        // Going on there says the rest.
        let at = text.find("Three").unwrap();
        let mut rest = Passages::new(Cursor::new(&text.as_bytes()[at..]), at as u64);
        let Some(Passage::Line { text: line, start }) = rest.read_next().unwrap() else {
            panic!("a line");
        };
        assert_eq!(
            (line.as_str(), start),
            ("Three three three, and four.", at as u64)
        );
    }

    #[test]
    fn what_never_ends_is_cut_and_nothing_is_lost() {
        for letter in ["7", "x", "é", "क", "🎤a"] {
            let text = letter.repeat(20_000);
            let said: String = read(&text).into_iter().filter(|line| line != "|").collect();
            assert_eq!(said, text);
            let longest = read(&text).iter().map(String::len).max().unwrap();
            assert!(longest < 300, "{longest}");
        }
    }

    #[test]
    fn what_is_no_text_is_an_error_with_its_place() {
        for (bytes, place) in [
            (&b"Gr\xfc\xdfe"[..], 2),
            (b"fine\n\xff", 5),
            (b"cut \xc3", 4),
        ] {
            let mut passages = Passages::new(Cursor::new(bytes), 0);
            let error = loop {
                match passages.read_next() {
                    Ok(Some(_)) => (),
                    Ok(None) => panic!("no error"),
                    Err(error) => break error,
                }
            };
            assert!(
                matches!(error, TextError::NotUtf8(at) if at == place),
                "{error}"
            );
        }
    }
}
