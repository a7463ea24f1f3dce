//! Fetching from a fake hub on loopback: whole, resumed, damaged, refused, redirected; and the
//! other commands on what was fetched.
#![allow(clippy::unwrap_used)]
mod fetching;

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
