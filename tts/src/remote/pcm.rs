//! Bare samples out of bytes, however the network cut them. Pure.

/// How a sample is written, little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// 16-bit integers.
    Int16,
    /// 32-bit floats.
    Float32,
}

/// Cuts a stream of bytes into samples.
#[derive(Debug)]
pub(super) struct Samples {
    encoding: Encoding,
    pending: Vec<u8>,
    first: bool,
}

/// What comes is a file where bare samples were asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotBare(pub &'static str);

impl Samples {
    pub fn new(encoding: Encoding) -> Samples {
        Samples {
            encoding,
            pending: Vec::new(),
            first: true,
        }
    }

    /// Takes in the next bytes and appends whole samples to `out`.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<f32>) -> Result<(), NotBare> {
        self.pending.extend_from_slice(bytes);
        if self.first && self.pending.len() < 4 {
            return Ok(());
        }
        if std::mem::replace(&mut self.first, false) {
            let files: [(&[u8], &str); 5] = [
                (b"RIFF", "WAV"),
                (b"fLaC", "FLAC"),
                (b"OggS", "Ogg"),
                (b"ID3", "MP3"),
                (b"\xff\xfb", "MP3"),
            ];
            let kind = files.iter().find(|file| self.pending.starts_with(file.0));
            if let Some((_, kind)) = kind {
                return Err(NotBare(kind));
            }
        }
        match self.encoding {
            Encoding::Int16 => {
                let (whole, rest) = self.pending.as_chunks::<2>();
                let sample = |b: &[u8; 2]| f32::from(i16::from_le_bytes(*b)) / 32_768.0;
                out.extend(whole.iter().map(sample));
                self.pending = rest.to_vec();
            }
            Encoding::Float32 => {
                let (whole, rest) = self.pending.as_chunks::<4>();
                out.extend(whole.iter().map(|b| f32::from_le_bytes(*b)));
                self.pending = rest.to_vec();
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(encoding: Encoding, bytes: &[u8], size: usize) -> Result<Vec<f32>, NotBare> {
        let (mut samples, mut out) = (Samples::new(encoding), Vec::new());
        for piece in bytes.chunks(size) {
            samples.push(piece, &mut out)?;
        }
        Ok(out)
    }

    #[test]
    fn samples_come_out_however_the_bytes_are_cut() {
        let ints: Vec<u8> = [0_i16, 16_384, -32_768, 1, 2]
            .iter()
            .flat_map(|s| s.to_le_bytes())
            .collect();
        let floats: Vec<u8> = [0.0_f32, 0.25, -1.0]
            .iter()
            .flat_map(|s| s.to_le_bytes())
            .collect();
        for size in 1..12 {
            let got = read(Encoding::Int16, &ints, size);
            assert_eq!(got.map(|s| s[..3].to_vec()), Ok(vec![0.0, 0.5, -1.0]));
            let got = read(Encoding::Float32, &floats, size);
            assert_eq!(got, Ok(vec![0.0, 0.25, -1.0]));
        }
        // What is left of a sample is nothing.
        assert_eq!(read(Encoding::Int16, &ints[..7], 7).map(|s| s.len()), Ok(3));
    }

    #[test]
    fn a_file_is_not_taken_for_samples() {
        for size in [1, 3, 100] {
            let got = read(Encoding::Int16, b"RIFF\0\0\0\0WAVE", size);
            assert_eq!(got, Err(NotBare("WAV")));
        }
    }
}
