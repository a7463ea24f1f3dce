//! What was said and when, as SubRip or WebVTT subtitles.
//!
//! Guarantees: times are to the millisecond, and no line of speech can be taken for a mark of the
//! format.
use std::time::Duration;

/// One subtitle: from, to, words.
pub type Cue<'c> = (Duration, Duration, &'c str);

/// SubRip.
pub fn srt<'c>(cues: impl IntoIterator<Item = Cue<'c>>) -> String {
    let mut text = String::new();
    for (i, (from, to, words)) in cues.into_iter().enumerate() {
        let (from, to) = (clock(from, ','), clock(to, ','));
        text.push_str(&format!("{}\n{from} --> {to}\n{}\n\n", i + 1, plain(words)));
    }
    text
}

/// WebVTT.
pub fn vtt<'c>(cues: impl IntoIterator<Item = Cue<'c>>) -> String {
    let mut text = "WEBVTT\n\n".to_owned();
    for (from, to, words) in cues {
        let (from, to) = (clock(from, '.'), clock(to, '.'));
        let words = plain(words).replace('&', "&amp;").replace('<', "&lt;");
        text.push_str(&format!("{from} --> {to}\n{words}\n\n"));
    }
    text
}

/// On one line, and without the arrow that would begin another subtitle.
fn plain(words: &str) -> String {
    let line: Vec<&str> = words.split_whitespace().collect();
    line.join(" ").replace("-->", "->")
}

fn clock(time: Duration, point: char) -> String {
    let (s, ms) = (time.as_secs(), time.subsec_millis());
    format!(
        "{:02}:{:02}:{:02}{point}{ms:03}",
        s / 3_600,
        s / 60 % 60,
        s % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subtitles_are_what_players_expect() {
        let cues = [
            (
                Duration::from_millis(1_500),
                Duration::from_millis(3_661_007),
                "it said \"hello\"",
            ),
            (Duration::ZERO, Duration::from_millis(1), "a --> b\n<i> &"),
        ];
        assert_eq!(
            srt(cues),
            "1\n00:00:01,500 --> 01:01:01,007\nit said \"hello\"\n\n\
             2\n00:00:00,000 --> 00:00:00,001\na -> b <i> &\n\n"
        );
        assert_eq!(
            vtt(cues),
            "WEBVTT\n\n00:00:01.500 --> 01:01:01.007\nit said \"hello\"\n\n\
             00:00:00.000 --> 00:00:00.001\na -> b &lt;i> &amp;\n\n"
        );
    }
}
