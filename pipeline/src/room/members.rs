//! One room: who is in it, who interprets whom for whom, and what everybody is told.
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Interval, MissedTickBehavior, interval},
};
use tracing::Instrument;
use voiced_core::{
    interpret::{InterpretSettings, Language, Told},
    playout::PlayoutReader,
};

use super::{
    EVENTS, Join, JoinRefused, Joined, PersonId, Request, RoomEvent, RoomSettings,
    mixing::{Loudspeaker, Voices, pass_on, ring},
    person::{Person, Speaking},
};
use crate::{
    call::{end_reason_text, mic},
    calls::{Calls, InterpretRequest},
    interpret::InterpretTold,
};

/// What the sessions tell the room waits here; they never wait for it.
const TOLD: usize = 1_024;
/// How much of what somebody said the other speakers' translators are told, in characters.
const LONGEST_NOTE: usize = 300;

/// The task of a room.
pub(super) struct Room {
    calls: Calls,
    settings: RoomSettings,
    requests: mpsc::Receiver<Request>,
    people: BTreeMap<PersonId, Person>,
    n_people: u32,
    told: mpsc::Receiver<(PersonId, InterpretTold)>,
    told_tx: mpsc::Sender<(PersonId, InterpretTold)>,
    gone: mpsc::Receiver<PersonId>,
    gone_tx: mpsc::Sender<PersonId>,
    tasks: JoinSet<()>,
}

enum Woken {
    Beat,
    Request(Request),
    Told(PersonId, InterpretTold),
    Gone(PersonId),
    Closing,
}

impl Room {
    pub(super) fn new(
        calls: Calls,
        settings: RoomSettings,
        requests: mpsc::Receiver<Request>,
    ) -> Self {
        let (told_tx, told) = mpsc::channel(TOLD);
        let (gone_tx, gone) = mpsc::channel(settings.max_people.max(1));
        Self {
            calls,
            settings,
            requests,
            people: BTreeMap::new(),
            n_people: 0,
            told,
            told_tx,
            gone,
            gone_tx,
            tasks: JoinSet::new(),
        }
    }

    /// Runs until the last person is gone.
    pub(super) async fn run(mut self) {
        let mut beat = interval(Duration::from_millis(20));
        // A late room catches up: what it does not pull in time is lost to everybody.
        beat.set_missed_tick_behavior(MissedTickBehavior::Burst);
        loop {
            match self.wait(&mut beat).await {
                Woken::Beat => self.mix(),
                Woken::Request(Request { join, answer }) => {
                    let joined = self.join(join).await;
                    // Who does not wait for the answer drops their microphone with it.
                    let _ = answer.send(joined);
                }
                Woken::Told(person, told) => self.take(person, told).await,
                Woken::Gone(person) => self.leave(person, None).await,
                Woken::Closing => {
                    let everybody: Vec<PersonId> = self.people.keys().copied().collect();
                    for person in everybody {
                        self.leave(person, Some("the server is going down")).await;
                    }
                }
            }
            while self.tasks.try_join_next().is_some() {}
            if self.people.is_empty() {
                return;
            }
        }
    }

    async fn wait(&mut self, beat: &mut Interval) -> Woken {
        let drain = self.calls.drain().clone();
        tokio::select! {
            biased;
            _ = beat.tick(), if !self.people.is_empty() => Woken::Beat,
            () = drain.ending(), if !self.people.is_empty() => Woken::Closing,
            Some(person) = self.gone.recv() => Woken::Gone(person),
            Some((person, told)) = self.told.recv() => Woken::Told(person, told),
            Some(request) = self.requests.recv() => Woken::Request(request),
        }
    }

    fn mix(&mut self) {
        let mut sounds: BTreeMap<PersonId, (Language, Voices)> = BTreeMap::new();
        for (id, person) in &mut self.people {
            let Some(speaking) = &mut person.speaking else {
                continue;
            };
            let targets = speaking.targets.iter_mut();
            let interpreted = targets.map(|(language, (_, ring))| (language.clone(), ring.pull()));
            let voices = Voices {
                original: speaking.original.pull(),
                interpreted: interpreted.collect(),
            };
            sounds.insert(*id, (person.language.clone(), voices));
        }
        for (id, person) in &mut self.people {
            let others = sounds.iter().filter(|(speaker, _)| *speaker != id);
            let others = others.map(|(speaker, (language, voices))| (*speaker, language, voices));
            person.loudspeaker.play(&person.language, others);
        }
    }

    async fn join(&mut self, join: Join) -> Result<Joined, JoinRefused> {
        if self.people.len() >= self.settings.max_people {
            return Err(JoinRefused::RoomFull);
        }
        self.n_people += 1;
        let id = PersonId(self.n_people);
        let (mic_tx, mic_rx) = mic();
        let (original_tx, original) = ring();
        let (out, speaker) = ring();
        let (events, events_rx) = mpsc::channel(EVENTS);
        self.let_hear(&join.language).await?;
        let (speaking, interpreter) = match self.interpreted(id, &join, original).await {
            Ok(Some((speaking, mic))) => (Some(speaking), Some(mic)),
            Ok(None) => (None, None),
            Err(refused) => {
                self.free_unheard().await;
                return Err(refused);
            }
        };
        let task = pass_on(id, mic_rx, interpreter, original_tx, self.gone_tx.clone());
        let person = Person {
            name: join.name,
            language: join.language,
            speaking,
            loudspeaker: Loudspeaker::new(out, self.settings.duck),
            events,
            microphone: self.tasks.spawn(task.in_current_span()),
        };
        for (other, there) in &self.people {
            person.tell(there.joined(*other));
        }
        let joined = person.joined(id);
        self.people.insert(id, person);
        self.tell_all(&joined).await;
        Ok(Joined {
            person: id,
            mic: mic_tx,
            speaker,
            events: events_rx,
        })
    }

    /// An interpreter for a new speaker, into every language that needs one.
    async fn interpreted(
        &mut self,
        id: PersonId,
        join: &Join,
        original: PlayoutReader,
    ) -> Result<Option<(Speaking, crate::call::MicSender)>, JoinRefused> {
        if !join.speaks {
            return Ok(None);
        }
        let request = InterpretRequest {
            carrier: join.carrier,
            address: join.address,
            name: join.room.clone(),
            settings: InterpretSettings {
                language: Some(join.language.clone()),
                ..self.settings.interpreter.clone()
            },
        };
        let handle = self.calls.interpret(request).await;
        let mut handle = handle.map_err(JoinRefused::Call)?;
        let mut speaking = Speaking {
            control: handle.control,
            original,
            targets: BTreeMap::new(),
            utterance: String::new(),
        };
        let languages: BTreeSet<Language> =
            self.people.values().map(|p| p.language.clone()).collect();
        for language in languages {
            if !language.is_understood_by(&join.language) {
                let voice = self.voice(id, &language);
                speaking.add(language, voice, self.settings.speed).await?;
            }
        }
        let told = self.told_tx.clone();
        self.tasks.spawn(
            async move {
                while let Some(event) = handle.events.recv().await {
                    if told.send((id, event)).await.is_err() {
                        return;
                    }
                }
            }
            .in_current_span(),
        );
        Ok(Some((speaking, handle.mic)))
    }

    /// Everybody who is here is interpreted into `language`, or nobody is.
    async fn let_hear(&mut self, language: &Language) -> Result<(), JoinRefused> {
        let speed = self.settings.speed;
        let mut heard = Ok(());
        for id in self.people.keys().copied().collect::<Vec<_>>() {
            let voice = self.voice(id, language);
            let Some(person) = self.people.get_mut(&id) else {
                continue;
            };
            let Some(speaking) = &mut person.speaking else {
                continue;
            };
            if !language.is_understood_by(&person.language)
                && !speaking.targets.contains_key(language)
            {
                heard = speaking.add(language.clone(), voice, speed).await;
            }
            if heard.is_err() {
                break;
            }
        }
        if heard.is_err() {
            self.free_unheard().await;
        }
        heard
    }

    /// A speaker's voice in a language: theirs for as long as they stay.
    fn voice(&self, speaker: PersonId, language: &Language) -> Option<String> {
        let voices = &self.settings.voices;
        let voices = voices
            .get(language.tag())
            .or_else(|| voices.get(language.primary()))?;
        let n = speaker.0.saturating_sub(1) as usize;
        voices.get(n % voices.len().max(1)).cloned()
    }

    async fn take(&mut self, id: PersonId, told: InterpretTold) {
        let event = match told {
            InterpretTold::Told(told) => self.event_of(id, told),
            InterpretTold::Ended(reason) => {
                return self.leave(id, Some(end_reason_text(reason))).await;
            }
        };
        if let Some(event) = event {
            self.tell_all(&event).await;
        }
    }

    fn event_of(&mut self, id: PersonId, told: Told) -> Option<RoomEvent> {
        let speaking = self.people.get_mut(&id)?.speaking.as_mut()?;
        let person = id;
        let language = |target| speaking.language_of(target);
        let lost = |target, reason: &str| {
            Some(RoomEvent::Lost {
                person,
                language: language(target)?,
                reason: reason.to_owned(),
            })
        };
        match told {
            Told::SourceText { text } => {
                speaking.utterance.push_str(&text);
                Some(RoomEvent::Said { person, text })
            }
            Told::SourceGuess { text } => Some(RoomEvent::Guessed { person, text }),
            Told::SourceEnded => {
                self.let_know(id);
                Some(RoomEvent::Paused { person })
            }
            Told::TargetText { target, text } => Some(RoomEvent::Translated {
                person,
                language: language(target)?,
                text,
            }),
            Told::Sounding { target, span, .. } => Some(RoomEvent::Sounding {
                person,
                language: language(target)?,
                span,
            }),
            Told::Skipped { target, .. } => lost(target, "too late to be said"),
            Told::Untranslated { target, .. } => lost(target, "the translator did not keep up"),
            Told::TranslationFailed { target, reason } | Told::VoiceFailed { target, reason } => {
                lost(target, &reason)
            }
        }
    }

    /// What somebody said is told to the translators of the others.
    fn let_know(&mut self, id: PersonId) {
        let Some(person) = self.people.get_mut(&id) else {
            return;
        };
        let Some(speaking) = &mut person.speaking else {
            return;
        };
        let said = std::mem::take(&mut speaking.utterance);
        let said: String = said.trim().chars().take(LONGEST_NOTE).collect();
        if said.is_empty() {
            return;
        }
        let note = format!("{}: {said}", person.name);
        for (other, there) in &self.people {
            if let Some(speaking) = there.speaking.as_ref().filter(|_| *other != id) {
                speaking.control.overhear(&note);
            }
        }
    }

    /// Frees the voices of languages nobody listens to any more.
    async fn free_unheard(&mut self) {
        let listened: BTreeSet<Language> =
            self.people.values().map(|p| p.language.clone()).collect();
        for there in self.people.values_mut() {
            if let Some(speaking) = &mut there.speaking {
                speaking.keep(&listened).await;
            }
        }
    }

    /// Takes somebody out, and tells them why unless they left themselves.
    async fn leave(&mut self, id: PersonId, reason: Option<&str>) {
        let mut leaving = vec![(id, reason)];
        while let Some((id, reason)) = leaving.pop() {
            let Some(person) = self.people.remove(&id) else {
                continue;
            };
            if let Some(reason) = reason {
                let reason = reason.to_owned();
                person.tell(RoomEvent::Ended { reason });
            }
            drop(person);
            for there in self.people.values_mut() {
                there.loudspeaker.forget(id);
            }
            self.free_unheard().await;
            let event = RoomEvent::Left { person: id };
            leaving.extend(self.unread(&event));
        }
    }

    async fn tell_all(&mut self, event: &RoomEvent) {
        for (id, reason) in self.unread(event) {
            self.leave(id, reason).await;
        }
    }

    /// Tells everybody; who did not take it.
    fn unread(&self, event: &RoomEvent) -> Vec<(PersonId, Option<&'static str>)> {
        let people = self.people.iter();
        let unread = people.filter(|(_, person)| !person.tell(event.clone()));
        unread
            .map(|(id, _)| (*id, Some("the client does not read its events")))
            .collect()
    }
}
