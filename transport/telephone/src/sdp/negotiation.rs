//! Offers and answers (RFC 3264): what both sides can do, agreed on, changed and refused.
//!
//! Guarantees: an answer holds as many sections as the offer; payload types are the offerer's;
//! what is agreed on changes only when an exchange is complete.
use std::net::{IpAddr, SocketAddr};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};

use super::{
    Abilities, Agreed, Codec, Crypto, Description, Direction, Format, Media, Protect, Protection,
    Suite, Writer,
};

/// Why there is no agreement: 488.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAgreement {
    /// Not a description, or one without usable audio.
    #[error("there is no audio section that can be used")]
    NoAudio,
    /// No codec in common.
    #[error("there is no codec both sides know")]
    NoCodec,
    /// Encryption is wanted by one side and refused by the other, or its keys are unusable.
    #[error("the sides do not agree on encryption")]
    NoProtection,
}

/// The exchange of one leg.
pub struct Negotiation {
    abilities: Abilities,
    id: u64,
    version: u64,
    agreed: Option<Agreed>,
    /// The suite of the offer we made.
    offered_protection: bool,
}

impl Negotiation {
    /// Nothing is agreed on yet. `id` names the session.
    pub fn new(abilities: Abilities, id: u64) -> Negotiation {
        Negotiation {
            abilities,
            id,
            version: 0,
            agreed: None,
            offered_protection: false,
        }
    }

    /// What is agreed on.
    pub fn agreed(&self) -> Option<&Agreed> {
        self.agreed.as_ref()
    }

    /// Answers an offer.
    ///
    /// # Errors
    /// When nothing can be agreed on; what was agreed on before stands.
    pub fn answer(&mut self, offer: &str) -> Result<String, NoAgreement> {
        let offer = Description::parse(offer).ok_or(NoAgreement::NoAudio)?;
        let (at, media) = offer.audio().ok_or(NoAgreement::NoAudio)?;
        let (crypto, protection) = self.protection_for(media)?;
        let agreed = self.agree(&offer, media, protection)?;
        let direction = answered_direction(&offer, media);
        let mut writer = self.writer();
        for (place, section) in offer.media.iter().enumerate() {
            if place == at {
                describe(
                    &mut writer,
                    section,
                    &agreed,
                    self.abilities.address,
                    direction,
                    crypto.as_ref(),
                    &section.protocol,
                );
            } else {
                let format = section.formats.first().map_or("0", String::as_str);
                writer.line(format_args!(
                    "m={} 0 {} {format}",
                    section.kind, section.protocol
                ));
            }
        }
        self.agreed = Some(agreed);
        Ok(writer.done())
    }

    /// Makes an offer: everything we can, or, once agreed, what was agreed on.
    pub fn offer(&mut self) -> String {
        let codecs = self.abilities.codecs.clone();
        let address = self.abilities.address;
        let protect = self.abilities.protect == Protect::Required
            || self
                .agreed
                .as_ref()
                .is_some_and(|agreed| agreed.protection.is_some());
        self.offered_protection = protect;
        let mut writer = self.writer();
        let types: Vec<String> = codecs
            .iter()
            .map(|codec| codec.payload_type().to_string())
            .collect();
        let protocol = if protect { "RTP/SAVP" } else { "RTP/AVP" };
        writer.line(format_args!(
            "m=audio {} {protocol} {} 101",
            address.port(),
            types.join(" ")
        ));
        for codec in codecs {
            writer.line(format_args!(
                "a=rtpmap:{} {}",
                codec.payload_type(),
                codec.map()
            ));
            if codec == Codec::Opus {
                writer.line(format_args!(
                    "a=fmtp:{} useinbandfec=1",
                    codec.payload_type()
                ));
            }
        }
        writer.line(format_args!("a=rtpmap:101 telephone-event/8000"));
        writer.line(format_args!("a=fmtp:101 0-16"));
        writer.line(format_args!("a=ptime:20"));
        if protect {
            let suite = Suite::Aes128Sha80;
            let key = BASE64.encode(self.key_of(suite));
            writer.line(format_args!("a=crypto:1 {} inline:{key}", suite.name()));
        }
        writer.line(format_args!("a=sendrecv"));
        writer.done()
    }

    /// Takes the answer to our offer.
    ///
    /// # Errors
    /// When it is no answer to it; what was agreed on before stands.
    pub fn answered(&mut self, answer: &str) -> Result<(), NoAgreement> {
        let answer = Description::parse(answer).ok_or(NoAgreement::NoAudio)?;
        let (_, media) = answer.audio().ok_or(NoAgreement::NoAudio)?;
        let protection = match (self.offered_protection, self.protection_for(media)?) {
            (true, (_, Some(protection))) => Some(protection),
            (true, _) => return Err(NoAgreement::NoProtection),
            (false, _) => None,
        };
        let agreed = self.agree(&answer, media, protection)?;
        self.agreed = Some(agreed);
        Ok(())
    }

    fn writer(&mut self) -> Writer {
        self.version += 1;
        Writer::new(self.id, self.version, self.abilities.address.ip())
    }

    fn key_of(&self, suite: Suite) -> Vec<u8> {
        let (key, salt) = suite.lengths();
        self.abilities
            .key
            .iter()
            .copied()
            .cycle()
            .take(key + salt)
            .collect()
    }

    /// The first of their keys we can use, and ours with it.
    fn protection_for(
        &self,
        media: &Media,
    ) -> Result<(Option<Crypto>, Option<Protection>), NoAgreement> {
        let is_secure = media.protocol.contains("SAVP");
        if self.abilities.protect == Protect::Off {
            return if is_secure {
                Err(NoAgreement::NoProtection)
            } else {
                Ok((None, None))
            };
        }
        let usable = media.crypto.iter().find_map(|crypto| {
            let suite = Suite::ALL
                .into_iter()
                .find(|suite| suite.name() == crypto.suite)?;
            let theirs = BASE64.decode(&crypto.key).ok()?;
            let (key, salt) = suite.lengths();
            (theirs.len() == key + salt).then(|| {
                let ours = self.key_of(suite);
                let answer = Crypto {
                    tag: crypto.tag,
                    suite: crypto.suite.clone(),
                    key: BASE64.encode(&ours),
                };
                (
                    answer,
                    Protection {
                        suite,
                        ours,
                        theirs,
                    },
                )
            })
        });
        match usable {
            Some((crypto, protection)) => Ok((Some(crypto), Some(protection))),
            None if is_secure || self.abilities.protect == Protect::Required => {
                Err(NoAgreement::NoProtection)
            }
            None => Ok((None, None)),
        }
    }

    fn agree(
        &self,
        theirs: &Description,
        media: &Media,
        protection: Option<Protection>,
    ) -> Result<Agreed, NoAgreement> {
        let offered = media.offered();
        let codec_of = |format: &Format| {
            self.abilities.codecs.iter().copied().find(|codec| {
                format.name.eq_ignore_ascii_case(codec.map())
                    || format
                        .name
                        .eq_ignore_ascii_case(&format!("{}/1", codec.map()))
            })
        };
        let receivable: Vec<(u8, Codec)> = offered
            .iter()
            .filter_map(|format| Some((format.payload_type, codec_of(format)?)))
            .collect();
        let (payload_type, codec) = receivable.first().copied().ok_or(NoAgreement::NoCodec)?;
        // Events run on the clock of the codec beside them (RFC 4733, section 2.1).
        let event = format!("telephone-event/{}", codec.clock());
        let named = |name: &str| {
            offered
                .iter()
                .find(|format| format.name == name)
                .map(|format| format.payload_type)
        };
        let remote = theirs.address_of(media).ok_or(NoAgreement::NoAudio)?;
        let is_nowhere = remote.ip().is_unspecified();
        let rtcp_port = match (media.rtcp_mux, media.rtcp_port) {
            (true, _) => remote.port(),
            (false, Some(port)) => port,
            (false, None) => remote.port().saturating_add(1),
        };
        Ok(Agreed {
            codec,
            payload_type,
            receivable,
            events: named(&event).or_else(|| named("telephone-event/8000")),
            comfort_noise: named("cn/8000"),
            remote,
            remote_rtcp: SocketAddr::new(remote.ip(), rtcp_port),
            sends: !is_nowhere
                && matches!(media.direction, Direction::Both | Direction::ReceiveOnly),
            receives: !is_nowhere
                && matches!(media.direction, Direction::Both | Direction::ReceiveOnly),
            protection,
        })
    }
}

/// The direction of our answer: the mirror of theirs. The old way of holding is an address of
/// nowhere (RFC 2543).
fn answered_direction(offer: &Description, media: &Media) -> Direction {
    let ip: Option<IpAddr> = offer.address_of(media).map(|address| address.ip());
    match ip {
        Some(ip) if ip.is_unspecified() && media.direction == Direction::Both => {
            Direction::ReceiveOnly
        }
        _ => media.direction.mirrored(),
    }
}

fn describe(
    writer: &mut Writer,
    media: &Media,
    agreed: &Agreed,
    address: SocketAddr,
    direction: Direction,
    crypto: Option<&Crypto>,
    protocol: &str,
) {
    let mut types = vec![agreed.payload_type];
    types.extend(agreed.events);
    types.extend(agreed.comfort_noise.filter(|_| agreed.codec != Codec::Opus));
    let listed: Vec<String> = types.iter().map(u8::to_string).collect();
    writer.line(format_args!(
        "m=audio {} {protocol} {}",
        address.port(),
        listed.join(" ")
    ));
    writer.line(format_args!(
        "a=rtpmap:{} {}",
        agreed.payload_type,
        agreed.codec.map()
    ));
    if agreed.codec == Codec::Opus {
        writer.line(format_args!(
            "a=fmtp:{} useinbandfec=1",
            agreed.payload_type
        ));
    }
    if let Some(events) = agreed.events {
        let name = media
            .offered()
            .into_iter()
            .find(|format| format.payload_type == events);
        let name = name.map_or_else(|| "telephone-event/8000".to_owned(), |format| format.name);
        writer.line(format_args!("a=rtpmap:{events} {name}"));
        writer.line(format_args!("a=fmtp:{events} 0-16"));
    }
    writer.line(format_args!("a=ptime:20"));
    if let Some(crypto) = crypto {
        writer.line(format_args!(
            "a=crypto:{} {} inline:{}",
            crypto.tag, crypto.suite, crypto.key
        ));
    }
    if media.rtcp_mux {
        writer.line(format_args!("a=rtcp-mux"));
    }
    writer.line(format_args!("a={}", direction.attribute()));
}
