//! The inbox of a source: deliveries as files, in the order of their arrival, each on disk before anybody hears of it.
//!
//! A delivery is one file, `SEQUENCE.KEY.HASH.ENDING`: the number of its arrival, the hash of its idempotency key or `-`, and
//! the hash of what was sent. Its first line is the receipt, what was sent follows. The file is written aside, flushed, and
//! renamed, one at a time whatever the number of servers, so that who sees a number has seen all before it. Landed deliveries
//! go when there is no room for them; the receipts of those that had a key stay a while.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::delivery::{BrokenLine, Contents, DeliveryFormat, look_through};

/// Receipts that are kept of deliveries which are gone.
const MAX_RECEIPTS: usize = 100_000;
const LOCK: &str = "lock";
/// Holds the last number that was given out.
const COUNTER: &str = "sequence";
/// Holds the last number of those that are gone.
const DROPPED: &str = "dropped";
const RECEIPT: &str = "receipt";
const NO_KEY: &str = "-";

/// Why a delivery is not taken.
#[derive(Debug, thiserror::Error)]
pub enum InboxError {
    /// No line of it can land.
    #[error("no line is a JSON object{}", first_of(.first))]
    NoObject {
        /// The first line, and what is wrong with it; none when there is no line.
        first: Option<BrokenLine>,
    },
    /// It is no Arrow IPC stream.
    #[error("the body is not a stream of Arrow's IPC format: {reason}")]
    NotArrow {
        /// What is wrong with it.
        reason: String,
    },
    /// Its key came with something else before.
    #[error("idempotency key `{key}` came before with another body")]
    KeyReused {
        /// The key.
        key: String,
    },
    /// It cannot be written down.
    #[error("the inbox `{folder}` cannot be written: {source}")]
    Io {
        /// The folder.
        folder: String,
        /// The system's reason.
        source: io::Error,
    },
}

fn first_of(first: &Option<BrokenLine>) -> String {
    match first {
        Some(first) => format!("; line {}: {}", first.line, first.reason),
        None => "; the body is empty".to_owned(),
    }
}

/// What a sender is told of a delivery that is on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Its number; deliveries land in the order of their numbers.
    pub sequence: u64,
    /// When it came, microseconds since 1970-01-01 UTC.
    pub received_at: i64,
    /// Bytes of the body.
    pub bytes: u64,
    /// Rows that will land, unless the source's contract sets them aside.
    pub rows: u64,
    /// Lines that cannot land.
    pub broken: u64,
    /// The first of them.
    pub broken_lines: Vec<BrokenLine>,
    /// BLAKE3 of the body, as 64 hexadecimal digits.
    pub hash: String,
}

/// A file of the inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) sequence: u64,
    key: String,
    hash: String,
    /// `None` when only the receipt is left.
    pub(super) format: Option<DeliveryFormat>,
    path: PathBuf,
}

impl Entry {
    /// When it came, in microseconds since the epoch, as far as the file system knows.
    pub(super) fn since(&self) -> Option<i64> {
        let modified = fs::metadata(&self.path).and_then(|found| found.modified()).ok()?;
        i64::try_from(modified.duration_since(std::time::UNIX_EPOCH).ok()?.as_micros()).ok()
    }
}

/// The inbox of one source.
#[derive(Debug)]
pub struct Inbox {
    folder: PathBuf,
    index: Mutex<Index>,
}

/// What is in the folder, as of the number that was given out last.
#[derive(Debug, Default)]
struct Index {
    as_of: Option<u64>,
    next: u64,
    keys: HashMap<String, Entry>,
}

impl Inbox {
    /// The inbox in a folder, which is made when the first delivery comes.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, index: Mutex::default() }
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Takes a delivery that came at `now` (microseconds since 1970): it is on disk when this returns. One whose key came
    /// before with the same body is not taken again, and gets the same receipt.
    ///
    /// # Errors
    /// Nothing in it can land, its key came before with another body, the disk refuses.
    pub fn receive(
        &self,
        format: DeliveryFormat,
        body: &[u8],
        key: Option<&str>,
        now: i64,
    ) -> Result<Receipt, InboxError> {
        let contents = look_through(format, body)?;
        let hash = blake3::hash(body).to_hex().to_string();
        let mark = key.map_or_else(|| NO_KEY.to_owned(), |key| short_hash(key.as_bytes()));
        let failed = |source| InboxError::Io { folder: self.folder.display().to_string(), source };
        if let Some(known) = key.and_then(|_| self.known(&mark)) {
            return self.again(&known, &hash, key).map_err(failed)?;
        }
        fs::create_dir_all(&self.folder).map_err(failed)?;
        let Contents { rows, broken, broken_lines } = contents;
        let bytes = body.len() as u64;
        let draft = Receipt { sequence: 0, received_at: now, bytes, rows, broken, broken_lines, hash: hash.clone() };
        let aside = write_aside(&self.folder, &draft, body).map_err(failed)?;
        let kept = self.keep(aside, (&mark, &hash), format).map_err(failed)?;
        // Whoever lists the folder after a power failure must find the name, too.
        File::open(&self.folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
        match kept {
            Kept::New(sequence) => Ok(Receipt { sequence, ..draft }),
            Kept::Before(known) => self.again(&known, &hash, key).map_err(failed)?,
        }
    }

    fn known(&self, mark: &str) -> Option<Entry> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner).keys.get(mark).cloned()
    }

    /// The receipt of a delivery whose key came before.
    fn again(&self, known: &Entry, hash: &str, key: Option<&str>) -> io::Result<Result<Receipt, InboxError>> {
        if known.hash != hash {
            return Ok(Err(InboxError::KeyReused { key: key.unwrap_or_default().to_owned() }));
        }
        let current = if known.path.exists() { known.clone() } else { self.renamed(known)? };
        let receipt = current.receipt()?;
        File::open(&self.folder)?.sync_all()?;
        Ok(Ok(receipt))
    }

    /// The file that stands for a delivery which has landed meanwhile and is gone.
    fn renamed(&self, known: &Entry) -> io::Result<Entry> {
        let entries = self.entries()?;
        let found = entries.into_iter().find(|entry| entry.sequence == known.sequence);
        found.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "its receipt is gone"))
    }

    /// Gives a written delivery its number and its name, one process at a time.
    fn keep(&self, aside: tempfile::TempPath, (mark, hash): (&str, &str), format: DeliveryFormat) -> io::Result<Kept> {
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(self.folder.join(LOCK))?;
        lock.lock()?;
        let mut index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        let given_out = number_in(&self.folder.join(COUNTER))?;
        if index.as_of != Some(given_out) {
            *index = self.index_of(given_out)?;
        }
        if let Some(known) = index.keys.get(mark) {
            return Ok(Kept::Before(known.clone()));
        }
        let sequence = index.next;
        // A number that was given out and never used is a gap, which harms nobody; one used twice would.
        fs::write(self.folder.join(COUNTER), sequence.to_string())?;
        let path = self.folder.join(format!("{sequence:020}.{mark}.{hash}.{}", format.ending()));
        aside.persist(&path).map_err(|error| error.error)?;
        (index.as_of, index.next) = (Some(sequence), sequence + 1);
        if mark != NO_KEY {
            let (key, hash) = (mark.to_owned(), hash.to_owned());
            index.keys.insert(key.clone(), Entry { sequence, key, hash, format: Some(format), path });
        }
        Ok(Kept::New(sequence))
    }

    fn index_of(&self, given_out: u64) -> io::Result<Index> {
        let entries = self.entries()?;
        let last = entries.last().map_or(0, |entry| entry.sequence).max(given_out).max(self.dropped()?);
        let keys = entries.into_iter().filter(|entry| entry.key != NO_KEY);
        let keys = keys.map(|entry| (entry.key.clone(), entry)).collect();
        Ok(Index { as_of: Some(given_out), next: last + 1, keys })
    }

    /// Everything that is there, in order; nothing when no delivery ever came.
    pub(super) fn entries(&self) -> io::Result<Vec<Entry>> {
        let listed = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            listed => listed?,
        };
        let mut entries = Vec::new();
        for file in listed {
            entries.extend(Entry::of(file?.path()));
        }
        entries.sort_by_key(|entry| entry.sequence);
        Ok(entries)
    }

    /// The last number of those that are gone; 0 when none is.
    pub(super) fn dropped(&self) -> io::Result<u64> {
        number_in(&self.folder.join(DROPPED))
    }

    /// Lets landed deliveries go, the oldest first, until the others have no more than `keep` bytes.
    pub(super) fn let_go(&self, landed: u64, keep: u64) -> io::Result<()> {
        let entries = self.entries()?;
        let mut kept = 0;
        let mut going = Vec::new();
        for entry in entries.iter().rev().filter(|entry| entry.format.is_some() && entry.sequence <= landed) {
            kept += fs::metadata(&entry.path).map_or(0, |metadata| metadata.len());
            if kept > keep {
                going.push(entry);
            }
        }
        let Some(newest) = going.first() else { return Ok(()) };
        write_whole(
            &self.folder,
            &self.folder.join(DROPPED),
            newest.sequence.max(self.dropped()?).to_string().as_bytes(),
        )?;
        for entry in going {
            if entry.key != NO_KEY {
                let receipt = serde_json::to_vec(&entry.receipt()?)?;
                write_whole(&self.folder, &entry.path.with_extension(RECEIPT), &[&receipt[..], b"\n"].concat())?;
            }
            fs::remove_file(&entry.path)?;
        }
        let receipts = entries.iter().filter(|entry| entry.format.is_none());
        let surplus = receipts.clone().count().saturating_sub(MAX_RECEIPTS);
        receipts.take(surplus).try_for_each(|entry| fs::remove_file(&entry.path))
    }
}

enum Kept {
    New(u64),
    Before(Entry),
}

impl Entry {
    fn of(path: PathBuf) -> Option<Self> {
        let name = path.file_name()?.to_str()?.to_owned();
        let mut parts = name.split('.');
        let (sequence, key, hash, ending) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let format = match ending {
            "jsonl" => Some(DeliveryFormat::JsonLines),
            "arrows" => Some(DeliveryFormat::ArrowStream),
            RECEIPT => None,
            _ => return None,
        };
        Some(Self { sequence: sequence.parse().ok()?, key: key.to_owned(), hash: hash.to_owned(), format, path })
    }

    /// What its sender was told.
    pub(super) fn receipt(&self) -> io::Result<Receipt> {
        let mut line = Vec::new();
        io::BufRead::read_until(&mut io::BufReader::new(File::open(&self.path)?), b'\n', &mut line)?;
        let receipt: Receipt = serde_json::from_slice(&line)?;
        Ok(Receipt { sequence: self.sequence, ..receipt })
    }

    /// What was sent.
    pub(super) fn body(&self) -> io::Result<Vec<u8>> {
        let mut content = fs::read(&self.path)?;
        let start = content.iter().position(|byte| *byte == b'\n').map_or(content.len(), |end| end + 1);
        let body = content.split_off(start);
        if blake3::hash(&body).to_hex().as_str() != self.hash {
            let reason = format!("`{}` is not what was received", self.path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        }
        Ok(body)
    }
}

fn write_aside(folder: &Path, receipt: &Receipt, body: &[u8]) -> io::Result<tempfile::TempPath> {
    let mut file = tempfile::Builder::new().prefix("incoming-").tempfile_in(folder)?;
    serde_json::to_writer(&mut file, receipt)?;
    file.write_all(b"\n")?;
    file.write_all(body)?;
    file.as_file().sync_all()?;
    Ok(file.into_temp_path())
}

/// Writes a file so that it is whole or not there.
fn write_whole(folder: &Path, path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = tempfile::Builder::new().prefix("incoming-").tempfile_in(folder)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()
}

fn number_in(path: &Path) -> io::Result<u64> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        text => Ok(text?.trim().parse().unwrap_or(0)),
    }
}

fn short_hash(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().get(..32).unwrap_or_default().to_owned()
}
