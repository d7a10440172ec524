//! Rows as INSERT statements of many rows each.

use arrow::array::RecordBatch;
use sqlx::AssertSqlSafe;

use super::super::connect::Session;
use crate::ConnectorError;
use crate::export::{ValueKind, Writing, value_kind};

/// Most values that one statement may have.
const MOST_VALUES: usize = 60_000;
/// Most rows of one statement.
const MOST_ROWS: usize = 1_000;
/// Bytes of values at which a statement ends: servers refuse statements that are too long.
const MOST_BYTES: usize = 1 << 20;

/// A value on its way.
enum Value {
    Null,
    Text(String),
    Bytes(Vec<u8>),
}

/// Rows of one statement, one value after the other.
#[derive(Default)]
struct Piece {
    values: Vec<Value>,
    rows: usize,
    bytes: usize,
}

/// Inserts rows into `table`: all columns, or those called `only`, in their order.
pub(super) async fn insert(
    session: &mut Session,
    table: &str,
    columns: &[String],
    rows: &RecordBatch,
    only: Option<&[String]>,
) -> Result<(), ConnectorError> {
    for piece in pieces(rows, only)? {
        let row = format!("({})", vec!["?"; columns.len()].join(", "));
        let all = vec![row; piece.rows].join(", ");
        let statement = format!("insert into {table} ({}) values {all}", columns.join(", "));
        // Statements of so many shapes are not worth remembering.
        let mut query = sqlx::query(AssertSqlSafe(statement)).persistent(false);
        for value in piece.values {
            query = match value {
                Value::Null => query.bind(None::<String>),
                Value::Text(text) => query.bind(text),
                Value::Bytes(bytes) => query.bind(bytes),
            };
        }
        query.execute(&mut session.connection).await.map_err(|error| session.origin.refused(&error))?;
    }
    Ok(())
}

fn pieces(rows: &RecordBatch, only: Option<&[String]>) -> Result<Vec<Piece>, ConnectorError> {
    let schema = rows.schema();
    let columns: Vec<usize> = match only {
        Some(names) => names.iter().filter_map(|name| schema.index_of(name).ok()).collect(),
        None => (0..rows.num_columns()).collect(),
    };
    let kinds: Vec<Option<ValueKind>> = schema.fields().iter().map(|field| value_kind(field.data_type())).collect();
    let writing = Writing::of(rows)?;
    let most_rows = MOST_ROWS.min(MOST_VALUES / columns.len().max(1)).max(1);
    let (mut pieces, mut piece) = (Vec::new(), Piece::default());
    for row in 0..rows.num_rows() {
        for column in &columns {
            let value = value(&writing, (row, *column), kinds[*column])?;
            piece.bytes += match &value {
                Value::Null => 1,
                Value::Text(text) => text.len(),
                Value::Bytes(bytes) => bytes.len(),
            };
            piece.values.push(value);
        }
        piece.rows += 1;
        if piece.rows >= most_rows || piece.bytes >= MOST_BYTES {
            pieces.push(std::mem::take(&mut piece));
        }
    }
    if piece.rows > 0 {
        pieces.push(piece);
    }
    Ok(pieces)
}

fn value(
    writing: &Writing<'_>,
    (row, column): (usize, usize),
    kind: Option<ValueKind>,
) -> Result<Value, ConnectorError> {
    let Some(text) = writing.text(row, column)? else { return Ok(Value::Null) };
    Ok(match kind {
        Some(ValueKind::Truth) => Value::Text(if text == "true" { "1" } else { "0" }.to_owned()),
        Some(ValueKind::Bytes) => Value::Bytes(hex::decode(&text).unwrap_or_default()),
        _ => Value::Text(text),
    })
}
