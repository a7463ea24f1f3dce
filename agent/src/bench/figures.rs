//! What was measured, what it should be, and how both are shown.
use std::{fmt::Write as _, time::Duration};

/// One line of the table.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Figure {
    /// What was measured.
    pub what: String,
    /// What it should be; empty where the figure only explains another.
    pub required: String,
    /// What it was.
    pub measured: String,
    /// Whether that is good enough; `None` where nothing is required.
    pub met: Option<bool>,
}

impl Figure {
    /// A figure that must reach something.
    pub fn required(
        what: impl Into<String>,
        required: impl Into<String>,
        measured: impl Into<String>,
        met: bool,
    ) -> Self {
        Self {
            what: what.into(),
            required: required.into(),
            measured: measured.into(),
            met: Some(met),
        }
    }

    /// A figure that explains another.
    pub fn beside(what: impl Into<String>, measured: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            required: String::new(),
            measured: measured.into(),
            met: None,
        }
    }
}

/// Times of the same thing, measured again and again.
#[derive(Clone, Debug, Default)]
pub struct Times {
    sorted: Vec<f64>,
}

impl Times {
    /// From seconds in any order.
    pub fn new(mut seconds: Vec<f64>) -> Self {
        seconds.sort_by(f64::total_cmp);
        Self { sorted: seconds }
    }

    /// How many.
    pub fn n(&self) -> usize {
        self.sorted.len()
    }

    /// The time in milliseconds that `share` of them do not exceed; NaN when there are none.
    pub fn ms(&self, share: f64) -> f64 {
        let Some(last) = self.sorted.len().checked_sub(1) else {
            return f64::NAN;
        };
        let at = (share * self.sorted.len() as f64).ceil() as usize;
        self.sorted[at.saturating_sub(1).min(last)] * 1_000.0
    }
}

/// Where and how was measured.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Setting {
    /// Processor, cores and memory.
    pub machine: String,
    /// The command that was typed.
    pub command: String,
    /// The version that was measured.
    pub version: &'static str,
}

impl Setting {
    /// This machine and command line.
    pub fn here() -> Self {
        let arguments: Vec<_> = std::env::args().skip(1).collect();
        Self {
            machine: machine(),
            command: format!("voiced {}", arguments.join(" ")),
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}

/// "AMD EPYC …, 2 cores, 23 GiB", as far as the system tells.
fn machine() -> String {
    let file = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let value = |text: &str, name: &str| {
        text.lines()
            .find(|line| line.starts_with(name))
            .and_then(|line| line.split_once(':'))
            .map(|(_, value)| value.trim().to_owned())
    };
    let processor = value(&file("/proc/cpuinfo"), "model name");
    let kib = value(&file("/proc/meminfo"), "MemTotal")
        .and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok());
    let n_cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut machine = processor.unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let _ = write!(machine, ", {n_cores} cores");
    if let Some(kib) = kib {
        let _ = write!(machine, ", {} GiB", kib.div_ceil(1024 * 1024));
    }
    machine
}

/// As a Markdown table.
pub fn table(setting: &Setting, figures: &[Figure]) -> String {
    let mut text = format!(
        "Machine: {}. Command: `{}`, voiced {}. The callers run on the same cores as the daemon.\n\n\
         | what | required | measured | |\n|---|---|---|---|\n",
        setting.machine, setting.command, setting.version
    );
    for figure in figures {
        let mark = match figure.met {
            Some(true) => "met",
            Some(false) => "MISSED",
            None => "",
        };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {mark} |",
            figure.what, figure.required, figure.measured
        );
    }
    text
}

/// As JSON.
pub fn json(setting: &Setting, figures: &[Figure]) -> String {
    format!(
        "{:#}\n",
        serde_json::json!({ "setting": setting, "figures": figures })
    )
}

/// Milliseconds of a duration, for sentences.
pub fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_times_are_times_that_were_measured() {
        let times = Times::new((1..=100).rev().map(|n| f64::from(n) / 1_000.0).collect());
        assert_eq!(times.ms(0.5), 50.0);
        assert_eq!(times.ms(0.99), 99.0);
        assert_eq!(times.ms(1.0), 100.0);
        assert_eq!(times.ms(0.0), 1.0);
        assert!(Times::default().ms(0.5).is_nan());
    }

    #[test]
    fn a_missed_figure_is_shown_as_missed() {
        let figures = [
            Figure::required("share", "≤ 40 ms", "41 ms", false),
            Figure::beside("turns", "60"),
        ];
        let table = table(&Setting::here(), &figures);
        assert!(
            table.contains("| share | ≤ 40 ms | 41 ms | MISSED |"),
            "{table}"
        );
        assert!(table.contains("| turns |  | 60 |  |"), "{table}");
        assert!(json(&Setting::here(), &figures).contains("\"met\": false"));
    }
}
