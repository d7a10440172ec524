//! YAML text to a tree in which every value and key knows its place.
//!
//! Knows nothing of projects. A tree rather than serde structs, so that one mistake does not hide the next.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

/// A place in a file: line and column from 1, length in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Span {
    pub(crate) line: u32,
    pub(crate) column: u32,
    pub(crate) length: u32,
}

/// A value and its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) span: Span,
}

/// What a YAML node holds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key and its value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_span: Span,
    pub(crate) node: Node,
}

/// Why a text is not YAML, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InvalidYaml {
    pub(crate) message: String,
    pub(crate) span: Option<Span>,
}

/// Parses one document; an empty one is null.
pub(crate) fn parse(text: &str) -> Result<Node, InvalidYaml> {
    let has_content = text.lines().map(str::trim).any(|line| !(line.is_empty() || line.starts_with('#')));
    if !has_content {
        return Ok(Node { value: Value::Null, span: Span { line: 1, column: 1, length: 0 } });
    }
    let options = serde_saphyr::options! { strict_booleans: true, with_snippet: false };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| InvalidYaml {
        message: without_place(&error.without_snippet().to_string()),
        span: error.location().map(|location| span(&location)),
    })
}

/// A document that is nobody's project, as JSON.
///
/// # Errors
/// Why it is no YAML.
pub fn yaml_to_json(text: &str) -> Result<serde_json::Value, String> {
    parse(text).map(|node| node.to_json()).map_err(|error| error.message)
}

impl Node {
    /// What the value is, in words.
    pub(crate) fn type_word(&self) -> &'static str {
        match self.value {
            Value::Null => "empty",
            Value::Bool(_) => "true or false",
            Value::Int(_) => "a whole number",
            Value::Float(_) => "a number",
            Value::Text(_) => "a text",
            Value::List(_) => "a list",
            Value::Map(_) => "an object",
        }
    }

    /// A scalar as it would be written; `None` for lists and objects.
    pub(crate) fn scalar_text(&self) -> Option<String> {
        match &self.value {
            Value::Null | Value::List(_) | Value::Map(_) => None,
            Value::Bool(value) => Some(value.to_string()),
            Value::Int(value) => Some(value.to_string()),
            Value::Float(value) => Some(value.to_string()),
            Value::Text(value) => Some(value.clone()),
        }
    }

    /// The tree without places.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(value) => (*value).into(),
            Value::Int(value) => (*value).into(),
            Value::Float(value) => (*value).into(),
            Value::Text(value) => value.as_str().into(),
            Value::List(items) => items.iter().map(Self::to_json).collect(),
            Value::Map(entries) => entries.iter().map(|entry| (entry.key.clone(), entry.node.to_json())).collect(),
        }
    }
}

fn span(location: &Location) -> Span {
    let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    Span { line: small(location.line()), column: small(location.column()), length: small(location.span().len()) }
}

/// The message alone: the parser adds the place, which a label says better, and advice to programmers.
fn without_place(message: &str) -> String {
    let line = message.lines().next().unwrap_or(message);
    let line = line.split(" at line ").next().unwrap_or(line);
    line.split(", set DuplicateKeyPolicy").next().unwrap_or(line).to_owned()
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Value>::deserialize(deserializer)?;
        Ok(Self { value: spanned.value, span: span(&spanned.referenced) })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Int(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(i64::try_from(value).map_or(Value::Float(value as f64), Value::Int))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element::<Node>()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            entries.push(Entry { key: key.value, key_span: span(&key.referenced), node: map.next_value()? });
        }
        Ok(Value::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_and_key_knows_its_place() {
        let node = parse("# note\na: {b: [1, 'x', 2.5]}\nc:\n  - d: 7d\n    e:\n").unwrap();
        let Value::Map(entries) = &node.value else { panic!("{node:?}") };
        assert_eq!(entries[0].key_span, Span { line: 2, column: 1, length: 1 });
        let Value::Map(inner) = &entries[0].node.value else { panic!("{node:?}") };
        assert_eq!(inner[0].key_span, Span { line: 2, column: 5, length: 1 });
        let Value::List(items) = &inner[0].node.value else { panic!("{node:?}") };
        assert_eq!(items[0], Node { value: Value::Int(1), span: Span { line: 2, column: 9, length: 1 } });
        assert_eq!(items[1].span, Span { line: 2, column: 12, length: 3 });
        assert_eq!(items[2].value, Value::Float(2.5));
        assert_eq!(entries[1].node.to_json(), serde_json::json!([{"d": "7d", "e": null}]));
    }

    #[test]
    fn words_of_old_yaml_stay_words() {
        let node = parse("on: [yes, no, 'NA', 10%, true, 2013-01-01, '']").unwrap();
        assert_eq!(node.to_json(), serde_json::json!({"on": ["yes", "no", "NA", "10%", true, "2013-01-01", ""]}));
        assert_eq!(parse("# nothing\n\n").unwrap().value, Value::Null);
    }

    #[test]
    fn what_is_not_yaml_says_where() {
        for text in ["a: [1,", "a: 1\na: 2\n", "a: b: c", "- x\ny: 1\n"] {
            let error = parse(text).unwrap_err();
            assert!(error.span.is_some() && !error.message.is_empty(), "{text}: {error:?}");
        }
    }
}
