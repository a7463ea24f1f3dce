//! Markup out of a line: what remains is what a reader would read aloud.

/// A character and where it ends in the line.
pub type Spot = (char, usize);

/// Longest tag that is taken for one.
const LONGEST_TAG: usize = 80;

/// The characters of `line` that are meant to be read.
pub fn plain(line: &str) -> Vec<Spot> {
    let spots: Vec<Spot> = line
        .char_indices()
        .map(|(at, c)| (c, at + c.len_utf8()))
        .collect();
    let mut out: Vec<Spot> = Vec::with_capacity(spots.len());
    let mut at = 0;
    while at < spots.len() {
        at += read(&spots, at, &mut out);
    }
    out
}

/// Reads what is at `at`; answers how many characters that was, at least one.
fn read(spots: &[Spot], at: usize, out: &mut Vec<Spot>) -> usize {
    let (c, end) = spots[at];
    let next = spots.get(at + 1).map(|spot| spot.0);
    let before = at.checked_sub(1).map(|before| spots[before].0);
    let first = out
        .iter()
        .rev()
        .take_while(|s| s.0 != '\n')
        .all(|s| s.0.is_whitespace());
    match c {
        '`' => 1,
        '*' | '_' => {
            let inside = before.is_some_and(char::is_alphanumeric)
                && next.is_some_and(char::is_alphanumeric);
            let product = inside && before.is_some_and(|b| b.is_ascii_digit());
            match c {
                '_' if inside => out.push((c, end)),
                '*' if product => out.push(('×', end)),
                _ => {}
            }
            1
        }
        '~' if next == Some('~') => 2,
        '#' if first => {
            // A heading; `#5` at the beginning is a number all the same.
            let digit = next.is_some_and(|n| n.is_ascii_digit());
            if digit {
                out.push((c, end));
            }
            1
        }
        '>' | '-' | '+' | '•' if first && next.is_none_or(|n| n.is_whitespace() || n == '>') => 1,
        '|' => {
            out.push((',', end));
            1
        }
        '<' => tag(spots, at).unwrap_or_else(|| {
            out.push((c, end));
            1
        }),
        '[' | '!' => link(spots, at, out).unwrap_or_else(|| {
            out.push((c, end));
            1
        }),
        '\n' => {
            if out.last().is_some_and(|(c, _)| c.is_alphanumeric()) {
                out.push((',', end));
            }
            out.push((c, end));
            1
        }
        _ => {
            out.push((c, end));
            1
        }
    }
}

/// Length of the tag (`<b>`, `</speak>`, `<br/>`) at `at`, if there is one.
fn tag(spots: &[Spot], at: usize) -> Option<usize> {
    let inside = &spots[at + 1..(at + LONGEST_TAG).min(spots.len())];
    let starts = inside
        .first()
        .is_some_and(|(c, _)| c.is_alphabetic() || *c == '/');
    let close = inside.iter().position(|(c, _)| *c == '>')?;
    starts.then_some(close + 2)
}

/// Reads the text of a link (`[text](address)`, `![text](address)`) at `at` and answers its length,
/// if there is one.
fn link(spots: &[Spot], at: usize, out: &mut Vec<Spot>) -> Option<usize> {
    let open = if spots[at].0 == '!' { at + 1 } else { at };
    if spots.get(open)?.0 != '[' {
        return None;
    }
    let find = |from: usize, what: char| {
        let rest = spots.get(from..)?;
        rest.iter().position(|(c, _)| *c == what).map(|p| from + p)
    };
    let close = find(open, ']')?;
    if spots.get(close + 1)?.0 != '(' {
        return None;
    }
    let end = find(close + 1, ')')?;
    out.extend_from_slice(&spots[open + 1..close]);
    Some(end + 1 - at)
}
