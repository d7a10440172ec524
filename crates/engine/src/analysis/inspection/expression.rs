//! Expressions: what they are computed from, and when they are null.

use std::collections::BTreeSet;

use datafusion::common::DFSchema;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::expr::{Case, ScalarFunction};
use datafusion::logical_expr::{BinaryExpr, Expr, LogicalPlan, Operator};

use super::Inspector;
use super::node::{ColumnFacts, Node, Token};

type Tokens = BTreeSet<Token>;

/// Functions that can give a value though an argument is null, and of whose nulls nothing is said.
const TOLERANT: &[&str] = &[
    "concat",
    "concat_ws",
    "greatest",
    "least",
    "make_array",
    "struct",
    "named_struct",
    "nvl2",
    "arrow_typeof",
    "map",
    "array_append",
    "array_concat",
    "array_length",
    "cardinality",
];

/// The column that an expression shows unchanged.
pub(super) fn column_index(expression: &Expr, schema: &DFSchema) -> Option<usize> {
    match expression {
        Expr::Column(column) => schema.maybe_index_of_column(column),
        Expr::Alias(alias) => column_index(&alias.expr, schema),
        _ => None,
    }
}

/// All columns that an expression mentions.
pub(super) fn columns_of(expression: &Expr, schema: &DFSchema) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    let _ = expression.apply(|part| {
        if let Expr::Column(column) = part {
            found.extend(schema.maybe_index_of_column(column));
        }
        Ok(TreeNodeRecursion::Continue)
    });
    found
}

/// The columns that cannot be null where `condition` holds.
pub(super) fn strict_columns(condition: &Expr, schema: &DFSchema) -> BTreeSet<usize> {
    match condition {
        Expr::Column(column) => schema.maybe_index_of_column(column).into_iter().collect(),
        Expr::Alias(alias) => strict_columns(&alias.expr, schema),
        Expr::Not(inner) | Expr::IsNotNull(inner) | Expr::IsTrue(inner) | Expr::IsFalse(inner) => {
            strict_columns(inner, schema)
        }
        Expr::Negative(inner) => strict_columns(inner, schema),
        Expr::Cast(cast) => strict_columns(&cast.expr, schema),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match op {
            Operator::Or | Operator::IsDistinctFrom | Operator::IsNotDistinctFrom => BTreeSet::new(),
            _ => strict_columns(left, schema).into_iter().chain(strict_columns(right, schema)).collect(),
        },
        Expr::Between(between) => strict_columns(&between.expr, schema),
        Expr::InList(list) => strict_columns(&list.expr, schema),
        Expr::Like(like) => strict_columns(&like.expr, schema),
        _ => BTreeSet::new(),
    }
}

impl Inspector<'_> {
    pub(super) fn projection(&mut self, expressions: &[Expr], schema: &DFSchema, input: Node) -> Node {
        let columns = expressions.iter().map(|expression| self.column(expression, schema, &input)).collect();
        let shown: Vec<Option<usize>> = expressions.iter().map(|expression| column_index(expression, schema)).collect();
        let (keys, fans) = input.moved(|index| shown.iter().position(|found| *found == Some(index)));
        Node { columns, keys, fans }
    }

    /// What is known of a computed column.
    pub(super) fn column(&mut self, expression: &Expr, schema: &DFSchema, input: &Node) -> ColumnFacts {
        let sources = columns_of(expression, schema).into_iter().filter_map(|index| input.columns.get(index));
        let same_row = sources.flat_map(|column| column.same_row.clone()).collect();
        let numbered_within =
            column_index(expression, schema).and_then(|index| input.columns[index].numbered_within.clone());
        ColumnFacts { nulls: self.nulls(expression, schema, input), same_row, numbered_within }
    }

    /// The tokens of which each, where it holds, makes `expression` null.
    fn nulls(&mut self, expression: &Expr, schema: &DFSchema, input: &Node) -> Tokens {
        match expression {
            Expr::Column(_) => {
                let column = column_index(expression, schema).and_then(|index| input.columns.get(index));
                column.map(|column| column.nulls.clone()).unwrap_or_default()
            }
            Expr::Alias(alias) => self.nulls(&alias.expr, schema, input),
            Expr::Cast(cast) => self.nulls(&cast.expr, schema, input),
            Expr::Not(inner) | Expr::Negative(inner) => self.nulls(inner, schema, input),
            Expr::TryCast(cast) => {
                let mut tokens = self.nulls(&cast.expr, schema, input);
                tokens.insert(self.cause("`try_cast` gives null for what it cannot read"));
                tokens
            }
            Expr::Literal(value, _) if value.is_null() => BTreeSet::from([self.cause("it is written as null")]),
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => match op {
                Operator::And | Operator::Or | Operator::IsDistinctFrom | Operator::IsNotDistinctFrom => Tokens::new(),
                _ => &self.nulls(left, schema, input) | &self.nulls(right, schema, input),
            },
            Expr::Case(case) => self.nulls_of_case(case, schema, input),
            Expr::ScalarFunction(call) => self.nulls_of_function(call, schema, input),
            Expr::Like(like) => self.nulls(&like.expr, schema, input),
            Expr::InList(list) => self.nulls(&list.expr, schema, input),
            Expr::Between(between) => self.nulls(&between.expr, schema, input),
            Expr::ScalarSubquery(subquery) if !is_count(&subquery.subquery) => {
                BTreeSet::from([self.cause("a subquery used as a value can have no row")])
            }
            _ => Tokens::new(),
        }
    }

    /// Null where every branch is, where a branch says null, and where no branch applies.
    fn nulls_of_case(&mut self, case: &Case, schema: &DFSchema, input: &Node) -> Tokens {
        let mut branches: Vec<&Expr> = case.when_then_expr.iter().map(|(_, then)| then.as_ref()).collect();
        branches.extend(case.else_expr.as_deref());
        let is_null = |branch: &Expr| matches!(branch, Expr::Literal(value, _) if value.is_null());
        let says_null = branches.iter().any(|branch| is_null(branch));
        let mut common: Option<Tokens> = None;
        for branch in branches.into_iter().filter(|branch| !is_null(branch)) {
            let tokens = self.nulls(branch, schema, input);
            common = Some(common.map_or(tokens.clone(), |common| &common & &tokens));
        }
        let mut tokens = common.unwrap_or_default();
        if case.else_expr.is_none() {
            tokens.insert(self.cause("a `case` without `else` is null where no branch applies"));
        } else if says_null {
            tokens.insert(self.cause("a branch of a `case` is null"));
        }
        tokens
    }

    fn nulls_of_function(&mut self, call: &ScalarFunction, schema: &DFSchema, input: &Node) -> Tokens {
        let mut arguments: Vec<Tokens> = call.args.iter().map(|argument| self.nulls(argument, schema, input)).collect();
        match call.name() {
            "coalesce" | "nvl" | "ifnull" => {
                arguments.into_iter().reduce(|common, next| &common & &next).unwrap_or_default()
            }
            "nullif" => {
                let mut tokens = if arguments.is_empty() { Tokens::new() } else { arguments.swap_remove(0) };
                tokens.insert(self.cause("`nullif` gives null for equal values"));
                tokens
            }
            name if TOLERANT.contains(&name) => Tokens::new(),
            _ => arguments.into_iter().flatten().collect(),
        }
    }
}

/// Whether a subquery is a bare count, which is a number even of no rows.
fn is_count(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Aggregate(node) => {
            let counts = |value: &Expr| matches!(value, Expr::AggregateFunction(call) if call.func.name() == "count");
            node.group_expr.is_empty() && node.aggr_expr.iter().all(counts)
        }
        LogicalPlan::Projection(node) => is_count(&node.input),
        LogicalPlan::SubqueryAlias(node) => is_count(&node.input),
        _ => false,
    }
}
