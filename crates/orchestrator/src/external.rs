//! Jobs and datasets of other tools, as they told of them in OpenLineage: what they read and write, and which of their
//! datasets are assets of the project.
//!
//! Only what is news is recorded: a job that runs every minute in the same way is one fact.

mod report;
mod walk;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use baton_core::event::EventFilter;
use baton_core::{AssetName, Definition, EventKind, NewEvent};
use serde::{Deserialize, Serialize};
use serde_json::json;

pub use self::report::{Reported, ReportedDataset};
pub(crate) use self::walk::add_external;

use crate::error::RunError;
use crate::execution::{namespace, origin};
use crate::prepare::Prepared;
use crate::services::Services;

/// What tells a job or a dataset from others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ExternalName {
    /// Whose it is: a scheduler, a database, `file`.
    pub namespace: String,
    /// Its name there.
    pub name: String,
}

impl fmt::Display for ExternalName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.namespace, self.name)
    }
}

/// A job of another tool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExternalJob {
    /// The tool, as it calls itself.
    pub tool: Option<String>,
    /// What it was seen to read.
    pub inputs: BTreeSet<ExternalName>,
    /// What it was seen to write.
    pub outputs: BTreeSet<ExternalName>,
}

/// A dataset of another tool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExternalDataset {
    /// Its columns, as last told.
    pub columns: Vec<String>,
    /// Other names of the same.
    pub aliases: BTreeSet<ExternalName>,
}

/// All that other tools told of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExternalLineage {
    /// Jobs by name.
    pub jobs: BTreeMap<ExternalName, ExternalJob>,
    /// Datasets by name.
    pub datasets: BTreeMap<ExternalName, ExternalDataset>,
}

/// A job or dataset of another tool, in a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExternalLine {
    /// Namespace and name.
    pub name: String,
    /// `external job` or `external dataset`.
    pub kind: &'static str,
    /// What it is: a job's tool, a dataset's columns.
    pub description: Option<String>,
}

impl ExternalLineage {
    /// What was told in an environment so far.
    ///
    /// # Errors
    /// Those of the ledger.
    pub async fn read(services: &Services, environment: &str) -> Result<Self, RunError> {
        let filter = EventFilter {
            environment: Some(environment.to_owned()),
            kinds: vec![EventKind::ExternalReported],
            ..EventFilter::default()
        };
        let mut lineage = Self::default();
        for event in services.ledger.events(&filter).await? {
            if let Ok(reported) = serde_json::from_value::<Reported>(event.event.body) {
                lineage.absorb(&reported);
            }
        }
        Ok(lineage)
    }

    /// Takes in what was told; answers whether it is news.
    pub fn absorb(&mut self, reported: &Reported) -> bool {
        let before = self.clone();
        let names = |datasets: &[ReportedDataset]| -> Vec<ExternalName> {
            datasets.iter().map(|dataset| dataset.name.clone()).collect()
        };
        if let Some(name) = &reported.job {
            let job = self.jobs.entry(name.clone()).or_default();
            job.tool = reported.tool.clone().or_else(|| job.tool.take());
            job.inputs.extend(names(&reported.inputs));
            job.outputs.extend(names(&reported.outputs));
        }
        for told in reported.inputs.iter().chain(&reported.outputs) {
            let dataset = self.datasets.entry(told.name.clone()).or_default();
            if !told.columns.is_empty() {
                dataset.columns.clone_from(&told.columns);
            }
            dataset.aliases.extend(told.aliases.iter().cloned());
        }
        *self != before
    }

    /// Jobs and datasets in a line each, without datasets that are assets of the project.
    pub fn lines(&self, prepared: &Prepared, environment: &str, folder: &Path) -> Vec<ExternalLine> {
        let known = Known::of(prepared, environment, folder);
        let jobs = self.jobs.iter().map(|(name, job)| ExternalLine {
            name: name.to_string(),
            kind: JOB,
            description: job.tool.clone(),
        });
        let datasets = self.datasets.iter().filter(|(name, _)| known.asset(name, self).is_none());
        let datasets = datasets.map(|(name, dataset)| ExternalLine {
            name: name.to_string(),
            kind: DATASET,
            description: (!dataset.columns.is_empty()).then(|| dataset.columns.join(", ")),
        });
        datasets.chain(jobs).collect()
    }
}

/// Records what another tool told.
///
/// # Errors
/// Those of the ledger.
pub async fn record_external(services: &Services, environment: &str, reported: &Reported) -> Result<(), RunError> {
    let now = services.clock.now();
    let key = reported.job.as_ref().map_or_else(String::new, ToString::to_string);
    let event = NewEvent {
        at: now,
        as_of: now,
        environment: environment.to_owned(),
        run: None,
        asset: None,
        kind: EventKind::ExternalReported,
        key,
        body: json!(reported),
    };
    Ok(services.ledger.append(vec![event]).await.map(drop)?)
}

const JOB: &str = "external job";
const DATASET: &str = "external dataset";

/// Which datasets are assets of the project: by their own name in Baton, or as the origin of a source.
struct Known<'p> {
    prepared: &'p Prepared,
    namespace: String,
    origins: Vec<(&'p AssetName, ExternalName)>,
}

impl<'p> Known<'p> {
    fn of(prepared: &'p Prepared, environment: &str, folder: &Path) -> Self {
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        let of_source = |(name, asset): (&'p AssetName, &'p baton_core::Asset)| match &asset.definition {
            Definition::Source(source) => {
                let (namespace, origin) = origin(source, &folder);
                Some((name, ExternalName { namespace, name: origin }))
            }
            _ => None,
        };
        let origins = prepared.project.assets.iter().filter_map(of_source).collect();
        Self { prepared, namespace: namespace(&prepared.project.name, environment), origins }
    }

    /// The asset that a dataset is, by one of its names.
    fn asset(&self, dataset: &ExternalName, lineage: &ExternalLineage) -> Option<&'p AssetName> {
        let aliases = lineage.datasets.get(dataset).into_iter().flat_map(|found| &found.aliases);
        [dataset].into_iter().chain(aliases).find_map(|name| self.named(name))
    }

    fn named(&self, dataset: &ExternalName) -> Option<&'p AssetName> {
        if dataset.namespace == self.namespace {
            return self.prepared.project.assets.get_key_value(dataset.name.as_str()).map(|(name, _)| name);
        }
        self.origins.iter().find(|(_, origin)| is_same(origin, dataset)).map(|(name, _)| *name)
    }
}

/// Whether a dataset is the origin of a source: a file or folder that its pattern covers, or the table that it reads,
/// which others name with their database before it.
fn is_same(origin: &ExternalName, dataset: &ExternalName) -> bool {
    if origin.namespace != dataset.namespace {
        return false;
    }
    if origin.namespace != "file" {
        return origin.name == dataset.name || dataset.name.ends_with(&format!(".{}", origin.name));
    }
    let pattern = origin.name.as_str();
    let Some(wild) = pattern.find(['*', '?', '[']) else { return pattern == dataset.name };
    let (folder, rest) = pattern.split_at(pattern[..wild].rfind('/').map_or(0, |slash| slash + 1));
    let name = dataset.name.trim_end_matches('/');
    let ending = rest.rsplit(['*', '?', ']']).next().unwrap_or_default();
    name == folder.trim_end_matches('/') || (name.starts_with(&pattern[..wild]) && name.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(namespace: &str, name: &str) -> ExternalName {
        ExternalName { namespace: namespace.to_owned(), name: name.to_owned() }
    }

    #[test]
    fn origins_are_known_by_the_names_that_others_give_them() {
        let table = name("postgres://db:5432", "public.orders");
        assert!(is_same(&table, &name("postgres://db:5432", "shop.public.orders")));
        assert!(!is_same(&table, &name("postgres://other:5432", "shop.public.orders")));
        assert!(!is_same(&table, &name("postgres://db:5432", "shop.public.reorders")));
        let files = name("file", "/data/landing/orders-*.csv");
        for same in ["/data/landing", "/data/landing/", "/data/landing/orders-7.csv"] {
            assert!(is_same(&files, &name("file", same)), "{same}");
        }
        for other in ["/data", "/data/landing/items.csv", "/data/landing/orders-7.parquet"] {
            assert!(!is_same(&files, &name("file", other)), "{other}");
        }
    }

    #[test]
    fn only_news_are_news() {
        let dataset = |column: &str| ReportedDataset {
            name: name("db", "orders"),
            columns: vec![column.to_owned()],
            aliases: Vec::new(),
        };
        let reported = |column: &str| Reported {
            job: Some(name("airflow", "load")),
            tool: Some("AIRFLOW".to_owned()),
            inputs: Vec::new(),
            outputs: vec![dataset(column)],
        };
        let mut lineage = ExternalLineage::default();
        assert!(lineage.absorb(&reported("id")));
        assert!(!lineage.absorb(&reported("id")));
        assert!(lineage.absorb(&reported("order_id")));
        // Facts add up: an event that says nothing of a dataset takes nothing away.
        let start = Reported { outputs: Vec::new(), tool: None, ..reported("id") };
        assert!(!lineage.absorb(&start));
    }
}
