//! One schema of Avro from several: definitions that a schema only names are written where they are named first.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

/// Types that have no definition.
const PRIMITIVES: &[&str] = &["null", "boolean", "int", "long", "float", "double", "bytes", "string"];

/// `schema` with the `definitions` that it refers to; what they are called is their own name.
///
/// # Errors
/// One of the texts is not JSON.
pub(super) fn inlined(schema: &str, definitions: &[String]) -> Result<String, String> {
    let parse = |text: &str| -> Result<Value, String> {
        serde_json::from_str(text).map_err(|error| format!("it is not JSON: {error}"))
    };
    let mut known = BTreeMap::new();
    for text in definitions {
        let definition = parse(text)?;
        let name = definition.as_object().and_then(|object| named(object, ""));
        known.extend(name.map(|(name, _)| (name, definition)));
    }
    let mut writing = Writing { known, written: BTreeSet::new() };
    Ok(writing.written_out(parse(schema)?, "").to_string())
}

struct Writing {
    /// Definitions by their whole name.
    known: BTreeMap<String, Value>,
    /// Whole names whose definition stands already.
    written: BTreeSet<String>,
}

impl Writing {
    /// A schema that stands in `namespace`, with definitions in place of the names that have none yet.
    fn written_out(&mut self, schema: Value, namespace: &str) -> Value {
        match schema {
            Value::String(name) => self.reference(name, namespace),
            Value::Array(branches) => branches.into_iter().map(|branch| self.written_out(branch, namespace)).collect(),
            Value::Object(object) => Value::Object(self.object(object, namespace)),
            other => other,
        }
    }

    fn reference(&mut self, name: String, namespace: &str) -> Value {
        let whole = whole_name(&name, namespace);
        if PRIMITIVES.contains(&name.as_str()) || self.written.contains(&whole) {
            return Value::String(name);
        }
        let Some(Value::Object(mut definition)) = self.known.get(&whole).cloned() else { return Value::String(name) };
        // Without a namespace of its own it would take on the one that it comes to stand in.
        let own = whole.rsplit_once('.').map_or("", |(own, _)| own).to_owned();
        definition.insert("name".to_owned(), whole.rsplit('.').next().unwrap_or_default().into());
        definition.insert("namespace".to_owned(), own.into());
        Value::Object(self.object(definition, namespace))
    }

    fn object(&mut self, mut object: Map<String, Value>, namespace: &str) -> Map<String, Value> {
        let named = named(&object, namespace);
        let inner = named.as_ref().map_or(namespace, |(_, inner)| inner).to_owned();
        self.written.extend(named.map(|(name, _)| name));
        for key in ["type", "items", "values"] {
            if let Some(part) = object.get_mut(key) {
                *part = self.written_out(part.take(), &inner);
            }
        }
        if let Some(Value::Array(fields)) = object.get_mut("fields") {
            for field in fields.iter_mut().filter_map(Value::as_object_mut) {
                if let Some(part) = field.get_mut("type") {
                    *part = self.written_out(part.take(), &inner);
                }
            }
        }
        object
    }
}

/// The whole name of a definition that stands in `namespace`, and the namespace of what stands in it.
fn named(object: &Map<String, Value>, namespace: &str) -> Option<(String, String)> {
    let name = object.get("name")?.as_str()?;
    let own = object.get("namespace").and_then(Value::as_str).unwrap_or(namespace);
    let whole = whole_name(name, own);
    let inner = whole.rsplit_once('.').map_or("", |(inner, _)| inner).to_owned();
    Some((whole, inner))
}

fn whole_name(name: &str, namespace: &str) -> String {
    if name.contains('.') || namespace.is_empty() { name.to_owned() } else { format!("{namespace}.{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(schema: &str, definitions: &[&str], expected: &str) {
        let definitions: Vec<String> = definitions.iter().map(|text| (*text).to_owned()).collect();
        let found: Value = serde_json::from_str(&inlined(schema, &definitions).unwrap()).unwrap();
        assert_eq!(found, serde_json::from_str::<Value>(expected).unwrap(), "{found}");
    }

    #[test]
    fn a_definition_stands_where_it_is_named_first() {
        let money = r#"{"type": "record", "name": "Money", "namespace": "shop", "fields": [{"name": "cents", "type": "long"}]}"#;
        check(
            r#"{"type": "record", "name": "Order", "namespace": "shop", "fields": [
                {"name": "total", "type": "Money"}, {"name": "tax", "type": ["null", "shop.Money"]}]}"#,
            &[money],
            r#"{"type": "record", "name": "Order", "namespace": "shop", "fields": [
                {"name": "total", "type": {"type": "record", "name": "Money", "namespace": "shop", "fields": [{"name": "cents", "type": "long"}]}},
                {"name": "tax", "type": ["null", "shop.Money"]}]}"#,
        );
    }

    #[test]
    fn definitions_refer_to_others_and_keep_their_namespace() {
        let line = r#"{"type": "record", "name": "a.Line", "fields": [{"name": "kind", "type": "Kind"}, {"name": "next", "type": ["null", "Line"]}]}"#;
        let kind = r#"{"type": "enum", "name": "Kind", "namespace": "a", "symbols": ["X"]}"#;
        check(
            r#"{"type": "record", "name": "b.Order", "fields": [{"name": "lines", "type": {"type": "array", "items": "a.Line"}}]}"#,
            &[line, kind],
            r#"{"type": "record", "name": "b.Order", "fields": [{"name": "lines", "type": {"type": "array", "items":
                {"type": "record", "name": "Line", "namespace": "a", "fields": [
                    {"name": "kind", "type": {"type": "enum", "name": "Kind", "namespace": "a", "symbols": ["X"]}},
                    {"name": "next", "type": ["null", "Line"]}]}}}]}"#,
        );
    }

    #[test]
    fn names_of_nothing_stay() {
        check(r#"["null", "x.Unknown"]"#, &[], r#"["null", "x.Unknown"]"#);
        assert!(inlined("{", &[]).is_err());
    }
}
