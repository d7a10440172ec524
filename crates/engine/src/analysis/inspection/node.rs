//! What is known of one node's rows, and how filters, projections and unions change it.

use std::collections::BTreeSet;

use datafusion::common::DFSchema;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};

use super::expression::{column_index, columns_of, strict_columns};
use crate::analysis::TableColumn;

/// A way for values to be null: a position in the inspector's causes. Where it holds for a row, every column that has it
/// is null in that row.
pub(super) type Token = usize;

/// More keys than this are not told apart.
const MOST_KEYS: usize = 16;

/// One column.
#[derive(Debug, Clone, Default)]
pub(super) struct ColumnFacts {
    /// What makes it null.
    pub(super) nulls: BTreeSet<Token>,
    /// Columns of tables whose values of the same row it is computed from.
    pub(super) same_row: BTreeSet<TableColumn>,
    /// For `row_number()`: the columns that it counts within.
    pub(super) numbered_within: Option<BTreeSet<usize>>,
}

/// Rows of one side of a join that appear several times.
#[derive(Debug, Clone)]
pub(super) struct Fan {
    /// Position among the inspector's joins.
    pub(super) join: usize,
    /// What identified a row of the multiplied side.
    pub(super) keys: Vec<BTreeSet<usize>>,
    /// Columns of the multiplied side.
    pub(super) own: BTreeSet<usize>,
    /// Columns of the side that multiplies.
    pub(super) by: BTreeSet<usize>,
}

impl Fan {
    /// Takes in another way to tell the multiplied rows apart.
    pub(super) fn add_key(&mut self, key: Option<BTreeSet<usize>>) {
        if self.keys.len() < MOST_KEYS {
            let new = key.filter(|key| !self.keys.contains(key));
            self.keys.extend(new);
        }
    }
}

/// One node.
#[derive(Debug, Clone, Default)]
pub(super) struct Node {
    pub(super) columns: Vec<ColumnFacts>,
    /// Sets of columns that each identify a row.
    pub(super) keys: Vec<BTreeSet<usize>>,
    pub(super) fans: Vec<Fan>,
}

impl Node {
    /// A node of which only the number of columns is known.
    pub(super) fn unknown(columns: usize) -> Self {
        Self { columns: vec![ColumnFacts::default(); columns], ..Self::default() }
    }

    /// Takes in that `key` identifies a row.
    pub(super) fn add_key(&mut self, key: BTreeSet<usize>) {
        if self.keys.len() < MOST_KEYS && !self.keys.iter().any(|known| known.is_subset(&key)) {
            self.keys.push(key);
        }
    }

    /// Whether rows that agree in `columns` are one row.
    pub(super) fn is_unique_by(&self, columns: &BTreeSet<usize>) -> bool {
        self.keys.iter().any(|key| key.is_subset(columns))
    }

    /// Takes in that these columns are not null: whatever made them null does not hold for any row that is left.
    pub(super) fn rule_out_nulls(&mut self, columns: &BTreeSet<usize>) {
        let ruled_out: BTreeSet<Token> = columns
            .iter()
            .filter_map(|index| self.columns.get(*index))
            .flat_map(|column| column.nulls.clone())
            .collect();
        for column in &mut self.columns {
            column.nulls.retain(|token| !ruled_out.contains(token));
        }
    }

    /// The rows for which `predicate` holds.
    pub(super) fn filtered(mut self, predicate: &Expr, schema: &DFSchema) -> Self {
        for condition in split_conjunction(predicate) {
            self.rule_out_nulls(&strict_columns(condition, schema));
            match fixed_column(condition, schema) {
                Some((column, is_one)) => self.fix(column, is_one),
                None => {
                    // A condition on the other side may pick one of its rows: nothing is known any more.
                    let touched = columns_of(condition, schema);
                    if !matches!(condition, Expr::IsNotNull(_)) {
                        self.fans.retain(|fan| fan.by.is_disjoint(&touched));
                    }
                }
            }
        }
        self
    }

    /// Takes in that a column has one value in all rows, and whether that is the number one.
    fn fix(&mut self, column: usize, is_one: bool) {
        let shorter: Vec<BTreeSet<usize>> = self.keys.iter().filter(|key| key.contains(&column)).cloned().collect();
        for mut key in shorter {
            key.remove(&column);
            self.add_key(key);
        }
        let numbered = self.columns.get(column).and_then(|facts| facts.numbered_within.clone());
        if let Some(within) = numbered.filter(|_| is_one) {
            self.add_key(within);
        }
    }

    /// Only some columns, at new places; keys that lose a column are lost.
    pub(super) fn moved(&self, to: impl Fn(usize) -> Option<usize>) -> (Vec<BTreeSet<usize>>, Vec<Fan>) {
        let whole = |set: &BTreeSet<usize>| set.iter().map(|index| to(*index)).collect::<Option<BTreeSet<usize>>>();
        let part = |set: &BTreeSet<usize>| set.iter().filter_map(|index| to(*index)).collect::<BTreeSet<usize>>();
        let fans = self.fans.iter().map(|fan| Fan {
            join: fan.join,
            keys: fan.keys.iter().filter_map(whole).collect(),
            own: part(&fan.own),
            by: part(&fan.by),
        });
        (self.keys.iter().filter_map(whole).collect(), fans.collect())
    }

    /// All rows of several nodes, one after the other.
    pub(super) fn union(inputs: Vec<Self>, columns: usize) -> Self {
        let mut all = Self::unknown(columns);
        for input in inputs {
            for (column, facts) in all.columns.iter_mut().zip(input.columns) {
                column.nulls.extend(facts.nulls);
                column.same_row.extend(facts.same_row);
            }
        }
        all
    }
}

/// The column that `condition` holds to one value, and whether that value is 1.
fn fixed_column(condition: &Expr, schema: &DFSchema) -> Option<(usize, bool)> {
    let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) = condition else { return None };
    let (column, value) = match (column_index(left, schema), column_index(right, schema)) {
        (Some(column), None) => (column, right),
        (None, Some(column)) => (column, left),
        _ => return None,
    };
    let is_constant = columns_of(value, schema).is_empty() && matches!(**value, Expr::Literal(..) | Expr::Cast(_));
    is_constant.then(|| (column, matches!(&**value, Expr::Literal(value, _) if value.to_string() == "1")))
}
