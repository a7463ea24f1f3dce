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

/// The most header lines of a message.
const MOST_HEADERS: usize = 96;
/// The longest header line, folded lines joined.
const LONGEST_LINE: usize = 4_096;
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

/// The head without the empty line that ends it, and what follows.
fn split_head(bytes: &[u8]) -> Result<(&[u8], &[u8]), Malformed> {
    // Empty lines before a message are keep-alives.
    let start = bytes
        .iter()
        .position(|byte| !b"\r\n".contains(byte))
        .unwrap_or(bytes.len());
    let bytes = &bytes[start..];
    let window = &bytes[..bytes.len().min(LONGEST_HEAD)];
    let crlf = find(window, b"\r\n\r\n").map(|at| (at, at + 4));
    let lf = find(window, b"\n\n").map(|at| (at, at + 2));
    let end = match (crlf, lf) {
        (Some(crlf), Some(lf)) => Some(if crlf.0 <= lf.0 { crlf } else { lf }),
        (crlf, lf) => crlf.or(lf),
    };
    match end {
        Some((head, body)) => Ok((&bytes[..head], &bytes[body..])),
        None if bytes.len() > LONGEST_HEAD => Err(Malformed::TooLong),
        None => Err(Malformed::FirstLine),
    }
}

/// Where `needle` begins.
pub fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

fn parse_headers<'a>(lines: impl Iterator<Item = &'a str>) -> Result<Headers, Malformed> {
    let mut headers = Headers::default();
    for line in lines {
        if line.starts_with([' ', '\t']) {
            let (_, last) = headers.0.last_mut().ok_or(Malformed::Header)?;
            last.push(' ');
            last.push_str(line.trim());
            if last.len() > LONGEST_LINE {
                return Err(Malformed::TooLong);
            }
            continue;
        }
        let (name, value) = line.split_once(':').ok_or(Malformed::Header)?;
        let name = name.trim_end();
        let is_token = |c: char| c.is_ascii_alphanumeric() || "-.!%*_+`'~".contains(c);
        if name.is_empty() || !name.chars().all(is_token) {
            return Err(Malformed::Header);
        }
        if line.len() > LONGEST_LINE || headers.0.len() >= MOST_HEADERS {
            return Err(Malformed::TooLong);
        }
        let value = value.trim();
        if value.contains(|c: char| c.is_ascii_control() && c != '\t') {
            return Err(Malformed::Header);
        }
        headers
            .0
            .push((long_name(name).to_owned(), value.to_owned()));
    }
    Ok(headers)
}

/// Compact forms (RFC 3261, section 20, and its extensions).
fn long_name(name: &str) -> &str {
    if name.len() != 1 {
        return name;
    }
    match name.as_bytes()[0].to_ascii_lowercase() {
        b'v' => "Via",
        b'f' => "From",
        b't' => "To",
        b'i' => "Call-ID",
        b'm' => "Contact",
        b'l' => "Content-Length",
        b'c' => "Content-Type",
        b'e' => "Content-Encoding",
        b'k' => "Supported",
        b's' => "Subject",
        b'r' => "Refer-To",
        b'b' => "Referred-By",
        b'x' => "Session-Expires",
        b'o' => "Event",
        b'u' => "Allow-Events",
        _ => name,
    }
}

/// The body's length as announced, if it is.
///
/// # Errors
/// When it is announced twice, or is no number, or more than anybody needs.
pub fn content_length(headers: &Headers) -> Result<Option<usize>, Malformed> {
    let mut all = headers.all("Content-Length");
    let (first, second) = (all.next(), all.next());
    let Some(first) = first else { return Ok(None) };
    let length: usize = first
        .parse()
        .map_err(|_| Malformed::Necessary("Content-Length"))?;
    if second.is_some_and(|other| other != first) {
        return Err(Malformed::Necessary("Content-Length"));
    }
    if length > LONGEST_BODY {
        return Err(Malformed::TooLong);
    }
    Ok(Some(length))
}

fn body(headers: &Headers, rest: &[u8]) -> Result<Vec<u8>, Malformed> {
    let length = content_length(headers)?.unwrap_or(rest.len());
    if length > LONGEST_BODY {
        return Err(Malformed::TooLong);
    }
    // A datagram may hold more than the message; what follows is ignored.
    rest.get(..length)
        .map(<[u8]>::to_vec)
        .ok_or(Malformed::Body)
}

fn request_line(first: &str, headers: Headers, body: Vec<u8>) -> Result<Request, Malformed> {
    let mut words = first.split(' ');
    let (method, uri, version) = (words.next(), words.next(), words.next());
    let (Some(method), Some(uri), Some("SIP/2.0"), None) = (method, uri, version, words.next())
    else {
        return Err(Malformed::FirstLine);
    };
    let is_method = |c: char| c.is_ascii_alphanumeric() || "-.!%*_+`'~".contains(c);
    if method.is_empty() || method.len() > 64 || !method.chars().all(is_method) {
        return Err(Malformed::FirstLine);
    }
    let uri = Uri::parse(uri).map_err(|_| Malformed::FirstLine)?;
    let method = Method::named(method);
    Ok(Request {
        method,
        uri,
        headers,
        body,
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

/// What a status is called.
pub fn reason(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        183 => "Session Progress",
        200 => "OK",
        202 => "Accepted",
        302 => "Moved Temporarily",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        415 => "Unsupported Media Type",
        420 => "Bad Extension",
        422 => "Session Interval Too Small",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        483 => "Too Many Hops",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        489 => "Bad Event",
        491 => "Request Pending",
        500 => "Server Internal Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        603 => "Decline",
        _ => "Unknown",
    }
}
