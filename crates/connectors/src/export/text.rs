//! Values as texts that databases read back without loss.

use std::fmt::Write as _;

use arrow::array::{Array, AsArray as _, RecordBatch};
use arrow::datatypes::{DataType, TimeUnit};
use arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::ConnectorError;

/// Instants without a zone: the session that reads them is one of UTC.
const INSTANT: &str = "%Y-%m-%d %H:%M:%S%.6f";

/// What kind of values a column has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ValueKind {
    /// true or false.
    Truth,
    /// Whole numbers of so many bits.
    Whole(u8),
    /// Numbers of 32 bits.
    Single,
    /// Numbers of 64 bits.
    Double,
    /// Digits, and how many of them behind the point.
    Decimal(u8, i8),
    /// Texts.
    Text,
    /// Bytes.
    Bytes,
    /// Days.
    Date,
    /// Instants; whether they have a zone.
    Instant(bool),
}

impl ValueKind {
    /// The word for people.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Truth => "bool",
            Self::Whole(_) => "int",
            Self::Single | Self::Double => "float",
            Self::Decimal(..) => "decimal",
            Self::Text => "string",
            Self::Bytes => "bytes",
            Self::Date => "date",
            Self::Instant(_) => "timestamp",
        }
    }
}

/// The kind of a type; `None` for those that databases have no common form of, such as lists.
pub(crate) fn value_kind(data_type: &DataType) -> Option<ValueKind> {
    Some(match data_type {
        DataType::Boolean => ValueKind::Truth,
        DataType::Int8 | DataType::UInt8 | DataType::Int16 => ValueKind::Whole(16),
        DataType::UInt16 | DataType::Int32 => ValueKind::Whole(32),
        DataType::UInt32 | DataType::Int64 => ValueKind::Whole(64),
        DataType::UInt64 => ValueKind::Decimal(20, 0),
        DataType::Float16 | DataType::Float32 => ValueKind::Single,
        DataType::Float64 => ValueKind::Double,
        DataType::Decimal128(precision, scale) => ValueKind::Decimal(*precision, *scale),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => ValueKind::Text,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => ValueKind::Bytes,
        DataType::Date32 => ValueKind::Date,
        DataType::Timestamp(TimeUnit::Nanosecond, _) => return None,
        DataType::Timestamp(_, zone) => ValueKind::Instant(zone.is_some()),
        _ => return None,
    })
}

/// The values of a batch, one column after the other, ready to be written.
pub(crate) struct Writing<'b> {
    rows: &'b RecordBatch,
    columns: Vec<ArrayFormatter<'b>>,
}

impl<'b> Writing<'b> {
    pub(crate) fn of(rows: &'b RecordBatch) -> Result<Self, ConnectorError> {
        let options = FormatOptions::new()
            .with_display_error(false)
            .with_timestamp_format(Some(INSTANT))
            .with_timestamp_tz_format(Some(INSTANT));
        let columns = rows.columns().iter().map(|column| ArrayFormatter::try_new(column.as_ref(), &options));
        let columns = columns.collect::<Result<_, _>>().map_err(ConnectorError::sink)?;
        Ok(Self { rows, columns })
    }

    /// Whether a value is null.
    pub(crate) fn is_null(&self, row: usize, column: usize) -> bool {
        self.rows.column(column).is_null(row)
    }

    /// Appends a value that is not null. Bytes come as hexadecimal digits.
    pub(crate) fn write(&self, row: usize, column: usize, text: &mut String) -> Result<(), ConnectorError> {
        write!(text, "{}", self.columns[column].value(row)).map_err(ConnectorError::sink)
    }

    /// A value as text; `None` for null.
    pub(crate) fn text(&self, row: usize, column: usize) -> Result<Option<String>, ConnectorError> {
        if self.is_null(row, column) {
            return Ok(None);
        }
        let array = self.rows.column(column);
        if array.data_type() == &DataType::Utf8 {
            return Ok(Some(array.as_string::<i32>().value(row).to_owned()));
        }
        let mut text = String::new();
        self.write(row, column, &mut text)?;
        Ok(Some(text))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, BinaryArray, BooleanArray, Float64Array, TimestampMicrosecondArray};

    use super::*;

    fn texts(column: ArrayRef) -> Vec<Option<String>> {
        let rows = RecordBatch::try_from_iter_with_nullable([("value", column, true)]).unwrap();
        let writing = Writing::of(&rows).unwrap();
        (0..rows.num_rows()).map(|row| writing.text(row, 0).unwrap()).collect()
    }

    #[test]
    fn values_are_written_so_that_databases_read_them_back() {
        let instants = TimestampMicrosecondArray::from(vec![Some(1_372_636_800_000_001), None]).with_timezone("UTC");
        assert_eq!(texts(Arc::new(instants)), [Some("2013-07-01 00:00:00.000001".to_owned()), None]);
        let numbers = Float64Array::from(vec![0.1, 1e300, f64::NAN]);
        assert_eq!(texts(Arc::new(numbers)), ["0.1", "1e300", "NaN"].map(|text| Some(text.to_owned())));
        assert_eq!(texts(Arc::new(BooleanArray::from(vec![true]))), [Some("true".to_owned())]);
        assert_eq!(texts(Arc::new(BinaryArray::from(vec![&[0_u8, 255][..]]))), [Some("00ff".to_owned())]);
    }

    #[test]
    fn nested_values_have_no_form_that_databases_share() {
        let list = DataType::new_list(DataType::Int64, true);
        assert_eq!(value_kind(&list), None);
        assert_eq!(value_kind(&DataType::Decimal128(10, 2)), Some(ValueKind::Decimal(10, 2)));
    }
}
