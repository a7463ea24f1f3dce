//! Text from bytes that arrive in pieces.

/// Collects bytes and gives out whole characters; what can never become one is U+FFFD.
#[derive(Clone, Debug, Default)]
pub struct Utf8Stream {
    /// The beginning of a character, at most three bytes.
    pending: Vec<u8>,
}

impl Utf8Stream {
    /// Takes more bytes and gives the characters they complete.
    pub fn push(&mut self, bytes: &[u8]) -> String {
        self.pending.extend_from_slice(bytes);
        let mut text = String::new();
        let mut rest = self.pending.as_slice();
        loop {
            match std::str::from_utf8(rest) {
                Ok(whole) => {
                    text.push_str(whole);
                    rest = &[];
                    break;
                }
                Err(e) => {
                    let (valid, after) = rest.split_at(e.valid_up_to());
                    text.push_str(std::str::from_utf8(valid).expect("valid up to here"));
                    rest = after;
                    let Some(bad) = e.error_len() else { break };
                    text.push(char::REPLACEMENT_CHARACTER);
                    rest = &rest[bad..];
                }
            }
        }
        self.pending = rest.to_vec();
        text
    }

    /// The end: an unfinished character is U+FFFD.
    pub fn finish(&mut self) -> String {
        let left = std::mem::take(&mut self.pending);
        String::from_utf8_lossy(&left).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_cut_gives_the_same_text() {
        let text = "a é € 你好 🎙️ end";
        for size in 1..8 {
            let mut stream = Utf8Stream::default();
            let mut got: String = text
                .as_bytes()
                .chunks(size)
                .map(|c| stream.push(c))
                .collect();
            got.push_str(&stream.finish());
            assert_eq!(got, text);
        }
    }

    #[test]
    fn broken_bytes_are_replaced_as_the_library_does() {
        let bytes = b"ok \xff\xfe\xe2\x82 x\xf0\x9f\x8e\xc3\xa9 \xe2\x82";
        for size in 1..6 {
            let mut stream = Utf8Stream::default();
            let mut got: String = bytes.chunks(size).map(|c| stream.push(c)).collect();
            got.push_str(&stream.finish());
            assert_eq!(got, String::from_utf8_lossy(bytes));
        }
    }
}
