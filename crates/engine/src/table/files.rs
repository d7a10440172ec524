//! Reads a table version: a plain Parquet scan over the snapshot's file list, in the list's order, with the
//! statistics of the log. Files whose statistics rule out the filters, or what follows from them for a time column, are
//! not opened. A scan says in which orders its rows come, as far as the log knows.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::pruning::PrunableStatistics;
use datafusion::common::stats::Precision;
use datafusion::common::{
    ColumnStatistics, DFSchema, DataFusionError, Result, ScalarValue, Statistics, project_schema,
};
use datafusion::config::TableParquetOptions;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::CachedParquetFileReaderFactory;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::{TableProvider, TableType};
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::object_store::path::Path;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;

use super::estimates::{estimates_of, inexact_ends};
use super::implied::implied_filters;
use super::order::orders_of;
use super::{ColumnRange, DataFile, TableFiles, scalar};

/// The files of a table version as a table.
#[derive(Debug)]
pub(crate) struct FilesTable {
    schema: SchemaRef,
    files: Vec<KnownFile>,
}

/// A file and what its statistics say.
#[derive(Debug)]
pub(super) struct KnownFile {
    file: DataFile,
    /// Ranges that hold every value: for ruling files out.
    pub(super) bounds: Arc<Statistics>,
    /// The columns that go up from row to row, by their place in the table.
    pub(super) ascending: BTreeSet<usize>,
    /// The same, not to be taken for values: the log may round the ends outward, so `min` and `max` are not answered by it.
    /// Whether files follow each other in an order is seen by it.
    ends: Arc<Statistics>,
    /// The same with still rougher ranges, for the planner.
    estimates: Statistics,
}

impl FilesTable {
    pub(crate) fn new(table: TableFiles) -> Self {
        let schema = table.schema;
        let files = table.files.into_iter().map(|file| {
            let bounds = bounds_of(&file, &schema);
            let estimates = estimates_of(&bounds);
            let ascending = file.columns.iter().filter(|column| column.ascending);
            let ascending = ascending.filter_map(|column| schema.index_of(&column.column).ok()).collect();
            let ends = inexact_ends(&bounds);
            KnownFile { file, bounds: Arc::new(bounds), ascending, ends: Arc::new(ends), estimates }
        });
        Self { files: files.collect(), schema }
    }

    /// The one value, in microseconds, that a timestamp column has in every row; `None` unless the statistics prove it.
    pub(crate) fn only_instant(&self, column: &str) -> Option<i64> {
        let index = self.schema.index_of(column).ok()?;
        let mut values = self.files.iter().map(|known| only_value(known.bounds.column_statistics.get(index)?));
        let first = values.next()??;
        values.all(|value| value == Some(first)).then_some(first)
    }

    /// The files that may hold rows for which `predicate` is true.
    fn matching_files(&self, predicate: Option<&Arc<dyn PhysicalExpr>>) -> Vec<&KnownFile> {
        let keep = predicate.and_then(|predicate| {
            let builder = PruningPredicateBuilder::new().with_file_schema(SchemaRef::clone(&self.schema));
            let pruning = builder.try_build(Arc::clone(predicate)).ok()?;
            let statistics = self.files.iter().map(|known| Arc::clone(&known.bounds)).collect();
            pruning.prune(&PrunableStatistics::new(statistics, SchemaRef::clone(&self.schema))).ok()
        });
        match keep {
            Some(keep) => self.files.iter().zip(keep).filter_map(|(file, keep)| keep.then_some(file)).collect(),
            None => self.files.iter().collect(),
        }
    }

    fn parquet_source(&self, state: &dyn Session, predicate: Option<Arc<dyn PhysicalExpr>>) -> Result<ParquetSource> {
        let mut options = TableParquetOptions::new();
        options.global = state.config_options().execution.parquet.clone();
        let runtime = state.runtime_env();
        let store = runtime.object_store(ObjectStoreUrl::local_filesystem())?;
        // Footers are read once for all queries of the process.
        let reader = CachedParquetFileReaderFactory::new(store, runtime.cache_manager.get_file_metadata_cache());
        let source = ParquetSource::new(SchemaRef::clone(&self.schema))
            .with_table_parquet_options(options)
            .with_parquet_file_reader_factory(Arc::new(reader));
        Ok(match predicate {
            Some(predicate) => source.with_predicate(predicate),
            None => source,
        })
    }
}

#[async_trait]
impl TableProvider for FilesTable {
    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let table_schema = DFSchema::try_from(SchemaRef::clone(&self.schema))?;
        let implied = implied_filters(filters, &table_schema);
        let predicate = conjunction(filters.iter().cloned().chain(implied))
            .map(|filter| state.create_physical_expr(filter, &table_schema))
            .transpose()?;
        let matching = self.matching_files(predicate.as_ref());
        if matching.is_empty() {
            // A scan without any file group has no partition, which operators above cannot do with.
            return Ok(Arc::new(EmptyExec::new(project_schema(&self.schema, projection)?)));
        }
        let statistics = total(&matching, &self.schema);
        let orders = orders_of(&matching, &self.schema, projection);
        let files = matching.into_iter().map(partitioned_file).collect::<Result<Vec<_>>>()?;
        let groups = FileGroup::new(files).split_files(state.config().target_partitions());
        let source = Arc::new(self.parquet_source(state, predicate)?);
        let config = FileScanConfigBuilder::new(ObjectStoreUrl::local_filesystem(), source)
            .with_file_groups(groups)
            .with_statistics(statistics)
            .with_output_ordering(orders)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}

fn partitioned_file(known: &KnownFile) -> Result<PartitionedFile> {
    let path = std::path::absolute(&known.file.path)?;
    let location = Path::from_absolute_path(&path).map_err(|error| DataFusionError::External(Box::new(error)))?;
    let mut file = PartitionedFile::new("", known.file.size).with_statistics(Arc::clone(&known.ends));
    file.object_meta.location = location;
    Ok(file)
}

/// Bounds may be wider than the truth, never narrower: ends that meet are the value.
fn only_value(column: &ColumnStatistics) -> Option<i64> {
    let (Precision::Exact(0), Some(least), Some(most)) =
        (column.null_count, column.min_value.get_value(), column.max_value.get_value())
    else {
        return None;
    };
    match least {
        ScalarValue::TimestampMicrosecond(Some(micros), _) if least == most => Some(*micros),
        _ => None,
    }
}

/// What is known of all `files` together, for choosing the order and the sides of joins.
fn total(files: &[&KnownFile], schema: &SchemaRef) -> Statistics {
    let all = files.iter().map(|known| &known.estimates);
    let mut statistics =
        Statistics::try_merge_iter(all, schema).unwrap_or_else(|_differ| Statistics::new_unknown(schema));
    let rows: Option<u64> = files.iter().map(|known| known.file.rows).sum();
    statistics.num_rows = rows.map_or(Precision::Absent, |rows| Precision::Exact(rows as usize));
    let bytes: u64 = files.iter().map(|known| known.file.size).sum();
    statistics.total_byte_size = Precision::Inexact(bytes as usize);
    statistics
}

fn bounds_of(file: &DataFile, schema: &SchemaRef) -> Statistics {
    let mut statistics = Statistics::new_unknown(schema);
    statistics.num_rows = file.rows.map_or(Precision::Absent, |rows| Precision::Exact(rows as usize));
    for range in &file.columns {
        if let Ok(index) = schema.index_of(&range.column)
            && let Some(column) = statistics.column_statistics.get_mut(index)
        {
            fill(column, range);
        }
    }
    statistics
}

fn fill(column: &mut ColumnStatistics, range: &ColumnRange) {
    let ending = |value: &Option<ArrayRef>| value.as_ref().and_then(scalar).map_or(Precision::Absent, Precision::Exact);
    column.min_value = ending(&range.min);
    column.max_value = ending(&range.max);
    column.null_count = range.nulls.map_or(Precision::Absent, |nulls| Precision::Exact(nulls as usize));
}
