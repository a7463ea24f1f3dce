//! Voxtral Realtime and recognisers elsewhere as they are configured, and every wrong folder with
//! its one sentence.
#![allow(clippy::unwrap_used)]
use std::fs;

use tempfile::TempDir;

use super::*;
use crate::config::{Sources, load};

fn golden() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../asr/tests/golden")
}

/// A copy of files of the tiny checkpoint.
fn copy(files: &[&str]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for file in files {
        fs::copy(golden().join(file), folder.path().join(file)).unwrap();
    }
    folder
}

const MISTRAL: [&str; 3] = ["params.json", "consolidated.safetensors", "tekken.json"];

fn sources(settings: &[(&str, &str)], environment: &[(&str, &str)]) -> Sources {
    let own = |(key, value): &(&str, &str)| ("--set".to_owned(), (*key).into(), (*value).into());
    Sources {
        file: None,
        environment: environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        flags: settings.iter().map(own).collect(),
    }
}

fn mistakes(settings: &[(&str, &str)]) -> Vec<String> {
    match load(&sources(settings, &[]), Needs::ALL) {
        Ok(_) => Vec::new(),
        Err(error) => error.findings.iter().map(|f| f.to_string()).collect(),
    }
}

/// The one mistake of a folder.
fn mistake(folder: &Path, more: &[(&str, &str)]) -> String {
    let model = format!("{}/", folder.display());
    let mut settings = vec![("ear.engine", "voxtral"), ("ear.voxtral.model", &model)];
    settings.extend(more);
    let mut all = mistakes(&settings);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

#[test]
fn a_sound_folder_in_either_layout_is_taken() {
    let hf = copy(&["config.json", "model.safetensors", "tekken.json"]);
    for folder in [copy(&MISTRAL), hf] {
        let model = format!("{}/", folder.path().display());
        let settings = [
            ("ear.engine", "voxtral"),
            ("ear.voxtral.model", model.as_str()),
            ("ear.voxtral.weights", "q4"),
            ("ear.voxtral.delay_ms", "960"),
            ("ear.rows", "5"),
        ];
        let config = load(&sources(&settings, &[]), Needs::ALL).unwrap().config;
        let EarEngine::Voxtral(ear) = &config.ear.engine else {
            panic!("it was asked for");
        };
        assert_eq!((ear.options.delay, ear.context), (12, 8192));
        let (_, formats, plan) = ear.open(5).unwrap();
        assert_eq!(formats.decoder, Format::Q4);
        assert_eq!((plan.rows, plan.spares), (5, 2));
    }
}

#[test]
fn a_model_that_is_not_there_is_named_with_the_command_that_gets_it() {
    let environment = [("XDG_DATA_HOME", "/no/such")];
    let sources = sources(&[("ear.engine", "voxtral")], &environment);
    let error = load(&sources, Needs::ALL).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("there is no /no/such/voiced/models/voxtral-realtime: get it with `voiced"),
        "{text}"
    );
}

#[test]
fn every_wrong_folder_has_one_sentence() {
    let truncated = copy(&MISTRAL);
    let weights = truncated.path().join("consolidated.safetensors");
    let whole = fs::read(&weights).unwrap();
    fs::write(&weights, &whole[..whole.len() / 2]).unwrap();

    let mixed = copy(&["params.json", "tekken.json"]);
    let hf = golden().join("model.safetensors");
    fs::copy(hf, mixed.path().join("consolidated.safetensors")).unwrap();

    let other = copy(&MISTRAL);
    let params = other.path().join("params.json");
    let text = fs::read_to_string(&params).unwrap();
    let text = text.replace(
        "\"ada_rms_norm_t_cond\": true",
        "\"ada_rms_norm_t_cond\": false",
    );
    fs::write(&params, text).unwrap();

    let table = [
        (truncated, "truncated"),
        (mixed, "Hugging Face"),
        (other, "not a Voxtral Realtime model"),
        (copy(&MISTRAL[..2]), "no tekken.json"),
        (copy(&MISTRAL[2..]), "expected consolidated.safetensors"),
    ];
    for (folder, part) in table {
        let said = mistake(folder.path(), &[]);
        assert!(said.contains(part) && !said.contains('\n'), "{said}");
        assert!(said.starts_with("--set: ear.voxtral.model: "), "{said}");
    }
}

#[test]
fn what_does_not_fit_is_refused_with_the_numbers() {
    let folder = copy(&MISTRAL);
    let small = [("ear.voxtral.memory_gb", "0.001"), ("ear.rows", "7")];
    let said = mistake(folder.path(), &small);
    assert!(
        said.contains("7 rows of Voxtral Realtime do not fit"),
        "{said}"
    );
    assert!(said.contains("of 1.00 MB available"), "{said}");
    let less = [
        ("ear.voxtral.memory_gb", "0.01"),
        ("ear.voxtral.context_s", "10"),
    ];
    let model = format!("{}/", folder.path().display());
    let mut settings = vec![("ear.engine", "voxtral"), ("ear.voxtral.model", &*model)];
    settings.extend(less);
    assert_eq!(mistakes(&settings), [""; 0]);
}

#[test]
fn a_delay_it_was_not_made_for_is_refused() {
    let folder = copy(&MISTRAL);
    for ms in ["500", "1280", "2320"] {
        let said = mistake(folder.path(), &[("ear.voxtral.delay_ms", ms)]);
        assert!(
            said.contains("80 to 1200 in steps of 80, or 2400"),
            "{said}"
        );
    }
}

#[test]
fn a_quantised_copy_stays_what_it_is() {
    let folder = TempDir::new().unwrap();
    let checkpoint = Checkpoint::open(&golden()).unwrap();
    checkpoint
        .save(Formats::new(Format::Q8), folder.path())
        .unwrap();
    let said = mistake(folder.path(), &[("ear.voxtral.weights", "q4")]);
    assert!(said.contains("a copy quantised to q8"), "{said}");
}

#[test]
fn servers_are_checked_without_being_asked() {
    for name in ["vllm", "mistral", "openai"] {
        let url = format!("ear.{name}.base_url");
        let key = format!("ear.{name}.key_env");
        let open = [
            ("ear.engine", name),
            (url.as_str(), "http://far.example/v1"),
            (key.as_str(), "EAR_KEY"),
        ];
        let error = load(&sources(&open, &[]), Needs::ALL)
            .unwrap_err()
            .to_string();
        assert!(error.contains("EAR_KEY is not set"), "{error}");
        let error = load(&sources(&open, &[("EAR_KEY", "hush-hush")]), Needs::ALL);
        let error = error.unwrap_err().to_string();
        assert!(
            error.contains("plain HTTP") && !error.contains("hush"),
            "{error}"
        );
        let safe = [("ear.engine", name), (key.as_str(), "EAR_KEY")];
        let loaded = load(&sources(&safe, &[("EAR_KEY", "hush-hush")]), Needs::ALL).unwrap();
        assert!(!format!("{:?}", loaded.config).contains("hush"));
        assert_eq!(loaded.config.ear.engine.name(), name);
    }
}
