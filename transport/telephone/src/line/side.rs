//! One leg of a call with its sockets and its media.
use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use super::LineParts;
use crate::{
    ports::Wire,
    random_bytes, random_number,
    record::{CallRecord, LineQuality},
    sdp::{Abilities, Negotiation},
    sip::{LegId, agent::Invitation},
    sound::media::Media,
};

/// A leg's own part of a call.
pub(super) struct Side {
    pub leg: LegId,
    pub wire: Wire,
    pub media: Option<Media>,
    negotiation: Negotiation,
    signalling: IpAddr,
    sound: crate::sound::media::SoundSettings,
    /// The leg has ended by itself.
    pub is_over: bool,
    /// Since when silence means nothing (on hold).
    pub silent_since: Option<Duration>,
}

impl Side {
    fn open(parts: &LineParts, leg: LegId, signalling: IpAddr) -> std::io::Result<Side> {
        let wire = parts.ports.take()?;
        let mut address = wire.address;
        let settings = &parts.settings;
        if let Some(public) = settings.public_address {
            address.set_ip(public);
        } else if address.ip().is_unspecified() {
            address.set_ip(local_towards(signalling));
        }
        let abilities = Abilities {
            address,
            codecs: settings.codecs.clone(),
            protect: settings.protect,
            key: random_bytes(46),
        };
        Ok(Side {
            leg,
            wire,
            media: None,
            negotiation: Negotiation::new(abilities, random_number() >> 2),
            signalling,
            sound: settings.sound,
            is_over: false,
            silent_since: None,
        })
    }

    /// The side of a call that comes in, and what it is answered with; else the status to refuse
    /// it with.
    pub fn answer(
        parts: &LineParts,
        leg: LegId,
        invitation: &Invitation,
    ) -> Result<(Side, String), u16> {
        let mut side = Side::open(parts, leg, invitation.flow.remote.ip()).map_err(|error| {
            tracing::warn!(%error, "there is no free port for the media of a call");
            503_u16
        })?;
        let sdp = match &invitation.offer {
            Some(offer) => side.negotiation.answer(offer).map_err(|_| 488_u16)?,
            None => side.negotiation.offer(),
        };
        side.agree()?;
        Ok((side, sdp))
    }

    /// The side of a call we make, and its offer.
    pub fn offer(parts: &LineParts, signalling: IpAddr) -> std::io::Result<(Side, String)> {
        // Its leg is named when it is there.
        let mut side = Side::open(parts, LegId(0), signalling)?;
        let offer = side.negotiation.offer();
        Ok((side, offer))
    }

    /// Where it receives.
    pub fn address(&self) -> SocketAddr {
        self.wire.address
    }

    /// Their answer to our offer came.
    ///
    /// # Errors
    /// 488 when it is none.
    pub fn answered(&mut self, sdp: Option<&str>) -> Result<(), u16> {
        if let Some(sdp) = sdp {
            self.negotiation.answered(sdp).map_err(|_| 488_u16)?;
        }
        self.agree()?;
        if self.media.is_none() {
            Err(488)
        } else {
            Ok(())
        }
    }

    /// Their wish to change the media: the answer, or `None` when it is refused.
    pub fn reoffered(&mut self, sdp: Option<&str>) -> Option<String> {
        let answer = match sdp {
            Some(offer) => self.negotiation.answer(offer).ok()?,
            None => self.negotiation.offer(),
        };
        self.agree().ok()?;
        Some(answer)
    }

    /// Has the media follow what was agreed on.
    fn agree(&mut self) -> Result<(), u16> {
        let Some(agreed) = self.negotiation.agreed() else {
            return Ok(());
        };
        match &mut self.media {
            Some(media) => media.agree(agreed.clone()).map_err(|_| 488_u16),
            None => {
                let media =
                    Media::new(agreed.clone(), self.signalling, self.sound, random_number());
                self.media = Some(media.map_err(|_| 488_u16)?);
                Ok(())
            }
        }
    }

    /// Notes how good the line was.
    pub fn describe(&self, media: &Media, record: &mut CallRecord) {
        let (quality, counts) = (media.quality(), media.counts());
        let (strangers, undecodable) = media.refused();
        if strangers + undecodable > 0 {
            tracing::info!(
                name = record.name,
                strangers,
                undecodable,
                "packets were not believed"
            );
        }
        record.codec = Some(media.agreed().codec.name().to_owned());
        record.encrypted = media.agreed().protection.is_some();
        record.quality = LineQuality {
            packets: quality.received,
            lost: quality.lost,
            concealed: counts.concealed,
            jitter_ms: (quality.jitter.as_secs_f64() * 100_000.0).round() / 100.0,
            mos: (media.mos() * 100.0).round() / 100.0,
            far_loss: media.far_loss(),
        };
    }
}

/// The address of ours that leads to somebody: what the system would send from. Sends nothing.
fn local_towards(remote: IpAddr) -> IpAddr {
    let any: IpAddr = if remote.is_ipv4() {
        [0, 0, 0, 0].into()
    } else {
        [0_u16; 8].into()
    };
    let found = std::net::UdpSocket::bind((any, 0)).and_then(|socket| {
        socket.connect((remote, 5_060))?;
        socket.local_addr()
    });
    found.map_or(remote, |address| address.ip())
}
