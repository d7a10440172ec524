//! What runs are ordered by.
//!
//! Of a metric, numbers come first, then NaN, then the runs without it, whichever way it is ordered. Where an index of the first
//! key leads, these are three passes, each in the order of an index; else they are ranks in one pass.

use std::collections::HashSet;

use baton_ledger::database::Statement;

use super::attribute::{Attribute, Entity};
use super::plan::{Access, Found, Pass};
use super::{Understood, write_experiments};
use crate::error::{Result, TrackingError};
use crate::filter;
use crate::metric::Metric;
use crate::page::{Column, Part};
use crate::run::Run;
use crate::{Tag, validate};

/// The order of runs.
#[derive(Debug)]
pub(super) struct Sorting {
    keys: Vec<Key>,
}

#[derive(Debug)]
struct Key {
    source: Source,
    ascending: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Source {
    Metric(String),
    /// Of a table of texts.
    Text(&'static str, String),
    Attribute(Attribute),
}

const NUMBER: i64 = 0;
const NAN: i64 = 1;
const MISSING: i64 = 2;

/// The letters of a text that its index knows.
pub(super) const INDEXED: usize = 40;

impl Sorting {
    /// Reads the keys; equals are ordered by when they began, the newest first, and then by id.
    pub(super) fn of(clauses: &[String]) -> Result<Self> {
        let mut keys = Vec::new();
        let mut seen = HashSet::new();
        for order in filter::order(clauses)? {
            let source = match Entity::of(order.entity.as_deref())? {
                Entity::Metric => Source::Metric(order.key),
                Entity::Param => Source::Text("params", order.key),
                Entity::Tag => Source::Text("tags", order.key),
                Entity::Attribute => Source::Attribute(Attribute::of_order(&order.key)?),
                Entity::Dataset => return Err(TrackingError::invalid("Invalid identifier type 'dataset'")),
            };
            if !seen.insert(source.clone()) {
                let clauses: Vec<String> = clauses.iter().map(|clause| format!("'{clause}'")).collect();
                let clauses = clauses.join(", ");
                return Err(TrackingError::invalid(format!("`order_by` contains duplicate fields: [{clauses}]")));
            }
            keys.push(Key { source, ascending: order.ascending });
        }
        for (attribute, ascending) in [(Attribute::StartTime, false), (Attribute::RunId, true)] {
            let source = Source::Attribute(attribute);
            if !seen.contains(&source) {
                keys.push(Key { source, ascending });
            }
        }
        Ok(Self { keys })
    }

    /// How many parts the place of a run has.
    pub(super) fn length(&self) -> usize {
        self.keys.iter().map(|key| if key.is_ranked() { 2 } else { 1 }).sum()
    }

    /// Whether an index of the first key can lead.
    pub(super) fn has_index(&self) -> bool {
        self.keys.first().is_some_and(|key| !matches!(key.source, Source::Attribute(_)))
    }

    /// The place of a run.
    pub(super) fn parts(&self, run: &Run) -> Vec<Part> {
        self.keys.iter().flat_map(|key| key.parts(run)).collect()
    }

    /// The passes over the runs, from where the page begins.
    pub(super) fn passes(&self, access: &Access, begin: Option<&[Part]>) -> Vec<Found> {
        if !matches!(access, Access::Ordered) {
            return vec![Found { pass: Pass::Whole, begin: begin.map(<[Part]>::to_vec) }];
        }
        let is_metric = self.keys.first().is_some_and(|key| matches!(key.source, Source::Metric(_)));
        let rank = match begin {
            Some([Part::Integer(rank), ..]) => *rank,
            _ => NUMBER,
        };
        let mut passes = Vec::new();
        for (pass, of) in [(Pass::Present, NUMBER), (Pass::Nan, NAN), (Pass::Missing, MISSING)] {
            if of < rank || (pass == Pass::Nan && !is_metric) {
                continue;
            }
            let begin = begin.filter(|_| of == rank).map(|parts| begin_of(pass, parts));
            passes.push(Found { pass, begin });
        }
        passes
    }

    /// The columns to order by in a pass.
    pub(super) fn columns(&self, found: &Found) -> Vec<Column> {
        let mut columns = Vec::new();
        for (number, key) in self.keys.iter().enumerate() {
            match (number, found.pass) {
                (0, Pass::Present) => columns.extend(key.present_columns()),
                (0, Pass::Nan | Pass::Missing) => {}
                _ => columns.extend(key.columns(number)),
            }
        }
        columns
    }

    /// Adds a query for the row numbers of runs as they come first, without regard to equals.
    pub(super) fn write_first(&self, statement: &mut Statement, experiments: &[i64]) {
        let Some(key) = self.keys.first() else { return };
        let direction = if key.ascending { "" } else { " DESC" };
        if let Source::Attribute(_) = key.source {
            statement.push("SELECT f.id AS id FROM runs f WHERE ");
            write_experiments(statement, "f.experiment", experiments);
            statement.push(" ORDER BY f.start_time").push(direction);
            return;
        }
        statement.push("SELECT f.run AS id FROM ").push(key.source.table()).push(" f WHERE ");
        write_experiments(statement, "f.experiment", experiments);
        statement.push(" AND f.key = ").push_bind(key.source.key());
        let is_metric = matches!(key.source, Source::Metric(_));
        let value = if is_metric { " AND f.is_nan = 0 ORDER BY f.value" } else { " ORDER BY substr(f.value, 1, 40)" };
        statement.push(value).push(direction);
    }

    /// Adds the tables of a pass, and `WHERE` with what chooses the experiments.
    pub(super) fn write_from(
        &self,
        statement: &mut Statement,
        search: &Understood,
        access: &Access,
        found: &Found,
    ) -> Result<()> {
        let first = self.keys.first().map(|key| &key.source);
        let leads = matches!(found.pass, Pass::Present | Pass::Nan);
        match (access, first) {
            (Access::Few(driver), _) => {
                statement.push(driver.table()).push(" d CROSS JOIN runs r");
            }
            (_, Some(source)) if leads => {
                statement.push(source.table()).push(" k0 CROSS JOIN runs r");
            }
            _ => {
                statement.push("runs r");
            }
        }
        for (number, key) in self.keys.iter().enumerate() {
            if number > 0 || found.pass == Pass::Whole {
                key.write_join(statement, number);
            }
        }
        statement.push(" WHERE ");
        if let Access::Few(driver) = access {
            driver.write(statement, &search.experiments);
            statement.push(" AND r.id = ").push(driver.run());
        } else if leads && let Some(source) = first {
            write_experiments(statement, "k0.experiment", &search.experiments);
            statement.push(" AND k0.key = ").push_bind(source.key());
            statement.push(match (source, found.pass) {
                (Source::Metric(_), Pass::Nan) => " AND k0.is_nan = 1 AND r.id = k0.run",
                (Source::Metric(_), _) => " AND k0.is_nan = 0 AND r.id = k0.run",
                _ => " AND r.id = k0.run",
            });
        } else {
            write_experiments(statement, "r.experiment", &search.experiments);
        }
        if found.pass == Pass::Missing
            && let Some(source) = first
        {
            let text = format!(" AND NOT EXISTS (SELECT 1 FROM {} k WHERE k.run = r.id AND k.key = ", source.table());
            statement.push(&text).push_bind(source.key()).push(")");
        }
        Ok(())
    }
}

/// Where a pass begins: the first key's rank is the pass itself.
fn begin_of(pass: Pass, parts: &[Part]) -> Vec<Part> {
    let rest = parts.iter().skip(2).cloned();
    match (pass, parts.get(1)) {
        (Pass::Present, Some(Part::Text(text))) => {
            let beginning = validate::cut(text.clone(), INDEXED);
            [Part::Text(beginning), Part::Text(text.clone())].into_iter().chain(rest).collect()
        }
        (Pass::Present, Some(value)) => std::iter::once(value.clone()).chain(rest).collect(),
        _ => rest.collect(),
    }
}

impl Source {
    fn table(&self) -> &'static str {
        match self {
            Self::Metric(_) => "latest_metrics",
            Self::Text(table, _) => table,
            Self::Attribute(_) => "runs",
        }
    }

    fn key(&self) -> &str {
        match self {
            Self::Metric(key) | Self::Text(_, key) => key,
            Self::Attribute(_) => "",
        }
    }
}

impl Key {
    /// Whether a run may lack it, so that a rank comes before the value.
    fn is_ranked(&self) -> bool {
        match &self.source {
            Source::Metric(_) | Source::Text(..) => true,
            Source::Attribute(attribute) => *attribute == Attribute::EndTime,
        }
    }

    /// The columns where the key is joined as `k{number}`.
    fn columns(&self, number: usize) -> Vec<Column> {
        let value = |sql: String| Column::new(sql, self.ascending);
        match &self.source {
            Source::Metric(_) => vec![
                Column::new(format!("CASE WHEN k{number}.run IS NULL THEN 2 ELSE k{number}.is_nan END"), true),
                value(format!("coalesce(k{number}.value, 0.0)")),
            ],
            Source::Text(..) => vec![
                Column::new(format!("CASE WHEN k{number}.run IS NULL THEN 2 ELSE 0 END"), true),
                value(format!("coalesce(k{number}.value, '')")),
            ],
            Source::Attribute(Attribute::EndTime) => vec![
                Column::new("CASE WHEN r.end_time IS NULL THEN 2 ELSE 0 END", true),
                value("coalesce(r.end_time, 0)".to_owned()),
            ],
            Source::Attribute(attribute) => vec![value(attribute.sql().to_owned())],
        }
    }

    /// The columns where the key's index leads as `k0`.
    fn present_columns(&self) -> Vec<Column> {
        let value = Column::new("k0.value", self.ascending);
        match &self.source {
            Source::Text(..) => vec![Column::new("substr(k0.value, 1, 40)", self.ascending), value],
            _ => vec![value],
        }
    }

    fn write_join(&self, statement: &mut Statement, number: usize) {
        if let Source::Metric(key) | Source::Text(_, key) = &self.source {
            let table = self.source.table();
            let text = format!(" LEFT JOIN {table} k{number} ON k{number}.run = r.id AND k{number}.key = ");
            statement.push(&text).push_bind(key);
        }
    }

    fn parts(&self, run: &Run) -> Vec<Part> {
        let texts = |texts: &[Tag], key: &str| match texts.iter().find(|tag| tag.key == key) {
            Some(tag) => vec![Part::Integer(NUMBER), Part::Text(tag.value.clone())],
            None => vec![Part::Integer(MISSING), Part::Text(String::new())],
        };
        let info = &run.info;
        match &self.source {
            Source::Metric(key) => metric_parts(run.metrics.iter().find(|metric| metric.key == *key)),
            Source::Text("params", key) => texts(&run.params, key),
            Source::Text(_, key) => texts(&run.tags, key),
            Source::Attribute(Attribute::EndTime) => {
                let rank = if info.end_time.is_some() { NUMBER } else { MISSING };
                vec![Part::Integer(rank), Part::Integer(info.end_time.unwrap_or_default())]
            }
            Source::Attribute(attribute) => vec![match attribute {
                Attribute::RunId => Part::Text(info.run_id.clone()),
                Attribute::RunName => Part::Text(info.name.clone()),
                Attribute::UserId => Part::Text(info.user_id.clone()),
                Attribute::Status => Part::Text(info.status.clone()),
                Attribute::ArtifactUri => Part::Text(info.artifact_uri.clone()),
                Attribute::StartTime | Attribute::EndTime => Part::Integer(info.start_time),
            }],
        }
    }
}

fn metric_parts(metric: Option<&Metric>) -> Vec<Part> {
    let (rank, value) = match metric.map(Metric::storable) {
        None => (MISSING, 0.0),
        Some((true, _)) => (NAN, 0.0),
        Some((false, value)) => (NUMBER, value),
    };
    vec![Part::Integer(rank), Part::Real(value.to_bits())]
}
