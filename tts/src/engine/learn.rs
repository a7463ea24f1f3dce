//! A voice read before anybody waits for it.
use std::sync::Arc;

use voiced_core::engine::EngineError;

use super::Speaker;

impl Speaker {
    /// Reads the beginning of a voice's prompt before anybody asks for it, so that its first line
    /// begins with its text.
    ///
    /// # Errors
    /// When there is no such voice, or the model cannot read it.
    pub fn learn(&mut self, voice: &str) -> Result<(), EngineError> {
        let rows = self
            .parts
            .voices
            .rows(voice)
            .map_err(EngineError::bad_input)?;
        let wanted = [Arc::clone(&rows)];
        let whole = |this: &mut Speaker| this.prefixes.find(&rows).is_some();
        let admitted = self.prefixes.admit(&rows, &wanted, || {
            self.parts.prompt.voice_rows(&self.parts.model, &rows)
        });
        admitted.map_err(EngineError::device)?;
        while !whole(self) {
            let mut budget = self.options.together;
            let readings = self.prefixes.readings(&wanted, &mut budget);
            for (index, reading) in readings.map_err(EngineError::device)? {
                let count = reading.rows.dim(0).map_err(EngineError::device)?;
                let read = self.parts.model.read(&mut self.caches, &[reading], None);
                read.map_err(EngineError::device)?;
                self.prefixes.advance(index, count);
            }
        }
        Ok(())
    }
}
