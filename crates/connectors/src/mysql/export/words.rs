//! How MariaDB and MySQL say what a delivery needs.
//!
//! Rows meet the table by an update and an insert rather than by ON DUPLICATE KEY UPDATE, which would also change rows that
//! share no more than another unique index with those that come.

use super::super::config::quoted;
use crate::export::{GONE, ROWS, Statements, ValueKind, Words};

pub(super) struct Mysql;

pub(super) static MYSQL: Mysql = Mysql;

impl Words for Mysql {
    fn quoted(&self, name: &str) -> String {
        quoted(name)
    }

    /// Texts are told apart byte by byte, so that keys which differ are two.
    fn type_for(&self, kind: ValueKind, is_key: bool) -> String {
        match kind {
            ValueKind::Truth => "boolean".to_owned(),
            ValueKind::Whole(16) => "smallint".to_owned(),
            ValueKind::Whole(32) => "int".to_owned(),
            ValueKind::Whole(_) => "bigint".to_owned(),
            ValueKind::Single => "float".to_owned(),
            ValueKind::Double => "double".to_owned(),
            ValueKind::Decimal(precision, scale) => format!("decimal({precision}, {scale})"),
            ValueKind::Text if is_key => "varchar(255) character set utf8mb4 collate utf8mb4_bin".to_owned(),
            ValueKind::Text => "longtext character set utf8mb4 collate utf8mb4_bin".to_owned(),
            ValueKind::Bytes if is_key => "varbinary(255)".to_owned(),
            ValueKind::Bytes => "longblob".to_owned(),
            ValueKind::Date => "date".to_owned(),
            ValueKind::Instant(_) => "datetime(6)".to_owned(),
        }
    }

    fn takes(&self, data_type: &str, kind: ValueKind) -> bool {
        const WHOLE: &[&str] = &["tinyint", "smallint", "mediumint", "int", "bigint", "bit"];
        const TEXT: &[&str] = &["char", "varchar", "tinytext", "text", "mediumtext", "longtext"];
        if TEXT.contains(&data_type) {
            return kind != ValueKind::Bytes;
        }
        match kind {
            ValueKind::Truth => WHOLE.contains(&data_type),
            ValueKind::Whole(_) => WHOLE.contains(&data_type) || matches!(data_type, "decimal" | "float" | "double"),
            ValueKind::Single | ValueKind::Double => matches!(data_type, "float" | "double" | "decimal"),
            ValueKind::Decimal(..) => data_type == "decimal",
            // The server reads a text as whatever such a type is, or refuses it.
            ValueKind::Text => matches!(data_type, "enum" | "set" | "json" | "uuid" | "inet4" | "inet6"),
            ValueKind::Bytes => data_type.ends_with("blob") || data_type.ends_with("binary"),
            ValueKind::Date => matches!(data_type, "date" | "datetime" | "timestamp"),
            ValueKind::Instant(_) => matches!(data_type, "datetime" | "timestamp"),
        }
    }

    fn upsert(&self, statements: &Statements<'_>) -> Vec<String> {
        let (table, same) = (&statements.table, statements.same_key("held", "waiting"));
        let columns = statements.columns();
        let mut found = Vec::new();
        let news = statements.values().into_iter().map(|name| format!("held.{name} = waiting.{name}"));
        let news: Vec<String> = news.chain(statements.revived().map(|set| format!("held.{set}"))).collect();
        if !news.is_empty() {
            let news = news.join(", ");
            found.push(format!("update {table} as held join {ROWS} as waiting on {same} set {news}"));
        }
        let waiting: Vec<String> = columns.iter().map(|name| format!("waiting.{name}")).collect();
        let first = statements.keys().first().cloned().unwrap_or_default();
        found.push(format!(
            "insert into {table} ({}) select {} from {ROWS} as waiting left join {table} as held on {same} \
             where held.{first} is null",
            columns.join(", "),
            waiting.join(", ")
        ));
        found
    }

    fn gone(&self, statements: &Statements<'_>) -> String {
        let (table, same) = (&statements.table, statements.same_key("held", "gone"));
        match statements.set_gone() {
            Some(set) => {
                let mark = statements.quoted(crate::export::DELETED_AT);
                format!("update {table} as held join {GONE} as gone on {same} set held.{set} where held.{mark} is null")
            }
            None => format!("delete held from {table} as held join {GONE} as gone on {same}"),
        }
    }

    fn now(&self) -> (&'static str, &'static str) {
        ("datetime(6)", "utc_timestamp(6)")
    }
}
