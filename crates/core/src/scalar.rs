//! One value of a feature or a prediction request, outside of Arrow.

use serde::{Deserialize, Serialize};

/// A single value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Scalar {
    /// No value.
    Null,
    /// true or false.
    Bool(bool),
    /// A whole number; instants are microseconds since the epoch.
    Int(i64),
    /// A number.
    Float(f64),
    /// Text.
    Text(String),
}

impl Scalar {
    /// The value as a number: booleans are 0 and 1; null, text and NaN are `None`.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Bool(value) => Some(f64::from(u8::from(*value))),
            Self::Int(value) => Some(*value as f64),
            Self::Float(value) if !value.is_nan() => Some(*value),
            _ => None,
        }
    }

    /// Whether there is no value.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
}

/// Entity key bytes: each value framed by a type tag and its length, so that no two keys meet.
pub fn entity_key(values: &[Scalar]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(values.len() * 12);
    for value in values {
        let (tag, payload) = match value {
            Scalar::Null => (0, Vec::new()),
            Scalar::Bool(value) => (1, vec![u8::from(*value)]),
            Scalar::Int(value) => (2, value.to_le_bytes().to_vec()),
            Scalar::Float(value) => (3, value.to_le_bytes().to_vec()),
            Scalar::Text(value) => (4, value.as_bytes().to_vec()),
        };
        bytes.push(tag);
        bytes.extend_from_slice(&(payload.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&payload);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_different_values_differ() {
        let text = |value: &str| Scalar::Text(value.to_owned());
        assert_ne!(entity_key(&[text("ab"), text("c")]), entity_key(&[text("a"), text("bc")]));
        assert_ne!(entity_key(&[Scalar::Int(1)]), entity_key(&[Scalar::Float(1.0)]));
    }
}
