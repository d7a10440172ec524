//! What a destination lacks: the rows that differ between the version that it holds and the one that it is to hold.
//!
//! Files that both versions name are left out where both readers see all of them, so the cost follows the change. Rows are
//! matched by key, or counted where they have none; the engine does it, and spills where memory ends.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use arrow::array::{Array as _, AsArray as _, RecordBatch};
use arrow::datatypes::Int64Type;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::util::display::array_value_to_string;
use baton_core::asset::{Export, ExportMode};
use baton_core::{AssetName, Commit, TableVersion};
use baton_engine::{AVAILABLE_AT, BatchStream, Session, SessionInput, TableFiles, TableInput};
use baton_lake::StagedFile;

use super::schema::Exported;
use super::version::DeliveredVersion;
use crate::checks::quoted;
use crate::error::RunError;
use crate::services::Services;
use crate::sessions::inputs_of;

/// Keys that a message names.
const NAMED_KEYS: usize = 3;

/// An export with the rows that it is about.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) services: &'a Services,
    pub(super) commit: &'a Commit,
    pub(super) name: &'a AssetName,
    pub(super) export: &'a Export,
    /// The asset of the commit that has the rows.
    pub(super) asset: &'a AssetName,
    /// Whether the same rows come in the same order, whenever they are computed.
    pub(super) ordered: bool,
}

/// A version opened.
struct Side {
    schema: SchemaRef,
    files: Vec<StagedFile>,
    clock: Option<i64>,
}

/// How the rows of a query are to be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Each row is there.
    Rows,
    /// Behind the columns stands how many times each row is to be added.
    Counted,
    /// Before the columns stands whether a row was there before, and whether it is there now.
    Matched,
}

/// The rows of a delivery, ready to be computed.
pub(super) struct Changes {
    session: Session,
    query: String,
    pub(super) shape: Shape,
    /// Finds keys that are there more than once; `None` where rows have no key.
    doubles: Option<String>,
    /// Counts rows without a whole key.
    keyless: Option<String>,
}

impl Rows<'_> {
    /// The columns of a version.
    pub(super) async fn schema(
        &self,
        version: &DeliveredVersion,
        known: &BTreeMap<AssetName, SchemaRef>,
    ) -> Result<SchemaRef, RunError> {
        match (&version.table, known.get(self.asset)) {
            (Some(table), _) => Ok(self.services.lake.snapshot(table).await?.schema().clone()),
            (None, Some(schema)) => Ok(SchemaRef::clone(schema)),
            (None, None) => Ok(SchemaRef::new(Schema::empty())),
        }
    }

    /// Whether what a destination holds can be compared with: its files are there, with the columns of the key.
    pub(super) async fn can_compare(&self, before: &DeliveredVersion, columns: &[Exported]) -> bool {
        let Some(table) = &before.table else { return false };
        let Ok(snapshot) = self.services.lake.snapshot(table).await else { return false };
        let is_there = |file: &StagedFile| file.path.exists();
        let same_type = |key: &Exported| {
            snapshot.schema().field_with_name(&key.column).is_ok_and(|old| old.data_type() == key.field.data_type())
        };
        snapshot.files().iter().all(is_there) && columns.iter().filter(|column| column.is_key).all(same_type)
    }

    /// All rows of a version.
    pub(super) async fn whole(&self, version: &DeliveredVersion, columns: &[Exported]) -> Result<Changes, RunError> {
        let (session, rows) = match &version.table {
            Some(table) => {
                let side = self.side(table, version.clock).await?;
                let files = TableFiles::of(&side.schema, &side.files);
                let tables = [("after".to_owned(), TableInput::Files(files))].into();
                (self.services.engine.session(SessionInput { tables, as_of: None })?, known("after", side.clock))
            }
            None => {
                let tables = inputs_of(self.services, &self.commit.assets, [self.asset]).await?;
                let as_of = Some(self.commit.as_of);
                let session = self.services.engine.session(SessionInput { tables, as_of })?;
                (session, format!("select * from {}", quoted(self.asset)))
            }
        };
        let after = self.selected(columns, None, &rows);
        let (doubles, keyless) = self.key_checks(columns, &after, None);
        let query = self.in_order(after, columns, Shape::Rows);
        Ok(Changes { session, query, shape: Shape::Rows, doubles, keyless })
    }

    /// What differs between two versions.
    pub(super) async fn between(
        &self,
        before: &DeliveredVersion,
        after: &DeliveredVersion,
        columns: &[Exported],
    ) -> Result<Changes, RunError> {
        let (Some(old_table), Some(new_table)) = (&before.table, &after.table) else {
            return self.whole(after, columns).await;
        };
        let (old, new) = (self.side(old_table, before.clock).await?, self.side(new_table, after.clock).await?);
        let shared = shared(&old, &new);
        let rest = |side: &Side| -> Vec<StagedFile> {
            side.files.iter().filter(|file| !shared.contains(&file.path)).cloned().collect()
        };
        let (old_files, new_files) = (rest(&old), rest(&new));
        let shared_files: Vec<StagedFile> =
            new.files.iter().filter(|file| shared.contains(&file.path)).cloned().collect();
        let input = |name: &str, schema: &SchemaRef, files: &[StagedFile]| {
            (name.to_owned(), TableInput::Files(TableFiles::of(schema, files)))
        };
        let tables = [
            input("before", &old.schema, &old_files),
            input("after", &new.schema, &new_files),
            input("shared", &new.schema, &shared_files),
        ];
        let session = self.services.engine.session(SessionInput { tables: tables.into(), as_of: None })?;
        let was = self.selected(columns, Some(&old.schema), &known("before", old.clock));
        let is = self.selected(columns, None, &known("after", new.clock));
        if self.export.mode != ExportMode::Upsert {
            let (query, shape) = match old_files.is_empty() {
                true => (is, Shape::Rows),
                false => (counted(columns, &was, &is), Shape::Counted),
            };
            let query = self.in_order(query, columns, shape);
            return Ok(Changes { session, query, shape, doubles: None, keyless: None });
        }
        let stay = self.selected(columns, None, &known("shared", new.clock));
        let (doubles, keyless) = self.key_checks(columns, &is, Some(&stay));
        let query = self.in_order(matched(columns, &old.schema, &was, &is), columns, Shape::Matched);
        Ok(Changes { session, query, shape: Shape::Matched, doubles, keyless })
    }

    /// By the key where rows have one, else by all values: rows that are alike may stand for each other.
    fn in_order(&self, query: String, columns: &[Exported], shape: Shape) -> String {
        if !self.ordered {
            return query;
        }
        let by = match shape {
            Shape::Matched => keys(columns),
            Shape::Rows | Shape::Counted => (0..columns.len()).map(|place| format!("c{place}")).collect(),
        };
        format!("select * from ({query}) order by {}", by.join(", "))
    }

    async fn side(&self, table: &TableVersion, clock: Option<i64>) -> Result<Side, RunError> {
        let snapshot = self.services.lake.snapshot(table).await?;
        let has_clock = snapshot.schema().field_with_name(AVAILABLE_AT).is_ok();
        Ok(Side {
            schema: snapshot.schema().clone(),
            files: snapshot.files().to_vec(),
            clock: clock.filter(|_| has_clock),
        })
    }

    /// The delivered columns as `c0`, `c1`, … of the rows that are delivered; those that `schema` lacks are null.
    fn selected(&self, columns: &[Exported], schema: Option<&SchemaRef>, rows: &str) -> String {
        let one = |(place, column): (usize, &Exported)| {
            let is_there = schema.is_none_or(|schema| schema.field_with_name(&column.column).is_ok());
            let value = if is_there { quoted(&column.column) } else { "null".to_owned() };
            format!("{value} as c{place}")
        };
        let list: Vec<String> = columns.iter().enumerate().map(one).collect();
        let filter = self.export.filter.as_ref().map_or_else(String::new, |filter| format!(" where ({filter})"));
        format!("select {} from ({rows}){filter}", list.join(", "))
    }

    /// Queries for keys that identify no row: twice among new rows, or among them and those that stay; or null.
    fn key_checks(&self, columns: &[Exported], rows: &str, stay: Option<&str>) -> (Option<String>, Option<String>) {
        if self.export.mode != ExportMode::Upsert {
            return (None, None);
        }
        let keys = keys(columns);
        let list = keys.join(", ");
        let stay = stay.map_or_else(String::new, |stay| {
            let same: Vec<String> = keys.iter().map(|key| format!("s.{key} = n.{key}")).collect();
            let of_those: Vec<String> = keys.iter().map(|key| format!("s.{key}")).collect();
            let (of_those, same) = (of_those.join(", "), same.join(" and "));
            format!(" union all select {of_those} from ({stay}) s left semi join ({rows}) n on {same}")
        });
        let doubles = format!(
            "select {list} from (select {list} from ({rows}){stay}) group by {list} having count(*) > 1 \
             order by {list} limit {NAMED_KEYS}"
        );
        let null: Vec<String> = keys.iter().map(|key| format!("{key} is null")).collect();
        (Some(doubles), Some(format!("select 1 as one from ({rows}) where {}", null.join(" or "))))
    }
}

impl Changes {
    /// The rows as they are computed.
    pub(super) async fn stream(&self) -> Result<BatchStream, RunError> {
        Ok(self.session.query_stream(&self.query).await?)
    }

    /// Looks whether the key identifies every row that is to be delivered.
    ///
    /// # Errors
    /// It does not; the first keys at fault are named.
    pub(super) async fn check_keys(&self, rows: &Rows<'_>) -> Result<(), RunError> {
        let (name, key) = (rows.name, rows.export.key.join(", "));
        let wrong = |reason: String| {
            let hint = "mend the rows, or name columns in `key` that identify one";
            Err(RunError::Project(format!("export `{name}`: {reason}; {hint}")))
        };
        if let Some(query) = &self.keyless {
            let found = crate::checks::count(&self.session, query).await?;
            if found > 0 {
                return wrong(format!("{} without a value in the key ({key})", crate::report::rows_of(found)));
            }
        }
        let Some(query) = &self.doubles else { return Ok(()) };
        let (_, batches) = self.session.query(query).await?;
        let found = batches.iter().flat_map(|batch| (0..batch.num_rows()).map(|row| key_text(batch, row)));
        let found: Vec<String> = found.collect();
        match found.as_slice() {
            [] => Ok(()),
            found => wrong(format!("several rows have the same key ({key}): {}", found.join(", "))),
        }
    }
}

fn key_text(batch: &RecordBatch, row: usize) -> String {
    let values = batch.columns().iter().map(|column| array_value_to_string(column, row).unwrap_or_default());
    values.collect::<Vec<_>>().join("/")
}

/// How many times the row at `place` is to be added, by the last column of a counted batch.
pub(super) fn count_at(counts: &dyn arrow::array::Array, place: usize) -> usize {
    let counts = counts.as_primitive::<Int64Type>();
    if counts.is_null(place) { 0 } else { usize::try_from(counts.value(place)).unwrap_or(0) }
}

/// The rows of a table that are known at `clock`.
fn known(table: &str, clock: Option<i64>) -> String {
    let known = clock.map_or_else(String::new, |clock| {
        format!(" where {AVAILABLE_AT} is null or {AVAILABLE_AT} <= to_timestamp_micros({clock})")
    });
    format!("select * from system.{table}{known}")
}

/// Files that both versions name and whose rows both readers see alike.
fn shared(old: &Side, new: &Side) -> BTreeSet<PathBuf> {
    let earliest = [old.clock, new.clock].into_iter().flatten().min();
    let there: BTreeSet<&PathBuf> = old.files.iter().map(|file| &file.path).collect();
    let is_seen = |file: &&StagedFile| {
        let known = || {
            let stats = file.stats().columns.get(AVAILABLE_AT)?;
            let none_has_one = stats.nulls == Some(file.rows);
            let newest = || crate::values::micros_at(stats.max.as_ref()?, 0);
            if none_has_one { Some(i64::MIN) } else { newest() }
        };
        let is_alike =
            old.clock == new.clock || earliest.is_none_or(|clock| known().is_some_and(|newest: i64| newest <= clock));
        there.contains(&file.path) && is_alike
    };
    new.files.iter().filter(is_seen).map(|file| file.path.clone()).collect()
}

fn keys(columns: &[Exported]) -> Vec<String> {
    let keys = columns.iter().enumerate().filter(|(_, column)| column.is_key);
    keys.map(|(place, _)| format!("c{place}")).collect()
}

/// Rows of `after` that are more than those of `before`, each with how many times.
fn counted(columns: &[Exported], before: &str, after: &str) -> String {
    let list: Vec<String> = (0..columns.len()).map(|place| format!("c{place}")).collect();
    let list = list.join(", ");
    format!(
        "select {list}, sum(one) as more from (select {list}, 1 as one from ({after}) union all \
         select {list}, -1 as one from ({before})) group by {list} having sum(one) > 0"
    )
}

/// Rows that are on one side only, or have other values there.
fn matched(columns: &[Exported], old: &SchemaRef, before: &str, after: &str) -> String {
    let mut list = vec!["b.here is not null as was".to_owned(), "a.here is not null as is_now".to_owned()];
    let mut differs = vec!["b.here is null".to_owned(), "a.here is null".to_owned()];
    for (place, column) in columns.iter().enumerate() {
        if column.is_key {
            list.push(format!("coalesce(a.c{place}, b.c{place}) as c{place}"));
            continue;
        }
        list.push(format!("a.c{place} as c{place}"));
        differs.push(match old.field_with_name(&column.column) {
            Ok(field) if field.data_type() == column.field.data_type() => {
                // The right side would take in what follows.
                format!("(b.c{place} is distinct from a.c{place})")
            }
            Ok(_) => "true".to_owned(),
            Err(_) => format!("a.c{place} is not null"),
        });
    }
    let on: Vec<String> = keys(columns).iter().map(|key| format!("b.{key} = a.{key}")).collect();
    format!(
        "select {} from (select true as here, * from ({before})) b full outer join \
         (select true as here, * from ({after})) a on {} where {}",
        list.join(", "),
        on.join(" and "),
        differs.join(" or ")
    )
}
