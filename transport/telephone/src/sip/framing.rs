//! Cuts a stream (TCP, TLS) into messages. What cannot be cut safely ends the connection.
use super::message::{LONGEST_BODY, LONGEST_HEAD, Malformed, find};

/// Bytes of a stream that are no whole message yet.
#[derive(Debug, Default)]
pub struct Framing {
    buffer: Vec<u8>,
}

/// What the beginning of the stream is.
#[derive(Debug, PartialEq, Eq)]
pub enum Framed {
    /// One whole message.
    Message(Vec<u8>),
    /// A keep-alive that wants an answer: CRLF (RFC 5626, section 4.4.1).
    Ping,
}

impl Framing {
    /// More bytes came.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next message; `None` when more bytes are needed.
    ///
    /// # Errors
    /// When the stream is no SIP any more: where the next message begins cannot be known.
    pub fn next_message(&mut self) -> Result<Option<Framed>, Malformed> {
        if self.buffer.starts_with(b"\r\n\r\n") {
            self.buffer.drain(..4);
            return Ok(Some(Framed::Ping));
        }
        while self.buffer.first() == Some(&b'\r') && self.buffer.get(1) == Some(&b'\n') {
            if self.buffer.len() < 4 {
                return Ok(None);
            }
            self.buffer.drain(..2);
        }
        let Some(head) = find(&self.buffer, b"\r\n\r\n") else {
            return if self.buffer.len() > LONGEST_HEAD {
                Err(Malformed::TooLong)
            } else {
                Ok(None)
            };
        };
        let text = std::str::from_utf8(&self.buffer[..head]).map_err(|_| Malformed::Header)?;
        let length = text.split("\r\n").skip(1).find_map(|line| {
            let (name, value) = line.split_once(':')?;
            let name = name.trim();
            (name.eq_ignore_ascii_case("Content-Length") || name.eq_ignore_ascii_case("l"))
                .then_some(value.trim())
        });
        // Streams need it (RFC 3261, section 18.3).
        let length = length.and_then(|length| length.parse::<usize>().ok());
        let length = length.ok_or(Malformed::Necessary("Content-Length"))?;
        if length > LONGEST_BODY {
            return Err(Malformed::TooLong);
        }
        let end = head + 4 + length;
        if self.buffer.len() < end {
            return Ok(None);
        }
        Ok(Some(Framed::Message(self.buffer.drain(..end).collect())))
    }
}
