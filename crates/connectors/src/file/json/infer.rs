//! Types of JSON columns from all lines of a file.
//!
//! Numbers widen, unlike scalars meet as text. Where a list or an object meets something else the first to come
//! decides; the rows that differ cannot be decoded later and are set aside. What parts of a file say can be put together
//! and is then what the whole says.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields};
use indexmap::IndexMap;
use serde_json::{Map, Value};

/// Columns by name, in the order of their first appearance.
pub(crate) type Columns = IndexMap<String, Shape>;

const BOOLEAN: u8 = 1;
const INTEGER: u8 = 2;
const FLOAT: u8 = 4;
const TEXT: u8 = 8;

/// What a place holds that holds something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Scalar,
    List,
    Object,
}

/// The type of all values seen in one place; nothing but nulls at first.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Shape {
    /// That of the first value, which decides.
    first: Option<Form>,
    /// Which scalars there were.
    scalars: u8,
    items: Option<Box<Self>>,
    columns: Columns,
}

impl Shape {
    /// Takes in the values of one object, column by column.
    pub(crate) fn observe_object(columns: &mut Columns, object: &Map<String, Value>) {
        for (name, value) in object {
            match columns.get_mut(name) {
                Some(shape) => shape.observe(value),
                None => columns.entry(name.clone()).or_default().observe(value),
            }
        }
    }

    fn observe(&mut self, value: &Value) {
        match value {
            Value::Null => {}
            Value::Bool(_) => self.take_boolean(),
            Value::Number(number) => self.take_number(number.is_i64()),
            Value::String(_) => self.take_text(),
            Value::Array(values) => {
                let items = self.items();
                values.iter().for_each(|value| items.observe(value));
            }
            Value::Object(object) => Self::observe_object(self.columns(), object),
        }
    }

    pub(super) fn take_boolean(&mut self) {
        self.take_scalar(BOOLEAN);
    }

    /// `fits` says whether it is a whole number of 64 bits.
    pub(super) fn take_number(&mut self, fits: bool) {
        self.take_scalar(if fits { INTEGER } else { FLOAT });
    }

    pub(super) fn take_text(&mut self) {
        self.take_scalar(TEXT);
    }

    fn take_scalar(&mut self, scalar: u8) {
        self.first.get_or_insert(Form::Scalar);
        self.scalars |= scalar;
    }

    /// The items of a list that stands here.
    pub(super) fn items(&mut self) -> &mut Self {
        self.first.get_or_insert(Form::List);
        self.items.get_or_insert_default()
    }

    /// The columns of an object that stands here.
    pub(super) fn columns(&mut self) -> &mut Columns {
        self.first.get_or_insert(Form::Object);
        &mut self.columns
    }

    /// Takes in what values that come behind have shown.
    pub(super) fn followed_by(&mut self, behind: Self) {
        self.first = self.first.or(behind.first);
        self.scalars |= behind.scalars;
        if let Some(items) = behind.items {
            self.items.get_or_insert_default().followed_by(*items);
        }
        Self::columns_followed_by(&mut self.columns, behind.columns);
    }

    /// Takes in what objects that come behind have shown.
    pub(super) fn columns_followed_by(columns: &mut Columns, behind: Columns) {
        for (name, shape) in behind {
            columns.entry(name).or_default().followed_by(shape);
        }
    }

    /// Says whether nothing but nulls was seen.
    pub(crate) fn is_null(&self) -> bool {
        self.first.is_none()
    }

    /// Says whether values of several types were seen, so that single values, not the column, may be of a wrong type.
    pub(crate) fn is_mixed(&self) -> bool {
        self.first == Some(Form::Scalar) && !self.scalars.is_power_of_two()
    }

    /// Returns the Arrow type; text where nothing but nulls was seen.
    pub(crate) fn data_type(&self) -> DataType {
        match (self.first, &self.items) {
            (Some(Form::List), Some(items)) => DataType::List(Arc::new(Field::new_list_field(items.data_type(), true))),
            (Some(Form::Object), _) => DataType::Struct(Self::fields(&self.columns)),
            _ => self.scalar_type(),
        }
    }

    fn scalar_type(&self) -> DataType {
        match self.scalars {
            BOOLEAN => DataType::Boolean,
            INTEGER => DataType::Int64,
            scalars if scalars != 0 && scalars & !(INTEGER | FLOAT) == 0 => DataType::Float64,
            _ => DataType::Utf8,
        }
    }

    /// Returns the columns as Arrow fields, in the order of their first appearance.
    pub(crate) fn fields(columns: &Columns) -> Fields {
        columns.iter().map(|(name, shape)| Field::new(name, shape.data_type(), true)).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value() -> impl Strategy<Value = Value> {
        let scalar = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            (-1.0..1.0).prop_map(Value::from),
            "[ab\n\"é]{0,3}".prop_map(Value::from),
        ];
        scalar.prop_recursive(3, 12, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                object_of(inner).prop_map(Value::from),
            ]
        })
    }

    fn object_of(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Map<String, Value>> {
        let entry = ("[abc]", value);
        proptest::collection::vec(entry, 0..4).prop_map(|entries| entries.into_iter().collect())
    }

    fn of(objects: &[Map<String, Value>]) -> Columns {
        let mut columns = Columns::new();
        objects.iter().for_each(|object| Shape::observe_object(&mut columns, object));
        columns
    }

    proptest! {
        #[test]
        fn parts_together_say_what_the_whole_says(objects in proptest::collection::vec(object_of(value()), 0..12), cut in 0..12_usize) {
            let (before, behind) = objects.split_at(cut.min(objects.len()));
            let mut together = of(before);
            Shape::columns_followed_by(&mut together, of(behind));
            prop_assert_eq!(Shape::fields(&together), Shape::fields(&of(&objects)));
            prop_assert_eq!(together, of(&objects));
        }

        #[test]
        fn a_text_shows_what_its_value_shows(objects in proptest::collection::vec(object_of(value()), 1..6)) {
            let mut read = Columns::new();
            for object in &objects {
                super::super::scan::observe_line(&mut read, &serde_json::to_string(object).unwrap()).unwrap();
            }
            prop_assert_eq!(read, of(&objects));
        }
    }

    #[test]
    fn the_first_list_or_object_decides_and_scalars_widen() {
        let shown = |text: &str| {
            let objects: Vec<_> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            let shape = &of(&objects)["a"];
            format!("{}{}", shape.data_type(), if shape.is_mixed() { " mixed" } else { "" })
        };
        assert_eq!(shown("{\"a\":null}"), "Utf8");
        assert_eq!(shown("{\"a\":1}\n{\"a\":null}"), "Int64");
        assert_eq!(shown("{\"a\":1}\n{\"a\":18446744073709551615}"), "Float64 mixed");
        assert_eq!(shown("{\"a\":true}\n{\"a\":1}"), "Utf8 mixed");
        assert_eq!(shown("{\"a\":1}\n{\"a\":[1]}"), "Int64");
        assert_eq!(shown("{\"a\":[1]}\n{\"a\":\"x\"}\n{\"a\":[0.5]}"), "List(Float64)");
        assert_eq!(
            shown("{\"a\":{\"b\":1}}\n{\"a\":[]}\n{\"a\":{\"c\":true}}"),
            "Struct(\"b\": Int64, \"c\": Boolean)"
        );
    }
}
