//! Readers of what is said about Python: `config` in a table's file, `python:` in `baton.yml`.

use std::collections::BTreeMap;

use baton_core::asset::{Column, Handed};

use super::column::column_type;
use super::table::{SqlConfig, read_kept};
use crate::keys;
use crate::reader::{Reader, wrong_type};
use crate::report::Report;
use crate::yaml::{Entry, Node, Span, Value};

/// What `config` of a Python file says. Names stand with their places.
#[derive(Debug, Default)]
pub(crate) struct PythonConfig {
    pub(crate) kept: SqlConfig,
    pub(crate) columns: Vec<Column>,
    pub(crate) handed: Option<Handed>,
    pub(crate) reads: BTreeMap<String, (Vec<String>, Span)>,
    pub(crate) whole: BTreeMap<String, Span>,
    pub(crate) lineage: BTreeMap<String, (Vec<String>, Span)>,
    pub(crate) available_at: Option<String>,
    pub(crate) timeout: Option<i64>,
}

/// Reads `config` of the table `name`.
pub(crate) fn read_python_config(report: &Report, name: &str, at: Span, tree: &Node) -> PythonConfig {
    let what = format!("`config` of table `{name}`");
    let Some(reader) = Reader::open(report, &what, at, tree, keys::PYTHON_CONFIG) else {
        return PythonConfig::default();
    };
    let handed = reader.word("input", keys::HANDED).and_then(|word| {
        let forms = [Handed::Arrow, Handed::Batches, Handed::Polars, Handed::Lazy, Handed::Pandas];
        forms.into_iter().find(|handed| handed.word() == word)
    });
    PythonConfig {
        kept: read_kept(&reader),
        columns: read_columns(&reader),
        handed,
        reads: lists(&reader, "reads"),
        whole: reader.items("whole").iter().filter_map(|node| Some((node.scalar_text()?, node.span))).collect(),
        lineage: lists(&reader, "lineage"),
        available_at: reader.text("available_at"),
        timeout: reader.positive_seconds("timeout"),
    }
}

fn read_columns(reader: &Reader<'_>) -> Vec<Column> {
    let column = |entry: &Entry| {
        // The word is read like that of a key, so that a wrong one is told in the same way.
        let described = Node { value: Value::Map(vec![typed(entry)]), span: entry.node.span };
        let what = format!("column `{}` of {}", entry.key, reader.what());
        let opened = Reader::open(reader.report, &what, entry.key_span, &described, keys::COLUMN)?;
        let data_type = opened.word("type", keys::COLUMN_TYPES).map(column_type);
        Some(Column { name: entry.key.clone(), data_type, tags: Vec::new(), description: None })
    };
    entries(reader, "columns").iter().filter_map(column).collect()
}

fn typed(entry: &Entry) -> Entry {
    Entry { key: "type".to_owned(), key_span: entry.key_span, node: entry.node.clone() }
}

fn lists(reader: &Reader<'_>, key: &str) -> BTreeMap<String, (Vec<String>, Span)> {
    let list = |entry: &Entry| {
        let items = match &entry.node.value {
            Value::List(items) => items.as_slice(),
            _ => std::slice::from_ref(&entry.node),
        };
        let texts = items.iter().filter_map(Node::scalar_text).collect();
        (entry.key.clone(), (texts, entry.key_span))
    };
    entries(reader, key).iter().map(list).collect()
}

/// The entries of an object whose keys the user chooses.
fn entries<'a>(reader: &Reader<'a>, key: &str) -> &'a [Entry] {
    match reader.get(key) {
        None => &[],
        Some(Node { value: Value::Map(entries), .. }) => entries,
        Some(node) => {
            wrong_type(reader.report, &reader.of(key), node, "an object");
            &[]
        }
    }
}

/// The Python environment of a project.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PythonSettings {
    /// The interpreter: a path relative to the project, or a program's name; `None` leaves it to the machine.
    pub interpreter: Option<String>,
    /// The lock file, relative to the project; `None` means the first of [`PythonSettings::LOCKS`] that is there.
    pub lock: Option<String>,
    /// How many workers may run side by side.
    pub workers: Option<usize>,
    /// Bytes that a worker may use; `None` leaves the choice to the runner.
    pub memory_limit: Option<u64>,
    /// Seconds that one call may take; `None` leaves the choice to the runner.
    pub timeout: Option<i64>,
}

impl PythonSettings {
    /// Files that say the exact versions of packages, in the order in which they are looked for.
    pub const LOCKS: [&'static str; 6] =
        ["uv.lock", "pylock.toml", "poetry.lock", "pdm.lock", "requirements.lock", "requirements.txt"];

    /// The lock file with its text, if there is one among `files`.
    pub(crate) fn lock_file<'f>(&self, files: &'f BTreeMap<String, String>) -> Option<(&'f String, &'f String)> {
        match &self.lock {
            Some(lock) => files.get_key_value(lock),
            None => Self::LOCKS.iter().find_map(|lock| files.get_key_value(*lock)),
        }
    }
}

/// Reads `python:`.
pub(super) fn read_python_settings(root: &Reader<'_>) -> PythonSettings {
    let Some(python) = root.object("python", keys::PYTHON) else { return PythonSettings::default() };
    PythonSettings {
        interpreter: python.text("interpreter"),
        lock: python.text("lock"),
        workers: python.whole("workers", 1, 64).and_then(|workers| usize::try_from(workers).ok()),
        memory_limit: super::settings::read_size(&python, "memory_limit"),
        timeout: python.positive_seconds("timeout"),
    }
}
