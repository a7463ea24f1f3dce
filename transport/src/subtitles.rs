//! What was said and when, as SubRip or WebVTT subtitles.
//!
//! Guarantees: times are to the millisecond, and no line of speech can be taken for a mark of the
//! format.
use std::time::Duration;

/// One subtitle: from, to, words.
pub type Cue<'c> = (Duration, Duration, &'c str);

/// SubRip.
pub fn srt<'c>(cues: impl IntoIterator<Item = Cue<'c>>) -> String {
    let cues = cues.into_iter().enumerate();
    cues.map(|(i, cue)| srt_cue(i + 1, cue)).collect()
}

/// One subtitle of SubRip, `n` counted from one.
pub fn srt_cue(n: usize, (from, to, words): Cue<'_>) -> String {
    let (from, to) = (clock(from, ','), clock(to, ','));
    format!("{n}\n{from} --> {to}\n{}\n\n", plain(words))
}

/// How WebVTT begins.
pub const VTT_HEAD: &str = "WEBVTT\n\n";

/// WebVTT.
pub fn vtt<'c>(cues: impl IntoIterator<Item = Cue<'c>>) -> String {
    let cues: String = cues.into_iter().map(vtt_cue).collect();
    VTT_HEAD.to_owned() + &cues
}

/// One subtitle of WebVTT.
pub fn vtt_cue((from, to, words): Cue<'_>) -> String {
    let (from, to) = (clock(from, '.'), clock(to, '.'));
    let words = plain(words).replace('&', "&amp;").replace('<', "&lt;");
    format!("{from} --> {to}\n{words}\n\n")
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
