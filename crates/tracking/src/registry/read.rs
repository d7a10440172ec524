//! Models and versions from their rows.

use std::collections::HashMap;

use baton_ledger::database::{Statement, Transaction};
use baton_ledger::record;

use super::{ModelVersion, RegisteredModel, names};
use crate::{Tag, TrackingError, TrackingStore, search};

/// The columns of [`ModelRow`].
pub(super) const MODEL_COLUMNS: &str =
    "m.id, m.name, m.creation_time, m.last_update_time, m.description, m.deployment_job_id, m.is_trained";
/// The columns of [`VersionRow`], of `model_versions v` beside `registered_models m`.
pub(super) const VERSION_COLUMNS: &str = "v.id, v.model, m.name, v.version, v.creation_time, v.last_update_time, v.description, \
                                          v.stage, v.source, v.storage_location, v.run_id, v.run_link, v.model_id";

record! {
    pub(super) struct ModelRow {
        pub(super) id: i64,
        pub(super) name: String,
        pub(super) creation_time: i64,
        pub(super) last_update_time: i64,
        pub(super) description: Option<String>,
        pub(super) deployment_job_id: Option<String>,
        pub(super) is_trained: i64,
    }
}

record! {
    pub(super) struct VersionRow {
        pub(super) id: i64,
        pub(super) model: i64,
        pub(super) name: String,
        pub(super) version: i64,
        pub(super) creation_time: i64,
        pub(super) last_update_time: i64,
        pub(super) description: String,
        pub(super) stage: String,
        pub(super) source: String,
        pub(super) storage_location: String,
        pub(super) run_id: String,
        pub(super) run_link: String,
        pub(super) model_id: String,
    }
}

record! {
    struct Pair {
        owner: i64,
        key: String,
        value: String,
    }
}

record! {
    struct AliasRow {
        model: i64,
        alias: String,
        version: i64,
    }
}

impl TrackingStore {
    /// A registered model.
    ///
    /// # Errors
    /// When there is none of that name.
    pub async fn registered_model(&self, name: &str) -> Result<RegisteredModel, TrackingError> {
        names::check_model_name(name)?;
        model(&mut self.snapshot().await?, name).await
    }

    /// A version of a registered model.
    ///
    /// # Errors
    /// When there is none.
    pub async fn model_version(&self, name: &str, version: &str) -> Result<ModelVersion, TrackingError> {
        names::check_model_name(name)?;
        let number = names::version_number(version)?;
        let mut transaction = self.snapshot().await?;
        let row = version_row(&mut transaction, name, number).await?;
        whole_version(&mut transaction, row).await
    }

    /// Where the files of a version are.
    ///
    /// # Errors
    /// When there is no such version.
    pub async fn download_uri(&self, name: &str, version: &str) -> Result<String, TrackingError> {
        names::check_model_name(name)?;
        let number = names::version_number(version)?;
        let row = version_row(&mut self.snapshot().await?, name, number).await?;
        Ok(if row.storage_location.is_empty() { row.source } else { row.storage_location })
    }

    /// The newest version of each stage, or of those that are asked for.
    ///
    /// # Errors
    /// When there is no such model or stage.
    pub async fn latest_versions(&self, name: &str, stages: &[String]) -> Result<Vec<ModelVersion>, TrackingError> {
        names::check_model_name(name)?;
        let wanted: Vec<&str> = stages.iter().map(|stage| names::stage(stage)).collect::<Result<_, _>>()?;
        let mut transaction = self.snapshot().await?;
        let found = model(&mut transaction, name).await?;
        let mut latest = found.latest_versions;
        latest.retain(|version| wanted.is_empty() || wanted.contains(&version.stage.as_str()));
        for version in &mut latest {
            let points = |(alias, number): &(String, i64)| (*number == version.version).then(|| alias.clone());
            version.aliases = found.aliases.iter().filter_map(points).collect();
        }
        Ok(latest)
    }
}

/// The row of a model, if there is one.
pub(super) async fn find_model_row(
    transaction: &mut Transaction,
    name: &str,
) -> Result<Option<ModelRow>, TrackingError> {
    let select = format!("SELECT {MODEL_COLUMNS} FROM registered_models m WHERE m.name = $1");
    Ok(transaction.one(Statement::new(select).bind(name)).await?)
}

/// The row of a model.
pub(super) async fn model_row(transaction: &mut Transaction, name: &str) -> Result<ModelRow, TrackingError> {
    names::check_model_name(name)?;
    let missing = || TrackingError::missing(format!("Registered Model with name={name} not found"));
    find_model_row(transaction, name).await?.ok_or_else(missing)
}

/// The row of a model that clients may change as they like.
pub(super) async fn own_model_row(transaction: &mut Transaction, name: &str) -> Result<ModelRow, TrackingError> {
    let row = model_row(transaction, name).await?;
    if row.is_trained == 0 {
        return Ok(row);
    }
    Err(TrackingError::invalid(format!(
        "Registered Model (name={name}) is trained by the project: its versions and aliases are made by training, \
         `baton promote` and `baton rollback`, and its name is the one in the project's files"
    )))
}

/// The row of a version that was not deleted.
pub(super) async fn version_row(
    transaction: &mut Transaction,
    name: &str,
    version: i64,
) -> Result<VersionRow, TrackingError> {
    let select = format!(
        "SELECT {VERSION_COLUMNS} FROM model_versions v JOIN registered_models m ON m.id = v.model
          WHERE m.name = $1 AND v.version = $2 AND v.deleted = 0"
    );
    let missing = || TrackingError::missing(format!("Model Version (name={name}, version={version}) not found"));
    transaction.one(Statement::new(select).bind(name).bind(version)).await?.ok_or_else(missing)
}

/// A model with all that belongs to it.
pub(super) async fn model(transaction: &mut Transaction, name: &str) -> Result<RegisteredModel, TrackingError> {
    let row = model_row(transaction, name).await?;
    let gone = || TrackingError::Internal("a registered model was read and is gone".to_owned());
    whole_models(transaction, vec![row]).await?.pop().ok_or_else(gone)
}

/// Models with all that belongs to them, in the order of `rows`.
pub(super) async fn whole_models(
    transaction: &mut Transaction,
    rows: Vec<ModelRow>,
) -> Result<Vec<RegisteredModel>, TrackingError> {
    let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
    let mut tags = pairs(transaction, "registered_model_tags", "model", &ids).await?;
    let mut aliases = aliases(transaction, &ids).await?;
    let mut latest: HashMap<i64, Vec<ModelVersion>> = HashMap::new();
    for (model, mut version) in latest_of(transaction, &ids).await? {
        version.aliases.clear();
        latest.entry(model).or_default().push(version);
    }
    let models = rows.into_iter().map(|row| RegisteredModel {
        latest_versions: latest.remove(&row.id).unwrap_or_default(),
        tags: tags.remove(&row.id).unwrap_or_default(),
        aliases: aliases.remove(&row.id).unwrap_or_default(),
        name: row.name,
        creation_time: row.creation_time,
        last_update_time: row.last_update_time,
        description: row.description,
        deployment_job_id: row.deployment_job_id,
    });
    Ok(models.collect())
}

/// A version with all that belongs to it.
pub(super) async fn whole_version(
    transaction: &mut Transaction,
    row: VersionRow,
) -> Result<ModelVersion, TrackingError> {
    let gone = || TrackingError::Internal("a model version was read and is gone".to_owned());
    whole_versions(transaction, vec![row]).await?.pop().map(|(_, version)| version).ok_or_else(gone)
}

/// Versions with all that belongs to them, in the order of `rows`, each with the row of its model.
pub(super) async fn whole_versions(
    transaction: &mut Transaction,
    rows: Vec<VersionRow>,
) -> Result<Vec<(i64, ModelVersion)>, TrackingError> {
    let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
    let mut models: Vec<i64> = rows.iter().map(|row| row.model).collect();
    models.sort_unstable();
    models.dedup();
    let mut tags = pairs(transaction, "model_version_tags", "model_version", &ids).await?;
    let aliases = aliases(transaction, &models).await?;
    let versions = rows.into_iter().map(|row| {
        let of_model = aliases.get(&row.model).map(Vec::as_slice).unwrap_or_default();
        let pointing = of_model.iter().filter(|(_, version)| *version == row.version);
        let version = ModelVersion {
            tags: tags.remove(&row.id).unwrap_or_default(),
            aliases: pointing.map(|(alias, _)| alias.clone()).collect(),
            name: row.name,
            version: row.version,
            creation_time: row.creation_time,
            last_update_time: row.last_update_time,
            description: row.description,
            stage: row.stage,
            source: row.source,
            run_id: row.run_id,
            run_link: row.run_link,
            model_id: row.model_id,
        };
        (row.model, version)
    });
    Ok(versions.collect())
}

/// The newest version of each stage of each model.
async fn latest_of(transaction: &mut Transaction, models: &[i64]) -> Result<Vec<(i64, ModelVersion)>, TrackingError> {
    let mut rows = Vec::new();
    for some in models.chunks(search::MOST_PLACES) {
        let mut select = Statement::new(format!(
            "SELECT {VERSION_COLUMNS} FROM model_versions v JOIN registered_models m ON m.id = v.model
              JOIN (SELECT model, stage, max(version) AS newest FROM model_versions WHERE deleted = 0 AND model IN "
        ));
        search::push_list(&mut select, some);
        select.push(
            " GROUP BY model, stage) n ON n.model = v.model AND n.newest = v.version ORDER BY v.model, v.version",
        );
        rows.extend(transaction.all::<VersionRow>(select).await?);
    }
    whole_versions(transaction, rows).await
}

async fn pairs(
    transaction: &mut Transaction,
    table: &'static str,
    owner: &'static str,
    ids: &[i64],
) -> Result<HashMap<i64, Vec<Tag>>, TrackingError> {
    let mut found: HashMap<i64, Vec<Tag>> = HashMap::new();
    for some in ids.chunks(search::MOST_PLACES) {
        let mut select = Statement::new(format!("SELECT {owner} AS owner, key, value FROM {table} WHERE {owner} IN "));
        search::push_list(&mut select, some);
        select.push(" ORDER BY 1, key");
        for pair in transaction.all::<Pair>(select).await? {
            found.entry(pair.owner).or_default().push(Tag { key: pair.key, value: pair.value });
        }
    }
    Ok(found)
}

async fn aliases(
    transaction: &mut Transaction,
    models: &[i64],
) -> Result<HashMap<i64, Vec<(String, i64)>>, TrackingError> {
    let mut found: HashMap<i64, Vec<(String, i64)>> = HashMap::new();
    for some in models.chunks(search::MOST_PLACES) {
        let mut select = Statement::new("SELECT model, alias, version FROM registered_model_aliases WHERE model IN ");
        search::push_list(&mut select, some);
        select.push(" ORDER BY model, alias");
        for row in transaction.all::<AliasRow>(select).await? {
            found.entry(row.model).or_default().push((row.alias, row.version));
        }
    }
    Ok(found)
}
