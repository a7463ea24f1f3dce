//! One lease: inputs in, utterances over the connection, words out.
use std::{ops::ControlFlow, pin::Pin, sync::Arc};

use tokio::time::{Sleep, sleep};
use voiced_core::{
    audio::SampleRate,
    engine::{Heard, Hearing, HearingOptions},
    resample::Resampler,
};
use voiced_pipeline::{lease::Row, server::Failure};

use super::{
    Shared,
    dialect::Told,
    link::{Link, LinkNews},
    utterance::{Utterances, seconds},
};

/// Utterances given up in a row before the lease is.
const GIVEN_UP: u32 = 3;
/// Samples of one message when much is waiting: a second.
const STRETCH: usize = 16_000;

/// Serves one lease to its end.
pub(super) async fn serve(shared: Arc<Shared>, row: Row<Hearing, Heard>) {
    let mut lease = Lease::new(shared, row);
    while lease.advance().await.is_continue() {}
}

/// What was sent of the first utterance over this connection.
struct Sending {
    resampler: Resampler,
    sent: usize,
    committed: bool,
}

struct Lease {
    shared: Arc<Shared>,
    row: Row<Hearing, Heard>,
    options: HearingOptions,
    utterances: Utterances,
    link: Link,
    sending: Option<Sending>,
    /// Until when its final may come.
    answer_by: Option<Pin<Box<Sleep>>>,
    /// Failures since the last sign of life.
    failures: u32,
    given_up: u32,
}

/// What woke the lease.
enum Woken {
    Input(Option<Hearing>),
    News(LinkNews),
    Late,
    Closed,
}

impl Lease {
    fn new(shared: Arc<Shared>, row: Row<Hearing, Heard>) -> Lease {
        let options = HearingOptions::default();
        Lease {
            link: Link::connecting(&shared, &options),
            shared,
            row,
            options,
            utterances: Utterances::default(),
            sending: None,
            answer_by: None,
            failures: 0,
            given_up: 0,
        }
    }

    /// Sends what can be sent, then waits for one thing to happen.
    async fn advance(&mut self) -> ControlFlow<()> {
        if let Err(failure) = self.pump().await? {
            self.lost(failure).await?;
        }
        match self.wait().await {
            Woken::Closed | Woken::Input(None) => ControlFlow::Break(()),
            Woken::Input(Some(input)) => self.take(input),
            Woken::Late => {
                let within = self.shared.settings.final_within;
                let what = "final words";
                self.lost(Failure::Late { what, within }).await
            }
            Woken::News(LinkNews::Up) => {
                if self.utterances.first().is_none() {
                    self.failures = 0;
                }
                ControlFlow::Continue(())
            }
            Woken::News(LinkNews::Told(text)) => {
                let told = self.shared.settings.dialect.understand(&text);
                self.told(told).await
            }
            Woken::News(LinkNews::Lost(failure)) => self.lost(failure).await,
        }
    }

    async fn wait(&mut self) -> Woken {
        let late = async {
            match &mut self.answer_by {
                Some(answer_by) => answer_by.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.row.outputs.closed() => Woken::Closed,
            news = self.link.news(&self.shared, &self.options) => Woken::News(news),
            () = late => Woken::Late,
            input = self.row.inputs.recv(), if self.utterances.has_room() => Woken::Input(input),
        }
    }

    fn take(&mut self, input: Hearing) -> ControlFlow<()> {
        match input {
            Hearing::Audio(frame) if frame.rate != SampleRate::HEARING => {
                tracing::warn!(hz = frame.rate.hz(), "audio at a rate no recogniser hears");
                return ControlFlow::Break(());
            }
            Hearing::Audio(frame) => {
                if !self.utterances.hear(&frame.samples) {
                    tracing::warn!("an utterance that never ends: the row is given up");
                    return ControlFlow::Break(());
                }
            }
            Hearing::SpeechStarted => self.utterances.start(),
            Hearing::Finalize => self.utterances.finish(),
            Hearing::Discard => {
                if self.utterances.discard() && self.sending.take().is_some() {
                    // The servers share no word for "forget"; all of them forget a connection.
                    self.link = Link::connecting(&self.shared, &self.options);
                }
            }
            Hearing::Tune(options) => {
                let changed = self.options != options;
                self.options = options;
                if changed && self.sending.is_none() {
                    self.link = Link::connecting(&self.shared, &self.options);
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// Sends what there is of the first utterance. Breaks when the lease is over.
    async fn pump(&mut self) -> ControlFlow<(), Result<(), Failure>> {
        while let Some(first) = self.utterances.first()
            && first.closed
            && first.audio.is_empty()
        {
            self.answer(String::new()).await?;
        }
        ControlFlow::Continue(self.send().await)
    }

    async fn send(&mut self) -> Result<(), Failure> {
        let dialect = self.shared.settings.dialect;
        let Some(first) = self.utterances.first() else {
            return Ok(());
        };
        let Some(socket) = self.link.socket() else {
            return Ok(());
        };
        if self.sending.is_none()
            && let Some(begin) = dialect.begin()
        {
            socket.send(begin.to_string()).await?;
        }
        let sending = self.sending.get_or_insert_with(|| Sending {
            resampler: Resampler::new(SampleRate::HEARING, dialect.rate()),
            sent: 0,
            committed: false,
        });
        let mut sound = Vec::new();
        while sending.sent < first.audio.len() {
            let rest = &first.audio[sending.sent..];
            let stretch = &rest[..rest.len().min(STRETCH)];
            sound.clear();
            sending.resampler.process(stretch, &mut sound);
            sending.sent += stretch.len();
            socket.send(dialect.audio(&sound).to_string()).await?;
        }
        if first.closed && !sending.committed {
            sound.clear();
            sending.resampler.flush(&mut sound);
            if !sound.is_empty() {
                socket.send(dialect.audio(&sound).to_string()).await?;
            }
            for event in dialect.commit() {
                socket.send((*event).to_owned()).await?;
            }
            sending.committed = true;
            let within = self.shared.settings.final_within;
            self.answer_by = Some(Box::pin(sleep(within)));
        }
        Ok(())
    }

    async fn told(&mut self, told: Told) -> ControlFlow<()> {
        let hearing = self.sending.as_ref().map(|sending| sending.committed);
        match (told, hearing) {
            (Told::Delta(delta), Some(_)) => {
                if let Some(first) = self.utterances.first() {
                    first.text.push_str(&delta);
                    let text = first.text.trim().to_owned();
                    // A session that is slow to listen hears the next one.
                    let _ = self.row.outputs.try_send(Heard::Partial(text));
                }
                ControlFlow::Continue(())
            }
            (Told::Done(text), Some(true)) => {
                self.failures = 0;
                self.given_up = 0;
                self.answered(text).await
            }
            // It ended the utterance by itself: what follows would be lost.
            (Told::Done(_), Some(false)) => {
                let why = "it ended the utterance by itself".to_owned();
                self.lost(Failure::Broken(why)).await
            }
            (Told::Empty, Some(true)) => self.answered(String::new()).await,
            (Told::Failed(failure), _) => self.lost(failure).await,
            _ => ControlFlow::Continue(()),
        }
    }

    async fn answered(&mut self, text: String) -> ControlFlow<()> {
        if !self.shared.settings.dialect.goes_on() {
            self.link = Link::connecting(&self.shared, &self.options);
        }
        self.answer(text).await
    }

    /// The final of the first utterance.
    async fn answer(&mut self, text: String) -> ControlFlow<()> {
        self.utterances.pop();
        self.sending = None;
        self.answer_by = None;
        let said = Heard::Final(text.trim().into());
        match self.row.outputs.send(said).await {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }

    /// The connection is lost: the utterance is said again over the next one, unless that was
    /// tried often enough.
    async fn lost(&mut self, failure: Failure) -> ControlFlow<()> {
        let settings = &self.shared.settings;
        let engine = settings.dialect.name();
        self.sending = None;
        self.answer_by = None;
        if !failure.may_pass() {
            tracing::error!(engine, reason = %failure, "the recogniser's server refuses us");
            return ControlFlow::Break(());
        }
        let idle = self.utterances.first().is_none();
        self.failures += 1;
        tracing::warn!(engine, reason = %failure, failures = self.failures, idle,
            "the recogniser's server was lost");
        // An idle connection that its server ended is asked for again at once.
        self.link = match (idle, self.failures) {
            (true, 1) => Link::connecting(&self.shared, &self.options),
            _ => Link::waiting(&self.shared, self.failures, &failure),
        };
        let tried = settings.attempts;
        let Some(first) = self.utterances.first() else {
            return ControlFlow::Continue(());
        };
        first.losses += 1;
        if !first.closed || first.losses < tried {
            // What was written comes again.
            if first.losses < tried {
                first.text.clear();
            }
            return ControlFlow::Continue(());
        }
        self.given_up += 1;
        let seconds = seconds(first.audio.len());
        tracing::error!(engine, seconds, "an utterance was given up");
        if self.given_up >= GIVEN_UP {
            return ControlFlow::Break(());
        }
        let text = std::mem::take(&mut first.text);
        self.answer(text).await
    }
}
