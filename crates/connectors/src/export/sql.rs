//! The SQL of a delivery to a database, in its own words: rows come aside, then meet the table in one transaction that also
//! writes down which version it holds now.

use std::sync::Arc;

use arrow::datatypes::{Field, SchemaRef};

use crate::type_name;

use super::{DELETED_AT, DeliveryMode, ExportTarget, Gone, ValueKind, value_kind};

/// The table at a destination that says which version each export brought.
pub(crate) const DELIVERIES: &str = "_baton_deliveries";
/// Where new and changed rows wait, and the keys of those that are gone.
pub(crate) const ROWS: &str = "_baton_rows";
pub(crate) const GONE: &str = "_baton_gone";

/// A column of a table at the destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TargetColumn {
    pub(crate) name: String,
    /// In the database's own word.
    pub(crate) data_type: String,
    /// Whether a row needs a value in it that nobody gives it otherwise.
    pub(crate) is_needed: bool,
}

/// What differs between databases.
pub(crate) trait Words: Send + Sync {
    /// A name in quotes.
    fn quoted(&self, name: &str) -> String;

    /// The type of a new column; part of a key, its values must be short enough for an index.
    fn type_for(&self, kind: ValueKind, is_key: bool) -> String;

    /// Whether a column of this type takes values of a kind, whatever they are or so that the database refuses those that
    /// do not fit.
    fn takes(&self, data_type: &str, kind: ValueKind) -> bool;

    /// What brings the rows that wait into the table.
    fn upsert(&self, statements: &Statements<'_>) -> Vec<String>;

    /// What deletes the rows whose keys wait among those that are gone, or writes down since when they are.
    fn gone(&self, statements: &Statements<'_>) -> String;

    /// The type of an instant, and the instant of the transaction.
    fn now(&self) -> (&'static str, &'static str);
}

/// The statements of one delivery.
pub(crate) struct Statements<'t> {
    words: &'static dyn Words,
    target: &'t ExportTarget,
    /// The table, in quotes.
    pub(crate) table: String,
    schema: SchemaRef,
}

impl<'t> Statements<'t> {
    pub(crate) fn new(
        words: &'static dyn Words,
        target: &'t ExportTarget,
        table: &[String],
        schema: &SchemaRef,
    ) -> Self {
        let table = table.iter().map(|part| words.quoted(part)).collect::<Vec<_>>().join(".");
        Self { words, target, table, schema: SchemaRef::clone(schema) }
    }

    fn is_key(&self, name: &str) -> bool {
        self.has_key() && self.target.key.iter().any(|key| key == name)
    }

    /// Whether rows meet those that are there.
    fn has_key(&self) -> bool {
        self.target.mode == DeliveryMode::Upsert
    }

    /// Whether rows that are gone stay with the time.
    fn marks(&self) -> bool {
        self.target.mode == DeliveryMode::Upsert && self.target.gone == Gone::Mark
    }

    pub(crate) fn quoted(&self, name: &str) -> String {
        self.words.quoted(name)
    }

    /// All delivered columns, in quotes.
    pub(crate) fn columns(&self) -> Vec<String> {
        self.schema.fields().iter().map(|field| self.words.quoted(field.name())).collect()
    }

    /// The columns of the key, in quotes.
    pub(crate) fn keys(&self) -> Vec<String> {
        self.target.key.iter().map(|name| self.words.quoted(name)).collect()
    }

    /// The delivered columns beside the key, in quotes.
    pub(crate) fn values(&self) -> Vec<String> {
        let others = self.schema.fields().iter().filter(|field| !self.is_key(field.name()));
        others.map(|field| self.words.quoted(field.name())).collect()
    }

    /// Columns that are set when a row comes back, with what they are set to.
    pub(crate) fn revived(&self) -> Option<String> {
        self.marks().then(|| format!("{} = null", self.words.quoted(DELETED_AT)))
    }

    /// `l.key = r.key and …`.
    pub(crate) fn same_key(&self, left: &str, right: &str) -> String {
        let pairs = self.keys().into_iter().map(|key| format!("{left}.{key} = {right}.{key}"));
        pairs.collect::<Vec<_>>().join(" and ")
    }

    /// Makes the table.
    pub(crate) fn create(&self) -> String {
        let mut columns: Vec<String> = self.schema.fields().iter().map(|field| self.declared(field)).collect();
        if self.marks() {
            columns.push(self.declared_mark());
        }
        if self.has_key() {
            columns.push(format!("primary key ({})", self.keys().join(", ")));
        }
        format!("create table if not exists {} ({})", self.table, columns.join(", "))
    }

    fn declared(&self, field: &Field) -> String {
        let is_key = self.is_key(field.name());
        let kind = value_kind(field.data_type()).unwrap_or(ValueKind::Text);
        let needed = if is_key { " not null" } else { "" };
        format!("{} {}{needed}", self.words.quoted(field.name()), self.words.type_for(kind, is_key))
    }

    fn declared_mark(&self) -> String {
        format!("{} {}", self.words.quoted(DELETED_AT), self.words.now().0)
    }

    /// The columns to add, and everything that keeps the rows from being delivered into the table as it is there.
    pub(crate) fn compare(&self, there: &[TargetColumn]) -> (Vec<String>, Vec<String>) {
        let (mut added, mut conflicts) = (Vec::new(), self.unwritable());
        for field in self.schema.fields() {
            let Some(kind) = value_kind(field.data_type()) else { continue };
            match there.iter().find(|column| column.name == *field.name()) {
                Some(column) if !self.words.takes(&column.data_type, kind) => conflicts.push(format!(
                    "column `{}` is {} there and {} here: change one of them, or leave it out with `select`",
                    field.name(),
                    column.data_type,
                    kind.word()
                )),
                None if self.is_key(field.name()) => conflicts.push(format!(
                    "it has no column `{}`, which is part of the key: add it there",
                    field.name()
                )),
                None if self.target.evolve => added.push(self.add(&self.declared(field))),
                None => conflicts.push(format!(
                    "it has no column `{}` ({}): add it there, leave it out with `select`, or set `on_schema_change: evolve`",
                    field.name(),
                    kind.word()
                )),
                Some(_) => {}
            }
        }
        if self.marks() && !there.iter().any(|column| column.name == DELETED_AT) {
            added.push(self.add(&self.declared_mark()));
        }
        let delivered = |column: &&TargetColumn| self.schema.column_with_name(&column.name).is_some();
        for column in there.iter().filter(|column| column.is_needed && !delivered(column)) {
            conflicts.push(format!(
                "column `{}` there needs a value and is not delivered: deliver it, or give it a default",
                column.name
            ));
        }
        (added, conflicts)
    }

    /// Columns whose values have no form in the database.
    pub(crate) fn unwritable(&self) -> Vec<String> {
        let fields = self.schema.fields().iter().filter(|field| value_kind(field.data_type()).is_none());
        let told = |field: &Arc<Field>| {
            let kind = type_name(field.data_type());
            format!("column `{}` is {kind}, which has no form there: leave it out with `select`", field.name())
        };
        fields.map(told).collect()
    }

    fn add(&self, declared: &str) -> String {
        format!("alter table {} add column {declared}", self.table)
    }

    /// What is to be done with the rows that wait, in order.
    pub(crate) fn meet(&self, is_mirror: bool) -> Vec<String> {
        if self.target.mode != DeliveryMode::Upsert {
            return Vec::new();
        }
        let mut statements = self.words.upsert(self);
        if self.target.gone != Gone::Ignore {
            statements.push(self.words.gone(self));
            if is_mirror {
                statements.push(self.without_others());
            }
        }
        statements
    }

    /// Rows of the table that are not among those that wait.
    fn without_others(&self) -> String {
        let others = format!(
            "where not exists (select 1 from {ROWS} as waiting where {})",
            self.same_key("waiting", &self.table)
        );
        match self.set_gone() {
            Some(set) => format!("update {} set {set} {others} and {} is null", self.table, self.quoted(DELETED_AT)),
            None => format!("delete from {} {others}", self.table),
        }
    }

    /// `_deleted_at = now` where rows that are gone stay.
    pub(crate) fn set_gone(&self) -> Option<String> {
        self.marks().then(|| format!("{} = {}", self.words.quoted(DELETED_AT), self.words.now().1))
    }
}
