//! What the text of an object shows of its columns, without making values of it.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use super::infer::{Columns, Shape};

/// Takes in the object that `line` holds.
///
/// # Errors
/// It is not a JSON object; `columns` may hold a part of it.
pub(super) fn observe_line(columns: &mut Columns, line: &str) -> Result<(), serde_json::Error> {
    let mut text = serde_json::Deserializer::from_str(line);
    text.deserialize_map(ObjectVisitor(columns))?;
    text.end()
}

struct ObjectVisitor<'c>(&'c mut Columns);

impl<'de> Visitor<'de> for ObjectVisitor<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        // Objects mostly have the same names in the same order, so the next column is tried first.
        let mut expected = 0;
        while let Some(index) = entries.next_key_seed(Name { columns: self.0, expected })? {
            let Some((_, shape)) = self.0.get_index_mut(index) else {
                return Err(A::Error::custom("a column went away"));
            };
            entries.next_value_seed(Place(shape))?;
            expected = index + 1;
        }
        Ok(())
    }
}

/// Finds the column of a name, or makes it.
struct Name<'c> {
    columns: &'c mut Columns,
    expected: usize,
}

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, name: D) -> Result<usize, D::Error> {
        name.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name<'_> {
    type Value = usize;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a name")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<usize, E> {
        if self.columns.get_index(self.expected).is_some_and(|(expected, _)| expected == name) {
            return Ok(self.expected);
        }
        match self.columns.get_index_of(name) {
            Some(index) => Ok(index),
            None => Ok(self.columns.insert_full(name.to_owned(), Shape::default()).0),
        }
    }
}

/// Where a value stands.
struct Place<'c>(&'c mut Shape);

impl<'de> DeserializeSeed<'de> for Place<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        value.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Place<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        self.0.take_boolean();
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        self.0.take_number(true);
        Ok(())
    }

    fn visit_u64<E>(self, number: u64) -> Result<(), E> {
        self.0.take_number(i64::try_from(number).is_ok());
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        self.0.take_number(false);
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        self.0.take_text();
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<(), A::Error> {
        let items = self.0.items();
        while values.next_element_seed(Place(items))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<(), A::Error> {
        ObjectVisitor(self.0.columns()).visit_map(entries)
    }
}
