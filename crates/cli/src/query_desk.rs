//! Queries in a server, over the environment that it serves: for notebooks, whose runs are tied to the table versions that they read.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use async_trait::async_trait;
use baton_core::Commit;
use baton_orchestrator::{RunError, inputs_of_query, query_with_served, resolve_commit};
use baton_server::{QueryAnswer, QueryDesk, QueryRefusal, RowFormat};

use crate::project::Workspace;
use crate::render::rows;
use crate::served_predictions::ServedPredictions;

/// Answers queries over an environment.
pub(crate) struct EnvironmentQueries {
    workspace: Arc<Workspace>,
}

impl EnvironmentQueries {
    /// Of an open project.
    pub(crate) fn of(workspace: Arc<Workspace>) -> Self {
        Self { workspace }
    }

    async fn commit(&self, at: Option<&str>) -> Result<Commit, RunError> {
        let (services, environment) = (self.workspace.services(), &self.workspace.environment);
        match at {
            Some(reference) => resolve_commit(services, reference).await,
            None => match services.ledger.head(environment).await? {
                Some(head) => Ok(head),
                None => Err(RunError::NoCommit { environment: environment.clone() }),
            },
        }
    }
}

#[async_trait]
impl QueryDesk for EnvironmentQueries {
    async fn query(&self, sql: &str, at: Option<&str>, format: RowFormat) -> Result<QueryAnswer, QueryRefusal> {
        let services = self.workspace.services();
        let commit = self.commit(at).await.map_err(refused)?;
        let served = ServedPredictions::of(&self.workspace, &commit);
        let as_of = self.workspace.context.as_of;
        let (schema, batches) = query_with_served(services, &commit, as_of, served, sql).await.map_err(refused)?;
        let inputs = inputs_of_query(services, &commit, sql).await.map_err(refused)?;
        let body = encoded(&schema, &batches, format).map_err(|error| QueryRefusal::Failed(error.to_string()))?;
        Ok(QueryAnswer { body, commit: commit.id.to_string(), inputs })
    }
}

fn encoded(schema: &SchemaRef, batches: &[RecordBatch], format: RowFormat) -> Result<Vec<u8>, ArrowError> {
    match format {
        RowFormat::Json => rows::as_json(batches),
        RowFormat::Csv => rows::as_csv(schema, batches),
        RowFormat::Arrow => {
            let mut writer = arrow::ipc::writer::StreamWriter::try_new(Vec::new(), schema)?;
            batches.iter().try_for_each(|batch| writer.write(batch))?;
            writer.into_inner()
        }
    }
}

fn refused(error: RunError) -> QueryRefusal {
    match error {
        RunError::Ledger(error) => QueryRefusal::Failed(error.to_string()),
        RunError::Lake(error) => QueryRefusal::Failed(error.to_string()),
        error => QueryRefusal::Query(error.to_string()),
    }
}
