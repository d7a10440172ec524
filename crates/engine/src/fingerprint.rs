//! Fingerprints of a table's content: what decides its rows, and how each of its columns is computed.
//!
//! Both are hashes over the resolved plan, bottom-up, with every name replaced by what it stands for: formatting,
//! comments, aliases and names of CTEs do not matter. A column of an upstream table stands for its own fingerprint,
//! so a change upstream changes exactly what reads it. A reader of the table takes in the row fingerprint and the
//! fingerprints of the columns that it reads.

use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::{FieldRef, SchemaRef};
use baton_core::Fingerprint;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, JoinType, NullEquality, ScalarValue};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{
    Aggregate, Expr, ExprSchemable as _, Join, LogicalPlan, Sort, SortExpr, TableScan, Union,
};

use self::canonical::canonical;
use crate::analysis::plan_over;
use crate::availability::prepare;
use crate::error::SqlProblem;
use crate::sql::problems_of;

mod canonical;

#[cfg(test)]
mod tests;

/// The fingerprints of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableFingerprints {
    /// What decides which rows exist.
    pub rows: Fingerprint,
    /// How each column is computed.
    pub columns: BTreeMap<String, Fingerprint>,
}

/// An upstream table as a fingerprint sees it.
#[derive(Debug, Clone)]
pub struct Upstream {
    /// All columns.
    pub schema: SchemaRef,
    /// Its fingerprints; a column without one stands for its name and type.
    pub fingerprints: TableFingerprints,
}

/// The fingerprints of the table that `sql` makes from `upstream`, the tables by name.
///
/// # Errors
/// As [`crate::analyze`].
pub fn fingerprints(sql: &str, upstream: &BTreeMap<String, Upstream>) -> Result<TableFingerprints, Vec<SqlProblem>> {
    let schemas = upstream.iter().map(|(name, table)| (name.clone(), SchemaRef::clone(&table.schema))).collect();
    let (state, plan) = plan_over(&schemas, sql)?;
    let names: Vec<String> = plan.schema().fields().iter().map(|field| field.name().clone()).collect();
    let types: Vec<String> = plan.schema().fields().iter().map(|field| field.data_type().to_string()).collect();
    let prepared = prepare(plan, &state).map_err(|error| problems_of(sql, &error))?;
    let node = Hashing { upstream }.of(&prepared);
    let typed = node.columns.iter().zip(types).map(|(column, kind)| hash(["column", &column.to_string(), &kind]));
    let columns = names.into_iter().zip(typed.map(|text| Fingerprint::of([text]))).collect();
    Ok(TableFingerprints { rows: Fingerprint::of([node.all_rows()]), columns })
}

/// What one node stands for.
#[derive(Default)]
struct Node {
    /// Hash of what decides the rows, without the conditions.
    rows: String,
    /// What must hold of a row besides; kept apart so that it does not matter where a query says it.
    conditions: Vec<Expr>,
    /// Each column as an expression over upstream columns, which are named by their hashes.
    columns: Vec<Expr>,
    /// Of the order of its rows, which counts only below a limit.
    order: String,
}

impl Node {
    /// Hash of all that decides the rows. Conditions count in any order, and once.
    fn all_rows(&self) -> String {
        let conditions: BTreeSet<String> = self.conditions.iter().map(ToString::to_string).collect();
        if conditions.is_empty() {
            return self.rows.clone();
        }
        hash(["filter".to_owned(), self.rows.clone()].into_iter().chain(conditions))
    }
}

struct Hashing<'a> {
    upstream: &'a BTreeMap<String, Upstream>,
}

impl Hashing<'_> {
    fn of(&self, plan: &LogicalPlan) -> Node {
        match plan {
            LogicalPlan::TableScan(node) => self.scan(node),
            LogicalPlan::Projection(node) => {
                let input = self.of(&node.input);
                let columns = node.expr.iter().map(|value| self.resolved(value, node.input.schema(), &input)).collect();
                Node { columns, ..input }
            }
            LogicalPlan::Filter(node) => {
                let mut input = self.of(&node.input);
                let conditions = self.conditions(&node.predicate, node.input.schema(), &input);
                input.conditions.extend(conditions);
                input
            }
            LogicalPlan::Sort(node) => self.sort(node),
            LogicalPlan::Limit(node) => {
                let input = self.of(&node.input);
                let text = |value: &Option<Box<Expr>>| value.as_ref().map_or_else(String::new, ToString::to_string);
                let rows = hash(["limit", &input.all_rows(), &input.order, &text(&node.skip), &text(&node.fetch)]);
                Node { rows, conditions: Vec::new(), ..input }
            }
            LogicalPlan::Aggregate(node) => self.aggregate(node),
            LogicalPlan::Window(node) => {
                let mut input = self.of(&node.input);
                let schema = node.input.schema();
                // A window looks at other rows, so what decides them belongs to its value.
                let rows = input.all_rows();
                let value = |call: &Expr| leaf(["window", &self.text(call, schema, &input), &rows]);
                let added: Vec<Expr> = node.window_expr.iter().map(value).collect();
                input.columns.extend(added);
                input
            }
            LogicalPlan::Join(node) => self.join(node),
            LogicalPlan::Union(node) => self.union(node),
            LogicalPlan::SubqueryAlias(node) => self.of(&node.input),
            LogicalPlan::Subquery(node) => self.of(&node.subquery),
            other => self.other(other),
        }
    }

    fn scan(&self, scan: &TableScan) -> Node {
        let table = scan.table_name.table();
        let known = self.upstream.get(table);
        let column = |field: &FieldRef| match known.and_then(|table| table.fingerprints.columns.get(field.name())) {
            Some(fingerprint) => leaf(["base", fingerprint.as_str()]),
            None => leaf(["base", table, field.name(), &field.data_type().to_string()]),
        };
        let rows = hash(["scan", known.map_or(table, |table| table.fingerprints.rows.as_str())]);
        Node { rows, columns: scan.projected_schema.fields().iter().map(column).collect(), ..Node::default() }
    }

    fn sort(&self, node: &Sort) -> Node {
        let input = self.of(&node.input);
        let key = |key: &SortExpr| {
            let direction = format!("{} {}", key.asc, key.nulls_first);
            hash([self.text(&key.expr, node.input.schema(), &input), direction])
        };
        let order = hash(node.expr.iter().map(key));
        match node.fetch {
            Some(fetch) => {
                let rows = hash(["top", &input.all_rows(), &order, &fetch.to_string()]);
                Node { rows, order, columns: input.columns, conditions: Vec::new() }
            }
            None => Node { order, ..input },
        }
    }

    /// The parts of a predicate; what always holds is none.
    fn conditions(&self, predicate: &Expr, schema: &DFSchema, input: &Node) -> Vec<Expr> {
        let parts = split_conjunction(predicate).into_iter().map(|part| self.resolved(part, schema, input));
        parts.filter(|part| !matches!(part, Expr::Literal(ScalarValue::Boolean(Some(true)), _))).collect()
    }

    fn aggregate(&self, node: &Aggregate) -> Node {
        let input = self.of(&node.input);
        let schema = node.input.schema();
        let keys: Vec<Expr> = node.group_expr.iter().map(|key| self.resolved(key, schema, &input)).collect();
        let texts = sorted(keys.iter().map(ToString::to_string).collect());
        let rows = hash([vec!["group".to_owned(), input.all_rows()], texts].concat());
        let value = |value: &Expr| leaf(["aggregate", &self.text(value, schema, &input)]);
        let values = node.aggr_expr.iter().map(value);
        let fields = node.schema.fields().len();
        let columns: Vec<Expr> = match keys.as_slice() {
            [Expr::GroupingSet(_)] => {
                let position = |index: usize| leaf(["grouping set", &rows, &index.to_string()]);
                (0..fields - node.aggr_expr.len()).map(position).chain(values).collect()
            }
            _ => keys.into_iter().chain(values).collect(),
        };
        Node { rows, columns, ..Node::default() }
    }

    /// Columns of the two sides are kept apart, so that `a.x - b.x` and `b.x - a.x` differ in a join with itself.
    fn join(&self, node: &Join) -> Node {
        let (mut left, mut right) = (self.of(&node.left), self.of(&node.right));
        let (from_left, from_right) = (on_side(&left.columns, "left"), on_side(&right.columns, "right"));
        let both = Node { columns: [from_left.clone(), from_right.clone()].concat(), ..Node::default() };
        let mut held = self.join_keys(node, &left, &right);
        if let (Some(filter), Ok(schema)) = (&node.filter, node.left.schema().join(node.right.schema())) {
            held.extend(self.conditions(filter, &schema, &both));
        }
        // A row of a side that every row of the result has can meet its conditions before the join or after it.
        let mut conditions = Vec::new();
        if keeps_left(node.join_type) {
            conditions.extend(on_side(&std::mem::take(&mut left.conditions), "left"));
        }
        if keeps_right(node.join_type) {
            conditions.extend(on_side(&std::mem::take(&mut right.conditions), "right"));
        }
        let kind = format!("{:?} {:?} {}", node.join_type, node.null_equality, node.null_aware);
        let mut parts = vec!["join".to_owned(), kind];
        if node.join_type == JoinType::Inner && node.null_equality == NullEquality::NullEqualsNothing {
            conditions.append(&mut held);
        }
        parts.extend(sorted(held.iter().map(ToString::to_string).collect()));
        let rows = hash([parts, vec![left.all_rows(), right.all_rows()]].concat());
        let mark = vec![leaf(["mark", &rows])];
        let columns = match node.join_type {
            JoinType::LeftSemi | JoinType::LeftAnti => from_left,
            JoinType::RightSemi | JoinType::RightAnti => from_right,
            JoinType::LeftMark => [from_left, mark].concat(),
            JoinType::RightMark => [from_right, mark].concat(),
            _ => both.columns,
        };
        Node { rows, conditions, columns, order: String::new() }
    }

    /// The pairs of keys as conditions, their sides marked.
    fn join_keys(&self, node: &Join, left: &Node, right: &Node) -> Vec<Expr> {
        let marked = |key: &Expr, schema: &DFSchema, input: &Node, side: &str| {
            on_side(&[self.resolved(key, schema, input)], side).pop().unwrap_or_else(|| key.clone())
        };
        let pair = |(left_key, right_key): &(Expr, Expr)| {
            let left_key = marked(left_key, node.left.schema(), left, "left");
            canonical(left_key.eq(marked(right_key, node.right.schema(), right, "right")))
        };
        node.on.iter().map(pair).collect()
    }

    fn union(&self, node: &Union) -> Node {
        let inputs: Vec<Node> = node.inputs.iter().map(|input| self.of(input)).collect();
        let text = |input: &Node, index: usize| input.columns.get(index).map_or_else(String::new, ToString::to_string);
        let column = |index: usize| leaf(inputs.iter().map(|input| text(input, index)));
        let columns = (0..node.schema.fields().len()).map(column).collect();
        let rows = inputs.iter().map(Node::all_rows);
        Node { rows: hash(["union".to_owned()].into_iter().chain(rows)), columns, ..Node::default() }
    }

    /// Constants and nodes without a rule of their own: every column stands for the whole node and its place.
    fn other(&self, plan: &LogicalPlan) -> Node {
        let mut parts = vec![plan.display().to_string()];
        for input in plan.inputs() {
            let node = self.of(input);
            parts.push(node.all_rows());
            parts.extend(node.columns.iter().map(ToString::to_string));
        }
        let rows = hash(parts);
        let column = |index: usize| leaf([&rows, &index.to_string()]);
        let columns = (0..plan.schema().fields().len()).map(column).collect();
        Node { rows, columns, ..Node::default() }
    }

    fn text(&self, expression: &Expr, schema: &DFSchema, input: &Node) -> String {
        self.resolved(expression, schema, input).to_string()
    }

    /// `expression` over upstream columns, without aliases. What grows too long is replaced by its hash.
    fn resolved(&self, expression: &Expr, schema: &DFSchema, input: &Node) -> Expr {
        let typed = expression.clone().transform_up(|part| Ok(Transformed::yes(without_idle_cast(part, schema))));
        let typed = typed.map_or_else(|_| expression.clone(), |typed| typed.data);
        let resolved = typed.transform_up(|part| {
            Ok(match part {
                Expr::Column(column) => match Self::column(&column, schema, input) {
                    Some(stands_for) => Transformed::yes(stands_for),
                    None => Transformed::no(Expr::Column(column)),
                },
                Expr::Alias(alias) => Transformed::yes(*alias.expr),
                Expr::ScalarSubquery(subquery) => Transformed::yes(self.subquery("scalar", &subquery.subquery)),
                Expr::Exists(exists) => {
                    let kind = if exists.negated { "not exists" } else { "exists" };
                    Transformed::yes(self.subquery(kind, &exists.subquery.subquery))
                }
                other => Transformed::no(other),
            })
        });
        let resolved = canonical(resolved.map_or_else(|_| expression.clone(), |resolved| resolved.data));
        let text = resolved.to_string();
        if text.len() > LONGEST_TEXT { leaf(["long", &text]) } else { resolved }
    }

    fn column(column: &Column, schema: &DFSchema, input: &Node) -> Option<Expr> {
        input.columns.get(schema.maybe_index_of_column(column)?).cloned()
    }

    fn subquery(&self, kind: &str, plan: &LogicalPlan) -> Expr {
        let node = self.of(plan);
        let columns = node.columns.iter().map(ToString::to_string).collect();
        leaf([vec![kind.to_owned(), node.all_rows()], columns].concat())
    }
}

/// What a cast to its own type is a cast of.
fn without_idle_cast(part: Expr, schema: &DFSchema) -> Expr {
    match part {
        Expr::Cast(cast) if cast.expr.get_type(schema).is_ok_and(|found| found == *cast.field.data_type()) => {
            *cast.expr
        }
        other => other,
    }
}

/// Whether every row of the result has a row of the left side in it.
fn keeps_left(kind: JoinType) -> bool {
    matches!(kind, JoinType::Inner | JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark)
}

/// Whether every row of the result has a row of the right side in it.
fn keeps_right(kind: JoinType) -> bool {
    matches!(kind, JoinType::Inner | JoinType::Right | JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark)
}

/// Beyond this, an expression is known by its hash: chains of columns that use each other twice double each time.
const LONGEST_TEXT: usize = 8192;

/// Something that is not looked into any further, as a column named by a hash.
fn leaf<T: AsRef<[u8]>>(parts: impl IntoIterator<Item = T>) -> Expr {
    Expr::Column(Column::new_unqualified(hash(parts)))
}

/// `columns` with everything in them marked as coming from one side of a join.
fn on_side(columns: &[Expr], side: &str) -> Vec<Expr> {
    let marked = |column: &Expr| {
        let marked = column.clone().transform_up(|part| {
            Ok(match part {
                Expr::Column(column) => Transformed::yes(leaf(["side", side, &column.name])),
                other => Transformed::no(other),
            })
        });
        marked.map_or_else(|_| leaf(["side", side, &column.to_string()]), |marked| marked.data)
    };
    columns.iter().map(marked).collect()
}

fn sorted(mut parts: Vec<String>) -> Vec<String> {
    parts.sort_unstable();
    parts
}

fn hash<T: AsRef<[u8]>>(parts: impl IntoIterator<Item = T>) -> String {
    Fingerprint::of(parts).as_str().to_owned()
}
