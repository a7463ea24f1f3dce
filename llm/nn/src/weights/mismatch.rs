//! What keeps a file from being the wanted model, said in one message.
use std::fmt;

/// Everything in which a file differs from what a model wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mismatch {
    /// Wanted and not there.
    pub missing: Vec<String>,
    /// There and not wanted.
    pub extra: Vec<String>,
    /// Name, shape found, shape wanted.
    pub misshapen: Vec<(String, Vec<usize>, Vec<usize>)>,
    /// Name and the type found, which is not bf16, f16 or f32.
    pub mistyped: Vec<(String, String)>,
}

impl Mismatch {
    /// Whether there is nothing to complain about.
    pub fn is_empty(&self) -> bool {
        *self == Mismatch::default()
    }
}

/// Names told of one kind; a wrong file differs in all its tensors, and two screens help nobody.
const TOLD: usize = 12;

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let misshapen = self
            .misshapen
            .iter()
            .map(|(name, found, wanted)| format!("{name} is {found:?} and not {wanted:?}"))
            .collect();
        let mistyped = self
            .mistyped
            .iter()
            .map(|(name, found)| format!("{name} is {found} and not BF16, F16 or F32"))
            .collect();
        let kinds = [
            ("missing", self.missing.clone()),
            ("unexpected", self.extra.clone()),
            ("misshapen", misshapen),
            ("of a wrong type", mistyped),
        ];
        let mut first = true;
        for (kind, items) in kinds {
            if items.is_empty() {
                continue;
            }
            let lead = if first { "" } else { "; " };
            first = false;
            let told = items[..items.len().min(TOLD)].join(", ");
            write!(f, "{lead}{} {kind}: {told}", items.len())?;
            if items.len() > TOLD {
                write!(f, " and {} more", items.len() - TOLD)?;
            }
        }
        Ok(())
    }
}
