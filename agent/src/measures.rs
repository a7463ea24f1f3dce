//! The metrics recorder: what every crate counts, as Prometheus' text.
use std::time::Duration;

use anyhow::Context;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use voiced_pipeline::metrics::names;
use voiced_transport::pacer::TICK_LATENESS;

/// Seconds: around the 5 ms that a tick may be late.
const LATENESS: &[f64] = &[
    0.000_5, 0.001, 0.001_5, 0.002, 0.003, 0.004, 0.005, 0.007_5, 0.01, 0.02, 0.05, 0.1, 0.5,
];
/// Seconds: around the 20 ms of a frame.
const STEPS: &[f64] = &[
    0.000_1, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1.0,
];
/// Seconds: what a caller waits for an answer.
const WAITS: &[f64] = &[
    0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0,
];

/// Records everything from now on. Once per process.
///
/// # Errors
/// When somebody records already.
pub fn record() -> anyhow::Result<PrometheusHandle> {
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full(TICK_LATENESS.into()), LATENESS)?
        .set_buckets_for_metric(Matcher::Full(names::ENGINE_STEP_SECONDS.into()), STEPS)?
        .set_buckets_for_metric(Matcher::Full(names::VOICE_TO_VOICE.into()), WAITS)?
        .set_buckets(WAITS)?
        .install_recorder()
        .context("metrics are recorded already")
}

/// Moves what was recorded to where it takes no more room, for ever: histograms keep every record
/// until somebody asks for them or this runs.
pub async fn keep(metrics: PrometheusHandle) -> std::io::Result<()> {
    let mut beat = tokio::time::interval(Duration::from_secs(5));
    loop {
        beat.tick().await;
        metrics.run_upkeep();
    }
}
