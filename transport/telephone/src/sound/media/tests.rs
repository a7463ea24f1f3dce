//! Media end to end without sockets: what one side says the other hears, in every codec, encrypted
//! or not, over lines that lose packets, with keys, holding and strangers.
#![allow(clippy::unwrap_used)]
use voiced_core::{epoch::Epoch, playout::FRAME};

use super::*;
use crate::sdp::{Codec, Protection, Suite};

const US: &str = "192.0.2.1:4000";
const THEM: &str = "192.0.2.2:4000";

fn agreed(codec: Codec, remote: &str, protection: Option<Protection>) -> Agreed {
    let payload_type = if codec == Codec::Pcma { 8 } else { 96 };
    Agreed {
        codec,
        payload_type,
        receivable: vec![(payload_type, codec), (0, Codec::Pcmu)],
        events: Some(101),
        comfort_noise: Some(13),
        remote: remote.parse().unwrap(),
        remote_rtcp: remote.parse().unwrap(),
        sends: true,
        receives: true,
        protection,
    }
}

fn media(codec: Codec, remote: &str, protection: Option<Protection>) -> Media {
    let signalling = remote.parse::<SocketAddr>().unwrap().ip();
    let agreed = agreed(codec, remote, protection);
    Media::new(agreed, signalling, SoundSettings::default(), u64::MAX / 3).unwrap()
}

fn frame(n: usize) -> PlayoutFrame {
    PlayoutFrame {
        epoch: Epoch(1),
        samples: std::array::from_fn(|k| {
            let at = (n * FRAME + k) as f32 / 24_000.0;
            0.3 * (at * 440.0 * std::f32::consts::TAU).sin()
        }),
        is_last: false,
    }
}

fn level(samples: &[f32]) -> f32 {
    (samples.iter().map(|s| s * s).sum::<f32>() / samples.len() as f32).sqrt()
}

/// One side talks for `beats`; `passes` says which packets arrive.
fn talk(
    us: &mut Media,
    them: &mut Media,
    beats: usize,
    passes: impl Fn(usize) -> bool,
) -> Vec<f32> {
    let mut levels = Vec::new();
    for n in 0..beats {
        let now = Duration::from_millis(20 * n as u64);
        let said = us.beat(now, Some(&frame(n)));
        if let Some((to, packet)) = said.packet.filter(|_| passes(n)) {
            assert_eq!(to, THEM.parse::<SocketAddr>().unwrap());
            them.received(now, US.parse().unwrap(), &packet);
        }
        levels.push(level(&them.beat(now, None).heard));
    }
    levels
}

#[test]
fn every_codec_carries_the_voice() {
    for codec in Codec::ALL {
        let (mut us, mut them) = (media(codec, THEM, None), media(codec, US, None));
        let levels = talk(&mut us, &mut them, 60, |_| true);
        assert_eq!(levels[0], 0.0, "{codec:?}");
        assert!(
            levels[10..].iter().all(|l| (0.12..0.3).contains(l)),
            "{codec:?} {levels:?}"
        );
        assert_eq!(them.quality().lost, 0);
        assert!(them.mos() > 4.0);
    }
}

#[test]
fn lost_packets_leave_no_hole() {
    for codec in Codec::ALL {
        let (mut us, mut them) = (media(codec, THEM, None), media(codec, US, None));
        let levels = talk(&mut us, &mut them, 100, |n| n % 10 != 7);
        assert!(
            levels[12..].iter().all(|l| *l > 0.03),
            "{codec:?} {levels:?}"
        );
        assert!(
            (8..=10).contains(&them.quality().lost),
            "{:?}",
            them.quality()
        );
    }
}

#[test]
fn an_encrypted_call_is_heard_by_nobody_else() {
    for suite in [
        Suite::Aes128Sha80,
        Suite::Aes128Sha32,
        Suite::Gcm128,
        Suite::Gcm256,
    ] {
        let (key, salt) = suite.lengths();
        let keys = |ours: u8, theirs: u8| Protection {
            suite,
            ours: vec![ours; key + salt],
            theirs: vec![theirs; key + salt],
        };
        let mut us = media(Codec::Pcma, THEM, Some(keys(1, 2)));
        let mut them = media(Codec::Pcma, US, Some(keys(2, 1)));
        let levels = talk(&mut us, &mut them, 40, |_| true);
        assert!(
            levels[12..].iter().all(|l| *l > 0.1),
            "{suite:?} {levels:?}"
        );
        let mut other = media(Codec::Pcma, US, Some(keys(2, 3)));
        let levels = talk(&mut us, &mut other, 40, |_| true);
        assert!(levels.iter().all(|l| *l == 0.0), "{suite:?}");
        assert_eq!(other.refused().1, 40);
    }
}

#[test]
fn strangers_and_rubbish_are_not_heard() {
    let mut them = media(Codec::Pcma, US, None);
    let mut attacker = media(Codec::Pcma, THEM, None);
    for n in 0..50 {
        let now = Duration::from_millis(20 * n as u64);
        let (_, packet) = attacker.beat(now, Some(&frame(n))).packet.unwrap();
        them.received(now, "203.0.113.66:4000".parse().unwrap(), &packet);
        them.received(now, US.parse().unwrap(), &[0xFF; 50]);
        them.received(now, US.parse().unwrap(), &[]);
        assert_eq!(level(&them.beat(now, None).heard), 0.0);
    }
    assert_eq!(them.refused(), (50, 100));
}

#[test]
fn keys_cross_the_line_and_do_not_sound() {
    let (mut us, mut them) = (media(Codec::Pcmu, THEM, None), media(Codec::Pcmu, US, None));
    us.press("42#");
    let mut pressed = String::new();
    for n in 0..60 {
        let now = Duration::from_millis(20 * n);
        let (_, packet) = us.beat(now, None).packet.unwrap();
        them.received(now, US.parse().unwrap(), &packet);
        assert!(level(&them.beat(now, None).heard) < 0.01);
        pressed.extend(them.pressed());
    }
    assert_eq!(pressed, "42#");
}

#[test]
fn on_hold_nothing_is_sent_and_nothing_heard() {
    let (mut us, mut them) = (media(Codec::Pcmu, THEM, None), media(Codec::Pcmu, US, None));
    talk(&mut us, &mut them, 20, |_| true);
    let held = Agreed {
        sends: false,
        receives: false,
        ..agreed(Codec::Pcmu, US, None)
    };
    them.agree(held).unwrap();
    let levels = talk(&mut us, &mut them, 20, |_| true);
    assert!(levels.iter().all(|l| *l == 0.0));
    assert!(
        them.beat(Duration::from_secs(1), Some(&frame(0)))
            .packet
            .is_none()
    );
    them.agree(agreed(Codec::Pcmu, US, None)).unwrap();
    assert!(
        them.beat(Duration::from_secs(1), Some(&frame(0)))
            .packet
            .is_some()
    );
}

#[test]
fn the_codec_may_change_in_the_middle() {
    let (mut us, mut them) = (media(Codec::Pcma, THEM, None), media(Codec::Pcma, US, None));
    talk(&mut us, &mut them, 30, |_| true);
    let mut other = agreed(Codec::Pcmu, THEM, None);
    other.payload_type = 0;
    us.agree(other).unwrap();
    let levels = talk(&mut us, &mut them, 60, |_| true);
    assert!(levels[30..].iter().all(|l| *l > 0.1), "{levels:?}");
}
