//! The beat does not drift, and the far buffer stays small.
use proptest::prelude::*;

use super::*;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn a_late_tick_does_not_move_the_next_one() {
    let mut beat = Beat::new(BEAT, CATCH_UP);
    let ticks: Vec<_> = [0, 27, 40, 61, 80]
        .into_iter()
        .filter_map(|now| beat.tick(ms(now)))
        .collect();
    assert_eq!(
        ticks.iter().map(|t| t.late.as_millis()).collect::<Vec<_>>(),
        [0, 7, 0, 1, 0]
    );
    assert_eq!(beat.due(), ms(100));
    assert_eq!(beat.tick(ms(99)), None);
}

#[test]
fn a_short_delay_is_made_up_for() {
    let mut beat = Beat::new(BEAT, CATCH_UP);
    beat.tick(ms(0));
    let numbers: Vec<_> = std::iter::from_fn(|| beat.tick(ms(105)))
        .map(|t| (t.number, t.skipped))
        .collect();
    assert_eq!(numbers, [(1, 0), (2, 0), (3, 0), (4, 0), (5, 0)]);
}

#[test]
fn a_long_delay_is_skipped_but_for_a_few_beats() {
    let mut beat = Beat::new(BEAT, 5);
    beat.tick(ms(0));
    let ticks: Vec<_> = std::iter::from_fn(|| beat.tick(ms(2_000))).collect();
    assert_eq!(ticks[0].skipped, 94);
    assert_eq!(ticks.len(), 6, "the beat that is due and five before it");
    assert_eq!(ticks[5].number, 100);
    assert_eq!(beat.due(), ms(2_020));
}

proptest! {
    /// Whatever the delays, the position is that of the clock, and beats never bunch up.
    #[test]
    fn the_beat_never_drifts(delays in proptest::collection::vec(0_u64..400, 1..300)) {
        let mut beat = Beat::new(BEAT, CATCH_UP);
        let mut now = 0;
        let mut counted = 0;
        for delay in delays {
            now += delay;
            let mut burst = 0;
            while let Some(tick) = beat.tick(ms(now)) {
                counted += 1 + tick.skipped;
                prop_assert_eq!(tick.number + 1, counted);
                burst += 1;
            }
            prop_assert!(burst <= CATCH_UP + 1);
            prop_assert_eq!(counted, now / 20 + 1);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_pacer_keeps_the_clock() {
    let clock = Clock::start();
    let mut pacer = Pacer::new(clock, "test");
    for wanted in 0..100 {
        assert_eq!(pacer.tick().await.number, wanted);
    }
    assert_eq!(clock.elapsed().as_millis(), 99 * 20);
}

#[tokio::test(start_paused = true)]
async fn a_pacer_started_late_does_not_rush() {
    let clock = Clock::start();
    tokio::time::advance(ms(10_001)).await;
    let mut pacer = Pacer::new(clock, "test");
    assert_eq!(
        pacer.tick().await,
        Tick {
            number: 501,
            skipped: 0,
            late: Duration::ZERO
        }
    );
}

#[test]
fn the_far_buffer_takes_its_lead_at_once_and_then_real_time() {
    let mut far = FarBuffer::new(FarBuffer::LEAD);
    assert_eq!(far.room(ms(1_000)), 10);
    let mut sent = 0;
    for now in 1_000..2_000 {
        while far.room(ms(now)) > 0 {
            far.sent_frame(ms(now));
            sent += 1;
        }
        assert!(far.held(ms(now)) <= FarBuffer::LEAD);
        assert!(far.held(ms(now)) > FarBuffer::LEAD - BEAT);
    }
    assert_eq!(sent, 10 + 49);
    assert_eq!(far.heard(ms(2_000)), ms(1_000));
}

#[test]
fn after_a_pause_the_lead_is_taken_anew() {
    let mut far = FarBuffer::new(FarBuffer::LEAD);
    far.sent_frame(ms(0));
    assert_eq!(far.held(ms(15)), ms(5));
    assert_eq!(far.heard(ms(500)), BEAT);
    assert_eq!(far.room(ms(500)), 10);
    far.sent_frame(ms(500));
    assert_eq!(far.held(ms(500)), BEAT, "silence in between is not a debt");
}

#[test]
fn clearing_keeps_only_what_was_heard() {
    let mut far = FarBuffer::new(FarBuffer::LEAD);
    for _ in 0..10 {
        far.sent_frame(ms(0));
    }
    far.cleared(ms(50));
    assert_eq!(far.heard(ms(50)), ms(50));
    assert_eq!(far.heard(ms(500)), ms(50));
    assert_eq!(far.room(ms(50)), 10);
}
