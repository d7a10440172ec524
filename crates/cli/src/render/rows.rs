//! Rows of a query as text, JSON or CSV.

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::table::{Table, count};

/// A text table of at most `limit` rows (0: all), with a count below.
pub(crate) fn as_text(schema: &SchemaRef, batches: &[RecordBatch], limit: usize) -> Result<String, ArrowError> {
    let total: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let shown = if limit == 0 { total } else { total.min(limit) };
    let names = schema.fields().iter().map(|field| field.name().clone()).collect();
    let right = schema.fields().iter().map(|field| is_number(field.data_type())).collect();
    let mut table = Table::of_columns(names, right);
    let options = FormatOptions::default().with_null("").with_timestamp_tz_format(Some("%Y-%m-%d %H:%M:%S%.f"));
    let mut left = shown;
    for batch in batches {
        let columns = batch.columns().iter();
        let formatters =
            columns.map(|column| ArrayFormatter::try_new(column.as_ref(), &options)).collect::<Result<Vec<_>, _>>()?;
        for row in 0..batch.num_rows().min(left) {
            let cells = formatters.iter().map(|formatter| formatter.value(row).try_to_string());
            table.row(cells.collect::<Result<Vec<_>, _>>()?);
        }
        left = left.saturating_sub(batch.num_rows());
    }
    let mut text = table.render("");
    text.push_str(&footer(total, shown));
    Ok(text)
}

fn footer(total: usize, shown: usize) -> String {
    let rows = if total == 1 { "row" } else { "rows" };
    match total - shown {
        0 => format!("{} {rows}\n", count(total as u64)),
        more => format!("{} {rows}, {} not shown (--limit 0 prints all)\n", count(total as u64), count(more as u64)),
    }
}

fn is_number(data_type: &DataType) -> bool {
    data_type.is_numeric()
}

/// A JSON array of objects.
pub(crate) fn as_json(batches: &[RecordBatch]) -> Result<Vec<u8>, ArrowError> {
    if batches.iter().all(|batch| batch.num_rows() == 0) {
        return Ok(b"[]\n".to_vec());
    }
    let builder = arrow::json::WriterBuilder::new().with_explicit_nulls(true);
    let mut writer = builder.build::<_, arrow::json::writer::JsonArray>(Vec::new());
    for batch in batches {
        writer.write(batch)?;
    }
    writer.finish()?;
    let mut bytes = writer.into_inner();
    bytes.push(b'\n');
    Ok(bytes)
}

/// CSV with a header.
pub(crate) fn as_csv(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<Vec<u8>, ArrowError> {
    let mut writer = arrow::csv::WriterBuilder::new().with_header(true).build(Vec::new());
    writer.write(&RecordBatch::new_empty(schema.clone()))?;
    for batch in batches {
        writer.write(batch)?;
    }
    Ok(writer.into_inner())
}
