//! Fingerprints of a table's content: what decides its rows, and how each of its columns is computed.
//!
//! Both are hashes over the resolved plan, bottom-up, with every name replaced by what it stands for: formatting,
//! comments, aliases and names of CTEs do not matter. A column of an upstream table stands for its own fingerprint,
//! so a change upstream changes exactly what reads it. A reader of the table takes in the row fingerprint and the
//! fingerprints of the columns that it reads.

use std::collections::BTreeMap;

use arrow::datatypes::{Schema, SchemaRef};
use baton_core::Fingerprint;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, JoinType};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Aggregate, Distinct, Expr, Join, LogicalPlan, TableScan};

use crate::analysis::plan_over;
use crate::availability::prepare;
use crate::error::SqlProblem;
use crate::sql::problems_of;

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
    let typed = node.columns.iter().zip(types).map(|(column, kind)| hash(["column", column, &kind]));
    let columns = names.into_iter().zip(typed.map(|text| Fingerprint::of([text]))).collect();
    Ok(TableFingerprints { rows: Fingerprint::of([node.rows]), columns })
}

/// Hashes of one node, as hex.
struct Node {
    rows: String,
    columns: Vec<String>,
    /// Of the order of its rows, which counts only below a limit.
    order: String,
}

struct Hashing<'a> {
    upstream: &'a BTreeMap<String, Upstream>,
}

impl Hashing<'_> {
    fn of(&self, plan: &LogicalPlan) -> Node {
        match plan {
            LogicalPlan::TableScan(scan) => self.scan(scan),
            LogicalPlan::Projection(node) => {
                let input = self.of(&node.input);
                let schema = node.input.schema();
                let columns = node.expr.iter().map(|value| self.text(value, schema, &input)).collect();
                Node { columns, ..input }
            }
            LogicalPlan::Filter(node) => {
                let input = self.of(&node.input);
                let rows = self.filtered(&input, &node.predicate, node.input.schema());
                Node { rows, ..input }
            }
            LogicalPlan::Sort(node) => {
                let input = self.of(&node.input);
                let key = |key: &datafusion::logical_expr::SortExpr| {
                    let direction = format!("{} {}", key.asc, key.nulls_first);
                    hash([self.text(&key.expr, node.input.schema(), &input), direction])
                };
                let order = hash(node.expr.iter().map(key));
                let rows = match node.fetch {
                    Some(fetch) => hash(["top", &input.rows, &order, &fetch.to_string()]),
                    None => input.rows.clone(),
                };
                Node { rows, order, columns: input.columns }
            }
            LogicalPlan::Limit(node) => {
                let input = self.of(&node.input);
                let text = |value: &Option<Box<Expr>>| value.as_ref().map_or_else(String::new, ToString::to_string);
                let rows = hash(["limit", &input.rows, &input.order, &text(&node.skip), &text(&node.fetch)]);
                Node { rows, ..input }
            }
            LogicalPlan::Aggregate(node) => self.aggregate(node),
            LogicalPlan::Window(node) => {
                let mut input = self.of(&node.input);
                let schema = node.input.schema();
                // A window looks at other rows, so what decides them belongs to its value.
                let value = |call: &Expr| hash(["window", &self.text(call, schema, &input), &input.rows]);
                let added: Vec<String> = node.window_expr.iter().map(value).collect();
                input.columns.extend(added);
                input
            }
            LogicalPlan::Join(node) => self.join(node),
            LogicalPlan::SubqueryAlias(node) => self.of(&node.input),
            LogicalPlan::Subquery(node) => self.of(&node.subquery),
            LogicalPlan::Distinct(Distinct::All(input)) => {
                let input = self.of(input);
                let parts = [vec!["distinct".to_owned(), input.rows], input.columns.clone()].concat();
                Node { rows: hash(parts), ..input }
            }
            other => self.other(other),
        }
    }

    fn scan(&self, scan: &TableScan) -> Node {
        let table = scan.table_name.table();
        let known = self.upstream.get(table);
        let rows = known.map_or(table, |table| table.fingerprints.rows.as_str());
        let empty = Schema::empty();
        let schema = known.map_or(&empty, |table| table.schema.as_ref());
        let column = |name: &String| match known.and_then(|table| table.fingerprints.columns.get(name)) {
            Some(fingerprint) => hash(["base", fingerprint.as_str()]),
            None => {
                let kind = schema.field_with_name(name).map(|field| field.data_type().to_string());
                hash(["base", table, name, &kind.unwrap_or_default()])
            }
        };
        Node {
            rows: hash(["scan", rows]),
            columns: scan.projected_schema.fields().iter().map(|field| column(field.name())).collect(),
            order: String::new(),
        }
    }

    /// The parts of a condition count in any order.
    fn filtered(&self, input: &Node, predicate: &Expr, schema: &DFSchema) -> String {
        let mut parts: Vec<String> =
            split_conjunction(predicate).into_iter().map(|part| self.text(part, schema, input)).collect();
        parts.sort_unstable();
        parts.dedup();
        hash([vec!["filter".to_owned(), input.rows.clone()], parts].concat())
    }

    fn aggregate(&self, node: &Aggregate) -> Node {
        let input = self.of(&node.input);
        let schema = node.input.schema();
        let keys: Vec<String> = node.group_expr.iter().map(|key| self.text(key, schema, &input)).collect();
        let rows = hash([vec!["group".to_owned(), input.rows.clone()], sorted(keys.clone())].concat());
        let value = |value: &Expr| hash(["aggregate", &self.text(value, schema, &input)]);
        let mut columns: Vec<String> = keys.into_iter().chain(node.aggr_expr.iter().map(value)).collect();
        if columns.len() != node.schema.fields().len() {
            let position = |index: usize| hash(["grouping set", &rows, &index.to_string()]);
            columns = (0..node.schema.fields().len()).map(position).collect();
        }
        Node { rows, columns, order: String::new() }
    }

    /// Columns of the two sides are kept apart, so that `a.x - b.x` and `b.x - a.x` differ in a join with itself.
    fn join(&self, node: &Join) -> Node {
        let (left, right) = (self.of(&node.left), self.of(&node.right));
        let mut on: Vec<String> = Vec::new();
        for (left_key, right_key) in &node.on {
            let left_key = self.text(left_key, node.left.schema(), &left);
            on.push(hash([left_key, self.text(right_key, node.right.schema(), &right)]));
        }
        let side = |columns: &[String], name: &str| -> Vec<String> {
            columns.iter().map(|column| hash(["side", name, column])).collect()
        };
        let (from_left, from_right) = (side(&left.columns, "left"), side(&right.columns, "right"));
        let both = Node {
            rows: String::new(),
            columns: [from_left.clone(), from_right.clone()].concat(),
            order: String::new(),
        };
        let kind = format!("{:?} {:?} {}", node.join_type, node.null_equality, node.null_aware);
        let mut parts = vec!["join".to_owned(), kind, left.rows, right.rows];
        parts.extend(sorted(on));
        if let (Some(filter), Ok(schema)) = (&node.filter, node.left.schema().join(node.right.schema())) {
            parts.push(self.filtered(&both, filter, &schema));
        }
        let rows = hash(parts);
        let columns = match node.join_type {
            JoinType::LeftSemi | JoinType::LeftAnti => from_left,
            JoinType::RightSemi | JoinType::RightAnti => from_right,
            JoinType::LeftMark => [from_left, vec![hash(["mark", &rows])]].concat(),
            JoinType::RightMark => [from_right, vec![hash(["mark", &rows])]].concat(),
            _ => both.columns,
        };
        Node { rows, columns, order: String::new() }
    }

    /// Unions, constants and nodes without a rule of their own: every column stands for the whole node and its place.
    fn other(&self, plan: &LogicalPlan) -> Node {
        let inputs: Vec<Node> = plan.inputs().into_iter().map(|input| self.of(input)).collect();
        let rows_of = |node: &Node| node.rows.clone();
        if let LogicalPlan::Union(union) = plan {
            let column = |index: usize| hash(inputs.iter().map(|input| input.columns[index].clone()));
            let columns = (0..union.schema.fields().len()).map(column).collect();
            let rows = hash([vec!["union".to_owned()], inputs.iter().map(rows_of).collect()].concat());
            return Node { rows, columns, order: String::new() };
        }
        let whole: Vec<String> =
            inputs.iter().flat_map(|input| [vec![rows_of(input)], input.columns.clone()].concat()).collect();
        let rows = hash([vec![plan.display().to_string()], whole].concat());
        let column = |index: usize| hash([&rows, &index.to_string()]);
        let columns = (0..plan.schema().fields().len()).map(column).collect();
        Node { rows, columns, order: String::new() }
    }

    /// `expression` as text, with columns as the hashes of what they stand for, and without aliases.
    fn text(&self, expression: &Expr, schema: &DFSchema, input: &Node) -> String {
        let resolved = expression.clone().transform_up(|part| {
            Ok(match part {
                Expr::Column(column) => match self.column(&column, schema, input) {
                    Some(hash) => Transformed::yes(Expr::Column(Column::new_unqualified(hash))),
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
        match resolved.map(|resolved| resolved.data) {
            // A bare column keeps its hash, so that renaming and passing through change nothing.
            Ok(Expr::Column(column)) => column.name,
            Ok(other) => hash(["expression", &other.to_string()]),
            Err(_) => hash(["expression", &expression.to_string()]),
        }
    }

    fn column(&self, column: &Column, schema: &DFSchema, input: &Node) -> Option<String> {
        input.columns.get(schema.maybe_index_of_column(column)?).cloned()
    }

    fn subquery(&self, kind: &str, plan: &LogicalPlan) -> Expr {
        let node = self.of(plan);
        Expr::Column(Column::new_unqualified(hash([vec![kind.to_owned(), node.rows], node.columns].concat())))
    }
}

fn sorted(mut parts: Vec<String>) -> Vec<String> {
    parts.sort_unstable();
    parts
}

fn hash<T: AsRef<[u8]>>(parts: impl IntoIterator<Item = T>) -> String {
    Fingerprint::of(parts).as_str().to_owned()
}
