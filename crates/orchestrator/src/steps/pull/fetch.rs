//! Asking the origin: rows from the connector, stamped with when they became known, written aside.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use baton_connectors::{
    Contract, ContractColumn, Limits, Mode, OPERATION, Position, PullRequest, PullSink, PullSource, Pulled, Puller,
    ReadReport, is_change_column, landed_schema, puller, resolve_secrets,
};
use baton_core::asset::{DeletedRows, Load, Pull, PullMode, Source};
use baton_core::check::{Check, CheckResult};
use baton_core::{AssetName, Fingerprint};
use baton_engine::is_system_column;
use baton_lake::{RowDigest, StagedFile, delta_schema};

use super::chain::{Landed, warehouse_id};
use super::{Pulling, meet};
use crate::checks::checks_of_pass;
use crate::error::RunError;
use crate::execution::Execution;
use crate::prepare::source_identity;
use crate::services::Services;
use crate::steps::unit::{CHUNK_ROWS, Stamp, contract_of};
use crate::write::{Pass, Place};

/// Batches on their way from the connector to the writer; bounds memory.
const BATCHES_ON_THE_WAY: usize = 8;

/// What a pull brought, not visible yet.
pub(super) struct Fetched {
    pub(super) pulled: Pulled,
    /// `None` when the connector never said any columns.
    pub(super) report: Option<ReadReport>,
    pub(super) schema: SchemaRef,
    pub(super) files: Vec<StagedFile>,
    /// Rows or changes that were pulled.
    pub(super) rows: u64,
    /// The keys of landed rows that go; `None` where rows only come.
    pub(super) gone: Option<RecordBatch>,
    pub(super) checks: Option<Vec<CheckResult>>,
    /// Since when the row has waited that waited longest, in microseconds since the epoch; `None` where nobody knows.
    pub(super) oldest: Option<i64>,
}

impl Fetched {
    /// Whether it is anything else than what `tip` holds.
    pub(super) fn has_news(&self, tip: Option<&Landed>) -> bool {
        if !self.pulled.replaces {
            return self.rows > 0;
        }
        self.digest() != tip.and_then(|tip| tip.digest.clone())
    }

    /// What stands for the rows of a whole load.
    pub(super) fn digest(&self) -> Option<String> {
        let digest: RowDigest = self.files.iter().map(|file| file.digest).sum();
        self.pulled.replaces.then(|| digest.to_string())
    }

    /// How the columns differ from those before, in words.
    pub(super) fn schema_changes(&self) -> Vec<String> {
        self.report.iter().flat_map(|report| &report.schema_changes).map(ToString::to_string).collect()
    }
}

/// Pulls what follows `tip` into staged files.
pub(super) async fn fetch(
    services: &Services,
    pulling: &Pulling<'_>,
    tip: Option<&Landed>,
    execution: &Execution<'_>,
) -> Result<Fetched, RunError> {
    let asked = pull_source(services, pulling.asset, pulling.source, pulling.pull)?;
    let puller = puller_of(pulling.source)?;
    let base = match tip {
        Some(tip) => Some(services.lake.snapshot(&tip.version).await?.schema().clone()),
        None => None,
    };
    let contract = contract_with(pulling.source, base.as_ref());
    let (sender, receiver) = tokio::sync::mpsc::channel(BATCHES_ON_THE_WAY);
    let path = format!("{} ({})", pulling.asset, pulling.source.connector);
    let mut sink = PullSink::new(&path, contract, sender);
    let position = tip.map(|tip| tip.position.clone());
    let latency_ms =
        pulling.pull.latency.and_then(|seconds| u64::try_from(seconds).ok()).map(|seconds| seconds * 1_000);
    let request = PullRequest { source: asked, position, limits: Limits { latency_ms, ..Limits::default() } };
    let pulled = async {
        let outcome = puller.pull(&request, &mut sink).await;
        (outcome, sink.oldest(), sink.finish())
    };
    let checks = checks_of_pass(&execution.checks_of(pulling.asset), false);
    let mut writing = Writing {
        services,
        pulling,
        stamp: Stamp::at(services, pulling.source, execution.as_of.timestamp_micros(), &path)?,
        base: tip.map(|tip| tip.version.version),
        checks,
        pass: None,
        together: Vec::new(),
        is_by_key: pulling.source.load == Load::Merge,
    };
    let ((outcome, oldest, report), written) = tokio::join!(pulled, writing.take_all(receiver));
    written?;
    let mut pulled = outcome?;
    // Rows that meet landed ones by key do not void the others.
    pulled.replaces &= pulling.source.load != Load::Merge;
    let tip = tip.filter(|_| !pulled.replaces);
    let fetched = writing.finish(pulled, report, tip, execution).await?;
    Ok(Fetched { oldest, ..fetched })
}

/// Rows on their way into files: many at once, or, where they meet others by key, when all are there.
struct Writing<'a> {
    services: &'a Services,
    pulling: &'a Pulling<'a>,
    stamp: Stamp,
    base: Option<u64>,
    checks: Vec<Check>,
    pass: Option<(Pass<'a>, SchemaRef)>,
    together: Vec<RecordBatch>,
    is_by_key: bool,
}

impl<'a> Writing<'a> {
    async fn take_all(&mut self, mut receiver: tokio::sync::mpsc::Receiver<RecordBatch>) -> Result<(), RunError> {
        while let Some(batch) = receiver.recv().await {
            self.is_by_key |= batch.column_by_name(OPERATION).is_some();
            self.together.push(batch);
            // Stamping is a query: one for many small batches.
            if !self.is_by_key && self.together.iter().map(RecordBatch::num_rows).sum::<usize>() >= CHUNK_ROWS {
                self.write_together().await?;
            }
        }
        match self.is_by_key {
            true => Ok(()),
            false => self.write_together().await,
        }
    }

    async fn write_together(&mut self) -> Result<(), RunError> {
        let batches = std::mem::take(&mut self.together);
        let flagged = batches.iter().map(|batch| meet::with_deleted_flag(batch, self.pulling.pull, None));
        let flagged = flagged.collect::<Result<Vec<_>, _>>()?;
        self.write(flagged).await
    }

    /// Writes rows of one schema that say whether they were deleted, where deleted rows stay.
    async fn write(&mut self, batches: Vec<RecordBatch>) -> Result<(), RunError> {
        let Some(first) = batches.first() else { return Ok(()) };
        let (schema, stamped) = self.stamp.apply(first.schema(), batches).await?;
        if self.pass.is_none() {
            let place = Place { location: &self.pulling.location, base: self.base, checks: &self.checks };
            self.pass = Some((Pass::new(self.services, place, &schema)?, schema));
        }
        if let Some((pass, _)) = &mut self.pass {
            for batch in &stamped {
                pass.write(batch).await?;
            }
        }
        Ok(())
    }

    async fn finish(
        mut self,
        pulled: Pulled,
        report: Option<ReadReport>,
        tip: Option<&Landed>,
        execution: &Execution<'_>,
    ) -> Result<Fetched, RunError> {
        let (mut rows, mut gone) = (0, None);
        if self.is_by_key && !self.together.is_empty() {
            let batches = std::mem::take(&mut self.together);
            rows = batches.iter().map(|batch| batch.num_rows() as u64).sum();
            let met = meet::meet(self.services, self.pulling, batches, tip.map(|tip| &tip.version)).await?;
            gone = Some(met.gone);
            self.write(vec![met.rows]).await?;
        }
        if self.pass.is_none() {
            let visible = |report: &ReadReport| {
                let fields = report.schema.fields().iter().filter(|field| !is_change_column(field.name()));
                Arc::new(Schema::new(fields.cloned().collect::<Vec<_>>()))
            };
            let schema = report.as_ref().map_or_else(|| Arc::new(Schema::empty()), visible);
            self.together.push(RecordBatch::new_empty(schema));
            self.write_together().await?;
        }
        let Some((pass, schema)) = self.pass else {
            return Err(RunError::Project(format!("`{}` has no columns", self.pulling.asset)));
        };
        let written = pass.finish(execution.as_of).await?;
        if gone.is_none() {
            rows = written.rows;
        }
        let checks = Some(written.checks).filter(|_| !pulled.replaces || self.base.is_none() || rows > 0);
        Ok(Fetched { pulled, report, schema, files: written.files, rows, gone, checks, oldest: None })
    }
}

/// Tells the origin what is safe. That it cannot hear it now is no failure: it is told again.
pub(super) async fn confirm(services: &Services, pulling: &Pulling<'_>, position: &Position) {
    let (Ok(asked), Ok(puller)) =
        (pull_source(services, pulling.asset, pulling.source, pulling.pull), puller_of(pulling.source))
    else {
        return;
    };
    if let Err(error) = puller.confirm(&asked, position).await {
        services.progress.failed("confirm", pulling.asset, &error.to_string());
    }
}

/// The source as its connector sees it, secrets resolved.
///
/// # Errors
/// A reference to a secret that leads nowhere.
pub(crate) fn pull_source(
    services: &Services,
    asset: &AssetName,
    source: &Source,
    pull: &Pull,
) -> Result<PullSource, RunError> {
    let variables = Arc::clone(&services.variables);
    let options = resolve_secrets(&pull.options, &services.folder, &move |name: &str| variables(name))?;
    let identity = source_identity(source);
    let lineage = Fingerprint::of([identity.as_str(), &warehouse_id(services)?]);
    let lineage = lineage.short().to_owned();
    Ok(PullSource { options, lineage, ..unresolved(services, asset, pull) })
}

/// The source as the project says it: enough to look at its options.
fn unresolved(services: &Services, asset: &AssetName, pull: &Pull) -> PullSource {
    PullSource {
        name: asset.to_string(),
        root: services.folder.clone(),
        lineage: String::new(),
        options: pull.options.clone(),
        mode: match pull.mode {
            PullMode::Full => Mode::Full,
            PullMode::Incremental => Mode::Incremental,
            PullMode::Cdc => Mode::Cdc,
        },
        cursor: pull.cursor.clone(),
        lag: pull.lag,
        key: pull.key.clone(),
    }
}

/// Holds what the project says against the connector, without connecting.
///
/// # Errors
/// The first mistake.
pub(crate) fn examine(services: &Services, asset: &AssetName, source: &Source, pull: &Pull) -> Result<(), RunError> {
    Ok(puller_of(source)?.examine(&unresolved(services, asset, pull))?)
}

/// Connects and says what answered.
///
/// # Errors
/// What is missing or refused.
pub(crate) async fn check_connection(
    services: &Services,
    asset: &AssetName,
    source: &Source,
    pull: &Pull,
) -> Result<String, RunError> {
    let asked = pull_source(services, asset, source, pull)?;
    Ok(puller_of(source)?.check(&asked).await?)
}

/// The columns that landing the source would make, asked of the origin.
pub(crate) async fn described_schema(
    services: &Services,
    asset: &AssetName,
    source: &Source,
    pull: &Pull,
) -> Result<SchemaRef, RunError> {
    let asked = pull_source(services, asset, source, pull)?;
    let natural = puller_of(source)?.describe(&asked).await?;
    let landed = landed_schema(asset, &contract_of(source), &natural)?;
    let mut fields: Vec<Arc<Field>> = landed.fields().iter().cloned().collect();
    if keeps_deleted(pull) {
        fields.push(Arc::new(Field::new(meet::IS_DELETED, DataType::Boolean, true)));
    }
    Ok(Arc::new(delta_schema(&Schema::new(fields))?.as_ref().clone()))
}

pub(super) fn keeps_deleted(pull: &Pull) -> bool {
    pull.mode == PullMode::Cdc && pull.deletes == DeletedRows::Keep
}

fn puller_of(source: &Source) -> Result<&'static dyn Puller, RunError> {
    puller(&source.connector).ok_or_else(|| {
        let known: Vec<&str> = baton_connectors::pullers().iter().map(|puller| puller.kind()).collect();
        RunError::Project(format!("there is no connector `{}`; use file, {}", source.connector, known.join(", ")))
    })
}

/// What rows are held to: the declared columns, and those that are landed already in the types that they have.
fn contract_with(source: &Source, base: Option<&SchemaRef>) -> Contract {
    let mut contract = contract_of(source);
    for field in base.iter().flat_map(|base| base.fields()) {
        let is_known = contract.column(field.name()).is_some();
        if !is_known && !is_system_column(field.name()) && field.name() != meet::IS_DELETED {
            let (name, data_type) = (field.name().clone(), field.data_type().clone());
            contract.columns.push(ContractColumn { name, data_type, nullable: true });
        }
    }
    contract
}
