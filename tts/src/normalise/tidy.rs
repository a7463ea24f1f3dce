//! Words of a text without what nobody says: markup, invisible characters, decoration, emoji.
use super::Token;

/// The words of `text`, unchanged.
pub(super) fn plain(text: &str) -> Vec<Token> {
    let words = text.split_whitespace();
    let end = |word: &str| word.as_ptr() as usize - text.as_ptr() as usize + word.len();
    let token = |word: &str| Token {
        text: word.to_owned(),
        end: end(word),
    };
    words.map(token).collect()
}

/// The words of `text` as they may be said. A word of which nothing is left has no letters.
pub(super) fn tidy(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut fenced = false;
    let mut from = 0;
    for line in text.split_inclusive('\n') {
        let at = from;
        from += line.len();
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            continue;
        }
        if fenced {
            continue;
        }
        let first = tokens.len();
        for (position, token) in plain(line).into_iter().enumerate() {
            if position == 0 && is_line_mark(&token.text) {
                continue;
            }
            tokens.push(Token {
                text: word(&token.text),
                end: at + token.end,
            });
        }
        // A line is a sentence when the next one begins a new thing.
        let marked = line.split_whitespace().next().is_some_and(is_line_mark);
        if marked
            && let Some(last) = tokens[first..].last_mut()
            && last.text.ends_with(char::is_alphanumeric)
        {
            last.text.push('.');
        }
    }
    merge_links(tokens)
}

/// Marks in front of a heading, an item or a quotation.
fn is_line_mark(token: &str) -> bool {
    matches!(token, "-" | "*" | "+" | "•" | ">" | "–") || token.chars().all(|c| c == '#')
}

fn word(token: &str) -> String {
    let mut out = String::with_capacity(token.len());
    for c in token.chars() {
        match c {
            // Joiners matter inside words of scripts that shape them; at a word's ends they do
            // nothing.
            '\u{200c}' | '\u{200d}' if out.ends_with(is_joining) => out.push(c),
            c if is_invisible(c) || is_picture(c) => {}
            '`' | '“' | '”' | '„' | '«' | '»' | '"' => {}
            '*' if token.len() > 1 && !between_digits(token) => {}
            '’' | '‘' | '‚' | 'ʼ' => out.push('\''),
            '‐' | '‑' | '−' => out.push('-'),
            '…' => out.push_str("..."),
            c => out.push(c),
        }
    }
    let unlined = out.trim_matches('_').to_owned();
    collapse(&unlined)
}

fn between_digits(token: &str) -> bool {
    token.starts_with(|c: char| c.is_ascii_digit()) && token.ends_with(|c: char| c.is_ascii_digit())
}

/// Devanagari and Arabic.
fn is_joining(c: char) -> bool {
    matches!(c, '\u{600}'..='\u{6ff}' | '\u{900}'..='\u{97f}')
}

fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{e0000}'..='\u{e007f}')
}

fn is_picture(c: char) -> bool {
    matches!(c, '\u{2190}'..='\u{21ff}' | '\u{2300}'..='\u{27bf}' | '\u{2b00}'..='\u{2bff}'
        | '\u{1f000}'..='\u{1faff}' | '\u{20e3}')
}

/// `...` for more dots, one mark for several of a kind.
fn collapse(word: &str) -> String {
    let mut out = String::with_capacity(word.len());
    let mut last = None;
    let mut run = 0;
    for c in word.chars() {
        run = if last == Some(c) { run + 1 } else { 1 };
        last = Some(c);
        let most = match c {
            '!' | '?' | ',' | ';' | '؟' => 1,
            '.' => 3,
            _ => usize::MAX,
        };
        if run <= most {
            out.push(c);
        }
    }
    out
}

/// `[words](address)` becomes its words.
fn merge_links(mut tokens: Vec<Token>) -> Vec<Token> {
    let mut open = None;
    for i in 0..tokens.len() {
        if tokens[i].text.starts_with('[') || tokens[i].text.starts_with("![") {
            open = Some(i);
        }
        let Some(first) = open else { continue };
        if let Some(at) = tokens[i].text.find("](") {
            let rest = tokens[i].text[at + 2..].to_owned();
            let Some(close) = rest.find(')') else {
                open = None;
                continue;
            };
            let words = format!("{}{}", &tokens[i].text[..at], &rest[close + 1..]);
            tokens[i].text = words;
            let lead = tokens[first]
                .text
                .trim_start_matches('!')
                .trim_start_matches('[');
            tokens[first].text = lead.to_owned();
            open = None;
        } else if i - first > 12 {
            open = None;
        }
    }
    tokens
}
