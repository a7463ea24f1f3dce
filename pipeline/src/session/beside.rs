//! What goes on beside a call's reply: replies outside the conversation, and the client's tool
//! servers. Bounded; everything ends with the session.
use std::{collections::HashMap, sync::Arc};

use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
};
use tracing::Instrument;
use voiced_core::{
    engine::{Line, Prompt, ReplyPiece, Speech},
    epoch::Epoch,
    turn::{AsideOrder, CommandId, ServerCallError, ToolCall, ToolServer, ToolSpec, TurnEvent},
};

use crate::{
    aside::{Aside, aside},
    lease::EngineClient,
    tool_servers::{Connected, ConnectedServer, ToolServers},
};

/// How many calls of tool servers are under way at once.
const CALLS: usize = 16;

/// Which attempt to reach a server this is: a server that was named anew is another.
type Attempt = u64;

/// A server that answered, or did not, and which attempt it was.
type Answered = (String, Attempt, Result<Connected, String>);

/// What goes on beside a call's reply.
pub(super) struct Beside {
    /// The chat model of the persona that speaks.
    pub mind: watch::Sender<EngineClient<Prompt, ReplyPiece>>,
    voice: EngineClient<Line, Speech>,
    facts: mpsc::Sender<TurnEvent>,
    asides: JoinSet<()>,
    /// Dropping one stops the reply.
    stops: HashMap<CommandId, oneshot::Sender<()>>,
    reach: Arc<dyn ToolServers>,
    attempts: Attempt,
    current: HashMap<String, Attempt>,
    connecting: JoinSet<Answered>,
    servers: HashMap<String, Arc<dyn ConnectedServer>>,
    calls: JoinSet<TurnEvent>,
}

impl Beside {
    pub fn new(
        mind: watch::Sender<EngineClient<Prompt, ReplyPiece>>,
        voice: EngineClient<Line, Speech>,
        facts: mpsc::Sender<TurnEvent>,
        reach: Arc<dyn ToolServers>,
    ) -> Self {
        Self {
            mind,
            voice,
            facts,
            asides: JoinSet::new(),
            stops: HashMap::new(),
            reach,
            attempts: 0,
            current: HashMap::new(),
            connecting: JoinSet::new(),
            servers: HashMap::new(),
            calls: JoinSet::new(),
        }
    }

    pub fn start_aside(&mut self, order: AsideOrder) {
        let (stop, stopped) = oneshot::channel::<()>();
        self.stops.insert(order.id, stop);
        let making = aside(Aside {
            order,
            mind: self.mind.borrow().clone(),
            voice: self.voice.clone(),
            facts: self.facts.clone(),
        });
        let until_stopped = async move {
            tokio::select! {
                // Dropping the reply frees its rows. It is stopped by dropping the other end.
                _ = stopped => {}
                () = making => {}
            }
        };
        self.asides.spawn(until_stopped.in_current_span());
    }

    pub fn cancel_aside(&mut self, id: CommandId) {
        self.stops.remove(&id);
    }

    pub fn connect(&mut self, server: ToolServer) {
        self.attempts += 1;
        let attempt = self.attempts;
        let label = server.label.clone();
        self.current.insert(label.clone(), attempt);
        let reached = self.reach.connect(server);
        self.connecting
            .spawn(async move { (label, attempt, reached.await) }.in_current_span());
    }

    pub fn forget(&mut self, label: &str) {
        self.current.remove(label);
        self.servers.remove(label);
    }

    pub fn call(&mut self, epoch: Epoch, label: &str, call: ToolCall) {
        let id = call.id.clone();
        let returned = move |output| TurnEvent::ServerReturned {
            epoch,
            call: id,
            output,
        };
        let refused = match self.servers.get(label) {
            Some(_) if self.calls.len() >= CALLS => "too many of its calls are under way",
            Some(server) => {
                let answer = server.call(call);
                self.calls
                    .spawn(async move { returned(answer.await) }.in_current_span());
                return;
            }
            None => "the tool server is gone",
        };
        let refused = ServerCallError::Unreachable(refused.to_owned());
        self.calls.spawn(async move { returned(Err(refused)) });
    }

    /// The next thing that happened. Waits for ever when nothing is going on; nothing is lost when
    /// it is dropped.
    pub async fn next(&mut self) -> TurnEvent {
        loop {
            tokio::select! {
                Some(_) = self.asides.join_next() => {
                    self.stops.retain(|_, stop| !stop.is_closed());
                }
                // A connection that panicked leaves its list unanswered, as one that hangs would.
                Some(Ok(answered)) = self.connecting.join_next() => {
                    if let Some(fact) = self.connected(answered) {
                        return fact;
                    }
                }
                Some(returned) = self.calls.join_next() => {
                    if let Ok(fact) = returned {
                        return fact;
                    }
                }
                else => return std::future::pending().await,
            }
        }
    }

    fn connected(&mut self, (label, attempt, reached): Answered) -> Option<TurnEvent> {
        if self.current.get(&label) != Some(&attempt) {
            return None;
        }
        let tools: Result<Vec<ToolSpec>, String> = reached.map(|connected| {
            self.servers.insert(label.clone(), connected.server);
            connected.tools
        });
        Some(TurnEvent::ToolsListed {
            server: label,
            tools,
        })
    }
}
