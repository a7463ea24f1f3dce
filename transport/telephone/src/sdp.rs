//! Session descriptions (RFC 8866): the audio part of them, read forgivingly and written plainly.
use std::{
    fmt::Write as _,
    net::{IpAddr, SocketAddr},
};

mod abilities;
mod negotiation;

pub use abilities::{Abilities, Agreed, Codec, Protect, Protection, Suite};
pub use negotiation::{Negotiation, NoAgreement};

/// The most media sections that are read.
const MOST_MEDIA: usize = 8;
/// The most lines that are read.
const MOST_LINES: usize = 512;

/// Who sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// Both.
    #[default]
    Both,
    /// Only whoever describes.
    SendOnly,
    /// Only the other.
    ReceiveOnly,
    /// Nobody.
    Inactive,
}

impl Direction {
    fn attribute(self) -> &'static str {
        match self {
            Direction::Both => "sendrecv",
            Direction::SendOnly => "sendonly",
            Direction::ReceiveOnly => "recvonly",
            Direction::Inactive => "inactive",
        }
    }

    fn named(name: &str) -> Option<Direction> {
        [
            Direction::Both,
            Direction::SendOnly,
            Direction::ReceiveOnly,
            Direction::Inactive,
        ]
        .into_iter()
        .find(|direction| direction.attribute() == name)
    }

    /// The same seen from the other side.
    pub fn mirrored(self) -> Direction {
        match self {
            Direction::SendOnly => Direction::ReceiveOnly,
            Direction::ReceiveOnly => Direction::SendOnly,
            same => same,
        }
    }
}

/// A payload type with what it carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    /// Its number in RTP packets.
    pub payload_type: u8,
    /// As in `rtpmap`, in lower case: `pcmu/8000`, `opus/48000/2`.
    pub name: String,
    /// As in `fmtp`.
    pub parameters: String,
}

/// `a=crypto` (RFC 4568).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crypto {
    /// Its number among the offered ones.
    pub tag: u32,
    /// The cipher suite's name.
    pub suite: String,
    /// After `inline:`, without lifetime and index.
    pub key: String,
}

/// One media section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// `audio`, `video`, …
    pub kind: String,
    /// Zero refuses it.
    pub port: u16,
    /// `RTP/AVP`, `RTP/SAVP`, …
    pub protocol: String,
    /// Formats as they stand in the `m=` line.
    pub formats: Vec<String>,
    /// Its own address.
    pub address: Option<IpAddr>,
    /// Who sends.
    pub direction: Direction,
    /// `rtpmap`s of known payload types.
    pub maps: Vec<Format>,
    /// `ptime`, in milliseconds.
    pub ptime: Option<u32>,
    /// Keys offered.
    pub crypto: Vec<Crypto>,
    /// Where RTCP goes, when not to the next port.
    pub rtcp_port: Option<u16>,
    /// Whether RTCP comes on the same port.
    pub rtcp_mux: bool,
}

/// A whole description.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// The session's address.
    pub address: Option<IpAddr>,
    /// The session's direction.
    pub direction: Direction,
    /// Its media sections.
    pub media: Vec<Media>,
}

impl Description {
    /// Reads a description; what is not understood is left out. `None` when it is none.
    pub fn parse(text: &str) -> Option<Description> {
        let mut description = Description::default();
        if !text.trim_start().starts_with("v=0") {
            return None;
        }
        for line in text.lines().take(MOST_LINES) {
            let Some((kind, value)) = line.trim_end().split_once('=') else {
                continue;
            };
            match kind {
                "c" => {
                    let address = connection(value);
                    match description.media.last_mut() {
                        Some(media) => media.address = address,
                        None => description.address = address,
                    }
                }
                "m" => {
                    if description.media.len() >= MOST_MEDIA {
                        return None;
                    }
                    let media = media(value, description.direction)?;
                    description.media.push(media);
                }
                "a" => match description.media.last_mut() {
                    Some(media) => attribute(media, value),
                    None => {
                        if let Some(direction) = Direction::named(value) {
                            description.direction = direction;
                        }
                    }
                },
                _ => {}
            }
        }
        Some(description)
    }

    /// The first audio section over RTP that is not refused, and its place.
    pub fn audio(&self) -> Option<(usize, &Media)> {
        let is_audio = |media: &&Media| {
            media.kind == "audio" && media.port != 0 && media.protocol.starts_with("RTP/")
        };
        let at = self.media.iter().position(|media| is_audio(&media))?;
        Some((at, &self.media[at]))
    }

    /// Where a section's packets are to be sent.
    pub fn address_of(&self, media: &Media) -> Option<SocketAddr> {
        let ip = media.address.or(self.address)?;
        Some(SocketAddr::new(ip, media.port))
    }
}

fn connection(value: &str) -> Option<IpAddr> {
    let mut words = value.split_whitespace();
    let ("IN", _, address) = (words.next()?, words.next()?, words.next()?) else {
        return None;
    };
    address.split('/').next()?.parse().ok()
}

fn media(value: &str, direction: Direction) -> Option<Media> {
    let mut words = value.split_whitespace();
    let (kind, port, protocol) = (words.next()?, words.next()?, words.next()?);
    Some(Media {
        kind: kind.to_ascii_lowercase(),
        port: port.split('/').next()?.parse().ok()?,
        protocol: protocol.to_ascii_uppercase(),
        formats: words.take(64).map(str::to_owned).collect(),
        address: None,
        direction,
        maps: Vec::new(),
        ptime: None,
        crypto: Vec::new(),
        rtcp_port: None,
        rtcp_mux: false,
    })
}

fn attribute(media: &mut Media, value: &str) {
    let (name, value) = value.split_once(':').unwrap_or((value, ""));
    match name {
        "rtpmap" => {
            if let Some((payload_type, map)) = numbered(value) {
                media.maps.push(Format {
                    payload_type,
                    name: map.trim().to_ascii_lowercase(),
                    parameters: String::new(),
                });
            }
        }
        "fmtp" => {
            if let Some((payload_type, parameters)) = numbered(value)
                && let Some(map) = media
                    .maps
                    .iter_mut()
                    .find(|map| map.payload_type == payload_type)
            {
                map.parameters = parameters.trim().to_owned();
            }
        }
        "ptime" => media.ptime = value.trim().parse().ok(),
        "rtcp-mux" => media.rtcp_mux = true,
        "rtcp" => {
            media.rtcp_port = value
                .split_whitespace()
                .next()
                .and_then(|port| port.parse().ok())
        }
        "crypto" => {
            if media.crypto.len() < 16 {
                media.crypto.extend(crypto(value));
            }
        }
        other => {
            if let Some(direction) = Direction::named(other) {
                media.direction = direction;
            }
        }
    }
}

fn numbered(value: &str) -> Option<(u8, &str)> {
    let (number, rest) = value.trim().split_once(' ')?;
    Some((number.parse().ok().filter(|number| *number < 128)?, rest))
}

fn crypto(value: &str) -> Option<Crypto> {
    let mut words = value.split_whitespace();
    let (tag, suite, key) = (words.next()?, words.next()?, words.next()?);
    let key = key.strip_prefix("inline:")?;
    Some(Crypto {
        tag: tag.parse().ok()?,
        suite: suite.to_ascii_uppercase(),
        key: key.split('|').next()?.to_owned(),
    })
}

impl Media {
    /// The payload types in the order of the `m=` line with what they carry; the static ones of
    /// RFC 3551 need no `rtpmap`.
    pub fn offered(&self) -> Vec<Format> {
        let types = self
            .formats
            .iter()
            .filter_map(|format| format.parse::<u8>().ok());
        let named = types.filter_map(|payload_type| {
            let map = self
                .maps
                .iter()
                .find(|map| map.payload_type == payload_type);
            let name = match (map, payload_type) {
                (Some(map), _) => return Some(map.clone()),
                (None, 0) => "pcmu/8000",
                (None, 8) => "pcma/8000",
                (None, 9) => "g722/8000",
                (None, 13) => "cn/8000",
                (None, _) => return None,
            };
            Some(Format {
                payload_type,
                name: name.to_owned(),
                parameters: String::new(),
            })
        });
        named.collect()
    }
}

/// A description of ours, line by line.
pub(super) struct Writer(String);

impl Writer {
    pub fn new(id: u64, version: u64, ip: IpAddr) -> Writer {
        let family = if ip.is_ipv4() { "IP4" } else { "IP6" };
        Writer(format!(
            "v=0\r\no=voiced {id} {version} IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n"
        ))
    }

    pub fn line(&mut self, line: std::fmt::Arguments<'_>) {
        let _ = write!(self.0, "{line}\r\n");
    }

    pub fn done(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests;
