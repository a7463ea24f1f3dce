//! Every way to get a configuration wrong, and which layer wins.
#![allow(clippy::unwrap_used)]
mod sources;

use std::{
    fs,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use super::*;

/// A file in a folder of its own, gone with the value.
struct Written {
    folder: TempDir,
    sources: Sources,
}

fn written(text: &str) -> Written {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("voiced.toml");
    fs::write(&file, text).unwrap();
    let sources = Sources {
        file: Some(file),
        ..Sources::default()
    };
    Written { folder, sources }
}

/// Findings as printed, with the folder left out.
fn mistakes(written: &Written) -> Vec<String> {
    let Err(error) = load(&written.sources, Needs::ALL) else {
        return Vec::new();
    };
    let folder = format!("{}/", written.folder.path().display());
    let findings = error.findings.iter();
    findings
        .map(|finding| finding.to_string().replace(&folder, ""))
        .collect()
}

/// The part of the settings that needs nothing of the machine.
const SCRIPTED: &str = "[ear]\nengine = \"scripted\"\n";

fn check(text: &str, expected: &[&str]) {
    let written = written(&format!("{SCRIPTED}{text}"));
    assert_eq!(mistakes(&written), expected, "for {text}");
}

#[test]
fn what_is_right_is_taken() {
    check("", &[]);
    check("[turns]\nmode = \"silence\"\nsilence_ms = 300\n", &[]);
    check("[voice]\nspeed = 1\n", &[]);
    check("[turns.activity]\nstart = 0.7\n", &[]);
    check("[mind]\nopenai = { model = \"m\" }\n", &[]);
}

#[test]
fn every_mistake_has_its_place_and_its_remedy() {
    check(
        "rowz = 3\n",
        &["voiced.toml:3: ear.rowz: is not a setting; did you mean 'ear.rows'?"],
    );
    check(
        "[lisen]\naddress = \"127.0.0.1:1\"\n",
        &["voiced.toml:3: lisen: is not a setting; did you mean 'listen'?"],
    );
    check(
        "[voice]\nsilence_ms = 300\n",
        &["voiced.toml:4: voice.silence_ms: is not a setting; did you mean 'turns.silence_ms'?"],
    );
    check(
        "[voice]\nzzz = 300\n",
        &["voiced.toml:4: voice.zzz: is not a setting; \
           `voiced check --print-default` lists them all"],
    );
    check(
        "[turns]\nsilence_ms = \"long\"\nreply = 1\n",
        &[
            "voiced.toml:4: turns.silence_ms: is string, but must be a whole number from 100 to \
             10000",
            "voiced.toml:5: turns.reply: is integer, but must be true or false",
        ],
    );
    check(
        "[turns]\nsilence_ms = 20\nsure = 1.5\nmode = \"silense\"\n",
        &[
            "voiced.toml:4: turns.silence_ms: is 20, but must be a whole number from 100 to 10000",
            "voiced.toml:5: turns.sure: is 1.5, but must be a number from 0 to 1",
            "voiced.toml:6: turns.mode: is \"silense\", but must be one of \"detector\", \
             \"silence\", \"manual\"; did you mean \"silence\"?",
        ],
    );
    check(
        "[listen]\nallowed_hosts = [\"a\", 3]\naddress = \"\"\n",
        &[
            "voiced.toml:4: listen.allowed_hosts: is array, but must be a list of texts: \
             [\"a\", \"b\"]",
            "voiced.toml:5: listen.address: is empty, but must be a text in quotes that is not \
             empty",
        ],
    );
    check(
        "[mind]\nopenai = 3\n",
        &["voiced.toml:4: mind.openai: is a section: write it as [mind.openai]"],
    );
}

#[test]
fn settings_that_contradict_each_other_are_found_where_they_were_made() {
    check(
        "[turns]\nat_least_ms = 900\npatience_ms = 500\n",
        &[
            "voiced.toml:4: turns.at_least_ms: 900 ms is longer than turns.patience_ms, 500 ms, \
           which ends every turn",
        ],
    );
    check(
        "[voice]\nvoice = \"nobody\"\n",
        &["voiced.toml:4: voice.voice: there is no voice \"nobody\"; there are slt, rms, awb"],
    );
    check(
        "[voice]\nengine = \"voxtrall\"\n",
        &[
            "voiced.toml:4: voice.engine: is \"voxtrall\", but must be one of \"flite\", \
             \"voxtral\", \"openai\", \"mistral\", \"tone\"; did you mean \"voxtral\"?",
        ],
    );
    check(
        "[voice]\nengine = \"voxtral\"\n[voice.voxtral]\nmodel = \"./none\"\nencoder = \"e\"\n\
         pronunciations = \"p\"\nnormalise = false\n",
        &[
            "voiced.toml:6: voice.voxtral.model: there is no model in ./none: get it with \
             `voiced models fetch voxtral-tts` (its weights are CC BY-NC 4.0: for non-commercial \
             use only), name the folder of one, or choose another voice.engine",
            "voiced.toml:7: voice.voxtral.encoder: there is no file e",
            "voiced.toml:8: voice.voxtral.pronunciations: has no effect while \
             voice.voxtral.normalise is off: leave one of them",
        ],
    );
    check(
        "[voice]\nengine = \"mistral\"\n[voice.mistral]\nkey_env = \"NONE\"\n\
         extra_json = \"3\"\n[voice.remote]\nconnect_within_ms = 20000\n",
        &[
            "built-in default: voice.voice: this engine has no first voice: name one that the \
             server has, which `voiced voices list` tells",
            "voiced.toml:6: voice.mistral.key_env: the environment variable NONE is not set or \
             empty: put the key in it",
            "voiced.toml:7: voice.mistral.extra_json: must be a JSON object: it is none",
            "voiced.toml:9: voice.remote.connect_within_ms: 20000 ms is longer than \
             voice.remote.first_sound_within_ms, 10000 ms, which includes it",
        ],
    );
    check(
        "[turns.activity]\nstop = 0.6\n",
        &[
            "voiced.toml:4: turns.activity.stop: 0.6 must be less than turns.activity.start, 0.5, \
           or a voice in between flickers",
        ],
    );
    check(
        "[webrtc]\naddresses = [\"0.0.0.0\"]\npublic_addresses = [\"192.0.2.1\", \"home\"]\n",
        &[
            "voiced.toml:4: webrtc.addresses: name the addresses one by one, or none at all for \
             every one of the machine",
            "voiced.toml:5: webrtc.public_addresses: \"home\" is not an IP address, such as \
             203.0.113.7",
        ],
    );
    check(
        "[listen]\naddress = \"localhost\"\nallowed_origins = [\"example.com\"]\n",
        &[
            "voiced.toml:4: listen.address: \"localhost\" is not an address with a port, such as \
             127.0.0.1:8080 or [::1]:8080",
            "voiced.toml:5: listen.allowed_origins: \"example.com\" is not an origin: write the \
             scheme and the host, such as https://example.com, and nothing after it",
        ],
    );
}

#[test]
fn files_and_variables_that_are_missing_are_found() {
    let written = written(
        "[ear.pocketsphinx]\nmodel = \"nowhere\"\n\n[mind]\nengine = \"openai\"\n\
         openai.key_env = \"CHAT_KEY\"\n\n[listen]\napi_keys_env = \"KEYS\"\n\n\
         [personas]\ndirectory = \"people\"\n",
    );
    assert_eq!(
        mistakes(&written),
        [
            "people: cannot be read: No such file or directory (os error 2)",
            "voiced.toml:2: ear.pocketsphinx.model: there is no nowhere/en-us/mdef: install the \
             package pocketsphinx-en-us, name the folder of another model, or choose another \
             ear.engine",
            "voiced.toml:6: mind.openai.key_env: the environment variable CHAT_KEY is not set or \
             empty: put the key in it",
            "voiced.toml:9: listen.api_keys_env: the environment variable KEYS is not set or \
             empty: put the key in it",
        ]
    );
    let needs = Needs::default();
    assert!(
        load(&written.sources, needs).is_ok(),
        "nothing of it is needed"
    );
}

#[test]
fn mistakes_in_personas_are_found_with_those_of_the_file() {
    let written = written(&format!(
        "{SCRIPTED}[personas]\ndirectory = \"people\"\ndefault = \"zoe\"\ntime_zone = \"mars\"\n"
    ));
    let folder = written.folder.path().join("people");
    fs::create_dir(&folder).unwrap();
    fs::write(
        folder.join("a.toml"),
        "name = \"ann\"\ninstructions = \"Be kind.\"\n",
    )
    .unwrap();
    assert_eq!(
        mistakes(&written),
        [
            "built-in default: mind.engine: \"scripted\" needs a script, and the persona 'ann' has \
             none",
            "voiced.toml:5: personas.default: there is no 'zoe'; there are ann",
            "voiced.toml:6: personas.time_zone: 'mars' is no time zone: write local, utc or a \
             distance from UTC such as +02:00",
        ]
    );
    fs::write(folder.join("b.toml"), "name = \"bob\"\nvoise = \"slt\"\n").unwrap();
    let found = mistakes(&written).join("\n");
    assert!(found.contains("people/b.toml:2: "), "{found}");
}

#[test]
fn the_default_persona_comes_first() {
    let chosen = written(&format!(
        "{SCRIPTED}[personas]\ndefault = \"storyteller\"\n"
    ));
    let names = |sources: &Sources| -> Vec<String> {
        let personas = load(sources, Needs::ALL).unwrap().config.personas;
        personas
            .all
            .into_iter()
            .map(|persona| persona.name)
            .collect()
    };
    let told = names(&chosen.sources);
    assert_eq!(told[0], "storyteller");
    let mut built_in = names(&written(SCRIPTED).sources);
    assert_ne!(built_in[0], "storyteller");
    built_in.sort();
    let mut sorted = told;
    sorted.sort();
    assert_eq!(sorted, built_in, "nobody is lost");
}

#[test]
fn a_broken_file_says_where() {
    let broken = written("[listen]\naddress = \n");
    let found = mistakes(&broken);
    assert!(found[0].starts_with("voiced.toml:2: "), "{found:?}");
    let absent = Sources {
        file: Some(PathBuf::from("no/such/file.toml")),
        ..Sources::default()
    };
    let error = load(&absent, Needs::default()).unwrap_err();
    assert_eq!(error.findings.len(), 1);
    assert!(
        error
            .to_string()
            .contains("--config: cannot read no/such/file.toml")
    );
}

#[test]
fn the_defaults_are_those_of_the_parts() {
    let loaded = load(&Sources::default(), Needs::default()).unwrap();
    assert_eq!(loaded.config.turns, TurnPolicy::default());
    assert_eq!(loaded.config.activity, ActivityPolicy::default());
}

#[test]
fn there_is_a_row_of_every_engine_for_every_call() {
    let calls = |text: &str| {
        let written = written(&format!("[ear]\nengine = \"scripted\"\nrows = 30\n{text}"));
        let needs = Needs::default();
        load(&written.sources, needs).unwrap().config.n_calls()
    };
    assert_eq!(calls(""), 28, "two are spare");
    assert_eq!(calls("[listen]\nmax_calls = 7\n"), 7);
    assert_eq!(calls("[voice]\nrows = 5\n"), 5);
    assert_eq!(
        calls("[voice]\nengine = \"voxtral\"\nvoxtral.rows = 3\n"),
        3
    );
}

#[test]
fn the_file_of_defaults_is_the_one_that_is_printed_and_means_the_defaults() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/default.toml");
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == print::defaults(),
        "configs/default.toml is old: `voiced check --print-default > configs/default.toml`"
    );
    let sources = Sources {
        file: Some(path),
        ..Sources::default()
    };
    let (raw, findings) = layers::merge(&sources);
    assert!(findings.into_result(()).is_ok());
    let mut expected = raw::RawConfig::default();
    // The only relative path among the defaults would change by being written in a file.
    expected.ear.pocketsphinx.model = raw.ear.pocketsphinx.model.clone();
    assert_eq!(raw, expected);
}

#[test]
fn every_example_is_a_setting_that_would_be_taken() {
    for section in raw::SECTIONS {
        for key in section.keys.iter().filter(|key| key.example.is_some()) {
            let example = key.example.unwrap();
            let sources = written(&format!("[{}]\n{} = {example}\n", section.path, key.name));
            let (_, findings) = layers::merge(&sources.sources);
            assert!(
                findings.into_result(()).is_ok(),
                "{}.{}",
                section.path,
                key.name
            );
        }
    }
}

#[test]
fn every_configuration_in_the_folder_is_right() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs");
    let mut n_read = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            let sources = Sources {
                file: Some(path),
                ..Sources::default()
            };
            let needs = Needs {
                ear: false,
                voice: false,
                ..Needs::ALL
            };
            load(&sources, needs).unwrap();
            n_read += 1;
        }
    }
    assert!(n_read >= 2, "default.toml and cpu.toml at least");
}
