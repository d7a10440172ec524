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
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result, ScalarValue, project_schema};
use datafusion::config::ConfigOptions;
use datafusion::datasource::{TableProvider, TableType};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, Operator};
use datafusion::physical_expr::expressions::{BinaryExpr, Column, InListExpr, Literal};
use datafusion::physical_expr::utils::reassign_expr_columns;
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr, split_conjunction};
use datafusion::physical_expr_common::physical_expr::snapshot_physical_expr;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::filter_pushdown::{
    ChildPushdownResult, FilterPushdownPhase, FilterPushdownPropagation, PushedDown,
};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};

/// Who keeps rows and hands them over.
pub trait RecordSource: fmt::Debug + Send + Sync {
    /// All columns.
    fn schema(&self) -> SchemaRef;

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
    let mut conditions = Vec::new();
    for filter in filters {
        // What cannot be told now is not told.
        let Ok(now) = snapshot_physical_expr(Arc::clone(filter)) else { continue };
        conditions.extend(split_conjunction(&now).into_iter().filter_map(condition_of));
    }
    conditions
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
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Mutex;

    use arrow::array::{ArrayRef, Int64Array, StringArray};
    use arrow::datatypes::{Field, Schema};

    use super::*;
    use crate::table::TableInput;
    use crate::{Engine, EngineOptions, SessionInput};

    /// Keeps numbers by key, and notes what was asked for.
    #[derive(Debug, Default)]
    struct Noted {
        asked: Mutex<Vec<Wanted>>,
    }

    impl RecordSource for Noted {
        fn schema(&self) -> SchemaRef {
            let field = |name, data_type| Field::new(name, data_type, true);
            Arc::new(Schema::new(vec![field("key", DataType::Utf8), field("step", DataType::Int64)]))
        }

        fn read(&self, wanted: Wanted) -> BoxStream<'static, std::result::Result<RecordBatch, ArrowError>> {
            self.asked.lock().unwrap().push(wanted.clone());
            let keys: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "c"]));
            let steps: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
            let batch = RecordBatch::try_new(self.schema(), vec![keys, steps]).unwrap();
            futures::stream::iter([batch.project(&wanted.columns)]).boxed()
        }
    }

    /// The rows of a query in lines, and what was asked of the source for it.
    async fn asked(sql: &str) -> (String, Vec<Wanted>) {
        let folder = tempfile::tempdir().unwrap();
        let options = EngineOptions { memory_limit_bytes: 1 << 28, spill_dir: folder.path().to_owned(), threads: 2 };
        let source = Arc::new(Noted::default());
        let input = SessionInput { tables: BTreeMap::from([("wished".to_owned(), wished())]), as_of: None };
        let records = BTreeMap::from([
            ("points".to_owned(), Arc::clone(&source) as Arc<dyn RecordSource>),
            ("wished".to_owned(), Arc::clone(&source) as Arc<dyn RecordSource>),
        ]);
        let session = Engine::new(options).unwrap().session(input).unwrap().with_records(records).unwrap();
        let (_, batches) = session.query(sql).await.unwrap();
        let shown = arrow::util::pretty::pretty_format_batches(&batches).unwrap().to_string();
        let asked = source.asked.lock().unwrap().clone();
        (shown, asked)
    }

    fn wished() -> TableInput {
        let keys: ArrayRef = Arc::new(StringArray::from(vec!["c"]));
        let batch = RecordBatch::try_from_iter([("key", keys)]).unwrap();
        TableInput::Batches { schema: batch.schema(), batches: vec![batch] }
    }

    fn one_of(column: &str, values: &[&str]) -> Condition {
        let values = values.iter().map(|value| Comparand::Text((*value).to_owned())).collect();
        Condition { column: column.to_owned(), is: Is::OneOf(values) }
    }

    #[tokio::test]
    async fn filters_and_columns_are_told_and_looked_at_again() {
        let (shown, asked) = asked("select step from baton.points where key = 'b' and step >= 2").await;
        assert!(shown.contains("| 2 ") && !shown.contains("| 1 ") && !shown.contains("| 3 "), "{shown}");
        assert_eq!(asked.len(), 1);
        assert!(asked[0].conditions.contains(&one_of("key", &["b"])), "{asked:?}");
        let step = Condition { column: "step".to_owned(), is: Is::AtLeast(Comparand::Integer(2)) };
        assert!(asked[0].conditions.contains(&step), "{asked:?}");
    }

    #[tokio::test]
    async fn names_are_found_without_their_schema_and_limits_are_told() {
        let (_, asked) = asked("select step from points limit 1").await;
        assert_eq!(asked, [Wanted { columns: vec![1], conditions: Vec::new(), most: Some(1) }]);
    }

    #[tokio::test]
    async fn a_table_of_the_same_name_goes_before_records() {
        let (shown, asked) = asked("select count(*) as n from wished").await;
        assert!(shown.contains("| 1 ") && asked.is_empty(), "{shown}");
        let (shown, _) = self::asked("select count(*) as n from baton.wished").await;
        assert!(shown.contains("| 3 "), "{shown}");
    }

    #[tokio::test]
    async fn keys_of_a_join_are_told() {
        let (shown, asked) = asked("select p.step from wished w join baton.points p on p.key = w.key").await;
        assert!(shown.contains("| 3 ") && !shown.contains("| 1 "), "{shown}");
        assert!(asked[0].conditions.contains(&one_of("key", &["c"])), "{asked:?}");
    }
}
