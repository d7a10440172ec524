//! Where a puller puts rows: they are brought to the contract, and those at fault set aside, before they go on.
//!
//! All rows of one pull have one schema. It may be given as the types that the origin has, with the values as text:
//! then a value that is not what its column says is set aside by itself, as in CSV.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use tokio::sync::mpsc;

use crate::conform::{Conformer, Found, RowNumbers};
use crate::{ConnectorError, Contract, ContractColumn, ReadReport, RejectedRow};

/// What happened to a row: `insert`, `update` or `delete`.
pub const OPERATION: &str = "_op";
/// Columns whose value an update did not bring because it is as it was: a JSON list of names; null when there are none.
pub const UNCHANGED: &str = "_unchanged";
/// Before the name of a key column: what it was before the change; null where it is as it was.
pub const FORMER_KEY: &str = "_was_";

/// What is known of a message besides what it carries. Rows have these columns whatever was promised.
const MESSAGE_COLUMNS: &[&str] = &[
    "kafka_topic",
    "kafka_partition",
    "kafka_offset",
    "kafka_published_at",
    "kafka_key",
    "kafka_headers",
    "kafka_tombstone",
    "mqtt_topic",
    "mqtt_received_at",
    "nats_subject",
    "nats_sequence",
    "nats_published_at",
    "nats_headers",
];

/// Takes the rows of one pull.
pub struct PullSink {
    path: String,
    contract: Contract,
    sender: mpsc::Sender<RecordBatch>,
    conformer: Option<Conformer>,
    seen: u64,
    bytes: u64,
    oldest: Option<i64>,
}

impl PullSink {
    /// A sink that holds the rows of `path` (what messages call the origin, such as `orders (postgres)`) to `contract`
    /// and sends them on.
    pub fn new(path: &str, contract: Contract, sender: mpsc::Sender<RecordBatch>) -> Self {
        Self { path: path.to_owned(), contract, sender, conformer: None, seen: 0, bytes: 0, oldest: None }
    }

    /// Says the columns of the rows to come: in the origin's own types `natural`, while batches hold them as `stored`,
    /// which is the same or text. Columns that begin with [`OPERATION`] and the like are the system's.
    ///
    /// # Errors
    /// The columns break the contract, or differ from those said before.
    pub fn begin(&mut self, natural: &Schema, stored: &Schema) -> Result<(), ConnectorError> {
        let found: Vec<Found> = natural
            .fields()
            .iter()
            .zip(stored.fields())
            .map(|(natural, stored)| Found::written_as(natural.name(), natural.data_type(), stored.data_type()))
            .collect();
        let contract = with_system_columns(&self.contract, natural);
        self.begin_under(&found, &contract)
    }

    /// Says the columns of the rows to come, as they were found.
    pub(crate) fn begin_found(&mut self, found: &[Found]) -> Result<(), ConnectorError> {
        let contract = self.contract.clone();
        self.begin_under(found, &contract)
    }

    /// Says that no rows come: the columns are the promised ones.
    pub(crate) fn begin_as_promised(&mut self) -> Result<(), ConnectorError> {
        let promised = self.contract.columns.iter().filter(|column| self.contract.selects(&column.name));
        let found: Vec<Found> = promised.map(|column| Found::typed(&column.name, &column.data_type)).collect();
        self.begin_found(&found)
    }

    fn begin_under(&mut self, found: &[Found], contract: &Contract) -> Result<(), ConnectorError> {
        let conformer = Conformer::start(&self.path, found, contract)?;
        if let Some(before) = &self.conformer
            && before.schema() != conformer.schema()
        {
            let reason = "its columns changed while it was read";
            return Err(ConnectorError::broken(&self.path, reason, "run again"));
        }
        self.conformer.get_or_insert(conformer);
        Ok(())
    }

    /// Takes rows with the columns that [`PullSink::begin`] was told; without it, the first batch says them.
    ///
    /// # Errors
    /// Those of [`PullSink::begin`]; the receiver has stopped.
    pub async fn rows(&mut self, batch: &RecordBatch) -> Result<(), ConnectorError> {
        if self.conformer.is_none() {
            self.begin(batch.schema_ref(), batch.schema_ref())?;
        }
        self.take(batch, &RowNumbers::From(self.seen + 1)).await
    }

    /// Takes rows with the columns that were said, which stand where `numbers` says.
    pub(crate) async fn numbered_rows(&mut self, batch: &RecordBatch, numbers: &[u64]) -> Result<(), ConnectorError> {
        self.take(batch, &RowNumbers::Each(numbers)).await
    }

    async fn take(&mut self, batch: &RecordBatch, numbers: &RowNumbers<'_>) -> Result<(), ConnectorError> {
        self.seen += batch.num_rows() as u64;
        self.bytes += batch.get_array_memory_size() as u64;
        let Some(conformer) = &mut self.conformer else { return Ok(()) };
        match conformer.conform(batch, numbers)? {
            Some(landed) => {
                let sent = self.sender.send(landed).await;
                sent.map_err(|_| ConnectorError::sink("the writer has stopped".to_owned()))
            }
            None => Ok(()),
        }
    }

    /// Sets a row aside that never became part of a batch; [`PullSink::begin`] comes first.
    pub fn reject(&mut self, row: impl FnOnce() -> RejectedRow) {
        self.seen += 1;
        if let Some(conformer) = &mut self.conformer {
            conformer.reject(row);
        }
    }

    /// Hears since when a row has waited at its origin, in microseconds since the epoch.
    pub(crate) fn waited_since(&mut self, micros: i64) {
        self.oldest = Some(self.oldest.map_or(micros, |oldest| oldest.min(micros)));
    }

    /// Since when the row has waited that waited longest, in microseconds since the epoch; `None` where the origin does not
    /// say.
    pub fn oldest(&self) -> Option<i64> {
        self.oldest
    }

    /// The rows of the last batch that were set aside, by their place in it, and why.
    pub(crate) fn refused(&self) -> &[(usize, String)] {
        self.conformer.as_ref().map_or(&[], Conformer::refused)
    }

    /// What rows are held to.
    pub(crate) fn contract(&self) -> &Contract {
        &self.contract
    }

    /// Rows taken so far, those set aside included.
    pub fn n_rows(&self) -> u64 {
        self.seen
    }

    /// Bytes of rows taken so far, as they are in memory.
    pub fn n_bytes(&self) -> u64 {
        self.bytes
    }

    /// Ends the pull; `None` when no column was ever said.
    pub fn finish(self) -> Option<ReadReport> {
        self.conformer.map(Conformer::finish)
    }
}

/// The columns that rows of `natural` columns land in under a contract; `path` is what messages call the origin.
///
/// # Errors
/// The columns break the contract.
pub fn landed_schema(path: &str, contract: &Contract, natural: &Schema) -> Result<SchemaRef, ConnectorError> {
    let found: Vec<Found> =
        natural.fields().iter().map(|field| Found::typed(field.name(), field.data_type())).collect();
    Ok(Conformer::start(path, &found, &with_system_columns(contract, natural))?.schema().clone())
}

/// The contract, with what is known of changes and messages among the promised columns: they are no news to anybody.
fn with_system_columns(contract: &Contract, natural: &Schema) -> Contract {
    let mut contract = contract.clone();
    let is_system =
        |field: &&Arc<Field>| is_change_column(field.name()) || MESSAGE_COLUMNS.contains(&field.name().as_str());
    for field in natural.fields().iter().filter(is_system) {
        if !contract.columns.is_empty() && contract.column(field.name()).is_none() {
            let (name, data_type) = (field.name().clone(), field.data_type().clone());
            contract.columns.push(ContractColumn { name, data_type, nullable: true });
        }
        if let Some(select) = &mut contract.select
            && is_change_column(field.name())
        {
            select.push(field.name().clone());
        }
    }
    contract
}

/// Whether a column says what happened to a row rather than what the row holds.
pub fn is_change_column(name: &str) -> bool {
    name == OPERATION || name == UNCHANGED || name.starts_with(FORMER_KEY)
}

/// The schema of `natural` with every column as text, but for those that text cannot hold.
pub(crate) fn text_schema(natural: &Schema) -> SchemaRef {
    let as_text = |field: &Arc<Field>| match field.data_type() {
        DataType::Binary => field.as_ref().clone(),
        _ => Field::new(field.name(), DataType::Utf8, true),
    };
    Arc::new(Schema::new(natural.fields().iter().map(as_text).collect::<Vec<_>>()))
}
