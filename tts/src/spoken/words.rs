//! One word of a line into sounds: addresses spelled the way people say them, signs by name,
//! letters without their accents.
use super::{Draft, plain::Spot};

/// Longest address that is spelled out; of a longer one only the host is said.
const LONGEST_ADDRESS: usize = 40;

/// Ends of host names that make `name.end` an address.
const HOST_ENDS: [&str; 16] = [
    "com", "org", "net", "io", "dev", "ai", "app", "co", "uk", "de", "fr", "es", "it", "eu", "ch",
    "info",
];

/// What is written as letters but read as words; lower case, without the last full stop.
const ABBREVIATIONS: [(&str, &str); 9] = [
    ("e.g", "for example"),
    ("i.e", "that is"),
    ("etc", "et cetera"),
    ("vs", "versus"),
    ("approx", "approximately"),
    ("w/o", "without"),
    ("w/", "with"),
    ("km/h", "kilometers per hour"),
    ("m/s", "meters per second"),
];

/// Capitals that are spelled, but that the voice would read as a word.
const SPELLED: [&str; 16] = [
    "AI", "API", "APIs", "URL", "URLs", "USA", "UK", "EU", "FAQ", "ID", "GPU", "CPU", "LLM", "UI",
    "IP", "ETA",
];

/// Says one word without blanks. `true` when it has letters of a script that cannot be said.
pub fn say(word: &[Spot], draft: &mut Draft) -> bool {
    let (Some((_, start)), Some((_, end))) = (word.first(), word.last()) else {
        return false;
    };
    draft.push(' ', *start);
    let core = core(word);
    let text: String = word[core.clone()].iter().map(|spot| spot.0).collect();
    let marks = &word[core.end..];
    let foreign = if let Some(address) = address(&text) {
        draft.push_word(&address, *end);
        false
    } else if let Some((_, full)) = ABBREVIATIONS
        .iter()
        .find(|(short, _)| text.eq_ignore_ascii_case(short))
    {
        draft.push_word(full, *end);
        // Its full stop is no end of a sentence.
        let stop = usize::from(marks.first().is_some_and(|(c, _)| *c == '.'));
        return spell(&marks[stop..], draft);
    } else if SPELLED.contains(&text.as_str()) {
        let letters: Vec<String> = text.chars().map(|c| format!("{c}.")).collect();
        draft.push_word(letters.concat().trim_end_matches('.'), *end);
        false
    } else {
        return spell(word, draft);
    };
    spell(marks, draft) || foreign
}

/// The word without the marks around it.
fn core(word: &[Spot]) -> std::ops::Range<usize> {
    let mark = |(c, _): &Spot| {
        matches!(
            c,
            '.' | ',' | '!' | '?' | ';' | ':' | ')' | '(' | '"' | '\'' | '>' | '<' | '[' | ']'
        )
    };
    let start = word.iter().position(|spot| !mark(spot)).unwrap_or(0);
    let end = word
        .iter()
        .rposition(|spot| !mark(spot))
        .map_or(start, |at| at + 1);
    start..end
}

/// An address the way people say it; `None` for what is none.
fn address(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let marked = ["https://", "http://", "www."]
        .iter()
        .any(|mark| lower.starts_with(mark));
    let bare = lower
        .trim_start_matches("https://")
        .trim_start_matches("http://");
    let bare = bare.trim_start_matches("www.");
    let host = bare.split(['/', '?', '#', ':']).next().unwrap_or_default();
    let name = host.rsplit('@').next().unwrap_or_default();
    let is_host = name.rsplit_once('.').is_some_and(|(front, last)| {
        !front.is_empty() && (marked || host.contains('@') || HOST_ENDS.contains(&last))
    });
    if !is_host || !lower.is_ascii() {
        return None;
    }
    let path = bare
        .split(['?', '#'])
        .next()
        .unwrap_or_default()
        .trim_end_matches('/');
    let said = if path.len() <= LONGEST_ADDRESS {
        path
    } else {
        host
    };
    let mut out = String::new();
    for c in said.chars() {
        match c {
            '.' => out.push_str(" dot "),
            '@' => out.push_str(" at "),
            '/' => out.push_str(" slash "),
            '-' => out.push_str(" dash "),
            '_' => out.push_str(" underscore "),
            '+' => out.push_str(" plus "),
            c if c.is_ascii_alphanumeric() => out.push(c),
            _ => out.push(' '),
        }
    }
    Some(out)
}

/// Says a word character by character. `true` as for [`say`].
fn spell(word: &[Spot], draft: &mut Draft) -> bool {
    let mut foreign = false;
    let mut at = 0;
    while at < word.len() {
        if let Some(length) = money(&word[at..], draft) {
            at += length;
            continue;
        }
        let (c, end) = word[at];
        let before = at.checked_sub(1).map(|before| word[before].0);
        let next = word.get(at + 1).map(|spot| spot.0);
        match sound(c, before, next) {
            Sound::As(c) => draft.push(c, end),
            Sound::Word(text) => draft.push_word(text, end),
            Sound::Letters(text) => text.chars().for_each(|c| draft.push(c, end)),
            Sound::Foreign => {
                foreign = true;
                draft.push(' ', end);
            }
            Sound::Nothing => {}
        }
        at += 1;
    }
    foreign
}

/// Says an amount with its currency after it, as people do; the voice does that for dollars only.
fn money(word: &[Spot], draft: &mut Draft) -> Option<usize> {
    let (sign, first) = (word.first()?.0, word.get(1)?.0);
    let name = currency(sign)?;
    if !first.is_ascii_digit() {
        return None;
    }
    let number = |(c, _): &&Spot| c.is_ascii_digit() || matches!(c, '.' | ',');
    let mut length = word[1..].iter().take_while(number).count();
    while matches!(word[length].0, '.' | ',') {
        length -= 1;
    }
    for (c, end) in &word[1..=length] {
        draft.push(*c, *end);
    }
    draft.push_word(name, word[length].1);
    Some(length + 1)
}

fn currency(sign: char) -> Option<&'static str> {
    match sign {
        '€' => Some("euros"),
        '£' => Some("pounds"),
        '¥' => Some("yen"),
        '₹' => Some("rupees"),
        _ => None,
    }
}

enum Sound {
    As(char),
    Word(&'static str),
    Letters(&'static str),
    Foreign,
    Nothing,
}

/// How one character sounds between its neighbours.
fn sound(c: char, before: Option<char>, next: Option<char>) -> Sound {
    let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
    let letter = |c: Option<char>| c.is_some_and(char::is_alphabetic);
    match c {
        'a'..='z' | 'A'..='Z' | '0'..='9' | ',' | '.' | '!' | '?' | ';' | ':' => Sound::As(c),
        '\'' | '’' | '‘' if letter(before) && letter(next) => Sound::As('\''),
        '-' | '‐' | '‑' | '−' if next.is_some_and(char::is_alphanumeric) => Sound::As('-'),
        '-' | '–' if digit(before) && digit(next) => Sound::Word("to"),
        '–' | '—' | '…' | '(' | ')' => Sound::As(','),
        '_' => Sound::As(' '),
        '$' if digit(next) => Sound::As('$'),
        '%' if digit(before) => Sound::As('%'),
        '/' if digit(before) && digit(next) => Sound::As(' '),
        '/' if letter(before) && letter(next) => Sound::Word("or"),
        '~' | '≈' if digit(next) => Sound::Word("about"),
        '¡' | '¿' => Sound::Nothing,
        _ => sign(c).map_or_else(|| fold(c), Sound::Word),
    }
}

/// Signs that are read by name.
fn sign(c: char) -> Option<&'static str> {
    Some(match c {
        '$' => "dollars",
        '%' => "percent",
        '&' => "and",
        '+' => "plus",
        '=' => "equals",
        '#' => "number",
        '@' => "at",
        '/' => "slash",
        '<' => "less than",
        '>' => "greater than",
        '°' => "degrees",
        '×' => "times",
        '÷' => "divided by",
        '±' => "plus or minus",
        '→' => "to",
        '½' => "one half",
        '¼' => "one quarter",
        '¾' => "three quarters",
        '²' => "squared",
        '³' => "cubed",
        _ => return currency(c),
    })
}

/// Letters with accents by the letters they are read as; other letters are foreign, everything else
/// is silent.
fn fold(c: char) -> Sound {
    Sound::Letters(match c {
        'à'..='å' | 'ā' | 'ă' | 'ą' => "a",
        'À'..='Å' | 'Ā' | 'Ă' | 'Ą' => "A",
        'æ' | 'Æ' => "ae",
        'ç' | 'ć' | 'č' | 'ĉ' => "c",
        'Ç' | 'Ć' | 'Č' | 'Ĉ' => "C",
        'ð' | 'ď' | 'đ' | 'Ð' | 'Ď' | 'Đ' => "d",
        'è'..='ë' | 'ē' | 'ė' | 'ę' | 'ě' => "e",
        'È'..='Ë' | 'Ē' | 'Ė' | 'Ę' | 'Ě' => "E",
        'ğ' | 'ģ' | 'Ğ' => "g",
        'ì'..='ï' | 'ī' | 'į' | 'ı' => "i",
        'Ì'..='Ï' | 'Ī' | 'İ' => "I",
        'ł' | 'ľ' | 'ļ' => "l",
        'Ł' | 'Ľ' => "L",
        'ñ' | 'ń' | 'ň' | 'ņ' => "n",
        'Ñ' | 'Ń' | 'Ň' => "N",
        'ò'..='ö' | 'ø' | 'ō' | 'ő' => "o",
        'Ò'..='Ö' | 'Ø' | 'Ō' | 'Ő' => "O",
        'œ' | 'Œ' => "oe",
        'ř' | 'ŕ' | 'Ř' => "r",
        'ś' | 'š' | 'ş' | 'ș' | 'Ś' | 'Š' | 'Ş' | 'Ș' => "s",
        'ß' => "ss",
        'ť' | 'ţ' | 'ț' | 'Ţ' | 'Ț' => "t",
        'þ' | 'Þ' => "th",
        'ù'..='ü' | 'ū' | 'ů' | 'ű' => "u",
        'Ù'..='Ü' | 'Ū' | 'Ů' | 'Ű' => "U",
        'ý' | 'ÿ' | 'Ý' => "y",
        'ź' | 'ż' | 'ž' | 'Ź' | 'Ż' | 'Ž' => "z",
        'ﬁ' => "fi",
        'ﬂ' => "fl",
        _ if c.is_alphabetic() => return Sound::Foreign,
        _ if c.is_alphanumeric() => return Sound::Letters(" "),
        _ => return Sound::Nothing,
    })
}
