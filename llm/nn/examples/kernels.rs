//! `cargo run --release -p voiced-nn --example kernels`: what each weight format reaches on this
//! machine for a matrix of 9216 x 3072, by rows multiplied at once. Times are of processor time,
//! so that they mean something on a machine that others use too.
#![allow(clippy::print_stdout)]
use candle_core::{Device, Tensor};
use voiced_nn::{
    attention::{Heads, attend},
    kv_cache::{Batch, CacheFormat, KvCache, Run},
    linear::Linear,
    matrix::{Format, Matrix},
    measure::{Stopwatch, processor_time, read_bandwidth},
    pool::Pool,
    rope::{Angles, RopeLayout},
};

const ROWS: usize = 9216;
const COLS: usize = 3072;
/// Enough of them that no cache holds all.
const MATRICES: usize = 8;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!(
        "read: {:.1} GB/s, {} threads",
        read_bandwidth()? / 1e9,
        Pool::global().threads()
    );
    let table: Vec<f32> = (0..COLS * 7)
        .map(|i| (i as f32 * 0.7).sin() * 0.05)
        .collect();
    for (name, heads, kv_heads, head_dim, window, rows) in [
        ("encoder", 32, 32, 64, 750, 4),
        ("decoder", 32, 8, 128, 1000, 1),
    ] {
        let heads = Heads {
            heads,
            kv_heads,
            head_dim,
            window,
            layout: RopeLayout::Interleaved,
        };
        let mut cache = KvCache::new(heads.cache_shape(1, rows), CacheFormat::Bf16)?;
        let width = (heads.heads + 2 * heads.kv_heads) * head_dim;
        let x = Tensor::rand(-1f32, 1., (rows, width), &Device::Cpu)?;
        let mut cpu = Vec::new();
        for step in 0..window as u64 / rows as u64 * 2 {
            let run = Run {
                slot: 0,
                position: step * rows as u64,
                rows,
            };
            let batch = Batch::new(vec![run]);
            let angles = Angles::new(&batch, head_dim, 1e6);
            let before = processor_time();
            attend(&x, &heads, &batch, &angles, &mut cache)?;
            cpu.push(processor_time() - before);
        }
        let full = &mut cpu[window / rows..];
        full.sort_by(f64::total_cmp);
        println!(
            "attention of the {name} at {window}: {:.2} ms of processor time",
            full[full.len() / 2] * 1e3
        );
    }
    for format in [Format::F32, Format::Bf16, Format::Q8, Format::Q4] {
        let before = processor_time();
        let layers: Vec<Linear> = (0..MATRICES)
            .map(|_| {
                Matrix::pack(format, ROWS, COLS, &|row, out| {
                    out.copy_from_slice(&table[row % 6 * COLS..][..COLS]);
                })
                .map(|m| Linear::new(m, None))
            })
            .collect::<Result<_, _>>()?;
        let packing = (processor_time() - before) / (MATRICES * ROWS * COLS) as f64;
        println!("{format}: packing {:.2} ns a weight", packing * 1e9);
        for count in [1, 2, 4, 6, 16, 32, 140] {
            let x = Tensor::rand(-1f32, 1., (count, COLS), &Device::Cpu)?;
            let (mut wall, mut cpu) = (Vec::new(), Vec::new());
            for _ in 0..5 {
                for layer in &layers {
                    let (start, before) = (Stopwatch::start(), processor_time());
                    layer.forward(&x)?;
                    wall.push(start.elapsed().as_secs_f64());
                    cpu.push(processor_time() - before);
                }
            }
            wall.sort_by(f64::total_cmp);
            cpu.sort_by(f64::total_cmp);
            let bytes = format.matrix_bytes(ROWS, COLS) as f64;
            let operations = (2 * ROWS * COLS * count) as f64;
            let (wall, cpu) = (wall[wall.len() / 2], cpu[cpu.len() / 2]);
            let pool = Pool::global().threads() as f64;
            println!(
                "{format} x {count}: {:.2} ms, {:.1} GB/s, {:.0} GFLOP/s; by processor time {:.1} GB/s, {:.0} GFLOP/s",
                wall * 1e3,
                bytes / wall / 1e9,
                operations / wall / 1e9,
                bytes / cpu * pool / 1e9,
                operations / cpu * pool / 1e9,
            );
        }
    }
    Ok(())
}
