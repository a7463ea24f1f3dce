//! Calls that come in: who is let in, ringing, answering, refusing, giving up.
use std::time::Duration;

use super::{
    Flow, Headers, Invitation, LegEnd, LegId, Method, RETRY_AFTER, Request, ServerKey, Told,
    UserAgent, sdp_of,
};
use crate::sip::{
    digest::Verdict,
    headers::{NameAddr, session_expires},
    leg::{Asking, Leg, Phase, SessionTimer, Unacknowledged},
    message::{Essentials, Response},
    params::Params,
};

/// The least a session may last between refreshes (RFC 4028).
const MIN_SE: u32 = 90;

impl UserAgent {
    /// Whether a stranger's INVITE carries the right credentials; it is challenged where not.
    pub(super) fn is_let_in(
        &mut self,
        now: Duration,
        flow: Flow,
        key: &ServerKey,
        request: &Request,
    ) -> bool {
        let ip = flow.remote.ip();
        let credentials = request.headers.get("Authorization").map(str::to_owned);
        let verdict = credentials.map(|header| self.guard.check(now, ip, "INVITE", &header));
        if verdict == Some(Verdict::Right) {
            return true;
        }
        let tag = self.names.next();
        let mut response = request.answer(401, Some(&tag));
        for challenge in self
            .guard
            .challenges(now, ip, verdict == Some(Verdict::Stale))
        {
            response.headers.push("WWW-Authenticate", challenge);
        }
        self.transactions.answer(now, key, &response);
        false
    }

    pub(super) fn invited(
        &mut self,
        now: Duration,
        flow: Flow,
        key: ServerKey,
        request: Request,
        essentials: &Essentials,
    ) {
        let Some(from_tag) = essentials.from.tag().map(str::to_owned) else {
            return self.refuse(now, &key, &request, 400);
        };
        let is_merged = self.legs.values().any(|leg| {
            leg.call_id == essentials.call_id && leg.remote_tag.as_deref() == Some(&from_tag)
        });
        if is_merged {
            return self.refuse(now, &key, &request, 482);
        }
        if self.is_full {
            return self.refuse_as_full(now, &key, &request);
        }
        let contact = request
            .headers
            .list("Contact")
            .first()
            .and_then(|contact| NameAddr::parse(contact));
        let Some(contact) = contact else {
            return self.refuse(now, &key, &request, 400);
        };
        let session = match self.session_of(now, &request) {
            Ok(session) => session,
            Err(response) => return self.transactions.answer(now, &key, &response),
        };
        let replaces = match self.replaced(&request.headers) {
            Ok(replaces) => replaces,
            Err(status) => return self.refuse(now, &key, &request, status),
        };
        let sdp = sdp_of(&request.headers, &request.body);
        if sdp.is_none() && !request.body.is_empty() {
            let mut response = request.answer(415, Some(&self.names.next()));
            response.headers.push("Accept", "application/sdp");
            return self.transactions.answer(now, &key, &response);
        }
        let trying = request.answer(100, None);
        self.transactions.answer(now, &key, &trying);
        let leg = self.new_leg(flow, essentials, from_tag, &request, contact, session);
        let mut headers = Headers::default();
        for (name, value) in request.headers.iter() {
            if !name.to_ascii_lowercase().ends_with("authorization") {
                headers.push(name, value);
            }
        }
        let invitation = Invitation {
            from: essentials.from.clone(),
            to: request.uri.clone(),
            headers,
            offer: sdp.clone(),
            replaces,
            flow,
        };
        if let Some(leg) = self.legs.get_mut(&leg) {
            leg.asking = Some(Asking {
                key,
                request,
                cseq: essentials.cseq.number,
            });
        }
        self.told.push_back(Told::Incoming {
            leg,
            invitation: Box::new(invitation),
        });
    }

    fn new_leg(
        &mut self,
        flow: Flow,
        essentials: &Essentials,
        from_tag: String,
        request: &Request,
        contact: NameAddr,
        session: Option<SessionTimer>,
    ) -> LegId {
        self.next_leg += 1;
        let id = LegId(self.next_leg);
        let local_tag = self.names.next();
        let to = request.headers.get("To").unwrap_or_default();
        let leg = Leg {
            id,
            phase: Phase::Ringing,
            flow,
            call_id: essentials.call_id.clone(),
            local: format!("{to};tag={local_tag}"),
            local_tag,
            remote_tag: Some(from_tag),
            remote: request.headers.get("From").unwrap_or_default().to_owned(),
            local_cseq: 0,
            remote_cseq: Some(essentials.cseq.number),
            routes: request
                .headers
                .list("Record-Route")
                .into_iter()
                .map(str::to_owned)
                .collect(),
            target: contact.uri,
            asking: None,
            asked: None,
            unacknowledged: None,
            provisional: None,
            ack: None,
            described: None,
            session,
            allows_update: request.headers.lists("Allow", "UPDATE"),
            account: None,
            challenge: None,
            extra: Headers::default(),
            retry_at: None,
            referred: None,
            forget_at: None,
        };
        self.legs.insert(id, leg);
        id
    }

    fn refuse_as_full(&mut self, now: Duration, key: &ServerKey, request: &Request) {
        let mut response = request.answer(503, Some(&self.names.next()));
        response.headers.push("Retry-After", RETRY_AFTER);
        self.transactions.answer(now, key, &response);
    }

    /// How the caller wants the session refreshed; a 422 when that would be too often.
    pub(super) fn session_of(
        &mut self,
        now: Duration,
        request: &Request,
    ) -> Result<Option<SessionTimer>, Response> {
        let Some(value) = request.headers.get("Session-Expires") else {
            return Ok(None);
        };
        let Some((seconds, refresher)) = session_expires(value) else {
            return Err(request.answer(400, Some(&self.names.next())));
        };
        if seconds < MIN_SE {
            let mut response = request.answer(422, Some(&self.names.next()));
            response.headers.push("Min-SE", MIN_SE.to_string());
            return Err(response);
        }
        let ours = u32::try_from(self.settings.session_expires.as_secs()).unwrap_or(1_800);
        let least = request
            .headers
            .get("Min-SE")
            .and_then(|min| min.parse::<u32>().ok());
        let seconds = seconds.min(ours.max(MIN_SE).max(least.unwrap_or(0)));
        // Who asks refreshes, unless they cannot or want us to.
        let they_can = request.headers.lists("Supported", "timer");
        let we_refresh = refresher.as_deref() == Some("uas") || !they_can;
        Ok(Some(SessionTimer::new(
            now,
            Duration::from_secs(seconds.into()),
            we_refresh,
        )))
    }

    /// The leg a `Replaces` header names; the status to refuse with when there is none.
    fn replaced(&self, headers: &Headers) -> Result<Option<LegId>, u16> {
        let mut all = headers.all("Replaces");
        let (Some(value), more) = (all.next(), all.next()) else {
            return Ok(None);
        };
        if more.is_some() {
            return Err(400);
        }
        let (call_id, params) = value.split_once(';').ok_or(400_u16)?;
        let params = Params::parse(params);
        let (Some(to), Some(from)) = (params.get("to-tag"), params.get("from-tag")) else {
            return Err(400);
        };
        let found = self
            .legs
            .values()
            .find(|leg| leg.is_named(call_id.trim(), to, from));
        match found {
            Some(leg) if leg.phase == Phase::Up && params.has("early-only") => Err(486),
            Some(leg) if leg.phase == Phase::Up => Ok(Some(leg.id)),
            Some(_) => Err(603),
            None => Err(481),
        }
    }

    /// Lets the caller hear that it rings. Reliably where they insist (RFC 3262).
    pub fn ring(&mut self, now: Duration, leg: LegId) {
        let Some(contact) = self
            .legs
            .get(&leg)
            .map(|leg| self.contact(leg.flow.transport))
        else {
            return;
        };
        let Some(leg) = self.legs.get_mut(&leg) else {
            return;
        };
        let (Phase::Ringing, Some(asking)) = (leg.phase, &leg.asking) else {
            return;
        };
        let mut response = asking.request.answer(180, Some(&leg.local_tag));
        response.headers.push("Contact", contact);
        let key = asking.key.clone();
        if asking.request.headers.lists("Require", "100rel") {
            response.headers.push("Require", "100rel");
            response.headers.push("RSeq", "1");
            let cseq = asking.cseq;
            let mut provisional = Unacknowledged::new(now, cseq, response.to_bytes());
            provisional.rseq = 1;
            leg.provisional = Some(provisional);
        }
        self.transactions.answer(now, &key, &response);
    }

    /// Takes the call, with our side of the media.
    pub fn accept(&mut self, now: Duration, leg: LegId, sdp: &str) {
        self.accept_with(now, leg, sdp);
        if let Some(leg) = self.legs.get_mut(&leg)
            && leg.phase == Phase::Ringing
        {
            leg.phase = Phase::Up;
            if let Some(session) = &mut leg.session {
                session.restart(now);
            }
        }
    }

    /// Answers an INVITE of theirs, the first or a later one, with 200.
    pub(super) fn accept_with(&mut self, now: Duration, leg: LegId, sdp: &str) {
        let Some(contact) = self
            .legs
            .get(&leg)
            .map(|leg| self.contact(leg.flow.transport))
        else {
            return;
        };
        let mut presented = Headers::default();
        self.present(&mut presented);
        let Some(leg) = self.legs.get_mut(&leg) else {
            return;
        };
        let Some(asking) = leg.asking.take() else {
            return;
        };
        let mut response = asking.request.answer(200, Some(&leg.local_tag));
        response.headers.push("Contact", contact);
        for (name, value) in presented.iter() {
            response.headers.push(name, value);
        }
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
            if refresher == "uac" {
                response.headers.push("Require", "timer");
            }
        }
        response.headers.push("Content-Type", "application/sdp");
        response.body = sdp.as_bytes().to_vec();
        leg.described = Some(sdp.to_owned());
        leg.provisional = None;
        if asking.request.method == Method::Invite {
            let cseq = asking.cseq;
            leg.unacknowledged = Some(Unacknowledged::new(now, cseq, response.to_bytes()));
        }
        self.transactions.answer(now, &asking.key, &response);
    }

    /// Refuses the call.
    pub fn reject(&mut self, now: Duration, leg: LegId, status: u16) {
        let Some(state) = self.legs.get_mut(&leg) else {
            return;
        };
        if state.phase != Phase::Ringing {
            return;
        }
        let Some(asking) = state.asking.take() else {
            return;
        };
        let mut response = asking.request.answer(status, Some(&state.local_tag));
        if matches!(status, 480 | 486 | 503) {
            response.headers.push("Retry-After", RETRY_AFTER);
        }
        self.transactions.answer(now, &asking.key, &response);
        self.end(leg, LegEnd::WeHungUp);
    }

    /// A CANCEL: the INVITE it is about ends with 487 if it has no answer yet.
    pub(super) fn cancelled(&mut self, now: Duration, key: &ServerKey, request: &Request) {
        let invite = key.of_cancelled();
        let leg = self.legs.values().find(|leg| {
            leg.asking
                .as_ref()
                .is_some_and(|asking| asking.key == invite)
        });
        let leg = leg.map(|leg| (leg.id, leg.phase, leg.local_tag.clone()));
        let answered_too_late = leg.is_none() && self.transactions.is_known(&invite);
        let status = if leg.is_some() || answered_too_late {
            200
        } else {
            481
        };
        let tag = leg
            .as_ref()
            .map_or_else(|| self.names.next(), |(.., tag)| tag.clone());
        let response = request.answer(status, Some(&tag));
        self.transactions.answer(now, key, &response);
        let Some((leg, phase, tag)) = leg else { return };
        let asking = self.legs.get_mut(&leg).and_then(|leg| leg.asking.take());
        if let Some(asking) = asking {
            let response = asking.request.answer(487, Some(&tag));
            self.transactions.answer(now, &asking.key, &response);
        }
        if phase == Phase::Ringing {
            self.end(leg, LegEnd::Cancelled);
        }
    }
}
