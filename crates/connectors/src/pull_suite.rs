//! What the tests of every puller share: a source, and pulling to the end, as the caller does it.

use std::path::PathBuf;

use arrow::array::{AsArray as _, RecordBatch};
use arrow::datatypes::Int64Type;
use serde_json::Value;

use crate::{
    ConnectorError, Contract, Limits, Mode, Position, PullRequest, PullSink, PullSource, Pulled, Puller, ReadReport,
};

/// A source with these options; an incremental one goes on by `updated_at`.
pub(crate) fn source_of(name: &str, mode: Mode, options: &Value) -> PullSource {
    PullSource {
        name: name.to_owned(),
        root: PathBuf::from("."),
        lineage: "test".to_owned(),
        options: options.as_object().unwrap().clone(),
        mode,
        cursor: (mode == Mode::Incremental).then(|| "updated_at".to_owned()),
        lag: 0,
        key: Vec::new(),
    }
}

/// What pulling to the end came to.
#[derive(Debug)]
pub(crate) struct Pulls {
    pub(crate) batches: Vec<RecordBatch>,
    /// The report of the last pull.
    pub(crate) report: ReadReport,
    pub(crate) last: Pulled,
    pub(crate) n_pulls: usize,
}

impl Pulls {
    /// The values of column `id`, in order of arrival.
    pub(crate) fn ids(&self) -> Vec<i64> {
        let columns = self.batches.iter().filter_map(|batch| batch.column_by_name("id"));
        columns.flat_map(|column| column.as_primitive::<Int64Type>().values().to_vec()).collect()
    }
}

/// Pulls from `position` until the end is reached, each pull on from the position of the one before.
pub(crate) async fn pull_all(
    puller: &dyn Puller,
    source: &PullSource,
    mut position: Option<Position>,
    limits: Limits,
    contract: Contract,
) -> Result<Pulls, ConnectorError> {
    let (mut batches, mut n_pulls) = (Vec::new(), 0);
    loop {
        let pulls = pull_once(puller, source, position, limits, contract.clone()).await?;
        batches.extend(pulls.batches);
        n_pulls += 1;
        if pulls.last.complete {
            return Ok(Pulls { batches, n_pulls, report: pulls.report, last: pulls.last });
        }
        position = Some(pulls.last.position);
    }
}

/// One pull from `position`, which goes through its stored form.
pub(crate) async fn pull_once(
    puller: &dyn Puller,
    source: &PullSource,
    position: Option<Position>,
    limits: Limits,
    contract: Contract,
) -> Result<Pulls, ConnectorError> {
    let (sender, mut receiver) = tokio::sync::mpsc::channel(1024);
    let mut sink = PullSink::new(&source.name, contract, sender);
    let position = position.map(|position| serde_json::from_str(&serde_json::to_string(&position).unwrap()).unwrap());
    let request = PullRequest { source: source.clone(), position, limits };
    let last = puller.pull(&request, &mut sink).await?;
    let report = sink.finish().unwrap();
    let mut batches = Vec::new();
    while let Some(batch) = receiver.recv().await {
        batches.push(batch);
    }
    Ok(Pulls { batches, report, last, n_pulls: 1 })
}
