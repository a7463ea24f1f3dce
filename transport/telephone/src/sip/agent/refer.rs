//! Transfers (RFC 3515, 4488, 3891): handing the caller on, blindly or to a call that stands; and
//! being asked to call somebody else.
use std::time::Duration;

use super::{LegId, Method, Phase, Purpose, Request, Response, ServerKey, Told, UserAgent};
use crate::sip::{headers::NameAddr, message::reason, uri::Uri};

impl UserAgent {
    /// Asks the far end to call `target` instead of us. How it goes is told; the leg stays until
    /// somebody hangs it up.
    pub fn refer(&mut self, now: Duration, leg: LegId, target: &Uri) {
        let from = self.legs.get(&leg).map(|leg| leg.local.clone());
        self.send_in(now, leg, Method::Refer, Purpose::Refer(leg), |refer| {
            refer.headers.push("Refer-To", format!("<{target}>"));
            let by = from.as_deref().and_then(NameAddr::parse);
            if let Some(by) = by {
                refer.headers.push("Referred-By", format!("<{}>", by.uri));
            }
        });
    }

    /// The address by which a third party can take over `leg` (RFC 3891): the target of an
    /// attended transfer to whoever is on that leg.
    pub fn replacing(&self, leg: LegId) -> Option<Uri> {
        let leg = self.legs.get(&leg).filter(|leg| leg.phase == Phase::Up)?;
        let mut target = leg.target.clone();
        let remote_tag = leg.remote_tag.as_deref()?;
        let escaped = |text: &str| -> String {
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            let mut out = String::new();
            for c in text.chars() {
                if plain(c) {
                    out.push(c);
                } else {
                    for byte in c.to_string().bytes() {
                        out.push_str(&format!("%{byte:02X}"));
                    }
                }
            }
            out
        };
        target.headers = Some(format!(
            "Replaces={}%3Bto-tag%3D{}%3Bfrom-tag%3D{}",
            escaped(&leg.call_id),
            escaped(remote_tag),
            escaped(&leg.local_tag)
        ));
        Some(target)
    }

    pub(super) fn refer_answered(&mut self, leg: LegId, response: &Response) {
        match response.status {
            100..200 => {}
            200..300 => {
                let silent = response.headers.get("Refer-Sub");
                if silent.is_some_and(|sub| sub.trim().eq_ignore_ascii_case("false")) {
                    // Nobody will tell how it went.
                    self.told
                        .push_back(Told::TransferProgress { leg, status: 200 });
                } else {
                    self.told
                        .push_back(Told::TransferProgress { leg, status: 100 });
                }
            }
            status => self.refer_failed(leg, status),
        }
    }

    pub(super) fn refer_failed(&mut self, leg: LegId, status: u16) {
        if self.legs.contains_key(&leg) {
            self.told.push_back(Told::TransferProgress { leg, status });
        }
    }

    /// How our transfer goes, as a fragment of the message they got.
    pub(super) fn notified(
        &mut self,
        now: Duration,
        leg: LegId,
        key: &ServerKey,
        request: &Request,
    ) {
        let event = request.headers.get("Event").unwrap_or("");
        let event = event.split(';').next().unwrap_or("").trim();
        if !event.eq_ignore_ascii_case("refer") {
            return self.refuse(now, key, request, 489);
        }
        let response = request.answer(200, None);
        self.transactions.answer(now, key, &response);
        let body = String::from_utf8_lossy(&request.body);
        let status = body.trim_start().strip_prefix("SIP/2.0 ");
        let status = status
            .and_then(|rest| rest.get(..3))
            .and_then(|digits| digits.parse::<u16>().ok());
        if let Some(status) = status.filter(|status| (100..700).contains(status)) {
            self.told.push_back(Told::TransferProgress { leg, status });
        }
    }

    /// They want us to call somebody else. Whether we do is decided elsewhere.
    pub(super) fn referred(
        &mut self,
        now: Duration,
        id: LegId,
        key: &ServerKey,
        request: &Request,
        cseq: u32,
    ) {
        let mut targets = request.headers.all("Refer-To");
        let (target, more) = (targets.next().and_then(NameAddr::parse), targets.next());
        let (Some(target), None) = (target, more) else {
            return self.refuse(now, key, request, 400);
        };
        let Some(leg) = self.legs.get_mut(&id) else {
            return;
        };
        if leg.referred.is_some() {
            return self.refuse(now, key, request, 491);
        }
        let wants_silence = (request.headers.get("Refer-Sub"))
            .is_some_and(|sub| sub.trim().eq_ignore_ascii_case("false"));
        leg.referred = Some(cseq);
        let mut response = request.answer(202, None);
        if wants_silence {
            response.headers.push("Refer-Sub", "false");
            leg.referred = None;
        }
        response
            .headers
            .push("Contact", self.contact(self.legs[&id].flow.transport));
        self.transactions.answer(now, key, &response);
        self.told.push_back(Told::ReferAsked {
            leg: id,
            target: target.uri,
        });
    }

    /// Tells them how the call they asked for goes; a final status ends the telling.
    pub fn notify_refer(&mut self, now: Duration, id: LegId, status: u16) {
        let Some(leg) = self.legs.get_mut(&id) else {
            return;
        };
        let Some(cseq) = leg.referred else { return };
        let is_over = status >= 200;
        if is_over {
            leg.referred = None;
        }
        let state = if is_over {
            "terminated;reason=noresource"
        } else {
            "active;expires=60"
        };
        self.send_in(now, id, Method::Notify, Purpose::Other, |notify| {
            notify.headers.push("Event", format!("refer;id={cseq}"));
            notify.headers.push("Subscription-State", state);
            notify
                .headers
                .push("Content-Type", "message/sipfrag;version=2.0");
            notify.body = format!("SIP/2.0 {status} {}\r\n", reason(status)).into_bytes();
        });
    }
}
