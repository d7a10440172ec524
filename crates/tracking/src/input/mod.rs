//! What runs read and made: datasets, which an experiment knows once each by name and digest, and logged models.

#[cfg(test)]
mod tests;

use std::collections::HashSet;

use baton_ledger::database::{Statement, Transaction, Value};

use crate::error::{Result, TrackingError};
use crate::run::data::within;
use crate::run::{Run, RunRow, active};
use crate::store::TrackingStore;
use crate::{Tag, validate};

/// The tag of an input that says what it was for, such as `training`.
pub(crate) const CONTEXT_TAG: &str = "mlflow.data.context";
/// The most summaries that are answered.
const MOST_SUMMARIES: i64 = 1000;

/// A dataset as a client describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dataset {
    /// Its name.
    pub name: String,
    /// What its rows come to.
    pub digest: String,
    /// What its source is, such as `s3`.
    pub source_type: String,
    /// Where it comes from, as JSON.
    pub source: String,
    /// Its columns, as JSON.
    pub schema: Option<String>,
    /// Figures about it, as JSON.
    pub profile: Option<String>,
}

/// A dataset that a run read, with tags of its reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatasetInput {
    /// The dataset.
    pub dataset: Dataset,
    /// The tags by key.
    pub tags: Vec<Tag>,
}

/// A model that a run made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelOutput {
    /// Its id.
    pub model_id: String,
    /// The step at which it was made.
    pub step: i64,
}

/// A dataset, and what it was read for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatasetSummary {
    /// The number of the experiment.
    pub experiment: i64,
    /// The dataset's name.
    pub name: String,
    /// Its digest.
    pub digest: String,
    /// What it was read for, if that was said.
    pub context: Option<String>,
}

impl DatasetInput {
    pub(crate) fn check(&self) -> Result<()> {
        let Dataset { name, digest, source, schema, profile, .. } = &self.dataset;
        validate::length("name", name, 500)?;
        validate::length("digest", digest, 36)?;
        validate::length("source", source, 65_535)?;
        validate::length("schema", schema.as_deref().unwrap_or_default(), 1_048_575)?;
        validate::length("profile", profile.as_deref().unwrap_or_default(), 16_777_215)?;
        for tag in &self.tags {
            validate::length("key", &tag.key, 255)?;
            validate::length("value", &tag.value, 500)?;
        }
        Ok(())
    }
}

impl TrackingStore {
    /// Records what a run reads. A dataset that it reads already is left as it is.
    ///
    /// # Errors
    /// [`TrackingError::Missing`]; [`TrackingError::Invalid`] when the run was deleted or something is too long.
    pub async fn log_inputs(&self, run_id: String, datasets: Vec<DatasetInput>, models: Vec<String>) -> Result<()> {
        validate::run_id(&run_id)?;
        datasets.iter().try_for_each(DatasetInput::check)?;
        self.write(move |transaction| {
            Box::pin(async move {
                let run = active(transaction, &run_id).await?;
                write_datasets(transaction, &run, datasets).await?;
                let models = models.into_iter().map(|model_id| ModelOutput { model_id, step: 0 }).collect();
                write_models(transaction, &run, "input", models).await
            })
        })
        .await
    }

    /// Records which models a run made.
    ///
    /// # Errors
    /// As [`Self::log_inputs`].
    pub async fn log_outputs(&self, run_id: String, models: Vec<ModelOutput>) -> Result<()> {
        self.write(move |transaction| {
            Box::pin(async move {
                let run = active(transaction, &run_id).await?;
                write_models(transaction, &run, "output", models).await
            })
        })
        .await
    }

    /// The datasets that runs of the experiments read.
    ///
    /// # Errors
    /// [`TrackingError::Invalid`] for none or more than 20 experiments.
    pub async fn search_datasets(&self, experiments: &[i64]) -> Result<Vec<DatasetSummary>> {
        if experiments.is_empty() {
            let message = "SearchDatasets request must specify at least one experiment_id.";
            return Err(TrackingError::invalid(message));
        }
        if experiments.len() > 20 {
            return Err(TrackingError::invalid(format!(
                "SearchDatasets request cannot specify more than 20 experiment_ids. Received {} experiment_ids.",
                experiments.len()
            )));
        }
        let text = "SELECT DISTINCT d.experiment, d.name, d.digest, t.value FROM datasets d JOIN run_datasets i ON i.dataset = d.id \
                    LEFT JOIN run_dataset_tags t ON t.run = i.run AND t.dataset = i.dataset AND t.key = 'mlflow.data.context' \
                    WHERE d.experiment";
        let mut statement = within(text, experiments);
        statement.push(" ORDER BY d.experiment, d.name, d.digest, t.value LIMIT ").push_bind(MOST_SUMMARIES);
        let rows: Vec<(i64, String, String, Option<String>)> = self.all(statement).await?;
        let summary = |(experiment, name, digest, context)| DatasetSummary { experiment, name, digest, context };
        Ok(rows.into_iter().map(summary).collect())
    }
}

/// Adds datasets to those that a run reads, each once.
pub(crate) async fn write_datasets(
    transaction: &mut Transaction,
    run: &RunRow,
    datasets: Vec<DatasetInput>,
) -> Result<()> {
    let mut seen = HashSet::new();
    for input in datasets {
        if seen.insert((input.dataset.name.clone(), input.dataset.digest.clone())) {
            write_dataset(transaction, run, input).await?;
        }
    }
    Ok(())
}

pub(crate) async fn write_dataset(transaction: &mut Transaction, run: &RunRow, input: DatasetInput) -> Result<()> {
    let dataset = dataset_id(transaction, run.experiment, input.dataset).await?;
    let text = "INSERT INTO run_datasets (run, dataset, position) VALUES ($1, $2, (SELECT count(*) FROM run_datasets WHERE run = $1)) \
                ON CONFLICT DO NOTHING";
    if transaction.execute(Statement::new(text).bind(run.id).bind(dataset)).await? == 0 {
        return Ok(());
    }
    let row = |(position, tag): (usize, Tag)| {
        let position = i64::try_from(position).unwrap_or(i64::MAX);
        vec![run.id.into(), dataset.into(), position.into(), tag.key.into(), tag.value.into()]
    };
    let rows: Vec<Vec<Value>> = input.tags.into_iter().enumerate().map(row).collect();
    let head = "INSERT INTO run_dataset_tags (run, dataset, position, key, value) VALUES ";
    for insert in Statement::inserts(head, rows, "") {
        transaction.execute(insert).await?;
    }
    Ok(())
}

/// The row number of a dataset, which is made where the experiment does not know it.
async fn dataset_id(transaction: &mut Transaction, experiment: i64, dataset: Dataset) -> Result<i64> {
    let select = Statement::new("SELECT id FROM datasets WHERE experiment = $1 AND name = $2 AND digest = $3");
    let select = select.bind(experiment).bind(&dataset.name).bind(&dataset.digest);
    if let Some((id,)) = transaction.one::<(i64,)>(select).await? {
        return Ok(id);
    }
    let text = "INSERT INTO datasets (experiment, name, digest, source_type, source, schema, profile) \
                VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id";
    let Dataset { name, digest, source_type, source, schema, profile } = dataset;
    let insert = Statement::new(text).bind(experiment).bind(name).bind(digest).bind(source_type).bind(source);
    let made: Option<(i64,)> = transaction.write_one(insert.bind(schema).bind(profile)).await?;
    made.map(|(id,)| id).ok_or_else(|| TrackingError::Internal("the dataset was not kept".to_owned()))
}

/// Adds models behind those that a run has in that direction.
pub(crate) async fn write_models(
    transaction: &mut Transaction,
    run: &RunRow,
    direction: &str,
    models: Vec<ModelOutput>,
) -> Result<()> {
    for ModelOutput { model_id, step } in models {
        // A client that repeats a request does not have a model twice.
        let text = "INSERT INTO run_models (run, direction, model_id, step, position) \
                    SELECT $1, $2, $3, $4, (SELECT count(*) FROM run_models WHERE run = $1 AND direction = $2) \
                    WHERE NOT EXISTS (SELECT 1 FROM run_models WHERE run = $1 AND direction = $2 AND model_id = $3 AND step = $4)";
        let insert = Statement::new(text).bind(run.id).bind(direction).bind(model_id).bind(step);
        transaction.execute(insert).await?;
    }
    Ok(())
}

/// Adds to runs what they read and made; `place` says where the run of a row number is.
pub(crate) async fn load(
    transaction: &mut Transaction,
    ids: &[i64],
    runs: &mut [Run],
    place: impl Fn(i64) -> usize + Send,
) -> Result<()> {
    let mut statement = within("SELECT run, direction, model_id, step FROM run_models WHERE run", ids);
    statement.push(" ORDER BY run, direction, position");
    let rows: Vec<(i64, String, String, i64)> = transaction.all(statement).await?;
    for (run, direction, model_id, step) in rows {
        let run = &mut runs[place(run)];
        match direction.as_str() {
            "input" => run.models.push(model_id),
            _ => run.outputs.push(ModelOutput { model_id, step }),
        }
    }
    load_datasets(transaction, ids, runs, place).await
}

type DatasetRow = (i64, i64, String, String, String, String, Option<String>, Option<String>);

async fn load_datasets(
    transaction: &mut Transaction,
    ids: &[i64],
    runs: &mut [Run],
    place: impl Fn(i64) -> usize + Send,
) -> Result<()> {
    let text = "SELECT i.run, d.id, d.name, d.digest, d.source_type, d.source, d.schema, d.profile FROM run_datasets i \
                JOIN datasets d ON d.id = i.dataset WHERE i.run";
    let mut statement = within(text, ids);
    statement.push(" ORDER BY i.run, i.position");
    let rows: Vec<DatasetRow> = transaction.all(statement).await?;
    if rows.is_empty() {
        return Ok(());
    }
    let mut statement = within("SELECT run, dataset, key, value FROM run_dataset_tags WHERE run", ids);
    statement.push(" ORDER BY run, dataset, key, position");
    let tags: Vec<(i64, i64, String, String)> = transaction.all(statement).await?;
    for (run, id, name, digest, source_type, source, schema, profile) in rows {
        let own = tags.iter().filter(|(of_run, dataset, _, _)| (*of_run, *dataset) == (run, id));
        let own = own.map(|(_, _, key, value)| Tag { key: key.clone(), value: value.clone() }).collect();
        let dataset = Dataset { name, digest, source_type, source, schema, profile };
        runs[place(run)].datasets.push(DatasetInput { dataset, tags: own });
    }
    Ok(())
}
