//! Rows from tensors: one tensor a feature or entity key, or one matrix with the features as columns in model order.

use std::collections::BTreeSet;

use baton_ml::frame::{FeatureColumn, FeatureKind};
use baton_serving::{Deployment, RequestRow};

use super::error::InferenceError;
use super::tensor::Tensor;

/// The rows that the inputs of a request give.
pub(super) fn rows_of(deployment: &Deployment, inputs: Vec<Tensor>) -> Result<Vec<RequestRow>, InferenceError> {
    match <[Tensor; 1]>::try_from(inputs) {
        Ok([only]) if is_matrix(deployment, &only) => matrix_rows(deployment, only),
        Ok([only]) => named_rows(vec![only]),
        Err(inputs) => named_rows(inputs),
    }
}

/// A tensor of rank 2 that has not the name of one feature or key.
fn is_matrix(deployment: &Deployment, tensor: &Tensor) -> bool {
    let name = tensor.name.as_str();
    let is_feature = deployment.features().iter().any(|feature| *feature.name == *name);
    tensor.shape.len() == 2 && !is_feature && !deployment.entity_keys().contains(name)
}

fn matrix_rows(deployment: &Deployment, tensor: Tensor) -> Result<Vec<RequestRow>, InferenceError> {
    let columns = deployment.main().encoder.features();
    let refuse = |reason: String| Err(InferenceError::bad_request(format!("input `{}` {reason}", tensor.name)));
    if !tensor.datatype.is_float() {
        return refuse(format!("is a matrix of {}; a matrix of all features is FP32 or FP64", tensor.datatype.name()));
    }
    if let Some(text) = columns.iter().find(|column| matches!(column.kind, FeatureKind::Categorical { .. })) {
        return refuse(format!(
            "is a matrix of numbers, but feature `{}` is text; send one tensor for each feature",
            text.name
        ));
    }
    let (rows, width) = (tensor.shape[0], tensor.shape[1]);
    if width != columns.len() {
        let names = names(columns);
        return refuse(format!("has {width} columns; the model reads {}: {names}", columns.len()));
    }
    check_rows(rows)?;
    let mut values = tensor.values.into_iter();
    let row = |_| columns.iter().map(|column| column.name.clone()).zip(values.by_ref()).collect();
    Ok((0..rows).map(row).collect())
}

fn named_rows(inputs: Vec<Tensor>) -> Result<Vec<RequestRow>, InferenceError> {
    let Some(first) = inputs.first() else {
        return Err(InferenceError::bad_request("the request has no inputs; send one tensor for each feature or key"));
    };
    let (first_name, rows) = (first.name.clone(), first.shape.first().copied().unwrap_or(0));
    check_rows(rows)?;
    let mut names = BTreeSet::new();
    let mut found = vec![RequestRow::new(); rows];
    for tensor in inputs {
        check_column(&tensor, &first_name, rows)?;
        if !names.insert(tensor.name.clone()) {
            return Err(InferenceError::bad_request(format!("input `{}` is given twice", tensor.name)));
        }
        for (row, value) in found.iter_mut().zip(tensor.values) {
            row.insert(tensor.name.clone(), value);
        }
    }
    Ok(found)
}

fn check_rows(rows: usize) -> Result<(), InferenceError> {
    if rows == 0 {
        return Err(InferenceError::bad_request("the request has no rows; send at least one"));
    }
    Ok(())
}

fn check_column(tensor: &Tensor, first_name: &str, rows: usize) -> Result<(), InferenceError> {
    let (name, shape) = (&tensor.name, &tensor.shape);
    match shape[..] {
        [length] | [length, 1] if length == rows => Ok(()),
        [length] | [length, 1] => Err(InferenceError::bad_request(format!(
            "input `{name}` has {length} rows but `{first_name}` has {rows}; all must have as many"
        ))),
        _ => Err(InferenceError::bad_request(format!(
            "input `{name}` has the shape {shape:?}; a feature or key has [rows] or [rows, 1]"
        ))),
    }
}

fn names(columns: &[FeatureColumn]) -> String {
    columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ")
}
