//! Attention inside sequences of three tokens: no positions, no mask.
use candle_core::{Device, Result, Tensor, bail};
use voiced_nn::rows::values;

use crate::codec::{dot, softmax};

/// The heads of the flow's layers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Three {
    pub heads: usize,
    pub kv_heads: usize,
    pub head_dim: usize,
}

const TOKENS: usize = 3;

/// The first `queries` tokens of every sequence look at all three. `x` holds keys and values of
/// every token side by side, behind its queries unless these are given as `apart`. Yields
/// `[sequences * queries, heads * head_dim]`.
pub(super) fn mix(
    three: &Three,
    queries: usize,
    x: &Tensor,
    apart: Option<&Tensor>,
) -> Result<Tensor> {
    let d = three.head_dim;
    let (wide, narrow) = (three.heads * d, three.kv_heads * d);
    let (rows, width) = x.dims2()?;
    let keys_at = if apart.is_some() { 0 } else { wide };
    let own = apart.unwrap_or(x);
    let (own_rows, own_width) = own.dims2()?;
    let expected = rows / TOKENS * if apart.is_some() { queries } else { TOKENS };
    if width != keys_at + 2 * narrow || own_rows != expected || own_width < wide {
        bail!(
            "queries {:?} and keys {:?} for {three:?}",
            own.dims(),
            x.dims()
        );
    }
    let mut out = vec![0f32; rows / TOKENS * queries * wide];
    values(x, |x| {
        values(own, |own| {
            let sequences = x.chunks_exact(TOKENS * width);
            let own = own.chunks_exact(own_rows / (rows / TOKENS) * own_width);
            let out = out.chunks_exact_mut(queries * wide);
            for ((x, own), out) in sequences.zip(own).zip(out) {
                for (own, out) in own.chunks_exact(own_width).zip(out.chunks_exact_mut(wide)) {
                    attend(three, &own[..wide], x, width, keys_at, out);
                }
            }
        })
    })??;
    Tensor::from_vec(out, (rows / TOKENS * queries, wide), &Device::Cpu)
}

/// One token's queries over the three rows of `x`, each `width` wide.
fn attend(three: &Three, query: &[f32], x: &[f32], width: usize, keys_at: usize, out: &mut [f32]) {
    let d = three.head_dim;
    let scale = (d as f32).sqrt().recip();
    let group = three.heads / three.kv_heads;
    let heads = query.chunks_exact(d).zip(out.chunks_exact_mut(d));
    for (h, (query, out)) in heads.enumerate() {
        let key = keys_at + h / group * d;
        let value = key + three.kv_heads * d;
        let mut weights = [0f32; TOKENS];
        for (t, weight) in weights.iter_mut().enumerate() {
            let at = t * width + key;
            *weight = dot(query, &x[at..at + d]) * scale;
        }
        softmax(&mut weights);
        for (t, weight) in weights.iter().enumerate() {
            let at = t * width + value;
            for (out, v) in out.iter_mut().zip(&x[at..at + d]) {
                *out += weight * v;
            }
        }
    }
}
