//! CSV files: split into texts, typed by the contract or by all values of the file.
//!
//! A record with a wrong number of fields or bytes that are not UTF-8 is set aside alone. Quoted and bare texts are the
//! same, so a quoted `"NA"` is null too.

pub(crate) mod infer;
pub(crate) mod records;

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, StringBuilder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use serde_json::Value;

use self::infer::Candidates;
use self::records::{Fields, Record, RecordReader};
use super::options::FileOptions;
use super::remembered::Remembered;
use super::{BATCH_BYTES, BATCH_ROWS, open};
use crate::conform::{Found, Landing, RowNumbers};
use crate::report::shorten;
use crate::{ConnectorError, Contract, ReadReport, RejectedRow, Unit};

/// The types of columns of files that were looked through.
static REMEMBERED: Remembered<Vec<DataType>> = Remembered::new();

/// Reads the file into `sink`.
pub(super) fn read(
    unit: &Unit,
    contract: &Contract,
    options: &FileOptions,
    sink: &mut dyn FnMut(RecordBatch) -> Result<(), ConnectorError>,
) -> Result<ReadReport, ConnectorError> {
    let table = Table::open(unit, contract, options)?;
    let types = REMEMBERED.get_or(unit, &table.terms(), || table.types())?;
    let found: Vec<Found> = table.columns.iter().zip(types).map(|(column, inferred)| found(column, inferred)).collect();
    let mut landing = Landing::start(&unit.path, &found, contract, sink)?;
    let mut texts = Texts::new(&table);
    let mut reader = table.rows()?;
    while let Some(record) = next(unit, &mut reader)? {
        match table.fields(&record) {
            Ok(fields) => texts.push(&record, fields),
            Err(malformed) => landing.reject(|| malformed.describe(&table, &record)),
        }
        if texts.is_full() {
            texts.land(&mut landing)?;
        }
    }
    texts.land(&mut landing)?;
    Ok(landing.finish())
}

fn found(column: &Column, inferred: DataType) -> Found {
    Found { name: column.name.clone(), stored: DataType::Utf8, inferred, is_untyped: true }
}

/// A file whose header has been read.
struct Table<'a> {
    unit: &'a Unit,
    contract: &'a Contract,
    nulls: NullTexts<'a>,
    delimiter: u8,
    has_header: bool,
    names: Vec<String>,
    columns: Vec<Column>,
}

/// A column to land.
struct Column {
    name: String,
    /// Which field of a record it is.
    index: usize,
}

impl<'a> Table<'a> {
    fn open(unit: &'a Unit, contract: &'a Contract, options: &FileOptions) -> Result<Self, ConnectorError> {
        let delimiter = options.delimiter(&unit.path);
        let mut reader = RecordReader::new(open::open_text(unit)?, delimiter);
        let Some(record) = next(unit, &mut reader)? else {
            return Err(ConnectorError::broken(&unit.path, "the file holds only blank lines", "write a header line"));
        };
        let has_header = options.has_header;
        let names = if has_header { header(unit, &record)? } else { names_without_header(contract, &record) };
        if has_header && !options.names_delimiter() {
            check_delimiter(unit, &names)?;
        }
        let selected = names.iter().enumerate().filter(|(_, name)| contract.selects(name));
        let columns = selected.map(|(index, name)| Column { name: name.clone(), index }).collect();
        let nulls = NullTexts::new(&contract.null_values);
        Ok(Self { unit, contract, nulls, delimiter, has_header, names, columns })
    }

    /// Starts at the first record behind the header.
    fn rows(&self) -> Result<RecordReader, ConnectorError> {
        let mut reader = RecordReader::new(open::open_text(self.unit)?, self.delimiter);
        if self.has_header {
            next(self.unit, &mut reader)?;
        }
        Ok(reader)
    }

    /// What decides the types, besides the file.
    fn terms(&self) -> String {
        let declared: Vec<&String> = self.contract.columns.iter().map(|column| &column.name).collect();
        let columns: Vec<&String> = self.columns.iter().map(|column| &column.name).collect();
        format!("{:?}", (self.delimiter, self.has_header, columns, declared, &self.contract.null_values))
    }

    /// Returns the types of the columns to land where the contract does not give them, from all rows.
    fn types(&self) -> Result<Vec<DataType>, ConnectorError> {
        let is_unknown = |column: &Column| self.contract.column(&column.name).is_none();
        let mut candidates = vec![Candidates::default(); self.columns.len()];
        let unknown: Vec<usize> = (0..self.columns.len()).filter(|index| is_unknown(&self.columns[*index])).collect();
        if unknown.is_empty() {
            return Ok(vec![DataType::Utf8; self.columns.len()]);
        }
        let mut reader = self.rows()?;
        while let Some(record) = next(self.unit, &mut reader)? {
            let Ok(fields) = self.fields(&record) else { continue };
            for index in &unknown {
                let value = fields.get(self.columns[*index].index);
                if !self.nulls.contains(value) {
                    candidates[*index].observe(value);
                }
            }
        }
        Ok(candidates.into_iter().map(Candidates::data_type).collect())
    }

    fn fields<'r>(&self, record: &Record<'r>) -> Result<Fields<'r>, Malformed> {
        if record.n_fields() != self.names.len() {
            return Err(Malformed::FieldCount);
        }
        record.fields().map_err(|index| Malformed::Encoding { index })
    }
}

/// The texts that mean null.
struct NullTexts<'a> {
    texts: &'a [String],
    /// A bit for each length that one of them has, the last for all longer ones: most values have another.
    lengths: u64,
}

impl<'a> NullTexts<'a> {
    fn new(texts: &'a [String]) -> Self {
        Self { texts, lengths: texts.iter().fold(0, |lengths, text| lengths | Self::bit(text)) }
    }

    #[inline]
    fn bit(text: &str) -> u64 {
        1 << text.len().min(63)
    }

    #[inline]
    fn contains(&self, value: &str) -> bool {
        self.lengths & Self::bit(value) != 0 && self.texts.iter().any(|text| text == value)
    }
}

/// What is wrong with a record as a whole.
enum Malformed {
    FieldCount,
    Encoding { index: usize },
}

impl Malformed {
    fn describe(&self, table: &Table<'_>, record: &Record<'_>) -> RejectedRow {
        let fields: Vec<String> = (0..record.n_fields()).map(|index| record.lossy_field(index)).collect();
        let (column, value, reason) = match self {
            Self::FieldCount => (None, fields.join(","), field_count_reason(table, record)),
            Self::Encoding { index } => {
                let reason = "the text is not UTF-8; save the file as UTF-8".to_owned();
                (Some(table.names[*index].clone()), fields[*index].clone(), reason)
            }
        };
        RejectedRow { row: record.line, column, value: shorten(&value), reason, raw: Value::from(fields) }
    }
}

fn field_count_reason(table: &Table<'_>, record: &Record<'_>) -> String {
    let (n_fields, n_names) = (record.n_fields(), table.names.len());
    let plural = if n_fields == 1 { "" } else { "s" };
    let header = if table.has_header { "the header" } else { "the first line" };
    let hint = match record.more_lines {
        0 => String::new(),
        more => format!("; a quote keeps it open over {more} more lines, perhaps it is never closed"),
    };
    format!("the row has {n_fields} field{plural}, {header} has {n_names}{hint}")
}

/// The texts of the batch in the making.
struct Texts<'a> {
    table: &'a Table<'a>,
    schema: SchemaRef,
    builders: Vec<StringBuilder>,
    lines: Vec<u64>,
    n_bytes: usize,
}

impl<'a> Texts<'a> {
    fn new(table: &'a Table<'a>) -> Self {
        let fields = table.columns.iter().map(|column| Field::new(&column.name, DataType::Utf8, true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let builders = table.columns.iter().map(|_| StringBuilder::new()).collect();
        Self { table, schema, builders, lines: Vec::new(), n_bytes: 0 }
    }

    fn push(&mut self, record: &Record<'_>, fields: Fields<'_>) {
        for (builder, column) in self.builders.iter_mut().zip(&self.table.columns) {
            let value = fields.get(column.index);
            builder.append_option((!self.table.nulls.contains(value)).then_some(value));
        }
        self.lines.push(record.line);
        self.n_bytes += record.n_bytes();
    }

    fn is_full(&self) -> bool {
        self.lines.len() >= BATCH_ROWS || self.n_bytes >= BATCH_BYTES
    }

    fn land(&mut self, landing: &mut Landing<'_>) -> Result<(), ConnectorError> {
        if self.lines.is_empty() {
            return Ok(());
        }
        let columns = self.builders.iter_mut().map(|builder| Arc::new(builder.finish()) as ArrayRef).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(self.lines.len()));
        let batch = RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)
            .map_err(|error| ConnectorError::broken(&self.table.unit.path, error.to_string(), "check the file"))?;
        landing.land(&batch, &RowNumbers::Each(&self.lines))?;
        self.lines.clear();
        self.n_bytes = 0;
        Ok(())
    }
}

fn next<'r>(unit: &Unit, reader: &'r mut RecordReader) -> Result<Option<Record<'r>>, ConnectorError> {
    let line = reader.line();
    reader.next().map_err(|error| error.of(unit, line))
}

/// Reads the names of the columns; one without a name is called after its place, `column_1` being the first.
fn header(unit: &Unit, record: &Record<'_>) -> Result<Vec<String>, ConnectorError> {
    let broken =
        |reason: String, hint: &str| ConnectorError::broken(&unit.path, reason, hint).at(Some(record.line), None);
    let fields = record.fields().map_err(|_| broken("the header is not UTF-8".to_owned(), "save the file as UTF-8"))?;
    let mut names = Vec::with_capacity(record.n_fields());
    let mut seen = BTreeSet::new();
    for index in 0..record.n_fields() {
        let name = match fields.get(index).trim() {
            "" => format!("column_{}", index + 1),
            name => name.to_owned(),
        };
        if !seen.insert(name.clone()) {
            return Err(broken(format!("column `{name}` appears twice in the header"), "rename one of the two"));
        }
        names.push(name);
    }
    Ok(names)
}

/// Without a header the contract's columns are meant in order; more fields are called after their place.
fn names_without_header(contract: &Contract, record: &Record<'_>) -> Vec<String> {
    let name = |index: usize| match contract.columns.get(index) {
        Some(column) => column.name.clone(),
        None => format!("column_{}", index + 1),
    };
    (0..record.n_fields()).map(name).collect()
}

fn check_delimiter(unit: &Unit, names: &[String]) -> Result<(), ConnectorError> {
    let [name] = names else { return Ok(()) };
    let Some(delimiter) = name.chars().find(|character| matches!(character, ';' | '\t' | '|' | ',')) else {
        return Ok(());
    };
    let shown = if delimiter == '\t' { "tab".to_owned() } else { delimiter.to_string() };
    let reason = format!("the header is one column, `{}`", shorten(name));
    let hint =
        format!("set option `delimiter: \"{shown}\"` if that separates the fields, or `delimiter: \",\"` if not");
    Err(ConnectorError::broken(&unit.path, reason, hint).at(Some(1), None))
}
