//! Bringing in: record by record, each whole or not at all, and then its files.

use std::collections::HashMap;
use std::path::PathBuf;

use baton_tracking::TrackingStore;
use baton_tracking::artifact::{ArtifactPath, ArtifactStore};
use baton_tracking::experiment::Experiment;
use baton_tracking::registry::WholeModel;
use baton_tracking::run::WholeRun;
use futures::future::join_all;

use crate::aside::Aside;
use crate::error::Result;
use crate::files::{self, Place};
use crate::report::ImportReport;
use crate::source::Source;
use crate::{mlflow, optuna};

/// How URIs of Baton's own artifacts begin.
const OWN: &str = "mlflow-artifacts:/";

/// Runs that are kept at a time, and points of theirs, from which on no more are read before.
const RUNS: usize = 64;
const POINTS: usize = 200_000;

/// Which tracker is read.
#[derive(Debug, Clone)]
pub enum Origin {
    /// MLflow's folder `mlruns/` or database, as a path or `sqlite:///PATH` or `file:///PATH`; and the folder that its server kept
    /// artifacts in, if they went through it.
    Mlflow {
        /// The folder or database.
        address: String,
        /// The folder behind `mlflow-artifacts:/`.
        artifacts: Option<PathBuf>,
    },
    /// A database of Optuna, as a path or `sqlite:///PATH`.
    Optuna {
        /// The database.
        address: String,
        /// The experiment that gets its studies, instead of one for each.
        experiment: Option<String>,
    },
}

/// Where records and files go.
#[derive(Clone)]
pub struct Destination {
    /// Records.
    pub store: TrackingStore,
    /// Files.
    pub artifacts: ArtifactStore,
}

/// Brings in all that `origin` keeps.
///
/// # Errors
/// When the origin is not there or no tracker's, and when Baton's own store fails. What of it cannot be read is in the report.
pub async fn import(destination: Destination, origin: Origin) -> Result<ImportReport> {
    let source: Box<dyn Source> = match &origin {
        Origin::Mlflow { address, artifacts } => mlflow::open(address, artifacts.clone()).await?,
        Origin::Optuna { address, experiment } => Box::new(optuna::Studies::open(address, experiment.clone()).await?),
    };
    let (Origin::Mlflow { address, .. } | Origin::Optuna { address, .. }) = origin;
    let report = ImportReport { source: address, ..ImportReport::default() };
    let mut work = Work { destination, source, aside: Aside::default(), report, moved: HashMap::new(), n_unknown: 0 };
    work.all().await?;
    Ok(work.told())
}

/// What is under way.
struct Work {
    destination: Destination,
    source: Box<dyn Source>,
    aside: Aside,
    report: ImportReport,
    /// Where the files of runs and models were, and where they are now.
    moved: HashMap<String, String>,
    /// Runs and models whose files are in a folder that nobody named.
    n_unknown: usize,
}

impl Work {
    async fn all(&mut self) -> Result<()> {
        for experiment in self.source.experiments(&mut self.aside).await? {
            let mut ours = experiment.clone();
            if !matches!(self.source.files().place(&ours.artifact_location), Place::Elsewhere) {
                ours.artifact_location.clear();
            }
            let place = format!("experiment `{}`", experiment.name);
            let kept = self.destination.store.keep_experiment(ours).await;
            let Some((number, kept)) = self.aside.some(place, kept) else { continue };
            self.report.experiments.add(kept);
            self.logged_models(&experiment, number).await?;
            self.runs(&experiment, number).await?;
            self.traces(&experiment, number).await?;
        }
        for model in self.source.registered_models(&mut self.aside).await? {
            self.registered_model(model).await;
        }
        Ok(())
    }

    async fn runs(&mut self, experiment: &Experiment, number: i64) -> Result<()> {
        let (mut waiting, mut n_points) = (Vec::new(), 0);
        for run_id in self.source.run_ids(experiment, &mut self.aside).await? {
            let Some(mut run) = self.source.run(experiment, &run_id, &mut self.aside).await? else { continue };
            run.info.experiment = number;
            let place = self.place_files(&mut run.info.artifact_uri);
            n_points += run.points.len();
            waiting.push((place, run));
            if waiting.len() >= RUNS || n_points >= POINTS {
                self.keep_runs(std::mem::take(&mut waiting)).await?;
                n_points = 0;
            }
        }
        self.keep_runs(waiting).await
    }

    /// Keeps runs, each whole or not at all; those that wait together share a sync to disk.
    async fn keep_runs(&mut self, runs: Vec<((String, Place), WholeRun)>) -> Result<()> {
        let store = self.destination.store.clone();
        let keep = |(place, run): ((String, Place), WholeRun)| {
            let (run_id, keeping) = (run.info.run_id.clone(), store.keep_run(run));
            async move { (run_id, place, keeping.await) }
        };
        for (run_id, place, kept) in join_all(runs.into_iter().map(keep)).await {
            let Some(kept) = self.aside.some(format!("run `{run_id}`"), kept) else { continue };
            self.report.runs.add(kept);
            let uri = self.destination.store.run(&run_id).await?.info.artifact_uri;
            self.files(place, uri).await?;
        }
        Ok(())
    }

    async fn logged_models(&mut self, experiment: &Experiment, number: i64) -> Result<()> {
        for (mut model, is_deleted) in self.source.logged_models(experiment, &mut self.aside).await? {
            model.experiment_id = number;
            let (model_id, place) = (model.model_id.clone(), self.place_files(&mut model.artifact_uri));
            let kept = self.destination.store.keep_logged_model(model, is_deleted).await;
            let Some(kept) = self.aside.some(format!("logged model `{model_id}`"), kept) else { continue };
            self.report.logged_models.add(kept);
            let uri = self.destination.store.logged_model(&model_id, true).await?.artifact_uri;
            self.files(place, uri).await?;
        }
        Ok(())
    }

    async fn traces(&mut self, experiment: &Experiment, number: i64) -> Result<()> {
        for trace_id in self.source.trace_ids(experiment, &mut self.aside).await? {
            let Some(mut trace) = self.source.trace(experiment, &trace_id, &mut self.aside).await? else { continue };
            trace.info.experiment_id = number;
            let kept = self.destination.store.keep_trace(trace).await;
            if let Some(kept) = self.aside.some(format!("trace `{trace_id}`"), kept) {
                self.report.traces.add(kept);
            }
        }
        Ok(())
    }

    async fn registered_model(&mut self, mut model: WholeModel) {
        for version in &mut model.versions {
            version.version.source = self.now_at(&version.version.source);
            version.storage_location = self.now_at(&version.storage_location);
        }
        let place = format!("registered model `{}`", model.model.name);
        let kept = self.destination.store.keep_registered_model(model).await;
        if let Some((kept, versions)) = self.aside.some(place, kept) {
            self.report.registered_models.add(kept);
            versions.into_iter().for_each(|kept| self.report.model_versions.add(kept));
        }
    }

    /// Where files are; their URI is cleared unless it stays what it is.
    fn place_files(&mut self, uri: &mut String) -> (String, Place) {
        let (old, place) = (uri.clone(), self.source.files().place(uri));
        if !matches!(place, Place::Elsewhere) {
            uri.clear();
        }
        (old, place)
    }

    /// Copies files to where `uri` says that they are now.
    async fn files(&mut self, (old, place): (String, Place), uri: String) -> Result<()> {
        match place {
            Place::Elsewhere => self.report.files.elsewhere += 1,
            Place::Unknown => self.n_unknown += 1,
            Place::Folder(folder) => {
                if let Some(path) = uri.strip_prefix(OWN).map(ArtifactPath::parse) {
                    let (counts, aside) = (&mut self.report.files, &mut self.aside);
                    files::copy_in(&folder, &self.destination.artifacts, &path?, counts, aside).await?;
                }
                self.moved.insert(old, uri);
            }
        }
        Ok(())
    }

    /// Where files are now that were at `uri`, or below a place that was moved.
    fn now_at(&self, uri: &str) -> String {
        let mut known = uri.trim_end_matches('/');
        loop {
            if let Some(moved) = self.moved.get(known) {
                return format!("{moved}{}", &uri[known.len()..]);
            }
            match known.rsplit_once('/') {
                Some((shorter, _)) => known = shorter,
                None => return uri.to_owned(),
            }
        }
    }

    fn told(self) -> ImportReport {
        let mut report = ImportReport { set_aside: self.aside.found, ..self.report };
        if self.n_unknown > 0 {
            report.notes.push(format!(
                "files of {} runs and models went through a server: name its folder with `--artifacts` to bring them in, too",
                self.n_unknown
            ));
        }
        if report.files.elsewhere > 0 {
            report.notes.push(format!(
                "files of {} runs and models stay where they are, and clients fetch them there",
                report.files.elsewhere
            ));
        }
        report
    }
}
