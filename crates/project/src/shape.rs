//! What an object of a project file may hold: the one description from which unknown keys are found and the JSON
//! Schema for editors is made.

use serde_json::{Map, Value, json};

/// The keys of an object, in the order in which people would write them.
pub(crate) type Shape = &'static [Key];

/// A key: name, type, whether it is needed, what it means.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) form: Form,
    pub(crate) required: bool,
    pub(crate) description: &'static str,
}

/// What a value looks like.
#[derive(Debug)]
pub(crate) enum Form {
    Text,
    Flag,
    Whole,
    Number,
    /// A share: a number from 0 to 1, or `10%`.
    Share,
    /// `36h`, `2d`.
    Duration,
    /// A scalar: text, number, or true or false.
    Scalar,
    /// Anything.
    Any,
    /// One of a few words.
    Words(&'static [&'static str]),
    /// A list; a single value may stand for a list of one.
    List(&'static Self),
    /// An object with known keys.
    Object(Shape),
    /// An object whose keys the user chooses.
    Map(&'static Self),
    /// Either of these.
    Either(&'static [Self]),
}

/// A needed key.
pub(crate) const fn needed(name: &'static str, form: Form, description: &'static str) -> Key {
    Key { name, form, required: true, description }
}

/// A key that may be left out.
pub(crate) const fn key(name: &'static str, form: Form, description: &'static str) -> Key {
    Key { name, form, required: false, description }
}

/// The JSON Schema of an object.
pub(crate) fn object_schema(shape: Shape) -> Value {
    let mut properties = Map::new();
    for key in shape {
        let mut schema = form_schema(&key.form);
        schema["description"] = key.description.into();
        properties.insert(key.name.to_owned(), schema);
    }
    let required: Vec<&str> = shape.iter().filter(|key| key.required).map(|key| key.name).collect();
    let mut schema = json!({"type": "object", "properties": properties, "additionalProperties": false});
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

fn form_schema(form: &Form) -> Value {
    match form {
        Form::Text => json!({"type": "string"}),
        Form::Flag => json!({"type": "boolean"}),
        Form::Whole => json!({"type": "integer"}),
        Form::Number => json!({"type": "number"}),
        Form::Share => json!({"anyOf": [
            {"type": "number", "minimum": 0, "maximum": 1},
            {"type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?%$"},
        ]}),
        Form::Duration => json!({"type": "string", "pattern": "^[0-9]+ *[smhdw]$"}),
        Form::Scalar => json!({"type": ["string", "number", "boolean"]}),
        Form::Any => json!({}),
        Form::Words(words) => json!({"enum": words}),
        Form::List(item) => {
            let item = form_schema(item);
            json!({"anyOf": [{"type": "array", "items": item}, item]})
        }
        Form::Object(shape) => object_schema(shape),
        Form::Map(value) => json!({"type": "object", "additionalProperties": form_schema(value)}),
        Form::Either(forms) => json!({"anyOf": forms.iter().map(form_schema).collect::<Vec<_>>()}),
    }
}
