//! A session: named tables at exact versions, under an optional logical clock; runs queries and builds tables.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use baton_core::{Interval, Timestamp};
use datafusion::catalog::{CatalogProvider, CatalogProviderList, SchemaProvider};
use datafusion::catalog::{MemoryCatalogProvider, MemoryCatalogProviderList, MemorySchemaProvider};
use datafusion::datasource::{TableProvider, ViewTable};
use datafusion::execution::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::execute_stream;

use crate::availability;
use crate::determinism;
use crate::engine::EngineOptions;
use crate::error::{EngineError, execution_error, plain_message};
use crate::memory;
use crate::plan_text::value_a_line;
use crate::sql::{self, parse_statement, plan_statement};
use crate::stream::BatchStream;
use crate::table::{RecordSource, RecordsTable, TableInput, VisibleTable};

/// The schema of records that are no tables of the lake.
pub(crate) const RECORDS: &str = "baton";

/// Keys that a join tells who keeps records, at most, and the bytes that they take.
const MOST_TOLD_KEYS: usize = 4_096;
const MOST_TOLD_BYTES: usize = 1 << 20;

/// What a session can see.
#[derive(Debug, Clone, Default)]
pub struct SessionInput {
    /// The tables by name.
    pub tables: BTreeMap<String, TableInput>,
    /// The logical clock: rows with a later `_available_at` do not exist, and `now()` is this instant.
    pub as_of: Option<Timestamp>,
}

/// How to build a table.
#[derive(Debug, Clone, Default)]
pub struct BuildOptions {
    /// The output column that holds the table's time; needed with `interval`.
    pub time_column: Option<String>,
    /// Keep only rows whose time is inside.
    pub interval: Option<Interval>,
    /// Add the column `_available_at`: when each row became known.
    pub track_availability: bool,
    /// Join in a way that spills, however little the joins are estimated to take: for a query that ran out of memory.
    pub spill_joins: bool,
}

/// Named tables at exact versions.
#[derive(Debug)]
pub struct Session {
    state: SessionState,
    as_of: Option<Timestamp>,
    memory_limit_bytes: usize,
}

impl Session {
    pub(crate) fn new(
        mut state: SessionState,
        input: SessionInput,
        options: &EngineOptions,
    ) -> Result<Self, EngineError> {
        register(&mut state, &input.tables, input.as_of)?;
        Ok(Self { state, as_of: input.as_of, memory_limit_bytes: options.memory_limit_bytes })
    }

    /// The session with records by name, for queries: `baton.runs`, and `runs` where no table is called so.
    ///
    /// # Errors
    /// [`EngineError::Setup`].
    pub fn with_records(mut self, records: BTreeMap<String, Arc<dyn RecordSource>>) -> Result<Self, EngineError> {
        // Who keeps records finds rows by keys, and of those that a join tells only where they come as a list.
        let optimizer = &mut self.state.config_mut().options_mut().optimizer;
        optimizer.hash_join_inlist_pushdown_max_distinct_values = MOST_TOLD_KEYS;
        optimizer.hash_join_inlist_pushdown_max_size = MOST_TOLD_BYTES;
        let setup = |error: &datafusion::error::DataFusionError| EngineError::Setup(plain_message(error));
        let Some(catalog) = self.state.catalog_list().catalog("datafusion") else { return Ok(self) };
        let schema = Arc::new(MemorySchemaProvider::new());
        for (name, source) in records {
            let table: Arc<dyn TableProvider> = Arc::new(RecordsTable(source));
            if let Some(public) = catalog.schema("public").filter(|public| !public.table_exist(&name)) {
                public.register_table(name.clone(), Arc::clone(&table)).map_err(|error| setup(&error))?;
            }
            schema.register_table(name, table).map_err(|error| setup(&error))?;
        }
        catalog.register_schema(RECORDS, schema).map_err(|error| setup(&error))?;
        Ok(self)
    }

    /// Runs a read-only statement and collects its rows.
    ///
    /// The tables are also there with their system columns under the schema `system`
    /// (`select _available_at from system.flights`).
    ///
    /// # Errors
    /// [`EngineError::Sql`], [`EngineError::NotReadOnly`], or what went wrong while running.
    pub async fn query(&self, sql: &str) -> Result<(SchemaRef, Vec<RecordBatch>), EngineError> {
        let stream = self.query_stream(sql).await?;
        Ok((stream.schema(), stream.collect().await?))
    }

    /// Runs a read-only statement; rows come as they are computed.
    ///
    /// # Errors
    /// As [`Session::query`].
    pub async fn query_stream(&self, sql: &str) -> Result<BatchStream, EngineError> {
        let statement = parse_statement(&self.state, sql).map_err(|problem| EngineError::Sql(vec![problem]))?;
        sql::ensure_read_only(&statement)?;
        let plan = plan_statement(&self.state, sql, statement).map_err(EngineError::Sql)?;
        sql::ensure_read_only_plan(&plan)?;
        let bound = availability::bind(plan, self.as_of).map_err(|error| self.failed(&error))?;
        self.run(&bound, false).await
    }

    /// Runs a table's SELECT. System columns other than the tracked one do not come through; types are those that
    /// the lake stores (no unsigned integers, no string views, timestamps in microseconds).
    ///
    /// # Errors
    /// [`EngineError::Sql`]; [`EngineError::TimeColumn`]; [`EngineError::AvailabilityUnknown`] for a construct that
    /// cannot be tracked; later, in the stream, what went wrong while running.
    pub async fn execute(&self, sql: &str, options: &BuildOptions) -> Result<BatchStream, EngineError> {
        let statement = parse_statement(&self.state, sql).map_err(|problem| EngineError::Sql(vec![problem]))?;
        let plan = plan_statement(&self.state, sql, statement).map_err(EngineError::Sql)?;
        sql::ensure_table_query(sql, &plan).map_err(EngineError::Sql)?;
        let plan = sql::stored_output(plan).map_err(EngineError::Sql)?;
        let plan = match options.interval {
            Some(interval) => sql::within(plan, options.time_column.as_deref(), interval)?,
            None => plan,
        };
        let bound = if options.track_availability {
            availability::track(plan, &self.state, self.as_of)?
        } else {
            availability::bind(plan, self.as_of).map_err(|error| self.failed(&error))?
        };
        let bound = determinism::break_ties(bound).map_err(|error| self.failed(&error))?;
        self.run(&bound, options.spill_joins).await
    }

    /// How a table's SELECT is computed: the optimizer's plan, a line a step, what it reads below it and indented. Nothing is
    /// run; queries that are written otherwise and computed alike have the same text, but for the aliases in it.
    ///
    /// # Errors
    /// [`EngineError::Sql`].
    pub fn plan_text(&self, sql: &str) -> Result<String, EngineError> {
        let statement = parse_statement(&self.state, sql).map_err(|problem| EngineError::Sql(vec![problem]))?;
        let plan = plan_statement(&self.state, sql, statement).map_err(EngineError::Sql)?;
        sql::ensure_table_query(sql, &plan).map_err(EngineError::Sql)?;
        let optimized = self.state.optimize(&plan).map_err(|error| EngineError::Sql(sql::problems_of(sql, &error)))?;
        Ok(value_a_line(&optimized.display_indent().to_string()))
    }

    /// All rows of one table with its system columns.
    ///
    /// # Errors
    /// As [`Session::query`].
    pub async fn scan(&self, table: &str) -> Result<BatchStream, EngineError> {
        self.query_stream(&format!("select * from system.\"{}\"", table.replace('"', "\"\""))).await
    }

    async fn run(&self, plan: &LogicalPlan, spill_joins: bool) -> Result<BatchStream, EngineError> {
        let mut state = self.state.clone();
        if determinism::depends_on_order(plan) {
            state.config_mut().options_mut().execution.target_partitions = 1;
        }
        memory::fit(self.memory_limit_bytes, spill_joins, state.config_mut().options_mut());
        let physical = state.create_physical_plan(plan).await.map_err(|error| self.failed(&error))?;
        let stream = execute_stream(physical, state.task_ctx()).map_err(|error| self.failed(&error))?;
        Ok(BatchStream::new(stream, self.memory_limit_bytes))
    }

    fn failed(&self, error: &datafusion::error::DataFusionError) -> EngineError {
        execution_error(error, self.memory_limit_bytes)
    }
}

/// Puts `tables` into a fresh catalog of `state`: user columns under `public`, all columns under `system`, as known at
/// `as_of`.
pub(crate) fn register(
    state: &mut SessionState,
    tables: &BTreeMap<String, TableInput>,
    as_of: Option<Timestamp>,
) -> Result<(), EngineError> {
    let setup = |error: &datafusion::error::DataFusionError| EngineError::Setup(plain_message(error));
    let (public, system) = (Arc::new(MemorySchemaProvider::new()), Arc::new(MemorySchemaProvider::new()));
    let catalog = MemoryCatalogProvider::new();
    catalog.register_schema("public", Arc::clone(&public) as _).map_err(|error| setup(&error))?;
    catalog.register_schema("system", Arc::clone(&system) as _).map_err(|error| setup(&error))?;
    let catalogs = MemoryCatalogProviderList::new();
    catalogs.register_catalog("datafusion".to_owned(), Arc::new(catalog));
    state.register_catalog_list(Arc::new(catalogs));
    for (name, input) in tables {
        if let Some(full) = input.provider()? {
            let visible = Arc::new(VisibleTable::new(Arc::clone(&full)));
            public.register_table(name.clone(), visible).map_err(|error| setup(&error))?;
            let whole = Arc::new(VisibleTable::whole(full));
            system.register_table(name.clone(), whole).map_err(|error| setup(&error))?;
        }
    }
    for (name, sql) in views_in_order(tables)? {
        let plan = view_plan(state, &sql)?;
        // What cannot be tracked can be queried all the same; who asks when its rows became known is told so.
        if let Ok(tracked) = availability::track(plan.clone(), state, as_of) {
            let whole = Arc::new(ViewTable::new(tracked, None));
            system.register_table(name.clone(), whole).map_err(|error| setup(&error))?;
        }
        let view = Arc::new(ViewTable::new(plan, Some(sql)));
        public.register_table(name, view).map_err(|error| setup(&error))?;
    }
    Ok(())
}

/// The plan of a view, with the types that the lake would store.
fn view_plan(state: &SessionState, sql: &str) -> Result<LogicalPlan, EngineError> {
    let statement = parse_statement(state, sql).map_err(|problem| EngineError::Sql(vec![problem]))?;
    let plan = plan_statement(state, sql, statement).map_err(EngineError::Sql)?;
    sql::stored_output(plan).map_err(EngineError::Sql)
}

/// The views, each after those that it reads.
fn views_in_order(tables: &BTreeMap<String, TableInput>) -> Result<Vec<(String, String)>, EngineError> {
    let mut waiting: BTreeMap<&String, (&String, BTreeSet<String>)> = BTreeMap::new();
    for (name, input) in tables {
        if let TableInput::View { sql } = input {
            let reads = sql::table_references(sql).map_err(|problem| EngineError::Sql(vec![problem]))?;
            waiting.insert(name, (sql, reads));
        }
    }
    let mut ordered = Vec::new();
    while !waiting.is_empty() {
        let ready: Vec<&String> = waiting
            .iter()
            .filter(|(_, (_, reads))| !reads.iter().any(|read| waiting.contains_key(read)))
            .map(|(name, _)| *name)
            .collect();
        if ready.is_empty() {
            return Err(EngineError::ViewCycle(waiting.keys().map(ToString::to_string).collect()));
        }
        for name in ready {
            if let Some((sql, _)) = waiting.remove(name) {
                ordered.push((name.clone(), sql.clone()));
            }
        }
    }
    Ok(ordered)
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
