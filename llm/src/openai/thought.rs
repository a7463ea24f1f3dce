//! Keeps a model's thinking aloud (`<think>…</think>`) out of what is spoken, while it streams.
//! Pure.

const OPEN: &str = "<think>";
const CLOSE: &str = "</think>";

/// Drops thoughts from a stream of text.
#[derive(Debug, Default)]
pub(super) struct ThoughtFilter {
    thinking: bool,
    /// Text that may be the beginning of a tag.
    held: String,
    spoken: bool,
}

impl ThoughtFilter {
    /// What of `text`, and of what was held back, is spoken.
    pub fn push(&mut self, text: &str) -> String {
        self.held.push_str(text);
        let mut spoken = String::new();
        loop {
            let tag = if self.thinking { CLOSE } else { OPEN };
            if let Some(at) = self.held.find(tag) {
                if !self.thinking {
                    spoken.push_str(&self.held[..at]);
                }
                self.held.drain(..at + tag.len());
                self.thinking = !self.thinking;
                continue;
            }
            let keep = tail_that_may_begin(&self.held, tag);
            let sure = self.held.len() - keep;
            if !self.thinking {
                spoken.push_str(&self.held[..sure]);
            }
            self.held.drain(..sure);
            break;
        }
        self.trimmed(spoken)
    }

    /// What was held back and turned out to be no tag.
    pub fn finish(&mut self) -> String {
        let held = std::mem::take(&mut self.held);
        let held = if self.thinking { String::new() } else { held };
        self.trimmed(held)
    }

    /// Blank lines after a thought are not the beginning of the reply.
    fn trimmed(&mut self, text: String) -> String {
        if self.spoken {
            return text;
        }
        let text = text.trim_start();
        self.spoken = !text.is_empty();
        text.to_owned()
    }
}

/// Bytes at the end of `text` that are the beginning of `tag`.
fn tail_that_may_begin(text: &str, tag: &str) -> usize {
    (1..tag.len().min(text.len() + 1))
        .rev()
        .find(|n| text.as_bytes().ends_with(&tag.as_bytes()[..*n]))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spoken(pieces: &[&str]) -> String {
        let mut filter = ThoughtFilter::default();
        let mut spoken: String = pieces.iter().map(|piece| filter.push(piece)).collect();
        spoken.push_str(&filter.finish());
        spoken
    }

    #[test]
    fn thoughts_are_not_spoken_however_they_are_cut() {
        let table = [
            ("plain text", "plain text"),
            ("<think>hm\n</think>\n\nYes.", "Yes."),
            ("One <think>hm</think>two", "One two"),
            ("<think>a</think>b<think>c</think>d", "bd"),
            ("a < b and c <thin", "a < b and c <thin"),
            ("<think>never ends", ""),
            ("ü<think>é</think>ñ", "üñ"),
            ("</think> alone", "</think> alone"),
        ];
        for (text, expected) in table {
            assert_eq!(spoken(&[text]), expected);
            let letters: Vec<String> = text.chars().map(String::from).collect();
            let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
            assert_eq!(spoken(&letters), expected, "letter by letter");
        }
    }

    #[test]
    fn what_is_sure_is_not_held_back() {
        let mut filter = ThoughtFilter::default();
        assert_eq!(filter.push("Hello <"), "Hello ");
        assert_eq!(filter.push("b"), "<b");
    }
}
