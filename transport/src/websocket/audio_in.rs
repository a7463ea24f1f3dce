//! Audio from a client that may send faster than real time, and the commands that are about it.
//!
//! The session is told by two ways, audio and commands; this keeps `commit` and `clear` behind the
//! audio they are about and what follows them behind them, while every other command overtakes the
//! audio that waits.
use std::{collections::VecDeque, convert::Infallible, sync::Arc};

use tokio::sync::{Notify, mpsc};
use voiced_core::{
    audio::{AudioFrame, SampleRate},
    turn::{Command, CommandId},
};
use voiced_pipeline::call::MicSender;

use crate::{
    codec::MIC_FRAME,
    edge::{Edge, EdgeSettings},
};

/// How much audio waits before the socket is read no further: 30 s. One event may hold more; then
/// it is the last that is read for a while.
const WAITING: usize = 30 * 16_000;

/// The carrier's end.
pub struct AudioIn {
    queue: Arc<Queue>,
}

/// The end that feeds the microphone.
pub struct Feeder {
    queue: Arc<Queue>,
    mic: MicSender,
    commands: mpsc::Sender<(CommandId, Command)>,
    edge: Edge,
}

#[derive(Default)]
struct Queue {
    state: std::sync::Mutex<State>,
    /// Something was added.
    filled: Notify,
    /// Something was taken.
    drained: Notify,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Waiting>,
    samples: usize,
}

enum Waiting {
    /// Not empty.
    Audio(VecDeque<f32>),
    Command(Box<(CommandId, Command)>),
    /// The audio behind this is cleaned so.
    Edge(EdgeSettings),
}

/// Both ends.
pub fn audio_in(
    mic: MicSender,
    commands: mpsc::Sender<(CommandId, Command)>,
    edge: EdgeSettings,
) -> (AudioIn, Feeder) {
    let queue = Arc::new(Queue::default());
    let feeder = Feeder {
        queue: queue.clone(),
        mic,
        commands,
        edge: without_echo(edge),
    };
    (AudioIn { queue }, feeder)
}

/// Nobody knows when the far end plays what.
fn without_echo(edge: EdgeSettings) -> Edge {
    Edge::new(EdgeSettings {
        echo_cancellation: false,
        ..edge
    })
}

impl Queue {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // No code panics while holding it.
        self.state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl AudioIn {
    /// Whether the socket may be read on.
    pub fn has_room(&self) -> bool {
        self.queue.state().samples < WAITING
    }

    /// Returns when something was taken.
    pub async fn drained(&self) {
        self.queue.drained.notified().await;
    }

    /// Adds audio at `SampleRate::HEARING`.
    pub fn push(&self, audio: Vec<f32>) {
        if audio.is_empty() {
            return;
        }
        let mut state = self.queue.state();
        state.samples += audio.len();
        match state.waiting.back_mut() {
            Some(Waiting::Audio(last)) => last.extend(audio),
            _ => state.waiting.push_back(Waiting::Audio(audio.into())),
        }
        drop(state);
        self.queue.filled.notify_one();
    }

    /// Cleans the audio that is added from now on so.
    pub fn clean(&self, edge: EdgeSettings) {
        self.queue.state().waiting.push_back(Waiting::Edge(edge));
        self.queue.filled.notify_one();
    }

    /// Gives a command back that the caller is to send at once, or keeps it behind the audio it is
    /// about. Audio that is to be forgotten is.
    pub fn order(&self, id: CommandId, command: Command) -> Option<(CommandId, Command)> {
        let mut state = self.queue.state();
        let waits = match command {
            Command::Commit | Command::Clear => true,
            Command::HangUp | Command::Truncate { .. } => false,
            // What is to be cancelled may not have been asked for yet.
            Command::Cancel => state.holds(|command| matches!(command, Command::Respond(_))),
            _ => state.holds(|_| true),
        };
        if !waits {
            return Some((id, command));
        }
        if command == Command::Clear {
            forget_uncommitted(&mut state);
        }
        state
            .waiting
            .push_back(Waiting::Command(Box::new((id, command))));
        drop(state);
        self.queue.filled.notify_one();
        None
    }
}

impl State {
    fn holds(&self, wanted: impl Fn(&Command) -> bool) -> bool {
        self.waiting
            .iter()
            .any(|waiting| matches!(waiting, Waiting::Command(command) if wanted(&command.1)))
    }
}

/// Drops the audio behind the last command that waits: what is before it was committed.
fn forget_uncommitted(state: &mut State) {
    while let Some(Waiting::Audio(audio)) = state.waiting.back() {
        state.samples -= audio.len();
        state.waiting.pop_back();
    }
}

impl Feeder {
    /// Feeds for ever; the carrier ends it by dropping it. When the call is over what waits is of
    /// no use, and the carrier is being told.
    pub async fn run(mut self) -> Infallible {
        loop {
            let next = self.next();
            let taken = match next {
                Some(Waiting::Audio(frame)) => self.feed(frame).await,
                Some(Waiting::Command(command)) => {
                    self.mic.settled().await;
                    let taken = self.commands.send(*command).await.is_ok();
                    // Only now may others go past the queue.
                    self.queue.state().waiting.pop_front();
                    taken
                }
                Some(Waiting::Edge(edge)) => {
                    self.edge = without_echo(edge);
                    true
                }
                None => {
                    self.queue.filled.notified().await;
                    true
                }
            };
            if !taken {
                std::future::pending::<()>().await;
            }
            self.queue.drained.notify_one();
        }
    }

    /// The next 20 ms, or what there is before a command; the command itself stays until it is
    /// sent.
    fn next(&self) -> Option<Waiting> {
        let mut state = self.queue.state();
        let state = &mut *state;
        match state.waiting.front_mut()? {
            Waiting::Command(command) => Some(Waiting::Command(command.clone())),
            Waiting::Edge(edge) => {
                let edge = *edge;
                state.waiting.pop_front();
                Some(Waiting::Edge(edge))
            }
            Waiting::Audio(audio) => {
                let count = audio.len().min(MIC_FRAME);
                let frame: VecDeque<f32> = audio.drain(..count).collect();
                if audio.is_empty() {
                    state.waiting.pop_front();
                }
                state.samples -= count;
                Some(Waiting::Audio(frame))
            }
        }
    }

    async fn feed(&mut self, frame: VecDeque<f32>) -> bool {
        let mut samples = Vec::from(frame);
        self.edge.captured(&mut samples);
        let frame = AudioFrame::new(SampleRate::HEARING, samples);
        self.mic.send(frame).await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use voiced_core::turn::ReplyOptions;
    use voiced_pipeline::call::{MicReceiver, mic};

    fn parts() -> (
        AudioIn,
        Feeder,
        MicReceiver,
        mpsc::Receiver<(CommandId, Command)>,
    ) {
        let (sender, heard) = mic();
        let (commands, sent) = mpsc::channel(8);
        let (input, feeder) = audio_in(sender, commands, EdgeSettings::default());
        (input, feeder, heard, sent)
    }

    #[tokio::test]
    async fn a_commit_comes_after_the_audio_before_it() {
        let (input, feeder, mut heard, mut sent) = parts();
        // More than the microphone's own queue holds.
        input.push(vec![0.1; 70 * MIC_FRAME + 1]);
        assert_eq!(input.order(CommandId(1), Command::Commit), None);
        input.push(vec![0.2; MIC_FRAME]);
        let cancel = input.order(CommandId(2), Command::Cancel);
        assert_eq!(cancel, Some((CommandId(2), Command::Cancel)));
        let mut committed_after = 0;
        let listen = async {
            for _ in 0..71 {
                assert!(sent.try_recv().is_err(), "the commit overtook its audio");
                committed_after += heard.recv().await.unwrap().samples.len();
            }
            assert_eq!(sent.recv().await.unwrap().1, Command::Commit);
            assert_eq!(heard.recv().await.unwrap().samples[0], 0.2);
        };
        tokio::select! {
            () = listen => {}
            never = feeder.run() => match never {},
        }
        assert_eq!(committed_after, 70 * MIC_FRAME + 1);
    }

    #[tokio::test]
    async fn a_clear_forgets_what_was_not_committed() {
        let (input, feeder, mut heard, mut sent) = parts();
        input.push(vec![0.1; MIC_FRAME]);
        input.order(CommandId(1), Command::Commit);
        input.push(vec![0.2; WAITING]);
        assert!(!input.has_room());
        input.order(CommandId(2), Command::Clear);
        assert!(input.has_room());
        input.push(vec![0.3; MIC_FRAME]);
        let listen = async {
            let mut levels = Vec::new();
            let mut commands = Vec::new();
            while levels.len() < 2 || commands.len() < 2 {
                tokio::select! {
                    frame = heard.recv() => levels.push(frame.unwrap().samples[0]),
                    command = sent.recv() => commands.push(command.unwrap().1),
                }
            }
            assert_eq!(levels, [0.1, 0.3]);
            assert_eq!(commands, [Command::Commit, Command::Clear]);
        };
        tokio::select! {
            () = listen => {}
            never = feeder.run() => match never {},
        }
    }

    #[tokio::test]
    async fn what_follows_a_commit_stays_behind_it() {
        let (input, feeder, mut heard, mut sent) = parts();
        let now = |command: Command| Some((CommandId(0), command));
        let order = |command: Command| input.order(CommandId(0), command);
        let respond = || Command::Respond(ReplyOptions::default());
        assert_eq!(order(respond()), now(respond()), "nothing to wait for");
        input.push(vec![0.1; MIC_FRAME]);
        assert_eq!(order(respond()), now(respond()), "audio alone is overtaken");
        assert_eq!(order(Command::Commit), None);
        assert_eq!(order(Command::Cancel), now(Command::Cancel));
        assert_eq!(order(respond()), None);
        assert_eq!(order(Command::Cancel), None);
        let listen = async {
            for wanted in [Command::Commit, respond(), Command::Cancel] {
                while tokio::select! {
                    _ = heard.recv() => true,
                    command = sent.recv() => {
                        assert_eq!(command.unwrap().1, wanted);
                        false
                    }
                } {}
            }
        };
        tokio::select! {
            () = listen => {}
            never = feeder.run() => match never {},
        }
        assert_eq!(order(respond()), now(respond()));
    }

    #[tokio::test]
    async fn the_socket_is_read_on_when_there_is_room_again() {
        let (input, feeder, mut heard, _sent) = parts();
        input.push(vec![0.0; WAITING + MIC_FRAME]);
        let listen = async {
            while !input.has_room() {
                heard.recv().await.unwrap();
                input.drained().await;
            }
        };
        tokio::select! {
            () = listen => {}
            never = feeder.run() => match never {},
        }
    }
}
