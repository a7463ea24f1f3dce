//! A person of a room, and the interpreters of what they say: one per language somebody listens to.
use std::collections::{BTreeMap, BTreeSet};

use tokio::{sync::mpsc, task::AbortHandle};
use voiced_core::{
    interpret::{Language, TargetId},
    playout::PlayoutReader,
};

use super::{JoinRefused, PersonId, RoomEvent, mixing::Loudspeaker};
use crate::interpret::{InterpretControl, Listening, TargetRequest};

/// Somebody who is in.
pub(super) struct Person {
    pub name: String,
    pub language: Language,
    pub speaking: Option<Speaking>,
    pub loudspeaker: Loudspeaker,
    pub events: mpsc::Sender<RoomEvent>,
    /// Moves their microphone; its end ends their interpreter.
    pub microphone: AbortHandle,
}

impl Drop for Person {
    fn drop(&mut self) {
        self.microphone.abort();
    }
}

impl Person {
    pub(super) fn joined(&self, person: PersonId) -> RoomEvent {
        RoomEvent::Joined {
            person,
            name: self.name.clone(),
            language: self.language.clone(),
            speaks: self.speaking.is_some(),
        }
    }

    /// Whether it fits. Somebody whose channel is closed is leaving already.
    pub(super) fn tell(&self, event: RoomEvent) -> bool {
        !matches!(
            self.events.try_send(event),
            Err(mpsc::error::TrySendError::Full(_))
        )
    }
}

/// A speaker's interpreters.
pub(super) struct Speaking {
    pub control: InterpretControl,
    pub original: PlayoutReader,
    pub targets: BTreeMap<Language, (TargetId, PlayoutReader)>,
    /// What they said since they last paused.
    pub utterance: String,
}

impl Speaking {
    pub(super) async fn add(
        &mut self,
        language: Language,
        voice: Option<String>,
        speed: f32,
    ) -> Result<(), JoinRefused> {
        let request = TargetRequest {
            language: language.clone(),
            voice,
            speed,
            spoken: true,
        };
        let added = self.control.add(request).await;
        let Listening { target, ring } = added.map_err(JoinRefused::Target)?;
        if let Some(ring) = ring {
            self.targets.insert(language, (target, ring));
        }
        Ok(())
    }

    pub(super) async fn remove(&mut self, language: &Language) {
        if let Some((target, _)) = self.targets.remove(language) {
            self.control.remove(target).await;
        }
    }

    /// Frees the voices nobody listens to any more.
    pub(super) async fn keep(&mut self, listened: &BTreeSet<Language>) {
        let unheard: Vec<Language> = self
            .targets
            .keys()
            .filter(|language| !listened.contains(*language))
            .cloned()
            .collect();
        for language in unheard {
            self.remove(&language).await;
        }
    }

    pub(super) fn language_of(&self, wanted: TargetId) -> Option<Language> {
        let mut targets = self.targets.iter();
        targets
            .find(|(_, (target, _))| *target == wanted)
            .map(|(language, _)| language.clone())
    }
}
