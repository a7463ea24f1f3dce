//! What the benches of both models share: the machine's own limits, measured in the same run, and
//! the table that puts them beside the figures as floors.
use std::{fmt::Write as _, time::Duration};

use anyhow::bail;
use serde::Serialize;
use voiced_nn::{
    Isa,
    matrix::Format,
    measure::{product_rate, read_bandwidth},
    pool::Pool,
};

use super::{asr, figures::Setting, tts};
use crate::{
    cli::{Bench, BenchKind},
    terminal,
};

/// What this machine can do at best.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// Bytes read a second, by all threads.
    pub read: f64,
    /// By format: operations a second of a product of many rows.
    pub products: Vec<(String, f64)>,
    /// Threads.
    pub threads: usize,
    /// The instructions used.
    pub instructions: &'static str,
}

impl Machine {
    /// Milliseconds that reading so many bytes takes.
    pub fn reading_ms(&self, bytes: usize) -> f64 {
        bytes as f64 / self.read * 1e3
    }

    /// Milliseconds that so many operations take.
    pub fn computing_ms(&self, format: Format, operations: f64) -> f64 {
        let found = self.products.iter().find(|p| p.0 == format.name());
        found.map_or(f64::NAN, |p| operations / p.1 * 1e3)
    }
}

/// One figure of one format.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// How weights are stored.
    pub weights: String,
    /// What was measured.
    pub what: String,
    /// Its unit.
    pub unit: &'static str,
    /// How much it was.
    pub measured: f64,
    /// In the same unit: processor time a thread, what it would be on an idle machine.
    pub worked: Option<f64>,
    /// In the same unit: what cannot be undercut here.
    pub floor: Option<f64>,
}

impl Line {
    /// A time in milliseconds.
    pub fn ms(weights: Format, what: impl Into<String>, time: voiced_nn::measure::Time) -> Line {
        let worked = milliseconds(time.worked);
        Line {
            worked: (worked > 0.0).then_some(worked),
            ..Line::of(weights, what, "ms", milliseconds(time.waited))
        }
    }

    /// A figure in a unit.
    pub fn of(weights: Format, what: impl Into<String>, unit: &'static str, measured: f64) -> Line {
        Line {
            weights: weights.name().to_owned(),
            what: what.into(),
            unit,
            measured,
            worked: None,
            floor: None,
        }
    }

    /// With what cannot be undercut.
    pub fn above(self, floor: f64) -> Line {
        Line {
            floor: Some(floor),
            ..self
        }
    }
}

/// Figures and remarks of one format.
#[derive(Default)]
pub struct Report {
    /// The figures.
    pub lines: Vec<Line>,
    /// What was left out, and why.
    pub remarks: Vec<String>,
}

/// Measures a model and prints it. Always true: what a machine cannot do is no failure.
pub fn run(options: &Bench) -> anyhow::Result<bool> {
    if options.model.is_none() && !options.random_weights {
        bail!("say what to measure: --random-weights, or --model DIR with a checkpoint");
    }
    if let Some(threads) = options.threads {
        Pool::choose(threads);
    }
    terminal::complain("measuring: memory and processors");
    let machine = machine(&options.weights)?;
    let mut all = Report::default();
    for format in &options.weights {
        let mut say = |what: &str| terminal::complain(&format!("{format}: {what}"));
        let report = match options.kind {
            BenchKind::Asr => asr::measure(options, *format, &machine, &mut say)?,
            _ => tts::measure(options, *format, &machine, &mut say)?,
        };
        all.lines.extend(report.lines);
        all.remarks.extend(report.remarks);
    }
    let setting = Setting::here();
    terminal::print(&match options.json {
        true => json(&setting, &machine, &all),
        false => table(&setting, &machine, &all),
    });
    Ok(true)
}

fn machine(formats: &[Format]) -> anyhow::Result<Machine> {
    let mut wanted = vec![Format::Bf16, Format::Q8];
    wanted.extend(formats);
    let mut products: Vec<(String, f64)> = Vec::new();
    for format in wanted {
        if products.iter().all(|p| p.0 != format.name()) {
            products.push((format.name().to_owned(), product_rate(format)?));
        }
    }
    Ok(Machine {
        read: read_bandwidth()?,
        products,
        threads: Pool::global().threads(),
        instructions: Isa::detect().name(),
    })
}

fn table(setting: &Setting, machine: &Machine, report: &Report) -> String {
    let mut text = format!(
        "Machine: {}. Command: `{}`, voiced {}.\nRead: {:.1} GB/s with {} threads ({}). Products of many rows:",
        setting.machine,
        setting.command,
        setting.version,
        machine.read / 1e9,
        machine.threads,
        machine.instructions,
    );
    for (format, rate) in &machine.products {
        let _ = write!(text, " {format} {:.0} GFLOP/s", rate / 1e9);
    }
    text.push_str(
        "\n\n| weights | what | measured | processor time a thread | floor |\n|---|---|---|---|---|\n",
    );
    for line in &report.lines {
        let digits = if line.unit == "ms" { 1 } else { 2 };
        let shown = |v: Option<f64>| v.map_or_else(String::new, |v| format!("{v:.digits$}"));
        let _ = writeln!(
            text,
            "| {} | {} | {:.digits$} {} | {} | {} |",
            line.weights,
            line.what,
            line.measured,
            line.unit,
            shown(line.worked),
            shown(line.floor),
        );
    }
    for remark in &report.remarks {
        let _ = writeln!(text, "\n{remark}");
    }
    text
}

fn json(setting: &Setting, machine: &Machine, report: &Report) -> String {
    let all = serde_json::json!({
        "setting": setting,
        "machine": machine,
        "figures": report.lines,
        "remarks": report.remarks,
    });
    format!("{all:#}\n")
}

/// A duration for tables.
pub fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// A remark that something did not fit.
pub fn does_not_fit(format: Format, rows: usize, needed: usize, free: usize) -> String {
    let gb = |bytes: usize| bytes as f64 / 1e9;
    format!(
        "{format}: {rows} rows are left out: they need {:.1} GB and {:.1} GB are free",
        gb(needed),
        gb(free)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floors_stand_beside_figures() {
        let machine = Machine {
            read: 2e10,
            products: vec![("bf16".into(), 1e12)],
            threads: 2,
            instructions: "portable",
        };
        let time = voiced_nn::measure::Time {
            waited: Duration::from_millis(80),
            worked: Duration::from_millis(75),
        };
        let floor = machine.reading_ms(1_000_000_000);
        let report = Report {
            lines: vec![Line::ms(Format::Q4, "a step", time).above(floor)],
            remarks: vec![does_not_fit(Format::Q4, 32, 9_000_000_000, 4_000_000_000)],
        };
        let text = table(&Setting::here(), &machine, &report);
        assert!(
            text.contains("| q4 | a step | 80.0 ms | 75.0 | 50.0 |"),
            "{text}"
        );
        assert!(text.contains("32 rows are left out: they need 9.0 GB and 4.0 GB are free"));
        assert!(json(&Setting::here(), &machine, &report).contains("\"floor\": 50.0"));
        assert_eq!(machine.computing_ms(Format::Bf16, 1e9), 1.0);
    }
}
