//! Merging the rows of a table by key: what the source changed since the base, onto what the target has.

use arrow::record_batch::RecordBatch;
use baton_core::{AssetName, Fingerprint, Kind, Pin, TableVersion, Version, failpoint};
use baton_engine::{AVAILABLE_AT, BatchStream, Session, is_system_column};
use baton_lake::{Change, CommitInfo, TableLocation};
use serde::Serialize;
use serde_json::{Value, json};

use crate::checks::{checks_of_pass, quoted, rows_as_json};
use crate::error::RunError;
use crate::execution::Execution;
use crate::extent::measured;
use crate::services::Services;
use crate::sessions::session;
use crate::steps::{Made, StepKey, version_of};
use crate::write::{Place, write_stream};

/// Keys that a conflict names at most.
const NAMED_KEYS: usize = 5;

/// A key whose row both sides changed, each in its own way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RowConflict {
    /// The key's columns and values.
    pub key: Value,
    /// The rows of the base, the source and the target; null where there is none.
    pub base: Value,
    /// In the source.
    pub source: Value,
    /// In the target.
    pub target: Value,
}

/// What rows are merged from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MergedRows {
    /// Where both sides come from.
    pub(crate) base: TableVersion,
    /// Whose changes come.
    pub(crate) source: TableVersion,
    /// Onto which they come.
    pub(crate) target: TableVersion,
    /// The columns that identify a row.
    pub(crate) keys: Vec<String>,
}

impl MergedRows {
    /// The verb of its recorded step.
    pub(crate) const VERB: &str = "merge";

    /// What the merge depends on, as its step records it.
    fn key(&self, content: &Fingerprint) -> StepKey {
        let mut key = StepKey::new(Self::VERB, content).with("keys", json!(self.keys));
        key.base = Some(self.target.to_string());
        key.with("base", &self.base).with("source", &self.source)
    }

    /// The merge that a step was recorded to do; `None` when it was another step.
    pub(crate) fn recorded(key: &StepKey) -> Option<Self> {
        let version = |text: Option<&String>| version_of(text?);
        (key.verb == Self::VERB).then_some(())?;
        Some(Self {
            base: version(key.parameters.get("base"))?,
            source: version(key.parameters.get("source"))?,
            target: version(key.base.as_ref())?,
            keys: serde_json::from_str(key.parameters.get("keys")?).ok()?,
        })
    }
}

/// Three versions of a table, and the queries between them.
pub(crate) struct RowMerge {
    of: MergedRows,
    session: Session,
    columns: String,
    keys: String,
    on_changed: String,
}

impl RowMerge {
    /// Opens the versions.
    ///
    /// # Errors
    /// Those of lake and engine.
    pub(crate) async fn open(services: &Services, of: MergedRows) -> Result<Self, RunError> {
        let snapshot = services.lake.snapshot(&of.target).await?;
        let names = snapshot.schema().fields().iter().map(|field| field.name()).filter(|name| !is_system_column(name));
        let columns: Vec<String> = names.map(|name| quoted(name)).collect();
        let tables = [("base_rows", &of.base), ("source_rows", &of.source), ("target_rows", &of.target)];
        let tables = tables.map(|(name, table)| (name.to_owned(), table.clone()));
        let keys: Vec<String> = of.keys.iter().map(|key| quoted(key)).collect();
        let on_changed: Vec<String> = keys.iter().map(|key| format!("r.{key} is not distinct from c.{key}")).collect();
        Ok(Self {
            session: session(services, tables, None).await?,
            columns: columns.join(", "),
            keys: keys.join(", "),
            on_changed: on_changed.join(" and "),
            of,
        })
    }

    /// The merged rows, system columns included.
    ///
    /// # Errors
    /// Those of the engine.
    pub(crate) async fn stream(&self) -> Result<BatchStream, RunError> {
        Ok(self.session.query_stream(&self.merged()).await?)
    }

    /// A query for the keys whose rows differ between two versions.
    fn changed(&self, from: &str, to: &str) -> String {
        let (columns, keys) = (&self.columns, &self.keys);
        format!(
            "(select {keys} from (select {columns} from {from} except select {columns} from {to}) \
             union select {keys} from (select {columns} from {to} except select {columns} from {from}))"
        )
    }

    /// The keys whose rows both sides changed to something else, the first few, and how many there are.
    ///
    /// # Errors
    /// Those of the engine.
    pub(super) async fn conflicts(&self) -> Result<(Vec<RowConflict>, usize), RunError> {
        let both = format!(
            "select {keys} from {} as s intersect select {keys} from {} as t intersect select {keys} from {} as d",
            self.changed("base_rows", "source_rows"),
            self.changed("base_rows", "target_rows"),
            self.changed("source_rows", "target_rows"),
            keys = self.keys,
        );
        let (_, batches) = self.session.query(&format!("select * from ({both}) order by {}", self.keys)).await?;
        let count = batches.iter().map(RecordBatch::num_rows).sum();
        let mut found = Vec::new();
        for key in first_rows(&batches, NAMED_KEYS)? {
            found.push(RowConflict {
                base: self.row("base_rows", &key).await?,
                source: self.row("source_rows", &key).await?,
                target: self.row("target_rows", &key).await?,
                key,
            });
        }
        Ok((found, count))
    }

    async fn row(&self, table: &str, key: &Value) -> Result<Value, RunError> {
        let conditions: Vec<String> = key.as_object().into_iter().flatten().map(condition).collect();
        let sql = format!("select {} from {table} where {} limit 1", self.columns, conditions.join(" and "));
        let (_, batches) = self.session.query(&sql).await?;
        Ok(first_rows(&batches, 1)?.pop().unwrap_or(Value::Null))
    }

    /// A query for the merged rows, system columns included.
    fn merged(&self) -> String {
        let changed = self.changed("base_rows", "source_rows");
        let all = format!("{}, {AVAILABLE_AT}", self.columns);
        format!(
            "select {all} from system.target_rows as r where not exists (select 1 from {changed} as c where {on}) \
             union all select {all} from system.source_rows as r where exists (select 1 from {changed} as c where {on})",
            on = self.on_changed,
        )
    }
}

fn condition((column, value): (&String, &Value)) -> String {
    let column = quoted(column);
    match value {
        Value::Null => format!("{column} is null"),
        Value::String(text) => format!("cast({column} as varchar) = '{}'", text.replace('\'', "''")),
        other => format!("{column} = {other}"),
    }
}

fn first_rows(batches: &[RecordBatch], limit: usize) -> Result<Vec<Value>, RunError> {
    let mut rows = Vec::new();
    for batch in batches {
        let batch = batch.slice(0, batch.num_rows().min(limit.saturating_sub(rows.len())));
        rows.extend(rows_as_json(&[batch]).map_err(RunError::rows("a promotion"))?);
    }
    Ok(rows)
}

impl Execution<'_> {
    /// Writes the merged rows as a version on top of the target's, holds it to the table's checks, records it and pins it.
    pub(super) async fn write_merged(
        &mut self,
        asset: &AssetName,
        merge: &RowMerge,
        target: &Pin,
    ) -> Result<Pin, RunError> {
        let table = &merge.of.target;
        let location = TableLocation::parse(&table.location)?;
        let checks = self.checks_of(asset);
        let key = merge.of.key(&target.fingerprint).checked_by(&checks);
        let stream = merge.stream().await?;
        let schema = stream.schema();
        let place = Place { location: &location, base: Some(table.version), checks: &checks_of_pass(&checks, true) };
        let written = write_stream(self.services, place, stream, self.as_of).await?;
        failpoint::reach("promote.rows_staged");
        let info = CommitInfo { operation: "MERGE".to_owned(), ..self.commit_info(&key.fingerprint()) };
        let change = Change::Replace(written.files);
        let version = self.services.lake.commit(&location, &schema, Some(table.version), change, &info).await?;
        failpoint::reach("promote.rows_merged");
        let snapshot = self.services.lake.snapshot(&version).await?;
        let pin = measured(Pin { kind: Kind::Table, version: Version::Table(version), ..target.clone() }, &snapshot);
        self.accept(asset, &key, Made { pin, checks: &checks, by_the_way: written.checks, new_rows: None }).await
    }
}
