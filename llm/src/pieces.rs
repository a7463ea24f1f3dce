//! Cuts a finished text into the pieces a chat model would have written it in. Pure.

/// A text in pieces of a few words, blanks kept, ending early where a sentence does; together they
/// are the text.
pub fn pieces(text: &str) -> impl Iterator<Item = &str> {
    /// Enough that the queue between model and voice is not the bottleneck, few enough that a
    /// reply streams.
    const WORDS: usize = 6;
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut end = rest.len();
        let mut n_words = 0;
        let mut in_word = false;
        let mut before = ' ';
        for (at, c) in rest.char_indices() {
            if c.is_whitespace() {
                let sentence = matches!(before, '.' | '!' | '?');
                if in_word && (n_words == WORDS || sentence) {
                    end = at;
                    break;
                }
                in_word = false;
            } else if !in_word {
                in_word = true;
                n_words += 1;
            }
            before = c;
        }
        let (piece, after) = rest.split_at(end);
        rest = after;
        Some(piece)
    })
}

/// The first `n` words of a text and whether that is not all of it.
pub fn first_words(text: &str, n: usize) -> (&str, bool) {
    let mut seen = 0;
    let mut in_word = false;
    for (at, c) in text.char_indices() {
        if c.is_whitespace() {
            in_word = false;
        } else if !in_word {
            if seen == n {
                return (text[..at].trim_end(), true);
            }
            in_word = true;
            seen += 1;
        }
    }
    (text, false)
}

/// How many words a text has.
pub fn n_words(text: &str) -> usize {
    text.split_whitespace().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_the_text() {
        for text in [
            "",
            "one",
            "One. Two! Three?",
            "a b c d e f g h i j k l m n",
            "  blanks   kept  ",
            "Größe 3.5 — gut. Ja.",
        ] {
            assert_eq!(pieces(text).collect::<String>(), text);
        }
    }

    #[test]
    fn a_piece_ends_with_its_sentence_or_after_six_words() {
        let cut: Vec<&str> = pieces("Hello there. a b c d e f g h").collect();
        assert_eq!(cut, ["Hello there.", " a b c d e f", " g h"]);
    }

    #[test]
    fn words_are_counted_from_the_front() {
        assert_eq!(first_words("one two three", 2), ("one two", true));
        assert_eq!(first_words("one two three", 3), ("one two three", false));
        assert_eq!(first_words("one", 0), ("", true));
        assert_eq!(first_words("", 0), ("", false));
    }
}
