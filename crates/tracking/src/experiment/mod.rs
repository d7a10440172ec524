//! Experiments: named groups of runs. Names are taken by deleted ones too, until they are restored or renamed.

mod search;
#[cfg(test)]
mod tests;
mod transfer;

use baton_ledger::database::{Statement, Transaction, Value, is_duplicate};
use baton_ledger::record;

pub use self::search::ExperimentSearch;
use crate::error::{Result, TrackingError};
use crate::store::TrackingStore;
use crate::{Lifecycle, Tag, validate};

/// A named group of runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Experiment {
    /// Its number; 0 is `Default`.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// The URI under which artifacts of its runs lie.
    pub artifact_location: String,
    /// Whether it was deleted.
    pub lifecycle: Lifecycle,
    /// When it was made, in milliseconds since 1970.
    pub creation_time: i64,
    /// When it was last changed.
    pub last_update_time: i64,
    /// Its tags by key.
    pub tags: Vec<Tag>,
}

record! {
    #[derive(Debug, Clone)]
    pub(crate) struct ExperimentRow {
        pub(crate) id: i64,
        pub(crate) name: String,
        pub(crate) artifact_location: String,
        pub(crate) lifecycle_stage: String,
        pub(crate) creation_time: i64,
        pub(crate) last_update_time: i64,
    }
}

const COLUMNS: &str = "id, name, artifact_location, lifecycle_stage, creation_time, last_update_time";

impl ExperimentRow {
    pub(crate) fn lifecycle(&self) -> Lifecycle {
        Lifecycle::parse(&self.lifecycle_stage)
    }

    fn with_tags(self, tags: Vec<Tag>) -> Experiment {
        Experiment {
            lifecycle: self.lifecycle(),
            id: self.id,
            name: self.name,
            artifact_location: self.artifact_location,
            creation_time: self.creation_time,
            last_update_time: self.last_update_time,
            tags,
        }
    }
}

/// The experiment `id`, whether it was deleted or not.
pub(crate) async fn find(transaction: &mut Transaction, id: i64) -> Result<ExperimentRow> {
    let text = "SELECT id, name, artifact_location, lifecycle_stage, creation_time, last_update_time FROM experiments WHERE id = $1";
    let found = transaction.one(Statement::new(text).bind(id)).await?;
    found.ok_or_else(|| missing(id))
}

/// The experiment `id`, which must not be deleted.
pub(crate) async fn active(transaction: &mut Transaction, id: i64) -> Result<ExperimentRow> {
    let found = find(transaction, id).await?;
    match found.lifecycle() {
        Lifecycle::Active => Ok(found),
        Lifecycle::Deleted => Err(TrackingError::invalid(format!(
            "The experiment {id} must be in the 'active' state. Current state is deleted."
        ))),
    }
}

/// The experiment `id` in `stage`; in the other one it counts as missing.
async fn in_stage(transaction: &mut Transaction, id: i64, stage: Lifecycle) -> Result<ExperimentRow> {
    let found = find(transaction, id).await?;
    if found.lifecycle() == stage { Ok(found) } else { Err(missing(id)) }
}

fn missing(id: i64) -> TrackingError {
    TrackingError::missing(format!("No Experiment with id={id} exists"))
}

impl TrackingStore {
    /// Makes the experiment `name`; its number. Artifacts lie below `artifact_location`, or else below the server's root.
    ///
    /// # Errors
    /// [`TrackingError::AlreadyExists`] for a name that is taken; [`TrackingError::Invalid`] for what breaks a rule.
    pub async fn create_experiment(
        &self,
        name: String,
        artifact_location: Option<String>,
        tags: Vec<Tag>,
    ) -> Result<i64> {
        check_name(&name)?;
        tags.iter().try_for_each(check_tag)?;
        let location = artifact_location.filter(|location| !location.is_empty()).map(absolute).transpose()?;
        let (now, root) = (self.now(), self.artifact_root().to_owned());
        let taken = name.clone();
        let made = self.write(move |transaction| {
            Box::pin(async move {
                let text = "INSERT INTO experiments (name, artifact_location, lifecycle_stage, creation_time, last_update_time) \
                            VALUES ($1, $2, 'active', $3, $3) ON CONFLICT DO NOTHING RETURNING id";
                let insert = Statement::new(text).bind(name).bind(location.clone().unwrap_or_default()).bind(now);
                let Some((id,)) = transaction.write_one::<(i64,)>(insert).await? else { return Ok(None) };
                if location.is_none() {
                    let update = Statement::new("UPDATE experiments SET artifact_location = $1 WHERE id = $2");
                    transaction.execute(update.bind(format!("{root}/{id}")).bind(id)).await?;
                }
                write_tags(transaction, id, tags).await?;
                Ok(Some(id))
            })
        });
        made.await?.ok_or_else(|| already_exists(&taken))
    }

    /// Makes `Default` where it is missing.
    pub(crate) async fn make_default_experiment(&self) -> Result<()> {
        let (now, location) = (self.now(), format!("{}/0", self.artifact_root()));
        self.write(move |transaction| {
            Box::pin(async move {
                let text = "INSERT INTO experiments (id, name, artifact_location, lifecycle_stage, creation_time, last_update_time) \
                            VALUES (0, 'Default', $1, 'active', $2, $2) ON CONFLICT DO NOTHING";
                transaction.execute(Statement::new(text).bind(location).bind(now)).await?;
                Ok(())
            })
        })
        .await
    }

    /// The experiment `id`, whether it was deleted or not.
    ///
    /// # Errors
    /// [`TrackingError::Missing`].
    pub async fn experiment(&self, id: i64) -> Result<Experiment> {
        let found = self.one_experiment("id = $1", id.into()).await?;
        found.ok_or_else(|| missing(id))
    }

    /// The experiment `name`, whether it was deleted or not.
    ///
    /// # Errors
    /// [`TrackingError::Missing`].
    pub async fn experiment_by_name(&self, name: &str) -> Result<Experiment> {
        let found = self.one_experiment("name = $1", name.into()).await?;
        found.ok_or_else(|| TrackingError::missing(format!("Could not find experiment with name '{name}'")))
    }

    async fn one_experiment(&self, condition: &str, value: Value) -> Result<Option<Experiment>> {
        let mut transaction = self.snapshot().await?;
        let select = Statement::new(format!("SELECT {COLUMNS} FROM experiments WHERE {condition}")).bind(value);
        let found = transaction.all::<ExperimentRow>(select).await?;
        Ok(with_tags(&mut transaction, found).await?.pop())
    }

    /// Deletes the experiment `id` and its runs; it can be restored.
    ///
    /// # Errors
    /// [`TrackingError::Missing`], also when it was deleted already.
    pub async fn delete_experiment(&self, id: i64) -> Result<()> {
        self.move_experiment(id, Lifecycle::Active, Lifecycle::Deleted).await
    }

    /// Restores the experiment `id` and its runs.
    ///
    /// # Errors
    /// [`TrackingError::Missing`], also when it was not deleted.
    pub async fn restore_experiment(&self, id: i64) -> Result<()> {
        self.move_experiment(id, Lifecycle::Deleted, Lifecycle::Active).await
    }

    async fn move_experiment(&self, id: i64, from: Lifecycle, to: Lifecycle) -> Result<()> {
        let now = self.now();
        self.write(move |transaction| {
            Box::pin(async move {
                in_stage(transaction, id, from).await?;
                let text = "UPDATE experiments SET lifecycle_stage = $1, last_update_time = $2 WHERE id = $3";
                transaction.execute(Statement::new(text).bind(to.as_str()).bind(now).bind(id)).await?;
                let deleted = (to == Lifecycle::Deleted).then_some(now);
                let text = "UPDATE runs SET lifecycle_stage = $1, deleted_time = $2 WHERE experiment = $3";
                transaction.execute(Statement::new(text).bind(to.as_str()).bind(deleted).bind(id)).await?;
                Ok(())
            })
        })
        .await
    }

    /// Gives the experiment `id` another name.
    ///
    /// # Errors
    /// [`TrackingError::InvalidState`] for a deleted one; those of its name as in [`Self::create_experiment`].
    pub async fn rename_experiment(&self, id: i64, name: String) -> Result<()> {
        check_name(&name)?;
        let now = self.now();
        self.write(move |transaction| {
            Box::pin(async move {
                if find(transaction, id).await?.lifecycle() == Lifecycle::Deleted {
                    return Err(TrackingError::InvalidState("Cannot rename a non-active experiment.".to_owned()));
                }
                let update = Statement::new("UPDATE experiments SET name = $1, last_update_time = $2 WHERE id = $3");
                match transaction.execute(update.bind(&name).bind(now).bind(id)).await {
                    Err(error) if is_duplicate(&error) => Err(already_exists(&name)),
                    outcome => Ok(outcome.map(drop)?),
                }
            })
        })
        .await
    }

    /// Sets a tag of the experiment `id`.
    ///
    /// # Errors
    /// [`TrackingError::Invalid`] for a tag that breaks a rule and for a deleted experiment.
    pub async fn set_experiment_tag(&self, id: i64, tag: Tag) -> Result<()> {
        check_tag(&tag)?;
        self.write(move |transaction| {
            Box::pin(async move {
                active(transaction, id).await?;
                write_tags(transaction, id, vec![tag]).await
            })
        })
        .await
    }

    /// Removes a tag of the experiment `id`.
    ///
    /// # Errors
    /// [`TrackingError::Missing`] where there is none.
    pub async fn delete_experiment_tag(&self, id: i64, key: String) -> Result<()> {
        self.write(move |transaction| {
            Box::pin(async move {
                active(transaction, id).await?;
                let delete = Statement::new("DELETE FROM experiment_tags WHERE experiment = $1 AND key = $2");
                match transaction.execute(delete.bind(id).bind(&key)).await? {
                    0 => Err(TrackingError::missing(format!("No tag with name: {key} in experiment with id {id}"))),
                    _ => Ok(()),
                }
            })
        })
        .await
    }
}

fn already_exists(name: &str) -> TrackingError {
    TrackingError::AlreadyExists(format!("Experiment(name={name}) already exists."))
}

fn check_name(name: &str) -> Result<()> {
    if name.trim().is_empty() {
        return Err(TrackingError::invalid(format!("Invalid experiment name: '{name}'")));
    }
    validate::length("name", name, 500)
}

fn check_tag(tag: &Tag) -> Result<()> {
    validate::key("key", &tag.key)?;
    validate::length("key", &tag.key, validate::KEY)?;
    validate::length("value", &tag.value, validate::EXPERIMENT_TAG_VALUE)
}

/// A path without a scheme is one on the server.
fn absolute(location: String) -> Result<String> {
    let last = location.rsplit('/').next().unwrap_or_default();
    if location.contains('#') || (location.contains(':') && last.contains(';')) {
        return Err(TrackingError::invalid("'artifact_location' URL can't include fragments or params."));
    }
    if location.contains(':') || location.starts_with('/') {
        return Ok(location);
    }
    let path = std::path::absolute(&location);
    let path =
        path.map_err(|error| TrackingError::invalid(format!("Invalid artifact location '{location}': {error}")))?;
    Ok(path.display().to_string())
}

async fn write_tags(transaction: &mut Transaction, id: i64, tags: Vec<Tag>) -> Result<()> {
    for tag in tags {
        let text = "INSERT INTO experiment_tags (experiment, key, value) VALUES ($1, $2, $3) \
                    ON CONFLICT (experiment, key) DO UPDATE SET value = excluded.value";
        transaction.execute(Statement::new(text).bind(id).bind(tag.key).bind(tag.value)).await?;
    }
    Ok(())
}

/// The experiments of `rows` with their tags.
async fn with_tags(transaction: &mut Transaction, rows: Vec<ExperimentRow>) -> Result<Vec<Experiment>> {
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let select = Statement::new("SELECT key, value FROM experiment_tags WHERE experiment = $1 ORDER BY key");
        let tags: Vec<(String, String)> = transaction.all(select.bind(row.id)).await?;
        found.push(row.with_tags(tags.into_iter().map(|(key, value)| Tag { key, value }).collect()));
    }
    Ok(found)
}
