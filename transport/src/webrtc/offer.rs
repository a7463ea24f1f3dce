//! SDP in and out: what an offer must have before anything is built for it, and the answer's
//! candidates. Pure text.
use std::{fmt::Write as _, net::SocketAddr};

/// The longest offer read. Browsers send 2 to 6 KiB.
pub const LONGEST_OFFER: usize = 64 * 1024;

/// Media sections of one offer; browsers offer two or three to a voice agent.
const MOST_SECTIONS: usize = 16;

/// An offer fit to be answered: one audio section with Opus, without its candidates.
///
/// Candidates are left out on purpose. A client that can reach us will, and is then known by where
/// it really comes from (peer reflexive); so host names of multicast DNS need not be looked up, and
/// nobody can have us send packets to addresses of their choice.
#[derive(Clone, Debug)]
pub struct Offer {
    pub(super) sdp: String,
    /// The payload type that means Opus.
    pub(super) opus: u8,
}

/// Why an offer is not answered.
#[derive(Debug, thiserror::Error)]
pub enum OfferError {
    /// More than [`LONGEST_OFFER`] bytes.
    #[error("the SDP offer is longer than {LONGEST_OFFER} bytes")]
    TooLong,
    /// Not SDP at all.
    #[error("the body is not an SDP offer: {0}")]
    NotSdp(&'static str),
    /// SDP, but nothing to talk over.
    #[error("the SDP offer has no audio section; offer one sendrecv audio m-line")]
    NoAudio,
    /// Audio, but in codecs we do not speak.
    #[error("the SDP offer's audio does not include Opus (opus/48000)")]
    NoOpus,
    /// The WebRTC stack does not accept it.
    #[error("the SDP offer cannot be answered: {0}")]
    Refused(String),
    /// Nothing wrong with the offer: this side failed.
    #[error("no answer could be made: {0}")]
    Failed(String),
}

impl OfferError {
    /// The HTTP status that says it: 400 for what is not an offer, 422 for one we cannot take up,
    /// 500 for our own fault.
    pub fn status(&self) -> u16 {
        match self {
            OfferError::TooLong | OfferError::NotSdp(_) => 400,
            OfferError::NoAudio | OfferError::NoOpus | OfferError::Refused(_) => 422,
            OfferError::Failed(_) => 500,
        }
    }
}

impl Offer {
    /// Reads an offer as it came over HTTP.
    pub fn read(text: &str) -> Result<Offer, OfferError> {
        if text.len() > LONGEST_OFFER {
            return Err(OfferError::TooLong);
        }
        let lines = || {
            text.lines()
                .map(str::trim_end)
                .filter(|line| !line.is_empty())
        };
        if lines().next() != Some("v=0") {
            return Err(OfferError::NotSdp("it does not begin with v=0"));
        }
        if !lines().all(|line| line.as_bytes().get(1) == Some(&b'=')) {
            return Err(OfferError::NotSdp("a line is not of the form x=value"));
        }
        let has = |prefix: &str| lines().any(|line| line.starts_with(prefix));
        if !has("a=ice-ufrag:") || !has("a=ice-pwd:") || !has("a=fingerprint:") {
            return Err(OfferError::NotSdp(
                "it lacks a=ice-ufrag, a=ice-pwd or a=fingerprint, which WebRTC needs",
            ));
        }
        if lines().filter(|line| line.starts_with("m=")).count() > MOST_SECTIONS {
            return Err(OfferError::NotSdp("it has more than 16 media sections"));
        }
        let audio: Vec<&str> = lines()
            .skip_while(|line| !line.starts_with("m=audio "))
            .enumerate()
            .take_while(|(n, line)| *n == 0 || !line.starts_with("m="))
            .map(|(_, line)| line)
            .collect();
        if audio.is_empty() {
            return Err(OfferError::NoAudio);
        }
        let opus = audio.iter().find_map(|line| opus_payload_type(line));
        let mut sdp = String::with_capacity(text.len());
        for line in lines().filter(|line| !is_candidate(line)) {
            sdp.push_str(line);
            sdp.push_str("\r\n");
        }
        Ok(Offer {
            sdp,
            opus: opus.ok_or(OfferError::NoOpus)?,
        })
    }
}

fn opus_payload_type(line: &str) -> Option<u8> {
    let (payload_type, codec) = line.strip_prefix("a=rtpmap:")?.split_once(' ')?;
    codec
        .to_ascii_lowercase()
        .starts_with("opus/48000")
        .then(|| payload_type.parse().ok().filter(|n| *n < 128))?
}

fn is_candidate(line: &str) -> bool {
    line.starts_with("a=candidate:") || line == "a=end-of-candidates"
}

/// The answer with our own candidates, all of them, in its first section (everything is bundled
/// there). The stack's own ones name sockets that do not exist.
pub(super) fn with_candidates(answer: &str, addresses: &[SocketAddr]) -> String {
    let mut candidates = String::new();
    for (n, address) in addresses.iter().enumerate() {
        // RFC 8445, 5.1.2.1: type preference of hosts, then our order, then the component.
        let priority = (126_u32 << 24) | ((65_535 - n.min(65_535) as u32) << 8) | 255;
        let _ = write!(
            candidates,
            "a=candidate:{} 1 udp {priority} {} {} typ host\r\n",
            n + 1,
            address.ip(),
            address.port()
        );
    }
    candidates.push_str("a=end-of-candidates\r\n");
    let mut sdp = String::with_capacity(answer.len() + candidates.len());
    let mut sections = 0;
    for line in answer.lines().map(str::trim_end).filter(|l| !l.is_empty()) {
        if line.starts_with("m=") {
            if sections == 1 {
                sdp.push_str(&candidates);
            }
            sections += 1;
        }
        if !is_candidate(line) {
            sdp.push_str(line);
            sdp.push_str("\r\n");
        }
    }
    if sections == 1 {
        sdp.push_str(&candidates);
    }
    sdp
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const OFFER: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111 63 0\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:abcd\r\n\
        a=ice-pwd:0123456789abcdef01234567\r\na=fingerprint:sha-256 AA:BB\r\na=setup:actpass\r\n\
        a=candidate:1 1 udp 2113937151 9d2f.local 50000 typ host\r\na=mid:0\r\n\
        a=rtpmap:111 opus/48000/2\r\na=rtpmap:63 red/48000/2\r\na=rtpmap:0 PCMU/8000\r\n\
        m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:1\r\na=sctp-port:5000\r\n";

    #[test]
    fn a_browsers_offer_is_read_without_its_candidates() {
        let offer = Offer::read(OFFER).unwrap();
        assert_eq!(offer.opus, 111);
        assert!(!offer.sdp.contains("candidate"));
        assert!(offer.sdp.contains("webrtc-datachannel"));
        let unix = Offer::read(&OFFER.replace("\r\n", "\n")).unwrap();
        assert_eq!(unix.sdp, offer.sdp);
    }

    #[test]
    fn unusable_offers_say_why() {
        let error = |text: &str| Offer::read(text).unwrap_err();
        for (text, status, words) in [
            ("", 400, "v=0"),
            ("hello", 400, "v=0"),
            ("{\"sdp\":\"v=0\"}", 400, "v=0"),
            ("v=0\r\nnonsense\r\n", 400, "x=value"),
            ("v=0\r\ns=-\r\n", 400, "ice-ufrag"),
        ] {
            let error = error(text);
            assert_eq!(error.status(), status, "{text:?}");
            assert!(error.to_string().contains(words), "{error}");
        }
        let no_audio = error(&OFFER.replace("m=audio", "m=video"));
        assert!(matches!(no_audio, OfferError::NoAudio) && no_audio.status() == 422);
        let no_opus = error(&OFFER.replace("opus/48000", "speex/16000"));
        assert!(matches!(no_opus, OfferError::NoOpus) && no_opus.status() == 422);
        let wide = error(&(OFFER.to_owned() + &"m=audio 9 X 111\r\n".repeat(20)));
        assert!(wide.to_string().contains("sections"), "{wide}");
        let long = format!("{OFFER}a=x:{}\r\n", "y".repeat(LONGEST_OFFER));
        assert!(matches!(error(&long), OfferError::TooLong));
    }

    #[test]
    fn opus_of_another_section_does_not_count() {
        let offer =
            OFFER.replace("a=rtpmap:111 opus/48000/2\r\n", "") + "a=rtpmap:99 opus/48000/2\r\n";
        assert!(matches!(Offer::read(&offer), Err(OfferError::NoOpus)));
    }

    #[test]
    fn the_answer_carries_our_candidates_once() {
        let answer = "v=0\r\nm=audio 9 X 111\r\na=candidate:9 1 udp 1 10.0.0.1 4 typ host\r\n\
            a=mid:0\r\nm=application 9 Y\r\na=candidate:9 1 udp 1 10.0.0.1 4 typ host\r\na=mid:1\r\n";
        let addresses = [
            "192.0.2.7:8189".parse().unwrap(),
            "[::1]:8189".parse().unwrap(),
        ];
        let sdp = with_candidates(answer, &addresses);
        let lines: Vec<_> = sdp.lines().collect();
        assert_eq!(
            lines[3],
            "a=candidate:1 1 udp 2130706431 192.0.2.7 8189 typ host"
        );
        assert_eq!(lines[4], "a=candidate:2 1 udp 2130706175 ::1 8189 typ host");
        assert_eq!(lines[5], "a=end-of-candidates");
        assert_eq!(lines[6], "m=application 9 Y");
        assert_eq!(sdp.matches("candidate:").count(), 2);
        let single = with_candidates("v=0\r\nm=audio 9 X 111\r\n", &addresses);
        assert!(single.ends_with("a=end-of-candidates\r\n"));
    }
}
