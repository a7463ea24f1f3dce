//! Reply text in pieces: cut as a chat model would have written it, and joined to what was written
//! before a tool call. Pure.
use voiced_core::{
    engine::Prompt,
    turn::{Message, Role},
};

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

/// What stands between text written before a tool call and the text after it, which no model
/// begins with a blank: "One moment." and "It is noon." are two sentences of one reply.
pub fn joint(prompt: &Prompt) -> &'static str {
    let not_tool = |message: &&Message| message.role != Role::Tool;
    let goes_on = match prompt.messages.iter().rev().find(not_tool) {
        Some(called) => !called.tool_calls.is_empty() && !called.text.is_empty(),
        None => false,
    };
    if goes_on { " " } else { "" }
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
    fn a_reply_goes_on_after_its_calls_with_a_blank() {
        let called = |text: &str| {
            let mut message = Message::new(Role::Assistant, text);
            message.tool_calls.push(voiced_core::turn::ToolCall {
                id: "1".into(),
                name: "x".into(),
                arguments: "{}".into(),
            });
            vec![message, Message::new(Role::Tool, "42")]
        };
        let joint_of = |messages| {
            joint(&Prompt {
                messages,
                ..Prompt::default()
            })
        };
        assert_eq!(joint_of(called("One moment.")), " ");
        assert_eq!(joint_of(called("")), "");
        assert_eq!(joint_of(vec![Message::new(Role::Assistant, "Hello.")]), "");
        assert_eq!(joint_of(Vec::new()), "");
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
