//! Texts in many languages and scripts, tokenised as mistral-common does with the whole public
//! vocabulary. The fixture holds the entries that the texts can touch, at their own ranks, and is
//! made by `scripts/golden/tekken.py`; `VOICED_TEKKEN` names a whole `tekken.json` to try as well.
#![allow(clippy::unwrap_used, clippy::print_stdout)]
use std::path::Path;

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde::Deserialize;
use serde_json::json;
use voiced_nn::tekken::Tekken;
use voiced_tts::voxtral::Prompt;

#[derive(Deserialize)]
struct Fixture {
    pattern: String,
    /// Entries of the whole vocabulary that have ids.
    reachable: usize,
    /// Rank and bytes in base64.
    vocab: Vec<(usize, String)>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    text: String,
    ids: Vec<u32>,
}

fn fixture() -> Fixture {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tokens/tekken.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// The whole vocabulary, with entries that no text can contain where the fixture has none.
fn tekken(fixture: &Fixture) -> Tekken {
    let mut tokens: Vec<String> = (0..fixture.reachable)
        .map(|rank| {
            BASE64.encode(format!("\u{1}{rank}").into_bytes().iter().fold(
                vec![0xff, 0xfe],
                |mut bytes, byte| {
                    bytes.push(*byte);
                    bytes
                },
            ))
        })
        .collect();
    for (rank, bytes) in &fixture.vocab {
        tokens[*rank] = bytes.clone();
    }
    let vocab = tokens.iter().enumerate();
    let vocab = vocab.map(|(rank, bytes)| json!({"rank": rank, "token_bytes": bytes}));
    let json = json!({
        "config": {
            "pattern": fixture.pattern,
            "num_vocab_tokens": fixture.reachable,
            "default_vocab_size": fixture.reachable + 1_000,
            "default_num_special_tokens": 1_000,
            "version": "v3",
        },
        "vocab": vocab.collect::<Vec<_>>(),
        "special_tokens": null,
    });
    Tekken::from_json(json.to_string().as_bytes()).unwrap()
}

fn compare(tekken: &Tekken, fixture: &Fixture) {
    for case in &fixture.cases {
        assert_eq!(tekken.encode(&case.text), case.ids, "{:?}", case.text);
    }
}

#[test]
fn texts_of_many_languages_get_mistral_common_s_ids() {
    let fixture = fixture();
    assert!(fixture.cases.len() >= 70, "{} cases", fixture.cases.len());
    let tekken = tekken(&fixture);
    assert_eq!(tekken.vocab_size(), 131_072);
    compare(&tekken, &fixture);
    // The vectors that a port recorded with the model's own file.
    for (text, ids) in [
        ("Hello.", vec![22177, 1046]),
        (
            "Paris is a beautiful city!",
            vec![42572, 1395, 1261, 15568, 5970, 1033],
        ),
        (
            "مرحبا كيف حالك؟",
            vec![4341, 1708, 26986, 24675, 17086, 1559, 6944],
        ),
    ] {
        assert_eq!(tekken.encode(text), ids, "{text}");
    }
    // The published prompt of the specification: 147 rows of casual_male, 158 ids in all.
    let ids = Prompt::new(tekken).ids(147, "Paris is a beautiful city!");
    assert_eq!(ids.len(), 158);
    assert_eq!((&ids[..3], ids[149]), (&[1, 25, 24][..], 36));
    assert_eq!(ids[156..], [35, 25]);
}

#[test]
fn the_whole_vocabulary_agrees_where_it_is_given() {
    let Some(path) = std::env::var_os("VOICED_TEKKEN") else {
        println!("skipped: VOICED_TEKKEN names no tekken.json");
        return;
    };
    compare(&Tekken::open(Path::new(&path)).unwrap(), &fixture());
}
