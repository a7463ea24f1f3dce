//! Where settings come from, which of them win, and that secrets are shown by none.
use super::*;

#[test]
fn flags_win_over_the_environment_over_the_file_over_defaults() {
    let mut written = written("[turns]\nsilence_ms = 300\npatience_ms = 900\nat_least_ms = 200\n");
    let sources = &mut written.sources;
    sources.environment = [
        ("VOICED__TURNS__SILENCE_MS", "400"),
        ("VOICED__TURNS__PATIENCE_MS", "1000"),
        ("VOICED__LISTEN__ALLOWED_HOSTS", "a.example, b.example"),
        ("VOICED_TEST_AUDIO", "not a setting"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    let flag = |key: &str, value: &str| ("--set".to_owned(), key.to_owned(), value.to_owned());
    sources.flags = vec![flag("turns.silence_ms", "600")];
    let loaded = load(&written.sources, Needs::default()).unwrap();
    assert_eq!(loaded.raw.turns.silence_ms, 600, "the flag");
    assert_eq!(loaded.raw.turns.patience_ms, 1_000, "the environment");
    assert_eq!(loaded.raw.turns.at_least_ms, 200, "the file");
    assert_eq!(loaded.raw.turns.final_within_ms, 1_500, "the default");
    assert_eq!(loaded.raw.listen.allowed_hosts, ["a.example", "b.example"]);
    let origin = &loaded.origins["turns.patience_ms"];
    assert_eq!(
        *origin,
        Origin::Variable("VOICED__TURNS__PATIENCE_MS".into())
    );
}

#[test]
fn mistakes_in_the_environment_and_the_flags_are_found_too() {
    let flag = |key: &str, value: &str| ("--set".to_owned(), key.to_owned(), value.to_owned());
    let sources = Sources {
        environment: [("VOICED__TURNS__SILENC_MS".to_owned(), "400".to_owned())].into(),
        flags: vec![flag("turns.reply", "perhaps"), flag("drain", "3")],
        ..Sources::default()
    };
    let error = load(&sources, Needs::default()).unwrap_err();
    let found: Vec<_> = error.findings.iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "environment variable VOICED__TURNS__SILENC_MS: turns.silenc_ms: is not a setting; \
             did you mean 'turns.silence_ms'?",
            "--set: drain: is a section: name one of its settings",
            "--set: turns.reply: must be true or false",
        ]
    );
}

#[test]
fn only_a_loopback_listener_goes_without_keys() {
    let listen = |address: &str, keys: Option<&str>| {
        let flag = |key: &str, value: &str| ("--listen".into(), key.into(), value.into());
        let mut flags = vec![flag("listen.address", address)];
        let mut environment = BTreeMap::new();
        if let Some(keys) = keys {
            flags.push(flag("listen.api_keys_env", "KEYS"));
            environment.insert("KEYS".to_owned(), keys.to_owned());
        }
        let needs = Needs {
            listener: true,
            ..Needs::default()
        };
        let sources = Sources {
            file: None,
            environment,
            flags,
        };
        load(&sources, needs).map(|loaded| loaded.config.listen.keys)
    };
    for open in ["0.0.0.0:80", "[::]:80", "192.0.2.1:8080"] {
        let error = listen(open, None).unwrap_err();
        assert_eq!(error.findings.len(), 1);
        assert!(
            error.to_string().contains("so it needs API keys"),
            "{error}"
        );
        assert!(listen(open, Some(" , ")).is_err(), "blanks are no keys");
        let Ok(ApiKeys::OneOf(keys)) = listen(open, Some("one, two")) else {
            panic!("keys open it");
        };
        let keys: Vec<_> = keys.iter().map(Secret::reveal).collect();
        assert_eq!(keys, ["one", "two"]);
    }
    for loopback in ["127.0.0.1:0", "[::1]:80", "127.0.0.2:80"] {
        assert!(matches!(listen(loopback, None), Ok(ApiKeys::Anybody)));
    }
}

#[test]
fn no_output_shows_a_secret() {
    let mut right = written(&format!(
        "{SCRIPTED}[listen]\napi_keys_env = \"KEYS\"\n[mind.openai]\nkey_env = \"CHAT\"\n"
    ));
    right.sources.environment = [("KEYS".to_owned(), "hush-hush".to_owned())].into();
    let loaded = load(&right.sources, Needs::ALL).unwrap();
    let printed = print::effective(&loaded.raw, &loaded.origins, &right.sources.environment);
    assert!(
        printed.contains("api_keys_env = \"KEYS\"  # KEYS is ***"),
        "{printed}"
    );
    assert!(
        printed.contains("key_env = \"CHAT\"  # CHAT is not set"),
        "{printed}"
    );
    let debugged = format!("{:?}", loaded.config);
    assert!(!printed.contains("hush") && !debugged.contains("hush"));

    // The same for the voice, whose key must not travel in the open either.
    let mut speech = written(
        "[voice]\nengine = \"openai\"\n[voice.openai]\nkey_env = \"SPEECH\"\n\
         base_url = \"http://speech.example/v1\"\n",
    );
    let key = ("SPEECH".to_owned(), "hush".to_owned());
    speech.sources.environment.extend([key]);
    let found = mistakes(&speech).join("\n");
    assert!(found.contains("voice.openai.base_url: the speech server: speech.example would be sent a key over plain HTTP"), "{found}");
    assert!(!found.contains("hush"), "{found}");

    let wrong = written(
        "[mind.openai]\nkey_env = \"sk-hush\"\nbase_url = \"http://me:hush@host/v1\"\n\
         [mind]\nengine = \"openai\"\n",
    );
    let found = mistakes(&wrong).join("\n");
    assert!(found.contains("not the secret itself"), "{found}");
    assert!(
        found.contains("base_url: the chat server: the base URL"),
        "{found}"
    );
    assert!(!found.contains("hush"), "{found}");
}
