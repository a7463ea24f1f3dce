//! What calls ask of the user agent, carried out.
use tokio::sync::mpsc;

use super::{Exchange, FACTS, Order};
use crate::{line, settings::NotDialled, sip::agent::Registration};

impl Exchange {
    pub(super) fn carry_out(&mut self, order: Order) {
        let now = self.clock.elapsed();
        match order {
            Order::Ring(leg) => self.agent.ring(now, leg),
            Order::Accept(leg, sdp) => self.agent.accept(now, leg, &sdp),
            Order::Reject(leg, status) => self.agent.reject(now, leg, status),
            Order::AnswerOffer(leg, sdp) => self.agent.answer_offer(now, leg, sdp.as_deref()),
            Order::HangUp(leg) => self.agent.hang_up(now, leg),
            Order::Refer(leg, target) => self.agent.refer(now, leg, &target),
            Order::NotifyRefer(leg, status) => self.agent.notify_refer(now, leg, status),
            Order::Invite(invite, facts, told) => {
                let leg = self.agent.invite(now, *invite);
                self.lines.insert(leg, facts);
                if told.send(leg).is_err() {
                    self.agent.hang_up(now, leg);
                }
            }
            Order::Dial(dialled) => {
                if self.tasks.len() >= self.parts.settings.max_calls {
                    // Whoever does not wait for the answer does not need it.
                    let _ = dialled.told.send(Err(NotDialled::Full));
                    return;
                }
                let (facts, told) = mpsc::channel(FACTS);
                self.tasks
                    .spawn(line::dial(self.parts.clone(), *dialled, facts, told));
            }
        }
    }

    pub(super) async fn register(&mut self) {
        for registrar in self.parts.settings.registrations.clone() {
            let flow = line::flow_to(&self.parts.settings, &registrar.registrar).await;
            let Some(flow) = flow else {
                tracing::warn!(registrar = %registrar.registrar, "the registrar's address cannot be found");
                continue;
            };
            self.agent.register(
                self.clock.elapsed(),
                Registration {
                    registrar: registrar.registrar,
                    flow,
                    record: registrar.record,
                    account: registrar.account,
                    expires: registrar.expires,
                },
            );
        }
    }
}
