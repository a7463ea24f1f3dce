//! What was heard and said lately, as sound, so that an item can be retrieved with its audio.
//!
//! Bounded: [`LONGEST`] of one item and [`MOST`] of all, of either side; what is older is forgotten
//! first, and an item without its sound is shown without it.
use std::{collections::VecDeque, time::Duration};

use voiced_core::{audio::SampleRate, audio::pcm16, turn::ItemId};

use super::sound::{Format, SoundOut, Take};

/// Of one item: an event with 15 s at 24 kHz stays below the megabyte some clients read at most.
pub const LONGEST: Duration = Duration::from_secs(15);
/// Of all items of one side.
const MOST: Duration = Duration::from_secs(30);

/// The sound of one session's items.
#[derive(Debug, Default)]
pub struct Recall {
    /// What the client sent last, at `SampleRate::HEARING`.
    heard: VecDeque<i16>,
    /// Where in all the client sent `heard` ends, in samples.
    position: u64,
    /// Where speech began that is not committed yet.
    started: Option<(ItemId, u64)>,
    /// Where it stopped.
    stopped: Option<u64>,
    /// Where commits by hand were asked for.
    commits: VecDeque<u64>,
    /// Where the last committed stretch ended.
    committed: u64,
    turns: VecDeque<(ItemId, Vec<i16>)>,
    replies: VecDeque<(ItemId, Take)>,
}

fn samples(rate: SampleRate, time: Duration) -> usize {
    usize::try_from(rate.samples_in(time)).unwrap_or(usize::MAX)
}

impl Recall {
    /// The client sent this, at `SampleRate::HEARING`.
    pub fn hear(&mut self, audio: &[f32]) {
        self.position += audio.len() as u64;
        self.heard.extend(audio.iter().map(|sample| pcm16(*sample)));
        let most = samples(SampleRate::HEARING, MOST);
        let over = self.heard.len().saturating_sub(most);
        self.heard.drain(..over);
    }

    /// How much the client has sent.
    pub fn position(&self) -> Duration {
        SampleRate::HEARING.duration_of(self.position)
    }

    /// Speech began.
    pub fn started(&mut self, item: &ItemId, at: Duration) {
        self.started = Some((item.clone(), SampleRate::HEARING.samples_in(at)));
        self.stopped = None;
    }

    /// It stopped.
    pub fn stopped(&mut self, at: Duration) {
        self.stopped = Some(SampleRate::HEARING.samples_in(at));
    }

    /// The client commits what it sent so far.
    pub fn commit_asked(&mut self) {
        if self.commits.len() == 16 {
            self.commits.pop_front();
        }
        self.commits.push_back(self.position);
    }

    /// The client's uncommitted audio is forgotten.
    pub fn cleared(&mut self) {
        self.started = None;
        self.stopped = None;
        self.committed = self.position;
    }

    /// A turn became an item: keeps what was heard of it.
    pub fn committed(&mut self, item: &ItemId) {
        let by_hand = self.commits.pop_front();
        let spoken = self.started.take().filter(|(known, _)| known == item);
        let from = spoken.map_or(self.committed, |(_, at)| at.max(self.committed));
        let until = by_hand.or(self.stopped.take()).unwrap_or(self.position);
        self.committed = until;
        let oldest = self.position - self.heard.len() as u64;
        let at = |position: u64| {
            let within = position.clamp(oldest, self.position) - oldest;
            usize::try_from(within).unwrap_or(usize::MAX)
        };
        let (from, until) = (at(from), at(until));
        let until = until.min(from + samples(SampleRate::HEARING, LONGEST));
        let audio: Vec<i16> = self.heard.range(from..until.max(from)).copied().collect();
        self.turns.push_back((item.clone(), audio));
        let most = samples(SampleRate::HEARING, MOST);
        while self
            .turns
            .iter()
            .map(|(_, audio)| audio.len())
            .sum::<usize>()
            > most
        {
            self.turns.pop_front();
        }
    }

    /// A reply became an item.
    pub fn said(&mut self, item: &ItemId, take: Take) {
        if take.0.is_empty() {
            return;
        }
        self.replies.push_back((item.clone(), take));
        let most = samples(SampleRate::SPEECH, MOST);
        while self
            .replies
            .iter()
            .map(|(_, take)| take.0.len())
            .sum::<usize>()
            > most
        {
            self.replies.pop_front();
        }
    }

    /// An item was cut.
    pub fn cut(&mut self, item: &ItemId, at: Duration) {
        let found = self.replies.iter_mut().find(|(known, _)| known == item);
        if let Some((_, take)) = found {
            take.0.truncate(samples(SampleRate::SPEECH, at));
        }
    }

    /// An item was deleted.
    pub fn forget(&mut self, item: &ItemId) {
        self.turns.retain(|(known, _)| known != item);
        self.replies.retain(|(known, _)| known != item);
    }

    /// The sound of an item in the client's format, if it is still known.
    pub fn sound_of(&self, item: &ItemId, input: Format, output: Format) -> Option<String> {
        let find = |list: &[(ItemId, Vec<i16>)]| {
            let found = list.iter().find(|(known, _)| known == item)?;
            Some(SoundOut::between(SampleRate::HEARING, input).whole(&found.1))
        };
        let (first, second) = self.turns.as_slices();
        find(first).or_else(|| find(second)).or_else(|| {
            let (_, take) = self.replies.iter().find(|(known, _)| known == item)?;
            Some(SoundOut::between(SampleRate::SPEECH, output).whole(&take.0))
        })
    }
}
