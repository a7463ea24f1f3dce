//! A chat server on loopback that gives prepared answers, one per request, and notices when a
//! client closes a request.
use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::HeaderMap,
    response::Response,
    serve::ListenerExt,
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Notify, task::JoinSet};

/// One prepared answer.
#[derive(Clone, Debug)]
pub struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    /// The body, as it is written piece by piece.
    pub chunks: Vec<Bytes>,
    /// After the last piece nothing more comes, nor an end.
    pub then_hang: bool,
}

impl Answer {
    /// A whole answer.
    pub fn status(status: u16, body: &str) -> Self {
        Self {
            status,
            headers: Vec::new(),
            chunks: vec![Bytes::from(body.to_owned())],
            then_hang: false,
        }
    }

    /// A stream of events with this body.
    pub fn stream(body: &str) -> Self {
        Self::status(200, body).header("content-type", "text/event-stream")
    }

    /// With one more header.
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// Only the first pieces.
    pub fn cut_after(&mut self, n: usize) {
        self.chunks.truncate(n);
    }

    /// Every byte a piece.
    pub fn byte_by_byte(&mut self) {
        let body = self.chunks.concat();
        self.chunks = body
            .into_iter()
            .map(|byte| Bytes::from(vec![byte]))
            .collect();
    }
}

/// A stream of these chunks, and `[DONE]`.
pub fn sse(chunks: &[Value]) -> Answer {
    let mut answer = Answer::stream("");
    answer.chunks = (chunks.iter())
        .map(|chunk| Bytes::from(format!("data: {chunk}\n\n")))
        .chain([Bytes::from("data: [DONE]\n\n")])
        .collect();
    if chunks.is_empty() {
        answer.chunks.clear();
    }
    answer
}

/// A chunk of text.
pub fn delta(text: &str) -> Value {
    json!({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": null}]})
}

/// The last chunk.
pub fn ended(reason: &str) -> Value {
    json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
}

/// The chunk of token counts.
pub fn usage(input: u32, output: u32) -> Value {
    json!({"choices": [], "usage": {"prompt_tokens": input, "completion_tokens": output}})
}

/// What was asked.
#[derive(Clone, Debug)]
pub struct Asked {
    pub path: String,
    pub authorization: Option<String>,
    pub body: Value,
}

/// A running server.
pub struct Server {
    port: u16,
    state: Arc<Shared>,
    /// Requests whose client left before their end.
    pub closed: Arc<AtomicUsize>,
    /// Connections taken.
    pub connections: Arc<AtomicUsize>,
    task: JoinSet<()>,
}

#[derive(Default)]
struct Shared {
    answers: Mutex<VecDeque<Answer>>,
    asked: Mutex<Vec<Asked>>,
    changed: Notify,
    closed: Arc<AtomicUsize>,
}

impl Server {
    /// Serves these answers in order; requests beyond them get 404.
    pub async fn start(answers: Vec<Answer>) -> Self {
        let state = Arc::new(Shared::default());
        state.answers.lock().unwrap().extend(answers);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = connections.clone();
        let listener = listener.tap_io(move |_| {
            counter.fetch_add(1, Ordering::SeqCst);
        });
        let router = Router::new().fallback(answer).with_state(state.clone());
        let mut task = JoinSet::new();
        task.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            port,
            closed: state.closed.clone(),
            connections,
            state,
            task,
        }
    }

    /// Its base URL.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.port)
    }

    /// What was asked so far.
    pub fn requests(&self) -> Vec<Asked> {
        self.state.asked.lock().unwrap().clone()
    }

    /// Waits until that many requests have come.
    pub async fn until_asked(&self, n: usize) {
        self.until(|| self.requests().len() >= n).await;
    }

    /// Waits until the clients of that many requests have left early.
    pub async fn until_closed(&self, n: usize) {
        self.until(|| self.closed.load(Ordering::SeqCst) >= n).await;
    }

    async fn until(&self, done: impl Fn() -> bool) {
        let waiting = async {
            loop {
                let changed = self.state.changed.notified();
                if done() {
                    return;
                }
                changed.await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(20), waiting).await;
        waited.expect("it happens within twenty seconds");
    }

    /// Ends it; its port then refuses connections.
    pub async fn stop(mut self) {
        self.task.shutdown().await;
    }
}

async fn answer(State(state): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    state.asked.lock().unwrap().push(Asked {
        path: parts.uri.path().to_owned(),
        authorization: header(&parts.headers, "authorization"),
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
    });
    state.changed.notify_waiters();
    let answer = state.answers.lock().unwrap().pop_front();
    let answer = answer.unwrap_or_else(|| Answer::status(404, ""));
    let mut response = Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        response = response.header(*name, value);
    }
    response.body(stream(answer, state)).unwrap()
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// Counts itself when dropped before the body's end, which empties it.
struct Watch(Option<Arc<Shared>>);

impl Watch {
    fn finish(&mut self) {
        self.0 = None;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(state) = self.0.take() {
            state.closed.fetch_add(1, Ordering::SeqCst);
            state.changed.notify_waiters();
        }
    }
}

fn stream(answer: Answer, state: Arc<Shared>) -> Body {
    let watch = Watch(Some(state));
    let chunks = VecDeque::from(answer.chunks);
    let steps =
        futures::stream::unfold((chunks, watch), move |(mut chunks, mut watch)| async move {
            // One piece at a time reaches the network by itself.
            tokio::task::yield_now().await;
            match chunks.pop_front() {
                Some(chunk) => Some((Ok::<_, Infallible>(chunk), (chunks, watch))),
                None if answer.then_hang => std::future::pending().await,
                None => {
                    watch.finish();
                    None
                }
            }
        });
    Body::from_stream(steps)
}
