//! SRTP (RFC 3711) with keys from the session description (RFC 4568).
use bytes::BytesMut;
use rtc_srtp::{
    context::Context,
    option::{srtcp_replay_protection, srtp_replay_protection},
    protection_profile::ProtectionProfile,
};

use crate::sdp::{Protection, Suite};

/// Packets a replay may be late: more than any jitter buffer waits for.
const WINDOW: usize = 128;

/// Keys that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the keys of the encrypted call cannot be used")]
pub struct BadKeys;

/// Both directions of one call.
pub struct Srtp {
    ours: Context,
    theirs: Context,
}

impl Srtp {
    /// From agreed keys.
    ///
    /// # Errors
    /// When they do not fit the suite.
    pub fn new(keys: &Protection) -> Result<Srtp, BadKeys> {
        Ok(Srtp {
            ours: context(keys.suite, &keys.ours)?,
            theirs: context(keys.suite, &keys.theirs)?,
        })
    }

    /// Encrypts an RTP packet.
    pub fn protect(&mut self, packet: &[u8]) -> Option<BytesMut> {
        self.ours.encrypt_rtp(packet).ok()
    }

    /// Decrypts one; `None` when it is not theirs or comes again.
    pub fn unprotect(&mut self, packet: &[u8]) -> Option<BytesMut> {
        self.theirs.decrypt_rtp(packet).ok()
    }

    /// Encrypts a report.
    pub fn protect_report(&mut self, packet: &[u8]) -> Option<BytesMut> {
        self.ours.encrypt_rtcp(packet).ok()
    }

    /// Decrypts one.
    pub fn unprotect_report(&mut self, packet: &[u8]) -> Option<BytesMut> {
        self.theirs.decrypt_rtcp(packet).ok()
    }
}

fn context(suite: Suite, material: &[u8]) -> Result<Context, BadKeys> {
    let (key, salt) = suite.lengths();
    let profile = match suite {
        Suite::Aes128Sha80 => ProtectionProfile::Aes128CmHmacSha1_80,
        Suite::Aes128Sha32 => ProtectionProfile::Aes128CmHmacSha1_32,
        Suite::Gcm128 => ProtectionProfile::AeadAes128Gcm,
        Suite::Gcm256 => ProtectionProfile::AeadAes256Gcm,
    };
    let (key, salt) = match material.split_at_checked(key) {
        Some((key, rest)) if rest.len() == salt => (key, rest),
        _ => return Err(BadKeys),
    };
    let provider = rtc_srtp::crypto::default_provider().map_err(|_| BadKeys)?;
    Context::new(
        key,
        salt,
        profile,
        Some(srtp_replay_protection(WINDOW)),
        Some(srtcp_replay_protection(WINDOW)),
        provider.crypto(),
    )
    .map_err(|_| BadKeys)
}
