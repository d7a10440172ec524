//! What two runs differ in, section by section. Pure: runs in, rows out.

use std::collections::BTreeMap;

use baton_tracking::Tag;
use baton_tracking::run::Run;
use serde::Serialize;

use super::list::figure;

/// Tags that say which code ran.
const CODE: [&str; 4] = ["mlflow.source.", "mlflow.project.", "mlflow.databricks.", "baton.definition"];
/// Tags that say where it ran.
const ENVIRONMENT: [&str; 5] = ["baton.lock", "baton.platform", "baton.environment", "baton.python", "mlflow.docker."];
/// Tags that say what it read.
const DATA: [&str; 2] = ["baton.as_of", "baton.features"];
/// Tags that repeat what is told elsewhere.
const REPEATED: [&str; 3] = ["mlflow.runName", "mlflow.user", "mlflow.log-model.history"];

/// Two runs beside each other.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Comparison {
    /// What the runs are called, with the first digits of their ids.
    pub(crate) runs: [String; 2],
    /// What they are compared by.
    pub(crate) sections: Vec<Section>,
}

/// One side of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Section {
    /// `parameters`, `metrics`, `data`, `code`, `environment`, `tags`.
    pub(crate) name: &'static str,
    /// What was compared.
    pub(crate) rows: Vec<Row>,
    /// How many rows are the same in both.
    pub(crate) n_same: usize,
}

/// One thing in both runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Row {
    /// What it is.
    pub(crate) key: String,
    /// In the first run.
    pub(crate) from: Option<String>,
    /// In the second run.
    pub(crate) to: Option<String>,
    /// How much more it is in the second run, of numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) change: Option<f64>,
}

impl Row {
    /// Whether both runs have the same.
    pub(crate) fn is_same(&self) -> bool {
        self.from == self.to
    }
}

/// Compares two runs; `packages` are those that each ran with.
pub(super) fn compare(runs: [&Run; 2], packages: [BTreeMap<String, String>; 2], all: bool) -> Vec<Section> {
    let texts = |texts: fn(&Run) -> &Vec<Tag>| runs.map(|run| pairs(texts(run).iter()));
    let tags = |belongs: &dyn Fn(&str) -> bool| runs.map(|run| pairs(run.tags.iter().filter(|tag| belongs(&tag.key))));
    let begins = |key: &str, beginnings: &[&str]| beginnings.iter().any(|beginning| key.starts_with(beginning));
    let is_other =
        |key: &str| ![&CODE[..], &ENVIRONMENT, &DATA, &REPEATED].iter().any(|beginnings| begins(key, beginnings));
    let mut data = tags(&|key| begins(key, &DATA));
    let mut environment = tags(&|key| begins(key, &ENVIRONMENT));
    for ((side, packages), (data, run)) in environment.iter_mut().zip(packages).zip(data.iter_mut().zip(runs)) {
        side.extend(packages.into_iter().map(|(name, version)| (format!("package {name}"), version)));
        data.extend(datasets(run));
    }
    let sections = [
        ("run", rows(runs.map(about))),
        ("parameters", rows(texts(|run| &run.params)).into_iter().map(with_change).collect()),
        ("metrics", metrics(runs)),
        ("data", rows(data)),
        ("code", rows(tags(&|key| begins(key, &CODE)))),
        ("environment", rows(environment)),
        ("tags", rows(tags(&is_other))),
    ];
    sections.into_iter().map(|(name, rows)| section(name, rows, all)).collect()
}

fn section(name: &'static str, rows: Vec<Row>, all: bool) -> Section {
    let n_same = rows.iter().filter(|row| row.is_same()).count();
    Section { name, rows: rows.into_iter().filter(|row| all || !row.is_same()).collect(), n_same }
}

type Pairs = BTreeMap<String, String>;

fn pairs<'t>(texts: impl Iterator<Item = &'t Tag>) -> Pairs {
    texts.map(|text| (text.key.clone(), text.value.clone())).collect()
}

fn about(run: &Run) -> Pairs {
    let info = &run.info;
    let said =
        [("status", info.status.clone()), ("user", info.user_id.clone()), ("experiment", info.experiment.to_string())];
    said.into_iter().filter(|(_, text)| !text.is_empty()).map(|(key, text)| (key.to_owned(), text)).collect()
}

/// What a run read and made: datasets by name with their digests and versions.
fn datasets(run: &Run) -> Pairs {
    let mut found = Pairs::new();
    for input in &run.datasets {
        let said = |key: &str| input.tags.iter().find(|tag| tag.key == key).map(|tag| tag.value.as_str());
        let context = said("mlflow.data.context").map(|context| format!(" ({context})")).unwrap_or_default();
        let version = said("baton.version").map(|version| format!(" version {version}")).unwrap_or_default();
        let text = found.entry(format!("{}{context}", input.dataset.name)).or_default();
        let separator = if text.is_empty() { "" } else { ", " };
        text.push_str(&format!("{separator}{}{version}", input.dataset.digest));
    }
    found
}

fn rows([from, to]: [Pairs; 2]) -> Vec<Row> {
    let keys: std::collections::BTreeSet<&String> = from.keys().chain(to.keys()).collect();
    let row = |key: &String| {
        let (from, to) = (from.get(key).cloned(), to.get(key).cloned());
        Row { key: key.clone(), from, to, change: None }
    };
    keys.into_iter().map(row).collect()
}

/// How much more a number is.
fn with_change(row: Row) -> Row {
    let number = |text: &Option<String>| text.as_ref().and_then(|text| text.parse::<f64>().ok());
    let change = number(&row.from).zip(number(&row.to)).map(|(from, to)| to - from);
    Row { change: change.filter(|change| change.is_finite()), ..row }
}

fn metrics(runs: [&Run; 2]) -> Vec<Row> {
    let values = runs.map(|run| -> BTreeMap<&str, f64> {
        run.metrics.iter().map(|metric| (metric.key.as_str(), metric.value)).collect()
    });
    let keys: std::collections::BTreeSet<&str> = values.iter().flat_map(|values| values.keys().copied()).collect();
    let row = |key: &str| {
        let [from, to] = [values[0].get(key).copied(), values[1].get(key).copied()];
        let change = from.zip(to).map(|(from, to)| to - from).filter(|change| change.is_finite());
        // Values that differ where they are not shown differ all the same.
        let exact = |value: f64| {
            if change.is_some_and(|change| change != 0.0 && figure(from.unwrap_or(0.0)) == figure(to.unwrap_or(0.0))) {
                value.to_string()
            } else {
                figure(value)
            }
        };
        Row { key: key.to_owned(), from: from.map(exact), to: to.map(exact), change }
    };
    keys.into_iter().map(row).collect()
}
