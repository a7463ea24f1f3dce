//! Packets, whom to believe, keys, reports.
#![allow(clippy::unwrap_used)]
use std::time::Duration;

use super::{
    Packet,
    events::{Presser, Presses},
    is_rtcp,
    latch::{Judged, Latch},
    quality::{Quality, Reception, Sent, reported_loss},
};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn packets_are_read_with_all_their_extras() {
    let packet = Packet {
        payload_type: 8,
        marker: true,
        sequence: 65_535,
        timestamp: 7,
        ssrc: 9,
        payload: &[1, 2, 3],
    };
    let bytes = packet.to_bytes();
    assert_eq!(Packet::parse(&bytes), Some(packet));
    // One contributing source, an extension of one word, two bytes of padding.
    let mut extra = bytes.clone();
    extra[0] = 0xB1;
    extra.splice(12..12, [0, 0, 0, 1, 0xBE, 0xDE, 0, 1, 9, 9, 9, 9]);
    extra.extend([0, 2]);
    assert_eq!(Packet::parse(&extra).unwrap().payload, [1, 2, 3]);
    for cut in 0..bytes.len() {
        if let Some(packet) = Packet::parse(&extra[..cut]) {
            assert!(packet.payload.len() <= cut);
        }
    }
    assert_eq!(Packet::parse(&[0x40; 20]), None);
}

#[test]
fn a_stranger_never_gets_the_calls_sound() {
    let announced = "192.0.2.9:4000".parse().unwrap();
    let stranger = "203.0.113.5:4000".parse().unwrap();
    let nat = "192.0.2.9:5555".parse().unwrap();
    let signalling = "192.0.2.9".parse().unwrap();
    let mut latch = Latch::new(announced, signalling);
    for _ in 0..100 {
        assert_eq!(latch.judge(ms(0), stranger, 1), Judged::Strangers);
    }
    assert_eq!(latch.remote(), announced);
    assert_eq!(
        latch.judge(ms(20), nat, 2),
        Judged::Strangers,
        "once may be chance"
    );
    assert_eq!(latch.judge(ms(40), nat, 2), Judged::Theirs);
    assert_eq!(latch.remote(), nat);
    let other_port = "192.0.2.9:6666".parse().unwrap();
    for n in 0..10 {
        assert_eq!(
            latch.judge(ms(60 + n), other_port, 3),
            Judged::Strangers,
            "it is settled"
        );
    }
    assert_eq!(latch.strangers(), 110);
    latch.announced("192.0.2.10:4000".parse().unwrap());
    assert_eq!(
        latch.judge(ms(100), nat, 2),
        Judged::Strangers,
        "unless it is agreed on anew"
    );
}

#[test]
fn nobody_latches_late() {
    let announced = "192.0.2.9:4000".parse().unwrap();
    let mut latch = Latch::new(announced, "192.0.2.9".parse().unwrap());
    let late = "192.0.2.9:5555".parse().unwrap();
    latch.judge(ms(0), late, 1);
    for n in 0..10 {
        assert_eq!(latch.judge(ms(11_000 + n), late, 1), Judged::Strangers);
    }
    assert_eq!(latch.judge(ms(12_000), announced, 1), Judged::Theirs);
}

#[test]
fn a_key_is_heard_once_however_often_it_is_sent() {
    let mut presser = Presser::default();
    presser.press("1x#");
    let mut presses = Presses::default();
    let (mut heard, mut sent) = (String::new(), 0);
    let mut timestamp = 1_000_u32;
    while presser.is_busy() {
        if let Some(packet) = presser.beat(160) {
            sent += 1;
            let began = timestamp - packet.since * 160;
            // The first packet of each press gets lost.
            if !packet.marker {
                heard.extend(presses.heard(5, began, &packet.payload));
            }
        }
        timestamp += 160;
    }
    assert_eq!(heard, "1#");
    assert_eq!(sent, 14, "five and two more ends each");
    assert_eq!(
        presses.heard(5, 1_000, &[1, 0x80, 3, 32]),
        None,
        "an old one comes late"
    );
    assert_eq!(
        presses.heard(5, timestamp, &[99, 0, 0, 0]),
        None,
        "no such key"
    );
    assert_eq!(presses.heard(5, timestamp, &[1]), None);
}

#[test]
fn loss_and_jitter_are_counted_as_the_rfc_does() {
    let mut reception = Reception::default();
    for n in (0..100_u16).filter(|n| n % 10 != 5) {
        let late = if n % 2 == 0 { 8 } else { 0 };
        let sequence = n.wrapping_add(65_500);
        let timestamp = u32::from(n) * 160;
        reception.received(ms(u64::from(n) * 20 + late), 1, sequence, timestamp, 8_000);
    }
    let quality = reception.quality();
    assert_eq!((quality.received, quality.lost), (90, 10));
    assert!(
        (ms(5)..ms(9)).contains(&quality.jitter),
        "{:?}",
        quality.jitter
    );
    let report = reception.report(
        77,
        Sent {
            packets: 3,
            ..Sent::default()
        },
        8_000,
    );
    assert!(is_rtcp(&report));
    let loss = reported_loss(&report, 1).unwrap();
    assert!((loss - 0.1).abs() < 0.01, "{loss}");
    assert_eq!(reported_loss(&report, 2), None);
    for cut in 0..report.len() {
        reported_loss(&report[..cut], 1);
    }
}

#[test]
fn opinions_follow_the_line() {
    let line = |lost| Quality {
        received: 1_000 - lost,
        lost,
        jitter: ms(0),
    };
    let best = line(0).mos(ms(40));
    assert!((4.2..4.5).contains(&best), "{best}");
    assert!(line(20).mos(ms(40)) < best - 0.1);
    assert!(line(200).mos(ms(40)) < 3.0);
    assert!(line(0).mos(ms(400)) < best - 0.5);
}
