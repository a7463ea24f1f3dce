//! From translated lines to lines that sound: how late they are, at which tempo they are handed to
//! the voice, and what of them was heard.
use std::{collections::VecDeque, time::Duration};

use super::{Target, Timed};
use crate::{
    audio::SampleRate,
    engine::Line,
    interpret::{InterpretAction, PacePolicy, Told},
    sentences::SpokenLine,
    time::SessionTime,
};

/// Lines handed to the voice at once: one being said, one to follow without a gap. The tempo of a
/// line is decided when it is handed over.
const AT_VOICE: usize = 2;
impl Target {
    /// A line whose words were heard from the piece on in which it begins.
    pub(super) fn queue(&mut self, line: SpokenLine, otherwise: SessionTime) {
        while self
            .written
            .front()
            .is_some_and(|(end, _)| *end <= line.start)
        {
            self.written.pop_front();
        }
        if !self.spoken {
            return;
        }
        let heard_from = self.oldest().unwrap_or(otherwise);
        self.lines.push_back(Timed {
            line,
            heard_from,
            begins: None,
            is_told: false,
        });
    }

    /// How late the next words would sound: their age and what is still to sound before them.
    pub(in crate::interpret) fn lag(&self, now: SessionTime) -> Duration {
        let waiting = self.waiting.as_ref().map(|piece| piece.heard_from);
        let asked = self.asked.as_ref().map(|asked| asked.heard_from);
        let next = self.lines.front().map(|timed| timed.heard_from);
        let oldest = [next, asked, waiting].into_iter().flatten().min();
        let age = oldest.map_or(Duration::ZERO, |heard| now.since(heard));
        age + self.queued()
    }

    fn queued(&self) -> Duration {
        SampleRate::SPEECH.duration_of(self.voiced.saturating_sub(self.played))
    }

    /// Hands lines to the voice, at the tempo the lag asks for.
    pub(in crate::interpret) fn say(
        &mut self,
        pace: &PacePolicy,
        now: SessionTime,
        out: &mut VecDeque<InterpretAction>,
    ) {
        while self.at_voice.len() < AT_VOICE {
            let Some(mut timed) = self.lines.pop_front() else {
                return;
            };
            let lag = now.since(timed.heard_from) + self.queued();
            let target = self.id;
            if lag > pace.skip_after && !self.lines.is_empty() {
                let text = timed.line.text;
                out.push_back(InterpretAction::Tell(Told::Skipped { target, text }));
                continue;
            }
            let speed = self.speed * pace.speed(lag);
            let line = Line {
                text: timed.line.text.clone(),
                voice: self.voice.clone(),
                speed: Some(speed).filter(|speed| (*speed - 1.0).abs() > 0.01),
            };
            if self.at_voice.is_empty() {
                timed.begins = Some(self.line_end);
            }
            let (start, end) = (timed.line.start, timed.line.end);
            self.at_voice.push_back(timed);
            out.push_back(InterpretAction::Say {
                target,
                line,
                start,
                end,
            });
        }
    }

    /// The voice has come to `text_end` when `samples` have been played.
    pub(in crate::interpret) fn voiced(&mut self, samples: u64, text_end: usize) {
        self.voiced = self.voiced.max(samples);
        while self
            .at_voice
            .front()
            .is_some_and(|timed| timed.line.end <= text_end)
        {
            if let Some(mut timed) = self.at_voice.pop_front() {
                timed.begins.get_or_insert(self.line_end);
                self.line_end = samples;
                self.sounding.push_back((timed, samples));
            }
        }
        if let Some(next) = self.at_voice.front_mut() {
            next.begins.get_or_insert(self.line_end);
        }
    }

    /// The listener's side has played `samples`.
    pub(in crate::interpret) fn played(
        &mut self,
        samples: u64,
        now: SessionTime,
        out: &mut VecDeque<InterpretAction>,
    ) {
        self.played = samples;
        let lines = self.sounding.iter_mut().map(|(timed, _)| timed);
        for timed in lines.chain(self.at_voice.front_mut()) {
            if timed.is_told || timed.begins.is_none_or(|begins| begins >= samples) {
                continue;
            }
            timed.is_told = true;
            out.push_back(InterpretAction::Tell(Told::Sounding {
                target: self.id,
                text_end: timed.line.end,
                span: now.since(timed.heard_from),
            }));
        }
        while self
            .sounding
            .front()
            .is_some_and(|(_, end)| *end <= samples)
        {
            self.sounding.pop_front();
        }
    }

    /// The voice could not say what it was given; the text stays.
    pub(in crate::interpret) fn mute(&mut self) {
        self.at_voice.clear();
    }
}
