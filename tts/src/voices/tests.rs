//! Voices: read, added, removed, refused.
#![allow(clippy::unwrap_used)]
use std::path::Path;

use super::*;
use crate::voxtral::Config;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn voices(added: Option<&Path>) -> Voices {
    let names = ["tiny_a".to_owned(), "tiny_b".to_owned()];
    Voices::new(&golden(), &names, 64, added.map(Path::to_owned))
}

fn flat(x: &Tensor) -> Vec<f32> {
    x.flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn presets_are_the_reference_s() {
    let voices = voices(None);
    let file = std::fs::read(golden().join("golden.safetensors")).unwrap();
    let golden = safetensors::SafeTensors::deserialize(&file).unwrap();
    for (request, name, rows) in [(0, "tiny_a", 10), (1, "TINY_B", 7)] {
        let got = voices.rows(name).unwrap();
        assert_eq!(got.dims(), [rows, 64]);
        let want = golden.tensor(&format!("req{request}.voice")).unwrap();
        let (want, _) = want.data().as_chunks::<2>();
        let want: Vec<f32> = want
            .iter()
            .map(|b| half::bf16::from_le_bytes(*b).to_f32())
            .collect();
        assert_eq!(flat(&got), want);
    }
    assert!(voices.contains("tiny_a") && !voices.contains("tiny"));
}

#[test]
fn the_published_voices_and_their_languages() {
    let config = Config::published();
    let voices = Voices::new(Path::new("."), &config.voices, 3072, None).list();
    assert_eq!(voices.len(), 20);
    let of = |code| voices.iter().filter(|v| v.language == Some(code)).count();
    let counts: Vec<usize> = LANGUAGES.into_iter().map(of).collect();
    assert_eq!(counts, [5, 2, 2, 2, 2, 2, 2, 1, 2]);
    assert_eq!(voices[0].name, "casual_female");
}

#[test]
fn voices_are_added_listed_spoken_with_and_removed() {
    let directory = tempfile::tempdir().unwrap();
    let added = directory.path().join("voices");
    let voices = voices(Some(&added));
    let rows = voices.rows("tiny_a").unwrap();
    let voice = voices.add("fr_anna", &rows).unwrap();
    assert_eq!(voice.language, Some("fr"));
    assert_eq!(voices.list().last().unwrap(), &voice);
    assert_eq!(flat(&voices.rows("fr_anna").unwrap()), flat(&rows));
    // Another catalogue over the same files, as after a restart.
    assert_eq!(
        flat(&self::voices(Some(&added)).rows("fr_anna").unwrap()),
        flat(&rows)
    );
    assert!(matches!(
        voices.add("fr_anna", &rows),
        Err(VoiceError::Taken(_))
    ));
    voices
        .add_file("copy", &added.join("fr_anna.safetensors"))
        .unwrap();
    voices.remove("fr_anna").unwrap();
    assert!(matches!(
        voices.rows("fr_anna"),
        Err(VoiceError::Unknown { .. })
    ));
    assert!(matches!(
        voices.remove("fr_anna"),
        Err(VoiceError::Unknown { .. })
    ));
    assert_eq!(voices.list().len(), 3);
}

#[test]
fn a_name_is_never_a_path_and_presets_stay() {
    let directory = tempfile::tempdir().unwrap();
    let voices = voices(Some(directory.path()));
    let rows = voices.rows("tiny_a").unwrap();
    for name in [
        "",
        "../x",
        "a/b",
        "a.b",
        "Anna",
        "ä",
        "a\0",
        &"x".repeat(65),
    ] {
        assert!(
            matches!(voices.add(name, &rows), Err(VoiceError::BadName(_))),
            "{name}"
        );
        assert!(voices.rows(name).is_err() && voices.remove(name).is_err());
    }
    assert!(matches!(
        voices.add("tiny_b", &rows),
        Err(VoiceError::Preset(_))
    ));
    assert!(matches!(
        voices.remove("tiny_b"),
        Err(VoiceError::Preset(_))
    ));
    let unknown = voices.rows("nobody").unwrap_err().to_string();
    assert!(unknown.contains("tiny_a, tiny_b"), "{unknown}");
    let nowhere = self::voices(None);
    assert!(matches!(
        nowhere.add("anna", &rows),
        Err(VoiceError::NoDirectory)
    ));
}

#[test]
fn files_that_are_no_voices_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let voices = voices(Some(directory.path()));
    let rows = voices.rows("tiny_a").unwrap();
    let narrow = rows.narrow(1, 0, 32).unwrap().contiguous().unwrap();
    assert!(matches!(
        voices.add("narrow", &narrow),
        Err(VoiceError::Unfit { .. })
    ));
    let nothing = (rows.as_ref() * f64::NAN).unwrap();
    assert!(matches!(
        voices.add("nothing", &nothing),
        Err(VoiceError::Unfit { .. })
    ));
    let long = rows.repeat((40, 1)).unwrap().contiguous().unwrap();
    assert!(matches!(
        voices.add("long", &long),
        Err(VoiceError::Unfit { .. })
    ));
    // Whatever lies in the directory is listed by name and judged when it is wanted.
    std::fs::write(directory.path().join("junk.safetensors"), b"junk").unwrap();
    assert!(voices.list().iter().any(|v| v.name == "junk"));
    assert!(matches!(voices.rows("junk"), Err(VoiceError::Weights(_))));
    let many = golden().join("encoder.safetensors");
    assert!(matches!(
        voices.load_file(&many),
        Err(VoiceError::Unfit { .. })
    ));
}

/// No prefix and no flipped byte of a preset's file makes the reader panic, and what it gives is
/// always whole rows.
#[test]
fn broken_archives_are_refused_without_a_panic() {
    let file = std::fs::read(golden().join("voice_embedding/tiny_b.pt")).unwrap();
    assert_eq!(read_rows(&file, 64).unwrap().len(), 7 * 64);
    for len in 0..file.len() {
        assert!(
            read_rows(&file[..len], 64).is_err(),
            "the first {len} bytes"
        );
    }
    for at in 0..file.len() {
        let mut broken = file.clone();
        broken[at] ^= 0xff;
        if let Ok(rows) = read_rows(&broken, 64) {
            assert!(rows.len().is_multiple_of(64));
        }
    }
    assert_eq!(
        read_rows(&file, 50),
        Err(TorchError::Size {
            bytes: 7 * 128,
            dim: 50
        })
    );
    let mut typed = file.clone();
    let at = file.windows(8).position(|w| w == b"BFloat16").unwrap();
    typed[at..at + 8].copy_from_slice(b"XFloat16");
    assert_eq!(read_rows(&typed, 64), Err(TorchError::NotBf16));
}
