//! Rows as lines of COPY's text format, on their way to the server.

use std::pin::Pin;

use arrow::array::RecordBatch;
use bytes::Bytes;
use futures::SinkExt as _;
use tokio_postgres::CopyInSink;

use super::super::connect::Session;
use crate::ConnectorError;
use crate::export::{ValueKind, Writing, value_kind};

/// Bytes that go to the server at once.
const AT_ONCE: usize = 64 << 10;

/// A COPY that takes rows.
pub(super) struct Copying {
    sink: Pin<Box<CopyInSink<Bytes>>>,
}

impl Copying {
    pub(super) async fn begin(session: &Session, statement: &str) -> Result<Self, ConnectorError> {
        let sink = session.client.copy_in(statement).await.map_err(|error| session.refused(&error))?;
        Ok(Self { sink: Box::pin(sink) })
    }

    /// Takes rows: all columns, or those called `only`, in their order.
    pub(super) async fn rows(
        &mut self,
        session: &Session,
        rows: &RecordBatch,
        only: Option<&[String]>,
    ) -> Result<(), ConnectorError> {
        for piece in pieces(rows, only)? {
            self.sink.send(Bytes::from(piece)).await.map_err(|error| session.refused(&error))?;
        }
        Ok(())
    }

    /// Waits until the server has taken everything.
    pub(super) async fn end(mut self, session: &Session) -> Result<(), ConnectorError> {
        self.sink.as_mut().finish().await.map(drop).map_err(|error| session.refused(&error))
    }
}

/// The rows as lines, in pieces of a size that the server takes well.
fn pieces(rows: &RecordBatch, only: Option<&[String]>) -> Result<Vec<String>, ConnectorError> {
    let schema = rows.schema();
    let columns: Vec<usize> = match only {
        Some(names) => names.iter().filter_map(|name| schema.index_of(name).ok()).collect(),
        None => (0..rows.num_columns()).collect(),
    };
    let kinds: Vec<Option<ValueKind>> = schema.fields().iter().map(|field| value_kind(field.data_type())).collect();
    let writing = Writing::of(rows)?;
    let (mut pieces, mut lines) = (Vec::new(), String::with_capacity(2 * AT_ONCE));
    for row in 0..rows.num_rows() {
        for (place, column) in columns.iter().enumerate() {
            if place > 0 {
                lines.push('\t');
            }
            field(&writing, (row, *column), kinds[*column], &mut lines)?;
        }
        lines.push('\n');
        if lines.len() >= AT_ONCE {
            pieces.push(std::mem::replace(&mut lines, String::with_capacity(2 * AT_ONCE)));
        }
    }
    pieces.push(lines);
    Ok(pieces)
}

/// A value, escaped; `\N` for null.
fn field(
    writing: &Writing<'_>,
    (row, column): (usize, usize),
    kind: Option<ValueKind>,
    lines: &mut String,
) -> Result<(), ConnectorError> {
    if writing.is_null(row, column) {
        lines.push_str("\\N");
        return Ok(());
    }
    match kind {
        Some(ValueKind::Bytes) => {
            lines.push_str("\\\\x");
            writing.write(row, column, lines)
        }
        Some(ValueKind::Text) | None => {
            let text = writing.text(row, column)?.unwrap_or_default();
            text.chars().for_each(|character| escape(character, lines));
            Ok(())
        }
        Some(_) => writing.write(row, column, lines),
    }
}

fn escape(character: char, lines: &mut String) {
    match character {
        '\\' => lines.push_str("\\\\"),
        '\n' => lines.push_str("\\n"),
        '\r' => lines.push_str("\\r"),
        '\t' => lines.push_str("\\t"),
        other => lines.push(other),
    }
}
