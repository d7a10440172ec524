//! Walks a plan bottom-up and adds to every node the column that says when its rows became known.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, TimeUnit};
use baton_core::Timestamp;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, DataFusionError};
use datafusion::functions::expr_fn::greatest;
use datafusion::functions_aggregate::expr_fn::{max, min};
use datafusion::logical_expr::{
    Aggregate, Expr, Filter, Limit, LogicalPlan, Projection, Sort, SubqueryAlias, TableScan, Union, Unnest, lit,
};

use super::scan::{bound_scan, full_table, instant, known_at_once};
use super::window;
use crate::AVAILABLE_AT;

/// Why a plan cannot be tracked.
#[derive(Debug)]
pub(super) enum Stop {
    /// The construct hides which rows a row was computed from.
    Unknown { construct: String, advice: String },
    /// Rebuilding the plan failed.
    Planning(DataFusionError),
}

impl From<DataFusionError> for Stop {
    fn from(error: DataFusionError) -> Self {
        Self::Planning(error)
    }
}

pub(super) type Step = Result<Tracked, Stop>;

/// A plan whose rows became known at `known`.
pub(super) struct Tracked {
    pub(super) plan: LogicalPlan,
    pub(super) known: Known,
}

impl Tracked {
    pub(super) fn known(&self) -> Expr {
        match &self.known {
            Known::Column(column) => Expr::Column(column.clone()),
            Known::Constant(micros) => lit(instant(*micros)),
        }
    }
}

/// Where the instants of a plan's rows are.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Known {
    /// In a column of the plan.
    Column(Column),
    /// One instant (microseconds) for all rows, as when they came in one file; `None` is always. It costs nothing to carry.
    Constant(Option<i64>),
}

impl Known {
    fn unqualified(name: impl Into<String>) -> Self {
        Self::Column(Column::new_unqualified(name))
    }

    pub(super) fn is_constant(&self) -> bool {
        matches!(self, Self::Constant(_))
    }
}

/// The state of one walk.
pub(super) struct Walk {
    as_of: Option<Timestamp>,
    next_name: usize,
}

impl Walk {
    pub(super) fn new(as_of: Option<Timestamp>) -> Self {
        Self { as_of, next_name: 0 }
    }

    /// The tracked plan with its own columns first and `_available_at` last.
    pub(super) fn finish(mut self, plan: LogicalPlan) -> Result<LogicalPlan, Stop> {
        let columns: Vec<Expr> = own_columns(&plan);
        let tracked = self.step(plan)?;
        let known = tracked.known().alias(AVAILABLE_AT);
        let columns = columns.into_iter().chain([known]).collect();
        Ok(LogicalPlan::Projection(Projection::try_new(columns, Arc::new(tracked.plan))?))
    }

    /// A column name that nothing else has.
    pub(super) fn fresh(&mut self, what: &str) -> String {
        self.next_name += 1;
        format!("__{what}_{}", self.next_name)
    }

    pub(super) fn step(&mut self, plan: LogicalPlan) -> Step {
        refuse_subqueries(&plan)?;
        match plan {
            LogicalPlan::TableScan(scan) => self.scan(scan),
            LogicalPlan::EmptyRelation(_) | LogicalPlan::Values(_) => Ok(always_known(plan)),
            LogicalPlan::Projection(node) => self.projection(node),
            LogicalPlan::Filter(node) => {
                let input = self.step(Arc::unwrap_or_clone(node.input))?;
                let filter = Filter::try_new(node.predicate, Arc::new(input.plan))?;
                Ok(Tracked { plan: LogicalPlan::Filter(filter), known: input.known })
            }
            LogicalPlan::Sort(node) => {
                let input = self.step(Arc::unwrap_or_clone(node.input))?;
                let sort = Sort { expr: node.expr, input: Arc::new(input.plan), fetch: node.fetch };
                Ok(Tracked { plan: LogicalPlan::Sort(sort), known: input.known })
            }
            LogicalPlan::Limit(node) => self.limit(node),
            LogicalPlan::SubqueryAlias(node) => self.alias(node),
            LogicalPlan::Join(node) => self.join(node),
            LogicalPlan::Aggregate(node) => self.aggregate(node),
            LogicalPlan::Window(node) => window::track(self, node),
            LogicalPlan::Union(node) => self.union(node),
            LogicalPlan::Unnest(node) => self.unnest(node),
            other => Err(unknown_construct(&other)),
        }
    }

    fn scan(&mut self, scan: TableScan) -> Step {
        let Some(full) = full_table(&scan)? else { return Ok(always_known(LogicalPlan::TableScan(scan))) };
        if let Some(known) = known_at_once(&scan, full.as_ref(), self.as_of) {
            let plan = bound_scan(&scan, full, None, None)?;
            return Ok(Tracked { plan, known: Known::Constant(known) });
        }
        let name = self.fresh("known");
        let plan = bound_scan(&scan, full, self.as_of, Some(&name))?;
        Ok(Tracked { plan, known: Known::unqualified(name) })
    }

    /// The same rows with their instants in a column.
    pub(super) fn in_column(&mut self, input: Tracked) -> Step {
        if !input.known.is_constant() {
            return Ok(input);
        }
        let (columns, known) = (own_columns(&input.plan), input.known());
        self.with_known(columns, known, input.plan)
    }

    /// `columns` of `plan`, and `known` under a fresh name.
    pub(super) fn with_known(&mut self, mut columns: Vec<Expr>, known: Expr, plan: LogicalPlan) -> Step {
        let name = self.fresh("known");
        columns.push(known.alias(&name));
        let plan = LogicalPlan::Projection(Projection::try_new(columns, Arc::new(plan))?);
        Ok(Tracked { plan, known: Known::unqualified(name) })
    }

    fn projection(&mut self, node: Projection) -> Step {
        let input = self.step(Arc::unwrap_or_clone(node.input))?;
        let instant = (!input.known.is_constant()).then(|| input.known());
        let columns = node.expr.into_iter().chain(instant).collect();
        let plan = LogicalPlan::Projection(Projection::try_new(columns, Arc::new(input.plan))?);
        Ok(Tracked { plan, known: input.known })
    }

    /// Which rows an offset skips depends on all rows before it, so its rows wait for the whole input.
    fn limit(&mut self, node: Limit) -> Step {
        let columns = own_columns(&node.input);
        let mut input = self.step(Arc::unwrap_or_clone(node.input))?;
        if node.skip.is_some() && !input.known.is_constant() {
            let last = self.fresh("last");
            let plan = window::with_last_of_all(&input, &last)?;
            input = self.with_known(columns, Expr::Column(Column::new_unqualified(last)), plan)?;
        }
        let limit = Limit { skip: node.skip, fetch: node.fetch, input: Arc::new(input.plan) };
        Ok(Tracked { plan: LogicalPlan::Limit(limit), known: input.known })
    }

    fn alias(&mut self, node: SubqueryAlias) -> Step {
        let input = self.step(Arc::unwrap_or_clone(node.input))?;
        let known = match input.known {
            Known::Column(column) => Known::Column(Column::new(Some(node.alias.clone()), column.name)),
            constant @ Known::Constant(_) => constant,
        };
        let plan = LogicalPlan::SubqueryAlias(SubqueryAlias::try_new(Arc::new(input.plan), node.alias)?);
        Ok(Tracked { plan, known })
    }

    /// A group is complete with its last row; without aggregates it is only a distinct value, there with its first.
    fn aggregate(&mut self, node: Aggregate) -> Step {
        let input = self.step(Arc::unwrap_or_clone(node.input))?;
        if input.known.is_constant() {
            let aggregate = Aggregate::try_new(Arc::new(input.plan), node.group_expr, node.aggr_expr)?;
            return Ok(Tracked { plan: LogicalPlan::Aggregate(aggregate), known: input.known });
        }
        let name = self.fresh("known");
        let instant = if node.aggr_expr.is_empty() { min(input.known()) } else { max(input.known()) };
        let aggregates = node.aggr_expr.into_iter().chain([instant.alias(&name)]).collect();
        let plan = LogicalPlan::Aggregate(Aggregate::try_new(Arc::new(input.plan), node.group_expr, aggregates)?);
        Ok(Tracked { plan, known: Known::unqualified(name) })
    }

    fn union(&mut self, node: Union) -> Step {
        let name = self.fresh("known");
        let mut inputs = Vec::with_capacity(node.inputs.len());
        for input in node.inputs {
            let mut columns = own_columns(&input);
            let tracked = self.step(Arc::unwrap_or_clone(input))?;
            columns.push(tracked.known().alias(&name));
            inputs.push(Arc::new(LogicalPlan::Projection(Projection::try_new(columns, Arc::new(tracked.plan))?)));
        }
        let instant = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let mut fields: Vec<_> = node.schema.iter().map(|(table, field)| (table.cloned(), Arc::clone(field))).collect();
        fields.push((None, Arc::new(Field::new(&name, instant, true))));
        let schema = DFSchema::new_with_metadata(fields, node.schema.metadata().clone())?;
        let plan = LogicalPlan::Union(Union { inputs, schema: Arc::new(schema) });
        Ok(Tracked { plan, known: Known::unqualified(name) })
    }

    fn unnest(&mut self, node: Unnest) -> Step {
        let input = self.step(Arc::unwrap_or_clone(node.input))?;
        let unnest = Unnest::try_new(Arc::new(input.plan), node.exec_columns, node.options)?;
        Ok(Tracked { plan: LogicalPlan::Unnest(unnest), known: input.known })
    }
}

fn always_known(plan: LogicalPlan) -> Tracked {
    Tracked { plan, known: Known::Constant(None) }
}

/// The columns of `plan` as expressions over it.
pub(super) fn own_columns(plan: &LogicalPlan) -> Vec<Expr> {
    plan.schema().columns().into_iter().map(Expr::Column).collect()
}

/// The later of some instants; null (always known) gives way to any other.
pub(super) fn later(instants: Vec<Expr>) -> Expr {
    greatest(instants)
}

fn refuse_subqueries(plan: &LogicalPlan) -> Result<(), Stop> {
    let mut found = None;
    plan.apply_expressions(|expression| {
        expression.apply(|part| {
            found = found.or(match part {
                Expr::Exists(_) => Some("`exists (…)` outside of a where clause"),
                Expr::InSubquery(_) => Some("`in (select …)` outside of a where clause"),
                Expr::ScalarSubquery(_) => Some("a subquery used as a value here"),
                Expr::SetComparison(_) => Some("`any` or `all` over a subquery"),
                _ => None,
            });
            Ok(if found.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
        })
    })?;
    match found {
        Some(construct) => Err(stop(construct, "write it as a join")),
        None => Ok(()),
    }
}

pub(super) fn stop(construct: &str, advice: &str) -> Stop {
    Stop::Unknown { construct: construct.to_owned(), advice: advice.to_owned() }
}

fn unknown_construct(plan: &LogicalPlan) -> Stop {
    match plan {
        LogicalPlan::RecursiveQuery(_) => {
            stop("a recursive query (`with recursive`)", "unroll it or use a calendar table")
        }
        LogicalPlan::Subquery(_) => stop("a lateral subquery of this form", "write it as a join"),
        _ => stop("this kind of statement", "write a SELECT over tables"),
    }
}
