//! Scratch: echo over WebRTC for interop checks. Removed afterwards.
#![allow(clippy::all, missing_docs, clippy::unwrap_used, clippy::print_stdout)]
use axum::{Router, extract::State, http::header, response::{Html, IntoResponse}, routing::{get, post}};
use tokio::sync::{mpsc, watch};
use voiced_core::{audio::SampleRate, epoch::{Epoch, epoch}, playout::*, resample::Resampler, turn::CallEvent};
use voiced_pipeline::call::{CallHandle, Speaker, mic};
use voiced_transport::{openai_realtime::{Carrier, Dialect, DialectOptions, session::SessionDefaults}, webrtc::*};
#[derive(Clone)] struct App(Peers);
fn call() -> CallHandle {
    let (mic, mut heard) = mic(); let (ew, er) = epoch(); let (mut voice, ring, _c) = playout(RING_FRAMES, er);
    let (reports, _p) = watch::channel(Playback::default());
    let (ctx, mut crx) = mpsc::channel::<(voiced_core::turn::CommandId, voiced_core::turn::Command)>(64); let (etx, erx) = mpsc::channel(256);
    tokio::spawn(async move {
        let _ew = ew; let mut rs = Resampler::new(SampleRate::HEARING, SampleRate::SPEECH); let mut out = Vec::new();
        let t0 = std::time::Instant::now(); let (mut n, mut loud) = (0u64, 0u64);
        loop { tokio::select! {
            f = heard.recv() => { let Some(f) = f else { break }; n += 1; let p: f32 = f.samples.iter().map(|s| s*s).sum::<f32>()/320.0; if p.sqrt() > 0.02 { loud += 1 }
                rs.process(&f.samples, &mut out); while out.len() >= FRAME { let mut pf = PlayoutFrame{epoch: Epoch(1), samples:[0.0;FRAME], is_last:false}; pf.samples.copy_from_slice(&out[..FRAME]); out.drain(..FRAME); if p > 1e-5 { let _ = voice.push(&pf); } } }
            c = crx.recv() => { let Some(c) = c else { break }; println!("COMMAND {:?}", c.1); let _ = etx.send(CallEvent::SpeechStarted{item:"item_x".into(), at: std::time::Duration::from_millis(7)}).await; }
        } }
        println!("CALL OVER after {:.1}s frames {n} loud {loud}", t0.elapsed().as_secs_f32());
    });
    CallHandle { mic, speaker: Speaker::new(ring, reports), commands: ctx, events: erx }
}
async fn calls(State(app): State<App>, body: String) -> axum::response::Response {
    let offer = match Offer::read(&body) { Ok(o) => o, Err(e) => return (axum::http::StatusCode::from_u16(e.status()).unwrap(), e.to_string()).into_response() };
    let d = Dialect::new(DialectOptions{carrier: Carrier::WebRtc, name: "abcd".into(), strict:false, extensions:false, expires_at: None}, SessionDefaults::default());
    match app.0.answer(offer, call(), d).await {
        Ok(a) => { println!("ANSWERED {}\n{}", a.call_id, a.sdp); (axum::http::StatusCode::CREATED, [(header::CONTENT_TYPE, "application/sdp".to_owned()), (header::LOCATION, format!("/v1/realtime/calls/{}", a.call_id))], a.sdp).into_response() }
        Err(e) => (axum::http::StatusCode::from_u16(e.status()).unwrap(), e.to_string()).into_response() }
}
async fn result(State(app): State<App>, body: String) { println!("RESULT {body} alive {}", app.0.n_alive()); }
#[tokio::main(flavor = "current_thread")]
async fn main() {
    let addrs: Vec<std::net::IpAddr> = std::env::args().nth(1).unwrap().split(',').map(|a| a.parse().unwrap()).collect();
    let peers = Peers::open(WebRtcSettings{addresses: addrs, ..WebRtcSettings::default()}).unwrap();
    println!("UDP {:?}", peers.addresses());
    let l = tokio::net::TcpListener::bind("127.0.0.1:8199").await.unwrap();
    let r = Router::new().route("/", get(|| async { Html(include_str!("/tmp/page.html")) })).route("/v1/realtime/calls", post(calls)).route("/result", post(result)).with_state(App(peers));
    axum::serve(l, r).await.unwrap();
}
