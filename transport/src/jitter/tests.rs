//! Packets late, lost, doubled and out of order, as scripts and at random.
use proptest::prelude::*;

use super::*;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// The n-th packet of a stream that begins just before both counters wrap.
fn packet(n: u64) -> Packet {
    packet_from(n, 65_530, u32::MAX - 2_000)
}

fn packet_from(n: u64, sequence: u16, timestamp: u32) -> Packet {
    Packet {
        ssrc: 7,
        sequence: sequence.wrapping_add(n as u16),
        timestamp: timestamp.wrapping_add(n as u32 * 960),
        duration: 960,
        payload: Bytes::from(n.to_be_bytes().to_vec()),
    }
}

fn number(payload: &Bytes) -> u64 {
    payload.iter().fold(0, |n, b| n << 8 | u64::from(*b))
}

/// `3` packet, `f4` rebuilt from 4, `c` guessed, `-` silence.
fn shown(play: &Play) -> String {
    match play {
        Play::Packet { packet, .. } if packet.payload.len() <= 2 => "p".into(),
        Play::Packet { packet, .. } => number(&packet.payload).to_string(),
        Play::FecFrom { next, .. } => format!("f{}", number(next)),
        Play::Conceal { .. } => "c".into(),
        Play::Silence { .. } => "-".into(),
    }
}

/// Packets by arrival time in ms, pulled every 20 ms from 0 on; what was played, in words.
fn check(arrivals: &[(u64, Packet)], pulls: u64, expected: &str) {
    let mut buffer = JitterBuffer::new();
    let mut arrivals = arrivals.iter().peekable();
    let mut played = Vec::new();
    for beat in 0..pulls {
        let now = beat * 20;
        while let Some((at, packet)) = arrivals.next_if(|(at, _)| *at <= now) {
            buffer.insert(ms(*at), packet.clone());
        }
        played.push(shown(&buffer.pull(ms(now))));
    }
    assert_eq!(played.join(" "), expected);
}

fn regular(numbers: impl IntoIterator<Item = u64>) -> Vec<(u64, Packet)> {
    numbers.into_iter().map(|n| (n * 20, packet(n))).collect()
}

#[test]
fn a_regular_stream_plays_after_the_first_wait() {
    check(&regular(0..6), 8, "- - 0 1 2 3 4 5");
}

#[test]
fn swapped_packets_play_in_order() {
    let arrivals = [(0, 0), (40, 2), (45, 1), (60, 3)].map(|(at, n)| (at, packet(n)));
    check(&arrivals, 6, "- - 0 1 2 3");
}

#[test]
fn a_lost_packet_is_rebuilt_from_the_next() {
    check(&regular([0, 1, 3, 4, 5]), 8, "- - 0 1 f3 3 4 5");
}

#[test]
fn of_several_lost_packets_the_last_is_rebuilt() {
    check(&regular([0, 1, 5, 6, 7, 8]), 11, "- - 0 1 c c f5 5 6 7 8");
}

#[test]
fn guesses_stand_for_what_turns_out_to_be_lost() {
    // 2..=5 are lost: by the time 6 comes three of them have been guessed.
    let mut arrivals = regular([0, 1, 6, 7, 8]);
    arrivals[2].0 = 140;
    check(&arrivals, 12, "- - 0 1 c c c f6 6 7 8 c");
}

#[test]
fn late_packets_are_waited_for_by_growing_the_delay() {
    // 2 and all after it come 40 ms late, once and for all.
    let arrivals: Vec<_> = (0..8)
        .map(|n| (n * 20 + if n >= 2 { 60 } else { 0 }, packet(n)))
        .collect();
    check(&arrivals, 10, "- - 0 1 c 2 3 4 5 6");
}

#[test]
fn a_packet_after_its_time_is_dropped_and_counted() {
    let mut buffer = JitterBuffer::new();
    for n in [0, 1, 3] {
        buffer.insert(ms(n * 20), packet(n));
    }
    for beat in 3..6 {
        buffer.pull(ms(beat * 20));
    }
    // 2 was rebuilt and 3 is played next; 2 must not be played any more.
    assert_eq!(shown(&buffer.pull(ms(120))), "3");
    buffer.insert(ms(121), packet(2));
    assert_eq!(buffer.counts().late, 1);
    buffer.insert(ms(122), packet(4));
    buffer.insert(ms(122), packet(4));
    assert_eq!(buffer.counts().duplicates, 1);
    assert_eq!(shown(&buffer.pull(ms(140))), "4");
}

#[test]
fn a_pause_is_silence_and_not_loss() {
    // 2 says "still silent"; the next in sequence comes 200 ms later.
    let mut arrivals = regular(0..3);
    arrivals[2].1.payload = Bytes::from_static(&[8]);
    let mut after = packet(3);
    after.timestamp = after.timestamp.wrapping_add(10 * 960);
    arrivals.push((13 * 20, after));
    let mut next = packet(4);
    next.timestamp = next.timestamp.wrapping_add(10 * 960);
    arrivals.push((14 * 20, next));
    check(&arrivals, 17, "- - 0 1 p - - - - - - - - - - 3 4");
}

#[test]
fn a_pause_seen_early_is_filled_with_silence_up_to_its_end() {
    // The packet after the pause is already there when the pause is to be played.
    let mut buffer = JitterBuffer::new();
    buffer.insert(ms(0), packet(0));
    let mut after = packet(1);
    after.timestamp = after.timestamp.wrapping_add(2 * 960);
    buffer.insert(ms(40), after);
    let played: Vec<_> = (2..7).map(|n| shown(&buffer.pull(ms(n * 20)))).collect();
    assert_eq!(played.join(" "), "0 - - 1 c");
}

#[test]
fn a_dead_sender_is_guessed_for_a_tenth_of_a_second() {
    check(&regular(0..2), 12, "- - 0 1 c c c c c - - -");
}

#[test]
fn another_stream_starts_over() {
    let mut buffer = JitterBuffer::new();
    for n in 0..4 {
        buffer.insert(ms(n * 20), packet(n));
    }
    buffer.pull(ms(60));
    let mut other = packet_from(0, 100, 100);
    other.ssrc = 8;
    buffer.insert(ms(80), other.clone());
    assert_eq!(buffer.len(), 1, "the old stream is forgotten");
    assert_eq!(shown(&buffer.pull(ms(80))), "-");
    assert_eq!(shown(&buffer.pull(ms(120))), "0");
    // The same source, far away: it was restarted.
    let mut far = packet_from(9, 30_000, 5);
    far.ssrc = 8;
    buffer.insert(ms(140), far);
    assert_eq!(shown(&buffer.pull(ms(200))), "9");
}

#[test]
fn long_and_short_packets_are_both_fine() {
    let mut buffer = JitterBuffer::new();
    let mut timestamp = 0;
    for (n, duration) in [(0_u16, 2_880), (1, 480), (3, 480)] {
        if n == 3 {
            timestamp += 480;
        }
        let packet = Packet {
            ssrc: 1,
            sequence: n,
            timestamp,
            duration,
            payload: Bytes::from(vec![0, 0, n as u8]),
        };
        timestamp += duration;
        buffer.insert(ms(u64::from(timestamp) / 48), packet);
    }
    let durations: Vec<_> = (0..4)
        .map(|_| match buffer.pull(ms(200)) {
            Play::Packet { packet, .. } => packet.duration,
            Play::FecFrom { duration, .. } => duration + 1,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(durations, [2_880, 480, 481, 480]);
}

#[test]
fn jitter_raises_the_target_and_calm_lowers_it() {
    let mut buffer = JitterBuffer::new();
    let mut pulled = 0;
    let mut run = |from: u64, to: u64, jitter: u64| {
        for n in from..to {
            // Up to `jitter` ms late, in an order that is not monotonic.
            let at = ms(n * 20 + n * 7 % 5 * jitter / 4);
            buffer.insert(at, packet_from(n, 0, 0));
            while pulled * 20 <= n * 20 {
                buffer.pull(ms(pulled * 20));
                pulled += 1;
            }
        }
        buffer.target().as_millis()
    };
    assert_eq!(run(0, 300, 0), 20);
    let rough = run(300, 700, 60);
    assert!((60..=70).contains(&rough), "{rough} ms");
    assert!(run(700, 1_000, 400) <= 120);
    assert_eq!(run(1_000, 1_400, 0), 20);
}

/// After a spell of jitter the delay is worked off by leaving out quiet frames.
#[test]
fn the_lag_asks_for_hurry() {
    let mut buffer = JitterBuffer::new();
    for n in 0..30 {
        buffer.insert(ms(n * 20), packet(n));
    }
    // All of it arrived in time, but nobody pulled: half a second late.
    let Play::Packet { hurry, .. } = buffer.pull(ms(600)) else {
        panic!("a packet is due");
    };
    assert_eq!(hurry, Hurry::Now);
    let mut pulls = 1;
    loop {
        match buffer.pull(ms(600)) {
            Play::Packet {
                hurry: Hurry::No,
                packet,
            } => {
                assert!((24..29).contains(&number(&packet.payload)), "{pulls}");
                break;
            }
            Play::Packet { .. } => pulls += 1,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn too_many_packets_are_thrown_away_oldest_first() {
    let mut buffer = JitterBuffer::new();
    for n in 0..1_000 {
        buffer.insert(ms(5), packet(n));
        assert!(buffer.len() <= CAPACITY);
    }
    assert!(buffer.counts().overflowed > 900);
}

#[derive(Clone, Debug)]
struct Fate {
    lost: bool,
    delay: u64,
    twice: bool,
}

fn fates() -> impl Strategy<Value = Vec<Fate>> {
    let fate = (0_u8..10, 0_u64..150, 0_u8..20).prop_map(|(lost, delay, twice)| Fate {
        lost: lost == 0,
        delay,
        twice: twice == 0,
    });
    proptest::collection::vec(fate, 1..400)
}

fn arrivals(fates: &[Fate], sequence: u16, timestamp: u32) -> Vec<(u64, Packet)> {
    let mut arrivals = Vec::new();
    for (n, fate) in fates.iter().enumerate() {
        let packet = packet_from(n as u64, sequence, timestamp);
        let at = n as u64 * 20 + fate.delay;
        if !fate.lost {
            arrivals.push((at, packet.clone()));
        }
        if fate.twice {
            arrivals.push((at + 30, packet));
        }
    }
    arrivals.sort_by_key(|(at, _)| *at);
    arrivals
}

fn played(arrivals: &[(u64, Packet)]) -> (Vec<Play>, Counts) {
    let mut buffer = JitterBuffer::new();
    let mut plays = Vec::new();
    let mut arrivals = arrivals.iter().peekable();
    let mut beat = 0;
    while arrivals.peek().is_some() || !buffer.is_empty() {
        let now = beat * 20;
        while let Some((at, packet)) = arrivals.next_if(|(at, _)| *at <= now) {
            buffer.insert(ms(*at), packet.clone());
        }
        plays.push(buffer.pull(ms(now)));
        beat += 1;
        assert!(beat < 100_000, "it ends");
    }
    (plays, buffer.counts())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn every_packet_is_played_once_in_order_or_accounted_for(fates in fates()) {
        let arrivals = arrivals(&fates, 65_500, u32::MAX - 48_000);
        let (plays, counts) = played(&arrivals);
        let numbers: Vec<_> = plays
            .iter()
            .filter_map(|play| match play {
                Play::Packet { packet, .. } => Some(number(&packet.payload)),
                _ => None,
            })
            .collect();
        prop_assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]));
        prop_assert_eq!(
            counts.played + counts.late + counts.duplicates + counts.overflowed,
            arrivals.len() as u64
        );
        for play in &plays {
            if let Play::Conceal { duration } | Play::Silence { duration }
                | Play::FecFrom { duration, .. } = play
            {
                prop_assert!((1..=960).contains(duration));
            }
        }
    }

    /// Where the counters start means nothing.
    #[test]
    fn wrapping_changes_nothing(fates in fates(), sequence: u16, timestamp: u32) {
        let plain = played(&arrivals(&fates, 0, 0));
        let moved = played(&arrivals(&fates, sequence, timestamp));
        prop_assert_eq!(plain.1, moved.1);
        let shown = |plays: &[Play]| plays.iter().map(super::tests::shown).collect::<Vec<_>>();
        prop_assert_eq!(shown(&plain.0), shown(&moved.0));
    }

    #[test]
    fn anything_at_all_is_safe(
        packets in proptest::collection::vec(
            (0_u32..2, any::<u16>(), any::<u32>(), 0_u32..6_000, 0_usize..4, 0_u64..50),
            1..500,
        )
    ) {
        let mut buffer = JitterBuffer::new();
        let mut now = 0;
        for (ssrc, sequence, timestamp, duration, bytes, pause) in packets {
            now += pause;
            buffer.insert(ms(now), Packet {
                ssrc,
                sequence,
                timestamp,
                duration,
                payload: Bytes::from(vec![1; bytes]),
            });
            buffer.pull(ms(now));
            prop_assert!(buffer.len() <= CAPACITY);
            prop_assert!((20..=120).contains(&buffer.target().as_millis()));
        }
    }
}
