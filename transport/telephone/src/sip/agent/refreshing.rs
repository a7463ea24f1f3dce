//! Proofs that a call still stands (RFC 4028), and what is answered to them.
use std::time::Duration;

use super::{LegEnd, LegId, Method, Purpose, Response, SUPPORTED, UserAgent};
use crate::sip::message::Essentials;

/// After both sides asked for a change at once, so long is waited before it is tried again.
const AFTER_GLARE: Duration = Duration::from_millis(1_300);

impl UserAgent {
    /// The answer to a re-INVITE of ours, which only refreshes the session.
    pub(super) fn reinvite_answered(
        &mut self,
        now: Duration,
        id: LegId,
        response: &Response,
        essentials: &Essentials,
    ) {
        if response.status < 200 {
            return;
        }
        if (200..300).contains(&response.status) {
            self.acknowledge(id, essentials.cseq.number);
        }
        let Some(leg) = self.legs.get_mut(&id) else {
            return;
        };
        if leg.asked.take().is_some() {
            self.refreshed(now, id, response.status);
        }
    }

    pub(super) fn update_answered(&mut self, now: Duration, id: LegId, response: &Response) {
        let Some(leg) = self.legs.get_mut(&id) else {
            return;
        };
        if matches!(response.status, 405 | 501) {
            leg.allows_update = false;
            leg.retry_at = Some(now);
        } else {
            self.refreshed(now, id, response.status);
        }
    }

    fn refreshed(&mut self, now: Duration, id: LegId, status: u16) {
        let Some(leg) = self.legs.get_mut(&id) else {
            return;
        };
        match status {
            200..300 => {
                if let Some(session) = &mut leg.session {
                    session.restart(now);
                }
            }
            491 => leg.retry_at = Some(now + AFTER_GLARE),
            408 | 481 => self.end(id, LegEnd::Lost),
            _ => {}
        }
    }

    pub(super) fn bye_answered(&mut self, id: LegId, response: &Response) {
        if response.status >= 200 {
            self.legs.remove(&id);
        }
    }

    /// Refreshes the session, by UPDATE where they know it (RFC 3311), else by re-INVITE.
    pub(super) fn refresh(&mut self, now: Duration, id: LegId) {
        let Some(leg) = self.legs.get_mut(&id) else {
            return;
        };
        leg.retry_at = None;
        let Some(session) = &mut leg.session else {
            return;
        };
        // Once is enough, unless it is refused.
        session.refresh_at = Some(session.ends_at);
        let interval = session.interval.as_secs();
        if leg.asking.is_some() || leg.asked.is_some() || leg.unacknowledged.is_some() {
            leg.retry_at = Some(now + Duration::from_secs(2));
            return;
        }
        if !leg.allows_update {
            return self.send_invite(now, id, None, 0);
        }
        self.send_in(now, id, Method::Update, Purpose::Update(id), |update| {
            update.headers.push("Supported", SUPPORTED);
            update
                .headers
                .push("Session-Expires", format!("{interval};refresher=uac"));
        });
    }
}
