//! Static analysis of a whole project that has no errors: what is likely wrong with it though every query is valid.
//!
//! Everything told here is a warning or less. The engine inspects one query; this walks the graph, takes in what assets
//! declare (grain, checks), and says it in the words of the project. Runs no query and reads no data.

mod clock;
mod leaks;
mod unused;

use std::collections::{BTreeMap, BTreeSet};

use baton_core::asset::{Materialize, Table};
use baton_core::check::{Check, Rule, Severity};
use baton_core::{Asset, AssetName, Definition};
use baton_diagnostics::{Diagnostic, Label, codes};
use baton_engine::{FanOut, InspectedTable, Inspection, NullCause, TableFacts, TextComparison, inspect};

use super::Prepared;
use super::levels::{levels, side_by_side};
use crate::for_each::sample;

/// How much to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct InspectOptions {
    /// Also what may well be on purpose, such as columns that nothing reads.
    pub is_pedantic: bool,
}

/// Looks for what is likely wrong: columns that must not be null and can be, joins that multiply rows against the declared
/// grain, text that is compared with numbers or times, features that show the label, and, if asked for, what nothing reads
/// and what asks for the time.
pub fn inspect_project(prepared: &Prepared, options: InspectOptions) -> Vec<Diagnostic> {
    let mut survey = Survey { prepared, tables: BTreeMap::new(), found: BTreeMap::new(), diagnostics: Vec::new() };
    for level in levels(&prepared.desired.order, &prepared.graph) {
        let inspected = side_by_side(&level, |name| survey.inspect(name));
        for (name, inspected) in level.into_iter().zip(inspected) {
            if let Some(asset) = prepared.project.assets.get(name) {
                survey.take_in(name, asset, inspected);
            }
        }
    }
    survey.find_leaks();
    if options.is_pedantic {
        survey.find_unused();
        survey.find_clocks();
    }
    survey.diagnostics.sort_by_key(|diagnostic| {
        let place = diagnostic.labels.first();
        place.map(|label| (label.file.clone(), label.line, label.column))
    });
    survey.diagnostics
}

/// The walk over the project.
struct Survey<'a> {
    prepared: &'a Prepared,
    tables: BTreeMap<String, InspectedTable>,
    found: BTreeMap<AssetName, Inspection>,
    diagnostics: Vec<Diagnostic>,
}

impl Survey<'_> {
    /// Inspects a table's query over what is known of its inputs; `None` for what is no table.
    fn inspect(&self, name: &AssetName) -> Option<Inspection> {
        let Definition::Table(table) = &self.prepared.project.assets.get(name)?.definition else { return None };
        let inputs = self.prepared.graph.inputs(name).filter_map(|input| {
            let known = self.tables.get(input.as_str())?;
            Some((input.to_string(), known.clone()))
        });
        // It was planned before, so there is nothing new to say about a query that cannot be.
        inspect(&inputs.collect(), &sample(table).ok()?).ok()
    }

    fn take_in(&mut self, name: &AssetName, asset: &Asset, inspected: Option<Inspection>) {
        let mut facts = match &asset.definition {
            Definition::Source(_) => TableFacts::default(),
            Definition::Table(table) => self.table(name, asset, table, inspected),
            _ => return,
        };
        for check in asset.checks.iter().filter(|check| holds_for_all(check)) {
            match (&check.rule, &check.column) {
                (Rule::NotNull, Some(column)) => facts.declare_not_null(column),
                (Rule::Unique { columns }, _) => facts.declare_key(columns),
                _ => {}
            }
        }
        if let Some(schema) = self.prepared.schemas.get(name) {
            self.tables.insert(name.to_string(), InspectedTable { schema: schema.clone(), facts });
        }
    }

    /// What is known of a table's rows from its query and its grain; says what contradicts.
    fn table(&mut self, name: &AssetName, asset: &Asset, table: &Table, found: Option<Inspection>) -> TableFacts {
        let Some(found) = found else {
            // What a function does to its rows is not known; what is declared of them is.
            let mut facts = TableFacts::default();
            if (table.python.is_some() || table.command.is_some()) && !table.materialize.is_stateful() {
                facts.declare_key(&table.grain);
            }
            return facts;
        };
        self.report_nulls(asset, table, &found.facts);
        self.report_fans(asset, table, &found);
        self.diagnostics
            .extend(found.text_comparisons.iter().map(|comparison| compared_text(asset, table, comparison)));
        let mut facts = found.facts.clone();
        self.found.insert(name.clone(), found);
        match table.materialize {
            Materialize::Table | Materialize::View | Materialize::Incremental | Materialize::Merge => {
                facts.declare_key(&table.grain);
            }
            // These keep rows beside those of the query, which its keys do not tell apart.
            Materialize::Append | Materialize::History | Materialize::Snapshot => facts.keys.clear(),
        }
        for column in &table.grain {
            facts.declare_not_null(column);
        }
        facts
    }

    fn report_nulls(&mut self, asset: &Asset, table: &Table, facts: &TableFacts) {
        let checks = asset.checks.iter().filter(|check| matches!(check.rule, Rule::NotNull));
        let checked: BTreeSet<&String> = checks.filter_map(|check| check.column.as_ref()).collect();
        for (column, causes) in &facts.nullable {
            let role = match (table.grain.contains(column), checked.contains(column)) {
                (true, _) => "is part of the grain",
                (false, true) => "is declared not_null",
                (false, false) => continue,
            };
            let reasons: Vec<String> = causes.iter().filter_map(|cause| facts.causes.get(*cause)).map(reason).collect();
            let message = format!("column `{column}` of table `{}` {role} and can be null", asset.name);
            let found = Diagnostic::warning(codes::NULLABLE_COLUMN, message)
                .with_label(output_label(table, column))
                .with_detail(reasons.join("\n"))
                .with_help(format!("give it a value with `coalesce`, or keep only rows where `{column}` is not null"));
            self.diagnostics.push(found);
        }
    }

    fn report_fans(&mut self, asset: &Asset, table: &Table, found: &Inspection) {
        let grain: BTreeSet<String> = table.grain.iter().cloned().collect();
        let holds = found.facts.keys.iter().any(|key| key.is_subset(&grain));
        let broken = found.broken_keys.iter().find(|(key, _)| !grain.is_empty() && !holds && key.is_subset(&grain));
        if let Some((_, join)) = broken {
            let message = format!(
                "table `{}` declares one row for each {}, and its join with `{}` yields several",
                asset.name,
                quoted_list(&table.grain),
                join.by
            );
            self.diagnostics.push(fan_out(message, table, join));
        }
        for (sum, join) in &found.counted_again {
            let message = format!(
                "table `{}` adds up rows of `{}` again for each row of `{}` that they are joined with, in `{sum}`",
                asset.name, join.multiplied, join.by
            );
            self.diagnostics.push(fan_out(message, table, join));
        }
    }
}

fn fan_out(message: String, table: &Table, join: &FanOut) -> Diagnostic {
    let on = quoted_list(&join.on);
    let label = Label {
        file: table.file.clone(),
        line: join.line as u32 + table.line_offset,
        column: join.column as u32,
        length: join.length as u32,
        text: format!("rows of `{}` meet several of `{}`", join.multiplied, join.by),
    };
    Diagnostic::warning(codes::FAN_OUT, message)
        .with_label(label)
        .with_detail(format!(
            "A row of `{}` is one by {}, and the join fixes {on} only.",
            join.by,
            quoted_list(&join.by_key)
        ))
        .with_help(format!(
            "aggregate `{}` by {on} before the join, or join on all of {}",
            join.by,
            quoted_list(&join.by_key)
        ))
}

fn compared_text(asset: &Asset, table: &Table, comparison: &TextComparison) -> Diagnostic {
    let TextComparison { text, other, read_as, .. } = comparison;
    let label = Label {
        file: table.file.clone(),
        line: comparison.line as u32 + table.line_offset,
        column: comparison.column as u32,
        length: comparison.length as u32,
        text: format!("read as a {read_as}"),
    };
    let message = format!(
        "table `{}` compares the text `{text}` with `{other}`, so the query fails at the first that is no {read_as}",
        asset.name
    );
    let tried = if *read_as == "number" { "double" } else { "timestamp" };
    Diagnostic::warning(codes::COMPARED_TEXT, message).with_label(label).with_help(format!(
        "compare as text with `cast({other} as varchar)`, or take what is no {read_as} for null with `try_cast({text} as {tried})`"
    ))
}

/// Whether a check stops every row that breaks it.
fn holds_for_all(check: &Check) -> bool {
    check.severity == Severity::Error && check.filter.is_none() && check.tolerance == 0.0
}

fn reason(cause: &NullCause) -> String {
    let mut characters = cause.reason.chars();
    let sentence = match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect::<String>(),
        None => String::new(),
    };
    match cause.table.as_str() {
        "" => format!("{sentence}."),
        table => format!("In table `{table}`: {}.", cause.reason),
    }
}

fn quoted_list(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Points at the output column of a table's query: where it is named by `as`, else where the word stands first.
fn output_label(table: &Table, column: &str) -> Label {
    let (line, start) = place_of_output(&table.sql, column).unwrap_or((1, 1));
    Label {
        file: table.file.clone(),
        line: line + table.line_offset,
        column: start,
        length: column.chars().count() as u32,
        text: "can be null".to_owned(),
    }
}

/// Line and column, from 1, of the place where a query names an output column.
pub fn place_of_output(sql: &str, column: &str) -> Option<(u32, u32)> {
    let mut first = None;
    for (index, line) in sql.lines().enumerate() {
        let code = line.split("--").next().unwrap_or_default();
        for (start, _) in code.match_indices(column) {
            let (before, after) = (&code[..start], &code[start + column.len()..]);
            let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
            if before.chars().next_back().is_some_and(is_part) || after.chars().next().is_some_and(is_part) {
                continue;
            }
            let place = (index as u32 + 1, before.chars().count() as u32 + 1);
            if before.trim_end().to_lowercase().ends_with(" as") {
                return Some(place);
            }
            first.get_or_insert(place);
        }
    }
    first
}
