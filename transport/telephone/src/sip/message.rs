//! SIP messages (RFC 3261, section 7): requests, responses and their headers, read within strict
//! limits and written in one form.
//!
//! Guarantees: any bytes may be read without a panic; a message that was read has the headers
//! every message needs, each well formed; nothing written can hold a line break inside a header.
use std::fmt::Write as _;

use super::{
    headers::{CSeq, NameAddr, Via},
    params::split,
    uri::Uri,
};

mod parse;
mod status;

use parse::{body, parse_headers, request_line, split_head};
pub use parse::{content_length, find};
pub use status::reason;

/// The longest head of a message.
pub const LONGEST_HEAD: usize = 16_384;
/// The longest body.
pub const LONGEST_BODY: usize = 16_384;

/// Why a message cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Longer than anybody needs.
    #[error("the message is too long")]
    TooLong,
    /// The first line is neither a request's nor a response's.
    #[error("the first line is no SIP")]
    FirstLine,
    /// A header line without a name, or with characters that have no place there.
    #[error("a header is malformed")]
    Header,
    /// A header every message must have is not there, twice there, or contradicts another.
    #[error("a necessary header is missing or wrong: {0}")]
    Necessary(&'static str),
    /// The body is shorter than announced.
    #[error("the body is cut")]
    Body,
}

/// What a request asks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is the method of that name")]
pub enum Method {
    Invite,
    Ack,
    Bye,
    Cancel,
    Options,
    Register,
    Info,
    Update,
    Prack,
    Refer,
    Notify,
    Other(String),
}

impl Method {
    /// The method of that name; names are told apart by case.
    pub fn named(name: &str) -> Method {
        match name {
            "INVITE" => Method::Invite,
            "ACK" => Method::Ack,
            "BYE" => Method::Bye,
            "CANCEL" => Method::Cancel,
            "OPTIONS" => Method::Options,
            "REGISTER" => Method::Register,
            "INFO" => Method::Info,
            "UPDATE" => Method::Update,
            "PRACK" => Method::Prack,
            "REFER" => Method::Refer,
            "NOTIFY" => Method::Notify,
            other => Method::Other(other.to_owned()),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Method::Invite => "INVITE",
            Method::Ack => "ACK",
            Method::Bye => "BYE",
            Method::Cancel => "CANCEL",
            Method::Options => "OPTIONS",
            Method::Register => "REGISTER",
            Method::Info => "INFO",
            Method::Update => "UPDATE",
            Method::Prack => "PRACK",
            Method::Refer => "REFER",
            Method::Notify => "NOTIFY",
            Method::Other(name) => name,
        }
    }
}

/// Header lines in the order they came, names in their long form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// The first header of that name.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self
            .0
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// All headers of that name.
    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        let name = name.to_owned();
        let named = self
            .0
            .iter()
            .filter(move |(known, _)| known.eq_ignore_ascii_case(&name));
        named.map(|(_, value)| value.as_str())
    }

    /// All values of a header that may be a list, whichever way it was written.
    pub fn list(&self, name: &str) -> Vec<&str> {
        let values = self.all(name).flat_map(|value| split(value, ','));
        values
            .map(str::trim)
            .filter(|value| !value.is_empty())
            .collect()
    }

    /// Whether a list header names `token`.
    pub fn lists(&self, name: &str, token: &str) -> bool {
        self.list(name)
            .iter()
            .any(|value| value.eq_ignore_ascii_case(token))
    }

    /// Appends a header. Line breaks become spaces: a value can never become two headers.
    pub fn push(&mut self, name: &str, value: impl Into<String>) {
        let mut value = value.into();
        if value.contains(['\r', '\n', '\0']) {
            value = value.replace(['\r', '\n', '\0'], " ");
        }
        self.0.push((name.to_owned(), value));
    }

    /// Every header, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    fn replace_first(&mut self, name: &str, value: String) {
        if let Some((_, old)) = self
            .0
            .iter_mut()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
        {
            *old = value;
        }
    }
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What it asks.
    pub method: Method,
    /// Whom.
    pub uri: Uri,
    /// Its headers.
    pub headers: Headers,
    /// Its body.
    pub body: Vec<u8>,
}

/// A response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// 100 to 699.
    pub status: u16,
    /// For people.
    pub reason: String,
    /// Its headers.
    pub headers: Headers,
    /// Its body.
    pub body: Vec<u8>,
}

/// Either.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A request.
    Request(Request),
    /// A response.
    Response(Response),
}

/// The headers every message has, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Essentials {
    /// The topmost `Via`.
    pub via: Via,
    /// `From`.
    pub from: NameAddr,
    /// `To`.
    pub to: NameAddr,
    /// `Call-ID`.
    pub call_id: String,
    /// `CSeq`.
    pub cseq: CSeq,
}

impl Message {
    /// Reads one datagram, or one message cut out of a stream.
    ///
    /// # Errors
    /// When it is not a whole, well-formed message.
    pub fn parse(bytes: &[u8]) -> Result<Message, Malformed> {
        let (head, rest) = split_head(bytes)?;
        let head = std::str::from_utf8(head).map_err(|_| Malformed::Header)?;
        let mut lines = head.split("\r\n").flat_map(|line| line.split('\n'));
        let first = lines.next().ok_or(Malformed::FirstLine)?;
        let headers = parse_headers(lines)?;
        let body = body(&headers, rest)?;
        let message = match first.strip_prefix("SIP/2.0 ") {
            Some(status) => {
                let (status, reason) = status.split_once(' ').unwrap_or((status, ""));
                let status: u16 = status.parse().map_err(|_| Malformed::FirstLine)?;
                if !(100..700).contains(&status) {
                    return Err(Malformed::FirstLine);
                }
                let reason = reason.to_owned();
                Message::Response(Response {
                    status,
                    reason,
                    headers,
                    body,
                })
            }
            None => Message::Request(request_line(first, headers, body)?),
        };
        let essentials = message.essentials()?;
        if let Message::Request(request) = &message
            && essentials.cseq.method != request.method
        {
            return Err(Malformed::Necessary("CSeq"));
        }
        Ok(message)
    }

    /// Its headers.
    pub fn headers(&self) -> &Headers {
        match self {
            Message::Request(request) => &request.headers,
            Message::Response(response) => &response.headers,
        }
    }

    /// The headers every message has.
    ///
    /// # Errors
    /// When one is missing, doubled or malformed.
    pub fn essentials(&self) -> Result<Essentials, Malformed> {
        essentials(self.headers())
    }
}

/// The headers every message has.
///
/// # Errors
/// When one is missing, doubled or malformed.
pub fn essentials(headers: &Headers) -> Result<Essentials, Malformed> {
    let one = |name: &'static str| {
        let mut all = headers.all(name);
        match (all.next(), all.next()) {
            (Some(value), None) => Ok(value),
            _ => Err(Malformed::Necessary(name)),
        }
    };
    let vias = headers.list("Via");
    let via = vias.first().and_then(|via| Via::parse(via));
    let call_id = one("Call-ID")?;
    if call_id.is_empty() || call_id.len() > 256 {
        return Err(Malformed::Necessary("Call-ID"));
    }
    Ok(Essentials {
        via: via.ok_or(Malformed::Necessary("Via"))?,
        from: NameAddr::parse(one("From")?).ok_or(Malformed::Necessary("From"))?,
        to: NameAddr::parse(one("To")?).ok_or(Malformed::Necessary("To"))?,
        call_id: call_id.to_owned(),
        cseq: CSeq::parse(one("CSeq")?).ok_or(Malformed::Necessary("CSeq"))?,
    })
}

impl Request {
    /// As it goes over the line.
    pub fn to_bytes(&self) -> Vec<u8> {
        let first = format!("{} {} SIP/2.0", self.method.name(), self.uri);
        to_bytes(&first, &self.headers, &self.body)
    }

    /// An answer with the headers every answer copies (RFC 3261, section 8.2.6.2). `to_tag` is
    /// added where the request has none.
    pub fn answer(&self, status: u16, to_tag: Option<&str>) -> Response {
        let mut headers = Headers::default();
        for via in self.headers.all("Via") {
            headers.push("Via", via);
        }
        for (name, value) in self.headers.iter() {
            match name.to_ascii_lowercase().as_str() {
                "from" | "call-id" | "cseq" => headers.push(name, value),
                "record-route" if status < 300 => headers.push(name, value),
                "to" => {
                    let has_tag = NameAddr::parse(value).is_some_and(|to| to.tag().is_some());
                    match to_tag.filter(|_| !has_tag && status > 100) {
                        Some(tag) => headers.push("To", format!("{value};tag={tag}")),
                        None => headers.push("To", value),
                    }
                }
                _ => {}
            }
        }
        let reason = reason(status).to_owned();
        Response {
            status,
            reason,
            headers,
            body: Vec::new(),
        }
    }

    /// Notes in the topmost `Via` where the request really came from (RFC 3261, section 18.2.1,
    /// and RFC 3581).
    pub fn stamp(&mut self, source: std::net::SocketAddr) {
        let Some(first) = self.headers.get("Via") else {
            return;
        };
        let mut parts = split(first, ',').into_iter().map(str::trim);
        let Some(mut via) = parts.next().and_then(Via::parse) else {
            return;
        };
        if via.params.has("rport") {
            via.params.set("rport", Some(source.port().to_string()));
            via.params.set("received", Some(source.ip().to_string()));
        } else if via.host != source.ip().to_string() {
            via.params.set("received", Some(source.ip().to_string()));
        }
        let mut stamped = via.to_string();
        for more in parts {
            let _ = write!(stamped, ", {more}");
        }
        self.headers.replace_first("Via", stamped);
    }
}

impl Response {
    /// As it goes over the line.
    pub fn to_bytes(&self) -> Vec<u8> {
        let first = format!("SIP/2.0 {} {}", self.status, self.reason);
        to_bytes(&first, &self.headers, &self.body)
    }
}

fn to_bytes(first: &str, headers: &Headers, body: &[u8]) -> Vec<u8> {
    let mut text = String::with_capacity(512 + body.len());
    text.push_str(first);
    text.push_str("\r\n");
    for (name, value) in headers.iter() {
        let _ = write!(text, "{name}: {value}\r\n");
    }
    let _ = write!(text, "Content-Length: {}\r\n\r\n", body.len());
    let mut bytes = text.into_bytes();
    bytes.extend_from_slice(body);
    bytes
}
