//! What runs log: a batch is kept as a whole, or not at all.

use std::collections::{HashMap, HashSet};

use baton_ledger::database::{Statement, Transaction, Value};

use super::{NAME_TAG, RunRow, active, change};
use crate::error::{Result, TrackingError};
use crate::metric::{self, Metric};
use crate::store::TrackingStore;
use crate::{Param, Tag, validate};

/// What a run logs at once.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// Points of metrics.
    pub metrics: Vec<Metric>,
    /// Parameters, which are written once.
    pub params: Vec<Param>,
    /// Tags, of which the last counts.
    pub tags: Vec<Tag>,
}

impl Batch {
    /// Keeps to the rules; what is too long is cut where MLflow cuts it.
    fn checked(self) -> Result<Self> {
        for (place, metric) in self.metrics.iter().enumerate() {
            metric.check(&format!("metrics[{place}]."))?;
        }
        let params = self.params.into_iter().enumerate();
        let params = params.map(|(place, param)| checked_param(&format!("params[{place}]."), param));
        let params: Vec<Param> = params.collect::<Result<_>>()?;
        let tags = self.tags.into_iter().enumerate();
        let tags = tags.map(|(place, tag)| checked_tag(&format!("tags[{place}]."), tag)).collect::<Result<_>>()?;
        let batch = Self { metrics: self.metrics, params, tags };
        batch.check_sizes()?;
        batch.check_unique_params()?;
        Ok(batch)
    }

    fn check_sizes(&self) -> Result<()> {
        let (metrics, params, tags) = (self.metrics.len(), self.params.len(), self.tags.len());
        for (what, most, length) in [
            ("metrics", 1000, metrics),
            ("params", 100, params),
            ("tags", 100, tags),
            ("metrics, params, and tags", 1000, metrics + params + tags),
        ] {
            if length > most {
                return Err(TrackingError::invalid(format!(
                    "A batch logging request can contain at most {most} {what}. Got {length} {what}. Please split up {what} across \
                     multiple requests and try again."
                )));
            }
        }
        Ok(())
    }

    fn check_unique_params(&self) -> Result<()> {
        let mut seen = HashSet::new();
        let again: Vec<&str> =
            self.params.iter().map(|param| param.key.as_str()).filter(|key| !seen.insert(*key)).collect();
        if again.is_empty() {
            return Ok(());
        }
        let again: Vec<String> = again.iter().map(|key| format!("'{key}'")).collect();
        Err(TrackingError::invalid(format!(
            "Duplicate parameter keys have been submitted: [{}]. Please ensure the request contains only one param value per \
             param key.",
            again.join(", ")
        )))
    }
}

impl TrackingStore {
    /// Logs a batch.
    ///
    /// # Errors
    /// [`TrackingError::Missing`]; [`TrackingError::Invalid`] when the run was deleted, for what breaks a rule, and for another
    /// value of a parameter that is there. Nothing of the batch is kept then.
    pub async fn log_batch(&self, run_id: String, batch: Batch) -> Result<()> {
        validate::run_id(&run_id)?;
        let batch = batch.checked()?;
        self.write(move |transaction| {
            Box::pin(async move {
                let run = active(transaction, &run_id).await?;
                write_params(transaction, &run, &batch.params).await?;
                metric::write(transaction, &run, &batch.metrics).await?;
                write_tags(transaction, &run, &batch.tags).await
            })
        })
        .await
    }

    /// Logs a point of a metric.
    ///
    /// # Errors
    /// As [`Self::log_batch`].
    pub async fn log_metric(&self, run_id: String, metric: Metric) -> Result<()> {
        metric.check("")?;
        self.write(move |transaction| {
            Box::pin(async move {
                let run = active(transaction, &run_id).await?;
                metric::write(transaction, &run, &[metric]).await
            })
        })
        .await
    }

    /// Logs a parameter.
    ///
    /// # Errors
    /// As [`Self::log_batch`].
    pub async fn log_param(&self, run_id: String, param: Param) -> Result<()> {
        let param = checked_param("", param)?;
        self.write(move |transaction| {
            Box::pin(async move {
                let run = active(transaction, &run_id).await?;
                let select = Statement::new("SELECT value FROM params WHERE run = $1 AND key = $2");
                let kept: Option<(String,)> = transaction.one(select.bind(run.id).bind(&param.key)).await?;
                match kept {
                    None => insert_params(transaction, &run, vec![param]).await,
                    Some((old,)) if old == param.value => Ok(()),
                    Some((old,)) => Err(TrackingError::invalid(format!(
                        "Changing param values is not allowed. Param with key='{}' was already logged with value='{old}' for run \
                         ID='{run_id}'. Attempted logging new value '{}'.",
                        param.key, param.value
                    ))),
                }
            })
        })
        .await
    }

    /// Sets a tag. That of the name renames the run.
    ///
    /// # Errors
    /// As [`Self::log_batch`].
    pub async fn set_tag(&self, run_id: String, tag: Tag) -> Result<()> {
        let tag = checked_tag("", tag)?;
        self.write(move |transaction| {
            Box::pin(async move {
                let run = active(transaction, &run_id).await?;
                write_tags(transaction, &run, &[tag]).await
            })
        })
        .await
    }

    /// Removes a tag.
    ///
    /// # Errors
    /// [`TrackingError::Missing`] where there is none; [`TrackingError::Invalid`] when the run was deleted.
    pub async fn delete_tag(&self, run_id: String, key: String) -> Result<()> {
        self.write(move |transaction| {
            Box::pin(async move {
                let run = active(transaction, &run_id).await?;
                let delete = Statement::new("DELETE FROM tags WHERE run = $1 AND key = $2");
                match transaction.execute(delete.bind(run.id).bind(&key)).await? {
                    0 => Err(TrackingError::missing(format!("No tag with name: {key} in run with id {run_id}"))),
                    _ => Ok(()),
                }
            })
        })
        .await
    }

    /// Appends `model`, a JSON object, to the list in the tag `mlflow.log-model.history`, as clients before logged models did.
    ///
    /// # Errors
    /// As [`Self::log_batch`].
    pub async fn record_model(&self, run_id: String, model: serde_json::Value) -> Result<()> {
        const KEY: &str = "mlflow.log-model.history";
        self.write(move |transaction| {
            Box::pin(async move {
                let run = active(transaction, &run_id).await?;
                let select = Statement::new("SELECT value FROM tags WHERE run = $1 AND key = $2");
                let kept: Option<(String,)> = transaction.one(select.bind(run.id).bind(KEY)).await?;
                let kept = kept.and_then(|(text,)| serde_json::from_str(&text).ok());
                let mut models: Vec<serde_json::Value> = kept.unwrap_or_default();
                models.push(model);
                let value = serde_json::Value::Array(models).to_string();
                upsert_tags(transaction, run.id, run.experiment, &[Tag { key: KEY.to_owned(), value }]).await
            })
        })
        .await
    }
}

fn checked_param(path: &str, param: Param) -> Result<Param> {
    validate::key(&format!("{path}key"), &param.key)?;
    validate::length("Param key", &param.key, validate::KEY)?;
    Ok(Param { value: validate::cut(param.value, validate::PARAM_VALUE), ..param })
}

fn checked_tag(path: &str, tag: Tag) -> Result<Tag> {
    let path = format!("{path}key");
    validate::key(&path, &tag.key)?;
    validate::length(&path, &tag.key, validate::KEY)?;
    Ok(Tag { value: validate::cut(tag.value, validate::TAG_VALUE), ..tag })
}

/// Writes parameters that are not there yet; another value for one that is there is refused.
pub(super) async fn write_params(transaction: &mut Transaction, run: &RunRow, params: &[Param]) -> Result<()> {
    if params.is_empty() {
        return Ok(());
    }
    let select = Statement::new("SELECT key, value FROM params WHERE run = $1").bind(run.id);
    let kept: HashMap<String, String> = transaction.all::<(String, String)>(select).await?.into_iter().collect();
    let changed: Vec<String> = params
        .iter()
        .filter_map(|param| kept.get(&param.key).filter(|old| **old != param.value).map(|old| (param, old)))
        .map(|(param, old)| format!("{{'key': '{}', 'old_value': '{old}', 'new_value': '{}'}}", param.key, param.value))
        .collect();
    if !changed.is_empty() {
        return Err(TrackingError::invalid(format!(
            "Changing param values is not allowed. Params were already logged='[{}]' for run ID='{}'.",
            changed.join(", "),
            run.run_id
        )));
    }
    let new = params.iter().filter(|param| !kept.contains_key(&param.key)).cloned().collect();
    insert_params(transaction, run, new).await
}

async fn insert_params(transaction: &mut Transaction, run: &RunRow, params: Vec<Param>) -> Result<()> {
    let row = |param: Param| vec![run.id.into(), param.key.into(), run.experiment.into(), param.value.into()];
    let rows: Vec<Vec<Value>> = params.into_iter().map(row).collect();
    for insert in Statement::inserts("INSERT INTO params (run, key, experiment, value) VALUES ", rows, "") {
        transaction.execute(insert).await?;
    }
    Ok(())
}

/// Writes tags; that of the name renames the run.
async fn write_tags(transaction: &mut Transaction, run: &RunRow, tags: &[Tag]) -> Result<()> {
    let named = tags.iter().rfind(|tag| tag.key == NAME_TAG && !tag.value.is_empty());
    if let Some(tag) = named {
        change::rename(transaction, run, &tag.value).await?;
    }
    let others: Vec<Tag> = tags.iter().filter(|tag| tag.key != NAME_TAG).cloned().collect();
    upsert_tags(transaction, run.id, run.experiment, &others).await
}

/// Writes tags as they are; of several with one key the last counts.
pub(super) async fn upsert_tags(transaction: &mut Transaction, id: i64, experiment: i64, tags: &[Tag]) -> Result<()> {
    let last: HashMap<&str, usize> = tags.iter().enumerate().map(|(place, tag)| (tag.key.as_str(), place)).collect();
    let rows = tags.iter().enumerate().filter(|(place, tag)| last[tag.key.as_str()] == *place);
    let row = |(_, tag): (usize, &Tag)| vec![id.into(), (&tag.key).into(), experiment.into(), (&tag.value).into()];
    let rows: Vec<Vec<Value>> = rows.map(row).collect();
    let head = "INSERT INTO tags (run, key, experiment, value) VALUES ";
    for insert in Statement::inserts(head, rows, " ON CONFLICT (run, key) DO UPDATE SET value = excluded.value") {
        transaction.execute(insert).await?;
    }
    Ok(())
}
