//! Decoders, lent to rows while somebody speaks. Loading one takes a quarter of a second, which is
//! done on a thread beside, so that nobody else waits for it.
use std::{
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
};

use crate::sphinx::{Decoder, FrontEnd, LoadError, Model};

pub struct Pool {
    model: Model,
    idle: Vec<Decoder>,
    /// A decoder on its way.
    loading: Option<Loading>,
    /// Decoders there are, lent and loading ones included, and how many there may be.
    count: usize,
    most: usize,
}

struct Loading {
    thread: JoinHandle<()>,
    /// Filled before the engine's thread is woken.
    loaded: Arc<Mutex<Option<Result<Decoder, LoadError>>>>,
}

/// A decoder that was asked for could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// The library refused.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The thread could not be started.
    #[error("no thread to load another decoder on: {0}")]
    Thread(#[from] std::io::Error),
    /// The thread panicked.
    #[error("loading another decoder panicked")]
    Panicked,
}

impl Pool {
    /// A pool of at most `most` decoders, one of which is loaded here.
    pub fn new(model: Model, most: usize) -> Result<Pool, LoadError> {
        let first = Decoder::load(&model)?;
        Ok(Pool {
            model,
            idle: vec![first],
            loading: None,
            count: 1,
            most: most.max(1),
        })
    }

    /// A front end for a row. Called while no decoder is lent.
    pub fn front_end(&self) -> Option<FrontEnd> {
        self.idle.first()?.front_end()
    }

    /// A decoder, or `None` when all are lent; then one more is loaded if there may be one, and the
    /// calling thread is unparked when it is there.
    pub fn take(&mut self) -> Result<Option<Decoder>, PoolError> {
        self.collect()?;
        let decoder = self.idle.pop();
        // One stays in reserve, so that the next speaker does not wait.
        if self.idle.is_empty() && self.loading.is_none() && self.count < self.most {
            self.loading = Some(self.load_another()?);
            self.count += 1;
        }
        Ok(decoder)
    }

    /// Takes a decoder back.
    pub fn give_back(&mut self, decoder: Decoder) {
        self.idle.push(decoder);
    }

    fn load_another(&self) -> Result<Loading, PoolError> {
        let loaded = Arc::new(Mutex::new(None));
        let (model, place, waiting) = (self.model.clone(), loaded.clone(), thread::current());
        let load = move || {
            let decoder = Decoder::load(&model);
            *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(decoder);
            waiting.unpark();
        };
        let thread = thread::Builder::new().name("asr-load".into()).spawn(load)?;
        Ok(Loading { thread, loaded })
    }

    /// Takes in a decoder that was loaded meanwhile.
    fn collect(&mut self) -> Result<(), PoolError> {
        let Some(loading) = &self.loading else {
            return Ok(());
        };
        let loaded = loading
            .loaded
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        match loaded {
            Some(decoder) => {
                self.loading = None;
                self.idle.push(decoder?);
                Ok(())
            }
            None if loading.thread.is_finished() => Err(PoolError::Panicked),
            None => Ok(()),
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        if let Some(loading) = self.loading.take() {
            // What it loaded, or why it could not, is of no interest any more.
            let _ = loading.thread.join();
        }
    }
}
