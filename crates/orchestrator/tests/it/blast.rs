//! The blast radius held against brute force: random edits, each planned, and each applied from nothing in a folder of
//! its own, so that no fingerprint and no cache has a say in what really changed.

mod edits;
mod generated;
mod of_flights;
mod outputs;
mod random;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use baton_core::{AssetName, Definition, Timestamp};
use baton_orchestrator::{Prepared, apply, plan, prepare};
use baton_plan::{Change, ChangedOutput, Plan};
use futures::StreamExt;
use tempfile::TempDir;

use crate::flights::{Flights, day, set_arrival};
use generated::Spec;
use outputs::{Output, outputs};
use random::Random;

/// The text of a project, by file.
type Files = BTreeMap<String, String>;

type Outputs = BTreeMap<AssetName, Output>;

/// An edit, and what Baton says of it.
struct Predicted {
    title: String,
    files: Files,
    plan: Plan,
}

/// How a prediction came out.
#[derive(Default)]
struct Score {
    edits: usize,
    /// The precisions of the edits, summed.
    precisions: f64,
    predicted: usize,
    /// Made again, whatever comes of it: what fingerprints alone would predict.
    made_again: usize,
    changed: usize,
    hits: usize,
    /// Changed outputs outside of the prediction, or differences outside of the columns that it names.
    missed: Vec<String>,
    /// Predicted and the same.
    idle: Vec<String>,
}

impl Score {
    fn add(&mut self, other: Self) {
        self.edits += other.edits;
        self.precisions += other.precisions;
        self.predicted += other.predicted;
        self.made_again += other.made_again;
        self.changed += other.changed;
        self.hits += other.hits;
        self.missed.extend(other.missed);
        self.idle.extend(other.idle);
    }

    fn told(&self) -> String {
        let (changed, predicted, missed) = (self.changed, self.predicted, self.missed.len());
        let (recall, precision) = (self.recall(), self.precision());
        let of_made = share(self.hits, self.made_again);
        format!(
            "{changed} changed, {predicted} predicted of {} made again, {missed} missed, recall {recall:.4}, precision \
             {precision:.4} ({of_made:.4} of what is made again)",
            self.made_again
        )
    }

    fn precision(&self) -> f64 {
        share(self.hits, self.predicted)
    }

    fn recall(&self) -> f64 {
        share(self.hits, self.changed)
    }
}

fn share(part: usize, all: usize) -> f64 {
    if all == 0 { 1.0 } else { part as f64 / all as f64 }
}

#[tokio::test(flavor = "multi_thread")]
async fn blast_radius_holds_every_change() {
    let mut total = of_flights().await;
    total.add(of_generated().await);
    println!("both: {}", total.told());
    assert!(total.missed.is_empty(), "{:#?}", total.missed);
    let mean = total.precisions / total.edits as f64;
    println!("mean precision of an edit {mean:.4} over {} edits", total.edits);
    assert!(total.edits >= 60 && mean >= 0.9, "{mean}: {:#?}", total.idle);
    assert!(total.precision() >= 0.9, "{}: {:#?}", total.told(), total.idle);
    // What is made again includes all that changes: nothing is left out on the strength of a proof.
    assert!(total.made_again >= total.predicted);
}

async fn of_generated() -> Score {
    const SEED: u64 = 3;
    let spec = Spec::from_seed(SEED);
    let folder = TempDir::new().unwrap();
    for (file, text) in generated::landing(SEED) {
        let path = folder.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        set_arrival(&path, day("2024-02-01"));
    }
    write(folder.path(), &spec.files());
    let base = Flights::in_folder(folder).await;
    let random = &mut Random::from_seed(SEED);
    let candidates = std::iter::repeat(edits::KINDS).flatten().filter_map(|kind| {
        let (title, edited) = edits::edit(&spec, kind, random)?;
        Some((title, edited.files()))
    });
    hold(&base, day("2024-12-01"), candidates, 48, "a generated project").await
}

async fn of_flights() -> Score {
    let base = Flights::small(&["2013-02"]).await;
    let files = read(base.folder.path());
    let random = &mut Random::from_seed(2013);
    let candidates = std::iter::repeat_with(|| of_flights::edit(&files, random)).flatten();
    hold(&base, day("2013-03-02"), candidates, 14, "flights").await
}

/// Plans `wanted` of the edits against the applied project, applies each from nothing, and compares.
async fn hold(
    base: &Flights,
    as_of: Timestamp,
    candidates: impl Iterator<Item = (String, Files)>,
    wanted: usize,
    of: &str,
) -> Score {
    let files = read(base.folder.path());
    let prepared = base.applied("dev", as_of).await;
    let before = outputs(base, &prepared, "dev", as_of).await;
    let mut edits = Vec::new();
    let mut titles = BTreeSet::new();
    for (title, edited) in candidates.take(20 * wanted) {
        if edits.len() < wanted && edited != files && titles.insert(title.clone()) {
            edits.extend(predicted(base, title, edited, as_of).await);
        }
    }
    write(base.folder.path(), &files);
    assert_eq!(edits.len(), wanted);
    let empty = before.values().filter(|output| output.is_empty()).count();
    println!("{of}: {} outputs, {empty} of them without rows", before.len());
    let scores = futures::stream::iter(edits).map(|edit| scored(base, edit, &prepared, &before, as_of));
    let mut total = Score::default();
    let mut scores = std::pin::pin!(scores.buffered(2));
    while let Some((title, score)) = scores.next().await {
        println!("{title}: {}", score.told());
        total.edits += 1;
        total.precisions += score.precision();
        total.add(score);
    }
    println!("{of}: {wanted} edits, {}", total.told());
    total
}

/// What Baton says of an edit; `None` when the edited project has errors.
async fn predicted(base: &Flights, title: String, files: Files, as_of: Timestamp) -> Option<Predicted> {
    write(base.folder.path(), &files);
    let prepared = try_prepared(base, as_of).await?;
    let plan = plan(&base.services, &prepared, "dev", as_of).await.unwrap();
    Some(Predicted { title, files, plan })
}

async fn try_prepared(project: &Flights, as_of: Timestamp) -> Option<Prepared> {
    let loaded = baton_project::load(project.folder.path());
    if baton_diagnostics::has_errors(&loaded.diagnostics) {
        return None;
    }
    prepare(&project.services, loaded.project, "dev", as_of).await.unwrap().0
}

/// Applies an edit from nothing and compares what changed with what was said.
async fn scored(
    base: &Flights,
    edit: Predicted,
    was: &Prepared,
    before: &Outputs,
    as_of: Timestamp,
) -> (String, Score) {
    let folder = TempDir::new().unwrap();
    copy_with_times(&base.path("landing"), &folder.path().join("landing"));
    copy_with_times(&base.path("runbooks"), &folder.path().join("runbooks"));
    write(folder.path(), &edit.files);
    let copy = Flights::in_folder(folder).await;
    let prepared = copy.prepared("dev", as_of).await;
    let planned = plan(&copy.services, &prepared, "dev", as_of).await.unwrap();
    let report = apply(&copy.services, &prepared, &planned).await.unwrap();
    assert!(report.succeeded(), "{}: {:?}", edit.title, report.failures().collect::<Vec<_>>());
    let after = outputs(&copy, &prepared, "dev", as_of).await;
    let changed = changed(was, &prepared, before, &after);
    let score = score(&edit, &changed, before, &after);
    (edit.title, score)
}

/// The outputs that differ. What has no rows of its own differs with what it reads: an endpoint answers from its model
/// and the features of today, an exposure shows whatever was there of the assets that it names.
fn changed(was: &Prepared, now: &Prepared, before: &Outputs, after: &Outputs) -> BTreeSet<AssetName> {
    let mut changed = BTreeSet::new();
    let mut broken = BTreeSet::new();
    let order = was.desired.order.iter().chain(now.desired.order.iter().filter(|name| !before.contains_key(*name)));
    for name in order {
        let (one, other) = match (before.get(name), after.get(name)) {
            (None, None) => continue,
            (Some(one), Some(other)) => (one, other),
            _ => {
                changed.insert(name.clone());
                broken.insert(name.clone());
                continue;
            }
        };
        let by_input = match &now.project.assets[name].definition {
            Definition::Endpoint(_) => now.graph.inputs(name).any(|read| is_answer(now, read) && broken.contains(read)),
            Definition::Exposure(_) => now.graph.inputs(name).any(|read| broken.contains(read)),
            _ => false,
        };
        if by_input || one.breaks(other) {
            broken.insert(name.clone());
        }
        if by_input || one.differs(other) {
            changed.insert(name.clone());
        }
    }
    changed
}

fn is_answer(prepared: &Prepared, name: &AssetName) -> bool {
    matches!(prepared.project.assets[name].definition, Definition::Model(_) | Definition::FeatureView(_))
}

fn score(edit: &Predicted, changed: &BTreeSet<AssetName>, before: &Outputs, after: &Outputs) -> Score {
    let is_held = |name: &AssetName| before.contains_key(name) || after.contains_key(name);
    let radius = edit.plan.blast_radius.outputs.iter().map(|output| &output.asset);
    let data = edit.plan.assets.iter().filter(|asset| asset.change == Change::Data).map(|asset| &asset.name);
    let predicted: BTreeSet<&AssetName> = radius.chain(data).filter(|name| is_held(name)).collect();
    let missed = changed.iter().filter(|name| !predicted.contains(name));
    let outside = edit.plan.blast_radius.outputs.iter().filter(|output| !is_within(output, before, after));
    let stays = edit.plan.blast_radius.unchanged.iter().filter(|stays| is_held(&stays.asset)).count();
    Score {
        predicted: predicted.len(),
        made_again: predicted.len() + stays,
        changed: changed.len(),
        hits: predicted.iter().filter(|name| changed.contains(**name)).count(),
        missed: missed
            .map(|name| format!("{}: {name}", edit.title))
            .chain(outside.map(|output| format!("{}: {} beyond {:?}", edit.title, output.asset, output.columns)))
            .collect(),
        idle: predicted
            .iter()
            .filter(|name| !changed.contains(**name))
            .map(|name| format!("{}: {name}", edit.title))
            .collect(),
        ..Score::default()
    }
}

/// Whether an output differs in no column but those that the prediction names, where it names some.
fn is_within(output: &ChangedOutput, before: &Outputs, after: &Outputs) -> bool {
    match (before.get(&output.asset), after.get(&output.asset)) {
        (Some(one), Some(other)) if !output.rows => one.differs_within(other, &output.columns.iter().collect()),
        _ => true,
    }
}

/// Every project file below a folder.
fn read(folder: &Path) -> Files {
    let mut files = Files::new();
    for below in ["", "tables"] {
        for entry in std::fs::read_dir(folder.join(below)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|kind| kind == "yml" || kind == "sql") {
                let name = path.strip_prefix(folder).unwrap().display().to_string();
                files.insert(name, std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    files
}

/// Makes `files` the project files of a folder.
fn write(folder: &Path, files: &Files) {
    std::fs::create_dir_all(folder.join("tables")).unwrap();
    for old in read(folder).keys().filter(|old| !files.contains_key(*old)) {
        std::fs::remove_file(folder.join(old)).unwrap();
    }
    for (name, text) in files {
        std::fs::write(folder.join(name), text).unwrap();
    }
}

fn copy_with_times(from: &Path, to: &Path) {
    if !from.exists() {
        return;
    }
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_with_times(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).unwrap();
            let modified = entry.metadata().unwrap().modified().unwrap();
            std::fs::File::options().write(true).open(&target).unwrap().set_modified(modified).unwrap();
        }
    }
}
