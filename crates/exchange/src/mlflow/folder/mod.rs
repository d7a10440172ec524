//! The folder `mlruns/`: a folder an experiment, in it one a run, logged model and trace, and a file a parameter, tag and metric.
//!
//! Deleted experiments are below `.trash`, and the registry is below `models`.

mod meta;
mod models;
mod points;
mod runs;
mod traces;

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use baton_tracking::Lifecycle;
use baton_tracking::experiment::Experiment;
use baton_tracking::logged_model::LoggedModel;
use baton_tracking::registry::WholeModel;
use baton_tracking::run::WholeRun;
use baton_tracking::trace::WholeTrace;

use self::meta::Meta;
pub(in crate::mlflow) use self::traces::of_file as spans_of_file;
use crate::aside::Aside;
use crate::error::Result;
use crate::files::{self, Files};
use crate::source::Source;

/// Folders of an experiment that are no runs.
const RESERVED: [&str; 4] = ["tags", "datasets", "models", "traces"];
/// The folder of the registry.
const REGISTRY: &str = "models";
/// The folder of experiments that were deleted.
pub(super) const TRASH: &str = ".trash";

/// A folder `mlruns/`.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) root: PathBuf,
    pub(super) files: Files,
}

impl Folder {
    /// The folder of an experiment.
    fn of(&self, experiment: &Experiment) -> PathBuf {
        let name = experiment.id.to_string();
        let place = self.root.join(&name);
        if place.exists() { place } else { self.root.join(TRASH).join(name) }
    }
}

#[async_trait]
impl Source for Folder {
    async fn experiments(&self, aside: &mut Aside) -> Result<Vec<Experiment>> {
        let mut found = Vec::new();
        for folder in [self.root.clone(), self.root.join(TRASH)] {
            for (path, name) in files::entries(&folder, aside).unwrap_or_default() {
                let is_other = name.starts_with('.') || (name == REGISTRY && folder == self.root) || !path.is_dir();
                if !is_other {
                    let file = path.join("meta.yaml");
                    let read = experiment(&path, &file, aside);
                    found.extend(aside.some(file.display(), read));
                }
            }
        }
        Ok(found)
    }

    async fn run_ids(&self, experiment: &Experiment, aside: &mut Aside) -> Result<Vec<String>> {
        let entries = files::entries(&self.of(experiment), aside).unwrap_or_default();
        let runs = entries.into_iter().filter(|(path, name)| path.is_dir() && !RESERVED.contains(&name.as_str()));
        Ok(runs.map(|(_, name)| name).collect())
    }

    async fn run(&self, experiment: &Experiment, run_id: &str, aside: &mut Aside) -> Result<Option<WholeRun>> {
        let folder = self.of(experiment);
        let read = runs::read(&folder, run_id, aside);
        Ok(aside.some(folder.join(run_id).join("meta.yaml").display(), read))
    }

    async fn logged_models(&self, experiment: &Experiment, aside: &mut Aside) -> Result<Vec<(LoggedModel, bool)>> {
        let folder = self.of(experiment).join("models");
        let mut found = Vec::new();
        for name in meta::described(&folder, aside) {
            let read = models::logged(&folder.join(&name), aside);
            found.extend(aside.some(folder.join(&name).join("meta.yaml").display(), read));
        }
        Ok(found)
    }

    async fn trace_ids(&self, experiment: &Experiment, aside: &mut Aside) -> Result<Vec<String>> {
        let entries = files::entries(&self.of(experiment).join("traces"), aside).unwrap_or_default();
        Ok(entries.into_iter().filter(|(path, _)| path.is_dir()).map(|(_, name)| name).collect())
    }

    async fn trace(&self, experiment: &Experiment, trace_id: &str, aside: &mut Aside) -> Result<Option<WholeTrace>> {
        let folder = self.of(experiment).join("traces").join(trace_id);
        let read = traces::read(&folder, trace_id, aside);
        Ok(aside.some(folder.join("trace_info.yaml").display(), read))
    }

    async fn registered_models(&self, aside: &mut Aside) -> Result<Vec<WholeModel>> {
        let folder = self.root.join(REGISTRY);
        let mut found = Vec::new();
        for name in meta::described(&folder, aside) {
            let read = models::registered(&folder.join(&name), aside);
            found.extend(aside.some(folder.join(&name).join("meta.yaml").display(), read));
        }
        Ok(found)
    }

    fn files(&self) -> &Files {
        &self.files
    }
}

fn experiment(folder: &Path, file: &Path, aside: &mut Aside) -> Result<Experiment, String> {
    let meta = Meta::read(file)?;
    let id = meta.number("experiment_id").ok_or("has no `experiment_id` that is a number")?;
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if name != id.to_string() {
        return Err(format!("says experiment {id}, and its folder is `{name}`"));
    }
    Ok(Experiment {
        id,
        name: meta.need("name")?,
        artifact_location: meta.text("artifact_location").unwrap_or_default(),
        lifecycle: lifecycle(&meta),
        creation_time: meta.number("creation_time").unwrap_or_default(),
        last_update_time: meta.number("last_update_time").unwrap_or_default(),
        tags: meta::texts(&folder.join("tags"), aside),
    })
}

fn lifecycle(meta: &Meta) -> Lifecycle {
    match meta.text("lifecycle_stage").as_deref() {
        Some("deleted") => Lifecycle::Deleted,
        _ => Lifecycle::Active,
    }
}
