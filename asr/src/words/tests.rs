//! Texts, times and confidence of token sequences written by hand.
#![allow(clippy::unwrap_used)]
use super::*;

fn tekken() -> Tekken {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/tekken.json");
    Tekken::open(std::path::Path::new(file)).unwrap()
}

const PAD: u32 = 32;
const WORD: u32 = 33;

/// Words of tokens that begin at index 39, the first a delay of 6 chooses.
fn words(ids: &[u32], base_ms: u64) -> Vec<Word> {
    let tekken = tekken();
    let control = Control::of(&tekken).unwrap();
    let mut stream = WordStream::new(6, Duration::from_millis(base_ms));
    let mut words: Vec<Word> = ids
        .iter()
        .zip(39..)
        .filter_map(|(id, index)| {
            let token = Token {
                id: *id,
                index,
                log_probability: -0.5,
            };
            stream.push(token, &control, &tekken)
        })
        .collect();
    words.extend(stream.finish());
    words
}

fn ms(d: Duration) -> u128 {
    d.as_millis()
}

#[test]
fn markers_date_the_words_that_follow() {
    // " Hello", " world" + " be"
    let found = words(&[PAD, PAD, WORD, 1275, PAD, WORD, 1276, 1273, PAD], 0);
    assert_eq!(transcript(&found), "Hello world be");
    // The first token speaks of 80 ms: the markers are the third and the sixth.
    assert_eq!(
        found.iter().map(|w| ms(w.end)).collect::<Vec<_>>(),
        [240, 480]
    );
    assert_eq!(found[0].text, " Hello");
    assert_eq!(ms(found[0].start), 0);
    assert_eq!(ms(found[1].start), 240);
    assert!((found[0].confidence - (-0.5f32).exp()).abs() < 1e-6);
    let later = words(&[PAD, PAD, WORD, 1275, PAD], 10_000);
    assert_eq!(ms(later[0].end), 10_240);
}

#[test]
fn a_word_after_a_pause_does_not_begin_in_it() {
    let mut ids = vec![WORD, 1275];
    ids.extend([PAD; 100]);
    ids.extend([WORD, 1275, PAD]);
    let found = words(&ids, 0);
    let length = found[1].end.checked_sub(found[1].start).unwrap();
    assert_eq!(ms(length), 80 + 5 * 65);
}

#[test]
fn a_character_may_be_spread_over_tokens_and_interrupted() {
    // The euro sign is three bytes.
    let found = words(&[WORD, 1032, 1226, 1130, PAD, 1172, PAD], 0);
    assert_eq!(transcript(&found), "€");
    assert_eq!(transcript(&words(&[WORD, 1226, 1130], 0)), "\u{fffd}");
}

#[test]
fn markers_without_text_say_nothing() {
    assert!(words(&[WORD, WORD, PAD, 2, WORD], 0).is_empty());
    let found = words(&[WORD, PAD, WORD, 1275, 2, 1276], 0);
    assert_eq!(transcript(&found), "Hello world");
}

#[test]
fn blanks_are_counted_and_words_interrupt_them() {
    let tekken = tekken();
    let control = Control::of(&tekken).unwrap();
    let mut stream = WordStream::new(6, Duration::ZERO);
    for (id, index) in [PAD, PAD, WORD, 1275, PAD].into_iter().zip(39..) {
        let token = Token {
            id,
            index,
            log_probability: 0.0,
        };
        stream.push(token, &control, &tekken);
    }
    assert_eq!(stream.blanks(), 1);
    assert!(!stream.in_a_word());
}
