//! Aliases: names that point at versions.

use baton_ledger::database::{Statement, Transaction};

use serde_json::{Value, json};

use super::{ModelVersion, models, names, read};
use crate::webhook::{self, Happening};
use crate::{TrackingError, TrackingStore};

impl TrackingStore {
    /// Lets an alias point at a version.
    ///
    /// # Errors
    /// When there is no such version, the alias is not usable, or the project keeps it.
    pub async fn set_model_alias(&self, name: String, alias: String, version: &str) -> Result<(), TrackingError> {
        names::check_settable(&alias)?;
        let (number, now) = (names::version_number(version)?, self.now());
        self.write(move |transaction| {
            Box::pin(async move {
                let row = read::version_row(transaction, &name, number).await?;
                refuse_kept(transaction, &name, &alias).await?;
                let data = json!({"name": name, "alias": alias, "version": number.to_string()});
                tell(transaction, &name, "CREATED", data, now).await?;
                set(transaction, row.model, &alias, number).await
            })
        })
        .await
    }

    /// Forgets an alias, if it is there.
    ///
    /// # Errors
    /// When there is no such model, or the project keeps the alias.
    pub async fn delete_model_alias(&self, name: String, alias: String) -> Result<(), TrackingError> {
        names::check_alias(&alias)?;
        let now = self.now();
        self.write(move |transaction| {
            Box::pin(async move {
                let row = read::model_row(transaction, &name).await?;
                refuse_kept(transaction, &name, &alias).await?;
                tell(transaction, &name, "DELETED", json!({"name": name, "alias": alias}), now).await?;
                let delete = Statement::new("DELETE FROM registered_model_aliases WHERE model = $1 AND alias = $2");
                transaction.execute(delete.bind(row.id).bind(alias)).await?;
                Ok(())
            })
        })
        .await
    }

    /// The version that an alias points at; `latest` is the newest.
    ///
    /// # Errors
    /// When there is no such model, alias or version.
    pub async fn model_version_by_alias(&self, name: &str, alias: &str) -> Result<ModelVersion, TrackingError> {
        names::check_model_name(name)?;
        names::check_alias(alias)?;
        let mut transaction = self.snapshot().await?;
        let row = resolve(&mut transaction, name, alias).await?;
        read::whole_version(&mut transaction, row).await
    }
}

/// Tells webhooks of an alias of a model or prompt.
async fn tell(
    transaction: &mut Transaction,
    name: &str,
    action: &'static str,
    data: Value,
    now: i64,
) -> Result<(), TrackingError> {
    let is_prompt = models::is_prompt(&read::model(transaction, name).await?.tags);
    let happening = Happening::new(is_prompt, ("MODEL_VERSION_ALIAS", "PROMPT_ALIAS"), action, data);
    webhook::announce(transaction, happening, now).await
}

/// The version that `alias` points at.
pub(super) async fn resolve(
    transaction: &mut Transaction,
    name: &str,
    alias: &str,
) -> Result<read::VersionRow, TrackingError> {
    let model = read::model_row(transaction, name).await?;
    let (select, missing) = if alias.eq_ignore_ascii_case("latest") {
        let select = "SELECT max(version) AS version FROM model_versions WHERE model = $1 AND deleted = 0 AND $2 <> ''";
        (select, TrackingError::missing(format!("Latest version not found for model {name}.")))
    } else {
        let select = "SELECT version FROM registered_model_aliases WHERE model = $1 AND alias = $2";
        (select, TrackingError::invalid(format!("Registered model alias {alias} not found.")))
    };
    let found: Option<(Option<i64>,)> = transaction.one(Statement::new(select).bind(model.id).bind(alias)).await?;
    let number = found.and_then(|(number,)| number).ok_or(missing)?;
    read::version_row(transaction, name, number).await
}

/// Lets `alias` of the model in row `model` point at a version.
pub(super) async fn set(
    transaction: &mut Transaction,
    model: i64,
    alias: &str,
    version: i64,
) -> Result<(), TrackingError> {
    let upsert = Statement::new(
        "INSERT INTO registered_model_aliases (model, alias, version) VALUES ($1, $2, $3)
         ON CONFLICT (model, alias) DO UPDATE SET version = excluded.version",
    );
    transaction.execute(upsert.bind(model).bind(alias).bind(version)).await?;
    Ok(())
}

/// Aliases by which endpoints serve move through gates only.
async fn refuse_kept(transaction: &mut Transaction, name: &str, alias: &str) -> Result<(), TrackingError> {
    let is_kept = super::bridge::KEPT_ALIASES.contains(&alias);
    if is_kept { read::own_model_row(transaction, name).await.map(drop) } else { Ok(()) }
}
