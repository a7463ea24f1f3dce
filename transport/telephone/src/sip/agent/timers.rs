//! What time brings: repeats, sessions nobody refreshed, requests nobody answered.
use std::time::Duration;

use super::{ClientKey, LegEnd, LegId, Method, Phase, Purpose, Transmit, UserAgent, registration};
use crate::sip::leg::{Leg, Unacknowledged};

impl UserAgent {
    /// Time has come.
    pub fn tick(&mut self, now: Duration) {
        for timed_out in self.transactions.tick(now) {
            self.timed_out(now, &timed_out.0);
        }
        let due: Vec<LegId> = (self.legs.values())
            .filter(|leg| leg.deadline().is_some_and(|due| due <= now))
            .map(|leg| leg.id)
            .collect();
        for leg in due {
            self.tick_leg(now, leg);
        }
        registration::tick(self, now);
        let Self {
            purposes,
            transactions,
            ..
        } = self;
        if purposes.len() > 64 {
            purposes.retain(|key, _| transactions.is_asked(key));
        }
    }

    fn tick_leg(&mut self, now: Duration, id: LegId) {
        let Some(leg) = self.legs.get_mut(&id) else {
            return;
        };
        let flow = leg.flow;
        let mut again = Vec::new();
        for sent in [&mut leg.unacknowledged, &mut leg.provisional]
            .into_iter()
            .flatten()
        {
            if sent.at <= now && sent.gives_up > now {
                again.push(Transmit {
                    flow,
                    bytes: sent.again(now),
                });
            }
        }
        self.transactions.outbox.append(&mut again);
        if leg.forget_at.is_some_and(|at| at <= now) {
            return self.end(id, LegEnd::WeHungUp);
        }
        let is_given_up =
            |sent: &Option<Unacknowledged>| sent.as_ref().is_some_and(|sent| sent.gives_up <= now);
        if is_given_up(&leg.provisional) {
            leg.provisional = None;
            return self.reject(now, id, 504);
        }
        if is_given_up(&leg.unacknowledged) {
            // Nobody acknowledged: the call is ended properly all the same.
            leg.unacknowledged = None;
            return self.lose(now, id);
        }
        self.tick_session(now, id);
    }

    fn tick_session(&mut self, now: Duration, id: LegId) {
        let Some(leg) = self.legs.get(&id).filter(|leg| leg.phase == Phase::Up) else {
            return;
        };
        let (session, retry_at) = (leg.session, leg.retry_at);
        if session.is_some_and(|session| session.ends_at <= now) {
            return self.lose(now, id);
        }
        let refresh_at = session.and_then(|session| session.refresh_at);
        if [refresh_at, retry_at]
            .into_iter()
            .flatten()
            .any(|at| at <= now)
        {
            self.refresh(now, id);
        }
    }

    /// The far end is not heard any more; it is told all the same.
    fn lose(&mut self, now: Duration, id: LegId) {
        self.tell_end(id, LegEnd::Lost);
        self.send_in(now, id, Method::Bye, Purpose::Bye(id), |_| ());
    }

    pub(super) fn timed_out(&mut self, now: Duration, key: &ClientKey) {
        match self.purposes.remove(key) {
            Some(Purpose::Invite(leg)) => {
                let wanted_back = (self.legs.get(&leg)).and_then(|leg: &Leg| leg.asked.as_ref());
                let wanted_back = wanted_back.is_some_and(|asked| asked.cancel);
                let end = if wanted_back {
                    LegEnd::WeHungUp
                } else {
                    LegEnd::Refused(408)
                };
                self.end(leg, end);
            }
            Some(Purpose::Reinvite(leg) | Purpose::Update(leg)) => self.lose(now, leg),
            Some(Purpose::Bye(leg)) => drop(self.legs.remove(&leg)),
            Some(Purpose::Refer(leg)) => self.refer_failed(leg, 408),
            Some(Purpose::Register(index)) => registration::failed(self, now, index, 408),
            Some(Purpose::Other) | None => {}
        }
    }
}
