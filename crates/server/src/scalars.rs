//! Values of JSON requests.

use baton_core::scalar::Scalar;
use serde_json::Value;

/// A plain JSON value; an array or object is answered by what it is.
pub(crate) fn scalar_of(value: Value) -> Result<Scalar, &'static str> {
    match value {
        Value::Null => Ok(Scalar::Null),
        Value::Bool(value) => Ok(Scalar::Bool(value)),
        Value::String(value) => Ok(Scalar::Text(value)),
        Value::Number(number) => {
            let whole = number.as_i64().map(Scalar::Int);
            // A number that is no i64 and has no f64 does not exist in JSON as it is read here.
            Ok(whole.unwrap_or_else(|| number.as_f64().map_or(Scalar::Null, Scalar::Float)))
        }
        Value::Array(_) => Err("a list"),
        Value::Object(_) => Err("an object"),
    }
}
