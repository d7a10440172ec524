//! Studies and their trials: a parent run with nested ones, and what a search needs to go on with them.
//!
//! Definitions and records are JSON of those who search; nothing here reads them.

#[cfg(test)]
mod tests;

use baton_ledger::database::{Statement, Transaction, is_duplicate};
use baton_ledger::record;

use super::{NewRun, PromisedRun, RunInfo, RunRow, active, change, find, log};
use crate::error::{Result, TrackingError};
use crate::metric::{self, Metric};
use crate::store::TrackingStore;
use crate::{Param, Tag};

/// The tag by which clients find a run's parent.
const PARENT: &str = "mlflow.parentRunId";
/// The state of a trial that goes on.
const RUNNING: &str = "running";

/// A study that is to begin.
#[derive(Debug, Clone, Default)]
pub struct NewStudy {
    /// The number of its experiment.
    pub experiment: i64,
    /// The run that it becomes part of; without one it begins its own.
    pub run_id: Option<String>,
    /// The name of its own run.
    pub name: String,
    /// Who starts it.
    pub user_id: String,
    /// What makes two studies the same.
    pub identity: String,
    /// What is searched, and how.
    pub definition: String,
    /// Tags of its run.
    pub tags: Vec<Tag>,
    /// Parameters of its run.
    pub params: Vec<Param>,
}

/// A study.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StudyInfo {
    /// Its run.
    pub run: RunInfo,
    /// What makes two studies the same.
    pub identity: String,
    /// What is searched, and how.
    pub definition: String,
}

/// A trial that is to begin.
#[derive(Debug, Clone, Default)]
pub struct NewTrial {
    /// Its number.
    pub number: i64,
    /// What it depends on.
    pub key: String,
    /// What is known of it.
    pub record: String,
    /// The name of its run.
    pub name: String,
    /// Who starts it.
    pub user_id: String,
    /// Parameters of its run.
    pub params: Vec<Param>,
    /// Tags of its run.
    pub tags: Vec<Tag>,
    /// Whether it takes the place of one of this number, which was left running or failed.
    pub replaces: bool,
}

/// What a trial came to.
#[derive(Debug, Clone, Default)]
pub struct EndedTrial {
    /// The state, in the words of the search; `running` changes nothing but the record.
    pub state: String,
    /// What is known of it.
    pub record: String,
    /// One of [`super::STATUSES`], where the run is to have another.
    pub status: Option<String>,
    /// Points of metrics to log with it.
    pub metrics: Vec<Metric>,
    /// Tags to log with it.
    pub tags: Vec<Tag>,
}

/// A trial as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredTrial {
    /// Its number.
    pub number: i64,
    /// Its run.
    pub run_id: String,
    /// What it depends on.
    pub key: String,
    /// The state, in the words of the search.
    pub state: String,
    /// What is known of it.
    pub record: String,
    /// The status of its run, one of [`super::STATUSES`].
    pub status: String,
    /// When it was last heard of, in milliseconds since 1970: when it began, or the latest point of a metric.
    pub heard: i64,
}

/// Number, run, key, state, record, status of the run, its begin, its latest point.
type TrialRow = (i64, String, String, String, String, String, i64, i64);

impl From<TrialRow> for StoredTrial {
    fn from((number, run_id, key, state, record, status, began, logged): TrialRow) -> Self {
        Self { number, run_id, key, state, record, status, heard: began.max(logged) }
    }
}

record! {
    struct StudyRow {
        run_id: String,
        identity: String,
        definition: String,
    }
}

const TRIALS: &str = "SELECT t.number, r.run_id, t.key, t.state, t.record, r.status, r.start_time, \
     coalesce((SELECT max(m.timestamp) FROM latest_metrics m WHERE m.run = r.id), 0) \
     FROM trials t JOIN runs r ON r.id = t.run WHERE ";

impl TrackingStore {
    /// Begins a study; the id of its run.
    ///
    /// # Errors
    /// [`TrackingError::Missing`] without its experiment or run; [`TrackingError::Invalid`] when that was deleted;
    /// [`TrackingError::AlreadyExists`] when the run is a study already.
    pub async fn begin_study(&self, new: NewStudy) -> Result<String> {
        let start_time = self.now();
        self.write(move |transaction| {
            Box::pin(async move {
                let run_id = new.run_id.clone().unwrap_or_else(PromisedRun::new_id);
                if new.run_id.is_none() {
                    let NewStudy { experiment, user_id, name, tags, .. } = new.clone();
                    let own = NewRun { experiment, user_id, start_time, name: Some(name), tags };
                    change::create_unless_there(transaction, run_id.clone(), own).await?;
                }
                let run = active(transaction, &run_id).await?;
                log::write_params(transaction, &run, &new.params).await?;
                if new.run_id.is_some() {
                    log::upsert_tags(transaction, run.id, run.experiment, &new.tags).await?;
                }
                insert_study(transaction, &run, &new).await?;
                Ok(run_id)
            })
        })
        .await
    }

    /// The study of this run.
    ///
    /// # Errors
    /// [`TrackingError::Missing`] without the run, or when it is no study.
    pub async fn study(&self, run_id: &str) -> Result<StudyInfo> {
        let mut transaction = self.snapshot().await?;
        let run = find(&mut transaction, run_id).await?;
        let text =
            "SELECT r.run_id, s.identity, s.definition FROM studies s JOIN runs r ON r.id = s.run WHERE s.run = $1";
        let row: Option<StudyRow> = transaction.one(Statement::new(text).bind(run.id)).await?;
        let row = row.ok_or_else(|| TrackingError::missing(format!("Run with id={run_id} is no study")))?;
        Ok(StudyInfo { run: run.into_info(), identity: row.identity, definition: row.definition })
    }

    /// Gives a study another definition, such as one with more trials.
    ///
    /// # Errors
    /// [`TrackingError::Missing`] without the run; [`TrackingError::Invalid`] when it was deleted.
    pub async fn redefine_study(&self, run_id: String, definition: String) -> Result<()> {
        self.write(move |transaction| {
            Box::pin(async move {
                let run = active(transaction, &run_id).await?;
                let update = Statement::new("UPDATE studies SET definition = $1 WHERE run = $2");
                transaction.execute(update.bind(definition).bind(run.id)).await?;
                Ok(())
            })
        })
        .await
    }

    /// The newest study of this identity.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn find_study(&self, experiment: i64, identity: &str) -> Result<Option<StudyInfo>> {
        let text = "SELECT r.run_id FROM studies s JOIN runs r ON r.id = s.run WHERE s.experiment = $1 AND s.identity = $2 \
                    AND r.lifecycle_stage = 'active' ORDER BY r.start_time DESC, r.id DESC LIMIT 1";
        let found: Option<(String,)> = self.one(Statement::new(text).bind(experiment).bind(identity)).await?;
        match found {
            Some((run_id,)) => self.study(&run_id).await.map(Some),
            None => Ok(None),
        }
    }

    /// Begins a trial; the id of its run.
    ///
    /// # Errors
    /// [`TrackingError::AlreadyExists`] for a number that is taken, unless the trial replaces the one that has it;
    /// [`TrackingError::Missing`] without the study.
    pub async fn begin_trial(&self, study: &str, new: NewTrial) -> Result<String> {
        let (study, start_time) = (study.to_owned(), self.now());
        self.write(move |transaction| {
            Box::pin(async move {
                let parent = active(transaction, &study).await?;
                make_room(transaction, &parent, &new, start_time).await?;
                let mut tags = new.tags.clone();
                tags.push(Tag { key: PARENT.to_owned(), value: study });
                let (experiment, name) = (parent.experiment, Some(new.name.clone()));
                let own = NewRun { experiment, user_id: new.user_id.clone(), start_time, name, tags };
                let run_id = PromisedRun::new_id();
                change::create_unless_there(transaction, run_id.clone(), own).await?;
                let run = active(transaction, &run_id).await?;
                log::write_params(transaction, &run, &new.params).await?;
                insert_trial(transaction, &parent, &run, &new).await?;
                Ok(run_id)
            })
        })
        .await
    }

    /// Keeps what a trial came to, or came to so far.
    ///
    /// # Errors
    /// [`TrackingError::Missing`] without the trial.
    pub async fn end_trial(&self, study: &str, number: i64, ended: EndedTrial) -> Result<()> {
        ended.metrics.iter().try_for_each(|metric| metric.check(""))?;
        let (study, end_time) = (study.to_owned(), self.now());
        self.write(move |transaction| {
            Box::pin(async move {
                let parent = active(transaction, &study).await?;
                let text = "UPDATE trials SET state = $1, record = $2 WHERE study = $3 AND number = $4 \
                            RETURNING (SELECT run_id FROM runs WHERE runs.id = trials.run)";
                let update = Statement::new(text).bind(&ended.state).bind(&ended.record).bind(parent.id).bind(number);
                let changed: Option<(String,)> = transaction.write_one(update).await?;
                let (run_id,) =
                    changed.ok_or_else(|| TrackingError::missing(format!("Study {study} has no trial {number}")))?;
                let run = active(transaction, &run_id).await?;
                metric::write(transaction, &run, &ended.metrics).await?;
                log::upsert_tags(transaction, run.id, run.experiment, &ended.tags).await?;
                match &ended.status {
                    Some(status) => end_run(transaction, run.id, status, end_time).await,
                    None => Ok(()),
                }
            })
        })
        .await
    }

    /// The trials of a study by number.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn trials(&self, study: &str) -> Result<Vec<StoredTrial>> {
        let text = format!("{TRIALS} t.study = (SELECT id FROM runs WHERE run_id = $1) ORDER BY t.number");
        let rows: Vec<TrialRow> = self.all(Statement::new(text).bind(study)).await?;
        Ok(rows.into_iter().map(StoredTrial::from).collect())
    }

    /// The newest trial of this key in an experiment that is in one of two states.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn known_trial(&self, experiment: i64, key: &str, states: [&str; 2]) -> Result<Option<StoredTrial>> {
        let text = format!(
            "{TRIALS} t.experiment = $1 AND t.key = $2 AND t.state IN ($3, $4) AND r.lifecycle_stage = 'active' \
             ORDER BY t.state = $3 DESC, r.start_time DESC, r.id DESC LIMIT 1"
        );
        let [first, second] = states;
        let select = Statement::new(text).bind(experiment).bind(key).bind(first).bind(second);
        Ok(self.one::<TrialRow>(select).await?.map(StoredTrial::from))
    }

    /// How many different trials of the experiment of this name are in one of two states.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn known_trials(&self, experiment: &str, states: [&str; 2]) -> Result<u64> {
        let text = "SELECT count(DISTINCT t.key) FROM trials t JOIN runs r ON r.id = t.run JOIN experiments e ON e.id = t.experiment \
                    WHERE e.name = $1 AND t.state IN ($2, $3) AND r.lifecycle_stage = 'active'";
        let [first, second] = states;
        let select = Statement::new(text).bind(experiment).bind(first).bind(second);
        Ok(self.one::<(i64,)>(select).await?.map_or(0, |(count,)| count.unsigned_abs()))
    }
}

async fn insert_study(transaction: &mut Transaction, run: &RunRow, new: &NewStudy) -> Result<()> {
    let text = "INSERT INTO studies (run, experiment, identity, definition) VALUES ($1, $2, $3, $4)";
    let insert = Statement::new(text).bind(run.id).bind(run.experiment).bind(&new.identity).bind(&new.definition);
    match transaction.execute(insert).await {
        Err(error) if is_duplicate(&error) => {
            Err(TrackingError::AlreadyExists(format!("Run with id={} is a study already", run.run_id)))
        }
        done => Ok(done.map(drop)?),
    }
}

async fn insert_trial(transaction: &mut Transaction, parent: &RunRow, run: &RunRow, new: &NewTrial) -> Result<()> {
    let text =
        "INSERT INTO trials (study, number, run, experiment, key, state, record) VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let insert = Statement::new(text).bind(parent.id).bind(new.number).bind(run.id).bind(run.experiment);
    transaction.execute(insert.bind(&new.key).bind(RUNNING).bind(&new.record)).await?;
    Ok(())
}

/// Gives up a trial of the same number, if the new one is to replace it.
async fn make_room(transaction: &mut Transaction, parent: &RunRow, new: &NewTrial, now: i64) -> Result<()> {
    let select = Statement::new("SELECT run, state FROM trials WHERE study = $1 AND number = $2");
    let Some((run, state)) = transaction.one::<(i64, String)>(select.bind(parent.id).bind(new.number)).await? else {
        return Ok(());
    };
    if !new.replaces {
        let message = format!("Study {} has a trial {} already", parent.run_id, new.number);
        return Err(TrackingError::AlreadyExists(message));
    }
    let delete = Statement::new("DELETE FROM trials WHERE study = $1 AND number = $2");
    transaction.execute(delete.bind(parent.id).bind(new.number)).await?;
    if state == RUNNING { end_run(transaction, run, "KILLED", now).await } else { Ok(()) }
}

/// Ends a run, or lets one go on that was given up.
async fn end_run(transaction: &mut Transaction, run: i64, status: &str, at: i64) -> Result<()> {
    let end = (status != "RUNNING").then_some(at);
    let update = Statement::new("UPDATE runs SET status = $1, end_time = $2 WHERE id = $3");
    transaction.execute(update.bind(status).bind(end).bind(run)).await?;
    Ok(())
}
