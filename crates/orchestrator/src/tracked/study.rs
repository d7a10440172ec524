//! A search as tracked runs: the study is the run of a training or one of its own, its trials are nested in it.
//!
//! What trials come to is found again by what they depend on, so that a search that was killed, or one that is little
//! different, trains only what is not known.

use std::collections::{BTreeSet, HashMap};

use baton_core::asset::Model;
use baton_core::{AssetName, Fingerprint};
use baton_ml::search::{Progress, Pruning, Study, Trial, TrialState};
use baton_tracking::metric::Metric;
use baton_tracking::run::study::{EndedTrial, NewStudy, NewTrial};
use baton_tracking::run::{Batch, PromisedRun, RunChange};
use baton_tracking::{Param, Tag, TrackingError, TrackingStore};
use serde_json::{Value, json};
use tokio::runtime::Handle;

use super::program::{ended, untracked};
use super::tie::experiment;
use crate::execution::Execution;
use crate::services::Services;

/// States of trials that need not be trained again.
const KEPT: [&str; 2] = ["finished", "pruned"];

/// What is heard of a study.
pub(crate) enum Told {
    /// It begins.
    Planned { study: Box<Study>, digest: String },
    /// A trial begins.
    Began(Box<Trial>),
    /// A trial reports.
    Reported { number: usize, step: u64, value: f64 },
    /// A trial ended.
    Ended(Box<Trial>),
    /// So far is it.
    Advanced(Progress),
}

/// Trials of an experiment, by what they depend on. For threads that may wait.
pub(crate) struct KnownTrials {
    store: TrackingStore,
    experiment: i64,
    runtime: Handle,
}

impl KnownTrials {
    /// A trial that need not be trained again. One whose record cannot be read is trained again.
    pub(crate) fn find(&self, key: &str) -> Option<Trial> {
        let found = self.runtime.block_on(self.store.known_trial(self.experiment, key, KEPT));
        serde_json::from_str(&found.ok()??.record).ok()
    }
}

/// How many trials earlier searches of a model came to; `None` where nothing is tracked.
pub(crate) async fn known_trials(services: &Services, project: &str, asset: &AssetName) -> Option<u64> {
    let store = services.tracking.store().await.ok()??;
    store.known_trials(&experiment(project, asset), KEPT).await.ok()
}

/// Keeps a study in order of what is told. Whatever goes wrong is said once, and stops no search.
pub(crate) struct StudyKeeper<'a> {
    services: &'a Services,
    asset: AssetName,
    metric: String,
    place: Option<Place>,
    reuses: bool,
    open: Option<OpenStudy>,
}

/// Where a study is kept.
struct Place {
    store: TrackingStore,
    experiment: i64,
    run: RunOfStudy,
}

enum RunOfStudy {
    /// That of a training, which began it and will end it.
    Training(String),
    /// Its own, which is made when nothing is known of the study.
    Own(Box<PromisedRun>),
}

/// A study that began.
struct OpenStudy {
    store: TrackingStore,
    run_id: String,
    /// Whether its run ends with it.
    is_own: bool,
    author: String,
    /// Numbers of trials that ended before, when it is gone on with.
    before: BTreeSet<usize>,
    trials: HashMap<usize, OpenTrial>,
    /// The best so far, with its run.
    best: Option<(f64, String)>,
    improves_up: bool,
}

struct OpenTrial {
    run_id: String,
    points: Vec<Metric>,
}

impl Execution<'_> {
    /// Keeps the search of the training at hand beside it.
    pub(crate) async fn keeper_of_training(&self, asset: &AssetName, metric: &str) -> StudyKeeper<'_> {
        let place = match &self.tracked.run {
            Some(run) => self.place_of(RunOfStudy::Training(run.clone())).await,
            None => Ok(None),
        };
        self.keeper(asset, metric, place, true)
    }

    /// Keeps a search that is no training. `reuses` says whether trials that are known are left out.
    pub(crate) async fn keeper_of_search(&self, asset: &AssetName, model: &Model, reuses: bool) -> StudyKeeper<'_> {
        let tie = self.tie_of(asset, "features").await;
        let own = tie.promised(format!("search {asset}"), self.services.clock.now());
        let place = self.place_of(RunOfStudy::Own(Box::new(own))).await;
        self.keeper(asset, &model.train.metric, place, reuses)
    }

    fn keeper(
        &self,
        asset: &AssetName,
        metric: &str,
        place: Result<Option<Place>, TrackingError>,
        reuses: bool,
    ) -> StudyKeeper<'_> {
        let place = place.unwrap_or_else(|error| {
            untracked(self.services, asset, &error);
            None
        });
        let (asset, metric) = (asset.clone(), metric.to_owned());
        StudyKeeper { services: self.services, asset, metric, place, reuses, open: None }
    }

    async fn place_of(&self, run: RunOfStudy) -> Result<Option<Place>, TrackingError> {
        let Some(store) = self.services.tracking.store().await? else { return Ok(None) };
        let experiment = match &run {
            RunOfStudy::Training(run) => store.run(run).await?.info.experiment,
            RunOfStudy::Own(run) => store.experiment_named(&run.experiment).await?,
        };
        Ok(Some(Place { store, experiment, run }))
    }
}

impl StudyKeeper<'_> {
    /// The trials that need not be trained again.
    pub(crate) fn known(&self) -> Option<KnownTrials> {
        let place = self.place.as_ref().filter(|_| self.reuses)?;
        Some(KnownTrials { store: place.store.clone(), experiment: place.experiment, runtime: Handle::current() })
    }

    /// The run of the study, once it began.
    pub(crate) fn run_id(&self) -> Option<&str> {
        self.open.as_ref().map(|open| open.run_id.as_str())
    }

    /// Keeps what was told, the points of all trials together.
    pub(crate) async fn keep(&mut self, told: impl Iterator<Item = Told>) {
        for one in told {
            if let Err(error) = self.keep_one(one).await {
                self.give_up(&error);
            }
        }
        if let Some(open) = &mut self.open
            && let Err(error) = open.log_points().await
        {
            self.give_up(&error);
        }
    }

    /// Ends the study.
    pub(crate) async fn end(&mut self, went_well: bool) {
        let Some(open) = &mut self.open else { return };
        let (metric, end) = (self.metric.clone(), ended(self.services, went_well));
        if let Err(error) = open.end(&metric, end).await {
            self.give_up(&error);
        }
    }

    async fn keep_one(&mut self, told: Told) -> Result<(), TrackingError> {
        match (told, &mut self.open) {
            (Told::Advanced(progress), _) => {
                self.services.progress.advanced(&self.asset, progress.done as u64, progress.planned as u64);
                Ok(())
            }
            (Told::Planned { study, digest }, _) => self.begin(&study, &digest).await,
            (Told::Began(trial), Some(open)) => open.begin(&trial).await,
            (Told::Reported { number, step, value }, Some(open)) => {
                let timestamp = self.services.clock.now().timestamp_millis();
                let (key, step) = (self.metric.clone(), step as i64);
                open.report(number, Metric { key, value, timestamp, step, ..Metric::default() });
                Ok(())
            }
            (Told::Ended(trial), Some(open)) => open.end_trial(&trial).await,
            (_, None) => Ok(()),
        }
    }

    async fn begin(&mut self, study: &Study, digest: &str) -> Result<(), TrackingError> {
        let Some(place) = self.place.take() else { return Ok(()) };
        let identity = identity(study, digest);
        let improves_up = study.direction == baton_ml::search::Direction::HigherIsBetter;
        let known = match &place.run {
            RunOfStudy::Own(_) if self.reuses => place.store.find_study(place.experiment, &identity).await?,
            _ => None,
        };
        let is_own = matches!(place.run, RunOfStudy::Own(_));
        let (store, author) = (place.store.clone(), self.services.author.clone());
        let (run_id, before) = match known {
            Some(known) => go_on(&store, known.run.run_id).await?,
            None => (begin_new(place, study, identity, &self.metric).await?, BTreeSet::new()),
        };
        let (trials, best) = (HashMap::new(), None);
        self.open = Some(OpenStudy { store, run_id, is_own, author, before, trials, best, improves_up });
        Ok(())
    }

    fn give_up(&mut self, error: &TrackingError) {
        untracked(self.services, &self.asset, error);
        self.open = None;
    }
}

/// What makes two studies the same. How many trials there may be does not, where trials do not depend on it: a study goes
/// on with more.
fn identity(study: &Study, digest: &str) -> String {
    let trials = study.trials.filter(|_| study.pruning == Pruning::Half);
    let same = Study { trials, patience: None, ..study.clone() };
    Fingerprint::of([digest, &json!(same).to_string()]).to_string()
}

/// Opens a study that was begun before: its trials that ended stay as they are.
async fn go_on(store: &TrackingStore, run_id: String) -> Result<(String, BTreeSet<usize>), TrackingError> {
    let running = RunChange { status: Some("RUNNING".to_owned()), end_time: None, name: None };
    store.update_run(run_id.clone(), running).await?;
    let ended = store.trials(&run_id).await?.into_iter().filter(|trial| KEPT.contains(&trial.state.as_str()));
    let before = ended.filter_map(|trial| usize::try_from(trial.number).ok()).collect();
    Ok((run_id, before))
}

async fn begin_new(place: Place, study: &Study, identity: String, metric: &str) -> Result<String, TrackingError> {
    let Place { store, experiment, run } = place;
    let run_id = match run {
        RunOfStudy::Training(run) => run,
        RunOfStudy::Own(promised) => {
            let run_id = promised.run_id.clone();
            store.keep_promise(*promised).await?;
            run_id
        }
    };
    let rules = json!(study);
    let param = |key: &str, value: String| Param { key: format!("search.{key}"), value };
    let params = vec![
        param("method", shown(&rules["method"])),
        param("pruning", shown(&rules["pruning"])),
        param("parallel", study.parallel.to_string()),
        param("seed", study.seed.to_string()),
        param("metric", metric.to_owned()),
    ];
    let tags = vec![Tag { key: "baton.study".to_owned(), value: "true".to_owned() }];
    let definition = rules.to_string();
    let new = NewStudy { experiment, run_id: Some(run_id), identity, definition, tags, params, ..NewStudy::default() };
    store.begin_study(new).await
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

impl OpenStudy {
    async fn begin(&mut self, trial: &Trial) -> Result<(), TrackingError> {
        if self.before.contains(&trial.number) {
            return Ok(());
        }
        let algorithm = Param { key: "algorithm".to_owned(), value: trial.algorithm.clone() };
        let drawn = trial.params.0.iter().map(|(key, value)| Param { key: key.clone(), value: value.to_string() });
        let new = NewTrial {
            number: trial.number as i64,
            key: trial.key.clone(),
            record: json!(trial).to_string(),
            name: format!("trial {}", trial.number),
            user_id: self.author.clone(),
            params: std::iter::once(algorithm).chain(drawn).collect(),
            tags: vec![Tag { key: "baton.trial".to_owned(), value: trial.number.to_string() }],
            replaces: true,
        };
        let run_id = self.store.begin_trial(&self.run_id, new).await?;
        self.trials.insert(trial.number, OpenTrial { run_id, points: Vec::new() });
        Ok(())
    }

    fn report(&mut self, number: usize, point: Metric) {
        if let Some(open) = self.trials.get_mut(&number) {
            open.points.push(point);
        }
    }

    async fn log_points(&mut self) -> Result<(), TrackingError> {
        for open in self.trials.values_mut().filter(|open| !open.points.is_empty()) {
            let batch = Batch { metrics: std::mem::take(&mut open.points), ..Batch::default() };
            self.store.log_batch(open.run_id.clone(), batch).await?;
        }
        Ok(())
    }

    async fn end_trial(&mut self, trial: &Trial) -> Result<(), TrackingError> {
        self.compare(trial).await?;
        let Some(open) = self.trials.remove(&trial.number) else { return Ok(()) };
        let state = state(trial);
        let mut tags = vec![Tag { key: "baton.trial.state".to_owned(), value: state.clone() }];
        let noted = [
            ("baton.trial.failure", trial.failure.clone()),
            ("baton.trial.known", trial.is_known.then(|| "true".to_owned())),
        ];
        tags.extend(noted.into_iter().filter_map(|(key, value)| Some(Tag { key: key.to_owned(), value: value? })));
        let status = if trial.state() == TrialState::Failed { "FAILED" } else { "FINISHED" };
        let ended = EndedTrial {
            state,
            record: json!(Trial { is_known: false, ..trial.clone() }).to_string(),
            status: Some(status.to_owned()),
            metrics: open.points,
            tags,
        };
        self.store.end_trial(&self.run_id, trial.number as i64, ended).await
    }

    async fn compare(&mut self, trial: &Trial) -> Result<(), TrackingError> {
        let Some(score) = trial.score else { return Ok(()) };
        let is_better = |best: f64| if self.improves_up { score > best } else { score < best };
        if self.best.as_ref().is_some_and(|(best, _)| !is_better(*best)) {
            return Ok(());
        }
        let run_id = match self.trials.get(&trial.number) {
            Some(open) => open.run_id.clone(),
            None => {
                let trials = self.store.trials(&self.run_id).await?;
                let found = trials.into_iter().find(|kept| kept.number == trial.number as i64);
                found.map(|kept| kept.run_id).unwrap_or_default()
            }
        };
        self.best = Some((score, run_id));
        Ok(())
    }

    async fn end(&mut self, metric: &str, end: RunChange) -> Result<(), TrackingError> {
        self.log_points().await?;
        if let Some((score, run_id)) = self.best.take() {
            let timestamp = end.end_time.unwrap_or_default();
            let best = Metric { key: format!("search.{metric}"), value: score, timestamp, ..Metric::default() };
            let tag = Tag { key: "baton.study.best".to_owned(), value: run_id };
            let batch = Batch { metrics: vec![best], tags: vec![tag], ..Batch::default() };
            self.store.log_batch(self.run_id.clone(), batch).await?;
        }
        if self.is_own {
            self.store.update_run(self.run_id.clone(), end).await?;
        }
        Ok(())
    }
}

fn state(trial: &Trial) -> String {
    shown(&json!(trial.state()))
}
