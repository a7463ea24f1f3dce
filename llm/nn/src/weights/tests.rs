//! Right files, wrong files, and files written here.
#![allow(clippy::unwrap_used)]
use safetensors::tensor::{TensorView, serialize};

use super::*;
use crate::kernel::tests::noise;

fn bytes(values: &[f32], dtype: Dtype) -> Vec<u8> {
    let each = |v: &f32| match dtype {
        Dtype::F32 => v.to_le_bytes().to_vec(),
        Dtype::F16 => f16::from_f32(*v).to_le_bytes().to_vec(),
        Dtype::BF16 => bf16::from_f32(*v).to_le_bytes().to_vec(),
        _ => f64::from(*v).to_le_bytes().to_vec(),
    };
    values.iter().flat_map(each).collect()
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, tensors: &[(&str, &[usize], Dtype)]) -> PathBuf {
        let data: Vec<Vec<u8>> = tensors
            .iter()
            .map(|(_, shape, dtype)| bytes(&noise(shape.iter().product(), 8), *dtype))
            .collect();
        let views = tensors.iter().zip(&data).map(|((name, shape, dtype), d)| {
            (*name, TensorView::new(*dtype, shape.to_vec(), d).unwrap())
        });
        let path = self.0.path().join(name);
        std::fs::write(&path, serialize(views, None).unwrap()).unwrap();
        path
    }
}

const THREE: [(&str, &[usize], Dtype); 3] = [
    ("a", &[20, 6], Dtype::BF16),
    ("b", &[7], Dtype::F32),
    ("c", &[4, 3, 5], Dtype::F16),
];

fn wanted(names: &[(&str, &[usize])]) -> Vec<Wanted> {
    names.iter().map(|(n, s)| Wanted::new(*n, s)).collect()
}

#[test]
fn all_float_types_are_read() {
    let folder = Folder::new();
    let weights = Weights::open(&folder.write("w", &THREE)).unwrap();
    weights
        .check(&wanted(&[("a", &[20, 6]), ("b", &[7]), ("c", &[4, 3, 5])]))
        .unwrap();
    for (name, count, error) in [("a", 120, 4e-3), ("b", 7, 0.0), ("c", 60, 5e-4)] {
        let values = weights.vector(name);
        assert_eq!(values.len(), count);
        for (got, want) in values.iter().zip(noise(count, 8)) {
            assert!((got - want).abs() <= error);
        }
    }
    let matrix = weights.matrix("c", Format::F32).unwrap();
    let mut row = vec![0f32; 15];
    matrix.row(2, &mut row);
    assert_eq!(row, weights.vector("c")[30..45]);
}

#[test]
fn everything_wrong_is_told_at_once() {
    let folder = Folder::new();
    let path = folder.write(
        "w",
        &[
            ("right", &[2], Dtype::F32),
            ("misshapen", &[2, 3], Dtype::BF16),
            ("mistyped", &[2], Dtype::F64),
            ("left over", &[1], Dtype::F32),
        ],
    );
    let weights = Weights::open(&path).unwrap();
    let error = weights
        .check(&wanted(&[
            ("right", &[2]),
            ("misshapen", &[3, 2]),
            ("mistyped", &[2]),
            ("gone", &[1]),
            ("gone too", &[1]),
        ]))
        .unwrap_err()
        .to_string();
    for part in [
        "2 missing: gone, gone too",
        "1 unexpected: left over",
        "misshapen is [2, 3] and not [3, 2]",
        "mistyped is F64",
        "/w does not hold",
    ] {
        assert!(error.contains(part), "{part:?} not in {error}");
    }
    assert!(!error.contains("right"));
}

#[test]
fn a_long_list_is_cut_and_counted() {
    let missing = (0..40).map(|i| format!("t{i}")).collect();
    let mismatch = Mismatch {
        missing,
        ..Mismatch::default()
    };
    let text = mismatch.to_string();
    assert!(text.starts_with("40 missing: t0, t1") && text.ends_with("and 28 more"));
}

#[test]
fn unusable_files_say_what_is_wrong() {
    let folder = Folder::new();
    let path = folder.write("w", &THREE);
    let whole = std::fs::read(&path).unwrap();
    let error = |content: &[u8]| {
        std::fs::write(&path, content).unwrap();
        Weights::open(&path).unwrap_err().to_string()
    };
    assert!(error(&whole[..whole.len() - 1]).contains("truncated"));
    assert!(error(&whole[..20]).contains("truncated"));
    assert!(error(b"<html>not found</html>").contains("another kind of file"));
    assert!(error(b"").contains("/w"));
    let gone = folder.0.path().join("nothing");
    let error = Weights::open(&gone).unwrap_err().to_string();
    assert!(error.contains("cannot read") && error.contains("nothing"));
}

#[test]
fn packed_matrices_survive_saving() {
    let folder = Folder::new();
    let weights = Weights::open(&folder.write("w", &THREE)).unwrap();
    let all = wanted(&[("a", &[20, 6]), ("b", &[7]), ("c", &[4, 3, 5])]);
    let (a, b) = (
        weights.matrix("a", Format::Q4).unwrap(),
        weights.vector("b"),
    );
    let c = weights.matrix("c", Format::Bf16).unwrap();
    let path = folder.0.path().join("saved.safetensors");
    let tensors = [
        ("a".to_owned(), Kept::Matrix(&a, vec![20, 6])),
        ("b".to_owned(), Kept::Vector(&b, vec![7])),
        ("c".to_owned(), Kept::Matrix(&c, vec![4, 3, 5])),
    ];
    save(&path, &tensors).unwrap();
    let again = Weights::open(&path).unwrap();
    again.check(&all).unwrap();
    // The file knows its formats better than the caller.
    let a_again = again.matrix("a", Format::F32).unwrap();
    assert_eq!(
        (a_again.format(), a_again.packed()),
        (Format::Q4, a.packed())
    );
    assert_eq!(again.vector("b"), b);
    assert_eq!(again.matrix("c", Format::F32).unwrap().packed(), c.packed());
    assert!(!path.with_extension("partial").exists());
}

#[test]
fn a_tensor_kept_the_same_is_the_same_to_the_bit_packed_or_not() {
    let folder = Folder::new();
    let weights = Weights::open(&folder.write("w", &THREE)).unwrap();
    let all = wanted(&[("a", &[20, 6]), ("b", &[7]), ("c", &[4, 3, 5])]);
    weights.check(&all).unwrap();
    let a = weights.matrix("a", Format::Q8).unwrap();
    let (first, second) = (folder.0.path().join("1"), folder.0.path().join("2"));
    let same = |name: &str| (name.to_owned(), Kept::Same(&weights));
    let packed = ("a".to_owned(), Kept::Matrix(&a, vec![20, 6]));
    save(&first, &[packed, same("b"), same("c")]).unwrap();
    let once = Weights::open(&first).unwrap();
    assert_eq!(once.packed("a"), Some(Format::Q8));
    assert_eq!(once.packed("c"), None);
    let kept = ["a", "b", "c"].map(|name| (name.to_owned(), Kept::Same(&once)));
    save(&second, &kept).unwrap();
    let twice = Weights::open(&second).unwrap();
    twice.check(&all).unwrap();
    assert_eq!(twice.matrix("a", Format::F32).unwrap().packed(), a.packed());
    assert_eq!(twice.vector("b"), weights.vector("b"));
    assert_eq!(twice.vector("c"), weights.vector("c"));
}

#[test]
fn a_packed_tensor_that_lies_about_its_size_is_refused() {
    let folder = Folder::new();
    let matrix = Matrix::from_values(Format::Q8, 16, 32, &noise(512, 1)).unwrap();
    let path = folder.0.path().join("w");
    for shape in [vec![16, 33], vec![usize::MAX, 32], vec![]] {
        save(&path, &[("a".to_owned(), Kept::Matrix(&matrix, shape))]).unwrap();
        let error = Weights::open(&path).unwrap_err().to_string();
        assert!(error.contains("a: "), "{error}");
    }
}

#[test]
fn other_names_can_be_accepted() {
    let folder = Folder::new();
    let mut weights = Weights::open(&folder.write("w", &THREE)).unwrap();
    weights.rename(|name| (name == "a").then(|| "z".to_owned()));
    weights.ignore("c");
    weights
        .check(&wanted(&[("z", &[20, 6]), ("b", &[7])]))
        .unwrap();
    assert!(weights.contains("z") && !weights.contains("a"));
}
