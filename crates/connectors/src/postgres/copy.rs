//! Rows by COPY: text lines into columns, in the memory of one batch whatever the table's size.

use std::borrow::Cow;

use futures::TryStreamExt as _;

use super::connect::Session;
use super::types::{PgColumn, natural_schema};
use crate::cursor::Verdict;
use crate::written::WrittenRows;
use crate::{ConnectorError, PullSink};

/// Decides about a row, whose values it may ask for.
pub(super) type Judge<'j> = &'j mut (dyn FnMut(&mut PullSink, &dyn Fn() -> Vec<Option<String>>) -> Verdict + Send);

/// Hands the rows of `select` to `sink`, as long as `judge` takes them; false when it stopped. `judge` sees nothing of a
/// row when it does not ask for values.
pub(super) async fn copy(
    session: &Session,
    select: &str,
    columns: &[PgColumn],
    sink: &mut PullSink,
    judge: Judge<'_>,
) -> Result<bool, ConnectorError> {
    let natural = natural_schema(columns);
    let mut rows = WrittenRows::new(&natural);
    sink.begin(&natural, rows.schema())?;
    let statement = format!("copy ({select}) to stdout");
    let stream = session.client.copy_out(&statement).await.map_err(|error| session.refused(&error))?;
    futures::pin_mut!(stream);
    let mut rest: Vec<u8> = Vec::new();
    while let Some(chunk) = stream.try_next().await.map_err(|error| session.refused(&error))? {
        // A message is a line, but nothing promises that it is a whole one.
        let chunk: Cow<'_, [u8]> = if rest.is_empty() {
            Cow::Borrowed(&chunk)
        } else {
            rest.extend_from_slice(&chunk);
            Cow::Owned(std::mem::take(&mut rest))
        };
        let mut lines = chunk.split_inclusive(|byte| *byte == b'\n');
        for line in lines.by_ref() {
            let Some(line) = line.strip_suffix(b"\n") else {
                rest = line.to_vec();
                break;
            };
            let line = String::from_utf8_lossy(line);
            let values = || line.split('\t').map(|field| value(field).map(Cow::into_owned)).collect();
            match judge(sink, &values) {
                Verdict::Take => push(&mut rows, columns, &line),
                Verdict::Skip => {}
                Verdict::Stop => {
                    rows.flush(sink).await?;
                    return Ok(false);
                }
            }
        }
        rows.flush_when_full(sink).await?;
    }
    rows.flush(sink).await?;
    Ok(true)
}

fn push(rows: &mut WrittenRows, columns: &[PgColumn], line: &str) {
    for ((index, column), field) in columns.iter().enumerate().zip(line.split('\t')) {
        match value(field) {
            Some(text) => column.push(rows, index, &text),
            None => rows.push(index, None),
        }
    }
    rows.end_row();
}

/// A field of COPY's text format; `None` for null.
fn value(field: &str) -> Option<Cow<'_, str>> {
    if field == "\\N" {
        return None;
    }
    if !field.contains('\\') {
        return Some(Cow::Borrowed(field));
    }
    let mut text = String::with_capacity(field.len());
    let mut characters = field.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            text.push(character);
            continue;
        }
        match characters.next() {
            Some('n') => text.push('\n'),
            Some('t') => text.push('\t'),
            Some('r') => text.push('\r'),
            Some('b') => text.push('\u{8}'),
            Some('f') => text.push('\u{c}'),
            Some('v') => text.push('\u{b}'),
            Some(other) => text.push(other),
            None => {}
        }
    }
    Some(Cow::Owned(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_unescaped() {
        assert_eq!(value("\\N"), None);
        assert_eq!(value("plain").as_deref(), Some("plain"));
        assert_eq!(value("a\\tb\\\\N\\n").as_deref(), Some("a\tb\\N\n"));
        assert_eq!(value("").as_deref(), Some(""));
    }
}
