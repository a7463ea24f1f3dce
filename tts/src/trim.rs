//! Silence at the ends of a line, and too much of it inside, is taken out while the line streams
//! by; and what was at a place before is found where it is now.
use std::collections::VecDeque;

/// Samples are judged in stretches of 5 ms at 16 kHz.
const BLOCK: usize = 80;

/// A block is quiet when no sample exceeds this: -46 dB of full scale. Below it lie the voices'
/// pauses (-60 dB and less), above it all speech but the last of a fading consonant.
const QUIET: u16 = 164;

/// What is left of silence, in blocks: 20 ms before the line, so that no onset is cut;
const LEAD: usize = 4;
/// 300 ms inside it, a natural pause between clauses;
const INSIDE: usize = 60;
/// 100 ms after it.
const TAIL: usize = 20;

/// A line of 16-bit audio at 16 kHz on its way through.
#[derive(Default)]
pub struct Trim {
    /// Samples that do not fill a block yet.
    partial: Vec<i16>,
    /// Quiet samples held back, not more than is left of silence at most.
    quiet: VecDeque<i16>,
    spoke: bool,
    given: u64,
}

impl Trim {
    /// Takes the next samples; appends to `out` what is known to stay.
    pub fn push(&mut self, samples: &[i16], out: &mut Vec<i16>) {
        let mut rest = samples;
        while !rest.is_empty() {
            let room = BLOCK - self.partial.len();
            let (now, later) = rest.split_at(room.min(rest.len()));
            self.partial.extend_from_slice(now);
            rest = later;
            if self.partial.len() == BLOCK {
                self.block(out);
            }
        }
    }

    fn block(&mut self, out: &mut Vec<i16>) {
        let loud = self.partial.iter().any(|s| s.unsigned_abs() > QUIET);
        let keep = if self.spoke { INSIDE } else { LEAD };
        if loud {
            self.spoke = true;
            let before = out.len();
            out.extend(self.quiet.drain(..));
            out.append(&mut self.partial);
            self.given += (out.len() - before) as u64;
        } else {
            self.quiet.extend(self.partial.drain(..));
            // Inside a line the newest silence is as good as the oldest.
            while self.quiet.len() > keep * BLOCK {
                self.quiet.pop_front();
            }
        }
    }

    /// Ends the line: appends what is left of the silence at its end.
    pub fn finish(&mut self, out: &mut Vec<i16>) {
        if !self.partial.is_empty() {
            self.partial.resize(BLOCK, 0);
            self.block(out);
        }
        if self.spoke {
            let before = out.len();
            out.extend(self.quiet.drain(..).take(TAIL * BLOCK));
            self.given += (out.len() - before) as u64;
        }
        *self = Trim {
            given: self.given,
            ..Trim::default()
        };
    }

    /// Where in the line as it goes out the last judged sample lies, held back silence included.
    pub fn position(&self) -> u64 {
        self.given + self.quiet.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `#` 5 ms of speech, `.` 5 ms of silence; the same of what comes out, in pieces of `piece`.
    fn trimmed(line: &str, piece: usize) -> String {
        let samples: Vec<i16> = line
            .chars()
            .flat_map(|c| [if c == '#' { 5_000 } else { 10 }; BLOCK])
            .collect();
        let mut trim = Trim::default();
        let mut out = Vec::new();
        for part in samples.chunks(piece) {
            trim.push(part, &mut out);
        }
        trim.finish(&mut out);
        assert_eq!(trim.position(), out.len() as u64);
        out.chunks(BLOCK)
            .map(|b| if b[0] > 1_000 { '#' } else { '.' })
            .collect()
    }

    #[test]
    fn silence_before_and_after_is_shortened_and_pauses_stay() {
        let line = format!(
            "{}###{}##{}",
            ".".repeat(30),
            ".".repeat(40),
            ".".repeat(50)
        );
        let short = format!("....###{}##{}", ".".repeat(40), ".".repeat(20));
        for piece in [1, 79, 80, 400, 100_000] {
            assert_eq!(trimmed(&line, piece), short);
        }
    }

    #[test]
    fn a_long_pause_inside_is_shortened() {
        let line = format!("#{}#", ".".repeat(200));
        assert_eq!(trimmed(&line, 400), format!("#{}#", ".".repeat(60)));
    }

    #[test]
    fn silence_alone_is_nothing() {
        assert_eq!(trimmed(&".".repeat(100), 400), "");
        assert_eq!(trimmed("", 400), "");
    }
}
