//! Audio inside events, in every format.
use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::*;

/// A second of a tone as 16-bit PCM at 24 kHz.
fn tone() -> Vec<u8> {
    let sample = |n: u16| (f32::from(n) * 0.1).sin() * 0.5;
    let samples: Vec<f32> = (0..24_000).map(sample).collect();
    voiced_core::audio::to_pcm16(&samples)
}

#[test]
fn samples_survive_any_cutting() {
    let whole = tone();
    let hear = |cuts: &[usize]| {
        let mut dialect = dialect(Carrier::WebSocket);
        let mut heard = Vec::new();
        let mut rest = whole.as_slice();
        for cut in cuts.iter().cycle() {
            let (now, later) = rest.split_at((*cut).min(rest.len()));
            let event = json!({"type": "input_audio_buffer.append",
                "audio": STANDARD.encode(now)});
            heard.extend(send(&mut dialect, &event).audio);
            if later.is_empty() {
                break;
            }
            rest = later;
        }
        heard
    };
    let at_once = hear(&[whole.len()]);
    assert!(
        (15_900..=16_000).contains(&at_once.len()),
        "{}",
        at_once.len()
    );
    let loudest = at_once.iter().fold(0.0_f32, |a, b| a.max(b.abs()));
    assert!((0.45..0.55).contains(&loudest), "{loudest}");
    assert_eq!(hear(&[961, 1, 333, 2]), at_once, "odd cuts lose nothing");
}

#[test]
fn telephone_codecs_work_both_ways() {
    for (law, high, low) in [("audio/pcmu", 0x90, 0x10), ("audio/pcma", 0xaa, 0x2a)] {
        let mut dialect = dialect(Carrier::WebSocket);
        let format = json!({"format": {"type": law}});
        send(
            &mut dialect,
            &update(&json!({"audio": {"input": format, "output": format}})),
        );
        // A loud square wave of 200 Hz.
        let codes: Vec<u8> = (0..800)
            .map(|n| if n / 20 % 2 == 0 { high } else { low })
            .collect();
        let event = json!({"type": "input_audio_buffer.append", "audio": STANDARD.encode(codes)});
        let heard = send(&mut dialect, &event).audio;
        assert!((1_500..=1_600).contains(&heard.len()), "{}", heard.len());
        assert!(heard.iter().any(|s| *s > 0.2) && heard.iter().any(|s| *s < -0.2));

        dialect.told(started(1, "a", true));
        dialect.told(text(1, "Hi."));
        let mut bytes = 0;
        for _ in 0..5 {
            for event in events(dialect.played(&frame(1, 0.3))) {
                bytes += STANDARD
                    .decode(event["delta"].as_str().unwrap())
                    .unwrap()
                    .len();
            }
        }
        for event in events(dialect.played(&last_frame(1))) {
            bytes += STANDARD
                .decode(event["delta"].as_str().unwrap())
                .unwrap()
                .len();
        }
        assert_eq!(bytes, 800, "100 ms at 8 kHz, to the last sample");
    }
}
