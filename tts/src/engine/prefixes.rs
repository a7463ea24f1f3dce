//! The beginnings of prompts, one for each voice lately used, kept in slots of their own behind
//! those of the rows.
use std::sync::Arc;

use candle_core::{Result, Tensor};

use crate::voxtral::Reading;

struct Prefix {
    /// Which voice: a voice is the matrix that was loaded, not its name, which may be given anew.
    voice: Arc<Tensor>,
    rows: Tensor,
    done: usize,
    used: u64,
}

impl Prefix {
    fn whole(&self) -> bool {
        self.rows.dim(0).is_ok_and(|rows| rows == self.done)
    }
}

pub(super) struct Prefixes {
    first: usize,
    kept: Vec<Option<Prefix>>,
    uses: u64,
}

impl Prefixes {
    /// Room for `count` voices in the slots from `first` on.
    pub fn new(first: usize, count: usize) -> Prefixes {
        Prefixes {
            first,
            kept: (0..count).map(|_| None).collect(),
            uses: 0,
        }
    }

    fn index(&self, voice: &Arc<Tensor>) -> Option<usize> {
        let same = |p: &Option<Prefix>| p.as_ref().is_some_and(|p| Arc::ptr_eq(&p.voice, voice));
        self.kept.iter().position(same)
    }

    /// The slot and the length of a voice that has been read.
    pub fn find(&mut self, voice: &Arc<Tensor>) -> Option<(usize, u64)> {
        let index = self.index(voice)?;
        self.uses += 1;
        let prefix = self.kept[index].as_mut().filter(|p| p.whole())?;
        prefix.used = self.uses;
        Some((self.first + index, prefix.done as u64))
    }

    /// Gives a voice that is not known a slot, if need be that of the one used longest ago; when
    /// all are `wanted`, the voice waits.
    pub fn admit(
        &mut self,
        voice: &Arc<Tensor>,
        wanted: &[Arc<Tensor>],
        rows: impl FnOnce() -> Result<Tensor>,
    ) -> Result<()> {
        if self.index(voice).is_some() {
            return Ok(());
        }
        let free = self.kept.iter().position(Option::is_none);
        let oldest = || {
            let others = self.kept.iter().enumerate().filter_map(|(i, p)| {
                let p = p.as_ref()?;
                let needed = wanted.iter().any(|w| Arc::ptr_eq(w, &p.voice));
                (!needed).then_some((p.used, i))
            });
            others.min().map(|(_, i)| i)
        };
        if let Some(index) = free.or_else(oldest) {
            self.uses += 1;
            self.kept[index] = Some(Prefix {
                voice: Arc::clone(voice),
                rows: rows()?,
                done: 0,
                used: self.uses,
            });
        }
        Ok(())
    }

    /// What to read next of the voices `wanted` now, within `budget` positions.
    pub fn readings(
        &self,
        wanted: &[Arc<Tensor>],
        budget: &mut usize,
    ) -> Result<Vec<(usize, Reading)>> {
        let mut readings = Vec::new();
        for (index, prefix) in self.kept.iter().enumerate() {
            let Some(prefix) = prefix.as_ref().filter(|p| !p.whole()) else {
                continue;
            };
            let count = (prefix.rows.dim(0)? - prefix.done).min(*budget);
            if count > 0 && wanted.iter().any(|w| Arc::ptr_eq(w, &prefix.voice)) {
                *budget -= count;
                let reading = Reading {
                    slot: self.first + index,
                    position: prefix.done as u64,
                    rows: prefix.rows.narrow(0, prefix.done, count)?.contiguous()?,
                };
                readings.push((index, reading));
            }
        }
        Ok(readings)
    }

    /// Says that so many positions were read.
    pub fn advance(&mut self, index: usize, rows: usize) {
        if let Some(prefix) = &mut self.kept[index] {
            prefix.done += rows;
        }
    }
}
