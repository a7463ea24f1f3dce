//! Where calls are ordered.
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::Order;
use crate::{
    line::Dialled,
    settings::{NotDialled, TelephoneSettings},
    sip::uri::Uri,
};

/// Where calls are ordered. Cheap to clone.
#[derive(Clone)]
pub struct Desk {
    pub(super) orders: mpsc::Sender<Order>,
    pub(super) settings: Arc<TelephoneSettings>,
}

impl Desk {
    /// Calls `target` for `persona`; gives the call's name once it was taken.
    ///
    /// # Errors
    /// When policy forbids it, there is no way to it, or nobody takes it.
    pub async fn dial(&self, target: &Uri, persona: Option<String>) -> Result<String, NotDialled> {
        if !self.settings.dial.allows(target) {
            return Err(NotDialled::Forbidden(target.to_string()));
        }
        let (told, answer) = oneshot::channel();
        let dialled = Dialled {
            target: target.clone(),
            persona,
            told,
        };
        let order = Order::Dial(Box::new(dialled));
        self.orders
            .send(order)
            .await
            .map_err(|_| NotDialled::Closed)?;
        answer.await.map_err(|_| NotDialled::Closed)?
    }
}
