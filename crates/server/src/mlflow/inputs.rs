//! What runs read and made.

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use baton_tracking::input::{Dataset, DatasetInput, DatasetSummary, ModelOutput};
use baton_tracking::validate;
use serde::Serialize;

use super::error::{Answer, WireError};
use super::fields::Fields;
use super::state::Shared;
use super::wire::Empty;

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/runs/log-inputs", post(log_inputs))
        .route("/runs/outputs", post(log_outputs))
        .route("/experiments/search-datasets", post(search_datasets))
}

/// The path that the protocol declares without its first slash.
pub(super) fn misspelt() -> Router<Shared> {
    Router::new().route("/experiments/search-datasets", post(search_datasets))
}

#[derive(Serialize)]
struct Listed {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dataset_summaries: Vec<Summary>,
}

#[derive(Serialize)]
struct Summary {
    experiment_id: String,
    name: String,
    digest: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<String>,
}

impl From<DatasetSummary> for Summary {
    fn from(DatasetSummary { experiment, name, digest, context }: DatasetSummary) -> Self {
        Self { experiment_id: experiment.to_string(), name, digest, context }
    }
}

async fn log_inputs(State(tracking): State<Shared>, fields: Fields) -> Answer<Empty> {
    let run_id = fields.required_text("run_id")?;
    let datasets = fields.list("datasets")?.iter().map(input_of).collect::<Result<_, _>>()?;
    let models = fields.list("models")?;
    let models = models.iter().map(|model| model.required_text("model_id")).collect::<Result<_, _>>()?;
    tracking.store.log_inputs(run_id, datasets, models).await?;
    Ok(Json(Empty {}))
}

async fn log_outputs(State(tracking): State<Shared>, fields: Fields) -> Answer<Empty> {
    let run_id = fields.required_text("run_id")?;
    if !fields.has("models") {
        return Err(fields.missing("models"));
    }
    let output = |model: &Fields| {
        let model_id = model.required_text("model_id")?;
        Ok(ModelOutput { model_id, step: model.int("step")?.unwrap_or_default() })
    };
    let models = fields.list("models")?.iter().map(output).collect::<Result<_, WireError>>()?;
    tracking.store.log_outputs(run_id, models).await?;
    Ok(Json(Empty {}))
}

fn input_of(fields: &Fields) -> Result<DatasetInput, WireError> {
    let tags = fields.tags("tags")?;
    let dataset = fields.message("dataset")?.ok_or_else(|| fields.missing("dataset"))?;
    let text = |name: &str| Ok::<_, WireError>(dataset.text(name)?.unwrap_or_default());
    let dataset = Dataset {
        name: text("name")?,
        digest: text("digest")?,
        source_type: text("source_type")?,
        source: text("source")?,
        schema: dataset.text("schema")?,
        profile: dataset.text("profile")?,
    };
    Ok(DatasetInput { dataset, tags })
}

async fn search_datasets(State(tracking): State<Shared>, fields: Fields) -> Answer<Listed> {
    let experiments = fields.texts("experiment_ids")?;
    let experiments: Vec<i64> = experiments.iter().map(|id| validate::experiment_id(id)).collect::<Result<_, _>>()?;
    let found = tracking.store.search_datasets(&experiments).await?;
    Ok(Json(Listed { dataset_summaries: found.into_iter().map(Summary::from).collect() }))
}
