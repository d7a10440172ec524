//! The types that queries are checked against and answers are made by, read from `schema.graphql`.

use std::collections::HashMap;
use std::sync::LazyLock;

use baton_tracking::TrackingError;
use graphql_parser::parse_schema;
use graphql_parser::schema::{Definition, InputValue, Type, TypeDefinition};

use crate::mlflow::error::WireError;

/// The type of a field of an answer; what is said of its not being null is left out, as answers keep to it by themselves.
#[derive(Debug)]
pub(super) enum Kind {
    /// The type of this name.
    Named(&'static str),
    /// A list of these.
    List(Box<Self>),
}

impl Kind {
    /// The name of what it holds in the end.
    pub(super) fn innermost(&self) -> &'static str {
        match self {
            Self::Named(name) => name,
            Self::List(inner) => inner.innermost(),
        }
    }
}

impl From<&Type<'static, &'static str>> for Kind {
    fn from(given: &Type<'static, &'static str>) -> Self {
        match given {
            Type::NamedType(name) => Self::Named(name),
            Type::ListType(inner) => Self::List(Box::new(Self::from(&**inner))),
            Type::NonNullType(inner) => Self::from(&**inner),
        }
    }
}

/// All types, by their names.
#[derive(Debug)]
pub(super) struct Schema {
    types: HashMap<&'static str, TypeDefinition<'static, &'static str>>,
    /// The types of fields, by the object's name and the field's.
    kinds: HashMap<(&'static str, &'static str), Kind>,
}

static SCHEMA: LazyLock<Result<Schema, String>> = LazyLock::new(|| {
    let parsed = parse_schema::<&'static str>(include_str!("schema.graphql")).map_err(|error| error.to_string())?;
    let mut schema = Schema { types: HashMap::new(), kinds: HashMap::new() };
    for definition in parsed.definitions {
        let Definition::TypeDefinition(definition) = definition else { continue };
        let name = name_of(&definition);
        if let TypeDefinition::Object(object) = &definition {
            let kinds = object.fields.iter().map(|field| ((name, field.name), Kind::from(&field.field_type)));
            schema.kinds.extend(kinds);
        }
        schema.types.insert(name, definition);
    }
    Ok(schema)
});

impl Schema {
    /// The schema.
    pub(super) fn get() -> Result<&'static Self, WireError> {
        SCHEMA.as_ref().map_err(|error| TrackingError::Internal(format!("the GraphQL schema: {error}")).into())
    }

    /// The type of this name, unless it is one of GraphQL's own.
    pub(super) fn find(&self, name: &str) -> Option<&TypeDefinition<'static, &'static str>> {
        self.types.get(name)
    }

    /// Whether the type of this name has fields to select.
    pub(super) fn is_object(&self, name: &str) -> bool {
        matches!(self.find(name), Some(TypeDefinition::Object(_)))
    }

    /// Whether values of the type of this name are names.
    pub(super) fn is_enumeration(&self, name: &str) -> bool {
        matches!(self.find(name), Some(TypeDefinition::Enum(_)))
    }

    /// The type of a field of an object.
    pub(super) fn kind(&self, object: &'static str, field: &str) -> Option<&Kind> {
        self.kinds.iter().find(|((of, name), _)| *of == object && *name == field).map(|(_, kind)| kind)
    }

    /// What a field of an object takes.
    pub(super) fn arguments(&self, object: &str, field: &str) -> &[InputValue<'static, &'static str>] {
        let Some(TypeDefinition::Object(object)) = self.find(object) else { return &[] };
        object.fields.iter().find(|known| known.name == field).map_or(&[], |field| &field.arguments)
    }

    /// The fields of the input of this name.
    pub(super) fn input(&self, name: &str) -> Option<&[InputValue<'static, &'static str>]> {
        match self.find(name)? {
            TypeDefinition::InputObject(input) => Some(&input.fields),
            _ => None,
        }
    }
}

fn name_of(definition: &TypeDefinition<'static, &'static str>) -> &'static str {
    match definition {
        TypeDefinition::Scalar(found) => found.name,
        TypeDefinition::Object(found) => found.name,
        TypeDefinition::Interface(found) => found.name,
        TypeDefinition::Union(found) => found.name,
        TypeDefinition::Enum(found) => found.name,
        TypeDefinition::InputObject(found) => found.name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_that_is_named_is_there() {
        let schema = Schema::get().unwrap();
        let is_known =
            |name: &str| ["String", "Int", "Float", "Boolean"].contains(&name) || schema.find(name).is_some();
        for ((object, field), kind) in &schema.kinds {
            assert!(is_known(kind.innermost()), "{object}.{field}");
            let arguments = schema.arguments(object, field).iter();
            assert!(arguments.map(|argument| Kind::from(&argument.value_type)).all(|kind| is_known(kind.innermost())));
        }
        for definition in schema.types.values() {
            let fields = schema.input(name_of(definition)).unwrap_or_default().iter();
            assert!(fields.map(|field| Kind::from(&field.value_type)).all(|kind| is_known(kind.innermost())));
        }
    }
}
