//! The options of a file source, and what a file's name says where no option does.

use std::collections::BTreeMap;

use crate::{Compression, ConnectorError, FileFormat, Format};

const NAMES: [&str; 4] = ["format", "compression", "delimiter", "header"];

/// The options, parsed; `None` where the file's name decides.
#[derive(Debug, Default)]
pub(crate) struct FileOptions {
    format: Option<Format>,
    compression: Option<Compression>,
    delimiter: Option<u8>,
    /// Whether the first record of a CSV file names the columns.
    pub(super) has_header: bool,
}

impl FileOptions {
    pub(crate) fn parse(options: &BTreeMap<String, String>) -> Result<Self, ConnectorError> {
        let mut parsed = Self { has_header: true, ..Self::default() };
        for (name, value) in options {
            let wrong = |reason: &str| ConnectorError::Option {
                name: name.clone(),
                value: value.clone(),
                reason: reason.to_owned(),
            };
            match name.as_str() {
                "format" => parsed.format = Some(format(value).ok_or_else(|| wrong("is not parquet, csv or json"))?),
                "compression" => {
                    parsed.compression = Some(compression(value).ok_or_else(|| wrong("is not none, gzip or zstd"))?);
                }
                "delimiter" => {
                    let delimiter = delimiter(value).ok_or_else(|| wrong("is not one ASCII character or `tab`"))?;
                    parsed.delimiter = Some(delimiter);
                }
                "header" => parsed.has_header = value.parse().map_err(|_| wrong("is not true or false"))?,
                _ => return Err(wrong(&format!("is unknown to connector `file`; it knows {}", NAMES.join(", ")))),
            }
        }
        Ok(parsed)
    }

    /// Says whether the delimiter was written down rather than taken from the file's name.
    pub(super) fn names_delimiter(&self) -> bool {
        self.delimiter.is_some()
    }

    /// Returns the byte between the fields of the CSV file at `path`.
    pub(super) fn delimiter(&self, path: &str) -> u8 {
        let by_name = if endings(path).0 == "tsv" { b'\t' } else { b',' };
        self.delimiter.unwrap_or(by_name)
    }

    /// Returns how the file at `path` is to be understood.
    pub(crate) fn file_format(&self, path: &str) -> Result<FileFormat, ConnectorError> {
        let (ending, outer) = endings(path);
        let by_name = match ending.as_str() {
            "parquet" | "parq" | "pq" => Some(Format::Parquet),
            "csv" | "tsv" => Some(Format::Csv),
            "json" | "jsonl" | "ndjson" => Some(Format::Json),
            _ => None,
        };
        let format = self.format.or(by_name).ok_or_else(|| ConnectorError::UnknownFormat { path: path.to_owned() })?;
        Ok(FileFormat { format, compression: self.compression.unwrap_or(outer) })
    }
}

fn format(value: &str) -> Option<Format> {
    match value {
        "parquet" => Some(Format::Parquet),
        "csv" => Some(Format::Csv),
        "json" | "jsonl" => Some(Format::Json),
        _ => None,
    }
}

fn compression(value: &str) -> Option<Compression> {
    match value {
        "none" => Some(Compression::None),
        "gzip" => Some(Compression::Gzip),
        "zstd" => Some(Compression::Zstd),
        _ => None,
    }
}

fn delimiter(value: &str) -> Option<u8> {
    match value.as_bytes() {
        b"tab" | b"\\t" => Some(b'\t'),
        [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\r' | b'\n') => Some(*byte),
        _ => None,
    }
}

/// Splits the name into the ending that tells the format and the compression around it.
fn endings(path: &str) -> (String, Compression) {
    let name = path.rsplit('/').next().unwrap_or(path).to_lowercase();
    let (stem, compression) = [(".gz", Compression::Gzip), (".gzip", Compression::Gzip)]
        .into_iter()
        .chain([(".zst", Compression::Zstd), (".zstd", Compression::Zstd)])
        .find_map(|(ending, compression)| Some((name.strip_suffix(ending)?, compression)))
        .unwrap_or((&name, Compression::None));
    let ending = stem.rsplit_once('.').map_or("", |(_, ending)| ending);
    (ending.to_owned(), compression)
}
