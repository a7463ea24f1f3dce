//! What was understood, in the form that was asked for, written as it comes.
use std::{
    io::{self, Write},
    time::Duration,
};

use serde_json::{Value, json};
use voiced_core::engine::HeardWord;
use voiced_transport::subtitles::{VTT_HEAD, srt_cue, vtt_cue};

use super::Utterance;
use crate::cli::TranscriptFormat;

/// A transcript on its way to where it is written.
pub struct Form<W: Write> {
    format: TranscriptFormat,
    sink: W,
    written: usize,
}

impl<W: Write> Form<W> {
    /// A transcript with its beginning written.
    ///
    /// # Errors
    /// When the sink does not take it.
    pub fn new(format: TranscriptFormat, mut sink: W) -> io::Result<Form<W>> {
        match format {
            TranscriptFormat::Json => write!(sink, "[")?,
            TranscriptFormat::Vtt => sink.write_all(VTT_HEAD.as_bytes())?,
            _ => {}
        }
        Ok(Form {
            format,
            sink,
            written: 0,
        })
    }

    /// Writes an utterance.
    ///
    /// # Errors
    /// When the sink does not take it.
    pub fn write(&mut self, said: &Utterance) -> io::Result<()> {
        self.written += 1;
        let sink = &mut self.sink;
        let cue = (said.from, said.to, said.text.as_str());
        match self.format {
            TranscriptFormat::Text => writeln!(sink, "{}", said.text)?,
            TranscriptFormat::Json => {
                let comma = if self.written > 1 { ",\n " } else { "" };
                write!(sink, "{comma}{}", value(said))?;
            }
            TranscriptFormat::Jsonl => writeln!(sink, "{}", value(said))?,
            TranscriptFormat::Srt => sink.write_all(srt_cue(self.written, cue).as_bytes())?,
            TranscriptFormat::Vtt => sink.write_all(vtt_cue(cue).as_bytes())?,
        }
        sink.flush()
    }

    /// Writes the words so far, where the form has a place for what may change.
    ///
    /// # Errors
    /// When the sink does not take it.
    pub fn write_partial(&mut self, text: &str) -> io::Result<()> {
        if self.format == TranscriptFormat::Jsonl {
            writeln!(self.sink, "{}", json!({"partial": text}))?;
            self.sink.flush()?;
        }
        Ok(())
    }

    /// Writes its end and gives the sink back.
    ///
    /// # Errors
    /// When the sink does not take it.
    pub fn finish(mut self) -> io::Result<W> {
        if self.format == TranscriptFormat::Json {
            writeln!(self.sink, "]")?;
        }
        self.sink.flush()?;
        Ok(self.sink)
    }
}

fn value(said: &Utterance) -> Value {
    let mut value = json!({
        "from": seconds(said.from),
        "to": seconds(said.to),
        "text": said.text,
    });
    if !said.words.is_empty() {
        value["words"] = said.words.iter().map(word).collect();
    }
    value
}

fn word(word: &HeardWord) -> Value {
    json!({
        "text": word.text,
        "from": seconds(word.start),
        "to": seconds(word.end),
        "confidence": (f64::from(word.confidence) * 1e3).round() / 1e3,
    })
}

/// To the millisecond.
pub fn seconds(time: Duration) -> f64 {
    time.as_millis() as f64 / 1_000.0
}
