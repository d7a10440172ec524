//! Rows that somebody else keeps and hands over when a query asks for them, such as records of runs in a database.
//!
//! What a query asks for is told as far as a source may know better than to hand over everything: columns, and conditions that
//! every row of use meets. Conditions come from the query's own filters, and from joins: the keys of the side that is read first.
//! A source may ignore them; the query looks at every row again.

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef, TimeUnit};
use arrow::error::ArrowError;
use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result, ScalarValue, Statistics, project_schema};
use datafusion::config::ConfigOptions;
use datafusion::datasource::{TableProvider, TableType};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, Operator};
use datafusion::physical_expr::expressions::{BinaryExpr, CaseExpr, Column, InListExpr, Literal};
use datafusion::physical_expr::utils::reassign_expr_columns;
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr, split_conjunction};
use datafusion::physical_expr_common::physical_expr::snapshot_physical_expr;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::filter_pushdown::{
    ChildPushdownResult, FilterPushdownPhase, FilterPushdownPropagation, PushedDown,
};
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};

/// Who keeps rows and hands them over.
pub trait RecordSource: fmt::Debug + Send + Sync {
    /// All columns.
    fn schema(&self) -> SchemaRef;

    /// About how many rows there are, as far as that is known without looking: a join reads the side with fewer first, and
    /// tells the other one its keys.
    fn expected_rows(&self) -> Option<usize> {
        None
    }

    /// The rows, in batches of the wanted columns in their order. Rows that do not meet the conditions may be among them.
    fn read(&self, wanted: Wanted) -> BoxStream<'static, std::result::Result<RecordBatch, ArrowError>>;
}

/// What of a source's rows is of use.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Wanted {
    /// The places of the columns.
    pub columns: Vec<usize>,
    /// What each row of use meets.
    pub conditions: Vec<Condition>,
    /// So many rows that meet all conditions do; only where nothing else decides which.
    pub most: Option<usize>,
}

/// What the value of a column is where a row is of use.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// The column.
    pub column: String,
    /// What its value is.
    pub is: Is,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq)]
pub enum Is {
    /// One of these.
    OneOf(Vec<Comparand>),
    /// This or greater.
    AtLeast(Comparand),
    /// This or less.
    AtMost(Comparand),
}

/// A value that one is compared with.
#[derive(Debug, Clone, PartialEq)]
pub enum Comparand {
    /// A text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// An instant, in microseconds since 1970.
    Micros(i64),
}

/// A source as a table.
#[derive(Debug)]
pub(crate) struct RecordsTable(pub(crate) Arc<dyn RecordSource>);

#[async_trait]
impl TableProvider for RecordsTable {
    fn schema(&self) -> SchemaRef {
        self.0.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = self.0.schema();
        let columns = projection.cloned().unwrap_or_else(|| (0..schema.fields().len()).collect());
        let scan = RecordsExec::new(Arc::clone(&self.0), columns, project_schema(&schema, projection)?, limit);
        Ok(Arc::new(scan))
    }
}

/// Reads a source.
#[derive(Debug, Clone)]
struct RecordsExec {
    source: Arc<dyn RecordSource>,
    columns: Vec<usize>,
    most: Option<usize>,
    /// Over the wanted columns; those of joins are known when the scan begins to read.
    filters: Vec<Arc<dyn PhysicalExpr>>,
    properties: Arc<PlanProperties>,
}

impl RecordsExec {
    fn new(source: Arc<dyn RecordSource>, columns: Vec<usize>, schema: SchemaRef, most: Option<usize>) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Self { source, columns, most, filters: Vec::new(), properties: Arc::new(properties) }
    }
}

impl DisplayAs for RecordsExec {
    fn fmt_as(&self, _form: DisplayFormatType, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let filters: Vec<String> = self.filters.iter().map(ToString::to_string).collect();
        write!(formatter, "RecordsExec: {}", filters.join(" AND "))
    }
}

impl ExecutionPlan for RecordsExec {
    fn name(&self) -> &'static str {
        "RecordsExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        for filter in &self.filters {
            if visit(filter)? == TreeNodeRecursion::Stop {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, _children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn handle_child_pushdown_result(
        &self,
        _phase: FilterPushdownPhase,
        told: ChildPushdownResult,
        _config: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn ExecutionPlan>>> {
        let schema = self.schema();
        let mut scan = self.clone();
        let mut answers = Vec::new();
        for filter in told.parent_filters {
            scan.filters.extend(reassign_expr_columns(filter.filter, &schema).ok());
            // What asked goes on looking at every row.
            answers.push(PushedDown::No);
        }
        let scan: Arc<dyn ExecutionPlan> = Arc::new(scan);
        Ok(FilterPushdownPropagation::with_parent_pushdown_result(answers).with_updated_node(scan))
    }

    fn statistics_from_inputs(
        &self,
        _inputs: &[Arc<Statistics>],
        _arguments: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        let num_rows = self.source.expected_rows().map_or(Precision::Absent, Precision::Inexact);
        Ok(Arc::new(Statistics { num_rows, ..Statistics::new_unknown(&self.schema()) }))
    }

    fn execute(&self, _partition: usize, _context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let scan = self.clone();
        // What a join knows is asked for when the first row is, and not before.
        let rows = futures::stream::once(async move {
            let conditions = conditions_of(&scan.filters);
            let most = scan.most.filter(|_| scan.filters.is_empty());
            scan.source.read(Wanted { columns: scan.columns, conditions, most })
        });
        let rows = rows.flatten().map_err(|error| DataFusionError::ArrowError(Box::new(error), None));
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), rows)))
    }
}

/// What a row that meets all filters meets, as far as it can be said in conditions.
fn conditions_of(filters: &[Arc<dyn PhysicalExpr>]) -> Vec<Condition> {
    // What cannot be told now is not told.
    let now = filters.iter().filter_map(|filter| snapshot_physical_expr(Arc::clone(filter)).ok());
    now.flat_map(|filter| conditions_of_one(&filter)).collect()
}

fn conditions_of_one(filter: &Arc<dyn PhysicalExpr>) -> Vec<Condition> {
    let of_part = |part: &Arc<dyn PhysicalExpr>| match part.downcast_ref::<CaseExpr>() {
        Some(case) => conditions_of_parts(case),
        None => condition_of(part).into_iter().collect(),
    };
    split_conjunction(filter).into_iter().flat_map(of_part).collect()
}

/// A join whose sides are split in parts asks of a row what is asked of its part, `CASE part WHEN 0 THEN … WHEN 1 THEN … ELSE false END`.
/// Whichever it is in, it meets what is asked in one of them.
fn conditions_of_parts(case: &CaseExpr) -> Vec<Condition> {
    let answers = case.when_then_expr().iter().map(|(_, then)| then).chain(case.else_expr());
    let mut parts = answers.filter(|answer| !is_false(answer)).map(conditions_of_one);
    // Without `ELSE` a row in none of them meets nothing; without an answer that is not false there is no row.
    let Some(first) = parts.next() else { return Vec::new() };
    parts.fold(first, |known, other| known.into_iter().filter_map(|condition| condition.or(&other)).collect())
}

fn is_false(filter: &Arc<dyn PhysicalExpr>) -> bool {
    filter.downcast_ref::<Literal>().is_some_and(|literal| *literal.value() == ScalarValue::Boolean(Some(false)))
}

impl Condition {
    /// What is met by whatever meets this, or else all of the others.
    fn or(self, others: &[Self]) -> Option<Self> {
        let Self { column, is } = self;
        let of_column = others.iter().filter(|other| other.column == column);
        let is = of_column.filter_map(|other| is.or(&other.is)).next()?;
        Some(Self { column, is })
    }
}

impl Is {
    /// What values are that are this or the other; none where it cannot be said.
    fn or(&self, other: &Self) -> Option<Self> {
        Some(match (self, other) {
            (Self::OneOf(one), Self::OneOf(other)) => {
                let new = other.iter().filter(|value| !one.contains(value));
                Self::OneOf(one.iter().chain(new).cloned().collect())
            }
            (Self::AtLeast(one), Self::AtLeast(other)) => Self::AtLeast(one.ordered(other)?.0.clone()),
            (Self::AtMost(one), Self::AtMost(other)) => Self::AtMost(one.ordered(other)?.1.clone()),
            _ => return None,
        })
    }
}

impl Comparand {
    /// Both, the lesser one first; none of different kinds.
    fn ordered<'a>(&'a self, other: &'a Self) -> Option<(&'a Self, &'a Self)> {
        let is_less = match (self, other) {
            (Self::Text(one), Self::Text(other)) => one <= other,
            (Self::Integer(one), Self::Integer(other)) | (Self::Micros(one), Self::Micros(other)) => one <= other,
            _ => return None,
        };
        Some(if is_less { (self, other) } else { (other, self) })
    }
}

fn condition_of(filter: &Arc<dyn PhysicalExpr>) -> Option<Condition> {
    if let Some(list) = filter.downcast_ref::<InListExpr>() {
        let column = list.expr().downcast_ref::<Column>().filter(|_| !list.negated())?;
        let values = list.list().iter().map(comparand).collect::<Option<Vec<_>>>()?;
        return Some(Condition { column: column.name().to_owned(), is: Is::OneOf(values) });
    }
    let binary = filter.downcast_ref::<BinaryExpr>()?;
    let (column, operator, value) = match binary.left().downcast_ref::<Column>() {
        Some(column) => (column, *binary.op(), comparand(binary.right())?),
        None => (binary.right().downcast_ref::<Column>()?, binary.op().swap()?, comparand(binary.left())?),
    };
    let is = match operator {
        Operator::Eq => Is::OneOf(vec![value]),
        Operator::Gt | Operator::GtEq => Is::AtLeast(value),
        Operator::Lt | Operator::LtEq => Is::AtMost(value),
        // `key = 'a' or key = 'b'` comes as a list, and others are not told.
        _ => return None,
    };
    Some(Condition { column: column.name().to_owned(), is })
}

fn comparand(value: &Arc<dyn PhysicalExpr>) -> Option<Comparand> {
    let literal = value.downcast_ref::<Literal>()?.value();
    if let Some(Some(text)) = literal.try_as_str() {
        return Some(Comparand::Text(text.to_owned()));
    }
    if let ScalarValue::Int64(Some(number)) = literal {
        return Some(Comparand::Integer(*number));
    }
    let micros = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    match (literal.data_type(), literal.cast_to(&micros)) {
        (DataType::Timestamp(..), Ok(ScalarValue::TimestampMicrosecond(Some(micros), _))) => {
            Some(Comparand::Micros(micros))
        }
        _ => None,
    }
}

#[cfg(test)]
#[path = "records_tests.rs"]
mod tests;
