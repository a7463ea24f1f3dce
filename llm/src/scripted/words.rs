//! What was said, as words to match: lower case, contractions written out, punctuation gone. Typed
//! text and a recogniser's text come out alike.
use crate::sound::Word;

/// One word of what was said.
#[derive(Clone, Debug)]
pub struct Token {
    /// To compare.
    pub word: Word,
    /// As it was written, punctuation stripped; empty where a contraction was written out ("is"
    /// of "what's"), whose first word holds the whole.
    pub written: String,
}

/// Most words looked at: the last ones, since the request comes at the end of a ramble.
const MOST: usize = 60;

/// The words of a text.
pub fn tokens(text: &str) -> Vec<Token> {
    let text = text.replace(['\u{2019}', '\u{2018}', '`'], "'");
    let mut tokens = Vec::new();
    for chunk in text.split_whitespace() {
        for piece in pieces(chunk) {
            push(&mut tokens, &piece);
        }
    }
    if tokens.len() > MOST {
        tokens.drain(..tokens.len() - MOST);
    }
    tokens
}

/// The normal form of the words of a pattern.
pub fn plain(text: &str) -> Vec<String> {
    tokens(text).into_iter().map(|t| t.word.text).collect()
}

/// How much a word says about what is meant. Words that hold sentences together say little; the
/// recogniser also gets them wrong most.
pub fn weight(word: &str) -> f32 {
    match word {
        "who" | "how" | "when" | "where" | "why" => 0.6,
        "what" | "you" | "your" | "not" | "no" | "yes" => 0.4,
        _ if SMALL.contains(&word) => 0.2,
        _ => 1.0,
    }
}

const SMALL: [&str; 66] = [
    "a", "an", "the", "is", "are", "was", "were", "be", "been", "am", "it", "its", "this", "that",
    "these", "those", "there", "here", "of", "to", "in", "on", "at", "by", "for", "from", "with",
    "and", "or", "but", "so", "if", "then", "i", "me", "my", "we", "us", "our", "he", "she",
    "they", "do", "does", "did", "can", "could", "will", "would", "shall", "should", "may", "have",
    "has", "had", "please", "well", "okay", "ok", "just", "now", "some", "any", "like", "want",
    "let",
];

/// Sounds of hesitation, which are no words.
const HESITATION: [&str; 9] = ["uh", "um", "er", "erm", "hm", "hmm", "mm", "ah", "uhm"];

fn push(tokens: &mut Vec<Token>, piece: &str) {
    let lower = piece.to_lowercase();
    if HESITATION.contains(&lower.as_str()) {
        return;
    }
    for (i, word) in expand(&lower).into_iter().enumerate() {
        tokens.push(Token {
            word: Word::new(word),
            written: if i == 0 {
                piece.to_owned()
            } else {
                String::new()
            },
        });
    }
}

/// Splits a stretch without blanks: words, numbers with their point, and signs of reckoning each
/// on their own.
fn pieces(chunk: &str) -> Vec<String> {
    let chars: Vec<char> = chunk.chars().collect();
    let mut pieces = Vec::new();
    let mut piece = String::new();
    for (i, &c) in chars.iter().enumerate() {
        let before = i.checked_sub(1).map(|i| chars[i]);
        let next = chars.get(i + 1).copied();
        let digits_around =
            before.is_some_and(|c| c.is_ascii_digit()) && next.is_some_and(|c| c.is_ascii_digit());
        let apostrophe = c == '\'' && !piece.is_empty() && next.is_some_and(char::is_alphabetic);
        if c.is_alphanumeric() || apostrophe || (c == '.' && digits_around) {
            piece.push(c);
        } else if c == ',' && digits_around && thousands(&chars[i + 1..]) {
            // "1,000" is one number.
        } else {
            if !piece.is_empty() {
                pieces.push(std::mem::take(&mut piece));
            }
            if is_sign(c, before, next) {
                pieces.push(c.to_string());
            }
        }
    }
    if !piece.is_empty() {
        pieces.push(piece);
    }
    pieces
}

fn thousands(after: &[char]) -> bool {
    let figures = after.iter().take_while(|c| c.is_ascii_digit()).count();
    figures == 3
}

fn is_sign(c: char, before: Option<char>, next: Option<char>) -> bool {
    let number_beside = [before, next]
        .iter()
        .flatten()
        .any(|c| c.is_ascii_digit() || matches!(c, '(' | ')'));
    match c {
        '+' | '*' | '/' | '^' | '%' | '×' | '÷' | '(' | ')' => number_beside || before.is_none(),
        // A hyphen between letters is none; one before a figure or alone is minus.
        '-' | '\u{2212}' => {
            next.is_none_or(|c| c.is_ascii_digit()) && before.is_none_or(|c| c.is_ascii_digit())
        }
        _ => false,
    }
}

/// Writes contractions out.
fn expand(word: &str) -> Vec<String> {
    let two = |a: &str, b: &str| vec![a.to_owned(), b.to_owned()];
    match word {
        "can't" | "cannot" => return two("can", "not"),
        "won't" => return two("will", "not"),
        "let's" => return two("let", "us"),
        "o'clock" => return vec!["oclock".to_owned()],
        "gonna" => return two("going", "to"),
        "wanna" => return two("want", "to"),
        "gimme" => return two("give", "me"),
        "goodbye" => return two("good", "bye"),
        _ => {}
    }
    let Some((stem, ending)) = word.split_once('\'') else {
        return vec![word.to_owned()];
    };
    match ending {
        "re" => two(stem, "are"),
        "ll" => two(stem, "will"),
        "d" => two(stem, "would"),
        "m" => two(stem, "am"),
        "ve" => two(stem, "have"),
        "t" if stem.ends_with('n') => two(&stem[..stem.len() - 1], "not"),
        "s" if IS_AFTER.contains(&stem) => two(stem, "is"),
        "s" => vec![stem.to_owned()],
        _ => vec![format!("{stem}{ending}")],
    }
}

/// After these, 's is "is" and no possession.
const IS_AFTER: [&str; 12] = [
    "what", "who", "where", "when", "how", "why", "it", "that", "there", "here", "he", "she",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typed_and_heard_words_come_out_alike() {
        let table = [
            ("What's the TIME, please?", "what is the time please"),
            ("I\u{2019}m Peter's friend.", "i am peter friend"),
            ("don't, can't, won't", "do not can not will not"),
            ("twenty-seven", "twenty seven"),
            ("12+30", "12 + 30"),
            ("12 - 3.5", "12 - 3.5"),
            ("-4", "- 4"),
            ("(2+3)*4", "( 2 + 3 ) * 4"),
            ("10%", "10 %"),
            ("1,000 pounds", "1000 pounds"),
            ("two, three", "two three"),
            ("um, uh, yes", "yes"),
            ("...", ""),
            ("and/or", "and or"),
        ];
        for (text, expected) in table {
            assert_eq!(plain(text).join(" "), expected, "{text}");
        }
    }

    #[test]
    fn a_ramble_is_heard_from_its_end() {
        let long = format!("{} goodbye now", "word ".repeat(500));
        let words = plain(&long);
        assert_eq!(words.len(), MOST);
        assert_eq!(words.last().map(String::as_str), Some("now"));
    }

    #[test]
    fn what_was_written_is_kept() {
        let written: Vec<String> = tokens("My name's Ann-Marie!")
            .into_iter()
            .map(|t| t.written)
            .collect();
        assert_eq!(written, ["My", "name's", "Ann", "Marie"]);
    }
}
