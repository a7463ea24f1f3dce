//! Networks, rates and the list of whom one may call.
#![allow(clippy::unwrap_used)]
use super::*;

#[test]
fn networks_hold_what_they_say() {
    let net: Network = "192.0.2.0/24".parse().unwrap();
    assert!(net.contains("192.0.2.255".parse().unwrap()));
    assert!(
        net.contains("::ffff:192.0.2.7".parse().unwrap()),
        "the same address, written as IPv6"
    );
    assert!(!net.contains("192.0.3.0".parse().unwrap()));
    assert!(!net.contains("2001:db8::1".parse().unwrap()));
    let one: Network = "2001:db8::1".parse().unwrap();
    assert!(
        one.contains("2001:db8::1".parse().unwrap())
            && !one.contains("2001:db8::2".parse().unwrap())
    );
    let all: Network = "0.0.0.0/0".parse().unwrap();
    assert!(all.is_everybody() && all.contains("203.0.113.9".parse().unwrap()));
    for wrong in ["", "trunk", "192.0.2.0/33", "192.0.2.0/-1", "192.0.2.0/"] {
        assert!(wrong.parse::<Network>().is_err(), "{wrong}");
    }
}

#[test]
fn whoever_knocks_too_often_is_not_heard_for_a_while() {
    let mut rates = Rates::new(RateLimit {
        trunk: 100.0,
        stranger: 2.0,
    });
    let (scanner, other) = (
        "203.0.113.9".parse().unwrap(),
        "203.0.113.10".parse().unwrap(),
    );
    let heard = (0..1_000)
        .filter(|_| rates.allows(Duration::ZERO, scanner, false))
        .count();
    assert_eq!(heard, 10, "a burst of five seconds");
    assert!(
        rates.allows(Duration::ZERO, other, false),
        "others are not punished for it"
    );
    assert!(!rates.allows(Duration::from_millis(400), scanner, false));
    assert!(rates.allows(Duration::from_secs(1), scanner, false));
    let later = Duration::from_secs(3_600);
    let heard = (0..1_000)
        .filter(|_| rates.allows(later, scanner, false))
        .count();
    assert_eq!(heard, 10, "and allowances do not pile up");
}

#[test]
fn a_flood_of_sources_takes_no_more_room() {
    let mut rates = Rates::new(RateLimit::default());
    for n in 0..100_000_u32 {
        rates.allows(Duration::ZERO, IpAddr::V4(Ipv4Addr::from(n)), false);
    }
    assert!(rates.left.len() <= MOST_SOURCES);
    assert!(
        rates.allows(Duration::ZERO, "198.51.100.1".parse().unwrap(), true),
        "the trunk is heard all the same"
    );
}

#[test]
fn only_the_listed_are_called() {
    let policy = DialPolicy {
        prefixes: vec!["+4420".into(), "+1212555".into()],
        hosts: vec!["pbx.example.com".into()],
    };
    let allows = |target: &str| policy.allows(&Uri::parse(target).unwrap());
    assert!(allows("tel:+44-20-7946-0000"));
    assert!(allows("sip:+442079460000@pbx.example.com"));
    assert!(allows("sip:support@PBX.example.com"));
    assert!(allows("sip:204@pbx.example.com"), "an extension");
    for forbidden in [
        "tel:+449001234567",
        "tel:+882123456789",
        "tel:0044207946000",
        "sip:+449001234567@pbx.example.com",
        "sip:00449001234567@pbx.example.com",
        "sip:support@evil.example.com",
        "sip:support@pbx.example.com.evil.example",
        "sip:+442079460000@evil.example.com",
    ] {
        assert!(!allows(forbidden), "{forbidden}");
    }
    assert!(
        !DialPolicy::default().allows(&Uri::parse("tel:+442079460000").unwrap()),
        "nobody by default"
    );
}
