//! Messages of the output plugin `pgoutput`, protocol version 1, as PostgreSQL's documentation describes them
//! ("Logical Replication Message Formats"). It knows bytes, not connections.

use bytes::Buf;

use crate::changes::Cell;

/// Microseconds from 1970-01-01 to 2000-01-01, from which the server counts.
const SINCE_2000: i64 = 946_684_800_000_000;

/// What happened, as far as rows are concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Message {
    /// A transaction begins; all that follows up to its commit belongs to it.
    Begin {
        /// Where its commit record begins.
        commit_lsn: u64,
        /// When it was committed, in microseconds since 1970.
        committed_at: i64,
        /// The lower half of its number.
        transaction: u32,
    },
    /// It ends.
    Commit {
        /// Where what follows begins.
        end_lsn: u64,
    },
    /// How the rows of a table look from here on.
    Relation(Relation),
    Insert {
        relation: u32,
        row: Vec<Cell>,
    },
    Update {
        relation: u32,
        /// Its key or the whole row before, where that is sent.
        former: Option<Vec<Cell>>,
        row: Vec<Cell>,
    },
    Delete {
        relation: u32,
        row: Vec<Cell>,
    },
    Truncate {
        relations: Vec<u32>,
    },
    /// What says nothing about rows.
    Other,
}

/// A table's columns as they are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Relation {
    pub(super) id: u32,
    pub(super) columns: Vec<SentColumn>,
}

/// A column as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SentColumn {
    pub(super) name: String,
    /// Whether it is part of what tells rows apart: the replica identity.
    pub(super) is_identity: bool,
    pub(super) oid: u32,
    pub(super) modifier: i32,
}

/// Reads one message; `None` when it is cut short or says something that protocol version 1 does not have.
pub(super) fn parse(mut bytes: &[u8]) -> Option<Message> {
    let input = &mut bytes;
    match input.try_get_u8().ok()? {
        b'B' => {
            let commit_lsn = input.try_get_u64().ok()?;
            let committed_at = input.try_get_i64().ok()?.saturating_add(SINCE_2000);
            Some(Message::Begin { commit_lsn, committed_at, transaction: input.try_get_u32().ok()? })
        }
        b'C' => {
            let _flags = input.try_get_u8().ok()?;
            let _commit_lsn = input.try_get_u64().ok()?;
            Some(Message::Commit { end_lsn: input.try_get_u64().ok()? })
        }
        b'R' => relation(input).map(Message::Relation),
        b'I' => {
            let relation = input.try_get_u32().ok()?;
            let _new = input.try_get_u8().ok()?;
            Some(Message::Insert { relation, row: tuple(input)? })
        }
        b'U' => update(input),
        b'D' => {
            let relation = input.try_get_u32().ok()?;
            let _key_or_old = input.try_get_u8().ok()?;
            Some(Message::Delete { relation, row: tuple(input)? })
        }
        b'T' => {
            let number = input.try_get_u32().ok()?;
            let _options = input.try_get_u8().ok()?;
            let relations = (0..number).map(|_| input.try_get_u32().ok()).collect::<Option<Vec<_>>>()?;
            Some(Message::Truncate { relations })
        }
        b'O' | b'Y' | b'M' => Some(Message::Other),
        _ => None,
    }
}

fn update(input: &mut &[u8]) -> Option<Message> {
    let relation = input.try_get_u32().ok()?;
    let mut former = None;
    let mut kind = input.try_get_u8().ok()?;
    if matches!(kind, b'K' | b'O') {
        former = Some(tuple(input)?);
        kind = input.try_get_u8().ok()?;
    }
    (kind == b'N').then_some(())?;
    Some(Message::Update { relation, former, row: tuple(input)? })
}

fn relation(input: &mut &[u8]) -> Option<Relation> {
    let id = input.try_get_u32().ok()?;
    let _schema = text(input)?;
    let _table = text(input)?;
    let _replica_identity = input.try_get_u8().ok()?;
    let number = input.try_get_u16().ok()?;
    let columns = (0..number).map(|_| {
        let flags = input.try_get_u8().ok()?;
        let name = text(input)?;
        let (oid, modifier) = (input.try_get_u32().ok()?, input.try_get_i32().ok()?);
        Some(SentColumn { name, is_identity: flags & 1 == 1, oid, modifier })
    });
    Some(Relation { id, columns: columns.collect::<Option<Vec<_>>>()? })
}

fn tuple(input: &mut &[u8]) -> Option<Vec<Cell>> {
    let number = input.try_get_u16().ok()?;
    let cells = (0..number).map(|_| match input.try_get_u8().ok()? {
        b'n' => Some(Cell::Null),
        b'u' => Some(Cell::Unchanged),
        b't' => {
            let length = usize::try_from(input.try_get_u32().ok()?).ok()?;
            let (value, rest) = input.split_at_checked(length)?;
            *input = rest;
            Some(Cell::Text(String::from_utf8_lossy(value).into_owned()))
        }
        _ => None,
    });
    cells.collect()
}

/// A text that ends with a zero byte.
fn text(input: &mut &[u8]) -> Option<String> {
    let end = input.iter().position(|byte| *byte == 0)?;
    let value = String::from_utf8_lossy(&input[..end]).into_owned();
    *input = &input[end + 1..];
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_that_are_cut_short_are_not_read() {
        let whole = [&b"U\x00\x00\x00\x07K\x00\x02t\x00\x00\x00\x011nN\x00\x02t\x00\x00\x00\x012u"[..]].concat();
        let expected = Message::Update {
            relation: 7,
            former: Some(vec![Cell::Text("1".to_owned()), Cell::Null]),
            row: vec![Cell::Text("2".to_owned()), Cell::Unchanged],
        };
        assert_eq!(parse(&whole), Some(expected));
        for end in 0..whole.len() {
            assert_eq!(parse(&whole[..end]), None, "{end}");
        }
        assert_eq!(parse(b"Snot of this version"), None);
    }
}
