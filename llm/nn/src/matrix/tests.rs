//! Packed and read back: exact where the format is, within half a step where it rounds.
#![allow(clippy::unwrap_used)]
use super::*;
use crate::kernel::tests::noise;

const ALL: [Format; 4] = [Format::F32, Format::Bf16, Format::Q8, Format::Q4];

fn read_back(matrix: &Matrix) -> Vec<f32> {
    let mut all = vec![0f32; matrix.rows() * matrix.cols()];
    for (r, row) in all.chunks_mut(matrix.cols()).enumerate() {
        matrix.row(r, row);
    }
    all
}

#[test]
fn values_come_back_as_close_as_the_format_allows() {
    for (rows, cols) in [(1, 1), (16, 32), (17, 33), (48, 96), (5, 131)] {
        let values = noise(rows * cols, 3);
        for format in ALL {
            let matrix = Matrix::from_values(format, rows, cols, &values).unwrap();
            let back = read_back(&matrix);
            for (r, (row, want)) in back.chunks(cols).zip(values.chunks(cols)).enumerate() {
                for (group, wants) in row.chunks(GROUP).zip(want.chunks(GROUP)) {
                    let largest = wants.iter().fold(0f32, |m, v| m.max(v.abs()));
                    let step = match format {
                        Format::F32 => 0.0,
                        Format::Bf16 => largest / 256.0,
                        Format::Q8 => largest / 127.0 * 0.51,
                        // The clipped end may be off by more than half a step.
                        Format::Q4 => largest / 6.4 * 1.1,
                    };
                    for (got, want) in group.iter().zip(wants) {
                        assert!(
                            (got - want).abs() <= step,
                            "{format} [{rows}, {cols}] row {r}: {got} for {want}"
                        );
                    }
                }
            }
        }
    }
}

/// The mean error matters more than the worst: the search must beat the plain scale.
#[test]
fn four_bits_lose_about_a_tenth() {
    let values = noise(64 * 512, 9);
    let matrix = Matrix::from_values(Format::Q4, 64, 512, &values).unwrap();
    let (mut error, mut power) = (0f64, 0f64);
    for (got, want) in read_back(&matrix).iter().zip(&values) {
        error += f64::from(got - want).powi(2);
        power += f64::from(*want).powi(2);
    }
    let relative = (error / power).sqrt();
    // Uniform noise; the plain scale of largest / -8 gives 0.068.
    assert!(relative < 0.066, "relative error {relative}");
}

#[test]
fn packed_bytes_make_the_same_matrix() {
    let values = noise(40 * 70, 4);
    for format in ALL {
        let matrix = Matrix::from_values(format, 40, 70, &values).unwrap();
        let again = Matrix::from_packed(format, 40, 70, matrix.packed()).unwrap();
        assert_eq!(read_back(&matrix), read_back(&again));
        assert_eq!(matrix.packed().len(), format.matrix_bytes(40, 70));
        assert!(Matrix::from_packed(format, 41 + 16, 70, matrix.packed()).is_err());
    }
}

#[test]
fn bf16_values_are_kept_exactly() {
    let values: Vec<f32> = noise(33 * 31, 5)
        .iter()
        .map(|v| half::bf16::from_f32(*v).to_f32())
        .collect();
    let matrix = Matrix::from_values(Format::Bf16, 33, 31, &values).unwrap();
    assert_eq!(read_back(&matrix), values);
}

#[test]
fn names_round_trip() {
    for format in ALL {
        assert_eq!(format.name().parse::<Format>().unwrap(), format);
    }
    assert!("q5".parse::<Format>().is_err());
}
