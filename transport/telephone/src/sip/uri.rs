//! Addresses of SIP (RFC 3261, section 19.1) and telephone numbers (RFC 3966), read strictly and
//! written back as they mean. Anything that could break out of a header is refused.
use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use super::params::Params;

/// The longest address that is read.
const LONGEST: usize = 512;

/// What kind of address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `sip:`
    Sip,
    /// `sips:`, over TLS all the way.
    Sips,
    /// `tel:`, a telephone number.
    Tel,
}

/// An address that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a sip:, sips: or tel: address")]
pub struct NotAnAddress;

/// One address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uri {
    /// Its kind.
    pub scheme: Scheme,
    /// Before the `@`; the number of a `tel:` address.
    pub user: Option<String>,
    /// A name or an address without brackets; empty for `tel:`.
    pub host: String,
    /// Its port, if it says one.
    pub port: Option<u16>,
    /// What follows with `;`.
    pub params: Params,
    /// What follows with `?`, as it stands.
    pub headers: Option<String>,
}

impl Uri {
    /// Reads an address.
    ///
    /// # Errors
    /// When it is none, or holds characters that have no place in one.
    pub fn parse(text: &str) -> Result<Uri, NotAnAddress> {
        let is_odd = |c: char| c.is_ascii_control() || c.is_whitespace() || "<>\"".contains(c);
        if text.len() > LONGEST || text.contains(is_odd) {
            return Err(NotAnAddress);
        }
        let (scheme, rest) = text.split_once(':').ok_or(NotAnAddress)?;
        match scheme.to_ascii_lowercase().as_str() {
            "sip" => Uri::parse_sip(Scheme::Sip, rest),
            "sips" => Uri::parse_sip(Scheme::Sips, rest),
            "tel" => Uri::parse_tel(rest),
            _ => Err(NotAnAddress),
        }
    }

    fn parse_sip(scheme: Scheme, rest: &str) -> Result<Uri, NotAnAddress> {
        // A user part may hold `;` and `?`, a host none of them.
        let (user, rest) = match rest.rsplit_once('@') {
            Some((user, rest)) => (Some(user), rest),
            None => (None, rest),
        };
        let (rest, headers) = match rest.split_once('?') {
            Some((rest, headers)) => (rest, Some(headers.to_owned())),
            None => (rest, None),
        };
        let (host_port, params) = rest.split_once(';').unwrap_or((rest, ""));
        let (host, port) = host_and_port(host_port).ok_or(NotAnAddress)?;
        // A password has no business in a signalling address: it is dropped.
        let user = user.map(|user| user.split_once(':').map_or(user, |(name, _)| name));
        if user.is_some_and(str::is_empty) {
            return Err(NotAnAddress);
        }
        Ok(Uri {
            scheme,
            user: user.map(str::to_owned),
            host,
            port,
            params: Params::parse(params),
            headers,
        })
    }

    fn parse_tel(rest: &str) -> Result<Uri, NotAnAddress> {
        let (number, params) = rest.split_once(';').unwrap_or((rest, ""));
        let is_dialable = |c: char| c.is_ascii_digit() || "+-.()*#".contains(c);
        if number.is_empty() || !number.chars().all(is_dialable) {
            return Err(NotAnAddress);
        }
        Ok(Uri {
            scheme: Scheme::Tel,
            user: Some(number.to_owned()),
            host: String::new(),
            port: None,
            params: Params::parse(params),
            headers: None,
        })
    }

    /// `sip:user@host:port` of a socket.
    pub fn of_socket(user: Option<&str>, address: SocketAddr) -> Uri {
        Uri {
            scheme: Scheme::Sip,
            user: user.map(str::to_owned),
            host: address.ip().to_string(),
            port: Some(address.port()),
            params: Params::default(),
            headers: None,
        }
    }

    /// Where it points, when that is an address and not a name.
    pub fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// The port, or the transport's own: 5061 for TLS, 5060 otherwise.
    pub fn port_or_default(&self) -> u16 {
        let is_tls = self.scheme == Scheme::Sips
            || (self.params.get("transport")).is_some_and(|t| t.eq_ignore_ascii_case("tls"));
        self.port.unwrap_or(if is_tls { 5061 } else { 5060 })
    }

    /// The number or name before the `@`, with visual separators of numbers left out.
    pub fn number(&self) -> Option<String> {
        let user = self.user.as_deref()?;
        let user = user.split(';').next().unwrap_or(user);
        let is_number = |c: char| c.is_ascii_digit() || "+-.()*#".contains(c);
        if user.chars().all(is_number) {
            Some(user.chars().filter(|c| !"-.()".contains(*c)).collect())
        } else {
            Some(user.to_owned())
        }
    }
}

/// `host`, `host:port`, `[v6]` or `[v6]:port`.
pub(super) fn host_and_port(text: &str) -> Option<(String, Option<u16>)> {
    let text = text.trim();
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, rest.strip_prefix(':'))
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
    if host.is_empty() || !host.chars().all(is_name) {
        return None;
    }
    let port = match port {
        Some(port) => Some(port.trim().parse().ok()?),
        None => None,
    };
    Some((host.to_ascii_lowercase(), port))
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scheme {
            Scheme::Sip => f.write_str("sip:")?,
            Scheme::Sips => f.write_str("sips:")?,
            Scheme::Tel => f.write_str("tel:")?,
        }
        if let Some(user) = &self.user {
            f.write_str(user)?;
            if self.scheme != Scheme::Tel {
                f.write_str("@")?;
            }
        }
        if self.host.contains(':') {
            write!(f, "[{}]", self.host)?;
        } else {
            f.write_str(&self.host)?;
        }
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        write!(f, "{}", self.params)?;
        if let Some(headers) = &self.headers {
            write!(f, "?{headers}")?;
        }
        Ok(())
    }
}
