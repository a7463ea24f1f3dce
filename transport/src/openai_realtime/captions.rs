//! Live words of the caller, made append-only: the recogniser's partials may change, the wire's
//! deltas must not. Guarantees that what was sent is never contradicted by a later delta.
use voiced_core::turn::ItemId;

/// The words of one item that were sent so far.
#[derive(Debug)]
pub struct Caption {
    /// The item.
    pub item: ItemId,
    /// The previous partial.
    last: String,
    /// What the client has been sent.
    sent: String,
}

impl Caption {
    /// Nothing was heard of `item` yet.
    pub fn new(item: ItemId) -> Self {
        Self {
            item,
            last: String::new(),
            sent: String::new(),
        }
    }

    /// Whether nothing was sent yet.
    pub fn is_fresh(&self) -> bool {
        self.sent.is_empty()
    }

    /// A new partial: what may be sent of it, if anything. That is what two successive partials
    /// agree on, less the last word, which may still grow.
    pub fn partial(&mut self, text: &str) -> Option<String> {
        let stable = agreed_words(&self.last, text);
        let stable = match stable.rfind(char::is_whitespace) {
            Some(end) => stable[..end].trim_end(),
            None => "",
        };
        let more = stable
            .strip_prefix(self.sent.as_str())
            .filter(|more| !more.is_empty())
            .map(str::to_owned);
        if let Some(more) = &more {
            self.sent.push_str(more);
        }
        text.clone_into(&mut self.last);
        more
    }

    /// The final words: what is still to be sent, if the client was sent a beginning of them.
    pub fn rest<'t>(&self, text: &'t str) -> Option<&'t str> {
        text.strip_prefix(self.sent.as_str())
            .filter(|rest| !rest.is_empty())
    }
}

/// The longest beginning of `b`, in whole words, that `a` begins with too.
fn agreed_words<'t>(a: &str, b: &'t str) -> &'t str {
    let mut end = 0;
    let mut words = a.split_whitespace();
    for word in b.split_whitespace() {
        if words.next() != Some(word) {
            break;
        }
        // `word` is a part of `b`, so the distance of their addresses is its position.
        end = word.as_ptr().addr() - b.as_ptr().addr() + word.len();
    }
    &b[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deltas(partials: &[&str], text: &str) -> Vec<String> {
        let mut caption = Caption::new("item".into());
        let mut deltas: Vec<String> = partials.iter().filter_map(|p| caption.partial(p)).collect();
        deltas.extend(caption.rest(text).map(str::to_owned));
        deltas
    }

    #[test]
    fn sends_what_two_partials_agree_on_less_the_last_word() {
        let got = deltas(
            &[
                "what",
                "what is the",
                "what is the wet",
                "what is the weather",
            ],
            "what is the weather like",
        );
        assert_eq!(got, ["what is", " the weather like"]);
    }

    #[test]
    fn never_contradicts_what_it_sent() {
        // The recogniser takes back words that were sent: nothing more is sent.
        let got = deltas(
            &[
                "I scream for it",
                "I scream for it all",
                "ice cream for all of us",
            ],
            "ice cream for all",
        );
        assert_eq!(got, ["I scream for"]);
    }

    #[test]
    fn deltas_are_the_whole_text_when_nothing_is_taken_back() {
        let got = deltas(&["a b", "a b c", "a b c d", "a b c d e"], "a b c d e f");
        assert_eq!(got.concat(), "a b c d e f");
        assert!(got.len() > 2, "{got:?}");
    }

    #[test]
    fn odd_spacing_does_no_harm() {
        assert_eq!(agreed_words("a  b c", " a b  c"), " a b  c");
        assert_eq!(agreed_words("", "a"), "");
        assert_eq!(agreed_words("ä ö", "ä ö ü"), "ä ö");
    }
}
