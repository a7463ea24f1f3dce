//! Rooms: people who speak different languages hear each other, each in their own. One recogniser
//! per speaker, one translation and voice per language that is listened to.
//!
//! One task per room owns everything in it and mixes for everybody every 20 ms. A person the
//! engines have no room for is refused; nobody who is in is made to wait for them.
mod members;
mod mixing;
mod person;

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::{mpsc, oneshot};
use tracing::Instrument;
use voiced_core::{
    interpret::{BadLanguage, DuckPolicy, InterpretSettings, Language},
    playout::PlayoutReader,
};

use crate::{
    call::{CallRefused, MicSender},
    calls::Calls,
    interpret::TargetRefused,
};

/// How many requests wait for a room.
const REQUESTS: usize = 16;
/// How many events wait for a person; who lets more wait has left.
pub const EVENTS: usize = 512;

/// What all rooms have in common.
#[derive(Clone, Debug)]
pub struct RoomSettings {
    /// Rooms at once.
    pub max_rooms: usize,
    /// People in one.
    pub max_people: usize,
    /// How each speaker is interpreted; the language is theirs.
    pub interpreter: InterpretSettings,
    /// How loud originals are under their interpreters.
    pub duck: DuckPolicy,
    /// Tempo of the voices when nothing hurries.
    pub speed: f32,
    /// Voices to give to speakers in turn, by language (its tag or primary tag); none are named
    /// for a language that is not listed.
    pub voices: HashMap<String, Vec<String>>,
}

impl Default for RoomSettings {
    fn default() -> Self {
        Self {
            max_rooms: 16,
            max_people: 8,
            interpreter: InterpretSettings::default(),
            duck: DuckPolicy::default(),
            speed: 1.0,
            voices: HashMap::new(),
        }
    }
}

/// Who comes in.
#[derive(Clone, Debug)]
pub struct Join {
    /// The room; it begins with its first person and ends with its last.
    pub room: String,
    /// Shown to the others.
    pub name: String,
    /// What they speak and want to hear.
    pub language: Language,
    /// Whether they speak at all; who only listens takes no recogniser.
    pub speaks: bool,
    /// The door.
    pub carrier: &'static str,
    /// Where from.
    pub address: Option<IpAddr>,
}

/// A person of a room, unique in it for as long as it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PersonId(pub u32);

/// What everybody in a room is told.
#[derive(Clone, Debug, PartialEq)]
pub enum RoomEvent {
    /// Somebody is here; the first ones told are those who were here before.
    Joined {
        /// Who.
        person: PersonId,
        /// Their name.
        name: String,
        /// Their language.
        language: Language,
        /// Whether they speak.
        speaks: bool,
    },
    /// Somebody is gone.
    Left {
        /// Who.
        person: PersonId,
    },
    /// More of what somebody said, in the language they said it in, for good.
    Said {
        /// Who.
        person: PersonId,
        /// To be appended.
        text: String,
    },
    /// What was heard of them beyond that and may still change.
    Guessed {
        /// Who.
        person: PersonId,
        /// Replaces the last one.
        text: String,
    },
    /// They paused: what they say next begins a new line.
    Paused {
        /// Who.
        person: PersonId,
    },
    /// More of what they said in another language.
    Translated {
        /// Who said it.
        person: PersonId,
        /// In which language this is.
        language: Language,
        /// To be appended.
        text: String,
    },
    /// A line begins to sound.
    Sounding {
        /// Who said it.
        person: PersonId,
        /// In which language.
        language: Language,
        /// How long ago its first words were heard.
        span: Duration,
    },
    /// Text that was shown but came too late to be said, or was not translated at all.
    Lost {
        /// Who said it.
        person: PersonId,
        /// For whom it is lost.
        language: Language,
        /// What happened.
        reason: String,
    },
    /// The room is over for this person.
    Ended {
        /// Why.
        reason: String,
    },
}

/// A person's side. Dropping `mic` leaves the room.
pub struct Joined {
    /// Who they are.
    pub person: PersonId,
    /// What they say: mono 16 kHz frames of at most 20 ms.
    pub mic: MicSender,
    /// What they hear; to be pulled every 20 ms.
    pub speaker: PlayoutReader,
    /// What they are told. Ends after `RoomEvent::Ended`.
    pub events: mpsc::Receiver<RoomEvent>,
}

/// Why somebody was not let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JoinRefused {
    /// The room's name cannot be one.
    BadName,
    /// There are as many rooms as there may be.
    TooManyRooms,
    /// There are as many people in it as there may be.
    RoomFull,
    /// The engines have no room for one more.
    Call(CallRefused),
    /// Nobody translates between this language and one that is spoken in the room, or there is no
    /// voice for it.
    Target(TargetRefused),
}

impl std::fmt::Display for JoinRefused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            JoinRefused::BadName => {
                f.write_str("a room's name is 1 to 64 letters, digits, '-' and '_'")
            }
            JoinRefused::TooManyRooms => f.write_str("there are too many rooms, try again later"),
            JoinRefused::RoomFull => f.write_str("this room is full"),
            JoinRefused::Call(refused) => refused.fmt(f),
            JoinRefused::Target(refused) => refused.fmt(f),
        }
    }
}

impl std::error::Error for JoinRefused {}

impl From<BadLanguage> for JoinRefused {
    fn from(bad: BadLanguage) -> Self {
        JoinRefused::Target(TargetRefused::NoTranslator(crate::interpret::NoTranslator(
            bad.to_string(),
        )))
    }
}

struct Request {
    join: Join,
    answer: oneshot::Sender<Result<Joined, JoinRefused>>,
}

/// All rooms. Cheap to clone.
#[derive(Clone)]
pub struct Rooms(Arc<Inner>);

struct Inner {
    calls: Calls,
    settings: RoomSettings,
    open: Mutex<HashMap<String, mpsc::Sender<Request>>>,
}

impl Rooms {
    /// No rooms yet.
    pub fn new(calls: Calls, settings: RoomSettings) -> Self {
        Self(Arc::new(Inner {
            calls,
            settings,
            open: Mutex::default(),
        }))
    }

    /// Lets somebody in. The room begins with its first person.
    ///
    /// # Errors
    /// When it, the engines or the translators have no place for them.
    pub async fn join(&self, join: Join) -> Result<Joined, JoinRefused> {
        if !is_name(&join.room) {
            return Err(JoinRefused::BadName);
        }
        // A room may close between being found and being asked; then it is opened anew.
        for _ in 0..3 {
            let room = self.room(&join.room)?;
            let (answer, answered) = oneshot::channel();
            let request = Request {
                join: join.clone(),
                answer,
            };
            if room.send(request).await.is_ok()
                && let Ok(joined) = answered.await
            {
                return joined;
            }
        }
        Err(JoinRefused::RoomFull)
    }

    /// How many rooms there are.
    pub fn n_open(&self) -> usize {
        self.open().len()
    }

    fn room(&self, name: &str) -> Result<mpsc::Sender<Request>, JoinRefused> {
        let mut open = self.open();
        open.retain(|_, room| !room.is_closed());
        if let Some(room) = open.get(name) {
            return Ok(room.clone());
        }
        if open.len() >= self.0.settings.max_rooms {
            return Err(JoinRefused::TooManyRooms);
        }
        let (requests, receiver) = mpsc::channel(REQUESTS);
        open.insert(name.to_owned(), requests.clone());
        let room = members::Room::new(self.0.calls.clone(), self.0.settings.clone(), receiver);
        let span = tracing::info_span!("room");
        #[expect(
            clippy::disallowed_methods,
            reason = "a room outlives the request that opened it, and ends with its last person"
        )]
        tokio::spawn(room.run().instrument(span));
        Ok(requests)
    }

    fn open(&self) -> std::sync::MutexGuard<'_, HashMap<String, mpsc::Sender<Request>>> {
        // Nothing panics while holding it.
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

#[cfg(test)]
mod tests;
