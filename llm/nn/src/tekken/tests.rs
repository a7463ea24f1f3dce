//! A miniature vocabulary by hand, and the cases `scripts/golden/tekken.py` recorded with
//! mistral-common.
#![allow(clippy::unwrap_used)]
use serde_json::{Value, json};

use super::*;

fn small() -> Value {
    let mut pieces: Vec<Vec<u8>> = (0..=255u8).map(|b| vec![b]).collect();
    for piece in ["he", "ll", "hell", "lo", " w", "€"] {
        pieces.push(piece.as_bytes().to_vec());
    }
    let vocab: Vec<Value> = pieces
        .iter()
        .enumerate()
        .map(
            |(rank, p)| json!({"rank": rank, "token_bytes": STANDARD.encode(p), "token_str": null}),
        )
        .collect();
    json!({
        "config": {"pattern": r" ?\S+|\s+", "num_vocab_tokens": vocab.len(),
                   "default_vocab_size": 10 + vocab.len(), "default_num_special_tokens": 10,
                   "version": "v7"},
        "vocab": vocab,
        "special_tokens": [{"rank": 0, "token_str": "<unk>", "is_control": true},
                           {"rank": 3, "token_str": "[X]", "is_control": true}],
    })
}

fn load(value: &Value) -> Result<Tekken, String> {
    Tekken::from_json(value.to_string().as_bytes())
}

#[test]
fn the_lowest_rank_merges_first_and_leftmost() {
    let tekken = load(&small()).unwrap();
    let id = |b: u8| 10 + u32::from(b);
    // "he", then "ll", then "hell"; the "o" is left although "lo" has a rank.
    assert_eq!(tekken.encode("hello"), [10 + 258, id(b'o')]);
    assert_eq!(tekken.encode("lllo"), [10 + 257, 10 + 259]);
    assert_eq!(
        tekken.encode("a wé"),
        [id(b'a'), 10 + 260, id(0xc3), id(0xa9)]
    );
    assert!(tekken.encode("").is_empty());
}

#[test]
fn decoding_joins_characters_across_specials() {
    let tekken = load(&small()).unwrap();
    let ids = [3, 10 + 0xe2, 0, 10 + 0x82, 3, 10 + 0xac, 10 + 260, 99_999];
    assert_eq!(tekken.decode(&ids), "€ w");
    assert!(tekken.is_special(9) && !tekken.is_special(10));
    assert_eq!(tekken.special("[X]"), Some(3));
    assert_eq!(tekken.special("[Y]"), None);
    assert_eq!(tekken.vocab_size(), 272);
}

#[test]
fn early_files_without_a_list_have_the_known_specials() {
    let mut file = small();
    file["special_tokens"] = Value::Null;
    file["config"]["default_num_special_tokens"] = json!(30);
    file["config"]["default_vocab_size"] = json!(30 + 262);
    for (version, known) in [("v3", true), ("v7", true), ("v11", false), ("", false)] {
        file["config"]["version"] = json!(version);
        match load(&file) {
            Ok(tekken) => assert!(known && tekken.special("[TOOL_CONTENT]") == Some(19)),
            Err(what) => assert!(!known && what.contains("without a list"), "{what}"),
        }
    }
}

#[test]
fn unused_entries_are_left_out() {
    let mut file = small();
    file["config"]["default_vocab_size"] = json!(10 + 258);
    let tekken = load(&file).unwrap();
    assert_eq!(tekken.vocab_size(), 268);
    assert_eq!(tekken.encode("lo").len(), 2);
}

#[test]
fn wrong_files_say_what_is_wrong() {
    let broken = |change: &dyn Fn(&mut Value)| {
        let mut file = small();
        change(&mut file);
        load(&file).unwrap_err()
    };
    assert!(
        broken(&|f| f["vocab"][9]["rank"] = json!(8)).contains("entry 8 is empty or there twice")
    );
    assert!(broken(&|f| f["vocab"][9]["token_bytes"] = json!("***")).contains("entry 9"));
    assert!(broken(&|f| f["config"]["default_vocab_size"] = json!(900)).contains("262 entries"));
    assert!(broken(&|f| f["config"]["pattern"] = json!("(")).contains("pattern"));
    assert!(broken(&|f| f["special_tokens"][1]["rank"] = json!(10)).contains("[X]"));
    assert!(Tekken::from_json(b"{}").is_err());
    let error = Tekken::open(Path::new("/nowhere/tekken.json")).unwrap_err();
    assert!(error.to_string().contains("/nowhere/tekken.json"));
}

#[test]
fn long_runs_end_soon() {
    let tekken = load(&small()).unwrap();
    for text in [
        "l".repeat(200_000),
        " ".repeat(200_000),
        "hel".repeat(60_000),
    ] {
        assert_eq!(tekken.decode(&tekken.encode(&text)), text);
    }
}

fn check_recorded(tekken: &Tekken, cases: &Value) {
    for case in cases.as_array().unwrap() {
        let text = case["text"].as_str().unwrap();
        let ids: Vec<u32> = serde_json::from_value(case["ids"].clone()).unwrap();
        assert_eq!(tekken.encode(text), ids, "{text:?}");
        assert_eq!(tekken.decode(&ids), text);
    }
}

#[test]
fn mistral_common_s_ids_are_ours() {
    let recorded = include_bytes!("../../tests/tekken/recorded.json");
    let recorded: Value = serde_json::from_slice(recorded).unwrap();
    let tekken = load(&recorded["tekken"]).unwrap();
    assert!(recorded["cases"].as_array().unwrap().len() > 50);
    check_recorded(&tekken, &recorded["cases"]);
}

/// The published files are too large to keep; the script writes the cases of any of them.
#[test]
fn a_published_file_when_one_is_given() {
    let Some(path) = std::env::var_os("VOICED_TEKKEN_CASES") else {
        println!("skipped: VOICED_TEKKEN_CASES names no file written by scripts/golden/tekken.py");
        return;
    };
    let recorded: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    for file in recorded["files"].as_array().unwrap() {
        let tekken = Tekken::open(Path::new(file["path"].as_str().unwrap())).unwrap();
        check_recorded(&tekken, &file["cases"]);
    }
}
