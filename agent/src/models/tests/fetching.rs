//! Fetching from a hub that cuts, errs, refuses and redirects, and from a folder.
use super::*;

#[tokio::test]
async fn a_model_is_fetched_whole_and_only_once() {
    let scene = Scene::new(Mood::Good).await;
    scene.fetch().await.unwrap();
    assert!(scene.is_whole());
    assert!(!scene.to().join("README.md").exists());
    assert!(scene.fake.requests_of("evil").is_empty());
    let before = scene.fake.requests_of("resolve").len();
    assert_eq!(before, 3);
    scene.fetch().await.unwrap();
    assert_eq!(scene.fake.requests_of("resolve").len(), before);
    verify::run(&scene.to()).unwrap();
    // What was lost is fetched again, alone.
    std::fs::remove_file(scene.to().join("params.json")).unwrap();
    scene.fetch().await.unwrap();
    assert!(scene.is_whole());
    assert_eq!(scene.fake.requests_of("resolve").len(), before + 1);
}

#[tokio::test]
async fn a_cut_connection_is_resumed_where_it_was_cut() {
    let scene = Scene::new(Mood::Cuts(100_000)).await;
    scene.fetch().await.unwrap();
    assert!(scene.is_whole());
    let asked = scene.fake.requests_of("consolidated");
    assert!(asked.len() >= 5, "{asked:?}");
    assert_eq!(asked[0].1, None);
    assert_eq!(asked[1].1.as_deref(), Some("bytes=100000-"));
}

#[tokio::test]
async fn a_later_run_goes_on_with_what_an_earlier_one_left() {
    let scene = Scene::new(Mood::Good).await;
    std::fs::create_dir_all(scene.to()).unwrap();
    let whole = std::fs::read(golden().join("consolidated.safetensors")).unwrap();
    let part = scene.to().join("consolidated.safetensors.partial");
    std::fs::write(&part, &whole[..77_777]).unwrap();
    scene.fetch().await.unwrap();
    assert!(scene.is_whole() && !part.exists());
    let asked = scene.fake.requests_of("consolidated");
    assert_eq!(asked[0].1.as_deref(), Some("bytes=77777-"));
    // What an earlier run left of something else is noticed by its checksum.
    std::fs::remove_file(scene.to().join("consolidated.safetensors")).unwrap();
    std::fs::write(&part, vec![9; 77_777]).unwrap();
    scene.fetch().await.unwrap();
    assert!(scene.is_whole());
}

#[tokio::test]
async fn a_hub_that_cannot_resume_begins_anew() {
    let scene = Scene::new(Mood::NoRanges).await;
    scene.fetch().await.unwrap();
    assert!(scene.is_whole());
}

#[tokio::test]
async fn a_breakdown_passes_and_damage_is_mended_once() {
    for mood in [Mood::Down(2), Mood::DamagedOnce] {
        let scene = Scene::new(mood).await;
        scene.fetch().await.unwrap();
        assert!(scene.is_whole(), "{mood:?}");
    }
}

#[tokio::test]
async fn a_wrong_checksum_leaves_no_file() {
    let scene = Scene::new(Mood::Damaged).await;
    let error = scene.error().await;
    assert!(matches!(error, HubError::Damaged { .. }), "{error}");
    let file = scene.to().join("params.json");
    assert!(!file.exists());
}

#[tokio::test]
async fn what_is_refused_or_lacking_is_said_with_what_to_do() {
    let error = Scene::new(Mood::Gated).await.error().await;
    let text = error.to_string();
    assert!(text.contains("HF_TOKEN") && text.contains("401"), "{text}");
    assert!(!text.contains("hush"), "{text}");
    for lacks in ["tekken.json", "resolved"] {
        let error = Scene::new(Mood::Lacks(lacks)).await.error().await;
        assert!(
            matches!(error, HubError::Missing { .. }),
            "{lacks}: {error}"
        );
    }
    let scene = Scene::new(Mood::Down(100)).await;
    let error = scene.error().await;
    assert!(matches!(error, HubError::Unreachable { .. }), "{error}");
    let nowhere = Models {
        hub: "http://127.0.0.1:9".to_owned(),
        ..scene.models.clone()
    };
    let hub = Hub::new(&nowhere).unwrap();
    let error = hub.files(MODEL, "main").await.unwrap_err();
    assert!(matches!(error, HubError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn a_redirect_is_followed_without_the_token() {
    let scene = Scene::new(Mood::Redirects).await;
    scene.fetch().await.unwrap();
    assert!(scene.is_whole());
    let asked = scene.fake.requests_of("resolve");
    assert!(
        asked
            .iter()
            .all(|(.., key)| key.as_deref() == Some("Bearer hf_hush"))
    );
}

#[test]
fn a_licence_that_forbids_commerce_is_agreed_to_first() {
    let (free, restricted) = (&KNOWN[0], &KNOWN[1]);
    assert!(agree(free, None).is_ok());
    assert!(agree(restricted, Some("CC-BY-NC-4.0")).is_ok());
    let refused = agree(restricted, Some("apache-2.0")).unwrap_err();
    assert!(refused.to_string().contains("cc-by-nc-4.0"), "{refused}");
    // Tests have no terminal; whoever runs them by hand may have one.
    if !terminal::can_ask() {
        let refused = agree(restricted, None).unwrap_err().to_string();
        assert!(
            refused.contains("--accept-licence cc-by-nc-4.0"),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn from_a_folder_it_is_quantised_listed_and_looked_through() {
    let folder = TempDir::new().unwrap();
    let models = Models {
        directory: folder.path().join("models"),
        hub: "http://127.0.0.1:9".to_owned(),
        ..Models::default()
    };
    let options = FetchModel {
        from: Some(golden()),
        quant: Some(Quant::Q8),
        ..wanted()
    };
    fetch::run(&options, &models).await.unwrap();
    let copy = models.directory.join("voxtral-realtime-q8");
    for there in [models.directory.join(MODEL.name), copy.clone()] {
        verify::run(&there).unwrap();
    }
    let verify::Opened::Ear(checkpoint) = verify::open(&copy).unwrap() else {
        panic!("it hears");
    };
    let packed = checkpoint.packed().unwrap();
    assert_eq!(packed.decoder, voiced_nn::matrix::Format::Q8);
    let again = quantize::run(&copy, &folder.path().join("x"), packed.decoder).unwrap_err();
    assert!(again.to_string().contains("quantised already"), "{again}");
    let listed = list(&models.directory).unwrap();
    for part in [
        "voxtral-realtime-q8",
        "Apache-2.0",
        "voxtral-tts",
        "CC BY-NC 4.0",
        "voiced models fetch voxtral-tts",
    ] {
        assert!(listed.contains(part), "{part} is not in {listed}");
    }

    // A byte turned over is found by its checksum, a lost file by its name.
    let weights = models
        .directory
        .join("voxtral-realtime/consolidated.safetensors");
    let mut bytes = std::fs::read(&weights).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&weights, bytes).unwrap();
    std::fs::remove_file(weights.with_file_name("tekken.json")).unwrap();
    let faults = verify::run(weights.parent().unwrap()).unwrap_err();
    assert!(faults.to_string().contains("3 faults"), "{faults}");

    let empty = FetchModel {
        from: Some(folder.path().to_owned()),
        ..wanted()
    };
    let lacking = fetch::run(&empty, &models).await.unwrap_err().to_string();
    assert!(
        lacking.contains("lacks params.json, tekken.json"),
        "{lacking}"
    );
    let unknown = FetchModel {
        model: "whisper".to_owned(),
        ..wanted()
    };
    let unknown = fetch::run(&unknown, &models).await.unwrap_err().to_string();
    assert!(
        unknown.contains("voxtral-realtime, voxtral-tts"),
        "{unknown}"
    );
}
