//! A prompt to lines of speech. A reply ends when the model does or when its epoch is stale.
//! Lines go straight to `speak`; the session is only told what was written.
use tokio::sync::{mpsc, watch};
use voiced_core::{
    conversation::{goes_on, tool_runs},
    engine::{Line, Prompt, ReplyEnd, ReplyPiece},
    epoch::Epoch,
    sentences::{Sentences, SpokenLine},
    turn::{ReplyOrder, ReplySource, ToolRuns, ToolSpec, TurnEvent},
};

use crate::lease::{EngineClient, Lease};

/// What `speak` is given. Eight wait; then the model waits.
pub const LINES: usize = 8;

/// One thing for `speak` to do.
#[derive(Clone, Debug)]
pub enum Spoken {
    /// Say this.
    Line {
        /// For which reply.
        epoch: Epoch,
        /// What and how.
        line: Line,
        /// Where it begins in the written reply, in bytes.
        start: usize,
        /// Where it ends.
        end: usize,
    },
    /// The reply is complete.
    End(Epoch),
}

/// What `think` is made of.
pub struct Think {
    /// The reply to make; the latest wins.
    pub orders: watch::Receiver<Option<ReplyOrder>>,
    /// The chat model; the latest counts when a reply begins.
    pub mind: watch::Receiver<EngineClient<Prompt, ReplyPiece>>,
    /// The epoch now.
    pub epochs: watch::Receiver<Epoch>,
    /// To `speak`.
    pub lines: mpsc::Sender<Spoken>,
    /// To the session.
    pub facts: mpsc::Sender<TurnEvent>,
}

/// The session or `speak` is gone.
struct Gone;

/// Runs until the session is gone.
pub async fn think(mut parts: Think) {
    while parts.orders.changed().await.is_ok() {
        let Some(order) = parts.orders.borrow_and_update().clone() else {
            continue;
        };
        let epoch = order.epoch;
        let mut epochs = parts.epochs.clone();
        let is_gone = tokio::select! {
            biased;
            // Dropping the future drops the lease: that is the whole of cancellation.
            stale = epochs.wait_for(|now| epoch < *now) => stale.is_err(),
            made = make(order, &parts) => made.is_err(),
        };
        if is_gone {
            return;
        }
    }
}

/// Where the pieces of one reply come from.
enum Source {
    Words(Option<String>),
    Model(Lease<Prompt, ReplyPiece>),
}

impl Source {
    async fn next(&mut self) -> Option<ReplyPiece> {
        match self {
            Source::Words(words) => Some(match words.take() {
                Some(words) => ReplyPiece::Text(words),
                None => ReplyPiece::End(ReplyEnd::default()),
            }),
            Source::Model(lease) => lease.yields.recv().await,
        }
    }
}

async fn make(order: ReplyOrder, parts: &Think) -> Result<(), Gone> {
    let mut tools = Vec::new();
    let mut source = match order.source {
        ReplySource::Words(words) => Source::Words(Some(words)),
        ReplySource::Model(prompt) => {
            tools.clone_from(&prompt.tools);
            let mind = parts.mind.borrow().clone();
            match ask(&mind, prompt).await {
                Ok(lease) => Source::Model(lease),
                Err(reason) => return fail(parts, order.epoch, reason).await,
            }
        }
    };
    let mut reply = Writing {
        epoch: order.epoch,
        sentences: Sentences::new(order.written_before),
        spoken: order.spoken,
        goes_on: order.goes_on,
        line: Line {
            voice: order.voice,
            speed: order.speed,
            ..Line::default()
        },
        tools,
        runners: Vec::new(),
        parts,
    };
    loop {
        match source.next().await {
            Some(ReplyPiece::Text(text)) => reply.write(text).await?,
            Some(ReplyPiece::ToolArguments { id, name, delta }) => {
                let fact = TurnEvent::ToolArguments {
                    epoch: reply.epoch,
                    call: id,
                    name,
                    delta,
                };
                tell(parts, fact).await?;
            }
            Some(ReplyPiece::ToolCall(call)) => {
                reply.runners.push(tool_runs(&reply.tools, &call.name));
                let epoch = reply.epoch;
                tell(parts, TurnEvent::ToolCalled { epoch, call }).await?;
            }
            Some(ReplyPiece::End(end)) => return reply.end(end).await,
            None => {
                let reason = "the chat model gave up".to_owned();
                return fail(parts, reply.epoch, reason).await;
            }
        }
    }
}

/// Opens a lease and asks.
pub(crate) async fn ask(
    mind: &EngineClient<Prompt, ReplyPiece>,
    prompt: Prompt,
) -> Result<Lease<Prompt, ReplyPiece>, String> {
    let lease = mind
        .open()
        .await
        .map_err(|error| format!("no chat model: {error}"))?;
    match lease.feed.send(prompt).await {
        Ok(()) => Ok(lease),
        Err(_) => Err("the chat model gave up".to_owned()),
    }
}

/// One leg of a reply while it is being written.
struct Writing<'a> {
    epoch: Epoch,
    sentences: Sentences,
    spoken: bool,
    /// More follows whatever is written now.
    goes_on: bool,
    /// How lines are said; its text is filled in.
    line: Line,
    tools: Vec<ToolSpec>,
    runners: Vec<ToolRuns>,
    parts: &'a Think,
}

impl Writing<'_> {
    async fn write(&mut self, text: String) -> Result<(), Gone> {
        let lines = self.sentences.push(&text);
        let epoch = self.epoch;
        tell(self.parts, TurnEvent::ReplyText { epoch, text }).await?;
        for line in lines {
            self.say(line).await?;
        }
        Ok(())
    }

    async fn end(mut self, end: ReplyEnd) -> Result<(), Gone> {
        if let Some(line) = self.sentences.finish() {
            self.say(line).await?;
        }
        let epoch = self.epoch;
        tell(self.parts, TurnEvent::ReplyEnded { epoch, end }).await?;
        if self.spoken && !self.goes_on && !goes_on(self.runners.iter().copied()) {
            self.send(Spoken::End(epoch)).await?;
        }
        Ok(())
    }

    async fn say(&mut self, line: SpokenLine) -> Result<(), Gone> {
        if !self.spoken {
            return Ok(());
        }
        let SpokenLine { text, start, end } = line;
        let line = Line {
            text,
            ..self.line.clone()
        };
        let epoch = self.epoch;
        self.send(Spoken::Line {
            epoch,
            line,
            start,
            end,
        })
        .await
    }

    async fn send(&self, spoken: Spoken) -> Result<(), Gone> {
        self.parts.lines.send(spoken).await.map_err(|_| Gone)
    }
}

async fn tell(parts: &Think, fact: TurnEvent) -> Result<(), Gone> {
    parts.facts.send(fact).await.map_err(|_| Gone)
}

async fn fail(parts: &Think, epoch: Epoch, reason: String) -> Result<(), Gone> {
    tracing::warn!(epoch = epoch.0, reason, "a reply failed");
    tell(parts, TurnEvent::EngineFailed { epoch, reason }).await
}
