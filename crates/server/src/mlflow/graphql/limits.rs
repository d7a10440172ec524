//! How much one query may ask, so that a small text cannot make much work.

use std::collections::{HashMap, HashSet};

use graphql_parser::query::{Definition, Field, FragmentDefinition, OperationDefinition, Selection, SelectionSet};

use super::Parsed;

/// How deep selections may lie within each other.
const DEPTH: usize = 10;
/// Fields of all operations, with those of fragments wherever they are used.
const SELECTIONS: usize = 1000;
/// Fields of operations themselves.
const ROOT_FIELDS: usize = 10;
/// Renamed fields of one object.
const ALIASES: usize = 10;

type Fragments<'q> = HashMap<&'q str, &'q FragmentDefinition<'q, &'q str>>;

/// The fragments of a query, by their names.
pub(super) fn fragments<'q>(parsed: &'q Parsed<'q>) -> Fragments<'q> {
    let fragment = |definition: &'q Definition<'q, &'q str>| match definition {
        Definition::Fragment(fragment) => Some((fragment.name, fragment)),
        Definition::Operation(_) => None,
    };
    parsed.definitions.iter().filter_map(fragment).collect()
}

/// What an operation selects.
pub(super) fn selection<'q>(operation: &'q OperationDefinition<'q, &'q str>) -> &'q SelectionSet<'q, &'q str> {
    match operation {
        OperationDefinition::SelectionSet(set) => set,
        OperationDefinition::Query(query) => &query.selection_set,
        OperationDefinition::Mutation(mutation) => &mutation.selection_set,
        OperationDefinition::Subscription(subscription) => &subscription.selection_set,
    }
}

/// Refuses a query that asks too much. One that uses fragments in a circle is too deep.
pub(super) fn check<'q>(parsed: &'q Parsed<'q>) -> Result<(), String> {
    let fragments = fragments(parsed);
    let mut selections = 0;
    let (mut roots, mut aliases) = (0, 0);
    for definition in &parsed.definitions {
        let Definition::Operation(operation) = definition else { continue };
        let mut open = vec![(selection(operation), 1)];
        while let Some((set, depth)) = open.pop() {
            if depth > DEPTH {
                return Err(format!("Query exceeds maximum depth of {DEPTH}"));
            }
            let mut fields = Vec::new();
            level(set, &fragments, &mut HashSet::new(), &mut fields);
            selections += fields.len();
            if selections > SELECTIONS {
                return Err(format!("Query exceeds maximum total selections of {SELECTIONS}"));
            }
            roots += if depth == 1 { fields.len() } else { 0 };
            aliases = aliases.max(fields.iter().filter(|field| field.alias.is_some()).count());
            let deeper = fields.iter().map(|field| &field.selection_set).filter(|set| !set.items.is_empty());
            open.extend(deeper.map(|set| (set, depth + 1)));
        }
    }
    at_most(ROOT_FIELDS, roots, "root fields")?;
    at_most(ALIASES, aliases, "aliases")
}

fn at_most(most: usize, found: usize, what: &str) -> Result<(), String> {
    if found <= most {
        return Ok(());
    }
    Err(format!("GraphQL queries should have at most {most} {what}, got {found} {what}."))
}

/// The fields of an object, with those of the fragments that are used at it; each is used once.
fn level<'q>(
    set: &'q SelectionSet<'q, &'q str>,
    fragments: &Fragments<'q>,
    used: &mut HashSet<&'q str>,
    fields: &mut Vec<&'q Field<'q, &'q str>>,
) {
    for item in &set.items {
        match item {
            Selection::Field(field) => fields.push(field),
            Selection::InlineFragment(inline) => level(&inline.selection_set, fragments, used, fields),
            Selection::FragmentSpread(spread) => {
                if used.insert(spread.fragment_name)
                    && let Some(fragment) = fragments.get(spread.fragment_name)
                {
                    level(&fragment.selection_set, fragments, used, fields);
                }
            }
        }
    }
}
