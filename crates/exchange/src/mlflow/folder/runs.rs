//! A run's folder.

use std::path::Path;

use baton_tracking::Tag;
use baton_tracking::input::{Dataset, DatasetInput, ModelOutput};
use baton_tracking::run::{RunInfo, STATUSES, WholeRun};

use super::meta::{self, Meta};
use super::{lifecycle, points};
use crate::aside::Aside;
use crate::files;

/// The tag that repeats a run's name, and the only one that has it in old folders.
const NAME_TAG: &str = "mlflow.runName";

/// Reads the run in `run_id` of an experiment's folder.
pub(super) fn read(experiment: &Path, run_id: &str, aside: &mut Aside) -> Result<WholeRun, String> {
    let folder = experiment.join(run_id);
    let meta = Meta::read(&folder.join("meta.yaml"))?;
    let said = meta.text("run_id").or_else(|| meta.text("run_uuid")).ok_or("has no `run_id`")?;
    if said != run_id {
        return Err(format!("says run `{said}`, and its folder is `{run_id}`"));
    }
    let tags = meta::texts(&folder.join("tags"), aside);
    let tagged = || tags.iter().find(|tag| tag.key == NAME_TAG).map(|tag| tag.value.clone());
    let name = meta.text("run_name").or_else(|| meta.text("name")).filter(|name| !name.is_empty()).or_else(tagged);
    let info = RunInfo {
        run_id: said,
        experiment: 0,
        name: name.unwrap_or_default(),
        user_id: meta.text("user_id").unwrap_or_default(),
        status: status(&meta)?.to_owned(),
        start_time: meta.number("start_time").unwrap_or_default(),
        end_time: meta.number("end_time"),
        lifecycle: lifecycle(&meta),
        artifact_uri: meta.text("artifact_uri").unwrap_or_else(|| folder.join("artifacts").display().to_string()),
    };
    Ok(WholeRun {
        info,
        deleted_time: meta.number("deleted_time"),
        points: points::of_run(&folder.join("metrics"), aside),
        params: meta::texts(&folder.join("params"), aside),
        tags,
        datasets: datasets(experiment, &folder, aside),
        models: linked(&folder.join("inputs"), "MODEL_INPUT", aside).into_iter().map(|(model, _)| model).collect(),
        outputs: outputs(&folder, aside),
    })
}

/// The status, which folders have as a number.
fn status(meta: &Meta) -> Result<&'static str, String> {
    const BY_NUMBER: [&str; 5] = ["RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"];
    match (meta.number("status"), meta.text("status")) {
        (Some(number), _) => {
            let place = usize::try_from(number - 1).ok();
            place
                .and_then(|place| BY_NUMBER.get(place).copied())
                .ok_or_else(|| format!("has status {number}, which is none"))
        }
        (None, Some(word)) => {
            let known = STATUSES.iter().find(|known| **known == word).copied();
            known.ok_or_else(|| format!("has status `{word}`, which is none"))
        }
        (None, None) => Err("has no `status`".to_owned()),
    }
}

fn datasets(experiment: &Path, run: &Path, aside: &mut Aside) -> Vec<DatasetInput> {
    let mut found = Vec::new();
    for (id, link) in linked(&run.join("inputs"), "RUN", aside) {
        let file = experiment.join("datasets").join(&id).join("meta.yaml");
        let read = Meta::read(&file).and_then(|meta| dataset(&meta));
        if let Some(dataset) = aside.some(file.display(), read) {
            let tags = link.0.get("tags").and_then(|tags| tags.as_object()).into_iter().flatten();
            let text = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let tags = tags.map(|(key, value)| Tag { key: key.clone(), value: text(value) }).collect();
            found.push(DatasetInput { dataset, tags });
        }
    }
    found
}

fn dataset(meta: &Meta) -> Result<Dataset, String> {
    Ok(Dataset {
        name: meta.need("name")?,
        digest: meta.need("digest")?,
        source_type: meta.need("source_type")?,
        source: meta.text("source").unwrap_or_default(),
        schema: meta.text("schema"),
        profile: meta.text("profile"),
    })
}

fn outputs(run: &Path, aside: &mut Aside) -> Vec<ModelOutput> {
    let links = linked(&run.join("outputs"), "MODEL_OUTPUT", aside);
    let output =
        |(model_id, link): (String, Meta)| ModelOutput { step: link.number("step").unwrap_or_default(), model_id };
    links.into_iter().map(output).collect()
}

/// What a run is linked to: the other end's id, and the link. Of a dataset the source is the other end, of a model the
/// destination.
fn linked(folder: &Path, kind: &str, aside: &mut Aside) -> Vec<(String, Meta)> {
    let mut found = Vec::new();
    for (path, _) in files::entries(folder, aside).unwrap_or_default() {
        let file = path.join("meta.yaml");
        let Some(link) = aside.some(file.display(), Meta::read(&file)) else { continue };
        if link.text("destination_type").as_deref() != Some(kind) {
            continue;
        }
        let end = if kind == "RUN" { "source_id" } else { "destination_id" };
        if let Some(id) = aside.some(file.display(), link.need(end)) {
            found.push((id, link));
        }
    }
    found
}
