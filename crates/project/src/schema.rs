//! The JSON Schema of project files, for editors.

use serde_json::{Value, json};

use crate::keys;
use crate::shape::object_schema;

/// The schema of every `.yml` file of a project: each key with its type and meaning.
///
/// `project` is asked for in `baton.yml` only, so the schema asks for no key at the top.
pub fn json_schema() -> Value {
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Baton project file",
    });
    if let (Value::Object(schema), Value::Object(root)) = (&mut schema, object_schema(keys::ROOT)) {
        schema.extend(root.into_iter().filter(|(key, _)| key != "required"));
    }
    schema
}
