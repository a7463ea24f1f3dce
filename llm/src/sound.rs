//! How alike two English words sound, so that a word the recogniser misheard still counts.
//! Deterministic and cheap: some hundred nanoseconds a pair.

/// A lower-case word with its sound worked out once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Its letters.
    pub text: String,
    /// Its sounds: one letter per consonant class, `a` per run of vowels.
    key: Vec<u8>,
}

/// Likeness below this is chance, and counts as none. Chosen between "elk" for "help" (0.65) and
/// "name" for "time" (0.38).
pub const ALIKE: f32 = 0.6;

/// Words longer than this are not compared letter by letter: nobody says them.
const LONGEST: usize = 24;

impl Word {
    /// Of a lower-case word.
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        let key = key(&text);
        Self { text, key }
    }

    /// Two words run together: recognisers hear "cup board" and "cupboard" alike.
    pub fn joined(&self, next: &Word) -> Word {
        Word::new(format!("{}{}", self.text, next.text))
    }
}

/// From 0, unlike, to 1, the same; nothing between 0 and [`ALIKE`].
pub fn likeness(a: &Word, b: &Word) -> f32 {
    if a.text == b.text {
        return 1.0;
    }
    let (short, long) = (
        a.text.len().min(b.text.len()),
        a.text.len().max(b.text.len()),
    );
    if long > LONGEST || short * 2 < long || is_number(&a.text) || is_number(&b.text) {
        return 0.0;
    }
    // Words of three letters and fewer are so close to each other that only one sound will do.
    if short <= 2 || long <= 3 {
        let same = a.key == b.key && !a.key.is_empty();
        return if same { 0.8 } else { 0.0 };
    }
    let distance = sound_distance(&a.key, &b.key);
    // Most pairs are so unlike that letters cannot help; this spares half the work.
    if distance > 0.75 {
        return 0.0;
    }
    let letters = 1.0 - as_f32(edits(a.text.as_bytes(), b.text.as_bytes())) / as_f32(long);
    // Classes of sounds are coarse ("robot" is "repeat" in them): the letters have a say too.
    let sounds = 0.8 * (1.0 - distance) + 0.2 * letters;
    let alike = letters.max(0.95 * sounds);
    if alike < ALIKE { 0.0 } else { alike }
}

/// Letters to change, add or drop to make one word of the other.
pub fn edits(a: &[u8], b: &[u8]) -> usize {
    // Words fit on the stack: this runs thousands of times for every reply.
    let mut near = [0; LONGEST + 1];
    let mut far = Vec::new();
    let row = if b.len() <= LONGEST {
        &mut near[..=b.len()]
    } else {
        far.resize(b.len() + 1, 0);
        &mut far[..]
    };
    for (j, cell) in row.iter_mut().enumerate() {
        *cell = j;
    }
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let changed = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

fn is_number(word: &str) -> bool {
    word.bytes().any(|byte| byte.is_ascii_digit())
}

/// Word lengths are far below 2^24, so nothing is lost.
#[allow(clippy::cast_precision_loss)]
fn as_f32(n: usize) -> f32 {
    n as f32
}

/// Share of the weightier word's sounds that differ, 0 to 1.
fn sound_distance(a: &[u8], b: &[u8]) -> f32 {
    // As if each were all added: a vowel more is less of a word than a consonant.
    let whole = |word: &[u8]| -> f32 { word.iter().map(|sound| drop_cost(*sound, 1)).sum() };
    let longest = whole(a).max(whole(b));
    if longest <= 0.0 {
        return 1.0;
    }
    let mut row = [0.0_f32; LONGEST + 1];
    let b = &b[..b.len().min(LONGEST)];
    for j in 0..b.len() {
        row[j + 1] = row[j] + drop_cost(b[j], j);
    }
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] += drop_cost(*x, i);
        for (j, y) in b.iter().enumerate() {
            let start = i == 0 && j == 0;
            let changed = diagonal + change_cost(*x, *y, start);
            diagonal = row[j + 1];
            row[j + 1] = changed
                .min(row[j] + drop_cost(*y, j))
                .min(diagonal + drop_cost(*x, i));
        }
    }
    (row[b.len()] / longest).min(1.0)
}

/// Vowels and a breath at the beginning come and go; consonants less so.
fn drop_cost(sound: u8, at: usize) -> f32 {
    match sound {
        b'a' => 0.4,
        b'h' if at == 0 => 0.4,
        _ => 1.0,
    }
}

/// What is easily taken for what. A different beginning is more than a different end.
fn change_cost(a: u8, b: u8, start: bool) -> f32 {
    if a == b {
        return 0.0;
    }
    let pair = (a.min(b), a.max(b));
    let cost = match pair {
        (b'm', b'n') => 0.4,
        (b'0', b't') | (b'0', b'f') => 0.3,
        (b'k', b'p') | (b'k', b't') | (b'p', b't') => 0.5,
        (b'j', b's') | (b'f', b's') | (b'l', b'r') | (b'l', b'w') | (b'f', b'p') => 0.5,
        _ => 1.0,
    };
    if start { cost * 1.5 } else { cost }
}

/// The sounds of a word. Voiced and unvoiced consonants are one class, since a recogniser's errors
/// are mostly between them; silent letters go.
fn key(word: &str) -> Vec<u8> {
    if word == "one" || word == "once" {
        // Spelt with a vowel, said with a w.
        return if word == "one" {
            b"wan".to_vec()
        } else {
            b"wans".to_vec()
        };
    }
    let letters: Vec<char> = word.chars().filter(|c| c.is_alphabetic()).collect();
    let mut sounds: Vec<u8> = Vec::with_capacity(letters.len());
    let mut i = 0;
    while i < letters.len() {
        let (sound, used) = sound_at(&letters, i);
        if let Some(sound) = sound
            && sounds.last() != Some(&sound)
        {
            sounds.push(sound);
        }
        i += used;
    }
    sounds
}

/// The sound that begins at a letter, and how many letters it takes.
fn sound_at(letters: &[char], i: usize) -> (Option<u8>, usize) {
    let next = letters.get(i + 1).copied();
    let last = i + 1 == letters.len();
    match (letters[i], next) {
        ('t', Some('h')) => (Some(b'0'), 2),
        ('s', Some('h')) | ('c', Some('h')) => (Some(b'j'), 2),
        ('t', Some('i')) if i > 0 && letters.get(i + 2) == Some(&'o') => (Some(b'j'), 2),
        ('p', Some('h')) => (Some(b'f'), 2),
        ('c', Some('k')) | ('q', Some('u')) => (Some(b'k'), 2),
        ('g', Some('h')) => (if i == 0 { Some(b'k') } else { None }, 2),
        ('k', Some('n')) | ('w', Some('r')) if i == 0 => (None, 1),
        ('t', Some('w')) if i == 0 && letters.len() == 3 => (Some(b't'), 2),
        ('w', Some('h')) => (Some(b'w'), 2),
        ('d', Some('g')) => (Some(b'j'), 2),
        ('e', _) if last && i > 1 => (None, 1),
        ('c', Some('e' | 'i' | 'y')) => (Some(b's'), 1),
        ('g', Some('e' | 'i' | 'y')) if i > 0 => (Some(b'j'), 1),
        ('b' | 'p', _) => (Some(b'p'), 1),
        ('d' | 't', _) => (Some(b't'), 1),
        ('g' | 'k' | 'c' | 'q', _) => (Some(b'k'), 1),
        ('f' | 'v', _) => (Some(b'f'), 1),
        ('s' | 'z' | 'x', _) => (Some(b's'), 1),
        ('j', _) => (Some(b'j'), 1),
        ('h', _) => (if i == 0 { Some(b'h') } else { None }, 1),
        ('w', _) if i == 0 => (Some(b'w'), 1),
        ('y', Some(_)) if i == 0 => (Some(b'y'), 1),
        ('l', _) => (Some(b'l'), 1),
        ('m', _) => (Some(b'm'), 1),
        ('n', _) => (Some(b'n'), 1),
        ('r', _) => (Some(b'r'), 1),
        _ => (Some(b'a'), 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alike(a: &str, b: &str) -> f32 {
        likeness(&Word::new(a), &Word::new(b))
    }

    #[test]
    fn misheard_words_are_alike() {
        let heard = [
            ("help", "elk"),
            ("help", "yelp"),
            ("order", "larger"),
            ("order", "either"),
            ("cost", "cause"),
            ("human", "humans"),
            ("tomorrow", "tomorow"),
            ("appointment", "apartment"),
            ("count", "down"),
            ("know", "no"),
            ("two", "to"),
            ("bye", "by"),
        ];
        let missed: Vec<_> = heard.iter().filter(|(a, b)| alike(a, b) < ALIKE).collect();
        // Too far from what was heard: the other words must do.
        assert_eq!(
            missed,
            [
                &("order", "larger"),
                &("order", "either"),
                &("count", "down")
            ]
        );
    }

    #[test]
    fn other_words_are_not() {
        let others = [
            ("time", "name"),
            ("date", "name"),
            ("yes", "no"),
            ("joke", "story"),
            ("what", "that"),
            ("order", "weather"),
            ("human", "number"),
            ("thank", "think"),
            ("one", "on"),
            ("427", "428"),
            ("stop", "shop"),
        ];
        let taken: Vec<_> = others
            .iter()
            .filter(|(a, b)| alike(a, b) >= ALIKE)
            .collect();
        // One sound apart, as in speech itself.
        assert_eq!(
            taken,
            [&("what", "that"), &("thank", "think"), &("stop", "shop")]
        );
    }

    #[test]
    fn likeness_has_no_side() {
        for (a, b) in [
            ("help", "elk"),
            ("weather", "whether"),
            ("a", "abc"),
            ("", "x"),
        ] {
            assert!((alike(a, b) - alike(b, a)).abs() < 1e-6, "{a} {b}");
        }
    }
}
