//! One file on its way out: whole or a range of it, piece by piece.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::BoxStream;

use super::objects::OpenObject;
use super::{ArtifactError, is_absent};

/// Bytes that are read at once.
const PIECE: u64 = 256 * 1024;

/// A file that is open for reading. When another takes its place it stays what it is, or cannot be read any more: in a folder
/// the one, in a store of objects the other.
#[derive(Debug)]
pub struct ArtifactFile {
    content: Content,
    size: u64,
    modified: Option<SystemTime>,
}

/// What is read.
#[derive(Debug)]
enum Content {
    File(File),
    Object(OpenObject),
}

/// Bytes of a file: `start` to `end`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteRange {
    /// The first byte.
    pub start: u64,
    /// The last byte.
    pub end: u64,
}

impl ByteRange {
    /// How many bytes.
    #[expect(clippy::len_without_is_empty, reason = "a range of HTTP has at least one byte")]
    pub fn len(self) -> u64 {
        self.end - self.start + 1
    }

    /// Reads `bytes=a-b`, `bytes=a-` and `bytes=-n` (RFC 9110 section 14.1.2) for a file of `size` bytes. `Ok(None)` for what
    /// may be ignored: another unit, several ranges, or a mistake; `Err` when the file has none of the bytes.
    ///
    /// # Errors
    /// The size, for the answer 416.
    pub fn of_header(header: &str, size: u64) -> Result<Option<Self>, u64> {
        let Some((first, last)) = header.trim().strip_prefix("bytes=").and_then(|ranges| ranges.split_once('-')) else {
            return Ok(None);
        };
        let (first, last) = (first.trim(), last.trim());
        let numbers = (first.parse::<u64>().ok(), last.parse::<u64>().ok());
        let range = match numbers {
            (Some(start), Some(end)) if start <= end => Self { start, end: end.min(size.saturating_sub(1)) },
            (Some(start), None) if last.is_empty() => Self { start, end: size.saturating_sub(1) },
            (None, Some(count)) if first.is_empty() => {
                if count == 0 {
                    return Err(size);
                }
                Self { start: size.saturating_sub(count), end: size.saturating_sub(1) }
            }
            _ => return Ok(None),
        };
        if range.start >= size { Err(size) } else { Ok(Some(range)) }
    }
}

impl ArtifactFile {
    /// An object of so many bytes.
    pub(super) fn of_object(object: OpenObject, size: u64, modified: SystemTime) -> Self {
        Self { content: Content::Object(object), size, modified: Some(modified) }
    }

    /// Bytes of the file.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// A tag that differs whenever the content does, in quotes as HTTP has it: files are replaced, never changed in place.
    pub fn tag(&self) -> String {
        if let Content::Object(object) = &self.content
            && let Some(tag) = object.tag()
        {
            return format!("\"{tag}\"");
        }
        let age = self.modified.and_then(|modified| modified.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
        format!("\"{:x}-{:x}\"", self.size, age.as_nanos())
    }

    /// When the file was put.
    pub fn modified(&self) -> Option<SystemTime> {
        self.modified
    }

    /// The bytes of `range`, or all, in pieces; two of at most 4 MiB are in memory at a time.
    pub fn bytes(self, range: Option<ByteRange>) -> BoxStream<'static, io::Result<Bytes>> {
        let (start, length) = range.map_or((0, self.size), |range| (range.start, range.len()));
        match self.content {
            Content::File(file) => pieces(file, start, length),
            Content::Object(object) => object.pieces(start, length),
        }
    }
}

fn pieces(file: File, start: u64, length: u64) -> BoxStream<'static, io::Result<Bytes>> {
    let pieces = futures::stream::try_unfold((file, start, length), |(file, at, remaining)| async move {
        if remaining == 0 {
            return Ok(None);
        }
        let (file, piece) = tokio::task::spawn_blocking(move || read(file, at, remaining.min(PIECE)))
            .await
            .map_err(io::Error::other)??;
        let length = piece.len() as u64;
        Ok(Some((piece, (file, at + length, remaining - length))))
    });
    pieces.boxed()
}

fn read(mut file: File, at: u64, length: u64) -> io::Result<(File, Bytes)> {
    file.seek(SeekFrom::Start(at))?;
    let mut piece = Vec::with_capacity(usize::try_from(length).map_err(io::Error::other)?);
    (&mut file).take(length).read_to_end(&mut piece)?;
    if (piece.len() as u64) < length {
        // The connection must break, so that the client does not take it for the whole file.
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok((file, piece.into()))
}

pub(super) fn open(place: &Path, path: &str) -> Result<ArtifactFile, ArtifactError> {
    let refused = |error: io::Error| {
        if is_absent(&error) {
            return ArtifactError::Missing { path: path.to_owned() };
        }
        let (reason, hint) = (error.to_string(), "check the artifacts' folder and try again");
        ArtifactError::Disk { action: "read", path: path.to_owned(), reason, hint }
    };
    let found = std::fs::symlink_metadata(place).map_err(refused)?;
    if found.is_dir() {
        return Err(ArtifactError::Folder { path: path.to_owned() });
    }
    if found.is_symlink() {
        return Err(ArtifactError::Missing { path: path.to_owned() });
    }
    let file = File::open(place).map_err(refused)?;
    let opened = file.metadata().map_err(refused)?;
    Ok(ArtifactFile { content: Content::File(file), size: opened.len(), modified: opened.modified().ok() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_http_has_them() {
        let range = |header: &str| {
            ByteRange::of_header(header, 100).map(|found| found.map(|ByteRange { start, end }| (start, end)))
        };
        assert_eq!(range("bytes=0-9"), Ok(Some((0, 9))));
        assert_eq!(range("bytes=90-"), Ok(Some((90, 99))));
        assert_eq!(range("bytes=-10"), Ok(Some((90, 99))));
        assert_eq!(range("bytes=-1000"), Ok(Some((0, 99))));
        assert_eq!(range("bytes=50-1000"), Ok(Some((50, 99))));
        for ignored in ["bytes=9-0", "items=0-9", "bytes=0-9,20-29", "bytes=a-b", "bytes=-", "bytes"] {
            assert_eq!(range(ignored), Ok(None), "{ignored}");
        }
        for absent in ["bytes=100-", "bytes=100-200", "bytes=-0"] {
            assert_eq!(range(absent), Err(100), "{absent}");
        }
        assert_eq!(ByteRange::of_header("bytes=0-", 0), Err(0));
    }
}
