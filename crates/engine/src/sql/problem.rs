//! Planner errors in words for people, each at its place.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use datafusion::common::utils::datafusion_strsim::levenshtein;
use datafusion::common::{Column, DataFusionError, SchemaError};
use datafusion::execution::SessionState;
use regex::Regex;

use super::place::Place;
use crate::error::{ProblemKind, SqlProblem, plain_message};
use crate::is_system_column;

/// All problems that `error` holds, in the order of the text, each once.
pub(crate) fn problems_of(sql: &str, error: &DataFusionError) -> Vec<SqlProblem> {
    let mut problems: Vec<SqlProblem> = Vec::new();
    for part in parts(error) {
        let problem = problem_of(sql, part);
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    }
    problems.sort_by_key(|problem| (problem.line, problem.column));
    problems
}

pub(crate) fn first_problem(sql: &str, error: &DataFusionError) -> SqlProblem {
    let found = problems_of(sql, error).into_iter().next();
    found.unwrap_or_else(|| SqlProblem::somewhere(plain_message(error)))
}

/// `problem` with the functions that an unknown one may stand for: those least far from it, a third of its letters at most.
/// The planner proposes one of them, another from run to run.
pub(super) fn with_near_functions(state: &SessionState, problem: SqlProblem) -> SqlProblem {
    let Some(name) = problem.unknown_name.as_ref().filter(|_| problem.kind == ProblemKind::UnknownFunction) else {
        return problem;
    };
    let aggregates = state.aggregate_functions().keys();
    let known = state.scalar_functions().keys().chain(aggregates).chain(state.window_functions().keys());
    let near = known.map(|known| (levenshtein(name, known), known));
    let near: BTreeSet<(usize, &String)> = near.filter(|(distance, _)| *distance <= name.chars().count() / 3).collect();
    let least = near.first().map(|(distance, _)| *distance);
    let candidates = near.iter().filter(|(distance, _)| Some(*distance) == least).map(|(_, name)| (*name).clone());
    SqlProblem { candidates: candidates.collect(), ..problem }
}

fn parts(error: &DataFusionError) -> Vec<&DataFusionError> {
    match error {
        DataFusionError::Collection(errors) => errors.iter().flat_map(parts).collect(),
        DataFusionError::Context(_, inner) if matches!(**inner, DataFusionError::Collection(_)) => parts(inner),
        other => vec![other],
    }
}

fn problem_of(sql: &str, error: &DataFusionError) -> SqlProblem {
    let span = error.diagnostic().and_then(|diagnostic| diagnostic.span);
    let place = span.map(|span| Place::of_span(sql, &span));
    match error.find_root() {
        DataFusionError::SchemaError(schema, _) => schema_problem(sql, schema, place),
        DataFusionError::SQL(..) => syntax_problem(sql, &plain_message(error)),
        root => other_problem(sql, &plain_message(root), place),
    }
}

fn at(place: Option<Place>, message: String) -> SqlProblem {
    match place {
        Some(place) => place.problem(message),
        None => SqlProblem::somewhere(message),
    }
}

/// A problem of a certain sort.
fn of_kind(kind: ProblemKind, problem: SqlProblem) -> SqlProblem {
    SqlProblem { kind, ..problem }
}

fn schema_problem(sql: &str, error: &SchemaError, place: Option<Place>) -> SqlProblem {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => unknown_column(sql, field, valid_fields, place),
        SchemaError::AmbiguousReference { field } => {
            let name = &field.name;
            let message =
                format!("more than one column is called `{name}`: write `table.{name}`, or rename one with `as`");
            of_kind(ProblemKind::AmbiguousColumn, at(place.or_else(|| Place::of_word(sql, name)), message))
        }
        SchemaError::DuplicateQualifiedField { name, .. } | SchemaError::DuplicateUnqualifiedField { name } => at(
            place.or_else(|| Place::of_word(sql, name)),
            format!("two columns are called `{name}`: rename one with `as`"),
        ),
    }
}

fn unknown_column(sql: &str, field: &Column, valid: &[Column], place: Option<Place>) -> SqlProblem {
    let name = field.name.clone();
    let same_table = |column: &&Column| field.relation.is_none() || column.relation == field.relation;
    let names: BTreeSet<String> = valid
        .iter()
        .filter(same_table)
        .map(|column| column.name.clone())
        .filter(|column| !is_system_column(column))
        .collect();
    let message = match &field.relation {
        Some(table) if names.is_empty() => format!("there is no table or alias `{table}` here (in `{table}.{name}`)"),
        Some(table) => format!("`{table}` has no column `{name}`"),
        None => format!("there is no column `{name}`"),
    };
    let place = place.or_else(|| Place::of_word(sql, &name));
    let is_table = field.relation.is_some() && names.is_empty();
    let kind = if is_table { ProblemKind::UnknownTable } else { ProblemKind::UnknownColumn };
    SqlProblem { kind, unknown_name: Some(name), candidates: names.into_iter().collect(), ..at(place, message) }
}

/// The parser writes its place into the message: `Expected: …, found: … at Line: 1, Column: 8`.
static PLACE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^(?:sql parser error: )?(?s:(.*?))(?: at Line: (\d+), Column: (\d+))?$").ok());

fn syntax_problem(sql: &str, message: &str) -> SqlProblem {
    let message = message.trim_start_matches("ParserError(\"").trim_end_matches("\")");
    let found = PLACE.as_ref().and_then(|pattern| pattern.captures(message));
    let Some(found) = found else { return SqlProblem::somewhere(message) };
    let text = found
        .get(1)
        .map_or(message, |text| text.as_str())
        .replacen("Expected: ", "expected ", 1)
        .replacen("found: ", "found ", 1);
    let number = |index: usize| found.get(index).and_then(|digits| digits.as_str().parse::<u64>().ok());
    match (number(2), number(3)) {
        (Some(line), Some(column)) => {
            let word = sql.lines().nth(line as usize - 1).map_or(1, |text| word_length(text, column as usize));
            Place::between(sql, line, column, line, column + word as u64).problem(text)
        }
        _ => SqlProblem::somewhere(text),
    }
}

fn word_length(line: &str, column: usize) -> usize {
    let is_part = |character: &char| character.is_alphanumeric() || *character == '_';
    line.chars().skip(column - 1).take_while(is_part).count().max(1)
}

fn other_problem(sql: &str, message: &str, place: Option<Place>) -> SqlProblem {
    let by_word = |word: &str| Place::of_word(sql, word).or(place);
    if let Some(name) = between(message, "Invalid function '", "'") {
        let problem = at(by_word(&name), format!("there is no function `{name}`"));
        return SqlProblem { kind: ProblemKind::UnknownFunction, unknown_name: Some(name), ..problem };
    }
    if let Some(expression) = between(message, "require unique expression names but the expression \"", "\"") {
        let name = last_name(&expression);
        return at(by_word(name), format!("two output columns are called `{name}`: rename one with `as`"));
    }
    if let (Some(predicate), Some(kind)) =
        (between(message, "non-boolean predicate '", "'"), message.split("returning ").nth(1))
    {
        let name = last_name(&predicate);
        let problem = format!("`{name}` is {kind} and stands where a condition has to be: compare it with something");
        return of_kind(ProblemKind::WrongType, at(by_word(name), problem));
    }
    if let Some(name) = message.strip_prefix("Unsupported SQL type ").filter(|name| !name.starts_with('(')) {
        return of_kind(ProblemKind::WrongType, at(by_word(name), format!("there is no type `{name}`")));
    }
    if message.contains("must appear in the GROUP BY clause")
        && let Some(column) = between(message, "olumn \"", "\"")
    {
        return at(place, format!("`{column}` must be in `group by` or inside an aggregate function"));
    }
    if message.contains("failed to match any signature")
        && let Some(name) = between(message, "Function '", "'")
    {
        let kind =
            between(message, "DataType: ", ")").map_or_else(String::new, |kind| format!(" a value of type {kind}"));
        let problem = at(by_word(&name), format!("`{name}` cannot take{kind}: cast it"));
        return of_kind(ProblemKind::WrongType, problem);
    }
    let first = message.lines().next().unwrap_or(message);
    let is_type = ["Cannot coerce", "Cannot infer common", "annot cast"].iter().any(|start| first.contains(start));
    let kind = if is_type { ProblemKind::WrongType } else { ProblemKind::Invalid };
    of_kind(kind, at(place, lower_first(first.trim_end_matches('.'))))
}

/// The name that the planner gives an expression, without the table before a column: `orders.amount`, `orders.amount AS x`.
fn last_name(expression: &str) -> &str {
    let named = expression.rsplit(" AS ").next().unwrap_or(expression);
    named.rsplit('.').next().unwrap_or(named)
}

fn between(message: &str, start: &str, end: &str) -> Option<String> {
    let rest = &message[message.find(start)? + start.len()..];
    rest.find(end).map(|length| rest[..length].to_owned())
}

fn lower_first(text: &str) -> String {
    let mut characters = text.chars();
    match (characters.next(), characters.clone().next()) {
        (Some(first), Some(second)) if first.is_uppercase() && !second.is_uppercase() => {
            first.to_lowercase().chain(characters).collect()
        }
        _ => text.to_owned(),
    }
}
