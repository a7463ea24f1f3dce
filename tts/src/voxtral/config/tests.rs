//! What is read from params.json, and what is refused.
#![allow(clippy::unwrap_used)]
use super::*;

const TINY: &str = include_str!("../../../tests/golden/params.json");

#[test]
fn derived_sizes_are_those_of_the_published_model() {
    let config = Config::published();
    assert_eq!(config.semantic_rows(), 8320);
    assert_eq!(config.audio_rows(), 9088);
    assert_eq!(config.codebooks(), 37);
    let offsets = config.code_offsets();
    assert_eq!((offsets[0], offsets[1], offsets[2]), (0, 8194, 8217));
    assert_eq!(config.codec.samples(), 1920);
}

#[test]
fn windows_double_on_the_way_up_and_halve_on_the_way_down() {
    let config = Config::from_json(TINY.as_bytes()).unwrap();
    let windows = |stages: &[StageConfig]| stages.iter().map(|s| s.window).collect::<Vec<_>>();
    assert_eq!(windows(&config.codec.encoder), [16, 8, 4, 2]);
    assert_eq!(windows(&config.codec.decoder), [2, 4, 8, 16]);
    assert_eq!(windows(&CodecConfig::published().decoder), [2, 4, 8, 16]);
    assert_eq!(config.voices, ["tiny_a", "tiny_b"]);
    assert_eq!(config.steps, 7);
}

#[test]
fn another_model_is_refused_by_what_differs() {
    let refused = |from: &str, to: &str| {
        let json = TINY.replacen(from, to, 1);
        assert_ne!(json, TINY, "{from}");
        Config::from_json(json.as_bytes()).unwrap_err()
    };
    assert!(
        refused(
            "\"causal\": true,\n            \"attn",
            "\"causal\": false,\n            \"attn"
        )
        .contains("a causal codec")
    );
    let rate = "\"channels\": 1,\n            \"sampling_rate\": ";
    let found = refused(&format!("{rate}24000"), &format!("{rate}16000"));
    assert!(found.contains("24 kHz"), "{found}");
    assert!(refused("audio_tokenizer_args", "other_args").contains("audio_tokenizer_args"));
    assert!(refused("\"n_heads\": 4", "\"n_heads\": 3").contains("backbone"));
    assert!(refused("\"2,2,2,2\"", "\"2,x\"").contains("2,x"));
    assert!(Config::from_json(b"{}").is_err());
}
