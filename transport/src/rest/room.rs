//! How many speech requests are served at once. Each kind has a number of its own, beside the
//! calls': requests wait for one another for a while, and never for or instead of a call.
use std::{sync::Arc, time::Duration};

use axum::http::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use voiced_pipeline::drain::{Alive, Drain};

use crate::http::Refusal;

/// How much of speech without a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoomLimits {
    /// Recordings heard at once; zero closes the door.
    pub transcriptions: usize,
    /// Texts spoken at once; zero closes the door.
    pub speeches: usize,
    /// How long a request waits for its turn.
    pub wait: Duration,
    /// Largest upload in bytes.
    pub upload: usize,
    /// An upload must have come by then.
    pub upload_within: Duration,
    /// Longest recording.
    pub recording: Duration,
}

impl Default for RoomLimits {
    fn default() -> Self {
        Self {
            transcriptions: 2,
            speeches: 4,
            wait: Duration::from_secs(5),
            // What the real service takes.
            upload: 25 << 20,
            upload_within: Duration::from_secs(120),
            recording: Duration::from_secs(3_600),
        }
    }
}

/// The places there are.
#[derive(Debug)]
pub struct Room {
    /// How much.
    pub limits: RoomLimits,
    transcriptions: Arc<Semaphore>,
    speeches: Arc<Semaphore>,
}

/// A place in the room, and a reason for the daemon not to go down yet.
#[derive(Debug)]
pub struct Place {
    _permit: OwnedSemaphorePermit,
    _alive: Alive,
}

impl Room {
    /// A room with this many places.
    pub fn new(limits: RoomLimits) -> Self {
        Self {
            limits,
            transcriptions: Arc::new(Semaphore::new(limits.transcriptions)),
            speeches: Arc::new(Semaphore::new(limits.speeches)),
        }
    }

    /// A place for a transcription.
    pub(super) async fn to_transcribe(
        &self,
        drain: &Drain,
        retry: Duration,
    ) -> Result<Place, Refusal> {
        let closed = self.limits.transcriptions == 0;
        self.enter(&self.transcriptions, closed, drain, retry).await
    }

    /// A place for a speech.
    pub(super) async fn to_speak(&self, drain: &Drain, retry: Duration) -> Result<Place, Refusal> {
        let closed = self.limits.speeches == 0;
        self.enter(&self.speeches, closed, drain, retry).await
    }

    async fn enter(
        &self,
        places: &Arc<Semaphore>,
        closed: bool,
        drain: &Drain,
        retry: Duration,
    ) -> Result<Place, Refusal> {
        if closed {
            let message = "This service is switched off here.";
            return Err(Refusal::new(
                StatusCode::NOT_FOUND,
                "service_disabled",
                message,
            ));
        }
        let later = |code, message| Refusal {
            retry_after: Some(retry),
            ..Refusal::new(StatusCode::SERVICE_UNAVAILABLE, code, message)
        };
        let going_down = || later("server_shutting_down", "The server is going down.");
        if drain.is_draining() {
            return Err(going_down());
        }
        let turn = tokio::time::timeout(self.limits.wait, places.clone().acquire_owned());
        let permit = tokio::select! {
            turn = turn => turn.map_err(|_| Refusal {
                retry_after: Some(retry),
                ..Refusal::new(
                    StatusCode::TOO_MANY_REQUESTS,
                    "rate_limit_exceeded",
                    "Every place for such requests is taken; come back later.",
                )
            })?,
            () = drain.draining() => return Err(going_down()),
        };
        Ok(Place {
            _permit: permit.expect("the semaphore is never closed"),
            _alive: drain.alive(),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const RETRY: Duration = Duration::from_secs(5);

    fn room(transcriptions: usize) -> Room {
        Room::new(RoomLimits {
            transcriptions,
            ..RoomLimits::default()
        })
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_waits_its_turn_and_is_then_sent_away() {
        let (room, drain) = (room(1), Drain::new());
        let first = room.to_transcribe(&drain, RETRY).await.unwrap();
        let refused = room.to_transcribe(&drain, RETRY).await.unwrap_err();
        assert_eq!(
            (refused.status.as_u16(), refused.retry_after),
            (429, Some(RETRY))
        );
        // Another kind has places of its own.
        assert!(room.to_speak(&drain, RETRY).await.is_ok());
        let (second, ()) = tokio::join!(room.to_transcribe(&drain, RETRY), async {
            tokio::task::yield_now().await;
            drop(first);
        });
        assert!(second.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_let_in_while_the_daemon_goes_down() {
        let (room, drain) = (room(1), Drain::new());
        let held = room.to_transcribe(&drain, RETRY).await.unwrap();
        let (waiting, ()) = tokio::join!(room.to_transcribe(&drain, RETRY), async {
            tokio::task::yield_now().await;
            drain.start();
        });
        assert_eq!(waiting.unwrap_err().code, "server_shutting_down");
        assert_eq!(
            room.to_speak(&drain, RETRY)
                .await
                .unwrap_err()
                .status
                .as_u16(),
            503
        );
        // What is being served is waited for.
        assert!(!drain.finished(Duration::from_secs(1)).await);
        drop(held);
        assert!(drain.finished(Duration::from_secs(1)).await);
    }

    #[tokio::test]
    async fn a_service_that_is_switched_off_is_not_there() {
        let refused = room(0)
            .to_transcribe(&Drain::new(), RETRY)
            .await
            .unwrap_err();
        assert_eq!(
            (refused.status.as_u16(), refused.code),
            (404, "service_disabled")
        );
    }
}
