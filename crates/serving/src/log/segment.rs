//! Segment files: their names, their locks, and the end of the last whole line.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use crate::error::ServingError;

/// A segment that this process writes; its lock goes when the value is dropped or the process ends.
pub(super) struct Segment {
    file: File,
    pub(super) path: PathBuf,
    pub(super) number: u64,
    /// Bytes that are whole lines on disk.
    pub(super) length: u64,
}

impl Segment {
    /// The newest segment in `folder`, from number `at_least` on, that no other process writes; a new one when there is
    /// none.
    pub(super) fn open(folder: &Path, at_least: u64) -> Result<Self, ServingError> {
        std::fs::create_dir_all(folder).map_err(|error| ServingError::log("create", folder, &error))?;
        let newest = list(folder)?.last().map_or(1, |(number, _)| *number);
        let mut number = newest.max(at_least);
        loop {
            let path = folder.join(format!("{number:08}.jsonl"));
            let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
            let mut file = options.map_err(|error| ServingError::log("open", &path, &error))?;
            match file.try_lock() {
                Ok(()) => {
                    let length = cut_torn_line(&mut file).map_err(|error| ServingError::log("mend", &path, &error))?;
                    sync_folder(folder)?;
                    return Ok(Self { file, path, number, length });
                }
                Err(TryLockError::WouldBlock) => number += 1,
                Err(TryLockError::Error(error)) => return Err(ServingError::log("lock", &path, &error)),
            }
        }
    }

    /// Writes whole lines after what is there; they may not be on disk before [`Self::sync`].
    pub(super) fn write(&mut self, lines: &[u8]) -> Result<(), ServingError> {
        self.file.write_all(lines).map_err(|error| ServingError::log("write", &self.path, &error))
    }

    /// Puts what was written on disk.
    pub(super) fn sync(&mut self) -> Result<(), ServingError> {
        let end = self.file.sync_data().and_then(|()| self.file.stream_position());
        self.length = end.map_err(|error| ServingError::log("sync", &self.path, &error))?;
        Ok(())
    }

    /// Takes back what was written since the last sync.
    pub(super) fn take_back(self) {
        // Should this fail too, the next writer cuts off the torn line; whole lines of a failed write may then remain,
        // as after any crash between writing and acknowledging.
        let _best_effort = self.file.set_len(self.length);
    }
}

/// The segments of a folder by number; none when the folder is missing.
pub(super) fn list(folder: &Path) -> Result<Vec<(u64, PathBuf)>, ServingError> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(ServingError::log("list", folder, &error)),
    };
    let mut segments = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| ServingError::log("list", folder, &error))?.path();
        let is_segment = path.extension().is_some_and(|extension| extension == "jsonl");
        let number = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
        segments.extend(number.filter(|_| is_segment).map(|number| (number, path)));
    }
    segments.sort();
    Ok(segments)
}

/// A new file is only durable once its folder is.
fn sync_folder(folder: &Path) -> Result<(), ServingError> {
    let opened = File::open(folder).and_then(|folder| folder.sync_all());
    opened.map_err(|error| ServingError::log("sync", folder, &error))
}

/// Cuts off what follows the last newline, moves to the end, and answers the length.
fn cut_torn_line(file: &mut File) -> io::Result<u64> {
    const CHUNK: u64 = 64 << 10;
    let full = file.metadata()?.len();
    let mut end = full;
    let mut whole = 0;
    while end > 0 {
        let start = end.saturating_sub(CHUNK);
        let mut chunk = vec![0; (end - start) as usize];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(&mut chunk)?;
        if let Some(newline) = chunk.iter().rposition(|byte| *byte == b'\n') {
            whole = start + newline as u64 + 1;
            break;
        }
        end = start;
    }
    if whole < full {
        file.set_len(whole)?;
        file.sync_data()?;
    }
    file.seek(SeekFrom::Start(whole))
}
