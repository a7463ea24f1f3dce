//! What a socket carries: any dialect that turns client events into commands and what the call
//! tells into server events.
use voiced_core::{playout::PlayoutFrame, turn::CallEvent};

use crate::openai_realtime::{Dialect, Received, events::WireError, session::NoiseReduction};

/// What is spoken over a socket: client events in, server events out. Pure.
pub trait Wire: Send {
    /// The client can be told things from now on.
    fn opened(&mut self) -> Vec<String>;
    /// Takes one client event.
    fn received(&mut self, text: &str) -> Received;
    /// Answers something that is not an event: a frame that is too long or not text.
    fn misread(&mut self, error: &WireError) -> Vec<String>;
    /// Takes what the call tells.
    fn told(&mut self, event: CallEvent) -> Vec<String>;
    /// Takes 20 ms that were pulled for the client now.
    fn played(&mut self, frame: &PlayoutFrame) -> Vec<String> {
        let _ = frame;
        Vec::new()
    }
    /// What is done to the noise in the caller's sound at the beginning.
    fn noise_reduction(&self) -> NoiseReduction {
        NoiseReduction::Usual
    }
    /// Whether all was said, so that the connection can be closed.
    fn is_done(&self) -> bool {
        false
    }
}

impl Wire for Dialect {
    fn opened(&mut self) -> Vec<String> {
        Dialect::opened(self)
    }
    fn received(&mut self, text: &str) -> Received {
        Dialect::received(self, text)
    }
    fn misread(&mut self, error: &WireError) -> Vec<String> {
        Dialect::misread(self, error)
    }
    fn told(&mut self, event: CallEvent) -> Vec<String> {
        Dialect::told(self, event)
    }
    fn played(&mut self, frame: &PlayoutFrame) -> Vec<String> {
        Dialect::played(self, frame)
    }
    fn noise_reduction(&self) -> NoiseReduction {
        Dialect::noise_reduction(self)
    }
}
