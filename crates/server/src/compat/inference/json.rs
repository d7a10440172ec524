//! Tensors written as JSON: lists, flat or nested in any way, row-major. Null is a value that is missing.

use baton_core::scalar::Scalar;
use serde_json::Value;

use super::datatype::Datatype;

/// Reads the elements of a tensor; the error goes on after the tensor's name.
pub(super) fn read(datatype: Datatype, elements: usize, data: Value) -> Result<Vec<Scalar>, String> {
    if matches!(datatype, Datatype::Fp16 | Datatype::Bf16) {
        return Err(format!("is {}, which has no form in JSON; send FP32, or binary data", datatype.name()));
    }
    let Value::Array(data) = data else { return Err("has `data` that is no list".to_owned()) };
    let mut values = Vec::with_capacity(elements.min(data.len().max(1) * 64));
    flatten(datatype, data, &mut values)?;
    if values.len() != elements {
        return Err(format!("has a shape of {elements} elements but {} in `data`", values.len()));
    }
    Ok(values)
}

fn flatten(datatype: Datatype, data: Vec<Value>, values: &mut Vec<Scalar>) -> Result<(), String> {
    for item in data {
        match item {
            Value::Array(nested) => flatten(datatype, nested, values)?,
            item => values.push(element(datatype, item)?),
        }
    }
    Ok(())
}

fn element(datatype: Datatype, item: Value) -> Result<Scalar, String> {
    let found = match (datatype, item) {
        (_, Value::Null) => Ok(Scalar::Null),
        (Datatype::Bool, Value::Bool(value)) => Ok(Scalar::Bool(value)),
        (Datatype::Bytes, Value::String(text)) => Ok(Scalar::Text(text)),
        (datatype, Value::Number(number)) if datatype.is_float() => {
            number.as_f64().map(Scalar::Float).ok_or(Value::Number(number))
        }
        (datatype, Value::Number(number)) => whole(datatype, number.as_i128()).ok_or(Value::Number(number)),
        (_, item) => Err(item),
    };
    found.map_err(|item| format!("is {} but has {item} in `data`", datatype.name()))
}

fn whole(datatype: Datatype, number: Option<i128>) -> Option<Scalar> {
    let (least, most) = datatype.range()?;
    let number = number.filter(|number| (least..=most).contains(number))?;
    // Beyond i64 only features can lie, and those are numbers with a fraction to the model.
    Some(i64::try_from(number).map_or(Scalar::Float(number as f64), Scalar::Int))
}
