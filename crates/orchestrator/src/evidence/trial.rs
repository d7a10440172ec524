//! Trying tables: the new query over recorded rows, in memory, as far as a budget of rows goes.

use std::collections::BTreeMap;

use baton_core::asset::{Materialize, Table};
use baton_core::{AssetName, Definition, Interval, Pin, Timestamp, Version};
use baton_engine::{BuildOptions, Session, SessionInput, TableInput};
use baton_plan::{PlannedAsset, Proven, Reach};

use super::rows::{Rows, proven};
use crate::error::RunError;
use crate::prepare::Prepared;
use crate::services::Services;
use crate::sessions::inputs_of;
use crate::steps::BEGINNING;

/// Rows that the trials of one plan read, over all of them: they take well under a second.
const MOST_ROWS: u64 = 500_000;
/// Assets that one plan tries: each costs milliseconds, however few rows it has.
const MOST_ASSETS: usize = 128;

/// The trials of one plan.
pub(super) struct Trial<'a> {
    pub(super) services: &'a Services,
    pub(super) prepared: &'a Prepared,
    pub(super) pins: &'a BTreeMap<AssetName, Pin>,
    pub(super) as_of: Timestamp,
    /// What came of the assets that were tried, for those that read them.
    made: BTreeMap<AssetName, Rows>,
    rows_left: u64,
    assets_left: usize,
}

impl<'a> Trial<'a> {
    pub(super) fn new(
        services: &'a Services,
        prepared: &'a Prepared,
        pins: &'a BTreeMap<AssetName, Pin>,
        as_of: Timestamp,
    ) -> Self {
        let made = BTreeMap::new();
        Self { services, prepared, pins, as_of, made, rows_left: MOST_ROWS, assets_left: MOST_ASSETS }
    }

    /// What computing the table again proves; `None` when it cannot be tried or nothing stays.
    pub(super) async fn compute(&mut self, planned: &PlannedAsset, reach: &Reach<'_>) -> Option<Proven> {
        let name = &planned.name;
        let Definition::Table(table) = &self.prepared.project.assets.get(name)?.definition else { return None };
        let pin = self.pins.get(name)?;
        if !is_plain(table) || !self.knows_inputs(name, reach) {
            return None;
        }
        let needed = self.rows_read(name).saturating_add(self.rows_of(name));
        self.spend(needed)?;
        let interval = interval_of(table, pin)?;
        let (now, before) = self.now_and_before(name, table, interval).await.ok()?;
        let now = now?;
        let found = before.and_then(|before| proven(&before, &now, &planned.columns));
        self.made.insert(name.clone(), now);
        found.map(|found| Proven { proof: "tried on the recorded rows".to_owned(), ..found })
    }

    /// Keeps the rows of an asset that was tried, for those that read it.
    pub(super) fn keep(&mut self, name: &AssetName, rows: Rows) {
        self.made.insert(name.clone(), rows);
    }

    /// Takes `rows` from what may still be read.
    pub(super) fn spend(&mut self, rows: u64) -> Option<()> {
        self.assets_left = self.assets_left.checked_sub(1)?;
        self.rows_left = self.rows_left.checked_sub(rows)?;
        Some(())
    }

    /// Whether each input is as recorded, or was tried.
    fn knows_inputs(&self, name: &AssetName, reach: &Reach<'_>) -> bool {
        let is_known = |input: &AssetName| {
            self.made.contains_key(input) || (self.pins.contains_key(input) && !reach.changes(input))
        };
        self.prepared.graph.inputs(name).all(is_known)
    }

    /// The rows that the query makes now, and those that the environment has; of either none when there are too many.
    async fn now_and_before(
        &self,
        name: &AssetName,
        table: &Table,
        interval: Option<Interval>,
    ) -> Result<(Option<Rows>, Option<Rows>), RunError> {
        let reads: Vec<&AssetName> = self.prepared.graph.inputs(name).collect();
        let mut tables = inputs_of(self.services, self.pins, reads.iter().copied()).await?;
        tables.extend(reads.iter().filter_map(|read| Some((read.to_string(), self.made.get(*read)?.input()))));
        // One session for both, as making one costs more than a small table. A recorded view reads its inputs as recorded.
        let is_stored = self.pins.get(name).is_some_and(|pin| pin.version.table().is_some());
        if is_stored {
            tables.extend(inputs_of(self.services, self.pins, [name]).await?);
        }
        let session = self.session(tables)?;
        let options = BuildOptions {
            time_column: table.time.clone(),
            interval,
            track_availability: true,
            ..BuildOptions::default()
        };
        let now = Rows::at_most(MOST_ROWS, session.execute(&table.sql, &options).await?).await?;
        let before = match is_stored {
            true => Rows::at_most(MOST_ROWS, session.scan(name.as_str()).await?).await?,
            false => self.recorded(name).await?,
        };
        Ok((now, before))
    }

    /// The rows that the environment has, as known at the clock.
    pub(super) async fn recorded(&self, name: &AssetName) -> Result<Option<Rows>, RunError> {
        let session = self.session(inputs_of(self.services, self.pins, [name]).await?)?;
        Rows::at_most(MOST_ROWS, session.scan(name.as_str()).await?).await
    }

    fn session(&self, tables: BTreeMap<String, TableInput>) -> Result<Session, RunError> {
        Ok(self.services.engine.session(SessionInput { tables, as_of: Some(self.as_of) })?)
    }

    fn rows_read(&self, name: &AssetName) -> u64 {
        self.prepared.graph.inputs(name).map(|input| self.rows_of(input)).sum()
    }

    /// Rows of a tried or recorded asset; of a view, those that it reads.
    pub(super) fn rows_of(&self, name: &AssetName) -> u64 {
        if let Some(made) = self.made.get(name) {
            return made.count();
        }
        let Some(pin) = self.pins.get(name) else { return 0 };
        match &pin.version {
            Version::View { .. } => pin.inputs.keys().map(|input| self.rows_of(input)).sum(),
            _ => pin.rows.unwrap_or(u64::MAX / 1024),
        }
    }
}

/// Whether the table is its query's rows and nothing else.
fn is_plain(table: &Table) -> bool {
    let is_computed = matches!(table.materialize, Materialize::Table | Materialize::View | Materialize::Incremental);
    is_computed && table.keep.incremental_sql.is_none()
}

/// The time that an incremental table would be made for; `Some(None)` for one that is computed as a whole.
fn interval_of(table: &Table, pin: &Pin) -> Option<Option<Interval>> {
    if table.materialize != Materialize::Incremental {
        return Some(None);
    }
    pin.intervals.end().map(|end| Some(Interval { start: BEGINNING, end }))
}
