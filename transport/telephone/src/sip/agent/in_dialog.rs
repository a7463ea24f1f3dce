//! Requests within a call: acknowledgement, changes of the media, keys, hanging up.
use std::time::Duration;

use super::{LegEnd, LegId, Method, Request, ServerKey, Told, UserAgent, sdp_of};
use crate::sip::{
    headers::NameAddr,
    leg::{Asking, Phase},
    message::Essentials,
};

impl UserAgent {
    pub(super) fn in_dialog(
        &mut self,
        now: Duration,
        id: LegId,
        key: ServerKey,
        request: Request,
        essentials: &Essentials,
    ) {
        let Some(leg) = self.legs.get_mut(&id) else {
            return;
        };
        if leg
            .remote_cseq
            .is_some_and(|last| essentials.cseq.number <= last)
        {
            // Out of order (RFC 3261, section 12.2.2).
            return self.refuse(now, &key, &request, 500);
        }
        leg.remote_cseq = Some(essentials.cseq.number);
        if leg.phase == Phase::Ending && request.method != Method::Bye {
            return self.refuse(now, &key, &request, 481);
        }
        match request.method {
            Method::Bye => self.bye(now, id, &key, &request),
            Method::Invite | Method::Update => {
                self.reoffered(now, id, key, request, essentials.cseq.number)
            }
            Method::Info => self.informed(now, id, &key, &request),
            Method::Prack => self.prack(now, id, &key, &request),
            Method::Refer => self.referred(now, id, &key, &request, essentials.cseq.number),
            Method::Notify => self.notified(now, id, &key, &request),
            Method::Options => self.asked_for_options(now, &key, &request),
            _ => self.refuse(now, &key, &request, 405),
        }
    }

    /// The ACK of an accepted INVITE.
    pub(super) fn acknowledged(
        &mut self,
        now: Duration,
        id: LegId,
        request: &Request,
        essentials: &Essentials,
    ) {
        let Some(leg) = self.legs.get_mut(&id) else {
            return;
        };
        let is_awaited = leg
            .unacknowledged
            .as_ref()
            .is_some_and(|ok| ok.cseq == essentials.cseq.number);
        if !is_awaited {
            return;
        }
        leg.unacknowledged = None;
        if leg.phase == Phase::Ending {
            // We wanted to hang up and could not before now (RFC 3261, section 15).
            self.send_in(now, id, Method::Bye, super::Purpose::Bye(id), |_| ());
            return;
        }
        let sdp = sdp_of(&request.headers, &request.body);
        self.told.push_back(Told::Acknowledged { leg: id, sdp });
    }

    fn bye(&mut self, now: Duration, id: LegId, key: &ServerKey, request: &Request) {
        let response = request.answer(200, None);
        self.transactions.answer(now, key, &response);
        let Some(leg) = self.legs.get_mut(&id) else {
            return;
        };
        let (phase, asking) = (leg.phase, leg.asking.take());
        let tag = leg.local_tag.clone();
        if let Some(asking) = asking {
            let response = asking.request.answer(487, Some(&tag));
            self.transactions.answer(now, &asking.key, &response);
        }
        if phase == Phase::Ending {
            self.legs.remove(&id);
        } else {
            self.end(id, LegEnd::TheyHungUp);
        }
    }

    /// A re-INVITE or an UPDATE: refreshes the session, may change where they are and the media.
    fn reoffered(&mut self, now: Duration, id: LegId, key: ServerKey, request: Request, cseq: u32) {
        let sdp = sdp_of(&request.headers, &request.body);
        let Some(leg) = self.legs.get(&id) else {
            return;
        };
        let is_invite = request.method == Method::Invite;
        let wants_answer = is_invite || sdp.is_some();
        if leg.asking.is_some() || leg.unacknowledged.is_some() && wants_answer {
            let mut response = request.answer(500, Some(&leg.local_tag));
            response.headers.push("Retry-After", "3");
            return self.transactions.answer(now, &key, &response);
        }
        if leg.asked.is_some() && wants_answer {
            return self.refuse(now, &key, &request, 491);
        }
        let session = match self.session_of(now, &request) {
            Ok(session) => session,
            Err(response) => return self.transactions.answer(now, &key, &response),
        };
        let contact = request
            .headers
            .list("Contact")
            .first()
            .and_then(|contact| NameAddr::parse(contact));
        let Some(leg) = self.legs.get_mut(&id) else {
            return;
        };
        if let Some(contact) = contact {
            leg.target = contact.uri;
        }
        match session {
            Some(session) => leg.session = Some(session),
            None => {
                if let Some(session) = &mut leg.session {
                    session.restart(now);
                }
            }
        }
        if wants_answer {
            leg.asking = Some(Asking { key, request, cseq });
            self.told.push_back(Told::Offered { leg: id, sdp });
            return;
        }
        let mut response = request.answer(200, None);
        if let Some(session) = &leg.session {
            let refresher = if session.refresh_at.is_some() {
                "uas"
            } else {
                "uac"
            };
            let seconds = session.interval.as_secs();
            response.headers.push(
                "Session-Expires",
                format!("{seconds};refresher={refresher}"),
            );
        }
        response
            .headers
            .push("Contact", self.contact(self.legs[&id].flow.transport));
        self.transactions.answer(now, &key, &response);
    }

    /// Answers [`Told::Offered`]; `None` refuses the change, and the media stay as they were.
    pub fn answer_offer(&mut self, now: Duration, id: LegId, sdp: Option<&str>) {
        let Some(sdp) = sdp else {
            let Some(leg) = self.legs.get_mut(&id) else {
                return;
            };
            let Some(asking) = leg.asking.take() else {
                return;
            };
            let response = asking.request.answer(488, None);
            return self.transactions.answer(now, &asking.key, &response);
        };
        self.accept_with(now, id, sdp);
    }

    fn informed(&mut self, now: Duration, id: LegId, key: &ServerKey, request: &Request) {
        let kind = request.headers.get("Content-Type").unwrap_or("");
        let kind = kind
            .split(';')
            .next()
            .unwrap_or("")
            .trim()
            .to_ascii_lowercase();
        let body = String::from_utf8_lossy(&request.body);
        let pressed = match kind.as_str() {
            "application/dtmf-relay" => body.lines().find_map(|line| {
                let (name, value) = line.split_once('=')?;
                name.trim()
                    .eq_ignore_ascii_case("Signal")
                    .then(|| value.trim().to_owned())
            }),
            "application/dtmf" => Some(body.trim().to_owned()),
            "" => None,
            _ if request.body.is_empty() => None,
            _ => return self.refuse(now, key, request, 415),
        };
        let response = request.answer(200, None);
        self.transactions.answer(now, key, &response);
        if let Some(pressed) = pressed.as_deref().and_then(pressed_key) {
            self.told.push_back(Told::Key {
                leg: id,
                key: pressed,
            });
        }
    }

    fn prack(&mut self, now: Duration, id: LegId, key: &ServerKey, request: &Request) {
        let about = request.headers.get("RAck").and_then(|rack| {
            let mut words = rack.split_whitespace();
            Some((
                words.next()?.parse::<u32>().ok()?,
                words.next()?.parse::<u32>().ok()?,
            ))
        });
        let Some(leg) = self.legs.get_mut(&id) else {
            return;
        };
        let sent = leg.provisional.as_ref().map(|sent| (sent.rseq, sent.cseq));
        if about.is_none() || about != sent {
            return self.refuse(now, key, request, 481);
        }
        leg.provisional = None;
        let response = request.answer(200, None);
        self.transactions.answer(now, key, &response);
    }

    /// Ends a leg, whatever it is doing: refuses, cancels or hangs up.
    pub fn hang_up(&mut self, now: Duration, id: LegId) {
        let Some(leg) = self.legs.get_mut(&id) else {
            return;
        };
        match leg.phase {
            Phase::Ringing => self.reject(now, id, 480),
            Phase::Calling => self.give_up(now, id),
            Phase::Up => {
                // Their own change of the media gets no answer any more.
                if let Some(asking) = leg.asking.take() {
                    let response = asking.request.answer(487, None);
                    self.transactions.answer(now, &asking.key, &response);
                }
                let waits_for_ack = self
                    .legs
                    .get(&id)
                    .is_some_and(|leg| leg.unacknowledged.is_some());
                self.tell_end(id, LegEnd::WeHungUp);
                if !waits_for_ack {
                    self.send_in(now, id, Method::Bye, super::Purpose::Bye(id), |_| ());
                }
            }
            Phase::Ending => {}
        }
    }
}

/// A key by its name in INFO bodies, where 10 is `*` and 11 is `#`.
fn pressed_key(name: &str) -> Option<char> {
    let mut characters = name.chars();
    match (characters.next()?.to_ascii_uppercase(), characters.next()) {
        (key, None) if "0123456789ABCD*#".contains(key) => Some(key),
        _ => match name {
            "10" => Some('*'),
            "11" => Some('#'),
            _ => None,
        },
    }
}
