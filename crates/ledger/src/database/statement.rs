//! A statement that SQLite and PostgreSQL both understand, and the values to bind to it.
//!
//! Places are written `$1`, `$2`, …; whole numbers are of 64 bits everywhere, and flags are 0 or 1.

use std::borrow::Cow;
use std::fmt::Write as _;

use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Executor, FromRow, Postgres, Sqlite};

/// Rows that one statement inserts at most: a database takes some tens of thousands of values at once.
const MOST_ROWS: usize = 64;

/// A value to bind.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A whole number, or a flag as 0 or 1.
    Integer(Option<i64>),
    /// A number.
    Real(Option<f64>),
    /// Text.
    Text(Option<String>),
    /// Bytes.
    Bytes(Vec<u8>),
}

/// What a row of either database becomes.
pub trait Record: Send + Unpin + for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> {}

impl<T: Send + Unpin + for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow>> Record for T {}

/// Declares a structure that a row of either database becomes; its fields are named as the columns.
#[macro_export]
macro_rules! record {
    ($(#[$about:meta])* $seen:vis struct $name:ident { $($field_seen:vis $field:ident: $kind:ty),+ $(,)? }) => {
        $(#[$about])*
        $seen struct $name { $($field_seen $field: $kind),+ }

        impl<'r, R> $crate::database::driver::FromRow<'r, R> for $name
        where
            R: $crate::database::driver::Row,
            &'static str: $crate::database::driver::ColumnIndex<R>,
            $($kind: $crate::database::driver::Decode<'r, R::Database> + $crate::database::driver::Type<R::Database>),+
        {
            fn from_row(row: &'r R) -> $crate::database::driver::Result<Self> {
                Ok(Self { $($field: row.try_get(stringify!($field))?),+ })
            }
        }
    };
}
pub(crate) use record;

/// A statement with its values.
#[derive(Debug, Clone)]
pub struct Statement {
    text: Cow<'static, str>,
    values: Vec<Value>,
}

impl Statement {
    /// A statement whose values are bound in the order of their places.
    pub fn new(text: impl Into<Cow<'static, str>>) -> Self {
        Self { text: text.into(), values: Vec::new() }
    }

    /// Binds the next value.
    #[must_use]
    pub fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Statements that insert `rows`, many each: `head`, the rows, `tail`. How many is a power of two, so that there are few
    /// different texts and the database reads each of them once.
    pub fn inserts(head: &str, rows: Vec<Vec<Value>>, tail: &str) -> Vec<Self> {
        let mut statements = Vec::new();
        let mut rows = rows.into_iter();
        while rows.len() > 0 {
            let count = 1 << rows.len().min(MOST_ROWS).ilog2();
            let mut insert = Self::new(head.to_owned());
            for (place, row) in rows.by_ref().take(count).enumerate() {
                insert.push(if place == 0 { "(" } else { ", (" });
                for (column, value) in row.into_iter().enumerate() {
                    insert.push(if column == 0 { "" } else { ", " }).push_bind(value);
                }
                insert.push(")");
            }
            insert.push(tail);
            statements.push(insert);
        }
        statements
    }

    /// The text, with places instead of values.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Adds text, which must not come from outside.
    pub fn push(&mut self, text: &str) -> &mut Self {
        self.text.to_mut().push_str(text);
        self
    }

    /// Adds the next place, and binds its value.
    pub fn push_bind(&mut self, value: impl Into<Value>) -> &mut Self {
        self.values.push(value.into());
        // Writing to a text does not fail.
        let _written = write!(self.text.to_mut(), "${}", self.values.len());
        self
    }
}

macro_rules! values_of {
    ($variant:ident: $($type:ty),+) => {
        $(impl From<$type> for Value {
            fn from(value: $type) -> Self {
                Self::$variant(Some(value.into()))
            }
        }

        impl From<Option<$type>> for Value {
            fn from(value: Option<$type>) -> Self {
                Self::$variant(value.map(Into::into))
            }
        })+
    };
}

values_of!(Integer: i64, u32, bool);
values_of!(Real: f64);
values_of!(Text: String, &String, &str);

impl From<&Option<String>> for Value {
    fn from(value: &Option<String>) -> Self {
        Self::Text(value.clone())
    }
}

impl From<Vec<u8>> for Value {
    fn from(value: Vec<u8>) -> Self {
        Self::Bytes(value)
    }
}

macro_rules! driver {
    ($name:ident, $database:ty, $words:literal) => {
        #[doc = $words]
        pub(super) mod $name {
            use super::*;

            macro_rules! bound {
                ($query:expr, $values:expr) => {
                    $values.into_iter().fold($query, |query, value| match value {
                        Value::Integer(value) => query.bind(value),
                        Value::Real(value) => query.bind(value),
                        Value::Text(value) => query.bind(value),
                        Value::Bytes(value) => query.bind(value),
                    })
                };
            }

            /// The rows of the answer.
            pub(in crate::database) async fn all<'c, T: Record>(
                executor: impl Executor<'c, Database = $database>,
                Statement { text, values }: Statement,
            ) -> sqlx::Result<Vec<T>> {
                bound!(sqlx::query_as::<$database, T>(AssertSqlSafe(text)), values).fetch_all(executor).await
            }

            /// Carries out a statement without an answer; the rows that it changed.
            pub(in crate::database) async fn execute<'c>(
                executor: impl Executor<'c, Database = $database>,
                Statement { text, values }: Statement,
            ) -> sqlx::Result<u64> {
                let done = bound!(sqlx::query::<$database>(AssertSqlSafe(text)), values).execute(executor).await?;
                Ok(done.rows_affected())
            }
        }
    };
}

driver!(sqlite, Sqlite, "Statements on SQLite.");
driver!(postgres, Postgres, "Statements on PostgreSQL.");
