//! The language: what is read, what is refused, what is written; streams, digests and the torture
//! messages of RFC 4475.
#![allow(clippy::unwrap_used)]
use std::time::Duration;

use proptest::prelude::*;

use super::{
    digest::{Account, Challenge, Guard, Verdict},
    framing::{Framed, Framing},
    headers::{NameAddr, Via},
    message::{Malformed, Message},
    params::split,
    uri::{Scheme, Uri},
};

/// A request as text, with line ends as on the wire.
pub(super) fn wire(text: &str) -> Vec<u8> {
    text.trim_start().replace('\n', "\r\n").into_bytes()
}

const OPTIONS: &str = "
OPTIONS sip:voiced@192.0.2.1 SIP/2.0
Via: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKabc;rport
From: \"A, \\\"quoted\\\" one\" <sip:a@example.com>;tag=1
To: <sip:voiced@192.0.2.1>
Call-ID: 1@example.com
CSeq: 7 OPTIONS
Content-Length: 0

";

#[test]
fn a_request_is_read_and_written() {
    let Message::Request(request) = Message::parse(&wire(OPTIONS)).unwrap() else {
        panic!()
    };
    assert_eq!(request.uri.to_string(), "sip:voiced@192.0.2.1");
    let again = Message::parse(&request.to_bytes()).unwrap();
    let from = again.essentials().unwrap().from;
    assert_eq!(from.display.as_deref(), Some("A, \"quoted\" one"));
    assert_eq!(from.tag(), Some("1"));
}

#[test]
fn short_names_folded_lines_and_lists_are_understood() {
    let text = "
INVITE sip:u@h SIP/2.0
v: SIP/2.0/TCP first;branch=z9hG4bK1,
  SIP/2.0/UDP second:5062;branch=z9hG4bK2
f: sip:a@b;tag=x
t: sip:u@h
i: id
cseq: 1
  INVITE
m: <sip:a@192.0.2.7:5070;transport=tcp>, <sip:b@192.0.2.8>
l: 0

";
    let message = Message::parse(&wire(text)).unwrap();
    let headers = message.headers();
    assert_eq!(headers.list("Via").len(), 2);
    assert_eq!(headers.list("Contact").len(), 2);
    assert_eq!(message.essentials().unwrap().via.transport, "TCP");
}

#[test]
fn what_is_no_sip_is_refused() {
    let good = String::from_utf8(wire(OPTIONS)).unwrap();
    let broken = |from: &str, to: &str| Message::parse(good.replace(from, to).as_bytes());
    assert_eq!(
        broken("SIP/2.0\r\nVia", "SIP/3.0\r\nVia"),
        Err(Malformed::FirstLine)
    );
    assert_eq!(
        broken("7 OPTIONS", "7 INVITE"),
        Err(Malformed::Necessary("CSeq"))
    );
    assert_eq!(
        broken("7 OPTIONS", "4294967296 OPTIONS"),
        Err(Malformed::Necessary("CSeq"))
    );
    assert_eq!(
        broken("Call-ID: 1@example.com\r\n", ""),
        Err(Malformed::Necessary("Call-ID"))
    );
    assert_eq!(
        broken("To: <", "To: <sip:x@y>\r\nTo: <"),
        Err(Malformed::Necessary("To"))
    );
    assert_eq!(
        broken("Content-Length: 0", "Content-Length: 9"),
        Err(Malformed::Body)
    );
    assert_eq!(
        broken("Content-Length: 0", "Content-Length: -1"),
        Err(Malformed::Necessary("Content-Length"))
    );
    assert_eq!(
        broken("Content-Length: 0", "Content-Length: 0\r\nl: 5"),
        Err(Malformed::Necessary("Content-Length"))
    );
    assert_eq!(broken("Via: SIP", "Via\u{0}: SIP"), Err(Malformed::Header));
    let long = "x".repeat(5_000);
    assert_eq!(
        broken("CSeq:", &format!("X: {long}\r\nCSeq:")),
        Err(Malformed::TooLong)
    );
    let many = "X: y\r\n".repeat(200);
    assert_eq!(
        broken("CSeq:", &format!("{many}CSeq:")),
        Err(Malformed::TooLong)
    );
}

#[test]
fn a_value_never_becomes_two_headers() {
    let Message::Request(mut request) = Message::parse(&wire(OPTIONS)).unwrap() else {
        panic!()
    };
    request.headers.push("Subject", "hello\r\nEvil: yes");
    let Message::Request(again) = Message::parse(&request.to_bytes()).unwrap() else {
        panic!()
    };
    assert_eq!(again.headers.get("Evil"), None);
    assert!(Uri::parse("sip:a\r\nEvil: x@h").is_err());
}

#[test]
fn the_way_back_is_noted() {
    let Message::Request(mut request) = Message::parse(&wire(OPTIONS)).unwrap() else {
        panic!()
    };
    request.stamp("198.51.100.4:6000".parse().unwrap());
    let via = Via::parse(request.headers.get("Via").unwrap()).unwrap();
    assert_eq!(via.params.get("received"), Some("198.51.100.4"));
    assert_eq!(via.params.get("rport"), Some("6000"));
    let response = request.answer(200, Some("tag"));
    assert_eq!(
        NameAddr::parse(response.headers.get("To").unwrap())
            .unwrap()
            .tag(),
        Some("tag")
    );
}

#[test]
fn addresses_are_read_as_they_mean() {
    let uri =
        Uri::parse("sip:+1-212-555;ext=4@[2001:db8::1]:5070;transport=TLS?Replaces=x").unwrap();
    assert_eq!((uri.host.as_str(), uri.port), ("2001:db8::1", Some(5_070)));
    assert_eq!(uri.number().as_deref(), Some("+1212555"));
    assert_eq!(uri.headers.as_deref(), Some("Replaces=x"));
    assert_eq!(
        Uri::parse("sip:user:secret@host").unwrap().to_string(),
        "sip:user@host"
    );
    let tel = Uri::parse("tel:+44-20-7946-0000;phone-context=x").unwrap();
    assert_eq!(
        (tel.scheme, tel.number().as_deref()),
        (Scheme::Tel, Some("+442079460000"))
    );
    for wrong in [
        "",
        "sip:",
        "sip:@host",
        "http://x",
        "sip:a@b c",
        "sip:a@[::1",
        "sip:a@b:99999",
        "tel:abc",
        "tel:",
    ] {
        assert!(Uri::parse(wrong).is_err(), "{wrong}");
    }
    assert_eq!(
        split("a, \"b, c\", <d,e>", ','),
        ["a", " \"b, c\"", " <d,e>"]
    );
}

#[test]
fn streams_are_cut_into_messages() {
    let mut framing = Framing::default();
    let message = wire(OPTIONS);
    let mut stream = b"\r\n\r\n".to_vec();
    stream.extend_from_slice(&message);
    stream.extend_from_slice(&message);
    let mut found = Vec::new();
    for byte in stream {
        framing.push(&[byte]);
        found.extend(framing.next_message().unwrap());
    }
    assert_eq!(
        found,
        [
            Framed::Ping,
            Framed::Message(message.clone()),
            Framed::Message(message)
        ]
    );
    let mut endless = Framing::default();
    endless.push(&[b'a'; 20_000]);
    assert_eq!(endless.next_message(), Err(Malformed::TooLong));
    let mut greedy = Framing::default();
    greedy.push(b"OPTIONS sip:a SIP/2.0\r\nContent-Length: 99999999\r\n\r\n");
    assert_eq!(greedy.next_message(), Err(Malformed::TooLong));
}

/// RFC 2617, section 3.5.
#[test]
fn a_challenge_is_answered_as_in_the_rfc() {
    let header = "Digest realm=\"testrealm@host.com\", qop=\"auth,auth-int\", \
                  nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", \
                  opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"";
    let challenge = Challenge::best([header].into_iter()).unwrap();
    let account = Account {
        user: "Mufasa".into(),
        password: "Circle Of Life".into(),
    };
    let answer = challenge.answer(&account, "GET", "/dir/index.html", 1, "0a4f113b");
    assert!(
        answer.contains("response=\"6629fae49393a05397450978507c4ef1\""),
        "{answer}"
    );
    assert!(answer.contains("nc=00000001") && answer.contains("opaque=\"5ccc069c"));
}

#[test]
fn our_own_challenges_are_checked() {
    let account = Account {
        user: "office".into(),
        password: "secret".into(),
    };
    let mut guard = Guard::new("voiced", vec![account.clone()], b"key");
    let (home, away) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
    let now = Duration::from_secs(1_000);
    for algorithm in 0..2 {
        let now = now + Duration::from_secs(algorithm as u64);
        let challenges = guard.challenges(now, home, false);
        let challenge = Challenge::best([challenges[algorithm].as_str()].into_iter()).unwrap();
        let answer = |count| challenge.answer(&account, "INVITE", "sip:x@y", count, "c");
        assert_eq!(guard.check(now, home, "INVITE", &answer(1)), Verdict::Right);
        assert_eq!(
            guard.check(now, home, "INVITE", &answer(1)),
            Verdict::Stale,
            "a replay"
        );
        assert_eq!(guard.check(now, home, "INVITE", &answer(2)), Verdict::Right);
        assert_eq!(
            guard.check(now, away, "INVITE", &answer(3)),
            Verdict::Stale,
            "somebody else's nonce"
        );
        assert_eq!(guard.check(now, home, "BYE", &answer(3)), Verdict::Wrong);
        let later = now + Duration::from_secs(300);
        assert_eq!(
            guard.check(later, home, "INVITE", &answer(4)),
            Verdict::Stale
        );
        let stranger = Account {
            user: "nobody".into(),
            ..account.clone()
        };
        let guess = challenge.answer(&stranger, "INVITE", "sip:x@y", 5, "c");
        assert_eq!(guard.check(now, home, "INVITE", &guess), Verdict::Wrong);
    }
    let both = guard.challenges(now, home, true);
    assert!(both[0].contains("SHA-256") && both[0].contains("stale=true"));
    let best = Challenge::best(both.iter().map(String::as_str).rev()).unwrap();
    assert_eq!(
        best.algorithm,
        super::digest::Algorithm::Sha256,
        "the better one is chosen"
    );
}

/// After RFC 4475: valid messages that look odd, and broken ones that look fine.
#[test]
fn torture_is_survived() {
    let odd = "
INVITE sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0
TO :
 sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n
from   : \"J Rosenberg \\\\\\\"\"       <sip:jdrosen@example.com>
  ;
  tag = 98asjd8
MaX-fOrWaRdS: 0068
Call-ID: wsinv.ndaksdj@192.0.2.1
Content-Length   : 150
cseq: 0009
  INVITE
Via  : SIP  /   2.0
 /UDP
    192.0.2.2;branch=390skdjuw
s :
NewFangledHeader:   newfangled value
 continued newfangled value
UnknownHeaderWithUnusualValue: ;;,,;;,;
Content-Type: application/sdp
Route:
 <sip:services.example.com;lr;unknownwith=value;unknown-no-value>
v:  SIP  / 2.0  / TCP     spindle.example.com   ;
  branch  =   z9hG4bK9ikj8  ,
 SIP  /    2.0   / UDP  192.168.255.111   ; branch=
 z9hG4bK30239
m:\"Quoted string \\\"\\\"\" <sip:jdrosen@example.com> ; newparam =
      newvalue ;
  secondparam ; q = 0.33

";
    // Spaces inside `SIP / 2.0` are legal and nobody's; refusing them is safe.
    assert!(Message::parse(&wire(odd)).is_err());
    let odd_method = "
!interesting-Method0123456789_*+`.%indeed'~ sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*@example.com SIP/2.0
Via: SIP/2.0/UDP host1.example.com;branch=z9hG4bK-.!%66*_+`'~
To: \"BEL:\\\u{7}\" <sip:1@example.com>
From: token1~` token2'+_ token3*%!.- <sip:a@example.com>;fromParam''~+*_!.-%=\"value\";tag=_token~1'+`*%!-.
Call-ID: intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{
CSeq: 139122385 !interesting-Method0123456789_*+`.%indeed'~
Max-Forwards: 255

";
    // A control character in a display name is refused, the same without it is read.
    assert!(Message::parse(&wire(odd_method)).is_err());
    assert!(Message::parse(&wire(&odd_method.replace('\u{7}', "x"))).is_ok());
    for broken in [
        "INVITE sip:user@example.com  SIP/2.0\nVia: x\n\n",
        "INVITE <sip:user@example.com> SIP/2.0\nVia: x\n\n",
        "SIP/2.0 4294967301 better not break the receiver\nVia: x\n\n",
        "INVITE nobodyKnowsThisScheme:totallyopaque SIP/2.0\nVia: x\n\n",
        "\0\0\0\0",
        "",
    ] {
        assert!(Message::parse(&wire(broken)).is_err(), "{broken}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_bytes_may_be_read(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = Message::parse(&bytes);
        let mut framing = Framing::default();
        framing.push(&bytes);
        for _ in 0..8 {
            if !matches!(framing.next_message(), Ok(Some(_))) {
                break;
            }
        }
    }

    #[test]
    fn any_damage_may_be_read(at in 0_usize..400, byte in any::<u8>(), cut in 0_usize..400) {
        let mut bytes = wire(OPTIONS);
        let length = bytes.len();
        bytes[at % length] = byte;
        bytes.truncate(length - cut.min(length));
        if let Ok(Message::Request(mut request)) = Message::parse(&bytes) {
            request.stamp("192.0.2.1:1".parse().unwrap());
            prop_assert!(Message::parse(&request.to_bytes()).is_ok());
        }
    }

    #[test]
    fn any_text_may_be_an_address(text in ".{0,80}") {
        let _ = Uri::parse(&text);
        let _ = NameAddr::parse(&text);
        let _ = Via::parse(&text);
        if let Ok(uri) = Uri::parse(&format!("sip:{text}@host")) {
            prop_assert_eq!(Uri::parse(&uri.to_string()).map(|again| again.host), Ok(uri.host));
        }
    }
}
