//! Opening files: decompression, byte order marks, and telling a mistaken format by its first bytes.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read, Seek as _};

use flate2::read::MultiGzDecoder;

use crate::{Compression, ConnectorError, Unit};

const BUFFER_BYTES: usize = 256 << 10;

/// Opens the file as stored.
pub(super) fn open_file(unit: &Unit) -> Result<File, ConnectorError> {
    File::open(unit.full_path()).map_err(|source| io_error(unit, "open", source))
}

/// Opens a text file: decompressed, without byte order mark.
pub(super) fn open_text(unit: &Unit) -> Result<Box<dyn BufRead + Send>, ConnectorError> {
    let mut reader = decompressed(unit, open_file(unit)?)?;
    let mut start = Vec::with_capacity(4);
    reader.by_ref().take(4).read_to_end(&mut start).map_err(|source| read_error(unit, None, source))?;
    refuse_other_formats(unit, &start)?;
    let mark = if start.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let rest = Cursor::new(start.split_off(mark)).chain(reader);
    Ok(Box::new(BufReader::with_capacity(BUFFER_BYTES, rest)))
}

/// Opens a file to seek in: as stored, or decompressed into a temporary file that goes away when closed.
pub(super) fn open_seekable(unit: &Unit) -> Result<File, ConnectorError> {
    let file = open_file(unit)?;
    if unit.format.compression == Compression::None {
        return Ok(file);
    }
    let mut reader = decompressed(unit, file)?;
    let mut temporary = tempfile::tempfile().map_err(|source| io_error(unit, "make a temporary file for", source))?;
    io::copy(&mut reader, &mut temporary).map_err(|source| read_error(unit, None, source))?;
    temporary.rewind().map_err(|source| io_error(unit, "read", source))?;
    Ok(temporary)
}

/// Why the next record or line of a text file could not be had.
#[derive(Debug)]
pub(crate) enum TextError {
    /// The stream failed.
    Stream(io::Error),
    /// The record that begins on `line` has no sound end.
    Record { line: u64, reason: String, hint: &'static str },
}

impl From<io::Error> for TextError {
    fn from(error: io::Error) -> Self {
        Self::Stream(error)
    }
}

impl TextError {
    /// The error for a record longer than a batch may be.
    pub(super) fn too_long(line: u64, hint: &'static str) -> Self {
        let reason = format!("the row is longer than {} MiB", super::BATCH_BYTES >> 20);
        Self::Record { line, reason, hint }
    }

    /// Names the file, and the line reached if the stream failed.
    pub(super) fn of(self, unit: &Unit, line: u64) -> ConnectorError {
        match self {
            Self::Stream(source) => read_error(unit, Some(line), source),
            Self::Record { line, reason, hint } => {
                ConnectorError::broken(&unit.path, reason, hint).at(Some(line), None)
            }
        }
    }
}

/// Turns a failed read into an error: a damaged compressed stream is the file's fault, all else the system's.
pub(super) fn read_error(unit: &Unit, row: Option<u64>, source: io::Error) -> ConnectorError {
    let name = match unit.format.compression {
        Compression::None => return io_error(unit, "read", source),
        Compression::Gzip => "gzip",
        Compression::Zstd => "zstd",
    };
    if source.raw_os_error().is_some() {
        return io_error(unit, "read", source);
    }
    let (reason, hint) = if source.kind() == io::ErrorKind::UnexpectedEof {
        (format!("the {name} stream ends in the middle, so the file was cut off"), "copy it again from where it came")
    } else {
        (format!("the {name} stream is damaged ({source})"), "copy it again, or mend its name or option `compression`")
    };
    ConnectorError::broken(&unit.path, reason, hint).at(row, None)
}

pub(super) fn io_error(unit: &Unit, action: &'static str, source: io::Error) -> ConnectorError {
    ConnectorError::Io { path: unit.path.clone(), action, source }
}

fn decompressed(unit: &Unit, file: File) -> Result<Box<dyn Read + Send>, ConnectorError> {
    let mut file = BufReader::with_capacity(BUFFER_BYTES, file);
    let start = file.fill_buf().map_err(|source| io_error(unit, "read", source))?;
    let (name, mark): (_, &[u8]) = match unit.format.compression {
        Compression::None => return Ok(Box::new(file)),
        Compression::Gzip => ("gzip", &[0x1f, 0x8b]),
        Compression::Zstd => ("zstd", &[0x28, 0xb5, 0x2f, 0xfd]),
    };
    if !start.starts_with(mark) {
        let reason = format!("the file is not compressed with {name}");
        return Err(ConnectorError::broken(&unit.path, reason, "mend its name, or set option `compression`"));
    }
    if unit.format.compression == Compression::Gzip {
        return Ok(Box::new(MultiGzDecoder::new(file)));
    }
    let decoder = zstd::stream::read::Decoder::with_buffer(file);
    Ok(Box::new(decoder.map_err(|source| read_error(unit, None, source))?))
}

fn refuse_other_formats(unit: &Unit, start: &[u8]) -> Result<(), ConnectorError> {
    let (what, hint) = match start {
        [] => ("is empty inside its compression", "remove it, or let its writer finish"),
        [0x1f, 0x8b, ..] => ("is compressed with gzip", "name it `.gz`, or set option `compression: gzip`"),
        [0x28, 0xb5, 0x2f, 0xfd] => ("is compressed with zstd", "name it `.zst`, or set option `compression: zstd`"),
        b"PAR1" => ("is Parquet", "name it `.parquet`, or set option `format: parquet`"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => ("is UTF-16 text", "save it as UTF-8"),
        _ => return Ok(()),
    };
    Err(ConnectorError::broken(&unit.path, format!("the file {what}"), hint))
}
