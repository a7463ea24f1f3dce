//! Reads the one tensor of a `torch.save` file without Python: a zip archive of stored entries, of
//! which the one that ends in `/data/0` is the raw storage, little-endian, row after row.
//!
//! Only what these files are is accepted: no compression, no encryption, no zip64.
use half::bf16;

/// Why a file is not a saved matrix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TorchError {
    /// Not a zip archive, or not all of it.
    #[error("not a saved tensor: {0}")]
    NotAnArchive(&'static str),
    /// Nothing in it is a storage.
    #[error("the archive has no entry data/0: not a single saved tensor")]
    NoStorage,
    /// The values are of another type.
    #[error("the tensor is not of bfloat16")]
    NotBf16,
    /// The size is not that of whole rows.
    #[error("{bytes} bytes are no rows of {dim} bfloat16 values")]
    Size {
        /// Bytes of the storage.
        bytes: usize,
        /// Width of a row.
        dim: usize,
    },
}

const END: [u8; 4] = *b"PK\x05\x06";
const ENTRY: [u8; 4] = *b"PK\x01\x02";
const LOCAL: [u8; 4] = *b"PK\x03\x04";
/// Fixed part of the end record, and of the two kinds of headers.
const END_LEN: usize = 22;
const ENTRY_LEN: usize = 46;
const LOCAL_LEN: usize = 30;

/// The values of a saved matrix `[rows, dim]` of bfloat16.
pub fn read_rows(file: &[u8], dim: usize) -> Result<Vec<f32>, TorchError> {
    let entries = entries(file)?;
    let find = |ending: &str| entries.iter().find(|e| e.name.ends_with(ending.as_bytes()));
    let storage = find("/data/0").ok_or(TorchError::NoStorage)?;
    let storage = storage.bytes(file)?;
    // The pickle beside it names the type of the storage; a size alone could be another type's.
    let described = find("/data.pkl")
        .ok_or(TorchError::NoStorage)?
        .bytes(file)?;
    let needle = b"BFloat16Storage";
    if !described.windows(needle.len()).any(|w| w == needle) {
        return Err(TorchError::NotBf16);
    }
    if dim == 0 || storage.is_empty() || !storage.len().is_multiple_of(2 * dim) {
        return Err(TorchError::Size {
            bytes: storage.len(),
            dim,
        });
    }
    let (values, _) = storage.as_chunks::<2>();
    Ok(values
        .iter()
        .map(|b| bf16::from_le_bytes(*b).to_f32())
        .collect())
}

struct Entry<'a> {
    name: &'a [u8],
    method: u16,
    size: usize,
    local: usize,
}

fn u16_at(bytes: &[u8], at: usize) -> Option<usize> {
    Some(usize::from(u16::from_le_bytes(
        *bytes.get(at..)?.first_chunk()?,
    )))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?)).ok()
}

/// The central directory, found from the end of the file, where a comment may follow it.
fn entries(file: &[u8]) -> Result<Vec<Entry<'_>>, TorchError> {
    const NO_END: TorchError = TorchError::NotAnArchive("it has no table of contents");
    const BROKEN: TorchError = TorchError::NotAnArchive("its table of contents is broken");
    let last = file.len().checked_sub(END_LEN).ok_or(NO_END)?;
    let first = last.saturating_sub(usize::from(u16::MAX));
    let end = (first..=last)
        .rev()
        .find(|at| file[*at..].starts_with(&END))
        .ok_or(NO_END)?;
    let count = u16_at(file, end + 10).ok_or(BROKEN)?;
    let mut at = u32_at(file, end + 16).ok_or(BROKEN)?;
    let mut entries = Vec::new();
    for _ in 0..count {
        let header = file
            .get(at..)
            .filter(|h| h.starts_with(&ENTRY))
            .ok_or(BROKEN)?;
        let entry = || {
            let lengths = (
                u16_at(header, 28)?,
                u16_at(header, 30)?,
                u16_at(header, 32)?,
            );
            let entry = Entry {
                name: header.get(ENTRY_LEN..ENTRY_LEN + lengths.0)?,
                method: u16_at(header, 10)? as u16,
                size: u32_at(header, 24)?,
                local: u32_at(header, 42)?,
            };
            Some((entry, ENTRY_LEN + lengths.0 + lengths.1 + lengths.2))
        };
        let (entry, len) = entry().ok_or(BROKEN)?;
        entries.push(entry);
        at += len;
    }
    Ok(entries)
}

impl Entry<'_> {
    fn bytes<'a>(&self, file: &'a [u8]) -> Result<&'a [u8], TorchError> {
        const BROKEN: TorchError = TorchError::NotAnArchive("an entry lies outside of it");
        if self.method != 0 {
            return Err(TorchError::NotAnArchive("its entries are compressed"));
        }
        // The local header's own lengths: the padding that aligns the data is only there.
        let header = file
            .get(self.local..)
            .filter(|h| h.starts_with(&LOCAL))
            .ok_or(BROKEN)?;
        let name = u16_at(header, 26).ok_or(BROKEN)?;
        let extra = u16_at(header, 28).ok_or(BROKEN)?;
        let from = LOCAL_LEN + name + extra;
        header
            .get(from..from.saturating_add(self.size))
            .ok_or(BROKEN)
    }
}
