//! Databases of Optuna: a study is a parent run in an experiment of its name, and each trial a run nested in it.
//!
//! Ids of runs follow from the names of experiment and study and the number of the trial, so that they are found again. Optuna
//! keeps times without a zone; they are taken as UTC.

mod distribution;
mod rows;
mod runs;

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use baton_ledger::database::{Database, Statement};
use baton_tracking::Lifecycle;
use baton_tracking::experiment::Experiment;
use baton_tracking::logged_model::LoggedModel;
use baton_tracking::registry::WholeModel;
use baton_tracking::run::WholeRun;
use baton_tracking::trace::WholeTrace;

use self::rows::Study;
use crate::aside::Aside;
use crate::error::{ExchangeError, Result};
use crate::files::Files;
use crate::mlflow::path_of;
use crate::source::{Source, open_to_read};

/// A database of Optuna in a SQLite file.
pub(crate) struct Studies {
    database: Database,
    studies: Vec<Study>,
    /// What a run stands for, by its id: a study, and which of its trials.
    items: HashMap<String, (usize, Option<usize>)>,
    /// The experiment of all studies, instead of one for each.
    experiment: Option<String>,
    files: Files,
}

impl Studies {
    /// Opens the database at `address`, for reading.
    pub(crate) async fn open(address: &str, experiment: Option<String>) -> Result<Self> {
        let path = path_of(address)?;
        if !path.is_file() {
            let reason = "is not there: give a database of Optuna, as a path or `sqlite:///PATH`".to_owned();
            return Err(ExchangeError::NotThere { path, reason });
        }
        let database = open_to_read(&path).await?;
        let tables = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name IN ('studies', 'trials')";
        if database.one::<(i64,)>(Statement::new(tables)).await? != Some((2,)) {
            let reason = "is no database of Optuna: it has no tables `studies` and `trials`".to_owned();
            return Err(ExchangeError::NotThere { path, reason });
        }
        let types = "SELECT count(*) FROM pragma_table_info('trial_values') WHERE name = 'value_type'";
        if database.one::<(i64,)>(Statement::new(types)).await? != Some((1,)) {
            let reason =
                "was written by Optuna before version 3: bring it up to date with `optuna storage upgrade`".to_owned();
            return Err(ExchangeError::NotThere { path, reason });
        }
        let studies = rows::studies(&database).await?;
        let mut opened = Self { database, studies, items: HashMap::new(), experiment, files: Files::default() };
        opened.items = (0..opened.studies.len()).flat_map(|place| opened.items_of(place)).collect();
        Ok(opened)
    }

    fn experiment_of<'s>(&'s self, study: &'s Study) -> &'s str {
        self.experiment.as_deref().unwrap_or(&study.name)
    }

    /// The runs of a study, itself first, and what they stand for.
    fn items_of(&self, place: usize) -> Vec<(String, (usize, Option<usize>))> {
        let Some(study) = self.studies.get(place) else { return Vec::new() };
        let experiment = self.experiment_of(study);
        let mut items = vec![(runs::study_id(experiment, study), (place, None))];
        let trials = study.trials.iter().enumerate();
        items.extend(trials.map(|(number, trial)| (runs::trial_id(experiment, study, trial), (place, Some(number)))));
        items
    }
}

#[async_trait]
impl Source for Studies {
    async fn experiments(&self, _aside: &mut Aside) -> Result<Vec<Experiment>> {
        let mut began: BTreeMap<&str, i64> = BTreeMap::new();
        for study in &self.studies {
            let at = study.trials.iter().filter_map(|trial| trial.began).min().unwrap_or_default();
            let known = began.entry(self.experiment_of(study)).or_insert(at);
            *known = at.min(*known);
        }
        let experiment = |(name, at): (&str, i64)| Experiment {
            // The number of `Default`, which is taken: studies have no numbers that matter.
            id: 0,
            name: name.to_owned(),
            artifact_location: String::new(),
            lifecycle: Lifecycle::Active,
            creation_time: at,
            last_update_time: at,
            tags: Vec::new(),
        };
        Ok(began.into_iter().map(experiment).collect())
    }

    async fn run_ids(&self, experiment: &Experiment, _aside: &mut Aside) -> Result<Vec<String>> {
        let own = (0..self.studies.len()).filter(|place| self.experiment_of(&self.studies[*place]) == experiment.name);
        Ok(own.flat_map(|place| self.items_of(place)).map(|(run_id, _)| run_id).collect())
    }

    async fn run(&self, _experiment: &Experiment, run_id: &str, aside: &mut Aside) -> Result<Option<WholeRun>> {
        let Some((place, number)) = self.items.get(run_id).copied() else { return Ok(None) };
        let Some(study) = self.studies.get(place) else { return Ok(None) };
        let run = match number.and_then(|number| study.trials.get(number)) {
            None => runs::of_study(&self.database, run_id, study, aside).await?,
            Some(trial) => {
                let parent = runs::study_id(self.experiment_of(study), study);
                runs::of_trial(&self.database, run_id, &parent, study, trial, aside).await?
            }
        };
        Ok(Some(run))
    }

    async fn logged_models(&self, _experiment: &Experiment, _aside: &mut Aside) -> Result<Vec<(LoggedModel, bool)>> {
        Ok(Vec::new())
    }

    async fn trace_ids(&self, _experiment: &Experiment, _aside: &mut Aside) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    async fn trace(&self, _experiment: &Experiment, _id: &str, _aside: &mut Aside) -> Result<Option<WholeTrace>> {
        Ok(None)
    }

    async fn registered_models(&self, _aside: &mut Aside) -> Result<Vec<WholeModel>> {
        Ok(Vec::new())
    }

    fn files(&self) -> &Files {
        &self.files
    }
}
