//! Registered models of other trackers, whole: found again by their names, versions by their numbers.

use baton_ledger::database::{Statement, Transaction};

use super::{ModelVersion, RegisteredModel, aliases, names, read};
use crate::error::{Result, TrackingError};
use crate::store::TrackingStore;
use crate::transfer::{Kept, set_texts};

/// A registered model with all its versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WholeModel {
    /// The model; its newest versions are not looked at.
    pub model: RegisteredModel,
    /// Its versions, oldest first.
    pub versions: Vec<WholeVersion>,
}

/// A version, with what clients are not shown of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WholeVersion {
    /// The version; its aliases are not looked at.
    pub version: ModelVersion,
    /// Where its files are.
    pub storage_location: String,
    /// Whether it was deleted: its number is not given again.
    pub is_deleted: bool,
}

impl TrackingStore {
    /// Keeps a registered model of another tracker: what became of it, and of each of its versions.
    ///
    /// # Errors
    /// [`TrackingError::Invalid`] for a name that breaks a rule, a model that the project trains, and a version whose number
    /// another one has here.
    pub async fn keep_registered_model(&self, model: WholeModel) -> Result<(Kept, Vec<Kept>)> {
        names::check_model_name(&model.model.name)?;
        self.write(move |transaction| Box::pin(keep(transaction, model))).await
    }

    /// All registered models by name, with all their versions.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn whole_registered_models(&self) -> Result<Vec<WholeModel>> {
        let mut transaction = self.snapshot().await?;
        let select = format!("SELECT {} FROM registered_models m ORDER BY m.name", read::MODEL_COLUMNS);
        let rows: Vec<read::ModelRow> = transaction.all(Statement::new(select)).await?;
        let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
        let models = read::whole_models(&mut transaction, rows).await?;
        let mut whole = Vec::new();
        for (id, model) in ids.into_iter().zip(models) {
            whole.push(WholeModel { model, versions: versions(&mut transaction, id).await? });
        }
        Ok(whole)
    }
}

async fn versions(transaction: &mut Transaction, model: i64) -> Result<Vec<WholeVersion>> {
    let mut found = Vec::new();
    for is_deleted in [false, true] {
        let text = format!(
            "SELECT {} FROM model_versions v JOIN registered_models m ON m.id = v.model \
             WHERE v.model = $1 AND v.deleted = $2 ORDER BY v.version",
            read::VERSION_COLUMNS
        );
        let rows: Vec<read::VersionRow> = transaction.all(Statement::new(text).bind(model).bind(is_deleted)).await?;
        let places: Vec<String> = rows.iter().map(|row| row.storage_location.clone()).collect();
        let versions = read::whole_versions(transaction, rows).await?.into_iter().zip(places);
        found.extend(versions.map(|((_, version), storage_location)| WholeVersion {
            version,
            storage_location,
            is_deleted,
        }));
    }
    found.sort_by_key(|version| version.version.version);
    Ok(found)
}

async fn keep(transaction: &mut Transaction, whole: WholeModel) -> Result<(Kept, Vec<Kept>)> {
    let model = &whole.model;
    let known = read::find_model_row(transaction, &model.name).await?;
    if known.as_ref().is_some_and(|row| row.is_trained != 0) {
        return Err(TrackingError::invalid(format!(
            "model `{}` is trained by the project, and takes no versions from elsewhere",
            model.name
        )));
    }
    if known.is_none() {
        let insert = Statement::new(
            "INSERT INTO registered_models (name, creation_time, last_update_time, description, deployment_job_id)
             VALUES ($1, $2, $3, $4, $5)",
        );
        let insert = insert.bind(&model.name).bind(model.creation_time).bind(model.last_update_time);
        transaction.execute(insert.bind(&model.description).bind(&model.deployment_job_id)).await?;
    }
    let id = read::model_row(transaction, &model.name).await?.id;
    let mut has_changed = set_texts(transaction, "registered_model_tags", "model", id, &model.tags).await?;
    let mut kept = Vec::new();
    for version in &whole.versions {
        kept.push(keep_version(transaction, id, version).await?);
    }
    for (alias, version) in &model.aliases {
        let select = Statement::new("SELECT version FROM registered_model_aliases WHERE model = $1 AND alias = $2");
        let points: Option<(i64,)> = transaction.one(select.bind(id).bind(alias)).await?;
        has_changed |= points != Some((*version,));
        aliases::set(transaction, id, alias, *version).await?;
    }
    let update = Statement::new(
        "UPDATE registered_models SET description = $2, last_update_time = $3 WHERE id = $1 AND creation_time = $4 \
         AND (coalesce(description, '') <> coalesce($2, '') OR last_update_time < $3)",
    );
    let update = update.bind(id).bind(&model.description).bind(model.last_update_time).bind(model.creation_time);
    has_changed |= transaction.execute(update).await? > 0;
    Ok((if known.is_some() { Kept::of(has_changed) } else { Kept::New }, kept))
}

async fn keep_version(transaction: &mut Transaction, model: i64, whole: &WholeVersion) -> Result<Kept> {
    let version = &whole.version;
    let find = |text: &'static str| Statement::new(text).bind(model).bind(version.version);
    let select = find("SELECT creation_time FROM model_versions WHERE model = $1 AND version = $2");
    let known: Option<(i64,)> = transaction.one(select).await?;
    if known.is_some_and(|(creation_time,)| creation_time != version.creation_time) {
        return Err(TrackingError::invalid(format!(
            "version {} of model `{}` is another one here",
            version.version, version.name
        )));
    }
    if known.is_none() {
        insert_version(transaction, model, whole).await?;
    }
    let update = find(
        "UPDATE model_versions SET description = $3, stage = $4, deleted = $5, last_update_time = $6 \
         WHERE model = $1 AND version = $2 AND (description <> $3 OR stage <> $4 OR deleted <> $5 OR last_update_time < $6)",
    );
    let update = update.bind(&version.description).bind(&version.stage).bind(whole.is_deleted);
    let moved = transaction.execute(update.bind(version.last_update_time)).await? > 0;
    let select = find("SELECT id FROM model_versions WHERE model = $1 AND version = $2");
    let id = transaction.one::<(i64,)>(select).await?.map_or(0, |(id,)| id);
    let tagged = set_texts(transaction, "model_version_tags", "model_version", id, &version.tags).await?;
    Ok(if known.is_some() { Kept::of(moved || tagged) } else { Kept::New })
}

async fn insert_version(transaction: &mut Transaction, model: i64, whole: &WholeVersion) -> Result<()> {
    let version = &whole.version;
    let insert = Statement::new(
        "INSERT INTO model_versions (model, version, creation_time, last_update_time, description, stage, source,
                                     storage_location, run_id, run_link, model_id, deleted)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
    );
    let insert = insert.bind(model).bind(version.version).bind(version.creation_time).bind(version.last_update_time);
    let insert = insert.bind(&version.description).bind(&version.stage).bind(&version.source);
    let insert = insert.bind(&whole.storage_location).bind(&version.run_id).bind(&version.run_link);
    transaction.execute(insert.bind(&version.model_id).bind(whole.is_deleted)).await?;
    Ok(())
}
