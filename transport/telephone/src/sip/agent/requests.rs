//! Requests as they arrive: who may ask, what was asked before, and what each is about.
use std::time::Duration;

use super::{ALLOW, RETRY_AFTER, SUPPORTED, UserAgent};
use crate::sip::{
    LegId,
    message::{Essentials, Method, Request},
    transactions::{Arrived, Flow, ServerKey},
};

impl UserAgent {
    pub(super) fn requested(
        &mut self,
        now: Duration,
        flow: Flow,
        mut request: Request,
        essentials: &Essentials,
    ) {
        request.stamp(flow.remote);
        let Some(key) = ServerKey::of(essentials) else {
            self.dropped.malformed += 1;
            return;
        };
        let leg = self.leg_of(essentials);
        let is_known = leg.is_some_and(|leg| {
            self.legs
                .get(&leg)
                .is_some_and(|leg| leg.flow.remote.ip() == flow.remote.ip())
        });
        let may_ask = is_known || self.is_trunk(flow);
        let is_fresh_invite = request.method == Method::Invite && essentials.to.tag().is_none();
        let may_prove_itself = is_fresh_invite && self.guard.has_accounts();
        if !may_ask && !may_prove_itself && request.method != Method::Ack {
            self.dropped.strangers += 1;
            return;
        }
        match self.transactions.received(now, flow, &request, key.clone()) {
            Arrived::Absorbed => {}
            Arrived::Ack => {
                if let Some(leg) = leg {
                    self.acknowledged(now, leg, &request, essentials);
                }
            }
            Arrived::New(key) if may_ask || self.is_let_in(now, flow, &key, &request) => {
                self.dispatch(now, flow, key, request, essentials, leg);
            }
            Arrived::New(_) => {}
        }
    }

    fn dispatch(
        &mut self,
        now: Duration,
        flow: Flow,
        key: ServerKey,
        request: Request,
        essentials: &Essentials,
        leg: Option<LegId>,
    ) {
        if request.method == Method::Cancel {
            return self.cancelled(now, &key, &request);
        }
        let unknown = request
            .headers
            .list("Require")
            .into_iter()
            .filter(|needed| {
                !SUPPORTED
                    .split(", ")
                    .any(|known| known.eq_ignore_ascii_case(needed))
            });
        let unknown: Vec<String> = unknown.map(str::to_owned).collect();
        if !unknown.is_empty() {
            let mut response = request.answer(420, Some("x"));
            response.headers.push("Unsupported", unknown.join(", "));
            return self.transactions.answer(now, &key, &response);
        }
        match (leg, essentials.to.tag()) {
            (Some(leg), Some(_)) => self.in_dialog(now, leg, key, request, essentials),
            (_, Some(_)) => self.refuse(now, &key, &request, 481),
            (_, None) => self.out_of_dialog(now, flow, key, request, essentials),
        }
    }

    fn out_of_dialog(
        &mut self,
        now: Duration,
        flow: Flow,
        key: ServerKey,
        request: Request,
        essentials: &Essentials,
    ) {
        let hops = request.headers.get("Max-Forwards").map(str::parse::<u8>);
        if matches!(hops, Some(Ok(0) | Err(_))) && request.method != Method::Options {
            return self.refuse(now, &key, &request, 483);
        }
        match request.method {
            Method::Invite => self.invited(now, flow, key, request, essentials),
            Method::Options => self.asked_for_options(now, &key, &request),
            Method::Bye | Method::Info | Method::Update | Method::Prack | Method::Notify => {
                self.refuse(now, &key, &request, 481);
            }
            Method::Refer => self.refuse(now, &key, &request, 603),
            _ => {
                let mut response = request.answer(405, Some("x"));
                response.headers.push("Allow", ALLOW);
                self.transactions.answer(now, &key, &response);
            }
        }
    }

    pub(super) fn asked_for_options(&mut self, now: Duration, key: &ServerKey, request: &Request) {
        let tag = self.names.next();
        let mut response = request.answer(if self.is_full { 503 } else { 200 }, Some(&tag));
        if self.is_full {
            response.headers.push("Retry-After", RETRY_AFTER);
        }
        self.present(&mut response.headers);
        response
            .headers
            .push("Accept", "application/sdp, application/dtmf-relay");
        response.headers.push("Allow-Events", "refer");
        self.transactions.answer(now, key, &response);
    }
}
