//! Logging a model, and what may change about it afterwards.

use baton_ledger::database::{Statement, Transaction, Value};

use super::{LoggedModel, LoggedModelStatus, name, read};
use crate::{Param, Tag, TrackingError, TrackingStore, experiment, names};

/// Params that one request may bring.
const MOST_PARAMS: usize = 100;

/// A model that is about to be logged.
#[derive(Debug, Clone, Default)]
pub struct NewLoggedModel {
    /// The experiment.
    pub experiment_id: i64,
    /// The name; drawn when there is none.
    pub name: Option<String>,
    /// What kind of model it is.
    pub model_type: String,
    /// The run that makes it, taken as it is.
    pub source_run_id: String,
    /// What it was made with.
    pub params: Vec<Param>,
    /// What else to know.
    pub tags: Vec<Tag>,
}

impl TrackingStore {
    /// Logs a model whose files are on their way.
    ///
    /// # Errors
    /// When the experiment is missing or deleted, or the name is not usable.
    pub async fn create_logged_model(&self, new: NewLoggedModel) -> Result<LoggedModel, TrackingError> {
        if let Some(given) = &new.name {
            name::check(given)?;
        }
        let (model_id, now) = (format!("m-{}", uuid::Uuid::new_v4().simple()), self.now());
        self.write(move |transaction| Box::pin(create(transaction, new, model_id, now))).await
    }

    /// Says how far a model has come, in any direction.
    ///
    /// # Errors
    /// When there is no such model.
    pub async fn finalize_logged_model(
        &self,
        model_id: String,
        status: LoggedModelStatus,
    ) -> Result<LoggedModel, TrackingError> {
        let now = self.now();
        self.write(move |transaction| {
            Box::pin(async move {
                let id = read::row(transaction, &model_id).await?.id;
                let update = "UPDATE logged_models SET status = $2, last_update_time = $3 WHERE id = $1";
                transaction.execute(Statement::new(update).bind(id).bind(status.number()).bind(now)).await?;
                read::find(transaction, &model_id).await
            })
        })
        .await
    }

    /// Hides a model; its files stay.
    ///
    /// # Errors
    /// When there is no such model.
    pub async fn delete_logged_model(&self, model_id: String) -> Result<(), TrackingError> {
        let now = self.now();
        self.write(move |transaction| {
            Box::pin(async move {
                let id = read::row(transaction, &model_id).await?.id;
                let update = "UPDATE logged_models SET deleted = 1, last_update_time = $2 WHERE id = $1";
                transaction.execute(Statement::new(update).bind(id).bind(now)).await?;
                Ok(())
            })
        })
        .await
    }

    /// Sets tags; those that were there with the same keys are replaced.
    ///
    /// # Errors
    /// When there is no such model.
    pub async fn set_logged_model_tags(&self, model_id: String, tags: Vec<Tag>) -> Result<(), TrackingError> {
        self.write(move |transaction| {
            Box::pin(async move {
                let id = read::row(transaction, &model_id).await?.id;
                set_tags(transaction, id, tags).await
            })
        })
        .await
    }

    /// Removes a tag.
    ///
    /// # Errors
    /// When there is no such model or tag.
    pub async fn delete_logged_model_tag(&self, model_id: String, key: String) -> Result<(), TrackingError> {
        self.write(move |transaction| {
            Box::pin(async move {
                let id = read::row(transaction, &model_id).await?.id;
                let delete = Statement::new("DELETE FROM logged_model_tags WHERE model = $1 AND key = $2");
                if transaction.execute(delete.bind(id).bind(&key)).await? > 0 {
                    return Ok(());
                }
                let message = format!("No tag with key '{key}' found for model with ID '{model_id}'.");
                Err(TrackingError::missing(message))
            })
        })
        .await
    }

    /// Adds params; one that is there already must have the same value.
    ///
    /// # Errors
    /// When there is no such model, a param would change, or there are too many at once.
    pub async fn log_logged_model_params(&self, model_id: String, params: Vec<Param>) -> Result<(), TrackingError> {
        if params.len() > MOST_PARAMS {
            let message =
                format!("A batch logging request can contain at most {MOST_PARAMS} params. Got {}.", params.len());
            return Err(TrackingError::invalid(message));
        }
        self.write(move |transaction| {
            Box::pin(async move {
                let model = read::find(transaction, &model_id).await?;
                let id = read::row(transaction, &model_id).await?.id;
                let mut added = Vec::new();
                for param in params {
                    match model.params.iter().find(|known| known.key == param.key) {
                        None => added.push(param),
                        Some(known) if known.value == param.value => {}
                        Some(known) => {
                            return Err(TrackingError::invalid(format!(
                                "Changing param values is not allowed. Param with key='{}' was already logged with \
                                 value='{}' for model ID='{model_id}'. Attempted logging new value '{}'.",
                                param.key, known.value, param.value
                            )));
                        }
                    }
                }
                insert_params(transaction, id, added).await
            })
        })
        .await
    }
}

async fn create(
    transaction: &mut Transaction,
    new: NewLoggedModel,
    model_id: String,
    now: i64,
) -> Result<LoggedModel, TrackingError> {
    let experiment = experiment::active(transaction, new.experiment_id).await?;
    let artifact_uri = format!("{}/models/{model_id}/artifacts", experiment.artifact_location.trim_end_matches('/'));
    let insert = Statement::new(
        "INSERT INTO logged_models (model_id, experiment, name, artifact_uri, creation_time, last_update_time, status,
                                    model_type, source_run_id)
         VALUES ($1, $2, $3, $4, $5, $5, $6, $7, $8)",
    );
    let insert = insert
        .bind(&model_id)
        .bind(new.experiment_id)
        .bind(new.name.unwrap_or_else(names::random))
        .bind(artifact_uri)
        .bind(now)
        .bind(LoggedModelStatus::Pending.number())
        .bind(new.model_type)
        .bind(new.source_run_id);
    transaction.execute(insert).await?;
    let id = read::row(transaction, &model_id).await?.id;
    insert_params(transaction, id, new.params).await?;
    set_tags(transaction, id, new.tags).await?;
    read::find(transaction, &model_id).await
}

/// Sets tags of the model in row `id`.
async fn set_tags(transaction: &mut Transaction, id: i64, tags: Vec<Tag>) -> Result<(), TrackingError> {
    let rows = tags.into_iter().map(|tag| vec![id.into(), tag.key.into(), tag.value.into()]).collect();
    let tail = " ON CONFLICT (model, key) DO UPDATE SET value = excluded.value";
    insert(transaction, "INSERT INTO logged_model_tags (model, key, value) VALUES ", rows, tail).await
}

async fn insert_params(transaction: &mut Transaction, id: i64, params: Vec<Param>) -> Result<(), TrackingError> {
    let rows = params.into_iter().map(|param| vec![id.into(), param.key.into(), param.value.into()]).collect();
    let tail = " ON CONFLICT (model, key) DO UPDATE SET value = excluded.value";
    insert(transaction, "INSERT INTO logged_model_params (model, key, value) VALUES ", rows, tail).await
}

async fn insert(
    transaction: &mut Transaction,
    head: &'static str,
    rows: Vec<Vec<Value>>,
    tail: &'static str,
) -> Result<(), TrackingError> {
    for statement in Statement::inserts(head, rows, tail) {
        transaction.execute(statement).await?;
    }
    Ok(())
}

/// Sets one tag of a model.
pub(crate) async fn tag(transaction: &mut Transaction, model_id: &str, tag: Tag) -> Result<(), TrackingError> {
    let id = read::row(transaction, model_id).await?.id;
    set_tags(transaction, id, vec![tag]).await
}
