//! From bytes to a message's parts, within strict limits.
use super::{Headers, LONGEST_BODY, LONGEST_HEAD, Malformed, Method, Request};
use crate::sip::uri::Uri;

/// The most header lines of a message.
const MOST_HEADERS: usize = 96;
/// The longest header line, folded lines joined.
const LONGEST_LINE: usize = 4_096;

/// The head without the empty line that ends it, and what follows.
pub(super) fn split_head(bytes: &[u8]) -> Result<(&[u8], &[u8]), Malformed> {
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

pub(super) fn parse_headers<'a>(
    lines: impl Iterator<Item = &'a str>,
) -> Result<Headers, Malformed> {
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

pub(super) fn body(headers: &Headers, rest: &[u8]) -> Result<Vec<u8>, Malformed> {
    let length = content_length(headers)?.unwrap_or(rest.len());
    if length > LONGEST_BODY {
        return Err(Malformed::TooLong);
    }
    // A datagram may hold more than the message; what follows is ignored.
    rest.get(..length)
        .map(<[u8]>::to_vec)
        .ok_or(Malformed::Body)
}

pub(super) fn request_line(
    first: &str,
    headers: Headers,
    body: Vec<u8>,
) -> Result<Request, Malformed> {
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
