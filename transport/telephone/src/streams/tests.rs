//! The five dialects as their carriers write them, and Twilio's signature against its own examples.
#![allow(clippy::unwrap_used)]
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Value, json};

use super::{
    dialect::{Frame, Heard, detect},
    signature,
};

fn text(value: Value) -> Frame {
    Frame::Text(value.to_string())
}

fn read(frame: Option<Frame>) -> Value {
    let Some(Frame::Text(text)) = frame else {
        panic!("{frame:?}")
    };
    serde_json::from_str(&text).unwrap()
}

/// The example of Twilio's documentation of webhook security.
#[test]
fn twilios_own_example_is_right() {
    let form = [
        ("CallSid", "CA1234567890ABCDE"),
        ("Caller", "+14158675310"),
        ("Digits", "1234"),
        ("From", "+14158675310"),
        ("To", "+18005551212"),
    ];
    let form = form.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let url = "https://mycompany.com/myapp.php?foo=1&bar=2";
    assert!(signature::is_right(
        "12345",
        url,
        &form,
        "GvWf1cFY/Q7PnoempGyD5oXAezc="
    ));
    assert!(signature::is_right(
        "12345",
        "https://mycompany.com:443/myapp.php?foo=1&bar=2",
        &form,
        "GvWf1cFY/Q7PnoempGyD5oXAezc="
    ));
    assert!(!signature::is_right(
        "12346",
        url,
        &form,
        "GvWf1cFY/Q7PnoempGyD5oXAezc="
    ));
    assert!(!signature::is_right(
        "12345",
        url,
        &form[1..],
        "GvWf1cFY/Q7PnoempGyD5oXAezc="
    ));
    assert!(!signature::is_right("12345", url, &form, "not base64"));
}

#[test]
fn twilio_is_understood() {
    assert!(
        detect(&text(
            json!({"event": "connected", "protocol": "Call", "version": "1.0.0"})
        ))
        .is_none()
    );
    let start = json!({"event": "start", "sequenceNumber": "1", "streamSid": "MZ1", "start": {
        "streamSid": "MZ1", "accountSid": "AC1", "callSid": "CA1", "tracks": ["inbound"],
        "customParameters": {"persona": "receptionist"},
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}}});
    let (mut dialect, start) = detect(&text(start)).unwrap();
    assert_eq!(
        (start.carrier, start.call.as_str(), start.codec),
        ("twilio", "CA1", "pcmu")
    );
    assert_eq!(
        start.parameters,
        [("persona".to_owned(), "receptionist".to_owned())]
    );
    let payload = BASE64.encode([0xFF; 160]);
    let media = json!({"event": "media", "media": {"track": "inbound", "chunk": "1", "timestamp": "5", "payload": payload}});
    let heard = dialect.read(&text(media));
    assert!(matches!(&heard[..], [Heard::Sound(samples)] if samples.len() > 250));
    let outbound = json!({"event": "media", "media": {"track": "outbound", "payload": payload}});
    assert!(
        dialect.read(&text(outbound)).is_empty(),
        "our own voice is not heard"
    );
    let key = json!({"event": "dtmf", "dtmf": {"track": "inbound_track", "digit": "5"}});
    assert_eq!(dialect.read(&text(key)), [Heard::Key('5')]);
    let mark = json!({"event": "mark", "mark": {"name": "m7"}});
    assert_eq!(dialect.read(&text(mark)), [Heard::Marked("m7".into())]);
    assert_eq!(
        dialect.read(&text(json!({"event": "stop", "stop": {}}))),
        [Heard::Stopped]
    );
    assert!(dialect.read(&Frame::Text("{".into())).is_empty());
    let said = read(dialect.sound(&[0.1; 480]));
    assert_eq!(
        (said["event"].as_str(), said["streamSid"].as_str()),
        (Some("media"), Some("MZ1"))
    );
    assert_eq!(
        read(dialect.clear()),
        json!({"event": "clear", "streamSid": "MZ1"})
    );
    assert_eq!(read(dialect.mark("m1"))["mark"]["name"], "m1");
}

#[test]
fn telnyx_is_put_in_order() {
    let start = json!({"event": "start", "stream_id": "S", "start": {"call_control_id": "C", "from": "+1", "to": "+2",
        "media_format": {"encoding": "L16", "sample_rate": 16000, "channels": 1}}});
    let (mut dialect, start) = detect(&text(start)).unwrap();
    assert_eq!(
        (start.carrier, start.from.as_str(), start.codec),
        ("telnyx", "+1", "l16")
    );
    let mut order = Vec::new();
    for (chunk, level) in [
        (1, 1_000_i16),
        (3, 3_000),
        (2, 2_000),
        (2, 9_000),
        (4, 4_000),
    ] {
        let payload = BASE64.encode(level.to_le_bytes());
        let media = json!({"event": "media", "media": {"track": "inbound", "chunk": chunk.to_string(), "payload": payload}});
        for heard in dialect.read(&text(media)) {
            let Heard::Sound(samples) = heard else {
                panic!()
            };
            order.extend(
                samples
                    .iter()
                    .map(|sample| (sample * 32_768.0).round() as i32),
            );
        }
    }
    assert_eq!(order, [1_000, 2_000, 3_000, 4_000]);
    // One that never comes is not waited for for ever.
    let mut heard = 0;
    for chunk in 6..16 {
        let media =
            json!({"event": "media", "media": {"chunk": chunk, "payload": BASE64.encode([0, 0])}});
        heard += dialect.read(&text(media)).len();
    }
    assert!(heard >= 5, "{heard}");
    assert_eq!(read(dialect.clear()), json!({"event": "clear"}));
}

#[test]
fn plivo_and_exotel_have_their_own_words() {
    let start = json!({"event": "start", "sequenceNumber": 0, "start": {"callId": "C", "streamId": "S", "accountId": "A",
        "tracks": ["inbound"], "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000}}, "extra_headers": ""});
    let (mut dialect, start) = detect(&text(start)).unwrap();
    assert_eq!(start.carrier, "plivo");
    let said = read(dialect.sound(&[0.1; 480]));
    assert_eq!(said["event"], "playAudio");
    assert_eq!(said["media"]["contentType"], "audio/x-mulaw");
    assert_eq!(
        read(dialect.mark("m1")),
        json!({"event": "checkpoint", "streamId": "S", "name": "m1"})
    );
    assert_eq!(read(dialect.clear())["event"], "clearAudio");
    assert_eq!(
        dialect.read(&text(json!({"event": "playedStream", "name": "m1"}))),
        [Heard::Marked("m1".into())]
    );

    let start = json!({"event": "start", "stream_sid": "S", "start": {"stream_sid": "S", "call_sid": "C", "account_sid": "A",
        "from": "1", "to": "2", "media_format": {"encoding": "base64", "sample_rate": "8000", "bit_rate": "128kbps"}}});
    let (mut dialect, start) = detect(&text(start)).unwrap();
    assert_eq!((start.carrier, start.codec), ("exotel", "l16"));
    assert_eq!(read(dialect.sound(&[0.1; 480]))["stream_sid"], "S");
}

#[test]
fn vonage_sends_bare_sound() {
    let start = json!({"event": "websocket:connected", "content-type": "audio/l16;rate=16000", "persona": "storyteller"});
    let (mut dialect, start) = detect(&text(start)).unwrap();
    assert_eq!(start.carrier, "vonage");
    assert_eq!(
        start.parameters,
        [("persona".to_owned(), "storyteller".to_owned())]
    );
    assert!(
        matches!(&dialect.read(&Frame::Binary(vec![0; 640]))[..], [Heard::Sound(samples)] if samples.len() == 320)
    );
    assert!(matches!(dialect.sound(&[0.1; 480]), Some(Frame::Binary(_))));
    assert_eq!(
        dialect.read(&text(
            json!({"event": "websocket:dtmf", "digit": "#", "duration": 120})
        )),
        [Heard::Key('#')]
    );
    assert_eq!(read(dialect.clear()), json!({"action": "clear"}));
    assert!(
        detect(&text(
            json!({"event": "websocket:connected", "content-type": "audio/l16;rate=1"})
        ))
        .is_none()
    );
}
