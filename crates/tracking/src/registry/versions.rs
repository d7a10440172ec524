//! Versions: making, describing, tagging, deleting them.

use baton_ledger::database::{Statement, Transaction};

use serde_json::json;

use super::source::{self, Owner};
use super::{ModelVersion, models, names, read};
use crate::logged_model::{self, LoggedModel};
use crate::webhook::{self, Happening};
use crate::{Tag, TrackingError, TrackingStore, run};

/// The tag of a logged model that lists its versions.
const VERSIONS_TAG: &str = "mlflow.modelVersions";
/// What prompts have in place of a source.
const PROMPT_SOURCES: [&str; 2] = ["dummy-source", "prompt-template"];

/// A version that is about to be made.
#[derive(Debug, Clone, Default)]
pub struct NewModelVersion {
    /// The model.
    pub name: String,
    /// What it is made from: `runs:/…`, `models:/…`, or where its files are.
    pub source: String,
    /// The run that made it.
    pub run_id: Option<String>,
    /// Where that run can be looked at.
    pub run_link: String,
    /// In somebody's words.
    pub description: String,
    /// The logged model that it is.
    pub model_id: Option<String>,
    /// What else to know.
    pub tags: Vec<Tag>,
}

impl TrackingStore {
    /// Makes the next version of a model.
    ///
    /// # Errors
    /// When there is no such model, the source is not the run's or the logged model's, or the project trains the model.
    pub async fn create_model_version(&self, new: NewModelVersion) -> Result<ModelVersion, TrackingError> {
        names::check_model_name(&new.name)?;
        new.tags.iter().try_for_each(|tag| names::check_tag(&tag.key, &tag.value))?;
        let now = self.now();
        self.write(move |transaction| Box::pin(create(transaction, new, now))).await
    }

    /// Describes a version.
    ///
    /// # Errors
    /// When there is no such version.
    pub async fn update_model_version(
        &self,
        name: String,
        version: &str,
        description: String,
    ) -> Result<ModelVersion, TrackingError> {
        let (number, now) = (names::version_number(version)?, self.now());
        self.write(move |transaction| {
            Box::pin(async move {
                let row = read::version_row(transaction, &name, number).await?;
                let update = "UPDATE model_versions SET description = $2, last_update_time = $3 WHERE id = $1";
                transaction.execute(Statement::new(update).bind(row.id).bind(description).bind(now)).await?;
                touch(transaction, row.model, now).await?;
                let row = read::version_row(transaction, &name, number).await?;
                read::whole_version(transaction, row).await
            })
        })
        .await
    }

    /// Deletes a version and the aliases that point at it; its number is not given again.
    ///
    /// # Errors
    /// When there is no such version, or the project trained it.
    pub async fn delete_model_version(&self, name: String, version: &str) -> Result<(), TrackingError> {
        let (number, now) = (names::version_number(version)?, self.now());
        self.write(move |transaction| {
            Box::pin(async move {
                let row = read::version_row(transaction, &name, number).await?;
                read::own_model_row(transaction, &name).await?;
                delete(transaction, &row, now).await?;
                touch(transaction, row.model, now).await
            })
        })
        .await
    }

    /// Sets a tag of a version.
    ///
    /// # Errors
    /// When there is no such version, or the tag is not usable.
    pub async fn set_model_version_tag(&self, name: String, version: &str, tag: Tag) -> Result<(), TrackingError> {
        names::check_tag(&tag.key, &tag.value)?;
        let (number, now) = (names::version_number(version)?, self.now());
        self.write(move |transaction| {
            Box::pin(async move {
                let row = read::version_row(transaction, &name, number).await?;
                let data = json!({"name": name, "version": number.to_string(), "key": tag.key, "value": tag.value});
                let is_prompt = models::is_prompt(&read::model(transaction, &name).await?.tags);
                let happening = Happening::new(is_prompt, ("MODEL_VERSION_TAG", "PROMPT_VERSION_TAG"), "SET", data);
                webhook::announce(transaction, happening, now).await?;
                set_tags(transaction, row.id, vec![tag]).await
            })
        })
        .await
    }

    /// Removes a tag of a version, if it is there.
    ///
    /// # Errors
    /// When there is no such version.
    pub async fn delete_model_version_tag(
        &self,
        name: String,
        version: &str,
        key: String,
    ) -> Result<(), TrackingError> {
        let (number, now) = (names::version_number(version)?, self.now());
        self.write(move |transaction| {
            Box::pin(async move {
                let row = read::version_row(transaction, &name, number).await?;
                let data = json!({"name": name, "version": number.to_string(), "key": key});
                let is_prompt = models::is_prompt(&read::model(transaction, &name).await?.tags);
                let happening = Happening::new(is_prompt, ("MODEL_VERSION_TAG", "PROMPT_VERSION_TAG"), "DELETED", data);
                webhook::announce(transaction, happening, now).await?;
                let delete = Statement::new("DELETE FROM model_version_tags WHERE model_version = $1 AND key = $2");
                transaction.execute(delete.bind(row.id).bind(key)).await?;
                Ok(())
            })
        })
        .await
    }
}

/// Where a version comes from, looked up.
struct Origin {
    source: String,
    storage_location: String,
    run_id: String,
    model_id: String,
}

async fn create(transaction: &mut Transaction, new: NewModelVersion, now: i64) -> Result<ModelVersion, TrackingError> {
    let is_prompt = models::is_prompt(&new.tags);
    let origin = if is_prompt { prompt(&new)? } else { origin(transaction, &new).await? };
    let model = read::own_model_row(transaction, &new.name).await?;
    let number = next_number(transaction, model.id).await?;
    let insert = Statement::new(
        "INSERT INTO model_versions (model, version, creation_time, last_update_time, description, stage, source,
                                     storage_location, run_id, run_link, model_id)
         VALUES ($1, $2, $3, $3, $4, 'None', $5, $6, $7, $8, $9)",
    );
    let insert = insert
        .bind(model.id)
        .bind(number)
        .bind(now)
        .bind(new.description)
        .bind(origin.source)
        .bind(origin.storage_location)
        .bind(origin.run_id)
        .bind(new.run_link)
        .bind(&origin.model_id);
    transaction.execute(insert).await?;
    touch(transaction, model.id, now).await?;
    let row = read::version_row(transaction, &new.name, number).await?;
    webhook::announce(transaction, made(&new.tags, &row), now).await?;
    set_tags(transaction, row.id, new.tags).await?;
    if !is_prompt && !origin.model_id.is_empty() {
        list_version(transaction, &origin.model_id, &new.name, number).await?;
    }
    read::whole_version(transaction, row).await
}

/// That a version was made, as webhooks are told of it; of a prompt they are told its text.
fn made(tags: &[Tag], row: &read::VersionRow) -> Happening {
    let mut told = models::pairs(tags);
    let mut data = json!({"name": row.name, "version": row.version.to_string(), "description": row.description});
    let is_prompt = models::is_prompt(tags);
    if is_prompt {
        data["template"] = told.shift_remove("mlflow.prompt.text").unwrap_or_default();
    } else {
        data["source"] = row.source.as_str().into();
        data["run_id"] = row.run_id.as_str().into();
    }
    data["tags"] = told.into();
    Happening::new(is_prompt, ("MODEL_VERSION", "PROMPT_VERSION"), "CREATED", data)
}

fn prompt(new: &NewModelVersion) -> Result<Origin, TrackingError> {
    if !PROMPT_SOURCES.contains(&new.source.as_str()) {
        return Err(TrackingError::invalid(format!(
            "Invalid prompt source: '{}'. Prompt sources must use an MLflow placeholder.",
            new.source
        )));
    }
    Ok(Origin {
        source: new.source.clone(),
        storage_location: new.source.clone(),
        run_id: new.run_id.clone().unwrap_or_default(),
        model_id: new.model_id.clone().unwrap_or_default(),
    })
}

/// Checks the source, and finds out where its files are and which run they are from.
async fn origin(transaction: &mut Transaction, new: &NewModelVersion) -> Result<Origin, TrackingError> {
    if let Some(reference) = new.source.strip_prefix("models:/").filter(|reference| is_of_registry(reference)) {
        return of_version(transaction, new, reference).await;
    }
    let (run_id, model_id) = (new.run_id.clone().unwrap_or_default(), new.model_id.clone().unwrap_or_default());
    let model = logged(transaction, &model_id).await?;
    let run_root = run_root(transaction, &run_id).await?;
    let owner = if model_id.is_empty() {
        Owner::Run { id: &run_id, root: run_root.as_deref() }
    } else {
        Owner::Model { id: &model_id, root: model.as_ref().map(|model| model.artifact_uri.as_str()) }
    };
    source::check(&new.source, owner)?;
    let storage_location = match (new.source.split_once(":/"), &model, &run_root) {
        (Some(("models", _)), Some(model), _) => model.artifact_uri.clone(),
        (Some(("models", reference)), None, _) => {
            return Err(TrackingError::Internal(format!(
                "Unable to fetch model from model URI source artifact location '{}'.Error: Logged model with ID '{reference}' \
                 not found.",
                new.source
            )));
        }
        (Some(("runs", path)), _, Some(root)) => below_run(root, path),
        _ => new.source.clone(),
    };
    if model.is_none() && !model_id.is_empty() {
        return Err(TrackingError::missing(format!("Logged model with ID '{model_id}' not found.")));
    }
    let of_model = model.map(|model| model.source_run_id).unwrap_or_default();
    let run_id = if run_id.is_empty() { of_model } else { run_id };
    Ok(Origin { source: new.source.clone(), storage_location, run_id, model_id })
}

/// Whether `models:/…` names a version of the registry rather than a logged model.
fn is_of_registry(reference: &str) -> bool {
    reference.contains(['/', '@']) && !reference.starts_with('/')
}

/// A version that is made from one of the registry: `M/1`, `M/latest`, `M/Staging` or `M@alias`.
async fn of_version(
    transaction: &mut Transaction,
    new: &NewModelVersion,
    reference: &str,
) -> Result<Origin, TrackingError> {
    source::check(&new.source, Owner::Run { id: "", root: None })?;
    let row = resolve(transaction, reference).await?;
    let differs = |given: &Option<String>, known: &str| given.as_deref().is_some_and(|given| given != known);
    if differs(&new.run_id, &row.run_id) || differs(&new.model_id, &row.model_id) {
        return Err(TrackingError::invalid(format!(
            "Invalid model version source: '{}'. The run_id and model_id request parameters must match the referenced model \
             version.",
            new.source
        )));
    }
    Ok(Origin {
        source: format!("models:/{}/{}", row.name, row.version),
        storage_location: row.storage_location,
        run_id: row.run_id,
        model_id: row.model_id,
    })
}

async fn resolve(transaction: &mut Transaction, reference: &str) -> Result<read::VersionRow, TrackingError> {
    if let Some((name, alias)) = reference.split_once('@') {
        return super::aliases::resolve(transaction, name, alias).await;
    }
    let (name, version) = reference.split_once('/').unwrap_or((reference, ""));
    if let Ok(number) = version.parse() {
        return read::version_row(transaction, name, number).await;
    }
    super::aliases::resolve(transaction, name, version).await
}

async fn logged(transaction: &mut Transaction, model_id: &str) -> Result<Option<LoggedModel>, TrackingError> {
    if model_id.is_empty() {
        return Ok(None);
    }
    match logged_model::find(transaction, model_id).await {
        Ok(model) => Ok(Some(model)),
        Err(TrackingError::Missing(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn run_root(transaction: &mut Transaction, run_id: &str) -> Result<Option<String>, TrackingError> {
    if run_id.is_empty() {
        return Ok(None);
    }
    match run::find(transaction, run_id).await {
        Ok(run) => Ok(Some(run.artifact_uri)),
        Err(TrackingError::Missing(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// `root` of a run, and what follows the run in `runs:/<run>/<path>`.
fn below_run(root: &str, path: &str) -> String {
    let below = path.split_once('/').map_or("", |(_, below)| below.trim_matches('/'));
    format!("{}/{below}", root.trim_end_matches('/')).trim_end_matches('/').to_owned()
}

async fn next_number(transaction: &mut Transaction, model: i64) -> Result<i64, TrackingError> {
    let select = Statement::new("SELECT coalesce(max(version), 0) + 1 FROM model_versions WHERE model = $1");
    let found: Option<(i64,)> = transaction.one(select.bind(model)).await?;
    Ok(found.map_or(1, |(number,)| number))
}

async fn delete(transaction: &mut Transaction, row: &read::VersionRow, now: i64) -> Result<(), TrackingError> {
    let update = Statement::new(
        "UPDATE model_versions SET deleted = 1, last_update_time = $2, description = '', source = '',
                storage_location = '', run_id = '', run_link = '', model_id = '' WHERE id = $1",
    );
    transaction.execute(update.bind(row.id).bind(now)).await?;
    let delete = Statement::new("DELETE FROM registered_model_aliases WHERE model = $1 AND version = $2");
    transaction.execute(delete.bind(row.model).bind(row.version)).await?;
    Ok(())
}

/// Marks a model as changed.
pub(super) async fn touch(transaction: &mut Transaction, model: i64, now: i64) -> Result<(), TrackingError> {
    let update = "UPDATE registered_models SET last_update_time = $2 WHERE id = $1";
    transaction.execute(Statement::new(update).bind(model).bind(now)).await?;
    Ok(())
}

/// Sets tags of the version in row `id`.
pub(super) async fn set_tags(transaction: &mut Transaction, id: i64, tags: Vec<Tag>) -> Result<(), TrackingError> {
    let rows = tags.into_iter().map(|tag| vec![id.into(), tag.key.into(), tag.value.into()]).collect();
    let tail = " ON CONFLICT (model_version, key) DO UPDATE SET value = excluded.value";
    for insert in Statement::inserts("INSERT INTO model_version_tags (model_version, key, value) VALUES ", rows, tail) {
        transaction.execute(insert).await?;
    }
    Ok(())
}

/// Adds a version to the list that its logged model keeps, as JSON of the kind that Python writes: clients compare the text.
async fn list_version(
    transaction: &mut Transaction,
    model_id: &str,
    name: &str,
    version: i64,
) -> Result<(), TrackingError> {
    let Some(model) = logged(transaction, model_id).await? else { return Ok(()) };
    let known = model.tags.iter().find(|tag| tag.key == VERSIONS_TAG).map_or("[]", |tag| tag.value.as_str());
    let mut entries: Vec<serde_json::Value> = serde_json::from_str(known).unwrap_or_default();
    let entry = json!({"name": name, "version": version});
    if !entries.contains(&entry) {
        entries.push(entry);
    }
    let texts: Vec<String> = entries.iter().map(python_json).collect();
    let value = format!("[{}]", texts.join(", "));
    logged_model::tag(transaction, model_id, Tag { key: VERSIONS_TAG.to_owned(), value }).await
}

fn python_json(entry: &serde_json::Value) -> String {
    let member =
        |(key, value): (&String, &serde_json::Value)| format!("{}: {value}", serde_json::Value::from(key.as_str()));
    let members: Vec<String> = entry.as_object().into_iter().flatten().map(member).collect();
    format!("{{{}}}", members.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_a_run_are_below_its_root() {
        let root = "mlflow-artifacts:/1/r/artifacts";
        assert_eq!(below_run(root, "r/model"), "mlflow-artifacts:/1/r/artifacts/model");
        assert_eq!(below_run(root, "r"), root);
        assert_eq!(below_run(root, "r/"), root);
    }

    #[test]
    fn lists_of_versions_are_written_as_python_does() {
        let entry = json!({"name": "a\"b", "version": 1});
        assert_eq!(python_json(&entry), r#"{"name": "a\"b", "version": 1}"#);
    }
}
