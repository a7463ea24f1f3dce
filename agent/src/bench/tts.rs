//! `voiced bench tts`: what speaking with Voxtral TTS costs on this machine.
use voiced_nn::matrix::Format;
use voiced_tts::{
    bench::{Bench as Speaking, BenchError, CHUNK},
    voxtral::{Checkpoint, Config, Formats},
};

use super::model::{Line, Machine, Report, does_not_fit, milliseconds};
use crate::cli::Bench;

/// Positions of a preset voice, and of a sentence: 140 together.
const VOICE: usize = 118;
const TEXT: usize = 22;

/// Measures one format.
pub fn measure(
    options: &Bench,
    format: Format,
    machine: &Machine,
    say: &mut dyn FnMut(&str),
) -> anyhow::Result<Report> {
    let checkpoint = match &options.model {
        Some(directory) => Checkpoint::open(directory)?,
        None => Checkpoint::noise(Config::published()),
    };
    let bench = Speaking {
        formats: Formats::new(format),
        rows: options.rows.clone(),
        voice: VOICE,
        text: TEXT,
        frames: options.steps,
    };
    let mut report = Report::default();
    let found = match bench.run(checkpoint, say) {
        Ok(found) => found,
        Err(BenchError::TooLarge { needed, free }) => {
            report.remarks.push(does_not_fit(format, 1, needed, free));
            return Ok(report);
        }
        Err(other) => return Err(other.into()),
    };
    let backbone = machine.reading_ms(found.backbone_bytes);
    let flow = machine.reading_ms(found.flow_bytes);
    let lines = &mut report.lines;
    for b in &found.batches {
        let rows = match b.rows {
            1 => "one utterance".to_owned(),
            n => format!("{n} utterances together"),
        };
        let mut add = |what: String, time, floor: f64| {
            let line = Line::ms(format, format!("{what}, {rows}"), time);
            lines.push(if floor > 0.0 { line.above(floor) } else { line });
        };
        add("backbone a frame".into(), b.backbone, backbone);
        add("flow a frame".into(), b.flow, flow);
        add("codec a frame".into(), b.codec, 0.0);
        if let Some(prefill) = b.prefill {
            add(
                format!("prompt of {} positions", VOICE + TEXT),
                prefill,
                backbone,
            );
        }
        add(
            format!("text of {TEXT} positions, voice kept"),
            b.text,
            backbone,
        );
        let first = backbone + flow;
        let chunk = (backbone + flow) * CHUNK as f64;
        if let Some((one, five)) = b.first_audio.zip(b.first_chunk) {
            add("first audio, 1 frame".into(), one, first);
            add(format!("first audio, {CHUNK} frames"), five, chunk);
        }
        add(
            "first audio, 1 frame, voice kept".into(),
            b.first_audio_kept,
            first,
        );
        add(
            format!("first audio, {CHUNK} frames, voice kept"),
            b.first_chunk_kept,
            chunk,
        );
        let factor = Line::of(
            format,
            format!("real-time factor, {rows}"),
            "",
            b.real_time_factor(),
        );
        lines.push(factor.above((backbone + flow) / 80.0));
        let each = milliseconds(b.frame()) / b.rows as f64;
        let what = format!("computing for each 80 ms of speech, {rows}");
        lines.push(Line::of(format, what, "ms", each));
    }
    if let Some(peak) = found.peak {
        lines.push(Line::of(
            format,
            "most memory until then",
            "GB",
            peak as f64 / 1e9,
        ));
    }
    lines.push(Line::of(
        format,
        "loading",
        "s",
        found.loading.as_secs_f64(),
    ));
    for (rows, needed, free) in found.skipped {
        report
            .remarks
            .push(does_not_fit(format, rows, needed, free));
    }
    Ok(report)
}
