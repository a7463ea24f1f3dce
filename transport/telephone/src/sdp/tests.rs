//! Offers as trunks and telephones write them, and what they are answered with.
#![allow(clippy::unwrap_used)]
use super::*;

fn negotiation(codecs: &[Codec], protect: Protect) -> Negotiation {
    let abilities = Abilities {
        address: "192.0.2.1:40000".parse().unwrap(),
        codecs: codecs.to_vec(),
        protect,
        key: (0..46).collect(),
    };
    Negotiation::new(abilities, 7)
}

fn offer(media: &str) -> String {
    format!("v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n{media}")
}

#[test]
fn the_first_codec_both_know_is_taken_under_its_own_number() {
    let mut ours = negotiation(&Codec::ALL, Protect::Optional);
    let answer = ours
        .answer(&offer(
            "m=audio 4000 RTP/AVP 18 8 0 96 13\r\na=rtpmap:96 telephone-event/8000\r\n",
        ))
        .unwrap();
    let agreed = ours.agreed().unwrap();
    assert_eq!((agreed.codec, agreed.payload_type), (Codec::Pcma, 8));
    assert_eq!((agreed.events, agreed.comfort_noise), (Some(96), Some(13)));
    assert_eq!(agreed.receivable, [(8, Codec::Pcma), (0, Codec::Pcmu)]);
    assert_eq!(
        agreed.remote,
        "192.0.2.9:4000".parse::<SocketAddr>().unwrap()
    );
    assert!(
        answer.contains("m=audio 40000 RTP/AVP 8 96 13\r\n"),
        "{answer}"
    );
}

#[test]
fn what_is_not_wanted_is_refused_in_its_place() {
    let mut ours = negotiation(&[Codec::Pcmu], Protect::Optional);
    let answer = ours
        .answer(&offer(
            "m=video 5000 RTP/AVP 96\r\nm=audio 4000 RTP/AVP 0\r\nm=audio 4002 RTP/AVP 0\r\n",
        ))
        .unwrap();
    let sections: Vec<&str> = answer
        .lines()
        .filter(|line| line.starts_with("m="))
        .collect();
    assert_eq!(
        sections,
        [
            "m=video 0 RTP/AVP 96",
            "m=audio 40000 RTP/AVP 0",
            "m=audio 0 RTP/AVP 0"
        ]
    );
    assert_eq!(
        ours.answer(&offer("m=audio 4000 RTP/AVP 18\r\n")),
        Err(NoAgreement::NoCodec)
    );
    assert_eq!(
        ours.answer(&offer("m=audio 0 RTP/AVP 0\r\n")),
        Err(NoAgreement::NoAudio)
    );
    assert_eq!(ours.answer("hello"), Err(NoAgreement::NoAudio));
    assert!(ours.agreed().is_some(), "what was agreed on stands");
}

#[test]
fn holding_is_understood_in_all_its_ways() {
    let mut ours = negotiation(&[Codec::Pcmu], Protect::Optional);
    for (line, direction, sends) in [
        ("a=sendrecv", "sendrecv", true),
        ("a=sendonly", "recvonly", false),
        ("a=inactive", "inactive", false),
        ("a=recvonly", "sendonly", true),
        ("c=IN IP4 0.0.0.0", "recvonly", false),
    ] {
        let answer = ours
            .answer(&offer(&format!("m=audio 4000 RTP/AVP 0\r\n{line}\r\n")))
            .unwrap();
        assert!(
            answer.contains(&format!("a={direction}\r\n")),
            "{line}: {answer}"
        );
        assert_eq!(ours.agreed().unwrap().sends, sends, "{line}");
    }
    let version = |sdp: &str| {
        sdp.lines()
            .nth(1)
            .unwrap()
            .split(' ')
            .nth(2)
            .unwrap()
            .to_owned()
    };
    let (first, second) = (ours.offer(), ours.offer());
    assert_ne!(
        version(&first),
        version(&second),
        "every description has a version of its own"
    );
}

#[test]
fn keys_are_agreed_on_or_the_call_is_refused() {
    let theirs = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";
    let secure = offer(&format!(
        "m=audio 4000 RTP/SAVP 0\r\na=crypto:3 F8_128_HMAC_SHA1_80 inline:x\r\n\
         a=crypto:5 AES_CM_128_HMAC_SHA1_80 inline:{theirs}|2^31|1:1\r\n"
    ));
    let mut ours = negotiation(&[Codec::Pcmu], Protect::Optional);
    let answer = ours.answer(&secure).unwrap();
    assert!(
        answer.contains("a=crypto:5 AES_CM_128_HMAC_SHA1_80 inline:"),
        "{answer}"
    );
    let keys = ours.agreed().unwrap().protection.clone().unwrap();
    assert_eq!((keys.ours.len(), keys.theirs.len()), (30, 30));
    assert!(
        !format!("{keys:?}").contains("100"),
        "keys are not shown: {keys:?}"
    );
    let plain = offer("m=audio 4000 RTP/AVP 0\r\n");
    let mut strict = negotiation(&[Codec::Pcmu], Protect::Required);
    assert_eq!(strict.answer(&plain), Err(NoAgreement::NoProtection));
    let mut never = negotiation(&[Codec::Pcmu], Protect::Off);
    assert_eq!(never.answer(&secure), Err(NoAgreement::NoProtection));
    assert!(never.answer(&plain).is_ok());
}

#[test]
fn our_offer_and_their_answer_meet() {
    let mut ours = negotiation(&[Codec::Opus, Codec::Pcmu], Protect::Required);
    let mut theirs = negotiation(&[Codec::Pcmu], Protect::Optional);
    let answer = theirs.answer(&ours.offer()).unwrap();
    ours.answered(&answer).unwrap();
    let (mine, other) = (ours.agreed().unwrap(), theirs.agreed().unwrap());
    assert_eq!((mine.codec, other.codec), (Codec::Pcmu, Codec::Pcmu));
    let (mine, other) = (
        mine.protection.as_ref().unwrap(),
        other.protection.as_ref().unwrap(),
    );
    assert_eq!((&mine.ours, &mine.theirs), (&other.theirs, &other.ours));
}
