//! Values of arguments and variables: read as JSON, and checked against their types. Names of enumerations are texts in both.

use graphql_parser::query::{Type, Value as Literal};
use graphql_parser::schema::TypeDefinition;
use serde_json::{Map, Value};

use super::schema::Schema;

/// A literal as JSON, `None` where it is a variable that was not given.
pub(super) fn literal<'q>(given: &Literal<'q, &'q str>, variables: &Variables<'_>) -> Result<Option<Value>, String> {
    Ok(Some(match given {
        Literal::Variable(name) => return variables.find(name),
        Literal::Int(number) => number.as_i64().into(),
        Literal::Float(number) => (*number).into(),
        Literal::String(text) => text.clone().into(),
        Literal::Boolean(flag) => (*flag).into(),
        Literal::Null => Value::Null,
        Literal::Enum(name) => (*name).into(),
        Literal::List(items) => {
            let mut values = Vec::new();
            for item in items {
                values.push(literal(item, variables)?.unwrap_or_default());
            }
            Value::Array(values)
        }
        Literal::Object(fields) => {
            let mut values = Map::new();
            for (name, field) in fields {
                if let Some(value) = literal(field, variables)? {
                    values.insert((*name).to_owned(), value);
                }
            }
            Value::Object(values)
        }
    }))
}

/// Variables that an operation declares, and the values of those that were given.
#[derive(Debug, Default)]
pub(super) struct Variables<'q> {
    declared: Vec<&'q str>,
    values: Map<String, Value>,
}

impl<'q> Variables<'q> {
    /// Adds a variable with its value, if it has one.
    pub(super) fn declare(&mut self, name: &'q str, value: Option<Value>) {
        self.declared.push(name);
        if let Some(value) = value {
            self.values.insert(name.to_owned(), value);
        }
    }

    fn find(&self, name: &str) -> Result<Option<Value>, String> {
        if !self.declared.contains(&name) {
            return Err(format!("Variable '${name}' is not defined."));
        }
        Ok(self.values.get(name).cloned())
    }
}

/// `value` as one of this type; a single value stands for a list of one.
pub(super) fn coerce<'t>(schema: &Schema, kind: &Type<'t, &'t str>, value: Value) -> Result<Value, String> {
    match (kind, value) {
        (Type::NonNullType(_), Value::Null) => Err(format!("Expected value of type '{kind}', found null.")),
        (_, Value::Null) => Ok(Value::Null),
        (Type::NonNullType(inner), value) => coerce(schema, inner, value),
        (Type::ListType(inner), Value::Array(items)) => {
            items.into_iter().map(|item| coerce(schema, inner, item)).collect::<Result<_, _>>().map(Value::Array)
        }
        (Type::ListType(inner), value) => Ok(Value::Array(vec![coerce(schema, inner, value)?])),
        (Type::NamedType(name), value) => named(schema, name, value),
    }
}

fn named(schema: &Schema, name: &str, value: Value) -> Result<Value, String> {
    let refused = |what: &str| Err(format!("{name} cannot represent a {what} value: {value}"));
    match name {
        "String" if !value.is_string() => refused("non string"),
        "Boolean" if !value.is_boolean() => refused("non boolean"),
        "Float" if !value.is_number() => refused("non numeric"),
        "Int" if value.as_i64().is_none_or(|number| i32::try_from(number).is_err()) => refused("non-integer"),
        "LongString" => match value.as_i64().or_else(|| value.as_str()?.parse().ok()) {
            Some(number) => Ok(number.into()),
            None => refused("non-integer"),
        },
        "String" | "Boolean" | "Float" | "Int" => Ok(value),
        _ => match schema.find(name) {
            Some(TypeDefinition::Enum(choices)) => {
                let is_known = choices.values.iter().any(|choice| value.as_str() == Some(choice.name));
                if is_known { Ok(value) } else { Err(format!("Value {value} does not exist in '{name}' enum.")) }
            }
            Some(TypeDefinition::InputObject(_)) => object(schema, name, value),
            Some(_) => Err(format!("'{name}' is not an input type.")),
            None => Err(format!("Unknown type '{name}'.")),
        },
    }
}

fn object(schema: &Schema, name: &str, value: Value) -> Result<Value, String> {
    let Value::Object(given) = value else {
        return Err(format!("Expected value of type '{name}', found {value}."));
    };
    let fields = schema.input(name).unwrap_or_default();
    let mut values = Map::new();
    for (key, value) in given {
        let Some(field) = fields.iter().find(|field| field.name == key) else {
            return Err(format!("Field '{key}' is not defined by type '{name}'."));
        };
        values.insert(key, coerce(schema, &field.value_type, value)?);
    }
    Ok(Value::Object(values))
}
