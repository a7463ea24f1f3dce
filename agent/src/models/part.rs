//! A file on its way: added up as it comes, and named as itself only when it is whole.
use std::{
    fs::{File, OpenOptions},
    io::{Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use super::{
    checksum::{Sum, add},
    hub::HubError,
    manifest::Entry,
};

/// A file on its way: named `*.partial` until it is whole, locked against others.
pub struct Part {
    path: PathBuf,
    file: File,
    entry: Entry,
    /// Bytes that are there.
    pub len: u64,
    sum: Sum,
}

impl Part {
    /// Opens it with what an earlier attempt left, added up.
    ///
    /// # Errors
    /// When the disk does not take it, or somebody else is at it.
    pub fn open(to: &Path, entry: &Entry) -> Result<Part, HubError> {
        let path = to.with_added_extension("partial");
        let disk = |source| HubError::Disk {
            path: path.clone(),
            source,
        };
        if let Some(folder) = to.parent() {
            std::fs::create_dir_all(folder).map_err(disk)?;
        }
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(&path).map_err(disk)?;
        if file.try_lock().is_err() {
            return Err(HubError::Busy { path });
        }
        let mut sum = Sum::new(&entry.checksum, entry.size);
        let len = add(&mut file, &mut sum).map_err(disk)?;
        let mut part = Part {
            path,
            file,
            entry: entry.clone(),
            len,
            sum,
        };
        if part.len > entry.size {
            part.empty()?;
        }
        Ok(part)
    }

    fn disk(&self) -> impl Fn(std::io::Error) -> HubError + use<> {
        let path = self.path.clone();
        move |source| HubError::Disk {
            path: path.clone(),
            source,
        }
    }

    /// More bytes.
    ///
    /// # Errors
    /// When the disk does not take them.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), HubError> {
        self.file.write_all(bytes).map_err(self.disk())?;
        self.sum.update(bytes);
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// From the beginning again.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn empty(&mut self) -> Result<(), HubError> {
        self.file.set_len(0).map_err(self.disk())?;
        self.file.seek(SeekFrom::Start(0)).map_err(self.disk())?;
        self.sum = Sum::new(&self.entry.checksum, self.entry.size);
        self.len = 0;
        Ok(())
    }

    /// Whether the bytes are the right ones. The sum starts anew.
    pub fn fits(&mut self) -> bool {
        let fresh = Sum::new(&self.entry.checksum, self.entry.size);
        self.len == self.entry.size && std::mem::replace(&mut self.sum, fresh).fits()
    }

    /// Gives it its own name.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn finish(self, to: &Path) -> Result<(), HubError> {
        self.file.sync_all().map_err(self.disk())?;
        std::fs::rename(&self.path, to).map_err(self.disk())
    }
}
