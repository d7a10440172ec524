//! What readers of every asset of an environment see, value by value, and where two environments differ.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use baton_core::{AssetName, Commit, Definition, Timestamp, Version};
use baton_engine::{Session, SessionInput, TableInput};
use baton_orchestrator::{Prepared, model_versions};

use crate::flights::Flights;

/// What an asset's readers see.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Output {
    /// Values by column; the name has the type behind it. Rows are in no order.
    columns: BTreeMap<String, (String, Vec<String>)>,
    /// What is no column: the ttl of a feature view, the digest of a model.
    rest: String,
}

impl Output {
    fn of(batches: &[RecordBatch], schema: &arrow::datatypes::SchemaRef, rest: String) -> Self {
        let options = FormatOptions::default().with_null("∅");
        let column = |index: usize| {
            let field = schema.field(index);
            let values = batches.iter().flat_map(|batch| {
                let shown = ArrayFormatter::try_new(batch.column(index).as_ref(), &options).unwrap();
                (0..batch.num_rows()).map(|row| shown.value(row).to_string()).collect::<Vec<_>>()
            });
            (field.name().clone(), (field.data_type().to_string(), values.collect()))
        };
        Self { columns: (0..schema.fields().len()).map(column).collect(), rest }
    }

    fn only(rest: String) -> Self {
        Self { rest, ..Self::default() }
    }

    /// Whether it has columns and no rows.
    pub(crate) fn is_empty(&self) -> bool {
        !self.columns.is_empty() && self.columns.values().all(|(_, values)| values.is_empty())
    }

    fn names(&self) -> BTreeSet<&String> {
        self.columns.keys().collect()
    }

    /// The rows over `columns`, in order of their text.
    fn rows(&self, columns: &BTreeSet<&String>) -> Vec<Vec<&str>> {
        let kept: Vec<&(String, Vec<String>)> = columns.iter().map(|name| &self.columns[*name]).collect();
        let count = kept.first().map_or(0, |(_, values)| values.len());
        let row = |index: usize| kept.iter().map(|(_, values)| values[index].as_str()).collect::<Vec<_>>();
        let mut rows: Vec<Vec<&str>> = (0..count).map(row).collect();
        rows.sort_unstable();
        rows
    }

    /// Columns that both have.
    fn shared<'a>(&'a self, other: &Self) -> BTreeSet<&'a String> {
        self.columns.keys().filter(|name| other.columns.contains_key(*name)).collect()
    }

    /// Whether `columns`, which both have, hold other rows or are of other types.
    fn differs_on(&self, other: &Self, columns: &BTreeSet<&String>) -> bool {
        let retyped = columns.iter().any(|name| self.columns[*name].0 != other.columns[*name].0);
        retyped || self.rows(columns) != other.rows(columns)
    }

    /// Whether readers of what was there see anything else.
    pub(crate) fn breaks(&self, now: &Self) -> bool {
        let shared = self.shared(now);
        self.rest != now.rest || shared.len() < self.columns.len() || self.differs_on(now, &shared)
    }

    /// Whether anything at all differs.
    pub(crate) fn differs(&self, now: &Self) -> bool {
        self.names() != now.names() || self.breaks(now)
    }

    /// Whether all that differs is in `columns`: the others are there in both, with the same rows over all of them.
    pub(crate) fn differs_within(&self, now: &Self, columns: &BTreeSet<&String>) -> bool {
        let came_or_went = |name: &&String| !(self.columns.contains_key(*name) && now.columns.contains_key(*name));
        let all: BTreeSet<&String> = self.names().union(&now.names()).copied().collect();
        let named = all.iter().filter(|name| came_or_went(name)).all(|name| columns.contains(name));
        let untouched: BTreeSet<&String> = self.shared(now).difference(columns).copied().collect();
        named && self.rest == now.rest && !self.differs_on(now, &untouched)
    }
}

/// What readers of every source, table, feature view, model, endpoint and exposure see at the clock.
pub(crate) async fn outputs(
    project: &Flights,
    prepared: &Prepared,
    environment: &str,
    as_of: Timestamp,
) -> BTreeMap<AssetName, Output> {
    let commit = project.services.ledger.head(environment).await.unwrap().unwrap();
    let session = session(project, &commit, as_of).await;
    let mut found = BTreeMap::new();
    for (name, asset) in &prepared.project.assets {
        let output = match &asset.definition {
            Definition::Source(_) | Definition::Table(_) => query(&session, &format!("select * from {name}")).await,
            Definition::FeatureView(view) => {
                let keys = view.entity.iter().chain([&view.time]);
                let features = prepared.desired.assets[name].columns.keys();
                let columns: Vec<&str> = keys.chain(features).map(String::as_str).collect();
                let mut output = query(&session, &format!("select {} from {}", columns.join(", "), view.from)).await;
                output.rest = format!("{:?} {} {} {}", view.entity, view.time, view.ttl, view.online);
                output
            }
            Definition::Model(_) => model(project, name).await,
            // What they are is what they read; `Truth` follows it.
            Definition::Endpoint(_) | Definition::Exposure(_) => Output::only(definition(&asset.definition)),
            Definition::Monitor(_) => continue,
        };
        found.insert(name.clone(), output);
    }
    found
}

fn definition(definition: &Definition) -> String {
    format!("{definition:?}")
}

async fn session(project: &Flights, commit: &Commit, as_of: Timestamp) -> Session {
    let mut tables = BTreeMap::new();
    for (name, pin) in &commit.assets {
        let input = match &pin.version {
            Version::Table(version) => project.files(version).await,
            Version::View { sql } => TableInput::View { sql: sql.clone() },
            _ => continue,
        };
        tables.insert(name.to_string(), input);
    }
    project.services.engine.session(SessionInput { tables, as_of: Some(as_of) }).unwrap()
}

async fn query(session: &Session, sql: &str) -> Output {
    let (schema, batches) = session.query(sql).await.unwrap();
    Output::of(&batches, &schema, String::new())
}

/// The training set, and the model that came of it.
async fn model(project: &Flights, name: &AssetName) -> Output {
    let version = model_versions(&project.services, name.as_str()).await.unwrap().pop().unwrap();
    let rows = project.session([("training", project.files(&version.training_set).await)]);
    Output { rest: version.digest, ..query(&rows, "select * from training").await }
}
