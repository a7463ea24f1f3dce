//! Every piece once, whoever calls, also after a sleep and after a panic.
#![allow(clippy::unwrap_used)]
use super::*;
use std::sync::atomic::AtomicU32;

fn pool(threads: usize) -> Pool {
    Pool::new(NonZeroUsize::new(threads).unwrap())
}

fn check_once(pool: &Pool, pieces: usize) {
    let counts: Vec<AtomicU32> = (0..pieces).map(|_| AtomicU32::new(0)).collect();
    pool.run(pieces, &|i| {
        counts[i].fetch_add(1, SeqCst);
    });
    assert!(counts.iter().all(|c| c.load(SeqCst) == 1));
}

#[test]
fn every_piece_runs_once() {
    for threads in [1, 2, 5] {
        let pool = pool(threads);
        assert_eq!(pool.threads(), threads);
        for round in 0..2000 {
            check_once(&pool, round % 37);
        }
    }
}

#[test]
fn callers_at_the_same_time_both_finish() {
    let pool = pool(3);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..500).for_each(|_| check_once(&pool, 20)));
        }
    });
}

#[test]
fn a_run_inside_a_run_finishes() {
    let pool = pool(2);
    let total = AtomicU32::new(0);
    pool.run(4, &|_| {
        pool.run(4, &|_| {
            total.fetch_add(1, SeqCst);
        });
    });
    assert_eq!(total.load(SeqCst), 16);
}

#[test]
fn a_panic_reaches_the_caller_and_the_pool_lives_on() {
    let pool = pool(2);
    for _ in 0..50 {
        let run = std::panic::AssertUnwindSafe(|| pool.run(64, &|i| assert_ne!(i, 40)));
        assert!(std::panic::catch_unwind(run).is_err());
        check_once(&pool, 64);
    }
}

#[test]
fn helpers_that_fell_asleep_are_woken() {
    let pool = pool(2);
    // The second piece waits for the first, so one thread alone would never end.
    for _ in 0..200 {
        while *lock(&pool.shared.asleep) < 1 {
            std::thread::yield_now();
        }
        let both = std::sync::Barrier::new(2);
        pool.run(2, &|_| {
            both.wait();
        });
    }
}
