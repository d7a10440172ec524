//! Brings the values of the found right rows beside the left rows.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, new_null_array};
use arrow::compute::interleave;
use arrow::datatypes::{DataType, Field, Schema};

use super::keys::column;
use super::{Matches, wrong};
use crate::error::EngineError;

/// `left` with the right columns `features` (column, output name).
pub(super) fn append(
    left: &[RecordBatch],
    right: &[RecordBatch],
    features: &[(String, String)],
    matches: &Matches,
) -> Result<Vec<RecordBatch>, EngineError> {
    let mut columns: Vec<Vec<ArrayRef>> = left.iter().map(|batch| batch.columns().to_vec()).collect();
    let mut fields: Vec<Vec<Field>> = left.iter().map(fields_of).collect();
    for (name, output) in features {
        for (index, values) in feature(left, right, name, matches)?.into_iter().enumerate() {
            fields[index].push(Field::new(output, values.data_type().clone(), true));
            columns[index].push(values);
        }
    }
    let batches = fields.into_iter().zip(columns);
    batches
        .map(|(fields, columns)| RecordBatch::try_new(Arc::new(Schema::new(fields)), columns))
        .collect::<Result<_, _>>()
        .map_err(|error| wrong(error.to_string()))
}

fn fields_of(batch: &RecordBatch) -> Vec<Field> {
    batch.schema().fields().iter().map(|field| field.as_ref().clone()).collect()
}

/// The right column `name` in the order of the left rows, one array for each left batch.
pub(super) fn feature(
    left: &[RecordBatch],
    right: &[RecordBatch],
    name: &str,
    matches: &Matches,
) -> Result<Vec<ArrayRef>, EngineError> {
    let sources: Vec<&ArrayRef> = right.iter().map(|batch| column(batch, name)).collect::<Result<_, _>>()?;
    let kind = sources.first().map_or(DataType::Null, |source| source.data_type().clone());
    // One null at the end stands for "nothing found".
    let nothing = new_null_array(&kind, 1);
    let mut arrays: Vec<&dyn Array> = sources.into_iter().map(|source| source.as_ref() as &dyn Array).collect();
    arrays.push(nothing.as_ref());
    let nowhere = (arrays.len() - 1, 0);
    let mut row = 0;
    let mut taken = Vec::with_capacity(left.len());
    for batch in left {
        let places: Vec<(usize, usize)> =
            (row..row + batch.num_rows()).map(|index| matches.get(index).unwrap_or(nowhere)).collect();
        row += batch.num_rows();
        taken.push(interleave(&arrays, &places).map_err(|error| wrong(error.to_string()))?);
    }
    Ok(taken)
}
