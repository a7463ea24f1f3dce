//! Temporary.
#![allow(missing_docs)]
use voiced_core::engine::*;
pub struct Energy;
impl VoiceActivityDetector for Energy {
    fn window(&self) -> usize {
        256
    }
    fn push(&mut self, s: &[f32]) -> SpeechProbability {
        let p = s.iter().map(|s| s * s).sum::<f32>() / s.len() as f32;
        SpeechProbability(if p.sqrt() > 0.01 { 0.9 } else { 0.1 })
    }
    fn reset(&mut self) {}
}
pub struct Never;
impl TurnDetector for Never {
    fn end_of_turn(&mut self, _: TurnContext<'_>) -> f32 {
        0.9
    }
}
pub struct ScriptedEar {
    rows: Vec<Vec<Heard>>,
    words: Vec<String>,
    n: usize,
}
impl ScriptedEar {
    pub fn new(rows: usize, words: Vec<String>) -> Self {
        Self {
            rows: vec![vec![]; rows],
            words,
            n: 0,
        }
    }
}
impl Engine for ScriptedEar {
    type Input = Hearing;
    type Output = Heard;
    fn slots(&self) -> usize {
        self.rows.len()
    }
    fn open(&mut self, s: SlotId) {
        self.rows[s.0].clear();
    }
    fn feed(&mut self, s: SlotId, i: Hearing) -> Result<(), EngineError> {
        match i {
            Hearing::SpeechStarted => {
                let w = self.words[self.n % self.words.len()].clone();
                self.rows[s.0].push(Heard::Partial(w));
            }
            Hearing::Finalize => {
                let w = self.words[self.n % self.words.len()].clone();
                self.n += 1;
                self.rows[s.0].push(Heard::Final(w));
            }
            _ => (),
        }
        Ok(())
    }
    fn close(&mut self, s: SlotId) {
        self.rows[s.0].clear();
    }
    fn step(
        &mut self,
        ready: &[bool],
        emit: &mut dyn FnMut(SlotId, Heard),
    ) -> Result<Progress, EngineError> {
        let mut p = Progress::Idle;
        for (i, row) in self.rows.iter_mut().enumerate() {
            if ready[i] && !row.is_empty() {
                emit(SlotId(i), row.remove(0));
                p = Progress::Stepped;
            }
        }
        Ok(p)
    }
}
