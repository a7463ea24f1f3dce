//! What the legs and the conversation of a call tell each other: hanging up, transfers, keys.
use voiced_core::turn::CallEvent;

use super::{AFTERGLOW, Flowing, Line, Side};
use crate::{
    exchange::Order,
    record::ms,
    settings::reason_name,
    sip::{
        LegId,
        agent::{LegEnd, Told},
        message::Headers,
        uri::Uri,
    },
};

impl Line {
    /// The conversation tells something.
    pub(super) async fn hear(&mut self, event: Option<CallEvent>) -> Flowing {
        let Some(event) = event else {
            self.talk.ended("failed");
            return Flowing::Over;
        };
        self.talk.note(ms(self.clock.elapsed()), &event);
        match event {
            CallEvent::Ended { reason } => {
                self.talk.ended(reason_name(reason));
                // The last words are still on their way.
                self.leaving = Some(AFTERGLOW);
                self.talk.silence();
            }
            CallEvent::TransferRequested { target } => self.transfer(&target).await,
            _ => {}
        }
        Flowing::On
    }

    /// Hands the caller on, if policy allows it; whatever the model says.
    async fn transfer(&mut self, target: &str) {
        let uri = Uri::parse(target)
            .ok()
            .filter(|uri| self.parts.settings.dial.allows(uri));
        let Some(mut uri) = uri else {
            tracing::warn!(name = self.talk.record.name, "a transfer was not allowed");
            let what =
                "The transfer is not possible: that line cannot be called from here. Say so.";
            return self.talk.inform(what.to_owned()).await;
        };
        if let (crate::sip::uri::Scheme::Tel, Some(outbound)) =
            (uri.scheme, &self.parts.settings.outbound)
        {
            // Trunks understand numbers at their own address best.
            uri = Uri {
                user: uri.number(),
                ..outbound.trunk.clone()
            };
        }
        self.referring = true;
        self.parts.order(Order::Refer(self.side.leg, uri)).await;
    }

    /// A leg tells something.
    pub(super) async fn learn(&mut self, fact: Option<Told>) -> Flowing {
        let Some(fact) = fact else {
            self.talk.ended("exchange_closed");
            self.side.is_over = true;
            return Flowing::Over;
        };
        match fact {
            Told::Acknowledged { sdp, .. } => return self.acknowledged(sdp.as_deref()),
            Told::Offered { leg, sdp } => {
                let answer = self.side.reoffered(sdp.as_deref());
                self.parts.order(Order::AnswerOffer(leg, answer)).await;
            }
            Told::Key { key, .. } => self.press(key).await,
            Told::TransferProgress { status, .. } => return self.transferring(status).await,
            Told::ReferAsked { leg, target } => self.referred(leg, &target).await,
            Told::Incoming { leg, invitation } => self.take_over(leg, &invitation).await,
            Told::Answered { leg, sdp } => self.coming_answered(leg, sdp.as_deref()).await,
            Told::Ringing { status, .. } => {
                if self.coming.is_some() {
                    self.parts
                        .order(Order::NotifyRefer(self.side.leg, status))
                        .await;
                }
            }
            Told::Ended { leg, end } => return self.leg_ended(leg, end).await,
            Told::Redirected { .. } | Told::Registration { .. } => {}
        }
        Flowing::On
    }

    fn acknowledged(&mut self, sdp: Option<&str>) -> Flowing {
        self.speaks = true;
        if (sdp.is_some() || self.side.media.is_none()) && self.side.answered(sdp).is_err() {
            self.talk.ended("no_agreement");
            return Flowing::Over;
        }
        Flowing::On
    }

    async fn leg_ended(&mut self, leg: LegId, end: LegEnd) -> Flowing {
        if self.coming.as_ref().is_some_and(|coming| coming.leg == leg) {
            // Whom we were sent to did not take it: the call goes on as it was.
            self.coming = None;
            let status = if let LegEnd::Refused(status) = end {
                status
            } else {
                487
            };
            self.parts
                .order(Order::NotifyRefer(self.side.leg, status))
                .await;
            return Flowing::On;
        }
        if leg != self.side.leg {
            return Flowing::On;
        }
        self.side.is_over = true;
        self.talk.ended(match end {
            LegEnd::TheyHungUp if self.referring => "transferred",
            LegEnd::TheyHungUp => "caller_left",
            LegEnd::Cancelled => "cancelled",
            LegEnd::WeHungUp => "we_hung_up",
            LegEnd::Refused(_) => "refused",
            LegEnd::Lost => "lost",
        });
        Flowing::Over
    }

    async fn transferring(&mut self, status: u16) -> Flowing {
        match status {
            100..200 => Flowing::On,
            200..300 => {
                self.talk.ended("transferred");
                Flowing::Over
            }
            status => {
                self.referring = false;
                tracing::info!(name = self.talk.record.name, status, "a transfer failed");
                let what = "The transfer did not succeed: nobody took the call. Say so and go on.";
                self.talk.inform(what.to_owned()).await;
                Flowing::On
            }
        }
    }

    /// They ask us to call somebody else: done only where policy allows it.
    async fn referred(&mut self, leg: LegId, target: &Uri) {
        let allowed = self.parts.settings.dial.allows(target) && self.coming.is_none();
        if !allowed {
            tracing::info!(
                name = self.talk.record.name,
                "a transfer asked for was declined"
            );
            return self.parts.order(Order::NotifyRefer(leg, 603)).await;
        }
        self.parts.order(Order::NotifyRefer(leg, 100)).await;
        let mut headers = Headers::default();
        let replaces = target.headers.as_deref().and_then(replaces_of);
        if let Some(replaces) = replaces {
            headers.push("Replaces", replaces);
            headers.push("Require", "replaces");
        }
        match self.parts.invite(target, headers, &self.facts).await {
            Ok(side) => self.coming = Some(side),
            Err(_) => self.parts.order(Order::NotifyRefer(leg, 503)).await,
        }
    }

    /// Somebody takes the place of the far end (an attended transfer): the conversation goes on
    /// with them.
    async fn take_over(&mut self, leg: LegId, invitation: &crate::sip::agent::Invitation) {
        match Side::answer(&self.parts, leg, invitation) {
            Ok((side, sdp)) => {
                self.parts.order(Order::Accept(leg, sdp)).await;
                self.replace_side(side).await;
            }
            Err(status) => self.parts.order(Order::Reject(leg, status)).await,
        }
    }

    async fn coming_answered(&mut self, leg: LegId, sdp: Option<&str>) {
        let Some(mut side) = self.coming.take_if(|coming| coming.leg == leg) else {
            return;
        };
        let referrer = self.side.leg;
        if side.answered(sdp).is_err() {
            self.parts.order(Order::HangUp(leg)).await;
            return self.parts.order(Order::NotifyRefer(referrer, 488)).await;
        }
        self.parts.order(Order::NotifyRefer(referrer, 200)).await;
        self.replace_side(side).await;
    }

    async fn replace_side(&mut self, side: Side) {
        let old = std::mem::replace(&mut self.side, side);
        self.side.silent_since = Some(self.clock.elapsed());
        self.speaks = true;
        self.parts.order(Order::HangUp(old.leg)).await;
    }
}

/// The `Replaces` header inside a `Refer-To` address.
fn replaces_of(headers: &str) -> Option<String> {
    let value = headers.split('&').find_map(|header| {
        let (name, value) = header.split_once('=')?;
        name.eq_ignore_ascii_case("Replaces").then_some(value)
    })?;
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            let digits = std::str::from_utf8(&digits).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes)
        .ok()
        .filter(|text| !text.contains(['\r', '\n']))
}
