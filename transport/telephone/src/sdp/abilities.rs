//! What both sides can do, and what they agreed on: codecs, keys, addresses.
use std::net::SocketAddr;

/// A codec of telephones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// G.711 µ-law, 8 kHz.
    Pcmu,
    /// G.711 A-law, 8 kHz.
    Pcma,
    /// G.722, 16 kHz on a clock of 8 kHz.
    G722,
    /// Opus.
    Opus,
}

impl Codec {
    /// All of them, the best first.
    pub const ALL: [Codec; 4] = [Codec::Opus, Codec::G722, Codec::Pcma, Codec::Pcmu];

    /// Its name in configurations and records.
    pub fn name(self) -> &'static str {
        match self {
            Codec::Pcmu => "pcmu",
            Codec::Pcma => "pcma",
            Codec::G722 => "g722",
            Codec::Opus => "opus",
        }
    }

    /// The codec of that name.
    pub fn named(name: &str) -> Option<Codec> {
        Codec::ALL.into_iter().find(|codec| codec.name() == name)
    }

    pub(super) fn map(self) -> &'static str {
        match self {
            Codec::Pcmu => "PCMU/8000",
            Codec::Pcma => "PCMA/8000",
            Codec::G722 => "G722/8000",
            Codec::Opus => "opus/48000/2",
        }
    }

    pub(super) fn payload_type(self) -> u8 {
        match self {
            Codec::Pcmu => 0,
            Codec::Pcma => 8,
            Codec::G722 => 9,
            Codec::Opus => 107,
        }
    }

    /// Ticks of its RTP clock a second.
    pub fn clock(self) -> u32 {
        match self {
            Codec::Opus => 48_000,
            _ => 8_000,
        }
    }
}

/// A cipher suite of RFC 4568 and RFC 7714.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suite {
    /// AES-128 in counter mode, 80 bits of HMAC-SHA1.
    Aes128Sha80,
    /// The same with 32 bits.
    Aes128Sha32,
    /// AES-128 in GCM.
    Gcm128,
    /// AES-256 in GCM.
    Gcm256,
}

impl Suite {
    pub(super) const ALL: [Suite; 4] = [
        Suite::Aes128Sha80,
        Suite::Aes128Sha32,
        Suite::Gcm128,
        Suite::Gcm256,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Suite::Aes128Sha80 => "AES_CM_128_HMAC_SHA1_80",
            Suite::Aes128Sha32 => "AES_CM_128_HMAC_SHA1_32",
            Suite::Gcm128 => "AEAD_AES_128_GCM",
            Suite::Gcm256 => "AEAD_AES_256_GCM",
        }
    }

    /// Bytes of key, and of salt after it.
    pub fn lengths(self) -> (usize, usize) {
        match self {
            Suite::Aes128Sha80 | Suite::Aes128Sha32 => (16, 14),
            Suite::Gcm128 => (16, 12),
            Suite::Gcm256 => (32, 12),
        }
    }
}

/// Keys of both directions.
#[derive(Clone, PartialEq, Eq)]
pub struct Protection {
    /// How.
    pub suite: Suite,
    /// What we send is protected with: key, then salt.
    pub ours: Vec<u8>,
    /// What they send.
    pub theirs: Vec<u8>,
}

impl std::fmt::Debug for Protection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Protection({}, ***)", self.suite.name())
    }
}

/// Whether media are encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protect {
    /// Never.
    Off,
    /// When they want it.
    #[default]
    Optional,
    /// Always: a call without it is refused.
    Required,
}

/// What we can do.
#[derive(Clone, Debug)]
pub struct Abilities {
    /// Where we receive, as told.
    pub address: SocketAddr,
    /// Codecs in the order they are offered.
    pub codecs: Vec<Codec>,
    /// Encryption.
    pub protect: Protect,
    /// Random bytes for our keys: 46 of them are enough for any suite.
    pub key: Vec<u8>,
}

/// What both sides agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// What we send, and what they mostly do.
    pub codec: Codec,
    /// Its payload type.
    pub payload_type: u8,
    /// Every payload type we can decode.
    pub receivable: Vec<(u8, Codec)>,
    /// Keys as events (RFC 4733): payload type.
    pub events: Option<u8>,
    /// Comfort noise (RFC 3389): payload type.
    pub comfort_noise: Option<u8>,
    /// Where we send to.
    pub remote: SocketAddr,
    /// Where our reports go.
    pub remote_rtcp: SocketAddr,
    /// Whether we may send.
    pub sends: bool,
    /// Whether they send anything that is meant for us.
    pub receives: bool,
    /// Keys.
    pub protection: Option<Protection>,
}
