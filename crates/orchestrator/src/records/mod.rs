//! What Baton records, as tables of a query: tracked runs with what they logged, models, checks, steps, commits, predictions.
//!
//! They stand in the schema `baton`, beside the tables of the lake, and are read when a query asks for them: of a million points of
//! metrics only those of the runs and keys that it looks at. They say what is recorded now, whatever clock a query has.

mod ledger;
mod models;
mod predictions;
mod shape;
mod tracked;

use std::collections::BTreeMap;
use std::sync::Arc;

use baton_core::{AssetName, Commit, Pin};
use baton_engine::{RecordSource, TableInput};
use baton_tracking::tables::TrackedTable;

pub use self::shape::{Cell, Kind, Shape, batch_of, schema_of};

use self::ledger::{Checks, CommitAssets, Commits, PipelineRuns, Steps};
use self::models::{ModelVersions, Models};
use self::predictions::Predictions;
use self::shape::Listed;
use self::tracked::Tracked;
use crate::services::Services;

/// Records by name.
pub type Records = BTreeMap<String, Arc<dyn RecordSource>>;

/// All records that a query over `commit` sees. `tables` are its tables; `served` are predictions that endpoints answered, in the columns
/// of [`prediction_columns`], where somebody keeps them.
pub(crate) fn records(
    services: &Services,
    commit: &Commit,
    tables: &BTreeMap<String, TableInput>,
    served: Option<Arc<dyn RecordSource>>,
) -> Records {
    let (ledger, operations) = (&services.ledger, &services.operations);
    let mut records = Records::new();
    for table in TrackedTable::ALL.into_iter().filter(|table| *table != TrackedTable::ModelVersions) {
        let source = Tracked::new(Arc::clone(&services.tracking), table);
        records.insert(table.name().to_owned(), Arc::new(source));
    }
    let aliases = aliases_of(&commit.assets);
    let predictions = Predictions::new(services.engine.clone(), commit, tables, served);
    let all: [(&str, Arc<dyn RecordSource>); 8] = [
        ("checks", Arc::new(Listed(Arc::new(Checks(Arc::clone(ledger)))))),
        ("commits", Arc::new(Listed(Arc::new(Commits(Arc::clone(ledger)))))),
        ("commit_assets", Arc::new(Listed(Arc::new(CommitAssets(Arc::clone(ledger)))))),
        ("pipeline_runs", Arc::new(Listed(Arc::new(PipelineRuns(Arc::clone(operations)))))),
        ("steps", Arc::new(Listed(Arc::new(Steps(Arc::clone(operations)))))),
        ("models", Arc::new(Listed(Arc::new(Models(ModelVersions::of(services, aliases.clone())))))),
        ("model_versions", Arc::new(Listed(Arc::new(ModelVersions::of(services, aliases))))),
        ("predictions", Arc::new(predictions)),
    ];
    records.extend(all.map(|(name, source)| (name.to_owned(), source)));
    records
}

/// The columns of predictions.
pub fn prediction_columns() -> Shape {
    predictions::COLUMNS
}

/// The aliases of trained models: by model and version number.
fn aliases_of(pins: &BTreeMap<AssetName, Pin>) -> BTreeMap<(String, u32), Vec<String>> {
    let mut found: BTreeMap<(String, u32), Vec<String>> = BTreeMap::new();
    for (name, pin) in pins {
        for (alias, number) in crate::training::aliases_of(Some(pin)) {
            found.entry((name.to_string(), number)).or_default().push(alias);
        }
    }
    found
}
