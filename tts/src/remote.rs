//! Synthesisers that run elsewhere, behind the lease of those that run here: servers with OpenAI's
//! `/v1/audio/speech` (vLLM-Omni too), and Mistral's speech, asked line by line or, over a
//! WebSocket, in its realtime form.
//!
//! One line is one request, and sound is handed on as it comes. Dropping the lease closes the
//! request, which frees the server. What fails before its first sound is asked for again, with the
//! patience of somebody who listens; what fails later gives its row up. Why is logged; the text and
//! the key are not.
use std::{sync::Arc, time::Duration};

use reqwest::Client;
use tokio::{sync::mpsc, time::timeout};
use voiced_core::{
    audio::{AudioFrame, SampleRate},
    engine::{Line, Speech},
    resample::Resampler,
};
use voiced_pipeline::{
    lease::EngineClient,
    remote::serve_by_tasks,
    server::{Failure, Place, Secret, jittered, refusal, unreachable},
};

use crate::tempo::Tempo;

mod http;
mod pcm;
mod realtime;
mod settings;
mod voices;

pub use settings::{Dialect, Settings, SettingsError};
pub use voices::HostedVoice;

/// Samples handed out at a time: 80 ms.
const PIECE: usize = 1_920;
/// The first wait before asking again; it doubles each time.
const FIRST_WAIT: Duration = Duration::from_millis(200);
/// What is waited for.
const FIRST: &str = "first sound";
const NEXT: &str = "next sound";

/// A speech server.
#[derive(Clone, Debug)]
pub struct SpeechServer {
    client: Client,
    place: Arc<Place>,
    settings: Arc<Settings>,
}

impl SpeechServer {
    /// A speech server with these settings. Nothing is sent yet.
    ///
    /// # Errors
    /// When a setting is unusable, or would send a key unprotected.
    pub fn new(settings: Settings) -> Result<SpeechServer, SettingsError> {
        let place = settings.check()?;
        Ok(SpeechServer {
            client: place.client(settings.connect_within)?,
            place: Arc::new(place),
            settings: Arc::new(settings),
        })
    }

    /// Opens a connection and keeps it for the first line. Servers without a list of models are
    /// fine: any answer but a refusal of the key will do.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses the key.
    pub async fn warm_up(&self) -> Result<(), Failure> {
        let within = self.settings.first_sound_within;
        let asked = async {
            let response = (self.client.get(self.place.below(&["models"])))
                .headers(self.place.headers.clone())
                .send()
                .await
                .map_err(unreachable)?;
            if matches!(response.status().as_u16(), 401 | 403) {
                return Err(refusal(response).await);
            }
            // Read to its end, so that the connection can be used again.
            let _ = response.bytes().await;
            Ok(())
        };
        let what = "answer";
        let late = |_| Failure::Late { what, within };
        timeout(within, asked).await.map_err(late)?
    }

    /// Serves at most `rows` leases at once. Must be called inside a tokio runtime.
    pub fn serve(self, rows: usize) -> EngineClient<Line, Speech> {
        serve_by_tasks(rows, move |mut row| {
            let server = self.clone();
            async move {
                while let Some(line) = row.inputs.recv().await {
                    tokio::select! {
                        // Barge-in: dropping the line closes its request.
                        () = row.outputs.closed() => return,
                        said = server.say(&line, &row.outputs) => {
                            if said.is_err() {
                                return;
                            }
                        }
                    }
                }
            }
        })
    }

    /// Says one line, asking again while nothing was heard of it.
    async fn say(&self, line: &Line, outputs: &mpsc::Sender<Speech>) -> Result<(), GaveUp> {
        if !line.text.chars().any(char::is_alphanumeric) {
            // Servers refuse it, or make noises.
            return outputs.send(Speech::End).await.map_err(|_| GaveUp);
        }
        let mut wait = FIRST_WAIT;
        for attempt in 1..=self.settings.attempts {
            let mut sink = self.sink(line, outputs);
            let Err(failure) = self.attempt(line, &mut sink).await else {
                return Ok(());
            };
            let asked = failure.wait().unwrap_or(Duration::ZERO);
            let heard = sink.began;
            let again = !heard
                && attempt < self.settings.attempts
                && failure.may_pass()
                && asked <= self.settings.retry_wait_at_most;
            if !again {
                tracing::warn!(attempt, heard, reason = %failure, "the speech server failed");
                return Err(GaveUp);
            }
            let pause = asked.max(jittered(wait));
            tracing::info!(attempt, reason = %failure, ?pause, "asking the speech server again");
            tokio::time::sleep(pause).await;
            wait *= 2;
        }
        Err(GaveUp)
    }

    async fn attempt(&self, line: &Line, sink: &mut Sink<'_>) -> Result<(), Failure> {
        match self.settings.dialect {
            Dialect::OpenAi | Dialect::Mistral => self.ask(line, sink).await?,
            Dialect::MistralRealtime => self.converse(line, sink).await?,
        }
        if !sink.began {
            return Err(Failure::Broken("it ended without a sound".to_owned()));
        }
        sink.finish().await;
        Ok(())
    }

    /// Where a line's sound goes, at the tempo the server does not give it.
    fn sink<'a>(&self, line: &Line, outputs: &'a mpsc::Sender<Speech>) -> Sink<'a> {
        let speed = match self.settings.speed_by_server && self.settings.dialect.has_speed() {
            true => 1.0,
            false => line.speed.unwrap_or(1.0),
        };
        Sink {
            outputs,
            resampler: Resampler::new(self.settings.sample_rate, SampleRate::SPEECH),
            tempo: Tempo::new(speed),
            began: false,
        }
    }

    /// The voice of a line, by the server's name for it.
    fn voice<'a>(&'a self, line: &'a Line) -> &'a str {
        line.voice.as_deref().unwrap_or(&self.settings.voice)
    }
}

/// The line cannot be said, or nobody listens any more.
struct GaveUp;

/// Takes a line's samples, at the server's rate, to whoever holds the lease.
struct Sink<'a> {
    outputs: &'a mpsc::Sender<Speech>,
    resampler: Resampler,
    tempo: Tempo,
    began: bool,
}

impl Sink<'_> {
    async fn give(&mut self, samples: &[f32]) {
        self.began |= !samples.is_empty();
        let (mut even, mut out) = (Vec::new(), Vec::new());
        self.resampler.process(samples, &mut even);
        self.tempo.push(&even, &mut out);
        self.send(&out).await;
    }

    async fn finish(&mut self) {
        let (mut even, mut out) = (Vec::new(), Vec::new());
        self.resampler.flush(&mut even);
        self.tempo.push(&even, &mut out);
        self.tempo.finish(&mut out);
        self.send(&out).await;
        // Nobody there: the lease's end is noticed where it is waited for.
        let _ = self.outputs.send(Speech::End).await;
    }

    async fn send(&mut self, samples: &[f32]) {
        for piece in samples.chunks(PIECE) {
            let clean: Vec<f32> = piece
                .iter()
                .map(|s| {
                    if s.is_finite() {
                        s.clamp(-1.0, 1.0)
                    } else {
                        0.0
                    }
                })
                .collect();
            let frame = AudioFrame::new(SampleRate::SPEECH, clean);
            // As above.
            let _ = self.outputs.send(Speech::Audio(frame)).await;
        }
    }
}
