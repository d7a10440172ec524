//! How PostgreSQL says what a delivery needs.

use crate::export::{GONE, ROWS, Statements, ValueKind, Words};

pub(super) struct Postgres;

pub(super) static POSTGRES: Postgres = Postgres;

/// Whether a text can be a name without its quotes being noticed.
pub(super) fn is_name(part: &str) -> bool {
    !part.is_empty() && part.len() <= 63 && !part.contains(['"', '\0'])
}

impl Words for Postgres {
    fn quoted(&self, name: &str) -> String {
        crate::relation::quoted(name)
    }

    fn type_for(&self, kind: ValueKind, _is_key: bool) -> String {
        match kind {
            ValueKind::Truth => "boolean".to_owned(),
            ValueKind::Whole(16) => "smallint".to_owned(),
            ValueKind::Whole(32) => "integer".to_owned(),
            ValueKind::Whole(_) => "bigint".to_owned(),
            ValueKind::Single => "real".to_owned(),
            ValueKind::Double => "double precision".to_owned(),
            ValueKind::Decimal(precision, scale) => format!("numeric({precision}, {scale})"),
            ValueKind::Text => "text".to_owned(),
            ValueKind::Bytes => "bytea".to_owned(),
            ValueKind::Date => "date".to_owned(),
            ValueKind::Instant(true) => "timestamptz".to_owned(),
            ValueKind::Instant(false) => "timestamp".to_owned(),
        }
    }

    fn takes(&self, data_type: &str, kind: ValueKind) -> bool {
        if matches!(data_type, "text" | "varchar") {
            return true;
        }
        match kind {
            ValueKind::Truth => data_type == "bool",
            ValueKind::Whole(_) => {
                matches!(data_type, "int2" | "int4" | "int8" | "numeric" | "float4" | "float8" | "money")
            }
            ValueKind::Single | ValueKind::Double => matches!(data_type, "float4" | "float8" | "numeric"),
            ValueKind::Decimal(..) => data_type == "numeric",
            // The server reads a text as whatever such a type is, or refuses it.
            ValueKind::Text => !matches!(
                data_type,
                "bool"
                    | "int2"
                    | "int4"
                    | "int8"
                    | "float4"
                    | "float8"
                    | "numeric"
                    | "bytea"
                    | "date"
                    | "timestamp"
                    | "timestamptz"
            ),
            ValueKind::Bytes => data_type == "bytea",
            ValueKind::Date => matches!(data_type, "date" | "timestamp" | "timestamptz"),
            ValueKind::Instant(_) => matches!(data_type, "timestamp" | "timestamptz"),
        }
    }

    fn upsert(&self, statements: &Statements<'_>) -> Vec<String> {
        let columns = statements.columns().join(", ");
        let news = statements.values().into_iter().map(|name| format!("{name} = excluded.{name}"));
        let news: Vec<String> = news.chain(statements.revived()).collect();
        let then = if news.is_empty() { "nothing".to_owned() } else { format!("update set {}", news.join(", ")) };
        let keys = statements.keys().join(", ");
        vec![format!(
            "insert into {} ({columns}) select {columns} from {ROWS} on conflict ({keys}) do {then}",
            statements.table
        )]
    }

    fn gone(&self, statements: &Statements<'_>) -> String {
        let (table, same) = (&statements.table, statements.same_key("held", "gone"));
        match statements.set_gone() {
            Some(set) => {
                let mark = statements.quoted(crate::export::DELETED_AT);
                format!("update {table} as held set {set} from {GONE} as gone where {same} and held.{mark} is null")
            }
            None => format!("delete from {table} as held using {GONE} as gone where {same}"),
        }
    }

    fn now(&self) -> (&'static str, &'static str) {
        ("timestamptz", "now()")
    }
}
