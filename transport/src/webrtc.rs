//! WebRTC peers: browsers and whatever else offers Opus and a data channel. One POST carries the
//! offer in and the answer, with all its candidates, out.
//!
//! Guarantees: one UDP port for all peers; every peer is one task that owns everything of its call
//! and always closes its connection; a peer that does not come, goes silent or does not read what
//! it is told is gone after a stated time, and its call with it.
use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::FutureExt;
use tokio::sync::oneshot;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use voiced_pipeline::call::CallHandle;

use crate::{codec::opus_encoder::OpusSettings, edge::EdgeSettings, openai_realtime::Dialect};

mod beside;
mod ear;
mod mouth;
mod offer;
mod peer;
mod port;
mod stack;

pub use beside::Beside;
pub use offer::{LONGEST_OFFER, Offer, OfferError};

/// How peers are met.
#[derive(Clone, Debug)]
pub struct WebRtcSettings {
    /// Local addresses to receive on; no wildcards. See [`addresses_beside`].
    pub addresses: Vec<IpAddr>,
    /// The UDP port of all peers; 0 takes a free one.
    pub port: u16,
    /// What peers are told instead of the local addresses, where a router forwards the port
    /// (1:1 NAT). Empty: the local addresses.
    pub public_addresses: Vec<IpAddr>,
    /// How the agent's voice is coded.
    pub opus: OpusSettings,
    /// What is done to the microphones.
    pub edge: EdgeSettings,
    /// A peer that is not connected by then is dropped.
    pub connect_within: Duration,
    /// A peer nothing has come from for so long is dropped.
    pub lost_after: Duration,
}

impl Default for WebRtcSettings {
    fn default() -> Self {
        Self {
            addresses: vec![IpAddr::from([127, 0, 0, 1])],
            port: 0,
            public_addresses: Vec::new(),
            opus: OpusSettings::default(),
            edge: EdgeSettings::default(),
            connect_within: Duration::from_secs(15),
            lost_after: Duration::from_secs(10),
        }
    }
}

/// An answered offer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The answer, complete: nothing trickles later.
    pub sdp: String,
    /// Names the call for [`Peers::hang_up`]: `rtc_…`.
    pub call_id: String,
}

/// All WebRTC peers of the daemon. Cheap to clone.
#[derive(Clone)]
pub struct Peers(Arc<Inner>);

struct Inner {
    settings: WebRtcSettings,
    port: port::Port,
    tasks: TaskTracker,
    closing: CancellationToken,
    /// How to hang up on each, and how to follow it.
    alive: Mutex<HashMap<String, (CancellationToken, beside::Door)>>,
}

impl Peers {
    /// Opens the UDP port. Must be called inside a tokio runtime, which keeps reading it.
    pub fn open(settings: WebRtcSettings) -> io::Result<Peers> {
        let port = port::Port::open(&settings.addresses, settings.port)?;
        Ok(Peers(Arc::new(Inner {
            settings,
            port,
            tasks: TaskTracker::new(),
            closing: CancellationToken::new(),
            alive: Mutex::default(),
        })))
    }

    /// Answers an offer with a call. The call is freed again when the offer cannot be answered.
    /// The dialect must be one for `Carrier::WebRtc`.
    pub async fn answer(
        &self,
        offer: Offer,
        call: CallHandle,
        dialect: Dialect,
    ) -> Result<Answer, OfferError> {
        let call_id = format!("rtc_{}", uuid::Uuid::new_v4().simple());
        let hang_up = self.0.closing.child_token();
        let (answer, answered) = oneshot::channel();
        let task = Meeting {
            peers: self.clone(),
            call_id: call_id.clone(),
            hang_up,
            answer,
        };
        // A task of its own from the first moment on: a client that gives up waiting for its
        // answer must not leave half a connection behind.
        self.0.tasks.spawn(task.hold(offer, call, dialect));
        match answered.await {
            Ok(Ok(sdp)) => Ok(Answer { sdp, call_id }),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(OfferError::Failed("the server is going down".into())),
        }
    }

    /// Ends a call by its id. `false` when there is none of that name.
    pub fn hang_up(&self, call_id: &str) -> bool {
        let found = self.0.alive().get(call_id).cloned();
        found.inspect(|(hang_up, _)| hang_up.cancel()).is_some()
    }

    /// Follows a call from beside; `None` when there is none of that name.
    pub async fn follow(&self, call_id: &str) -> Option<Beside> {
        let found = self.0.alive().get(call_id).cloned();
        found?.1.join().await
    }

    /// How many peers there are, connected or not yet.
    pub fn n_alive(&self) -> usize {
        self.0.alive().len()
    }

    /// Where packets are received.
    pub fn addresses(&self) -> &[SocketAddr] {
        self.0.port.addresses()
    }

    /// Hangs up on everybody and returns when all connections are closed. Later offers fail.
    pub async fn shut_down(&self) {
        self.0.closing.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }
}

impl Inner {
    fn alive(
        &self,
    ) -> std::sync::MutexGuard<'_, HashMap<String, (CancellationToken, beside::Door)>> {
        // Nothing panics while holding it.
        self.alive.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What peers are told to send to: reachable addresses first.
    fn candidates(&self) -> Vec<SocketAddr> {
        let local = self.port.addresses();
        let mut told: Vec<SocketAddr> = if self.settings.public_addresses.is_empty() {
            local.to_vec()
        } else {
            let port = local.first().map_or(0, SocketAddr::port);
            let public = self.settings.public_addresses.iter();
            public.map(|ip| SocketAddr::new(*ip, port)).collect()
        };
        told.sort_by_key(|address| address.ip().is_loopback());
        told
    }
}

/// One peer from offer to goodbye.
struct Meeting {
    peers: Peers,
    call_id: String,
    hang_up: CancellationToken,
    answer: oneshot::Sender<Result<String, OfferError>>,
}

impl Meeting {
    async fn hold(self, offer: Offer, call: CallHandle, dialect: Dialect) {
        let inner = &self.peers.0;
        let (door, beside) = beside::Door::new();
        let stack = match stack::Stack::answer(&offer, &inner.settings, &inner.port).await {
            Ok((stack, sdp)) => {
                let sdp = offer::with_candidates(&sdp, &inner.candidates());
                inner
                    .alive()
                    .insert(self.call_id.clone(), (self.hang_up.clone(), door));
                // Nobody waits for the answer any more: nobody will come.
                if self.answer.send(Ok(sdp)).is_err() {
                    self.hang_up.cancel();
                }
                stack
            }
            Err(error) => {
                // Nobody to tell is no worse than somebody to tell.
                let _ = self.answer.send(Err(error));
                return;
            }
        };
        let connection = stack.connection.clone();
        let peer = peer::Peer::new(stack, offer.opus, call, dialect, beside, &inner.settings);
        match peer {
            Ok(mut peer) => {
                // A bug in one call must not leave its connection open or its name taken.
                let end = AssertUnwindSafe(peer.run(&self.hang_up))
                    .catch_unwind()
                    .await;
                let end = end.unwrap_or(peer::End::Broken);
                let counts = peer.counts();
                tracing::info!(
                    call_id = self.call_id,
                    ?end,
                    received = counts.played,
                    recovered = counts.recovered,
                    concealed = counts.concealed,
                    late = counts.late,
                    "WebRTC peer gone"
                );
            }
            Err(error) => tracing::error!(%error, "no codec for a WebRTC peer"),
        }
        if let Err(error) = connection.close().await {
            tracing::warn!(%error, "closing a WebRTC connection");
        }
        inner.alive().remove(&self.call_id);
    }
}

/// Addresses a listener's peers may reach it by: for a loopback listener this machine only; for a
/// specific address that one and loopback; for a wildcard every address this machine has now.
pub fn addresses_beside(listener: IpAddr) -> Vec<IpAddr> {
    let loopback = IpAddr::from([127, 0, 0, 1]);
    if listener.is_loopback() {
        return vec![listener];
    }
    if !listener.is_unspecified() {
        return vec![listener, loopback];
    }
    let mut addresses: Vec<IpAddr> = rtc::shared::ifaces::ifaces()
        .unwrap_or_default()
        .into_iter()
        .filter_map(|interface| interface.addr.map(|addr| addr.ip()))
        .filter(|ip| listener.is_ipv6() || ip.is_ipv4())
        .filter(|ip| !is_link_local(ip))
        .collect();
    addresses.push(loopback);
    addresses.sort_by_key(|ip| (ip.is_loopback(), *ip));
    addresses.dedup();
    addresses
}

/// Link-local addresses mean nothing without the interface they are on.
fn is_link_local(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.segments()[0] & 0xFFC0 == 0xFE80,
    }
}

#[cfg(test)]
mod tests;
