//! Plain views of candle tensors for operations written here.
use candle_core::{DType, Result, Storage, Tensor, bail};

/// Gives `body` the values of a contiguous f32 tensor on the CPU.
pub fn values<R>(tensor: &Tensor, body: impl FnOnce(&[f32]) -> R) -> Result<R> {
    if tensor.dtype() != DType::F32 || !tensor.is_contiguous() {
        let (shape, dtype) = (tensor.shape(), tensor.dtype());
        bail!("expected contiguous f32 rows, got {shape:?} of {dtype:?}");
    }
    let (storage, layout) = tensor.storage_and_layout();
    let Storage::Cpu(cpu) = &*storage else {
        bail!("this operation has no kernel for {:?} yet", tensor.device());
    };
    let all = cpu.as_slice::<f32>()?;
    let from = layout.start_offset();
    Ok(body(&all[from..from + tensor.elem_count()]))
}
