//! `voiced bench asr`: what hearing with Voxtral Realtime costs on this machine.
use voiced_asr::{
    bench::{BURST, Bench as Hearing, BenchError},
    voxtral::{Checkpoint, Config, Formats},
};
use voiced_nn::matrix::Format;

use super::model::{Line, Machine, Report, does_not_fit};
use crate::cli::Bench;

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
    let formats = Formats::new(format);
    let bench = Hearing {
        formats,
        rows: options.rows.clone(),
        contexts: options.contexts.clone(),
        steps: options.steps,
    };
    let mut report = Report::default();
    let found = match bench.run(&checkpoint, say) {
        Ok(found) => found,
        Err(BenchError::TooLarge { needed, free }) => {
            report.remarks.push(does_not_fit(format, 1, needed, free));
            return Ok(report);
        }
        Err(other) => return Err(other.into()),
    };
    let line = |what: String, time| Line::ms(format, what, time);
    let read = machine.reading_ms(found.decoder_bytes);
    let call = machine.reading_ms(found.encoder_bytes);
    let compute = machine.computing_ms(formats.encoder, found.encoder_operations);
    let lines = &mut report.lines;
    for s in &found.sessions {
        let after = match s.rows {
            1 => format!("after {} positions", s.context),
            rows => format!("of {rows} rows together"),
        };
        let rows = s.rows as f64;
        let floor = call.max(compute * rows);
        let bursts = (call / BURST as f64).max(compute * rows);
        lines.push(line(format!("decoder step {after}"), s.decoder).above(read));
        lines.push(
            line(
                format!("encoder and adapter, 80 ms a call, {after}"),
                s.encoder,
            )
            .above(floor),
        );
        lines.push(
            line(
                format!(
                    "encoder and adapter, {} ms a call, each 80 ms of it, {after}",
                    BURST * 80
                ),
                s.burst,
            )
            .above(bursts),
        );
        if s.rows == 1 {
            let reached =
                found.decoder_bytes as f64 / s.decoder.waited.as_secs_f64() / machine.read;
            let what = format!("share of read bandwidth, decoder {after}");
            lines.push(Line::of(format, what, "", reached));
            let both = (s.decoder.waited + s.encoder.waited).as_secs_f64() / 0.08;
            lines.push(Line::of(
                format,
                format!("real-time factor, {after}"),
                "",
                both,
            ));
        }
    }
    let prompt = format!("decoder reading its prompt of {} positions", found.prompt);
    lines.push(line(prompt, found.prefill).above(read));
    let flush = format!(
        "flush: {} positions of silence encoded and decoded",
        found.flushed
    );
    lines.push(line(flush, found.flush).above(call + read * found.flushed as f64));
    let gb = |bytes: usize| bytes as f64 / 1e9;
    lines.push(Line::of(format, "weights", "GB", gb(found.weights)));
    if let Some(peak) = found.peak {
        lines.push(Line::of(format, "most memory until then", "GB", gb(peak)));
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
