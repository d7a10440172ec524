//! What was found about queries before, in a file beside the project, so that planning costs what changed.
//!
//! An entry is found under a fingerprint of everything that it was computed from: the table as declared, the columns and
//! fingerprints of what it reads, and the program itself. A file that cannot be read or written costs time, never truth.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use arrow::datatypes::DataType;
use baton_core::Fingerprint;
use baton_core::asset::Table;
use baton_engine::fingerprint::Upstream;
use baton_engine::{Analysis, TableFingerprints};
use serde::{Deserialize, Serialize};

use crate::steps::code_of;

/// What is known of queries, from before and from this time.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    /// Where it is kept; `None` when the project has no folder for it yet.
    path: Option<PathBuf>,
    before: Entries,
    /// What was asked for this time: the rest is forgotten.
    now: Entries,
    /// Whether something was found that was not known before.
    has_news: bool,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Entries {
    /// The program that wrote them.
    program: String,
    tables: HashMap<String, Entry>,
    references: HashMap<String, BTreeSet<String>>,
}

/// A resolved table.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Entry {
    rows: Fingerprint,
    columns: BTreeMap<String, Fingerprint>,
    /// Name, type as text, whether it can be null.
    schema: Vec<(String, String, bool)>,
    column_lineage: BTreeMap<String, BTreeSet<(String, String)>>,
    row_lineage: BTreeSet<(String, String)>,
    reads: BTreeSet<String>,
    reads_clock: bool,
}

impl Remembered {
    /// Reads what the project in `folder` remembers.
    pub(super) fn of(folder: &Path) -> Self {
        let state = folder.join(".baton");
        if !state.is_dir() {
            return Self::default();
        }
        let path = state.join("cache/queries.json");
        let program = program();
        let read = std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice::<Entries>(&bytes).ok());
        let before = read.filter(|entries| entries.program == program).unwrap_or_default();
        Self { path: Some(path), before, now: Entries { program, ..Entries::default() }, has_news: false }
    }

    /// The tables that a query reads, if that is known.
    pub(super) fn references(&mut self, name: &str, table: &Table) -> Option<BTreeSet<String>> {
        let key = reference_key(name, table);
        let found = self.before.references.remove(&key)?;
        self.now.references.insert(key, found.clone());
        Some(found)
    }

    /// Remembers which tables a query reads.
    pub(super) fn keep_references(&mut self, name: &str, table: &Table, reads: &BTreeSet<String>) {
        self.has_news = true;
        self.now.references.insert(reference_key(name, table), reads.clone());
    }

    /// What is known of the table under `key`.
    pub(super) fn table(&mut self, key: &Fingerprint) -> Option<(TableFingerprints, Analysis)> {
        let entry = self.before.tables.remove(key.as_str())?;
        let found = entry.resolved();
        self.now.tables.insert(key.as_str().to_owned(), entry);
        found
    }

    /// Remembers what was found of a table.
    pub(super) fn keep_table(&mut self, key: &Fingerprint, found: &(TableFingerprints, Analysis)) {
        if let Some(entry) = Entry::of(found) {
            self.has_news = true;
            self.now.tables.insert(key.as_str().to_owned(), entry);
        }
    }

    /// Writes it down for the next time, beside and then in place.
    pub(super) fn write(self) {
        let (Some(path), true) = (&self.path, self.has_news) else { return };
        let Ok(bytes) = serde_json::to_vec(&self.now) else { return };
        let unfinished = path.with_extension(format!("{}.unfinished", std::process::id()));
        let folder = path.parent().map_or(Ok(()), std::fs::create_dir_all);
        let written = folder.and_then(|()| std::fs::write(&unfinished, bytes));
        if written.and_then(|()| std::fs::rename(&unfinished, path)).is_err() {
            // A folder that cannot be written: the next time costs the same again.
            let _nothing_is_left_behind = std::fs::remove_file(unfinished);
        }
    }
}

/// Fingerprint of everything that a table's resolution is computed from.
pub(super) fn table_key<'u>(
    name: &str,
    table: &Table,
    upstream: impl IntoIterator<Item = (&'u String, &'u Fingerprint)>,
) -> Fingerprint {
    let declared = serde_json::to_vec(table).unwrap_or_default();
    let parts = [name.as_bytes().to_vec(), declared].into_iter();
    let inputs = upstream.into_iter().flat_map(|(input, seen)| [input.clone(), seen.as_str().to_owned()]);
    Fingerprint::of(parts.chain(inputs.map(String::into_bytes)))
}

/// Fingerprint of what a reader can see of a table: columns with types, and their fingerprints.
pub(super) fn seen(upstream: &Upstream) -> Fingerprint {
    let fields = upstream
        .schema
        .fields()
        .iter()
        .flat_map(|field| [field.name().clone(), field.data_type().to_string(), field.is_nullable().to_string()]);
    let columns = upstream.fingerprints.columns.iter().flat_map(|(name, print)| [name.clone(), print.to_string()]);
    Fingerprint::of([upstream.fingerprints.rows.to_string()].into_iter().chain(fields).chain(columns))
}

fn reference_key(name: &str, table: &Table) -> String {
    let going_on = table.keep.incremental_sql.as_deref().unwrap_or_default();
    Fingerprint::of([name, table.sql.as_str(), going_on]).as_str().to_owned()
}

/// This very program: another build may find something else in the same query.
fn program() -> String {
    let file = std::env::current_exe().and_then(std::fs::metadata);
    let built = file.ok().map(|found| (found.len(), found.modified().ok()));
    Fingerprint::of([format!("{built:?}"), code_of("build")]).as_str().to_owned()
}

impl Entry {
    /// `None` for a type whose text does not name it again.
    fn of((fingerprints, analysis): &(TableFingerprints, Analysis)) -> Option<Self> {
        let field = |(name, kind, nullable): &(String, DataType, bool)| {
            let text = kind.to_string();
            (text.parse::<DataType>().ok().as_ref() == Some(kind)).then(|| (name.clone(), text, *nullable))
        };
        Some(Self {
            rows: fingerprints.rows.clone(),
            columns: fingerprints.columns.clone(),
            schema: analysis.schema.iter().map(field).collect::<Option<_>>()?,
            column_lineage: analysis.column_lineage.clone(),
            row_lineage: analysis.row_lineage.clone(),
            reads: analysis.reads.clone(),
            reads_clock: analysis.reads_clock,
        })
    }

    fn resolved(&self) -> Option<(TableFingerprints, Analysis)> {
        let field =
            |(name, kind, nullable): &(String, String, bool)| Some((name.clone(), kind.parse().ok()?, *nullable));
        let analysis = Analysis {
            schema: self.schema.iter().map(field).collect::<Option<_>>()?,
            column_lineage: self.column_lineage.clone(),
            row_lineage: self.row_lineage.clone(),
            reads: self.reads.clone(),
            reads_clock: self.reads_clock,
        };
        Some((TableFingerprints { rows: self.rows.clone(), columns: self.columns.clone() }, analysis))
    }
}
