//! Calls we make: policy and ways first, then ringing, being sent elsewhere, being taken.
use std::net::SocketAddr;

use tokio::sync::{mpsc, oneshot};
use voiced_pipeline::call::{CallHandle, CallRefused};

use super::{CARRIER, Dialled, Line, LineParts, side::Side};
use crate::{
    exchange::Order,
    random_name,
    record::{CallRecord, Way},
    settings::{NotDialled, TelephoneSettings},
    sip::{
        agent::{Invite, LegEnd, Told},
        message::Headers,
        transactions::{Flow, Transport},
        uri::{Scheme, Uri},
    },
    talk::blank,
};

/// How often a call of ours may be sent elsewhere.
const MOST_HOPS: usize = 3;

/// A call we make.
pub(crate) async fn dial(
    parts: LineParts,
    dialled: Dialled,
    facts: mpsc::Sender<Told>,
    mut told: mpsc::Receiver<Told>,
) {
    let name = random_name();
    let answer = match begin_dial(&parts, &name, &dialled, &facts, &mut told).await {
        Ok((side, call)) => {
            let record = CallRecord {
                from: parts
                    .from()
                    .map(|from| from.to_string())
                    .unwrap_or_default(),
                to: dialled.target.to_string(),
                ..blank(&name, CARRIER, Way::Outbound, dialled.persona.clone())
            };
            // Whoever asked may have left; the call stands all the same.
            let _ = dialled.told.send(Ok(name));
            let mut line = Line::new(parts, side, call, record, facts);
            line.speaks = true;
            return line.run(told).await;
        }
        Err(why) => why,
    };
    tracing::info!(name, reason = %answer, "a call could not be made");
    let _ = dialled.told.send(Err(answer));
}

async fn begin_dial(
    parts: &LineParts,
    name: &str,
    dialled: &Dialled,
    facts: &mpsc::Sender<Told>,
    told: &mut mpsc::Receiver<Told>,
) -> Result<(Side, CallHandle), NotDialled> {
    if parts.drain.is_draining() {
        return Err(NotDialled::Closed);
    }
    // The conversation first: nobody is called whom nobody could talk to. It says nothing before
    // somebody listens.
    let call =
        parts
            .begin(name, dialled.persona.clone())
            .await
            .map_err(|refused| match refused {
                CallRefused::Draining => NotDialled::Closed,
                _ => NotDialled::Full,
            })?;
    let mut targets = vec![dialled.target.clone()];
    for _ in 0..MOST_HOPS {
        let Some(target) = targets.pop() else { break };
        let mut side = parts.invite(&target, Headers::default(), facts).await?;
        let ringing = ring(&mut side, told);
        let ended = tokio::select! {
            ended = tokio::time::timeout(parts.settings.ring_for, ringing) => {
                ended.unwrap_or(Err(Refusal::No(NotDialled::Refused(408))))
            }
            () = parts.drain.ending() => Err(Refusal::No(NotDialled::Closed)),
        };
        match ended {
            Ok(()) => return Ok((side, call)),
            Err(Refusal::Elsewhere(next)) => {
                // Who sends us elsewhere is believed no more than anybody else.
                targets = next
                    .into_iter()
                    .filter(|target| parts.settings.dial.allows(target))
                    .take(1)
                    .collect();
            }
            Err(Refusal::No(why)) => {
                parts.order(Order::HangUp(side.leg)).await;
                return Err(why);
            }
        }
    }
    Err(NotDialled::Refused(302))
}

/// Why a call of ours was not taken.
enum Refusal {
    Elsewhere(Vec<Uri>),
    No(NotDialled),
}

/// Waits until a call of ours is taken.
async fn ring(side: &mut Side, told: &mut mpsc::Receiver<Told>) -> Result<(), Refusal> {
    let mut elsewhere = None;
    while let Some(fact) = told.recv().await {
        match fact {
            Told::Answered { sdp, .. } => {
                let agreed = side.answered(sdp.as_deref());
                return agreed.map_err(|status| Refusal::No(NotDialled::Refused(status)));
            }
            Told::Redirected { targets, .. } => elsewhere = Some(targets),
            Told::Ended { end, .. } => {
                return Err(match (elsewhere, end) {
                    (Some(targets), _) => Refusal::Elsewhere(targets),
                    (None, LegEnd::Refused(status)) => Refusal::No(NotDialled::Refused(status)),
                    (None, _) => Refusal::No(NotDialled::Refused(487)),
                });
            }
            _ => {}
        }
    }
    Err(Refusal::No(NotDialled::Closed))
}

impl LineParts {
    /// Calls a target that policy allows.
    pub(super) async fn invite(
        &self,
        target: &Uri,
        headers: Headers,
        facts: &mpsc::Sender<Told>,
    ) -> Result<Side, NotDialled> {
        let outbound = self.settings.outbound.as_ref();
        let no_way = || NotDialled::NoWay(target.to_string());
        // A number alone is called at the trunk; an address where it points, unless there is a
        // trunk that everything goes through.
        let (target, hop) = match (target.scheme, outbound) {
            (Scheme::Tel, None) => return Err(no_way()),
            (Scheme::Tel, Some(outbound)) => {
                let trunk = &outbound.trunk;
                let target = Uri {
                    user: target.number(),
                    headers: None,
                    ..trunk.clone()
                };
                (target, trunk.clone())
            }
            (_, Some(outbound)) if outbound.trunk.host == target.host => {
                (target.clone(), outbound.trunk.clone())
            }
            _ => (target.clone(), target.clone()),
        };
        let flow = flow_to(&self.settings, &hop).await;
        let flow = flow.ok_or_else(|| NotDialled::NoAddress(hop.host.clone()))?;
        let (mut side, offer) =
            Side::offer(self, flow.remote.ip()).map_err(|_| NotDialled::Full)?;
        let from = match self.from() {
            Some(from) => from.clone(),
            None => Uri::of_socket(Some("voiced"), side.address()),
        };
        let account = outbound.and_then(|outbound| outbound.account.clone());
        let (tell, leg) = oneshot::channel();
        let mut bare = target;
        bare.headers = None;
        let invite = Invite {
            target: bare,
            flow,
            from,
            offer,
            account,
            headers,
        };
        self.order(Order::Invite(Box::new(invite), facts.clone(), tell))
            .await;
        side.leg = leg.await.map_err(|_| NotDialled::Closed)?;
        Ok(side)
    }
}

/// Where requests to an address are sent.
pub(crate) async fn flow_to(settings: &TelephoneSettings, uri: &Uri) -> Option<Flow> {
    let transport = match uri
        .params
        .get("transport")
        .map(str::to_ascii_lowercase)
        .as_deref()
    {
        Some("tcp") => Transport::Tcp,
        Some("tls") => Transport::Tls,
        _ if uri.scheme == Scheme::Sips => Transport::Tls,
        _ if settings.udp.is_none() => Transport::Tcp,
        _ => Transport::Udp,
    };
    let port = uri.port_or_default();
    let remote = match uri.ip() {
        Some(ip) => SocketAddr::new(ip, port),
        None => tokio::net::lookup_host((uri.host.as_str(), port))
            .await
            .ok()?
            .next()?,
    };
    Some(Flow { transport, remote })
}
