//! The silence every session begins with, heard once for every delay that is asked for; rows start
//! from a copy, so that only the positions after it are left before the first word.
//!
//! The encoder hears the same whatever the delay, the decoder does not.
use std::collections::BTreeMap;

use candle_core::Result;
use voiced_nn::kv_cache::CacheFormat;

use super::TOGETHER;
use crate::voxtral::{Caches, Control, Row, Voxtral};

/// Delays there are: 1 to 15 positions, and 30.
const DELAYS: usize = 16;

/// The slot of a delay.
fn slot(delay: usize) -> usize {
    delay.min(DELAYS) - 1
}

/// Beginnings by delay.
pub(super) struct Beginnings {
    caches: Caches,
    /// The silence encoded, and nothing decoded.
    silence: Row,
    rows: BTreeMap<usize, Row>,
}

impl Beginnings {
    /// With the beginning for `delay` ready.
    pub fn new(
        model: &Voxtral,
        control: &Control,
        format: CacheFormat,
        delay: usize,
    ) -> Result<Beginnings> {
        let mut caches = Caches::beginnings(model.config(), DELAYS, TOGETHER, format)?;
        let mut silence = Row::new(model, delay)?;
        while silence.encodable() > 0 {
            let count = silence.encodable().min(TOGETHER);
            model.encode(&mut caches, &mut [(0, &mut silence, count)], None)?;
        }
        let mut beginnings = Beginnings {
            caches,
            silence,
            rows: BTreeMap::new(),
        };
        while !beginnings.prepare(model, control, delay)? {}
        Ok(beginnings)
    }

    /// Computes a part of the beginning for `delay`, no more than a step may take; true when it is
    /// ready.
    pub fn prepare(&mut self, model: &Voxtral, control: &Control, delay: usize) -> Result<bool> {
        let silence = &self.silence;
        let row = self
            .rows
            .entry(delay)
            .or_insert_with(|| silence.with_delay(delay));
        let count = row.decodable().min(TOGETHER);
        if count > 0 {
            let mut work = [(slot(delay), &mut *row, count)];
            model.decode(&mut self.caches, &mut work, control, None)?;
        }
        Ok(row.waiting() == 0)
    }

    /// The beginning for `delay`, if it is ready.
    pub fn row(&self, delay: usize) -> Option<&Row> {
        self.rows.get(&delay).filter(|row| row.waiting() == 0)
    }

    /// Copies it to a slot of the engine and gives its row.
    pub fn start(&self, delay: usize, caches: &mut Caches, to: usize) -> Option<Row> {
        let row = self.row(delay)?;
        caches.begin(&self.caches, row, slot(delay), to);
        Some(row.clone())
    }
}
