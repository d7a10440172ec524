//! Reading the log back. Another process may be writing: a last line without its newline does not count yet.

use std::collections::HashMap;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::record::PredictionRecord;
use super::segment;
use super::writer::endpoint_folder;
use crate::error::ServingError;

/// The times in a segment, as of the length it had when it was looked at.
pub(super) struct SegmentSpan {
    length: u64,
    first: i64,
    last: i64,
}

pub(super) fn all(folder: &Path, endpoint: &str) -> Result<Vec<PredictionRecord>, ServingError> {
    let mut records = Vec::new();
    for (_, path) in segment::list(&endpoint_folder(folder, endpoint))? {
        collect(&path, &read(&path)?, &mut records, |_| true)?;
    }
    Ok(records)
}

pub(super) fn between(
    folder: &Path,
    endpoint: &str,
    window: &Range<i64>,
    spans: &mut HashMap<PathBuf, SegmentSpan>,
) -> Result<Vec<PredictionRecord>, ServingError> {
    let mut records = Vec::new();
    for (_, path) in segment::list(&endpoint_folder(folder, endpoint))? {
        let length = std::fs::metadata(&path).map_err(|error| ServingError::log("read", &path, &error))?.len();
        let known = spans.get(&path).filter(|span| span.length == length);
        if known.is_some_and(|span| span.last < window.start || span.first >= window.end) {
            continue;
        }
        let bytes = read(&path)?;
        collect(&path, &bytes, &mut records, |at| window.contains(&at))?;
        // Keyed by the length that was asked for before reading: should the segment have grown, it is read again.
        let span = span(length, &bytes);
        spans.insert(path, span);
    }
    Ok(records)
}

pub(super) fn find(folder: &Path, id: &str) -> Result<Option<PredictionRecord>, ServingError> {
    let endpoints = std::fs::read_dir(folder).map_err(|error| ServingError::log("list", folder, &error))?;
    for endpoint in endpoints {
        let endpoint = endpoint.map_err(|error| ServingError::log("list", folder, &error))?.path();
        if !endpoint.is_dir() {
            continue;
        }
        for (_, path) in segment::list(&endpoint)? {
            let bytes = read(&path)?;
            // Every line begins with its id, so a line is parsed only when it is the right one.
            let start = format!("{{\"id\":{},", serde_json::Value::from(id));
            if let Some(line) = whole_lines(&bytes).find(|line| line.starts_with(start.as_bytes())) {
                return parse(&path, line).map(Some);
            }
        }
    }
    Ok(None)
}

fn read(path: &Path) -> Result<Vec<u8>, ServingError> {
    std::fs::read(path).map_err(|error| ServingError::log("read", path, &error))
}

fn whole_lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    bytes[..end].split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
}

#[derive(Deserialize)]
struct Instant {
    at: i64,
}

fn collect(
    path: &Path,
    bytes: &[u8],
    records: &mut Vec<PredictionRecord>,
    wanted: impl Fn(i64) -> bool,
) -> Result<(), ServingError> {
    for line in whole_lines(bytes) {
        let instant: Instant = parse(path, line)?;
        if wanted(instant.at) {
            records.push(parse(path, line)?);
        }
    }
    Ok(())
}

fn span(length: u64, bytes: &[u8]) -> SegmentSpan {
    let instants = whole_lines(bytes).filter_map(|line| serde_json::from_slice::<Instant>(line).ok());
    let (first, last) =
        instants.fold((i64::MAX, i64::MIN), |(first, last), next| (first.min(next.at), last.max(next.at)));
    SegmentSpan { length, first, last }
}

fn parse<'a, T: Deserialize<'a>>(path: &Path, line: &'a [u8]) -> Result<T, ServingError> {
    serde_json::from_slice(line)
        .map_err(|error| ServingError::log("read a line of", path, &io::Error::new(io::ErrorKind::InvalidData, error)))
}
