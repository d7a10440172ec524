//! Experiments of other trackers: found again by their names, which are unique here.

use baton_ledger::database::{Statement, Transaction};

use super::{COLUMNS, Experiment, ExperimentRow, check_name};
use crate::error::Result;
use crate::store::TrackingStore;
use crate::transfer::{Kept, set_texts};

/// The number of `Default`.
const DEFAULT: i64 = 0;

impl TrackingStore {
    /// Keeps an experiment of another tracker; its number here, which is its own where that is free. One of the same name is
    /// taken to be the same. Without a location, artifacts lie below the server's root.
    ///
    /// # Errors
    /// [`crate::TrackingError::Invalid`] for a name that breaks a rule.
    pub async fn keep_experiment(&self, experiment: Experiment) -> Result<(i64, Kept)> {
        check_name(&experiment.name)?;
        let root = self.artifact_root().to_owned();
        self.write(move |transaction| {
            Box::pin(async move {
                let select = Statement::new(format!("SELECT {COLUMNS} FROM experiments WHERE name = $1"));
                let known: Option<ExperimentRow> = transaction.one(select.bind(&experiment.name)).await?;
                let (id, moved) = match &known {
                    Some(row) => (row.id, follow(transaction, row, &experiment).await?),
                    None => (make(transaction, &experiment, &root).await?, false),
                };
                let tagged = set_texts(transaction, "experiment_tags", "experiment", id, &experiment.tags).await?;
                let kept = if known.is_some() { Kept::of(moved || tagged) } else { Kept::New };
                Ok((id, kept))
            })
        })
        .await
    }
}

async fn make(transaction: &mut Transaction, experiment: &Experiment, root: &str) -> Result<i64> {
    let select = Statement::new("SELECT id FROM experiments WHERE id = $1");
    let taken: Option<(i64,)> = transaction.one(select.bind(experiment.id)).await?;
    let text = if taken.is_some() {
        "INSERT INTO experiments (name, artifact_location, lifecycle_stage, creation_time, last_update_time) \
         VALUES ($1, $2, $3, $4, $5) RETURNING id"
    } else {
        "INSERT INTO experiments (name, artifact_location, lifecycle_stage, creation_time, last_update_time, id) \
         VALUES ($1, $2, $3, $4, $5, $6) RETURNING id"
    };
    let mut insert = Statement::new(text).bind(&experiment.name).bind(&experiment.artifact_location);
    insert =
        insert.bind(experiment.lifecycle.as_str()).bind(experiment.creation_time).bind(experiment.last_update_time);
    if taken.is_none() {
        insert = insert.bind(experiment.id);
    }
    let id = transaction.write_one::<(i64,)>(insert).await?.map_or(experiment.id, |(id,)| id);
    if experiment.artifact_location.is_empty() {
        let update = Statement::new("UPDATE experiments SET artifact_location = $1 WHERE id = $2");
        transaction.execute(update.bind(format!("{root}/{id}")).bind(id)).await?;
    }
    Ok(id)
}

/// Lets an experiment that was kept before be deleted or restored as its original; another one of the same name stays as it is.
async fn follow(transaction: &mut Transaction, known: &ExperimentRow, original: &Experiment) -> Result<bool> {
    if known.id == DEFAULT {
        // It is made with the store, and began with the older one.
        let text = "UPDATE experiments SET creation_time = $1, last_update_time = $2 WHERE id = $3 AND creation_time > $1 AND $1 > 0";
        let update = Statement::new(text).bind(original.creation_time).bind(original.last_update_time);
        transaction.execute(update.bind(DEFAULT)).await?;
        return Ok(false);
    }
    if known.creation_time != original.creation_time || known.lifecycle() == original.lifecycle {
        return Ok(false);
    }
    let update = Statement::new("UPDATE experiments SET lifecycle_stage = $1, last_update_time = $2 WHERE id = $3");
    let update = update.bind(original.lifecycle.as_str()).bind(original.last_update_time).bind(known.id);
    Ok(transaction.execute(update).await? > 0)
}
