//! The headers that are read into parts: `Via`, names with addresses, `CSeq`.
use std::fmt;

use super::{
    message::Method,
    params::Params,
    uri::{Uri, host_and_port},
};

/// `"Name" <address>;params`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameAddr {
    /// For people; may be anything.
    pub display: Option<String>,
    /// The address.
    pub uri: Uri,
    /// The header's own parameters: `tag`, `expires`.
    pub params: Params,
}

impl NameAddr {
    /// Reads one; `None` when it is none.
    pub fn parse(text: &str) -> Option<NameAddr> {
        let text = text.trim();
        let Some(open) = unquoted(text, '<') else {
            // Without brackets everything after `;` belongs to the header.
            let (uri, params) = text.split_once(';').unwrap_or((text, ""));
            return Some(NameAddr {
                display: None,
                uri: Uri::parse(uri.trim()).ok()?,
                params: Params::parse(params),
            });
        };
        let (display, rest) = (text[..open].trim(), &text[open + 1..]);
        let (uri, params) = rest.split_once('>')?;
        let display = display.trim_matches('"');
        let display = display.replace("\\\"", "\"").replace("\\\\", "\\");
        Some(NameAddr {
            display: (!display.is_empty()).then_some(display),
            uri: Uri::parse(uri.trim()).ok()?,
            params: Params::parse(params.trim().trim_start_matches(';')),
        })
    }

    /// Its `tag`.
    pub fn tag(&self) -> Option<&str> {
        self.params.get("tag").filter(|tag| !tag.is_empty())
    }
}

/// Where `wanted` first stands outside of quotes.
fn unquoted(text: &str, wanted: char) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            c if c == wanted && !quoted => return Some(at),
            _ => {}
        }
    }
    None
}

/// One hop of a message's way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Via {
    /// `UDP`, `TCP`, `TLS`.
    pub transport: String,
    /// The hop.
    pub host: String,
    /// Its port.
    pub port: Option<u16>,
    /// `branch`, `rport`, `received`.
    pub params: Params,
}

impl Via {
    /// Reads one; `None` when it is none.
    pub fn parse(text: &str) -> Option<Via> {
        let (protocol, rest) = text.trim().split_once([' ', '\t'])?;
        let mut parts = protocol.split('/');
        let (name, version, transport) = (parts.next()?, parts.next()?, parts.next()?);
        if !name.eq_ignore_ascii_case("SIP") || version != "2.0" || parts.next().is_some() {
            return None;
        }
        let (host_port, params) = rest.split_once(';').unwrap_or((rest, ""));
        let (host, port) = host_and_port(host_port)?;
        let transport = transport.to_ascii_uppercase();
        if transport.is_empty()
            || !transport
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        {
            return None;
        }
        Some(Via {
            transport,
            host,
            port,
            params: Params::parse(params),
        })
    }

    /// The branch, if it follows RFC 3261: only then it names a transaction.
    pub fn branch(&self) -> Option<&str> {
        let branch = self.params.get("branch")?;
        let magic = branch.get(..7)?;
        (magic.eq_ignore_ascii_case("z9hG4bK") && branch.len() > 7 && branch.len() <= 256)
            .then_some(branch)
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIP/2.0/{} ", self.transport)?;
        if self.host.contains(':') {
            write!(f, "[{}]", self.host)?;
        } else {
            f.write_str(&self.host)?;
        }
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        write!(f, "{}", self.params)
    }
}

/// The number of a request within its dialog, and its method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CSeq {
    /// Counts up.
    pub number: u32,
    /// As in the first line.
    pub method: Method,
}

impl CSeq {
    /// Reads one; `None` when it is none, or beyond 2^31.
    pub fn parse(text: &str) -> Option<CSeq> {
        let (number, method) = text.trim().split_once([' ', '\t'])?;
        let number = number
            .parse::<u32>()
            .ok()
            .filter(|number| *number < 1 << 31)?;
        let method = method.trim();
        (!method.is_empty()).then(|| CSeq {
            number,
            method: Method::named(method),
        })
    }
}

impl fmt::Display for CSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number, self.method.name())
    }
}

/// `Session-Expires: 1800;refresher=uac` in parts: seconds and who refreshes.
pub fn session_expires(text: &str) -> Option<(u32, Option<String>)> {
    let (seconds, params) = text.split_once(';').unwrap_or((text, ""));
    let refresher = Params::parse(params)
        .get("refresher")
        .map(str::to_ascii_lowercase);
    Some((seconds.trim().parse().ok()?, refresher))
}
