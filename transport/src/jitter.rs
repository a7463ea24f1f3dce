//! Order and patience for Opus over RTP: packets in as they come, one stretch of audio out
//! whenever the decoder wants one. Pure: time is passed in.
//!
//! Guarantees: every packet is played at most once and in order; a lost one is rebuilt from its
//! successor where that is there, guessed otherwise; a pause of the sender (discontinuous
//! transmission) is silence, not loss; waiting adapts between 20 and 120 ms and never runs away.
use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;

mod delay;

use delay::Delays;

/// The RTP clock of Opus, whatever the audio inside.
const CLOCK: i64 = 48_000;
/// 20 ms of it: what is played when nothing better is known.
const FRAME: u32 = 960;
/// Most packets kept. 64 of 20 ms are far more than any delay wanted here.
const CAPACITY: usize = 64;
/// A jump of the sequence beyond this is another stream, not a loss.
const STREAM_BREAK: i64 = 500;
/// How much is guessed while nothing arrives, before it is silence: 100 ms.
const LONGEST_GUESS: u32 = 5 * FRAME;
/// The longest hole that is filled while later packets wait: 480 ms. A longer one is a pause.
const LONGEST_HOLE: i64 = 24 * FRAME as i64;
/// An Opus packet of up to two bytes says "still silent" and is followed by a pause.
const PAUSE_BYTES: usize = 2;
/// Played later than wanted by more than this: drop a quiet frame.
const SLACK: Duration = Duration::from_millis(25);
/// Played later than wanted by more than this: drop a frame, quiet or not.
const TOO_LATE: Duration = Duration::from_millis(180);

/// One RTP packet of Opus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Its stream.
    pub ssrc: u32,
    /// Its place in the stream; wraps.
    pub sequence: u16,
    /// Its time on the 48 kHz clock; wraps.
    pub timestamp: u32,
    /// How much audio it holds, on the same clock.
    pub duration: u32,
    /// The Opus packet.
    pub payload: Bytes,
}

/// What to play next. Lengths are on the 48 kHz clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Play {
    /// Decode this.
    Packet {
        /// The packet.
        packet: Packet,
        /// Whether its sound may be left out, to catch up.
        hurry: Hurry,
    },
    /// Rebuild `duration` of audio from the redundancy inside the packet that follows it.
    FecFrom {
        /// The packet after the lost one. It will be played as well.
        next: Bytes,
        /// What was lost.
        duration: u32,
    },
    /// Guess `duration` of audio.
    Conceal {
        /// What is missing.
        duration: u32,
    },
    /// The sender is silent.
    Silence {
        /// For how long, at most 20 ms at a time.
        duration: u32,
    },
}

/// Whether a decoded frame should be left out because playing lags behind arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hurry {
    /// Play it.
    No,
    /// Leave it out if it is quiet, and pull again.
    IfQuiet,
    /// Leave it out, and pull again.
    Now,
}

/// What became of the packets of one stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Decoded.
    pub played: u64,
    /// Rebuilt from redundancy.
    pub recovered: u64,
    /// Stretches that were guessed.
    pub concealed: u64,
    /// Came after their time.
    pub late: u64,
    /// Came twice.
    pub duplicates: u64,
    /// Thrown away because too many waited.
    pub overflowed: u64,
}

/// The buffer of one incoming stream.
pub struct JitterBuffer {
    /// Waiting packets by unwrapped sequence.
    waiting: BTreeMap<i64, Arrived>,
    stream: Option<Stream>,
    delays: Delays,
    counts: Counts,
}

struct Arrived {
    /// Unwrapped timestamp.
    at: i64,
    packet: Packet,
}

/// Where reading and playing stand in the current stream.
struct Stream {
    ssrc: u32,
    /// The newest sequence and timestamp seen, unwrapped.
    newest: (i64, i64),
    playing: Option<Playing>,
    /// Nothing up to here may be played any more.
    done: i64,
}

struct Playing {
    /// The timestamp to be played next.
    next: i64,
    /// Length of the packet played last.
    frame: u32,
    /// Whether the packet played last announced a pause.
    pausing: bool,
    /// Guessed while nothing was there, without moving `next`.
    guessed: u32,
}

impl Default for JitterBuffer {
    fn default() -> Self {
        Self::new()
    }
}

impl JitterBuffer {
    /// An empty buffer that waits 40 ms until it knows better.
    pub fn new() -> Self {
        Self {
            waiting: BTreeMap::new(),
            stream: None,
            delays: Delays::new(),
            counts: Counts::default(),
        }
    }

    /// What became of the packets so far, over all streams.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// How long packets are made to wait for those that are later than usual.
    pub fn target(&self) -> Duration {
        self.delays.target()
    }

    /// Packets waiting.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// A packet arrived. Packets that hold no audio are ignored.
    pub fn insert(&mut self, now: Duration, packet: Packet) {
        if packet.duration == 0 || packet.payload.is_empty() {
            return;
        }
        let (sequence, at) = self.unwrap(&packet);
        self.delays.arrived(now, at);
        let Some(stream) = &mut self.stream else {
            return;
        };
        if sequence > stream.newest.0 {
            stream.newest = (sequence, at);
        }
        if sequence <= stream.done {
            self.counts.late += 1;
            return;
        }
        if self.waiting.contains_key(&sequence) {
            self.counts.duplicates += 1;
            return;
        }
        self.waiting.insert(sequence, Arrived { at, packet });
        if self.waiting.len() > CAPACITY {
            self.overflow();
        }
    }

    /// What to play now. Called again as soon as more audio is wanted; each answer lasts as long
    /// as it says.
    pub fn pull(&mut self, now: Duration) -> Play {
        let playing = self.stream.as_mut().and_then(|s| s.playing.as_mut());
        match playing {
            Some(playing) if self.waiting.is_empty() => {
                if playing.pausing || playing.guessed >= LONGEST_GUESS {
                    self.rest();
                    return Play::Silence { duration: FRAME };
                }
                playing.guessed += playing.frame;
                let duration = playing.frame;
                self.counts.concealed += 1;
                Play::Conceal { duration }
            }
            Some(_) => self.advance(now),
            None => self.begin(now),
        }
    }

    /// Starts playing once the first packet has waited long enough.
    fn begin(&mut self, now: Duration) -> Play {
        let first = self.waiting.values().next().map(|arrived| arrived.at);
        if let (Some(first), Some(stream)) = (first, &mut self.stream)
            && self.delays.is_due(now, first)
        {
            stream.playing = Some(Playing {
                next: first,
                frame: FRAME,
                pausing: false,
                guessed: 0,
            });
            return self.advance(now);
        }
        Play::Silence { duration: FRAME }
    }

    /// Plays the first waiting packet, or fills the hole before it.
    fn advance(&mut self, now: Duration) -> Play {
        let (Some(stream), Some((&sequence, first))) =
            (&mut self.stream, self.waiting.first_key_value())
        else {
            return Play::Silence { duration: FRAME };
        };
        let done = stream.done;
        let Some(playing) = &mut stream.playing else {
            return Play::Silence { duration: FRAME };
        };
        // What was guessed meanwhile stands for what turns out to be missing.
        let hole = first.at - playing.next;
        let covered = hole.clamp(0, i64::from(playing.guessed));
        playing.next += covered;
        playing.guessed = 0;
        let hole = hole - covered;
        if !(-LONGEST_HOLE..=LONGEST_HOLE).contains(&hole) {
            self.rest();
            return Play::Silence { duration: FRAME };
        }
        if hole <= 0 {
            return self.play_first(now);
        }
        let lost = (sequence - done - 1).clamp(0, CAPACITY as i64) * i64::from(playing.frame);
        let hole_48k = u32::try_from(hole).unwrap_or(FRAME);
        if hole > lost {
            // More time than packets is missing: the sender paused.
            let duration = hole_48k
                .min(FRAME)
                .min(u32::try_from(hole - lost).unwrap_or(FRAME));
            playing.next += i64::from(duration);
            return Play::Silence { duration };
        }
        let frame = first.packet.duration;
        let duration = if hole_48k <= frame {
            hole_48k
        } else {
            (hole_48k - frame).min(FRAME)
        };
        playing.next += i64::from(duration);
        if hole_48k <= frame {
            self.counts.recovered += 1;
            let next = first.packet.payload.clone();
            return Play::FecFrom { next, duration };
        }
        self.counts.concealed += 1;
        Play::Conceal { duration }
    }

    fn play_first(&mut self, now: Duration) -> Play {
        let (Some((sequence, arrived)), Some(stream)) =
            (self.waiting.pop_first(), &mut self.stream)
        else {
            return Play::Silence { duration: FRAME };
        };
        stream.done = sequence;
        if let Some(playing) = &mut stream.playing {
            playing.next = arrived.at + i64::from(arrived.packet.duration);
            playing.frame = arrived.packet.duration;
            playing.pausing = arrived.packet.payload.len() <= PAUSE_BYTES;
        }
        self.counts.played += 1;
        let lag = self.delays.lag(now, arrived.at);
        let hurry = match lag {
            lag if lag > TOO_LATE => Hurry::Now,
            lag if lag > SLACK => Hurry::IfQuiet,
            _ => Hurry::No,
        };
        Play::Packet {
            packet: arrived.packet,
            hurry,
        }
    }

    /// Stops playing until packets have gathered again.
    fn rest(&mut self) {
        if let Some(stream) = &mut self.stream {
            stream.playing = None;
        }
    }

    /// Too many wait (a burst after a hole in the network): keep the newest that are wanted.
    fn overflow(&mut self) {
        while self.waiting.len() > CAPACITY / 4 {
            if let (Some((sequence, _)), Some(stream)) =
                (self.waiting.pop_first(), &mut self.stream)
            {
                stream.done = sequence;
                self.counts.overflowed += 1;
            }
        }
        self.rest();
    }

    /// Sequence and timestamp without wraps; starts over when the stream is another one.
    fn unwrap(&mut self, packet: &Packet) -> (i64, i64) {
        if let Some(stream) = &self.stream
            && stream.ssrc == packet.ssrc
        {
            let (sequence, at) = stream.newest;
            // Differences on the circle: the nearest way round is the right one.
            let step = i64::from(packet.sequence.wrapping_sub(sequence as u16).cast_signed());
            let time = i64::from(packet.timestamp.wrapping_sub(at as u32).cast_signed());
            if step.abs() <= STREAM_BREAK {
                return (sequence + step, at + time);
            }
        }
        let (sequence, at) = (i64::from(packet.sequence), i64::from(packet.timestamp));
        self.waiting.clear();
        self.delays = Delays::new();
        self.stream = Some(Stream {
            ssrc: packet.ssrc,
            newest: (sequence, at),
            playing: None,
            // Packets that were overtaken by the first one may still come.
            done: sequence - 16,
        });
        (sequence, at)
    }
}

#[cfg(test)]
mod tests;
