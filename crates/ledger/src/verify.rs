//! Proofs over the sealed log: everything computed again, and single events proven to be in it.

use baton_core::ports::{LedgerError, LogRoot};

use crate::SqlLedger;
use crate::database::{Statement, Transaction};
use crate::error::{damaged, storage};
use crate::ledger::read_frontier;
use crate::merkle::{self, Frontier, Hash};
use crate::record::EventRow;

/// Events that are checked at a time, which bounds memory.
const CHUNK: i64 = 4096;

/// Shows that an event is in the log of a given root (RFC 6962, section 2.1.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InclusionProof {
    /// The event's leaf hash.
    pub leaf: Hash,
    /// The event's sequence number, from 1.
    pub sequence: u64,
    /// The log for which the proof holds.
    pub root: LogRoot,
    /// The audit path, lowest sibling first.
    pub path: Vec<Hash>,
}

impl InclusionProof {
    /// Whether the path leads from the leaf to the root.
    pub fn holds(&self) -> bool {
        let found = merkle::root_from_path(self.leaf, self.sequence.wrapping_sub(1), self.root.size, &self.path);
        found.is_some_and(|found| hex::encode(found) == self.root.hash)
    }
}

impl SqlLedger {
    /// Computes every leaf and the root again from the stored events, and answers the root.
    ///
    /// # Errors
    /// [`LedgerError::Damaged`] names the first event that is missing or was changed, [`LedgerError::Storage`] when the
    /// events cannot be read.
    pub async fn verify(&self) -> Result<LogRoot, LedgerError> {
        // One transaction, so that events appended meanwhile do not look like damage.
        verify(&mut self.database.snapshot("verify the log").await?).await
    }

    /// Proves that the event with this sequence number is in the log; `None` when there is no such event. Reads all leaf
    /// hashes.
    ///
    /// # Errors
    /// [`LedgerError::Storage`] when the log cannot be read.
    pub async fn prove_inclusion(&self, sequence: u64) -> Result<Option<InclusionProof>, LedgerError> {
        let leaves = self.leaves().await?;
        let Some(index) = sequence.checked_sub(1).map(|index| index as usize) else { return Ok(None) };
        let Some(leaf) = leaves.get(index).copied() else { return Ok(None) };
        let root = LogRoot { size: leaves.len() as u64, hash: hex::encode(merkle::root(&leaves)) };
        Ok(Some(InclusionProof { leaf, sequence, root, path: merkle::inclusion_path(&leaves, index) }))
    }

    async fn leaves(&self) -> Result<Vec<Hash>, LedgerError> {
        let select = Statement::new("SELECT leaf FROM event ORDER BY sequence");
        let rows: Vec<(Vec<u8>,)> =
            self.database.all(select).await.map_err(|error| storage("read the log's leaves", &error))?;
        rows.iter()
            .map(|(leaf,)| Hash::try_from(leaf.as_slice()).map_err(|error| damaged("a leaf hash", error)))
            .collect()
    }
}

/// Computes every leaf and the root again, within a transaction.
pub(crate) async fn verify(snapshot: &mut Transaction) -> Result<LogRoot, LedgerError> {
    let recorded = read_frontier(snapshot).await?;
    let mut computed = Frontier::default();
    while check_chunk(snapshot, &mut computed).await? {}
    let first_missing = || damaged(format!("event {}", computed.size() + 1), "it is missing");
    match (computed.size(), recorded.size()) {
        (found, expected) if found < expected => Err(first_missing()),
        (found, expected) if found > expected => {
            Err(damaged(format!("event {}", expected + 1), "it was added without being sealed"))
        }
        _ if computed != recorded => Err(damaged("the log's head", "events were rewritten together with their hashes")),
        (size, _) => Ok(LogRoot { size, hash: hex::encode(computed.root()) }),
    }
}

/// Checks the events after those in `computed` and adds their leaves; `false` when there are no more.
async fn check_chunk(snapshot: &mut Transaction, computed: &mut Frontier) -> Result<bool, LedgerError> {
    let select = Statement::new(
        "SELECT sequence, at, as_of, environment, run, asset, kind, key, body, leaf FROM event
          WHERE sequence > $1 ORDER BY sequence LIMIT $2",
    );
    let select = select.bind(computed.size().cast_signed()).bind(CHUNK);
    let rows: Vec<EventRow> = snapshot.all(select).await.map_err(|error| storage("verify the log", &error))?;
    for row in &rows {
        let expected = computed.size() + 1;
        if row.sequence.cast_unsigned() != expected {
            return Err(damaged(format!("event {expected}"), "it is missing"));
        }
        let leaf = row.computed_leaf();
        if row.leaf != leaf {
            return Err(damaged(format!("event {expected}"), "it was changed after it was sealed"));
        }
        computed.push(leaf);
    }
    Ok(!rows.is_empty())
}
