//! Server-sent events out of bytes, however the network cut them. Pure; holds no more than one
//! event of bounded size.
use std::collections::VecDeque;

/// An event larger than this is no token and no piece of sound: the server is not speaking our
/// language.
pub const LARGEST_EVENT: usize = 1024 * 1024;

/// Cuts a stream of bytes into events.
#[derive(Debug, Default)]
pub struct Events {
    line: Vec<u8>,
    /// The `data` of the event being read, lines joined by a newline.
    data: Vec<u8>,
    has_data: bool,
    /// The last byte was a carriage return: a line feed after it ends no second line.
    after_return: bool,
    begun: bool,
    ready: VecDeque<String>,
}

/// Why bytes are no events.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventsError {
    /// An event does not end.
    #[error("an event is larger than {LARGEST_EVENT} bytes")]
    TooLarge,
    /// An event is no text.
    #[error("an event is not UTF-8")]
    NotText,
}

impl Events {
    /// Takes in the next bytes.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), EventsError> {
        for &byte in bytes {
            let after_return = std::mem::replace(&mut self.after_return, byte == b'\r');
            match byte {
                b'\n' if after_return => {}
                b'\n' | b'\r' => self.end_line()?,
                _ => {
                    if self.line.len() + self.data.len() >= LARGEST_EVENT {
                        return Err(EventsError::TooLarge);
                    }
                    self.line.push(byte);
                }
            }
        }
        Ok(())
    }

    /// The stream ended: an event that lacks its last blank line counts, as careless servers send.
    pub fn finish(&mut self) -> Result<(), EventsError> {
        if !self.line.is_empty() {
            self.end_line()?;
        }
        self.end_event()
    }

    /// The data of the next event.
    #[expect(
        clippy::should_implement_trait,
        reason = "more may come after a `None`"
    )]
    pub fn next(&mut self) -> Option<String> {
        self.ready.pop_front()
    }

    fn end_line(&mut self) -> Result<(), EventsError> {
        let mut line = std::mem::take(&mut self.line);
        if !std::mem::replace(&mut self.begun, true) && line.starts_with("\u{feff}".as_bytes()) {
            line.drain(..3);
        }
        if line.is_empty() {
            return self.end_event();
        }
        // Comments keep the connection alive; names, ids and retry times mean nothing here.
        if let Some(data) = line.strip_prefix(b"data")
            && let Some(data) = data.strip_prefix(b":")
        {
            if self.has_data {
                self.data.push(b'\n');
            }
            self.has_data = true;
            self.data
                .extend_from_slice(data.strip_prefix(b" ").unwrap_or(data));
        }
        // The allocation serves the next line.
        line.clear();
        self.line = line;
        Ok(())
    }

    fn end_event(&mut self) -> Result<(), EventsError> {
        let data = std::mem::take(&mut self.data);
        if std::mem::take(&mut self.has_data) {
            let text = String::from_utf8(data).map_err(|_| EventsError::NotText)?;
            self.ready.push_back(text);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(chunks: &[&[u8]]) -> Vec<String> {
        let mut events = Events::default();
        for chunk in chunks {
            events.push(chunk).unwrap();
        }
        events.finish().unwrap();
        std::iter::from_fn(|| events.next()).collect()
    }

    #[test]
    fn events_come_out_however_the_bytes_are_cut() {
        let stream = "\u{feff}: hello\n\ndata: one\n\nevent: x\r\nid: 4\r\ndata:zwö\r\ndata: drei\r\n\r\ndata: [DONE]";
        let expected = ["one", "zwö\ndrei", "[DONE]"];
        assert_eq!(read(&[stream.as_bytes()]), expected);
        for size in 1..20 {
            let chunks: Vec<&[u8]> = stream.as_bytes().chunks(size).collect();
            assert_eq!(read(&chunks), expected, "in pieces of {size}");
        }
    }

    #[test]
    fn carriage_returns_alone_end_lines() {
        assert_eq!(read(&[b"data: a\r\rdata: b\r\r"]), ["a", "b"]);
    }

    #[test]
    fn an_empty_event_is_none_and_empty_data_is_one() {
        assert_eq!(read(&[b"\n\n: x\n\nid: 1\n\ndata:\n\n"]), [""]);
    }

    #[test]
    fn an_endless_line_is_refused() {
        let mut events = Events::default();
        let mut refused = Ok(());
        for _ in 0..=LARGEST_EVENT / 1024 {
            refused = refused.and_then(|()| events.push(&[b'x'; 1024]));
        }
        assert_eq!(refused, Err(EventsError::TooLarge));
    }

    #[test]
    fn an_event_of_endless_lines_is_refused() {
        let mut events = Events::default();
        let line = [&b"data: "[..], &[b'x'; 1000], b"\n"].concat();
        let refused = (0..2000).try_for_each(|_| events.push(&line));
        assert_eq!(refused, Err(EventsError::TooLarge));
    }

    #[test]
    fn what_is_not_text_is_refused() {
        let mut events = Events::default();
        assert_eq!(
            events.push(b"data: \xff\xfe\n\n"),
            Err(EventsError::NotText)
        );
    }
}
