//! Models that the project trains, in the same registry.
//!
//! What the ledger says is brought into the tables before the registry is asked, so that clients find, list and load trained
//! models like any other. The way back is not there: what was trained is changed by training and promoting.

use std::pin::Pin;

use baton_ledger::database::{Statement, Transaction};

use super::{aliases, models, read, training, versions};
use crate::{Tag, TrackingError, TrackingStore};

/// Aliases that the project moves through gates.
pub(super) const KEPT_ALIASES: [&str; 2] = ["champion", "challenger"];

/// A model that the project trains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrainedModel {
    /// The name.
    pub name: String,
    /// In the project's words.
    pub description: String,
    /// Every version, oldest first.
    pub versions: Vec<TrainedVersion>,
    /// Aliases and the versions that they point at.
    pub aliases: Vec<(String, i64)>,
}

/// A version that was trained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrainedVersion {
    /// Counts from 1.
    pub number: i64,
    /// When it was registered, in milliseconds since 1970.
    pub registered_at: i64,
    /// Where clients load it from.
    pub location: String,
    /// The model card or the like.
    pub description: String,
    /// Metrics, data versions and what else to know.
    pub tags: Vec<Tag>,
}

/// What a [`RegistryBridge`] answers, or why it cannot.
pub type Told<'a, T> = Pin<Box<dyn Future<Output = Result<T, String>> + Send + 'a>>;

/// Tells of trained models; the binary brings it.
pub trait RegistryBridge: Send + Sync {
    /// A text that differs once models were trained or aliases moved; cheap to ask.
    ///
    /// # Errors
    /// Why the ledger cannot be read.
    fn state(&self) -> Told<'_, String>;

    /// Every trained model, with its files where clients can load them.
    ///
    /// # Errors
    /// Why the ledger or the lake cannot be read.
    fn trained(&self) -> Told<'_, Vec<TrainedModel>>;

    /// Asked before a client lets `alias` of the model `name` point at `version`, whose files are at `location`.
    ///
    /// # Errors
    /// Why it must not: something is served by that alias, and the version does not do there what it does where it was logged.
    fn may_point<'a>(&'a self, name: &'a str, alias: &'a str, version: i64, location: &'a str) -> Told<'a, ()>;
}

impl TrackingStore {
    /// Brings trained models into the registry. One whose name a client has taken stays out, and is answered by name.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn import_trained(&self, trained: Vec<TrainedModel>) -> Result<Vec<String>, TrackingError> {
        self.write(move |transaction| {
            Box::pin(async move {
                let mut left_out = Vec::new();
                for model in trained {
                    match read::find_model_row(transaction, &model.name).await? {
                        Some(row) if row.is_trained == 0 => left_out.push(model.name),
                        found => import(transaction, found.map(|row| row.id), model).await?,
                    }
                }
                Ok(left_out)
            })
        })
        .await
    }
}

async fn import(transaction: &mut Transaction, known: Option<i64>, trained: TrainedModel) -> Result<(), TrackingError> {
    let id = match known {
        Some(id) => id,
        None => register(transaction, &trained).await?,
    };
    for version in &trained.versions {
        import_version(transaction, id, version).await?;
    }
    let mut forget = Statement::new("DELETE FROM registered_model_aliases WHERE model = ");
    forget.push_bind(id).push(" AND alias IN ('champion', 'challenger')");
    transaction.execute(forget).await?;
    for (alias, version) in &trained.aliases {
        aliases::set(transaction, id, alias, *version).await?;
    }
    Ok(())
}

async fn register(transaction: &mut Transaction, trained: &TrainedModel) -> Result<i64, TrackingError> {
    let first = trained.versions.first().map_or(0, |version| version.registered_at);
    let insert = Statement::new(
        "INSERT INTO registered_models (name, creation_time, last_update_time, description, is_trained)
         VALUES ($1, $2, $2, $3, 1)",
    );
    transaction.execute(insert.bind(&trained.name).bind(first).bind(&trained.description)).await?;
    let id = read::model_row(transaction, &trained.name).await?.id;
    let tag = Tag { key: "baton.trained".to_owned(), value: "true".to_owned() };
    models::set_tags(transaction, id, vec![tag]).await?;
    Ok(id)
}

async fn import_version(
    transaction: &mut Transaction,
    model: i64,
    trained: &TrainedVersion,
) -> Result<(), TrackingError> {
    let (run, logged) = training::made_by(transaction, &trained.location).await?;
    let insert = Statement::new(
        "INSERT INTO model_versions (model, version, creation_time, last_update_time, description, stage, source,
                                     storage_location, run_id, run_link, model_id)
         VALUES ($1, $2, $3, $3, $4, 'None', $5, $5, $6, '', $7) ON CONFLICT (model, version) DO NOTHING",
    );
    let insert = insert
        .bind(model)
        .bind(trained.number)
        .bind(trained.registered_at)
        .bind(&trained.description)
        .bind(&trained.location)
        .bind(run)
        .bind(logged);
    if transaction.execute(insert).await? == 0 {
        return Ok(());
    }
    let select = Statement::new("SELECT id FROM model_versions WHERE model = $1 AND version = $2");
    let found: Option<(i64,)> = transaction.one(select.bind(model).bind(trained.number)).await?;
    if let Some((id,)) = found {
        versions::set_tags(transaction, id, trained.tags.clone()).await?;
    }
    versions::touch(transaction, model, trained.registered_at).await
}
