//! What is allowed: who may call, how often anybody may knock, and whom the daemon may call.
//! Everything that is not allowed is forbidden.
use std::{
    collections::HashMap,
    fmt,
    net::{IpAddr, Ipv4Addr},
    str::FromStr,
    time::Duration,
};

use crate::sip::uri::{Scheme, Uri};

/// A range of addresses: `192.0.2.0/24`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    base: IpAddr,
    bits: u8,
}

/// A text that is no range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an address or a network, such as 192.0.2.7 or 192.0.2.0/24")]
pub struct NotANetwork;

impl Network {
    /// Whether an address lies in it. An IPv4 address written as IPv6 is the IPv4 address.
    pub fn contains(&self, ip: IpAddr) -> bool {
        let shared = |a: u128, b: u128, width: u8| {
            let ignored = u32::from(width.saturating_sub(self.bits));
            a.checked_shr(ignored) == b.checked_shr(ignored)
        };
        match (self.base, ip.to_canonical()) {
            (IpAddr::V4(base), IpAddr::V4(ip)) => {
                shared(u128::from(u32::from(base)), u128::from(u32::from(ip)), 32)
            }
            (IpAddr::V6(base), IpAddr::V6(ip)) => shared(base.into(), ip.into(), 128),
            _ => false,
        }
    }

    /// Whether it is everybody.
    pub fn is_everybody(&self) -> bool {
        self.bits == 0
    }
}

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let (base, bits) = match text.split_once('/') {
            Some((base, bits)) => (base, Some(bits)),
            None => (text, None),
        };
        let base: IpAddr = base.parse().map_err(|_| NotANetwork)?;
        let most = if base.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) => bits
                .parse()
                .ok()
                .filter(|bits| *bits <= most)
                .ok_or(NotANetwork)?,
            None => most,
        };
        Ok(Network { base, bits })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.bits)
    }
}

/// Messages a source may send: so many a second, in bursts of so many.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateLimit {
    /// A trunk's messages a second.
    pub trunk: f64,
    /// A stranger's messages a second.
    pub stranger: f64,
}

impl Default for RateLimit {
    /// A trunk that sets up 100 calls a second sends about 400 messages; a telephone that
    /// registers needs two a minute.
    fn default() -> Self {
        RateLimit {
            trunk: 2_000.0,
            stranger: 2.0,
        }
    }
}

/// Sources remembered; beyond it the stalest are forgotten.
const MOST_SOURCES: usize = 16_384;
/// A burst may be as much as so many seconds bring.
const BURST: f64 = 5.0;

/// How much each source has left.
#[derive(Debug)]
pub struct Rates {
    limit: RateLimit,
    left: HashMap<IpAddr, (f64, Duration)>,
    swept: Duration,
}

impl Rates {
    /// Nobody has come yet.
    pub fn new(limit: RateLimit) -> Rates {
        Rates {
            limit,
            left: HashMap::new(),
            swept: Duration::ZERO,
        }
    }

    /// Takes one message's worth from a source; `false` when it has none left.
    pub fn allows(&mut self, now: Duration, source: IpAddr, is_trunk: bool) -> bool {
        let rate = if is_trunk {
            self.limit.trunk
        } else {
            self.limit.stranger
        };
        let most = rate * BURST;
        if self.left.len() >= MOST_SOURCES && !self.left.contains_key(&source) {
            // Whoever has been quiet has a full allowance anyway. Looked for once a second at most:
            // a flood of sources must not cost more than it has to.
            if now.saturating_sub(self.swept) >= Duration::from_secs(1) {
                self.swept = now;
                self.left
                    .retain(|_, (_, at)| now.saturating_sub(*at) < Duration::from_secs(10));
            }
            if self.left.len() >= MOST_SOURCES {
                return is_trunk;
            }
        }
        let (left, at) = self.left.entry(source).or_insert((most, now));
        let gained = now.saturating_sub(*at).as_secs_f64() * rate;
        *left = (*left + gained).min(most);
        *at = now;
        if *left < 1.0 {
            return false;
        }
        *left -= 1.0;
        true
    }
}

/// Whom the daemon may call and transfer to. The model, callers and redirections choose only
/// among these.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DialPolicy {
    /// Beginnings of telephone numbers, such as `+4420`; compared without separators.
    pub prefixes: Vec<String>,
    /// Hosts of SIP addresses, such as `pbx.example.com`; compared whole.
    pub hosts: Vec<String>,
}

impl DialPolicy {
    /// Whether `target` may be called. A number at an allowed host still needs an allowed prefix
    /// where prefixes are given.
    pub fn allows(&self, target: &Uri) -> bool {
        let number = target.number().unwrap_or_default();
        let is_telephone_number = number.trim_start_matches('+').len() > 6
            && number
                .trim_start_matches('+')
                .chars()
                .all(|c| c.is_ascii_digit());
        let has_prefix = self
            .prefixes
            .iter()
            .any(|prefix| number.starts_with(prefix.as_str()));
        match target.scheme {
            Scheme::Tel => has_prefix,
            Scheme::Sip | Scheme::Sips => {
                let host = self
                    .hosts
                    .iter()
                    .any(|host| host.eq_ignore_ascii_case(&target.host));
                host && (has_prefix || !is_telephone_number)
            }
        }
    }
}

/// Whether an address is one that no peer on the internet can have.
pub fn is_private(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip == Ipv4Addr::UNSPECIFIED
        }
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unspecified() || ip.is_unique_local(),
    }
}

#[cfg(test)]
mod tests;
