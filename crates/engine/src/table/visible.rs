//! A table as SQL sees it while it is planned: without system columns. Before a plan runs, or is traced for
//! availability, every scan of it is replaced by a scan of the full table behind it.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::{TableProvider, TableType};
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;

use super::visible_schema;

/// The user's view of `full`.
#[derive(Debug)]
pub(crate) struct VisibleTable {
    full: Arc<dyn TableProvider>,
    schema: SchemaRef,
}

impl VisibleTable {
    pub(crate) fn new(full: Arc<dyn TableProvider>) -> Self {
        let schema = visible_schema(&full.schema());
        Self { full, schema }
    }

    /// All columns of `full`, under the schema `system`.
    pub(crate) fn whole(full: Arc<dyn TableProvider>) -> Self {
        let schema = full.schema();
        Self { full, schema }
    }

    /// The table with its system columns.
    pub(crate) fn full(&self) -> &Arc<dyn TableProvider> {
        &self.full
    }
}

#[async_trait]
impl TableProvider for VisibleTable {
    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        _projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Err(DataFusionError::Internal("a planning table was scanned before it was bound".to_owned()))
    }
}
