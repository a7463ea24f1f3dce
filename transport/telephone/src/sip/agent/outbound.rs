//! Calls we make: asking, credentials, being sent elsewhere, early media, forks, giving up.
use std::time::Duration;

use super::{
    ALLOW, ClientKey, Flow, Headers, LegEnd, LegId, Method, Purpose, Request, Response, SUPPORTED,
    Told, Transmit, UserAgent, sdp_of,
};
use crate::sip::{
    digest::{Account, Challenge},
    headers::{NameAddr, session_expires},
    leg::{Asked, Leg, Phase, SessionTimer},
    message::Essentials,
    transactions::GIVE_UP,
    uri::Uri,
};

/// How often one request is asked again with credentials or another interval.
const MOST_ATTEMPTS: u32 = 2;
/// A call to be made. Whether it may be made is for whoever asks.
#[derive(Clone, Debug)]
pub struct Invite {
    /// Whom.
    pub target: Uri,
    /// Where the request is sent.
    pub flow: Flow,
    /// As whom.
    pub from: Uri,
    /// Our side of the media.
    pub offer: String,
    /// Credentials for when they are asked for.
    pub account: Option<Account>,
    /// More headers: `Replaces`, a trunk's own.
    pub headers: Headers,
}

impl UserAgent {
    /// Begins a call. What becomes of it is told.
    pub fn invite(&mut self, now: Duration, invite: Invite) -> LegId {
        self.next_leg += 1;
        let id = LegId(self.next_leg);
        let local_tag = self.names.next();
        let leg = Leg {
            id,
            phase: Phase::Calling,
            flow: invite.flow,
            call_id: self.names.next(),
            local: format!("<{}>;tag={local_tag}", invite.from),
            local_tag,
            remote_tag: None,
            remote: format!("<{}>", invite.target),
            local_cseq: 0,
            remote_cseq: None,
            routes: Vec::new(),
            target: invite.target,
            asking: None,
            asked: None,
            unacknowledged: None,
            provisional: None,
            ack: None,
            described: Some(invite.offer),
            session: None,
            allows_update: false,
            account: invite.account,
            challenge: None,
            extra: invite.headers,
            retry_at: None,
            referred: None,
            forget_at: None,
        };
        self.legs.insert(id, leg);
        self.send_invite(now, id, None, 0);
        id
    }

    /// Sends the INVITE of a leg: the first, or one that only refreshes its session.
    pub(super) fn send_invite(
        &mut self,
        now: Duration,
        id: LegId,
        credentials: Option<(&str, String)>,
        attempts: u32,
    ) {
        let expires = self.settings.session_expires.as_secs();
        let Some(transport) = self.legs.get(&id).map(|leg| leg.flow.transport) else {
            return;
        };
        let contact = self.contact(transport);
        let Some(leg) = self.legs.get_mut(&id) else {
            return;
        };
        let (_, mut request) = leg.request(Method::Invite);
        let headers = &mut request.headers;
        headers.push("Contact", contact);
        headers.push("Allow", ALLOW);
        headers.push("Supported", SUPPORTED);
        headers.push("User-Agent", "voiced");
        let expires = leg
            .session
            .map_or(expires, |session| session.interval.as_secs());
        headers.push("Session-Expires", expires.to_string());
        headers.push("Min-SE", "90");
        for (name, value) in leg.extra.iter() {
            headers.push(name, value);
        }
        if let Some((name, value)) = credentials {
            headers.push(name, value);
        }
        headers.push("Content-Type", "application/sdp");
        request.body = leg.described.clone().unwrap_or_default().into_bytes();
        let purpose = match leg.phase {
            Phase::Calling => Purpose::Invite(id),
            _ => Purpose::Reinvite(id),
        };
        let flow = leg.flow;
        let key = self.send(now, flow, request, purpose);
        if let Some(leg) = self.legs.get_mut(&id) {
            let cancel = leg.asked.as_ref().is_some_and(|asked| asked.cancel);
            leg.asked = Some(Asked {
                key,
                cancel,
                attempts,
            });
        }
    }

    pub(super) fn invite_answered(
        &mut self,
        now: Duration,
        id: LegId,
        key: &ClientKey,
        response: &Response,
        essentials: &Essentials,
    ) {
        let asked = self.legs.get(&id).and_then(|leg| leg.asked.as_ref());
        let is_current = asked.is_some_and(|asked| asked.key == *key);
        match response.status {
            100..200 if is_current => self.rings(now, id, key, response, essentials),
            200..300 => self.taken(now, id, response, essentials),
            300.. if is_current => self.declined(now, id, response),
            _ => {}
        }
    }

    fn rings(
        &mut self,
        now: Duration,
        id: LegId,
        key: &ClientKey,
        response: &Response,
        essentials: &Essentials,
    ) {
        let asked = self.legs.get(&id).and_then(|leg| leg.asked.as_ref());
        if asked.is_some_and(|asked| asked.cancel) {
            return self.transactions.cancel(now, key);
        }
        if response.status == 100 {
            return;
        }
        if response.headers.lists("Require", "100rel")
            && let Some(rseq) = response.headers.get("RSeq")
        {
            let rack = format!(
                "{rseq} {}",
                response.headers.get("CSeq").unwrap_or_default()
            );
            self.learn_dialog(id, response, essentials);
            self.send_in(now, id, Method::Prack, Purpose::Other, |prack| {
                prack.headers.push("RAck", rack);
            });
            if let Some(leg) = self.legs.get_mut(&id) {
                // Another branch may still answer.
                leg.remote_tag = None;
            }
        }
        let sdp = sdp_of(&response.headers, &response.body);
        let status = response.status;
        self.told.push_back(Told::Ringing {
            leg: id,
            status,
            sdp,
        });
    }

    /// Takes over what an answer says about the dialog.
    fn learn_dialog(&mut self, id: LegId, response: &Response, essentials: &Essentials) {
        let Some(leg) = self.legs.get_mut(&id) else {
            return;
        };
        leg.remote_tag = essentials.to.tag().map(str::to_owned);
        response
            .headers
            .get("To")
            .unwrap_or_default()
            .clone_into(&mut leg.remote);
        let routes = response.headers.list("Record-Route").into_iter().rev();
        leg.routes = routes.map(str::to_owned).collect();
        if let Some(contact) = contact_of(response) {
            leg.target = contact;
        }
        leg.allows_update = response.headers.lists("Allow", "UPDATE");
    }

    /// A 200: the first one makes the call, a repeated one is acknowledged again, one of another
    /// branch is acknowledged and hung up.
    fn taken(&mut self, now: Duration, id: LegId, response: &Response, essentials: &Essentials) {
        let tag = essentials.to.tag().unwrap_or_default();
        let Some(leg) = self.legs.get_mut(&id) else {
            return;
        };
        if let Some((cseq, ack)) = leg.ack.clone() {
            if leg.remote_tag.as_deref() == Some(tag) && cseq == essentials.cseq.number {
                let flow = leg.flow;
                self.transactions.outbox.push(Transmit { flow, bytes: ack });
            } else {
                self.put_down(now, id, response, essentials);
            }
            return;
        }
        let wanted_back = leg.asked.as_ref().is_some_and(|asked| asked.cancel);
        self.learn_dialog(id, response, essentials);
        self.acknowledge(id, essentials.cseq.number);
        let they_set = response
            .headers
            .get("Session-Expires")
            .and_then(session_expires);
        let Some(leg) = self.legs.get_mut(&id) else {
            return;
        };
        leg.phase = Phase::Up;
        leg.asked = None;
        leg.forget_at = None;
        leg.session = they_set.map(|(seconds, refresher)| {
            let we_refresh = refresher.as_deref() != Some("uas");
            SessionTimer::new(now, Duration::from_secs(seconds.max(90).into()), we_refresh)
        });
        if wanted_back {
            // It was taken while our CANCEL was on its way.
            return self.hang_up(now, id);
        }
        let sdp = sdp_of(&response.headers, &response.body);
        self.told.push_back(Told::Answered { leg: id, sdp });
    }

    /// Sends, and keeps, the ACK of an accepted INVITE of ours.
    pub(super) fn acknowledge(&mut self, id: LegId, cseq: u32) {
        let Some(leg) = self.legs.get(&id) else {
            return;
        };
        let (flow, request) = (leg.flow, leg.request_numbered(Method::Ack, cseq));
        let (_, request) = self.with_via(flow, request);
        let bytes = request.to_bytes();
        if let Some(leg) = self.legs.get_mut(&id) {
            leg.ack = Some((cseq, bytes.clone()));
        }
        self.transactions.outbox.push(Transmit { flow, bytes });
    }

    /// Two telephones were picked up: the second one is put down again.
    fn put_down(&mut self, now: Duration, id: LegId, response: &Response, essentials: &Essentials) {
        let Some(flow) = self.legs.get(&id).map(|leg| leg.flow) else {
            return;
        };
        let Some(uri) = contact_of(response) else {
            return;
        };
        let number = essentials.cseq.number;
        for (method, number) in [(Method::Ack, number), (Method::Bye, number + 1)] {
            let mut headers = Headers::default();
            headers.push("Max-Forwards", "70");
            for name in ["From", "To", "Call-ID"] {
                headers.push(name, response.headers.get(name).unwrap_or_default());
            }
            headers.push("CSeq", format!("{number} {}", method.name()));
            for route in response.headers.list("Record-Route").into_iter().rev() {
                headers.push("Route", route);
            }
            let is_ack = method == Method::Ack;
            let request = Request {
                method,
                uri: uri.clone(),
                headers,
                body: Vec::new(),
            };
            if is_ack {
                let (_, request) = self.with_via(flow, request);
                let bytes = request.to_bytes();
                self.transactions.outbox.push(Transmit { flow, bytes });
            } else {
                self.send(now, flow, request, Purpose::Other);
            }
        }
    }

    fn declined(&mut self, now: Duration, id: LegId, response: &Response) {
        let Some(leg) = self.legs.get_mut(&id) else {
            return;
        };
        let Some(asked) = &leg.asked else { return };
        let (wanted_back, attempts) = (asked.cancel, asked.attempts);
        if wanted_back {
            return self.end(id, LegEnd::WeHungUp);
        }
        match response.status {
            300..=399 => {
                let contacts = response.headers.list("Contact").into_iter();
                let targets = contacts
                    .filter_map(NameAddr::parse)
                    .map(|contact| contact.uri);
                let targets = targets.take(4).collect();
                self.told.push_back(Told::Redirected { leg: id, targets });
            }
            401 | 407 if attempts < MOST_ATTEMPTS => {
                if let Some(credentials) = self.credentials(id, response, attempts) {
                    let name = match response.status {
                        401 => "Authorization",
                        _ => "Proxy-Authorization",
                    };
                    return self.send_invite(now, id, Some((name, credentials)), attempts + 1);
                }
            }
            422 if attempts < MOST_ATTEMPTS => {
                let least = response
                    .headers
                    .get("Min-SE")
                    .and_then(|min| min.parse().ok());
                let seconds: u64 = least.unwrap_or(0).clamp(90, 7_200);
                leg.session = Some(SessionTimer::new(now, Duration::from_secs(seconds), true));
                return self.send_invite(now, id, None, attempts + 1);
            }
            _ => {}
        }
        self.end(id, LegEnd::Refused(response.status));
    }

    fn credentials(&mut self, id: LegId, response: &Response, attempts: u32) -> Option<String> {
        let cnonce = self.names.next();
        let leg = self.legs.get_mut(&id)?;
        let account = leg.account.as_ref()?;
        let header = match response.status {
            401 => "WWW-Authenticate",
            _ => "Proxy-Authenticate",
        };
        let challenge = Challenge::best(response.headers.all(header))?;
        if attempts > 0 && !challenge.stale {
            // The secret is wrong; asking again would lock the account.
            return None;
        }
        let answer = challenge.answer(account, "INVITE", &leg.target.to_string(), 1, &cnonce);
        leg.challenge = Some((challenge, 1));
        Some(answer)
    }

    /// Stops calling: cancels what rings, remembers it for what does not ring yet.
    pub(super) fn give_up(&mut self, now: Duration, id: LegId) {
        let Some(leg) = self.legs.get_mut(&id) else {
            return;
        };
        let Some(asked) = &mut leg.asked else { return };
        asked.cancel = true;
        let key = asked.key.clone();
        leg.forget_at = Some(now + GIVE_UP);
        self.transactions.cancel(now, &key);
    }
}

fn contact_of(response: &Response) -> Option<Uri> {
    let contacts = response.headers.list("Contact");
    let contact = contacts
        .first()
        .and_then(|contact| NameAddr::parse(contact));
    contact.map(|contact| contact.uri)
}
