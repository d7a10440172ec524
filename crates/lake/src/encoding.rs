//! How the columns of a Parquet file are encoded, so that they are cheap to read: chosen from the file's first rows.
//!
//! Whole numbers, decimals, dates and instants are packed to the bits that they need, by a dictionary or as differences,
//! and not compressed; everything else is as Parquet writers do it. See
//! [0014](../../../docs/adr/0014-numbers-packed-not-compressed.md).

use std::collections::HashSet;
use std::slice;

use arrow::array::{Array as _, ArrayRef, RecordBatch};
use arrow::datatypes::DataType;
use arrow::row::{RowConverter, SortField};
use parquet::basic::{Compression, Encoding};
use parquet::file::properties::WriterPropertiesBuilder;
use parquet::schema::types::ColumnPath;

/// How many of the first rows are looked at.
const LOOKED_AT: usize = 8192;
/// A dictionary pays for numbers that occur at least so often among them; for others, differences take fewer bits.
const OCCURRENCES: usize = 8;

/// `properties` for a file of rows like those of `first`; texts and the like are compressed with `codec`.
pub(crate) fn encoded(
    properties: WriterPropertiesBuilder,
    first: &RecordBatch,
    codec: Compression,
) -> WriterPropertiesBuilder {
    let schema = first.schema();
    let columns = schema.fields().iter().zip(first.columns());
    let numbers = columns.filter(|(field, _)| is_whole_number(field.data_type()));
    numbers.fold(properties.set_compression(codec), |properties, (field, column)| {
        let path = ColumnPath::new(vec![field.name().clone()]);
        properties
            .set_column_dictionary_enabled(path.clone(), repeats(column))
            .set_column_encoding(path.clone(), Encoding::DELTA_BINARY_PACKED)
            .set_column_compression(path, Compression::UNCOMPRESSED)
    })
}

/// Whether Parquet stores values of this type as whole numbers of 32 or 64 bits.
fn is_whole_number(data_type: &DataType) -> bool {
    match data_type {
        DataType::Decimal128(precision, _) => *precision <= 18,
        DataType::Date32 | DataType::Timestamp(..) => true,
        _ => data_type.is_integer(),
    }
}

/// Whether the first values of `column` occur often enough for a dictionary.
fn repeats(column: &ArrayRef) -> bool {
    let first = column.slice(0, column.len().min(LOOKED_AT));
    let converter = RowConverter::new(vec![SortField::new(first.data_type().clone())]);
    let rows = converter.and_then(|converter| converter.convert_columns(slice::from_ref(&first)));
    rows.is_ok_and(|rows| {
        let distinct: HashSet<_> = rows.iter().collect();
        distinct.len() * OCCURRENCES <= first.len()
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Date32Array, Decimal128Array, Int32Array, Int64Array, StringArray, TimestampMicrosecondArray};
    use parquet::arrow::ArrowWriter;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    use parquet::file::properties::WriterProperties;

    use super::*;

    /// Rows with every kind of number: counted up, scattered, of few values, and with nulls.
    fn rows() -> RecordBatch {
        let scattered = |row: i64| row * 7_919 % 100_003;
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("counted", Arc::new((0..20_000).collect::<Int64Array>())),
            (
                "scattered",
                Arc::new((0..20_000).map(|row| (row % 5 != 0).then(|| -scattered(row))).collect::<Int64Array>()),
            ),
            ("few", Arc::new((0..20_000).map(|row| row % 50).collect::<Int32Array>())),
            ("day", Arc::new(Date32Array::from_iter_values((0..20_000).map(|row| (row * 31) % 2_500)))),
            (
                "price",
                Arc::new(
                    (0..20_000)
                        .map(|row| i128::from(scattered(row)))
                        .collect::<Decimal128Array>()
                        .with_precision_and_scale(15, 2)
                        .unwrap(),
                ),
            ),
            (
                "wide",
                Arc::new(
                    (0..20_000)
                        .map(|row| i128::from(row) << 90)
                        .collect::<Decimal128Array>()
                        .with_precision_and_scale(38, 2)
                        .unwrap(),
                ),
            ),
            (
                "at",
                Arc::new(TimestampMicrosecondArray::from_iter_values((0..20_000).map(|row| i64::MAX - scattered(row)))),
            ),
            ("text", Arc::new(StringArray::from_iter_values((0..20_000).map(|row| format!("row {row}"))))),
        ];
        RecordBatch::try_from_iter(columns).unwrap()
    }

    fn written(rows: &RecordBatch) -> bytes::Bytes {
        let properties = encoded(WriterProperties::builder(), rows, Compression::SNAPPY).build();
        let mut writer = ArrowWriter::try_new(Vec::new(), rows.schema(), Some(properties)).unwrap();
        writer.write(rows).unwrap();
        writer.into_inner().unwrap().into()
    }

    #[test]
    fn numbers_are_packed_and_texts_compressed() {
        let reader = ParquetRecordBatchReaderBuilder::try_new(written(&rows())).unwrap();
        let shown: Vec<String> = reader
            .metadata()
            .row_group(0)
            .columns()
            .iter()
            .map(|column| {
                let encodings: Vec<_> = column.encodings().collect();
                let how = match () {
                    () if encodings.contains(&Encoding::DELTA_BINARY_PACKED) => "differences",
                    () if encodings.contains(&Encoding::RLE_DICTIONARY) => "dictionary",
                    () => "plain",
                };
                format!("{} {how} {}", column.column_path().string(), column.compression())
            })
            .collect();
        expect_test::expect![[r#"
            counted differences UNCOMPRESSED
            scattered differences UNCOMPRESSED
            few dictionary UNCOMPRESSED
            day differences UNCOMPRESSED
            price differences UNCOMPRESSED
            wide plain SNAPPY
            at differences UNCOMPRESSED
            text dictionary SNAPPY"#]]
        .assert_eq(&shown.join("\n"));
    }

    #[test]
    fn what_was_written_is_read() {
        let rows = rows();
        let reader = ParquetRecordBatchReaderBuilder::try_new(written(&rows)).unwrap().with_batch_size(20_000);
        assert_eq!(reader.build().unwrap().next().unwrap().unwrap(), rows);
    }
}
