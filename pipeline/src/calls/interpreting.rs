//! Admits speakers who are interpreted: they take a call's place and a row of the recogniser.
use std::net::IpAddr;

use metrics::counter;
use tracing::Instrument;
use voiced_core::interpret::InterpretSettings;

use super::Calls;
use crate::{
    call::{CallRefused, mic},
    interpret::{InterpretHandle, InterpretParts, interpreting, run},
    metrics::names,
};

/// Who speaks, by which door, and how they are interpreted.
#[derive(Clone, Debug)]
pub struct InterpretRequest {
    /// The door. For logs and metrics.
    pub carrier: &'static str,
    /// Where from, for the limit per address.
    pub address: Option<IpAddr>,
    /// For the log, e.g. eight hexadecimal digits.
    pub name: String,
    /// How.
    pub settings: InterpretSettings,
}

impl Calls {
    /// Takes a speaker to be interpreted; runs until the handle's microphone is dropped or it ends
    /// itself. Nobody listens yet.
    ///
    /// # Errors
    /// As for a call.
    pub async fn interpret(
        &self,
        request: InterpretRequest,
    ) -> Result<InterpretHandle, CallRefused> {
        let admitted = self.admit_counted(request.address, None)?;
        let settings = &self.desk.settings;
        let ear = self.ear().await?;
        let (mic_sender, mic_receiver) = mic();
        let parts = InterpretParts {
            settings: request.settings,
            mic: mic_receiver,
            ear,
            translators: settings.translators.clone(),
            voice: settings.voice.clone(),
            activity_detector: (settings.activity_detector)(),
            activity: settings.activity,
            drain: settings.drain.clone(),
            max_call: settings.max_call,
        };
        let (session, handle) = interpreting(parts, mic_sender);
        let (name, carrier) = (request.name, request.carrier);
        let span = tracing::info_span!("interpreter", name, carrier);
        counter!(names::CALLS_TAKEN, "carrier" => carrier).increment(1);
        #[expect(
            clippy::disallowed_methods,
            reason = "a session outlives the request that began it"
        )]
        tokio::spawn(
            async move {
                let _admitted = admitted;
                run(session).await;
            }
            .instrument(span),
        );
        Ok(handle)
    }
}
