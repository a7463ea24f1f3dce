//! Fetching from a fake hub on loopback: whole, resumed, damaged, refused, redirected; and the
//! other commands on what was fetched.
#![allow(clippy::unwrap_used)]
use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Path as UrlPath, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use serde_json::json;
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::{
    hub::{Hub, HubError},
    *,
};
use crate::{
    cli::{FetchModel, Quant},
    config::{Models, Secret},
};

const MODEL: &Model = &KNOWN[0];

/// How the hub misbehaves.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Mood {
    #[default]
    Good,
    /// Every answer ends after so many bytes, its length told as whole.
    Cuts(usize),
    /// Serves from the beginning whatever range is asked for, cut once.
    NoRanges,
    /// Wants to know who asks.
    Gated,
    /// Lacks a file.
    Lacks(&'static str),
    /// Sends other bytes than it told.
    Damaged,
    /// Sends other bytes the first time only.
    DamagedOnce,
    /// Serves files from elsewhere.
    Redirects,
    /// Breaks down at first.
    Down(usize),
}

#[derive(Default)]
struct Seen {
    /// Path, range and key of every request.
    requests: Vec<(String, Option<String>, Option<String>)>,
}

#[derive(Clone)]
struct Fake {
    mood: Mood,
    files: Arc<BTreeMap<String, Bytes>>,
    seen: Arc<Mutex<Seen>>,
    elsewhere: Option<String>,
}

impl Fake {
    fn requests_of(&self, part: &str) -> Vec<(String, Option<String>, Option<String>)> {
        let seen = self.seen.lock().unwrap();
        let all = seen
            .requests
            .iter()
            .filter(|(path, ..)| path.contains(part));
        all.cloned().collect()
    }

    /// A listener of its own; the set ends it.
    async fn serve(self, tasks: &mut JoinSet<()>) -> String {
        let router = Router::new()
            .route("/{*path}", get(answer))
            .with_state(self);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
        format!("http://{address}")
    }
}

fn sha256(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    digest.as_ref().iter().map(|b| format!("{b:02x}")).collect()
}

fn git(bytes: &[u8]) -> String {
    let mut all = format!("blob {}\0", bytes.len()).into_bytes();
    all.extend(bytes);
    let sum = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, &all);
    sum.as_ref().iter().map(|b| format!("{b:02x}")).collect()
}

async fn answer(
    State(fake): State<Fake>,
    UrlPath(path): UrlPath<String>,
    headers: HeaderMap,
) -> Response {
    let header = |name: &str| Some(headers.get(name)?.to_str().unwrap().to_owned());
    let (range, key) = (header("range"), header("authorization"));
    let earlier = {
        let mut seen = fake.seen.lock().unwrap();
        let earlier = seen.requests.iter().filter(|(p, ..)| *p == path).count();
        seen.requests.push((path.clone(), range.clone(), key));
        earlier
    };
    let tree = format!("api/models/{}/tree/{}", MODEL.repository, MODEL.revision);
    if path == tree {
        if fake.mood == Mood::Gated {
            return StatusCode::UNAUTHORIZED.into_response();
        }
        return axum::Json(listing(&fake)).into_response();
    }
    let prefix = format!("{}/resolve/{}/", MODEL.repository, MODEL.revision);
    let Some(file) = path.strip_prefix(&prefix) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    if let (Mood::Redirects, Some(elsewhere)) = (fake.mood, &fake.elsewhere) {
        return Redirect::temporary(&format!("{elsewhere}/{path}")).into_response();
    }
    if matches!(fake.mood, Mood::Down(times) if earlier < times) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    match fake.files.get(file) {
        None => StatusCode::NOT_FOUND.into_response(),
        Some(_) if fake.mood == Mood::Lacks("resolved") => StatusCode::NOT_FOUND.into_response(),
        Some(bytes) => send(fake.mood, bytes.clone(), range, earlier),
    }
}

fn listing(fake: &Fake) -> serde_json::Value {
    let files = fake.files.iter();
    let files = files.filter(|(path, _)| fake.mood != Mood::Lacks(path.leak_name()));
    let entry = |(path, bytes): (&String, &Bytes)| match path.ends_with(".safetensors") {
        true => json!({"type": "file", "path": path, "size": bytes.len(), "oid": "pointer",
            "lfs": {"oid": sha256(bytes), "size": bytes.len(), "pointerSize": 134}}),
        false => json!({"type": "file", "path": path, "size": bytes.len(), "oid": git(bytes)}),
    };
    let mut all: Vec<_> = files.map(entry).collect();
    all.push(json!({"type": "directory", "path": "folder", "oid": "x", "size": 0}));
    all.push(json!({"type": "file", "path": "../evil", "oid": "x", "size": 1}));
    json!(all)
}

trait LeakName {
    fn leak_name(&self) -> &'static str;
}

impl LeakName for String {
    /// The three names there are.
    fn leak_name(&self) -> &'static str {
        let names = MODEL.files.iter().find(|name| **name == self);
        names.copied().unwrap_or_default()
    }
}

fn send(mood: Mood, whole: Bytes, range: Option<String>, earlier: usize) -> Response {
    let damaged = mood == Mood::Damaged || mood == Mood::DamagedOnce && earlier == 0;
    let whole = if damaged {
        Bytes::from(vec![7; whole.len()])
    } else {
        whole
    };
    let from = match range.filter(|_| mood != Mood::NoRanges) {
        Some(range) => range
            .trim_start_matches("bytes=")
            .trim_end_matches('-')
            .parse()
            .unwrap(),
        None => 0,
    };
    let rest = whole.slice(from..);
    let status = if from > 0 { 206 } else { 200 };
    let cut = match mood {
        Mood::Cuts(most) => rest.len().min(most),
        Mood::NoRanges if earlier == 0 => rest.len() / 2,
        _ => rest.len(),
    };
    // A body that errs after its beginning is a connection that breaks.
    let beginning = rest.slice(..cut);
    let broken = cut < rest.len();
    let end = futures::stream::once(async move {
        // The beginning is on its way before the break.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        broken.then(|| Err(std::io::Error::other("cut")))
    });
    let beginning = futures::stream::iter([Some(Ok(beginning))]);
    let stream = futures::StreamExt::chain(beginning, end);
    let stream = futures::StreamExt::filter_map(stream, |part| async { part });
    Response::builder()
        .status(status)
        .header("content-length", rest.len())
        .body(Body::from_stream(stream))
        .unwrap()
}

fn golden() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../asr/tests/golden")
}

/// A hub with the tiny checkpoint in it, and a folder to fetch to.
struct Scene {
    fake: Fake,
    models: Models,
    folder: TempDir,
    _tasks: JoinSet<()>,
}

impl Scene {
    async fn new(mood: Mood) -> Scene {
        let read = |name: &&str| {
            let bytes = std::fs::read(golden().join(name)).unwrap();
            ((*name).to_owned(), bytes.into())
        };
        let mut files: BTreeMap<String, Bytes> = MODEL.files.iter().map(read).collect();
        files.insert("README.md".to_owned(), "not wanted".into());
        let files = Arc::new(files);
        let mut tasks = JoinSet::new();
        let fake = |mood| Fake {
            mood,
            files: files.clone(),
            seen: Arc::default(),
            elsewhere: None,
        };
        let mut hub = fake(mood);
        if mood == Mood::Redirects {
            let other = fake(Mood::Good);
            hub.seen = other.seen.clone();
            // Another port is another host.
            hub.elsewhere = Some(other.serve(&mut tasks).await);
            hub.seen = Arc::default();
        }
        let url = hub.clone().serve(&mut tasks).await;
        let folder = TempDir::new().unwrap();
        Scene {
            fake: hub,
            models: Models {
                directory: folder.path().to_owned(),
                hub: url,
                token: Some(Secret::new("hf_hush")),
                threads: None,
            },
            folder,
            _tasks: tasks,
        }
    }

    fn to(&self) -> PathBuf {
        self.folder.path().join(MODEL.name)
    }

    async fn fetch(&self) -> anyhow::Result<()> {
        let mut hub = Hub::new(&self.models).unwrap();
        hub.retry_after = Duration::from_millis(1);
        fetch::download(&hub, &wanted(), MODEL, &self.to()).await
    }

    fn is_whole(&self) -> bool {
        let same = |name: &&str| {
            std::fs::read(self.to().join(name)).ok() == std::fs::read(golden().join(name)).ok()
        };
        MODEL.files.iter().all(same)
    }

    async fn error(&self) -> HubError {
        self.fetch().await.unwrap_err().downcast().unwrap()
    }
}

fn wanted() -> FetchModel {
    FetchModel {
        model: MODEL.name.to_owned(),
        quant: None,
        mirror: None,
        from: None,
        revision: None,
        accept_licence: None,
    }
}

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
