//! What was found about queries before, in a file beside the project, so that planning costs what changed.
//!
//! An entry is found under a fingerprint of everything that it was computed from: the table as declared, the columns and
//! fingerprints of what it reads, and the program itself. A file that cannot be read or written costs time, never truth.
//!
//! The file has one line of JSON an entry. What is new is appended; when most lines were of no use, the file is written
//! anew with those that were.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::io::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use arrow::datatypes::DataType;
use baton_core::Fingerprint;
use baton_core::asset::Table;
use baton_engine::fingerprint::Upstream;
use baton_engine::{Analysis, TableFingerprints};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::steps::code_of;

/// A line is `["key",value]`.
const KEY: Range<usize> = 2..34;
/// Where the value begins; it ends one before the end.
const VALUE: usize = 36;

/// What is known of queries, from before and from this time.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    /// Where it is kept; `None` when the project has no folder for it yet.
    path: Option<PathBuf>,
    /// The file as it was found; empty when another program wrote it.
    text: String,
    /// Where the line of an entry is in the text.
    lines: HashMap<Fingerprint, Range<usize>>,
    /// Entries of the file that were of use.
    used: Vec<Range<usize>>,
    /// Lines that were not known before.
    news: String,
    types: Types,
}

/// A resolved table.
#[derive(Debug, Serialize, Deserialize)]
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
        let path = state.join("cache/queries.jsonl");
        let found = fs::read_to_string(&path).unwrap_or_default();
        let text = if found.lines().next() == Some(&program()) { found } else { String::new() };
        let lines = lines_of(&text);
        Self { path: Some(path), text, lines, ..Self::default() }
    }

    /// The tables that a query reads, if that is known.
    pub(super) fn references(&self, key: &Fingerprint) -> Option<BTreeSet<String>> {
        self.value(key)
    }

    /// What is known of the table under `key`.
    pub(super) fn table(&self, key: &Fingerprint) -> Option<(TableFingerprints, Analysis)> {
        self.value::<Entry>(key)?.resolved(&self.types)
    }

    fn value<T: DeserializeOwned>(&self, key: &Fingerprint) -> Option<T> {
        let line = self.text.get(self.lines.get(key)?.clone())?;
        serde_json::from_str(line.get(VALUE..line.len().checked_sub(1)?)?).ok()
    }

    /// Takes note that the entry under `key` was of use: the rest may be forgotten.
    pub(super) fn use_again(&mut self, key: &Fingerprint) {
        self.used.extend(self.lines.get(key).cloned());
    }

    /// Remembers which tables a query reads.
    pub(super) fn keep_references(&mut self, key: &Fingerprint, reads: &BTreeSet<String>) {
        if let Ok(value) = serde_json::to_string(reads) {
            self.keep(key, &value);
        }
    }

    /// What to [`Self::keep`] of a table; `None` when its text would not say all of it.
    pub(super) fn line((fingerprints, analysis): &(TableFingerprints, Analysis)) -> Option<String> {
        serde_json::to_string(&Entry::of(fingerprints, analysis)?).ok()
    }

    /// Remembers a value, given as JSON.
    pub(super) fn keep(&mut self, key: &Fingerprint, value: &str) {
        self.news.push_str(&format!("[\"{key}\",{value}]\n"));
    }

    /// Writes down what is new for the next time.
    pub(super) fn write(self) {
        let Some(path) = &self.path else { return };
        let is_mostly_old = self.lines.len() > 2 * (self.used.len() + self.news.lines().count());
        if self.news.is_empty() && !is_mostly_old {
            return;
        }
        // A folder that cannot be written: the next time costs the same again.
        let _costs_time_only =
            if self.text.ends_with('\n') && !is_mostly_old { self.append(path) } else { self.replace(path) };
    }

    fn append(&self, path: &Path) -> std::io::Result<()> {
        fs::File::options().append(true).open(path)?.write_all(self.news.as_bytes())
    }

    /// Writes all that was of use, beside and then in place.
    fn replace(&self, path: &Path) -> std::io::Result<()> {
        let mut whole = program() + "\n";
        for line in self.used.iter().filter_map(|line| self.text.get(line.clone())) {
            whole.push_str(line);
            whole.push('\n');
        }
        whole.push_str(&self.news);
        fs::create_dir_all(path.parent().unwrap_or(path))?;
        let unfinished = path.with_extension(format!("{}.unfinished", std::process::id()));
        let written = fs::write(&unfinished, whole).and_then(|()| fs::rename(&unfinished, path));
        if written.is_err() {
            let _nothing_is_left_behind = fs::remove_file(unfinished);
        }
        written
    }
}

/// Where the entries are. The last of a key counts: two processes may have found the same.
fn lines_of(text: &str) -> HashMap<Fingerprint, Range<usize>> {
    let mut lines = HashMap::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let end = start + line.trim_end_matches('\n').len();
        if let Some(key) = line.get(KEY).and_then(Fingerprint::parse) {
            lines.insert(key, start..end);
        }
        start += line.len();
    }
    lines
}

/// Fingerprint of everything that a table's resolution is computed from.
pub(super) fn table_key<'u>(
    name: &str,
    table: &Table,
    upstream: impl IntoIterator<Item = (&'u String, &'u Fingerprint)>,
) -> Fingerprint {
    let declared = serde_json::to_vec(table).unwrap_or_default();
    let inputs = upstream.into_iter().flat_map(|(input, seen)| [input.as_bytes(), seen.as_str().as_bytes()]);
    Fingerprint::of([b"table", name.as_bytes(), &declared].into_iter().chain(inputs))
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

/// Fingerprint of everything that decides which tables a table's query reads.
pub(super) fn reference_key(name: &str, table: &Table) -> Fingerprint {
    let going_on = table.keep.incremental_sql.as_deref().unwrap_or_default();
    // What a command or a function reads is not in the query.
    let command = table.command.as_ref().and_then(|step| serde_json::to_string(step).ok()).unwrap_or_default();
    let handed = table.python.iter().flat_map(|python| &python.parameters).map(|parameter| parameter.input.as_str());
    let handed: Vec<&str> = handed.collect();
    let each = table.for_each.as_ref().and_then(|each| serde_json::to_string(each).ok()).unwrap_or_default();
    Fingerprint::of(["reads", name, table.sql.as_str(), going_on, &command, &handed.join(" "), &each])
}

/// This very program: another build may find something else in the same query.
fn program() -> String {
    let file = std::env::current_exe().and_then(fs::metadata);
    let built = file.ok().map(|found| (found.len(), found.modified().ok()));
    Fingerprint::of([format!("{built:?}"), code_of("build")]).as_str().to_owned()
}

/// Types by their text: reading one is slow, and a project has few.
#[derive(Debug, Default)]
struct Types(RwLock<HashMap<String, DataType>>);

impl Types {
    fn named(&self, text: &str) -> Option<DataType> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner).get(text).cloned();
        if known.is_some() {
            return known;
        }
        let found: DataType = text.parse().ok()?;
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(text.to_owned(), found.clone());
        Some(found)
    }
}

impl Entry {
    /// `None` for a type whose text does not name it again.
    fn of(fingerprints: &TableFingerprints, analysis: &Analysis) -> Option<Self> {
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

    fn resolved(self, types: &Types) -> Option<(TableFingerprints, Analysis)> {
        let field = |(name, kind, nullable): (String, String, bool)| Some((name, types.named(&kind)?, nullable));
        let analysis = Analysis {
            schema: self.schema.into_iter().map(field).collect::<Option<_>>()?,
            column_lineage: self.column_lineage,
            row_lineage: self.row_lineage,
            reads: self.reads,
            reads_clock: self.reads_clock,
        };
        Some((TableFingerprints { rows: self.rows, columns: self.columns }, analysis))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Fingerprint {
        Fingerprint::of([text])
    }

    fn reads(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    /// One time: asks for some, and finds others.
    fn once(folder: &Path, asked: &[&str], found: &[&str]) -> Vec<bool> {
        let mut remembered = Remembered::of(folder);
        let known = asked.iter().map(|name| {
            let is_known = remembered.references(&key(name)) == Some(reads(&[name, "other"]));
            is_known.then(|| remembered.use_again(&key(name)));
            is_known
        });
        let known: Vec<bool> = known.collect();
        found.iter().for_each(|name| remembered.keep_references(&key(name), &reads(&[name, "other"])));
        remembered.write();
        known
    }

    fn lines(folder: &Path) -> usize {
        fs::read_to_string(folder.join(".baton/cache/queries.jsonl")).unwrap().lines().count() - 1
    }

    #[test]
    fn what_is_new_is_appended_and_what_is_of_no_use_goes_when_it_is_most() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(once(folder.path(), &["a"], &["a"]), [false]);
        assert!(!folder.path().join(".baton").exists(), "a project without state gets none");
        fs::create_dir(folder.path().join(".baton")).unwrap();
        once(folder.path(), &[], &["a", "b", "c", "d", "e"]);
        assert_eq!(lines(folder.path()), 5);
        assert_eq!(once(folder.path(), &["a", "b", "z"], &["z"]), [true, true, false]);
        assert_eq!(lines(folder.path()), 6, "five and one");
        assert_eq!(once(folder.path(), &["a", "z"], &[]), [true, true]);
        assert_eq!(lines(folder.path()), 2, "four of six were of no use");
        assert_eq!(once(folder.path(), &["a", "z", "b"], &[]), [true, true, false]);
    }

    #[test]
    fn a_line_that_was_cut_short_costs_that_line() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join(".baton")).unwrap();
        once(folder.path(), &[], &["a", "b"]);
        let path = folder.path().join(".baton/cache/queries.jsonl");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, &text[..text.len() - 4]).unwrap();
        assert_eq!(once(folder.path(), &["a", "b"], &["b"]), [true, false]);
        assert_eq!(once(folder.path(), &["a"], &[]), [true]);
        fs::write(&path, "no memory").unwrap();
        assert_eq!(once(folder.path(), &["a"], &["a"]), [false]);
        assert_eq!(once(folder.path(), &["a"], &[]), [true]);
    }
}
