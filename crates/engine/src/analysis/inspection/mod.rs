//! What can be said of a query's rows from its text and from what is declared of the tables that it reads: which columns
//! can be null and why, which columns identify a row, which joins multiply rows, and which values come from the same row.
//!
//! Nothing is guessed: a column counts as nullable only where the query itself makes it so, and a join multiplies only
//! where both the join's columns and the other side's declared keys say it.

mod aggregate;
mod compared;
mod expression;
mod join;
mod node;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::SchemaRef;
use datafusion::common::Column;
use datafusion::logical_expr::LogicalPlan;

use super::{TableColumn, plan_over};
use crate::error::SqlProblem;
use crate::sql::Place;
pub use compared::TextComparison;
use compared::text_comparisons;
use node::{Node, Token};

/// More causes than these are not passed on to readers.
const MOST_CAUSES: usize = 64;

/// What is known of a table's rows besides its columns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableFacts {
    /// Sets of columns, each of which identifies a row.
    pub keys: Vec<BTreeSet<String>>,
    /// Columns that can be null, each with the positions in [`Self::causes`] that make it so.
    pub nullable: BTreeMap<String, BTreeSet<usize>>,
    /// Why columns can be null.
    pub causes: Vec<NullCause>,
}

impl TableFacts {
    /// Takes in that `column` is never null, which also rules out its causes for other columns.
    pub fn declare_not_null(&mut self, column: &str) {
        let Some(ruled_out) = self.nullable.remove(column) else { return };
        for causes in self.nullable.values_mut() {
            causes.retain(|cause| !ruled_out.contains(cause));
        }
        self.nullable.retain(|_, causes| !causes.is_empty());
    }

    /// Takes in that `columns` identify a row.
    pub fn declare_key<'a>(&mut self, columns: impl IntoIterator<Item = &'a String>) {
        let key: BTreeSet<String> = columns.into_iter().cloned().collect();
        if !key.is_empty() && !self.keys.contains(&key) {
            self.keys.push(key);
        }
    }
}

/// Why a column can be null, in words: "`airlines` has no row for it in the left join".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NullCause {
    /// The table whose query brings it in; empty for the query looked at.
    pub table: String,
    /// In words.
    pub reason: String,
}

/// A join by which rows of one side appear several times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FanOut {
    /// The side whose rows are multiplied, as the query calls it.
    pub multiplied: String,
    /// The side that multiplies them.
    pub by: String,
    /// What identifies a row of that side.
    pub by_key: Vec<String>,
    /// The columns of that side that the join fixes.
    pub on: Vec<String>,
    /// Line in the SQL text, from 1.
    pub line: usize,
    /// Column in the line, from 1.
    pub column: usize,
    /// Characters covered.
    pub length: usize,
}

/// What is found in a query.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inspection {
    /// Of the rows that it yields.
    pub facts: TableFacts,
    /// Columns that identified a row before a join multiplied it.
    pub broken_keys: Vec<(BTreeSet<String>, FanOut)>,
    /// Joins whose multiplied rows are added up, with the expression that does so.
    pub counted_again: Vec<(String, FanOut)>,
    /// For each output column, the columns of tables whose values of the very same row it shows or is computed from,
    /// without an aggregation over other rows in between.
    pub same_row: BTreeMap<String, BTreeSet<TableColumn>>,
    /// Comparisons that read text as a number or a time, row by row.
    pub text_comparisons: Vec<TextComparison>,
}

/// A table that a query reads.
#[derive(Debug, Clone)]
pub struct InspectedTable {
    /// Its columns.
    pub schema: SchemaRef,
    /// What is known of its rows.
    pub facts: TableFacts,
}

/// Inspects `sql` over `tables`.
///
/// # Errors
/// As [`crate::analyze`].
pub fn inspect(tables: &BTreeMap<String, InspectedTable>, sql: &str) -> Result<Inspection, Vec<SqlProblem>> {
    let schemas = tables.iter().map(|(name, table)| (name.clone(), SchemaRef::clone(&table.schema))).collect();
    let (_, plan) = plan_over(&schemas, sql)?;
    let mut inspector = Inspector { tables, sql, causes: Vec::new(), fan_outs: Vec::new(), counted_again: Vec::new() };
    let root = inspector.of(&plan);
    Ok(inspector.finish(&plan, root))
}

/// The walk over one plan.
struct Inspector<'a> {
    tables: &'a BTreeMap<String, InspectedTable>,
    sql: &'a str,
    causes: Vec<NullCause>,
    fan_outs: Vec<FanOut>,
    counted_again: Vec<(String, usize)>,
}

impl Inspector<'_> {
    fn of(&mut self, plan: &LogicalPlan) -> Node {
        match plan {
            LogicalPlan::TableScan(scan) => {
                let columns = scan.projected_schema.fields().iter().map(|field| field.name().clone()).collect();
                self.scan(scan.table_name.table(), columns)
            }
            LogicalPlan::Projection(node) => {
                let input = self.of(&node.input);
                self.projection(&node.expr, node.input.schema(), input)
            }
            LogicalPlan::Filter(node) => {
                let input = self.of(&node.input);
                input.filtered(&node.predicate, node.input.schema())
            }
            LogicalPlan::Aggregate(node) => {
                let input = self.of(&node.input);
                self.aggregate(node, input)
            }
            LogicalPlan::Window(node) => {
                let input = self.of(&node.input);
                self.window(node, input)
            }
            LogicalPlan::Join(node) => {
                let (left, right) = (self.of(&node.left), self.of(&node.right));
                self.join(node, left, right)
            }
            LogicalPlan::Union(node) => {
                let inputs = node.inputs.iter().map(|input| self.of(input)).collect();
                Node::union(inputs, node.schema.fields().len())
            }
            LogicalPlan::Distinct(_) => {
                let mut input = plan.inputs().first().map(|input| self.of(input)).unwrap_or_default();
                input.add_key((0..input.columns.len()).collect());
                input
            }
            LogicalPlan::SubqueryAlias(node) => self.of(&node.input),
            LogicalPlan::Sort(node) => self.of(&node.input),
            LogicalPlan::Limit(node) => self.of(&node.input),
            other => Node::unknown(other.schema().fields().len()),
        }
    }

    fn scan(&mut self, table: &str, columns: Vec<String>) -> Node {
        let mut node = Node::unknown(columns.len());
        for (name, column) in columns.iter().zip(&mut node.columns) {
            column.same_row = BTreeSet::from([(table.to_owned(), name.clone())]);
        }
        let Some(known) = self.tables.get(table).map(|table| &table.facts) else { return node };
        let first = self.causes.len();
        self.causes.extend(known.causes.iter().map(|cause| {
            let origin = if cause.table.is_empty() { table } else { &cause.table };
            NullCause { table: origin.to_owned(), reason: cause.reason.clone() }
        }));
        for (name, column) in columns.iter().zip(&mut node.columns) {
            column.nulls = known.nullable.get(name).into_iter().flatten().map(|cause| first + cause).collect();
        }
        let position = |name: &String| columns.iter().position(|column| column == name);
        node.keys = known.keys.iter().filter_map(|key| key.iter().map(position).collect()).collect();
        node
    }

    /// A new way for values to be null.
    fn cause(&mut self, reason: impl Into<String>) -> Token {
        self.causes.push(NullCause { table: String::new(), reason: reason.into() });
        self.causes.len() - 1
    }

    /// The place of a column in the text.
    fn place(&self, column: Option<&Column>) -> (usize, usize, usize) {
        let span = column.and_then(|column| column.spans().first());
        let place = match (span, column) {
            (Some(span), _) => Some(Place::of_span(self.sql, &span)),
            (None, Some(column)) => Place::of_word(self.sql, &column.name),
            (None, None) => Place::of_word(self.sql, "join"),
        };
        place.map_or((1, 1, 1), Place::parts)
    }

    /// What makes the output's columns null, without what is of no column any more: readers take it in, and theirs again.
    fn told_causes(&self, names: &[String], root: &Node) -> (BTreeMap<String, BTreeSet<usize>>, Vec<NullCause>) {
        let used: BTreeSet<Token> = root.columns.iter().flat_map(|column| column.nulls.iter().copied()).collect();
        let used: Vec<Token> = used.into_iter().take(MOST_CAUSES).collect();
        let told = |column: &node::ColumnFacts| -> BTreeSet<usize> {
            column.nulls.iter().filter_map(|token| used.iter().position(|known| known == token)).collect()
        };
        let columns = names.iter().zip(&root.columns).map(|(name, column)| (name.clone(), told(column)));
        let nullable = columns.filter(|(_, causes)| !causes.is_empty()).collect();
        (nullable, used.iter().map(|token| self.causes[*token].clone()).collect())
    }

    fn finish(self, plan: &LogicalPlan, root: Node) -> Inspection {
        let names: Vec<String> = plan.schema().fields().iter().map(|field| field.name().clone()).collect();
        let named = |key: &BTreeSet<usize>| key.iter().filter_map(|index| names.get(*index).cloned()).collect();
        let columns = || names.iter().zip(&root.columns);
        let (nullable, causes) = self.told_causes(&names, &root);
        let broken = root.fans.iter().flat_map(|fan| fan.keys.iter().map(move |key| (key, fan.join)));
        Inspection {
            broken_keys: broken.map(|(key, join)| (named(key), self.fan_outs[join].clone())).collect(),
            counted_again: self
                .counted_again
                .iter()
                .map(|(expression, join)| (expression.clone(), self.fan_outs[*join].clone()))
                .collect(),
            same_row: columns().map(|(name, column)| (name.clone(), column.same_row.clone())).collect(),
            facts: TableFacts { keys: root.keys.iter().map(named).collect(), nullable, causes },
            text_comparisons: text_comparisons(plan, self.sql),
        }
    }
}
