//! What a file's bytes should be: a hub tells SHA-256 of large files and git's own SHA-1 of small
//! ones.
use std::{fs::File, io, path::Path};

use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256};
use serde::{Deserialize, Serialize};

/// A checksum in lower-case hex.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Checksum {
    /// Of the bytes.
    Sha256(String),
    /// Of the bytes behind git's header of a blob. Enough to notice damage; who could forge it
    /// could forge the revision.
    Git(String),
}

/// Adds bytes up.
pub struct Sum {
    context: Context,
    wanted: Checksum,
}

impl Sum {
    /// Of a file of `size` bytes.
    pub fn new(wanted: &Checksum, size: u64) -> Sum {
        let context = match wanted {
            Checksum::Sha256(_) => Context::new(&SHA256),
            Checksum::Git(_) => {
                let mut context = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
                context.update(format!("blob {size}\0").as_bytes());
                context
            }
        };
        Sum {
            context,
            wanted: wanted.clone(),
        }
    }

    /// More bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.context.update(bytes);
    }

    /// Whether the bytes were the right ones.
    pub fn fits(self) -> bool {
        let (Checksum::Sha256(wanted) | Checksum::Git(wanted)) = self.wanted;
        hex(self.context.finish().as_ref()) == wanted
    }
}

/// Adds up a file from where it stands to its end.
pub fn add(file: &mut impl io::Read, sum: &mut Sum) -> io::Result<u64> {
    let mut buffer = vec![0; 1 << 20];
    let mut all = 0;
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(all),
            n => {
                sum.update(&buffer[..n]);
                all += n as u64;
            }
        }
    }
}

/// SHA-256 of a file.
pub fn of(path: &Path) -> io::Result<Checksum> {
    let mut sum = Sum::new(&Checksum::Sha256(String::new()), 0);
    add(&mut File::open(path)?, &mut sum)?;
    Ok(Checksum::Sha256(hex(sum.context.finish().as_ref())))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sums_are_those_of_the_tools() {
        // `printf 'hello\n' | sha256sum`, `git hash-object`.
        let sha256 = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
        let git = "ce013625030ba8dba906f756967f9e9ca394464a";
        for (wanted, fits) in [
            (Checksum::Sha256(sha256.to_owned()), true),
            (Checksum::Git(git.to_owned()), true),
            (Checksum::Git(sha256.to_owned()), false),
        ] {
            let mut sum = Sum::new(&wanted, 6);
            sum.update(b"hel");
            sum.update(b"lo\n");
            assert_eq!(sum.fits(), fits, "{wanted:?}");
        }
    }
}
