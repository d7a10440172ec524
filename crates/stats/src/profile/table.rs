//! The statistics of a table: its columns, merging by name, and the stored form.

use super::bytes::{ByteReader, ByteWriter};
use super::column::ColumnProfile;
use super::distinct::DistinctSketch;
use super::frequent::FrequentValues;
use super::kind::ValueKind;
use super::moments::Moments;
use super::quantiles::QuantileSketch;
use super::range::{Lengths, Range};
use super::summary::TableSummary;
use crate::error::StatsError;

/// First byte of the stored form; raised when the form changes.
const FORMAT: u8 = 1;

/// Mergeable statistics of a table version or of an interval of it.
#[derive(Debug, Clone, Default)]
pub struct TableProfile {
    /// Rows seen.
    pub rows: u64,
    /// One profile a column, in the order of the schema.
    pub columns: Vec<ColumnProfile>,
}

impl TableProfile {
    /// The profile of a column.
    pub fn column(&self, name: &str) -> Option<&ColumnProfile> {
        self.columns.iter().find(|column| column.name() == name)
    }

    /// Statistics over the rows of both. Columns are matched by name; in the rows of the side that lacks one it is
    /// null, as readers see it after a schema has grown.
    ///
    /// # Errors
    /// [`StatsError::ProfileTypes`] when a column has values of different kinds.
    pub fn merge(&self, other: &Self) -> Result<Self, StatsError> {
        let mut merged = self.clone();
        merged.merge_from(other)?;
        Ok(merged)
    }

    /// Takes in the rows of `other`; what [`Self::merge`] does, without a copy.
    ///
    /// # Errors
    /// As [`Self::merge`]; `self` is then not to be used.
    pub fn merge_from(&mut self, other: &Self) -> Result<(), StatsError> {
        for mine in &mut self.columns {
            match other.column(&mine.name) {
                Some(theirs) => mine.merge(theirs)?,
                None => {
                    mine.rows += other.rows;
                    mine.nulls += other.rows;
                }
            }
        }
        for theirs in &other.columns {
            if self.column(theirs.name()).is_none() {
                let mut added = theirs.clone();
                added.rows += self.rows;
                added.nulls += self.rows;
                self.columns.push(added);
            }
        }
        self.rows += other.rows;
        Ok(())
    }

    /// The stored form: a version byte, then counts as varints and sketches as raw numbers.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = ByteWriter::new();
        writer.byte(FORMAT);
        writer.varint(self.rows);
        writer.varint(self.columns.len() as u64);
        self.columns.iter().for_each(|column| write_column(column, &mut writer));
        writer.into_bytes()
    }

    /// Reads [`Self::to_bytes`].
    ///
    /// # Errors
    /// [`StatsError::ProfileBytes`] when the bytes are damaged or of another format.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StatsError> {
        let mut reader = ByteReader::new(bytes);
        if reader.byte()? != FORMAT {
            return Err(reader.failure("the profile was stored by another release in another format"));
        }
        let rows = reader.varint()?;
        let length = reader.length()?;
        let columns: Result<_, _> = (0..length).map(|_| read_column(&mut reader)).collect();
        if !reader.is_at_end() {
            return Err(reader.failure("there are more bytes than the profile has"));
        }
        Ok(Self { rows, columns: columns? })
    }

    /// The profile as plain values for people and JSON.
    pub fn summary(&self) -> TableSummary {
        TableSummary { rows: self.rows, columns: self.columns.iter().map(ColumnProfile::summary).collect() }
    }
}

fn write_column(column: &ColumnProfile, writer: &mut ByteWriter) {
    writer.text(&column.name);
    writer.text(&column.data_type);
    writer.byte(column.kind.to_byte());
    for count in [column.rows, column.nulls, column.nans, column.infinites] {
        writer.varint(count);
    }
    column.range.write(writer);
    column.lengths.write(writer);
    column.moments.write(writer);
    column.quantiles.write(writer);
    column.distinct.write(writer);
    column.frequent.write(writer, column.kind == ValueKind::Text);
}

fn read_column(reader: &mut ByteReader<'_>) -> Result<ColumnProfile, StatsError> {
    let name = reader.text()?.to_owned();
    let data_type = reader.text()?.to_owned();
    let byte = reader.byte()?;
    let kind = ValueKind::from_byte(byte).ok_or_else(|| reader.failure("unknown kind of values"))?;
    let column = ColumnProfile {
        name,
        data_type,
        kind,
        rows: reader.varint()?,
        nulls: reader.varint()?,
        nans: reader.varint()?,
        infinites: reader.varint()?,
        range: Range::read(reader)?,
        lengths: Lengths::read(reader)?,
        moments: Moments::read(reader)?,
        quantiles: QuantileSketch::read(reader)?,
        distinct: DistinctSketch::read(reader)?,
        frequent: FrequentValues::read(reader, kind == ValueKind::Text)?,
    };
    let apart = column.nulls.checked_add(column.nans).and_then(|sum| sum.checked_add(column.infinites));
    match apart {
        Some(apart) if apart <= column.rows => Ok(column),
        _ => Err(reader.failure("the counts of a column contradict each other")),
    }
}
