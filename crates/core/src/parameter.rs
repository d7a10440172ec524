//! Parameters: values that a run may be given, each with a type and a default.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::asset::ColumnType;
use crate::time::parse_instant;

/// A value that runs may be given; SQL, Python and commands see it as a variable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Parameter {
    /// Its type. Days and instants are texts as people write them: `2026-07-01`, `2026-07-01T12:00:00Z`.
    pub kind: ColumnType,
    /// Its value where none is given.
    pub default: Value,
    /// The values that it may have; empty means any of its type.
    pub values: Vec<Value>,
    /// What it is for.
    pub description: Option<String>,
}

impl Parameter {
    /// Reads the text that stands for a value on a command line.
    ///
    /// # Errors
    /// What was expected instead.
    pub fn parse(&self, text: &str) -> Result<Value, String> {
        let value = match self.kind {
            ColumnType::Int => text.parse::<i64>().ok().map(Value::from),
            ColumnType::Float => text.parse::<f64>().ok().filter(|number| number.is_finite()).map(Value::from),
            ColumnType::Bool => text.parse::<bool>().ok().map(Value::from),
            ColumnType::String | ColumnType::Date | ColumnType::Timestamp => Some(Value::from(text)),
        };
        self.check(value.unwrap_or_else(|| Value::from(text)))
    }

    /// Holds a value to the type and to the values that are allowed.
    ///
    /// # Errors
    /// What was expected instead.
    pub fn check(&self, value: Value) -> Result<Value, String> {
        let value = match (self.kind, &value) {
            (ColumnType::Float, Value::Number(number)) => number.as_f64().map_or(value, Value::from),
            _ => value,
        };
        if !has_type(self.kind, &value) {
            return Err(expected(self.kind).to_owned());
        }
        if self.values.is_empty() || self.values.contains(&value) {
            return Ok(value);
        }
        let known: Vec<String> = self.values.iter().map(shown).collect();
        Err(format!("one of {}", known.join(", ")))
    }
}

/// Whether a value is of a type.
fn has_type(kind: ColumnType, value: &Value) -> bool {
    match (kind, value) {
        (ColumnType::String, Value::String(_)) | (ColumnType::Bool, Value::Bool(_)) => true,
        (ColumnType::Int, Value::Number(number)) => number.is_i64(),
        (ColumnType::Float, Value::Number(number)) => number.is_f64(),
        (ColumnType::Date, Value::String(text)) => text.len() == 10 && parse_instant(text).is_some(),
        (ColumnType::Timestamp, Value::String(text)) => parse_instant(text).is_some(),
        _ => false,
    }
}

fn expected(kind: ColumnType) -> &'static str {
    match kind {
        ColumnType::String => "a text",
        ColumnType::Int => "a whole number",
        ColumnType::Float => "a number",
        ColumnType::Bool => "true or false",
        ColumnType::Date => "a day such as 2026-07-01",
        ColumnType::Timestamp => "an instant such as 2026-07-01T12:00:00Z",
    }
}

/// A value as people write it.
pub fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parameter(kind: ColumnType, values: &[Value]) -> Parameter {
        Parameter { kind, default: Value::Null, values: values.to_vec(), description: None }
    }

    #[test]
    fn texts_are_read_by_type() {
        for (kind, text, expected) in [
            (ColumnType::Int, "7", Ok(json!(7))),
            (ColumnType::Int, "7.5", Err("a whole number")),
            (ColumnType::Int, "", Err("a whole number")),
            (ColumnType::Float, "7", Ok(json!(7.0))),
            (ColumnType::Float, "inf", Err("a number")),
            (ColumnType::Bool, "true", Ok(json!(true))),
            (ColumnType::Bool, "yes", Err("true or false")),
            (ColumnType::String, "7", Ok(json!("7"))),
            (ColumnType::Date, "2026-07-01", Ok(json!("2026-07-01"))),
            (ColumnType::Date, "2026-07-01T12:00", Err("a day such as 2026-07-01")),
            (ColumnType::Date, "2026-02-30", Err("a day such as 2026-07-01")),
            (ColumnType::Timestamp, "2026-07-01T12:00", Ok(json!("2026-07-01T12:00"))),
        ] {
            assert_eq!(parameter(kind, &[]).parse(text), expected.map_err(str::to_owned), "{text}");
        }
    }

    #[test]
    fn values_are_those_that_are_allowed() {
        let region = parameter(ColumnType::String, &[json!("eu"), json!("us")]);
        assert_eq!(region.parse("us"), Ok(json!("us")));
        assert_eq!(region.parse("mars"), Err("one of eu, us".to_owned()));
        assert_eq!(parameter(ColumnType::Float, &[]).check(json!(3)), Ok(json!(3.0)));
        assert_eq!(parameter(ColumnType::Int, &[]).check(json!("3")), Err("a whole number".to_owned()));
    }
}
