//! Types of JSON columns from all lines of a file.
//!
//! Numbers widen, unlike scalars meet as text. Where a list or an object meets something else the first to come
//! decides; the rows that differ cannot be decoded later and are set aside.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields};
use indexmap::IndexMap;
use serde_json::{Map, Value};

/// The type of all values seen in one place.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) enum Shape {
    /// Only nulls so far.
    #[default]
    Null,
    Boolean,
    Integer,
    Float,
    /// Whole numbers and fractions.
    Number,
    Text,
    /// Scalars of unlike types.
    Mixed,
    List(Box<Self>),
    Object(IndexMap<String, Self>),
}

impl Shape {
    /// Takes in the values of one object, column by column.
    pub(crate) fn observe_object(columns: &mut IndexMap<String, Self>, object: &Map<String, Value>) {
        for (name, value) in object {
            match columns.get_mut(name) {
                Some(shape) => shape.observe(value),
                None => columns.entry(name.clone()).or_default().observe(value),
            }
        }
    }

    fn observe(&mut self, value: &Value) {
        match (&mut *self, value) {
            (_, Value::Null) => {}
            (Self::List(items), Value::Array(values)) => values.iter().for_each(|value| items.observe(value)),
            (Self::Object(columns), Value::Object(object)) => Self::observe_object(columns, object),
            (Self::Null, _) => {
                *self = Self::of(value);
                if self.is_nested() {
                    self.observe(value);
                }
            }
            _ => *self = self.clone().meet(Self::of(value)),
        }
    }

    fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(_) => Self::Boolean,
            Value::Number(number) if number.is_i64() => Self::Integer,
            Value::Number(_) => Self::Float,
            Value::String(_) => Self::Text,
            Value::Array(_) => Self::List(Box::default()),
            Value::Object(_) => Self::Object(IndexMap::new()),
        }
    }

    fn meet(self, other: Self) -> Self {
        let is_number = |shape: &Self| matches!(shape, Self::Integer | Self::Float | Self::Number);
        match (self, other) {
            (first, other) if first == other || first.is_nested() || other.is_nested() => first,
            (first, other) if is_number(&first) && is_number(&other) => Self::Number,
            _ => Self::Mixed,
        }
    }

    /// Says whether values of several types were seen, so that single values, not the column, may be of a wrong type.
    pub(crate) fn is_mixed(&self) -> bool {
        matches!(self, Self::Number | Self::Mixed)
    }

    fn is_nested(&self) -> bool {
        matches!(self, Self::List(_) | Self::Object(_))
    }

    /// Returns the Arrow type; text where nothing but nulls was seen.
    pub(crate) fn data_type(&self) -> DataType {
        match self {
            Self::Null | Self::Text | Self::Mixed => DataType::Utf8,
            Self::Boolean => DataType::Boolean,
            Self::Integer => DataType::Int64,
            Self::Float | Self::Number => DataType::Float64,
            Self::List(items) => DataType::List(Arc::new(Field::new_list_field(items.data_type(), true))),
            Self::Object(columns) => DataType::Struct(Self::fields(columns)),
        }
    }

    /// Returns the columns as Arrow fields, in the order of their first appearance.
    pub(crate) fn fields(columns: &IndexMap<String, Self>) -> Fields {
        columns.iter().map(|(name, shape)| Field::new(name, shape.data_type(), true)).collect()
    }
}
