//! `cargo run --release -p voiced-asr --example bench_ear -- bf16 q8 q4`: the figures of
//! [`voiced_asr::bench`] for the published sizes.
#![allow(clippy::print_stdout)]
use voiced_asr::{
    bench::Bench,
    voxtral::{Config, Formats},
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let rows = std::env::var("ROWS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(1);
    for name in std::env::args().skip(1) {
        let figures = Bench {
            config: Config::published(),
            formats: Formats::new(name.parse()?),
            rows,
            positions: 40,
        }
        .run()?;
        println!(
            "{name}, {rows} rows, {} threads: decoder {:.1} ms a token ({:.1} GB/s, {:.0} % of {:.1}; \
             {:.1} ms of processor time a thread), encoder {:.1} ms for 80 ms ({:.1}), \
             {:.1} in bursts of 640, weights {:.2} GB, \
             peak {:.2} GB, loaded in {:.1} s",
            figures.threads,
            figures.decoder.as_secs_f64() * 1e3,
            figures.decoder_bytes as f64 / figures.decoder.as_secs_f64() / 1e9,
            figures.share() * 100.0,
            figures.bandwidth / 1e9,
            figures.decoder_alone.as_secs_f64() * 1e3,
            figures.encoder.as_secs_f64() * 1e3,
            figures.encoder_alone.as_secs_f64() * 1e3,
            figures.encoder_burst.as_secs_f64() * 1e3,
            figures.weights as f64 / 1e9,
            figures.peak.unwrap_or_default() as f64 / 1e9,
            figures.loading.as_secs_f64(),
        );
    }
    Ok(())
}
