//! Keys as events inside the media (RFC 4733), in and out.

/// Keys by their event number.
const KEYS: &[u8; 16] = b"0123456789*#ABCD";
/// Packets of 20 ms a key sounds: 100 ms.
const LENGTH: u16 = 5;
/// The last packet is sent so often, in case it is lost.
const ENDS: u16 = 3;
/// Beats of silence between two keys.
const GAP: u16 = 4;

/// The key of an event.
pub fn key_of(event: u8) -> Option<char> {
    KEYS.get(usize::from(event)).map(|key| char::from(*key))
}

/// The event of a key.
pub fn event_of(key: char) -> Option<u8> {
    let at = KEYS
        .iter()
        .position(|known| char::from(*known) == key.to_ascii_uppercase())?;
    u8::try_from(at).ok()
}

/// Finds presses in events that repeat themselves.
#[derive(Debug, Default)]
pub struct Presses {
    /// Stream and timestamp of the last press.
    last: Option<(u32, u32)>,
}

impl Presses {
    /// An event packet came; gives the key when it is a new press.
    pub fn heard(&mut self, ssrc: u32, timestamp: u32, payload: &[u8]) -> Option<char> {
        let key = key_of(*payload.first()?)?;
        if payload.len() < 4 || self.last == Some((ssrc, timestamp)) {
            return None;
        }
        // Repeats of an older press may come late.
        if let Some((stream, newest)) = self.last
            && stream == ssrc
            && timestamp.wrapping_sub(newest).cast_signed() < 0
        {
            return None;
        }
        self.last = Some((ssrc, timestamp));
        Some(key)
    }
}

/// What to send at one beat while keys are pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventPacket {
    /// The payload.
    pub payload: [u8; 4],
    /// Beats since the press began: the timestamp is that of its beginning.
    pub since: u32,
    /// Whether it is the first of the press.
    pub marker: bool,
}

/// Presses keys, one after the other.
#[derive(Debug, Default)]
pub struct Presser {
    waiting: std::collections::VecDeque<u8>,
    /// Beats since the current press began.
    at: Option<(u8, u16)>,
}

/// The most keys that wait.
const MOST_WAITING: usize = 64;

impl Presser {
    /// Presses these keys after those that wait; other characters are pauses. What is too much is
    /// left out.
    pub fn press(&mut self, keys: &str) {
        let room = MOST_WAITING.saturating_sub(self.waiting.len());
        self.waiting
            .extend(keys.chars().filter_map(event_of).take(room));
    }

    /// Whether keys are being pressed.
    pub fn is_busy(&self) -> bool {
        self.at.is_some() || !self.waiting.is_empty()
    }

    /// The next beat: what is sent, or nothing between two keys. `step` is the beat on the RTP
    /// clock.
    pub fn beat(&mut self, step: u16) -> Option<EventPacket> {
        let (event, at) = match self.at {
            Some((event, at)) => (event, at),
            None => (self.waiting.pop_front()?, 0),
        };
        let sent = LENGTH + ENDS - 1;
        self.at = (at + 1 < sent + GAP).then_some((event, at + 1));
        if at >= sent {
            return None;
        }
        let is_end = at + 1 >= LENGTH;
        let duration = step.saturating_mul((at + 1).min(LENGTH)).to_be_bytes();
        let volume = 10;
        let flags = if is_end { 0x80 | volume } else { volume };
        Some(EventPacket {
            payload: [event, flags, duration[0], duration[1]],
            since: u32::from(at),
            marker: at == 0,
        })
    }
}
