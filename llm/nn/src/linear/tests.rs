//! Layers side by side, biases, and the batch law down to the bits.
#![allow(clippy::unwrap_used)]
use candle_core::Device;

use super::*;
use crate::kernel::tests::noise;

const ALL: [Format; 4] = [Format::F32, Format::Bf16, Format::Q8, Format::Q4];

fn layer(format: Format, out: usize, width: usize, biased: bool) -> Linear {
    let matrix = Matrix::from_values(format, out, width, &noise(out * width, out as u64)).unwrap();
    Linear::new(matrix, biased.then(|| noise(out, 77)))
}

fn tensor(rows: usize, width: usize) -> Tensor {
    Tensor::from_vec(noise(rows * width, 5), (rows, width), &Device::Cpu).unwrap()
}

fn bits(t: &Tensor) -> Vec<Vec<u32>> {
    let rows = t.to_vec2::<f32>().unwrap();
    rows.iter()
        .map(|r| r.iter().map(|v| v.to_bits()).collect())
        .collect()
}

#[test]
fn f32_is_candle_s_product() {
    let (out, width) = (83, 129);
    let values = noise(out * width, 1);
    let matrix = Matrix::from_values(Format::F32, out, width, &values).unwrap();
    let x = tensor(7, width);
    let weights = Tensor::from_vec(values, (out, width), &Device::Cpu).unwrap();
    let want = x.matmul(&weights.t().unwrap()).unwrap();
    let got = Linear::new(matrix, None).forward(&x).unwrap();
    let worst = (got - want).unwrap().abs().unwrap().max_all().unwrap();
    assert!(worst.to_scalar::<f32>().unwrap() < 2e-5);
}

#[test]
fn a_row_is_the_same_alone_and_in_any_batch() {
    for isa in Isa::available() {
        for format in ALL {
            let layer = layer(format, 150, 200, true);
            let x = tensor(9, 200);
            let whole = bits(&project_with(isa, &[&layer], &x).unwrap());
            for from in 0..9 {
                for count in 1..=9 - from {
                    let part = x.narrow(0, from, count).unwrap();
                    let part = bits(&project_with(isa, &[&layer], &part).unwrap());
                    assert_eq!(part, whole[from..from + count], "{isa:?} {format}");
                }
            }
        }
    }
}

#[test]
fn layers_side_by_side_are_the_layers() {
    let layers = [
        layer(Format::F32, 40, 64, true),
        layer(Format::Q8, 7, 64, false),
        layer(Format::Bf16, 100, 64, false),
    ];
    let x = tensor(3, 64);
    let joined = project(&layers.each_ref(), &x).unwrap();
    let apart: Vec<Tensor> = layers.iter().map(|l| l.forward(&x).unwrap()).collect();
    assert_eq!(bits(&joined), bits(&Tensor::cat(&apart, 1).unwrap()));
}

#[test]
fn embedding_rows_are_the_matrix_rows() {
    let layer = layer(Format::Bf16, 20, 33, false);
    let got = layer.rows(&[19, 0, 19]).unwrap().to_vec2::<f32>().unwrap();
    let mut want = vec![0f32; 33];
    layer.matrix().row(19, &mut want);
    assert_eq!(got[0], want);
    assert_eq!(got[2], want);
    assert!(layer.rows(&[20]).is_err());
}

#[test]
fn a_wrong_width_is_an_error() {
    assert!(
        layer(Format::F32, 4, 4, false)
            .forward(&tensor(1, 5))
            .is_err()
    );
}
