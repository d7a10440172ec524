//! What the tests of every puller share: pulling to the end, as the caller does it.

use arrow::array::{AsArray as _, RecordBatch};
use arrow::datatypes::Int64Type;

use crate::{
    ConnectorError, Contract, Limits, Position, PullRequest, PullSink, PullSource, Pulled, Puller, ReadReport,
};

/// What pulling to the end came to.
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

/// Pulls from `position` until the end is reached; positions go through their stored form.
pub(crate) async fn pull_all(
    puller: &dyn Puller,
    source: &PullSource,
    mut position: Option<Position>,
    limits: Limits,
    contract: Contract,
) -> Result<Pulls, ConnectorError> {
    let (mut batches, mut n_pulls) = (Vec::new(), 0);
    loop {
        let (sender, mut receiver) = tokio::sync::mpsc::channel(1024);
        let mut sink = PullSink::new(&source.name, contract.clone(), sender);
        let stored = position.map(|position| serde_json::from_str(&serde_json::to_string(&position).unwrap()).unwrap());
        let request = PullRequest { source: source.clone(), position: stored, limits };
        let last = puller.pull(&request, &mut sink).await?;
        let report = sink.finish().unwrap();
        while let Some(batch) = receiver.recv().await {
            batches.push(batch);
        }
        n_pulls += 1;
        if last.complete {
            return Ok(Pulls { batches, report, last, n_pulls });
        }
        position = Some(last.position);
    }
}
