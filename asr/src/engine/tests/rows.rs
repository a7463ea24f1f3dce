//! What a row does for as long as it is held: resting, finalising, forgetting, starting anew.
use super::*;

#[test]
fn rows_that_are_not_ready_rest_and_lose_nothing() {
    let mut ear = ear(2, Options::default());
    let clip = clip();
    ear.open(SlotId(0));
    hear(&mut ear, 0, &clip, 1280);
    let want = finalize(&mut ear, 0);
    for slot in 0..2 {
        ear.open(SlotId(slot));
        ear.feed(SlotId(slot), audio(&clip)).unwrap();
        ear.feed(SlotId(slot), Hearing::Finalize).unwrap();
    }
    let mut said = Vec::new();
    let mut idle = 0;
    for round in 0.. {
        // They take turns, and sometimes neither may.
        let ready = [round % 3 == 0, round % 3 == 1];
        let before = said.len();
        let progress = ear.step_said(&ready, &mut |slot, what| said.push((slot.0, what)));
        assert!(said.len() <= before + 1);
        assert!(said[before..].iter().all(|(slot, _)| ready[*slot]));
        idle = if progress.unwrap() == Progress::Idle {
            idle + 1
        } else {
            0
        };
        if idle > 3 {
            break;
        }
    }
    assert_eq!(finals(&said, 0), std::slice::from_ref(&want));
    assert_eq!(finals(&said, 1), [want]);
}

#[test]
fn every_finalise_has_one_answer_and_nothing_is_said_twice() {
    let mut ear = ear(1, Options::default());
    let clip = clip();
    ear.open(SlotId(0));
    assert_eq!(finalize(&mut ear, 0), "");
    hear(&mut ear, 0, &clip, 1280);
    let first = finalize(&mut ear, 0);
    assert!(!first.is_empty());
    // Nothing was heard since.
    assert_eq!(finalize(&mut ear, 0), "");
    // Three in the queue, audio between them.
    for part in clip.chunks(16_000) {
        ear.feed(SlotId(0), audio(part)).unwrap();
        ear.feed(SlotId(0), Hearing::SpeechStarted).unwrap();
        ear.feed(SlotId(0), Hearing::Finalize).unwrap();
    }
    let mut said = Vec::new();
    run(&mut ear, &mut said, 0, &mut Written::new());
    assert_eq!(finals(&said, 0).len(), 3);
    // Words come in order of time, across finals.
    let mut last = Duration::ZERO;
    for (_, what) in &said {
        if let Said::Final(words) = what {
            for word in words {
                assert!(word.start <= word.end && last <= word.end);
                assert!(word.confidence > 0.0 && word.confidence <= 1.0);
                last = word.end;
            }
        }
    }
}

#[test]
fn what_is_discarded_is_not_said() {
    let mut ear = ear(1, Options::default());
    ear.open(SlotId(0));
    hear(&mut ear, 0, &clip(), 1280);
    ear.feed(SlotId(0), Hearing::Discard).unwrap();
    assert_eq!(finalize(&mut ear, 0), "");
}

#[test]
fn partials_change_each_time_and_lead_to_the_final() {
    let mut ear = ear(1, Options::default());
    ear.open(SlotId(0));
    let (said, _) = hear(&mut ear, 0, &clip(), 320);
    let partials: Vec<&String> = said
        .iter()
        .map(|(_, s)| match s {
            Said::Partial(text) => text,
            Said::Final(_) => panic!("no final was asked for"),
        })
        .collect();
    assert!(partials.len() >= 2);
    assert!(
        partials
            .windows(2)
            .all(|p| p[0] != p[1] && p[1].starts_with(p[0].as_str()))
    );
    let last = finalize(&mut ear, 0);
    assert!(last.starts_with(partials.last().unwrap().as_str()));
}

#[test]
fn a_closed_row_and_its_fork_are_gone() {
    let mut ear = ear(1, Options::default());
    ear.open(SlotId(0));
    ear.feed(SlotId(0), audio(&clip())).unwrap();
    ear.feed(SlotId(0), Hearing::Finalize).unwrap();
    let ready = [true];
    while ear.spares[0].is_none() {
        ear.step_said(&ready, &mut |_, _| {}).unwrap();
    }
    ear.close(SlotId(0));
    assert!(ear.spares[0].is_none());
    let mut said = Vec::new();
    run(&mut ear, &mut said, 0, &mut Written::new());
    assert!(said.is_empty());
    assert!(ear.feed(SlotId(0), Hearing::Finalize).is_err());
}

#[test]
fn a_row_that_is_behind_asks_to_wait() {
    let mut ear = ear(2, Options::default());
    ear.open(SlotId(0));
    ear.open(SlotId(1));
    let second = vec![0.0; 16_000];
    assert!(ear.has_room(SlotId(0)));
    for _ in 0..2 {
        ear.feed(SlotId(0), audio(&second)).unwrap();
    }
    assert!(!ear.has_room(SlotId(0)) && ear.has_room(SlotId(1)));
    run(&mut ear, &mut Vec::new(), 0, &mut Written::new());
    assert!(ear.has_room(SlotId(0)));
}

#[test]
fn unusable_input_ends_one_lease() {
    let mut ear = ear(1, Options::default());
    ear.open(SlotId(0));
    let wrong = AudioFrame::new(SampleRate::SPEECH, vec![0.0; 10]);
    let error = ear.feed(SlotId(0), Hearing::Audio(wrong)).unwrap_err();
    assert!(error.to_string().contains("24000 Hz"));
    let minute = vec![0.0; 61 * 16_000];
    let error = ear.feed(SlotId(0), audio(&minute)).unwrap_err();
    assert!(error.to_string().contains("behind"));
}

fn blank(ear: &mut Ear, count: usize) {
    let token = Token {
        id: ear.control.pad,
        index: 1000,
        log_probability: 0.0,
    };
    let session = ear.rows[0].as_mut().unwrap();
    for _ in 0..count {
        session
            .listener
            .words
            .push(token, &ear.control, &ear.tekken);
    }
}

fn renewal(ear: &Ear) -> Option<Renewal> {
    ear.rows[0].as_ref().unwrap().should_renew(&ear.options)
}

#[test]
fn a_row_starts_anew_in_a_pause_after_a_while_and_out_of_a_rut() {
    let options = Options {
        roll_after: Some(Duration::from_secs(10)),
        ..Options::default()
    };
    let noise: Vec<f32> = (0..16_000 * 8)
        .map(|i| (i as f32 * 0.3).sin() * 0.1)
        .collect();
    for (quiet, blanks, seconds, want) in [
        (true, 20, 8, Some(Renewal::InAPause)),
        (true, 20, 3, None),
        (true, 9, 8, None),
        (false, 20, 8, None),
        (false, 50, 8, Some(Renewal::OutOfARut)),
        (false, 51, 8, None),
        (false, 50, 2, Some(Renewal::OutOfARut)),
    ] {
        let mut ear = ear(1, options);
        ear.open(SlotId(0));
        let level = if quiet { 0.01 } else { 1.0 };
        let samples: Vec<f32> = noise[..16_000 * seconds]
            .iter()
            .map(|s| s * level)
            .collect();
        hear(&mut ear, 0, &samples, 16_000);
        // The tiny model never rests; so its blanks are made up.
        let control = ear.control;
        ear.rows[0].as_mut().unwrap().listener.words =
            crate::words::WordStream::new(6, Duration::ZERO);
        assert_eq!(control.pad, 32);
        blank(&mut ear, blanks);
        assert_eq!(
            renewal(&ear),
            want,
            "quiet {quiet}, {blanks} blanks, {seconds} s"
        );
        ear.options.watchdog = false;
        ear.options.roll_after = None;
        assert_eq!(renewal(&ear), None);
    }
}

/// Minutes of audio, an hour when `VOICED_LONG_TESTS` is set: what a session holds does not grow,
/// starting anew keeps the clock, and words keep coming.
#[test]
fn an_endless_session_stays_as_it_was() {
    let rounds = if std::env::var_os("VOICED_LONG_TESTS").is_some() {
        720
    } else {
        36
    };
    let options = Options {
        roll_after: None,
        ..Options::default()
    };
    let mut clip = clip();
    clip.resize(5 * 16_000, 0.0);
    for anew in [false, true] {
        let mut ear = ear(1, options);
        ear.open(SlotId(0));
        let mut last = Duration::ZERO;
        let mut total = 0;
        let mut resident = 0;
        for round in 0..rounds {
            hear(&mut ear, 0, &clip, 16_000);
            let position = ear.rows[0].as_ref().unwrap().listener.row.decoded();
            if anew {
                assert!(position < 300);
                ear.start_anew(0, [Renewal::InAPause, Renewal::OutOfARut][round % 2]);
            } else {
                assert!(position > round as u64 * 62);
            }
            ear.feed(SlotId(0), Hearing::Finalize).unwrap();
            let mut said = Vec::new();
            run(&mut ear, &mut said, 0, &mut Written::new());
            for (_, what) in &said {
                let Said::Final(words) = what else { continue };
                total += words.len();
                for word in words {
                    assert!(word.end >= last, "{word:?} after {last:?}");
                    last = word.end;
                }
            }
            let heard = Duration::from_secs(5) * (round as u32 + 1);
            assert!(
                last <= heard + Duration::from_secs(1),
                "{last:?} of {heard:?}"
            );
            let (words, samples) = ear.rows[0].as_ref().unwrap().held();
            assert!(
                words < 80 && samples <= 5 * 16_000,
                "{words} words, {samples} samples"
            );
            if round == rounds / 4 {
                resident = memory();
            }
        }
        assert!(total > rounds, "{total} words");
        let grown = memory().saturating_sub(resident);
        assert!(grown < 2 << 20, "{grown} bytes more");
        println!("{rounds} times 5 s, anew {anew}: {total} words, {grown} bytes more");
    }
}

/// Resident bytes of this process, where the system says so.
fn memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = status
        .split(' ')
        .nth(1)
        .and_then(|p| p.parse::<usize>().ok());
    pages.unwrap_or_default() * 4096
}
