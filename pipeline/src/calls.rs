//! The front desk: admits calls, gives each its engines and its session, and counts them.
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use metrics::{counter, gauge};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tracing::Instrument;
use voiced_core::{
    activity::ActivityPolicy,
    conversation::{Conversation, Opening},
    engine::{
        Heard, Hearing, Line, Prompt, ReplyPiece, Speech, TurnDetector, VoiceActivityDetector,
    },
    epoch::epoch,
    playout::{Playback, RING_FRAMES, playout},
    turn::TurnPolicy,
};

use crate::{
    call::{COMMANDS, CallHandle, CallRefused, CallRequest, EVENTS, Speaker, mic},
    drain::{Alive, Drain},
    lease::EngineClient,
    metrics::names,
    session::{self, Session, SessionParts},
    tool_servers::ToolServers,
    tools::ToolRunner,
};

/// Who answers: one agent's character and abilities.
#[derive(Clone)]
pub struct Persona {
    /// Its name, as asked for.
    pub name: String,
    /// What the model is told it is.
    pub instructions: String,
    /// Said first when the carrier asks for a greeting.
    pub greeting: Option<String>,
    /// Its voice; `None` is the synthesiser's default.
    pub voice: Option<String>,
    /// The chat model that speaks for it.
    pub mind: EngineClient<Prompt, ReplyPiece>,
    /// What it may do.
    pub tools: Arc<dyn ToolRunner>,
}

/// Makes one detector per call.
pub type DetectorFactory<D> = Arc<dyn Fn() -> Box<D> + Send + Sync>;

/// What every call is made of.
pub struct CallsSettings {
    /// The recogniser; a lease is a call.
    pub ear: EngineClient<Hearing, Heard>,
    /// The synthesiser; a lease is a reply.
    pub voice: EngineClient<Line, Speech>,
    /// Who answers; the first is the default.
    pub personas: Vec<Persona>,
    /// Voice activity, one per call.
    pub activity_detector: DetectorFactory<dyn VoiceActivityDetector>,
    /// How voice activity becomes speech.
    pub activity: ActivityPolicy,
    /// End of turn, one per call.
    pub turn_detector: DetectorFactory<dyn TurnDetector>,
    /// How turns are taken unless the client says otherwise.
    pub policy: TurnPolicy,
    /// Tempo of the voice.
    pub speed: Option<f32>,
    /// How many calls at once: at most the rows of the recogniser.
    pub max_calls: usize,
    /// How many of them from one address.
    pub max_calls_per_address: usize,
    /// A call longer than this is ended.
    pub max_call: Duration,
    /// Reaches the tool servers a client names.
    pub tool_servers: Arc<dyn ToolServers>,
    /// Shutdown.
    pub drain: Drain,
}

/// Admits calls. Cheap to clone.
#[derive(Clone)]
pub struct Calls {
    desk: Arc<Desk>,
}

struct Desk {
    settings: CallsSettings,
    permits: Arc<Semaphore>,
    per_address: Mutex<HashMap<IpAddr, usize>>,
}

impl Calls {
    /// Opens the desk. `settings.personas` must not be empty.
    pub fn new(settings: CallsSettings) -> Self {
        assert!(!settings.personas.is_empty(), "somebody must answer");
        Self {
            desk: Arc::new(Desk {
                permits: Arc::new(Semaphore::new(settings.max_calls)),
                settings,
                per_address: Mutex::default(),
            }),
        }
    }

    /// Who can answer; the first is the default.
    pub fn personas(&self) -> &[Persona] {
        &self.desk.settings.personas
    }

    /// How turns are taken unless the client says otherwise.
    pub fn policy(&self) -> &TurnPolicy {
        &self.desk.settings.policy
    }

    /// How many more calls could be taken now; zero while draining.
    pub fn n_free(&self) -> usize {
        if self.desk.settings.drain.is_draining() {
            return 0;
        }
        self.desk.permits.available_permits()
    }

    /// Takes a call: its session runs until the handle is dropped or it ends itself.
    pub async fn begin(&self, request: CallRequest) -> Result<CallHandle, CallRefused> {
        let admitted = self.admit(&request).inspect_err(|refused| {
            let reason = match refused {
                CallRefused::Full => "full",
                CallRefused::TooManyFromAddress => "address",
                CallRefused::Draining => "draining",
                CallRefused::NoSuchPersona(_) => "persona",
                CallRefused::EngineUnavailable(_) => "engine",
            };
            counter!(names::CALLS_REFUSED, "reason" => reason).increment(1);
        })?;
        let settings = &self.desk.settings;
        let persona = self.persona(request.persona.as_deref())?;
        let ear = settings.ear.open().await.map_err(|error| match error {
            crate::lease::OpenError::AtCapacity => CallRefused::Full,
            crate::lease::OpenError::Closed => CallRefused::EngineUnavailable("recogniser".into()),
        })?;

        let (epoch_writer, epoch_reader) = epoch();
        let (ring, reader, playback) = playout(RING_FRAMES, epoch_reader);
        let (reports, played) = watch::channel(Playback::default());
        let (mic_sender, mic_receiver) = mic();
        let (commands_tx, commands) = mpsc::channel(COMMANDS);
        let (events, events_rx) = mpsc::channel(EVENTS);

        let mut opening = Opening {
            name: request.name.clone(),
            policy: settings.policy.clone(),
            instructions: persona.instructions.clone(),
            greeting: persona.greeting.clone().filter(|_| request.greet),
            voice: persona.voice.clone(),
            speed: settings.speed,
            tools: persona.tools.specs(),
            ..Opening::default()
        };
        opening.apply(request.settings);
        let session = Session::new(SessionParts {
            conversation: Conversation::new(opening),
            mic: mic_receiver,
            ring,
            playback,
            played,
            epoch: epoch_writer,
            commands,
            events,
            ear,
            mind: persona.mind.clone(),
            voice: settings.voice.clone(),
            tools: persona.tools.clone(),
            tool_servers: settings.tool_servers.clone(),
            calls: self.clone(),
            activity_detector: (settings.activity_detector)(),
            activity: settings.activity,
            turn_detector: (settings.turn_detector)(),
            drain: settings.drain.clone(),
            max_call: settings.max_call,
        });
        let span = tracing::info_span!(
            "call",
            name = request.name,
            carrier = request.carrier,
            persona = persona.name
        );
        counter!(names::CALLS_TAKEN, "carrier" => request.carrier).increment(1);
        // The session owns everything of the call and ends with it; `drain` waits for it.
        #[expect(
            clippy::disallowed_methods,
            reason = "a call outlives the request that began it"
        )]
        tokio::spawn(
            async move {
                let _admitted = admitted;
                session::run(session).await;
            }
            .instrument(span),
        );
        Ok(CallHandle {
            mic: mic_sender,
            speaker: Speaker::new(reader, reports),
            commands: commands_tx,
            events: events_rx,
        })
    }

    fn persona(&self, name: Option<&str>) -> Result<&Persona, CallRefused> {
        match name {
            None => Ok(&self.desk.settings.personas[0]),
            Some(name) => self
                .personas()
                .iter()
                .find(|persona| persona.name == name)
                .ok_or_else(|| CallRefused::NoSuchPersona(name.to_owned())),
        }
    }

    fn admit(&self, request: &CallRequest) -> Result<Admitted, CallRefused> {
        if self.desk.settings.drain.is_draining() {
            return Err(CallRefused::Draining);
        }
        self.persona(request.persona.as_deref())?;
        let permit = self
            .desk
            .permits
            .clone()
            .try_acquire_owned()
            .map_err(|_| CallRefused::Full)?;
        if let Some(address) = request.address {
            let mut per_address = self.desk.per_address();
            let n_calls = per_address.entry(address).or_default();
            if *n_calls >= self.desk.settings.max_calls_per_address {
                return Err(CallRefused::TooManyFromAddress);
            }
            *n_calls += 1;
        }
        gauge!(names::CALLS_ALIVE).increment(1);
        Ok(Admitted {
            desk: self.desk.clone(),
            address: request.address,
            _permit: permit,
            _alive: self.desk.settings.drain.alive(),
        })
    }
}

impl Desk {
    fn per_address(&self) -> std::sync::MutexGuard<'_, HashMap<IpAddr, usize>> {
        // No code panics while holding it.
        self.per_address
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call's place; given back when dropped.
struct Admitted {
    desk: Arc<Desk>,
    address: Option<IpAddr>,
    _permit: OwnedSemaphorePermit,
    _alive: Alive,
}

impl Drop for Admitted {
    fn drop(&mut self) {
        gauge!(names::CALLS_ALIVE).decrement(1);
        let Some(address) = self.address else { return };
        let mut per_address = self.desk.per_address();
        if let Some(n_calls) = per_address.get_mut(&address) {
            *n_calls -= 1;
            if *n_calls == 0 {
                per_address.remove(&address);
            }
        }
    }
}
