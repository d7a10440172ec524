//! Models and their versions: those that the project trained, and those that clients registered.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use baton_core::EventKind;
use baton_core::event::EventFilter;
use baton_core::ports::Ledger;
use baton_engine::Condition;
use baton_tracking::TrackingStore;
use baton_tracking::tables::{Only, TrackedTable, Values};

use super::shape::{Cell, Kind, List, Shape};
use crate::registry::ModelVersion;
use crate::services::Services;
use crate::tracked::RunTracking;

/// Rows of a page.
const PAGE: usize = 8_192;

/// Versions of all models.
pub(super) struct ModelVersions {
    ledger: Arc<dyn Ledger>,
    tracking: Arc<dyn RunTracking>,
    aliases: BTreeMap<(String, u32), Vec<String>>,
}

/// All models.
pub(super) struct Models(pub(super) ModelVersions);

impl ModelVersions {
    pub(super) fn of(services: &Services, aliases: BTreeMap<(String, u32), Vec<String>>) -> Self {
        Self { ledger: Arc::clone(&services.ledger), tracking: Arc::clone(&services.tracking), aliases }
    }

    async fn trained(&self, runs: &BTreeMap<String, String>) -> Result<Vec<Vec<Cell>>, String> {
        let filter = EventFilter { kinds: vec![EventKind::ModelRegistered], ..EventFilter::default() };
        let events = self.ledger.events(&filter).await.map_err(|error| error.to_string())?;
        let row = |found: baton_core::Event| {
            let at = found.event.at;
            let version: ModelVersion = serde_json::from_value(found.event.body).ok()?;
            let aliases = self.aliases.get(&(version.model.to_string(), version.number));
            let metrics = serde_json::to_string(&version.evaluation.metrics).unwrap_or_default();
            Some(vec![
                Cell::text(&version.model),
                Cell::integer(version.number),
                Cell::maybe(runs.get(&version.reference()), Cell::text),
                Cell::maybe(aliases, |aliases| Cell::Text(aliases.join(","))),
                Cell::Null,
                Cell::Text(version.artifact.clone()),
                Cell::time(at),
                Cell::Flag(true),
                Cell::text(&version.algorithm),
                Cell::text(&version.digest),
                Cell::Flag(version.passed()),
                Cell::text(&version.training_set),
                Cell::integer(version.rows),
                Cell::time(version.as_of),
                Cell::Text(metrics),
            ])
        };
        Ok(events.into_iter().filter_map(row).collect())
    }
}

#[async_trait]
impl List for ModelVersions {
    fn shape(&self) -> Shape {
        &[
            ("model", Kind::Text),
            ("version", Kind::Integer),
            ("run_id", Kind::Text),
            ("aliases", Kind::Text),
            ("stage", Kind::Text),
            ("source", Kind::Text),
            ("registered_at", Kind::Time),
            ("is_trained", Kind::Flag),
            ("algorithm", Kind::Text),
            ("digest", Kind::Text),
            ("passed", Kind::Flag),
            ("training_set", Kind::Text),
            ("rows", Kind::Integer),
            ("as_of", Kind::Time),
            ("metrics", Kind::Text),
        ]
    }

    async fn rows(&self, _conditions: &[Condition]) -> Result<Vec<Vec<Cell>>, String> {
        let store = self.tracking.store().await.map_err(|error| error.to_string())?;
        let runs = match &store {
            Some(store) => runs_of_versions(store).await?,
            None => BTreeMap::new(),
        };
        let mut rows = self.trained(&runs).await?;
        if let Some(store) = &store {
            for page in pages(store, TrackedTable::ModelVersions, &[]).await? {
                rows.extend(cells(page));
            }
        }
        Ok(rows)
    }
}

/// Which run made a version that the project trained: `model@number` to its run.
async fn runs_of_versions(store: &TrackingStore) -> Result<BTreeMap<String, String>, String> {
    let only = [Only::OneOf("key", vec!["baton.model_version".to_owned()])];
    let mut runs = BTreeMap::new();
    for page in pages(store, TrackedTable::Tags, &only).await? {
        if let [Values::Texts(ids), _, Values::Texts(versions)] = page.as_slice() {
            let pairs = versions.iter().flatten().zip(ids.iter().flatten());
            runs.extend(pairs.map(|(version, run)| (version.clone(), run.clone())));
        }
    }
    Ok(runs)
}

async fn pages(store: &TrackingStore, table: TrackedTable, only: &[Only]) -> Result<Vec<Vec<Values>>, String> {
    let (mut pages, mut after) = (Vec::new(), None);
    loop {
        let page = store.table_page(table, only, after, PAGE).await.map_err(|error| error.to_string())?;
        pages.push(page.columns);
        after = page.next;
        if after.is_none() {
            return Ok(pages);
        }
    }
}

/// Rows of a page of versions that clients registered, in the columns of all.
fn cells(columns: Vec<Values>) -> Vec<Vec<Cell>> {
    let rows = columns.first().map_or(0, |values| match values {
        Values::Texts(texts) => texts.len(),
        _ => 0,
    });
    let row = |row: usize| {
        let known = columns.iter().map(|values| cell(values, row));
        known.chain([Cell::Flag(false)]).collect()
    };
    (0..rows).map(row).collect()
}

fn cell(values: &Values, row: usize) -> Cell {
    match values {
        Values::Texts(texts) => Cell::maybe(texts[row].clone(), Cell::Text),
        Values::Integers(integers) => Cell::Integer(integers[row]),
        Values::Numbers(numbers) => Cell::Number(numbers[row]),
        Values::Times(times) => Cell::maybe(times[row], |millis| Cell::Time(millis.saturating_mul(1_000))),
    }
}

#[async_trait]
impl List for Models {
    fn shape(&self) -> Shape {
        &[
            ("model", Kind::Text),
            ("is_trained", Kind::Flag),
            ("versions", Kind::Integer),
            ("newest_version", Kind::Integer),
            ("registered_at", Kind::Time),
        ]
    }

    async fn rows(&self, conditions: &[Condition]) -> Result<Vec<Vec<Cell>>, String> {
        let mut models: BTreeMap<String, (bool, i64, i64, Cell)> = BTreeMap::new();
        for mut row in self.0.rows(conditions).await? {
            let is_trained = row[7] == Cell::Flag(true);
            let (Cell::Text(model), Cell::Integer(version)) = (row[0].clone(), row[1].clone()) else { continue };
            let at = std::mem::replace(&mut row[6], Cell::Null);
            let known = models.entry(model).or_insert((is_trained, 0, version, at));
            known.1 += 1;
            known.2 = known.2.max(version);
        }
        let row = |(model, (is_trained, versions, newest, at))| {
            vec![Cell::Text(model), Cell::Flag(is_trained), Cell::Integer(versions), Cell::Integer(newest), at]
        };
        Ok(models.into_iter().map(row).collect())
    }
}
