//! Joins: which side's rows they multiply, which columns they leave null, and what identifies a joined row.

use std::collections::BTreeSet;

use datafusion::common::{Column, DFSchema, JoinType};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{BinaryExpr, Expr, Join, LogicalPlan, Operator};

use super::expression::{column_index, columns_of, strict_columns};
use super::node::{ColumnFacts, Fan, Node};
use super::{FanOut, Inspector};

/// What a join's condition says.
#[derive(Default)]
struct Condition {
    /// Columns of the left side that have one value for each row of the right side.
    left: BTreeSet<usize>,
    /// And the other way round.
    right: BTreeSet<usize>,
    /// Pairs of equal columns.
    equal: Vec<(usize, usize)>,
    /// Whether it says more than that columns are equal, so that nothing is known of how many rows meet.
    is_loose: bool,
    /// A column that it mentions, for its place in the text.
    mentioned: Option<Column>,
}

impl Inspector<'_> {
    pub(super) fn join(&mut self, node: &Join, left: Node, right: Node) -> Node {
        match node.join_type {
            JoinType::LeftSemi | JoinType::LeftAnti => return left,
            JoinType::RightSemi | JoinType::RightAnti => return right,
            JoinType::LeftMark => return with_mark(left),
            JoinType::RightMark => return with_mark(right),
            JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => {}
        }
        let condition = condition_of(node);
        let offset = left.columns.len();
        let (left_is_one, right_is_one) = (left.is_unique_by(&condition.left), right.is_unique_by(&condition.right));
        let mut output = self.columns(node, &left, &right);
        let shifted = |set: &BTreeSet<usize>| set.iter().map(|index| index + offset).collect::<BTreeSet<usize>>();
        let right_keys: Vec<BTreeSet<usize>> = right.keys.iter().map(shifted).collect();
        if right_is_one && matches!(node.join_type, JoinType::Inner | JoinType::Left) {
            left.keys.iter().for_each(|key| output.add_key(key.clone()));
        }
        if left_is_one && matches!(node.join_type, JoinType::Inner | JoinType::Right) {
            right_keys.iter().for_each(|key| output.add_key(key.clone()));
        }
        for left_key in &left.keys {
            right_keys.iter().for_each(|right_key| output.add_key(left_key | right_key));
        }
        output.fans = carried_fans(&left, &right, offset);
        if !condition.is_loose {
            let (own, by) = (0..offset, offset..offset + right.columns.len());
            if !right_is_one && !right.keys.is_empty() {
                let join = self.fan_out(&node.left, &node.right, &right, &condition.right, &condition);
                output.fans.push(Fan {
                    join,
                    keys: left.keys.clone(),
                    own: own.clone().collect(),
                    by: by.clone().collect(),
                });
            }
            if !left_is_one && !left.keys.is_empty() {
                let join = self.fan_out(&node.right, &node.left, &left, &condition.left, &condition);
                output.fans.push(Fan { join, keys: right_keys, own: by.collect(), by: own.collect() });
            }
        }
        substitute(&mut output, &condition.equal, offset, node.join_type);
        output
    }

    /// The columns of both sides; a side that can have no row is null as a whole.
    fn columns(&mut self, node: &Join, left: &Node, right: &Node) -> Node {
        let mut columns: Vec<ColumnFacts> = left.columns.iter().chain(&right.columns).cloned().collect();
        // Positions of row numbers mean their own side's columns.
        columns.iter_mut().skip(left.columns.len()).for_each(|column| column.numbered_within = None);
        let (absent_left, absent_right) = columns.split_at_mut(left.columns.len());
        if matches!(node.join_type, JoinType::Left | JoinType::Full) {
            self.make_null(absent_right, &node.right, node.join_type);
        }
        if matches!(node.join_type, JoinType::Right | JoinType::Full) {
            self.make_null(absent_left, &node.left, node.join_type);
        }
        let mut output = Node { columns, ..Node::default() };
        if node.join_type == JoinType::Inner {
            let strict = strict_of(node);
            output.rule_out_nulls(&strict);
        }
        output
    }

    fn make_null(&mut self, columns: &mut [ColumnFacts], side: &LogicalPlan, kind: JoinType) {
        let kind = kind.to_string().to_lowercase();
        let token = self.cause(format!("the {kind} join finds no row of `{}` for some rows", name_of(side)));
        columns.iter_mut().for_each(|column| {
            column.nulls.insert(token);
        });
    }

    fn fan_out(
        &mut self,
        multiplied: &LogicalPlan,
        by: &LogicalPlan,
        by_node: &Node,
        on: &BTreeSet<usize>,
        condition: &Condition,
    ) -> usize {
        let names = |set: &BTreeSet<usize>| set.iter().map(|index| by.schema().field(*index).name().clone()).collect();
        let (line, column, length) = self.place(condition.mentioned.as_ref());
        self.fan_outs.push(FanOut {
            multiplied: name_of(multiplied),
            by: name_of(by),
            by_key: by_node.keys.first().map(names).unwrap_or_default(),
            on: names(on),
            line,
            column,
            length,
        });
        self.fan_outs.len() - 1
    }
}

fn with_mark(mut side: Node) -> Node {
    side.columns.push(ColumnFacts::default());
    side
}

/// What was multiplied below stays so.
fn carried_fans(left: &Node, right: &Node, offset: usize) -> Vec<Fan> {
    let (_, moved) = right.moved(|index| Some(index + offset));
    left.fans.iter().cloned().chain(moved).collect()
}

/// Lets equal columns stand for each other in keys, where a join leaves them equal.
fn substitute(node: &mut Node, equal: &[(usize, usize)], offset: usize, kind: JoinType) {
    let mut pairs: Vec<(usize, usize)> = Vec::new();
    for (left, right) in equal.iter().map(|(left, right)| (*left, right + offset)) {
        if matches!(kind, JoinType::Inner | JoinType::Left) {
            pairs.push((right, left));
        }
        if matches!(kind, JoinType::Inner | JoinType::Right) {
            pairs.push((left, right));
        }
    }
    for (from, to) in pairs {
        for key in node.keys.clone() {
            if let Some(other) = exchanged(&key, from, to) {
                node.add_key(other);
            }
        }
        for fan in &mut node.fans {
            for key in fan.keys.clone() {
                fan.add_key(exchanged(&key, from, to));
            }
        }
    }
}

fn exchanged(key: &BTreeSet<usize>, from: usize, to: usize) -> Option<BTreeSet<usize>> {
    let mut other = key.clone();
    other.remove(&from).then(|| {
        other.insert(to);
        other
    })
}

fn condition_of(node: &Join) -> Condition {
    let (left, right) = (node.left.schema(), node.right.schema());
    let mut condition = Condition::default();
    for (left_key, right_key) in &node.on {
        condition.take_equality(left_key, right_key, left, right);
    }
    for part in node.filter.iter().flat_map(split_conjunction) {
        match part {
            Expr::BinaryExpr(BinaryExpr { left: one, op: Operator::Eq, right: other }) => {
                condition.take_equality(one, other, left, right);
            }
            _ => condition.is_loose = true,
        }
    }
    condition.is_loose |= condition.left.is_empty() && condition.right.is_empty();
    condition
}

impl Condition {
    fn take_equality(&mut self, one: &Expr, other: &Expr, left: &DFSchema, right: &DFSchema) {
        for expression in [one, other] {
            if let Expr::Column(column) = expression {
                self.mentioned.get_or_insert_with(|| column.clone());
            }
        }
        let side = |expression: &Expr| (columns_of(expression, left), columns_of(expression, right));
        let (of_one, of_other) = (side(one), side(other));
        let bound = [
            self.bind(column_index(one, left), &of_other.0, true),
            self.bind(column_index(one, right), &of_other.1, false),
            self.bind(column_index(other, left), &of_one.0, true),
            self.bind(column_index(other, right), &of_one.1, false),
        ];
        self.is_loose |= !bound.contains(&true);
        let pair = |one: &Expr, other: &Expr| Some((column_index(one, left)?, column_index(other, right)?));
        self.equal.extend(pair(one, other).or_else(|| pair(other, one)));
    }

    /// A column is fixed when what it equals reads nothing of its own side.
    fn bind(&mut self, column: Option<usize>, own_side: &BTreeSet<usize>, is_left: bool) -> bool {
        let Some(column) = column.filter(|_| own_side.is_empty()) else { return false };
        if is_left {
            self.left.insert(column)
        } else {
            self.right.insert(column)
        };
        true
    }
}

/// Columns of the joined row that are not null, because the join's conditions hold.
fn strict_of(node: &Join) -> BTreeSet<usize> {
    let mut found: BTreeSet<usize> = BTreeSet::new();
    let offset = node.left.schema().fields().len();
    for (left, right) in &node.on {
        found.extend(strict_columns(left, node.left.schema()));
        found.extend(strict_columns(right, node.right.schema()).into_iter().map(|index| index + offset));
    }
    for condition in node.filter.iter().flat_map(split_conjunction) {
        found.extend(strict_columns(condition, &node.schema));
    }
    found
}

/// What the query calls a side: its alias or table.
fn name_of(side: &LogicalPlan) -> String {
    match side {
        LogicalPlan::SubqueryAlias(node) => match node.input.as_ref() {
            LogicalPlan::TableScan(scan) => scan.table_name.table().to_owned(),
            _ => node.alias.table().to_owned(),
        },
        LogicalPlan::TableScan(scan) => scan.table_name.table().to_owned(),
        LogicalPlan::Join(node) => name_of(&node.left),
        other => other.inputs().first().map_or_else(|| "the rows so far".to_owned(), |input| name_of(input)),
    }
}
