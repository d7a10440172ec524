//! What a query asks for, checked against the schema: all that is wrong is told before anything is answered.

use std::collections::{HashMap, HashSet};

use graphql_parser::query::{
    Definition, Directive, Field, FragmentDefinition, OperationDefinition, Selection, SelectionSet, Type,
    TypeCondition, VariableDefinition,
};
use serde_json::{Map, Value};

use super::inputs::{Variables, coerce, literal};
use super::schema::{Kind, Schema};
use super::{Parsed, limits};

/// The field that every object has.
const TYPE_NAME: &str = "__typename";

/// A field of the answer.
#[derive(Debug)]
pub(super) struct Chosen {
    /// The name that it has in the answer.
    pub(super) key: String,
    /// The field's own name.
    pub(super) name: String,
    /// Its arguments, by their types.
    pub(super) arguments: Map<String, Value>,
    /// Its type; [`TYPE_NAME`] has none.
    pub(super) kind: Option<&'static Kind>,
    /// What is asked of it.
    pub(super) chosen: Vec<Self>,
}

/// The name of the operation's type, and what it asks for; or all that is wrong.
pub(super) fn plan<'q>(
    schema: &'static Schema,
    parsed: &'q Parsed<'q>,
    name: Option<&str>,
    given: &Map<String, Value>,
) -> Result<(&'static str, Vec<Chosen>), Vec<String>> {
    let operation = operation(parsed, name).map_err(|error| vec![error])?;
    let (kind, definitions, directives) = match operation {
        OperationDefinition::SelectionSet(_) => ("Query", &[][..], &[][..]),
        OperationDefinition::Query(query) => ("Query", &query.variable_definitions[..], &query.directives[..]),
        OperationDefinition::Mutation(mutation) => {
            ("Mutation", &mutation.variable_definitions[..], &mutation.directives[..])
        }
        OperationDefinition::Subscription(_) => {
            return Err(vec!["Schema is not configured to execute subscription operation.".to_owned()]);
        }
    };
    let fragments = limits::fragments(parsed);
    let mut planner = Planner { schema, fragments, variables: Variables::default(), errors: Vec::new() };
    planner.refuse_directives(directives, &["component"]);
    planner.declare(definitions, given);
    let mut chosen = Vec::new();
    planner.choose(limits::selection(operation), kind, &mut HashSet::new(), &mut chosen);
    if planner.errors.is_empty() { Ok((kind, chosen)) } else { Err(planner.errors) }
}

/// The operation of this name, or the only one.
fn operation<'q>(parsed: &'q Parsed<'q>, name: Option<&str>) -> Result<&'q OperationDefinition<'q, &'q str>, String> {
    let mut operations = parsed.definitions.iter().filter_map(|definition| match definition {
        Definition::Operation(operation) => Some(operation),
        Definition::Fragment(_) => None,
    });
    let Some(name) = name else {
        return match (operations.next(), operations.next()) {
            (Some(only), None) => Ok(only),
            (None, _) => Err("Must provide an operation.".to_owned()),
            _ => Err("Must provide operation name if query contains multiple operations.".to_owned()),
        };
    };
    let name_of = |operation: &OperationDefinition<'q, &'q str>| match operation {
        OperationDefinition::SelectionSet(_) => None,
        OperationDefinition::Query(query) => query.name,
        OperationDefinition::Mutation(mutation) => mutation.name,
        OperationDefinition::Subscription(subscription) => subscription.name,
    };
    let found = operations.find(|operation| name_of(operation) == Some(name));
    found.ok_or_else(|| format!("Unknown operation named '{name}'."))
}

struct Planner<'q> {
    schema: &'static Schema,
    fragments: HashMap<&'q str, &'q FragmentDefinition<'q, &'q str>>,
    variables: Variables<'q>,
    errors: Vec<String>,
}

impl<'q> Planner<'q> {
    fn declare(&mut self, definitions: &'q [VariableDefinition<'q, &'q str>], given: &Map<String, Value>) {
        for VariableDefinition { name, var_type, default_value, .. } in definitions {
            let otherwise = default_value.as_ref().and_then(|value| literal(value, &self.variables).ok().flatten());
            let value = given.get(*name).cloned().or(otherwise);
            let coerced = match value {
                None if matches!(var_type, Type::NonNullType(_)) => {
                    Err(format!("Variable '${name}' of required type '{var_type}' was not provided."))
                }
                None => Ok(None),
                Some(value) => coerce(self.schema, var_type, value)
                    .map(Some)
                    .map_err(|error| format!("Variable '${name}' got invalid value; {error}")),
            };
            let value = coerced.unwrap_or_else(|error| {
                self.errors.push(error);
                None
            });
            self.variables.declare(name, value);
        }
    }

    /// Adds what is selected of the object to `chosen`; a fragment is used once at each object.
    fn choose(
        &mut self,
        set: &'q SelectionSet<'q, &'q str>,
        object: &'static str,
        used: &mut HashSet<&'q str>,
        chosen: &mut Vec<Chosen>,
    ) {
        for item in &set.items {
            match item {
                Selection::Field(field) => self.choose_field(field, object, chosen),
                Selection::InlineFragment(inline) => {
                    self.refuse_directives(&inline.directives, &[]);
                    if self.is_of(inline.type_condition.as_ref(), object) {
                        self.choose(&inline.selection_set, object, used, chosen);
                    }
                }
                Selection::FragmentSpread(spread) => {
                    self.refuse_directives(&spread.directives, &[]);
                    let name = spread.fragment_name;
                    if !used.insert(name) {
                        continue;
                    }
                    match self.fragments.get(name).copied() {
                        None => self.errors.push(format!("Unknown fragment '{name}'.")),
                        Some(fragment) => {
                            if self.is_of(Some(&fragment.type_condition), object) {
                                self.choose(&fragment.selection_set, object, used, chosen);
                            }
                        }
                    }
                }
            }
        }
    }

    fn choose_field(&mut self, field: &'q Field<'q, &'q str>, object: &'static str, chosen: &mut Vec<Chosen>) {
        self.refuse_directives(&field.directives, &[]);
        let name = field.name;
        let kind = self.schema.kind(object, name);
        if kind.is_none() && name != TYPE_NAME {
            return self.errors.push(format!("Cannot query field '{name}' on type '{object}'."));
        }
        let inner = kind.map_or("String", Kind::innermost);
        match (self.schema.is_object(inner), field.selection_set.items.is_empty()) {
            (true, true) => {
                let message = format!("Field '{name}' of type '{inner}' must have a selection of subfields.");
                return self.errors.push(format!("{message} Did you mean '{name} {{ ... }}'?"));
            }
            (false, false) => {
                let message =
                    format!("Field '{name}' must not have a selection since type '{inner}' has no subfields.");
                return self.errors.push(message);
            }
            _ => {}
        }
        let arguments = self.arguments(field, object);
        let key = field.alias.unwrap_or(name);
        let place = chosen.iter().position(|other| other.key == key).unwrap_or_else(|| {
            let (key, name) = (key.to_owned(), name.to_owned());
            chosen.push(Chosen { key, name, arguments: arguments.clone(), kind, chosen: Vec::new() });
            chosen.len() - 1
        });
        let Some(same) = chosen.get_mut(place) else { return };
        if same.name != name || same.arguments != arguments {
            return self.errors.push(format!(
                "Fields '{key}' conflict because they differ in field or arguments. Use different aliases on the fields to \
                 fetch both if this was intentional."
            ));
        }
        self.choose(&field.selection_set, inner, &mut HashSet::new(), &mut same.chosen);
    }

    fn arguments(&mut self, field: &'q Field<'q, &'q str>, object: &'static str) -> Map<String, Value> {
        let known = self.schema.arguments(object, field.name);
        let mut arguments = Map::new();
        for (name, given) in &field.arguments {
            let Some(argument) = known.iter().find(|argument| argument.name == *name) else {
                self.errors.push(format!("Unknown argument '{name}' on field '{object}.{}'.", field.name));
                continue;
            };
            let value = literal(given, &self.variables);
            let value = value.and_then(|value| coerce(self.schema, &argument.value_type, value.unwrap_or_default()));
            match value {
                Ok(value) => drop(arguments.insert((*name).to_owned(), value)),
                Err(error) => self.errors.push(error),
            }
        }
        arguments
    }

    /// Whether a fragment's condition is the object's type; there are no types that others belong to.
    fn is_of(&mut self, condition: Option<&TypeCondition<'q, &'q str>>, object: &str) -> bool {
        match condition {
            Some(TypeCondition::On(other)) if *other != object => {
                self.errors.push(format!(
                    "Fragment cannot be spread here as objects of type '{object}' can never be of type '{other}'."
                ));
                false
            }
            _ => true,
        }
    }

    fn refuse_directives(&mut self, directives: &[Directive<'q, &'q str>], known: &[&str]) {
        for directive in directives.iter().filter(|directive| !known.contains(&directive.name)) {
            self.errors.push(format!("Unknown directive '@{}'.", directive.name));
        }
    }
}
