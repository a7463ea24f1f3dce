//! Text as the units an interpreter counts and compares: words, or characters where a script has
//! no spaces. The units of a text, put together, are the text with its spaces made single.

/// A word with the space before it, or one character of a script without spaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// As it is written; begins with a space unless it is the first or stands without one.
    pub text: String,
    /// As it is compared: lower case, letters and digits only; empty for a lone mark.
    pub key: String,
}

/// Clause marks of the scripts that speech models write.
const CLAUSE_MARKS: [char; 18] = [
    ',', ';', ':', '.', '!', '?', '…', '—', '–', '،', '؛', '؟', '。', '、', '，', '！', '？', '।',
];

impl Unit {
    fn new(space: bool, word: &str) -> Self {
        let mut text = String::with_capacity(word.len() + 1);
        if space {
            text.push(' ');
        }
        text.push_str(word);
        Self {
            key: key(word),
            text,
        }
    }

    /// Whether a clause may end with it.
    pub fn ends_clause(&self) -> bool {
        self.text
            .trim_end_matches(['"', '\'', ')', ']', '”', '’', '»'])
            .ends_with(CLAUSE_MARKS)
    }
}

/// A word as it is compared: recognisers change capitals and marks when they change nothing else.
pub fn key(word: &str) -> String {
    word.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

/// The units of a text.
pub fn units(text: &str) -> Vec<Unit> {
    let mut units = Vec::new();
    for word in text.split_whitespace() {
        let mut space = !units.is_empty();
        let mut rest = word;
        while let Some(at) = rest.find(is_unspaced) {
            if at > 0 {
                units.push(Unit::new(space, &rest[..at]));
                space = false;
            }
            let end = at + rest[at..].chars().next().map_or(0, char::len_utf8);
            // Marks stay with the character before them.
            let end = end + marks_at(&rest[end..]);
            units.push(Unit::new(space, &rest[at..end]));
            space = false;
            rest = &rest[end..];
        }
        if !rest.is_empty() {
            units.push(Unit::new(space, rest));
        }
    }
    units
}

/// Bytes of the marks a text begins with.
fn marks_at(text: &str) -> usize {
    text.find(|c: char| c.is_alphanumeric())
        .unwrap_or(text.len())
}

/// Han, kana and the scripts of mainland South East Asia, which put no spaces between words.
fn is_unspaced(c: char) -> bool {
    matches!(u32::from(c), 0x0E01..=0x0EDF | 0x1000..=0x109F | 0x1780..=0x17FF
        | 0x3040..=0x30FF | 0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xF900..=0xFAFF | 0x20000..=0x3FFFF)
}

/// Where in `hypothesis` the words after `committed` begin: the end of the prefix that takes the
/// fewest changes to become `committed` (Levenshtein over keys); among equals one that ends with the
/// same word, then the nearest in length. So a recogniser that changes its mind about committed words does not make any word of
/// the rest be said twice or never.
pub fn continuation(committed: &[Unit], hypothesis: &[Unit]) -> usize {
    if hypothesis.len() >= committed.len()
        && committed
            .iter()
            .zip(hypothesis)
            .all(|(a, b)| a.key == b.key)
    {
        return committed.len();
    }
    // One row of the usual table: distances of `committed[..i]` to every prefix.
    let mut row: Vec<usize> = (0..=hypothesis.len()).collect();
    for (i, word) in committed.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for j in 1..row.len() {
            let substituted = diagonal + usize::from(hypothesis[j - 1].key != word.key);
            diagonal = row[j];
            row[j] = substituted.min(row[j] + 1).min(row[j - 1] + 1);
        }
    }
    let ends_otherwise = |j: usize| {
        let last = j.checked_sub(1).map(|last| &hypothesis[last].key);
        last != committed.last().map(|unit| &unit.key)
    };
    (0..row.len())
        .min_by_key(|j| (row[*j], ends_otherwise(*j), j.abs_diff(committed.len())))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(text: &str) -> Vec<String> {
        units(text).into_iter().map(|unit| unit.text).collect()
    }

    #[test]
    fn words_keep_their_space_and_unspaced_scripts_go_by_character() {
        assert_eq!(texts("  Guten  Tag, Welt"), ["Guten", " Tag,", " Welt"]);
        assert_eq!(texts("我买 GPU了。"), ["我", "买", " GPU", "了。"]);
    }

    #[test]
    fn the_rest_begins_after_what_was_committed_even_when_that_changed() {
        let rest = |committed: &str, hypothesis: &str| {
            let hypothesis = units(hypothesis);
            let from = continuation(&units(committed), &hypothesis);
            hypothesis[from..]
                .iter()
                .map(|u| u.text.trim().to_owned())
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(rest("i want a", "I want a ticket"), "ticket");
        assert_eq!(rest("i want a", "I wanted a ticket"), "ticket");
        assert_eq!(rest("i want a", "i wan na a ticket"), "ticket");
        assert_eq!(rest("i want to go", "i wanna go home"), "home");
        assert_eq!(rest("i want a", "i want"), "");
        assert_eq!(rest("", "hello"), "hello");
        assert_eq!(rest("one two three", ""), "");
    }

    proptest! {
        #[test]
        fn units_are_the_text(text in "[ a-zé,.你好 \n]{0,60}") {
            let joined: String = texts(&text).concat();
            let spaced: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
            prop_assert_eq!(joined, spaced);
        }

        #[test]
        fn the_rest_of_an_unchanged_text_is_what_follows(
            words in prop::collection::vec("[a-c]{1,2}", 0..12), n in 0_usize..12,
        ) {
            let all = units(&words.join(" "));
            let n = n.min(all.len());
            prop_assert_eq!(continuation(&all[..n], &all), n);
        }
    }
}
